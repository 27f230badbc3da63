"""The port to the record: what execution and collectors write into it and read out of it.

Every write is durable when its coroutine returns. The adapter over the writer is `fillhandler_server.ledger`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from fillhandler_server.domain.reports import OrderStatus
from fillhandler_server.domain.trades import Failure, Operation, Trade, TradeOutcome, TradeTerms
from fillhandler_server.execution.connection import Answer, Message


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order as it stood at one moment."""

    number: int
    order_id: str
    order_ids: tuple[str, ...]
    client_order_id: str
    symbol: str
    side: int
    status: OrderStatus
    is_final: bool
    quantity: Decimal | None
    cumulative: Decimal
    """By its own fills, inferred ones included."""
    reported_cumulative: Decimal | None
    """What the venue counts."""
    missing: Decimal
    """What the venue counts, or says by FILLED, and no fill of its own has told. 0 normally."""
    last_fill_time: int | None

    @property
    def filled(self) -> Decimal:
        """The most that anybody knows to be filled."""
        whole = self.quantity if self.status is OrderStatus.FILLED else None
        return max(each for each in (self.cumulative, self.reported_cumulative, whole) if each is not None)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of messages."""

    new_fills: int = 0
    """Fills that were not known before, inferred ones not counted."""
    known_fills: int = 0
    orders: tuple[OrderView, ...] = ()
    """The orders they concern."""
    unread: tuple[str, ...] = ()
    """Why a message could not be read; one text each. Nothing else of it was recorded."""


class Ledger(Protocol):
    """The record."""

    def now(self) -> int:
        """This machine's time, nanoseconds since the epoch."""

    async def record(self, venue: str, account: str, messages: Sequence[Message]) -> Recorded:
        """Records what a venue sent: fills, reports, duplicates dropped."""

    # ------------------------------------------------------------------ trades

    async def start_trade(self, trade_id: str, request_id: str, terms: TradeTerms) -> tuple[Trade, bool]:
        """Makes a trade's intent durable. Returns the trade of this request, and whether it is new."""

    async def trade(self, trade_id: str = "", request_id: str = "") -> Trade | None:
        """A trade as it stands, by either id."""

    async def active_trades(self) -> list[Trade]:
        """Every trade that has not ended, oldest first."""

    async def owner_of(self, trade: Trade, order_id: str) -> int | None:
        """Number of the order in the trade's symbol that has this venue id; None where none is known to."""

    async def order_of(self, trade: Trade) -> OrderView:
        """The trade's last order."""

    async def orders_of(self, trade: Trade) -> list[OrderView]:
        """All orders of a trade, oldest first."""

    async def succeeded(self, trade: Trade, operation: Operation, send_time: int, answer: Answer) -> Trade:
        """Notes that a request for the trade's last order succeeded, and records what the venue answered."""

    async def failed(self, trade: Trade, failure: Failure) -> Trade:
        """Notes that one failed; where the outcome of placing is unknown, the order's status is UNKNOWN."""

    async def found(self, trade: Trade, answer: Answer) -> Trade:
        """Notes that the venue has the trade's last order though no request to place it was answered."""

    async def end_order(self, trade: Trade, status: OrderStatus, reason: str) -> None:
        """Notes that the trade's last order ended without the venue having it: REJECTED or CANCELED."""

    async def continue_trade(self, trade: Trade, terms: TradeTerms) -> Trade:
        """Makes durable that the trade places another order; `terms` are that order's own."""

    async def request_cancel(self, trade_id: str) -> Trade:
        """Makes durable that a trade is to be cancelled.

        Raises:
            TradeNotFoundError: there is none.
            IllegalTransitionError: it has ended.
        """

    async def set_undecided(self, trade: Trade, text: str) -> Trade:
        """Raises the alert that a trade cannot be decided; `text` empty clears it."""

    async def finish_trade(
        self, trade: Trade, outcome: TradeOutcome, error_class: str = "", text: str = ""
    ) -> Trade:
        """Ends a trade."""

    def watch(self, order_number: int, moved: Callable[[], None]) -> Callable[[], None]:
        """Calls `moved`, on the event loop, each time an order has moved and that is durable. Returns what
        ends that."""

    # ------------------------------------------------------------------ connections

    async def connection_changed(
        self,
        venue: str,
        account: str,
        market: str,
        *,
        connected: bool,
        text: str = "",
        repaired_fills: int = 0,
        symbol: str = "",
        confirmed_time: int | None = None,
    ) -> None:
        """Notes that a connection came, went, or repaired a gap."""

    async def confirmed_times(self, venue: str, account: str, market: str) -> dict[str, int]:
        """Up to when the history was read completely, by symbol; "" for all symbols at once."""

    async def known_symbols(self, venue: str, account: str, market: str, since: int) -> set[str]:
        """Symbols of orders that are open, or moved at or after a time."""

    async def incomplete_orders(self, venue: str, account: str) -> list[OrderView]:
        """Orders of which the venue counts more than its fills have told (`OrderView.missing`)."""
