"""Decides what a command means, and folds what was decided into the orders.

Pure: no I/O, no clock, no protobuf, no async. The shell hands in a `Book` (the orders at hand) and the
time; out come events. `fold` is the only code that changes an order, so the journal, replayed, gives the
same orders.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from fillhandler_server.domain import events as ev
from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.domain.events import AnomalyKind, Book, Event, Outcome
from fillhandler_server.domain.fills import (
    ContractKind,
    Fill,
    FillKey,
    FillState,
    compare,
    content_digest,
    enrich,
)
from fillhandler_server.domain.numbers import ZERO, canonical
from fillhandler_server.domain.orders import Order, Reversals
from fillhandler_server.domain.reports import PENDING_STATUSES, OrderReport, OrderStatus

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

    def __init__(self, book: Book, head: int, sink: Callable[[Event, int], None]) -> None:
        """
        Args:
            book: the orders at hand.
            head: sequence of the last event there is.
            sink: takes each event and its commit time just after it was folded, while its order shows the
                figures after it.
        """
        self.book = book
        self.head = head
        self.now = 0
        self._sink = sink

    def begin(self, now: int) -> None:
        """Starts a batch that is committed at `now` (nanoseconds, never before the batch before)."""
        self.now = now

    # ------------------------------------------------------------------ commands

    def record_fill(self, fill: Fill) -> Result:
        """Records a fill under its identity: new, duplicate, conflict or enrichment."""
        order = self._order_of_fill(fill)
        sequence = order.fills.get(order.key_of(fill))
        if sequence is not None:
            return self._known_fill(order, fill, sequence)
        sequence = self._emit(ev.FillRecorded(order, fill))
        if order.order_quantity is not None and order.cumulative > order.order_quantity:
            self._anomaly(
                order,
                AnomalyKind.OVERFILL,
                f"filled {canonical(order.cumulative)} of {canonical(order.order_quantity)} ordered",
            )
        if order.dead_status == OrderStatus.REJECTED:
            self._anomaly(order, AnomalyKind.FILL_AFTER_REJECTION, "a fill came after the venue's rejection")
        if fill.side != order.side:
            self._anomaly(order, AnomalyKind.SIDE_MISMATCH, "a fill has the other side than its order")
        if order.reversals is not None:
            self._apply_waiting(order, fill.key)
        return Result(Outcome.RECORDED, sequence, order)

    def bust_fill(self, identity: Fill) -> Result:
        """Reverses a fill, or waits for it. `identity` is a fill of which only the identity is read."""
        order = self._order_of_fill(identity)
        if not order.sequence:
            # Opened by this bust: nothing else in the event says what order it is.
            order.learn(
                market=identity.market,
                symbol=identity.symbol,
                order_id=identity.order_id,
                client_order_id="",
                side=identity.side,
            )
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
        order = self._order_of_fill(identity)
        key, new_key = identity.key, fill.key
        if key == new_key:
            raise InvalidFieldError.of("fill.trade_id", "must be the correction's own new id")
        reversals = order.reversals or Reversals()
        known = reversals.corrections.get(new_key)
        if known is not None:
            first = self.book.fill(order.fills[order.short_key(new_key)])
            return self._repeated_correction(order, fill, first, known, applied=True)
        if order.short_key(key) not in order.fills:
            for waiting, sequence in reversals.waiting_corrections.get(key, ()):
                if waiting.key == new_key:
                    return self._repeated_correction(order, fill, waiting, sequence, applied=False)
            sequence = self._emit(ev.FillCorrected(order, key, fill, applied=False))
            return Result(Outcome.RECORDED, sequence, order, applied=False)
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
            self._emit(ev.OrderRegistered(order, report))
            return Result(Outcome.ENRICHED, order.sequence, order)
        sequence = self._emit(ev.OrderRegistered(order, report))
        self._check_overfill(order)
        return Result(Outcome.RECORDED, sequence, order)

    def report_order(self, report: OrderReport) -> Result:
        """Takes a venue's report on an order."""
        order = self._order_of_report(report)
        by_arrival = report.time is None
        known = order.reports.get(report_digest(report))
        # A pending state without a time may come round again (cancel, refused, cancel): by arrival that
        # is news, unless the order is over or nothing was said in between.
        again = by_arrival and report.status in PENDING_STATUSES and not order.is_final
        if known is not None and not (again and order.status != report.status):
            return Result(Outcome.DUPLICATE, known, order)
        time = self.now if report.time is None else report.time
        before = order.cumulative
        sequence = self._emit(ev.OrderReported(order, report, time, by_arrival))
        self._check_overfill(order)
        stated = report.cumulative_quantity
        if stated is not None and stated < before and order.is_final:
            self._anomaly(
                order,
                AnomalyKind.CUMULATIVE_BELOW_FILLS,
                f"the venue states {canonical(stated)} filled, its fills sum to {canonical(before)}",
            )
        return Result(Outcome.RECORDED, sequence, order)

    def find_order(self, identity: Fill) -> Order | None:
        """The order that a fill of this identity would belong to, if it is known. Decides nothing."""
        if not identity.order_id:
            self.book.open_trade_scope(identity.venue, identity.account, identity.symbol)
            held = self.book.by_trade(identity.venue, identity.account, identity.symbol, identity.key)
            return held[0] if len(held) == 1 else None
        orders = self.book.by_order_id(identity.venue, identity.account, identity.order_id)
        return _only(orders, identity.market, identity.symbol)

    def preview_fill(self, fill: Fill) -> tuple[Outcome, int]:
        """What `record_fill` would say, and the sequence of what is recorded already. Decides nothing."""
        order = self.find_order(fill)
        sequence = None if order is None else order.fills.get(order.key_of(fill))
        if sequence is None:
            return Outcome.RECORDED, 0
        differing, enriching = compare(self.book.fill(sequence), fill)
        if differing:
            return Outcome.CONFLICT, 0
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

    def _check_overfill(self, order: Order) -> None:
        if order.order_quantity is not None and order.cumulative > order.order_quantity:
            text = f"filled {canonical(order.cumulative)} of {canonical(order.order_quantity)} ordered"
            self._anomaly(order, AnomalyKind.OVERFILL, text)

    def _known_fill(self, order: Order, fill: Fill, sequence: int) -> Result:
        first = self.book.fill(sequence)
        differing, enriching = compare(first, fill)
        if differing:
            digest = content_digest(fill)
            seen = self.book.conflict(order, fill.key, digest)
            if not seen:
                seen = self._emit(ev.FillConflicted(order, fill, differing, sequence))
            return Result(Outcome.CONFLICT, seen, order)
        if fill.order_id and not order.order_id:
            enriching = ("order_id", *enriching)
        if not enriching:
            return Result(Outcome.DUPLICATE, sequence, order)
        whole = enrich(first, fill, enriching)
        return Result(
            Outcome.ENRICHED, self._emit(ev.FillEnriched(order, whole, first, enriching, sequence)), order
        )

    def _apply_waiting(self, order: Order, key: FillKey) -> None:
        reversals = order.reversals
        if reversals is None:
            return
        if key in reversals.waiting_busts:
            self._bust(order, key)
        for fill, _ in list(reversals.waiting_corrections.get(key, ())):
            self._correct(order, key, fill)

    def _bust(self, order: Order, key: FillKey) -> int:
        reversals = order.reversals or Reversals()
        head = reversals.head(key)
        sequence = order.fills[order.short_key(head)]
        named = order.fills[order.short_key(key)]
        return self._emit(
            ev.FillBusted(order, key, applied=True, fill_sequence=named, removed=self.book.fill(sequence))
        )

    def _correct(self, order: Order, key: FillKey, fill: Fill) -> int:
        reversals = order.reversals or Reversals()
        head = reversals.head(key)
        standing = reversals.root(key) not in reversals.busted
        removed = self.book.fill(order.fills[order.short_key(head)]) if standing else None
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
        self._check_overfill(order)
        self._apply_waiting(order, fill.key)
        return sequence

    def _repeated_correction(
        self, order: Order, fill: Fill, first: Fill, sequence: int, *, applied: bool
    ) -> Result:
        differing, _ = compare(first, fill)
        outcome = Outcome.CONFLICT if differing else Outcome.DUPLICATE
        return Result(outcome, sequence, order, applied=applied)

    # ------------------------------------------------------------------ which order

    def _order_of_fill(self, fill: Fill) -> Order:
        book = self.book
        if fill.order_id:
            order = book.resolved.get((fill.venue, fill.account, fill.market, fill.symbol, fill.order_id))
            if order is not None and (order.client_order_id or not fill.client_order_id):
                return order
        else:
            book.open_trade_scope(fill.venue, fill.account, fill.symbol)
        in_scope = book.trade_scope(fill.venue, fill.account, fill.symbol)
        holders = self._holders(fill) if in_scope else []
        if not fill.order_id and len(holders) == 1:
            return holders[0]
        found = self._resolve(
            fill.venue,
            fill.account,
            fill.market,
            fill.symbol,
            fill.order_id,
            fill.client_order_id,
        )
        if fill.order_id:
            # A trade known without its order id belongs to this order: take it over, counted once.
            for holder in holders:
                if holder is not found and not holder.order_id:
                    found = holder if found is None else self._merge(found, holder)
        if found is None:
            return self._open(fill.venue, fill.account)
        if fill.order_id:
            book.resolved[(fill.venue, fill.account, fill.market, fill.symbol, fill.order_id)] = found
        return found

    def _holders(self, fill: Fill) -> list[Order]:
        held = self.book.by_trade(fill.venue, fill.account, fill.symbol, fill.key)
        if fill.market:
            held = [order for order in held if order.market in ("", fill.market)]
        return [order for order in held if stands(order, fill.key)]

    def _order_of_report(self, report: OrderReport) -> Order:
        found = self._resolve(
            report.venue,
            report.account,
            report.market,
            report.symbol,
            report.order_id,
            report.client_order_id,
        )
        return found if found is not None else self._open(report.venue, report.account)

    def _resolve(
        self, venue: str, account: str, market: str, symbol: str, order_id: str, client_order_id: str
    ) -> Order | None:
        found: Order | None = None
        if order_id:
            found = _only(self.book.by_order_id(venue, account, order_id), market, symbol)
        if not client_order_id:
            return found
        named = self.book.by_client_order_id(venue, account, client_order_id)
        if found is not None:
            # Both ids in one message show that an order known by its client id alone is this one.
            named = [order for order in named if order is not found and not order.order_id]
            other = _only(named, market or found.market, symbol or found.symbol)
            return found if other is None else self._merge(found, other)
        if order_id:
            # Venues let a client id be used again: one that has another order id is another order.
            named = [order for order in named if not order.order_id]
        return _only(named, market, symbol)

    def _open(self, venue: str, account: str) -> Order:
        return Order(self.head + 1, venue, account)

    def _merge(self, one: Order, other: Order) -> Order:
        older, newer = (one, other) if one.number < other.number else (other, one)
        self._emit(ev.OrderMerged(older, newer))
        return older


def _only(orders: list[Order], market: str, symbol: str) -> Order | None:
    """The one order among candidates of one id that a message with this market and symbol belongs to."""
    if symbol:
        exact = [order for order in orders if order.symbol == symbol]
        if market:
            same = [order for order in exact if order.market == market]
            exact = same or [order for order in exact if not order.market]
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
        if theirs in (None, "", 0) or ours == theirs:
            continue
        if ours in (None, "", 0):
            enriching = True
        else:
            differing = True
    return differing, enriching


def report_digest(report: OrderReport) -> str:
    """Tells a report that was taken before: a hash of all it says."""

    def text(value: Decimal | None) -> str | None:
        return None if value is None else canonical(value)

    parts = (
        int(report.status),
        report.order_id,
        report.client_order_id,
        report.time,
        text(report.cumulative_quantity),
        text(report.average_price),
        text(report.order_quantity),
        text(report.limit_price),
    )
    return hashlib.blake2b(repr(parts).encode(), digest_size=12).hexdigest()


def stands(order: Order, key: FillKey) -> bool:
    """Whether the fill of this key counts: neither busted nor replaced."""
    reversals = order.reversals
    if reversals is None:
        return order.short_key(key) in order.fills
    if order.short_key(key) not in order.fills or key in reversals.next:
        return False
    return reversals.root(key) not in reversals.busted


# ---------------------------------------------------------------------- folding


def fold(book: Book, event: Event, now: int) -> None:
    """Applies an event to its order and tells the book what changed. `now` is its commit time.

    The only code that changes an order, live and on replay alike.
    """
    if isinstance(event, ev.FillRecorded):
        _fold_recorded(book, event, now)
        return
    if isinstance(event, (ev.OrdersCleared, ev.StateImported)):
        return
    handler = _FOLDS[type(event)]
    handler(book, event)
    order = event.order
    order.sequence = event.sequence
    order.update_time = now
    order.cleared = 0
    order.refresh()


def _fold_recorded(book: Book, event: ev.FillRecorded, now: int) -> None:
    order, fill, sequence = event.order, event.fill, event.sequence
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
    if (fill.contract_kind and not order.contract_kind) or (
        not order.base_currency and (fill.base_currency or not order.fill_count or _names_base(fill))
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
    return any(fill.symbol.startswith(currency) for currency, _ in fill.fees)


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
    keys = [order.full_key(key) for key in order.fills]
    return [book.fill(order.fills[order.short_key(key)]) for key in keys if stands(order, key)]


def _fold_enriched(book: Book, event: ev.FillEnriched) -> None:
    order, fill = event.order, event.fill
    if "order_id" in event.fields:
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
        return
    first = reversals.waiting_busts.pop(key, event.sequence)
    root = reversals.root(key)
    reversals.busted[root] = first
    if event.removed is not None:
        original = book.fill(order.fills[order.short_key(root)]).quantity
        _take_away(book, order, event.removed)
        _count_reversed(order, original, event.removed.quantity, ZERO)
        order.reversed_count += 1
        book.set_state(order.fills[order.short_key(reversals.head(root))], FillState.BUSTED)


def _fold_corrected(book: Book, event: ev.FillCorrected) -> None:
    order, key, fill = event.order, event.key, event.fill
    new_key = fill.key
    if not order.sequence:
        book.add_order(order)
        _learn(book, order, fill)
    reversals = order.reversals = order.reversals or Reversals()
    if not event.applied:
        reversals.waiting_corrections.setdefault(key, []).append((fill, event.sequence))
        return
    waiting = reversals.waiting_corrections.get(key, [])
    first = next((at for waited, at in waiting if waited.key == new_key), event.sequence)
    waiting[:] = [entry for entry in waiting if entry[0].key != new_key]
    if not waiting:
        reversals.waiting_corrections.pop(key, None)
    original = book.fill(order.fills[order.short_key(reversals.root(key))]).quantity
    head = reversals.head(key)
    # The venue may list the corrected trade under its own id before it says what it corrects: it stands
    # already then, and only the link and the old fill's end are news.
    recorded = event.recorded_before = order.short_key(new_key) in order.fills
    reversals.next[head] = new_key
    reversals.previous[new_key] = head
    reversals.corrections[new_key] = first
    if event.removed is not None:
        _take_away(book, order, event.removed)
        order.reversed_count += 1
        _count_reversed(order, original, event.removed.quantity, fill.quantity)
        book.set_state(order.fills[order.short_key(head)], FillState.CORRECTED)
    if recorded:
        if not event.standing:
            at = order.fills[order.short_key(new_key)]
            _take_away(book, order, book.fill(at))
            book.set_state(at, FillState.BUSTED)
        return
    order.fills[order.short_key(new_key)] = event.sequence
    book.add_fill(order, fill, event.sequence)
    if event.standing:
        order.add_fill(fill)
    else:
        book.set_state(event.sequence, FillState.BUSTED)


def _take_away(book: Book, order: Order, fill: Fill) -> None:
    if order.remove_fill(fill):
        times = [other.trade_time for other in standing_fills(book, order)]
        order.retime([time for time in times if time is not None])


def _count_reversed(order: Order, original: Decimal, before: Decimal, after: Decimal) -> None:
    order.reversed_quantity += max(ZERO, original - after) - max(ZERO, original - before)


def _fold_registered(book: Book, event: ev.OrderRegistered) -> None:
    order, report = event.order, event.report
    if not order.sequence:
        book.add_order(order)
    _learn(book, order, report)
    _learn_contract(book, order, report)
    order.take_terms(report, -1)
    if order.registration is None:
        order.registered, order.registration = event.sequence, report
    else:
        known = order.registration
        learned = {name: getattr(report, name) for name in _TERMS if not getattr(known, name)}
        order.registration = replace(known, **learned)


def _fold_reported(book: Book, event: ev.OrderReported) -> None:
    order, report = event.order, event.report
    if not order.sequence:
        book.add_order(order)
    _learn(book, order, report)
    _learn_contract(book, order, report)
    order.add_report(report, event.time)
    order.reports[report_digest(report)] = event.sequence


def _fold_merged(book: Book, event: ev.OrderMerged) -> None:
    order, merged = event.order, event.merged
    kinds = {order.contract_kind, merged.contract_kind}
    _learn(book, order, _identity(merged))
    for key, at in merged.fills.items():
        full = merged.full_key(key)
        if order.short_key(full) in order.fills:
            if stands(merged, full):
                merged.remove_fill(book.fill(at))
        else:
            order.fills[order.short_key(full)] = at
    order.absorb(merged)
    order.reports.update(merged.reports)
    if merged.reversals is not None:
        ours = order.reversals = order.reversals or Reversals()
        for name in Reversals.__slots__:
            getattr(ours, name).update(getattr(merged.reversals, name))
    if kinds == {0, ContractKind.INVERSE}:
        order.refold(standing_fills(book, order))
    book.remove_order(merged, order)


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


_FOLDS: Final = {
    ev.FillEnriched: _fold_enriched,
    ev.FillConflicted: _fold_conflicted,
    ev.FillBusted: _fold_busted,
    ev.FillCorrected: _fold_corrected,
    ev.OrderRegistered: _fold_registered,
    ev.OrderReported: _fold_reported,
    ev.OrderMerged: _fold_merged,
    ev.OrderAnomaly: _fold_anomaly,
}
