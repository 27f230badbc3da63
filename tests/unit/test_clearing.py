"""Orders that ended long ago leave the read models by themselves, and every replay hides the same ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.desks import SECOND, Command, StoreDesk, a_fill, a_report, outcomes, record, report

from fillhandler_server.domain.events import OrdersCleared
from fillhandler_server.domain.reports import OrderStatus
from fillhandler_server.writer import Timing, timing

pytestmark = pytest.mark.persistence

HOUR = 3600 * SECOND
DAY = 24 * HOUR
CANCELED, NEW = OrderStatus.CANCELED, OrderStatus.NEW


def ended(order_id: str, time: int | None) -> Command:
    """An order that the venue says was cancelled at a time."""
    return report(a_report(CANCELED, time, order_id=order_id))


class Desk:
    """A store, and a clock that moves what is due."""

    def __init__(self, folder: Path, hours: float = 24) -> None:
        self.store = StoreDesk(folder)
        self.monotonic = 1000.0
        self.timing = Timing(
            unknown_after_seconds=0, monotonic=lambda: self.monotonic, clear_after_seconds=hours * 3600
        )

    @property
    def now(self) -> int:
        return self.store.now

    def run(self, *commands: Command) -> list[str]:
        return outcomes(self.store.run(*commands))

    def look(self, after: int = 0) -> int:
        """Lets so much time pass, and does what is due then, at once. Returns how many events it made."""
        self.store.now += after
        self.monotonic += timing.CHECK_SECONDS
        before = self.store.writer.head.sequence
        while (work := self.timing.work(self.store.writer.book)) is not None:
            self.store.do(self.store.writer.settled(work), flush=True)
        return self.store.writer.head.sequence - before

    def clear(self, age: int = 0) -> int:
        """As ClearOrders does it; returns how many."""

        def work(session: Any) -> int:
            event = OrdersCleared(0, session.engine.now - age)
            event.count = session.book.clearable(event)
            if event.count:
                session.engine.emit(event)
            return event.count

        return int(self.store.do(self.store.writer.settled(work), flush=True))

    def shown(self) -> list[str]:
        self.store.flush()
        rows = self.store.store.db.execute("SELECT order_id FROM orders WHERE cleared = 0 ORDER BY number")
        return [row[0] for row in rows]


@contextmanager
def a_desk(hours: float = 24) -> Iterator[Desk]:
    with TemporaryDirectory() as folder:
        made = Desk(Path(folder), hours)
        try:
            yield made
        finally:
            made.store.close()


@pytest.fixture
def desk() -> Iterator[Desk]:
    with a_desk() as made:
        yield made


AGAIN: dict[str, Callable[[StoreDesk], None]] = {
    "restart": lambda store: store.restart(),
    "crash": lambda store: store.restart(flush=False),
    "rebuild": lambda store: store.rebuild(),
}


def same_however_replayed(desk: Desk) -> None:
    shown, rows = desk.shown(), desk.store.store.db.execute("SELECT * FROM orders ORDER BY number").fetchall()
    for way, go in AGAIN.items():
        go(desk.store)
        assert desk.shown() == shown, way
        assert desk.store.store.db.execute("SELECT * FROM orders ORDER BY number").fetchall() == rows, way


def test_orders_leave_when_nothing_has_moved_them_for_the_time(desk: Desk) -> None:
    desk.run(ended("old", desk.now - 90 * DAY), ended("new", desk.now), ended("unsaid", None))
    desk.run(record(a_fill(order_id="open", trade_time=desk.now - 90 * DAY)))

    # What is 90 days old by the venue's clock was recorded only now: it stays as long as the others.
    assert desk.look(DAY - HOUR) == 0
    assert desk.shown() == ["old", "new", "unsaid", "open"]
    assert desk.look(HOUR) == 1
    assert desk.shown() == ["open"]
    assert desk.look(DAY) == 0
    (event,) = [event for event in desk.store.events() if event.WhichOneof("event") == "orders_cleared"]
    assert event.orders_cleared.count == 3
    same_however_replayed(desk)


def test_by_the_venue_s_clock_where_that_says_less(desk: Desk) -> None:
    desk.run(ended("7", desk.now + 3 * HOUR))

    assert desk.look(DAY + HOUR) == 0
    assert desk.look(2 * HOUR) == 1
    assert desk.shown() == []


def test_what_moves_an_order_counts_anew(desk: Desk) -> None:
    desk.run(ended("7", desk.now), ended("8", desk.now))
    desk.look(DAY - HOUR)
    desk.run(record(a_fill("late", order_id="7", trade_time=desk.now - 90 * DAY)))

    assert desk.look(HOUR) == 1
    assert desk.shown() == ["7"]
    assert desk.look(DAY - HOUR) == 1
    assert desk.shown() == []
    # One more brings it back, and it leaves again.
    assert desk.run(record(a_fill("later", order_id="7", trade_time=desk.now - 90 * DAY))) == ["RECORDED"]
    assert desk.shown() == ["7"]
    same_however_replayed(desk)
    assert desk.look(DAY) == 1
    assert desk.shown() == []


def test_history_stays_while_what_is_as_old_by_the_venue_s_clock_leaves(desk: Desk) -> None:
    """Both fit the event's time; its count says which were hidden."""
    long_ago = desk.now - 90 * DAY
    desk.run(ended("1", long_ago), ended("2", long_ago))
    desk.store.now += DAY
    desk.run(ended("3", long_ago), ended("4", long_ago - HOUR))

    assert desk.look() == 1

    assert desk.shown() == ["3", "4"]
    same_however_replayed(desk)
    # Asked for, it goes by the venue's clock.
    assert desk.clear(DAY) == 2
    assert desk.shown() == []
    same_however_replayed(desk)


def test_many_leave_in_pieces_of_bounded_size(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "CLEARED_AT_ONCE", 2)
    # All of one batch: moved at the same moment.
    desk.run(*(ended(str(number), desk.now) for number in range(5)))

    assert desk.look(DAY) == 3

    events = [event for event in desk.store.events() if event.WhichOneof("event") == "orders_cleared"]
    assert [event.orders_cleared.count for event in events] == [2, 2, 1]
    assert desk.shown() == []
    same_however_replayed(desk)
    assert desk.look(DAY) == 0


def test_identities_fills_and_figures_stay(desk: Desk) -> None:
    fill = a_fill(order_id="7", trade_time=desk.now)
    desk.run(record(fill), ended("7", desk.now))
    before = desk.store.rows()

    assert desk.look(DAY) == 1

    after = desk.store.rows()
    assert {name for name in after if after[name] != before[name]} == {"orders"}
    assert desk.run(record(fill)) == ["DUPLICATE"]
    assert desk.shown() == []


def test_only_what_was_hidden_leaves_the_memory(desk: Desk) -> None:
    desk.run(record(a_fill(order_id="open")), record(a_fill(order_id="done")), ended("done", desk.now))
    book = desk.store.writer.book
    assert (book.knows(1), book.knows(2)) == (True, True)

    desk.look(DAY)

    assert (book.knows(1), book.knows(2)) == (True, False)
    # It is found again by its name, also where the name is new.
    assert desk.run(record(a_fill("t2", order_id="done"))) == ["RECORDED"]
    assert desk.run(record(a_fill("t1", order_id="another"))) == ["RECORDED"]
    assert desk.shown() == ["open", "done", "another"]
    (done,) = book.everywhere(order_id="done")
    assert (done.number, done.fill_count, done.cleared) == (2, 2, 0)


few = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("end"), st.integers(0, 5), st.integers(-60, 3)),
        st.tuples(st.just("fill"), st.integers(0, 5), st.integers(-60, 3)),
        st.tuples(st.just("pass"), st.sampled_from((1, 11, 24, 25)), st.just(0)),
        st.tuples(st.just("clear"), st.integers(0, 40), st.just(0)),
        st.tuples(st.sampled_from(tuple(AGAIN)), st.just(0), st.just(0)),
    ),
    max_size=20,
)


@few
@given(STEPS)
def test_whatever_happens_it_is_the_rule_and_every_replay_agrees(steps: list[tuple[str, int, int]]) -> None:
    """Beside it runs the rule in its plainest words: a table of when each order ended and was moved."""
    with a_desk() as desk:
        done: dict[str, int] = {}
        moved: dict[str, int] = {}
        known: list[str] = []
        hidden: set[str] = set()
        fills = 0
        for step, number, hours in steps:
            name, time = str(number), desk.now + hours * HOUR
            match step:
                case "end":
                    if desk.run(ended(name, time)) != ["DUPLICATE"]:
                        moved[name] = desk.now - SECOND
                        hidden.discard(name)
                        known += [] if name in known else [name]
                        # The latest word of its end counts, and ours of a time has no other.
                        done[name] = done_time(desk, name)
                case "fill":
                    fills += 1
                    desk.run(record(a_fill(f"t{fills}", order_id=name, trade_time=time)))
                    moved[name] = desk.now - SECOND
                    hidden.discard(name)
                    known += [] if name in known else [name]
                    if name in done:
                        done[name] = done_time(desk, name)
                case "pass":
                    desk.look(number * HOUR)
                    # The look was a second before the desk's clock went on.
                    at = desk.now - DAY
                    hidden |= {n for n in done if max(done[n], moved[n]) <= at - SECOND}
                case "clear":
                    at = desk.now - number * HOUR
                    desk.clear(number * HOUR)
                    hidden |= {n for n in done if done[n] <= at}
                case _:
                    AGAIN[step](desk.store)
            assert desk.shown() == [name for name in known if name not in hidden]
        same_however_replayed(desk)


def done_time(desk: Desk, name: str) -> int:
    (order,) = desk.store.writer.book.everywhere(order_id=name)
    return order.complete_time if order.complete_time is not None else order.update_time


# ---------------------------------------------------------------------- when it is due


@pytest.mark.parametrize(
    ("age", "after"),
    [(24 * 3600, 600), (4 * 3600, 600), (3600, 150), (24, 1), (0.001, 1)],
)
def test_when_orders_are_looked_through(age: float, after: float) -> None:
    now = [100.0]
    due = Timing(unknown_after_seconds=0, monotonic=lambda: now[0], clear_after_seconds=age)
    book: Any = SimpleNamespace(gaps=set())

    assert due.wait() == 0
    assert due.work(book) is not None
    assert due.wait() == after
    assert due.work(book) is None
    now[0] += after
    assert due.work(book) is not None


def test_never_and_from_now_on() -> None:
    due = Timing(unknown_after_seconds=0, monotonic=lambda: 1.0)
    book: Any = SimpleNamespace(gaps=set())
    assert (due.wait(), due.work(book)) == (None, None)

    due.clear_after(3600)
    assert due.wait() == 0
    due.clear_after(0)
    assert (due.wait(), due.work(book)) == (None, None)


def test_a_store_that_failed_is_not_asked_over_and_over(desk: Desk) -> None:
    writer = desk.store.writer
    writer._timing = desk.timing
    assert writer._idle_seconds() == 0

    writer._broken = True

    assert writer._idle_seconds() is None
