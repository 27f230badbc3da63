"""Kraken's values: times in three forms, fees, prices that may be relative, and the symbol of a row."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from fillhandler_server.domain.fills import Side
from fillhandler_server.domain.numbers import EXACT, ZERO
from fillhandler_server.venues.json_text import shown
from fillhandler_server.venues.kraken.symbols import Product, asset, product
from fillhandler_server.venues.reading import NANOSECONDS_MAX, Row, scaled

Fees = tuple[tuple[str, Decimal], ...]

SIDES: Final = {
    "buy": Side.BUY,
    "sell": Side.SELL,
    "Buy": Side.BUY,
    "Sell": Side.SELL,
    "BUY": Side.BUY,
    "SELL": Side.SELL,
    "b": Side.BUY,
    "s": Side.SELL,
}

TYPES: Final = {
    "lmt": "limit",
    "mkt": "market",
    "stp": "stop",
    "post": "post_only",
    "liquidation market": "market",
}
"""The futures' short names and what they mean elsewhere."""

NOWHERE: Final = Product("")

_MOMENT: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?"
    r"(?:Z|([+-])([0-9]{2}):?([0-9]{2}))?"
)
_RELATIVE: Final = re.compile(r"[+#-][0-9.]+%?|[0-9.]+%")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_BELOW: Final = 10**11


def order_type(name: str) -> str:
    """The type of an order in small letters, one word for one thing."""
    name = name.lower()
    return TYPES.get(name, name)


def time_of(row: Row, *keys: str) -> int | None:
    """A time as nanoseconds since the epoch; None where there is none.

    Spot REST and the first WebSocket: seconds with a fraction. The second WebSocket and futures REST:
    RFC 3339. The futures' WebSocket and history: milliseconds.
    """
    key = row.first(*keys)
    value = row.data.get(key)
    if isinstance(value, str) and value:
        if (match := _MOMENT.fullmatch(value)) is not None:
            return _from_text(row, key, match)
        if "." in value or "e" in value.lower():
            number = row.optional_number(key)
            if number is None or number <= 0:
                return None
            if number < _SECONDS_BELOW and (found := int(scaled(number, -9))) <= NANOSECONDS_MAX:
                return found
    return row.optional_time(key)


def needed_time(row: Row, *keys: str) -> int | None:
    """A time that has to be there."""
    if not row.has(*keys):
        row.fail(keys[0], "missing")
    return time_of(row, *keys)


def _from_text(row: Row, key: str, match: re.Match[str]) -> int | None:
    year, month, day, hour, minute, second = (int(match[index]) for index in range(1, 7))
    try:
        moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC) - _EPOCH
    except ValueError:
        row.fail(key, f"not a time: {shown(match[0])}")
        return None
    moment += timedelta(seconds=second - min(second, 59))  # a leap second
    if match[8]:
        offset = timedelta(hours=int(match[9]), minutes=int(match[10]))
        moment += offset if match[8] == "-" else -offset
    found = (moment.days * 86_400 + moment.seconds) * 10**9 + int((match[7] or "").ljust(9, "0"))
    if 0 < found <= NANOSECONDS_MAX:
        return found
    row.fail(key, f"not a time since the epoch: {shown(match[0])}")
    return None


def find(row: Row, *keys: str, needed: bool = True) -> Product:
    """What the row's symbol means; a spelling that cannot be told is a fault, not a symbol of its own.

    REST's spellings have no separator, so a new quote asset would give one market two symbols and leave the
    fee's currency open.
    """
    spelling = row.id(*keys) if needed else row.optional_id(*keys)
    if not spelling:
        return NOWHERE
    told = product(spelling) or product(row.reading.canonical(spelling))
    if told is None:
        row.fail(
            row.first(*keys),
            f"base and quote of {shown(spelling)} are not known; an instrument with this alias tells",
        )
        return NOWHERE
    return told


def marks(row: Row, told: Product, *keys: str) -> dict[str, str]:
    """The metadata that every row may have: the raw spelling of the symbol, and the user reference."""
    found: dict[str, str] = {}
    raw = row.optional_id(*keys) if keys else ""
    if raw and raw != told.symbol:
        found["raw_symbol"] = raw
    reference = row.optional_id("userref", "order_userref")
    if reference not in ("", "0"):
        found["userref"] = reference  # not unique, so it is no client order id
    return found


def fee_in(row: Row, currency: str, *keys: str) -> Fees:
    """A fee whose currency is documented, not stated. Positive = cost, negative = rebate."""
    amount = row.optional_number(*keys)
    return ((currency, amount),) if amount is not None and currency else ()


def fee_stated(row: Row, default: str) -> Fees:
    """`fee_paid` of the futures: positive = cost, negative = rebate."""
    amount = row.optional_number("fee_paid")
    currency = asset(row.optional_id("fee_currency").upper()) or default
    if amount is None or not currency:
        if amount:
            row.fail("fee_currency", "missing")
        return ()
    return ((currency, amount),)


def fee_list(row: Row) -> Fees:
    """`fees` of the executions channel: [{asset, qty}], positive = cost; one asset may stand twice."""
    totals: dict[str, Decimal] = {}
    for entry in row.rows("fees"):
        currency = asset(entry.id("asset"))
        totals[currency] = EXACT.add(totals.get(currency, ZERO), entry.number("qty"))
    return tuple(sorted(totals.items()))


def absolute_price(row: Row, *keys: str) -> Decimal | None:
    """A limit price; None for 0 and for what is relative to the market ("+5.0", "-2%", "#1")."""
    for key in keys:
        value = row.data.get(key)
        if isinstance(value, str) and _RELATIVE.fullmatch(value) is not None:
            continue
        if row.has(key) and (price := row.optional_above_zero(key)) is not None:
            return price
    return None
