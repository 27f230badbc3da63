"""Trades, their attempts, and how far venues' histories were read: rows, and those at hand."""

from __future__ import annotations

import json
from dataclasses import astuple
from decimal import Decimal
from typing import Any, Final

from fillhandler_server.codec import terms_from_bytes, terms_to_bytes
from fillhandler_server.domain.events import ConnectionChanged, Event, RequestFailed, RequestSucceeded
from fillhandler_server.domain.numbers import canonical
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.trades import Failure, Leg, Operation, Trade, TradeOutcome
from fillhandler_server.journal.database import Database
from fillhandler_server.projections import (
    AttemptQuery,
    ConnectionTotals,
    ListedAttempt,
    ListedTrade,
    Page,
    TradeQuery,
)
from fillhandler_server.projections.paging import read_token, write_token
from fillhandler_server.projections.rows import COLUMNS as ORDER_COLUMNS
from fillhandler_server.projections.rows import order_from_row

FINISHED_MAX: Final = 10_000
"""Trades that have ended and are kept at hand."""
SUCCEEDED: Final = 1
RETRIED: Final = 2
GIVEN_UP: Final = 3
"""What came of an attempt, as in `fillhandler.v1.AttemptOutcome`."""

_COLUMNS: Final = (
    "trade_id, request_id, venue, account, symbol, start_time, start_sequence, outcome, finish_time,"
    " sequence, terms, state"
)
_Connection = tuple[str, str, str]
"""venue, account, market"""


class TradeRows:
    """Implements `domain.trades.TradeBook`. Owned by the writer's thread."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._trades: dict[str, Trade] = {}
        self._requests: dict[str, str] = {}
        self._orders: dict[int, str] = {}
        """Order number → trade."""
        self._active: dict[str, None] = {}
        self._dirty: set[str] = set()
        self._attempts: list[tuple[Any, ...]] = []
        self._moved: set[_Connection] = set()
        self.connections: dict[_Connection, ConnectionTotals] = {}
        rows = db.execute(
            f"SELECT {_COLUMNS} FROM executed_trades WHERE outcome = 0 ORDER BY start_sequence"
        ).fetchall()
        for row in rows:
            self._keep(_from_row(row))
        for venue, account, market, repaired, confirmed in db.execute("SELECT * FROM connections"):
            self.connections[venue, account, market] = ConnectionTotals(repaired, json.loads(confirmed))

    # ------------------------------------------------------------------ the book

    def get(self, trade_id: str) -> Trade | None:
        """The trade of this id."""
        return self._trades.get(trade_id) or self._stored("trade_id = ?", trade_id)

    def of_request(self, request_id: str) -> Trade | None:
        """The trade that was started by this request."""
        known = self._requests.get(request_id)
        return self._trades[known] if known is not None else self._stored("request_id = ?", request_id)

    def of_order(self, order_number: int) -> Trade | None:
        """The trade that an order is of."""
        known = self._orders.get(order_number)
        if known is not None:
            return self._trades[known]
        return self._stored(
            "trade_id = (SELECT trade_id FROM trade_orders WHERE order_number = ?)", order_number
        )

    def put(self, trade: Trade) -> None:
        """A trade was started, or has another state."""
        self._keep(trade)
        self._dirty.add(trade.trade_id)

    def active(self) -> list[Trade]:
        """Every trade that has not ended, oldest first."""
        return [self._trades[trade_id] for trade_id in self._active]

    def _keep(self, trade: Trade) -> None:
        self._trades[trade.trade_id] = trade
        self._requests[trade.request_id] = trade.trade_id
        for leg in trade.legs:
            self._orders[leg.order_number] = trade.trade_id
        if trade.finished:
            self._active.pop(trade.trade_id, None)
        else:
            self._active[trade.trade_id] = None

    def _stored(self, where: str, value: object) -> Trade | None:
        row = self._db.execute(f"SELECT {_COLUMNS} FROM executed_trades WHERE {where}", [value]).fetchone()
        if row is None or row[0] in self._trades:  # at hand it is newer
            return None
        trade = _from_row(row)
        self._keep(trade)
        return trade

    # ------------------------------------------------------------------ events and rows

    def on_event(self, event: Event, now: int) -> None:
        """Takes every event after its fold."""
        if isinstance(event, RequestSucceeded):
            outcome, failure = SUCCEEDED, None
            operation, attempt, send_time = event.operation, event.attempt, event.send_time
        elif isinstance(event, RequestFailed):
            failure = event.failure
            outcome = GIVEN_UP if failure.delay is None else RETRIED
            operation, attempt, send_time = failure.operation, failure.attempt, failure.send_time
        else:
            if isinstance(event, ConnectionChanged):
                self._connection_changed(event)
            return
        self._attempts.append(
            (
                event.sequence,
                event.trade_id,
                event.order.number,
                int(operation),
                attempt,
                outcome,
                "" if failure is None else failure.error_class,
                int(failure is not None and failure.maybe_applied),
                "" if failure is None else failure.text,
                None if failure is None else failure.delay,
                send_time,
                now,
            )
        )

    def _connection_changed(self, event: ConnectionChanged) -> None:
        key = (event.venue, event.account, event.market)
        totals = self.connections.get(key) or ConnectionTotals(0, {})
        confirmed = totals.confirmed
        if event.confirmed_time is not None:
            confirmed = {**confirmed, event.symbol: max(event.confirmed_time, confirmed.get(event.symbol, 0))}
        self.connections[key] = ConnectionTotals(totals.repaired_fills + event.repaired_fills, confirmed)
        self._moved.add(key)

    def renumber(self, number: int, into: int) -> None:
        """One order was merged into another: attempts not yet written are that one's."""
        self._attempts = [(*r[:2], into, *r[3:]) if r[2] == number else r for r in self._attempts]

    def flush(self, connection: Any) -> None:
        """Writes what is new, inside the caller's transaction."""
        dirty = [self._trades[trade_id] for trade_id in self._dirty]
        connection.executemany(
            f"INSERT OR REPLACE INTO executed_trades ({_COLUMNS}) VALUES ({', '.join('?' * 12)})",
            [_to_row(trade) for trade in dirty],
        )
        connection.executemany(
            "INSERT OR REPLACE INTO trade_orders VALUES (?, ?)",
            [(leg.order_number, trade.trade_id) for trade in dirty for leg in trade.legs],
        )
        connection.executemany(f"INSERT INTO attempts VALUES ({', '.join('?' * 12)})", self._attempts)
        connection.executemany(
            "INSERT OR REPLACE INTO connections VALUES (?, ?, ?, ?, ?)",
            [
                (*key, self.connections[key].repaired_fills, json.dumps(self.connections[key].confirmed))
                for key in self._moved
            ],
        )

    def flushed(self) -> None:
        """The flush is committed."""
        self._dirty.clear()
        self._attempts.clear()
        self._moved.clear()
        if len(self._trades) - len(self._active) > FINISHED_MAX:
            kept = self.active()
            self._trades, self._requests, self._orders, self._active = {}, {}, {}, {}
            for trade in kept:
                self._keep(trade)


def _to_row(trade: Trade) -> tuple[Any, ...]:
    terms = trade.terms
    state = {
        "legs": [
            [
                leg.order_number,
                leg.client_order_id,
                leg.start_time,
                leg.type,
                canonical(leg.quantity),
                None if leg.limit_price is None else canonical(leg.limit_price),
                leg.attempts,
                leg.placed,
                None if leg.failure is None else astuple(leg.failure),
            ]
            for leg in trade.legs
        ],
        "cancel_requested": trade.cancel_requested,
        "undecided": trade.undecided,
        "error_class": trade.error_class,
        "text": trade.text,
    }
    return (
        trade.trade_id,
        trade.request_id,
        terms.venue,
        terms.account,
        terms.symbol,
        trade.start_time,
        trade.start_sequence,
        int(trade.outcome),
        trade.finish_time,
        trade.sequence,
        terms_to_bytes(terms),
        json.dumps(state, separators=(",", ":")),
    )


def _from_row(row: tuple[Any, ...]) -> Trade:
    state = json.loads(row[11])
    return Trade(
        trade_id=row[0],
        request_id=row[1],
        terms=terms_from_bytes(bytes(row[10])),
        start_time=row[5],
        start_sequence=row[6],
        legs=tuple(_leg(each) for each in state["legs"]),
        cancel_requested=state["cancel_requested"],
        undecided=state["undecided"],
        outcome=TradeOutcome(row[7]),
        error_class=state["error_class"],
        text=state["text"],
        finish_time=row[8],
        sequence=row[9],
    )


def _leg(state: list[Any]) -> Leg:
    number, name, start, kind, quantity, limit, attempts, placed, failure = state
    return Leg(
        number,
        name,
        start,
        kind,
        Decimal(quantity),
        None if limit is None else Decimal(limit),
        (attempts[0], attempts[1], attempts[2]),
        placed,
        _failure(failure),
    )


def _failure(state: list[Any] | None) -> Failure | None:
    return None if state is None else Failure(Operation(state[0]), *state[1:])


# ---------------------------------------------------------------------- reading beside the writer


def list_trades(db: Database, query: TradeQuery, size: int, token: str) -> Page[ListedTrade]:
    """A page of trades by their start.

    Raises:
        PageTokenInvalidError: the token is not of a page of this query.
    """
    where, values = _scope(query.venue, query.account, query.symbol, "t")
    if query.active:
        where += " AND t.outcome = 0"
    where, values = _times(where, values, "t.start_time", query.start_time, query.end_time)
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM executed_trades t WHERE t.start_sequence > ?{where}"
        " ORDER BY t.start_sequence LIMIT ?",
        [read_token(token, query), *values, size + 1],
    ).fetchall()
    trades = [_from_row(row) for row in rows[:size]]
    orders = _orders_of(db, [leg.order_number for trade in trades for leg in trade.legs])
    found = [
        ListedTrade(trade, [orders[leg.order_number] for leg in trade.legs if leg.order_number in orders])
        for trade in trades
    ]
    return Page(found, write_token(trades[-1].start_sequence, query) if len(rows) > size else "")


def _orders_of(db: Database, numbers: list[int]) -> dict[int, Order]:
    rows = db.execute(
        f"SELECT {ORDER_COLUMNS} FROM orders WHERE number IN (SELECT value FROM json_each(?))",
        [json.dumps(numbers)],
    )
    return {row[0]: order_from_row(row) for row in rows}


def list_attempts(db: Database, query: AttemptQuery, size: int, token: str) -> Page[ListedAttempt]:
    """A page of attempts by their time.

    Raises:
        PageTokenInvalidError: the token is not of a page of this query.
    """
    where, values = _scope(query.venue, query.account, query.symbol, "o")
    for column in ("trade_id", "error_class", "outcome"):
        if getattr(query, column):
            where += f" AND a.{column} = ?"
            values.append(getattr(query, column))
    where, values = _times(where, values, "a.commit_time", query.start_time, query.end_time)
    order_columns = ", ".join(f"o.{name.strip()}" for name in ORDER_COLUMNS.split(","))
    rows = db.execute(
        f"SELECT {order_columns}, a.* FROM attempts a JOIN orders o ON o.number = a.order_number"
        f" WHERE a.sequence > ?{where} ORDER BY a.sequence LIMIT ?",
        [read_token(token, query), *values, size + 1],
    ).fetchall()
    found = []
    width = len(ORDER_COLUMNS.split(","))
    for row in rows[:size]:
        sequence, trade_id, _, operation, attempt, outcome, error_class, maybe, text, *times = row[width:]
        delay, send_time, commit_time = times
        found.append(
            ListedAttempt(
                sequence,
                trade_id,
                operation,
                attempt,
                outcome,
                error_class,
                bool(maybe),
                text,
                delay,
                send_time,
                commit_time,
                order_from_row(row[:width]),
            )
        )
    return Page(found, write_token(found[-1].sequence, query) if len(rows) > size else "")


def _scope(venue: str, account: str, symbol: str, table: str) -> tuple[str, list[Any]]:
    where, values = "", []
    for column, value in (("venue", venue), ("account", account), ("symbol", symbol)):
        if value:
            where += f" AND {table}.{column} = ?"
            values.append(value)
    return where, values


def _times(
    where: str, values: list[Any], column: str, start: int | None, end: int | None
) -> tuple[str, list[Any]]:
    for sign, time in ((">=", start), ("<", end)):
        if time is not None:
            where += f" AND {column} {sign} ?"
            values = [*values, time]
    return where, values
