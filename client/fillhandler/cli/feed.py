"""watch: the live feed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from fillhandler.calls.feed import WatchFields
from fillhandler.cli.events import event_line, heading_line
from fillhandler.cli.output import clean, line
from fillhandler.cli.session import Session, command
from fillhandler.cli.values import parse_time
from fillhandler.cursor import Cursor, FileCursorStore
from fillhandler.v1 import events_pb2, feed_service_pb2


def add_to(app: typer.Typer) -> None:
    """Add this command."""

    @command(
        app,
        "watch",
        ends_on_interrupt=True,
        epilog="fillhandler watch --venue binance --kind fill_recorded --cursor-file cursor.json --json",
    )
    async def watch(
        session: Session,
        after: Annotated[
            int | None,
            typer.Option(
                "--after", min=0, metavar="SEQUENCE", show_default=False, help="From after this sequence."
            ),
        ] = None,
        from_beginning: Annotated[
            bool, typer.Option("--from-beginning", help="From the first event of all.")
        ] = False,
        from_time: Annotated[
            datetime | None,
            typer.Option(
                "--from",
                parser=parse_time,
                metavar="TIME",
                show_default=False,
                help="From the first event committed at or after this time, ISO 8601.",
            ),
        ] = None,
        resume_token: Annotated[
            str | None,
            typer.Option(
                "--resume-token", metavar="TOKEN", show_default=False, help="From after this position."
            ),
        ] = None,
        cursor_file: Annotated[
            Path | None,
            typer.Option(
                "--cursor-file",
                metavar="FILE",
                show_default=False,
                help="Keep the position in this file, and go on after it if there is one.",
            ),
        ] = None,
        venue: Annotated[
            list[str] | None,
            typer.Option("--venue", show_default=False, help="Only this venue; may be repeated."),
        ] = None,
        account: Annotated[
            list[str] | None,
            typer.Option("--account", show_default=False, help="Only this account; may be repeated."),
        ] = None,
        symbol: Annotated[
            list[str] | None,
            typer.Option("--symbol", show_default=False, help="Only this symbol; may be repeated."),
        ] = None,
        order: Annotated[
            list[str] | None,
            typer.Option(
                "--order", metavar="ID", show_default=False, help="Only this order; may be repeated."
            ),
        ] = None,
        kind: Annotated[
            list[str] | None,
            typer.Option(
                "--kind", show_default=False, help="Only this kind, such as fill_recorded; may be repeated."
            ),
        ] = None,
        count: Annotated[
            int | None,
            typer.Option("--count", min=1, show_default=False, help="End after this many events."),
        ] = None,
    ) -> None:
        """Show events as they are committed, from now on unless told otherwise. Ctrl-C ends it.

        It resumes by itself after a broken connection or a restart of the server.
        """
        starts = (after is not None, from_beginning, from_time is not None, resume_token is not None)
        if sum(starts) > 1:
            raise typer.BadParameter("give one of --after, --from-beginning, --from and --resume-token")
        conditions = WatchFields(
            after_sequence=after,
            from_beginning=from_beginning,
            from_time=from_time,
            resume_token=resume_token,
            venues=venue or (),
            accounts=account or (),
            symbols=symbol or (),
            order_ids=order or (),
            kinds=kind or (),
        )
        store = None if cursor_file is None else FileCursorStore(cursor_file)
        async with session.client() as client:
            try:
                stream = client.watch_responses(cursor=store, **conditions)
            except ValueError as error:
                raise typer.BadParameter(str(error)) from None
            await _show(session, stream, store, count)


async def _show(
    session: Session,
    stream: AsyncGenerator[feed_service_pb2.WatchEventsResponse],
    store: FileCursorStore | None,
    count: int | None,
) -> None:
    """Print events until so many were printed, and keep the exact position then."""
    if not session.output.json:
        session.output.note(heading_line())
    left = count
    async with aclosing(stream) as responses:
        async for response in responses:
            shown = response.events if left is None else response.events[:left]
            for event in shown:
                _print(session, event)
            if shown:
                session.output.flush()
            if left is None:
                continue
            left -= len(shown)
            if left == 0:
                if store is not None:
                    store.save(_after(response, shown[-1]))
                return


def _after(response: feed_service_pb2.WatchEventsResponse, event: events_pb2.Event) -> Cursor:
    """The position after an event: the token's, if it is the message's last one."""
    if event.sequence == response.events[-1].sequence:
        return Cursor(resume_token=response.resume_token)
    return Cursor(instance_id=response.instance_id, after_sequence=event.sequence)


def _print(session: Session, event: events_pb2.Event) -> None:
    if session.output.json:
        session.output.result(line(event))
    else:
        session.output.raw(clean(event_line(event)))
