"""The WebSockets: Binance's WebSocket API for the spot stream, and listen keys for both markets."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web

from fillhandler_server.exchange.binance.errors import ApiError, missing
from fillhandler_server.exchange.binance.signing import (
    Credentials,
    check_key,
    check_socket_signature,
    check_time,
)
from fillhandler_server.exchange.streams import Subscriber, UserStream


class Sockets:
    """Every open WebSocket."""

    def __init__(
        self,
        spot: UserStream,
        linear: UserStream,
        credentials: Credentials,
        clock: Callable[[], int],
        note: Callable[[str], None],
    ) -> None:
        self.open: set[web.WebSocketResponse] = set()
        self._spot = spot
        self._linear = linear
        self._credentials = credentials
        self._clock = clock
        self._note = note
        self._subscriptions = 0

    def routes(self) -> list[web.RouteDef]:
        """The addresses: what clients of either market derive from one base."""
        return [
            web.get("/ws-api/v3", self._api),
            web.get("/ws/{listen_key}", self._by_path),
            web.get("/private/ws/{listen_key}", self._by_path),
            web.get("/private/ws", self._by_query),
            web.get("/ws", self._by_query),
            web.get("/stream", self._combined),
            web.get("/private/stream", self._combined),
        ]

    async def stop(self) -> None:
        """Closes all, with the word that the server goes away."""
        for socket in list(self.open):
            await socket.close(code=1001)

    # ------------------------------------------------------------------ listen keys

    async def _by_path(self, request: web.Request) -> web.StreamResponse:
        return await self._listen(request, request.match_info["listen_key"], lambda event: event)

    async def _by_query(self, request: web.Request) -> web.StreamResponse:
        return await self._listen(request, request.query.get("listenKey", ""), lambda event: event)

    async def _combined(self, request: web.Request) -> web.StreamResponse:
        key = request.query.get("streams", "")
        return await self._listen(request, key, lambda event: {"stream": key, "data": event})

    async def _listen(
        self, request: web.Request, listen_key: str, wrap: Callable[[Any], Any]
    ) -> web.StreamResponse:
        stream = next((each for each in (self._spot, self._linear) if each.knows(listen_key)), None)
        if stream is None:
            raise web.HTTPBadRequest(text="no such listen key; POST one first")
        socket = await self._accept(request)
        subscriber = Subscriber(request, socket, wrap, listen_key)
        stream.subscribers.append(subscriber)
        self._note("user data stream connected, by listen key")
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    # Market data is not streamed: a subscription to it is told so.
                    number = _document(message.data).get("id")
                    error = {"code": 2, "msg": "Invalid request: only user data is streamed"}
                    await socket.send_json({"error": error, "id": number})
        finally:
            stream.subscribers.remove(subscriber)
            await subscriber.end()
            self.open.discard(socket)
        return socket

    # ------------------------------------------------------------------ the WebSocket API

    async def _api(self, request: web.Request) -> web.StreamResponse:
        socket = await self._accept(request)
        subscribers: dict[int, Subscriber] = {}
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    document = _document(message.data)
                    try:
                        result = await self._answer(document, request, socket, subscribers)
                        answer = {"id": document.get("id"), "status": 200, "result": result, "rateLimits": []}
                    except ApiError as error:
                        answer = {"id": document.get("id"), "status": error.status, "error": error.body}
                    await socket.send_json(answer)
                    # Not before the answer: a client learns its subscription's id from it.
                    self._spot.subscribers += [
                        each for each in subscribers.values() if each not in self._spot.subscribers
                    ]
        except ConnectionError:
            pass  # cut while an answer was on its way
        finally:
            for each in subscribers.values():
                await self._unsubscribe(each)
            self.open.discard(socket)
        return socket

    async def _answer(
        self,
        document: dict[str, Any],
        request: web.Request,
        socket: web.WebSocketResponse,
        subscribers: dict[int, Subscriber],
    ) -> Any:
        method = document.get("method")
        params = document.get("params")
        params = params if isinstance(params, dict) else {}
        if method == "ping":
            return {}
        if method == "time":
            return {"serverTime": self._clock()}
        if method == "userDataStream.subscribe.signature":
            check_key(self._credentials, str(params.get("apiKey") or ""))
            check_socket_signature(self._credentials, params)
            check_time(params, self._clock())
            number = self._subscriptions
            self._subscriptions += 1
            subscribers[number] = Subscriber(
                request, socket, lambda event: {"subscriptionId": number, "event": event}
            )
            self._note("user data stream connected, by signature")
            return {"subscriptionId": number}
        if method == "userDataStream.unsubscribe":
            wanted = params.get("subscriptionId")
            for number in [each for each in subscribers if wanted in (None, each)]:
                await self._unsubscribe(subscribers.pop(number))
            return {}
        if not method:
            raise missing("method")
        raise ApiError(-1020, "This operation is not supported.")

    async def _unsubscribe(self, subscriber: Subscriber) -> None:
        if subscriber in self._spot.subscribers:
            self._spot.subscribers.remove(subscriber)
        await subscriber.end()

    async def _accept(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.open.add(socket)
        return socket


def _document(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
