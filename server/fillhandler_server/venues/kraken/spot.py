"""Kraken spot and margin: trades and orders over REST and both WebSockets."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from fillhandler_server.domain.fills import Fill, Liquidity, Side
from fillhandler_server.domain.reports import OrderReport, OrderStatus
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.kraken.symbols import SPOT
from fillhandler_server.venues.kraken.values import (
    NOWHERE,
    SIDES,
    absolute_price,
    fee_in,
    fee_list,
    find,
    marks,
    needed_time,
    order_type,
    time_of,
)
from fillhandler_server.venues.reading import Reading, Row

STATUSES: Final = {
    "pending": OrderStatus.PENDING_NEW,  # validated, not in the book yet
    "pending_new": OrderStatus.PENDING_NEW,
    "open": OrderStatus.NEW,
    "new": OrderStatus.NEW,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "closed": OrderStatus.FILLED,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
    "rejected": OrderStatus.REJECTED,
}

_LIQUIDITIES: Final = {
    "m": Liquidity.MAKER,
    "t": Liquidity.TAKER,
    "maker": Liquidity.MAKER,
    "taker": Liquidity.TAKER,
}

_EVENTS: Final = {
    word: word
    for word in (
        "pending_new",
        "new",
        "trade",
        "filled",  # the order is complete: its trades came before, this is none
        "iceberg_refill",
        "canceled",
        "expired",
        "amended",
        "restated",
        "status",
        "rejected",
    )
}

_EVENT_STATUSES: Final = {
    "pending_new": OrderStatus.PENDING_NEW,
    "new": OrderStatus.NEW,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
    "rejected": OrderStatus.REJECTED,
}
"""The events that are a state, for rows without `order_status`."""


# ------------------------------------------------------- REST and first WebSocket


def is_position(data: Json) -> bool:
    """A row of OpenPositions: it names its order and has no price."""
    return "vol_closed" in data or ("ordertxid" in data and "posstatus" in data and "price" not in data)


def is_trade(data: Json) -> bool:
    """A row of TradesHistory, QueryTrades or ownTrades."""
    return "ordertxid" in data or ("postxid" in data and "pair" in data)


def read_trade(row: Row, reading: Reading) -> None:
    """A trade. Its id is the key that it stands under (`txid`); the integer `trade_id` is the public one."""
    told = find(row, "pair")
    metadata = marks(row, told, "pair")
    if "liquidat" in f"{row.note('ordertype')},{row.note('misc')}":
        metadata["execution"] = "liquidation"
    maker = row.optional_flag("maker")
    liquidity = Liquidity.UNSPECIFIED
    if maker is not None:
        liquidity = Liquidity.MAKER if maker else Liquidity.TAKER
    reading.fills.append(
        Fill(
            venue=reading.venue,
            symbol=told.symbol,
            order_id=row.id("ordertxid"),
            trade_id=row.optional_id("txid", "id"),
            side=row.choice(SIDES, "type", default=Side.UNSPECIFIED),
            quantity=row.positive("vol"),
            price=row.number("price"),
            account=reading.account,
            market=told.market,
            client_order_id=row.optional_id("cl_ord_id"),
            # Documented as "total fee (quote currency)"; the payload names none.
            fees=fee_in(row, told.quote, "fee"),
            liquidity=liquidity,
            trade_time=needed_time(row, "time"),
            contract_kind=told.kind,
            metadata=metadata,
            base_currency=told.base,
            quote_currency=told.quote,
        )
    )


_ORDER_KEYS: Final = frozenset({"vol", "vol_exec", "opentm", "cancel_reason", "lastupdated"})


def is_order(data: Json) -> bool:
    """A row of OpenOrders, ClosedOrders, QueryOrders or openOrders, whole or changed fields only."""
    if "status" in data and ("vol" in data or isinstance(data.get("descr"), dict)):
        return True
    if not _ORDER_KEYS.isdisjoint(data.keys()):
        return True
    return "userref" in data and "status" in data


def read_order(row: Row, reading: Reading) -> None:
    """An order. The stream sends what changed: some rows have a status alone, some no status."""
    if not row.has("status", "vol_exec"):
        reading.skip("order_update", "a change that is neither a status nor a fill")
        return
    descr = row.optional_row("descr") if isinstance(row.data.get("descr"), dict) else None
    told = find(descr, "pair") if descr is not None else NOWHERE
    kind = order_type(descr.optional_word("ordertype")) if descr is not None else ""
    flags = row.note("oflags").split(",")
    executed = row.optional_number("vol_exec")
    # "viqc": the volume is in the quote currency.
    quantity = None if "viqc" in flags else row.optional_above_zero("vol")
    metadata = {} if descr is None else marks(descr, told, "pair")
    metadata |= marks(row, told)
    if "liquidat" in f"{kind},{row.note('misc')}" or (
        descr and "liquidation" in descr.note("ordertype").lower()
    ):
        metadata["execution"] = "liquidation"
    limit = None
    if descr is not None and kind != "market":
        # price is the trigger of the two-price types, price2 their limit; once triggered, limitprice.
        keys = ("price2",) if kind.endswith("-limit") else ("price",)
        limit = row.optional_above_zero("limitprice") or absolute_price(descr, *keys)
        if kind not in ("limit", "iceberg") and not kind.endswith("-limit"):
            limit = None
    order_id = row.optional_id("txid", "orderid", "id")
    client_order_id = row.optional_id("cl_ord_id")
    if not order_id and not client_order_id:
        row.fail("txid", "missing: the order's id is the key that the row stands under")
    reading.reports.append(
        OrderReport(
            figures_of_id=True,
            venue=reading.venue,
            status=_status(row, executed),
            symbol=told.symbol,
            order_id=order_id,
            client_order_id=client_order_id,
            account=reading.account,
            market=SPOT,
            side=SIDES[descr.note("type")] if descr is not None and _has_side(descr) else Side.UNSPECIFIED,
            type="post_only" if "post" in flags and kind == "limit" else kind,
            order_quantity=quantity,
            cumulative_quantity=executed,
            # REST calls the average `price`; the order's own price is in `descr`.
            average_price=row.optional_above_zero("avg_price", "price") if executed else None,
            limit_price=limit,
            time=time_of(row, "closetm", "lastupdated"),
            create_time=time_of(row, "opentm"),
            contract_kind=told.kind,
            base_currency=told.base,
            quote_currency=told.quote,
            reason=row.note("cancel_reason", "reason"),
            metadata=metadata,
        )
    )


def _has_side(descr: Row) -> bool:
    return bool(descr.choice(SIDES, "type", default=Side.UNSPECIFIED))


def _status(row: Row, executed: Decimal | None) -> int:
    if not row.has("status"):  # a change of an order that lives
        return OrderStatus.PARTIALLY_FILLED if executed else OrderStatus.NEW
    status = row.choice(STATUSES, "status", default=OrderStatus.UNSPECIFIED)
    if status == OrderStatus.NEW and executed:
        return OrderStatus.PARTIALLY_FILLED
    if status == OrderStatus.FILLED and executed is not None and not executed:
        return OrderStatus.CANCELED  # closed, and nothing was filled
    return status


# --------------------------------------------------------------- second WebSocket


def is_execution(data: Json) -> bool:
    """A row of the executions channel."""
    return "exec_type" in data


def read_execution(row: Row, reading: Reading) -> None:
    """An event of an order: its state, and for `trade` the fill. Rows name what changed only."""
    event = row.choice(_EVENTS, "exec_type", default="")
    is_trade_event = event == "trade"
    told = find(row, "symbol", needed=is_trade_event)
    metadata = marks(row, told, "symbol")
    if row.optional_flag("liquidated") or "liquidation" in row.note("order_type"):
        metadata["execution"] = "liquidation"
    order_id = row.optional_id("order_id")
    client_order_id = row.optional_id("cl_ord_id")
    if not order_id and (is_trade_event or not client_order_id):
        row.fail("order_id", "missing")
    if is_trade_event:
        reading.fills.append(
            Fill(
                venue=reading.venue,
                symbol=told.symbol,
                order_id=order_id,
                # The private id; `trade_id` counts the pair's public trades.
                trade_id=row.optional_id("exec_id"),
                side=row.choice(SIDES, "side", default=Side.UNSPECIFIED),
                quantity=row.positive("last_qty"),
                price=row.number("last_price"),
                account=reading.account,
                market=told.market,
                client_order_id=client_order_id,
                # `fee_usd_equiv` is a value in dollars, not what was paid.
                fees=fee_list(row),
                liquidity=row.optional_choice(_LIQUIDITIES, "liquidity_ind", default=Liquidity.UNSPECIFIED),
                trade_time=needed_time(row, "timestamp"),
                contract_kind=told.kind,
                multiplier=told.multiplier,
                metadata=dict(metadata),
                base_currency=told.base,
                quote_currency=told.quote,
            )
        )
    if row.has("order_status"):
        status: int = row.choice(STATUSES, "order_status", default=OrderStatus.UNSPECIFIED)
    elif event in _EVENT_STATUSES:
        status = _EVENT_STATUSES[event]
    elif is_trade_event:
        return
    else:
        reading.skip("order_update", f"{event or 'an event'} without the order's status")
        return
    executed = row.optional_number("cum_qty")
    if status == OrderStatus.NEW and executed:
        status = OrderStatus.PARTIALLY_FILLED
    kind = order_type(row.optional_word("order_type"))
    reading.reports.append(
        OrderReport(
            figures_of_id=True,
            venue=reading.venue,
            status=status,
            symbol=told.symbol,
            order_id=order_id,
            client_order_id=client_order_id,
            account=reading.account,
            market=told.market,
            side=row.optional_choice(SIDES, "side", default=Side.UNSPECIFIED),
            type="post_only" if kind == "limit" and row.optional_flag("post_only") else kind,
            # An order in quote currency has `cash_order_qty` instead.
            order_quantity=row.optional_above_zero("order_qty"),
            cumulative_quantity=executed,
            average_price=row.optional_above_zero("avg_price") if executed else None,
            limit_price=None if kind == "market" else absolute_price(row, "limit_price"),
            time=time_of(row, "timestamp"),
            contract_kind=told.kind,
            multiplier=told.multiplier,
            base_currency=told.base,
            quote_currency=told.quote,
            reason=row.note("reason", "cancel_reason"),
            metadata=metadata,
        )
    )
