"""The venue counts more than its fills: what stands for the missing ones, and how it gives way."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.support.desks import (
    SECOND,
    START,
    Command,
    MemoryDesk,
    StoreDesk,
    a_fill,
    a_report,
    bust,
    correct,
    kinds,
    look,
    outcomes,
    record,
    register,
    report,
)

from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.domain.events import AnomalyKind
from fillhandler_server.domain.fills import ContractKind, Fill, FillState
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.reports import OrderStatus

pytestmark = pytest.mark.partial

D = Decimal
PARTLY, FILLED, CANCELED = OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED, OrderStatus.CANCELED


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


def the_order(desk: MemoryDesk | StoreDesk) -> Order:
    (order,) = desk.orders()
    return order


def infer(desk: MemoryDesk) -> None:
    """What the writer does when the grace period of every open gap has passed."""
    orders = [order for order in desk.orders() if order.gap > order.inferred_quantity]
    desk.run(*(Command("infer", (order,)) for order in orders))


def inferred(desk: MemoryDesk | StoreDesk) -> Fill | None:
    """The inferred fill that stands, found by looking at all fills."""
    order = the_order(desk)
    contents = [desk.content(at) for at in order.fills.values()]
    standing = [fill for fill, state in contents if fill.inferred and state == FillState.STANDING]
    assert len(standing) <= 1
    assert sum((fill.quantity for fill in standing), D(0)) == order.inferred_quantity
    return standing[0] if standing else None


def stated(cumulative: object, average: object = None, status: int = PARTLY, **more: Any) -> Command:
    return report(
        a_report(
            status, more.pop("time", START), cumulative_quantity=cumulative, average_price=average, **more
        )
    )


def test_the_rule_of_the_domain(desk: MemoryDesk) -> None:
    """Cumulative 5 at 101, fills of 3 at 100: 2 at (101·5 − 100·3)/2."""
    desk.run(record(a_fill("1", 3, 100, fees={"USDT": "1"})), stated(5, 101))
    assert the_order(desk).cumulative == 3  # the fills have their time to come
    infer(desk)
    order, fill = the_order(desk), inferred(desk)
    assert fill is not None
    assert (fill.quantity, fill.price, fill.fees, fill.trade_time) == (2, D("102.5"), (), None)
    assert fill.trade_id.startswith("inferred-")
    assert (order.cumulative, order.average, order.fills_without_fee) == (5, 101, 1)
    assert order.fees == {"USDT": [D(1), 1]}
    assert kinds(desk.events()) == ["fill_recorded", "order_reported", "fill_recorded"]
    assert desk.events()[-1].fill_recorded.fill.inferred
    before = len(desk.events())
    infer(desk)
    assert len(desk.events()) == before


def test_the_real_fill_takes_its_place(desk: MemoryDesk) -> None:
    desk.run(record(a_fill("1", 3, 100)), stated(5, 101))
    infer(desk)
    desk.run(record(a_fill("2", 2, "102.5", fees={"USDT": "2"}, trade_time=7)))
    order = the_order(desk)
    assert (order.cumulative, order.average, order.fill_count) == (5, 101, 2)
    assert (order.fees, inferred(desk), order.reversed_quantity) == ({"USDT": [D(2), 1]}, None, 0)
    assert kinds(desk.events())[3:] == ["fill_busted", "fill_recorded"]
    busted = desk.events()[3].fill_busted
    assert (busted.superseded, busted.applied, busted.fill.inferred) == (True, True, True)
    # It never had more than the venue says, not even in between.
    assert max(Decimal(event.cumulative_quantity) for event in desk.events()) == 5
    assert outcomes(desk.run(record(a_fill("2", 2, "102.5", fees={"USDT": "2"})))) == ["DUPLICATE"]


def test_the_real_fills_come_in_pieces_also_after_a_restart_and_on_a_dead_order(desk: MemoryDesk) -> None:
    desk.run(record(a_fill("1", 3, 100)), stated(5, 101, CANCELED, order_quantity=10))
    infer(desk)
    for trade_id, price, missing in (("2", 102, D(1)), ("3", 103, None)):
        desk.restart()
        desk.run(record(a_fill(trade_id, 1, price)))
        order, fill = the_order(desk), inferred(desk)
        assert (order.status, order.cumulative, order.average, order.leaves) == (CANCELED, 5, 101, 0)
        assert (fill.quantity if fill else None) == missing
    assert the_order(desk).fill_count == 3
    anomalies = [event for event in desk.events() if event.WhichOneof("event") == "order_anomaly"]
    assert not anomalies


def test_a_wider_gap_waits_and_a_smaller_one_does_not(desk: MemoryDesk) -> None:
    desk.run(record(a_fill("1", 3, 100)), stated(5, 101))
    infer(desk)
    desk.run(stated(7, 102, time=START + SECOND))
    assert the_order(desk).cumulative == 5
    infer(desk)
    assert (the_order(desk).cumulative, the_order(desk).average) == (7, 102)
    desk.run(record(a_fill("2", 4, 100)))
    assert (the_order(desk).cumulative, the_order(desk).fill_count) == (7, 2)


def test_an_average_that_comes_later_prices_it(desk: MemoryDesk) -> None:
    desk.run(record(a_fill("1", 3, 100)), stated(5))
    infer(desk)
    fill = inferred(desk)
    assert fill is not None
    assert fill.price is None
    assert the_order(desk).average == 100  # of what has a price
    desk.run(stated(5, 101, time=START + SECOND))
    assert the_order(desk).average == 101


def test_prices_are_rounded_to_18_places(desk: MemoryDesk) -> None:
    desk.run(record(a_fill("1", 1, 1)), stated(4, "1.1"))
    infer(desk)
    fill = inferred(desk)
    assert fill is not None
    assert fill.price == D("1.133333333333333333")


def test_inverse_contracts_average_the_other_way(desk: MemoryDesk) -> None:
    desk.run(
        record(a_fill("1", 100, 50_000, contract_kind=ContractKind.INVERSE)),
        stated(300, 40_000, contract_kind=ContractKind.INVERSE),
    )
    infer(desk)
    fill, order = inferred(desk), the_order(desk)
    assert fill is not None
    # 300/40,000 − 100/50,000 = 0.0055 of the base for 200.
    assert (fill.quantity, fill.price) == (200, D("36363.636363636363636364"))
    assert order.average is not None
    assert abs(order.average - 40_000) < D("1e-15")


def test_what_no_fill_could_say_has_no_price(desk: MemoryDesk) -> None:
    """A wrong or rounded average over a sliver: a price of 21 digits is none."""
    desk.run(record(a_fill("1", 1, 1)), stated("1.000000000000000001", 1000))
    infer(desk)
    fill = inferred(desk)
    assert fill is not None
    assert (fill.quantity, fill.price) == (D("1E-18"), None)


def test_what_was_busted_is_no_gap(desk: MemoryDesk) -> None:
    desk.run(
        record(a_fill("1", 3, 100)), record(a_fill("2", 2, 100)), stated(5, 100, FILLED, order_quantity=5)
    )
    desk.run(bust(a_fill("2")))
    infer(desk)
    order = the_order(desk)
    assert (order.cumulative, order.status, inferred(desk)) == (3, PARTLY, None)
    desk.run(correct(a_fill("1"), a_fill("3", 1, 100)))
    infer(desk)
    assert (the_order(desk).cumulative, inferred(desk)) == (1, None)


def test_an_inferred_fill_cannot_be_reversed(desk: MemoryDesk) -> None:
    desk.run(stated(2, 100))
    infer(desk)
    fill = inferred(desk)
    assert fill is not None
    with pytest.raises(InvalidFieldError, match="inferred"):
        desk.run(bust(a_fill(fill.trade_id)))


def test_nothing_is_inferred_before_the_side_is_known(desk: MemoryDesk) -> None:
    desk.run(report(a_report(FILLED, START, cumulative_quantity=2, average_price=9, side=0)))
    infer(desk)
    assert not the_order(desk).cumulative
    desk.run(register(a_report(OrderStatus.PENDING_NEW, order_quantity=2)))
    infer(desk)
    assert the_order(desk).cumulative == 2


def test_orders_that_turn_out_to_be_one_have_one_inference(desk: MemoryDesk) -> None:
    desk.run(
        report(
            a_report(
                PARTLY, START, order_id="", client_order_id="mine", cumulative_quantity=2, average_price=10
            )
        )
    )
    infer(desk)
    desk.run(record(a_fill("1", 1, 10)))
    assert len(desk.orders()) == 2
    desk.run(report(a_report(PARTLY, START + 1, client_order_id="mine", cumulative_quantity=2)))
    order, fill = the_order(desk), inferred(desk)
    assert fill is not None
    assert (order.cumulative, fill.quantity, order.average) == (2, 1, 10)


def test_anomalies_of_conflicts_flips_and_orders_nobody_knows(desk: MemoryDesk) -> None:
    desk.run(record(a_fill("1", leg="close")), record(a_fill("1", leg="open")), record(a_fill("2")))
    desk.run(record(a_fill("2", 7)))
    desk.run(Command("check_known", (the_order(desk),)))
    found = [e.order_anomaly.kind for e in desk.events() if e.WhichOneof("event") == "order_anomaly"]
    assert found == [AnomalyKind.POSITION_FLIP, AnomalyKind.CONFLICTING_FILL, AnomalyKind.UNKNOWN_ORDER]
    desk.run(report(a_report(OrderStatus.NEW, START)))
    before = len(desk.events())
    desk.run(Command("check_known", (the_order(desk),)))
    assert len(desk.events()) == before


# ---------------------------------------------------------------------- any order of arrival

fills_of_a_day = st.lists(
    st.tuples(st.integers(1, 50), st.integers(90, 110), st.booleans()), min_size=1, max_size=6
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_order_of_arrival_and_any_time_of_inference_end_alike(data: st.DataObject) -> None:
    """Fills, some of them lost; after each of them perhaps a report that states exact figures."""
    story: list[Command] = []
    total, cost = 0, Fraction(0)
    seen, seen_cost = 0, 0
    last = (D(0), Fraction(0))
    for at, (quantity, price, lost) in enumerate(data.draw(fills_of_a_day)):
        total, cost = total + quantity, cost + quantity * price
        if not lost:
            seen, seen_cost = seen + quantity, seen_cost + quantity * price
            story.append(record(a_fill(str(at), quantity, price, trade_time=START + at)))
        if data.draw(st.booleans()):
            # A quarter of what an average really is ends within its places.
            average = D(round(cost / total * 4)) / 4
            last = (D(total), average)
            story.append(stated(total, average, time=START + at))
    assume(story)
    ends = []
    for _ in range(2):
        desk = MemoryDesk()
        for command in data.draw(st.permutations(story)):
            desk.run(command)
            if data.draw(st.booleans()):
                infer(desk)
            if data.draw(st.integers(0, 3)) == 0:
                desk.restart()
        infer(desk)
        order = the_order(desk)
        fill = inferred(desk)
        ends.append((order.status, order.cumulative, order.average, fill and (fill.quantity, fill.price)))
        assert order.cumulative == max(D(seen), last[0])
        assert order.fill_count == len([1 for command in story if command.name == "record_fill"]) + bool(fill)
        if fill is None:
            assert order.notional == seen_cost
        before = look(desk, exact=True)
        desk.restart()
        assert look(desk, exact=True) == before
    assert ends[0] == ends[1]


def test_the_store_keeps_gaps_and_inferences(tmp_path: Any) -> None:
    desk = StoreDesk(tmp_path)
    try:
        desk.run(record(a_fill("1", 3, 100)), stated(5, 101))
        number = the_order(desk).number
        for flush in (True, False):
            assert desk.writer.book.gaps == {number}
            desk.restart(flush=flush)
            assert desk.writer.book.opened_gaps == [number]
        desk.evict()
        desk.run(Command("infer", (desk.writer.book.order(number),)))
        assert desk.writer.book.gaps == set()
        desk.evict()
        assert (the_order(desk).cumulative, the_order(desk).average) == (5, 101)
        desk.run(record(a_fill("2", 1, 102)))
        desk.restart()
        fill = inferred(desk)
        assert fill is not None
        assert (fill.quantity, fill.price) == (1, 103)
        before = look(desk, exact=True)
        desk.rebuild()
        assert look(desk, exact=True) == before
    finally:
        desk.close()


def test_rows_of_before_there_were_inferred_fills_are_read(tmp_path: Any) -> None:
    desk = StoreDesk(tmp_path)
    try:
        desk.run(record(a_fill("1", 3, 100)), bust(a_fill("1")))
        desk.flush()
        before = look(desk, exact=True)
        with desk.store.db.atomic():
            desk.store.db.execute("UPDATE orders SET state = replace(state, '\"superseded\":[],', '')")
        (row,) = desk.store.db.execute("SELECT state FROM orders").fetchall()
        assert "reversals" in row[0]
        assert "superseded" not in row[0]
        desk.restart()
        assert look(desk, exact=True) == before
    finally:
        desk.close()
