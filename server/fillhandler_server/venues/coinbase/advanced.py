"""Advanced Trade (v3): fills, orders, the user channel, and the answers to placements, edits and cancels."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from fillhandler_server.domain.fills import Fill, Liquidity, Side
from fillhandler_server.domain.numbers import EXACT, ZERO
from fillhandler_server.domain.reports import OrderReport, OrderStatus
from fillhandler_server.venues.coinbase.words import (
    LIQUIDITIES,
    REPORTED_SIDES,
    SIDES,
    STATUSES,
    base_size,
    needed_time,
    optional_time,
    product,
    quote_fee,
)
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.reading import Reading, Row

_TRADE_TYPES: Final = {name: name for name in ("FILL", "REVERSAL", "CORRECTION", "SYNTHETIC")}
_SAYS_NOTHING: Final = ("UNKNOWN_", "REJECT_REASON_UNSPECIFIED", "CANCEL_REASON_UNSPECIFIED")
_NOT_STARTED: Final = (OrderStatus.PENDING_NEW, OrderStatus.REJECTED)
_ENDED_EARLY: Final = (OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED)


def said(row: Row, *keys: str) -> str:
    """What of the reasons under the keys says something, each once."""
    found = (row.note(key) for key in keys)
    return ": ".join(dict.fromkeys(text for text in found if text and not text.startswith(_SAYS_NOTHING)))


# ----------------------------------------------------------------------- fills


def is_fill(data: Json) -> bool:
    """A row of orders/historical/fills."""
    return (
        "entry_id" in data
        or "liquidity_indicator" in data
        or "trade_time" in data
        or "sequence_timestamp" in data
        or ("commission" in data and "trade_id" in data)
    )


def read_fill(row: Row, reading: Reading) -> None:
    """A fill. A row of another `trade_type` adjusts one that was sent before, and says not which way."""
    trade_type = row.optional_choice(_TRADE_TYPES, "trade_type", default="FILL")
    if trade_type != "FILL":
        reading.skip(trade_type.lower(), "an adjustment of a fill that was sent before: bust or correct it")
        return
    symbol = row.id("product_id")
    found = product(symbol, row.note("product_type"))
    reading.fills.append(
        Fill(
            venue=reading.venue,
            symbol=symbol,
            order_id=row.id("order_id"),
            trade_id=row.id("trade_id"),
            side=row.choice(SIDES, "side", default=Side.UNSPECIFIED),
            quantity=base_size(row),
            price=row.number("price"),
            account=reading.account,
            market=found.market,
            client_order_id=row.optional_id("client_order_id"),
            fees=quote_fee(row, "commission", found.quote),
            liquidity=row.optional_choice(LIQUIDITIES, "liquidity_indicator", default=Liquidity.UNSPECIFIED),
            trade_time=needed_time(row, "trade_time"),
            contract_kind=found.kind,
            multiplier=found.multiplier,
            base_currency=found.base,
            quote_currency=found.quote,
        )
    )


# ---------------------------------------------------------------------- orders


@dataclass(slots=True)
class _Asked:
    """What an `order_configuration` says was asked for."""

    quantity: Decimal | None = None
    price: Decimal | None = None
    type: str = ""
    post_only: bool = False


_TYPES: Final = (
    # The names are {type}_{form}_{time in force}; the longer words first.
    ("stop_limit", "stop_limit"),
    ("trigger_bracket", "bracket"),
    ("market", "market"),
    ("twap", "twap"),
    ("scaled", "scaled"),
    ("sor_limit", "limit"),
    ("limit", "limit"),
)


def _asked(row: Row) -> _Asked:
    """`order_configuration` is an object with one object in it, whose name is the type of order."""
    outer = row.optional_row("order_configuration")
    if outer is None:
        return _Asked()
    for name, value in outer.data.items():
        if not isinstance(value, dict):
            continue
        inner = Row(value, f"{outer.path}{name}.", row.reading)
        kind = next((word for start, word in _TYPES if name.startswith(start)), "")
        return _Asked(
            quantity=inner.optional_above_zero("base_size"),
            price=inner.optional_above_zero("limit_price"),
            type=kind,
            post_only=bool(inner.optional_flag("post_only")),
        )
    return _Asked()


def _type(row: Row, fallback: str, *, post_only: bool) -> str:
    """One spelling of "STOP_LIMIT" over REST and "Stop Limit" in the channel."""
    word = row.optional_word("order_type").lower().replace(" ", "_")
    if not word or word.startswith(("unknown", "invalid")):
        word = fallback
    return "post_only" if post_only and word == "limit" else word


def _mark(row: Row) -> dict[str, str]:
    forced = row.optional_flag("is_liquidation") or row.note("order_type").upper() == "LIQUIDATION"
    return {"execution": "liquidation"} if forced else {}


def _standing(status: OrderStatus, cumulative: Decimal | None, *, canceling: bool | None) -> OrderStatus:
    """OPEN says nothing about what was filled, nor of a cancel on its way."""
    if status != OrderStatus.NEW:
        return status
    if canceling:
        return OrderStatus.PENDING_CANCEL
    return OrderStatus.PARTIALLY_FILLED if cumulative else OrderStatus.NEW


def is_order(data: Json) -> bool:
    """An order of orders/historical."""
    return (
        "filled_size" in data and "product_id" in data and ("order_id" in data or "client_order_id" in data)
    ) or ("order_configuration" in data and ("status" in data or "created_time" in data))


def read_order(row: Row, reading: Reading) -> None:
    """An order of the REST queries: `filled_size` is in base whatever the order was stated in."""
    symbol = row.id("product_id")
    found = product(symbol, row.note("product_type"))
    asked = _asked(row)
    stated = row.choice(STATUSES, "status", default=OrderStatus.UNSPECIFIED)
    read = row.optional_number if stated in _NOT_STARTED else row.number
    cumulative = read("filled_size")
    status = _standing(stated, cumulative, canceling=row.optional_flag("pending_cancel"))
    created = optional_time(row, "created_time")
    time = optional_time(row, "last_update_time")
    if time is None and status in (OrderStatus.FILLED, OrderStatus.PARTIALLY_FILLED):
        time = optional_time(row, "last_fill_time")
    if time is None and status in (OrderStatus.NEW, OrderStatus.PENDING_NEW):
        time = created
    kind = _type(row, asked.type, post_only=asked.post_only)
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=status,
            symbol=symbol,
            order_id=row.id("order_id"),
            client_order_id=row.optional_id("client_order_id"),
            account=reading.account,
            market=found.market,
            side=row.optional_choice(REPORTED_SIDES, "side", default=Side.UNSPECIFIED),
            type=kind,
            order_quantity=asked.quantity,
            cumulative_quantity=cumulative,
            average_price=row.optional_above_zero("average_filled_price") if cumulative else None,
            limit_price=None if kind == "market" else asked.price,
            time=time,
            create_time=created,
            contract_kind=found.kind,
            multiplier=found.multiplier,
            base_currency=found.base,
            quote_currency=found.quote,
            reason=said(row, "reject_reason", "reject_message", "cancel_message"),
            metadata=_mark(row),
        )
    )


# ------------------------------------------------------------ the user channel


def is_pushed_order(data: Json) -> bool:
    """A row of the user channel."""
    return "order_side" in data or "leaves_quantity" in data or "cumulative_quantity" in data


def _ordered(row: Row, status: OrderStatus, side: int, kind: str, cumulative: Decimal) -> Decimal | None:
    """Filled and still to fill. What is left of a market buy is in the quote currency, and of an order that
    ended early it may be stated as 0."""
    leaves = row.optional_number("leaves_quantity")
    if leaves is None or (leaves and kind == "market" and side != Side.SELL):
        return None
    if not leaves and status in _ENDED_EARLY:
        return None
    return EXACT.add(cumulative, leaves) or None


def read_pushed_order(row: Row, reading: Reading, time: int | None = None) -> None:
    """An order of the user channel: cumulative figures, no fill.

    Args:
        row: the order.
        reading: where it goes.
        time: when the message was sent, which is when this state stood.
    """
    symbol = row.id("product_id")
    found = product(symbol, row.note("product_type"))
    side = row.choice(REPORTED_SIDES, "order_side", "side", default=Side.UNSPECIFIED)
    cumulative = row.number("cumulative_quantity")
    status = _standing(
        row.choice(STATUSES, "status", default=OrderStatus.UNSPECIFIED), cumulative, canceling=None
    )
    kind = _type(row, "", post_only=bool(row.optional_flag("post_only")))
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=status,
            symbol=symbol,
            order_id=row.id("order_id"),
            client_order_id=row.optional_id("client_order_id"),
            account=reading.account,
            market=found.market,
            side=side,
            type=kind,
            order_quantity=_ordered(row, status, side, kind, cumulative),
            cumulative_quantity=cumulative,
            average_price=row.optional_above_zero("avg_price") if cumulative > ZERO else None,
            limit_price=None if kind == "market" else row.optional_above_zero("limit_price"),
            time=time,
            create_time=optional_time(row, "creation_time"),
            contract_kind=found.kind,
            multiplier=found.multiplier,
            base_currency=found.base,
            quote_currency=found.quote,
            reason=said(row, "reject_reason", "cancel_reason"),
            metadata=_mark(row),
        )
    )


def is_event(data: Json) -> bool:
    """An element of a user message's `events`."""
    return data.get("type") in ("snapshot", "update") and (
        isinstance(data.get("orders"), list) or isinstance(data.get("positions"), dict)
    )


def read_event(row: Row, reading: Reading, time: int | None = None) -> None:
    """Orders, and the positions in futures, which are no fills."""
    positions = row.data.get("positions")
    orders = row.rows("orders")
    for order in orders:
        read_pushed_order(order, reading, time)
    held = 0
    if isinstance(positions, dict):
        held = sum(len(rows) for rows in positions.values() if isinstance(rows, list))
    reading.skip("position", "a position of the user channel", held)
    if not orders and not held:
        reading.skip("empty", "an event without orders")


# --------------------------------------------------------------------- answers


def is_answer(data: Json) -> bool:
    """The answer to a placement, to the closing of a position, or to an edit in its newer form."""
    return (
        "success_response" in data
        or "error_response" in data
        or ("success" in data and "order_configuration" in data)
    )


def read_answer(row: Row, reading: Reading) -> None:
    """{"success", "success_response": {ids} or "error_response": {why}, "order_configuration"}."""
    success = row.optional_flag("success")
    done, failed = row.optional_row("success_response"), row.optional_row("error_response")
    if success is None:
        success = done is not None
    if "errors" in row.data and (done is None or not success):  # an edit's: a placement has no such list
        read_edit(row, reading)
        return
    if success:
        if done is None:
            row.fail("success_response", "missing")
        elif "product_id" in done.data or "client_order_id" in done.data or "side" in done.data:
            acknowledge(done, reading, OrderStatus.NEW, _asked(row))
        else:
            # An edit's: accepted, not done.
            acknowledge(done, reading, OrderStatus.PENDING_REPLACE)
        return
    why = failed if failed is not None else row
    reason = said(
        why,
        "error",
        "new_order_failure_reason",
        "edit_order_failure_reason",
        "edit_failure_reason",
        "preview_failure_reason",
        "failure_reason",
        "message",
        "error_details",
    )
    if why.has("edit_failure_reason", "edit_order_failure_reason"):
        reading.skip("failed_amend", reason or "not accepted")
        return
    named = why if why.has("client_order_id", "order_id") else row
    if named.has("client_order_id", "order_id"):
        acknowledge(named, reading, OrderStatus.REJECTED, _asked(row), reason)
    else:
        reading.skip("failed_placement", reason or "not accepted")


def is_acknowledgement(data: Json) -> bool:
    """The `success_response` of a placement, passed alone."""
    return "order_id" in data and "product_id" in data and "trade_id" not in data and "status" not in data


def acknowledge(
    row: Row, reading: Reading, status: OrderStatus, asked: _Asked | None = None, reason: str = ""
) -> None:
    """A report with the ids of an answer and what it repeats of the request."""
    asked = asked or _Asked()
    symbol = row.optional_id("product_id")
    found = product(symbol)
    client_order_id = row.optional_id("client_order_id")
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=status,
            symbol=symbol,
            order_id=row.optional_id("order_id") if client_order_id else row.id("order_id"),
            client_order_id=client_order_id,
            account=reading.account,
            market=found.market,
            side=row.optional_choice(REPORTED_SIDES, "side", default=Side.UNSPECIFIED),
            type="post_only" if asked.post_only and asked.type == "limit" else asked.type,
            order_quantity=asked.quantity,
            limit_price=asked.price,
            contract_kind=found.kind,
            multiplier=found.multiplier,
            base_currency=found.base,
            quote_currency=found.quote,
            reason=reason,
        )
    )


def is_cancel(data: Json) -> bool:
    """A result of batch_cancel."""
    return "success" in data and "order_id" in data


def read_cancel(row: Row, reading: Reading) -> None:
    """Documented as "whether the cancel request was submitted": the order is not canceled yet."""
    if row.flag("success"):
        acknowledge(row, reading, OrderStatus.PENDING_CANCEL)
    else:
        reading.skip("failed_cancel", said(row, "failure_reason") or "not accepted")


_EDIT_REASONS: Final = (
    "edit_failure_reason",
    "edit_order_failure_reason",
    "preview_failure_reason",
    "message",
    "error_details",
)


def read_edit(row: Row, reading: Reading) -> None:
    """{"success", "errors": [why]}: names no order, so an accepted edit has nothing to be attached to."""
    if row.optional_flag("success"):
        reading.skip("acknowledgement", "an accepted edit, which names no order")
        return
    errors = row.data.get("errors")
    rows = row.rows("errors") if isinstance(errors, list) else [row.optional_row("errors") or row]
    rows += [row.optional_row("error_response") or row]
    reasons = (said(why, *_EDIT_REASONS) for why in rows)
    reading.skip("failed_amend", "; ".join(dict.fromkeys(text for text in reasons if text)) or "not accepted")
