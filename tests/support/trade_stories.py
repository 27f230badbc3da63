"""Trades for tests: terms, failures, and a story with every kind of event of trades and connections."""

from decimal import Decimal
from typing import Any

from fillhandler_server.domain import events as ev
from fillhandler_server.domain.fills import Fill
from fillhandler_server.domain.reports import OrderReport, OrderStatus
from fillhandler_server.domain.trades import Failure, Operation, Remainder, TradeOutcome, TradeTerms
from fillhandler_server.engine import Engine

SECOND = 1_000_000_000


def some_terms(**more: Any) -> TradeTerms:
    """A market order of 3 BTCUSDT."""
    given: dict[str, Any] = {
        "venue": "binance",
        "account": "main",
        "market": "spot",
        "symbol": "BTCUSDT",
        "side": 1,
        "type": "market",
        "quantity": Decimal(3),
        "client_order_id": "cid-1",
    }
    return TradeTerms(**{**given, **more})


def a_failure(attempt: int = 1, *, delay: int | None = 2 * SECOND, **more: Any) -> Failure:
    """A failed attempt to place an order, of which the venue said that it did nothing."""
    given: dict[str, Any] = {
        "operation": Operation.PLACE,
        "attempt": attempt,
        "error_class": "rate_limit",
        "maybe_applied": False,
        "text": "too many requests",
        "send_time": 5,
        "delay": delay,
    }
    return Failure(**{**given, **more})


def every_kind(engine: Engine) -> None:
    """A trade that is retried, unknown, undecided, continued and cancelled; and a connection."""
    engine.start_trade(
        "t1",
        "r1",
        some_terms(
            type="limit",
            limit_price=Decimal("100.5"),
            expected_price=Decimal(100),
            time_in_force="gtc",
            deadline=30 * SECOND,
            remainder=Remainder.REPLACE,
            max_replacements=2,
        ),
    )
    engine.note_failure("t1", a_failure())
    engine.note_failure("t1", a_failure(2, maybe_applied=True, error_class="timeout"))
    engine.set_undecided("t1", "the venue does not answer")
    engine.set_undecided("t1", "")
    engine.note_success("t1", Operation.PLACE, 9)
    # All that the report counts, so that nothing is inferred behind the caller's back.
    engine.record_fill(
        Fill(
            venue="binance",
            symbol="BTCUSDT",
            market="spot",
            order_id="901",
            client_order_id="cid-1",
            trade_id="t901",
            side=1,
            quantity=Decimal(1),
            price=Decimal("100.5"),
            trade_time=11,
        )
    )
    engine.report_order(
        OrderReport(
            "binance",
            OrderStatus.CANCELED,
            symbol="BTCUSDT",
            order_id="901",
            client_order_id="cid-1",
            cumulative_quantity=Decimal(1),
            time=12,
        )
    )
    engine.continue_trade("t1", some_terms(quantity=Decimal(2), client_order_id="cid-2"))
    engine.request_cancel("t1")
    engine.note_failure("t1", a_failure(delay=None))
    engine.end_order("t1", OrderStatus.REJECTED, "never placed")
    engine.finish_trade("t1", TradeOutcome.PARTIALLY_FILLED, "rate_limit", "the rest was refused")
    engine.emit(ev.ConnectionChanged("binance", "main", "spot", True))
    engine.emit(
        ev.ConnectionChanged("binance", "main", "spot", True, "repaired", 3, "BTCUSDT", confirmed_time=77)
    )
    engine.emit(ev.ConnectionChanged("binance", "main", "spot", False, "reset by peer"))
