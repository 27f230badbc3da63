"""What is handed to the writer, what it may touch there, and how its caller hears of the outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, Protocol, TypeVar

from fillhandler_server.engine import Engine
from fillhandler_server.journal import Batch, EventStore, Head
from fillhandler_server.projections import WorkingBook

T = TypeVar("T")


class Session:
    """What a job may touch, on the writer's thread, while it runs."""

    def __init__(self, engine: Engine, book: WorkingBook, store: EventStore) -> None:
        self.engine = engine
        self.book = book
        self.store = store


class Subscriber(Protocol):
    """Hears of every commit, on the writer's thread."""

    def committed(self, batches: list[Batch]) -> None:
        """These batches are durable."""

    def replaced(self, instance_id: str, head: Head) -> None:
        """The journal is another one from here on."""


class Alone(Generic[T]):
    """Work that commits by itself in its course.

    It shares no group: what a group decides may be decided anew, and what was committed must not be.
    """

    __slots__ = ("_work",)

    def __init__(self, work: Callable[[Session], T]) -> None:
        self._work = work

    def __call__(self, session: Session) -> T:
        return self._work(session)


class Job(Generic[T]):
    """One request to the writer."""

    __slots__ = ("alone", "error", "flush", "future", "loop", "result", "weight", "work")

    def __init__(
        self,
        work: Callable[[Session], T],
        future: Future[T] | asyncio.Future[T],
        loop: asyncio.AbstractEventLoop | None,
        weight: int,
        flush: bool,
    ) -> None:
        self.work = work
        self.alone = isinstance(work, Alone)
        self.future = future
        self.loop = loop
        self.weight = weight
        self.flush = flush
        self.result: Any = None
        self.error: BaseException | None = None


def answer(group: list[Job[Any]]) -> None:
    """Settles the futures of a group: those of an event loop on that loop, all in one wake-up."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Job[Any]]] = {}
    for job in group:
        if job.loop is not None:
            by_loop.setdefault(job.loop, []).append(job)
        else:
            _settle(job)
    for loop, jobs in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, jobs)
        except RuntimeError:  # the loop is closed; nobody waits any more
            continue


def _resolve(jobs: list[Job[Any]]) -> None:
    for job in jobs:
        _settle(job)


def _settle(job: Job[Any]) -> None:
    if job.future.done():  # its caller has gone
        return
    if job.error is not None:
        job.future.set_exception(job.error)
    else:
        job.future.set_result(job.result)
