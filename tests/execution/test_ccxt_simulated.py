"""The connection against the simulated exchange: the path of production but for the address."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from support.venue_server import venue_server

from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.domain.fills import Side
from fillhandler_server.domain.reports import OrderStatus
from fillhandler_server.exchange.server import SimulatedExchange
from fillhandler_server.execution.ccxt_connection import CcxtConnection, connect
from fillhandler_server.execution.ccxt_spec import ConnectionSpec
from fillhandler_server.execution.connection import Message, OrderTicket
from fillhandler_server.execution.errors import ErrorClass, VenueError
from fillhandler_server.execution.payloads import parse_payload
from fillhandler_server.execution.secret import Credentials, Secret

pytest.importorskip("ccxt", reason="ccxt is the extra `exchanges`")


@dataclass
class World:
    exchange: SimulatedExchange
    connection: CcxtConnection
    messages: list[Message] = field(default_factory=list)
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    def received(self, message: Message) -> None:
        self.messages.append(message)
        self.came.set()

    async def open(self) -> asyncio.Task[None]:
        self.connected.clear()
        stream = asyncio.create_task(self.connection.stream(self.connected.set, self.received))
        await asyncio.wait_for(self.connected.wait(), 5)
        return stream


@pytest.fixture(params=["spot", "linear"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    exchange = SimulatedExchange()
    url = await exchange.start()
    key, secret = exchange.credentials.reveal()
    spec = ConnectionSpec(
        "binance", market=request.param, url=url, sandbox=True, timeout_seconds=2, rate_limit=False
    )
    connection = connect(spec, Credentials(Secret(key), Secret(secret)))
    assert isinstance(connection, CcxtConnection)
    try:
        await connection.start()
        yield World(exchange, connection)
    finally:
        await connection.close()
        await exchange.stop()


def ticket(own_id: str, kind: str = "market", price: str = "") -> OrderTicket:
    return OrderTicket("BTCUSDT", Side.BUY, kind, Decimal("0.01"), own_id, Decimal(price) if price else None)


async def test_an_order_its_fills_and_its_history(world: World) -> None:
    since = time.time_ns() - 60 * 10**9
    placed = await world.connection.place(ticket("t-1"))
    assert placed.order is not None

    found = await world.connection.find_order("BTCUSDT", client_order_id="t-1")
    recent = await world.connection.recent_orders("BTCUSDT", since)
    page = await world.connection.trades("BTCUSDT", since)

    assert found.order is not None
    assert found.order.status == OrderStatus.FILLED
    assert [order.order_id for order in recent.orders] == [placed.order.order_id]
    assert page.complete
    fills = [fill for each in page.messages for fill in parse_payload("binance", "", each.payload).fills]
    assert sum(fill.quantity for fill in fills) == Decimal("0.01")
    assert page.count == len(fills)


async def test_a_cancellation(world: World) -> None:
    await world.connection.place(ticket("t-2", "post_only", "10000"))

    first = await world.connection.cancel("BTCUSDT", "", "t-2")
    again = await world.connection.cancel("BTCUSDT", "", "t-2")

    assert first.order is not None
    assert (first.order.status, first.order.client_order_id) == (OrderStatus.CANCELED, "t-2")
    assert again.order is None


async def test_a_stream_has_the_exchanges_own_messages_and_says_when_it_breaks(world: World) -> None:
    stream = await world.open()
    await world.connection.place(ticket("t-3"))
    async with asyncio.timeout(5):
        while not any(parse_payload("binance", "", each.payload).fills for each in world.messages):
            world.came.clear()
            await world.came.wait()
    assert {each.format for each in world.messages} == {""}

    world.exchange.disconnect()
    with pytest.raises(VenueError) as caught:
        await asyncio.wait_for(stream, 5)
    assert caught.value.error_class is ErrorClass.NETWORK_ERROR

    again = await world.open()
    again.cancel()
    await asyncio.gather(again, return_exceptions=True)


async def test_nothing_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await world.connection.place(ticket("t-4"))

    assert not [each for each in caplog.records if each.name.startswith("ccxt")]


async def test_a_connection_that_never_stood_sent_nothing() -> None:
    async with venue_server() as server:
        url = server.url
    connection = connect(ConnectionSpec("binance", url=url), Credentials(Secret("k"), Secret("s")))
    try:
        with pytest.raises(VenueError) as caught:
            await connection.start()
    finally:
        await connection.close()
    assert caught.value.error_class is ErrorClass.NETWORK_ERROR
    assert caught.value.temporary


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (ConnectionSpec("ftx"), "venue"),
        (ConnectionSpec("binance", market="option"), "market"),
        (ConnectionSpec("kraken", sandbox=True), "sandbox"),
        (ConnectionSpec("binance", url="127.0.0.1:80"), "url"),
        (ConnectionSpec("binance", timeout_seconds=0), "timeout_seconds"),
        (ConnectionSpec("okx"), "credentials"),
    ],
)
def test_what_is_wrong_with_a_connection_is_named(spec: ConnectionSpec, field: str) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        connect(spec, Credentials(Secret("k"), Secret("s")))

    assert caught.value.violations[0].field == field
