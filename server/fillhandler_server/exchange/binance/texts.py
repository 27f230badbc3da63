"""Numbers as each market writes them."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from fillhandler_server.domain.numbers import EXACT, SHOWN, ZERO, canonical

_EIGHT: Final = Decimal("1E-8")


def eight(value: Decimal) -> str:
    """With eight places, as the spot market writes; raises where that would round."""
    return format(EXACT.quantize(value, _EIGHT), "f")


def plain(value: Decimal) -> str:
    """As short as it can be, as the futures write."""
    return canonical(value)


def average(quote: Decimal, quantity: Decimal) -> str:
    """quote / quantity to eight places, as the futures' average prices are; "0" without a quantity."""
    if quantity == ZERO:
        return "0"
    return canonical(SHOWN.divide(quote, quantity).quantize(_EIGHT, ROUND_HALF_EVEN, SHOWN))
