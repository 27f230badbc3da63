"""fills: what was recorded."""

from __future__ import annotations

from contextlib import aclosing
from typing import Annotated

import typer

from fillhandler.cli.output import document
from fillhandler.cli.selection import (
    AccountOption,
    FromOption,
    LimitOption,
    SymbolOption,
    ToOption,
    VenueOption,
)
from fillhandler.cli.session import Session, command
from fillhandler.cli.values import optional, shown_amounts, shown_liquidity, shown_side, shown_time
from fillhandler.v1 import fills_pb2

_COLUMNS = (
    "#sequence",
    "traded",
    "venue",
    "account",
    "symbol",
    "order",
    "trade",
    "side",
    "#quantity",
    "#price",
    "fees",
    "liquidity",
    "state",
)


def _row(fill: fills_pb2.Fill) -> tuple[object, ...]:
    state = fills_pb2.FillState.Name(fill.state).removeprefix("FILL_STATE_")
    return (
        fill.sequence,
        shown_time(fill, "trade_time"),
        fill.venue,
        fill.account,
        fill.symbol,
        fill.order_id or fill.client_order_id,
        fill.trade_id + (f"/{fill.leg}" if fill.leg else ""),
        shown_side(fill.side),
        fill.quantity,
        optional(fill, "price"),
        shown_amounts(fill.fees),
        shown_liquidity(fill.liquidity),
        "inferred" if fill.inferred and state == "STANDING" else "" if state == "STANDING" else state,
    )


def add_to(app: typer.Typer) -> None:
    """Add this command."""

    @command(app, "fills", epilog="fillhandler fills --venue binance --order 123456789 --json")
    async def fills(
        session: Session,
        venue: VenueOption = "",
        account: AccountOption = "",
        symbol: SymbolOption = "",
        order_id: Annotated[
            str, typer.Option("--order", metavar="ID", show_default=False, help="Only this order.")
        ] = "",
        start_time: FromOption = None,
        end_time: ToOption = None,
        reversed_too: Annotated[
            bool, typer.Option("--include-reversed", help="Also those the venue busted or corrected.")
        ] = False,
        limit: LimitOption = 100,
    ) -> None:
        """List fills in the order they were recorded. Times are trade times."""
        found: list[fills_pb2.Fill] = []
        more = False
        async with session.client() as client:
            listed = client.list_fills(
                venue=venue,
                account=account,
                symbol=symbol,
                order_id=order_id,
                start_time=start_time,
                end_time=end_time,
                include_reversed=reversed_too,
                page_size=min(limit + 1, 1000) if limit else 1000,
            )
            async with aclosing(listed):
                async for fill in listed:
                    if limit and len(found) == limit:
                        more = True
                        break
                    found.append(fill)
        if session.output.json:
            session.output.result({"fills": [document(fill) for fill in found], "more": more})
            return
        session.output.table(_COLUMNS, map(_row, found))
        if more:
            session.output.note(f"the first {limit}; --limit 0 shows all")
        elif not found:
            session.output.note("no fills fit")
