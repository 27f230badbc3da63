"""Folds events into orders: the only code that changes one, live and on replay alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import reduce
from typing import Any, Final

from fillhandler_server.domain import events as ev
from fillhandler_server.domain.events import Book, Event
from fillhandler_server.domain.fills import (
    Fill,
    FillKey,
    FillState,
    content_digest,
)
from fillhandler_server.domain.numbers import EXACT, ZERO
from fillhandler_server.domain.orders import Order, stands
from fillhandler_server.domain.reports import (
    OrderReport,
    OrderStatus,
    report_digest,
)
from fillhandler_server.domain.reversals import Reversals
from fillhandler_server.engine.trade_folding import fold_trade, renumber_trades

_SEPARATORS: Final = ("/", "-", "_")
_NO_CURRENCIES: Final = frozenset({"PERP", "SWAP"})

TERMS: Final = (
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


def compare_terms(known: OrderReport, later: OrderReport) -> tuple[bool, bool]:
    """Whether a registration says other than the one before it, and whether it says more."""
    differing = enriching = False
    for name in TERMS:
        ours, theirs = getattr(known, name), getattr(later, name)
        if not stated(theirs) or ours == theirs:
            continue
        if not stated(ours):
            enriching = True
        else:
            differing = True
    return differing, enriching


def stated(value: object) -> bool:
    """Whether a term was stated."""
    # Zero is a price like any other; only an enum's zero means "not stated".
    return value is not None if isinstance(value, Decimal) else bool(value)


def fold(book: Book, event: Event, now: int) -> None:
    """Applies an event to its order and tells the book what changed. `now` is its commit time.

    The only code that changes an order, live and on replay alike.
    """
    if isinstance(event, ev.FillRecorded):
        fold_recorded(book, event.order, event.fill, event.sequence, now)
        return
    if isinstance(event, ev.PlainEvent):
        return
    if isinstance(event, ev.TradeEvent):
        fold_trade(book, event, now)
    else:
        _FOLDS[type(event)](book, event)
    order = event.order
    order.sequence = event.sequence
    order.update_time = now
    order.cleared = 0
    order.refresh()


def fold_recorded(book: Book, order: Order, fill: Fill, sequence: int, now: int) -> None:
    """Applies a recorded fill. `now` is its commit time."""
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
        or (fill.base_currency and (order.currencies_guessed or not order.quote_currency))
        or (fill.contract_kind and not order.contract_kind)
        or (fill.multiplier is not None and order.multiplier is None)
    ):
        _learn_contract(book, order, fill)
    order.fills[order.key_of(fill)] = sequence
    order.add_fill(fill)
    book.add_fill(order, fill, sequence)
    if fill.inferred:
        order.inferred_sequence, order.inferred_quantity = sequence, fill.quantity
        order.inferred_count += 1
    elif not fill.order_id:
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
    guessed = not base and not order.base_currency
    if guessed:
        base, quote = currencies_of(said)
    counted_as = order.contract_kind, order.multiplier
    order.learn_contract(said.contract_kind, said.multiplier, base, quote, guessed=guessed)
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
        quote = quote.partition(":")[0].partition(separator)[0]
        if found and base and quote not in _NO_CURRENCIES:
            return base, quote
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
    if event.superseded:
        assert event.removed is not None
        reversals.superseded.add(key)
        _take_out(book, order, event.removed)
        order.inferred_sequence, order.inferred_quantity = 0, ZERO
        book.set_state(event.fill_sequence, FillState.CORRECTED)
        return
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
        learned = {name: getattr(report, name) for name in TERMS if not stated(getattr(known, name))}
        order.registration = replace(known, **learned)


def _learn_report(book: Book, order: Order, report: OrderReport) -> None:
    before, now = report.previous_order_id, report.order_id
    if before and (not now or report.status == OrderStatus.REJECTED):
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
    renumber_trades(book, merged.number, order.number, event.sequence)
    book.remove_order(merged, order)


def _standing(book: Book, order: Order) -> dict[int, Fill]:
    """The fills of an order that count, by the sequence they were recorded at."""
    keys = [order.full_key(key) for key in order.fills]
    found = [order.fills[order.short_key(key)] for key in keys if stands(order, key)]
    return {at: book.fill(at) for at in found}


def may_follow(reversals: Reversals, key: FillKey, correction: FillKey) -> bool:
    """Whether a correction can be linked to the chain of `key`: not if it is in a chain before it already."""
    return correction not in reversals.previous and reversals.root(key) != correction


def _join_reversals(ours: Reversals, theirs: Reversals) -> None:
    ours.superseded |= theirs.superseded
    for key, after in theirs.next.items():
        if may_follow(ours, key, after):
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
