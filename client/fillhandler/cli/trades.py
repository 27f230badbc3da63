"""trades, trade, cancel-trade, retries: what was asked of venues, and what came of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Annotated, Final, TypeVar

import typer

from fillhandler.cli.following import find_trade, trade_changes
from fillhandler.cli.output import document
from fillhandler.cli.selection import (
    AccountOption,
    FromOption,
    LimitOption,
    SymbolOption,
    ToOption,
    VenueOption,
)
from fillhandler.cli.session import Session, command
from fillhandler.cli.trade_values import (
    ATTEMPT_COLUMNS,
    ORDER_COLUMNS,
    TRADE_COLUMNS,
    attempt_row,
    order_row,
    shown_state,
    trade_fields,
    trade_row,
)
from fillhandler.client import FillHandlerClient
from fillhandler.v1 import execution_service_pb2, trades_pb2

_ATTEMPTS_MAX: Final = 1000

TradeArgument = Annotated[
    str, typer.Argument(metavar="ID", help="The trade's id, or the request id it was executed under.")
]

_T = TypeVar("_T")


async def _first(
    listed: AsyncGenerator[_T], limit: int, fits: Callable[[_T], bool] = lambda _: True
) -> tuple[list[_T], bool]:
    """The first entries that fit (0 means all), and whether there are more."""
    found: list[_T] = []
    async with aclosing(listed):
        async for entry in listed:
            if not fits(entry):
                continue
            if limit and len(found) == limit:
                return found, True
            found.append(entry)
    return found, False


def _page_size(limit: int) -> int:
    return min(limit + 1, 1000) if limit else 1000


def _failed(attempt: execution_service_pb2.Attempt) -> bool:
    return attempt.outcome != execution_service_pb2.ATTEMPT_OUTCOME_SUCCEEDED


def add_to(app: typer.Typer) -> None:
    """Add these commands."""

    @command(app, "trades", epilog="fillhandler trades --active --venue binance")
    async def trades(
        session: Session,
        active: Annotated[bool, typer.Option("--active", help="Only those that have not ended.")] = False,
        venue: VenueOption = "",
        account: AccountOption = "",
        symbol: SymbolOption = "",
        start_time: FromOption = None,
        end_time: ToOption = None,
        limit: LimitOption = 100,
    ) -> None:
        """List trades by their start, oldest first."""
        async with session.client() as client:
            listed = client.list_trades(
                active=active,
                venue=venue,
                account=account,
                symbol=symbol,
                start_time=start_time,
                end_time=end_time,
                page_size=_page_size(limit),
            )
            found, more = await _first(listed, limit)
        if session.output.json:
            session.output.result({"trades": [document(trade) for trade in found], "more": more})
            return
        session.output.table(TRADE_COLUMNS, map(trade_row, found))
        if more:
            session.output.note(f"the first {limit}; --limit 0 shows all")
        elif not found:
            session.output.note("no trades fit")

    @command(app, "trade", epilog="fillhandler trade desk-1-43")
    async def trade(session: Session, trade_id: TradeArgument) -> None:
        """Show one trade: how far it is, its orders, and every attempt of a request to the venue."""
        async with session.client() as client:
            found = await find_trade(client, trade_id)
            listed = client.list_retries(trade_id=found.trade_id, page_size=_page_size(_ATTEMPTS_MAX))
            attempts, more = await _first(listed, _ATTEMPTS_MAX)
        if session.output.json:
            session.output.result(
                {"trade": document(found), "attempts": [document(each) for each in attempts], "more": more}
            )
            return
        session.output.record(trade_fields(found))
        session.output.text("")
        session.output.table(ORDER_COLUMNS, map(order_row, found.orders), title="orders")
        session.output.text("")
        session.output.table(ATTEMPT_COLUMNS, map(attempt_row, attempts), title="attempts")
        if more:
            session.output.note(
                f"the first {_ATTEMPTS_MAX} attempts; "
                f"`fillhandler retries --trade {found.trade_id} --limit 0` shows all"
            )

    @command(app, "cancel-trade", epilog="fillhandler cancel-trade desk-1-43 --wait")
    async def cancel_trade(
        session: Session,
        trade_id: TradeArgument,
        wait: Annotated[
            bool, typer.Option("--wait", help="Wait until the venue has confirmed and the trade has ended.")
        ] = False,
    ) -> None:
        """Ask for a trade to be cancelled: a wait ends, an order at the venue is cancelled. What was filled
        stays.
        """
        async with session.client() as client:
            found = await find_trade(client, trade_id)
            answer = await client.cancel_trade(found.trade_id)
            if wait:
                session.interruption = {
                    "text": "interrupted; the cancel goes on without this command",
                    "hint": f"`fillhandler trade {trade_id}` shows it",
                }
                answer.trade.CopyFrom(await _ended(client, answer.trade))
        if session.output.json:
            session.output.result(document(answer))
            return
        ended = answer.trade.status == trades_pb2.TRADE_STATUS_FINISHED
        if ended:
            session.output.record(trade_fields(answer.trade))
        else:
            session.output.text(f"the cancel of trade {answer.trade.trade_id} is durable")
            session.output.note(
                f"it is {shown_state(answer.trade)} and ends when the venue has confirmed; "
                f"`fillhandler trade {trade_id}` shows it"
            )

    @command(app, "retries", epilog="fillhandler retries --failed --error-class rate_limit --from 2026-01-31")
    async def retries(
        session: Session,
        trade_id: Annotated[
            str,
            typer.Option(
                "--trade", metavar="ID", show_default=False, help="Only of this trade, or of this request id."
            ),
        ] = "",
        error_class: Annotated[
            str,
            typer.Option(
                "--error-class",
                metavar="CLASS",
                show_default=False,
                help="Only with this class of error, such as rate_limit.",
            ),
        ] = "",
        failed: Annotated[
            bool, typer.Option("--failed", help="Without the attempts that succeeded.")
        ] = False,
        venue: VenueOption = "",
        account: AccountOption = "",
        symbol: SymbolOption = "",
        start_time: FromOption = None,
        end_time: ToOption = None,
        limit: LimitOption = 100,
    ) -> None:
        """List every attempt of a request to a venue, oldest first: what came of it, why, and how long was
        waited before the next.
        """
        async with session.client() as client:
            if trade_id:
                trade_id = (await find_trade(client, trade_id)).trade_id
            listed = client.list_retries(
                trade_id=trade_id,
                error_class=error_class,
                venue=venue,
                account=account,
                symbol=symbol,
                start_time=start_time,
                end_time=end_time,
                page_size=_page_size(limit),
            )
            found, more = await _first(listed, limit, _failed if failed else lambda _: True)
        if session.output.json:
            session.output.result({"attempts": [document(each) for each in found], "more": more})
            return
        session.output.table(ATTEMPT_COLUMNS, map(attempt_row, found))
        if more:
            session.output.note(f"the first {limit}; --limit 0 shows all")
        elif not found:
            session.output.note("no attempts fit")


async def _ended(client: FillHandlerClient, trade: trades_pb2.Trade) -> trades_pb2.Trade:
    """The trade when it has ended."""
    async with aclosing(trade_changes(client, trade)) as changes:
        async for _, changed in changes:
            trade = changed
    return trade
