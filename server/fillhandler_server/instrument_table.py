"""The server's table of instruments: what is shipped, what is configured, what was imported, in this order.

Imports are kept in a file of the data directory, which no import of the record touches. The table itself
never changes: an import puts another in its place, so whoever holds one reads to the end from one truth.
"""

from __future__ import annotations

import errno
import hashlib
import json
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from fillhandler_server.domain.errors import (
    InvalidFieldError,
    StoreFullError,
    StoreRefusedError,
    StoreUnavailableError,
)
from fillhandler_server.domain.instrument_fields import read_instruments, write_instruments
from fillhandler_server.domain.instruments import Instrument, Instruments
from fillhandler_server.durable import write_file

FILE: Final = "instruments.json"
INSTRUMENTS_MAX: Final = 100_000
"""Instruments in the table. An exchange has a few thousand symbols."""
_FORMAT: Final = 1


class InstrumentTable:
    """Holds the table that counts now. Imports may come from any thread."""

    def __init__(
        self, folder: Path, shipped: Instruments, instruments: object = (), value_places: object = ()
    ) -> None:
        """
        Args:
            folder: the data directory, locked by the caller.
            shipped: what the venues' modules bring.
            instruments, value_places: the configuration's lists.

        Raises:
            InvalidFieldError: naming every configured field that is wrong.
            StoreRefusedError: the file of imports is damaged.
        """
        self._path = folder / FILE
        self._lock = threading.Lock()
        configured, places = read_instruments(instruments, value_places)
        if clashes := shipped.clashes(configured):
            raise InvalidFieldError(*clashes)
        self._base = shipped.adding(configured, places)
        self._imported = self._read()
        self.current = self._base.adding(self._imported, self._imported.value_places)
        """The table that counts now. Take it once for one piece of work."""

    def add(
        self, instruments: Iterable[Instrument], value_places: Mapping[tuple[str, str], int]
    ) -> tuple[int, Instruments]:
        """Takes in more, all or none, durable on return.

        Returns:
            How many instruments are new or say more than before, and the table with them.

        Raises:
            InvalidFieldError: a spelling would stand for two symbols, or the table would be too large.
            StoreFullError, StoreUnavailableError: it could not be kept; nothing was changed.
        """
        instruments = list(instruments)
        with self._lock:
            before = self.current
            if clashes := before.clashes(instruments):
                raise InvalidFieldError(*clashes)
            imported = self._imported.adding(instruments, value_places)
            after = self._base.adding(imported, imported.value_places)
            if len(after) > INSTRUMENTS_MAX:
                raise InvalidFieldError.of(
                    "instruments", f"the table would hold {len(after)}, and may hold {INSTRUMENTS_MAX}"
                )
            if set(imported) != set(self._imported) or imported.value_places != self._imported.value_places:
                self._write(imported)
            self._imported, self.current = imported, after
            return len(set(after) - set(before)), after

    def _write(self, imported: Instruments) -> None:
        body = {"format": _FORMAT, **write_instruments(imported)}
        try:
            write_file(self._path, json.dumps({**body, "check": _check(body)}, ensure_ascii=False) + "\n")
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StoreFullError(
                    "the disk is full; no instrument was changed. Make room, try again"
                ) from None
            raise StoreUnavailableError(
                f"{self._path} cannot be written ({error.strerror}); no instrument was changed"
            ) from None

    def _read(self) -> Instruments:
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return Instruments()
        except (OSError, UnicodeDecodeError) as error:
            raise self._refused(str(error)) from None
        try:
            body = json.loads(text)
            if not isinstance(body, dict) or body.pop("check", None) != _check(body):
                raise ValueError("its checksum does not fit")
            if body.get("format") != _FORMAT:
                raise ValueError("it has another format")
            return Instruments(*read_instruments(body["instruments"], body["value_places"]))
        except (ValueError, KeyError, RecursionError) as error:
            raise self._refused(str(error) or "nested too deep") from None
        except InvalidFieldError as error:
            raise self._refused(error.text) from None

    def _refused(self, why: str) -> StoreRefusedError:
        return StoreRefusedError(
            f"the file {self._path} of imported instruments is damaged ({why}). Nothing was changed; put back"
            " a copy of it, or delete it and import the instruments again",
            path=self._path,
        )


def _check(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
