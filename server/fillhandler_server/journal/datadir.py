"""The data directory: its lock, its store id, its anchor, and the checks before anything is opened.

    DATA_DIR/lock            held while a server runs
    DATA_DIR/store-id        names this database's key; never exported, untouched by an import
    DATA_DIR/anchor          the database's file name and a recent head of its journal
    DATA_DIR/fillhandler.db  the database
    DATA_DIR/token           a copy of the admin token for local clients

The anchor makes a cut, deleted, emptied or old database visible: SQLite alone would silently drop the
torn tail of a write-ahead log, or make a deleted file anew. It also names the file that is the database,
so that an import which replaces it switches both by one rename.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fillhandler_server.domain.errors import StoreRefusedError
from fillhandler_server.durable import sync_folder, write_file
from fillhandler_server.encryption import Key, KeySource
from fillhandler_server.journal import Head, genesis_hash, link_problem
from fillhandler_server.journal.database import (
    SCHEMA_VERSION,
    Database,
    DatabaseError,
    connect,
    create,
    meta,
)
from fillhandler_server.journal.sqlite import SqliteJournal

DATABASE: Final = "fillhandler.db"
_ANCHOR_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Anchor:
    """A recent head of the journal, at most a second behind the commits. `instance_id` empty: being made."""

    database: str
    instance_id: str
    sequence: int
    hash: str

    def to_text(self) -> str:
        """One line of JSON with a checksum over the rest."""
        body = {
            "format": _ANCHOR_FORMAT,
            "database": self.database,
            "instance_id": self.instance_id,
            "sequence": self.sequence,
            "hash": self.hash,
        }
        return json.dumps({**body, "check": _check(body)}) + "\n"

    @classmethod
    def from_text(cls, text: str) -> Anchor:
        """
        Raises:
            ValueError: the text is not an anchor that was written by `to_text`.
        """
        body = json.loads(text)
        if not isinstance(body, dict) or body.pop("check", None) != _check(body):
            raise ValueError("its checksum does not fit")
        if body.get("format") != _ANCHOR_FORMAT:
            raise ValueError("it has another format")
        return cls(body["database"], body["instance_id"], body["sequence"], body["hash"])


def _check(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


class DataDirectory:
    """One data directory, locked for this process while it is open."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            StoreRefusedError: it cannot be made or written, or another server holds it.
        """
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreRefusedError(
                f"the data directory {path} cannot be used: {error.strerror}; name another by --data-dir",
                path=path,
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise StoreRefusedError(
                f"another server uses the data directory {path}; stop it, or name another by --data-dir",
                path=path,
            ) from None

    def close(self) -> None:
        """Gives the lock back."""
        os.close(self._lock)

    # ------------------------------------------------------------------ small files

    def write_file(self, name: str, text: str) -> None:
        """Writes a small file so that it is there whole or not at all, and lasts."""
        write_file(self.path / name, text)

    def read_file(self, name: str) -> str | None:
        """The text of a small file; None where it is not there."""
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def read_anchor(self) -> Anchor | None:
        """The anchor; None where there is none.

        Raises:
            StoreRefusedError: it is there and damaged.
        """
        try:
            text = self.read_file("anchor")
            return None if text is None else Anchor.from_text(text)
        except (ValueError, KeyError, TypeError) as error:
            raise self._refused(f"the anchor file is damaged ({error})") from None

    def write_anchor(self, anchor: Anchor) -> None:
        """Moves the anchor; where it names another database, that one is the database from here on."""
        self.write_file("anchor", anchor.to_text())

    def _refused(self, what: str) -> StoreRefusedError:
        return StoreRefusedError(
            f"the store in {self.path} is not opened: {what}. Nothing was changed; restore a backup"
            " (fillhandler import into a new --data-dir), or put the missing files back",
            path=self.path,
        )

    # ------------------------------------------------------------------ opening

    def prepare(self, keys: KeySource) -> tuple[Path, Key]:
        """Makes a new store where there is none, checks the one there is; returns its file and key.

        Raises:
            StoreRefusedError: wrong or missing key, newer schema, foreign, damaged, cut or missing
                database. The files' bytes are as they were.
        """
        anchor = self.read_anchor()
        databases = sorted(p.name for p in self.path.glob("*.db"))
        if anchor is not None and not anchor.instance_id:
            # The first start was cut short before anything could be acknowledged.
            self.remove_database(anchor.database)
            return self._make(keys)
        store_id = self.read_file("store-id")
        if anchor is None:
            if databases or store_id is not None:
                raise self._refused("its anchor file is missing")
            return self._make(keys)
        if not (self.path / anchor.database).is_file():
            raise self._refused(f"its database {anchor.database} is missing")
        if not (self.path / anchor.database).stat().st_size:
            # Not even to be opened: SQLite would delete the log beside an empty file, and commits with it.
            raise self._refused(f"its database {anchor.database} is empty")
        if not store_id:
            raise self._refused("its store-id file is missing, so its key cannot be found")
        key = keys.find(store_id.strip())
        if key is None:
            raise StoreRefusedError(
                f"the key of the store in {self.path} was not found (looked for"
                f" {keys.own_file(store_id.strip())}); name its file by --key-file or FILLHANDLER_KEY_FILE",
                path=self.path,
            )
        self._check(anchor, key)
        for name in databases:
            if name != anchor.database:
                # Left by an import that did not come to its switch, or replaced by one that did.
                self.remove_database(name)
        return self.path / anchor.database, key

    def _make(self, keys: KeySource) -> tuple[Path, Key]:
        store_id = (self.read_file("store-id") or "").strip() or secrets.token_hex(8)
        self.write_anchor(Anchor(DATABASE, "", 0, ""))
        self.write_file("store-id", store_id + "\n")
        key = keys.make(store_id)
        instance_id = uuid.uuid4().hex
        create(self.path / DATABASE, key.digits, instance_id)
        sync_folder(self.path)
        self.write_anchor(Anchor(DATABASE, instance_id, 0, genesis_hash(instance_id).hex()))
        return self.path / DATABASE, key

    def remove_database(self, name: str) -> None:
        """Deletes a database that no anchor names any more."""
        for suffix in ("", "-wal", "-shm"):
            (self.path / f"{name}{suffix}").unlink(missing_ok=True)

    def _check(self, anchor: Anchor, key: Key) -> None:
        db = None
        try:
            # A wrong key shows in the very first statements.
            db = connect(self.path / anchor.database, key.digits, read_only=True)
            problem = self._problem(db, anchor)
        except DatabaseError as error:
            problem = (
                f"its database cannot be read ({error}): the key from {key.origin} is another one's,"
                " or the file is damaged"
            )
        finally:
            if db is not None:
                db.close()
        if problem:
            raise self._refused(problem)

    def _problem(self, db: Database, anchor: Anchor) -> str:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            return f"its schema is version {version}, newer than this program's {SCHEMA_VERSION}"
        if version < 1:
            return "its database is empty"
        if meta(db, "instance_id") != anchor.instance_id:
            return "its database is of another instance than its anchor"
        journal = SqliteJournal(db)
        head = journal.head()
        if head.sequence < anchor.sequence:
            return (
                f"its journal ends at sequence {head.sequence}, before its anchor at {anchor.sequence}:"
                " the tail was cut, or an old copy was put back"
            )
        walk = Head(0, genesis_hash(anchor.instance_id))
        if anchor.sequence:
            try:
                batch = journal.holding(anchor.sequence)
            except LookupError:
                return f"its journal has no batch that holds its anchor's sequence {anchor.sequence}"
            if batch.last_sequence != anchor.sequence or batch.hash.hex() != anchor.hash:
                return f"its journal is another one than its anchor's at sequence {anchor.sequence}"
            before = Head(batch.first_sequence - 1, batch.previous_hash)
            if problem := link_problem(batch, before):
                return problem
            walk = Head(batch.last_sequence, batch.hash)
        for batch in journal.scan(anchor.sequence):
            if problem := link_problem(batch, walk):
                return problem
            walk = Head(batch.last_sequence, batch.hash)
        return ""
