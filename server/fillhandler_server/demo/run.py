"""Runs the demo: an exchange and a server of its own, what is traded and shown, and a clean end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from fillhandler import FillHandlerClient, FillHandlerError
from fillhandler_server.demo import processes
from fillhandler_server.demo.displays import Display, JsonLines, Lines
from fillhandler_server.demo.exchange import Exchange, ExchangeError
from fillhandler_server.demo.model import Seen
from fillhandler_server.demo.processes import StartError, StoppedError
from fillhandler_server.demo.screen import Screen
from fillhandler_server.demo.show import Show, ShowError

REFRESH_SECONDS: Final = 0.12
_CONNECT_SECONDS: Final = 30.0
_ENDING_SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


async def demo(*, seconds: float | None, speed: float, seed: int, as_json: bool) -> int:
    """Runs until `seconds` have passed or a signal comes; the exit code.

    Args:
        seconds: how long, from when all is ready; None is until Ctrl-C.
        speed: 1 is comfortable to watch.
        seed: the same seed gives the same trades and faults.
        as_json: print the events as JSON lines and nothing else.
    """
    missing = [name for name in ("aiohttp", "ccxt") if find_spec(name) is None]
    if missing:
        sys.stderr.write(
            f"error: the demo needs the extra `exchanges` ({' and '.join(missing)} missing):"
            " pip install 'fillhandler[server,exchanges]'\n"
        )
        return 1
    console = Console(highlight=False)
    display: Display
    if as_json:
        display = JsonLines()
    elif console.is_terminal and not console.is_dumb_terminal:
        display = Screen(console)
    else:
        display = Lines(console)
    # The first signal ends it in order, the second does not wait for the exchange.
    stopping, hurrying = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def end() -> None:
        (hurrying if stopping.is_set() else stopping).set()

    for number in _ENDING_SIGNALS:
        loop.add_signal_handler(number, end)
    seen = Seen()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="fillhandler-demo-") as folder,
            display.open() if isinstance(display, Screen) else nullcontext(),
        ):
            await _run(Path(folder), seen, display, stopping, hurrying, seconds, speed, seed)
    except StoppedError:
        return 0
    except BrokenPipeError:
        # Whoever read our output has enough of it. Python's flush at exit would complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (StartError, ShowError, ExchangeError, FillHandlerError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    finally:
        for number in _ENDING_SIGNALS:
            loop.remove_signal_handler(number)
    if seen.address:
        display.summary()
    return _exit_code(seen, as_json=as_json)


def _exit_code(seen: Seen, *, as_json: bool) -> int:
    wrong = list(seen.comparison.wrong) if seen.comparison is not None else []
    if seen.verified is not None and not seen.verified.valid:
        wrong.append(f"the hash chain is broken: {seen.verified.problem}")
    if as_json:
        for text in wrong:
            sys.stderr.write(f"error: {text}\n")
    return 1 if wrong else 0


async def _run(
    folder: Path,
    seen: Seen,
    display: Display,
    stopping: asyncio.Event,
    hurrying: asyncio.Event,
    seconds: float | None,
    speed: float,
    seed: int,
) -> None:
    def step(text: str) -> None:
        seen.step = text
        display.starting(seen)

    async with AsyncExitStack() as stack:
        step("Starting a simulated exchange …")
        url = await stack.enter_async_context(processes.exchange(folder, seed, stopping))
        step("Starting a server that trades there; it loads ccxt, which takes a few seconds …")
        address = await stack.enter_async_context(processes.server(folder, url, stopping))
        step("Connecting the server to the exchange …")
        client = await stack.enter_async_context(
            FillHandlerClient(address, token_file=folder / "data" / "token")
        )
        show = Show(client, Exchange(url), seen, display, seed, speed)
        background = [
            asyncio.create_task(work) for work in (show.watch(), show.keep_statistics(), _refresh(display))
        ]
        try:
            if not await _until(show.connected(), background, stopping, seconds=_CONNECT_SECONDS):
                if stopping.is_set():
                    raise StoppedError
                raise ShowError(f"the server was not connected to the exchange in {_CONNECT_SECONDS:g} s")
            seen.address, seen.step = address, ""
            display.started(seen)
            await _until(show.play(), background, stopping, seconds=seconds)
            step(
                "Ending: cancelling open orders, then comparing with the exchange's books; Ctrl-C skips it …"
            )
            await _until(show.finish(), background, hurrying)
        finally:
            await _end(background)


async def _until(
    work: Coroutine[Any, Any, None],
    background: list[asyncio.Task[None]],
    ending: asyncio.Event,
    seconds: float | None = None,
) -> bool:
    """Lets work go on to its end, which is True, or until something ends it, and raises what went wrong."""
    task, waiting = asyncio.create_task(work), asyncio.create_task(ending.wait())
    try:
        await asyncio.wait({task, waiting, *background}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for each in (task, *background):
            if each.done():
                each.result()
        return task.done()
    finally:
        await _end([task, waiting])


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _refresh(display: Display) -> None:
    """Lets the display draw."""
    while True:
        display.moved()
        await asyncio.sleep(REFRESH_SECONDS)
