"""The write path: one thread that decides, appends, syncs, and only then answers.

It gathers what is waiting (group commit, no timer), lets the engine decide, appends one batch, syncs,
answers every caller and wakes the feed. Small requests go before bulk ones. Everything happens on one
thread, because rows written beside another busy Python thread lose their turn at every one of them
(performance.md, trap 2); only the end of a bulk commit, which needs no interpreter, runs beside it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any, Final, TypeVar

from fillhandler_server.codec import BatchEncoder
from fillhandler_server.domain.errors import (
    FillHandlerError,
    StoreFullError,
    StoreUnavailableError,
)
from fillhandler_server.domain.events import Event
from fillhandler_server.domain.fills import Fill
from fillhandler_server.domain.orders import Order
from fillhandler_server.engine import Engine
from fillhandler_server.journal import Batch, EventStore, Head
from fillhandler_server.projections import WorkingBook
from fillhandler_server.writer.batching import batched
from fillhandler_server.writer.flight import Flight
from fillhandler_server.writer.jobs import Alone, Job, Session, Subscriber, answer
from fillhandler_server.writer.queueing import GROUP_BULK_FILLS_MAX, SMALL_WEIGHT_MAX, JobQueue
from fillhandler_server.writer.replay import REPLAY_FLUSH_EVENTS, flush_book, refold, replay
from fillhandler_server.writer.timing import Timing
from fillhandler_server.writer.watching import Watches

log = logging.getLogger("fillhandler.writer")

__all__ = [
    "GROUP_BULK_FILLS_MAX",
    "REPLAY_FLUSH_EVENTS",
    "SMALL_WEIGHT_MAX",
    "Job",
    "Session",
    "Subscriber",
    "Timing",
    "Writer",
    "flush_book",
    "refold",
    "replay",
]

T = TypeVar("T")


FLUSH_EVENTS: Final = 50_000
ANCHOR_SECONDS: Final = 0.5
IDLE_FLUSH_SECONDS: Final = 0.05


def _nothing() -> None:
    """Nothing was decided: nothing is to be made durable."""


class Writer:
    """Owns the store's write connection, the engine and the book."""

    def __init__(
        self,
        store: EventStore,
        make_book: Callable[[EventStore], WorkingBook],
        clock: Callable[[], int] = time.time_ns,
        subscriber: Subscriber | None = None,
        timing: Timing | None = None,
    ) -> None:
        """
        Args:
            store: the open store; the writer uses it from its own thread once started.
            make_book: makes the book over the store's projections, as far as their rows reach.
            clock: nanoseconds since the epoch; may jump, commit times never go back.
            subscriber: hears of every commit.
            timing: when gaps are closed and orders looked through.
        """
        self.store = store
        self.subscriber = subscriber
        self._failures: tuple[type[Exception], ...] = (OSError, *store.errors)
        self._make_book = make_book
        self._clock = clock
        self._encoder = BatchEncoder()
        self._timing = Timing() if timing is None else timing
        self.watches = Watches()
        """Orders whose moves somebody wants to hear of."""
        self._watched = self.watches.watchers
        self._queue = JobQueue()
        self._flight = Flight()
        self._broken = False
        self._anchored = 0.0
        self._anchor_due = False
        self._head: Head
        self._tip: Head
        self.book: WorkingBook
        self.engine: Engine
        self._load()
        self._thread = threading.Thread(target=self._main, name="fillhandler-writer", daemon=True)

    # ------------------------------------------------------------------ for callers

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    @property
    def head(self) -> Head:
        """The last committed head."""
        return self._head

    @property
    def queued(self) -> int:
        """Jobs that wait."""
        return len(self._queue)

    @property
    def full(self) -> bool:
        """Whether a bulk request would be refused now."""
        return self._queue.full

    @property
    def writable(self) -> bool:
        """Whether the store takes writes."""
        return not self._broken

    def submit(self, work: Callable[[Session], T], *, weight: int = 1, flush: bool = False) -> Future[T]:
        """Runs `work` on the writer's thread; the future is done once what it decided is durable.

        Args:
            work: called with the session; what it returns is the result. A `FillHandlerError` it raises
                before it decided anything is the caller's, and nothing else changes.
            weight: how many fills it carries; above `SMALL_WEIGHT_MAX` it goes behind the small ones.
            flush: also writes the rows of the projections before it is done.

        Raises:
            ShuttingDownError: the writer is closing.
            StoreUnavailableError: too much is waiting.
        """
        future: Future[T] = Future()
        self._queue.put(Job(work, future, None, weight, flush))
        return future

    def run(self, work: Callable[[Session], T], *, weight: int = 1, flush: bool = False) -> asyncio.Future[T]:
        """As `submit`, for the running event loop; a group's answers come in one wake-up."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.put(Job(work, future, loop, weight, flush))
        return future

    def close(self) -> None:
        """Finishes what is waiting, flushes, moves the anchor, stops the thread. The store stays open."""
        self._queue.close()
        if self._thread.ident is not None:
            self._thread.join()
        else:
            self._finish()

    # ------------------------------------------------------------------ the thread

    def _main(self) -> None:
        self._when_due()
        while (group := self._queue.take(self._idle_seconds())) is not None:
            if group:
                self._process(group)
            else:
                self._when_idle()
            self._when_due()
        self._finish()

    def _idle_seconds(self) -> float | None:
        # What is due waits for a store that can be written: for the next request, which opens it again.
        due = None if self._broken else self._timing.wait()
        idle = IDLE_FLUSH_SECONDS if self.book.pending else ANCHOR_SECONDS if self._anchor_due else due
        return idle if due is None or idle is None else min(idle, due)

    def _when_due(self) -> None:
        if self.book.opened_gaps:
            self._timing.note(self.book.opened_gaps)
            self.book.opened_gaps.clear()
        work = None if self._broken else self._timing.work(self.book)
        if work is not None:
            self._process([Job(self.settled(work), Future(), None, 1, True)])

    def _process(self, group: list[Job[Any]]) -> None:
        try:
            if self._broken:
                self._recover()
            self._decide(group)
            if group[0].weight > SMALL_WEIGHT_MAX and self._queue.has_bulk:
                self._commit_beside(group)
                return
            self._commit(any(job.flush for job in group))
        except Exception as error:  # noqa: BLE001  # a thread that ends leaves every caller waiting for ever
            self._failed(group, error)
        answer(group)

    def _decide(self, group: list[Job[Any]]) -> None:
        self._begin()
        waiting = deque(group)
        while waiting:
            job = waiting.popleft()
            head = self.engine.head
            try:
                job.result = job.work(self.session)
            except self.store.errors:
                raise
            except FillHandlerError as error:
                job.error = error
                if self.engine.head == head:
                    continue
                log.exception("a command was refused after it had decided something")
            except Exception as error:  # a fault in one command must not take the others down
                log.exception("a command failed")
                job.error = error
            else:
                continue
            # Half-folded orders would be wrong for ever: drop the book, and decide the others anew.
            self._land()
            self._load()
            self._begin()
            waiting = deque(other for other in group if other.error is None)

    def _begin(self) -> None:
        now = max(self._clock(), self._tip.commit_time)
        self.engine.begin(now)
        self.book.now = now

    def _commit(self, flush: bool) -> None:
        self._land()
        self._written(flush)()

    def _commit_beside(self, group: list[Job[Any]]) -> None:
        """Commits while the next group is decided; this one is answered once it is durable."""
        self._land()
        commit = self._written(any(job.flush for job in group))

        def finish() -> None:
            commit()
            answer(group)

        self._flight.start(group, finish)

    def _land(self) -> None:
        """Waits for the commit under way. Raises what it failed by, after answering its group."""
        group, error = self._flight.land()
        if error is not None:
            self._refuse(group, error)
            answer(group)
            raise error

    def _written(self, flush: bool) -> Callable[[], None]:
        """Writes what was decided into a transaction. Returns what makes it durable and tells of it.

        The book lets go of it here already: where the commit fails the book is dropped, and what was written
        is read over the same connection until then.
        """
        frames = self._encoder.take()
        due = flush or self.book.pending_events >= FLUSH_EVENTS
        if not frames and not (due and self.book.pending):
            return _nothing
        with ExitStack() as transaction:
            transaction.enter_context(self.store.atomic())
            batches = self._append(frames)
            if due:
                self.book.flush(self.engine.head)
            commit = transaction.pop_all().close
        self.book.committed()
        if due:
            self.book.flushed()
        tip = self._tip

        def finish() -> None:
            commit()
            self._committed(batches, tip)

        return finish

    def _append(self, frames: list[bytes]) -> list[Batch]:
        """Adds frames to the journal, inside a transaction, in batches of bounded size."""
        batches: list[Batch] = []
        times = self._encoder.take_trade_times()
        for batch, span in batched(self._tip, frames, times, self.engine.now):
            self.store.journal.append(batch, span)
            batches.append(batch)
        if batches:
            last = batches[-1]
            self._tip = Head(last.last_sequence, last.hash, last.commit_time)
        return batches

    def _committed(self, batches: list[Batch], head: Head) -> None:
        self._head = head
        if not batches:
            return
        self._anchor_due = True
        self.watches.tell()
        if self.subscriber is not None:
            self.subscriber.committed(batches)
        if time.monotonic() - self._anchored >= ANCHOR_SECONDS:
            self._anchor()

    def _anchor(self) -> None:
        self.store.anchor(self._head)
        self._anchored = time.monotonic()
        self._anchor_due = False

    def _when_idle(self) -> None:
        if self._queue or self._broken:
            return
        try:
            self._land()
            if self.book.pending:
                self._commit(flush=True)
            if self._anchor_due and time.monotonic() - self._anchored >= ANCHOR_SECONDS:
                self._anchor()
        except Exception as error:  # noqa: BLE001  # as in `_process`
            self._failed([], error)

    # ------------------------------------------------------------------ long pieces of work

    def settled(self, work: Callable[[Session], T]) -> Callable[[Session], T]:
        """Makes a job of work that needs the rows of the projections true before it, and leaves them so."""

        def run(session: Session) -> T:
            self._commit(flush=True)
            result = work(session)
            self._commit(flush=True)
            return result

        return Alone(run)

    def exclusive(self, work: Callable[[Session, Callable[[], None]], T]) -> Callable[[Session], T]:
        """Makes a job of work that appends more than a batch holds, in one transaction.

        `work` gets the session and `spill`, to call now and then: it moves what was decided so far from
        memory into the transaction. All of it commits at the end, or none.
        """

        def run(session: Session) -> T:
            self._commit(flush=True)
            batches: list[Batch] = []

            def spill() -> None:
                batches.extend(self._append(self._encoder.take()))
                self.book.committed()
                if self.book.pending_events >= REPLAY_FLUSH_EVENTS:
                    self.book.flush(self.engine.head)
                    self.book.flushed()

            try:
                with self.store.atomic():
                    result = work(session, spill)
                    spill()
                    self.book.flush(self.engine.head)
            except BaseException:
                self._load()
                self._begin()
                raise
            self.book.committed()
            self.book.flushed()
            self._committed(batches, self._tip)
            return result

        return Alone(run)

    def replace(self, build: Callable[[], tuple[Any, str, Head]]) -> Callable[[Session], None]:
        """Makes a job that switches the store to a database that `build` has finished beside it."""

        def run(session: Session) -> None:
            self._commit(flush=True)
            path, instance_id, head = build()
            self.store.switch(path, instance_id, head)
            self._load()
            self._begin()
            if self.subscriber is not None:
                self.subscriber.replaced(self.store.instance_id, self._head)

        return Alone(run)

    # ------------------------------------------------------------------ loading and failing

    def _load(self) -> None:
        """Makes the book anew from the rows and the journal's tail behind them."""
        store = self.store
        store.rollback()
        self._encoder.take()
        self._encoder.take_trade_times()
        self._head = self._tip = store.journal.head()
        self.book = self._make_book(store)
        replay(store, self.book)
        self.engine = Engine(self.book, self._head.sequence, self._on_event, self._on_fill)
        self.session = Session(self.engine, self.book, store)

    def _on_fill(self, order: Order, fill: Fill, sequence: int, now: int) -> None:
        self._encoder.fill(order, fill, sequence, now)
        self.book.on_fill(order, fill, now)
        if self._watched:
            self.watches.note(order.number)

    def _on_event(self, event: Event, now: int) -> None:
        self._encoder(event, now)
        self.book.on_event(event, now)
        if self._watched:
            self.watches.note_event(event)

    def _failed(self, group: list[Job[Any]], error: Exception) -> None:
        """After a write or sync error nothing is acknowledged: the file says later what it holds."""
        log.error("the store failed: %s", error, exc_info=not isinstance(error, self._failures))
        before, also = self._flight.land()
        if also is not None:
            self._refuse(before, also)
            answer(before)
        full = self._refuse(group, error)
        self._broken = True
        if full:
            try:
                self._recover()
            except self._failures as again:
                log.error("the store cannot be read again yet: %s", again)

    def _refuse(self, group: list[Job[Any]], error: BaseException) -> bool:
        """Notes for every job of a group why it has no outcome. Returns whether the disk is full."""
        full = isinstance(error, self.store.errors) and "full" in str(error)
        for job in group:
            if job.error is None:
                job.error = (
                    StoreFullError("the disk is full; nothing of this was recorded")
                    if full
                    else StoreUnavailableError("the store failed; the outcome is unknown, send it again")
                )
        return full

    def _recover(self) -> None:
        self.store.reopen()
        self._load()
        self._broken = False

    def _finish(self) -> None:
        """Leaves rows and anchor at the head."""
        try:
            if not self._broken:
                self._commit(flush=True)
                self._anchor()
        except self._failures as error:
            log.error("the last flush failed; the next start replays the journal: %s", error)
        finally:
            self._flight.close()
