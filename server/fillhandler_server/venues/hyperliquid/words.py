"""Hyperliquid's sides, and what the spelling of a coin says."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from fillhandler_server.domain.fills import ContractKind, Side
from fillhandler_server.domain.instruments import Instrument
from fillhandler_server.domain.numbers import ONE

SIDES: Final = {"A": Side.SELL, "B": Side.BUY}  # ask and bid


class Coin(NamedTuple):
    """What a coin's spelling says. "" and None are "not known"."""

    market: str
    kind: int
    base: str
    quote: str
    multiplier: Decimal | None


@lru_cache(maxsize=4096)
def coin_facts(coin: str) -> Coin:
    """The market and the currencies of a coin.

    BTC is a perpetual, margined and quoted in USDC; xyz:TSLA one of a builder's dex, whose collateral the
    spelling does not say; PURR/USDC and @107 are spot pairs (the currencies of a number are in the instrument
    table); #123 is an outcome.
    """
    if coin.startswith("@"):
        return Coin("spot", ContractKind.SPOT, "", "", None)
    if "/" in coin:
        base, _, quote = coin.partition("/")
        return Coin("spot", ContractKind.SPOT, base, quote, None)
    if coin.startswith(("#", "+")):
        return Coin("", ContractKind.UNSPECIFIED, "", "", None)
    dex, _, name = coin.rpartition(":")
    return Coin("linear", ContractKind.LINEAR, name, "" if dex else "USDC", ONE)


def _pair(index: int, base: str, quote: str = "USDC") -> Instrument:
    return Instrument("hyperliquid", f"@{index}", "spot", ContractKind.SPOT, base=base, quote=quote)


INSTRUMENTS: Final = (
    _pair(1, "HFUN"),
    _pair(107, "HYPE"),
    _pair(142, "UBTC"),
    _pair(151, "UETH"),
    _pair(156, "USOL"),
)
"""Spot pairs go by their number in `spotMeta`, PURR/USDC alone by its name."""
