"""Events to bytes: generic messages, and by hand on the path that every fill takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fillhandler.v1 import events_pb2, fills_pb2
from fillhandler_server.codec.messages import (
    fill_to_bytes,
    fill_to_message,
    optional_text,
    report_to_message,
    to_timestamp,
)
from fillhandler_server.codec.trades import TRADE_BODIES, connection_message
from fillhandler_server.domain import events as ev
from fillhandler_server.domain.fills import Fill, FillKey, time_of
from fillhandler_server.domain.numbers import canonical
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.reports import OrderStatus

_FRAME: Final = b"\x0a"
_PARTIALLY_FILLED: Final = int(OrderStatus.PARTIALLY_FILLED)


def varint(value: int) -> bytes:
    """A protobuf varint."""
    if value < _SHORT:
        return _VARINTS[value]
    if value < _LONG:
        # Sequences, mostly: two look-ups instead of a loop.
        return _CONTINUED[value & _SHORT - 1] + _VARINTS[value >> 14]
    return _CONTINUED[value & _SHORT - 1] + varint(value >> 14)


_SHORT: Final = 1 << 14
_LONG: Final = 1 << 28
_VARINTS: Final = [bytes([n]) if n < 0x80 else bytes([n & 0x7F | 0x80, n >> 7]) for n in range(_SHORT)]
_CONTINUED: Final = [bytes([n & 0x7F | 0x80, n >> 7 | 0x80]) for n in range(_SHORT)]
"""The low 14 bits of a longer one."""


class BatchEncoder:
    """Turns events into framed bytes, each while its order shows the figures after it.

    `take` gives the frames since the last call. Joined, they are an `EventBatch`.
    """

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self._trade_times: list[int | None] = []
        self._now = -1
        self._commit_time = b""
        self._receive_time = b""

    def take(self) -> list[bytes]:
        """The frames encoded since the last call."""
        taken, self.frames = self.frames, []
        return taken

    def take_trade_times(self) -> list[int | None]:
        """For each of those frames the time of the fill in it, by which fills are listed."""
        taken, self._trade_times = self._trade_times, []
        return taken

    def __call__(self, event: ev.Event, now: int) -> None:
        """Encodes one event that is committed at `now`."""
        if isinstance(event, ev.FillRecorded):
            self.fill(event.order, event.fill, event.sequence, now)
            return
        if isinstance(event, ev.FillCorrected) and event.applied:
            self._trade_times.append(time_of(event.fill, now))
        else:
            self._trade_times.append(None)
        body = event_message(event)
        body.sequence = event.sequence
        body.commit_time.CopyFrom(to_timestamp(now))
        data = body.SerializeToString(deterministic=True)
        self.frames.append(b"".join((_FRAME, varint(len(data)), data)))

    def fill(self, order: Order, fill: Fill, sequence: int, now: int) -> None:
        """Encodes a `FillRecorded`, by hand: this is every fill there is, and a fresh message costs as much
        as the fold."""
        if now != self._now:
            self._now = now
            stamp = to_timestamp(now).SerializeToString()
            self._commit_time = b"\x1a" + varint(len(stamp)) + stamp
            self._receive_time = b"\x7a" + varint(len(stamp)) + stamp
        data = fill.encoded
        if data is None:
            data = fill_to_bytes(fill)
        time = fill.trade_time
        self._trade_times.append(time if time is not None else time_of(fill, now))
        if fill.receive_time is None:
            # A field that comes last in the bytes is as good as one in its place.
            data += self._receive_time
        size = varint(len(data))
        header = order.header
        if header is None:
            header = order.header = order_header(order)
        text = canonical(order.cumulative)
        figures = b"\x50%c\x5a%c%b" % (order.status, len(text), text.encode())
        if order.order_quantity is not None or order.status != _PARTIALLY_FILLED:
            known = order.leaves
            if known is not None:
                text = canonical(known)
                figures += b"\x62%c%b" % (len(text), text.encode())
        known = order.average
        if known is not None:
            text = canonical(known)
            figures += b"\x6a%c%b" % (len(text), text.encode())
        body = b"".join(
            (
                b"\x08",
                varint(sequence),
                self._commit_time,
                header,
                figures,
                b"\xa2\x01",
                varint(len(data) + len(size) + 1),
                b"\x0a",
                size,
                data,
            )
        )
        self.frames.append(b"\x0a%b%b" % (varint(len(body)), body))


def order_header(order: Order) -> bytes:
    """The part of an event's bytes that names its order."""
    return events_pb2.Event(
        venue=order.venue,
        account=order.account,
        symbol=order.symbol,
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        order_number=order.number,
    ).SerializeToString(deterministic=True)


def event_message(event: ev.Event) -> events_pb2.Event:
    """The message of an event, without its sequence and time."""
    if isinstance(event, ev.OrdersCleared):
        cleared = events_pb2.OrdersCleared(
            count=event.count,
            before=to_timestamp(event.before),
            venue=event.venue,
            account=event.account,
            symbol=event.symbol,
        )
        return events_pb2.Event(
            venue=event.venue, account=event.account, symbol=event.symbol, orders_cleared=cleared
        )
    if isinstance(event, ev.StateImported):
        return events_pb2.Event(
            state_imported=events_pb2.StateImported(
                source_instance_id=event.source_instance_id,
                source_head_sequence=event.source_head_sequence,
                source_head_hash=event.source_head_hash,
                events_appended=event.events_appended,
                import_id=event.import_id,
            )
        )
    if isinstance(event, ev.ConnectionChanged):
        return connection_message(event)
    order = event.order
    message = events_pb2.Event(
        venue=order.venue,
        account=order.account,
        symbol=order.symbol,
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        order_number=order.number,
        status=order.status,  # type: ignore[arg-type]
        cumulative_quantity=canonical(order.cumulative),
        leaves_quantity=optional_text(order.leaves),
        average_price=optional_text(order.average),
    )
    _BODIES[type(event)](message, event)
    return message


def _recorded_body(message: events_pb2.Event, event: ev.FillRecorded) -> None:
    message.fill_recorded.fill.CopyFrom(fill_to_message(event.fill))


def _enriched_body(message: events_pb2.Event, event: ev.FillEnriched) -> None:
    body = message.fill_enriched
    body.fill.CopyFrom(fill_to_message(event.fill))
    body.fields.extend(event.fields)
    body.fill_sequence = event.fill_sequence


def _conflicted_body(message: events_pb2.Event, event: ev.FillConflicted) -> None:
    body = message.fill_conflicted
    body.fill.CopyFrom(fill_to_message(event.fill))
    body.fields.extend(event.fields)
    body.fill_sequence = event.fill_sequence


def _identity_message(order: Order, key: FillKey) -> fills_pb2.FillIdentity:
    return fills_pb2.FillIdentity(
        venue=order.venue,
        account=order.account,
        market=order.market,
        symbol=order.symbol,
        order_id=order.order_id,
        side=key.side,  # type: ignore[arg-type]
        trade_id=key.trade_id,
        leg=key.leg,
    )


def _busted_body(message: events_pb2.Event, event: ev.FillBusted) -> None:
    body = message.fill_busted
    body.identity.CopyFrom(_identity_message(event.order, event.key))
    body.applied = event.applied
    body.fill_sequence = event.fill_sequence
    body.superseded = event.superseded
    if event.removed is not None:
        body.fill.CopyFrom(fill_to_message(event.removed))


def _corrected_body(message: events_pb2.Event, event: ev.FillCorrected) -> None:
    body = message.fill_corrected
    body.identity.CopyFrom(_identity_message(event.order, event.key))
    body.fill.CopyFrom(fill_to_message(event.fill))
    body.applied = event.applied
    body.fill_sequence = event.fill_sequence
    body.standing = event.standing
    if event.removed is not None:
        body.replaced.CopyFrom(fill_to_message(event.removed))


def _registered_body(message: events_pb2.Event, event: ev.OrderRegistered) -> None:
    message.order_registered.order.CopyFrom(report_to_message(event.report))


def _reported_body(message: events_pb2.Event, event: ev.OrderReported) -> None:
    message.order_reported.order.CopyFrom(report_to_message(event.report))
    message.order_reported.time_by_arrival = event.time_by_arrival


def _merged_body(message: events_pb2.Event, event: ev.OrderMerged) -> None:
    message.order_merged.merged_order_number = event.merged.number


def _anomaly_body(message: events_pb2.Event, event: ev.OrderAnomaly) -> None:
    message.order_anomaly.kind = event.kind  # type: ignore[assignment]
    message.order_anomaly.text = event.text


# Each takes the event class it stands behind, which a dict cannot say.
_BODIES: Final[dict[type, Callable[[events_pb2.Event, Any], None]]] = {
    ev.FillRecorded: _recorded_body,
    ev.FillEnriched: _enriched_body,
    ev.FillConflicted: _conflicted_body,
    ev.FillBusted: _busted_body,
    ev.FillCorrected: _corrected_body,
    ev.OrderRegistered: _registered_body,
    ev.OrderReported: _reported_body,
    ev.OrderMerged: _merged_body,
    ev.OrderAnomaly: _anomaly_body,
    **TRADE_BODIES,
}
