"""The demo's displays: lines for pipes and logs, JSON lines for programs; `screen` is the terminal's."""

from __future__ import annotations

import json
import sys
from time import monotonic
from typing import Final, Protocol

from google.protobuf.json_format import MessageToDict
from rich.console import Console
from rich.text import Text

from fillhandler.v1 import events_pb2
from fillhandler_server.demo import words
from fillhandler_server.demo.model import Note, Seen

_STATISTICS_LINE_SECONDS: Final = 3.0


class Display(Protocol):
    """What the run tells."""

    def starting(self, seen: Seen) -> None:
        """A step before it begins; `seen.step` says which."""

    def started(self, seen: Seen) -> None:
        """All is ready."""

    def noted(self, note: Note) -> None:
        """Something to look at."""

    def happened(self, event: events_pb2.Event) -> None:
        """The feed gave an event."""

    def moved(self) -> None:
        """Some time has passed; statistics may have moved."""

    def summary(self) -> None:
        """It is over."""


class JsonLines:
    """One protobuf-JSON event a line, and nothing else."""

    def starting(self, seen: Seen) -> None:
        """Nothing."""

    def started(self, seen: Seen) -> None:
        """Nothing."""

    def noted(self, note: Note) -> None:
        """Nothing."""

    def happened(self, event: events_pb2.Event) -> None:
        """The line."""
        sys.stdout.write(json.dumps(MessageToDict(event), ensure_ascii=False) + "\n")
        sys.stdout.flush()

    def moved(self) -> None:
        """Nothing."""

    def summary(self) -> None:
        """Nothing."""


class Lines:
    """Readable lines in the order of what happens, for pipes, files and logs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._seen = Seen()
        self._started = self._last_statistics = monotonic()

    def _print(self, mark: str, text: str, style: str = "") -> None:
        seconds = monotonic() - self._started
        self._console.print(Text(f"{seconds:6.1f}s  {mark:<7} {text}", style=style), soft_wrap=True)

    def starting(self, seen: Seen) -> None:
        """The step."""
        self._console.print(Text(seen.step), soft_wrap=True)

    def started(self, seen: Seen) -> None:
        """Says what is to be seen."""
        self._seen = seen
        self._started = self._last_statistics = monotonic()
        self._console.print(introduction(seen), soft_wrap=True)

    def noted(self, note: Note) -> None:
        """The note."""
        self._print("note", f"{note.title}. {note.text}", "yellow")

    def happened(self, event: events_pb2.Event) -> None:
        """The event as the feed gives it."""
        kind = event.WhichOneof("event") or ""
        position = words.position(event)
        text = " ".join(filter(None, (f"#{event.sequence}", kind, event.symbol)))
        after = f" → {position}" if position else ""
        self._print("feed", f"{text}: {words.event_words(event)}{after}", "dim")

    def moved(self) -> None:
        """Now and then the statistics."""
        statistics = self._seen.statistics
        if statistics is None or monotonic() - self._last_statistics < _STATISTICS_LINE_SECONDS:
            return
        self._last_statistics = monotonic()
        self._print("totals", "; ".join(f"{name} {text}" for name, text in figures(self._seen)), "bold")

    def summary(self) -> None:
        """What there was, and what to try next."""
        self._console.print(closing(self._seen), soft_wrap=True)


def figures(seen: Seen) -> list[tuple[str, str]]:
    """The statistics, name and text."""
    statistics = seen.statistics
    if statistics is None:
        return []
    orders = ", ".join(
        f"{each.count} {words.status_word(each.status)}" for each in statistics.orders_by_status
    )
    rows = [
        ("trades", f"{seen.started}, {seen.running} under way"),
        ("orders", orders or "none"),
        ("fills", f"{statistics.total_fills}; {statistics.duplicates_dropped} duplicates dropped"),
    ]
    if statistics.HasField("retry_rate"):
        rows.append(("retries", f"{statistics.total_retries}; retry rate {statistics.retry_rate:.0%}"))
    rows.append(("repaired", f"{seen.repaired} that the streams had lost"))
    rows.append(("fees", words.amounts(statistics.fees) or "none"))
    rows.append(("notional", words.amounts(statistics.notional) or "none"))
    if statistics.HasField("maker_ratio"):
        rows.append(("maker", f"{statistics.maker_ratio:.0%} of the notional"))
    if statistics.HasField("completion_rate"):
        rows.append(("completed", f"{statistics.completion_rate:.0%} of the orders that ended"))
    return rows


def introduction(seen: Seen) -> Text:
    """What is to be seen."""
    return Text.assemble(
        ("\nFill Handler demo. ", "bold"),
        f"A real server runs on {seen.address}, with an empty encrypted store of its own, and trades at a"
        " simulated exchange, spot and USD-M futures, which speaks Binance's protocol and misbehaves: it"
        " fills in pieces, refuses, forgets to answer, and its streams lose, repeat and break.\n"
        "note = what to look at · feed = what a subscriber sees, durable before it is shown · totals = the"
        " statistics\n",
    )


def closing(seen: Seen) -> Text:
    """What there was, and what to try next."""
    lines: list[tuple[str, str] | str] = [("\nSummary\n", "bold")]
    lines += [f"  {name:<12} {text}\n" for name, text in figures(seen)]
    comparison = seen.comparison
    if comparison is not None:
        lines.append(("  compared     " + comparison.text + "\n", "red" if comparison.wrong else "green"))
        lines += [(f"               {text}\n", "red") for text in comparison.wrong]
    verified = seen.verified
    if verified is not None and verified.valid:
        text = f"verified: {verified.head_sequence} events, {verified.head_hash[:16]}…"
        lines.append((f"  hash chain   {text}\n", "green"))
    elif verified is not None:
        lines.append((f"  hash chain   BROKEN: {verified.problem}\n", "red"))
    lines += [
        ("\nTry next", "bold"),
        (" (the server, its store and the exchange are gone; these are your own)\n", "dim"),
        "  fillhandler exchange                                  an exchange to rehearse against\n",
        "  fillhandler serve                                     a server that keeps its data\n",
        "  fillhandler venues                                    its connections\n",
        "  fillhandler execute BTCUSDT buy 0.01 --venue binance  a trade\n",
        "  fillhandler retries                                   every attempt behind the trades\n",
        "  fillhandler watch --from-beginning                    its feed, from the first event\n",
    ]
    return Text.assemble(*lines)
