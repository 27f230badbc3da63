"""A local server that answers as a test tells it and keeps every request: constructed replies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import WSMsgType, web


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: str

    @property
    def said(self) -> dict[str, Any]:
        """Query and body together; of a JSON body its first row."""
        found: dict[str, Any] = dict(self.query)
        try:
            document = json.loads(self.body)
            found |= document[0] if isinstance(document, list) else document
        except ValueError:
            found |= dict(parse_qsl(self.body))
        return found


Reply = tuple[int, dict[str, str], str]
Socket = Callable[[web.WebSocketResponse], Awaitable[None]]


@dataclass
class VenueServer:
    """Answers by the longest path known; everything else is 404."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    _routes: dict[str, Reply | Callable[[Asked], Reply | None] | None] = field(default_factory=dict)
    _sockets: dict[str, Socket] = field(default_factory=dict)
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    def answer(self, path: str, body: Any, status: int = 200, **headers: str) -> None:
        """From now on this to each request of a path ("POST /api" or "/api"); text as it is, else as JSON."""
        text = body if isinstance(body, str) else json.dumps(body)
        spelled = {name.replace("_", "-"): value for name, value in headers.items()}
        self._routes[path] = (status, {"Content-Type": "application/json"} | spelled, text)

    def answer_by(self, path: str, reply: Callable[[Asked], Any]) -> None:
        """From now on what a function makes of the request, as JSON."""
        self._routes[path] = lambda asked: (
            200,
            {"Content-Type": "application/json"},
            json.dumps(reply(asked)),
        )

    answers_of_type: dict[str, Any] = field(default_factory=dict)
    """For `answer_by_type`: (status, headers, body) by kind; None to hang."""

    def answer_by_type(self, kind: Callable[[Asked], str]) -> None:
        """From now on each path answers by what the request is, out of `answers_of_type`."""

        def reply(asked: Asked) -> Reply | None:
            found = self.answers_of_type.get(kind(asked), (404, {}, "no such thing here"))
            if found is None:
                return None
            status, headers, body = found
            spelled = {name.replace("_", "-"): value for name, value in headers.items()}
            text = body if isinstance(body, str) else json.dumps(body)
            return status, {"Content-Type": "application/json"} | spelled, text

        for path in ("/info", "/exchange"):
            self._routes[path] = reply

    def hang(self, path: str) -> None:
        """From now on no answer at all."""
        self._routes[path] = None

    def socket(self, path: str, speak: Socket) -> None:
        """From now on a WebSocket there."""
        self._sockets[path] = speak

    def last(self, path: str) -> Asked:
        """The last request of a path."""
        return [one for one in self.asked if one.path == path][-1]

    def count(self, path: str, method: str = "") -> int:
        """Requests of a path."""
        return sum(one.path == path and method in ("", one.method) for one in self.asked)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        speak = self._sockets.get(request.path)
        if speak is not None:
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            try:
                await speak(socket)
            finally:
                await socket.close()
            return socket
        body = (await request.read()).decode()
        asked = Asked(request.method, request.path, dict(request.query), dict(request.headers), body)
        self.asked.append(asked)
        route = self._routes.get(f"{request.method} {request.path}", self._routes.get(request.path, ...))
        if route is ...:
            return web.Response(status=404, text="no such thing here")
        reply = route(asked) if callable(route) else route
        if reply is None:
            await self._ended.wait()
            return web.Response(status=500)
        return web.Response(status=reply[0], headers=reply[1], text=reply[2])


async def messages(socket: web.WebSocketResponse) -> AsyncIterator[Any]:
    """What the client sends, as JSON, until it closes."""
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            yield json.loads(message.data)


@asynccontextmanager
async def venue_server() -> AsyncIterator[VenueServer]:
    """A server on a port of the system's choice, until the end of the block."""
    server = VenueServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server._handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}"
    try:
        yield server
    finally:
        server._ended.set()
        await runner.cleanup()
