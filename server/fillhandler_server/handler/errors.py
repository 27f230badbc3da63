"""What can go wrong between us and an exchange, under the names of the original design.

Only what talks to exchanges raises them; recording fills never does.
"""

from __future__ import annotations

from fillhandler_server.domain.errors import FillHandlerError


class NetworkError(FillHandlerError):
    """The exchange was not reached, or its answer did not arrive: what became of the request is not known."""

    reason = "NETWORK_ERROR"


class ExchangeError(FillHandlerError):
    """The exchange answered, and refused."""

    reason = "EXCHANGE_ERROR"


class RateLimitError(ExchangeError):
    """The exchange takes no more requests for a while."""

    reason = "RATE_LIMIT"


class InsufficientFundsError(ExchangeError):
    """The account does not hold what the order needs."""

    reason = "INSUFFICIENT_FUNDS"
