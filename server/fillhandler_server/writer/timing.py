"""What the writer does by itself when its time has come.

By monotonic time: a clock that jumps changes nothing.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from fillhandler_server.domain.events import OrdersCleared
from fillhandler_server.engine import Engine
from fillhandler_server.projections import WorkingBook
from fillhandler_server.writer.jobs import Session

GRACE_SECONDS: Final = 2.0
"""How long the fills that a venue counts may take to arrive before one is inferred for them."""
UNKNOWN_AFTER_SECONDS: Final = 24 * 3600.0
"""How long an order may stay without registration and report."""
CHECK_SECONDS: Final = 600.0
CHECKED_AT_ONCE: Final = 1_000
CLEARED_AT_ONCE: Final = 5_000
CLEAR_SECONDS_MIN: Final = 1.0


class Timing:
    """Which gaps are due, and when orders are looked through."""

    def __init__(
        self,
        grace_seconds: float = GRACE_SECONDS,
        unknown_after_seconds: float = UNKNOWN_AFTER_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
        clear_after_seconds: float = 0,
    ) -> None:
        """
        Args:
            grace_seconds: see `GRACE_SECONDS`.
            unknown_after_seconds: see `UNKNOWN_AFTER_SECONDS`; 0 for never.
            monotonic: seconds that never jump.
            clear_after_seconds: see `clear_after`.
        """
        self._grace = grace_seconds
        self._unknown_after = unknown_after_seconds
        self._monotonic = monotonic
        self._gaps: deque[tuple[float, int]] = deque()
        """Deadline and order number, in the order of the deadlines."""
        self._check_at = monotonic() if unknown_after_seconds else float("inf")
        self.clear_after(clear_after_seconds)

    def clear_after(self, seconds: float) -> None:
        """How long an order stays in the read models that has ended, and that no event moves; 0 for ever.

        Counted by the venue's clock and by ours, whichever says less: old history stays for as long from when
        it was recorded here. To be called on the writer's thread, once that runs.
        """
        self._clear_after = seconds
        self._clear_at = self._monotonic() if seconds else float("inf")

    def note(self, opened: Iterable[int]) -> None:
        """These orders have a gap from now on."""
        deadline = self._monotonic() + self._grace
        self._gaps += ((deadline, number) for number in opened)

    def wait(self) -> float | None:
        """Seconds until something is due; None where nothing ever is."""
        due = min(self._check_at, self._clear_at, self._gaps[0][0] if self._gaps else float("inf"))
        return None if due == float("inf") else max(0.0, due - self._monotonic())

    def work(self, book: WorkingBook) -> Callable[[Session], None] | None:
        """What is due now, as work for a job that leaves the rows true before and after it."""
        now = self._monotonic()
        due: list[int] = []
        while self._gaps and self._gaps[0][0] <= now:
            number = self._gaps.popleft()[1]
            if number in book.gaps:
                due.append(number)
        if due:
            return lambda session: _infer(session, due)
        if now >= self._check_at:
            self._check_at = now + CHECK_SECONDS
            return self._check
        if now >= self._clear_at:
            # Where orders stay for a short while only, they are not to stay ten minutes longer.
            self._clear_at = now + min(CHECK_SECONDS, max(CLEAR_SECONDS_MIN, self._clear_after / 24))
            return self._clear
        return None

    def _check(self, session: Session) -> None:
        age = int(self._unknown_after * 1_000_000_000)
        last = session.store.journal.sequence_before(session.engine.now - age)
        numbers = session.book.unknown_orders(last, CHECKED_AT_ONCE)
        for number in numbers:
            session.engine.check_known(session.book.order(number))
        if len(numbers) == CHECKED_AT_ONCE:
            self._check_at = self._monotonic()

    def _clear(self, session: Session) -> None:
        before = max(0, session.engine.now - int(self._clear_after * 1_000_000_000))
        # What moved an order is later than this one where it was committed later than `before`.
        last = session.store.journal.sequence_before(before + 1)
        event = OrdersCleared(count=0, before=before)
        event.count = session.book.clearable(event, last, CLEARED_AT_ONCE)
        if event.count:
            session.engine.emit(event)
        if event.count == CLEARED_AT_ONCE:
            self._clear_at = self._monotonic()


def _infer(session: Session, numbers: list[int]) -> None:
    engine: Engine = session.engine
    for number in numbers:
        if number in session.book.gaps:
            engine.infer(session.book.order(number))
