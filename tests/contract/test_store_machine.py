"""The real store driven by chance: records, reports, busts, crashes; checked at every step."""

from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)
from tests.contract.conftest import a_store
from tests.support.desks import (
    START,
    StoreDesk,
    a_fill,
    a_report,
    bust,
    correct,
    look,
    record,
    register,
    report,
)
from tests.support.recounting import recounted, running
from tests.support.streams import prices, small

from fillhandler_server.domain.fills import Fill, FillState
from fillhandler_server.domain.numbers import EXACT, ZERO, divide_shown
from fillhandler_server.domain.reports import OrderStatus

pytestmark = pytest.mark.persistence

orders = st.sampled_from(["7", "8"])
statuses = st.sampled_from(list(OrderStatus)[1:])
moments = st.integers(0, 9).map(lambda n: START + n * 3600 * 1_000_000_000)
fees = st.sampled_from([{}, {"USDT": "0.1"}, {"USDT": "-0.1", "BNB": "0"}])


class StoreMachine(RuleBasedStateMachine):
    """Two orders, every kind of command, and a store that is killed and reopened in between."""

    recorded = Bundle("recorded")
    waiting = Bundle("waiting")

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.number = 0
        self.acknowledged: dict[tuple[str, str], int] = {}
        """(order id, trade id) → the sequence it was acknowledged with."""
        self.seen = 0

    @initialize()
    def open(self) -> None:
        self.desk: StoreDesk = self.stack.enter_context(a_store())

    def teardown(self) -> None:
        self.stack.close()

    def _new_id(self) -> str:
        self.number += 1
        return f"t{self.number}"

    # ------------------------------------------------------------------ commands

    @rule(
        target=recorded,
        order=orders,
        q=small,
        p=st.none() | prices,
        fees=fees,
        time=st.none() | moments,
        twice=st.booleans(),
    )
    def record_new(
        self, order: str, q: Decimal, p: Any, fees: dict[str, str], time: int | None, twice: bool
    ) -> Fill:
        fill = a_fill(
            self._new_id(), str(q), None if p is None else str(p), order_id=order, fees=fees, trade_time=time
        )
        results = self.desk.run(*[record(fill)] * (1 + twice))
        assert [result.outcome.name for result in results] == ["RECORDED", "DUPLICATE"][: 1 + twice]
        self.acknowledged[order, fill.trade_id] = results[0].sequence
        return fill

    @rule(target=waiting, order=orders, q=small, time=moments)
    def hold_back(self, order: str, q: Decimal, time: int) -> Fill:
        """A fill that the venue has made and that comes later."""
        return a_fill(self._new_id(), str(q), order_id=order, trade_time=time)

    @rule(target=recorded, fill=consumes(waiting))
    def record_late(self, fill: Fill) -> Any:
        (result,) = self.desk.run(record(fill))
        assert result.outcome.name in ("RECORDED", "DUPLICATE")
        self.acknowledged[fill.order_id, fill.trade_id] = result.sequence
        return multiple(fill)

    @rule(fill=recorded)
    def record_again(self, fill: Fill) -> None:
        (result,) = self.desk.run(record(fill))
        assert result.outcome.name == "DUPLICATE"
        assert result.sequence == self.acknowledged[fill.order_id, fill.trade_id]

    @rule(fill=recorded, q=small)
    def record_conflicting(self, fill: Fill, q: Decimal) -> None:
        other = a_fill(fill.trade_id, str(q + 100), 1, order_id=fill.order_id)
        first, again = self.desk.run(record(other), record(other))
        assert first.outcome.name == again.outcome.name == "CONFLICT"
        assert first.sequence == again.sequence

    @rule(fill=recorded)
    def enrich(self, fill: Fill) -> None:
        price = None if fill.price is None else str(fill.price)
        later = a_fill(fill.trade_id, str(fill.quantity), price, order_id=fill.order_id, liquidity=1)
        (result,) = self.desk.run(record(later))
        assert result.outcome.name in ("ENRICHED", "DUPLICATE")

    @rule(fill=st.one_of(recorded, waiting))
    def bust(self, fill: Fill) -> None:
        _, again = self.desk.run(bust(fill), bust(fill))
        assert again.outcome.name == "DUPLICATE"

    @rule(target=recorded, fill=st.one_of(recorded, waiting), q=small)
    def correct(self, fill: Fill, q: Decimal) -> Any:
        new = a_fill(self._new_id(), str(q), 50, order_id=fill.order_id)
        first, again = self.desk.run(correct(fill, new), correct(fill, new))
        assert (first.outcome.name, again.outcome.name) == ("RECORDED", "DUPLICATE")
        if not first.applied:
            return multiple()
        self.acknowledged[new.order_id, new.trade_id] = first.sequence
        return new

    @rule(order=orders, quantity=st.integers(1, 30))
    def register(self, order: str, quantity: int) -> None:
        terms = a_report(
            OrderStatus.PENDING_NEW, order_id="", client_order_id=f"c{order}", order_quantity=quantity
        )
        first, again = self.desk.run(register(terms), register(terms))
        assert (first.outcome.name, again.outcome.name) in (
            ("RECORDED", "DUPLICATE"),
            ("CONFLICT", "CONFLICT"),
            ("DUPLICATE", "DUPLICATE"),
        )

    @rule(
        order=orders,
        status=statuses,
        time=st.none() | moments,
        named=st.booleans(),
        quantity=st.none() | st.integers(1, 30),
    )
    def report(
        self, order: str, status: OrderStatus, time: int | None, named: bool, quantity: int | None
    ) -> None:
        client = f"c{order}" if named else ""
        said = a_report(status, time, order_id=order, client_order_id=client, order_quantity=quantity)
        _, again = self.desk.run(report(said), report(said))
        assert again.outcome.name == "DUPLICATE"

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
            self.desk.restart(flush=way == "restart")
        if before is not None:
            assert look(self.desk, exact=True) == before

    @precondition(lambda self: self.number)
    @rule()
    def statistics_are_those_of_a_recount(self) -> None:
        assert running(self.desk) == recounted(self.desk)

    # ------------------------------------------------------------------ what holds at every step

    @invariant()
    def figures_are_those_of_the_fills_that_stand(self) -> None:
        book = self.desk.writer.book
        for order in list(book._orders.values()):
            standing = [
                fill
                for fill, state in map(self.desk.content, order.fills.values())
                if state == FillState.STANDING
            ]
            priced = [fill for fill in standing if fill.price is not None]
            cumulative = notional = quantity = ZERO
            for fill in standing:
                cumulative = EXACT.add(cumulative, fill.quantity)
            for fill in priced:
                notional = EXACT.fma(fill.quantity, fill.price or ZERO, notional)
                quantity = EXACT.add(quantity, fill.quantity)
            assert order.cumulative == cumulative
            assert order.average == (divide_shown(notional, quantity) if priced else None)
            assert order.fill_count == len(standing)
            assert order.leaves is None or order.leaves >= 0
            assert not order.is_final or order.leaves == 0

    @invariant()
    def the_journal_is_gapless_and_its_chain_holds(self) -> None:
        events = self.desk.events()
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        assert len(events) >= self.seen
        self.seen = len(events)
        assert self.desk.chain_problem() == ""
        assert self.desk.writer.head.sequence == len(events)


StoreMachine.TestCase.settings = settings(
    max_examples=25, stateful_step_count=25, suppress_health_check=[HealthCheck.too_slow]
)
TestStore = StoreMachine.TestCase


@pytest.mark.long
class TestStoreLong(StoreMachine.TestCase):
    """The same, for longer."""

    settings = settings(
        max_examples=500, stateful_step_count=60, suppress_health_check=[HealthCheck.too_slow]
    )
