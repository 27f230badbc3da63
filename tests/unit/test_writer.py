"""The writer's thread outlives whatever goes wrong in a commit: nobody waits for ever."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.journals import a_fill

from fillhandler_server.codec import decode_batch
from fillhandler_server.domain.errors import StoreUnavailableError
from fillhandler_server.domain.events import AnomalyKind, Outcome
from fillhandler_server.domain.reports import OrderReport, OrderStatus
from fillhandler_server.encryption import KeySource
from fillhandler_server.journal import Batch, Head
from fillhandler_server.journal.database import OperationalError
from fillhandler_server.journal.store import Store
from fillhandler_server.projections.working_set import WorkingSet
from fillhandler_server.writer import GROUP_BULK_FILLS_MAX, Session, Timing, Writer

WAIT_SECONDS = 30


class FaultySubscriber:
    """Raises at the first commit it hears of."""

    def __init__(self) -> None:
        self.raised = False

    def committed(self, batches: list[Batch]) -> None:
        if not self.raised:
            self.raised = True
            raise RuntimeError("a fault that nobody thought of")

    def replaced(self, instance_id: str, head: Head) -> None:
        raise AssertionError("nothing is replaced here")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "data", KeySource(key_folder=tmp_path / "keys", use_keyring=False))
    yield opened
    opened.close()


def test_a_fault_after_the_commit_is_an_unknown_outcome_and_the_next_request_settles_it(store: Store) -> None:
    writer = Writer(store, WorkingSet.over, subscriber=FaultySubscriber())
    writer.start()
    try:

        def work(session: Session) -> tuple[Outcome, int]:
            result = session.engine.record_fill(a_fill("1"))
            return result.outcome, result.sequence

        with pytest.raises(StoreUnavailableError):
            writer.submit(work).result(WAIT_SECONDS)
        assert writer.submit(work).result(WAIT_SECONDS) == (Outcome.DUPLICATE, 1)
    finally:
        writer.close()


def test_an_anchor_that_cannot_be_written_stops_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer(store, WorkingSet.over)
    writer.start()
    try:

        def cannot(head: Head) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(store, "anchor", cannot)
            with pytest.raises(StoreUnavailableError):
                writer.submit(lambda session: session.engine.record_fill(a_fill("1"))).result(WAIT_SECONDS)
        again = writer.submit(lambda session: session.engine.record_fill(a_fill("1"))).result(WAIT_SECONDS)
        assert again.outcome is Outcome.DUPLICATE
    finally:
        writer.close()


def test_what_commits_in_its_course_is_not_decided_anew_with_its_neighbours(store: Store) -> None:
    """A merge that is applied must not be asked again because another command failed beside it."""
    writer = Writer(store, WorkingSet.over)
    runs: list[int] = []

    def once(session: Session, spill: object) -> tuple[Outcome, int]:
        runs.append(1)
        result = session.engine.record_fill(a_fill("1"))
        return result.outcome, result.sequence

    def fails(session: Session) -> None:
        session.engine.record_fill(a_fill("2"))
        raise RuntimeError("a fault that nobody thought of")

    merged = writer.submit(writer.exclusive(once))
    failed = writer.submit(fails)
    other = writer.submit(lambda session: session.engine.record_fill(a_fill("3")).sequence)
    writer.start()
    try:
        assert merged.result(WAIT_SECONDS) == (Outcome.RECORDED, 1)
        with pytest.raises(RuntimeError):
            failed.result(WAIT_SECONDS)
        assert other.result(WAIT_SECONDS) == 2
        assert runs == [1]
    finally:
        writer.close()


class StalledCommits:
    """A store's transactions whose commits wait until they are let go, or fail."""

    def __init__(self, store: Store) -> None:
        self._atomic = store.atomic
        self.go = threading.Event()
        self.begun = threading.Event()
        self.error: Exception | None = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._atomic():
            yield
            self.begun.set()
            assert self.go.wait(WAIT_SECONDS)
            if self.error is not None:
                raise self.error


def recording(trade_id: str) -> Callable[[Session], tuple[Outcome, int]]:
    def work(session: Session) -> tuple[Outcome, int]:
        result = session.engine.record_fill(a_fill(trade_id))
        return result.outcome, result.sequence

    return work


def test_nothing_is_answered_before_the_commit_beside_it_has_ended(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = StalledCommits(store)
    writer = Writer(store, WorkingSet.over)
    monkeypatch.setattr(store, "atomic", commits)
    # Each a group of its own, and the first commits beside the second, which would have nothing to write.
    first = writer.submit(recording("1"), weight=GROUP_BULK_FILLS_MAX)
    again = writer.submit(recording("1"), weight=GROUP_BULK_FILLS_MAX)
    settled = threading.Event()
    again.add_done_callback(lambda _: settled.set())
    land = writer._flight.land

    def landing() -> object:
        if writer._flight._under_way is not None:
            settled.set()
        return land()

    monkeypatch.setattr(writer._flight, "land", landing)
    writer.start()
    try:
        assert commits.begun.wait(WAIT_SECONDS)
        assert settled.wait(WAIT_SECONDS)
        assert not first.done()
        assert not again.done()
        assert writer.head.sequence == 0
        commits.go.set()
        assert first.result(WAIT_SECONDS) == (Outcome.RECORDED, 1)
        assert again.result(WAIT_SECONDS) == (Outcome.DUPLICATE, 1)
        assert writer.head.sequence == 1
    finally:
        commits.go.set()
        writer.close()


def test_a_commit_that_fails_beside_the_next_group_takes_both_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = StalledCommits(store)
    commits.error = OperationalError("disk I/O error")
    writer = Writer(store, WorkingSet.over)
    with monkeypatch.context() as patch:
        patch.setattr(store, "atomic", commits)
        commits.go.set()
        first = writer.submit(recording("1"), weight=GROUP_BULK_FILLS_MAX)
        second = writer.submit(recording("2"), weight=GROUP_BULK_FILLS_MAX)
        writer.start()
        for unknown in (first, second):
            with pytest.raises(StoreUnavailableError):
                unknown.result(WAIT_SECONDS)
    try:
        assert writer.submit(recording("2")).result(WAIT_SECONDS) == (Outcome.RECORDED, 1)
        assert writer.submit(recording("1")).result(WAIT_SECONDS) == (Outcome.RECORDED, 2)
    finally:
        writer.close()


class Heads:
    """Lets a test wait for what the writer does by itself."""

    def __init__(self) -> None:
        self._sequence = 0
        self._changed = threading.Condition()

    def committed(self, batches: list[Batch]) -> None:
        with self._changed:
            self._sequence = batches[-1].last_sequence
            self._changed.notify_all()

    def replaced(self, instance_id: str, head: Head) -> None:
        raise AssertionError("nothing is replaced here")

    def wait(self, sequence: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._sequence >= sequence, WAIT_SECONDS)


def cumulative(session: Session) -> tuple[Decimal, Decimal]:
    (order,) = session.book.everywhere(order_id="1")
    return order.cumulative, order.inferred_quantity


def test_a_gap_is_closed_when_its_time_has_come_also_after_a_restart(store: Store) -> None:
    never = Timing(grace_seconds=3600, unknown_after_seconds=0)
    waiting = Writer(store, WorkingSet.over, timing=never)
    waiting.start()
    report = OrderReport("binance", OrderStatus.PARTIALLY_FILLED, "BTCUSDT", "1", side=1)
    report.cumulative_quantity = Decimal(5)
    waiting.submit(lambda session: session.engine.report_order(report)).result(WAIT_SECONDS)
    assert waiting.submit(cumulative).result(WAIT_SECONDS) == (0, 0)
    waiting.close()

    heads = Heads()
    writer = Writer(store, WorkingSet.over, subscriber=heads, timing=Timing(0, 0))
    writer.start()
    try:
        heads.wait(2)
        assert writer.submit(cumulative).result(WAIT_SECONDS) == (5, 5)
    finally:
        writer.close()


def test_an_order_that_nobody_knows_after_a_day_is_an_anomaly_once(store: Store) -> None:
    day = 24 * 3600 * 10**9
    now = [1_700_000_000 * 10**9]
    heads = Heads()

    def opened() -> Writer:
        timing = Timing(unknown_after_seconds=24 * 3600)
        writer = Writer(store, WorkingSet.over, lambda: now[0], heads, timing)
        writer.start()
        return writer

    first = opened()
    first.submit(lambda session: session.engine.record_fill(a_fill("1"))).result(WAIT_SECONDS)
    first.close()
    assert store.journal.head().sequence == 1
    now[0] += day + 1
    for _ in range(2):
        later = opened()
        heads.wait(2)
        later.close()
        assert store.journal.head().sequence == 2
    (anomaly,) = [m for m in decode_batch(store.journal.holding(2).payload) if m.sequence == 2]
    assert anomaly.order_anomaly.kind == AnomalyKind.UNKNOWN_ORDER


def test_what_is_due_and_when() -> None:
    now = [100.0]
    timing = Timing(2, 0, lambda: now[0])
    assert timing.wait() is None
    book = SimpleNamespace(gaps={7})
    timing.note([7, 8])
    assert timing.wait() == 2
    now[0] += 1.5
    timing.note([9])
    assert (timing.wait(), timing.work(book)) == (0.5, None)
    now[0] += 0.5
    assert timing.work(book) is not None  # 8 was closed by its fills meanwhile
    assert timing.wait() == 1.5
    now[0] += 2
    assert timing.work(book) is None
    assert timing.wait() is None
