"""Options that several commands have, each said once."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from fillhandler.cli.values import parse_time

VenueOption = Annotated[
    str, typer.Option("--venue", show_default=False, help="Only this venue, for example binance.")
]
AccountOption = Annotated[str, typer.Option("--account", show_default=False, help="Only this account.")]
SymbolOption = Annotated[str, typer.Option("--symbol", show_default=False, help="Only this symbol.")]
LimitOption = Annotated[int, typer.Option("--limit", min=0, help="At most this many; 0 means all.")]
FromOption = Annotated[
    datetime | None,
    typer.Option(
        "--from",
        parser=parse_time,
        metavar="TIME",
        show_default=False,
        help="Only from this time on, ISO 8601; without a zone it is UTC.",
    ),
]
ToOption = Annotated[
    datetime | None,
    typer.Option(
        "--to", parser=parse_time, metavar="TIME", show_default=False, help="Only before this time."
    ),
]
