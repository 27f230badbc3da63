"""A small model of an exchange, and a connection to it whose every call can be made to fail.

The model knows orders and trades and nothing of HTTP; what it answers are Binance's own messages of the spot
market. A `Fault` says of one call whether it fails, before or after it took effect, or takes effect later.
"""

import asyncio
import json
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.domain.reports import OrderStatus
from fillhandler_server.execution.connection import (
    Answer,
    MarketRules,
    Message,
    OrderTicket,
    TradePage,
    VenueOrder,
)
from fillhandler_server.execution.errors import ErrorClass, VenueError

T = TypeVar("T")
MILLISECOND, SECOND = 1_000_000, 1_000_000_000
START = 1_700_000_000_000_000_000
ZERO = Decimal(0)
PRICE = Decimal(100)
OPEN = ("NEW", "PARTIALLY_FILLED")

BEFORE, AFTER = "before", "after"


def venue_error(error_class: ErrorClass, text: str = "no", **more: Any) -> VenueError:
    """A failure; by default a temporary one that did nothing."""
    return VenueError(error_class, text, **{"maybe_applied": False, "temporary": True, **more})


@dataclass(frozen=True)
class Fault:
    """What is wrong with one call."""

    error: Callable[[], Exception] | None = None
    """None: the call succeeds."""
    applied: str = BEFORE
    """Whether it fails `BEFORE` or `AFTER` it took effect."""
    late: float | None = None
    """It fails at once, and takes effect so many seconds later."""
    latency: float = 0.0
    """Seconds before it takes effect or fails."""
    answer: float = 0.0
    """Seconds from its effect to the answer or the failure."""
    hidden: float = 0.0
    """Of placing: seconds for which no question shows the order."""


def fails(error_class: ErrorClass, *, applied: str = BEFORE, **more: Any) -> Fault:
    """A call that fails; `more` is the error's, or the fault's."""
    own = {name: more.pop(name) for name in ("late", "latency", "answer", "hidden") if name in more}
    return Fault(lambda: venue_error(error_class, **more), applied, **own)


@dataclass(eq=False)
class ModelTrade:
    """A fill."""

    trade_id: int
    quantity: Decimal
    price: Decimal
    time: int


@dataclass(eq=False)
class ModelOrder:
    """An order at the exchange. Times are nanoseconds by the exchange's clock."""

    order_id: int
    client_order_id: str
    symbol: str
    side: int
    type: str
    time_in_force: str
    quantity: Decimal
    price: Decimal | None
    time: int
    visible_from: int
    status: str = "NEW"
    update_time: int = 0
    trades: list[ModelTrade] = field(default_factory=list)

    @property
    def filled(self) -> Decimal:
        return sum((trade.quantity for trade in self.trades), ZERO)

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    def row(self, *, stale: bool = False) -> dict[str, Any]:
        """As GET order tells it; stale: as it was when it came."""
        trades = [] if stale else self.trades
        notional = sum((trade.quantity * trade.price for trade in trades), ZERO)
        return {
            "symbol": self.symbol, "orderId": self.order_id, "orderListId": -1,
            "clientOrderId": self.client_order_id, "price": str(self.price or "0.00"),
            "origQty": str(self.quantity), "executedQty": str(sum((t.quantity for t in trades), ZERO)),
            "cummulativeQuoteQty": str(notional), "status": "NEW" if stale else self.status,
            "timeInForce": self.time_in_force, "type": self.type, "side": _side(self.side),
            "time": self.time // MILLISECOND, "isWorking": True, "workingTime": self.time // MILLISECOND,
            "updateTime": (self.time if stale else self.update_time) // MILLISECOND,
        }  # fmt: skip

    def seen(self, *, stale: bool = False) -> VenueOrder:
        return VenueOrder(
            order_id=str(self.order_id),
            client_order_id=self.client_order_id,
            status=OrderStatus.NEW if stale else OrderStatus[self.status],
            symbol=self.symbol,
            side=self.side,
            quantity=self.quantity,
            filled=ZERO if stale else self.filled,
            create_time=self.time,
        )


def _side(side: int) -> str:
    return "BUY" if side == 1 else "SELL"


def message(document: Any) -> Message:
    return Message(json.dumps(document).encode())


class ModelExchange:
    """The exchange: it outlives whoever talks to it. What it does is ordered by the test."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self.skew = 0
        """Nanoseconds that its clock is ahead of the true time."""
        self.orders: list[ModelOrder] = []
        self.calls: list[tuple[str, float, str]] = []
        """Every request that arrived: what, when (seconds), and of what."""
        self.faults: defaultdict[str, deque[Fault | None]] = defaultdict(deque)
        """By operation ("place", "cancel", "find", "list", "trades"): of its next calls."""
        self.always: dict[str, Fault] = {}
        """Of every call that has no fault of its own."""
        self.taken: Decimal | None = None
        """How much of an order is filled when it comes; None: all of a market order, nothing of a limit."""
        self.fills: deque[list[tuple[float, Decimal]]] = deque()
        """Of the next orders: seconds after they came, and how much is filled then."""
        self.accepts_repeated_ids = False
        """Whether an open order's client id may be used again."""
        self.finds_by_client_id = True
        self.finds_oldest = False
        """Which of several orders with one client id it shows."""
        self.lists_orders = True
        self.shows_trades = True
        """Whether the history shows trades."""
        self.tells_fills = True
        """Whether the answer to a placement tells its fills, beside how much was filled."""
        self.page_size = 500
        self.cancels_hide_fills = False
        """Whether the answer to a cancel tells of no fills, as if there were none."""
        self.stale = 0
        """How many of the next questions after an order show it as it was when it came."""
        self.listeners: list[Callable[[Message], None]] = []
        self._ids = 100

    def now(self) -> int:
        return self._now() + self.skew

    @property
    def open_orders(self) -> list[ModelOrder]:
        return [order for order in self.orders if order.is_open]

    def times(self, operation: str) -> list[float]:
        """When its calls arrived, seconds."""
        return [when for name, when, _ in self.calls if name == operation]

    def counts(self) -> Counter[str]:
        return Counter(name for name, _, _ in self.calls)

    # ------------------------------------------------------------------ what happens there

    def accept(self, ticket: OrderTicket, hidden: float = 0.0) -> ModelOrder:
        """An order comes."""
        for order in self.open_orders:
            if order.client_order_id == ticket.client_order_id and not self.accepts_repeated_ids:
                raise venue_error(
                    ErrorClass.INVALID_ORDER, "Duplicate order sent.", temporary=False, duplicate=True
                )
        self._ids += 1
        now = self.now()
        kind = {"market": "MARKET", "post_only": "LIMIT_MAKER"}.get(ticket.type, "LIMIT")
        at_once = ticket.type in ("market", "ioc") or ticket.time_in_force in ("ioc", "fok")
        order = ModelOrder(
            self._ids,
            ticket.client_order_id,
            ticket.symbol,
            ticket.side,
            kind,
            "IOC" if at_once and kind == "LIMIT" else "GTC",
            ticket.quantity,
            ticket.limit_price,
            time=now,
            visible_from=now + int(hidden * SECOND),
            update_time=now,
        )
        self.orders.append(order)
        taken = self.taken if self.taken is not None else (ticket.quantity if at_once else ZERO)
        if taken:
            self.fill(order, min(taken, ticket.quantity))
        elif not at_once:
            self._tell(order)
        if at_once and order.is_open:
            self.end(order, "EXPIRED")
        if self.fills:
            for seconds, quantity in self.fills.popleft():
                asyncio.get_running_loop().call_later(seconds, self._fill_open, order, quantity)
        return order

    def _fill_open(self, order: ModelOrder, quantity: Decimal) -> None:
        if order.is_open:
            self.fill(order, quantity)

    def fill(self, order: ModelOrder, quantity: Decimal | int, *, silent: bool = False) -> None:
        """Some of it is filled; silent: and the stream drops it."""
        self._ids += 1
        order.update_time = self.now()
        price = order.price or PRICE
        trade = ModelTrade(self._ids, Decimal(quantity), price, order.update_time)
        order.trades.append(trade)
        order.status = "FILLED" if order.filled >= order.quantity else "PARTIALLY_FILLED"
        if not silent:
            self._tell(order, trade)

    def end(self, order: ModelOrder, status: str = "CANCELED", *, silent: bool = False) -> None:
        """It ends without being filled."""
        order.status, order.update_time = status, self.now()
        if not silent:
            self._tell(order)

    def _tell(self, order: ModelOrder, trade: ModelTrade | None = None) -> None:
        milliseconds = order.update_time // MILLISECOND
        report = {
            "e": "executionReport", "E": milliseconds, "s": order.symbol, "c": order.client_order_id,
            "S": _side(order.side), "o": order.type, "f": order.time_in_force, "q": str(order.quantity),
            "p": str(order.price or "0.00"), "P": "0", "F": "0", "g": -1, "C": "",
            "x": "TRADE" if trade else {"NEW": "NEW"}.get(order.status, order.status), "X": order.status,
            "r": "NONE", "i": order.order_id, "l": str(trade.quantity if trade else 0),
            "z": str(order.filled), "L": str(trade.price if trade else 0), "n": "0", "N": None,
            "T": milliseconds, "t": trade.trade_id if trade else -1, "I": 1, "w": order.is_open,
            "m": False, "M": True, "O": order.time // MILLISECOND, "Z": "0", "Y": "0", "Q": "0",
        }  # fmt: skip
        for listener in list(self.listeners):
            listener(message(report))

    # ------------------------------------------------------------------ what it answers

    def visible(self) -> list[ModelOrder]:
        now = self.now()
        return [order for order in self.orders if order.visible_from <= now]

    def placed(self, order: ModelOrder) -> Answer:
        row = order.row() | {"transactTime": order.update_time // MILLISECOND}
        if self.tells_fills:
            row["fills"] = [
                {"price": str(t.price), "qty": str(t.quantity), "commission": "0.01",
                 "commissionAsset": "BNB", "tradeId": t.trade_id}
                for t in order.trades
            ]  # fmt: skip
        return Answer((message(row),), order.seen())

    def asked(self, order_id: str, client_order_id: str) -> Answer:
        if order_id:
            found = [order for order in self.visible() if str(order.order_id) == order_id]
        elif self.finds_by_client_id:
            found = [order for order in self.visible() if order.client_order_id == client_order_id]
        else:
            found = []
        if not found:
            return Answer()
        order, stale = found[0 if self.finds_oldest else -1], self.stale > 0
        self.stale -= stale
        return Answer((message(order.row(stale=stale)),), order.seen(stale=stale))

    def canceled(self, order_id: str, client_order_id: str) -> Answer:
        for order in self.open_orders:
            if str(order.order_id) == order_id or (not order_id and order.client_order_id == client_order_id):
                self.end(order)
                # On a cancel `clientOrderId` names the request.
                row = order.row() | {"origClientOrderId": order.client_order_id, "clientOrderId": "x"}
                if self.cancels_hide_fills:
                    row |= {"executedQty": "0", "cummulativeQuoteQty": "0"}
                return Answer((message(row),), order.seen(stale=self.cancels_hide_fills))
        return Answer()

    def listed(self, since: int) -> Answer:
        shown = [o for o in self.visible() if o.time >= since] if self.lists_orders else []
        messages = (message([order.row() for order in shown]),) if shown else ()
        return Answer(messages, orders=tuple(order.seen() for order in shown))

    def history(self, symbol: str, since: int, cursor: str) -> TradePage:
        rows = [
            (trade.time, trade.trade_id, order)
            for order in self.visible()
            for trade in order.trades
            if self.shows_trades and order.symbol == symbol and trade.time >= since
        ]
        rows.sort(key=lambda row: row[:2])
        begin = int(cursor or 0)
        page = rows[begin : begin + self.page_size]
        by_id = {trade.trade_id: trade for order in self.orders for trade in order.trades}
        documents = [
            {"symbol": order.symbol, "id": trade_id, "orderId": order.order_id, "orderListId": -1,
             "price": str(by_id[trade_id].price), "qty": str(by_id[trade_id].quantity),
             "quoteQty": str(by_id[trade_id].price * by_id[trade_id].quantity), "commission": "0.01",
             "commissionAsset": "BNB", "time": time // MILLISECOND, "isBuyer": order.side == 1,
             "isMaker": False, "isBestMatch": True}
            for time, trade_id, order in page
        ]  # fmt: skip
        complete = begin + self.page_size >= len(rows)
        return TradePage(
            (message(documents),) if documents else (),
            len(page),
            page[-1][0] if page else None,
            complete,
            "" if complete else str(begin + self.page_size),
        )


class ModelConnection:
    """Implements `VenueConnection` for one process that talks to the exchange."""

    venue, account = "binance", "main"
    sandbox, streams, history_needs_symbol = True, True, True

    def __init__(
        self, exchange: ModelExchange, gate: Callable[[str, Callable[[], Any]], Any], market: str = "spot"
    ) -> None:
        """
        Args:
            exchange: the exchange.
            gate: a coroutine that every call passes, with its name and what it does: the process may end
                there.
            market: which it trades.
        """
        self.exchange = exchange
        self.market = market
        self.closed = False
        self.skew: int | None = None
        self._gate = gate

    async def start(self) -> None:
        await self._call("start", "", lambda _: None)
        self.skew = self.exchange.skew

    async def close(self) -> None:
        self.closed = True

    def rules(self, symbol: str) -> MarketRules:
        canonical = symbol.replace("/", "")
        if canonical not in ("BTCUSDT", "ETHUSDT"):
            raise InvalidFieldError.of("symbol", f"no {symbol}")
        return MarketRules(canonical, self.market, Decimal("0.01"), Decimal("0.1"), Decimal("0.1"), None)

    async def place(self, ticket: OrderTicket) -> Answer:
        exchange = self.exchange

        def take(fault: Fault | None) -> Answer:
            return exchange.placed(exchange.accept(ticket, fault.hidden if fault else 0.0))

        return await self._call("place", ticket.client_order_id, take)

    async def cancel(self, symbol: str, order_id: str, client_order_id: str) -> Answer:
        return await self._call(
            "cancel", client_order_id, lambda _: self.exchange.canceled(order_id, client_order_id)
        )

    async def find_order(self, symbol: str, order_id: str = "", client_order_id: str = "") -> Answer:
        return await self._call(
            "find", order_id or client_order_id, lambda _: self.exchange.asked(order_id, client_order_id)
        )

    async def recent_orders(self, symbol: str, since: int) -> Answer:
        return await self._call("list", symbol, lambda _: self.exchange.listed(since))

    async def trades(self, symbol: str, since: int, cursor: str = "") -> TradePage:
        return await self._call("trades", cursor, lambda _: self.exchange.history(symbol, since, cursor))

    async def measure_skew(self) -> int:
        return self.exchange.skew

    async def stream(self, connected: Callable[[], None], received: Callable[[Message], None]) -> None:
        raise NotImplementedError("the test is the collector")

    async def _call(self, operation: str, detail: str, effect: Callable[[Fault | None], T]) -> T:
        exchange, loop = self.exchange, asyncio.get_running_loop()
        queue = exchange.faults[operation]
        fault = queue.popleft() if queue else exchange.always.get(operation)

        def arrive() -> T:
            exchange.calls.append((operation, loop.time(), detail))
            return effect(fault)

        if fault is None:
            return await self._gate(operation, arrive)
        await asyncio.sleep(fault.latency)
        if fault.late is not None:
            loop.call_later(fault.late, _swallow, arrive)
        elif fault.error is None or fault.applied == AFTER:
            answer = await self._gate(operation, arrive)
            await asyncio.sleep(fault.answer)
            if fault.error is None:
                return answer
        else:
            await self._gate(operation, lambda: exchange.calls.append((operation, loop.time(), detail)))
            await asyncio.sleep(fault.answer)
        assert fault.error is not None
        raise fault.error()


def _swallow(arrive: Callable[[], object]) -> None:
    """Nobody hears any more what a late request comes to."""
    try:
        arrive()
    except VenueError:
        return
