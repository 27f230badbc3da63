"""Kraken: spot and margin (REST, both WebSockets), futures (REST, WebSocket, history).

Sources: docs.kraken.com (spot REST and WebSocket v1 and v2, futures REST, WebSocket and history).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.kinds import Kind, Venue, any_key, dispatch, keys, skipping
from fillhandler_server.venues.kraken import answers, futures, futures_answers, spot
from fillhandler_server.venues.kraken.symbols import INSTRUMENTS, VENUE_NAME
from fillhandler_server.venues.reading import Reading, Row

_CHANNELS: Final = {
    "executions": "executions",
    "balances": "balance",
    "heartbeat": "stream_control",
    "status": "stream_control",
    "pong": "stream_control",
}
_MARKET_CHANNELS: Final = frozenset({"ticker", "book", "level3", "ohlc", "trade", "instrument", "spread"})

_SKIPPED_FEEDS: Final = {
    "balances": "balance",
    "balances_snapshot": "balance",
    "account_balances_and_margins": "balance",
    "deposits_withdrawals": "balance",
    "open_positions": "position",
    "account_log": "account_log",
    "account_log_snapshot": "account_log",
    "notifications_auth": "notification",
    "heartbeat": "stream_control",
    "challenge": "stream_control",
    "ticker": "market_data",
    "ticker_lite": "market_data",
    "trade": "market_data",
    "trade_snapshot": "market_data",
    "book": "market_data",
    "book_snapshot": "market_data",
}
_ORDER_FEEDS: Final = frozenset(
    {"open_orders", "open_orders_snapshot", "open_orders_verbose", "open_orders_verbose_snapshot"}
)
_FILL_FEEDS: Final = frozenset({"fills", "fills_snapshot"})


def _each(rows: list[Row], reading: Reading, read: Callable[[Row, Reading], None]) -> None:
    if not rows and not reading.faults:
        reading.skip("empty", "a list without entries")
    for entry in rows:
        read(entry, reading)


# --------------------------------------------------------------------- streams


def _is_channel(data: Json) -> bool:
    return "method" not in data and _channel_kind(data.get("channel")) is not None


def _channel_kind(name: object) -> str | None:
    if not isinstance(name, str):
        return None
    return "market_data" if name in _MARKET_CHANNELS else _CHANNELS.get(name)


def _read_channel(row: Row, reading: Reading) -> None:
    channel = row.note("channel")
    if channel == "executions":
        _each(row.rows("data"), reading, spot.read_execution)
        return
    reading.skip(_channel_kind(channel) or channel, f"channel {channel}")


def _is_feed(data: Json) -> bool:
    feed = data.get("feed")
    return isinstance(feed, str) and (
        "event" in data or feed in _SKIPPED_FEEDS or feed in _FILL_FEEDS or feed in _ORDER_FEEDS
    )


def _read_feed(row: Row, reading: Reading) -> None:
    feed = row.note("feed")
    if "event" in row.data:
        answers.read_status_event(row, reading)
    elif feed in _FILL_FEEDS:
        _each(row.rows("fills"), reading, futures.read_fill)
    elif feed in _ORDER_FEEDS:
        if "is_cancel" in row.data:
            futures.read_feed_change(row, reading)
        else:
            _each(row.rows("orders"), reading, futures.read_feed_order)
    else:
        reading.skip(_SKIPPED_FEEDS[feed], f"feed {feed}")


def read_channel_list(document: list[object], reading: Reading) -> bool:
    """A message of the first WebSocket: [[{id: row}, ...], "ownTrades" or "openOrders", {"sequence": 1}].

    Returns whether it is one; other lists are lists of rows.
    """
    if len(document) < 2 or not isinstance(document[-1], dict | str):
        return False
    names = [entry for entry in document if isinstance(entry, str)]
    if len(names) == 1 and names[0] in ("ownTrades", "openOrders") and isinstance(document[0], list):
        _each(reading.rows(document[0], "[0]"), reading, _read_keyed)
        return True
    if names and isinstance(document[0], int):  # [channel id, rows, "trade", "XBT/USD"]
        reading.skip("market_data", "a public channel")
        return True
    return False


# ------------------------------------------------------------------------ REST


def _is_answer(data: Json) -> bool:
    return isinstance(data.get("error"), list) and "method" not in data


def _read_answer(row: Row, reading: Reading) -> None:
    """{"error": [...], "result": ...} of spot REST."""
    errors = row.data.get("error")
    text = "; ".join(error for error in errors if isinstance(error, str)) if isinstance(errors, list) else ""
    content = row.data.get("result")
    if text and not content:
        kind = "failed_cancel" if "Unknown order" in text else "request_error"
        reading.skip(kind, Row({"text": text}, "", reading).note("text"))
    elif isinstance(content, dict) and content:
        dispatch(_KINDS_OF_RESULTS, Row(content, f"{row.path}result.", reading), reading)
    elif isinstance(content, list) and content:
        for entry in row.rows("result"):
            dispatch(KINDS, entry, reading)
    elif content is None or content in ({}, []):
        reading.skip("empty", "an answer without rows")
    else:
        reading.skip("acknowledgement", "an answer that names no order")


_ROW_KEYS: Final = frozenset(
    {"ordertxid", "descr", "vol_exec", "status", "userref", "opentm", "postxid", "refid", "aclass"}
)


def _is_keyed(data: Json) -> bool:
    """Rows under their ids: {"TXID": {...}}."""
    return bool(data) and all(
        isinstance(value, dict) and not _ROW_KEYS.isdisjoint(value.keys()) for value in data.values()
    )


def _read_keyed(row: Row, reading: Reading) -> None:
    for key, value in row.data.items():
        if isinstance(value, dict):
            inner = Row({**value, "txid": key}, f"{row.path}{key}.", reading)
            if spot.is_trade(value) or spot.is_position(value) or "aclass" in value:
                dispatch(KINDS, inner, reading)
            else:
                spot.read_order(inner, reading)
        else:
            row.fail(key, "expected an object")


def _is_balances(data: Json) -> bool:
    """{asset: amount} or {asset: {balance, hold_trade}}."""
    return all(
        "balance" in value if isinstance(value, dict) else isinstance(value, str) for value in data.values()
    )


_ROW_MAPS: Final = ("trades", "open", "closed")


def _is_row_maps(data: Json) -> bool:
    return any(isinstance(data.get(name), dict) for name in _ROW_MAPS)


def _read_row_maps(row: Row, reading: Reading) -> None:
    found = False
    for name in _ROW_MAPS:
        inner = row.optional_row(name) if name in row.data else None
        if inner is not None and inner.data:
            found = True
            _read_keyed(inner, reading)
    if not found and not reading.faults:
        reading.skip("empty", "an answer without rows")


_LISTS: Final = ("fills", "openOrders", "orders", "elements", "orderEvents")


def _is_list(data: Json) -> bool:
    return any(isinstance(data.get(name), list) for name in _LISTS) and "status" not in data


def _read_list(row: Row, reading: Reading) -> None:
    for name in _LISTS:
        if isinstance(row.data.get(name), list):
            _each(row.rows(name), reading, _dispatch)


def _dispatch(row: Row, reading: Reading) -> None:
    dispatch(KINDS, row, reading)


def _is_history_event(data: Json) -> bool:
    return isinstance(data.get("event"), dict)


def _is_history_execution(data: Json) -> bool:
    return "executionType" in data or ("usdValue" in data and "uid" in data)


def _is_futures_answer(data: Json) -> bool:
    return data.get("result") in ("success", "error") or ("serverTime" in data and "error" in data)


def _read_futures_answer(row: Row, reading: Reading) -> None:
    """{"result": "success" or "error", ...} whose content is not of another kind."""
    if row.data.get("result") == "error" or row.has("error"):
        reading.skip("request_error", row.note("error") or "error")
    elif any(name in row.data for name in ("accounts", "openPositions")):
        reading.skip("account", "balances or positions")
    else:
        reading.skip("acknowledgement", "an answer that names no order")


_POSITION: Final = Kind("position", spot.is_position, skipping("position", "a position"))

KINDS: Final = (
    Kind("feed of the futures", _is_feed, _read_feed),
    Kind("channel", _is_channel, _read_channel),
    Kind("WebSocket answer", answers.is_method_answer, answers.read_method_answer),
    Kind("status event", answers.is_status_event, answers.read_status_event),
    Kind("REST answer", _is_answer, _read_answer),
    Kind("futures order answer", futures_answers.is_answer, futures_answers.read_answer),
    Kind("history event", _is_history_event, futures.read_history_event),
    Kind("futures order event", futures_answers.is_event, futures_answers.read_event),
    Kind("futures order status", futures.is_order_status, futures.read_order_status),
    Kind("futures order outcome", futures_answers.is_outcome, futures_answers.read_outcome),
    Kind("list", _is_list, _read_list),
    Kind("futures answer", _is_futures_answer, _read_futures_answer),
    Kind("execution", spot.is_execution, spot.read_execution),
    _POSITION,
    Kind("trade", spot.is_trade, spot.read_trade),
    Kind("futures fill", futures.is_fill, futures.read_fill),
    Kind("futures open order", futures.is_open_order, futures.read_open_order),
    Kind("futures order change", futures.is_feed_change, futures.read_feed_change),
    Kind("futures feed order", futures.is_feed_order, futures.read_feed_order),
    Kind(
        "position update",
        any_key("positionChange", "oldPosition"),
        skipping("position", "a change of a position"),
    ),
    Kind("history execution", _is_history_execution, futures.read_history_execution),
    Kind("placed order", answers.is_placed, answers.read_placed),
    Kind("order", spot.is_order, spot.read_order),
    Kind("rows", _is_row_maps, _read_row_maps),
    Kind("rows by id", _is_keyed, _read_keyed),
    Kind("ledger entry", any_key("ledger", "aclass", "booking_uid"), skipping("ledger", "a ledger entry")),
    Kind("account log", any_key("logs"), skipping("account_log", "the account's log")),
    Kind(
        "amends",
        any_key("amends", "amend_type"),
        skipping("order_amendment", "history of an order's changes"),
    ),
    Kind("cancel answer", keys("count"), skipping("acknowledgement", "a cancel that names no order")),
    Kind("acknowledgement", answers.is_entry, answers.read_entry),
    Kind("token", any_key("token"), skipping("stream_control", "a WebSocket token")),
    Kind(
        "balance",
        any_key("balance", "hold_trade", "eb", "portfolioValue"),
        skipping("balance", "an account's balance"),
    ),
    Kind("futures position", keys("side", "size", "price"), skipping("position", "a position")),
)
"""The kinds of objects, told apart by their keys, in the order of the looking."""

_KINDS_OF_RESULTS: Final = (
    *KINDS,
    Kind("timer", any_key("triggerTime", "currentTime"), skipping("acknowledgement", "a timer")),
    Kind("balances", _is_balances, skipping("balance", "an account's balances")),
    Kind("account", lambda _: True, skipping("account", "a result that is neither orders nor trades")),
)
"""Inside a spot answer the rest are balances and the like, whose keys are the assets' names."""


def claims(data: Json) -> bool:
    """Whether an object's keys are Kraken's and no other venue's."""
    if data.get("channel") == "executions" and "data" in data:
        return True
    if data.get("feed") in _FILL_FEEDS | _ORDER_FEEDS:
        return True
    if any(name in data for name in futures_answers.ANSWERS) or "ordertxid" in data:
        return True
    if keys("exec_type", "order_id")(data) or keys("fill_id", "fillType")(data):
        return True
    if keys("method", "time_in", "time_out")(data):
        return True
    content = data.get("result")
    if isinstance(data.get("error"), list) and isinstance(content, dict):
        return _is_row_maps(content) or any(
            isinstance(row, dict) and ("ordertxid" in row or "vol_exec" in row) for row in content.values()
        )
    fills = data.get("fills")
    if isinstance(fills, list) and fills and isinstance(fills[0], dict):
        return keys("fill_id", "fillType")(fills[0])
    return False


VENUE: Final = Venue(
    VENUE_NAME,
    "Kraken: spot, margin, futures (linear, inverse)",
    KINDS,
    claims,
    INSTRUMENTS,
    takes_list=read_channel_list,
)
