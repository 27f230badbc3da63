"""RegisterOrder, ReportOrder, GetOrder, ListOrders, ClearOrders."""

import time
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from support.application import RunningServer
from support.messages import NOON, fill, identity, moment, order, record, register, report
from support.refusals import refused

from fillhandler.v1 import analytics_service_pb2, fill_service_pb2, orders_pb2
from fillhandler.v1 import order_service_pb2 as pb

NEW = orders_pb2.ORDER_STATUS_NEW
FILLED = orders_pb2.ORDER_STATUS_FILLED
PARTLY = orders_pb2.ORDER_STATUS_PARTIALLY_FILLED
CANCELED = orders_pb2.ORDER_STATUS_CANCELED
PENDING_NEW = orders_pb2.ORDER_STATUS_PENDING_NEW


async def test_register(server: RunningServer) -> None:
    first = await server.orders.RegisterOrder(register(expected_price="99.5", client_order_id="mine"))
    assert (first.outcome, first.sequence) == (fill_service_pb2.OUTCOME_RECORDED, 1)
    assert first.order.registered
    assert (first.order.status, first.order.leaves_quantity, first.order.fill_percentage) == (
        PENDING_NEW,
        "1",
        "0",
    )
    again = await server.orders.RegisterOrder(register(expected_price="99.5", client_order_id="mine"))
    assert (again.outcome, again.sequence) == (fill_service_pb2.OUTCOME_DUPLICATE, 1)
    other = await server.orders.RegisterOrder(register(order_quantity="2", client_order_id="mine"))
    assert (other.outcome, other.sequence) == (fill_service_pb2.OUTCOME_CONFLICT, 1)
    assert other.order.order_quantity == "1"
    assert server.head == 1


async def test_fills_before_and_after_the_registration(server: RunningServer) -> None:
    await server.fills.RecordFill(record("1", quantity="0.4"))
    answer = await server.orders.RegisterOrder(register())
    assert answer.outcome == fill_service_pb2.OUTCOME_RECORDED
    assert (answer.order.status, answer.order.leaves_quantity, answer.order.fill_percentage) == (
        PARTLY,
        "0.6",
        "40",
    )
    last = (await server.fills.RecordFill(record("2", quantity="0.6"))).order
    assert (last.status, last.leaves_quantity, last.overfill_quantity) == (FILLED, "0", "0")
    over = (await server.fills.RecordFill(record("3", quantity="0.1"))).order
    assert (over.status, over.leaves_quantity, over.overfill_quantity) == (FILLED, "0", "0.1")


async def test_reports_never_take_a_state_back(server: RunningServer) -> None:
    first = await server.orders.ReportOrder(report(status=NEW, order_quantity="1", update_time=moment(NOON)))
    assert (first.outcome, first.order.status) == (fill_service_pb2.OUTCOME_RECORDED, NEW)
    again = await server.orders.ReportOrder(report(status=NEW, order_quantity="1", update_time=moment(NOON)))
    assert (again.outcome, again.sequence) == (fill_service_pb2.OUTCOME_DUPLICATE, first.sequence)
    done = report(status=FILLED, cumulative_quantity="1", average_price="100.5", update_time=moment(NOON + 2))
    filled = await server.orders.ReportOrder(done)
    assert (filled.order.status, filled.order.leaves_quantity) == (FILLED, "0")
    assert (filled.order.cumulative_quantity, filled.order.reported_cumulative_quantity) == ("0", "1")
    assert filled.order.reported_average_price == "100.5"
    stale = await server.orders.ReportOrder(report(status=NEW, update_time=moment(NOON + 1)))
    assert stale.order.status == FILLED


async def test_a_fill_after_the_cancel_counts(server: RunningServer) -> None:
    await server.orders.RegisterOrder(register())
    await server.orders.ReportOrder(report(status=CANCELED, update_time=moment()))
    late = (await server.fills.RecordFill(record("1", quantity="0.4"))).order
    assert (late.status, late.cumulative_quantity, late.leaves_quantity) == (CANCELED, "0.4", "0")


async def test_all_violations_at_once(server: RunningServer) -> None:
    answer = await refused(server.orders.RegisterOrder(pb.RegisterOrderRequest()))
    assert answer.status is grpc.StatusCode.INVALID_ARGUMENT
    assert answer.violations.keys() == {
        "order.venue",
        "order.symbol",
        "order.side",
        "order.order_id",
        "order.order_quantity",
    }
    bad = pb.ReportOrderRequest(
        order=order(
            "1",
            status=99,
            side=7,
            market="future",
            order_quantity="0",
            cumulative_quantity="-1",
            average_price="x",
        )
    )
    answer = await refused(server.orders.ReportOrder(bad))
    assert answer.violations.keys() == {
        f"order.{name}"
        for name in ("status", "side", "market", "order_quantity", "cumulative_quantity", "average_price")
    }
    none = await refused(server.orders.ReportOrder(pb.ReportOrderRequest(order=order("1"))))
    assert none.violations.keys() == {"order.status"}
    assert server.head == 0


async def test_a_served_order_can_be_reported(server: RunningServer) -> None:
    """An average with 28 digits, as we serve it, is taken back."""
    await server.fills.RecordFill(record("1", quantity="1", price="1"))
    served = (await server.fills.RecordFill(record("2", quantity="2", price="2"))).order
    assert len(served.average_price) > 20
    served.update_time.CopyFrom(moment())
    answer = await server.orders.ReportOrder(pb.ReportOrderRequest(order=served))
    assert answer.outcome == fill_service_pb2.OUTCOME_RECORDED


# ------------------------------------------------------------------ GetOrder


async def test_get_order(server: RunningServer) -> None:
    await server.orders.RegisterOrder(register("1", client_order_id="mine"))
    for request in (
        pb.GetOrderRequest(order_id="1"),
        pb.GetOrderRequest(client_order_id="mine"),
        pb.GetOrderRequest(order_id="1", client_order_id="mine"),
        pb.GetOrderRequest(order_id="1", venue="BINANCE", account="main", symbol="BTCUSDT"),
    ):
        assert (await server.orders.GetOrder(request)).order.order_id == "1"
    for request in (
        pb.GetOrderRequest(order_id="2"),
        pb.GetOrderRequest(order_id="1", client_order_id="other"),
        pb.GetOrderRequest(order_id="1", venue="bitget"),
        pb.GetOrderRequest(order_id="1", account="second"),
        pb.GetOrderRequest(client_order_id="mine", symbol="ETHUSDT"),
    ):
        answer = await refused(server.orders.GetOrder(request))
        assert (answer.status, answer.reason) == (grpc.StatusCode.NOT_FOUND, "ORDER_NOT_FOUND")
    empty = await refused(server.orders.GetOrder(pb.GetOrderRequest(venue="binance")))
    assert empty.violations.keys() == {"order_id"}


async def test_an_ambiguous_id_lists_its_orders_and_is_narrowed(server: RunningServer) -> None:
    places: list[dict[str, Any]] = [
        {"venue": "binance", "account": "main", "symbol": "BTCUSDT"},
        {"venue": "binance", "account": "second", "symbol": "BTCUSDT"},
        {"venue": "bitget", "account": "main", "symbol": "ETHUSDT"},
    ]
    for place in places:
        await server.orders.RegisterOrder(register("1", client_order_id="mine", **place))
    for request in (pb.GetOrderRequest(order_id="1"), pb.GetOrderRequest(client_order_id="mine")):
        answer = await refused(server.orders.GetOrder(request))
        assert (answer.status, answer.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "ORDER_AMBIGUOUS")
        assert answer.metadata["matches"] == "3"
        for place in places:
            assert "/".join(place.values()) in answer.text
            assert "/".join(place.values()) in answer.metadata["orders"]
    two = await refused(server.orders.GetOrder(pb.GetOrderRequest(order_id="1", venue="binance")))
    assert two.metadata["matches"] == "2"
    for place in places:
        found = (await server.orders.GetOrder(pb.GetOrderRequest(order_id="1", **place))).order
        assert (found.venue, found.account) == (place["venue"], place["account"])
    assert (await server.orders.GetOrder(pb.GetOrderRequest(order_id="1", venue="bitget"))).order


# ------------------------------------------------------------------ ListOrders


async def listed(server: RunningServer, **conditions: Any) -> list[str]:
    request = pb.ListOrdersRequest(**conditions)
    found: list[str] = []
    while True:
        page = await server.orders.ListOrders(request)
        found += [each.order_id for each in page.orders]
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def test_list_orders(server: RunningServer) -> None:
    for n in range(6):
        await server.orders.RegisterOrder(
            register(
                str(n),
                venue=("binance", "bitget")[n % 2],
                account=("", "second")[n // 3],
                symbol=("BTCUSDT", "ETHUSDT")[n // 2 % 2],
            )
        )
    await server.orders.ReportOrder(report("0", status=CANCELED, update_time=moment()))
    await server.orders.ReportOrder(report("1", venue="bitget", status=FILLED, update_time=moment()))
    assert await listed(server) == list("012345")
    assert await listed(server, group=orders_pb2.ORDER_GROUP_FINAL) == list("01")
    assert await listed(server, group=orders_pb2.ORDER_GROUP_ACTIVE) == list("2345")
    assert await listed(server, venue="Bitget", account="main") == ["1"]
    assert await listed(server, symbol="ETHUSDT") == list("23")
    assert await listed(server, group=orders_pb2.ORDER_GROUP_ACTIVE, page_size=1) == list("2345")
    three = (await server.orders.GetOrder(pb.GetOrderRequest(order_id="3"))).order
    assert await listed(server, start_time=three.update_time) == list("01345")
    assert await listed(server, end_time=three.update_time) == ["2"]
    token = (await server.orders.ListOrders(pb.ListOrdersRequest(page_size=2))).next_page_token
    for request in (
        pb.ListOrdersRequest(page_token=token, venue="binance"),
        pb.ListOrdersRequest(page_token="?"),
    ):
        assert (await refused(server.orders.ListOrders(request))).reason == "PAGE_TOKEN_INVALID"
    bad = await refused(server.orders.ListOrders(pb.ListOrdersRequest(group=9)))
    assert bad.violations.keys() == {"group"}


# ------------------------------------------------------------------ ClearOrders


async def clear(server: RunningServer, seconds: int = 0, **fields: Any) -> pb.ClearOrdersResponse:
    return await server.orders.ClearOrders(
        pb.ClearOrdersRequest(older_than=Duration(seconds=seconds), **fields)
    )


async def statistics(server: RunningServer) -> analytics_service_pb2.GetFillStatisticsResponse:
    answer = await server.analytics.GetFillStatistics(analytics_service_pb2.GetFillStatisticsRequest())
    answer.ClearField("sequence")
    answer.ClearField("duplicates_dropped")
    return answer


async def test_clear_hides_orders_and_nothing_else(server: RunningServer) -> None:
    await server.orders.RegisterOrder(register("done"))
    recent = {"order_id": "done", "quantity": "1", "trade_time": moment(time.time())}
    await server.fills.RecordFill(record("1", **recent))
    await server.orders.RegisterOrder(register("open"))
    before = await statistics(server)
    assert (await clear(server, 3600)).count == 0
    assert (await clear(server, venue="bitget")).count == 0
    head = server.head
    answer = await clear(server)
    assert (answer.count, answer.sequence) == (1, head + 1)
    assert (await clear(server)).count == 0
    assert await listed(server) == ["open"]
    gone = await refused(server.orders.GetOrder(pb.GetOrderRequest(order_id="done")))
    assert gone.reason == "ORDER_NOT_FOUND"
    # Fills, identities and figures stay.
    wanted = fill_service_pb2.GetFillRequest(identity=identity(fill("1", **recent)))
    assert (await server.fills.GetFill(wanted)).fill.quantity == "1"
    again = await server.fills.RecordFill(record("1", **recent))
    assert again.outcome == fill_service_pb2.OUTCOME_DUPLICATE
    assert await statistics(server) == before


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_late_fill_brings_an_order_back_right(server: RunningServer, restarted: bool) -> None:
    await server.orders.RegisterOrder(register("done", client_order_id="mine"))
    await server.fills.RecordFill(record("1", order_id="done", quantity="0.4"))
    await server.fills.RecordFill(record("2", order_id="done", quantity="0.6", price="101"))
    assert (await clear(server)).count == 1
    if restarted:
        await server.restart()
        assert await listed(server) == []
    late = await server.fills.RecordFill(record("3", order_id="done", quantity="0.5", price="102"))
    back = late.order
    assert (back.cumulative_quantity, back.overfill_quantity, back.fill_count) == ("1.5", "0.5", 3)
    assert back.cumulative_notional == "151.6"
    assert (back.registered, back.client_order_id, back.order_quantity) == (True, "mine", "1")
    assert await listed(server) == ["done"]
    assert (await server.orders.GetOrder(pb.GetOrderRequest(client_order_id="mine"))).order == back
    figures = await statistics(server)
    assert (figures.total_fills, figures.total_orders) == (3, 1)


async def test_clear_bounds(server: RunningServer) -> None:
    await server.orders.ReportOrder(report("1", status=CANCELED, update_time=moment()))
    bad = await refused(clear(server, -1))
    assert bad.violations.keys() == {"older_than"}
    # The longest duration there is: nothing is that old.
    assert (await clear(server, 315_576_000_000)).count == 0
    assert (await clear(server, 2**62)).count == 0
    await server.orders.ReportOrder(report("2", status=CANCELED, update_time=moment(time.time() - 80_000)))
    # Absent: the server's setting, 24 h.
    assert (await server.orders.ClearOrders(pb.ClearOrdersRequest())).count == 1
    assert await listed(server) == ["2"]
