"""Fill Handler's server, and its engine for use inside a program of your own (docs/in-process.md).

The names below are loaded when they are first used, so that `import fillhandler_server` alone stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fillhandler_server.handler import (
        ExchangeError,
        ExchangeType,
        FillEvent,
        FillHandler,
        InsufficientFundsError,
        NetworkError,
        OrderState,
        RateLimitError,
        SecureExchangeManager,
        TradeResult,
        create_fill_handler,
        process_exchange_fill,
    )

__all__ = [
    "ExchangeError",
    "ExchangeType",
    "FillEvent",
    "FillHandler",
    "InsufficientFundsError",
    "NetworkError",
    "OrderState",
    "RateLimitError",
    "SecureExchangeManager",
    "TradeResult",
    "create_fill_handler",
    "process_exchange_fill",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fillhandler_server import handler

    value: object = getattr(handler, name)
    globals()[name] = value
    return value
