"""FillService: fills in, and back."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final, TypeAlias

import grpc

from fillhandler.v1 import fill_service_pb2 as pb
from fillhandler_server.domain.errors import FillHandlerError, FillNotFoundError, InvalidFieldError
from fillhandler_server.domain.events import Outcome
from fillhandler_server.domain.fills import FillState
from fillhandler_server.domain.instruments import Instruments
from fillhandler_server.domain.reports import ParsedPayload
from fillhandler_server.engine import Result
from fillhandler_server.execution import payloads
from fillhandler_server.instrument_table import InstrumentTable
from fillhandler_server.projections import FillQuery, ListedFill, Readers
from fillhandler_server.rpc import batches, convert
from fillhandler_server.rpc.checking import Checker
from fillhandler_server.rpc.pipeline import Pipeline
from fillhandler_server.writer import Session, Writer

_INLINE_BYTES: Final = 32 * 1024

RAW: Final = ("RecordFills",)
"""Methods whose request and response are bytes here: parsed and made on the writer's thread."""


class FillService:
    """Convert → call → convert."""

    def __init__(
        self,
        writer: Writer,
        readers: Readers,
        instruments: InstrumentTable,
        stopping: asyncio.Event | None = None,
    ) -> None:
        """`stopping`: set when the server stops, so that open streams end once they have answered."""
        self._writer = writer
        self._readers = readers
        self._instruments = instruments
        self._plain = batches.PlainNames()
        self._stopping = stopping

    async def RecordFill(self, request: pb.RecordFillRequest, context: Any) -> pb.RecordFillResponse:
        """Records one fill."""
        fill = convert.completed(convert.fill_from_request(request.fill), self._instruments.current)

        def work(session: Session) -> pb.RecordFillResponse:
            result = _counted(session, session.engine.record_fill(fill))
            return pb.RecordFillResponse(
                outcome=int(result.outcome),  # type: ignore[arg-type]
                sequence=result.sequence,
                order=convert.order_message(result.order),
            )

        return await self._writer.run(work)

    async def RecordFills(self, _: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        """Records batches of fills; request and response are bytes."""
        pipeline: Pipeline[bytes] = Pipeline(self._writer, context.write, self._stopping)

        def job(raw: bytes) -> tuple[Any, int]:
            names, table = self._plain, self._instruments.current
            return partial(batches.record_batch, raw, names, table), batches.weight(raw)

        await pipeline.serve(context.read, job)

    async def ProcessPayload(
        self, request: pb.ProcessPayloadRequest, context: Any
    ) -> pb.ProcessPayloadResponse:
        """Takes a venue's payload."""
        parse = partial(
            payloads.parse_payload,
            request.venue,
            request.account,
            request.payload,
            format=request.format,
            instruments=self._instruments.current,
        )
        # A large payload must not hold up the event loop; a small one is not worth a thread's hand-over.
        slow = len(request.payload) > _INLINE_BYTES or payloads.needs_thread(request.venue, request.format)
        parsed = await asyncio.to_thread(parse) if slow else parse()
        return await self._writer.run(partial(_process, parsed, validate_only=request.validate_only))

    async def ProcessPayloads(self, _: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        """Takes payloads, streamed."""
        pipeline: Pipeline[pb.ProcessPayloadsResponse] = Pipeline(self._writer, context.write, self._stopping)

        async def read() -> Any:
            request = await context.read()
            if not isinstance(request, pb.ProcessPayloadsRequest):  # the end, or see interceptors.tolerant
                return request
            table, parsed = self._instruments.current, {}
            # The rest is parsed on the writer's thread, which must not wait for ccxt.
            slow = [at for at, e in enumerate(request.payloads) if payloads.needs_thread(e.venue, e.format)]
            if slow:
                parsed = await asyncio.to_thread(_parse_some, request, slow, table)
            return request, table, parsed

        def job(given: Any) -> tuple[Any, int]:
            if not isinstance(given, tuple):
                raise InvalidFieldError.of("", "the request cannot be decoded as its message")
            return partial(_process_all, *given), max(1, len(given[0].payloads))

        await pipeline.serve(read, job)

    async def GetFill(self, request: pb.GetFillRequest, context: Any) -> pb.GetFillResponse:
        """One fill by its identity."""
        identity = convert.identity_from_request(request.identity)

        def work(session: Session) -> pb.GetFillResponse:
            order = session.engine.find_order(identity)
            sequence = None if order is None else order.fills.get(order.key_of(identity))
            if order is None or sequence is None:
                raise FillNotFoundError(
                    f"no fill {identity.trade_id} of order {identity.order_id or '(none)'} is recorded",
                    trade_id=identity.trade_id,
                    order_id=identity.order_id,
                )
            _, state = session.book.change(sequence)
            fill = session.book.fill(sequence)
            return pb.GetFillResponse(fill=convert.fill_message(fill, order, state=state, sequence=sequence))

        return await self._writer.run(work)

    async def ListFills(self, request: pb.ListFillsRequest, context: Any) -> pb.ListFillsResponse:
        """A page of fills."""
        check = Checker("")
        query = FillQuery(
            venue=request.venue.lower(),
            account=request.account,
            symbol=request.symbol,
            order_id=request.order_id,
            start_time=check.time(request, "start_time"),
            end_time=check.time(request, "end_time"),
            include_reversed=request.include_reversed,
        )
        check.done()
        size = convert.page_size(request.page_size)
        await self._writer.run(_nothing, flush=True)
        page = await self._readers.run(lambda reader: reader.list_fills(query, size, request.page_token))
        return pb.ListFillsResponse(
            fills=[_listed(entry) for entry in page.entries], next_page_token=page.next_token
        )

    async def BustFill(self, request: pb.BustFillRequest, context: Any) -> pb.BustFillResponse:
        """Reverses a fill."""
        identity = convert.identity_from_request(request.identity)

        def work(session: Session) -> pb.BustFillResponse:
            result = session.engine.bust_fill(identity)
            return pb.BustFillResponse(
                outcome=int(result.outcome),  # type: ignore[arg-type]
                sequence=result.sequence,
                order=convert.order_message(result.order),
                applied=result.applied,
            )

        return await self._writer.run(work)

    async def CorrectFill(self, request: pb.CorrectFillRequest, context: Any) -> pb.CorrectFillResponse:
        """Replaces a fill."""
        identity, fill = convert.correction_from_request(request)
        fill = convert.completed(fill, self._instruments.current)

        def work(session: Session) -> pb.CorrectFillResponse:
            result = session.engine.correct_fill(identity, fill)
            return pb.CorrectFillResponse(
                outcome=int(result.outcome),  # type: ignore[arg-type]
                sequence=result.sequence,
                order=convert.order_message(result.order),
                applied=result.applied,
            )

        return await self._writer.run(work)


def _nothing(session: Session) -> None:
    """For the flush that comes with a job."""


def _listed(entry: ListedFill) -> Any:
    return convert.fill_message(entry.fill, entry.order, state=entry.state, sequence=entry.sequence)


def _counted(session: Session, result: Result) -> Result:
    if result.outcome is Outcome.DUPLICATE:
        session.book.statistics.duplicates += 1
    return result


def _process(parsed: ParsedPayload, session: Session, *, validate_only: bool) -> pb.ProcessPayloadResponse:
    """Applies an understood payload; or says what that would do."""
    if validate_only:
        return _preview(parsed, session)
    engine = session.engine
    before = engine.head
    response = pb.ProcessPayloadResponse(venue=parsed.venue, parser=parsed.parser)
    orders: dict[int, Any] = {}
    for fill in parsed.fills:
        result = _counted(session, engine.record_fill(fill))
        orders[result.order.number] = result.order
        response.fills.add(
            outcome=int(result.outcome),
            sequence=result.sequence,
            fill=convert.fill_message(fill, result.order),
        )
    for report in parsed.reports:
        order = engine.report_order(report).order
        orders[order.number] = order
    # An order that was merged into another meanwhile is no more.
    response.orders.extend(
        convert.order_message(order) for number, order in sorted(orders.items()) if session.book.knows(number)
    )
    response.skipped.extend(convert.skipped_message(skipped) for skipped in parsed.skipped)
    response.sequence = engine.head if engine.head > before else 0
    return response


def _preview(parsed: ParsedPayload, session: Session) -> pb.ProcessPayloadResponse:
    response = pb.ProcessPayloadResponse(venue=parsed.venue, parser=parsed.parser)
    for fill in parsed.fills:
        outcome, sequence = session.engine.preview_fill(fill)
        response.fills.add(
            outcome=int(outcome),
            sequence=sequence,
            fill=convert.fill_message(fill, state=FillState.UNSPECIFIED),
        )
    response.skipped.extend(convert.skipped_message(skipped) for skipped in parsed.skipped)
    return response


_Parsed: TypeAlias = ParsedPayload | FillHandlerError


def _parse(entry: pb.VenuePayload, instruments: Instruments) -> _Parsed:
    try:
        return payloads.parse_payload(
            entry.venue, entry.account, entry.payload, format=entry.format, instruments=instruments
        )
    except FillHandlerError as error:
        return error


def _parse_some(
    request: pb.ProcessPayloadsRequest, places: list[int], instruments: Instruments
) -> dict[int, _Parsed]:
    return {at: _parse(request.payloads[at], instruments) for at in places}


def _process_all(
    request: pb.ProcessPayloadsRequest,
    instruments: Instruments,
    parsed_before: dict[int, _Parsed],
    session: Session,
) -> pb.ProcessPayloadsResponse:
    """`parsed_before`: what is parsed already, by its place in the request."""
    response = pb.ProcessPayloadsResponse()
    for at, entry in enumerate(request.payloads):
        result = response.results.add()
        parsed = parsed_before[at] if at in parsed_before else _parse(entry, instruments)
        if isinstance(parsed, FillHandlerError):
            result.error.CopyFrom(convert.entry_error(parsed))
            continue
        done = _process(parsed, session, validate_only=request.validate_only)
        result.fills.extend(done.fills)
        result.orders.extend(done.orders)
        result.skipped.extend(done.skipped)
        result.venue, result.parser, result.sequence = done.venue, done.parser, done.sequence
    return response
