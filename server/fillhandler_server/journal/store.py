"""An open store: the locked data directory, the database, and the connections over it."""

from __future__ import annotations

import secrets
from contextlib import AbstractContextManager, ExitStack, closing, suppress
from pathlib import Path
from typing import Any

from fillhandler_server.encryption import KeySource
from fillhandler_server.journal import Head
from fillhandler_server.journal.database import (
    SCHEMA_VERSION,
    Database,
    DatabaseError,
    connect,
    meta,
    migrate,
)
from fillhandler_server.journal.datadir import Anchor, DataDirectory
from fillhandler_server.journal.sqlite import SqliteJournal


class Store:
    """The embedded store. `db` and `journal` belong to the writer's thread; others take a `reader`."""

    errors: tuple[type[Exception], ...] = (DatabaseError,)
    """What it raises when it fails."""

    def __init__(self, data_dir: Path, keys: KeySource) -> None:
        """Opens the store in a data directory, or makes it.

        Raises:
            StoreRefusedError: see `DataDirectory.prepare`; nothing was changed.
        """
        self.directory = DataDirectory(data_dir)
        try:
            self.path, self.key = self.directory.prepare(keys)
            self._open()
        except BaseException:
            self.directory.close()
            raise

    def _open(self) -> None:
        self.db: Database = connect(self.path, self.key.digits)
        migrate(self.db)
        self.journal = SqliteJournal(self.db)
        self.instance_id = self.journal.instance_id

    @property
    def schema_version(self) -> int:
        """The version of its schema."""
        return SCHEMA_VERSION

    def atomic(self) -> AbstractContextManager[Any]:
        """A transaction: committed and synced at its end, rolled back by an exception."""
        transaction: AbstractContextManager[Any] = self.db.atomic()
        return transaction

    def rollback(self) -> None:
        """Gives up the transaction that is open, if one is."""
        if self.db.conn.in_transaction:
            self.db.conn.rollback()

    @property
    def projected_sequence(self) -> int:
        """The sequence up to which the rows of the projections reach."""
        return int(meta(self.db, "projected_sequence") or 0)

    def reader(self) -> Database:
        """A new read-only connection, to be closed by the caller."""
        return connect(self.path, self.key.digits, read_only=True)

    def anchor(self, head: Head) -> None:
        """Moves the anchor to a committed head."""
        self.directory.write_anchor(Anchor(self.path.name, self.instance_id, head.sequence, head.hash.hex()))

    def reopen(self) -> None:
        """Opens the database anew after an error, whose outcome is read from the file."""
        self.db.close()
        self._open()

    def beside(self) -> Path:
        """A file name for a database that is built to replace this one.

        No name is used twice: a reader that still has a replaced file open must not find another's
        write-ahead log beside it.
        """
        return self.directory.path / f"fillhandler-{secrets.token_hex(6)}.db"

    def switch(self, path: Path, instance_id: str, head: Head) -> None:
        """Makes a finished database beside this one the store's: one rename, then the old file goes.

        Raises:
            OSError: the anchor could not be moved; this database is the store's as before.
        """
        anchor, old = Anchor(path.name, instance_id, head.sequence, head.hash.hex()), self.path
        try:
            self.directory.write_anchor(anchor)
        except OSError:
            # It may have failed after the rename. Then the new database is the one that a start opens.
            if self.directory.read_anchor() != anchor:
                raise
        self.path = path
        self.db.close()
        self._open()
        self.directory.remove_database(old.name)

    @property
    def size(self) -> int:
        """Bytes on disk, write-ahead log included."""
        total = 0
        for suffix in ("", "-wal"):
            file = self.path.with_name(self.path.name + suffix)
            total += file.stat().st_size if file.exists() else 0
        return total

    def abandon(self) -> None:
        """Closes it and leaves its files as they are: who refuses a store must not change it.

        The last connection to close moves the write-ahead log into the database, unless it only reads.
        """
        with ExitStack() as last, suppress(DatabaseError):
            beside = last.enter_context(closing(self.reader()))
            beside.execute("SELECT count(*) FROM sqlite_master").fetchone()
            self.db.close()
        self.db.close()
        self.directory.close()

    def close(self) -> None:
        """Closes the database and gives the data directory back."""
        self.db.close()
        self.directory.close()
