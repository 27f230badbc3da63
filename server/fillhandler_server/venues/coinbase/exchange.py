"""Coinbase Exchange (formerly Pro): fills and orders over REST, and the messages of its user feed.

The feed's messages are those of the public feed, and private only where they name the user or the profile.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from fillhandler_server.domain.fills import Fill, Liquidity, Side
from fillhandler_server.domain.numbers import ZERO, divide_shown
from fillhandler_server.domain.reports import OrderReport, OrderStatus
from fillhandler_server.venues.coinbase.words import (
    LIQUIDITIES,
    OPPOSITE,
    SIDES,
    base_size,
    needed_time,
    optional_time,
    product,
    quote_fee,
)
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.reading import Reading, Row

# ------------------------------------------------------------------------ REST


def is_fill(data: Json) -> bool:
    """A row of /fills."""
    return "liquidity" in data or ("trade_id" in data and "order_id" in data)


def read_fill(row: Row, reading: Reading) -> None:
    """A fill: `side` is the user's own, the fee is in the quote currency."""
    symbol = row.id("product_id")
    found = product(symbol)
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
            client_order_id=row.optional_id("client_oid"),
            fees=quote_fee(row, "fee", found.quote),
            liquidity=row.optional_choice(LIQUIDITIES, "liquidity", default=Liquidity.UNSPECIFIED),
            trade_time=needed_time(row, "created_at"),
            contract_kind=found.kind,
            multiplier=found.multiplier,
            base_currency=found.base,
            quote_currency=found.quote,
        )
    )


_STATUSES: Final = {
    "pending": OrderStatus.PENDING_NEW,
    "received": OrderStatus.NEW,
    "active": OrderStatus.NEW,  # a stop order that waits
    "open": OrderStatus.NEW,
    "rejected": OrderStatus.REJECTED,
    "done": OrderStatus.UNSPECIFIED,  # `done_reason` says how
    "settled": OrderStatus.UNSPECIFIED,
}
_DONE: Final = {
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "cancelled": OrderStatus.CANCELED,
    "rejected": OrderStatus.REJECTED,
    "expired": OrderStatus.EXPIRED,
}


def is_order(data: Json) -> bool:
    """An order of /orders, or the answer to a placement."""
    return "id" in data and "product_id" in data and ("status" in data or "settled" in data)


def read_order(row: Row, reading: Reading) -> None:
    """An order: `executed_value / filled_size` is what was paid."""
    symbol = row.id("product_id")
    found = product(symbol)
    cumulative = row.number("filled_size")
    status = row.choice(_STATUSES, "status", default=OrderStatus.NEW)
    if status == OrderStatus.UNSPECIFIED:
        status = row.choice(_DONE, "done_reason", default=OrderStatus.FILLED)
    elif status == OrderStatus.NEW and cumulative:
        status = OrderStatus.PARTIALLY_FILLED
    created, done = optional_time(row, "created_at"), optional_time(row, "done_at")
    value = row.optional_above_zero("executed_value")
    kind = _type(row, "type")
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=status,
            symbol=symbol,
            order_id=row.id("id"),
            client_order_id=row.optional_id("client_oid"),
            account=reading.account,
            market=found.market,
            side=row.choice(SIDES, "side", default=Side.UNSPECIFIED),
            type=kind,
            order_quantity=_ordered(row),
            cumulative_quantity=cumulative,
            average_price=divide_shown(value, cumulative) if value and cumulative > ZERO else None,
            limit_price=None if kind == "market" else row.optional_above_zero("price"),
            time=done or (created if not cumulative and status < OrderStatus.FILLED else None),
            create_time=created,
            contract_kind=found.kind,
            base_currency=found.base,
            quote_currency=found.quote,
            reason=row.note("reject_reason", "cancel_reason"),
        )
    )


def _ordered(row: Row) -> Decimal | None:
    """What was ordered in base: a market order may say what to spend (`funds`) instead, beside which `size`
    is only what that might buy."""
    if row.has("funds", "specified_funds"):
        return None
    return row.optional_above_zero("size")


def _type(row: Row, *keys: str) -> str:
    kind = row.optional_word(*keys).lower()
    return "post_only" if kind == "limit" and row.optional_flag("post_only") else kind


# -------------------------------------------------------------------- the feed

_ORDER_MESSAGES: Final = {
    "received": OrderStatus.NEW,
    "open": OrderStatus.NEW,
    "change": OrderStatus.NEW,
    "activate": OrderStatus.NEW,
    "done": OrderStatus.UNSPECIFIED,
}
_MATCHES: Final = frozenset({"match", "last_match"})
_SKIPPED: Final = {
    "subscriptions": "acknowledgement",
    "error": "request_error",
    "balance": "balance",
    "heartbeat": "stream_control",
    "ticker": "market_data",
    "snapshot": "market_data",
    "l2update": "market_data",
    "status": "market_data",
    "rfq_match": "market_data",
    "auction": "market_data",
}
_OURS: Final = ("user_id", "profile_id", "client_oid", "client-oid", "taker_user_id", "maker_user_id")


def is_message(data: Json) -> bool:
    """A message of the feed. An order over REST has a `type` too: "limit", "market"."""
    word = data.get("type")
    return isinstance(word, str) and (word in _ORDER_MESSAGES or word in _MATCHES or word in _SKIPPED)


def read_message(row: Row, reading: Reading) -> None:
    """A match is a fill, the other messages about an order are reports."""
    word = row.note("type")
    if word in _SKIPPED:
        reading.skip(_SKIPPED[word], row.note("message", "reason") or f"a message {word}")
    elif word in _MATCHES:
        _read_match(row, reading)
    elif not row.has(*_OURS) and not row.optional_flag("private"):
        reading.skip("market_data", "a message that names neither user nor profile is the public feed's")
    else:
        _read_order_message(row, reading, word)


def _read_match(row: Row, reading: Reading) -> None:
    """`side` is the maker's. The fields `taker_…` and `maker_…` say which of the two is the user."""
    roles = [
        (role, liquidity)
        for role, liquidity in (("taker", Liquidity.TAKER), ("maker", Liquidity.MAKER))
        if row.has(f"{role}_user_id", f"{role}_profile_id", f"{role}_fee_rate")
    ]
    if not roles:
        reading.skip("market_data", "a match that does not say which side is the user's")
        return
    symbol = row.id("product_id")
    found = product(symbol)
    makers = row.choice(SIDES, "side", default=Side.UNSPECIFIED)
    for role, liquidity in roles:
        # The fee is charged at this rate, but how it is rounded is not documented: /fills has it.
        rate = row.note(f"{role}_fee_rate")
        reading.fills.append(
            Fill(
                venue=reading.venue,
                symbol=symbol,
                order_id=row.id(f"{role}_order_id"),
                trade_id=row.id("trade_id"),
                side=makers if liquidity == Liquidity.MAKER else OPPOSITE[makers],
                quantity=row.positive("size"),
                price=row.number("price"),
                account=reading.account,
                market=found.market,
                liquidity=liquidity,
                trade_time=needed_time(row, "time"),
                contract_kind=found.kind,
                metadata={"fee_rate": rate} if rate else {},
                base_currency=found.base,
                quote_currency=found.quote,
            )
        )


def _read_order_message(row: Row, reading: Reading, word: str) -> None:
    symbol = row.id("product_id")
    found = product(symbol)
    status = _ORDER_MESSAGES[word]
    quantity = None
    if word == "done":
        status = row.choice(_DONE, "reason", default=OrderStatus.FILLED)
    elif word in ("received", "activate"):
        quantity = _ordered(row)
    kind = row.optional_word("order_type").lower()
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=status,
            symbol=symbol,
            order_id=row.id("order_id"),
            client_order_id=row.optional_id("client_oid", "client-oid"),
            account=reading.account,
            market=found.market,
            side=row.choice(SIDES, "side", default=Side.UNSPECIFIED),
            type=kind,
            order_quantity=quantity,
            limit_price=row.optional_above_zero("new_price" if word == "change" else "price"),
            time=needed_time(row, "time", "timestamp"),
            contract_kind=found.kind,
            base_currency=found.base,
            quote_currency=found.quote,
            reason=row.note("cancel_reason"),
        )
    )
