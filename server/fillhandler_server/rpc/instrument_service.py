"""InstrumentService: what payloads do not say about the symbols they name, read and added to."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from bisect import bisect_right
from operator import attrgetter
from typing import Any, Final

from fillhandler.v1 import fills_pb2
from fillhandler.v1 import instrument_service_pb2 as pb
from fillhandler_server.codec import contract_message
from fillhandler_server.domain.errors import PageTokenInvalidError
from fillhandler_server.domain.instrument_fields import read_instruments
from fillhandler_server.domain.instruments import Instrument, Instruments, Key
from fillhandler_server.domain.numbers import canonical
from fillhandler_server.instrument_table import InstrumentTable
from fillhandler_server.rpc import convert

_SPELLED: Final = {
    "kind": "contract.kind",
    "multiplier": "contract.multiplier",
    "base": "base_currency",
    "quote": "quote_currency",
    "settle": "settle_currency",
}
"""How the contract spells the names of the configuration."""


class InstrumentService:
    """Convert → call → convert."""

    def __init__(self, table: InstrumentTable) -> None:
        self._table = table

    async def ListInstruments(
        self, request: pb.ListInstrumentsRequest, context: Any
    ) -> pb.ListInstrumentsResponse:
        """A page of the table."""
        venue, size = request.venue.lower(), convert.page_size(request.page_size)
        after = _read_token(request)
        table = self._table.current
        page, more = _page(table, venue, request.symbol, after, size)
        response = pb.ListInstrumentsResponse(
            instruments=map(instrument_message, page),
            next_page_token=_write_token(page[-1].key, request) if more else "",
        )
        if after is None:
            for (of, currency), places in sorted(table.value_places.items()):
                if venue in ("", of):
                    response.value_places.add(venue=of, currency=currency, places=places)
        return response

    async def ImportInstruments(
        self, request: pb.ImportInstrumentsRequest, context: Any
    ) -> pb.ImportInstrumentsResponse:
        """Adds to the table."""

        def work() -> pb.ImportInstrumentsResponse:
            instruments, places = read_instruments(
                [_fields(message) for message in request.instruments],
                [
                    {"venue": entry.venue, "currency": entry.currency, "places": entry.places}
                    for entry in request.value_places
                ],
                spelled=_SPELLED,
            )
            changed, table = self._table.add(instruments, places)
            return pb.ImportInstrumentsResponse(changed=changed, total=len(table))

        # Thousands of symbols, and a file to sync: not on the event loop.
        return await asyncio.to_thread(work)


def _page(
    table: Instruments, venue: str, symbol: str, after: Key | None, size: int
) -> tuple[list[Instrument], bool]:
    entries = tuple(table)
    at = 0 if after is None else bisect_right(entries, after, key=attrgetter("key"))
    found: list[Instrument] = []
    for item in entries[at:]:
        if (venue and item.venue != venue) or (symbol and item.symbol != table.canonical(item.venue, symbol)):
            continue
        if len(found) == size:
            return found, True
        found.append(item)
    return found, False


def _write_token(last: Key, request: pb.ListInstrumentsRequest) -> str:
    text = json.dumps([*last, request.venue.lower(), request.symbol])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read_token(request: pb.ListInstrumentsRequest) -> Key | None:
    """Where the page before ended: by name, so that an import between two pages does no harm."""
    if not request.page_token:
        return None
    try:
        parts = json.loads(base64.b64decode(request.page_token, altchars=b"-_", validate=True))
        venue, symbol, market, *conditions = parts
        if conditions == [request.venue.lower(), request.symbol] and all(
            isinstance(part, str) for part in parts
        ):
            return venue, symbol, market
    except (binascii.Error, ValueError, TypeError, RecursionError):
        pass
    raise PageTokenInvalidError(
        "the page token is not of this request; send it with the same conditions, or none for the first page"
    )


def _fields(message: pb.Instrument) -> dict[str, Any]:
    """The message with the names of the configuration."""
    contract = message.contract
    kind = contract.kind
    known = kind in fills_pb2.ContractKind.values()
    return {
        "venue": message.venue,
        "symbol": message.symbol,
        "market": message.market,
        "kind": fills_pb2.ContractKind.Name(kind).removeprefix("CONTRACT_KIND_")
        if known and kind
        else str(kind or ""),
        "multiplier": contract.multiplier if contract.HasField("multiplier") else None,
        "base": message.base_currency,
        "quote": message.quote_currency,
        "settle": message.settle_currency,
        "price_places": message.price_places if message.HasField("price_places") else None,
        "lot_step": message.lot_step if message.HasField("lot_step") else None,
        "aliases": list(message.aliases),
    }


def instrument_message(item: Instrument) -> pb.Instrument:
    """An instrument as it is served."""
    message = pb.Instrument(
        venue=item.venue,
        symbol=item.symbol,
        market=item.market,
        base_currency=item.base,
        quote_currency=item.quote,
        settle_currency=item.settle,
        price_places=item.price_places,
        lot_step=None if item.lot_step is None else canonical(item.lot_step),
        aliases=item.aliases,
    )
    if item.kind or item.multiplier is not None:
        message.contract.CopyFrom(contract_message(item.kind, item.multiplier))
    return message
