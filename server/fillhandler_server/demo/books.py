"""What the made-up exchanges know: markets, orders, trades. The truth that the server's record must equal."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum


class Status(StrEnum):
    """Where an order stands, by its exchange. The words are those of `fillhandler.v1.OrderStatus`."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"


@dataclass(frozen=True, slots=True)
class Market:
    """Something that is traded.

    Attributes:
        kind: "spot" or "linear".
        tick: Step of prices.
        lot: Step of quantities.
        lots: About how many lots an order is for.
        price: Where the price starts.
    """

    venue: str
    kind: str
    symbol: str
    base: str
    quote: str
    tick: Decimal
    lot: Decimal
    lots: int
    price: Decimal


@dataclass(frozen=True, slots=True)
class Trade:
    """One match. `fee` is a cost if positive, a rebate if negative."""

    trade_id: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    currency: str
    is_maker: bool
    time_ms: int

    @property
    def notional(self) -> Decimal:
        return self.quantity * self.price


@dataclass(slots=True, eq=False)
class Book:
    """One order in its exchange's own books, with every trade it will have had in the end."""

    market: Market
    order_id: str
    client_order_id: str
    side: str
    kind: str
    quantity: Decimal
    limit_price: Decimal
    create_ms: int
    trades: list[Trade] = field(default_factory=list)
    status: Status = Status.NEW
    reason: str = ""

    @property
    def cumulative(self) -> Decimal:
        return sum((trade.quantity for trade in self.trades), Decimal(0))

    @property
    def fees(self) -> dict[str, Decimal]:
        """Exact sums by currency."""
        sums: dict[str, Decimal] = {}
        for trade in self.trades:
            sums[trade.currency] = sums.get(trade.currency, Decimal(0)) + trade.fee
        return sums


@dataclass(frozen=True, slots=True)
class State:
    """What an exchange says about an order at one moment."""

    book: Book
    trades: tuple[Trade, ...]
    """The matches up to then, in the order they happened."""
    status: Status
    time_ms: int

    @property
    def cumulative(self) -> Decimal:
        return sum((trade.quantity for trade in self.trades), Decimal(0))

    @property
    def leaves(self) -> Decimal:
        live = self.status in (Status.NEW, Status.PARTIALLY_FILLED)
        return self.book.quantity - self.cumulative if live else Decimal(0)

    @property
    def notional(self) -> Decimal:
        return sum((trade.notional for trade in self.trades), Decimal(0))

    @property
    def fee_sum(self) -> Decimal:
        """Of one currency: an order's trades are all charged in the same."""
        return sum((trade.fee for trade in self.trades), Decimal(0))

    def average(self, places: int) -> Decimal:
        """The average price, rounded as the exchange shows it; 0 over nothing."""
        return rounded(self.notional / self.cumulative, places) if self.trades else Decimal(0)


def rounded(value: Decimal, places: int) -> Decimal:
    """A value on a scale of decimal places."""
    return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def plain(value: Decimal) -> str:
    """A decimal as text, without an exponent and without trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def fixed(value: Decimal, places: int = 8) -> str:
    """A decimal as text with all its places, as Binance and Bitget pad them."""
    return f"{value:.{places}f}"
