"""Decides what a command means: the events it becomes, or a refusal."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fillhandler_server.domain import events as ev
from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.domain.events import AnomalyKind, Outcome
from fillhandler_server.domain.fills import (
    Fill,
    FillKey,
    compare,
    content_digest,
    enrich,
)
from fillhandler_server.domain.numbers import ZERO
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.reports import (
    PENDING_STATUSES,
    OrderReport,
    OrderStatus,
    report_digest,
)
from fillhandler_server.domain.reversals import Reversals
from fillhandler_server.engine.amending import spanning
from fillhandler_server.engine.folding import compare_terms, fold_recorded, may_follow
from fillhandler_server.engine.inferring import PREFIX
from fillhandler_server.engine.resolving import (
    by_client_id_alone,
    find,
    holder_of,
    holders_of,
    known_orders,
    only,
)
from fillhandler_server.engine.trading import Trading


@dataclass(slots=True, eq=False)
class Result:
    """What a command did: the outcome, the sequence of the event that holds it, the order it concerns."""

    outcome: Outcome
    sequence: int
    order: Order
    applied: bool = True


class Engine(Trading):
    """Takes commands, one after the other, and hands on the events they become.

    Each event is folded as soon as it is decided, so that the next command sees it. The shell makes the
    events durable and only then answers; if that fails it drops the book.
    """

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
        stood = order.inferred_sequence
        if stood:
            self._supersede(order)
        # As `_emit` does, without its detours: this is every fill there is.
        self.head = sequence = self.head + 1
        is_new = not order.sequence
        fold_recorded(self.book, order, fill, sequence, self.now)
        if is_new:
            self._remember(order, fill)
        self._fill_sink(order, fill, sequence, self.now)
        if stood:
            self.infer(order)
        if order.order_quantity is not None and order.cumulative > order.order_quantity:
            self._check_overfill(order, ZERO)
        if order.dead_status == OrderStatus.REJECTED:
            self._anomaly(order, AnomalyKind.FILL_AFTER_REJECTION, "a fill came after the venue's rejection")
        if fill.side != order.side:
            self._anomaly(order, AnomalyKind.SIDE_MISMATCH, "a fill has the other side than its order")
        if fill.leg:
            self._check_flip(order, fill)
        if order.reversals is not None:
            self._apply_waiting(order, fill.key)
        return Result(Outcome.RECORDED, sequence, order)

    def bust_fill(self, identity: Fill) -> Result:
        """Reverses a fill, or waits for it. `identity` is a fill of which only the identity is read.

        Raises:
            InvalidFieldError: the fill is an inferred one.
        """
        _refuse_inferred(identity)
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
        if not may_follow(reversals, key, new_key):
            # It names as new what this very chain began with.
            return Result(Outcome.CONFLICT, order.fills[order.short_key(new_key)], order)
        return Result(Outcome.RECORDED, self._correct(order, key, fill), order)

    def register_order(self, report: OrderReport) -> Result:
        """Declares an order. Again with the same values: duplicate; with other values: conflict."""
        order = self._order_of_report(report)
        known = order.registration
        if known is not None:
            differing, enriching = compare_terms(known, report)
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
        if report.figures_of_id:
            report = spanning(self.book, order, report)
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
        self._reconcile(order)
        return Result(Outcome.RECORDED, sequence, order)

    def merge_orders(self, one: Order, other: Order) -> Order:
        """Makes one order of two that another journal has found to be one. Returns it."""
        return one if one is other else self._merge(one, other)

    def find_order(self, identity: Fill) -> Order | None:
        """The order that a fill of this identity would belong to, if it is known. Decides nothing."""
        known, key = known_orders(self.book, identity), identity.key
        return next(
            (order for order in known if order.short_key(key) in order.fills), known[0] if known else None
        )

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
        others = (_news(other, fill) for other in known_orders(self.book, fill))
        news = set(_news(order, fill)).intersection(*others)
        enriching = (*news, *enriching)
        return (Outcome.ENRICHED, 0) if enriching else (Outcome.DUPLICATE, sequence)

    # ------------------------------------------------------------------ deciding

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
                text = f"another copy of trade {fill.trade_id} differs in {', '.join(differing)}"
                self._anomaly(order, AnomalyKind.CONFLICTING_FILL, text)
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
            if may_follow(reversals, key, fill.key):
                self._correct(order, key, fill)

    def _bust(self, order: Order, key: FillKey) -> int:
        removed = self._standing_head(order, key)
        named = order.fills[order.short_key(key)]
        sequence = self._emit(ev.FillBusted(order, key, applied=True, fill_sequence=named, removed=removed))
        self._reconcile(order)
        return sequence

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
        self._reconcile(order)
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
        holders = holders_of(self.book, fill)
        if not fill.order_id and (holder := holder_of(holders, fill)) is not None:
            other = by_client_id_alone(self.book, fill, holder)
            return holder if other is None else self._merge(holder, other)
        found, other = find(self.book, fill)
        if found is not None and other is not None:
            found = self._merge(found, other)
        if fill.order_id and (found is None or found.short_key(fill.key) not in found.fills):
            # A trade known without its order id belongs to this order: take it over, counted once.
            for holder in holders:
                if holder is not found and holder is not other and not holder.order_id:
                    found = holder if found is None else self._merge(found, holder)
        if found is None:
            return self._open(fill.venue, fill.account)
        if fill.order_id in found.order_ids:
            self._remember(found, fill)
        return found

    def _remember(self, order: Order, fill: Fill) -> None:
        """Notes that the next fill like this one is the order's too, with its client id or without."""
        book = self.book
        if not fill.order_id or book.trade_scope(fill.venue, fill.account, fill.symbol):
            return
        # Of several orders with one of its ids the next fill may fit none, or another, or make two one.
        client_order_id = order.client_order_id
        if client_order_id and len(book.by_client_order_id(fill.venue, fill.account, client_order_id)) > 1:
            return
        if len(book.by_order_id(fill.venue, fill.account, fill.order_id)) == 1:
            book.resolved[(fill.venue, fill.account, fill.market, fill.symbol, fill.order_id)] = order

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

    def _order_of_report(self, report: OrderReport) -> Order:
        found, other = find(self.book, report)
        if found is not None and other is not None:
            found = self._merge(found, other)
        if report.previous_order_id:
            before = only(
                self.book.by_order_id(report.venue, report.account, report.previous_order_id),
                report.market,
                report.symbol,
            )
            if found is None:
                found = before
            elif before is not None and before is not found:
                found = self._merge(found, before)
        return found if found is not None else self._open(report.venue, report.account)

    def _open(self, venue: str, account: str) -> Order:
        return Order(self.head + 1, venue, account)

    def _merge(self, one: Order, other: Order) -> Order:
        older, newer = (one, other) if one.number < other.number else (other, one)
        over = older.overfill
        inferred = [order for order in (older, newer) if order.inferred_sequence]
        for order in inferred:
            self._supersede(order)
        both = [key for key in map(newer.full_key, newer.fills) if older.short_key(key) in older.fills]
        copies = [self.book.fill(newer.fills[newer.short_key(key)]) for key in both]
        self._emit(ev.OrderMerged(older, newer))
        for copy in copies:
            self._known_fill(older, copy, older.fills[older.short_key(copy.key)])
        if older.reversals is not None:
            for key in (*older.reversals.waiting_busts, *older.reversals.waiting_corrections):
                if older.short_key(key) in older.fills:
                    self._apply_waiting(older, key)
        if inferred:
            self.infer(older)
        self._check_overfill(older, over)
        return older


def _refuse_inferred(identity: Fill) -> None:
    if identity.trade_id.startswith(PREFIX):
        raise InvalidFieldError.of(
            "identity.trade_id",
            "an inferred fill is not the venue's, so it cannot be reversed; it goes when the real fills come",
        )


def _news(order: Order, fill: Fill) -> tuple[str, ...]:
    """What a copy of a known fill tells of the order's identity that was not known."""
    names = [
        name
        for name in ("order_id", "client_order_id", "market", "base_currency")
        if getattr(fill, name)
        and (not getattr(order, name) or (name == "base_currency" and order.currencies_guessed))
    ]
    if "base_currency" in names and fill.quote_currency:
        names.append("quote_currency")
    return tuple(names)
