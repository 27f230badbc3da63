"""The handler's work on the writer's thread: plain functions of a session, which see orders as they are."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from fillhandler_server.analytics.figures import Percentiles, fill_figures, order_figures
from fillhandler_server.domain.errors import InvalidFieldError, OrderAmbiguousError, OrderNotFoundError
from fillhandler_server.domain.events import OrdersCleared, Outcome
from fillhandler_server.domain.fills import Fill, FillState
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.reports import OrderReport, OrderStatus, ParsedPayload
from fillhandler_server.domain.sums import Scope
from fillhandler_server.engine import Result
from fillhandler_server.handler.states import (
    FillEvent,
    OrderState,
    PayloadResult,
    fill_event,
    order_state,
    plain,
)
from fillhandler_server.writer import Session

_LISTED_MAX: Final = 10
_SECOND: Final = 1_000_000_000


def record(session: Session, parsed: ParsedPayload) -> PayloadResult:
    """Applies an understood payload."""
    engine, book = session.engine, session.book
    results: list[tuple[Fill, Result]] = []
    orders: dict[int, Order] = {}
    for fill in parsed.fills:
        result = engine.record_fill(fill)
        if result.outcome is Outcome.DUPLICATE:
            book.statistics.duplicates += 1
        results.append((fill, result))
        orders[result.order.number] = result.order
    for report in parsed.reports:
        order = engine.report_order(report).order
        orders[order.number] = order
    return PayloadResult(
        fills=tuple(_event(session, fill, result) for fill, result in results),
        # An order that was merged into another meanwhile is no more.
        orders=tuple(order_state(order) for number, order in sorted(orders.items()) if book.knows(number)),
        skipped=tuple(parsed.skipped),
    )


def _event(session: Session, fill: Fill, result: Result) -> FillEvent:
    engine, book = session.engine, session.book
    order = result.order if book.knows(result.order.number) else engine.find_order(fill) or result.order
    state = int(FillState.UNSPECIFIED)
    if result.outcome is not Outcome.CONFLICT:
        # What stands, which a copy may only have repeated in part.
        at = order.fills.get(order.key_of(fill), result.sequence)
        fill, state = book.fill(at), book.change(at)[1]
    return fill_event(
        fill,
        order,
        outcome=result.outcome.name,
        sequence=result.sequence,
        state=state,
        now=engine.now,
    )


class Partial(NamedTuple):
    """What became of a payload that is one order's."""

    order: OrderState
    result: PayloadResult


def record_for_order(session: Session, parsed: ParsedPayload, order_id: str) -> Partial:
    """Applies a payload that has to be the named order's, and says how the order is then.

    Raises:
        InvalidFieldError: a part of it is another order's; nothing was recorded.
        OrderNotFoundError: it holds no fill and no report, and the order is not known.
    """
    entries: list[Fill | OrderReport] = [*parsed.fills, *parsed.reports]
    for entry in entries:
        if not entry.order_id and not entry.client_order_id and isinstance(entry, Fill):
            entry.order_id = order_id  # whose it is, the caller says
        elif not _belongs(session, entry, order_id):
            stated = entry.order_id or entry.client_order_id
            raise InvalidFieldError.of("order_id", f"the payload is of order {stated!r}, not of {order_id!r}")
    result = record(session, parsed)
    if not result.orders:
        return Partial(find_order(session, order_id), result)
    own = (state for state in result.orders if order_id in (*state.order_ids, state.client_order_id))
    return Partial(next(own, result.orders[0]), result)


def _belongs(session: Session, entry: Fill | OrderReport, order_id: str) -> bool:
    if order_id in (entry.order_id, entry.client_order_id) or (
        isinstance(entry, OrderReport) and order_id == entry.previous_order_id
    ):
        return True
    book = session.book
    known = (
        book.by_order_id(entry.venue, entry.account, entry.order_id)
        if entry.order_id
        else book.by_client_order_id(entry.venue, entry.account, entry.client_order_id)
    )
    # An amended order has several ids.
    return any(order_id in (*order.order_ids, order.client_order_id) for order in known)


def register(session: Session, report: OrderReport) -> OrderState:
    """Declares an order.

    Raises:
        InvalidFieldError: it was declared before, with other values; nothing has changed.
    """
    result = session.engine.register_order(report)
    if result.outcome is Outcome.CONFLICT:
        raise InvalidFieldError.of("order", "is registered already, with other values, which stand")
    return order_state(result.order)


def find_order(
    session: Session, order_id: str, venue: str = "", account: str = "", symbol: str = ""
) -> OrderState:
    """The order of an id, the venue's or the caller's own.

    Raises:
        OrderNotFoundError: there is none.
        OrderAmbiguousError: there are several; the text lists them.
    """
    book = session.book
    found = book.everywhere(order_id=order_id) or book.everywhere(client_order_id=order_id)
    found = [
        order
        for order in found
        if not order.cleared
        and (not venue or order.venue == venue)
        and (not account or order.account == account)
        and (not symbol or order.symbol == symbol)
    ]
    if not found:
        raise OrderNotFoundError(f"no order {order_id!r} is known", order_id=order_id)
    if len(found) > 1:
        listed = ", ".join(f"{o.venue}/{o.account}/{o.symbol or '?'}" for o in found[:_LISTED_MAX])
        raise OrderAmbiguousError(
            f"{len(found)} orders have the id {order_id!r}; add venue, account or symbol: {listed}",
            order_id=order_id,
            orders=listed,
        )
    return order_state(found[0])


def clear(session: Session, before: int) -> int:
    """Hides the final orders that ended before a time; returns how many. For `Writer.settled`."""
    event = OrdersCleared(count=0, before=before)
    event.count = session.book.clearable(event)
    if event.count:
        session.engine.emit(event)
    return event.count


def statistics(session: Session) -> dict[str, Any]:
    """The totals, from running sums: they cost the same at any size of the record."""
    book = session.book
    book.count_dirty()
    sums = book.statistics.sums(Scope(), session.engine.head)
    fills, orders = fill_figures(sums.fills, sums.currencies), order_figures(sums.orders)
    return {
        "total_fills_processed": fills.count,
        "total_orders": orders.total,
        "active_orders": orders.active,
        "orders_by_status": {OrderStatus(status).name: count for status, count in orders.statuses},
        "completion_rate": orders.completion_rate or 0.0,
        "fill_ratio": orders.fill_ratio,
        "total_retries": orders.retries,
        "retry_rate": orders.retry_rate,
        "total_fees": {currency: plain(amount) for currency, amount in fills.fees},
        "notional": {currency: plain(amount) for currency, amount in fills.notional if currency},
        "notional_without_currency": [plain(amount) for currency, amount in fills.notional if not currency],
        "maker_ratio": fills.maker_ratio,
        "time_to_first_fill": _seconds(orders.first_fill),
        "time_to_complete": _seconds(orders.complete),
        "fills_without_fee": fills.without_fee,
        "inferred_fills": fills.inferred,
        "fills_without_liquidity": fills.without_liquidity,
        "reversed_fills": fills.reversed,
        "duplicates_dropped": book.statistics.duplicates,
        "conflicts": orders.conflicts,
        "sequence": session.engine.head,
    }


def _seconds(spans: Percentiles | None) -> dict[str, float] | None:
    if spans is None:
        return None
    return {
        "count": spans.count,
        "p50": spans.p50 / _SECOND,
        "p95": spans.p95 / _SECOND,
        "p99": spans.p99 / _SECOND,
    }
