"""Statistics as running sums, so that reading them costs the same at ten million fills as at ten.

Fill sums change with every event, in memory, as deltas; order sums change when the dirty orders are
counted, at a flush or before a read. Sums by hour live in the database, totals over all hours also here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from fillhandler_server.domain import events as ev
from fillhandler_server.domain.fills import Fill, time_of
from fillhandler_server.domain.orders import Order, stands
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
    Symbol,
    kind_of,
)
from fillhandler_server.journal.database import Database

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
        self._fill_deltas: dict[tuple[FillGroup, int], FillSum] = {}
        self._settled: list[tuple[FillGroup, int, FillSum]] = []
        """Deltas that are in the totals and not yet in the database."""
        self._order_deltas: dict[tuple[OrderGroup, int], OrderSum] = {}
        self._hour_order_sums: dict[tuple[OrderGroup, int], OrderSum] = {}
        self._new_currencies: dict[Symbol, tuple[str, str]] = {}
        self._recounts: list[tuple[Order, list[Fill], int, Decimal | None]] = []
        self._uncounts: list[tuple[Order, Fill]] = []
        """What the fold said of the event that comes next."""
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

    @property
    def conflicts(self) -> int:
        """Conflicting copies, kept as events."""
        return sum(total.conflicts for total in self.order_totals.values())

    def sums(self, scope: Scope, sequence: int) -> Sums:
        """The totals of a scope without a time range, true after `WorkingSet.count_dirty` at `sequence`.

        They are the running sums themselves: to be read on the writer's thread, before it goes on.
        """
        return Sums(
            fills=[(group, ALL_HOURS, s) for group, s in self.fill_totals.items() if scope.takes(group)],
            orders=[(group, s) for group, s in self.order_totals.items() if scope.takes(group)],
            currencies=self.currencies,
            sequence=sequence,
        )

    # ------------------------------------------------------------------ folding

    def on_event(self, event: ev.Event, now: int) -> None:
        """Takes one event, just folded, that is committed at `now`."""
        if isinstance(event, ev.FillRecorded):
            self.on_fill(event.order, event.fill, now)
            return
        if self._recounts:
            self._recount(event, now)
        if isinstance(event, ev.FillEnriched):
            if stands(event.order, event.fill.key):
                self._remove(event.order, event.before, now)
                self._add(event.order, event.fill, now)
        elif isinstance(event, ev.FillBusted):
            if event.removed is not None:
                self._remove(event.order, event.removed, now, reversed_=0 if event.superseded else 1)
        elif isinstance(event, ev.FillCorrected):
            self._corrected(event, now)
        elif isinstance(event, (ev.OrderRegistered, ev.OrderReported)):
            order = event.order
            if order.quote_currency:
                self._learn(order, order.symbol, order.contract_kind)
        elif isinstance(event, ev.FillConflicted):
            fill = event.fill
            self._total((fill.venue, fill.account, fill.symbol)).conflicts += 1

    def on_fill(self, order: Order, fill: Fill, now: int) -> None:
        """Takes a fill that was just recorded."""
        if self._recounts:
            self._recount(ev.FillRecorded(order, fill), now)
        self._add(order, fill, now)

    def _corrected(self, event: ev.FillCorrected, now: int) -> None:
        order = event.order
        if event.removed is not None:
            self._remove(order, event.removed, now, reversed_=1)
        if not event.applied:
            return
        if event.dropped is not None:
            self._remove(order, event.dropped, now, reversed_=1)
        elif event.recorded_before:
            return
        elif event.standing:
            self._add(order, event.fill, now)
        else:
            self._delta(event.fill, kind_of(order, event.fill), now).reversed += 1

    def _delta(self, fill: Fill, kind: int, now: int) -> FillSum:
        time = fill.trade_time
        if time is None:
            time = time_of(fill, now)
        group = (fill.venue, fill.account, fill.symbol, kind, fill.side, fill.liquidity)
        key = (group, time // HOUR)
        delta = self._fill_deltas.get(key)
        if delta is None:
            group = (fill.venue, fill.account, fill.symbol, kind, int(fill.side), int(fill.liquidity))
            delta = self._fill_deltas[group, key[1]] = FillSum()
        return delta

    def _add(self, order: Order, fill: Fill, now: int) -> None:
        kind = fill.contract_kind or order.contract_kind
        multiplier = fill.multiplier if fill.multiplier is not None else order.multiplier
        self._delta(fill, kind, now).add(fill, kind, multiplier)
        if order.quote_currency:
            self._learn(order, fill.symbol, kind)

    def _learn(self, order: Order, symbol: str, kind: int) -> None:
        key = (order.venue, symbol, kind)
        learned = (order.base_currency, order.quote_currency)
        known = self.currencies.get(key)
        if known is None or (known != learned and not order.currencies_guessed):
            self.currencies[key] = self._new_currencies[key] = learned

    def _remove(self, order: Order, fill: Fill, now: int, reversed_: int = 0) -> None:
        kind = kind_of(order, fill)
        multiplier = fill.multiplier if fill.multiplier is not None else order.multiplier
        delta = self._delta(fill, kind, now)
        delta.remove(fill, kind, multiplier)
        delta.reversed += reversed_

    def recount(self, order: Order, fills: Iterable[Fill], kind: int, multiplier: Decimal | None) -> None:
        """The order's standing fills were summed as `kind` and `multiplier`, and are as it says now."""
        self._recounts.append((order, list(fills), kind, multiplier))

    def uncount(self, order: Order, fill: Fill) -> None:
        """A copy of another fill of the order no longer counts."""
        self._uncounts.append((order, fill))

    def _recount(self, event: ev.Event, now: int) -> None:
        # Only now, because the fold speaks of an enriched fill as it is after the event, and what was
        # summed is as it was before.
        recounts, self._recounts = self._recounts, []
        enriched = event if isinstance(event, ev.FillEnriched) else None
        for order, fills, kind, multiplier in recounts:
            for fill in fills:
                was = fill
                if enriched is not None and fill.key == enriched.fill.key:
                    was = enriched.before
                counted_as = was.contract_kind or kind
                by = was.multiplier if was.multiplier is not None else multiplier
                self._delta(was, counted_as, now).remove(was, counted_as, by)
                self._add(order, was, now)
        uncounts, self._uncounts = self._uncounts, []
        for order, fill in uncounts:
            self._remove(order, fill, now)

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
        self._total(counted.group).count(counted, sign)
        if counted.hour is not None:
            self._hour_sum(counted.group, counted.hour).count(counted, sign)

    def _total(self, group: OrderGroup) -> OrderSum:
        """The order sum of a group, about to be changed."""
        total = self.order_totals.get(group)
        if total is None:
            total = self.order_totals[group] = OrderSum()
        self._order_deltas[group, ALL_HOURS] = total
        return total

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
