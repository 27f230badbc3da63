"""One market: placements, cancels, the walk, and what trades. The time comes with every call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from typing import Final

from fillhandler_server.domain.numbers import EXACT, ZERO
from fillhandler_server.exchange.market.book import Book, Chance, Level
from fillhandler_server.exchange.market.orders import (
    NewOrder,
    Order,
    OrderType,
    Side,
    State,
    Status,
    TimeInForce,
    Trade,
)
from fillhandler_server.exchange.market.symbols import MarketName, Symbol

_FEE_UNIT: Final = Decimal("1E-8")


class Reason(StrEnum):
    """Why a placement is refused."""

    UNKNOWN_SYMBOL = "unknown symbol"
    DUPLICATE_ID = "an open order has this client order id"
    LOT_SIZE = "the quantity is no multiple of the step"
    QUANTITY_TOO_SMALL = "the quantity is below the smallest"
    QUANTITY_TOO_LARGE = "the quantity is above the largest"
    PRICE_FILTER = "the price is no multiple of the tick"
    NOTIONAL = "price times quantity is below the smallest"
    FUNDS = "not enough of the asset, or of margin"
    WOULD_TAKE = "a maker's order would trade at once"
    NOT_FILLABLE = "it cannot be filled whole at once"
    NO_BOOK = "nothing to trade against"
    NOT_REDUCING = "it would not reduce a position"


class RefusedError(Exception):
    """A placement that is not accepted; nothing of it remains."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Execution(StrEnum):
    """What happened to an order, in Binance's words."""

    NEW = "NEW"
    TRADE = "TRADE"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class Change:
    """One step of an order's life; told before anything else happens to the order."""

    order: Order
    execution: Execution
    trade: Trade | None
    time: int


@dataclass(frozen=True, slots=True)
class Fees:
    """Parts of the quantity (spot) or of the notional (futures)."""

    maker: Decimal
    taker: Decimal

    def of(self, *, maker: bool) -> Decimal:
        return self.maker if maker else self.taker


class Market(ABC):
    """Orders, trades and books of one market."""

    name: MarketName

    def __init__(
        self,
        symbols: Iterable[Symbol],
        fees: Fees,
        *,
        chance: Callable[[str], Chance],
        first_id: int,
        step_ms: int,
        changed: Callable[[Change], None],
    ) -> None:
        """`chance` gives a source of chance for a name; `changed` hears of every change at once.

        Ids start above `first_id`; a number that is larger at every start keeps them from coming again.
        """
        self.symbols = {each.name: each for each in symbols}
        self.fees = fees
        self.books = {
            name: Book(
                each, chance(f"{self.name}:{name}:walk"), chance(f"{self.name}:{name}:levels"), step_ms
            )
            for name, each in self.symbols.items()
        }
        self.orders: dict[int, Order] = {}
        self.trades: dict[str, list[Trade]] = {name: [] for name in self.symbols}
        self.resting: dict[str, dict[int, Order]] = {name: {} for name in self.symbols}
        self._by_client_id: dict[str, list[Order]] = {}
        self._next_order_id = first_id
        self._next_trade_id = dict.fromkeys(self.symbols, first_id)
        self._changed = changed

    # ------------------------------------------------------------------ asking

    def find(self, symbol: str, *, order_id: int | None = None, client_order_id: str = "") -> Order | None:
        """An order by its id, else the last one that was placed with a client order id."""
        if order_id is not None:
            order = self.orders.get(order_id)
            return order if order is not None and order.symbol.name == symbol else None
        for order in reversed(self._by_client_id.get(client_order_id, [])):
            if order.symbol.name == symbol:
                return order
        return None

    def open_orders(self, symbol: str = "") -> list[Order]:
        """The open ones in the order of their ids, of one symbol or of all."""
        names = [symbol] if symbol else list(self.resting)
        return sorted((each for name in names for each in self.resting[name].values()), key=lambda o: o.id)

    def marks(self) -> dict[str, Decimal]:
        return {name: book.mid for name, book in self.books.items()}

    # ------------------------------------------------------------------ placing and canceling

    def place(self, new: NewOrder, now: int) -> Order:
        """Accepts an order and trades what it can at once. Raises RefusedError."""
        symbol = self.symbols.get(new.symbol)
        if symbol is None:
            raise RefusedError(Reason.UNKNOWN_SYMBOL)
        same = self._by_client_id.get(new.client_order_id, ())
        if not new.repeated_id and any(order.is_open for order in same):
            raise RefusedError(Reason.DUPLICATE_ID)
        book = self.books[symbol.name]
        book.advance(now)
        self._check_filters(symbol, new, book.mid)
        plan = self._plan(book, new)
        quantity = new.quantity
        if quantity is None:
            quantity = sum((level.quantity for level in plan), start=ZERO)
            if quantity <= ZERO:
                raise RefusedError(Reason.NOTIONAL)
        order = Order(
            market=self.name,
            id=self._next_order_id + 1,
            symbol=symbol,
            client_order_id=new.client_order_id,
            side=new.side,
            type=new.type,
            time_in_force=new.time_in_force,
            quantity=quantity,
            price=new.price or ZERO,
            quote_quantity=new.quote_quantity or ZERO,
            reduce_only=new.reduce_only,
            time=now,
            states=[State(now, Status.NEW, ZERO, ZERO)],
        )
        self._reserve(order, plan)
        self._next_order_id = order.id
        self.orders[order.id] = order
        self.resting[symbol.name][order.id] = order
        self._by_client_id.setdefault(order.client_order_id, []).append(order)
        self._tell(order, Execution.NEW, None, now)
        for level in plan:
            self._fill(order, level.price, level.quantity, maker=False, now=now)
        if plan:
            book.refill()
        rests = order.type is not OrderType.MARKET and order.time_in_force in (
            TimeInForce.GTC,
            TimeInForce.GTX,
        )
        if order.is_open and not rests:
            self._end(order, Status.EXPIRED, Execution.EXPIRED, now)
        return order

    def cancel(self, order: Order, now: int, client_id: str) -> None:
        """Ends an open order; `client_id` names the cancel."""
        order.cancel_client_id = client_id
        self._end(order, Status.CANCELED, Execution.CANCELED, now)

    def _check_filters(self, symbol: Symbol, new: NewOrder, mid: Decimal) -> None:
        price = new.price
        if price is not None and (price < symbol.tick or price % symbol.tick):
            raise RefusedError(Reason.PRICE_FILTER)
        if new.quantity is not None:
            if new.quantity < symbol.quantity_min:
                raise RefusedError(Reason.QUANTITY_TOO_SMALL)
            if new.quantity > symbol.quantity_max:
                raise RefusedError(Reason.QUANTITY_TOO_LARGE)
            if new.quantity % symbol.step:
                raise RefusedError(Reason.LOT_SIZE)
            notional = EXACT.multiply(new.quantity, mid if price is None else price)
        else:
            assert new.quote_quantity is not None  # one of the two is there: the reader's work
            notional = new.quote_quantity
        if notional < symbol.notional_min and not new.reduce_only:
            raise RefusedError(Reason.NOTIONAL)

    def _plan(self, book: Book, new: NewOrder) -> list[Level]:
        """What it takes at once."""
        plan = book.plan(new.side, new.quantity, limit=new.price, budget=new.quote_quantity)
        if new.type is OrderType.LIMIT_MAKER or new.time_in_force is TimeInForce.GTX:
            if plan:
                raise RefusedError(Reason.WOULD_TAKE)
            return []
        if new.time_in_force is TimeInForce.FOK and new.quantity is not None:
            planned = sum((level.quantity for level in plan), start=ZERO)
            if planned < new.quantity:
                return self._not_fillable()
        return plan

    def _not_fillable(self) -> list[Level]:
        """What a fill-or-kill order that cannot be filled takes; raises where it is not even recorded."""
        return []

    # ------------------------------------------------------------------ the walk

    def tick(self, now: int) -> None:
        """Walks the books that have resting orders, and trades with those that are met."""
        for name, orders in self.resting.items():
            if orders and self.books[name].advance(now):
                self._meet(name, now, pieces=1)

    def step(self, now: int) -> None:
        """One step of every walk, paused or not."""
        for name in self.symbols:
            self.books[name].step()
            self._meet(name, now, pieces=1)

    def jump(self, name: str, price: Decimal, now: int, pieces: int | None = None) -> None:
        """Moves a price; what it crosses trades, in at most so many pieces an order, or whole."""
        self.books[name].jump(price)
        self._meet(name, now, pieces)

    def _meet(self, name: str, now: int, pieces: int | None) -> None:
        book = self.books[name]
        for order in list(self.resting[name].values()):
            buying = order.side is Side.BUY
            best = book.asks[0].price if buying else book.bids[0].price
            crossed = order.price >= best if buying else order.price <= best
            # An order that stands before all others is met by a trade now and then.
            first = order.price > book.bids[0].price if buying else order.price < book.asks[0].price
            if not crossed and not (first and book.meets()):
                continue
            done = 0
            while order.is_open and (pieces is None or done < pieces):
                size = self._allowed(order, book.piece(order.remaining, order.quantity, order.price))
                if not size:
                    self._end(order, Status.EXPIRED, Execution.EXPIRED, now)
                    break
                self._fill(order, order.price, size, maker=True, now=now)
                done += 1

    # ------------------------------------------------------------------ what happens

    def _fill(self, order: Order, price: Decimal, quantity: Decimal, *, maker: bool, now: int) -> None:
        symbol = order.symbol
        trade_id = self._next_trade_id[symbol.name] + 1
        self._next_trade_id[symbol.name] = trade_id
        trade = self._settle(order, trade_id, price, quantity, maker=maker, now=now)
        before = order.state
        executed = EXACT.add(before.executed, quantity)
        quote = EXACT.add(before.quote_executed, EXACT.multiply(price, quantity))
        status = Status.FILLED if executed == order.quantity else Status.PARTIALLY_FILLED
        order.trades.append(trade)
        self.trades[symbol.name].append(trade)
        order.states.append(State(now, status, executed, quote))
        if status is Status.FILLED:
            self._release(order)
            del self.resting[symbol.name][order.id]
        self._tell(order, Execution.TRADE, trade, now)

    def _end(self, order: Order, status: Status, execution: Execution, now: int) -> None:
        before = order.state
        self._release(order)
        order.states.append(State(now, status, before.executed, before.quote_executed))
        del self.resting[order.symbol.name][order.id]
        self._tell(order, execution, None, now)

    def _tell(self, order: Order, execution: Execution, trade: Trade | None, now: int) -> None:
        self._changed(Change(order, execution, trade, now))

    def _allowed(self, order: Order, size: Decimal) -> Decimal:
        """How much of a piece a resting order may still trade; 0 ends it."""
        return size

    @abstractmethod
    def _reserve(self, order: Order, plan: list[Level]) -> None:
        """Sets aside what the order may need. Raises RefusedError."""

    @abstractmethod
    def _release(self, order: Order) -> None:
        """Gives back what an order that ended still holds."""

    @abstractmethod
    def _settle(
        self, order: Order, trade_id: int, price: Decimal, quantity: Decimal, *, maker: bool, now: int
    ) -> Trade:
        """Moves the money of one trade."""


def commission(amount: Decimal, rate: Decimal) -> Decimal:
    """A fee, rounded down to 8 places as Binance does."""
    return EXACT.multiply(amount, rate).quantize(_FEE_UNIT, rounding=ROUND_DOWN)
