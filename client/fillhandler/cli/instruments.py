"""instruments: what the server knows of symbols."""

from __future__ import annotations

import sys
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Final

import typer

from fillhandler.cli.output import document
from fillhandler.cli.selection import LimitOption, SymbolOption, VenueOption
from fillhandler.cli.session import EXIT_FAILED, Session, command, group
from fillhandler.cli.values import optional
from fillhandler.convert import FieldError
from fillhandler.instruments import Listing, fields_of, kind_word, read_listing
from fillhandler.v1 import instrument_service_pb2

_STDIN: Final = Path("-")
_COLUMNS: Final = (
    "venue",
    "symbol",
    "market",
    "kind",
    "#multiplier",
    "base",
    "quote",
    "settle",
    "#price places",
    "#lot step",
    "aliases",
)


def _row(each: instrument_service_pb2.Instrument) -> tuple[object, ...]:
    return (
        each.venue,
        each.symbol,
        each.market,
        kind_word(each),
        optional(each.contract, "multiplier"),
        each.base_currency,
        each.quote_currency,
        each.settle_currency,
        optional(each, "price_places"),
        optional(each, "lot_step"),
        ", ".join(each.aliases),
    )


def add_to(app: typer.Typer) -> None:
    """Add these commands."""

    @group(app, "instruments", epilog="fillhandler instruments --venue phemex --symbol BTCUSD")
    async def instruments(
        session: Session,
        venue: VenueOption = "",
        symbol: SymbolOption = "",
        limit: LimitOption = 100,
    ) -> None:
        """List what the server knows of symbols beside what payloads say: contracts' sizes, scales,
        currencies. `instruments import FILE` adds to it.
        """
        found: list[instrument_service_pb2.Instrument] = []
        more = False
        async with session.client() as client:
            places = [] if symbol else await client.list_value_places(venue=venue)
            size = min(limit + 1, 1000) if limit else 1000
            async with aclosing(
                client.list_instruments(venue=venue, symbol=symbol, page_size=size)
            ) as listed:
                async for each in listed:
                    if limit and len(found) == limit:
                        more = True
                        break
                    found.append(each)
        if session.output.json:
            # As the configuration and `instruments import` have them, not as protobuf-JSON.
            session.output.result(
                {
                    "instruments": [fields_of(each) for each in found],
                    "value_places": [document(each) for each in places],
                    "more": more,
                }
            )
            return
        session.output.table(_COLUMNS, map(_row, found))
        if places:
            session.output.table(
                ("venue", "currency", "#decimal places"),
                ((each.venue, each.currency, each.places) for each in places),
                title="\nScaled amounts",
            )
        if more:
            session.output.note(f"the first {limit}; --limit 0 shows all")
        elif not found:
            session.output.note("no instruments fit")

    @command(instruments, "import", epilog="fillhandler instruments import products.json")
    async def import_(
        session: Session,
        file: Annotated[
            Path,
            typer.Argument(
                metavar="FILE",
                help='JSON: {"instruments": […], "value_places": […]}, or a venue\'s list of products as it '
                "came; - means stdin.",
            ),
        ],
    ) -> None:
        """Add instruments and scales to the server's table, all or none. Needs the role ADMIN."""
        listing = _read(session, file)
        async with session.client() as client:
            answer = await client.import_instruments(listing.instruments, listing.value_places)
        if session.output.json:
            session.output.result({**document(answer), "source": listing.source, "leftOut": listing.left_out})
            return
        session.output.text(
            f"{answer.changed} instruments are new or say more, of {len(listing.instruments)} in the file"
            f" ({listing.source}); the table has {answer.total}"
        )
        if listing.left_out:
            session.output.note(f"{listing.left_out} products need nothing, or are of no known kind")


def _read(session: Session, file: Path) -> Listing:
    if file != _STDIN and not file.is_file():
        raise typer.BadParameter(f"{file} is not a file")
    text = sys.stdin.buffer.read() if file == _STDIN else file.read_bytes()
    try:
        return read_listing(text)
    except FieldError as error:
        problem = {"text": error.text, "field": error.field} if error.field else {"text": error.text}
        session.output.problem(problem)
        raise typer.Exit(EXIT_FAILED) from None
