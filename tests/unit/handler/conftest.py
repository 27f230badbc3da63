"""A handler on a store of its own, and the payloads of the original design."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from fillhandler_server import FillHandler, create_fill_handler

BINANCE = {
    "orderId": "123456789",
    "symbol": "BTCUSDT",
    "side": "BUY",
    "fills": [
        {
            "tradeId": "987654321",
            "qty": "0.001",
            "price": "50000.00",
            "commission": "0.000001",
            "commissionAsset": "BTC",
            "takerOrMaker": "taker",
        }
    ],
}
BITGET = {
    "orderId": "456789123",
    "tradeId": "321654987",
    "symbol": "BTCUSDT",
    "side": "SELL",
    "baseVolume": "0.002",
    "fillPrice": "51000.00",
    "fillFee": "0.102",
    "fillFeeCoin": "USDT",
    "tradeScope": "maker",
}
PHEMEX = {
    "orderID": "789123456",
    "execID": "147258369",
    "symbol": "BTCUSDT",
    "side": "BUY",
    "execQty": "0.003",
    "execPriceRp": "52000.00",
    "execFeeRv": "0.156",
    "feeCurrency": "USDT",
    "execStatus": "taker",
}


@pytest.fixture
def payloads() -> dict[str, dict[str, Any]]:
    """The original design's three payloads, by venue."""
    return deepcopy({"binance": BINANCE, "bitget": BITGET, "phemex": PHEMEX})


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
