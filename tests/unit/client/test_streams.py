"""Batches over bidirectional streams: in order, each acknowledged, each sent again until it is."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing
from typing import Any

import grpc
import pytest

from fillhandler import (
    FillHandlerClient,
    FillHandlerError,
    PermissionDeniedError,
    ProtocolError,
    RetryPolicy,
    ServerUnreachableError,
)
from fillhandler.batches import gather_batches
from fillhandler.v1 import fill_service_pb2


def fill(number: int) -> dict[str, Any]:
    return {"venue": "v", "symbol": "s", "side": "buy", "quantity": "1", "trade_id": number}


def answer(request: Any) -> fill_service_pb2.RecordFillsResponse:
    """Each fill's own number as its sequence."""
    return fill_service_pb2.RecordFillsResponse(
        results=[fill_service_pb2.FillResult(sequence=int(each.trade_id)) for each in request.fills]
    )


async def echo(requests: Any, context: Any) -> AsyncIterator[Any]:
    async for request in requests:
        yield answer(request)


def sizes(server: Any) -> list[int]:
    return [len(request.fills) for request in server.requests("RecordFills")]


async def sequences(results: Any) -> list[int]:
    return [result.sequence async for result in results]


async def test_results_come_in_order_over_batches(server: Any) -> None:
    server.on("RecordFills", echo)
    async with FillHandlerClient(server.address) as client:
        assert await sequences(client.record_fills(map(fill, range(1050)), batch_max=500)) == list(
            range(1050)
        )
    assert sizes(server) == [500, 500, 50]
    assert len(server.called("RecordFills")) == 1


async def test_nothing_to_send_opens_no_stream(server: Any) -> None:
    async with FillHandlerClient(server.address) as client:
        assert await sequences(client.record_fills([])) == []
    assert server.calls == []


async def test_at_most_a_window_is_unacknowledged(server: Any) -> None:
    gate = server.gate()

    async def hold(requests: Any, context: Any) -> AsyncIterator[Any]:
        await gate.wait()
        async for request in requests:
            yield answer(request)

    server.on("RecordFills", hold)
    pulled = 0

    def fills() -> Iterable[dict[str, Any]]:
        nonlocal pulled
        for number in range(100):
            pulled += 1
            yield fill(number)

    async with FillHandlerClient(server.address) as client:
        results = client.record_fills(fills(), batch_max=10, window_max=3)
        first = asyncio.ensure_future(anext(results))
        await server.until(lambda: bool(server.called("RecordFills")))
        for _ in range(50):
            await asyncio.sleep(0)
        assert pulled <= 40, "three batches are out, and one is at hand"
        gate.open()
        assert [(await first).sequence, *await sequences(results)] == list(range(100))


async def test_a_slow_source_is_not_waited_for(server: Any) -> None:
    server.on("RecordFills", echo)
    more: asyncio.Queue[int | None] = asyncio.Queue()

    async def trickle() -> AsyncIterator[dict[str, Any]]:
        while (number := await more.get()) is not None:
            yield fill(number)

    async with (
        FillHandlerClient(server.address) as client,
        aclosing(client.record_fills(trickle())) as results,
    ):
        for number in range(3):
            more.put_nowait(number)
            assert (await anext(results)).sequence == number
        more.put_nowait(None)
        assert await sequences(results) == []
    assert sizes(server) == [1, 1, 1]


async def test_a_source_that_fails_ends_it(server: Any) -> None:
    server.on("RecordFills", echo)

    async def broken() -> AsyncIterator[dict[str, Any]]:
        yield fill(1)
        raise LookupError("of the caller's own")

    async with FillHandlerClient(server.address) as client:
        with pytest.raises(LookupError, match="own"):
            await sequences(client.record_fills(broken()))
        with pytest.raises(TypeError, match="float"):
            await sequences(client.record_fills([{**fill(1), "price": 0.1}]))


async def test_what_was_not_acknowledged_is_sent_again(server: Any, policy: RetryPolicy) -> None:
    async def breaks_after_two(requests: Any, context: Any) -> AsyncIterator[Any]:
        taken = 0
        async for request in requests:
            if taken == 2:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "going down")
            taken += 1
            yield answer(request)

    server.on("RecordFills", breaks_after_two, breaks_after_two, echo)
    async with FillHandlerClient(server.address, retry=policy) as client:
        assert await sequences(client.record_fills(map(fill, range(60)), batch_max=10)) == list(range(60))

    firsts = [int(call.requests[0].fills[0].trade_id) for call in server.called("RecordFills")]
    assert firsts == [0, 20, 40], "each stream begins with the oldest that is not acknowledged"


async def test_a_restart_of_the_server_loses_nothing(server: Any) -> None:
    async def stuck(requests: Any, context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            yield answer(request)
            await asyncio.Event().wait()

    server.on("RecordFills", stuck, echo)

    async def restart(_seconds: float) -> None:
        if server.called("RecordFills")[-1].requests and len(server.called("RecordFills")) == 1:
            await asyncio.to_thread(server.start)

    policy = RetryPolicy(sleep=restart)
    async with FillHandlerClient(server.address, retry=policy) as client:
        results = client.record_fills(map(fill, range(30)), batch_max=10)
        seen = [(await anext(results)).sequence]
        await asyncio.to_thread(server.stop)
        seen += await sequences(results)
    assert seen == list(range(30))


async def test_a_clean_end_too_early_is_a_failure_as_well(server: Any, policy: RetryPolicy) -> None:
    async def leaves(requests: Any, context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            yield answer(request)
            return

    server.on("RecordFills", leaves, echo)
    async with FillHandlerClient(server.address, retry=policy) as client:
        assert await sequences(client.record_fills(map(fill, range(4)), batch_max=2)) == list(range(4))


async def test_a_silent_stream_is_given_up(
    server: Any, policy: RetryPolicy, until_ended: Callable[[], Any]
) -> None:
    async def silent(requests: Any, context: Any) -> AsyncIterator[Any]:
        await until_ended()
        yield

    server.on("RecordFills", silent, echo)
    impatient = RetryPolicy(answer_seconds_max=0.05, sleep=policy.sleep)
    async with FillHandlerClient(server.address, retry=impatient) as client:
        assert await sequences(client.record_fills(map(fill, range(4)))) == list(range(4))


async def test_a_refused_stream_is_refused_for_the_servers_reason(
    server: Any, policy: RetryPolicy, refusal: Callable[..., Any]
) -> None:
    # Often enough that the first write meets the refusal, which makes grpc.aio forget the reason.
    server.on("RecordFills", refusal(grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED"))
    async with FillHandlerClient(server.address, retry=policy) as client:
        for _ in range(40):
            with pytest.raises(PermissionDeniedError):
                await sequences(client.record_fills([fill(1)]))
    assert len(server.called("RecordFills")) <= 80, "at most one more look each"


async def test_what_was_sent_is_unknown_whatever_the_error_says(
    server: Any, policy: RetryPolicy, refusal: Callable[..., Any]
) -> None:
    async def refuses_the_second(requests: Any, context: Any) -> AsyncIterator[Any]:
        first = True
        async for request in requests:
            if not first:
                raise refusal(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
            first = False
            yield answer(request)

    server.on("RecordFills", refuses_the_second)
    async with FillHandlerClient(server.address, retry=policy) as client:
        with pytest.raises(FillHandlerError) as caught:
            await sequences(client.record_fills(map(fill, range(4)), batch_max=2))
    assert not caught.value.definitely_not_applied


async def test_a_server_that_never_answers_is_given_up_as_for_a_call(
    server: Any, policy: RetryPolicy
) -> None:
    server.stop()
    async with FillHandlerClient(server.address, retry=policy) as client:
        with pytest.raises(ServerUnreachableError):
            await sequences(client.record_fills([fill(1)]))
    assert len(policy.sleep.waits) == policy.attempts_max - 1  # type: ignore[attr-defined]
    server.start()


async def test_a_wrong_count_of_results_is_not_guessed_about(server: Any) -> None:
    async def short(requests: Any, context: Any) -> AsyncIterator[Any]:
        async for _ in requests:
            yield fill_service_pb2.RecordFillsResponse()

    server.on("RecordFills", short)
    async with FillHandlerClient(server.address) as client:
        with pytest.raises(ProtocolError):
            await sequences(client.record_fills([fill(1)]))


async def test_leaving_early_ends_the_stream(server: Any) -> None:
    async def notes_its_end(requests: Any, context: Any) -> AsyncIterator[Any]:
        context.add_done_callback(lambda _: server.note("ended"))
        async for request in requests:
            yield answer(request)

    server.on("RecordFills", notes_its_end)
    async with FillHandlerClient(server.address) as client:
        async with aclosing(client.record_fills(map(fill, range(10_000)), batch_max=10)) as results:
            await anext(results)
        await server.until(lambda: server.noted == ["ended"])


async def test_payloads_of_all_forms(server: Any) -> None:
    async def script(requests: Any, context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            yield fill_service_pb2.ProcessPayloadsResponse(
                results=[
                    fill_service_pb2.PayloadResult(venue=each.venue, sequence=len(each.payload))
                    for each in request.payloads
                ]
            )

    server.on("ProcessPayloads", script)
    message = fill_service_pb2.VenuePayload(venue="c", payload=b"[]")
    async with FillHandlerClient(server.address) as client:
        entries = [("a", "x", b'{"n": 1.10}'), ("b", "", {"n": 1}), message]
        results = [each async for each in client.process_payloads(entries, validate_only=True)]

    assert [result.venue for result in results] == ["a", "b", "c"]
    assert server.requests("ProcessPayloads") == [
        fill_service_pb2.ProcessPayloadsRequest(
            payloads=[
                fill_service_pb2.VenuePayload(venue="a", account="x", payload=b'{"n": 1.10}'),
                fill_service_pb2.VenuePayload(venue="b", payload=b'{"n": 1}'),
                message,
            ],
            validate_only=True,
        )
    ]


async def test_large_answers_and_large_requests_do_not_wait_for_each_other(server: Any) -> None:
    # Both directions' flow control windows fill up many times over.
    async def verbose(requests: Any, context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            yield fill_service_pb2.ProcessPayloadsResponse(
                results=[
                    fill_service_pb2.PayloadResult(venue="v" * len(each.payload)) for each in request.payloads
                ]
            )

    server.on("ProcessPayloads", verbose)
    entries = (("v", "", b"1" * 200_000) for _ in range(100))
    async with FillHandlerClient(server.address) as client:
        assert len([each async for each in client.process_payloads(entries)]) == 100


async def test_batches_are_bounded_by_size_too() -> None:
    batches = [
        batch async for batch in gather_batches([400_000, 400_000, 400_000, 2_000_000, 1], lambda size: size)
    ]
    assert batches == [[400_000, 400_000], [400_000], [2_000_000], [1]]
