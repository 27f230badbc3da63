"""Trades between messages and values: requests checked, trades and attempts as they are served."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

from fillhandler.v1 import execution_service_pb2 as pb
from fillhandler.v1 import fills_pb2, trades_pb2
from fillhandler_server.codec import NANOSECONDS, request_to_message, to_timestamp
from fillhandler_server.codec.trades import from_duration, to_duration
from fillhandler_server.domain.errors import InvalidFieldError, TradeNotFoundError
from fillhandler_server.domain.fills import MAIN_ACCOUNT, FillState
from fillhandler_server.domain.numbers import EXACT, ZERO, canonical, divide_shown
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.trades import (
    Remainder,
    ReplacementPrice,
    Trade,
    TradeOutcome,
    TradeTerms,
)
from fillhandler_server.projections import ListedAttempt
from fillhandler_server.rpc import convert
from fillhandler_server.rpc.checking import Checker
from fillhandler_server.writer import Session

PARTIAL_FILLS_MAX: Final = 1_000
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_DEADLINE_MAX: Final = 366 * 24 * 3600 * NANOSECONDS
_REPLACEMENTS_MAX: Final = 1_000


def terms_from_request(request: trades_pb2.ExecuteTradeRequest) -> tuple[str, TradeTerms]:
    """What is asked, checked as far as no connection is needed for it.

    Raises:
        InvalidFieldError: naming every field that is wrong.
    """
    check = Checker("")
    if not request.request_id:
        check.wrong("request_id", "is required: without it a repeated call would be a second trade")
    elif not _REQUEST_ID.fullmatch(request.request_id):
        check.wrong("request_id", "must be 1 to 64 of A-Z, a-z, 0-9, '-', '_', '.', ':'")
    quantity = check.number("quantity", request.quantity) if request.quantity else None
    if not request.quantity:
        check.wrong("quantity", "is required")
    elif quantity is not None and quantity <= 0:
        check.wrong("quantity", "must be above 0")
    if not request.type:
        check.wrong("type", "is required: market, limit, post_only or ioc")
    deadline = None
    if request.HasField("deadline"):
        deadline = from_duration(request.deadline)
        if not 0 < deadline <= _DEADLINE_MAX:
            check.wrong("deadline", "must be above 0 and at most 366 days")
    if request.HasField("max_replacements") and request.max_replacements > _REPLACEMENTS_MAX:
        check.wrong("max_replacements", f"must be at most {_REPLACEMENTS_MAX}")
    remainder = check.enum("remainder", request.remainder, max(Remainder))
    price = check.enum("replacement_price", request.replacement_price, max(ReplacementPrice))
    terms = TradeTerms(
        venue=check.venue("venue", request.venue),
        account=check.identifier("account", request.account) or MAIN_ACCOUNT,
        market=check.market(request.market),
        symbol=check.identifier("symbol", request.symbol, required=True),
        side=check.enum("side", request.side, 2, required=True),
        type=request.type.lower(),
        quantity=quantity or ZERO,
        limit_price=check.optional_number(request, "limit_price"),
        expected_price=check.optional_number(request, "expected_price"),
        time_in_force=request.time_in_force.lower(),
        deadline=deadline,
        client_order_id=check.identifier("client_order_id", request.client_order_id),
        remainder=Remainder(remainder or Remainder.LEAVE) if remainder <= max(Remainder) else Remainder.LEAVE,
        replacement_price=(
            ReplacementPrice(price or ReplacementPrice.SAME)
            if price <= max(ReplacementPrice)
            else ReplacementPrice.SAME
        ),
        max_replacements=request.max_replacements if request.HasField("max_replacements") else None,
    )
    check.done()
    return request.request_id, terms


def check_name(request: Any) -> None:
    """
    Raises:
        InvalidFieldError: a request names no trade, or names it twice.
    """
    if bool(request.trade_id) == bool(request.request_id):
        raise InvalidFieldError.of("trade_id", "name the trade by trade_id or by request_id, one of them")


def find_trade(session: Session, trade_id: str = "", request_id: str = "") -> Trade:
    """A trade by either id.

    Raises:
        TradeNotFoundError: there is none.
    """
    trades = session.book.trades
    trade = trades.get(trade_id) if trade_id else trades.of_request(request_id)
    if trade is None:
        raise TradeNotFoundError(
            f"no trade {trade_id or request_id!r} is known", trade_id=trade_id, request_id=request_id
        )
    return trade


def orders_of(session: Session, trade: Trade) -> list[Order]:
    """A trade's orders, oldest first."""
    return [session.book.order(leg.order_number) for leg in trade.legs]


def trade_message(trade: Trade, orders: list[Order]) -> trades_pb2.Trade:
    """A trade as it is served."""
    filled, average, fees = totals(orders)
    attempts = sum(order.attempts for order in orders)
    message = trades_pb2.Trade(
        trade_id=trade.trade_id,
        request=request_to_message(trade.request_id, trade.terms),
        status=int(trade.status),  # type: ignore[arg-type]  # the enums share their values
        outcome=int(trade.outcome),  # type: ignore[arg-type]
        success=trade.outcome is TradeOutcome.FILLED,
        orders=[convert.order_message(order) for order in orders],
        total_filled=canonical(filled),
        average_price=None if average is None else canonical(average),
        fees=fees,
        fill_count=sum(order.fill_count for order in orders),
        attempts=attempts,
        retries=sum(order.retry_count for order in orders),
        error_class=trade.error_class,
        text=trade.text,
        start_time=to_timestamp(trade.start_time),
        cancel_requested=trade.cancel_requested,
        undecided=trade.undecided,
        sequence=trade.sequence,
    )
    if trade.finish_time is not None:
        message.finish_time.CopyFrom(to_timestamp(trade.finish_time))
    failure = trade.leg.failure
    if not trade.finished and failure is not None and failure.retry_time is not None:
        message.retry_time.CopyFrom(to_timestamp(failure.retry_time))
    return message


def totals(orders: list[Order]) -> tuple[Decimal, Decimal | None, list[fills_pb2.Fee]]:
    """Filled, average price (28 significant digits) and fees over several orders of one symbol."""
    filled = priced = notional = inverse_quantity = inverse_notional = ZERO
    fees: dict[str, Decimal] = {}
    for order in orders:
        filled = EXACT.add(filled, order.cumulative)
        notional = EXACT.add(notional, order.notional)
        inverse_quantity = EXACT.add(inverse_quantity, order.inverse_quantity)
        inverse_notional = EXACT.add(inverse_notional, order.inverse_notional)
        without = EXACT.add(order.unpriced_quantity, order.inverse_quantity)
        priced = EXACT.add(priced, EXACT.subtract(order.cumulative, without))
        for currency, entry in order.fees.items():
            fees[currency] = EXACT.add(fees.get(currency, ZERO), entry[0])
    average = None
    if inverse_notional:
        average = divide_shown(inverse_quantity, inverse_notional)
    elif priced:
        average = divide_shown(notional, priced)
    listed = [
        fills_pb2.Fee(amount=canonical(amount), currency=currency)
        for currency, amount in sorted(fees.items())
    ]
    return filled, average, listed


def result_message(session: Session, trade: Trade) -> pb.ExecuteTradeResponse:
    """What came of a trade."""
    orders = orders_of(session, trade)
    message = trade_message(trade, orders)
    response = pb.ExecuteTradeResponse(
        success=message.success,
        order=message.orders[-1],
        total_filled=message.total_filled,
        fees=message.fees,
        attempts=message.attempts,
        trade=message,
        sequence=session.engine.head,
    )
    if message.HasField("average_price"):
        response.average_price = message.average_price
    whole = message.success and message.fill_count == 1
    if not whole:
        response.partial_fills.extend(_standing_fills(session, orders))
    return response


def _standing_fills(session: Session, orders: list[Order]) -> list[fills_pb2.Fill]:
    found: list[fills_pb2.Fill] = []
    for order in orders:
        for sequence in sorted(order.fills.values()):
            if len(found) == PARTIAL_FILLS_MAX:
                return found
            state = session.book.change(sequence)[1]
            if state == FillState.STANDING:
                fill = session.book.fill(sequence)
                found.append(convert.fill_message(fill, order, state=state, sequence=sequence))
    return found


def attempt_message(entry: ListedAttempt) -> pb.Attempt:
    """An attempt as it is served."""
    order = entry.order
    return pb.Attempt(
        sequence=entry.sequence,
        commit_time=to_timestamp(entry.commit_time),
        send_time=to_timestamp(entry.send_time),
        trade_id=entry.trade_id,
        operation=entry.operation,  # type: ignore[arg-type]
        attempt=entry.attempt,
        outcome=entry.outcome,  # type: ignore[arg-type]
        error_class=entry.error_class,
        maybe_applied=entry.maybe_applied,
        text=entry.text,
        delay=None if entry.delay is None else to_duration(entry.delay),
        venue=order.venue,
        account=order.account,
        symbol=order.symbol,
        order_id=order.order_id,
        client_order_id=order.client_order_id,
    )
