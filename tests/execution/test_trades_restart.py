"""A process that ends anywhere: the next one takes the trade up, and it comes to the same end.

Every write into the record and every call to the exchange is a place to end at: before it, after it, and for
a call also while it is under way, so that it takes effect when the next process is running already.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.model_exchange import AFTER, BEFORE, ModelExchange, fails
from support.trade_rig import Rig, play

from fillhandler_server.domain.errors import IllegalTransitionError, StoreUnavailableError
from fillhandler_server.domain.reports import OrderStatus
from fillhandler_server.domain.trades import Remainder, ReplacementPrice, Trade
from fillhandler_server.execution.errors import ErrorClass
from fillhandler_server.execution.retrying import RetryPolicy

E = ErrorClass
LIMIT = {"type": "limit", "limit_price": "100"}
POLICY = RetryPolicy(jitter_factor=0.1, max_retries=5)
BROKEN = {"maybe_applied": True}


@dataclass(frozen=True)
class Story:
    """A trade, and what happens to it."""

    name: str
    terms: dict[str, Any] = field(default_factory=dict)
    prepare: Callable[[ModelExchange], None] = lambda _: None
    cancel_at: float | None = None
    """When somebody asks for it to be cancelled, seconds."""


def once(operation: str, *faults: Any) -> Callable[[ModelExchange], None]:
    return lambda exchange: exchange.faults[operation].extend(faults)


def filling(*fills: tuple[float, int]) -> Callable[[ModelExchange], None]:
    return lambda exchange: exchange.fills.append([(at, Decimal(q)) for at, q in fills])


def _cancel_fails(exchange: ModelExchange) -> None:
    filling((1.0, 1))(exchange)
    once("cancel", fails(E.TIMEOUT, applied=AFTER, **BROKEN), fails(E.NETWORK_ERROR))(exchange)


def _unknown_and_replaced(exchange: ModelExchange) -> None:
    filling((1.0, 1))(exchange)
    once("place", fails(E.TIMEOUT, applied=AFTER, **BROKEN), fails(E.TIMEOUT, **BROKEN))(exchange)


def _refuses(exchange: ModelExchange) -> None:
    exchange.always["place"] = fails(E.INSUFFICIENT_FUNDS, temporary=False)


STORIES = [
    Story("filled at once"),
    Story("answer lost", prepare=once("place", fails(E.TIMEOUT, applied=AFTER, **BROKEN))),
    Story("never came", prepare=once("place", fails(E.TIMEOUT, **BROKEN))),
    Story("came late", prepare=once("place", fails(E.TIMEOUT, late=3.0, **BROKEN))),
    Story("shown late", prepare=once("place", fails(E.TIMEOUT, applied=AFTER, hidden=4.0, **BROKEN))),
    Story("turned away", prepare=once("place", fails(E.RATE_LIMIT, retry_after=2.0))),
    Story("refused", prepare=_refuses),
    Story("filled in parts", LIMIT, filling((1.0, 1), (2.0, 2))),
    Story("left", LIMIT | {"deadline": 30}, filling((1.0, 1))),
    Story(
        "cancelled at its deadline", LIMIT | {"deadline": 30, "remainder": Remainder.CANCEL}, _cancel_fails
    ),
    Story(
        "replaced",
        LIMIT
        | {
            "deadline": 30,
            "remainder": Remainder.REPLACE,
            "replacement_price": ReplacementPrice.MARKET,
        },
        _unknown_and_replaced,
    ),
    Story("cancelled by request", LIMIT, filling((1.0, 1)), cancel_at=30.0),
]


async def live(rig: Rig, story: Story) -> Trade:
    """The story with its deaths: whoever asked for the trade asks again after each of them."""

    async def asked() -> Trade:
        started = await rig.start(**story.terms)
        if story.cancel_at is not None and not started.finished and not started.cancel_requested:
            await asyncio.sleep(max(0.0, story.cancel_at - rig.seconds))
            with suppress(IllegalTransitionError):  # it has ended
                await rig.manager.cancel(started.trade_id)
        while not (trade := await rig.manager.wait(started.trade_id)).finished:
            await asyncio.sleep(1.0)
        return trade

    while True:
        told = [asyncio.ensure_future(asked()), asyncio.ensure_future(rig.process.dead.wait())]
        await asyncio.wait(told, return_when=asyncio.FIRST_COMPLETED)
        if not rig.process.dead.is_set():
            told[1].cancel()
            trade = await told[0]
            rig.mark = (rig.written, rig.called)
            rig.ends = {}
            # What the stream still has to tell, and the collector to repair.
            await asyncio.sleep(5)
            if rig.looked:
                await rig.repair()
            return trade
        await rig.kill()
        for task in told:
            assert task.cancelled() or task.exception() is None
        await asyncio.sleep(0.5)
        await rig.restart()


def telling(story: Story, ends: dict[tuple[str, int], Any], folder: Path | None = None) -> tuple[Any, ...]:
    """How the story ends with these deaths; and how many writes and calls there were."""

    async def scene() -> tuple[Any, ...]:
        rig = Rig(policy=POLICY) if folder is None else Rig.stored(folder, policy=POLICY)
        async with rig:
            story.prepare(rig.exchange)
            rig.ends = ends
            trade = await live(rig, story)
            if trade.outcome.name != "LEFT_WORKING":
                await rig.agrees(trade)
            rig.placed_once()
            filled = sum((order.filled for order in rig.exchange.orders), Decimal(0))
            assert filled <= 3
            views = await rig.orders(trade)
            assert len(rig.exchange.orders) == len([view for view in views if view.order_id]), (
                "every order of the trade is its own"
            )
            end = (trade.outcome, filled, [view.status for view in views])
            return end, *rig.mark, rig.processes

    return play(scene)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_process_that_ends_anywhere(story: Story) -> None:
    end, writes, calls, _ = telling(story, {})
    assert writes > 1
    assert calls >= 1
    for k in range(1, writes + 1):
        for mode in ("before", "after"):
            again, _, _, processes = telling(story, {("write", k): mode})
            assert (again, processes) == (end, 2), (mode, "write", k)
    for k in range(1, calls + 1):
        for mode in ("before", "after", "late"):
            again, _, _, processes = telling(story, {("call", k): mode})
            assert (again, processes) == (end, 2), (mode, "call", k)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_store_that_fails_anywhere(story: Story) -> None:
    """A write fails, durable or not: the trade is taken up again, and comes to the same end."""
    end, writes, _, _ = telling(story, {})
    for k in range(1, writes + 1):
        for mode in ("fail before", "fail after"):
            try:
                again, _, _, processes = telling(story, {("write", k): mode})
            except StoreUnavailableError:
                # Its caller is told, who may ask again.
                assert k == 1 or story.cancel_at is not None, (mode, k)
                continue
            assert (again, processes) == (end, 1), (mode, "write", k)


@pytest.mark.parametrize("story", STORIES[1:4] + STORIES[-2:], ids=lambda story: story.name)
def test_over_the_real_store(story: Story, tmp_path: Path) -> None:
    """The same over the encrypted database: at a third of the places."""
    end, writes, calls, _ = telling(story, {}, tmp_path / "undisturbed")
    assert end == telling(story, {})[0]
    for k in range(1, writes + 1, 3):
        again = telling(story, {("write", k): "after"}, tmp_path / f"write{k}")[0]
        assert again == end, k
    for k in range(1, calls + 1, 3):
        again = telling(story, {("call", k): "after"}, tmp_path / f"call{k}")[0]
        assert again == end, k


# ------------------------------------------------------------------ by chance

CLASSES = st.sampled_from([E.NETWORK_ERROR, E.TIMEOUT, E.EXCHANGE_ERROR, E.UNKNOWN_OUTCOME])


@st.composite
def faults_of_placing(draw: Any) -> Any:
    kind = draw(st.sampled_from(["before", "after", "late", "refused", "slow"]))
    hidden = draw(st.sampled_from([0.0, 0.0, 2.0, 4.0]))
    if kind == "late":
        return fails(draw(CLASSES), late=draw(st.sampled_from([0.1, 1.0, 3.0])), hidden=hidden / 2, **BROKEN)
    if kind == "refused":
        return fails(E.RATE_LIMIT, retry_after=draw(st.sampled_from([None, 1.0, 20.0])))
    if kind == "slow":
        return fails(E.TIMEOUT, applied=AFTER, latency=1.0, answer=2.0, hidden=hidden, **BROKEN)
    return fails(draw(CLASSES), applied=BEFORE if kind == "before" else AFTER, hidden=hidden, **BROKEN)


@st.composite
def faults_of_others(draw: Any) -> Any:
    applied = draw(st.sampled_from([BEFORE, AFTER]))
    return draw(
        st.sampled_from(
            [
                None,
                fails(E.NETWORK_ERROR, applied=applied, **BROKEN),
                fails(E.RATE_LIMIT, retry_after=3.0),
                fails(E.EXCHANGE_ERROR, temporary=False),
                fails(E.AUTHENTICATION, temporary=False),
            ]
        )
    )


TERMS = [
    {},
    LIMIT,
    LIMIT | {"deadline": 20, "remainder": Remainder.CANCEL},
    LIMIT | {"deadline": 15, "remainder": Remainder.REPLACE, "replacement_price": ReplacementPrice.MARKET},
    {"type": "ioc", "limit_price": "100", "remainder": Remainder.REPLACE, "max_replacements": 2},
]
ENDS = st.dictionaries(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 25)),
        st.tuples(st.just("call"), st.integers(1, 15)),
    ),
    st.sampled_from(["before", "after", "late"]),
    max_size=3,
)


@settings(max_examples=300)
@given(
    placing=st.lists(faults_of_placing(), max_size=3),
    others=st.fixed_dictionaries(
        {name: st.lists(faults_of_others(), max_size=3) for name in ("find", "list", "trades", "cancel")}
    ),
    terms=st.sampled_from(TERMS),
    fills=st.lists(st.tuples(st.sampled_from([0.2, 3.0, 14.9, 25.0]), st.integers(1, 3)), max_size=3),
    ends=ENDS,
    streams=st.booleans(),
    stale=st.integers(0, 3),
    taken=st.sampled_from([None, 0, 1]),
    cancel_at=st.sampled_from([None, None, 0.0, 1.0, 12.0]),
)
def test_any_schedule_of_faults_and_deaths(
    placing: list[Any],
    others: dict[str, list[Any]],
    terms: dict[str, Any],
    fills: list[tuple[float, int]],
    ends: dict[tuple[str, int], str],
    streams: bool,
    stale: int,
    taken: int | None,
    cancel_at: float | None,
) -> None:
    """At most one order at the exchange for each that was meant, and the record says what is there."""

    async def scene() -> None:
        async with Rig(policy=RetryPolicy(max_retries=8), streams=streams, draws=(0.3, 0.8)) as rig:
            exchange = rig.exchange
            exchange.faults["place"].extend(placing)
            for name, faults in others.items():
                exchange.faults[name].extend(faults)
            exchange.stale = stale
            exchange.taken = None if taken is None else Decimal(taken)
            exchange.fills.append([(at, Decimal(quantity)) for at, quantity in _within(fills, taken or 0)])
            rig.ends = {
                (kind, at): "after" if kind == "write" and mode == "late" else mode
                for (kind, at), mode in ends.items()
            }
            # A limit order that nobody ends would work for ever.
            end = cancel_at if cancel_at is not None or "deadline" in terms else 60.0
            trade = await live(rig, Story("any", terms, cancel_at=end))
            await rig.agrees(trade)
            assert not exchange.open_orders
            assert sum((order.filled for order in exchange.orders), Decimal(0)) <= 3
            for leg, view in zip(trade.legs, await rig.orders(trade), strict=True):
                assert leg.attempts_of(1) <= 9
                assert view.status is not OrderStatus.UNKNOWN

    play(scene)


def _within(fills: list[tuple[float, int]], taken: int) -> list[tuple[float, int]]:
    """Fills of an order of 3 that has so much already."""
    left, found = 3 - taken, []
    for at, quantity in sorted(fills):
        if left >= quantity:
            left -= quantity
            found.append((at, quantity))
    return found
