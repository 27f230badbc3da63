"""Bugs of fees, prices, times, busts and inferred fills, put in on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from tests.simulation.bug_tools import (
    ADD,
    REMOVE,
    after_fill,
    bug,
    changing,
    dropped,
    filtering,
    known,
)

from fillhandler_server.domain.fills import Fill
from fillhandler_server.domain.orders import Order
from fillhandler_server.engine import Engine, Result

# ---------------------------------------------------------------------- fees, prices, times


@bug()
def fees_added_across_currencies() -> Iterator[Any]:
    def one_currency(fill: Fill) -> Fill:
        return replace(fill, fees=tuple(("USDT", amount) for _, amount in fill.fees), encoded=None)

    with (
        patch.object(Order, "add_fill", lambda order, fill: ADD(order, one_currency(fill))),
        patch.object(Order, "remove_fill", lambda order, fill: REMOVE(order, one_currency(fill))),
    ):
        yield


@bug(lambda has: has.rebates)
def rebate_sign_lost() -> Iterator[Any]:
    def change(fill: Fill) -> None:
        fill.fees = tuple((currency, abs(amount)) for currency, amount in fill.fees)

    with changing(change):
        yield


@bug()
def average_of_averages() -> Iterator[Any]:
    def add_fill(order: Order, fill: Fill) -> None:
        before, prices = order.cumulative, order.notional
        ADD(order, fill)
        if before and fill.price is not None and prices:
            order.notional = (prices / before + fill.price) / 2 * order.cumulative

    with patch.object(Order, "add_fill", add_fill):
        yield


@bug()
def sums_in_floats() -> Iterator[Any]:
    def add_fill(order: Order, fill: Fill) -> None:
        value, fees = float(order.notional), {name: float(entry[0]) for name, entry in order.fees.items()}
        ADD(order, fill)
        if fill.price is not None:
            order.notional = Decimal(repr(value + float(fill.quantity) * float(fill.price)))
        for currency, amount in fill.fees:
            order.fees[currency][0] = Decimal(repr(fees.get(currency, 0.0) + float(amount)))

    with patch.object(Order, "add_fill", add_fill):
        yield


@bug()
def times_by_arrival() -> Iterator[Any]:
    def add_fill(order: Order, fill: Fill) -> None:
        first = order.first_fill_time
        ADD(order, fill)
        order.first_fill_time = fill.trade_time if first is None else first
        order.last_fill_time = fill.trade_time

    with patch.object(Order, "add_fill", add_fill):
        yield


@bug(lambda has: has.enriches)
def late_fee_ignored() -> Iterator[Any]:
    with filtering(lambda engine, fill: not known(engine, fill)[1]):
        yield


# ---------------------------------------------------------------------- busts


@bug(lambda has: has.busts)
def bust_keeps_the_fees() -> Iterator[Any]:
    def remove_fill(order: Order, fill: Fill) -> bool:
        if not fill.fees:
            return REMOVE(order, fill)
        order.fills_without_fee += 1
        return REMOVE(order, replace(fill, fees=(), encoded=None))

    with patch.object(Order, "remove_fill", remove_fill):
        yield


@bug(lambda has: has.busts)
def early_bust_dropped() -> Iterator[Any]:
    original = Engine.bust_fill

    def bust_fill(engine: Engine, identity: Fill) -> Result:
        return original(engine, identity) if known(engine, identity)[1] else dropped()

    with patch.object(Engine, "bust_fill", bust_fill):
        yield


@bug(lambda has: has.busts)
def replay_brings_a_busted_fill_back() -> Iterator[Any]:
    def then(engine: Engine, fill: Fill, result: Result) -> None:
        reversals = result.order.reversals
        if reversals is not None and fill.key in reversals.busted:
            result.order.add_fill(fill)

    with after_fill(then):
        yield


@bug(lambda has: has.busts)
def bust_leaves_it_filled() -> Iterator[Any]:
    original = Order.remove_fill

    def remove_fill(order: Order, fill: Fill) -> bool:
        result = original(order, fill)
        order.reversed_quantity = Decimal(0)
        return result

    with (
        patch.object(Order, "remove_fill", remove_fill),
        patch("fillhandler_server.engine.folding._count_taken", lambda *_: None),
    ):
        yield


# ---------------------------------------------------------------------- inferred fills


@bug()
def inferred_fill_doubled() -> Iterator[Any]:
    original = Engine.infer

    def infer(engine: Engine, order: Order) -> None:
        before = order.inferred_sequence
        original(engine, order)
        if order.inferred_sequence not in (0, before):
            order.add_fill(engine.book.fill(order.inferred_sequence))

    with patch.object(Engine, "infer", infer):
        yield


@bug()
def inferred_fill_stays_beside_the_real_ones() -> Iterator[Any]:
    def supersede(engine: Engine, order: Order) -> None:
        order.inferred_sequence, order.inferred_quantity = 0, Decimal(0)

    with patch.object(Engine, "_supersede", supersede):
        yield


@bug(lambda has: has.states_average)
def inferred_at_the_average() -> Iterator[Any]:
    def price(order: Order, *_: Any) -> Decimal | None:
        return order.reported_average

    with patch("fillhandler_server.engine.inferring._price", price):
        yield


@bug(lambda has: has.busts)
def busted_fills_are_inferred_again() -> Iterator[Any]:
    def gap(order: Order) -> Decimal:
        stated = order.reported_cumulative
        known = order.cumulative - order.inferred_quantity
        return Decimal(0) if stated is None else max(Decimal(0), stated - known)

    with patch.object(Order, "gap", property(gap)):
        yield


@bug()
def nothing_is_inferred() -> Iterator[Any]:
    with patch.object(Engine, "infer", lambda engine, order: None):
        yield
