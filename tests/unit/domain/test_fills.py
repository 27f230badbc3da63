"""What another copy of a fill says, and the id of a fill that has none."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from tests.support.desks import a_fill

from fillhandler_server.domain.fills import (
    COMPARED,
    Fill,
    FillKey,
    compare,
    content_digest,
    derived_trade_id,
    enrich,
    time_of,
)

USDT_1 = (("USDT", Decimal(1)),)
USDT_0 = (("USDT", Decimal(0)),)

COPIES: list[tuple[str, dict[str, Any], dict[str, Any], tuple[str, ...], tuple[str, ...]]] = [
    # what, first, later, differing, enriching
    ("equal", {}, {}, (), ()),
    ("quantity", {}, {"quantity": Decimal(2)}, ("quantity",), ()),
    ("quantity written otherwise", {"quantity": Decimal("1.0")}, {"quantity": Decimal(1)}, (), ()),
    ("price", {"price": Decimal(1)}, {"price": Decimal(2)}, ("price",), ()),
    ("price null to value", {"price": None}, {"price": Decimal(2)}, (), ("price",)),
    ("price null to zero", {"price": None}, {"price": Decimal(0)}, (), ("price",)),
    ("price value to null", {"price": Decimal(2)}, {"price": None}, (), ()),
    ("price zero to value", {"price": Decimal(0)}, {"price": Decimal(2)}, ("price",), ()),
    ("fees null to value", {}, {"fees": USDT_1}, (), ("fees",)),
    ("fees null to zero", {}, {"fees": USDT_0}, (), ("fees",)),
    ("fees zero to value", {"fees": USDT_0}, {"fees": USDT_1}, ("fees",), ()),
    ("fees value to null", {"fees": USDT_1}, {}, (), ()),
    ("fees of another currency", {"fees": USDT_1}, {"fees": (("BNB", Decimal(1)),)}, ("fees",), ()),
    ("fees of one currency more", {"fees": USDT_1}, {"fees": (("BNB", Decimal(1)), *USDT_1)}, ("fees",), ()),
    ("liquidity", {"liquidity": 1}, {"liquidity": 2}, ("liquidity",), ()),
    ("liquidity null to value", {}, {"liquidity": 2}, (), ("liquidity",)),
    ("liquidity value to null", {"liquidity": 2}, {}, (), ()),
    ("contract", {"contract_kind": 2}, {"contract_kind": 3}, ("contract",), ()),
    ("contract null to value", {}, {"contract_kind": 3}, (), ("contract",)),
    ("contract value to null", {"contract_kind": 3, "multiplier": Decimal(10)}, {}, (), ()),
    ("multiplier", {"multiplier": Decimal(1)}, {"multiplier": Decimal(10)}, ("contract",), ()),
    (
        "multiplier null to value",
        {"contract_kind": 2},
        {"contract_kind": 2, "multiplier": Decimal(10)},
        (),
        ("contract",),
    ),
    ("kind null to value", {"multiplier": Decimal(10)}, {"contract_kind": 2}, (), ("contract",)),
    (
        "mixed",
        {"price": Decimal(1)},
        {"price": Decimal(2), "fees": USDT_1, "liquidity": 1},
        ("price",),
        ("fees", "liquidity"),
    ),
    (
        "all",
        {"price": Decimal(1), "fees": USDT_1, "liquidity": 1, "contract_kind": 1},
        {"quantity": Decimal(9), "price": Decimal(2), "fees": USDT_0, "liquidity": 2, "contract_kind": 2},
        COMPARED,
        (),
    ),
    ("trade time", {"trade_time": 1}, {"trade_time": 2}, (), ()),
    ("receive time", {"receive_time": 1}, {"receive_time": 2}, (), ()),
    ("metadata", {"metadata": {"a": "1"}}, {"metadata": {"a": "2"}}, (), ()),
]


@pytest.mark.parametrize(
    ("first", "later", "differing", "enriching"), [row[1:] for row in COPIES], ids=[row[0] for row in COPIES]
)
def test_compares(first: dict[str, Any], later: dict[str, Any], differing: Any, enriching: Any) -> None:
    ours, theirs = replace(a_fill(), **first), replace(a_fill(), **later)
    assert compare(ours, theirs) == (differing, enriching)
    whole = enrich(ours, theirs, enriching)
    left = compare(whole, theirs)
    assert left.enriching == ()
    assert left.differing == differing
    # What the first said is never overwritten by what it left open.
    assert compare(ours, whole).differing == ()


def test_a_digest_tells_contents_apart_and_not_their_spelling() -> None:
    first = a_fill(price="1.50", fees={"USDT": "0.10"})
    same = a_fill(price="1.5", fees={"USDT": "0.1"}, trade_time=5, metadata={"x": "y"}, receive_time=7)
    assert content_digest(first) == content_digest(same)
    for other in (
        a_fill(price="1.51", fees={"USDT": "0.1"}),
        a_fill(price=None, fees={"USDT": "0.1"}),
        a_fill(price="1.5"),
        a_fill(price="1.5", fees={"BNB": "0.1"}),
        a_fill(price="1.5", fees={"USDT": "0.1"}, liquidity=1),
        a_fill(price="1.5", fees={"USDT": "0.1"}, contract_kind=1),
        a_fill(price="1.5", fees={"USDT": "0.1"}, multiplier="2"),
        a_fill("t1", "2", "1.5", fees={"USDT": "0.1"}),
    ):
        assert content_digest(other) != content_digest(first)


def test_a_derived_id_is_the_contents_and_the_occurrence() -> None:
    fill = a_fill(price="1.50", trade_time=5)
    made = derived_trade_id(fill)
    assert made == derived_trade_id(a_fill(price="1.5", trade_time=5))
    assert made.startswith("derived-")
    # A fee that comes later must not make it another fill.
    assert made == derived_trade_id(a_fill(price="1.5", trade_time=5, fees={"USDT": "1"}, liquidity=2))
    assert made == derived_trade_id(replace(fill, receive_time=9, metadata={"a": "b"}))
    others = [
        derived_trade_id(fill, 2),
        derived_trade_id(replace(fill, side=2)),
        derived_trade_id(replace(fill, venue="kraken")),
        derived_trade_id(replace(fill, account="other")),
        derived_trade_id(replace(fill, symbol="ETHUSDT")),
        derived_trade_id(replace(fill, order_id="8")),
        derived_trade_id(replace(fill, client_order_id="c")),
        derived_trade_id(replace(fill, leg="close")),
        derived_trade_id(replace(fill, trade_time=6)),
        derived_trade_id(replace(fill, trade_time=None)),
        derived_trade_id(replace(fill, quantity=Decimal(2))),
        derived_trade_id(replace(fill, price=None)),
    ]
    assert len({made, *others}) == len(others) + 1


def test_a_key_holds_trade_leg_and_side() -> None:
    assert a_fill("t", leg="open").key == FillKey("t", "open", 1)


@pytest.mark.parametrize(
    ("trade", "receive", "filed"), [(5, 7, 5), (None, 7, 7), (None, None, 9), (0, 7, 0), (None, 0, 0)]
)
def test_a_fill_is_filed_under_the_best_time_known(
    trade: int | None, receive: int | None, filed: int
) -> None:
    fill: Fill = a_fill(trade_time=trade, receive_time=receive)
    assert time_of(fill, 9) == filed
