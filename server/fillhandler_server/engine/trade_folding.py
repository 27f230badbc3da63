"""Folds the events of trades into trades, live and on replay alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from fillhandler_server.domain import events as ev
from fillhandler_server.domain.events import Book
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.trades import UNDECIDED, Leg, Operation, Trade


def fold_trade(book: Book, event: ev.TradeEvent, now: int) -> None:
    """Applies an event to its trade. `now` is its commit time."""
    if isinstance(event, ev.TradeStarted):
        book.trades.put(
            Trade(
                event.trade_id,
                event.request_id,
                event.terms,
                start_time=now,
                start_sequence=event.sequence,
                legs=(_leg(event.order, now),),
                sequence=event.sequence,
            )
        )
        return
    trade = book.trades.get(event.trade_id)
    if trade is None:
        return  # an alert that is about no trade
    book.trades.put(_FOLDS[type(event)](trade, event, now))


def renumber_trades(book: Book, number: int, into: int, sequence: int) -> None:
    """An order was merged into another: its trade is that one's."""
    trade = book.trades.of_order(number)
    if trade is not None:
        legs = tuple(
            replace(leg, order_number=into) if leg.order_number == number else leg for leg in trade.legs
        )
        book.trades.put(replace(trade, legs=legs, sequence=sequence))


def _continued(trade: Trade, event: ev.TradeContinued, now: int) -> Trade:
    return replace(trade, legs=(*trade.legs, _leg(event.order, now)), sequence=event.sequence)


def _leg(order: Order, now: int) -> Leg:
    registration = order.registration
    assert registration is not None
    assert registration.order_quantity is not None
    return Leg(
        order.number,
        order.client_order_id,
        now,
        registration.type,
        registration.order_quantity,
        registration.limit_price,
    )


def _succeeded(trade: Trade, event: ev.RequestSucceeded, now: int) -> Trade:
    leg, operation = trade.leg, event.operation
    failure = leg.failure
    if operation == Operation.PLACE:
        event.order.attempts = event.attempt
    # The venue has the order: whatever placing it failed by before is over.
    over = failure is not None and (operation == failure.operation or failure.operation == Operation.PLACE)
    return trade.with_leg(
        event.sequence,
        attempts=leg.counted(operation, event.attempt),
        placed=True,
        failure=None if over else failure,
    )


def _failed(trade: Trade, event: ev.RequestFailed, now: int) -> Trade:
    failure = event.failure
    if failure.operation == Operation.PLACE:
        event.order.attempts = failure.attempt
    leg = trade.leg
    # A question that failed says nothing of what became of the order.
    last = leg.failure if failure.operation == Operation.QUERY else replace(failure, commit_time=now)
    return replace(trade, error_class=failure.error_class, text=failure.text).with_leg(
        event.sequence, attempts=leg.counted(failure.operation, failure.attempt), failure=last
    )


def _cancel_requested(trade: Trade, event: ev.TradeCancelRequested, now: int) -> Trade:
    return replace(trade, cancel_requested=True, sequence=event.sequence)


def _finished(trade: Trade, event: ev.TradeFinished, now: int) -> Trade:
    return replace(
        trade,
        outcome=event.outcome,
        error_class=event.error_class,
        text=event.text,
        finish_time=now,
        undecided=False,
        sequence=event.sequence,
    )


def _alerted(trade: Trade, event: ev.AlertRaised, now: int) -> Trade:
    return replace(trade, undecided=trade.undecided or event.rule == UNDECIDED, sequence=event.sequence)


def _alert_cleared(trade: Trade, event: ev.AlertCleared, now: int) -> Trade:
    return replace(trade, undecided=trade.undecided and event.rule != UNDECIDED, sequence=event.sequence)


# Each takes the event class it stands behind, which a dict cannot say.
_FOLDS: Final[dict[type, Callable[[Trade, Any, int], Trade]]] = {
    ev.TradeContinued: _continued,
    ev.RequestSucceeded: _succeeded,
    ev.RequestFailed: _failed,
    ev.TradeCancelRequested: _cancel_requested,
    ev.TradeFinished: _finished,
    ev.AlertRaised: _alerted,
    ev.AlertCleared: _alert_cleared,
}
