"""Phemex's vocabulary: words on most interfaces, codes on the v2 lists."""

from __future__ import annotations

import re
from typing import Final

from fillhandler_server.domain.fills import Liquidity, Side
from fillhandler_server.domain.reports import OrderStatus

SIDES: Final = {
    "Buy": Side.BUY,
    "Sell": Side.SELL,
    "BUY": Side.BUY,
    "SELL": Side.SELL,
    "buy": Side.BUY,
    "sell": Side.SELL,
    "1": Side.BUY,
    "2": Side.SELL,
}

STATUSES: Final = {
    # Created and Init: the request is acknowledged.
    "Created": OrderStatus.NEW,
    "Init": OrderStatus.NEW,
    "Untriggered": OrderStatus.NEW,
    "Triggered": OrderStatus.NEW,
    "New": OrderStatus.NEW,
    "PartiallyFilled": OrderStatus.PARTIALLY_FILLED,
    "Filled": OrderStatus.FILLED,
    "Canceled": OrderStatus.CANCELED,
    "Deactivated": OrderStatus.CANCELED,  # a conditional order removed before its trigger
    "Suspended": OrderStatus.CANCELED,
    "Expired": OrderStatus.EXPIRED,
    "Rejected": OrderStatus.REJECTED,
    "0": OrderStatus.NEW,
    "1": OrderStatus.NEW,
    "2": OrderStatus.CANCELED,
    "3": OrderStatus.NEW,
    "4": OrderStatus.REJECTED,
    "5": OrderStatus.NEW,
    "6": OrderStatus.PARTIALLY_FILLED,
    "7": OrderStatus.FILLED,
    "8": OrderStatus.CANCELED,
}

ACKNOWLEDGED: Final = frozenset({"Created", "Init", "0"})

FILLS: Final = {
    "MakerFill": Liquidity.MAKER,
    "TakerFill": Liquidity.TAKER,
    "6": Liquidity.MAKER,
    "7": Liquidity.TAKER,
}
"""The execution states that are fills, and what they say of the liquidity."""

REJECTED_EXECUTIONS: Final = frozenset({"CreateRejected", "NewRejected", "19"})

FLAT_LIQUIDITIES: Final = {"maker": Liquidity.MAKER, "taker": Liquidity.TAKER}
"""In the flat form of the original design `execStatus` is the liquidity itself."""

LIQUIDITY_INDICATORS: Final = {"AddedLiquidity": Liquidity.MAKER, "RemovedLiquidity": Liquidity.TAKER}

FUNDING: Final = frozenset({"Funding", "4"})
FORCED: Final = {"LiqTrade": "liquidation", "6": "liquidation", "AdlTrade": "adl", "7": "adl"}
"""Trade types of executions that the venue forced; they are real."""

POSITION_SIDES: Final = {"Long": "LONG", "Short": "SHORT", "1": "LONG", "2": "SHORT"}

_TYPE_CODES: Final = (
    "",
    "market",
    "limit",
    "stop",
    "stop_limit",
    "market_if_touched",
    "limit_if_touched",
    "protected_market",
    "market_as_limit",
    "stop_as_limit",
    "market_if_touched_as_limit",
    "bracket",
    "bo_tp_limit",
    "bo_sl_limit",
    "bo_sl_market",
)
_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


def order_type(word: str) -> str:
    """The type of an order: `StopLimit` and the code 4 are both "stop_limit"."""
    if word.isascii() and word.isdigit() and len(word) < 3:
        return _TYPE_CODES[int(word)] if int(word) < len(_TYPE_CODES) else ""
    return "" if word == "UNSPECIFIED" else _HUMP.sub("_", word).lower()
