"""execute: a trade, from its request to its end, with its progress."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from fillhandler.calls.execution import trade_request
from fillhandler.cli.following import started_trade, trade_changes
from fillhandler.cli.output import Output, clean, document
from fillhandler.cli.problems import describe
from fillhandler.cli.session import EXIT_FAILED, EXIT_UNREACHABLE, Session, command
from fillhandler.cli.trade_values import (
    FILL_COLUMNS,
    ORDER_COLUMNS,
    failure,
    fill_row,
    order_row,
    progress_fields,
    progress_line,
    trade_fields,
)
from fillhandler.cli.values import parse_seconds
from fillhandler.cli.venues import shown_connection
from fillhandler.client import FillHandlerClient
from fillhandler.errors import FillHandlerError, ServerUnreachableError, VenueUnavailableError
from fillhandler.v1 import execution_service_pb2, trades_pb2

# The answer may be here before the feed has told of the last change.
_CATCH_UP_SECONDS: Final = 2.0


class TradeType(StrEnum):
    """The types of order."""

    MARKET = "market"
    LIMIT = "limit"
    POST_ONLY = "post-only"
    IOC = "ioc"


class TimeInForce(StrEnum):
    """How long an order stays."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"


class Remainder(StrEnum):
    """What becomes of the rest at the deadline."""

    LEAVE = "leave"
    CANCEL = "cancel"
    REPLACE = "replace"


class ReplacementPrice(StrEnum):
    """The price of the orders that place the rest again."""

    SAME = "same"
    MARKET = "market"
    TOLERANCE = "tolerance"


def add_to(app: typer.Typer) -> None:
    """Add this command."""

    @command(
        app,
        "execute",
        epilog="fillhandler execute BTCUSDT buy 0.5 --venue binance --type limit --limit-price 50000 "
        "--deadline 5m --remainder cancel",
    )
    async def execute(
        session: Session,
        symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="Such as BTCUSDT or BTC/USDT.")],
        side: Annotated[str, typer.Argument(metavar="SIDE", help="buy or sell.")],
        quantity: Annotated[str, typer.Argument(metavar="QUANTITY", help="How much, a decimal number.")],
        venue: Annotated[str, typer.Option("--venue", help="Where, for example binance.")],
        type_: Annotated[TradeType, typer.Option("--type", help="The type of order.")] = TradeType.MARKET,
        limit_price: Annotated[
            str | None,
            typer.Option("--limit-price", metavar="PRICE", show_default=False, help="For all but market."),
        ] = None,
        expected_price: Annotated[
            str | None,
            typer.Option(
                "--expected-price", metavar="PRICE", show_default=False, help="Expected on arrival."
            ),
        ] = None,
        time_in_force: Annotated[
            TimeInForce | None,
            typer.Option("--time-in-force", show_default=False, help="Else the type's own."),
        ] = None,
        deadline: Annotated[
            timedelta | None,
            typer.Option(
                "--deadline",
                parser=parse_seconds,
                metavar="SPAN",
                show_default=False,
                help="How long the order may take, such as 30, 90s or 5m; else until it is final.",
            ),
        ] = None,
        account: Annotated[
            str, typer.Option("--account", show_default=False, help="The account; else main.")
        ] = "",
        market: Annotated[
            str,
            typer.Option(
                "--market",
                show_default=False,
                help="spot, linear or inverse; needed where the symbol is in several.",
            ),
        ] = "",
        client_order_id: Annotated[
            str,
            typer.Option("--client-order-id", metavar="ID", show_default=False, help="Else one is made."),
        ] = "",
        request_id: Annotated[
            str,
            typer.Option(
                "--request-id",
                metavar="ID",
                show_default=False,
                help="Your id of the trade: the same again waits for the same trade. Else one is made.",
            ),
        ] = "",
        remainder: Annotated[
            Remainder | None,
            typer.Option(
                "--remainder",
                show_default=False,
                help="What becomes of the rest at the deadline: leave the order (unless given), cancel it, "
                "or cancel it and place the rest again.",
            ),
        ] = None,
        replacement_price: Annotated[
            ReplacementPrice | None,
            typer.Option(
                "--replacement-price",
                show_default=False,
                help="With --remainder replace: the same (unless given), a market order, or the expected "
                "price and the server's tolerance.",
            ),
        ] = None,
        max_replacements: Annotated[
            int | None,
            typer.Option(
                "--max-replacements",
                min=0,
                metavar="N",
                show_default=False,
                help="With --remainder replace: how many more orders at most.",
            ),
        ] = None,
        detach: Annotated[
            bool, typer.Option("--detach", help="End once the trade is durable, and leave it running.")
        ] = False,
    ) -> None:
        """Execute a trade and show how it goes until it has ended. Ctrl-C leaves it running.

        --timeout ends the waiting, never the trade; without it there is no end.
        """
        if (limit_price is None) != (type_ is TradeType.MARKET):
            raise typer.BadParameter(
                f"--type {type_} needs --limit-price"
                if limit_price is None
                else "--limit-price is for the other types: name one with --type"
            )
        if remainder is not Remainder.REPLACE and (replacement_price or max_replacements is not None):
            raise typer.BadParameter("--replacement-price and --max-replacements go with --remainder replace")
        fields: dict[str, Any] = {
            "venue": venue.lower(),
            "account": account,
            "market": market,
            "symbol": symbol,
            "side": side,
            "quantity": quantity,
            "type": type_,
            "limit_price": limit_price,
            "expected_price": expected_price,
            "time_in_force": time_in_force,
            "deadline": deadline,
            "client_order_id": client_order_id,
            "request_id": request_id,
            "remainder": remainder,
            "replacement_price": replacement_price,
            "max_replacements": max_replacements,
        }
        try:
            request = trade_request(fields)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        async with session.client() as client:
            await _show_connections(session.output, client, request)
            execution = _Execution(session, client, request)
            try:
                answer = await execution.run(detach=detach)
            except FillHandlerError as error:
                if error.definitely_not_applied or isinstance(error, VenueUnavailableError):
                    raise
                session.output.problem({**describe(error), "hint": _ways(request, "there may be a trade: ")})
                unreachable = isinstance(error, ServerUnreachableError)
                raise typer.Exit(EXIT_UNREACHABLE if unreachable else EXIT_FAILED) from None
        _show_answer(session.output, answer)
        if execution.detached:
            session.output.note(_ways(request, "it goes on: "))
            return
        problem = failure(answer.trade)
        if problem is not None:
            session.output.problem(problem)
            raise typer.Exit(EXIT_FAILED)


@dataclass
class _Execution:
    """One trade, while this command waits for it."""

    session: Session
    client: FillHandlerClient
    request: trades_pb2.ExecuteTradeRequest
    detached: bool = False

    def __post_init__(self) -> None:
        self._trade: trades_pb2.Trade | None = None
        self._line = ""
        self._silent = False

    async def run(self, *, detach: bool) -> execution_service_pb2.ExecuteTradeResponse:
        """Send it, show how it goes, and return what came of it; with `detach` as soon as it is durable."""
        # Where the feed starts, so that nothing of the trade is missed, however fast it is.
        before = await self.client.get_server_status()
        self._may_go_on("interrupted while the trade was sent: it may be under way")
        answer = asyncio.ensure_future(
            self.client.execute_trade(self.request, timeout_seconds=self.session.options.timeout_seconds)
        )
        start = asyncio.ensure_future(started_trade(self.client, self.request, before))
        tasks: list[asyncio.Future[Any]] = [answer, start]
        try:
            with ExitStack() as stack:
                if self.session.output.live_terminal:
                    stack.enter_context(self.session.output.live(self._fields))
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                if detach and not answer.done() and self._told(start):
                    self.detached = True
                    return answer_of(start.result())
                progress = asyncio.ensure_future(self._follow(start, before.instance_id))
                tasks.append(progress)
                await asyncio.wait((answer, progress), return_when=asyncio.FIRST_COMPLETED)
                if not answer.done():
                    self._told(progress)
                response = await answer
                if response.trade.status == trades_pb2.TRADE_STATUS_FINISHED:
                    await asyncio.wait((progress,), timeout=_CATCH_UP_SECONDS)
                return response
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _may_go_on(self, text: str) -> None:
        self.session.interruption = {
            "text": text,
            "hint": _ways(self.request),
            "metadata": {"request_id": self.request.request_id},
        }

    def _told(self, task: asyncio.Future[Any]) -> bool:
        """Whether the feed told what was asked; where it could not, the answer still comes."""
        error = task.exception()
        if error is None:
            return True
        if not isinstance(error, FillHandlerError):
            raise error
        if not self._silent:
            self._silent = True
            self.session.output.note(f"the progress cannot be shown: {error}")
        return False

    async def _follow(self, start: asyncio.Future[trades_pb2.Trade], instance_id: str) -> None:
        changes = trade_changes(self.client, await start, instance_id)
        self._may_go_on("interrupted; the trade goes on without this command")
        async with aclosing(changes):
            async for moment, trade in changes:
                self._show(moment, trade)

    def _show(self, moment: str, trade: trades_pb2.Trade) -> None:
        self._trade = trade
        text = progress_line(trade)
        output = self.session.output
        if text == self._line or output.json or output.live_terminal:
            return
        self._line = text
        output.raw(clean(f"{moment} {text}"))
        output.flush()

    def _fields(self) -> dict[str, object]:
        trade = self._trade
        if trade is None:
            return {"request": self.request.request_id, "status": "being sent"}
        return progress_fields(trade, datetime.now(UTC))


def answer_of(trade: trades_pb2.Trade) -> execution_service_pb2.ExecuteTradeResponse:
    """A trade that has not ended, in the shape of the answer that it will have; without its fills."""
    return execution_service_pb2.ExecuteTradeResponse(
        success=trade.success,
        order=trade.orders[-1] if trade.orders else None,
        total_filled=trade.total_filled,
        average_price=trade.average_price if trade.HasField("average_price") else None,
        fees=trade.fees,
        attempts=trade.attempts,
        trade=trade,
        sequence=trade.sequence,
    )


def _ways(request: trades_pb2.ExecuteTradeRequest, before: str = "") -> str:
    name = request.request_id
    return f"{before}`fillhandler trade {name}` shows it, `fillhandler cancel-trade {name}` cancels it"


async def _show_connections(
    output: Output, client: FillHandlerClient, request: trades_pb2.ExecuteTradeRequest
) -> None:
    """Say where the trade goes, and whether that is real money."""
    found = [
        (venue.name, connection)
        for venue in await client.list_venues(venue=request.venue)
        for connection in venue.connections
        if connection.account == (request.account or "main") and request.market in {"", connection.market}
    ]
    if output.json:
        return
    for name, connection in found:
        output.raw(clean(shown_connection(name, connection)))
    output.flush()
    if len(found) > 1:
        output.note("the server takes the market that has the symbol; --market names one")
    elif not found:
        output.note("no connection fits; `fillhandler venues` lists those that are configured")


def _show_answer(output: Output, answer: execution_service_pb2.ExecuteTradeResponse) -> None:
    if output.json:
        output.result(document(answer))
        return
    output.text("")
    output.record(trade_fields(answer.trade))
    if answer.trade.orders:
        output.text("")
        output.table(ORDER_COLUMNS, map(order_row, answer.trade.orders), title="orders")
    if answer.partial_fills:
        output.text("")
        output.table(FILL_COLUMNS, map(fill_row, answer.partial_fills), title="fills")
        if len(answer.partial_fills) < answer.trade.fill_count:
            output.note(
                f"the first {len(answer.partial_fills)} fills of {answer.trade.fill_count}; "
                "`fillhandler fills --order ID --limit 0` shows all"
            )
