"""The Typer application."""

from __future__ import annotations

from contextlib import redirect_stdout
from importlib.metadata import PackageNotFoundError, version
from io import StringIO
from typing import Annotated

import typer

from fillhandler.cli import (
    analytics,
    anomalies,
    execute,
    feed,
    fills,
    instruments,
    orders,
    process,
    state,
    trades,
    venues,
)
from fillhandler.cli.output import Output
from fillhandler.cli.server_commands import CommandGroup
from fillhandler.cli.session import (
    AddressOption,
    JsonOption,
    Options,
    TimeoutOption,
    TokenFileOption,
    keep_options,
)

_EPILOG = "Exit codes: 0 done, 1 refused or failed, 2 wrong use, 3 server not reachable."


def _show_version(wanted: bool) -> None:
    if wanted:
        try:
            typer.echo(version("fillhandler"))
        except PackageNotFoundError:  # run from a source tree
            typer.echo("unknown")
        raise typer.Exit


def build() -> typer.Typer:
    """A new application with every command."""
    application = typer.Typer(
        name="fillhandler",
        cls=CommandGroup,
        help="One exact, durable, ordered record of every exchange fill.",
        epilog=_EPILOG,
        no_args_is_help=True,
        # Typer's own would show local variables, and with them tokens.
        pretty_exceptions_enable=False,
    )

    @application.callback()
    def common(
        context: typer.Context,
        address: AddressOption = None,
        token_file: TokenFileOption = None,
        json: JsonOption = False,
        timeout: TimeoutOption = None,
        _version: Annotated[
            bool,
            typer.Option(
                "--version", callback=_show_version, is_eager=True, help="Show the version and end."
            ),
        ] = False,
    ) -> None:
        keep_options(context, Options(address, token_file, json, timeout))

    for commands in (
        state,
        orders,
        fills,
        anomalies,
        process,
        feed,
        execute,
        trades,
        venues,
        analytics,
        instruments,
    ):
        commands.add_to(application)

    @application.command("help", epilog="fillhandler help process-fill")
    def show_help(
        context: typer.Context,
        name: Annotated[
            str | None,
            typer.Argument(metavar="[COMMAND]", show_default=False, help="The command to explain."),
        ] = None,
        json: Annotated[bool, typer.Option("--json", help="Print the text as one JSON document.")] = False,
    ) -> None:
        """Explain the commands, or one of them."""
        parent = context.parent
        assert parent is not None
        assert isinstance(parent.command, CommandGroup)
        wanted = parent
        if name is not None:
            found = parent.command.get_command(parent, name)
            if found is None:
                raise typer.BadParameter(f"there is no command {name!r}; `fillhandler help` lists them")
            wanted = found.make_context(name, [], parent, resilient_parsing=True)
        with redirect_stdout(
            StringIO()
        ) as printed:  # with rich, Typer prints the help instead of returning it
            text = wanted.get_help()
        text = printed.getvalue() + text
        output = Output(json=json)
        if json:
            output.result({"help": text})
        else:
            output.raw(text)

    return application


app = build()


def main() -> None:
    """What the script `fillhandler` runs."""
    app(prog_name="fillhandler")
