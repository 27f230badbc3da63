"""What about orders needs a look, read from its rows."""

from __future__ import annotations

import json
from typing import Any, Final

from fillhandler_server.domain.orders import Order
from fillhandler_server.journal.database import Database
from fillhandler_server.projections import AnomalyQuery, ListedAnomaly, Page
from fillhandler_server.projections.paging import read_token, write_token
from fillhandler_server.projections.rows import COLUMNS, order_from_row

_ORDER_COLUMNS: Final = ", ".join(f"o.{name.strip()}" for name in COLUMNS.split(","))


def list_anomalies(db: Database, query: AnomalyQuery, size: int, token: str) -> Page[ListedAnomaly]:
    """A page of anomalies by sequence, those of orders that `ClearOrders` hid too.

    Raises:
        PageTokenInvalidError: the token is not of a page of this query.
    """
    where, values = _conditions(query)
    # One statement, so that no merge comes between an anomaly and its order.
    rows = db.execute(
        f"SELECT {_ORDER_COLUMNS}, a.sequence, a.kind, a.commit_time, a.text FROM anomalies a"
        f" JOIN orders o ON o.number = a.order_number WHERE a.sequence > ?{where}"
        " ORDER BY a.sequence LIMIT ?",
        [read_token(token, query), *values, size + 1],
    ).fetchall()
    found: list[ListedAnomaly] = []
    orders: dict[int, Order] = {}
    for *columns, sequence, kind, time, text in rows[:size]:
        order = orders.get(columns[0])
        if order is None:
            order = orders[columns[0]] = order_from_row(tuple(columns))
        found.append(ListedAnomaly(sequence, kind, time, text, order))
    return Page(found, write_token(found[-1].sequence, query) if len(rows) > size else "")


def _conditions(query: AnomalyQuery) -> tuple[str, list[Any]]:
    where, values = "", []
    for column in ("venue", "account", "symbol"):
        if getattr(query, column):
            where += f" AND o.{column} = ?"
            values.append(getattr(query, column))
    if query.order_id:
        where += " AND o.number IN (SELECT order_number FROM order_names WHERE name = ? AND kind = 0)"
        values.append(query.order_id)
    if query.kinds:
        where += " AND a.kind IN (SELECT value FROM json_each(?))"
        values.append(json.dumps(query.kinds))
    if query.start_time is not None:
        where += " AND a.commit_time >= ?"
        values.append(query.start_time)
    if query.end_time is not None:
        where += " AND a.commit_time < ?"
        values.append(query.end_time)
    return where, values
