"""fillhandler execute: what it asks, shows on the way, how it ends, and that it never stops a trade."""

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import ParseDict

from fillhandler import convert
from fillhandler.v1 import events_pb2, feed_service_pb2, fills_pb2, orders_pb2, state_service_pb2, trades_pb2
from fillhandler.v1 import execution_service_pb2 as pb

NOON = "2026-01-31T12:00:00Z"
LATER = "2026-01-31T12:00:05Z"
BUY = ("execute", "BTC/USDT", "buy", "1", "--venue", "Binance")
FEE = fills_pb2.Fee(amount="0.100000000000000001", currency="BNB")
PLACED = {"status": trades_pb2.TRADE_STATUS_WORKING, "attempts": 1}
HALF = {"total_filled": "0.5", "average_price": "50000.1", "fees": [FEE], "fill_count": 1}
WAITING = {
    "status": trades_pb2.TRADE_STATUS_WAITING,
    "attempts": 1,
    "error_class": "rate_limit",
    "text": "slow\x1b[2J down",
    "retry_time": convert.timestamp(LATER),
}


def ended(outcome: int, **fields: Any) -> dict[str, Any]:
    return {
        "status": trades_pb2.TRADE_STATUS_FINISHED,
        "outcome": outcome,
        "success": outcome == trades_pb2.TRADE_OUTCOME_FILLED,
        "finish_time": convert.timestamp(LATER),
        **fields,
    }


FILLED = ended(
    trades_pb2.TRADE_OUTCOME_FILLED, total_filled="1", average_price="50000.2", fees=[FEE], fill_count=2
)


class ScriptedTrade:
    """A server with one trade, which moves on whenever its last state was seen, and then is held or answered.

    `steps` are the fields that change, an event each.
    """

    def __init__(self, server: Any, refusal: Any, *steps: dict[str, Any], hold: bool = False) -> None:
        self.server = server
        self.refusal = refusal
        self.steps = steps
        self.hold = hold
        self.trade: trades_pb2.Trade | None = None
        self.events: list[events_pb2.Event] = [self.event(40, trade_started=events_pb2.TradeStarted())]
        self.seen: trades_pb2.Trade | None = None
        # Made here, used on the server's loop only.
        self.changed = asyncio.Condition()
        server.on(
            "GetServerStatus", state_service_pb2.GetServerStatusResponse(instance_id="one", head_sequence=40)
        )
        connection = pb.VenueConnection(account="main", market="spot", state=2, sandbox=True)
        live = pb.VenueConnection(account="other", market="linear", state=3, paused=True)
        server.on(
            "ListVenues",
            pb.ListVenuesResponse(venues=[pb.Venue(name="binance", connections=[connection, live])]),
        )
        server.on("ExecuteTrade", self.execute)
        server.on("GetTrade", self.get)
        server.on("WatchEvents", self.watch)

    def event(self, sequence: int, **fields: Any) -> events_pb2.Event:
        return events_pb2.Event(
            sequence=sequence,
            venue="binance",
            account="main",
            symbol="BTCUSDT",
            commit_time=convert.timestamp(LATER),
            **fields,
        )

    async def moved(self, **fields: Any) -> None:
        """An event, and the trade after it."""
        async with self.changed:
            self.events.append(self.event(self.events[-1].sequence + 1, **fields))
            assert self.trade is not None
            self.trade.sequence = self.events[-1].sequence
            self.changed.notify_all()

    async def execute(self, request: Any, context: Any) -> Any:
        asked = trades_pb2.ExecuteTradeRequest()
        asked.CopyFrom(request)
        asked.symbol, asked.account, asked.client_order_id = "BTCUSDT", "main", "fh-1"
        self.trade = trades_pb2.Trade(
            trade_id="t1", request=asked, status=1, total_filled="0", start_time=convert.timestamp(NOON)
        )
        await self.moved(trade_started=events_pb2.TradeStarted(trade_id="t1", request_id=request.request_id))
        for step in self.steps:
            async with self.changed:
                await self.changed.wait_for(lambda: self.seen == self.trade)
            for name in ("error_class", "text", "retry_time"):
                self.trade.ClearField(name)  # type: ignore[arg-type]
            self.trade.MergeFrom(trades_pb2.Trade(**{**step, "fees": []}))
            del self.trade.fees[:]
            self.trade.fees.extend(step.get("fees", []))
            await self.moved(order_reported=events_pb2.OrderReported())
        if self.hold:
            await asyncio.Event().wait()
        fills = [fills_pb2.Fill(order_id="7", trade_id=str(number), quantity="0.5") for number in range(2)]
        self.trade.orders.append(orders_pb2.Order(order_id="7", client_order_id="fh-1", status=4))
        return pb.ExecuteTradeResponse(
            success=self.trade.success,
            order=self.trade.orders[-1],
            total_filled=self.trade.total_filled,
            fees=self.trade.fees,
            partial_fills=fills if self.trade.fill_count else [],
            attempts=self.trade.attempts,
            trade=self.trade,
            sequence=self.trade.sequence,
        )

    async def get(self, request: Any, context: Any) -> Any:
        if self.trade is None or request.request_id:  # as if it was asked before the trade was durable
            raise self.refusal(grpc.StatusCode.NOT_FOUND, "TRADE_NOT_FOUND")
        async with self.changed:
            self.seen = trades_pb2.Trade()
            self.seen.CopyFrom(self.trade)
            self.changed.notify_all()
        return pb.GetTradeResponse(trade=self.seen)

    async def watch(self, request: Any, context: Any) -> AsyncIterator[Any]:
        at = request.after_sequence
        assert request.WhichOneof("start") == "after_sequence", "what happens before the feed is open is lost"
        while True:
            async with self.changed:
                found = [event for event in self.events if event.sequence > at]
                if not found:
                    await self.changed.wait()
                    continue
            at = found[-1].sequence
            shown = [
                event for event in found if event.WhichOneof("event") == "trade_started" or not request.kinds
            ]
            yield feed_service_pb2.WatchEventsResponse(
                events=shown, through_sequence=at, resume_token=str(at), instance_id="one", live=True
            )


@pytest.fixture
def script(server: Any, refusal: Callable[..., Any]) -> Callable[..., ScriptedTrade]:
    return lambda *steps, **settings: ScriptedTrade(server, refusal, *steps, **settings)


class TestArguments:
    def test_all_of_them_are_asked(self, run: Any, server: Any, script: Callable[..., Any]) -> None:
        script(FILLED)
        options = (
            "--type post-only --limit-price 50000 --expected-price 50001 --time-in-force gtc --account a"
        )
        more = "--market linear --client-order-id c --request-id r --deadline 1.5m --remainder replace"
        prices = "--replacement-price tolerance --max-replacements 2"
        assert run(*BUY, *options.split(), *more.split(), *prices.split(), "--json").code == 0
        (request,) = server.requests("ExecuteTrade")
        assert (
            ParseDict(
                {
                    "requestId": "r",
                    "venue": "binance",
                    "account": "a",
                    "market": "linear",
                    "symbol": "BTC/USDT",
                    "side": "SIDE_BUY",
                    "quantity": "1",
                    "type": "post_only",
                    "limitPrice": "50000",
                    "expectedPrice": "50001",
                    "timeInForce": "gtc",
                    "deadline": "90s",
                    "clientOrderId": "c",
                    "remainder": "REMAINDER_REPLACE",
                    "replacementPrice": "REPLACEMENT_PRICE_TOLERANCE",
                    "maxReplacements": 2,
                },
                trades_pb2.ExecuteTradeRequest(),
            )
            == request
        )

    @pytest.mark.parametrize(("text", "seconds"), [("30", 30), ("0.5", 0.5), ("90s", 90), ("5m", 300)])
    def test_a_deadline_without_a_unit_is_in_seconds(
        self, run: Any, server: Any, script: Callable[..., Any], text: str, seconds: float
    ) -> None:
        script(FILLED)
        run(*BUY, "--deadline", text)
        (request,) = server.requests("ExecuteTrade")
        assert request.deadline.ToTimedelta().total_seconds() == seconds

    @pytest.mark.parametrize(
        "arguments",
        [
            ["execute", "BTCUSDT", "buy", "1"],
            ["execute", "BTCUSDT", "buy", "--venue", "binance"],
            ["execute", "BTCUSDT", "up", "1", "--venue", "binance"],
            [*BUY, "--type", "limit"],
            [*BUY, "--limit-price", "5"],
            [*BUY, "--type", "stop"],
            [*BUY, "--time-in-force", "day"],
            [*BUY, "--deadline", "soon"],
            [*BUY, "--remainder", "sell"],
            [*BUY, "--max-replacements", "1"],
            [*BUY, "--remainder", "cancel", "--replacement-price", "same"],
        ],
    )
    def test_wrong_ones_send_nothing(self, run: Any, server: Any, arguments: list[str]) -> None:
        result = run(*arguments)
        assert (result.code, result.stdout) == (2, "")
        assert result.stderr
        assert server.calls == []


class TestOnAPipe:
    def test_a_line_for_each_change_and_then_what_came_of_it(
        self, run: Any, server: Any, script: Callable[..., Any]
    ) -> None:
        script(WAITING, PLACED, PLACED, {**PLACED, **HALF}, FILLED)
        result = run(*BUY)
        assert result.code == 0
        lines = result.stdout.splitlines()
        assert lines[:6] == [
            "binance, account main, spot: sandbox, CONNECTED",
            f"{NOON} PLACING 0 of 1 filled",
            f"{LATER} WAITING 0 of 1 filled, attempts 1, rate_limit slow\\x1b[2J down, next attempt {LATER}",
            f"{LATER} WORKING 0 of 1 filled, attempts 1",
            f"{LATER} WORKING 0.5 of 1 filled @ 50000.1, fees 0.100000000000000001 BNB, attempts 1",
            f"{LATER} FILLED 1 of 1 filled @ 50000.2, fees 0.100000000000000001 BNB, attempts 1",
        ]
        summary = "\n".join(lines[6:])
        for text in ("t1", "FILLED", "50000.2", "0.100000000000000001 BNB", "orders", "fh-1", "fills"):
            assert text in summary

    def test_it_watches_from_before_the_trade_was_sent(
        self, run: Any, server: Any, script: Callable[..., Any]
    ) -> None:
        script(FILLED)
        run(*BUY)
        order = [call.method for call in server.calls]
        assert order.index("GetServerStatus") < order.index("ExecuteTrade")
        start, changes = server.requests("WatchEvents")
        assert (start.after_sequence, start.instance_id, list(start.venues)) == (40, "one", ["binance"])
        assert list(start.kinds) == [events_pb2.EVENT_KIND_TRADE_STARTED]
        assert (list(changes.accounts), list(changes.symbols)) == (["main"], ["BTCUSDT"])
        assert changes.after_sequence == 41

    def test_real_money_is_said_first(self, run: Any, script: Callable[..., Any]) -> None:
        script(FILLED)
        assert run(*BUY, "--account", "other").stdout.splitlines()[0] == (
            "binance, account other, linear: LIVE, DISCONNECTED, paused"
        )
        assert "no connection fits" in run(*BUY, "--account", "none").stderr

    def test_without_a_feed_the_answer_still_comes(
        self,
        run: Any,
        server: Any,
        script: Callable[..., Any],
        refusal: Callable[..., Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        trade = script()
        told = server.gate()
        notes: list[str] = []

        def note(_self: Any, text: str) -> None:
            notes.append(text)
            told.open()

        async def execute(request: Any, context: Any) -> Any:
            answer = await trade.execute(request, context)
            await told.wait()
            answer.trade.MergeFrom(trades_pb2.Trade(**FILLED))
            return answer

        monkeypatch.setattr("fillhandler.cli.output.Output.note", note)
        server.on("ExecuteTrade", execute)
        server.on("WatchEvents", refusal(grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED", text="no"))
        result = run(*BUY)
        assert result.code == 0
        assert "50000.2" in result.stdout
        assert notes == ["the progress cannot be shown: PERMISSION_DENIED: no"]


class TestJson:
    def test_is_the_answer_and_nothing_else(self, run: Any, script: Callable[..., Any]) -> None:
        script(PLACED, FILLED)
        result = run(*BUY, "--json")
        assert (result.code, result.stderr) == (0, "")
        answer = ParseDict(result.document, pb.ExecuteTradeResponse())
        assert answer.success
        assert answer.trade.request.request_id
        assert [fill.quantity for fill in answer.partial_fills] == ["0.5", "0.5"]

    def test_a_failure_is_told_beside_it(self, run: Any, script: Callable[..., Any]) -> None:
        script(ended(trades_pb2.TRADE_OUTCOME_NOT_FILLED, text="the venue cancelled it"))
        result = run(*BUY, "--json")
        assert result.code == 1
        assert result.document["success"] is False
        assert result.problems == [
            {
                "text": "NOT_FILLED, 0 of 1 filled: the venue cancelled it",
                "hint": "it may be executed again as a new trade",
            }
        ]


class TestEnds:
    @pytest.mark.parametrize("outcome", sorted(set(trades_pb2.TradeOutcome.values()) - {0, 1}))
    def test_with_one_unless_all_is_filled(self, run: Any, script: Callable[..., Any], outcome: int) -> None:
        script(ended(outcome, error_class="invalid_order", text="lot size"))
        result = run(*BUY)
        assert result.code == 1
        name = trades_pb2.TradeOutcome.Name(outcome).removeprefix("TRADE_OUTCOME_")  # type: ignore[arg-type]
        assert result.stderr.startswith(f"{name}, 0 of 1 filled: invalid_order lot size (")
        assert result.stderr.count("\n") == 1

    def test_undecided_says_what_the_server_goes_on_doing(self, run: Any, script: Callable[..., Any]) -> None:
        script({"status": trades_pb2.TRADE_STATUS_UNKNOWN, "undecided": True, "attempts": 1})
        result = run(*BUY, "--request-id", "mine")
        assert result.code == 1
        assert result.stderr.startswith("undecided, 0 of 1 filled (")
        for text in ("sends nothing again", "fillhandler trade mine", "fh-1"):
            assert text in result.stderr

    def test_refused_there_is_no_trade(
        self, run: Any, server: Any, script: Callable[..., Any], refusal: Callable[..., Any]
    ) -> None:
        script()
        server.on(
            "ExecuteTrade",
            refusal(grpc.StatusCode.FAILED_PRECONDITION, "REQUEST_ID_REUSED", text="it was another"),
        )
        result = run(*BUY, "--request-id", "mine", "--json")
        assert (result.code, result.stdout) == (1, "")
        assert result.problems[0]["reason"] == "REQUEST_ID_REUSED"
        assert "new id" in result.problems[0]["hint"]

    def test_without_a_connection_nothing_was_traded(
        self, run: Any, server: Any, script: Callable[..., Any], refusal: Callable[..., Any]
    ) -> None:
        script()
        # The wait that is asked for is longer than the timeout.
        again = timedelta(minutes=1)
        server.on(
            "ExecuteTrade",
            refusal(grpc.StatusCode.UNAVAILABLE, "VENUE_UNAVAILABLE", retry_after=again),
        )
        result = run(*BUY, "--timeout", "5", "--json")
        assert result.code == 1
        assert "nothing was traded" in result.problems[0]["hint"]

    def test_a_timeout_ends_the_waiting_only(self, run: Any, server: Any, script: Callable[..., Any]) -> None:
        script(PLACED, hold=True)
        result = run(*BUY, "--request-id", "mine", "--timeout", "0.7", "--json")
        assert (result.code, result.stdout) == (1, "")
        assert result.problems[0]["status"] == "DEADLINE_EXCEEDED"
        assert "fillhandler cancel-trade mine" in result.problems[0]["hint"]
        assert not server.called("CancelTrade")

    def test_with_three_where_no_server_is(self, run: Any, server: Any) -> None:
        server.stop()
        result = run(*BUY, "--timeout", "0.5", "--json")
        assert (result.code, result.stdout) == (3, "")
        server.start()


class TestDetached:
    def test_it_ends_once_the_trade_is_durable(
        self, run: Any, server: Any, script: Callable[..., Any]
    ) -> None:
        script(hold=True)
        result = run(*BUY, "--request-id", "mine", "--detach")
        assert result.code == 0
        assert "PLACING" in result.stdout
        assert "fillhandler trade mine" in result.stderr
        assert not server.called("CancelTrade")

    def test_as_json_it_is_the_answer_so_far(self, run: Any, script: Callable[..., Any]) -> None:
        script(hold=True)
        document = run(*BUY, "--detach", "--json").document
        assert (document["success"], document["totalFilled"]) == (False, "0")
        assert document["trade"]["tradeId"] == "t1"
        assert "averagePrice" not in document

    def test_what_is_known_already_is_not_waited_for(
        self, run: Any, server: Any, script: Callable[..., Any]
    ) -> None:
        trade = script(hold=True)

        async def known(request: Any, context: Any) -> Any:
            return pb.GetTradeResponse(trade=trades_pb2.Trade(trade_id="t0", request=trade_request))

        trade_request = trades_pb2.ExecuteTradeRequest(request_id="mine", venue="binance", quantity="1")
        server.on("GetTrade", known)
        assert trade.hold
        assert run(*BUY, "--request-id", "mine", "--detach", "--json").document["trade"]["tradeId"] == "t0"
        assert not server.called("WatchEvents")


def start(server: Any, *arguments: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "FILLHANDLER_ADDRESS": server.address,
        "TERM": "xterm",
        "COLUMNS": "100",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "fillhandler.cli", *arguments],
        env=environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
    )


class TestInAProcessOfItsOwn:
    def test_ctrl_c_leaves_the_trade_running_and_says_how_to_go_on(
        self, server: Any, script: Callable[..., Any]
    ) -> None:
        script(PLACED, hold=True)
        process = start(server, *BUY, "--request-id", "mine")
        assert process.stdout is not None
        while b"WORKING" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
        assert process.returncode == 1
        assert stderr.decode() == (
            "interrupted; the trade goes on without this command "
            "(`fillhandler trade mine` shows it, `fillhandler cancel-trade mine` cancels it)\n"
        )
        assert not server.called("CancelTrade")

    def test_on_a_terminal_it_is_drawn_in_place(self, server: Any, script: Callable[..., Any]) -> None:
        trade = script(WAITING, hold=True)
        ours, theirs = pty.openpty()
        process = start(server, *BUY, stdout=theirs)
        os.close(theirs)
        shown = b""
        while b"next attempt" not in shown:
            shown += os.read(ours, 4096)
        # Drawn again and again, so that the time left runs down.
        again = b""
        while again.count(b"next attempt") < 2:
            again += os.read(ours, 4096)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 1
        assert process.stderr is not None
        assert json.dumps(process.stderr.read().decode()).startswith('"interrupted; ')
        process.stderr.close()
        os.close(ours)
        text = shown.decode(errors="replace")
        assert "in 0 s, at 2026-01-31T12:00:05Z" in text
        assert "rate_limit slow\\x1b[2J down" in text
        assert f"{NOON} PLACING" not in text, "no line for each change"
        assert trade.hold
