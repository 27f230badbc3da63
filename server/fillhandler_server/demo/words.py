"""What a newcomer reads: events in words."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from fillhandler.cli.events import event_text
from fillhandler.v1 import events_pb2, fills_pb2, orders_pb2, trades_pb2

ENDS: Final = frozenset(
    trades_pb2.TradeOutcome.Name(number).removeprefix("TRADE_OUTCOME_")
    for number in trades_pb2.TradeOutcome.values()
)
"""How trades end."""


def trade_words(request: trades_pb2.ExecuteTradeRequest) -> str:
    """What a trade asks for, such as "BUY 0.05 BTCUSDT spot limit at 60000"."""
    limit = f" at {request.limit_price}" if request.HasField("limit_price") else ""
    kind = request.type.replace("_", "-")
    return f"{side_word(request.side)} {request.quantity} {request.symbol} {request.market} {kind}{limit}"


def status_word(status: orders_pb2.OrderStatus.ValueType) -> str:
    """Such as FILLED."""
    return orders_pb2.OrderStatus.Name(status).removeprefix("ORDER_STATUS_")


def side_word(side: fills_pb2.Side.ValueType) -> str:
    """BUY or SELL."""
    return fills_pb2.Side.Name(side).removeprefix("SIDE_")


def outcome_word(outcome: trades_pb2.TradeOutcome.ValueType) -> str:
    """Such as PARTIALLY_FILLED."""
    return trades_pb2.TradeOutcome.Name(outcome).removeprefix("TRADE_OUTCOME_")


def operation_word(operation: trades_pb2.RequestOperation.ValueType) -> str:
    """The request: "place", "cancel" or "query"."""
    return trades_pb2.RequestOperation.Name(operation).removeprefix("REQUEST_OPERATION_").lower()


def amounts(sums: Iterable[fills_pb2.Fee | fills_pb2.Notional]) -> str:
    """Sums, one a currency."""
    return ", ".join(f"{each.amount} {each.currency}" for each in sums)


def number(value: Decimal | None) -> str:
    """A number in a column: at most eight digits. The record itself is exact."""
    return "" if value is None else format(Decimal(f"{value:.8g}").normalize(), "f")


def state(event: events_pb2.Event) -> str:
    """What a trade does after an event of its own, in a word; empty where it goes on as before."""
    match event.WhichOneof("event"):
        case "retry_scheduled":
            failed = event.retry_scheduled
            if failed.operation != trades_pb2.REQUEST_OPERATION_PLACE:
                return ""
            return "UNKNOWN" if failed.maybe_applied else "WAITING"
        case "request_succeeded":
            cancels = event.request_succeeded.operation == trades_pb2.REQUEST_OPERATION_CANCEL
            return "CANCELING" if cancels else "WORKING"
        case "trade_cancel_requested":
            return "CANCELING"
        case "trade_continued":
            return "PLACING"
        case "trade_finished":
            return outcome_word(event.trade_finished.outcome)
        case _:
            return ""


def note(event: events_pb2.Event, *, unsure: bool) -> tuple[str, str] | None:
    """Title and text of what is remarkable about an event, for somebody who has never seen one.

    Args:
        event: from the feed.
        unsure: whether nobody knew what had become of its trade's order.
    """
    match event.WhichOneof("event"):
        case "retry_scheduled":
            failed = event.retry_scheduled
            delay = failed.delay.ToTimedelta().total_seconds()
            what = f"{event.symbol}, {operation_word(failed.operation)} attempt {failed.attempt}"
            why = f"{failed.error_class} ({failed.text.rstrip('.')})"
            if failed.maybe_applied and failed.operation == trades_pb2.REQUEST_OPERATION_PLACE:
                return "OUTCOME UNKNOWN", (
                    f"{what}: {why}. The order may be at the exchange all the same. The exchange is asked for"
                    f" {delay:.1f} s at least before anything is sent again."
                )
            return "RETRY", f"{what}: {why}. Again in {delay:.1f} s."
        case "request_succeeded" if unsure:
            if event.request_succeeded.operation == trades_pb2.REQUEST_OPERATION_PLACE:
                return "SENT AGAIN", (
                    f"{event.symbol}: the exchange had shown that it does not have the order. Now it has."
                )
            return "FOUND", f"{event.symbol}: the exchange has the order. It was not sent a second time."
        case "retry_exhausted":
            failed_for_good = event.retry_exhausted
            why = f"{failed_for_good.error_class} ({failed_for_good.text.rstrip('.')})"
            return "NO RETRY", f"{event.symbol}: {why}. Trying again would not help."
        case "trade_continued":
            return "REPLACED", (
                f"{event.symbol}: the order was cancelled at its deadline, and what it had not filled is"
                " placed again."
            )
        case "connection_changed":
            return _connection_note(event.connection_changed)
        case "fill_conflicted" | "order_anomaly" | "alert_raised" as kind:
            return kind.replace("_", " ").upper(), event_text(event)
        case _:
            return None


def _connection_note(changed: events_pb2.ConnectionChanged) -> tuple[str, str] | None:
    if changed.repaired_fills:
        fills = f"{changed.repaired_fills} fill{'s' * (changed.repaired_fills > 1)}"
        return "GAP REPAIRED", (
            f"{changed.symbol}: the stream had not brought {fills}; the exchange's history had."
        )
    if changed.HasField("confirmed_time"):
        return None  # It tells of the history; the stream is as it was.
    if not changed.connected:
        return "DISCONNECTED", f"The {changed.market} stream broke. It is connected again by itself."
    return "CONNECTED", f"The {changed.market} stream is live."


def event_words(event: events_pb2.Event) -> str:
    """What an event says, in a line."""
    match event.WhichOneof("event"):
        case "fill_recorded":
            return _fill(event.fill_recorded.fill)
        case "fill_enriched":
            return f"{' and '.join(event.fill_enriched.fields)} now known"
        case "order_reported":
            reported = event.order_reported.order
            reason = f": {reported.reason}" if reported.reason else ""
            return f"the exchange says {status_word(reported.status)}{reason}"
        case "trade_started":
            return trade_words(event.trade_started.request)
        case "trade_continued":
            return f"its order number {event.trade_continued.number}"
        case "trade_cancel_requested":
            return "somebody asked for it"
        case "request_succeeded":
            done = event.request_succeeded
            return f"{operation_word(done.operation)}, attempt {done.attempt}"
        case "retry_scheduled":
            failed = event.retry_scheduled
            delay = failed.delay.ToTimedelta().total_seconds()
            what = f"{operation_word(failed.operation)}, attempt {failed.attempt}"
            return f"{what}: {failed.error_class}, again in {delay:.1f} s"
        case "retry_exhausted":
            return f"{event.retry_exhausted.error_class}: {event.retry_exhausted.text}"
        case "trade_finished":
            finished = event.trade_finished
            why = f": {finished.text}" if finished.text else ""
            return f"{outcome_word(finished.outcome)}{why}"
        case _:
            return event_text(event)


def _fill(fill: fills_pb2.Fill) -> str:
    parts = [f"{side_word(fill.side)} {fill.quantity} @ {fill.price}"]
    parts += [f"fee {fee.amount} {fee.currency}" for fee in fill.fees]
    if fill.liquidity:
        parts.append(fills_pb2.Liquidity.Name(fill.liquidity).removeprefix("LIQUIDITY_").lower())
    return ", ".join(parts)


def position(event: events_pb2.Event) -> str:
    """How the order stands after an event, such as "PARTIALLY_FILLED · 0.2 filled, 0.3 left"."""
    if not event.status:
        return ""
    parts = [status_word(event.status)]
    if event.HasField("cumulative_quantity"):
        left = f", {event.leaves_quantity} left" if event.HasField("leaves_quantity") else ""
        parts.append(f"{event.cumulative_quantity} filled{left}")
    return " · ".join(parts)
