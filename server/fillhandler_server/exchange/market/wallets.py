"""What the account has. Spot: balances by asset, free and locked. Futures: a balance, positions, margin."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from fillhandler_server.domain.numbers import EXACT, SHOWN, ZERO
from fillhandler_server.exchange.market.orders import Order, Side, Trade
from fillhandler_server.exchange.market.symbols import Symbol

LEVERAGE: Final = 20
MARGIN: Final = Decimal("0.05")
"""The margin a notional needs: one part in LEVERAGE."""
_CENT: Final = Decimal("1E-8")


@dataclass(slots=True)
class Balance:
    free: Decimal = ZERO
    locked: Decimal = ZERO


class SpotWallet:
    """Balances by asset; nothing falls below zero."""

    def __init__(self, balances: dict[str, Decimal], *, now: int) -> None:
        self.balances = {asset: Balance(amount) for asset, amount in balances.items()}
        self.update_time = now

    def of(self, asset: str) -> Balance:
        return self.balances.setdefault(asset, Balance())

    def can_pay(self, asset: str, amount: Decimal) -> bool:
        return self.of(asset).free >= amount

    def lock(self, order: Order, asset: str, amount: Decimal) -> None:
        balance = self.of(asset)
        balance.free = EXACT.subtract(balance.free, amount)
        balance.locked = EXACT.add(balance.locked, amount)
        order.locked = EXACT.add(order.locked, amount)

    def release(self, order: Order, asset: str, amount: Decimal) -> None:
        balance = self.of(asset)
        balance.free = EXACT.add(balance.free, amount)
        balance.locked = EXACT.subtract(balance.locked, amount)
        order.locked = EXACT.subtract(order.locked, amount)

    def settle(self, trade: Trade, *, now: int) -> None:
        """Moves what a trade gives and takes; what the order had locked for it was released before."""
        symbol = trade.symbol
        sign = 1 if trade.side is Side.BUY else -1
        for asset, amount in (
            (symbol.base, trade.quantity * sign),
            (symbol.quote, trade.quote_quantity * -sign),
            (trade.commission_asset, -trade.commission),
        ):
            balance = self.of(asset)
            balance.free = EXACT.add(balance.free, amount)
            assert balance.free >= ZERO, f"{asset} was spent twice"
        self.update_time = now


@dataclass(slots=True)
class Position:
    """One-way mode: below zero is short. `cost` is what the quantity was entered for, signed alike."""

    symbol: Symbol
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realized: Decimal = ZERO
    update_time: int = 0

    @property
    def entry_price(self) -> Decimal:
        return SHOWN.divide(self.cost, self.quantity) if self.quantity else ZERO

    def unrealized(self, mark: Decimal) -> Decimal:
        return EXACT.subtract(EXACT.multiply(self.quantity, mark), self.cost)


class FuturesWallet:
    """A balance in USDT, cross margin, one-way positions."""

    def __init__(self, balance: Decimal, *, now: int) -> None:
        self.balance = balance
        self.positions: dict[str, Position] = {}
        # Clients take a balance that was never updated for none.
        self.update_time = now

    def position(self, symbol: Symbol) -> Position:
        return self.positions.setdefault(symbol.name, Position(symbol))

    def position_margin(self, marks: dict[str, Decimal]) -> Decimal:
        """The margin of all positions, at these prices."""
        return sum(
            (abs(each.quantity) * marks[name] * MARGIN for name, each in self.positions.items()), start=ZERO
        )

    def unrealized(self, marks: dict[str, Decimal]) -> Decimal:
        return sum((each.unrealized(marks[name]) for name, each in self.positions.items()), start=ZERO)

    def enter(self, symbol: Symbol, side: Side, price: Decimal, quantity: Decimal, now: int) -> Decimal:
        """Moves a position by a trade; the profit that was realized, rounded to 8 places.

        What is rounded off stays in the cost of the rest, so that nothing is lost over the trades.
        """
        position = self.position(symbol)
        signed = quantity if side is Side.BUY else -quantity
        closing = min(abs(signed), abs(position.quantity)) if position.quantity * signed < ZERO else ZERO
        realized = ZERO
        if closing:
            direction = Decimal(1) if position.quantity > ZERO else Decimal(-1)
            if closing == abs(position.quantity):
                share = position.cost
            else:
                share = SHOWN.divide(position.cost * closing, abs(position.quantity)).quantize(
                    _CENT, rounding=ROUND_HALF_EVEN, context=SHOWN
                )
            realized = EXACT.subtract(EXACT.multiply(direction * closing, price), share)
            position.quantity = EXACT.subtract(position.quantity, direction * closing)
            position.cost = EXACT.subtract(position.cost, share)
        opening = EXACT.subtract(abs(signed), closing)
        if opening:
            more = opening if side is Side.BUY else -opening
            position.quantity = EXACT.add(position.quantity, more)
            position.cost = EXACT.add(position.cost, EXACT.multiply(more, price))
        position.realized = EXACT.add(position.realized, realized)
        position.update_time = self.update_time = now
        self.balance = EXACT.add(self.balance, realized)
        return realized
