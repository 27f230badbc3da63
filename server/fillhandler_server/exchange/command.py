"""`fillhandler exchange`: the simulated exchange as a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final

import platformdirs
import typer

from fillhandler_server.exchange.credentials import CredentialsError, load
from fillhandler_server.exchange.faults import FaultError, FaultPlan
from fillhandler_server.exchange.market.symbols import SYMBOLS
from fillhandler_server.exchange.server import ListenError, SimulatedExchange

_APP: Final = "fillhandler"


def exchange(
    listen: Annotated[
        str, typer.Option(help="HOST:PORT to serve on; port 0 picks one. Loopback only.")
    ] = "127.0.0.1:0",
    credentials_dir: Annotated[
        Path | None,
        typer.Option(help="Folder with the files api_key and secret; made if they are not there."),
    ] = None,
    symbols: Annotated[
        str, typer.Option(metavar="LIST", help="What is traded, with commas: BTCUSDT,ADAUSDT=0.45")
    ] = ",".join(SYMBOLS),
    seed: Annotated[int, typer.Option(help="The same seed gives the same prices and the same faults.")] = 1,
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PROBABILITY", help="A fault and how often, 0 to 1; may be repeated."),
    ] = None,
    latency_ms: Annotated[
        str, typer.Option(metavar="MS", help="How long each request waits: 20, or 5-50 for a random time.")
    ] = "",
    config_file: Annotated[
        Path | None, typer.Option("--config", help="TOML file with the tables [faults] and [settings].")
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="A line on stderr for each order, trade and fault.")
    ] = False,
) -> None:
    """Run a simulated exchange until SIGTERM or Ctrl-C, to rehearse against.

    It speaks Binance's spot and USD-M protocol on this machine only, with faults to order. Prints
    'listening on http://HOST:PORT' when ready.
    """
    os.umask(0o077)
    folder = credentials_dir or Path(platformdirs.user_data_dir(_APP)) / "exchange"
    try:
        credentials, made = load(folder)
        host, port = _address(listen)
        served = SimulatedExchange(
            seed=seed,
            symbols=[each for each in symbols.split(",") if each.strip()],
            credentials=credentials,
            host=host,
            port=port,
            note=_note if verbose else _silent,
        )
        if config_file is not None:
            _configure(served.plan, config_file)
        for each in fault or []:
            _set_fault(served.plan, each)
        if latency_ms:
            _set_latency(served.plan, latency_ms)
    except (CredentialsError, FaultError, ListenError, ValueError) as error:
        sys.stderr.write(f"error: {error}\n")
        raise typer.Exit(1) from None
    sys.stderr.write(f"API key and secret: {'made in' if made else 'read from'} {folder}\n")
    raise typer.Exit(asyncio.run(_serve(served)))


async def _serve(served: SimulatedExchange) -> int:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    try:
        base_url = await served.start()
    except OSError as error:
        sys.stderr.write(f"error: cannot serve there: {error.strerror}; name another --listen\n")
        return 1
    sys.stdout.write(f"listening on {base_url}\n")
    sys.stdout.flush()
    await stopping.wait()
    await served.stop()
    return 0


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65_535:
        raise ListenError(f"--listen takes HOST:PORT, not {text!r}")
    return host.strip("[]"), int(port)


def _set_fault(plan: FaultPlan, text: str) -> None:
    name, equals, value = text.partition("=")
    try:
        probability = float(value)
    except ValueError:
        probability = -1.0
    if not equals or not 0 <= probability <= 1:
        raise FaultError(f"--fault takes NAME=PROBABILITY, the probability between 0 and 1, not {text!r}")
    plan.set_probability(name, probability)


def _set_latency(plan: FaultPlan, text: str) -> None:
    low, dash, high = text.partition("-")
    if not low.isdecimal() or (dash and not high.isdecimal()):
        raise FaultError(f"--latency-ms takes 20 or 5-50, not {text!r}")
    plan.set("latency_ms", [int(low), int(high if dash else low)])
    plan.set_probability("latency", 1)


def _configure(plan: FaultPlan, path: Path) -> None:
    try:
        with path.open("rb") as file:
            document: dict[str, Any] = tomllib.load(file)
    except OSError as error:
        raise FaultError(f"--config {path}: {error.strerror}") from None
    except ValueError as error:
        raise FaultError(f"--config {path}: {error}") from None
    for name, table in document.items():
        if name not in ("faults", "settings") or not isinstance(table, dict):
            raise FaultError(f"--config {path}: {name!r} is not known; there are [faults] and [settings]")
        for key, value in table.items():
            if name == "settings":
                plan.set(key, value)
            elif type(value) in (int, float):
                plan.set_probability(key, value)
            else:
                raise FaultError(f"--config {path}: faults.{key} must be a number between 0 and 1")


def _note(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _silent(text: str) -> None:
    """Says nothing."""
