"""Bitget's orders: pushes and queries of spot, margin, futures (v2) and the unified account (v3)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from fillhandler_server.domain.fills import Fill, Liquidity, Side
from fillhandler_server.domain.numbers import ZERO, divide_shown
from fillhandler_server.domain.reports import OrderReport, OrderStatus
from fillhandler_server.venues.bitget.fees import Sign, last_fee
from fillhandler_server.venues.bitget.words import (
    LIQUIDITIES,
    SIDES,
    SPOT,
    STATUSES,
    category_market,
    contract_kind,
    currencies,
    execution_mark,
    futures_market,
    mix_side,
    symbol_of,
)
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.reading import Reading, Row

_FUTURES_KEYS = frozenset({"posMode", "posSide", "marginCoin", "tradeSide", "marginMode"})


def _is_futures(data: Json) -> bool:
    return not _FUTURES_KEYS.isdisjoint(data.keys())


def is_plan_order(data: Json) -> bool:
    """An order that waits for its trigger: it has ids and states of its own."""
    return "planType" in data or "planStatus" in data


def is_pushed_order(data: Json) -> bool:
    """A row of the v2 `orders` channel, spot or futures: cumulative in `accBaseVolume`."""
    return "accBaseVolume" in data or "newSize" in data


def is_margin_order(data: Json) -> bool:
    """A row of the margin channels or queries: the ordered quantity is in `baseSize`."""
    return "baseSize" in data


def is_unified_order(data: Json) -> bool:
    """A row of the unified account's orders."""
    return "orderStatus" in data or "cumExecQty" in data


def is_queried_order(data: Json) -> bool:
    """A row of the v2 order queries: cumulative in `baseVolume`, ordered in `size`."""
    return ("status" in data or "state" in data or "size" in data) and "baseVolume" in data


@dataclass(slots=True)
class _Stated:
    """What the forms of an order differ in; the rest is read in one place."""

    symbol: str
    market: str
    side: int
    quantity: Decimal | None
    cumulative: Decimal
    average: Decimal | None
    price: Decimal | None
    status_keys: tuple[str, ...] = ("status",)
    create_keys: tuple[str, ...] = ("cTime",)
    update_keys: tuple[str, ...] = ("uTime",)


def _report(row: Row, reading: Reading, stated: _Stated) -> None:
    base, quote = currencies(stated.symbol, stated.market)
    status = row.choice(STATUSES, *stated.status_keys, default=OrderStatus.UNSPECIFIED)
    kind = row.optional_word("orderType").lower()
    if row.optional_word("force", "timeInForce").lower() == "post_only":
        kind = "post_only"
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=status,
            symbol=stated.symbol,
            order_id=row.id("orderId"),
            client_order_id=row.optional_id("clientOid", "clientOId"),
            account=reading.account,
            market=stated.market,
            side=stated.side,
            type=kind,
            order_quantity=stated.quantity,
            cumulative_quantity=stated.cumulative,
            average_price=stated.average if stated.cumulative else None,
            limit_price=None if kind == "market" else stated.price,
            time=row.optional_time(*stated.update_keys),
            create_time=row.optional_time(*stated.create_keys),
            contract_kind=contract_kind(stated.market),
            base_currency=base,
            quote_currency=quote,
            reason=row.note("cancelReason"),
            metadata=execution_mark(row),
        )
    )


def _ordered(row: Row, side: int, *names: str) -> Decimal | None:
    """The ordered quantity of the spot market, which is in quote currency for a market buy."""
    if side == Side.BUY and row.optional_word("orderType").lower() == "market":
        return None
    return row.optional_above_zero(*names)


def _has_fill(row: Row) -> bool:
    """Whether a push is about a fill: it says what was filled at what price then."""
    if not row.has("tradeId", "fillPrice"):
        return False
    return not row.has("baseVolume") or bool(row.optional_above_zero("baseVolume"))


def read_pushed_order(row: Row, reading: Reading, market: str = "", inst_id: str = "") -> None:
    """A v2 order push: the order's state, and the latest fill where there is one."""
    symbol = symbol_of(row, inst_id)
    if not market:
        market = futures_market(symbol) if _is_futures(row.data) else SPOT
    if market == SPOT:
        side: int = row.choice(SIDES, "side", default=Side.UNSPECIFIED)
        quantity = _ordered(row, side, "newSize")
    else:
        side = mix_side(row)
        quantity = row.optional_above_zero("size")
    if _has_fill(row):
        base, quote = currencies(symbol, market)
        reading.fills.append(
            Fill(
                venue=reading.venue,
                symbol=symbol,
                order_id=row.id("orderId"),
                trade_id=row.optional_id("tradeId"),
                side=side,
                quantity=row.positive("baseVolume"),
                price=row.number("fillPrice"),
                account=reading.account,
                market=market,
                client_order_id=row.optional_id("clientOid", "clientOId"),
                fees=last_fee(row, Sign.NEGATIVE_IS_COST),
                liquidity=row.optional_choice(LIQUIDITIES, "tradeScope", default=Liquidity.UNSPECIFIED),
                trade_time=row.time("fillTime", "uTime"),
                contract_kind=contract_kind(market),
                metadata=execution_mark(row),
                base_currency=base,
                quote_currency=quote,
            )
        )
    _report(
        row,
        reading,
        _Stated(
            symbol=symbol,
            market=market,
            side=side,
            quantity=quantity,
            cumulative=row.number("accBaseVolume"),
            average=row.optional_above_zero("priceAvg"),
            price=row.optional_above_zero("price"),
        ),
    )


def read_margin_order(row: Row, reading: Reading, inst_id: str = "") -> None:
    """A margin order. In its pushes `baseVolume` is cumulative and the symbol stands in `arg` only; in the
    answers to queries `size` is what was filled."""
    symbol = symbol_of(row, inst_id)
    side = row.choice(SIDES, "side", default=Side.UNSPECIFIED)
    if row.has("baseVolume", "fillTotalAmount"):
        cumulative = row.number("baseVolume")
        value = row.optional_above_zero("fillTotalAmount")
        average = divide_shown(value, cumulative) if value and cumulative > ZERO else None
    else:
        cumulative = row.number("size", "baseVolume")
        average = row.optional_above_zero("priceAvg")
    _report(
        row,
        reading,
        _Stated(
            symbol=symbol,
            market=SPOT,
            side=side,
            quantity=_ordered(row, side, "baseSize"),
            cumulative=cumulative,
            average=average,
            price=row.optional_above_zero("price"),
        ),
    )


def read_unified_order(row: Row, reading: Reading) -> None:
    """An order of the unified account: cumulative figures, no fill."""
    symbol = symbol_of(row)
    market = category_market(row)
    side = row.choice(SIDES, "side", default=Side.UNSPECIFIED)
    _report(
        row,
        reading,
        _Stated(
            symbol=symbol,
            market=market,
            side=side,
            quantity=_ordered(row, side, "qty") if market == SPOT else row.optional_above_zero("qty"),
            cumulative=row.number("cumExecQty"),
            average=row.optional_above_zero("avgPrice"),
            price=row.optional_above_zero("price"),
            status_keys=("orderStatus",),
            create_keys=("createdTime",),
            update_keys=("updatedTime",),
        ),
    )


def read_queried_order(row: Row, reading: Reading) -> None:
    """An order of the v2 spot or futures queries."""
    symbol = symbol_of(row)
    price, average = row.optional_above_zero("price"), row.optional_above_zero("priceAvg")
    if _is_futures(row.data):
        market = futures_market(symbol)
        side = mix_side(row)
        quantity = row.optional_above_zero("size")
    else:
        market = SPOT
        side = row.choice(SIDES, "side", default=Side.UNSPECIFIED)
        quantity = _ordered(row, side, "size")
        if "basePrice" in row.data:
            # The list of open spot orders: `priceAvg` is the order's price there, `basePrice` what was paid.
            price, average = average, row.optional_above_zero("basePrice")
    _report(
        row,
        reading,
        _Stated(
            symbol=symbol,
            market=market,
            side=side,
            quantity=quantity,
            cumulative=row.number("baseVolume"),
            average=average,
            price=price,
            status_keys=("status", "state"),
        ),
    )
