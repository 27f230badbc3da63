"""Reports of venues that begin to count anew when an amend gives an order a new id."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

from fillhandler_server.domain.events import Book
from fillhandler_server.domain.numbers import EXACT, ZERO
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.reports import OrderReport
from fillhandler_server.engine.folding import standing_fills


def spanning(book: Book, order: Order, report: OrderReport) -> OrderReport:
    """The report with figures over all ids of the order: its own, and what the ids before its own filled.

    An average over all of them cannot be made of one over some, so it is left out. A fill of an earlier id
    that is still to come counts from the venue's next report on.
    """
    ids, order_id, previous = order.order_ids, report.order_id, report.previous_order_id
    if order_id in ids:
        earlier = ids[: ids.index(order_id)]
    elif previous in ids:
        earlier = ids[: ids.index(previous) + 1]
    else:
        earlier = []
    fills = (
        [f for f in standing_fills(book, order) if f.order_id in earlier and not f.inferred]
        if earlier
        else []
    )
    if not fills:
        return report
    filled = reduce(EXACT.add, (fill.quantity for fill in fills), ZERO)
    quantity, cumulative = report.order_quantity, report.cumulative_quantity
    return replace(
        report,
        order_quantity=None if quantity is None else EXACT.add(quantity, filled),
        cumulative_quantity=None if cumulative is None else EXACT.add(cumulative, filled),
        average_price=None,
    )
