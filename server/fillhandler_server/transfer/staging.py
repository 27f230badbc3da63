"""The chunks of an import, kept encrypted beside the database until the last has come.

One file an import, with the database's own key; it survives a restart, so that an upload goes on where it
was. `.staging`, because a `.db` that the anchor does not name is deleted at a start.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fillhandler_server.domain.errors import (
    FillHandlerError,
    InvalidFieldError,
    PayloadTooLargeError,
    StoreFullError,
    StoreUnavailableError,
    TooManyStreamsError,
)
from fillhandler_server.journal.database import Database, DatabaseError, connect

STALE_SECONDS: Final = 24 * 3600
STAGINGS_MAX: Final = 16
_SUFFIXES: Final = ("", "-wal", "-shm")


def store_error(error: DatabaseError | OSError) -> FillHandlerError:
    """What a failure of the disk is to a caller. What failed was beside the store, so nothing has changed."""
    full = "full" in str(error) or getattr(error, "errno", None) in (28, 122)
    if full:
        return StoreFullError("the disk is full; nothing was changed. Make room and send the chunk again")
    return StoreUnavailableError("the disk failed; nothing was changed. Send the chunk again")


class Staging:
    """What has been received of one import. Not to be used from two threads at once."""

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self._key = key

    @property
    def exists(self) -> bool:
        """Whether anything has been received."""
        return self.path.exists()

    def _connect(self) -> Database:
        if not self.path.exists():
            # Of mode 0600 whatever the umask; SQLite's side files take it over.
            os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))
        return connect(self.path, self._key)

    def put(self, index: int, chunk: bytes, *, last: bool, mode: int, bytes_max: int) -> tuple[int, int]:
        """Keeps a chunk; returns how many chunks and bytes there are now.

        Raises:
            InvalidFieldError: it is out of order, or not the chunk or mode that was received before.
            PayloadTooLargeError: the file is larger than `bytes_max`.
            StoreFullError, StoreUnavailableError: it could not be kept.
        """
        if index and not self.exists:
            raise out_of_order(0)
        try:
            db = self._connect()
            try:
                with db.atomic():
                    return self._put(db, index, chunk, last=last, mode=mode, bytes_max=bytes_max)
            finally:
                db.close()
        except (DatabaseError, OSError) as error:
            raise store_error(error) from None

    @staticmethod
    def _put(
        db: Database, index: int, chunk: bytes, *, last: bool, mode: int, bytes_max: int
    ) -> tuple[int, int]:
        db.execute("CREATE TABLE IF NOT EXISTS import (mode INTEGER NOT NULL, ended INTEGER NOT NULL)")
        db.execute("CREATE TABLE IF NOT EXISTS chunks (number INTEGER PRIMARY KEY, data BLOB NOT NULL)")
        known = db.execute("SELECT mode, ended FROM import").fetchone()
        if known is None:
            db.execute("INSERT INTO import VALUES (?, 0)", [mode])
            known = (mode, 0)
        if mode != known[0]:
            raise InvalidFieldError.of("mode", "must be the same for every chunk of an import")
        count, size = db.execute("SELECT count(*), coalesce(sum(length(data)), 0) FROM chunks").fetchone()
        if index > count or (index == count and known[1]):
            raise out_of_order(count)
        if index == count:
            if size + len(chunk) > bytes_max:
                raise PayloadTooLargeError(
                    f"an import may have {bytes_max} bytes; this one has more", limit=bytes_max
                )
            db.execute("INSERT INTO chunks VALUES (?, ?)", [index, chunk])
            if last:
                db.execute("UPDATE import SET ended = 1")
            return count + 1, size + len(chunk)
        before = db.execute("SELECT data FROM chunks WHERE number = ?", [index]).fetchone()[0]
        if bytes(before) != chunk:
            raise InvalidFieldError.of(
                "chunk", f"is not the chunk {index} that was received before; begin under another import_id"
            )
        if last and not (known[1] and index == count - 1):
            raise InvalidFieldError.of("last", f"cannot be set on chunk {index}: it came before without it")
        return count, size

    def read(self) -> Iterator[bytes]:
        """The bytes received, in order."""
        try:
            db = self._connect()
            try:
                number = 0
                while row := db.execute("SELECT data FROM chunks WHERE number = ?", [number]).fetchone():
                    yield bytes(row[0])
                    number += 1
            finally:
                db.close()
        except DatabaseError as error:
            raise store_error(error) from None

    def remove(self) -> None:
        """Forgets it all."""
        for suffix in _SUFFIXES:
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)


def out_of_order(expected: int) -> InvalidFieldError:
    """The error for a chunk that is not the next; says which is."""
    error = InvalidFieldError.of("chunk_index", f"must be {expected}, the chunk that comes next")
    error.metadata["next_chunk_index"] = str(expected)
    return error


class Stagings:
    """All imports under way in a data directory."""

    def __init__(self, folder: Path, key: str) -> None:
        self._folder = folder
        self._key = key

    def of(self, import_id: str) -> Staging:
        """What has been received under an id.

        Raises:
            TooManyStreamsError: it would be one import too many.
        """
        staging = Staging(self._folder / f"import-{import_id}.staging", self._key)
        if not staging.exists and len(self._paths()) >= STAGINGS_MAX:
            self.remove_stale()
            if len(self._paths()) >= STAGINGS_MAX:
                raise TooManyStreamsError(
                    f"{STAGINGS_MAX} imports are under way; finish them, or begin again in a day",
                    limit=STAGINGS_MAX,
                )
        return staging

    def remove_stale(self, now: float | None = None) -> None:
        """Removes what nobody went on with for a day."""
        oldest = (time.time() if now is None else now) - STALE_SECONDS
        for path in self._paths():
            if path.stat().st_mtime < oldest:
                Staging(path, self._key).remove()

    def _paths(self) -> list[Path]:
        return list(self._folder.glob("import-*.staging"))
