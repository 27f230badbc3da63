"""A bidirectional stream over the writer: many requests under way, answers in order, bounded."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

import grpc

from fillhandler_server.writer import Session, Writer

T = TypeVar("T")

WINDOW_REQUESTS: Final = 1024
WINDOW_WEIGHT: Final = 50_000
_FULL_PAUSE_SECONDS: Final = 0.005


class Pipeline(Generic[T]):
    """Reads ahead while earlier requests commit, and stops reading when too much is under way."""

    def __init__(self, writer: Writer, write: Callable[[T], Awaitable[None]]) -> None:
        self._writer = writer
        self._write = write
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
        """
        answering = asyncio.ensure_future(self._answer())
        try:
            while (request := await read()) is not grpc.aio.EOF:
                work, weight = job(request)
                while (
                    len(self._under_way) >= WINDOW_REQUESTS or self._weight >= WINDOW_WEIGHT
                ) and not answering.done():
                    await self._wait()
                while self._writer.full:
                    # Other streams have filled the queue: this one's client waits by flow control.
                    await asyncio.sleep(_FULL_PAUSE_SECONDS)
                if answering.done():
                    break
                self._under_way.append((self._writer.run(work, weight=weight), weight))
                self._weight += weight
                self._changed.set()
            self._ended = True
            self._changed.set()
            await answering
        finally:
            answering.cancel()
            for future, _ in self._under_way:
                future.cancel()

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
