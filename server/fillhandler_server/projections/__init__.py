"""Read models folded from the journal: orders, fills, statistics. They can be dropped and rebuilt.

This module is their port: what the writer and the RPCs know of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from fillhandler_server.domain.events import Book, Event, OrdersCleared
from fillhandler_server.domain.fills import Fill
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.sums import Scope, Sums
from fillhandler_server.domain.trades import Trade, TradeBook
from fillhandler_server.journal import Batch

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some entries, and the token of the next page; empty on the last."""

    entries: list[T]
    next_token: str


@dataclass(frozen=True, slots=True)
class OrderQuery:
    """Which orders to list; empty and None mean all."""

    final: bool | None = None
    venue: str = ""
    account: str = ""
    symbol: str = ""
    start_time: int | None = None
    end_time: int | None = None


@dataclass(frozen=True, slots=True)
class FillQuery:
    """Which fills to list; empty and None mean all."""

    venue: str = ""
    account: str = ""
    symbol: str = ""
    order_id: str = ""
    start_time: int | None = None
    end_time: int | None = None
    include_reversed: bool = False


@dataclass(frozen=True, slots=True)
class ListedFill:
    """A fill as it stands, its state, the sequence it was recorded at, and its order."""

    fill: Fill
    state: int
    sequence: int
    order: Order | None


@dataclass(frozen=True, slots=True)
class AnomalyQuery:
    """Which anomalies to list; empty and None mean all."""

    venue: str = ""
    account: str = ""
    symbol: str = ""
    order_id: str = ""
    kinds: tuple[int, ...] = ()
    start_time: int | None = None
    end_time: int | None = None


@dataclass(frozen=True, slots=True)
class ListedAnomaly:
    """What needs a look, when it was committed in nanoseconds, and its order as it stands now."""

    sequence: int
    kind: int
    commit_time: int
    text: str
    order: Order


@dataclass(frozen=True, slots=True)
class TradeQuery:
    """Which trades to list; empty and None mean all."""

    venue: str = ""
    account: str = ""
    symbol: str = ""
    active: bool = False
    start_time: int | None = None
    end_time: int | None = None


@dataclass(frozen=True, slots=True)
class ListedTrade:
    """A trade and its orders as they stand, oldest first."""

    trade: Trade
    orders: list[Order]


@dataclass(frozen=True, slots=True)
class AttemptQuery:
    """Which attempts of requests to list; empty, 0 and None mean all."""

    venue: str = ""
    account: str = ""
    symbol: str = ""
    trade_id: str = ""
    error_class: str = ""
    outcome: int = 0
    start_time: int | None = None
    end_time: int | None = None


@dataclass(frozen=True, slots=True)
class ListedAttempt:
    """An attempt, and its order as it stands now. Nanoseconds; `delay` is None where no other followed."""

    sequence: int
    trade_id: str
    operation: int
    attempt: int
    outcome: int
    error_class: str
    maybe_applied: bool
    text: str
    delay: int | None
    send_time: int
    commit_time: int
    order: Order


@dataclass(frozen=True, slots=True)
class ConnectionTotals:
    """What is kept of a connection to a venue."""

    repaired_fills: int
    confirmed: dict[str, int]
    """Symbol, or "" for all → up to when its history was read completely, nanoseconds."""


class WorkingTrades(TradeBook, Protocol):
    """The engine's trades with what else is kept beside them. Owned by the writer's thread."""

    @property
    def connections(self) -> Mapping[tuple[str, str, str], ConnectionTotals]:
        """By venue, account and market."""


class RunningSums(Protocol):
    """Statistics as running sums."""

    duplicates: int
    """Copies that changed nothing, since the start."""

    def sums(self, scope: Scope, sequence: int) -> Sums:
        """The totals of a scope without a time range, true after `WorkingBook.count_dirty` at `sequence`."""


class WorkingBook(Book, Protocol):
    """The engine's book with what the writer needs of it. Owned by the writer's thread."""

    now: int
    """Commit time of the batch that is being decided."""
    renumbered: dict[int, int] | None
    """Where it is a dict: takes each order number that a merge did away with → the one it became."""
    pending_events: int
    """Events folded and not yet flushed."""
    gaps: set[int]
    """Orders whose venue counts more than was recorded and inferred."""
    opened_gaps: list[int]
    """Those that came to be so since somebody emptied this."""

    @property
    def trades(self) -> WorkingTrades:
        """The trades at hand, and what is kept of connections."""

    @property
    def statistics(self) -> RunningSums:
        """The running sums."""

    @property
    def pending(self) -> bool:
        """Whether anything is to be flushed."""

    def on_event(self, event: Event, now: int) -> None:
        """Takes every event after its fold."""

    def on_fill(self, order: Order, fill: Fill, now: int) -> None:
        """Takes a fill that was just recorded, instead of its event."""

    def committed(self) -> None:
        """What was folded so far is in the journal now."""

    def flush(self, sequence: int) -> None:
        """Writes the rows of all that was folded up to `sequence`, inside the caller's transaction."""

    def flushed(self) -> None:
        """The flush is committed: what it wrote need not be kept."""

    def count_dirty(self) -> None:
        """Brings the statistics up to date."""

    def prefetch(
        self,
        order_ids: Iterable[tuple[str, str, str]],
        client_order_ids: Iterable[tuple[str, str, str]] = (),
    ) -> None:
        """Looks up many (venue, account, id) at once, before a batch that names them."""

    def everywhere(self, *, order_id: str = "", client_order_id: str = "") -> list[Order]:
        """Every order of this id, at whatever venue and account, oldest first."""

    def knows(self, number: int) -> bool:
        """Whether an order at hand has this number; one that was merged into another has not."""

    def change(self, sequence: int) -> tuple[int, int]:
        """Where a fill's content stands now, and its state."""

    def unknown_orders(self, last: int, limit: int) -> list[int]:
        """Orders up to a number that nobody was asked about yet and no anomaly calls unknown, oldest first.

        At most `limit`; the next call goes on behind them. Once all rows are flushed.
        """

    def symbols_of(self, venue: str, account: str, market: str, after_sequence: int) -> set[str]:
        """Symbols of a market's orders that are open, or whose last event comes after a sequence.

        By their rows, which may be a moment old; so are the next two.
        """

    def incomplete(self, venue: str, account: str) -> list[Order]:
        """Orders whose venue counts more than their own fills told."""

    def open_orders(self, venue: str, account: str, market: str) -> list[Order]:
        """A market's orders that have an order id and have not ended."""

    def clearable(self, event: OrdersCleared, last: int | None = None, limit: int = -1) -> int:
        """How many orders fit an `orders_cleared` event, once all rows are flushed.

        Only those whose last event has at most the sequence `last`, if given; counted up to `limit`. With
        this as its count, the event hides these: of those that fit, those whose last events are the oldest.
        """


class Reader(Protocol):
    """Reads beside the writer: what was committed and flushed before the call."""

    def list_orders(self, query: OrderQuery, size: int, token: str) -> Page[Order]:
        """A page of orders by number.

        Raises:
            PageTokenInvalidError: the token is not of a page of this query.
        """

    def list_fills(self, query: FillQuery, size: int, token: str) -> Page[ListedFill]:
        """A page of fills in the order they were recorded; it may be short and still have a next one.

        Raises:
            PageTokenInvalidError: the token is not of a page of this query.
        """

    def list_anomalies(self, query: AnomalyQuery, size: int, token: str) -> Page[ListedAnomaly]:
        """A page of anomalies by sequence.

        Raises:
            PageTokenInvalidError: the token is not of a page of this query.
        """

    def list_trades(self, query: TradeQuery, size: int, token: str) -> Page[ListedTrade]:
        """A page of trades by their start.

        Raises:
            PageTokenInvalidError: the token is not of a page of this query.
        """

    def list_attempts(self, query: AttemptQuery, size: int, token: str) -> Page[ListedAttempt]:
        """A page of attempts by their time.

        Raises:
            PageTokenInvalidError: the token is not of a page of this query.
        """

    def batches(self, after_sequence: int, limit: int) -> list[Batch]:
        """At most `limit` batches that hold events after a sequence, in order."""

    def sequence_before(self, time: int) -> int:
        """The last sequence committed before a time; 0 if none."""

    def sums_of(self, scope: Scope, stopped: Callable[[], bool]) -> AbstractContextManager[Sums]:
        """All sums of a scope, as of one moment; `stopped` is asked now and then and ends the reading."""


class Readers(Protocol):
    """Runs functions over a `Reader`, off the event loop and off the writer's thread."""

    async def run(self, work: Callable[[Reader], T]) -> T:
        """Runs `work` with a reader that sees everything committed (and flushed) before the call."""

    def reset(self) -> None:
        """The store is another one now: readers are made anew at their next use."""
