"""Bytes to events: batches, frames, and events tied to their orders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from fillhandler.v1 import events_pb2, fills_pb2
from fillhandler_server.codec.messages import fill_from_message, from_timestamp, report_from_message
from fillhandler_server.codec.trades import TRADE_READERS, read_connection
from fillhandler_server.domain import events as ev
from fillhandler_server.domain.fills import Fill, FillKey
from fillhandler_server.domain.orders import Order


def decode_batch(payload: bytes) -> list[events_pb2.Event]:
    """The events of a batch's bytes.

    Raises:
        google.protobuf.message.DecodeError: the bytes are not an `EventBatch`.
    """
    return list(events_pb2.EventBatch.FromString(payload).events)


def frame_offsets(payload: bytes) -> Iterator[tuple[int, int]]:
    """Start and end of each framed event in a batch's bytes, frame included."""
    at, end = 0, len(payload)
    while at < end:
        start = at
        at += 1
        size = shift = 0
        while True:
            byte = payload[at]
            at += 1
            size |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
        at += size
        yield start, at


FILL_BODIES: Final = ("fill_recorded", "fill_enriched", "fill_corrected")
"""The branches of an event that hold a fill which may stand."""


def fill_of(message: events_pb2.Event) -> Fill:
    """The fill that an event of `FILL_BODIES` holds."""
    return fill_from_message(getattr(message, message.WhichOneof("event") or "").fill)


def event_from_message(message: events_pb2.Event, book: ev.Book) -> ev.Event:
    """An event of the journal, tied to its order, ready to be folded.

    An order that this event opens is made here; the fold adds it to the book.
    """
    kind = message.WhichOneof("event")
    if kind == "orders_cleared":
        cleared = message.orders_cleared
        return ev.OrdersCleared(
            count=cleared.count,
            before=from_timestamp(cleared.before),
            venue=cleared.venue,
            account=cleared.account,
            symbol=cleared.symbol,
            sequence=message.sequence,
        )
    if kind == "state_imported":
        imported = message.state_imported
        return ev.StateImported(
            source_instance_id=imported.source_instance_id,
            source_head_sequence=imported.source_head_sequence,
            source_head_hash=imported.source_head_hash,
            events_appended=imported.events_appended,
            import_id=imported.import_id,
            sequence=message.sequence,
        )
    if kind == "connection_changed":
        return read_connection(message)
    if message.order_number == message.sequence:
        order = Order(message.order_number, message.venue, message.account)
    else:
        order = book.order(message.order_number)
    event = _READERS[kind or ""](message, order, book)
    event.sequence = message.sequence
    return event


def _read_recorded(message: events_pb2.Event, order: Order, book: ev.Book) -> ev.OrderEvent:
    return ev.FillRecorded(order, fill_from_message(message.fill_recorded.fill))


def _read_enriched(message: events_pb2.Event, order: Order, book: ev.Book) -> ev.OrderEvent:
    body = message.fill_enriched
    return ev.FillEnriched(
        order,
        fill_from_message(body.fill),
        before=book.fill(body.fill_sequence),
        fields=tuple(body.fields),
        fill_sequence=body.fill_sequence,
    )


def _read_conflicted(message: events_pb2.Event, order: Order, book: ev.Book) -> ev.OrderEvent:
    body = message.fill_conflicted
    return ev.FillConflicted(order, fill_from_message(body.fill), tuple(body.fields), body.fill_sequence)


def _key(identity: fills_pb2.FillIdentity) -> FillKey:
    return FillKey(identity.trade_id, identity.leg, identity.side)


def _introduce(order: Order, message: events_pb2.Event, named: fills_pb2.FillIdentity) -> None:
    # An order that a bust or a correction opened: nothing but the fill it names says what order it is.
    order.learn(
        market=named.market,
        symbol=named.symbol,
        order_id=named.order_id,
        client_order_id=message.client_order_id,
        side=named.side,
    )


def _read_busted(message: events_pb2.Event, order: Order, book: ev.Book) -> ev.OrderEvent:
    body = message.fill_busted
    if not order.sequence:
        _introduce(order, message, body.identity)
    removed = fill_from_message(body.fill) if body.HasField("fill") else None
    return ev.FillBusted(
        order, _key(body.identity), body.applied, body.fill_sequence, removed, body.superseded
    )


def _read_corrected(message: events_pb2.Event, order: Order, book: ev.Book) -> ev.OrderEvent:
    body = message.fill_corrected
    if not order.sequence:
        _introduce(order, message, body.identity)
    return ev.FillCorrected(
        order,
        _key(body.identity),
        fill_from_message(body.fill),
        body.applied,
        body.fill_sequence,
        fill_from_message(body.replaced) if body.HasField("replaced") else None,
        body.standing,
    )


def _read_registered(message: events_pb2.Event, order: Order, book: ev.Book) -> ev.OrderEvent:
    return ev.OrderRegistered(order, report_from_message(message.order_registered.order))


def _read_reported(message: events_pb2.Event, order: Order, book: ev.Book) -> ev.OrderEvent:
    body = message.order_reported
    report = report_from_message(body.order)
    time = from_timestamp(message.commit_time) if report.time is None else report.time
    return ev.OrderReported(order, report, time, body.time_by_arrival)


def _read_merged(message: events_pb2.Event, order: Order, book: ev.Book) -> ev.OrderEvent:
    return ev.OrderMerged(order, book.order(message.order_merged.merged_order_number))


def _read_anomaly(message: events_pb2.Event, order: Order, book: ev.Book) -> ev.OrderEvent:
    return ev.OrderAnomaly(order, ev.AnomalyKind(message.order_anomaly.kind), message.order_anomaly.text)


_READERS: Final[dict[str, Callable[[events_pb2.Event, Order, ev.Book], ev.OrderEvent]]] = {
    "fill_recorded": _read_recorded,
    "fill_enriched": _read_enriched,
    "fill_conflicted": _read_conflicted,
    "fill_busted": _read_busted,
    "fill_corrected": _read_corrected,
    "order_registered": _read_registered,
    "order_reported": _read_reported,
    "order_merged": _read_merged,
    "order_anomaly": _read_anomaly,
    **TRADE_READERS,
}
