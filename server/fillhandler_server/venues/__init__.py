"""Venue payloads to fills and order reports. Pure functions: no I/O, no clock, no network.

A module or package here with a `VENUE` is a venue: adding one is adding its file (docs/adding-a-venue.md).
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Final

from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.domain.fills import MAIN_ACCOUNT
from fillhandler_server.domain.instruments import Instruments
from fillhandler_server.domain.reports import ParsedPayload
from fillhandler_server.venues import ccxt_unified
from fillhandler_server.venues.json_text import load, shown
from fillhandler_server.venues.kinds import Venue, read_document
from fillhandler_server.venues.reading import Reading

__all__ = ["FORMATS", "SHIPPED", "Venue", "known", "listed", "parse_payload"]

FORMATS: Final = ("", ccxt_unified.FORMAT)
"""What a payload may be: a venue's own JSON, or ccxt's unified structures of any venue."""


def _found() -> dict[str, Venue]:
    venues: dict[str, Venue] = {}
    for found in pkgutil.iter_modules(__path__):
        venue = getattr(importlib.import_module(f"{__name__}.{found.name}"), "VENUE", None)
        if isinstance(venue, Venue):
            venues[venue.name] = venue
    return dict(sorted(venues.items()))


_VENUES: Final = _found()

SHIPPED: Final = Instruments(
    (item for venue in _VENUES.values() for item in venue.instruments),
    {(venue.name, name): places for venue in _VENUES.values() for name, places in venue.value_places.items()},
)
"""The instruments that the venues' documents state and their payloads need."""


def known() -> tuple[str, ...]:
    """The venues that have a module here, in alphabetical order."""
    return tuple(_VENUES)


def listed() -> tuple[Venue, ...]:
    """The same, each with what its module says of it."""
    return tuple(_VENUES.values())


def parse_payload(
    venue: str, account: str, payload: bytes, *, format: str = "", instruments: Instruments = SHIPPED
) -> ParsedPayload:
    """Every fill and order report in a payload; what is neither is told in `skipped`.

    Args:
        venue: its name in any case; "" where the payload's keys name exactly one known venue. With format
            "ccxt" it has to be there and may be any name.
        account: "" is "main".
        payload: the JSON as it came.
        format: "" is the venue's own JSON, "ccxt" ccxt's unified trades and orders.
        instruments: what payloads do not say: scales, contract sizes, spellings.

    Raises:
        InvalidFieldError: a value of a known kind is missing or wrong (its JSON path), the venue is not known
            or cannot be told ("venue"), the format is not known ("format"), or the bytes are no JSON
            ("payload").
        UnsupportedPayloadError: the keys fit no kind that the venue's module knows.
    """
    if format not in FORMATS:
        raise InvalidFieldError.of(
            "format", f'{shown(format)} is not known; "" is the venue\'s own JSON, "ccxt" ccxt\'s structures'
        )
    name = ccxt_unified.venue_name(venue) if format else venue.lower()
    if name and not format and name not in _VENUES:
        raise unknown_venue(venue, 'send ccxt\'s unified structures with format "ccxt"')
    document = load(payload)
    if not name:
        name = _tell_venue(document)
    reading = Reading(name, account or MAIN_ACCOUNT, instruments)
    try:
        read_document(ccxt_unified.venue_of(name) if format else _VENUES[name], document, reading)
    except RecursionError:  # wrappers in wrappers, each of a known kind
        raise InvalidFieldError.of("payload", "nested too deep") from None
    parsed = reading.result()
    if format:
        parsed.parser = "ccxt"
    return parsed


def unknown_venue(venue: str, way_out: str) -> InvalidFieldError:
    """The error of a venue whose payloads nothing here reads."""
    return InvalidFieldError.of(
        "venue", f"{shown(venue)} is not known; known are {', '.join(known())}; for any other, {way_out}"
    )


def _tell_venue(document: object) -> str:
    first = document[0] if isinstance(document, list) and document else document
    if isinstance(first, dict):
        claiming = [name for name, venue in _VENUES.items() if venue.claims(first)]
        if len(claiming) == 1:
            return claiming[0]
    raise InvalidFieldError.of(
        "venue", f"missing, and the payload's keys do not name one; known are {', '.join(known())}"
    )
