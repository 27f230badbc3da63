"""ccxt's exchange classes, made to show what really came over the wire, and to keep quiet about it.

ccxt hands out structures of its own, which lose things: numbers of a stream are parsed to floats before any
hook sees them, its unified trades have no leg, no market, no liquidation mark. So the classes are extended to
give the text of every reply and message as it came, which our venue modules read.
"""

from __future__ import annotations

import importlib
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.execution.error_mapping import Progress
from fillhandler_server.execution.replies import Reply

_KEEP_ALIVE_MILLISECONDS_MAX: Final = 30_000
"""Between pings of a stream, so that a dead connection is noticed within about two of these. Binance's class
has three minutes."""


@dataclass(slots=True)
class Traffic:
    """The requests of one call."""

    requests: int = 0
    replies: list[Reply] = field(default_factory=list)
    answered: bool = True
    """Whether the last request has its reply."""
    began_at: int = 0
    """When the last request went out, and its reply came: nanoseconds of `clock`."""
    ended_at: int = 0

    @property
    def progress(self) -> Progress:
        """How far the last request got. A call that fails between requests is as its last one."""
        if not self.requests:
            return Progress.NOT_SENT
        return Progress.ANSWERED if self.answered else Progress.UNDER_WAY

    @property
    def last(self) -> Reply | None:
        """The last reply."""
        return self.replies[-1] if self.replies else None


TRAFFIC: Final[ContextVar[Traffic | None]] = ContextVar("venue_traffic", default=None)
"""Of the call that is under way in this task: calls at the same time do not mix."""


def _silent() -> logging.Logger:
    """A logger that is in no hierarchy, so no setting can make it speak: ccxt logs headers and bodies."""
    logger = logging.Logger("fillhandler.ccxt", logging.CRITICAL + 1)  # noqa: LOG001  # as said above
    logger.disabled = True
    logger.propagate = False
    return logger


@dataclass(slots=True)
class StreamHooks:
    """What a stream's owner wants to know."""

    text: Callable[[str], None]
    opened: Callable[[], None]
    broken: Callable[[BaseException], None]


@lru_cache(maxsize=32)
def extended(class_id: str) -> type[Any]:
    """ccxt.pro's class of this name with our hooks. Takes seconds the first time: it imports ccxt.

    Raises:
        InvalidFieldError: ccxt is not installed ("venue").
    """
    try:
        module = importlib.import_module("ccxt.pro")
    except ImportError:
        raise InvalidFieldError.of(
            "venue", "connections to exchanges need ccxt: pip install 'fillhandler[exchanges]'"
        ) from None
    base: type[Any] = getattr(module, class_id)
    from ccxt import NetworkError

    class Extended(base):  # type: ignore[misc]
        """With the wire in view."""

        logger = _silent()
        skew_milliseconds = 0
        clock: Callable[[], int] = staticmethod(time.time_ns)
        hooks: StreamHooks | None = None
        timers: Sequence[Any] = ()

        # ---------------------------------------------------------------- quiet

        @property
        def verbose(self) -> bool:
            return False

        @verbose.setter
        def verbose(self, value: bool) -> None:
            """Never: it prints headers and bodies."""

        def log(self, *args: object) -> None:
            """Nothing: see `verbose`."""

        # ---------------------------------------------------------------- clock

        def milliseconds(self) -> int:
            """The exchange's time: the difference measured is in it, for every signature of every class.

            Not by ccxt's option `timeDifference`, which some of its classes honour in some requests only.
            """
            return self.clock() // 1_000_000 + self.skew_milliseconds

        def seconds(self) -> int:
            return self.milliseconds() // 1000

        # ------------------------------------------------------------- requests

        async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
            traffic = TRAFFIC.get()
            if traffic is not None:
                traffic.requests += 1
                traffic.answered = False
                traffic.began_at = self.clock()
            return await super().fetch(url, method, headers, body)

        def on_rest_response(
            self,
            code: int,
            reason: str,
            url: str,
            method: str,
            response_headers: Mapping[str, str],
            response_body: str,
            request_headers: Any,
            request_body: Any,
        ) -> str:
            text: str = super().on_rest_response(
                code, reason, url, method, response_headers, response_body, request_headers, request_body
            )
            traffic = TRAFFIC.get()
            if traffic is not None:
                traffic.ended_at = self.clock()
                traffic.answered = True
                traffic.replies.append(Reply(code, dict(response_headers), text))
            return text

        # --------------------------------------------------------------- stream

        def client(self, url: str) -> Any:
            new = url not in (self.clients or {})
            client = super().client(url)
            if new:
                keep_alive = getattr(client, "keepAlive", 0) or _KEEP_ALIVE_MILLISECONDS_MAX
                client.keepAlive = min(keep_alive, _KEEP_ALIVE_MILLISECONDS_MAX)
                client.verbose = False
                handle = client.handle_text_or_binary_message

                def tapped(data: str | bytes) -> None:
                    hooks = self.hooks
                    if hooks is not None:
                        text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
                        hooks.text(text)
                    handle(data)

                client.handle_text_or_binary_message = tapped
            return client

        def on_connected(self, client: Any, message: Any = None) -> None:
            super().on_connected(client, message)
            if self.hooks is not None:
                self.hooks.opened()

        def on_error(self, client: Any, error: BaseException) -> None:
            super().on_error(client, error)
            self._break(error)

        def on_close(self, client: Any, error: Any) -> None:
            super().on_close(client, error)
            self._break(client.error or NetworkError("the exchange closed the stream"))

        def _break(self, error: BaseException) -> None:
            """Between two waits of ours nobody hears of it, and the next one would connect anew, silently."""
            if self.hooks is not None:
                self.hooks.broken(error)

        def delay(self, timeout: float, method: Any, *args: Any) -> Any:
            handle = super().delay(timeout, method, *args)
            self.timers = [*(one for one in self.timers if not one.cancelled()), handle]
            return handle

        def cancel_timers(self) -> None:
            """Ends what was to be done later for a stream that is no more (renewing a listen key)."""
            for handle in self.timers:
                handle.cancel()
            self.timers = []

        # ---------------------------------------------------------- Hyperliquid

        async def initialize_client(self) -> bool:
            """Nothing: Hyperliquid's class grants ccxt's makers a fee here, and sets a referrer."""
            return False

    Extended.__name__ = Extended.__qualname__ = class_id
    return Extended


def make(
    class_id: str,
    config: Mapping[str, Any],
    *,
    sandbox: bool,
    url: str,
    clock: Callable[[], int],
) -> Any:
    """An exchange object that has sent nothing yet.

    Args:
        config: for ccxt's constructor.
        sandbox: to the exchange's test network. With `url` that is where it goes.
        url: scheme and host, instead of all of the exchange's own; the paths stay.
        clock: nanoseconds since the epoch.
    """
    exchange = extended(class_id)(dict(config))
    exchange.clock = clock
    # No private call just to name currencies; markets name theirs.
    exchange.has = {**exchange.has, "fetchCurrencies": False}
    exchange.timeout_on_exit = 0
    if url:
        exchange.urls["api"] = redirected(exchange.urls["api"], url)
    elif sandbox:
        exchange.set_sandbox_mode(True)
    return exchange


def redirected(urls: Any, url: str) -> Any:
    """ccxt's table of addresses with another scheme and host, WebSocket addresses with the scheme's own."""
    if isinstance(urls, dict):
        return {key: redirected(value, url) for key, value in urls.items()}
    if not isinstance(urls, str) or "://" not in urls:
        return urls
    target, own = urlsplit(url), urlsplit(urls)
    secure = target.scheme in ("https", "wss")
    scheme = ("ws" if own.scheme in ("ws", "wss") else "http") + ("s" if secure else "")
    return urlunsplit((scheme, target.netloc, own.path, own.query, ""))


def parsed(text: str) -> Any:
    """A message as JSON, None if it is none. For what it is about, never for its numbers."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
