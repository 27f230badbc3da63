"""anomalies: what about orders needs a look."""

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
from fillhandler.cli.values import shown_anomaly, shown_status, shown_time
from fillhandler.v1 import order_service_pb2

_COLUMNS = ("#sequence", "found", "kind", "venue", "account", "symbol", "order", "status", "what")


def _row(anomaly: order_service_pb2.Anomaly) -> tuple[object, ...]:
    order = anomaly.order
    return (
        anomaly.sequence,
        shown_time(anomaly, "commit_time"),
        shown_anomaly(anomaly.kind),
        order.venue,
        order.account,
        order.symbol,
        order.order_id or order.client_order_id,
        shown_status(order.status),
        anomaly.text,
    )


def add_to(app: typer.Typer) -> None:
    """Add this command."""

    @command(app, "anomalies", epilog="fillhandler anomalies --venue binance --kind overfill")
    async def anomalies(
        session: Session,
        kind: Annotated[
            list[str] | None,
            typer.Option("--kind", show_default=False, help="Only this kind, such as overfill; repeatable."),
        ] = None,
        venue: VenueOption = "",
        account: AccountOption = "",
        symbol: SymbolOption = "",
        order_id: Annotated[
            str, typer.Option("--order", metavar="ID", show_default=False, help="Only this order.")
        ] = "",
        start_time: FromOption = None,
        end_time: ToOption = None,
        limit: LimitOption = 100,
    ) -> None:
        """List what about orders needs a look, oldest first, and what to do about it."""
        found: list[order_service_pb2.Anomaly] = []
        more = False
        async with session.client() as client:
            listed = client.list_anomalies(
                venue=venue,
                account=account,
                symbol=symbol,
                order_id=order_id,
                kinds=kind or (),
                start_time=start_time,
                end_time=end_time,
                page_size=min(limit + 1, 1000) if limit else 1000,
            )
            async with aclosing(listed):
                try:
                    async for anomaly in listed:
                        if limit and len(found) == limit:
                            more = True
                            break
                        found.append(anomaly)
                except ValueError as error:
                    raise typer.BadParameter(str(error)) from None
        if session.output.json:
            session.output.result({"anomalies": [document(anomaly) for anomaly in found], "more": more})
            return
        session.output.table(_COLUMNS, map(_row, found))
        if found:
            advice = {anomaly.kind: anomaly.advice for anomaly in found}
            session.output.text("")
            session.output.record({shown_anomaly(kind): advice[kind] for kind in sorted(advice)})
        if more:
            session.output.note(f"the first {limit}; --limit 0 shows all")
        elif not found:
            session.output.note("no anomalies fit")
