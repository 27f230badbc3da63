"""Instruments from fields that people write: the configuration, the kept imports and the RPC read them here.

Everything that is wrong is told at once, by its path; a float is refused, because it has lost the number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from fillhandler_server.domain.errors import InvalidFieldError, Violation
from fillhandler_server.domain.fills import ContractKind
from fillhandler_server.domain.instruments import Instrument, Instruments
from fillhandler_server.domain.numbers import canonical, from_text, is_number

PLACES_MAX: Final = 18
ALIASES_MAX: Final = 32
_ID_MAX: Final = 256
_CURRENCY_MAX: Final = 32
_FAULTS_MAX: Final = 100
_VENUE: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_MARKETS: Final = ("", "spot", "linear", "inverse", "option")
_KINDS: Final = {kind.name.lower(): kind for kind in ContractKind if kind}
_NAMES: Final = (
    "venue",
    "symbol",
    "market",
    "kind",
    "multiplier",
    "base",
    "quote",
    "settle",
    "price_places",
    "lot_step",
    "aliases",
)
_VALUE_NAMES: Final = ("venue", "currency", "places")
_AS_WRITTEN: Final[Mapping[str, str]] = MappingProxyType({})

ValuePlaces = dict[tuple[str, str], int]


def read_instruments(
    instruments: object, value_places: object = (), *, spelled: Mapping[str, str] = _AS_WRITTEN
) -> tuple[list[Instrument], ValuePlaces]:
    """The instruments and value scales of two lists of tables.

    Args:
        instruments: tables with the names of `Instrument`, `kind` as a word.
        value_places: tables of `venue`, `currency` and `places`.
        spelled: how the paths of errors spell a name, where not as here.

    Raises:
        InvalidFieldError: naming everything that is wrong, such as `instruments[2].multiplier`.
    """
    faults: list[Violation] = []
    read: dict[tuple[str, str, str], tuple[int, Instrument]] = {}
    for at, table in enumerate(_tables("instruments", instruments, faults)):
        fields = _Fields(f"instruments[{at}]", table, _NAMES, spelled, faults)
        item = _instrument(fields)
        if item.key in read and item.venue and item.symbol:
            fields.fail("symbol", f"the same venue, symbol and market as instruments[{read[item.key][0]}]")
        read.setdefault(item.key, (at, item))
    places: ValuePlaces = {}
    for at, table in enumerate(_tables("value_places", value_places, faults)):
        fields = _Fields(f"value_places[{at}]", table, _VALUE_NAMES, spelled, faults)
        key = (fields.venue(), fields.text("currency", _CURRENCY_MAX, required=True))
        count = fields.places("places", required=True)
        if key in places:
            fields.fail("currency", f"{key[1]} of {key[0]} occurs twice")
        places[key] = count or 0
    if faults:
        raise InvalidFieldError(*faults[:_FAULTS_MAX])
    return [item for _, item in read.values()], places


def write_instruments(table: Instruments) -> dict[str, list[dict[str, Any]]]:
    """A table as `read_instruments` takes it; what is not known is left out."""
    return {
        "instruments": [_fields_of(item) for item in table],
        "value_places": [
            {"venue": venue, "currency": currency, "places": places}
            for (venue, currency), places in sorted(table.value_places.items())
        ],
    }


def _fields_of(item: Instrument) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "venue": item.venue,
        "symbol": item.symbol,
        "market": item.market,
        "kind": ContractKind(item.kind).name.lower() if item.kind else "",
        "multiplier": None if item.multiplier is None else canonical(item.multiplier),
        "base": item.base,
        "quote": item.quote,
        "settle": item.settle,
        "price_places": item.price_places,
        "lot_step": None if item.lot_step is None else canonical(item.lot_step),
        "aliases": list(item.aliases),
    }
    return {name: value for name, value in fields.items() if value not in ("", None, [])}


def _tables(name: str, given: object, faults: list[Violation]) -> list[Mapping[str, Any]]:
    if not isinstance(given, list | tuple):
        faults.append(Violation(name, "must be a list"))
        return []
    tables: list[Mapping[str, Any]] = []
    for at, table in enumerate(given):
        if not isinstance(table, Mapping):
            faults.append(Violation(f"{name}[{at}]", "must be a table of named fields"))
            table = {}
        tables.append(table)
    return tables


def _instrument(fields: _Fields) -> Instrument:
    venue, symbol = fields.venue(), fields.text("symbol", _ID_MAX, required=True)
    market = fields.text("market", _ID_MAX).lower()
    if market not in _MARKETS:
        fields.fail("market", "must be spot, linear, inverse, option, or empty")
    word = fields.text("kind", _ID_MAX).lower()
    kind = _KINDS.get(word, ContractKind.UNSPECIFIED)
    if word and not kind:
        fields.fail("kind", f"must be one of {', '.join(_KINDS)}, or empty")
    # The market alone does not tell the kind: a quanto contract is of neither.
    if kind and kind != _KINDS.get(market, kind):
        fields.fail("kind", f"{word} contradicts the market {market}")
    return Instrument(
        venue=venue,
        symbol=symbol,
        market=market,
        kind=kind,
        multiplier=fields.above_zero("multiplier"),
        base=fields.text("base", _CURRENCY_MAX),
        quote=fields.text("quote", _CURRENCY_MAX),
        settle=fields.text("settle", _CURRENCY_MAX),
        price_places=fields.places("price_places"),
        lot_step=fields.above_zero("lot_step"),
        aliases=tuple(alias for alias in fields.texts("aliases") if alias != symbol),
    )


class _Fields:
    """One table, read field by field. What is wrong is noted, and answered with a stand-in."""

    def __init__(
        self,
        path: str,
        table: Mapping[str, Any],
        names: tuple[str, ...],
        spelled: Mapping[str, str],
        faults: list[Violation],
    ) -> None:
        self._path = path
        self._table = table
        self._spelled = spelled
        self._faults = faults
        for name in table:
            if name not in names:
                self.fail(str(name)[:_ID_MAX], f"is not a known name; known are {', '.join(names)}")

    def fail(self, name: str, text: str) -> None:
        """Notes that a field is wrong."""
        stem, bracket, rest = name.partition("[")
        self._faults.append(Violation(f"{self._path}.{self._spelled.get(stem, stem)}{bracket}{rest}", text))

    def text(self, name: str, length_max: int, *, required: bool = False) -> str:
        """A text, "" where it is absent."""
        value = self._table.get(name)
        if value is None or value == "":
            if required:
                self.fail(name, "is required")
            return ""
        return self._checked(name, value, length_max)

    def _checked(self, name: str, value: object, length_max: int) -> str:
        if not isinstance(value, str):
            self.fail(name, "must be a text")
            return ""
        if len(value) > length_max or not value.isprintable():
            self.fail(name, f"must have at most {length_max} characters, all printable")
            return ""
        return value

    def texts(self, name: str) -> list[str]:
        """A list of texts."""
        values = self._table.get(name)
        if values is None:
            return []
        if not isinstance(values, list | tuple):
            self.fail(name, "must be a list of texts")
            return []
        if len(values) > ALIASES_MAX:
            self.fail(name, f"may hold {ALIASES_MAX} entries, not {len(values)}")
            return []
        read = []
        for at, value in enumerate(values):
            if text := self._checked(f"{name}[{at}]", value, _ID_MAX):
                read.append(text)
            elif value == "":
                self.fail(f"{name}[{at}]", "is empty")
        return list(dict.fromkeys(read))

    def venue(self) -> str:
        """The venue's name."""
        name = self.text("venue", _ID_MAX, required=True).lower()
        if name and not _VENUE.fullmatch(name):
            self.fail("venue", "must be a name of a-z, 0-9, '_', '.', '-', at most 64 long")
        return name

    def places(self, name: str, *, required: bool = False) -> int | None:
        """A number of decimal places."""
        value = self._table.get(name)
        if value is None:
            if required:
                self.fail(name, "is required")
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= PLACES_MAX:
            self.fail(name, f"must be a whole number from 0 to {PLACES_MAX}")
            return None
        return value

    def above_zero(self, name: str) -> Decimal | None:
        """A decimal above 0."""
        value = self._table.get(name)
        if value is None:
            return None
        text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
        if not is_number(text):
            self.fail(name, 'must be a decimal number as text, such as "0.001"')
            return None
        number = from_text(text)
        if number <= 0:
            self.fail(name, "must be above 0")
            return None
        return Decimal(canonical(number))
