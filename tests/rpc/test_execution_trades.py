"""ExecuteTrade over a real server and the simulated exchange: types, symbols, repeats, callers that go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.refusals import read, refused
from support.rehearsing import (
    FINISHED,
    SELL,
    WORKING,
    Rehearsal,
    credentials_of,
    orders_at,
    paused_exchange,
    resting,
    trade_request,
)

from fillhandler.v1 import execution_service_pb2 as pb
from fillhandler.v1 import orders_pb2, trades_pb2
from fillhandler_server.exchange import SimulatedExchange

pytest.importorskip("ccxt", reason="ccxt is the extra `exchanges`")

CANCELED, FILLED = orders_pb2.ORDER_STATUS_CANCELED, orders_pb2.ORDER_STATUS_FILLED
EXPIRED = orders_pb2.ORDER_STATUS_EXPIRED


@pytest.fixture
async def exchange() -> AsyncIterator[SimulatedExchange]:
    made = paused_exchange(symbols=("BTCUSDT", "ETHUSDT", "ETHBTC=0.05"))
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def server(exchange: SimulatedExchange, tmp_path: Path) -> AsyncIterator[Rehearsal]:
    """With spot and linear."""
    folder = credentials_of(exchange, tmp_path / "credentials")
    running = await Rehearsal(tmp_path, exchange.base_url, folder, ("spot", "linear")).start()
    yield await running.connected()
    await running.stop()


# ------------------------------------------------------------------ every type


@pytest.mark.parametrize("market", ["spot", "linear"])
@pytest.mark.parametrize(
    ("fields", "sent", "status", "outcome"),
    [
        ({}, ("MARKET", None), FILLED, trades_pb2.TRADE_OUTCOME_FILLED),
        (
            {"type": "limit", "limit_price": "61000"},
            ("LIMIT", "GTC"),
            FILLED,
            trades_pb2.TRADE_OUTCOME_FILLED,
        ),
        (
            {"type": "limit", "limit_price": "61000", "time_in_force": "fok"},
            ("LIMIT", "FOK"),
            FILLED,
            trades_pb2.TRADE_OUTCOME_FILLED,
        ),
        (
            {"type": "ioc", "limit_price": "61000"},
            ("LIMIT", "IOC"),
            FILLED,
            trades_pb2.TRADE_OUTCOME_FILLED,
        ),
        (
            {"type": "ioc", "limit_price": "30000"},
            ("LIMIT", "IOC"),
            EXPIRED,
            trades_pb2.TRADE_OUTCOME_NOT_FILLED,
        ),
        (
            {"side": SELL, "type": "limit", "limit_price": "59000"},
            ("LIMIT", "GTC"),
            FILLED,
            trades_pb2.TRADE_OUTCOME_FILLED,
        ),
    ],
    ids=["market", "limit", "fok", "ioc", "ioc-unfilled", "sell"],
)
async def test_types_that_end_at_once(
    exchange: SimulatedExchange,
    server: Rehearsal,
    market: str,
    fields: dict[str, Any],
    sent: tuple[str, str | None],
    status: int,
    outcome: int,
) -> None:
    answer = await server.execute(trade_request(market=market, expected_price="60000", **fields))

    [there] = orders_at(exchange)
    assert (there["type"], there["market"]) == (sent[0], market)
    assert sent[1] in (None, there["time_in_force"])
    trade = answer.trade
    assert (trade.status, trade.outcome, answer.order.status) == (FINISHED, outcome, status)
    assert answer.success is trade.success is (outcome == trades_pb2.TRADE_OUTCOME_FILLED)
    assert answer.order == trade.orders[0]
    assert (answer.order.order_id, answer.order.client_order_id) == (
        there["order_id"],
        there["client_order_id"],
    )
    assert answer.total_filled == trade.total_filled == there["executed_quantity"]
    assert (answer.attempts, trade.attempts, trade.retries) == (1, 1, 0)
    executed = Decimal(there["executed_quantity"])
    assert answer.HasField("average_price") is bool(executed)
    if executed:
        assert Decimal(answer.average_price) == Decimal(there["executed_quote"]) / executed
        assert answer.fees == answer.order.fees
        # One fill that is all of it needs no list.
        assert bool(answer.partial_fills) is (trade.fill_count > 1)
    assert answer.sequence >= trade.sequence > 0
    assert trade.finish_time.ToNanoseconds() >= trade.start_time.ToNanoseconds()
    assert (await server.trade(trade.request.request_id)) == trade


async def test_an_order_that_takes_all_there_is_lists_its_fills(
    exchange: SimulatedExchange, server: Rehearsal
) -> None:
    answer = await server.execute(trade_request(quantity="20"))

    rows = exchange.books()["trades"]
    assert len(rows) > 1
    assert {(fill.trade_id, fill.quantity, fill.price) for fill in answer.partial_fills} == {
        (row["trade_id"], row["quantity"], row["price"]) for row in rows
    }
    filled = sum(Decimal(row["quantity"]) for row in rows)
    assert 0 < filled < 20
    assert (Decimal(answer.total_filled), answer.order.status) == (filled, EXPIRED)
    assert (answer.success, answer.trade.outcome) == (False, trades_pb2.TRADE_OUTCOME_PARTIALLY_FILLED)
    fees = [Decimal(fill.fees[0].amount) for fill in answer.partial_fills]
    assert [(fee.currency, Decimal(fee.amount)) for fee in answer.fees] == [("BTC", sum(fees))]


@pytest.mark.parametrize("market", ["spot", "linear"])
async def test_a_post_only_order_rests_until_the_price_comes(
    exchange: SimulatedExchange, server: Rehearsal, market: str
) -> None:
    request = resting(market=market, type="post_only")
    call = asyncio.ensure_future(server.execute(request))
    trade = await server.when(request.request_id, lambda found: found.status == WORKING)
    assert not call.done()
    assert trade.orders[0].status == orders_pb2.ORDER_STATUS_NEW

    exchange.jump("BTCUSDT", Decimal(29_000), market=market)
    answer = await call

    assert (answer.success, answer.total_filled, answer.average_price) == (True, "0.05", "30000")


async def test_a_post_only_order_that_would_take_is_the_venues_to_refuse(server: Rehearsal) -> None:
    answer = await server.execute(trade_request(type="post_only", limit_price="61000"))

    assert not answer.success
    assert answer.trade.outcome == trades_pb2.TRADE_OUTCOME_REJECTED
    assert (answer.trade.error_class, answer.attempts) == ("invalid_order", 1)
    assert answer.order.status == orders_pb2.ORDER_STATUS_REJECTED


async def test_what_the_venue_refuses_is_an_answer_not_an_error(
    exchange: SimulatedExchange, server: Rehearsal
) -> None:
    answer = await server.execute(trade_request(type="limit", limit_price="150000", quantity="1000"))

    assert answer.trade.outcome == trades_pb2.TRADE_OUTCOME_REJECTED
    assert answer.trade.error_class == "insufficient_funds"
    assert "balance" in answer.trade.text
    assert (answer.total_filled, answer.attempts, orders_at(exchange)) == ("0", 1, [])


async def test_the_rest_is_cancelled_or_left_or_placed_again(
    exchange: SimulatedExchange, server: Rehearsal
) -> None:
    requests = [
        resting("leave", deadline=0.2),
        resting("cancel", deadline=0.2, remainder=trades_pb2.REMAINDER_CANCEL),
        resting(
            "replace",
            deadline=0.2,
            remainder=trades_pb2.REMAINDER_REPLACE,
            replacement_price=trades_pb2.REPLACEMENT_PRICE_MARKET,
        ),
    ]
    left, cancelled, replaced = await asyncio.gather(*(server.execute(each) for each in requests))

    assert left.trade.outcome == trades_pb2.TRADE_OUTCOME_LEFT_WORKING
    assert cancelled.trade.outcome == trades_pb2.TRADE_OUTCOME_NOT_FILLED
    assert replaced.trade.outcome == trades_pb2.TRADE_OUTCOME_FILLED
    assert [order.status for order in replaced.trade.orders] == [CANCELED, FILLED]
    assert (replaced.total_filled, replaced.attempts) == ("0.05", 2)
    statuses = {each["client_order_id"]: each["status"] for each in orders_at(exchange)}
    assert [statuses[order.client_order_id] for trade in (left, cancelled, replaced) for order in
            trade.trade.orders] == ["NEW", "CANCELED", "CANCELED", "FILLED"]  # fmt: skip


# ------------------------------------------------------------------ symbols and markets


@pytest.mark.parametrize(
    ("market", "spelling"),
    [("spot", "BTCUSDT"), ("spot", "BTC/USDT"), ("linear", "BTCUSDT"), ("linear", "BTC/USDT:USDT")],
)
async def test_every_spelling_is_the_same_symbol_and_the_same_request(
    exchange: SimulatedExchange, server: Rehearsal, market: str, spelling: str
) -> None:
    first = await server.execute(trade_request("one", market=market, symbol="BTCUSDT"))
    again = await server.execute(trade_request("one", market=market, symbol=spelling))
    other = await server.execute(trade_request(market=market, symbol=spelling))

    assert again.trade == first.trade
    assert {answer.trade.request.symbol for answer in (first, other)} == {"BTCUSDT"}
    assert [each["symbol"] for each in orders_at(exchange)] == ["BTCUSDT", "BTCUSDT"]


async def test_a_symbol_of_both_markets_needs_its_market(
    exchange: SimulatedExchange, server: Rehearsal
) -> None:
    unclear = await refused(server.execution.ExecuteTrade(trade_request(market=None)))
    unknown = await refused(server.execution.ExecuteTrade(trade_request(market="inverse")))

    assert list(unclear.violations) == ["market"]
    assert "binance/main/linear" in unclear.violations["market"]
    assert list(unknown.violations) == ["market"]
    assert orders_at(exchange) == []


async def test_a_symbol_of_one_market_only_needs_none(server: Rehearsal) -> None:
    """And ccxt's spelling of a perpetual is one."""
    spelled = await server.execute(trade_request(market=None, symbol="BTC/USDT:USDT"))
    alone = await server.execute(trade_request(market=None, symbol="ETHBTC", quantity="1"))

    assert (spelled.success, spelled.trade.request.market) == (True, "linear")
    assert (alone.success, alone.trade.request.market) == (True, "spot")
    nowhere = await refused(server.execution.ExecuteTrade(trade_request(market=None, symbol="BTCUSDZ")))
    assert list(nowhere.violations) == ["symbol"]
    assert "BTCUSDT" in nowhere.text


async def test_a_single_connection_needs_no_market(exchange: SimulatedExchange, tmp_path: Path) -> None:
    folder = credentials_of(exchange, tmp_path / "credentials")
    server = await Rehearsal(tmp_path, exchange.base_url, folder, ("linear",)).start()
    try:
        answer = await server.execute(trade_request(market=None))
        assert (answer.success, answer.trade.request.market) == (True, "linear")
        elsewhere = await refused(server.execution.ExecuteTrade(trade_request(account="other", market=None)))
        assert list(elsewhere.violations) == ["venue"]
        assert "binance/main/linear" in elsewhere.text
    finally:
        await server.stop()


# ------------------------------------------------------------------ the same request again


async def test_the_same_request_at_once_while_it_runs_and_after_its_end(
    exchange: SimulatedExchange, server: Rehearsal
) -> None:
    request = resting("again")
    calls = [asyncio.ensure_future(server.execute(request)) for _ in range(5)]
    await server.when("again", lambda trade: trade.status == WORKING)
    calls.append(asyncio.ensure_future(server.execute(request)))
    exchange.jump("BTCUSDT", Decimal(29_000))
    answers = await asyncio.gather(*calls)
    answers.append(await server.execute(request))
    await server.restart()
    answers.append(await server.execute(request))

    assert len(orders_at(exchange)) == 1
    assert {answer.trade.SerializeToString(deterministic=True) for answer in answers} == {
        answers[0].trade.SerializeToString(deterministic=True)
    }
    assert answers[0].success


async def test_what_the_request_left_open_may_stay_open_or_be_stated(
    exchange: SimulatedExchange, server: Rehearsal
) -> None:
    first = await server.execute(trade_request("open", quantity="0.050"))
    made = first.trade.request
    full = trades_pb2.ExecuteTradeRequest()
    full.CopyFrom(made)

    again = await server.execute(full)

    assert again.trade == first.trade
    assert len(orders_at(exchange)) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("quantity", "0.06"),
        ("side", SELL),
        ("symbol", "ETHUSDT"),
        ("market", "linear"),
        ("type", "post_only"),
        ("limit_price", "30000.01"),
        ("expected_price", "60000"),
        ("time_in_force", "gtc"),
        ("deadline", 30),
        ("client_order_id", "another"),
        ("remainder", trades_pb2.REMAINDER_CANCEL),
        ("replacement_price", trades_pb2.REPLACEMENT_PRICE_MARKET),
        ("max_replacements", 3),
        ("account", "other"),
    ],
)
async def test_the_same_id_with_other_content(
    exchange: SimulatedExchange, server: Rehearsal, name: str, value: Any
) -> None:
    running = await server.working(resting("taken"))
    head = server.head

    wrong = await refused(server.execution.ExecuteTrade(resting("taken", **{name: value}), timeout=5))

    assert (wrong.status, wrong.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "REQUEST_ID_REUSED")
    assert wrong.metadata == {"request_id": "taken", "trade_id": running.trade_id}
    assert (server.head, len(orders_at(exchange))) == (head, 1)


async def test_another_spelling_is_known_again_before_the_connection_is_made(
    exchange: SimulatedExchange, server: Rehearsal
) -> None:
    """A client repeats its call over a restart of the server: it must not be told that nothing was traded."""
    request = trade_request("spelled", symbol="BTC/USDT")
    first = await server.execute(request)
    exchange.plan.order("temporary_error", 1, "market_data")
    await server.restart()

    again = await server.execute(request)

    assert again.trade == first.trade


# ------------------------------------------------------------------ callers that go


async def test_a_callers_deadline_does_not_stop_its_trade(
    exchange: SimulatedExchange, server: Rehearsal
) -> None:
    request = resting("patient")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await server.execution.ExecuteTrade(request, timeout=0.2)
    assert read(caught.value).status is grpc.StatusCode.DEADLINE_EXCEEDED

    trade = await server.when("patient", lambda found: found.status == WORKING)
    assert [each["status"] for each in orders_at(exchange)] == ["NEW"]
    exchange.jump("BTCUSDT", Decimal(29_000))
    answer = await server.execute(request)

    assert (answer.success, answer.trade.trade_id) == (True, trade.trade_id)
    assert len(orders_at(exchange)) == 1


async def test_a_hang_up_does_not_stop_its_trade(exchange: SimulatedExchange, server: Rehearsal) -> None:
    # At once, too: before its order is sent, with the intent durable or not.
    calls = [server.execution.ExecuteTrade(trade_request(f"gone-{at}")) for at in range(10)]
    for at, call in enumerate(calls):
        if at % 2:
            await server.when(f"gone-{at}", lambda _: True)
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    running = await server.working(resting("gone"))

    for at in range(1, 10, 2):
        await server.when(f"gone-{at}", lambda found: found.status == FINISHED)
    # Whatever became durable runs to its end, whoever waits for it.
    trades = (await server.execution.ListTrades(pb.ListTradesRequest())).trades
    assert [trade.success for trade in trades] == [True] * (len(trades) - 1) + [False]
    exchange.jump("BTCUSDT", Decimal(29_000))
    ended = await server.when("gone", lambda found: found.status == FINISHED)
    assert (ended.trade_id, ended.success) == (running.trade_id, True)
    names = [each["client_order_id"] for each in orders_at(exchange)]
    assert len(names) == len(set(names))
