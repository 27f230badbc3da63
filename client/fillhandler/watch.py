"""The live feed: one endless subscription, over as many streams as it takes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from datetime import timedelta
from typing import Final, TypeAlias, cast

import grpc
import grpc.aio

from fillhandler.connection import Connection
from fillhandler.convert import TimeLike, duration, enum_value, timestamp
from fillhandler.cursor import Cursor, CursorStore
from fillhandler.errors import FillHandlerError, ServerUnreachableError
from fillhandler.retry import Reconnection, is_transient
from fillhandler.v1 import events_pb2, feed_service_pb2

# What the server does with heartbeat_interval; the watchdog must count with what the server really does.
_HEARTBEAT_SECONDS_DEFAULT: Final = 10.0
_HEARTBEAT_SECONDS_MIN: Final = 1.0
_HEARTBEAT_SECONDS_MAX: Final = 60.0

KindLike: TypeAlias = events_pb2.EventKind.ValueType | str


def watch_request(
    *,
    resume_token: str | None = None,
    after_sequence: int | None = None,
    from_time: TimeLike | None = None,
    from_beginning: bool = False,
    instance_id: str | None = None,
    venues: Iterable[str] = (),
    accounts: Iterable[str] = (),
    symbols: Iterable[str] = (),
    order_ids: Iterable[str] = (),
    kinds: Iterable[KindLike] = (),
    heartbeat_interval: timedelta | None = None,
) -> feed_service_pb2.WatchEventsRequest:
    """The request for these conditions. Raises ValueError for more than one start."""
    given = sum(start is not None for start in (resume_token, after_sequence, from_time)) + from_beginning
    if given > 1:
        raise ValueError("give one of resume_token, after_sequence, from_time and from_beginning")
    request = feed_service_pb2.WatchEventsRequest(
        instance_id=instance_id,
        venues=_names("venues", venues),
        accounts=_names("accounts", accounts),
        symbols=_names("symbols", symbols),
        order_ids=_names("order_ids", order_ids),
        kinds=[
            cast("events_pb2.EventKind.ValueType", enum_value(events_pb2.EventKind.DESCRIPTOR, kind, "kinds"))
            for kind in ([kinds] if isinstance(kinds, str) else kinds)
        ],
        heartbeat_interval=duration(heartbeat_interval, "heartbeat_interval"),
    )
    if resume_token is not None:
        request.resume_token = resume_token
    elif after_sequence is not None:
        request.after_sequence = after_sequence
    elif from_time is not None:
        request.from_time.MergeFrom(timestamp(from_time, "from_time"))
    elif from_beginning:
        request.from_beginning.SetInParent()
    return request


def _names(field: str, values: Iterable[str]) -> list[str]:
    if isinstance(values, str):
        # An iterable of its letters would be a filter that nothing passes.
        raise TypeError(f"{field}: a list of names is needed, not {values!r}")
    return list(values)


class Feed:
    """One subscription. It resumes by itself after whatever breaks, where it had got to."""

    def __init__(
        self,
        connection: Connection,
        request: feed_service_pb2.WatchEventsRequest,
        patience_seconds: float | None = None,
    ) -> None:
        """`patience_seconds` without a message end it, once it has had one; None never does."""
        self._connection = connection
        self._request = feed_service_pb2.WatchEventsRequest()
        self._request.CopyFrom(request)
        self._reconnection = Reconnection(connection.retry, patience_seconds, time.monotonic)
        heartbeat_seconds = _HEARTBEAT_SECONDS_DEFAULT
        if request.HasField("heartbeat_interval"):
            heartbeat_seconds = request.heartbeat_interval.ToTimedelta().total_seconds()
        heartbeat_seconds = min(max(heartbeat_seconds, _HEARTBEAT_SECONDS_MIN), _HEARTBEAT_SECONDS_MAX)
        self._silence_seconds_max = heartbeat_seconds * connection.retry.heartbeats_missed_max

    def start_after(self, cursor: Cursor) -> None:
        """Go on after a stored position, whatever start the request named."""
        if cursor.resume_token:
            self._request.resume_token = cursor.resume_token
        else:
            self._request.after_sequence = cursor.after_sequence
            self._request.instance_id = cursor.instance_id

    async def responses(self) -> AsyncGenerator[feed_service_pb2.WatchEventsResponse]:
        """Every message, heartbeats included, over any number of streams; each event once.

        Raises:
            CursorAheadError, InstanceMismatchError, CursorExpiredError: The start does not fit this journal,
                or no longer does. Going on elsewhere would lose events unseen, so that is for the caller to
                decide.
            FillHandlerError: The stream was refused, or was not to be had for longer than allowed.
        """
        while True:
            call = self._connection.feed.WatchEvents(self._request, metadata=self._connection.metadata())
            # The first message comes at once; after that only silence counts.
            silence_seconds_max = self._connection.timeout_seconds
            failure = _unavailable("the server ended the feed")
            try:
                while True:
                    async with asyncio.timeout(silence_seconds_max):
                        response = await call.read()
                    if not isinstance(response, feed_service_pb2.WatchEventsResponse):
                        break
                    self._reconnection.answered()
                    self._request.resume_token = response.resume_token
                    silence_seconds_max = self._silence_seconds_max
                    yield response
            except grpc.aio.AioRpcError as error:
                failure = self._connection.error(error)
            except TimeoutError:
                failure = _unavailable(f"the feed was silent for {silence_seconds_max:g} s")
            finally:
                call.cancel()
            # A feed changes nothing, so what the server itself says may be tried again is tried again.
            if not is_transient(failure) and failure.retry_after is None:
                raise failure
            await self._reconnection.wait(failure)


def _unavailable(text: str) -> FillHandlerError:
    return ServerUnreachableError(text, status=grpc.StatusCode.UNAVAILABLE)


async def stored_responses(
    feed: Feed, store: CursorStore | None
) -> AsyncGenerator[feed_service_pb2.WatchEventsResponse]:
    """The feed's messages; each one's position is stored when its consumer comes back for the next."""
    if store is not None and (cursor := await asyncio.to_thread(store.load)) is not None:
        feed.start_after(cursor)
    async with aclosing(feed.responses()) as responses:
        async for response in responses:
            yield response
            if store is not None:
                await asyncio.to_thread(store.save, Cursor(resume_token=response.resume_token))


async def stored_events(feed: Feed, store: CursorStore | None) -> AsyncGenerator[events_pb2.Event]:
    """The feed's events, one by one; an event counts as taken when its consumer comes back for the next."""
    taken: Cursor | None = None
    try:
        async with aclosing(stored_responses(feed, store)) as responses:
            async for response in responses:
                for event in response.events:
                    yield event
                    taken = Cursor(instance_id=response.instance_id, after_sequence=event.sequence)
                taken = None  # stored_responses stores the whole message
    finally:
        # The consumer left in the middle of a message.
        if store is not None and taken is not None:
            await asyncio.to_thread(store.save, taken)
