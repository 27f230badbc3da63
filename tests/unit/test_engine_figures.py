"""Averages, fees, notionals and net quantities: exact sums, shown to 28 digits."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from tests.support.desks import (
    SELL,
    Command,
    MemoryDesk,
    a_fill,
    a_report,
    bust,
    correct,
    look,
    outcomes,
    record,
    register,
    report,
)

from fillhandler_server.domain.fills import Fill
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.reports import OrderStatus
from fillhandler_server.engine import currencies_of

pytestmark = pytest.mark.partial

INVERSE, LINEAR, SPOT = 3, 2, 1


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


def the_order(desk: MemoryDesk) -> Order:
    (order,) = desk.orders()
    return order


def test_fix_4_4_appendix_j_1_a(desk: MemoryDesk) -> None:
    """The specification's own example of busts and corrections."""
    desk.run(register(a_report(OrderStatus.PENDING_NEW, order_quantity=10_000)))

    def after(command: Command) -> tuple[Any, ...]:
        assert outcomes(desk.run(command)) == ["RECORDED"]
        order = the_order(desk)
        return OrderStatus(order.status).name, order.cumulative, order.leaves, order.average

    assert after(record(a_fill("A", 1_000, 100))) == ("PARTIALLY_FILLED", 1_000, 9_000, 100)
    assert after(record(a_fill("B", 9_000, 110))) == ("FILLED", 10_000, 0, 109)
    assert after(bust(a_fill("A"))) == ("PARTIALLY_FILLED", 9_000, 1_000, 110)
    assert after(correct(a_fill("B"), a_fill("C", 9_000, 100))) == ("PARTIALLY_FILLED", 9_000, 1_000, 100)
    assert after(record(a_fill("D", 1_000, 120))) == ("FILLED", 10_000, 0, 102)
    assert after(correct(a_fill("C"), a_fill("E", 9_000, 120))) == ("FILLED", 10_000, 0, 120)


def test_a_third_is_exact_inside_and_28_digits_outside(desk: MemoryDesk) -> None:
    desk.run(record(a_fill("t1", 1, 1)), record(a_fill("t2", 2, 2)))
    assert the_order(desk).average == Decimal("1.666666666666666666666666667")
    desk.run(record(a_fill("t3", 1, 1)))
    assert the_order(desk).average == Decimal("1.5")


def test_sums_of_the_longest_numbers_are_exact(desk: MemoryDesk) -> None:
    longest = "99999999999999999999.999999999999999999"
    desk.run(*(record(a_fill(f"t{n}", longest, longest, fees={"X": longest})) for n in range(9)))
    desk.run(record(a_fill("dust", "0.000000000000000001", "0.000000000000000001")))
    order = the_order(desk)
    exact = Fraction(longest)
    assert Fraction(order.cumulative) == 9 * exact + Fraction(1, 10**18)
    assert Fraction(order.cumulative_notional) == 9 * exact**2 + Fraction(1, 10**36)
    assert Fraction(order.fees["X"][0]) == 9 * exact
    desk.run(*(bust(a_fill(f"t{n}")) for n in range(9)))
    assert (order.cumulative, order.notional) == (Decimal("1e-18"), Decimal("1e-36"))


@pytest.mark.parametrize(
    ("fills", "average"),
    [
        ([(1, 0)], 0),
        ([(1, -37)], -37),
        ([(1, -10), (3, 10)], 5),
        ([(1, -10), (1, 10)], 0),
        ([(5, None)], None),
        ([(5, None), (1, 10), (3, 20)], Decimal("17.5")),  # over the fills that have a price
    ],
)
@pytest.mark.parametrize("kind", [0, SPOT, LINEAR])
def test_zero_and_negative_prices_are_legal_and_no_price_is_absent(
    desk: MemoryDesk, fills: list[Any], average: Any, kind: int
) -> None:
    desk.run(*(record(a_fill(f"t{n}", q, p, contract_kind=kind)) for n, (q, p) in enumerate(fills)))
    assert the_order(desk).average == average
    assert the_order(desk).cumulative == sum(q for q, _ in fills)


def test_linear_contracts_multiply_the_notional_and_not_the_average(desk: MemoryDesk) -> None:
    contract = {
        "contract_kind": LINEAR,
        "multiplier": "0.01",
        "quote_currency": "USDT",
        "base_currency": "BTC",
    }
    desk.run(record(a_fill("t1", 10, 100, **contract)), record(a_fill("t2", 30, 200, **contract)))
    order = the_order(desk)
    assert (order.average, order.cumulative_notional, order.notional_currency) == (175, 70, "USDT")
    assert order.net_quantity is None  # spot only


def test_inverse_contracts_average_harmonically(desk: MemoryDesk) -> None:
    contract = {
        "contract_kind": INVERSE,
        "multiplier": "100",
        "quote_currency": "USD",
        "base_currency": "BTC",
    }
    desk.run(record(a_fill("t1", 3, 3, **contract)), record(a_fill("t2", 2, 7, **contract)))
    order = the_order(desk)
    # 2/7 is rounded once, to 40 places.
    assert order.inverse_notional == Decimal("1.2857142857142857142857142857142857142857")
    assert order.average == Decimal("3.888888888888888888888888889")  # 5 / (3/3 + 2/7)
    assert (order.cumulative_notional, order.notional_currency) == (
        Decimal("128.57142857142857142857142857142857142857"),
        "BTC",
    )
    desk.run(bust(a_fill("t2")))
    assert (order.inverse_notional, order.average) == (1, 3)


def test_an_inverse_fill_at_zero_has_no_harmonic_term(desk: MemoryDesk) -> None:
    desk.run(*(record(a_fill(f"t{p}", 1, p, contract_kind=INVERSE)) for p in (0, 4, -2)))
    order = the_order(desk)
    assert (order.cumulative, order.unpriced_quantity, order.inverse_quantity) == (3, 1, 2)
    assert order.average == 2 / (Decimal("0.25") - Decimal("0.5"))
    desk.run(bust(a_fill("t0")))
    assert (order.cumulative, order.unpriced_quantity) == (2, 0)


KNOWN = {"contract_kind": INVERSE, "multiplier": "10"}


@pytest.mark.parametrize(
    "teach",
    [
        record(a_fill("t2", 2, 8, **KNOWN)),
        record(a_fill("t1", 1, 4, **KNOWN)),  # an enrichment
        report(a_report(OrderStatus.NEW, 5, **KNOWN)),
        register(a_report(OrderStatus.PENDING_NEW, **KNOWN)),
        correct(a_fill("t1"), a_fill("t2", 1, 8, **KNOWN)),
    ],
    ids=["a fill", "a copy", "a report", "a registration", "a correction"],
)
def test_a_contract_that_is_learned_late(desk: MemoryDesk, teach: Command) -> None:
    first = record(a_fill("t1", 1, 4))
    desk.run(first, teach, record(a_fill("t3", 1, 2)))
    other = MemoryDesk()
    other.run(teach, first, record(a_fill("t3", 1, 2)))
    order = the_order(desk)
    assert (order.contract_kind, order.multiplier, order.notional) == (INVERSE, 10, 0)
    assert order.inverse_quantity == order.cumulative
    assert look(desk) == look(other)


def test_a_multiplier_that_is_learned_after_the_kind(desk: MemoryDesk) -> None:
    first, second = (
        a_fill("t1", 1, 4, contract_kind=LINEAR),
        a_fill("t2", 1, 6, contract_kind=LINEAR, multiplier="10"),
    )
    desk.run(record(first), record(second))
    other = MemoryDesk()
    other.run(record(second), record(first))
    assert the_order(desk).cumulative_notional == the_order(other).cumulative_notional == 100


# ---------------------------------------------------------------------- fees


def test_fees_are_sums_by_currency_and_never_added_across(desk: MemoryDesk) -> None:
    desk.run(
        record(a_fill("t1", fees={"USDT": "1.5", "BNB": "0.1"})),
        record(a_fill("t2", fees={"USDT": "-0.5"})),
        record(a_fill("t3", fees={"BNB": "0"})),
        record(a_fill("t4")),
    )
    order = the_order(desk)
    assert order.fees == {"USDT": [1, 2], "BNB": [Decimal("0.1"), 2]}
    assert order.fills_without_fee == 1


def test_a_fee_of_zero_is_not_an_unknown_fee(desk: MemoryDesk) -> None:
    desk.run(record(a_fill("t1", fees={"USDT": "0"})), record(a_fill("t2")))
    assert (the_order(desk).fees, the_order(desk).fills_without_fee) == ({"USDT": [0, 1]}, 1)
    desk.run(bust(a_fill("t1")))
    assert (the_order(desk).fees, the_order(desk).fills_without_fee) == ({}, 1)
    desk.run(bust(a_fill("t2")))
    assert the_order(desk).fills_without_fee == 0


def test_a_base_currency_fee_never_touches_the_filled_quantity(desk: MemoryDesk) -> None:
    desk.run(register(a_report(OrderStatus.PENDING_NEW, order_quantity=2)))
    base = {"base_currency": "BTC", "quote_currency": "USDT"}
    desk.run(
        record(a_fill("t1", 1, fees={"BTC": "0.001"}, **base)), record(a_fill("t2", 1, fees={"BNB": "1"}))
    )
    order = the_order(desk)
    assert (order.cumulative, order.leaves, order.net_quantity) == (2, 0, Decimal("1.999"))


def test_net_quantity_of_a_sell_and_without_a_base(desk: MemoryDesk) -> None:
    desk.run(record(a_fill(side=SELL, base_currency="BTC", fees={"BTC": "0.001"})))
    assert the_order(desk).net_quantity == 1
    other = MemoryDesk()
    other.run(record(a_fill(fees={"BNB": "0.001"})))
    assert the_order(other).net_quantity is None
    other.run(record(a_fill("t2", fees={"BTC": "0.001"})))  # a fee names the base
    assert (the_order(other).base_currency, the_order(other).net_quantity) == ("BTC", Decimal("1.999"))


def test_a_rebate_in_base_adds_to_the_net_quantity(desk: MemoryDesk) -> None:
    desk.run(record(a_fill(base_currency="BTC", fees={"BTC": "-0.001"})))
    assert the_order(desk).net_quantity == Decimal("1.001")


@pytest.mark.parametrize(
    ("symbol", "fees", "currencies"),
    [
        ("BTC/USD", {}, ("BTC", "USD")),
        ("BTC-USD", {}, ("BTC", "USD")),
        ("BTC_USDT", {}, ("BTC", "USDT")),
        ("BTC/USDT:USDT", {}, ("BTC", "USDT")),
        ("BTC-USDT-SWAP", {}, ("BTC", "USDT")),
        ("BTCUSDT", {}, ("", "")),
        ("BTCUSDT", {"BTC": "1"}, ("BTC", "USDT")),
        ("BTCUSDT", {"USDT": "1"}, ("", "")),
        ("BTCUSDT", {"BNB": "1", "BTC": "0"}, ("BTC", "USDT")),
        ("BTC", {"BTC": "1"}, ("", "")),
        ("/USD", {}, ("", "")),
        ("", {}, ("", "")),
    ],
)
def test_base_and_quote_by_a_separator_or_by_a_fee(
    symbol: str, fees: dict[str, str], currencies: tuple[str, str]
) -> None:
    fill: Fill = a_fill(symbol=symbol, fees=fees)
    assert currencies_of(fill) == currencies


def test_what_the_payload_states_outranks_what_the_symbol_suggests(desk: MemoryDesk) -> None:
    desk.run(record(a_fill(symbol="PF_XBTUSD", base_currency="XBT", quote_currency="USD")))
    assert (the_order(desk).base_currency, the_order(desk).quote_currency) == ("XBT", "USD")
