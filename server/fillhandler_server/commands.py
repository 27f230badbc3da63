"""The server's commands, which the CLI finds by the entry-point group `fillhandler.commands`."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from fillhandler_server import config, logs
from fillhandler_server.app import Application
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
        float, typer.Option(min=0.1, max=100, help="How fast the exchanges trade; 1 is easy to follow.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same orders and mishaps.")] = 1,
) -> None:
    """Watch it work: a server of its own, three made-up exchanges, the live feed and the statistics.

    Several orders trade at once, told as Binance, Bitget and Phemex tell it: in pieces, twice, late, out of
    order. Everything lives in a temporary folder and is gone afterwards. Ctrl-C ends it.
    """
    from fillhandler_server.demo.run import demo as run_demo

    os.umask(0o077)
    raise typer.Exit(asyncio.run(run_demo(seconds=seconds, speed=speed, seed=seed, as_json=as_json)))


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
