"""InstrumentService: what payloads do not say about the symbols they name."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable

from fillhandler.calls.base import Calls
from fillhandler.instruments import InstrumentLike, ValuePlacesLike, instrument, value_places_entry
from fillhandler.v1 import instrument_service_pb2


class InstrumentCalls(Calls):
    """What InstrumentService offers."""

    async def list_instruments(
        self,
        *,
        venue: str = "",
        symbol: str = "",
        page_size: int = 0,
        timeout_seconds: float | None = None,
    ) -> AsyncGenerator[instrument_service_pb2.Instrument]:
        """Instruments by venue, symbol and market; the pages are fetched as they are needed.

        `symbol` may be any of its spellings. `page_size` 0 leaves it to the server; `timeout_seconds` is for
        each page.
        """
        request = instrument_service_pb2.ListInstrumentsRequest(
            venue=venue, symbol=symbol, page_size=page_size
        )
        while True:
            page = await self._connection.call(
                self._connection.instruments.ListInstruments, request, timeout_seconds
            )
            for each in page.instruments:
                yield each
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def list_value_places(
        self, *, venue: str = "", timeout_seconds: float | None = None
    ) -> list[instrument_service_pb2.ValuePlaces]:
        """The decimal places of venues' scaled integer amounts, by venue and currency."""
        request = instrument_service_pb2.ListInstrumentsRequest(venue=venue, page_size=1)
        page = await self._connection.call(
            self._connection.instruments.ListInstruments, request, timeout_seconds
        )
        return list(page.value_places)

    async def import_instruments(
        self,
        instruments: Iterable[InstrumentLike] = (),
        value_places: Iterable[ValuePlacesLike] = (),
        *,
        timeout_seconds: float | None = None,
    ) -> instrument_service_pb2.ImportInstrumentsResponse:
        """Add instruments and value scales, or what is newly known of some: all or none, kept for good.

        Messages, or mappings with the names of the configuration file: venue, symbol, market, kind,
        multiplier, base, quote, settle, price_places, lot_step, aliases; and venue, currency, places. Needs a
        token with the role ADMIN.

        Raises:
            TypeError, ValueError: A name that there is not, or a float, which is never exact.
            InvalidFieldError: The server refused fields; `violations` has them all.
        """
        request = instrument_service_pb2.ImportInstrumentsRequest(
            instruments=[instrument(each, f"instruments[{at}]") for at, each in enumerate(instruments)],
            value_places=[
                value_places_entry(each, f"value_places[{at}]") for at, each in enumerate(value_places)
            ],
        )
        return await self._connection.call(
            self._connection.instruments.ImportInstruments, request, timeout_seconds
        )
