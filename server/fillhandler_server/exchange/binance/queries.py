"""Which rows a query answers: pages by id or by time, ascending, as Binance cuts them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

from fillhandler_server.exchange.binance.errors import ApiError
from fillhandler_server.exchange.binance.params import Params, read_limit
from fillhandler_server.exchange.market.orders import Order, Trade
from fillhandler_server.exchange.market.symbols import MarketName

DAY_MS: Final = 86_400_000
WEEK_MS: Final = 7 * DAY_MS
_Row = TypeVar("_Row")


def select_trades(trades: Iterable[Trade], params: Params, market: MarketName, now: int) -> list[Trade]:
    """With `fromId` or `startTime` the first so many from there on, else the last so many; ascending.

    Raises:
        ApiError: -1127 too long a span; -1128 parameters that do not go together; -1130 a limit of 0.
    """
    order_id, from_id = params.whole("orderId"), params.whole("fromId")
    start, end = params.whole("startTime"), params.whole("endTime")
    limit = read_limit(params)
    if from_id is not None and (start is not None or end is not None):
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    spot = market is MarketName.SPOT
    if spot and order_id is not None and (start is not None or end is not None):
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    _check_span(start, end, DAY_MS if spot else WEEK_MS)
    if not spot and from_id is None:
        # The futures answer seven days: from the start, else up to now.
        if start is None:
            start = (end if end is not None else now) - WEEK_MS
            return _page(_rows(trades, order_id, None, start, end), limit, from_start=False)
        end = start + WEEK_MS if end is None else end
    rows = _rows(trades, order_id, from_id, start, end)
    return _page(rows, limit, from_start=from_id is not None or start is not None)


def _rows(
    trades: Iterable[Trade], order_id: int | None, from_id: int | None, start: int | None, end: int | None
) -> list[Trade]:
    return [
        each
        for each in trades
        if (order_id is None or each.order_id == order_id)
        and (from_id is None or each.id >= from_id)
        and (start is None or each.time >= start)
        and (end is None or each.time <= end)
    ]


def select_orders(orders: Iterable[Order], params: Params, market: MarketName, now: int) -> list[Order]:
    """With `orderId` or `startTime` the first so many from there on, else the last so many; ascending.

    Raises:
        ApiError: -1127 too long a span; -1130 a limit of 0.
    """
    order_id = params.whole("orderId")
    start, end = params.whole("startTime"), params.whole("endTime")
    limit = read_limit(params)
    _check_span(start, end, DAY_MS if market is MarketName.SPOT else WEEK_MS)
    if market is MarketName.LINEAR and order_id is None and start is None:
        start = (end if end is not None else now) - WEEK_MS
        return _page(_orders(orders, None, start, end), limit, from_start=False)
    rows = _orders(orders, order_id, start, end)
    return _page(rows, limit, from_start=order_id is not None or start is not None)


def _orders(orders: Iterable[Order], order_id: int | None, start: int | None, end: int | None) -> list[Order]:
    found = [
        each
        for each in orders
        if (order_id is None or each.id >= order_id)
        and (start is None or each.time >= start)
        and (end is None or each.time <= end)
    ]
    return sorted(found, key=lambda order: order.id)


def _page(rows: list[_Row], limit: int, *, from_start: bool) -> list[_Row]:
    return rows[:limit] if from_start else rows[-limit:]


def _check_span(start: int | None, end: int | None, longest: int) -> None:
    if start is None or end is None:
        return
    if end < start:
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    if end - start > longest:
        hours = longest // 3_600_000
        raise ApiError(-1127, f"More than {hours} hours between startTime and endTime.")
