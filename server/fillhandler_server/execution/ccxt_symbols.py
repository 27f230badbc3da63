"""ccxt's markets to canonical symbols, the very spelling that our venue modules give to fills."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.domain.instruments import Instruments
from fillhandler_server.execution.ccxt_venues import SPOT
from fillhandler_server.execution.connection import MarketRules
from fillhandler_server.venues.json_text import shown
from fillhandler_server.venues.kraken.symbols import product
from fillhandler_server.venues.reading import exact

_SUGGESTIONS: Final = 5


def canonical(venue: str, market: Mapping[str, Any], instruments: Instruments) -> str:
    """The canonical symbol of one of ccxt's markets."""
    spelling = str(market["id"])
    info = market.get("info")
    info = info if isinstance(info, dict) else {}
    if venue == "kraken":
        for text in (spelling, info.get("wsname"), info.get("altname")):
            found = product(str(text)) if text else None
            if found is not None:
                return found.symbol
    if venue == "hyperliquid":
        # ccxt's ids are numbers of assets; payloads name the coin of a perpetual, the "@107" of a pair.
        spelling = str(info.get("name") or market.get("baseName") or market["base"])
    return instruments.canonical(venue, spelling)


class Symbols:
    """The markets of one connection, by every spelling."""

    def __init__(
        self, venue: str, market: str, markets: Mapping[str, Mapping[str, Any]], instruments: Instruments
    ) -> None:
        """
        Args:
            market: "spot", "linear" or "inverse": others are left out.
            markets: ccxt's, by its symbols.
        """
        self._venue = venue
        self._instruments = instruments
        self._rules: dict[str, MarketRules] = {}
        self._unified: dict[str, str] = {}
        self._spellings: dict[str, str] = {}
        for unified, one in markets.items():
            if not _is_of(one, market):
                continue
            symbol = canonical(venue, one, instruments)
            if symbol in self._rules and one.get("active") is False:
                continue  # a contract that came back under its name
            self._rules[symbol] = _rules(symbol, market, one)
            self._unified[symbol] = unified
            for spelling in (str(one["id"]), unified):
                self._spellings.setdefault(spelling, symbol)
        # A canonical symbol stands for itself, whatever else is spelled so.
        self._spellings |= {symbol: symbol for symbol in self._rules}

    def __len__(self) -> int:
        return len(self._rules)

    def rules(self, symbol: str) -> MarketRules:
        """The market of a symbol in any spelling; `VenueConnection.rules`."""
        found = self._found(symbol)
        if found is not None:
            return self._rules[found]
        upper = self._found(symbol.upper())
        close = [upper] if upper is not None else self._close(symbol)
        text = f"{shown(symbol)} is not traded there"
        raise InvalidFieldError.of("symbol", f"{text}; close are {', '.join(close)}" if close else text)

    def unified(self, symbol: str) -> str:
        """ccxt's symbol of any spelling; raises as `rules`."""
        return self._unified[self.rules(symbol).symbol]

    def of_unified(self, unified: object) -> str:
        """The canonical symbol of one of ccxt's; "" where it is none of this connection's."""
        return self._spellings.get(str(unified), "") if unified else ""

    def _found(self, spelling: str) -> str | None:
        return self._spellings.get(spelling) or self._spellings.get(
            self._instruments.canonical(self._venue, spelling)
        )

    def _close(self, symbol: str) -> list[str]:
        bare = {_bare(spelling): found for spelling, found in self._spellings.items()}
        wanted = _bare(symbol)
        if wanted in bare:
            return [bare[wanted]]
        near = difflib.get_close_matches(wanted, bare, n=_SUGGESTIONS, cutoff=0.6)
        return list(dict.fromkeys(bare[one] for one in near))


def _bare(spelling: str) -> str:
    return "".join(letter for letter in spelling.upper() if letter.isalnum())


def _is_of(one: Mapping[str, Any], market: str) -> bool:
    if market == SPOT:
        return bool(one.get("spot"))
    # Dated contracts too: they are named like fills of them.
    return bool(one.get(market)) and not one.get("spot") and not one.get("option")


def _rules(symbol: str, market: str, one: Mapping[str, Any]) -> MarketRules:
    precision, limits = one.get("precision") or {}, one.get("limits") or {}
    return MarketRules(
        symbol,
        market,
        quantity_step=_positive(precision.get("amount")),
        price_step=_positive(precision.get("price")),
        quantity_min=_positive((limits.get("amount") or {}).get("min")),
        notional_min=_positive((limits.get("cost") or {}).get("min")),
    )


def _positive(value: object) -> Decimal | None:
    """A number of ccxt's, which come as text here; None for what says nothing."""
    if value is None or isinstance(value, bool) or not isinstance(value, str | int):
        return None
    try:
        number = exact(str(value))
    except ValueError:
        return None
    return number if number > 0 else None
