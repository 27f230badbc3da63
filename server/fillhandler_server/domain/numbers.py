"""Decimals: the accepted text, the canonical text, and exact arithmetic.

Every number that comes in is checked as text, by a pattern that bounds its length, before anything
converts it: `Decimal("1E+999999999")` is quick to make and takes minutes to expand.
"""

from __future__ import annotations

import re
from decimal import (
    MAX_EMAX,
    MIN_EMIN,
    ROUND_HALF_EVEN,
    Clamped,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
    Rounded,
    Underflow,
)
from typing import Final

NUMBER: Final = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,18})?")
"""The text our own RPCs accept. Use with `fullmatch` (`$` would let a newline through)."""

CANONICAL: Final = re.compile(r"(?!-0\Z)-?(?:0|[1-9][0-9]{0,19})(?:\.[0-9]{0,17}[1-9])?")
"""The canonical form of such a text: no leading zeros, no trailing zeros, no minus zero."""

JSON_NUMBER: Final = re.compile(r"(-?)([0-9]{1,40})(?:\.([0-9]{1,40}))?(?:[eE]([+-]?[0-9]{1,2}))?")
"""A number as venues write it in JSON; exponents are bounded again after the match."""

EXPONENT_MAX: Final = 18
INVERSE_PLACES: Final = 40
ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)

EXACT: Final = Context(
    # A product of two accepted numbers has 76 digits; the sum of 10^18 of them 94. Inverse terms have
    # 38 digits before and 40 behind the point, times a multiplier. Traps make a surprise loud.
    prec=200,
    Emin=MIN_EMIN,
    Emax=MAX_EMAX,
    traps=[Inexact, Rounded, InvalidOperation, DivisionByZero, Overflow, Underflow, Clamped],
)
"""Sums and products are exact in it, or raise."""

SHOWN: Final = Context(
    prec=28, rounding=ROUND_HALF_EVEN, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[InvalidOperation]
)
"""For figures that are shown and cannot be exact (averages): 28 significant digits, half even."""


def is_number(text: str) -> bool:
    """Whether `text` is in the grammar of our own RPCs."""
    return NUMBER.fullmatch(text) is not None


def from_text(text: str) -> Decimal:
    """The exact value of a text in the grammar.

    Raises:
        ValueError: the text is not in the grammar.
    """
    if NUMBER.fullmatch(text) is None:
        raise ValueError(f"not a decimal number: {text[:50]!r}")
    # Adding zero makes minus zero plain; in the exact context, because the default one rounds to 28 digits.
    return EXACT.add(Decimal(text), ZERO) if text.startswith("-") else Decimal(text)


def from_json_number(text: str) -> Decimal:
    """The exact value of a number in a venue's JSON, which may have an exponent of up to 18.

    The result is within the grammar of `NUMBER`.

    Raises:
        ValueError: it is not a number, or larger or finer than the grammar holds.
    """
    match = JSON_NUMBER.fullmatch(text)
    if match is None or abs(int(match[4] or 0)) > EXPONENT_MAX:
        raise ValueError(f"not a number that can be read exactly: {text[:50]!r}")
    value = canonical(Decimal(text))
    if NUMBER.fullmatch(value) is None:
        raise ValueError(f"more than 20 digits before or 18 behind the point: {text[:50]!r}")
    return Decimal(value)


def canonical(value: Decimal) -> str:
    """The one text of a value: plain notation, no leading or trailing zeros, no minus zero."""
    text = str(value)
    # Most are canonical as they are, and str costs a third of format.
    if "E" in text or text[0] == "-":
        text = format(value, "f")
    if text[-1] == "0" and "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def divide_shown(numerator: Decimal, denominator: Decimal) -> Decimal:
    """A quotient for showing: 28 significant digits, half even."""
    return SHOWN.divide(numerator, denominator)


def divide_inverse(quantity: Decimal, price: Decimal) -> Decimal:
    """quantity / price, rounded once, half even, to 40 decimal places.

    Done in integers, because a division in a context and a later quantize would round twice.

    Raises:
        ZeroDivisionError: the price is zero.
    """
    return divide_rounded(quantity, price, INVERSE_PLACES)


def divide_rounded(dividend: Decimal, divisor: Decimal, places: int) -> Decimal:
    """dividend / divisor, rounded once, half even, to decimal places.

    Raises:
        ZeroDivisionError: the divisor is zero.
    """
    n_numerator, n_denominator = dividend.as_integer_ratio()
    d_numerator, d_denominator = divisor.as_integer_ratio()
    numerator = n_numerator * d_denominator * 10**places
    denominator = n_denominator * d_numerator
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    whole, rest = divmod(numerator, denominator)
    twice = 2 * rest
    if twice > denominator or (twice == denominator and whole & 1):
        whole += 1
    return EXACT.scaleb(Decimal(whole), -places)
