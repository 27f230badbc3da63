"""The engine inside a user's own process, without a socket, under the names of the original design.

`docs/in-process.md` is its guide. `settings` reads the configuration, `embedded` opens the store, `inputs`
reads what is handed in, `recording` is the work that runs on the writer's thread, `states` is what comes out.
"""

from fillhandler_server.handler.errors import (
    ExchangeError,
    InsufficientFundsError,
    NetworkError,
    RateLimitError,
)
from fillhandler_server.handler.fill_handler import (
    FillHandler,
    create_fill_handler,
    process_exchange_fill,
)
from fillhandler_server.handler.states import (
    Contract,
    ExchangeType,
    FillEvent,
    OrderState,
    PayloadResult,
)

__all__ = [
    "Contract",
    "ExchangeError",
    "ExchangeType",
    "FillEvent",
    "FillHandler",
    "InsufficientFundsError",
    "NetworkError",
    "OrderState",
    "PayloadResult",
    "RateLimitError",
    "create_fill_handler",
    "process_exchange_fill",
]
