"""How bugs are put in: by wrapping the engine's methods for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

from fillhandler_server.domain.events import Outcome
from fillhandler_server.domain.fills import Fill
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.reports import OrderReport
from fillhandler_server.engine import Engine, Result


class Bug(NamedTuple):
    """What is wrong while `put_in` is entered."""

    name: str
    put_in: Callable[[], Any]
    needs: Callable[[Any], bool]
    """Whether a venue of these capabilities can show it."""


BUGS: list[Bug] = []

RECORD, REPORT, REGISTER = Engine.record_fill, Engine.report_order, Engine.register_order
ADD, REMOVE = Order.add_fill, Order.remove_fill


def bug(needs: Callable[[Any], bool] = lambda has: True) -> Callable[[Callable[[], Iterator[Any]]], Any]:
    def keep(made: Callable[[], Iterator[Any]]) -> Any:
        BUGS.append(Bug(made.__name__.strip("_"), contextmanager(made), needs))
        return made

    return keep


def dropped() -> Result:
    return Result(Outcome.DUPLICATE, 0, Order(0, "", ""))


def known(engine: Engine, fill: Fill) -> tuple[Order | None, bool]:
    """The order that a fill belongs to, and whether it has it already."""
    order = engine.find_order(fill)
    return order, order is not None and order.short_key(fill.key) in order.fills


def filtering(keeps: Callable[[Engine, Fill], bool]) -> Any:
    """Drops the fills that `keeps` says no to."""

    def record_fill(engine: Engine, fill: Fill) -> Result:
        return RECORD(engine, fill) if keeps(engine, fill) else dropped()

    return patch.object(Engine, "record_fill", record_fill)


def changing(change: Callable[[Fill], None]) -> Any:
    def record_fill(engine: Engine, fill: Fill) -> Result:
        change(fill)
        return RECORD(engine, fill)

    return patch.object(Engine, "record_fill", record_fill)


def after_fill(then: Callable[[Engine, Fill, Result], None]) -> Any:
    def record_fill(engine: Engine, fill: Fill) -> Result:
        result = RECORD(engine, fill)
        then(engine, fill, result)
        result.order.refresh()
        return result

    return patch.object(Engine, "record_fill", record_fill)


def after_report(then: Callable[[Order, OrderReport], None]) -> Any:
    def report_order(engine: Engine, report: OrderReport, **more: Any) -> Result:
        result = REPORT(engine, report, **more)
        then(result.order, report)
        result.order.refresh()
        return result

    return patch.object(Engine, "report_order", report_order)


def saying(change: Callable[[Any], None]) -> Iterator[None]:
    """Changes everything that is said: fills, reports, registrations."""

    def changed(method: Any) -> Any:
        def call(engine: Engine, said: Any, **more: Any) -> Result:
            change(said)
            return method(engine, said, **more)

        return call

    with (
        patch.object(Engine, "record_fill", changed(RECORD)),
        patch.object(Engine, "report_order", changed(REPORT)),
        patch.object(Engine, "register_order", changed(REGISTER)),
    ):
        yield
