"""What Hypothesis makes up: fills, reports, registrations, busts and corrections about a few orders.

`stories` keeps to what domain.md promises for every order of arrival: copies of a fill differ only in what
they leave open, reports carry a time, a fill is corrected at most once, an amended order's ids are linked.
"""

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st
from tests.support.desks import BUY, START, SYMBOL, VENUE, Command, bust, correct, record, register, report

from fillhandler_server.domain.fills import Fill
from fillhandler_server.domain.reports import OrderReport, OrderStatus

HOUR = 3600 * 1_000_000_000

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
quantities = st.decimals(min_value=Decimal("1e-18"), max_value=10**20 - 1, places=18).map(
    lambda d: d.normalize()
)
small = st.sampled_from([Decimal(n) for n in ("0.1", "1", "2", "2.5", "3", "10")])
prices = st.sampled_from(
    [Decimal(n) for n in ("-3", "0", "0.7", "3", "99.5", "100", "12345.678901234567890123")]
)
long_prices = st.decimals(min_value=-(10**20) + 1, max_value=10**20 - 1, places=18)
times = st.integers(START, START + 5 * HOUR)
currencies = st.sampled_from(["USDT", "BTC", "BNB"])
fee_maps = st.dictionaries(
    currencies, st.sampled_from([Decimal(n) for n in ("-0.5", "0", "0.001", "1")]), max_size=2
)


def maybe(draw: Any, value: Any, empty: Any) -> Any:
    """The value, or what stands for leaving it open."""
    return value if draw(st.booleans()) else empty


@st.composite
def any_fills(draw: Any) -> Fill:
    """A fill with anything in it that the contract allows."""
    fees = draw(st.dictionaries(texts, long_prices, max_size=3))
    return Fill(
        venue=draw(texts),
        symbol=draw(texts),
        order_id=draw(texts),
        trade_id=draw(texts.filter(bool)),
        side=draw(st.integers(1, 2)),
        quantity=draw(quantities),
        price=draw(st.none() | long_prices),
        account=draw(texts),
        market=draw(texts),
        client_order_id=draw(texts),
        leg=draw(texts),
        fees=tuple(sorted(fees.items())),
        liquidity=draw(st.integers(0, 2)),
        trade_time=draw(st.none() | st.integers(0, 2**62)),
        receive_time=draw(st.none() | st.integers(0, 2**62)),
        contract_kind=draw(st.integers(0, 3)),
        multiplier=draw(st.none() | quantities),
        inferred=draw(st.booleans()),
        metadata=draw(st.dictionaries(texts, texts, max_size=2)),
        base_currency=draw(texts),
        quote_currency=draw(texts),
        trade_id_derived=draw(st.booleans()),
    )


class Facts:
    """What is true of one order, of which each message states a part."""

    def __init__(self, draw: Any, number: int) -> None:
        self.draw = draw
        self.symbol = draw(st.sampled_from([SYMBOL, "ETH-USD"]))
        self.order_ids = [f"{number}{link}" for link in "abc"[: draw(st.integers(1, 2))]]
        self.client_order_id = draw(st.sampled_from(["", f"client{number}"]))
        self.market = draw(st.sampled_from(["", "spot"]))
        self.kind = draw(st.sampled_from([0, 1, 2, 3]))
        self.multiplier = draw(st.sampled_from([None, Decimal(10)])) if self.kind > 1 else None
        said = ("ETH", "USD") if "-" in self.symbol else ("BTC", "USDT")
        self.currencies = draw(st.sampled_from([("", ""), said]))
        self.ordered = draw(st.sampled_from([None, Decimal(5), Decimal(12)]))
        self.side = draw(st.sampled_from([1, 2]))

    def stated(self) -> dict[str, Any]:
        """A part of it."""
        base, quote = maybe(self.draw, self.currencies, ("", ""))
        return {
            "venue": VENUE,
            "symbol": self.symbol,
            "side": self.side,
            "market": maybe(self.draw, self.market, ""),
            "client_order_id": maybe(self.draw, self.client_order_id, ""),
            "contract_kind": maybe(self.draw, self.kind, 0),
            "multiplier": maybe(self.draw, self.multiplier, None),
            "base_currency": base,
            "quote_currency": quote,
        }


def _fill(facts: Facts, trade_id: str) -> Fill:
    draw = facts.draw
    return Fill(
        trade_id=trade_id,
        order_id=draw(st.sampled_from(facts.order_ids)),
        quantity=draw(small),
        price=draw(st.none() | prices),
        fees=tuple(sorted(draw(fee_maps).items())),
        liquidity=draw(st.integers(0, 2)),
        trade_time=draw(st.none() | times),
        leg=draw(st.sampled_from(["", "", "open"])),
        **facts.stated(),
    )


def _copy(facts: Facts, fill: Fill, *, without_id: bool) -> Fill:
    draw = facts.draw
    copy = replace(
        fill,
        price=maybe(draw, fill.price, None),
        fees=maybe(draw, fill.fees, ()),
        liquidity=maybe(draw, fill.liquidity, 0),
        receive_time=draw(st.none() | times),
        **facts.stated(),
    )
    return replace(copy, order_id="") if without_id and draw(st.booleans()) else copy


def _report(facts: Facts) -> OrderReport:
    draw = facts.draw
    return OrderReport(
        status=draw(st.sampled_from(list(OrderStatus)[1:])),
        order_id=draw(st.sampled_from(facts.order_ids)),
        time=START + draw(st.integers(0, 6)),
        order_quantity=maybe(draw, facts.ordered, None),
        cumulative_quantity=draw(st.none() | small),
        average_price=draw(st.none() | prices),
        limit_price=draw(st.none() | prices),
        type=draw(st.sampled_from(["", "limit", "post_only"])),
        create_time=draw(st.none() | times),
        **facts.stated(),
    )


def _of_one_order(draw: Any, number: int, *, without_ids: bool) -> list[Command]:
    facts = Facts(draw, number)
    made: list[Command] = []
    fills = [_fill(facts, f"t{number}{n}") for n in range(draw(st.integers(1, 4)))]
    known = list(fills)
    for fill in fills:
        while draw(st.integers(0, 3)) == 0 and len(known) < 7:
            corrected = _fill(facts, f"c{number}{len(known)}")
            # What corrects a fill is of the same order; it names its own content once.
            made.append(correct(_named(fill), replace(corrected, order_id=fill.order_id)))
            fill = replace(corrected, order_id=fill.order_id)
            known.append(fill)
    made += [record(fill) for fill in fills]
    # A trade without its order id, of an order with corrections, is a pair that no venue has.
    without_ids = without_ids and known == fills
    for fill in known:
        for _ in range(draw(st.integers(0, 1))):
            made.append(record(_copy(facts, fill, without_id=without_ids)))
        if draw(st.integers(0, 4)) == 0:
            made.append(bust(_named(fill)))
    made += [report(_report(facts)) for _ in range(draw(st.integers(0, 3)))]
    if draw(st.booleans()):
        terms = {**facts.stated(), "client_order_id": facts.client_order_id}
        with_id = not facts.client_order_id or draw(st.booleans())
        made.append(
            register(
                OrderReport(
                    status=OrderStatus.PENDING_NEW,
                    order_id=facts.order_ids[0] if with_id else "",
                    order_quantity=facts.ordered,
                    type="limit",
                    limit_price=Decimal(100),
                    expected_price=Decimal(99),
                    **terms,
                )
            )
        )
    for old, new in pairwise(facts.order_ids):
        linked = {**facts.stated(), "client_order_id": facts.client_order_id}
        made.append(
            report(
                OrderReport(
                    status=OrderStatus.NEW,
                    order_id=new,
                    previous_order_id=old,
                    time=START + draw(st.integers(0, 6)),
                    **linked,
                )
            )
        )
    return made


def _named(fill: Fill) -> Fill:
    return Fill(fill.venue, fill.symbol, fill.order_id, fill.trade_id, fill.side, Decimal(1), leg=fill.leg)


@st.composite
def stories(draw: Any, *, without_ids: bool = True) -> list[Command]:
    """Commands about one or two orders, whose order of arrival must not matter."""
    made = _of_one_order(draw, 1, without_ids=without_ids)
    if draw(st.booleans()):
        made += _of_one_order(draw, 2, without_ids=without_ids)
    return made


@st.composite
def wild_stories(draw: Any) -> list[Command]:
    """Commands with conflicts, reused ids and untimed reports: nothing is promised about their arrival."""
    made = draw(stories())
    for command in draw(st.lists(st.sampled_from(made), max_size=3)):
        first = command.arguments[-1]
        if command.name == "record_fill":
            made.append(record(replace(first, quantity=draw(small), price=draw(st.none() | prices))))
            made.append(
                record(
                    replace(first, order_id=draw(st.sampled_from(["", "9"])), side=draw(st.integers(1, 2)))
                )
            )
        elif command.name == "report_order":
            made.append(report(replace(first, time=None, symbol="", client_order_id="client1")))
        elif command.name == "correct_fill":
            made.append(correct(command.arguments[0], replace(first, trade_id="x1", quantity=draw(small))))
    return draw(st.permutations(made))


def batches(draw: Any, commands: list[Command]) -> list[list[Command]]:
    """The commands cut into batches."""
    cuts = sorted(draw(st.sets(st.integers(1, len(commands)), max_size=4)) | {0, len(commands)})
    return [commands[a:b] for a, b in pairwise(cuts) if commands[a:b]]


__all__ = ["BUY", "Facts", "any_fills", "batches", "stories", "wild_stories"]
