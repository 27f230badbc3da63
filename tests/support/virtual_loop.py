"""An event loop whose time jumps: it never waits, and goes to the next timer when nothing else can run.

What sleeps by `asyncio.sleep`, `wait_for` or `asyncio.wait` with a timeout sleeps by this clock, so hours
pass in milliseconds and every wait is exactly as long as it was asked to be.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

STEPS_MAX = 50_000
"""Steps of a loop, after which whatever runs in it is taken to run for ever."""


class StuckError(AssertionError):
    """Everything waits and nothing is due: it would wait for ever."""


class _Jumping(selectors.DefaultSelector):
    def __init__(self, jump: Callable[[float | None], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready:
            self._jump(timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """For one thread: what another thread would bring is not waited for."""

    def __init__(self) -> None:
        self.now = 0.0
        self._steps = 0
        super().__init__(_Jumping(self._go))

    def time(self) -> float:
        return self.now

    def _go(self, seconds: float | None) -> None:
        self._steps += 1
        if self._steps > STEPS_MAX:
            self._steps = 0  # for the loop's own end
            raise StuckError(f"it runs for ever: {STEPS_MAX} steps, {self.now:.0f} s")
        if seconds is None:
            raise StuckError("everything waits, and nothing is due")
        self.now += seconds


def play(scene: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Runs a scene in such a loop."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(scene())
