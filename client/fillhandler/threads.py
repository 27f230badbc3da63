"""Blocking iterables for asynchronous code."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from typing import Final, Generic, TypeVar

_T = TypeVar("_T")

_AHEAD_MAX: Final = 2_000


class _Pump(Generic[_T]):
    """A thread that reads an iterable ahead into a bounded buffer, for an event loop."""

    def __init__(self, items: Iterable[_T], ahead_max: int) -> None:
        self._items = items
        self._ahead_max = ahead_max
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._condition = threading.Condition()
        # Guarded by the condition from here on.
        self._buffer: deque[_T] = deque()
        self._error: BaseException | None = None
        self._ended = False
        self._abandoned = False
        # A daemon: a read that blocks (a terminal, a pipe) cannot be interrupted, and must not outlive us.
        threading.Thread(target=self._read, name="fillhandler-pump", daemon=True).start()

    def _read(self) -> None:
        try:
            for item in self._items:
                with self._condition:
                    self._condition.wait_for(lambda: len(self._buffer) < self._ahead_max or self._abandoned)
                    if self._abandoned:
                        return
                    self._buffer.append(item)
                    first = len(self._buffer) == 1
                if first:
                    self._wake()
        except BaseException as error:  # noqa: BLE001 - it is raised where the items are taken
            self._error = error
        finally:
            with self._condition:
                self._ended = True
            self._wake()

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._changed.set)
        except RuntimeError:  # the loop is closed: nobody waits any more
            self.abandon()

    async def take(self) -> list[_T]:
        """What is ready, at least one; empty at the end. Raises what the iterable raised."""
        while True:
            self._changed.clear()
            with self._condition:
                taken = list(self._buffer)
                self._buffer.clear()
                ended = self._ended
                self._condition.notify()
            if taken:
                return taken
            if ended:
                if self._error is not None:
                    raise self._error
                return []
            await self._changed.wait()

    def abandon(self) -> None:
        """Let the thread end with the item it is reading."""
        with self._condition:
            self._abandoned = True
            self._condition.notify()


async def from_thread(items: Iterable[_T], ahead_max: int = _AHEAD_MAX) -> AsyncGenerator[_T]:
    """The items of an iterable that may block, read on a thread of its own while the event loop goes on."""
    pump = _Pump(items, ahead_max)
    try:
        while taken := await pump.take():
            for item in taken:
                yield item
    finally:
        pump.abandon()
