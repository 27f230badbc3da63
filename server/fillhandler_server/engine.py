"""Decides what a command means, and folds what was decided into the orders.

Pure: no I/O, no clock, no protobuf, no async. The shell hands in a `Book` (the orders at hand) and the
time; out come events. `fold` is the only code that changes an order, so the journal, replayed, gives the
same orders.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import reduce
from typing import Any, Final

from fillhandler_server.domain import events as ev
from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.domain.events import AnomalyKind, Book, Event, Outcome
from fillhandler_server.domain.fills import (
    Fill,
    FillKey,
    FillState,
    compare,
    content_digest,
    enrich,
)
from fillhandler_server.domain.numbers import EXACT, ZERO, canonical
from fillhandler_server.domain.orders import Order, Reversals, stands
from fillhandler_server.domain.reports import (
    FINAL_STATUSES,
    PENDING_STATUSES,
    OrderReport,
    OrderStatus,
    report_digest,
)

_SEPARATORS: Final = ("/", "-", "_")


@dataclass(slots=True, eq=False)
class Result:
    """What a command did: the outcome, the sequence of the event that holds it, the order it concerns."""

    outcome: Outcome
    sequence: int
    order: Order
    applied: bool = True


class Engine:
    """Takes commands, one after the other, and hands on the events they become.

    Each event is folded as soon as it is decided, so that the next command sees it. The shell makes the
    events durable and only then answers; if that fails it drops the book.
    """

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

    # ------------------------------------------------------------------ commands

    def record_fill(self, fill: Fill) -> Result:
        """Records a fill under its identity: new, duplicate, conflict or enrichment."""
        order = self.book.resolved.get((fill.venue, fill.account, fill.market, fill.symbol, fill.order_id))
        if order is None or (fill.client_order_id and order.client_order_id != fill.client_order_id):
            order = self._order_of_fill(fill)
        key = fill.trade_id if not fill.leg and fill.side == order.side else order.key_of(fill)
        sequence = order.fills.get(key)
        if sequence is not None:
            return self._known_fill(order, fill, sequence)
        # As `_emit` does, without its detours: this is every fill there is.
        self.head = sequence = self.head + 1
        _fold_recorded(self.book, order, fill, sequence, self.now)
        self._fill_sink(order, fill, sequence, self.now)
        if order.order_quantity is not None and order.cumulative > order.order_quantity:
            self._check_overfill(order, ZERO)
        if order.dead_status == OrderStatus.REJECTED:
            self._anomaly(order, AnomalyKind.FILL_AFTER_REJECTION, "a fill came after the venue's rejection")
        if fill.side != order.side:
            self._anomaly(order, AnomalyKind.SIDE_MISMATCH, "a fill has the other side than its order")
        if order.reversals is not None:
            self._apply_waiting(order, fill.key)
        return Result(Outcome.RECORDED, sequence, order)

    def bust_fill(self, identity: Fill) -> Result:
        """Reverses a fill, or waits for it. `identity` is a fill of which only the identity is read."""
        order = self._named_order(identity)
        key = identity.key
        reversals = order.reversals or Reversals()
        if order.short_key(key) not in order.fills:
            waiting = reversals.waiting_busts.get(key)
            if waiting is not None:
                return Result(Outcome.DUPLICATE, waiting, order, applied=False)
            sequence = self._emit(ev.FillBusted(order, key, applied=False))
            return Result(Outcome.RECORDED, sequence, order, applied=False)
        busted = reversals.busted.get(reversals.root(key))
        if busted is not None:
            return Result(Outcome.DUPLICATE, busted, order)
        return Result(Outcome.RECORDED, self._bust(order, key), order)

    def correct_fill(self, identity: Fill, fill: Fill) -> Result:
        """Replaces a fill, or waits for it. The identity may name any link of the chain."""
        key, new_key = identity.key, fill.key
        if key == new_key:
            raise InvalidFieldError.of("fill.trade_id", "must be the correction's own new id")
        if fill.client_order_id and not identity.client_order_id:
            identity = replace(identity, client_order_id=fill.client_order_id)
        order = self._named_order(identity)
        if fill.receive_time is None:
            fill = replace(fill, receive_time=self.now, encoded=None)
        reversals = order.reversals or Reversals()
        known = reversals.corrections.get(new_key)
        if known is not None:
            again = self._known_fill(order, fill, order.fills[order.short_key(new_key)])
            if again.outcome != Outcome.DUPLICATE:
                return again
            same = reversals.root(key) == reversals.root(new_key)
            return Result(Outcome.DUPLICATE if same else Outcome.CONFLICT, known, order)
        if order.short_key(key) not in order.fills:
            for waiting, sequence in reversals.waiting_corrections.get(key, ()):
                if waiting.key == new_key:
                    return self._repeated_waiting(order, fill, waiting, sequence)
            sequence = self._emit(ev.FillCorrected(order, key, fill, applied=False))
            return Result(Outcome.RECORDED, sequence, order, applied=False)
        if not _may_follow(reversals, key, new_key):
            # It names as new what this very chain began with.
            return Result(Outcome.CONFLICT, order.fills[order.short_key(new_key)], order)
        return Result(Outcome.RECORDED, self._correct(order, key, fill), order)

    def register_order(self, report: OrderReport) -> Result:
        """Declares an order. Again with the same values: duplicate; with other values: conflict."""
        order = self._order_of_report(report)
        known = order.registration
        if known is not None:
            differing, enriching = _compare_terms(known, report)
            if differing:
                return Result(Outcome.CONFLICT, order.registered, order)
            if not enriching:
                return Result(Outcome.DUPLICATE, order.registered, order)
        over = order.overfill
        sequence = self._emit(ev.OrderRegistered(order, report))
        self._check_overfill(order, over)
        return Result(Outcome.RECORDED if known is None else Outcome.ENRICHED, sequence, order)

    def report_order(self, report: OrderReport, *, arrived: int | None = None) -> Result:
        """Takes a venue's report on an order.

        Args:
            report: what it says.
            arrived: when a report that counts by arrival came in, if not now: another journal took it.
        """
        order = self._order_of_report(report)
        by_arrival = report.time is None
        known = order.reports.get(report_digest(report))
        if arrived is not None:
            # Its time is stated from here on: without one it would count anew at each import. Where it
            # came in first it is known without.
            untimed, report = replace(report, time=None), replace(report, time=arrived)
            by_arrival = False
            known = order.reports.get(report_digest(untimed)) or order.reports.get(report_digest(report))
        if known is not None and not (by_arrival and self._comes_round(order, report)):
            return Result(Outcome.DUPLICATE, known, order)
        time = self.now if report.time is None else report.time
        over = order.overfill
        sequence = self._emit(ev.OrderReported(order, report, time, by_arrival or arrived is not None))
        self._check_overfill(order, over)
        self._check_cumulative(order, report)
        return Result(Outcome.RECORDED, sequence, order)

    def merge_orders(self, one: Order, other: Order) -> Order:
        """Makes one order of two that another journal has found to be one. Returns it."""
        return one if one is other else self._merge(one, other)

    def find_order(self, identity: Fill) -> Order | None:
        """The order that a fill of this identity would belong to, if it is known. Decides nothing."""
        known, key = self._known_orders(identity), identity.key
        return next(
            (order for order in known if order.short_key(key) in order.fills), known[0] if known else None
        )

    def _known_orders(self, identity: Fill) -> list[Order]:
        """The orders that a fill of this identity would join, or make one."""
        holders = self._holders(identity)
        if not identity.order_id and (holder := _holder(holders, identity)) is not None:
            other = self._by_client_id_alone(identity, holder)
            return [holder] if other is None else [holder, other]
        found, other = self._find(identity)
        taken = [order for order in holders if not order.order_id] if identity.order_id else []
        return [order for order in (found, other, *taken) if order is not None]

    def preview_fill(self, fill: Fill) -> tuple[Outcome, int]:
        """What `record_fill` would say, and the sequence of what is recorded already. Decides nothing."""
        order = self.find_order(fill)
        sequence = None if order is None else order.fills.get(order.key_of(fill))
        if sequence is None:
            return Outcome.RECORDED, 0
        assert order is not None
        differing, enriching = compare(self.book.fill(sequence), fill)
        if differing:
            return Outcome.CONFLICT, 0
        # What another of the orders that become one knows is no news.
        others = (_news(other, fill) for other in self._known_orders(fill))
        news = set(_news(order, fill)).intersection(*others)
        enriching = (*news, *enriching)
        return (Outcome.ENRICHED, 0) if enriching else (Outcome.DUPLICATE, sequence)

    # ------------------------------------------------------------------ deciding

    def _emit(self, event: Event) -> int:
        self.head += 1
        event.sequence = self.head
        fold(self.book, event, self.now)
        self._sink(event, self.now)
        return self.head

    def emit(self, event: ev.OrdersCleared | ev.StateImported) -> int:
        """Adds an event that concerns no single order. Returns its sequence."""
        return self._emit(event)

    def _anomaly(self, order: Order, kind: AnomalyKind, text: str) -> None:
        self._emit(ev.OrderAnomaly(order, kind, text))

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

    def _comes_round(self, order: Order, report: OrderReport) -> bool:
        """Whether a report without a time is news once more, by arriving now: cancel asked, new, cancel."""
        pending = order.pending_time > order.report_time
        if order.is_final:
            return False
        if report.status not in PENDING_STATUSES:
            return pending and self.now >= order.pending_time
        said = pending and order.pending_status == report.status
        return not said and self.now > max(order.report_time, order.pending_time)

    def _known_fill(self, order: Order, fill: Fill, sequence: int) -> Result:
        first = self.book.fill(sequence)
        differing, enriching = compare(first, fill)
        if differing:
            digest = content_digest(fill)
            seen = self.book.conflict(order, fill.key, digest)
            if not seen:
                seen = self._emit(ev.FillConflicted(order, self._received(fill), differing, sequence))
            return Result(Outcome.CONFLICT, seen, order)
        enriching = (*_news(order, fill), *enriching)
        if not enriching:
            return Result(Outcome.DUPLICATE, sequence, order)
        whole = self._received(enrich(first, fill, enriching))
        return Result(
            Outcome.ENRICHED, self._emit(ev.FillEnriched(order, whole, first, enriching, sequence)), order
        )

    def _received(self, fill: Fill) -> Fill:
        # Only the bytes of a recorded fill get their receive time from the encoder.
        return fill if fill.receive_time is not None else replace(fill, receive_time=self.now, encoded=None)

    def _apply_waiting(self, order: Order, key: FillKey) -> None:
        reversals = order.reversals
        if reversals is None:
            return
        if key in reversals.waiting_busts:
            self._bust(order, key)
        for fill, _ in list(reversals.waiting_corrections.get(key, ())):
            if _may_follow(reversals, key, fill.key):
                self._correct(order, key, fill)

    def _bust(self, order: Order, key: FillKey) -> int:
        removed = self._standing_head(order, key)
        named = order.fills[order.short_key(key)]
        return self._emit(ev.FillBusted(order, key, applied=True, fill_sequence=named, removed=removed))

    def _standing_head(self, order: Order, key: FillKey) -> Fill | None:
        reversals = order.reversals or Reversals()
        if reversals.root(key) in reversals.busted:
            return None
        return self.book.fill(order.fills[order.short_key(reversals.head(key))])

    def _correct(self, order: Order, key: FillKey, fill: Fill) -> int:
        over = order.overfill
        at = order.fills.get(order.short_key(fill.key))
        if at is not None:
            # Listed by the venue under its own id before: what was recorded then stands.
            self._known_fill(order, fill, at)
            fill = self.book.fill(at)
        reversals = order.reversals or Reversals()
        removed = self._standing_head(order, key)
        standing = removed is not None and fill.key not in reversals.busted
        named = order.fills[order.short_key(key)]
        sequence = self._emit(
            ev.FillCorrected(
                order,
                key,
                fill,
                applied=True,
                fill_sequence=named,
                removed=removed,
                standing=standing,
            )
        )
        self._check_overfill(order, over)
        self._apply_waiting(order, fill.key)
        return sequence

    def _repeated_waiting(self, order: Order, fill: Fill, first: Fill, sequence: int) -> Result:
        differing, _ = compare(first, fill)
        if not differing:
            return Result(Outcome.DUPLICATE, sequence, order, applied=False)
        seen = self.book.conflict(order, fill.key, content_digest(fill))
        if not seen:
            seen = self._emit(ev.FillConflicted(order, fill, differing, sequence))
        return Result(Outcome.CONFLICT, seen, order, applied=False)

    # ------------------------------------------------------------------ which order

    def _order_of_fill(self, fill: Fill) -> Order:
        book = self.book
        if fill.order_id:
            # Never an entry without an order id: such a fill asks for its trade first.
            order = book.resolved.get((fill.venue, fill.account, fill.market, fill.symbol, fill.order_id))
            if order is not None and (
                order.client_order_id == fill.client_order_id or not fill.client_order_id
            ):
                return order
        holders = self._holders(fill)
        if not fill.order_id and (holder := _holder(holders, fill)) is not None:
            other = self._by_client_id_alone(fill, holder)
            return holder if other is None else self._merge(holder, other)
        found, other = self._find(fill)
        if found is not None and other is not None:
            found = self._merge(found, other)
        if fill.order_id and (found is None or found.short_key(fill.key) not in found.fills):
            # A trade known without its order id belongs to this order: take it over, counted once.
            for holder in holders:
                if holder is not found and holder is not other and not holder.order_id:
                    found = holder if found is None else self._merge(found, holder)
        if found is None:
            return self._open(fill.venue, fill.account)
        if fill.order_id in found.order_ids and not book.trade_scope(fill.venue, fill.account, fill.symbol):
            book.resolved[(fill.venue, fill.account, fill.market, fill.symbol, fill.order_id)] = found
        return found

    def _named_order(self, identity: Fill) -> Order:
        """The order of a fill that a bust or a correction names; the event itself teaches it nothing."""
        order = self._order_of_fill(identity)
        if not order.sequence:
            order.learn(
                market=identity.market,
                symbol=identity.symbol,
                order_id=identity.order_id,
                client_order_id=identity.client_order_id,
                side=identity.side,
            )
            return order
        at = order.fills.get(order.short_key(identity.key))
        news = _news(order, identity) if at is not None else ()
        if at is not None and news:
            first = self.book.fill(at)
            whole = self._received(enrich(first, identity, news))
            self._emit(ev.FillEnriched(order, whole, first, news, at))
        return order

    def _holders(self, fill: Fill) -> list[Order]:
        """Orders that have this trade, or wait for it, and may be the fill's."""
        book = self.book
        if not book.trade_scope(fill.venue, fill.account, fill.symbol):
            if fill.order_id:
                return []
            # What was resolved until now was resolved without a look at the trades.
            book.open_trade_scope(fill.venue, fill.account, fill.symbol)
            book.resolved.clear()
        held = book.by_trade(fill.venue, fill.account, fill.symbol, fill.key)
        return [
            order
            for order in held
            if (not fill.market or order.market in ("", fill.market))
            # One match can serve two orders: their client ids tell them apart.
            and (not fill.client_order_id or order.client_order_id in ("", fill.client_order_id))
        ]

    def _order_of_report(self, report: OrderReport) -> Order:
        found, other = self._find(report)
        if found is not None and other is not None:
            found = self._merge(found, other)
        if report.previous_order_id:
            before = _only(
                self.book.by_order_id(report.venue, report.account, report.previous_order_id),
                report.market,
                report.symbol,
            )
            if found is None:
                found = before
            elif before is not None and before is not found:
                found = self._merge(found, before)
        return found if found is not None else self._open(report.venue, report.account)

    def _find(self, said: Fill | OrderReport) -> tuple[Order | None, Order | None]:
        """The order with these ids, and another one, known by its client id alone, that is the same."""
        venue, account, market, symbol = said.venue, said.account, said.market, said.symbol
        found: Order | None = None
        if said.order_id:
            found = _only(self.book.by_order_id(venue, account, said.order_id), market, symbol)
        if not said.client_order_id:
            return found, None
        if found is not None:
            return found, self._by_client_id_alone(said, found)
        if not said.order_id:
            found = _only(self.book.by_client_order_id(venue, account, said.client_order_id), market, symbol)
        return (found if found is not None else self._by_client_id_alone(said, None)), None

    def _by_client_id_alone(self, said: Fill | OrderReport, found: Order | None) -> Order | None:
        """The order, other than `found`, that is known by the message's client id and by no order id.

        Venues let a client id be used again: one that has another order id is another order.
        """
        if not said.client_order_id:
            return None
        named = self.book.by_client_order_id(said.venue, said.account, said.client_order_id)
        alone = [order for order in named if order is not found and not order.order_id]
        if found is None:
            return _only(alone, said.market, said.symbol)
        return _only(alone, said.market or found.market, said.symbol or found.symbol)

    def _open(self, venue: str, account: str) -> Order:
        return Order(self.head + 1, venue, account)

    def _merge(self, one: Order, other: Order) -> Order:
        older, newer = (one, other) if one.number < other.number else (other, one)
        over = older.overfill
        both = [key for key in map(newer.full_key, newer.fills) if older.short_key(key) in older.fills]
        copies = [self.book.fill(newer.fills[newer.short_key(key)]) for key in both]
        self._emit(ev.OrderMerged(older, newer))
        for copy in copies:
            self._known_fill(older, copy, older.fills[older.short_key(copy.key)])
        if older.reversals is not None:
            for key in (*older.reversals.waiting_busts, *older.reversals.waiting_corrections):
                if older.short_key(key) in older.fills:
                    self._apply_waiting(older, key)
        self._check_overfill(older, over)
        return older


def _holder(holders: list[Order], fill: Fill) -> Order | None:
    """Which of the orders that have a trade a fill without an order id belongs to; None: to none of them."""
    if fill.client_order_id:
        own = [order for order in holders if order.client_order_id == fill.client_order_id]
        holders = own or holders
    standing = [order for order in holders if stands(order, fill.key)]
    if len(standing) == 1:
        return standing[0]
    # It was booked before, known by this trade only; or the trade was busted and stays so.
    booked = [order for order in holders if not order.order_id] or ([] if standing else holders)
    return booked[0] if booked else None


def _news(order: Order, fill: Fill) -> tuple[str, ...]:
    """What a copy of a known fill tells of the order's identity that was not known."""
    names = [
        name
        for name in ("order_id", "client_order_id", "market", "base_currency")
        if getattr(fill, name) and not getattr(order, name)
    ]
    if "base_currency" in names and fill.quote_currency:
        names.append("quote_currency")
    return tuple(names)


def _may_follow(reversals: Reversals, key: FillKey, correction: FillKey) -> bool:
    """Whether a correction can be linked to the chain of `key`: not if it is in a chain before it already."""
    return correction not in reversals.previous and reversals.root(key) != correction


def _only(orders: list[Order], market: str, symbol: str) -> Order | None:
    """The one order among candidates of one id that a message with this market and symbol belongs to."""
    if symbol:
        exact = [order for order in orders if order.symbol == symbol]
        if market:
            same = [order for order in exact if order.market == market]
            exact = same or [order for order in exact if not order.market]
        elif len(exact) > 1:
            # Opened by a message that did not state its market either.
            exact = [order for order in exact if not order.market]
        if exact:
            return exact[0] if len(exact) == 1 else None
        orders = [order for order in orders if not order.symbol]
    elif len(orders) > 1:
        orders = [order for order in orders if not order.symbol]
    if market:
        orders = [order for order in orders if order.market in ("", market)]
    return orders[0] if len(orders) == 1 else None


_TERMS: Final = (
    "market",
    "symbol",
    "order_id",
    "client_order_id",
    "side",
    "type",
    "order_quantity",
    "limit_price",
    "expected_price",
    "previous_order_id",
    "contract_kind",
    "multiplier",
)


def _compare_terms(known: OrderReport, later: OrderReport) -> tuple[bool, bool]:
    differing = enriching = False
    for name in _TERMS:
        ours, theirs = getattr(known, name), getattr(later, name)
        if not _stated(theirs) or ours == theirs:
            continue
        if not _stated(ours):
            enriching = True
        else:
            differing = True
    return differing, enriching


def _stated(value: object) -> bool:
    # Zero is a price like any other; only an enum's zero means "not stated".
    return value is not None if isinstance(value, Decimal) else bool(value)


# ---------------------------------------------------------------------- folding


def fold(book: Book, event: Event, now: int) -> None:
    """Applies an event to its order and tells the book what changed. `now` is its commit time.

    The only code that changes an order, live and on replay alike.
    """
    if isinstance(event, ev.FillRecorded):
        _fold_recorded(book, event.order, event.fill, event.sequence, now)
        return
    if isinstance(event, (ev.OrdersCleared, ev.StateImported)):
        return
    _FOLDS[type(event)](book, event)
    order = event.order
    order.sequence = event.sequence
    order.update_time = now
    order.cleared = 0
    order.refresh()


def _fold_recorded(book: Book, order: Order, fill: Fill, sequence: int, now: int) -> None:
    if not order.sequence:
        book.add_order(order)
    if not order.sequence or (
        (fill.client_order_id and not order.client_order_id)
        or (fill.market and not order.market)
        or fill.order_id != order.order_id
        or not order.side
        or not order.symbol
    ):
        _learn(book, order, fill)
    if (
        (not order.base_currency and (fill.base_currency or not order.fill_count or _names_base(fill)))
        or (fill.contract_kind and not order.contract_kind)
        or (fill.multiplier is not None and order.multiplier is None)
    ):
        _learn_contract(book, order, fill)
    order.fills[order.key_of(fill)] = sequence
    order.add_fill(fill)
    book.add_fill(order, fill, sequence)
    if not fill.order_id:
        book.open_trade_scope(fill.venue, fill.account, fill.symbol)
    order.sequence = sequence
    order.update_time = now
    order.cleared = 0
    # More of the same leaves a partly filled order of unknown size what it is.
    if order.status != 3 or order.order_quantity is not None:
        order.refresh()


def _learn(book: Book, order: Order, said: Fill | OrderReport) -> None:
    side = order.side
    learned = order.learn(
        market=said.market,
        symbol=said.symbol,
        order_id=said.order_id,
        client_order_id=said.client_order_id,
        side=said.side,
    )
    if learned:
        book.reindex(order)
        if order.side != side and order.fills:
            order.fills = {order.short_key(_spell(key, side)): at for key, at in order.fills.items()}


def _spell(key: str | FillKey, side: int) -> FillKey:
    return FillKey(key, "", side) if isinstance(key, str) else key


def _learn_contract(book: Book, order: Order, said: Fill | OrderReport) -> None:
    base, quote = said.base_currency, said.quote_currency
    if not order.base_currency and not base:
        base, quote = currencies_of(said)
    counted_as = order.contract_kind, order.multiplier
    order.learn_contract(said.contract_kind, said.multiplier, base, quote)
    if order.fill_count and counted_as != (order.contract_kind, order.multiplier):
        # Fills without a contract of their own were summed as spot until now.
        fills = standing_fills(book, order)
        order.refold(fills)
        book.recount(order, fills, *counted_as)


def _names_base(fill: Fill) -> bool:
    fees = fill.fees
    if len(fees) == 1:
        return fill.symbol.startswith(fees[0][0])
    return any(fill.symbol.startswith(currency) for currency, _ in fees)


def currencies_of(said: Fill | OrderReport) -> tuple[str, str]:
    """Base and quote where the payload names neither: by a separator in the symbol, else by a fee.

    A fee currency that starts the symbol is the base.
    """
    symbol = said.symbol
    for separator in _SEPARATORS:
        base, found, quote = symbol.partition(separator)
        if found and base:
            return base, quote.partition(":")[0].partition(separator)[0]
    for currency, _ in said.fees if isinstance(said, Fill) else ():
        if currency and symbol.startswith(currency) and symbol != currency:
            return currency, symbol[len(currency) :]
    return "", ""


def standing_fills(book: Book, order: Order) -> list[Fill]:
    """The fills of an order that count."""
    return list(_standing(book, order).values())


def _fold_enriched(book: Book, event: ev.FillEnriched) -> None:
    order, fill = event.order, event.fill
    _learn(book, order, fill)
    book.replace_fill(order, fill, event.fill_sequence, event.sequence)
    if stands(order, fill.key):
        order.remove_fill(event.before)
        order.add_fill(fill)
    # Last, because it may sum all fills anew, this one as it is now.
    _learn_contract(book, order, fill)


def _fold_conflicted(book: Book, event: ev.FillConflicted) -> None:
    book.add_conflict(event.order, event.fill.key, content_digest(event.fill), event.sequence)


def _fold_busted(book: Book, event: ev.FillBusted) -> None:
    order, key = event.order, event.key
    if not order.sequence:
        book.add_order(order)
        book.reindex(order)
    reversals = order.reversals = order.reversals or Reversals()
    if not event.applied:
        reversals.waiting_busts[key] = event.sequence
        _await_trade(book, order, key)
        return
    first = reversals.waiting_busts.pop(key, event.sequence)
    root = reversals.root(key)
    before = _taken_away(book, order, root)
    reversals.busted.setdefault(root, first)
    if event.removed is not None:
        _take_out(book, order, event.removed)
        book.set_state(order.fills[order.short_key(reversals.head(root))], FillState.BUSTED)
    _count_taken(order, before, _taken_away(book, order, root))


def _fold_corrected(book: Book, event: ev.FillCorrected) -> None:
    order, key, fill = event.order, event.key, event.fill
    new_key = fill.key
    if not order.sequence:
        book.add_order(order)
        book.reindex(order)
    said = replace(fill, order_id="")  # the fill that is named says which order it is
    _learn(book, order, said)
    reversals = order.reversals = order.reversals or Reversals()
    if not event.applied:
        reversals.waiting_corrections.setdefault(key, []).append((fill, event.sequence))
        _await_trade(book, order, key)
        return
    _learn_contract(book, order, said)
    waiting = reversals.waiting_corrections.get(key, [])
    first = next((at for waited, at in waiting if waited.key == new_key), event.sequence)
    waiting[:] = [entry for entry in waiting if entry[0].key != new_key]
    if not waiting:
        reversals.waiting_corrections.pop(key, None)
    # The venue may list the corrected trade under its own id before it says what it corrects: it stands
    # already then, and only the link and the old fill's end are news.
    listed = order.fills.get(order.short_key(new_key))
    event.recorded_before = listed is not None
    root, head = reversals.root(key), reversals.head(key)
    before = _taken_away(book, order, root)
    tail = reversals.head(new_key)
    if listed is not None:
        before = EXACT.add(before, _taken_away(book, order, new_key))
        if root in reversals.busted and new_key not in reversals.busted:
            event.dropped = book.fill(order.fills[order.short_key(tail)])
    reversals.next[head] = new_key
    reversals.previous[new_key] = head
    reversals.corrections[new_key] = first
    if new_key in reversals.busted:
        # What the correction became was busted already, and with it the whole chain is.
        reversals.busted.setdefault(root, reversals.busted.pop(new_key))
    book.set_state(order.fills[order.short_key(head)], FillState.CORRECTED)
    if event.removed is not None:
        _take_out(book, order, event.removed)
    if event.dropped is not None:
        _take_out(book, order, event.dropped)
        book.set_state(order.fills[order.short_key(tail)], FillState.BUSTED)
    if listed is None:
        order.fills[order.short_key(new_key)] = event.sequence
        book.add_fill(order, fill, event.sequence)
        if event.standing:
            order.add_fill(fill)
        else:
            book.set_state(event.sequence, FillState.BUSTED)
    _count_taken(order, before, _taken_away(book, order, root))


def _await_trade(book: Book, order: Order, key: FillKey) -> None:
    if not order.order_id:
        # Only its trade will tell that the fill which comes belongs here.
        book.open_trade_scope(order.venue, order.account, order.symbol)
        book.resolved.clear()
    book.add_trade(order, key)


def _take_out(book: Book, order: Order, fill: Fill) -> None:
    if order.remove_fill(fill):
        times = [other.trade_time for other in standing_fills(book, order)]
        order.retime([time for time in times if time is not None])


def _taken_away(book: Book, order: Order, root: FillKey) -> Decimal:
    """How much less than its first fill a chain counts for now."""
    reversals = order.reversals
    head = root if reversals is None else reversals.head(root)
    if reversals is None or (head == root and root not in reversals.busted):
        return ZERO
    original = book.fill(order.fills[order.short_key(root)]).quantity
    if root in reversals.busted:
        return original
    now = book.fill(order.fills[order.short_key(head)]).quantity
    return max(ZERO, EXACT.subtract(original, now))


def _count_taken(order: Order, before: Decimal, after: Decimal) -> None:
    order.reversed_quantity = EXACT.add(order.reversed_quantity, EXACT.subtract(after, before))


def _fold_registered(book: Book, event: ev.OrderRegistered) -> None:
    order, report = event.order, event.report
    if not order.sequence:
        book.add_order(order)
    _learn_report(book, order, report)
    order.take_terms(report, -1)
    if order.registration is None:
        order.registered, order.registration = event.sequence, report
    else:
        known = order.registration
        learned = {name: getattr(report, name) for name in _TERMS if not _stated(getattr(known, name))}
        order.registration = replace(known, **learned)


def _learn_report(book: Book, order: Order, report: OrderReport) -> None:
    before, now = report.previous_order_id, report.order_id
    if before and not now:
        _learn(book, order, replace(report, order_id=before))
    else:
        _learn(book, order, report)
        if before and before != now and order.replace_id(before, now):
            book.reindex(order)
    _learn_contract(book, order, report)


def _fold_reported(book: Book, event: ev.OrderReported) -> None:
    order, report = event.order, event.report
    if not order.sequence:
        book.add_order(order)
    _learn_report(book, order, report)
    order.add_report(report, event.time)
    order.reports[report_digest(report)] = event.sequence


def _fold_merged(book: Book, event: ev.OrderMerged) -> None:
    order, merged = event.order, event.merged
    was, theirs = (order.contract_kind, order.multiplier), (merged.contract_kind, merged.multiplier)
    _learn(book, order, _identity(merged))
    keys = [merged.full_key(key) for key in merged.fills]
    copies = [key for key in keys if order.short_key(key) in order.fills]
    anew = bool(copies) or was != theirs
    ours_before = _standing(book, order) if anew else {}
    theirs_before = _standing(book, merged) if anew else {}
    for key in keys:
        order.fills.setdefault(order.short_key(key), merged.fills[merged.short_key(key)])
    order.absorb(merged)
    order.reports.update(merged.reports)
    if merged.reversals is not None:
        order.reversals = order.reversals or Reversals()
        _join_reversals(order.reversals, merged.reversals)
    if anew:
        now = _standing(book, order)
        order.refold(list(now.values()))
        book.recount(order, list(ours_before.values()), *was)
        book.recount(order, list(theirs_before.values()), *theirs)
        for at, fill in {**ours_before, **theirs_before}.items():
            if at not in now:
                book.uncount(order, fill, at)
    if copies and order.reversals is not None:
        roots = {order.reversals.root(key) for key in (*order.reversals.busted, *order.reversals.previous)}
        taken = [_taken_away(book, order, root) for root in roots]
        order.reversed_quantity = reduce(EXACT.add, taken, ZERO)
    book.remove_order(merged, order)


def _standing(book: Book, order: Order) -> dict[int, Fill]:
    """The fills of an order that count, by the sequence they were recorded at."""
    keys = [order.full_key(key) for key in order.fills]
    found = [order.fills[order.short_key(key)] for key in keys if stands(order, key)]
    return {at: book.fill(at) for at in found}


def _join_reversals(ours: Reversals, theirs: Reversals) -> None:
    for key, after in theirs.next.items():
        if _may_follow(ours, key, after):
            head = ours.head(key)
            ours.next[head], ours.previous[after] = after, head
    for key, at in theirs.busted.items():
        ours.busted.setdefault(ours.root(key), at)
    for name in ("corrections", "waiting_busts"):
        for key, at in getattr(theirs, name).items():
            getattr(ours, name).setdefault(key, at)
    for key, waiting in theirs.waiting_corrections.items():
        known = ours.waiting_corrections.setdefault(key, [])
        known += [entry for entry in waiting if entry[0].key not in {fill.key for fill, _ in known}]


def _identity(order: Order) -> OrderReport:
    return OrderReport(
        order.venue,
        OrderStatus.UNSPECIFIED,
        symbol=order.symbol,
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        account=order.account,
        market=order.market,
        side=order.side,
    )


def _fold_anomaly(book: Book, event: ev.OrderAnomaly) -> None:
    """Says something about the order and changes nothing in it."""


# Each takes the event class it stands behind, which a dict cannot say.
_FOLDS: Final[dict[type, Callable[[Book, Any], None]]] = {
    ev.FillEnriched: _fold_enriched,
    ev.FillConflicted: _fold_conflicted,
    ev.FillBusted: _fold_busted,
    ev.FillCorrected: _fold_corrected,
    ev.OrderRegistered: _fold_registered,
    ev.OrderReported: _fold_reported,
    ev.OrderMerged: _fold_merged,
    ev.OrderAnomaly: _fold_anomaly,
}
