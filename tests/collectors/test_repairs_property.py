"""Whatever the stream drops and the history refuses: in the end each trade is in the record, exactly once."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.collecting import Rig, execution_report, venue_error

from fillhandler_server.domain.errors import StoreUnavailableError
from fillhandler_server.execution.errors import ErrorClass

OVERLAP = 60.0
SYMBOLS = ("BTCUSDT", "ETHUSDT")

steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("trade"),
            st.sampled_from(SYMBOLS),
            st.sampled_from(["streamed", "dropped", "twice"]),
            st.floats(0, OVERLAP),  # how late the history shows it
            st.floats(0, 2),  # how old it is when the stream tells of it
        ),
        st.tuples(st.just("wait"), st.floats(0, 400)),
        st.tuples(st.just("fail"), st.sampled_from(["trades", "find_order", "stream", "measure_skew"])),
        st.tuples(st.just("pass, then fail"), st.just("trades")),
        st.tuples(st.just("cut")),
        st.tuples(st.just("store"), st.booleans()),
        st.tuples(st.just("page"), st.integers(1, 4)),
        st.tuples(st.just("restart")),
    ),
    max_size=30,
)


async def play(story: list[tuple[Any, ...]], page_size: int, symbols: tuple[str, ...]) -> None:
    rig = Rig(symbols=symbols, overlap_seconds=OVERLAP, messages_max=5)
    rig.venue.page_size = page_size
    rig.venue.history_needs_symbol = bool(symbols)
    rig.collector.start()
    number = 0
    for step in story:
        match step:
            case ("trade", symbol, how, late, age):
                number += 1
                order_id = SYMBOLS.index(symbol) * 100 + number % 3
                trade = rig.venue.trade(number, symbol, late=late, age=age, order_id=order_id)
                for _ in range({"streamed": 1, "twice": 2}.get(how, 0)):
                    rig.venue.send(execution_report(trade))
            case ("wait", seconds):
                await rig.time.advance(seconds)
            case ("fail", call):
                rig.venue.fail(call, venue_error(ErrorClass.TIMEOUT))
            case ("pass, then fail", call):
                rig.venue.fail(call, None, venue_error(ErrorClass.TIMEOUT))
            case ("cut",):
                await rig.time.settle()
                if rig.venue._received is not None:
                    rig.venue.cut()
            case ("store", works):
                rig.ledger.failing = None if works else StoreUnavailableError("away")
            case ("page", size):
                rig.venue.page_size = size
            case ("restart",):
                await rig.collector.stop()
                rig.another().start()
    rig.venue.failing.clear()
    rig.ledger.failing = None
    await rig.time.advance(OVERLAP)
    read = len(rig.venue.asked)
    done = await rig.time.until(
        lambda: len(rig.venue.asked) >= read + 2 * len(SYMBOLS) and not rig.collector.state.text
    )
    assert done, rig.collector.state
    await rig.time.advance(5)
    await rig.collector.stop()

    assert sorted(rig.ledger.trade_ids()) == list(range(1, number + 1))
    assert asyncio.all_tasks() == {asyncio.current_task()}
    for order in rig.ledger.desk.orders():
        assert order.cumulative == sum(each.order_id == int(order.order_id) for each in rig.venue.history)


def check(story: list[tuple[Any, ...]], page_size: int, symbols: tuple[str, ...]) -> None:
    asyncio.run(play(story, page_size, symbols))


@settings(max_examples=60)
@given(steps, st.integers(1, 5), st.sampled_from([SYMBOLS, ()]))
def test_every_trade_is_recorded_exactly_once(
    story: list[tuple[Any, ...]], page_size: int, symbols: tuple[str, ...]
) -> None:
    check(story, page_size, symbols)


@pytest.mark.long
@settings(max_examples=3000)
@given(steps, st.integers(1, 5), st.sampled_from([SYMBOLS, ()]))
def test_every_trade_is_recorded_exactly_once_long(
    story: list[tuple[Any, ...]], page_size: int, symbols: tuple[str, ...]
) -> None:
    check(story, page_size, symbols)
