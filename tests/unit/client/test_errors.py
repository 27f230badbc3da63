"""What the server refuses becomes one exception a reason, read from the details and never from the text."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import grpc
import pytest

import fillhandler
from fillhandler import FillHandlerClient, FillHandlerError, RetryPolicy, Violation, errors

ONCE = RetryPolicy(attempts_max=1)

# contract.md, "Errors".
CATALOGUE = {
    "INVALID_FIELD": (grpc.StatusCode.INVALID_ARGUMENT, errors.InvalidFieldError),
    "UNSUPPORTED_PAYLOAD": (grpc.StatusCode.INVALID_ARGUMENT, errors.UnsupportedPayloadError),
    "PAGE_TOKEN_INVALID": (grpc.StatusCode.INVALID_ARGUMENT, errors.PageTokenInvalidError),
    "FILL_NOT_FOUND": (grpc.StatusCode.NOT_FOUND, errors.FillNotFoundError),
    "ORDER_NOT_FOUND": (grpc.StatusCode.NOT_FOUND, errors.OrderNotFoundError),
    "TRADE_NOT_FOUND": (grpc.StatusCode.NOT_FOUND, errors.TradeNotFoundError),
    "ORDER_AMBIGUOUS": (grpc.StatusCode.FAILED_PRECONDITION, errors.OrderAmbiguousError),
    "CURSOR_AHEAD": (grpc.StatusCode.FAILED_PRECONDITION, errors.CursorAheadError),
    "INSTANCE_MISMATCH": (grpc.StatusCode.FAILED_PRECONDITION, errors.InstanceMismatchError),
    "ILLEGAL_TRANSITION": (grpc.StatusCode.FAILED_PRECONDITION, errors.IllegalTransitionError),
    "REQUEST_ID_REUSED": (grpc.StatusCode.FAILED_PRECONDITION, errors.RequestIdReusedError),
    "CURSOR_EXPIRED": (grpc.StatusCode.OUT_OF_RANGE, errors.CursorExpiredError),
    "IMPORT_DAMAGED": (grpc.StatusCode.DATA_LOSS, errors.ImportDamagedError),
    "STORE_FULL": (grpc.StatusCode.RESOURCE_EXHAUSTED, errors.StoreFullError),
    "TOO_MANY_STREAMS": (grpc.StatusCode.RESOURCE_EXHAUSTED, errors.TooManyStreamsError),
    "PAYLOAD_TOO_LARGE": (grpc.StatusCode.RESOURCE_EXHAUSTED, errors.PayloadTooLargeError),
    "VENUE_UNAVAILABLE": (grpc.StatusCode.UNAVAILABLE, errors.VenueUnavailableError),
    "STORE_UNAVAILABLE": (grpc.StatusCode.UNAVAILABLE, errors.StoreUnavailableError),
    "SHUTTING_DOWN": (grpc.StatusCode.UNAVAILABLE, errors.ShuttingDownError),
    "UNAUTHENTICATED": (grpc.StatusCode.UNAUTHENTICATED, errors.UnauthenticatedError),
    "PERMISSION_DENIED": (grpc.StatusCode.PERMISSION_DENIED, errors.PermissionDeniedError),
    "INTERNAL": (grpc.StatusCode.INTERNAL, errors.InternalServerError),
}
UNKNOWN_OUTCOME = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.DATA_LOSS}


async def raised(server: Any, answer: Any) -> FillHandlerError:
    server.on("GetServerStatus", answer)
    async with FillHandlerClient(server.address, retry=ONCE) as client:
        with pytest.raises(FillHandlerError) as caught:
            await client.get_server_status()
    return caught.value


@pytest.mark.parametrize("reason", CATALOGUE)
async def test_every_reason_has_its_class(server: Any, refusal: Callable[..., Any], reason: str) -> None:
    status, kind = CATALOGUE[reason]

    error = await raised(server, refusal(status, reason, text="no such luck", metadata={"field": "x"}))

    assert type(error) is kind
    assert (error.reason, error.status, error.text) == (reason, status, "no such luck")
    assert error.metadata == {"field": "x"}
    assert error.definitely_not_applied is (status not in UNKNOWN_OUTCOME)
    assert str(error) == f"{reason}: no such luck"


def test_every_class_is_exported() -> None:
    for _, kind in CATALOGUE.values():
        assert getattr(fillhandler, kind.__name__) is kind


async def test_violations_and_the_wait_that_is_asked_for(server: Any, refusal: Callable[..., Any]) -> None:
    error = await raised(
        server,
        refusal(
            grpc.StatusCode.INVALID_ARGUMENT,
            "INVALID_FIELD",
            violations={"fill.quantity": "must be above 0", "fill.venue": "is required"},
            retry_after=timedelta(milliseconds=1500),
        ),
    )

    assert error.violations == (
        Violation("fill.quantity", "must be above 0"),
        Violation("fill.venue", "is required"),
    )
    assert error.retry_after == timedelta(milliseconds=1500)


async def test_a_reason_of_a_newer_server_is_kept(server: Any, refusal: Callable[..., Any]) -> None:
    error = await raised(server, refusal(grpc.StatusCode.ABORTED, "NEW_REASON"))

    assert type(error) is FillHandlerError
    assert error.reason == "NEW_REASON"
    assert not error.definitely_not_applied


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, errors.ServerUnreachableError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, errors.DeadlineExceededError),
        (grpc.StatusCode.UNAUTHENTICATED, errors.UnauthenticatedError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, FillHandlerError),
        (grpc.StatusCode.UNIMPLEMENTED, FillHandlerError),
    ],
)
async def test_what_grpc_itself_answers(
    server: Any, refusal: Callable[..., Any], status: grpc.StatusCode, kind: type[FillHandlerError]
) -> None:
    error = await raised(server, refusal(status))

    assert type(error) is kind
    assert error.status is status


async def test_a_server_that_is_not_there(server: Any) -> None:
    server.stop()
    async with FillHandlerClient(server.address, retry=ONCE) as client:
        with pytest.raises(errors.ServerUnreachableError) as caught:
            await client.get_server_status()
    assert caught.value.metadata == {"address": server.address}
    assert not caught.value.definitely_not_applied
    server.start()


async def test_a_timeout_without_a_connection_is_an_unreachable_server(unused_address: str) -> None:
    # Bound and never accepting: the connection stays half open, as behind a firewall that drops.
    async with FillHandlerClient(unused_address, retry=ONCE, timeout_seconds=0.2) as client:
        with pytest.raises(errors.ServerUnreachableError):
            await client.get_server_status()


async def test_a_timeout_on_a_good_connection(server: Any, until_ended: Callable[[], Any]) -> None:
    async def never(request: Any, context: Any) -> Any:
        await until_ended()

    server.on("GetServerStatus", never)
    async with FillHandlerClient(server.address, retry=ONCE) as client:
        assert not await check(client)
        with pytest.raises(errors.DeadlineExceededError):
            await client.get_server_status(timeout_seconds=0.05)


async def check(client: FillHandlerClient) -> bool:
    """Connects, whatever the answer."""
    try:
        return await client.check_health()
    except FillHandlerError:
        return False
