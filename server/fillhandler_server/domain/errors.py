"""What can go wrong, as exceptions. `rpc/status.py` maps them to gRPC statuses in one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Violation:
    """One field that is wrong: its path (`fill.quantity`, `data.rows[2].execQty`) and what to do about it."""

    field: str
    text: str


class FillHandlerError(Exception):
    """Base of all errors this program raises on purpose.

    `reason` is the fixed upper-case word of the error catalogue (docs/errors.md); `metadata` holds every
    value that the text mentions, so that no client needs to parse the text.
    """

    reason: ClassVar[str] = "INTERNAL"

    def __init__(self, text: str, **metadata: object) -> None:
        super().__init__(text)
        self.text = text
        self.metadata = {key: str(value) for key, value in metadata.items()}


class InvalidFieldError(FillHandlerError):
    """A field is missing or wrong. Carries every violation at once."""

    reason = "INVALID_FIELD"

    def __init__(self, *violations: Violation) -> None:
        shown = "; ".join(f"{v.field}: {v.text}" if v.field else v.text for v in violations[:10])
        if len(violations) > 10:
            shown += f"; and {len(violations) - 10} more"
        super().__init__(shown, field=violations[0].field)
        self.violations = violations

    @classmethod
    def of(cls, field: str, text: str) -> InvalidFieldError:
        """One violation."""
        return cls(Violation(field, text))


class UnsupportedPayloadError(FillHandlerError):
    """The payload's keys fit no kind that the venue's module knows."""

    reason = "UNSUPPORTED_PAYLOAD"


class PageTokenInvalidError(FillHandlerError):
    """A page token that this server did not give out, or for other conditions."""

    reason = "PAGE_TOKEN_INVALID"


class FillNotFoundError(FillHandlerError):
    """No fill has this identity."""

    reason = "FILL_NOT_FOUND"


class OrderNotFoundError(FillHandlerError):
    """No order fits."""

    reason = "ORDER_NOT_FOUND"


class OrderAmbiguousError(FillHandlerError):
    """Several orders fit; the text lists them."""

    reason = "ORDER_AMBIGUOUS"


class CursorAheadError(FillHandlerError):
    """A feed's cursor is beyond the head of this journal."""

    reason = "CURSOR_AHEAD"


class InstanceMismatchError(FillHandlerError):
    """A cursor, or an open feed, belongs to another journal."""

    reason = "INSTANCE_MISMATCH"


class CursorExpiredError(FillHandlerError):
    """A feed's cursor is below the oldest event of this journal."""

    reason = "CURSOR_EXPIRED"


class ImportDamagedError(FillHandlerError):
    """A file to import is truncated, altered or not one of ours. Nothing was changed."""

    reason = "IMPORT_DAMAGED"


class StoreFullError(FillHandlerError):
    """The disk is full. Reads go on; writing resumes when there is room."""

    reason = "STORE_FULL"


class TooManyStreamsError(FillHandlerError):
    """A limit on open streams is reached."""

    reason = "TOO_MANY_STREAMS"


class PayloadTooLargeError(FillHandlerError):
    """A message or a part of it is larger than the limit."""

    reason = "PAYLOAD_TOO_LARGE"


class TradeNotFoundError(FillHandlerError):
    """No trade has this id."""

    reason = "TRADE_NOT_FOUND"


class IllegalTransitionError(FillHandlerError):
    """A trade that has ended cannot be cancelled."""

    reason = "ILLEGAL_TRANSITION"


class RequestIdReusedError(FillHandlerError):
    """The request id is that of a trade with other content. Nothing was traded."""

    reason = "REQUEST_ID_REUSED"


class VenueUnavailableError(FillHandlerError):
    """The connection that a trade needs has not been made yet. Nothing was traded."""

    reason = "VENUE_UNAVAILABLE"


class StoreUnavailableError(FillHandlerError):
    """The store does not take writes now; the outcome of what was under way is unknown."""

    reason = "STORE_UNAVAILABLE"


class ShuttingDownError(FillHandlerError):
    """The server is stopping."""

    reason = "SHUTTING_DOWN"


class UnauthenticatedError(FillHandlerError):
    """No valid token."""

    reason = "UNAUTHENTICATED"


class PermissionDeniedError(FillHandlerError):
    """The token's role does not allow this call."""

    reason = "PERMISSION_DENIED"


class StoreRefusedError(FillHandlerError):
    """The data directory cannot be used: wrong key, newer schema, damaged, foreign, locked, or not writable.

    Raised at start only; the files are left as they were.
    """

    reason = "STORE_REFUSED"
