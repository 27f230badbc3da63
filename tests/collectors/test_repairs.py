"""Gaps are found in the venue's history, and nothing is confirmed that was not read."""

import pytest
from tests.support.collecting import (
    HOUR,
    SECOND,
    Rig,
    execution_report,
    message,
    order_row,
    venue_error,
)

from fillhandler_server.execution.errors import ErrorClass


async def test_a_first_start_looks_back_and_the_next_one_begins_where_it_ended() -> None:
    rig = Rig(history_hours=2)
    rig.venue.trade(1, age=3 * 3600)
    rig.venue.trade(2, age=3600)
    async with rig:
        began = rig.venue.now()
        await rig.time.advance(5)
        assert rig.venue.asked == [("BTCUSDT", began - 2 * HOUR)]
        assert rig.ledger.trade_ids() == [2]
        assert rig.collector.state.confirmed_time == began - 5 * SECOND
    rig.venue.trade(3)
    await rig.time.advance(5 * 3600)
    rig.venue.asked.clear()
    rig.another()
    async with rig:
        await rig.time.advance(5)
        assert rig.venue.asked == [("BTCUSDT", began - 65 * SECOND)]
        assert rig.ledger.trade_ids() == [2, 3]


async def test_a_fill_that_the_stream_dropped_is_repaired_without_a_restart() -> None:
    async with Rig() as rig:
        await rig.time.advance(5)
        rig.venue.trade(1)
        assert await rig.time.until(lambda: rig.ledger.trade_ids() == [1], 180)
        assert rig.venue.connects == 1
        assert rig.collector.state.repaired_fills == 1
        assert rig.ledger.repairs() == [("BTCUSDT", 1)]


async def test_a_dropped_fill_that_a_later_report_shows_is_repaired_at_once() -> None:
    async with Rig() as rig:
        await rig.time.advance(5)
        rig.venue.trade(1)
        rig.venue.send(execution_report(rig.venue.trade(2), cumulative="2"))
        assert await rig.time.until(lambda: rig.ledger.trade_ids() == [2, 1], 4)
        assert rig.collector.state.repaired_fills == 1


async def test_it_looks_when_it_is_told_to() -> None:
    async with Rig(look_seconds=1000) as rig:
        await rig.time.advance(5)
        rig.venue.send(execution_report(rig.venue.trade(1)))
        await rig.time.advance(5)
        rig.venue.trade(2)
        # Not by the stream: somebody asked for the order.
        row = order_row(7, "BTCUSDT", "PARTIALLY_FILLED", "2", rig.venue.now())
        await rig.ledger.record("binance", "main", [message(row)])
        rig.collector.look()
        assert await rig.time.until(lambda: rig.ledger.trade_ids() == [1, 2], 2)


async def test_it_looks_by_itself_while_an_order_is_open_and_not_when_none_is() -> None:
    async with Rig() as rig:
        rig.venue.send(execution_report(rig.venue.trade(1)))
        await rig.time.advance(30)
        rig.venue.trade(2)
        row = order_row(7, "BTCUSDT", "FILLED", "2", rig.venue.now())
        await rig.ledger.record("binance", "main", [message(row)])
        assert await rig.time.until(lambda: rig.ledger.trade_ids() == [1, 2], 4)
        await rig.time.advance(10)
        rig.time.slept.clear()
        await rig.time.advance(100)
        assert rig.time.slept == []


async def test_pages_are_read_until_the_last() -> None:
    rig = Rig()
    rig.venue.page_size = 3
    for number in range(9):
        rig.venue.trade(number, age=100 - number)
    async with rig:
        await rig.time.advance(5)
        assert rig.ledger.trade_ids() == list(range(9))
        assert rig.venue.calls["trades"] == 4


async def test_equal_times_across_the_border_of_pages() -> None:
    rig = Rig()
    rig.venue.page_size = 2
    for number in range(7):
        rig.venue.trade(number, age=100)
    async with rig:
        await rig.time.advance(5)
        assert rig.ledger.trade_ids() == list(range(7))


async def test_a_page_that_fails_confirms_nothing_and_the_next_reading_begins_before_it() -> None:
    rig = Rig()
    rig.venue.page_size = 2
    for number in range(5):
        rig.venue.trade(number, age=3600 - number)
    rig.venue.fail("trades", None, venue_error(text="no answer"))
    async with rig:
        assert rig.ledger.trade_ids() == [0, 1]
        state = rig.collector.state
        assert (state.confirmed_time, state.text) == (None, "no answer")
        assert rig.ledger.repairs() == [("BTCUSDT", 2)]
        await rig.time.advance(5)

        assert rig.ledger.trade_ids() == [0, 1, 2, 3, 4]
        state = rig.collector.state
        assert (state.text, state.repaired_fills) == ("", 5)
        assert state.confirmed_time is not None
        first, second = rig.venue.asked
        assert second[1] - first[1] == 2 * SECOND, "nothing was confirmed: it looks back as at first"


async def test_a_failing_query_moves_no_confirmed_time_and_the_trade_is_found_by_the_next() -> None:
    async with Rig() as rig:
        await rig.time.advance(5)
        confirmed = rig.collector.state.confirmed_time
        rig.venue.trade(1)
        rig.venue.fail("trades", *[venue_error(ErrorClass.TIMEOUT) for _ in range(9)])
        await rig.time.advance(400)
        assert rig.collector.state.confirmed_time == confirmed
        assert rig.ledger.trade_ids() == []
        assert await rig.time.until(lambda: rig.ledger.trade_ids() == [1], 700)
        # 2, 4, 8, … 128, 180 seconds between.
        assert rig.time.now < 1000 + 180 + 2 + 4 + 8 + 16 + 32 + 64 + 128 + 180 + 180 + 10


async def test_after_a_success_the_waits_between_failing_queries_begin_anew() -> None:
    async with Rig() as rig:
        await rig.time.advance(5)
        for _ in range(3):
            rig.venue.fail("trades", venue_error(), venue_error())
            before = rig.venue.calls["trades"]
            assert await rig.time.until(lambda n=before: rig.venue.calls["trades"] == n + 1)
            await rig.time.advance(2 + 4 + 0.5)
            assert rig.venue.calls["trades"] == before + 3


async def test_a_trade_that_the_history_shows_late_is_found_thanks_to_the_overlap() -> None:
    async with Rig() as rig:
        await rig.time.advance(178)
        rig.venue.trade(1, late=60)
        await rig.time.advance(10)
        assert rig.ledger.trade_ids() == []
        await rig.time.advance(180)
        assert rig.ledger.trade_ids() == [1]


async def test_a_trade_later_than_the_overlap_is_looked_for_further_back_where_its_order_misses_it() -> None:
    async with Rig() as rig:
        await rig.time.advance(5)
        rig.venue.trade(1, late=1000)
        await rig.time.advance(300)
        rig.venue.orders[7] = order_row(7, "BTCUSDT", "FILLED", "2", rig.venue.now())
        rig.venue.send(execution_report(rig.venue.trade(2), cumulative="2", status="FILLED"))
        assert await rig.time.until(lambda: rig.ledger.trade_ids() == [2, 1], 1100)


async def test_what_an_order_misses_for_ever_is_not_hammered_for() -> None:
    async with Rig() as rig:
        rig.venue.send(execution_report(rig.venue.trade(2), cumulative="5", status="FILLED"))
        await rig.time.advance(3600)
        # 2, 4, 8, … seconds between, beside the periodic readings.
        assert 8 <= rig.venue.calls["trades"] - 3600 / 180 <= 15
        assert min(since for _, since in rig.venue.asked[1:]) >= rig.venue.now() - 26 * HOUR


async def test_two_symbols_are_read_and_confirmed_apart() -> None:
    rig = Rig(symbols=("BTCUSDT", "ETH/USDT"))
    rig.venue.fail("trades BTCUSDT", venue_error(ErrorClass.EXCHANGE_ERROR, "no such", temporary=False))
    rig.venue.trade(1, "BTCUSDT", age=10)
    rig.venue.trade(1, "ETHUSDT", age=10, order_id=8)
    async with rig:
        state = rig.collector.state
        assert (rig.ledger.trade_ids(), state.confirmed_time, state.text) == ([1], None, "no such")
        await rig.time.advance(5)
        assert rig.ledger.trade_ids() == [1, 1]
        assert rig.ledger.repairs() == [("ETHUSDT", 1), ("BTCUSDT", 1)]
        at = dict(rig.venue.asked[2:])
        assert at["BTCUSDT"] < at["ETHUSDT"], "only the one that was read completely moved on"
        state = rig.collector.state
        assert state.confirmed_time == at["BTCUSDT"] + 24 * HOUR - 5 * SECOND
        assert state.text == ""


async def test_symbols_that_the_record_knows_are_read_beside_the_configured_ones() -> None:
    async with Rig() as rig:
        rig.venue.send(execution_report(rig.venue.trade(1, "ETHUSDT", order_id=8)))
        await rig.time.advance(5)
        rig.venue.trade(2, "ETHUSDT", order_id=9)
        await rig.time.advance(181)
        assert rig.ledger.trade_ids() == [1, 2]


async def test_a_symbol_that_the_venue_does_not_have_is_named_and_does_not_keep_the_others() -> None:
    async with Rig(symbols=("BTCUSDT", "OLDUSDT")) as rig:
        await rig.time.advance(400)
        assert "OLDUSDT" in rig.collector.state.text
        assert {symbol for symbol, _ in rig.venue.asked} == {"BTCUSDT"}
        assert rig.collector.state.confirmed_time is not None


async def test_a_history_of_all_symbols_is_read_with_one_question() -> None:
    rig = Rig(symbols=("BTCUSDT", "ETHUSDT"))
    rig.venue.history_needs_symbol = False
    async with rig:
        rig.venue.send(execution_report(rig.venue.trade(3), cumulative="2"))
        rig.venue.trade(1, "BTCUSDT")
        rig.venue.trade(2, "ETHUSDT", order_id=8)
        await rig.time.advance(200)
        assert {symbol for symbol, _ in rig.venue.asked} == {""}
        assert sorted(rig.ledger.trade_ids()) == [1, 2, 3]


async def test_a_trade_that_cannot_be_read_keeps_the_confirmed_time_until_it_can() -> None:
    rig = Rig()
    garbled = rig.venue.trade(1, age=3600, garbled=True)
    rig.venue.page_size = 1
    rig.venue.trade(2, age=1800)
    async with rig:
        await rig.time.advance(30)
        state = rig.collector.state
        assert (rig.ledger.trade_ids(), state.confirmed_time) == ([2], None)
        assert "could not be read" in state.text
        garbled.garbled = False
        await rig.time.advance(60)
        state = rig.collector.state
        assert (sorted(rig.ledger.trade_ids()), state.text) == ([1, 2], "")
        assert state.confirmed_time is not None


async def test_a_page_without_a_way_on_is_no_complete_reading() -> None:
    rig = Rig()
    rig.venue.page_size = 1
    rig.venue.trade(1, age=10)
    whole = rig.venue.trades

    async def cut_off(symbol: str, since: int, cursor: str = "") -> object:
        page = await whole(symbol, since, cursor)
        return type(page)(page.messages, page.count, page.last_time, page.complete, "")

    rig.venue.trades = cut_off  # type: ignore[method-assign, assignment]
    async with rig:
        await rig.time.advance(1)
        assert rig.collector.state.confirmed_time is None
        assert "no next page" in rig.collector.state.text


@pytest.mark.parametrize("skew_seconds", [120, 10_000])
@pytest.mark.parametrize("jump", [-10 * 24, 10 * 24])
async def test_a_jump_of_this_machine_s_clock_leaves_no_gap(jump: int, skew_seconds: float) -> None:
    async with Rig(skew_seconds=skew_seconds) as rig:
        await rig.time.advance(170)
        rig.venue.wall = jump * HOUR
        await rig.time.advance(20)
        rig.venue.trade(1)
        assert abs((rig.collector.state.confirmed_time or 0) - rig.venue.now()) < 60 * SECOND
        await rig.time.advance(400)
        assert rig.ledger.trade_ids() == [1]
        assert abs((rig.collector.state.confirmed_time or 0) - rig.venue.now()) < 240 * SECOND


@pytest.mark.parametrize("jump", [-10 * 24, 10 * 24])
async def test_a_jump_while_the_skew_is_measured_spoils_no_confirmed_time(jump: int) -> None:
    rig = Rig()
    rig.venue.latency["measure_skew"] = 1.0
    async with rig:
        await rig.time.advance(0.5)
        rig.venue.wall = jump * HOUR
        await rig.time.advance(600)
        assert rig.collector.state.clock_skew == -jump * HOUR
        assert abs((rig.collector.state.confirmed_time or 0) - rig.venue.now()) < 240 * SECOND
        assert all(abs(since - rig.venue.now()) < 25 * HOUR for _, since in rig.venue.asked)


async def test_a_confirmed_time_that_has_not_come_yet_is_not_believed() -> None:
    rig = Rig()
    ahead = rig.venue.now() + 1000 * HOUR
    rig.venue.trade(1, age=7200)
    await rig.ledger.connection_changed(
        "binance", "main", "spot", connected=True, symbol="BTCUSDT", confirmed_time=ahead
    )
    async with rig:
        await rig.time.advance(200)
        assert rig.ledger.trade_ids() == [1], "it looks back as at first"
        confirmed = await rig.ledger.confirmed_times("binance", "main", "spot")
        assert confirmed["BTCUSDT"] < rig.venue.now()


async def test_a_venue_that_tells_no_time_confirms_by_its_trades() -> None:
    rig = Rig()
    rig.venue.fail(
        "measure_skew",
        *[venue_error(ErrorClass.EXCHANGE_ERROR, "not supported", temporary=False) for _ in range(50)],
    )
    async with rig:
        await rig.time.advance(200)
        state = rig.collector.state
        assert (state.confirmed_time, state.clock_skew) == (None, None)
        trade = rig.venue.trade(1)
        await rig.time.advance(400)
        assert rig.ledger.trade_ids() == [1]
        assert rig.collector.state.confirmed_time == trade.time - 5 * SECOND


async def test_the_skew_is_measured_again_every_few_minutes() -> None:
    async with Rig() as rig:
        await rig.time.advance(5)
        rig.venue.skew = -2 * SECOND
        await rig.time.advance(200)
        assert rig.collector.state.clock_skew == -2 * SECOND


async def test_readings_without_a_repair_are_journalled_by_the_hour() -> None:
    async with Rig() as rig:
        await rig.time.advance(6 * 3600)
        assert rig.venue.calls["trades"] >= 119
        assert len(rig.ledger.notes) <= 1 + 1 + 6


async def test_open_orders_take_turns_in_periodic_readings() -> None:
    async with Rig(orders_a_repair=2) as rig:
        for number in range(6):
            rig.venue.send(execution_report(rig.venue.trade(number, order_id=number)))
        await rig.time.advance(5)
        for turn in (1, 2, 3):
            await rig.time.advance(180)
            assert rig.venue.calls["find_order"] == 2 * turn
        assert all(rig.venue.calls[f"find_order {number}"] == 1 for number in range(6))


async def test_after_a_reconnect_every_open_order_is_asked_for_though_a_query_fails_first() -> None:
    async with Rig(orders_a_repair=2) as rig:
        for number in range(6):
            rig.venue.send(execution_report(rig.venue.trade(number, order_id=number)))
        await rig.time.advance(5)
        rig.venue.fail("find_order 3", venue_error())
        rig.venue.cut()
        await rig.time.advance(10)
        assert all(rig.venue.calls[f"find_order {number}"] >= 1 for number in range(6))
