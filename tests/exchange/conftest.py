"""A simulated exchange in the test's loop, and clients of it: plain HTTP, and ccxt itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
from support.exchange_client import Http

from fillhandler_server.exchange import SimulatedExchange, ccxt_urls


@pytest.fixture
async def exchange() -> AsyncIterator[SimulatedExchange]:
    """Its walks stand still: prices move where a test says so."""
    exchange = SimulatedExchange(seed=11)
    exchange.plan.set("timeout_seconds", 0.05)
    exchange.pause()
    await exchange.start()
    yield exchange
    await exchange.stop()


@pytest.fixture
async def http(exchange: SimulatedExchange) -> AsyncIterator[Http]:
    async with aiohttp.ClientSession() as session:
        yield Http(exchange, session)


@pytest.fixture
async def ccxt_client(exchange: SimulatedExchange) -> AsyncIterator[Callable[..., object]]:
    """Makes clients of ccxt.pro; `kind` is its defaultType."""
    import ccxt.pro

    made = []

    def make(kind: str = "spot", **settings: object) -> object:
        key, secret = exchange.credentials.reveal()
        client = ccxt.pro.binance(
            {
                "apiKey": key,
                "secret": secret,
                "enableRateLimit": False,
                "options": {"defaultType": kind},
                **settings,
            }
        )
        # Its way to wait for TLS connections, of which there are none here.
        client.timeout_on_exit = 0
        client.urls["api"] = ccxt_urls(exchange.base_url)
        made.append(client)
        return client

    yield make
    for client in made:
        await client.close()
