"""What the addresses of both markets answer, without the network: parameters in, a document out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from fillhandler_server.exchange.binance.errors import (
    ApiError,
    bad_symbol,
    no_listen_key,
    nothing_to_cancel,
    refused,
    unknown_order,
)
from fillhandler_server.exchange.binance.params import Params, read_new_order, read_response_type
from fillhandler_server.exchange.binance.queries import select_orders, select_trades
from fillhandler_server.exchange.faults import FaultPlan, Operation
from fillhandler_server.exchange.market.book import Book
from fillhandler_server.exchange.market.matching import Change, Market, RefusedError
from fillhandler_server.exchange.market.orders import OPEN, Order, State, Trade
from fillhandler_server.exchange.streams import UserStream

Answer = Callable[[Params], Any]


class Security(Enum):
    """What a request has to bring."""

    NONE = 0
    KEY = 1
    SIGNED = 2


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one address."""

    method: str
    path: str
    operation: Operation
    security: Security
    answer: Answer


class Answers(ABC):
    """What both markets have in common."""

    base: str
    trades_path: str

    def __init__(
        self,
        market: Market,
        plan: FaultPlan,
        stream: UserStream,
        clock: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        self.market = market
        self.plan = plan
        self.stream = stream
        self._clock = clock
        self._new_id = new_id

    def routes(self) -> Iterator[Route]:
        """Every address below the market's."""
        base, signed = self.base, Security.SIGNED
        for path, operation, answer in (
            ("ping", Operation.MARKET_DATA, self.ping),
            ("time", Operation.MARKET_DATA, self.time),
            ("exchangeInfo", Operation.MARKET_DATA, self.exchange_info),
            ("ticker/bookTicker", Operation.MARKET_DATA, self.book_ticker),
            ("ticker/price", Operation.MARKET_DATA, self.price),
            ("depth", Operation.MARKET_DATA, self.depth),
        ):
            yield Route("GET", f"{base}/{path}", operation, Security.NONE, answer)
        yield Route("POST", f"{base}/order", Operation.PLACE, signed, self.place)
        yield Route("GET", f"{base}/order", Operation.QUERY, signed, self.query)
        yield Route("DELETE", f"{base}/order", Operation.CANCEL, signed, self.cancel)
        yield Route("GET", f"{base}/openOrders", Operation.OPEN_ORDERS, signed, self.open_orders)
        yield Route("GET", f"{base}/allOrders", Operation.ALL_ORDERS, signed, self.all_orders)
        yield Route("GET", f"{base}/{self.trades_path}", Operation.TRADES, signed, self.trades)

    # ------------------------------------------------------------------ market data

    def ping(self, params: Params) -> Any:
        """Nothing, at once."""
        return {}

    def time(self, params: Params) -> Any:
        """The exchange's clock."""
        return {"serverTime": self._clock()}

    @abstractmethod
    def exchange_info(self, params: Params) -> Any:
        """The symbols and their rules."""

    @abstractmethod
    def book_ticker(self, params: Params) -> Any:
        """The best prices, of one symbol or of all."""

    @abstractmethod
    def price(self, params: Params) -> Any:
        """The last price, of one symbol or of all."""

    @abstractmethod
    def depth(self, params: Params) -> Any:
        """The levels of one symbol."""

    def _books(self, params: Params, shown: Callable[[Book], Any]) -> Any:
        """One book's row, or a list of all where no symbol is named."""
        name = params.optional("symbol")
        if name:
            return shown(self._book(name))
        return [shown(self._book(each)) for each in self.market.symbols]

    def _book(self, name: str) -> Book:
        book = self.market.books.get(name)
        if book is None:
            raise bad_symbol()
        book.advance(self._clock())
        return book

    # ------------------------------------------------------------------ orders

    def place(self, params: Params) -> Any:
        """Places an order."""
        new = read_new_order(params, self.market.name, self._new_id())
        response_type = read_response_type(params, self.market.name, new.type)
        if self.plan.strikes("repeated_client_id", Operation.PLACE, new.symbol):
            new = replace(new, repeated_id=True)
        now = self._clock()
        try:
            order = self.market.place(new, now)
        except RefusedError as error:
            raise refused(self.market.name, error.reason) from None
        if self.plan.strikes("late_appearance", Operation.PLACE, new.symbol):
            order.visible_from = now + int(self.plan.settings.late_seconds * 1000)
        return self._placed(order, response_type)

    def query(self, params: Params) -> Any:
        """One order, by its id or by its client order id."""
        order = self._named(params)
        if order is None or order.visible_from > self._clock():
            raise unknown_order()
        stale = self.plan.strikes("stale_snapshot", Operation.QUERY, order.symbol.name)
        return self._order(order, self._state(order, stale=stale))

    def cancel(self, params: Params) -> Any:
        """Cancels an open order."""
        order = self._named(params)
        if order is None or not order.is_open:
            raise nothing_to_cancel()
        self.market.cancel(order, self._clock(), params.client_id("newClientOrderId") or self._new_id())
        return self._canceled(order)

    def open_orders(self, params: Params) -> Any:
        """The open orders, of one symbol or of all."""
        symbol = params.optional("symbol")
        if symbol:
            self._known(symbol)
        stale = self.plan.strikes("stale_snapshot", Operation.OPEN_ORDERS, symbol)
        listed: Iterable[Order] = self.market.open_orders(symbol)
        if stale:
            listed = (each for each in self.market.orders.values() if symbol in ("", each.symbol.name))
        states = ((each, self._state(each, stale=stale)) for each in self._visible(listed))
        return [self._order(order, state) for order, state in states if state.status in OPEN]

    def all_orders(self, params: Params) -> Any:
        """A symbol's orders, ended ones too."""
        symbol = self._known(params.text("symbol"))
        stale = self.plan.strikes("stale_snapshot", Operation.ALL_ORDERS, symbol)
        mine = (each for each in self.market.orders.values() if each.symbol.name == symbol)
        found = select_orders(self._visible(mine), params, self.market.name, self._clock())
        return [self._order(each, self._state(each, stale=stale)) for each in found]

    def trades(self, params: Params) -> Any:
        """A symbol's trades of ours."""
        symbol = self._known(params.text("symbol"))
        now = self._clock()
        hidden = self.market.orders
        shown = (each for each in self.market.trades[symbol] if hidden[each.order_id].visible_from <= now)
        return [self._trade(each) for each in select_trades(shown, params, self.market.name, now)]

    def cancel_all(self, params: Params) -> list[Order]:
        """Cancels a symbol's open orders."""
        symbol = self._known(params.text("symbol"))
        found = self.market.open_orders(symbol)
        for order in found:
            self.market.cancel(order, self._clock(), self._new_id())
        return found

    def _known(self, symbol: str) -> str:
        if symbol not in self.market.symbols:
            raise bad_symbol()
        return symbol

    def _named(self, params: Params) -> Order | None:
        symbol = self._known(params.text("symbol"))
        order_id, client_id = params.whole("orderId"), params.optional("origClientOrderId")
        if order_id is None and not client_id:
            raise ApiError(
                -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
            )
        order = self.market.find(symbol, order_id=order_id, client_order_id=client_id)
        if order is not None and client_id and order.client_order_id != client_id:
            return None
        return order

    def _state(self, order: Order, *, stale: bool) -> State:
        if not stale:
            return order.state
        return order.as_of(self._clock() - int(self.plan.settings.stale_seconds * 1000))

    def _visible(self, orders: Iterable[Order]) -> list[Order]:
        now = self._clock()
        return [each for each in orders if each.visible_from <= now]

    @abstractmethod
    def _order(self, order: Order, state: State) -> Any: ...

    @abstractmethod
    def _placed(self, order: Order, response_type: str) -> Any: ...

    @abstractmethod
    def _canceled(self, order: Order) -> Any: ...

    @abstractmethod
    def _trade(self, trade: Trade) -> Any: ...

    # ------------------------------------------------------------------ the stream

    def keep_alive(self, params: Params) -> Any:
        """The listen key lasts for another hour."""
        given = params.optional("listenKey")
        if given and not self.stream.knows(given):
            raise no_listen_key()
        return {"listenKey": self.stream.listen_key()}

    def close_stream(self, params: Params) -> Any:
        """The listen key ends."""
        given = params.optional("listenKey")
        if given and not self.stream.knows(given):
            raise no_listen_key()
        self.stream.close_listen_key()
        return {}

    @abstractmethod
    def publish(self, change: Change) -> None:
        """Tells the stream of a change."""
