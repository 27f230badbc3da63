"""Hyperliquid's orders: states, lists of open ones, and what the venue canceled by itself."""

from __future__ import annotations

from typing import Final

from fillhandler_server.domain.fills import Side
from fillhandler_server.domain.numbers import EXACT, ZERO
from fillhandler_server.domain.reports import OrderReport, OrderStatus
from fillhandler_server.venues.hyperliquid.words import SIDES, coin_facts
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.reading import Reading, Row

_STATUSES: Final = {
    "open": OrderStatus.NEW,
    "triggered": OrderStatus.NEW,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "scheduledCancel": OrderStatus.CANCELED,
    "rejected": OrderStatus.REJECTED,
    "expired": OrderStatus.EXPIRED,
}
_ENDINGS: Final = {
    # marginCanceled, liquidatedCanceled, ...; perpMarginRejected, ...: the venue adds to them freely.
    "Canceled": OrderStatus.CANCELED,
    "Rejected": OrderStatus.REJECTED,
}
_PLAIN: Final = frozenset({"open", "triggered", "filled", "canceled", "rejected"})


def _status(row: Row, key: str) -> OrderStatus:
    word = row.data.get(key)
    if isinstance(word, str):
        for ending, status in _ENDINGS.items():
            if word.endswith(ending):
                return status
    return row.choice(_STATUSES, key, default=OrderStatus.UNSPECIFIED)


def _type(row: Row) -> str:
    """`orderType` ("Stop Market" as "stop_market"), made exact by `tif`; orderUpdates have neither."""
    tif = row.note("tif")
    if tif in ("FrontendMarket", "LiquidationMarket"):
        return "market"
    kind = row.note("orderType").lower().replace(" ", "_")
    return "post_only" if tif == "Alo" and kind in ("", "limit") else kind


def is_order(data: Json) -> bool:
    """An order, with or without its status around it."""
    return "coin" in data and "limitPx" in data


def read_order(
    row: Row,
    reading: Reading,
    status: OrderStatus = OrderStatus.NEW,
    reason: str = "",
    time: int | None = None,
) -> None:
    """An order. `sz` is what is left of `origSz`; a list of open orders tells no status and no time of it."""
    symbol = row.id("coin")
    coin = coin_facts(symbol)
    left, ordered = row.number("sz"), row.optional_number("origSz")
    cumulative = None
    if ordered:  # 0: closes the whole position, whatever it is then
        cumulative = EXACT.subtract(ordered, left)
        if cumulative < ZERO and row.has("sz"):
            row.fail("sz", "more than origSz")
    if status == OrderStatus.NEW and cumulative:
        status = OrderStatus.PARTIALLY_FILLED
    kind = _type(row)
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=status,
            symbol=symbol,
            order_id=row.id("oid"),
            client_order_id=row.optional_id("cloid"),
            account=reading.account,
            market=coin.market,
            side=row.choice(SIDES, "side", default=Side.UNSPECIFIED),
            type=kind,
            order_quantity=ordered or None,
            cumulative_quantity=cumulative,
            # A market order's is the worst price it would take.
            limit_price=None if kind.endswith("market") else row.optional_above_zero("limitPx"),
            time=time,
            create_time=row.optional_time("timestamp"),
            contract_kind=coin.kind,
            multiplier=coin.multiplier,
            base_currency=coin.base,
            quote_currency=coin.quote,
            reason=reason,
            metadata={"execution": "liquidation"} if row.note("tif") == "LiquidationMarket" else {},
        )
    )


def is_update(data: Json) -> bool:
    """An order with its status beside it."""
    return isinstance(data.get("order"), dict)


def read_update(row: Row, reading: Reading) -> None:
    """{"order", "status", "statusTimestamp"}. The answer to orderStatus has {"status": "order"} around it."""
    inner = row.optional_row("order")
    assert inner is not None  # is_update
    if isinstance(inner.data.get("order"), dict):
        read_update(inner, reading)
        return
    word = row.note("status")
    status = _status(row, "status")
    time = row.optional_time("statusTimestamp")
    read_order(inner, reading, status, "" if word in _PLAIN else word, time)


def read_forced_cancel(row: Row, reading: Reading) -> None:
    """An order that the venue canceled by itself: {"coin", "oid"}."""
    symbol = row.id("coin")
    coin = coin_facts(symbol)
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=OrderStatus.CANCELED,
            symbol=symbol,
            order_id=row.id("oid"),
            account=reading.account,
            market=coin.market,
            contract_kind=coin.kind,
            multiplier=coin.multiplier,
            base_currency=coin.base,
            quote_currency=coin.quote,
            reason="nonUserCancel",
        )
    )
