"""The record against the exchange's own books."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from fillhandler.v1 import fills_pb2, orders_pb2

_Fill = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What equals and what does not."""

    fills: int
    """Fills in the exchange's books."""
    fills_right: int
    """Those that are in the record, once, with the same figures."""
    orders: int
    orders_right: int
    wrong: list[str] = field(default_factory=list)
    """Every difference in words; empty where the record is right."""

    @property
    def text(self) -> str:
        """The line that the demo ends with."""
        return (
            f"every fill of the exchange is in the record once: {self.fills_right} of {self.fills};"
            f" its orders stand as it says: {self.orders_right} of {self.orders}"
            if not self.wrong
            else f"fills in the record as the exchange has them: {self.fills_right} of {self.fills};"
            f" orders: {self.orders_right} of {self.orders}; {len(self.wrong)} difference(s)"
        )


def compare(
    books: dict[str, Any], fills: Iterable[fills_pb2.Fill], orders: Iterable[orders_pb2.Order]
) -> Comparison:
    """Looks for each fill and order of `/sim/books` in the record, and for what only the record has."""
    wrong: list[str] = []
    fills_right = _compare_fills(books["trades"], list(fills), wrong)
    orders_right = _compare_orders(books["orders"], list(orders), wrong)
    return Comparison(len(books["trades"]), fills_right, len(books["orders"]), orders_right, wrong)


def _compare_fills(rows: list[dict[str, Any]], fills: list[fills_pb2.Fill], wrong: list[str]) -> int:
    recorded: dict[_Fill, list[fills_pb2.Fill]] = {}
    for fill in fills:
        recorded.setdefault((fill.market, fill.symbol, fill.trade_id), []).append(fill)
    right = 0
    for row in rows:
        found = recorded.pop((row["market"], row["symbol"], row["trade_id"]), [])
        name = f"{row['market']} {row['symbol']} trade {row['trade_id']}"
        if len(found) != 1:
            wrong.append(f"{name} is in the record {len(found)} times")
            continue
        fill = found[0]
        have = (
            fill.order_id,
            fills_pb2.Side.Name(fill.side).removeprefix("SIDE_"),
            Decimal(fill.quantity),
            Decimal(fill.price),
            {fee.currency: Decimal(fee.amount) for fee in fill.fees},
        )
        true = (
            row["order_id"],
            row["side"],
            Decimal(row["quantity"]),
            Decimal(row["price"]),
            {row["commission_asset"]: Decimal(row["commission"])},
        )
        if have == true:
            right += 1
        else:
            wrong.append(f"{name} is {_shown(have)}, the exchange has {_shown(true)}")
    wrong += [f"{' '.join(key)} is in the record and not at the exchange" for key in recorded]
    return right


def _compare_orders(rows: list[dict[str, Any]], orders: list[orders_pb2.Order], wrong: list[str]) -> int:
    recorded = {(each.market, each.client_order_id): each for each in orders}
    times = Counter((row["market"], row["client_order_id"]) for row in rows)
    wrong += [f"{market} order {name} was placed {n} times" for (market, name), n in times.items() if n > 1]
    right = 0
    for row in rows:
        order = recorded.get((row["market"], row["client_order_id"]))
        name = f"{row['market']} order {row['client_order_id']}"
        if order is None:
            wrong.append(f"{name} is not in the record")
            continue
        status = orders_pb2.OrderStatus.Name(order.status).removeprefix("ORDER_STATUS_")
        have = (order.order_id, status, Decimal(order.cumulative_quantity or 0))
        true = (row["order_id"], row["status"], Decimal(row["executed_quantity"]))
        if have == true:
            right += 1
        else:
            wrong.append(f"{name} is {_shown(have)}, the exchange has {_shown(true)}")
    return right


def _shown(figures: tuple[object, ...]) -> str:
    return ", ".join(
        ", ".join(f"{amount} {currency}" for currency, amount in each.items())
        if isinstance(each, dict)
        else str(each)
        for each in figures
    )
