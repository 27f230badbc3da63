"""Who asks, and is it in time: the API key, the signature, the timestamp."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Final

from fillhandler_server.exchange.binance.errors import ApiError, missing

RECV_WINDOW_MS: Final = 5_000
RECV_WINDOW_MAX_MS: Final = 60_000
_AHEAD_MS: Final = 1_000
_SIGNATURE: Final = re.compile(r"(?:^|&)signature=([^&]*)")


class Credentials:
    """An API key and its secret; never shown."""

    def __init__(self, api_key: str, secret: str) -> None:
        self.api_key = api_key
        self._secret = secret.encode()

    def __repr__(self) -> str:
        return "Credentials(***)"

    def sign(self, text: str) -> str:
        """The HMAC-SHA256 of a text, in hexadecimal."""
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()

    def reveal(self) -> tuple[str, str]:
        """Key and secret, for whoever has to connect."""
        return self.api_key, self._secret.decode()


def check_key(credentials: Credentials, given: str) -> None:
    """Raises ApiError -2014 where there is no key, -2015 where it is another."""
    if not given:
        raise ApiError(-2014, "API-key format invalid.", 401)
    if not hmac.compare_digest(given.encode(), credentials.api_key.encode()):
        raise ApiError(-2015, "Invalid API-key, IP, or permissions for action.", 401)


def check_signature(credentials: Credentials, query: str, body: str) -> None:
    """The signature is over the query and the body, one after the other, without itself.

    Raises:
        ApiError: -1102 it is missing; -1022 it is wrong.
    """
    given = ""
    signed = ""
    for part in (query, body):
        found = _SIGNATURE.search(part)
        if found:
            given = found[1]
            part = part[: found.start()] + part[found.end() :]
        signed += part
    _compare(credentials, signed, given)


def check_socket_signature(credentials: Credentials, params: Mapping[str, object]) -> None:
    """The WebSocket API signs its parameters by their names' order. Raises as check_signature."""
    signed = "&".join(f"{name}={params[name]}" for name in sorted(params) if name != "signature")
    _compare(credentials, signed, str(params.get("signature") or ""))


def _compare(credentials: Credentials, signed: str, given: str) -> None:
    if not given:
        raise missing("signature")
    if not hmac.compare_digest(credentials.sign(signed).encode(), given.encode()):
        raise ApiError(-1022, "Signature for this request is not valid.")


def check_time(params: Mapping[str, object], now: int) -> None:
    """Whether a request is in its window at a time (ms).

    Raises:
        ApiError: -1102 no timestamp; -1131 a window above 60 s; -1021 outside of the window.
    """
    timestamp = _whole(params, "timestamp")
    if timestamp is None:
        raise missing("timestamp")
    window = _whole(params, "recvWindow")
    if window is None:
        window = RECV_WINDOW_MS
    if window > RECV_WINDOW_MAX_MS:
        raise ApiError(-1131, f"recvWindow must be less than {RECV_WINDOW_MAX_MS}")
    if timestamp >= now + _AHEAD_MS:
        raise ApiError(-1021, f"Timestamp for this request was {_AHEAD_MS}ms ahead of the server's time.")
    if now - timestamp > window:
        raise ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")


def _whole(params: Mapping[str, object], name: str) -> int | None:
    value = params.get(name)
    if value is None or value == "":
        return None
    text = str(value)
    if re.fullmatch(r"[0-9]{1,19}", text) is None:
        raise missing(name)
    return int(text)
