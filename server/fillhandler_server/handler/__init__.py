"""The engine inside a user's own process, without a socket, under the names of the original design.

`docs/in-process.md` is its guide. `settings` reads the configuration, `embedded` opens the store, `inputs`
reads what is handed in, `recording` is the work that runs on the writer's thread, `states` is what comes out.
`exchange_manager` trades, on the loop of `background`; `results` and `errors` are what comes of that.
"""

from fillhandler_server.handler.errors import (
    ExchangeError,
    InsufficientFundsError,
    NetworkError,
    RateLimitError,
)
from fillhandler_server.handler.exchange_manager import SecureExchangeManager
from fillhandler_server.handler.fill_handler import (
    FillHandler,
    create_fill_handler,
    process_exchange_fill,
)
from fillhandler_server.handler.results import Fees, TradeResult
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
    "Fees",
    "FillEvent",
    "FillHandler",
    "InsufficientFundsError",
    "NetworkError",
    "OrderState",
    "PayloadResult",
    "RateLimitError",
    "SecureExchangeManager",
    "TradeResult",
    "create_fill_handler",
    "process_exchange_fill",
]
