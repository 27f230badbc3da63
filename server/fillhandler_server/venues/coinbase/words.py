"""Coinbase's vocabulary, its ISO times, its products, and sizes that are stated in quote."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

from fillhandler_server.domain.fills import ContractKind, Liquidity, Side
from fillhandler_server.domain.numbers import EXACT, ONE
from fillhandler_server.domain.reports import OrderStatus
from fillhandler_server.venues.json_text import shown
from fillhandler_server.venues.reading import NANOSECONDS_MAX, Row

SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL, "buy": Side.BUY, "sell": Side.SELL}
REPORTED_SIDES: Final = SIDES | {
    "UNKNOWN_ORDER_SIDE": Side.UNSPECIFIED,
    "ORDER_SIDE_UNSPECIFIED": Side.UNSPECIFIED,
}
"""A report may leave the side open, a fill may not."""
OPPOSITE: Final = {Side.BUY: Side.SELL, Side.SELL: Side.BUY, Side.UNSPECIFIED: Side.UNSPECIFIED}

LIQUIDITIES: Final = {
    "MAKER": Liquidity.MAKER,
    "TAKER": Liquidity.TAKER,
    "UNKNOWN_LIQUIDITY_INDICATOR": Liquidity.UNSPECIFIED,
    "M": Liquidity.MAKER,
    "T": Liquidity.TAKER,
    "O": Liquidity.UNSPECIFIED,  # the Exchange's "other"
}

STATUSES: Final = {
    "PENDING": OrderStatus.PENDING_NEW,
    "QUEUED": OrderStatus.PENDING_NEW,
    "OPEN": OrderStatus.NEW,
    "FILLED": OrderStatus.FILLED,
    "CANCELLED": OrderStatus.CANCELED,
    "EXPIRED": OrderStatus.EXPIRED,
    "FAILED": OrderStatus.REJECTED,
    "CANCEL_QUEUED": OrderStatus.PENDING_CANCEL,
    "EDIT_QUEUED": OrderStatus.PENDING_REPLACE,
    "UNKNOWN_ORDER_STATUS": OrderStatus.UNKNOWN,
}

# ----------------------------------------------------------------------- times

_ISO: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?"
    r"(?:Z|([+-])([0-9]{2}):?([0-9]{2})?)?"
)
_SECONDS: Final = re.compile(r"([0-9]{9,11})\.([0-9]{1,9})")
_EPOCH: Final = date(1970, 1, 1).toordinal()
_NOTHING: Final = "0001-01-01T00:00:00Z"
"""How Go, which Coinbase's services are written in, writes "no time"."""


def _iso(text: str) -> int | None:
    """Nanoseconds since the epoch of an ISO 8601 time; without an offset it is UTC. None: not such a time."""
    match = _ISO.fullmatch(text)
    if match is None:
        found = _SECONDS.fullmatch(text)  # `activate` has seconds with a fraction
        return int(found[1]) * 10**9 + int(found[2].ljust(9, "0")) if found else None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    if hour > 23 or minute > 59 or second > 60:
        return None
    try:
        days = date(year, month, day).toordinal() - _EPOCH
    except ValueError:
        return None
    offset = 60 * (60 * int(match[9] or 0) + int(match[10] or 0))
    seconds = 86_400 * days + 3_600 * hour + 60 * minute + second - (-offset if match[8] == "-" else offset)
    return seconds * 10**9 + int((match[7] or "0").ljust(9, "0"))


def optional_time(row: Row, *keys: str) -> int | None:
    """A time as nanoseconds since the epoch; absent, and the year 1, are None."""
    for key in keys:
        value = row.data.get(key)
        if value is None or value in ("", _NOTHING):
            continue
        if not isinstance(value, str) or value.isdecimal():
            return row.optional_time(key)
        time = _iso(value)
        if time is None or not 0 < time <= NANOSECONDS_MAX:
            row.fail(key, f"not a time: {shown(value)}")
            return None
        return time
    return None


def needed_time(row: Row, *keys: str) -> int | None:
    """A time that has to be there."""
    if not row.has(*keys):
        row.fail(keys[0], "missing")
    return optional_time(row, *keys)


# -------------------------------------------------------------------- products


class Product(NamedTuple):
    """What a product id says. "" and None are "not known"."""

    market: str
    kind: int
    base: str
    quote: str
    multiplier: Decimal | None


_CDE: Final = re.compile(r"([A-Z0-9]+)-[0-9]{2}[A-Z]{3}[0-9]{2}-CDE")
_CONTRACTS: Final[Mapping[str, tuple[str, Decimal]]] = MappingProxyType(
    {
        "BIT": ("BTC", Decimal("0.01")),
        "BIP": ("BTC", Decimal("0.01")),
        "ET": ("ETH", Decimal("0.1")),
        "ETP": ("ETH", Decimal("0.1")),
    }
)
"""Coinbase Derivatives' nano contracts, dated and perpetual-style: base, and units of it a contract."""


@lru_cache(maxsize=4096)
def product(product_id: str, product_type: str = "") -> Product:
    """The market and the currencies of a product id.

    BTC-USD is spot; BTC-PERP-INTX a perpetual of the international exchange, whose size is in the base
    currency and whose money is USDC; BIT-28JUL23-CDE a future of Coinbase Derivatives in contracts and USD.
    """
    if product_id.endswith("-INTX"):
        base = product_id.removesuffix("-INTX").removesuffix("-PERP")
        perpetual = product_id.endswith("-PERP-INTX")
        return Product(
            "linear", ContractKind.LINEAR, base if perpetual else "", "USDC", ONE if perpetual else None
        )
    if product_id.endswith("-CDE"):
        found = _CDE.fullmatch(product_id)
        base, size = _CONTRACTS.get(found[1] if found else "", ("", None))
        return Product("linear", ContractKind.LINEAR, base, "USD", size)
    if product_type == "FUTURE":
        return Product("linear", ContractKind.LINEAR, "", "", None)
    parts = product_id.split("-")
    if len(parts) == 2 and all(parts):
        return Product("spot", ContractKind.SPOT, parts[0], parts[1], None)
    if product_type == "SPOT":
        return Product("spot", ContractKind.SPOT, "", "", None)
    return Product("", ContractKind.UNSPECIFIED, "", "", None)


# ------------------------------------------------------------------------ fees


def quote_fee(row: Row, key: str, quote: str) -> tuple[tuple[str, Decimal], ...]:
    """A fee, documented to be in the quote currency, positive = cost. An amount that has no currency is a
    fault; a zero without one says nothing."""
    amount = row.optional_number(key)
    if amount is None:
        return ()
    if not quote:
        if amount:
            row.fail("product_id", "the quote currency, which the fee is in, cannot be told from it")
        return ()
    return ((quote, amount),)


# ----------------------------------------------------------------------- sizes

_PLACES: Final = 18


def divide(quote_size: Decimal, price: Decimal) -> Decimal | None:
    """quote_size / price, both above zero, rounded once, half even, to 18 decimal places.

    In integers, because a division in a context and a later quantize would round twice. None: the quotient is
    zero then, or longer than a quantity may be.
    """
    q_numerator, q_denominator = quote_size.as_integer_ratio()
    p_numerator, p_denominator = price.as_integer_ratio()
    denominator = q_denominator * p_numerator
    whole, rest = divmod(q_numerator * p_denominator * 10**_PLACES, denominator)
    twice = 2 * rest
    if twice > denominator or (twice == denominator and whole & 1):
        whole += 1
    return EXACT.scaleb(Decimal(whole), -_PLACES) if 0 < whole < 10 ** (20 + _PLACES) else None


def base_size(row: Row) -> Decimal:
    """A fill's size in base: `size`, which `size_in_quote` may put in the quote currency."""
    size = row.positive("size")
    if not row.optional_flag("size_in_quote"):
        return size
    found = divide(size, row.positive("price"))
    if found is None:
        row.fail("size", "in base it is zero, or longer than a quantity may be")
        return ONE
    return found
