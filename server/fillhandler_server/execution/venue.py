"""One connection to an exchange as trades see it: with its policy, its breaker and its pace."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeVar

from fillhandler_server.domain.errors import FillHandlerError, InvalidFieldError
from fillhandler_server.execution.breaker import Breaker
from fillhandler_server.execution.connection import VenueConnection
from fillhandler_server.execution.errors import ErrorClass, VenueError
from fillhandler_server.execution.retrying import Draw, RetryPolicy, Sleep, backoff_seconds

T = TypeVar("T")

log = logging.getLogger("fillhandler.execution")

FIRST_POLL_SECONDS: Final = 0.25
"""After an order was placed; each poll that shows it open doubles the wait, up to `poll_seconds`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How trades on a connection are paced. Seconds.

    Attributes:
        poll_seconds: Between two questions about an open order, beside the stream.
        undecided_after_seconds: From when on an order whose fate the venue does not tell is an alarm.
        deadline_seconds: How long a trade's order may take where the trade does not say; None for no end.
        completing_seconds: How long the fills of an order that has ended are waited for.
        slippage_tolerance: A fraction of the expected price: how much worse a replacement may be.
    """

    poll_seconds: float = 5.0
    undecided_after_seconds: float = 60.0
    deadline_seconds: float | None = None
    completing_seconds: float = 10.0
    slippage_tolerance: Decimal = Decimal("0.005")


class Venue:
    """A connection with all that belongs to it. For one event loop."""

    def __init__(
        self,
        connection: VenueConnection,
        policy: RetryPolicy,
        breaker: Breaker,
        pace: Pace,
        *,
        random: Draw,
        sleep: Sleep = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            connection: to the exchange.
            policy: when its requests are tried again.
            breaker: holds requests back while it is dead.
            pace: how trades are paced.
            random: the chance of jitter.
            sleep: waits seconds of that clock.
            monotonic: seconds that never jump; every wait goes by it.
        """
        self.connection = connection
        self.policy = policy
        self.breaker = breaker
        self.pace = pace
        self.random = random
        self.sleep = sleep
        self.monotonic = monotonic
        self.ready = asyncio.Event()
        """Set once the exchange's markets are known."""
        self.look: Callable[[], None] = _nothing
        """Tells the collector that an order's fills are missing."""
        self.text = ""
        """Why it is not ready yet, in words."""

    @property
    def name(self) -> str:
        """For people: `binance/main/spot`."""
        return "/".join((self.connection.venue, self.connection.account, self.connection.market))

    async def start(self) -> None:
        """Reads the exchange's markets; tried again until it succeeds."""
        attempt = 0
        while not self.ready.is_set():
            attempt += 1
            try:
                await self.ask(self.connection.start)
            except VenueError as error:
                self.text = error.text
                wait = max(self.backoff(attempt), error.retry_after or 0.0)
                log.warning("%s: the connection is not made: %s; next in %.1f s", self.name, error.text, wait)
                await self.sleep(wait)
            else:
                self.text = ""
                self.ready.set()

    def backoff(self, attempt: int) -> float:
        """The wait after an attempt, from 1, of what is never given up."""
        policy = self.policy
        return backoff_seconds(
            attempt,
            base=policy.base_delay,
            cap=policy.max_delay,
            exponential_base=policy.exponential_base,
            jitter_factor=policy.jitter_factor,
            draw=self.random,
        )

    async def ask(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Sends one request once the breaker lets it through.

        Raises:
            VenueError: it failed; whatever else an adapter raises by mistake counts as an unknown outcome.
        """
        return await self.breaker.call(lambda: guarded(operation))


async def guarded(operation: Callable[[], Awaitable[T]]) -> T:
    """Runs a request; an exception that nobody foresaw is an unknown outcome, and its text is not shown."""
    try:
        return await operation()
    except VenueError:
        raise
    except InvalidFieldError as error:
        # It does not fit its market: refused before anything was sent.
        raise VenueError(ErrorClass.INVALID_ORDER, error.text, maybe_applied=False, temporary=False) from None
    except FillHandlerError:
        # The record failed, before anything was sent: that says nothing of the exchange.
        raise
    except Exception as error:
        log.exception("a request to an exchange failed unforeseen")
        raise VenueError(
            ErrorClass.UNKNOWN_OUTCOME,
            f"the request failed unforeseen ({type(error).__name__}); the log says more",
            maybe_applied=True,
            temporary=True,
        ) from None


def _nothing() -> None:
    """No collector is there."""
