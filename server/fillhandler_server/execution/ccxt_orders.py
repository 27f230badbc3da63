"""A ticket to the arguments of ccxt's `create_order`, exactly, or a refusal before anything is sent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, NamedTuple

from fillhandler_server.domain.errors import InvalidFieldError, Violation
from fillhandler_server.domain.fills import Side
from fillhandler_server.domain.numbers import canonical
from fillhandler_server.execution.ccxt_venues import SPOT, CcxtVenue, checked_client_order_id
from fillhandler_server.execution.connection import MarketRules, OrderTicket

_TYPES: Final = ("market", "limit", "post_only", "ioc")
_TIMES: Final = ("", "gtc", "ioc", "fok")


class OrderArguments(NamedTuple):
    """`create_order(*arguments)`."""

    symbol: str
    type: str
    side: str
    amount: str
    price: str | None
    params: dict[str, Any]


def order_arguments(
    exchange: Any, row: CcxtVenue, unified: str, rules: MarketRules, ticket: OrderTicket
) -> OrderArguments:
    """What `create_order` takes.

    Args:
        exchange: ccxt's, for its own idea of steps.
        unified: ccxt's symbol.

    Raises:
        InvalidFieldError: the exchange could not take it: it would be rounded, is below a minimum, or asks
            for a combination that does not exist. Every fault is named.
    """
    faults: list[Violation] = []
    client_order_id = ""
    try:
        client_order_id = checked_client_order_id(row, ticket.client_order_id)
    except InvalidFieldError as error:
        faults.extend(error.violations)
    _check_words(row, rules, ticket, faults)
    _check_number("quantity", ticket.quantity, rules.quantity_step, faults)
    if rules.quantity_min is not None and 0 < ticket.quantity < rules.quantity_min:
        faults.append(Violation("quantity", f"below the market's minimum of {canonical(rules.quantity_min)}"))
    if ticket.limit_price is not None:
        _check_number("limit_price", ticket.limit_price, rules.price_step, faults)
        notional = ticket.quantity * ticket.limit_price
        if rules.notional_min is not None and rules.market == SPOT and notional < rules.notional_min:
            text = f"at this price below the market's minimum value of {canonical(rules.notional_min)}"
            faults.append(Violation("quantity", text))
    if faults:
        raise InvalidFieldError(*faults)
    amount = canonical(ticket.quantity)
    price = None if ticket.limit_price is None else canonical(ticket.limit_price)
    # Some classes round by rules that no step expresses (Hyperliquid's five digits).
    _check_same("quantity", amount, exchange.amount_to_precision(unified, amount), faults)
    if price is not None:
        _check_same("limit_price", price, exchange.price_to_precision(unified, price), faults)
    if faults:
        raise InvalidFieldError(*faults)
    params: dict[str, Any] = {
        **row.place_params,
        **row.restrictions.get(_restriction(ticket), {}),
        row.client_order_id_key: client_order_id,
    }
    return OrderArguments(
        unified,
        "market" if ticket.type == "market" else "limit",
        "buy" if ticket.side == Side.BUY else "sell",
        amount,
        price,
        params,
    )


def _check_words(row: CcxtVenue, rules: MarketRules, ticket: OrderTicket, faults: list[Violation]) -> None:
    if ticket.side not in (Side.BUY, Side.SELL):
        faults.append(Violation("side", "must be BUY or SELL"))
    if ticket.type not in _TYPES:
        faults.append(Violation("type", f"must be one of {', '.join(_TYPES)}"))
    if ticket.time_in_force not in _TIMES:
        faults.append(Violation("time_in_force", 'must be gtc, ioc, fok or ""'))
    elif ticket.time_in_force:
        allowed = {"limit": _TIMES, "post_only": ("gtc",), "ioc": ("ioc",), "market": ()}.get(
            ticket.type, _TIMES
        )
        if ticket.time_in_force not in allowed:
            faults.append(
                Violation("time_in_force", f"{ticket.time_in_force} is not for {ticket.type} orders")
            )
    restriction = _restriction(ticket)
    if restriction in ("post_only", "ioc", "fok") and restriction not in row.restrictions:
        name = "type" if restriction == ticket.type else "time_in_force"
        faults.append(Violation(name, f"{row.class_id} has no {restriction} orders"))
    if ticket.type == "market":
        if ticket.limit_price is not None:
            faults.append(Violation("limit_price", "a market order has none"))
        if rules.market == SPOT and not row.market_buys and ticket.side == Side.BUY:
            faults.append(
                Violation(
                    "type",
                    f"{row.class_id} takes market purchases by what is spent, not by what is bought: use ioc "
                    "with a limit_price",
                )
            )
    elif ticket.limit_price is None and ticket.type in _TYPES:
        faults.append(Violation("limit_price", f"is required for {ticket.type} orders"))


def _restriction(ticket: OrderTicket) -> str:
    """ "post_only", "ioc" or "fok"; "" for an order that rests until it is cancelled, as all do unasked."""
    if ticket.type in ("post_only", "ioc"):
        return ticket.type
    return ticket.time_in_force if ticket.time_in_force != "gtc" else ""


def _check_number(name: str, value: Decimal, step: Decimal | None, faults: list[Violation]) -> None:
    if not value.is_finite() or value <= 0:
        faults.append(Violation(name, "must be above zero"))
    elif step is not None and value % step:
        faults.append(
            Violation(name, f"{canonical(value)} is no multiple of the market's step {canonical(step)}")
        )


def _check_same(name: str, given: str, rounded: object, faults: list[Violation]) -> None:
    if Decimal(str(rounded)) != Decimal(given):
        faults.append(Violation(name, f"{given} is finer than the exchange takes: it would become {rounded}"))
