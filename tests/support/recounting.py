"""Statistics made anew from every fill and every order, to compare the running sums with."""

import json
from collections import defaultdict
from typing import Any

from tests.support.desks import StoreDesk

from fillhandler_server.domain.fills import FillState, time_of
from fillhandler_server.domain.numbers import canonical
from fillhandler_server.domain.sums import ALL_HOURS, HOUR, Counted, FillSum, OrderSum


def recounted(desk: StoreDesk) -> dict[str, Any]:
    """From scratch."""
    fills: dict[Any, FillSum] = defaultdict(FillSum)
    orders: dict[Any, OrderSum] = defaultdict(OrderSum)
    for order in desk.orders():
        counted = Counted(order)
        orders[*counted.group, ALL_HOURS].count(counted)
        if counted.hour is not None:
            orders[*counted.group, counted.hour].count(counted)
        for at in order.fills.values():
            fill, state = desk.content(at)
            kind = int(fill.contract_kind or order.contract_kind)
            multiplier = fill.multiplier if fill.multiplier is not None else order.multiplier
            group = (fill.venue, fill.account, fill.symbol, kind, int(fill.side), int(fill.liquidity))
            for hour in (ALL_HOURS, time_of(fill, 0) // HOUR):
                if state == FillState.STANDING:
                    fills[*group, hour].add(fill, kind, multiplier)
                elif not fill.inferred:
                    # An inferred fill gives way; the venue took nothing back.
                    fills[*group, hour].reversed += 1
    for event in desk.events():
        if event.WhichOneof("event") == "fill_conflicted":
            orders[event.venue, event.account, event.symbol, ALL_HOURS].conflicts += 1
    return _shown(fills, orders)


def running(desk: StoreDesk) -> dict[str, Any]:
    """As kept: the totals in memory, and every hour's row."""
    desk.flush()
    fills: dict[Any, FillSum] = {}
    orders: dict[Any, OrderSum] = {}
    rows = desk.rows()
    for row in rows["fill_sums"]:
        fills[row[:7]] = FillSum.from_json(json.loads(row[7]))
    for row in rows["order_sums"]:
        orders[row[:4]] = OrderSum.from_json(json.loads(row[4]))
    statistics = desk.writer.book.statistics
    for group, total in statistics.fill_totals.items():
        assert fills[*group, ALL_HOURS].to_json() == total.to_json()
    for group, counted in statistics.order_totals.items():
        assert orders[*group, ALL_HOURS].to_json() == counted.to_json()
    return _shown(fills, orders)


def _shown(fills: dict[Any, FillSum], orders: dict[Any, OrderSum]) -> dict[str, Any]:
    reversed_: dict[Any, int] = defaultdict(int)
    sums = {}
    for (venue, account, symbol, kind, side, liquidity, hour), total in fills.items():
        # What was learned of a fill after it was reversed moves no sum.
        reversed_[venue, account, symbol, side, hour] += total.reversed
        said = {
            "count": total.count,
            "notional": canonical(total.notional),
            "fees": {c: (canonical(a), n) for c, (a, n) in sorted(total.fees.items()) if n},
            "without_fee": total.without_fee,
            "notional_without_fee": canonical(total.notional_without_fee),
            "without_price": total.without_price,
            "fee_without_price": total.fee_without_price,
            "inferred": total.inferred,
            "inferred_notional": canonical(total.inferred_notional),
        }
        if total.count:
            sums[venue, account, symbol, kind, side, liquidity, hour] = said
        else:
            assert said["fees"] == {}
            assert (said["notional"], said["without_fee"], said["without_price"]) == ("0", 0, 0)
    return {
        "fills": sums,
        "reversed": {key: n for key, n in reversed_.items() if n},
        "orders": {key: total.to_json() for key, total in orders.items() if total.total or total.conflicts},
    }
