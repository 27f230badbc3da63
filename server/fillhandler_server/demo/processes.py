"""The processes that the demo starts: an exchange and a server. None outlives it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from fillhandler_server.demo.story import LANES

_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 15.0
_READY: Final = "listening on "
_EXCHANGE: Final = (
    "import typer; from fillhandler_server.exchange.command import exchange; typer.run(exchange)"
)
# Shorter than those for real money, so that there is something to see.
_CONNECTION: Final = """
[[connections]]
venue = "binance"
market = "{market}"
sandbox = true
url = "{url}"
credentials_dir = '{credentials}'
rate_limit = false
recv_window_seconds = 1.0
settle_seconds = 1.5
timeout_seconds = 1.0
poll_seconds = 2.0
repair_seconds = 5.0
"""
_RETRIES: Final = """
[retry_config]
base_delay = 0.5
max_delay = 4.0
jitter_factor = 0.1
"""


class StartError(Exception):
    """A process did not start; the text says what it said."""


class StoppedError(Exception):
    """It is to end before it had begun."""


@asynccontextmanager
async def exchange(folder: Path, seed: int, stopping: asyncio.Event) -> AsyncIterator[str]:
    """`fillhandler exchange`, with its credentials in the folder; its address."""
    command = (
        *("-c", _EXCHANGE),
        *("--credentials-dir", str(folder / "credentials")),
        *("--symbols", ",".join(lane.listing for lane in LANES)),
        *("--seed", str(seed)),
    )
    async with _started("the simulated exchange", command, folder / "exchange.log", stopping) as url:
        yield url


@asynccontextmanager
async def server(folder: Path, url: str, stopping: asyncio.Event) -> AsyncIterator[str]:
    """`fillhandler serve`, all of it in the folder, connected to the exchange; its address."""
    settings = folder / "settings.toml"
    connections = [
        _CONNECTION.format(market=market, url=url, credentials=folder / "credentials")
        for market in ("spot", "linear")
    ]
    settings.write_text(_RETRIES + "".join(connections), encoding="utf-8")
    command = (
        *("-m", "fillhandler_server"),
        *("--listen", "127.0.0.1:0"),
        *("--config", str(settings)),
        *("--data-dir", str(folder / "data")),
        *("--key-file", str(folder / "key")),
    )
    async with _started("the server", command, folder / "server.log", stopping) as address:
        yield address


@asynccontextmanager
async def _started(
    name: str, arguments: Sequence[str], log: Path, stopping: asyncio.Event
) -> AsyncIterator[str]:
    """A Python process that prints where it listens; that address. Raises StartError, StoppedError."""
    with log.open("wb") as log_file:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log_file,
            # Ctrl-C is for this process; it stops the others in its own time.
            start_new_session=True,
            env={key: value for key, value in os.environ.items() if not key.startswith("FILLHANDLER_")}
            | {"FILLHANDLER_KEYRING": "false"},
        )
    try:
        yield await _address(name, process, log, stopping)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(_STOP_SECONDS):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


async def _address(name: str, process: asyncio.subprocess.Process, log: Path, stopping: asyncio.Event) -> str:
    assert process.stdout is not None
    ready = asyncio.ensure_future(process.stdout.readline())
    ending = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait((ready, ending), timeout=_START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if stopping.is_set():
            raise StoppedError
        line = ready.result().decode().strip() if ready.done() else ""
    finally:
        ready.cancel()
        ending.cancel()
        await asyncio.gather(ready, ending, return_exceptions=True)
    if not line.startswith(_READY):
        said = (await asyncio.to_thread(log.read_text, errors="replace")).strip().splitlines()
        raise StartError(f"{name} did not start{': ' + said[-1] if said else ''}")
    return line.removeprefix(_READY)
