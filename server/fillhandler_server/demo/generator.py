"""Made-up exchanges: orders that trade at once, in the venues' own payloads, with everything that goes wrong.

Pure: the same seed, start and pace give the same payloads. Each `Delivery` says what it is, so that the demo
can explain it, and carries its order's `Book`, so that the record can be compared with the truth.
"""

from __future__ import annotations

import heapq
import json
import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from functools import partial
from itertools import count
from typing import Final

from fillhandler_server.demo import binance, bitget, phemex
from fillhandler_server.demo.books import Book, Market, State, Status, Trade, plain, rounded


class Oddity(StrEnum):
    """What is unusual about a delivery."""

    DUPLICATE = "duplicate"
    """The same payload again, as after a reconnect."""
    SECOND_CHANNEL = "second channel"
    """A trade that was told already, in another shape."""
    OVERTAKES = "out of order"
    """It comes before an earlier one."""
    OVERTAKEN = "arrives after its successor"
    LATE = "late fill"
    """A fill of an order that was canceled meanwhile."""
    FILLED_FIRST = "filled before its fill"
    """The report FILLED comes before the last fill."""
    MISSING_FILL = "the missing fill"
    LACKING = "incomplete"
    """A fill without all that the venue will tell."""
    COMPLETING = "completed"
    CONFLICT = "conflict"
    """The same trade with other figures."""
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A payload as it comes from a venue.

    Attributes:
        at_seconds: When, since the start.
        name: What the venue calls it.
        outcomes: What should become of the fills in it, in their order: "RECORDED", "DUPLICATE" and so on.
        is_last: Whether nothing more comes about this order, so that its state must equal its book.
    """

    at_seconds: float
    venue: str
    name: str
    payload: bytes
    book: Book
    outcomes: tuple[str, ...] = ()
    oddity: Oddity | None = None
    is_last: bool = False


def _market(venue: str, kind: str, symbol: str, base: str, steps: str, lots: int, price: str) -> Market:
    tick, lot = steps.split("/")
    return Market(venue, kind, symbol, base, "USDT", Decimal(tick), Decimal(lot), lots, Decimal(price))


_BINANCE_SPOT: Final = (
    _market("binance", "spot", "BTCUSDT", "BTC", "0.01/0.00001", 4_000, "67213.40"),
    _market("binance", "spot", "ETHUSDT", "ETH", "0.01/0.0001", 9_000, "3521.15"),
    _market("binance", "spot", "SOLUSDT", "SOL", "0.01/0.001", 30_000, "152.38"),
)
_BINANCE_LINEAR: Final = (
    _market("binance", "linear", "BTCUSDT", "BTC", "0.1/0.001", 90, "67190.5"),
    _market("binance", "linear", "ETHUSDT", "ETH", "0.01/0.001", 2_000, "3519.90"),
)
_BITGET_SPOT: Final = (
    _market("bitget", "spot", "XRPUSDT", "XRP", "0.0001/0.01", 250_000, "0.6143"),
    _market("bitget", "spot", "LTCUSDT", "LTC", "0.01/0.001", 40_000, "81.07"),
)
_BITGET_LINEAR: Final = (
    _market("bitget", "linear", "ETHUSDT", "ETH", "0.01/0.01", 300, "3520.44"),
    _market("bitget", "linear", "BTCUSDT", "BTC", "0.1/0.001", 120, "67201.9"),
)
_PHEMEX_LINEAR: Final = (
    _market("phemex", "linear", "BTCUSDT", "BTC", "0.1/0.001", 150, "67188.3"),
    _market("phemex", "linear", "SOLUSDT", "SOL", "0.01/0.01", 4_000, "152.41"),
)
_PHEMEX_SPOT: Final = (
    _market("phemex", "spot", "sETHUSDT", "ETH", "0.01/0.0001", 8_000, "3520.02"),
    _market("phemex", "spot", "sBTCUSDT", "BTC", "0.01/0.000001", 30_000, "67195.55"),
)

_BNB_PRICE: Final = Decimal("590.4")
_PT_PRICE: Final = Decimal("0.05")

START_EVERY_SECONDS: Final = 0.7
STEP_SECONDS: Final = (0.35, 0.9)


class Generator:
    """Three exchanges. `deliveries` never ends."""

    def __init__(self, seed: int, start_ms: int, pace: float = 1.0) -> None:
        """
        Args:
            seed: what chance there is.
            start_ms: the exchanges' clock at the start, milliseconds since the epoch.
            pace: how much faster than a person can follow comfortably; 1 is comfortable.
        """
        self._draw = random.Random(seed)  # noqa: S311  # a show, not a secret
        self._start_ms = start_ms
        self._pace = pace
        self._prices = {
            (market.venue, market.kind, market.symbol): market.price
            for markets in (
                *(_BINANCE_SPOT, _BINANCE_LINEAR, _BITGET_SPOT),
                *(_BITGET_LINEAR, _PHEMEX_LINEAR, _PHEMEX_SPOT),
            )
            for market in markets
        }
        self._numbers = count(1)
        self._binance_orders = count(28_457_000_000 + self._draw.randrange(1_000_000), 17)
        self._binance_trades = count(3_912_000_000 + self._draw.randrange(1_000_000), 3)
        self._bitget_ids = count(1_298_394_344_925_597_696 + self._draw.randrange(1 << 40), 4_194_304)

    def deliveries(self) -> Iterator[Delivery]:
        """What comes from the venues, in the order of its coming."""
        waiting: list[tuple[float, int, Delivery]] = []
        numbers = count()
        for scene in self._scenes():
            start = next(numbers) * START_EVERY_SECONDS / self._pace
            while waiting and waiting[0][0] <= start:
                yield heapq.heappop(waiting)[2]
            for delivery in scene(start):
                heapq.heappush(waiting, (delivery.at_seconds, next(self._numbers), delivery))

    def _scenes(self) -> Iterator[Callable[[float], list[Delivery]]]:
        scenes = [
            self._binance_duplicate,
            self._bitget_out_of_order,
            self._phemex_late_fill,
            self._binance_market,
            self._bitget_second_channel,
            self._phemex_filled_first,
            self._binance_futures,
            self._bitget_conflict,
            self._binance_rejected,
            self._phemex_points,
        ]
        # The first turn is told in this order, so that even a short look sees the most telling ones.
        while True:
            yield from scenes
            self._draw.shuffle(scenes)

    # ------------------------------------------------------------------ scenes

    def _binance_duplicate(self, start: float) -> list[Delivery]:
        told = _Telling(self, start, self._open(_BINANCE_SPOT, start))
        book = told.book
        told.say("executionReport NEW", partial(binance.execution_report, trade=None))
        repeated = self._draw.randrange(3)
        for number in range(3):
            told.trade(last=number == 2, share=3 - number, fee=self._bnb_fee)
            trade = book.trades[-1]
            told.say(
                "executionReport TRADE",
                partial(binance.execution_report, trade=trade),
                "RECORDED",
            )
            if number == repeated:
                told.again(Oddity.DUPLICATE)
        return told.end()

    def _bitget_out_of_order(self, start: float) -> list[Delivery]:
        told = _Telling(self, start, self._open(_BITGET_SPOT, start))
        told.say("orders live", partial(bitget.orders_push, trade=None))
        for number in range(4):
            told.trade(last=number == 3, share=4 - number, fee=self._bitget_spot_fee)
            trade = told.book.trades[-1]
            told.say(
                "orders " + ("filled" if number == 3 else "partially_filled"),
                partial(bitget.orders_push, trade=trade),
                "RECORDED",
            )
        told.swap(2, 3)
        return told.end()

    def _phemex_late_fill(self, start: float) -> list[Delivery]:
        told = _Telling(self, start, self._open(_PHEMEX_LINEAR, start))
        told.say("orders_p New", partial(phemex.account_push, trade=None))
        for number in range(2):
            told.trade(share=4, fee=self._phemex_fee)
            trade = told.book.trades[-1]
            told.say(
                "orders_p " + ("MakerFill" if trade.is_maker else "TakerFill"),
                partial(phemex.account_push, trade=trade),
                "RECORDED",
                oddity=Oddity.LATE if number == 1 else None,
            )
        told.status = Status.CANCELED
        told.say("orders_p Canceled", partial(phemex.account_push, trade=None))
        told.exchange(-2, -1)
        told.delay(1.2)
        return told.end()

    def _binance_market(self, start: float) -> list[Delivery]:
        told = _Telling(self, start, self._open(_BINANCE_SPOT, start, kind="market"))
        for number in range(3):
            told.trade(last=number == 2, share=3 - number, fee=self._base_fee, is_maker=False, at_once=True)
        told.say("order FULL", binance.order_answer, *["RECORDED"] * 3, oddity=Oddity.LACKING)
        told.pause(1.5)
        told.say("myTrades", binance.my_trades, *["ENRICHED"] * 3, oddity=Oddity.COMPLETING)
        return told.end()

    def _bitget_second_channel(self, start: float) -> list[Delivery]:
        told = _Telling(self, start, self._open(_BITGET_LINEAR, start))
        book = told.book
        told.say("orders live", partial(bitget.orders_push, trade=None))
        for number in range(2):
            told.trade(last=number == 1, share=2 - number, fee=self._bitget_fee)
            trade = book.trades[-1]
            told.say(
                "orders " + ("filled" if number == 1 else "partially_filled"),
                partial(bitget.orders_push, trade=trade),
                "RECORDED",
            )
            told.pause(0.4)
            told.say(
                "fill",
                partial(bitget.fill_push, trade=trade),
                "DUPLICATE",
                oddity=Oddity.SECOND_CHANNEL,
            )
        return told.end()

    def _phemex_filled_first(self, start: float) -> list[Delivery]:
        told = _Telling(self, start, self._open(_PHEMEX_SPOT, start))
        told.say("wallet-order open", partial(phemex.wallet_push, trade=None))
        told.trade(share=2, fee=self._base_fee)
        trade = told.book.trades[-1]
        told.say("wallet-order fill", partial(phemex.wallet_push, trade=trade), "RECORDED")
        told.trade(last=True, fee=self._base_fee)
        last = told.book.trades[-1]
        told.say("wallet-order closed", partial(phemex.wallet_push, trade=None), oddity=Oddity.FILLED_FIRST)
        told.pause(1.2)
        told.say(
            "wallet-order fill",
            partial(phemex.wallet_push, trade=last),
            "RECORDED",
            oddity=Oddity.MISSING_FILL,
        )
        return told.end()

    def _binance_futures(self, start: float) -> list[Delivery]:
        told = _Telling(self, start, self._open(_BINANCE_LINEAR, start))
        book = told.book
        told.say("ORDER_TRADE_UPDATE NEW", partial(binance.order_trade_update, trade=None))
        for number in range(2):
            told.trade(last=number == 1, share=2 - number, fee=self._binance_futures_fee)
            trade = book.trades[-1]
            told.say(
                "TRADE_LITE",
                partial(binance.trade_lite, trade=trade),
                "RECORDED",
                oddity=Oddity.LACKING,
            )
            told.pause(0.4)
            told.say(
                "ORDER_TRADE_UPDATE TRADE",
                partial(binance.order_trade_update, trade=trade),
                "ENRICHED",
                oddity=Oddity.COMPLETING,
            )
        return told.end()

    def _bitget_conflict(self, start: float) -> list[Delivery]:
        told = _Telling(self, start, self._open(_BITGET_SPOT, start))
        book = told.book
        told.say("orders live", partial(bitget.orders_push, trade=None))
        for number in range(2):
            told.trade(last=number == 1, share=2 - number, fee=self._bitget_spot_fee)
            trade = book.trades[-1]
            told.say(
                "orders " + ("filled" if number == 1 else "partially_filled"),
                partial(bitget.orders_push, trade=trade),
                "RECORDED",
            )
        told.pause(1)
        first = book.trades[0]
        other = rounded(first.fee * Decimal("0.8"), 8)
        told.say(
            "spot/trade/fills",
            partial(bitget.fills_answer, trade=first, fee=other),
            "CONFLICT",
            oddity=Oddity.CONFLICT,
        )
        return told.end()

    def _binance_rejected(self, start: float) -> list[Delivery]:
        told = _Telling(self, start, self._open(_BINANCE_SPOT, start))
        told.book.reason = "INSUFFICIENT_BALANCES"
        told.status = Status.REJECTED
        told.say(
            "executionReport REJECTED",
            partial(binance.execution_report, trade=None),
            oddity=Oddity.REJECTED,
        )
        return told.end()

    def _phemex_points(self, start: float) -> list[Delivery]:
        told = _Telling(self, start, self._open(_PHEMEX_LINEAR, start))
        told.say("orders_p New", partial(phemex.account_push, trade=None))
        for number in range(3):
            told.trade(last=number == 2, share=3 - number, fee=self._points_fee)
            trade = told.book.trades[-1]
            told.say(
                "orders_p " + ("MakerFill" if trade.is_maker else "TakerFill"),
                partial(phemex.account_push, trade=trade),
                "RECORDED",
            )
        told.again(Oddity.DUPLICATE)
        return told.end()

    # ------------------------------------------------------------------ orders, prices, ids, fees

    def milliseconds(self, at_seconds: float) -> int:
        """The exchanges' clock."""
        return self._start_ms + int(at_seconds * 1000)

    def step(self) -> float:
        """Seconds from one delivery of an order to the next."""
        return self._draw.uniform(*STEP_SECONDS) / self._pace

    def _open(self, markets: tuple[Market, ...], start: float, kind: str = "limit") -> Book:
        market = self._draw.choice(markets)
        side = self._draw.choice(("BUY", "SELL"))
        number = next(self._numbers)
        price = self.move(market)
        away = market.tick * self._draw.randrange(5, 30)
        return Book(
            market=market,
            order_id=self._order_id(market.venue),
            client_order_id=f"demo-{number:06d}-{self._draw.getrandbits(32):08x}",
            side=side,
            kind=kind,
            quantity=market.lot * self._draw.randrange(market.lots // 2, market.lots * 2),
            limit_price=price + away if side == "BUY" else price - away,
            create_ms=self.milliseconds(start),
        )

    def _order_id(self, venue: str) -> str:
        if venue == "binance":
            return str(next(self._binance_orders))
        return self._venue_id(venue)

    def _venue_id(self, venue: str) -> str:
        if venue == "bitget":
            return str(next(self._bitget_ids) + self._draw.randrange(1 << 20))
        return str(uuid.UUID(int=self._draw.getrandbits(128), version=4))

    def trade_id(self, venue: str) -> str:
        """The next match's id, in the venue's form."""
        return str(next(self._binance_trades)) if venue == "binance" else self._venue_id(venue)

    def move(self, market: Market) -> Decimal:
        """The price a moment later."""
        key = (market.venue, market.kind, market.symbol)
        step = self._draw.randrange(-12, 13)
        # Back towards where it began: a long demo must not wander off.
        home = (market.price - self._prices[key]) / market.tick / 50
        self._prices[key] += market.tick * (step + int(home))
        return self._prices[key]

    def chance(self, share: float) -> bool:
        """True in this share of the cases."""
        return self._draw.random() < share

    def part(self, lots: int, share: int) -> int:
        """About one of `share` equal parts, at least one lot, and one left."""
        return max(1, min(lots - 1, lots * self._draw.randrange(60, 140) // 100 // share))

    def _bnb_fee(self, book: Book, quantity: Decimal, price: Decimal, maker: bool) -> tuple[Decimal, str]:
        return rounded(quantity * price * Decimal("0.00075") / _BNB_PRICE, 8), "BNB"

    def _base_fee(self, book: Book, quantity: Decimal, price: Decimal, maker: bool) -> tuple[Decimal, str]:
        if book.side == "BUY":
            return rounded(quantity * Decimal("0.001"), 8), book.market.base
        return rounded(quantity * price * Decimal("0.001"), 8), "USDT"

    def _binance_futures_fee(
        self, book: Book, quantity: Decimal, price: Decimal, maker: bool
    ) -> tuple[Decimal, str]:
        rate = Decimal("0.0002") if maker else Decimal("0.0005")
        return rounded(quantity * price * rate, 8), "USDT"

    def _bitget_spot_fee(
        self, book: Book, quantity: Decimal, price: Decimal, maker: bool
    ) -> tuple[Decimal, str]:
        if book.side == "BUY":
            return rounded(quantity * Decimal("0.001"), 6), book.market.base
        return rounded(quantity * price * Decimal("0.001"), 8), "USDT"

    def _bitget_fee(self, book: Book, quantity: Decimal, price: Decimal, maker: bool) -> tuple[Decimal, str]:
        # A market maker is paid.
        rate = Decimal("-0.00005") if maker else Decimal("0.0006")
        return rounded(quantity * price * rate, 8), "USDT"

    def _phemex_fee(self, book: Book, quantity: Decimal, price: Decimal, maker: bool) -> tuple[Decimal, str]:
        rate = Decimal("0.0001") if maker else Decimal("0.0006")
        return rounded(quantity * price * rate, 8), "USDT"

    def _points_fee(self, book: Book, quantity: Decimal, price: Decimal, maker: bool) -> tuple[Decimal, str]:
        amount, _ = self._phemex_fee(book, quantity, price, maker)
        return rounded(amount * Decimal("0.8") / _PT_PRICE, 8), "PT"


Fee = Callable[[Book, Decimal, Decimal, bool], tuple[Decimal, str]]


class _Telling:
    """One order as it goes on, and the deliveries that tell it."""

    def __init__(self, generator: Generator, start: float, book: Book) -> None:
        self._generator = generator
        self._now = start
        self._lots = int(book.quantity / book.market.lot)
        self._deliveries: list[Delivery] = []
        self.book = book
        self.status = Status.NEW

    def pause(self, times: float) -> None:
        """Lets time pass."""
        self._now += times * self._generator.step()

    def trade(
        self,
        *,
        fee: Fee,
        last: bool = False,
        share: int = 1,
        is_maker: bool | None = None,
        at_once: bool = False,
    ) -> None:
        """The exchange matches a part, or with `last` all that is left."""
        if not at_once:
            self.pause(1)
        generator, book = self._generator, self.book
        lots = self._lots if last else generator.part(self._lots, max(2, share))
        self._lots -= lots
        quantity = book.market.lot * lots
        price = generator.move(book.market)
        maker = generator.chance(0.5) if is_maker is None else is_maker
        amount, currency = fee(book, quantity, price, maker)
        time_ms = generator.milliseconds(self._now)
        trade_id = generator.trade_id(book.market.venue)
        book.trades.append(Trade(trade_id, quantity, price, amount, currency, maker, time_ms))
        self.status = Status.FILLED if last else Status.PARTIALLY_FILLED

    def say(
        self,
        name: str,
        payload: Callable[[State], object],
        *outcomes: str,
        oddity: Oddity | None = None,
    ) -> None:
        """The venue tells how the order stands now."""
        book = self.book
        self._now += 0.08 * self._generator.step()
        state = State(book, tuple(book.trades), self.status, self._generator.milliseconds(self._now))
        self._deliveries.append(
            Delivery(
                at_seconds=self._now,
                venue=book.market.venue,
                name=name,
                payload=json.dumps(payload(state), separators=(",", ":")).encode(),
                book=book,
                outcomes=outcomes,
                oddity=oddity,
            )
        )

    def again(self, oddity: Oddity) -> None:
        """The last delivery comes once more, later."""
        self.pause(0.7)
        last = self._deliveries[-1]
        self._deliveries.append(
            replace(
                last,
                at_seconds=self._now,
                outcomes=tuple("DUPLICATE" for _ in last.outcomes),
                oddity=oddity,
            )
        )

    def swap(self, first: int, second: int) -> None:
        """Two deliveries arrive in each other's place, and say so."""
        self.exchange(first, second)
        overtaking, overtaken = self._deliveries[first], self._deliveries[second]
        self._deliveries[first] = replace(overtaking, oddity=Oddity.OVERTAKES)
        self._deliveries[second] = replace(overtaken, oddity=Oddity.OVERTAKEN)

    def exchange(self, first: int, second: int) -> None:
        """Two deliveries arrive in each other's place."""
        held = self._deliveries
        early, late = held[first], held[second]
        held[first] = replace(late, at_seconds=early.at_seconds)
        held[second] = replace(early, at_seconds=late.at_seconds)

    def delay(self, times: float) -> None:
        """The last delivery is on its way for longer."""
        last = self._deliveries[-1]
        self._deliveries[-1] = replace(last, at_seconds=last.at_seconds + times * self._generator.step())

    def end(self) -> list[Delivery]:
        """All deliveries; the book is closed."""
        self.book.status = self.status
        self._deliveries[-1] = replace(self._deliveries[-1], is_last=True)
        return self._deliveries


def describe(book: Book) -> str:
    """An order in words, such as "BUY 0.5 ETHUSDT @ 3521.15"."""
    price = f" @ {plain(book.limit_price)}" if book.kind == "limit" else " at market"
    return f"{book.side} {plain(book.quantity)} {book.market.symbol}{price}"
