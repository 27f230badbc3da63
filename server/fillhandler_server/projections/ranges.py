"""Sums over a time range, read from the rows and the journal over a reader's connection.

Whole hours come from the stored sums of hours. Of an hour that the range cuts, the fills are read from the
journal, as they stand now.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final

from fillhandler_server.codec import decode_batch, fill_of, from_timestamp
from fillhandler_server.domain.fills import Fill, FillState
from fillhandler_server.domain.sums import (
    ALL_HOURS,
    HOUR,
    Counted,
    FillGroup,
    FillSum,
    OrderGroup,
    OrderSum,
    Scope,
    Sums,
)
from fillhandler_server.journal import Batch
from fillhandler_server.journal.database import Database, meta
from fillhandler_server.journal.sqlite import SqliteJournal

_BATCHES: Final = 8
_ROWS: Final = 1_000
_NO_HOUR: Final = 1 << 62
_LAST: Final = (1 << 63) - 1

_FILL_GROUP: Final = ("venue", "account", "symbol", "kind", "side", "liquidity")
_ORDER_GROUP: Final = ("venue", "account", "symbol")


class StoppedError(Exception):
    """Nobody waits for the result any more."""


@contextmanager
def sums_of(db: Database, scope: Scope, stopped: Callable[[], bool] = bool) -> Iterator[Sums]:
    """All sums of a scope, as of one moment at or after the last flush. They are read as they are used.

    The orders are all there are; with a time range those whose first event was committed in it. Completed
    orders are those of every hour that begins in the range.

    Args:
        db: a reader's connection, in no transaction.
        scope: what counts.
        stopped: asked now and then; once it is True the reading ends.

    Raises:
        StoppedError: `stopped` said so.
    """
    db.conn.execute("BEGIN")  # one snapshot for rows and journal
    try:
        reading = _Reading(db, scope, stopped)
        yield Sums(
            fills=reading.fills(),
            orders=reading.orders(),
            completed=reading.completed(),
            currencies={
                (venue, symbol, kind): (base, quote)
                for venue, symbol, kind, base, quote in db.execute(
                    "SELECT venue, symbol, kind, base, quote FROM currencies"
                )
            },
            sequence=reading.projected,
        )
    finally:
        db.conn.execute("ROLLBACK")


class _Reading:
    def __init__(self, db: Database, scope: Scope, stopped: Callable[[], bool]) -> None:
        self._db = db
        self._journal = SqliteJournal(db)
        self._scope = scope
        self._stopped = stopped
        self.projected = int(meta(db, "projected_sequence") or 0)
        """Rows reach so far; what the journal holds behind it does not count."""

    def _check(self) -> None:
        if self._stopped():
            raise StoppedError

    # ------------------------------------------------------------------ stored sums

    def _groups(self, table: str, names: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
        """The groups of a table in the scope, each found by one step in its key, whatever hours it has."""
        columns = ", ".join(names)
        statement = (
            f"SELECT {columns} FROM {table} WHERE ({columns}, hour) > ({', '.join('?' * (len(names) + 1))})"
            f" ORDER BY {columns}, hour LIMIT 1"
        )
        # Kinds and sides are not negative, so this is before the venue's first group.
        at: tuple[Any, ...] = (self._scope.venue, "", "", -1, -1, -1)[: len(names)]
        while (row := self._db.execute(statement, [*at, _LAST]).fetchone()) is not None:
            at = tuple(row)
            if self._scope.venue and at[0] != self._scope.venue:
                return
            if self._scope.takes(at):
                yield at

    def _stored(
        self, table: str, names: tuple[str, ...], first: int, last: int
    ) -> Iterator[tuple[Any, int, dict[str, Any]]]:
        """Stored sums of the scope with first <= hour < last."""
        where = " AND ".join(f"{name} = ?" for name in names)
        for group in self._groups(table, names):
            self._check()
            for hour, state in self._db.execute(
                f"SELECT hour, state FROM {table} WHERE {where} AND hour >= ? AND hour < ?",
                [*group, first, last],
            ):
                yield group, hour, json.loads(state)

    def completed(self) -> Iterator[tuple[OrderGroup, int, OrderSum]]:
        """Orders by the hour of completion: of every hour that begins in the range."""
        start, end = self._scope.start_time, self._scope.end_time
        first = ALL_HOURS + 1 if start is None else -(-start // HOUR)
        last = _NO_HOUR if end is None else -(-end // HOUR)
        for group, hour, state in self._stored("order_sums", _ORDER_GROUP, first, last):
            yield group, hour, OrderSum.from_json(state)

    def fills(self) -> Iterator[tuple[FillGroup, int, FillSum]]:
        """Fills by hour."""
        start, end = self._scope.start_time, self._scope.end_time
        first = ALL_HOURS + 1 if start is None else -(-start // HOUR)
        last = _NO_HOUR if end is None else end // HOUR
        for group, hour, state in self._stored("fill_sums", _FILL_GROUP, first, last):
            yield group, hour, FillSum.from_json(state)
        if start is not None and end is not None and first > last:
            yield from self._cut(start, end)  # within one hour
            return
        if start is not None and start < first * HOUR:
            yield from self._cut(start, first * HOUR)
        if end is not None and last * HOUR < end:
            yield from self._cut(last * HOUR, end)

    # ------------------------------------------------------------------ fills of hours that are cut

    def _cut(self, start: int, end: int) -> Iterator[tuple[FillGroup, int, FillSum]]:
        """Fills with a time in [start, end), from the journal."""
        sums: dict[tuple[FillGroup, int], FillSum] = {}
        after = 0
        while batches := self._journal.overlapping(after, start, end, _BATCHES):
            for batch in batches:
                self._check()
                self._cut_batch(batch, start, end, sums)
            after = batches[-1].last_sequence
            if after >= self.projected:
                break
        for (group, hour), found in sums.items():
            yield group, hour, found

    def _cut_batch(
        self, batch: Batch, start: int, end: int, sums: dict[tuple[FillGroup, int], FillSum]
    ) -> None:
        found = [
            (message, time)
            for message, fill, time in _recorded(batch)
            if start <= time < end and message.sequence <= self.projected
            if self._scope.takes((fill.venue, fill.account, fill.symbol))
        ]
        if not found:
            return
        changes = {
            sequence: (content, state)
            for sequence, content, state in self._db.execute(
                "SELECT sequence, content_sequence, state FROM fill_changes WHERE sequence BETWEEN ? AND ?",
                [batch.first_sequence, batch.last_sequence],
            )
        }
        contracts = self._contracts({message.order_number for message, _ in found})
        reading = []
        for message, time in found:
            number = self._owner(message, contracts)
            if number is not None:
                content, state = changes.get(message.sequence, (message.sequence, FillState.STANDING))
                reading.append((content, time, state, contracts[number]))
        # In the journal's order, so that a batch with many enrichments is decoded once.
        reading.sort(key=lambda entry: entry[0])
        contents = _Contents(self._journal, batch)
        for content, time, state, (order_kind, order_multiplier) in reading:
            fill = contents.fill(content)
            kind = fill.contract_kind or order_kind
            group = (
                fill.venue, fill.account, fill.symbol, kind, int(fill.side), int(fill.liquidity)
            )  # fmt: skip
            part = sums.setdefault((group, time // HOUR), FillSum())
            if state == FillState.STANDING:
                part.add(fill, kind, fill.multiplier if fill.multiplier is not None else order_multiplier)
            else:
                part.reversed += 1

    def _contracts(self, numbers: set[int]) -> dict[int, tuple[int, Decimal | None]]:
        """Contract kind and multiplier of orders; none of those that were merged into others."""
        return {
            number: (kind or 0, None if multiplier is None else Decimal(multiplier))
            for number, kind, multiplier in self._db.execute(
                "SELECT number, json_extract(state, '$.contract_kind'), json_extract(state, '$.multiplier')"
                " FROM orders WHERE number IN (SELECT value FROM json_each(?))",
                [json.dumps(list(numbers))],
            )
        }

    def _owner(self, message: Any, contracts: dict[int, tuple[int, Decimal | None]]) -> int | None:
        """The order that holds the fill now; None where this event is not the one that recorded it.

        A correction may concern a fill that was recorded before, and of two orders that became one each
        may have held a copy.
        """
        body = message.WhichOneof("event")
        if body == "fill_recorded" and message.order_number in contracts:
            return int(message.order_number)
        fill: Fill = fill_of(message)
        row = self._db.execute(
            "SELECT order_number FROM fills WHERE order_number IN (SELECT ? UNION"
            " SELECT order_number FROM order_names WHERE name IN (?, ?) AND venue = ? AND account = ? UNION"
            " SELECT order_number FROM trades WHERE venue = ? AND account = ? AND symbol = ?"
            " AND trade_id = ? AND leg = ? AND side = ?)"
            " AND trade_id = ? AND leg = ? AND side = ? AND sequence = ?",
            [
                message.order_number,
                *(fill.order_id or message.order_id, fill.client_order_id or message.client_order_id),
                *(fill.venue, fill.account),
                *(fill.venue, fill.account, fill.symbol),
                *fill.key,
                *fill.key,
                message.sequence,
            ],
        ).fetchone()
        if row is None:
            return None
        if row[0] not in contracts:
            contracts.update(self._contracts({row[0]}))
        return int(row[0])

    # ------------------------------------------------------------------ orders

    def orders(self) -> Iterator[tuple[OrderGroup, OrderSum]]:
        """All orders of the scope; with a time range those with a first event in it."""
        if not self._scope.is_timed:
            for group, _, state in self._stored("order_sums", _ORDER_GROUP, ALL_HOURS, ALL_HOURS + 1):
                yield group, OrderSum.from_json(state)
            return
        first, last = self._sequences()
        sums: dict[OrderGroup, OrderSum] = {}
        where, values = self._where("orders")
        rows = self._db.execute(
            f"SELECT json_extract(state, '$.counted') FROM orders WHERE number > ? AND number <= ?{where}",
            [first, last, *values],
        )
        while chunk := rows.fetchmany(_ROWS):
            self._check()
            for (state,) in chunk:
                counted = Counted.from_json(json.loads(state))
                sums.setdefault(counted.group, OrderSum()).count(counted)
        for venue, account, symbol, count in self._db.execute(
            "SELECT orders.venue, orders.account, orders.symbol, count(*) FROM conflicts"
            " JOIN orders ON orders.number = conflicts.order_number"
            f" WHERE conflicts.sequence > ? AND conflicts.sequence <= ?{where} GROUP BY 1, 2, 3",
            [first, last, *values],
        ):
            sums.setdefault((venue, account, symbol), OrderSum()).conflicts += count
        yield from sums.items()

    def _sequences(self) -> tuple[int, int]:
        """The last sequence before the range, and the last in it."""
        start, end = self._scope.start_time, self._scope.end_time
        first = 0 if start is None else self._journal.sequence_before(start)
        last = self.projected if end is None else self._journal.sequence_before(end)
        return first, min(last, self.projected)

    def _where(self, table: str) -> tuple[str, list[str]]:
        chosen = [(name, getattr(self._scope, name)) for name in _ORDER_GROUP if getattr(self._scope, name)]
        return "".join(f" AND {table}.{name} = ?" for name, _ in chosen), [value for _, value in chosen]


def _recorded(batch: Batch) -> Iterator[tuple[Any, Any, int]]:
    """The events of a batch that may have recorded a fill, that fill, and the time it is filed under."""
    for message in decode_batch(batch.payload):
        body = message.WhichOneof("event")
        if body == "fill_recorded":
            fill = message.fill_recorded.fill
        elif body == "fill_corrected" and message.fill_corrected.applied:
            fill = message.fill_corrected.fill
        else:
            continue
        # As `domain.fills.time_of`, before anything else of the fill is read.
        if fill.HasField("trade_time"):
            yield message, fill, from_timestamp(fill.trade_time)
        elif fill.HasField("receive_time"):
            yield message, fill, from_timestamp(fill.receive_time)
        else:
            yield message, fill, batch.commit_time


class _Contents:
    """Fills by the sequence of the event that holds what they say now."""

    def __init__(self, journal: SqliteJournal, batch: Batch) -> None:
        self._journal = journal
        self._hold(batch)

    def _hold(self, batch: Batch) -> None:
        self._first = batch.first_sequence
        self._messages = decode_batch(batch.payload)

    def fill(self, sequence: int) -> Fill:
        if not 0 <= sequence - self._first < len(self._messages):
            self._hold(self._journal.holding(sequence))
        return fill_of(self._messages[sequence - self._first])
