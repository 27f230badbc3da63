"""ExecuteTrade, GetTrade, ListTrades and CancelTrade over a real server and the simulated exchange."""

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
    BUY,
    FINISHED,
    SELL,
    WORKING,
    Rehearsal,
    credentials_of,
    kinds_of,
    orders_at,
    paused_exchange,
    resting,
    trade_request,
)
from support.watching import read_through

from fillhandler.v1 import execution_service_pb2 as pb
from fillhandler.v1 import fill_service_pb2, orders_pb2, trades_pb2
from fillhandler.v1.execution_service_pb2_grpc import ExecutionServiceStub
from fillhandler_server.exchange import SimulatedExchange
from fillhandler_server.rpc.access import Role, new_token, token_hash

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

    wrong = await refused(server.execution.ExecuteTrade(resting("taken", **{name: value})))

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
    assert await listed(server, active=True) == ["gone"]
    trades = (await server.execution.ListTrades(pb.ListTradesRequest())).trades
    assert [trade.success for trade in trades] == [True] * (len(trades) - 1) + [False]
    exchange.jump("BTCUSDT", Decimal(29_000))
    ended = await server.when("gone", lambda found: found.status == FINISHED)
    assert (ended.trade_id, ended.success) == (running.trade_id, True)
    names = [each["client_order_id"] for each in orders_at(exchange)]
    assert len(names) == len(set(names))


# ------------------------------------------------------------------ looking


async def test_a_trade_by_either_id(server: Rehearsal) -> None:
    answer = await server.execute(trade_request("mine"))
    trade_id = answer.trade.trade_id

    by_id = await server.execution.GetTrade(pb.GetTradeRequest(trade_id=trade_id))
    by_request = await server.execution.GetTrade(pb.GetTradeRequest(request_id="mine"))

    assert by_id.trade == by_request.trade == answer.trade
    for method, kind in (
        (server.execution.GetTrade, pb.GetTradeRequest),
        (server.execution.CancelTrade, pb.CancelTradeRequest),
    ):
        for names in ({}, {"trade_id": trade_id, "request_id": "mine"}):
            wrong = await refused(method(kind(**names)))
            assert (wrong.reason, list(wrong.violations)) == ("INVALID_FIELD", ["trade_id"])
        for name in ("trade_id", "request_id"):
            wrong = await refused(method(kind(**{name: "nobody"})))
            assert (wrong.status, wrong.reason) == (grpc.StatusCode.NOT_FOUND, "TRADE_NOT_FOUND")
            assert wrong.metadata[name] == "nobody"
        # A request id is no trade id.
        assert (await refused(method(kind(trade_id="mine")))).reason == "TRADE_NOT_FOUND"


async def listed(server: Rehearsal, **conditions: Any) -> list[str]:
    """The request ids of every page."""
    request, found = pb.ListTradesRequest(**conditions), []
    while True:
        page = await server.execution.ListTrades(request)
        assert len(page.trades) <= (request.page_size or 100)
        found += [trade.request.request_id for trade in page.trades]
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def test_lists_of_trades(server: Rehearsal) -> None:
    await server.execute(trade_request("a"))
    await server.execute(trade_request("b", symbol="ETHUSDT"))
    await server.working(resting("c"))
    await server.execute(trade_request("d", market="linear"))
    await server.working(resting("e", market="linear", symbol="ETHUSDT", limit_price="1000"))
    every = ["a", "b", "c", "d", "e"]

    assert await listed(server) == every
    assert [await listed(server, page_size=size) for size in (1, 2, 5, 1000)] == [every] * 4
    assert await listed(server, active=True) == ["c", "e"]
    assert await listed(server, symbol="ETHUSDT") == ["b", "e"]
    assert await listed(server, venue="BINANCE", account="main", page_size=2) == every
    assert await listed(server, venue="bitget") == await listed(server, account="other") == []
    third = (await server.trade("c")).start_time
    assert await listed(server, start_time=third) == ["c", "d", "e"]
    assert await listed(server, end_time=third, symbol="BTCUSDT") == ["a"]

    page = await server.execution.ListTrades(pb.ListTradesRequest(page_size=2))
    for request in (
        pb.ListTradesRequest(page_token=page.next_page_token, active=True),
        pb.ListTradesRequest(page_token="nonsense"),
    ):
        assert (await refused(server.execution.ListTrades(request))).reason == "PAGE_TOKEN_INVALID"
    # The list says what GetTrade says.
    whole = await server.execution.ListTrades(pb.ListTradesRequest())
    for trade in whole.trades:
        assert trade == await server.trade(trade.request.request_id)


# ------------------------------------------------------------------ cancelling


@pytest.mark.parametrize("market", ["spot", "linear"])
async def test_a_working_order_is_cancelled(
    exchange: SimulatedExchange, server: Rehearsal, market: str
) -> None:
    request = resting("stop", market=market)
    call = asyncio.ensure_future(server.execute(request))
    trade = await server.when("stop", lambda found: found.status == WORKING)

    answer = await server.cancel("stop")
    ended = await call

    assert answer.trade.cancel_requested
    assert trade.sequence < answer.sequence <= ended.sequence
    assert (ended.trade.outcome, ended.trade.text) == (trades_pb2.TRADE_OUTCOME_NOT_FILLED, "cancelled")
    assert (ended.success, ended.order.status) == (False, CANCELED)
    assert [each["status"] for each in orders_at(exchange)] == ["CANCELED"]
    too_late = await refused(server.execution.CancelTrade(pb.CancelTradeRequest(trade_id=trade.trade_id)))
    assert (too_late.status, too_late.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "ILLEGAL_TRANSITION",
    )
    assert too_late.metadata["trade_id"] == trade.trade_id
    assert "not filled" in too_late.text


async def test_what_was_filled_before_a_cancel_stays(exchange: SimulatedExchange, server: Rehearsal) -> None:
    call = asyncio.ensure_future(server.execute(resting("half", quantity="20")))
    await server.when("half", lambda found: found.status == WORKING)
    exchange.jump("BTCUSDT", Decimal(29_000), pieces=1)

    await server.cancel("half")
    ended = await call

    [there] = orders_at(exchange)
    assert 0 < Decimal(there["executed_quantity"]) < 20
    assert ended.trade.outcome == trades_pb2.TRADE_OUTCOME_PARTIALLY_FILLED
    assert ended.total_filled == there["executed_quantity"] == ended.partial_fills[0].quantity
    assert (ended.success, ended.average_price, ended.order.status) == (False, "30000", CANCELED)


async def test_a_cancel_during_the_wait_for_a_retry_sends_nothing_more(
    exchange: SimulatedExchange, server: Rehearsal
) -> None:
    exchange.plan.set("retry_after_seconds", 30)
    exchange.plan.order("rate_limit", 1, "place")
    call = asyncio.ensure_future(server.execute(trade_request("waits")))
    waiting = await server.when("waits", lambda found: found.status == trades_pb2.TRADE_STATUS_WAITING)
    assert waiting.retry_time.ToNanoseconds() > waiting.start_time.ToNanoseconds() + 29_000_000_000
    assert waiting.error_class == "rate_limit"

    await server.cancel("waits")
    ended = await asyncio.wait_for(call, 5)

    assert ended.trade.outcome == trades_pb2.TRADE_OUTCOME_NOT_FILLED
    assert (ended.order.status, ended.attempts) == (CANCELED, 1)
    assert not ended.trade.HasField("retry_time")
    assert orders_at(exchange) == []


# ------------------------------------------------------------------ the feed


async def test_a_trade_on_the_feed(exchange: SimulatedExchange, server: Rehearsal) -> None:
    exchange.plan.order("error_before_accept", 1, "place", "ETHUSDT")
    answer = await server.execute(trade_request("told", symbol="ETHUSDT", quantity="0.5"))
    assert (answer.success, answer.attempts) == (True, 2)

    events = [
        event
        for event in await read_through(server.feed, answer.sequence)
        if event.client_order_id == answer.order.client_order_id
    ]

    kinds = kinds_of(events)
    wanted = [
        "order_registered",
        "trade_started",
        "retry_scheduled",
        "order_reported",
        "request_succeeded",
        "fill_recorded",
        "trade_finished",
    ]
    places = [kinds.index(kind) for kind in wanted]
    assert places == sorted(places), kinds
    assert [event.sequence for event in events] == sorted({event.sequence for event in events})
    assert {(event.venue, event.account, event.symbol) for event in events} == {
        ("binance", "main", "ETHUSDT")
    }
    by_kind = dict(zip(kinds, events, strict=True))
    assert by_kind["trade_started"].trade_started.request == answer.trade.request
    assert by_kind["retry_scheduled"].retry_scheduled.attempt == 1
    assert by_kind["retry_scheduled"].retry_scheduled.maybe_applied
    last = by_kind["trade_finished"]
    assert last.sequence == answer.trade.sequence
    assert last.trade_finished.success
    assert (last.order_id, last.cumulative_quantity) == (answer.order.order_id, "0.5")


# ------------------------------------------------------------------ roles


async def test_a_reader_sees_trades_and_may_not_trade(exchange: SimulatedExchange, server: Rehearsal) -> None:
    await server.working(resting("seen"))
    reader, trader = new_token(), new_token()
    server.app.gate._tokens |= {token_hash(reader): Role.READ, token_hash(trader): Role.TRADE}
    reads, trades = (server.stub(ExecutionServiceStub, token=token) for token in (reader, trader))
    by_name = {"request_id": "seen"}

    for stub in (reads, trades):
        assert (await stub.GetTrade(pb.GetTradeRequest(**by_name))).trade.trade_id
        assert len((await stub.ListTrades(pb.ListTradesRequest())).trades) == 1
        assert (await stub.ListRetries(pb.ListRetriesRequest())).attempts
        assert (await stub.ListVenues(pb.ListVenuesRequest())).venues
    for call in (reads.ExecuteTrade(trade_request()), reads.CancelTrade(pb.CancelTradeRequest(**by_name))):
        wrong = await refused(call)
        assert (wrong.status, wrong.reason) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")
    assert not (await server.trade("seen")).cancel_requested
    assert len(orders_at(exchange)) == 1

    assert (await trades.ExecuteTrade(trade_request())).success
    assert (await trades.CancelTrade(pb.CancelTradeRequest(**by_name))).trade.cancel_requested


async def test_the_record_of_a_trade_is_the_record_of_its_order(server: Rehearsal) -> None:
    """Its fills stand under its order, once: from the answer, the stream and the history."""
    answer = await server.execute(trade_request("both"))

    page = await server.fills.ListFills(fill_service_pb2.ListFillsRequest(order_id=answer.order.order_id))

    assert [fill.quantity for fill in page.fills] == ["0.05"]
    assert page.fills[0].side == BUY
