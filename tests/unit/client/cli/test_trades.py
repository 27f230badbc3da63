"""fillhandler trades, trade, cancel-trade, retries, venues; and what events of trades say."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import ParseDict

from fillhandler import convert
from fillhandler.cli.events import event_text
from fillhandler.v1 import events_pb2, feed_service_pb2, fills_pb2, orders_pb2, trades_pb2
from fillhandler.v1 import execution_service_pb2 as pb

NOON = "2026-01-31T12:00:00Z"
TRADE = trades_pb2.Trade(
    trade_id="t1",
    request=trades_pb2.ExecuteTradeRequest(
        request_id="mine",
        venue="binance",
        account="main",
        market="spot",
        symbol="BTCUSDT",
        side=fills_pb2.SIDE_BUY,
        quantity="1",
        type="limit",
        limit_price="50000",
        remainder=trades_pb2.REMAINDER_REPLACE,
        replacement_price=trades_pb2.REPLACEMENT_PRICE_MARKET,
        deadline=convert.duration(timedelta(minutes=5)),
    ),
    status=trades_pb2.TRADE_STATUS_WORKING,
    orders=[
        orders_pb2.Order(order_id="7", client_order_id="fh-1", cumulative_quantity="0.000000000000000001")
    ],
    total_filled="0.000000000000000001",
    fees=[fills_pb2.Fee(amount="0.1", currency="BNB")],
    attempts=2,
    retries=1,
    error_class="rate_limit",
    text="slow\x1b[2J down",
    start_time=convert.timestamp(NOON),
    sequence=50,
)
ATTEMPT = pb.Attempt(
    sequence=48,
    commit_time=convert.timestamp(NOON),
    trade_id="t1",
    operation=trades_pb2.REQUEST_OPERATION_PLACE,
    attempt=1,
    outcome=pb.ATTEMPT_OUTCOME_RETRIED,
    error_class="rate_limit",
    maybe_applied=True,
    text="slow\x1b[2J down",
    delay=convert.duration(timedelta(seconds=1.5)),
    venue="binance",
    client_order_id="fh-1",
)
DONE = pb.Attempt(sequence=49, outcome=pb.ATTEMPT_OUTCOME_SUCCEEDED)
WHERE = ("--venue", "v", "--account", "a", "--symbol", "s", "--from", "2026-01-31", "--to", "2026-02-01")
ASKED = {
    "venue": "v",
    "account": "a",
    "symbol": "s",
    "start_time": convert.timestamp("2026-01-31T00:00:00Z"),
    "end_time": convert.timestamp("2026-02-01T00:00:00Z"),
}


@pytest.fixture
def known(server: Any, refusal: Callable[..., Any]) -> None:
    """A server that knows TRADE by both of its ids."""

    async def get(request: Any, context: Any) -> Any:
        if request.trade_id != "t1" and request.request_id != "mine":
            raise refusal(grpc.StatusCode.NOT_FOUND, "TRADE_NOT_FOUND", text="no such trade")
        return pb.GetTradeResponse(trade=TRADE)

    server.on("GetTrade", get)


class TestTrades:
    def test_all_conditions_are_asked(self, run: Any, server: Any) -> None:
        server.on("ListTrades", pb.ListTradesResponse(trades=[TRADE]))
        document = run("trades", "--active", *WHERE, "--json").document
        assert document["more"] is False
        assert [ParseDict(each, trades_pb2.Trade()) for each in document["trades"]] == [TRADE]
        assert server.requests("ListTrades") == [pb.ListTradesRequest(active=True, page_size=101, **ASKED)]

    def test_for_people(self, run: Any, server: Any) -> None:
        server.on("ListTrades", pb.ListTradesResponse(trades=[TRADE]))
        shown = run("trades").stdout
        for text in ("mine", "BUY", "limit", "WORKING", "0.000000000000000001", "slow\\x1b[2J down", NOON):
            assert text in shown
        assert "\x1b" not in shown

    def test_pages_are_read_up_to_the_limit(self, run: Any, server: Any) -> None:
        page = pb.ListTradesResponse(trades=[TRADE] * 2, next_page_token="x")
        server.on("ListTrades", page, page, page, pb.ListTradesResponse(trades=[TRADE]))
        document = run("trades", "--limit", 3, "--json").document
        assert (len(document["trades"]), document["more"]) == (3, True)
        document = run("trades", "--limit", 0, "--json").document
        assert (len(document["trades"]), document["more"]) == (3, False)
        assert [request.page_size for request in server.requests("ListTrades")] == [4, 4, 1000, 1000]
        assert "no trades fit" not in run("trades").stderr
        server.on("ListTrades", pb.ListTradesResponse())
        assert "no trades fit" in run("trades").stderr


@pytest.mark.usefixtures("known")
class TestTrade:
    @pytest.mark.parametrize("name", ["t1", "mine"])
    def test_by_either_id_with_its_orders_and_attempts(self, run: Any, server: Any, name: str) -> None:
        server.on("ListRetries", pb.ListRetriesResponse(attempts=[ATTEMPT, DONE]))
        document = run("trade", name, "--json").document
        assert ParseDict(document["trade"], trades_pb2.Trade()) == TRADE
        assert [ParseDict(each, pb.Attempt()) for each in document["attempts"]] == [ATTEMPT, DONE]
        assert [request.trade_id for request in server.requests("ListRetries")] == ["t1"]
        shown = run("trade", name).stdout
        for text in ("REPLACE at the price MARKET", "5m 00s", "0.000000000000000001", "fh-1", "1.500s"):
            assert text in shown
        assert "\x1b" not in shown

    def test_one_that_is_not_there(self, run: Any) -> None:
        result = run("trade", "other")
        assert (result.code, result.stdout) == (1, "")
        assert result.stderr.startswith("TRADE_NOT_FOUND: no such trade (")
        assert "fillhandler trades" in result.stderr


@pytest.mark.usefixtures("known")
class TestCancel:
    def test_is_asked_by_the_trade_s_id(self, run: Any, server: Any) -> None:
        server.on("CancelTrade", pb.CancelTradeResponse(trade=TRADE, sequence=51))
        result = run("cancel-trade", "mine")
        assert result.code == 0
        assert "t1" in result.stdout
        assert "fillhandler trade mine" in result.stderr
        assert run("cancel-trade", "t1", "--json").document["sequence"] == "51"
        assert server.requests("CancelTrade") == [pb.CancelTradeRequest(trade_id="t1")] * 2
        assert not server.called("WatchEvents")

    def test_waits_until_the_trade_has_ended(self, run: Any, server: Any) -> None:
        ended = trades_pb2.Trade()
        ended.CopyFrom(TRADE)
        ended.status, ended.outcome = trades_pb2.TRADE_STATUS_FINISHED, trades_pb2.TRADE_OUTCOME_NOT_FILLED

        async def watch(request: Any, context: Any) -> AsyncIterator[Any]:
            for sequence in (51, 52):
                yield feed_service_pb2.WatchEventsResponse(resume_token="x", live=True)  # a heartbeat
                yield feed_service_pb2.WatchEventsResponse(
                    events=[events_pb2.Event(sequence=sequence)], resume_token=str(sequence)
                )
            await asyncio.Event().wait()

        server.on("CancelTrade", pb.CancelTradeResponse(trade=TRADE, sequence=51))
        server.on("WatchEvents", watch)
        server.on("GetTrade", *[pb.GetTradeResponse(trade=TRADE)] * 2, pb.GetTradeResponse(trade=ended))
        document = run("cancel-trade", "t1", "--wait", "--json").document
        assert ParseDict(document["trade"], trades_pb2.Trade()) == ended
        (asked,) = server.requests("WatchEvents")
        assert (asked.after_sequence, list(asked.symbols), list(asked.kinds)) == (50, ["BTCUSDT"], [])
        assert len(server.called("GetTrade")) == 3, "heartbeats ask nothing"
        assert "NOT_FILLED" in run("cancel-trade", "t1", "--wait").stdout

    def test_of_what_has_ended(self, run: Any, server: Any, refusal: Callable[..., Any]) -> None:
        server.on("CancelTrade", refusal(grpc.StatusCode.FAILED_PRECONDITION, "ILLEGAL_TRANSITION"))
        result = run("cancel-trade", "t1", "--wait")
        assert (result.code, result.stdout) == (1, "")
        assert "fillhandler trade ID" in result.stderr


@pytest.mark.usefixtures("known")
class TestRetries:
    def test_all_conditions_are_asked(self, run: Any, server: Any) -> None:
        server.on("ListRetries", pb.ListRetriesResponse(attempts=[ATTEMPT, DONE]))
        document = run("retries", "--trade", "mine", "--error-class", "rate_limit", *WHERE, "--json").document
        assert [ParseDict(each, pb.Attempt()) for each in document["attempts"]] == [ATTEMPT, DONE]
        assert server.requests("ListRetries") == [
            pb.ListRetriesRequest(trade_id="t1", error_class="rate_limit", page_size=101, **ASKED)
        ]

    def test_only_those_that_failed(self, run: Any, server: Any) -> None:
        server.on(
            "ListRetries",
            pb.ListRetriesResponse(attempts=[DONE, ATTEMPT], next_page_token="x"),
            pb.ListRetriesResponse(attempts=[DONE, ATTEMPT]),
        )
        document = run("retries", "--failed", "--limit", 2, "--json").document
        assert [each["sequence"] for each in document["attempts"]] == ["48", "48"]
        assert document["more"] is False

    def test_for_people(self, run: Any, server: Any) -> None:
        server.on("ListRetries", pb.ListRetriesResponse(attempts=[ATTEMPT, ATTEMPT]))
        result = run("retries", "--limit", 1)
        for text in ("PLACE", "RETRIED", "rate_limit", "1.500s", "slow\\x1b[2J down; it may have taken"):
            assert result.stdout.count(text) == 1
        assert "--limit 0" in result.stderr
        server.on("ListRetries", pb.ListRetriesResponse())
        assert "no attempts fit" in run("retries").stderr


class TestVenues:
    def test_with_their_connections(self, run: Any, server: Any) -> None:
        connections = [
            pb.VenueConnection(
                account="main",
                market="spot",
                state=pb.CONNECTION_STATE_CONNECTED,
                sandbox=True,
                last_message_time=convert.timestamp(NOON),
                lag=convert.duration(timedelta(milliseconds=12)),
                clock_skew=convert.duration(timedelta(milliseconds=-250)),
                repaired_fills=3,
                active_trades=2,
            ),
            pb.VenueConnection(
                account="main",
                market="linear",
                state=pb.CONNECTION_STATE_REFUSED,
                text="key\x1b[2J",
                paused=True,
                paused_until=convert.timestamp(NOON),
            ),
        ]
        venue = pb.Venue(name="binance", title="Binance", payload_kinds=["push"], connections=connections)
        server.on("ListVenues", pb.ListVenuesResponse(venues=[venue]))
        document = run("venues", "--json").document
        assert ParseDict(document, pb.ListVenuesResponse()).venues[0] == venue
        lines = run("venues").stdout.splitlines()
        spot, linear = (next(each for each in lines if market in each) for market in ("spot", "linear"))
        for text in ("sandbox", "CONNECTED", "0.012s", "-0.250s", NOON, " 3 ", " 2 "):
            assert text in spot
        for text in ("LIVE", "REFUSED", f"paused until {NOON}", "key\\x1b[2J"):
            assert text in linear

    def test_without_any(self, run: Any, server: Any) -> None:
        server.on("ListVenues", pb.ListVenuesResponse(venues=[pb.Venue(name="okx")]))
        result = run("venues")
        assert "okx" in result.stdout
        assert "connections" not in result.stdout
        assert "no connection is configured" in result.stderr


PLACE = trades_pb2.REQUEST_OPERATION_PLACE


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {"request_succeeded": events_pb2.RequestSucceeded(trade_id="t1", attempt=2, operation=PLACE)},
            "trade t1, PLACE attempt 2 succeeded",
        ),
        (
            {
                "retry_scheduled": events_pb2.RetryScheduled(
                    trade_id="t1",
                    attempt=1,
                    operation=PLACE,
                    error_class="rate_limit",
                    text="slow down",
                    delay=convert.duration(timedelta(seconds=1.5)),
                )
            },
            "trade t1, PLACE attempt 1 failed: rate_limit slow down; again after 1.500s",
        ),
        (
            {
                "retry_exhausted": events_pb2.RetryExhausted(
                    trade_id="t1",
                    attempts=3,
                    operation=2,
                    error_class="timeout",
                    maybe_applied=True,  # type: ignore[arg-type]
                )
            },
            "trade t1, CANCEL given up after 3 attempts: timeout, may have taken effect",
        ),
        (
            {
                "trade_started": events_pb2.TradeStarted(
                    trade_id="t1", request_id="mine", request=TRADE.request
                )
            },
            "trade t1, request mine: BUY 1 BTCUSDT limit @ 50000",
        ),
        (
            {"trade_continued": events_pb2.TradeContinued(trade_id="t1", number=2)},
            "trade t1, its order number 2",
        ),
        (
            {"trade_cancel_requested": events_pb2.TradeCancelRequested(trade_id="t1")},
            "trade t1 shall be cancelled",
        ),
        (
            {
                "trade_finished": events_pb2.TradeFinished(
                    trade_id="t1",
                    outcome=trades_pb2.TRADE_OUTCOME_REJECTED,
                    error_class="insufficient_funds",
                    text="too poor",
                )
            },
            "trade t1: REJECTED, insufficient_funds too poor",
        ),
        (
            {"trade_finished": events_pb2.TradeFinished(trade_id="t1", success=True, outcome=1)},  # type: ignore[arg-type]
            "trade t1: FILLED",
        ),
        (
            {
                "connection_changed": events_pb2.ConnectionChanged(
                    market="spot",
                    connected=True,
                    repaired_fills=2,
                    symbol="BTCUSDT",
                    confirmed_time=convert.timestamp(NOON),
                    text="the stream had lost them",
                )
            },
            "spot connected, 2 fills of BTCUSDT repaired, history read up to 2026-01-31T12:00:00Z: "
            "the stream had lost them",
        ),
        ({"connection_changed": events_pb2.ConnectionChanged(text="reset")}, "disconnected: reset"),
    ],
)
def test_what_events_say(fields: dict[str, Any], text: str) -> None:
    assert event_text(events_pb2.Event(**fields)) == text


def test_every_kind_of_event_says_something() -> None:
    for name in events_pb2.Event.DESCRIPTOR.oneofs_by_name["event"].fields:
        event = events_pb2.Event()
        getattr(event, name.name).SetInParent()
        # These say only what is in them.
        empty = {"order_registered", "order_reported", "order_anomaly", "alert_cleared"}
        assert event_text(event) or name.name in empty, name.name


def test_the_new_kinds_can_be_watched(run: Any, server: Any) -> None:
    async def one(request: Any, context: Any) -> AsyncIterator[Any]:
        yield feed_service_pb2.WatchEventsResponse(events=[events_pb2.Event(sequence=1)], resume_token="1")

    server.on("WatchEvents", one)
    kinds = ["request_succeeded", "trade_continued", "trade_cancel_requested", "connection_changed"]
    assert run("watch", "--count", 1, *(word for kind in kinds for word in ("--kind", kind))).code == 0
    assert list(server.requests("WatchEvents")[0].kinds) == [18, 19, 20, 21]
