"""The server's commands, which the CLI finds by the entry-point group `fillhandler.commands`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from fillhandler_server import config, logs
from fillhandler_server.app import Application
from fillhandler_server.domain.errors import FillHandlerError


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
    sys.stdout.write(f"listening on {address}\n")
    sys.stdout.flush()
    await stopping.wait()
    await application.stop()
    return 0
