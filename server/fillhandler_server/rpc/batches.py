"""RecordFills' hot path: request bytes to fills, outcomes to response bytes.

A batch is read field by field once; its numbers are checked by one pattern over all of them joined, and
whatever is unusual goes through the same checks as a single fill (`convert.fill_from_request`).
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from fillhandler.v1 import fill_service_pb2, fills_pb2
from google.protobuf.message import DecodeError

from fillhandler_server.codec import varint
from fillhandler_server.domain.errors import FillHandlerError, InvalidFieldError
from fillhandler_server.domain.events import Outcome
from fillhandler_server.domain.fills import Fill
from fillhandler_server.domain.numbers import ZERO
from fillhandler_server.rpc.convert import ID_LENGTH_MAX, entry_error, fill_from_request
from fillhandler_server.writer import Session

_CANONICAL_LINES: Final = re.compile(r"(?:-?(?:0|[1-9][0-9]{0,19})(?:\.[0-9]{0,17}[1-9])?\n)*")
_NANOSECONDS: Final = 1_000_000_000
_SECONDS_MAX: Final = (1 << 63) // _NANOSECONDS - 1
_BYTES_A_FILL: Final = 150


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
    fills = request.fills
    quick = _plain(fills)
    engine, book = session.engine, session.book
    if quick:
        book.prefetch([(m.venue, m.account or "main", m.order_id) for m in fills if m.order_id])
    record = engine.record_fill
    resolved = book.resolved
    statistics = book.statistics
    out: list[bytes] = []
    for at, message in enumerate(fills):
        try:
            fill = _quick_fill(message, resolved) if quick else None
            if fill is None:
                fill = fill_from_request(message, f"fills[{at}]")
        except FillHandlerError as error:
            out.append(refused(error))
            continue
        result = record(fill)
        if result.outcome is Outcome.DUPLICATE:
            statistics.duplicates += 1
        body = b"\x08%c\x10%b" % (result.outcome, varint(result.sequence))
        out.append(b"\x0a%c%b" % (len(body), body))
    return b"".join(out)


def refused(error: FillHandlerError) -> bytes:
    """The framed FillResult of a refused fill."""
    result = fill_service_pb2.FillResult(
        outcome=fill_service_pb2.OUTCOME_REFUSED, error=entry_error(error)
    ).SerializeToString()
    return b"\x0a" + varint(len(result)) + result


def _plain(fills: object) -> bool:
    """Whether every number of the batch is canonical and every id printable and short."""
    numbers: list[str] = []
    ids: list[str] = []
    for message in fills:  # type: ignore[attr-defined]
        numbers.append(message.quantity)
        numbers.append(message.price or "0")
        for fee in message.fees:
            numbers.append(fee.amount)
            ids.append(fee.currency)
        ids.append(message.trade_id)
        ids.append(message.client_order_id)
    if not ids:
        return False
    lines = "\n".join(numbers) + "\n"
    return (
        _CANONICAL_LINES.fullmatch(lines) is not None
        and "\n-0\n" not in lines
        and "".join(ids).isprintable()
        and len(max(ids, key=len)) <= ID_LENGTH_MAX
    )


def _quick_fill(message: fills_pb2.Fill, resolved: dict[tuple[str, str, str, str, str], object]) -> Fill | None:
    """A fill of a plain batch for an order at hand; None where the thorough way is needed."""
    venue, symbol, order_id = message.venue, message.symbol, message.order_id
    account = message.account
    market = message.market
    # An order at hand has had its names checked.
    if (venue, account, market, symbol, order_id) not in resolved:
        return None
    side, liquidity, trade_id, leg = message.side, message.liquidity, message.trade_id, message.leg
    if (
        not trade_id
        or leg
        or not 1 <= side <= 2
        or not 0 <= liquidity <= 2
        or message.HasField("contract")
        or message.metadata
        or message.inferred
        or message.state
        or message.sequence
        or message.trade_id_derived
        or message.base_currency
        or message.quote_currency
        or message.HasField("receive_time")
    ):
        return None
    quantity = Decimal(message.quantity)
    if quantity <= ZERO:
        return None
    fees = message.fees
    if len(fees) == 1:
        fee = fees[0]
        currency = fee.currency
        if not currency or len(currency) > 32:
            return None
        pairs: tuple[tuple[str, Decimal], ...] = ((currency, Decimal(fee.amount)),)
    elif fees:
        return None
    else:
        pairs = ()
    trade_time = None
    if message.HasField("trade_time"):
        stamp = message.trade_time
        seconds, nanos = stamp.seconds, stamp.nanos
        if not (0 <= seconds <= _SECONDS_MAX and 0 <= nanos < _NANOSECONDS):
            return None
        trade_time = seconds * _NANOSECONDS + nanos
    return Fill(
        venue,
        symbol,
        order_id,
        trade_id,
        side,
        quantity,
        Decimal(message.price) if message.HasField("price") else None,
        account,
        market,
        message.client_order_id,
        "",
        pairs,
        liquidity,
        trade_time,
        None,
        0,
        None,
        False,
        _NO_METADATA,
        "",
        "",
        False,
        message.SerializeToString(),
    )


_NO_METADATA: Final[dict[str, str]] = {}
