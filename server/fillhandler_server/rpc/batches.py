"""RecordFills' hot path: request bytes to fills, outcomes to response bytes.

A batch is read field by field once; its numbers are checked by one pattern over all of them joined, and
whatever is unusual goes through the same checks as a single fill (`convert.fill_from_request`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from itertools import repeat
from operator import attrgetter
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from fillhandler.v1 import fill_service_pb2, fills_pb2
from fillhandler_server.codec import varint
from fillhandler_server.domain.errors import FillHandlerError, InvalidFieldError
from fillhandler_server.domain.events import Outcome
from fillhandler_server.domain.fills import Fill
from fillhandler_server.domain.instruments import Instruments
from fillhandler_server.domain.numbers import canonical
from fillhandler_server.engine import Result
from fillhandler_server.projections import WorkingBook
from fillhandler_server.rpc.checking import ID_LENGTH_MAX
from fillhandler_server.rpc.convert import completed, entry_error, fill_from_request, known_contract
from fillhandler_server.writer import Session

_CANONICAL_LINES: Final = re.compile(r"(?:-?(?:0|[1-9][0-9]{0,19})(?:\.[0-9]{0,17}[1-9])?\n)*")
_NUMBER_LINES: Final = re.compile(r"(?:-?[0-9]{1,20}(?:\.[0-9]{1,18})?\n)*")
_NANOSECONDS: Final = 1_000_000_000
_SECONDS_MAX: Final = (1 << 63) // _NANOSECONDS - 1
_BYTES_A_FILL: Final = 150
_NAMES_MAX: Final = 10_000
_CURRENCY_LENGTH_MAX: Final = 32


def weight(raw: bytes) -> int:
    """About how many fills a request holds, without parsing it."""
    return max(1, len(raw) // _BYTES_A_FILL)


def parse(raw: bytes) -> fill_service_pb2.RecordFillsRequest:
    """
    Raises:
        InvalidFieldError: the bytes are not a RecordFillsRequest.
    """
    try:
        return fill_service_pb2.RecordFillsRequest.FromString(raw)
    except DecodeError:
        raise InvalidFieldError.of("", "the request cannot be decoded as its message") from None


class PlainNames:
    """(venue, account, market, symbol) that passed the thorough checks as they stand, and whose fills the
    table of instruments adds nothing to. Bounded; never wrong. Belongs to the writer's thread.
    """

    def __init__(self) -> None:
        self._table: Instruments | None = None
        self._names: set[tuple[str, str, str, str]] = set()

    def of(self, table: Instruments) -> set[tuple[str, str, str, str]]:
        """The names for this table; another table may know more, so it begins anew."""
        if table is not self._table:
            self._table, self._names = table, set()
        return self._names


def record_batch(raw: bytes, plain: PlainNames, instruments: Instruments, session: Session) -> bytes:
    """Records the fills of one request; returns the bytes of its response. Runs on the writer's thread."""
    names = plain.of(instruments)
    fills = _plain_fills(raw, names)
    if fills is None:
        return _record_checked(raw, names, instruments, session)
    engine, book = session.engine, session.book
    # Not evaluated where the book has all there is.
    book.prefetch(
        ((f.venue, f.account, f.order_id) for f in fills if f.order_id),
        ((f.venue, f.account, f.client_order_id) for f in fills if f.client_order_id),
    )
    record = engine.record_fill
    return _answered([record(fill) for fill in fills], book)


def _record_checked(
    raw: bytes, names: set[tuple[str, str, str, str]], instruments: Instruments, session: Session
) -> bytes:
    request = parse(raw)
    request.DiscardUnknownFields()
    results: list[Result | FillHandlerError] = []
    for at, message in enumerate(request.fills):
        try:
            fill = fill_from_request(message, f"fills[{at}]")
        except FillHandlerError as error:
            results.append(error)
            continue
        if known_contract(fill, instruments) is None:
            _remember_names(names, message, fill)
        fill = completed(fill, instruments)
        results.append(session.engine.record_fill(fill))
    return _answered(results, session.book)


def _answered(results: Sequence[Result | FillHandlerError], book: WorkingBook) -> bytes:
    out: list[bytes] = []
    for result in results:
        if isinstance(result, FillHandlerError):
            out.append(refused(result))
            continue
        if result.outcome is Outcome.DUPLICATE:
            book.statistics.duplicates += 1
        sequence = varint(result.sequence)
        out.append(b"\x0a%c\x08%c\x10%b" % (len(sequence) + 3, result.outcome, sequence))
    return b"".join(out)


def refused(error: FillHandlerError) -> bytes:
    """The framed FillResult of a refused fill."""
    result = fill_service_pb2.FillResult(
        outcome=fill_service_pb2.OUTCOME_REFUSED, error=entry_error(error)
    ).SerializeToString()
    return b"\x0a" + varint(len(result)) + result


# ------------------------------------------------------------------ fills as nearly all are

_PLAIN_FIELDS: Final = (
    "venue",
    "symbol",
    "order_id",
    "trade_id",
    "side",
    "quantity",
    "price",
    "account",
    "market",
    "client_order_id",
    "fees.amount",
    "fees.currency",
    "liquidity",
    "trade_time.seconds",
    "trade_time.nanos",
)
_plain_fields: Final = attrgetter(*_PLAIN_FIELDS)


def _plain_class() -> type[Message]:
    """RecordFillsRequest with only the fields that nearly every fill has, and with at most one fee.

    Parsed from the same bytes, with all else discarded, it has the same size exactly where that is all there
    is: no other field, no second fee, nothing said twice or in a longer way than needed. And its fields,
    submessages' too, are read by one call a fill.
    """
    file = descriptor_pb2.FileDescriptorProto(
        name="fillhandler/plain.proto", package="fillhandler.plain", syntax="proto3"
    )

    def add(name: str, source: Descriptor, names: Iterable[str]) -> None:
        made = file.message_type.add(name=name)
        for field in (source.fields_by_name[name] for name in names):
            kind = field.TYPE_INT32 if field.type == field.TYPE_ENUM else field.type
            added = made.field.add(name=field.name, number=field.number, type=kind, label=1)
            if field.message_type is not None:
                added.type_name = f".fillhandler.plain.{field.message_type.name}"

    fill = fills_pb2.Fill.DESCRIPTOR
    for name, parts in (("fees", ("amount", "currency")), ("trade_time", ("seconds", "nanos"))):
        inner = fill.fields_by_name[name].message_type
        assert inner is not None
        add(inner.name, inner, parts)
    add("Fill", fill, dict.fromkeys(name.partition(".")[0] for name in _PLAIN_FIELDS))
    request = file.message_type.add(name="Request")
    request.field.add(name="fills", number=1, type=11, type_name=".fillhandler.plain.Fill", label=3)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("fillhandler.plain.Request"))


_PlainRequest: Final[Any] = _plain_class()
_SIDES: Final = frozenset({1, 2})
_LIQUIDITIES: Final = frozenset({0, 1, 2})


def _plain_fills(raw: bytes, checked_names: set[tuple[str, str, str, str]]) -> list[Fill] | None:
    """The fills of a batch in which every fill is plain; None where some is not.

    Plain: only the plain fields, numbers in the grammar, ids printable and short, names seen before.
    Everything else goes the thorough way, which also says what is wrong. Works on columns, because a loop in
    Python costs more than all checks together.
    """
    try:
        request = _PlainRequest.FromString(raw)
    except DecodeError:
        return None
    request.DiscardUnknownFields()
    messages = request.fills
    if not messages or request.ByteSize() != len(raw):
        return None
    columns: list[tuple[Any, ...]] = list(zip(*map(_plain_fields, messages), strict=True))
    venues, symbols, order_ids, trade_ids, sides, quantities, prices = columns[:7]
    accounts, markets, client_order_ids, amounts, currencies, liquidities, seconds, nanos = columns[7:]
    names = zip(venues, accounts, markets, symbols, strict=True)
    if not (
        checked_names.issuperset(names)
        and all(trade_ids)
        and _SIDES.issuperset(sides)
        and _LIQUIDITIES.issuperset(liquidities)
        and 0 <= min(seconds) <= max(seconds) <= _SECONDS_MAX
        and 0 <= min(nanos) <= max(nanos) < _NANOSECONDS
    ):
        return None
    ids = (*order_ids, *client_order_ids, *trade_ids, *currencies)
    if not "".join(ids).isprintable() or max(map(len, ids)) > ID_LENGTH_MAX:
        return None
    times: list[int | None] = [s * _NANOSECONDS + n for s, n in zip(seconds, nanos, strict=True)]
    if 0 in times:
        times = [
            at or (0 if m.HasField("trade_time") else None) for at, m in zip(times, messages, strict=True)
        ]
    numbers = [*quantities, *filter(None, prices), *filter(None, amounts)]
    lines = "\n".join(numbers) + "\n"
    try:
        sizes = [*map(Decimal, quantities)]
        values = [Decimal(text) if text else None for text in prices]
        fees = _plain_fees(messages, amounts, currencies)
    except InvalidOperation:  # not a number at all
        return None
    # Decimal reads more than the grammar allows: nothing has been done with what it read so far.
    if fees is None or _NUMBER_LINES.fullmatch(lines) is None or min(sizes) <= 0:
        return None
    fills = [
        *map(
            Fill,
            venues,
            symbols,
            order_ids,
            trade_ids,
            sides,
            sizes,
            values,
            accounts,
            markets,
            client_order_ids,
            repeat(""),
            fees,
            liquidities,
            times,
            repeat(None),
            repeat(0),
            repeat(None),
            repeat(False),
            repeat(_NO_METADATA),
            repeat(""),
            repeat(""),
            repeat(False),
            _slices(raw),
        )
    ]
    if _CANONICAL_LINES.fullmatch(lines) is None or "\n-0\n" in lines:
        for fill in fills:
            _make_canonical(fill)
    return fills


def _plain_fees(
    messages: Sequence[Any], amounts: Sequence[str], currencies: Sequence[str]
) -> list[tuple[tuple[str, Decimal], ...]] | None:
    """The fees of plain fills; None where one is said in part. Raises InvalidOperation."""
    if max(map(len, currencies)) > _CURRENCY_LENGTH_MAX:
        return None
    if all(amounts) and all(currencies):
        return [(pair,) for pair in zip(currencies, map(Decimal, amounts), strict=True)]
    fees: list[tuple[tuple[str, Decimal], ...]] = []
    for message, amount, currency in zip(messages, amounts, currencies, strict=True):
        if amount and currency:
            fees.append(((currency, Decimal(amount)),))
        elif message.HasField("fees"):
            return None
        else:
            fees.append(())
    return fees


def _slices(raw: bytes) -> Iterator[bytes]:
    """The bytes of each fill of a plain request."""
    at, end = 0, len(raw)
    while at < end:
        size, start = raw[at + 1], at + 2
        shift = 7
        if size & 0x80:
            size &= 0x7F
            while (more := raw[start]) & 0x80:
                size |= (more & 0x7F) << shift
                shift += 7
                start += 1
            size |= more << shift
            start += 1
        at = start + size
        yield raw[start:at]


def _make_canonical(fill: Fill) -> None:
    assert fill.encoded is not None
    message = fills_pb2.Fill.FromString(fill.encoded)
    message.quantity = text = canonical(fill.quantity)
    fill.quantity = Decimal(text)
    if fill.price is not None:
        message.price = text = canonical(fill.price)
        fill.price = Decimal(text)
    if fill.fees:
        currency, amount = fill.fees[0]
        message.fees[0].amount = text = canonical(amount)
        fill.fees = ((currency, Decimal(text)),)
    fill.encoded = message.SerializeToString()


def _remember_names(checked: set[tuple[str, str, str, str]], message: fills_pb2.Fill, fill: Fill) -> None:
    names = (message.venue, message.account, message.market, message.symbol)
    if names == (fill.venue, fill.account, fill.market, fill.symbol) and len(checked) < _NAMES_MAX:
        checked.add(names)


_NO_METADATA: Final[dict[str, str]] = {}
