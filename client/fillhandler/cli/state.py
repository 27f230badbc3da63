"""status, export, import, verify: the server's record as a whole."""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fillhandler.cli.output import document
from fillhandler.cli.server_commands import verify_folder
from fillhandler.cli.session import EXIT_FAILED, Session, command
from fillhandler.cli.values import shown_span, shown_time
from fillhandler.transfer import CHUNK_BYTES
from fillhandler.v1 import state_service_pb2

_STDOUT = Path("-")


class Mode(StrEnum):
    """What an import does."""

    MERGE = "merge"
    REPLACE = "replace"
    VALIDATE_ONLY = "validate-only"


def add_to(app: typer.Typer) -> None:
    """Add these commands."""

    @command(app, "status", epilog="fillhandler status --json")
    async def status(session: Session) -> None:
        """Show how the server is: version, head, counts, store."""
        async with session.client() as client:
            answer = await client.get_server_status()
            address = client.address
        if session.output.json:
            session.output.result({"address": address, **document(answer)})
            return
        session.output.record(
            {
                "address": address,
                "version": answer.version,
                "up": shown_span(answer.uptime),
                "instance": answer.instance_id,
                "head sequence": answer.head_sequence,
                "head hash": answer.head_hash,
                "last commit": shown_time(answer, "last_commit_time"),
                "fills": answer.total_fills,
                "orders": f"{answer.total_orders}, {answer.active_orders} active",
                "store": f"{answer.store}, {_size(answer.store_bytes)}, "
                + ("writable" if answer.writable else "takes no writes"),
                "feeds": f"{answer.subscribers}, the slowest {answer.max_subscriber_lag} events behind",
                "waiting writes": answer.queued_requests,
                "venues": ", ".join(answer.venues),
            }
        )

    @command(app, "export", epilog="fillhandler export state_backup.json")
    async def export(
        session: Session,
        file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; - means stdout.")],
    ) -> None:
        """Export everything as one consistent snapshot. The file appears whole, or not at all."""
        with session.output.progress("exporting") as bar:
            async with session.client() as client:
                if file == _STDOUT:
                    last = state_service_pb2.Progress()
                    async with aclosing(client.export_state()) as chunks:
                        async for page in chunks:
                            sys.stdout.buffer.write(page.chunk)
                            last = page.progress
                            bar(last.events, last.total_events)
                    sys.stdout.buffer.flush()
                else:
                    last = await client.export_to_file(file, progress=bar)
        if file == _STDOUT:
            session.output.note(f"{last.events} events exported")
        elif session.output.json:
            session.output.result({"file": str(file), "bytes": file.stat().st_size, **document(last)})
        else:
            session.output.text(f"{last.events} events exported to {file}, {_size(file.stat().st_size)}")

    @command(app, "import", epilog="fillhandler import state_backup.json --mode validate-only")
    async def import_(
        session: Session,
        file: Annotated[
            Path,
            typer.Argument(
                metavar="FILE", exists=True, dir_okay=False, readable=True, help="An export file."
            ),
        ],
        mode: Annotated[
            Mode,
            typer.Option(
                "--mode",
                help="merge records what is new here; replace makes the server what was exported, "
                "and what it held is gone; validate-only changes nothing.",
            ),
        ] = Mode.MERGE,
        yes: Annotated[bool, typer.Option("--yes", "-y", help="Replace without asking.")] = False,
        import_id: Annotated[
            str | None,
            typer.Option(
                "--import-id",
                metavar="ID",
                show_default=False,
                help="A name of yours: the same again resumes an import that was interrupted.",
            ),
        ] = None,
    ) -> None:
        """Import an export file, all or nothing."""
        if mode is Mode.REPLACE and not yes:
            if session.output.json or not session.output.interactive:
                session.fail(
                    "replace needs --yes where nobody can be asked: what the server holds will be gone"
                )
            typer.confirm("Replace everything the server holds by this file?", abort=True, err=True)
        with session.output.progress("importing", unit="bytes") as bar:
            async with session.client() as client:
                result = await client.import_state(
                    file, mode, import_id=import_id, chunk_bytes=CHUNK_BYTES, progress=bar
                )
        if session.output.json:
            session.output.result(document(result))
            return
        session.output.record(
            {
                "applied": "yes" if result.applied else "no, only validated",
                "from instance": result.source_instance_id,
                "events": result.events,
                "orders": result.orders,
                "fills": result.fills,
                "new fills": result.new_fills,
                "known before": result.duplicate_fills,
                "in conflict": result.conflicting_fills,
                "head sequence": result.sequence,
            }
        )

    @command(
        app,
        "verify",
        epilog="fillhandler verify                   fillhandler verify --data-dir /var/lib/fillhandler",
    )
    async def verify(
        session: Session,
        data_dir: Annotated[
            Path | None,
            typer.Option(
                "--data-dir",
                metavar="DIR",
                show_default=False,
                help="Check this folder of a server that is not running, instead of asking a running one.",
            ),
        ] = None,
        key_file: Annotated[
            Path | None,
            typer.Option(
                "--key-file",
                metavar="FILE",
                show_default=False,
                help="With --data-dir: the store's key file.",
            ),
        ] = None,
    ) -> None:
        """Walk the journal's hash chain and say whether anything was altered."""
        if data_dir is not None:
            # On a thread, because the server's code may run an event loop of its own.
            raise typer.Exit(await asyncio.to_thread(verify_folder, session, data_dir, key_file))
        if key_file is not None:
            raise typer.BadParameter("--key-file goes with --data-dir")
        with session.output.progress("verifying") as bar:
            async with session.client() as client:
                found = await client.verify_journal(progress=bar)
        if session.output.json:
            session.output.result(document(found))
        elif found.valid:
            session.output.text(
                f"valid: {found.progress.events} events, head {found.head_sequence}, hash {found.head_hash}"
            )
        if not found.valid:
            if not session.output.json:
                session.fail(f"not valid from sequence {found.problem_sequence} on: {found.problem}")
            raise typer.Exit(EXIT_FAILED)


def _size(count_bytes: int) -> str:
    size = float(count_bytes)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:.1f} {unit}" if unit != "bytes" else f"{count_bytes} bytes"
        size /= 1024
    raise AssertionError("the last unit takes any size")
