"""What the engine decides, as facts. The journal keeps them for ever; every read model is a fold of them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from typing import Protocol

from fillhandler_server.domain.fills import Fill, FillKey, FillState
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.reports import OrderReport
from fillhandler_server.domain.trades import Failure, Operation, TradeBook, TradeOutcome, TradeTerms


class AnomalyKind(IntEnum):
    """Values as in `fillhandler.v1.AnomalyKind`."""

    OVERFILL = 1
    FILL_AFTER_REJECTION = 2
    CUMULATIVE_BELOW_FILLS = 3
    SIDE_MISMATCH = 4
    CONFLICTING_FILL = 5
    UNKNOWN_ORDER = 6
    POSITION_FLIP = 7


class Outcome(IntEnum):
    """Values as in `fillhandler.v1.Outcome`."""

    RECORDED = 1
    DUPLICATE = 2
    CONFLICT = 3
    ENRICHED = 4
    REFUSED = 5


@dataclass(slots=True, eq=False)
class FillRecorded:
    """A fill was recorded."""

    order: Order
    fill: Fill
    sequence: int = 0


@dataclass(slots=True, eq=False)
class FillEnriched:
    """A later copy stated what the first left open. `fill` is the whole fill as it stands now."""

    order: Order
    fill: Fill
    before: Fill
    fields: tuple[str, ...]
    fill_sequence: int
    sequence: int = 0


@dataclass(slots=True, eq=False)
class FillConflicted:
    """Another content came under a recorded identity."""

    order: Order
    fill: Fill
    fields: tuple[str, ...]
    fill_sequence: int
    sequence: int = 0


@dataclass(slots=True, eq=False)
class FillBusted:
    """The venue reversed a fill; or says so before the fill has come (`applied` False)."""

    order: Order
    key: FillKey
    applied: bool
    fill_sequence: int = 0
    removed: Fill | None = None
    superseded: bool = False
    """It was an inferred fill, and gives way to what is known better; the venue reversed nothing."""
    sequence: int = 0


@dataclass(slots=True, eq=False)
class FillCorrected:
    """The venue replaced a fill; or says so before the fill has come (`applied` False)."""

    order: Order
    key: FillKey
    fill: Fill
    applied: bool
    fill_sequence: int = 0
    removed: Fill | None = None
    standing: bool = True
    recorded_before: bool = False
    """Set by the fold: the venue had listed the correction under its own id before."""
    dropped: Fill | None = None
    """Set by the fold: what stood of a correction listed before, and stops counting with its busted chain."""
    sequence: int = 0


@dataclass(slots=True, eq=False)
class OrderRegistered:
    """An order was declared by its owner."""

    order: Order
    report: OrderReport
    sequence: int = 0


@dataclass(slots=True, eq=False)
class OrderReported:
    """The venue reported on an order. `time` is the venue's, or that of arrival."""

    order: Order
    report: OrderReport
    time: int
    time_by_arrival: bool
    sequence: int = 0


@dataclass(slots=True, eq=False)
class OrderMerged:
    """Two orders turned out to be one: `merged` went into `order`, the older."""

    order: Order
    merged: Order
    sequence: int = 0


@dataclass(slots=True, eq=False)
class OrderAnomaly:
    """Something about an order needs a look."""

    order: Order
    kind: AnomalyKind
    text: str
    sequence: int = 0


@dataclass(slots=True, eq=False)
class OrdersCleared:
    """Final orders were hidden from the read models.

    `count` says which ones, too: of those that were final at or before `before`, and are of the venue,
    account and symbol if one is given, so many whose last events are the oldest.
    """

    count: int
    before: int
    venue: str = ""
    account: str = ""
    symbol: str = ""
    sequence: int = 0


@dataclass(slots=True, eq=False)
class StateImported:
    """Another journal's events were merged into this one."""

    source_instance_id: str
    source_head_sequence: int
    source_head_hash: str
    events_appended: int
    import_id: str
    sequence: int = 0


@dataclass(slots=True, eq=False)
class TradeStarted:
    """A trade's intent: `order` is the one that will be placed, registered by the event before."""

    order: Order
    trade_id: str
    request_id: str
    terms: TradeTerms
    sequence: int = 0


@dataclass(slots=True, eq=False)
class TradeContinued:
    """A trade places what is left of it as another order, registered by the event before."""

    order: Order
    trade_id: str
    number: int
    """Which of the trade's orders it is, from 1."""
    sequence: int = 0


@dataclass(slots=True, eq=False)
class RequestSucceeded:
    """A venue took a request for a trade's last order."""

    order: Order
    trade_id: str
    attempt: int
    operation: Operation
    send_time: int
    sequence: int = 0


@dataclass(slots=True, eq=False)
class RequestFailed:
    """A request for a trade's last order failed: `retry_scheduled` where another follows, else
    `retry_exhausted`."""

    order: Order
    trade_id: str
    failure: Failure
    sequence: int = 0


@dataclass(slots=True, eq=False)
class TradeCancelRequested:
    """Somebody asked for a trade to be cancelled."""

    order: Order
    trade_id: str
    sequence: int = 0


@dataclass(slots=True, eq=False)
class TradeFinished:
    """A trade ended."""

    order: Order
    trade_id: str
    outcome: TradeOutcome
    error_class: str
    text: str
    sequence: int = 0


@dataclass(slots=True, eq=False)
class AlertRaised:
    """Something about a trade needs somebody."""

    order: Order
    trade_id: str
    rule: str
    text: str
    sequence: int = 0


@dataclass(slots=True, eq=False)
class AlertCleared:
    """It needs nobody any more."""

    order: Order
    trade_id: str
    rule: str
    sequence: int = 0


@dataclass(slots=True, eq=False)
class ConnectionChanged:
    """A connection to a venue came, went, or repaired a gap."""

    venue: str
    account: str
    market: str
    connected: bool
    text: str = ""
    repaired_fills: int = 0
    symbol: str = ""
    confirmed_time: int | None = None
    sequence: int = 0


TradeEvent = (
    TradeStarted
    | TradeContinued
    | RequestSucceeded
    | RequestFailed
    | TradeCancelRequested
    | TradeFinished
    | AlertRaised
    | AlertCleared
)
OrderEvent = (
    FillRecorded
    | FillEnriched
    | FillConflicted
    | FillBusted
    | FillCorrected
    | OrderRegistered
    | OrderReported
    | OrderMerged
    | OrderAnomaly
    | TradeEvent
)
PlainEvent = OrdersCleared | StateImported | ConnectionChanged
"""Those that concern no single order."""
Event = OrderEvent | PlainEvent


class Book(Protocol):
    """The orders the engine works on: a cache over the projections, or plain dictionaries in a test."""

    def order(self, number: int) -> Order:
        """The order of this number, fills and reports known."""

    def by_order_id(self, venue: str, account: str, order_id: str) -> list[Order]:
        """Every order that has or had this venue order id, oldest first."""

    def by_client_order_id(self, venue: str, account: str, client_order_id: str) -> list[Order]:
        """Every order with this client order id, oldest first."""

    def by_trade(self, venue: str, account: str, symbol: str, key: FillKey) -> list[Order]:
        """Every order of the symbol that holds a fill with this key, or waits for it, oldest first."""

    def trade_scope(self, venue: str, account: str, symbol: str) -> bool:
        """Whether fills without an order id have been seen here, so that trades must be looked up."""

    def open_trade_scope(self, venue: str, account: str, symbol: str) -> None:
        """From now on `by_trade` is asked for every fill here."""

    def fill(self, sequence: int) -> Fill:
        """The fill recorded at this sequence, enrichments included."""

    def conflict(self, order: Order, key: FillKey, digest: str) -> int:
        """Sequence of this very conflict if it was seen before, else 0."""

    @property
    def trades(self) -> TradeBook:
        """The trades at hand."""

    resolved: dict[tuple[str, str, str, str, str], Order]
    """(venue, account, market, symbol, order id) → order, as fills named them; emptied in doubt."""

    # The fold's side: what changed, so that indices follow.

    def add_order(self, order: Order) -> None:
        """A new order was opened."""

    def reindex(self, order: Order) -> None:
        """The order learned of an id, its symbol or its market."""

    def remove_order(self, order: Order, into: Order) -> None:
        """The order was merged into another; its fills and reports are that one's now."""

    def add_fill(self, order: Order, fill: Fill, sequence: int) -> None:
        """A fill was recorded under the order at this sequence."""

    def add_trade(self, order: Order, key: FillKey) -> None:
        """The order waits for a fill with this key: a bust or a correction of it came first."""

    def replace_fill(self, order: Order, fill: Fill, fill_sequence: int, sequence: int) -> None:
        """The fill recorded at `fill_sequence` reads as `fill` now, by the event at `sequence`."""

    def set_state(self, fill_sequence: int, state: FillState) -> None:
        """The fill recorded at this sequence no longer counts."""

    def recount(self, order: Order, fills: list[Fill], kind: int, multiplier: Decimal | None) -> None:
        """The order's standing fills were summed as `kind` and `multiplier`, and are as it says now."""

    def uncount(self, order: Order, fill: Fill, sequence: int) -> None:
        """A fill that counted for the order, as a copy of another, no longer does."""

    def add_conflict(self, order: Order, key: FillKey, digest: str, sequence: int) -> None:
        """A conflict was recorded."""
