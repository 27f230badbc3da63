"""OKX API v5: spot, margin, perpetuals, futures, options. Payload to fills and order reports.

Sources: okx.com/docs-v5 (order book trading: trade, algo trading; trading account; error codes).
"""

from __future__ import annotations

from typing import Final

from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.kinds import Kind, Venue, any_key, dispatch, keys, skipping
from fillhandler_server.venues.okx import answers, orders
from fillhandler_server.venues.okx.symbols import INSTRUMENTS
from fillhandler_server.venues.okx.words import READ_CHANNELS, skipped_channel
from fillhandler_server.venues.reading import Reading, Row

_ROW_KEYS: Final = frozenset({"ordId", "clOrdId", "instId", "algoId", "sCode"})
"""Keys of entries: orders have a `code` and a `msg` of their own."""


def _read_event(row: Row, reading: Reading) -> None:
    """{"event": "subscribe", "login", "error", "notice", "channel-conn-count", …}."""
    event, code, text = row.note("event"), row.note("code"), row.note("msg")
    if event == "notice":
        reading.skip("notice", f"{code}: {text}" if code else text or "notice")
    elif event.endswith("error") or code not in answers.SUCCESS_CODES:
        reading.skip("request_error", f"{code}: {text}" if code else text or "error")
    else:
        reading.skip("acknowledgement", f"event {event}")


# ------------------------------------------------------------------------ push


def _is_push(data: Json) -> bool:
    arg = data.get("arg")
    return isinstance(arg, dict) and "channel" in arg and "data" in data


def _read_push(row: Row, reading: Reading) -> None:
    arg = row.optional_row("arg")
    assert arg is not None  # _is_push
    channel = arg.note("channel")
    data = row.data.get("data")
    skipped = skipped_channel(channel)
    if skipped:
        if skipped == "balance" and _is_funding(data):
            skipped = "funding"
        reading.skip(skipped, f"channel {channel}", max(1, len(data)) if isinstance(data, list) else 1)
        return
    entries = row.rows("data")
    if not entries and not reading.faults:
        reading.skip("empty", "a push without rows")
    inst_type, inst_id = arg.note("instType"), arg.note("instId")
    for entry in entries:
        if channel not in READ_CHANNELS or orders.is_algo(entry.data):
            dispatch(KINDS, entry, reading)
        elif channel == "fills":
            orders.read_fill(entry, reading, inst_type, inst_id)
        else:
            orders.read_order(entry, reading, inst_type, inst_id, pushed=channel == "orders")


def _is_funding(data: object) -> bool:
    first = data[0] if isinstance(data, list) and data else None
    return isinstance(first, dict) and first.get("eventType") == "funding_fee"


# ------------------------------------------------------------------------ REST


def _is_answer(data: Json) -> bool:
    return "code" in data and ("data" in data or "msg" in data) and _ROW_KEYS.isdisjoint(data.keys())


def _read_answer(row: Row, reading: Reading) -> None:
    code, content = row.note("code"), row.data.get("data")
    if isinstance(content, dict) and content:
        inner = row.optional_row("data")
        assert inner is not None
        dispatch(KINDS, inner, reading)
    elif isinstance(content, list) and content and isinstance(content[0], list):
        reading.skip("market_data", "rows of numbers: candles", len(content))
    elif isinstance(content, list) and content:
        for entry in row.rows("data"):
            dispatch(KINDS, entry, reading)
    elif code not in answers.SUCCESS_CODES:
        reading.skip("request_error", f"{code}: {row.note('msg')}")
    elif content in (None, "", [], {}):
        reading.skip("empty", "an answer without rows")
    else:
        row.fail("data", "expected an object or a list")


def _read_bill(row: Row, reading: Reading) -> None:
    if row.note("type") == "8":
        reading.skip("funding", "a funding fee in the bills")
    else:
        reading.skip("bill", f"a bill of type {row.note('type')}")


KINDS: Final = (
    Kind("event", keys("event"), _read_event),
    Kind("push", _is_push, _read_push),
    Kind("WebSocket answer", answers.is_operation, answers.read_operation),
    Kind("REST answer", _is_answer, _read_answer),
    Kind(
        "spread",
        keys("sprdId"),
        skipping("spread_order", "a spread: its legs are orders of their own"),
    ),
    Kind(
        "block trade",
        any_key("rfqId", "clRfqId", "blockTdId"),
        skipping("block_trade", "a request for quote: its legs are among the fills"),
    ),
    Kind("bill", any_key("balChg", "posBalChg"), _read_bill),
    Kind("position", any_key("posId", "subPosId"), skipping("position", "a position")),
    Kind(
        "conversion",
        any_key("fillBaseSz", "fillFromSz", "clTReqId", "clQReqId"),
        skipping("conversion", "a conversion outside the order book"),
    ),
    Kind(
        "algo order",
        orders.is_algo,
        skipping("algo_order", "an order that waits for its trigger has ids of its own"),
    ),
    Kind("acknowledgement with sCode", keys("sCode"), answers.read_acknowledgement),
    Kind("order", orders.is_order, orders.read_order),
    Kind("fill", orders.is_fill, orders.read_fill),
    Kind("mass cancel", keys("result", without=("ordId",)), answers.read_mass_cancel),
    Kind("funding rate", keys("fundingRate"), skipping("market_data", "a funding rate")),
    Kind("liquidations", keys("instFamily", "details"), skipping("market_data", "public liquidations")),
    Kind(
        "balance",
        any_key("totalEq", "cashBal", "availBal", "balData", "adjEqChg"),
        skipping("balance", "an account's balance"),
    ),
    Kind(
        "transfer",
        any_key("transId", "depId", "wdId"),
        skipping("transfer", "a transfer, deposit or withdrawal"),
    ),
    Kind("candles and books", keys("asks", "bids"), skipping("market_data", "an order book")),
    Kind("instrument", keys("tickSz"), skipping("market_data", "an instrument")),
    Kind(
        "public trade",
        keys("px", "sz", "tradeId", without=("ordId",)),
        skipping("market_data", "a public trade"),
    ),
    Kind("ticker", any_key("last", "markPx", "idxPx", "oi"), skipping("market_data", "a price")),
    Kind(
        "request accepted",
        any_key("acctLv", "lever", "triggerTime", "posMode"),
        skipping("acknowledgement", "a setting of the account"),
    ),
    Kind(
        "closed position",
        keys("instId", "posSide", "clOrdId", without=("ordId", "side")),
        skipping("acknowledgement", "a position is being closed at market"),
    ),
    Kind("acknowledgement", answers.is_acknowledgement, answers.read_acknowledgement),
)
"""The kinds of objects, told apart by their keys, in the order of the looking."""


def claims(data: Json) -> bool:
    """Whether an object's keys are OKX's and no other venue's."""
    inner = data.get("data")
    if isinstance(inner, list):
        return bool(inner) and isinstance(inner[0], dict) and claims(inner[0])
    if "ordId" not in data:
        return False
    return "sCode" in data or ("instId" in data and ("fillSz" in data or "tdMode" in data))


VENUE: Final = Venue(
    "okx", "OKX: spot, margin, perpetuals, futures, options (v5)", KINDS, claims, INSTRUMENTS
)
