"""Trades through export, import, verification and a rebuild: what was traded once is never traded again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.refusals import refused
from support.rehearsing import (
    FINISHED,
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

from fillhandler.v1 import analytics_service_pb2 as analytics_pb
from fillhandler.v1 import execution_service_pb2 as pb
from fillhandler.v1 import order_service_pb2, trades_pb2
from fillhandler.v1 import state_service_pb2 as state_pb
from fillhandler_server.exchange import SimulatedExchange
from fillhandler_server.journal.database import PROJECTION_TABLES
from fillhandler_server.journal.store import Store

pytest.importorskip("ccxt", reason="ccxt is the extra `exchanges`")

REPLACE, MERGE = state_pb.IMPORT_MODE_REPLACE, state_pb.IMPORT_MODE_MERGE
UNKNOWN = trades_pb2.TRADE_STATUS_UNKNOWN


@pytest.fixture
async def exchange() -> AsyncIterator[SimulatedExchange]:
    made = paused_exchange()
    await made.start()
    yield made
    await made.stop()


class Pair:
    """Two servers with connections to one account. Which of them run, a test says."""

    def __init__(self, exchange: SimulatedExchange, folder: Path) -> None:
        credentials = credentials_of(exchange, folder / "credentials")
        self.one, self.other = (
            Rehearsal(folder / name, exchange.base_url, credentials) for name in ("one", "other")
        )
        self.running: list[Rehearsal] = []

    async def start(self, server: Rehearsal) -> Rehearsal:
        await server.start()
        self.running.append(server)
        return await server.connected()

    async def stop(self, server: Rehearsal) -> None:
        self.running.remove(server)
        await server.stop()


@pytest.fixture
async def pair(exchange: SimulatedExchange, tmp_path: Path) -> AsyncIterator[Pair]:
    made = Pair(exchange, tmp_path)
    yield made
    for server in tuple(made.running):
        await made.stop(server)


async def export(server: Rehearsal) -> bytes:
    page = await server.state.ExportState(state_pb.ExportStateRequest())
    assert not page.next_page_token
    return bytes(page.chunk)


async def take(server: Rehearsal, data: bytes, mode: state_pb.ImportMode.ValueType) -> None:
    request = state_pb.ImportStateRequest(import_id="x", chunk=data, last=True, mode=mode)
    assert (await server.state.ImportState(request)).result.applied


async def said(server: Rehearsal) -> dict[str, Any]:
    """Everything about trades that a server answers."""
    figures = await server.analytics.GetFillStatistics(analytics_pb.GetFillStatisticsRequest())
    for name in ("duplicates_dropped", "sequence"):  # since the start; connections come and go
        figures.ClearField(name)
    orders = await server.orders.ListOrders(order_service_pb2.ListOrdersRequest())
    return {
        "trades": (await server.execution.ListTrades(pb.ListTradesRequest())).trades,
        "attempts": (await server.execution.ListRetries(pb.ListRetriesRequest())).attempts,
        "orders": orders.orders,
        "figures": figures,
    }


async def verified(server: Rehearsal) -> bool:
    *_, last = [each async for each in server.state.VerifyJournal(state_pb.VerifyJournalRequest())]
    return bool(last.done and last.valid and last.head_sequence == server.head)


async def test_replace_brings_finished_trades_and_takes_up_the_others(
    exchange: SimulatedExchange, pair: Pair
) -> None:
    one = await pair.start(pair.one)
    ended = await one.execute(trade_request("ended"))
    await one.working(resting("going"))
    data, before = await export(one), await said(one)
    await pair.stop(one)
    other = await pair.start(pair.other)

    await take(other, data, REPLACE)

    # Before anybody asks for it.
    await other.until(lambda now: any(c.active_trades for v in now.venues for c in v.connections))
    again = await other.execute(trade_request("ended"))
    assert again.trade == ended.trade
    waiting = asyncio.ensure_future(other.execute(resting("going")))
    taken = await other.trade("going")
    assert (taken.status, list(taken.orders)) == (WORKING, list(before["trades"][1].orders))
    assert (await other.connection()).active_trades == 1
    exchange.jump("BTCUSDT", Decimal(29_000))
    answer = await waiting
    assert (answer.success, answer.trade.trade_id) == (True, taken.trade_id)
    assert len(orders_at(exchange)) == 2
    assert await verified(other)


async def test_an_order_of_unknown_fate_is_found_by_the_server_that_takes_over(
    exchange: SimulatedExchange, pair: Pair
) -> None:
    one = await pair.start(pair.one)
    exchange.plan.order("timeout_after_accept", 1, "place")
    exchange.plan.order("error_before_accept", 50, "query")
    call = one.execution.ExecuteTrade(resting("lost"))
    await one.when("lost", lambda trade: trade.status == UNKNOWN)
    call.cancel()
    data = await export(one)
    await pair.stop(one)
    exchange.plan._ordered.clear()
    other = await pair.start(pair.other)

    await take(other, data, REPLACE)
    found = await other.when("lost", lambda trade: trade.status == WORKING)

    [there] = orders_at(exchange)
    assert found.orders[0].order_id == there["order_id"]
    assert found.attempts == 1


async def test_a_server_that_is_replaced_leaves_its_own_trades_alone(
    exchange: SimulatedExchange, pair: Pair
) -> None:
    """They are no part of its record any more; what waits for one is told so."""
    one = await pair.start(pair.one)
    await one.execute(trade_request("mine"))
    data = await export(one)
    await pair.stop(one)
    other = await pair.start(pair.other)
    waiting = asyncio.ensure_future(other.execute(resting("theirs")))
    await other.when("theirs", lambda trade: trade.status == WORKING)

    await take(other, data, REPLACE)

    assert (await refused(asyncio.wait_for(waiting, 10))).reason == "TRADE_NOT_FOUND"
    listed = await other.execution.ListTrades(pb.ListTradesRequest())
    assert [trade.request.request_id for trade in listed.trades] == ["mine"]
    assert [each["status"] for each in orders_at(exchange)] == ["FILLED", "NEW"]


async def test_a_merge_never_executes(exchange: SimulatedExchange, pair: Pair) -> None:
    one, other = await pair.start(pair.one), await pair.start(pair.other)
    ended = await one.execute(trade_request("ended"))
    await one.working(resting("going"))
    await other.execute(trade_request("own"))
    data = await export(one)

    await take(other, data, MERGE)
    again = await other.execute(trade_request("ended"))
    going = await other.execute(resting("going"))
    sent = len(orders_at(exchange))

    assert sent == 3
    assert (again.success, again.trade.outcome) == (True, trades_pb2.TRADE_OUTCOME_FILLED)
    assert again.total_filled == ended.total_filled
    assert (going.trade.status, going.trade.outcome) == (
        FINISHED,
        trades_pb2.TRADE_OUTCOME_NOT_FOLLOWED,
    )
    assert (await other.connection()).active_trades == 0
    listed = await other.execution.ListTrades(pb.ListTradesRequest())
    assert {trade.request.request_id for trade in listed.trades} == {"own", "ended", "going"}
    events = await read_through(other.feed, other.head)
    assert "request_succeeded" not in kinds_of(events[events.index(_imported(events)) :])
    # Whoever has it still follows it.
    exchange.jump("BTCUSDT", Decimal(29_000))
    followed = await one.when("going", lambda trade: trade.status == FINISHED)
    assert followed.success
    assert await verified(other)
    # Again: nothing new, and nothing for the one whose trades they are.
    await take(one, await export(other), MERGE)
    assert (await one.trade("going")).outcome == trades_pb2.TRADE_OUTCOME_FILLED
    assert await verified(one)


def _imported(events: list[Any]) -> Any:
    """The first event of a merge."""
    return next(each for each in events if each.WhichOneof("event") == "trade_started"
                and each.trade_started.request_id == "ended")  # fmt: skip


async def test_read_models_are_the_same_when_made_anew(exchange: SimulatedExchange, pair: Pair) -> None:
    one = await pair.start(pair.one)
    exchange.plan.set("retry_after_seconds", 0)
    exchange.plan.order("rate_limit", 2, "place")
    await one.execute(trade_request("retried"))
    await one.execute(trade_request("refused", type="limit", limit_price="150000", quantity="1000"))
    replaced = resting(
        "replaced",
        deadline=0.1,
        remainder=trades_pb2.REMAINDER_REPLACE,
        replacement_price=trades_pb2.REPLACEMENT_PRICE_MARKET,
    )
    await one.execute(replaced)
    await one.working(resting("going"))
    assert await verified(one)
    before = await said(one)
    await pair.stop(one)

    assert await _rebuilt(pair, one) == before
    assert await verified(one)
    await pair.stop(one)
    # And trades go on from what was made anew.
    await pair.start(one)
    exchange.jump("BTCUSDT", Decimal(29_000))
    assert (await one.execute(resting("going"))).success
    assert len(orders_at(exchange)) == 4


async def _rebuilt(pair: Pair, server: Rehearsal) -> dict[str, Any]:
    """What it says after all its read models were dropped; without a connection, so that nothing moves."""
    from fillhandler_server.app import key_source

    store = Store(server.settings.data_dir, key_source(server.settings))
    try:
        with store.db.atomic():
            for table in PROJECTION_TABLES:
                store.db.conn.execute(f"DELETE FROM {table}")
            store.db.conn.execute("UPDATE meta SET value = '0' WHERE name = 'projected_sequence'")
    finally:
        store.close()
    settings = server.settings
    server.settings = settings.model_copy(update={"connections": ()})
    await pair.start(server)
    server.settings = settings
    return await said(server)
