"""What the server refuses or fails at, as exceptions.

Everything here is read from the error's machine-readable details (`google.rpc.ErrorInfo`, `BadRequest`,
`RetryInfo`), never from its text: the text is for people and may change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

_DOMAIN = "fillhandler"
_DETAILS_KEY = "grpc-status-details-bin"

_DEFINITELY_NOT_APPLIED = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)


class SettingsError(ValueError):
    """The client was set up wrong: an address, a token or a token file that cannot be used."""


class CursorUnusableError(SettingsError):
    """A stored cursor cannot be read. Nothing is guessed: starting elsewhere would skip or repeat events."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One field that the server refused: its path (`fill.quantity`) and what is wrong with it, for people."""

    field: str
    text: str


class FillHandlerError(Exception):
    """Base of every error that a call can end with.

    Attributes:
        reason: The fixed upper-case word of the error catalogue, for example "ORDER_NOT_FOUND". Empty where
            the server's own code did not raise it (a broken connection, an oversized message).
        metadata: Every value the text mentions, by name.
        status: The gRPC status code.
        violations: All fields that were refused; empty unless the reason is INVALID_FIELD or a like one.
        retry_after: How long the server asks to wait before another try; None where it does not say.
        definitely_not_applied: True where the call certainly changed nothing. Where False the outcome is
            unknown, and sending the same again, under its own identity, settles it.
        text: The server's sentence for people.
    """

    #: The catalogue's word this class stands for; empty for those that stand for none.
    REASON: ClassVar[str] = ""

    def __init__(
        self,
        text: str,
        *,
        status: grpc.StatusCode = grpc.StatusCode.UNKNOWN,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        violations: tuple[Violation, ...] = (),
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(text)
        self.text = text
        self.status = status
        self.reason = reason or self.REASON
        self.metadata: Mapping[str, str] = dict(metadata or {})
        self.violations = violations
        self.retry_after = retry_after
        self.definitely_not_applied = status in _DEFINITELY_NOT_APPLIED

    def __str__(self) -> str:
        return f"{self.reason}: {self.text}" if self.reason else self.text


class InvalidFieldError(FillHandlerError):
    """A field is missing or wrong. `violations` holds all of them at once."""

    REASON = "INVALID_FIELD"


class UnsupportedPayloadError(FillHandlerError):
    """The payload's keys fit no kind that the venue's module knows."""

    REASON = "UNSUPPORTED_PAYLOAD"


class PageTokenInvalidError(FillHandlerError):
    """The page token is not this server's, or was given out for other conditions."""

    REASON = "PAGE_TOKEN_INVALID"


class FillNotFoundError(FillHandlerError):
    """No fill has this identity."""

    REASON = "FILL_NOT_FOUND"


class OrderNotFoundError(FillHandlerError):
    """No order fits."""

    REASON = "ORDER_NOT_FOUND"


class TradeNotFoundError(FillHandlerError):
    """No trade has this id."""

    REASON = "TRADE_NOT_FOUND"


class OrderAmbiguousError(FillHandlerError):
    """Several orders fit; narrow by venue, account or symbol."""

    REASON = "ORDER_AMBIGUOUS"


class CursorAheadError(FillHandlerError):
    """The feed's cursor is beyond the head of the server's journal."""

    REASON = "CURSOR_AHEAD"


class InstanceMismatchError(FillHandlerError):
    """The feed's cursor, or the open feed itself, belongs to another journal."""

    REASON = "INSTANCE_MISMATCH"


class IllegalTransitionError(FillHandlerError):
    """What was asked for is not possible in the present state."""

    REASON = "ILLEGAL_TRANSITION"


class RequestIdReusedError(FillHandlerError):
    """The request id was used before, for something else."""

    REASON = "REQUEST_ID_REUSED"


class CursorExpiredError(FillHandlerError):
    """The feed's cursor is below the oldest event that the server still has."""

    REASON = "CURSOR_EXPIRED"


class ImportDamagedError(FillHandlerError):
    """The file to import is truncated, altered or not one of ours. Nothing was changed."""

    REASON = "IMPORT_DAMAGED"


class StoreFullError(FillHandlerError):
    """The server's disk is full. Reads go on; writing resumes when there is room."""

    REASON = "STORE_FULL"


class TooManyStreamsError(FillHandlerError):
    """A limit on open streams is reached."""

    REASON = "TOO_MANY_STREAMS"


class PayloadTooLargeError(FillHandlerError):
    """A message, or a part of it, is larger than the server's limit."""

    REASON = "PAYLOAD_TOO_LARGE"


class VenueUnavailableError(FillHandlerError):
    """The connection to the venue that a trade needs has not been made yet. Nothing was traded."""

    REASON = "VENUE_UNAVAILABLE"


class StoreUnavailableError(FillHandlerError):
    """The server's store does not take writes now."""

    REASON = "STORE_UNAVAILABLE"


class ShuttingDownError(FillHandlerError):
    """The server is stopping."""

    REASON = "SHUTTING_DOWN"


class UnauthenticatedError(FillHandlerError):
    """The call had no valid token."""

    REASON = "UNAUTHENTICATED"


class PermissionDeniedError(FillHandlerError):
    """The token's role does not allow this call."""

    REASON = "PERMISSION_DENIED"


class InternalServerError(FillHandlerError):
    """A fault of the server. `metadata` holds the incident id that its log has, too."""

    REASON = "INTERNAL"


class ServerUnreachableError(FillHandlerError):
    """No connection, or it broke before an answer came."""


class DeadlineExceededError(FillHandlerError):
    """No answer within the call's timeout."""


class ProtocolError(FillHandlerError):
    """The server answered in a way that its contract rules out."""


def _subclasses(base: type[FillHandlerError]) -> Iterator[type[FillHandlerError]]:
    for subclass in base.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


_BY_REASON: Mapping[str, type[FillHandlerError]] = {
    subclass.REASON: subclass for subclass in _subclasses(FillHandlerError) if subclass.REASON
}

# For answers that carry no reason of ours: they come from gRPC itself or from something between.
_BY_STATUS: Mapping[grpc.StatusCode, type[FillHandlerError]] = {
    grpc.StatusCode.UNAVAILABLE: ServerUnreachableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
    grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDeniedError,
}


def error_class(reason: str) -> type[FillHandlerError]:
    """The class for a catalogue word; `FillHandlerError` itself for one this client does not know yet."""
    return _BY_REASON.get(reason, FillHandlerError)


def _details(error: grpc.aio.AioRpcError) -> Iterator[AnyMessage]:
    # Not grpc_status.rpc_status.from_call: it raises where a proxy changed the text or the code, and the
    # details are just as good then.
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS_KEY:
            packed = value if isinstance(value, bytes) else value.encode()
            try:
                yield from status_pb2.Status.FromString(packed).details
            except DecodeError:
                return


def from_rpc_error(error: grpc.aio.AioRpcError) -> FillHandlerError:
    """The exception for a call that ended with anything but OK."""
    reason = ""
    metadata: Mapping[str, str] = {}
    violations: tuple[Violation, ...] = ()
    retry_after: timedelta | None = None
    for detail in _details(error):
        info = error_details_pb2.ErrorInfo()
        bad_request = error_details_pb2.BadRequest()
        retry_info = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            if info.domain == _DOMAIN:
                reason, metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(bad_request):
            violations = tuple(Violation(v.field, v.description) for v in bad_request.field_violations)
        elif detail.Unpack(retry_info):
            retry_after = retry_info.retry_delay.ToTimedelta()
    status = error.code()
    kind = error_class(reason) if reason else _BY_STATUS.get(status, FillHandlerError)
    return kind(
        error.details() or status.name,
        status=status,
        reason=reason,
        metadata=metadata,
        violations=violations,
        retry_after=retry_after,
    )
