"""Trades: what was asked of a venue, and how far it has come. A fold over their events, like orders.

A `Trade` never changes: each event makes another one, so that it may be handed from thread to thread.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import IntEnum
from typing import Final, Protocol


class Remainder(IntEnum):
    """Values as in `fillhandler.v1.Remainder`."""

    LEAVE = 1
    CANCEL = 2
    REPLACE = 3


class ReplacementPrice(IntEnum):
    """Values as in `fillhandler.v1.ReplacementPrice`."""

    SAME = 1
    MARKET = 2
    TOLERANCE = 3


class TradeStatus(IntEnum):
    """Values as in `fillhandler.v1.TradeStatus`."""

    PLACING = 1
    WAITING = 2
    UNKNOWN = 3
    WORKING = 4
    CANCELING = 5
    FINISHED = 6


class TradeOutcome(IntEnum):
    """Values as in `fillhandler.v1.TradeOutcome`."""

    UNSPECIFIED = 0
    FILLED = 1
    PARTIALLY_FILLED = 2
    NOT_FILLED = 3
    REJECTED = 4
    FAILED = 5
    LEFT_WORKING = 6
    NOT_FOLLOWED = 7


class Operation(IntEnum):
    """Values as in `fillhandler.v1.RequestOperation`."""

    PLACE = 1
    CANCEL = 2
    QUERY = 3


@dataclass(frozen=True, slots=True)
class TradeTerms:
    """What is asked: `fillhandler.v1.ExecuteTradeRequest` without its id, completed."""

    venue: str
    account: str
    market: str
    symbol: str
    side: int
    type: str
    quantity: Decimal
    limit_price: Decimal | None = None
    expected_price: Decimal | None = None
    time_in_force: str = ""
    deadline: int | None = None
    """Nanoseconds from the start of each of its orders; None is no end."""
    client_order_id: str = ""
    remainder: Remainder = Remainder.LEAVE
    replacement_price: ReplacementPrice = ReplacementPrice.SAME
    max_replacements: int | None = None
    """None: as the retry policy of the connection says."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that failed."""

    operation: Operation
    attempt: int
    error_class: str
    maybe_applied: bool
    text: str
    send_time: int
    """When it was sent, nanoseconds."""
    delay: int | None
    """Nanoseconds from `commit_time` to the next one; None where none follows."""
    commit_time: int = 0
    """Set by the fold."""

    @property
    def retry_time(self) -> int | None:
        """When the next one is due; None where none follows."""
        return None if self.delay is None else self.commit_time + self.delay


@dataclass(frozen=True, slots=True)
class Leg:
    """One of a trade's orders."""

    order_number: int
    client_order_id: str
    start_time: int
    """When its intent became durable."""
    type: str
    quantity: Decimal
    limit_price: Decimal | None
    attempts: tuple[int, int, int] = (0, 0, 0)
    """Attempts that ended: of placing, cancelling, querying."""
    placed: bool = False
    """A request to place it succeeded, or the venue was seen to have it."""
    failure: Failure | None = None
    """The last failure, while no request of the same operation has succeeded since."""

    def attempts_of(self, operation: Operation) -> int:
        """Attempts of an operation that ended."""
        return self.attempts[operation - 1]

    def counted(self, operation: Operation, attempt: int) -> tuple[int, int, int]:
        """`attempts` with one more that ended."""
        counts = list(self.attempts)
        counts[operation - 1] = attempt
        return (counts[0], counts[1], counts[2])


@dataclass(frozen=True, slots=True)
class Trade:
    """One trade. Times are nanoseconds since the epoch."""

    trade_id: str
    request_id: str
    terms: TradeTerms
    start_time: int
    start_sequence: int
    legs: tuple[Leg, ...]
    cancel_requested: bool = False
    undecided: bool = False
    outcome: TradeOutcome = TradeOutcome.UNSPECIFIED
    error_class: str = ""
    text: str = ""
    finish_time: int | None = None
    sequence: int = 0
    """Of its last event."""

    @property
    def finished(self) -> bool:
        """Whether it has ended."""
        return self.outcome != TradeOutcome.UNSPECIFIED

    @property
    def leg(self) -> Leg:
        """Its last order."""
        return self.legs[-1]

    @property
    def success(self) -> bool:
        """Whether all of the quantity was filled."""
        return self.outcome == TradeOutcome.FILLED

    @property
    def status(self) -> TradeStatus:
        """Where it stands."""
        if self.finished:
            return TradeStatus.FINISHED
        leg, failure = self.leg, self.leg.failure
        if failure is not None and failure.operation == Operation.PLACE and not leg.placed:
            return TradeStatus.UNKNOWN if failure.maybe_applied else TradeStatus.WAITING
        if self.cancel_requested:
            return TradeStatus.CANCELING
        return TradeStatus.WORKING if leg.placed else TradeStatus.PLACING

    def with_leg(self, sequence: int, **changes: object) -> Trade:
        """With the last order changed by an event."""
        leg = replace(self.leg, **changes)  # type: ignore[arg-type]  # names of Leg's fields
        return replace(self, legs=(*self.legs[:-1], leg), sequence=sequence)


UNDECIDED: Final = "trade_undecided"
"""The rule of the alert that a trade's outcome cannot be found out."""


class TradeBook(Protocol):
    """The trades at hand: a cache over their rows, or dictionaries in a test."""

    def get(self, trade_id: str) -> Trade | None:
        """The trade of this id."""

    def of_request(self, request_id: str) -> Trade | None:
        """The trade that was started by this request."""

    def of_order(self, order_number: int) -> Trade | None:
        """The trade that an order is of."""

    def put(self, trade: Trade) -> None:
        """A trade was started, or has another state."""

    def active(self) -> list[Trade]:
        """Every trade that has not ended, oldest first."""
