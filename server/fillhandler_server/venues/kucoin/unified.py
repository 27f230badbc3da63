"""KuCoin's unified account: its orders and fills, queried (named keys) and pushed (one-letter keys)."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from fillhandler_server.domain.fills import ContractKind, Fill, Liquidity, Side
from fillhandler_server.domain.numbers import divide_shown
from fillhandler_server.domain.reports import OrderStatus
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.kucoin.orders import Stated, report
from fillhandler_server.venues.kucoin.words import (
    LIQUIDITIES,
    SIDES,
    Market,
    fees_of,
    limit_price,
    market_of,
    marks,
    order_type,
)
from fillhandler_server.venues.reading import Reading, Row

_OF_UNIFIED = frozenset({"executionTime", "liquidityRole", "fillType"})


def is_order(data: Json) -> bool:
    """An order of the unified account's queries."""
    names = data.keys()
    return "sizeUnit" in names or "updatedTime" in names or ("avgPrice" in names and "orderId" in names)


def is_order_push(data: Json) -> bool:
    """A push of the unified account's order channels, in one-letter keys."""
    return "os" in data or ("fS" in data and "oi" in data)


def is_fill(data: Json) -> bool:
    """A row of the unified account's trade history."""
    return not _OF_UNIFIED.isdisjoint(data.keys())


def is_fill_push(data: Json) -> bool:
    """A push of the unified account's `execution` or `execution.lite`, in one-letter keys."""
    names = data.keys()
    return "os" not in names and (("oi" in names and ("ti" in names or "lR" in names)) or "fT" in names)


# ---------------------------------------------------------------------- fills


def read_fill(row: Row, reading: Reading) -> None:
    """A fill of the unified account's trade history."""
    traded = market_of(row)
    metadata = marks(row, "fillType")
    if row.optional_above_zero("tax") is not None:
        metadata["tax"] = row.note("tax")
    reading.fills.append(
        Fill(
            venue=reading.venue,
            symbol=traded.symbol,
            order_id=row.id("orderId"),
            trade_id=row.id("tradeId"),
            side=row.choice(SIDES, "side", default=Side.UNSPECIFIED),
            quantity=row.positive("size"),
            price=row.number("price"),
            account=reading.account,
            market=traded.market,
            client_order_id=row.optional_id("clientOid"),
            fees=fees_of(row, "fee", "feeCurrency"),
            liquidity=row.optional_choice(LIQUIDITIES, "liquidityRole", default=Liquidity.UNSPECIFIED),
            trade_time=row.time("executionTime"),
            contract_kind=traded.kind,
            metadata=metadata,
            base_currency=traded.base,
            quote_currency=traded.quote,
        )
    )


def read_fill_push(row: Row, reading: Reading) -> None:
    """The same, pushed. `execution.lite` repeats the trade id (`ti`) without a fee, to be enriched."""
    traded = market_of(row, "s")
    reading.fills.append(
        Fill(
            venue=reading.venue,
            symbol=traded.symbol,
            order_id=row.id("oi"),
            trade_id=row.id("ti"),
            side=row.choice(SIDES, "S", default=Side.UNSPECIFIED),
            quantity=row.positive("q"),
            price=row.number("p"),
            account=reading.account,
            market=traded.market,
            client_order_id=row.optional_id("ci"),
            fees=fees_of(row, "f", "fC"),
            liquidity=row.optional_choice(LIQUIDITIES, "lR", default=Liquidity.UNSPECIFIED),
            trade_time=row.time("E"),
            contract_kind=traded.kind,
            metadata=marks(row, "fT", "pS"),
            base_currency=traded.base,
            quote_currency=traded.quote,
        )
    )


# --------------------------------------------------------------------- orders

_STATUSES: Final = {
    "0": OrderStatus.NEW,  # waits for its trigger
    "1": OrderStatus.NEW,  # triggered
    "2": OrderStatus.NEW,
    "3": OrderStatus.FILLED,
    "4": OrderStatus.PARTIALLY_FILLED,
    "5": OrderStatus.CANCELED,
    "6": OrderStatus.CANCELED,  # partly filled, the rest canceled
}


def _sizes(
    row: Row, reading: Reading, traded: Market, unit_key: str, size_key: str, filled_key: str
) -> tuple[Decimal | None, Decimal | None]:
    """(ordered, filled) in the venue's own unit: the base of spot, the lots of contracts.

    The unit of an order's sizes is its own: BASECCY, QUOTECCY, or UNIT (lots). What is stated in quote is
    left out; what a contract's order states in coin is divided by the lot where that is known.
    """
    unit = row.optional_word(unit_key)
    quantity, cumulative = row.optional_above_zero(size_key), row.number(filled_key)
    if unit == "QUOTECCY":
        return None, None if cumulative else cumulative
    if unit == "BASECCY" and traded.market in ("linear", "inverse"):
        known = reading.instrument(traded.symbol, traded.market)
        if known is None or known.multiplier is None or traded.kind != ContractKind.LINEAR:
            return None, None if cumulative else cumulative
        lot = known.multiplier
        return (
            None if quantity is None else divide_shown(quantity, lot),
            divide_shown(cumulative, lot) if cumulative else cumulative,
        )
    return quantity, cumulative


def _status(row: Row, key: str, cumulative: Decimal | None) -> OrderStatus:
    status = row.choice(_STATUSES, key, default=OrderStatus.UNSPECIFIED)
    return OrderStatus.PARTIALLY_FILLED if status == OrderStatus.NEW and cumulative else status


def _cancel_reason(row: Row, key: str, status: OrderStatus) -> str:
    reason = row.note(key)
    return reason if status == OrderStatus.CANCELED and reason != "0" else ""


def read_order(row: Row, reading: Reading) -> None:
    """An order of the unified account: cumulative figures, times in ns."""
    traded = market_of(row)
    kind = order_type(row, "orderType")
    quantity, cumulative = _sizes(row, reading, traded, "sizeUnit", "size", "filledSize")
    status = _status(row, "status", cumulative)
    report(
        reading,
        Stated(
            row.id("orderId"),
            row.optional_id("clientOid"),
            status,
            traded,
            row.choice(SIDES, "side", default=Side.UNSPECIFIED),
            kind,
            quantity,
            cumulative,
            row.optional_above_zero("avgPrice"),
            limit_price(row, kind, "price"),
            row.optional_time("updatedTime"),
            row.optional_time("orderTime"),
            _cancel_reason(row, "cancelReason", status),
            marks(row, "fillType"),
        ),
    )


def read_order_push(row: Row, reading: Reading) -> None:
    """The same, pushed. Its last fill (`ti`, `lS`) has no fee of its own and comes as an `execution`."""
    traded = market_of(row, "s")
    kind = order_type(row, "oT", "pO")
    quantity, cumulative = _sizes(row, reading, traded, "qU", "q", "fS")
    status = _status(row, "os", cumulative)
    report(
        reading,
        Stated(
            row.id("oi"),
            row.optional_id("ci"),
            status,
            traded,
            row.choice(SIDES, "S", default=Side.UNSPECIFIED),
            kind,
            quantity,
            cumulative,
            row.optional_above_zero("aP"),
            limit_price(row, kind, "p"),
            row.optional_time("U"),
            row.optional_time("O"),
            _cancel_reason(row, "cR", status),
            marks(row, "oS", "pS"),
        ),
    )
