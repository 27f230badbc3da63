"""Fills: what identifies one, what another copy of it does, and what a late or excess one does."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from tests.support.desks import (
    BUY,
    SELL,
    MemoryDesk,
    a_fill,
    a_report,
    kinds,
    outcomes,
    record,
    register,
    report,
)

from fillhandler_server.domain.events import AnomalyKind
from fillhandler_server.domain.fills import Fill, FillState
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.reports import OrderStatus

pytestmark = pytest.mark.partial


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


def the_order(desk: MemoryDesk) -> Order:
    (order,) = desk.orders()
    return order


def anomalies(desk: MemoryDesk) -> list[AnomalyKind]:
    return [
        AnomalyKind(event.order_anomaly.kind)
        for event in desk.events()
        if event.WhichOneof("event") == "order_anomaly"
    ]


# ---------------------------------------------------------------------- identity


def test_a_fill_for_an_order_nobody_registered_is_booked(desk: MemoryDesk) -> None:
    (result,) = desk.run(record(a_fill(quantity=4, trade_time=5)))
    order = the_order(desk)
    assert (result.outcome.name, result.sequence, order.number) == ("RECORDED", 1, 1)
    assert (order.registered, order.order_quantity, order.leaves) == (0, None, None)
    assert (order.status, order.cumulative) == (OrderStatus.PARTIALLY_FILLED, 4)


OTHER_IDENTITIES: dict[str, dict[str, Any]] = {
    "venue": {"venue": "kraken"},
    "account": {"account": "second"},
    "market": {"market": "linear"},
    "symbol": {"symbol": "ETHUSDT"},
    "order_id": {"order_id": "8"},
    "side": {"side": SELL},
    "trade_id": {"trade_id": "t2"},
    "leg": {"leg": "open"},
}


@pytest.mark.parametrize("other", OTHER_IDENTITIES.values(), ids=OTHER_IDENTITIES)
def test_each_part_of_the_identity_tells_fills_apart(desk: MemoryDesk, other: dict[str, Any]) -> None:
    first = a_fill(market="spot")
    assert outcomes(desk.run(record(first), record(replace(first, **other)))) == ["RECORDED", "RECORDED"]
    assert outcomes(desk.run(record(first), record(replace(first, **other)))) == ["DUPLICATE", "DUPLICATE"]
    assert sum(order.cumulative for order in desk.orders()) == 2
    same_order = {"side", "trade_id", "leg"} & set(other)
    assert len(desk.orders()) == (1 if same_order else 2)


def test_a_self_trade_has_two_sides_and_two_orders(desk: MemoryDesk) -> None:
    buy, sell = a_fill("t1", order_id="7", side=BUY), a_fill("t1", order_id="8", side=SELL)
    assert outcomes(desk.run(record(buy), record(sell))) == ["RECORDED", "RECORDED"]
    assert [order.side for order in desk.orders()] == [BUY, SELL]
    assert anomalies(desk) == []


def test_a_position_flip_sends_two_fills_under_one_id(desk: MemoryDesk) -> None:
    parts = [a_fill("t1", 3, leg="close"), a_fill("t1", 2, leg="open")]
    assert outcomes(desk.run(*map(record, parts))) == ["RECORDED", "RECORDED"]
    assert outcomes(desk.run(*map(record, reversed(parts)))) == ["DUPLICATE", "DUPLICATE"]
    assert the_order(desk).cumulative == 5


def test_one_match_can_serve_two_orders(desk: MemoryDesk) -> None:
    assert outcomes(desk.run(record(a_fill(order_id="7")), record(a_fill(order_id="8")))) == ["RECORDED"] * 2


def test_the_other_side_than_the_orders_is_booked_with_an_anomaly(desk: MemoryDesk) -> None:
    desk.run(register(a_report(OrderStatus.PENDING_NEW, order_quantity=5)), record(a_fill(side=SELL)))
    assert anomalies(desk) == [AnomalyKind.SIDE_MISMATCH]
    assert the_order(desk).cumulative == 1
    assert outcomes(desk.run(record(a_fill(side=SELL)), record(a_fill(side=BUY)))) == [
        "DUPLICATE",
        "RECORDED",
    ]


# ---------------------------------------------------------------------- the same fill again


def test_the_same_fill_again_is_a_duplicate_for_ever(desk: MemoryDesk) -> None:
    fill = a_fill(price="1.50", fees={"USDT": "0.10"}, trade_time=5)
    (first,) = desk.run(record(fill))
    before = desk.events()[:]
    again = replace(fill, price=Decimal("1.5"), trade_time=9, receive_time=8, metadata={"a": "b"})
    for _ in range(2):
        results = desk.run(record(fill), record(again))
        assert outcomes(results) == ["DUPLICATE", "DUPLICATE"]
        assert {result.sequence for result in results} == {first.sequence}
        desk.restart()
    assert desk.events() == before
    assert the_order(desk).first_fill_time == 5


def test_another_content_is_a_conflict_that_names_what_differs(desk: MemoryDesk) -> None:
    first = a_fill(quantity=1, price=100, fees={"USDT": "1"}, liquidity=1)
    other = a_fill(quantity=2, price=101, fees={"USDT": "1"}, liquidity=2)
    (recorded,) = desk.run(record(first))
    (conflict,) = desk.run(record(other))
    event, anomaly = desk.events()[-2:]
    assert (conflict.outcome.name, conflict.sequence) == ("CONFLICT", event.sequence)
    assert anomaly.order_anomaly.kind == AnomalyKind.CONFLICTING_FILL
    assert anomaly.order_anomaly.text == "another copy of trade t1 differs in quantity, price, liquidity"
    assert list(event.fill_conflicted.fields) == ["quantity", "price", "liquidity"]
    assert event.fill_conflicted.fill_sequence == recorded.sequence
    assert event.fill_conflicted.fill.quantity == "2"
    assert the_order(desk).cumulative == 1

    # The same conflict again adds no event, a third content does.
    desk.restart()
    (again,) = desk.run(record(other))
    assert (again.outcome.name, again.sequence) == ("CONFLICT", conflict.sequence)
    (third,) = desk.run(record(replace(other, price=Decimal(102))))
    assert (third.outcome.name, third.sequence) == ("CONFLICT", 4)
    # The first one is a duplicate still.
    assert outcomes(desk.run(record(first))) == ["DUPLICATE"]
    conflict_and_anomaly = ["fill_conflicted", "order_anomaly"]
    assert kinds(desk.events()) == ["fill_recorded", *conflict_and_anomaly, *conflict_and_anomaly]


ENRICHMENTS: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "fee": ({}, {"fees": {"USDT": "1"}}, ["fees"]),
    "maker flag": ({}, {"liquidity": 1}, ["liquidity"]),
    "price": ({"price": None}, {"price": 100}, ["price"]),
    "contract": ({}, {"contract_kind": 3, "multiplier": "10"}, ["contract"]),
    "client id": ({}, {"client_order_id": "c"}, ["client_order_id"]),
    "market": ({}, {"market": "spot"}, ["market"]),
    "currencies": (
        {},
        {"base_currency": "BTC", "quote_currency": "USDT"},
        ["base_currency", "quote_currency"],
    ),
    "several": (
        {},
        {"fees": {"USDT": "1"}, "liquidity": 1, "market": "spot"},
        ["market", "fees", "liquidity"],
    ),
}


@pytest.mark.parametrize(("first", "later", "names"), ENRICHMENTS.values(), ids=ENRICHMENTS)
def test_null_to_value_is_enriched_and_back_is_a_duplicate(
    desk: MemoryDesk, first: dict[str, Any], later: dict[str, Any], names: list[str]
) -> None:
    whole = {**first, **later}
    (recorded, enriched) = desk.run(record(a_fill(**first)), record(a_fill(**whole)))
    event = desk.events()[-1]
    assert (enriched.outcome.name, enriched.sequence) == ("ENRICHED", event.sequence)
    assert list(event.fill_enriched.fields) == names
    assert event.fill_enriched.fill_sequence == recorded.sequence
    again = desk.run(record(a_fill(**first)), record(a_fill(**whole)))
    assert outcomes(again) == ["DUPLICATE", "DUPLICATE"]
    assert {result.sequence for result in again} == {recorded.sequence}

    other_way_round = MemoryDesk()
    assert outcomes(other_way_round.run(record(a_fill(**whole)), record(a_fill(**first)))) == [
        "RECORDED",
        "DUPLICATE",
    ]
    for name in (
        "cumulative",
        "fees",
        "average",
        "cumulative_notional",
        "market",
        "client_order_id",
        "fills_without_fee",
    ):
        assert getattr(the_order(desk), name) == getattr(the_order(other_way_round), name), name


def test_a_conflict_that_would_also_enrich_changes_nothing(desk: MemoryDesk) -> None:
    results = desk.run(record(a_fill(price=100)), record(a_fill(price=101, fees={"USDT": "1"}, liquidity=1)))
    assert outcomes(results) == ["RECORDED", "CONFLICT"]
    assert list(desk.events()[-2].fill_conflicted.fields) == ["price"]
    order = the_order(desk)
    assert (order.fees, order.fills_without_fee) == ({}, 1)
    # What stands is still open to be enriched by a copy that agrees.
    assert outcomes(desk.run(record(a_fill(price=100, liquidity=1)))) == ["ENRICHED"]


def test_an_enrichment_by_steps(desk: MemoryDesk) -> None:
    steps = [
        {},
        {"liquidity": 2},
        {"fees": {"USDT": "1"}},
        {"liquidity": 2, "fees": {"USDT": "1"}},
        {"liquidity": 1},
    ]
    results = [desk.run(record(a_fill(**step)))[0] for step in steps]
    assert outcomes(results) == ["RECORDED", "ENRICHED", "ENRICHED", "DUPLICATE", "CONFLICT"]
    assert the_order(desk).fees == {"USDT": [1, 1]}


# ---------------------------------------------------------------------- arrival


def test_fills_out_of_order_have_the_times_of_the_trades(desk: MemoryDesk) -> None:
    desk.run(*(record(a_fill(f"t{time}", trade_time=time)) for time in (5, 9, 2, 7)))
    order = the_order(desk)
    assert (order.first_fill_time, order.last_fill_time) == (2, 9)
    desk.run(record(a_fill("untimed")))
    assert (order.first_fill_time, order.last_fill_time) == (2, 9)


def test_fills_before_their_order(desk: MemoryDesk) -> None:
    desk.run(record(a_fill("t1", 4)))
    desk.run(
        register(a_report(OrderStatus.PENDING_NEW, order_quantity=10, client_order_id="c", limit_price=99))
    )
    order = the_order(desk)
    assert (order.registered, order.status, order.leaves) == (2, OrderStatus.PARTIALLY_FILLED, 6)
    desk.run(record(a_fill("t2", 6)))
    assert (order.status, order.leaves, order.limit_price) == (OrderStatus.FILLED, 0, 99)


def test_overfill_is_booked_with_an_event(desk: MemoryDesk) -> None:
    desk.run(register(a_report(OrderStatus.PENDING_NEW, order_quantity=10)))
    desk.run(record(a_fill("t1", 8)), record(a_fill("t2", 5)))
    order = the_order(desk)
    assert (order.cumulative, order.leaves, order.overfill) == (13, 0, 3)
    assert (order.status, anomalies(desk)) == (OrderStatus.FILLED, [AnomalyKind.OVERFILL])
    assert "13 of 10" in desk.events()[-1].order_anomaly.text
    # A report on an overfilled order is no news; more of it is.
    desk.run(report(a_report(OrderStatus.FILLED, 5, cumulative_quantity=13)))
    assert anomalies(desk) == [AnomalyKind.OVERFILL]
    desk.run(record(a_fill("t3", 1)))
    assert anomalies(desk) == [AnomalyKind.OVERFILL] * 2


def test_overfill_that_the_registration_shows(desk: MemoryDesk) -> None:
    desk.run(record(a_fill("t1", 8)))
    desk.run(register(a_report(OrderStatus.PENDING_NEW, order_quantity=5)))
    assert anomalies(desk) == [AnomalyKind.OVERFILL]
    assert the_order(desk).overfill == 3


@pytest.mark.parametrize("dead", [OrderStatus.CANCELED, OrderStatus.EXPIRED])
def test_late_fills_of_a_dead_order(desk: MemoryDesk, dead: OrderStatus) -> None:
    desk.run(register(a_report(OrderStatus.PENDING_NEW, order_quantity=10)), report(a_report(dead, 5)))
    desk.run(record(a_fill("t1", 4)))
    order = the_order(desk)
    assert (order.status, order.cumulative, order.leaves) == (dead, 4, 0)
    desk.run(record(a_fill("t2", 6)))
    assert (order.status, order.cumulative, order.leaves) == (OrderStatus.FILLED, 10, 0)
    assert anomalies(desk) == []


def test_fills_after_a_rejection(desk: MemoryDesk) -> None:
    desk.run(
        register(a_report(OrderStatus.PENDING_NEW, order_quantity=10)),
        report(a_report(OrderStatus.REJECTED, 5, reason="no funds")),
        record(a_fill("t1", 4)),
    )
    order = the_order(desk)
    assert (order.status, order.cumulative, order.leaves) == (OrderStatus.PARTIALLY_FILLED, 4, 0)
    assert anomalies(desk) == [AnomalyKind.FILL_AFTER_REJECTION]
    desk.run(record(a_fill("t2", 6)))
    assert (order.status, order.leaves) == (OrderStatus.FILLED, 0)


# ---------------------------------------------------------------------- without an order id


def no_id(trade_id: str = "t1", quantity: int = 1, **more: Any) -> Fill:
    return a_fill(trade_id, quantity, order_id="", **more)


def test_without_an_order_id_it_is_the_only_standing_fill_with_that_trade(desk: MemoryDesk) -> None:
    first, again = desk.run(record(a_fill()), record(no_id()))
    assert (again.outcome.name, again.sequence) == ("DUPLICATE", first.sequence)
    assert outcomes(desk.run(record(no_id(price=101)), record(no_id(liquidity=1)))) == [
        "CONFLICT",
        "ENRICHED",
    ]
    assert the_order(desk).cumulative == 1


@pytest.mark.parametrize(
    "other", [{"side": SELL}, {"leg": "open"}, {"symbol": "ETHUSDT"}, {"account": "b"}, {"market": "linear"}]
)
def test_without_an_order_id_the_rest_of_the_identity_counts(desk: MemoryDesk, other: dict[str, Any]) -> None:
    assert outcomes(desk.run(record(a_fill(market="spot")), record(no_id(**other)))) == ["RECORDED"] * 2
    assert len(desk.orders()) == 2


def test_without_an_order_id_it_waits_and_is_taken_over_counted_once(desk: MemoryDesk) -> None:
    results = desk.run(record(no_id()), record(no_id()))
    assert outcomes(results) == ["RECORDED", "DUPLICATE"]
    (enriched,) = desk.run(record(a_fill(client_order_id="c")))
    assert enriched.outcome.name == "ENRICHED"
    assert list(desk.events()[-1].fill_enriched.fields) == ["order_id", "client_order_id"]
    order = the_order(desk)
    assert (order.cumulative, order.order_id, order.client_order_id) == (1, "7", "c")
    desk.restart()
    again = desk.run(record(no_id()), record(a_fill()), record(a_fill("t2")), record(no_id("t2")))
    assert outcomes(again) == ["DUPLICATE", "DUPLICATE", "RECORDED", "DUPLICATE"]
    assert the_order(desk).cumulative == 2


@pytest.mark.parametrize("seen_before", [True, False])
def test_a_trade_taken_over_by_an_order_that_is_known_already(desk: MemoryDesk, seen_before: bool) -> None:
    if seen_before:
        desk.run(record(no_id("t1")))
    # Often, so that the way to order 7 is remembered before the trade comes without its order id.
    desk.run(record(a_fill("t1")), record(a_fill("t2")), record(a_fill("t3")))
    desk.run(record(no_id("t4", 5)))
    assert len(desk.orders()) == 2
    assert outcomes(desk.run(record(a_fill("t4", 5)))) == ["DUPLICATE"]
    assert "order_merged" in kinds(desk.events())
    assert the_order(desk).cumulative == 8


def test_a_trade_without_its_order_id_joins_the_client_id_to_the_order(desk: MemoryDesk) -> None:
    desk.run(register(a_report(OrderStatus.PENDING_NEW, order_id="", client_order_id="c", order_quantity=3)))
    desk.run(record(a_fill()))
    assert len(desk.orders()) == 2
    desk.run(record(no_id(client_order_id="c")))
    order = the_order(desk)
    assert (order.order_id, order.client_order_id, order.cumulative, order.leaves) == ("7", "c", 1, 2)


def test_an_ambiguous_trade_is_booked_once(desk: MemoryDesk) -> None:
    desk.run(record(a_fill(order_id="7")), record(a_fill(order_id="8")))
    assert outcomes(desk.run(record(no_id()), record(no_id()))) == ["RECORDED", "DUPLICATE"]
    desk.restart()
    assert outcomes(desk.run(record(a_fill(order_id="7")), record(no_id()))) == ["DUPLICATE", "DUPLICATE"]
    assert sum(order.cumulative for order in desk.orders()) == 3


def test_client_ids_tell_the_two_orders_of_one_match_apart(desk: MemoryDesk) -> None:
    results = desk.run(record(a_fill(client_order_id="a")), record(no_id(client_order_id="b")))
    assert outcomes(results) == ["RECORDED", "RECORDED"]
    assert outcomes(desk.run(record(no_id(client_order_id="a")))) == ["DUPLICATE"]


def test_two_copies_of_a_trade_meet_when_their_orders_turn_out_to_be_one(desk: MemoryDesk) -> None:
    desk.run(record(a_fill(order_id="7", price=100)), record(a_fill(order_id="8", price=100)))
    # Ambiguous, so booked apart; then the order's two ids show whose it was.
    copies = [
        record(no_id(price=100, liquidity=1, client_order_id="c")),
        record(no_id("t2", 5, client_order_id="c")),
    ]
    desk.run(*copies)
    assert len(desk.orders()) == 3
    desk.run(report(a_report(OrderStatus.NEW, 5, client_order_id="c")))
    seven, eight = desk.orders()
    assert (seven.order_id, seven.cumulative, seven.fill_count, eight.cumulative) == ("7", 6, 2, 1)
    assert "fill_enriched" in kinds(desk.events())  # the copy knew more
    assert list(desk.book.states.values()) == [FillState.CORRECTED]
    assert outcomes(desk.run(*copies)) == ["DUPLICATE", "DUPLICATE"]


# ---------------------------------------------------------------------- market


def test_a_payload_without_a_market_joins_the_only_order(desk: MemoryDesk) -> None:
    assert outcomes(desk.run(record(a_fill(market="spot")), record(a_fill()))) == ["RECORDED", "DUPLICATE"]
    assert the_order(desk).market == "spot"


def test_an_empty_market_is_filled_in(desk: MemoryDesk) -> None:
    assert outcomes(desk.run(record(a_fill()), record(a_fill(market="spot")))) == ["RECORDED", "ENRICHED"]
    assert the_order(desk).market == "spot"
    assert outcomes(desk.run(record(a_fill(market="linear")))) == ["RECORDED"]
    assert len(desk.orders()) == 2


def test_an_ambiguous_market_opens_one_order_and_only_one(desk: MemoryDesk) -> None:
    desk.run(record(a_fill(market="spot")), record(a_fill(market="linear")))
    results = desk.run(record(a_fill()), record(a_fill()), record(a_fill("t2")))
    assert outcomes(results) == ["RECORDED", "DUPLICATE", "RECORDED"]
    assert [order.market for order in desk.orders()] == ["spot", "linear", ""]
