"""What can go wrong with a request to an exchange, by classes that say what may be done about it."""

from __future__ import annotations

from enum import StrEnum


class ErrorClass(StrEnum):
    """The words of `retry_config.retryable_errors`, of events and of `ListRetries`."""

    NETWORK_ERROR = "network_error"
    """The exchange was not reached, or the connection broke."""
    TIMEOUT = "timeout"
    """No answer in time."""
    RATE_LIMIT = "rate_limit"
    """The exchange takes no more requests for a while."""
    EXCHANGE_ERROR = "exchange_error"
    """The exchange answered that it failed: temporary (overload, maintenance, clock) or final."""
    INSUFFICIENT_FUNDS = "insufficient_funds"
    INVALID_ORDER = "invalid_order"
    """The exchange refuses the order as it is, or knows no such order."""
    AUTHENTICATION = "authentication"
    """The credentials are wrong, or do not allow this."""
    UNKNOWN_OUTCOME = "unknown_outcome"
    """The exchange says that it does not know itself, or we stopped while the request was under way."""


class VenueError(Exception):
    """A request to an exchange failed. Its text holds no secret: it may be logged, recorded and shown."""

    def __init__(
        self,
        error_class: ErrorClass,
        text: str,
        *,
        maybe_applied: bool,
        temporary: bool,
        retry_after: float | None = None,
        code: str = "",
        duplicate: bool = False,
    ) -> None:
        """
        Args:
            error_class: what it is.
            text: the exchange's words, without URLs, headers and signatures.
            maybe_applied: whether the request may have taken effect at the exchange all the same.
            temporary: whether the same request may succeed later.
            retry_after: seconds after which the exchange takes requests again, where it says so.
            code: the exchange's own code.
            duplicate: the exchange has an open order with this client order id.
        """
        super().__init__(text)
        self.error_class = error_class
        self.text = text
        self.maybe_applied = maybe_applied
        self.temporary = temporary
        self.retry_after = retry_after
        self.code = code
        self.duplicate = duplicate
