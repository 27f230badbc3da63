"""The USD-M futures' addresses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fillhandler_server.exchange.answers import Answers, Route, Security
from fillhandler_server.exchange.binance import usdm
from fillhandler_server.exchange.binance.errors import unknown_order
from fillhandler_server.exchange.binance.params import Params, read_limit
from fillhandler_server.exchange.faults import Operation
from fillhandler_server.exchange.market.markets import LinearMarket
from fillhandler_server.exchange.market.matching import Change
from fillhandler_server.exchange.market.orders import Order, State, Trade


class LinearAnswers(Answers):
    """The USD-M futures."""

    base = "/fapi/v1"
    trades_path = "userTrades"
    market: LinearMarket

    def routes(self) -> Iterator[Route]:
        yield from super().routes()
        key, signed, none = Security.KEY, Security.SIGNED, Security.NONE
        base = self.base
        yield Route("GET", f"{base}/openOrder", Operation.QUERY, signed, self.open_order)
        yield Route("DELETE", f"{base}/allOpenOrders", Operation.CANCEL, signed, self.cancel_open)
        yield Route("GET", f"{base}/premiumIndex", Operation.MARKET_DATA, none, self.premium_index)
        yield Route("GET", f"{base}/leverageBracket", Operation.ACCOUNT, signed, self.leverage_bracket)
        yield Route("GET", f"{base}/positionSide/dual", Operation.ACCOUNT, signed, self.position_mode)
        yield Route("GET", "/fapi/v2/ticker/price", Operation.MARKET_DATA, none, self.price)
        for version in ("v2", "v3"):
            for path, answer in (
                ("account", self.account),
                ("balance", self.balance),
                ("positionRisk", self.position_risk),
            ):
                yield Route("GET", f"/fapi/{version}/{path}", Operation.ACCOUNT, signed, answer)
        for method, answer in (
            ("POST", self.keep_alive),
            ("PUT", self.keep_alive),
            ("DELETE", self.close_stream),
        ):
            yield Route(method, f"{base}/listenKey", Operation.LISTEN_KEY, key, answer)

    def exchange_info(self, params: Params) -> Any:
        return usdm.exchange_info(self.market.symbols.values(), self._clock())

    def book_ticker(self, params: Params) -> Any:
        return self._books(params, lambda book: usdm.book_ticker(book, self._clock()))

    def price(self, params: Params) -> Any:
        return self._books(params, lambda book: usdm.price(book, self._clock()))

    def premium_index(self, params: Params) -> Any:
        """The mark price, of one symbol or of all."""
        return self._books(params, lambda book: usdm.premium_index(book, self._clock()))

    def depth(self, params: Params) -> Any:
        return usdm.depth(self._book(params.text("symbol")), read_limit(params), self._clock())

    def account(self, params: Params) -> Any:
        """The balance, the margin, the positions."""
        return usdm.account(self.market)

    def balance(self, params: Params) -> Any:
        """The balance."""
        return usdm.balances(self.market)

    def position_risk(self, params: Params) -> Any:
        """The positions."""
        return usdm.position_risk(self.market, params.optional("symbol"))

    def leverage_bracket(self, params: Params) -> Any:
        """The leverage, which is fixed."""
        return usdm.leverage_brackets(self.market, params.optional("symbol"))

    def position_mode(self, params: Params) -> Any:
        """One-way."""
        return {"dualSidePosition": False}

    def open_order(self, params: Params) -> Any:
        """One order, if it is open."""
        order = self._named(params)
        if order is None or order.visible_from > self._clock() or not order.is_open:
            raise unknown_order()
        return self._order(order, order.state)

    def cancel_open(self, params: Params) -> Any:
        """Cancels a symbol's open orders."""
        self.cancel_all(params)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def _order(self, order: Order, state: State) -> Any:
        return usdm.order(order, state)

    def _placed(self, order: Order, response_type: str) -> Any:
        return usdm.placed(order, response_type)

    def _canceled(self, order: Order) -> Any:
        return usdm.canceled(order)

    def _trade(self, trade: Trade) -> Any:
        return usdm.trade(trade)

    def publish(self, change: Change) -> None:
        name, now = change.order.symbol.name, self._clock()
        kind = Operation.TRADE_EVENT if change.trade else Operation.ORDER_EVENT
        if change.trade is not None:
            event = usdm.account_update(self.market, change.order.symbol, now)
            self.stream.publish(Operation.ACCOUNT_EVENT, name, event)
        self.stream.publish(kind, name, usdm.order_trade_update(change, now))
