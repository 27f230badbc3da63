"""The sums that statistics are made of: plain accumulators that can be added, taken back and stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from fillhandler_server.domain.fills import ContractKind, Fill
from fillhandler_server.domain.numbers import EXACT, ONE, ZERO, canonical, divide_inverse
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.reports import FINAL_STATUSES, OrderStatus

HOUR: Final = 3600 * 1_000_000_000
ALL_HOURS: Final = -(1 << 40)
"""Stands for the total over all hours: before any hour that nanoseconds in 64 bits reach."""

_add: Final = EXACT.add
_fma: Final = EXACT.fma
_INVERSE: Final = int(ContractKind.INVERSE)

FillGroup = tuple[str, str, str, int, int, int]
"""venue, account, symbol, contract kind, side, liquidity"""
OrderGroup = tuple[str, str, str]
"""venue, account, symbol"""
Symbol = tuple[str, str, int]
"""venue, symbol, contract kind"""


class FillSum:
    """Fills of one (venue, account, symbol, kind, side, liquidity) and hour."""

    __slots__ = (
        "count",
        "fee_without_price",
        "fees",
        "inferred",
        "inferred_notional",
        "notional",
        "notional_without_fee",
        "reversed",
        "without_fee",
        "without_price",
    )

    def __init__(self) -> None:
        self.count = 0
        self.notional = ZERO
        self.fees: dict[str, list[Any]] = {}
        """Currency → [sum, number of fills that state it]."""
        self.without_fee = 0
        self.notional_without_fee = ZERO
        """The part of `notional` that is of fills without a fee."""
        self.inferred = 0
        """Those of them that were inferred: an inferred fill never has a fee."""
        self.inferred_notional = ZERO
        self.without_price = 0
        """Fills that have no notional."""
        self.fee_without_price = 0
        """Those of them that state a fee."""
        self.reversed = 0

    def add(self, fill: Fill, kind: int, multiplier: Decimal | None) -> None:
        """Adds a fill."""
        self.count += 1
        price = fill.price
        priced = price is not None
        if price is not None:
            if kind == _INVERSE:
                if price:
                    self.notional = _fma(
                        divide_inverse(fill.quantity, price), multiplier or ONE, self.notional
                    )
                else:
                    priced = False
            elif multiplier is None:
                self.notional = _fma(fill.quantity, price, self.notional)
            else:
                self.notional = _fma(EXACT.multiply(fill.quantity, price), multiplier, self.notional)
        if not priced:
            self.without_price += 1
        if fill.fees:
            for currency, amount in fill.fees:
                entry = self.fees.get(currency)
                if entry is None:
                    self.fees[currency] = [amount, 1]
                else:
                    entry[0] = _add(entry[0], amount)
                    entry[1] += 1
            if not priced:
                self.fee_without_price += 1
        else:
            self.without_fee += 1
            notional = (notional_of(fill, kind, multiplier) or ZERO) if priced else ZERO
            self.notional_without_fee = _add(self.notional_without_fee, notional)
            if fill.inferred:
                self.inferred += 1
                self.inferred_notional = _add(self.inferred_notional, notional)

    def remove(self, fill: Fill, kind: int, multiplier: Decimal | None) -> None:
        """Takes a fill out again."""
        other = FillSum()
        other.add(fill, kind, multiplier)
        self.merge(other, -1)

    def merge(self, other: FillSum, sign: int = 1) -> None:
        """Adds another sum, or takes it out (`sign` −1)."""
        self.count += sign * other.count
        self.notional = _fma(other.notional, Decimal(sign), self.notional)
        self.notional_without_fee = _fma(other.notional_without_fee, Decimal(sign), self.notional_without_fee)
        self.inferred_notional = _fma(other.inferred_notional, Decimal(sign), self.inferred_notional)
        self.without_fee += sign * other.without_fee
        self.inferred += sign * other.inferred
        self.without_price += sign * other.without_price
        self.fee_without_price += sign * other.fee_without_price
        self.reversed += sign * other.reversed
        for currency, (amount, count) in other.fees.items():
            entry = self.fees.setdefault(currency, [ZERO, 0])
            entry[0] = _fma(amount, Decimal(sign), entry[0])
            entry[1] += sign * count
            if not entry[1] and not entry[0]:
                del self.fees[currency]

    @property
    def empty(self) -> bool:
        """Whether nothing is in it."""
        return not (self.count or self.reversed or self.fees or self.notional or self.without_fee)

    def to_json(self) -> dict[str, Any]:
        """For storing."""
        return {
            "n": self.count,
            "notional": canonical(self.notional),
            "fees": {currency: [canonical(entry[0]), entry[1]] for currency, entry in self.fees.items()},
            "without_fee": self.without_fee,
            "notional_without_fee": canonical(self.notional_without_fee),
            "inferred": self.inferred,
            "inferred_notional": canonical(self.inferred_notional),
            "without_price": self.without_price,
            "fee_without_price": self.fee_without_price,
            "reversed": self.reversed,
        }

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> FillSum:
        """What was stored."""
        made = cls()
        made.count, made.notional = state["n"], Decimal(state["notional"])
        made.fees = {currency: [Decimal(amount), n] for currency, (amount, n) in state["fees"].items()}
        made.without_fee, made.reversed = state["without_fee"], state["reversed"]
        made.notional_without_fee = Decimal(state["notional_without_fee"])
        # Sums of before there were inferred fills say nothing of them.
        made.inferred = state.get("inferred", 0)
        made.inferred_notional = Decimal(state.get("inferred_notional", 0))
        made.without_price, made.fee_without_price = state["without_price"], state["fee_without_price"]
        return made


def notional_of(fill: Fill, kind: int, multiplier: Decimal | None) -> Decimal | None:
    """p·q·multiplier; for an inverse contract q·multiplier/p. None without a price, or where 1/p is not."""
    price = fill.price
    if price is None or (kind == _INVERSE and not price):
        return None
    amount = divide_inverse(fill.quantity, price) if kind == _INVERSE else fill.quantity
    if kind != ContractKind.INVERSE:
        amount = EXACT.multiply(amount, price)
    return amount if multiplier is None else EXACT.multiply(amount, multiplier)


class Histogram:
    """Spans in nanoseconds, in buckets at most 1.6 % wide: percentiles of any number in constant space."""

    __slots__ = ("buckets",)
    _BITS: Final = 6

    def __init__(self, buckets: dict[int, int] | None = None) -> None:
        self.buckets = buckets if buckets is not None else {}

    def add(self, span: int, sign: int = 1) -> None:
        """Counts a span, or takes it out again."""
        span = max(0, span)
        shift = max(0, span.bit_length() - self._BITS - 1)
        bucket = (shift << (self._BITS + 1)) | (span >> shift)
        count = self.buckets.get(bucket, 0) + sign
        if count:
            self.buckets[bucket] = count
        else:
            self.buckets.pop(bucket, None)

    def merge(self, other: Histogram, sign: int = 1) -> None:
        """Adds another one, or takes it out."""
        for bucket, count in other.buckets.items():
            total = self.buckets.get(bucket, 0) + sign * count
            if total:
                self.buckets[bucket] = total
            else:
                self.buckets.pop(bucket, None)

    @property
    def count(self) -> int:
        """Spans counted."""
        return sum(self.buckets.values())

    def percentile(self, share: float) -> int | None:
        """The middle of the bucket up to which `share` of the spans lie, in nanoseconds; None if empty."""
        total = self.count
        if not total:
            return None
        wanted = max(1, -(-int(share * total * 1000) // 1000))
        seen = 0
        for bucket in sorted(self.buckets, key=_bucket_start):
            seen += self.buckets[bucket]
            if seen >= wanted:
                shift = bucket >> (self._BITS + 1)
                return _bucket_start(bucket) + ((1 << shift) - 1) // 2
        return None


def _bucket_start(bucket: int) -> int:
    return (bucket & 0x7F) << (bucket >> 7)


class OrderSum:
    """Orders of one (venue, account, symbol): all of them, or those that became final in one hour."""

    __slots__ = (
        "attempts",
        "calls",
        "complete",
        "conflicts",
        "filled",
        "first_fill",
        "ordered",
        "over",
        "retried",
        "statuses",
    )

    def __init__(self) -> None:
        self.statuses: dict[int, int] = {}
        self.filled = ZERO
        """Σ filled, overfill capped, over orders whose ordered quantity is known."""
        self.ordered = ZERO
        self.first_fill = Histogram()
        self.complete = Histogram()
        self.over = 0
        """Orders that nothing more is to be expected of though their status is not a final one."""
        self.conflicts = 0
        """Conflicting copies of fills; counted in totals, not by hour."""
        self.calls = 0
        """Orders that were placed from here, or tried to be."""
        self.attempts = 0
        """Attempts to place them."""
        self.retried = 0
        """Those that took more than one."""

    def count(self, counted: Counted, sign: int = 1) -> None:
        """Counts an order, or takes it out again."""
        number = self.statuses.get(counted.status, 0) + sign
        if number:
            self.statuses[counted.status] = number
        else:
            self.statuses.pop(counted.status, None)
        self.over += sign * counted.over
        if counted.attempts:
            self.calls += sign
            self.attempts += sign * counted.attempts
            self.retried += sign * (counted.attempts > 1)
        if counted.ordered is not None:
            self.filled = _fma(counted.filled, Decimal(sign), self.filled)
            self.ordered = _fma(counted.ordered, Decimal(sign), self.ordered)
        if counted.first_span is not None:
            self.first_fill.add(counted.first_span, sign)
        if counted.complete_span is not None:
            self.complete.add(counted.complete_span, sign)

    def merge(self, other: OrderSum) -> None:
        """Adds another sum."""
        for status, number in other.statuses.items():
            self.statuses[status] = self.statuses.get(status, 0) + number
        self.over += other.over
        self.conflicts += other.conflicts
        self.calls += other.calls
        self.attempts += other.attempts
        self.retried += other.retried
        self.filled = _add(self.filled, other.filled)
        self.ordered = _add(self.ordered, other.ordered)
        self.first_fill.merge(other.first_fill)
        self.complete.merge(other.complete)

    @property
    def total(self) -> int:
        """Orders in it."""
        return sum(self.statuses.values())

    @property
    def final(self) -> int:
        """Orders in a final status."""
        return sum(number for status, number in self.statuses.items() if status in FINAL_STATUSES)

    @property
    def active(self) -> int:
        """Orders in it that may still fill."""
        return self.total - self.final - self.over

    def to_json(self) -> dict[str, Any]:
        """For storing."""
        return {
            "statuses": self.statuses,
            "filled": canonical(self.filled),
            "ordered": canonical(self.ordered),
            "first_fill": self.first_fill.buckets,
            "complete": self.complete.buckets,
            "over": self.over,
            "conflicts": self.conflicts,
            "calls": [self.calls, self.attempts, self.retried],
        }

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> OrderSum:
        """What was stored."""
        made = cls()
        made.statuses = {int(status): number for status, number in state["statuses"].items()}
        made.filled, made.ordered = Decimal(state["filled"]), Decimal(state["ordered"])
        made.first_fill = Histogram({int(k): n for k, n in state["first_fill"].items()})
        made.complete = Histogram({int(k): n for k, n in state["complete"].items()})
        made.over, made.conflicts = state["over"], state["conflicts"]
        # Rows of schema 2 know of no calls.
        made.calls, made.attempts, made.retried = state.get("calls", (0, 0, 0))
        return made


class Counted:
    """What of an order is in the sums now, so that it can be taken out when the order moves."""

    __slots__ = (
        "attempts",
        "complete_span",
        "filled",
        "first_span",
        "group",
        "hour",
        "ordered",
        "over",
        "status",
    )

    def __init__(self, order: Order) -> None:
        self.group = (order.venue, order.account, order.symbol)
        self.status = order.status
        self.ordered = order.order_quantity
        self.filled = order.cumulative if self.ordered is None else min(order.cumulative, self.ordered)
        complete = order.complete_time
        final = order.status in FINAL_STATUSES
        when = complete if complete is not None else order.update_time
        self.hour = when // HOUR if final else None
        self.over = int(order.is_final and not final)
        self.attempts = order.attempts
        self.first_span: int | None = None
        self.complete_span: int | None = None
        if order.status == OrderStatus.FILLED and order.create_time is not None:
            if order.first_fill_time is not None:
                self.first_span = order.first_fill_time - order.create_time
            if complete is not None:
                self.complete_span = complete - order.create_time

    def same(self, other: Counted) -> bool:
        """Whether it counts the same."""
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def to_json(self) -> list[Any]:
        """For storing."""
        ordered = None if self.ordered is None else canonical(self.ordered)
        return [
            *self.group,
            self.status,
            ordered,
            canonical(self.filled),
            self.hour,
            self.first_span,
            self.complete_span,
            self.over,
            self.attempts,
        ]

    @classmethod
    def from_json(cls, state: list[Any]) -> Counted:
        """What was stored."""
        made = cls.__new__(cls)
        made.group = (state[0], state[1], state[2])
        made.status = state[3]
        made.ordered = None if state[4] is None else Decimal(state[4])
        made.filled = Decimal(state[5])
        made.hour, made.first_span, made.complete_span, made.over = state[6:10]
        made.attempts = state[10] if len(state) > 10 else 0
        return made


def kind_of(order: Order, fill: Fill) -> int:
    """The contract kind a fill is summed under: its own, else its order's."""
    return int(fill.contract_kind or order.contract_kind)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which fills and orders count; empty and None mean all. Times are nanoseconds since the epoch."""

    venue: str = ""
    account: str = ""
    symbol: str = ""
    start_time: int | None = None
    end_time: int | None = None

    @property
    def is_timed(self) -> bool:
        """Whether it has a time range."""
        return self.start_time is not None or self.end_time is not None

    def takes(self, group: FillGroup | OrderGroup) -> bool:
        """Whether a group is in it, by venue, account and symbol."""
        return (
            (not self.venue or group[0] == self.venue)
            and (not self.account or group[1] == self.account)
            and (not self.symbol or group[2] == self.symbol)
        )


@dataclass(slots=True)
class Sums:
    """All sums of a scope. Each may be as long as the record and is there to be read once."""

    fills: Iterable[tuple[FillGroup, int, FillSum]] = ()
    """With their hour since the epoch; `ALL_HOURS` where hours are not told apart."""
    orders: Iterable[tuple[OrderGroup, OrderSum]] = ()
    completed: Iterable[tuple[OrderGroup, int, OrderSum]] = ()
    """Orders by the hour in which they became final."""
    currencies: Mapping[Symbol, tuple[str, str]] = field(default_factory=dict)
    """Base and quote currency, where they are known."""
    sequence: int = 0
    """The last event that counts."""
