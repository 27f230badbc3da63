"""Rows that the fold has made and the database does not have yet, and how they are written."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any

from fillhandler_server.domain.events import OrdersCleared
from fillhandler_server.domain.fills import FillKey
from fillhandler_server.domain.orders import Order


class NewRows:
    """What fills, reports, conflicts and anomalies add to the tables until the next flush."""

    __slots__ = ("anomalies", "conflicts", "fills", "merged", "names", "reports", "trades")

    def __init__(self) -> None:
        self.fills: list[tuple[int, str, str, int, int]] = []
        """order number, trade id, leg, side, sequence"""
        self.names: list[tuple[str, int, str, str, int]] = []
        """name, kind, venue, account, order number"""
        self.reports: list[tuple[int, str, int]] = []
        """order number, digest, sequence"""
        self.conflicts: dict[tuple[int, str, str, int, str], int] = {}
        """order number, trade id, leg, side, digest → sequence"""
        self.anomalies: list[tuple[int, int, int, int, str]] = []
        """sequence, order number, kind, commit time, text"""
        self.trades: dict[tuple[str, str, str, str, str, int], list[int]] = {}
        """venue, account, symbol, trade id, leg, side → order numbers"""
        self.merged: list[tuple[int, int]] = []
        """Orders that were merged, and into which, in the order it happened."""

    def renumber(self, order: Order, into: Order) -> None:
        """One order was merged into another: its rows are that one's."""
        self.names = [(*row[:4], into.number) if row[4] == order.number else row for row in self.names]
        # Of a fill that both had, the one that stands in `into.fills`.
        self.fills = [
            (into.number, *row[1:]) if row[0] == order.number else row
            for row in self.fills
            if row[0] != order.number or into.fills[into.short_key(FillKey(*row[1:4]))] == row[4]
        ]
        self.reports = [(into.number, *row[1:]) if row[0] == order.number else row for row in self.reports]
        self.conflicts = {
            ((into.number, *key[1:]) if key[0] == order.number else key): sequence
            for key, sequence in self.conflicts.items()
        }
        self.anomalies = [
            (row[0], into.number, *row[2:]) if row[1] == order.number else row for row in self.anomalies
        ]
        self.merged.append((order.number, into.number))

    def write(self, connection: Any, goes_by: Callable[[int], int]) -> None:
        """Writes the rows, inside the caller's transaction.

        Args:
            connection: the writer's.
            goes_by: the number that an order has now, which may have been merged.
        """
        for merged, into in self.merged:
            _write_merge(connection, merged, into)
        # By order, so that neighbouring rows go to the same page.
        self.fills.sort(key=itemgetter(0))
        # Replacing: of a fill that two merged orders had, the rows may hold the one that does not stand.
        connection.executemany("INSERT OR REPLACE INTO fills VALUES (?, ?, ?, ?, ?)", self.fills)
        connection.executemany("INSERT OR IGNORE INTO order_names VALUES (?, ?, ?, ?, ?)", self.names)
        connection.executemany(
            "INSERT OR IGNORE INTO conflicts VALUES (?, ?, ?, ?, ?, ?)",
            [(*key, at) for key, at in self.conflicts.items()],
        )
        connection.executemany(
            "INSERT OR IGNORE INTO trades VALUES (?, ?, ?, ?, ?, ?, ?)",
            sorted((*trade, goes_by(n)) for trade, ns in self.trades.items() for n in ns),
        )
        connection.executemany("INSERT OR REPLACE INTO reports VALUES (?, ?, ?)", self.reports)
        connection.executemany("INSERT INTO anomalies VALUES (?, ?, ?, ?, ?)", self.anomalies)

    def clear(self) -> None:
        """They are committed."""
        self.fills.clear()
        self.names.clear()
        self.reports.clear()
        self.conflicts.clear()
        self.anomalies.clear()
        self.trades.clear()
        self.merged.clear()


def _write_merge(connection: Any, merged: int, into: int) -> None:
    # A key that both have stays with the one merged into; the fold has counted it once.
    for table in ("fills", "conflicts", "reports", "trades", "order_names", "anomalies", "attempts"):
        connection.execute(
            f"UPDATE OR IGNORE {table} SET order_number = ? WHERE order_number = ?", (into, merged)
        )
        connection.execute(f"DELETE FROM {table} WHERE order_number = ?", (merged,))
    connection.execute("DELETE FROM orders WHERE number = ?", (merged,))


def clear_condition(event: OrdersCleared) -> tuple[str, list[Any]]:
    """Which orders fit an `orders_cleared` event, as a WHERE clause and its values."""
    where = "final = 1 AND cleared = 0 AND coalesce(complete_time, update_time) <= ?"
    values: list[Any] = [event.before]
    for column in ("venue", "account", "symbol"):
        if getattr(event, column):
            where += f" AND {column} = ?"
            values.append(getattr(event, column))
    return where, values


def clear_statement(event: OrdersCleared) -> tuple[str, list[Any]]:
    """The statement that hides what the event hid, and its values; its rows are the orders' numbers.

    Of the orders that fit, it is the event's count of them whose last event is the oldest: so the event alone
    says which ones, today and when it is folded again.
    """
    where, values = clear_condition(event)
    # An order that moved since then is shown again, though its row is written only now.
    hidden = (
        f"SELECT number FROM orders INDEXED BY orders_resting WHERE {where} AND sequence < ?"
        " ORDER BY sequence LIMIT ?"
    )
    return (
        f"UPDATE orders SET cleared = ? WHERE number IN ({hidden}) RETURNING number",
        [event.sequence, *values, event.sequence, event.count],
    )
