"""Gate's fills and orders: spot, perpetual and delivery futures, options."""

from __future__ import annotations

from decimal import Decimal

from fillhandler_server.domain.fills import Fill, Liquidity, Side
from fillhandler_server.domain.numbers import EXACT, ZERO, divide_shown
from fillhandler_server.domain.reports import OrderReport
from fillhandler_server.venues.gate.words import (
    LIQUIDITIES,
    SIDES,
    client_order_id,
    contract,
    execution_mark,
    fees,
    is_filled,
    moment,
    needed_moment,
    spot,
    state,
    status_of,
)
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.reading import Reading, Row

_OF_TRADES = ("role", "order_id", "order", "fee", "gt_fee", "point_fee", "close_size", "text", "user_id")
"""Keys that a public trade does not have, or has empty."""
_OF_ORDERS = frozenset(
    "left finish_as status tif time_in_force filled_total filled_amount avg_deal_price tkfr is_close".split()
)
_AMOUNTS = frozenset({"currency_pair", "amount", "contract", "size"})

# The matchers look for any of several keys, so that a row that lacks one is refused by that key's name.


def _is_of_spot(data: Json) -> bool:
    return "contract" not in data and ("currency_pair" in data or "size" not in data)


def is_order(data: Json) -> bool:
    """An order's state. Rows with a `currency` are transfers, loans and the like."""
    names = data.keys()
    return (
        not _OF_ORDERS.isdisjoint(names)
        and not _AMOUNTS.isdisjoint(names)
        and "role" not in names
        and "currency" not in names
    )


def is_trade(data: Json) -> bool:
    """A fill of the account."""
    get = data.get
    return (
        not _AMOUNTS.isdisjoint(data.keys())
        and "currency" not in data
        and ("price" in data or "role" in data)
        and any(get(key) not in (None, "") for key in _OF_TRADES)
    )


def read_trade(row: Row, reading: Reading) -> None:
    """A fill: a pair's or a contract's, by its keys."""
    (read_spot_trade if _is_of_spot(row.data) else read_contract_trade)(row, reading)


def read_order(row: Row, reading: Reading, time: int | None = None) -> None:
    """An order: a pair's or a contract's, by its keys. `time`: of the message, where the row has none."""
    (read_spot_order if _is_of_spot(row.data) else read_contract_order)(row, reading, time)


def _sign_side(size: Decimal) -> int:
    return Side.SELL if size.is_signed() else Side.BUY


# ----------------------------------------------------------------------- fills


def read_spot_trade(row: Row, reading: Reading) -> None:
    """A fill of spot or margin. The `_v2` channel has no fees: they come with the other copy."""
    symbol = row.id("currency_pair")
    product = spot(symbol)
    side = row.choice(SIDES, "side", default=Side.UNSPECIFIED)
    # The sample of spot.usertrades leaves the fee's currency out: Gate takes it from what is received.
    currency = row.optional_id("fee_currency") or (product.base if side == Side.BUY else product.quote)
    reading.fills.append(
        Fill(
            venue=reading.venue,
            symbol=symbol,
            order_id=row.id("order_id"),
            trade_id=row.optional_id("id", "trade_id"),
            side=side,
            quantity=row.positive("amount"),
            price=row.number("price"),
            account=reading.account,
            market=product.market,
            client_order_id=client_order_id(row),
            fees=fees(row, currency, (("gt_fee", "GT"), ("point_fee", "POINT")), "fee_currency")
            if symbol
            else (),
            liquidity=row.optional_choice(LIQUIDITIES, "role", default=Liquidity.UNSPECIFIED),
            trade_time=needed_moment(row, "create_time_ms", "create_time"),
            contract_kind=product.kind,
            metadata=execution_mark(row),
            base_currency=product.base,
            quote_currency=product.quote,
        )
    )


def read_contract_trade(row: Row, reading: Reading) -> None:
    """A fill of a future or an option, in contracts; the sign of `size` is the side.

    my_trades_timerange names the trade's id `trade_id`, the options' channel the order's id `order`.
    """
    symbol = row.id("contract")
    product = contract(symbol)
    reading.fills.append(
        Fill(
            venue=reading.venue,
            symbol=symbol,
            order_id=row.id("order_id", "order"),
            trade_id=row.optional_id("id", "trade_id"),
            side=_sign_side(row.number("size")),
            quantity=row.size("size"),
            price=row.number("price"),
            account=reading.account,
            market=product.market,
            client_order_id=client_order_id(row),
            fees=fees(row, product.settle, (("point_fee", "POINT"),), "contract") if symbol else (),
            liquidity=row.optional_choice(LIQUIDITIES, "role", default=Liquidity.UNSPECIFIED),
            trade_time=needed_moment(row, "create_time_ms", "create_time"),
            contract_kind=product.kind,
            metadata=execution_mark(row),
            base_currency=product.base,
            quote_currency=product.quote,
        )
    )


# ---------------------------------------------------------------------- orders


def _cumulative(row: Row, ordered: Decimal, left: Decimal) -> Decimal:
    if left > ordered:
        row.fail("left", "more than was ordered")
        return ZERO
    return EXACT.subtract(ordered, left)


def _order_type(row: Row, *, market: bool) -> str:
    if market:
        return "market"
    if row.note("time_in_force", "tif").lower() == "poc":
        return "post_only"
    return "limit"


def read_spot_order(row: Row, reading: Reading, time: int | None = None) -> None:
    """An order of spot or margin.

    A market buy's `amount` and `left` are in quote; `fill_price` is a total. What is left goes before
    `filled_amount`, which does not fit it in the sample of spot.orders_v2.
    """
    symbol = row.id("currency_pair")
    product = spot(symbol)
    side = row.choice(SIDES, "side", default=Side.UNSPECIFIED)
    is_market = row.optional_word("type").lower().startswith("market")
    found = state(row)
    left = row.optional_number("left")
    ordered = None if is_market and side == Side.BUY else row.optional_above_zero("amount")
    total = row.optional_number("filled_total", "fill_price")
    cumulative = row.optional_number("filled_amount")
    if ordered is not None and left is not None:
        cumulative = _cumulative(row, ordered, left)
    elif cumulative is None and is_filled(found):
        cumulative = ordered
    elif cumulative is None and total == ZERO:
        cumulative = ZERO
    average = row.optional_above_zero("avg_deal_price")
    if average is None and total and cumulative:
        average = divide_shown(total, cumulative)
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=status_of(row, found, left, started=bool(cumulative or total)),
            symbol=symbol,
            order_id=row.id("id"),
            client_order_id=client_order_id(row),
            account=reading.account,
            market=product.market,
            side=side,
            type=_order_type(row, market=is_market),
            order_quantity=ordered,
            cumulative_quantity=cumulative,
            average_price=None if cumulative == ZERO else average,
            limit_price=None if is_market else row.optional_above_zero("price"),
            time=moment(row, "update_time_ms", "update_time") or time,
            create_time=moment(row, "create_time_ms", "create_time"),
            contract_kind=product.kind,
            base_currency=product.base,
            quote_currency=product.quote,
            reason=found.reason,
            metadata=execution_mark(row),
        )
    )


_CLOSING_SIDES = {"close_long": Side.SELL, "close_short": Side.BUY}


def read_contract_order(row: Row, reading: Reading, time: int | None = None) -> None:
    """An order of a future or an option, in contracts.

    The sign of `size` is the side, `fill_price` the average.

    A size of 0 closes a whole position: its quantity is not stated, its side only where `auto_size` is.
    """
    symbol = row.id("contract")
    product = contract(symbol)
    size = row.number("size")
    found = state(row)
    side: int = _sign_side(size)
    ordered: Decimal | None = size.copy_abs()
    left = row.optional_number("left")
    if not ordered:
        side = _CLOSING_SIDES.get(row.note("auto_size"), Side.UNSPECIFIED)
        ordered = None
    cumulative = None
    if ordered is not None and left is not None:
        cumulative = _cumulative(row, ordered, left.copy_abs())
    elif is_filled(found):
        cumulative = ordered
    average = row.optional_above_zero("fill_price")
    price = row.optional_above_zero("price")
    tif = row.note("tif", "time_in_force").lower()
    created = moment(row, "create_time_ms", "create_time")
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=status_of(row, found, left, started=bool(average if cumulative is None else cumulative)),
            symbol=symbol,
            order_id=row.id("id"),
            client_order_id=client_order_id(row),
            account=reading.account,
            market=product.market,
            side=side,
            type=_order_type(row, market=price is None and tif in ("ioc", "fok")),
            order_quantity=ordered,
            cumulative_quantity=cumulative,
            average_price=None if cumulative == ZERO else average,
            limit_price=price,
            time=moment(row, "finish_time_ms", "finish_time", "update_time", "time_ms", "time") or time,
            create_time=created,
            contract_kind=product.kind,
            base_currency=product.base,
            quote_currency=product.quote,
            reason=found.reason,
            metadata=execution_mark(row),
        )
    )
