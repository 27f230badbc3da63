"""Events and fills to bytes and back: the one place, shared by the journal, the feed, export and audit.

A batch's bytes are serialized `fillhandler.v1.EventBatch`: each event framed as field 1. That is also field
1 of `WatchEventsResponse`, so the feed forwards the very bytes that were committed and hashed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from fillhandler.v1 import events_pb2, fills_pb2, orders_pb2
from fillhandler_server.domain import events as ev
from fillhandler_server.domain.fills import Fill, FillKey, time_of
from fillhandler_server.domain.numbers import canonical
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.reports import OrderReport

NANOSECONDS: Final = 1_000_000_000

_FRAME: Final = b"\x0a"


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


# ---------------------------------------------------------------------- times and decimals


def to_timestamp(nanoseconds: int) -> Timestamp:
    """A protobuf timestamp from nanoseconds since the epoch."""
    seconds, nanos = divmod(nanoseconds, NANOSECONDS)
    return Timestamp(seconds=seconds, nanos=nanos)


def from_timestamp(stamp: Timestamp) -> int:
    """Nanoseconds since the epoch from a protobuf timestamp."""
    return stamp.seconds * NANOSECONDS + stamp.nanos


def _text(value: Decimal | None) -> str | None:
    return None if value is None else canonical(value)


# ---------------------------------------------------------------------- fills


def fill_to_message(fill: Fill) -> fills_pb2.Fill:
    """The message of a fill. `state` and `sequence` are the caller's to set."""
    message = fills_pb2.Fill(
        venue=fill.venue,
        account=fill.account,
        market=fill.market,
        symbol=fill.symbol,
        order_id=fill.order_id,
        client_order_id=fill.client_order_id,
        trade_id=fill.trade_id,
        leg=fill.leg,
        side=fill.side,  # type: ignore[arg-type]  # the enums share their values
        quantity=canonical(fill.quantity),
        price=_text(fill.price),
        fees=[fills_pb2.Fee(amount=canonical(amount), currency=currency) for currency, amount in fill.fees],
        liquidity=fill.liquidity,  # type: ignore[arg-type]
        inferred=fill.inferred,
        metadata=fill.metadata,
        base_currency=fill.base_currency,
        quote_currency=fill.quote_currency,
        trade_id_derived=fill.trade_id_derived,
    )
    if fill.trade_time is not None:
        message.trade_time.CopyFrom(to_timestamp(fill.trade_time))
    if fill.receive_time is not None:
        message.receive_time.CopyFrom(to_timestamp(fill.receive_time))
    if fill.contract_kind or fill.multiplier is not None:
        message.contract.CopyFrom(contract_message(fill.contract_kind, fill.multiplier))
    return message


def contract_message(kind: int, multiplier: Decimal | None) -> fills_pb2.Contract:
    """The message of a contract."""
    return fills_pb2.Contract(kind=kind, multiplier=_text(multiplier))  # type: ignore[arg-type]


def fill_from_message(message: fills_pb2.Fill) -> Fill:
    """A fill from a message that this program wrote; nothing is checked."""
    contract = message.contract if message.HasField("contract") else None
    return Fill(
        venue=message.venue,
        symbol=message.symbol,
        order_id=message.order_id,
        trade_id=message.trade_id,
        side=message.side,
        quantity=Decimal(message.quantity),
        price=Decimal(message.price) if message.HasField("price") else None,
        account=message.account,
        market=message.market,
        client_order_id=message.client_order_id,
        leg=message.leg,
        fees=tuple((fee.currency, Decimal(fee.amount)) for fee in message.fees),
        liquidity=message.liquidity,
        trade_time=from_timestamp(message.trade_time) if message.HasField("trade_time") else None,
        receive_time=from_timestamp(message.receive_time) if message.HasField("receive_time") else None,
        contract_kind=contract.kind if contract is not None else 0,
        multiplier=(
            Decimal(contract.multiplier) if contract is not None and contract.HasField("multiplier") else None
        ),
        inferred=message.inferred,
        metadata=dict(message.metadata),
        base_currency=message.base_currency,
        quote_currency=message.quote_currency,
        trade_id_derived=message.trade_id_derived,
    )


# ---------------------------------------------------------------------- reports and registrations


def report_to_message(report: OrderReport) -> orders_pb2.Order:
    """The message of what was said about an order: stated figures only."""
    message = orders_pb2.Order(
        venue=report.venue,
        account=report.account,
        market=report.market,
        symbol=report.symbol,
        order_id=report.order_id,
        previous_order_id=report.previous_order_id,
        client_order_id=report.client_order_id,
        side=report.side,  # type: ignore[arg-type]
        type=report.type,
        status=report.status,  # type: ignore[arg-type]
        order_quantity=_text(report.order_quantity),
        cumulative_quantity=_text(report.cumulative_quantity),
        limit_price=_text(report.limit_price),
        expected_price=_text(report.expected_price),
        average_price=_text(report.average_price),
        base_currency=report.base_currency,
        quote_currency=report.quote_currency,
        reason=report.reason,
    )
    if report.create_time is not None:
        message.create_time.CopyFrom(to_timestamp(report.create_time))
    if report.time is not None:
        message.update_time.CopyFrom(to_timestamp(report.time))
    if report.contract_kind or report.multiplier is not None:
        message.contract.CopyFrom(contract_message(report.contract_kind, report.multiplier))
    return message


def report_from_message(message: orders_pb2.Order) -> OrderReport:
    """What was said about an order, from a message that this program wrote; nothing is checked."""

    def number(name: str) -> Decimal | None:
        return Decimal(getattr(message, name)) if message.HasField(name) else None  # type: ignore[arg-type]

    has_contract = message.HasField("contract")
    return OrderReport(
        venue=message.venue,
        status=message.status,
        symbol=message.symbol,
        order_id=message.order_id,
        client_order_id=message.client_order_id,
        account=message.account,
        market=message.market,
        side=message.side,
        type=message.type,
        order_quantity=number("order_quantity"),
        cumulative_quantity=number("cumulative_quantity"),
        average_price=number("average_price"),
        limit_price=number("limit_price"),
        expected_price=number("expected_price"),
        time=from_timestamp(message.update_time) if message.HasField("update_time") else None,
        create_time=from_timestamp(message.create_time) if message.HasField("create_time") else None,
        previous_order_id=message.previous_order_id,
        contract_kind=message.contract.kind if has_contract else 0,
        multiplier=(
            Decimal(message.contract.multiplier)
            if has_contract and message.contract.HasField("multiplier")
            else None
        ),
        base_currency=message.base_currency,
        quote_currency=message.quote_currency,
        reason=message.reason,
    )


# ---------------------------------------------------------------------- bytes for the read models


def fill_to_bytes(fill: Fill) -> bytes:
    """A fill's canonical bytes."""
    return fill_to_message(fill).SerializeToString(deterministic=True)


def fill_from_bytes(data: bytes) -> Fill:
    """A fill from bytes that this program wrote."""
    return fill_from_message(fills_pb2.Fill.FromString(data))


def report_to_bytes(report: OrderReport) -> bytes:
    """A report's or registration's bytes."""
    return report_to_message(report).SerializeToString(deterministic=True)


def report_from_bytes(data: bytes) -> OrderReport:
    """A report or registration from bytes that this program wrote."""
    return report_from_message(orders_pb2.Order.FromString(data))


# ---------------------------------------------------------------------- events to bytes


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
        leaves_quantity=_text(order.leaves),
        average_price=_text(order.average),
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
}


# ---------------------------------------------------------------------- bytes to events


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
    return ev.FillBusted(order, _key(body.identity), body.applied, body.fill_sequence, removed)


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
}
