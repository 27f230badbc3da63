"""Every method asks what it says, and gives what was answered."""

import inspect
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from google.protobuf import wrappers_pb2

from fillhandler import FillHandlerClient, SyncFillHandlerClient, convert
from fillhandler.v1 import (
    analytics_service_pb2,
    events_pb2,
    execution_service_pb2,
    feed_service_pb2,
    fill_service_pb2,
    fills_pb2,
    order_service_pb2,
    orders_pb2,
    state_service_pb2,
)

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
FILL = fills_pb2.Fill(venue="binance", symbol="BTCUSDT", order_id="7", trade_id="t", side=1, quantity="1")
IDENTITY = convert.identity(FILL)
ORDER = orders_pb2.Order(venue="binance", order_id="7")
FILTER = analytics_service_pb2.StatisticsFilter(
    venue="binance", account="a", symbol="s", start_time=convert.timestamp(SINCE)
)

# RPC, call, what must have been asked, the answer, what the call must give.
UNARY: list[tuple[str, Any, Any, Any, Any]] = [
    (
        "RecordFill",
        lambda c: c.record_fill(FILL),
        fill_service_pb2.RecordFillRequest(fill=FILL),
        fill_service_pb2.RecordFillResponse(sequence=3),
        ...,
    ),
    (
        "ProcessPayload",
        lambda c: c.process_payload("binance", b'{"a": 1.0}', account="x", validate_only=True),
        fill_service_pb2.ProcessPayloadRequest(
            venue="binance", account="x", payload=b'{"a": 1.0}', validate_only=True
        ),
        fill_service_pb2.ProcessPayloadResponse(sequence=3),
        ...,
    ),
    (
        "ProcessPayload",
        lambda c: c.process_payload("mexc", {"amount": Decimal("0.10"), "info": [1.5]}, format="ccxt"),
        fill_service_pb2.ProcessPayloadRequest(
            venue="mexc", payload=b'{"amount":"0.10","info":[1.5]}', format="ccxt"
        ),
        fill_service_pb2.ProcessPayloadResponse(parser="ccxt"),
        ...,
    ),
    (
        "GetFill",
        lambda c: c.get_fill(FILL),
        fill_service_pb2.GetFillRequest(identity=IDENTITY),
        fill_service_pb2.GetFillResponse(fill=FILL),
        FILL,
    ),
    (
        "BustFill",
        lambda c: c.bust_fill(IDENTITY),
        fill_service_pb2.BustFillRequest(identity=IDENTITY),
        fill_service_pb2.BustFillResponse(applied=True),
        ...,
    ),
    (
        "CorrectFill",
        lambda c: c.correct_fill(FILL, trade_id="t2", quantity="2", price="1"),
        fill_service_pb2.CorrectFillRequest(
            identity=IDENTITY, fill=fills_pb2.Fill(trade_id="t2", quantity="2", price="1")
        ),
        fill_service_pb2.CorrectFillResponse(sequence=4),
        ...,
    ),
    (
        "RegisterOrder",
        lambda c: c.register_order(venue="binance", order_id=7),
        order_service_pb2.RegisterOrderRequest(order=ORDER),
        order_service_pb2.RegisterOrderResponse(sequence=4),
        ...,
    ),
    (
        "ReportOrder",
        lambda c: c.report_order(ORDER),
        order_service_pb2.ReportOrderRequest(order=ORDER),
        order_service_pb2.ReportOrderResponse(sequence=4),
        ...,
    ),
    (
        "GetOrder",
        lambda c: c.get_order("7", client_order_id="c", venue="v", account="a", symbol="s"),
        order_service_pb2.GetOrderRequest(
            order_id="7", client_order_id="c", venue="v", account="a", symbol="s"
        ),
        order_service_pb2.GetOrderResponse(order=ORDER),
        ORDER,
    ),
    (
        "ClearOrders",
        lambda c: c.clear_orders(older_than=timedelta(hours=24), venue="v"),
        order_service_pb2.ClearOrdersRequest(older_than=convert.duration(timedelta(hours=24)), venue="v"),
        order_service_pb2.ClearOrdersResponse(count=2),
        ...,
    ),
    (
        "GetServerStatus",
        lambda c: c.get_server_status(),
        state_service_pb2.GetServerStatusRequest(),
        state_service_pb2.GetServerStatusResponse(version="1"),
        ...,
    ),
    (
        "GetFillStatistics",
        lambda c: c.get_fill_statistics(venue="binance", start_time=SINCE),
        analytics_service_pb2.GetFillStatisticsRequest(venue="binance", start_time=convert.timestamp(SINCE)),
        analytics_service_pb2.GetFillStatisticsResponse(total_fills=9),
        ...,
    ),
    (
        "AnalyzePerformance",
        lambda c: c.analyze_performance(
            bucket=timedelta(hours=1), venue="binance", account="a", symbol="s", start_time=SINCE
        ),
        analytics_service_pb2.AnalyzePerformanceRequest(
            filter=FILTER, bucket=convert.duration(timedelta(hours=1))
        ),
        analytics_service_pb2.AnalyzePerformanceResponse(),
        ...,
    ),
    (
        "AnalyzeFees",
        lambda c: c.analyze_fees(group_by=["venue", analytics_service_pb2.FEE_DIMENSION_HOUR]),
        analytics_service_pb2.AnalyzeFeesRequest(
            filter=analytics_service_pb2.StatisticsFilter(),
            group_by=[analytics_service_pb2.FEE_DIMENSION_VENUE, analytics_service_pb2.FEE_DIMENSION_HOUR],
        ),
        analytics_service_pb2.AnalyzeFeesResponse(total=analytics_service_pb2.FeeGroup(fill_count=1)),
        ...,
    ),
]


@pytest.mark.parametrize(("rpc", "call", "request_", "answer", "expected"), UNARY, ids=lambda v: str(v)[:20])
async def test_unary(server: Any, rpc: str, call: Any, request_: Any, answer: Any, expected: Any) -> None:
    server.on(rpc, answer)
    async with FillHandlerClient(server.address) as client:
        assert await call(client) == (answer if expected is ... else expected)
    assert server.requests(rpc) == [request_]


async def test_health_by_service(server: Any) -> None:
    asked: list[bytes] = []

    async def serving(request: bytes, context: Any) -> bytes:
        asked.append(request)
        return wrappers_pb2.Int32Value(value=1 if b"Fill" in request else 2).SerializeToString()

    server.on("Check", serving)
    async with FillHandlerClient(server.address) as client:
        assert await client.check_health("fillhandler.v1.FillService")
        assert not await client.check_health()
    # grpc.health.v1.HealthCheckRequest{service = 1}
    assert asked == [b"\n\x1afillhandler.v1.FillService", b""]


class TestPages:
    async def test_fills_come_page_by_page(self, server: Any) -> None:
        fills = [fills_pb2.Fill(trade_id=str(number)) for number in range(5)]
        server.on(
            "ListFills",
            fill_service_pb2.ListFillsResponse(fills=fills[:2], next_page_token="2"),
            fill_service_pb2.ListFillsResponse(next_page_token="still 2"),  # a page may be empty
            fill_service_pb2.ListFillsResponse(fills=fills[2:]),
        )
        async with FillHandlerClient(server.address) as client:
            listed = client.list_fills(
                venue="v",
                account="a",
                symbol="s",
                order_id="o",
                start_time=SINCE,
                include_reversed=True,
                page_size=2,
            )
            assert [fill async for fill in listed] == fills

        first = fill_service_pb2.ListFillsRequest(
            venue="v",
            account="a",
            symbol="s",
            order_id="o",
            start_time=convert.timestamp(SINCE),
            include_reversed=True,
            page_size=2,
        )
        pages = server.requests("ListFills")
        assert pages[0] == first
        assert [page.page_token for page in pages] == ["", "2", "still 2"]
        pages[2].page_token = ""
        assert pages[2] == first, "the conditions must stay the same"

    async def test_orders_come_page_by_page_and_only_as_needed(self, server: Any) -> None:
        orders = [orders_pb2.Order(order_id=str(number)) for number in range(2)]
        server.on("ListOrders", order_service_pb2.ListOrdersResponse(orders=orders, next_page_token="more"))
        async with (
            FillHandlerClient(server.address) as client,
            aclosing(client.list_orders(group="final", end_time=SINCE)) as listed,
        ):
            assert await anext(listed) == orders[0]
            assert await anext(listed) == orders[1]

        assert server.requests("ListOrders") == [
            order_service_pb2.ListOrdersRequest(
                group=orders_pb2.ORDER_GROUP_FINAL, end_time=convert.timestamp(SINCE)
            )
        ]

    async def test_anomalies_by_their_kinds(self, server: Any) -> None:
        found = [order_service_pb2.Anomaly(sequence=number) for number in range(2)]
        server.on(
            "ListAnomalies",
            order_service_pb2.ListAnomaliesResponse(anomalies=found[:1], next_page_token="1"),
            order_service_pb2.ListAnomaliesResponse(anomalies=found[1:]),
        )
        async with FillHandlerClient(server.address) as client:
            listed = client.list_anomalies(
                venue="v",
                account="a",
                symbol="s",
                order_id="o",
                kinds=["overfill", "ANOMALY_KIND_SIDE_MISMATCH", 9],
                start_time=SINCE,
                end_time=SINCE,
                page_size=1,
            )
            assert [anomaly async for anomaly in listed] == found
            assert [anomaly async for anomaly in client.list_anomalies(kinds="position-flip")] == found[1:]
            with pytest.raises(ValueError, match=r"kinds.1..*is none of overfill, fill_after_rejection"):
                await anext(client.list_anomalies(kinds=["overfill", "nonsense"]))

        first, second, third = server.requests("ListAnomalies")
        assert (first.page_token, second.page_token, third.page_token) == ("", "1", "")
        second.page_token = ""
        assert first == second
        assert first == order_service_pb2.ListAnomaliesRequest(
            venue="v",
            account="a",
            symbol="s",
            order_id="o",
            kinds=[1, 4, 9],
            start_time=convert.timestamp(SINCE),
            end_time=convert.timestamp(SINCE),
            page_size=1,
        )
        assert third == order_service_pb2.ListAnomaliesRequest(kinds=[7])


class TestWatchRequests:
    async def asked(self, server: Any, **conditions: Any) -> feed_service_pb2.WatchEventsRequest:
        async def one(request: Any, context: Any) -> AsyncGenerator[Any]:
            yield feed_service_pb2.WatchEventsResponse(resume_token="1", live=True)

        server.on("WatchEvents", one)
        async with (
            FillHandlerClient(server.address) as client,
            aclosing(client.watch_responses(**conditions)) as responses,
        ):
            assert (await anext(responses)).live
        request: feed_service_pb2.WatchEventsRequest = server.requests("WatchEvents")[0]
        return request

    async def test_from_now(self, server: Any) -> None:
        assert await self.asked(server) == feed_service_pb2.WatchEventsRequest()

    async def test_everything(self, server: Any) -> None:
        request = await self.asked(
            server,
            after_sequence=0,
            instance_id="i",
            venues=["v"],
            accounts=["a"],
            symbols=["s"],
            order_ids=["o"],
            kinds=["fill_recorded", events_pb2.EVENT_KIND_FILL_BUSTED],
            heartbeat_interval=timedelta(seconds=2),
        )
        assert request == feed_service_pb2.WatchEventsRequest(
            after_sequence=0,
            instance_id="i",
            venues=["v"],
            accounts=["a"],
            symbols=["s"],
            order_ids=["o"],
            kinds=[events_pb2.EVENT_KIND_FILL_RECORDED, events_pb2.EVENT_KIND_FILL_BUSTED],
            heartbeat_interval=convert.duration(timedelta(seconds=2)),
        )
        assert request.WhichOneof("start") == "after_sequence"

    @pytest.mark.parametrize(
        ("start", "expected"),
        [
            ({"resume_token": "t"}, "resume_token"),
            ({"from_time": SINCE}, "from_time"),
            ({"from_beginning": True}, "from_beginning"),
        ],
    )
    async def test_starts(self, server: Any, start: dict[str, Any], expected: str) -> None:
        assert (await self.asked(server, **start)).WhichOneof("start") == expected

    def test_what_cannot_be_asked(self) -> None:
        client = FillHandlerClient()
        with pytest.raises(ValueError, match="one of"):
            client.watch(after_sequence=1, from_beginning=True)
        with pytest.raises(ValueError, match="either"):
            client.watch(cursor_file="x", cursor=object())  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="venues"):
            client.watch(venues="binance")
        with pytest.raises(ValueError, match="kinds"):
            client.watch(kinds=["fill_lost"])


def methods(kind: type) -> set[str]:
    return {name for name, value in inspect.getmembers(kind) if callable(value) and not name.startswith("_")}


def test_both_clients_have_the_same_documented_methods() -> None:
    assert methods(FillHandlerClient) == methods(SyncFillHandlerClient)
    for name in methods(SyncFillHandlerClient):
        assert getattr(SyncFillHandlerClient, name).__doc__


def test_every_rpc_has_a_method() -> None:
    def snake(name: str) -> str:
        return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")

    other_names = {"watch_events": "watch"}
    for module in (
        analytics_service_pb2,
        execution_service_pb2,
        feed_service_pb2,
        fill_service_pb2,
        order_service_pb2,
        state_service_pb2,
    ):
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                name = snake(method.name)
                assert other_names.get(name, name) in methods(FillHandlerClient)
