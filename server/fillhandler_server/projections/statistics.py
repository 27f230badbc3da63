"""Statistics as running sums, so that reading them costs the same at ten million fills as at ten.

Fill sums change with every event, in memory, as deltas; order sums change when the dirty orders are
counted, at a flush or before a read. Sums by hour live in the database, totals over all hours also here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

from fillhandler_server.domain import events as ev
from fillhandler_server.domain.fills import Fill, time_of
from fillhandler_server.domain.orders import Order
from fillhandler_server.engine import stands
from fillhandler_server.journal.database import Database
from fillhandler_server.projections.counting import ALL_HOURS, HOUR, Counted, FillSum, OrderSum, kind_of

FillGroup = tuple[str, str, str, int, int, int]
"""venue, account, symbol, contract kind, side, liquidity"""
OrderGroup = tuple[str, str, str]
"""venue, account, symbol"""
Symbol = tuple[str, str, int]
"""venue, symbol, contract kind"""

_SELECT_FILL_SUM: Final = (
    "SELECT state FROM fill_sums WHERE venue = ? AND account = ? AND symbol = ? AND kind = ? AND side = ?"
    " AND liquidity = ? AND hour = ?"
)
_SELECT_ORDER_SUM: Final = (
    "SELECT state FROM order_sums WHERE venue = ? AND account = ? AND symbol = ? AND hour = ?"
)


class Statistics:
    """The running sums. Owned by the writer's thread."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.fill_totals: dict[FillGroup, FillSum] = {}
        self.order_totals: dict[OrderGroup, OrderSum] = {}
        self.currencies: dict[Symbol, tuple[str, str]] = {}
        self.duplicates = 0
        """Copies that changed nothing, since the start."""
        self.conflicts = 0
        self._fill_deltas: dict[tuple[FillGroup, int], FillSum] = {}
        self._settled: list[tuple[FillGroup, int, FillSum]] = []
        """Deltas that are in the totals and not yet in the database."""
        self._order_deltas: dict[tuple[OrderGroup, int], OrderSum] = {}
        self._hour_order_sums: dict[tuple[OrderGroup, int], OrderSum] = {}
        self._new_currencies: dict[Symbol, tuple[str, str]] = {}
        self._load()

    def _load(self) -> None:
        for row in self._db.execute("SELECT * FROM fill_sums WHERE hour = ?", [ALL_HOURS]):
            self.fill_totals[row[0], row[1], row[2], row[3], row[4], row[5]] = FillSum.from_json(
                json.loads(row[7])
            )
        for row in self._db.execute("SELECT * FROM order_sums WHERE hour = ?", [ALL_HOURS]):
            self.order_totals[row[0], row[1], row[2]] = OrderSum.from_json(json.loads(row[4]))
        for venue, symbol, kind, base, quote in self._db.execute("SELECT * FROM currencies"):
            self.currencies[venue, symbol, kind] = (base, quote)
        self.conflicts = self._db.execute("SELECT count(*) FROM conflicts").fetchone()[0]

    # ------------------------------------------------------------------ folding

    def on_event(self, event: ev.Event, now: int) -> None:
        """Takes one event, just folded, that is committed at `now`."""
        if isinstance(event, ev.FillRecorded):
            self._add(event.order, event.fill, now)
        elif isinstance(event, ev.FillEnriched):
            if stands(event.order, event.fill.key):
                self._remove(event.order, event.before, now)
                self._add(event.order, event.fill, now)
        elif isinstance(event, ev.FillBusted):
            if event.removed is not None:
                self._remove(event.order, event.removed, now, reversed_=1)
        elif isinstance(event, ev.FillCorrected):
            self._corrected(event, now)
        elif isinstance(event, ev.FillConflicted):
            self.conflicts += 1

    def _corrected(self, event: ev.FillCorrected, now: int) -> None:
        if event.removed is not None:
            self._remove(event.order, event.removed, now, reversed_=1)
        if not event.applied:
            return
        if event.recorded_before:
            if not event.standing:
                self._remove(event.order, event.fill, now)
        elif event.standing:
            self._add(event.order, event.fill, now)

    def _delta(self, order: Order, fill: Fill, kind: int, now: int) -> FillSum:
        group = (fill.venue, fill.account, fill.symbol, kind, int(fill.side), int(fill.liquidity))
        key = (group, time_of(fill, now) // HOUR)
        delta = self._fill_deltas.get(key)
        if delta is None:
            delta = self._fill_deltas[key] = FillSum()
        return delta

    def _add(self, order: Order, fill: Fill, now: int) -> None:
        kind = fill.contract_kind or order.contract_kind
        multiplier = fill.multiplier if fill.multiplier is not None else order.multiplier
        self._delta(order, fill, kind, now).add(fill, kind, multiplier)
        if order.quote_currency and (fill.venue, fill.symbol, kind) not in self.currencies:
            learned = (order.base_currency, order.quote_currency)
            self.currencies[fill.venue, fill.symbol, kind] = learned
            self._new_currencies[fill.venue, fill.symbol, kind] = learned

    def _remove(self, order: Order, fill: Fill, now: int, reversed_: int = 0) -> None:
        kind = kind_of(order, fill)
        multiplier = fill.multiplier if fill.multiplier is not None else order.multiplier
        delta = self._delta(order, fill, kind, now)
        delta.remove(fill, kind, multiplier)
        delta.reversed += reversed_

    def recount(
        self, order: Order, fills: Iterable[Fill], kind: int, multiplier: Decimal | None, now: int
    ) -> None:
        """Moves fills that were summed as one contract to what their order says now."""
        for fill in fills:
            was = fill.contract_kind or kind
            by = fill.multiplier if fill.multiplier is not None else multiplier
            self._delta(order, fill, was, now).remove(fill, was, by)
            self._add(order, fill, now)

    def count_order(self, order: Order) -> None:
        """Counts an order as it is now, instead of as it was counted before."""
        counted = Counted(order)
        before: Counted | None = order.counted
        if before is not None:
            if before.same(counted):
                return
            self._count(before, -1)
        self._count(counted, 1)
        order.counted = counted

    def uncount_order(self, order: Order) -> None:
        """Takes an order out that was merged into another."""
        if order.counted is not None:
            self._count(order.counted, -1)
            order.counted = None

    def _count(self, counted: Counted, sign: int) -> None:
        total = self.order_totals.get(counted.group)
        if total is None:
            total = self.order_totals[counted.group] = OrderSum()
        total.count(counted, sign)
        self._order_deltas[counted.group, ALL_HOURS] = total
        if counted.hour is not None:
            self._hour_sum(counted.group, counted.hour).count(counted, sign)

    def _hour_sum(self, group: OrderGroup, hour: int) -> OrderSum:
        found = self._hour_order_sums.get((group, hour))
        if found is None:
            row = self._db.execute(_SELECT_ORDER_SUM, [*group, hour]).fetchone()
            found = OrderSum() if row is None else OrderSum.from_json(json.loads(row[0]))
            self._hour_order_sums[group, hour] = found
        self._order_deltas[group, hour] = found
        return found

    # ------------------------------------------------------------------ storing

    def settle(self) -> None:
        """Moves the deltas into the totals, so that these are true."""
        taken = [(group, hour, delta) for (group, hour), delta in self._fill_deltas.items()]
        self._fill_deltas = {}
        for group, _, delta in taken:
            total = self.fill_totals.get(group)
            if total is None:
                total = self.fill_totals[group] = FillSum()
            total.merge(delta)
        self._settled += taken

    def flush(self) -> None:
        """Writes what changed, inside the caller's transaction."""
        self.settle()
        hours: dict[tuple[FillGroup, int], FillSum] = {}
        for group, hour, delta in self._settled:
            found = hours.get((group, hour))
            if found is None:
                row = self._db.execute(_SELECT_FILL_SUM, [*group, hour]).fetchone()
                found = FillSum() if row is None else FillSum.from_json(json.loads(row[0]))
                hours[group, hour] = found
            found.merge(delta)
        rows = [(*group, hour, json.dumps(found.to_json())) for (group, hour), found in hours.items()]
        rows += [
            (*group, ALL_HOURS, json.dumps(self.fill_totals[group].to_json()))
            for group in {group for group, _ in hours}
        ]
        self._settled = []
        connection = self._db.conn
        connection.executemany("INSERT OR REPLACE INTO fill_sums VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        connection.executemany(
            "INSERT OR REPLACE INTO order_sums VALUES (?, ?, ?, ?, ?)",
            [
                (*group, hour, json.dumps(found.to_json()))
                for (group, hour), found in self._order_deltas.items()
            ],
        )
        connection.executemany(
            "INSERT OR REPLACE INTO currencies VALUES (?, ?, ?, ?, ?)",
            [(*symbol, *names) for symbol, names in self._new_currencies.items()],
        )
        self._order_deltas = {}
        self._hour_order_sums = {}
        self._new_currencies = {}


def hour_fill_sums(
    db: Database, first_hour: int | None, last_hour: int | None
) -> Iterator[tuple[FillGroup, int, FillSum]]:
    """Stored fill sums with first_hour <= hour < last_hour; None is open. Totals are left out."""
    for row in db.execute(
        "SELECT * FROM fill_sums WHERE hour >= ? AND hour < ?",
        [0 if first_hour is None else first_hour, 1 << 62 if last_hour is None else last_hour],
    ):
        yield (row[0], row[1], row[2], row[3], row[4], row[5]), row[6], FillSum.from_json(json.loads(row[7]))


def hour_order_sums(
    db: Database, first_hour: int | None, last_hour: int | None
) -> Iterator[tuple[OrderGroup, int, OrderSum]]:
    """Stored sums of the orders that became final in first_hour <= hour < last_hour; None is open."""
    for row in db.execute(
        "SELECT * FROM order_sums WHERE hour >= ? AND hour < ?",
        [0 if first_hour is None else first_hour, 1 << 62 if last_hour is None else last_hour],
    ):
        yield (row[0], row[1], row[2]), row[3], OrderSum.from_json(json.loads(row[4]))
