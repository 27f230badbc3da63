"""KuCoin's orders: pushes and queries of spot, margin, futures, and stop orders."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from fillhandler_server.domain.fills import ContractKind, Fill, Liquidity, Side
from fillhandler_server.domain.numbers import EXACT, ZERO, divide_shown
from fillhandler_server.domain.reports import OrderReport, OrderStatus
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.kucoin.words import (
    LIQUIDITIES,
    SIDES,
    Market,
    limit_price,
    market_of,
    marks,
    order_type,
)
from fillhandler_server.venues.reading import Reading, Row

# The matchers look for any of several keys, so that a row that lacks one is refused by that key's name.


def is_change(data: Json) -> bool:
    """A push of the order channels of spot and futures."""
    names = data.keys()
    pushed = "matchPrice" in names or "matchSize" in names or "remainSize" in names or "originSize" in names
    return (pushed or {"orderId", "type", "status"} <= names) and names.isdisjoint(
        ("dealSize", "sizeUnit", "avgPrice", "failMsg", "stopPrice", "id")
    )


def is_stop_event(data: Json) -> bool:
    """A push of the channels of stop orders."""
    return "orderPrice" in data or ("stopPrice" in data and "orderId" in data)


def is_queried_stop(data: Json) -> bool:
    """A spot stop order of a query: no quantities of what was filled."""
    return "stopPrice" in data and "status" in data and data.keys().isdisjoint(_OF_QUERIES)


_OF_QUERIES: Final = frozenset({"dealSize", "dealFunds", "cancelExist", "isActive", "active", "dealValue"})


def is_queried(data: Json) -> bool:
    """An order of the spot, margin and futures queries."""
    names = data.keys()
    return not _OF_QUERIES.isdisjoint(names) and (
        "id" in names or not {"symbol", "side", "type", "createdAt"}.isdisjoint(names)
    )


def is_synchronous(data: Json) -> bool:
    """An answer that waited for the matching: a placement's or a cancel's."""
    names = data.keys()
    return ("dealSize" in names or "originSize" in names) and names.isdisjoint(
        ("id", "cancelExist", "isActive", "active", "type", "ts", "side", "symbol")
    )


@dataclass(slots=True)
class Stated:
    """What the forms of an order differ in; the rest is read in one place."""

    order_id: str
    client_order_id: str
    status: int
    traded: Market
    side: int
    type: str = ""
    quantity: Decimal | None = None
    cumulative: Decimal | None = None
    average: Decimal | None = None
    price: Decimal | None = None
    time: int | None = None
    create_time: int | None = None
    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


def report(reading: Reading, stated: Stated) -> None:
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=stated.status,
            symbol=stated.traded.symbol,
            order_id=stated.order_id,
            client_order_id=stated.client_order_id,
            account=reading.account,
            market=stated.traded.market,
            side=stated.side,
            type=stated.type,
            order_quantity=stated.quantity,
            cumulative_quantity=stated.cumulative,
            average_price=stated.average if stated.cumulative != ZERO else None,
            limit_price=stated.price,
            time=stated.time,
            create_time=stated.create_time,
            contract_kind=stated.traded.kind,
            base_currency=stated.traded.base,
            quote_currency=stated.traded.quote,
            reason=stated.reason,
            metadata=stated.metadata,
        )
    )


# --------------------------------------------------------------------- pushes

_DONE: Final = -1
_CHANGES: Final = {
    # `type` says what happened; `status` alone does not: "done" is said of canceled orders too.
    "received": OrderStatus.NEW,
    "open": OrderStatus.NEW,
    "match": OrderStatus.PARTIALLY_FILLED,
    "update": OrderStatus.NEW,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
}
_WORKING: Final = {"new": False, "open": False, "match": False, "done": True}
"""Whether `status` says that nothing more comes."""

_FEE_TYPES: Final = {"takerFee": Liquidity.TAKER, "makerFee": Liquidity.MAKER}
_MATCHES: Final = {"open": Liquidity.MAKER, "match": Liquidity.TAKER}


def _change_status(row: Row, quantity: Decimal | None, cumulative: Decimal | None) -> OrderStatus:
    status = row.choice(_CHANGES, "type", default=OrderStatus.UNSPECIFIED)
    done = row.choice(_WORKING, "status", default=False)
    if status == OrderStatus.NEW and done:
        return OrderStatus.CANCELED  # update + done: the rest was canceled, by a cancel or by STP
    if status in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED):
        if cumulative and quantity is not None and cumulative >= quantity:
            return OrderStatus.FILLED
        return OrderStatus.PARTIALLY_FILLED if cumulative else status
    return status


def read_change(row: Row, reading: Reading) -> None:
    """An order's change, and its fill where it was matched. A match says no fee."""
    traded = market_of(row)
    order_id, client_order_id = row.id("orderId"), row.optional_id("clientOid")
    side = row.choice(SIDES, "side", default=Side.UNSPECIFIED)
    # `size` follows an update, `originSize` does not; orders by funds have neither.
    quantity = row.optional_above_zero("size")
    if quantity is None:
        quantity = row.optional_above_zero("originSize")
    cumulative = row.optional_number("filledSize")
    average = None
    metadata = marks(row, "tradeType")
    if row.data.get("type") == "match":
        size, price = row.positive("matchSize"), row.number("matchPrice")
        if size == cumulative:
            average = price  # the only fill so far
        reading.fills.append(
            Fill(
                venue=reading.venue,
                symbol=traded.symbol,
                order_id=order_id,
                trade_id=row.id("tradeId"),
                side=side,
                quantity=size,
                price=price,
                account=reading.account,
                market=traded.market,
                client_order_id=client_order_id,
                liquidity=_liquidity(row),
                trade_time=row.time("ts"),
                contract_kind=traded.kind,
                metadata=dict(metadata),
                base_currency=traded.base,
                quote_currency=traded.quote,
            )
        )
    kind = order_type(row, "orderType")
    report(
        reading,
        Stated(
            order_id,
            client_order_id,
            _change_status(row, quantity, cumulative),
            traded,
            side,
            kind,
            quantity,
            cumulative,
            average,
            limit_price(row, kind, "price"),
            row.optional_time("ts"),
            row.optional_time("orderTime"),
            metadata=metadata,
        ),
    )


def _liquidity(row: Row) -> int:
    """What the fill is charged as: `liquidity` shows a maker as taker whose counterparty was hidden."""
    if row.has("feeType"):
        return row.choice(_FEE_TYPES, "feeType", default=Liquidity.UNSPECIFIED)
    found = _MATCHES.get(row.note("status"))
    if found is not None:
        return found
    return row.optional_choice(LIQUIDITIES, "liquidity", default=Liquidity.UNSPECIFIED)


_STOP_EVENTS: Final = {
    "open": OrderStatus.NEW,
    "triggered": OrderStatus.NEW,
    "cancel": OrderStatus.CANCELED,
    "canceled": OrderStatus.CANCELED,
}


def read_stop_event(row: Row, reading: Reading) -> None:
    """A stop order's change. What it places when it fires comes through the order channel."""
    status = row.choice(_STOP_EVENTS, "type", default=OrderStatus.UNSPECIFIED)
    error = row.note("error")
    if status == OrderStatus.NEW and (error or row.optional_flag("triggerSuccess") is False):
        status = OrderStatus.REJECTED  # it fired, and what it was to place was refused
    kind = order_type(row, "orderType")
    report(
        reading,
        Stated(
            row.id("orderId"),
            row.optional_id("clientOid"),
            status,
            market_of(row),
            row.choice(SIDES, "side", default=Side.UNSPECIFIED),
            kind,
            row.optional_above_zero("size"),
            price=row.optional_above_zero("orderPrice", "price"),
            time=row.optional_time("ts"),
            create_time=row.optional_time("createdAt"),
            reason=error,
            metadata=marks(row, "tradeType"),
        ),
    )


# -------------------------------------------------------------------- queries

_STOP_STATUSES: Final = {
    "NEW": OrderStatus.NEW,
    "TRIGGERED": OrderStatus.NEW,
    "CANCELLED": OrderStatus.CANCELED,
    "CANCELED": OrderStatus.CANCELED,
}


def read_queried_stop(row: Row, reading: Reading) -> None:
    """A spot stop order, which has an id of its own (`vs…`), or one of the two of an OCO order."""
    kind = order_type(row, "type")
    report(
        reading,
        Stated(
            row.id("id", "orderId"),
            row.optional_id("clientOid"),
            row.choice(_STOP_STATUSES, "status", default=OrderStatus.UNSPECIFIED),
            market_of(row),
            row.choice(SIDES, "side", default=Side.UNSPECIFIED),
            kind,
            row.optional_above_zero("size"),
            price=limit_price(row, kind, "price"),
            create_time=row.optional_time("orderTime", "createdAt"),
        ),
    )


def _ended(quantity: Decimal | None, cumulative: Decimal, *, canceled: bool) -> OrderStatus:
    """What became of an order that is not active any more. One by funds has no quantity."""
    if quantity is not None:
        return OrderStatus.FILLED if cumulative >= quantity else OrderStatus.CANCELED
    return OrderStatus.CANCELED if canceled or not cumulative else OrderStatus.FILLED


def _working(cumulative: Decimal) -> OrderStatus:
    return OrderStatus.PARTIALLY_FILLED if cumulative else OrderStatus.NEW


def read_queried(row: Row, reading: Reading) -> None:
    """An order of the spot (old and high-frequency), margin and futures queries.

    `cancelExist` says that there was a cancel, which may have been of a part: an active order stays one.
    """
    traded = market_of(row)
    kind = order_type(row, "type")
    quantity = row.optional_above_zero("size")
    if traded.market == "spot" or row.has("dealFunds", "opType"):
        cumulative = row.number("dealSize")
        value = row.optional_above_zero("dealFunds")
        average = divide_shown(value, cumulative) if value and cumulative else None
    else:
        cumulative = row.number("filledSize", "dealSize")
        average = row.optional_above_zero("avgDealPrice")
        if average is None and cumulative:
            average = _contract_average(row, reading, traded, cumulative)
    if row.has("isActive", "active") or not row.has("status"):
        active = row.flag(row.first("isActive", "active"))
    else:
        active = not row.choice({"open": False, "done": True}, "status", default=True)
    canceled = row.optional_flag("cancelExist")
    report(
        reading,
        Stated(
            row.id("id", "orderId"),
            row.optional_id("clientOid"),
            _working(cumulative) if active else _ended(quantity, cumulative, canceled=canceled is True),
            traded,
            row.choice(SIDES, "side", default=Side.UNSPECIFIED),
            kind,
            quantity,
            cumulative,
            average,
            limit_price(row, kind, "price"),
            # The old spot lists state no time of the order's end.
            row.optional_time("lastUpdatedAt", "updatedAt", "endAt"),
            row.optional_time("createdAt", "orderTime"),
            metadata=marks(row, "tradeType"),
        ),
    )


def _contract_average(row: Row, reading: Reading, traded: Market, cumulative: Decimal) -> Decimal | None:
    """The average of a futures order that does not state it, from its value. A value in coin is rounded, so
    inverse contracts have none."""
    known = reading.instrument(traded.symbol, traded.market)
    value = row.optional_above_zero("filledValue", "dealValue")
    if traded.kind != ContractKind.LINEAR or known is None or known.multiplier is None or value is None:
        return None
    return divide_shown(value, EXACT.multiply(cumulative, known.multiplier))


_SYNCHRONOUS: Final = {"new": True, "open": True, "match": True, "done": False}
"""Whether the order still works."""


def read_synchronous(row: Row, reading: Reading) -> None:
    """The state that a placement or a cancel found when it had been matched."""
    order_id, client_order_id = row.optional_id("orderId"), row.optional_id("clientOid")
    if not order_id and not client_order_id:
        row.fail("orderId", "missing, and so is clientOid")
    quantity = row.optional_above_zero("originSize")
    cumulative = row.number("dealSize")
    canceled = row.optional_above_zero("canceledSize", "canceledFunds") is not None
    works = row.choice(_SYNCHRONOUS, "status", default=True)
    report(
        reading,
        Stated(
            order_id,
            client_order_id,
            _working(cumulative) if works else _ended(quantity, cumulative, canceled=canceled),
            Market("", "", ContractKind.UNSPECIFIED, "", ""),
            Side.UNSPECIFIED,
            quantity=quantity,
            cumulative=cumulative,
            time=row.optional_time("matchTime"),
            create_time=row.optional_time("orderTime"),
        ),
    )
