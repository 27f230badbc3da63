"""Fills: one execution at a venue, its identity, and what another copy of it says."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import IntEnum
from typing import Final, NamedTuple

from fillhandler_server.domain.numbers import canonical

MAIN_ACCOUNT: Final = "main"


class Side(IntEnum):
    """Values as in `fillhandler.v1.Side`."""

    UNSPECIFIED = 0
    BUY = 1
    SELL = 2


class Liquidity(IntEnum):
    """Values as in `fillhandler.v1.Liquidity`."""

    UNSPECIFIED = 0
    MAKER = 1
    TAKER = 2


class ContractKind(IntEnum):
    """Values as in `fillhandler.v1.ContractKind`."""

    UNSPECIFIED = 0
    SPOT = 1
    LINEAR = 2
    INVERSE = 3


class FillState(IntEnum):
    """Values as in `fillhandler.v1.FillState`."""

    UNSPECIFIED = 0
    STANDING = 1
    BUSTED = 2
    CORRECTED = 3


class FillKey(NamedTuple):
    """What identifies a fill within its order, which stands for venue, account, market, symbol, order id."""

    trade_id: str
    leg: str
    side: int


@dataclass(slots=True, eq=False)
class Fill:
    """One execution. Numbers are exact; times are nanoseconds since the epoch, UTC; None is "not known".

    Not frozen, because making a frozen one costs eight times as much and this is made for every fill that
    comes in; nobody changes one after it was recorded.
    """

    venue: str
    symbol: str
    order_id: str
    trade_id: str
    side: int
    quantity: Decimal
    price: Decimal | None = None
    account: str = MAIN_ACCOUNT
    market: str = ""
    client_order_id: str = ""
    leg: str = ""
    fees: tuple[tuple[str, Decimal], ...] = ()
    """(currency, amount), ordered by currency, one a currency; positive = cost. Empty = unknown."""
    liquidity: int = Liquidity.UNSPECIFIED
    trade_time: int | None = None
    receive_time: int | None = None
    contract_kind: int = ContractKind.UNSPECIFIED
    multiplier: Decimal | None = None
    inferred: bool = False
    metadata: dict[str, str] = field(default_factory=dict)
    base_currency: str = ""
    quote_currency: str = ""
    trade_id_derived: bool = False
    encoded: bytes | None = None
    """The codec's bytes of this very fill where it has them already, so that they are not made twice."""

    @property
    def key(self) -> FillKey:
        """Its identity within its order."""
        return FillKey(self.trade_id, self.leg, int(self.side))


def time_of(fill: Fill, now: int) -> int:
    """The time a fill is filed under: its trade time, else when it was received, else `now`."""
    if fill.trade_time is not None:
        return fill.trade_time
    return fill.receive_time if fill.receive_time is not None else now


COMPARED: Final = ("quantity", "price", "fees", "liquidity", "contract")
"""The fields whose difference is a conflict. Times and metadata never are: the first to arrive stands."""


def _compared_values(fill: Fill) -> tuple[tuple[object, ...], ...]:
    """The parts of each of `COMPARED`, None where unknown. Decimals compare by value."""
    return (
        (fill.quantity,),
        (fill.price,),
        (fill.fees or None,),
        (int(fill.liquidity) or None,),
        (int(fill.contract_kind) or None, fill.multiplier),
    )


class Comparison(NamedTuple):
    """What a later copy says beside the first: the fields that differ, and those it makes known."""

    differing: tuple[str, ...]
    enriching: tuple[str, ...]


def compare(first: Fill, later: Fill) -> Comparison:
    """Compares a later copy with the fill that stands. Both empty: it is a duplicate."""
    differing: list[str] = []
    enriching: list[str] = []
    for name, ours, theirs in zip(COMPARED, _compared_values(first), _compared_values(later), strict=True):
        if ours == theirs:
            continue
        news = [(our, their) for our, their in zip(ours, theirs, strict=True) if their not in (None, our)]
        if any(our is not None for our, _ in news):
            differing.append(name)
        elif news:
            enriching.append(name)
    return Comparison(tuple(differing), tuple(enriching))


def enrich(first: Fill, later: Fill, names: tuple[str, ...]) -> Fill:
    """The first fill with the named fields, which it left open, taken from the later copy."""
    changes: dict[str, object] = {"encoded": None}
    for name in names:
        if name == "contract":
            changes["contract_kind"] = first.contract_kind or later.contract_kind
            changes["multiplier"] = later.multiplier if first.multiplier is None else first.multiplier
        else:
            changes[name] = getattr(later, name)
    return replace(first, **changes)  # type: ignore[arg-type]  # names come from COMPARED


def content_digest(fill: Fill) -> str:
    """A short digest of the compared content, to know a conflict again."""
    return hashlib.blake2b(repr(_content(fill)).encode(), digest_size=12).hexdigest()


def derived_trade_id(fill: Fill, occurrence: int = 1) -> str:
    """The trade id of a fill whose venue sent none: a hash of its content.

    Args:
        fill: the fill; venue, account, symbol, order ids, side, content and trade time go in.
        occurrence: its number among equal rows of one payload, from 1; two equal rows of one payload are
            two fills, the same row in two payloads is one.
    """
    parts = (
        fill.venue,
        fill.account,
        fill.symbol,
        fill.order_id,
        fill.client_order_id,
        fill.leg,
        int(fill.side),
        fill.trade_time,
        *_content(fill)[:2],
        occurrence,
    )
    return "derived-" + hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def _content(fill: Fill) -> tuple[object, ...]:
    return (
        canonical(fill.quantity),
        None if fill.price is None else canonical(fill.price),
        tuple((currency, canonical(amount)) for currency, amount in fill.fees),
        int(fill.liquidity),
        int(fill.contract_kind),
        None if fill.multiplier is None else canonical(fill.multiplier),
    )
