"""ExecutionService: trades, the attempts behind them, and the venues."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta
from typing import Any, TypeAlias, TypedDict, Unpack, cast

from google.protobuf.duration_pb2 import Duration

from fillhandler import convert
from fillhandler.calls.base import Calls
from fillhandler.convert import DecimalLike, SideLike, TimeLike
from fillhandler.errors import FillHandlerError
from fillhandler.v1 import execution_service_pb2, trades_pb2

#: What came of an attempt, by name ("given_up"), in any case, or by number.
AttemptOutcomeLike: TypeAlias = execution_service_pb2.AttemptOutcome.ValueType | str


class TradeFields(TypedDict, total=False):
    """The fields of `ExecuteTradeRequest`, by name. Needed are venue, symbol, side and quantity.

    type: "market" (unless given), "limit", "post_only" or "ioc"; all but the first need `limit_price`.
    deadline: How long the trade's order may take; None is until it is final, however long.
    remainder: What becomes of the rest at the deadline: "leave", "cancel" or "replace" (by another order).
    replacement_price, max_replacements: With "replace": "same", "market" or "tolerance"; how often at most.
    client_order_id, request_id: Made where empty.
    """

    request_id: str
    venue: str
    account: str
    market: str
    symbol: str
    side: SideLike
    quantity: DecimalLike
    type: str
    limit_price: DecimalLike | None
    expected_price: DecimalLike | None
    time_in_force: str
    deadline: timedelta | Duration | None
    client_order_id: str
    remainder: trades_pb2.Remainder.ValueType | str
    replacement_price: trades_pb2.ReplacementPrice.ValueType | str
    max_replacements: int | None


TradeLike: TypeAlias = trades_pb2.ExecuteTradeRequest | TradeFields | Mapping[str, Any]


def trade_request(
    trade: TradeLike | None = None, /, **fields: Unpack[TradeFields]
) -> trades_pb2.ExecuteTradeRequest:
    """The request for a trade, with a request id and a type where none is given.

    Raises:
        FieldTypeError: An unknown field, a value of a wrong type, or a float, which is never exact.
        FieldValueError: A number or a word that cannot be.
    """
    request = trades_pb2.ExecuteTradeRequest()
    request.CopyFrom(convert.message(trades_pb2.ExecuteTradeRequest, trade, "", **fields))
    request.request_id = request.request_id or str(uuid.uuid4())
    # Words in any case, with either dash, as those of enums are taken.
    request.type = request.type.strip().lower().replace("-", "_") or "market"
    request.time_in_force = request.time_in_force.strip().lower()
    return request


class ExecutionCalls(Calls):
    """What ExecutionService offers."""

    async def execute_trade(
        self,
        trade: TradeLike | None = None,
        /,
        *,
        timeout_seconds: float | None = None,
        **fields: Unpack[TradeFields],
    ) -> execution_service_pb2.ExecuteTradeResponse:
        """Execute a trade, given by its fields, a mapping, or an `ExecuteTradeRequest`; see `TradeFields`.

        Returns when the trade has ended, or has been undecided for so long that an alert was raised:
        `response.success` is whether all of it was filled, `response.trade` says how it ended. That may take
        hours, so there is no timeout unless one is given, and the client's own does not apply. Broken
        connections and restarts of the server are outlived, because the same request id is the same trade:
        it is never placed twice. A timeout, an error or a cancellation here never stops the trade; the same
        request id waits for it again, and `cancel_trade` ends it.

        Raises:
            TypeError, ValueError: A field is none of a trade, or a float, which is never exact.
            InvalidFieldError: The server refused fields; `violations` has them all.
            RequestIdReusedError: The request id is known, with other content.
            FillHandlerError: Anything else; `metadata["request_id"]` is the id that it went under, and
                `definitely_not_applied` says whether there may be a trade.
        """
        request = trade_request(trade, **fields)
        try:
            return await self._connection.long_call(
                self._connection.execution.ExecuteTrade, request, timeout_seconds
            )
        except FillHandlerError as error:
            # Where the id was made here, nothing else tells the caller under which one to look for the trade.
            error.metadata = {"request_id": request.request_id, **error.metadata}
            raise

    async def get_trade(
        self, trade_id: str = "", *, request_id: str = "", timeout_seconds: float | None = None
    ) -> trades_pb2.Trade:
        """A trade as it stands, by the service's id or by yours.

        Raises:
            TradeNotFoundError: There is none.
        """
        request = execution_service_pb2.GetTradeRequest(trade_id=trade_id, request_id=request_id)
        answer = await self._connection.call(self._connection.execution.GetTrade, request, timeout_seconds)
        return answer.trade

    async def list_trades(
        self,
        *,
        active: bool = False,
        venue: str = "",
        account: str = "",
        symbol: str = "",
        start_time: TimeLike | None = None,
        end_time: TimeLike | None = None,
        page_size: int = 0,
        timeout_seconds: float | None = None,
    ) -> AsyncGenerator[trades_pb2.Trade]:
        """Trades by their start, oldest first; the pages are fetched as they are needed.

        `active`: only those that have not ended. An empty condition holds always. Times are those of the
        start, from `start_time` on and before `end_time`. `page_size` 0 leaves it to the server;
        `timeout_seconds` is for each page.
        """
        request = execution_service_pb2.ListTradesRequest(
            active=active,
            venue=venue,
            account=account,
            symbol=symbol,
            start_time=convert.timestamp(start_time, "start_time"),
            end_time=convert.timestamp(end_time, "end_time"),
            page_size=page_size,
        )
        while True:
            page = await self._connection.call(
                self._connection.execution.ListTrades, request, timeout_seconds
            )
            for trade in page.trades:
                yield trade
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def cancel_trade(
        self, trade_id: str = "", *, request_id: str = "", timeout_seconds: float | None = None
    ) -> execution_service_pb2.CancelTradeResponse:
        """Ask for a trade to be cancelled, by the service's id or by yours.

        Returns once that is durable. The trade ends when the venue has confirmed; what was filled stays.

        Raises:
            TradeNotFoundError: There is none.
            IllegalTransitionError: It has ended.
        """
        request = execution_service_pb2.CancelTradeRequest(trade_id=trade_id, request_id=request_id)
        return await self._connection.call(self._connection.execution.CancelTrade, request, timeout_seconds)

    async def list_retries(
        self,
        *,
        trade_id: str = "",
        outcome: AttemptOutcomeLike = execution_service_pb2.ATTEMPT_OUTCOME_UNSPECIFIED,
        error_class: str = "",
        venue: str = "",
        account: str = "",
        symbol: str = "",
        start_time: TimeLike | None = None,
        end_time: TimeLike | None = None,
        page_size: int = 0,
        timeout_seconds: float | None = None,
    ) -> AsyncGenerator[execution_service_pb2.Attempt]:
        """Attempts of requests to venues by their time, oldest first; pages are fetched as they are needed.

        `outcome` is "succeeded", "retried", "given_up", or all; `error_class` a word such as "rate_limit". An
        empty condition holds always. `page_size` 0 leaves it to the server; `timeout_seconds` is for each
        page.
        """
        number = convert.enum_value(execution_service_pb2.AttemptOutcome.DESCRIPTOR, outcome, "outcome")
        request = execution_service_pb2.ListRetriesRequest(
            trade_id=trade_id,
            outcome=cast("execution_service_pb2.AttemptOutcome.ValueType", number),
            error_class=error_class,
            venue=venue,
            account=account,
            symbol=symbol,
            start_time=convert.timestamp(start_time, "start_time"),
            end_time=convert.timestamp(end_time, "end_time"),
            page_size=page_size,
        )
        while True:
            page = await self._connection.call(
                self._connection.execution.ListRetries, request, timeout_seconds
            )
            for attempt in page.attempts:
                yield attempt
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def list_venues(
        self, *, venue: str = "", timeout_seconds: float | None = None
    ) -> list[execution_service_pb2.Venue]:
        """The venues whose payloads the server understands, by name, each with its kinds of payloads and the
        connections that are configured: their state, whether it is real money, lag, clock skew.
        """
        request = execution_service_pb2.ListVenuesRequest(venue=venue)
        answer = await self._connection.call(self._connection.execution.ListVenues, request, timeout_seconds)
        return list(answer.venues)
