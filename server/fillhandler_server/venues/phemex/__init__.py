"""Phemex: scaled contracts (v1), hedged contracts (v2), spot and margin. Payload to fills and order reports.

Sources: phemex-docs.github.io (contract, spot and margin), phemex-api-docs.
"""

from __future__ import annotations

from typing import Final

from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.kinds import Kind, Venue, any_key, dispatch, skipping
from fillhandler_server.venues.phemex.rows import is_row, read_row
from fillhandler_server.venues.phemex.scales import INSTRUMENTS, VALUE_PLACES
from fillhandler_server.venues.reading import Reading, Row

_ORDERS: Final = ("orders_p", "orders", "orders_mao")
_OTHERS: Final = {
    "accounts": "balance",
    "accounts_p": "balance",
    "wallets": "balance",
    "wallets_mao": "balance",
    "positions": "position",
    "positions_p": "position",
    "events": "event",
    "position_info": "position",
    "investments": "balance",
}
"""What stands beside the orders in a push."""

_MARKET_DATA: Final = (
    "book orderbook_p trades trades_p kline kline_p tick tick_p market24h market24h_p spot_market24h "
    "perp_market24h_pack_p index_market24h"
).split()


# ------------------------------------------------------------------------ push


def _read_push(row: Row, reading: Reading) -> None:
    """An account-order-position or wallet-order push: orders as a list, or by closed, fills and open."""
    found = 0
    for key in _ORDERS:
        orders = row.data.get(key)
        if isinstance(orders, dict):
            grouped = row.optional_row(key)
            assert grouped is not None
            found += _read_grouped(grouped, reading)
        else:
            rows = row.rows(key)
            found += len(rows)
            for order in rows:
                _read_listed(order, reading)
    for key, kind in _OTHERS.items():
        others = row.data.get(key)
        if isinstance(others, list):
            reading.skip(kind, f"{key} of a push", len(others))
        elif isinstance(others, dict):
            reading.skip(kind, f"{key} of a push")
    if not found and not reading.skips and not reading.faults:
        reading.skip("empty", "a push without orders")


def _read_grouped(row: Row, reading: Reading) -> int:
    opened, closed, fills = row.rows("open"), row.rows("closed"), row.rows("fills")
    # The executions have no client order id in some forms; their orders stand beside them.
    names: dict[str, str] = {}
    for order in (*opened, *closed):
        order_id, name = order.data.get("orderID"), order.data.get("clOrdID")
        if isinstance(order_id, str) and isinstance(name, str):
            names[order_id] = name
    for order in (*opened, *closed):
        _read_listed(order, reading)
    for execution in fills:
        read_row(execution, reading, names, is_execution=True)
    return len(opened) + len(closed) + len(fills)


def _read_listed(row: Row, reading: Reading) -> None:
    if is_row(row.data):
        read_row(row, reading)
    else:
        dispatch(KINDS, row, reading)


# ------------------------------------------------------------------------ REST


def _is_answer(data: Json) -> bool:
    return "code" in data and ("data" in data or "msg" in data) and not is_row(data)


def _read_answer(row: Row, reading: Reading) -> None:
    code = row.note("code")
    content = row.data.get("data")
    if isinstance(content, dict) and content:
        inner = row.optional_row("data")
        assert inner is not None
        dispatch(KINDS, inner, reading)
    elif isinstance(content, list) and content:
        for entry in row.rows("data"):
            dispatch(KINDS, entry, reading)
    elif code not in ("0", "200", ""):
        # It names no order: whatever was asked, there is nothing to report on.
        reading.skip("request_error", f"{code}: {row.note('msg')}")
    elif isinstance(content, list | dict) or content is None:
        reading.skip("empty", "an answer without rows")
    else:
        reading.skip("acknowledgement", "an answer that carries no orders")


def _read_rows(row: Row, reading: Reading) -> None:
    entries = row.data.get("rows")
    if isinstance(entries, list) and entries and not any(isinstance(entry, dict) for entry in entries):
        reading.skip("market_data", "rows of candles", len(entries))
        return
    if not entries:
        reading.skip("empty", "an answer without rows")
    for entry in row.rows("rows"):
        dispatch(KINDS, entry, reading)


def _is_socket_answer(data: Json) -> bool:
    return "id" in data and ("result" in data or "error" in data)


def _read_socket_answer(row: Row, reading: Reading) -> None:
    error = row.optional_row("error") if isinstance(row.data.get("error"), dict) else None
    if error is not None:
        reading.skip("request_error", f"{error.note('code')}: {error.note('message')}")
    else:
        reading.skip("acknowledgement", "an answer to a subscription or a heartbeat")


KINDS: Final = (
    Kind("order or execution", is_row, read_row),
    Kind("push", any_key(*_ORDERS, *_OTHERS), _read_push),
    Kind("REST answer", _is_answer, _read_answer),
    Kind("rows", any_key("rows"), _read_rows),
    Kind("WebSocket answer", _is_socket_answer, _read_socket_answer),
    Kind("market data", any_key(*_MARKET_DATA), skipping("market_data", "public market data")),
    Kind(
        "funding fee",
        any_key("fundingRateEr", "fundingRateRr"),
        skipping("funding", "a row of the funding fees"),
    ),
    Kind(
        "position",
        any_key("positionStatus", "openedTimeNs", "avgEntryPriceRp", "avgEntryPriceEp"),
        skipping("position", "a position"),
    ),
    Kind(
        "account",
        any_key("account", "accountBalanceEv", "accountBalanceRv", "balanceEv", "balanceRv", "balanceRq"),
        skipping("balance", "an account's balance"),
    ),
)
"""The kinds of objects, told apart by their keys, in the order of the looking."""


def claims(data: Json) -> bool:
    """Whether an object's keys are Phemex's and no other venue's."""
    if "orders_p" in data or "orders_mao" in data:
        return True
    if not {"execPriceRp", "execPriceEp", "priceRp", "priceEp", "ordStatus"}.isdisjoint(data.keys()):
        return not {"orderID", "orderId", "execID", "execId"}.isdisjoint(data.keys())
    inner: object = data.get("data")
    if isinstance(inner, dict) and isinstance(inner.get("rows"), list):
        inner = inner["rows"]
    if isinstance(inner, list) and inner:
        inner = inner[0]
    if inner is None:
        orders = data.get("orders")
        if isinstance(orders, dict):
            return {"closed", "fills", "open"} <= orders.keys()
        inner = orders[0] if isinstance(orders, list) and orders else None
    return isinstance(inner, dict) and inner is not data and claims(inner)


VENUE: Final = Venue(
    "phemex", "Phemex: scaled and hedged contracts, spot, margin", KINDS, claims, INSTRUMENTS, VALUE_PLACES
)
