"""Hyperliquid: perpetuals (its own and the builders' dexes) and spot. Payload to fills and order reports.

Sources: hyperliquid.gitbook.io/hyperliquid-docs (info endpoint, exchange endpoint, WebSocket subscriptions,
post requests, error responses).
"""

from __future__ import annotations

from typing import Final

from fillhandler_server.venues.hyperliquid import answers, fills, orders
from fillhandler_server.venues.hyperliquid.words import INSTRUMENTS
from fillhandler_server.venues.json_text import Json, clean
from fillhandler_server.venues.kinds import Kind, Venue, any_key, dispatch, keys, skipping
from fillhandler_server.venues.reading import Reading, Row


def _is_post(data: Json) -> bool:
    return isinstance(data.get("response"), dict)


def _read_post(row: Row, reading: Reading) -> None:
    """An answer over the WebSocket: {"id", "response": {"type": "action", "info" or "error", "payload"}}."""
    response = row.optional_row("response")
    assert response is not None  # _is_post
    payload = response.data.get("payload")
    if response.note("type") == "error" or isinstance(payload, str):
        reading.skip("request_error", response.note("payload") or "error")
    elif isinstance(payload, dict):
        inner = Row(payload, f"{response.path}payload.", reading)
        if response.note("type") == "info" and "data" in payload:
            _read_data(inner, reading, payload["data"], f"{inner.path}data")
        else:
            dispatch(KINDS, inner, reading)
    elif isinstance(payload, list):
        _read_data(response, reading, payload, f"{response.path}payload")
    else:
        response.fail("payload", "expected an object or a list")


def _read_data(row: Row, reading: Reading, data: object, path: str) -> None:
    if isinstance(data, list):
        entries = reading.rows(data, path)
        for entry in entries:
            dispatch(KINDS, entry, reading)
        if not data:
            reading.skip("empty", "an answer without rows")
    elif isinstance(data, dict):
        dispatch(KINDS, Row(data, f"{path}.", reading), reading)
    else:
        row.fail("data", "expected an object or a list")


# ------------------------------------------------------------------------ push

_SKIPPED_CHANNELS: Final = {
    "subscriptionResponse": "acknowledgement",
    "pong": "stream_control",
    "error": "request_error",
    "notification": "notification",
    "userFundings": "funding",
    "userNonFundingLedgerUpdates": "ledger",
    "userTwapHistory": "twap",
    "twapStates": "twap",
    "spotState": "balance",
    "clearinghouseState": "balance",
    "allDexsClearinghouseState": "balance",
    "activeAssetData": "account_update",
    "webData3": "account_update",
    "allMids": "market_data",
    "l2Book": "market_data",
    "trades": "market_data",
    "candle": "market_data",
    "bbo": "market_data",
    "activeAssetCtx": "market_data",
    "activeSpotAssetCtx": "market_data",
    "allDexsAssetCtxs": "market_data",
    "assetCtxs": "market_data",
    "spotAssetCtxs": "market_data",
    "explorerBlock": "market_data",
    "explorerTxs": "market_data",
}


def _is_push(data: Json) -> bool:
    return isinstance(data.get("channel"), str)


def _read_push(row: Row, reading: Reading) -> None:
    channel = row.note("channel")
    if channel in _SKIPPED_CHANNELS:
        data = row.data.get("data")
        said = clean(data) if channel == "error" and isinstance(data, str) else ""
        reading.skip(_SKIPPED_CHANNELS[channel], said or f"channel {channel}")
    elif isinstance(row.data.get("data"), dict | list):
        _read_data(row, reading, row.data["data"], f"{row.path}data")
    else:
        row.fail("data", "expected an object or a list")


_LISTS: Final = ("fills", "twapSliceFills", "orderHistory", "orders", "openOrders", "nonUserCancel")
_EVENTS: Final = {
    "funding": "funding",
    "fundings": "funding",
    "liquidation": "liquidation_notice",
    "twapHistory": "twap",
    "nonFundingLedgerUpdates": "ledger",
}


def _is_lists(data: Json) -> bool:
    """What userFills, userEvents, userTwapSliceFills, userHistoricalOrders, openOrders and webData2 hold."""
    return any(isinstance(data.get(name), list) for name in _LISTS) or (
        "coin" not in data and any(isinstance(data.get(name), dict | list) for name in _EVENTS)
    )


def _read_lists(row: Row, reading: Reading) -> None:
    user = row.note("user")
    time = row.optional_time("serverTime")
    found = False
    for name in _LISTS:
        if name not in row.data:
            continue
        for entry in row.rows(name):
            found = True
            if name == "fills":
                fills.read_fill(entry, reading, user)
            elif name == "twapSliceFills":
                fills.read_twap_fill(entry, reading, user)
            elif name == "nonUserCancel":
                orders.read_forced_cancel(entry, reading)
            elif orders.is_order(entry.data):
                orders.read_order(entry, reading, time=time)
            else:
                dispatch(KINDS, entry, reading)
    for name, kind in _EVENTS.items():
        value = row.data.get(name)
        if value:
            found = True
            reading.skip(kind, f"no trade: {name}", len(value) if isinstance(value, list) else 1)
    for name in ("clearinghouseState", "spotState"):
        if row.data.get(name):
            found = True
            reading.skip("balance", "an account's balances")
    if not found and not reading.faults:
        reading.skip("empty", "a list without entries")


def _skip_ledger(row: Row, reading: Reading) -> None:
    delta = row.optional_row("delta")
    kind = delta.note("type") if delta is not None else ""
    reading.skip(kind or "ledger", "a row of the account's ledger")


KINDS: Final = (
    Kind("push", _is_push, _read_push),
    Kind("exchange answer", answers.is_answer, answers.read_answer),
    Kind("exchange response", answers.is_response, answers.read_response),
    Kind("WebSocket answer", _is_post, _read_post),
    Kind("order update", orders.is_update, orders.read_update),
    Kind(
        "unknown order",
        lambda data: data.get("status") in ("unknownOid", "unknownCloid"),
        skipping("unknown_order", "the venue knows no such order"),
    ),
    Kind("lists", _is_lists, _read_lists),
    Kind("TWAP fill", lambda data: isinstance(data.get("fill"), dict), fills.read_twap_fill),
    Kind("fill", fills.is_fill, fills.read_fill),
    Kind("order", orders.is_order, orders.read_order),
    Kind("placement status", any_key("resting", "filled", "error"), answers.read_status),
    Kind(
        "public trade", keys("px", "sz", "tid", without=("oid",)), skipping("market_data", "a public trade")
    ),
    Kind("ledger", any_key("delta"), _skip_ledger),
    Kind("funding", any_key("fundingRate"), skipping("funding", "a funding payment")),
    Kind(
        "liquidation",
        any_key("liquidated_user"),
        skipping("liquidation_notice", "a liquidation, whose fills come by themselves"),
    ),
    Kind("TWAP", any_key("state", "executedSz", "twapId"), skipping("twap", "a TWAP order's state")),
    Kind(
        "account",
        any_key("balances", "assetPositions", "marginSummary", "clearinghouseState", "spotState", "entryNtl"),
        skipping("balance", "an account's balances"),
    ),
    Kind(
        "account settings",
        any_key("maxTradeSzs", "nRequestsUsed", "cumVlm", "dailyUserVlm", "accountValueHistory"),
        skipping("account_update", "limits, fees and history of an account"),
    ),
    Kind("position", any_key("position", "szi"), skipping("position", "a position")),
    Kind(
        "request error",
        lambda data: data.get("status") == "err",
        skipping("request_error", "a request that failed"),
    ),
    Kind(
        "market data",
        any_key("levels", "mids", "universe", "markPx"),
        skipping("market_data", "prices or instruments"),
    ),
)
"""The kinds of objects, told apart by their keys, in the order of the looking."""

_OWN_CHANNELS: Final = frozenset(
    {"userFills", "orderUpdates", "userTwapSliceFills", "userHistoricalOrders", "userFundings", "webData2"}
)


def claims(data: Json) -> bool:
    """Whether an object's keys are Hyperliquid's and no other venue's."""
    channel = data.get("channel")
    if isinstance(channel, str):
        return channel in _OWN_CHANNELS and "data" in data
    order = data.get("order")
    if isinstance(order, dict):
        return "statusTimestamp" in data and "limitPx" in order and "coin" in order
    response = data.get("response")
    if isinstance(response, dict):
        return data.get("status") == "ok" and response.get("type") in ("order", "cancel", "default")
    fill = data.get("fill", data)
    return isinstance(fill, dict) and (
        keys("coin", "startPosition", "crossed", "oid")(fill) or keys("coin", "limitPx", "oid", "sz")(fill)
    )


VENUE: Final = Venue("hyperliquid", "Hyperliquid: perpetuals and spot", KINDS, claims, INSTRUMENTS)
