"""Runs the command line in this process, against the scripted server."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from typer.testing import CliRunner

from fillhandler.cli import app


@dataclass
class Run:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout; a failure if there is anything else."""
        return json.loads(self.stdout)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def problems(self) -> list[Any]:
        """What was reported on stderr with --json."""
        return [json.loads(line)["error"] for line in self.stderr.splitlines()]


@pytest.fixture
def run(server: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """The command line with the server's address, `input` on stdin."""
    monkeypatch.setenv("FILLHANDLER_ADDRESS", server.address)

    def invoke(*arguments: object, input: str | bytes | None = None) -> Run:  # noqa: A002
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=input)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Run(result.exit_code, result.stdout, result.stderr)

    return invoke
