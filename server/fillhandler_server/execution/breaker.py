"""A circuit breaker for each connection to an exchange: one that does not answer is left alone.

    closed ── failures_max failures in a row, or the exchange asks for a pause ──► open
    open ── its time is over ──► half-open: one request is let through, the others wait
    half-open ── it succeeds ──► closed
    half-open ── it fails ──► open again, for twice as long

Everything waits in line here instead of hammering the exchange, cancellably, and nobody is let through before
the time the exchange named in a 429 or 418. A pause ends like any opening, with one request to try it:
if all went at once the next ban would follow.
"""

from __future__ import annotations

import asyncio
import random as chance
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from fillhandler_server.execution.errors import ErrorClass, VenueError
from fillhandler_server.execution.retrying import Draw, Sleep, asked_seconds, backoff_seconds

T = TypeVar("T")

_SICK: Final = frozenset(
    {ErrorClass.NETWORK_ERROR, ErrorClass.TIMEOUT, ErrorClass.RATE_LIMIT, ErrorClass.UNKNOWN_OUTCOME}
)
"""Classes that speak of a dead or refusing exchange, whoever asks; so does a temporary EXCHANGE_ERROR."""


class BreakerState(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerStatus:
    """A breaker at one moment."""

    state: BreakerState
    failures: int
    """Consecutive failures that speak of the exchange."""
    remaining_seconds: float
    """How long it stays open; 0 where it is not."""
    error_class: ErrorClass | None
    """Of the last such failure; None since a success."""
    waiting: int
    """Requests that wait to be let through."""


class BreakerOpenError(VenueError):
    """A request was not let through before its deadline. Nothing was sent.

    `retry_after` is what remains of the opening, so that a retry does not come earlier.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """When a breaker opens and for how long.

    Attributes:
        failures_max: Consecutive failures that open it.
        cooldown_seconds: How long the first time. Each further opening without a success between doubles it.
        cooldown_seconds_max: It doubles up to this. A pause that the exchange asks for may be longer.
        jitter_factor: The share of a cool-down, 0 to 1, that chance adds to it.
    """

    failures_max: int = 5
    cooldown_seconds: float = 5.0
    cooldown_seconds_max: float = 120.0
    jitter_factor: float = 0.2


def is_sick(error: VenueError) -> bool:
    """Whether a failure speaks of the exchange or the way to it. Any other is an answer like a success."""
    return error.error_class in _SICK or (error.error_class is ErrorClass.EXCHANGE_ERROR and error.temporary)


class _Ticket:
    """A request that was let through."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.ended = asyncio.Event()


class Breaker:
    """One connection's breaker. For one event loop."""

    def __init__(
        self,
        policy: BreakerPolicy | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
        random: Draw = chance.random,
    ) -> None:
        """
        Args:
            policy: when it opens and for how long; None for the defaults.
            clock: monotonic seconds.
            sleep: waits seconds of that clock.
            random: the chance of the jitter.
        """
        self._policy = policy or BreakerPolicy()
        self._clock = clock
        self._sleep = sleep
        self._random = random
        self._failures = 0
        self._openings = 0
        self._error_class: ErrorClass | None = None
        self._until: float | None = None  # when an opening ends; None while closed
        self._probe: _Ticket | None = None
        # Counts openings and closings. What was let through in an earlier epoch ends in a world that is gone:
        # it neither closes nor opens anything, but a pause that it was told counts.
        self._epoch = 0
        self._waiting = 0

    @property
    def state(self) -> BreakerState:
        """Where it stands now."""
        if self._until is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self._clock() < self._until else BreakerState.HALF_OPEN

    def status(self) -> BreakerStatus:
        """All about it, for ListVenues."""
        return BreakerStatus(
            self.state, self._failures, self._remaining(), self._error_class, waiting=self._waiting
        )

    @asynccontextmanager
    async def request(self, deadline: float | None = None) -> AsyncIterator[None]:
        """Waits until a request may be sent; what its body raises, or that it raises nothing, is its result.

        Only a VenueError and a success say something of the exchange. Anything else, such as a cancellation,
        ends a probe without a result, and the next in line becomes the probe. The body sends one request: one
        that asks for another `request` may be the probe that the other waits for.

        Args:
            deadline: by the clock; it is not waited for longer.

        Raises:
            BreakerOpenError: it would have to wait beyond the deadline, or has. Nothing was sent.
        """
        ticket = await self._admit(deadline)
        try:
            yield
        except VenueError as error:
            self._failed(ticket, error)
            raise
        else:
            self._succeeded(ticket)
        finally:
            if self._probe is ticket:
                self._probe = None
            ticket.ended.set()

    async def call(self, operation: Callable[[], Awaitable[T]], deadline: float | None = None) -> T:
        """Runs one request inside `request`; to be handed to `retrying`."""
        async with self.request(deadline):
            return await operation()

    async def _admit(self, deadline: float | None) -> _Ticket:
        self._waiting += 1
        try:
            while self._until is not None:
                if remaining := self._remaining():
                    if deadline is not None and self._clock() + remaining > deadline:
                        raise self._open_error()
                    await self._sleep(remaining)
                elif self._probe is not None:
                    await self._end_of(self._probe, deadline)
                else:
                    # Nothing is awaited between this and the caller's `try`, so no cancellation gets between.
                    self._probe = _Ticket(self._epoch)
                    return self._probe
            return _Ticket(self._epoch)
        finally:
            self._waiting -= 1

    async def _end_of(self, probe: _Ticket, deadline: float | None) -> None:
        if deadline is None:
            await probe.ended.wait()
            return
        left = deadline - self._clock()
        if left <= 0:
            raise self._open_error()
        waits = [asyncio.ensure_future(probe.ended.wait()), asyncio.ensure_future(self._sleep(left))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def _succeeded(self, ticket: _Ticket) -> None:
        if ticket.epoch != self._epoch:
            return
        self._failures = 0
        self._error_class = None
        if self._until is not None:
            self._until = None
            self._openings = 0
            self._epoch += 1

    def _failed(self, ticket: _Ticket, error: VenueError) -> None:
        if not is_sick(error) and not asked_seconds(error):
            self._succeeded(ticket)
            return
        current = ticket.epoch == self._epoch
        seconds = asked_seconds(error)
        if current or seconds:
            self._error_class = error.error_class
        if current:
            self._failures += 1
        if current and (self._until is not None or self._failures >= self._policy.failures_max):
            self._openings += 1
            seconds = max(seconds, self._cooldown())
        if seconds:
            self._open(self._clock() + seconds)

    def _open(self, until: float) -> None:
        """Opens it, or keeps it open longer: never shorter."""
        self._until = until if self._until is None else max(self._until, until)
        self._epoch += 1

    def _cooldown(self) -> float:
        return backoff_seconds(
            self._openings,
            base=self._policy.cooldown_seconds,
            cap=self._policy.cooldown_seconds_max,
            exponential_base=2.0,
            jitter_factor=self._policy.jitter_factor,
            draw=self._random,
        )

    def _remaining(self) -> float:
        return 0.0 if self._until is None else max(0.0, self._until - self._clock())

    def _open_error(self) -> BreakerOpenError:
        last = self._error_class or ErrorClass.NETWORK_ERROR
        remaining = self._remaining()
        rest = f"for {remaining:.1f} s" if remaining else "until one request has shown that it answers"
        return BreakerOpenError(
            last,
            f"not sent: after {self._failures} failures in a row ({last.value}) the connection rests {rest}",
            maybe_applied=False,
            temporary=True,
            retry_after=remaining or None,
        )
