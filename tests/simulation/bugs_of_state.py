"""Bugs of identity, quantities and status, put in on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from tests.simulation import run
from tests.simulation.bug_tools import (
    ADD,
    REPORT,
    after_fill,
    after_report,
    bug,
    changing,
    dropped,
    filtering,
    known,
    saying,
)
from tests.simulation.writer import Message, Transport

from fillhandler_server.domain.events import Outcome
from fillhandler_server.domain.fills import Fill
from fillhandler_server.domain.lifecycle import Lifecycle
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.reports import OrderReport, OrderStatus, ParsedPayload
from fillhandler_server.engine import Engine, Result

# ---------------------------------------------------------------------- identity


@bug(lambda has: has.flips)
def ignore_leg() -> Iterator[Any]:
    def change(fill: Fill) -> None:
        fill.leg = ""

    with changing(change):
        yield


def _seen(engine: Engine, scope: object, identity: object) -> bool:
    """Whether this is the first identity of its scope, or that one again."""
    seen = engine.__dict__.setdefault("_seen_by_bug", {})
    return bool(seen.setdefault(scope, identity) == identity)


@bug()
def identity_by_trade_id_alone() -> Iterator[Any]:
    def keeps(engine: Engine, fill: Fill) -> bool:
        return _seen(
            engine,
            fill.trade_id,
            (fill.account, fill.market, fill.symbol, fill.order_id, fill.side, fill.leg),
        )

    with filtering(keeps):
        yield


@bug()
def self_trade_sides_merged() -> Iterator[Any]:
    with filtering(lambda e, f: _seen(e, (f.account, f.market, f.symbol, f.trade_id), f.side)):
        yield


@bug()
def accounts_merged() -> Iterator[Any]:
    def change(said: Any) -> None:
        said.account = "main"

    yield from saying(change)


@bug(lambda has: has.order_ids == "symbol")
def markets_merged() -> Iterator[Any]:
    def change(said: Any) -> None:
        said.market = ""

    yield from saying(change)


@bug()
def rest_symbols_apart() -> Iterator[Any]:
    original = run.read

    def read(venue: str, message: Message) -> ParsedPayload:
        parsed = original(venue, message)
        if message.transport is Transport.REST:
            for said in (*parsed.fills, *parsed.reports):
                said.symbol = said.symbol and f"X{said.symbol}"
        return parsed

    with patch.object(run, "read", read):
        yield


@bug()
def a_duplicate_counts_twice() -> Iterator[Any]:
    def then(engine: Engine, fill: Fill, result: Result) -> None:
        if result.outcome is Outcome.DUPLICATE:
            result.order.add_fill(fill)

    with after_fill(then):
        yield


@bug()
def unknown_orders_dropped() -> Iterator[Any]:
    with filtering(lambda e, f: known(e, f)[0] is not None):
        yield


# ---------------------------------------------------------------------- quantities


@bug()
def late_fill_dropped() -> Iterator[Any]:
    def keeps(engine: Engine, fill: Fill) -> bool:
        order, has_it = known(engine, fill)
        return order is None or has_it or not order.is_final

    with filtering(keeps):
        yield


@bug(lambda has: has.amend == "same" and has.amends_quantity)
def overfill_dropped() -> Iterator[Any]:
    def keeps(engine: Engine, fill: Fill) -> bool:
        order, has_it = known(engine, fill)
        if order is None or has_it or order.order_quantity is None:
            return True
        return order.cumulative + fill.quantity <= order.order_quantity

    with filtering(keeps):
        yield


@bug()
def shrinks_on_a_low_cumulative() -> Iterator[Any]:
    def then(order: Order, report: OrderReport) -> None:
        if report.cumulative_quantity is not None and report.cumulative_quantity < order.cumulative:
            order.cumulative = report.cumulative_quantity

    with after_report(then):
        yield


@bug()
def reports_count_as_fills() -> Iterator[Any]:
    def then(order: Order, report: OrderReport) -> None:
        if report.cumulative_quantity is not None and report.cumulative_quantity > order.cumulative:
            order.cumulative = report.cumulative_quantity

    with after_report(then):
        yield


@bug()
def base_fee_taken_off() -> Iterator[Any]:
    def add_fill(order: Order, fill: Fill) -> None:
        ADD(order, fill)
        for currency, amount in fill.fees:
            if currency == order.base_currency:
                order.cumulative -= amount

    with patch.object(Order, "add_fill", add_fill):
        yield


@bug(lambda has: has.amends_quantity and bool(has.amend))
def amend_adds_to_the_quantity() -> Iterator[Any]:
    original = Lifecycle.take_terms

    def take_terms(order: Lifecycle, report: OrderReport, time: int) -> None:
        before, at = order.order_quantity, order.quantity_time
        original(order, report, time)
        if before is not None and order.order_quantity != before and at >= 0:
            order.order_quantity += before

    with patch.object(Lifecycle, "take_terms", take_terms):
        yield


@bug(lambda has: has.amends_quantity and bool(has.amend))
def stale_quantity_stands() -> Iterator[Any]:
    original = Lifecycle.take_terms

    def take_terms(order: Lifecycle, report: OrderReport, time: int) -> None:
        original(order, report, time)
        if report.order_quantity is not None:
            order.order_quantity = report.order_quantity  # by arrival

    with patch.object(Lifecycle, "take_terms", take_terms):
        yield


# ---------------------------------------------------------------------- status


@bug()
def fill_after_cancel_resets_the_status() -> Iterator[Any]:
    def then(engine: Engine, fill: Fill, result: Result) -> None:
        if result.outcome is Outcome.RECORDED and result.order.dead_status:
            result.order.deaths = None
            result.order._weigh_deaths()

    with after_fill(then):
        yield


@bug()
def stale_new_reopens() -> Iterator[Any]:
    def then(order: Order, report: OrderReport) -> None:
        if report.status in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED) and order.dead_status:
            order.deaths = None
            order._weigh_deaths()

    with after_report(then):
        yield


@bug(lambda has: has.amend == "new")
def cancel_of_a_superseded_id_kills() -> Iterator[Any]:
    original = Lifecycle._weigh_deaths

    def weigh(order: Lifecycle) -> None:
        replaced, order.replaced_by = order.replaced_by, None
        original(order)
        order.replaced_by = replaced

    with patch.object(Lifecycle, "_weigh_deaths", weigh):
        yield


@bug()
def cancel_of_an_unknown_order_dropped() -> Iterator[Any]:
    """A final report is ignored while the order is unknown."""

    def report_order(engine: Engine, report: OrderReport, **more: Any) -> Result:
        if report.status == OrderStatus.CANCELED and not engine.book.by_order_id(
            report.venue, report.account, report.order_id
        ):
            return dropped()
        return REPORT(engine, report, **more)

    with patch.object(Engine, "report_order", report_order):
        yield
