"""Connections to venues, as people configure them: tables read into values, what is wrong told by its path.

The server's settings and the in-process handler read them here. Nothing here reads a file or a variable;
credentials never stand in a table: a table says where they are.
"""

from __future__ import annotations

import ipaddress
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from fillhandler_server import venues
from fillhandler_server.domain.errors import InvalidFieldError, Violation
from fillhandler_server.domain.fills import MAIN_ACCOUNT
from fillhandler_server.domain.numbers import from_json_number
from fillhandler_server.domain.retry_config import read_retry_config

MARKETS: Final = ("spot", "linear", "inverse")
SLIPPAGE_TOLERANCE: Final = Decimal("0.005")
RECV_WINDOW_SECONDS_MAX: Final = 60.0
ENV_PREFIX: Final = "FILLHANDLER_VENUE_"
CONNECTIONS_MAX: Final = 100
SYMBOLS_MAX: Final = 1_000

_TEXT_MAX: Final = 256
_DAY_SECONDS: Final = 86_400.0
_FAULTS_MAX: Final = 100
_DEPTH_MAX: Final = 16
_PREFIX: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_SECRET_NAMES: Final = frozenset({"token", "accesstoken", "pin", "twofa", "mnemonic", "pass", "pwd"})
_SECRET_PARTS: Final = ("apikey", "secret", "passphrase", "password", "privatekey", "credential", "mnemonic")
_PLACES: Final = frozenset({"credentials_dir", "credentials_env"})
_EITHER: Final = "credentials stand in files (credentials_dir) or in variables (credentials_env)"


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """One connection: an account at a venue, in one of its markets. Spans are seconds.

    Attributes:
        venue: one of `venues.known()`.
        account: our name of the account there.
        market: "spot", "linear" or "inverse".
        sandbox: use the venue's test network.
        url: scheme and host instead of the venue's own, such as a simulated exchange's; "" for none.
        credentials_dir: folder with a file for each credential, or None.
        credentials_env: how the names of the variables begin that hold them; "" where there is a folder.
        recv_window_seconds: after this long the venue refuses a request that was under way.
        timeout_seconds: how long an answer is waited for.
        rate_limit: keep to the venue's limits before it says so.
        settle_seconds: how long after an order was sent without an answer it may still appear at the venue:
            before that it is not sent again. Longer than `recv_window_seconds`.
        poll_seconds: how often an open order is asked for, beside the stream.
        undecided_after_seconds: from when on an order whose fate the venue does not tell is an alarm.
        breaker_failures: consecutive failures after which requests are held back.
        breaker_seconds: for how long the first time; it doubles.
        breaker_seconds_max: up to this.
        deadline_seconds: how long a trade's order may work where the trade does not say; None for no end.
        execute: whether trades may be sent.
        collect: whether the account's fills and orders are collected.
        symbols: whose history is read, beside those of the record.
        history_hours: how far back the history is read at the first start.
        repair_seconds: how often it is compared.
        retry_config: the keys in which this connection differs from the setting `retry_config`.
        options: passed to ccxt as they are.
    """

    venue: str
    account: str = MAIN_ACCOUNT
    market: str = "spot"
    sandbox: bool = False
    url: str = ""
    credentials_dir: Path | None = None
    credentials_env: str = ""
    recv_window_seconds: float = 5.0
    timeout_seconds: float = 10.0
    rate_limit: bool = True
    settle_seconds: float = 10.0
    poll_seconds: float = 5.0
    undecided_after_seconds: float = 60.0
    breaker_failures: int = 5
    breaker_seconds: float = 5.0
    breaker_seconds_max: float = 120.0
    deadline_seconds: float | None = None
    execute: bool = True
    collect: bool = True
    symbols: tuple[str, ...] = ()
    history_hours: float = 24.0
    repair_seconds: float = 180.0
    retry_config: Mapping[str, Any] = field(default_factory=dict, hash=False)
    options: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from the others."""
        return (self.venue, self.account, self.market)

    @property
    def name(self) -> str:
        """The same for people: `binance/main/spot`."""
        return "/".join(self.key)


_NAMES: Final = tuple(ConnectionSettings.__dataclass_fields__)


def default_prefix(venue: str, account: str) -> str:
    """How the names of the variables begin that hold an account's credentials, where nothing else is set."""
    return ENV_PREFIX + re.sub(r"[^A-Za-z0-9]", "_", f"{venue}_{account}").upper()


def read_connections(given: object, path: str = "connections") -> tuple[ConnectionSettings, ...]:
    """The connections of a list of tables.

    Raises:
        InvalidFieldError: naming everything that is wrong, such as `connections[0].venue`.
    """
    if not isinstance(given, list | tuple):
        raise InvalidFieldError.of(path, f"must be a list of tables; in TOML each begins with [[{path}]]")
    if len(given) > CONNECTIONS_MAX:
        raise InvalidFieldError.of(path, f"may hold {CONNECTIONS_MAX} tables, not {len(given)}")
    faults: list[Violation] = []
    first: dict[tuple[str, str, str], int] = {}
    holders: dict[str, tuple[str, str]] = {}
    read: list[ConnectionSettings] = []
    for at, table in enumerate(given):
        if isinstance(table, ConnectionSettings):  # read before
            connection, fields = table, _Table(f"{path}[{at}]", {}, faults)
        elif isinstance(table, Mapping):
            fields = _Table(f"{path}[{at}]", table, faults)
            connection = _connection(fields)
        else:
            faults.append(Violation(f"{path}[{at}]", "must be a table of named values"))
            continue
        read.append(connection)
        if not connection.venue:
            continue
        if connection.key in first:
            fields.fail(
                "venue",
                f"the same venue, account and market ({connection.name}) as {path}[{first[connection.key]}];"
                " name another account or market",
            )
        first.setdefault(connection.key, at)
        owner = holders.setdefault(connection.credentials_env, connection.key[:2])
        if connection.credentials_env and owner != connection.key[:2]:
            fields.fail(
                "credentials_env",
                f"{connection.credentials_env} holds the credentials of {'/'.join(owner)};"
                " name another beginning of variables, or a folder by credentials_dir",
            )
    if faults:
        raise InvalidFieldError(*faults[:_FAULTS_MAX])
    return tuple(read)


def looks_secret(name: object) -> bool:
    """Whether a key's name says that its value is a secret."""
    plain = re.sub(r"[^a-z0-9]", "", str(name).lower())
    return plain in _SECRET_NAMES or any(part in plain for part in _SECRET_PARTS)


def secrets_in(
    value: object, path: str, known: frozenset[str] = frozenset(), depth: int = 0
) -> Iterator[Violation]:
    """Where secrets stand in what a file says, by the names of its keys. Their values are never told."""
    if depth > _DEPTH_MAX:
        yield Violation(path, "is nested too deep")
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            at = f"{path}.{str(name)[:_TEXT_MAX]}" if path else str(name)[:_TEXT_MAX]
            if looks_secret(name) and name not in known:
                yield Violation(at, f"secrets do not stand in the configuration: {_EITHER}")
            else:
                yield from secrets_in(inner, at, depth=depth + 1)
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from secrets_in(inner, f"{path}[{place}]", depth=depth + 1)


def read_fraction(value: object) -> Decimal:
    """A decimal from 0 to 1, exact: of text, or of a number by what it prints as.

    Raises:
        ValueError: it is none.
    """
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    try:
        if not is_number and not isinstance(value, str):
            raise ValueError
        number = from_json_number(str(value))
    except ValueError:
        raise ValueError('must be a decimal number from 0 to 1, such as "0.005"') from None
    if not 0 <= number <= 1:
        raise ValueError("must be from 0 to 1: it is a fraction, 0.005 is half a percent")
    return number


def _connection(table: _Table) -> ConnectionSettings:
    venue, account = table.venue(), table.text("account") or MAIN_ACCOUNT
    folder, prefix = table.credentials(venue, account)
    window = table.seconds("recv_window_seconds", 5.0, RECV_WINDOW_SECONDS_MAX)
    # Beyond the window: what took effect at its end may be shown a moment later.
    settle = table.seconds("settle_seconds", window + 5, _DAY_SECONDS)
    if settle <= window:
        table.fail(
            "settle_seconds",
            f"must be more than recv_window_seconds ({window:g}): until then a delayed request may still take"
            " effect, and sending the order again would double it",
        )
    execute, collect = table.flag("execute", default=True), table.flag("collect", default=True)
    if not execute and not collect:
        table.fail("collect", "with execute = false, too, the connection does nothing; leave it out")
    return ConnectionSettings(
        venue=venue,
        account=account,
        market=table.market(),
        sandbox=table.flag("sandbox", default=False),
        url=table.url(),
        credentials_dir=folder,
        credentials_env=prefix,
        recv_window_seconds=window,
        timeout_seconds=table.seconds("timeout_seconds", 10.0, 60.0),
        rate_limit=table.flag("rate_limit", default=True),
        settle_seconds=settle,
        poll_seconds=table.seconds("poll_seconds", 5.0, _DAY_SECONDS),
        undecided_after_seconds=table.seconds("undecided_after_seconds", 60.0, _DAY_SECONDS),
        breaker_failures=int(table.number("breaker_failures", 5, 1, 1_000, "failures")),
        breaker_seconds=table.seconds("breaker_seconds", 5.0, _DAY_SECONDS),
        breaker_seconds_max=table.seconds("breaker_seconds_max", 120.0, _DAY_SECONDS),
        deadline_seconds=table.optional_seconds("deadline_seconds", 366 * _DAY_SECONDS),
        execute=execute,
        collect=collect,
        symbols=table.symbols(),
        history_hours=table.number("history_hours", 24.0, 0, 24 * 366, "hours"),
        repair_seconds=table.seconds("repair_seconds", 180.0, _DAY_SECONDS),
        retry_config=table.retry_config(),
        options=table.options(),
    )


class _Table:
    """One table, read key by key. What is wrong is noted, and answered with a stand-in."""

    def __init__(self, path: str, table: Mapping[Any, Any], faults: list[Violation]) -> None:
        self._path = path
        self._table = table
        self._faults = faults
        faults += (found for found in secrets_in(table, path, _PLACES))
        for name in table:
            if name not in _NAMES and not looks_secret(name):
                self.fail(str(name)[:_TEXT_MAX], f"is not a known key; known are {', '.join(_NAMES)}")

    def fail(self, name: str, text: str) -> None:
        """Notes that a key is wrong."""
        self._faults.append(Violation(f"{self._path}.{name}", text))

    def text(self, name: str) -> str:
        """A text, "" where it is absent."""
        value = self._table.get(name)
        return "" if value is None else self._checked(name, value)

    def _checked(self, name: str, value: object) -> str:
        if not isinstance(value, str):
            self.fail(name, "must be a text")
            return ""
        if len(value) > _TEXT_MAX or not value.isprintable():
            self.fail(name, f"must have at most {_TEXT_MAX} characters, all printable")
            return ""
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """true or false."""
        value = self._table.get(name)
        if value is not None and not isinstance(value, bool):
            self.fail(name, "must be true or false")
        return value if isinstance(value, bool) else default

    def number(self, name: str, default: float, least: float, most: float, unit: str) -> float:
        """A number from `least` to `most`."""
        value = self._table.get(name)
        if value is None:
            return default
        if not _is_number(value) or not least <= value <= most:
            self.fail(name, f"must be a number of {unit} from {least:g} to {most:g}")
            return default
        return float(value)

    def seconds(self, name: str, default: float, most: float) -> float:
        """A span above 0."""
        value = self._table.get(name)
        if value is None:
            return default
        if not _is_number(value) or not 0 < value <= most:
            self.fail(name, f"must be a number of seconds above 0, at most {most:g}")
            return default
        return float(value)

    def optional_seconds(self, name: str, most: float) -> float | None:
        """A span above 0, or none."""
        return None if self._table.get(name) is None else self.seconds(name, most, most)

    def venue(self) -> str:
        """A venue that there is a module for."""
        if self._table.get("venue") in (None, ""):
            self.fail("venue", f"is required; known are {', '.join(venues.known())}")
            return ""
        name = self.text("venue").lower()
        if name and name not in venues.known():
            self.fail("venue", f"{name!r} is not known; known are {', '.join(venues.known())}")
            return ""
        return name

    def market(self) -> str:
        """One of `MARKETS`."""
        name = self.text("market").lower() or "spot"
        if name not in MARKETS:
            self.fail("market", f"must be one of {', '.join(MARKETS)}")
            return "spot"
        return name

    def url(self) -> str:
        """Scheme and host. Of a wrong one nothing is told but the host: there may be a password in it."""
        text = self.text("url")
        if not text:
            return ""
        try:
            parts = urlsplit(text)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            host, port = "", None
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not host or port == 0:
            self.fail("url", "must be a scheme and a host, such as https://HOST or http://127.0.0.1:PORT")
        elif parts.username is not None or parts.password is not None:
            self.fail("url", f"must hold no user and no password: {_EITHER}")
        elif parts.path not in ("", "/") or parts.query or parts.fragment:
            self.fail("url", "must end with the host and its port: the rest of an address is the venue's own")
        elif parts.scheme == "http" and not is_loopback(host):
            self.fail(
                "url",
                f"{host} is not a loopback address in numbers (127.0.0.0/8, [::1]), and over plain http to it"
                " anybody on the way could read and change orders; use https",
            )
        else:
            return f"{parts.scheme}://{parts.netloc}"
        return ""

    def credentials(self, venue: str, account: str) -> tuple[Path | None, str]:
        """The folder of the credentials, or how their variables begin."""
        folder, prefix = self._table.get("credentials_dir"), self._table.get("credentials_env")
        if folder is not None and prefix is not None:
            self.fail("credentials_env", "is given beside credentials_dir; say one of the two")
        if folder is not None:
            if not isinstance(folder, str | os.PathLike) or not str(folder) or "\0" in str(folder):
                self.fail("credentials_dir", "must be the path of a folder")
                return None, ""
            return Path(folder).expanduser(), ""
        if prefix is None:
            return None, default_prefix(venue, account)
        # What is no name of variables may be the secret itself: it is not told.
        if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix):
            self.fail(
                "credentials_env",
                "must be how the names of the variables begin (letters, digits and _), such as"
                f" {default_prefix(venue or 'binance', account)}, not a credential",
            )
            return None, ""
        return None, prefix.rstrip("_")

    def symbols(self) -> tuple[str, ...]:
        """A list of texts."""
        values = self._table.get("symbols")
        if values is None:
            return ()
        if not isinstance(values, list | tuple):
            self.fail("symbols", 'must be a list of texts, such as ["BTCUSDT"]')
            return ()
        if len(values) > SYMBOLS_MAX:
            self.fail("symbols", f"may hold {SYMBOLS_MAX} entries, not {len(values)}")
            return ()
        found = []
        for at, value in enumerate(values):
            if value == "":
                self.fail(f"symbols[{at}]", "is empty")
            found.append(self._checked(f"symbols[{at}]", value))
        return tuple(dict.fromkeys(found))

    def retry_config(self) -> Mapping[str, Any]:
        """The retry keys that are given."""
        given = self._table.get("retry_config")
        if isinstance(given, Mapping):  # those of secrets are told already
            given = {name: value for name, value in given.items() if not looks_secret(name)}
        try:
            return read_retry_config(given, f"{self._path}.retry_config")
        except InvalidFieldError as error:
            self._faults += error.violations
            return {}

    def options(self) -> Mapping[str, Any]:
        """A table of anything that JSON holds."""
        given = self._table.get("options")
        if given is None:
            return {}
        try:
            if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
                raise TypeError
            copied: dict[str, Any] = json.loads(json.dumps(given, allow_nan=False))
            return copied
        except (TypeError, ValueError, RecursionError):
            self.fail("options", "must be a table of texts, numbers, flags, lists and tables")
            return {}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def is_loopback(host: str) -> bool:
    """Whether a host is a loopback address in numbers; a name is not, as it can be pointed anywhere."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
