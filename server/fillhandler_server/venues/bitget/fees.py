"""Bitget's fees: four shapes and two signs, made one."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Final

from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.domain.numbers import EXACT, ZERO
from fillhandler_server.venues.json_text import load, shown
from fillhandler_server.venues.reading import Row

Fees = tuple[tuple[str, Decimal], ...]


class Sign(Enum):
    """What the venue's sign means where nothing was deducted in BGB."""

    NEGATIVE_IS_COST = -1
    """v2 REST, the futures' pushes."""
    POSITIVE_IS_COST = 1
    """The unified account, and the spot `fill` channel."""


_DEDUCTED: Final = frozenset({"yes", "true", "YES"})


def fee_detail(row: Row, sign: Sign | None) -> Fees:
    """The fees of `feeDetail`: an object, a list of them, or either as a JSON string.

    Args:
        row: the fill.
        sign: None where only the shape tells: spot REST has an object or a string and a negative cost, the
            spot channel a list and a positive one.
    """
    details = row.data.get("feeDetail")
    if isinstance(details, str) and details:
        try:
            details = load(details.encode("utf-8", "replace"))
        except InvalidFieldError as error:
            row.fail("feeDetail", error.violations[0].text)
            return ()
    if details is None or details == "":
        return ()
    if isinstance(details, dict):
        entries = [Row(details, f"{row.path}feeDetail.", row.reading)]
        sign = sign or Sign.NEGATIVE_IS_COST
    elif isinstance(details, list):
        entries = row.reading.rows(details, f"{row.path}feeDetail")
        sign = sign or Sign.POSITIVE_IS_COST
    else:
        row.fail("feeDetail", f"expected an object or a list, got {shown(details)}")
        return ()
    sums: dict[str, Decimal] = {}
    for entry in entries:
        amount = _cost(entry, sign)
        if amount is None:
            continue
        currency = entry.optional_id("feeCoin")
        if currency:
            sums[currency] = EXACT.add(sums.get(currency, ZERO), amount)
        elif amount:
            entry.fail("feeCoin", "missing beside a fee")
    return tuple(sorted(sums.items()))


def _cost(entry: Row, sign: Sign) -> Decimal | None:
    amount = entry.optional_number("totalFee", "fee")
    deduction = entry.data.get("deduction")
    if deduction is True or (isinstance(deduction, str) and deduction in _DEDUCTED):
        # Paid in BGB: the sign varies, and some answers have the amount in the other field only.
        if not amount:
            amount = entry.optional_number("totalDeductionFee") or amount
        return None if amount is None else amount.copy_abs()
    if amount is None:
        return None
    return _by_sign(amount, sign)


def _by_sign(amount: Decimal, sign: Sign) -> Decimal:
    if sign is Sign.POSITIVE_IS_COST or not amount:
        return amount
    return amount.copy_negate()


def last_fee(row: Row, sign: Sign) -> Fees:
    """The fee of the latest fill of an order push, `fillFee` in `fillFeeCoin`."""
    amount = row.optional_number("fillFee")
    if amount is None:
        return ()
    currency = row.optional_id("fillFeeCoin")
    if not currency:
        if amount:
            row.fail("fillFeeCoin", "missing beside a fee")
        return ()
    return ((currency, _by_sign(amount, sign)),)
