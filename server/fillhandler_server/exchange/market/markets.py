"""The two markets: what an order reserves, and how a trade is paid."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from fillhandler_server.domain.numbers import EXACT, ZERO
from fillhandler_server.exchange.market.book import Level
from fillhandler_server.exchange.market.matching import Fees, Market, Reason, RefusedError, commission
from fillhandler_server.exchange.market.orders import Order, OrderType, Side, Trade
from fillhandler_server.exchange.market.symbols import MarketName
from fillhandler_server.exchange.market.wallets import MARGIN, FuturesWallet, SpotWallet

SPOT_FEES: Final = Fees(maker=Decimal("0.001"), taker=Decimal("0.001"))
LINEAR_FEES: Final = Fees(maker=Decimal("0.0002"), taker=Decimal("0.0005"))


class SpotMarket(Market):
    """Orders lock what they may spend; the fee is taken from what a trade brings."""

    name = MarketName.SPOT

    def __init__(self, wallet: SpotWallet, **settings: Any) -> None:
        super().__init__(**settings)
        self.wallet = wallet

    def _spends(self, order: Order) -> str:
        return order.symbol.quote if order.side is Side.BUY else order.symbol.base

    def _reserve(self, order: Order, plan: list[Level]) -> None:
        if order.side is Side.SELL:
            amount = order.quantity
        elif order.type is OrderType.MARKET:
            amount = sum((EXACT.multiply(level.price, level.quantity) for level in plan), start=ZERO)
        else:
            amount = EXACT.multiply(order.price, order.quantity)
        asset = self._spends(order)
        if not self.wallet.can_pay(asset, amount):
            raise RefusedError(Reason.FUNDS)
        self.wallet.lock(order, asset, amount)

    def _release(self, order: Order) -> None:
        self.wallet.release(order, self._spends(order), order.locked)

    def _settle(
        self, order: Order, trade_id: int, price: Decimal, quantity: Decimal, *, maker: bool, now: int
    ) -> Trade:
        symbol = order.symbol
        # A limit order had its limit locked; what a better price leaves over becomes free.
        held = price if order.type is OrderType.MARKET else order.price
        amount = EXACT.multiply(held, quantity) if order.side is Side.BUY else quantity
        self.wallet.release(order, self._spends(order), amount)
        brings = quantity if order.side is Side.BUY else EXACT.multiply(price, quantity)
        trade = Trade(
            id=trade_id,
            order_id=order.id,
            client_order_id=order.client_order_id,
            symbol=symbol,
            side=order.side,
            price=price,
            quantity=quantity,
            commission=commission(brings, self.fees.of(maker=maker)),
            commission_asset=symbol.base if order.side is Side.BUY else symbol.quote,
            maker=maker,
            time=now,
        )
        self.wallet.settle(trade, now=now)
        return trade


class LinearMarket(Market):
    """Orders need margin; trades move positions, and the fee is paid in the quote currency."""

    name = MarketName.LINEAR

    def __init__(self, wallet: FuturesWallet, **settings: Any) -> None:
        super().__init__(**settings)
        self.wallet = wallet

    def order_margin(self) -> Decimal:
        """What the open orders reserve."""
        return sum((each.locked for orders in self.resting.values() for each in orders.values()), start=ZERO)

    def available(self) -> Decimal:
        """What new orders may reserve."""
        marks = self.marks()
        used = self.wallet.position_margin(marks) + self.order_margin()
        return self.wallet.balance + self.wallet.unrealized(marks) - used

    def _not_fillable(self) -> list[Level]:
        raise RefusedError(Reason.NOT_FILLABLE)

    def _against(self, order: Order) -> Decimal:
        """The position that an order would reduce; below zero where it would add."""
        position = self.wallet.position(order.symbol).quantity
        return position if order.side is Side.SELL else -position

    def _allowed(self, order: Order, size: Decimal) -> Decimal:
        return min(size, max(self._against(order), ZERO)) if order.reduce_only else size

    def _reserve(self, order: Order, plan: list[Level]) -> None:
        if order.type is OrderType.MARKET and not plan:
            raise RefusedError(Reason.NO_BOOK)
        against = self._against(order)
        if order.reduce_only:
            if against <= ZERO or order.quantity > against:
                raise RefusedError(Reason.NOT_REDUCING)
            return
        price = order.price or self.books[order.symbol.name].mid
        opening = max(order.quantity - max(against, ZERO), ZERO)
        margin = EXACT.multiply(EXACT.multiply(price, opening), MARGIN)
        if margin > self.available():
            raise RefusedError(Reason.FUNDS)
        order.locked = margin

    def _release(self, order: Order) -> None:
        order.locked = ZERO

    def _settle(
        self, order: Order, trade_id: int, price: Decimal, quantity: Decimal, *, maker: bool, now: int
    ) -> Trade:
        symbol = order.symbol
        left = EXACT.subtract(order.remaining, quantity)
        order.locked = min(order.locked, EXACT.multiply(EXACT.multiply(order.price, left), MARGIN))
        realized = self.wallet.enter(symbol, order.side, price, quantity, now)
        paid = commission(EXACT.multiply(price, quantity), self.fees.of(maker=maker))
        self.wallet.balance = EXACT.subtract(self.wallet.balance, paid)
        return Trade(
            id=trade_id,
            order_id=order.id,
            client_order_id=order.client_order_id,
            symbol=symbol,
            side=order.side,
            price=price,
            quantity=quantity,
            commission=paid,
            commission_asset=symbol.quote,
            maker=maker,
            time=now,
            realized=realized,
        )
