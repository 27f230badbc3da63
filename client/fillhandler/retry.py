"""When a call is tried again, and after how long. The only place that retries: gRPC's own are off."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import grpc
import tenacity

from fillhandler.errors import FillHandlerError, VenueUnavailableError

_TRANSIENT = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.CANCELLED,  # by the server or the connection: our own cancellation is CancelledError
        grpc.StatusCode.INTERNAL,
    }
)


def is_transient(error: BaseException) -> bool:
    """Whether sending the same call again may help, and is safe.

    It is safe because every write is identified by what it says: the same again is a duplicate. Errors that
    are definitely not applied stay what they are. A fault of the server's own code (INTERNAL with a reason)
    would only repeat itself; INTERNAL without one is gRPC's word for a broken connection.
    """
    if not isinstance(error, FillHandlerError) or error.status not in _TRANSIENT:
        return False
    return error.status is not grpc.StatusCode.INTERNAL or not error.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how fast calls are tried again. A value: share it, replace parts of it.

    Attributes:
        attempts_max: Tries of a unary call, the first included; 1 switches retries off. The call's timeout
            bounds all of them together. Streams use it until their first answer.
        base_delay_seconds: Upper end of the first wait. It doubles with every attempt, and each wait is drawn
            evenly from zero to it ("full jitter"), so that many clients do not come back in step.
        max_delay_seconds: Upper end of any wait that the server did not ask for.
        patience_seconds: How long a bidirectional stream that has worked keeps trying without an answer.
        answer_seconds_max: How long such a stream waits for an answer before it counts as dead.
        heartbeats_missed_max: After so many heartbeat intervals without a message a feed counts as dead.
        sleep: What waits; tests replace it.
        draw: An even draw between two bounds, in seconds; tests replace it.
    """

    attempts_max: int = 5
    base_delay_seconds: float = 0.1
    max_delay_seconds: float = 5.0
    patience_seconds: float = 60.0
    answer_seconds_max: float = 30.0
    heartbeats_missed_max: float = 3.0
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep, repr=False)
    draw: Callable[[float, float], float] = field(default=random.uniform, repr=False)

    def delay_seconds(self, attempt: int, error: BaseException | None) -> float:
        """The wait after a failed attempt (from 1): jittered, and never shorter than the server asks for."""
        # The exponent is bounded because a feed reconnects for ever and 2.0 ** 1024 overflows.
        ceiling = min(self.max_delay_seconds, self.base_delay_seconds * 2.0 ** min(attempt - 1, 30))
        asked = error.retry_after if isinstance(error, FillHandlerError) else None
        return self.draw(0.0, ceiling) + (asked.total_seconds() if asked else 0.0)

    def attempts(self, timeout_seconds: float) -> tenacity.AsyncRetrying:
        """Attempts at one unary call: `async for attempt in …: with attempt: …`; raises the last error."""

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome is not None else None
            return self.delay_seconds(state.attempt_number, error)

        return tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(is_transient),
            # stop_before_delay: a wait that would end after the deadline is not begun.
            stop=tenacity.stop_any(
                tenacity.stop_after_attempt(self.attempts_max), tenacity.stop_before_delay(timeout_seconds)
            ),
            wait=wait,
            sleep=self.sleep,
            reraise=True,
        )


class Reconnection:
    """The waits between the attempts of one stream; a message resets them."""

    def __init__(self, policy: RetryPolicy, patience_seconds: float | None, now: Callable[[], float]) -> None:
        """`patience_seconds` without a message end it, once it has had one; None never does.

        `now` is a monotonic clock in seconds.
        """
        self._policy = policy
        self._patience_seconds = patience_seconds
        self._now = now
        self._failures = 0
        self._silent_since: float | None = None

    def answered(self) -> None:
        """A message came: the connection is good."""
        self._failures = 0
        self._silent_since = self._now()

    async def wait(self, error: FillHandlerError) -> None:
        """Wait before the next attempt, or raise the error where there shall be none."""
        self._failures += 1
        if self._silent_since is None:
            if self._failures >= self._policy.attempts_max:
                raise error
        elif self._patience_seconds is not None and self._now() - self._silent_since > self._patience_seconds:
            raise error
        await self._policy.sleep(self._policy.delay_seconds(self._failures, error))


class Perseverance:
    """The waits between the attempts of one call whose answer may take hours.

    Only for calls that the server knows again by an id inside the request. Once the server was reached, what
    was asked for may be under way there, so that only the call's own timeout ends the attempts; before that
    they end as those of any other call do.
    """

    def __init__(self, policy: RetryPolicy, timeout_seconds: float | None, now: Callable[[], float]) -> None:
        """`timeout_seconds` is for all attempts together, None for ever; `now` is a monotonic clock."""
        self._policy = policy
        self._now = now
        self._deadline = None if timeout_seconds is None else now() + timeout_seconds
        self._failures = 0
        self._reached = False

    def remaining_seconds(self) -> float | None:
        """What an attempt may still take; None where there is no end."""
        return None if self._deadline is None else max(self._deadline - self._now(), 0.001)

    async def wait(self, error: FillHandlerError, *, reached: bool, lasted_seconds: float) -> None:
        """Wait before the next attempt, or raise the error where there shall be none.

        `reached`: the failed attempt had a connection; `lasted_seconds` is how long it took.
        """
        # A reason is the server's own word. That it has no connection to the venue says that nothing is under
        # way there.
        nothing_begun = isinstance(error, VenueUnavailableError)
        self._reached = not nothing_begun and (self._reached or reached or bool(error.reason))
        # An attempt that was open for long worked; what ended it has nothing to do with the ones before.
        self._failures = 1 if lasted_seconds > self._policy.max_delay_seconds else self._failures + 1
        if not (is_transient(error) or error.status is grpc.StatusCode.DEADLINE_EXCEEDED):
            raise error
        if self._policy.attempts_max <= 1 or (
            not self._reached and self._failures >= self._policy.attempts_max
        ):
            raise error
        delay_seconds = self._policy.delay_seconds(self._failures, error)
        if self._deadline is not None and self._now() + delay_seconds >= self._deadline:
            raise error
        await self._policy.sleep(delay_seconds)
