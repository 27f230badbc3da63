"""Binance's errors: a status, a code and a text, which clients tell errors apart by."""

from __future__ import annotations

from typing import Final

from fillhandler_server.exchange.market.matching import Reason
from fillhandler_server.exchange.market.symbols import MarketName


class ApiError(Exception):
    """An answer that is an error."""

    def __init__(self, code: int, text: str, status: int = 400) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.status = status

    @property
    def body(self) -> dict[str, object]:
        return {"code": self.code, "msg": self.text}


def missing(name: str) -> ApiError:
    """A parameter that has to be there."""
    return ApiError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def illegal(name: str, legal: str) -> ApiError:
    """A parameter with characters that it may not have."""
    return ApiError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def unknown_order() -> ApiError:
    """The order to query is not there."""
    return ApiError(-2013, "Order does not exist.")


def nothing_to_cancel() -> ApiError:
    """The order to cancel is not there, or ended."""
    return ApiError(-2011, "Unknown order sent.")


def bad_symbol() -> ApiError:
    return ApiError(-1121, "Invalid symbol.")


def no_listen_key() -> ApiError:
    return ApiError(-1125, "This listenKey does not exist.")


_SPOT: Final = {
    Reason.UNKNOWN_SYMBOL: (-1121, "Invalid symbol."),
    Reason.DUPLICATE_ID: (-2010, "Duplicate order sent."),
    Reason.LOT_SIZE: (-1013, "Filter failure: LOT_SIZE"),
    Reason.QUANTITY_TOO_SMALL: (-1013, "Filter failure: LOT_SIZE"),
    Reason.QUANTITY_TOO_LARGE: (-1013, "Filter failure: LOT_SIZE"),
    Reason.PRICE_FILTER: (-1013, "Filter failure: PRICE_FILTER"),
    Reason.NOTIONAL: (-1013, "Filter failure: NOTIONAL"),
    Reason.FUNDS: (-2010, "Account has insufficient balance for requested action."),
    Reason.WOULD_TAKE: (-2010, "Order would immediately match and take."),
    Reason.NOT_FILLABLE: (-2010, "Order would not be filled."),
    Reason.NO_BOOK: (-1112, "No orders on book for symbol."),
    Reason.NOT_REDUCING: (-2010, "This action is disabled on this account."),
}
_LINEAR: Final = _SPOT | {
    Reason.DUPLICATE_ID: (-4116, "ClientOrderId is duplicated."),
    Reason.LOT_SIZE: (-1111, "Precision is over the maximum defined for this asset."),
    Reason.QUANTITY_TOO_SMALL: (-4003, "Quantity less than or equal to zero."),
    Reason.QUANTITY_TOO_LARGE: (-4005, "Quantity greater than max quantity."),
    Reason.PRICE_FILTER: (-4014, "Price not increased by tick size."),
    Reason.NOTIONAL: (-4164, "Order's notional must be no smaller than 5 (unless you choose reduce only)."),
    Reason.FUNDS: (-2019, "Margin is insufficient."),
    Reason.WOULD_TAKE: (
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected. "
        "The order will not be recorded in the order history",
    ),
    Reason.NOT_FILLABLE: (
        -5021,
        "Due to the order could not be filled immediately, the FOK order has been rejected. "
        "The order will not be recorded in the order history",
    ),
    Reason.NOT_REDUCING: (-2022, "ReduceOnly Order is rejected."),
}
_TABLES: Final = {MarketName.SPOT: _SPOT, MarketName.LINEAR: _LINEAR}


def refused(market: MarketName, reason: Reason) -> ApiError:
    """What the market says of a placement that it refuses."""
    return ApiError(*_TABLES[market][reason])
