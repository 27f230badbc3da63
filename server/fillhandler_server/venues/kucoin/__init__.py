"""KuCoin: spot and margin (old and high-frequency), futures, stop orders, the unified account.

Sources: kucoin.com/docs-new (classic and unified account, REST and WebSocket), docs.kucoin.com.
"""

from __future__ import annotations

from typing import Final

from fillhandler_server.domain.reports import OrderStatus
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.kinds import Kind, Venue, any_key, dispatch, keys, skipping
from fillhandler_server.venues.kucoin import answers, fills, orders, unified
from fillhandler_server.venues.kucoin.words import INSTRUMENTS
from fillhandler_server.venues.reading import Reading, Row

# ---------------------------------------------------------------------- pushes

_ORDER_TOPICS: Final = ("/spotMarket/tradeOrders", "/contractMarket/tradeOrders")
_STOP_TOPICS: Final = ("/spotMarket/advancedOrders", "/contractMarket/advancedOrders")
_SKIPPED_TOPICS: Final = {
    "/account/": "balance",
    "/contractAccount/": "balance",
    "/contract/position": "position",
    "/contract/marginMode": "setting",
    "/contract/crossLeverage": "setting",
    "/contract/": "market_data",
    "/contractMarket/": "market_data",
    "/margin/position": "position",
    "/margin/isolatedPosition": "position",
    "/margin/loan": "lending",
    "/margin/": "market_data",
    "/market/": "market_data",
    "/indicator/": "market_data",
    "/spotMarket/": "market_data",
    "/callauction/": "market_data",
}
"""By the topic's beginning, the first that fits."""


def _is_push(data: Json) -> bool:
    return "topic" in data and ("data" in data or data.get("type") == "message")


def _read_push(row: Row, reading: Reading) -> None:
    topic = row.note("topic")
    content = row.optional_row("data") if isinstance(row.data.get("data"), dict) else None
    if content is None or not content.data:
        reading.skip("empty", "a push without data")
    elif topic.startswith(_ORDER_TOPICS):
        orders.read_change(content, reading)
    elif topic.startswith(_STOP_TOPICS):
        orders.read_stop_event(content, reading)
    elif topic.startswith("/spot/tradeFills"):
        fills.read_fill(content, reading)
    elif row.note("subject") == "position.settlement":
        reading.skip("funding", "a funding settlement")
    else:
        for beginning, kind in _SKIPPED_TOPICS.items():
            if topic.startswith(beginning):
                reading.skip(kind, f"topic {topic}")
                return
        dispatch(KINDS, content, reading)


_UNIFIED_SKIPPED: Final = {
    "balance": "balance",
    "position": "position",
    "positionAll": "position",
    "leverage": "setting",
    "lw": "liquidation_warning",
    "ticker": "market_data",
    "trade": "market_data",
    "kline": "market_data",
    "obu": "market_data",
    "orderbook": "market_data",
    "funding-fee": "market_data",
    "funding-rate": "market_data",
    "mark-price": "market_data",
    "index-price": "market_data",
    "callAuction": "market_data",
}


def _is_unified_push(data: Json) -> bool:
    return "T" in data and "d" in data and isinstance(data["T"], str)


def _read_unified_push(row: Row, reading: Reading) -> None:
    topic = row.note("T")
    channel = topic.partition(".")[0]
    content = row.data.get("d")
    entries = row.rows("d") if isinstance(content, list) else [row.optional_row("d")]
    for entry in entries:
        if entry is None or not entry.data:
            reading.skip("empty", "a push without data")
        elif channel in ("order", "orderAll"):
            unified.read_order_push(entry, reading)
        elif channel == "execution":
            unified.read_fill_push(entry, reading)
        elif channel in _UNIFIED_SKIPPED:
            reading.skip(_UNIFIED_SKIPPED[channel], f"topic {topic}")
        else:
            dispatch(KINDS, entry, reading)


_CONTROLS: Final = ("welcome", "ack", "ping", "pong", "notice", "error")


def _is_control(data: Json) -> bool:
    if data.get("type") in _CONTROLS or data.get("op") in ("ping", "pong") or "sessionId" in data:
        return data.keys().isdisjoint(("orderId", "symbol"))
    return "id" in data and isinstance(data.get("result"), bool)


def _read_control(row: Row, reading: Reading) -> None:
    if row.data.get("type") == "error" or row.data.get("result") is False:
        text = row.note("data", "reason", "msg") or "error"
        code = row.note("code")
        reading.skip("request_error", f"{code}: {text}" if code else text)
    else:
        reading.skip("acknowledgement", "an answer to a subscription or a heartbeat")


def _is_operation(data: Json) -> bool:
    return "op" in data and ("code" in data or "data" in data)


def _read_operation(row: Row, reading: Reading) -> None:
    """An answer of the trading WebSocket; its `id` is the request's."""
    action = answers.action_of(row.note("op").lower())
    if row.note("code") not in answers.SUCCESS_CODES:
        answers.skip_operation(row, reading, action)
        return
    entries = _entries(row, "data")
    if not entries:
        reading.skip("acknowledgement", "an answer that carries no orders")
    for entry in entries:
        for part in entry.rows(_page_key(entry.data)) if _is_page(entry.data) else (entry,):
            if not answers.read_operation_entry(part, reading, action):
                dispatch(KINDS, part, reading)


# ------------------------------------------------------------------------ REST


def _entries(row: Row, key: str) -> list[Row]:
    """The entries under a key that holds a list of objects, one object, or something else."""
    value = row.data.get(key)
    if isinstance(value, dict):
        one = row.optional_row(key) if value else None
        return [] if one is None else [one]
    if isinstance(value, list) and value and all(isinstance(entry, str | int) for entry in value):
        return []
    return row.rows(key) if isinstance(value, list) else []


def _is_answer(data: Json) -> bool:
    return (
        "code" in data
        and ("data" in data or "msg" in data or "success" in data)
        and data.keys().isdisjoint(("orderId", "clientOid"))
    )


def _read_answer(row: Row, reading: Reading) -> None:
    if row.note("code") not in answers.SUCCESS_CODES or row.data.get("success") is False:
        answers.skip_error(row, reading)
        return
    content = row.data.get("data")
    entries = _entries(row, "data")
    for entry in entries:
        dispatch(KINDS, entry, reading)
    if entries:
        return
    if content is None or content == [] or content == {}:
        reading.skip("empty", "an answer without rows")
    elif not reading.faults:
        reading.skip("acknowledgement", "an answer that carries no orders")


_PAGES: Final = ("items", "dataList", "list")


def _page_key(data: Json) -> str:
    for key in _PAGES:
        if key in data and (data[key] is None or isinstance(data[key], list)):
            return key
    return ""


def _is_page(data: Json) -> bool:
    return bool(_page_key(data))


def _read_page(row: Row, reading: Reading) -> None:
    entries = row.rows(_page_key(row.data))
    if not entries and not reading.faults:
        reading.skip("empty", "a page without rows")
    for entry in entries:
        names = {name for name in entry.data if entry.has(name)}
        if names in ({"orderId"}, {"clientOid"}):
            # The unified account's batch cancels name what they accepted; no other page has bare ids.
            answers.report(entry, reading, OrderStatus.PENDING_CANCEL)
        else:
            dispatch(KINDS, entry, reading)


def _is_wrapped(data: Json) -> bool:
    return isinstance(data.get("data"), list | dict) and data.keys().isdisjoint(("orderId", "clientOid"))


def _read_wrapped(row: Row, reading: Reading) -> None:
    entries = _entries(row, "data")
    if not entries and not reading.faults:
        reading.skip("empty", "an answer without rows")
    for entry in entries:
        dispatch(KINDS, entry, reading)


def _is_oco(data: Json) -> bool:
    names = data.keys()
    return {"orderId", "symbol", "orderTime", "status"} <= names and names.isdisjoint(
        ("side", "size", "type", "ts")
    )


def _read_oco(row: Row, reading: Reading) -> None:
    """An OCO order has an id of its own; what it stands for are its two stop orders."""
    reading.skip("order_list", "an OCO order")
    for entry in row.rows("orders"):
        dispatch(KINDS, entry, reading)


KINDS: Final = (
    Kind("push", _is_push, _read_push),
    Kind("unified account push", _is_unified_push, _read_unified_push),
    Kind("control message", _is_control, _read_control),
    Kind("WebSocket operation", _is_operation, _read_operation),
    Kind("REST answer", _is_answer, _read_answer),
    Kind("page", _is_page, _read_page),
    Kind("wrapped answer", _is_wrapped, _read_wrapped),
    Kind("synchronous answer", orders.is_synchronous, orders.read_synchronous),
    Kind("batch entry", answers.is_batch_entry, answers.read_batch_entry),
    Kind("unified account order push", unified.is_order_push, unified.read_order_push),
    Kind("unified account fill push", unified.is_fill_push, unified.read_fill_push),
    Kind("unified account order", unified.is_order, unified.read_order),
    Kind("unified account fill", unified.is_fill, unified.read_fill),
    Kind("OCO order", _is_oco, _read_oco),
    Kind("order change", orders.is_change, orders.read_change),
    Kind("deal before 2019", fills.is_historical_fill, fills.read_historical_fill),
    Kind("stop order", orders.is_queried_stop, orders.read_queried_stop),
    Kind("order", orders.is_queried, orders.read_queried),
    Kind("stop order change", orders.is_stop_event, orders.read_stop_event),
    Kind("fill", fills.is_fill, fills.read_fill),
    Kind("cancel", answers.is_cancel, answers.read_cancel),
    Kind("amend", answers.is_amend, answers.read_amend),
    Kind("partial cancel", answers.is_partial_cancel, answers.read_partial_cancel),
    Kind(
        "public trade",
        any_key("takerOrderId", "makerOrderId", "sequence", "bids", "asks"),
        skipping("market_data", "public market data"),
    ),
    Kind(
        "funding fee",
        any_key("fundingRate", "fundingFee", "fundingTime"),
        skipping("funding", "a row of the funding fees"),
    ),
    Kind(
        "position",
        any_key("currentQty", "avgEntryPrice", "positionId", "closeId", "pV", "riskLimitLevel"),
        skipping("position", "a position"),
    ),
    Kind(
        "ledger",
        any_key("bizType", "businessType", "accountLedgerId"),
        skipping("bill", "a row of the account's ledger"),
    ),
    Kind(
        "balance",
        any_key("available", "availableBalance", "accountEquity", "walletBalance", "accounts", "debtRatio"),
        skipping("balance", "an account's balance"),
    ),
    Kind(
        "order counts and settings",
        any_key("openOrderBuySize", "succeedSymbols", "triggerTime", "symbols", "instanceServers"),
        skipping("acknowledgement", "an answer that carries no orders"),
    ),
    Kind(
        "contract or symbol",
        keys("baseCurrency", "quoteCurrency"),
        skipping("market_data", "a description of a symbol"),
    ),
    Kind("acknowledgement", answers.is_acknowledgement, answers.read_acknowledgement),
)
"""The kinds of objects, told apart by their keys, in the order of the looking."""


def claims(data: Json) -> bool:
    """Whether an object's keys are KuCoin's and no other venue's."""
    topic = data.get("topic")
    if isinstance(topic, str):
        return "data" in data and topic.startswith(
            (*_ORDER_TOPICS, *_STOP_TOPICS, "/contractAccount/", "/account/balance", "/contract/position")
        )
    if str(data.get("code")) == "200000":
        return isinstance(data.get("data"), dict | list)
    if _is_unified_push(data):
        return isinstance(data["d"], dict) and "P" in data
    names = data.keys()
    return (
        {"counterOrderId", "tradeId", "forceTaker"} <= names
        or {"openFeePay", "closeFeePay", "tradeId"} <= names
        or {"clientOid", "cancelExist", "timeInForce"} <= names
        or {"clientOid", "matchSize", "remainSize"} <= names
    )


VENUE: Final = Venue("kucoin", "KuCoin: spot, margin, futures, unified account", KINDS, claims, INSTRUMENTS)
