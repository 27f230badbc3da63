"""Fill Handler's client: one exact, durable, ordered record of every exchange fill.

The names below are loaded when they are first used, so that `import fillhandler.v1.…` alone stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fillhandler.client import FillHandlerClient
    from fillhandler.cursor import Cursor, CursorStore, FileCursorStore
    from fillhandler.errors import (
        CursorAheadError,
        CursorExpiredError,
        CursorUnusableError,
        DeadlineExceededError,
        FillHandlerError,
        FillNotFoundError,
        IllegalTransitionError,
        ImportDamagedError,
        InstanceMismatchError,
        InternalServerError,
        InvalidFieldError,
        OrderAmbiguousError,
        OrderNotFoundError,
        PageTokenInvalidError,
        PayloadTooLargeError,
        PermissionDeniedError,
        ProtocolError,
        RequestIdReusedError,
        ServerUnreachableError,
        SettingsError,
        ShuttingDownError,
        StoreFullError,
        StoreUnavailableError,
        TooManyStreamsError,
        TradeNotFoundError,
        UnauthenticatedError,
        UnsupportedPayloadError,
        VenueUnavailableError,
        Violation,
    )
    from fillhandler.retry import RetryPolicy
    from fillhandler.sync_client import SyncFillHandlerClient

_HOMES: Final = {
    "FillHandlerClient": "client",
    "SyncFillHandlerClient": "sync_client",
    "RetryPolicy": "retry",
    "Cursor": "cursor",
    "CursorStore": "cursor",
    "FileCursorStore": "cursor",
}

__all__ = [
    "Cursor",
    "CursorAheadError",
    "CursorExpiredError",
    "CursorStore",
    "CursorUnusableError",
    "DeadlineExceededError",
    "FileCursorStore",
    "FillHandlerClient",
    "FillHandlerError",
    "FillNotFoundError",
    "IllegalTransitionError",
    "ImportDamagedError",
    "InstanceMismatchError",
    "InternalServerError",
    "InvalidFieldError",
    "OrderAmbiguousError",
    "OrderNotFoundError",
    "PageTokenInvalidError",
    "PayloadTooLargeError",
    "PermissionDeniedError",
    "ProtocolError",
    "RequestIdReusedError",
    "RetryPolicy",
    "ServerUnreachableError",
    "SettingsError",
    "ShuttingDownError",
    "StoreFullError",
    "StoreUnavailableError",
    "SyncFillHandlerClient",
    "TooManyStreamsError",
    "TradeNotFoundError",
    "UnauthenticatedError",
    "UnsupportedPayloadError",
    "VenueUnavailableError",
    "Violation",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # What is not named in _HOMES is an error, or what errors carry.
    value: object = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value
