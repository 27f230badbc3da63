"""orders, order, clear-orders: order states."""

from __future__ import annotations

from contextlib import aclosing
from datetime import timedelta
from typing import Annotated, Any

import typer

from fillhandler.calls.feed import WatchFields
from fillhandler.cli.events import event_columns, event_row
from fillhandler.cli.output import document, line
from fillhandler.cli.selection import (
    AccountOption,
    FromOption,
    LimitOption,
    SymbolOption,
    ToOption,
    VenueOption,
)
from fillhandler.cli.session import Session, command
from fillhandler.cli.values import (
    optional,
    parse_span,
    shown_amounts,
    shown_side,
    shown_status,
    shown_time,
)
from fillhandler.client import FillHandlerClient
from fillhandler.errors import OrderNotFoundError
from fillhandler.v1 import events_pb2, orders_pb2

_COLUMNS = (
    "venue",
    "account",
    "symbol",
    "order",
    "side",
    "status",
    "#ordered",
    "#filled",
    "#%",
    "#average",
    "fees",
    "#fills",
    "updated",
)


def _row(order: orders_pb2.Order) -> tuple[object, ...]:
    return (
        order.venue,
        order.account,
        order.symbol,
        order.order_id or order.client_order_id,
        shown_side(order.side),
        shown_status(order.status),
        optional(order, "order_quantity"),
        optional(order, "cumulative_quantity"),
        optional(order, "fill_percentage"),
        optional(order, "average_price"),
        shown_amounts(order.fees),
        order.fill_count,
        shown_time(order, "update_time"),
    )


def add_to(app: typer.Typer) -> None:
    """Add these commands."""

    @command(
        app,
        "orders",
        epilog="fillhandler orders --all --venue binance --symbol BTCUSDT",
    )
    async def orders(
        session: Session,
        final: Annotated[
            bool, typer.Option("--final", help="Those that are done, instead of the active.")
        ] = False,
        everything: Annotated[bool, typer.Option("--all", help="Both.")] = False,
        active: Annotated[
            bool, typer.Option("--active", help="Those that may still fill; the default.")
        ] = False,
        venue: VenueOption = "",
        account: AccountOption = "",
        symbol: SymbolOption = "",
        start_time: FromOption = None,
        end_time: ToOption = None,
        limit: LimitOption = 100,
    ) -> None:
        """List orders, the active ones unless asked otherwise, oldest first."""
        if final + everything + active > 1:
            raise typer.BadParameter("give one of --active, --final and --all")
        group = "final" if final else "unspecified" if everything else "active"
        found: list[orders_pb2.Order] = []
        more = False
        async with session.client() as client:
            listed = client.list_orders(
                group=group,
                venue=venue,
                account=account,
                symbol=symbol,
                start_time=start_time,
                end_time=end_time,
                page_size=min(limit + 1, 1000) if limit else 1000,
            )
            async with aclosing(listed):
                async for order in listed:
                    if limit and len(found) == limit:
                        more = True
                        break
                    found.append(order)
        if session.output.json:
            session.output.result({"orders": [document(order) for order in found], "more": more})
            return
        session.output.table(_COLUMNS, map(_row, found))
        if more:
            session.output.note(f"the first {limit}; --limit 0 shows all")
        elif not found:
            session.output.note(
                "no orders fit" + ("; --all shows final ones, too" if group == "active" else "")
            )

    @command(app, "order", epilog="fillhandler order 123456789 --venue binance")
    async def order(
        session: Session,
        order_id: Annotated[
            str, typer.Argument(metavar="ID", help="The venue's order id, or your own client order id.")
        ],
        venue: VenueOption = "",
        account: AccountOption = "",
        symbol: SymbolOption = "",
    ) -> None:
        """Show one order: how far it is filled, its fees, and every event of its history."""
        async with session.client() as client:
            try:
                found = await client.get_order(order_id, venue=venue, account=account, symbol=symbol)
            except OrderNotFoundError:
                found = await client.get_order(
                    client_order_id=order_id, venue=venue, account=account, symbol=symbol
                )
            events = await _history(client, found)
        if session.output.json:
            session.output.result({"order": document(found), "events": [line(event) for event in events]})
            return
        session.output.record(_fields(found))
        session.output.text("")
        session.output.table(event_columns(), map(event_row, events), title="history")

    @command(app, "clear-orders", epilog="fillhandler clear-orders --older-than 24h --venue binance")
    async def clear_orders(
        session: Session,
        older_than: Annotated[
            timedelta | None,
            typer.Option(
                "--older-than",
                parser=parse_span,
                metavar="SPAN",
                show_default=False,
                help="Those final for at least so long, such as 90s, 15m, 24h or 7d; 0 means all. "
                "Else the server's max_order_age_hours.",
            ),
        ] = None,
        venue: VenueOption = "",
        account: AccountOption = "",
        symbol: SymbolOption = "",
    ) -> None:
        """Hide final orders. Their fills and all figures stay, and a late fill brings an order back."""
        async with session.client() as client:
            cleared = await client.clear_orders(
                older_than=older_than, venue=venue, account=account, symbol=symbol
            )
        if session.output.json:
            session.output.result(document(cleared))
        else:
            session.output.text(f"{cleared.count} orders hidden")


def _fields(order: orders_pb2.Order) -> dict[str, object]:
    return {
        "venue": order.venue,
        "account": order.account,
        "market": order.market,
        "symbol": order.symbol,
        "order id": order.order_id,
        "earlier ids": ", ".join(each for each in order.order_ids if each != order.order_id),
        "client order id": order.client_order_id,
        "side": shown_side(order.side),
        "type": order.type,
        "status": shown_status(order.status),
        "reason": order.reason,
        "ordered": optional(order, "order_quantity"),
        "filled": optional(order, "cumulative_quantity"),
        "filled %": optional(order, "fill_percentage"),
        "leaves": optional(order, "leaves_quantity"),
        "overfilled": _unless_zero(optional(order, "overfill_quantity")),
        "net of fees": optional(order, "net_quantity"),
        "limit price": optional(order, "limit_price"),
        "expected price": optional(order, "expected_price"),
        "average price": optional(order, "average_price"),
        "notional": f"{order.cumulative_notional} {order.notional_currency}".strip(),
        "inferred": optional(order, "inferred_quantity"),
        "reported filled": optional(order, "reported_cumulative_quantity"),
        "reported average": optional(order, "reported_average_price"),
        "fees": shown_amounts(order.fees),
        "fills": order.fill_count,
        "retries": order.retry_count or None,
        "registered": "yes" if order.registered else "no",
        "created": shown_time(order, "create_time"),
        "first fill": shown_time(order, "first_fill_time"),
        "last fill": shown_time(order, "last_fill_time"),
        "completed": shown_time(order, "complete_time"),
        "updated": shown_time(order, "update_time"),
    }


def _unless_zero(value: Any) -> Any:
    return None if value == "0" else value


async def _history(client: FillHandlerClient, order: orders_pb2.Order) -> list[events_pb2.Event]:
    """Every event of an order so far, in order."""
    through = (await client.get_server_status()).head_sequence
    late: list[events_pb2.Event] = []
    if order.order_ids:
        late = await _events(client, order, through, WatchFields(order_ids=order.order_ids))
        if late and late[0].sequence == order.order_number:
            return late
        through = late[0].sequence - 1 if late else through
    # What happened before the venue gave it an id is found among the events of its venue and symbol.
    symbols = [order.symbol] if order.symbol else []
    early = await _events(client, order, through, WatchFields(venues=[order.venue], symbols=symbols))
    return early + late


async def _events(
    client: FillHandlerClient, order: orders_pb2.Order, through: int, conditions: WatchFields
) -> list[events_pb2.Event]:
    """The order's events among those that fit the conditions, from its first one through a sequence."""
    # An order's number is the sequence of its first event.
    conditions["after_sequence"] = max(order.order_number - 1, 0)
    events: list[events_pb2.Event] = []
    stream = client.watch_responses(**conditions)
    async with aclosing(stream) as responses:
        async for response in responses:
            events += (
                each for each in response.events if each.sequence <= through and _concerns(each, order)
            )
            if response.through_sequence >= through:
                break
    return events


def _concerns(event: events_pb2.Event, order: orders_pb2.Order) -> bool:
    if event.order_number == order.order_number:
        return True
    # Before two orders turned out to be one, the other one's events had another number.
    return (
        bool(event.order_id)
        and event.order_id in order.order_ids
        and event.account == order.account
        and event.symbol in {"", order.symbol}
    )
