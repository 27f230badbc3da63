"""Orders and trades as the exchange keeps them, with every state an order was in."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Final

from fillhandler_server.domain.numbers import EXACT, ZERO
from fillhandler_server.exchange.market.symbols import MarketName, Symbol


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"


class OrderType(StrEnum):
    MARKET = "MARKET"
    LIMIT = "LIMIT"
    LIMIT_MAKER = "LIMIT_MAKER"


class TimeInForce(StrEnum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTX = "GTX"
    """Only as a maker."""


class Status(StrEnum):
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


OPEN: Final = frozenset({Status.NEW, Status.PARTIALLY_FILLED})


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A placement that was read, before any rule is checked."""

    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    client_order_id: str
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    """How much of the quote currency a market order may spend or bring; instead of a quantity."""
    price: Decimal | None = None
    reduce_only: bool = False
    repeated_id: bool = False
    """A fault: the client order id is accepted even if an open order has it."""


@dataclass(frozen=True, slots=True)
class State:
    """What an order was at a time (milliseconds since the epoch)."""

    time: int
    status: Status
    executed: Decimal
    quote_executed: Decimal
    """Sum of price times quantity, exact."""


@dataclass(frozen=True, slots=True)
class Trade:
    """One fill of ours."""

    id: int
    order_id: int
    client_order_id: str
    symbol: Symbol
    side: Side
    price: Decimal
    quantity: Decimal
    commission: Decimal
    commission_asset: str
    maker: bool
    time: int
    realized: Decimal = ZERO
    """Profit in quote currency that it realized; futures only."""

    @property
    def quote_quantity(self) -> Decimal:
        return EXACT.multiply(self.price, self.quantity)


@dataclass(slots=True, eq=False)
class Order:
    """An accepted order. Its present state is the last of `states`."""

    market: MarketName
    id: int
    symbol: Symbol
    client_order_id: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    price: Decimal
    """0 for market orders."""
    quote_quantity: Decimal
    reduce_only: bool
    time: int
    states: list[State]
    trades: list[Trade] = field(default_factory=list)
    locked: Decimal = ZERO
    """What it still holds of its wallet."""
    cancel_client_id: str = ""
    visible_from: int = 0
    """A fault: queries do not find it before this time."""

    @property
    def state(self) -> State:
        return self.states[-1]

    @property
    def status(self) -> Status:
        return self.states[-1].status

    @property
    def is_open(self) -> bool:
        return self.states[-1].status in OPEN

    @property
    def executed(self) -> Decimal:
        return self.states[-1].executed

    @property
    def remaining(self) -> Decimal:
        return EXACT.subtract(self.quantity, self.states[-1].executed)

    def as_of(self, time: int) -> State:
        """The state at a time; the first one for any time before it existed."""
        found = self.states[0]
        for state in self.states:
            if state.time > time:
                break
            found = state
        return found
