"""The database's key: where it comes from, and how the first one is made.

The key is 256 random bits, raw: deriving one from a passphrase costs 94 ms an open and is no stronger. It
never stands beside the database, in an argument, a log or an error.
"""

from __future__ import annotations

import re
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

from fillhandler_server.domain.errors import StoreRefusedError
from fillhandler_server.durable import write_file

_KEY = re.compile(r"[0-9a-fA-F]{64}")
_CREDENTIAL = "fillhandler.key"
_KEYRING_SERVICE = "fillhandler"


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where keys are looked for: the given file, a systemd credential, the keyring, our own folder.

    Args:
        key_file: the file that the operator named, or None.
        key_folder: where keys that this program makes are kept; not beside the database.
        credentials_folder: systemd's `$CREDENTIALS_DIRECTORY`, or None.
        use_keyring: whether to ask the keyring.
    """

    key_folder: Path
    key_file: Path | None = None
    credentials_folder: Path | None = None
    use_keyring: bool = True

    def own_file(self, store_id: str) -> Path:
        """The file that holds a key this program made."""
        return self.key_folder / f"{store_id}.key"

    def find(self, store_id: str) -> Key | None:
        """The key of a store, or None where no source has one.

        Raises:
            StoreRefusedError: a key file is there and cannot be used.
        """
        if self.key_file is not None:
            return _read(self.key_file, "--key-file")
        if self.credentials_folder is not None:
            credential = self.credentials_folder / _CREDENTIAL
            if credential.exists():
                return _read(credential, "the systemd credential")
        from_keyring = _from_keyring(store_id) if self.use_keyring else None
        if from_keyring is not None:
            return from_keyring
        own = self.own_file(store_id)
        return _read(own, "--key-file") if own.exists() else None

    def make(self, store_id: str) -> Key:
        """The key of a new store: the operator's where there is one, else a new one in our own folder."""
        if self.key_file is not None and not self.key_file.exists():
            return _write(self.key_file)
        found = self.find(store_id)
        return found if found is not None else _write(self.own_file(store_id))


@dataclass(frozen=True, slots=True)
class Key:
    """A key and where it was found. Shows itself as `***`."""

    digits: str = field(repr=False)
    origin: str = ""
    made: bool = False

    def __repr__(self) -> str:
        return f"Key(***, {self.origin!r})"

    __str__ = __repr__


def _read(path: Path, option: str) -> Key:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise StoreRefusedError(
            f"the key file {path} cannot be read: {reason}; name another by --key-file", path=path
        ) from None
    if mode & 0o077:
        raise StoreRefusedError(
            f"the key file {path} can be read by others (mode {mode:04o}); run: chmod 600 {path}", path=path
        )
    if not _KEY.fullmatch(text):
        raise StoreRefusedError(
            f"the key file {path} does not hold a key of 64 hexadecimal digits; check {option}", path=path
        )
    return Key(text.lower(), str(path))


def _write(path: Path) -> Key:
    digits = secrets.token_hex(32)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_file(path, digits + "\n", new=True)
    except OSError as error:
        raise StoreRefusedError(
            f"a key cannot be written to {path}: {error.strerror}; name a writable place by --key-file",
            path=path,
        ) from None
    return Key(digits, str(path), made=True)


def _from_keyring(store_id: str) -> Key | None:
    try:
        import keyring

        text = keyring.get_password(_KEYRING_SERVICE, store_id)
    except Exception:  # noqa: BLE001  # servers have no backend, and each backend raises its own
        return None
    return Key(text.lower(), "the keyring") if text and _KEY.fullmatch(text) else None
