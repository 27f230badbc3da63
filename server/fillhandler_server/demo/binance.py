"""Binance's payloads: executionReport (spot), ORDER_TRADE_UPDATE and TRADE_LITE (USD-M), answers by REST."""

from __future__ import annotations

from typing import Any

from fillhandler_server.demo.books import State, Status, Trade, fixed, plain


def execution_report(state: State, trade: Trade | None, *, execution: str = "") -> dict[str, Any]:
    """The spot stream's word on an order; with a trade, that it happened."""
    book = state.book
    is_canceled = state.status is Status.CANCELED
    return {
        "e": "executionReport",
        "E": state.time_ms + 1,
        "s": book.market.symbol,
        # On a cancel `c` names the request and `C` the order.
        "c": f"cancel-{book.client_order_id}" if is_canceled else book.client_order_id,
        "S": book.side,
        "o": book.kind.upper(),
        "f": "GTC",
        "q": fixed(book.quantity),
        "p": fixed(book.limit_price),
        "P": "0.00000000",
        "F": "0.00000000",
        "g": -1,
        "C": book.client_order_id if is_canceled else "",
        "x": execution or ("TRADE" if trade else state.status.value),
        "X": state.status.value,
        "r": book.reason or "NONE",
        "i": int(book.order_id),
        "l": fixed(trade.quantity) if trade else "0.00000000",
        "z": fixed(state.cumulative),
        "L": fixed(trade.price) if trade else "0.00000000",
        "n": fixed(trade.fee) if trade else "0",
        "N": trade.currency if trade else None,
        "T": trade.time_ms if trade else state.time_ms,
        "t": int(trade.trade_id) if trade else -1,
        "I": int(book.order_id) + len(state.trades),
        "w": state.status in (Status.NEW, Status.PARTIALLY_FILLED),
        "m": bool(trade and trade.is_maker),
        "M": False,
        "O": book.create_ms,
        "Z": fixed(state.notional),
        "Y": fixed(trade.notional) if trade else "0.00000000",
        "Q": "0.00000000",
        "W": book.create_ms,
        "V": "NONE",
    }


def order_answer(state: State) -> dict[str, Any]:
    """The answer to a market order (newOrderRespType=FULL): its fills, without their maker flags."""
    book = state.book
    return {
        "symbol": book.market.symbol,
        "orderId": int(book.order_id),
        "orderListId": -1,
        "clientOrderId": book.client_order_id,
        "transactTime": state.time_ms,
        "price": "0.00000000",
        "origQty": fixed(book.quantity),
        "executedQty": fixed(state.cumulative),
        "cummulativeQuoteQty": fixed(state.notional),
        "status": state.status.value,
        "timeInForce": "GTC",
        "type": "MARKET",
        "side": book.side,
        "fills": [
            {
                "price": fixed(trade.price),
                "qty": fixed(trade.quantity),
                "commission": fixed(trade.fee),
                "commissionAsset": trade.currency,
                "tradeId": int(trade.trade_id),
            }
            for trade in state.trades
        ],
    }


def my_trades(state: State) -> list[dict[str, Any]]:
    """The account's trade list (GET /api/v3/myTrades): the same trades with their maker flags."""
    book = state.book
    return [
        {
            "symbol": book.market.symbol,
            "id": int(trade.trade_id),
            "orderId": int(book.order_id),
            "orderListId": -1,
            "price": fixed(trade.price),
            "qty": fixed(trade.quantity),
            "quoteQty": fixed(trade.notional),
            "commission": fixed(trade.fee),
            "commissionAsset": trade.currency,
            "time": trade.time_ms,
            "isBuyer": book.side == "BUY",
            "isMaker": trade.is_maker,
            "isBestMatch": True,
        }
        for trade in state.trades
    ]


def order_trade_update(state: State, trade: Trade | None) -> dict[str, Any]:
    """The USD-M stream's word on an order."""
    book = state.book
    order: dict[str, Any] = {
        "s": book.market.symbol,
        "c": book.client_order_id,
        "S": book.side,
        "o": book.kind.upper(),
        "f": "GTC",
        "q": plain(book.quantity),
        "p": plain(book.limit_price),
        "ap": plain(state.average(5)),
        "sp": "0",
        "x": "TRADE" if trade else state.status.value,
        "X": state.status.value,
        "i": int(book.order_id),
        "l": plain(trade.quantity) if trade else "0",
        "z": plain(state.cumulative),
        "L": plain(trade.price) if trade else "0",
        "T": trade.time_ms if trade else state.time_ms,
        "t": int(trade.trade_id) if trade else 0,
        "b": "0",
        "a": "0",
        "m": bool(trade and trade.is_maker),
        "R": False,
        "wt": "CONTRACT_PRICE",
        "ot": book.kind.upper(),
        "ps": "BOTH",
        "cp": False,
        "rp": "0",
        "pP": False,
        "si": 0,
        "ss": 0,
    }
    if trade:
        order |= {"n": plain(trade.fee), "N": trade.currency}
    return {"e": "ORDER_TRADE_UPDATE", "E": state.time_ms + 3, "T": state.time_ms, "o": order}


def trade_lite(state: State, trade: Trade) -> dict[str, Any]:
    """The USD-M stream's early word on a trade: no fee, no status."""
    book = state.book
    return {
        "e": "TRADE_LITE",
        "E": trade.time_ms,
        "T": trade.time_ms,
        "s": book.market.symbol,
        "q": plain(book.quantity),
        "p": plain(book.limit_price),
        "m": trade.is_maker,
        "c": book.client_order_id,
        "S": book.side,
        "L": plain(trade.price),
        "l": plain(trade.quantity),
        "t": int(trade.trade_id),
        "i": int(book.order_id),
    }
