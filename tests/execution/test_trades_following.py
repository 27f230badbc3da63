"""From the exchange having the order to the trade's end: deadlines, remainders, cancels, missing fills."""

import asyncio
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from support.model_exchange import AFTER, Fault, fails
from support.trade_rig import Rig, play

from fillhandler_server.domain.reports import OrderStatus
from fillhandler_server.domain.trades import Remainder, ReplacementPrice, TradeOutcome, TradeStatus
from fillhandler_server.execution.errors import ErrorClass
from fillhandler_server.execution.following import tolerated_price
from fillhandler_server.execution.retrying import RetryPolicy
from fillhandler_server.execution.venue import Pace

E = ErrorClass
LIMIT: dict[str, Any] = {"type": "limit", "limit_price": "100"}
REPLACE: dict[str, Any] = LIMIT | {"deadline": 20, "remainder": Remainder.REPLACE}
both = pytest.mark.parametrize("streams", [True, False], ids=["stream", "polls"])


def fills(*given: tuple[float, str | int]) -> list[tuple[float, Decimal]]:
    return [(at, Decimal(quantity)) for at, quantity in given]


# ------------------------------------------------------------------ to the end


@both
def test_filled_in_parts(streams: bool) -> None:
    async def scene() -> None:
        async with Rig(streams=streams) as rig:
            rig.exchange.fills.append(fills((1.0, 1), (8.0, "0.5"), (30.0, "1.5")))
            trade = await rig.trade(**LIMIT)
            assert trade.outcome is TradeOutcome.FILLED
            await rig.agrees(trade)
            # With the stream at once, without it by the next poll.
            assert 30.0 <= rig.seconds <= (30.0 if streams else 30.0 + rig.pace.poll_seconds + 0.1)

    play(scene)


def test_polls_become_rarer() -> None:
    async def scene() -> None:
        async with Rig() as rig:
            rig.exchange.fills.append(fills((20.0, 3)))
            assert (await rig.trade(**LIMIT)).success
            assert rig.exchange.times("find") == pytest.approx([0.25, 0.75, 1.75, 3.75, 7.75, 12.75, 17.75])

    play(scene)


def test_an_old_picture_takes_nothing_back() -> None:
    """Polls that show it as it was when it came, after a fill that the stream told."""

    async def scene() -> None:
        async with Rig() as rig:
            rig.exchange.stale = 4
            rig.exchange.fills.append(fills((0.1, 1), (10.0, 2)))
            trade = await rig.trade(**LIMIT)
            assert trade.success
            await rig.agrees(trade)

    play(scene)


@both
@pytest.mark.parametrize("status", ["CANCELED", "EXPIRED", "REJECTED"])
@pytest.mark.parametrize("filled", [0, 1])
def test_ended_by_somebody_else(status: str, filled: int, streams: bool) -> None:
    async def scene() -> None:
        async with Rig(streams=streams) as rig:
            rig.exchange.fills.append(fills((1.0, filled)) if filled else [])
            started = await rig.start(**LIMIT)
            await asyncio.sleep(2)
            rig.exchange.end(rig.exchange.orders[0], status)
            trade = await rig.ended(started.trade_id, 10)
            if filled:
                assert trade.outcome is TradeOutcome.PARTIALLY_FILLED
            elif status == "REJECTED":
                assert trade.outcome is TradeOutcome.REJECTED
            else:
                assert trade.outcome is TradeOutcome.NOT_FILLED
                assert status.lower() in trade.text
            if not (filled and status == "REJECTED"):  # which no exchange says of an order with fills
                await rig.agrees(trade)
            assert rig.exchange.counts()["place"] == 1

    play(scene)


def test_cancelled_by_somebody_else_is_not_replaced() -> None:
    async def scene() -> None:
        async with Rig() as rig:
            started = await rig.start(**REPLACE)
            await asyncio.sleep(2)
            rig.exchange.end(rig.exchange.orders[0])
            trade = await rig.ended(started.trade_id)
            assert trade.outcome is TradeOutcome.NOT_FILLED
            assert len(trade.legs) == 1

    play(scene)


# ------------------------------------------------------------------ fills that are missing


def test_missing_fills_are_read_from_the_history() -> None:
    """The answer tells how much was filled, and not by what: the history does, page by page."""

    async def scene() -> None:
        async with Rig(streams=False) as rig:
            exchange = rig.exchange
            exchange.tells_fills = False
            exchange.page_size = 1
            exchange.taken = Decimal(1)
            exchange.fills.append(fills((0.1, 1), (0.2, 1)))
            trade = await rig.trade(**LIMIT)
            assert trade.success
            assert exchange.counts()["trades"] == 3
            assert rig.looked
            await rig.agrees(trade)

    play(scene)


def test_a_history_that_shows_them_late() -> None:
    async def scene() -> None:
        async with Rig(streams=False) as rig:
            rig.exchange.tells_fills = rig.exchange.shows_trades = False
            started = await rig.start()
            await asyncio.sleep(2)
            assert not rig.stands().finished
            rig.exchange.shows_trades = True
            trade = await rig.ended(started.trade_id)
            assert rig.seconds < rig.pace.completing_seconds
            await rig.agrees(trade)

    play(scene)


@pytest.mark.parametrize("broken", [False, True])
def test_a_history_that_never_shows_them(broken: bool) -> None:
    """The trade ends all the same, after `completing_seconds`; the exchange is not asked too often."""

    async def scene() -> None:
        async with Rig(streams=False) as rig:
            rig.exchange.tells_fills = rig.exchange.shows_trades = False
            if broken:
                rig.exchange.always["trades"] = fails(E.NETWORK_ERROR)
            trade = await rig.trade()
            assert trade.success
            assert rig.seconds == pytest.approx(rig.pace.completing_seconds)
            assert 2 <= rig.exchange.counts()["trades"] <= 8
            if broken:
                noted = [each.delay or 0.0 for each in rig.requests("query")]
                times = rig.exchange.times("trades")
                for wait, earlier, later in zip(noted, times, times[1:], strict=False):
                    assert later - earlier >= wait - 1e-6
            assert (await rig.order(trade)).missing == 3

    play(scene)


# ------------------------------------------------------------------ the deadline


def test_left_at_its_deadline() -> None:
    async def scene() -> None:
        async with Rig() as rig:
            rig.exchange.fills.append(fills((5.0, 1)))
            trade = await rig.trade(**LIMIT, deadline=20)
            assert trade.outcome is TradeOutcome.LEFT_WORKING
            assert rig.seconds == pytest.approx(20.0)
            assert rig.exchange.orders[0].is_open
            rig.exchange.fill(rig.exchange.orders[0], 2)
            await asyncio.sleep(1)
            assert (await rig.order(trade)).status is OrderStatus.FILLED
            assert len(rig.fill_ids()) == 2

    play(scene)


@pytest.mark.parametrize("jump", [-3600, 3600])
def test_a_clock_that_jumps_moves_no_deadline(jump: int) -> None:
    async def scene() -> None:
        async with Rig() as rig:
            started = await rig.start(**LIMIT, deadline=20)
            await asyncio.sleep(5)
            rig.wall = jump * 1_000_000_000
            trade = await rig.ended(started.trade_id)
            assert trade.outcome is TradeOutcome.LEFT_WORKING
            assert rig.seconds == pytest.approx(20.0, abs=0.2)

    play(scene)


def test_the_connections_own_deadline() -> None:
    async def scene() -> None:
        async with Rig(pace=Pace(deadline_seconds=7.0)) as rig:
            trade = await rig.trade(**LIMIT)
            assert trade.outcome is TradeOutcome.LEFT_WORKING
            assert rig.seconds == pytest.approx(7.0)

    play(scene)


@both
@pytest.mark.parametrize("filled", [0, 1])
def test_cancelled_at_its_deadline(filled: int, streams: bool) -> None:
    async def scene() -> None:
        async with Rig(streams=streams) as rig:
            rig.exchange.fills.append(fills((5.0, filled)) if filled else [])
            trade = await rig.trade(**LIMIT, deadline=20, remainder=Remainder.CANCEL)
            assert trade.outcome is (TradeOutcome.PARTIALLY_FILLED if filled else TradeOutcome.NOT_FILLED)
            assert rig.exchange.times("cancel") == pytest.approx([20.0])
            assert "deadline" in trade.text
            await rig.agrees(trade)

    play(scene)


def test_filled_while_it_is_cancelled() -> None:
    """The exchange no longer knows it as open: what it came to counts."""

    async def scene() -> None:
        async with Rig(streams=False) as rig:
            started = await rig.start(**LIMIT, deadline=20, remainder=Remainder.CANCEL)
            await asyncio.sleep(19.9)
            rig.exchange.fill(rig.exchange.orders[0], 3)
            trade = await rig.ended(started.trade_id)
            assert rig.exchange.counts()["cancel"] == 1
            assert trade.outcome is TradeOutcome.FILLED
            await rig.agrees(trade)

    play(scene)


PRICES = [
    (ReplacementPrice.SAME, "limit", Decimal(100)),
    (ReplacementPrice.MARKET, "market", None),
    # 100.1 worsened by 0.005 of it, on steps of 0.1.
    (ReplacementPrice.TOLERANCE, "limit", Decimal("100.6")),
]


@pytest.mark.parametrize(("price", "kind", "limit"), PRICES, ids=["same", "market", "tolerance"])
def test_the_rest_is_placed_again(price: ReplacementPrice, kind: str, limit: Decimal | None) -> None:
    """One result over all its orders; each has its own id and its own span."""

    async def scene() -> None:
        async with Rig() as rig:
            rig.exchange.fills.extend([fills((5.0, 1)), fills((5.0, 2)) if kind == "limit" else []])
            trade = await rig.trade(**REPLACE, replacement_price=price, expected_price="100.1")
            assert trade.success
            first, second = trade.legs
            assert (second.type, second.limit_price, second.quantity) == (kind, limit, Decimal(2))
            assert first.client_order_id != second.client_order_id
            assert [order.quantity for order in rig.exchange.orders] == [Decimal(3), Decimal(2)]
            assert rig.exchange.orders[1].price == limit
            assert [view.filled for view in await rig.orders(trade)] == [Decimal(1), Decimal(2)]
            await rig.agrees(trade)

    play(scene)


@pytest.mark.parametrize("side", [1, 2])
def test_a_tolerated_price_is_never_worse(side: int) -> None:
    expected, tolerance = Decimal("100.03"), Decimal("0.005")
    price = tolerated_price(expected, side, tolerance, Decimal("0.1"))
    worst = Decimal("100.53015") if side == 1 else Decimal("99.52985")
    assert price == (Decimal("100.5") if side == 1 else Decimal("99.6"))
    assert price <= worst if side == 1 else price >= worst
    assert tolerated_price(expected, side, tolerance, None) == worst


@pytest.mark.parametrize("most", [0, 1, 2, None])
def test_it_is_placed_again_so_often_at_most(most: int | None) -> None:
    async def scene() -> None:
        async with Rig(policy=RetryPolicy(max_retries=4, jitter_factor=0.1)) as rig:
            rig.exchange.fills.append(fills((5.0, 1)))
            trade = await rig.trade(**REPLACE, max_replacements=most)
            assert trade.outcome is TradeOutcome.PARTIALLY_FILLED
            assert len(trade.legs) == 1 + (4 if most is None else most)
            assert "max_replacements" in trade.text
            assert not rig.exchange.open_orders
            assert rig.seconds == pytest.approx(20.0 * len(trade.legs))
            await rig.agrees(trade)

    play(scene)


def test_a_rest_below_the_least_quantity() -> None:
    async def scene() -> None:
        async with Rig() as rig:
            rig.exchange.fills.append(fills((5.0, "2.95")))
            trade = await rig.trade(**REPLACE)
            assert trade.outcome is TradeOutcome.PARTIALLY_FILLED
            assert len(trade.legs) == 1
            assert "0.05 is less than the venue takes (0.1)" in trade.text
            await rig.agrees(trade)

    play(scene)


def test_a_replacement_that_is_refused() -> None:
    async def scene() -> None:
        async with Rig() as rig:
            rig.exchange.fills.append(fills((5.0, 1)))
            rig.exchange.faults["place"].extend([None, fails(E.INSUFFICIENT_FUNDS, temporary=False)])
            trade = await rig.trade(**REPLACE)
            assert trade.outcome is TradeOutcome.PARTIALLY_FILLED
            assert trade.error_class == "insufficient_funds"
            assert [view.status for view in await rig.orders(trade)] == [
                OrderStatus.CANCELED,
                OrderStatus.REJECTED,
            ]
            await rig.agrees(trade)

    play(scene)


@pytest.mark.parametrize("lost", [True, False])
def test_a_fill_in_the_last_moment_is_not_placed_again(lost: bool) -> None:
    """The cancel's answer does not tell of it; the exchange is asked once more, and does."""

    async def scene() -> None:
        async with Rig(streams=False) as rig:
            exchange = rig.exchange
            exchange.cancels_hide_fills = True
            if lost:
                exchange.faults["cancel"].append(fails(E.TIMEOUT, applied=AFTER, maybe_applied=True))
            started = await rig.start(**REPLACE, replacement_price=ReplacementPrice.MARKET)
            await asyncio.sleep(19.9)
            exchange.fill(exchange.orders[0], 2)
            exchange.stale = 1
            trade = await rig.ended(started.trade_id)
            assert trade.success
            assert sum(order.filled for order in exchange.orders) == 3
            await rig.agrees(trade)

    play(scene)


@pytest.mark.parametrize("remainder", list(Remainder))
def test_the_rest_of_an_ioc_order(remainder: Remainder) -> None:
    async def scene() -> None:
        async with Rig() as rig:
            rig.exchange.taken = Decimal(1)
            trade = await rig.trade(type="ioc", limit_price="100", remainder=remainder)
            if remainder is Remainder.REPLACE:
                assert trade.success
                assert [leg.quantity for leg in trade.legs] == [3, 2, 1]
            else:
                assert trade.outcome is TradeOutcome.PARTIALLY_FILLED
                assert len(trade.legs) == 1
            await rig.agrees(trade)

    play(scene)


# ------------------------------------------------------------------ cancelled by request


@both
@pytest.mark.parametrize("filled", [0, 1])
def test_cancelled_while_it_works(filled: int, streams: bool) -> None:
    async def scene() -> None:
        async with Rig(streams=streams) as rig:
            rig.exchange.fills.append(fills((1.0, filled)) if filled else [])
            started = await rig.start(**REPLACE)
            await asyncio.sleep(3)
            await rig.manager.cancel(started.trade_id)
            assert rig.stands().status is TradeStatus.CANCELING
            trade = await rig.manager.wait(started.trade_id)
            assert trade.outcome is (TradeOutcome.PARTIALLY_FILLED if filled else TradeOutcome.NOT_FILLED)
            assert trade.cancel_requested
            assert len(trade.legs) == 1
            assert rig.exchange.times("cancel") == pytest.approx([3.0])
            await rig.agrees(trade)

    play(scene)


def test_cancelled_while_its_deadline_is_dealt_with() -> None:
    """The order is being cancelled for its rest to be placed again: now it is not."""

    async def scene() -> None:
        async with Rig() as rig:
            rig.exchange.faults["cancel"].append(Fault(latency=5.0))
            started = await rig.start(**REPLACE)
            await asyncio.sleep(22)
            await rig.manager.cancel(started.trade_id)
            trade = await rig.ended(started.trade_id)
            assert trade.outcome is TradeOutcome.NOT_FILLED
            assert len(rig.exchange.orders) == len(trade.legs) == 1

    play(scene)


def test_a_cancel_that_is_answered_and_shows_late() -> None:
    """The exchange shows the order open for a while after it took the cancel: it is asked, not hammered."""

    async def scene() -> None:
        async with Rig(streams=False) as rig:
            rig.exchange.faults["cancel"].append(fails(E.NETWORK_ERROR, applied=AFTER, maybe_applied=True))
            rig.exchange.stale = 8
            started = await rig.start(**LIMIT)
            await asyncio.sleep(1)
            await rig.manager.cancel(started.trade_id)
            trade = await rig.ended(started.trade_id)
            assert trade.outcome is TradeOutcome.NOT_FILLED
            assert rig.exchange.counts()["cancel"] <= 8
            times = rig.exchange.times("cancel")
            assert all(later - earlier >= 0.2 for earlier, later in pairwise(times))
            await rig.agrees(trade)

    play(scene)


def test_cancelled_twice_and_after_its_end() -> None:
    async def scene() -> None:
        async with Rig() as rig:
            started = await rig.start(**LIMIT)
            await asyncio.sleep(1)
            await asyncio.gather(*(rig.manager.cancel(started.trade_id) for _ in range(2)))
            trade = await rig.manager.wait(started.trade_id)
            assert trade.outcome is TradeOutcome.NOT_FILLED
            assert rig.kinds().count("trade_cancel_requested") == 1
            assert rig.exchange.counts()["cancel"] == 1

    play(scene)


@pytest.mark.parametrize("at", [0.9995, 1.2], ids=["slow cancel", "slow failure"])
def test_a_cancel_beside_another_write_loses_neither(at: float) -> None:
    """Their answers come in the other order than they became durable."""

    async def scene() -> None:
        async with Rig() as rig:
            rig.exchange.faults["place"].append(fails(E.RATE_LIMIT, answer=1.0, retry_after=500.0))
            rig.ends = {("write", 2): 0.5}
            started = await rig.start(**LIMIT)
            await asyncio.sleep(at)
            await rig.manager.cancel(started.trade_id)
            trade = await rig.ended(started.trade_id)
            assert rig.seconds < 2.0
            assert trade.outcome is TradeOutcome.NOT_FILLED
            assert trade.leg.attempts == (1, 0, 0)
            assert not rig.exchange.orders

    play(scene)
