"""Trades through the client: what is asked, what is tried again, and that a trade is never a second one."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from fillhandler import (
    DeadlineExceededError,
    FillHandlerClient,
    FillHandlerError,
    InvalidFieldError,
    RequestIdReusedError,
    RetryPolicy,
    ServerUnreachableError,
    SyncFillHandlerClient,
    TradeNotFoundError,
    VenueUnavailableError,
    convert,
)
from fillhandler.calls.execution import trade_request
from fillhandler.v1 import execution_service_pb2 as pb
from fillhandler.v1 import fills_pb2, trades_pb2

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
ASKED = {"venue": "binance", "symbol": "BTCUSDT", "side": "buy", "quantity": "1"}
DONE = pb.ExecuteTradeResponse(success=True, total_filled="1", sequence=9)


class TestRequests:
    def test_every_field_by_its_word(self) -> None:
        request = trade_request(
            request_id="r",
            venue="binance",
            account="a",
            market="spot",
            symbol="BTC/USDT",
            side="SELL",
            quantity=Decimal("0.10"),
            type="Post-Only",
            limit_price=50_000,
            expected_price="50001.5",
            time_in_force="GTC",
            deadline=timedelta(minutes=5),
            client_order_id="c",
            remainder="replace",
            replacement_price="tolerance",
            max_replacements=0,
        )
        assert request == trades_pb2.ExecuteTradeRequest(
            request_id="r",
            venue="binance",
            account="a",
            market="spot",
            symbol="BTC/USDT",
            side=fills_pb2.SIDE_SELL,
            quantity="0.10",
            type="post_only",
            limit_price="50000",
            expected_price="50001.5",
            time_in_force="gtc",
            deadline=Duration(seconds=300),
            client_order_id="c",
            remainder=trades_pb2.REMAINDER_REPLACE,
            replacement_price=trades_pb2.REPLACEMENT_PRICE_TOLERANCE,
            max_replacements=0,
        )
        assert request.HasField("max_replacements"), "0 is not the same as the server's own"

    def test_what_is_not_said_is_left_to_the_server(self) -> None:
        request = trade_request(ASKED)
        assert request.request_id
        assert request.request_id != trade_request(ASKED).request_id, "two trades"
        request.request_id = ""
        assert request == trades_pb2.ExecuteTradeRequest(
            venue="binance", symbol="BTCUSDT", side=fills_pb2.SIDE_BUY, quantity="1", type="market"
        )

    def test_a_message_is_taken_and_left_as_it_was(self) -> None:
        given = trades_pb2.ExecuteTradeRequest(venue="binance", quantity="1")
        assert trade_request(given).request_id
        assert given == trades_pb2.ExecuteTradeRequest(venue="binance", quantity="1")

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"quantity": 0.1}, "quantity"),
            ({"limit_price": 0.1}, "limit_price"),
            ({"quantity": Decimal("NaN")}, "quantity"),
            ({"side": "up"}, "side"),
            ({"remainder": "sell"}, "remainder"),
            ({"replacement_price": "best"}, "replacement_price"),
            ({"deadline": 5}, "deadline"),
            ({"max_replacements": -1}, ""),
            ({"amount": "1"}, "amount"),
        ],
    )
    def test_what_cannot_be_names_its_field(self, fields: dict[str, Any], field: str) -> None:
        with pytest.raises(convert.FieldError) as caught:
            trade_request({**ASKED, **fields})
        assert caught.value.field == field


class TestExecuting:
    async def test_the_answer_is_the_server_s(self, server: Any) -> None:
        server.on("ExecuteTrade", DONE)
        async with FillHandlerClient(server.address) as client:
            assert await client.execute_trade(ASKED, request_id="r") == DONE
        assert server.requests("ExecuteTrade") == [trade_request(ASKED, request_id="r")]

    async def test_there_is_no_timeout_unless_one_is_given(self, server: Any) -> None:
        async def note(request: Any, context: Any) -> Any:
            server.note(context.time_remaining())
            return DONE

        server.on("ExecuteTrade", note)
        async with FillHandlerClient(server.address, timeout_seconds=3) as client:
            await client.execute_trade(ASKED)
            await client.execute_trade(ASKED, timeout_seconds=7)
        assert server.noted[0] is None or server.noted[0] > 1e6
        assert 6 < server.noted[1] < 8

    async def test_it_is_tried_again_under_the_same_request_id_as_long_as_it_takes(
        self, server: Any, refusal: Callable[..., Any], policy: RetryPolicy
    ) -> None:
        failures = [
            refusal(grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN"),
            refusal(grpc.StatusCode.DEADLINE_EXCEEDED),
            refusal(grpc.StatusCode.UNKNOWN),
            refusal(grpc.StatusCode.INTERNAL),
            refusal(grpc.StatusCode.CANCELLED),
            refusal(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", retry_after=timedelta(seconds=9)),
        ]
        server.on("ExecuteTrade", *failures * 3, DONE)
        async with FillHandlerClient(server.address, retry=policy) as client:
            assert await client.execute_trade(ASKED) == DONE

        sent = server.requests("ExecuteTrade")
        assert len(sent) == 19, "many more than other calls are given"
        assert len({request.request_id for request in sent}) == 1, "another id would be another trade"
        waits: list[float] = policy.sleep.waits  # type: ignore[attr-defined]
        assert waits[:6] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2 + 9.0])
        assert max(waits) == 14.0

    @pytest.mark.parametrize(
        ("status", "reason", "kind"),
        [
            (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", InvalidFieldError),
            (grpc.StatusCode.FAILED_PRECONDITION, "REQUEST_ID_REUSED", RequestIdReusedError),
            (grpc.StatusCode.RESOURCE_EXHAUSTED, "STORE_FULL", FillHandlerError),
            (grpc.StatusCode.INTERNAL, "INTERNAL", FillHandlerError),
        ],
    )
    async def test_what_is_settled_or_would_repeat_itself_is_not(
        self,
        server: Any,
        refusal: Callable[..., Any],
        policy: RetryPolicy,
        status: Any,
        reason: str,
        kind: Any,
    ) -> None:
        server.on("ExecuteTrade", refusal(status, reason, metadata={"incident": "i"}))
        async with FillHandlerClient(server.address, retry=policy) as client:
            with pytest.raises(kind) as caught:
                await client.execute_trade(ASKED)
        (sent,) = server.requests("ExecuteTrade")
        assert caught.value.metadata == {"incident": "i", "request_id": sent.request_id}

    async def test_retries_that_are_off_stay_off(self, server: Any, refusal: Callable[..., Any]) -> None:
        server.on("ExecuteTrade", refusal(grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN"))
        async with FillHandlerClient(server.address, retry=RetryPolicy(attempts_max=1)) as client:
            with pytest.raises(FillHandlerError):
                await client.execute_trade(ASKED)
        assert len(server.called("ExecuteTrade")) == 1

    async def test_a_server_that_never_was_there_is_not_waited_for(
        self, server: Any, policy: RetryPolicy
    ) -> None:
        server.stop()
        async with FillHandlerClient(server.address, retry=policy) as client:
            with pytest.raises(ServerUnreachableError) as caught:
                await client.execute_trade(ASKED, request_id="mine")
        assert caught.value.metadata["request_id"] == "mine"
        assert len(policy.sleep.waits) == 4  # type: ignore[attr-defined]
        server.start()

    async def test_a_venue_that_is_not_connected_is_not_waited_for(
        self, server: Any, refusal: Callable[..., Any], policy: RetryPolicy
    ) -> None:
        server.on("ExecuteTrade", refusal(grpc.StatusCode.UNAVAILABLE, "VENUE_UNAVAILABLE"))
        async with FillHandlerClient(server.address, retry=policy) as client:
            with pytest.raises(VenueUnavailableError):
                await client.execute_trade(ASKED)
        assert len(server.called("ExecuteTrade")) == 5

    async def test_it_outlives_a_restart_of_the_server(
        self, server: Any, until_ended: Callable[[], Any]
    ) -> None:
        async def under_way(request: Any, context: Any) -> Any:
            server.note("under way")
            await until_ended()

        waits = 0

        async def start(_seconds: float) -> None:
            nonlocal waits
            waits += 1
            if waits == 8:  # more than a call has attempts
                server.start()
            # The policy's own wait: the channel needs its time to see what there is.
            await asyncio.sleep(0.01 if waits < 8 else 0.1)

        server.on("ExecuteTrade", under_way, DONE)
        async with FillHandlerClient(server.address, retry=RetryPolicy(sleep=start)) as client:
            answer = asyncio.create_task(client.execute_trade(ASKED))
            await asyncio.to_thread(server.wait_for, lambda: server.noted == ["under way"])
            await asyncio.to_thread(server.stop)
            assert await answer == DONE
        first, second = server.requests("ExecuteTrade")
        assert first == second

    async def test_a_timeout_ends_the_waiting_and_says_for_what(
        self, server: Any, until_ended: Callable[[], Any]
    ) -> None:
        async def under_way(request: Any, context: Any) -> Any:
            await until_ended()

        server.on("ExecuteTrade", under_way)
        async with FillHandlerClient(server.address) as client:
            with pytest.raises(DeadlineExceededError) as caught:
                await client.execute_trade(ASKED, request_id="mine", timeout_seconds=0.3)
        assert caught.value.metadata["request_id"] == "mine"
        assert not caught.value.definitely_not_applied

    async def test_no_wait_is_begun_that_ends_after_the_timeout(
        self, server: Any, refusal: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = 1000.0
        monkeypatch.setattr("fillhandler.connection.time", SimpleNamespace(monotonic=lambda: now))

        async def pass_time(seconds: float) -> None:
            nonlocal now
            now += seconds

        server.on("ExecuteTrade", refusal(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE"))
        policy = RetryPolicy(sleep=pass_time, draw=lambda _low, high: high)
        async with FillHandlerClient(server.address, retry=policy) as client:
            with pytest.raises(FillHandlerError):
                await client.execute_trade(ASKED, timeout_seconds=60)
        # 0.1 to 3.2 are 6.3 s, and then ten times the 5 s that a wait has at most.
        assert len(server.called("ExecuteTrade")) == 17
        assert 1055 < now < 1060

    async def test_an_attempt_that_lasted_starts_the_waits_anew(
        self, server: Any, refusal: Callable[..., Any], policy: RetryPolicy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = 0.0
        monkeypatch.setattr("fillhandler.connection.time", SimpleNamespace(monotonic=lambda: now))

        async def long(request: Any, context: Any) -> Any:
            nonlocal now
            now += 3600
            raise refusal(grpc.StatusCode.UNAVAILABLE)

        short = refusal(grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
        server.on("ExecuteTrade", short, short, long, short, DONE)
        async with FillHandlerClient(server.address, retry=policy) as client:
            await client.execute_trade(ASKED)
        assert policy.sleep.waits == [0.1, 0.2, 0.1, 0.2]  # type: ignore[attr-defined]


class TestOtherCalls:
    async def test_a_trade_by_either_id(self, server: Any, refusal: Callable[..., Any]) -> None:
        trade = trades_pb2.Trade(trade_id="t")
        server.on(
            "GetTrade",
            pb.GetTradeResponse(trade=trade),
            refusal(grpc.StatusCode.NOT_FOUND, "TRADE_NOT_FOUND"),
        )
        async with FillHandlerClient(server.address) as client:
            assert await client.get_trade("t") == trade
            with pytest.raises(TradeNotFoundError):
                await client.get_trade(request_id="r")
        assert server.requests("GetTrade") == [
            pb.GetTradeRequest(trade_id="t"),
            pb.GetTradeRequest(request_id="r"),
        ]

    async def test_a_cancel(self, server: Any) -> None:
        answer = pb.CancelTradeResponse(sequence=3)
        server.on("CancelTrade", answer)
        async with FillHandlerClient(server.address) as client:
            assert await client.cancel_trade("t") == answer
            assert await client.cancel_trade(request_id="r") == answer
        assert server.requests("CancelTrade") == [
            pb.CancelTradeRequest(trade_id="t"),
            pb.CancelTradeRequest(request_id="r"),
        ]

    async def test_trades_come_page_by_page_and_only_as_needed(self, server: Any) -> None:
        trades = [trades_pb2.Trade(trade_id=str(number)) for number in range(3)]
        server.on(
            "ListTrades",
            pb.ListTradesResponse(trades=trades[:2], next_page_token="2"),
            pb.ListTradesResponse(trades=trades[2:]),
        )
        async with FillHandlerClient(server.address) as client:
            listed = client.list_trades(
                active=True, venue="v", account="a", symbol="s", start_time=SINCE, end_time=SINCE, page_size=2
            )
            async with aclosing(listed):
                assert [await anext(listed), await anext(listed)] == trades[:2]
                assert len(server.called("ListTrades")) == 1
                assert [trade async for trade in listed] == trades[2:]
        first, second = server.requests("ListTrades")
        assert first == pb.ListTradesRequest(
            active=True,
            venue="v",
            account="a",
            symbol="s",
            start_time=convert.timestamp(SINCE),
            end_time=convert.timestamp(SINCE),
            page_size=2,
        )
        assert second.page_token == "2"
        second.page_token = ""
        assert second == first

    async def test_attempts_come_page_by_page(self, server: Any) -> None:
        attempts = [pb.Attempt(sequence=number) for number in range(3)]
        server.on(
            "ListRetries",
            pb.ListRetriesResponse(attempts=attempts[:1], next_page_token="1"),
            pb.ListRetriesResponse(attempts=attempts[1:]),
        )
        async with FillHandlerClient(server.address) as client:
            listed = client.list_retries(
                trade_id="t",
                outcome="given_up",
                error_class="rate_limit",
                venue="v",
                account="a",
                symbol="s",
                start_time=SINCE,
                end_time=SINCE,
                page_size=1,
            )
            assert [attempt async for attempt in listed] == attempts
            with pytest.raises(ValueError, match="outcome: 'lost' is none of succeeded, retried, given_up"):
                await anext(client.list_retries(outcome="lost"))
        first, second = server.requests("ListRetries")
        assert first == pb.ListRetriesRequest(
            trade_id="t",
            outcome=pb.ATTEMPT_OUTCOME_GIVEN_UP,
            error_class="rate_limit",
            venue="v",
            account="a",
            symbol="s",
            start_time=convert.timestamp(SINCE),
            end_time=convert.timestamp(SINCE),
            page_size=1,
        )
        second.page_token = ""
        assert second == first

    def test_the_blocking_client_has_the_same(self, server: Any) -> None:
        server.on("ExecuteTrade", DONE)
        server.on("GetTrade", pb.GetTradeResponse())
        server.on("CancelTrade", pb.CancelTradeResponse(sequence=1))
        server.on("ListTrades", pb.ListTradesResponse(trades=[trades_pb2.Trade(trade_id="t")]))
        server.on("ListRetries", pb.ListRetriesResponse(attempts=[pb.Attempt(sequence=1)]))
        with SyncFillHandlerClient(server.address) as client:
            assert client.execute_trade(venue="v", symbol="s", side="buy", quantity=1) == DONE
            assert client.get_trade("t") == trades_pb2.Trade()
            assert client.cancel_trade("t").sequence == 1
            assert [trade.trade_id for trade in client.list_trades()] == ["t"]
            assert [attempt.sequence for attempt in client.list_retries()] == [1]
