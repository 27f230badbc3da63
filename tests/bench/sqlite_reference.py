"""The reference of the rows about durable fills: the plain table that anybody would write first."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Final

from tests.bench.fills import COLUMNS, FillRow

_TABLE: Final = "CREATE TABLE fills ({}, UNIQUE (venue, account, symbol, trade_id))".format(
    ", ".join(f"{column} TEXT" for column in COLUMNS)
)
_INSERT: Final = f"INSERT INTO fills VALUES ({', '.join('?' * len(COLUMNS))})"


class SqliteReference:
    """stdlib sqlite3, WAL, synchronous FULL, 64 MB cache, a transaction a batch. No gRPC, no encryption."""

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA cache_size = -65536")
        self._db.execute(_TABLE)

    def insert(self, batches: Sequence[Sequence[FillRow]]) -> float:
        """Stores batches; returns seconds."""
        db = self._db
        started = perf_counter()
        for batch in batches:
            db.execute("BEGIN")
            db.executemany(_INSERT, batch)
            db.execute("COMMIT")
        return perf_counter() - started

    def close(self) -> None:
        self._db.close()
