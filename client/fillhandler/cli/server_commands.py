"""Commands that need the server's code. The client never imports it: they come from an entry-point group, and
are loaded only when they are run.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from fillhandler.cli.output import Output
from fillhandler.cli.session import EXIT_FAILED, Session

_GROUP: Final = "fillhandler.commands"

# What the help lists; the commands themselves, their options included, are the server's.
_COMMANDS: Final = {
    "serve": "Run the server.",
    "demo": "Watch it work: a server of its own, a simulated exchange, the live feed.",
    "exchange": "Run a simulated exchange, to rehearse against.",
}


class ServerMissingError(Exception):
    """The server's code is not installed."""


def _load(name: str) -> Callable[..., Any]:
    """The server's function for a command. Raises ServerMissingError."""
    way_out = "pip install 'fillhandler[server]'"
    for entry_point in entry_points(group=_GROUP, name=name):
        try:
            function: Callable[..., Any] = entry_point.load()
        except ImportError as error:
            # Listed whether or not the extra is installed. Its text names what is missing, so that a fault of
            # the server's own is not taken for a missing package.
            raise ServerMissingError(f"`{name}` needs the server: {way_out} ({error})") from error
        return function
    raise ServerMissingError(f"`{name}` needs the server: {way_out}")


class _ServerCommand(TyperCommand):
    """Stands for a command until it is used."""

    def _real(self, *, json: bool = False) -> Any:
        assert self.name is not None
        try:
            function = _load(self.name)
        except ServerMissingError as error:
            Output(json=json).problem({"text": str(error)})
            raise typer.Exit(EXIT_FAILED) from None
        holder = typer.Typer(add_completion=False)
        holder.command(self.name)(function)
        return typer.main.get_command(holder)

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The real command's context: from here on it takes over."""
        return self._real(json="--json" in args).make_context(info_name, args, parent, **extra)

    def get_help(self, ctx: Any) -> str:
        """The real command's help."""
        text: str = self._real().get_help(ctx)
        return text


class CommandGroup(TyperGroup):
    """The commands of the client, and those of the server."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        server = {name: _ServerCommand(name, help=text, short_help=text) for name, text in _COMMANDS.items()}
        self.commands = {**server, **self.commands}


def verify_folder(session: Session, data_dir: Path, key_file: Path | None) -> int:
    """Let the server's code check a data folder; the exit code. It prints its own result."""
    try:
        verify = _load("verify")
    except ServerMissingError as error:
        session.fail(str(error))
    code: int = verify(data_dir=data_dir, key_file=key_file, json_output=session.output.json)
    return code
