"""Writers that never give up, over a server that is killed again and again."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from oracle import Ledger

from fillhandler.v1 import (
    feed_service_pb2,
    fill_service_pb2,
    fills_pb2,
    order_service_pb2,
    orders_pb2,
    state_service_pb2,
)
from fillhandler.v1.analytics_service_pb2 import GetFillStatisticsRequest
from fillhandler.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from fillhandler.v1.feed_service_pb2_grpc import FeedServiceStub
from fillhandler.v1.fill_service_pb2_grpc import FillServiceStub
from fillhandler.v1.order_service_pb2_grpc import OrderServiceStub
from fillhandler.v1.state_service_pb2_grpc import StateServiceStub

_OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 100),
)
_TAKEN = (
    fill_service_pb2.OUTCOME_RECORDED,
    fill_service_pb2.OUTCOME_DUPLICATE,
)


class Connection:
    """One channel to the address that every server of the test takes over."""

    def __init__(self, address: str, token: str) -> None:
        self.channel = grpc.aio.insecure_channel(address, options=_OPTIONS)
        self.metadata = (("authorization", f"Bearer {token}"),)

    async def close(self) -> None:
        await self.channel.close()


class Writer:
    """Sends fills that only it sends: one by one, in streams, and some of its old ones again."""

    def __init__(self, number: int, seed: int, folder: Path, address: str, token: str) -> None:
        self._number = number
        self._draw = random.Random(f"{seed}-{number}")
        self._connection = Connection(address, token)
        self._fills: Any = FillServiceStub(self._connection.channel)
        self._ledger = Ledger(folder / f"writer-{number}.ledger")
        self._sent: list[fills_pb2.Fill] = []
        self._unsettled: list[fills_pb2.Fill] = []
        self.acknowledged = 0
        self.stopping = False

    def _new(self) -> fills_pb2.Fill:
        name = f"{self._number}-{len(self._sent)}"
        fill = fills_pb2.Fill(
            venue="binance",
            symbol="BTCUSDT",
            # Some orders are shared by all writers.
            order_id=f"order-{self._draw.choice(['all', self._number])}-{self._draw.randrange(4)}",
            trade_id=name,
            side=fills_pb2.SIDE_BUY,
            quantity=str(self._draw.randint(1, 999) / 100),
            price="100",
            fees=[fills_pb2.Fee(amount="0.1", currency="USDT")],
            liquidity=fills_pb2.LIQUIDITY_MAKER,
        )
        self._sent.append(fill)
        return fill

    def _batch(self) -> list[fills_pb2.Fill]:
        """What is not settled first; then new ones, and some old ones."""
        batch, self._unsettled = self._unsettled[:50], self._unsettled[50:]
        fresh = [self._new() for _ in range(self._draw.choice([1, 1, 3, 20, 40]))]
        self._ledger.sending(fill.trade_id for fill in fresh)
        return batch + fresh + self._draw.sample(self._sent, min(2, len(self._sent)))

    async def run(self) -> None:
        """Until told to stop; then until everything is acknowledged."""
        try:
            while not self.stopping or self._unsettled:
                batches = [self._batch() for _ in range(self._draw.choice([1, 1, 4]))]
                answered = 0
                try:
                    if self._draw.random() < 0.3:
                        await self._one_by_one(batches[0][:4])
                        batches[0] = batches[0][4:]
                    async for results in self._stream(batches):
                        self._settle(batches[answered], results)
                        answered += 1
                except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                    # Unknown: the same again settles it.
                    await asyncio.sleep(0.02)
                for batch in batches[answered:]:
                    self._unsettled += batch
        finally:
            self._ledger.close()
            await self._connection.close()

    async def _one_by_one(self, batch: list[fills_pb2.Fill]) -> None:
        for fill in batch:
            try:
                answer = await self._fills.RecordFill(
                    fill_service_pb2.RecordFillRequest(fill=fill),
                    metadata=self._connection.metadata,
                    timeout=10,
                )
            except grpc.aio.AioRpcError:
                self._unsettled += batch
                raise
            self._settle([fill], [answer])

    async def _stream(self, batches: list[list[fills_pb2.Fill]]) -> Any:
        async def requests() -> Any:
            for batch in batches:
                yield fill_service_pb2.RecordFillsRequest(fills=batch)

        call = self._fills.RecordFills(requests(), metadata=self._connection.metadata, timeout=20)
        async for response in call:
            yield response.results

    def _settle(self, batch: list[fills_pb2.Fill], results: Any) -> None:
        assert len(batch) == len(results)
        for result in results:
            assert result.outcome in _TAKEN, result
        self._ledger.acknowledged(
            (fill.trade_id, result.sequence) for fill, result in zip(batch, results, strict=True)
        )
        self.acknowledged += len(batch)


class Subscriber:
    """A feed that resumes wherever it was cut off, and keeps what it saw."""

    def __init__(self, seed: int, address: str, token: str) -> None:
        self._draw = random.Random(f"{seed}-subscriber")
        self._connection = Connection(address, token)
        self._feed: Any = FeedServiceStub(self._connection.channel)
        self.sequences: list[int] = []
        self.resumed = -1

    async def run(self) -> None:
        """Until cancelled."""
        request = feed_service_pb2.WatchEventsRequest(after_sequence=0)
        try:
            while True:
                call = self._feed.WatchEvents(request, metadata=self._connection.metadata)
                self.resumed += 1
                try:
                    async for message in call:
                        self.sequences += [event.sequence for event in message.events]
                        if self._draw.random() < 0.5:
                            request.resume_token = message.resume_token
                        else:
                            request.after_sequence = message.through_sequence
                        if self._draw.random() < 0.02:
                            break
                except grpc.aio.AioRpcError as error:
                    # A server that is told to end cancels what comes in its last moment.
                    if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
                        raise
                    await asyncio.sleep(0.02)
                finally:
                    call.cancel()
        finally:
            await self._connection.close()


async def read_everything(
    address: str, token: str
) -> tuple[list[Any], list[orders_pb2.Order], int, state_service_pb2.VerifyJournalResponse]:
    """The whole feed, all orders, the count of fills in the statistics, and the walk over the chain."""
    connection = Connection(address, token)
    options = {"metadata": connection.metadata, "timeout": 60}
    try:
        walk: Any = StateServiceStub(connection.channel).VerifyJournal(
            state_service_pb2.VerifyJournalRequest(), **options
        )
        last = [message async for message in walk][-1]
        events: list[Any] = []
        call: Any = FeedServiceStub(connection.channel).WatchEvents(
            feed_service_pb2.WatchEventsRequest(after_sequence=0), **options
        )
        async for message in call:
            events += message.events
            if message.live:
                break
        call.cancel()
        orders: list[orders_pb2.Order] = []
        request = order_service_pb2.ListOrdersRequest(page_size=1000)
        stub: Any = OrderServiceStub(connection.channel)
        while True:
            page = await stub.ListOrders(request, **options)
            orders += page.orders
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        figures: Any = await AnalyticsServiceStub(connection.channel).GetFillStatistics(
            GetFillStatisticsRequest(), **options
        )
        return events, orders, figures.total_fills, last
    finally:
        await connection.close()
