"""ListRetries, the statistics of retries, and what ListVenues says of connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from support.refusals import refused
from support.rehearsing import (
    Rehearsal,
    credentials_of,
    orders_at,
    paused_exchange,
    resting,
    trade_request,
)

from fillhandler.v1 import analytics_service_pb2 as analytics_pb
from fillhandler.v1 import execution_service_pb2 as pb
from fillhandler.v1 import trades_pb2
from fillhandler_server.exchange import SimulatedExchange

pytest.importorskip("ccxt", reason="ccxt is the extra `exchanges`")

SUCCEEDED, RETRIED = pb.ATTEMPT_OUTCOME_SUCCEEDED, pb.ATTEMPT_OUTCOME_RETRIED
GIVEN_UP = pb.ATTEMPT_OUTCOME_GIVEN_UP
PLACE, CANCEL = trades_pb2.REQUEST_OPERATION_PLACE, trades_pb2.REQUEST_OPERATION_CANCEL
QUERY = trades_pb2.REQUEST_OPERATION_QUERY
CONNECTED, DISCONNECTED = pb.CONNECTION_STATE_CONNECTED, pb.CONNECTION_STATE_DISCONNECTED
HOUR = 3600
SECOND = 1_000_000_000


@pytest.fixture
async def exchange() -> AsyncIterator[SimulatedExchange]:
    made = paused_exchange()
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


async def attempts(server: Rehearsal, **conditions: Any) -> list[pb.Attempt]:
    """Of every page."""
    request, found = pb.ListRetriesRequest(**conditions), []
    while True:
        page = await server.execution.ListRetries(request)
        assert len(page.attempts) <= (request.page_size or 100)
        found += page.attempts
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


def shown(found: list[pb.Attempt]) -> list[tuple[int, int, int, str]]:
    return [(each.operation, each.attempt, each.outcome, each.error_class) for each in found]


async def statistics(server: Rehearsal, **scope: Any) -> tuple[int, int, float | None, float | None]:
    """total_calls, total_retries, retry_rate, retried_ratio."""
    figures = await server.analytics.GetFillStatistics(analytics_pb.GetFillStatisticsRequest(**scope))
    rate = figures.retry_rate if figures.HasField("retry_rate") else None
    ratio = figures.retried_ratio if figures.HasField("retried_ratio") else None
    return figures.total_calls, figures.total_retries, rate, ratio


# ------------------------------------------------------------------ attempts


async def test_a_rate_limit_is_waited_out_and_told(exchange: SimulatedExchange, server: Rehearsal) -> None:
    exchange.plan.order("rate_limit", 1, "place")
    call = asyncio.ensure_future(server.execute(trade_request("limited")))
    # The breaker holds back whatever else the connection asks, until the venue takes requests again.
    await server.until(lambda found: any(c.paused for v in found.venues for c in v.connections))
    held = await server.connection()
    answer = await call

    assert held.paused
    assert held.active_trades == 1
    assert 0 < held.paused_until.ToNanoseconds() - answer.trade.start_time.ToNanoseconds() < 2 * SECOND
    assert exchange.books()["too_early"] == {"spot": 0, "linear": 0}
    assert (answer.success, answer.attempts, answer.trade.retries) == (True, 2, 1)
    found = await attempts(server, trade_id=answer.trade.trade_id)
    assert shown(found) == [(PLACE, 1, RETRIED, "rate_limit"), (PLACE, 2, SUCCEEDED, "")]
    first, second = found
    assert not first.maybe_applied
    assert first.text == "Too many requests."
    assert first.delay.ToNanoseconds() >= SECOND
    assert not second.HasField("delay")
    assert second.send_time.ToNanoseconds() >= first.send_time.ToNanoseconds() + SECOND
    for each in found:
        assert (each.venue, each.account, each.symbol) == ("binance", "main", "BTCUSDT")
        assert each.client_order_id == answer.order.client_order_id
        assert each.order_id == answer.order.order_id
        assert each.commit_time.ToNanoseconds() >= each.send_time.ToNanoseconds()
    # And closed again, once a request has succeeded.
    assert not (await server.connection()).paused
    assert len(orders_at(exchange)) == 1


async def test_an_answer_that_is_lost_is_asked_for_not_sent_again(
    exchange: SimulatedExchange, server: Rehearsal
) -> None:
    exchange.plan.order("timeout_after_accept", 1, "place")

    answer = await server.execute(trade_request("lost"))

    assert (answer.success, answer.attempts, len(orders_at(exchange))) == (True, 1, 1)
    found = await attempts(server, trade_id=answer.trade.trade_id)
    assert shown(found)[0] == (PLACE, 1, RETRIED, "timeout")
    assert found[0].maybe_applied
    assert shown(found)[-1] == (QUERY, 1, SUCCEEDED, "")


async def test_conditions_and_pages(exchange: SimulatedExchange, server: Rehearsal) -> None:
    exchange.plan.order("error_before_accept", 1, "place", "ETHUSDT")
    one = await server.execute(trade_request("one"))
    two = await server.execute(trade_request("two", symbol="ETHUSDT", quantity="0.5", market="linear"))
    refused_ = await server.execute(
        trade_request("three", type="limit", limit_price="150000", quantity="1000")
    )
    running = await server.working(resting("four"))
    exchange.plan.order("rate_limit", 1, "cancel")
    exchange.plan.set("retry_after_seconds", 0)
    await server.cancel("four")
    await server.when("four", lambda trade: trade.status == trades_pb2.TRADE_STATUS_FINISHED)
    every = await attempts(server)

    assert shown(await attempts(server, trade_id=one.trade.trade_id)) == [(PLACE, 1, SUCCEEDED, "")]
    assert shown(await attempts(server, trade_id=two.trade.trade_id))[0] == (
        PLACE,
        1,
        RETRIED,
        "exchange_error",
    )
    assert shown(await attempts(server, trade_id=refused_.trade.trade_id)) == [
        (PLACE, 1, GIVEN_UP, "insufficient_funds")
    ]
    assert shown(await attempts(server, trade_id=running.trade_id)) == [
        (PLACE, 1, SUCCEEDED, ""),
        (CANCEL, 1, RETRIED, "rate_limit"),
        (CANCEL, 2, SUCCEEDED, ""),
    ]
    assert [each.sequence for each in every] == sorted({each.sequence for each in every})
    for size in (1, 3, 1000):
        assert await attempts(server, page_size=size) == every
    for outcome in (SUCCEEDED, RETRIED, GIVEN_UP):
        assert await attempts(server, outcome=outcome, page_size=2) == [
            each for each in every if each.outcome == outcome
        ]
    assert {each.trade_id for each in await attempts(server, symbol="ETHUSDT")} == {two.trade.trade_id}
    assert shown(await attempts(server, error_class="rate_limit")) == [(CANCEL, 1, RETRIED, "rate_limit")]
    assert await attempts(server, venue="BINANCE", account="main") == every
    assert await attempts(server, venue="okx") == await attempts(server, account="other") == []
    middle = every[2].commit_time
    assert await attempts(server, start_time=middle) == every[2:]
    assert await attempts(server, end_time=middle) == every[:2]
    page = await server.execution.ListRetries(pb.ListRetriesRequest(page_size=1))
    other = pb.ListRetriesRequest(page_size=1, outcome=GIVEN_UP, page_token=page.next_page_token)
    assert (await refused(server.execution.ListRetries(other))).reason == "PAGE_TOKEN_INVALID"


async def test_what_is_not_tried_again(exchange: SimulatedExchange, tmp_path: Path) -> None:
    folder = credentials_of(exchange, tmp_path / "credentials")
    server = Rehearsal(tmp_path, exchange.base_url, folder, collect=False, retry_config={"max_retries": 0})
    await server.start()
    try:
        exchange.plan.order("rate_limit", 1, "place")
        answer = await server.execute(trade_request())
        assert (answer.success, answer.attempts) == (False, 1)
        assert (answer.trade.outcome, answer.trade.error_class) == (
            trades_pb2.TRADE_OUTCOME_FAILED,
            "rate_limit",
        )
        [only] = await attempts(server)
        assert (only.outcome, only.HasField("delay")) == (GIVEN_UP, False)
        assert orders_at(exchange) == []
    finally:
        await server.stop()


# ------------------------------------------------------------------ statistics


async def test_figures_of_retries(exchange: SimulatedExchange, server: Rehearsal) -> None:
    assert await statistics(server) == (0, 0, None, None)
    exchange.plan.set("retry_after_seconds", 0)
    exchange.plan.order("rate_limit", 2, "place", "ETHUSDT")
    await server.execute(trade_request(symbol="ETHUSDT", quantity="0.5"))
    first = await server.execute(trade_request())
    await server.execute(trade_request(market="linear"))
    await server.execute(trade_request(type="limit", limit_price="150000", quantity="1000"))

    # Three attempts, one, one, and one that was refused: (attempts - calls) / calls.
    assert await statistics(server) == (4, 2, 0.5, 0.25)
    assert await statistics(server, venue="binance", account="main") == (4, 2, 0.5, 0.25)
    assert await statistics(server, symbol="ETHUSDT") == (1, 2, 2.0, 1.0)
    assert await statistics(server, symbol="BTCUSDT") == (3, 0, 0.0, 0.0)
    assert await statistics(server, venue="okx") == (0, 0, None, None)
    hour = first.trade.start_time.seconds // HOUR * HOUR
    near = {
        "start_time": Timestamp(seconds=hour - HOUR),
        "end_time": Timestamp(seconds=hour + 2 * HOUR),
    }
    assert await statistics(server, **near) == (4, 2, 0.5, 0.25)
    assert await statistics(server, end_time=near["start_time"]) == (0, 0, None, None)
    assert await statistics(server, start_time=near["end_time"]) == (0, 0, None, None)
    series = await server.analytics.AnalyzePerformance(
        analytics_pb.AnalyzePerformanceRequest(filter=analytics_pb.StatisticsFilter())
    )
    assert sum(bucket.total_retries for bucket in series.buckets) == 2
    assert (first.order.retry_count, (await server.trade(first.trade.request.request_id)).retries) == (0, 0)


# ------------------------------------------------------------------ connections


async def test_connections_as_they_stand(exchange: SimulatedExchange, server: Rehearsal) -> None:
    await server.working(resting("standing"))
    found = await server.execution.ListVenues(pb.ListVenuesRequest(venue="BINANCE"))

    [venue] = found.venues
    linear, spot = venue.connections
    assert [(each.account, each.market, each.state) for each in (linear, spot)] == [
        ("main", "linear", CONNECTED),
        ("main", "spot", CONNECTED),
    ]
    assert linear.sandbox
    assert (linear.active_trades, spot.active_trades) == (0, 1)
    assert (spot.paused, spot.HasField("paused_until"), spot.text, spot.reconnects) == (False, False, "", 0)
    assert abs(spot.clock_skew.ToNanoseconds()) < SECOND
    assert 0 < spot.connect_time.ToNanoseconds() <= spot.last_message_time.ToNanoseconds()
    assert spot.lag.ToNanoseconds() < SECOND
    names = [venue.name for venue in (await server.execution.ListVenues(pb.ListVenuesRequest())).venues]
    assert names == sorted(names)
    assert "binance" in names
    assert not (await server.execution.ListVenues(pb.ListVenuesRequest(venue="ftx"))).venues

    await server.cancel("standing")
    await server.until(lambda now: not any(c.active_trades for v in now.venues for c in v.connections))


async def test_the_venues_clock_is_measured(exchange: SimulatedExchange, tmp_path: Path) -> None:
    exchange.plan.set("skew_ms", 90_000)
    exchange.plan.set_probability("clock_skew", 1)
    folder = credentials_of(exchange, tmp_path / "credentials")
    server = await Rehearsal(tmp_path, exchange.base_url, folder).start()
    try:
        await server.connected()
        assert (await server.execute(trade_request())).success
        skew = (await server.connection()).clock_skew.ToNanoseconds()
        assert 89 * SECOND < skew < 91 * SECOND
    finally:
        await server.stop()


async def test_a_stream_that_breaks_is_told_and_comes_back(
    exchange: SimulatedExchange, server: Rehearsal
) -> None:
    await exchange.stop()
    gone = await server.until(lambda now: all(c.state == DISCONNECTED for c in _connections(now)))

    assert all(each.text for each in _connections(gone))


def _connections(found: pb.ListVenuesResponse) -> list[pb.VenueConnection]:
    return [each for venue in found.venues for each in venue.connections]
