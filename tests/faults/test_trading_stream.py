"""What the live stream loses comes from the history, without a restart; no pass over a failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from load import Connection
from trading_books import Record
from trading_site import Exchange, Servers

from fillhandler.v1 import execution_service_pb2, fills_pb2, orders_pb2, trades_pb2
from fillhandler.v1.execution_service_pb2_grpc import ExecutionServiceStub

_SECONDS = 30.0


class Desk:
    """A server and an exchange that both behave, until told otherwise. Prices stand still."""

    def __init__(self, exchange: Exchange, servers: Servers) -> None:
        self.exchange = exchange
        self.servers = servers
        self._connection = Connection(servers.address, servers.token)
        self._stub: Any = ExecutionServiceStub(self._connection.channel)

    async def close(self) -> None:
        await self._connection.close()

    async def until(self, condition: Callable[[Record], Any]) -> Record:
        async with asyncio.timeout(_SECONDS):
            while True:
                record = await Record.read(self.servers.address, self.servers.token)
                if condition(record):
                    return record
                await asyncio.sleep(0.05)

    async def trade(self, request_id: str, **fields: Any) -> trades_pb2.Trade:
        request = trades_pb2.ExecuteTradeRequest(request_id=request_id, venue="binance", **fields)
        answer = await self._stub.ExecuteTrade(request, metadata=self._connection.metadata, timeout=_SECONDS)
        return answer.trade

    async def connections(self) -> dict[str, execution_service_pb2.VenueConnection]:
        request = execution_service_pb2.ListVenuesRequest(venue="binance")
        answer = await self._stub.ListVenues(request, metadata=self._connection.metadata, timeout=_SECONDS)
        return {each.market: each for each in answer.venues[0].connections}

    async def until_connected(self) -> None:
        wanted = execution_service_pb2.CONNECTION_STATE_CONNECTED
        async with asyncio.timeout(_SECONDS):
            while any(each.state != wanted for each in (await self.connections()).values()):
                await asyncio.sleep(0.05)


@asynccontextmanager
async def opened(folder: Path, mutant: str = "none") -> AsyncIterator[Desk]:
    async with Exchange(folder, 1) as exchange:
        await exchange.control("POST", "pause")
        async with Servers(folder, exchange, mutant=mutant) as servers:
            desk = Desk(exchange, servers)
            await desk.until_connected()
            yield desk
            await desk.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    async with opened(tmp_path_factory.mktemp("desk")) as desk:
        yield desk


def has_all(record: Record, market: str, order_id: str, quantity: str) -> bool:
    """Whether the order is filled, by fills that the venue told. The markets' ids are apart."""
    orders = [order for order in record.orders if (order.market, order.order_id) == (market, order_id)]
    fills = [fill for fill in record.fills if (fill.market, fill.order_id) == (market, order_id)]
    return (
        [order.status for order in orders] == [orders_pb2.ORDER_STATUS_FILLED]
        and not any(fill.inferred for fill in fills)
        and sum((Decimal(fill.quantity) for fill in fills), Decimal()) == Decimal(quantity)
    )


async def resting(desk: Desk, market: str, name: str) -> tuple[str, str]:
    """An order of a trade that left it at the venue, and one of the account's own; the record knows both."""
    await desk.exchange.control("POST", "price", symbol="BTCUSDT", price="60000")
    span = Duration()
    span.FromMilliseconds(200)
    left = await desk.trade(
        f"{name}-{market}",
        market=market,
        symbol="BTCUSDT",
        side=fills_pb2.SIDE_BUY,
        type="limit",
        quantity="0.003",
        limit_price="59000",
        deadline=span,
    )
    assert left.outcome == trades_pb2.TRADE_OUTCOME_LEFT_WORKING
    terms = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    placed = await desk.exchange.place(market, quantity="0.004", price="58000", **terms)
    ours, theirs = left.orders[0].order_id, str(placed["orderId"])
    known = {(market, ours), (market, theirs)}
    await desk.until(lambda record: known <= {(order.market, order.order_id) for order in record.orders})
    return ours, theirs


@pytest.mark.asyncio(loop_scope="module")
async def test_a_dropped_fill_is_repaired_without_a_restart(desk: Desk) -> None:
    exchange, servers = desk.exchange, desk.servers
    for market in ("spot", "linear"):
        ours, theirs = await resting(desk, market, "left")
        before = (await desk.connections())[market]

        async def move(price: str, **more: Any) -> None:
            where = {"symbol": "BTCUSDT", "price": price, "market": market}  # noqa: B023
            await exchange.control("POST", "price", **where, **more)

        # All of an order at once: nothing that the stream brings says that it is lost.
        await exchange.control("POST", "faults/next", fault="drop_stream", operation="trade_event")
        await move("58990")
        await desk.until(partial(has_all, market=market, order_id=ours, quantity="0.003"))

        # A piece of an order: the next one says that something is missing.
        await exchange.control("POST", "faults/next", fault="drop_stream", operation="trade_event")
        await move("57990", pieces=1)
        await move("57980")
        await desk.until(partial(has_all, market=market, order_id=theirs, quantity="0.004"))

        # An order of the account's own that ends at once: the stream told of its beginning alone.
        await exchange.control("POST", "faults/next", fault="drop_stream", operation="trade_event")
        taking = {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.0002"}
        taken = str((await exchange.place(market, **taking))["orderId"])
        await desk.until(partial(has_all, market=market, order_id=taken, quantity="0.0002"))

        connection = (await desk.connections())[market]
        assert connection.repaired_fills - before.repaired_fills == 3
        assert (connection.reconnects, before.reconnects) == (0, 0)
    await same_fills(desk)
    assert (servers.kills, servers.stops) == (0, 0)


async def unheard(desk: Desk, failures: int) -> None:
    """An order of the account's own of which the stream says nothing, while the history cannot be read."""
    await resting(desk, "spot", "known")
    for operation in ("order_event", "trade_event"):
        await desk.exchange.control("POST", "faults/next", fault="drop_stream", operation=operation)
    await desk.exchange.control(
        "POST", "faults/next", fault="error_before_accept", operation="trades", count=failures
    )
    placed = await desk.exchange.place(
        "spot", symbol="BTCUSDT", side="SELL", type="MARKET", quantity="0.0002"
    )
    told = partial(has_all, market="spot", order_id=str(placed["orderId"]), quantity="0.0002")
    await desk.until(told)
    await same_fills(desk)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_failed_query_is_not_an_empty_one(desk: Desk) -> None:
    """Failures for longer than readings of the history overlap."""
    await unheard(desk, 5)


@pytest.mark.long
async def test_a_watermark_that_passes_a_failure_is_caught(tmp_path: Path) -> None:
    async with opened(tmp_path, "watermark-after-failure") as desk:
        with pytest.raises(TimeoutError):
            await unheard(desk, 5)


async def same_fills(desk: Desk) -> None:
    books = await desk.exchange.books()
    record = await Record.read(desk.servers.address, desk.servers.token)
    told = [(fill.market, fill.trade_id, fill.quantity, fill.price) for fill in record.fills]
    true = [(row["market"], row["trade_id"], row["quantity"], row["price"]) for row in books["trades"]]
    assert sorted(told) == sorted(true)
