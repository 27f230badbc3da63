"""FillService: fills and venue payloads in, fills out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import aclosing
from typing import TypeAlias, Unpack

from fillhandler import convert
from fillhandler.batches import BATCH_MAX, WINDOW_MAX, Exchange, gather_batches
from fillhandler.calls.base import Calls
from fillhandler.convert import FillFields, FillLike, IdentityFields, IdentityLike, PayloadLike, TimeLike
from fillhandler.errors import ProtocolError
from fillhandler.v1 import fill_service_pb2, fills_pb2

#: One payload of a stream: (venue, account, payload), or the message, which can state a format too.
PayloadEntry: TypeAlias = tuple[str, str, PayloadLike] | fill_service_pb2.VenuePayload


class FillCalls(Calls):
    """What FillService offers."""

    async def record_fill(
        self,
        fill: FillLike | None = None,
        /,
        *,
        timeout_seconds: float | None = None,
        **fields: Unpack[FillFields],
    ) -> fill_service_pb2.RecordFillResponse:
        """Record one normalised fill, given as a `Fill`, a mapping, or by its fields.

        Returns after it is durable: the outcome (recorded, duplicate, conflict or enriched), the sequence of
        the event that holds it, and the order after it.

        Raises:
            TypeError, ValueError: A field is no field of a fill, or a float, which is never exact.
            InvalidFieldError: The server refused fields; `violations` has them all.
            FillHandlerError: Anything else; `definitely_not_applied` says what it means for the fill.
        """
        request = fill_service_pb2.RecordFillRequest(fill=convert.fill(fill, **fields))
        return await self._connection.call(self._connection.fills.RecordFill, request, timeout_seconds)

    async def record_fills(
        self,
        fills: Iterable[FillLike] | AsyncIterable[FillLike],
        *,
        batch_max: int = BATCH_MAX,
        window_max: int = WINDOW_MAX,
    ) -> AsyncGenerator[fill_service_pb2.FillResult]:
        """Record any number of fills: one result each, in order, as they become durable.

        Fills go out in batches of at most `batch_max`, at most `window_max` of them unacknowledged. When the
        connection breaks or the server restarts, what was not acknowledged is sent again. A bad fill is
        refused by itself (`OUTCOME_REFUSED` with `error`) and stops nothing. `FillResult.fill` is unset.

        Raises:
            TypeError, ValueError: As `record_fill`; the results of the fills before it may be missing then.
            FillHandlerError: The stream was refused, or was not to be had for longer than the policy allows.
        """
        batches = gather_batches(_converted(fills), fills_pb2.Fill.ByteSize, batch_max)
        requests = (fill_service_pb2.RecordFillsRequest(fills=batch) async for batch in batches)
        exchange = Exchange(self._connection, self._connection.fills.RecordFills, requests, window_max)
        async with aclosing(batches), aclosing(exchange.run()) as answers:
            async for request, response in answers:
                _check_count(len(request.fills), len(response.results))
                for result in response.results:
                    yield result

    async def process_payload(
        self,
        venue: str,
        payload: PayloadLike,
        *,
        account: str = "",
        format: str = "",
        validate_only: bool = False,
        timeout_seconds: float | None = None,
    ) -> fill_service_pb2.ProcessPayloadResponse:
        """Record every fill and order report in a venue's own JSON.

        `payload` as it came (bytes or text) is passed on unchanged; a dict or list is written as JSON, its
        Decimals exactly. An empty `venue` is for payloads whose keys name exactly one; an empty `account`
        means "main". With `validate_only` nothing is recorded.

        With `format="ccxt"` the payload is one or a list of ccxt's unified trades and orders, of any venue:
        `venue` is required. Construct the exchange with `{"number": str}`, or Decimal; floats are refused.

        Raises:
            UnsupportedPayloadError: The keys fit nothing the venue sends.
            InvalidFieldError: Something in it is wrong; nothing of it was applied.
        """
        request = fill_service_pb2.ProcessPayloadRequest(
            venue=venue,
            account=account,
            payload=convert.payload_bytes(payload, decimals_as_text=format == "ccxt"),
            validate_only=validate_only,
            format=format,
        )
        return await self._connection.call(self._connection.fills.ProcessPayload, request, timeout_seconds)

    async def process_payloads(
        self,
        payloads: Iterable[PayloadEntry] | AsyncIterable[PayloadEntry],
        *,
        validate_only: bool = False,
        batch_max: int = BATCH_MAX,
        window_max: int = WINDOW_MAX,
    ) -> AsyncGenerator[fill_service_pb2.PayloadResult]:
        """Process any number of payloads, (venue, account, payload) each: one result each, in order.

        A bad payload has `error` set in its result and stops nothing. See `record_fills` for batches, broken
        connections and errors.
        """
        batches = gather_batches(_entries(payloads), fill_service_pb2.VenuePayload.ByteSize, batch_max)
        requests = (
            fill_service_pb2.ProcessPayloadsRequest(payloads=batch, validate_only=validate_only)
            async for batch in batches
        )
        exchange = Exchange(self._connection, self._connection.fills.ProcessPayloads, requests, window_max)
        async with aclosing(batches), aclosing(exchange.run()) as answers:
            async for request, response in answers:
                _check_count(len(request.payloads), len(response.results))
                for result in response.results:
                    yield result

    async def get_fill(
        self,
        identity: IdentityLike | None = None,
        /,
        *,
        timeout_seconds: float | None = None,
        **fields: Unpack[IdentityFields],
    ) -> fills_pb2.Fill:
        """The fill with this identity, given as a `FillIdentity`, a fill, a mapping, or by its fields.

        Raises:
            FillNotFoundError: It was never recorded.
        """
        request = fill_service_pb2.GetFillRequest(identity=convert.identity(identity, **fields))
        return (await self._connection.call(self._connection.fills.GetFill, request, timeout_seconds)).fill

    async def list_fills(
        self,
        *,
        venue: str = "",
        account: str = "",
        symbol: str = "",
        order_id: str = "",
        start_time: TimeLike | None = None,
        end_time: TimeLike | None = None,
        include_reversed: bool = False,
        page_size: int = 0,
        timeout_seconds: float | None = None,
    ) -> AsyncGenerator[fills_pb2.Fill]:
        """Fills in the order they were recorded; the pages are fetched as they are needed.

        An empty condition holds always. Times are trade times, from `start_time` on and before `end_time`.
        `include_reversed` also gives busted and corrected ones. `page_size` 0 leaves it to the server;
        `timeout_seconds` is for each page.
        """
        request = fill_service_pb2.ListFillsRequest(
            venue=venue,
            account=account,
            symbol=symbol,
            order_id=order_id,
            start_time=convert.timestamp(start_time, "start_time"),
            end_time=convert.timestamp(end_time, "end_time"),
            include_reversed=include_reversed,
            page_size=page_size,
        )
        while True:
            page = await self._connection.call(self._connection.fills.ListFills, request, timeout_seconds)
            for fill in page.fills:
                yield fill
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def bust_fill(
        self,
        identity: IdentityLike | None = None,
        /,
        *,
        timeout_seconds: float | None = None,
        **fields: Unpack[IdentityFields],
    ) -> fill_service_pb2.BustFillResponse:
        """Reverse a fill that the venue took back; one that has not come yet is reversed when it does."""
        request = fill_service_pb2.BustFillRequest(identity=convert.identity(identity, **fields))
        return await self._connection.call(self._connection.fills.BustFill, request, timeout_seconds)

    async def correct_fill(
        self,
        identity: IdentityLike,
        correction: FillLike | None = None,
        /,
        *,
        timeout_seconds: float | None = None,
        **fields: Unpack[FillFields],
    ) -> fill_service_pb2.CorrectFillResponse:
        """Replace a fill by the venue's correction, which needs a trade id of its own.

        `identity` may name any link of a chain of corrections.
        """
        request = fill_service_pb2.CorrectFillRequest(
            identity=convert.identity(identity), fill=convert.fill(correction, **fields)
        )
        return await self._connection.call(self._connection.fills.CorrectFill, request, timeout_seconds)


def _check_count(sent: int, answered: int) -> None:
    if sent != answered:
        raise ProtocolError(f"the server gave {answered} results for a batch of {sent}")


def _payload(entry: PayloadEntry) -> fill_service_pb2.VenuePayload:
    if isinstance(entry, fill_service_pb2.VenuePayload):
        return entry
    venue, account, payload = entry
    return fill_service_pb2.VenuePayload(venue=venue, account=account, payload=convert.payload_bytes(payload))


def _entries(
    payloads: Iterable[PayloadEntry] | AsyncIterable[PayloadEntry],
) -> Iterable[fill_service_pb2.VenuePayload] | AsyncIterable[fill_service_pb2.VenuePayload]:
    if isinstance(payloads, AsyncIterable):
        return (_payload(entry) async for entry in payloads)
    return map(_payload, payloads)


def _converted(
    fills: Iterable[FillLike] | AsyncIterable[FillLike],
) -> Iterable[fills_pb2.Fill] | AsyncIterable[fills_pb2.Fill]:
    if isinstance(fills, AsyncIterable):
        return (convert.fill(fill) async for fill in fills)
    return map(convert.fill, fills)
