"""Numbers are checked as text, kept exactly, and have one canonical form."""

import json
import time
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fillhandler_server.domain import numbers

ACCEPTED = {
    "0": "0",
    "-0": "0",
    "-0.000": "0",
    "1": "1",
    "007": "7",
    "100": "100",
    "1.50": "1.5",
    "1.000": "1",
    "-2.5": "-2.5",
    "0.000000000000000001": "0.000000000000000001",
    "99999999999999999999.999999999999999999": "99999999999999999999.999999999999999999",
    # More than the 28 digits of Python's default context, of both signs.
    "12345678901234567890.123456789012345678": "12345678901234567890.123456789012345678",
    "-12345678901234567890.123456789012345678": "-12345678901234567890.123456789012345678",
}

REFUSED = [
    "",
    " ",
    "+1",
    "--1",
    "1.",
    ".5",
    "-.5",
    "1,5",
    "1 ",
    " 1",
    "1\n",
    "1_000",
    "1e5",
    "1E+999999999",
    "1e400",
    "NaN",
    "sNaN",
    "nan",
    "Infinity",
    "-inf",
    "0x10",
    "١٢٣",  # Arabic-Indic digits, which `\d` and `Decimal` accept
    "１２",  # fullwidth digits
    "1\x00",
    "\ud800",
    "1.2.3",
    "123456789012345678901",  # 21 digits
    "0.1234567890123456789",  # 19 places
    "9" * 100_000,
]


@pytest.mark.parametrize(("text", "canonical"), ACCEPTED.items())
def test_accepts_and_makes_canonical(text: str, canonical: str) -> None:
    assert numbers.is_number(text)
    assert numbers.canonical(numbers.from_text(text)) == canonical
    assert numbers.CANONICAL.fullmatch(canonical)
    assert text == canonical or not numbers.CANONICAL.fullmatch(text)


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: ascii(text[:24]))
def test_refuses_by_the_text_and_at_once(text: str) -> None:
    began = time.perf_counter()
    assert not numbers.is_number(text)
    with pytest.raises(ValueError, match="not a decimal number"):
        numbers.from_text(text)
    assert time.perf_counter() - began < 0.1


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("1e-05", "0.00001"),
        (json.dumps(0.00001), "0.00001"),
        ("1E18", "1000000000000000000"),
        ("1e+2", "100"),
        ("1e-18", "0.000000000000000001"),
        ("-1.50e1", "-15"),
        ("-0.0", "0"),
        ("0.1", "0.1"),
        ("123456789.123456789123456789", "123456789.123456789123456789"),
        ("0.10000000000000000000000000000000000000", "0.1"),
    ],
)
def test_reads_a_venues_json_numbers_exactly(text: str, canonical: str) -> None:
    assert numbers.canonical(numbers.from_json_number(text)) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "Infinity",
        "1e19",
        "1e-19",
        "1e400",
        "1E+999999999",
        "0.1e-18",
        "999e18",
        "1e",
        "",
        "٣",
        "9" * 50,
        "1_0",
    ],
)
def test_refuses_json_numbers_it_cannot_hold(text: str) -> None:
    with pytest.raises(ValueError, match=r"exactly|digits"):
        numbers.from_json_number(text)


decimals = st.decimals(
    allow_nan=False, allow_infinity=False, places=18, min_value=-(10**20) + 1, max_value=10**20 - 1
)
quantities = st.decimals(min_value=Decimal("1e-18"), max_value=10**20 - 1, places=18)
prices = decimals.filter(bool)


@given(decimals)
def test_text_and_value_go_round(value: Decimal) -> None:
    text = numbers.canonical(value)
    assert numbers.CANONICAL.fullmatch(text)
    assert numbers.from_text(text) == value
    assert numbers.canonical(numbers.from_text(text)) == text
    assert numbers.from_json_number(text) == value


@given(quantities, prices)
@example(Decimal(1), Decimal(3))
@example(Decimal(1), Decimal(-3))
@example(Decimal("1e-18"), Decimal("99999999999999999999.999999999999999999"))
@example(Decimal("1e-18"), Decimal(2) * Decimal(10) ** 19)
@example(Decimal(1), Decimal(2) ** 41)  # 41 places, the last a 5: an exact half
def test_inverse_division_rounds_once_half_even_to_40_places(quantity: Decimal, price: Decimal) -> None:
    exact = Fraction(quantity) / Fraction(price)
    result = numbers.divide_inverse(quantity, price)
    scaled = exact * 10**40
    assert Fraction(result) * 10**40 == round(scaled)  # Fraction rounds half to even
    assert Fraction(numbers.divide_inverse(quantity, price.copy_negate())) == -Fraction(result)


def test_inverse_division_does_not_depend_on_the_callers_context() -> None:
    expected = numbers.divide_inverse(Decimal(1), Decimal(2**41))
    with localcontext() as context:
        context.prec = 3
        assert numbers.divide_inverse(Decimal(1), Decimal(2**41)) == expected


def test_inverse_division_by_zero_is_refused() -> None:
    with pytest.raises(ZeroDivisionError):
        numbers.divide_inverse(Decimal(1), Decimal(0))


def test_shown_figures_have_28_digits_half_even() -> None:
    assert numbers.canonical(numbers.divide_shown(Decimal(2), Decimal(3))) == "0.6666666666666666666666666667"
    tie = Decimal("1.0000000000000000000000000005")
    assert numbers.divide_shown(tie, Decimal(1)) == Decimal("1.000000000000000000000000000")


def test_sums_and_products_are_exact_or_raise() -> None:
    big = Decimal("99999999999999999999.999999999999999999")
    product = numbers.EXACT.multiply(big, big)
    assert Fraction(product) == Fraction(big) ** 2
    total = product
    for _ in range(60):
        total = numbers.EXACT.add(total, total)
    assert Fraction(total) == Fraction(product) * 2**60
    with pytest.raises(ArithmeticError):
        numbers.EXACT.divide(Decimal(1), Decimal(3))
