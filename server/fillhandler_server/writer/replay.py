"""Folding what the journal holds once more, and the rows that come of it: at a start, and for an import."""

from __future__ import annotations

from typing import Any, Final

from fillhandler_server.codec import decode_batch, event_from_message
from fillhandler_server.domain.events import OrdersCleared
from fillhandler_server.engine import fold
from fillhandler_server.journal import EventStore
from fillhandler_server.projections import WorkingBook

REPLAY_FLUSH_EVENTS: Final = 50_000


def replay(store: EventStore, book: WorkingBook) -> None:
    """Folds what the journal holds behind the rows of the projections, and writes those rows."""
    projected = store.projected_sequence
    last = projected
    for batch in store.journal.scan(projected):
        for message in decode_batch(batch.payload):
            if message.sequence > projected:
                refold(store.db, book, message, batch.commit_time)
                last = message.sequence
    if book.pending:
        flush_book(store.db, book, last)


def refold(db: Any, book: WorkingBook, message: Any, commit_time: int) -> None:
    """Folds an event of the journal once more, and writes the rows when there are many."""
    book.now = commit_time
    event = event_from_message(message, book)
    fold(book, event, commit_time)
    book.on_event(event, commit_time)
    if isinstance(event, OrdersCleared) or book.pending_events >= REPLAY_FLUSH_EVENTS:
        flush_book(db, book, message.sequence)


def flush_book(db: Any, book: WorkingBook, sequence: int) -> None:
    """Writes the rows of all that was folded up to a sequence which is in the journal."""
    with db.atomic():
        book.flush(sequence)
    book.committed()
    book.flushed()
