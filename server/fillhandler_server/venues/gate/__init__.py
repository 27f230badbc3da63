"""Gate (API v4): spot and margin, perpetual and delivery futures, options. Payload to fills and reports.

Sources: gate.com/docs/developers/apiv4 (REST), …/apiv4/ws, …/futures/ws, …/delivery/ws, …/options/ws.
"""

from __future__ import annotations

from typing import Final

from fillhandler_server.venues.gate import answers, rows
from fillhandler_server.venues.gate.words import INSTRUMENTS, moment
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.kinds import Kind, Venue, any_key, dispatch, keys, skipping
from fillhandler_server.venues.reading import Reading, Row

_PREFIXES: Final = ("spot.", "futures.", "options.")

_SKIPPED_CHANNELS: Final = (
    dict.fromkeys(("margin_balances", "funding_balances", "cross_balances", "cross_loan"), "balance")
    | dict.fromkeys(("priceorders", "autoorders"), "plan_order")
    | dict.fromkeys(("liquidates", "public_liquidates"), "liquidation")
    | dict.fromkeys(("auto_deleverages", "position_adl_rank"), "adl_notice")
    | dict.fromkeys(("user_settlements", "settlements"), "settlement")
    | {"positions": "position", "position_closes": "position_close", "reduce_risk_limits": "risk_limit"}
    | dict.fromkeys(("ping", "pong"), "heartbeat")
    | dict.fromkeys(
        (
            *("tickers", "trades", "trades_v2", "candlesticks", "book_ticker", "order_book", "obu"),
            *("order_book_update", "contract_stats", "contract_tickers", "ul_tickers", "ul_trades"),
            *("ul_price", "mark_price", "contracts", "contract_candlesticks", "ul_candlesticks"),
        ),
        "market_data",
    )
)
"""By the channel's name behind `spot.`, `futures.` or `options.`."""

_EVENTS: Final = {"update": "update", "all": "all"}
"""The events that carry rows."""


# ------------------------------------------------------------------------ push


def _is_push(data: Json) -> bool:
    channel = data.get("channel")
    return isinstance(channel, str) and channel.startswith(_PREFIXES) and "header" not in data


def _read_push(row: Row, reading: Reading) -> None:
    channel, event = row.note("channel"), row.note("event")
    name = channel.partition(".")[2]
    if row.data.get("error"):
        error = row.optional_row("error") if isinstance(row.data["error"], dict) else None
        text = row.note("error") if error is None else f"{error.note('code')}: {error.note('message')}"
        reading.skip("request_error", text or "error")
        return
    skipped = _SKIPPED_CHANNELS.get(name)
    if skipped == "heartbeat":
        reading.skip(skipped, f"channel {channel}")
        return
    if event in ("subscribe", "unsubscribe", "api"):
        reading.skip("acknowledgement", f"channel {channel}")
        return
    row.choice(_EVENTS, "event", default="")
    if skipped is not None:
        result = row.data.get("result")
        reading.skip(skipped, f"channel {channel}", len(result) if isinstance(result, list) and result else 1)
        return
    one = row.optional_row("result") if isinstance(row.data.get("result"), dict) else None
    entries = row.rows("result") if one is None else [one]
    if not entries and not reading.faults:
        reading.skip("empty", "a push without rows")
    time = moment(row, "time_ms", "time")
    for entry in entries:
        if name in ("usertrades", "usertrades_v2"):
            reader = rows.read_spot_trade if channel.startswith("spot.") else rows.read_contract_trade
            reader(entry, reading)
        elif name in ("orders", "orders_v2"):
            if channel.startswith("spot."):
                rows.read_spot_order(entry, reading, time)
            else:
                rows.read_contract_order(entry, reading, time)
        elif name == "balances":
            _read_balance(entry, reading)
        else:
            dispatch(KINDS, entry, reading)


def _read_balance(row: Row, reading: Reading) -> None:
    if row.note("type") == "fund":
        reading.skip("funding", "a funding payment")
    else:
        reading.skip("balance", "an account's balance, or a change of it")


# ------------------------------------------------------------------------ REST


def _is_group(data: Json) -> bool:
    """The open orders of a pair: {"currency_pair", "total", "orders": […]}."""
    return isinstance(data.get("orders"), list)


def _read_group(row: Row, reading: Reading) -> None:
    entries = row.rows("orders")
    if not entries and not reading.faults:
        reading.skip("empty", "a list without entries")
    for entry in entries:
        dispatch(KINDS, entry, reading)


def _is_plan_order(data: Json) -> bool:
    """An order that waits for its trigger: it has ids and states of its own."""
    return "trigger" in data or "trigger_price" in data or "me_order_id" in data


def _is_plan_id(data: Json) -> bool:
    """The answer to the placement of such an order: an id of another id space, and nothing else."""
    return "id" in data and data.keys() <= {"id", "id_string"}


def _is_public_trade(data: Json) -> bool:
    names = data.keys()
    return "price" in names and ("size" in names or "amount" in names) and "id" in names


def _is_error(data: Json) -> bool:
    return "label" in data or ("message" in data and "code" in data)


def _read_error(row: Row, reading: Reading) -> None:
    canceling = row.note("label") in answers.CANCEL_LABELS
    reading.skip("failed_cancel" if canceling else "request_error", answers.reason_of(row))


def _read_socket_answer(row: Row, reading: Reading) -> None:
    answers.read_socket_answer(row, reading, KINDS)


_plan_order = skipping("plan_order", "an order that waits for its trigger has ids of its own")
_liquidation = skipping("liquidation", "a summary of a liquidation: its fills come as trades")
_settlement = skipping("settlement", "a settlement of a position")
_position = skipping("position", "a position")
_market_data = skipping("market_data", "public data")

KINDS: Final = (
    Kind("WebSocket answer", answers.is_socket_answer, _read_socket_answer),
    Kind("push", _is_push, _read_push),
    Kind("list of open orders", _is_group, _read_group),
    Kind("plan order", _is_plan_order, _plan_order),
    Kind("failed request", answers.is_failure, answers.read_failure),
    Kind("liquidation", keys("order_price", "fill_price"), _liquidation),
    Kind("options liquidation", keys("init_margin", "maint_margin", "order_margin"), _liquidation),
    Kind(
        "auto-deleverage",
        any_key("trade_size", "position_size"),
        skipping("adl_notice", "a summary of an auto-deleverage: its fills come as trades"),
    ),
    Kind("settlement", any_key("settle_price", "settle_profit"), _settlement),
    Kind("order", rows.is_order, rows.read_order),
    Kind("position", any_key("entry_price", "liq_price"), _position),
    Kind(
        "position close",
        keys("pnl", "contract", without=("price",)),
        skipping("position_close", "a summary of a closed position"),
    ),
    Kind("fill", rows.is_trade, rows.read_trade),
    Kind("public trade", _is_public_trade, _market_data),
    Kind("result", answers.is_result, answers.read_result),
    Kind("acknowledgement", answers.is_acknowledgement, answers.read_acknowledgement),
    Kind("plan order's id", _is_plan_id, _plan_order),
    Kind(
        "balance",
        any_key("available", "balance", "balances", "borrowed", "freeze", "change_type"),
        _read_balance,
    ),
    Kind("countdown", keys("triggerTime"), skipping("acknowledgement", "a countdown to cancel all orders")),
    Kind("login", keys("api_key", "uid"), skipping("acknowledgement", "a login")),
    Kind("error", _is_error, _read_error),
)
"""The kinds of objects, told apart by their keys, in the order of the looking."""

_OF_GATE: Final = frozenset(
    {"gt_fee", "point_fee", "amend_text", "close_size", "tkfr", "rebated_fee", "stp_act"}
)


def claims(data: Json) -> bool:
    """Whether an object's keys are Gate's and no other venue's."""
    header = data.get("header")
    named = header.get("channel") if isinstance(header, dict) else data.get("channel")
    if isinstance(named, str) and named.startswith(_PREFIXES):
        return "event" in (header if isinstance(header, dict) else data)
    names = data.keys()
    return ("currency_pair" in names or "contract" in names) and not _OF_GATE.isdisjoint(names)


VENUE: Final = Venue("gate", "Gate: spot, margin, futures, options", KINDS, claims, INSTRUMENTS)
