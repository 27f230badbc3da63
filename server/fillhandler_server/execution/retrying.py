"""When a request to an exchange is tried again, and after how long. docs/retries.md has the formulas.

The policy is made of tenacity's parts, and is asked in two ways. A trade's requests are decided attempt by
attempt (`RetryPolicy.decide`), because their attempts and waits are in the journal and survive a restart.
What may be repeated freely runs in a loop (`retrying`). Both ask the same three parts: whether this error is
retried, whether the attempts are used up, how long the wait is.
"""

from __future__ import annotations

import asyncio
import math
import random as chance
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Self, TypeVar

import tenacity

from fillhandler_server.domain.retry_config import RETRYABLE_ERRORS, read_retry_config
from fillhandler_server.domain.trades import Operation
from fillhandler_server.execution.errors import ErrorClass, VenueError

T = TypeVar("T")

Draw = Callable[[], float]
"""An even draw from [0, 1), as `random.random`."""
Sleep = Callable[[float], Awaitable[None]]
"""Waits so many seconds; cancelling it ends the wait."""

SETTLE_SECONDS: Final = 10.0
"""`settle_seconds` where nobody says otherwise: 5 s, after which an exchange no longer takes a delayed
request (Binance's recvWindow by default), and as much again for what its lists show late."""

_RULED_BY: Final = {ErrorClass.UNKNOWN_OUTCOME: ErrorClass.NETWORK_ERROR}
"""What `retryable_errors` has no word for follows another class's rule. The rest are never retried."""


class Decision(NamedTuple):
    """What follows a failed attempt."""

    retry: bool
    """Whether there is another attempt. False says nothing of what became of this one: an order whose request
    `maybe_applied` must still be asked for."""
    delay: float
    """Seconds before it; 0 where there is none."""
    reason: str
    """In words, for people. It holds nothing of the exchange's own text."""


class Backoff(tenacity.wait_exponential):
    """tenacity's exponential wait, with a jitter whose chance is handed in.

    tenacity's own jittered waits draw from the module `random`. `jitter_factor` None is full jitter, as of
    tenacity's `wait_random_exponential`: evenly from [0, wait). A number stretches the wait by up to that
    share of it, and the cap holds for the result: a wait at the cap is the cap itself.
    """

    def __init__(
        self, *, base: float, cap: float, exponential_base: float, jitter_factor: float | None, draw: Draw
    ) -> None:
        super().__init__(multiplier=base, max=cap, exp_base=exponential_base)
        self._jitter_factor = jitter_factor
        self._draw = draw

    def __call__(self, retry_state: tenacity.RetryCallState) -> float:
        # tenacity takes the cap where the power overflows, whatever it is multiplied with.
        wait = super().__call__(retry_state) if self.multiplier else 0.0
        if self._jitter_factor is None:
            return wait * self._draw()
        return min(self.max, wait * (1 + self._jitter_factor * self._draw()))


def asked_seconds(error: VenueError) -> float:
    """How long the exchange asks to be left alone; 0 where it does not say."""
    asked = error.retry_after
    return max(0.0, asked) if asked is not None and math.isfinite(asked) else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Which failures are tried again, how often and how fast. A value; its names are the original design's.

    The constructor does not check; `from_config` and `overridden` do.

    Attributes:
        max_retries: Attempts beyond the first.
        base_delay: Seconds of the first wait, before jitter.
        max_delay: Seconds; no wait of ours is longer. One that the exchange asks for may be.
        exponential_base: What each further wait is multiplied with.
        jitter_factor: None for full jitter; else the share of a wait, 0 to 1, that chance may add to it.
        retryable_errors: Classes that are tried again. EXCHANGE_ERROR is only where it is temporary.
        settle_seconds: How long after a request to place an order with unknown outcome the next may be sent
            at the earliest. Longer than the exchange lets a delayed request still take effect.
    """

    max_retries: int = 3
    base_delay: float = 1.0
    max_delay: float = 30.0
    exponential_base: float = 2.0
    jitter_factor: float | None = None
    retryable_errors: frozenset[ErrorClass] = frozenset(map(ErrorClass, RETRYABLE_ERRORS))
    settle_seconds: float = SETTLE_SECONDS

    @classmethod
    def from_config(
        cls, given: object, path: str = "retry_config", *, settle_seconds: float = SETTLE_SECONDS
    ) -> Self:
        """The policy of a configuration; keys that are absent have the defaults above.

        Args:
            given: a mapping with some of the original design's keys, or None.
            path: where it stands, for errors.
            settle_seconds: a connection's own setting, beside them.

        Raises:
            InvalidFieldError: naming every key that is wrong, such as `retry_config.max_retries`.
        """
        return cls(settle_seconds=settle_seconds).overridden(given, path)

    def overridden(self, given: object, path: str = "retry_config") -> Self:
        """This policy with some keys of one venue's or connection's own; arguments and errors as above."""
        values = read_retry_config(given, path)
        for name in ("base_delay", "max_delay", "exponential_base", "jitter_factor"):
            if values.get(name) is not None:
                values[name] = float(values[name])
        if "retryable_errors" in values:
            values["retryable_errors"] = frozenset(map(ErrorClass, values["retryable_errors"]))
        return replace(self, **values)

    @property
    def attempts_max(self) -> int:
        """Attempts in all."""
        return 1 + self.max_retries

    def is_retryable(self, error: BaseException) -> bool:
        """Whether an error is of a kind that is tried again, however often it was tried."""
        return isinstance(error, VenueError) and not self._refusal(error)

    def decide(
        self, attempt: int, error: VenueError, *, random: Draw, operation: Operation = Operation.PLACE
    ) -> Decision:
        """What follows the failure of one attempt.

        Args:
            attempt: which attempt of this operation failed, from 1, whatever process made it.
            error: its failure.
            random: the chance of the jitter.
            operation: what was asked; only placing must settle first.
        """
        if refusal := self._refusal(error):
            return Decision(False, 0.0, refusal)
        state = _state_of(attempt, error)
        if self._stop(state):
            return Decision(False, 0.0, f"attempt {attempt} of {self.attempts_max} failed: max_retries")
        delay = self._wait(operation, random)(state)
        return Decision(True, delay, self._reason(attempt, error, operation, delay))

    def _refusal(self, error: VenueError) -> str:
        """Why an error is not retried, in words; empty if it is."""
        name = error.error_class.value
        rule = _RULED_BY.get(error.error_class, error.error_class)
        if rule not in RETRYABLE_ERRORS:
            return f"{name} is never retried: the same request would be refused again"
        if rule not in self.retryable_errors:
            return f"{rule.value} is not in retryable_errors"
        if rule is ErrorClass.EXCHANGE_ERROR and not error.temporary:
            return f"{name} is final: the exchange did not say that it is temporary"
        return ""

    @property
    def _stop(self) -> tenacity.stop_after_attempt:
        return tenacity.stop_after_attempt(self.attempts_max)

    def _wait(self, operation: Operation, draw: Draw) -> Callable[[tenacity.RetryCallState], float]:
        backoff = Backoff(
            base=self.base_delay,
            cap=self.max_delay,
            exponential_base=self.exponential_base,
            jitter_factor=self.jitter_factor,
            draw=draw,
        )
        least = tenacity.wait_exception(lambda error: self._least_seconds(error, operation))
        return lambda state: max(backoff(state), least(state))

    def _least_seconds(self, error: BaseException, operation: Operation) -> float:
        """What no wait goes below: the exchange's word, and the time in which an order may still appear."""
        if not isinstance(error, VenueError):
            return 0.0
        return max(asked_seconds(error), self._settling(error, operation))

    def _settling(self, error: VenueError, operation: Operation) -> float:
        return self.settle_seconds if error.maybe_applied and operation is Operation.PLACE else 0.0

    def _reason(self, attempt: int, error: VenueError, operation: Operation, delay: float) -> str:
        cause = "backoff"
        if 0 < delay <= self._settling(error, operation):
            cause = "settle_seconds, since the order may have been placed"
        elif 0 < delay <= asked_seconds(error):
            cause = "as the exchange asks"
        which = f"attempt {attempt + 1} of {self.attempts_max}"
        return f"{error.error_class.value}: {which} after {delay:.3f} s ({cause})"


OnFailure = Callable[[int, VenueError, Decision], Awaitable[None]]
"""Is told of every failed attempt: its number, its error, what follows. Awaited before the wait begins."""


async def retrying(
    policy: RetryPolicy,
    operation: Callable[[], Awaitable[T]],
    *,
    sleep: Sleep = asyncio.sleep,
    random: Draw = chance.random,
    on_failure: OnFailure | None = None,
    kind: Operation = Operation.QUERY,
    first_attempt: int = 1,
) -> T:
    """Runs what is safe to repeat, a query or a cancel, until it succeeds or the policy ends it.

    Cancelling it ends a wait at once.

    Args:
        policy: the rules.
        operation: makes one attempt each time it is called.
        sleep: waits.
        random: the chance of the jitter.
        on_failure: told of failures, the last one too.
        kind: what it is. Placing an order is refused: what may have taken effect must be looked for first.
        first_attempt: the number of the first attempt made here, more than 1 where earlier ones are in the
            journal. One attempt is always made.

    Raises:
        VenueError: the last attempt's.
    """
    if kind is Operation.PLACE:
        raise ValueError("placing an order is not safe to repeat; use RetryPolicy.decide for each attempt")

    async def tell(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        if on_failure is not None and isinstance(error, VenueError):
            delay = state.upcoming_sleep
            reason = policy._reason(state.attempt_number, error, kind, delay)
            await on_failure(state.attempt_number, error, Decision(True, delay, reason))

    attempts = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception(policy.is_retryable),
        stop=policy._stop,
        wait=policy._wait(kind, random),
        sleep=sleep,
        before_sleep=tell,
        reraise=True,
    )
    number = first_attempt - 1
    try:
        async for attempt in attempts:
            number += 1
            attempt.retry_state.attempt_number = number
            with attempt:
                return await operation()
    except VenueError as error:
        if on_failure is not None:
            await on_failure(number, error, policy.decide(number, error, random=random, operation=kind))
        raise
    raise AssertionError("tenacity ended without a result or an error")


def backoff_seconds(
    attempt: int, *, base: float, cap: float, exponential_base: float, jitter_factor: float | None, draw: Draw
) -> float:
    """The wait after an attempt, from 1, by `Backoff` alone."""
    wait = Backoff(
        base=base, cap=cap, exponential_base=exponential_base, jitter_factor=jitter_factor, draw=draw
    )
    return wait(_state_of(attempt))


def _state_of(attempt: int, error: VenueError | None = None) -> tenacity.RetryCallState:
    """What tenacity's parts look at, for an attempt that tenacity did not run."""
    state = tenacity.RetryCallState(tenacity.AsyncRetrying(), None, (), {})
    state.attempt_number = attempt
    if error is not None:
        state.set_exception((type(error), error, error.__traceback__))
    return state
