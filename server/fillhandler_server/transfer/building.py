"""A database made from an export file, beside the one in use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fillhandler.v1 import events_pb2
from fillhandler_server.codec import fill_from_message
from fillhandler_server.domain.fills import time_of
from fillhandler_server.durable import sync_folder
from fillhandler_server.journal import Batch, Head
from fillhandler_server.journal.database import Database, DatabaseError, connect, create
from fillhandler_server.journal.sqlite import SqliteJournal
from fillhandler_server.projections.working_set import WorkingSet
from fillhandler_server.transfer.format import BREATHE_EVENTS, breathe
from fillhandler_server.transfer.merging import note_merged
from fillhandler_server.transfer.reading import ExportFile, damaged
from fillhandler_server.writer import REPLAY_FLUSH_EVENTS, flush_book, refold


def build(path: Path, key: str, file: ExportFile, finish: Callable[[Database], None]) -> Head:
    """Makes the database that the file is of: its batches to the byte, and all that is folded from them.

    It is whole and synced when this returns, and until then nobody knows of it.

    Args:
        path: where; nothing is there yet.
        key: the database's key.
        file: the file, which is checked on the way.
        finish: called inside the last transaction.

    Raises:
        ImportDamagedError: the file is damaged, or its events do not follow from each other.
        DatabaseError, OSError: the database cannot be written.
    """
    header = file.open()
    create(path, key, header.instance_id)
    db = connect(path, key)
    try:
        journal = SqliteJournal(db)
        book = WorkingSet(db, journal.holding)
        db.conn.execute("BEGIN")
        since = 0
        for number, batch, messages in file.batches():
            journal.append(batch, trade_times(batch, messages))
            _fold(db, book, number, batch, messages)
            book.committed()
            _note_merges(db, messages)
            if (since := since + batch.count) >= REPLAY_FLUSH_EVENTS:
                # Only to keep the write-ahead log short: nobody knows of this database yet.
                db.conn.execute("COMMIT")
                db.conn.execute("BEGIN")
                since = 0
        if book.pending:
            flush_book(db, book, header.head_sequence)
        finish(db)
        db.conn.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        db.close()
    sync_folder(path.parent)
    return Head(header.head_sequence, header.head_hash)


def _fold(
    db: Database, book: WorkingSet, number: int, batch: Batch, messages: list[events_pb2.Event]
) -> None:
    for message in messages:
        try:
            refold(db, book, message, batch.commit_time)
        except (DatabaseError, MemoryError):
            raise
        except Exception:  # noqa: BLE001  # whatever a made-up event breaks, the file is at fault
            raise damaged(number, f"event {message.sequence} does not follow from those before it") from None
        if not message.sequence % BREATHE_EVENTS:
            breathe()


def _note_merges(db: Database, messages: list[events_pb2.Event]) -> None:
    for message in messages:
        if message.WhichOneof("event") == "state_imported":
            merged = message.state_imported
            note_merged(db, merged.source_instance_id, merged.source_head_sequence, merged.source_head_hash)


def trade_times(batch: Batch, messages: list[events_pb2.Event]) -> tuple[int, int] | None:
    """The earliest and latest time that fills of a batch are filed under, as its writer kept them."""
    times = []
    for message in messages:
        kind = message.WhichOneof("event")
        if kind == "fill_recorded" or (kind == "fill_corrected" and message.fill_corrected.applied):
            times.append(time_of(fill_from_message(getattr(message, kind).fill), batch.commit_time))
    return (min(times), max(times)) if times else None
