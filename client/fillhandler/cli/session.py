"""What every command has in common: its connection options, its output, and how it ends.

A command is written as a coroutine `async def name(session, ...)`; `command` makes the Typer command of it.
Nothing is kept in module globals, so the application can be mounted into another one.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Concatenate, Final, NoReturn, ParamSpec

import typer

from fillhandler.cli.output import Output
from fillhandler.cli.problems import describe
from fillhandler.client import FillHandlerClient
from fillhandler.connection import DEFAULT_TIMEOUT_SECONDS
from fillhandler.errors import FillHandlerError, ServerUnreachableError, SettingsError

EXIT_FAILED: Final = 1
EXIT_WRONG_USE: Final = 2
EXIT_UNREACHABLE: Final = 3

_P = ParamSpec("_P")

AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        show_default=False,
        help="Where the server is. Else FILLHANDLER_ADDRESS, else 127.0.0.1:50051.",
    ),
]
TokenFileOption = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        show_default=False,
        help="A file that holds the token. Else FILLHANDLER_TOKEN, FILLHANDLER_TOKEN_FILE, "
        "else what a server of yours on this machine wrote.",
    ),
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print JSON and nothing else on stdout: one document, or a line an entry."),
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        min=0.001,
        show_default=False,
        help=f"How long a single call may take, {DEFAULT_TIMEOUT_SECONDS:g} s unless given.",
    ),
]

_LINE_BREAK: Final = re.compile(r"(?<!\n)\n(?!\n)")

# Where the options that stand before the verb are kept: the context, because it belongs to one invocation.
_META_KEY: Final = "fillhandler.cli.options"


@dataclass(frozen=True, slots=True)
class Options:
    """The options that every command has."""

    address: str | None = None
    token_file: Path | None = None
    json: bool = False
    timeout_seconds: float | None = None


class Session:
    """One run of one command."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.output = Output(json=options.json)
        #: What is said after Ctrl-C: `text`, and more where what was begun goes on without it.
        self.interruption: dict[str, Any] = {"text": "interrupted"}

    def client(self) -> FillHandlerClient:
        """The client that the options ask for."""
        timeout_seconds = self.options.timeout_seconds
        return FillHandlerClient(
            self.options.address,
            token_file=self.options.token_file,
            timeout_seconds=DEFAULT_TIMEOUT_SECONDS if timeout_seconds is None else timeout_seconds,
        )

    def fail(self, text: str, code: int = EXIT_FAILED) -> NoReturn:
        """End the command with one sentence on stderr."""
        self.output.problem({"text": text})
        raise typer.Exit(code)


def keep_options(context: typer.Context, options: Options) -> None:
    """Keep what stands before the verb; the command adds what stands after it."""
    context.meta[_META_KEY] = options


def _shared(
    context: typer.Context,
    address: AddressOption = None,
    token_file: TokenFileOption = None,
    json: JsonOption = False,
    timeout: TimeoutOption = None,
) -> None:
    """The parameters that every command has after its own; only its signature is used."""


def _merged(context: typer.Context, own: Options) -> Options:
    before = context.meta.get(_META_KEY) or Options()
    return Options(
        address=own.address if own.address is not None else before.address,
        token_file=own.token_file if own.token_file is not None else before.token_file,
        json=own.json or before.json,
        timeout_seconds=own.timeout_seconds if own.timeout_seconds is not None else before.timeout_seconds,
    )


_Command = Callable[Concatenate[Session, _P], Awaitable[None]]


def command(
    app: typer.Typer, name: str, *, epilog: str | None = None, ends_on_interrupt: bool = False
) -> Callable[[_Command[_P]], _Command[_P]]:
    """Add a coroutine as a command, with the common options after its own.

    `ends_on_interrupt`: Ctrl-C is the normal end of it, exit code 0.
    """

    def add(function: _Command[_P]) -> _Command[_P]:
        app.command(name, epilog=epilog, help=_help(function))(_runner(function, ends_on_interrupt))
        return function

    return add


def group(app: typer.Typer, name: str, *, epilog: str | None = None) -> Callable[[_Command[_P]], typer.Typer]:
    """Add a coroutine as a command that has commands below it, and runs where none of them is named.

    What it decorates becomes the application that those are added to.
    """

    def add(function: _Command[_P]) -> typer.Typer:
        below = typer.Typer()
        below.callback(invoke_without_command=True)(_runner(function, ends_on_interrupt=False))
        app.add_typer(below, name=name, epilog=epilog, help=_help(function))
        return below

    return add


def _help(function: Callable[..., Any]) -> str:
    # Typer keeps line breaks inside a paragraph, and folds the broken lines once more.
    return _LINE_BREAK.sub(" ", inspect.getdoc(function) or "")


def _runner(function: Callable[..., Awaitable[None]], ends_on_interrupt: bool) -> Callable[..., None]:
    """The coroutine as a function that Typer takes, with the common options after its own."""

    def run(**given: Any) -> None:
        context: typer.Context = given.pop("context")
        own = Options(*(given.pop(option) for option in ("address", "token_file", "json", "timeout")))
        options = _merged(context, own)
        if context.invoked_subcommand is not None:
            keep_options(context, options)
            return
        _run(Session(options), function, given, ends_on_interrupt)

    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    shared = inspect.signature(_shared, eval_str=True).parameters.values()
    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*own, *shared)]
    # What Typer reads instead of run's own.
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def _run(
    session: Session,
    function: Callable[..., Awaitable[None]],
    arguments: dict[str, Any],
    ends_on_interrupt: bool,
) -> None:
    """Run a command and turn however it ends into an exit code, with one sentence on stderr where it
    failed.
    """

    async def main() -> None:
        await function(session, **arguments)

    try:
        asyncio.run(main())
        session.output.flush()
    except ServerUnreachableError as error:
        session.output.problem(describe(error))
        raise typer.Exit(EXIT_UNREACHABLE) from None
    except FillHandlerError as error:
        session.output.problem(describe(error))
        raise typer.Exit(EXIT_FAILED) from None
    except (SettingsError, typer.BadParameter) as error:
        session.output.problem({"text": str(error)})
        raise typer.Exit(EXIT_WRONG_USE) from None
    except BrokenPipeError:
        # Whoever read our output has enough of it (`| head`). Python's flush at exit would complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except OSError as error:
        session.fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except KeyboardInterrupt:
        if ends_on_interrupt:
            raise typer.Exit(0) from None
        session.output.problem(session.interruption)
        raise typer.Exit(EXIT_FAILED) from None
