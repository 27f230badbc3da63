"""KuCoin's vocabulary, its symbols, and the lot sizes that its payloads do not say."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final, NamedTuple

from fillhandler_server.domain.fills import ContractKind, Liquidity, Side
from fillhandler_server.domain.instruments import Instrument
from fillhandler_server.venues.reading import Row

SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL, "BUY": Side.BUY, "SELL": Side.SELL}
LIQUIDITIES: Final = {
    "taker": Liquidity.TAKER,
    "maker": Liquidity.MAKER,
    "TAKER": Liquidity.TAKER,
    "MAKER": Liquidity.MAKER,
}

SPOT: Final = "spot"
LINEAR: Final = "linear"
INVERSE: Final = "inverse"

_PERPETUAL: Final = re.compile(r"([A-Z0-9]+?)(USDT|USDC|USD)M")
"""XBTUSDTM, XBTUSDCM, and XBTUSDM, which is settled in coin."""
_DATED: Final = re.compile(r"([A-Z0-9]+?)M[FGHJKMNQUVXZ][0-9]{2}")
"""XBTMH26: settled in coin, the month as on futures exchanges."""

_KINDS: Final = {SPOT: ContractKind.SPOT, LINEAR: ContractKind.LINEAR, INVERSE: ContractKind.INVERSE}


class Market(NamedTuple):
    """What a symbol's spelling says."""

    symbol: str
    market: str
    kind: int
    base: str
    quote: str


def _market(symbol: str, market: str, base: str = "", quote: str = "") -> Market:
    return Market(symbol, market, _KINDS.get(market, ContractKind.UNSPECIFIED), base, quote)


def market_of(row: Row, *keys: str) -> Market:
    """The symbol under the key and its market. Spot symbols have a hyphen, contracts none.

    A contract's currencies are in KuCoin's own spelling (XBT), as in its `baseCurrency` and `feeCurrency`.
    """
    symbol = row.id(*(keys or ("symbol",)))
    base, hyphen, quote = symbol.partition("-")
    if hyphen:
        return _market(symbol, SPOT, base, quote)
    match = _PERPETUAL.fullmatch(symbol)
    if match is not None:
        return _market(symbol, INVERSE if match[2] == "USD" else LINEAR, match[1], match[2])
    match = _DATED.fullmatch(symbol)
    if match is not None:
        return _market(symbol, INVERSE, match[1], "USD")
    settle = row.optional_id("settleCurrency")
    if settle:
        return _market(symbol, LINEAR if settle in ("USDT", "USDC", "USD") else INVERSE)
    return _market(symbol, "")


def fees_of(row: Row, amount_key: str, currency_key: str, *others: str) -> tuple[tuple[str, Decimal], ...]:
    """The fee: positive is a cost, negative a rebate, everywhere."""
    amount = row.optional_number(amount_key)
    if amount is None:
        return ()
    currency = row.optional_id(currency_key, *others)
    if currency:
        return ((currency, amount),)
    if amount:
        row.fail(currency_key, "missing beside a fee")
    return ()


_EXECUTIONS: Final = {
    "liquid": "liquidation",
    "liquidation": "liquidation",
    "adl": "adl",
    "settlement": "settlement",
    "delivery": "settlement",
}


def marks(row: Row, execution_key: str, position_key: str = "positionSide") -> dict[str, str]:
    """What marks an execution that the venue forced, and the side of the position in hedge mode."""
    found: dict[str, str] = {}
    word = row.note(execution_key).lower()
    # Spot rows say TRADE, MARGIN_TRADE, MARGIN_ISOLATED_TRADE here, the unified account NORMAL.
    if word in _EXECUTIONS:
        found["execution"] = _EXECUTIONS[word]
    position = row.note(position_key).upper()
    if position in ("LONG", "SHORT"):
        found["position_side"] = position
    return found


def order_type(row: Row, key: str, post_only_key: str = "postOnly") -> str:
    """The order's type in small letters; a limit order that must not take is "post_only"."""
    kind = row.optional_word(key).lower()
    return "post_only" if kind == "limit" and row.data.get(post_only_key) is True else kind


def limit_price(row: Row, kind: str, *keys: str) -> Decimal | None:
    """The order's price; market orders have none, whatever stands there."""
    return None if kind == "market" else row.optional_above_zero(*keys)


# ----------------------------------------------------------------- instruments


def _contract(symbol: str, multiplier: str) -> Instrument:
    match = _PERPETUAL.fullmatch(symbol)
    assert match is not None
    base, quote = match[1], match[2]
    market = INVERSE if quote == "USD" else LINEAR
    settle = base if market == INVERSE else quote
    return Instrument("kucoin", symbol, market, _KINDS[market], Decimal(multiplier), base, quote, settle)


INSTRUMENTS: Final = tuple(
    _contract(symbol, multiplier)
    for multiplier, symbols in {
        # GET /api/v1/contracts/active, `multiplier`: units of the base a lot, of USD where inverse.
        "0.001": "XBTUSDTM",
        "0.01": "ETHUSDTM BNBUSDTM",
        "0.1": "SOLUSDTM",
        "1": "XBTUSDM ETHUSDM",
        "10": "XRPUSDTM ADAUSDTM PEOPLEUSDTM CELRUSDTM",
        "100": "DOGEUSDTM TRXUSDTM",
    }.items()
    for symbol in symbols.split()
)
"""Lots of well-known contracts. Others stay open: configuration and imports add them."""
