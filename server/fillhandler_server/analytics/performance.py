"""The figures as a series of time buckets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from fillhandler_server.analytics.figures import FillFigures, FillTally, OrderFigures, order_figures
from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.domain.sums import OrderGroup, OrderSum, Sums

BUCKETS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket: the fills with a time in it, and the orders that became final in it."""

    hour: int
    """Its first hour since the epoch."""
    fills: FillFigures
    orders: OrderFigures


@dataclass(frozen=True, slots=True)
class Series:
    """Buckets by time, and the figures of all fills in them and of all orders of the scope."""

    buckets: list[Bucket]
    fills: FillFigures
    orders: OrderFigures


@dataclass(slots=True)
class _Parts:
    fills: FillTally
    orders: list[tuple[OrderGroup, OrderSum]] = field(default_factory=list)


def performance(sums: Sums, hours: int) -> Series:
    """Buckets of `hours` hours, aligned to the epoch; empty ones are left out.

    Raises:
        InvalidFieldError: there would be more than `BUCKETS_MAX`.
    """
    buckets: dict[int, _Parts] = {}

    def bucket(hour: int) -> _Parts:
        number = hour // hours
        found = buckets.get(number)
        if found is None:
            if len(buckets) == BUCKETS_MAX:
                raise InvalidFieldError.of(
                    "bucket",
                    f"gives more than {BUCKETS_MAX} buckets; make it wider, or the time range narrower",
                )
            found = buckets[number] = _Parts(FillTally(sums.currencies))
        return found

    total = FillTally(sums.currencies)
    for group, hour, fills in sums.fills:
        total.add(group, fills)
        if fills.count:
            bucket(hour).fills.add(group, fills)
    for order_group, hour, orders in sums.completed:
        if orders.final:
            bucket(hour).orders.append((order_group, orders))
    made = [
        Bucket(number * hours, parts.fills.figures(), order_figures(parts.orders))
        for number, parts in sorted(buckets.items())
    ]
    return Series(made, total.figures(), order_figures(sums.orders))
