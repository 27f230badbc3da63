"""The API key and its secret, as two files that only their owner can read."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from fillhandler_server.durable import write_file
from fillhandler_server.exchange.binance.signing import Credentials

KEY_FILE: Final = "api_key"
SECRET_FILE: Final = "secret"  # noqa: S105  # a file's name
_OTHERS: Final = 0o077


class CredentialsError(ValueError):
    """The files cannot be used; the text says which and why, never what is in them."""


def load(folder: Path) -> tuple[Credentials, bool]:
    """Reads the files, or makes them at random where both are missing; and whether it made them.

    Raises:
        CredentialsError: one is missing, empty, or can be read by others; the folder cannot be made or read.
    """
    key, secret = folder / KEY_FILE, folder / SECRET_FILE
    try:
        there = [path for path in (key, secret) if path.exists()]
        if not there:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for path in (key, secret):
                write_file(path, f"{secrets.token_hex(32)}\n", new=True)
        elif len(there) == 1:
            missing = secret if there == [key] else key
            raise CredentialsError(
                f"{missing} is missing beside {there[0]}; remove both to have new ones made"
            )
        return Credentials(_read(key), _read(secret)), not there
    except OSError as error:
        raise CredentialsError(f"{error.filename or folder}: {error.strerror}; name another folder") from None


def _read(path: Path) -> str:
    if path.stat().st_mode & _OTHERS:
        raise CredentialsError(f"others can read {path}; chmod 600 it")
    text = path.read_text(encoding="utf-8").strip()
    if not text or not text.isascii() or not text.isprintable() or len(text.split()) != 1:
        raise CredentialsError(f"{path} must hold one word of plain characters")
    return text
