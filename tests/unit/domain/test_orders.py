"""Status, leaves and times of an order as functions of its sums and its reports, in tables."""

import itertools
from decimal import Decimal

import pytest
from tests.support.desks import BUY, a_fill, a_report

from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.reports import OrderStatus

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

pytestmark = pytest.mark.partial


def an_order(*said: tuple[OrderStatus, int], filled: str | int = 0, ordered: str | int | None = 10) -> Order:
    order = Order(1, "binance", "main")
    order.learn(market="", symbol="BTCUSDT", order_id="7", client_order_id="", side=BUY)
    order.registered = 1
    if ordered is not None:
        order.take_terms(a_report(PENDING_NEW, order_quantity=ordered), -1)
    for status, time in said:
        order.add_report(a_report(status, time), time)
    if Decimal(filled):
        order.fills["t1"] = 2
        order.add_fill(a_fill("t1", filled))
    order.refresh()
    return order


REPORTS: list[tuple[list[tuple[OrderStatus, int]], str, OrderStatus]] = [
    # reports with their times, filled of 10, status
    ([], "0", PENDING_NEW),
    ([], "4", PARTIALLY_FILLED),
    ([], "10", FILLED),
    ([], "11", FILLED),
    ([(NEW, 1)], "0", NEW),
    ([(NEW, 1)], "4", PARTIALLY_FILLED),
    ([(NEW, 9)], "10", FILLED),  # a stale NEW takes nothing back
    ([(PARTIALLY_FILLED, 1)], "0", PARTIALLY_FILLED),  # its fill has not come yet
    ([(PARTIALLY_FILLED, 1), (NEW, 2)], "0", PARTIALLY_FILLED),
    ([(UNKNOWN, 1)], "0", UNKNOWN),
    ([(UNKNOWN, 5), (NEW, 1)], "0", NEW),
    ([(UNKNOWN, 5)], "4", PARTIALLY_FILLED),
    ([(FILLED, 1)], "0", FILLED),  # its fills have not come yet
    ([(FILLED, 1)], "4", FILLED),
    ([(FILLED, 1), (NEW, 2)], "4", FILLED),
    ([(CANCELED, 1)], "0", CANCELED),
    ([(CANCELED, 1)], "4", CANCELED),
    ([(CANCELED, 1)], "10", FILLED),
    ([(CANCELED, 1), (NEW, 2)], "0", CANCELED),  # final outranks NEW, whatever its time
    ([(EXPIRED, 1)], "4", EXPIRED),
    ([(EXPIRED, 1)], "10", FILLED),
    ([(REJECTED, 1)], "0", REJECTED),
    ([(REJECTED, 1)], "4", PARTIALLY_FILLED),  # status by quantity
    ([(REJECTED, 1)], "10", FILLED),
    ([(UNKNOWN, 1), (REJECTED, 2)], "0", REJECTED),
    # Among finals FILLED comes first, then the earlier, then CANCELED, EXPIRED, REJECTED.
    ([(FILLED, 9), (CANCELED, 1)], "4", FILLED),
    ([(CANCELED, 1), (EXPIRED, 2)], "0", CANCELED),
    ([(CANCELED, 2), (EXPIRED, 1)], "0", EXPIRED),
    ([(CANCELED, 2), (REJECTED, 1)], "0", REJECTED),
    ([(CANCELED, 1), (EXPIRED, 1)], "0", CANCELED),
    ([(CANCELED, 1), (REJECTED, 1)], "0", CANCELED),
    ([(EXPIRED, 1), (REJECTED, 1)], "0", EXPIRED),
    ([(EXPIRED, 2), (REJECTED, 1), (CANCELED, 3)], "0", REJECTED),
    # A pending state stands only while it is later than every other report.
    ([(PENDING_NEW, 1)], "0", PENDING_NEW),
    ([(PENDING_NEW, 2), (NEW, 1)], "0", PENDING_NEW),
    ([(PENDING_NEW, 1), (NEW, 1)], "0", NEW),
    ([(PENDING_NEW, 5)], "4", PARTIALLY_FILLED),  # what fills is not pending
    ([(NEW, 1), (PENDING_CANCEL, 2)], "0", PENDING_CANCEL),
    ([(NEW, 1), (PENDING_CANCEL, 2)], "4", PENDING_CANCEL),
    ([(NEW, 1), (PENDING_CANCEL, 2)], "10", FILLED),
    ([(NEW, 2), (PENDING_CANCEL, 2)], "0", NEW),
    ([(NEW, 3), (PENDING_CANCEL, 2)], "0", NEW),
    ([(PARTIALLY_FILLED, 3), (PENDING_REPLACE, 2)], "4", PARTIALLY_FILLED),
    ([(NEW, 1), (PENDING_REPLACE, 2)], "4", PENDING_REPLACE),
    ([(PENDING_REPLACE, 2), (PENDING_CANCEL, 3)], "0", PENDING_CANCEL),
    ([(PENDING_REPLACE, 3), (PENDING_CANCEL, 2)], "0", PENDING_REPLACE),
    ([(PENDING_REPLACE, 2), (PENDING_CANCEL, 2)], "0", PENDING_CANCEL),
    ([(UNKNOWN, 3), (PENDING_CANCEL, 2)], "0", UNKNOWN),
    # A final one always ends it.
    ([(CANCELED, 1), (PENDING_CANCEL, 9)], "0", CANCELED),
    ([(EXPIRED, 1), (PENDING_CANCEL, 9)], "4", EXPIRED),
    ([(REJECTED, 1), (PENDING_NEW, 9)], "0", REJECTED),
    ([(FILLED, 1), (PENDING_CANCEL, 9)], "4", FILLED),
]


@pytest.mark.parametrize(("said", "filled", "status"), REPORTS)
def test_status_is_a_function_of_what_was_said(
    said: list[tuple[OrderStatus, int]], filled: str, status: OrderStatus
) -> None:
    for order_of_arrival in itertools.permutations(said):
        order = an_order(*order_of_arrival, filled=filled)
        assert OrderStatus(order.status) == status
        final = status in (FILLED, CANCELED, EXPIRED, REJECTED) or any(s == REJECTED for s, _ in said)
        assert order.is_final == final
        left = Decimal(0) if final else 10 - Decimal(filled)
        assert order.leaves == left
        assert order.overfill == max(Decimal(0), Decimal(filled) - 10)


@pytest.mark.parametrize(
    ("said", "filled", "status", "leaves"),
    [
        ([], 4, PARTIALLY_FILLED, None),
        ([(NEW, 1)], 0, NEW, None),
        ([(FILLED, 1)], 4, FILLED, 0),
        ([(CANCELED, 1)], 4, CANCELED, 0),
    ],
)
def test_without_an_ordered_quantity(
    said: list[tuple[OrderStatus, int]], filled: int, status: OrderStatus, leaves: int | None
) -> None:
    order = an_order(*said, filled=filled, ordered=None)
    assert (order.status, order.leaves, order.overfill) == (status, leaves, 0)


def test_a_lower_cumulative_quantity_takes_nothing_back() -> None:
    figures = [("5", "101"), ("3", "99"), ("5", "102"), ("5", None)]
    for order_of_arrival in itertools.permutations(figures):
        order = an_order()
        for time, (cumulative, average) in enumerate(order_of_arrival):
            said = a_report(PARTIALLY_FILLED, time, cumulative_quantity=cumulative, average_price=average)
            order.add_report(said, time)
        # Two averages of one cumulative quantity: any rule that does not depend on arrival.
        assert (order.reported_cumulative, order.reported_average) == (5, 102)


def test_the_latest_word_on_what_was_ordered_stands() -> None:
    words = [(NEW, 1, "10", "100", "limit"), (NEW, 3, "6", "102", "post_only"), (NEW, 2, "8", None, "limit")]
    for order_of_arrival in itertools.permutations(words):
        order = an_order(ordered=12)
        for status, time, quantity, price, kind in order_of_arrival:
            order.add_report(
                a_report(status, time, order_quantity=quantity, limit_price=price, type=kind), time
            )
        assert (order.order_quantity, order.limit_price, order.type) == (6, 102, "post_only")


def test_complete_time_is_the_venues() -> None:
    def with_fills(*said: tuple[OrderStatus, int]) -> Order:
        order = an_order(*said)
        for trade_id, time in (("t1", 5), ("t2", 9), ("t3", 7)):
            order.fills[trade_id] = 2
            order.add_fill(a_fill(trade_id, 4, trade_time=time))
        order.refresh()
        return order

    assert with_fills().complete_time == 9
    assert (with_fills().first_fill_time, with_fills().last_fill_time) == (5, 9)
    assert with_fills((FILLED, 20)).complete_time == 9  # filled by its fills
    assert an_order((FILLED, 20), filled=4).complete_time == 20
    assert an_order((CANCELED, 20), filled=4).complete_time == 20
    assert an_order((NEW, 20), filled=4).complete_time is None


def test_amended_ids_are_one_chain_whichever_is_heard_of_first() -> None:
    for links in itertools.permutations([("7", "8"), ("8", "9"), ("9", "10")]):
        order = an_order()
        for old, new in links:
            assert order.replace_id(old, new)
            assert not order.replace_id(old, new)
        assert (order.order_ids, order.order_id, order.previous_order_id) == (
            ["7", "8", "9", "10"],
            "10",
            "9",
        )
        assert not order.replace_id("10", "7")  # a circle is no chain


@pytest.mark.parametrize("amended_first", [True, False])
def test_canceled_for_a_superseded_id_is_ignored(amended_first: bool) -> None:
    order = an_order((NEW, 1), filled=4)
    steps = [
        lambda: order.replace_id("7", "8"),
        lambda: order.add_report(a_report(CANCELED, 5, order_id="7"), 5),
    ]
    for step in steps if amended_first else reversed(steps):
        step()
    order.refresh()
    assert (order.status, order.leaves, order.complete_time) == (PARTIALLY_FILLED, 6, None)
    order.add_report(a_report(CANCELED, 9, order_id="8"), 9)
    order.refresh()
    assert (order.status, order.leaves, order.complete_time) == (CANCELED, 0, 9)
