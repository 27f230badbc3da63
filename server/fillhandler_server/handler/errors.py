"""What can go wrong between us and an exchange, under the names of the original design.

A trade's result carries one of them (`TradeResult.error`); recording fills never raises any.
"""

from __future__ import annotations

from typing import Final

from fillhandler_server.domain.errors import FillHandlerError
from fillhandler_server.execution.errors import ErrorClass


class _TradeError(FillHandlerError):
    """Why a trade did not do all that was asked."""

    def __init__(
        self,
        text: str,
        *,
        error_class: str = "",
        attempts: int = 0,
        words: str = "",
        maybe_applied: bool = False,
        **metadata: object,
    ) -> None:
        """
        Args:
            text: all of it, for people.
            error_class: a word such as "rate_limit" (docs/retries.md); "" where there is none.
            attempts: how often an order was sent, over all the trade's orders.
            words: the exchange's own, without addresses and signatures.
            maybe_applied: whether an order may be at the exchange all the same.
            metadata: what else is known, such as `trade_id`.
        """
        super().__init__(text, error_class=error_class, attempts=attempts, words=words, **metadata)
        self.error_class = error_class
        self.attempts = attempts
        self.words = words
        self.maybe_applied = maybe_applied


class NetworkError(_TradeError):
    """The exchange was not reached, or its answer did not arrive. `maybe_applied` says whether the trade's
    order may be there all the same."""

    reason = "NETWORK_ERROR"


class ExchangeError(_TradeError):
    """The exchange answered, and refused."""

    reason = "EXCHANGE_ERROR"


class RateLimitError(ExchangeError):
    """The exchange takes no more requests for a while."""

    reason = "RATE_LIMIT"


class InsufficientFundsError(ExchangeError):
    """The account does not hold what the order needs."""

    reason = "INSUFFICIENT_FUNDS"


_CLASSES: Final[dict[str, type[NetworkError] | type[ExchangeError]]] = {
    ErrorClass.NETWORK_ERROR: NetworkError,
    ErrorClass.TIMEOUT: NetworkError,
    ErrorClass.UNKNOWN_OUTCOME: NetworkError,
    ErrorClass.RATE_LIMIT: RateLimitError,
    ErrorClass.EXCHANGE_ERROR: ExchangeError,
    ErrorClass.INSUFFICIENT_FUNDS: InsufficientFundsError,
    ErrorClass.INVALID_ORDER: ExchangeError,
    ErrorClass.AUTHENTICATION: ExchangeError,
}


def trade_error(
    error_class: str, words: str, attempts: int, *, maybe_applied: bool = False, **metadata: object
) -> NetworkError | ExchangeError:
    """The error that a class of `execution.errors` is here. Without one nothing reached the exchange."""
    kind = _CLASSES.get(error_class, ExchangeError) if error_class else NetworkError
    times = f" after {attempts} attempt{'' if attempts == 1 else 's'}" if attempts else ""
    return kind(
        f"{error_class or 'not sent'}{times}: {words}",
        error_class=error_class,
        attempts=attempts,
        words=words,
        maybe_applied=maybe_applied,
        **metadata,
    )
