"""A record that is slow, full or away: nothing that came is lost, and memory stays bounded."""

import asyncio

from tests.support.collecting import Rig, execution_report

from fillhandler_server.collectors import ConnectionState
from fillhandler_server.domain.errors import StoreFullError, StoreUnavailableError


async def test_messages_wait_in_order_while_nothing_can_be_recorded() -> None:
    async with Rig() as rig:
        await rig.time.advance(5)
        rig.ledger.failing = StoreFullError("the disk is full")
        for number in range(5):
            rig.venue.send(execution_report(rig.venue.trade(number), str(number + 1)))
            await rig.time.advance(10)
        assert rig.ledger.trade_ids() == []
        state = rig.collector.state
        assert (state.state, state.text) == (
            ConnectionState.CONNECTED,
            "nothing can be recorded: the disk is full",
        )
        rig.ledger.failing = None
        await rig.time.advance(6)

        assert rig.ledger.trade_ids() == [0, 1, 2, 3, 4]
        state = rig.collector.state
        assert (state.repaired_fills, state.text) == (0, "")


async def test_past_the_bound_the_stream_is_dropped_and_the_gap_repaired() -> None:
    async with Rig(messages_max=10) as rig:
        await rig.time.advance(5)
        rig.ledger.failing = StoreUnavailableError("the disk is away")
        for number in range(15):
            rig.venue.send(execution_report(rig.venue.trade(number), str(number + 1)))
        await rig.time.advance(300)
        state = rig.collector.state
        assert (state.state, rig.venue.connects) == (ConnectionState.DISCONNECTED, 1)
        rig.ledger.failing = None
        assert await rig.time.until(lambda: rig.venue.connects == 2, 70)
        await rig.time.advance(5)

        assert rig.ledger.trade_ids() == list(range(15))
        assert rig.collector.state.repaired_fills == 5
        reasons = [text for connected, text in rig.ledger.connections() if not connected]
        assert reasons == ["the stream was dropped: too many messages wait for the record"]


async def test_the_bound_is_in_bytes_too_and_one_message_always_fits() -> None:
    async with Rig(bytes_max=100) as rig:
        await rig.time.advance(5)
        rig.ledger.failing = StoreUnavailableError("the disk is away")
        rig.venue.send(execution_report(rig.venue.trade(1)))
        await rig.time.settle()
        assert rig.collector.state.state is ConnectionState.CONNECTED
        rig.venue.send(execution_report(rig.venue.trade(2), "2"))
        await rig.time.settle()
        assert rig.collector.state.state is ConnectionState.DISCONNECTED
        rig.ledger.failing = None
        await rig.time.advance(70)
        assert rig.ledger.trade_ids() == [1, 2]


async def test_a_slow_record_loses_nothing_and_takes_what_waits_together() -> None:
    async with Rig() as rig:
        await rig.time.advance(5)
        rig.ledger.latency = 3.0
        for number in range(500):
            rig.venue.send(execution_report(rig.venue.trade(number), str(number + 1)))
        await rig.time.advance(30)

        assert rig.ledger.trade_ids() == list(range(500))
        assert rig.ledger.batches[:3] == [200, 200, 100]
        assert rig.collector.state.repaired_fills == 0
        assert rig.venue.connects == 1
        rig.ledger.latency = 0.0


async def test_a_message_at_which_the_record_fails_does_not_hold_up_the_others() -> None:
    async with Rig() as rig:
        await rig.time.advance(5)
        rig.ledger.poison = b'"t": 2,'
        for number in range(5):
            rig.venue.send(execution_report(rig.venue.trade(number), str(number + 1)))
        await rig.time.advance(10)

        # The history tells of it in other words.
        assert rig.ledger.trade_ids() == [0, 1, 3, 4, 2]
        assert rig.collector.state.unread_messages == 1


async def test_coming_and_going_is_noted_when_the_record_is_back() -> None:
    async with Rig() as rig:
        await rig.time.advance(5)
        rig.ledger.failing = StoreUnavailableError("the disk is away")
        rig.venue.cut()
        await rig.time.until(lambda: rig.venue.connects == 2)
        await rig.time.advance(20)
        rig.ledger.failing = None
        await rig.time.advance(200)

        assert rig.ledger.connections() == [(True, ""), (False, "broken"), (True, "")]


async def test_a_connection_that_comes_and_goes_does_not_fill_the_memory() -> None:
    async with Rig(reconnect_cap_seconds=1) as rig:
        rig.ledger.failing = StoreUnavailableError("the disk is away")
        for _ in range(300):
            await rig.time.until(lambda: rig.venue._received is not None)
            rig.venue.cut()
            await rig.time.settle()
        rig.ledger.failing = None
        await rig.time.advance(70)

        notes = rig.ledger.connections()
        assert len(notes) <= 105
        assert notes[-1] == (True, "")


async def test_stopping_in_the_midst_of_a_repair_that_cannot_be_noted() -> None:
    rig = Rig()
    rig.venue.page_size = 1
    rig.venue.trade(1, age=20)
    rig.venue.trade(2, age=10)
    rig.venue.latency["trades"] = 1.0
    rig.collector.start()
    await rig.time.advance(1.5)
    assert rig.ledger.trade_ids() == [1]
    rig.ledger.failing = StoreUnavailableError("the disk is away")

    async with asyncio.timeout(10):
        await rig.collector.stop()


async def test_stopping_while_nothing_can_be_recorded_ends_at_once() -> None:
    rig = Rig()
    async with rig:
        await rig.time.advance(5)
        rig.ledger.failing = StoreUnavailableError("the disk is away")
        rig.venue.send(execution_report(rig.venue.trade(1)))
        await rig.time.advance(20)
        before = rig.time.now
    assert rig.time.now == before
    rig.ledger.failing = None
    rig.another()
    async with rig:
        await rig.time.advance(5)
        assert rig.ledger.trade_ids() == [1]
