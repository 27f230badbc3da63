"""Kraken's symbols: one canonical spelling of each, and what it says of market and currencies.

Spot is spelled "XXBTZUSD" or "XBTUSD" over REST, "XBT/USD" over the first WebSocket and "BTC/USD" over the
second: all are "BTC/USD" here. Futures are "PF_XBTUSD", in small letters in older answers: capitals here.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from fillhandler_server.domain.fills import ContractKind
from fillhandler_server.domain.instruments import Instrument
from fillhandler_server.domain.numbers import ONE
from fillhandler_server.venues.currencies import split_symbol

VENUE_NAME: Final = "kraken"
SPOT: Final = "spot"
LINEAR: Final = "linear"
INVERSE: Final = "inverse"

_LEGACY_COINS: Final = "XBT ETH ETC LTC XDG REP MLN XLM XMR XRP ZEC ICN DAO NMC XVN".split()
"""Kraken's first coins: REST writes an X before them."""
_LEGACY_MONEY: Final = "USD EUR GBP CAD JPY AUD KRW".split()
"""National currencies with a Z before them; later ones (CHF, AED) have none."""

_LEGACY: Final = {"X" + name: name for name in _LEGACY_COINS} | {"Z" + name: name for name in _LEGACY_MONEY}
_RENAMED: Final = {"XBT": "BTC", "XDG": "DOGE"}
"""ISO 4217 style names of REST and the first WebSocket, to the names of the second."""

_QUOTES: Final = frozenset(
    "EUR GBP CAD JPY CHF AUD AED ARS BRL MXN XBT BTC ETH USDT USDC DAI DOT PYUSD RLUSD USDG USDQ USDR USDS "
    "USD1 EURC EURQ EURR EUROP EURT".split()
)
"""Assets that Kraken quotes in; USD apart, because three of these end with it."""
_LAST_QUOTES: Final = frozenset({"USD"})
_IRREGULAR: Final = {"USDTZUSD": ("USDT", "USD"), "USDCHF": ("USD", "CHF"), "USDAED": ("USD", "AED")} | {
    "USD" + money: ("USD", money) for money in _LEGACY_MONEY if money != "USD"
}
"""Pairs whose spelling follows neither rule: half of it legacy, or USD as the base."""

_FUTURE: Final = re.compile(r"(PI|FI|PF|FF|PV|FV)_([A-Z0-9]{2,20}?)(USD|EUR|GBP|XBT|ETH)(?:_[A-Z0-9]{1,10})?")


class Product(NamedTuple):
    """What a spelling says. "" and None are "not known"."""

    symbol: str
    market: str = ""
    kind: int = ContractKind.UNSPECIFIED
    multiplier: Decimal | None = None
    base: str = ""
    quote: str = ""
    settle: str = ""


def asset(name: str) -> str:
    """Kraken's one name of an asset: XXBT, XBT and BTC are BTC, ZUSD is USD."""
    name = _LEGACY.get(name, name)
    return _RENAMED.get(name, name)


def _split(pair: str) -> tuple[str, str]:
    """(base, quote) in Kraken's names, ("", "") where the spelling does not say."""
    head, slash, tail = pair.partition("/")
    if slash:
        return head, tail
    if len(pair) == 8 and pair[:4] in _LEGACY and pair[4:] in _LEGACY:  # XXBTZUSD
        return pair[:4], pair[4:]
    return _IRREGULAR.get(pair) or split_symbol(pair, _QUOTES, _LAST_QUOTES)


@lru_cache(maxsize=4096)
def product(spelling: str) -> Product | None:
    """What any of Kraken's spellings means; None where it cannot be told."""
    if spelling.islower():
        spelling = spelling.upper()
    future = _FUTURE.fullmatch(spelling.upper())
    if future:
        base, quote = asset(future[2]), asset(future[3])
        if future[1] in ("PI", "FI"):  # one contract is one dollar, paid in the coin
            return Product(spelling.upper(), INVERSE, ContractKind.INVERSE, ONE, base, quote, base)
        # One contract is one coin; "vanilla" contracts (PV, FV) are the older linear ones.
        size = ONE if future[1] in ("PF", "FF") else None
        return Product(spelling.upper(), LINEAR, ContractKind.LINEAR, size, base, quote, quote)
    base, quote = _split(spelling)
    if not base or not quote or "/" in quote:
        return None
    base, quote = asset(base), asset(quote)
    return Product(f"{base}/{quote}", SPOT, ContractKind.SPOT, None, base, quote, quote)


def _spot_instruments() -> list[Instrument]:
    found = []
    for coin in _LEGACY_COINS:
        for quote in ("USD", "EUR", "GBP", "CAD", "JPY", "AUD", "XBT", "ETH"):
            if coin == quote or (coin == "XBT" and quote == "ETH"):
                continue
            prefix = "X" if quote in ("XBT", "ETH") else "Z"
            spellings = (f"X{coin}{prefix}{quote}", coin + quote, f"{coin}/{quote}")
            base, money = asset(coin), asset(quote)
            symbol = f"{base}/{money}"
            found.append(
                Instrument(
                    VENUE_NAME,
                    symbol,
                    SPOT,
                    ContractKind.SPOT,
                    base=base,
                    quote=money,
                    aliases=tuple(spelling for spelling in spellings if spelling != symbol),
                )
            )
    return found


def _future_instruments() -> list[Instrument]:
    found = []
    for spelling in (
        *(f"PI_{coin}USD" for coin in "XBT ETH LTC BCH XRP".split()),
        *(f"PF_{coin}USD" for coin in "XBT ETH SOL XRP LTC BCH ADA DOGE DOT LINK AVAX".split()),
    ):
        told = product(spelling)
        assert told is not None
        found.append(
            Instrument(
                VENUE_NAME,
                told.symbol,
                told.market,
                told.kind,
                told.multiplier,
                told.base,
                told.quote,
                told.settle,
                aliases=(spelling.lower(),),
            )
        )
    return found


INSTRUMENTS: Final = (*_spot_instruments(), *_future_instruments())
"""The legacy pairs in every spelling, and the older futures; `product` knows the others by rule."""
