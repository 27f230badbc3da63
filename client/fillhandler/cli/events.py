"""Events as rows, for `watch` and for an order's history."""

from __future__ import annotations

from fillhandler.cli.values import (
    optional,
    shown_amounts,
    shown_liquidity,
    shown_side,
    shown_span,
    shown_status,
    shown_time,
    shown_word,
)
from fillhandler.v1 import events_pb2, fills_pb2, trades_pb2

#: Headings with the least width of each column, for output that comes line by line.
_COLUMNS = {
    "#sequence": 10,
    "committed": 27,
    "venue": 8,
    "account": 6,
    "symbol": 10,
    "order": 14,
    "event": 16,
    "status": 16,
    "#filled": 12,
    "what": 0,
}


def event_columns() -> tuple[str, ...]:
    """The headings of `event_row`."""
    return tuple(_COLUMNS)


def event_row(event: events_pb2.Event) -> tuple[object, ...]:
    """One event's cells."""
    return (
        event.sequence,
        shown_time(event, "commit_time"),
        event.venue,
        event.account,
        event.symbol,
        event.order_id or event.client_order_id,
        event.WhichOneof("event") or "unknown",
        shown_status(event.status),
        optional(event, "cumulative_quantity"),
        event_text(event),
    )


def event_text(event: events_pb2.Event) -> str:
    """What happened, in a few words and the exact figures."""
    match event.WhichOneof("event"):
        case "fill_recorded":
            return _fill(event.fill_recorded.fill)
        case "fill_enriched":
            return f"{', '.join(event.fill_enriched.fields)} now known: {_fill(event.fill_enriched.fill)}"
        case "fill_conflicted":
            return f"{', '.join(event.fill_conflicted.fields)} differ: {_fill(event.fill_conflicted.fill)}"
        case "fill_busted":
            busted = event.fill_busted
            if busted.superseded:
                return f"inferred {busted.fill.quantity} gives way to what is known better"
            return f"trade {busted.identity.trade_id}" + ("" if busted.applied else ", waits for its fill")
        case "fill_corrected":
            corrected = event.fill_corrected
            waits = "" if corrected.applied else ", waits for its fill"
            return f"trade {corrected.identity.trade_id} by {_fill(corrected.fill)}{waits}"
        case "order_registered":
            order = event.order_registered.order
            limit = f" @ {order.limit_price}" if order.HasField("limit_price") else ""
            return f"{shown_side(order.side)} {order.order_quantity}{limit} {order.type}".rstrip()
        case "order_reported":
            reported = event.order_reported.order
            return " ".join(filter(None, (shown_status(reported.status), reported.reason)))
        case "order_merged":
            return f"order number {event.order_merged.merged_order_number} is this one"
        case "order_anomaly":
            return event.order_anomaly.text
        case "alert_raised":
            return f"{event.alert_raised.rule}: {event.alert_raised.text}"
        case "alert_cleared":
            return event.alert_cleared.rule
        case "request_succeeded":
            done = event.request_succeeded
            return f"trade {done.trade_id}, {_operation(done.operation)} attempt {done.attempt} succeeded"
        case "retry_scheduled":
            retry = event.retry_scheduled
            return (
                f"trade {retry.trade_id}, {_operation(retry.operation)} attempt {retry.attempt} failed: "
                f"{_failure(retry)}; again after {shown_span(retry.delay)}"
            )
        case "retry_exhausted":
            exhausted = event.retry_exhausted
            return (
                f"trade {exhausted.trade_id}, {_operation(exhausted.operation)} given up after "
                f"{exhausted.attempts} attempts: {_failure(exhausted)}"
            )
        case "trade_started":
            started = event.trade_started
            asked = f": {trade_terms(started.request)}" if started.HasField("request") else ""
            return f"trade {started.trade_id}, request {started.request_id}{asked}"
        case "trade_continued":
            return f"trade {event.trade_continued.trade_id}, its order number {event.trade_continued.number}"
        case "trade_cancel_requested":
            return f"trade {event.trade_cancel_requested.trade_id} shall be cancelled"
        case "trade_finished":
            finished = event.trade_finished
            words = " ".join(filter(None, (finished.error_class, finished.text)))
            outcome = shown_word(trades_pb2.TradeOutcome.DESCRIPTOR, finished.outcome)
            return f"trade {finished.trade_id}: {outcome}" + (f", {words}" if words else "")
        case "connection_changed":
            return _connection(event.connection_changed)
        case "orders_cleared":
            return f"{event.orders_cleared.count} orders hidden"
        case "state_imported":
            imported = event.state_imported
            return f"{imported.events_appended} events from {imported.source_instance_id}"
        case _:
            return ""


def trade_terms(request: trades_pb2.ExecuteTradeRequest) -> str:
    """What a trade asks for: `BUY 1 BTCUSDT limit @ 50000 gtc`."""
    limit = f"@ {request.limit_price}" if request.HasField("limit_price") else ""
    words = (
        shown_side(request.side),
        request.quantity,
        request.symbol,
        request.type,
        limit,
        request.time_in_force,
    )
    return " ".join(filter(None, words))


def _operation(operation: trades_pb2.RequestOperation.ValueType) -> str:
    return shown_word(trades_pb2.RequestOperation.DESCRIPTOR, operation)


def _failure(failed: events_pb2.RetryScheduled | events_pb2.RetryExhausted) -> str:
    """The class and the venue's words, and whether the request may have taken effect all the same."""
    words = " ".join(filter(None, (failed.error_class, failed.text)))
    return words + (", may have taken effect" if failed.maybe_applied else "")


def _connection(changed: events_pb2.ConnectionChanged) -> str:
    parts = [" ".join(filter(None, (changed.market, "connected" if changed.connected else "disconnected")))]
    if changed.repaired_fills:
        where = f" of {changed.symbol}" if changed.symbol else ""
        parts.append(f"{changed.repaired_fills} fills{where} repaired")
    if changed.HasField("confirmed_time"):
        parts.append(f"history read up to {shown_time(changed, 'confirmed_time')}")
    return ", ".join(parts) + (f": {changed.text}" if changed.text else "")


def _fill(fill: fills_pb2.Fill) -> str:
    price = f" @ {fill.price}" if fill.HasField("price") else ""
    fees = f" fee {shown_amounts(fill.fees)}" if fill.fees else ""
    maker = f" {shown_liquidity(fill.liquidity).lower()}" if fill.liquidity else ""
    inferred = " inferred" if fill.inferred else ""
    return f"{shown_side(fill.side)} {fill.quantity}{price}{fees}{maker} trade {fill.trade_id}{inferred}"


def event_line(event: events_pb2.Event) -> str:
    """One event as a line whose columns stand under each other as long as they fit."""
    return _line(event_row(event))


def heading_line() -> str:
    """The heading over the lines."""
    return _line([name.removeprefix("#") for name in _COLUMNS])


def _line(cells: object) -> str:
    assert isinstance(cells, list | tuple)
    padded = (
        str("" if cell is None else cell).rjust(width)
        if name.startswith("#")
        else str(cell or "").ljust(width)
        for (name, width), cell in zip(_COLUMNS.items(), cells, strict=True)
    )
    return " ".join(padded).rstrip()
