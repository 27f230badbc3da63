"""process-fill: a file of fills and payloads, into the record."""

from __future__ import annotations

import asyncio
import io
import shutil
import sys
import tempfile
from collections import Counter, deque
from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Final, Generic, TypeVar, cast

import typer

from fillhandler.cli.entries import BadEntry, Entry, check_fill, read_entries
from fillhandler.cli.output import ProgressBar
from fillhandler.cli.session import EXIT_FAILED, Session, command
from fillhandler.client import FillHandlerClient
from fillhandler.threads import from_thread
from fillhandler.v1 import fill_service_pb2, fills_pb2
from fillhandler.v1.fill_service_pb2 import VenuePayload

_STDIN: Final = Path("-")
# Entries that wait for a stream; the client gathers them into batches.
_QUEUE_MAX: Final = 2_000
# Entries between two moves of the progress bar.
_PROGRESS_EVERY: Final = 200

_ContentT = TypeVar("_ContentT", fill_service_pb2.VenuePayload, fills_pb2.Fill)


def add_to(app: typer.Typer) -> None:
    """Add this command."""

    @command(
        app,
        "process-fill",
        epilog="fillhandler process-fill sample.json --venue binance   ·   "
        "cat fills.jsonl | fillhandler process-fill - --json",
    )
    async def process_fill(
        session: Session,
        file: Annotated[
            Path,
            typer.Argument(metavar="FILE", help="What to read; - means stdin."),
        ],
        venue: Annotated[
            str,
            typer.Option(
                "--venue",
                show_default=False,
                help="The venue of payloads that do not say; may be left out where their keys name one.",
            ),
        ] = "",
        account: Annotated[
            str, typer.Option("--account", show_default=False, help="The account of entries that do not say.")
        ] = "",
        format: Annotated[
            str,
            typer.Option(
                "--format",
                show_default=False,
                help="ccxt: payloads that do not say are ccxt's unified trades and orders, of any --venue.",
            ),
        ] = "",
        strict: Annotated[
            bool,
            typer.Option("--strict", help="Check everything first, and record nothing if anything is bad."),
        ] = False,
    ) -> None:
        """Record the fills and order reports in a file: a JSON object, an array, or JSON lines.

        Each entry is a venue's payload as it came, or {"venue", "account", "format", "payload"}, or a
        protobuf-JSON Fill, which is what has the keys venue, symbol and quantity. A bad entry is reported
        with its line on stderr and the rest goes on; the exit code is 1 then. The same file again is safe:
        nothing counts twice.
        """
        if file != _STDIN and not file.is_file():
            raise typer.BadParameter(f"{file} is no file")
        with ExitStack() as stack:
            source = _Source(stack, file, again=strict)
            async with session.client() as client:
                run = _Run(session, client, VenuePayload(venue=venue, account=account, format=format))
                if strict:
                    summary = await run.go_through(source, "checking", validate_only=True)
                    if summary.refused:
                        _report(session, Summary(entries=summary.entries, refused=summary.refused))
                        session.fail(
                            f"{summary.refused} of {summary.entries} entries are bad: nothing was recorded"
                        )
                summary = await run.go_through(source, "processing", validate_only=False)
        _report(session, summary)
        if summary.refused:
            raise typer.Exit(EXIT_FAILED)


def _report(session: Session, summary: Summary) -> None:
    if session.output.json:
        session.output.result(asdict(summary))
        return
    shown = {name.replace("_", " "): value for name, value in asdict(summary).items() if value}
    shown["skipped"] = ", ".join(f"{count} {kind}" for kind, count in summary.skipped.items())
    session.output.record({"entries": summary.entries, **shown})


class _Source:
    """The file, to be read from its start as often as needed."""

    def __init__(self, stack: ExitStack, file: Path, *, again: bool) -> None:
        self._file = cast("io.BufferedIOBase", sys.stdin.buffer)
        #: None where it is not known.
        self.total_bytes: int | None = None
        if file != _STDIN:
            self._file = stack.enter_context(file.open("rb"))
        elif again:
            # On disk, because it may be larger than memory; the stack closes it, which deletes it.
            spool = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
            shutil.copyfileobj(sys.stdin.buffer, spool)
            self._file = cast("io.BufferedIOBase", spool)
        else:
            return
        if self._file.seekable():
            self.total_bytes = self._file.seek(0, io.SEEK_END)

    def rewound(self) -> io.BufferedIOBase:
        """The file at its start."""
        if self.total_bytes is not None:
            self._file.seek(0)
        return self._file


@dataclass
class Summary:
    """What became of a file. `recorded` to `conflict` count fills, `refused` and `entries` count entries.

    `skipped` counts, by kind, what was neither a fill nor an order report. `sequence` is the last event's.
    """

    entries: int = 0
    recorded: int = 0
    duplicate: int = 0
    enriched: int = 0
    conflict: int = 0
    refused: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    sequence: int = 0

    def count_fill(self, outcome: fill_service_pb2.Outcome.ValueType, sequence: int) -> None:
        """Count one fill that was taken."""
        match outcome:
            case fill_service_pb2.OUTCOME_RECORDED:
                self.recorded += 1
            case fill_service_pb2.OUTCOME_DUPLICATE:
                self.duplicate += 1
            case fill_service_pb2.OUTCOME_ENRICHED:
                self.enriched += 1
            case fill_service_pb2.OUTCOME_CONFLICT:
                self.conflict += 1
        self.sequence = max(self.sequence, sequence)


class _Lane(Generic[_ContentT]):
    """One stream's entries on their way: queued, sent, and matched with their results, which come in
    order.
    """

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Entry | None] = asyncio.Queue(_QUEUE_MAX)
        self._sent: deque[Entry] = deque()

    async def put(self, entry: Entry | None) -> None:
        """Queue an entry; None ends the lane."""
        await self._queue.put(entry)

    async def contents(self) -> AsyncGenerator[_ContentT]:
        """What to send."""
        while (entry := await self._queue.get()) is not None:
            self._sent.append(entry)
            yield cast("_ContentT", entry.content)

    def answered(self) -> Entry:
        """The entry that the next result is for."""
        return self._sent.popleft()


class _Run:
    """Goes through a file: reads on a thread, sends fills and payloads over a stream each, and counts."""

    def __init__(self, session: Session, client: FillHandlerClient, unsaid: VenuePayload) -> None:
        """`unsaid`: venue, account and format of entries that do not say."""
        self._session = session
        self._client = client
        self._unsaid = unsaid
        self._summary = Summary()
        self._bar: ProgressBar | None = None
        self._total_bytes: int | None = None

    async def go_through(self, source: _Source, label: str, *, validate_only: bool) -> Summary:
        """Process the whole file, or only check it.

        Raises:
            FillHandlerError: The server is not to be had. What was counted before is acknowledged.
        """
        self._summary = summary = Summary()
        self._total_bytes = source.total_bytes
        payloads: _Lane[fill_service_pb2.VenuePayload] = _Lane()
        fills: _Lane[fills_pb2.Fill] = _Lane()
        with self._session.output.progress(label, unit="bytes") as self._bar:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._route(source, payloads, fills))
                    group.create_task(self._process(payloads, validate_only=validate_only))
                    group.create_task(self._check(fills) if validate_only else self._record(fills))
            except BaseExceptionGroup as group_error:
                if summary.entries and not validate_only:
                    self._session.output.note(
                        f"{summary.entries} entries were acknowledged; the same file again is safe"
                    )
                raise group_error.exceptions[0] from None
        return summary

    async def _route(
        self, source: _Source, payloads: _Lane[fill_service_pb2.VenuePayload], fills: _Lane[fills_pb2.Fill]
    ) -> None:
        unsaid = self._unsaid
        entries = from_thread(read_entries(source.rewound(), unsaid.venue, unsaid.account, unsaid.format))
        async with aclosing(entries):
            async for entry in entries:
                match entry.content:
                    case BadEntry():
                        self._refuse(entry, entry.content.reason, entry.content.field, entry.content.text)
                        self._count(entry)
                    case fills_pb2.Fill():
                        await fills.put(entry)
                    case _:
                        await payloads.put(entry)
        await payloads.put(None)
        await fills.put(None)

    async def _process(self, lane: _Lane[fill_service_pb2.VenuePayload], *, validate_only: bool) -> None:
        skipped = Counter(self._summary.skipped)
        results = self._client.process_payloads(lane.contents(), validate_only=validate_only)
        async with aclosing(results):
            async for result in results:
                entry = lane.answered()
                if result.HasField("error"):
                    self._refuse(entry, result.error.reason, result.error.field, result.error.text)
                for fill in result.fills:
                    self._summary.count_fill(fill.outcome, fill.sequence)
                for each in result.skipped:
                    skipped[each.kind] += each.count
                self._summary.sequence = max(self._summary.sequence, result.sequence)
                self._count(entry)
        self._summary.skipped = dict(skipped)

    async def _record(self, lane: _Lane[fills_pb2.Fill]) -> None:
        results = self._client.record_fills(lane.contents())
        async with aclosing(results):
            async for result in results:
                entry = lane.answered()
                if result.outcome == fill_service_pb2.OUTCOME_REFUSED:
                    self._refuse(entry, result.error.reason, result.error.field, result.error.text)
                else:
                    self._summary.count_fill(result.outcome, result.sequence)
                self._count(entry)

    async def _check(self, lane: _Lane[fills_pb2.Fill]) -> None:
        async for fill in lane.contents():
            entry = lane.answered()
            bad = check_fill(fill)
            if bad is not None:
                self._refuse(entry, bad.reason, bad.field, bad.text)
            self._count(entry)

    def _count(self, entry: Entry) -> None:
        self._summary.entries += 1
        if self._bar is not None and self._summary.entries % _PROGRESS_EVERY == 0:
            self._bar(entry.end_bytes, self._total_bytes)

    def _refuse(self, entry: Entry, reason: str, place: str, text: str) -> None:
        self._summary.refused += 1
        self._session.output.problem({"line": entry.line, "reason": reason, "field": place, "text": text})
