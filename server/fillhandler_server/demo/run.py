"""Runs the demo: a server process of its own, the exchanges, the feed, the statistics, and a clean end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Final

from rich.console import Console

from fillhandler import FillHandlerClient, FillHandlerError
from fillhandler_server.demo.displays import REFRESH_SECONDS, Display, JsonLines, Lines, Screen
from fillhandler_server.demo.generator import Delivery, Generator
from fillhandler_server.demo.model import Seen
from fillhandler_server.demo.truth import differences

_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 15.0
_STATISTICS_SECONDS: Final = 0.4
_CATCH_UP_SECONDS: Final = 5.0
_ENDING_SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
_READY: Final = "listening on "


class DemoError(Exception):
    """The demo cannot go on; the text says why."""


async def demo(*, seconds: float | None, speed: float, seed: int, as_json: bool) -> int:
    """Runs until `seconds` have passed or a signal comes; the exit code.

    Args:
        seconds: how long, from when the server is ready; None is until Ctrl-C.
        speed: 1 is comfortable to watch.
        seed: the same seed gives the same orders, trades and mishaps.
        as_json: print the events as JSON lines and nothing else.
    """
    console = Console(highlight=False)
    display: Display
    if as_json:
        display = JsonLines()
    elif console.is_terminal and not console.is_dumb_terminal:
        display = Screen(console)
    else:
        display = Lines(console)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _ENDING_SIGNALS:
        loop.add_signal_handler(number, stopping.set)
    seen = Seen()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="fillhandler-demo-") as folder,
            display.open() if isinstance(display, Screen) else nullcontext(),
        ):
            await _run(Path(folder), seen, display, stopping, seconds, speed, seed)
    except BrokenPipeError:
        # Whoever read our output has enough of it. Python's flush at exit would complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (DemoError, FillHandlerError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    finally:
        for number in _ENDING_SIGNALS:
            loop.remove_signal_handler(number)
    if seen.address:
        display.summary()
    return 1 if seen.wrong or (seen.verified is not None and not seen.verified.valid) else 0


async def _run(
    folder: Path,
    seen: Seen,
    display: Display,
    stopping: asyncio.Event,
    seconds: float | None,
    speed: float,
    seed: int,
) -> None:
    async with _server(folder, stopping) as address:
        if not address:
            return
        async with FillHandlerClient(address, token_file=folder / "data" / "token") as client:
            seen.address = address
            display.started(seen)
            show = _Show(client, seen, display, Generator(seed, time.time_ns() // 1_000_000, speed))
            tasks = [
                asyncio.create_task(work)
                for work in (show.play(), show.watch(), show.keep_statistics(), show.refresh())
            ]
            ending = asyncio.create_task(stopping.wait())
            try:
                await asyncio.wait({*tasks, ending}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
                failed = [task for task in tasks if task.done()]
                if not failed:
                    tasks[0].cancel()
                    await show.finish()
            finally:
                for task in (*tasks, ending):
                    task.cancel()
                ended = await asyncio.gather(*tasks, ending, return_exceptions=True)
            for result in ended:
                if isinstance(result, Exception):
                    raise result


class _Show:
    """What goes on while the server runs."""

    def __init__(self, client: FillHandlerClient, seen: Seen, display: Display, generator: Generator) -> None:
        self._client = client
        self._seen = seen
        self._display = display
        self._generator = generator
        self._sequence = 0
        self._caught_up = asyncio.Condition()
        self._through = 0

    async def play(self) -> None:
        """Hands the exchanges' payloads on when they are due."""
        started = time.monotonic()
        for delivery in self._generator.deliveries():
            wait = started + delivery.at_seconds - time.monotonic()
            # Even where it is late others must have their turn.
            await asyncio.sleep(max(0.0, wait))
            await self._deliver(delivery)

    async def _deliver(self, delivery: Delivery) -> None:
        self._display.sent(delivery)
        response = await self._client.process_payload(delivery.venue, delivery.payload)
        self._sequence = max(self._sequence, response.sequence)
        self._seen.answered(delivery, response)
        self._display.answered(delivery, response)
        if delivery.is_last:
            (order,) = (each for each in response.orders if each.order_id == delivery.book.order_id)
            wrong = differences(order, delivery.book)
            self._seen.compared += 1
            if wrong:
                self._seen.wrong.append(f"{delivery.venue} order {order.order_id}: {'; '.join(wrong)}")

    async def watch(self) -> None:
        """Follows the feed, as a subscriber of its own."""
        async for response in self._client.watch_responses(from_beginning=True):
            for event in response.events:
                self._seen.happened(event)
                self._display.happened(event)
            async with self._caught_up:
                self._through = response.through_sequence
                self._caught_up.notify_all()

    async def keep_statistics(self) -> None:
        """Asks for the statistics again and again."""
        while True:
            self._seen.statistics = await self._client.get_fill_statistics()
            await asyncio.sleep(_STATISTICS_SECONDS)

    async def refresh(self) -> None:
        """Lets the display draw."""
        while True:
            self._display.moved()
            await asyncio.sleep(REFRESH_SECONDS)

    async def finish(self) -> None:
        """Nothing more is sent: the feed gets to the end, the last figures are taken, the chain is walked."""
        try:
            async with asyncio.timeout(_CATCH_UP_SECONDS), self._caught_up:
                await self._caught_up.wait_for(lambda: self._through >= self._sequence)
        except TimeoutError:
            raise DemoError("the feed did not catch up with what was recorded") from None
        self._seen.statistics = await self._client.get_fill_statistics()
        self._seen.verified = await self._client.verify_journal()


@asynccontextmanager
async def _server(folder: Path, stopping: asyncio.Event) -> AsyncIterator[str]:
    """`python -m fillhandler_server` in a folder of its own; its address, or "" if it is to stop before."""
    log = folder / "log"
    with log.open("wb") as log_file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "fillhandler_server"),
            *("--listen", "127.0.0.1:0"),
            *("--data-dir", str(folder / "data")),
            *("--key-file", str(folder / "key")),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log_file,
            # Ctrl-C is for this process; it stops the server in its own time.
            start_new_session=True,
            env={name: value for name, value in os.environ.items() if not name.startswith("FILLHANDLER_")}
            | {"FILLHANDLER_KEYRING": "false"},
        )
    try:
        yield await _address(process, log, stopping)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(_STOP_SECONDS):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


async def _address(process: asyncio.subprocess.Process, log: Path, stopping: asyncio.Event) -> str:
    assert process.stdout is not None
    ready = asyncio.ensure_future(process.stdout.readline())
    ending = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait((ready, ending), timeout=_START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if stopping.is_set():
            return ""
        line = ready.result().decode().strip() if ready.done() else ""
    finally:
        ready.cancel()
        ending.cancel()
        await asyncio.gather(ready, ending, return_exceptions=True)
    if not line.startswith(_READY):
        said = (await asyncio.to_thread(log.read_text, errors="replace")).strip().splitlines()
        raise DemoError(f"the server did not start{': ' + said[-1] if said else ''}")
    return line.removeprefix(_READY)
