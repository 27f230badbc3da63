"""What waits for the writer: small requests before bulk ones, within bounds."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any, Final

from fillhandler_server.domain.errors import ShuttingDownError, StoreUnavailableError
from fillhandler_server.writer.jobs import Job

SMALL_WEIGHT_MAX: Final = 16
"""A request of up to this many fills goes before larger ones."""
GROUP_JOBS_MAX: Final = 512
GROUP_BULK_FILLS_MAX: Final = 1_000
GATHER_FROM: Final = 3
"""From this many small jobs in a group on, more are waited for."""
GATHER_JOBS: Final = 64
GATHER_STEPS: Final = 2
GATHER_SECONDS: Final = 0.0015
GATHER_GAIN: Final = 8
GATHER_PASSES: Final = 64
QUEUE_SMALL_MAX: Final = 20_000
QUEUE_BULK_FILLS_MAX: Final = 200_000


class JobQueue:
    """Filled from any thread, emptied by the writer's, group by group."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._small: deque[Job[Any]] = deque()
        self._bulk: deque[Job[Any]] = deque()
        self._bulk_fills = 0
        self._bulk_turn = False
        self._closing = False
        self._latest = 0
        """Jobs in the latest group of small ones."""
        self._passes = 0
        """Groups to take as they are before more are waited for again."""

    def __len__(self) -> int:
        return len(self._small) + len(self._bulk)

    @property
    def full(self) -> bool:
        """Whether a bulk request would be refused now."""
        return self._bulk_fills > QUEUE_BULK_FILLS_MAX or len(self._small) >= QUEUE_SMALL_MAX

    @property
    def has_bulk(self) -> bool:
        """Whether a bulk request waits."""
        return bool(self._bulk)

    def put(self, job: Job[Any]) -> None:
        """Adds a job.

        Raises:
            ShuttingDownError: the queue is closed.
            StoreUnavailableError: too much is waiting.
        """
        with self._condition:
            if self._closing:
                raise ShuttingDownError("the server is stopping")
            if job.weight > SMALL_WEIGHT_MAX:
                if self._bulk_fills > QUEUE_BULK_FILLS_MAX:
                    raise StoreUnavailableError("too many fills wait for the store; send more slowly")
                self._bulk_fills += job.weight
                self._bulk.append(job)
            else:
                if len(self._small) >= QUEUE_SMALL_MAX:
                    raise StoreUnavailableError("too many requests wait for the store; send more slowly")
                self._small.append(job)
            self._condition.notify()

    def close(self) -> None:
        """Refuses more; what waits is still given out."""
        with self._condition:
            self._closing = True
            self._condition.notify()

    def take(self, idle_seconds: float | None) -> list[Job[Any]] | None:
        """The next group of jobs that commit together.

        Args:
            idle_seconds: how long to wait where nothing is there; None is until something is.

        Returns:
            Empty when the wait is over and nothing came, None when the queue is closed and empty.
        """
        if self._latest >= GATHER_FROM:
            self._gather()
        with self._condition:
            if not self._small and not self._bulk and not self._closing:
                self._condition.wait(idle_seconds)
            if self._small and not (self._bulk_turn and self._bulk):
                self._bulk_turn = True
                group = self._taken(self._small, GROUP_JOBS_MAX, by_weight=False)
                self._latest = len(group)
                return group
            self._bulk_turn = False
            group = self._taken(self._bulk, GROUP_BULK_FILLS_MAX, by_weight=True)
            self._bulk_fills -= sum(job.weight for job in group)
            return None if not group and self._closing and not self._small else group

    def _gather(self) -> None:
        """Lets what is on its way come in.

        A commit costs as much as ten small requests, and while the writer sleeps the event loop has the
        interpreter for itself. Where that brings few more, because each caller waits for its answer, it is
        not tried again for a while.
        """
        if self._passes:
            self._passes -= 1
            return
        first = waiting = len(self._small)
        if not 0 < first < GATHER_JOBS:
            return
        for _ in range(GATHER_STEPS):
            time.sleep(GATHER_SECONDS)
            before, waiting = waiting, len(self._small)
            if waiting == before or waiting >= GATHER_JOBS:
                break
        if waiting - first < GATHER_GAIN:
            self._passes = GATHER_PASSES

    @staticmethod
    def _taken(waiting: deque[Job[Any]], most: int, *, by_weight: bool) -> list[Job[Any]]:
        group: list[Job[Any]] = []
        size = 0
        while waiting:
            job = waiting[0]
            size += job.weight if by_weight else 1
            if group and (size > most or job.alone):
                break
            group.append(waiting.popleft())
            if job.alone:
                break
        return group
