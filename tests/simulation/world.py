"""What is sent about a day: pushes, answers, polls, histories, our own commands. Nothing is lost here."""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from tests.simulation.truth import Day, Event, Execution, Kind, TruthOrder
from tests.simulation.writer import MS, SECOND, Command, Message, Transport, Writer

from fillhandler_server.domain.fills import Fill, Liquidity
from fillhandler_server.domain.reports import OrderReport, OrderStatus


class Sent(NamedTuple):
    """A message and when it would arrive if nothing went wrong."""

    time: int
    message: Message


def send(day: Day, writer: Writer) -> list[Sent]:
    """Everything, in no order."""
    draw = random.Random(f"world {day.venue} {day.seed}")
    sent: list[Sent] = []

    def add(time: int, messages: Sequence[Message]) -> None:
        sent.extend(Sent(time + draw.randint(3, 80) * MS, message) for message in messages)

    for order in day.orders:
        if order.registered:
            add(order.created - 100 * MS, [_registration(order)])
        for event in order.events:
            if event.kind is Kind.BUSTED:
                add(event.time, [_bust(event)])
                continue
            told = event.execution
            if told is not None and told.leg:
                add(event.time, [_leg(told)])
                add(day.end, [_leg(told)])
                continue
            add(event.time, writer.stream(event))
            if event.kind is not Kind.TRADED:
                add(event.time, writer.answer(event))
    for _ in range(draw.randint(0, 4)):
        _poll(day, writer, draw, add)
    for account in day.accounts:
        add(day.end + 20 * SECOND, writer.history(_traded(day, account, day.end)))
    for order in day.orders:
        add(day.end + 20 * SECOND, writer.query(order.last_told))
    return sent


def _poll(day: Day, writer: Writer, draw: random.Random, add: object) -> None:
    """Somebody looks in the middle of the day: orders as they are then, and what has traded."""
    at = draw.randint(day.start, day.end)
    for order in day.orders:
        event = order.at(at)
        if event is not None and event.kind is not Kind.REJECTED and draw.random() < 0.5:
            add(at, writer.query(event))  # type: ignore[operator]
    for account in day.accounts:
        traded = _traded(day, account, at)
        if traded and draw.random() < 0.7:
            add(at, writer.history(traded[-draw.randint(1, 12) :]))  # type: ignore[operator]


def _traded(day: Day, account: str, until: int) -> list[Execution]:
    """The venue lists what was taken back as well: who lists it must not bring it back."""
    found = [
        execution
        for order in day.orders
        if order.account == account
        for execution in order.executions
        if execution.time <= until and not execution.leg
    ]
    return sorted(found, key=lambda execution: execution.time)


# ---------------------------------------------------------------------- our own commands


def _registration(order: TruthOrder) -> Message:
    state, listing = order.events[0].state, order.listing

    def arguments() -> tuple[OrderReport]:
        said = OrderReport(
            order.venue,
            OrderStatus.PENDING_NEW,
            symbol=listing.symbol,
            client_order_id=order.client_order_id,
            account=order.account,
            market=listing.market,
            side=order.side,
            order_quantity=state.quantity,
            limit_price=state.limit,
        )
        return (said,)

    return Message(
        order.account, Transport.COMMAND, command=Command("register_order", arguments), about=order
    )


def _fill(execution: Execution, *, whole: bool) -> Fill:
    order, listing = execution.order, execution.order.listing
    fill = Fill(
        order.venue,
        listing.symbol,
        execution.order_id,
        execution.trade_id,
        execution.side,
        execution.quantity if whole else Decimal(1),
        account=order.account,
        market=listing.market,
        leg=execution.leg,
    )
    if whole:
        fill.price = execution.price
        fill.fees = ((execution.fee_currency, execution.fee),)
        fill.liquidity = Liquidity.MAKER if execution.is_maker else Liquidity.TAKER
        fill.trade_time = execution.time
        fill.client_order_id = order.client_order_id
        fill.multiplier = listing.multiplier
        fill.base_currency, fill.quote_currency = listing.base, listing.quote
    return fill


def _bust(event: Event) -> Message:
    execution = event.execution
    assert execution is not None
    return Message(
        event.order.account,
        Transport.COMMAND,
        command=Command("bust_fill", lambda: (_fill(execution, whole=False),)),
        about=event.order,
    )


def _leg(execution: Execution) -> Message:
    """A fill by RecordFill: what an adapter of its own makes of a position flip."""
    return Message(
        execution.order.account,
        Transport.COMMAND,
        command=Command("record_fill", lambda: (_fill(execution, whole=True),)),
        about=execution.order,
    )
