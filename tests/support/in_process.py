"""Trades in the test's own process, through the names of the original design."""

from __future__ import annotations

import asyncio
from typing import Any

from fillhandler_server import ExchangeType, SecureExchangeManager, TradeResult

FAR_BELOW = "30000"
"""A price at which a purchase of BTCUSDT rests: half of the simulated exchange's first one."""


async def buy(manager: SecureExchangeManager, amount: Any = 0.05, **more: Any) -> TradeResult:
    """A purchase of BTCUSDT, to its end."""
    async with asyncio.timeout(20):
        return await manager.execute_trade(
            exchange=ExchangeType.BINANCE, symbol="BTCUSDT", side="buy", amount=amount, **more
        )


async def rest(manager: SecureExchangeManager, request_id: str, **more: Any) -> asyncio.Task[TradeResult]:
    """A purchase that nothing fills, once the exchange has it; what waits for its end."""
    asked = asyncio.create_task(
        buy(manager, order_type="limit", price=FAR_BELOW, request_id=request_id, **more)
    )
    await working(manager, request_id)
    return asked


async def working(manager: SecureExchangeManager, request_id: str) -> TradeResult:
    """The trade of a request, once the exchange has its order. It has no event to wait for."""
    async with asyncio.timeout(15):
        while True:
            for trade in await manager.active_trades():
                if trade.request_id == request_id and trade.status == "WORKING":
                    return trade
            await asyncio.sleep(0.01)
