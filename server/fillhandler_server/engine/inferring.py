"""What stands for fills that the venue counts and nobody has seen."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Final

from fillhandler_server.domain.events import Book
from fillhandler_server.domain.fills import ContractKind, Fill
from fillhandler_server.domain.numbers import EXACT, NUMBER, canonical, divide_inverse, divide_rounded
from fillhandler_server.domain.orders import Order

PRICE_PLACES: Final = 18
PREFIX: Final = "inferred-"
"""Trade ids of inferred fills begin so; no venue's do."""


def inferred_fill(book: Book, order: Order) -> Fill | None:
    """The fill that makes up for what the venue counts beyond its fills; None where there is no gap.

    It has no fee and no time, because nobody told them. Its id follows from what it says and from how many
    there were before it, so that the same history gives the same id.
    """
    quantity = order.gap
    if not quantity:
        return None
    standing = book.fill(order.inferred_sequence) if order.inferred_sequence else None
    price = _price(order, quantity, standing)
    if standing is not None and standing.quantity == quantity and standing.price == price:
        return standing
    return Fill(
        order.venue,
        order.symbol,
        order.order_id,
        _trade_id(order, quantity, price),
        order.side,
        quantity,
        price,
        order.account,
        order.market,
        order.client_order_id,
        contract_kind=order.contract_kind,
        multiplier=order.multiplier,
        inferred=True,
    )


def _price(order: Order, quantity: Decimal, standing: Fill | None) -> Decimal | None:
    """What makes the order's average the one that the venue states: (avg·cum − Σ p·q) / gap.

    Inverse contracts average by Σq / Σ(q/p), so there it is gap / (cum/avg − Σ q/p). None without an average
    in the report, or where it covers fills without a price, or such as were taken back since.
    """
    stated, average = order.reported_cumulative, order.reported_average
    reversals = order.reversals
    if stated is None or not average or (reversals is not None and (reversals.busted or reversals.next)):
        return None
    unpriced = order.unpriced_quantity
    if standing is not None and standing.price is None:
        unpriced = EXACT.subtract(unpriced, standing.quantity)
    if unpriced:
        return None
    try:
        if order.contract_kind == ContractKind.INVERSE:
            seen = order.inverse_notional
            if standing is not None and standing.price:
                seen = EXACT.subtract(seen, divide_inverse(standing.quantity, standing.price))
            missing = EXACT.subtract(divide_inverse(stated, average), seen)
            price = divide_rounded(quantity, missing, PRICE_PLACES)
        else:
            seen = order.notional
            if standing is not None and standing.price is not None:
                seen = EXACT.subtract(seen, EXACT.multiply(standing.quantity, standing.price))
            missing = EXACT.subtract(EXACT.multiply(stated, average), seen)
            price = divide_rounded(missing, quantity, PRICE_PLACES)
    except ZeroDivisionError:
        return None
    text = canonical(price)
    # A rounded average over a sliver can give anything; what no fill could say is not known.
    return Decimal(text) if NUMBER.fullmatch(text) is not None else None


def _trade_id(order: Order, quantity: Decimal, price: Decimal | None) -> str:
    parts = (
        order.venue,
        order.account,
        order.market,
        order.symbol,
        order.order_id,
        order.client_order_id,
        order.side,
        canonical(quantity),
        None if price is None else canonical(price),
        order.inferred_count,
    )
    return PREFIX + hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()
