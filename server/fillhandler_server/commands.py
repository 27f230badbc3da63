"""The server's commands, which the CLI finds by the entry-point group `fillhandler.commands`."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from fillhandler_server import audit, config, logs
from fillhandler_server.app import Application, key_source
from fillhandler_server.domain.errors import FillHandlerError

_GC_THRESHOLD = 20_000


def serve(
    listen: Annotated[
        str | None, typer.Option(help="HOST:PORT to serve on; port 0 picks one. Loopback only.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the database; default: the user's data folder.")
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="File of the database's key; default: one the server makes.")
    ] = None,
    config_file: Annotated[
        Path | None, typer.Option("--config", help="TOML or YAML file with settings.")
    ] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Run the server until SIGTERM or Ctrl-C. Prints 'listening on HOST:PORT' when ready."""
    os.umask(0o077)
    try:
        settings = config.load(
            config_file, listen=listen, data_dir=data_dir, key_file=key_file, log_level=log_level
        )
        logs.configure("debug" if settings.debug_mode else settings.log_level)
        application = Application(settings)
    except FillHandlerError as error:
        sys.stderr.write(f"error: {error.text}\n")
        raise typer.Exit(1) from None
    raise typer.Exit(asyncio.run(_serve(application)))


def demo(
    seconds: Annotated[
        float | None,
        typer.Option(min=0, metavar="N", show_default=False, help="End after so many seconds; else Ctrl-C."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the events as JSON lines and nothing else on stdout.")
    ] = False,
    speed: Annotated[
        float, typer.Option(min=0.1, max=100, help="How soon trades follow each other; 1 is easy to watch.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same trades and faults.")] = 1,
) -> None:
    """Watch it work: a server of its own trades at a simulated exchange; its live feed and statistics.

    Several trades at once, while the exchange fills in pieces, refuses, forgets to answer, and its streams
    lose, repeat and break. At the end the record is compared with the exchange's own books. Everything lives
    in a temporary folder and is gone afterwards. Ctrl-C ends it.
    """
    from fillhandler_server.demo.run import demo as run_demo

    os.umask(0o077)
    raise typer.Exit(asyncio.run(run_demo(seconds=seconds, speed=speed, seed=seed, as_json=as_json)))


def verify(*, data_dir: Path, key_file: Path | None, json_output: bool) -> int:
    """Walks a data folder's journal without a server, for `fillhandler verify --data-dir`; the exit code.

    With `json_output` prints what VerifyJournal answers last, as protobuf-JSON.
    """
    try:
        settings = config.load(data_dir=data_dir, key_file=key_file)
        state = audit.Walk()
        for state in audit.verify_data_dir(settings.data_dir, key_source(settings)):  # noqa: B007  # the last
            pass
    except FillHandlerError as error:
        document: dict[str, object] = {"error": {"reason": error.reason, "text": error.text}}
        sys.stderr.write(f"{json.dumps(document)}\n" if json_output else f"{error.text}\n")
        return 1
    if json_output:
        document = {
            "progress": {
                "batches": str(state.batches),
                "events": str(state.events),
                "totalEvents": str(state.total_events),
            },
            "done": state.done,
            "valid": state.valid,
            "problem": state.problem,
            "problemSequence": str(state.problem_sequence),
            "headSequence": str(state.head.sequence),
            "headHash": state.head.hash.hex(),
        }
        sys.stdout.write(f"{json.dumps(document)}\n")
    elif state.valid:
        sys.stdout.write(
            f"valid: {state.events} events, head {state.head.sequence}, hash {state.head.hash.hex()}\n"
        )
    else:
        sys.stderr.write(f"not valid from sequence {state.problem_sequence} on: {state.problem}\n")
    return 0 if state.valid else 1


async def _serve(application: Application) -> int:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    try:
        address = await application.start()
    except FillHandlerError as error:
        sys.stderr.write(f"error: {error.text}\n")
        await asyncio.to_thread(application.close)
        return 1
    # What is there now stays; and a batch of fills makes thousands of objects that all die by counting.
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD, 20, 20)
    sys.stdout.write(f"listening on {address}\n")
    sys.stdout.flush()
    await stopping.wait()
    await application.stop()
    return 0
