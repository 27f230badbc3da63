"""Walks the hash chain from the first batch to the head: online beside the writer, or offline on a folder.

It refuses nothing and changes nothing: whatever is wrong is what it reports. What it finds: an event that
was edited, a batch that was removed or moved, a tail that was cut below the anchor, a database or an
anchor that is another's. What it cannot find: a cut of the last second, which the anchor may not know yet.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError

from fillhandler_server.codec import decode_batch
from fillhandler_server.domain.errors import StoreRefusedError
from fillhandler_server.encryption import Key, KeySource
from fillhandler_server.journal import Batch, Head, JournalReader, genesis_hash, link_problem
from fillhandler_server.journal.database import Database, DatabaseError, connect
from fillhandler_server.journal.datadir import Anchor
from fillhandler_server.journal.sqlite import SqliteJournal
from fillhandler_server.journal.store import Store

PROGRESS_BATCHES: Final = 64
_READ_BATCHES: Final = 8
_TRIES: Final = 5
_SWITCH_SECONDS: Final = 0.2
"""What an import's switch takes at most, as a rule."""


_NOWHERE: Final = Head(0, b"")


@dataclass(frozen=True, slots=True)
class Walk:
    """How far a walk is; the last of them has `done` set."""

    batches: int = 0
    events: int = 0
    total_events: int = 0
    done: bool = False
    problem: str = ""
    """What is wrong; empty if nothing was found."""
    problem_sequence: int = 0
    """First sequence of the batch at fault; 0 where it is not one batch."""
    instance_id: str = ""
    head: Head = _NOWHERE
    """The head that was walked to."""
    server_running: bool = False
    """Whether a server holds the folder's lock. Known offline only."""

    @property
    def valid(self) -> bool:
        """Whether it ended and found nothing."""
        return self.done and not self.problem


def walk(journal: JournalReader, instance_id: str, anchor: Anchor | None = None) -> Generator[Walk]:
    """Walks a journal to the head it has now.

    Args:
        journal: over a connection of its own.
        instance_id: whose it should be.
        anchor: what it must hold; read before this is called.
    """
    at = Head(0, genesis_hash(instance_id))
    state = Walk(instance_id=instance_id, head=at)
    try:
        end = journal.head()
        state = replace(state, head=end, total_events=end.sequence)
        if anchor is not None and (problem := _anchor_problem(anchor, instance_id, end)):
            yield replace(state, done=True, problem=problem, problem_sequence=anchor.sequence)
            return
        while at.sequence < end.sequence:
            batches = journal.read(at.sequence, _READ_BATCHES)
            if not batches:
                yield _fault(state, at, f"nothing follows sequence {at.sequence}, though the head is beyond")
                return
            for batch in batches:
                if at.sequence >= end.sequence:
                    break
                if problem := batch_problem(batch, at, anchor):
                    yield _fault(state, at, problem)
                    return
                at = Head(batch.last_sequence, batch.hash, batch.commit_time)
                state = replace(state, batches=state.batches + 1, events=at.sequence)
                if state.batches % PROGRESS_BATCHES == 0:
                    yield state
        if at.hash != end.hash or at.sequence != end.sequence:
            yield _fault(state, at, "the last batch is not what was committed")
            return
    except DatabaseError as error:
        yield _fault(state, at, f"the database cannot be read: {error}")
        return
    yield replace(state, done=True)


def _fault(state: Walk, at: Head, problem: str) -> Walk:
    return replace(state, done=True, problem=problem, problem_sequence=at.sequence + 1)


def batch_problem(batch: Batch, head: Head, anchor: Anchor | None = None) -> str:
    """What is wrong with a batch that should follow `head`; empty if nothing is."""
    if problem := link_problem(batch, head):
        return problem
    if batch.commit_time < head.commit_time:
        return f"the batch at {batch.first_sequence} was committed before the one before it"
    try:
        sequences = [message.sequence for message in decode_batch(batch.payload)]
    except DecodeError:
        return f"the batch at {batch.first_sequence} does not decode as events"
    if sequences != list(range(batch.first_sequence, batch.last_sequence + 1)):
        return f"the batch at {batch.first_sequence} holds other events than it says"
    if (
        anchor is not None
        and batch.first_sequence <= anchor.sequence <= batch.last_sequence
        and (batch.last_sequence, batch.hash.hex()) != (anchor.sequence, anchor.hash)
    ):
        return f"the journal is another one than its anchor's at sequence {anchor.sequence}"
    return ""


def _anchor_problem(anchor: Anchor, instance_id: str, end: Head) -> str:
    if anchor.instance_id != instance_id:
        return f"the database is of instance {instance_id}, its anchor of {anchor.instance_id}"
    if end.sequence < anchor.sequence:
        return (
            f"the journal ends at sequence {end.sequence}, before its anchor at {anchor.sequence}: the tail"
            " was cut, or an old copy was put back"
        )
    if not anchor.sequence and anchor.hash != genesis_hash(instance_id).hex():
        return "the anchor is not this journal's"
    return ""


# ---------------------------------------------------------------------- online


def verify_store(store: Store) -> Generator[Walk]:
    """Walks the journal of an open store, over a connection of its own, beside the writer."""
    try:
        anchor, db = _opened(store)
    except StoreRefusedError as error:
        yield Walk(done=True, problem=error.text, instance_id=store.instance_id)
        return
    try:
        journal = SqliteJournal(db)
        yield from walk(journal, journal.instance_id, anchor)
    finally:
        db.close()


def _opened(store: Store) -> tuple[Anchor | None, Database]:
    """The anchor, and a connection to the database that it is of, though an import may replace both."""
    for _ in range(_TRIES):
        anchor = store.directory.read_anchor()
        path, db = store.path, store.reader()
        if anchor is not None and anchor.database == path.name == store.path.name:
            return anchor, db
        db.close()
        time.sleep(_SWITCH_SECONDS)
    raise StoreRefusedError("the anchor file is missing, or of another database")


# ---------------------------------------------------------------------- offline


def verify_data_dir(data_dir: Path, keys: KeySource) -> Generator[Walk]:
    """Walks the journal of a data directory, without a server and beside one. Alters no byte.

    Beside none, it holds the folder's lock shared, so that no server starts meanwhile.

    Raises:
        StoreRefusedError: it is no data directory, or its key cannot be found.
    """
    if not (data_dir / "store-id").is_file() and not (data_dir / "anchor").is_file():
        raise StoreRefusedError(f"{data_dir} is not a data directory; name one by --data-dir", path=data_dir)
    with _shared_lock(data_dir / "lock") as running:
        for state in _verify(data_dir, keys, running=running):
            yield replace(state, server_running=running)


class _UnusableError(Exception):
    """The walk cannot begin; the text says why."""


def _verify(data_dir: Path, keys: KeySource, *, running: bool) -> Generator[Walk]:
    try:
        anchor = _anchor(data_dir)
        if not anchor.instance_id:
            # The first start was cut short before anything could be acknowledged.
            yield Walk(done=True)
            return
        key = _key(data_dir, keys)
        with _read_only(data_dir / anchor.database, key.digits, running=running) as db:
            journal = SqliteJournal(db)
            yield from walk(journal, journal.instance_id, anchor)
    except DatabaseError as error:
        yield Walk(
            done=True,
            problem=f"the database cannot be read ({error}): its key is another's, or it is damaged",
        )
    except _UnusableError as error:
        yield Walk(done=True, problem=str(error))


def _anchor(data_dir: Path) -> Anchor:
    """The anchor, whose database is there."""
    for attempt in range(_TRIES):
        try:
            anchor = Anchor.from_text((data_dir / "anchor").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise _UnusableError("the anchor file is missing") from None
        except (ValueError, KeyError, TypeError) as error:
            raise _UnusableError(f"the anchor file is damaged ({error})") from None
        if not anchor.instance_id or (data_dir / anchor.database).is_file():
            return anchor
        # An import may have replaced the database between the two looks.
        if attempt:
            time.sleep(_SWITCH_SECONDS)
    raise _UnusableError("the database that the anchor names is missing")


def _key(data_dir: Path, keys: KeySource) -> Key:
    store_id = _store_id(data_dir)
    if store_id is None:
        raise _UnusableError("the store-id file is missing, so the key cannot be found")
    key = keys.find(store_id)
    if key is None:
        raise StoreRefusedError(
            f"the key of the store in {data_dir} was not found (looked for {keys.own_file(store_id)}); name"
            " its file by --key-file or FILLHANDLER_KEY_FILE",
            path=data_dir,
        )
    return key


def _store_id(data_dir: Path) -> str | None:
    try:
        return (data_dir / "store-id").read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None


@contextmanager
def _shared_lock(path: Path) -> Iterator[bool]:
    """Whether a server holds the lock; if none does, none can start meanwhile."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            running = True
        else:
            running = False
        yield running
    finally:
        os.close(handle)


@contextmanager
def _read_only(path: Path, key: str, *, running: bool) -> Iterator[Database]:
    log, index = (path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))
    had = {file for file in (log, index) if file.exists()}
    # Beside a server, and over a log that a crash left, SQLite needs its side files; else it can do without
    # and leave none behind.
    whole = not running and not (log in had and log.stat().st_size)
    try:
        db = connect(path, key, read_only=True, immutable=whole)
        try:
            yield db
        finally:
            db.close()
    finally:
        if not running:
            for file in {log, index} - had:
                with suppress(FileNotFoundError):
                    file.unlink()
