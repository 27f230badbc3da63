"""Fees by group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from fillhandler_server.analytics.figures import FillFigures, FillTally
from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.domain.sums import FillGroup, Sums

GROUPS_MAX: Final = 10_000


class Dimension(IntEnum):
    """Values as in `fillhandler.v1.FeeDimension`."""

    VENUE = 1
    SYMBOL = 2
    SIDE = 3
    LIQUIDITY = 4
    HOUR = 5
    ACCOUNT = 6


_AT: Final = {
    Dimension.VENUE: 0,
    Dimension.ACCOUNT: 1,
    Dimension.SYMBOL: 2,
    Dimension.SIDE: 4,
    Dimension.LIQUIDITY: 5,
}
"""Where a dimension stands in a fill group."""


@dataclass(frozen=True, slots=True)
class FeeGroup:
    """The fees of one group; a dimension that is not grouped by is None."""

    figures: FillFigures
    venue: str | None = None
    account: str | None = None
    symbol: str | None = None
    side: int | None = None
    liquidity: int | None = None
    hour: int | None = None
    """Hours since the epoch."""


def fees_by_group(sums: Sums, dimensions: Sequence[Dimension]) -> tuple[list[FeeGroup], FeeGroup]:
    """The groups, ordered by the dimensions in their order, and the total over them.

    Raises:
        InvalidFieldError: there would be more than `GROUPS_MAX`.
    """
    total = FillTally(sums.currencies)
    groups: dict[tuple[Any, ...], FillTally] = {}
    for group, hour, part in sums.fills:
        total.add(group, part)
        if not part.count:
            continue
        key = tuple(_value(dimension, group, hour) for dimension in dimensions)
        tally = groups.get(key)
        if tally is None:
            if len(groups) == GROUPS_MAX:
                raise InvalidFieldError.of(
                    "group_by",
                    f"gives more than {GROUPS_MAX} groups; group by less, or narrow the filter",
                )
            tally = groups[key] = FillTally(sums.currencies)
        tally.add(group, part)
    names = [dimension.name.lower() for dimension in dimensions]
    made = [FeeGroup(groups[key].figures(), **dict(zip(names, key, strict=True))) for key in sorted(groups)]
    return made, FeeGroup(total.figures())


def _value(dimension: Dimension, group: FillGroup, hour: int) -> str | int:
    return hour if dimension == Dimension.HOUR else group[_AT[dimension]]
