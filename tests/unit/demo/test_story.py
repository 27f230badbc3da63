"""The demo's story: the same for the same seed, and made of what the exchange and the server know."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import islice

import pytest

from fillhandler.v1 import fills_pb2, trades_pb2
from fillhandler_server.demo.story import ACTS, LANES, Act, Quote, acts, priced
from fillhandler_server.exchange.faults import BY_NAME
from fillhandler_server.exchange.market.symbols import symbol

NUMBERS = range(len(LANES))


def told(seed: int, count: int = 30) -> Iterator[tuple[int, Act, trades_pb2.ExecuteTradeRequest]]:
    for number in NUMBERS:
        for act, request in islice(acts(seed, number), count):
            yield number, act, request


def test_same_seed_same_story() -> None:
    assert list(told(7)) == list(told(7))
    assert list(told(7)) != list(told(8))


def test_every_act_comes_once_before_any_comes_again() -> None:
    first = [act.title for _, act, _ in told(1, len(ACTS) // len(LANES))]
    assert sorted(first) == sorted(act.title for act in ACTS)


def test_faults_are_those_that_the_exchange_knows() -> None:
    for act in ACTS:
        for each in act.faults:
            assert each.operation in BY_NAME[each.fault].operations


@pytest.mark.parametrize("seed", range(3))
def test_every_request_can_be_sent(seed: int) -> None:
    names = set()
    for number, act, request in told(seed):
        lane, listed = LANES[number], symbol(LANES[number].listing)
        quote = Quote(listed.price - lane.tick, listed.price + lane.tick)
        sent = priced(act, request, lane, quote)
        names.add(sent.request_id)
        quantity, expected = Decimal(sent.quantity), Decimal(sent.expected_price)
        assert expected == (quote.ask if sent.side == fills_pb2.SIDE_BUY else quote.bid)
        assert quantity % listed.step == 0
        assert quantity <= listed.quantity_max
        assert quantity * expected > listed.notional_min
        assert sent.HasField("limit_price") == (sent.type != "market")
        if sent.HasField("limit_price"):
            limit = Decimal(sent.limit_price)
            assert limit % listed.tick == 0
            away = (limit - expected) * (1 if sent.side == fills_pb2.SIDE_BUY else -1)
            assert abs(away - act.reach * expected) <= lane.tick
        # The server wants a deadline where it is to deal with a remainder.
        assert sent.HasField("deadline") == bool(sent.remainder)
    assert len(names) == 30 * len(LANES)
