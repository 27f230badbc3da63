"""Bitget: spot, margin and futures (v2), the unified account (v3). Payload to fills and order reports.

Sources: bitget.com/api-doc (spot, contract, margin, uta).
"""

from __future__ import annotations

from typing import Final

from fillhandler_server.domain.reports import OrderStatus
from fillhandler_server.venues.bitget import answers, fills, orders
from fillhandler_server.venues.bitget.fees import Sign
from fillhandler_server.venues.bitget.words import INST_TYPES, SPOT
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.kinds import Kind, Venue, any_key, dispatch, keys, skipping
from fillhandler_server.venues.reading import Reading, Row

_LISTS: Final = ("fillList", "fills", "orderList", "entrustedList", "list", "resultList")
"""The names that Bitget gives the list inside `data`."""

_SKIPPED_CHANNELS: Final = {
    "orders-algo": "plan_order",
    "ordersAlgo": "plan_order",
    "strategy-order": "plan_order",
    "account": "balance",
    "account-crossed": "balance",
    "account-isolated": "balance",
    "equity": "balance",
    "position": "position",
    "positions": "position",
    "positions-history": "position",
    "adl-noti": "adl_notice",
    "liquidation": "market_data",
    "ticker": "market_data",
    "trade": "market_data",
    "publicTrade": "market_data",
    "kline": "market_data",
    "books": "market_data",
    "books1": "market_data",
    "books5": "market_data",
    "books15": "market_data",
    "index-price": "market_data",
}


# ------------------------------------------------------------------------ push


def _is_push(data: Json) -> bool:
    arg = data.get("arg")
    return isinstance(arg, dict) and "data" in data and ("channel" in arg or "topic" in arg)


def _read_push(row: Row, reading: Reading) -> None:
    arg = row.optional_row("arg")
    assert arg is not None  # _is_push
    inst_type = arg.note("instType").upper()
    inst_id = arg.note("instId")
    if inst_id == "default":
        inst_id = ""
    market = INST_TYPES.get(inst_type, "")
    channel = arg.note("channel", "topic")
    rows = _rows(row, "data")
    if not rows:
        reading.skip("empty", "a push without rows")
        return
    skipped = _SKIPPED_CHANNELS.get(channel) or ("market_data" if channel.startswith("candle") else None)
    if skipped is not None:
        reading.skip(skipped, f"channel {channel}", len(rows))
        return
    for entry in rows:
        data = entry.data
        if inst_type == "UTA" or "orderStatus" in data or "execId" in data:
            dispatch(KINDS, entry, reading)
        elif channel == "fill" and market == SPOT:
            fills.read_spot_fill(entry, reading, Sign.POSITIVE_IS_COST)
        elif channel == "fill" and market:
            fills.read_mix_fill(entry, reading, market)
        elif channel in ("orders-crossed", "orders-isolated"):
            orders.read_margin_order(entry, reading, inst_id)
        elif channel == "orders" and market:
            orders.read_pushed_order(entry, reading, market, inst_id)
        else:
            dispatch(KINDS, entry, reading)


def _rows(row: Row, key: str) -> list[Row]:
    """The entries under a key that holds a list of objects, one object, or nothing."""
    if isinstance(row.data.get(key), dict):
        one = row.optional_row(key)
        return [one] if one is not None else []
    return row.rows(key)


# ------------------------------------------------------------------------ REST


def _is_answer(data: Json) -> bool:
    return (
        "code" in data
        and not {"orderId", "clientOid"} & data.keys()
        and ("data" in data or "requestTime" in data or "msg" in data)
    )


def _read_answer(row: Row, reading: Reading) -> None:
    code = row.note("code")
    content = row.data.get("data")
    if code not in answers.SUCCESS_CODES and not content:
        reading.skip("request_error", f"{code}: {row.note('msg')}")
    elif isinstance(content, list | dict) and content:
        for entry in _rows(row, "data"):
            dispatch(KINDS, entry, reading)
    elif isinstance(content, str) and content.lower() not in ("", "success"):
        row.fail("data", "expected an object or a list")
    else:
        reading.skip("empty", "an answer without rows")


def _is_list(data: Json) -> bool:
    return any(name in data and (data[name] is None or isinstance(data[name], list)) for name in _LISTS)


def _read_list(row: Row, reading: Reading) -> None:
    found = False
    for name in _LISTS:
        if name not in row.data:
            continue
        for entry in row.rows(name):
            found = True
            dispatch(KINDS, entry, reading)
    if not found and not reading.faults:
        reading.skip("empty", "a list without entries")


def _read_batch(row: Row, reading: Reading) -> None:
    for entry in row.rows("successList"):
        answers.report(entry, reading, OrderStatus.NEW)
    for entry in row.rows("failureList"):
        answers.read_failure(entry, reading)
    if not row.data.get("successList") and not row.data.get("failureList"):
        reading.skip("empty", "a batch without entries")


KINDS: Final = (
    Kind("push", _is_push, _read_push),
    Kind("WebSocket answer", answers.is_socket_answer, answers.read_socket_answer),
    Kind("REST answer", _is_answer, _read_answer),
    Kind("batch answer", any_key("successList", "failureList"), _read_batch),
    Kind("list", _is_list, _read_list),
    Kind("failed request", answers.is_failure, answers.read_failure),
    Kind(
        "plan order",
        orders.is_plan_order,
        skipping("plan_order", "an order that waits for its trigger has ids of its own"),
    ),
    Kind("unified account order", orders.is_unified_order, orders.read_unified_order),
    Kind("public trade", keys("ts", without=("orderId",)), skipping("market_data", "a public trade")),
    Kind("unified account fill", fills.is_unified_fill, fills.read_unified_fill),
    Kind("pushed order", orders.is_pushed_order, orders.read_pushed_order),
    Kind("margin order", orders.is_margin_order, orders.read_margin_order),
    Kind("order", orders.is_queried_order, orders.read_queried_order),
    Kind("flat fill", fills.is_flat_fill, fills.read_flat_fill),
    Kind("futures fill", fills.is_mix_fill, fills.read_mix_fill),
    Kind("spot fill", fills.is_spot_fill, fills.read_spot_fill),
    Kind("bill", any_key("billId", "businessType"), skipping("bill", "a row of the account's bills")),
    Kind("position", any_key("openPriceAvg", "holdSide", "positionId"), skipping("position", "a position")),
    Kind(
        "balance",
        any_key("available", "accountEquity", "equity"),
        skipping("balance", "an account's balance"),
    ),
    Kind("acknowledgement", answers.is_acknowledgement, answers.read_acknowledgement),
)
"""The kinds of objects, told apart by their keys, in the order of the looking."""


def claims(data: Json) -> bool:
    """Whether an object's keys are Bitget's and no other venue's."""
    arg = data.get("arg")
    if isinstance(arg, dict):
        # Other venues have an `arg` with an `instType` too, but no `action` beside it.
        inst_type = arg.get("instType")
        named = isinstance(inst_type, str) and (inst_type.upper() in INST_TYPES or inst_type == "UTA")
        return named and "action" in data
    inner = data.get("data")
    if isinstance(inner, dict):
        return "fillList" in inner or "failureList" in inner or "entrustedList" in inner
    if isinstance(inner, list) and inner and isinstance(inner[0], dict):
        return claims(inner[0])
    return ("tradeScope" in data and ("tradeId" in data or "execId" in data)) or (
        "clientOid" in data and "cTime" in data
    )


VENUE: Final = Venue(
    "bitget", "Bitget: spot, margin, futures, unified account", KINDS, claims, linear_in_base=True
)
