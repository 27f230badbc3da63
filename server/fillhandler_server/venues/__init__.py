"""Venue payloads to fills and order reports. Pure functions: no I/O, no clock, no network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.domain.fills import MAIN_ACCOUNT
from fillhandler_server.domain.reports import ParsedPayload
from fillhandler_server.venues import binance, bitget, phemex
from fillhandler_server.venues.json_text import Json, load, shown
from fillhandler_server.venues.phemex.scales import DOCUMENTED_SCALES, Scales
from fillhandler_server.venues.reading import Reading


class _Venue(NamedTuple):
    read: Callable[[object, Reading], None]
    claims: Callable[[Json], bool]
    """Whether an object's keys are this venue's and no other's."""


_VENUES: Final = {
    "binance": _Venue(binance.read, binance.claims),
    "bitget": _Venue(bitget.read, bitget.claims),
    "phemex": _Venue(phemex.read, phemex.claims),
}


def known() -> tuple[str, ...]:
    """The venues that have a module here, in alphabetical order."""
    return tuple(sorted(_VENUES))


def parse_payload(
    venue: str, account: str, payload: bytes, *, phemex_scales: Scales = DOCUMENTED_SCALES
) -> ParsedPayload:
    """Every fill and order report in a venue's own JSON; what is neither is told in `skipped`.

    Args:
        venue: its name in any case; "" where the payload's keys name exactly one known venue.
        account: "" is "main".
        payload: the venue's JSON as it came.
        phemex_scales: the scales of Phemex's scaled integers.

    Raises:
        InvalidFieldError: a value of a known kind is missing or wrong (its JSON path), the venue is not known
            or cannot be told ("venue"), or the bytes are no JSON ("payload").
        UnsupportedPayloadError: the keys fit no kind that the venue's module knows.
    """
    name = venue.lower()
    if name and name not in _VENUES:
        raise InvalidFieldError.of("venue", f"{shown(venue)} is not known; known are {', '.join(known())}")
    document = load(payload)
    if not name:
        name = _tell_venue(document)
    reading = Reading(name, account or MAIN_ACCOUNT, phemex_scales)
    try:
        _VENUES[name].read(document, reading)
    except RecursionError:  # wrappers in wrappers, each of a known kind
        raise InvalidFieldError.of("payload", "nested too deep") from None
    return reading.result()


def _tell_venue(document: object) -> str:
    first = document[0] if isinstance(document, list) and document else document
    if isinstance(first, dict):
        claiming = [name for name, venue in _VENUES.items() if venue.claims(first)]
        if len(claiming) == 1:
            return claiming[0]
    raise InvalidFieldError.of(
        "venue", f"missing, and the payload's keys do not name one; known are {', '.join(known())}"
    )
