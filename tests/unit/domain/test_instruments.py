"""The table of instruments: what wins, what a market left open means, spellings; and reading its fields."""

from decimal import Decimal
from typing import Any

import pytest

from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.domain.fills import ContractKind
from fillhandler_server.domain.instrument_fields import read_instruments, write_instruments
from fillhandler_server.domain.instruments import Instrument, Instruments

FOO = Instrument("v", "FOO", "linear", ContractKind.LINEAR, Decimal("0.1"), "FOO", "USD", "USD", 4)


def test_what_is_added_wins_field_by_field() -> None:
    table = Instruments([FOO], {("v", "USD"): 4, ("v", "BTC"): 8})
    later = Instrument("v", "FOO", "linear", price_places=5, aliases=("foo",))
    added = table.adding([later], {("v", "USD"): 6})
    (found,) = added
    assert (found.price_places, found.multiplier, found.base, found.kind) == (
        5, Decimal("0.1"), "FOO", ContractKind.LINEAR,
    )  # fmt: skip
    assert added.value_places == {("v", "USD"): 6, ("v", "BTC"): 8}
    assert added.canonical("v", "foo") == "FOO"
    assert tuple(table) == (FOO,)  # the one it came from is as it was


@pytest.mark.parametrize("order", [0, 1])
def test_what_names_no_market_holds_for_every_market(order: int) -> None:
    anywhere = Instrument("v", "FOO", settle="USD", lot_step=Decimal(1))
    named = [Instrument("v", "FOO", "linear", base="A"), Instrument("v", "FOO", "spot", base="B")]
    given = [anywhere, *named] if order else [*named, anywhere]
    table = Instruments()
    for item in given:
        table = table.adding([item])
    for market, base in (("linear", "A"), ("spot", "B"), ("inverse", "")):
        found = table.find("v", "FOO", market)
        assert found is not None
        assert (found.settle, found.base) == ("USD", base)
    # Which of the two is meant nobody says: only what holds for both.
    found = table.find("v", "FOO")
    assert found is not None
    assert (found.market, found.base, found.settle) == ("", "", "USD")


def test_one_market_is_meant_where_there_is_one() -> None:
    assert Instruments([FOO]).find("v", "FOO") == FOO
    added = Instruments([FOO]).adding([Instrument("v", "FOO", price_places=6)])
    found = added.find("v", "FOO")
    assert found is not None
    assert (found.market, found.price_places) == ("linear", 6)
    both = Instruments([FOO, Instrument("v", "FOO", "spot")])
    assert both.find("v", "FOO") is None
    assert both.find("v", "FOO", "option") is None


def test_a_symbol_stands_for_itself() -> None:
    table = Instruments([Instrument("v", "A", aliases=("B", "x")), Instrument("v", "B")])
    assert [table.canonical("v", name) for name in ("A", "B", "x", "y")] == ["A", "B", "A", "y"]


@pytest.mark.parametrize(
    ("item", "path"),
    [
        (Instrument("v", "NEW", aliases=("ok", "OLD")), "instruments[0].aliases[1]"),
        (Instrument("v", "NEW", aliases=("old",)), "instruments[0].aliases[0]"),
        (Instrument("v", "old"), "instruments[0].symbol"),
        (Instrument("v", "OLD", aliases=("old", "older")), None),
        (Instrument("w", "old", aliases=("OLD",)), None),
    ],
)
def test_a_spelling_for_two_symbols_is_a_clash(item: Instrument, path: str | None) -> None:
    table = Instruments([Instrument("v", "OLD", aliases=("old",))])
    assert [violation.field for violation in table.clashes([item])] == ([path] if path else [])


def test_two_new_symbols_cannot_share_a_spelling() -> None:
    items = [Instrument("v", "A", aliases=("x",)), Instrument("v", "B", aliases=("x",))]
    assert [violation.field for violation in Instruments().clashes(items)] == ["instruments[1].aliases[0]"]


WHOLE = {
    "venue": "v",
    "symbol": "FOO",
    "market": "linear",
    "kind": "linear",
    "multiplier": "0.1",
    "base": "FOO",
    "quote": "USD",
    "settle": "USD",
    "price_places": 4,
    "lot_step": "0.01",
    "aliases": ["foo", "xfoo"],
}


def test_fields_are_read_and_written_the_same() -> None:
    places = [{"venue": "v", "currency": "USD", "places": 4}]
    instruments, scales = read_instruments([WHOLE], places)
    assert write_instruments(Instruments(instruments, scales)) == {
        "instruments": [WHOLE],
        "value_places": places,
    }
    (least,), _ = read_instruments([{"venue": "V", "symbol": "a", "multiplier": 5}])
    assert least == Instrument("v", "a", multiplier=Decimal(5))


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"venue": ""}, "venue"),
        ({"venue": "a b"}, "venue"),
        ({"symbol": None}, "symbol"),
        ({"symbol": 7}, "symbol"),
        ({"symbol": "a\nb"}, "symbol"),
        ({"market": "futures"}, "market"),
        ({"kind": "quanto"}, "kind"),
        ({"kind": "inverse"}, "kind"),
        ({"multiplier": 0.1}, "multiplier"),
        ({"multiplier": "0"}, "multiplier"),
        ({"multiplier": "-1"}, "multiplier"),
        ({"multiplier": "1e3"}, "multiplier"),
        ({"multiplier": True}, "multiplier"),
        ({"base": "x" * 33}, "base"),
        ({"price_places": "4"}, "price_places"),
        ({"price_places": True}, "price_places"),
        ({"price_places": 19}, "price_places"),
        ({"price_places": -1}, "price_places"),
        ({"lot_step": ""}, "lot_step"),
        ({"aliases": "foo"}, "aliases"),
        ({"aliases": ["x", ""]}, "aliases[1]"),
        ({"aliases": [f"{n}" for n in range(33)]}, "aliases"),
        ({"multipler": "1"}, "multipler"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        read_instruments([WHOLE, WHOLE | {"symbol": "BAR"} | changes])
    assert [violation.field for violation in caught.value.violations] == [f"instruments[1].{path}"]


def test_all_faults_at_once() -> None:
    with pytest.raises(InvalidFieldError) as caught:
        read_instruments(
            [WHOLE, 7, WHOLE],
            [{"venue": "v", "currency": "USD"}, {"venue": "v", "currency": "A", "places": 40}, {"plaecs": 1}],
        )
    assert [violation.field for violation in caught.value.violations] == [
        "instruments[1]",
        "instruments[1].venue",
        "instruments[1].symbol",
        "instruments[2].symbol",
        "value_places[0].places",
        "value_places[1].places",
        "value_places[2].plaecs",
        "value_places[2].venue",
        "value_places[2].currency",
        "value_places[2].places",
    ]
    with pytest.raises(InvalidFieldError, match="must be a list"):
        read_instruments({"venue": "v"})
