"""Imports: staged, checked whole, then applied all or nothing, each once however often it is sent."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Final

from fillhandler_server.domain.errors import ImportDamagedError, InvalidFieldError, ShuttingDownError
from fillhandler_server.journal.database import Database, DatabaseError, meta
from fillhandler_server.journal.sqlite import SqliteJournal
from fillhandler_server.journal.store import Store
from fillhandler_server.transfer.building import build
from fillhandler_server.transfer.format import Header
from fillhandler_server.transfer.merging import Merge, Merged, merged_head
from fillhandler_server.transfer.reading import Chunks, ExportFile
from fillhandler_server.transfer.staging import Staging, Stagings, out_of_order, store_error
from fillhandler_server.writer import GROUP_BULK_FILLS_MAX, Session, Writer

IMPORT_BYTES_MAX: Final = 64 << 30
FINISHED_MAX: Final = 256

_IMPORT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ALONE: Final = GROUP_BULK_FILLS_MAX + 1
"""A job of this weight shares its group with no other, so none shares its fate."""
_LAST_IMPORT: Final = "last_import"


class ImportMode(IntEnum):
    """Values as in `fillhandler.v1.ImportMode`."""

    REPLACE = 1
    MERGE = 2
    VALIDATE_ONLY = 3


@dataclass(frozen=True, slots=True)
class ImportResult:
    """Fields as in `fillhandler.v1.ImportResult`."""

    mode: int
    source_instance_id: str
    batches: int
    events: int
    fills: int
    orders: int
    new_fills: int
    duplicate_fills: int
    conflicting_fills: int
    appended_events: int
    sequence: int
    applied: bool


@dataclass(frozen=True, slots=True)
class Received:
    """The answer to a chunk."""

    next_chunk_index: int
    received_bytes: int
    result: ImportResult | None = None
    """Set on the last chunk."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One chunk, as it was sent."""

    import_id: str
    index: int
    chunk: bytes = field(repr=False)
    last: bool
    mode: ImportMode

    @classmethod
    def of(cls, import_id: str, index: int, chunk: bytes, last: bool, mode: int) -> Piece:
        """
        Raises:
            InvalidFieldError: the id is outside its grammar, or the mode is none.
        """
        if _IMPORT_ID.fullmatch(import_id) is None:
            raise InvalidFieldError.of("import_id", "must be 1 to 64 of letters, digits, '-' and '_'")
        if mode not in tuple(ImportMode):
            raise InvalidFieldError.of("mode", "must be REPLACE, MERGE or VALIDATE_ONLY")
        return cls(import_id, index, chunk, last, ImportMode(mode))

    @property
    def mark(self) -> str:
        """Tells this chunk from others that may come under its id."""
        text = f"{self.import_id} {self.index} {int(self.mode)} {hashlib.sha256(self.chunk).hexdigest()}"
        return hashlib.sha256(text.encode()).hexdigest()


class Imports:
    """Takes chunks. Blocking and long: call it on a thread of its own, never on the writer's."""

    def __init__(self, store: Store, writer: Writer, bytes_max: int = IMPORT_BYTES_MAX) -> None:
        """
        Args:
            store: the store.
            writer: its writer.
            bytes_max: how large a file may be.
        """
        self._store = store
        self._writer = writer
        self._bytes_max = bytes_max
        self._stagings = Stagings(store.directory.path, store.key.digits)
        self._stagings.remove_stale()
        self._staging_lock = threading.Lock()
        self._apply_lock = threading.Lock()
        self._closing = False
        self._finished: OrderedDict[str, Received] = OrderedDict()
        """By the last chunk's mark. The newest is in the database too, with what it changed."""

    def close(self) -> None:
        """Ends what is under way, as if it had not begun; it goes on when the last chunk is sent again."""
        self._closing = True

    def _go_on(self) -> None:
        if self._closing:
            raise ShuttingDownError("the server is stopping; send the chunk again")

    def receive(self, import_id: str, index: int, chunk: bytes, *, last: bool, mode: int) -> Received:
        """Takes a chunk; the last one has the file checked and applied.

        A chunk that was received before is answered again. So is the last one after all was applied: the
        import is not done twice.

        Raises:
            InvalidFieldError: the id, the mode, or a chunk out of order.
            ImportDamagedError: the file is truncated, altered or foreign; nothing has changed.
            PayloadTooLargeError, TooManyStreamsError: a limit.
            StoreFullError: no room; the chunk can be sent again.
        """
        piece = Piece.of(import_id, index, chunk, last, mode)
        with self._staging_lock:
            if (done := self._done(piece)) is not None:
                return done
            staging = self._stagings.of(import_id)
            count, size = staging.put(index, chunk, last=last, mode=mode, bytes_max=self._bytes_max)
        if not last:
            return Received(count, size)
        with self._apply_lock:
            # Another call with this very chunk may have been faster.
            if (done := self._done(piece)) is not None:
                return done
            if not staging.exists:
                raise out_of_order(0)
            return self._apply(piece, staging, size)

    def receive_whole(self, import_id: str, chunks: Chunks, mode: int) -> ImportResult:
        """Imports a file that this process has at hand, without staging it.

        Raises:
            ImportDamagedError: as `receive`.
        """
        piece = Piece.of(import_id, 0, b"", True, mode)
        with self._apply_lock:
            return self._run(piece, ExportFile(chunks, self._go_on), 0)

    # ------------------------------------------------------------------ once

    def _done(self, piece: Piece) -> Received | None:
        if not piece.last:
            return None
        mark = piece.mark
        if mark in self._finished:
            return self._finished[mark]
        db = self._store.reader()
        try:
            text = meta(db, _LAST_IMPORT)
        finally:
            db.close()
        known = {} if text is None else json.loads(text)
        if known.get("mark") != mark:
            return None
        return Received(piece.index + 1, known["received_bytes"], ImportResult(**known["result"]))

    def _note(self, piece: Piece, size: int, result: ImportResult) -> Callable[[Database], None]:
        """Keeps the result in the database, with the change itself: a restart does not repeat it."""
        text = json.dumps({"mark": piece.mark, "received_bytes": size, "result": asdict(result)})

        def keep(db: Database) -> None:
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", [_LAST_IMPORT, text])

        return keep

    def _apply(self, piece: Piece, staging: Staging, size: int) -> Received:
        try:
            result = self._run(piece, ExportFile(staging.read, self._go_on), size)
        except ImportDamagedError:
            with self._staging_lock:
                staging.remove()
            raise
        received = Received(piece.index + 1, size, result)
        self._finished[piece.mark] = received
        while len(self._finished) > FINISHED_MAX:
            self._finished.popitem(last=False)
        with self._staging_lock:
            staging.remove()
        return received

    def _run(self, piece: Piece, file: ExportFile, size: int) -> ImportResult:
        if piece.mode == ImportMode.MERGE:
            return self._merge(piece, file, size)
        path = self._store.beside()
        try:
            return self._replace(piece, file, size, path)
        except (DatabaseError, OSError) as error:
            raise store_error(error) from None
        finally:
            if self._store.path != path:
                self._store.directory.remove_database(path.name)

    # ------------------------------------------------------------------ the modes

    def _replace(self, piece: Piece, file: ExportFile, size: int, path: Path) -> ImportResult:
        """Also validates: what only a whole rebuild shows is found by a whole rebuild."""
        applied = piece.mode == ImportMode.REPLACE

        def finish(db: Database) -> None:
            self._note(piece, size, self._result(piece, file, applied=applied))(db)

        head = build(path, self._store.key.digits, file, finish)
        if applied:
            instance_id = file.header.instance_id
            switch = self._writer.replace(lambda: (path, instance_id, head))
            self._writer.submit(switch, weight=_ALONE).result()
        return self._result(piece, file, applied=applied)

    def _result(self, piece: Piece, file: ExportFile, *, applied: bool) -> ImportResult:
        tally = file.tally
        return ImportResult(
            mode=int(piece.mode),
            source_instance_id=file.header.instance_id,
            batches=tally.batches,
            events=tally.events,
            fills=tally.fills,
            orders=tally.orders,
            new_fills=tally.fills,
            duplicate_fills=0,
            conflicting_fills=0,
            appended_events=0,
            sequence=file.header.head_sequence if applied else self._writer.head.sequence,
            applied=applied,
        )

    def _merge(self, piece: Piece, file: ExportFile, size: int) -> ImportResult:
        header = file.open()
        heads = self._known_heads(header)
        linked: set[int] = set()
        known = 0
        for _, batch, messages in file.batches():
            if (batch.last_sequence, batch.hash) in heads:
                known = batch.last_sequence
            for message in messages:
                if message.WhichOneof("event") == "order_merged":
                    linked |= {message.order_number, message.order_merged.merged_order_number}
        merge = Merge(file, piece.import_id, linked, known)

        def result(merged: Merged) -> ImportResult:
            return ImportResult(
                mode=int(piece.mode),
                source_instance_id=file.header.instance_id,
                batches=file.tally.batches,
                events=file.tally.events,
                fills=file.tally.fills,
                orders=file.tally.orders,
                new_fills=merged.new_fills,
                duplicate_fills=merged.duplicate_fills,
                conflicting_fills=merged.conflicting_fills,
                appended_events=merged.appended_events,
                sequence=merged.sequence,
                applied=True,
            )

        def work(session: Session, spill: Callable[[], None]) -> Merged:
            def finish(merged: Merged) -> None:
                self._note(piece, size, result(merged))(session.store.db)

            return merge.run(session, spill, finish)

        return result(self._writer.submit(self._writer.exclusive(work), weight=_ALONE).result())

    def _known_heads(self, header: Header) -> set[tuple[int, bytes]]:
        """Heads of the file's journal up to which all of it is here: merged before, or our own."""
        db = self._store.reader()
        try:
            merged = merged_head(db, header.instance_id)
            heads = set() if merged is None else {merged}
            journal = SqliteJournal(db)
            if journal.instance_id == header.instance_id:
                head = journal.head()
                heads |= {(head.sequence, head.hash)}
                with suppress(LookupError):
                    heads |= {(header.head_sequence, journal.holding(header.head_sequence).hash)}
            return heads
        finally:
            db.close()
