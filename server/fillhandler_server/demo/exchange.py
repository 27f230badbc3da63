"""The simulated exchange as the demo reaches it: its prices, what it is told to do wrong, its own books."""

from __future__ import annotations

import asyncio
import http.client
import json
from dataclasses import asdict
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

from fillhandler_server.demo.story import OrderedFault, Quote

_ANSWER_SECONDS: Final = 5.0
_TICKER: Final = {"spot": "/api/v3/ticker/bookTicker", "linear": "/fapi/v1/ticker/bookTicker"}


class ExchangeError(Exception):
    """It does not answer as it should; the text says how."""


class Exchange:
    """The exchange at an address. Raises ExchangeError."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url).netloc

    async def quote(self, market: str, symbol: str) -> Quote:
        """The best prices now."""
        found = await self._ask("GET", f"{_TICKER[market]}?symbol={symbol}")
        return Quote(Decimal(found["bidPrice"]), Decimal(found["askPrice"]))

    async def order_fault(self, fault: OrderedFault, symbol: str) -> None:
        """From now on."""
        await self._ask("POST", "/sim/faults/next", {**asdict(fault), "symbol": symbol})

    async def disconnect(self) -> None:
        """Cuts every user data stream."""
        await self._ask("POST", "/sim/disconnect")

    async def books(self) -> dict[str, Any]:
        """Every order and every trade that it has, as exact strings."""
        found: dict[str, Any] = await self._ask("GET", "/sim/books")
        return found

    async def _ask(self, method: str, path: str, document: dict[str, Any] | None = None) -> Any:
        try:
            return await asyncio.to_thread(self._answer, method, path, document)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ExchangeError(f"the simulated exchange does not answer {path}: {error}") from None

    def _answer(self, method: str, path: str, document: dict[str, Any] | None) -> Any:
        connection = http.client.HTTPConnection(self._address, timeout=_ANSWER_SECONDS)
        try:
            connection.request(method, path, None if document is None else json.dumps(document))
            answer = connection.getresponse()
            text = answer.read().decode()
            if answer.status != http.client.OK:
                raise ValueError(f"HTTP {answer.status} {text}")
            return json.loads(text)
        finally:
            connection.close()
