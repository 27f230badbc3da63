"""The kinds of a venue's payloads: a table of how keys tell them and what reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from fillhandler_server.domain.errors import UnsupportedPayloadError
from fillhandler_server.domain.instruments import Instrument
from fillhandler_server.venues.json_text import Json, shown
from fillhandler_server.venues.reading import Reading, Row


class Kind(NamedTuple):
    """A kind of object in a venue's payloads: how its keys tell it, and what reads it."""

    name: str
    matches: Callable[[Json], bool]
    read: Callable[[Row, Reading], None]


def claims_nothing(_: Json) -> bool:
    """For venues whose payloads always come with their venue's name."""
    return False


def takes_no_list(_: list[object], __: Reading) -> bool:
    """For venues whose lists are lists of objects, each of a known kind."""
    return False


class Venue(NamedTuple):
    """What a module of this package gives as `VENUE`: all there is to know of a venue's payloads."""

    name: str
    """Lower case, as in `venue` of every message."""
    title: str
    """For people: the venue's own spelling and the markets that are understood."""
    kinds: tuple[Kind, ...]
    """The kinds of objects, told apart by their keys, in the order of the looking."""
    claims: Callable[[Json], bool] = claims_nothing
    """Whether an object's keys are this venue's and no other's."""
    instruments: tuple[Instrument, ...] = ()
    """What the payloads do not say about the symbols in them."""
    value_places: Mapping[str, int] = MappingProxyType({})
    """By currency, the decimal places of scaled integer amounts."""
    takes_list: Callable[[list[object], Reading], bool] = takes_no_list
    """Reads a document that is a list of something else than objects. Returns whether it was one."""
    linear_in_base: bool = False
    """Whether the quantities of all its linear contracts are in the base currency, so that a contract whose
    multiplier is not stated stands for one unit."""


def keys(*needed: str, without: Iterable[str] = ()) -> Callable[[Json], bool]:
    """A matcher: all of `needed` are keys, and none of `without`."""
    wanted, barred = frozenset(needed), frozenset(without)

    def matches(data: Json) -> bool:
        names = data.keys()
        return wanted <= names and barred.isdisjoint(names)

    return matches


def any_key(*names: str) -> Callable[[Json], bool]:
    """A matcher: at least one of the names is a key."""
    wanted = frozenset(names)

    def matches(data: Json) -> bool:
        return not wanted.isdisjoint(data.keys())

    return matches


def skipping(kind: str, reason: str) -> Callable[[Row, Reading], None]:
    """A reader for a kind that is known and neither a fill nor an order report."""

    def read(_: Row, reading: Reading) -> None:
        reading.skip(kind, reason)

    return read


def dispatch(kinds: tuple[Kind, ...], row: Row, reading: Reading) -> None:
    """Reads an object by the first kind that its keys fit.

    Raises:
        UnsupportedPayloadError: they fit none.
    """
    data = row.data
    for kind in kinds:
        if kind.matches(data):
            kind.read(row, reading)
            return
    names = [shown(name) for name in list(data)[:20]]
    seen = ", ".join(names) + (", ..." if len(data) > 20 else "")
    where = f" at {row.path.rstrip('.')}" if row.path else ""
    raise UnsupportedPayloadError(
        f"the keys{where} fit no kind of {reading.venue} payload: {seen or 'none'}; "
        f"understood are {', '.join(kind.name for kind in kinds)}",
        venue=reading.venue,
        keys=seen,
        path=row.path.rstrip("."),
    )


def read_document(venue: Venue, document: object, reading: Reading) -> None:
    """Reads an object, or a bare list of objects, each by its own kind."""
    kinds = venue.kinds
    if isinstance(document, dict):
        dispatch(kinds, Row(document, "", reading), reading)
    elif isinstance(document, list):
        if not document:
            reading.skip("empty", "a list without entries")
        elif venue.takes_list(document, reading):
            return
        for row in reading.rows(document, ""):
            dispatch(kinds, row, reading)
    else:
        reading.fault("payload", f"expected a JSON object or list, got {shown(document)}")
