"""Orders: registration, reports, and which order a message belongs to."""

import itertools
from dataclasses import replace
from typing import Any

import pytest
from tests.support.desks import (
    ORDER_ID,
    SECOND,
    START,
    Command,
    MemoryDesk,
    a_fill,
    a_report,
    bust,
    kinds,
    look,
    outcomes,
    record,
    register,
    report,
)

from fillhandler_server.domain.events import AnomalyKind
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.reports import OrderReport, OrderStatus

pytestmark = pytest.mark.partial

(
    PENDING_NEW,
    NEW,
    PARTIALLY_FILLED,
    FILLED,
    PENDING_CANCEL,
    PENDING_REPLACE,
    CANCELED,
    EXPIRED,
    REJECTED,
    UNKNOWN,
) = (OrderStatus(n) for n in range(1, 11))


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


def the_order(desk: MemoryDesk) -> Order:
    (order,) = desk.orders()
    return order


def anomalies(desk: MemoryDesk) -> list[AnomalyKind]:
    events = [event for event in desk.events() if event.WhichOneof("event") == "order_anomaly"]
    return [AnomalyKind(event.order_anomaly.kind) for event in events]


def terms(**more: Any) -> OrderReport:
    given = {
        "order_quantity": 10,
        "limit_price": 100,
        "type": "limit",
        "client_order_id": "c",
        "order_id": "",
    }
    return a_report(PENDING_NEW, **{**given, **more})


# ---------------------------------------------------------------------- registration


def test_an_order_that_was_only_registered_is_pending_new(desk: MemoryDesk) -> None:
    (result,) = desk.run(register(terms(expected_price="99.5", create_time=3)))
    order = the_order(desk)
    assert (result.outcome.name, result.sequence, order.registered) == ("RECORDED", 1, 1)
    assert (order.status, order.leaves, order.average) == (PENDING_NEW, 10, None)
    assert (order.expected_price, order.limit_price, order.type, order.create_time) == (99.5, 100, "limit", 3)


@pytest.mark.parametrize(
    ("again", "outcome"),
    [
        ({}, "DUPLICATE"),
        ({"order_quantity": "10.0"}, "DUPLICATE"),
        ({"order_quantity": None, "type": ""}, "DUPLICATE"),
        ({"order_quantity": 11}, "CONFLICT"),
        ({"limit_price": 0}, "CONFLICT"),
        ({"side": 2}, "CONFLICT"),
        ({"type": "market"}, "CONFLICT"),
        ({"symbol": ""}, "DUPLICATE"),
        ({"expected_price": 99}, "ENRICHED"),
        ({"expected_price": 99, "order_quantity": 11}, "CONFLICT"),
        ({"order_id": "7"}, "ENRICHED"),
    ],
)
def test_registering_again(desk: MemoryDesk, again: dict[str, Any], outcome: str) -> None:
    desk.run(register(terms()))
    assert outcomes(desk.run(register(terms(**again)))) == [outcome]
    assert len(desk.events()) == (2 if outcome == "ENRICHED" else 1)
    desk.restart()
    assert outcomes(desk.run(register(terms(**again)))) == ["DUPLICATE" if outcome == "ENRICHED" else outcome]
    assert len(desk.events()) == (2 if outcome == "ENRICHED" else 1)
    assert (the_order(desk).order_quantity, the_order(desk).registered) == (10, 1)
    assert outcomes(desk.run(register(terms()))) == ["DUPLICATE"]


def test_a_limit_of_zero_is_a_price(desk: MemoryDesk) -> None:
    desk.run(register(terms(limit_price=0)))
    assert outcomes(desk.run(register(terms(limit_price=5)))) == ["CONFLICT"]
    assert the_order(desk).limit_price == 0


def test_what_the_venue_says_was_ordered_outranks_the_registration(desk: MemoryDesk) -> None:
    desk.run(
        report(a_report(NEW, 5, order_quantity=8, limit_price=99, client_order_id="c")), register(terms())
    )
    assert (the_order(desk).order_quantity, the_order(desk).limit_price) == (8, 99)


# ---------------------------------------------------------------------- reports


def test_the_same_report_again_is_a_duplicate(desk: MemoryDesk) -> None:
    said = a_report(NEW, 5, order_quantity="10")
    first, again = desk.run(report(said), report(a_report(NEW, 5, order_quantity="10.0")))
    assert (first.outcome.name, again.outcome.name, again.sequence) == (
        "RECORDED",
        "DUPLICATE",
        first.sequence,
    )
    desk.restart()
    assert outcomes(desk.run(report(said))) == ["DUPLICATE"]
    for other in (
        {"time": 6},
        {"status": PARTIALLY_FILLED},
        {"cumulative_quantity": "1"},
        {"market": "spot"},
        {"reason": "why"},
        {"contract_kind": 2},
    ):
        assert outcomes(
            desk.run(report(a_report(**{"status": NEW, "time": 5, "order_quantity": "10", **other})))
        ) == ["RECORDED"]


def test_a_report_without_a_time_counts_by_arrival_and_says_so(desk: MemoryDesk) -> None:
    new, cancel = report(a_report(NEW)), report(a_report(PENDING_CANCEL))
    desk.run(new)
    desk.run(cancel)
    assert the_order(desk).status == PENDING_CANCEL
    assert [event.order_reported.time_by_arrival for event in desk.events()] == [True, True]
    assert the_order(desk).pending_time == START + SECOND
    # Refused by the venue, and asked for again: by arrival each is news.
    assert outcomes(desk.run(new)) == ["RECORDED"]
    assert the_order(desk).status == NEW
    assert outcomes(desk.run(new)) == ["DUPLICATE"]
    assert outcomes(desk.run(cancel)) == ["RECORDED"]
    assert outcomes(desk.run(cancel)) == ["DUPLICATE"]
    assert the_order(desk).status == PENDING_CANCEL
    desk.run(report(a_report(CANCELED)))
    assert outcomes(desk.run(new, cancel)) == ["DUPLICATE", "DUPLICATE"]
    assert the_order(desk).status == CANCELED
    desk.run(report(a_report(NEW, 5)))
    assert not desk.events()[-1].order_reported.time_by_arrival


def test_ordered_quantity_unknown(desk: MemoryDesk) -> None:
    desk.run(report(a_report(NEW, 1)))
    assert (the_order(desk).status, the_order(desk).leaves) == (NEW, None)
    desk.run(record(a_fill()))
    assert (the_order(desk).status, the_order(desk).leaves) == (PARTIALLY_FILLED, None)


@pytest.mark.parametrize(
    ("status", "time", "stated", "anomaly"),
    [
        (CANCELED, 1, 3, True),
        (FILLED, 9, 3, True),
        (PARTIALLY_FILLED, 9, 3, True),  # later than every fill
        (PARTIALLY_FILLED, 4, 3, False),  # only late
        (PARTIALLY_FILLED, None, 3, False),
        (NEW, 1, 0, False),
        (CANCELED, 1, 5, False),
        (CANCELED, 1, None, False),
    ],
)
def test_a_cumulative_quantity_below_ours(
    desk: MemoryDesk, status: OrderStatus, time: int | None, stated: int | None, anomaly: bool
) -> None:
    desk.run(register(terms(order_id="7")), record(a_fill(quantity=5, trade_time=5)))
    desk.run(report(a_report(status, time, cumulative_quantity=stated)))
    assert the_order(desk).cumulative == 5
    assert anomalies(desk) == ([AnomalyKind.CUMULATIVE_BELOW_FILLS] if anomaly else [])


# ---------------------------------------------------------------------- which order

ACK = a_report(NEW, 5, symbol="", client_order_id="c", side=0)


def test_a_registration_by_client_id_is_joined_by_the_acknowledgement(desk: MemoryDesk) -> None:
    desk.run(register(terms()), report(ACK), record(a_fill()))
    order = the_order(desk)
    assert (order.number, order.order_id, order.client_order_id, order.cumulative) == (1, "7", "c", 1)
    assert kinds(desk.events()) == ["order_registered", "order_reported", "fill_recorded"]


def test_every_order_of_arrival_ends_in_one_order() -> None:
    steps = [register(terms()), report(ACK), record(a_fill("t1")), record(a_fill("t2", liquidity=1))]
    ends = []
    for order_of_arrival in itertools.permutations(steps):
        desk = MemoryDesk()
        for step in order_of_arrival:
            desk.run(step)
        ends.append(look(desk))
        assert the_order(desk).cumulative == 2
        assert ends[-1] == ends[0]
        assert set(outcomes(desk.run(*order_of_arrival))) == {"DUPLICATE"}


def test_two_orders_that_turn_out_to_be_one_merge_into_the_older(desk: MemoryDesk) -> None:
    desk.run(register(terms()), record(a_fill("t1", 4)), report(a_report(PARTIALLY_FILLED, 3, symbol="")))
    assert len(desk.orders()) == 2
    (result,) = desk.run(report(ACK))
    merged = next(event for event in desk.events() if event.WhichOneof("event") == "order_merged")
    assert (merged.order_number, merged.order_merged.merged_order_number) == (1, 2)
    assert merged.cumulative_quantity == "4"
    order = the_order(desk)
    assert result.order.number == order.number == 1
    assert (order.cumulative, order.leaves, order.fill_count, order.status) == (4, 6, 1, PARTIALLY_FILLED)
    for _ in range(2):
        assert (
            outcomes(desk.run(record(a_fill("t1", 4)), report(ACK), register(terms()))) == ["DUPLICATE"] * 3
        )
        desk.restart()
    desk.run(bust(a_fill("t1")))
    assert the_order(desk).cumulative == 0


def test_a_merge_counts_an_overfill_and_applies_what_waited(desk: MemoryDesk) -> None:
    desk.run(register(terms(order_quantity=3)), record(a_fill("t1", 4)), record(a_fill("t2", 1)), report(ACK))
    assert anomalies(desk) == [AnomalyKind.OVERFILL]
    other = MemoryDesk()
    other.run(
        bust(a_fill("t9", order_id="")),  # known by its trade only
        report(a_report(NEW, 1)),
        record(a_fill("t9", 5)),
        record(a_fill("t1", 1)),
    )
    assert the_order(other).cumulative == 1


def test_an_acknowledgement_without_symbol_joins_the_only_order(desk: MemoryDesk) -> None:
    desk.run(record(a_fill()), report(ACK))
    assert (the_order(desk).client_order_id, the_order(desk).symbol) == ("c", "BTCUSDT")


def test_an_acknowledgement_that_could_be_for_two_waits_as_one_of_its_own(desk: MemoryDesk) -> None:
    desk.run(record(a_fill()), record(a_fill(symbol="ETHUSDT")))
    ack = replace(ACK, client_order_id="")
    assert outcomes(desk.run(report(ack), report(ack))) == ["RECORDED", "DUPLICATE"]
    assert [order.symbol for order in desk.orders()] == ["BTCUSDT", "ETHUSDT", ""]


def test_an_acknowledgement_waits_for_its_symbol(desk: MemoryDesk) -> None:
    desk.run(report(ACK), record(a_fill(symbol="ETHUSDT")), record(a_fill("t2", symbol="SOLUSDT")))
    first, second = desk.orders()
    assert (first.symbol, first.client_order_id, second.symbol) == ("ETHUSDT", "c", "SOLUSDT")


def test_a_client_id_used_again_is_another_order(desk: MemoryDesk) -> None:
    desk.run(register(terms()), report(ACK), record(a_fill("t1", 10)))
    desk.run(report(replace(ACK, order_id="8")), record(a_fill("t1", 3, order_id="8", client_order_id="c")))
    seven, eight = desk.orders()
    assert (seven.order_id, seven.cumulative, seven.status) == ("7", 10, FILLED)
    assert (eight.order_id, eight.cumulative, eight.client_order_id) == ("8", 3, "c")
    # Said again, a registration that fits two is known by what it has, once.
    outcome = outcomes(desk.run(register(terms(order_quantity=5)), register(terms(order_quantity=5))))
    assert outcome == ["RECORDED", "DUPLICATE"]


def test_a_second_client_id_of_an_order_finds_what_waits_under_it(desk: MemoryDesk) -> None:
    desk.run(register(terms(client_order_id="d")))
    fills = [record(a_fill(f"t{n}", client_order_id="c")) for n in range(3)]
    desk.run(*fills, record(a_fill("t9", client_order_id="d")))
    order = the_order(desk)
    assert (order.number, order.order_id, order.cumulative) == (1, "7", 4)


# ---------------------------------------------------------------------- amended orders


def amended(old: str, new: str, time: int, **more: Any) -> Command:
    return report(a_report(NEW, time, order_id=new, previous_order_id=old, **more))


AMENDED = {
    "registration": register(terms(order_id="7")),
    "new": report(a_report(NEW, 1, order_id="7")),
    "fill of 7": record(a_fill("t1", 2, order_id="7")),
    "amended": amended("7", "8", 5, order_quantity=6),
    "canceled 7": report(a_report(CANCELED, 5, order_id="7")),
    "fill of 8": record(a_fill("t2", 3, order_id="8", price=110)),
}


def test_an_amended_order_is_one_order_in_every_order_of_arrival() -> None:
    ends = []
    for order_of_arrival in itertools.permutations(AMENDED.values()):
        desk = MemoryDesk()
        for step in order_of_arrival:
            desk.run(step)
        order = the_order(desk)
        assert (order.order_id, order.previous_order_id, order.order_ids) == ("8", "7", ["7", "8"])
        assert (order.cumulative, order.leaves, order.status, order.average) == (5, 1, PARTIALLY_FILLED, 106)
        ends.append(look(desk))
        assert ends[-1] == ends[0]
        before = desk.events()[:]
        desk.restart()
        assert set(outcomes(desk.run(*order_of_arrival))) == {"DUPLICATE"}
        assert desk.events() == before


def test_an_amended_orders_quantities_span_all_its_ids(desk: MemoryDesk) -> None:
    desk.run(
        register(terms(order_id="7")),
        record(a_fill("t1", 2)),
        amended("7", "8", 5, order_quantity=6),
        report(a_report(CANCELED, 5)),
        record(a_fill("t2", 3, order_id="8")),
        record(a_fill("t3", 1, order_id="7")),
    )
    order = the_order(desk)
    assert (order.cumulative, order.order_quantity, order.leaves, order.status) == (6, 6, 0, FILLED)
    desk.run(amended("8", "9", 6, order_quantity=9), report(a_report(CANCELED, 7, order_id="9")))
    assert (order.order_ids, order.status, order.leaves) == (["7", "8", "9"], CANCELED, 0)
    desk.restart()
    assert (the_order(desk).order_id, the_order(desk).order_ids) == ("9", ["7", "8", "9"])


def test_an_amend_without_a_new_id_yet_joins_the_old_one(desk: MemoryDesk) -> None:
    desk.run(record(a_fill("t1", 2)))
    desk.run(report(a_report(PENDING_REPLACE, 5, order_id="", previous_order_id="7", client_order_id="d")))
    assert (the_order(desk).status, the_order(desk).order_ids) == (PENDING_REPLACE, ["7"])


def test_a_refused_amend_leaves_the_order_as_it_was(desk: MemoryDesk) -> None:
    """Whether the refusal comes before or after the fill, and whatever id the amend would have had."""
    refused = a_report(REJECTED, START + 2, order_id="new", previous_order_id=ORDER_ID, order_quantity=9)
    for story in itertools.permutations([report(a_report(NEW, START, order_quantity=5)), report(refused)]):
        desk = MemoryDesk()
        desk.run(*story, record(a_fill("1", 2)))
        order = the_order(desk)
        assert (order.status, order.order_quantity, order.order_ids) == (PARTIALLY_FILLED, 5, [ORDER_ID])
        assert order.leaves == 3
        before = look(desk, exact=True)
        desk.restart()
        assert look(desk, exact=True) == before


def test_a_venue_that_counts_anew_after_an_amend(desk: MemoryDesk) -> None:
    """2 of 5 filled, then the rest is replaced by an order of 6 under a new id, of which 1 fills: 3 of 8."""
    desk.run(
        report(a_report(NEW, START, order_quantity=5, figures_of_id=True)),
        record(a_fill("1", 2)),
        report(
            a_report(
                NEW,
                START + 1,
                order_id="new",
                previous_order_id=ORDER_ID,
                order_quantity=6,
                figures_of_id=True,
            )
        ),
        record(a_fill("2", 1, order_id="new")),
    )
    said = a_report(
        PARTIALLY_FILLED,
        START + 2,
        order_id="new",
        order_quantity=6,
        cumulative_quantity=1,
        average_price=7,
        figures_of_id=True,
    )
    desk.run(report(said))
    order = the_order(desk)
    assert (order.order_quantity, order.cumulative, order.leaves) == (8, 3, 5)
    assert (order.reported_cumulative, order.reported_average, order.gap) == (3, None, 0)
    assert not anomalies(desk)
    assert outcomes(desk.run(report(said))) == ["DUPLICATE"]
    # The canceled rest of the first id states that id's own figures, which are no news of the whole.
    desk.run(
        report(a_report(CANCELED, START + 1, order_quantity=5, cumulative_quantity=2, figures_of_id=True))
    )
    assert (the_order(desk).status, the_order(desk).order_quantity) == (PARTIALLY_FILLED, 8)
