"""Phemex's payloads: the account push of linear contracts, and the wallet push of spot in scaled integers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from fillhandler_server.demo.books import State, Status, Trade, plain

_STATUSES: Final = {
    Status.NEW: "New",
    Status.PARTIALLY_FILLED: "PartiallyFilled",
    Status.FILLED: "Filled",
    Status.CANCELED: "Canceled",
}
_NO_EXECUTION: Final = "00000000-0000-0000-0000-000000000000"
_SCALE: Final = 8


def account_push(state: State, trade: Trade | None) -> dict[str, Any]:
    """Linear contracts: plain decimals; a fee may be paid in PT, and `execFeeRv` is zero then."""
    book = state.book
    time_ns = (trade.time_ms if trade else state.time_ms) * 1_000_000
    sequence = state.time_ms % 1_000_000_000
    execution = _STATUSES[state.status]
    if trade:
        execution = "MakerFill" if trade.is_maker else "TakerFill"
    in_points = trade is not None and trade.currency == "PT"
    row: dict[str, Any] = {
        "accountID": 9328670003,
        "action": "New",
        "actionBy": "ByUser",
        "actionTimeNs": book.create_ms * 1_000_000,
        "addedSeq": sequence,
        "apRp": "0",
        "bonusChangedAmountRv": "0",
        "bpRp": "0",
        "clOrdID": book.client_order_id,
        "closedPnlRv": "0",
        "closedSize": "0",
        "code": 0,
        "cumFeeRv": plain(state.fee_sum) if not in_points else "0",
        "cumQty": plain(state.cumulative),
        "cumValueRv": plain(state.notional),
        "currency": "USDT",
        "cxlRejReason": 0,
        "displayQty": plain(book.quantity),
        "execFeeRv": plain(trade.fee) if trade and not in_points else "0",
        "execID": trade.trade_id if trade else _NO_EXECUTION,
        # Stated for a new order as well, though nothing was executed.
        "execPriceRp": plain(trade.price if trade else book.limit_price),
        "execQty": plain(trade.quantity) if trade else "0",
        "execSeq": sequence,
        "execStatus": execution,
        "execValueRv": plain(trade.notional) if trade else "0",
        "feeRateRr": "0.0001" if trade and trade.is_maker else "0.0006",
        "leavesQty": plain(state.leaves),
        "leavesValueRv": plain(state.leaves * book.limit_price),
        "message": "No error",
        "ordStatus": _STATUSES[state.status],
        "ordType": book.kind.capitalize(),
        "orderID": book.order_id,
        "orderQty": plain(book.quantity),
        "pegOffsetValueRp": "0",
        "posSide": "Merged",
        "priceRp": plain(book.limit_price),
        "ptFeeRv": plain(trade.fee) if trade and in_points else "0",
        "relatedPosTerm": 1,
        "relatedReqNum": 11,
        "side": book.side.capitalize(),
        "stopLossRp": "0",
        "stopPxRp": "0",
        "symbol": book.market.symbol,
        "takeProfitRp": "0",
        "timeInForce": "GoodTillCancel",
        "tradeType": "Trade" if trade else "Amend",
        "transactTimeNs": time_ns,
        "userID": 932867,
    }
    return {
        "accounts_p": [
            {
                "accountBalanceRv": "1508.452588802237",
                "accountID": 9328670003,
                "bonusBalanceRv": "0",
                "currency": "USDT",
                "totalUsedBalanceRv": "343.132599666883",
                "userID": 932867,
            }
        ],
        "orders_p": [row],
        "positions_p": [],
        "sequence": sequence,
        "timestamp": state.time_ms * 1_000_000 + 1_980_725,
        "type": "incremental",
    }


def wallet_push(state: State, trade: Trade | None) -> dict[str, Any]:
    """Spot: integers of 8 places; the order stands under open or closed, its trade under fills."""
    book = state.book
    market = book.market
    common: dict[str, Any] = {
        "action": "New",
        "avgPriceEp": _scaled(state.average(_SCALE)),
        "baseCurrency": market.base,
        "baseQtyEv": _scaled(book.quantity),
        "clOrdID": book.client_order_id,
        "ordType": book.kind.capitalize(),
        "orderID": book.order_id,
        "priceEp": _scaled(book.limit_price),
        "qtyType": "ByBase",
        "quoteCurrency": market.quote,
        "quoteQtyEv": 0,
        "side": book.side.capitalize(),
        "symbol": market.symbol,
        "tradeType": "Trade",
        "transactTimeNs": str((trade.time_ms if trade else state.time_ms) * 1_000_000),
        "userID": 2647224,
    }
    order = common | {
        "bizError": 0,
        "createTimeNs": str(book.create_ms * 1_000_000),
        "cumBaseQtyEv": _scaled(state.cumulative),
        "cumFeeEv": _scaled(state.fee_sum),
        "cumQuoteQtyEv": _scaled(state.notional),
        "cxlRejReason": 0,
        "feeCurrency": trade.currency if trade else market.base,
        "leavesBaseQtyEv": _scaled(state.leaves),
        "leavesQuoteQtyEv": 0,
        "ordStatus": _STATUSES[state.status],
        "pegOffsetValueEp": 0,
        "stopPxEp": 0,
        "timeInForce": "GoodTillCancel",
        "triggerTimeNs": 0,
    }
    fills = []
    if trade:
        fills.append(
            common
            | {
                "execBaseQtyEv": _scaled(trade.quantity),
                "execFeeEv": _scaled(trade.fee),
                "execID": trade.trade_id,
                "execPriceEp": _scaled(trade.price),
                "execQuoteQtyEv": _scaled(trade.notional),
                "feeCurrency": trade.currency,
                "lastLiquidityInd": "AddedLiquidity" if trade.is_maker else "RemovedLiquidity",
            }
        )
    is_open = state.status in (Status.NEW, Status.PARTIALLY_FILLED)
    return {
        "orders": {
            "closed": [] if is_open else [order],
            "fills": fills,
            "open": [order] if is_open else [],
        },
        "sequence": state.time_ms % 1_000_000,
        "timestamp": state.time_ms * 1_000_000,
        "type": "incremental",
        "wallets": [],
    }


def _scaled(value: Decimal) -> int:
    return int(value.scaleb(_SCALE))
