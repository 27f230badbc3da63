"""Export, import, verify and status against the real server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.application import RunningServer
from support.refusals import read, refused

from fillhandler.v1 import feed_service_pb2, fill_service_pb2, fills_pb2
from fillhandler.v1 import state_service_pb2 as pb
from fillhandler_server import venues

REPLACE, MERGE, VALIDATE = pb.IMPORT_MODE_REPLACE, pb.IMPORT_MODE_MERGE, pb.IMPORT_MODE_VALIDATE_ONLY


async def record(server: RunningServer, *trade_ids: str, **others: Any) -> None:
    for trade_id in trade_ids:
        fill = fills_pb2.Fill(
            venue="binance",
            symbol="BTC/USDT",
            order_id=f"o{trade_id}",
            trade_id=trade_id,
            side=fills_pb2.SIDE_BUY,
            quantity="1.5",
            price="65000.1",
            **others,
        )
        await server.fills.RecordFill(fill_service_pb2.RecordFillRequest(fill=fill))


async def export(server: RunningServer, size: int = 0) -> bytes:
    parts, request = [], pb.ExportStateRequest(max_chunk_bytes=size)
    while True:
        page = await server.state.ExportState(request)
        parts.append(page.chunk)
        if not page.next_page_token:
            assert page.progress.events == page.progress.total_events
            return b"".join(parts)
        request.page_token = page.next_page_token


def piece(chunk: bytes, mode: pb.ImportMode.ValueType, **others: Any) -> pb.ImportStateRequest:
    return pb.ImportStateRequest(**{"import_id": "x", "chunk": chunk, "last": True, "mode": mode, **others})


@pytest.fixture
async def other(tmp_path: Path) -> Any:
    """A second server."""
    running = await RunningServer(tmp_path / "other").start()
    yield running
    await running.stop()


async def test_a_small_state_is_one_call(server: RunningServer) -> None:
    await record(server, "a", "b")
    page = await server.state.ExportState(pb.ExportStateRequest())

    assert page.next_page_token == ""
    assert page.chunk.count(b"\n") == 4
    assert page.progress == pb.Progress(batches=2, events=2, total_events=2)


async def test_replace_gives_the_identical_export(server: RunningServer, other: RunningServer) -> None:
    await record(server, "a", "b", "c")
    await record(other, "z")
    data = await export(server)
    response = await other.state.ImportState(piece(data, REPLACE))

    assert response == pb.ImportStateResponse(
        next_chunk_index=1,
        received_bytes=len(data),
        result=pb.ImportResult(
            mode=REPLACE,
            source_instance_id=server.app.store.instance_id,
            batches=3,
            events=3,
            fills=3,
            orders=3,
            new_fills=3,
            sequence=3,
            applied=True,
        ),
    )
    assert await export(other) == data
    assert await export(other, 4096) == data
    await record(other, "d")
    listed = await other.fills.ListFills(fill_service_pb2.ListFillsRequest())
    assert sorted(fill.trade_id for fill in listed.fills) == ["a", "b", "c", "d"]


async def test_replace_ends_open_feeds(server: RunningServer, other: RunningServer) -> None:
    await record(server, "a")
    feed = other.feed.WatchEvents(feed_service_pb2.WatchEventsRequest())
    await feed.read()
    await other.state.ImportState(piece(await export(server), REPLACE))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await feed.read()

    assert read(caught.value).reason == "INSTANCE_MISMATCH"


async def test_merge_is_told_to_feeds(server: RunningServer, other: RunningServer) -> None:
    await record(server, "a")
    feed = other.feed.WatchEvents(feed_service_pb2.WatchEventsRequest(after_sequence=0))
    await feed.read()
    response = await other.state.ImportState(piece(await export(server), MERGE))
    kinds: list[str | None] = []
    while len(kinds) < 2:
        kinds += [event.WhichOneof("event") for event in (await feed.read()).events]
    feed.cancel()

    assert kinds == ["fill_recorded", "state_imported"]
    assert response.result.appended_events == response.result.sequence == 2
    again = await other.state.ImportState(piece(await export(server), MERGE, import_id="y"))
    assert again.result.appended_events == 0
    assert other.head == 2


async def test_chunks_and_a_restart_between(server: RunningServer, other: RunningServer) -> None:
    await record(server, "a", "b")
    data = await export(server)
    half = len(data) // 2
    first = await other.state.ImportState(piece(data[:half], MERGE, last=False))
    await other.restart()
    again = await other.state.ImportState(piece(data[:half], MERGE, last=False))
    done = await other.state.ImportState(piece(data[half:], MERGE, chunk_index=1))

    assert first == again == pb.ImportStateResponse(next_chunk_index=1, received_bytes=half)
    assert done.result.new_fills == 2


async def test_errors_have_their_reasons(server: RunningServer) -> None:
    await record(server, "a")
    data = await export(server)
    head = server.head
    gap = await refused(server.state.ImportState(piece(data, MERGE, chunk_index=3)))
    mode = await refused(server.state.ImportState(piece(data, pb.IMPORT_MODE_UNSPECIFIED)))
    name = await refused(server.state.ImportState(piece(data, MERGE, import_id="../x")))
    cut = await refused(server.state.ImportState(piece(data[:-50], REPLACE)))
    token = await refused(server.state.ExportState(pb.ExportStateRequest(page_token="nonsense")))

    assert (gap.status, gap.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert gap.metadata["next_chunk_index"] == "0"
    assert list(mode.violations) == ["mode"]
    assert list(name.violations) == ["import_id"]
    assert (cut.status, cut.reason) == (grpc.StatusCode.DATA_LOSS, "IMPORT_DAMAGED")
    assert "line 3" in cut.text
    assert (token.status, token.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")
    assert server.head == head
    assert await export(server) == data


async def test_a_caller_that_hangs_up_does_not_undo_its_import(
    server: RunningServer, other: RunningServer
) -> None:
    await record(server, *(str(n) for n in range(50)))
    request = piece(await export(server), REPLACE)
    call = other.state.ImportState(request)
    await asyncio.sleep(0.02)
    call.cancel()
    response = await other.state.ImportState(request)

    assert response.result.applied
    assert await export(other) == request.chunk


async def test_writes_go_on_while_a_file_is_checked(server: RunningServer, other: RunningServer) -> None:
    await record(server, *(str(n) for n in range(200)))
    data = await export(server)
    work = asyncio.ensure_future(other.state.ImportState(piece(data, VALIDATE)))
    recorded = 0
    while not work.done():
        await record(other, f"z{recorded}")
        recorded += 1
    result = (await work).result

    assert (result.applied, result.fills) == (False, 200)
    assert recorded > 1
    assert other.head == recorded


async def test_the_journal_is_verified_with_progress(server: RunningServer) -> None:
    await record(server, *(str(n) for n in range(130)))
    messages = [message async for message in server.state.VerifyJournal(pb.VerifyJournalRequest())]

    assert [message.done for message in messages] == [False] * (len(messages) - 1) + [True]
    assert len(messages) > 1
    assert messages[-1].valid
    assert (
        messages[-1].progress.events
        == messages[-1].progress.total_events
        == messages[-1].head_sequence
        == 130
    )
    assert messages[-1].head_hash == server.app.writer.head.hash.hex()


async def test_a_damaged_journal_is_told(server: RunningServer) -> None:
    await record(server, *(str(n) for n in range(5)))
    server.app.store.db.execute("UPDATE journal SET commit_time = commit_time + 1 WHERE first_sequence = 3")
    *_, last = [message async for message in server.state.VerifyJournal(pb.VerifyJournalRequest())]

    assert (last.done, last.valid, last.problem_sequence) == (True, False, 3)
    assert last.problem
    gone = await refused(server.state.ExportState(pb.ExportStateRequest()))
    assert (gone.status, gone.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    server.app.store.db.execute("UPDATE journal SET commit_time = commit_time - 1 WHERE first_sequence = 3")


async def test_the_status_says_how_the_server_is(server: RunningServer) -> None:
    empty = await server.state.GetServerStatus(pb.GetServerStatusRequest())
    await record(server, "a", "b")
    feed = server.feed.WatchEvents(feed_service_pb2.WatchEventsRequest())
    await feed.read()
    status = await server.state.GetServerStatus(pb.GetServerStatusRequest())
    feed.cancel()

    assert not empty.HasField("last_commit_time")
    assert (empty.total_fills, empty.head_sequence, empty.writable, empty.store) == (0, 0, True, "sqlite")
    assert (status.total_fills, status.total_orders, status.active_orders) == (2, 2, 2)
    assert status.instance_id == server.app.store.instance_id
    assert (status.head_sequence, status.head_hash) == (2, server.app.writer.head.hash.hex())
    assert status.last_commit_time.ToNanoseconds() == server.app.writer.head.commit_time
    assert status.uptime.ToNanoseconds() >= empty.uptime.ToNanoseconds() > 0
    assert (status.subscribers, status.max_subscriber_lag) == (1, 0)
    assert status.store_bytes > 0
    assert list(status.venues) == list(venues.known())
    assert status.version
    assert status.schema_version == 3
