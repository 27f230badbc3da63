"""Gate's vocabulary: symbols and their markets, states, fees, client order ids, times of every precision."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from fillhandler_server.domain.fills import ContractKind, Liquidity, Side
from fillhandler_server.domain.instruments import Instrument
from fillhandler_server.domain.numbers import EXACT, ZERO
from fillhandler_server.domain.reports import OrderStatus
from fillhandler_server.venues.reading import NANOSECONDS_MAX, Row

Fees = tuple[tuple[str, Decimal], ...]

SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL}
LIQUIDITIES: Final = {"maker": Liquidity.MAKER, "taker": Liquidity.TAKER}

# --------------------------------------------------------------------- symbols


class Product(NamedTuple):
    """What a symbol tells. "" is "not known"."""

    market: str
    kind: int
    base: str
    quote: str
    settle: str
    """The currency of the fees."""


_OPTION: Final = re.compile(r"([^_-]+)_([^_-]+)-[0-9]{8}-[0-9.]+-[CP]")
_FUTURE: Final = re.compile(r"([^_-]+)_([^_-]+)(?:_[0-9]{8})?")


@lru_cache(maxsize=4096)
def spot(symbol: str) -> Product:
    """A currency pair of spot, margin or the unified account."""
    base, _, quote = symbol.partition("_")
    if not quote or "_" in quote:
        base = quote = ""
    return Product("spot", ContractKind.SPOT, base, quote, "")


@lru_cache(maxsize=4096)
def contract(symbol: str) -> Product:
    """A perpetual, delivery or option contract. Its spelling may be a pair's too: the key says which.

    The settle currency stands in the URL only: contracts on USD settle in BTC, the others in their quote.
    Of the former BTC_USD alone is inverse; the kind of the others, which are quanto contracts, is left open.
    """
    option = _OPTION.fullmatch(symbol)
    if option is not None:
        return Product("option", ContractKind.UNSPECIFIED, option[1], option[2], option[2])
    future = _FUTURE.fullmatch(symbol)
    if future is None:
        return Product("", ContractKind.UNSPECIFIED, "", "", "")
    base, quote = future[1], future[2]
    if quote == "USD":
        kind = ContractKind.INVERSE if base == "BTC" else ContractKind.UNSPECIFIED
        return Product("inverse", kind, base, quote, "BTC")
    return Product("linear", ContractKind.LINEAR, base, quote, quote)


def _linear(base: str, multiplier: str) -> tuple[Instrument, Instrument]:
    # The pair stands beside the contract, so that the spelling alone names neither.
    pair = f"{base}_USDT"
    return (
        Instrument("gate", pair, "spot", ContractKind.SPOT, None, base, "USDT"),
        Instrument("gate", pair, "linear", ContractKind.LINEAR, Decimal(multiplier), base, "USDT", "USDT"),
    )


INSTRUMENTS: Final = (
    # `quanto_multiplier` of GET /futures/usdt/contracts: units of the base a contract.
    *_linear("BTC", "0.0001"),
    *_linear("ETH", "0.01"),
    *_linear("XRP", "10"),
    *_linear("DOGE", "10"),
    *_linear("SOL", "1"),
    *_linear("ADA", "10"),
    # One contract is one US dollar; `quanto_multiplier` is 0 there.
    Instrument("gate", "BTC_USD", "inverse", ContractKind.INVERSE, Decimal(1), "BTC", "USD", "BTC"),
)

# ---------------------------------------------------------------------- states

_OPEN: Final = "open"
_FILLED: Final = "filled"
_CANCELED: Final = "canceled"
_ENDED: Final = "ended"
"""Over; what is left says how."""

_NO_WORD: Final = frozenset({"", "-", "unknown"})

_FINISHES: Final = (
    dict.fromkeys(("open", "_new", "_update"), _OPEN)
    | {"filled": _FILLED}
    | dict.fromkeys(
        (
            *("cancelled", "canceled", "liquidate_cancelled", "small", "depth_not_enough"),
            *("trader_not_enough", "poc", "fok", "stp", "reduce_only", "reduce_out", "position_closed"),
            "price_protect_cancelled",
        ),
        _CANCELED,
    )
    # "finished immediately", "finished by ADL", "liquidated": the last of it may have been filled.
    | dict.fromkeys(("ioc", "liquidated", "auto_deleveraged"), _ENDED)
)
_STATUSES: Final = {
    "open": _OPEN,
    "closed": _FILLED,
    "cancelled": _CANCELED,
    "canceled": _CANCELED,
    "finished": _ENDED,
}
_EVENTS: Final = {"put": _OPEN, "update": _OPEN, "finish": _ENDED}


class State(NamedTuple):
    """Where an order stands, before what is left of it decides."""

    word: str
    reason: str
    decided: bool
    """False: only what is left can tell a filled order from a canceled one."""


def state(row: Row) -> State:
    """What the order's own words say: `finish_as` before `status`, and `event` where neither is there."""
    finish = row.optional_word("finish_as")
    if finish not in _NO_WORD:
        word = row.choice(_FINISHES, "finish_as", default=_OPEN)
        reason = "" if word in (_OPEN, _FILLED) or finish in ("cancelled", "canceled") else finish
        return State(word, reason, decided=True)
    if row.optional_word("status") not in _NO_WORD or not row.has("event"):
        word = row.choice(_STATUSES, "status", default=_OPEN)
    else:
        word = row.choice(_EVENTS, "event", default=_OPEN)
    return State(word, "", decided=word != _ENDED)


def status_of(row: Row, found: State, left: Decimal | None, *, started: bool) -> OrderStatus:
    """The order's status.

    Args:
        row: the order.
        found: its words.
        left: what is left of it; None is "not stated".
        started: whether something was filled.
    """
    if found.word == _OPEN:
        return OrderStatus.PARTIALLY_FILLED if started else OrderStatus.NEW
    if found.word == _FILLED:
        return OrderStatus.FILLED
    if found.word == _ENDED and left is not None:
        return OrderStatus.CANCELED if left else OrderStatus.FILLED
    if not found.decided:
        row.fail("finish_as", "missing, and so is left: filled and canceled cannot be told")
    return OrderStatus.CANCELED


def is_filled(found: State) -> bool:
    """Whether the venue says that nothing is left."""
    return found.word == _FILLED


# ----------------------------------------------------------------- other words


def client_order_id(row: Row) -> str:
    """The client's id: `text` with its prefix `t-`. Without it the text names a source (`web`, `apiv4`)."""
    text = row.optional_id("text")
    return text if text.startswith("t-") else ""


_LIQUIDATIONS: Final = frozenset({"liquidation", "pm_liquidate", "comb_margin_liquidate", "scm_liquidate"})
_CLOSED_SIDES: Final = {"close_long": "LONG", "close_short": "SHORT"}


def execution_mark(row: Row) -> dict[str, str]:
    """What marks an execution that the venue forced, and the side of the position that an order closes."""
    found: dict[str, str] = {}
    text = row.note("text")
    if text in ("auto_deleveraging", "auto_deleveraged"):
        found["execution"] = "adl"
    elif row.data.get("is_liq") is True or text in _LIQUIDATIONS or text.startswith(("liq-", "hedge-liq-")):
        found["execution"] = "liquidation"
    elif text == "clear":  # the contract was delisted
        found["execution"] = "settlement"
    position = _CLOSED_SIDES.get(row.note("auto_size"))
    if position is not None:
        found["position_side"] = position
    return found


def fees(row: Row, currency: str, names: Iterable[tuple[str, str]], missing: str) -> Fees:
    """The fees of a fill: `fee`, or what was deducted in GT or points instead. Positive = cost.

    Args:
        row: the fill.
        currency: of `fee`.
        names: the keys of the other fees, each with its currency.
        missing: the key that would have told the currency.
    """
    sums: dict[str, Decimal] = {}
    amount = row.optional_number("fee")
    if amount:
        if not currency:
            row.fail(missing, "does not tell the currency of the fee")
            return ()
        sums[currency] = amount
    for key, other in names:
        deducted = row.optional_number(key)
        if deducted:
            sums[other] = EXACT.add(sums.get(other, ZERO), deducted)
    if not sums and amount is not None and currency:
        return ((currency, ZERO),)
    return tuple(sorted(sums.items()))


def moment(row: Row, *keys: str) -> int | None:
    """A time as nanoseconds: s, ms or us by its size, with a fraction or without; 0 is absent.

    Spot sends `create_time_ms` "1645464610777.399200" (ms), futures `create_time` 1645465199.5472 (s).
    """
    for key in keys:
        number = row.optional_number(key)
        if not number:
            continue
        places = 9 if number < 10**11 else 6 if number < 10**14 else 3 if number < 10**17 else 0
        time = int(EXACT.scaleb(number, places))
        if 0 < time <= NANOSECONDS_MAX:
            return time
        row.fail(key, "not a time since the epoch")
        return None
    return None


def needed_moment(row: Row, *keys: str) -> int | None:
    """A time that has to be there."""
    before = len(row.reading.faults)
    time = moment(row, *keys)
    if time is None and len(row.reading.faults) == before:
        row.fail(keys[-1], "missing")
    return time
