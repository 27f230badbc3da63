"""The engine alone and the real store, driven by chance and checked at every step.

On both: fills, reports, busts, corrections, inferences, restarts. On the store also: crashes, subscribers of
the feed that come and go, exports and imports.
"""

from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, invariant, precondition, rule
from tests.contract.conftest import a_store
from tests.contract.rules import Rules, figures, infer_all
from tests.support.carrying import exported, imported
from tests.support.desks import MemoryDesk, StoreDesk, differences, look
from tests.support.following import Feeds, Follower
from tests.support.recounting import recounted, running

from fillhandler_server.domain.orders import Order
from fillhandler_server.transfer.importing import ImportMode

pytestmark = pytest.mark.persistence

FOLLOWERS_MAX = 3


class EngineMachine(Rules):
    """The engine over dictionaries."""

    @initialize()
    def open(self) -> None:
        self.desk = MemoryDesk()

    @rule()
    def replay(self) -> None:
        before = look(self.desk, exact=True)
        self.desk.restart()
        assert differences(look(self.desk, exact=True), before) == []


class StoreMachine(Rules):
    """An encrypted store that is killed and reopened in between, copied, and listened to."""

    followers = Bundle("followers")

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.feeds = Feeds()
        self.stack.callback(self.feeds.end)
        self.listening: list[Follower] = []
        self.other: StoreDesk | None = None

    @initialize(target=followers)
    def open(self) -> Follower:
        self.desk: StoreDesk = self.stack.enter_context(a_store())
        self.feeds.open(self.desk)
        return self._subscribed()

    def teardown(self) -> None:
        self._hang_up()
        self.stack.close()

    def _hang_up(self) -> None:
        """Ends every stream and lets go of the store."""
        for follower in self.listening:
            follower.drop()
        self.feeds.close()

    def at_hand(self) -> list[Order]:
        return list(self.desk.writer.book._orders.values())

    # ------------------------------------------------------------------ the store

    @rule(way=st.sampled_from(["flush", "evict", "crash", "restart", "rebuild"]))
    def reopen(self, way: str) -> None:
        before = look(self.desk, exact=True) if way in ("restart", "rebuild") else None
        if way == "flush":
            self.desk.flush()
        elif way == "evict":
            self.desk.evict()
        elif way == "rebuild":
            self.desk.rebuild()
        else:
            self._hang_up()
            self.desk.restart(flush=way == "restart")
            self.feeds.open(self.desk)
        if before is not None:
            assert look(self.desk, exact=True) == before

    @precondition(lambda self: self.number)
    @rule()
    def statistics_are_those_of_a_recount(self) -> None:
        assert running(self.desk) == recounted(self.desk)

    @rule()
    def open_gaps_are_known(self) -> None:
        wide = {order.number for order in self.desk.orders() if order.gap > order.inferred_quantity}
        assert self.desk.writer.book.gaps == wide

    # ------------------------------------------------------------------ the feed

    @precondition(lambda self: len(self.listening) < FOLLOWERS_MAX)
    @rule(target=followers)
    def subscribe(self) -> Follower:
        return self._subscribed()

    def _subscribed(self) -> Follower:
        follower = Follower(self.feeds)
        follower.open()
        self.listening.append(follower)
        return follower

    @rule(follower=followers, lost=st.integers(0, 5), by_token=st.booleans(), at_once=st.booleans())
    def drop(self, follower: Follower, lost: int, by_token: bool, at_once: bool) -> None:
        """The connection breaks; the subscriber may have dealt with less than it was sent."""
        self._read_on(follower, by_token)
        follower.drop(lost=lost)
        if at_once:
            self._read_on(follower, by_token)

    @rule(follower=followers, by_token=st.booleans())
    def resume(self, follower: Follower, by_token: bool) -> None:
        """Each event once, and all of them make the state."""
        self._read_on(follower, by_token)
        assert differences(look(follower.folded, exact=True), look(self.desk, exact=True)) == []

    @rule()
    def resume_anywhere(self) -> None:
        events = self.desk.events()
        for at in range(len(events) + 1):
            assert self.feeds.after(at) == events[at:]

    def _read_on(self, follower: Follower, by_token: bool) -> None:
        if not follower.is_open:
            follower.open(by_token=by_token)
        follower.read()
        assert follower.folded.messages == self.desk.events()

    # ------------------------------------------------------------------ export and import

    @precondition(lambda self: self.number)
    @rule(move=st.booleans())
    def replace_another_store(self, move: bool) -> None:
        """The copy gives the same file and the same state, and may go on in the first one's place."""
        data = exported(self.desk)
        copy = self.stack.enter_context(a_store())
        imported(copy, data, ImportMode.REPLACE)
        assert exported(copy) == data
        assert differences(look(copy, exact=True), look(self.desk, exact=True)) == []
        if move:
            self._hang_up()
            copy.now = self.desk.now
            self.desk = copy
            self.feeds.open(copy)

    @precondition(lambda self: self.number)
    @rule()
    def merge_into_another_store(self) -> None:
        """One that may hold a part of it from before."""
        other = self.other = self.other or self.stack.enter_context(a_store())
        data = exported(self.desk)
        imported(other, data, ImportMode.MERGE)
        head = other.writer.head
        assert imported(other, data, ImportMode.MERGE).appended_events == 0
        assert other.writer.head == head
        assert other.chain_problem() == ""
        for desk in (self.desk, other):
            infer_all(desk)
        assert differences(figures(other), figures(self.desk)) == []

    # ------------------------------------------------------------------ what holds at every step

    @invariant()
    def the_chain_holds(self) -> None:
        assert self.desk.chain_problem() == ""
        assert self.desk.writer.head.sequence == len(self.desk.events())


# Some examples are a dozen commands on a real disk.
SLOW = [HealthCheck.too_slow]
EngineMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=25)
StoreMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=25, suppress_health_check=SLOW)
TestEngine = EngineMachine.TestCase
TestStore = StoreMachine.TestCase


@pytest.mark.long
class TestEngineLong(EngineMachine.TestCase):
    """The same, for longer."""

    settings = settings(max_examples=2000, stateful_step_count=60)


@pytest.mark.long
class TestStoreLong(StoreMachine.TestCase):
    """The same, for longer."""

    settings = settings(max_examples=500, stateful_step_count=60, suppress_health_check=SLOW)
