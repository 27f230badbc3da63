"""What a collector is handed in, beside its connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from fillhandler_server.domain.errors import ShuttingDownError, StoreFullError, StoreUnavailableError
from fillhandler_server.execution.ledger import Ledger, OrderView

T = TypeVar("T")

STORE_ERRORS = (StoreFullError, StoreUnavailableError, ShuttingDownError)
"""The record takes nothing now; what was to be recorded is kept."""


class Caller(Protocol):
    """Sends a query to the venue, with whatever retries and pauses belong around it.

    It gets what makes the request, not the request, so that it can send it again.
    """

    async def __call__(self, operation: Callable[[], Awaitable[T]], /) -> T:
        """What the query answered.

        Raises:
            VenueError: it failed for good, or requests are held back.
        """


async def call_once(operation: Callable[[], Awaitable[T]], /) -> T:
    """The plain caller: one attempt."""
    return await operation()


class Record(Ledger, Protocol):
    """The ledger, and what only collectors ask of it."""

    async def open_orders(self, venue: str, account: str, market: str) -> list[OrderView]:
        """Orders of a market that have the venue's id and have not ended, as far as the record knows."""
