"""Domain exceptions to gRPC statuses, in one table, with the details that the contract promises."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Final, NoReturn

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

from fillhandler_server.domain import errors as err

DOMAIN: Final = "fillhandler"
_DETAILS_KEY: Final = "grpc-status-details-bin"
# A client takes 8 KiB of trailing metadata, and loses the whole status with what is larger. The text goes
# there percent-encoded, and the details in base64, with the text once more.
_TEXT_BYTES_MAX: Final = 1000
_METADATA_BYTES_MAX: Final = 1000
_VIOLATION_BYTES_MAX: Final = 300
_VIOLATIONS_BYTES_MAX: Final = 2400

STATUSES: Final[Mapping[type[err.FillHandlerError], grpc.StatusCode]] = {
    err.InvalidFieldError: grpc.StatusCode.INVALID_ARGUMENT,
    err.UnsupportedPayloadError: grpc.StatusCode.INVALID_ARGUMENT,
    err.PageTokenInvalidError: grpc.StatusCode.INVALID_ARGUMENT,
    err.FillNotFoundError: grpc.StatusCode.NOT_FOUND,
    err.OrderNotFoundError: grpc.StatusCode.NOT_FOUND,
    err.OrderAmbiguousError: grpc.StatusCode.FAILED_PRECONDITION,
    err.CursorAheadError: grpc.StatusCode.FAILED_PRECONDITION,
    err.InstanceMismatchError: grpc.StatusCode.FAILED_PRECONDITION,
    err.CursorExpiredError: grpc.StatusCode.OUT_OF_RANGE,
    err.ImportDamagedError: grpc.StatusCode.DATA_LOSS,
    err.StoreFullError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    err.TooManyStreamsError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    err.PayloadTooLargeError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    err.TradeNotFoundError: grpc.StatusCode.NOT_FOUND,
    err.IllegalTransitionError: grpc.StatusCode.FAILED_PRECONDITION,
    err.RequestIdReusedError: grpc.StatusCode.FAILED_PRECONDITION,
    err.VenueUnavailableError: grpc.StatusCode.UNAVAILABLE,
    err.StoreUnavailableError: grpc.StatusCode.UNAVAILABLE,
    err.ShuttingDownError: grpc.StatusCode.UNAVAILABLE,
    err.UnauthenticatedError: grpc.StatusCode.UNAUTHENTICATED,
    err.PermissionDeniedError: grpc.StatusCode.PERMISSION_DENIED,
}
"""Every error that a call can answer. docs/errors.md lists the same, and a test compares the two."""

RETRY_AFTER_SECONDS: Final[Mapping[type[err.FillHandlerError], float]] = {
    err.StoreFullError: 5.0,
    err.TooManyStreamsError: 1.0,
    err.VenueUnavailableError: 5.0,
    err.StoreUnavailableError: 0.5,
    err.ShuttingDownError: 1.0,
}
"""What may be sent again, and after how long."""


def to_status(error: err.FillHandlerError) -> tuple[grpc.StatusCode, str, status_pb2.Status]:
    """Code, text and rich status of an error."""
    code = STATUSES[type(error)]
    text = _percent_clipped(error.text)
    status = status_pb2.Status(code=code.value[0], message=text)
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN)
    left = _METADATA_BYTES_MAX
    for key, value in error.metadata.items():
        info.metadata[key] = clipped = _clipped(value, left)
        left -= len(clipped.encode())
    _add(status, info)
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        bad = error_details_pb2.BadRequest()
        for violation in error.violations if isinstance(error, err.InvalidFieldError) else ():
            # Not all of a thousand bad fields, but always the first.
            bad.field_violations.add(
                field=_clipped(violation.field, _VIOLATION_BYTES_MAX),
                description=_clipped(violation.text, _VIOLATION_BYTES_MAX),
            )
            if bad.ByteSize() > _VIOLATIONS_BYTES_MAX:
                break
        if not bad.field_violations:
            bad.field_violations.add(
                field=error.metadata.get("field", ""), description=_clipped(text, _VIOLATION_BYTES_MAX)
            )
        _add(status, bad)
    retry_after = RETRY_AFTER_SECONDS.get(type(error))
    if retry_after is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(int(retry_after * 1000))
        _add(status, error_details_pb2.RetryInfo(retry_delay=delay))
    return code, text, status


def internal_status() -> tuple[str, status_pb2.Status]:
    """An INTERNAL status that says nothing but an incident id, which the log has too."""
    incident = secrets.token_hex(6)
    text = f"internal error; incident {incident}"
    status = status_pb2.Status(code=grpc.StatusCode.INTERNAL.value[0], message=text)
    info = error_details_pb2.ErrorInfo(reason="INTERNAL", domain=DOMAIN)
    info.metadata["incident"] = incident
    _add(status, info)
    return incident, status


def _clipped(text: str, bytes_max: int) -> str:
    """The start of a text that fits in so many bytes of UTF-8."""
    return text.encode()[:bytes_max].decode(errors="ignore")


def _percent_clipped(text: str) -> str:
    """The start of a text that fits when every byte but printable ASCII takes three."""
    size = 0
    for at, character in enumerate(text):
        size += 1 if " " <= character <= "~" and character != "%" else 3 * len(character.encode())
        if size > _TEXT_BYTES_MAX:
            return text[:at]
    return text


def _add(status: status_pb2.Status, detail: object) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail)  # type: ignore[arg-type]
    status.details.append(packed)


async def abort(
    context: grpc.aio.ServicerContext[object, object], code: grpc.StatusCode, status: status_pb2.Status
) -> NoReturn:
    """Ends the call with a rich status."""
    await context.abort(code, status.message, trailing_metadata=((_DETAILS_KEY, status.SerializeToString()),))
    raise AssertionError("abort raises")
