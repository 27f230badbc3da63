"""Plain signed requests to the simulated exchange, for what no client library would send."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import aiohttp

from fillhandler_server.exchange import SimulatedExchange

SPOT = "/api/v3"
LINEAR = "/fapi/v1"


class Http:
    """Requests of the account; each answers its status and its JSON."""

    def __init__(self, exchange: SimulatedExchange, session: aiohttp.ClientSession) -> None:
        self.exchange = exchange
        self.session = session

    def signed(self, **params: Any) -> str:
        """A query with its timestamp and signature."""
        query = urlencode({"timestamp": self.exchange.now(), **params})
        return f"{query}&signature={self.exchange.credentials.sign(query)}"

    @property
    def headers(self) -> dict[str, str]:
        return {"X-MBX-APIKEY": self.exchange.credentials.api_key}

    async def raw(self, method: str, path: str, **settings: Any) -> tuple[int, Any]:
        async with self.session.request(method, f"{self.exchange.base_url}{path}", **settings) as answer:
            return answer.status, await answer.json()

    async def send(self, method: str, path: str, **params: Any) -> tuple[int, Any]:
        return await self.raw(method, f"{path}?{self.signed(**params)}", headers=self.headers)

    async def ok(self, method: str, path: str, **params: Any) -> Any:
        status, document = await self.send(method, path, **params)
        assert status == 200, document
        return document

    async def code(self, method: str, path: str, **params: Any) -> tuple[int, int]:
        """Status and code of an error."""
        status, document = await self.send(method, path, **params)
        return status, document["code"]

    async def place(self, base: str = SPOT, **params: Any) -> Any:
        return await self.ok("POST", f"{base}/order", **order(**params))

    async def control(self, method: str, path: str, **document: Any) -> Any:
        status, answer = await self.raw(method, f"/sim/{path}", json=document)
        assert status == 200, answer
        return answer


def order(**params: Any) -> dict[str, Any]:
    """A limit order that rests, unless told otherwise."""
    filled = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "0.5"} | params
    if filled["type"] == "LIMIT":
        filled = {"timeInForce": "GTC"} | filled
    if filled["type"] != "MARKET":
        filled = {"price": "59000"} | filled
    return filled
