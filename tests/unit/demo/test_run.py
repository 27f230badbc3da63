"""The demo as people run it: a process, ended by its time or by a signal, that leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf.json_format import ParseDict
from support.processes import environment

from fillhandler.v1 import events_pb2
from fillhandler_server.demo import processes, run
from fillhandler_server.demo.comparing import Comparison
from fillhandler_server.demo.model import Seen

pytestmark = pytest.mark.e2e

COMMAND = "import typer; from fillhandler_server.commands import demo; typer.run(demo)"
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    (tmp_path / "tmp").mkdir()

    def begin(*arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", COMMAND, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(TMPDIR=str(tmp_path / "tmp"), TERM="dumb"),
            cwd=tmp_path,
        )

    return begin


class DemoProblemError(Exception):
    pass


async def never_ends() -> None:
    await asyncio.Event().wait()


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


def test_json_is_events_and_nothing_else(start: Start, tmp_path: Path) -> None:
    """Exit code 0 says as well that the record is what the exchange has in its books."""
    process = start("--seconds", "4", "--speed", "8", "--json")
    out, err = process.communicate(timeout=90)
    assert (process.returncode, err) == (0, b"")
    assert left_behind(tmp_path) == []

    events = [ParseDict(json.loads(line), events_pb2.Event()) for line in out.splitlines()]
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    kinds = Counter(event.WhichOneof("event") for event in events)
    assert kinds["fill_recorded"] > 5
    started = {event.trade_started.trade_id for event in events if event.HasField("trade_started")}
    finished = {event.trade_finished.trade_id for event in events if event.HasField("trade_finished")}
    assert len(started) >= 4
    assert started == finished
    retries = [event.retry_scheduled for event in events if event.HasField("retry_scheduled")]
    assert any(each.error_class == "rate_limit" and not each.maybe_applied for each in retries)
    assert any(each.error_class == "timeout" and each.maybe_applied for each in retries)


def test_stops_clean_on_ctrl_c_in_the_middle(start: Start, tmp_path: Path) -> None:
    process = start("--speed", "8")
    assert process.stdout is not None
    while b"OUTCOME UNKNOWN" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    text = out.decode()
    assert (process.returncode, err) == (0, b"")
    assert "every fill of the exchange is in the record once" in text
    for expected in ("Summary", "0 under way", "retry rate", "verified", "Try next"):
        assert expected in text
    assert left_behind(tmp_path) == []


def test_stops_clean_before_anything_is_ready(start: Start, tmp_path: Path) -> None:
    process = start()
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"Starting a simulated exchange")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, b"")
    assert b"Summary" not in out
    assert left_behind(tmp_path) == []


async def test_work_goes_on_until_something_ends_it() -> None:
    """Its own end, an event such as a second Ctrl-C, its time, or a failure of what goes on beside it."""

    async def fails() -> None:
        raise DemoProblemError

    async def work() -> None:
        await asyncio.sleep(0)

    never = asyncio.Event()
    assert await run._until(work(), [], never)
    assert not await run._until(never_ends(), [], never, seconds=0.01)
    ended = asyncio.Event()
    ended.set()
    assert not await run._until(never_ends(), [], ended)
    with pytest.raises(DemoProblemError):
        await run._until(never_ends(), [asyncio.create_task(fails())], never)
    with pytest.raises(DemoProblemError):
        await run._until(fails(), [], never)


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("import sys; sys.exit('error: no more ports')", "did not start: error: no more ports"),
        ("", "the simulated exchange did not start\n"),
    ],
)
async def test_an_exchange_that_cannot_start_is_an_error(
    script: str,
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(processes, "_EXCHANGE", script)
    assert await run.demo(seconds=1, speed=1, seed=1, as_json=True) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert text in said.err
    assert left_behind(tmp_path) == []


async def test_without_the_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "find_spec", lambda name: None if name == "ccxt" else object())
    assert await run.demo(seconds=1, speed=1, seed=1, as_json=True) == 1
    assert "(ccxt missing): pip install 'fillhandler[server,exchanges]'" in capsys.readouterr().err


def test_a_record_that_differs_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    seen = Seen(comparison=Comparison(1, 0, 0, 0, ["trade 9 is in the record 0 times"]))
    assert run._exit_code(seen, as_json=True) == 1
    assert capsys.readouterr().err == "error: trade 9 is in the record 0 times\n"
    assert run._exit_code(Seen(comparison=Comparison(1, 1, 0, 0)), as_json=True) == 0
