"""A venue by script, a record in memory, and a clock that moves when told: what collectors run against."""

import asyncio
import json
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.clocks import Clock
from tests.support.desks import START, MemoryDesk, record, report

from fillhandler_server.collectors import Collector, CollectorSettings, Timing
from fillhandler_server.domain.errors import FillHandlerError, InvalidFieldError
from fillhandler_server.domain.numbers import ZERO
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.reports import OrderStatus
from fillhandler_server.execution.connection import Answer, MarketRules, Message, TradePage, VenueOrder
from fillhandler_server.execution.errors import ErrorClass, VenueError
from fillhandler_server.execution.ledger import OrderView, Recorded
from fillhandler_server.execution.payloads import parse_payload

SECOND = 1_000_000_000
MINUTE, HOUR = 60 * SECOND, 3600 * SECOND


def venue_error(
    error_class: ErrorClass = ErrorClass.NETWORK_ERROR, text: str = "broken", **more: Any
) -> VenueError:
    given = {"maybe_applied": False, "temporary": error_class is not ErrorClass.AUTHENTICATION, **more}
    return VenueError(error_class, text, **given)


class VirtualTime(Clock):
    """Moves only when told, and only when everything waits."""

    async def settle(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0)
        while loop._ready:
            await asyncio.sleep(0)

    async def advance(self, seconds: float) -> None:
        await self.until(lambda: False, seconds)

    async def until(self, condition: Callable[[], Any], seconds: float = 10_000.0) -> bool:
        """Moves on, sleeper by sleeper, until it holds, at most so long. Returns whether it does."""
        end = self.now + seconds
        await self.settle()
        while not condition():
            due = [one for one in self._sleepers if not one[1].done()]
            when, future = min(due, key=lambda one: one[0], default=(end + 1, None))
            if when > end:
                self.now = end
                await self.settle()
                return bool(condition())
            self.now = max(self.now, when)
            future.set_result(None)
            await self.settle()
        return True


# ------------------------------------------------------------------ the venue


@dataclass
class Trade:
    trade_id: int
    symbol: str
    time: int
    """By the venue's clock."""
    order_id: int = 7
    quantity: str = "1"
    seen_from: int = 0
    """When the history begins to show it."""
    garbled: bool = False

    def row(self) -> dict[str, Any]:
        """As myTrades tells it."""
        return {
            "symbol": self.symbol, "id": self.trade_id, "orderId": self.order_id, "orderListId": -1,
            "price": "100" if not self.garbled else "nonsense", "qty": self.quantity,
            "quoteQty": self.quantity + "00", "commission": "0.1", "commissionAsset": "USDT",
            "time": self.time // 1_000_000, "isBuyer": True, "isMaker": False, "isBestMatch": True,
        }  # fmt: skip


def execution_report(trade: Trade, cumulative: str = "", status: str = "PARTIALLY_FILLED") -> Message:
    """What the stream says of a trade."""
    milliseconds = trade.time // 1_000_000
    return message(
        {
            "e": "executionReport", "E": milliseconds, "s": trade.symbol, "c": f"c{trade.order_id}",
            "S": "BUY", "o": "LIMIT", "f": "GTC", "q": "10", "p": "100", "P": "0", "F": "0", "g": -1,
            "C": "", "x": "TRADE", "X": status, "r": "NONE", "i": trade.order_id, "l": trade.quantity,
            "z": cumulative or trade.quantity, "L": "100", "n": "0.1", "N": "USDT", "T": milliseconds,
            "t": trade.trade_id, "I": 1, "w": False, "m": False, "M": True, "O": milliseconds,
            "Z": "100", "Y": "100", "Q": "0",
        }
    )  # fmt: skip


def order_row(order_id: int, symbol: str, status: str, cumulative: str, time: int) -> dict[str, Any]:
    """As GET order tells it."""
    return {
        "symbol": symbol, "orderId": order_id, "orderListId": -1, "clientOrderId": f"c{order_id}",
        "price": "100", "origQty": "10", "executedQty": cumulative, "origQuoteOrderQty": "0",
        "cummulativeQuoteQty": str(int(cumulative) * 100), "status": status, "timeInForce": "GTC",
        "type": "LIMIT", "side": "BUY", "stopPrice": "0", "icebergQty": "0", "time": time // 1_000_000,
        "updateTime": time // 1_000_000, "isWorking": True, "workingTime": time // 1_000_000,
        "selfTradePreventionMode": "NONE",
    }  # fmt: skip


def message(document: Any) -> Message:
    return Message(json.dumps(document).encode())


@dataclass
class ScriptedVenue:
    """Implements `VenueConnection`; everything that it does is ordered by the test."""

    time: VirtualTime
    venue: str = "binance"
    account: str = "main"
    market: str = "spot"
    sandbox: bool = True
    streams: bool = True
    history_needs_symbol: bool = True

    skew: int = 0
    wall: int = 0
    """How far this machine's clock has jumped."""
    page_size: int = 1000
    known: tuple[str, ...] = ("BTCUSDT", "ETHUSDT")
    history: list[Trade] = field(default_factory=list)
    orders: dict[int, dict[str, Any]] = field(default_factory=dict)
    failing: dict[str, deque[Exception | None]] = field(default_factory=dict)
    """By call ("trades", "trades ETHUSDT", "stream", ...): what its next ones raise; None passes."""
    latency: dict[str, float] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    asked: list[tuple[str, int]] = field(default_factory=list)
    """Symbol and since of each reading of the history."""
    connects: int = 0
    confirms: bool = True
    """Whether a stream is confirmed at once; else it hangs."""

    def __post_init__(self) -> None:
        self._received: Callable[[Message], None] | None = None
        self._broken: asyncio.Future[None] | None = None

    # what a test does

    def now(self) -> int:
        """The venue's time."""
        return START + int(self.time.now * SECOND) + self.skew

    def trade(
        self, trade_id: int, symbol: str = "BTCUSDT", *, age: float = 0, late: float = 0, **more: Any
    ) -> Trade:
        """Something trades, and comes to be in the history."""
        at = self.now() - int(age * SECOND)
        trade = Trade(
            trade_id, symbol, at // 1_000_000 * 1_000_000, seen_from=at + int(late * SECOND), **more
        )
        self.history.append(trade)
        return trade

    def send(self, said: Message) -> None:
        """The stream brings something, if there is one."""
        if self._received is not None:
            self._received(said)

    def cut(self, error: Exception | None = None) -> None:
        """The stream ends."""
        assert self._broken is not None
        self._broken.set_exception(error or venue_error())

    def fail(self, call: str, *errors: Exception | None) -> None:
        self.failing.setdefault(call, deque()).extend(errors)

    # what the collector asks

    async def _call(self, *names: str) -> None:
        for name in names:
            self.calls[name] += 1
            await self.time.sleep(self.latency[name]) if name in self.latency else None
            if self.failing.get(name) and (error := self.failing[name].popleft()):
                raise error

    async def start(self) -> None:
        await self._call("start")

    async def close(self) -> None:
        self.calls["close"] += 1

    def rules(self, symbol: str) -> MarketRules:
        canonical = symbol.replace("/", "")
        if canonical not in self.known:
            raise InvalidFieldError.of("symbol", f"no {symbol}")
        return MarketRules(canonical, self.market)

    async def find_order(self, symbol: str, order_id: str = "", client_order_id: str = "") -> Answer:
        await self._call("find_order", f"find_order {order_id}")
        row = self.orders.get(int(order_id))
        if row is None:
            return Answer()
        order = VenueOrder(order_id, row["clientOrderId"], OrderStatus.UNSPECIFIED, symbol)
        return Answer((message(row),), order)

    async def trades(self, symbol: str, since: int, cursor: str = "") -> TradePage:
        if not cursor:
            self.asked.append((symbol, since))
        await self._call("trades", f"trades {symbol}")
        after = tuple(map(int, cursor.split(":"))) if cursor else (since, -1)
        found = sorted(
            (trade.time, trade.trade_id, trade)
            for trade in self.history
            if (not symbol or trade.symbol == symbol)
            and trade.seen_from <= self.now()
            and (trade.time, trade.trade_id) > after
        )[: self.page_size]
        complete = len(found) < self.page_size
        return TradePage(
            messages=(message([trade.row() for _, _, trade in found]),) if found else (),
            count=len(found),
            last_time=found[-1][0] if found else None,
            complete=complete,
            cursor="" if complete else f"{found[-1][0]}:{found[-1][1]}",
        )

    async def measure_skew(self) -> int:
        skew = self.skew - self.wall
        await self._call("measure_skew")
        return skew

    async def stream(self, connected: Callable[[], None], received: Callable[[Message], None]) -> None:
        await self._call("stream")
        self._broken = asyncio.get_running_loop().create_future()
        if self.confirms:
            self.connects += 1
            self._received = received
            connected()
        try:
            await self._broken
        finally:
            self._received = None


# ------------------------------------------------------------------ the record


class MemoryLedger:
    """What collectors use of `execution.ledger.Ledger`, over the real engine."""

    def __init__(self, venue: ScriptedVenue) -> None:
        self._venue = venue
        self.desk = MemoryDesk()
        self.notes: list[dict[str, Any]] = []
        self.failing: FillHandlerError | None = None
        """What every write raises."""
        self.poison: bytes = b""
        """Payloads that hold this make the record fail for a fault of its own."""
        self.batches: list[int] = []
        self.latency = 0.0

    def now(self) -> int:
        return START + int(self._venue.time.now * SECOND) + self._venue.wall

    async def _write(self) -> None:
        if self.latency:
            await self._venue.time.sleep(self.latency)
        if self.failing is not None:
            raise self.failing

    async def record(self, venue: str, account: str, messages: Sequence[Message]) -> Recorded:
        await self._write()
        if self.poison and any(self.poison in each.payload for each in messages):
            raise RuntimeError("a fault of the record's own")
        self.batches.append(len(messages))
        self.desk.now = START + int(self._venue.time.now * SECOND)
        outcomes: Counter[str] = Counter()
        unread: list[str] = []
        for each in messages:
            try:
                parsed = parse_payload(venue, account, each.payload, format=each.format)
            except FillHandlerError as error:
                unread.append(error.text)
                continue
            for result in self.desk.run(*map(record, parsed.fills)):
                outcomes[result.outcome.name] += 1
            self.desk.run(*map(report, parsed.reports))
        return Recorded(outcomes["RECORDED"], outcomes["DUPLICATE"], (), tuple(unread))

    async def connection_changed(self, venue: str, account: str, market: str, **said: Any) -> None:
        await self._write()
        self.notes.append({"venue": venue, "account": account, "market": market, **said})

    async def confirmed_times(self, venue: str, account: str, market: str) -> dict[str, int]:
        return {
            note["symbol"]: note["confirmed_time"]
            for note in self.notes
            if note.get("confirmed_time") is not None
        }

    async def known_symbols(self, venue: str, account: str, market: str, since: int) -> set[str]:
        return {
            order.symbol for order in self.desk.orders() if not order.is_final or order.update_time >= since
        }

    async def incomplete_orders(self, venue: str, account: str) -> list[OrderView]:
        return [view for view in map(_view, self.desk.orders()) if view.missing]

    async def open_orders(self, venue: str, account: str, market: str) -> list[OrderView]:
        return [view for view in map(_view, self.desk.orders()) if view.order_id and not view.is_final]

    # what a test looks at

    def trade_ids(self) -> list[int]:
        """Of every fill recorded, in order."""
        events = self.desk.events()
        return [
            int(e.fill_recorded.fill.trade_id) for e in events if e.WhichOneof("event") == "fill_recorded"
        ]

    def connections(self) -> list[tuple[bool, str]]:
        """What was noted of coming and going."""
        return [(note["connected"], note["text"]) for note in self.notes if "symbol" not in note]

    def repairs(self) -> list[tuple[str, int]]:
        """What was noted of repairs: symbol and fills."""
        return [(note["symbol"], note["repaired_fills"]) for note in self.notes if note.get("repaired_fills")]


def _view(order: Order) -> OrderView:
    return OrderView(
        number=order.number,
        order_id=order.order_id,
        order_ids=tuple(order.order_ids),
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        status=OrderStatus(order.status),
        is_final=order.is_final,
        quantity=order.order_quantity,
        cumulative=order.cumulative,
        reported_cumulative=order.reported_cumulative,
        missing=order.gap or ZERO,
        last_fill_time=order.last_fill_time,
    )


class Rig:
    """One collector with all that it needs."""

    def __init__(self, **settings: Any) -> None:
        self.time = VirtualTime()
        self.venue = ScriptedVenue(self.time)
        self.ledger = MemoryLedger(self.venue)
        self.settings = CollectorSettings(**{"symbols": ("BTCUSDT",), **settings})
        self.drawn: list[tuple[float, float]] = []
        self.collector = self.another()

    def another(self) -> Collector:
        """A collector over the same record, as after a restart."""
        timing = Timing(self.time, self.time.sleep, self._draw)
        self.collector = Collector(self.venue, self.ledger, self.settings, timing=timing)
        return self.collector

    def _draw(self, low: float, high: float) -> float:
        self.drawn.append((low, high))
        return high

    async def __aenter__(self) -> "Rig":
        self.collector.start()
        await self.time.settle()
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.collector.stop()
        assert asyncio.all_tasks() == {asyncio.current_task()}, "something is left running"
