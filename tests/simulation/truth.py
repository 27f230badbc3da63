"""What happened at a venue: orders, their executions, and the order's state after each event.

Nothing here is the server's code: sums are fractions, so that an error there is not repeated here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from typing import Final

BUY: Final = 1
SELL: Final = 2

_INVERSE_PLACES: Final = 40


class Kind(StrEnum):
    """What happens to an order."""

    ACCEPTED = "accepted"
    TRADED = "traded"
    AMENDED = "amended"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    BUSTED = "busted"
    """The venue takes an execution back; its payloads say so to nobody, so it comes as a command."""


ENDS: Final = frozenset({Kind.CANCELED, Kind.EXPIRED, Kind.REJECTED})


@dataclass(frozen=True, eq=False)
class Listing:
    """A symbol that a venue lists, as the record has to show it."""

    symbol: str
    """Canonical (domain.md)."""
    market: str
    """"spot", "linear" or "inverse"."""
    base: str
    quote: str
    price: Decimal
    tick: Decimal
    lot: Decimal
    fee_currencies: tuple[str, ...]
    """What the venue may charge in; one is drawn an execution."""
    multiplier: Decimal | None = None
    name: str = ""
    """Another spelling, for the writer's own use."""
    without: frozenset[Kind] = frozenset()
    """What no message of this market tells."""
    lots: int = 500
    """An order's most."""

    @property
    def is_inverse(self) -> bool:
        return self.market == "inverse"


@dataclass(frozen=True, eq=False)
class Execution:
    """One side of one match."""

    order: TruthOrder
    order_id: str
    number: int
    """Of the match, as the venue counts them."""
    trade_id: str
    side: int
    quantity: Decimal
    price: Decimal
    fee: Decimal
    """Positive = cost, negative = rebate; the writer gives it the venue's sign."""
    fee_currency: str
    is_maker: bool
    time: int
    leg: str = ""
    """"close" or "open" of a position flip: comes by RecordFill, whatever the venue."""


@dataclass(frozen=True, eq=False)
class State:
    """An order as the venue has it after an event. Executions that were taken back are not in it."""

    time: int
    status: str
    """NEW, PARTIALLY_FILLED, FILLED, CANCELED, EXPIRED or REJECTED."""
    quantity: Decimal
    limit: Decimal | None
    order_ids: tuple[str, ...]
    """Oldest first; several where the venue amends by a new id."""
    executions: tuple[Execution, ...]

    @property
    def order_id(self) -> str:
        return self.order_ids[-1]

    @cached_property
    def cumulative(self) -> Decimal:
        """Over all ids of the order."""
        return total(execution.quantity for execution in self.executions)

    @cached_property
    def of_this_id(self) -> tuple[Execution, ...]:
        """For venues whose new id starts counting at 0."""
        return tuple(e for e in self.executions if e.order_id == self.order_id)

    @property
    def leaves(self) -> Decimal:
        """What the venue would still fill; 0 of a dead order."""
        if self.status in ("CANCELED", "EXPIRED", "REJECTED", "FILLED"):
            return Decimal(0)
        return self.quantity - self.cumulative

    @cached_property
    def average(self) -> Fraction | None:
        """Exact."""
        return average(self.executions)

    @cached_property
    def fees(self) -> dict[str, Decimal]:
        """Positive = cost."""
        return fees(self.executions)


@dataclass(frozen=True, eq=False)
class Event:
    """Something that happens to one order."""

    kind: Kind
    order: TruthOrder
    time: int
    """The venue's clock, nanoseconds since the epoch, a multiple of its resolution."""
    state: State
    """After it."""
    execution: Execution | None = None
    """What was traded, or taken back."""
    replaced: str = ""
    """The order id that an amend ended."""


@dataclass(eq=False)
class TruthOrder:
    """An order and all that happened to it."""

    venue: str
    account: str
    listing: Listing
    number: int
    client_order_id: str
    side: int
    type: str
    """"limit", "market" or "ioc" (a limit order that expires at once)."""
    registered: bool
    events: list[Event] = field(default_factory=list)

    @property
    def created(self) -> int:
        return self.events[0].time

    @property
    def final(self) -> State:
        """With the busts."""
        return self.events[-1].state

    @property
    def last_told(self) -> Event:
        """The last event that a venue's message states: busts are told by command."""
        return next(event for event in reversed(self.events) if event.kind is not Kind.BUSTED)

    @property
    def executions(self) -> list[Execution]:
        """All, those taken back too, in the order of their times."""
        return [event.execution for event in self.events if event.kind is Kind.TRADED and event.execution]

    @property
    def busted(self) -> list[Execution]:
        return [event.execution for event in self.events if event.kind is Kind.BUSTED and event.execution]

    def at(self, time: int) -> Event | None:
        """The last event that a message can state at a time."""
        told = [event for event in self.events if event.time <= time and event.kind is not Kind.BUSTED]
        return told[-1] if told else None

    def __repr__(self) -> str:
        ids = "/".join(self.final.order_ids)
        return f"{self.account} {self.listing.market} {self.listing.symbol} {ids} ({self.client_order_id})"


@dataclass(eq=False)
class Day:
    """A venue's day."""

    venue: str
    seed: int
    start: int
    end: int
    """After the last event."""
    accounts: tuple[str, ...]
    orders: list[TruthOrder]

    @property
    def events(self) -> list[Event]:
        """In the order of the venue's clock."""
        return sorted((event for order in self.orders for event in order.events), key=lambda e: e.time)


# ---------------------------------------------------------------------- exact figures


def total(amounts: object) -> Decimal:
    """An exact sum: the default context's 28 digits are enough for what a day holds, checked by fractions."""
    exact = sum((Fraction(amount) for amount in amounts), Fraction(0))  # type: ignore[attr-defined]
    return as_decimal(exact)


def as_decimal(exact: Fraction) -> Decimal:
    """A fraction whose denominator is a product of twos and fives, as a decimal."""
    places = 0
    while exact.denominator != 1:
        exact *= 10
        places += 1
        assert places < 120, "does not end"
    return Decimal(f"{exact.numerator}E-{places}")


def quotient(exact: Fraction, places: int) -> Decimal:
    """Rounded half even to `places` decimals."""
    return Decimal(f"{round(exact * 10**places)}E-{places}")


def average(executions: tuple[Execution, ...] | list[Execution]) -> Fraction | None:
    """Σpq/Σq; inverse: Σq/Σ(q/p) with each term as domain.md rounds it."""
    if not executions:
        return None
    quantity = sum((Fraction(e.quantity) for e in executions), Fraction(0))
    value = value_of(executions)
    return quantity / value if executions[0].order.listing.is_inverse else value / quantity


def value_of(executions: tuple[Execution, ...] | list[Execution]) -> Fraction:
    """Σpq; inverse: Σ(q/p), each term to 40 places."""
    inverse = bool(executions) and executions[0].order.listing.is_inverse
    terms = (_term(e, inverse) for e in executions)
    return sum(terms, Fraction(0))


def _term(execution: Execution, inverse: bool) -> Fraction:
    quantity, price = Fraction(execution.quantity), Fraction(execution.price)
    if not inverse:
        return quantity * price
    scale = 10**_INVERSE_PLACES
    return Fraction(round(quantity / price * scale), scale)


def fees(executions: tuple[Execution, ...] | list[Execution]) -> dict[str, Decimal]:
    """Currency → exact sum."""
    found: dict[str, Fraction] = {}
    for execution in executions:
        before = found.get(execution.fee_currency, Fraction(0))
        found[execution.fee_currency] = before + Fraction(execution.fee)
    return {currency: as_decimal(amount) for currency, amount in found.items()}
