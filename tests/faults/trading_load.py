"""Traders that never give up: many trades at once, each repeated under its id until it is answered."""

from __future__ import annotations

import asyncio
import json
import os
import random
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio
from load import Connection
from trading_site import SYMBOLS, Exchange

from fillhandler.v1 import execution_service_pb2, fills_pb2, trades_pb2
from fillhandler.v1.execution_service_pb2_grpc import ExecutionServiceStub

_STEPS: Final = {"BTCUSDT": "0.00001", "ETHUSDT": "0.0001", "SOLUSDT": "0.001"}
_CENT: Final = Decimal("0.01")
_TRY_AGAIN: Final = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,  # by a server that ends
)


class Diary:
    """What was asked and what was answered: a line each, synced before anything is sent."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(self, word: str, request_id: str, **more: Any) -> None:
        line = json.dumps({"word": word, "request_id": request_id, **more})
        os.write(self._file, f"{line}\n".encode())
        os.fdatasync(self._file)

    def close(self) -> None:
        os.close(self._file)

    @staticmethod
    def read(path: Path) -> list[dict[str, Any]]:
        return [json.loads(line) for line in path.read_text().splitlines()]


@dataclass
class Prices:
    """The last prices that could be had."""

    exchange: Exchange
    known: dict[tuple[str, str], Decimal] = field(default_factory=dict)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            for market in ("spot", "linear"):
                for symbol in SYMBOLS:
                    price = await self.exchange.price(market, symbol)
                    if price is not None:
                        self.known[market, symbol] = Decimal(price)
            await asyncio.sleep(0.3)

    async def all(self) -> None:
        while len(self.known) < 2 * len(SYMBOLS):
            await asyncio.sleep(0.02)


class Orders:
    """Draws trades of every kind.

    Each has a quantity that no other trade of its market, symbol and side has: whose order it is can be told
    from its content alone.
    """

    def __init__(self, seed: int, prices: Prices) -> None:
        self._draw = random.Random(f"{seed}-trades")
        self._prices = prices
        self._taken: set[tuple[str, str, int, int]] = set()
        self._names: list[str] = []
        self._count = 0

    def _quantity(self, market: str, symbol: str, side: int) -> str:
        while True:
            # From a fraction of the best level to what takes a dozen levels.
            steps = int(100 * 500 ** self._draw.random()) + self._draw.randrange(200)
            if (market, symbol, side, steps) not in self._taken:
                self._taken.add((market, symbol, side, steps))
                return str(Decimal(_STEPS[symbol]) * steps)

    def next(self) -> trades_pb2.ExecuteTradeRequest:
        draw = self._draw
        self._count += 1
        market, symbol = draw.choice(("spot", "linear")), draw.choice(SYMBOLS)
        side = draw.choice((fills_pb2.SIDE_BUY, fills_pb2.SIDE_SELL))
        kind = draw.choices(("market", "ioc", "limit", "post_only"), (3, 2, 5, 2))[0]
        request = trades_pb2.ExecuteTradeRequest(
            request_id=f"r-{self._count}",
            venue="binance",
            market=market,
            symbol=symbol,
            side=side,
            type=kind,
            quantity=self._quantity(market, symbol, side),
        )
        price = self._prices.known[market, symbol]
        if kind != "market":
            # From what takes much of the book, by what takes a part of it and then rests, to what hardly ever
            # trades.
            offset = Decimal(draw.choice((-20, -6, -2, -1, -1, 0, 0, 1, 4))) / 10_000
            worse = 1 + offset if side == fills_pb2.SIDE_SELL else 1 - offset
            request.limit_price = str((price * worse).quantize(_CENT))
        if kind in ("limit", "post_only"):
            request.deadline.FromMilliseconds(draw.choice((200, 500, 1000, 2500)))
            request.remainder = draw.choices(
                (trades_pb2.REMAINDER_LEAVE, trades_pb2.REMAINDER_CANCEL, trades_pb2.REMAINDER_REPLACE),
                (2, 3, 3),
            )[0]
        elif draw.random() < 0.3:
            request.deadline.FromMilliseconds(draw.choice((500, 4000)))
            request.remainder = draw.choice((trades_pb2.REMAINDER_CANCEL, trades_pb2.REMAINDER_REPLACE))
        if kind == "limit":
            request.time_in_force = draw.choices(("", "gtc", "ioc", "fok"), (4, 2, 1, 1))[0]
        if draw.random() < 0.5:
            request.expected_price = str(price.quantize(_CENT))
            request.replacement_price = draw.choice((1, 2, 3))
        else:
            request.replacement_price = draw.choice((1, 2))
        request.max_replacements = draw.choice((1, 2, 3))
        if draw.random() < 0.06:
            # The account's own id, sometimes one that it has used before.
            if not self._names or draw.random() < 0.6:
                self._names.append(f"own-{self._count}")
            request.client_order_id = draw.choice(self._names[-4:])
        return request


class Traders:
    """Keeps so many trades under way."""

    def __init__(self, seed: int, folder: Path, exchange: Exchange, address: str, token: str) -> None:
        self._draw = random.Random(f"{seed}-traders")
        self._prices = Prices(exchange)
        self._orders = Orders(seed, self._prices)
        self._connection = Connection(address, token)
        self._stub: Any = ExecutionServiceStub(self._connection.channel)
        self._diary = Diary(folder / "trades.diary")
        self.requests: dict[str, trades_pb2.ExecuteTradeRequest] = {}
        self.answers: dict[str, execution_service_pb2.ExecuteTradeResponse] = {}
        self.repeats = self.undecided = 0
        self.cancelled: set[str] = set()
        self.refused: set[str] = set()

    async def run(self, trades: int, at_once: int, mean_seconds: float = 0.0) -> None:
        """Until every trade has been answered for good."""
        pricing = asyncio.create_task(self._prices.run())
        try:
            await self._prices.all()
            left = iter(range(trades))

            async def one_after_the_other() -> None:
                for _ in left:
                    await self._trade(self._orders.next())

            async with asyncio.TaskGroup() as group:
                for _ in range(at_once):
                    group.create_task(one_after_the_other())
        finally:
            pricing.cancel()
            await asyncio.gather(pricing, return_exceptions=True)
            self._diary.close()
            await self._connection.close()

    async def _trade(self, request: trades_pb2.ExecuteTradeRequest) -> None:
        draw, name = self._draw, request.request_id
        self.requests[name] = request
        self._diary.note("sent", name, content=request.SerializeToString().hex())
        cancelling = None
        if draw.random() < 0.15:
            cancelling = asyncio.create_task(self._cancel(name, draw.choice((0.0, 0.1, 0.5, 1.5))))
        try:
            while True:
                try:
                    # A caller that hangs up early stops nothing.
                    answer = await self._stub.ExecuteTrade(
                        request,
                        metadata=self._connection.metadata,
                        timeout=draw.choice((0.1, 2.0, 20.0, 20.0)),
                    )
                except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
                    code = error.code() if isinstance(error, grpc.aio.AioRpcError) else _TRY_AGAIN[0]
                    if code is grpc.StatusCode.INVALID_ARGUMENT and request.client_order_id:
                        # Another trade under the account's own id has not ended: definitely none of it.
                        self._diary.note("refused", name)
                        self.refused.add(name)
                        return
                    if code not in _TRY_AGAIN:
                        raise AssertionError(f"{name} is refused: {error}") from error
                    self.repeats += 1
                    await asyncio.sleep(draw.uniform(0.05, 0.3))
                    continue
                if answer.trade.status == trades_pb2.TRADE_STATUS_FINISHED:
                    break
                assert answer.trade.undecided, f"{name} is answered before its end"
                self.undecided += 1
                await asyncio.sleep(0.2)
            self._diary.note("answered", name, content=answer.trade.SerializeToString().hex())
            self.answers[name] = answer
        finally:
            if cancelling is not None:
                cancelling.cancel()
                await asyncio.gather(cancelling, return_exceptions=True)

    async def _cancel(self, name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        while True:
            try:
                request = execution_service_pb2.CancelTradeRequest(request_id=name)
                await self._stub.CancelTrade(request, metadata=self._connection.metadata, timeout=5)
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.FAILED_PRECONDITION:
                    return  # it has ended
                await asyncio.sleep(0.05)
            else:
                self.cancelled.add(name)
                self._diary.note("cancelled", name)
                return
