"""What is tried again, how often, and after how long."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from fillhandler import (
    FillHandlerClient,
    FillHandlerError,
    InvalidFieldError,
    RetryPolicy,
    ServerUnreachableError,
    ShuttingDownError,
)
from fillhandler.retry import Reconnection
from fillhandler.v1 import fill_service_pb2, state_service_pb2

FILL = {"venue": "binance", "symbol": "BTCUSDT", "side": "buy", "quantity": "1"}
RECORDED = fill_service_pb2.RecordFillResponse(outcome=fill_service_pb2.OUTCOME_RECORDED, sequence=1)


def waits(policy: RetryPolicy) -> list[float]:
    return policy.sleep.waits  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "status",
    [
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
    ],
)
async def test_a_transient_failure_is_tried_again(
    server: Any, refusal: Callable[..., Any], policy: RetryPolicy, status: grpc.StatusCode
) -> None:
    server.on("RecordFill", refusal(status), refusal(status), RECORDED)

    async with FillHandlerClient(server.address, retry=policy) as client:
        assert (await client.record_fill(FILL)).sequence == 1

    assert len(server.called("RecordFill")) == 3
    assert waits(policy) == [0.1, 0.2]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"),
        (grpc.StatusCode.NOT_FOUND, "FILL_NOT_FOUND"),
        (grpc.StatusCode.FAILED_PRECONDITION, "ORDER_AMBIGUOUS"),
        (grpc.StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED"),
        (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED"),
        (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "STORE_FULL"),
        (grpc.StatusCode.UNIMPLEMENTED, ""),
        (grpc.StatusCode.DATA_LOSS, "IMPORT_DAMAGED"),
        (grpc.StatusCode.INTERNAL, "INTERNAL"),
    ],
)
async def test_what_is_settled_or_would_repeat_itself_is_not(
    server: Any, refusal: Callable[..., Any], policy: RetryPolicy, status: grpc.StatusCode, reason: str
) -> None:
    server.on("RecordFill", refusal(status, reason, retry_after=timedelta(seconds=1)))

    async with FillHandlerClient(server.address, retry=policy) as client:
        with pytest.raises(FillHandlerError):
            await client.record_fill(FILL)

    assert len(server.called("RecordFill")) == 1
    assert waits(policy) == []


async def test_attempts_are_bounded_and_the_last_error_is_raised(
    server: Any, refusal: Callable[..., Any], policy: RetryPolicy
) -> None:
    server.on("RecordFill", refusal(grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN"))

    async with FillHandlerClient(server.address, retry=policy) as client:
        with pytest.raises(ShuttingDownError):
            await client.record_fill(FILL)

    assert len(server.called("RecordFill")) == 5
    assert waits(policy) == [0.1, 0.2, 0.4, 0.8]


async def test_the_wait_the_server_asks_for_is_the_least(
    server: Any, refusal: Callable[..., Any], policy: RetryPolicy
) -> None:
    asked = timedelta(seconds=2)
    server.on(
        "RecordFill",
        refusal(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", retry_after=asked),
        RECORDED,
    )

    async with FillHandlerClient(server.address, retry=policy) as client:
        await client.record_fill(FILL)

    assert waits(policy) == [2.1]


async def test_no_wait_is_begun_that_ends_after_the_deadline(
    server: Any, refusal: Callable[..., Any], policy: RetryPolicy
) -> None:
    asked = timedelta(seconds=60)
    server.on("RecordFill", refusal(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", retry_after=asked))

    async with FillHandlerClient(server.address, retry=policy, timeout_seconds=10) as client:
        with pytest.raises(FillHandlerError):
            await client.record_fill(FILL)

    assert len(server.called("RecordFill")) == 1


async def test_every_attempt_has_what_is_left_of_one_timeout(
    server: Any, refusal: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    left: list[float] = []

    async def pass_time(_seconds: float) -> None:
        nonlocal now
        now += 1

    async def note(request: Any, context: Any) -> Any:
        left.append(context.time_remaining())
        raise refusal(grpc.StatusCode.UNAVAILABLE)

    monkeypatch.setattr("fillhandler.connection.time", SimpleNamespace(monotonic=lambda: now))
    server.on("RecordFill", note)

    async with FillHandlerClient(server.address, retry=RetryPolicy(sleep=pass_time)) as client:
        with pytest.raises(ServerUnreachableError):
            await client.record_fill(FILL, timeout_seconds=8)

    assert left == pytest.approx([8.0, 7.0, 6.0, 5.0, 4.0], abs=0.5)


async def test_there_is_no_second_layer_of_retries(server: Any, refusal: Callable[..., Any]) -> None:
    server.on("RecordFill", refusal(grpc.StatusCode.UNAVAILABLE))

    async with FillHandlerClient(server.address, retry=RetryPolicy(attempts_max=1)) as client:
        with pytest.raises(ServerUnreachableError):
            await client.record_fill(FILL)

    assert len(server.called("RecordFill")) == 1


async def test_a_call_outlives_a_restart_of_the_server(server: Any) -> None:
    server.on("GetServerStatus", state_service_pb2.GetServerStatusResponse(version="1"))
    server.stop()

    async def start(seconds: float) -> None:
        if not server.noted:
            server.note("started")
            server.start()
        await asyncio.sleep(seconds)  # the policy's own wait: the channel needs its time to reconnect

    async with FillHandlerClient(server.address, retry=RetryPolicy(attempts_max=100, sleep=start)) as client:
        assert (await client.get_server_status()).version == "1"
    assert server.noted == ["started"]


def test_waits_are_drawn_from_zero_to_a_bounded_ceiling() -> None:
    bounds: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        bounds.append((low, high))
        return high

    policy = RetryPolicy(base_delay_seconds=0.5, max_delay_seconds=4, draw=draw)

    assert [policy.delay_seconds(attempt, None) for attempt in (1, 2, 3, 4, 5, 5000)] == [0.5, 1, 2, 4, 4, 4]
    assert {low for low, _ in bounds} == {0.0}


class TestReconnection:
    FAILURE = InvalidFieldError("any")

    async def test_without_an_answer_it_ends_as_a_call_does(self, policy: RetryPolicy) -> None:
        reconnection = Reconnection(policy, None, lambda: 0.0)
        for _ in range(4):
            await reconnection.wait(self.FAILURE)
        with pytest.raises(InvalidFieldError):
            await reconnection.wait(self.FAILURE)

    async def test_an_answer_resets_the_waits(self, policy: RetryPolicy) -> None:
        reconnection = Reconnection(policy, None, lambda: 0.0)
        for answered in (False, True, False, False, True):
            if answered:
                reconnection.answered()
            await reconnection.wait(self.FAILURE)
        assert waits(policy) == [0.1, 0.1, 0.2, 0.4, 0.1]

    async def test_after_an_answer_only_patience_ends_it(self, policy: RetryPolicy) -> None:
        now = 0.0
        reconnection = Reconnection(policy, 60.0, lambda: now)
        reconnection.answered()
        for _ in range(100):
            await reconnection.wait(self.FAILURE)
        now = 60.1
        with pytest.raises(InvalidFieldError):
            await reconnection.wait(self.FAILURE)

    async def test_without_a_limit_it_never_ends(self, policy: RetryPolicy) -> None:
        now = 0.0
        reconnection = Reconnection(policy, None, lambda: now)
        reconnection.answered()
        now = 1e9
        for _ in range(2000):
            await reconnection.wait(self.FAILURE)
        assert max(waits(policy)) == 5.0
