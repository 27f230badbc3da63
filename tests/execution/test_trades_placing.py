"""An order on its way to the exchange: every way to find it, not to find it, and to give it up."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from support.model_exchange import AFTER, Fault, fails
from support.trade_rig import Request, Rig, play

from fillhandler_server.domain.reports import OrderStatus
from fillhandler_server.domain.trades import Remainder, Trade, TradeOutcome, TradeStatus
from fillhandler_server.execution.breaker import BreakerPolicy
from fillhandler_server.execution.connection import OrderTicket
from fillhandler_server.execution.errors import ErrorClass
from fillhandler_server.execution.retrying import RetryPolicy
from fillhandler_server.execution.venue import Pace

E = ErrorClass
LIMIT: dict[str, Any] = {"type": "limit", "limit_price": "100"}
ANSWER_LOST = fails(E.TIMEOUT, applied=AFTER, maybe_applied=True)
NOT_SENT = fails(E.TIMEOUT, maybe_applied=True)
BUSY = fails(E.RATE_LIMIT)
FOREVER = 1e6


def ticket(client_order_id: str, quantity: int = 3, side: int = 1) -> OrderTicket:
    """An order that somebody else places."""
    return OrderTicket("BTCUSDT", side, "limit", Decimal(quantity), client_order_id, Decimal(100))


# ------------------------------------------------------------------ ways to find it


def test_by_its_client_order_id() -> None:
    async def scene() -> None:
        async with Rig() as rig:
            rig.exchange.faults["place"].append(ANSWER_LOST)
            trade = await rig.trade()
            assert trade.success
            assert rig.exchange.counts() == {"place": 1, "find": 1}
            await rig.agrees(trade)

    play(scene)


def test_by_the_list_of_orders() -> None:
    async def scene() -> None:
        async with Rig(streams=False) as rig:
            rig.exchange.finds_by_client_id = False
            rig.exchange.faults["place"].append(ANSWER_LOST)
            started = await rig.start(**LIMIT)
            await rig.until(lambda: rig.stands().leg.placed)
            # Not before the time in which it may still come.
            assert rig.exchange.times("list") == pytest.approx([rig.policy.settle_seconds])
            rig.exchange.fill(rig.exchange.orders[0], 3)
            trade = await rig.ended(started.trade_id)
            assert trade.success
            assert rig.exchange.counts()["place"] == 1
            await rig.agrees(trade)

    play(scene)


def test_by_a_trade_of_the_account() -> None:
    """Neither the question by our id nor the list shows it, but the history shows a trade of its."""

    async def scene() -> None:
        async with Rig(streams=False) as rig:
            exchange = rig.exchange
            exchange.finds_by_client_id = exchange.lists_orders = False
            exchange.page_size = 1
            stranger = exchange.accept(ticket("other", 2))
            exchange.fill(stranger, 1)
            exchange.fill(stranger, 1)
            exchange.faults["place"].append(ANSWER_LOST)
            trade = await rig.trade()
            assert trade.success
            ours = exchange.orders[-1]
            assert [view.order_id for view in await rig.orders(trade)] == [str(ours.order_id)]
            assert exchange.counts()["place"] == 1
            assert set(rig.fill_ids()) == {each.trade_id for o in exchange.orders for each in o.trades}

    play(scene)


def test_by_what_the_stream_told() -> None:
    """No question shows it; but the stream did, so it is there: nothing is sent again."""

    async def scene() -> None:
        async with Rig() as rig:
            exchange = rig.exchange
            exchange.faults["place"].append(fails(E.TIMEOUT, applied=AFTER, hidden=60.0, maybe_applied=True))
            started = await rig.start(**LIMIT)
            await asyncio.sleep(120)
            exchange.fill(exchange.orders[0], 3)
            trade = await rig.ended(started.trade_id)
            assert exchange.counts()["place"] == 1
            assert trade.success
            await rig.agrees(trade)

    play(scene)


def test_it_shows_late() -> None:
    """The questions go on until the time in which it may come is over; the one then sees it."""

    async def scene() -> None:
        async with Rig(streams=False) as rig:
            rig.exchange.faults["place"].append(
                fails(E.TIMEOUT, applied=AFTER, hidden=7.9, maybe_applied=True)
            )
            trade = await rig.trade()
            assert trade.success
            assert rig.exchange.counts()["place"] == 1
            assert rig.exchange.counts()["find"] >= 3
            await rig.agrees(trade)

    play(scene)


def test_a_question_that_fails_is_not_an_answer() -> None:
    """Long after the settle time, and while one of the three questions fails, nothing is sent again."""

    async def scene(broken: str) -> None:
        async with Rig(streams=False) as rig:
            exchange = rig.exchange
            exchange.finds_by_client_id = False
            exchange.faults["place"].append(ANSWER_LOST)
            exchange.always[broken] = fails(E.NETWORK_ERROR)
            if broken == "trades":
                exchange.lists_orders = False
            started = await rig.start()
            await asyncio.sleep(300)
            assert exchange.counts()["place"] == 1
            assert exchange.counts()[broken] > 5
            assert rig.stands().status is TradeStatus.UNKNOWN
            assert (await rig.order(started)).status is not OrderStatus.REJECTED
            del exchange.always[broken]
            trade = await rig.ended(started.trade_id)
            assert trade.success
            assert exchange.counts()["place"] == 1
            await rig.agrees(trade)

    for broken in ("find", "list", "trades"):
        play(lambda broken=broken: scene(broken))


def test_a_clock_that_is_wrong_finds_it_all_the_same() -> None:
    """The exchange's clock is 10 minutes behind ours: its order is not taken for an older one."""

    async def scene(skew: int) -> None:
        async with Rig(streams=False) as rig:
            rig.exchange.skew = skew * 1_000_000_000
            rig.venue.connection.skew = rig.exchange.skew
            rig.exchange.faults["place"].append(ANSWER_LOST)
            trade = await rig.trade()
            assert trade.success
            assert rig.exchange.counts()["place"] == 1
            await rig.agrees(trade)

    for skew in (-600, 600):
        play(lambda skew=skew: scene(skew))


@pytest.mark.parametrize("jump", [-3600, -30, 30, 3600])
def test_a_clock_that_jumps_in_a_wait(jump: int) -> None:
    """The waits are as long as they were meant to be, and the order is placed once."""

    async def scene() -> None:
        async with Rig() as rig:
            rig.exchange.faults["place"].append(NOT_SENT)
            started = await rig.start()
            await asyncio.sleep(1)
            rig.wall = jump * 1_000_000_000
            trade = await rig.ended(started.trade_id)
            assert trade.success
            assert rig.exchange.times("place") == pytest.approx([0.0, rig.policy.settle_seconds])

    play(scene)


def test_a_clock_that_is_set_back_at_a_restart() -> None:
    """What the journal takes for a wait may have been a request: the exchange is asked before another."""

    async def scene() -> None:
        async with Rig() as rig:
            rig.exchange.faults["place"].append(BUSY)
            rig.ends = {("call", 2): "after"}  # the second attempt
            started = await rig.start()
            await rig.process.dead.wait()
            rig.wall = -60 * 1_000_000_000
            await rig.restart()
            trade = await rig.ended(started.trade_id)
            assert trade.success
            await rig.agrees(trade)

    play(scene)


# ------------------------------------------------------------------ others with the same id


def test_a_strangers_open_order_has_the_id() -> None:
    """On the first attempt it cannot be ours: the trade is rejected, and the other is left alone."""

    async def scene() -> None:
        async with Rig() as rig:
            stranger = rig.exchange.accept(ticket("mine"))
            trade = await rig.trade(client_order_id="mine", **LIMIT)
            assert trade.outcome is TradeOutcome.REJECTED
            assert trade.error_class == "invalid_order"
            assert rig.exchange.counts() == {"place": 1}
            assert rig.exchange.orders == [stranger]
            assert stranger.is_open

    play(scene)


def test_an_open_order_has_the_id_after_an_unknown_attempt() -> None:
    """The first attempt's own: it came late, and the second is told of it."""

    async def scene() -> None:
        async with Rig(streams=False) as rig:
            late = rig.policy.settle_seconds - 0.001
            rig.exchange.faults["place"].append(fails(E.TIMEOUT, late=late, hidden=5.0, maybe_applied=True))
            started = await rig.start(**LIMIT)
            await rig.until(lambda: rig.stands().leg.placed)
            assert [each.error_class for each in rig.requests("place")] == ["timeout", "invalid_order"]
            assert len(rig.exchange.orders) == 1
            rig.exchange.fill(rig.exchange.orders[0], 3)
            trade = await rig.ended(started.trade_id)
            assert trade.success
            await rig.agrees(trade)

    play(scene)


@pytest.mark.parametrize("difference", ["age", "side", "quantity", "recorded"])
def test_an_older_order_with_the_same_id_is_another(difference: str) -> None:
    """An exchange takes a client id again once its order has ended; its order is not ours."""

    async def scene() -> None:
        async with Rig(streams=difference == "recorded") as rig:
            exchange = rig.exchange
            quantity, side = 2 if difference == "quantity" else 3, 2 if difference == "side" else 1
            older = exchange.accept(ticket("again", quantity, side))
            exchange.fill(older, quantity)
            await asyncio.sleep(600 if difference == "age" else 1)
            begun = rig.seconds
            exchange.finds_oldest = True
            exchange.faults["place"].append(NOT_SENT)
            trade = await rig.trade(client_order_id="again")
            assert trade.success
            assert [when - begun for when in exchange.times("place")] == pytest.approx(
                [0.0, rig.policy.settle_seconds]
            )
            assert (await rig.order(trade)).order_id == str(exchange.orders[-1].order_id)
            assert len(exchange.orders) == 2

    play(scene)


# ------------------------------------------------------------------ giving up


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("retries", [0, 2])
def test_used_up_with_an_unknown_outcome(there: bool, retries: int) -> None:
    """The exchange is asked before the trade is given up: its last attempt may be there."""

    async def scene() -> None:
        policy = RetryPolicy(max_retries=retries, jitter_factor=0.1)
        async with Rig(policy=policy) as rig:
            rig.exchange.faults["place"].extend([NOT_SENT] * retries)
            last = ANSWER_LOST if there else NOT_SENT
            rig.exchange.faults["place"].append(last)
            trade = await rig.trade()
            assert trade.outcome is (TradeOutcome.FILLED if there else TradeOutcome.FAILED)
            assert rig.requests("place")[-1].kind == "exhausted"
            assert rig.exchange.counts()["place"] == retries + 1
            if not there:
                assert (await rig.order(trade)).status is OrderStatus.REJECTED
                asked, sent = rig.exchange.times("trades")[-1], rig.exchange.times("place")[-1]
                assert asked - sent >= policy.settle_seconds - 1e-6
            await rig.agrees(trade)

    play(scene)


@pytest.mark.parametrize("unknown", [False, True])
def test_attempts_are_counted_over_restarts(unknown: bool) -> None:
    """The policy's number is of the order, not of the process: each restart goes on where it was."""

    async def scene() -> None:
        async with Rig(policy=RetryPolicy(max_retries=3, jitter_factor=0.1)) as rig:
            rig.exchange.always["place"] = NOT_SENT if unknown else BUSY
            started = await rig.start()
            for count in (1, 2, 3):
                await rig.until(lambda count=count: len(rig.requests("place")) == count)
                await rig.restart()
            trade = await rig.ended(started.trade_id)
            assert trade.outcome is TradeOutcome.FAILED
            assert [(each.kind, each.attempt) for each in rig.requests("place")] == [
                ("scheduled", 1), ("scheduled", 2), ("scheduled", 3), ("exhausted", 4),
            ]  # fmt: skip
            assert rig.exchange.counts()["place"] == 4
            assert not rig.exchange.orders

    play(scene)


def test_an_alert_for_what_cannot_be_decided() -> None:
    """Who waits is answered when it is raised; it is cleared when the exchange answers again."""

    async def scene() -> None:
        async with Rig(pace=Pace(undecided_after_seconds=60.0)) as rig:
            rig.exchange.faults["place"].append(ANSWER_LOST)
            rig.exchange.always["find"] = fails(E.NETWORK_ERROR)
            told = await rig.trade()
            assert 60.0 <= rig.seconds <= 60.0 + rig.policy.max_delay
            assert told.undecided
            assert not told.finished
            assert told.status is TradeStatus.UNKNOWN
            again = await rig.manager.wait(told.trade_id)
            assert again.undecided
            del rig.exchange.always["find"]
            trade = await rig.ended(told.trade_id)
            assert trade.success
            assert not trade.undecided
            assert [kind for kind in rig.kinds() if "alert" in kind] == ["alert_raised", "alert_cleared"]

    play(scene)


def test_no_alert_for_an_order_that_is_known_to_be_absent_and_takes_long_to_be_sent_again() -> None:
    """It is not at the exchange, so it is not undecided: only the asking is watched."""

    async def scene() -> None:
        async with Rig(pace=Pace(undecided_after_seconds=60.0)) as rig:
            held = fails(E.RATE_LIMIT, latency=200.0)
            rig.exchange.faults["place"] += [NOT_SENT, held]
            trade = await rig.trade()
            assert rig.seconds > 200.0
            assert trade.success
            assert "alert_raised" not in rig.kinds()

    play(scene)


def test_an_alert_for_an_order_that_turns_out_to_be_absent() -> None:
    async def scene() -> None:
        async with Rig() as rig:
            rig.exchange.faults["place"].append(NOT_SENT)
            rig.exchange.always["trades"] = fails(E.AUTHENTICATION, temporary=False)
            told = await rig.trade()
            assert told.undecided
            del rig.exchange.always["trades"]
            trade = await rig.ended(told.trade_id)
            assert trade.success
            assert rig.kinds().count("alert_raised") == rig.kinds().count("alert_cleared") == 1
            await rig.agrees(trade)

    play(scene)


# ------------------------------------------------------------------ cancels and deadlines before it is there


async def cancelled_at(rig: Rig, seconds: float, **terms: Any) -> tuple[Trade, float]:
    """A trade that somebody cancels; and how long that takes."""
    started = await rig.start(**terms)
    await asyncio.sleep(seconds)
    await rig.manager.cancel(started.trade_id)
    begun = rig.seconds
    trade = await rig.manager.wait(started.trade_id)
    return trade, rig.seconds - begun


def test_cancelled_while_it_waits() -> None:
    """At once: nothing is at the exchange, and nothing is sent to it."""

    async def scene() -> None:
        async with Rig() as rig:
            rig.exchange.faults["place"].append(fails(E.RATE_LIMIT, retry_after=500.0))
            trade, took = await cancelled_at(rig, 3.0)
            assert trade.outcome is TradeOutcome.NOT_FILLED
            assert took < 0.1
            assert rig.exchange.counts() == {"place": 1}
            assert (await rig.order(trade)).status is OrderStatus.CANCELED

    play(scene)


def test_cancelled_while_it_is_held_back() -> None:
    """The breaker is open: the request never leaves."""

    async def scene() -> None:
        async with Rig() as rig:
            rig.exchange.faults["place"].append(fails(E.RATE_LIMIT, retry_after=500.0))
            await rig.start("other")
            await asyncio.sleep(1)
            trade, took = await cancelled_at(rig, 1.0)
            assert trade.outcome is TradeOutcome.NOT_FILLED
            assert took < 0.1
            assert trade.leg.attempts == (0, 0, 0)
            assert rig.exchange.counts() == {"place": 1}
            await rig.ended((await rig.manager.get(request_id="other")).trade_id)

    play(scene)


def test_cancelled_while_the_request_is_under_way() -> None:
    """It is not interrupted: the order that it placed is cancelled."""

    async def scene() -> None:
        async with Rig() as rig:
            rig.exchange.faults["place"].append(Fault(latency=2.0, answer=2.0))
            trade, _ = await cancelled_at(rig, 1.0, **LIMIT)
            assert trade.outcome is TradeOutcome.NOT_FILLED
            assert rig.exchange.counts()["cancel"] == 1
            await rig.agrees(trade)

    play(scene)


@pytest.mark.parametrize("there", [True, False])
def test_cancelled_while_its_outcome_is_unknown(there: bool) -> None:
    """What may be there is looked for first: it is cancelled there, or was never there."""

    async def scene() -> None:
        async with Rig() as rig:
            rig.exchange.faults["place"].append(
                fails(E.TIMEOUT, applied=AFTER, hidden=5.0, maybe_applied=True) if there else NOT_SENT
            )
            trade, took = await cancelled_at(rig, 1.0, **LIMIT)
            assert trade.outcome is TradeOutcome.NOT_FILLED
            assert rig.exchange.counts()["place"] == 1
            assert rig.exchange.counts()["cancel"] == there
            assert there or took >= rig.policy.settle_seconds - 1.1
            await rig.agrees(trade)

    play(scene)


def test_cancelled_before_the_connection_is_made() -> None:
    async def scene() -> None:
        async with Rig() as rig:
            rig.ends = {("call", 1): "before"}
            started = await rig.start()
            await rig.process.dead.wait()
            await rig.restart(ready=False)
            await rig.manager.cancel(started.trade_id)
            await asyncio.sleep(30)
            assert not rig.stands().finished
            rig.venue.connection.skew = 0
            rig.venue.ready.set()
            trade = await rig.ended(started.trade_id)
            assert trade.outcome is TradeOutcome.NOT_FILLED
            assert not rig.exchange.orders

    play(scene)


@pytest.mark.parametrize("held_back", [False, True])
def test_its_deadline_passes_before_it_is_placed(held_back: bool) -> None:
    """It is not placed after its deadline, whatever the remainder is."""

    async def scene() -> None:
        async with Rig() as rig:
            if held_back:
                rig.exchange.faults["place"].append(fails(E.RATE_LIMIT, retry_after=500.0))
                await rig.start("other")
                await asyncio.sleep(1)
            else:
                rig.exchange.always["place"] = fails(E.RATE_LIMIT, retry_after=500.0)
            begun = rig.seconds
            trade = await rig.trade(deadline=20, remainder=Remainder.CANCEL)
            assert trade.outcome is TradeOutcome.FAILED
            assert rig.seconds - begun == pytest.approx(20.0)
            assert trade.error_class == ("" if held_back else "rate_limit")
            assert rig.exchange.counts() == {"place": 1}
            if held_back:
                await rig.manager.cancel((await rig.manager.get(request_id="other")).trade_id)
                await asyncio.sleep(1)

    play(scene)


def test_a_dead_exchange_is_left_alone() -> None:
    """The breaker's pauses come on top of the policy's waits, and what is held back counts no attempt."""

    async def scene() -> None:
        breaker = BreakerPolicy(failures_max=2, cooldown_seconds=50.0, jitter_factor=0.0)
        async with Rig(breaker=breaker) as rig:
            rig.exchange.faults["place"].extend([fails(E.NETWORK_ERROR)] * 3)
            trade = await rig.trade()
            assert trade.success
            times = rig.exchange.times("place")
            assert times[1] == pytest.approx(1.05)
            assert times[2] - times[1] == pytest.approx(50.0)
            assert times[3] - times[2] == pytest.approx(100.0)
            assert trade.leg.attempts_of(1) == 4
            assert rig.requests("place")[-1] == Request("succeeded", "place", 4)

    play(scene)
