"""What a venue's writer is: truth in, the venue's own messages out. WRITERS.md says how to write one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from itertools import groupby
from typing import Any, ClassVar, Final

from tests.simulation.truth import Event, Execution, Listing, TruthOrder, quotient

Json = dict[str, Any]

MS: Final = 1_000_000
US: Final = 1_000
SECOND: Final = 1_000_000_000


class Transport(StrEnum):
    """How a message comes."""

    STREAM = "stream"
    REST = "rest"
    COMMAND = "command"
    """By our own RPCs: registrations, busts, the legs of position flips."""


@dataclass(frozen=True)
class Capabilities:
    """What a venue has. The defaults are those of most."""

    resolution: int = MS
    """Nanoseconds of the venue's coarsest clock: all event times are multiples of it."""
    amend: str = "same"
    """"same" id, "new" id, or "" for none."""
    amends_quantity: bool = True
    busts: bool = False
    """Executions are taken back (told by command)."""
    flips: bool = False
    """Orders whose position flip comes as two legs under one trade id (told by command)."""
    average_places: int | None = None
    """Decimal places of the averages that it states; None: exact, or 28 digits."""
    states_average: bool = True
    rebates: bool = True
    trade_ids: str = "symbol"
    """Where a trade id is unique: "symbol" or "venue". Equal ids elsewhere are drawn on purpose."""
    order_ids: str = "venue"
    """Where an order id is unique: "symbol", "market" or "venue"."""
    fee_places: int = 8
    enriches: bool = False
    """A fill may come without its fee first (where that copy can also come alone)."""


@dataclass(frozen=True, eq=False)
class Row:
    """One object of a payload, and what the record may learn from it."""

    data: Json
    states: Event | None = None
    """The event after which the order's state is stated."""
    executions: tuple[Execution, ...] = ()
    """The fills that it tells."""
    fees: bool = True
    """Whether with their fees."""
    quantity: bool = True
    """Whether it states the ordered quantity (where `states`)."""
    links: bool = False
    """Whether it says that an order id took another's place."""


@dataclass(frozen=True, eq=False)
class Envelope:
    """What rows come in. Messages of one account and one envelope name may be joined and split."""

    name: str
    build: Callable[[list[Json]], Any]


LIST: Final = Envelope("list", list)
"""A bare list."""


@dataclass(frozen=True, eq=False)
class Command:
    """A call of our own service, by the engine's method."""

    method: str
    arguments: Callable[[], tuple[Any, ...]]
    """Made anew for each delivery, as a server does."""


@dataclass(frozen=True, eq=False)
class Message:
    """One payload, or one command."""

    account: str
    transport: Transport
    rows: tuple[Row, ...] = ()
    envelope: Envelope | None = None
    """None: the one row is the payload."""
    answers: bool = False
    """An answer to a request of ours: it comes within 200 ms or never, and never twice."""
    command: Command | None = None
    about: TruthOrder | None = field(default=None, repr=False)

    @cached_property
    def payload(self) -> bytes:
        """The venue's JSON."""
        if self.envelope is None:
            (row,) = self.rows
            return encode(row.data)
        return encode(self.envelope.build([row.data for row in self.rows]))

    def with_rows(self, rows: Iterable[Row]) -> Message:
        return Message(self.account, self.transport, tuple(rows), self.envelope, self.answers)

    def __repr__(self) -> str:
        if self.command is not None:
            return f"{self.account} {self.command.method} {self.about}"
        return f"{self.account} {self.transport} {self.payload.decode()}"


class Writer:
    """Writes one venue's messages. A subclass in `venues/<name>.py` is found by its name."""

    venue: ClassVar[str]
    name: ClassVar[str] = ""
    """What it is found by, where that is not the venue."""
    capabilities: ClassVar[Capabilities] = Capabilities()
    listings: ClassVar[tuple[Listing, ...]]

    # Ids, from the venue's running numbers

    def order_id(self, number: int) -> str:
        return str(number)

    def trade_id(self, number: int) -> str:
        return str(number)

    def client_order_id(self, number: int) -> str:
        return f"c-{number}"

    # Messages

    def stream(self, event: Event) -> list[Message]:
        """What the WebSocket tells of an event."""
        raise NotImplementedError

    def answer(self, event: Event) -> list[Message]:
        """The REST (or WebSocket) answer to the request that led to it: placement, amend, cancel."""
        return []

    def history(self, executions: Sequence[Execution]) -> list[Message]:
        """Pages of the REST trade history of one account: these executions, oldest first."""
        raise NotImplementedError

    def query(self, event: Event) -> list[Message]:
        """The REST state of an order as after an event."""
        raise NotImplementedError


# ---------------------------------------------------------------------- making messages


def stream(order: TruthOrder, row: Row, envelope: Envelope | None = None) -> Message:
    """A WebSocket message of one row."""
    return Message(order.account, Transport.STREAM, (row,), envelope)


def rest(order: TruthOrder, rows: Iterable[Row] | Row, envelope: Envelope | None = None) -> Message:
    """A REST answer to a question."""
    rows = (rows,) if isinstance(rows, Row) else tuple(rows)
    return Message(order.account, Transport.REST, rows, envelope)


def answer(order: TruthOrder, row: Row, envelope: Envelope | None = None) -> Message:
    """The answer to a placement, an amend or a cancel."""
    return Message(order.account, Transport.REST, (row,), envelope, answers=True)


def pages(
    executions: Sequence[Execution],
    row: Callable[[Execution], Json],
    envelope: Envelope,
    *,
    by: Callable[[Execution], str] = lambda execution: execution.order.listing.symbol,
    size: int = 5,
) -> list[Message]:
    """Trade history pages: one query a value of `by` (symbol, market), `size` rows a page."""
    found = []
    for _, group in groupby(sorted(executions, key=by), by):
        rows = [Row(row(execution), executions=(execution,)) for execution in group]
        for at in range(0, len(rows), size):
            part = rows[at : at + size]
            found.append(rest(part[0].executions[0].order, part, envelope))
    return found


# ---------------------------------------------------------------------- making values


def text(value: Decimal | None, places: int | None = None) -> str:
    """A decimal in plain notation, "0" for None; with `places`, padded with zeros."""
    if value is None:
        value = Decimal(0)
    if places is None:
        shown = format(value, "f")
        return shown.rstrip("0").rstrip(".") if "." in shown else shown
    return format(value.quantize(Decimal(1).scaleb(-places)), "f")


def average_text(exact: Fraction | None, places: int, none: str = "0") -> str:
    """An average as a venue rounds it."""
    return none if exact is None else text(quotient(exact, places))


def number(value: Decimal | str) -> str:
    """A JSON number with exactly these digits: put it where the number has to be."""
    shown = value if isinstance(value, str) else text(value)
    return f"~#{shown}#~"


_NUMBER: Final = re.compile(r'"~#([-0-9.eE+]+)#~"')


def encode(document: object) -> bytes:
    """JSON, with the `number`s as numbers."""
    written = json.dumps(document)
    return (_NUMBER.sub(r"\1", written) if "~#" in written else written).encode()


def ms(time: int) -> int:
    """Nanoseconds as milliseconds."""
    return time // MS


def iso(time: int, places: int = 9) -> str:
    """Nanoseconds as ISO 8601 in UTC with so many places."""
    seconds, rest_of_it = divmod(time, SECOND)
    fraction = f"{rest_of_it:09d}"[:places]
    shown = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{shown}.{fraction}Z" if places else f"{shown}Z"
