"""Which order a message belongs to: by its ids, market and symbol, or by the trade it names."""

from __future__ import annotations

from fillhandler_server.domain.events import Book
from fillhandler_server.domain.fills import Fill
from fillhandler_server.domain.orders import Order, stands
from fillhandler_server.domain.reports import OrderReport


def known_orders(book: Book, identity: Fill) -> list[Order]:
    """The orders that a fill of this identity would join, or make one."""
    holders = holders_of(book, identity)
    if not identity.order_id and (holder := holder_of(holders, identity)) is not None:
        other = by_client_id_alone(book, identity, holder)
        return [holder] if other is None else [holder, other]
    found, other = find(book, identity)
    taken = [order for order in holders if not order.order_id] if identity.order_id else []
    return [order for order in (found, other, *taken) if order is not None]


def holders_of(book: Book, fill: Fill) -> list[Order]:
    """Orders that have this trade, or wait for it, and may be the fill's."""
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


def holder_of(holders: list[Order], fill: Fill) -> Order | None:
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


def find(book: Book, said: Fill | OrderReport) -> tuple[Order | None, Order | None]:
    """The order with these ids, and another one, known by its client id alone, that is the same."""
    venue, account, market, symbol = said.venue, said.account, said.market, said.symbol
    found: Order | None = None
    if said.order_id:
        found = only(book.by_order_id(venue, account, said.order_id), market, symbol)
    if not said.client_order_id:
        return found, None
    if found is not None and not symbol and found.client_order_id not in ("", said.client_order_id):
        # Equal ids of two markets: an id alone says too little against another name.
        found = None
    if found is not None:
        return found, by_client_id_alone(book, said, found)
    if not said.order_id:
        found = only(book.by_client_order_id(venue, account, said.client_order_id), market, symbol)
    return (found if found is not None else by_client_id_alone(book, said, None)), None


def by_client_id_alone(book: Book, said: Fill | OrderReport, found: Order | None) -> Order | None:
    """The order, other than `found`, that is known by the message's client id and by no order id.

    Venues let a client id be used again: one that has another order id is another order.
    """
    if not said.client_order_id:
        return None
    named = book.by_client_order_id(said.venue, said.account, said.client_order_id)
    alone = [order for order in named if order is not found and not order.order_id]
    if alone and found is not None and book.trades.of_order(found.number) is not None:
        # Each order of a trade was registered as one of its own: two of them are never the same.
        alone = [order for order in alone if book.trades.of_order(order.number) is None]
    if len(alone) > 1:
        # One that ended without an id never was at the venue, and its client id was taken again.
        alone = [order for order in alone if not order.is_final] or alone
    if found is None:
        return only(alone, said.market, said.symbol)
    return only(alone, said.market or found.market, said.symbol or found.symbol)


def only(orders: list[Order], market: str, symbol: str) -> Order | None:
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
