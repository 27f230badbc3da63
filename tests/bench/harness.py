"""What every row is measured with: a real server process, raw gRPC, the turns, the JSON line.

Requests are serialised before the clock starts and answers are counted, not parsed, so that a row shows the
server and the reference rather than this process.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Final, Literal

import grpc
import grpc.aio

ROOT: Final = Path(__file__).resolve().parents[2]
START_SECONDS: Final = 120.0
_CHANNEL_OPTIONS: Final = (
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", 64 << 20),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
)

Better = Literal["higher", "lower"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How much is measured.

    Attributes:
        rounds: Turns of reference and ours; each figure is the median of them.
        fills: Fills a round, in the rows about rates.
        long: Whether rows about size use the sizes of the goals (minutes each) instead of smaller ones.
    """

    rounds: int = 5
    fills: int = 100_000
    long: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measured row. `ratio` = ours / reference."""

    name: str
    ours: float
    reference: float | None
    unit: str
    goal: float
    better: Better
    gate: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float:
        return self.ours if self.reference is None else self.ours / self.reference

    @property
    def below_gate(self) -> bool:
        """Whether it misses its first gate. Rows without one never do."""
        if self.gate is None:
            return False
        return self.ratio < self.gate if self.better == "higher" else self.ratio > self.gate

    def line(self) -> str:
        sign = ">=" if self.better == "higher" else "<="
        fields: dict[str, Any] = {
            "name": self.name,
            "ours": _rounded(self.ours),
            "reference": None if self.reference is None else _rounded(self.reference),
            "ratio": None if self.reference is None else round(self.ratio, 3),
            "goal": f"{sign} {self.goal:g}",
            "unit": self.unit,
        }
        if self.note:
            fields["note"] = self.note
        return json.dumps(fields)


def _rounded(value: float) -> float:
    return round(value) if value >= 1000 else float(f"{value:.4g}")


async def in_turn(
    rounds: int, reference: Callable[[int], Awaitable[float]], ours: Callable[[int], Awaitable[float]]
) -> tuple[float, float]:
    """Measures reference and ours by turns. Returns the medians, ours first."""
    measured: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        measured[0].append(await reference(number))
        measured[1].append(await ours(number))
        turn_note(f"turn {number}: {measured[1][-1]:.6g} / {measured[0][-1]:.6g}")
    return statistics.median(measured[1]), statistics.median(measured[0])


def turn_note(text: str) -> None:
    """Shows a detail of one turn, where BENCH_TURNS is set."""
    if os.environ.get("BENCH_TURNS"):
        sys.stderr.write(text + "\n")


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


# ------------------------------------------------------------------ processes


class Process:
    """A server as a child process: started, asked for its address, stopped."""

    def __init__(self, module: str, *arguments: str, environment: dict[str, str] | None = None) -> None:
        path = os.pathsep.join(str(ROOT / folder) for folder in ("server", "client", "."))
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the process
        self._child = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": path} | (environment or {}),
        )
        lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(lines,), daemon=True).start()
        try:
            line = lines.get(timeout=START_SECONDS)
        except queue.Empty:
            line = ""
        if not line.startswith("listening on "):
            self._child.kill()
            self._child.wait()
            self._log.seek(0)
            raise RuntimeError(f"{module} did not start: {self._log.read().decode(errors='replace')}")
        self.address = line.split()[-1]

    def _read(self, lines: queue.SimpleQueue[str]) -> None:
        assert self._child.stdout is not None
        lines.put(self._child.stdout.readline().decode())

    @property
    def resident_bytes(self) -> int:
        """Memory it holds."""
        for line in Path(f"/proc/{self._child.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("no VmRSS in /proc")

    @property
    def cpu_seconds(self) -> float:
        """Processor time it has used."""
        fields = Path(f"/proc/{self._child.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self._child.terminate()
        try:
            self._child.wait(60)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        assert self._child.stdout is not None
        self._child.stdout.close()
        self._log.close()


class Server(Process):
    """`python -m fillhandler_server` on a folder of its own: the real thing, encrypted, on a free port."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.data = folder / "data"
        super().__init__(
            "fillhandler_server",
            *("--listen", "127.0.0.1:0"),
            *("--data-dir", str(self.data)),
            *("--key-file", str(folder / "key")),
            environment={"FILLHANDLER_KEYRING": "false"},
        )
        self.metadata = (("authorization", f"Bearer {(self.data / 'token').read_text().strip()}"),)


class EchoServer(Process):
    """grpc.aio that gives back each request's bytes: what a message costs before anything is done with it."""

    metadata: tuple[tuple[str, str], ...] = ()

    def __init__(self) -> None:
        super().__init__("tests.bench.echo_server")


@asynccontextmanager
async def running(make: Callable[[], Process]) -> AsyncIterator[Any]:
    """A server for the time of a `with`."""
    process = await asyncio.to_thread(make)
    try:
        yield process
    finally:
        await asyncio.to_thread(process.stop)


# ------------------------------------------------------------------ raw calls


def channel(process: Process) -> grpc.aio.Channel:
    """A connection of its own to a server."""
    return grpc.aio.insecure_channel(process.address, options=_CHANNEL_OPTIONS)


async def stream(
    connection: grpc.aio.Channel,
    method: str,
    metadata: Any,
    requests: Sequence[bytes],
    window: int,
) -> float:
    """Sends requests over one bidirectional stream with at most `window` unanswered; returns seconds."""
    call = connection.stream_stream(method)(metadata=metadata)
    await call.wait_for_connection()
    free = asyncio.Semaphore(window)

    async def send() -> None:
        for request in requests:
            await free.acquire()
            await call.write(request)

    started = perf_counter()
    sending = asyncio.create_task(send())
    for _ in requests:
        if await call.read() is grpc.aio.EOF:
            raise RuntimeError(f"the stream ended: {await call.code()} {await call.details()}")
        free.release()
    seconds = perf_counter() - started
    await sending
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    return seconds


async def unary(
    connection: grpc.aio.Channel,
    method: str,
    metadata: Any,
    requests: Sequence[bytes],
    at_once: int,
) -> float:
    """Makes unary calls, `at_once` at any time; returns seconds."""
    call = connection.unary_unary(method)
    await connection.channel_ready()
    remaining = iter(requests)

    async def work() -> None:
        for request in remaining:
            await call(request, metadata=metadata)

    started = perf_counter()
    await asyncio.gather(*(work() for _ in range(at_once)))
    return perf_counter() - started
