"""What commands print: JSON for programs, tables for people; everything that is not the result on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console
from rich.live import Live
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

# Rich folds at the terminal's width. Where there is no terminal nothing shall be folded.
_UNLIMITED_WIDTH = 10_000


def document(message: Message) -> dict[str, Any]:
    """A message as protobuf-JSON, with zeros and empty lists written out; what is absent stays absent."""
    shown: dict[str, Any] = MessageToDict(message, always_print_fields_with_no_presence=True)
    return shown


def line(message: Message) -> dict[str, Any]:
    """A message as canonical protobuf-JSON, for streams."""
    shown: dict[str, Any] = MessageToDict(message)
    return shown


def clean(value: object) -> str:
    """Text that a terminal cannot be steered by: ids and texts come from venues, and may hold escape
    codes.
    """
    text = str(value)
    return text if text.isprintable() else "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


class Output:
    """Where one command's results and messages go."""

    def __init__(self, *, json: bool) -> None:
        self.json = json
        self._stdout = Console(highlight=False, markup=False, soft_wrap=False)
        if not self._stdout.is_terminal:
            self._stdout.width = _UNLIMITED_WIDTH
        self._stderr = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)

    @property
    def live_terminal(self) -> bool:
        """Whether people watch stdout, so that what stands there may be drawn again."""
        return not self.json and sys.stdout.isatty() and self._stdout.is_terminal

    @property
    def interactive(self) -> bool:
        """Whether someone can be asked."""
        return sys.stdin.isatty() and self._stderr.is_terminal

    def result(self, value: object) -> None:
        """One JSON document, or one line of a stream of them."""
        sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")

    def flush(self) -> None:
        """Let a reader at the other end of a pipe have it now."""
        sys.stdout.flush()

    def text(self, text: str, style: str = "") -> None:
        """A line of the result, for people."""
        self._stdout.print(Text(text, style=style))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> None:
        """Rows under headings. Names that start with `#` are numbers: right aligned, the sign left out."""
        table = Table(
            title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold"
        )
        for column in columns:
            # Folded, never cut: a decimal that lost its last digits is another decimal.
            table.add_column(
                column.removeprefix("#"),
                justify="right" if column.startswith("#") else "left",
                overflow="fold",
            )
        for row in rows:
            table.add_row(*(Text("" if cell is None else clean(cell)) for cell in row))
        self._stdout.print(table)

    def record(self, fields: Mapping[str, object], *, title: str = "") -> None:
        """One thing's fields, a line each; empty ones are left out."""
        self._stdout.print(_record(fields, title))

    @contextmanager
    def live(self, fields: Callable[[], Mapping[str, object]]) -> Iterator[None]:
        """A record that is drawn again four times a second while the block runs, and is gone after it.

        `fields` is called on another thread. Only where `live_terminal`.
        """
        with Live(
            get_renderable=lambda: _record(fields()),
            console=self._stdout,
            refresh_per_second=4,
            transient=True,
            # What the command prints itself is printed after the block.
            redirect_stdout=False,
            redirect_stderr=False,
        ):
            yield

    def raw(self, text: str) -> None:
        """A line of a stream, for people; cheaper than `text`."""
        sys.stdout.write(text + "\n")

    def note(self, text: str) -> None:
        """A remark for people, on stderr; not with --json."""
        if not self.json:
            self._stderr.print(Text(clean(text), style="dim"))

    def problem(self, problem: Mapping[str, Any]) -> None:
        """One failure on stderr: a sentence, or with --json a line of JSON."""
        if self.json:
            sys.stderr.write(json.dumps({"error": problem}, ensure_ascii=False) + "\n")
            return
        place = f"line {problem['line']}: " if "line" in problem else ""
        reason = f"{problem['reason']}: " if "reason" in problem else ""
        # The server's texts name the fields that they are about.
        if problem.get("field") and problem["field"] not in problem["text"]:
            reason += f"{problem['field']}: "
        hint = f" ({problem['hint']})" if "hint" in problem else ""
        self._stderr.print(Text(clean(f"{place}{reason}{problem['text']}{hint}"), style="red"))

    @contextmanager
    def progress(self, label: str, *, unit: str = "") -> Iterator[ProgressBar]:
        """A bar on stderr while the block runs; nothing where stderr is no terminal. `unit`: "bytes" or
        none.
        """
        count = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            count,
            TimeRemainingColumn(),
            console=self._stderr,
            transient=True,
            disable=not self._stderr.is_terminal,
        )
        with bar:
            yield ProgressBar(bar, label)


def _record(fields: Mapping[str, object], title: str = "") -> Table:
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in fields.items():
        if value is not None and value != "":
            table.add_row(name, Text(clean(value)))
    return table


class ProgressBar:
    """One bar. Called with what is done and what there is in all; an unknown total moves without an end."""

    def __init__(self, bar: Progress, label: str) -> None:
        self._bar = bar
        self._task = bar.add_task(label, total=None)

    def __call__(self, done: int, total: int | None) -> None:
        self._bar.update(self._task, completed=done, total=total)
