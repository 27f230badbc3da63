"""Kraken Futures: fills and orders over REST, the WebSocket and the history.

What is asked for and what came of it (sendStatus and the like) is in `futures_answers`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from fillhandler_server.domain.fills import Fill, Liquidity, Side
from fillhandler_server.domain.numbers import EXACT, ZERO
from fillhandler_server.domain.reports import OrderReport, OrderStatus
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.kraken.symbols import Product
from fillhandler_server.venues.kraken.values import (
    SIDES,
    Fees,
    absolute_price,
    fee_in,
    fee_stated,
    find,
    marks,
    needed_time,
    order_type,
    time_of,
)
from fillhandler_server.venues.reading import Reading, Row

_FILL_TYPES: Final = {
    "maker": (Liquidity.MAKER, ""),
    "taker": (Liquidity.TAKER, ""),
    "takerAfterEdit": (Liquidity.TAKER, ""),
    "liquidation": (Liquidity.UNSPECIFIED, "liquidation"),
    "partialLiquidation": (Liquidity.UNSPECIFIED, "liquidation"),
    "assignor": (Liquidity.UNSPECIFIED, "liquidation"),  # our position was assigned to another
    "assignee": (Liquidity.UNSPECIFIED, ""),  # we took a position over, by agreement
    "unwindBankrupt": (Liquidity.UNSPECIFIED, "liquidation"),
    "unwindCounterparty": (Liquidity.UNSPECIFIED, "adl"),
    "settlement": (Liquidity.UNSPECIFIED, "settlement"),
}
"""By `fillType`: who was first in the book, and what forced it."""

_FORCED_TYPES: Final = {"liquidation": "liquidation", "unwind": "adl"}
"""Order types that only the venue uses."""

_DIRECTIONS: Final = {"0": Side.BUY, "1": Side.SELL}

OPEN_STATUSES: Final = {
    "untouched": OrderStatus.NEW,
    "partiallyFilled": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED,
    "fullyFilled": OrderStatus.FILLED,
    "cancelled": OrderStatus.CANCELED,
    # /orders/status
    "ENTERED_BOOK": OrderStatus.NEW,
    "FULLY_EXECUTED": OrderStatus.FILLED,
    "REJECTED": OrderStatus.REJECTED,
    "CANCELLED": OrderStatus.CANCELED,
    "TRIGGER_PLACED": OrderStatus.NEW,
    "TRIGGER_ACTIVATION_FAILURE": OrderStatus.REJECTED,
}

_REASONS: Final = {
    "full_fill": OrderStatus.FILLED,
    "contract_expired": OrderStatus.EXPIRED,
    "post_order_failed_because_it_would_filled": OrderStatus.REJECTED,
    "post_order_failed_because_it_would_be_filled": OrderStatus.REJECTED,
    "ioc_order_failed_because_it_would_not_be_executed": OrderStatus.REJECTED,
    "would_execute_self": OrderStatus.REJECTED,
    "would_not_reduce_position": OrderStatus.REJECTED,
}
"""What became of an order that left the book; any other reason is a cancel (the venue adds words)."""

_ENDED: Final = frozenset({OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED})
"""The states that a reason belongs to: "new_placed_order_by_user" is none."""

HISTORY_EVENTS: Final = {
    "OrderPlaced": OrderStatus.NEW,
    "OrderUpdated": OrderStatus.NEW,
    "OrderCancelled": OrderStatus.CANCELED,
    "OrderRejected": OrderStatus.REJECTED,
    "OrderTriggerPlaced": OrderStatus.NEW,
    "OrderTriggerUpdated": OrderStatus.NEW,
    "OrderTriggerCancelled": OrderStatus.CANCELED,
}


# ----------------------------------------------------------------------- fills


def is_fill(data: Json) -> bool:
    """A row of /fills or of the fills feed."""
    return "fill_id" in data or "fillType" in data or "fill_type" in data


def read_fill(row: Row, reading: Reading) -> None:
    """A fill: REST has `side`, `size`, `fillTime`, the feed `buy`, `qty`, `time`."""
    told = find(row, "symbol", "instrument")
    metadata = marks(row, told, "symbol", "instrument")
    fill_type = row.optional_word("fillType", "fill_type")
    liquidity, forced = _FILL_TYPES.get(fill_type, (Liquidity.UNSPECIFIED, ""))
    if fill_type and not liquidity:
        metadata["fill_type"] = fill_type
    if forced:
        metadata["execution"] = forced
    side: int
    if row.has("side") or "buy" not in row.data:
        side = row.choice(SIDES, "side", default=Side.UNSPECIFIED)
    else:
        side = Side.BUY if row.flag("buy") else Side.SELL
    reading.fills.append(
        Fill(
            venue=reading.venue,
            symbol=told.symbol,
            order_id=row.id("order_id", "orderId"),
            trade_id=row.id("fill_id"),
            side=side,
            quantity=row.positive("size", "qty"),
            price=row.number("price"),
            account=reading.account,
            market=told.market,
            client_order_id=row.optional_id("cliOrdId", "cli_ord_id"),
            fees=fee_stated(row, told.settle),
            liquidity=liquidity,
            trade_time=needed_time(row, "fillTime", "time"),
            contract_kind=told.kind,
            multiplier=told.multiplier,
            metadata=metadata,
            base_currency=told.base,
            quote_currency=told.quote,
        )
    )


def read_history_execution(row: Row, reading: Reading) -> None:
    """An execution of the history: {uid, order, price, quantity, executionType, orderData.fee}."""
    order = row.optional_row("order")
    if order is None:
        if row.data.get("makerOrder") is not None or row.data.get("takerOrder") is not None:
            reading.skip("market_data", "a public execution")
        else:
            row.fail("order", "missing")
        return
    told = find(order, "tradeable", "symbol")
    data = row.optional_row("orderData")
    fees: Fees = fee_in(data, told.settle, "fee") if data is not None else ()
    kind = order_type(order.optional_word("orderType"))
    metadata = marks(order, told, "tradeable", "symbol")
    if kind in _FORCED_TYPES:
        metadata["execution"] = _FORCED_TYPES[kind]
    liquidity, _ = _FILL_TYPES.get(row.optional_word("executionType"), (Liquidity.UNSPECIFIED, ""))
    reading.fills.append(
        Fill(
            venue=reading.venue,
            symbol=told.symbol,
            order_id=order.id("uid", "orderId"),
            trade_id=row.id("uid"),
            side=order.choice(SIDES, "direction", "side", default=Side.UNSPECIFIED),
            quantity=row.positive("quantity"),
            price=row.number("price"),
            account=reading.account,
            market=told.market,
            client_order_id=order.optional_id("clientId", "cliOrdId"),
            fees=fees,
            liquidity=liquidity,
            trade_time=needed_time(row, "timestamp"),
            contract_kind=told.kind,
            multiplier=told.multiplier,
            metadata=metadata,
            base_currency=told.base,
            quote_currency=told.quote,
        )
    )


# ---------------------------------------------------------------------- orders


def report(
    row: Row,
    reading: Reading,
    status: int,
    *,
    quantity: Decimal | None,
    filled: Decimal | None,
    average: Decimal | None = None,
    reason: str = "",
    previous: str = "",
    time: int | None = None,
) -> None:
    """A report of an order in any of the venue's forms, whose names never meet."""
    told: Product = find(row, "symbol", "instrument", "tradeable")
    kind = order_type(row.optional_word("orderType", "type"))
    side: int
    if row.has("side") or "direction" not in row.data:
        side = row.choice(SIDES, "side", default=Side.UNSPECIFIED)
    else:
        side = row.choice(_DIRECTIONS | SIDES, "direction", default=Side.UNSPECIFIED)
    order_id = row.id("order_id", "orderId", "uid")
    metadata = marks(row, told, "symbol", "instrument", "tradeable")
    if kind in _FORCED_TYPES:
        metadata["execution"] = _FORCED_TYPES[kind]
    if status == OrderStatus.NEW and filled:
        status = OrderStatus.PARTIALLY_FILLED
    if status == OrderStatus.FILLED and filled:
        quantity = filled  # whatever `quantity` counts
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=status,
            symbol=told.symbol,
            order_id=order_id,
            client_order_id=row.optional_id("cliOrdId", "cli_ord_id", "clientId"),
            account=reading.account,
            market=told.market,
            side=side,
            type="" if kind == "order" else kind,
            order_quantity=quantity or None,
            cumulative_quantity=filled,
            average_price=average,
            limit_price=None if kind == "market" else absolute_price(row, "limitPrice", "limit_price"),
            time=time or time_of(row, "lastUpdateTime", "last_update_time", "lastUpdateTimestamp"),
            create_time=time_of(row, "receivedTime", "time", "timestamp"),
            previous_order_id="" if previous == order_id else previous,
            contract_kind=told.kind,
            multiplier=told.multiplier,
            base_currency=told.base,
            quote_currency=told.quote,
            reason=reason if status in _ENDED else "",
            metadata=metadata,
        )
    )


def stated_quantity(row: Row) -> Decimal | None:
    """`quantity` of REST's orders, documented as the order's size.

    Below what was filled it can only be what remains.
    """
    quantity, filled = row.optional_number("quantity"), row.optional_number("filled") or ZERO
    if quantity is not None and quantity < filled:
        quantity = EXACT.add(quantity, filled)
    return quantity


def is_open_order(data: Json) -> bool:
    """A row of /openorders."""
    return "unfilledSize" in data or ("filledSize" in data and "receivedTime" in data)


def read_open_order(row: Row, reading: Reading) -> None:
    """An order of /openorders: what is filled and what is not, apart."""
    filled, rest = row.number("filledSize"), row.number("unfilledSize")
    report(
        row,
        reading,
        row.choice(OPEN_STATUSES, "status", default=OrderStatus.UNSPECIFIED),
        quantity=EXACT.add(filled, rest),
        filled=filled,
    )


def is_order_status(data: Json) -> bool:
    """A row of /orders/status: {order, status, updateReason, error}."""
    return isinstance(data.get("order"), dict) and "status" in data and "feed" not in data


def read_order_status(row: Row, reading: Reading) -> None:
    """The state of an order that is open or ended less than five seconds ago."""
    order = row.optional_row("order")
    assert order is not None  # is_order_status
    report(
        order,
        reading,
        row.choice(OPEN_STATUSES, "status", default=OrderStatus.UNSPECIFIED),
        quantity=stated_quantity(order),
        filled=order.optional_number("filled"),
        reason=row.note("error", "updateReason"),
    )


def is_feed_order(data: Json) -> bool:
    """A row of the open_orders feeds' snapshot."""
    return "direction" in data and "order_id" in data


def read_feed_order(row: Row, reading: Reading) -> None:
    """An order of a snapshot: it is in the book."""
    _feed_order(row, reading, OrderStatus.NEW, "")


def _feed_order(row: Row, reading: Reading, status: int, reason: str) -> None:
    # `qty` is what remains: a fully filled order comes with qty 0.
    filled, rest = row.number("filled"), row.number("qty")
    report(row, reading, status, quantity=EXACT.add(filled, rest), filled=filled, reason=reason)


def is_feed_change(data: Json) -> bool:
    """A change of the open_orders feeds."""
    return "is_cancel" in data


def read_feed_change(row: Row, reading: Reading) -> None:
    """An order that came into the book, changed or left it. A removal may name the order by its ids alone."""
    gone, reason = row.flag("is_cancel"), row.note("reason")
    if reason == "order_for_edit_not_found":
        reading.skip("failed_amend", reason)
        return
    if reason == "stop_order_triggered":
        reading.skip("trigger", "a stop order was triggered: what it placed has a message of its own")
        return
    status: int = OrderStatus.NEW
    if gone or reason == "full_fill":
        status = _REASONS.get(reason, OrderStatus.CANCELED)
    if isinstance(row.data.get("order"), dict):
        order = row.optional_row("order")
        assert order is not None
        named = {**order.data}
        for key in ("order_id", "cli_ord_id"):
            named.setdefault(key, row.data.get(key))
        _feed_order(Row(named, order.path, reading), reading, status, reason)
        return
    order_id, client_order_id = row.optional_id("order_id"), row.optional_id("cli_ord_id")
    if not order_id and not client_order_id:
        row.fail("order_id", "missing")
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=status,
            order_id=order_id,
            client_order_id=client_order_id,
            account=reading.account,
            time=time_of(row, "timestamp", "time"),
            reason=reason,
            metadata={"execution": "liquidation"} if reason == "liquidation" else {},
        )
    )


def is_history_order(data: Json) -> bool:
    """An order of the history, alone."""
    return "tradeable" in data and "direction" in data and "uid" in data


def read_history_event(row: Row, reading: Reading) -> None:
    """{uid, timestamp, event: {kind: what}}: orders, triggers, executions of the history."""
    event = row.optional_row("event")
    if event is None:
        row.fail("event", "missing")
        return
    for name in event.data:
        inner = event.optional_row(name)
        if inner is not None:
            _history(name, inner, row, reading)
            return
    reading.skip("empty", "an event without content")


def _history(name: str, inner: Row, row: Row, reading: Reading) -> None:
    if name.lower() == "execution":
        execution = inner.optional_row("execution")
        read_history_execution(inner if execution is None else execution, reading)
        return
    status = HISTORY_EVENTS.get(name)
    if status is None:
        reading.skip("failed_amend" if "Rejected" in name else "order_event", name)
        return
    for key in ("order", "newOrder", "orderTrigger", "newOrderTrigger"):
        order = inner.optional_row(key)
        if order is not None:
            break
    else:
        inner.fail("order", "missing")
        return
    # `quantity` is what remains: an order filled at once is placed with quantity 0.
    filled, rest = order.optional_number("filled"), order.optional_number("quantity")
    reason = inner.note("orderError", "reason")
    if status == OrderStatus.NEW and rest is not None and not rest and filled:
        status = OrderStatus.FILLED
    if name == "OrderCancelled" and reason == "full_fill":
        status = OrderStatus.FILLED
    old = inner.optional_row("oldOrder") if "oldOrder" in inner.data else None
    report(
        order,
        reading,
        status,
        quantity=None if rest is None else EXACT.add(rest, filled or ZERO),
        filled=filled,
        reason=reason,
        previous=old.optional_id("uid") if old is not None else "",
        time=time_of(row, "timestamp"),
    )
