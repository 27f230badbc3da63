"""The production path: ccxt.pro, as it is installed, pointed at the exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from fillhandler_server.exchange import SimulatedExchange
from fillhandler_server.exchange.market.symbols import MarketName

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
MARKETS = pytest.mark.parametrize(("kind", "symbol"), [("spot", SPOT), ("swap", SWAP)])
Make = Callable[..., Any]


@pytest.fixture
def make(ccxt_client: Make) -> Make:
    return ccxt_client


async def test_the_markets_load_with_their_rules(make: Make) -> None:
    client = make()

    markets = await client.load_markets()

    assert set(markets) == {f"{base}/USDT{end}" for base in ("BTC", "ETH", "SOL") for end in ("", ":USDT")}
    assert markets[SPOT]["precision"] == {"amount": 1e-05, "price": 0.01, "base": 1e-08, "quote": 1e-08}
    assert markets[SWAP]["limits"]["cost"]["min"] == 5
    assert await client.fetch_time() > 0
    assert (await client.fetch_order_book(SPOT))["asks"]


@MARKETS
async def test_orders_of_every_type(make: Make, kind: str, symbol: str) -> None:
    client = make(kind)

    async def status(kind: str, side: str, price: float | None = None, **params: Any) -> str:
        return str((await client.create_order(symbol, kind, side, 0.2, price, params))["status"])

    assert await status("market", "buy") == "closed"
    assert await status("market", "sell") == "closed"
    assert await status("limit", "buy", 59_000.0) == "open"
    assert await status("limit", "buy", 61_000.0) == "closed"
    assert await status("limit", "buy", 59_000.0, timeInForce="IOC") == "expired"
    assert await status("limit", "buy", 61_000.0, timeInForce="FOK") == "closed"
    assert await status("limit", "buy", 59_000.0, postOnly=True) == "open"
    with pytest.raises(ccxt.OrderImmediatelyFillable if kind == "spot" else ccxt.ExchangeError):
        await status("limit", "buy", 61_000.0, postOnly=True)
    assert len(await client.fetch_open_orders(symbol)) == 2


@MARKETS
async def test_an_order_from_its_placement_to_its_end(
    exchange: SimulatedExchange, make: Make, kind: str, symbol: str
) -> None:
    client = make(kind)
    placed = await client.create_order(symbol, "limit", "buy", 0.5, 59_000, {"clientOrderId": "mine"})

    exchange.jump("BTCUSDT", Decimal(58_990), pieces=1)
    by_client_id = await client.fetch_order("", symbol, {"clientOrderId": "mine"})
    assert by_client_id["id"] == placed["id"]
    assert 0 < by_client_id["filled"] < 0.5

    canceled = await client.cancel_order(placed["id"], symbol)
    assert canceled["status"] == "canceled"
    with pytest.raises(ccxt.OrderNotFound):
        await client.cancel_order(placed["id"], symbol)
    with pytest.raises(ccxt.OrderNotFound):
        await client.fetch_order("1", symbol)
    (trade,) = await client.fetch_my_trades(symbol)
    assert (trade["order"], trade["takerOrMaker"], trade["amount"]) == (
        placed["id"],
        "maker",
        by_client_id["filled"],
    )
    assert trade["fee"]["currency"] == ("BTC" if kind == "spot" else "USDT")


@MARKETS
async def test_trades_are_read_page_by_page(
    exchange: SimulatedExchange, make: Make, kind: str, symbol: str
) -> None:
    client = make(kind)
    for _ in range(4):
        await client.create_order(symbol, "market", "buy", 0.3)

    read: list[str] = []
    from_id = 0
    while page := await client.fetch_my_trades(symbol, None, 3, {"fromId": from_id}):
        read += [each["id"] for each in page]
        from_id = int(read[-1]) + 1

    books = [each["trade_id"] for each in exchange.books()["trades"]]
    assert read == books
    assert [
        each["id"] for each in await client.fetch_my_trades(symbol, 1 + exchange.now() - 86_400_000)
    ] == books


@MARKETS
async def test_streams_tell_orders_and_trades(
    exchange: SimulatedExchange, make: Make, kind: str, symbol: str
) -> None:
    client = make(kind, newUpdates=True)
    await client.load_markets()
    fills: dict[str, Decimal] = {}
    states: list[tuple[str, str]] = []

    async def watch_trades() -> None:
        while sum(fills.values()) < Decimal("0.5"):
            for trade in await client.watch_my_trades(symbol):
                fills[trade["id"]] = Decimal(str(trade["amount"]))

    async def watch_orders() -> None:
        while ("mine", "closed") not in states:
            states.extend(
                (each["clientOrderId"], each["status"]) for each in await client.watch_orders(symbol)
            )

    watching = asyncio.gather(watch_trades(), watch_orders())
    async with asyncio.timeout(10):
        while not any(each.subscribers for each in exchange.streams.values()):
            await asyncio.sleep(0.005)
        await client.create_order(symbol, "limit", "buy", 0.5, 59_000, {"clientOrderId": "mine"})
        exchange.jump("BTCUSDT", Decimal(58_990))
        await watching

    booked = {each["trade_id"]: Decimal(each["quantity"]) for each in exchange.books()["trades"]}
    assert fills == booked


async def test_a_wrong_secret_gets_nothing(exchange: SimulatedExchange, make: Make) -> None:
    client = make()
    await client.load_markets()
    client.secret = "wrong"

    with pytest.raises(ccxt.AuthenticationError, match="-1022"):
        await client.fetch_balance()
    # ccxt 4.5.90 stumbles over its own clean-up here and raises KeyError, with the refusal as its context.
    with pytest.raises((ccxt.AuthenticationError, KeyError)) as caught:
        async with asyncio.timeout(5):
            await client.watch_orders(SPOT)
    assert "-1022" in f"{caught.value} {caught.value.__context__}"
    assert not exchange.streams[MarketName.SPOT].subscribers
    client.apiKey = "another"
    with pytest.raises(ccxt.AuthenticationError, match="-2015"):
        await client.fetch_balance()


@MARKETS
async def test_balances_and_positions(make: Make, kind: str, symbol: str) -> None:
    client = make(kind)
    before = (await client.fetch_balance())["USDT"]["total"]
    placed = await client.create_order(symbol, "market", "buy", 0.5)

    balance = await client.fetch_balance()

    if kind == "spot":
        assert balance["USDT"]["total"] == pytest.approx(before - placed["cost"])
    else:
        assert balance["USDT"]["total"] == pytest.approx(before - placed["cost"] * 0.0005)
        (position,) = await client.fetch_positions()
        assert (position["symbol"], position["contracts"], position["side"]) == (SWAP, 0.5, "long")


async def test_refusals_are_ccxt_s_errors(exchange: SimulatedExchange, make: Make) -> None:
    exchange.spot.wallet.balances["USDT"].free = Decimal(1_000)
    client = make()

    for values, error in (
        ((SPOT, "limit", "buy", 0.00001, 59_000), ccxt.BadRequest),
        ((SPOT, "limit", "buy", 0.9, 59_000), ccxt.InsufficientFunds),
        (("NO/USDT", "limit", "buy", 0.9, 59_000), ccxt.BadSymbol),
    ):
        with pytest.raises(error):
            await client.create_order(*values)


FAULTS = (
    ("timeout_before_accept", ccxt.NetworkError, False),
    ("connection_reset_before", ccxt.NetworkError, False),
    ("error_before_accept", ccxt.NetworkError, False),
    ("temporary_error", (ccxt.OperationFailed, ccxt.BadRequest), False),
    ("rate_limit", ccxt.DDoSProtection, False),
    ("ban", ccxt.DDoSProtection, False),
    ("timeout_after_accept", ccxt.NetworkError, True),
    ("connection_reset_after", ccxt.NetworkError, True),
    ("error_after_accept", ccxt.NetworkError, True),
)


@MARKETS
async def test_faults_reach_ccxt_as_errors(
    exchange: SimulatedExchange, make: Make, kind: str, symbol: str
) -> None:
    client = make(kind)
    await client.load_markets()
    exchange.plan.set("ban_seconds", 0)

    for fault, error, _ in FAULTS:
        exchange.plan.order(fault, 1, "place")
        with pytest.raises(error):
            await client.create_order(symbol, "limit", "buy", 0.5, 59_000, {"clientOrderId": fault})

    accepted = [each["client_order_id"] for each in exchange.books()["orders"]]
    assert accepted == [fault for fault, _, effect in FAULTS if effect]
    assert exchange.plan.applied == {fault: 1 for fault, _, _ in FAULTS}


async def test_ccxt_s_own_timeout_comes_before_the_answer(exchange: SimulatedExchange, make: Make) -> None:
    client = make(timeout=60)
    client.timeout = 10_000
    await client.load_markets()
    client.timeout = 60
    exchange.plan.set("timeout_seconds", 30)
    exchange.plan.order("timeout_after_accept", 1)

    with pytest.raises(ccxt.RequestTimeout):
        await client.create_order(SPOT, "limit", "buy", 0.5, 59_000)

    assert len(exchange.books()["orders"]) == 1


@MARKETS
async def test_a_cut_stream_is_an_error_and_comes_back(
    exchange: SimulatedExchange, make: Make, kind: str, symbol: str
) -> None:
    client = make(kind)
    watching = asyncio.create_task(client.watch_orders(symbol))
    async with asyncio.timeout(10):
        while not any(each.subscribers for each in exchange.streams.values()):
            await asyncio.sleep(0.005)
        exchange.disconnect()
        with pytest.raises(ccxt.NetworkError):
            await watching
        again = asyncio.create_task(client.watch_orders(symbol))
        while not any(each.subscribers for each in exchange.streams.values()):
            await asyncio.sleep(0.005)
        await client.create_order(symbol, "limit", "buy", 0.5, 59_000, {"clientOrderId": "mine"})
        assert (await again)[0]["clientOrderId"] == "mine"
