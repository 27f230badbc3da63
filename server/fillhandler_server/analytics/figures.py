"""Many sums of one kind to one set of figures. Sums stay exact; only a ratio, at the end, is a double.

A figure whose input is missing is None, never 0 (docs/analytics.md has every definition).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from fillhandler_server.domain.fills import ContractKind, Liquidity
from fillhandler_server.domain.numbers import EXACT, ZERO, divide_shown
from fillhandler_server.domain.reports import OrderStatus
from fillhandler_server.domain.sums import FillGroup, FillSum, Histogram, OrderGroup, OrderSum, Symbol

Currencies = Mapping[Symbol, tuple[str, str]]
"""Base and quote currency of a symbol's contract, where they are known."""
Amount = tuple[str, Decimal]
"""currency, exact sum"""

_Unit = tuple[str, str, str, int]
"""What may be added: a currency; where it is not known the venue, symbol and kind, which have only one."""
_add: Final = EXACT.add


@dataclass(frozen=True, slots=True)
class Percentiles:
    """A distribution of spans, in nanoseconds."""

    count: int
    p50: int
    p95: int
    p99: int


@dataclass(slots=True)
class FillFigures:
    """What some fills come to."""

    count: int = 0
    reversed: int = 0
    without_fee: int = 0
    without_liquidity: int = 0
    inferred: int = 0
    inferred_ratio: float | None = None
    """Their share of the notional."""
    fees: list[Amount] = field(default_factory=list)
    """By currency."""
    notional: list[Amount] = field(default_factory=list)
    """By currency; each symbol whose currency is not known has an entry of its own, with ""."""
    maker_ratio: float | None = None
    fee_bps: float | None = None


@dataclass(slots=True)
class OrderFigures:
    """What some orders come to."""

    total: int = 0
    statuses: list[tuple[int, int]] = field(default_factory=list)
    """(status, orders), by status, those with none left out."""
    active: int = 0
    filled: int = 0
    final: int = 0
    conflicts: int = 0
    completion_rate: float | None = None
    fill_ratio: float | None = None
    first_fill: Percentiles | None = None
    complete: Percentiles | None = None
    calls: int = 0
    """Orders that were placed from here, or tried to be."""
    retries: int = 0
    """Attempts beyond the first of each."""
    retry_rate: float | None = None
    """(attempts - calls) / calls."""
    retried_ratio: float | None = None
    """Those that took more than one attempt / calls."""


class FillTally:
    """Gathers fill sums until their figures are wanted."""

    __slots__ = ("_by_unit", "_currencies", "_known", "_makers", "_sum", "_without_liquidity")

    def __init__(self, currencies: Currencies) -> None:
        self._currencies = currencies
        self._sum = FillSum()
        # Per unit: notional, that of makers, that of takers, of fills without a fee, of inferred ones.
        self._by_unit: dict[_Unit, list[Decimal]] = {}
        self._without_liquidity = self._makers = self._known = 0

    @property
    def empty(self) -> bool:
        """Whether no fill stands in it."""
        return not self._sum.count

    def add(self, group: FillGroup, part: FillSum) -> None:
        """Adds a sum."""
        total = self._sum
        total.count += part.count
        total.reversed += part.reversed
        total.without_fee += part.without_fee
        total.inferred += part.inferred
        total.fee_without_price += part.fee_without_price
        for currency, (amount, count) in part.fees.items():
            entry = total.fees.setdefault(currency, [ZERO, 0])
            entry[0], entry[1] = _add(entry[0], amount), entry[1] + count
        liquidity = group[5]
        if not liquidity:
            self._without_liquidity += part.count
        else:
            self._known += part.count
            self._makers += part.count if liquidity == Liquidity.MAKER else 0
        if part.count <= part.without_price:
            return
        amounts = self._by_unit.setdefault(_unit(group, self._currencies), [ZERO, ZERO, ZERO, ZERO, ZERO])
        amounts[0] = _add(amounts[0], part.notional)
        if liquidity:
            amounts[liquidity] = _add(amounts[liquidity], part.notional)
        amounts[3] = _add(amounts[3], part.notional_without_fee)
        amounts[4] = _add(amounts[4], part.inferred_notional)

    def figures(self) -> FillFigures:
        """The figures of all that was added."""
        total = self._sum
        return FillFigures(
            count=total.count,
            reversed=total.reversed,
            without_fee=total.without_fee,
            without_liquidity=self._without_liquidity,
            inferred=total.inferred,
            inferred_ratio=self._inferred_ratio(),
            fees=[(currency, entry[0]) for currency, entry in sorted(total.fees.items())],
            notional=[(unit[0], amounts[0]) for unit, amounts in sorted(self._by_unit.items())],
            maker_ratio=self._maker_ratio(),
            fee_bps=self._fee_bps(),
        )

    def _maker_ratio(self) -> float | None:
        if not self._known:
            return None
        known = [amounts for amounts in self._by_unit.values() if amounts[1] or amounts[2]]
        if len(known) == 1:
            maker, taker = known[0][1:3]
            if maker >= 0 and taker >= 0:
                return float(divide_shown(maker, _add(maker, taker)))
        # Several currencies cannot be added, and a share of a sum that is not positive says nothing.
        return self._makers / self._known

    def _inferred_ratio(self) -> float | None:
        if len(self._by_unit) != 1:
            return None
        [amounts] = self._by_unit.values()
        return float(divide_shown(amounts[4], amounts[0])) if amounts[0] > 0 else None

    def _fee_bps(self) -> float | None:
        total = self._sum
        if len(total.fees) != 1 or len(self._by_unit) != 1 or total.fee_without_price:
            return None
        [(currency, (fee, _))] = total.fees.items()
        [(unit, amounts)] = self._by_unit.items()
        # What has no fee yet must not make the fee of the others look small.
        notional = EXACT.subtract(amounts[0], amounts[3])
        if not currency or currency != unit[0] or notional <= 0:
            return None
        return float(divide_shown(EXACT.multiply(fee, Decimal(10_000)), notional))


def _unit(group: FillGroup, currencies: Currencies) -> _Unit:
    venue, _, symbol, kind = group[:4]
    names = currencies.get((venue, symbol, kind))
    currency = "" if names is None else names[0 if kind == ContractKind.INVERSE else 1]
    return (currency, "", "", 0) if currency else ("", venue, symbol, kind)


def fill_figures(parts: Iterable[tuple[FillGroup, int, FillSum]], currencies: Currencies) -> FillFigures:
    """The figures of fill sums."""
    tally = FillTally(currencies)
    for group, _, part in parts:
        tally.add(group, part)
    return tally.figures()


def order_figures(parts: Iterable[tuple[OrderGroup, OrderSum]]) -> OrderFigures:
    """The figures of order sums."""
    total = OrderSum()
    by_symbol: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
    for group, part in parts:
        total.merge(part)
        venue, _, symbol = group
        filled, ordered = by_symbol.get((venue, symbol), (ZERO, ZERO))
        by_symbol[venue, symbol] = (_add(filled, part.filled), _add(ordered, part.ordered))
    filled_orders, final = total.statuses.get(OrderStatus.FILLED, 0), total.final
    return OrderFigures(
        total=total.total,
        statuses=sorted((status, number) for status, number in total.statuses.items() if number),
        active=total.active,
        filled=filled_orders,
        final=final,
        conflicts=total.conflicts,
        completion_rate=filled_orders / final if final else None,
        fill_ratio=_fill_ratio(by_symbol),
        first_fill=percentiles(total.first_fill),
        complete=percentiles(total.complete),
        calls=total.calls,
        retries=total.attempts - total.calls,
        retry_rate=(total.attempts - total.calls) / total.calls if total.calls else None,
        retried_ratio=total.retried / total.calls if total.calls else None,
    )


def _fill_ratio(by_symbol: Mapping[tuple[str, str], tuple[Decimal, Decimal]]) -> float | None:
    # Quantities of two symbols are of two things: only their ratios can be averaged.
    ratios = [
        divide_shown(filled, ordered)
        for (_, symbol), (filled, ordered) in by_symbol.items()
        if symbol and ordered
    ]
    if not ratios:
        return None
    total = ZERO
    for ratio in ratios:
        total = _add(total, ratio)
    return float(divide_shown(total, Decimal(len(ratios))))


def percentiles(spans: Histogram) -> Percentiles | None:
    """Median, 95th and 99th percentile; None without spans."""
    found = [spans.percentile(share) for share in (0.50, 0.95, 0.99)]
    if found[0] is None or found[1] is None or found[2] is None:
        return None
    return Percentiles(spans.count, found[0], found[1], found[2])
