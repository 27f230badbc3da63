"""WatchEvents, point by point of the contract."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.empty_pb2 import Empty
from support.application import RunningServer
from support.messages import fill, identity, moment, record, register, report
from support.refusals import read, refused
from support.watching import read_through, read_until, watch_from

from fillhandler.v1 import (
    events_pb2,
    fill_service_pb2,
    fills_pb2,
    order_service_pb2,
    orders_pb2,
    state_service_pb2,
)
from fillhandler.v1 import feed_service_pb2 as pb
from fillhandler.v1.feed_service_pb2_grpc import FeedServiceStub
from fillhandler_server import feed as feed_module
from fillhandler_server.rpc import feed_service

LIVE_SECONDS = 10


@asynccontextmanager
async def watching(server: RunningServer, request: pb.WatchEventsRequest) -> AsyncIterator[Any]:
    call = server.feed.WatchEvents(request)
    try:
        yield call
    finally:
        call.cancel()


async def first_message(server: RunningServer, request: pb.WatchEventsRequest) -> pb.WatchEventsResponse:
    async with watching(server, request) as call, asyncio.timeout(LIVE_SECONDS):
        return await call.read()


async def fill_up(server: RunningServer, count: int, batch: int = 10, **fields: Any) -> None:
    """Records fills over a stream, several commits of a few events."""

    async def requests():
        for start in range(0, count, batch):
            ids = range(start, min(start + batch, count))
            yield fill_service_pb2.RecordFillsRequest(fills=[fill(f"up-{n}", **fields) for n in ids])

    async for answer in server.fills.RecordFills(requests()):
        assert {result.outcome for result in answer.results} == {fill_service_pb2.OUTCOME_RECORDED}


async def trickle(server: RunningServer, count: int, batch: int) -> None:
    """As `fill_up`, waiting for each answer: every batch is a commit of its own."""
    call = server.fills.RecordFills()
    for start in range(0, count, batch):
        ids = range(start, min(start + batch, count))
        await call.write(fill_service_pb2.RecordFillsRequest(fills=[fill(f"up-{n}") for n in ids]))
        await call.read()
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


@pytest.fixture(params=["ring", "journal"])
def source(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Feeds read from the ring of recent batches, or, with a ring that holds one batch, from the journal."""
    if request.param == "journal":
        monkeypatch.setattr(feed_module, "RING_BYTES", 1)
        monkeypatch.setattr(feed_module, "READ_BATCHES", 3)
    return request.param


# ------------------------------------------------------------------ start points


async def test_from_now_is_the_default(server: RunningServer) -> None:
    await fill_up(server, 5)
    async with watching(server, pb.WatchEventsRequest()) as call:
        first = await call.read()
        assert (list(first.events), first.through_sequence, first.live) == ([], 5, True)
        assert first.instance_id == server.app.store.instance_id
        await server.fills.RecordFill(record("new"))
        events, _ = await read_until(call, lambda events, _: len(events) >= 1)
    assert [event.sequence for event in events] == [6]


async def test_from_the_beginning_and_gapless(server: RunningServer, source: str) -> None:
    await fill_up(server, 95)
    for request in (pb.WatchEventsRequest(from_beginning=Empty()), watch_from(0)):
        events = await read_through(server.feed, 95, request)
        assert [event.sequence for event in events] == list(range(1, 96))
    assert {event.partition for event in events} == {0}
    times = [event.commit_time.ToNanoseconds() for event in events]
    assert times == sorted(times)


async def test_after_a_sequence_is_exclusive(server: RunningServer, source: str) -> None:
    await fill_up(server, 40, batch=7)
    for after in (1, 6, 7, 8, 33, 39):
        events = await read_through(server.feed, 40, watch_from(after))
        assert [event.sequence for event in events] == list(range(after + 1, 41))


async def test_at_the_head_nothing_comes(server: RunningServer) -> None:
    await fill_up(server, 4)
    first = await first_message(server, watch_from(4))
    assert (list(first.events), first.through_sequence, first.live) == ([], 4, True)


async def test_an_empty_journal(server: RunningServer) -> None:
    for request in (watch_from(0), pb.WatchEventsRequest(), pb.WatchEventsRequest(from_beginning=Empty())):
        first = await first_message(server, request)
        assert (list(first.events), first.through_sequence, first.live) == ([], 0, True)
        again = await first_message(server, pb.WatchEventsRequest(resume_token=first.resume_token))
        assert again.live


async def test_from_a_time(server: RunningServer, source: str) -> None:
    for n in range(6):
        await server.fills.RecordFill(record(str(n)))
    events = await read_through(server.feed, 6)
    for event in events:
        # The first event committed at or after it: commit times may be equal.
        expected = [
            each.sequence
            for each in events
            if each.commit_time.ToNanoseconds() >= event.commit_time.ToNanoseconds()
        ]
        got = await read_through(server.feed, 6, pb.WatchEventsRequest(from_time=event.commit_time))
        assert [each.sequence for each in got] == expected
    all_of_it = await read_through(server.feed, 6, pb.WatchEventsRequest(from_time=moment(0)))
    assert len(all_of_it) == 6
    later = await first_message(server, pb.WatchEventsRequest(from_time=moment(time.time() + 3600)))
    assert (later.through_sequence, later.live) == (6, True)
    bad = await refused(server.feed.WatchEvents(pb.WatchEventsRequest(from_time={"seconds": 2**61})).read())
    assert bad.violations.keys() == {"from_time"}


async def test_every_message_carries_a_token_to_resume_after_it(server: RunningServer, source: str) -> None:
    await fill_up(server, 60, batch=5)
    async with watching(server, watch_from(0)) as call:
        _, messages = await read_until(call, lambda _, message: message.through_sequence == 60)
    seen = 0
    for message in messages:
        seen += len(message.events)
        assert message.through_sequence == seen
        rest = await read_through(server.feed, 60, pb.WatchEventsRequest(resume_token=message.resume_token))
        assert [event.sequence for event in rest] == list(range(seen + 1, 61))


async def test_tokens_outlive_a_restart(server: RunningServer) -> None:
    await fill_up(server, 30)
    first = await first_message(server, watch_from(12))
    await server.restart()
    events = await read_through(server.feed, 30, pb.WatchEventsRequest(resume_token=first.resume_token))
    assert [event.sequence for event in events] == list(range(13, 31))
    assert [event.sequence for event in await read_through(server.feed, 30)] == list(range(1, 31))


# ------------------------------------------------------------------ refusals


async def test_cursor_ahead(server: RunningServer) -> None:
    await fill_up(server, 3)
    for request in (watch_from(4), watch_from(2**64 - 1), watch_from(4, venues=["nobody"])):
        answer = await refused(server.feed.WatchEvents(request).read())
        assert (answer.status, answer.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "CURSOR_AHEAD")
        assert answer.metadata["head_sequence"] == "3"
    token = feed_service.resume_token(server.app.store.instance_id, 9)
    answer = await refused(server.feed.WatchEvents(pb.WatchEventsRequest(resume_token=token)).read())
    assert answer.reason == "CURSOR_AHEAD"


async def test_instance_mismatch(server: RunningServer) -> None:
    await fill_up(server, 3)
    mine = server.app.store.instance_id
    assert (await first_message(server, watch_from(1, instance_id=mine))).instance_id == mine
    foreign = feed_service.resume_token("0" * 32, 1)
    for request in (
        watch_from(1, instance_id="another"),
        watch_from(1, instance_id=""),
        pb.WatchEventsRequest(instance_id="another"),
        pb.WatchEventsRequest(resume_token=foreign),
    ):
        answer = await refused(server.feed.WatchEvents(request).read())
        assert (answer.status, answer.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "INSTANCE_MISMATCH")
        assert answer.metadata["instance_id"] == mine


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "é",
        "MTp4",
        "AAAA",
        "A" * 5000,
        feed_service.resume_token("i", -1),
        "MTppOjA9MQ=",
        "MTppOjE9MQ==",
    ],
)
async def test_tokens_that_are_none(server: RunningServer, token: str) -> None:
    answer = await refused(server.feed.WatchEvents(pb.WatchEventsRequest(resume_token=token)).read())
    assert (answer.status, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert answer.violations.keys() == {"resume_token"}


async def test_unknown_kinds_are_refused(server: RunningServer) -> None:
    for kinds in ([0], [99], [events_pb2.EVENT_KIND_FILL_RECORDED, -1]):
        answer = await refused(server.feed.WatchEvents(watch_from(0, kinds=kinds)).read())
        assert answer.violations.keys() == {f"kinds[{len(kinds) - 1}]"}


async def test_too_many_feeds(tmp_path) -> None:
    server = await RunningServer(tmp_path, max_feeds=2).start()
    try:
        async with watching(server, watch_from(0)) as one, watching(server, watch_from(0)) as two:
            await one.read()
            await two.read()
            answer = await refused(server.feed.WatchEvents(watch_from(0)).read())
            assert (answer.status, answer.reason) == (
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "TOO_MANY_STREAMS",
            )
            assert answer.retry_seconds
        async with asyncio.timeout(LIVE_SECONDS):
            while server.app.feed.cursors:
                await asyncio.sleep(0)
        assert (await first_message(server, watch_from(0))).live
    finally:
        await server.stop()


# ------------------------------------------------------------------ filters


async def mixed(server: RunningServer, *, clear: bool = True) -> list[events_pb2.Event]:
    """Events of most kinds over two of each thing; all of them."""
    await server.orders.RegisterOrder(register("1"))
    await server.fills.RecordFill(record("1", order_id="1", liquidity=0))
    await server.fills.RecordFill(record("1", order_id="1"))
    await server.fills.RecordFill(record("1", order_id="1", quantity="0.1"))
    await server.fills.RecordFill(record("2", order_id="2", venue="bitget", account="second"))
    await server.fills.RecordFill(record("3", order_id="3", symbol="ETHUSDT"))
    await server.fills.BustFill(
        fill_service_pb2.BustFillRequest(identity=identity(fill("3", order_id="3", symbol="ETHUSDT")))
    )
    await server.fills.CorrectFill(
        fill_service_pb2.CorrectFillRequest(
            identity=identity(fill("1", order_id="1")),
            fill=fills_pb2.Fill(trade_id="1b", quantity="2", price="9"),
        )
    )
    await server.orders.ReportOrder(
        report("2", venue="bitget", account="second", status=orders_pb2.ORDER_STATUS_CANCELED)
    )
    if clear:
        await server.orders.ClearOrders(order_service_pb2.ClearOrdersRequest(older_than=Duration()))
    return await read_through(server.feed, server.head)


FILTERS = [
    ({"venues": ["bitget"]}, lambda e: e.venue == "bitget"),
    ({"venues": ["BINANCE"]}, lambda e: e.venue == "binance"),
    ({"accounts": ["second"]}, lambda e: e.account == "second"),
    ({"symbols": ["ETHUSDT", "nothing"]}, lambda e: e.symbol == "ETHUSDT"),
    ({"order_ids": ["1", "3"]}, lambda e: e.order_id in {"1", "3"}),
    ({"kinds": [1]}, lambda e: e.WhichOneof("event") == "fill_recorded"),
    ({"kinds": [16, 6]}, lambda e: e.WhichOneof("event") in {"orders_cleared", "order_registered"}),
    ({"venues": ["binance"], "order_ids": ["2"]}, lambda e: False),
    (
        {"venues": ["binance", "bitget"], "accounts": ["main"], "symbols": ["BTCUSDT"], "kinds": [1, 2, 3]},
        lambda e: (
            e.account == "main"
            and e.symbol == "BTCUSDT"
            and e.WhichOneof("event").startswith("fill_")
            and e.WhichOneof("event") != "fill_corrected"
        ),
    ),
]


@pytest.mark.parametrize("restarted", [False, True], ids=["ring", "journal"])
async def test_filters(server: RunningServer, restarted: bool) -> None:
    events = await mixed(server)
    assert [event.sequence for event in events] == list(range(1, server.head + 1))
    kinds = {event.WhichOneof("event") for event in events}
    assert len(kinds) >= 8, kinds
    if restarted:
        await server.restart()
    for conditions, passes in FILTERS:
        got = await read_through(server.feed, server.head, watch_from(0, **conditions))
        assert got == [event for event in events if passes(event)], conditions
        assert bool(got) == any(map(passes, events))


async def test_kinds_are_all_there(server: RunningServer) -> None:
    """Each kind of the enum is a branch of Event, and can be asked for."""
    branches = {field.name for field in events_pb2.Event.DESCRIPTOR.oneofs_by_name["event"].fields}
    kinds = {name.removeprefix("EVENT_KIND_").lower() for name in events_pb2.EventKind.keys()}  # noqa: SIM118
    assert kinds - {"unspecified"} == branches
    everything = [number for number in events_pb2.EventKind.values() if number]
    await server.fills.RecordFill(record("1"))
    assert len(await read_through(server.feed, 1, watch_from(0, kinds=everything))) == 1


async def test_through_sequence_moves_on_for_a_subscriber_that_sees_nothing(server: RunningServer) -> None:
    """At the latest with the heartbeat, so that it never resumes far behind."""
    request = watch_from(None, venues=["nobody"], heartbeat_interval=Duration(seconds=1))
    async with watching(server, request) as call:
        await fill_up(server, 50)
        events, messages = await read_until(call, lambda _, message: message.through_sequence == 50)
    assert not events
    assert messages[-1].live


# ------------------------------------------------------------------ messages


async def test_several_events_come_in_one_message(server: RunningServer, source: str) -> None:
    await fill_up(server, 600, batch=100)
    async with watching(server, watch_from(0)) as call:
        events, messages = await read_until(call, lambda _, message: message.through_sequence == 600)
    assert len(events) == 600
    assert len(messages) < 60


async def test_messages_are_bounded(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_service, "MESSAGE_BYTES", 4000)
    await fill_up(server, 200, batch=4)
    async with watching(server, watch_from(0)) as call:
        events, messages = await read_until(call, lambda _, message: message.through_sequence == 200)
    assert [event.sequence for event in events] == list(range(1, 201))
    # A message ends with the batch that fills it.
    longest = server.app.store.db.execute("SELECT max(length(payload)) FROM journal").fetchone()[0]
    assert max(message.ByteSize() for message in messages) < 4000 + longest + 500
    assert [message.live for message in messages].index(True) == len(messages) - 1


async def test_live_turns_true_when_caught_up(server: RunningServer) -> None:
    await fill_up(server, 30)
    async with watching(server, watch_from(0)) as call:
        first = await call.read()
        assert (list(first.events), first.live) == ([], False)
        _, messages = await read_until(call, lambda _, message: message.live)
        assert messages[-1].through_sequence == 30
        await server.fills.RecordFill(record("more"))
        _, messages = await read_until(call, lambda events, _: len(events) == 1)
        assert messages[-1].live


@pytest.mark.parametrize("asked", [Duration(nanos=1), Duration(seconds=-5), Duration(seconds=1)], ids=str)
async def test_heartbeats_at_least_a_second_apart(server: RunningServer, asked: Duration) -> None:
    request = watch_from(None, heartbeat_interval=asked)
    async with watching(server, request) as call:
        await call.read()
        began = time.monotonic()
        beat = await asyncio.wait_for(call.read(), 5)
        assert 0.9 < time.monotonic() - began < 3
    assert (list(beat.events), beat.live) == ([], True)
    assert beat.resume_token


def test_heartbeats_at_most_a_minute_apart() -> None:
    for asked, seconds in ((None, 10), (3600, 60), (315_576_000_000, 60), (61, 60), (0, 1), (30, 30)):
        given = {} if asked is None else {"heartbeat_interval": Duration(seconds=asked)}
        assert feed_service._heartbeat(pb.WatchEventsRequest(**given)) == seconds


async def test_events_carry_what_an_execution_report_does(server: RunningServer) -> None:
    await server.orders.RegisterOrder(register("1", client_order_id="mine", order_quantity="2"))
    await server.fills.RecordFill(record("1", order_id="1", client_order_id="mine"))
    registered, recorded = await read_through(server.feed, 2)
    assert registered.status == orders_pb2.ORDER_STATUS_PENDING_NEW
    assert (recorded.order_number, recorded.order_id, recorded.client_order_id) == (1, "1", "mine")
    assert recorded.status == orders_pb2.ORDER_STATUS_PARTIALLY_FILLED
    assert (recorded.cumulative_quantity, recorded.leaves_quantity, recorded.average_price) == (
        "0.5",
        "1.5",
        "100",
    )
    assert recorded.fill_recorded.fill.HasField("receive_time")


# ------------------------------------------------------------------ resuming


async def test_resuming_anywhere_loses_nothing_and_repeats_nothing(
    server: RunningServer, source: str, draw: random.Random
) -> None:
    """A subscriber that is cut off at random, by token or by sequence, while others write."""
    conditions: dict[str, Any] = draw.choice([{}, {"venues": ["binance"]}])
    total = 400
    writing = asyncio.ensure_future(trickle(server, total, batch=9))
    seen: list[int] = []
    through = 0
    token = ""
    reconnects = 0
    while through < total:
        request = watch_from(None, **conditions)
        if token and draw.random() < 0.5:
            request.resume_token = token
        else:
            request.after_sequence = through
        async with watching(server, request) as call:
            for _ in range(draw.randint(1, 4)):
                message = await asyncio.wait_for(call.read(), LIVE_SECONDS)
                seen += [event.sequence for event in message.events]
                assert message.through_sequence >= through
                through, token = message.through_sequence, message.resume_token
                if through >= total:
                    break
        reconnects += 1
    await writing
    assert seen == list(range(1, total + 1))
    assert reconnects > 1


async def test_random_cursors(server: RunningServer, source: str, draw: random.Random) -> None:
    await fill_up(server, 300, batch=11)
    channel = server.open_channel()
    stub = server.stub(FeedServiceStub, channel)
    for _ in range(150):
        after = draw.randint(0, 300)
        call = stub.WatchEvents(watch_from(after))
        events, _ = await read_until(call, lambda _, message: message.through_sequence == 300)
        call.cancel()
        assert [event.sequence for event in events] == list(range(after + 1, 301)), after
    await channel.close()


async def test_many_subscribers_see_the_same(server: RunningServer) -> None:
    async def one(after: int) -> list[int]:
        return [event.sequence for event in await read_through(server.feed, 200, watch_from(after))]

    reading = [asyncio.ensure_future(one(0)) for _ in range(20)]
    await fill_up(server, 200)
    for found in await asyncio.gather(*reading):
        assert found == list(range(1, 201))


async def test_a_subscriber_that_never_reads_delays_nobody(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No queue grows for it: what it has not read stays in the journal, and it lags."""
    monkeypatch.setattr(feed_module, "RING_BYTES", 64 << 10)
    monkeypatch.setattr(feed_service, "MESSAGE_BYTES", 64 << 10)
    channel = server.open_channel()
    stub = server.stub(FeedServiceStub, channel)
    stuck = [stub.WatchEvents(watch_from(0)) for _ in range(5)]
    for call in stuck:
        await call.read()
    await fill_up(server, 6000, batch=50, metadata={"padding": "x" * 2000})
    assert server.app.feed.lag > 500
    assert server.app.feed._ring_bytes <= (64 << 10) + (1 << 20)
    began = time.monotonic()
    for n in range(20):
        await server.fills.RecordFill(record(f"quick-{n}"))
    assert time.monotonic() - began < 5
    assert [event.sequence for event in await read_through(server.feed, 6020)] == list(range(1, 6021))
    # It can still read all of it.
    sequences: list[int] = []
    events, _ = await read_until(stuck[0], lambda _, message: message.through_sequence == 6020)
    sequences += [event.sequence for event in events]
    assert sequences == list(range(sequences[0], 6021))
    for call in stuck:
        call.cancel()
    await channel.close()


async def test_cancelled_feeds_leave_nothing_behind(server: RunningServer) -> None:
    for _ in range(30):
        await first_message(server, watch_from(0))
    async with asyncio.timeout(LIVE_SECONDS):
        while server.app.feed.cursors:
            await asyncio.sleep(0)


async def test_a_client_that_goes_while_it_is_written_to_is_no_fault(
    server: RunningServer, caplog: pytest.LogCaptureFixture
) -> None:
    await fill_up(server, 3000, batch=500, metadata={"padding": "x" * 2000})
    for _ in range(5):
        channel = server.open_channel()
        call = server.stub(FeedServiceStub, channel).WatchEvents(watch_from(0))
        await call.read()
        call.cancel()
        await channel.close()
    async with asyncio.timeout(LIVE_SECONDS):
        while server.app.feed.cursors:
            await asyncio.sleep(0)
    assert not [entry.message for entry in caplog.records if entry.levelname == "ERROR"]


async def test_an_import_that_replaces_ends_feeds(server: RunningServer, tmp_path: Path) -> None:
    """Their cursors count in a journal that is gone."""
    other = await RunningServer(tmp_path / "other").start()
    await fill_up(other, 5)
    exported = await other.state.ExportState(state_service_pb2.ExportStateRequest())
    await other.stop()
    assert not exported.next_page_token
    await fill_up(server, 20)
    async with watching(server, watch_from(0)) as call:
        _, messages = await read_until(call, lambda _, message: message.live)
        replacing = server.state.ImportState(
            state_service_pb2.ImportStateRequest(
                import_id="i",
                chunk=exported.chunk,
                last=True,
                mode=state_service_pb2.IMPORT_MODE_REPLACE,
            )
        )
        assert (await replacing).result.applied
        answer = await refused(read_until(call, lambda _events, _message: False))
    assert (answer.status, answer.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "INSTANCE_MISMATCH")
    old = pb.WatchEventsRequest(resume_token=messages[-1].resume_token)
    assert (await refused(server.feed.WatchEvents(old).read())).reason == "INSTANCE_MISMATCH"
    events = await read_through(server.feed, 5)
    assert [event.sequence for event in events] == list(range(1, 6))
    assert (await first_message(server, watch_from(0))).instance_id != messages[0].instance_id
    await server.fills.RecordFill(record("more"))
    assert len(await read_through(server.feed, 6)) == 6


async def test_a_stop_ends_feeds_with_a_reason_to_come_back(server: RunningServer) -> None:
    async with watching(server, watch_from(0)) as call:
        await call.read()
        stopping = asyncio.ensure_future(server.app.stop())
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await read_until(call, lambda _events, _message: False)
        answer = read(caught.value)
        assert (answer.status, answer.reason) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
        assert answer.retry_seconds
        async with asyncio.timeout(3):
            await stopping
    await server.channel.close()
    await server.start()


# ------------------------------------------------------------------ the feed is the state


async def test_the_orders_are_the_fold_of_the_feed(server: RunningServer) -> None:
    """The last event of each order says where it stands."""
    await mixed(server, clear=False)
    last: dict[int, events_pb2.Event] = {}
    for event in await read_through(server.feed, server.head):
        if event.order_number:
            last[event.order_number] = event
    checked = 0
    for order in (await server.orders.ListOrders(order_service_pb2.ListOrdersRequest())).orders:
        event = last[order.order_number]
        for name in ("sequence", "status", "cumulative_quantity", "leaves_quantity", "average_price"):
            assert getattr(event, name) == getattr(order, name), (name, order)
            if name.endswith(("quantity", "price")):
                assert event.HasField(name) == order.HasField(name), (name, order)
        checked += 1
    assert checked == 3
