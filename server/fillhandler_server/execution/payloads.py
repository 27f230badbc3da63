"""Payloads of any venue: by its own module, by ccxt's unified structures, else through ccxt's parser."""

from __future__ import annotations

from fillhandler_server import venues
from fillhandler_server.domain.instruments import Instruments
from fillhandler_server.domain.reports import ParsedPayload
from fillhandler_server.execution import ccxt_parsing

needs_thread = ccxt_parsing.applies


def parse_payload(
    venue: str,
    account: str,
    payload: bytes,
    *,
    format: str = "",
    instruments: Instruments = venues.SHIPPED,
) -> ParsedPayload:
    """As `venues.parse_payload`, and a venue without a module goes through ccxt's parser.

    Where `needs_thread` says so it takes seconds the first time, because ccxt is imported.
    """
    if ccxt_parsing.applies(venue, format):
        return ccxt_parsing.parse_payload(venue, account, payload, instruments=instruments)
    return venues.parse_payload(venue, account, payload, format=format, instruments=instruments)
