"""The demo's displays: a live screen for a terminal, lines for anything else, JSON lines for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final, Protocol

from google.protobuf.json_format import MessageToDict
from rich.console import Console, Group, RenderableType
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from fillhandler.v1 import events_pb2, fill_service_pb2
from fillhandler_server.demo import words
from fillhandler_server.demo.generator import Delivery, describe
from fillhandler_server.demo.model import Remark, Seen

WIDE_COLUMNS: Final = 130
LOW_LINES: Final = 22
REFRESH_SECONDS: Final = 0.12
_STATISTICS_LINE_SECONDS: Final = 3.0
_STATUS_STYLES: Final = {
    "FILLED": "green",
    "PARTIALLY_FILLED": "yellow",
    "NEW": "cyan",
    "CANCELED": "magenta",
    "REJECTED": "red",
}
_ODD_KINDS: Final = {"fill_enriched": "yellow", "fill_conflicted": "red", "order_anomaly": "red"}


class Display(Protocol):
    """What the run tells."""

    def started(self, seen: Seen) -> None:
        """The server is ready."""

    def sent(self, delivery: Delivery) -> None:
        """A payload is on its way."""

    def answered(self, delivery: Delivery, response: fill_service_pb2.ProcessPayloadResponse) -> None:
        """It was taken."""

    def happened(self, event: events_pb2.Event) -> None:
        """The feed gave an event."""

    def moved(self) -> None:
        """Some time has passed; statistics may have moved."""

    def summary(self) -> None:
        """It is over."""


class JsonLines:
    """One protobuf-JSON event a line, and nothing else."""

    def started(self, seen: Seen) -> None:
        """Nothing."""

    def sent(self, delivery: Delivery) -> None:
        """Nothing."""

    def answered(self, delivery: Delivery, response: fill_service_pb2.ProcessPayloadResponse) -> None:
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
        self._started = self._last_statistics = monotonic()

    def _print(self, mark: str, text: str, style: str = "") -> None:
        seconds = monotonic() - self._started
        self._console.print(Text(f"{seconds:6.1f}s  {mark:<7} {text}", style=style), soft_wrap=True)

    def started(self, seen: Seen) -> None:
        """Says what is to be seen."""
        self._seen = seen
        self._started = self._last_statistics = monotonic()
        self._console.print(introduction(seen), soft_wrap=True)

    def sent(self, delivery: Delivery) -> None:
        """The payload."""
        order = words.short(delivery.book.order_id)
        venue = words.VENUES[delivery.venue]
        self._print("payload", f"{venue} {delivery.name}, order {order}: {describe(delivery.book)}")

    def answered(self, delivery: Delivery, response: fill_service_pb2.ProcessPayloadResponse) -> None:
        """In words, what was odd about it."""
        if delivery.oddity is not None:
            became = words.outcome_words(fill.outcome for fill in response.fills)
            text = f"{delivery.oddity.value.upper()} ({became}). {words.explanation(delivery)}"
            self._print("  note", text, "yellow")

    def happened(self, event: events_pb2.Event) -> None:
        """The event as the feed gives it."""
        kind = event.WhichOneof("event") or ""
        text = f"#{event.sequence} {kind} {event.venue} {event.symbol} {words.short(event.order_id)}:"
        self._print("feed", f"{text} {words.event_words(event)} → {words.position(event)}", "dim")

    def moved(self) -> None:
        """Now and then the statistics."""
        if monotonic() - self._last_statistics < _STATISTICS_LINE_SECONDS:
            return
        statistics = self._seen.statistics
        if statistics is None:
            return
        self._last_statistics = monotonic()
        orders = ", ".join(
            f"{each.count} {words.status_word(each.status)}" for each in statistics.orders_by_status
        )
        self._print(
            "totals",
            f"{statistics.total_fills} fills, orders: {orders}; {statistics.duplicates_dropped} duplicate(s)"
            f" dropped; fees {words.amounts(statistics.fees) or 'none yet'}",
            "bold",
        )

    def summary(self) -> None:
        """What there was, and what to try next."""
        self._console.print(closing(self._seen), soft_wrap=True)


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

    def started(self, seen: Seen) -> None:
        """Starts to show it."""
        self._seen = seen

    def sent(self, delivery: Delivery) -> None:
        """Its answer shows."""

    def answered(self, delivery: Delivery, response: fill_service_pb2.ProcessPayloadResponse) -> None:
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
            return Text("Starting a server of its own …", style="bold")
        title = Text.assemble(
            ("Fill Handler demo", "bold"),
            f"  a real server on {seen.address}, three made-up exchanges. ",
            ("Ctrl-C ends it.", "dim"),
        )
        whole = Layout()
        orders, feed, remarks, figures = (
            Layout(name=name) for name in ("orders", "feed", "remarks", "figures")
        )
        header = Layout(title, size=1 if width >= WIDE_COLUMNS else 2)
        if width >= WIDE_COLUMNS:
            upper, lower = Layout(), Layout()
            upper_rows = max(8, (height - 1) // 2)
            upper.split_row(orders, figures)
            lower.split_row(feed, remarks)
            orders.ratio, figures.ratio, feed.ratio, remarks.ratio = 7, 4, 7, 4
            upper.size = upper_rows
            whole.split_column(header, upper, lower)
            order_rows, feed_rows = upper_rows - 4, height - 1 - upper_rows - 2
            remark_rows = feed_rows
        elif height < LOW_LINES:
            orders.size = max(5, (height - 2) // 2)
            whole.split_column(header, orders, remarks)
            order_rows, feed_rows, remark_rows = orders.size - 3, 1, height - 4 - orders.size
        else:
            figures.size = min(10, max(6, height // 4))
            remarks.size = min(9, max(5, height // 5))
            rest = height - 2 - figures.size - remarks.size
            orders.size = max(6, rest // 2)
            whole.split_column(header, orders, feed, remarks, figures)
            order_rows, feed_rows = orders.size - 4, max(1, rest - orders.size - 2)
            remark_rows = remarks.size - 2
        orders.update(Panel(_orders(seen, order_rows, width), title="Orders, as they stand"))
        feed.update(Panel(_feed(seen, feed_rows, width), title="Live feed (durable before it is shown)"))
        remarks.update(Panel(_remarks(seen, remark_rows), title="What just happened"))
        figures.update(Panel(_figures(seen), title="Statistics"))
        return whole


def _orders(seen: Seen, rows: int, width: int) -> RenderableType:
    has_figures = width >= 96
    # Beside the statistics there is less room.
    has_ids = 96 <= width < WIDE_COLUMNS or width >= 170
    table = Table(box=None, expand=True, pad_edge=False, header_style="dim")
    table.add_column("venue", no_wrap=True)
    table.add_column("symbol", no_wrap=True)
    if has_ids:
        table.add_column("order", no_wrap=True)
    has_all = width >= 56
    if has_all:
        table.add_column("side", no_wrap=True)
    has_ordered = width >= 48
    table.add_column("filled / ordered" if has_ordered else "filled", justify="right", no_wrap=True)
    if has_all:
        table.add_column("%", justify="right", no_wrap=True)
    if has_figures:
        table.add_column("average", justify="right", no_wrap=True)
        table.add_column("fees", justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for order in list(reversed(seen.orders.values()))[: max(1, rows)]:
        status = words.status_word(order.status)
        cells: list[RenderableType] = [order.venue, order.symbol]
        if has_ids:
            cells.append(words.short(order.order_id))
        if has_all:
            cells.append(words.side_word(order.side))
        filled = order.cumulative_quantity or "0"
        cells.append(f"{filled} / {order.order_quantity or '?'}" if has_ordered else filled)
        if has_all:
            percent = float(order.fill_percentage or 0)
            cells.append(f"{percent:.0f}" if order.HasField("fill_percentage") else "")
        if has_figures:
            cells += [words.price(order.average_price), words.amounts(order.fees)]
        shown = "PARTIAL" if status == "PARTIALLY_FILLED" else status
        cells.append(Text(shown, style=_STATUS_STYLES.get(status, "")))
        table.add_row(*cells)
    return table


def _feed(seen: Seen, rows: int, width: int) -> RenderableType:
    lines = []
    for event in list(seen.events)[-max(1, rows) :]:
        kind = event.WhichOneof("event") or ""
        lines.append(
            Text.assemble(
                (f"{event.sequence:>5} ", "dim"),
                (f"{kind:<15} ", _ODD_KINDS.get(kind, "cyan" if kind == "order_reported" else "green")),
                f"{event.venue:<8}{event.symbol:<9} " if width >= 100 else f"{event.symbol:<9} ",
                words.event_words(event),
                (f"  → {words.position(event)}", "dim"),
                no_wrap=True,
                overflow="ellipsis",
            )
        )
    return Group(*lines)


def _remarks(seen: Seen, rows: int) -> RenderableType:
    """The latest first: what does not fit is the older ones."""
    return Group(*(_remark(remark) for remark in list(reversed(seen.remarks))[: max(1, rows)]))


def _remark(remark: Remark) -> Text:
    assert remark.delivery.oddity is not None
    became = f" [{words.outcome_words(remark.outcomes)}]" if remark.outcomes else ""
    return Text.assemble(
        (f"{remark.delivery.oddity.value.upper()}: ", "bold yellow"),
        words.explanation(remark.delivery),
        (became, "dim"),
    )


def _figures(seen: Seen) -> RenderableType:
    statistics = seen.statistics
    if statistics is None:
        return Text("…")
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    statuses = Text(", ").join(
        Text(f"{each.count} {word}", style=_STATUS_STYLES.get(word, ""))
        for each in statistics.orders_by_status
        for word in (words.status_word(each.status),)
    )
    table.add_row("fills", f"{statistics.total_fills} from {seen.payloads} payloads")
    table.add_row("orders", statuses)
    table.add_row("fees", words.amounts(statistics.fees))
    table.add_row("notional", words.amounts(statistics.notional))
    table.add_row(
        "dropped", f"{statistics.duplicates_dropped} duplicates; {statistics.conflicts} conflicts kept apart"
    )
    if statistics.HasField("maker_ratio"):
        table.add_row("maker", f"{statistics.maker_ratio:.0%} of the notional")
    if statistics.HasField("completion_rate"):
        table.add_row("completed", f"{statistics.completion_rate:.0%} of the orders that ended")
    table.add_row("checked", _checked(seen))
    return table


def _checked(seen: Seen) -> Text:
    right = seen.compared - len(seen.wrong)
    text = f"{right} of {seen.compared} finished orders equal the exchanges' own books"
    return Text(text, style="red" if seen.wrong else "green")


def introduction(seen: Seen) -> Text:
    """What is to be seen."""
    return Text.assemble(
        ("Fill Handler demo. ", "bold"),
        f"A real server runs on {seen.address}, with an empty encrypted store of its own. Three made-up"
        " exchanges send it what Binance, Bitget and Phemex send: several orders at once, in pieces, twice,"
        " late and in the wrong order.\n"
        "payload = what a venue sent · feed = what a subscriber sees, durable before it is shown ·"
        " note = what was odd about it\n",
    )


def closing(seen: Seen) -> Text:
    """What there was, and what to try next."""
    lines: list[tuple[str, str] | str] = [("\nSummary\n", "bold")]
    statistics = seen.statistics
    if statistics is not None:
        orders = ", ".join(
            f"{each.count} {words.status_word(each.status)}" for each in statistics.orders_by_status
        )
        lines += [
            f"  fills recorded      {statistics.total_fills}, from {seen.payloads} payloads\n",
            f"  duplicates dropped  {statistics.duplicates_dropped}\n",
            f"  conflicts           {statistics.conflicts}, the first figures stand\n",
            f"  orders              {orders or 'none'}\n",
            f"  fees                {words.amounts(statistics.fees) or 'none'}\n",
            "  compared            ",
            (_checked(seen).plain + "\n", "red" if seen.wrong else "green"),
        ]
        lines += [(f"                      {text}\n", "red") for text in seen.wrong]
    if seen.verified is not None:
        verified = seen.verified
        if verified.valid:
            text = f"verified: {verified.head_sequence} events, {verified.head_hash[:16]}…"
            lines += ["  hash chain          ", (text + "\n", "green")]
        else:
            lines += ["  hash chain          ", (f"BROKEN: {verified.problem}\n", "red")]
    lines += [
        ("\nTry next", "bold"),
        (" (this server and its store are gone; these use one of your own)\n", "dim"),
        "  fillhandler serve                            start a server that keeps its data\n",
        "  fillhandler process-fill --venue binance -   give it a venue's payload on stdin\n",
        "  fillhandler orders                           its orders\n",
        "  fillhandler watch --from-beginning           its feed, from the first event\n",
        "  fillhandler performance                      its statistics\n",
    ]
    return Text.assemble(*lines)
