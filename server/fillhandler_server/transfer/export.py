"""Exports: one consistent snapshot of the journal, chunk by chunk, with no state kept between chunks.

All that an export needs to go on is in its page token, so it resumes after a restart, a dropped
connection, or a day. The lines are the same whoever makes them, so the chunks always fit together.
"""

from __future__ import annotations

import binascii
import json
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from fillhandler_server.codec import decode_batch
from fillhandler_server.domain.errors import PageTokenInvalidError
from fillhandler_server.journal import Batch, Head, genesis_hash, link_problem
from fillhandler_server.journal.sqlite import SqliteJournal
from fillhandler_server.journal.store import Store
from fillhandler_server.transfer.format import Header, Tally, batch_line, head_of

CHUNK_BYTES: Final = 1 << 20
CHUNK_BYTES_MIN: Final = 4 << 10
CHUNK_BYTES_MAX: Final = 3 << 20
"""Below gRPC's message limit of 4 MiB."""

_TOKEN_MAX: Final = 2_000
_CACHED_LINES: Final = 4


_NOTHING: Final = Tally()


@dataclass(frozen=True, slots=True)
class Chunk:
    """The next bytes of an export file."""

    data: bytes
    next_page_token: str
    """Empty on the last chunk."""
    batches: int
    events: int
    total_events: int


@dataclass(frozen=True, slots=True)
class _Position:
    """Where an export is: the pinned head, the line to go on with, and what the lines before come to."""

    instance_id: str
    head_sequence: int
    head_hash: bytes
    offset: int = 0
    """Bytes of the line that are out already."""
    sequence: int = 0
    """Last sequence of the last line that is out."""
    hash: bytes = b""
    """Hash of that batch; empty while the header is not out."""
    tally: Tally = _NOTHING

    @property
    def header(self) -> Header:
        return Header(self.instance_id, self.head_sequence, self.head_hash)

    def to_token(self) -> str:
        tally = self.tally
        body = [
            self.instance_id,
            self.head_sequence,
            self.head_hash.hex(),
            self.offset,
            self.sequence,
            self.hash.hex(),
            [tally.batches, tally.events, tally.fills, tally.orders, tally.digest.hex()],
        ]
        return urlsafe_b64encode(json.dumps(body, separators=(",", ":")).encode()).decode()

    @classmethod
    def from_token(cls, token: str) -> _Position:
        """
        Raises:
            ValueError: nobody got this token from us.
        """
        if len(token) > _TOKEN_MAX:
            raise ValueError("it is too long")
        body: Any = json.loads(urlsafe_b64decode(token.encode("ascii")))
        instance_id, head_sequence, head_hash, offset, sequence, hash_, tally = body
        *counts, digest = tally
        batches, events, fills, orders = counts
        numbers = [head_sequence, offset, sequence, *counts]
        if any(type(n) is not int or not 0 <= n < 1 << 63 for n in numbers):
            raise ValueError("it holds other numbers")
        hashes = [bytes.fromhex(text) for text in (head_hash, hash_, digest)]
        if type(instance_id) is not str or [len(h) for h in hashes] not in ([32, 32, 32], [32, 0, 32]):
            raise ValueError("it holds other things")
        if sequence > head_sequence:
            raise ValueError("it is beyond its own end")
        return cls(
            instance_id,
            head_sequence,
            hashes[0],
            offset,
            sequence,
            hashes[1],
            Tally(batches, events, fills, orders, hashes[2]),
        )


class Exports:
    """Makes chunks. Blocking and long: call it on a thread of its own, never on the writer's."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lines: OrderedDict[bytes, tuple[bytes, Tally]] = OrderedDict()
        """Lines that went out in part, by the hash before them: small chunks of a large batch would make
        its line each time."""
        self._lock = threading.Lock()

    def chunk(self, page_token: str = "", max_chunk_bytes: int = 0) -> Chunk:
        """The chunk that a token asks for; without one the first of a new export, which pins the head.

        Args:
            page_token: `next_page_token` of the chunk before.
            max_chunk_bytes: at most this many bytes; 0 means 1 MiB, clamped to 4 KiB – 3 MiB.

        Raises:
            PageTokenInvalidError: the token is not this journal's.
        """
        size = min(max(max_chunk_bytes or CHUNK_BYTES, CHUNK_BYTES_MIN), CHUNK_BYTES_MAX)
        db = self._store.reader()
        try:
            journal = SqliteJournal(db)
            at = self._resume(journal, page_token) if page_token else self._begin(journal)
            parts: list[bytes] = []
            room, done = size, False
            while room and not done:
                line, tally, batch = self._line(journal, at)
                if at.offset >= len(line):
                    raise _not_ours("it points beyond a line")
                part = line[at.offset : at.offset + room]
                parts.append(part)
                room -= len(part)
                if at.offset + len(part) < len(line):
                    at = replace(at, offset=at.offset + len(part))
                    self._keep(at, line, tally)
                elif at.hash and batch is None:
                    done = True
                else:
                    end = Head(0, genesis_hash(at.instance_id)) if batch is None else head_of(batch)
                    at = replace(at, offset=0, sequence=end.sequence, hash=end.hash, tally=tally)
        finally:
            db.close()
        return Chunk(
            b"".join(parts),
            "" if done else at.to_token(),
            at.tally.batches,
            at.tally.events,
            at.head_sequence,
        )

    def chunks(self, max_chunk_bytes: int = CHUNK_BYTES_MAX) -> Iterator[bytes]:
        """A whole export."""
        token = ""
        while True:
            chunk = self.chunk(token, max_chunk_bytes)
            yield chunk.data
            token = chunk.next_page_token
            if not token:
                return

    def _begin(self, journal: SqliteJournal) -> _Position:
        head = journal.head()
        return _Position(journal.instance_id, head.sequence, head.hash)

    def _resume(self, journal: SqliteJournal, token: str) -> _Position:
        try:
            at = _Position.from_token(token)
        except (ValueError, TypeError, binascii.Error, RecursionError):
            raise _not_ours("it is not one that this server gave out") from None
        if at.instance_id != journal.instance_id:
            raise _not_ours("it is another journal's")
        if _hash_at(journal, at.head_sequence) != at.head_hash:
            raise _not_ours("the journal was replaced since")
        if at.hash and _hash_at(journal, at.sequence) != at.hash:
            raise _not_ours("it points into a batch")
        return at

    def _line(self, journal: SqliteJournal, at: _Position) -> tuple[bytes, Tally, Batch | None]:
        """The line at a position, the tally after it, and the batch if it is one's."""
        if not at.hash:
            line = at.header.line()
            return line, at.tally.with_header(line), None
        if at.sequence == at.head_sequence:
            return at.tally.line(), at.tally, None
        batch = journal.read(at.sequence, 1)[0]
        with self._lock:
            kept = self._lines.pop(at.hash, None)
        if kept is not None and at.offset:
            return *kept, batch
        # A backup that cannot be put back is none: better no export than a damaged one.
        if problem := link_problem(batch, Head(at.sequence, at.hash)):
            raise RuntimeError(f"the journal is damaged: {problem}; run fillhandler verify")
        messages = decode_batch(batch.payload)
        line = batch_line(batch, messages)
        return line, at.tally.with_batch(line, messages), batch

    def _keep(self, at: _Position, line: bytes, tally: Tally) -> None:
        if at.hash and at.sequence != at.head_sequence:
            with self._lock:
                self._lines[at.hash] = (line, tally)
                while len(self._lines) > _CACHED_LINES:
                    self._lines.popitem(last=False)


def _hash_at(journal: SqliteJournal, sequence: int) -> bytes:
    """The hash of the batch that ends with a sequence; empty where none does."""
    if not sequence:
        return genesis_hash(journal.instance_id)
    try:
        batch = journal.holding(sequence)
    except LookupError:
        return b""
    return batch.hash if batch.last_sequence == sequence else b""


def _not_ours(why: str) -> PageTokenInvalidError:
    return PageTokenInvalidError(
        f"page_token cannot be used: {why}; start a new export without it", field="page_token"
    )
