"""Time and chance, handed in; and the waits made of them."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import tenacity
from tenacity.wait import wait_base, wait_exponential

from fillhandler_server.execution.errors import ErrorClass, VenueError

_EXPONENT_MAX: Final = 30
"""2.0 ** 1024 overflows, and some of these wait for ever."""


@dataclass(frozen=True, slots=True)
class Timing:
    """What a collector waits by. Tests replace all of it."""

    monotonic: Callable[[], float] = time.monotonic
    """Seconds that never jump."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    draw: Callable[[float, float], float] = random.uniform
    """An even draw between two bounds."""

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Waits for an event, at most so long (may be infinite). Returns whether it is set."""
        if event.is_set() or seconds <= 0:
            return event.is_set()
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(event.wait())]
        if seconds != float("inf"):
            waits.append(asyncio.ensure_future(self.sleep(seconds)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(*waits)
        return event.is_set()


async def end(*tasks: asyncio.Future[Any]) -> None:
    """Cancels tasks and waits until they have ended, however they do."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Doubling:
    """A wait that doubles with each failure in a row."""

    def __init__(self, base: float, cap: float) -> None:
        self._base = base
        self._cap = cap
        self.count = 0

    def next(self) -> float:
        """Seconds to wait after one more failure."""
        self.count += 1
        return min(self._cap, self._base * 2.0 ** min(self.count - 1, _EXPONENT_MAX))

    def reset(self) -> None:
        """It succeeded."""
        self.count = 0


class StreamBrokenError(Exception):
    """A stream ended, or was never made. Always retried."""

    def __init__(self, error: VenueError, *, was_good: bool) -> None:
        """`was_good`: it had lasted, so the waits begin anew."""
        super().__init__(error.text)
        self.error = error
        self.was_good = was_good


class ReconnectWait(wait_base):
    """Full jitter under an exponential ceiling; what the venue asks for is added, a refusal waits long."""

    def __init__(
        self, base: float, cap: float, refused: float, draw: Callable[[float, float], float]
    ) -> None:
        self._ceiling = wait_exponential(multiplier=base, max=cap)
        self._refused = refused
        self._draw = draw

    def __call__(self, retry_state: tenacity.RetryCallState) -> float:
        broken = retry_state.outcome.exception() if retry_state.outcome is not None else None
        assert isinstance(broken, StreamBrokenError), "nothing else is retried"
        if broken.was_good:
            retry_state.attempt_number = 1
        if broken.error.error_class is ErrorClass.AUTHENTICATION:
            return self._draw(self._refused / 2, self._refused)
        return self._draw(0.0, self._ceiling(retry_state)) + (broken.error.retry_after or 0.0)
