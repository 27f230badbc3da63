"""The blocking client: the same calls without asyncio."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import grpc
import pytest

from fillhandler import FillHandlerError, OrderNotFoundError, SyncFillHandlerClient
from fillhandler.v1 import events_pb2, feed_service_pb2, fill_service_pb2, state_service_pb2

FILL = {"venue": "v", "symbol": "s", "side": "buy", "quantity": "1"}


@pytest.fixture
def client(server: Any) -> Iterator[SyncFillHandlerClient]:
    with SyncFillHandlerClient(server.address) as connected:
        yield connected


async def endless(request: Any, context: Any) -> AsyncIterator[Any]:
    for sequence in range(1, 4):
        yield feed_service_pb2.WatchEventsResponse(
            events=[events_pb2.Event(sequence=sequence)],
            through_sequence=sequence,
            resume_token=str(sequence),
        )
    await asyncio.Event().wait()


def test_calls_block_until_their_answer(server: Any, client: SyncFillHandlerClient) -> None:
    server.on("RecordFill", fill_service_pb2.RecordFillResponse(sequence=3))
    assert client.record_fill(FILL).sequence == 3
    assert client.record_fill(**FILL).sequence == 3  # type: ignore[arg-type]


def test_errors_are_the_same(server: Any, client: SyncFillHandlerClient, refusal: Callable[..., Any]) -> None:
    server.on("GetOrder", refusal(grpc.StatusCode.NOT_FOUND, "ORDER_NOT_FOUND"))
    with pytest.raises(OrderNotFoundError):
        client.get_order("7")


def test_streams_are_generators(server: Any, client: SyncFillHandlerClient) -> None:
    async def echo(requests: Any, context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            yield fill_service_pb2.RecordFillsResponse(
                results=[fill_service_pb2.FillResult(sequence=int(each.trade_id)) for each in request.fills]
            )

    server.on("RecordFills", echo)
    results = client.record_fills({**FILL, "trade_id": number} for number in range(1200))
    assert [result.sequence for result in results] == list(range(1200))


def test_a_source_that_blocks_does_not_hold_up_what_it_gave(
    server: Any, client: SyncFillHandlerClient
) -> None:
    async def echo(requests: Any, context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            yield fill_service_pb2.ProcessPayloadsResponse(
                results=[fill_service_pb2.PayloadResult(venue=each.venue) for each in request.payloads]
            )

    server.on("ProcessPayloads", echo)
    answered = threading.Event()

    def blocking() -> Iterator[tuple[str, str, bytes]]:
        yield ("first", "", b"{}")
        assert answered.wait(20)
        yield ("second", "", b"{}")

    results = client.process_payloads(blocking())
    assert next(results).venue == "first"
    answered.set()
    assert [result.venue for result in results] == ["second"]


def test_a_source_that_fails_raises_its_own_error(server: Any, client: SyncFillHandlerClient) -> None:
    def broken() -> Iterator[Any]:
        raise LookupError("own")
        yield

    with pytest.raises(LookupError, match="own"):
        list(client.record_fills(broken()))


def test_a_feed_is_left_by_break_or_close(server: Any, client: SyncFillHandlerClient) -> None:
    server.on("WatchEvents", endless)
    seen = []
    for event in client.watch(from_beginning=True):
        seen.append(event.sequence)
        if len(seen) == 3:
            break
    assert seen == [1, 2, 3]

    stream = client.watch_responses(from_beginning=True)
    assert next(stream).through_sequence == 1
    stream.close()
    with pytest.raises(StopIteration):
        next(stream)


def test_what_cannot_be_asked_is_said_at_once(client: SyncFillHandlerClient) -> None:
    with pytest.raises(ValueError, match="one of"):
        client.watch(after_sequence=1, from_beginning=True)


def test_it_serves_several_threads(server: Any, client: SyncFillHandlerClient) -> None:
    server.on("GetServerStatus", state_service_pb2.GetServerStatusResponse(version="1"))
    versions: list[str] = []
    threads = [
        threading.Thread(target=lambda: versions.append(client.get_server_status().version)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert versions == ["1"] * 8


def test_an_interrupt_ends_the_wait_and_the_stream_can_be_closed(
    server: Any, client: SyncFillHandlerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on("WatchEvents", endless)
    stream = client.watch(from_beginning=True)
    assert [next(stream).sequence for _ in range(3)] == [1, 2, 3]

    submit = asyncio.run_coroutine_threadsafe

    def interrupted(coroutine: Any, loop: Any) -> Any:
        future = submit(coroutine, loop)
        if coroutine.__name__ == "step":
            monkeypatch.setattr(future, "result", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
        return future

    monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(stream)
    with pytest.raises(StopIteration):
        next(stream)


def test_a_callback_that_calls_is_told_so(server: Any, client: SyncFillHandlerClient, tmp_path: Any) -> None:
    server.on("ExportState", state_service_pb2.ExportStateResponse(chunk=b"x"))

    def progress(_done: int, _total: int) -> None:
        client.get_server_status()

    with pytest.raises(RuntimeError, match="callback"):
        client.export_to_file(tmp_path / "x", progress=progress)


def test_closing_ends_what_is_open(server: Any) -> None:
    server.on("WatchEvents", endless)
    client = SyncFillHandlerClient(server.address)
    stream = client.watch(from_beginning=True)
    next(stream)
    threads = threading.active_count()

    client.close()
    client.close()

    assert threading.active_count() == threads - 1
    with pytest.raises(RuntimeError, match="closed"):
        client.get_server_status()
    with pytest.raises(RuntimeError, match="closed"):
        next(stream)


def test_it_names_its_server(client: SyncFillHandlerClient, server: Any) -> None:
    assert server.address in repr(client)
    assert client.address == server.address
    assert issubclass(OrderNotFoundError, FillHandlerError)
