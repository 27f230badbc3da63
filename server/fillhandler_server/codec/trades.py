"""Trades to messages and back: what was asked, and the events of trades and of connections to venues."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration

from fillhandler.v1 import events_pb2, trades_pb2
from fillhandler_server.codec.messages import NANOSECONDS, from_timestamp, optional_text, to_timestamp
from fillhandler_server.domain import events as ev
from fillhandler_server.domain.numbers import canonical
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.trades import (
    Failure,
    Operation,
    Remainder,
    ReplacementPrice,
    TradeOutcome,
    TradeTerms,
)


def to_duration(nanoseconds: int) -> Duration:
    """A protobuf duration from nanoseconds."""
    made = Duration()
    made.FromNanoseconds(nanoseconds)
    return made


def from_duration(duration: Duration) -> int:
    """Nanoseconds from a protobuf duration."""
    return duration.seconds * NANOSECONDS + duration.nanos


def request_to_message(request_id: str, terms: TradeTerms) -> trades_pb2.ExecuteTradeRequest:
    """The message of what is asked."""
    return trades_pb2.ExecuteTradeRequest(
        request_id=request_id,
        venue=terms.venue,
        account=terms.account,
        market=terms.market,
        symbol=terms.symbol,
        side=terms.side,  # type: ignore[arg-type]  # the enums share their values
        quantity=canonical(terms.quantity),
        type=terms.type,
        limit_price=optional_text(terms.limit_price),
        expected_price=optional_text(terms.expected_price),
        time_in_force=terms.time_in_force,
        deadline=None if terms.deadline is None else to_duration(terms.deadline),
        client_order_id=terms.client_order_id,
        remainder=int(terms.remainder),  # type: ignore[arg-type]
        replacement_price=int(terms.replacement_price),  # type: ignore[arg-type]
        max_replacements=terms.max_replacements,
    )


def request_from_message(message: trades_pb2.ExecuteTradeRequest) -> TradeTerms:
    """What is asked, from a message that this program wrote or checked."""

    def number(name: str) -> Decimal | None:
        return Decimal(getattr(message, name)) if message.HasField(name) else None  # type: ignore[arg-type]

    return TradeTerms(
        venue=message.venue,
        account=message.account,
        market=message.market,
        symbol=message.symbol,
        side=message.side,
        type=message.type,
        quantity=Decimal(message.quantity),
        limit_price=number("limit_price"),
        expected_price=number("expected_price"),
        time_in_force=message.time_in_force,
        deadline=from_duration(message.deadline) if message.HasField("deadline") else None,
        client_order_id=message.client_order_id,
        remainder=Remainder(message.remainder or Remainder.LEAVE),
        replacement_price=ReplacementPrice(message.replacement_price or ReplacementPrice.SAME),
        max_replacements=message.max_replacements if message.HasField("max_replacements") else None,
    )


def terms_to_bytes(terms: TradeTerms) -> bytes:
    """The bytes of what is asked, for the read models."""
    return request_to_message("", terms).SerializeToString(deterministic=True)


def terms_from_bytes(data: bytes) -> TradeTerms:
    """What is asked, from bytes that this program wrote."""
    return request_from_message(trades_pb2.ExecuteTradeRequest.FromString(data))


# ---------------------------------------------------------------------- events to messages


def connection_message(event: ev.ConnectionChanged) -> events_pb2.Event:
    """The message of a connection's event, without its sequence and time."""
    body = events_pb2.ConnectionChanged(
        market=event.market,
        connected=event.connected,
        text=event.text,
        repaired_fills=event.repaired_fills,
        symbol=event.symbol,
    )
    if event.confirmed_time is not None:
        body.confirmed_time.CopyFrom(to_timestamp(event.confirmed_time))
    return events_pb2.Event(venue=event.venue, account=event.account, connection_changed=body)


def _started(message: events_pb2.Event, event: ev.TradeStarted) -> None:
    body = message.trade_started
    body.trade_id, body.request_id = event.trade_id, event.request_id
    body.request.CopyFrom(request_to_message(event.request_id, event.terms))


def _continued(message: events_pb2.Event, event: ev.TradeContinued) -> None:
    body = message.trade_continued
    body.trade_id, body.number = event.trade_id, event.number


def _succeeded(message: events_pb2.Event, event: ev.RequestSucceeded) -> None:
    body = message.request_succeeded
    body.trade_id, body.attempt = event.trade_id, event.attempt
    body.operation = int(event.operation)  # type: ignore[assignment]
    body.send_time.CopyFrom(to_timestamp(event.send_time))


def _failed(message: events_pb2.Event, event: ev.RequestFailed) -> None:
    failure = event.failure
    body: Any
    if failure.delay is None:
        body = message.retry_exhausted
        body.attempts = failure.attempt
    else:
        body = message.retry_scheduled
        body.attempt = failure.attempt
        body.delay.CopyFrom(to_duration(failure.delay))
    body.trade_id, body.error_class, body.text = event.trade_id, failure.error_class, failure.text
    body.operation, body.maybe_applied = int(failure.operation), failure.maybe_applied
    body.send_time.CopyFrom(to_timestamp(failure.send_time))


def _cancel_requested(message: events_pb2.Event, event: ev.TradeCancelRequested) -> None:
    message.trade_cancel_requested.trade_id = event.trade_id


def _finished(message: events_pb2.Event, event: ev.TradeFinished) -> None:
    body = message.trade_finished
    body.trade_id, body.success = event.trade_id, event.outcome == TradeOutcome.FILLED
    body.outcome = int(event.outcome)  # type: ignore[assignment]
    body.error_class, body.text = event.error_class, event.text


def _alert_raised(message: events_pb2.Event, event: ev.AlertRaised) -> None:
    body = message.alert_raised
    body.rule, body.text, body.trade_id = event.rule, event.text, event.trade_id


def _alert_cleared(message: events_pb2.Event, event: ev.AlertCleared) -> None:
    message.alert_cleared.rule, message.alert_cleared.trade_id = event.rule, event.trade_id


# Each takes the event class it stands behind, which a dict cannot say.
TRADE_BODIES: Final[dict[type, Callable[[events_pb2.Event, Any], None]]] = {
    ev.TradeStarted: _started,
    ev.TradeContinued: _continued,
    ev.RequestSucceeded: _succeeded,
    ev.RequestFailed: _failed,
    ev.TradeCancelRequested: _cancel_requested,
    ev.TradeFinished: _finished,
    ev.AlertRaised: _alert_raised,
    ev.AlertCleared: _alert_cleared,
}


# ---------------------------------------------------------------------- messages to events


def read_connection(message: events_pb2.Event) -> ev.ConnectionChanged:
    """A connection's event."""
    body = message.connection_changed
    return ev.ConnectionChanged(
        message.venue,
        message.account,
        body.market,
        body.connected,
        body.text,
        body.repaired_fills,
        body.symbol,
        from_timestamp(body.confirmed_time) if body.HasField("confirmed_time") else None,
        message.sequence,
    )


def _read_started(message: events_pb2.Event, order: Order, book: ev.Book) -> ev.OrderEvent:
    body = message.trade_started
    return ev.TradeStarted(order, body.trade_id, body.request_id, request_from_message(body.request))


def _read_continued(message: events_pb2.Event, order: Order, book: ev.Book) -> ev.OrderEvent:
    return ev.TradeContinued(order, message.trade_continued.trade_id, message.trade_continued.number)


def _read_succeeded(message: events_pb2.Event, order: Order, book: ev.Book) -> ev.OrderEvent:
    body = message.request_succeeded
    return ev.RequestSucceeded(
        order, body.trade_id, body.attempt, Operation(body.operation), from_timestamp(body.send_time)
    )


def _read_scheduled(message: events_pb2.Event, order: Order, book: ev.Book) -> ev.OrderEvent:
    body = message.retry_scheduled
    return _read_failed(order, body, body.attempt, from_duration(body.delay))


def _read_exhausted(message: events_pb2.Event, order: Order, book: ev.Book) -> ev.OrderEvent:
    body = message.retry_exhausted
    return _read_failed(order, body, body.attempts, None)


def _read_failed(order: Order, body: Any, attempt: int, delay: int | None) -> ev.RequestFailed:
    failure = Failure(
        Operation(body.operation),
        attempt,
        body.error_class,
        body.maybe_applied,
        body.text,
        send_time=from_timestamp(body.send_time),
        delay=delay,
    )
    return ev.RequestFailed(order, body.trade_id, failure)


def _read_cancel_requested(message: events_pb2.Event, order: Order, book: ev.Book) -> ev.OrderEvent:
    return ev.TradeCancelRequested(order, message.trade_cancel_requested.trade_id)


def _read_finished(message: events_pb2.Event, order: Order, book: ev.Book) -> ev.OrderEvent:
    body = message.trade_finished
    return ev.TradeFinished(order, body.trade_id, TradeOutcome(body.outcome), body.error_class, body.text)


def _read_alert_raised(message: events_pb2.Event, order: Order, book: ev.Book) -> ev.OrderEvent:
    body = message.alert_raised
    return ev.AlertRaised(order, body.trade_id, body.rule, body.text)


def _read_alert_cleared(message: events_pb2.Event, order: Order, book: ev.Book) -> ev.OrderEvent:
    return ev.AlertCleared(order, message.alert_cleared.trade_id, message.alert_cleared.rule)


TRADE_READERS: Final[dict[str, Callable[[events_pb2.Event, Order, ev.Book], ev.OrderEvent]]] = {
    "trade_started": _read_started,
    "trade_continued": _read_continued,
    "request_succeeded": _read_succeeded,
    "retry_scheduled": _read_scheduled,
    "retry_exhausted": _read_exhausted,
    "trade_cancel_requested": _read_cancel_requested,
    "trade_finished": _read_finished,
    "alert_raised": _read_alert_raised,
    "alert_cleared": _read_alert_cleared,
}
