"""A handler on a store of its own, and the payloads of the original design."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from support.payloads import FLAT

from fillhandler_server import FillHandler, create_fill_handler


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
