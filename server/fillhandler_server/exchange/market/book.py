"""What there is to trade against: a random walk of the middle price, and levels drawn around it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final, Protocol

from fillhandler_server.domain.numbers import EXACT, ZERO
from fillhandler_server.exchange.market.orders import Side
from fillhandler_server.exchange.market.symbols import Symbol

LEVELS: Final = 20
_STEPS_AT_ONCE_MAX: Final = 100
"""A book that nobody looked at for long goes on from where it was instead of walking for minutes."""
_MOVE_MAX: Final = Decimal("0.0002")
"""The most that one step moves the price, as a part of it."""
_HALF_SPREAD: Final = Decimal("0.00005")
_FAR: Final = (Decimal("0.9"), Decimal("1.1"))
"""Beyond these parts of where it started, the walk turns back."""
_LEVEL_NOTIONAL: Final = (40, 800)
"""What the best level holds at least and at most, in smallest notionals; deeper ones hold more."""
_ROUGH: Final = Context(prec=28, rounding=ROUND_HALF_EVEN)


class Chance(Protocol):
    """What is needed of `random.Random`."""

    def random(self) -> float: ...

    def randint(self, a: int, b: int, /) -> int: ...


@dataclass(frozen=True, slots=True)
class Level:
    price: Decimal
    quantity: Decimal


class Book:
    """One symbol's book.

    The walk and the levels have chances of their own, so that the price at step n depends on the seed alone,
    not on who traded before.
    """

    def __init__(self, symbol: Symbol, walk: Chance, levels: Chance, step_ms: int) -> None:
        self.symbol = symbol
        self.mid = symbol.price
        self.paused = False
        self.update_id = 1
        self._start = symbol.price
        self._walk = walk
        self._chance = levels
        self._step_ms = step_ms
        self._walked_to: int | None = None
        self._sides: dict[Side, list[Level]] = {}
        self._draw()

    @property
    def bids(self) -> list[Level]:
        """What a seller meets, best first."""
        return self._sides[Side.SELL]

    @property
    def asks(self) -> list[Level]:
        """What a buyer meets, best first."""
        return self._sides[Side.BUY]

    def advance(self, now: int) -> bool:
        """Walks up to a time (ms); whether it took a step."""
        if self._walked_to is None or self.paused:
            self._walked_to = now
            return False
        steps = (now - self._walked_to) // self._step_ms
        if steps <= 0:
            # A clock that was put back starts a new count.
            self._walked_to = min(self._walked_to, now)
            return False
        self._walked_to += steps * self._step_ms
        self.step(min(steps, _STEPS_AT_ONCE_MAX))
        return True

    def step(self, count: int = 1) -> None:
        """Steps of the walk, at once."""
        for _ in range(count):
            reach = max(1, int(_ROUGH.divide(self.mid * _MOVE_MAX, self.symbol.tick)))
            move = self._walk.randint(-reach, reach)
            if self.mid < self._start * _FAR[0]:
                move = abs(move)
            elif self.mid > self._start * _FAR[1]:
                move = -abs(move)
            moved = EXACT.add(self.mid, EXACT.multiply(self.symbol.tick, Decimal(move)))
            self.mid = max(moved, self._floor())
        self._draw()

    def jump(self, price: Decimal) -> None:
        """Moves the middle to a price, rounded to a tick; the walk goes on from there."""
        rounded = EXACT.multiply(price // self.symbol.tick, self.symbol.tick)
        self.mid = self._start = max(rounded, self._floor())
        self._draw()

    def plan(
        self, side: Side, quantity: Decimal | None, *, limit: Decimal | None, budget: Decimal | None
    ) -> list[Level]:
        """What a taker would get: price and quantity by level, best first, up to a limit or a budget."""
        taken: list[Level] = []
        left = quantity
        money = budget
        for level in self._sides[side]:
            if limit is not None and (level.price > limit if side is Side.BUY else level.price < limit):
                break
            amount = level.quantity
            if left is not None:
                amount = min(amount, left)
            if money is not None:
                affordable = self._affordable(money, level.price)
                amount = min(amount, affordable)
            if amount <= ZERO:
                break
            taken.append(Level(level.price, amount))
            if left is not None:
                left = EXACT.subtract(left, amount)
            if money is not None:
                money = EXACT.subtract(money, EXACT.multiply(level.price, amount))
            if left == ZERO:
                break
        return taken

    def refill(self) -> None:
        """New levels after somebody took some."""
        self._draw()

    def piece(self, remaining: Decimal, whole: Decimal, price: Decimal) -> Decimal:
        """How much of a resting order the market trades at once: it takes two to five pieces."""
        step = self.symbol.step
        steps = int(remaining // step)
        if remaining * 4 <= whole or remaining * price <= self.symbol.notional_min or steps < 2:
            return remaining
        return EXACT.multiply(step, Decimal(self._chance.randint(max(1, steps // 3), max(1, steps * 3 // 4))))

    def meets(self) -> bool:
        """Whether a trade comes to an order that stands at the best price."""
        return self._chance.random() < 0.15

    def _affordable(self, money: Decimal, price: Decimal) -> Decimal:
        step = self.symbol.step
        return EXACT.multiply(money // EXACT.multiply(price, step), step)

    def _floor(self) -> Decimal:
        return EXACT.multiply(self.symbol.tick, Decimal(LEVELS * 4))

    def _draw(self) -> None:
        self.update_id += 1
        tick, step = self.symbol.tick, self.symbol.step
        gap = EXACT.multiply(tick, max(Decimal(1), self.mid * _HALF_SPREAD // tick))
        low, high = (
            max(1, int(_ROUGH.divide(times * self.symbol.notional_min, self.mid * step)))
            for times in _LEVEL_NOTIONAL
        )
        # A deep gap must not reach below zero.
        gap = min(gap, EXACT.multiply(tick, max(Decimal(1), self.mid // tick // (LEVELS * 2))))
        for side, sign in ((Side.BUY, 1), (Side.SELL, -1)):
            self._sides[side] = [
                Level(
                    EXACT.add(self.mid, EXACT.multiply(gap, Decimal(sign * (number + 1)))),
                    EXACT.multiply(step, Decimal(self._chance.randint(low, high) * (number + 2) // 2)),
                )
                for number in range(LEVELS)
            ]
