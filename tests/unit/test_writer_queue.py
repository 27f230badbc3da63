"""Which jobs commit together."""

from concurrent.futures import Future
from typing import Any

import pytest

from fillhandler_server.writer import queueing
from fillhandler_server.writer.jobs import Alone, Job
from fillhandler_server.writer.queueing import (
    GATHER_FROM,
    GATHER_GAIN,
    GATHER_JOBS,
    GATHER_PASSES,
    GROUP_BULK_FILLS_MAX,
    GROUP_JOBS_MAX,
    JobQueue,
)


def job(weight: int = 1, *, alone: bool = False) -> Job[Any]:
    def work(_: Any) -> None:
        """Nothing."""

    return Job(Alone(work) if alone else work, Future(), None, weight, flush=False)


def put(queue: JobQueue, number: int) -> None:
    for _ in range(number):
        queue.put(job())


def take(queue: JobQueue) -> int:
    group = queue.take(0)
    assert group is not None
    return len(group)


class Naps:
    """Stands for `time.sleep`: what arrives meanwhile is given."""

    def __init__(self, queue: JobQueue, monkeypatch: pytest.MonkeyPatch) -> None:
        self.arrivals: list[int] = []
        self.count = 0
        self._queue = queue
        monkeypatch.setattr(queueing.time, "sleep", self)

    def __call__(self, seconds: float) -> None:
        self.count += 1
        put(self._queue, self.arrivals.pop(0) if self.arrivals else 0)


@pytest.fixture
def queue() -> JobQueue:
    return JobQueue()


def test_small_before_bulk_but_bulk_has_its_turn(queue: JobQueue) -> None:
    bulk = [job(GROUP_BULK_FILLS_MAX // 2) for _ in range(3)]
    for each in bulk:
        queue.put(each)
    small = [job() for _ in range(GROUP_JOBS_MAX + 1)]
    for each in small:
        queue.put(each)
    taken = [queue.take(0) for _ in range(4)]
    assert taken == [small[:GROUP_JOBS_MAX], bulk[:2], small[GROUP_JOBS_MAX:], bulk[2:]]
    queue.close()
    assert queue.take(None) is None


def test_what_commits_by_itself_has_a_group_of_its_own(queue: JobQueue) -> None:
    jobs = [job(), job(alone=True), job(alone=True), job(), job()]
    for each in jobs:
        queue.put(each)
    assert [queue.take(0) for _ in range(4)] == [jobs[:1], jobs[1:2], jobs[2:3], jobs[3:]]


def test_few_are_taken_at_once(queue: JobQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    naps = Naps(queue, monkeypatch)
    for _ in range(3):
        put(queue, GATHER_FROM - 1)
        assert take(queue) == GATHER_FROM - 1
    assert naps.count == 0


def test_more_are_waited_for_as_long_as_more_come(queue: JobQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    naps = Naps(queue, monkeypatch)
    put(queue, GATHER_FROM)
    assert take(queue) == GATHER_FROM
    put(queue, GATHER_FROM)
    naps.arrivals = [GATHER_GAIN, GATHER_GAIN, GATHER_GAIN]
    assert take(queue) == GATHER_FROM + 2 * GATHER_GAIN
    assert naps.count == 2
    put(queue, GATHER_JOBS)
    assert take(queue) == GATHER_JOBS
    assert naps.count == 2  # enough was there


def test_where_waiting_brings_few_it_is_not_tried_again_for_a_while(
    queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    naps = Naps(queue, monkeypatch)
    put(queue, GATHER_FROM)
    take(queue)
    naps.arrivals = [1, 0]
    put(queue, GATHER_FROM)
    assert take(queue) == GATHER_FROM + 1
    tried = naps.count
    for _ in range(GATHER_PASSES):
        put(queue, GATHER_FROM)
        assert take(queue) == GATHER_FROM
    assert naps.count == tried
    put(queue, GATHER_FROM)
    take(queue)
    assert naps.count == tried + 1
