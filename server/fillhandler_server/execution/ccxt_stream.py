"""An account's stream through ccxt.pro, as the exchange's own messages, until it breaks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.execution.ccxt_exchange import StreamHooks, parsed
from fillhandler_server.execution.ccxt_reading import Reader, unified_order, unified_trade
from fillhandler_server.execution.ccxt_symbols import Symbols
from fillhandler_server.execution.ccxt_venues import CcxtVenue
from fillhandler_server.execution.connection import Message


class AccountStream:
    """One run of a stream. ccxt subscribes, authenticates, pings and parses; what it parses is used only
    where our venue module cannot read a message."""

    def __init__(
        self,
        exchange: Any,
        row: CcxtVenue,
        reader: Reader,
        symbols: Symbols,
        connected: Callable[[], None],
        received: Callable[[Message], None],
    ) -> None:
        self._exchange = exchange
        self._row = row
        self._reader = reader
        self._symbols = symbols
        self._connected = connected
        self._received = received
        self._is_connected = False
        self._confirmations = 0
        self._unread = False
        self._broken: asyncio.Future[NoReturn] = asyncio.get_running_loop().create_future()

    async def run(self, opening_seconds: float) -> NoReturn:
        """Listens until the stream ends; raises what it ended by, in ccxt's or asyncio's terms.

        Args:
            opening_seconds: after which an unconfirmed subscription is given up.
        """
        exchange = self._exchange
        exchange.ws_dial_backoff = {}  # who connects again has a policy of his own
        exchange.hooks = StreamHooks(self._text, self._opened, self._break)
        watches = [asyncio.ensure_future(self._watch(name)) for name in self._row.watches]
        opening = asyncio.get_running_loop().call_later(
            opening_seconds, lambda: None if self._is_connected else self._break(TimeoutError())
        )
        try:
            await asyncio.wait([self._broken, *watches], return_when=asyncio.FIRST_COMPLETED)
            for one in (self._broken, *watches):
                if one.done() and not one.cancelled() and (error := one.exception()) is not None:
                    raise error
            raise ConnectionError("the stream ended")
        finally:
            opening.cancel()
            exchange.hooks = None
            exchange.cancel_timers()
            for task in watches:
                task.cancel()
            self._broken.cancel()
            await asyncio.gather(*watches, self._broken, return_exceptions=True)
            await exchange.close_ws_clients()
            self._forget_listen_key()

    async def _watch(self, name: str) -> NoReturn:
        watch = getattr(self._exchange, name)
        make = unified_trade if name == "watch_my_trades" else unified_order
        while True:
            rows: Sequence[Any] = await watch(None, None, None, dict(self._row.watch_params))
            if self._unread:
                self._unread = False
                body = json.dumps([make(one, self._symbols) for one in rows], separators=(",", ":"))
                self._received(Message(body.encode(), "ccxt"))

    def _opened(self) -> None:
        if self._row.confirmed is None:
            self._confirm(len(self._row.watches))

    def _confirm(self, count: int) -> None:
        self._confirmations += count
        if not self._is_connected and self._confirmations >= len(self._row.watches):
            self._is_connected = True
            self._connected()

    def _text(self, text: str) -> None:
        message = parsed(text)
        if self._row.ended is not None and self._row.ended(message):
            self._break(ConnectionError("the exchange ended the stream"))
            return
        if self._row.confirmed is not None and self._row.confirmed(message):
            self._confirm(1)
            return
        read = self._reader.read(text)
        # Unread are mostly pings, of which ccxt makes no order; if it does make one of it, that is taken.
        self._unread = read is None
        if read is not None and (read.fills or read.reports):
            self._received(Message(text.encode()))

    def _break(self, error: BaseException) -> None:
        if not self._broken.done():
            self._broken.set_exception(error)

    def _forget_listen_key(self) -> None:
        """Binance's key is renewed as long as it is in use; a new stream takes a new one."""
        for name in ("linear", "inverse"):
            held = self._exchange.options.get(name)
            if isinstance(held, dict) and "listenKey" in held:
                self._exchange.options[name] = {**held, "listenKey": None, "lastAuthenticatedTime": 0}


def unsupported(venue: str) -> InvalidFieldError:
    """The error of an exchange without a stream."""
    return InvalidFieldError.of("stream", f"ccxt has no account stream of {venue}")
