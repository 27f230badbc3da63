"""The encrypted SQLite file: connections and migrations.

sqlite-utils runs over SQLCipher by the pysqlite3 shim, which has to be in place before it is imported; its
own sqlite3 build here has a WAL fault (docs/adr/0002). Everything that opens the file goes through here.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import sqlcipher3
import sqlcipher3.dbapi2

sys.modules.setdefault("pysqlite3", sqlcipher3)
sys.modules.setdefault("pysqlite3.dbapi2", sqlcipher3.dbapi2)

import sqlite_utils  # noqa: E402  # after the shim, or it binds the standard library's sqlite3
from sqlite_utils import Migrations  # noqa: E402

from fillhandler_server.codec import decode_batch  # noqa: E402

SCHEMA_VERSION: Final = 3
"""Raised where a program of before must not write to the tables any more: it refuses a newer one."""
CACHE_KIB: Final = 64 * 1024
# Checkpoints of a few pages each would sync the main file all the time.
WAL_AUTOCHECKPOINT_PAGES: Final = 20_000

DatabaseError = sqlcipher3.dbapi2.DatabaseError
"""SQLCipher's own class: it is not sqlite3's."""
OperationalError = sqlcipher3.dbapi2.OperationalError

Database = sqlite_utils.Database


def connect(path: Path, key: str, *, read_only: bool = False, immutable: bool = False) -> Database:
    """Opens the file with a raw key (64 hexadecimal digits).

    Args:
        path: the file.
        key: its key.
        read_only: nothing is written; SQLite's side files may still be made.
        immutable: not even those. Only for a file that nobody writes and that has no write-ahead log.

    Raises:
        DatabaseError: on the first statement that reads, if the key is wrong or the file is no database.
    """
    read_only = read_only or immutable
    uri = f"file:{_uri_path(path)}?mode={'ro' if read_only else 'rwc'}{'&immutable=1' if immutable else ''}"
    connection: Any = sqlcipher3.dbapi2.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    # First of all statements, or SQLCipher prints to stderr.
    connection.execute("PRAGMA cipher_log_level = none")
    connection.execute(f"PRAGMA key = \"x'{key}'\"")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB if not read_only else 8 * 1024}")
    connection.execute("PRAGMA busy_timeout = 10000")
    if not read_only:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_AUTOCHECKPOINT_PAGES}")
    return Database(connection)


def _uri_path(path: Path) -> str:
    return str(path.resolve()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


migrations: Final = Migrations("fillhandler")


@migrations(name="0001_journal")
def _journal(db: Database) -> None:
    db.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID")
    db.execute(
        """
        CREATE TABLE journal (
            first_sequence INTEGER PRIMARY KEY,
            partition INTEGER NOT NULL,
            count INTEGER NOT NULL,
            epoch INTEGER NOT NULL,
            commit_time INTEGER NOT NULL,
            first_trade_time INTEGER,
            last_trade_time INTEGER,
            previous_hash BLOB NOT NULL,
            hash BLOB NOT NULL,
            payload BLOB NOT NULL
        ) STRICT
        """
    )


@migrations(name="0002_projections")
def _projections(db: Database) -> None:
    # Fills: an index into the journal, not a copy of it. One narrow tree keyed by (order number, trade
    # id, leg, side) stays as fast at five million rows as at none (performance.md, trap 3; ADR 0003).
    db.execute(
        """
        CREATE TABLE fills (
            order_number INTEGER NOT NULL,
            trade_id TEXT NOT NULL,
            leg TEXT NOT NULL,
            side INTEGER NOT NULL,
            sequence INTEGER NOT NULL,
            PRIMARY KEY (order_number, trade_id, leg, side)
        ) STRICT, WITHOUT ROWID
        """
    )
    # Only fills that read otherwise than they were recorded: enriched, busted, corrected.
    db.execute(
        """
        CREATE TABLE fill_changes (
            sequence INTEGER PRIMARY KEY,
            content_sequence INTEGER NOT NULL,
            state INTEGER NOT NULL
        ) STRICT
        """
    )
    db.execute(
        """
        CREATE TABLE conflicts (
            order_number INTEGER NOT NULL,
            trade_id TEXT NOT NULL,
            leg TEXT NOT NULL,
            side INTEGER NOT NULL,
            digest TEXT NOT NULL,
            sequence INTEGER NOT NULL,
            PRIMARY KEY (order_number, trade_id, leg, side, digest)
        ) STRICT, WITHOUT ROWID
        """
    )
    db.execute(
        """
        CREATE TABLE reports (
            order_number INTEGER NOT NULL,
            digest TEXT NOT NULL,
            sequence INTEGER NOT NULL,
            PRIMARY KEY (order_number, digest)
        ) STRICT, WITHOUT ROWID
        """
    )
    db.execute(
        """
        CREATE TABLE orders (
            number INTEGER PRIMARY KEY,
            venue TEXT NOT NULL,
            account TEXT NOT NULL,
            market TEXT NOT NULL,
            symbol TEXT NOT NULL,
            order_id TEXT NOT NULL,
            client_order_id TEXT NOT NULL,
            status INTEGER NOT NULL,
            final INTEGER NOT NULL,
            cleared INTEGER NOT NULL,
            update_time INTEGER NOT NULL,
            complete_time INTEGER,
            sequence INTEGER NOT NULL,
            order_quantity TEXT,
            cumulative_quantity TEXT NOT NULL,
            notional TEXT NOT NULL,
            state TEXT NOT NULL
        ) STRICT
        """
    )
    db.execute("CREATE INDEX orders_shown ON orders (final, number) WHERE cleared = 0")
    db.execute(
        """
        CREATE TABLE order_names (
            name TEXT NOT NULL,
            kind INTEGER NOT NULL,
            venue TEXT NOT NULL,
            account TEXT NOT NULL,
            order_number INTEGER NOT NULL,
            PRIMARY KEY (name, kind, venue, account, order_number)
        ) STRICT, WITHOUT ROWID
        """
    )
    # Filled only for symbols where fills without an order id were seen.
    db.execute(
        """
        CREATE TABLE trades (
            venue TEXT NOT NULL,
            account TEXT NOT NULL,
            symbol TEXT NOT NULL,
            trade_id TEXT NOT NULL,
            leg TEXT NOT NULL,
            side INTEGER NOT NULL,
            order_number INTEGER NOT NULL,
            PRIMARY KEY (venue, account, symbol, trade_id, leg, side, order_number)
        ) STRICT, WITHOUT ROWID
        """
    )
    db.execute(
        """
        CREATE TABLE trade_scopes (
            venue TEXT NOT NULL,
            account TEXT NOT NULL,
            symbol TEXT NOT NULL,
            PRIMARY KEY (venue, account, symbol)
        ) STRICT, WITHOUT ROWID
        """
    )


@migrations(name="0003_statistics")
def _statistics(db: Database) -> None:
    # One hour before all others (domain.sums.ALL_HOURS) holds the total over all hours.
    db.execute(
        """
        CREATE TABLE fill_sums (
            venue TEXT NOT NULL,
            account TEXT NOT NULL,
            symbol TEXT NOT NULL,
            kind INTEGER NOT NULL,
            side INTEGER NOT NULL,
            liquidity INTEGER NOT NULL,
            hour INTEGER NOT NULL,
            state TEXT NOT NULL,
            PRIMARY KEY (venue, account, symbol, kind, side, liquidity, hour)
        ) STRICT, WITHOUT ROWID
        """
    )
    db.execute(
        """
        CREATE TABLE order_sums (
            venue TEXT NOT NULL,
            account TEXT NOT NULL,
            symbol TEXT NOT NULL,
            hour INTEGER NOT NULL,
            state TEXT NOT NULL,
            PRIMARY KEY (venue, account, symbol, hour)
        ) STRICT, WITHOUT ROWID
        """
    )
    db.execute(
        """
        CREATE TABLE currencies (
            venue TEXT NOT NULL,
            symbol TEXT NOT NULL,
            kind INTEGER NOT NULL,
            base TEXT NOT NULL,
            quote TEXT NOT NULL,
            PRIMARY KEY (venue, symbol, kind)
        ) STRICT, WITHOUT ROWID
        """
    )


@migrations(name="0004_anomalies")
def _anomalies(db: Database) -> None:
    # Venue, account, symbol and ids are the order's, which may learn them after the anomaly.
    db.execute(
        """
        CREATE TABLE anomalies (
            sequence INTEGER PRIMARY KEY,
            order_number INTEGER NOT NULL,
            kind INTEGER NOT NULL,
            commit_time INTEGER NOT NULL,
            text TEXT NOT NULL
        ) STRICT
        """
    )
    db.execute("CREATE INDEX anomalies_of_order ON anomalies (order_number)")
    # The journal of a store that was made before has anomalies already. Reading it once is minutes shorter
    # than folding it again; what lies behind the projected sequence is folded at the start anyway.
    projected = int(meta(db, "projected_sequence") or 0)
    for commit_time, payload in db.conn.execute(
        "SELECT commit_time, payload FROM journal WHERE first_sequence <= ? ORDER BY first_sequence",
        [projected],
    ):
        for message in decode_batch(bytes(payload)):
            if message.sequence > projected:
                break
            body = message.WhichOneof("event")
            if body == "order_anomaly":
                anomaly = message.order_anomaly
                db.conn.execute(
                    "INSERT INTO anomalies VALUES (?, ?, ?, ?, ?)",
                    (message.sequence, message.order_number, anomaly.kind, commit_time, anomaly.text),
                )
            elif body == "order_merged":
                db.conn.execute(
                    "UPDATE anomalies SET order_number = ? WHERE order_number = ?",
                    (message.order_number, message.order_merged.merged_order_number),
                )


@migrations(name="0005_gaps")
def _gaps(db: Database) -> None:
    # Orders whose venue counts more than was recorded: what a start has to wait for again.
    db.execute("CREATE TABLE gaps (order_number INTEGER PRIMARY KEY) STRICT")


@migrations(name="0006_trades")
def _trades(db: Database) -> None:
    # `trades` is taken: it finds fills by the venue's trade id.
    db.execute(
        """
        CREATE TABLE executed_trades (
            trade_id TEXT PRIMARY KEY,
            request_id TEXT NOT NULL UNIQUE,
            venue TEXT NOT NULL,
            account TEXT NOT NULL,
            symbol TEXT NOT NULL,
            start_time INTEGER NOT NULL,
            start_sequence INTEGER NOT NULL UNIQUE,
            outcome INTEGER NOT NULL,
            finish_time INTEGER,
            sequence INTEGER NOT NULL,
            terms BLOB NOT NULL,
            state TEXT NOT NULL
        ) STRICT
        """
    )
    db.execute(
        "CREATE INDEX orders_inferred ON orders (number) WHERE instr(state, '\"inferred_sequence\"') > 0"
    )
    db.execute("CREATE INDEX active_trades ON executed_trades (start_sequence) WHERE outcome = 0")
    db.execute("CREATE TABLE trade_orders (order_number INTEGER PRIMARY KEY, trade_id TEXT NOT NULL) STRICT")
    db.execute(
        """
        CREATE TABLE attempts (
            sequence INTEGER PRIMARY KEY,
            trade_id TEXT NOT NULL,
            order_number INTEGER NOT NULL,
            operation INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            outcome INTEGER NOT NULL,
            error_class TEXT NOT NULL,
            maybe_applied INTEGER NOT NULL,
            text TEXT NOT NULL,
            delay INTEGER,
            send_time INTEGER NOT NULL,
            commit_time INTEGER NOT NULL
        ) STRICT
        """
    )
    db.execute("CREATE INDEX attempts_of_trade ON attempts (trade_id, sequence)")
    db.execute("CREATE INDEX attempts_of_order ON attempts (order_number)")
    db.execute(
        """
        CREATE TABLE connections (
            venue TEXT NOT NULL,
            account TEXT NOT NULL,
            market TEXT NOT NULL,
            repaired_fills INTEGER NOT NULL,
            confirmed TEXT NOT NULL,
            PRIMARY KEY (venue, account, market)
        ) STRICT, WITHOUT ROWID
        """
    )


@migrations(name="0007_resting_orders")
def _resting_orders(db: Database) -> None:
    # By the last event that moved them: those that ended long ago are found without a look at the others.
    db.execute("CREATE INDEX orders_resting ON orders (sequence) WHERE final = 1 AND cleared = 0")


PROJECTION_TABLES: Final = (
    "executed_trades",
    "trade_orders",
    "attempts",
    "connections",
    "fills",
    "fill_changes",
    "gaps",
    "conflicts",
    "reports",
    "orders",
    "order_names",
    "trades",
    "trade_scopes",
    "fill_sums",
    "order_sums",
    "currencies",
    "anomalies",
)
"""Everything that can be dropped and rebuilt from the journal."""


def create(path: Path, key: str, instance_id: str) -> None:
    """Makes a new database with an empty journal."""
    db = connect(path, key)
    try:
        migrations.apply(db)
        with db.atomic():
            db.execute("INSERT INTO meta VALUES ('instance_id', ?)", [instance_id])
            db.execute("INSERT INTO meta VALUES ('projected_sequence', '0')")
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        db.close()


def migrate(db: Database) -> None:
    """Brings the tables of a database up to this program's schema."""
    # The version first: cut short in between, an older program must not take the database for its own.
    if db.execute("PRAGMA user_version").fetchone()[0] < SCHEMA_VERSION:
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    migrations.apply(db)


def meta(db: Database, name: str) -> str | None:
    """A value of the meta table."""
    row = db.execute("SELECT value FROM meta WHERE name = ?", [name]).fetchone()
    return None if row is None else str(row[0])
