"""What a venue's payloads do not say about the symbols they name: units, scales, currencies, spellings.

A table is made once, of what is shipped, configured and imported, and never changes: a reader that holds one
sees one truth. What it adds to a fill goes into the fill's event, so a later table changes no record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from fillhandler_server.domain.fills import ContractKind


@dataclass(frozen=True, slots=True)
class Instrument:
    """A symbol of a venue. "" and None are "not known"."""

    venue: str
    symbol: str
    """The venue module's one canonical spelling."""
    market: str = ""
    """"spot", "linear", "inverse" or "option"."""
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


class Instruments:
    """A table of instruments. Immutable; `adding` makes another."""

    __slots__ = ("_aliases", "_by_market", "_by_symbol", "value_places")

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
        self._by_market = {(item.venue, item.market, item.symbol): item for item in instruments}
        self._by_symbol: dict[tuple[str, str], Instrument | None] = {}
        self._aliases: dict[tuple[str, str], str] = {}
        for item in self._by_market.values():
            key = (item.venue, item.symbol)
            # Two markets of one symbol: without the market neither is meant.
            self._by_symbol[key] = None if key in self._by_symbol else item
            for alias in item.aliases:
                self._aliases[item.venue, alias] = item.symbol

    def __iter__(self) -> Iterator[Instrument]:
        return iter(sorted(self._by_market.values(), key=lambda item: (item.venue, item.symbol, item.market)))

    def __len__(self) -> int:
        return len(self._by_market)

    def find(self, venue: str, symbol: str, market: str = "") -> Instrument | None:
        """The instrument of a canonical symbol; without a market, the only one of that symbol."""
        if market:
            found = self._by_market.get((venue, market, symbol))
            return found if found is not None else self._by_market.get((venue, "", symbol))
        return self._by_symbol.get((venue, symbol))

    def canonical(self, venue: str, spelling: str) -> str:
        """The canonical symbol of a spelling; a spelling that is no alias stands for itself."""
        return self._aliases.get((venue, spelling), spelling)

    def adding(
        self,
        instruments: Iterable[Instrument] = (),
        value_places: Mapping[tuple[str, str], int] | None = None,
    ) -> Instruments:
        """This table and more; what is given wins over what stands, field by field where it is known."""
        merged = dict(self._by_market)
        for item in instruments:
            key = (item.venue, item.market, item.symbol)
            merged[key] = _over(merged.get(key), item)
        return Instruments(merged.values(), self.value_places | dict(value_places or {}))


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
