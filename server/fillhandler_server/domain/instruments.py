"""What a venue's payloads do not say about the symbols they name: units, scales, currencies, spellings.

A table is made once, of what is shipped, configured and imported, and never changes: a reader that holds one
sees one truth. What it adds to a fill goes into the fill's event, so a later table changes no record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from fillhandler_server.domain.errors import Violation
from fillhandler_server.domain.fills import ContractKind

Key = tuple[str, str, str]
"""Venue, symbol, market: what a table is ordered by."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """A symbol of a venue. "" and None are "not known"."""

    venue: str
    symbol: str
    """The venue module's one canonical spelling."""
    market: str = ""
    """"spot", "linear", "inverse" or "option"; "" where it holds for any."""
    kind: int = ContractKind.UNSPECIFIED
    multiplier: Decimal | None = None
    """Units a contract: of the base currency where linear, of the quote currency where inverse."""
    base: str = ""
    quote: str = ""
    settle: str = ""
    """The currency that fees and profit are paid in."""
    price_places: int | None = None
    """Decimal places of the venue's scaled integer prices."""
    lot_step: Decimal | None = None
    """The least step of a quantity, in the venue's own unit."""
    aliases: tuple[str, ...] = ()
    """Other spellings that the venue's payloads use."""

    @property
    def key(self) -> Key:
        """What it is ordered by."""
        return self.venue, self.symbol, self.market


class Instruments:
    """A table of instruments. Immutable; `adding` makes another."""

    __slots__ = ("_aliases", "_by_key", "_by_symbol", "_sorted", "value_places")

    def __init__(
        self,
        instruments: Iterable[Instrument] = (),
        value_places: Mapping[tuple[str, str], int] | None = None,
    ) -> None:
        """
        Args:
            instruments: the later of two with the same venue, market and symbol wins, whole.
            value_places: by venue and currency, the decimal places of the venue's scaled integer amounts.
        """
        self.value_places: Final = dict(value_places or {})
        self._by_key = {item.key: item for item in instruments}
        self._sorted = tuple(self._by_key[key] for key in sorted(self._by_key))
        self._by_symbol: dict[tuple[str, str], tuple[Instrument, ...]] = {}
        for item in self._sorted:
            symbol = (item.venue, item.symbol)
            self._by_symbol[symbol] = (*self._by_symbol.get(symbol, ()), item)
        self._aliases = {
            (item.venue, alias): item.symbol
            for item in self._sorted
            for alias in item.aliases
            # A symbol stands for itself, whatever another one claims.
            if (item.venue, alias) not in self._by_symbol
        }

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self._sorted)

    def __len__(self) -> int:
        return len(self._sorted)

    def find(self, venue: str, symbol: str, market: str = "") -> Instrument | None:
        """The instrument of a canonical symbol.

        Without a market: the only one that names a market; of several, what holds for any market, if
        anything is said of that.
        """
        if market:
            found = self._by_key.get((venue, symbol, market))
            return found if found is not None else self._by_key.get((venue, symbol, ""))
        standing = self._by_symbol.get((venue, symbol), ())
        # What holds for any market is the first, and is part of those that name one.
        if len(standing) == 2 and not standing[0].market:
            return standing[1]
        return standing[0] if len(standing) == 1 or (standing and not standing[0].market) else None

    def canonical(self, venue: str, spelling: str) -> str:
        """The canonical symbol of a spelling; a spelling that is no alias stands for itself."""
        return self._aliases.get((venue, spelling), spelling)

    def adding(
        self,
        instruments: Iterable[Instrument] = (),
        value_places: Mapping[tuple[str, str], int] | None = None,
    ) -> Instruments:
        """This table and more; what is given wins over what stands, field by field where it is known.

        What is given without a market holds for every market of the symbol, also for those that come later.
        """
        merged = dict(self._by_key)
        markets: dict[tuple[str, str], list[Key]] = {
            symbol: [item.key for item in standing] for symbol, standing in self._by_symbol.items()
        }
        for item in instruments:
            keys = markets.setdefault((item.venue, item.symbol), [])
            first = merged.get(item.key)
            if first is None:
                keys.append(item.key)
                first = merged.get((item.venue, item.symbol, ""))
            merged[item.key] = _over(first, item)
            if not item.market:
                for key in keys:
                    merged[key] = _over(merged[key], replace(item, market=key[2]))
        return Instruments(merged.values(), self.value_places | dict(value_places or {}))

    def clashes(self, instruments: Iterable[Instrument]) -> list[Violation]:
        """Spellings among what would be added that would stand for two symbols, by their paths."""
        instruments = list(instruments)
        symbols = set(self._by_symbol) | {(item.venue, item.symbol) for item in instruments}
        aliases = dict(self._aliases)
        found = []
        for at, item in enumerate(instruments):
            other = aliases.get((item.venue, item.symbol), item.symbol)
            if other != item.symbol:
                text = f"{item.symbol} is another spelling of {other}: name that one"
                found.append(Violation(f"instruments[{at}].symbol", text))
            for number, alias in enumerate(item.aliases):
                of = aliases.setdefault((item.venue, alias), item.symbol)
                if alias != item.symbol and (item.venue, alias) in symbols:
                    of = alias
                if of != item.symbol and alias != item.symbol:
                    text = f"{alias} stands for {of} already"
                    found.append(Violation(f"instruments[{at}].aliases[{number}]", text))
        return found


def _over(first: Instrument | None, later: Instrument) -> Instrument:
    if first is None:
        return later
    return replace(
        later,
        kind=later.kind or first.kind,
        multiplier=first.multiplier if later.multiplier is None else later.multiplier,
        base=later.base or first.base,
        quote=later.quote or first.quote,
        settle=later.settle or first.settle,
        price_places=first.price_places if later.price_places is None else later.price_places,
        lot_step=first.lot_step if later.lot_step is None else later.lot_step,
        aliases=tuple(dict.fromkeys((*first.aliases, *later.aliases))),
    )
