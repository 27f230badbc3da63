"""Who asks for trades: repeated requests, several markets, callers that go, stops and another store."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from support.model_exchange import AFTER, Fault, fails
from support.trade_rig import Rig, play

from fillhandler_server.domain.errors import (
    IllegalTransitionError,
    InvalidFieldError,
    RequestIdReusedError,
    ShuttingDownError,
    StoreUnavailableError,
    TradeNotFoundError,
    VenueUnavailableError,
)
from fillhandler_server.domain.trades import Remainder, TradeOutcome, TradeStatus
from fillhandler_server.execution.errors import ErrorClass
from fillhandler_server.execution.manager import READY_SECONDS

E = ErrorClass
LIMIT: dict[str, Any] = {"type": "limit", "limit_price": "100"}
SPELLINGS = ["BTCUSDT", "BTC/USDT"]


# ------------------------------------------------------------------ the same request again


@pytest.mark.parametrize("symbol", SPELLINGS)
@pytest.mark.parametrize("when", ["at once", "active", "ended", "restarted"])
def test_the_same_request_is_the_same_trade(when: str, symbol: str) -> None:
    async def scene() -> None:
        async with Rig() as rig:
            again = {**LIMIT, "symbol": symbol}
            if when == "at once":
                started, other = await asyncio.gather(rig.start(**LIMIT), rig.start(**again))
            else:
                started = await rig.start(**LIMIT)
                await asyncio.sleep(1)
                if when == "ended":
                    rig.exchange.fill(rig.exchange.orders[0], 3)
                    await rig.ended(started.trade_id)
                if when == "restarted":
                    await rig.restart()
                other = await rig.start(**again)
            assert other.trade_id == started.trade_id
            # What it left open may be stated as it was completed.
            stated = await rig.start(**again, market="spot", client_order_id=started.terms.client_order_id)
            assert stated.trade_id == started.trade_id
            if when != "ended":
                await asyncio.sleep(1)
                rig.exchange.fill(rig.exchange.orders[0], 3)
            trade = await rig.manager.wait(other.trade_id)
            assert trade.success
            assert rig.exchange.counts()["place"] == 1
            await rig.agrees(trade)

    play(scene)


def test_a_client_order_id_of_a_trade_under_way_is_refused() -> None:
    async def scene() -> None:
        async with Rig() as rig:
            first = await rig.start(**LIMIT, client_order_id="mine")
            with pytest.raises(
                InvalidFieldError, match=f"client_order_id: is that of trade {first.trade_id}"
            ):
                await rig.start("r2", **LIMIT, client_order_id="mine")
            await asyncio.sleep(1)
            assert rig.exchange.counts()["place"] == 1
            rig.exchange.fill(rig.exchange.orders[0], 3)
            await rig.ended(first.trade_id)
            # The venue takes it again then, and so is it here.
            second = await rig.start("r2", **LIMIT, client_order_id="mine")
            await asyncio.sleep(1)
            rig.exchange.fill(rig.exchange.orders[1], 3)
            assert (await rig.ended(second.trade_id)).success
            assert rig.exchange.counts()["place"] == 2

    play(scene)


OTHERS = [
    {"quantity": "2"},
    {"side": 2},
    {"symbol": "ETHUSDT"},
    {"limit_price": "101"},
    {"type": "ioc"},
    {"deadline": 5},
    {"client_order_id": "mine"},
    {"remainder": Remainder.CANCEL, "deadline": 7},
    {"max_replacements": 1},
    {"expected_price": "100"},
]


@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_another_content_under_the_same_id(other: dict[str, Any]) -> None:
    async def scene() -> None:
        async with Rig() as rig:
            first = await rig.trade(**{**LIMIT, "deadline": 3})
            with pytest.raises(RequestIdReusedError, match=first.trade_id):
                await rig.start(**{**LIMIT, "deadline": 3, **other})
            assert rig.exchange.counts()["place"] == 1

    play(scene)


@pytest.mark.parametrize("symbol", SPELLINGS)
def test_the_same_request_before_the_connection_is_made(symbol: str) -> None:
    """Whether another spelling is the same symbol cannot be told yet: never that it is another."""

    async def scene() -> None:
        async with Rig() as rig:
            started = await rig.start(**LIMIT)
            await asyncio.sleep(1)
            await rig.restart(ready=False)
            again = asyncio.ensure_future(rig.start(**{**LIMIT, "symbol": symbol}))
            await asyncio.sleep(5)
            rig.venue.ready.set()
            assert (await again).trade_id == started.trade_id
            await rig.manager.cancel(started.trade_id)
            await rig.ended(started.trade_id)

    play(scene)


# ------------------------------------------------------------------ what is refused


def test_no_connection() -> None:
    async def scene() -> None:
        async with Rig(markets=()) as rig:
            with pytest.raises(InvalidFieldError, match="configured: none"):
                await rig.start()

        async with Rig() as rig:
            for wrong, field in (
                ({"venue": "okx"}, "venue"),
                ({"account": "other"}, "venue"),
                ({"market": "linear"}, "market"),
                ({"symbol": "NOPE"}, "symbol"),
            ):
                with pytest.raises(InvalidFieldError) as refused:
                    await rig.start(**wrong)
                assert [each.field for each in refused.value.violations] == [field]
            assert not rig.kinds()

    play(scene)


def test_several_markets() -> None:
    async def scene() -> None:
        async with Rig(markets=("spot", "linear")) as rig:
            with pytest.raises(InvalidFieldError, match="several markets"):
                await rig.start(market="")
            await rig.trade(market="spot")
            linear = await rig.start("r2", market="linear", **LIMIT)
            assert linear.terms.market == "linear"
            assert rig.manager.active_on(("binance", "main", "linear")) == 1
            assert rig.manager.active_on(("binance", "main", "spot")) == 0
            await asyncio.sleep(0.1)
            assert len(rig.exchange.orders) == 2

    play(scene)


def test_a_connection_that_is_not_made() -> None:
    async def scene() -> None:
        async with Rig() as rig:
            rig.boot(ready=False)
            rig.venue.text = "no route"
            with pytest.raises(VenueUnavailableError, match="no route"):
                await rig.start()
            assert rig.seconds == pytest.approx(READY_SECONDS)
            assert not rig.kinds()
            waiting = asyncio.ensure_future(rig.trade())
            await asyncio.sleep(3)
            rig.venue.ready.set()
            assert (await waiting).success

    play(scene)


def test_a_connection_is_made_again_and_again() -> None:
    async def scene() -> None:
        async with Rig(draws=(0.5,)) as rig:
            rig.boot(ready=False)
            rig.exchange.faults["start"].extend([fails(E.NETWORK_ERROR), fails(E.AUTHENTICATION)])
            await rig.venue.start()
            assert rig.venue.ready.is_set()
            assert rig.venue.text == ""
            assert rig.exchange.times("start") == pytest.approx([0.0, 1.05, 3.15])

    play(scene)


def test_what_nobody_knows() -> None:
    async def scene() -> None:
        async with Rig() as rig:
            for ask in (rig.manager.get, rig.manager.wait, rig.manager.cancel):
                with pytest.raises(TradeNotFoundError):
                    await ask("nope")
            trade = await rig.trade()
            assert await rig.manager.get(request_id="r1") == trade
            with pytest.raises(IllegalTransitionError, match="filled"):
                await rig.manager.cancel(trade.trade_id)

    play(scene)


def test_a_trade_whose_connection_is_gone() -> None:
    """It stays as it is, can be read and asked for again, and is taken up once the connection is back."""

    async def scene() -> None:
        async with Rig() as rig:
            started = await rig.start(**LIMIT)
            await asyncio.sleep(1)
            rig._markets = ("linear",)
            await rig.restart()
            assert (await rig.manager.wait(started.trade_id)).status is TradeStatus.WORKING
            assert (await rig.start(**LIMIT)).trade_id == started.trade_id
            rig._markets = ("spot",)
            rig.exchange.fill(rig.exchange.orders[0], 3)
            await rig.restart()
            assert (await rig.manager.wait(started.trade_id)).success

    play(scene)


# ------------------------------------------------------------------ callers that go


@pytest.mark.parametrize("written", [True, False])
def test_a_caller_that_goes_leaves_the_trade_running(written: bool) -> None:
    """Also while its intent is being written: it is durable, so somebody runs it."""

    async def scene() -> None:
        async with Rig() as rig:
            rig.ends = {("write", 1): 1.0}
            calling = asyncio.ensure_future(rig.trade(**LIMIT))
            await asyncio.sleep(2.0 if written else 0.5)
            calling.cancel()
            await asyncio.gather(calling, return_exceptions=True)
            assert calling.cancelled()
            await asyncio.sleep(5)
            assert rig.exchange.counts()["place"] == 1
            rig.exchange.fill(rig.exchange.orders[0], 3)
            trade = await rig.ended(rig.stands().trade_id)
            await rig.agrees(trade)

    play(scene)


def test_a_request_whose_write_was_durable_after_all() -> None:
    """The store failed and had written: the same request again runs the trade, once."""

    async def scene() -> None:
        async with Rig() as rig:
            rig.ends = {("write", 1): "fail after"}
            with pytest.raises(StoreUnavailableError):
                await rig.start()
            trade = await rig.trade()
            trade = await rig.ended(trade.trade_id, 600)
            assert trade.success
            await rig.agrees(trade)

    play(scene)


def test_a_store_that_is_away_for_a_while() -> None:
    async def scene() -> None:
        async with Rig() as rig:
            rig.exchange.faults["place"].append(Fault(latency=1.0))
            started = await rig.start(**LIMIT)
            await asyncio.sleep(0.5)
            rig.store_fails = True
            await asyncio.sleep(100)
            assert rig.exchange.counts() == {"place": 1}
            rig.store_fails = False
            await rig.until(lambda: rig.stands().leg.placed, 120)
            rig.exchange.fill(rig.exchange.orders[0], 3)
            trade = await rig.ended(started.trade_id)
            assert trade.success
            await rig.repair()
            await rig.agrees(trade)

    play(scene)


# ------------------------------------------------------------------ stops


def test_a_stop_while_it_works() -> None:
    async def scene() -> None:
        async with Rig() as rig:
            started = await rig.start(**LIMIT)
            waiting = asyncio.ensure_future(rig.manager.wait(started.trade_id))
            await asyncio.sleep(1)
            await rig.manager.stop()
            assert rig.seconds == pytest.approx(1.0)
            with pytest.raises(ShuttingDownError):
                await waiting
            with pytest.raises(ShuttingDownError):
                await rig.start("r2")
            assert not rig.manager._runs
            await rig.restart()
            rig.exchange.fill(rig.exchange.orders[0], 3)
            trade = await rig.manager.wait(started.trade_id)
            assert trade.success
            assert rig.exchange.counts()["place"] == 1

    play(scene)


@pytest.mark.parametrize("fault", [Fault(latency=2.0), fails(E.TIMEOUT, answer=2.0, maybe_applied=True)])
def test_a_stop_while_a_request_is_under_way(fault: Fault) -> None:
    """It is finished and recorded, and then the trade ends at once: the grace is not used up."""

    async def scene() -> None:
        async with Rig() as rig:
            rig.exchange.faults["place"].append(fault)
            started = await rig.start(**LIMIT)
            await asyncio.sleep(1)
            await rig.manager.stop(10.0)
            assert rig.seconds == pytest.approx(2.0, abs=0.01)
            assert len(rig.requests("place")) == 1
            await rig.restart()
            await rig.until(lambda: rig.stands().leg.placed)
            rig.exchange.fill(rig.exchange.orders[-1], 3)
            trade = await rig.manager.wait(started.trade_id)
            await rig.agrees(trade)

    play(scene)


def test_a_stop_that_does_not_wait_for_ever() -> None:
    """A request that outlasts the grace is left; the next start finds out what it came to."""

    async def scene() -> None:
        async with Rig() as rig:
            rig.exchange.faults["place"].append(Fault(answer=100.0))
            started = await rig.start(**LIMIT)
            await asyncio.sleep(1)
            await rig.manager.stop(10.0)
            assert rig.seconds == pytest.approx(11.0)
            await rig.restart()
            await rig.until(lambda: rig.stands().leg.placed)
            rig.exchange.fill(rig.exchange.orders[0], 3)
            trade = await rig.manager.wait(started.trade_id)
            await rig.agrees(trade)

    play(scene)


@pytest.mark.parametrize("waits", ["for its retry", "held back", "for the connection", "to be decided"])
def test_a_stop_in_a_wait(waits: str) -> None:
    async def scene() -> None:
        async with Rig() as rig:
            if waits == "for the connection":
                started = await rig.start(**LIMIT)
                await rig.restart(ready=False)
            elif waits == "to be decided":
                rig.exchange.faults["place"].append(fails(E.TIMEOUT, applied=AFTER, maybe_applied=True))
                rig.exchange.always["find"] = fails(E.NETWORK_ERROR)
                started = await rig.start(**LIMIT)
            else:
                rig.exchange.faults["place"].append(fails(E.RATE_LIMIT, retry_after=50.0))
                if waits == "held back":
                    await rig.start("r0", **LIMIT)
                    await asyncio.sleep(1)
                started = await rig.start(**LIMIT)
            await asyncio.sleep(5.123)
            begun = rig.seconds
            await rig.manager.stop()
            assert rig.seconds - begun < 0.01
            rig.exchange.always.clear()
            await rig.restart()
            await rig.until(lambda: rig.stands(started.trade_id).leg.placed)
            for trade in await rig.ledger.active_trades():
                await rig.until(lambda trade=trade: rig.stands(trade.trade_id).leg.placed)
            for order in rig.exchange.open_orders:
                rig.exchange.fill(order, 3)
            assert (await rig.ended(started.trade_id)).success
            await asyncio.sleep(10)
            rig.placed_once()

    play(scene)


def test_a_stop_while_a_trade_begins() -> None:
    """Its intent becomes durable after the stop: nothing of it is sent before the next start."""

    async def scene() -> None:
        async with Rig() as rig:
            rig.ends = {("write", 1): 2.0}
            calling = asyncio.ensure_future(rig.trade())
            await asyncio.sleep(1)
            await rig.manager.stop()
            with pytest.raises(ShuttingDownError):
                await calling
            await asyncio.sleep(5)
            assert not rig.exchange.calls
            await rig.restart()
            assert (await rig.trade()).success
            rig.placed_once()

    play(scene)


def test_another_store() -> None:
    """A state is put in the place of the record: its trades are taken up, those of before are left."""

    async def scene() -> None:
        async with Rig() as rig:
            kept = await rig.start("kept", **LIMIT)
            await asyncio.sleep(1)
            length = rig.desk.length
            lost = await rig.start("lost", **LIMIT)
            await asyncio.sleep(1)
            assert len(rig.exchange.orders) == 2
            rig.desk.cut(length)
            await rig.manager.replaced()
            assert set(rig.manager._runs) == {kept.trade_id}
            rig.exchange.fill(rig.exchange.orders[0], 3)
            assert (await rig.manager.wait(kept.trade_id)).success
            with pytest.raises(TradeNotFoundError):
                await rig.manager.wait(lost.trade_id)
            assert rig.exchange.counts()["place"] == 2

    play(scene)


# ------------------------------------------------------------------ beside each other


@pytest.mark.parametrize("other", ["resume", "request"])
def test_a_trade_that_begins_has_one_run(other: str) -> None:
    """Its intent is in the record already and its writer not answered yet, when somebody else sees it."""

    async def scene() -> None:
        async with Rig() as rig:
            rig.ends = {("write", 1): 2.0}
            calling = asyncio.ensure_future(rig.trade())
            await asyncio.sleep(1)
            await (rig.manager.resume() if other == "resume" else rig.start())
            assert (await calling).success
            await asyncio.sleep(60)
            assert rig.exchange.times("place") == pytest.approx([2.0])
            assert rig.stands().leg.attempts == (1, 0, 0)
            await rig.agrees(rig.stands())

    play(scene)


def test_many_trades_at_once() -> None:
    async def scene() -> None:
        async with Rig() as rig:
            for at in range(0, 40, 3):
                lost = fails(E.TIMEOUT, applied=AFTER, maybe_applied=True)
                rig.exchange.faults["place"].extend([None, lost, fails(E.NETWORK_ERROR)][: at % 3 + 1])
            trades = await asyncio.gather(*(rig.trade(f"r{n}") for n in range(1, 41)))
            assert all(trade.outcome is TradeOutcome.FILLED for trade in trades)
            rig.placed_once()
            assert len(rig.exchange.orders) == 40
            assert len(rig.fill_ids()) == 40
            assert sum((order.filled for order in rig.exchange.orders), Decimal(0)) == 120
            assert not rig.manager._runs

    play(scene)
