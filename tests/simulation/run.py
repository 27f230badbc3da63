"""Runs a day through the venue's module and the engine, and compares the record with the truth."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.simulation.checking import problems
from tests.simulation.faults import Arrivals, go_wrong
from tests.simulation.model import make_day
from tests.simulation.truth import Day
from tests.simulation.venues import WRITERS
from tests.simulation.world import send
from tests.simulation.writer import SECOND, Message
from tests.support.desks import StoreDesk
from tests.support.memory_book import MemoryBook

from fillhandler_server import venues
from fillhandler_server.domain.errors import FillHandlerError
from fillhandler_server.domain.events import Outcome
from fillhandler_server.domain.fills import Fill, FillState
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.reports import ParsedPayload
from fillhandler_server.engine import Engine, Result

GRACE = 2 * SECOND
"""How long a report's cumulative quantity waits for the fills that it counts (domain.md)."""


class Shell(Protocol):
    """The engine over one kind of store, with a virtual clock."""

    infers: bool

    def run(self, now: int, work: Callable[[Engine], list[Result]]) -> list[Result]:
        """One batch at a time of the virtual clock."""

    def orders(self) -> list[Order]: ...

    def content(self, sequence: int) -> tuple[Fill, FillState]: ...


INFERS = hasattr(Engine, "infer")


class MemoryShell:
    """Plain dictionaries: fast."""

    infers = INFERS

    def __init__(self) -> None:
        self.book = MemoryBook()
        self.engine = Engine(self.book, 0, lambda event, now: None)

    def run(self, now: int, work: Callable[[Engine], list[Result]]) -> list[Result]:
        self.engine.begin(now)
        return work(self.engine)

    def orders(self) -> list[Order]:
        return list(self.book.orders.values())

    def content(self, sequence: int) -> tuple[Fill, FillState]:
        return self.book.fill(sequence), self.book.states.get(sequence, FillState.STANDING)


class StoreShell:
    """The real encrypted store behind the real write path; it is restarted on the way."""

    infers = INFERS

    def __init__(self, folder: Path, restart_every: int = 50) -> None:
        self.desk = StoreDesk(folder)
        self._every = restart_every
        self._batches = 0

    def run(self, now: int, work: Callable[[Engine], list[Result]]) -> list[Result]:
        self._batches += 1
        if self._batches % self._every == 0:
            self.desk.restart(flush=self._batches % (2 * self._every) == 0)
        self.desk.now = now
        return self.desk.do(lambda session: work(session.engine))

    def orders(self) -> list[Order]:
        return self.desk.orders()

    def content(self, sequence: int) -> tuple[Fill, FillState]:
        return self.desk.content(sequence)

    def close(self) -> None:
        self.desk.close()


def read(venue: str, message: Message) -> ParsedPayload:
    """What the venue's module understands of a message."""
    return venues.parse_payload(venue, message.account, message.payload)


class Grace:
    """Gives the fills that a report counts their time to arrive, as the server's shell does."""

    def __init__(self) -> None:
        self._due: dict[int, int] = {}
        """Order → when its gap is closed by an inferred fill."""

    def note(self, results: list[Result], now: int) -> None:
        """After each batch: where the venue states more than the fills, time runs."""
        for order in {result.order.number: result.order for result in results if INFERS}.values():
            if order.gap > order.inferred_quantity:
                self._due.setdefault(order.number, now + GRACE)
            else:
                self._due.pop(order.number, None)

    def tick(self, engine: Engine, now: int) -> list[Result]:
        """Infers the fills whose reports have waited for them long enough."""
        for number in [number for number, due in self._due.items() if due <= now]:
            del self._due[number]
            with suppress(KeyError):  # merged into another, which is noted itself
                engine.infer(engine.book.order(number))
        return []


def apply(engine: Engine, venue: str, message: Message) -> list[Result]:
    """As the service does with a payload: its fills first, then its reports."""
    if message.command is not None:
        return [getattr(engine, message.command.method)(*message.command.arguments())]
    parsed = read(venue, message)
    results = [engine.record_fill(fill) for fill in parsed.fills]
    return results + [engine.report_order(report) for report in parsed.reports]


@dataclass
class Outcomes:
    """How a seed went."""

    day: Day
    arrivals: Arrivals
    problems: list[str]


def simulate(venue: str, seed: int, shell: Shell | None = None, *, tell: Any = None) -> Outcomes:
    """One seed.

    Args:
        venue: one with a writer.
        seed: what chance there is.
        shell: where it is recorded; in memory by default.
        tell: is called with a line of text about each step.
    """
    writer = WRITERS[venue]
    shell = shell if shell is not None else MemoryShell()
    day = make_day(writer, seed)
    arrivals = go_wrong(day, send(day, writer))
    found: list[str] = []
    now, grace = day.start, Grace()
    if tell is not None:
        _tell_day(day, arrivals, tell)
    for time, message in arrivals.deliveries:
        # The engine's clock never goes back.
        now = max(now, time)
        shell.run(now, lambda engine: grace.tick(engine, now))  # noqa: B023  # called at once
        try:
            results = shell.run(now, lambda engine: apply(engine, writer.venue, message))  # noqa: B023  # the same
        except FillHandlerError as error:
            found.append(f"refused: {error}: {message!r}")
            continue
        grace.note(results, now)
        outcomes = [result.outcome.name for result in results]
        if tell is not None:
            tell(f"{(now - day.start) / SECOND:9.3f} {message!r} -> {' '.join(outcomes) or 'nothing'}")
        if Outcome.CONFLICT in (result.outcome for result in results):
            found.append(f"conflict: {message!r}")
    for _ in range(3):  # an inference may make another due
        now += GRACE + SECOND
        shell.run(now, lambda engine: grace.tick(engine, now))  # noqa: B023  # called at once
    found += problems(day, arrivals, writer.capabilities, shell)
    return Outcomes(day, arrivals, found)


def replay_line(venue: str, seed: int) -> str:
    """The command that shows a seed again."""
    return f"python -m tests.simulation --venue {venue} --seed {seed} -v"


def failures(venue: str, seeds: range) -> list[str]:
    """Runs seeds in memory; each line is a failed one and how to see it again."""
    found = []
    for seed in seeds:
        try:
            told = simulate(venue, seed).problems
        except Exception as error:  # noqa: BLE001  # whatever it is, its seed has to be told
            told = [f"{type(error).__name__}: {error}"]
        if told:
            more = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
            found.append(f"FAILED {venue} seed {seed}: {told[0][:300]}{more}\n    {replay_line(venue, seed)}")
    return found


def in_store(venue: str, seed: int, folder: Path) -> list[str]:
    """The same seed against the real store."""
    shell = StoreShell(folder)
    try:
        return simulate(venue, seed, shell).problems
    finally:
        with suppress(Exception):
            shell.close()


def _tell_day(day: Day, arrivals: Arrivals, tell: Any) -> None:
    tell(f"{day.venue} seed {day.seed}: {arrivals.plan}")
    for order in day.orders:
        tell(f"{order}{' registered' if order.registered else ''}")
        for event in order.events:
            e, state = event.execution, event.state
            traded = ""
            if e is not None:
                lost = " GONE" if e in arrivals.gone else " NO FEE" if e in arrivals.without_fee else ""
                traded = f" {e.trade_id}{e.leg and ' ' + e.leg} {e.quantity} at {e.price} fee {e.fee} "
                traded += f"{e.fee_currency}{lost}"
            tell(
                f"    {(event.time - day.start) / SECOND:9.3f} {event.kind} {state.status} "
                f"{state.cumulative}/{state.quantity}{traded}"
            )
