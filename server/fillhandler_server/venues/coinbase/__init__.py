"""Coinbase: Advanced Trade (v3: spot, US futures, international perpetuals) and the older Exchange (Pro).

Sources: docs.cdp.coinbase.com (advanced-trade-api, coinbase-app WebSocket channels; exchange REST and feed).
"""

from __future__ import annotations

from typing import Final

from fillhandler_server.domain.reports import OrderStatus
from fillhandler_server.venues.coinbase import advanced, exchange
from fillhandler_server.venues.coinbase.words import optional_time
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.kinds import Kind, Venue, any_key, dispatch, keys, skipping
from fillhandler_server.venues.reading import Reading, Row

_SKIPPED_CHANNELS: Final = {
    "subscriptions": "acknowledgement",
    "heartbeats": "stream_control",
    "futures_balance_summary": "balance",
    "ticker": "market_data",
    "ticker_batch": "market_data",
    "market_trades": "market_data",
    "level2": "market_data",
    "l2_data": "market_data",
    "candles": "market_data",
    "status": "market_data",
}


# ------------------------------------------------------------------------ push


def _is_push(data: Json) -> bool:
    return isinstance(data.get("channel"), str) and (
        "events" in data or "sequence_num" in data or data["channel"] in _SKIPPED_CHANNELS
    )


def _read_push(row: Row, reading: Reading) -> None:
    channel = row.note("channel")
    if channel in _SKIPPED_CHANNELS:
        reading.skip(_SKIPPED_CHANNELS[channel], f"channel {channel}")
        return
    if channel != "user":
        row.fail("channel", "a channel that is not known")
        return
    time = optional_time(row, "timestamp")
    events = row.rows("events")
    for event in events:
        advanced.read_event(event, reading, time)
    if not events and not reading.faults:
        reading.skip("empty", "a message without events")


# ------------------------------------------------------------------------ REST


def _is_list(data: Json) -> bool:
    return any(isinstance(data.get(name), list) for name in ("fills", "orders", "results"))


def _read_list(row: Row, reading: Reading) -> None:
    found = False
    for name in ("fills", "orders", "results"):
        if not isinstance(row.data.get(name), list):
            continue
        for entry in row.rows(name):
            found = True
            dispatch(KINDS, entry, reading)
    if not found and not reading.faults:
        reading.skip("empty", "a list without entries")


def _is_wrapped(data: Json) -> bool:
    return isinstance(data.get("order"), dict)


def _read_wrapped(row: Row, reading: Reading) -> None:
    inner = row.optional_row("order")
    if inner is not None:
        dispatch(KINDS, inner, reading)


def _is_error(data: Json) -> bool:
    return "error" in data or "errors" in data or ("message" in data and "order_id" not in data)


def _read_error(row: Row, reading: Reading) -> None:
    reasons = [advanced.said(row, "error", "code", "message", "error_details", "error_description")]
    if isinstance(row.data.get("errors"), list):
        reasons += [advanced.said(why, "id", "message") for why in row.rows("errors")]
    reading.skip("request_error", "; ".join(text for text in reasons if text) or "error")


KINDS: Final = (
    Kind("push", _is_push, _read_push),
    Kind("user channel event", advanced.is_event, advanced.read_event),
    Kind("feed message", exchange.is_message, exchange.read_message),
    Kind(
        "preview",
        any_key("preview_id", "order_total", "errs"),
        skipping("preview", "what an order would do; none was placed"),
    ),
    Kind("placement answer", advanced.is_answer, advanced.read_answer),
    Kind(
        "edit answer",
        lambda data: "edit_failure_reason" in data or ("success" in data and "order_id" not in data),
        advanced.read_edit,
    ),
    Kind("cancel result", advanced.is_cancel, advanced.read_cancel),
    Kind("list", _is_list, _read_list),
    Kind("one order", _is_wrapped, _read_wrapped),
    Kind(
        "position",
        any_key(
            "positions",
            "position",
            "number_of_contracts",
            "net_size",
            "position_side",
            "perpetual_futures_positions",
            "expiring_futures_positions",
        ),
        skipping("position", "a position in futures"),
    ),
    Kind("user channel order", advanced.is_pushed_order, advanced.read_pushed_order),
    Kind("order", advanced.is_order, advanced.read_order),
    Kind("fill", advanced.is_fill, advanced.read_fill),
    Kind("Exchange order", exchange.is_order, exchange.read_order),
    Kind("Exchange fill", exchange.is_fill, exchange.read_fill),
    Kind(
        "public trade",
        lambda data: "trades" in data or keys("trade_id", "price", without=("order_id",))(data),
        skipping("market_data", "a public trade"),
    ),
    Kind(
        "acknowledgement",
        advanced.is_acknowledgement,
        lambda row, reading: advanced.acknowledge(row, reading, OrderStatus.NEW),
    ),
    Kind(
        "balance",
        any_key(
            "accounts",
            "account",
            "available_balance",
            "balance_summary",
            "portfolio_balances",
            "portfolios",
            "breakdown",
            "available",
            "hold",
        ),
        skipping("balance", "an account's balance"),
    ),
    Kind("fees", any_key("fee_tier", "total_volume"), skipping("fee_tier", "a summary of volume and fees")),
    Kind(
        "account history",
        any_key("pagination", "transfer_type"),
        skipping("transaction", "a row of an account's history"),
    ),
    Kind("sweep", any_key("sweeps"), skipping("transfer", "a sweep of funds")),
    Kind(
        "conversion",
        any_key("trade", "user_entered_amount"),
        skipping("conversion", "a conversion of one currency into another, outside the market"),
    ),
    Kind(
        "market data",
        any_key("products", "pricebook", "pricebooks", "candles", "base_increment"),
        skipping("market_data", "products, books or candles"),
    ),
    Kind("error", _is_error, _read_error),
)
"""The kinds of objects, told apart by their keys, in the order of the looking."""


def claims(data: Json) -> bool:
    """Whether an object's keys are Coinbase's and no other venue's."""
    if data.get("channel") == "user":
        return "sequence_num" in data and "events" in data
    for name in ("fills", "orders"):
        rows = data.get(name)
        if isinstance(rows, list) and rows and isinstance(rows[0], dict):
            return claims(rows[0])
    order = data.get("order")
    if isinstance(order, dict):
        return "order_configuration" in order and "product_id" in order
    if "success" in data:
        return "success_response" in data or "error_response" in data
    if "product_id" not in data or not ("order_id" in data or "trade_id" in data):
        return False
    return not {
        "liquidity_indicator",
        "order_configuration",
        "leaves_quantity",
        "taker_profile_id",
        "maker_profile_id",
    }.isdisjoint(data.keys())


def _read_canceled_ids(document: list[object], reading: Reading) -> bool:
    """What Exchange (Pro) answers to a cancel: the bare ids of the orders that it was asked to cancel."""
    if not document or not all(isinstance(entry, str) for entry in document):
        return False
    reading.skip("acknowledgement", "the ids of orders that are to be canceled", len(document))
    return True


VENUE: Final = Venue(
    "coinbase",
    "Coinbase: Advanced Trade spot and futures, Exchange (Pro)",
    KINDS,
    claims,
    takes_list=_read_canceled_ids,
)
