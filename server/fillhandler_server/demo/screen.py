"""The demo on a terminal: a live view of trades, feed, notes and statistics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from fillhandler.v1 import events_pb2
from fillhandler_server.demo import words
from fillhandler_server.demo.displays import closing, figures
from fillhandler_server.demo.model import Note, Progress, Seen

WIDE_COLUMNS: Final = 130
LOW_LINES: Final = 22
_BAR_CELLS: Final = 10
_STYLES: Final = {
    "FILLED": "green",
    "WORKING": "cyan",
    "PLACING": "cyan",
    "WAITING": "yellow",
    "UNKNOWN": "bold yellow",
    "CANCELING": "magenta",
    "PARTIALLY_FILLED": "yellow",
    "NOT_FILLED": "magenta",
    "REJECTED": "red",
    "FAILED": "red",
}
_KIND_STYLES: Final = {
    "fill_recorded": "green",
    "trade_finished": "bold green",
    "retry_scheduled": "yellow",
    "retry_exhausted": "red",
    "fill_conflicted": "red",
    "order_anomaly": "red",
    "connection_changed": "magenta",
}


class Screen:
    """A live view over the whole terminal; the summary stays when it is gone."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._seen = Seen()
        self._live: Live | None = None

    @contextmanager
    def open(self) -> Iterator[None]:
        """Takes the terminal over, and gives it back whatever happens."""
        with Live(
            console=self._console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        ) as self._live:
            self.moved()
            try:
                yield
            finally:
                self._live = None

    def starting(self, seen: Seen) -> None:
        """Shows the step."""
        self._seen = seen
        self.moved()

    def started(self, seen: Seen) -> None:
        """Starts to show it."""
        self._seen = seen

    def noted(self, note: Note) -> None:
        """It shows with the next refresh."""

    def happened(self, event: events_pb2.Event) -> None:
        """It shows with the next refresh."""

    def moved(self) -> None:
        """Draws."""
        if self._live is not None:
            self._live.update(self._view(), refresh=True)

    def summary(self) -> None:
        """What there was, and what to try next."""
        self._console.print(closing(self._seen))

    def _view(self) -> RenderableType:
        seen = self._seen
        width, height = self._console.size
        if not seen.address:
            return Text(seen.step or "Starting …", style="bold")
        title = Text.assemble(
            ("Fill Handler demo", "bold"),
            f"  a server on {seen.address}, trading at a simulated exchange. ",
            (seen.step or "Ctrl-C ends it.", "bold" if seen.step else "dim"),
        )
        whole = Layout()
        trades, feed, notes, statistics = (
            Layout(name=name) for name in ("trades", "feed", "notes", "statistics")
        )
        header = Layout(title, size=1 if width >= WIDE_COLUMNS else 2)
        if width >= WIDE_COLUMNS:
            upper, lower = Layout(), Layout()
            upper_rows = max(11, (height - 1) // 2)
            upper.split_row(trades, statistics)
            lower.split_row(feed, notes)
            trades.ratio, statistics.ratio, feed.ratio, notes.ratio = 7, 4, 7, 4
            upper.size = upper_rows
            whole.split_column(header, upper, lower)
            trade_rows, feed_rows = upper_rows - 3, height - 1 - upper_rows - 2
            note_rows = feed_rows
        elif height < LOW_LINES:
            trades.size = max(5, (height - 2) // 2)
            whole.split_column(header, trades, notes)
            trade_rows, feed_rows, note_rows = trades.size - 3, 1, height - 4 - trades.size
        else:
            statistics.size = min(11, max(6, height // 4))
            notes.size = min(10, max(5, height // 5))
            rest = height - 2 - statistics.size - notes.size
            trades.size = max(6, rest // 2)
            whole.split_column(header, trades, feed, notes, statistics)
            trade_rows, feed_rows = trades.size - 3, max(1, rest - trades.size - 2)
            note_rows = notes.size - 2
        trades.update(Panel(_trades(seen, trade_rows, width), title="Trades, the latest first"))
        feed.update(Panel(_feed(seen, feed_rows, width), title="Live feed (durable before it is shown)"))
        notes.update(Panel(_notes(seen, note_rows), title="What to look at, the latest first"))
        statistics.update(Panel(_figures(seen), title="Statistics"))
        return whole


def _trades(seen: Seen, rows: int, width: int) -> RenderableType:
    has_all = width >= 56
    has_figures = width >= 96
    # Beside the statistics there is less room.
    has_limit = 96 <= width < WIDE_COLUMNS or width >= 170
    table = Table(box=None, expand=True, pad_edge=False, header_style="dim")
    table.add_column("symbol", no_wrap=True)
    if has_all:
        table.add_column("market", no_wrap=True)
        table.add_column("order", no_wrap=True)
    if has_limit:
        table.add_column("limit", justify="right", no_wrap=True)
    table.add_column("filled / asked", justify="right", no_wrap=True)
    if has_figures:
        table.add_column("", no_wrap=True)
        table.add_column("average", justify="right", no_wrap=True)
        table.add_column("retries", justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for trade in list(reversed(seen.trades.values()))[: max(1, rows)]:
        asked = trade.request
        cells: list[RenderableType] = [asked.symbol]
        if has_all:
            cells += [asked.market, f"{words.side_word(asked.side)} {asked.type.replace('_', '-')}"]
        if has_limit:
            cells.append(asked.limit_price)
        cells.append(f"{words.number(trade.total) or '0'} / {asked.quantity}")
        if has_figures:
            cells += [_bar(trade), words.number(trade.average), str(trade.retries or "")]
        shown = "PARTIAL" if trade.state == "PARTIALLY_FILLED" else trade.state
        cells.append(Text(shown, style=_STYLES.get(trade.state, "")))
        table.add_row(*cells)
    return table


def _bar(trade: Progress) -> Text:
    full = min(_BAR_CELLS, int(trade.fraction * _BAR_CELLS))
    return Text.assemble(("━" * full, "green"), ("━" * (_BAR_CELLS - full), "dim"))


def _feed(seen: Seen, rows: int, width: int) -> RenderableType:
    lines = []
    for event in list(seen.events)[-max(1, rows) :]:
        kind = event.WhichOneof("event") or ""
        position = words.position(event)
        lines.append(
            Text.assemble(
                (f"{event.sequence:>5} ", "dim"),
                (f"{kind:<18} ", _KIND_STYLES.get(kind, "cyan")),
                f"{event.symbol:<9}" if width >= 80 else "",
                words.event_words(event),
                (f"  → {position}" if position else "", "dim"),
                no_wrap=True,
                overflow="ellipsis",
            )
        )
    return Group(*lines)


def _notes(seen: Seen, rows: int) -> RenderableType:
    """The latest first: what does not fit is the older ones."""
    return Group(
        *(
            Text.assemble((f"{note.title}. ", "bold yellow"), note.text)
            for note in list(reversed(seen.notes))[: max(1, rows)]
        )
    )


def _figures(seen: Seen) -> RenderableType:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in figures(seen):
        table.add_row(name, text)
    return table
