"""What is traded, and what goes wrong meanwhile. The same seed tells the same story."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from typing import Final

from fillhandler.v1 import fills_pb2, trades_pb2

VENUE: Final = "binance"


@dataclass(frozen=True, slots=True)
class OrderedFault:
    """What goes wrong with the next requests or messages of a kind (docs/simulated-exchange.md)."""

    fault: str
    operation: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Quote:
    """The best prices of a symbol."""

    bid: Decimal
    ask: Decimal


@dataclass(frozen=True, slots=True)
class Lane:
    """A symbol; its trades come one after another, beside those of the others.

    So each has its own faults: they are ordered by symbol.

    Attributes:
        listing: How the exchange is told to list it.
        tick: Step of prices.
        lot: What quantities are multiples of; a few dollars' worth.
        lots: How many of it an order is for, at least and at most.
    """

    symbol: str
    listing: str
    tick: Decimal
    lot: Decimal
    lots: tuple[int, int]


LANES: Final = (
    Lane("BTCUSDT", "BTCUSDT", Decimal("0.01"), Decimal("0.001"), (40, 160)),
    Lane("ETHUSDT", "ETHUSDT", Decimal("0.01"), Decimal("0.01"), (80, 320)),
    Lane("SOLUSDT", "SOLUSDT", Decimal("0.01"), Decimal("0.1"), (160, 640)),
    Lane("ADAUSDT", "ADAUSDT=0.45", Decimal("0.00001"), Decimal(10), (500, 2000)),
)


class Then(StrEnum):
    """What happens while an order works."""

    NOTHING = ""
    CANCEL = "cancel"
    DISCONNECT = "disconnect"


@dataclass(frozen=True, slots=True)
class Act:
    """One trade, and what is done to it.

    Attributes:
        title: What it shows, in a word or two.
        text: What will happen, for somebody who sees it for the first time.
        market: "spot" or "linear".
        type: As in ExecuteTradeRequest.
        reach: How far a limit is on the other side of the best price it could trade at, as a part of it.
            Below 0 it is on its own side: the order waits.
        times: The quantity, as a multiple of an ordinary one.
        quantity: It in full, whatever is ordinary.
        side: BUY or SELL; unspecified is either.
        faults: What the exchange is told to do wrong with it.
        deadline_seconds: Then the remainder is dealt with; None is never.
        then: What happens after `then_seconds`, if it still works.
    """

    title: str
    text: str
    market: str
    type: str
    reach: Decimal = Decimal(0)
    times: int = 1
    quantity: Decimal | None = None
    side: fills_pb2.Side.ValueType = fills_pb2.SIDE_UNSPECIFIED
    faults: tuple[OrderedFault, ...] = ()
    deadline_seconds: float | None = None
    remainder: trades_pb2.Remainder.ValueType = trades_pb2.REMAINDER_CANCEL
    then: Then = Then.NOTHING
    then_seconds: float = 0.5


_IN_THE_SPREAD: Final = Decimal("-0.00005")
_FAR: Final = Decimal("-0.02")

ACTS: Final = (
    # The first four, then the next, begin side by side, one a symbol.
    Act("market order", "It takes several levels of the book: one order, several fills.", "spot", "market"),
    Act(
        "rate limit",
        "The exchange will refuse it: too many requests. It is sent again when the exchange allows it.",
        "linear",
        "limit",
        Decimal("0.001"),
        faults=(OrderedFault("rate_limit", "place"),),
    ),
    Act(
        "answer lost",
        "The exchange will take the order and not answer. Whoever just sends it again trades twice.",
        "spot",
        "market",
        faults=(OrderedFault("timeout_after_accept", "place"),),
    ),
    Act(
        "post-only",
        "It waits in the book until others trade with it, piece by piece.",
        "spot",
        "post_only",
        _IN_THE_SPREAD,
        deadline_seconds=6,
    ),
    Act(
        "lost message",
        "It waits in the book; the exchange will drop the message about a fill.",
        "spot",
        "limit",
        _IN_THE_SPREAD,
        faults=(OrderedFault("drop_stream", "trade_event"),),
        deadline_seconds=8,
    ),
    Act(
        "IOC",
        "More than there is at that price: it takes what it gets at once, the rest expires.",
        "linear",
        "ioc",
        Decimal("0.0003"),
        times=20,
    ),
    Act(
        "duplicates",
        "The exchange will tell of each fill twice.",
        "spot",
        "limit",
        _IN_THE_SPREAD,
        faults=(OrderedFault("duplicate_stream", "trade_event", 3),),
        deadline_seconds=6,
    ),
    Act(
        "cancel and replace",
        "A limit too far away. At its deadline it is cancelled, and the rest is placed as a market order.",
        "linear",
        "limit",
        _FAR,
        deadline_seconds=1.5,
        remainder=trades_pb2.REMAINDER_REPLACE,
    ),
    Act(
        "refused",
        "More than the account can pay for. That is final: it is not tried again.",
        "spot",
        "limit",
        Decimal("1.2"),
        quantity=Decimal(1000),
        side=fills_pb2.SIDE_BUY,
    ),
    Act(
        "disconnect",
        "The exchange will cut its streams while the order works.",
        "spot",
        "limit",
        _IN_THE_SPREAD,
        deadline_seconds=6,
        then=Then.DISCONNECT,
    ),
    Act(
        "exchange error",
        "The exchange will fail, and will not have the order. Once that is certain, it is sent again.",
        "linear",
        "market",
        faults=(OrderedFault("temporary_error", "place"),),
    ),
    Act(
        "cancel",
        "A limit too far away; somebody cancels it.",
        "spot",
        "limit",
        _FAR,
        then=Then.CANCEL,
        then_seconds=1.5,
    ),
)


def acts(seed: int, number: int) -> Iterator[tuple[Act, trades_pb2.ExecuteTradeRequest]]:
    """What the lane with a number trades, without end: first its part of all acts, then any of them.

    The requests lack only their limit price, which `priced` sets.
    """
    lane = LANES[number]
    chance = random.Random(f"{seed}:{lane.symbol}")  # noqa: S311  # a story, no secret
    first = list(ACTS[number :: len(LANES)])
    count = 0
    while True:
        # What is refused for its quantity is so for one symbol only.
        act = first.pop(0) if first else chance.choice([each for each in ACTS if each.quantity is None])
        count += 1
        lots = chance.randint(*lane.lots) * act.times
        request = trades_pb2.ExecuteTradeRequest(
            request_id=f"demo-{lane.symbol}-{count}",
            venue=VENUE,
            market=act.market,
            symbol=lane.symbol,
            side=act.side or chance.choice((fills_pb2.SIDE_BUY, fills_pb2.SIDE_SELL)),
            quantity=_plain(act.quantity or lane.lot * lots),
            type=act.type,
        )
        if act.deadline_seconds is not None:
            request.deadline.FromTimedelta(timedelta(seconds=act.deadline_seconds))
            request.remainder = act.remainder
            if act.remainder == trades_pb2.REMAINDER_REPLACE:
                request.replacement_price = trades_pb2.REPLACEMENT_PRICE_MARKET
        yield act, request


def priced(
    act: Act, request: trades_pb2.ExecuteTradeRequest, lane: Lane, quote: Quote
) -> trades_pb2.ExecuteTradeRequest:
    """The request as it is sent, with what the market says now: the expected price, and the limit."""
    buys = request.side == fills_pb2.SIDE_BUY
    best = quote.ask if buys else quote.bid
    sent = trades_pb2.ExecuteTradeRequest()
    sent.CopyFrom(request)
    sent.expected_price = _plain(best)
    if act.type != "market":
        away = best * act.reach
        limit = best + away if buys else best - away
        ticks = (limit / lane.tick).to_integral_value(ROUND_DOWN)
        sent.limit_price = _plain(ticks * lane.tick)
    return sent


def _plain(value: Decimal) -> str:
    return format(value.normalize(), "f")
