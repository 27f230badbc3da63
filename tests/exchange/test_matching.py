"""The markets: what trades, at which prices, and who pays what. Values in, values out."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from fillhandler_server.exchange.market.markets import LINEAR_FEES, SPOT_FEES, LinearMarket, SpotMarket
from fillhandler_server.exchange.market.matching import Change, Execution, Reason, RefusedError
from fillhandler_server.exchange.market.orders import NewOrder, OrderType, Side, Status, TimeInForce
from fillhandler_server.exchange.market.symbols import SYMBOLS, symbol
from fillhandler_server.exchange.market.wallets import FuturesWallet, SpotWallet

NOW = 1_767_000_000_000
FUNDS = {"BTC": Decimal(100), "USDT": Decimal(10_000_000), "ETH": Decimal(0), "SOL": Decimal(0)}


class Desk:
    """Both markets with everything that they told."""

    def __init__(self, seed: int = 1, funds: dict[str, Decimal] = FUNDS, futures: int = 1_000_000) -> None:
        self.changes: list[Change] = []
        settings: dict[str, Any] = {
            "symbols": [symbol(each) for each in SYMBOLS],
            "chance": lambda name: random.Random(f"{seed}:{name}"),
            "first_id": 1_000,
            "step_ms": 100,
            "changed": self.changes.append,
        }
        self.spot = SpotMarket(SpotWallet(dict(funds), now=NOW), fees=SPOT_FEES, **settings)
        self.linear = LinearMarket(FuturesWallet(Decimal(futures), now=NOW), fees=LINEAR_FEES, **settings)

    @property
    def executions(self) -> list[Execution]:
        return [each.execution for each in self.changes]


def order(**values: Any) -> NewOrder:
    base = NewOrder(
        symbol="BTCUSDT",
        side=Side.BUY,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        client_order_id="mine",
        quantity=Decimal("0.5"),
        price=Decimal(59_000),
    )
    return replace(base, **values)


def market_order(**values: Any) -> NewOrder:
    return order(type=OrderType.MARKET, price=None, **values)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_market_order_takes_levels_at_rising_prices(desk: Desk) -> None:
    asks = desk.spot.books["BTCUSDT"].asks

    placed = desk.spot.place(market_order(), NOW)

    assert placed.status is Status.FILLED
    assert len(placed.trades) > 1
    assert [trade.price for trade in placed.trades] == [level.price for level in asks[: len(placed.trades)]]
    assert sum(trade.quantity for trade in placed.trades) == placed.executed == Decimal("0.5")
    assert desk.executions == [Execution.NEW, *[Execution.TRADE] * len(placed.trades)]


def test_a_market_order_larger_than_the_book_expires_with_what_it_got(desk: Desk) -> None:
    everything = sum(level.quantity for level in desk.spot.books["BTCUSDT"].asks)

    placed = desk.spot.place(market_order(quantity=Decimal(90)), NOW)

    assert (placed.status, placed.executed) == (Status.EXPIRED, everything)
    assert desk.executions[-1] is Execution.EXPIRED


def test_a_market_order_by_quote_spends_no_more(desk: Desk) -> None:
    placed = desk.spot.place(market_order(quantity=None, quote_quantity=Decimal(20_000)), NOW)

    assert placed.status is Status.FILLED
    assert Decimal(19_990) < placed.state.quote_executed <= Decimal(20_000)


def test_money_and_fees_are_exact(desk: Desk) -> None:
    bought = desk.spot.place(market_order(), NOW)
    sold = desk.spot.place(market_order(side=Side.SELL, client_order_id="other"), NOW)

    wallet = desk.spot.wallet.balances
    fees = sum(trade.commission for trade in bought.trades)
    assert {trade.commission_asset for trade in bought.trades} == {"BTC"}
    assert {trade.commission_asset for trade in sold.trades} == {"USDT"}
    assert fees == Decimal("0.0005")
    rounded_off = Decimal("1E-8") * len(sold.trades)
    cost = sold.state.quote_executed / 1000
    assert cost - rounded_off < sum(trade.commission for trade in sold.trades) <= cost
    assert wallet["BTC"].free == FUNDS["BTC"] - fees
    brought = sold.state.quote_executed - sum(trade.commission for trade in sold.trades)
    assert wallet["USDT"].free == FUNDS["USDT"] - bought.state.quote_executed + brought
    assert wallet["BTC"].locked == wallet["USDT"].locked == 0


def test_a_resting_order_locks_money_and_gives_it_back(desk: Desk) -> None:
    placed = desk.spot.place(order(), NOW)
    assert desk.spot.wallet.balances["USDT"].locked == Decimal(29_500)

    desk.spot.cancel(placed, NOW + 1, "the-cancel")

    assert desk.spot.wallet.balances["USDT"].locked == 0
    assert desk.spot.wallet.balances["USDT"].free == FUNDS["USDT"]
    assert placed.status is Status.CANCELED
    assert desk.spot.open_orders() == []


def test_a_crossed_order_fills_in_pieces_at_its_own_price(desk: Desk) -> None:
    placed = desk.spot.place(order(), NOW)

    desk.spot.jump("BTCUSDT", Decimal(58_000), NOW + 1, pieces=1)
    assert placed.status is Status.PARTIALLY_FILLED
    assert desk.spot.wallet.balances["USDT"].locked == placed.price * placed.remaining

    desk.spot.jump("BTCUSDT", Decimal(58_000), NOW + 2)
    assert placed.status is Status.FILLED
    assert 2 <= len(placed.trades) <= 5
    assert all(trade.maker and trade.price == Decimal(59_000) for trade in placed.trades)
    assert desk.spot.wallet.balances["USDT"].locked == 0


def test_the_walk_meets_resting_orders_by_itself(desk: Desk) -> None:
    mid = desk.spot.books["BTCUSDT"].mid
    placed = desk.spot.place(order(price=mid - Decimal("0.01")), NOW)
    assert placed.status is Status.NEW

    for step in range(1, 600):
        desk.spot.tick(NOW + step * 100)

    assert placed.status is Status.FILLED
    assert len({trade.time for trade in placed.trades}) > 1


@pytest.mark.parametrize(
    ("force", "status"), [(TimeInForce.IOC, Status.EXPIRED), (TimeInForce.FOK, Status.EXPIRED)]
)
def test_what_may_not_rest_expires(desk: Desk, force: TimeInForce, status: Status) -> None:
    best = desk.spot.books["BTCUSDT"].asks[0]

    placed = desk.spot.place(
        order(time_in_force=force, price=best.price, quantity=best.quantity + Decimal("0.5")), NOW
    )

    assert placed.status is status
    assert placed.executed == (best.quantity if force is TimeInForce.IOC else 0)
    assert desk.spot.wallet.balances["USDT"].locked == 0


def test_fill_or_kill_fills_whole_where_it_can(desk: Desk) -> None:
    far = desk.spot.books["BTCUSDT"].asks[-1].price

    assert desk.spot.place(order(time_in_force=TimeInForce.FOK, price=far), NOW).status is Status.FILLED


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"symbol": "NOUSDT"}, Reason.UNKNOWN_SYMBOL),
        ({"quantity": Decimal("0.500001")}, Reason.LOT_SIZE),
        ({"quantity": Decimal("0.000001")}, Reason.QUANTITY_TOO_SMALL),
        ({"quantity": Decimal(100_000_000)}, Reason.QUANTITY_TOO_LARGE),
        ({"price": Decimal("59000.001")}, Reason.PRICE_FILTER),
        ({"quantity": Decimal("0.00001")}, Reason.NOTIONAL),
        ({"quantity": Decimal(999)}, Reason.FUNDS),
        ({"side": Side.SELL, "price": Decimal(70_000), "quantity": Decimal(101)}, Reason.FUNDS),
        ({"type": OrderType.LIMIT_MAKER, "price": Decimal(70_000)}, Reason.WOULD_TAKE),
    ],
)
def test_a_refused_order_leaves_nothing(desk: Desk, values: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(RefusedError) as caught:
        desk.spot.place(order(**values), NOW)

    assert caught.value.reason is reason
    assert not desk.changes
    assert not desk.spot.orders
    assert desk.spot.wallet.balances["USDT"].free == FUNDS["USDT"]


def test_a_client_order_id_is_free_again_once_its_order_ended(desk: Desk) -> None:
    first = desk.spot.place(order(), NOW)
    with pytest.raises(RefusedError) as caught:
        desk.spot.place(order(), NOW)
    assert caught.value.reason is Reason.DUPLICATE_ID

    desk.spot.cancel(first, NOW, "c")
    again = desk.spot.place(order(), NOW)

    assert again.id > first.id
    assert desk.spot.find("BTCUSDT", client_order_id="mine") is again


def test_the_same_seed_gives_the_same_prices_whoever_trades() -> None:
    paths = []
    for trades in (False, True):
        desk = Desk(seed=5)
        path = []
        for _ in range(50):
            desk.spot.step(NOW)
            if trades:
                desk.spot.place(market_order(quantity=Decimal("0.1")), NOW)
            path.append(desk.spot.books["BTCUSDT"].mid)
        paths.append(path)

    assert paths[0] == paths[1]
    assert len(set(paths[0])) > 40
    assert Desk(seed=6).spot.books["BTCUSDT"].asks != Desk(seed=5).spot.books["BTCUSDT"].asks


def test_a_futures_position_goes_up_down_and_over(desk: Desk) -> None:
    def trade(side: Side, quantity: str) -> None:
        desk.linear.place(market_order(side=side, quantity=Decimal(quantity)), NOW)

    trade(Side.BUY, "0.3")
    trade(Side.BUY, "0.1")
    desk.linear.jump("BTCUSDT", Decimal(61_000), NOW)
    trade(Side.SELL, "0.15")
    trade(Side.SELL, "0.55")

    position = desk.linear.wallet.positions["BTCUSDT"]
    assert position.quantity == Decimal("-0.3")
    trades = desk.linear.trades["BTCUSDT"]
    paid = sum(each.quote_quantity * (1 if each.side is Side.BUY else -1) for each in trades)
    # What came in, less what the standing position was entered for, is what was realized: to the last digit.
    assert position.realized == position.cost - paid
    assert sum(each.realized for each in trades) == position.realized > 0
    fees = sum(each.commission for each in trades)
    assert desk.linear.wallet.balance == Decimal(1_000_000) + position.realized - fees


def test_futures_need_margin_and_reduce_only_reduces() -> None:
    desk = Desk(futures=1_000)
    with pytest.raises(RefusedError) as caught:
        desk.linear.place(order(), NOW)
    assert caught.value.reason is Reason.FUNDS

    with pytest.raises(RefusedError) as caught:
        desk.linear.place(market_order(quantity=Decimal("0.1"), reduce_only=True), NOW)
    assert caught.value.reason is Reason.NOT_REDUCING

    desk.linear.place(market_order(quantity=Decimal("0.1")), NOW)
    desk.linear.place(
        market_order(side=Side.SELL, quantity=Decimal("0.1"), reduce_only=True, client_order_id="b"), NOW
    )
    assert desk.linear.wallet.positions["BTCUSDT"].quantity == 0


def test_two_reduce_only_orders_do_not_turn_a_position_over(desk: Desk) -> None:
    desk.linear.place(market_order(quantity=Decimal("0.1")), NOW)
    for name in ("a", "b"):
        closing = order(
            side=Side.SELL,
            quantity=Decimal("0.1"),
            price=Decimal(61_000),
            reduce_only=True,
            client_order_id=name,
        )
        desk.linear.place(closing, NOW)

    desk.linear.jump("BTCUSDT", Decimal(62_000), NOW)

    assert desk.linear.wallet.positions["BTCUSDT"].quantity == 0
    assert desk.linear.open_orders() == []
    assert desk.executions[-1] is Execution.EXPIRED


@pytest.mark.parametrize(
    "text", ["BTCUSDT", "ADAUSDT=0.45", "PEPEUSDT=0.00001234", "ETHBTC=0.05", "XUSDT=99999"]
)
def test_prices_and_notionals_of_any_symbol_fit_eight_places(text: str) -> None:
    found = symbol(text)

    assert -(found.tick * found.step).normalize().as_tuple().exponent <= 8  # type: ignore[operator]
    assert found.price % found.tick == 0


@pytest.mark.parametrize(
    "text", ["", "BTC", "USDT", "ADAUSDT", "ADAUSDT=", "ADAUSDT=x", "ADAUSDT=0", "A-USDT=1"]
)
def test_what_is_no_symbol_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"symbol|price"):
        symbol(text)
