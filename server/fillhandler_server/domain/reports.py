"""What is said about an order: by its owner when it registers it, by the venue when it reports on it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum

from fillhandler_server.domain.fills import MAIN_ACCOUNT, ContractKind, Fill, Side
from fillhandler_server.domain.numbers import canonical


class OrderStatus(IntEnum):
    """Values as in `fillhandler.v1.OrderStatus`."""

    UNSPECIFIED = 0
    PENDING_NEW = 1
    NEW = 2
    PARTIALLY_FILLED = 3
    FILLED = 4
    PENDING_CANCEL = 5
    PENDING_REPLACE = 6
    CANCELED = 7
    EXPIRED = 8
    REJECTED = 9
    UNKNOWN = 10


FINAL_STATUSES = frozenset(
    {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED}
)
PENDING_STATUSES = frozenset(
    {OrderStatus.PENDING_NEW, OrderStatus.PENDING_CANCEL, OrderStatus.PENDING_REPLACE}
)


@dataclass(slots=True, eq=False)
class OrderReport:
    """A statement about an order. None and "" are "not stated"; times are nanoseconds since the epoch, UTC.

    The same shape serves a registration (status PENDING_NEW, `expected_price`) and a venue's report.
    """

    venue: str
    status: int
    symbol: str = ""
    order_id: str = ""
    client_order_id: str = ""
    account: str = MAIN_ACCOUNT
    market: str = ""
    side: int = Side.UNSPECIFIED
    type: str = ""
    """Lower case: "limit", "market", "post_only", ..."""
    order_quantity: Decimal | None = None
    """In the venue's own unit (base asset or contracts); None where the venue states it in quote only."""
    cumulative_quantity: Decimal | None = None
    average_price: Decimal | None = None
    limit_price: Decimal | None = None
    expected_price: Decimal | None = None
    time: int | None = None
    """The venue's time of this report; None counts by arrival."""
    create_time: int | None = None
    previous_order_id: str = ""
    figures_of_id: bool = False
    """Quantity, cumulative and average are of `order_id` alone, not of the ids that it took the place of:
    some venues begin to count anew when they amend. The engine adds what the earlier ids filled."""
    contract_kind: int = ContractKind.UNSPECIFIED
    multiplier: Decimal | None = None
    base_currency: str = ""
    quote_currency: str = ""
    reason: str = ""
    """Why, in the venue's words: a reject reason, a cancel reason."""
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A part of a payload that is neither a fill nor an order report."""

    kind: str
    """What it is, in the venue's words: "funding", "balance", "failed_cancel"."""
    reason: str
    count: int = 1


@dataclass(slots=True)
class ParsedPayload:
    """What a venue module understood of one payload, in the payload's order."""

    venue: str
    fills: list[Fill] = field(default_factory=list)
    reports: list[OrderReport] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    parser: str = "venue"
    """What read it: "venue" is the venue's own module, "ccxt" the reader of ccxt's unified structures,
    "ccxt_parser" ccxt's parser of a venue that has no module."""


def report_digest(report: OrderReport) -> str:
    """Tells a report that was taken before: a hash of all it says."""

    def text(value: Decimal | None) -> str | None:
        return None if value is None else canonical(value)

    parts = (
        report.market,
        report.symbol,
        report.order_id,
        report.previous_order_id,
        report.client_order_id,
        int(report.side),
        report.type,
        int(report.status),
        report.time,
        report.create_time,
        text(report.cumulative_quantity),
        text(report.average_price),
        text(report.order_quantity),
        text(report.limit_price),
        text(report.expected_price),
        int(report.contract_kind),
        text(report.multiplier),
        report.base_currency,
        report.quote_currency,
        report.reason,
    )
    return hashlib.blake2b(repr(parts).encode(), digest_size=12).hexdigest()
