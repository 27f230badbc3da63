"""The demo as people run it: a process, ended by its time or by a signal, that leaves nothing behind."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path

import pytest
from google.protobuf.json_format import ParseDict
from rich.console import Console

from fillhandler import FillHandlerClient
from fillhandler.v1 import events_pb2, fill_service_pb2
from fillhandler_server.app import Application
from fillhandler_server.config import Settings
from fillhandler_server.demo import words
from fillhandler_server.demo.displays import Lines, Screen
from fillhandler_server.demo.generator import Generator, Oddity
from fillhandler_server.demo.model import Seen
from fillhandler_server.demo.truth import differences

ROOT = Path(__file__).resolve().parents[3]
START_MS = 1_767_000_000_000
pytestmark = pytest.mark.e2e

Run = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def start(*arguments: str) -> subprocess.Popen[bytes]:
        temporary = tmp_path / "tmp"
        temporary.mkdir()
        path = os.pathsep.join(str(ROOT / folder) for folder in ("server", "client"))
        command = "import typer; from fillhandler_server.commands import demo; typer.run(demo)"
        return subprocess.Popen(
            [sys.executable, "-c", command, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path, "TMPDIR": str(temporary), "TERM": "dumb"},
            cwd=tmp_path,
        )

    return start


def left_behind(tmp_path: Path) -> list[str]:
    """Files in the folder, and processes that still use it."""
    found = [str(path) for path in (tmp_path / "tmp").rglob("*")]
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(tmp_path).encode() in command.read_bytes():
                found.append(str(command))
        except OSError:
            continue
    return found


def test_ends_by_itself_and_tells_what_happened(run: Run, tmp_path: Path) -> None:
    out, err = run("--seconds", "3", "--speed", "6").communicate(timeout=60)
    text = out.decode()
    assert err.decode() == ""
    for expected in ("DUPLICATE", "LATE FILL", "OUT OF ORDER", "Summary", "verified", "Try next"):
        assert expected in text
    assert "finished orders equal the exchanges' own books" in text
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stops_clean_on_a_signal(run: Run, tmp_path: Path, number: signal.Signals) -> None:
    process = run("--speed", "5")
    assert process.stdout is not None
    while not process.stdout.readline().strip().endswith(b"left"):
        assert process.poll() is None
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, b"")
    assert b"Summary" in out
    assert left_behind(tmp_path) == []


def test_stops_clean_before_its_server_is_ready(run: Run, tmp_path: Path) -> None:
    process = run()
    folder = tmp_path / "tmp"
    deadline = time.monotonic() + 30
    while not any(folder.iterdir()) and time.monotonic() < deadline:
        pass
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, b"", b"")
    assert left_behind(tmp_path) == []


def test_json_is_events_and_nothing_else(run: Run, tmp_path: Path) -> None:
    process = run("--seconds", "2", "--speed", "8", "--json")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")
    events = [ParseDict(json.loads(line), events_pb2.Event()) for line in out.splitlines()]
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    kinds = Counter(event.WhichOneof("event") for event in events)
    assert kinds["fill_recorded"] > 10
    assert kinds["order_reported"] > 10


@pytest.fixture
async def client(tmp_path: Path) -> object:
    data = tmp_path / "data"
    settings = Settings(
        listen="127.0.0.1:0", data_dir=data, key_file=tmp_path / "key", keyring=False, log_level="error"
    )
    application = Application(settings)
    address = await application.start()
    async with FillHandlerClient(address, token_file=data / "token") as connected:
        yield connected
    await application.stop()


async def test_the_record_equals_the_truth(client: FillHandlerClient) -> None:
    """Over several seeds, each with an account of its own; also what became of each fill is as foretold."""
    for seed in range(4):
        made = list(takewhile(lambda each: each.at_seconds < 20, Generator(seed, START_MS).deliveries()))
        entries = [(each.venue, f"seed-{seed}", each.payload) for each in made]
        results = [result async for result in client.process_payloads(entries)]
        for each, result in zip(made, results, strict=True):
            assert not result.HasField("error"), each.name
            outcomes = [
                fill_service_pb2.Outcome.Name(fill.outcome).removeprefix("OUTCOME_") for fill in result.fills
            ]
            assert tuple(outcomes) == each.outcomes, each.name
            if each.is_last:
                (order,) = result.orders
                assert differences(order, each.book) == []


@pytest.mark.parametrize(("width", "height"), [(200, 60), (150, 40), (100, 40), (80, 24), (60, 20), (40, 15)])
async def test_every_terminal_is_drawn_in_its_bounds(
    client: FillHandlerClient, width: int, height: int
) -> None:
    seen = Seen(address=client.address)
    for delivery in takewhile(lambda each: each.at_seconds < 7, Generator(1, START_MS).deliveries()):
        seen.answered(delivery, await client.process_payload(delivery.venue, delivery.payload))
    seen.statistics = await client.get_fill_statistics()
    async with asyncio.timeout(10):
        async for event in client.watch(from_beginning=True):
            seen.happened(event)
            if event.sequence == seen.statistics.sequence:
                break
    console = Console(width=width, height=height, file=io.StringIO(), force_terminal=True, color_system=None)
    screen = Screen(console)
    screen.started(seen)
    with screen.open():
        pass
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert any(venue in text for venue in words.VENUES)
    assert any(oddity.value.upper() in text for oddity in Oddity)
    assert max(len(line.rstrip("\r")) for line in text.splitlines() if "\x1b" not in line) <= width


def test_every_oddity_is_explained() -> None:
    assert set(words.EXPLANATIONS) == set(Oddity)


def test_lines_without_anything_seen_do_not_fail() -> None:
    console = Console(file=io.StringIO())
    lines = Lines(console)
    lines.started(Seen(address="127.0.0.1:1"))
    lines.moved()
    lines.summary()
