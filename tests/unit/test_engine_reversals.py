"""Busts and corrections: in any order, by any link of a chain, each with its effect once."""

import itertools
from decimal import Decimal
from typing import Any

import pytest
from tests.support.desks import (
    Command,
    MemoryDesk,
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
from fillhandler_server.domain.fills import Fill, FillState
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.reports import OrderStatus

pytestmark = pytest.mark.partial

PENDING_NEW, NEW, PARTIALLY_FILLED, FILLED, CANCELED = (
    OrderStatus.PENDING_NEW,
    OrderStatus.NEW,
    OrderStatus.PARTIALLY_FILLED,
    OrderStatus.FILLED,
    OrderStatus.CANCELED,
)


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


def the_order(desk: MemoryDesk) -> Order:
    (order,) = desk.orders()
    return order


def ordered(quantity: int) -> Command:
    return register(a_report(PENDING_NEW, order_quantity=quantity))


def named(trade_id: str, **more: Any) -> Fill:
    """An identity; its content must not matter."""
    return a_fill(trade_id, 999, None, **more)


def states(desk: MemoryDesk) -> dict[str, str]:
    order = the_order(desk)
    return {order.full_key(key).trade_id: desk.content(at)[1].name for key, at in order.fills.items()}


# ---------------------------------------------------------------------- bust


@pytest.mark.parametrize("reported", [[], [report(a_report(FILLED, 5))]], ids=["by fills", "by report"])
def test_a_bust_reverses_the_fill_and_its_fees_and_a_live_order_lives_again(
    desk: MemoryDesk, reported: list[Command]
) -> None:
    desk.run(
        ordered(10),
        record(a_fill("t1", 4, 100, fees={"USDT": "1", "BNB": "0"}, trade_time=1)),
        record(a_fill("t2", 6, 110, fees={"USDT": "2"}, trade_time=2)),
        *reported,
    )
    order = the_order(desk)
    assert (order.status, order.leaves) == (FILLED, 0)
    (result,) = desk.run(bust(named("t1")))
    assert (result.outcome.name, result.applied) == ("RECORDED", True)
    assert (order.status, order.leaves, order.cumulative) == (PARTIALLY_FILLED, 4, 6)
    assert (order.average, order.fees, order.fill_count) == (110, {"USDT": [2, 1]}, 1)
    assert (order.first_fill_time, order.last_fill_time) == (2, 2)
    event = desk.events()[-1].fill_busted
    assert (event.applied, event.fill_sequence, event.fill.quantity) == (True, 2, "4")
    # New fills for what was taken away fill it again.
    desk.run(record(a_fill("t3", 4, 100)))
    assert (order.status, order.leaves) == (FILLED, 0)


def test_a_busts_first_word_stands(desk: MemoryDesk) -> None:
    desk.run(record(a_fill()))
    (first,) = desk.run(bust(named("t1")))
    for _ in range(2):
        (again,) = desk.run(bust(named("t1")))
        assert (again.outcome.name, again.sequence, again.applied) == ("DUPLICATE", first.sequence, True)
        desk.restart()
    assert kinds(desk.events()) == ["fill_recorded", "fill_busted"]


def test_a_tombstone_stays(desk: MemoryDesk) -> None:
    desk.run(record(a_fill()), bust(named("t1")))
    desk.restart()
    results = desk.run(record(a_fill()), record(a_fill(price=101)), record(a_fill(liquidity=1)))
    assert outcomes(results) == ["DUPLICATE", "CONFLICT", "ENRICHED"]
    order = the_order(desk)
    assert (order.cumulative, order.fill_count, order.status) == (0, 0, NEW)
    assert states(desk) == {"t1": "BUSTED"}


def test_a_dead_order_keeps_leaves_0(desk: MemoryDesk) -> None:
    desk.run(ordered(10), record(a_fill("t1", 4)), record(a_fill("t2", 1)), report(a_report(CANCELED, 5)))
    desk.run(bust(named("t1")))
    order = the_order(desk)
    assert (order.status, order.cumulative, order.leaves) == (CANCELED, 1, 0)


def test_a_filled_report_covers_missing_fills_and_never_busted_ones(desk: MemoryDesk) -> None:
    desk.run(ordered(10), record(a_fill("t1", 4)), record(a_fill("t2", 1)))
    desk.run(report(a_report(FILLED, 5, cumulative_quantity=10, average_price=101)))
    order = the_order(desk)
    assert (order.status, order.leaves, order.cumulative) == (FILLED, 0, 5)
    assert (order.reported_cumulative, order.reported_average) == (10, 101)
    desk.run(bust(named("t1")))
    assert (order.status, order.leaves, order.cumulative) == (PARTIALLY_FILLED, 9, 1)
    desk.run(bust(named("t2")))
    assert (order.status, order.leaves, order.cumulative) == (NEW, 10, 0)


def test_a_bust_that_comes_first_waits_for_its_fill(desk: MemoryDesk) -> None:
    (waits,) = desk.run(bust(named("t1", market="spot")))
    assert (waits.outcome.name, waits.applied) == ("RECORDED", False)
    order = the_order(desk)
    assert (order.order_id, order.market, order.status, order.cumulative) == ("7", "spot", NEW, 0)
    desk.restart()
    (again,) = desk.run(bust(named("t1", market="spot")))
    assert (again.outcome.name, again.sequence, again.applied) == ("DUPLICATE", waits.sequence, False)
    assert outcomes(desk.run(record(a_fill("t1", 4)), record(a_fill("t2", 1)))) == ["RECORDED", "RECORDED"]
    assert the_order(desk).cumulative == 1
    assert kinds(desk.events()) == ["fill_busted", "fill_recorded", "fill_busted", "fill_recorded"]
    applied = desk.events()[2].fill_busted
    assert (applied.applied, applied.fill_sequence, applied.fill.quantity) == (True, 2, "4")
    (done,) = desk.run(bust(named("t1")))
    assert (done.outcome.name, done.sequence, done.applied) == ("DUPLICATE", waits.sequence, True)


@pytest.mark.parametrize("fill_id", ["", "7"])
@pytest.mark.parametrize("bust_id", ["", "7"])
@pytest.mark.parametrize("fill_first", [True, False])
def test_busts_and_fills_without_order_ids_find_each_other(
    desk: MemoryDesk, fill_id: str, bust_id: str, fill_first: bool
) -> None:
    steps = [record(a_fill(order_id=fill_id)), bust(named("t1", order_id=bust_id))]
    desk.run(*(steps if fill_first else reversed(steps)))
    desk.restart()
    # Whatever comes again is known.
    assert outcomes(desk.run(*steps)) == ["DUPLICATE", "DUPLICATE"]
    desk.run(record(a_fill(order_id="7")), record(a_fill("t2", 5)))
    order = the_order(desk)
    assert (order.cumulative, order.order_id) == (5, "7")


# ---------------------------------------------------------------------- correct


def test_a_correction_replaces_the_fill(desk: MemoryDesk) -> None:
    desk.run(ordered(10), record(a_fill("A", 10, 100, fees={"USDT": "1"}, trade_time=5)))
    (result,) = desk.run(correct(named("A"), a_fill("B", 9, 110, fees={"BNB": "2"}, trade_time=4)))
    order = the_order(desk)
    assert (result.outcome.name, result.applied) == ("RECORDED", True)
    assert (order.cumulative, order.average, order.fees) == (9, 110, {"BNB": [2, 1]})
    assert (order.status, order.leaves, order.fill_count) == (PARTIALLY_FILLED, 1, 1)
    assert (order.first_fill_time, order.last_fill_time) == (4, 4)
    assert states(desk) == {"A": "CORRECTED", "B": "STANDING"}
    event = desk.events()[-1].fill_corrected
    assert (event.applied, event.fill_sequence, event.replaced.trade_id, event.standing) == (
        True,
        2,
        "A",
        True,
    )


@pytest.mark.parametrize("named_link", ["A", "B"])
def test_a_chain_is_corrected_by_any_of_its_links(desk: MemoryDesk, named_link: str) -> None:
    desk.run(record(a_fill("A", 3)), correct(named("A"), a_fill("B", 2)))
    desk.run(correct(named(named_link), a_fill("C", 1)))
    assert the_order(desk).cumulative == 1
    assert states(desk) == {"A": "CORRECTED", "B": "CORRECTED", "C": "STANDING"}
    assert (
        outcomes(desk.run(*(record(a_fill(*f)) for f in (("A", 3), ("B", 2), ("C", 1))))) == ["DUPLICATE"] * 3
    )
    assert the_order(desk).cumulative == 1


@pytest.mark.parametrize("named_link", ["A", "B", "C"])
def test_a_chain_is_busted_by_any_of_its_links_once(desk: MemoryDesk, named_link: str) -> None:
    desk.run(record(a_fill("A", 3)), correct(named("A"), a_fill("B", 2)), correct(named("B"), a_fill("C", 1)))
    desk.run(record(a_fill("Z", 5)), bust(named(named_link)))
    assert the_order(desk).cumulative == 5
    assert outcomes(desk.run(bust(named("A")), bust(named("B")), bust(named("C")))) == ["DUPLICATE"] * 3
    # A tombstone stays: what corrects it later does not stand.
    desk.run(correct(named("C"), a_fill("D", 9)))
    assert the_order(desk).cumulative == 5
    assert states(desk) == {
        "A": "CORRECTED",
        "B": "CORRECTED",
        "C": "CORRECTED",
        "D": "BUSTED",
        "Z": "STANDING",
    }
    assert not desk.events()[-1].fill_corrected.standing


CHAIN = {
    "fill A": record(a_fill("A", 10, 100, trade_time=1)),
    "A←B": correct(named("A"), a_fill("B", 5, 101, trade_time=2)),
    "B←C": correct(named("B"), a_fill("C", 8, 102, trade_time=3)),
    "fill B": record(a_fill("B", 5, 101, trade_time=2)),
    "fill C": record(a_fill("C", 8, 102, trade_time=3)),
}


@pytest.mark.parametrize("busted", [None, "A", "B", "C"])
@pytest.mark.parametrize("listed", [(), ("fill B",), ("fill C",), ("fill B", "fill C")])
def test_chains_in_every_order_of_arrival(busted: str | None, listed: tuple[str, ...]) -> None:
    steps = [CHAIN[name] for name in ("fill A", "A←B", "B←C", *listed)]
    steps += [bust(named(busted))] if busted else []
    ends = []
    for order_of_arrival in itertools.permutations(steps):
        desk = MemoryDesk()
        desk.run(ordered(20), report(a_report(FILLED, 5)), *order_of_arrival)
        ends.append(look(desk))
        assert ends[-1] == ends[0]
        order = the_order(desk)
        assert order.cumulative == (0 if busted else 8)
        assert order.status == (NEW if busted else PARTIALLY_FILLED)
        assert order.last_fill_time == (None if busted else 3)
        before = desk.events()[:]
        assert set(outcomes(desk.run(*order_of_arrival))) == {"DUPLICATE"}
        assert desk.events() == before


def test_a_correction_is_the_same_only_with_the_same_content(desk: MemoryDesk) -> None:
    desk.run(record(a_fill("A", 3)))
    (first,) = desk.run(correct(named("A"), a_fill("B", 2)))
    same, other, again, fee = desk.run(
        correct(named("A"), a_fill("B", 2)),
        correct(named("A"), a_fill("B", 1)),
        correct(named("A"), a_fill("B", 1)),
        correct(named("A"), a_fill("B", 2, fees={"USDT": "1"})),
    )
    assert (same.outcome.name, same.sequence) == ("DUPLICATE", first.sequence)
    assert (other.outcome.name, again.outcome.name, again.sequence) == (
        "CONFLICT",
        "CONFLICT",
        other.sequence,
    )
    assert fee.outcome.name == "ENRICHED"
    assert (the_order(desk).cumulative, the_order(desk).fees) == (2, {"USDT": [1, 1]})
    assert kinds(desk.events())[2:] == ["fill_conflicted", "order_anomaly", "fill_enriched"]


def test_a_correction_that_waits_is_the_same_only_with_the_same_content(desk: MemoryDesk) -> None:
    (first,) = desk.run(correct(named("A"), a_fill("B", 2)))
    desk.restart()
    same, other, again = desk.run(*(correct(named("A"), a_fill("B", n)) for n in (2, 1, 1)))
    assert (same.outcome.name, same.sequence, same.applied) == ("DUPLICATE", first.sequence, False)
    assert (other.outcome.name, again.outcome.name, again.sequence) == (
        "CONFLICT",
        "CONFLICT",
        other.sequence,
    )
    desk.run(record(a_fill("A", 3)))
    assert the_order(desk).cumulative == 2


def test_a_correction_listed_before_with_other_content_leaves_what_stands(desk: MemoryDesk) -> None:
    desk.run(record(a_fill("A", 3)), record(a_fill("B", 2, 100)))
    desk.run(correct(named("A"), a_fill("B", 1, 100, liquidity=1)))
    assert the_order(desk).cumulative == 2
    assert kinds(desk.events())[2:] == ["fill_conflicted", "order_anomaly", "fill_corrected"]
    assert desk.events()[-1].fill_corrected.fill.quantity == "2"


def test_a_correction_must_have_its_own_id_and_no_circle_closes(desk: MemoryDesk) -> None:
    with pytest.raises(InvalidFieldError):
        desk.run(correct(named("A"), a_fill("A", 1)))
    assert desk.events() == []
    desk.run(record(a_fill("A", 3)), correct(named("A"), a_fill("B", 2)))
    before = len(desk.events())
    (result,) = desk.run(correct(named("B"), a_fill("A", 3)))
    assert result.outcome.name == "CONFLICT"
    assert (len(desk.events()), the_order(desk).cumulative) == (before, 2)


def test_circles_that_wait_do_not_close_either(desk: MemoryDesk) -> None:
    desk.run(correct(named("A"), a_fill("B", 2)), correct(named("B"), a_fill("A", 3)), record(a_fill("A", 3)))
    assert the_order(desk).cumulative == 2
    desk.restart()
    assert the_order(desk).cumulative == 2


def test_one_trade_does_not_correct_two(desk: MemoryDesk) -> None:
    desk.run(record(a_fill("A", 3)), record(a_fill("D", 3)), correct(named("D"), a_fill("C", 1)))
    (result,) = desk.run(correct(named("A"), a_fill("C", 1)))
    assert result.outcome.name == "CONFLICT"
    assert the_order(desk).cumulative == 4
    # ... nor when it waits for the second.
    desk.run(correct(named("E"), a_fill("C", 1)), record(a_fill("E", 5)))
    assert the_order(desk).cumulative == 9


def test_a_waiting_bust_of_a_chain_that_is_busted_already_counts_once(desk: MemoryDesk) -> None:
    desk.run(bust(named("B")), record(a_fill("A", 3)), record(a_fill("Z", 5)), bust(named("A")))
    desk.run(correct(named("A"), a_fill("B", 2)))
    assert (the_order(desk).cumulative, the_order(desk).reversed_quantity) == (5, 3)


def test_figures_of_reversals_are_exact(desk: MemoryDesk) -> None:
    big, small = "12345678901234567890.123456789012345678", "0.000000000000000001"
    desk.run(record(a_fill("A", big)), correct(named("A"), a_fill("B", small)))
    assert the_order(desk).reversed_quantity == Decimal("12345678901234567890.123456789012345677")
    desk.run(bust(named("A")))
    assert the_order(desk).reversed_quantity == Decimal(big)


def test_the_corrections_client_id_joins_what_was_registered(desk: MemoryDesk) -> None:
    desk.run(register(a_report(PENDING_NEW, order_id="", client_order_id="c", order_quantity=5)))
    desk.run(correct(named("A"), a_fill("B", 2, client_order_id="c")), record(a_fill("A", 3)))
    order = the_order(desk)
    assert (order.number, order.order_id, order.cumulative) == (1, "7", 2)


def test_states_of_fills(desk: MemoryDesk) -> None:
    desk.run(
        record(a_fill("A", 3)), record(a_fill("B", 2)), bust(named("B")), correct(named("A"), a_fill("B", 2))
    )
    # B was busted before it was known to correct A: nothing of the chain stands.
    assert the_order(desk).cumulative == 0
    assert states(desk) == {"A": FillState.CORRECTED.name, "B": FillState.BUSTED.name}
