"""A server whose orders leave by themselves, by clocks that the test moves."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import pytest
from support import application
from support.application import RunningServer
from support.messages import fill, identity, moment, record, report

from fillhandler.v1 import feed_service_pb2, fill_service_pb2, orders_pb2
from fillhandler.v1 import order_service_pb2 as pb
from fillhandler_server import app

HOUR = 3600 * 10**9


class Clocks:
    """The calendar's and the monotonic one."""

    def __init__(self) -> None:
        self.now = time.time_ns()
        self.monotonic = time.monotonic()

    def advance(self, hours: float) -> None:
        self.now += int(hours * HOUR)
        self.monotonic += hours * 3600


async def listed(server: RunningServer) -> list[str]:
    return [order.order_id for order in (await server.orders.ListOrders(pb.ListOrdersRequest())).orders]


async def cleared_after(server: RunningServer, sequence: int) -> int:
    """Waits for the event that hides orders; how many it hid."""
    request = feed_service_pb2.WatchEventsRequest(after_sequence=sequence)
    async for answer in server.feed.WatchEvents(request):
        for event in answer.events:
            if event.WhichOneof("event") == "orders_cleared":
                return int(event.orders_cleared.count)
    raise AssertionError("the feed ended")


async def test_orders_that_ended_leave_and_a_late_fill_brings_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks = Clocks()
    monkeypatch.setattr(app, "Timing", partial(app.Timing, monotonic=lambda: clocks.monotonic))
    monkeypatch.setattr(application, "Application", partial(app.Application, clock=lambda: clocks.now))
    server = await RunningServer(tmp_path, max_order_age_hours=48, unknown_order_hours=0).start()
    try:
        long_ago = {"order_id": "done", "trade_time": moment(clocks.now / 10**9 - 9_000_000)}
        await server.fills.RecordFill(record("1", **long_ago))
        for order_id in ("done", "gone"):
            canceled = report(order_id, status=orders_pb2.ORDER_STATUS_CANCELED, update_time=moment())
            await server.orders.ReportOrder(canceled)
        await server.fills.RecordFill(record("2", order_id="open"))

        clocks.advance(hours=47)
        head = server.head
        assert await listed(server) == ["done", "gone", "open"]
        assert server.head == head

        clocks.advance(hours=2)
        assert await listed(server)  # what comes in next finds the time come
        assert await cleared_after(server, head) == 2
        assert await listed(server) == ["open"]
        # The fill and its identity stay, and so it is after a restart.
        await server.restart()
        assert await listed(server) == ["open"]
        wanted = fill_service_pb2.GetFillRequest(identity=identity(fill("1", **long_ago)))
        assert (await server.fills.GetFill(wanted)).fill.order_id == "done"
        again = await server.fills.RecordFill(record("1", **long_ago))
        assert again.outcome == fill_service_pb2.OUTCOME_DUPLICATE
        await server.fills.RecordFill(record("3", order_id="done"))
        assert await listed(server) == ["done", "open"]
    finally:
        await server.stop()


async def test_with_0_hours_nothing_leaves_but_what_is_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks = Clocks()
    monkeypatch.setattr(app, "Timing", partial(app.Timing, monotonic=lambda: clocks.monotonic))
    monkeypatch.setattr(application, "Application", partial(app.Application, clock=lambda: clocks.now))
    server = await RunningServer(tmp_path, max_order_age_hours=0, unknown_order_hours=0).start()
    try:
        await server.orders.ReportOrder(report("1", status=orders_pb2.ORDER_STATUS_CANCELED))
        head = server.head
        clocks.advance(hours=1_000_000)
        assert await listed(server) == ["1"]
        await server.restart()
        assert (await listed(server), server.head) == (["1"], head)
        assert (await server.orders.ClearOrders(pb.ClearOrdersRequest())).count == 1
    finally:
        await server.stop()
