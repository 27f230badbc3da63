"""Instruments as people and venues write them: our own names, and venues' public lists of their products.

Only what a list states exactly is taken; a scale or a contract's size is never worked out from examples.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeAlias

from fillhandler import convert
from fillhandler.convert import FieldTypeError, FieldValueError
from fillhandler.v1 import fills_pb2
from fillhandler.v1 import instrument_service_pb2 as pb

InstrumentLike: TypeAlias = pb.Instrument | Mapping[str, Any]
ValuePlacesLike: TypeAlias = pb.ValuePlaces | Mapping[str, Any]

_CONTRACT: Final = ("kind", "multiplier")
_SPELLED: Final = {"base": "base_currency", "quote": "quote_currency", "settle": "settle_currency"}
_NAMES: Final = frozenset(
    {
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
    }
)


class Listing(NamedTuple):
    """What a file says."""

    instruments: list[pb.Instrument]
    value_places: list[pb.ValuePlaces]
    source: str
    """What the file was taken for: "instruments", or whose list of products."""
    left_out: int = 0
    """Products of a venue's list that are of no known kind."""


def instrument(given: InstrumentLike, path: str = "") -> pb.Instrument:
    """An instrument from the names of the configuration file.

    Raises:
        FieldTypeError, FieldValueError: a name that there is not, a value of a wrong type, or a float.
    """
    if isinstance(given, pb.Instrument):
        return given
    if not isinstance(given, Mapping):
        raise FieldTypeError(path, f"a table of named fields is needed, not {given!r}")
    prefix = f"{path}." if path else ""
    fields: dict[str, Any] = {}
    for name, value in given.items():
        if name not in _NAMES:
            raise FieldTypeError(
                f"{prefix}{name}", f"is not a known name; known are {', '.join(sorted(_NAMES))}"
            )
        if value is None or value == "":
            continue
        if name in _CONTRACT:
            fields.setdefault("contract", {})[name] = value
        else:
            fields[_SPELLED.get(name, name)] = value
    return convert.message(pb.Instrument, fields, path)


def value_places_entry(given: ValuePlacesLike, path: str = "") -> pb.ValuePlaces:
    """A value scale from `venue`, `currency` and `places`.

    Raises:
        FieldTypeError, FieldValueError: a name that there is not, or a value of a wrong type.
    """
    entry = convert.message(pb.ValuePlaces, given, path)
    if isinstance(given, Mapping) and given.get("places") is None:
        # The message could not tell it from 0.
        raise FieldValueError(f"{path}.places" if path else "places", "is required")
    return entry


def fields_of(message: pb.Instrument) -> dict[str, Any]:
    """The names of the configuration file, as `instrument` takes them; what is not known is left out."""
    contract = message.contract
    fields: dict[str, Any] = {
        "venue": message.venue,
        "symbol": message.symbol,
        "market": message.market,
        "kind": kind_word(message),
        "multiplier": contract.multiplier,
        "base": message.base_currency,
        "quote": message.quote_currency,
        "settle": message.settle_currency,
        "price_places": message.price_places if message.HasField("price_places") else None,
        "lot_step": message.lot_step,
        "aliases": list(message.aliases),
    }
    return {name: value for name, value in fields.items() if value not in ("", None, [])}


def kind_word(message: pb.Instrument) -> str:
    """The contract's kind as a word, "" where it is not known."""
    kind = message.contract.kind
    if kind in fills_pb2.ContractKind.values():
        return fills_pb2.ContractKind.Name(kind).removeprefix("CONTRACT_KIND_").lower() if kind else ""
    return str(kind)


def read_listing(text: str | bytes) -> Listing:
    """A JSON file: ours, or what a venue answers to a request for its products.

    Raises:
        FieldTypeError, FieldValueError: naming what is wrong.
    """
    try:
        document = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise FieldValueError("", f"the file is not JSON: {error}") from None
    if isinstance(document, dict) and {"instruments", "value_places"} & document.keys():
        return _ours(document)
    if isinstance(document, dict):
        for venue_list in _LISTS:
            if venue_list.matches(document):
                tables, places = venue_list.read(document)
                known = [table for table in tables if table]
                return Listing(
                    [instrument(table, f"instruments[{at}]") for at, table in enumerate(known)],
                    [value_places_entry(entry, f"value_places[{at}]") for at, entry in enumerate(places)],
                    venue_list.source,
                    len(tables) - len(known),
                )
    raise FieldValueError(
        "",
        'the file is none that is known: ours is {"instruments": […], "value_places": […]};'
        " venues' lists are " + ", ".join(venue_list.source for venue_list in _LISTS),
    )


def _ours(document: dict[str, Any]) -> Listing:
    for name in document:
        # `more` is what `fillhandler instruments --json` says of a list that it cut.
        if name not in ("instruments", "value_places", "more"):
            raise FieldTypeError(name, "is not a known name; known are instruments, value_places")
    lists = {name: document.get(name) or [] for name in ("instruments", "value_places")}
    for name, entries in lists.items():
        if not isinstance(entries, list):
            raise FieldTypeError(name, "a list is needed")
    return Listing(
        [instrument(each, f"instruments[{at}]") for at, each in enumerate(lists["instruments"])],
        [value_places_entry(each, f"value_places[{at}]") for at, each in enumerate(lists["value_places"])],
        "instruments",
    )


# ---------------------------------------------------------------- venues' own lists

_Tables: TypeAlias = tuple[list[dict[str, Any] | None], list[dict[str, Any]]]


class _VenueList(NamedTuple):
    source: str
    matches: Callable[[dict[str, Any]], bool]
    read: Callable[[dict[str, Any]], _Tables]


def _rows(document: object, *path: str) -> list[dict[str, Any]]:
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    return [row for row in document if isinstance(row, dict)] if isinstance(document, list) else []


def _size(value: object) -> str | None:
    """A contract's size above zero, as text; Phemex also writes "1 USD"."""
    words = str(value).split() if isinstance(value, str | int | Decimal) and value is not True else []
    try:
        number = Decimal(words[0].replace(",", "")) if words else Decimal(0)
        return convert.decimal_text(number.normalize()) if number > 0 else None
    except (ArithmeticError, ValueError):
        return None


def _phemex(document: dict[str, Any]) -> _Tables:
    """`GET /public/products`. Contracts of version 2 and their values are not scaled."""
    tables = [_phemex_product(row) for row in _rows(document, "data", "products")]
    places = [
        {"venue": "phemex", "currency": row.get("currency"), "places": row["valueScale"]}
        for row in _rows(document, "data", "currencies")
        if row.get("currency") and isinstance(row.get("valueScale"), int)
    ]
    return tables, places


def _phemex_product(row: dict[str, Any]) -> dict[str, Any] | None:
    table = {
        "venue": "phemex",
        "symbol": row.get("symbol"),
        "quote": row.get("quoteCurrency"),
        "price_places": row.get("priceScale"),
    }
    if row.get("type") == "Spot":
        return table | {"market": "spot", "kind": "spot", "base": row.get("baseCurrency")}
    if row.get("type") != "Perpetual":
        return None
    quote, settle = row.get("quoteCurrency"), row.get("settleCurrency")
    # What a contract is made of: the quote currency where it is inverse, else the base currency.
    unit = row.get("contractUnderlyingAssets")
    if not unit or not settle or (unit == quote) == (settle == quote):
        return table | {"settle": settle}
    is_inverse = unit == quote
    word = "inverse" if is_inverse else "linear"
    return table | {
        "market": word,
        "kind": word,
        "base": settle if is_inverse else unit,
        "settle": settle,
        "multiplier": _size(row.get("contractSize")),
    }


def _okx(document: dict[str, Any]) -> _Tables:
    """`GET /api/v5/public/instruments`."""
    return [_okx_row(row) for row in _rows(document, "data")], []


def _okx_row(row: dict[str, Any]) -> dict[str, Any] | None:
    table = {"venue": "okx", "symbol": row.get("instId"), "lot_step": _size(row.get("lotSz"))}
    if row.get("instType") in ("SPOT", "MARGIN"):
        currencies = {"base": row.get("baseCcy"), "quote": row.get("quoteCcy")}
        return table | {"market": "spot", "kind": "spot"} | currencies
    if row.get("ctType") not in ("linear", "inverse"):
        return None
    value, factor = _size(row.get("ctVal")), _size(row.get("ctMult") or 1)
    base, _, quote = str(row.get("uly") or row.get("instFamily") or "").partition("-")
    size = None if value is None or factor is None else _size(Decimal(value) * Decimal(factor))
    if row.get("ctValCcy") != (base if row["ctType"] == "linear" else quote):
        size = None  # in another unit than a multiplier's
    return table | {
        "market": row["ctType"],
        "kind": row["ctType"],
        "multiplier": size,
        "base": base,
        "quote": quote,
        "settle": row.get("settleCcy"),
    }


def _coin_margined(document: dict[str, Any]) -> _Tables:
    """Binance's `GET /dapi/v1/exchangeInfo`."""
    return [
        {
            "venue": "binance",
            "symbol": row.get("symbol"),
            "market": "inverse",
            "kind": "inverse",
            "multiplier": _size(row.get("contractSize")),
            "base": row.get("baseAsset"),
            "quote": row.get("quoteAsset"),
            "settle": row.get("marginAsset"),
        }
        for row in _rows(document, "symbols")
    ], []


def _all_have(rows: Iterable[dict[str, Any]], *names: str) -> bool:
    rows = list(rows)
    return bool(rows) and all(name in row for row in rows for name in names)


_LISTS: Final = (
    _VenueList(
        "Phemex's GET /public/products",
        lambda document: _all_have(_rows(document, "data", "products"), "symbol", "priceScale"),
        _phemex,
    ),
    _VenueList(
        "OKX's GET /api/v5/public/instruments",
        lambda document: _all_have(_rows(document, "data"), "instId", "instType"),
        _okx,
    ),
    _VenueList(
        "Binance's GET /dapi/v1/exchangeInfo",
        lambda document: _all_have(_rows(document, "symbols"), "symbol", "contractSize", "marginAsset"),
        _coin_margined,
    ),
)
"""Told apart by their keys."""
