"""The demo's exchanges: what they tell is understood, and adds up to what they did."""

from __future__ import annotations

from collections import Counter
from itertools import islice, pairwise, takewhile

import pytest

from fillhandler_server import venues
from fillhandler_server.demo.books import Status
from fillhandler_server.demo.generator import Delivery, Generator, Oddity

START_MS = 1_767_000_000_000


def deliveries(seed: int, number: int, pace: float = 1.0) -> list[Delivery]:
    return list(islice(Generator(seed, START_MS, pace).deliveries(), number))


def test_same_seed_same_payloads() -> None:
    first = [(made.at_seconds, made.venue, made.payload) for made in deliveries(7, 200)]
    assert first == [(made.at_seconds, made.venue, made.payload) for made in deliveries(7, 200)]
    assert first != [(made.at_seconds, made.venue, made.payload) for made in deliveries(8, 200)]


def test_pace_changes_only_times() -> None:
    slow, fast = deliveries(3, 150), deliveries(3, 150, pace=10)
    assert [made.book.order_id for made in slow] == [made.book.order_id for made in fast]
    assert fast[-1].at_seconds == pytest.approx(slow[-1].at_seconds / 10)


@pytest.mark.parametrize("seed", range(5))
def test_every_payload_is_understood(seed: int) -> None:
    for made in deliveries(seed, 300):
        parsed = venues.parse_payload(made.venue, "main", made.payload)
        assert len(parsed.fills) == len(made.outcomes), made.name
        assert parsed.fills or parsed.reports, made.name
        trades = {trade.trade_id: trade for trade in made.book.trades}
        for fill in parsed.fills:
            trade = trades[fill.trade_id]
            assert fill.symbol == made.book.market.symbol
            assert fill.order_id == made.book.order_id
            assert (fill.quantity, fill.price) == (trade.quantity, trade.price)
            if fill.fees and made.oddity is not Oddity.CONFLICT:
                assert fill.fees == ((trade.currency, trade.fee),)
        for report in parsed.reports:
            assert report.order_id == made.book.order_id
            assert report.client_order_id == made.book.client_order_id
            assert report.order_quantity == made.book.quantity


@pytest.mark.parametrize("seed", range(3))
def test_comes_in_order_of_time_with_several_orders_at_once(seed: int) -> None:
    made = deliveries(seed, 200)
    times = [each.at_seconds for each in made]
    assert times == sorted(times)
    changes = sum(one.book is not other.book for one, other in pairwise(made))
    assert changes > len(made) / 2


def test_a_short_look_sees_the_telling_ones() -> None:
    made = list(takewhile(lambda each: each.at_seconds < 6, Generator(1, START_MS).deliveries()))
    seen = {each.oddity for each in made}
    assert {Oddity.DUPLICATE, Oddity.LATE, Oddity.OVERTAKES} <= seen
    assert {each.venue for each in made} == {"binance", "bitget", "phemex"}


@pytest.mark.parametrize("seed", range(3))
def test_everything_odd_happens_and_fees_have_several_currencies(seed: int) -> None:
    made = deliveries(seed, 150)
    assert {each.oddity for each in made} == {None, *Oddity}
    statuses = Counter(each.book.status for each in made if each.is_last)
    assert set(statuses) == {Status.FILLED, Status.CANCELED, Status.REJECTED}
    assert {"BNB", "USDT", "PT"} < {currency for each in made for currency in each.book.fees}
    assert any(trade.fee < 0 for each in made for trade in each.book.trades)


@pytest.mark.parametrize("seed", range(3))
def test_books_add_up(seed: int) -> None:
    for made in deliveries(seed, 200):
        if not made.is_last:
            continue
        if made.book.status is Status.FILLED:
            assert made.book.cumulative == made.book.quantity
        else:
            assert made.book.cumulative < made.book.quantity
        assert all(trade.quantity > 0 for trade in made.book.trades)
