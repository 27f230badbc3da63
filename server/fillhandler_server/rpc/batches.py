"""RecordFills' hot path: request bytes to fills, outcomes to response bytes.

A batch is read field by field once; its numbers are checked by one pattern over all of them joined, and
whatever is unusual goes through the same checks as a single fill (`convert.fill_from_request`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Final

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from fillhandler.v1 import fill_service_pb2, fills_pb2
from fillhandler_server.codec import varint
from fillhandler_server.domain.errors import FillHandlerError, InvalidFieldError
from fillhandler_server.domain.events import Outcome
from fillhandler_server.domain.fills import Fill
from fillhandler_server.domain.numbers import canonical
from fillhandler_server.rpc.checking import ID_LENGTH_MAX
from fillhandler_server.rpc.convert import entry_error, fill_from_request
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


def record_batch(raw: bytes, session: Session) -> bytes:
    """Records the fills of one request; returns the bytes of its response. Runs on the writer's thread."""
    request = parse(raw)
    request.DiscardUnknownFields()
    messages = request.fills
    engine, book = session.engine, session.book
    plain = _plain_fills(raw, messages)
    if plain is not None:
        # Not evaluated where the book has all there is.
        book.prefetch(
            ((f.venue, f.account, f.order_id) for f in plain if f.order_id),
            ((f.venue, f.account, f.client_order_id) for f in plain if f.client_order_id),
        )
    out: list[bytes] = []
    duplicates = 0
    for at, message in enumerate(messages):
        if plain is not None:
            fill = plain[at]
            fill.encoded = message.SerializeToString()
        else:
            try:
                fill = fill_from_request(message, f"fills[{at}]")
            except FillHandlerError as error:
                out.append(refused(error))
                continue
            _remember_names(message, fill)
        result = engine.record_fill(fill)
        if result.outcome is Outcome.DUPLICATE:
            duplicates += 1
        sequence = varint(result.sequence)
        out.append(b"\x0a%c\x08%c\x10%b" % (len(sequence) + 3, result.outcome, sequence))
    book.statistics.duplicates += duplicates
    return b"".join(out)


def refused(error: FillHandlerError) -> bytes:
    """The framed FillResult of a refused fill."""
    result = fill_service_pb2.FillResult(
        outcome=fill_service_pb2.OUTCOME_REFUSED, error=entry_error(error)
    ).SerializeToString()
    return b"\x0a" + varint(len(result)) + result


def _rare_fields_class() -> type[Message]:
    """RecordFillsRequest with only the fields that fills seldom have.

    Parsed from the same bytes, with all else discarded, it is empty exactly where no fill has one of them:
    one look for a whole batch instead of nine a fill.
    """
    file = descriptor_pb2.FileDescriptorProto(
        name="fillhandler/rare_fields.proto", package="fillhandler.rare"
    )
    fill = file.message_type.add(name="Fill")
    for name in _RARE_FIELDS:
        field = fills_pb2.Fill.DESCRIPTOR.fields_by_name[name]
        # Whatever is length-delimited may be read as bytes.
        kind = field.type if field.type in (field.TYPE_BOOL, field.TYPE_UINT64) else field.TYPE_BYTES
        kind = field.TYPE_INT32 if field.type == field.TYPE_ENUM else kind
        fill.field.add(name=name, number=field.number, type=kind, label=field.LABEL_REPEATED)
    request = file.message_type.add(name="Request")
    request.field.add(name="fills", number=1, type=11, type_name=".fillhandler.rare.Fill", label=3)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("fillhandler.rare.Request"))


_RARE_FIELDS: Final = (
    "leg",
    "receive_time",
    "contract",
    "inferred",
    "metadata",
    "base_currency",
    "quote_currency",
    "trade_id_derived",
    "state",
    "sequence",
)
_RareFields: Final = _rare_fields_class()


def _plain_fills(raw: bytes, messages: Sequence[fills_pb2.Fill]) -> list[Fill] | None:
    """The fills of a batch in which every fill is plain, still without `encoded`; None where some is not.

    Plain: no rare field, at most one fee, numbers in the grammar, ids printable and short, names seen before.
    Everything else goes the thorough way, which also says what is wrong. Numbers that are not canonical are
    made so, in the messages too.
    """
    rare = _RareFields.FromString(raw)
    rare.DiscardUnknownFields()
    if not messages or rare.ByteSize() != 2 * len(messages):
        return None
    fills: list[Fill] = []
    numbers: list[str] = []
    ids: list[str] = []
    try:
        for message in messages:
            venue, account, market, symbol = message.venue, message.account, message.market, message.symbol
            order_id, client_order_id = message.order_id, message.client_order_id
            trade_id, side, liquidity = message.trade_id, message.side, message.liquidity
            if (
                (venue, account, market, symbol) not in _checked_names
                or not trade_id
                or not 1 <= side <= 2
                or not 0 <= liquidity <= 2
            ):
                return None
            ids += (order_id, client_order_id, trade_id)
            quantity, price = message.quantity, message.price
            numbers.append(quantity)
            if price:
                numbers.append(price)
            elif message.HasField("price"):
                return None
            pairs: tuple[tuple[str, Decimal], ...] = ()
            if fees := message.fees:
                fee = fees[0]
                amount, currency = fee.amount, fee.currency
                if len(fees) > 1 or not currency or len(currency) > _CURRENCY_LENGTH_MAX:
                    return None
                ids.append(currency)
                numbers.append(amount)
                pairs = ((currency, Decimal(amount)),)
            stamp = message.trade_time
            seconds, nanos = stamp.seconds, stamp.nanos
            if not (0 <= seconds <= _SECONDS_MAX and 0 <= nanos < _NANOSECONDS):
                return None
            time: int | None = seconds * _NANOSECONDS + nanos
            if not time and not message.HasField("trade_time"):
                time = None
            fills.append(
                Fill(
                    venue,
                    symbol,
                    order_id,
                    trade_id,
                    side,
                    Decimal(quantity),
                    Decimal(price) if price else None,
                    account,
                    market,
                    client_order_id,
                    "",
                    pairs,
                    liquidity,
                    time,
                    None,
                    0,
                    None,
                    False,
                    _NO_METADATA,
                )
            )
    except InvalidOperation:  # not a number at all
        return None
    # Decimal reads more than the grammar allows: nothing has been done with what it read so far.
    lines = "\n".join(numbers) + "\n"
    if _NUMBER_LINES.fullmatch(lines) is None or min(fill.quantity for fill in fills) <= 0:
        return None
    if not "".join(ids).isprintable() or len(max(ids, key=len)) > ID_LENGTH_MAX:
        return None
    if _CANONICAL_LINES.fullmatch(lines) is None or "\n-0\n" in lines:
        for fill, message in zip(fills, messages, strict=True):
            _make_canonical(fill, message)
    return fills


def _make_canonical(fill: Fill, message: fills_pb2.Fill) -> None:
    message.quantity = text = canonical(fill.quantity)
    fill.quantity = Decimal(text)
    if fill.price is not None:
        message.price = text = canonical(fill.price)
        fill.price = Decimal(text)
    if fill.fees:
        currency, amount = fill.fees[0]
        message.fees[0].amount = text = canonical(amount)
        fill.fees = ((currency, Decimal(text)),)


_checked_names: Final[set[tuple[str, str, str, str]]] = set()
"""(venue, account, market, symbol) that passed the thorough checks as they stand. Bounded; never wrong."""


def _remember_names(message: fills_pb2.Fill, fill: Fill) -> None:
    names = (message.venue, message.account, message.market, message.symbol)
    if names == (fill.venue, fill.account, fill.market, fill.symbol) and len(_checked_names) < _NAMES_MAX:
        _checked_names.add(names)


_NO_METADATA: Final[dict[str, str]] = {}
