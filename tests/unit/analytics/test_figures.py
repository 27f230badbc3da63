"""Sums and the figures made of them, without a store."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillhandler_server.analytics.fees import GROUPS_MAX, Dimension, fees_by_group
from fillhandler_server.analytics.figures import fill_figures, order_figures, percentiles
from fillhandler_server.analytics.performance import BUCKETS_MAX, performance
from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.domain.fills import Fill
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.sums import ALL_HOURS, HOUR, Counted, FillSum, Histogram, OrderSum, Sums

GROUP = ("binance", "main", "BTC/USDT", 1, 1, 2)
CURRENCIES = {("binance", "BTC/USDT", 1): ("BTC", "USDT")}


def one(quantity: str = "1", price: str | None = "100", fee: str | None = "0.1") -> Fill:
    return Fill(
        "binance", "BTC/USDT", "o", "t", 1, Decimal(quantity),
        price=None if price is None else Decimal(price),
        fees=() if fee is None else (("USDT", Decimal(fee)),),
    )  # fmt: skip


def summed(*fills: Fill, kind: int = 1, multiplier: Decimal | None = None) -> FillSum:
    made = FillSum()
    for fill in fills:
        made.add(fill, kind, multiplier)
    return made


# ---------------------------------------------------------------------- accumulators

DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**12), max_value=10**12)
FILLS = st.builds(
    Fill,
    venue=st.just("v"),
    symbol=st.just("s"),
    order_id=st.just("o"),
    trade_id=st.just("t"),
    side=st.just(1),
    quantity=DECIMALS.filter(lambda value: value > 0),
    price=st.none() | DECIMALS,
    fees=st.dictionaries(st.sampled_from("ABC"), DECIMALS, max_size=3).map(
        lambda d: tuple(sorted(d.items()))
    ),
)


@given(st.lists(FILLS, max_size=8), st.data(), st.sampled_from([1, 3]), st.none() | st.just(Decimal("0.001")))
def test_fill_sums_commute_and_can_be_taken_back(
    fills: list[Fill], data: st.DataObject, kind: int, multiplier: Decimal | None
) -> None:
    whole = summed(*fills, kind=kind, multiplier=multiplier)
    for fill in data.draw(st.permutations(fills)):
        whole.remove(fill, kind, multiplier)
    assert whole.empty
    cut = data.draw(st.integers(0, len(fills)))
    merged = summed(*fills[cut:], kind=kind, multiplier=multiplier)
    merged.merge(summed(*fills[:cut], kind=kind, multiplier=multiplier))
    straight = summed(*fills, kind=kind, multiplier=multiplier)
    assert merged.to_json() | {"fees": None} == straight.to_json() | {"fees": None}
    assert dict(merged.to_json()["fees"]) == dict(straight.to_json()["fees"])
    again = FillSum.from_json(json.loads(json.dumps(straight.to_json())))
    assert again.to_json() == straight.to_json()


@given(st.lists(st.integers(-10, 10**17), min_size=1, max_size=200))
def test_percentiles_are_within_one_percent_of_the_nearest_rank(spans: list[int]) -> None:
    histogram = Histogram()
    for span in spans:
        histogram.add(span)
    found = percentiles(histogram)
    assert found is not None
    ranked = sorted(max(0, span) for span in spans)
    for value, percent in ((found.p50, 50), (found.p95, 95), (found.p99, 99)):
        exact = ranked[-(-percent * len(ranked) // 100) - 1]
        assert abs(value - exact) <= exact / 100
    assert found.count == len(spans)
    for span in spans:
        histogram.add(span, -1)
    assert percentiles(histogram) is None


def test_order_sums_go_out_as_they_came_in() -> None:
    order = Order(1, "binance", "main")
    order.symbol, order.order_quantity, order.cumulative = "BTC/USDT", Decimal(2), Decimal(3)
    order.create_time, order.first_fill_time, order.last_fill_time = 0, HOUR, 3 * HOUR
    order.refresh()
    counted = Counted.from_json(json.loads(json.dumps(Counted(order).to_json())))
    assert counted.same(Counted(order))
    assert (counted.hour, counted.first_span, counted.complete_span) == (3, HOUR, 3 * HOUR)
    sums = OrderSum()
    sums.count(counted)
    assert (sums.filled, sums.ordered, sums.active, sums.final) == (2, 2, 0, 1)
    assert OrderSum.from_json(json.loads(json.dumps(sums.to_json()))).to_json() == sums.to_json()
    sums.count(counted, -1)
    assert sums.to_json() == OrderSum().to_json()


# ---------------------------------------------------------------------- figures


def test_no_sums_no_figures() -> None:
    fills, orders = fill_figures([], {}), order_figures([])
    assert (fills.count, fills.fees, fills.notional) == (0, [], [])
    assert (fills.maker_ratio, fills.fee_bps) == (None, None)
    assert (orders.completion_rate, orders.fill_ratio, orders.first_fill, orders.complete) == (None,) * 4


def test_a_fee_sum_of_zero_is_shown_and_an_unknown_one_is_not() -> None:
    zero = fill_figures([(GROUP, ALL_HOURS, summed(one(fee="0.1"), one(fee="-0.1")))], CURRENCIES)
    assert (zero.fees, zero.fee_bps, zero.without_fee) == ([("USDT", Decimal(0))], 0.0, 0)
    unknown = fill_figures([(GROUP, ALL_HOURS, summed(one(fee=None)))], CURRENCIES)
    assert (unknown.fees, unknown.fee_bps, unknown.without_fee) == ([], None, 1)


def test_a_fill_without_a_price_adds_no_notional_of_zero() -> None:
    figures = fill_figures([(GROUP, ALL_HOURS, summed(one(price=None)))], CURRENCIES)
    assert (figures.count, figures.notional) == (1, [])
    figures = fill_figures([(GROUP, ALL_HOURS, summed(one(price="0")))], CURRENCIES)
    assert figures.notional == [("USDT", Decimal(0))]


def test_one_unknown_currency_of_one_symbol_still_has_a_maker_ratio() -> None:
    parts = [((*GROUP[:5], 1), 0, summed(one("1"))), ((*GROUP[:5], 2), 0, summed(one("3")))]
    figures = fill_figures(parts, {})
    assert (figures.notional, figures.maker_ratio, figures.fee_bps) == ([("", Decimal(400))], 0.25, None)


def test_quantities_of_two_symbols_or_of_an_unknown_one_are_never_added() -> None:
    def orders(filled: int, ordered: int) -> OrderSum:
        made = OrderSum()
        made.filled, made.ordered, made.statuses = Decimal(filled), Decimal(ordered), {3: 1}
        return made

    figures = order_figures(
        [
            (("a", "main", "X"), orders(1, 2)),
            (("a", "second", "X"), orders(1, 6)),  # another account, the same thing
            (("b", "main", "X"), orders(3, 4)),
            (("a", "main", ""), orders(9, 9)),
            (("a", "main", "Y"), orders(0, 0)),
        ]
    )
    assert figures.fill_ratio == pytest.approx((2 / 8 + 3 / 4) / 2)


def test_a_series_is_bounded() -> None:
    def hours(count: int) -> Sums:
        return Sums(fills=((GROUP, hour, summed(one())) for hour in range(count)), currencies=CURRENCIES)

    assert len(performance(hours(BUCKETS_MAX), 1).buckets) == BUCKETS_MAX
    with pytest.raises(InvalidFieldError, match="bucket: gives more than 10000 buckets; make it wider"):
        performance(hours(BUCKETS_MAX + 1), 1)
    assert len(performance(hours(BUCKETS_MAX + 1), 24).buckets) == 417


def test_groups_are_bounded() -> None:
    def symbols(count: int) -> Sums:
        return Sums(fills=((("a", "main", f"s{n}", 1, 1, 1), 0, summed(one())) for n in range(count)))

    assert len(fees_by_group(symbols(GROUPS_MAX), [Dimension.SYMBOL])[0]) == GROUPS_MAX
    with pytest.raises(InvalidFieldError, match="group_by: gives more than 10000 groups; group by less"):
        fees_by_group(symbols(GROUPS_MAX + 1), [Dimension.SYMBOL])
    groups, total = fees_by_group(symbols(GROUPS_MAX + 1), [Dimension.VENUE])
    assert (len(groups), total.figures.count) == (1, GROUPS_MAX + 1)


def test_hours_that_hold_only_reversed_fills_are_empty() -> None:
    reversed_only = FillSum()
    reversed_only.reversed = 2
    series = performance(Sums(fills=[(GROUP, 5, reversed_only)]), 1)
    assert (series.buckets, series.fills.reversed) == ([], 2)
    groups, total = fees_by_group(Sums(fills=[(GROUP, 5, reversed_only)]), [Dimension.HOUR])
    assert (groups, total.figures.reversed) == ([], 2)
