"""Many small things over one bidirectional stream: gathered into batches, several under way at a time, each
batch sent again until it is acknowledged.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator
from typing import Final, Generic, TypeVar, cast

import grpc
import grpc.aio

from fillhandler.connection import Connection
from fillhandler.errors import FillHandlerError, ServerUnreachableError
from fillhandler.retry import Reconnection, is_transient

#: What a batch holds at most, unless the caller says otherwise.
BATCH_MAX: Final = 500
#: Batches that are sent and not acknowledged, unless the caller says otherwise.
WINDOW_MAX: Final = 8
# A quarter of what the server takes: the answer to a batch may be larger than the batch.
_BATCH_BYTES_MAX: Final = 1024 * 1024
# How long a stream that is done with gets to end by itself, so that the server sees a clean end.
_CLOSING_SECONDS_MAX: Final = 1.0

_LISTENING_SECONDS_MAX: Final = 0.5

_Item = TypeVar("_Item")
_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


class _AsyncSource(Generic[_Item]):
    """Reads an asynchronous iterable ahead while its consumer does other things."""

    def __init__(self, items: AsyncIterable[_Item], ahead_max: int) -> None:
        self._ready: deque[_Item] = deque()
        self._ahead_max = ahead_max
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._reader = asyncio.ensure_future(self._read(items))
        self._reader.add_done_callback(lambda _: self._changed.set())

    async def _read(self, items: AsyncIterable[_Item]) -> None:
        async for item in items:
            self._ready.append(item)
            self._changed.set()
            while len(self._ready) >= self._ahead_max:
                self._room.clear()
                await self._room.wait()

    async def take(self) -> list[_Item]:
        """What is ready, at least one; empty at the end. Raises what the iterable raised."""
        while not self._ready and not self._reader.done():
            self._changed.clear()
            await self._changed.wait()
        if not self._ready:
            self._reader.result()
        taken = list(self._ready)
        self._ready.clear()
        self._room.set()
        return taken

    async def close(self) -> None:
        """Stop reading."""
        self._reader.cancel()
        await asyncio.wait({self._reader})
        if not self._reader.cancelled():
            self._reader.exception()  # seen: take() raised it, or nobody wants it any more


async def gather_batches(
    items: Iterable[_Item] | AsyncIterable[_Item],
    size_bytes: Callable[[_Item], int],
    batch_max: int = BATCH_MAX,
) -> AsyncGenerator[list[_Item]]:
    """Lists of what is ready, in order, of at most `batch_max` entries and about 1 MiB.

    Nothing waits for a batch to fill up: what a slow asynchronous source has given so far goes out, while
    what gathers during a wait for the server goes out together. A plain iterable is read on the event loop,
    so one that blocks is better given as an asynchronous one.
    """
    if isinstance(items, AsyncIterable):
        source = _AsyncSource(items, batch_max)
        try:
            while ready := await source.take():
                for batch in _split(ready, size_bytes):
                    yield batch
        finally:
            await source.close()
    else:
        iterator = iter(items)
        while ready := list(itertools.islice(iterator, batch_max)):
            for batch in _split(ready, size_bytes):
                yield batch


def _split(items: list[_Item], size_bytes: Callable[[_Item], int]) -> Iterator[list[_Item]]:
    """The items in lists of about 1 MiB at most; a larger item goes alone."""
    start = total_bytes = 0
    for index, item in enumerate(items):
        added_bytes = size_bytes(item)
        if index > start and total_bytes + added_bytes > _BATCH_BYTES_MAX:
            yield items[start:index]
            start, total_bytes = index, 0
        total_bytes += added_bytes
    yield items[start:]


class Exchange(Generic[_Request, _Response]):
    """Sends requests over a bidirectional stream until each one is acknowledged, whatever breaks between.

    The server answers each request by one response, in order, once what it asks for is durable. When the
    stream breaks, everything not acknowledged is sent again on a new one; what had been applied is a
    duplicate then.
    """

    def __init__(
        self,
        connection: Connection,
        method: grpc.aio.StreamStreamMultiCallable[_Request, _Response],
        requests: AsyncGenerator[_Request],
        window_max: int = WINDOW_MAX,
    ) -> None:
        self._connection = connection
        self._method = method
        self._requests = requests
        self._window_max = window_max
        self._reconnection = Reconnection(connection.retry, connection.retry.patience_seconds, time.monotonic)
        # Not acknowledged, oldest first; the first `_sent` of them were written to the present stream.
        self._pending: deque[_Request] = deque()
        self._sent = 0
        self._ever_sent = False
        self._status_lost = False
        self._exhausted = False
        self._call: grpc.aio.StreamStreamCall[_Request, _Response] | None = None
        # At most one of each is under way, and all three at the same time: a server whose answers are not
        # read stops reading, and a write that waited for it alone would wait for ever.
        self._pull: asyncio.Future[_Request] | None = None
        self._write: asyncio.Future[None] | None = None
        self._read: asyncio.Future[object] | None = None
        self._silent_since = time.monotonic()

    async def run(self) -> AsyncGenerator[tuple[_Request, _Response]]:
        """Each request with its response, in order.

        Raises:
            FillHandlerError: The stream was refused, or was not to be had for longer than the policy allows.
                What was not acknowledged may or may not have been applied.
        """
        try:
            while True:
                self._begin()
                under_way = {task for task in (self._pull, self._write, self._read) if task is not None}
                if not under_way:
                    break
                await asyncio.wait(
                    under_way, timeout=self._seconds_left(), return_when=asyncio.FIRST_COMPLETED
                )
                self._take_request()
                answered = await self._take_answer()
                if answered is not None:
                    yield answered
                    # Whoever takes the answers may take their time; that is not the server's silence.
                    self._silent_since = time.monotonic()
            await self._end_stream()
        finally:
            await self._drop_stream()
            if self._pull is not None:
                self._pull.cancel()
                await asyncio.wait({self._pull})
            await self._requests.aclose()

    def _begin(self) -> None:
        """Start whatever can go on."""
        if self._pull is None and not self._exhausted and len(self._pending) < self._window_max:
            self._pull = asyncio.ensure_future(anext(self._requests))
        if not self._pending:
            return
        if self._call is None:
            self._call = self._method(metadata=self._connection.metadata())
            self._silent_since = time.monotonic()
        if self._read is None:
            self._read = asyncio.ensure_future(self._call.read())
        if self._write is None and self._sent < len(self._pending):
            request = self._pending[self._sent]
            if self._status_lost:
                self._status_lost = False
                self._write = asyncio.ensure_future(_write_after(self._call, request, self._read))
            else:
                self._write = asyncio.ensure_future(self._call.write(request))

    def _seconds_left(self) -> float | None:
        """How long the stream may stay silent before it counts as dead; None while nothing is asked of it."""
        if not self._pending:
            return None
        limit_seconds = self._connection.retry.answer_seconds_max
        return max(self._silent_since + limit_seconds - time.monotonic(), 0.0)

    def _take_request(self) -> None:
        """Queue the next request if it has come."""
        if self._pull is None or not self._pull.done():
            return
        pull, self._pull = self._pull, None
        try:
            request = pull.result()
        except StopAsyncIteration:
            self._exhausted = True
            return
        if not self._pending:
            self._silent_since = time.monotonic()
        self._pending.append(request)

    async def _take_answer(self) -> tuple[_Request, _Response] | None:
        """The answer if it has come; recovers where the stream failed instead."""
        failed = False
        if self._write is not None and self._write.done():
            write, self._write = self._write, None
            failed = write.exception() is not None
            if not failed:
                self._sent += 1
                self._ever_sent = True
        if self._read is not None and self._read.done():
            read, self._read = self._read, None
            if read.exception() is None and read.result() is not grpc.aio.EOF:
                self._reconnection.answered()
                self._sent -= 1
                return self._pending.popleft(), cast("_Response", read.result())
            failed = True
        if failed:
            await self._recover(await self._failure())
        elif self._seconds_left() == 0.0:
            await self._recover(_unavailable("the stream was silent for too long"))
        return None

    async def _failure(self) -> FillHandlerError:
        """Why the stream ended."""
        assert self._call is not None
        code = await self._call.code()
        if code is grpc.StatusCode.OK:
            return _unavailable("the server ended the stream")
        trailing, text = await self._call.trailing_metadata(), await self._call.details()
        return self._connection.error(grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, text))

    async def _recover(self, failure: FillHandlerError) -> None:
        """Drop the stream and wait until another may be tried, or raise the failure."""
        await self._drop_stream()
        self._status_lost = failure.status is grpc.StatusCode.INTERNAL and not failure.reason
        if self._ever_sent:
            failure.definitely_not_applied = False
        if not is_transient(failure):
            raise failure
        await self._reconnection.wait(failure)

    async def _drop_stream(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.cancel()
        for task in (self._write, self._read):
            if task is not None:
                task.cancel()
                await asyncio.wait({task})
                if not task.cancelled():
                    task.exception()  # seen: it says that the call is over
        self._write = self._read = None
        self._sent = 0

    async def _end_stream(self) -> None:
        """Everything is acknowledged: what the stream's end says changes nothing."""
        if self._call is not None:
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError, TimeoutError):
                async with asyncio.timeout(_CLOSING_SECONDS_MAX):
                    await self._call.done_writing()
                    await self._call.read()


async def _write_after(
    call: grpc.aio.StreamStreamCall[_Request, _Response], request: _Request, answer: asyncio.Future[object]
) -> None:
    """Write once the server had time to refuse the stream.

    Where a write meets the end of the stream, grpc.aio forgets how it ended and says INTERNAL instead (one in
    four streams that are refused at once). So after that, the next stream is listened to before it is used.
    """
    await asyncio.wait({answer}, timeout=_LISTENING_SECONDS_MAX)
    await call.write(request)


def _unavailable(text: str) -> FillHandlerError:
    return ServerUnreachableError(text, status=grpc.StatusCode.UNAVAILABLE)
