"""What chance does to two orders on any desk, and what must hold after every step."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
)
from tests.support.desks import (
    START,
    Command,
    Desk,
    a_fill,
    a_report,
    bust,
    correct,
    look,
    record,
    register,
    report,
)
from tests.support.streams import prices, small

from fillhandler_server.domain.fills import ContractKind, Fill, FillState
from fillhandler_server.domain.numbers import EXACT, ZERO, divide_shown
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.reports import OrderStatus
from fillhandler_server.engine import Result

KINDS = {"7": ContractKind.SPOT, "8": ContractKind.LINEAR}
"""What each order is of. Only some reports say it, so it is learned when there are fills."""
orders = st.sampled_from(list(KINDS))
statuses = st.sampled_from(list(OrderStatus)[1:])
moments = st.integers(0, 9).map(lambda n: START + n * 3600 * 1_000_000_000)
fees = st.sampled_from([{}, {"USDT": "0.1"}, {"USDT": "-0.1", "BNB": "0"}])
totals = st.sampled_from([Decimal(n) for n in ("0", "0.1", "2", "5", "12.5", "40")])


def infer_all(desk: Desk) -> None:
    """As if the grace period of every open gap had passed."""
    with_gaps = [order for order in desk.orders() if order.gap > order.inferred_quantity]
    desk.run(*(Command("infer", (order,)) for order in with_gaps))


def figures(desk: Desk) -> list[dict[str, Any]]:
    """What every order comes to, without which inferred fills there were on the way."""
    states = look(desk)
    for state in states:
        del state["inferred_sequence"], state["inferred_count"]
        # An import states the time by which a report without one arrived.
        state["reports"] = len(state["reports"])
        if state["reversals"] is not None and not any(state["reversals"].values()):
            state["reversals"] = None
        state["fills"] = {
            key: said for key, said in state["fills"].items() if not key.trade_id.startswith("inferred-")
        }
    return sorted(states, key=lambda state: repr((state["order_ids"], state["client_order_id"])))


class Rules(RuleBasedStateMachine):
    """Every kind of command. Who inherits gives it a desk."""

    desk: Any
    recorded = Bundle("recorded")
    waiting = Bundle("waiting")

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.acknowledged: dict[tuple[str, str], int] = {}
        """(order id, trade id) → the sequence it was acknowledged with."""
        self.told: list[Command] = []
        """All that says the same whenever it is said again."""
        self.seen = 0

    def at_hand(self) -> Iterable[Order]:
        """The orders that the invariants look at."""
        orders: list[Order] = self.desk.orders()
        return orders

    def run(self, *commands: Command) -> list[Result]:
        """One batch."""
        self.told += [c for c in commands if c.name != "report_order" or c.arguments[0].time is not None]
        results: list[Result] = self.desk.run(*commands)
        return results

    def _new_id(self) -> str:
        self.number += 1
        return f"t{self.number}"

    # ------------------------------------------------------------------ fills

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
        price = None if p is None else str(p)
        fill = a_fill(self._new_id(), str(q), price, order_id=order, fees=fees, trade_time=time)
        results = self.run(*[record(fill)] * (1 + twice))
        assert [result.outcome.name for result in results] == ["RECORDED", "DUPLICATE"][: 1 + twice]
        self.acknowledged[order, fill.trade_id] = results[0].sequence
        return fill

    @rule(target=recorded, order=orders, quantities=st.lists(small, min_size=2, max_size=4))
    def record_several(self, order: str, quantities: list[Decimal]) -> Any:
        fills = [a_fill(self._new_id(), str(q), order_id=order) for q in quantities]
        for fill, result in zip(fills, self.run(*map(record, fills)), strict=True):
            assert result.outcome.name == "RECORDED"
            self.acknowledged[order, fill.trade_id] = result.sequence
        return multiple(*fills)

    @rule(target=waiting, order=orders, q=small, time=moments)
    def hold_back(self, order: str, q: Decimal, time: int) -> Fill:
        """A fill that the venue has made and that comes later."""
        return a_fill(self._new_id(), str(q), order_id=order, trade_time=time)

    @rule(target=recorded, fill=consumes(waiting))
    def record_late(self, fill: Fill) -> Any:
        (result,) = self.run(record(fill))
        assert result.outcome.name in ("RECORDED", "DUPLICATE")
        self.acknowledged[fill.order_id, fill.trade_id] = result.sequence
        return multiple(fill)

    @rule(fill=recorded)
    def record_again(self, fill: Fill) -> None:
        (result,) = self.run(record(fill))
        assert result.outcome.name == "DUPLICATE"
        assert result.sequence == self.acknowledged[fill.order_id, fill.trade_id]

    @rule(fill=recorded, q=small)
    def record_conflicting(self, fill: Fill, q: Decimal) -> None:
        other = a_fill(fill.trade_id, str(q + 100), 1, order_id=fill.order_id)
        first, again = self.run(record(other), record(other))
        assert first.outcome.name == again.outcome.name == "CONFLICT"
        assert first.sequence == again.sequence

    @rule(fill=recorded)
    def enrich(self, fill: Fill) -> None:
        price = None if fill.price is None else str(fill.price)
        later = a_fill(fill.trade_id, str(fill.quantity), price, order_id=fill.order_id, liquidity=1)
        (result,) = self.run(record(later))
        assert result.outcome.name in ("ENRICHED", "DUPLICATE")

    @rule(fill=st.one_of(recorded, waiting))
    def bust(self, fill: Fill) -> None:
        _, again = self.run(bust(fill), bust(fill))
        assert again.outcome.name == "DUPLICATE"

    @rule(target=recorded, fill=st.one_of(recorded, waiting), q=small)
    def correct(self, fill: Fill, q: Decimal) -> Any:
        new = a_fill(self._new_id(), str(q), 50, order_id=fill.order_id)
        first, again = self.run(correct(fill, new), correct(fill, new))
        assert (first.outcome.name, again.outcome.name) == ("RECORDED", "DUPLICATE")
        if not first.applied:
            return multiple()
        self.acknowledged[new.order_id, new.trade_id] = first.sequence
        return new

    # ------------------------------------------------------------------ reports, and what they count

    @rule(order=orders, quantity=st.integers(1, 30))
    def register(self, order: str, quantity: int) -> None:
        terms = a_report(
            OrderStatus.PENDING_NEW, order_id="", client_order_id=f"c{order}", order_quantity=quantity
        )
        first, again = self.run(register(terms), register(terms))
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
        contract=st.booleans(),
        quantity=st.none() | st.integers(1, 30),
        cumulative=st.none() | totals,
        average=st.none() | prices,
    )
    def report(
        self,
        order: str,
        status: OrderStatus,
        time: int | None,
        named: bool,
        contract: bool,
        quantity: int | None,
        cumulative: Decimal | None,
        average: Decimal | None,
    ) -> None:
        said = a_report(
            status,
            time,
            order_id=order,
            client_order_id=f"c{order}" if named else "",
            contract_kind=KINDS[order] if contract else 0,
            order_quantity=quantity,
            cumulative_quantity=cumulative,
            average_price=average,
        )
        _, again = self.run(report(said), report(said))
        assert again.outcome.name == "DUPLICATE"

    @rule(extra=small, order=orders, average=st.none() | prices)
    def report_more_than_the_fills(self, extra: Decimal, order: str, average: Decimal | None) -> None:
        known = [o for o in self.desk.orders() if order in o.order_ids]
        counted = EXACT.add(known[0].cumulative if known else ZERO, extra)
        said = a_report(
            OrderStatus.PARTIALLY_FILLED,
            START + self._late(),
            order_id=order,
            cumulative_quantity=counted,
            average_price=average,
        )
        self.run(report(said))

    def _late(self) -> int:
        self.number += 1
        return 10**15 + self.number

    @rule(order=st.none() | orders)
    def infer(self, order: str | None) -> None:
        """The grace period of one order's gap has passed, or of all."""
        if order is None:
            infer_all(self.desk)
            for found in self.desk.orders():
                assert found.cumulative == self._counted(found)
        else:
            self.desk.run(*(Command("infer", (o,)) for o in self.desk.orders() if order in o.order_ids))

    def _counted(self, order: Order) -> Decimal:
        """What it comes to with its gap closed: what the venue counts still, if the fills are less."""
        standing = self._standing(order)
        real = sum((fill.quantity for fill in standing if not fill.inferred), ZERO)
        stated = order.reported_cumulative
        return real if stated is None else max(real, EXACT.subtract(stated, order.reversed_quantity))

    def _standing(self, order: Order) -> list[Fill]:
        contents = [self.desk.content(at) for at in order.fills.values()]
        return [fill for fill, state in contents if state == FillState.STANDING]

    # ------------------------------------------------------------------ again

    @precondition(lambda self: self.told)
    @rule()
    def tell_all_again(self) -> None:
        """Nothing of it is news."""
        before, head = look(self.desk, exact=True), len(self.desk.events())
        results = self.desk.run(*self.told)
        assert {result.outcome.name for result in results} <= {"DUPLICATE", "CONFLICT"}
        assert len(self.desk.events()) == head
        assert look(self.desk, exact=True) == before

    # ------------------------------------------------------------------ what holds at every step

    @invariant()
    def figures_are_those_of_the_fills_that_stand(self) -> None:
        for order in list(self.at_hand()):
            standing = self._standing(order)
            priced = [fill for fill in standing if fill.price is not None]
            cumulative = notional = quantity = ZERO
            fees: dict[str, list[Any]] = {}
            for fill in standing:
                cumulative = EXACT.add(cumulative, fill.quantity)
                for currency, amount in fill.fees:
                    total, count = fees.get(currency, (ZERO, 0))
                    fees[currency] = [EXACT.add(total, amount), count + 1]
            for fill in priced:
                notional = EXACT.fma(fill.quantity, fill.price or ZERO, notional)
                quantity = EXACT.add(quantity, fill.quantity)
            assert order.cumulative == cumulative
            assert order.average == (divide_shown(notional, quantity) if priced else None)
            assert order.fees == fees
            assert order.fill_count == len(standing)
            assert order.leaves is None or order.leaves >= 0
            assert not order.is_final or order.leaves == 0

    @invariant()
    def inferred_fills_never_exceed_the_gap(self) -> None:
        for order in list(self.at_hand()):
            inferred = [fill for fill in self._standing(order) if fill.inferred]
            assert len(inferred) == bool(order.inferred_sequence) <= 1
            assert order.inferred_quantity == sum((fill.quantity for fill in inferred), ZERO)
            assert order.inferred_quantity <= order.gap
            assert order.cumulative <= self._counted(order)

    @invariant()
    def the_journal_is_gapless_and_only_grows(self) -> None:
        events = self.desk.events()
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        assert len(events) >= self.seen
        self.seen = len(events)
