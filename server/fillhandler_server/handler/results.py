"""What came of a trade, as it is given out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Self

from fillhandler_server.domain.fills import FillState
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.trades import Trade, TradeOutcome
from fillhandler_server.execution.errors import ErrorClass
from fillhandler_server.handler.errors import ExchangeError, NetworkError, trade_error
from fillhandler_server.handler.states import (
    FillEvent,
    OrderState,
    fill_event,
    order_state,
    plain,
    utc_time,
)
from fillhandler_server.rpc.trades import PARTIAL_FILLS_MAX, find_trade, orders_of, totals
from fillhandler_server.writer import Session


class Fees(dict[str, Decimal]):
    """Currency → exact sum; prints as `0.5 USDT, 0.001 BNB`."""

    def __str__(self) -> str:
        return ", ".join(f"{amount:f} {currency}".rstrip() for currency, amount in self.items()) or "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeResult:
    """A trade, over all its orders: as it ended, or as it stands."""

    success: bool
    """Whether all of the amount was filled."""
    status: str
    """PLACING, WAITING, UNKNOWN, WORKING, CANCELING or FINISHED; "" where no trade was begun."""
    outcome: str
    """FILLED, PARTIALLY_FILLED, NOT_FILLED, REJECTED, FAILED, LEFT_WORKING or NOT_FOLLOWED; "" before its
    end."""
    total_filled: Decimal
    average_price: Decimal | None
    """To 28 significant digits; None where nothing was filled."""
    total_fee: Fees
    """Currency → exact sum. Currencies are never added up."""
    partial_fills: list[FillEvent]
    """The fills, where it took more than one or they are not the whole amount, at most 1,000. Empty where one
    fill was all, or nothing was filled."""
    order: OrderState | None
    """Its last order; None where no trade was begun."""
    orders: tuple[OrderState, ...]
    """Oldest first: one, or more where the rest was placed again."""
    attempts: int
    """How often an order was sent, over all of them."""
    retries: int
    """Those beyond the first of each order."""
    trade_id: str
    request_id: str
    text: str
    """In words: the last error, or why it ended as it did."""
    error: NetworkError | ExchangeError | None
    """What went wrong at the exchange or on the way to it; None where nothing did, which is not success: an
    order may end unfilled in all order."""
    start_time: datetime | None
    finish_time: datetime | None

    @property
    def fees(self) -> Fees:
        """`total_fee`, as orders and fills call it."""
        return self.total_fee

    @property
    def finished(self) -> bool:
        """Whether it has ended."""
        return bool(self.outcome)

    def raise_for_error(self) -> Self:
        """Itself, where there is no error.

        Raises:
            NetworkError, RateLimitError, InsufficientFundsError, ExchangeError: `error`.
        """
        if self.error is not None:
            raise self.error
        return self


def read_result(session: Session, trade_id: str = "", request_id: str = "") -> TradeResult:
    """A trade as it stands; on the writer's thread.

    Raises:
        TradeNotFoundError: there is none.
    """
    return result_of(session, find_trade(session, trade_id, request_id))


def result_of(session: Session, trade: Trade) -> TradeResult:
    """The same of a trade at hand."""
    orders = orders_of(session, trade)
    filled, average, fees = totals(orders)
    attempts = sum(order.attempts for order in orders)
    whole = trade.success and sum(order.fill_count for order in orders) == 1
    states = tuple(order_state(order) for order in orders)
    return TradeResult(
        success=trade.success,
        status=trade.status.name,
        outcome=trade.outcome.name if trade.finished else "",
        total_filled=plain(filled),
        average_price=None if average is None else plain(average),
        total_fee=Fees({fee.currency: Decimal(fee.amount) for fee in fees}),
        partial_fills=[] if whole else _fills(session, orders),
        order=states[-1],
        orders=states,
        attempts=attempts,
        retries=sum(order.retry_count for order in orders),
        trade_id=trade.trade_id,
        request_id=trade.request_id,
        text=trade.text,
        error=_error(trade, attempts),
        start_time=utc_time(trade.start_time),
        finish_time=utc_time(trade.finish_time),
    )


def not_begun(request_id: str, text: str) -> TradeResult:
    """The result where the exchange was not reached before there was a trade; nothing was recorded."""
    return TradeResult(
        success=False,
        status="",
        outcome="",
        total_filled=Decimal(0),
        average_price=None,
        total_fee=Fees(),
        partial_fills=[],
        order=None,
        orders=(),
        attempts=0,
        retries=0,
        trade_id="",
        request_id=request_id,
        text=text,
        error=trade_error("", text, 0, request_id=request_id),
        start_time=None,
        finish_time=None,
    )


def _error(trade: Trade, attempts: int) -> NetworkError | ExchangeError | None:
    made = partial(trade_error, trade_id=trade.trade_id, request_id=trade.request_id)
    if trade.undecided and not trade.finished:
        return made(ErrorClass.UNKNOWN_OUTCOME, trade.text, attempts, maybe_applied=True)
    refused = trade.outcome in (TradeOutcome.REJECTED, TradeOutcome.FAILED)
    if not trade.finished or trade.success or not (refused or trade.error_class):
        return None
    unnamed = ErrorClass.EXCHANGE_ERROR if trade.outcome is TradeOutcome.REJECTED else ""
    return made(trade.error_class or unnamed, trade.text, attempts)


def _fills(session: Session, orders: list[Order]) -> list[FillEvent]:
    found: list[FillEvent] = []
    for order in orders:
        for sequence in sorted(order.fills.values()):
            if len(found) == PARTIAL_FILLS_MAX:
                return found
            state = session.book.change(sequence)[1]
            if state == FillState.STANDING:
                fill = session.book.fill(sequence)
                now = session.engine.now
                found.append(fill_event(fill, order, outcome="", sequence=sequence, state=state, now=now))
    return found
