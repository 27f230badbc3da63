"""Bybit: v5 (spot, linear, inverse, option), and what v3 has in the same shapes.

Payload to fills and order reports. Sources: bybit-exchange.github.io/docs/v5 (order, position,
websocket/private, websocket/trade, enum), docs/v3 (spot, contract).
"""

from __future__ import annotations

from typing import Final

from fillhandler_server.domain.fills import ContractKind
from fillhandler_server.domain.instruments import Instrument
from fillhandler_server.domain.numbers import ONE
from fillhandler_server.venues.bybit import answers, rows
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.kinds import Kind, Venue, any_key, dispatch, keys, skipping
from fillhandler_server.venues.reading import Reading, Row

_LISTS: Final = ("list", "dataList", "rows", "result")
"""The names that Bybit gives the list inside a result, the later ones in v3 and before."""

_SKIPPED_TOPICS: Final = {
    "wallet": "balance",
    "outboundAccountInfo": "balance",
    "position": "position",
    "greeks": "greeks",
    "dcp": "disconnect_protection",
    "spread": "spread",
    "adlAlert": "adl_notice",
    "system": "system_status",
    "orderbook": "market_data",
    "publicTrade": "market_data",
    "tickers": "market_data",
    "tickers_lt": "market_data",
    "kline": "market_data",
    "kline_lt": "market_data",
    "lt": "market_data",
    "liquidation": "market_data",
    "allLiquidation": "market_data",
    "insurance": "market_data",
    "priceLimit": "market_data",
    "trade": "market_data",
    "bookticker": "market_data",
}
"""By the first word of the topic."""


# ------------------------------------------------------------------------ push


def _read_push(row: Row, reading: Reading) -> None:
    topic = row.note("topic")
    words = topic.split(".")
    word = words[1] if words[0] == "user" and len(words) > 1 else words[0]
    content = row.data.get("data")
    skipped = _SKIPPED_TOPICS.get(word)
    if skipped is not None:
        reading.skip(skipped, f"topic {topic}", max(len(content), 1) if isinstance(content, list) else 1)
    elif isinstance(content, dict):
        inner = row.optional_row("data")
        assert inner is not None
        dispatch(KINDS, inner, reading)
    else:
        entries = row.rows("data")
        if not entries and not reading.faults:
            reading.skip("empty", "a push without rows")
        for entry in entries:
            dispatch(KINDS, entry, reading)


# --------------------------------------------------------------------- answers


def _read_answer(row: Row, reading: Reading) -> None:
    code, text = row.note("retCode", "ret_code"), row.note("retMsg", "ret_msg")
    op = row.note("op")
    action = answers.ACTIONS.get(op, "")
    key = "result" if "result" in row.data else "data"
    content = row.data.get(key)
    failed = code not in answers.SUCCESS
    if op and not action:
        _skip_control(reading, op, failed, answers.said(code, text))
    elif isinstance(content, dict) and content:
        result = row.optional_row(key)
        assert result is not None
        _read_result(result, row, reading, action)
    elif isinstance(content, list) and content:
        for entry in row.rows(key):
            dispatch(KINDS, entry, reading)
    elif failed and (action or code in answers.CANCEL_CODES):
        answers.failure(row, reading, action, answers.said(code, text), code)
    elif failed:
        reading.skip("request_error", answers.said(code, text))
    elif isinstance(content, list):
        reading.skip("empty", "an answer without rows")
    elif content in (None, "") or content == {}:
        reading.skip("acknowledgement", "an answer without orders")
    else:
        row.fail(key, "expected an object or a list")


def _read_result(result: Row, row: Row, reading: Reading, action: str) -> None:
    code, text = row.note("retCode", "ret_code"), row.note("retMsg", "ret_msg")
    if _is_batch(result.data.get("list")):
        extra = row.optional_row("retExtInfo") if isinstance(row.data.get("retExtInfo"), dict) else None
        codes = extra.rows("list") if extra is not None else []
        answers.read_batch(result, reading, action, codes, code, text)
    elif code not in answers.SUCCESS:
        if action or result.has("orderId", "orderLinkId"):
            answers.failure(result, reading, action, answers.said(code, text), code)
        else:
            reading.skip("request_error", answers.said(code, text))
    elif action and answers.is_acknowledgement(result.data):
        answers.accept(result, reading, action)
    else:
        dispatch(KINDS, result, reading)


def _is_batch(entries: object) -> bool:
    """A list of ids without states: the answer to a request with several orders."""
    return (
        isinstance(entries, list)
        and bool(entries)
        and all(isinstance(entry, dict) and _is_bare(entry) for entry in entries)
    )


def _is_bare(data: Json) -> bool:
    """Whether there is nothing in an entry but ids: no other kind has its keys."""
    found = next((kind for kind in KINDS if kind.matches(data)), None)
    return found is not None and found.read is answers.read_acknowledgement


def _skip_control(reading: Reading, op: str, failed: bool, text: str) -> None:
    if failed:
        reading.skip("request_error", text)
    else:
        reading.skip("acknowledgement", f"an answer to {op or 'a request'}")


def _is_control(data: Json) -> bool:
    return not {"op", "ret_msg", "pong", "ping", "success"}.isdisjoint(data.keys()) and not _is_list(data)


def _read_control(row: Row, reading: Reading) -> None:
    failed = row.data.get("success") is False
    _skip_control(reading, row.note("op"), failed, row.note("ret_msg") or "not accepted")


def _read_error(row: Row, reading: Reading) -> None:
    code, text = row.note("code"), row.note("msg", "desc")
    if code in answers.SUCCESS:
        reading.skip("acknowledgement", "one of a batch was accepted: the orders stand in another list")
    else:
        reading.skip("request_error", answers.said(code, text))


# ----------------------------------------------------------------------- lists


def _is_list(data: Json) -> bool:
    return any(name in data and (data[name] is None or isinstance(data[name], list)) for name in _LISTS)


def _read_list(row: Row, reading: Reading) -> None:
    """The rows of a result; its category, which they do not repeat, is theirs."""
    category = row.data.get("category")
    name = next(name for name in _LISTS if name in row.data)
    values = row.data[name]
    if isinstance(values, list) and values and not any(isinstance(value, dict) for value in values):
        reading.skip("market_data", "rows of numbers", len(values))
        return
    if not values:
        reading.skip("empty", "a list without entries")
    if name == "list" and _is_batch(values):
        answers.read_batch(row, reading, "", [], "", "")
        return
    for entry in row.rows(name):
        if category and "category" not in entry.data:
            entry = Row({**entry.data, "category": category}, entry.path, reading)
        dispatch(KINDS, entry, reading)


def _is_spread(data: Json) -> bool:
    symbol = data.get("symbol")
    named = isinstance(symbol, str) and "_" in symbol  # SOLUSDT_SOL/USDT
    category = data.get("category")
    if isinstance(category, str) and category in ("combination", "spot_leg", "future_leg"):
        return True
    return named or ("legs" in data and "orderId" in data)


def _is_bill(data: Json) -> bool:
    return "transactionTime" in data or "cashFlow" in data


def _read_bill(row: Row, reading: Reading) -> None:
    kind = row.note("type") or "unknown"
    # Trades stand in the list of executions, and here once for each currency they moved.
    reading.skip("funding" if kind == "SETTLEMENT" else "bill", f"a row of the transaction log: {kind}")


def _is_public_trade(data: Json) -> bool:
    return "isBlockTrade" in data or ("execId" in data and "size" in data and "orderId" not in data)


KINDS: Final = (
    Kind("push", keys("topic", "data"), _read_push),
    Kind("answer", any_key("retCode", "ret_code"), _read_answer),
    Kind("WebSocket answer", _is_control, _read_control),
    Kind("error", lambda data: "code" in data and ("msg" in data or "desc" in data), _read_error),
    Kind(
        "spread",
        _is_spread,
        skipping("spread", "of spread trading: the legs are executions of their own"),
    ),
    Kind("list", _is_list, _read_list),
    Kind("bill", _is_bill, _read_bill),
    Kind(
        "closed position",
        any_key("avgEntryPrice", "avgExitPrice"),
        skipping("closed_pnl", "the profit of a closed position"),
    ),
    Kind("moved position", any_key("rejectParty"), skipping("move_position", "a transfer of positions")),
    Kind(
        "pre-check",
        any_key("preImrE4", "postImrE4", "preMmrE4", "postMmrE4"),
        skipping("pre_check", "an order that was only tried out"),
    ),
    Kind("v3 spot push", rows.is_old_push, rows.read_old_push),
    Kind("v3 spot trade", rows.is_old_trade, rows.read_old_trade),
    Kind("v3 spot order", rows.is_old_order, rows.read_old_order),
    Kind("order", rows.is_order, rows.read_order),
    Kind("public trade", _is_public_trade, skipping("market_data", "a public trade")),
    Kind("execution", rows.is_execution, rows.read_execution),
    Kind(
        "settlement",
        any_key("deliveryRpl", "deliveryPrice", "sessionAvgPrice"),
        skipping("settlement", "a delivery or a session's settlement"),
    ),
    Kind(
        "position",
        any_key("positionValue", "liqPrice", "bustPrice", "positionMM", "riskId"),
        skipping("position", "a position"),
    ),
    Kind(
        "balance",
        any_key("totalEquity", "walletBalance", "accountType", "transferBalance", "totalWalletBalance"),
        skipping("balance", "an account's balance"),
    ),
    Kind("block trade request", any_key("rfqId"), skipping("rfq", "a request for quotes of a block trade")),
    Kind(
        "transfer",
        any_key("withdrawId", "transferId", "txID"),
        skipping("transfer", "a deposit, withdrawal or transfer"),
    ),
    Kind("fee rate", any_key("takerFeeRate"), skipping("fee_rate", "the rates of an account's fees")),
    Kind(
        "market data",
        any_key(
            "lastPrice",
            "lotSizeFilter",
            "fundingRate",
            "openInterest",
            "timeSecond",
            "timeNano",
            "bids",
            "b",
            "riskLimitValue",
        ),
        skipping("market_data", "public market data"),
    ),
    Kind("acknowledgement", answers.is_acknowledgement, answers.read_acknowledgement),
)
"""The kinds of objects, told apart by their keys, in the order of the looking."""

INSTRUMENTS: Final = tuple(
    Instrument(
        "bybit",
        f"{base}USD",
        market="inverse",
        kind=ContractKind.INVERSE,
        multiplier=ONE,
        base=base,
        quote="USD",
        settle=base,
    )
    for base in "BTC ETH XRP EOS SOL LTC DOT ADA MANA".split()
)
"""The inverse perpetuals, one dollar a contract. Other symbols say all there is to know by their spelling."""


def claims(data: Json) -> bool:
    """Whether an object's keys are Bybit's and no other venue's."""
    if "topic" in data:
        return "creationTime" in data and "data" in data
    if "retCode" in data:
        return "retMsg" in data
    if "execId" in data and "category" in data and "seq" in data:
        return True  # execution.fast, whose makers have no orderLinkId in older pushes
    return "orderLinkId" in data and "orderId" in data


VENUE: Final = Venue(
    "bybit", "Bybit: spot, linear, inverse, options (v5)", KINDS, claims, INSTRUMENTS, linear_in_base=True
)
