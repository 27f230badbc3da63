"""GetTrade, ListTrades and CancelTrade, trades on the feed, and who may trade, over a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.refusals import refused
from support.rehearsing import (
    BUY,
    WORKING,
    Rehearsal,
    credentials_of,
    kinds_of,
    orders_at,
    paused_exchange,
    resting,
    trade_request,
)
from support.watching import read_through

from fillhandler.v1 import execution_service_pb2 as pb
from fillhandler.v1 import fill_service_pb2, orders_pb2, trades_pb2
from fillhandler.v1.execution_service_pb2_grpc import ExecutionServiceStub
from fillhandler_server.exchange import SimulatedExchange
from fillhandler_server.rpc.access import Role, new_token, token_hash

pytest.importorskip("ccxt", reason="ccxt is the extra `exchanges`")

CANCELED, FILLED = orders_pb2.ORDER_STATUS_CANCELED, orders_pb2.ORDER_STATUS_FILLED
EXPIRED = orders_pb2.ORDER_STATUS_EXPIRED


@pytest.fixture
async def exchange() -> AsyncIterator[SimulatedExchange]:
    made = paused_exchange(symbols=("BTCUSDT", "ETHUSDT", "ETHBTC=0.05"))
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def server(exchange: SimulatedExchange, tmp_path: Path) -> AsyncIterator[Rehearsal]:
    """With spot and linear."""
    folder = credentials_of(exchange, tmp_path / "credentials")
    running = await Rehearsal(tmp_path, exchange.base_url, folder, ("spot", "linear")).start()
    yield await running.connected()
    await running.stop()


# ------------------------------------------------------------------ looking


async def test_a_trade_by_either_id(server: Rehearsal) -> None:
    answer = await server.execute(trade_request("mine"))
    trade_id = answer.trade.trade_id

    by_id = await server.execution.GetTrade(pb.GetTradeRequest(trade_id=trade_id))
    by_request = await server.execution.GetTrade(pb.GetTradeRequest(request_id="mine"))

    assert by_id.trade == by_request.trade == answer.trade
    for method, kind in (
        (server.execution.GetTrade, pb.GetTradeRequest),
        (server.execution.CancelTrade, pb.CancelTradeRequest),
    ):
        for names in ({}, {"trade_id": trade_id, "request_id": "mine"}):
            wrong = await refused(method(kind(**names)))
            assert (wrong.reason, list(wrong.violations)) == ("INVALID_FIELD", ["trade_id"])
        for name in ("trade_id", "request_id"):
            wrong = await refused(method(kind(**{name: "nobody"})))
            assert (wrong.status, wrong.reason) == (grpc.StatusCode.NOT_FOUND, "TRADE_NOT_FOUND")
            assert wrong.metadata[name] == "nobody"
        # A request id is no trade id.
        assert (await refused(method(kind(trade_id="mine")))).reason == "TRADE_NOT_FOUND"


async def listed(server: Rehearsal, **conditions: Any) -> list[str]:
    """The request ids of every page."""
    request, found = pb.ListTradesRequest(**conditions), []
    while True:
        page = await server.execution.ListTrades(request)
        assert len(page.trades) <= (request.page_size or 100)
        found += [trade.request.request_id for trade in page.trades]
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def test_lists_of_trades(server: Rehearsal) -> None:
    await server.execute(trade_request("a"))
    await server.execute(trade_request("b", symbol="ETHUSDT"))
    await server.working(resting("c"))
    await server.execute(trade_request("d", market="linear"))
    await server.working(resting("e", market="linear", symbol="ETHUSDT", limit_price="1000"))
    every = ["a", "b", "c", "d", "e"]

    assert await listed(server) == every
    assert [await listed(server, page_size=size) for size in (1, 2, 5, 1000)] == [every] * 4
    assert await listed(server, active=True) == ["c", "e"]
    assert await listed(server, symbol="ETHUSDT") == ["b", "e"]
    assert await listed(server, venue="BINANCE", account="main", page_size=2) == every
    assert await listed(server, venue="bitget") == await listed(server, account="other") == []
    third = (await server.trade("c")).start_time
    assert await listed(server, start_time=third) == ["c", "d", "e"]
    assert await listed(server, end_time=third, symbol="BTCUSDT") == ["a"]

    page = await server.execution.ListTrades(pb.ListTradesRequest(page_size=2))
    for request in (
        pb.ListTradesRequest(page_token=page.next_page_token, active=True),
        pb.ListTradesRequest(page_token="nonsense"),
    ):
        assert (await refused(server.execution.ListTrades(request))).reason == "PAGE_TOKEN_INVALID"
    # The list says what GetTrade says.
    whole = await server.execution.ListTrades(pb.ListTradesRequest())
    for trade in whole.trades:
        assert trade == await server.trade(trade.request.request_id)


# ------------------------------------------------------------------ cancelling


@pytest.mark.parametrize("market", ["spot", "linear"])
async def test_a_working_order_is_cancelled(
    exchange: SimulatedExchange, server: Rehearsal, market: str
) -> None:
    request = resting("stop", market=market)
    call = asyncio.ensure_future(server.execute(request))
    trade = await server.when("stop", lambda found: found.status == WORKING)

    answer = await server.cancel("stop")
    ended = await call

    assert answer.trade.cancel_requested
    assert trade.sequence < answer.sequence <= ended.sequence
    assert (ended.trade.outcome, ended.trade.text) == (trades_pb2.TRADE_OUTCOME_NOT_FILLED, "cancelled")
    assert (ended.success, ended.order.status) == (False, CANCELED)
    assert [each["status"] for each in orders_at(exchange)] == ["CANCELED"]
    too_late = await refused(server.execution.CancelTrade(pb.CancelTradeRequest(trade_id=trade.trade_id)))
    assert (too_late.status, too_late.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "ILLEGAL_TRANSITION",
    )
    assert too_late.metadata["trade_id"] == trade.trade_id
    assert "not filled" in too_late.text


async def test_what_was_filled_before_a_cancel_stays(exchange: SimulatedExchange, server: Rehearsal) -> None:
    call = asyncio.ensure_future(server.execute(resting("half", quantity="20")))
    await server.when("half", lambda found: found.status == WORKING)
    exchange.jump("BTCUSDT", Decimal(29_000), pieces=1)

    await server.cancel("half")
    ended = await call

    [there] = orders_at(exchange)
    assert 0 < Decimal(there["executed_quantity"]) < 20
    assert ended.trade.outcome == trades_pb2.TRADE_OUTCOME_PARTIALLY_FILLED
    assert ended.total_filled == there["executed_quantity"] == ended.partial_fills[0].quantity
    assert (ended.success, ended.average_price, ended.order.status) == (False, "30000", CANCELED)


async def test_a_cancel_during_the_wait_for_a_retry_sends_nothing_more(
    exchange: SimulatedExchange, server: Rehearsal
) -> None:
    exchange.plan.set("retry_after_seconds", 30)
    exchange.plan.order("rate_limit", 1, "place")
    call = asyncio.ensure_future(server.execute(trade_request("waits")))
    waiting = await server.when("waits", lambda found: found.status == trades_pb2.TRADE_STATUS_WAITING)
    assert waiting.retry_time.ToNanoseconds() > waiting.start_time.ToNanoseconds() + 29_000_000_000
    assert waiting.error_class == "rate_limit"

    await server.cancel("waits")
    ended = await asyncio.wait_for(call, 5)

    assert ended.trade.outcome == trades_pb2.TRADE_OUTCOME_NOT_FILLED
    assert (ended.order.status, ended.attempts) == (CANCELED, 1)
    assert not ended.trade.HasField("retry_time")
    assert orders_at(exchange) == []


# ------------------------------------------------------------------ the feed


async def test_a_trade_on_the_feed(exchange: SimulatedExchange, server: Rehearsal) -> None:
    exchange.plan.order("error_before_accept", 1, "place", "ETHUSDT")
    answer = await server.execute(trade_request("told", symbol="ETHUSDT", quantity="0.5"))
    assert (answer.success, answer.attempts) == (True, 2)

    events = [
        event
        for event in await read_through(server.feed, answer.sequence)
        if event.client_order_id == answer.order.client_order_id
    ]

    kinds = kinds_of(events)
    wanted = [
        "order_registered",
        "trade_started",
        "retry_scheduled",
        "order_reported",
        "request_succeeded",
        "fill_recorded",
        "trade_finished",
    ]
    places = [kinds.index(kind) for kind in wanted]
    assert places == sorted(places), kinds
    assert [event.sequence for event in events] == sorted({event.sequence for event in events})
    assert {(event.venue, event.account, event.symbol) for event in events} == {
        ("binance", "main", "ETHUSDT")
    }
    by_kind = dict(zip(kinds, events, strict=True))
    assert by_kind["trade_started"].trade_started.request == answer.trade.request
    assert by_kind["retry_scheduled"].retry_scheduled.attempt == 1
    assert by_kind["retry_scheduled"].retry_scheduled.maybe_applied
    last = by_kind["trade_finished"]
    assert last.sequence == answer.trade.sequence
    assert last.trade_finished.success
    assert (last.order_id, last.cumulative_quantity) == (answer.order.order_id, "0.5")


# ------------------------------------------------------------------ roles


async def test_a_reader_sees_trades_and_may_not_trade(exchange: SimulatedExchange, server: Rehearsal) -> None:
    await server.working(resting("seen"))
    reader, trader = new_token(), new_token()
    server.app.gate._tokens |= {token_hash(reader): Role.READ, token_hash(trader): Role.TRADE}
    reads, trades = (server.stub(ExecutionServiceStub, token=token) for token in (reader, trader))
    by_name = {"request_id": "seen"}

    for stub in (reads, trades):
        assert (await stub.GetTrade(pb.GetTradeRequest(**by_name))).trade.trade_id
        assert len((await stub.ListTrades(pb.ListTradesRequest())).trades) == 1
        assert (await stub.ListRetries(pb.ListRetriesRequest())).attempts
        assert (await stub.ListVenues(pb.ListVenuesRequest())).venues
    for call in (reads.ExecuteTrade(trade_request()), reads.CancelTrade(pb.CancelTradeRequest(**by_name))):
        wrong = await refused(call)
        assert (wrong.status, wrong.reason) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")
    assert not (await server.trade("seen")).cancel_requested
    assert len(orders_at(exchange)) == 1

    assert (await trades.ExecuteTrade(trade_request())).success
    assert (await trades.CancelTrade(pb.CancelTradeRequest(**by_name))).trade.cancel_requested


async def test_the_record_of_a_trade_is_the_record_of_its_order(server: Rehearsal) -> None:
    """Its fills stand under its order, once: from the answer, the stream and the history."""
    answer = await server.execute(trade_request("both"))

    page = await server.fills.ListFills(fill_service_pb2.ListFillsRequest(order_id=answer.order.order_id))

    assert [fill.quantity for fill in page.fills] == ["0.05"]
    assert page.fills[0].side == BUY
