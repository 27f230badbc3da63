"""Trades, their orders and the attempts behind them as fields, rows, lines and sentences."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from fillhandler.cli.values import (
    optional,
    shown_amounts,
    shown_liquidity,
    shown_side,
    shown_span,
    shown_status,
    shown_time,
    shown_word,
)
from fillhandler.v1 import execution_service_pb2, fills_pb2, orders_pb2, trades_pb2

TRADE_COLUMNS: Final = (
    "started",
    "trade",
    "request",
    "venue",
    "account",
    "market",
    "symbol",
    "side",
    "type",
    "#quantity",
    "status",
    "#filled",
    "#average",
    "fees",
    "#attempts",
    "what",
)

ORDER_COLUMNS: Final = (
    "order",
    "client order id",
    "status",
    "type",
    "#ordered",
    "#filled",
    "#limit price",
    "#average",
    "fees",
    "#fills",
    "reason",
)

FILL_COLUMNS: Final = ("traded", "order", "trade", "#quantity", "#price", "fees", "liquidity")

ATTEMPT_COLUMNS: Final = (
    "#sequence",
    "committed",
    "trade",
    "venue",
    "account",
    "symbol",
    "order",
    "request",
    "#attempt",
    "outcome",
    "error",
    "#again after",
    "what",
)

# What may be done about a trade that did not fill all of its quantity.
_WAYS_OUT: Final[Mapping[int, str]] = {
    trades_pb2.TRADE_OUTCOME_PARTIALLY_FILLED: "nothing more fills; the rest may be executed as a new trade",
    trades_pb2.TRADE_OUTCOME_NOT_FILLED: "it may be executed again as a new trade",
    trades_pb2.TRADE_OUTCOME_REJECTED: "correct what the venue names, then execute it as a new trade",
    trades_pb2.TRADE_OUTCOME_FAILED: "the venue has no such order: it may be executed again as a new trade",
    trades_pb2.TRADE_OUTCOME_LEFT_WORKING: "the order is still at the venue, and its later fills are "
    "recorded; `fillhandler orders` lists it",
    trades_pb2.TRADE_OUTCOME_NOT_FOLLOWED: "this server does not follow it; look at the venue",
}


def shown_state(trade: trades_pb2.Trade) -> str:
    """Where it stands, and once it has ended how: WORKING, or FILLED."""
    if trade.status == trades_pb2.TRADE_STATUS_FINISHED:
        return shown_word(trades_pb2.TradeOutcome.DESCRIPTOR, trade.outcome)
    return shown_word(trades_pb2.TradeStatus.DESCRIPTOR, trade.status)


def shown_words(trade: trades_pb2.Trade) -> str:
    """The last error, or why it ended as it did."""
    return " ".join(filter(None, (trade.error_class, trade.text)))


def trade_row(trade: trades_pb2.Trade) -> tuple[object, ...]:
    """One trade's cells under `TRADE_COLUMNS`."""
    asked = trade.request
    return (
        shown_time(trade, "start_time"),
        trade.trade_id,
        asked.request_id,
        asked.venue,
        asked.account,
        asked.market,
        asked.symbol,
        shown_side(asked.side),
        asked.type,
        asked.quantity,
        shown_state(trade),
        trade.total_filled,
        optional(trade, "average_price"),
        shown_amounts(trade.fees),
        trade.attempts,
        shown_words(trade),
    )


def order_row(order: orders_pb2.Order) -> tuple[object, ...]:
    """One of a trade's orders under `ORDER_COLUMNS`."""
    return (
        order.order_id,
        order.client_order_id,
        shown_status(order.status),
        order.type,
        optional(order, "order_quantity"),
        optional(order, "cumulative_quantity"),
        optional(order, "limit_price"),
        optional(order, "average_price"),
        shown_amounts(order.fees),
        order.fill_count,
        order.reason,
    )


def fill_row(fill: fills_pb2.Fill) -> tuple[object, ...]:
    """One of a trade's fills under `FILL_COLUMNS`."""
    return (
        shown_time(fill, "trade_time"),
        fill.order_id or fill.client_order_id,
        fill.trade_id,
        fill.quantity,
        optional(fill, "price"),
        shown_amounts(fill.fees),
        shown_liquidity(fill.liquidity),
    )


def attempt_row(attempt: execution_service_pb2.Attempt) -> tuple[object, ...]:
    """One attempt's cells under `ATTEMPT_COLUMNS`."""
    applied = "; it may have taken effect" if attempt.maybe_applied else ""
    return (
        attempt.sequence,
        shown_time(attempt, "commit_time"),
        attempt.trade_id,
        attempt.venue,
        attempt.account,
        attempt.symbol,
        attempt.order_id or attempt.client_order_id,
        shown_word(trades_pb2.RequestOperation.DESCRIPTOR, attempt.operation),
        attempt.attempt,
        shown_word(execution_service_pb2.AttemptOutcome.DESCRIPTOR, attempt.outcome),
        attempt.error_class,
        shown_span(attempt.delay) if attempt.HasField("delay") else None,
        attempt.text + applied,
    )


def trade_fields(trade: trades_pb2.Trade) -> dict[str, object]:
    """Everything of a trade but its orders."""
    asked = trade.request
    remainder = shown_word(trades_pb2.Remainder.DESCRIPTOR, asked.remainder)
    price = shown_word(trades_pb2.ReplacementPrice.DESCRIPTOR, asked.replacement_price)
    return {
        "trade": trade.trade_id,
        "request": asked.request_id,
        "venue": asked.venue,
        "account": asked.account,
        "market": asked.market,
        "symbol": asked.symbol,
        "side": shown_side(asked.side),
        "type": asked.type,
        "quantity": asked.quantity,
        "limit price": optional(asked, "limit_price"),
        "expected price": optional(asked, "expected_price"),
        "time in force": asked.time_in_force,
        "deadline": shown_span(asked.deadline) if asked.HasField("deadline") else None,
        "remainder": f"{remainder} at the price {price}" if remainder == "REPLACE" and price else remainder,
        "client order id": asked.client_order_id,
        "status": shown_state(trade),
        "cancel requested": "yes" if trade.cancel_requested else None,
        "filled": trade.total_filled,
        "average price": optional(trade, "average_price"),
        "fees": shown_amounts(trade.fees),
        "fills": trade.fill_count,
        "attempts": trade.attempts,
        "retries": trade.retries or None,
        "why" if trade.status == trades_pb2.TRADE_STATUS_FINISHED else "last error": shown_words(trade),
        "next attempt": shown_time(trade, "retry_time"),
        "started": shown_time(trade, "start_time"),
        "finished": shown_time(trade, "finish_time"),
    }


def progress_fields(trade: trades_pb2.Trade, now: datetime) -> dict[str, object]:
    """What moves while a trade is under way, for a terminal. `now` has a time zone."""
    retry = shown_time(trade, "retry_time")
    if retry:
        left = (trade.retry_time.ToDatetime(UTC) - now).total_seconds()
        retry = f"in {max(left, 0.0):.0f} s, at {retry}"
    return {
        "trade": trade.trade_id,
        "status": shown_state(trade) + (", cancel requested" if trade.cancel_requested else ""),
        "filled": f"{trade.total_filled or 0} of {trade.request.quantity}",
        "average price": optional(trade, "average_price"),
        "fees": shown_amounts(trade.fees),
        "attempts": trade.attempts,
        "last error": shown_words(trade),
        "next attempt": retry,
    }


def progress_line(trade: trades_pb2.Trade) -> str:
    """The same in a line."""
    average = f" @ {trade.average_price}" if trade.HasField("average_price") else ""
    parts = [
        f"{shown_state(trade)} {trade.total_filled or 0} of {trade.request.quantity} filled{average}",
        f"fees {shown_amounts(trade.fees)}" if trade.fees else "",
        f"attempts {trade.attempts}" if trade.attempts else "",
        shown_words(trade),
        f"next attempt {shown_time(trade, 'retry_time')}" if trade.HasField("retry_time") else "",
        "cancel requested" if trade.cancel_requested else "",
    ]
    return ", ".join(filter(None, parts))


def failure(trade: trades_pb2.Trade) -> dict[str, str] | None:
    """Why a trade is no success, and what may be done: `text` and `hint`. None where it is one."""
    if trade.success:
        return None
    name = trade.request.request_id or trade.trade_id
    why = f": {shown_words(trade)}" if shown_words(trade) else ""
    filled = f"{trade.total_filled or 0} of {trade.request.quantity} filled"
    if trade.status != trades_pb2.TRADE_STATUS_FINISHED:
        return {
            "text": f"undecided, {filled}{why}",
            "hint": "the server goes on asking the venue and sends nothing again before that is settled; "
            f"`fillhandler trade {name}` shows it, and the venue may know client order id "
            f"{trade.request.client_order_id}",
        }
    problem = {"text": f"{shown_state(trade)}, {filled}{why}"}
    hint = _WAYS_OUT.get(trade.outcome)
    return {**problem, "hint": hint} if hint else problem
