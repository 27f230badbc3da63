"""ListAnomalies: what needs a look, of which order, and what to do about it."""

from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from support.application import RunningServer
from support.messages import NOON, moment, record, register, report
from support.refusals import refused

from fillhandler.v1 import events_pb2, fills_pb2, orders_pb2
from fillhandler.v1 import order_service_pb2 as pb
from fillhandler_server.rpc.advice import ADVICE

OVERFILL = events_pb2.ANOMALY_KIND_OVERFILL
REJECTED = events_pb2.ANOMALY_KIND_FILL_AFTER_REJECTION
BELOW = events_pb2.ANOMALY_KIND_CUMULATIVE_BELOW_FILLS
SIDE = events_pb2.ANOMALY_KIND_SIDE_MISMATCH


async def listed(server: RunningServer, **conditions: Any) -> list[pb.Anomaly]:
    """Over all pages."""
    request = pb.ListAnomaliesRequest(**conditions)
    found: list[pb.Anomaly] = []
    while True:
        page = await server.orders.ListAnomalies(request)
        found += page.anomalies
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def told(server: RunningServer, **conditions: Any) -> list[tuple[str, int]]:
    """Order ids and kinds."""
    return [(each.order.order_id, each.kind) for each in await listed(server, **conditions)]


async def four_anomalies(server: RunningServer) -> list[tuple[str, int]]:
    """One of each kind, an order each."""
    await server.orders.RegisterOrder(register("1"))
    await server.fills.RecordFill(record("1", order_id="1", quantity="1.5"))
    other = {"order_id": "2", "venue": "bitget", "account": "second"}
    await server.orders.ReportOrder(report(**other, status=orders_pb2.ORDER_STATUS_REJECTED))
    await server.fills.RecordFill(record("1", **other))
    third = {"order_id": "3", "symbol": "ETHUSDT"}
    await server.fills.RecordFill(record("1", **third))
    await server.orders.ReportOrder(
        report(**third, status=orders_pb2.ORDER_STATUS_CANCELED, cumulative_quantity="0.25")
    )
    await server.orders.RegisterOrder(register("4", account="second"))
    await server.fills.RecordFill(
        record("1", order_id="4", account="second", quantity="0.1", side=fills_pb2.SIDE_SELL)
    )
    return [("1", OVERFILL), ("2", REJECTED), ("3", BELOW), ("4", SIDE)]


async def test_each_has_its_order_as_it_stands_and_advice(server: RunningServer) -> None:
    expected = await four_anomalies(server)
    found = await listed(server)
    assert [(each.order.order_id, each.kind) for each in found] == expected
    assert [each.advice for each in found] == [ADVICE[each.kind] for each in found]
    over = found[0]
    assert over.sequence == 3
    assert over.text == "filled 1.5 of 1 ordered"
    assert over.commit_time == over.order.update_time
    assert [each.sequence for each in found] == sorted({each.sequence for each in found})
    # The order as it stands now, not as it stood.
    await server.fills.RecordFill(record("2", order_id="1", quantity="2"))
    now = await listed(server, order_id="1")
    assert [each.order for each in now] == [
        (await server.orders.GetOrder(pb.GetOrderRequest(order_id="1"))).order
    ] * len(now)
    assert now[0].order.overfill_quantity == "2.5"
    assert now[0].text == over.text


async def test_conditions_and_pages(server: RunningServer) -> None:
    one, two, three, four = expected = await four_anomalies(server)
    assert await told(server, page_size=1) == expected
    assert await told(server, page_size=3) == expected
    assert await told(server, venue="BitGet") == [two]
    assert await told(server, account="second") == [two, four]
    assert await told(server, account="main", symbol="BTCUSDT") == [one]
    assert await told(server, symbol="ETHUSDT") == [three]
    assert await told(server, order_id="4") == [four]
    assert await told(server, order_id="5") == []
    assert await told(server, kinds=[SIDE, OVERFILL, SIDE]) == [one, four]
    assert await told(server, kinds=[SIDE, OVERFILL], page_size=1) == [one, four]
    times = [each.commit_time for each in await listed(server)]
    assert await told(server, start_time=times[2]) == [three, four]
    assert await told(server, end_time=times[2]) == [one, two]
    assert await told(server, start_time=times[1], end_time=times[3], venue="binance") == [three]


async def test_what_is_refused(server: RunningServer) -> None:
    await four_anomalies(server)
    bad = pb.ListAnomaliesRequest(kinds=[OVERFILL, 0, 8])
    bad.start_time.seconds = 1 << 40
    answer = await refused(server.orders.ListAnomalies(bad))
    assert answer.status is grpc.StatusCode.INVALID_ARGUMENT
    assert answer.violations.keys() == {"kinds[1]", "kinds[2]", "start_time"}
    bad = pb.ListAnomaliesRequest(page_size=-1)
    assert (await refused(server.orders.ListAnomalies(bad))).violations.keys() == {"page_size"}
    page = await server.orders.ListAnomalies(pb.ListAnomaliesRequest(page_size=1, kinds=[SIDE, OVERFILL]))
    token = page.next_page_token
    # The same conditions, told otherwise.
    again = pb.ListAnomaliesRequest(page_token=token, kinds=[OVERFILL, SIDE, OVERFILL])
    assert [each.kind for each in (await server.orders.ListAnomalies(again)).anomalies] == [SIDE]
    for request in (
        pb.ListAnomaliesRequest(page_token=token),
        pb.ListAnomaliesRequest(page_token="?"),
    ):
        assert (await refused(server.orders.ListAnomalies(request))).reason == "PAGE_TOKEN_INVALID"


async def test_they_outlive_a_restart_a_clear_and_a_merge(server: RunningServer) -> None:
    await server.orders.RegisterOrder(register("", client_order_id="mine"))
    await server.fills.RecordFill(record("1", quantity="1", client_order_id=None))
    # Stated as of after the fill, so that it says of a trade that is no more.
    done = report(
        "order-1",
        status=orders_pb2.ORDER_STATUS_FILLED,
        cumulative_quantity="0.5",
        update_time=moment(NOON + 1),
    )
    await server.orders.ReportOrder(done)
    (before,) = await listed(server)
    assert before.order.client_order_id == ""
    await server.restart()
    acknowledged = report(
        "order-1", client_order_id="mine", status=orders_pb2.ORDER_STATUS_NEW, update_time=moment()
    )
    await server.orders.ReportOrder(acknowledged)
    for _ in range(2):
        (merged,) = await listed(server)
        assert merged.sequence == before.sequence
        assert (merged.order.client_order_id, merged.order.order_number) == ("mine", 1)
        await server.restart()
    cleared = await server.orders.ClearOrders(pb.ClearOrdersRequest(older_than=Duration()))
    assert cleared.count == 1
    assert [each.sequence for each in await listed(server, order_id="order-1")] == [before.sequence]
