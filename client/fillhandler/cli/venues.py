"""venues: what the server understands, and the connections that it has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import typer

from fillhandler.cli.output import document
from fillhandler.cli.selection import VenueOption
from fillhandler.cli.session import Session, command
from fillhandler.cli.values import shown_span, shown_time, shown_word
from fillhandler.v1 import execution_service_pb2

_COLUMNS: Final = (
    "venue",
    "account",
    "market",
    "money",
    "state",
    "#lag",
    "#clock skew",
    "last message",
    "confirmed",
    "#repaired fills",
    "#reconnects",
    "#trades",
    "paused",
    "what",
)


def shown_money(connection: execution_service_pb2.VenueConnection) -> str:
    """Whether it is real money: `LIVE`, or `sandbox`."""
    return "sandbox" if connection.sandbox else "LIVE"


def shown_connection(venue: str, connection: execution_service_pb2.VenueConnection) -> str:
    """A connection in a line: `binance, account main, spot: sandbox, CONNECTED`."""
    state = shown_word(execution_service_pb2.ConnectionState.DESCRIPTOR, connection.state)
    paused = f", {_paused(connection)}" if connection.paused else ""
    return (
        f"{venue}, account {connection.account}, {connection.market}: "
        f"{shown_money(connection)}, {state}{paused}"
    )


def _paused(connection: execution_service_pb2.VenueConnection) -> str:
    if not connection.paused:
        return ""
    until = shown_time(connection, "paused_until")
    return f"paused until {until}" if until else "paused"


def _row(venue: str, connection: execution_service_pb2.VenueConnection) -> Sequence[object]:
    return (
        venue,
        connection.account,
        connection.market,
        shown_money(connection),
        shown_word(execution_service_pb2.ConnectionState.DESCRIPTOR, connection.state),
        shown_span(connection.lag) if connection.HasField("lag") else None,
        shown_span(connection.clock_skew) if connection.HasField("clock_skew") else None,
        shown_time(connection, "last_message_time"),
        shown_time(connection, "confirmed_time"),
        connection.repaired_fills,
        connection.reconnects,
        connection.active_trades,
        _paused(connection),
        connection.text,
    )


def add_to(app: typer.Typer) -> None:
    """Add this command."""

    @command(app, "venues", epilog="fillhandler venues --venue okx --json")
    async def venues(session: Session, venue: VenueOption = "") -> None:
        """List the venues whose payloads the server understands, and the connections that are configured:
        state, real money or sandbox, lag, clock skew, repaired fills.
        """
        async with session.client() as client:
            found = await client.list_venues(venue=venue)
        if session.output.json:
            session.output.result({"venues": [document(each) for each in found]})
            return
        session.output.table(
            ("venue", "title", "payloads"),
            ((each.name, each.title, ", ".join(each.payload_kinds)) for each in found),
        )
        rows = [_row(each.name, connection) for each in found for connection in each.connections]
        if rows:
            session.output.text("")
            session.output.table(_COLUMNS, rows, title="connections")
        if not found:
            session.output.note("no venue fits")
        elif not rows:
            session.output.note("no connection is configured")
