"""What is wrong with a trade's terms, told at once and before anything is recorded."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from fillhandler_server.domain.errors import InvalidFieldError, Violation
from fillhandler_server.domain.numbers import EXACT, canonical
from fillhandler_server.domain.trades import Remainder, ReplacementPrice, TradeTerms
from fillhandler_server.execution.client_ids import problem_with
from fillhandler_server.execution.connection import MarketRules

TYPES: Final = ("market", "limit", "post_only", "ioc")
TIMES_IN_FORCE: Final = ("", "gtc", "ioc", "fok")


def check_terms(terms: TradeTerms, rules: MarketRules) -> None:
    """
    Raises:
        InvalidFieldError: naming everything that does not fit together, or the market.
    """
    faults: list[Violation] = []

    def fail(field: str, text: str) -> None:
        faults.append(Violation(field, text))

    if terms.type not in TYPES:
        fail("type", f"must be one of {', '.join(TYPES)}")
    elif terms.type == "market" and terms.limit_price is not None:
        fail("limit_price", "must be absent for a market order")
    elif terms.type != "market" and terms.limit_price is None:
        fail("limit_price", f"is required for the type {terms.type}")
    if terms.limit_price is not None and terms.limit_price <= 0:
        fail("limit_price", "must be above 0")
    if terms.time_in_force not in TIMES_IN_FORCE:
        fail("time_in_force", "must be gtc, ioc, fok, or empty for the type's own")
    elif terms.time_in_force and terms.type in ("market", "post_only"):
        fail("time_in_force", f"must be empty for the type {terms.type}")
    elif terms.type == "ioc" and terms.time_in_force not in ("", "ioc"):
        fail("time_in_force", "must be ioc or empty for the type ioc")
    rests = terms.type in ("limit", "post_only") and terms.time_in_force not in ("ioc", "fok")
    rests = rests or (
        terms.remainder is Remainder.REPLACE and terms.replacement_price is ReplacementPrice.TOLERANCE
    )
    if terms.remainder is not Remainder.LEAVE and terms.deadline is None and rests:
        fail("deadline", "is required, because the remainder is dealt with at its end")
    if terms.replacement_price is ReplacementPrice.TOLERANCE and terms.expected_price is None:
        fail("expected_price", "is required for REPLACEMENT_PRICE_TOLERANCE")
    if terms.client_order_id and (problem := problem_with(terms.venue, terms.client_order_id)):
        fail("client_order_id", problem)
    _check_step("quantity", terms.quantity, rules.quantity_step, fail_with=faults)
    _check_step("limit_price", terms.limit_price, rules.price_step, fail_with=faults)
    if rules.quantity_min is not None and terms.quantity < rules.quantity_min:
        fail("quantity", f"must be at least {canonical(rules.quantity_min)} for {rules.symbol}")
    price = terms.limit_price or terms.expected_price
    if rules.notional_min is not None and price is not None and price > 0 and rules.market == "spot":
        notional = EXACT.multiply(price, terms.quantity)
        if notional < rules.notional_min:
            fail(
                "quantity",
                f"makes an order of {canonical(notional)}; {rules.symbol} takes"
                f" {canonical(rules.notional_min)} and more",
            )
    if faults:
        raise InvalidFieldError(*faults)


def _check_step(
    field: str, value: Decimal | None, step: Decimal | None, *, fail_with: list[Violation]
) -> None:
    if value is None or step is None or not step:
        return
    over = EXACT.remainder(value, step)
    if over:
        below = EXACT.subtract(value, over)
        near = f"{canonical(below)} or {canonical(EXACT.add(below, step))}"
        fail_with.append(
            Violation(field, f"must be a multiple of {canonical(step)}, such as {near}; nothing is rounded")
        )
