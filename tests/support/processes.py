"""Real processes: `fillhandler serve` and the commands against it. Everything started here is ended here."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Self

CLI: Final = (sys.executable, "-c", "from fillhandler.cli import main; main()")
START_SECONDS: Final = 30
COMMAND_SECONDS: Final = 60


def environment(**more: str) -> dict[str, str]:
    """The test's own, which hides the developer's (tests/conftest.py), with the modules that pytest found."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "200",
        "NO_COLOR": "1",
        **more,
    }


class Lines:
    """The lines of a pipe as they come, read by a thread so that waiting for one has an end."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for line in self._pipe:
            self._lines.put(line.decode())
        self._lines.put(None)

    def next(self, seconds: float = START_SECONDS) -> str | None:
        """The next line; None at the end. Raises TimeoutError."""
        try:
            return self._lines.get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError(f"no line within {seconds} s") from None

    def close(self) -> None:
        self._thread.join(10)
        self._pipe.close()


class Process:
    """A process with its output; as a context manager it is killed at the end if it still runs."""

    def __init__(self, arguments: Sequence[str], log: Path, **more: str) -> None:
        self.log = log
        with log.open("ab") as stderr:
            self.popen = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=environment(**more),
            )
        assert self.popen.stdout is not None
        self.lines = Lines(self.popen.stdout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def wait(self, seconds: float = START_SECONDS) -> int:
        return self.popen.wait(seconds)

    def kill(self) -> None:
        """SIGKILL: nothing of it runs after this."""
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()

    def end(self) -> None:
        if self.popen.poll() is None:
            self.kill()
        if self.popen.stdin is not None and not self.popen.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self.popen.stdin.close()
        self.lines.close()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """Its one JSON document."""
        return json.loads(self.stdout)

    @property
    def documents(self) -> list[Any]:
        """Its JSON lines."""
        return [json.loads(line) for line in self.stdout.splitlines()]


class Site:
    """A folder with a store and its keys, and the server that may run on it."""

    def __init__(self, folder: Path, launcher: Sequence[str] = (*CLI, "serve")) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.log = folder / "server.log"
        self.address = ""
        self.server: Process | None = None
        self._launcher = launcher
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.server is not None:
            self.server.end()

    def launch(self, *options: str, **more: str) -> Process:
        """A server process, not waited for."""
        listen = () if "--listen" in options else ("--listen", self.address or "127.0.0.1:0")
        return Process(
            (*self._launcher, "--data-dir", str(self.data_dir), *listen, *options),
            self.log,
            **{"FILLHANDLER_KEY_FOLDER": str(self.folder / "keys"), **more},
        )

    def start(self, *options: str, **more: str) -> Self:
        """A server that is ready; on the port of the time before."""
        self.server = self.launch(*options, **more)
        line = self.server.lines.next()
        assert line is not None, self.log.read_text()
        assert line.startswith("listening on "), line
        self.address = line.removeprefix("listening on ").strip()
        return self

    def refused(self, *options: str, **more: str) -> str:
        """What a server that must not start says; its exit code is 1 and stdout empty."""
        at = self.log.stat().st_size if self.log.exists() else 0
        with self.launch(*options, **more) as process:
            assert process.wait() == 1
            assert process.lines.next() is None
        return self.log.read_text()[at:]

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.server is not None
        self.server.popen.terminate()
        code = self.server.wait()
        self.server.end()
        self.server = None
        return code

    def kill(self) -> None:
        assert self.server is not None
        self.server.kill()
        self.server.end()
        self.server = None

    @property
    def client_options(self) -> dict[str, str]:
        return {"FILLHANDLER_ADDRESS": self.address, "FILLHANDLER_TOKEN_FILE": str(self.data_dir / "token")}

    def command(self, *arguments: str, stdin: str | None = None, **more: str) -> Ended:
        """Runs a command against the server to its end."""
        done = subprocess.run(
            [*CLI, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            env=environment(**{**self.client_options, **more}),
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def running(self, *arguments: str) -> Process:
        """A command that goes on."""
        return Process((*CLI, *arguments), self.folder / f"{arguments[0]}.log", **self.client_options)


def wait_until(condition: Callable[[], bool], seconds: float = 20, what: str = "") -> None:
    """Waits for a condition that has no event of its own, such as another process's file."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what or "the condition did not come true")
        pause.wait(0.01)
