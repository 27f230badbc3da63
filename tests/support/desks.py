"""A desk runs commands against the engine over one kind of store, and can crash, restart and be looked into.

The cases in `tests/contract` run against both; whatever they see must be the same.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from tests.support.memory_book import MemoryBook

from fillhandler.v1 import events_pb2
from fillhandler_server.codec import FILL_BODIES, BatchEncoder, decode_batch, event_from_message, fill_of
from fillhandler_server.domain.events import Event
from fillhandler_server.domain.fills import Fill, FillKey, FillState
from fillhandler_server.domain.lifecycle import Lifecycle
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.reports import OrderReport
from fillhandler_server.encryption import KeySource
from fillhandler_server.engine import Engine, Result, fold
from fillhandler_server.journal import Head, genesis_hash, link_problem
from fillhandler_server.journal.database import PROJECTION_TABLES
from fillhandler_server.journal.store import Store
from fillhandler_server.projections.working_set import WorkingSet
from fillhandler_server.writer import Job, Session, Writer

START = 1_700_000_000_000_000_000
"""What the desks' clocks begin with; each batch is one second later."""
SECOND = 1_000_000_000

VENUE, SYMBOL, ORDER_ID = "binance", "BTCUSDT", "7"
BUY, SELL = 1, 2


def number(text: str | int | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def a_fill(
    trade_id: str = "t1",
    quantity: str | int = 1,
    price: str | int | None = 100,
    *,
    fees: dict[str, str] | None = None,
    multiplier: str | None = None,
    **more: Any,
) -> Fill:
    """A fill of the one order that most cases are about."""
    given = {"venue": VENUE, "symbol": SYMBOL, "order_id": ORDER_ID, "side": BUY, **more}
    return Fill(
        trade_id=trade_id,
        quantity=Decimal(quantity),
        price=number(price),
        fees=tuple(sorted((currency, Decimal(amount)) for currency, amount in (fees or {}).items())),
        multiplier=number(multiplier),
        **given,
    )


_NUMBERS = (
    "order_quantity",
    "cumulative_quantity",
    "average_price",
    "limit_price",
    "expected_price",
    "multiplier",
)


def a_report(status: int, time: int | None = None, **more: Any) -> OrderReport:
    """A report on that order."""
    given = {"venue": VENUE, "symbol": SYMBOL, "order_id": ORDER_ID, "side": BUY, "time": time, **more}
    return OrderReport(status=status, **{k: number(v) if k in _NUMBERS else v for k, v in given.items()})


@dataclass(frozen=True)
class Command:
    """A method of the engine and its arguments."""

    name: str
    arguments: tuple[Any, ...]

    def __call__(self, engine: Engine) -> Result:
        return getattr(engine, self.name)(*self.arguments)

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(map(_brief, self.arguments))})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        # Hypothesis would show every field of every fill.
        printer.text(repr(self))


def _brief(said: Fill | OrderReport) -> str:
    """What is said, without what is left open."""
    blank = {f.name: f.default for f in fields(said)}
    stated = {name: value for name, value in _fields(said) if value and value != blank[name]}
    stated |= {name: 0 for name, value in _fields(said) if isinstance(value, Decimal) and not value}
    return f"<{' '.join(f'{k}={v}' for k, v in stated.items() if not (k in _USUAL and _USUAL[k] == v))}>"


_USUAL = {"venue": VENUE, "symbol": SYMBOL, "side": BUY}


def record(fill: Fill) -> Command:
    return Command("record_fill", (fill,))


def bust(identity: Fill) -> Command:
    return Command("bust_fill", (identity,))


def correct(identity: Fill, fill: Fill) -> Command:
    return Command("correct_fill", (identity, fill))


def register(report: OrderReport) -> Command:
    return Command("register_order", (report,))


def report(said: OrderReport) -> Command:
    return Command("report_order", (said,))


# ---------------------------------------------------------------------- looking at orders

_NOT_STATE = {"header", "counted", "cleared"}
_BY_ARRIVAL = {"number", "sequence", "update_time"}
_FIGURES = (
    "is_final",
    "leaves",
    "overfill",
    "average",
    "cumulative_notional",
    "notional_currency",
    "net_quantity",
    "complete_time",
)


def seen(order: Order, contents: Callable[[int], tuple[Fill, FillState]], *, exact: bool) -> dict[str, Any]:
    """Everything an order says. Not exact: without what may depend on when things arrived."""
    names = (*Lifecycle.__slots__, *Order.__slots__)
    state = {name: getattr(order, name) for name in names if name not in _NOT_STATE}
    state |= {name: getattr(order, name) for name in _FIGURES}
    state["fees"] = {currency: tuple(entry) for currency, entry in order.fees.items()}
    state["registration"] = _fields(order.registration) if order.registration is not None else None
    held: dict[FillKey, Any] = {}
    for key, at in order.fills.items():
        fill, fill_state = contents(at)
        full = order.full_key(key)
        held[full] = (_fields(fill, *(() if exact else _ARRIVAL)), int(fill_state), at if exact else None)
    state["fills"] = held
    state["replaced_by"] = order.replaced_by or {}
    state["deaths"] = order.deaths or {}
    reversals = order.reversals
    waiting = reversals.waiting_corrections if reversals is not None else {}
    state["reversals"] = (
        None
        if reversals is None
        else {
            "next": reversals.next,
            "previous": reversals.previous,
            "busted": reversals.busted if exact else set(reversals.busted),
            "corrections": reversals.corrections if exact else set(reversals.corrections),
            "waiting_busts": reversals.waiting_busts if exact else set(reversals.waiting_busts),
            "waiting_corrections": {
                key: sorted((_fields(fill, *_ARRIVAL), at if exact else 0) for fill, at in entries)
                for key, entries in waiting.items()
            },
        }
    )
    if not exact:
        for name in _BY_ARRIVAL:
            del state[name]
        state["registered"] = bool(order.registered)
        state["reports"] = set(order.reports)
    return state


# Of a fill that came in several copies these are the first one's; the order knows what any of them told.
_ARRIVAL = (
    "receive_time",
    "metadata",
    "order_id",
    "client_order_id",
    "market",
    "base_currency",
    "quote_currency",
)


def _fields(said: Fill | OrderReport, *without: str) -> tuple[Any, ...]:
    left_out = {"encoded", *without} | (set() if isinstance(said, Fill) else {"metadata"})
    return tuple((f.name, getattr(said, f.name)) for f in fields(said) if f.name not in left_out)


# ---------------------------------------------------------------------- desks


class Desk(Protocol):
    """What the cases need."""

    def run(self, *commands: Command) -> list[Result]:
        """One batch of commands."""

    def restart(self, *, flush: bool = True) -> None:
        """Loses everything but what is durable, and opens it again. `flush`: the rows are written before."""

    def rebuild(self) -> None:
        """Drops every read model and makes it anew from the journal."""

    def orders(self) -> list[Order]:
        """Every order, oldest first."""

    def content(self, sequence: int) -> tuple[Fill, FillState]:
        """The fill recorded at a sequence, as it reads now, and its state."""

    def events(self) -> list[events_pb2.Event]:
        """The journal."""


class MemoryDesk:
    """Dictionaries, and a journal that is a list of messages."""

    def __init__(self) -> None:
        self.now = START
        self.messages: list[events_pb2.Event] = []
        self._open()

    def _open(self) -> None:
        self.book = MemoryBook()
        self._encoder = BatchEncoder()
        self.engine = Engine(self.book, len(self.messages), self._on_event)

    def _on_event(self, event: Event, now: int) -> None:
        self._encoder(event, now)

    def run(self, *commands: Command) -> list[Result]:
        self.engine.begin(self.now)
        results = [command(self.engine) for command in commands]
        for message in decode_batch(b"".join(self._encoder.take())):
            self.messages.append(message)
            if message.WhichOneof("event") in FILL_BODIES:
                # As a store: from its commit on, a fill reads as its bytes say.
                at = message.fill_enriched.fill_sequence or message.sequence
                self.book.committed(at, fill_of(message))
        self.now += SECOND
        return results

    def restart(self, *, flush: bool = True) -> None:
        self._open()
        for message in self.messages:
            event = event_from_message(message, self.book)
            fold(self.book, event, message.commit_time.ToNanoseconds())

    def rebuild(self) -> None:
        self.restart()

    def orders(self) -> list[Order]:
        return [self.book.orders[n] for n in sorted(self.book.orders)]

    def content(self, sequence: int) -> tuple[Fill, FillState]:
        return self.book.fill(sequence), self.book.states.get(sequence, FillState.STANDING)

    def events(self) -> list[events_pb2.Event]:
        return self.messages


class StoreDesk:
    """The real store and the real write path, on the caller's thread so that nothing happens by itself."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keys = KeySource(folder / "keys", use_keyring=False)
        self.now = START
        self._open()

    def _open(self) -> None:
        self.store = Store(self._folder / "data", self._keys)
        self.writer = Writer(self.store, WorkingSet.over, clock=lambda: self.now)

    def close(self) -> None:
        self.store.close()

    def run(self, *commands: Command, flush: bool = False) -> list[Result]:
        return self.do(lambda session: [command(session.engine) for command in commands], flush=flush)

    def do(self, work: Callable[[Session], Any], *, flush: bool = False) -> Any:
        job: Job[Any] = Job(work, Future(), None, 1, flush)
        self.writer._process([job])
        self.now += SECOND
        return job.future.result(timeout=0)

    def flush(self) -> None:
        self.do(lambda _: None, flush=True)

    def evict(self) -> None:
        """Forgets every order that is in memory."""
        self.flush()
        self.writer.book._evict(keep=0)

    def restart(self, *, flush: bool = True) -> None:
        if flush:
            self.flush()
        self.store.close()
        self._open()

    def rebuild(self) -> None:
        with self.store.db.atomic():
            for table in PROJECTION_TABLES:
                self.store.db.conn.execute(f"DELETE FROM {table}")
            self.store.db.conn.execute("UPDATE meta SET value = '0' WHERE name = 'projected_sequence'")
        self.writer._load()

    def orders(self) -> list[Order]:
        self.flush()
        numbers = [row[0] for row in self.store.db.execute("SELECT number FROM orders ORDER BY number")]
        return [self.writer.book.order(n) for n in numbers]

    def content(self, sequence: int) -> tuple[Fill, FillState]:
        book = self.writer.book
        return book.fill(sequence), FillState(book.change(sequence)[1])

    def events(self) -> list[events_pb2.Event]:
        return [message for batch in self.store.journal.scan() for message in decode_batch(batch.payload)]

    def chain_problem(self) -> str:
        """What is wrong with the journal's chain; empty if nothing is."""
        head = Head(0, genesis_hash(self.store.instance_id))
        for batch in self.store.journal.scan():
            if problem := link_problem(batch, head):
                return problem
            head = Head(batch.last_sequence, batch.hash)
        return ""

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of the read models."""
        self.flush()
        return {
            table: sorted(self.store.db.execute(f"SELECT * FROM {table}"), key=repr)
            for table in PROJECTION_TABLES
        }


def look(desk: Desk, *, exact: bool = False) -> list[dict[str, Any]]:
    """Every order of a desk as `seen`; not exact: in an order that does not depend on arrival."""
    states = [seen(order, desk.content, exact=exact) for order in desk.orders()]
    return (
        states
        if exact
        else sorted(
            states,
            key=lambda state: (
                repr(sorted(state["fills"]))
                + repr((state["order_ids"], state["client_order_id"], state["market"], state["symbol"]))
            ),
        )
    )


def differences(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> list[str]:
    """What two looks differ in, in a form that is short enough to read."""
    if len(ours) != len(theirs):
        return [f"{len(ours)} orders and {len(theirs)}"]
    return [
        f"order {at}: {name}: {one[name]!r} != {other[name]!r}"
        for at, (one, other) in enumerate(zip(ours, theirs, strict=True))
        for name in one
        if one[name] != other[name]
    ]


def kinds(events: Iterable[events_pb2.Event]) -> list[str]:
    """The kinds of events, as the contract names them."""
    return [event.WhichOneof("event") or "" for event in events]


def outcomes(results: Sequence[Result]) -> list[str]:
    return [result.outcome.name for result in results]
