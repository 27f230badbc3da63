"""A clock that moves only when it is told to, and a sleep by it."""

import asyncio


async def settle() -> None:
    """Lets every task run until all of them wait for something."""
    for _ in range(20):
        await asyncio.sleep(0)


class Clock:
    """Monotonic seconds. `sleep` ends when `advance` has come so far."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self.slept: list[float] = []
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        sleeper = (self.now + seconds, asyncio.get_running_loop().create_future())
        self._sleepers.append(sleeper)
        try:
            await sleeper[1]
        finally:
            self._sleepers.remove(sleeper)

    @property
    def sleeping(self) -> int:
        """How many wait for it."""
        return len(self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Moves it, waking each sleeper at its own time."""
        await settle()
        end = self.now + seconds
        while due := [one for one in self._sleepers if one[0] <= end and not one[1].done()]:
            when, future = min(due, key=lambda one: one[0])
            self.now = max(self.now, when)
            future.set_result(None)
            await settle()
        self.now = end
        await settle()
