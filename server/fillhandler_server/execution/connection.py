"""The port to an exchange: what is asked of it, and what it answers. Adapters are beside it.

What is said of an order at the exchange (`VenueOrder`) decides what is done next; what goes into the record
is the exchange's own messages (`Message`), read by its venue module like any other payload.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple, Protocol

from fillhandler_server.domain.reports import OrderStatus


class Message(NamedTuple):
    """What an exchange sent, as `payloads.parse_payload` takes it."""

    payload: bytes
    format: str = ""
    """"" for the exchange's own JSON, "ccxt" for ccxt's unified structures."""


@dataclass(frozen=True, slots=True)
class OrderTicket:
    """An order to be placed, in the exchange's terms as far as they are ours to choose."""

    symbol: str
    """The canonical symbol (`VenueConnection.canonical`)."""
    side: int
    """`domain.fills.Side`."""
    type: str
    """"market", "limit", "post_only" or "ioc"."""
    quantity: Decimal
    client_order_id: str
    limit_price: Decimal | None = None
    time_in_force: str = ""
    """"gtc", "ioc", "fok", or "" for the type's own."""


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order as the exchange tells of it."""

    order_id: str
    client_order_id: str
    status: OrderStatus
    """UNSPECIFIED where the exchange does not say."""
    symbol: str = ""
    side: int = 0
    quantity: Decimal | None = None
    filled: Decimal | None = None
    create_time: int | None = None
    """Nanoseconds since the epoch, by the exchange's clock."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one call."""

    messages: tuple[Message, ...] = ()
    """For the record, in the order they came."""
    order: VenueOrder | None = None
    """The order that was asked for; None where the exchange says that there is none."""
    orders: tuple[VenueOrder, ...] = ()
    """Of `recent_orders`: each order it told of."""


@dataclass(frozen=True, slots=True)
class TradePage:
    """A page of the account's trade history, oldest first."""

    messages: tuple[Message, ...]
    count: int
    """Trades in it."""
    last_time: int | None
    """Nanoseconds; the latest trade's, None where there is none."""
    complete: bool
    """Whether the exchange had nothing more when it was asked: the page was not cut at its limit."""
    cursor: str = ""
    """Gives the next page, where `complete` is False."""


@dataclass(frozen=True, slots=True)
class MarketRules:
    """What the exchange demands of an order in a market. None where it does not say."""

    symbol: str
    """Canonical."""
    market: str
    """"spot", "linear", "inverse" or "option"."""
    quantity_step: Decimal | None = None
    price_step: Decimal | None = None
    quantity_min: Decimal | None = None
    notional_min: Decimal | None = None


class VenueConnection(Protocol):
    """A connection of one account to one exchange and market. Every call may raise `errors.VenueError`.

    A call that is cancelled may have taken effect; nobody cancels `place` while it is under way, but at the
    end of the process.
    """

    venue: str
    account: str
    market: str
    """"spot", "linear" or "inverse"."""
    sandbox: bool
    """Whether it is not real money: the exchange's test network, or the simulated exchange."""
    streams: bool
    """Whether it can stream the account's orders and fills."""
    skew: int | None
    """Nanoseconds that the exchange's clock is ahead of ours, as last measured; None before."""
    history_needs_symbol: bool
    """Whether `trades` and `recent_orders` must be asked symbol by symbol."""

    async def start(self) -> None:
        """Reads the exchange's markets and clock. May be called again after it failed."""

    async def close(self) -> None:
        """Ends it and everything under way."""

    def rules(self, symbol: str) -> MarketRules:
        """The market of a symbol, in the exchange's, the canonical, or ccxt's unified spelling.

        Raises:
            InvalidFieldError: the exchange has no such symbol in this market ("symbol"); names close ones.
        """

    async def place(self, ticket: OrderTicket) -> Answer:
        """Sends an order, once: no retry of its own, whatever happens."""

    async def cancel(self, symbol: str, order_id: str, client_order_id: str) -> Answer:
        """Asks for an order to be cancelled. `Answer.order` is None where the exchange knows no such open
        order: it ended before, or never was."""

    async def find_order(self, symbol: str, order_id: str = "", client_order_id: str = "") -> Answer:
        """Asks for one order, by the exchange's id if given, else by ours."""

    async def recent_orders(self, symbol: str, since: int) -> Answer:
        """Asks for a symbol's orders, open and ended, from a time on (nanoseconds, the exchange's clock)."""

    async def trades(self, symbol: str, since: int, cursor: str = "") -> TradePage:
        """Asks for the account's trades from a time on (nanoseconds, the exchange's clock), oldest first.

        Args:
            symbol: canonical; "" for all, where `history_needs_symbol` is False.
            since: where to begin; ignored with a cursor.
            cursor: of the page before.
        """

    async def measure_skew(self) -> int:
        """Nanoseconds that the exchange's clock is ahead of ours, by the middle of a request."""

    async def stream(self, connected: Callable[[], None], received: Callable[[Message], None]) -> None:
        """Listens to the account's orders and fills until it fails or is cancelled.

        Args:
            connected: called when the exchange has confirmed the subscription.
            received: called for each message, in the order they came.

        Raises:
            VenueError: the stream ended, by whatever it ended.
        """
