"""Binance: spot and margin, USD-M and COIN-M futures, options. Payload to fills and order reports.

Sources: developers.binance.com (spot REST, WebSocket API and user data stream; derivatives),
binance-spot-api-docs.
"""

from __future__ import annotations

from typing import Final

from fillhandler_server.venues.binance import rest, stream
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.kinds import Kind, Venue, any_key, dispatch, keys, skipping
from fillhandler_server.venues.reading import Reading, Row


def _has_event(data: Json, key: str) -> bool:
    inner = data.get(key)
    return isinstance(inner, dict) and "e" in inner


def _is_stream_wrapper(data: Json) -> bool:
    return _has_event(data, "data") or _has_event(data, "event") or ("stream" in data and "data" in data)


def _read_stream_wrapper(row: Row, reading: Reading) -> None:
    # {"stream", "data"} of combined streams, {"subscriptionId", "event"} of the WebSocket API.
    key = "event" if _has_event(row.data, "event") else "data"
    if isinstance(row.data.get(key), list):
        for inner in row.rows(key):
            dispatch(KINDS, inner, reading)
        return
    found = row.optional_row(key)
    if found is None:
        row.fail(key, "missing")
    else:
        dispatch(KINDS, found, reading)


def _is_request_answer(data: Json) -> bool:
    return "id" in data and ("status" in data or "error" in data or "result" in data) and "symbol" not in data


def _read_request_answer(row: Row, reading: Reading) -> None:
    """An answer of the WebSocket API: {"id", "status", "result" or "error", "rateLimits"}."""
    error = row.optional_row("error")
    if error is not None:
        inner = error.optional_row("data") if isinstance(error.data.get("data"), dict) else None
        if inner is not None:
            dispatch(KINDS, inner, reading)
        else:
            rest.read_error(error, reading)
        return
    result = row.data.get("result")
    if isinstance(result, list):
        if not result:
            reading.skip("empty", "an answer without rows")
        for inner in row.rows("result"):
            dispatch(KINDS, inner, reading)
    elif isinstance(result, dict) and result:
        dispatch(KINDS, Row(result, f"{row.path}result.", reading), reading)
    else:
        reading.skip("acknowledgement", "an answer to a request that carries no orders")


def _read_cancel_replace(row: Row, reading: Reading) -> None:
    """Cancel one order and place another: each half succeeded, failed or was not attempted by itself."""
    for key, failed in (("cancelResponse", "failed_cancel"), ("newOrderResponse", "failed_placement")):
        inner = row.optional_row(key)
        if inner is None:
            continue
        if rest.is_error(inner.data) and "orderId" not in inner.data:
            # The error names no order: a canceled one lives on, a new one never got an id.
            reading.skip(failed, f"{inner.note('code')}: {inner.note('msg')}")
        else:
            dispatch(KINDS, inner, reading)


def _read_failed_cancel_replace(row: Row, reading: Reading) -> None:
    inner = row.optional_row("data")
    if inner is not None:
        dispatch(KINDS, inner, reading)


def _read_amended(row: Row, reading: Reading) -> None:
    inner = row.optional_row("amendedOrder")
    if inner is None:
        row.fail("amendedOrder", "missing")
        return
    order = dict(inner.data)
    # The order goes by its new client id from now on; on a cancel it is the other way round.
    order.pop("origClientOrderId", None)
    order.setdefault("transactTime", row.data.get("transactTime"))
    order.setdefault("orderListId", -1)
    rest.read_order(Row(order, inner.path, reading), reading)


def _read_order_list(row: Row, reading: Reading) -> None:
    for inner in row.rows("orderReports"):
        dispatch(KINDS, inner, reading)
    if not row.data.get("orderReports"):
        reading.skip("order_list", "the orders of the list without their states")


def _skip_income(row: Row, reading: Reading) -> None:
    reading.skip(row.note("incomeType").lower() or "income", "a row of the income history")


def _is_failed_cancel_replace(data: Json) -> bool:
    inner = data.get("data")
    return "code" in data and isinstance(inner, dict) and "newOrderResult" in inner


KINDS: Final = (
    Kind("user data stream event", stream.is_event, stream.read_event),
    Kind("stream wrapper", _is_stream_wrapper, _read_stream_wrapper),
    Kind("WebSocket API answer", _is_request_answer, _read_request_answer),
    Kind("failed cancel-replace", _is_failed_cancel_replace, _read_failed_cancel_replace),
    Kind("cancel-replace answer", any_key("newOrderResult", "cancelResult"), _read_cancel_replace),
    Kind("amend answer", any_key("amendedOrder"), _read_amended),
    Kind("order list answer", any_key("orderReports", "contingencyType"), _read_order_list),
    Kind("public trade", any_key("isBuyerMaker"), skipping("market_data", "a public trade")),
    Kind("income", any_key("incomeType"), _skip_income),
    Kind(
        "order amendment",
        any_key("amendmentId"),
        skipping("order_amendment", "history of an order's changes"),
    ),
    Kind(
        "prevented match",
        any_key("takerOrderId"),
        skipping("trade_prevention", "a prevented match is no trade"),
    ),
    Kind("spot trade", rest.is_spot_trade, rest.read_spot_trade),
    Kind("option trade", rest.is_option_trade, rest.read_option_trade),
    Kind("futures trade", rest.is_futures_trade, rest.read_futures_trade),
    Kind(
        "conditional order",
        any_key("strategyStatus", "algoStatus", "algoId"),
        skipping("algo_order", "an order that waits for its trigger has ids of its own"),
    ),
    Kind("order", rest.is_order, rest.read_order),
    Kind("flat fills", rest.is_flat, rest.read_flat),
    Kind("placement acknowledgement", rest.is_acknowledgement, rest.read_acknowledgement),
    Kind("error", rest.is_error, rest.read_error),
    Kind("position", any_key("positionAmt", "entryPrice"), skipping("position", "a position")),
    Kind(
        "account",
        any_key("balances", "assets", "crossWalletBalance", "free"),
        skipping("balance", "an account's balances"),
    ),
    Kind("listen key", any_key("listenKey"), skipping("stream_control", "a listen key")),
)
"""The kinds of objects, told apart by their keys, in the order of the looking."""


def claims(data: Json) -> bool:
    """Whether an object's keys are Binance's and no other venue's."""
    for inner in (data, data.get("data"), data.get("event")):
        if isinstance(inner, dict):
            name = inner.get("e")
            if isinstance(name, str) and name in stream.EVENT_NAMES:
                return True
    if not keys("orderId", "symbol")(data):
        return False
    fills = data.get("fills")
    return (
        (
            isinstance(fills, list)
            and all(isinstance(fill, dict) and "commissionAsset" in fill for fill in fills)
        )
        or "cummulativeQuoteQty" in data
        or ("optionSide" in data and "tradeId" in data)
        or "commissionAsset" in data
    )


VENUE: Final = Venue(
    "binance", "Binance: spot, margin, USD-M and COIN-M futures, options", KINDS, claims, linear_in_base=True
)
