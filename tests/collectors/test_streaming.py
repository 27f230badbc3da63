"""The live stream: connected, kept, noted, and made again with waits between."""

import asyncio

import pytest
from tests.support.collecting import (
    SECOND,
    Rig,
    execution_report,
    message,
    order_row,
    venue_error,
)

from fillhandler_server.collectors import ConnectionState
from fillhandler_server.execution.errors import ErrorClass


async def test_what_the_stream_brings_is_recorded_and_not_counted_as_repaired() -> None:
    async with Rig() as rig:
        assert rig.collector.state.state is ConnectionState.CONNECTED
        for number in range(3):
            rig.venue.send(execution_report(rig.venue.trade(number), str(number + 1)))
        await rig.time.advance(400)

        assert rig.ledger.trade_ids() == [0, 1, 2]
        assert rig.ledger.batches[0] == 3, "what waits together is recorded together"
        assert rig.collector.state.repaired_fills == 0
        assert rig.ledger.connections() == [(True, "")]


async def test_a_trade_that_is_on_its_way_in_the_stream_is_no_repair() -> None:
    async with Rig() as rig:
        await rig.time.until(lambda: rig.venue.calls["trades"] == 1)
        await rig.time.advance(179.9)
        trade = rig.venue.trade(1, age=-0.1)  # at the very moment of the next reading
        assert await rig.time.until(lambda: rig.venue.calls["trades"] == 2, 1)
        rig.venue.send(execution_report(trade))
        await rig.time.advance(5)

        assert rig.ledger.trade_ids() == [1]
        assert rig.collector.state.repaired_fills == 0


async def test_a_break_is_noted_once_with_its_reason_and_the_stream_made_again() -> None:
    async with Rig() as rig:
        await rig.time.advance(5)
        rig.venue.fail("stream", venue_error(text="no route"), venue_error(text="no route"))
        rig.venue.cut(venue_error(text="connection reset"))
        await rig.time.settle()
        state = rig.collector.state
        assert (state.state, state.text) == (ConnectionState.DISCONNECTED, "connection reset")
        assert await rig.time.until(lambda: rig.venue.connects == 2)
        await rig.time.advance(1)

        assert rig.ledger.connections() == [(True, ""), (False, "connection reset"), (True, "")]
        state = rig.collector.state
        assert (state.state, state.reconnects, state.text) == (ConnectionState.CONNECTED, 1, "")
        assert state.connect_time is not None


async def test_what_was_traded_while_the_stream_was_away_is_repaired_at_once() -> None:
    async with Rig() as rig:
        await rig.time.advance(5)
        rig.venue.cut()
        await rig.time.settle()
        rig.venue.trade(1)
        rig.venue.trade(2)
        assert await rig.time.until(lambda: rig.venue.connects == 2)
        before = rig.time.now
        assert await rig.time.until(lambda: rig.ledger.trade_ids() == [1, 2], 1)

        assert rig.time.now - before <= 1
        assert rig.ledger.repairs() == [("BTCUSDT", 2)]
        assert rig.collector.state.repaired_fills == 2


async def test_waits_double_up_to_a_minute_and_begin_anew_after_a_good_connection() -> None:
    rig = Rig()
    rig.venue.fail("stream", *[venue_error() for _ in range(8)])
    async with rig:
        assert await rig.time.until(lambda: rig.venue.connects == 1)
        assert rig.drawn == [(0.0, ceiling) for ceiling in (1, 2, 4, 8, 16, 32, 60, 60)]

        rig.drawn.clear()
        await rig.time.advance(30)
        rig.venue.cut()  # it had not lasted
        assert await rig.time.until(lambda: rig.venue.connects == 2)
        assert rig.drawn == [(0.0, 60)]

        rig.drawn.clear()
        await rig.time.advance(61)
        rig.venue.cut()
        assert await rig.time.until(lambda: rig.venue.connects == 3)
        assert rig.drawn == [(0.0, 1)]


async def test_what_the_venue_asks_for_is_added_to_the_wait() -> None:
    rig = Rig()
    rig.venue.fail("stream", venue_error(ErrorClass.RATE_LIMIT, retry_after=90.0))
    async with rig:
        await rig.time.advance(90)
        assert rig.venue.connects == 0
        await rig.time.advance(1)
        assert rig.venue.connects == 1


async def test_refused_credentials_are_tried_again_rarely() -> None:
    rig = Rig()
    refusal = venue_error(ErrorClass.AUTHENTICATION, "invalid api key")
    rig.venue.fail("stream", refusal, refusal)
    rig.venue.fail("trades", refusal)
    async with rig:
        state = rig.collector.state
        assert (state.state, state.text) == (ConnectionState.REFUSED, "invalid api key")
        await rig.time.advance(890)
        assert (rig.venue.calls["stream"], rig.venue.calls["trades"]) == (1, 1)
        await rig.time.advance(920)
        assert rig.drawn == [(450.0, 900.0)] * 2
        assert rig.collector.state.state is ConnectionState.CONNECTED


async def test_a_connection_that_cannot_be_prepared_is_tried_until_it_can() -> None:
    rig = Rig()
    rig.venue.fail("start", venue_error(), venue_error())
    async with rig:
        assert rig.collector.state.state is ConnectionState.DISCONNECTED
        await rig.time.advance(10)
        rig.venue.cut()
        await rig.time.advance(10)

        assert rig.venue.calls["start"] == 3
        assert rig.venue.connects == 2


async def test_a_fault_of_the_adapter_s_own_does_not_end_the_collecting() -> None:
    rig = Rig()
    rig.venue.fail("stream", KeyError("x"))
    rig.venue.fail("trades", None, KeyError("x"))
    async with rig:
        await rig.time.advance(5)
        assert rig.venue.connects == 1
        rig.venue.trade(1)
        await rig.time.advance(200)
        assert rig.ledger.trade_ids() == [1]


async def test_the_history_is_read_though_no_stream_comes_about() -> None:
    rig = Rig()
    rig.venue.confirms = False
    rig.venue.trade(1)
    async with rig:
        assert rig.collector.state.state is ConnectionState.CONNECTING
        await rig.time.advance(11)
        assert rig.ledger.trade_ids() == [1]


async def test_a_venue_without_a_stream_is_read_by_its_history() -> None:
    rig = Rig()
    rig.venue.streams = False
    async with rig:
        await rig.time.advance(5)
        rig.venue.trade(1)
        await rig.time.advance(181)

        assert rig.ledger.trade_ids() == [1]
        state = rig.collector.state
        assert (state.state, rig.venue.calls["stream"]) == (ConnectionState.DISCONNECTED, 0)
        assert "not streamed" in state.text


async def test_lag_and_skew_are_by_the_venue_s_clock() -> None:
    rig = Rig()
    rig.venue.skew = 3 * SECOND
    async with rig:
        await rig.time.advance(5)
        assert rig.collector.state.lag is None
        trade = rig.venue.trade(1)
        await rig.time.advance(0.25)
        rig.venue.send(execution_report(trade))
        await rig.time.settle()

        state = rig.collector.state
        assert (state.lag, state.clock_skew) == (SECOND // 4, 3 * SECOND)
        assert state.last_message_time == rig.ledger.now()


async def test_an_order_that_ended_meanwhile_is_asked_for() -> None:
    async with Rig() as rig:
        rig.venue.send(execution_report(rig.venue.trade(1, order_id=7)))
        rig.venue.send(execution_report(rig.venue.trade(2, order_id=8)))
        await rig.time.advance(5)
        rig.venue.cut()
        rig.venue.trade(3, order_id=7)
        rig.venue.orders[7] = order_row(7, "BTCUSDT", "CANCELED", "2", rig.venue.now())
        await rig.time.until(lambda: rig.venue.connects == 2)
        await rig.time.advance(3)

        first, second = rig.ledger.desk.orders()
        assert (first.is_final, first.cumulative, first.gap) == (True, 2, 0)
        assert not second.is_final, "that the venue does not know an order ends nothing"
        asked = rig.venue.calls["find_order 7"]
        await rig.time.advance(600)
        assert rig.venue.calls["find_order 7"] == asked
        assert rig.venue.calls["find_order 8"] > asked


@pytest.mark.parametrize("seconds", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("call", ["start", "measure_skew", "stream", "trades", "find_order"])
async def test_stopping_ends_whatever_is_under_way(call: str, seconds: float) -> None:
    rig = Rig()
    rig.venue.latency[call] = 1.0
    rig.venue.trade(1)
    rig.collector.start()
    await rig.time.advance(seconds)
    rig.venue.send(execution_report(rig.venue.trade(2)))
    before = rig.time.now

    await rig.collector.stop()

    assert rig.time.now == before
    assert rig.time.sleeping == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert rig.collector.state.state is ConnectionState.DISCONNECTED
    if rig.venue.connects:
        assert rig.ledger.connections()[-1] == (False, "the collector was stopped")
        assert 2 in rig.ledger.trade_ids(), "what was received is recorded"
    await rig.collector.stop()


async def test_a_message_that_cannot_be_read_is_counted_and_its_gap_repaired() -> None:
    async with Rig() as rig:
        await rig.time.advance(5)
        rig.venue.trade(1)
        rig.venue.send(message({"e": "executionReport", "s": "BTCUSDT"}))
        await rig.time.advance(2)

        state = rig.collector.state
        assert (rig.ledger.trade_ids(), state.unread_messages, state.text) == ([1], 1, "")


async def test_messages_that_never_can_be_read_do_not_hammer_the_venue() -> None:
    async with Rig() as rig:
        for _ in range(1800):
            rig.venue.send(message({"e": "executionReport", "s": "BTCUSDT"}))
            await rig.time.advance(1)

        # Each history is one call: the periodic ones, and a few more.
        assert rig.venue.calls["trades"] <= 1800 / 180 + 8
        assert "could not be read" in rig.collector.state.text
