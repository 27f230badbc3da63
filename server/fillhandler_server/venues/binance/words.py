"""Binance's vocabulary."""

from __future__ import annotations

from typing import Final

from fillhandler_server.domain.fills import Liquidity, Side
from fillhandler_server.domain.reports import OrderStatus

SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL, "buy": Side.BUY, "sell": Side.SELL}

LIQUIDITIES: Final = {
    "MAKER": Liquidity.MAKER,
    "TAKER": Liquidity.TAKER,
    "maker": Liquidity.MAKER,
    "taker": Liquidity.TAKER,
}

STATUSES: Final = {
    "NEW": OrderStatus.NEW,
    "ACCEPTED": OrderStatus.NEW,  # options
    "NEW_INSURANCE": OrderStatus.NEW,  # futures: a liquidation by the insurance fund
    "NEW_ADL": OrderStatus.NEW,  # futures: a counterparty's liquidation
    "PENDING_NEW": OrderStatus.PENDING_NEW,  # waits for the first order of its list
    "PARTIALLY_FILLED": OrderStatus.PARTIALLY_FILLED,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELED,
    "CANCELLED": OrderStatus.CANCELED,  # options
    "PENDING_CANCEL": OrderStatus.PENDING_CANCEL,
    "REJECTED": OrderStatus.REJECTED,
    "EXPIRED": OrderStatus.EXPIRED,
    "EXPIRED_IN_MATCH": OrderStatus.EXPIRED,  # self-trade prevention
}

FILLS: Final = frozenset({"TRADE", "CALCULATED"})
"""The execution types that are fills; CALCULATED is a liquidation."""

EXECUTIONS: Final = {
    word: word
    for word in (
        "NEW",
        "CANCELED",
        "REPLACED",
        "AMENDMENT",
        "REJECTED",
        "EXPIRED",
        "TRADE",
        "CALCULATED",
        # Nothing was traded, whatever `l` and `L` say: older captures carry the prevented amount there.
        "TRADE_PREVENTION",
    )
}

SKIPPED_EVENTS: Final = {
    "outboundAccountPosition": "balance",
    "outboundAccountInfo": "balance",
    "balanceUpdate": "balance",
    "externalLockUpdate": "balance",
    "ACCOUNT_UPDATE": "account_update",
    "BALANCE_POSITION_UPDATE": "account_update",
    "GREEK_UPDATE": "account_update",
    "ACCOUNT_CONFIG_UPDATE": "account_update",
    "RISK_LEVEL_CHANGE": "margin_call",
    "riskLevelChange": "margin_call",
    "MARGIN_CALL": "margin_call",
    "openOrderLoss": "account_update",
    "liabilityChange": "account_update",
    "MARGIN_LEVEL_STATUS_CHANGE": "margin_call",
    "USER_LIABILITY_CHANGE": "account_update",
    "listenKeyExpired": "stream_control",
    "eventStreamTerminated": "stream_control",
    "serverShutdown": "stream_control",
    "listStatus": "order_list",
    "ALGO_UPDATE": "algo_order",
    "CONDITIONAL_ORDER_TRADE_UPDATE": "algo_order",
    "STRATEGY_UPDATE": "strategy",
    "GRID_UPDATE": "strategy",
    "trade": "market_data",
    "aggTrade": "market_data",
    "kline": "market_data",
    "depthUpdate": "market_data",
    "bookTicker": "market_data",
    "markPriceUpdate": "market_data",
    "forceOrder": "market_data",
    "24hrTicker": "market_data",
    "24hrMiniTicker": "market_data",
}
"""Events that say nothing about the fills or the state of one order, by the kind they are skipped as."""


def execution_mark(client_order_id: str, execution: str = "") -> dict[str, str]:
    """What marks an execution that the venue forced, by its documented client order ids."""
    if execution != "CALCULATED" and "autoclose" not in client_order_id:
        return {}
    if client_order_id.startswith("adl_autoclose"):
        return {"execution": "adl"}
    if client_order_id.startswith(("settlement_autoclose-", "delivery_autoclose-")):
        return {"execution": "settlement"}
    forced = execution == "CALCULATED" or client_order_id.startswith("autoclose-")
    return {"execution": "liquidation"} if forced else {}
