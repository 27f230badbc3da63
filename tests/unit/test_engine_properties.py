"""What must hold for every story: any order of arrival ends alike, and what comes again changes nothing."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.desks import Command, MemoryDesk, differences, look, outcomes
from tests.support.streams import stories, wild_stories

from fillhandler_server.domain.fills import FillState
from fillhandler_server.domain.numbers import EXACT, ZERO, divide_inverse, divide_shown

pytestmark = pytest.mark.partial

quick = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
long = settings(quick, max_examples=3000)


def check_permutation(data: st.DataObject) -> None:
    story = data.draw(stories())
    first, second = MemoryDesk(), MemoryDesk()
    for command in story:
        first.run(command)
    shuffled = data.draw(st.permutations(story))
    for command in shuffled:
        second.run(command)
    assert differences(look(first), look(second)) == []


def check_replay(story: list[Command]) -> None:
    desk = MemoryDesk()
    desk.run(*story)
    before, events = look(desk, exact=True), len(desk.events())
    again = desk.run(*story)
    assert set(outcomes(again)) <= {"DUPLICATE"}
    assert (look(desk, exact=True), len(desk.events())) == (before, events)
    desk.restart()
    assert look(desk, exact=True) == before
    assert set(outcomes(desk.run(*reversed(story)))) <= {"DUPLICATE"}
    assert (look(desk, exact=True), len(desk.events())) == (before, events)


def check_sums(story: list[Command]) -> None:
    desk = MemoryDesk()
    desk.run(*story)
    for order in desk.orders():
        cumulative = notional = inverse_quantity = inverse_notional = ZERO
        fees: dict[str, Decimal] = defaultdict(Decimal)
        counts: dict[str, int] = defaultdict(int)
        fills = [desk.content(at) for at in order.fills.values()]
        standing = [fill for fill, state in fills if state == FillState.STANDING]
        for fill in standing:
            cumulative = EXACT.add(cumulative, fill.quantity)
            if fill.price is not None and (fill.contract_kind or order.contract_kind) != 3:
                notional = EXACT.fma(fill.quantity, fill.price, notional)
            elif fill.price:
                inverse_quantity = EXACT.add(inverse_quantity, fill.quantity)
                inverse_notional = EXACT.add(inverse_notional, divide_inverse(fill.quantity, fill.price))
            for currency, amount in fill.fees:
                fees[currency] = EXACT.add(fees[currency], amount)
                counts[currency] += 1
        assert order.cumulative == cumulative
        assert (order.notional, order.inverse_quantity) == (notional, inverse_quantity)
        assert order.inverse_notional == inverse_notional
        assert order.fees == {currency: [fees[currency], counts[currency]] for currency in fees}
        assert order.fill_count == len(standing)
        assert order.fills_without_fee == sum(not fill.fees for fill in standing)
        times = [fill.trade_time for fill in standing if fill.trade_time is not None]
        assert (order.first_fill_time, order.last_fill_time) == (
            min(times, default=None),
            max(times, default=None),
        )
        if inverse_notional:
            assert order.average == divide_shown(inverse_quantity, inverse_notional)
        taken = len([1 for _, state in fills if state != FillState.STANDING])
        assert taken or order.reversed_quantity == 0


@quick
@given(st.data())
def test_any_order_of_arrival_ends_alike(data: st.DataObject) -> None:
    check_permutation(data)


@quick
@given(stories())
def test_the_same_commands_again_change_nothing(story: list[Command]) -> None:
    check_replay(story)


@quick
@given(wild_stories())
def test_sums_are_those_of_the_fills_that_stand(story: list[Command]) -> None:
    check_sums(story)


@quick
@given(st.data())
def test_batches_do_not_matter(data: st.DataObject) -> None:
    story = data.draw(wild_stories())
    one, many = MemoryDesk(), MemoryDesk()
    one.run(*story)
    results: list[Any] = []
    for command in story:
        many.now = one.now - 1_000_000_000  # the same clock, so that arrival is the same
        results += many.run(command)
        if data.draw(st.integers(0, 4)) == 0:
            many.restart()
    assert differences(look(one), look(many)) == []
    assert [m.WhichOneof("event") for m in one.events()] == [m.WhichOneof("event") for m in many.events()]


@quick
@given(wild_stories())
def test_a_preview_says_what_recording_says_and_decides_nothing(story: list[Command]) -> None:
    desk = MemoryDesk()
    for command in story:
        if command.name != "record_fill":
            desk.run(command)
            continue
        before = look(desk, exact=True)
        outcome, sequence = desk.engine.preview_fill(*command.arguments)
        assert (look(desk, exact=True), desk.engine.head) == (before, len(desk.events()))
        (result,) = desk.run(command)
        assert result.outcome == outcome
        assert sequence in (0, result.sequence)


@pytest.mark.long
@long
@given(st.data())
def test_any_order_of_arrival_ends_alike_long(data: st.DataObject) -> None:
    check_permutation(data)


@pytest.mark.long
@long
@given(stories())
def test_the_same_commands_again_change_nothing_long(story: list[Command]) -> None:
    check_replay(story)


@pytest.mark.long
@long
@given(wild_stories())
def test_sums_are_those_of_the_fills_that_stand_long(story: list[Command]) -> None:
    check_sums(story)
