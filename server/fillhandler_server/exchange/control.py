"""The control, below /sim: what the books say, which faults are ordered, where the prices go."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from fillhandler_server.domain.numbers import canonical, from_text
from fillhandler_server.exchange.faults import FaultError
from fillhandler_server.exchange.market.orders import Order, Trade
from fillhandler_server.exchange.market.symbols import MarketName

if TYPE_CHECKING:
    from fillhandler_server.exchange.server import SimulatedExchange

_STEPS_MAX: Final = 10_000


class Control:
    """JSON without signatures, for the machine's own programs only."""

    def __init__(self, exchange: SimulatedExchange) -> None:
        self._exchange = exchange

    def routes(self) -> list[web.RouteDef]:
        """The addresses."""
        posts: tuple[tuple[str, Callable[[dict[str, Any]], Any]], ...] = (
            ("faults/next", self._next),
            ("disconnect", self._disconnect),
            ("price", self._price),
            ("pause", self._pause),
            ("resume", self._resume),
            ("step", self._step),
        )
        return [
            web.get("/sim/books", self._guarded(lambda _: self._exchange.books())),
            web.get("/sim/faults", self._guarded(lambda _: self._exchange.plan.document)),
            web.put("/sim/faults", self._guarded(self._set)),
            *(web.post(f"/sim/{path}", self._guarded(answer)) for path, answer in posts),
        ]

    def _guarded(
        self, answer: Callable[[dict[str, Any]], Any]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Reads the JSON, and says what is wrong with it."""

        async def handle(request: web.Request) -> web.Response:
            # A page of somebody else's in the user's browser reaches loopback addresses too.
            if request.headers.get("Origin"):
                return _wrong("not for web pages", 403)
            try:
                text = await request.text()
                document = json.loads(text) if text else {}
                if not isinstance(document, dict):
                    raise FaultError("the body must be a JSON object")
                return web.json_response(answer(document))
            except (FaultError, ValueError) as error:
                return _wrong(str(error), 400)

        return handle

    def _set(self, document: dict[str, Any]) -> Any:
        """{"probabilities": {…}, "settings": {…}}; what is not named stays."""
        plan = self._exchange.plan
        _only(document, "probabilities", "settings")
        for name, probability in _table(document, "probabilities").items():
            if type(probability) not in (int, float):
                raise FaultError(f"{name}: a probability is a number between 0 and 1")
            plan.set_probability(name, probability)
        for name, value in _table(document, "settings").items():
            plan.set(name, value)
        return plan.document

    def _next(self, document: dict[str, Any]) -> Any:
        _only(document, "fault", "count", "operation", "symbol")
        count = document.get("count", 1)
        if type(count) is not int:
            raise FaultError("count must be a whole number")
        texts = {name: document.get(name, "") for name in ("fault", "operation", "symbol")}
        for name, value in texts.items():
            if not isinstance(value, str):
                raise FaultError(f"{name} must be a text")
        self._exchange.plan.order(texts["fault"], count, texts["operation"], texts["symbol"])
        return self._exchange.plan.document

    def _disconnect(self, document: dict[str, Any]) -> Any:
        _only(document)
        return {"disconnected": self._exchange.disconnect()}

    def _price(self, document: dict[str, Any]) -> Any:
        _only(document, "symbol", "price", "market", "pieces")
        market = document.get("market", "")
        if market not in ("", *MarketName):
            raise FaultError(f"market must be one of {', '.join(MarketName)}, or left out for both")
        pieces = document.get("pieces")
        if pieces is not None and (type(pieces) is not int or pieces < 1):
            raise FaultError("pieces must be 1 or more")
        price = document.get("price")
        if not isinstance(price, str):
            raise FaultError('price must be a text, such as "60000.5"')
        number = from_text(price)
        if number <= 0:
            raise FaultError("price must be above 0")
        self._exchange.jump(str(document.get("symbol", "")), number, market=market, pieces=pieces)
        return {}

    def _pause(self, document: dict[str, Any]) -> Any:
        _only(document)
        self._exchange.pause()
        return {}

    def _resume(self, document: dict[str, Any]) -> Any:
        _only(document)
        self._exchange.resume()
        return {}

    def _step(self, document: dict[str, Any]) -> Any:
        _only(document, "steps")
        steps = document.get("steps", 1)
        if type(steps) is not int or not 1 <= steps <= _STEPS_MAX:
            raise FaultError(f"steps must be between 1 and {_STEPS_MAX}")
        self._exchange.step(steps)
        return {}


def order_row(order: Order) -> dict[str, Any]:
    """An order as the books show it: exact strings."""
    return {
        "market": order.market.value,
        "symbol": order.symbol.name,
        "order_id": str(order.id),
        "client_order_id": order.client_order_id,
        "side": order.side.value,
        "type": order.type.value,
        "time_in_force": order.time_in_force.value,
        "quantity": canonical(order.quantity),
        "price": canonical(order.price),
        "status": order.status.value,
        "executed_quantity": canonical(order.executed),
        "executed_quote": canonical(order.state.quote_executed),
        "time": order.time,
        "update_time": order.state.time,
    }


def trade_row(market: MarketName, trade: Trade) -> dict[str, Any]:
    """A trade as the books show it: exact strings."""
    return {
        "market": market.value,
        "symbol": trade.symbol.name,
        "trade_id": str(trade.id),
        "order_id": str(trade.order_id),
        "client_order_id": trade.client_order_id,
        "side": trade.side.value,
        "quantity": canonical(trade.quantity),
        "price": canonical(trade.price),
        "commission": canonical(trade.commission),
        "commission_asset": trade.commission_asset,
        "maker": trade.maker,
        "time": trade.time,
    }


def _only(document: dict[str, Any], *names: str) -> None:
    for name in document:
        if name not in names:
            raise FaultError(f"no field {name!r} here; there are {', '.join(names) or 'none'}")


def _table(document: dict[str, Any], name: str) -> dict[str, Any]:
    found = document.get(name, {})
    if not isinstance(found, dict):
        raise FaultError(f"{name} must be an object")
    return found


def _wrong(text: str, status: int) -> web.Response:
    return web.json_response({"error": text}, status=status)
