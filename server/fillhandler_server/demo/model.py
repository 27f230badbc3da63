"""What the demo has seen so far: the one thing that all its displays show."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from fillhandler.v1 import analytics_service_pb2, events_pb2, fills_pb2, state_service_pb2, trades_pb2
from fillhandler_server.demo import words
from fillhandler_server.demo.comparing import Comparison

_TRADES_MAX: Final = 40
_LINES_MAX: Final = 60


@dataclass(frozen=True, slots=True)
class Note:
    """Something that a newcomer should look at."""

    title: str
    text: str


@dataclass(slots=True)
class Progress:
    """A trade, as its events tell of it."""

    request: trades_pb2.ExecuteTradeRequest
    state: str = "PLACING"
    """A short word: what it does, or how it ended."""
    retries: int = 0
    unsure: bool = False
    """Whether an order was sent and nobody knows yet what became of it."""
    filled: dict[int, Decimal] = field(default_factory=dict)
    """By order number: a trade may have placed several."""
    averages: dict[int, Decimal] = field(default_factory=dict)

    @property
    def total(self) -> Decimal:
        """Filled over all its orders."""
        return sum(self.filled.values(), Decimal(0))

    @property
    def fraction(self) -> Decimal:
        """Of what was asked for."""
        return self.total / Decimal(self.request.quantity)

    @property
    def average(self) -> Decimal | None:
        """Over all its orders, rounded: to look at."""
        if not self.total:
            return None
        return sum((self.filled[n] * each for n, each in self.averages.items()), Decimal(0)) / self.total


@dataclass(slots=True)
class Seen:
    """Grows while the demo runs; bounded, because a demo may run for days."""

    address: str = ""
    step: str = ""
    """What is being started, while it is."""
    trades: dict[str, Progress] = field(default_factory=dict)
    """By trade id, the latest at the end; those under way stay, however many others come."""
    events: deque[events_pb2.Event] = field(default_factory=lambda: deque(maxlen=_LINES_MAX))
    notes: deque[Note] = field(default_factory=lambda: deque(maxlen=_LINES_MAX))
    fills: deque[fills_pb2.Fill] = field(default_factory=lambda: deque(maxlen=_LINES_MAX))
    """As they were recorded."""
    connected: set[str] = field(default_factory=set)
    """Markets whose streams are."""
    repaired: int = 0
    """Fills that the streams had lost and the history had."""
    started: int = 0
    running: int = 0
    """Trades that have not ended."""
    statistics: analytics_service_pb2.GetFillStatisticsResponse | None = None
    comparison: Comparison | None = None
    verified: state_service_pb2.VerifyJournalResponse | None = None
    _trades_of: dict[int, str] = field(default_factory=dict)
    """Trade ids by order number, of the trades under way."""

    def happened(self, event: events_pb2.Event) -> Note | None:
        """The feed gave an event; what is remarkable about it."""
        self.events.append(event)
        kind = event.WhichOneof("event") or ""
        if kind == "trade_started":
            self._start(event)
        elif kind == "trade_continued":
            self._trades_of[event.order_number] = event.trade_continued.trade_id
        elif kind == "fill_recorded" and not event.fill_recorded.fill.inferred:
            self.fills.append(event.fill_recorded.fill)
        elif kind == "connection_changed":
            changed = event.connection_changed
            (self.connected.add if changed.connected else self.connected.discard)(changed.market)
            self.repaired += changed.repaired_fills
        progress = self.trades.get(self._trades_of.get(event.order_number, ""))
        text = words.note(event, unsure=progress is not None and progress.unsure)
        if progress is not None:
            self._advance(progress, event, kind)
        if text is None:
            return None
        note = Note(*text)
        self.notes.append(note)
        return note

    def _start(self, event: events_pb2.Event) -> None:
        trade_id = event.trade_started.trade_id
        self.started += 1
        self.running += 1
        self.trades[trade_id] = Progress(event.trade_started.request)
        self._trades_of[event.order_number] = trade_id
        ended = [name for name, each in self.trades.items() if each.state in words.ENDS]
        for name in ended[: max(0, len(self.trades) - _TRADES_MAX)]:
            del self.trades[name]

    def _advance(self, progress: Progress, event: events_pb2.Event, kind: str) -> None:
        if event.HasField("cumulative_quantity"):
            progress.filled[event.order_number] = Decimal(event.cumulative_quantity)
        if event.HasField("average_price"):
            progress.averages[event.order_number] = Decimal(event.average_price)
        progress.state = words.state(event) or progress.state
        if kind == "retry_scheduled":
            progress.retries += 1
            if event.retry_scheduled.operation == trades_pb2.REQUEST_OPERATION_PLACE:
                progress.unsure = event.retry_scheduled.maybe_applied
        elif kind == "request_succeeded":
            progress.unsure = False
        elif kind == "trade_finished":
            self.running -= 1
            for number in [n for n, name in self._trades_of.items() if self.trades.get(name) is progress]:
                del self._trades_of[number]
