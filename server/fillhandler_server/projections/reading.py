"""Lists of orders and fills, read from the rows and the journal over a reader's connection."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Final

from fillhandler_server.codec import FILL_BODIES, decode_batch, fill_of
from fillhandler_server.domain.fills import Fill, FillState, time_of
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.sums import Scope, Sums
from fillhandler_server.journal import Batch
from fillhandler_server.journal.database import Database
from fillhandler_server.journal.sqlite import SqliteJournal
from fillhandler_server.projections import (
    AnomalyQuery,
    AttemptQuery,
    FillQuery,
    ListedAnomaly,
    ListedAttempt,
    ListedFill,
    ListedTrade,
    OrderQuery,
    Page,
    TradeQuery,
)
from fillhandler_server.projections.anomalies import list_anomalies
from fillhandler_server.projections.paging import read_token, write_token
from fillhandler_server.projections.ranges import sums_of
from fillhandler_server.projections.rows import COLUMNS, order_from_row
from fillhandler_server.projections.trades import list_attempts, list_trades

# A page ends after this many events even if few of them fit, so that no call reads the whole journal.
_SCAN_EVENTS_MAX: Final = 50_000
_SCAN_BATCHES: Final = 32


def list_orders(db: Database, query: OrderQuery, size: int, token: str) -> Page[Order]:
    """A page of orders by number.

    Raises:
        PageTokenInvalidError: the token is not of a page of this query.
    """
    where, values = ["cleared = 0", "number > ?"], [read_token(token, query)]
    if query.final is not None:
        where.append("final = ?")
        values.append(int(query.final))
    for column in ("venue", "account", "symbol"):
        if getattr(query, column):
            where.append(f"{column} = ?")
            values.append(getattr(query, column))
    if query.start_time is not None:
        where.append("update_time >= ?")
        values.append(query.start_time)
    if query.end_time is not None:
        where.append("update_time < ?")
        values.append(query.end_time)
    rows = db.execute(
        f"SELECT {COLUMNS} FROM orders WHERE {' AND '.join(where)} ORDER BY number LIMIT ?",
        [*values, size + 1],
    ).fetchall()
    orders = [order_from_row(row) for row in rows[:size]]
    more = len(rows) > size
    return Page(orders, write_token(orders[-1].number, query) if more else "")


def list_fills(db: Database, query: FillQuery, size: int, token: str) -> Page[ListedFill]:
    """A page of fills in the order they were recorded; it may be short and still have a next one.

    Raises:
        PageTokenInvalidError: the token is not of a page of this query.
    """
    after = read_token(token, query)
    if query.order_id:
        return _fills_of_orders(db, query, size, after)
    return _scan_fills(db, query, size, after)


def _fills_of_orders(db: Database, query: FillQuery, size: int, after: int) -> Page[ListedFill]:
    rows = db.execute(
        f"SELECT {COLUMNS} FROM orders WHERE number IN"
        " (SELECT order_number FROM order_names WHERE name = ? AND kind = 0)",
        [query.order_id],
    ).fetchall()
    orders = {row[0]: order_from_row(row) for row in rows}
    sequences = sorted(
        (sequence, number)
        for number in orders
        for (sequence,) in db.execute(
            "SELECT sequence FROM fills WHERE order_number = ? AND sequence > ?", [number, after]
        )
    )
    found: list[ListedFill] = []
    contents = Contents(db)
    for sequence, number in sequences:
        fill, state = contents.fill(sequence)
        if _fits(fill, state, query, contents.commit_time(sequence)):
            if len(found) == size:
                return Page(found, write_token(found[-1].sequence, query))
            found.append(ListedFill(fill, state, sequence, orders[number]))
    return Page(found, "")


def _scan_fills(db: Database, query: FillQuery, size: int, after: int) -> Page[ListedFill]:
    journal = SqliteJournal(db)
    contents = Contents(db)
    found: list[tuple[ListedFill, int]] = []
    seen = 0
    while True:
        batches = journal.overlapping(after, query.start_time, query.end_time, _SCAN_BATCHES)
        if not batches:
            return Page(_with_orders(db, found), "")
        for batch in batches:
            for message in decode_batch(batch.payload):
                body = message.WhichOneof("event")
                seen += 1
                if message.sequence <= after or body not in FILL_BODIES or body == "fill_enriched":
                    continue
                if body == "fill_corrected" and not contents.recorded(message):
                    continue
                if query.symbol and message.symbol != query.symbol:
                    continue
                if query.venue and message.venue != query.venue:
                    continue
                state, fill = contents.overlay(message)
                if _fits(fill, state, query, batch.commit_time):
                    listed = ListedFill(fill, state, message.sequence, None)
                    found.append((listed, message.order_number))
                    if len(found) == size:
                        return Page(_with_orders(db, found), write_token(message.sequence, query))
            after = batch.last_sequence
            if seen >= _SCAN_EVENTS_MAX:
                return Page(_with_orders(db, found), write_token(after, query))


def _fits(fill: Fill, state: int, query: FillQuery, commit_time: int) -> bool:
    if state != FillState.STANDING and not query.include_reversed:
        return False
    if (query.venue and fill.venue != query.venue) or (query.symbol and fill.symbol != query.symbol):
        return False
    if query.account and fill.account != query.account:
        return False
    time = time_of(fill, commit_time)
    if query.start_time is not None and time < query.start_time:
        return False
    return query.end_time is None or time < query.end_time


def _with_orders(db: Database, found: list[tuple[ListedFill, int]]) -> list[ListedFill]:
    """Adds the orders, which know by now what a fill may have come without: market, order id."""
    numbers = sorted({number for _, number in found})
    orders = {
        row[0]: order_from_row(row)
        for row in db.execute(
            f"SELECT {COLUMNS} FROM orders WHERE number IN (SELECT value FROM json_each(?))",
            [json.dumps(numbers)],
        )
    }
    return [replace(listed, order=orders.get(number)) for listed, number in found]


class Contents:
    """What fills read as now: the journal's events with the changes over them."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._journal = SqliteJournal(db)
        self._first = 0
        self._messages: list[Any] = []
        self._commit_time = 0

    def _message(self, sequence: int) -> Any:
        if not self._first <= sequence < self._first + len(self._messages):
            batch = self._journal.holding(sequence)
            self._first, self._messages = batch.first_sequence, decode_batch(batch.payload)
            self._commit_time = batch.commit_time
        return self._messages[sequence - self._first]

    def commit_time(self, sequence: int) -> int:
        """When the event at a sequence was committed."""
        self._message(sequence)
        return self._commit_time

    def change(self, sequence: int) -> tuple[int, int]:
        """Where the content of the fill recorded at a sequence stands now, and its state."""
        row = self._db.execute(
            "SELECT content_sequence, state FROM fill_changes WHERE sequence = ?", [sequence]
        ).fetchone()
        return (sequence, int(FillState.STANDING)) if row is None else (row[0], row[1])

    def fill(self, sequence: int) -> tuple[Fill, int]:
        """The fill recorded at a sequence as it reads now, and its state."""
        content, state = self.change(sequence)
        return fill_of(self._message(content)), state

    def overlay(self, message: Any) -> tuple[int, Fill]:
        """State and content now of the fill that an event recorded."""
        content, state = self.change(message.sequence)
        if content == message.sequence:
            return state, fill_of(message)
        return state, fill_of(self._message(content))

    def recorded(self, message: Any) -> bool:
        """Whether a correction's event is the one that recorded its fill (and not only a link to it)."""
        if not message.fill_corrected.applied:
            return False
        fill = message.fill_corrected.fill
        row = self._db.execute(
            "SELECT 1 FROM fills WHERE sequence = ? AND trade_id = ? AND order_number = ?",
            [message.sequence, fill.trade_id, message.order_number],
        ).fetchone()
        return row is not None


class StoreReader:
    """Implements `projections.Reader` over one read-only connection."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def list_orders(self, query: OrderQuery, size: int, token: str) -> Page[Order]:
        """See `list_orders`."""
        return list_orders(self._db, query, size, token)

    def list_fills(self, query: FillQuery, size: int, token: str) -> Page[ListedFill]:
        """See `list_fills`."""
        return list_fills(self._db, query, size, token)

    def list_anomalies(self, query: AnomalyQuery, size: int, token: str) -> Page[ListedAnomaly]:
        """See `anomalies.list_anomalies`."""
        return list_anomalies(self._db, query, size, token)

    def list_trades(self, query: TradeQuery, size: int, token: str) -> Page[ListedTrade]:
        """See `trades.list_trades`."""
        return list_trades(self._db, query, size, token)

    def list_attempts(self, query: AttemptQuery, size: int, token: str) -> Page[ListedAttempt]:
        """See `trades.list_attempts`."""
        return list_attempts(self._db, query, size, token)

    def batches(self, after_sequence: int, limit: int) -> list[Batch]:
        """At most `limit` batches that hold events after a sequence, in order."""
        return SqliteJournal(self._db).read(after_sequence, limit)

    def sequence_before(self, time: int) -> int:
        """The last sequence committed before a time; 0 if none."""
        return SqliteJournal(self._db).sequence_before(time)

    def sums_of(self, scope: Scope, stopped: Callable[[], bool]) -> AbstractContextManager[Sums]:
        """See `ranges.sums_of`."""
        return sums_of(self._db, scope, stopped)

    def close(self) -> None:
        """Closes the connection."""
        self._db.close()
