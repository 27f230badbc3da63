"""Bitget's payloads: the orders and fill channels of spot and futures, and the list of spot fills."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fillhandler_server.demo.books import Book, State, Status, Trade, fixed, plain

_STATUSES = {
    Status.NEW: "live",
    Status.PARTIALLY_FILLED: "partially_filled",
    Status.FILLED: "filled",
}


def _word(status: Status, *, spot: bool) -> str:
    if status is Status.CANCELED:
        return "cancelled" if spot else "canceled"
    return _STATUSES[status]


def _push(book: Book, channel: str, row: dict[str, Any], time_ms: int) -> dict[str, Any]:
    is_spot = book.market.kind == "spot"
    return {
        "action": "snapshot",
        "arg": {
            "instType": "SPOT" if is_spot else "USDT-FUTURES",
            "channel": channel,
            "instId": book.market.symbol if is_spot and channel == "orders" else "default",
        },
        "data": [row],
        "ts": time_ms + 12,
    }


def orders_push(state: State, trade: Trade | None) -> dict[str, Any]:
    """The orders channel: an order as it stands; with a trade, its figures beside the sums.

    A negative `fillFee` is a cost.
    """
    book = state.book
    is_spot = book.market.kind == "spot"
    currency = state.trades[-1].currency if state.trades else book.market.quote
    row: dict[str, Any] = {
        "instId": book.market.symbol,
        "orderId": book.order_id,
        "clientOid": book.client_order_id,
        "price": plain(book.limit_price),
        "orderType": book.kind,
        "force": "gtc",
        "side": book.side.lower(),
        "accBaseVolume": fixed(state.cumulative, 4),
        "priceAvg": plain(state.average(6)),
        "status": _word(state.status, spot=is_spot),
        "cTime": str(book.create_ms),
        "uTime": str(state.time_ms),
        "feeDetail": [{"feeCoin": currency, "fee": plain(-state.fee_sum)}] if state.trades else [],
        "enterPointSource": "API",
    }
    if is_spot:
        row |= {
            "newSize": fixed(book.quantity, 4),
            "size": fixed(book.quantity * book.limit_price, 4),
            "notional": fixed(book.quantity * book.limit_price, 6),
        }
    else:
        row |= {
            "size": plain(book.quantity),
            "leverage": "20",
            "marginCoin": "USDT",
            "marginMode": "crossed",
            "notionalUsd": plain(book.quantity * book.limit_price),
            "posMode": "one_way_mode",
            "posSide": "net",
            "reduceOnly": "no",
            "tradeSide": f"{book.side.lower()}_single",
            "pnl": "0",
            "totalProfits": "0",
        }
    if trade:
        row |= {
            "tradeId": trade.trade_id,
            "fillPrice": plain(trade.price),
            "baseVolume": plain(trade.quantity),
            "fillTime": str(trade.time_ms),
            "fillFee": plain(-trade.fee),
            "fillFeeCoin": trade.currency,
            "tradeScope": "M" if trade.is_maker else "T",
        }
    return _push(book, "orders", row, state.time_ms)


def fill_push(state: State, trade: Trade) -> dict[str, Any]:
    """The fill channel: a positive fee is a cost on spot, a negative one on futures."""
    book = state.book
    scope = "maker" if trade.is_maker else "taker"
    is_spot = book.market.kind == "spot"
    fee = trade.fee if is_spot else -trade.fee
    row: dict[str, Any] = {
        "orderId": book.order_id,
        "tradeId": trade.trade_id,
        "symbol": book.market.symbol,
        "orderType": book.kind,
        "side": book.side.lower(),
        "tradeScope": scope,
        "feeDetail": [
            {
                "feeCoin": trade.currency,
                "deduction": "no",
                "totalDeductionFee": "0",
                "totalFee": plain(fee),
            }
        ],
        "cTime": str(trade.time_ms),
        "uTime": str(trade.time_ms),
    }
    if is_spot:
        row |= {
            "priceAvg": plain(trade.price),
            "size": plain(trade.quantity),
            "amount": plain(trade.notional),
        }
    else:
        row |= {
            "clientOid": book.client_order_id,
            "price": plain(trade.price),
            "baseVolume": plain(trade.quantity),
            "quoteVolume": plain(trade.notional),
            "profit": "0",
            "tradeSide": f"{book.side.lower()}_single",
            "posMode": "one_way_mode",
        }
    return _push(book, "fill", row, trade.time_ms)


def fills_answer(state: State, trade: Trade, fee: Decimal) -> dict[str, Any]:
    """The list of spot fills (GET /api/v2/spot/trade/fills), a negative fee being a cost."""
    book = state.book
    return {
        "code": "00000",
        "msg": "success",
        "requestTime": state.time_ms,
        "data": [
            {
                "userId": "7264631750",
                "symbol": book.market.symbol,
                "orderId": book.order_id,
                "tradeId": trade.trade_id,
                "orderType": book.kind,
                "side": book.side.lower(),
                "priceAvg": plain(trade.price),
                "size": plain(trade.quantity),
                "amount": plain(trade.notional),
                "feeDetail": {
                    "deduction": "no",
                    "feeCoin": trade.currency,
                    "totalDeductionFee": "",
                    "totalFee": plain(-fee),
                },
                "tradeScope": "maker" if trade.is_maker else "taker",
                "cTime": str(trade.time_ms),
                "uTime": str(trade.time_ms + 10),
            }
        ],
    }
