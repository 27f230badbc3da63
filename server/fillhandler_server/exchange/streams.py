"""User data streams: who listens, what they are sent, and what the faults make of it."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from fillhandler_server.exchange.faults import FaultPlan, Operation

LISTEN_KEY_SECONDS: Final = 3_600.0


class Subscriber:
    """One WebSocket's subscription. A task of its own sends the messages, so that nobody waits for it."""

    def __init__(
        self,
        request: web.Request,
        socket: web.WebSocketResponse,
        wrap: Callable[[Any], Any],
        listen_key: str = "",
    ) -> None:
        self.listen_key = listen_key
        self._request = request
        self._socket = socket
        self._wrap = wrap
        self._messages: asyncio.Queue[str | None] = asyncio.Queue()
        """None is the cut."""
        self._task = asyncio.create_task(self._send())

    def send(self, event: dict[str, Any]) -> None:
        self._messages.put_nowait(json.dumps(self._wrap(event)))

    def cut(self) -> None:
        """Cuts the connection after what was sent before, as a broken network does it: no closing words."""
        self._messages.put_nowait(None)

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _send(self) -> None:
        while True:
            message = await self._messages.get()
            if message is None:
                if self._request.transport is not None:
                    self._request.transport.abort()
                return
            try:
                await self._socket.send_str(message)
            except ConnectionError:
                return  # the reading side ends it


class UserStream:
    """One market's user data stream: its listen key, its subscribers, its faults."""

    def __init__(self, plan: FaultPlan, note: Callable[[str], None], clock: Callable[[], int]) -> None:
        self.sent = 0
        self.subscribers: list[Subscriber] = []
        self._plan = plan
        self._note = note
        self._clock = clock
        self._listen_key = ""
        self._expires = 0
        self._held: list[tuple[dict[str, Any], int]] = []
        self._timer: asyncio.TimerHandle | None = None

    # ------------------------------------------------------------------ listen keys

    def listen_key(self) -> str:
        """The account's key; asking for it makes it last for an hour from now."""
        self.expire()
        if not self._listen_key:
            self._listen_key = secrets.token_hex(32)
        self._expires = self._clock() + int(LISTEN_KEY_SECONDS * 1000)
        return self._listen_key

    def knows(self, listen_key: str) -> bool:
        self.expire()
        return bool(self._listen_key) and listen_key == self._listen_key

    def close_listen_key(self) -> None:
        """Ends the key and the streams on it."""
        event = {"e": "listenKeyExpired", "E": self._clock(), "listenKey": self._listen_key}
        self._listen_key = ""
        for each in self.subscribers:
            if each.listen_key:
                each.send(event)

    def expire(self) -> None:
        """Ends a key that nobody kept alive."""
        if self._listen_key and self._clock() > self._expires:
            self.close_listen_key()

    # ------------------------------------------------------------------ messages

    def publish(self, operation: Operation, symbol: str, event: dict[str, Any]) -> None:
        """Sends an event to every subscriber, or does what a fault says."""
        strikes = self._plan.strikes
        if strikes("disconnect", operation, symbol):
            self._note(f"fault disconnect: {operation} {symbol} is lost")
            self.cut()
            return
        if strikes("drop_stream", operation, symbol):
            self._note(f"fault drop_stream: {operation} {symbol}")
            return
        times = 1
        if strikes("duplicate_stream", operation, symbol):
            self._note(f"fault duplicate_stream: {operation} {symbol}")
            times = 2
        if strikes("reorder_stream", operation, symbol):
            self._note(f"fault reorder_stream: {operation} {symbol}")
            self._held.append((event, times))
            if self._timer is None:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(self._plan.settings.reorder_seconds, self.flush)
            return
        self._send(event, times)
        self.flush()

    def flush(self) -> None:
        """Sends what was held back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        held, self._held = self._held, []
        for event, times in held:
            self._send(event, times)

    def cut(self) -> int:
        """Cuts every WebSocket; how many there were."""
        for each in self.subscribers:
            each.cut()
        return len(self.subscribers)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _send(self, event: dict[str, Any], times: int) -> None:
        for _ in range(times):
            self.sent += 1
            for each in self.subscribers:
                each.send(event)
