"""A real server in the test's loop whose connections are those of a simulated exchange in the same loop."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from google.protobuf.duration_pb2 import Duration

from fillhandler.v1 import events_pb2, execution_service_pb2, fills_pb2, trades_pb2
from fillhandler_server.exchange import SimulatedExchange
from support.application import RunningServer

BUY, SELL = fills_pb2.SIDE_BUY, fills_pb2.SIDE_SELL
FINISHED = trades_pb2.TRADE_STATUS_FINISHED
WORKING = trades_pb2.TRADE_STATUS_WORKING
FAR_BELOW = "30000"
"""A price at which a purchase of BTCUSDT rests: half of the simulated exchange's first one."""

_QUICK_RETRIES = {"max_retries": 3, "base_delay": 0.02, "max_delay": 0.1, "jitter_factor": 0.0}
_numbers = itertools.count(1)


def paused_exchange(**settings: Any) -> SimulatedExchange:
    """An exchange, not started, whose prices move where a test says so."""
    exchange = SimulatedExchange(seed=7, **settings)
    exchange.plan.set("timeout_seconds", 0.4)
    exchange.pause()
    return exchange


def write_credentials(folder: Path, **texts: str) -> Path:
    """A folder with a file for each credential, which nobody else may read."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in texts.items():
        file = folder / name
        file.write_text(f"{text}\n")
        file.chmod(0o600)
    return folder


def credentials_of(exchange: SimulatedExchange, folder: Path) -> Path:
    """The files of a simulated exchange's credentials."""
    key, secret = exchange.credentials.reveal()
    return write_credentials(folder, api_key=key, secret=secret)


def connection_table(url: str, folder: Path, market: str = "spot", **more: Any) -> dict[str, Any]:
    """A table of `connections`, at the pace of tests."""
    return {
        "venue": "binance",
        "market": market,
        "sandbox": True,
        "url": url,
        "credentials_dir": str(folder),
        "rate_limit": False,
        "timeout_seconds": 0.3,
        # Above the time that the exchange holds a request.
        "recv_window_seconds": 0.5,
        "settle_seconds": 0.6,
        **more,
    }


def trade_request(request_id: str = "", **fields: Any) -> trades_pb2.ExecuteTradeRequest:
    """A market order of 0.05 BTCUSDT on spot; None leaves a field out, `deadline` is seconds."""
    given: dict[str, Any] = {
        "request_id": request_id or f"r-{next(_numbers)}",
        "venue": "binance",
        "market": "spot",
        "symbol": "BTCUSDT",
        "side": BUY,
        "quantity": "0.05",
        "type": "market",
        **fields,
    }
    if isinstance(given.get("deadline"), int | float):
        given["deadline"] = Duration(nanos=0, seconds=0)
        given["deadline"].FromMilliseconds(round(fields["deadline"] * 1000))
    return trades_pb2.ExecuteTradeRequest(
        **{name: value for name, value in given.items() if value is not None}
    )


def resting(request_id: str = "", **fields: Any) -> trades_pb2.ExecuteTradeRequest:
    """A limit order that nothing fills."""
    return trade_request(request_id, **({"type": "limit", "limit_price": FAR_BELOW} | fields))


class Rehearsal(RunningServer):
    """A server with connections to an exchange."""

    def __init__(
        self, folder: Path, url: str, credentials: Path, markets: tuple[str, ...] = ("spot",), **changes: Any
    ) -> None:
        """Keys of a connection's own go to every one; the others are settings."""
        own = {key: changes.pop(key) for key in tuple(changes) if key in _OF_CONNECTIONS}
        tables = [connection_table(url, credentials, market, **own) for market in markets]
        super().__init__(folder, **({"connections": tables, "retry_config": _QUICK_RETRIES} | changes))

    async def start(self) -> Self:
        """Starts; its connections are made in the background."""
        await super().start()
        return self

    async def connected(self, seconds: float = 10) -> Self:
        """Waits until every connection that collects has its stream, or else its markets."""
        await self.until(
            lambda found: all(
                each.state == execution_service_pb2.CONNECTION_STATE_CONNECTED
                for venue in found.venues
                for each in venue.connections
            ),
            seconds,
        )
        return self

    async def until(
        self, condition: Callable[[execution_service_pb2.ListVenuesResponse], bool], seconds: float = 10
    ) -> execution_service_pb2.ListVenuesResponse:
        """Waits until what ListVenues says is so: it has no event to wait for."""
        async with asyncio.timeout(seconds):
            while not condition(found := await self.execution.ListVenues(_EVERY_VENUE)):
                await asyncio.sleep(0.01)
        return found

    async def connection(self, market: str = "spot") -> execution_service_pb2.VenueConnection:
        """A connection as ListVenues says it stands."""
        found = await self.execution.ListVenues(_EVERY_VENUE)
        [one] = [each for venue in found.venues for each in venue.connections if each.market == market]
        return one

    async def execute(self, request: trades_pb2.ExecuteTradeRequest) -> Any:
        """A trade to its end."""
        return await self.execution.ExecuteTrade(request, timeout=20)

    async def trade(self, request_id: str) -> trades_pb2.Trade:
        """A trade as it stands."""
        answer = await self.execution.GetTrade(execution_service_pb2.GetTradeRequest(request_id=request_id))
        return answer.trade

    async def when(
        self, request_id: str, condition: Callable[[trades_pb2.Trade], bool], seconds: float = 15
    ) -> trades_pb2.Trade:
        """A trade once it is so; it is there, or about to be."""
        async with asyncio.timeout(seconds):
            while True:
                listed = await self.execution.ListTrades(execution_service_pb2.ListTradesRequest())
                for trade in listed.trades:
                    if trade.request.request_id == request_id and condition(trade):
                        return trade
                await asyncio.sleep(0.01)

    async def working(self, request: trades_pb2.ExecuteTradeRequest) -> trades_pb2.Trade:
        """Starts a trade and hangs up once the venue has its order."""
        call = self.execution.ExecuteTrade(request)
        try:
            return await self.when(request.request_id, lambda trade: trade.status == WORKING)
        finally:
            call.cancel()

    async def cancel(self, request_id: str) -> Any:
        """Asks for a trade to be cancelled."""
        return await self.execution.CancelTrade(
            execution_service_pb2.CancelTradeRequest(request_id=request_id)
        )


_EVERY_VENUE = execution_service_pb2.ListVenuesRequest()
_OF_CONNECTIONS = frozenset(
    {"collect", "execute", "symbols", "settle_seconds", "timeout_seconds", "poll_seconds", "account"}
)


def orders_at(exchange: SimulatedExchange, client_order_id: str = "") -> list[dict[str, Any]]:
    """The exchange's own orders, of one client order id or all."""
    return [each for each in exchange.books()["orders"] if client_order_id in ("", each["client_order_id"])]


def kinds_of(events: list[events_pb2.Event]) -> list[str]:
    """What each event is."""
    return [str(event.WhichOneof("event")) for event in events]
