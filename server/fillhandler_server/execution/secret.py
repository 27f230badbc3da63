"""Credentials of exchanges: read from the environment or from files, never shown."""

from __future__ import annotations

import hmac
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Final, NoReturn

from fillhandler_server.domain.errors import InvalidFieldError, Violation

ENVIRONMENT_PREFIX: Final = "FILLHANDLER_VENUE_"
_FILE_BYTES_MAX: Final = 16 * 1024
"""A PEM key has a few hundred bytes; more is a wrong file."""


class Secret:
    """A text that shows itself only when asked by `reveal`, so that no log, error or dump can hold it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one who sends it."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __str__(self) -> str:
        return "***"

    def __format__(self, specification: str) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    # Secrets are no keys of tables: a hash would say something of the text.
    __hash__ = None  # type: ignore[assignment]

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not pickled or copied")


def _none() -> Secret:
    return Secret("")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an exchange gave out for one account. Empty is "has none"."""

    api_key: Secret = field(default_factory=_none)
    secret: Secret = field(default_factory=_none)
    password: Secret = field(default_factory=_none)
    """The passphrase of the key (Bitget, OKX, KuCoin)."""
    uid: Secret = field(default_factory=_none)
    wallet_address: Secret = field(default_factory=_none)
    """Hyperliquid's account, 0x…"""
    private_key: Secret = field(default_factory=_none)
    """Hyperliquid's signing key; better that of an API wallet, which cannot withdraw."""

    def texts(self) -> tuple[str, ...]:
        """Every text that must appear nowhere, for whoever removes them."""
        held = (getattr(self, name).reveal() for name in NAMES)
        return tuple(text for text in held if text)

    def missing(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the named fields that are empty."""
        return tuple(name for name in names if not getattr(self, name))


NAMES: Final = tuple(one.name for one in fields(Credentials))
"""The fields: names of files, and in capitals the ends of the environment's names."""


def environment_name(connection: str, name: str) -> str:
    """The variable that holds a field of a connection: FILLHANDLER_VENUE_BINANCE_MAIN_API_KEY."""
    spelled = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in connection)
    return f"{ENVIRONMENT_PREFIX}{spelled.upper()}_{name.upper()}"


def from_environment(environment: Mapping[str, str], connection: str) -> Credentials:
    """Credentials of a connection from the environment, which is given: only config.py reads it."""
    found = {name: environment.get(environment_name(connection, name), "").strip() for name in NAMES}
    return Credentials(**{name: Secret(text) for name, text in found.items() if text})


def from_directory(directory: Path) -> Credentials:
    """Credentials from a directory with the files `api_key`, `secret`, … Line ends around them are dropped.

    Raises:
        InvalidFieldError: the directory or a file cannot be read, or others than its owner may read it
            ("credentials_dir"; the text names the file).
    """
    found: dict[str, Secret] = {}
    faults: list[Violation] = []
    if not directory.is_dir():
        raise _fault(f"{directory} is no directory")
    for name in NAMES:
        try:
            text = _read(directory / name)
        except InvalidFieldError as error:
            faults.extend(error.violations)
        else:
            if text:
                found[name] = Secret(text)
    if faults:
        raise InvalidFieldError(*faults)
    return Credentials(**found)


def _fault(text: str) -> InvalidFieldError:
    return InvalidFieldError.of("credentials_dir", text)


def _read(path: Path) -> str:
    try:
        # Not waiting for a writer, should it be a pipe; the open file is what is checked, not its name.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise _fault(f"{path} cannot be read: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _fault(f"{path} is no regular file")
        mode = stat.S_IMODE(status.st_mode)
        if mode & 0o077:
            raise _fault(
                f"{path} has mode {mode:04o}, so others than its owner may use it: chmod 0600 {path}, and "
                "exchange the key if others could have read it"
            )
        if status.st_uid not in (os.geteuid(), 0):
            raise _fault(f"{path} belongs to user {status.st_uid}: it must belong to the server's own user")
        data = file.read(_FILE_BYTES_MAX + 1)
    if len(data) > _FILE_BYTES_MAX:
        raise _fault(f"{path} is larger than {_FILE_BYTES_MAX} bytes: not a key")
    try:
        return data.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise _fault(f"{path} is no UTF-8 text") from None
