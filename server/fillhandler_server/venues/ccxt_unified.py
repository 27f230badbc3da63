"""ccxt's unified structures of any venue: a trade to a fill, an order to a report. No venue of its own.

Sources: docs.ccxt.com (trade structure, order structure, contract naming conventions) and
ccxt/base/exchange.py 4.5.90 (`safe_trade`, `safe_order`). `info`, `cost` and `datetime` are not read: the
first is the venue's raw row, the others repeat what stands beside them.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.domain.fills import ContractKind, Fill, Liquidity, Side
from fillhandler_server.domain.numbers import EXACT, ZERO, canonical
from fillhandler_server.domain.reports import OrderReport, OrderStatus
from fillhandler_server.venues.json_text import Json, JsonNumber, shown
from fillhandler_server.venues.kinds import Kind, Venue, any_key
from fillhandler_server.venues.reading import Reading, Row

FORMAT: Final = "ccxt"
_VENUE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL}
_LIQUIDITIES: Final = {"maker": Liquidity.MAKER, "taker": Liquidity.TAKER}
_STATUSES: Final = {
    "open": OrderStatus.NEW,
    "closed": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "cancelled": OrderStatus.CANCELED,  # not ccxt's word, but some of its modules pass the venue's on
    "canceling": OrderStatus.PENDING_CANCEL,
    "expired": OrderStatus.EXPIRED,
    "rejected": OrderStatus.REJECTED,
}
_FLOAT: Final = (
    "a JSON number with a point or an exponent was a float, which has lost the exact value: construct the "
    'exchange with {"number": str}, and ccxt gives it as text'
)


def venue_name(venue: str) -> str:
    """The venue in lower case.

    Raises:
        InvalidFieldError: it is missing, or no name.
    """
    name = venue.lower()
    if not name:
        raise InvalidFieldError.of("venue", 'is required with format "ccxt": the structures do not name it')
    if not _VENUE_NAME.fullmatch(name):
        raise InvalidFieldError.of(
            "venue", f"{shown(venue)} must be a name of a-z, 0-9, '_', '.', '-', at most 64 long"
        )
    return name


def venue_of(name: str) -> Venue:
    """The kinds of ccxt's structures under a venue's name, for `kinds.read_document`."""
    return Venue(name, name, KINDS)


# --------------------------------------------------------------------- symbols


class Market(NamedTuple):
    """What the spelling of a unified symbol says. "" and UNSPECIFIED are "not known"."""

    market: str
    kind: int
    base: str
    quote: str


_NOTHING: Final = Market("", ContractKind.UNSPECIFIED, "", "")
_SYMBOL: Final = re.compile(r"([^/:]+)/([^/:]+)(?::([^/:-]+)(?:-([0-9]+))?(-[^/:]+-[CP])?)?")


@lru_cache(maxsize=4096)
def market_facts(symbol: str) -> Market:
    """BTC/USDT is spot, BTC/USDT:USDT linear, BTC/USD:BTC inverse; -241227 behind it is an expiry and
    -241227-60000-C an option. A contract that settles in a third currency (quanto) is neither linear nor
    inverse; what is no such pair is the venue's own spelling, which ccxt could not resolve.
    """
    match = _SYMBOL.fullmatch(symbol)
    if match is None:
        return _NOTHING
    base, quote, settle, _, option = match.groups()
    if settle is None:
        return Market("spot", ContractKind.SPOT, base, quote)
    if option:
        return Market("option", ContractKind.UNSPECIFIED, base, quote)
    if settle == quote:
        return Market("linear", ContractKind.LINEAR, base, quote)
    if settle == base:
        return Market("inverse", ContractKind.INVERSE, base, quote)
    return Market("", ContractKind.UNSPECIFIED, base, quote)


# --------------------------------------------------------------------- numbers


def _refuse_floats(row: Row, *keys: str) -> None:
    for key in keys:
        if row.data.get(key).__class__ is JsonNumber:
            row.fail(key, _FLOAT)


def _fees(row: Row) -> tuple[tuple[str, Decimal], ...]:
    """`fees`, else `fee`: ccxt writes a single fee into both. Positive = cost, negative = rebate, as here."""
    entries = [entry for entry in row.rows("fees") if entry.has("cost")]
    if not entries:
        one = row.optional_row("fee")
        entries = [one] if one is not None and one.has("cost") else []
    sums: dict[str, Decimal] = {}
    for entry in entries:
        _refuse_floats(entry, "cost")
        amount, currency = entry.number("cost"), entry.optional_id("currency")
        if currency:
            sums[currency] = EXACT.add(sums.get(currency, ZERO), amount)
        elif amount:
            entry.fail("currency", "missing")
    return tuple(sorted(sums.items()))


# ---------------------------------------------------------------------- trades

is_trade = any_key("takerOrMaker", "order")
"""A trade: each has the two keys, and no order has one of them."""


def read_trade(row: Row, reading: Reading, order_id: str = "") -> None:
    """A trade of the account. Of an order's own `trades`, `order_id` is the order's."""
    _refuse_floats(row, "amount", "price")
    symbol = reading.canonical(row.id("symbol"))
    traded = market_facts(symbol)
    client_order_id = row.optional_id("clientOrderId")
    order_id = row.optional_id("order") or order_id
    if not order_id and not client_order_id:
        row.fail("order", "missing: a public trade is no fill")
    reading.fills.append(
        Fill(
            venue=reading.venue,
            symbol=symbol,
            order_id=order_id,
            trade_id=row.optional_id("id"),
            side=row.choice(_SIDES, "side", default=Side.UNSPECIFIED),
            quantity=row.positive("amount"),
            price=row.number("price"),
            account=reading.account,
            market=traded.market,
            client_order_id=client_order_id,
            fees=_fees(row),
            liquidity=row.optional_choice(_LIQUIDITIES, "takerOrMaker", default=Liquidity.UNSPECIFIED),
            trade_time=row.optional_time("timestamp"),
            contract_kind=traded.kind,
            base_currency=traded.base,
            quote_currency=traded.quote,
        )
    )


# ---------------------------------------------------------------------- orders

is_order = any_key("status", "filled", "remaining")


def _quantities(row: Row) -> tuple[Decimal | None, Decimal | None]:
    """(ordered, filled); where one of amount, filled and remaining is absent, it follows from the others."""
    ordered, filled = row.optional_above_zero("amount"), row.optional_number("filled")
    remaining = row.optional_number("remaining")
    if remaining is not None:
        if filled is None and ordered is not None:
            filled = EXACT.subtract(ordered, remaining)
            if filled < ZERO:
                row.fail("remaining", "more than amount")
        elif ordered is None and filled is not None:
            ordered = EXACT.add(filled, remaining) or None
    if filled is not None and filled < ZERO and row.has("filled"):
        row.fail("filled", "below zero")
    return ordered, filled


def _status(row: Row, ordered: Decimal | None, filled: Decimal | None) -> tuple[OrderStatus, str]:
    """The status and, where it is not the word's own, the reason.

    "closed" is ccxt's word for filled, and its modules also use it for an order that ended before it was
    filled: that one is canceled. No word (the answer to a placement in which the venue says none) goes by
    the quantities.
    """
    if not row.has("status"):
        if filled and ordered is not None and filled >= ordered:
            return OrderStatus.FILLED, ""
        return (OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.NEW), ""
    status = row.choice(_STATUSES, "status", default=OrderStatus.UNSPECIFIED)
    if status == OrderStatus.NEW and filled:
        return OrderStatus.PARTIALLY_FILLED, ""
    if status == OrderStatus.FILLED and ordered is not None and filled is not None and filled < ordered:
        return OrderStatus.CANCELED, f"closed with {canonical(filled)} of {canonical(ordered)} filled"
    return status, ""


def _time(row: Row, status: OrderStatus) -> int | None:
    """When the venue said so. The last trade's time is that only where a trade was the last change."""
    if row.has("lastUpdateTimestamp"):
        return row.optional_time("lastUpdateTimestamp")
    if status in (OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED):
        return row.optional_time("lastTradeTimestamp")
    return None


def read_order(row: Row, reading: Reading) -> None:
    """An order, and the trades in it that have an id of their own."""
    _refuse_floats(row, "amount", "filled", "remaining", "average", "price")
    ordered, filled = _quantities(row)
    if not row.has("status") and filled is None:
        # What the answers to a placement and to a cancellation have in common: which it is, nobody can say.
        reading.skip("order_without_status", "neither a status nor what is filled")
        return
    status, reason = _status(row, ordered, filled)
    symbol = reading.canonical(row.optional_id("symbol"))
    traded = market_facts(symbol)
    order_id, client_order_id = row.optional_id("id"), row.optional_id("clientOrderId")
    if not order_id and not client_order_id:
        row.fail("id", "missing")
    kind = row.note("type").lower()
    if kind == "limit" and row.data.get("postOnly") is True:
        kind = "post_only"
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=status,
            symbol=symbol,
            order_id=order_id,
            client_order_id=client_order_id,
            account=reading.account,
            market=traded.market,
            side=row.optional_choice(_SIDES, "side", default=Side.UNSPECIFIED),
            type=kind,
            order_quantity=ordered,
            cumulative_quantity=filled,
            average_price=row.optional_above_zero("average") if filled else None,
            # Of a market order, ccxt repeats the average there.
            limit_price=None if kind == "market" else row.optional_above_zero("price"),
            time=_time(row, status),
            create_time=row.optional_time("timestamp"),
            contract_kind=traded.kind,
            base_currency=traded.base,
            quote_currency=traded.quote,
            reason=reason,
        )
    )
    for trade in row.rows("trades"):
        if trade.has("id") and trade.has("amount"):
            read_trade(trade, reading, order_id)
        else:
            # A hash of its content would count it again when it comes with its id.
            reading.skip("trade_without_id", "a trade within an order, without id or amount")


def _is_order_only(data: Json) -> bool:
    return is_order(data) and not is_trade(data)


KINDS: Final = (
    Kind("ccxt_order", _is_order_only, read_order),
    Kind("ccxt_trade", is_trade, read_trade),
)
