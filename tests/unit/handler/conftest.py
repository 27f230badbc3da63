"""A handler on a store of its own, and the payloads of the original design."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from support.payloads import FLAT
from support.rehearsing import connection_table, credentials_of, paused_exchange

from fillhandler_server import FillHandler, SecureExchangeManager, create_fill_handler
from fillhandler_server.exchange import SimulatedExchange


@pytest.fixture
def payloads() -> dict[str, dict[str, Any]]:
    """The original design's three payloads, by venue."""
    return deepcopy(FLAT)


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    """Keeps everything in the test's folder."""
    return {"data_dir": tmp_path / "data", "key_file": tmp_path / "key"}


@pytest.fixture
async def handler(config: dict[str, Any]) -> AsyncIterator[FillHandler]:
    async with await create_fill_handler(config) as opened:
        yield opened


@pytest.fixture
async def other_handler(tmp_path: Path) -> AsyncIterator[FillHandler]:
    """One on another store."""
    async with await create_fill_handler(
        {"data_dir": tmp_path / "2", "key_file": tmp_path / "key2"}
    ) as opened:
        yield opened


@pytest.fixture
def fill() -> Callable[..., dict[str, Any]]:
    """The fields of a fill; what is named differs."""

    def make(trade_id: str = "t1", **fields: Any) -> dict[str, Any]:
        given = {
            "venue": "binance",
            "symbol": "BTCUSDT",
            "order_id": "o1",
            "trade_id": trade_id,
            "side": "buy",
            "quantity": "1",
            "price": "100",
            "fees": {"USDT": "0.1"},
        }
        return given | fields

    return make


@pytest.fixture
async def exchange() -> AsyncIterator[SimulatedExchange]:
    """In the test's loop; its prices move where a test says so."""
    exchange = paused_exchange()
    await exchange.start()
    yield exchange
    await exchange.stop()


@pytest.fixture
def trading(tmp_path: Path, config: dict[str, Any], exchange: SimulatedExchange) -> dict[str, Any]:
    """The configuration of an exchange manager on it, at the pace of tests."""
    # Followed by questions here; what streams add is tested with the collectors.
    table = connection_table(exchange.base_url, credentials_of(exchange, tmp_path / "keys"), collect=False)
    return config | {"connections": [table], "retry_config": {"base_delay": 0.01, "max_delay": 0.05}}


@pytest.fixture
async def manager(trading: dict[str, Any]) -> AsyncIterator[SecureExchangeManager]:
    pytest.importorskip("ccxt", reason="ccxt is the extra `exchanges`")
    async with SecureExchangeManager(trading) as opened:
        yield opened
