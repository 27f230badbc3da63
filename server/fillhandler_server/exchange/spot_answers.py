"""The spot market's addresses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fillhandler_server.exchange.answers import Answers, Route, Security
from fillhandler_server.exchange.binance import spot
from fillhandler_server.exchange.binance.errors import nothing_to_cancel
from fillhandler_server.exchange.binance.params import Params, read_limit
from fillhandler_server.exchange.faults import Operation
from fillhandler_server.exchange.market.markets import SpotMarket
from fillhandler_server.exchange.market.matching import Change
from fillhandler_server.exchange.market.orders import Order, State, Trade


class SpotAnswers(Answers):
    """The spot market, and the little of the wallet that clients ask for when they load the markets."""

    base = "/api/v3"
    trades_path = "myTrades"
    market: SpotMarket

    def routes(self) -> Iterator[Route]:
        yield from super().routes()
        base, key, signed = self.base, Security.KEY, Security.SIGNED
        yield Route("GET", f"{base}/account", Operation.ACCOUNT, signed, self.account)
        yield Route("DELETE", f"{base}/openOrders", Operation.CANCEL, signed, self.cancel_open)
        yield Route("POST", f"{base}/userDataStream", Operation.LISTEN_KEY, key, self.open_stream)
        yield Route("PUT", f"{base}/userDataStream", Operation.LISTEN_KEY, key, self.keep_alive_spot)
        yield Route("DELETE", f"{base}/userDataStream", Operation.LISTEN_KEY, key, self.close_stream)
        # No coin-margined markets and no margin: lists without rows, which are the truth here.
        info = Operation.MARKET_DATA
        yield Route("GET", "/sapi/v1/capital/config/getall", info, signed, self.coins)
        for path in ("margin/allPairs", "margin/isolated/allPairs", "margin/allAssets"):
            yield Route("GET", f"/sapi/v1/{path}", info, Security.KEY, self.no_rows)
        yield Route("GET", "/dapi/v1/exchangeInfo", info, Security.NONE, self.no_symbols)

    def exchange_info(self, params: Params) -> Any:
        return spot.exchange_info(self.market.symbols.values(), self._clock())

    def book_ticker(self, params: Params) -> Any:
        return self._books(params, spot.book_ticker)

    def price(self, params: Params) -> Any:
        return self._books(params, spot.price)

    def depth(self, params: Params) -> Any:
        return spot.depth(self._book(params.text("symbol")), read_limit(params, 100, 5_000))

    def account(self, params: Params) -> Any:
        """The balances."""
        return spot.account(self.market)

    def cancel_open(self, params: Params) -> Any:
        """Cancels a symbol's open orders; an error where there are none."""
        found = self.cancel_all(params)
        if not found:
            raise nothing_to_cancel()
        return [spot.canceled(each) for each in found]

    def coins(self, params: Params) -> Any:
        """The currencies."""
        return spot.coins(self.market.symbols.values())

    def no_rows(self, params: Params) -> Any:
        """A list of what is not there."""
        return []

    def no_symbols(self, params: Params) -> Any:
        """A market without symbols."""
        return {"timezone": "UTC", "serverTime": self._clock(), "rateLimits": [], "symbols": []}

    def open_stream(self, params: Params) -> Any:
        """The listen key."""
        return {"listenKey": self.stream.listen_key()}

    def keep_alive_spot(self, params: Params) -> Any:
        """The listen key lasts for another hour; it has to be named."""
        params.text("listenKey")
        self.keep_alive(params)
        return {}

    def _order(self, order: Order, state: State) -> Any:
        return spot.order(order, state)

    def _placed(self, order: Order, response_type: str) -> Any:
        return spot.placed(order, response_type)

    def _canceled(self, order: Order) -> Any:
        return spot.canceled(order)

    def _trade(self, trade: Trade) -> Any:
        return spot.trade(trade)

    def publish(self, change: Change) -> None:
        name, now = change.order.symbol.name, self._clock()
        kind = Operation.TRADE_EVENT if change.trade else Operation.ORDER_EVENT
        self.stream.publish(kind, name, spot.execution_report(change, now))
        event = spot.account_position(self.market, change.order.symbol, now)
        self.stream.publish(Operation.ACCOUNT_EVENT, name, event)
