"""What every step of a trade is made of: waits that end when something happens, and requests that do not."""

from __future__ import annotations

import asyncio
from asyncio import FIRST_COMPLETED
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Final, TypeVar

from fillhandler_server.domain.trades import Failure, Leg, Operation, Trade, TradeOutcome
from fillhandler_server.execution.breaker import BreakerOpenError
from fillhandler_server.execution.errors import VenueError
from fillhandler_server.execution.ledger import Ledger
from fillhandler_server.execution.venue import Venue, guarded

T = TypeVar("T")

SECOND: Final = 1_000_000_000


class StoppedError(Exception):
    """The server stops: the trade goes on after the next start."""


class NotSentError(Exception):
    """A request was held back until it was not wanted any more."""


class Running:
    """One trade under way."""

    def __init__(self, trade: Trade, venue: Venue, ledger: Ledger) -> None:
        self._trade = trade
        self.venue = venue
        self.ledger = ledger
        self._wake = asyncio.Event()
        self._stopping = False
        self._moments: dict[Hashable, float] = {}
        self._queries_failed = 0
        """Questions in a row that were not answered."""

    @property
    def trade(self) -> Trade:
        """How it stood after its last event."""
        return self._trade

    @trade.setter
    def trade(self, trade: Trade) -> None:
        # A cancel may have become durable while an earlier event's answer was on its way.
        if trade.sequence >= self._trade.sequence:
            self._trade = trade
            self.moved()

    def moved(self) -> None:
        """The trade has another state."""

    def stop(self) -> None:
        """Ends it at its next wait; a request under way is finished and recorded."""
        self._stopping = True
        self._wake.set()

    def wake(self) -> None:
        """Something happened: its order moved, or somebody asked for it to be cancelled."""
        self._wake.set()

    def cancel(self, trade: Trade) -> None:
        """Somebody asked for it to be cancelled, which is durable."""
        self.trade = trade
        self._wake.set()

    # ------------------------------------------------------------------ time

    # All of it by the monotonic clock: one that jumps must neither send an order too early nor end one. What
    # the journal says of times counts once, when this process first sees it, and then for no more than the
    # span that was meant.

    @property
    def leg(self) -> Leg:
        """The trade's last order."""
        return self.trade.leg

    @property
    def deadline(self) -> float | None:
        """When the last order's time is over; None is never."""
        span = self.trade.terms.deadline
        if span is None:
            return None
        return self._moment(("deadline", len(self.trade.legs)), self.leg.start_time, span)

    @property
    def late(self) -> bool:
        """Whether it is."""
        return self.deadline is not None and self.venue.monotonic() >= self.deadline

    def due(self, failure: Failure) -> float:
        """When the attempt after a failed one is due."""
        key = ("due", len(self.trade.legs), failure.operation, failure.attempt)
        return self._moment(key, failure.commit_time, failure.delay or 0)

    def settled(self, failure: Failure) -> float:
        """From when on the venue shows whether it has the order of a request whose outcome is not known.

        After a restart the whole span is waited once more: nobody knows how long the process was away.
        """
        key = ("settled", len(self.trade.legs), failure.operation, failure.attempt)
        return self._moment(key, self.ledger.now(), int(self.venue.policy.settle_seconds * SECOND))

    def _moment(self, key: Hashable, start: int, span: int) -> float:
        found = self._moments.get(key)
        if found is None:
            left = min(max(start + span - self.ledger.now(), 0), span)
            found = self._moments[key] = self.venue.monotonic() + left / SECOND
        return found

    def until(self, moment: float | None) -> float | None:
        """Seconds until a moment; None for never."""
        return None if moment is None else max(0.0, moment - self.venue.monotonic())

    async def pause(self, seconds: float | None) -> None:
        """Waits, until something happens at the latest.

        Raises:
            StoppedError: the server stops.
        """
        # Checked before as well: a request under way may have used up the waking.
        if not self._stopping and (seconds is None or seconds > 0):
            await _first(self._waking() | self._sleeping(seconds))
        self._wake.clear()
        if self._stopping:
            raise StoppedError

    async def until_ready(self) -> None:
        """Waits until the connection is made, or something happens.

        Raises:
            StoppedError: the server stops.
        """
        if not self._stopping:
            await _first(self._waking() | {asyncio.ensure_future(self.venue.ready.wait())})
        self._wake.clear()
        if self._stopping:
            raise StoppedError

    def _waking(self) -> set[asyncio.Future[Any]]:
        return {asyncio.ensure_future(self._wake.wait())}

    def _sleeping(self, seconds: float | None) -> set[asyncio.Future[Any]]:
        return set() if seconds is None else {asyncio.ensure_future(self.venue.sleep(seconds))}

    # ------------------------------------------------------------------ requests

    async def send(
        self,
        operation: Callable[[], Awaitable[T]],
        *,
        unwanted: Callable[[], bool],
        until: float | None = None,
    ) -> T:
        """Sends one request once the breaker lets it through. What was sent is never interrupted.

        Args:
            operation: makes the request.
            unwanted: whether it should not be sent any more, asked while it is held back.
            until: the moment to ask that at the latest.

        Raises:
            NotSentError: it was not sent, because it is unwanted.
            StoppedError: it was not sent, because the server stops.
            VenueError: it failed.
        """
        sent = False

        async def go() -> T:
            nonlocal sent
            async with self.venue.breaker.request():
                # From here on it is not interrupted.
                sent = True
                return await guarded(operation)

        task = asyncio.ensure_future(go())
        try:
            while not task.done():
                held = set() if sent else self._sleeping(self.until(until))
                await _first(self._waking() | held, keep=task)
                self._wake.clear()
                if sent:
                    await asyncio.wait({task})
                elif not task.done() and (self._stopping or unwanted()):
                    raise StoppedError if self._stopping else NotSentError
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def ask(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Asks the venue something. A failure is noted, with the wait that follows, and raised.

        Raises:
            StoppedError: the server stops.
            VenueError: it failed; `retry_after` says how long to wait before the next.
        """
        send_time = self.ledger.now()
        try:
            return await self.send(operation, unwanted=lambda: False)
        except BreakerOpenError:
            raise
        except VenueError as error:
            attempt = self.leg.attempts_of(Operation.QUERY) + 1
            # Counted for its trade, but each wait grows from the failures in a row.
            self._queries_failed += 1
            wait = max(self.venue.backoff(self._queries_failed), error.retry_after or 0.0)
            error.retry_after = wait
            await self.note(Operation.QUERY, attempt, error, send_time, wait)
            raise

    def answered(self) -> None:
        """The venue answers again."""
        self._queries_failed = 0

    async def note(
        self, operation: Operation, attempt: int, error: VenueError, send_time: int, wait: float | None
    ) -> None:
        """Makes a failed attempt durable, before the wait after it begins."""
        failure = Failure(
            operation,
            attempt,
            error.error_class.value,
            error.maybe_applied,
            error.text,
            send_time,
            None if wait is None else int(wait * SECOND),
        )
        self.trade = await self.ledger.failed(self.trade, failure)

    async def finish(self, outcome: TradeOutcome, error_class: str = "", text: str = "") -> None:
        """Ends the trade, by what became of its last order and what all of them filled."""
        if outcome in _NOTHING_FILLED and any(o.filled for o in await self.ledger.orders_of(self.trade)):
            outcome = TradeOutcome.PARTIALLY_FILLED
        self.trade = await self.ledger.finish_trade(self.trade, outcome, error_class, text)


_NOTHING_FILLED: Final = frozenset({TradeOutcome.NOT_FILLED, TradeOutcome.REJECTED, TradeOutcome.FAILED})


async def _first(waits: set[asyncio.Future[Any]], keep: asyncio.Future[Any] | None = None) -> None:
    """Waits for the first of these, or of the one to keep, and ends the others."""
    try:
        await asyncio.wait(waits | ({keep} if keep is not None else set()), return_when=FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
