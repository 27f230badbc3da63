"""Compares what was recorded with what happened."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any, Protocol

from tests.simulation.faults import Arrivals
from tests.simulation.truth import ENDS, Day, Execution, TruthOrder, average, fees, total, value_of
from tests.simulation.writer import Capabilities

from fillhandler_server.domain.fills import Fill, FillState, Liquidity
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.reports import OrderStatus


class Record(Protocol):
    """What was recorded."""

    infers: bool
    """Whether missing fills are inferred."""

    def orders(self) -> list[Order]: ...

    def content(self, sequence: int) -> tuple[Fill, FillState]: ...


def problems(day: Day, arrivals: Arrivals, has: Capabilities, record: Record) -> list[str]:
    """What is not as it has to be; empty if all is."""
    found = record.orders()
    by_id: dict[tuple[str, str], list[Order]] = defaultdict(list)
    for order in found:
        for name in (*order.order_ids, f"client {order.client_order_id}"):
            by_id[order.account, name].append(order)
    told = []
    if len(found) != len(day.orders):
        told.append(f"{len(found)} orders recorded, {len(day.orders)} were placed")
    for truth in day.orders:
        held = {id(order): order for order in _held(truth, by_id)}
        if len(held) != 1:
            told.append(f"{truth}: recorded as {len(held)} orders")
            continue
        (order,) = held.values()
        told += [f"{truth}: {text}" for text in _differences(truth, order, arrivals, has, record)]
    return told


def _held(truth: TruthOrder, by_id: dict[tuple[str, str], list[Order]]) -> Iterator[Order]:
    names = truth.final.order_ids
    if truth.final.status == "REJECTED":
        names = (*names, f"client {truth.client_order_id}")
    for name in names:
        for order in by_id[truth.account, name]:
            same = (order.symbol, order.market) == (truth.listing.symbol, truth.listing.market)
            if same or (truth.final.status == "REJECTED" and not order.symbol):
                yield order


def _differences(
    truth: TruthOrder, order: Order, arrivals: Arrivals, has: Capabilities, record: Record
) -> Iterator[str]:
    final = truth.final
    missing = [e for e in final.executions if e in arrivals.gone]
    known = [e for e in final.executions if e not in arrivals.gone]
    yield from _differing(_expected(truth, arrivals), lambda name: getattr(order, name))
    if missing and not record.infers:
        expected = {"cumulative": total(e.quantity for e in known)}
        expected["reported_cumulative"] = truth.last_told.state.cumulative
        yield from _differing(expected, lambda name: getattr(order, name))
    else:
        yield from _differing(_quantities(truth, order), lambda name: getattr(order, name))
    actual_fees = {currency: entry[0] for currency, entry in order.fees.items()}
    stated = [e for e in known if e not in arrivals.without_fee]
    if actual_fees != fees(stated):
        yield f"fees {_plain(actual_fees)}, not {_plain(fees(stated))}"
    yield from _fills(order, known, missing, arrivals, record)
    if not missing:
        yield from _exact(truth, order, known, arrivals)
    elif record.infers and has.states_average:
        yield from _about(truth, order, has)


def _expected(truth: TruthOrder, arrivals: Arrivals) -> dict[str, Any]:
    """What holds whatever is missing."""
    final = truth.final
    expected: dict[str, Any] = {
        "status": int(OrderStatus[final.status]),
        "client_order_id": truth.client_order_id,
        "registered": truth.registered,
    }
    if final.status != "REJECTED":  # an answer may name nothing but the client id
        expected["side"] = truth.side
        expected["order_ids"] = list(final.order_ids)
        expected["order_id"] = final.order_id
    if truth in arrivals.quantity_known:
        expected["order_quantity"] = final.quantity
    if any(e in arrivals.gone for e in final.executions) and truth.busted:
        del expected["status"]  # what the report covers and what was taken back cannot be told apart
    return expected


def _quantities(truth: TruthOrder, order: Order) -> dict[str, Any]:
    expected: dict[str, Any] = {"cumulative": truth.final.cumulative}
    if order.order_quantity is not None or truth.final.status in (*map(str.upper, ENDS), "FILLED"):
        expected["leaves"] = truth.final.leaves
        expected["overfill"] = Decimal(0)
    return expected


def _exact(truth: TruthOrder, order: Order, known: list[Execution], arrivals: Arrivals) -> Iterator[str]:
    listing, value = truth.listing, value_of(known)
    expected: dict[str, Any] = {
        "fill_count": len(known),
        "fills_without_fee": sum(e in arrivals.without_fee for e in known),
        "first_fill_time": min((e.time for e in known), default=None),
        "last_fill_time": max((e.time for e in known), default=None),
    }
    yield from _differing(expected, lambda name: getattr(order, name))
    held = order.inverse_notional if listing.is_inverse else order.notional
    if Fraction(held) != value:
        yield f"sum of value {held}, not {float(value)}"
    multiplier = order.multiplier if listing.multiplier is None else listing.multiplier
    if Fraction(order.cumulative_notional) != value * Fraction(1 if multiplier is None else multiplier):
        yield f"notional {order.cumulative_notional} with multiplier {order.multiplier}"
    currency = listing.base if listing.is_inverse else listing.quote
    if known and order.notional_currency != currency:
        yield f"notional in {order.notional_currency!r}, not {currency!r}"
    exact, shown = average(known), order.average
    if (exact is None) != (shown is None):
        yield f"average {shown}, not {exact}"
    elif exact is not None and shown is not None and abs(Fraction(shown) / exact - 1) > Fraction(1, 10**27):
        yield f"average {shown}, not {float(exact)}"


def _about(truth: TruthOrder, order: Order, has: Capabilities) -> Iterator[str]:
    """The average where some fills are only inferred: to the precision in which the venue states it."""
    exact, shown = truth.final.average, order.average
    if truth.busted or exact is None:
        return
    places = 15 if has.average_places is None else has.average_places
    if shown is None or abs(Fraction(shown) - exact) > Fraction(1, 10**places):
        yield f"average {shown}, not about {float(exact)}"


def _fills(
    order: Order, known: list[Execution], missing: list[Execution], arrivals: Arrivals, record: Record
) -> Iterator[str]:
    """Each standing fill is an execution as it was, or inferred for those that are missing."""
    expected = {(e.trade_id, e.leg, e.side): e for e in known}
    inferred = Fraction(0)
    for at in order.fills.values():
        fill, state = record.content(at)
        if state != FillState.STANDING:
            continue
        if fill.inferred:
            inferred += Fraction(fill.quantity)
            if fill.fees:
                yield "an inferred fill has a fee"
            continue
        execution = expected.pop(tuple(fill.key), None)
        if execution is None:
            yield f"fill {fill.trade_id} {fill.leg} never was, or was taken back"
            continue
        liquidity = Liquidity.MAKER if execution.is_maker else Liquidity.TAKER
        stated = ((execution.fee_currency, execution.fee),) if execution not in arrivals.without_fee else ()
        wanted = (execution.quantity, execution.price, stated, liquidity, execution.time)
        held = (fill.quantity, fill.price, fill.fees, fill.liquidity, fill.trade_time)
        if held != wanted:
            yield f"fill {fill.trade_id} is {held}, not {wanted}"
    for execution in expected.values():
        yield f"fill {execution.trade_id} {execution.leg} is missing"
    if record.infers and inferred != sum((Fraction(e.quantity) for e in missing), Fraction(0)):
        yield f"{float(inferred)} inferred, {float(sum(Fraction(e.quantity) for e in missing))} are missing"


def _differing(expected: dict[str, Any], actual: Any) -> Iterator[str]:
    for name, wanted in expected.items():
        held = actual(name)
        if name == "registered":
            held = bool(held)
        if name == "status":
            held, wanted = OrderStatus(held).name, OrderStatus(wanted).name
        if held != wanted:
            yield f"{name} {held}, not {wanted}"


def _plain(amounts: dict[str, Decimal]) -> str:
    return ", ".join(f"{amount:f} {currency}" for currency, amount in sorted(amounts.items())) or "none"
