"""Bitget's vocabulary, its symbols and the one trap of its sides."""

from __future__ import annotations

from typing import Final

from fillhandler_server.domain.fills import ContractKind, Liquidity, Side
from fillhandler_server.domain.reports import OrderStatus
from fillhandler_server.venues.currencies import split_symbol
from fillhandler_server.venues.reading import Row

SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL, "BUY": Side.BUY, "SELL": Side.SELL}
_OPPOSITE: Final = {Side.BUY: Side.SELL, Side.SELL: Side.BUY, Side.UNSPECIFIED: Side.UNSPECIFIED}

LIQUIDITIES: Final = {
    "taker": Liquidity.TAKER,
    "maker": Liquidity.MAKER,
    "marker": Liquidity.MAKER,  # so spelled in the documentation of the spot fill channel
    "T": Liquidity.TAKER,
    "M": Liquidity.MAKER,
}

STATUSES: Final = {
    "init": OrderStatus.NEW,
    "new": OrderStatus.NEW,
    "live": OrderStatus.NEW,
    "partial_fill": OrderStatus.PARTIALLY_FILLED,
    "partially_fill": OrderStatus.PARTIALLY_FILLED,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "full_fill": OrderStatus.FILLED,
    "filled": OrderStatus.FILLED,
    "cancel": OrderStatus.CANCELED,
    "cancelled": OrderStatus.CANCELED,  # spot
    "canceled": OrderStatus.CANCELED,  # futures
    "rejected": OrderStatus.REJECTED,
    "expired": OrderStatus.EXPIRED,
}

SPOT_QUOTES: Final = frozenset("USDT USDC BTC ETH EUR BGB BRL GBP TRY USDE USD1 DAI TUSD".split())
FUTURES_QUOTES: Final = frozenset({"USDT", "USDC"})

SPOT: Final = "spot"
LINEAR: Final = "linear"
INVERSE: Final = "inverse"

INST_TYPES: Final = {
    "SPOT": SPOT,
    "MARGIN": SPOT,
    "USDT-FUTURES": LINEAR,
    "USDC-FUTURES": LINEAR,
    "COIN-FUTURES": INVERSE,
    "SUSDT-FUTURES": LINEAR,
    "SUSDC-FUTURES": LINEAR,
    "SCOIN-FUTURES": INVERSE,
}
"""The market by `arg.instType` of a push, and in the unified account by `category`."""

CONTRACT_KINDS: Final = {SPOT: ContractKind.SPOT, LINEAR: ContractKind.LINEAR}
"""Bitget counts its coin-margined contracts in the base currency, not in dollars, so the formulas for inverse
contracts (quantity over price) do not hold for them: their kind is left open."""


def contract_kind(market: str) -> int:
    """The kind of contract of a market, for the formulas."""
    return CONTRACT_KINDS.get(market, ContractKind.UNSPECIFIED)


def symbol_of(row: Row, default: str = "") -> str:
    """The symbol, in capitals: the documentation's samples have it in small letters at times."""
    found = row.optional_id("symbol", "instId") or default
    if not found or found == "default":
        row.fail("symbol" if "symbol" in row.data or "instId" not in row.data else "instId", "missing")
    return found.upper()


def category_market(row: Row) -> str:
    """The market by `category`, "" where it is not given or not known."""
    return INST_TYPES.get(row.optional_word("category").upper(), "")


def futures_market(symbol: str) -> str:
    """The market of a futures symbol, where nothing else says it."""
    if symbol.endswith(("USDT", "USDC", "PERP")):
        return LINEAR
    return INVERSE if symbol.endswith("USD") else ""


def currencies(symbol: str, market: str) -> tuple[str, str]:
    """(base, quote) of a symbol."""
    if market == INVERSE:
        # Without the base: nobody shall take its fees off a position's size.
        return "", "USD" if symbol.endswith("USD") else ""
    if market == LINEAR and symbol.endswith("PERP"):  # BTCPERP: the USDC-margined contracts
        return symbol[:-4], "USDC"
    # The flat form does not tell its market; what the symbol is made of does not depend on it.
    return split_symbol(symbol, FUTURES_QUOTES if market == LINEAR else SPOT_QUOTES)


def mix_side(row: Row) -> int:
    """The side of a v2 futures order or fill.

    In hedge mode `side` names the position (buy = long) and `tradeSide` what is done to it, so buy + close is
    a sale. The forced closings say the position in `tradeSide` itself (`burst_close_long`).
    """
    side = row.choice(SIDES, "side", default=Side.UNSPECIFIED)
    action = row.optional_word("tradeSide").lower()
    if row.optional_word("posMode").lower() != "hedge_mode":
        return side
    if "close_long" in action:
        return Side.SELL
    if "close_short" in action:
        return Side.BUY
    position = row.optional_word("posSide", "holdSide").lower()
    if position in ("long", "short") and action in ("open", "close"):
        opened = Side.BUY if position == "long" else Side.SELL
        return opened if action == "open" else _OPPOSITE[opened]
    return _OPPOSITE[side] if action == "close" else side


def execution_mark(row: Row) -> dict[str, str]:
    """What marks an execution that the venue forced, and the side of the position in hedge mode."""
    found: dict[str, str] = {}
    words = row.optional_word("tradeSide").lower(), row.optional_word("execType", "orderSource").lower()
    if any("adl" in word for word in words):
        found["execution"] = "adl"
    elif any(
        word.startswith(("burst_", "reduce_", "liquidation")) and "offset" not in word for word in words
    ):
        found["execution"] = "liquidation"
    elif any(word.startswith("delivery_") for word in words):
        found["execution"] = "settlement"
    position = row.optional_word("posSide", "holdSide").lower()
    if position in ("long", "short"):
        found["position_side"] = position.upper()
    return found
