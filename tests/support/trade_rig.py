"""Trades over a model exchange and the real engine, in processes that end where a test says so.

The record is the real `WriterLedger` over a desk: dictionaries that are folded anew from the journal at each
restart, or the real store. Time is the virtual loop's.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, NamedTuple

from tests.support.desks import MemoryDesk, StoreDesk
from tests.support.model_exchange import SECOND, START, ModelConnection, ModelExchange, ModelOrder
from tests.support.trade_stories import some_terms
from tests.support.virtual_loop import play

from fillhandler_server import venues
from fillhandler_server.codec import decode_batch
from fillhandler_server.domain.errors import StoreUnavailableError
from fillhandler_server.domain.events import Event
from fillhandler_server.domain.reports import OrderStatus
from fillhandler_server.domain.trades import Trade, TradeOutcome, TradeTerms
from fillhandler_server.execution.breaker import Breaker, BreakerPolicy
from fillhandler_server.execution.connection import Message
from fillhandler_server.execution.ledger import OrderView
from fillhandler_server.execution.manager import TradeManager
from fillhandler_server.execution.retrying import RetryPolicy
from fillhandler_server.execution.venue import Pace, Venue
from fillhandler_server.ledger import WriterLedger
from fillhandler_server.writer.watching import Watches

__all__ = ["Rig", "play"]

KEY = ("binance", "main", "spot")
NEVER_OPENS = BreakerPolicy(failures_max=1_000_000, cooldown_seconds=0.0, jitter_factor=0.0)
"""A breaker that only the exchange's own word opens: what is counted is the policy alone."""
OPERATIONS = {1: "place", 2: "cancel", 3: "query"}


class Request(NamedTuple):
    """An attempt in the journal."""

    kind: str
    """"scheduled", "exhausted" or "succeeded"."""
    operation: str
    attempt: int
    error_class: str = ""
    maybe_applied: bool = False
    delay: float | None = None


class _Desk(MemoryDesk):
    """A memory desk that runs what a writer's jobs do."""

    def __init__(self) -> None:
        self.watches = Watches()
        super().__init__()

    def _open(self) -> None:
        super()._open()
        self.book.statistics = SimpleNamespace(duplicates=0)  # type: ignore[attr-defined]
        self.book.knows = self.book.orders.__contains__  # type: ignore[attr-defined]

    def _on_event(self, event: Event, now: int) -> None:
        super()._on_event(event, now)
        self.watches.note_event(event)

    @property
    def length(self) -> int:
        return len(self.messages)

    def do(self, work: Callable[[Any], Any]) -> Any:
        self.engine.begin(self.now)
        result = work(SimpleNamespace(engine=self.engine, book=self.book, store=None))
        self.messages += decode_batch(b"".join(self._encoder.take()))
        return result

    def tell(self) -> None:
        self.watches.tell()

    def cut(self, length: int) -> None:
        """Loses what came after so many events: it never was durable."""
        del self.messages[length:]
        self.restart()


class _Stored(StoreDesk):
    """The real store in the same way; its writer tells of what moved by itself."""

    @property
    def watches(self) -> Watches:
        return self.writer.watches

    @property
    def length(self) -> int:
        return self.writer.engine.head

    def tell(self) -> None:
        """The writer did."""


class Process:
    """A process that has its end: from then on nothing of it goes on."""

    def __init__(self, rig: "Rig") -> None:
        self.rig = rig
        self.dead = asyncio.Event()

    async def alive(self) -> None:
        if self.dead.is_set():
            await asyncio.Future()

    async def die(self) -> None:
        self.dead.set()
        await asyncio.Future()

    async def gate(self, operation: str, arrive: Callable[[], Any]) -> Any:
        """A call to the exchange."""
        await self.alive()
        rig = self.rig
        rig.called += 1
        ends = rig.ends.get(("call", rig.called))
        if ends == "before":
            await self.die()
        if ends == "late":
            asyncio.get_running_loop().call_later(rig.late_seconds, rig.swallow, arrive)
            await self.die()
        await asyncio.sleep(0)
        answer = arrive()
        if ends == "after":
            await self.die()
        return answer

    # What `WriterLedger` uses of a writer.

    @property
    def watches(self) -> Watches:
        return self.rig.desk.watches

    async def run(self, work: Callable[[Any], Any], **_: Any) -> Any:
        await self.alive()
        rig, desk = self.rig, self.rig.desk
        if rig.store_fails:
            raise StoreUnavailableError("the store is not there")
        length = desk.length
        desk.now = rig.now()
        result = desk.do(work)
        if desk.length > length:
            rig.written += 1
            ends = rig.ends.get(("write", rig.written))
            if ends == "before":
                desk.cut(length)
                await self.die()
            if ends == "fail before":
                desk.cut(length)
                raise StoreUnavailableError("it was not written")
            desk.tell()
            if ends == "after":
                await self.die()
            if ends == "fail after":
                raise StoreUnavailableError("the commit's outcome is not known")
            if isinstance(ends, float):
                await asyncio.sleep(ends)
        await asyncio.sleep(0)
        return result


class Rig:
    """An exchange, a record, and the process that trades now. Inside `play` only."""

    def __init__(
        self,
        *,
        policy: RetryPolicy | None = None,
        pace: Pace | None = None,
        breaker: BreakerPolicy = NEVER_OPENS,
        draws: Iterable[float] = (),
        streams: bool = True,
        desk: Any = None,
        markets: tuple[str, ...] = ("spot",),
    ) -> None:
        """
        Args:
            policy: of retries; in-process jitter by default.
            pace: of trades.
            breaker: when the exchange is left alone.
            draws: the chance, again and again; 0.5 where there is none.
            streams: whether the exchange's stream reaches the record.
            desk: the record; None for one in memory.
            markets: connections of the account.
        """
        self._loop = asyncio.get_running_loop()
        self.policy = policy or RetryPolicy(jitter_factor=0.1)
        self.pace = pace or Pace()
        self._breaker = breaker
        self.draws = deque(draws or (0.5,))
        self._markets = markets
        self.wall = 0
        """Nanoseconds that the record's clock has jumped."""
        self.exchange = ModelExchange(lambda: self.now() - self.wall)
        if streams:
            self.exchange.listeners.append(self._received)
        self.desk = desk or _Desk()
        self.ends: dict[tuple[str, int], Any] = {}
        """("write" or "call", its number) → how the process or the write ends there; a float: seconds that
        the answer of the write takes."""
        self.late_seconds = 3.0
        self.store_fails = False
        self.written = self.called = 0
        self.mark = (0, 0)
        """What these two were when a trade had ended."""
        self.looked = 0
        """How often a collector was told that fills are missing."""
        self.processes = 0
        self._streaming: set[asyncio.Task[Any]] = set()
        self.boot()

    @classmethod
    def stored(cls, folder: Any, **more: Any) -> "Rig":
        """Over the real store."""
        return cls(desk=_Stored(folder), **more)

    def now(self) -> int:
        return START + round(self._loop.time() * 1e9) + self.wall

    def _draw(self) -> float:
        self.draws.rotate(-1)
        return self.draws[-1]

    # ------------------------------------------------------------------ processes

    def boot(self, *, ready: bool = True) -> None:
        """A process starts; nothing is taken up yet."""
        self.processes += 1
        self.process = Process(self)
        writer: Any = self.process
        instruments: Any = SimpleNamespace(current=venues.SHIPPED)
        self.ledger = WriterLedger(writer, instruments, Decimal("0.005"), self.now)
        self.venues = {}
        for market in self._markets:
            connection = ModelConnection(self.exchange, self.process.gate, market)
            connection.skew = self.exchange.now() - self.now() if ready else None
            venue = Venue(
                connection,
                self.policy,
                Breaker(self._breaker, clock=self._loop.time, random=lambda: 0.5),
                self.pace,
                random=self._draw,
                monotonic=self._loop.time,
            )
            venue.look = self._look
            if ready:
                venue.ready.set()
            self.venues[(*KEY[:2], market)] = venue
        self.venue = next(iter(self.venues.values()), None)
        self.manager = TradeManager(self.ledger, self.venues)

    async def kill(self) -> None:
        """The process ends here and now."""
        self.process.dead.set()
        ending = asyncio.all_tasks() - {asyncio.current_task()}
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def restart(self, *, ready: bool = True) -> None:
        """The process ends, and another takes up what is in the record."""
        await self.kill()
        self.desk.restart()
        self.boot(ready=ready)
        await self.manager.resume()

    async def close(self) -> None:
        """Ends it in order; nothing is left running."""
        await self.manager.stop()
        await asyncio.sleep(0)
        await asyncio.gather(*self._streaming)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"something is left running: {left}"

    async def __aenter__(self) -> "Rig":
        return self

    async def __aexit__(self, kind: Any, *raised: object) -> None:
        if kind is None:
            await self.close()
        if isinstance(self.desk, StoreDesk):
            self.desk.close()

    def _look(self) -> None:
        self.looked += 1

    @staticmethod
    def swallow(arrive: Callable[[], object]) -> None:
        try:
            arrive()
        except Exception:  # noqa: BLE001  # nobody hears any more what a late request comes to
            return

    async def repair(self) -> None:
        """What the collector does after it was told to look: it reads the history."""
        page = self.exchange.history("BTCUSDT", 0, "")
        await self.ledger.record("binance", "main", page.messages)

    def _received(self, told: Message) -> None:
        # As a collector does; the stream is a task of the process.
        task = asyncio.ensure_future(self.ledger.record("binance", "main", [told]))
        self._streaming.add(task)
        task.add_done_callback(self._streaming.discard)

    # ------------------------------------------------------------------ trades

    @staticmethod
    def terms(**more: Any) -> TradeTerms:
        """A market order of 3, as a caller asks for it."""
        for name in ("quantity", "limit_price", "expected_price"):
            if more.get(name) is not None:
                more[name] = Decimal(more[name])
        if "deadline" in more:
            more["deadline"] = round(more["deadline"] * SECOND)
        return some_terms(**{"client_order_id": "", **more})

    async def start(self, request_id: str = "r1", **terms: Any) -> Trade:
        return await self.manager.start(request_id, self.terms(**terms))

    async def trade(self, request_id: str = "r1", **terms: Any) -> Trade:
        """Executes one, and waits for its answer."""
        started = await self.start(request_id, **terms)
        return await self.manager.wait(started.trade_id)

    async def until(self, condition: Callable[[], Any], seconds: float = 10_000.0) -> None:
        """Lets time pass until it holds, by steps of 10 ms and, after a while, of up to half a second."""
        end, step = self._loop.time() + seconds, 0.01
        while not condition():
            assert self._loop.time() < end, "it does not come to that"
            await asyncio.sleep(step)
            step = min(step * 1.02, 0.5)

    async def ended(self, trade_id: str, seconds: float = 10_000.0) -> Trade:
        """A trade once it has ended."""
        await self.until(lambda: self.stands(trade_id).finished, seconds)
        return self.stands(trade_id)

    def stands(self, trade_id: str = "") -> Trade:
        """A trade as the record has it; without an id, the first."""
        trades = self._book.trades
        found = trades.get(trade_id) if trade_id else trades.of_request("r1")
        assert found is not None
        return found

    @property
    def _book(self) -> Any:
        return self.desk.writer.book if isinstance(self.desk, StoreDesk) else self.desk.book

    @property
    def run(self) -> Any:
        """The one run under way."""
        ((run, _),) = self.manager._runs.values()
        return run

    # ------------------------------------------------------------------ what a test looks at

    @property
    def seconds(self) -> float:
        return self._loop.time()

    async def orders(self, trade: Trade) -> list[OrderView]:
        return await self.ledger.orders_of(trade)

    async def order(self, trade: Trade) -> OrderView:
        return (await self.orders(trade))[-1]

    def requests(self, operation: str = "") -> list[Request]:
        """The attempts in the journal."""
        found = []
        for event in self.desk.events():
            kind = event.WhichOneof("event")
            body: Any = getattr(event, kind)
            if kind == "retry_scheduled":
                delay = body.delay.ToNanoseconds() / 1e9
                entry = Request(
                    "scheduled", OPERATIONS[body.operation], body.attempt, body.error_class,
                    body.maybe_applied, delay,
                )  # fmt: skip
            elif kind == "retry_exhausted":
                entry = Request(
                    "exhausted", OPERATIONS[body.operation], body.attempts, body.error_class,
                    body.maybe_applied,
                )  # fmt: skip
            elif kind == "request_succeeded":
                entry = Request("succeeded", OPERATIONS[body.operation], body.attempt)
            else:
                continue
            if not operation or entry.operation == operation:
                found.append(entry)
        return found

    def kinds(self) -> list[str]:
        return [event.WhichOneof("event") or "" for event in self.desk.events()]

    def fill_ids(self) -> list[int]:
        """Trade ids of the fills in the journal, as often as they are there."""
        return sorted(
            int(event.fill_recorded.fill.trade_id)
            for event in self.desk.events()
            if event.WhichOneof("event") == "fill_recorded" and not event.fill_recorded.fill.inferred
        )

    def placed_once(self) -> None:
        """No order of ours is at the exchange twice."""
        ids = [order.client_order_id for order in self.exchange.orders]
        assert len(ids) == len(set(ids)), f"placed twice: {ids}"

    async def agrees(self, trade: Trade) -> None:
        """The record tells of the trade what the exchange knows of it: orders, fills, the outcome."""
        self.placed_once()
        theirs: dict[str, ModelOrder] = {order.client_order_id: order for order in self.exchange.orders}
        views = await self.orders(trade)
        assert {view.client_order_id for view in views} >= set(theirs)
        for view in views:
            order = theirs.get(view.client_order_id)
            if order is None:
                assert view.status in (OrderStatus.REJECTED, OrderStatus.CANCELED), view
                assert not view.filled
                continue
            assert view.order_id == str(order.order_id)
            assert view.status.name == order.status, (view, order)
            assert view.filled == order.filled == view.cumulative
        wanted = sorted(each.trade_id for order in self.exchange.orders for each in order.trades)
        assert self.fill_ids() == wanted
        filled = sum((order.filled for order in self.exchange.orders), Decimal(0))
        assert trade.finished
        assert (trade.outcome is TradeOutcome.FILLED) == (filled >= trade.terms.quantity)
        if filled and not trade.success and trade.outcome is not TradeOutcome.LEFT_WORKING:
            assert trade.outcome is TradeOutcome.PARTIALLY_FILLED
