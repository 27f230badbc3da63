"""Every request's way: faults before, the checks, the answer, faults after."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import web

from fillhandler_server.exchange.answers import Route, Security
from fillhandler_server.exchange.binance.errors import ApiError
from fillhandler_server.exchange.binance.params import Params
from fillhandler_server.exchange.binance.signing import Credentials, check_key, check_signature, check_time
from fillhandler_server.exchange.faults import WRITES, FaultPlan, Operation
from fillhandler_server.exchange.market.symbols import MarketName

_TEMPORARY: Final = (
    (500, ApiError(-1001, "Internal error; unable to process your request. Please try again.")),
    (
        503,
        ApiError(
            -1008, "Server is currently overloaded with other requests. Please try again in a few minutes."
        ),
    ),
    (503, ApiError(-1016, "This service is no longer available.")),
)
# The same before and after: nothing in such an answer tells whether the request took effect.
_BROKEN: Final = (
    (500, "text/html", "<html><head><title>500 Internal Server Error</title></head><body></body></html>"),
    (502, "text/html", "<html><head><title>502 Bad Gateway</title></head><body></body></html>"),
    (503, "text/plain", "Unknown error, please check your request or try again later."),
    (
        503,
        "application/json",
        '{"code":-1007,"msg":"Timeout waiting for response from backend server. '
        'Send status unknown; execution status unknown."}',
    ),
)


class Gate:
    """Lets the requests of one market through."""

    def __init__(
        self,
        market: MarketName,
        plan: FaultPlan,
        credentials: Credentials,
        clock: Callable[[], int],
        note: Callable[[str], None],
        stopping: asyncio.Event,
    ) -> None:
        self.requests: Counter[str] = Counter()
        """How many came, by operation; those that a fault struck too."""
        self.refusals: Counter[str] = Counter()
        """How many were answered with an error of the exchange's own, by code."""
        self.too_early = 0
        """How many came before a Retry-After was over."""
        self._market = market
        self._plan = plan
        self._credentials = credentials
        self._clock = clock
        self._note = note
        self._stopping = stopping
        self._quiet_until = 0.0
        self._banned_until = 0.0
        self._tasks: set[asyncio.Task[web.Response]] = set()

    async def stop(self) -> None:
        """Ends what is delayed; it takes no effect any more."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def handler(self, route: Route) -> Callable[[web.Request], Any]:
        """What the server calls for a route."""

        async def handle(request: web.Request) -> web.Response:
            return await self._handle(route, request)

        return handle

    async def _handle(self, route: Route, request: web.Request) -> web.Response:
        query = request.raw_path.partition("?")[2]
        body = await request.text()
        # What stands in both counts as it stands in the query.
        params = Params(_form(body) | _form(query))
        operation, symbol = route.operation, params.optional("symbol")
        self.requests[operation] += 1
        now = time.monotonic()
        if now < self._quiet_until:
            self.too_early += 1
        if now < self._banned_until:
            return self._limited(418, math.ceil(self._banned_until - now))
        if self._strikes("latency", operation, symbol):
            await asyncio.sleep(self._plan.latency_seconds())
        struck = await self._before(request, operation, symbol)
        if struck is not None:
            return struck

        def take() -> web.Response:
            return self._take(route, request, query, body, params)

        if operation in WRITES and self._strikes("delayed_accept", operation, symbol):
            return await self._later(request, take)
        answer = take()
        if operation not in WRITES or answer.status != 200:
            return answer
        return await self._after(request, operation, symbol, answer)

    # ------------------------------------------------------------------ the answer

    def _take(
        self, route: Route, request: web.Request, query: str, body: str, params: Params
    ) -> web.Response:
        """Checks the request and lets it take effect, at once."""
        try:
            if route.security is not Security.NONE:
                check_key(self._credentials, request.headers.get("X-MBX-APIKEY", ""))
            if route.security is Security.SIGNED:
                check_signature(self._credentials, query, body)
                check_time(params.values, self._clock())
            return web.json_response(route.answer(params))
        except ApiError as error:
            self.refusals[str(error.code)] += 1
            self._note(f"{self._market} {route.operation} refused: {error}")
            return web.json_response(error.body, status=error.status)

    # ------------------------------------------------------------------ faults

    def _strikes(self, name: str, operation: Operation, symbol: str) -> bool:
        struck = self._plan.strikes(name, operation, symbol)
        if struck and name != "latency":
            self._note(f"fault {name}: {self._market} {operation} {symbol}")
        return struck

    async def _before(self, request: web.Request, operation: Operation, symbol: str) -> web.Response | None:
        """The first fault that keeps a request from taking effect; None if there is none."""

        def strikes(name: str) -> bool:
            return self._strikes(name, operation, symbol)

        settings = self._plan.settings
        if strikes("connection_reset_before"):
            return _reset(request)
        if strikes("timeout_before_accept"):
            return await self._hold(request)
        if strikes("error_before_accept"):
            return self._broken("error_before_accept")
        if strikes("temporary_error"):
            status, error = _TEMPORARY[self._plan.choose("temporary_error", len(_TEMPORARY))]
            return web.json_response(error.body, status=status)
        if strikes("rate_limit"):
            self._quiet_until = time.monotonic() + settings.retry_after_seconds
            return self._limited(429, settings.retry_after_seconds)
        if strikes("ban"):
            self._banned_until = self._quiet_until = time.monotonic() + settings.ban_seconds
            return self._limited(418, settings.ban_seconds)
        return None

    async def _after(
        self, request: web.Request, operation: Operation, symbol: str, answer: web.Response
    ) -> web.Response:
        """The first fault that keeps the answer from its client; else the answer."""
        if self._strikes("timeout_after_accept", operation, symbol):
            return await self._hold(request)
        if self._strikes("error_after_accept", operation, symbol):
            return self._broken("error_after_accept")
        if self._strikes("connection_reset_after", operation, symbol):
            return _reset(request)
        return answer

    async def _later(self, request: web.Request, take: Callable[[], web.Response]) -> web.Response:
        """Takes effect after the delay, whether or not somebody still waits for the answer."""

        async def wait_and_take() -> web.Response:
            await asyncio.sleep(self._plan.settings.delay_seconds)
            return take()

        task = asyncio.create_task(wait_and_take())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait({task}, timeout=self._plan.settings.timeout_seconds)
        return task.result() if task.done() and not task.cancelled() else _reset(request)

    async def _hold(self, request: web.Request) -> web.Response:
        """No answer, and in the end no connection."""
        try:
            async with asyncio.timeout(self._plan.settings.timeout_seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass
        return _reset(request)

    def _broken(self, name: str) -> web.Response:
        status, kind, text = _BROKEN[self._plan.choose(name, len(_BROKEN))]
        return web.Response(status=status, content_type=kind, text=text)

    def _limited(self, status: int, seconds: int) -> web.Response:
        text = "Way too much request weight used; IP banned." if status == 418 else "Too many requests."
        body = json.dumps({"code": -1003, "msg": text})
        headers = {"Retry-After": str(seconds)}
        return web.Response(status=status, content_type="application/json", text=body, headers=headers)


def _form(text: str) -> dict[str, str]:
    return dict(parse_qsl(text, keep_blank_values=True))


def _reset(request: web.Request) -> web.Response:
    """Cuts the connection; the response goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
