"""A request's parameters, read strictly: what is wrong is named as Binance names it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeVar

from fillhandler_server.domain.numbers import NUMBER, from_text
from fillhandler_server.exchange.binance.errors import ApiError, illegal, missing
from fillhandler_server.exchange.market.orders import NewOrder, OrderType, Side, TimeInForce
from fillhandler_server.exchange.market.symbols import MarketName

_ID: Final = re.compile(r"[A-Za-z0-9.:/_-]{1,36}")
_ID_RANGE: Final = r"^[\.A-Z\:/a-z0-9_-]{1,36}$"
_PLACES_MAX: Final = 8
_Word = TypeVar("_Word", bound=StrEnum)
RESPONSE_TYPES: Final = ("ACK", "RESULT", "FULL")


class Params:
    """Parameters by name."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = dict(values)

    def text(self, name: str) -> str:
        """Raises ApiError -1102 where it is missing."""
        value = self.values.get(name, "")
        if not value:
            raise missing(name)
        return value

    def optional(self, name: str) -> str:
        return self.values.get(name, "")

    def whole(self, name: str) -> int | None:
        """A whole number. Raises ApiError -1100 where it is none."""
        value = self.values.get(name, "")
        if not value:
            return None
        if re.fullmatch(r"[0-9]{1,19}", value) is None:
            raise illegal(name, "^[0-9]{1,20}$")
        return int(value)

    def decimal(self, name: str) -> Decimal | None:
        """A decimal above zero. Raises ApiError -1100, -1111 or -1013."""
        value = self.values.get(name, "")
        if not value:
            return None
        if NUMBER.fullmatch(value) is None:
            raise illegal(name, r"^([0-9]{1,20})(\.[0-9]{1,20})?$")
        if len(value.partition(".")[2].rstrip("0")) > _PLACES_MAX:
            raise ApiError(-1111, f"Parameter '{name}' has too much precision.")
        number = from_text(value)
        if number <= 0:
            raise ApiError(-1013, f"Invalid {name}.")
        return number

    def word(self, name: str, words: type[_Word], code: int) -> _Word:
        """One of the words. Raises ApiError with the code where it is another."""
        value = self.text(name)
        try:
            return words(value)
        except ValueError:
            raise ApiError(code, f"Invalid {name}.") from None

    def flag(self, name: str) -> bool:
        return self.values.get(name, "").lower() == "true"

    def client_id(self, name: str) -> str:
        """A client order id. Raises ApiError -1100 where it has other characters or more than 36."""
        value = self.values.get(name, "")
        if value and _ID.fullmatch(value) is None:
            raise illegal(name, _ID_RANGE)
        return value


def read_limit(params: Params, default: int = 500, largest: int = 1_000) -> int:
    """How many rows; more than the largest is cut to it, as Binance does."""
    limit = params.whole("limit")
    if limit == 0:
        raise ApiError(-1130, "Data sent for parameter 'limit' is not valid.")
    return min(limit or default, largest)


def read_new_order(params: Params, market: MarketName, made_id: str) -> NewOrder:
    """A placement; `made_id` is its client order id where it brings none. Raises ApiError."""
    symbol = params.text("symbol")
    side = params.word("side", Side, -1117)
    kind = params.word("type", OrderType, -1116)
    if kind is OrderType.LIMIT_MAKER and market is not MarketName.SPOT:
        raise ApiError(-1116, "Invalid orderType.")
    if params.optional("positionSide") not in ("", "BOTH"):
        raise ApiError(-4061, "Order's position side does not match user's setting.")
    quantity = params.decimal("quantity")
    quote_quantity = params.decimal("quoteOrderQty")
    price = params.decimal("price")
    force = TimeInForce.GTC
    if kind is OrderType.LIMIT:
        force = params.word("timeInForce", TimeInForce, -1115)
        if force is TimeInForce.GTX and market is MarketName.SPOT:
            raise ApiError(-1115, "Invalid timeInForce.")
    elif params.optional("timeInForce"):
        raise ApiError(-1106, "Parameter 'timeInForce' sent when not required.")
    if kind is OrderType.MARKET:
        if price is not None:
            raise ApiError(-1106, "Parameter 'price' sent when not required.")
        if quote_quantity is not None and (market is not MarketName.SPOT or quantity is not None):
            raise ApiError(-1128, "Combination of optional parameters invalid.")
        if quantity is None and quote_quantity is None:
            raise missing("quantity")
    else:
        if quote_quantity is not None:
            raise ApiError(-1106, "Parameter 'quoteOrderQty' sent when not required.")
        if quantity is None:
            raise missing("quantity")
        if price is None:
            raise missing("price")
    return NewOrder(
        symbol=symbol,
        side=side,
        type=kind,
        time_in_force=force,
        client_order_id=params.client_id("newClientOrderId") or made_id,
        quantity=quantity,
        quote_quantity=quote_quantity,
        price=price,
        reduce_only=params.flag("reduceOnly"),
    )


def read_response_type(params: Params, market: MarketName, kind: OrderType) -> str:
    """What the answer of a placement is. Raises ApiError -1136."""
    given = params.optional("newOrderRespType")
    if not given:
        full = market is MarketName.SPOT and kind is not OrderType.LIMIT_MAKER
        return "FULL" if full else "ACK"
    if given not in RESPONSE_TYPES or (given == "FULL" and market is not MarketName.SPOT):
        raise ApiError(-1136, "Invalid newOrderRespType.")
    return given
