"""What the demo makes of events: progress, notes, and views of every size."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from rich.console import Console

from fillhandler.v1 import analytics_service_pb2, events_pb2
from fillhandler_server.demo.comparing import Comparison
from fillhandler_server.demo.displays import Lines
from fillhandler_server.demo.model import Seen
from fillhandler_server.demo.screen import Screen

REQUEST = {"symbol": "BTCUSDT", "market": "spot", "side": "SIDE_BUY", "quantity": "0.3", "type": "market"}


def event(number: int = 0, **fields: Any) -> events_pb2.Event:
    return ParseDict(
        {"venue": "binance", "symbol": "BTCUSDT", "orderNumber": number, **fields}, events_pb2.Event()
    )


def started(number: int = 1, trade: str = "t") -> events_pb2.Event:
    return event(number, tradeStarted={"tradeId": trade, "requestId": trade, "request": REQUEST})


def failed(operation: str, *, maybe_applied: bool) -> events_pb2.Event:
    fields = {
        "tradeId": "t",
        "attempt": 1,
        "errorClass": "timeout",
        "text": "no answer",
        "delay": "1.5s",
        "operation": f"REQUEST_OPERATION_{operation}",
        "maybeApplied": maybe_applied,
    }
    return event(1, retryScheduled=fields)


def succeeded(operation: str) -> events_pb2.Event:
    done = {"tradeId": "t", "attempt": 2, "operation": f"REQUEST_OPERATION_{operation}"}
    return event(1, requestSucceeded=done)


def filled(number: int, cumulative: str, average: str) -> events_pb2.Event:
    fill = {"symbol": "BTCUSDT", "side": "SIDE_BUY", "quantity": "0.1", "price": average}
    return event(
        number,
        status="ORDER_STATUS_PARTIALLY_FILLED",
        cumulativeQuantity=cumulative,
        leavesQuantity="0.1",
        averagePrice=average,
        fillRecorded={"fill": fill},
    )


FINISHED = event(2, tradeFinished={"tradeId": "t", "success": True, "outcome": "TRADE_OUTCOME_FILLED"})


def titles(*events: events_pb2.Event) -> list[str]:
    """Of the notes on these events of a trade."""
    seen = Seen()
    seen.happened(started())
    return [note.title for each in events if (note := seen.happened(each)) is not None]


def test_a_trade_over_two_orders_has_one_progress() -> None:
    seen = Seen()
    continued = event(2, tradeContinued={"tradeId": "t", "number": 2})
    for each in (started(), filled(1, "0.1", "100"), continued, filled(2, "0.2", "103")):
        seen.happened(each)
    progress = seen.trades["t"]
    assert (progress.total, progress.fraction, progress.average) == (Decimal("0.3"), 1, 102)
    assert (seen.running, seen.started, len(seen.fills)) == (1, 1, 2)
    seen.happened(FINISHED)
    assert (seen.running, progress.state) == (0, "FILLED")


def test_an_order_of_unknown_fate_is_told_apart_from_one_that_failed() -> None:
    assert titles(failed("PLACE", maybe_applied=False), succeeded("PLACE")) == ["RETRY"]
    assert titles(failed("PLACE", maybe_applied=True), succeeded("QUERY")) == ["OUTCOME UNKNOWN", "FOUND"]
    assert titles(failed("PLACE", maybe_applied=True), succeeded("PLACE")) == [
        "OUTCOME UNKNOWN",
        "SENT AGAIN",
    ]
    # A cancel or a question that may have taken effect leaves no doubt about the order itself.
    assert titles(failed("CANCEL", maybe_applied=True), succeeded("CANCEL")) == ["RETRY"]


def test_a_retry_says_why_and_when() -> None:
    seen = Seen()
    note = seen.happened(failed("PLACE", maybe_applied=False))
    assert note is not None
    assert note.text == "BTCUSDT, place attempt 1: timeout (no answer). Again in 1.5 s."


def test_only_what_happened_to_the_stream_is_told_as_such() -> None:
    confirmed = {"market": "spot", "confirmedTime": "2026-01-01T00:00:00Z"}
    assert titles(
        event(connectionChanged={"market": "spot", "connected": True}),
        event(connectionChanged={**confirmed, "connected": True}),
        event(connectionChanged={"market": "spot", "text": "it broke"}),
        event(connectionChanged=confirmed),
        event(connectionChanged={**confirmed, "repairedFills": 2}),
    ) == ["CONNECTED", "DISCONNECTED", "GAP REPAIRED"]


def test_trades_that_ended_give_way_and_those_under_way_stay() -> None:
    seen = Seen()
    seen.happened(started(1, "long"))
    for number in range(10, 100):
        seen.happened(started(number, f"t{number}"))
        finished = {"tradeId": f"t{number}", "outcome": "TRADE_OUTCOME_NOT_FILLED"}
        seen.happened(event(number, tradeFinished=finished))
    assert "long" in seen.trades
    assert "t10" not in seen.trades
    assert len(seen.trades) <= 41
    assert seen.running == 1


def a_while() -> Seen:
    """What was seen after a while."""
    seen = Seen(address="127.0.0.1:1")
    for number in range(30):
        seen.happened(started(number * 2 + 1, f"t{number}"))
        seen.happened(failed("PLACE", maybe_applied=number % 2 == 0))
        seen.happened(filled(number * 2 + 1, "0.2", "60000.123456789"))
    seen.statistics = ParseDict(
        {
            "totalFills": "30",
            "retryRate": 0.25,
            "totalRetries": "7",
            "fees": [{"amount": "1", "currency": "BTC"}],
        },
        analytics_service_pb2.GetFillStatisticsResponse(),
    )
    return seen


@pytest.mark.parametrize(("width", "height"), [(200, 60), (150, 40), (100, 40), (80, 24), (60, 20), (40, 15)])
def test_every_terminal_is_drawn_in_its_bounds(width: int, height: int) -> None:
    console = Console(width=width, height=height, file=io.StringIO(), force_terminal=True, color_system=None)
    screen = Screen(console)
    screen.started(a_while())
    with screen.open():
        pass
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "0.2 / 0.3" in text
    assert "RETRY" in text or "OUTCOME UNKNOWN" in text
    assert ("retry rate 25%" in text) == (height >= 22)
    assert max(len(line.rstrip("\r")) for line in text.splitlines() if "\x1b" not in line) <= width


def test_the_summary_says_what_differs() -> None:
    console = Console(file=io.StringIO(), width=200)
    seen = a_while()
    seen.comparison = Comparison(3, 2, 1, 1, ["trade 9 is in the record 0 times"])
    lines = Lines(console)
    lines.started(seen)
    lines.summary()
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "2 of 3" in text
    assert "trade 9 is in the record 0 times" in text


def test_lines_without_anything_seen_do_not_fail() -> None:
    lines = Lines(Console(file=io.StringIO()))
    lines.starting(Seen(step="…"))
    lines.started(Seen(address="127.0.0.1:1"))
    lines.moved()
    lines.summary()
