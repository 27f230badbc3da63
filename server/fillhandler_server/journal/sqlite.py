"""The journal in SQLite: one row a batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from fillhandler_server.journal import Batch, Head, genesis_hash
from fillhandler_server.journal.database import Database, meta

_COLUMNS: Final = "first_sequence, count, commit_time, previous_hash, hash, payload, partition, epoch"
_SCAN_BATCHES: Final = 64


class SqliteJournal:
    """Reads and appends over one connection; not to be used from two threads at once."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.instance_id = meta(db, "instance_id") or ""

    def head(self) -> Head:
        """The end of the journal; the genesis hash where it is empty."""
        row = self._db.execute(
            "SELECT first_sequence + count - 1, hash, commit_time FROM journal"
            " ORDER BY first_sequence DESC LIMIT 1"
        ).fetchone()
        if row is None:
            return Head(0, genesis_hash(self.instance_id))
        return Head(row[0], bytes(row[1]), row[2])

    def append(self, batch: Batch, trade_times: tuple[int, int] | None) -> None:
        """Adds a batch, inside the caller's transaction.

        The compare-and-set on the head is the primary key here: this store has one writer, by a lock.
        `trade_times` are the earliest and latest trade time in it, for reading by time.
        """
        first, last = trade_times if trade_times is not None else (None, None)
        self._db.conn.execute(
            "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                batch.first_sequence,
                batch.partition,
                batch.count,
                batch.epoch,
                batch.commit_time,
                first,
                last,
                batch.previous_hash,
                batch.hash,
                batch.payload,
            ),
        )

    def read(self, after_sequence: int, limit: int) -> list[Batch]:
        """At most `limit` batches that hold events after a sequence, in order."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM journal WHERE first_sequence >= coalesce("
            " (SELECT max(first_sequence) FROM journal WHERE first_sequence <= ?), 0)"
            " AND first_sequence + count - 1 > ? ORDER BY first_sequence LIMIT ?",
            [after_sequence + 1, after_sequence, limit],
        ).fetchall()
        return [_batch(row) for row in rows]

    def holding(self, sequence: int) -> Batch:
        """The batch that holds a sequence.

        Raises:
            LookupError: no batch does.
        """
        row = self._db.execute(
            f"SELECT {_COLUMNS} FROM journal WHERE first_sequence <= ? ORDER BY first_sequence DESC LIMIT 1",
            [sequence],
        ).fetchone()
        if row is None or sequence >= row[0] + row[1]:
            raise LookupError(f"no batch holds sequence {sequence}")
        return _batch(row)

    def scan(self, after_sequence: int = 0) -> Iterator[Batch]:
        """Every batch that holds events after a sequence, in order."""
        while batches := self.read(after_sequence, _SCAN_BATCHES):
            yield from batches
            after_sequence = batches[-1].last_sequence

    def overlapping(
        self, after_sequence: int, start_time: int | None, end_time: int | None, limit: int
    ) -> list[Batch]:
        """Batches after a sequence that may hold fills with a trade time in [start, end)."""
        conditions = ["first_sequence + count - 1 > ?", "last_trade_time IS NOT NULL"]
        values: list[Any] = [after_sequence]
        if start_time is not None:
            conditions.append("last_trade_time >= ?")
            values.append(start_time)
        if end_time is not None:
            conditions.append("first_trade_time < ?")
            values.append(end_time)
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM journal WHERE first_sequence >= coalesce("
            " (SELECT max(first_sequence) FROM journal WHERE first_sequence <= ?), 0) AND "
            + " AND ".join(conditions)
            + " ORDER BY first_sequence LIMIT ?",
            [after_sequence + 1, *values, limit],
        ).fetchall()
        return [_batch(row) for row in rows]

    def sequence_before(self, time: int) -> int:
        """The last sequence committed before a time; 0 if none.

        By bisection over the key: commit times never go back, so they need no index of their own.
        """
        low, high = 0, self.head().sequence
        while low < high:
            middle = (low + high + 1) // 2
            row = self._db.execute(
                "SELECT first_sequence, count, commit_time FROM journal WHERE first_sequence <= ?"
                " ORDER BY first_sequence DESC LIMIT 1",
                [middle],
            ).fetchone()
            if row[2] < time:
                low = max(middle, row[0] + row[1] - 1)
            else:
                high = row[0] - 1
        return low


def _batch(row: tuple[Any, ...]) -> Batch:
    return Batch(
        first_sequence=row[0],
        count=row[1],
        commit_time=row[2],
        previous_hash=bytes(row[3]),
        hash=bytes(row[4]),
        payload=bytes(row[5]),
        partition=row[6],
        epoch=row[7],
    )
