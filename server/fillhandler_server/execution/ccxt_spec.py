"""What a connection through ccxt is made of, and what is wrong with it, before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from fillhandler_server.domain.errors import InvalidFieldError, Violation
from fillhandler_server.domain.fills import MAIN_ACCOUNT
from fillhandler_server.execution import ccxt_venues
from fillhandler_server.execution.secret import Credentials

_CCXT_NAMES: Final = {
    "api_key": "apiKey",
    "secret": "secret",
    "password": "password",
    "uid": "uid",
    "wallet_address": "walletAddress",
    "private_key": "privateKey",
}


@dataclass(frozen=True, slots=True)
class ConnectionSpec:
    """What a connection is, but for its credentials."""

    venue: str
    """Our name of it: "binance"."""
    account: str = MAIN_ACCOUNT
    market: str = ccxt_venues.SPOT
    """"spot", "linear" or "inverse"."""
    sandbox: bool = False
    """To the exchange's test network; with `url`, that what is there is no real money."""
    url: str = ""
    """Scheme and host ("http://127.0.0.1:8100") instead of the exchange's own: the simulated exchange."""
    recv_window_seconds: float = 5.0
    """How old a signed request may be when it arrives, where the exchange has such a limit."""
    timeout_seconds: float = 10.0
    """For a request to be answered."""
    rate_limit: bool = True
    """Whether requests wait for the exchange's limits before they are sent."""
    options: Mapping[str, object] = field(default_factory=dict)
    """More of ccxt's `options`, for what has no name here."""


def check(spec: ConnectionSpec, row: ccxt_venues.CcxtVenue, credentials: Credentials) -> None:
    """Raises InvalidFieldError with everything that is wrong with a connection."""
    faults: list[Violation] = []
    missing = credentials.missing(row.credentials)
    if missing:
        faults.append(
            Violation(
                "credentials", f"{spec.venue} demands {', '.join(row.credentials)}: no {', '.join(missing)}"
            )
        )
    if spec.url:
        parts = urlsplit(spec.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            faults.append(Violation("url", "must be http(s)://host[:port], as http://127.0.0.1:8100"))
        elif parts.path.strip("/") or parts.query or parts.fragment:
            faults.append(
                Violation("url", "must have no path and no query: the exchange's own paths are kept")
            )
    elif spec.sandbox and not row.has_sandbox:
        faults.append(
            Violation("sandbox", f"{spec.venue} has no test network: use its url with the simulated exchange")
        )
    faults.extend(
        Violation(name, "must be above 0 and at most 60 seconds")
        for name in ("timeout_seconds", "recv_window_seconds")
        if not 0 < getattr(spec, name) <= 60
    )
    if faults:
        raise InvalidFieldError(*faults)


def config(spec: ConnectionSpec, row: ccxt_venues.CcxtVenue, credentials: Credentials) -> dict[str, Any]:
    """For the constructor of ccxt's class."""
    held = {name: getattr(credentials, name).reveal() for name in _CCXT_NAMES if getattr(credentials, name)}
    return {
        # Text where ccxt would make floats.
        "number": str,
        "timeout": round(spec.timeout_seconds * 1000),
        "enableRateLimit": spec.rate_limit,
        **{_CCXT_NAMES[name]: text for name, text in held.items()},
        "options": {
            "recvWindow": round(spec.recv_window_seconds * 1000),
            "adjustForTimeDifference": False,
            # What a stream's class would ask for besides.
            "watchBalance": {"fetchBalanceSnapshot": False, "awaitBalanceSnapshot": False},
            "watchPositions": {"fetchPositionsSnapshot": False, "awaitPositionsSnapshot": False},
            **row.options,
            **spec.options,
            # Last, so that no configuration can have an order sent twice.
            "maxRetriesOnFailure": 0,
        },
    }
