"""What a Binance symbol tells: the market, the currencies, the size of a contract."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from fillhandler_server.domain.fills import ContractKind
from fillhandler_server.venues.currencies import split_symbol

SPOT_QUOTES: Final = frozenset(
    "USDT USDC FDUSD TUSD BUSD USDP USD1 USDS PAX USDE U BTC ETH BNB XRP TRX DOGE DOT SOL DAI BIDR IDRT BVND "
    "VAI UST EUR GBP AUD TRY BRL RUB UAH NGN ZAR ARS PLN RON JPY MXN CZK COP EURI AEUR IDR".split()
)
"""Assets that Binance lists, or listed, as a quote. USD apart, because four of these end with it."""
SPOT_QUOTES_LAST: Final = frozenset({"USD"})

FUTURES_QUOTES: Final = frozenset({"USDT", "USDC", "BUSD", "FDUSD", "BTC"})

COIN_MARGINED: Final = re.compile(r"([A-Z0-9]+)USD_(?:PERP|[0-9]{6})")
OPTION: Final = re.compile(r"[A-Z0-9]+-[0-9]{6}-[0-9.]+-[CP]")
_DELIVERY: Final = re.compile(r"(.+)_[0-9]{6}")

OPTION_QUOTE: Final = "USDT"
"""Binance options are quoted, and their fees taken, in USDT; the stream does not repeat it."""

_CONTRACT_USD: Final = {"BTC": Decimal(100)} | dict.fromkeys(
    "ETH LINK BNB TRX DOT ADA EOS LTC BCH XRP ETC FIL EGLD DOGE UNI THETA XLM SOL FTM SAND MANA AVAX GALA "
    "MATIC NEAR ATOM AAVE AXS ICX ROSE KNC APE GMT OP ENS ZIL ALGO RUNE CRV INJ APT LDO CHZ XTZ".split(),
    Decimal(10),
)
"""Dollars a coin-margined contract, by its base (Binance, contract specifications). Others: not known."""


class Instrument(NamedTuple):
    """What there is to know of a symbol. "" and None are "not known"."""

    market: str
    kind: int
    multiplier: Decimal | None
    base: str
    quote: str


@lru_cache(maxsize=4096)
def spot(symbol: str) -> Instrument:
    """A spot or margin symbol."""
    return Instrument("spot", ContractKind.SPOT, None, *split_symbol(symbol, SPOT_QUOTES, SPOT_QUOTES_LAST))


@lru_cache(maxsize=4096)
def derivative(symbol: str) -> Instrument:
    """A symbol of the futures or options markets: COIN-M and options have spellings of their own."""
    inverse = COIN_MARGINED.fullmatch(symbol)
    if inverse:
        base = inverse[1]
        return Instrument("inverse", ContractKind.INVERSE, _CONTRACT_USD.get(base), base, "USD")
    if OPTION.fullmatch(symbol):
        return Instrument("option", ContractKind.UNSPECIFIED, None, "", OPTION_QUOTE)
    delivery = _DELIVERY.fullmatch(symbol)
    pair = delivery[1] if delivery else symbol
    return Instrument("linear", ContractKind.LINEAR, None, *split_symbol(pair, FUTURES_QUOTES))
