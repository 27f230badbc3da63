"""The engine's book: the orders at hand, in memory, over the projections in the database.

Changes are folded in memory at once; their rows are written by `flush`, in the writer's transaction. What
is in memory is therefore always ahead of or equal to the rows, and every look-up asks memory first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Final

from fillhandler_server.domain.events import (
    AnomalyKind,
    Event,
    FillRecorded,
    OrderAnomaly,
    OrderReported,
    OrdersCleared,
    PlainEvent,
    TradeEvent,
)
from fillhandler_server.domain.fills import Fill, FillKey, FillState
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.reports import report_digest
from fillhandler_server.journal import Batch, EventStore
from fillhandler_server.journal.database import Database, meta
from fillhandler_server.projections.contents import Contents
from fillhandler_server.projections.flushing import NewRows, clear_condition, clear_statement
from fillhandler_server.projections.rows import COLUMNS, order_from_row, order_to_row
from fillhandler_server.projections.statistics import Statistics
from fillhandler_server.projections.trades import TradeRows

_ORDER_ID: Final = 0
_CLIENT_ORDER_ID: Final = 1
_Name = tuple[int, str, str, str]
"""kind, venue, account, name"""

ORDERS_MAX: Final = 100_000
FILL_KEYS_MAX: Final = 2_000_000
NAMES_MAX: Final = 500_000
_PREFETCH_MIN: Final = 4


class WorkingSet:
    """Implements `domain.events.Book`. Owned by the writer's thread."""

    def __init__(self, db: Database, holding: Callable[[int], Batch]) -> None:
        """
        Args:
            db: the writer's connection.
            holding: the journal's batch that holds a sequence.
        """
        self._db = db
        self.statistics = Statistics(db)
        self.resolved: dict[tuple[str, str, str, str, str], Order] = {}
        self.now = 0
        self._orders: dict[int, Order] = {}
        self._complete = not db.execute("SELECT 1 FROM orders LIMIT 1").fetchone()
        """Whether every order there is, is at hand: what memory does not know then, nobody does."""
        self._keys = 0
        """Fill keys held by the orders at hand."""
        self._names: dict[_Name, list[int]] = {}
        """Every order number of a name; a name that is here is known completely."""
        self._scopes = {tuple(row) for row in db.execute("SELECT * FROM trade_scopes")}
        self._contents = Contents(db, holding)
        # Not yet flushed.
        self.dirty: dict[int, Order] = {}
        self._rows = NewRows()
        self._into: dict[int, int] = {}
        """Merged order → the one it went into; kept as long as `_names` may hold the old number."""
        self._cleared: list[OrdersCleared] = []
        self._hidden: list[int] = []
        """Orders that those have hidden in the rows."""
        self.pending_events = 0
        self.gaps = {row[0] for row in db.execute("SELECT order_number FROM gaps")}
        """Orders whose venue counts more than was recorded and inferred."""
        self.opened_gaps = list(self.gaps)
        """Those that came to be so since somebody emptied this."""
        self._stored_gaps = set(self.gaps)
        self._asked = int(meta(db, "asked_orders") or 0)
        """Number of the last order that was looked at by `unknown_orders`."""
        self.trades = TradeRows(db)
        self.renumbered: dict[int, int] | None = None
        """Where orders went that were merged, for who wants to know; None while nobody does."""

    @classmethod
    def over(cls, store: EventStore) -> WorkingSet:
        """The book over a store's projections and journal."""
        return cls(store.db, store.journal.holding)

    # ------------------------------------------------------------------ what the engine asks

    def order(self, number: int) -> Order:
        """The order of this number.

        Raises:
            LookupError: there is none.
        """
        order = self._orders.get(number)
        if order is not None:
            return order
        self._load([number])
        return self._orders[number]

    def knows(self, number: int) -> bool:
        """Whether an order at hand has this number; one that was merged into another has not."""
        return number in self._orders

    def by_order_id(self, venue: str, account: str, order_id: str) -> list[Order]:
        """Every order that has or had this venue order id, oldest first."""
        return self._named((_ORDER_ID, venue, account, order_id))

    def by_client_order_id(self, venue: str, account: str, client_order_id: str) -> list[Order]:
        """Every order with this client order id, oldest first."""
        return self._named((_CLIENT_ORDER_ID, venue, account, client_order_id))

    def everywhere(self, *, order_id: str = "", client_order_id: str = "") -> list[Order]:
        """Every order of this id, at whatever venue and account, oldest first."""
        kind, text = (_ORDER_ID, order_id) if order_id else (_CLIENT_ORDER_ID, client_order_id)
        numbers = {
            row[0]
            for row in self._db.execute(
                "SELECT order_number FROM order_names WHERE name = ? AND kind = ?", [text, kind]
            )
        }
        numbers |= {row[4] for row in self._rows.names if row[0] == text and row[1] == kind}
        return self._current(numbers)

    def _named(self, name: _Name) -> list[Order]:
        numbers = self._names.get(name)
        if numbers is None:
            numbers = self._names[name] = [] if self._complete else self._stored(name)
        return self._current(numbers) if self._into else [self.order(number) for number in numbers]

    def _stored(self, name: _Name) -> list[int]:
        kind, venue, account, text = name
        rows = self._db.execute(
            "SELECT order_number FROM order_names WHERE name = ? AND kind = ? AND venue = ?"
            " AND account = ? ORDER BY order_number",
            [text, kind, venue, account],
        )
        return [row[0] for row in rows]

    def _current(self, numbers: Iterable[int]) -> list[Order]:
        """The orders of these numbers, those that were merged as what they are in now; oldest first."""
        return [self.order(number) for number in sorted({self._goes_by(number) for number in numbers})]

    def _goes_by(self, number: int) -> int:
        while (into := self._into.get(number)) is not None:
            number = into
        return number

    def prefetch(
        self,
        order_ids: Iterable[tuple[str, str, str]],
        client_order_ids: Iterable[tuple[str, str, str]] = (),
    ) -> None:
        """Looks up many (venue, account, id) at once, before a batch that names them."""
        if self._complete:
            return
        wanted = {name for at in order_ids if (name := (_ORDER_ID, *at)) not in self._names}
        wanted |= {name for at in client_order_ids if (name := (_CLIENT_ORDER_ID, *at)) not in self._names}
        if len(wanted) < _PREFETCH_MIN:
            return
        found: dict[_Name, list[int]] = {name: [] for name in wanted}
        rows = self._db.execute(
            "SELECT kind, venue, account, name, order_number FROM order_names WHERE name IN"
            " (SELECT value FROM json_each(?)) ORDER BY order_number",
            [json.dumps(list({name[3] for name in wanted}))],
        )
        for kind, venue, account, text, number in rows:
            numbers = found.get((kind, venue, account, text))
            if numbers is not None:
                numbers.append(self._goes_by(number))
        self._load([n for numbers in found.values() for n in numbers if n not in self._orders])
        self._names.update(found)

    def _load(self, numbers: list[int]) -> None:
        if not numbers:
            return
        wanted = json.dumps(numbers)
        chosen = "IN (SELECT value FROM json_each(?))"
        for row in self._db.execute(f"SELECT {COLUMNS} FROM orders WHERE number {chosen}", [wanted]):
            self._orders[row[0]] = order_from_row(row)
        for number, trade_id, leg, side, sequence in self._db.execute(
            f"SELECT order_number, trade_id, leg, side, sequence FROM fills WHERE order_number {chosen}",
            [wanted],
        ):
            order = self._orders[number]
            self._keys += 1
            order.fills[order.short_key(FillKey(trade_id, leg, side))] = sequence
        for number, digest, sequence in self._db.execute(
            f"SELECT order_number, digest, sequence FROM reports WHERE order_number {chosen}", [wanted]
        ):
            self._orders[number].reports[digest] = sequence

    def trade_scope(self, venue: str, account: str, symbol: str) -> bool:
        """Whether fills without an order id have been seen here."""
        return bool(self._scopes) and (venue, account, symbol) in self._scopes

    def open_trade_scope(self, venue: str, account: str, symbol: str) -> None:
        """Starts to keep trades of a symbol by their id, those of the past too."""
        scope = (venue, account, symbol)
        if scope in self._scopes:
            return
        self._scopes.add(scope)
        rows = self._db.execute(
            "SELECT f.trade_id, f.leg, f.side, f.order_number FROM fills f JOIN orders o"
            " ON o.number = f.order_number WHERE o.venue = ? AND o.account = ? AND o.symbol = ?",
            [venue, account, symbol],
        ).fetchall()
        unflushed = [row for row in self._rows.fills if self._scope(self.order(row[0])) == scope]
        for trade_id, leg, side, number in rows:
            self._add_trade(scope, FillKey(trade_id, leg, side), self._goes_by(number))
        for number, trade_id, leg, side, _ in unflushed:
            self._add_trade(scope, FillKey(trade_id, leg, side), number)
        self._add_awaited(scope)

    def _add_awaited(self, scope: tuple[str, str, str]) -> None:
        rows = self._db.execute(
            "SELECT number FROM orders WHERE venue = ? AND account = ? AND symbol = ?"
            " AND state LIKE '%\"reversals\"%'",
            scope,
        ).fetchall()
        for number in {self._goes_by(row[0]) for row in rows} | set(self.dirty):
            order = self.order(number)
            if order.reversals is not None and self._scope(order) == scope:
                for key in (*order.reversals.waiting_busts, *order.reversals.waiting_corrections):
                    self._add_trade(scope, key, number)

    def _add_trade(self, scope: tuple[str, str, str], key: FillKey, number: int) -> None:
        self._rows.trades.setdefault((*scope, *key), []).append(number)

    def by_trade(self, venue: str, account: str, symbol: str, key: FillKey) -> list[Order]:
        """Every order of the symbol that holds a fill with this key, or waits for it, oldest first."""
        numbers = {
            row[0]
            for row in self._db.execute(
                "SELECT order_number FROM trades WHERE venue = ? AND account = ? AND symbol = ?"
                " AND trade_id = ? AND leg = ? AND side = ?",
                [venue, account, symbol, *key],
            )
        }
        return self._current({*numbers, *self._rows.trades.get((venue, account, symbol, *key), ())})

    @staticmethod
    def _scope(order: Order) -> tuple[str, str, str]:
        return (order.venue, order.account, order.symbol)

    def fill(self, sequence: int) -> Fill:
        """The fill recorded at this sequence, enrichments included."""
        return self._contents.fill(sequence)

    def change(self, sequence: int) -> tuple[int, int]:
        """Where a fill's content stands now, and its state."""
        return self._contents.change(sequence)

    def conflict(self, order: Order, key: FillKey, digest: str) -> int:
        """Sequence of this very conflict if it was seen before, else 0."""
        found = self._rows.conflicts.get((order.number, *key, digest))
        if found is not None:
            return found
        # Rows of what was merged into it go by the old number until the next flush.
        numbers = [order.number, *(n for n, _ in self._rows.merged if self._goes_by(n) == order.number)]
        row = self._db.execute(
            "SELECT min(sequence) FROM conflicts WHERE order_number IN (SELECT value FROM json_each(?))"
            " AND trade_id = ? AND leg = ? AND side = ? AND digest = ?",
            [json.dumps(numbers), *key, digest],
        ).fetchone()
        return int(row[0] or 0)

    # ------------------------------------------------------------------ what the fold tells

    def add_order(self, order: Order) -> None:
        """A new order was opened."""
        self._orders[order.number] = order

    def reindex(self, order: Order) -> None:
        """The order learned of an id, its symbol or its market."""
        for kind, text in _names_of(order):
            name = (kind, order.venue, order.account, text)
            numbers = self._names.get(name)
            if numbers is None:
                self._named(name)
                numbers = self._names[name]
            if order.number not in numbers:
                numbers.append(order.number)
                numbers.sort()
                self._rows.names.append((text, kind, order.venue, order.account, order.number))
            if len(numbers) > 1:
                self.resolved.clear()

    def remove_order(self, order: Order, into: Order) -> None:
        """The order was merged into another; its fills and reports are that one's now."""
        if self.renumbered is not None:
            self.renumbered[order.number] = into.number
        # Its names lead to the other from now on; `_named` follows.
        self._into[order.number] = into.number
        self._rows.renumber(order, into)
        self.trades.renumber(order.number, into.number)
        self.reindex(into)
        self.resolved.clear()
        self._orders.pop(order.number, None)
        self.dirty.pop(order.number, None)
        self.gaps.discard(order.number)
        self.statistics.uncount_order(order)

    def add_fill(self, order: Order, fill: Fill, sequence: int) -> None:
        """A fill was recorded under the order at this sequence."""
        self._contents.fresh[sequence] = fill
        self._keys += 1
        self._rows.fills.append((order.number, fill.trade_id, fill.leg, fill.side, sequence))
        if self._scopes:
            self.add_trade(order, fill.key)

    def add_trade(self, order: Order, key: FillKey) -> None:
        """The order waits for a fill with this key: a bust or a correction of it came first."""
        if self._scope(order) in self._scopes:
            self._add_trade(self._scope(order), key, order.number)

    def replace_fill(self, order: Order, fill: Fill, fill_sequence: int, sequence: int) -> None:
        """The fill recorded at `fill_sequence` reads as `fill` now, by the event at `sequence`."""
        self._contents.replace(fill_sequence, fill, sequence)

    def set_state(self, fill_sequence: int, state: FillState) -> None:
        """The fill recorded at this sequence no longer counts."""
        self._contents.set_state(fill_sequence, state)

    def recount(self, order: Order, fills: list[Fill], kind: int, multiplier: Decimal | None) -> None:
        """The order's standing fills were summed as another contract."""
        self.statistics.recount(order, fills, kind, multiplier)

    def uncount(self, order: Order, fill: Fill, sequence: int) -> None:
        """A fill that counted for the order, as a copy of another, no longer does."""
        self.statistics.uncount(order, fill)
        self.set_state(sequence, FillState.CORRECTED)

    def add_conflict(self, order: Order, key: FillKey, digest: str, sequence: int) -> None:
        """A conflict was recorded."""
        self._rows.conflicts[(order.number, *key, digest)] = sequence

    def on_event(self, event: Event, now: int) -> None:
        """Takes every event after its fold: marks its order, feeds the statistics."""
        if isinstance(event, FillRecorded):
            self.on_fill(event.order, event.fill, now)
            return
        self.pending_events += 1
        if isinstance(event, PlainEvent):
            if isinstance(event, OrdersCleared):
                self._cleared.append(event)
            self.trades.on_event(event, now)
            return
        self.dirty[event.order.number] = event.order
        self._note_gap(event.order)
        if isinstance(event, OrderReported):
            digest = report_digest(event.report)
            self._rows.reports.append((event.order.number, digest, event.sequence))
        elif isinstance(event, OrderAnomaly):
            self._rows.anomalies.append(
                (event.sequence, event.order.number, int(event.kind), now, event.text)
            )
        elif isinstance(event, TradeEvent):
            self.trades.on_event(event, now)
        self.statistics.on_event(event, now)

    def on_fill(self, order: Order, fill: Fill, now: int) -> None:
        """Takes a fill that was just recorded."""
        self.pending_events += 1
        self.dirty[order.number] = order
        if order.reported_cumulative is not None:
            self._note_gap(order)
        self.statistics.on_fill(order, fill, now)

    def _note_gap(self, order: Order) -> None:
        if order.gap <= order.inferred_quantity:
            self.gaps.discard(order.number)
        elif order.number not in self.gaps:
            self.gaps.add(order.number)
            self.opened_gaps.append(order.number)

    # ------------------------------------------------------------------ storing

    def committed(self) -> None:
        """What was folded so far is in the journal now."""
        self._contents.committed()

    def count_dirty(self) -> None:
        """Brings the statistics up to date."""
        for order in self.dirty.values():
            self.statistics.count_order(order)
        self.statistics.settle()

    @property
    def pending(self) -> bool:
        """Whether anything is to be flushed."""
        return self.pending_events > 0

    def flush(self, sequence: int) -> None:
        """Writes the rows of all that was folded up to `sequence`, inside the caller's transaction."""
        connection = self._db.conn
        self._rows.write(connection, self._goes_by)
        self._contents.flush()
        self.trades.flush(connection)
        connection.executemany("INSERT OR IGNORE INTO trade_scopes VALUES (?, ?, ?)", sorted(self._scopes))
        self.count_dirty()
        dirty = self.dirty.values()
        connection.executemany(
            f"INSERT OR REPLACE INTO orders ({COLUMNS}) VALUES ({', '.join('?' * 17)})",
            [order_to_row(order) for order in dirty],
        )
        for event in self._cleared:
            self._hidden += [row[0] for row in connection.execute(*clear_statement(event)).fetchall()]
        if self.gaps != self._stored_gaps:
            gone, new = self._stored_gaps - self.gaps, self.gaps - self._stored_gaps
            connection.executemany("DELETE FROM gaps WHERE order_number = ?", [(n,) for n in gone])
            connection.executemany("INSERT INTO gaps VALUES (?)", [(n,) for n in new])
            self._stored_gaps = set(self.gaps)
        self.statistics.flush()
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('asked_orders', ?)", (str(self._asked),))
        connection.execute("UPDATE meta SET value = ? WHERE name = 'projected_sequence'", (str(sequence),))

    def flushed(self) -> None:
        """The flush is committed: what it wrote need not be kept."""
        self.dirty.clear()
        self._rows.clear()
        self._contents.flushed()
        self.trades.flushed()
        if self._cleared:
            self._cleared.clear()
            self._forget(self._hidden)
            self._hidden.clear()
        self.pending_events = 0
        if len(self._orders) > ORDERS_MAX or self._keys > FILL_KEYS_MAX or len(self._names) > NAMES_MAX:
            self._evict(keep=ORDERS_MAX // 2)

    def _evict(self, keep: int) -> None:
        """Forgets final orders first, then the oldest, all of which are in the rows."""
        ranked = sorted(self._orders.values(), key=lambda order: (not order.is_final, order.sequence))
        for order in ranked:
            if len(self._orders) <= keep and self._keys <= FILL_KEYS_MAX // 2:
                break
            del self._orders[order.number]
            self._keys -= len(order.fills)
        self._complete = False
        self._names.clear()
        self._into.clear()
        self.resolved.clear()

    def _forget(self, numbers: Iterable[int]) -> None:
        """Lets go of orders that were hidden: their rows say so, and are read where one moves again."""
        for number in numbers:
            order = self._orders.pop(number, None)
            if order is None:
                continue
            self._keys -= len(order.fills)
            for kind, text in _names_of(order):
                self._names.pop((kind, order.venue, order.account, text), None)
        self._complete = False
        self.resolved.clear()

    def unknown_orders(self, last: int, limit: int) -> list[int]:
        """Orders up to a number that nobody was asked about yet and no anomaly calls unknown, oldest first.

        At most `limit`; the next call goes on behind them. Once all rows are flushed.
        """
        rows = self._db.execute(
            "SELECT number FROM orders WHERE number > ? AND number <= ? AND NOT EXISTS"
            " (SELECT 1 FROM anomalies WHERE order_number = number AND kind = ?) ORDER BY number LIMIT ?",
            [self._asked, last, int(AnomalyKind.UNKNOWN_ORDER), limit],
        ).fetchall()
        self._asked = rows[-1][0] if len(rows) == limit else max(self._asked, last)
        return [row[0] for row in rows]

    def symbols_of(self, venue: str, account: str, market: str, after_sequence: int) -> set[str]:
        """Symbols of a market's orders that are open, or whose last event comes after a sequence.

        By their rows, which may be a moment old; so are the next two.
        """
        scope = "venue = ? AND account = ? AND market IN (?, '') AND symbol <> ''"
        rows = self._db.execute(
            f"SELECT symbol FROM orders WHERE cleared = 0 AND final = 0 AND {scope}"
            f" UNION SELECT symbol FROM orders WHERE cleared = 0 AND final = 1 AND sequence > ? AND {scope}",
            [venue, account, market, after_sequence, venue, account, market],
        )
        return {row[0] for row in rows}

    def incomplete(self, venue: str, account: str) -> list[Order]:
        """Orders whose venue counts more than their own fills told."""
        rows = self._db.execute("SELECT number FROM orders WHERE instr(state, '\"inferred_sequence\"') > 0")
        found = self._current({*self.gaps, *(row[0] for row in rows)})
        return [order for order in found if (order.venue, order.account) == (venue, account)]

    def open_orders(self, venue: str, account: str, market: str) -> list[Order]:
        """A market's orders that have an order id and have not ended."""
        rows = self._db.execute(
            "SELECT number FROM orders WHERE final = 0 AND cleared = 0 AND venue = ? AND account = ?"
            " AND market IN (?, '') AND order_id <> ''",
            [venue, account, market],
        )
        return [order for order in self._current({row[0] for row in rows}) if not order.is_final]

    def clearable(self, event: OrdersCleared, last: int | None = None, limit: int = -1) -> int:
        """How many orders fit an `orders_cleared` event, once all rows are flushed.

        Only those whose last event has at most the sequence `last`, if given; counted up to `limit`.
        """
        where, values = clear_condition(event)
        if last is not None:
            where += " AND sequence <= ?"
            values.append(last)
        counted = f"SELECT 1 FROM orders INDEXED BY orders_resting WHERE {where} LIMIT ?"
        return int(self._db.execute(f"SELECT count(*) FROM ({counted})", [*values, limit]).fetchone()[0])


def _names_of(order: Order) -> list[tuple[int, str]]:
    names = [(_ORDER_ID, order_id) for order_id in order.order_ids]
    if order.client_order_id:
        names.append((_CLIENT_ORDER_ID, order.client_order_id))
    return names
