"""What every command ends in: events, each folded at once, and what is said or inferred because of it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from fillhandler_server.domain import events as ev
from fillhandler_server.domain.events import AnomalyKind, Book, Event
from fillhandler_server.domain.fills import Fill
from fillhandler_server.domain.numbers import canonical
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.reports import FINAL_STATUSES, OrderReport
from fillhandler_server.engine.folding import fold, fold_recorded
from fillhandler_server.engine.inferring import inferred_fill


class Noting:
    """The part of the engine that makes events."""

    def __init__(
        self,
        book: Book,
        head: int,
        sink: Callable[[Event, int], None],
        fill_sink: Callable[[Order, Fill, int, int], None] | None = None,
    ) -> None:
        """
        Args:
            book: the orders at hand.
            head: sequence of the last event there is.
            sink: takes each event and its commit time just after it was folded, while its order shows the
                figures after it.
            fill_sink: takes each recorded fill instead, as (order, fill, sequence, commit time): no event
                object is made for what is nearly all there is.
        """
        self.book = book
        self.head = head
        self.now = 0
        self._sink = sink
        self._fill_sink = fill_sink if fill_sink is not None else self._fill_as_event

    def _fill_as_event(self, order: Order, fill: Fill, sequence: int, now: int) -> None:
        self._sink(ev.FillRecorded(order, fill, sequence), now)

    def begin(self, now: int) -> None:
        """Starts a batch that is committed at `now` (nanoseconds, never before the batch before)."""
        self.now = now

    # ------------------------------------------------------------------ events

    def _emit(self, event: Event) -> int:
        self.head += 1
        event.sequence = self.head
        fold(self.book, event, self.now)
        self._sink(event, self.now)
        return self.head

    def emit(self, event: ev.PlainEvent) -> int:
        """Adds an event that concerns no single order. Returns its sequence."""
        return self._emit(event)

    def _anomaly(self, order: Order, kind: AnomalyKind, text: str) -> None:
        self._emit(ev.OrderAnomaly(order, kind, text))

    def _check_flip(self, order: Order, fill: Fill) -> None:
        keys = (order.full_key(key) for key in order.fills)
        legs = {key.leg for key in keys if key.trade_id == fill.trade_id and key.side == fill.side}
        if len(legs) > 1:
            text = f"trade {fill.trade_id} has the legs {' and '.join(sorted(legs))}"
            self._anomaly(order, AnomalyKind.POSITION_FLIP, text)

    def check_known(self, order: Order) -> None:
        """Says of an order that had its time to be registered or reported on that nobody did."""
        if order.registered or order.reports or not order.fill_count:
            return
        text = f"{canonical(order.cumulative)} filled, and nobody registered the order or reported on it"
        self._anomaly(order, AnomalyKind.UNKNOWN_ORDER, text)

    def _reconcile(self, order: Order) -> None:
        """After anything but a new fill: a wider gap has its time to be filled, a smaller one has had it."""
        if order.inferred_sequence and order.gap <= order.inferred_quantity:
            self.infer(order)

    def infer(self, order: Order) -> None:
        """Closes the gap of an order whose fills had their time to come (`Order.gap`)."""
        wanted = inferred_fill(self.book, order)
        if order.inferred_sequence:
            standing = self.book.fill(order.inferred_sequence)
            if wanted is not None and wanted.trade_id == standing.trade_id:
                return
            self._supersede(order)
        if wanted is not None:
            over = order.overfill
            self.head = sequence = self.head + 1
            fold_recorded(self.book, order, wanted, sequence, self.now)
            self._fill_sink(order, wanted, sequence, self.now)
            self._check_overfill(order, over)

    def _supersede(self, order: Order) -> None:
        standing = self.book.fill(order.inferred_sequence)
        self._emit(
            ev.FillBusted(
                order,
                standing.key,
                applied=True,
                fill_sequence=order.inferred_sequence,
                removed=standing,
                superseded=True,
            )
        )

    def _check_overfill(self, order: Order, before: Decimal) -> None:
        if order.order_quantity is not None and order.overfill > before:
            text = f"filled {canonical(order.cumulative)} of {canonical(order.order_quantity)} ordered"
            self._anomaly(order, AnomalyKind.OVERFILL, text)

    def _check_cumulative(self, order: Order, report: OrderReport) -> None:
        stated, last = report.cumulative_quantity, order.last_fill_time
        # A report from before the last fill is only late.
        after = report.status in FINAL_STATUSES or (
            report.time is not None and last is not None and report.time > last
        )
        if stated is not None and stated < order.cumulative and after:
            self._anomaly(
                order,
                AnomalyKind.CUMULATIVE_BELOW_FILLS,
                f"the venue states {canonical(stated)} filled, the fills say {canonical(order.cumulative)}",
            )
