"""The exchange as a whole: its markets behind HTTP and WebSockets on a loopback port, and the walk's task."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import random
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from aiohttp import web

from fillhandler_server.domain.numbers import canonical
from fillhandler_server.exchange.answers import Answers
from fillhandler_server.exchange.binance.signing import Credentials
from fillhandler_server.exchange.control import Control, order_row, trade_row
from fillhandler_server.exchange.faults import FaultPlan
from fillhandler_server.exchange.gate import Gate
from fillhandler_server.exchange.linear_answers import LinearAnswers
from fillhandler_server.exchange.market.book import Chance
from fillhandler_server.exchange.market.markets import LINEAR_FEES, SPOT_FEES, LinearMarket, SpotMarket
from fillhandler_server.exchange.market.matching import Change, Market
from fillhandler_server.exchange.market.symbols import SYMBOLS, MarketName, Symbol, symbol
from fillhandler_server.exchange.market.wallets import FuturesWallet, SpotWallet
from fillhandler_server.exchange.sockets import Sockets
from fillhandler_server.exchange.spot_answers import SpotAnswers
from fillhandler_server.exchange.streams import UserStream

STEP_MS: Final = 100
FUTURES_QUOTE: Final = "USDT"
"""The futures' wallet has this currency only, so their symbols are those quoted in it."""
_QUOTE_FUNDS: Final = Decimal(100_000_000)
_SHUTDOWN_SECONDS: Final = 1.0


class ListenError(ValueError):
    """An address that the exchange does not serve on."""


def _wall_clock() -> int:
    return time.time_ns() // 1_000_000


def _silent(text: str) -> None:
    """Notes nothing."""


class SimulatedExchange:
    """A simulated exchange in this process's event loop.

        exchange = SimulatedExchange(seed=7)
        base_url = await exchange.start()
        …
        await exchange.stop()

    It keeps everything in memory. The same seed gives the same prices and the same dice for the faults; what
    trades when still depends on when requests come.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        symbols: Iterable[Symbol | str] = SYMBOLS,
        credentials: Credentials | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        step_ms: int = STEP_MS,
        funds: Mapping[str, Decimal] | None = None,
        clock: Callable[[], int] = _wall_clock,
        note: Callable[[str], None] = _silent,
    ) -> None:
        """`clock` is milliseconds since the epoch, `note` takes a line for each order, trade and fault.

        `funds` are the spot balances by asset, and the futures' by "futures"; else there is plenty of all.

        Raises:
            ListenError: the host is no loopback address.
            ValueError: a symbol that cannot be.
        """
        if not _is_loopback(host):
            raise ListenError(f"{host} is no loopback address; the exchange serves this machine only")
        traded = [symbol(each) if isinstance(each, str) else each for each in symbols]
        self.plan = FaultPlan(seed)
        self.credentials = credentials or Credentials(secrets.token_hex(32), secrets.token_hex(32))
        self.base_url = ""
        self._host, self._port = host, port
        self._seed = seed
        self._wall_clock = clock
        self._note = note
        self._step_seconds = step_ms / 1000
        self._stopping = asyncio.Event()
        self._resting = asyncio.Event()
        self._paused = False
        self._runner: web.AppRunner | None = None
        self._walk: asyncio.Task[None] | None = None
        settings: dict[str, Any] = {
            "chance": self._chance,
            # Larger at every start, so that no id of an earlier run comes again.
            "first_id": clock(),
            "step_ms": step_ms,
            "changed": self._changed,
        }
        funds = _plenty(traded) if funds is None else dict(funds)
        futures = funds.pop("futures", _QUOTE_FUNDS)
        self.spot = SpotMarket(SpotWallet(funds, now=clock()), symbols=traded, fees=SPOT_FEES, **settings)
        linear = [each for each in traded if each.quote == FUTURES_QUOTE]
        self.linear = LinearMarket(
            FuturesWallet(futures, now=clock()), symbols=linear, fees=LINEAR_FEES, **settings
        )
        self.markets: dict[MarketName, Market] = {each.name: each for each in (self.spot, self.linear)}
        self.streams = {name: UserStream(self.plan, note, self.now) for name in MarketName}
        self.gates = {
            name: Gate(name, self.plan, self.credentials, self.now, note, self._stopping)
            for name in MarketName
        }
        made_ids = self._chance("client order ids")
        self._answers: dict[MarketName, Answers] = {
            kind.name: made(kind, self.plan, self.streams[kind.name], self.now, lambda: _made_id(made_ids))
            for kind, made in ((self.spot, SpotAnswers), (self.linear, LinearAnswers))
        }
        self._sockets = Sockets(
            self.streams[MarketName.SPOT], self.streams[MarketName.LINEAR], self.credentials, self.now, note
        )

    def __repr__(self) -> str:
        return f"SimulatedExchange({self.base_url or 'not started'})"

    # ------------------------------------------------------------------ life

    async def start(self) -> str:
        """Serves; the base of all addresses, `http://127.0.0.1:PORT`. Raises OSError: the port is taken."""
        application = web.Application()
        for name, answers in self._answers.items():
            for route in answers.routes():
                application.router.add_route(route.method, route.path, self.gates[name].handler(route))
        application.add_routes([*self._sockets.routes(), *Control(self).routes()])
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError:
            await self._runner.cleanup()
            raise
        host, port = self._runner.addresses[0][:2]
        self.base_url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._walk = asyncio.create_task(self._walking())
        return self.base_url

    async def stop(self) -> None:
        """Ends the walk, the held requests and the connections."""
        self._stopping.set()
        if self._walk is not None:
            self._walk.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._walk
        for gate in self.gates.values():
            await gate.stop()
        for stream in self.streams.values():
            stream.stop()
        await self._sockets.stop()
        if self._runner is not None:
            await self._runner.cleanup()

    def now(self) -> int:
        """The exchange's clock, ms since the epoch; a fault can put it off."""
        skew = self.plan.settings.skew_ms if self.plan.is_on("clock_skew") else 0
        return self._wall_clock() + skew

    async def _walking(self) -> None:
        """Steps the books that have resting orders; sleeps while there are none."""
        while True:
            await self._resting.wait()
            await asyncio.sleep(self._step_seconds)
            now = self.now()
            for market in self.markets.values():
                market.tick(now)
            for stream in self.streams.values():
                stream.expire()
            if not any(orders for market in self.markets.values() for orders in market.resting.values()):
                self._resting.clear()

    # ------------------------------------------------------------------ control

    def books(self) -> dict[str, Any]:
        """Every order and every trade of ours, exact, and what was counted."""
        return {
            "orders": [
                order_row(each) for market in self.markets.values() for each in market.orders.values()
            ],
            "trades": [
                trade_row(name, each)
                for name, market in self.markets.items()
                for trades in market.trades.values()
                for each in trades
            ],
            "prices": {
                name.value: {each: canonical(mid) for each, mid in market.marks().items()}
                for name, market in self.markets.items()
            },
            "requests": {name.value: dict(gate.requests) for name, gate in self.gates.items()},
            "refusals": {name.value: dict(gate.refusals) for name, gate in self.gates.items()},
            "too_early": {name.value: gate.too_early for name, gate in self.gates.items()},
            "faults": dict(self.plan.applied),
            "streams": {
                name.value: {"subscribers": len(each.subscribers), "sent": each.sent}
                for name, each in self.streams.items()
            },
        }

    def disconnect(self) -> int:
        """Cuts every user data stream; how many."""
        return sum(stream.cut() for stream in self.streams.values())

    def jump(self, name: str, price: Decimal, *, market: str = "", pieces: int | None = None) -> None:
        """Moves a price in one market or in both; resting orders that it crosses trade at once: whole, or at
        most so many pieces of each. Raises ValueError for a symbol that is not traded there.
        """
        chosen = [
            each for each in self.markets.values() if market in ("", each.name) and name in each.symbols
        ]
        if not chosen:
            raise ValueError(f"no symbol {name!r}; there are {', '.join(self.spot.symbols)}")
        for each in chosen:
            each.jump(name, price, self.now(), pieces)

    def step(self, count: int = 1) -> None:
        """Steps of every walk at once, paused or not."""
        for _ in range(count):
            for market in self.markets.values():
                market.step(self.now())

    def pause(self) -> None:
        """The walks stand still; prices move by `jump` and `step` only."""
        self._set_paused(True)

    def resume(self) -> None:
        """The walks go on."""
        self._set_paused(False)

    def _set_paused(self, paused: bool) -> None:
        for market in self.markets.values():
            for book in market.books.values():
                book.paused = paused

    # ------------------------------------------------------------------ inside

    def _chance(self, name: str) -> Chance:
        return random.Random(f"{self._seed}:{name}")  # noqa: S311  # a walk, no secret

    def _changed(self, change: Change) -> None:
        order, trade = change.order, change.trade
        what = f"{order.market} {order.symbol.name} {order.side} {order.type} {order.client_order_id}"
        if trade is None:
            self._note(f"{change.execution} {what} {canonical(order.quantity)} at {canonical(order.price)}")
        else:
            self._note(
                f"TRADE {what} {canonical(trade.quantity)} at {canonical(trade.price)}, "
                f"{canonical(order.executed)} of {canonical(order.quantity)}"
            )
        if order.is_open:
            self._resting.set()
        self._answers[order.market].publish(change)


def _plenty(symbols: list[Symbol]) -> dict[str, Decimal]:
    """A hundred million of each quote currency, and of the others as many as that is worth at first."""
    funds = {each.base: (_QUOTE_FUNDS / each.price // each.step * each.step) for each in symbols}
    return funds | {each.quote: _QUOTE_FUNDS for each in symbols}


def _made_id(chance: Chance) -> str:
    """A client order id as Binance makes one: 22 characters."""
    letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    return "".join(letters[chance.randint(0, len(letters) - 1)] for _ in range(22))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
