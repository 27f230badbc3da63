"""A bidirectional stream over the writer: many requests under way, answers in order, bounded."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

import grpc

from fillhandler_server.domain.errors import ShuttingDownError
from fillhandler_server.writer import SMALL_WEIGHT_MAX, Session, Writer

T = TypeVar("T")

WINDOW_REQUESTS: Final = 1024
WINDOW_WEIGHT: Final = 50_000
_FULL_PAUSE_SECONDS: Final = 0.005


class Pipeline(Generic[T]):
    """Reads ahead while earlier requests commit, and stops reading when too much is under way."""

    def __init__(
        self, writer: Writer, write: Callable[[T], Awaitable[None]], stopping: asyncio.Event | None = None
    ) -> None:
        """
        Args:
            writer: does the work.
            write: sends an answer.
            stopping: set when the server stops: then nothing more is read, and what was is answered.
        """
        self._writer = writer
        self._write = write
        self._stopping = asyncio.Event() if stopping is None else stopping
        self._under_way: deque[tuple[asyncio.Future[T], int]] = deque()
        self._weight = 0
        self._ended = False
        self._changed = asyncio.Event()

    async def serve(
        self,
        read: Callable[[], Awaitable[Any]],
        job: Callable[[Any], tuple[Callable[[Session], T], int]],
    ) -> None:
        """Serves the stream to its end.

        Args:
            read: gives the next request, or `grpc.aio.EOF`.
            job: the work of a request, for the writer's thread, and its weight in fills.

        Raises:
            FillHandlerError: a request failed as a whole; those before it are answered.
            ShuttingDownError: the server stops; everything that was read is answered.
        """
        answering = asyncio.ensure_future(self._answer())
        reading = asyncio.ensure_future(self._read(read, job))
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            # A client that waits for an answer sends nothing: a failure must not wait for its next request.
            await asyncio.wait((answering, reading, stopping), return_when=asyncio.FIRST_COMPLETED)
            reading.cancel()
            await asyncio.wait((reading,))
            failure = None if reading.cancelled() else reading.exception()
            self._ended = True
            self._changed.set()
            await answering
            if failure is not None:
                raise failure
            if reading.cancelled():
                raise ShuttingDownError("the server is stopping; send what was not acknowledged again")
        finally:
            for task in (answering, reading, stopping):
                task.cancel()
            for future, _ in self._under_way:
                future.cancel()

    async def _read(
        self,
        read: Callable[[], Awaitable[Any]],
        job: Callable[[Any], tuple[Callable[[Session], T], int]],
    ) -> None:
        under_way = self._under_way
        while (request := await read()) is not grpc.aio.EOF:
            work, weight = job(request)
            # Small requests overtake bulk ones, but not those of their own stream: a stream changes over to
            # bulk when nothing of it is under way, and back likewise.
            if under_way and weight <= SMALL_WEIGHT_MAX < under_way[-1][1]:
                weight = SMALL_WEIGHT_MAX + 1
            while under_way and under_way[-1][1] <= SMALL_WEIGHT_MAX < weight:
                await self._wait()
            while len(under_way) >= WINDOW_REQUESTS or self._weight >= WINDOW_WEIGHT:
                await self._wait()
            while self._writer.full:  # noqa: ASYNC110  # its end comes from another thread, many times a second
                # Other streams have filled the queue: this one's client waits by flow control.
                await asyncio.sleep(_FULL_PAUSE_SECONDS)
            under_way.append((self._writer.run(work, weight=weight), weight))
            self._weight += weight
            self._changed.set()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def _answer(self) -> None:
        under_way = self._under_way
        try:
            while True:
                while not under_way:
                    if self._ended:
                        return
                    await self._wait()
                future, weight = under_way[0]
                answer = await future
                under_way.popleft()
                self._weight -= weight
                self._changed.set()
                await self._write(answer)
        finally:
            self._changed.set()
