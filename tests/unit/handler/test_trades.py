"""SecureExchangeManager against the simulated exchange: what a trade gives back, and how it fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC
from decimal import Decimal
from typing import Any

import pytest
from support.in_process import buy, rest
from support.rehearsing import connection_table, credentials_of, orders_at, paused_exchange

from fillhandler_server import (
    ExchangeError,
    ExchangeType,
    InsufficientFundsError,
    NetworkError,
    RateLimitError,
    SecureExchangeManager,
)
from fillhandler_server.domain.errors import IllegalTransitionError, InvalidFieldError, TradeNotFoundError
from fillhandler_server.domain.numbers import divide_shown
from fillhandler_server.exchange import SimulatedExchange
from fillhandler_server.execution import manager as trade_manager
from fillhandler_server.handler import Fees


async def test_the_sample_of_the_original_design(
    manager: SecureExchangeManager, exchange: SimulatedExchange
) -> None:
    result = await manager.execute_trade(
        exchange=ExchangeType.BINANCE, symbol="BTCUSDT", side="buy", amount=0.01, order_type="market"
    )

    assert result.success
    assert (result.status, result.outcome, result.finished) == ("FINISHED", "FILLED", True)
    assert result.total_filled == Decimal("0.01")  # what the float prints as
    assert result.partial_fills == []
    assert result.error is None
    assert result.raise_for_error() is result
    assert (result.attempts, result.retries) == (1, 0)
    assert f"{result.total_fee}" == "0.00001 BTC"
    [placed] = orders_at(exchange)
    assert placed["client_order_id"] == result.order.client_order_id
    assert result.orders == (result.order,)
    assert result.start_time is not None
    assert result.finish_time is not None
    assert result.finish_time.tzinfo is UTC
    assert manager.handler.get_order_state(result.order.order_id) == result.order
    assert await manager.get_trade(result.trade_id) == result
    assert await manager.get_trade(request_id=result.request_id) == result


async def test_several_fills_are_partial_fills_with_exact_sums(manager: SecureExchangeManager) -> None:
    result = await buy(manager, "2.5")

    fills = result.partial_fills
    assert result.success
    assert len(fills) > 1
    assert sum(fill.quantity for fill in fills) == result.total_filled == Decimal("2.5")
    assert result.average_price == divide_shown(
        sum(fill.quantity * fill.price for fill in fills), Decimal("2.5")
    )
    assert result.total_fee == {"BTC": sum(fill.fees["BTC"] for fill in fills)}
    assert result.fees is result.total_fee
    assert {(fill.state, fill.outcome, fill.venue) for fill in fills} == {("STANDING", "", "binance")}
    assert {fill.order_id for fill in fills} == {result.order.order_id}


async def test_a_part_that_was_filled_is_no_success_and_no_error(
    manager: SecureExchangeManager, exchange: SimulatedExchange
) -> None:
    best = min(fill.price for fill in (await buy(manager, "2.5")).partial_fills)

    result = await buy(manager, "2.5", order_type="IOC", price=best)

    assert (result.success, result.outcome, result.error) == (False, "PARTIALLY_FILLED", None)
    assert 0 < result.total_filled < Decimal("2.5")
    assert result.partial_fills
    assert result.raise_for_error() is result
    assert result.order.status in ("EXPIRED", "CANCELED")


async def test_fees_print_one_by_one() -> None:
    assert str(Fees()) == "0"
    assert str(Fees(BNB=Decimal("1E-7"), USDT=Decimal("-0.5"))) == "0.0000001 BNB, -0.5 USDT"


# ------------------------------------------------------------------ what goes wrong there


@pytest.fixture
async def poor(tmp_path: Any, config: dict[str, Any]) -> AsyncIterator[SecureExchangeManager]:
    """A manager at an exchange whose account holds little."""
    exchange = paused_exchange(funds={"USDT": Decimal(100)})
    url = await exchange.start()
    table = connection_table(url, credentials_of(exchange, tmp_path / "keys"), collect=False)
    async with SecureExchangeManager(config | {"connections": [table]}) as opened:
        yield opened
    await exchange.stop()


async def test_insufficient_funds_are_told_and_not_tried_again(poor: SecureExchangeManager) -> None:
    result = await buy(poor)

    assert (result.success, result.outcome, result.total_filled) == (False, "REJECTED", 0)
    assert (result.average_price, str(result.total_fee), result.partial_fills) == (None, "0", [])
    assert result.order.status == "REJECTED"
    assert type(result.error) is InsufficientFundsError
    assert (result.error.error_class, result.error.attempts) == ("insufficient_funds", 1)
    assert "insufficient balance" in result.error.words
    assert result.error.metadata["trade_id"] == result.trade_id
    with pytest.raises(ExchangeError, match=r"insufficient_funds after 1 attempt: .*insufficient balance"):
        result.raise_for_error()


async def test_a_rate_limit_is_waited_for(
    manager: SecureExchangeManager, exchange: SimulatedExchange
) -> None:
    exchange.plan.set("retry_after_seconds", 0)
    exchange.plan.order("rate_limit", 2, "place")

    result = await buy(manager)

    assert (result.success, result.attempts, result.retries, result.error) == (True, 3, 2, None)
    stats = manager.handler.get_fill_statistics()
    assert (stats["total_retries"], stats["total_fills_processed"]) == (2, 1)
    assert len(orders_at(exchange)) == 1


async def test_the_retries_that_are_set_later_count(
    manager: SecureExchangeManager, exchange: SimulatedExchange
) -> None:
    exchange.plan.set("retry_after_seconds", 0)
    exchange.plan.order("rate_limit", 2, "place")
    manager.handler.config["retry_config"]["max_retries"] = 1

    result = await buy(manager)

    assert (result.outcome, result.attempts) == ("FAILED", 2)
    assert type(result.error) is RateLimitError
    assert orders_at(exchange) == []


async def test_a_connections_own_retries_stand_above(
    trading: dict[str, Any], exchange: SimulatedExchange
) -> None:
    exchange.plan.set("retry_after_seconds", 0)
    exchange.plan.order("rate_limit", 1, "place")
    trading["connections"][0]["retry_config"] = {"max_retries": 0}

    async with SecureExchangeManager(trading) as manager:
        result = await buy(manager)

    assert (result.attempts, type(result.error)) == (1, RateLimitError)


async def test_the_network_is_down(trading: dict[str, Any], exchange: SimulatedExchange) -> None:
    trading["connections"][0]["timeout_seconds"] = 10
    trading["retry_config"]["max_retries"] = 1
    async with SecureExchangeManager(trading) as manager:
        # The connection stood: its markets are known.
        assert (await buy(manager)).success
        await exchange.stop()

        result = await buy(manager)

    assert (result.success, result.outcome, result.attempts) == (False, "FAILED", 2)
    assert type(result.error) is NetworkError
    assert result.error.error_class == "network_error"
    assert not result.error.maybe_applied


async def test_the_network_was_never_there(
    trading: dict[str, Any], exchange: SimulatedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trade_manager, "READY_SECONDS", 0.2)
    await exchange.stop()

    async with SecureExchangeManager(trading) as manager:
        result = await buy(manager, request_id="r")
        with pytest.raises(TradeNotFoundError):
            await manager.get_trade(request_id="r")

    assert (result.success, result.finished, result.trade_id, result.order) == (False, False, "", None)
    assert type(result.error) is NetworkError
    assert "binance/main/spot" in result.error.words


async def test_an_answer_that_is_lost_places_nothing_twice(
    manager: SecureExchangeManager, exchange: SimulatedExchange
) -> None:
    exchange.plan.order("connection_reset_after", 1, "place")

    result = await buy(manager)

    assert result.success
    assert len(orders_at(exchange)) == 1


async def test_what_the_exchange_does_not_tell_is_undecided(
    trading: dict[str, Any], exchange: SimulatedExchange
) -> None:
    trading["connections"][0]["undecided_after_seconds"] = 0.01
    exchange.plan.order("connection_reset_after", 1, "place")
    exchange.plan.order("temporary_error", 1_000, "query")

    async with SecureExchangeManager(trading) as manager:
        result = await buy(manager, request_id="r")

        assert (result.finished, result.status) == (False, "UNKNOWN")
        assert type(result.error) is NetworkError
        assert (result.error.error_class, result.error.maybe_applied) == ("unknown_outcome", True)
        assert [each.trade_id for each in await manager.active_trades()] == [result.trade_id]


# ------------------------------------------------------------------ what is handed in


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": float("nan")}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": "0.0100001"}, "amount"),  # the market's step
        ({"side": "hold"}, "side"),
        ({"exchange": "kraken"}, "exchange"),
        ({"exchange": ""}, "exchange"),
        ({"symbol": ""}, "symbol"),
        ({"symbol": "NOSUCH"}, "symbol"),
        ({"order_type": "stop"}, "order_type"),
        ({"order_type": "limit"}, "limit_price"),
        ({"price": 1, "limit_price": 2}, "price"),
        ({"deadline_seconds": 0}, "deadline_seconds"),
        ({"deadline_seconds": float("inf")}, "deadline_seconds"),
        ({"deadline_seconds": "1"}, "deadline_seconds"),
        ({"remainder": "sell"}, "remainder"),
        ({"market": "linear"}, "market"),
        ({"request_id": "with space"}, "request_id"),
    ],
)
async def test_wrong_arguments_are_named_as_they_are_called(
    manager: SecureExchangeManager, exchange: SimulatedExchange, given: dict[str, Any], field: str
) -> None:
    arguments = {"exchange": "binance", "symbol": "BTCUSDT", "side": "buy", "amount": 1} | given

    with pytest.raises(InvalidFieldError) as caught:
        await manager.execute_trade(**arguments)

    assert [violation.field for violation in caught.value.violations] == [field]
    assert orders_at(exchange) == []
    assert await manager.active_trades() == []


async def test_a_limit_order_with_everything(
    manager: SecureExchangeManager, exchange: SimulatedExchange
) -> None:
    result = await buy(
        manager,
        Decimal("0.05"),
        order_type="post-only",
        limit_price=30000.5,
        expected_price="30001",
        account="main",
        market="spot",
        deadline_seconds=0.2,
        remainder="cancel",
        client_order_id="mine",
        request_id="r1",
    )

    assert (result.outcome, result.order.status, result.error) == ("NOT_FILLED", "CANCELED", None)
    assert result.request_id == "r1"
    [placed] = orders_at(exchange, "mine")
    assert (placed["status"], Decimal(placed["price"])) == ("CANCELED", Decimal("30000.5"))
    assert result.order.expected_price == 30001


async def test_cancelling(manager: SecureExchangeManager) -> None:
    asked = await rest(manager, "r")

    cancelling = await manager.cancel_trade(request_id="r")
    result = await asked

    assert cancelling.trade_id == result.trade_id
    assert (result.success, result.outcome, result.error) == (False, "NOT_FILLED", None)
    with pytest.raises(IllegalTransitionError):
        await manager.cancel_trade(result.trade_id)
    for call in (manager.cancel_trade, manager.get_trade):
        with pytest.raises(TradeNotFoundError):
            await call("none")
        with pytest.raises(InvalidFieldError, match="one of them"):
            await call()
