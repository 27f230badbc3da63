"""SecureExchangeManager's life: its record, its thread, its credentials, restarts and ends."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support.exchange_client import Http
from support.in_process import buy, rest
from support.rehearsing import orders_at

from fillhandler_server import FillHandler, SecureExchangeManager, create_fill_handler
from fillhandler_server.domain.errors import InvalidFieldError, ShuttingDownError, TradeNotFoundError
from fillhandler_server.exchange import SimulatedExchange
from fillhandler_server.execution.manager import TradeManager
from fillhandler_server.execution.secret import Credentials, Secret
from fillhandler_server.execution.venue import Venue
from fillhandler_server.ledger import WriterLedger

pytest.importorskip("ccxt", reason="ccxt is the extra `exchanges`")

WAIT_SECONDS = 15


def fill_at(exchange: SimulatedExchange, price: str = "29000") -> None:
    exchange.jump("BTCUSDT", Decimal(price))


async def test_a_restart_takes_up_what_had_not_ended(
    trading: dict[str, Any], exchange: SimulatedExchange
) -> None:
    async with SecureExchangeManager(trading) as manager:
        asked = await rest(manager, "r")
        before = await manager.get_trade(request_id="r")
    with pytest.raises(ShuttingDownError, match="goes on when one is opened") as caught:
        await asked
    assert caught.value.metadata["request_id"] == "r"
    fill_at(exchange)

    async with SecureExchangeManager(trading) as manager:
        result = await buy(manager, order_type="limit", price="30000", request_id="r")

    assert result.success
    assert (result.trade_id, result.attempts) == (before.trade_id, 1)
    assert [order["status"] for order in orders_at(exchange)] == ["FILLED"]
    async with await create_fill_handler(trading) as handler:
        assert handler.get_order_state(result.order.order_id).status == "FILLED"


async def test_closed_means_closed(trading: dict[str, Any]) -> None:
    manager = SecureExchangeManager(trading)
    await manager.close()
    await manager.close()

    for call in (buy(manager), manager.cancel_trade("t"), manager.get_trade("t"), manager.active_trades()):
        with pytest.raises(ShuttingDownError):
            await call
    with pytest.raises(ShuttingDownError):
        manager.handler.get_fill_statistics()
    assert not [thread for thread in threading.enumerate() if thread.name == "fillhandler-trades"]


async def test_closing_does_not_wait_for_a_connection_that_cannot_be_made(
    trading: dict[str, Any], exchange: SimulatedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, real = threading.Event(), TradeManager._ready

    async def noted(venue: Venue) -> None:
        waiting.set()
        await real(venue)

    monkeypatch.setattr(TradeManager, "_ready", staticmethod(noted))
    await exchange.stop()
    manager = SecureExchangeManager(trading)
    asked = asyncio.create_task(buy(manager))
    assert await asyncio.to_thread(waiting.wait, WAIT_SECONDS)

    async with asyncio.timeout(WAIT_SECONDS):
        await manager.close()
        with pytest.raises(ShuttingDownError):
            await asked


async def test_a_handler_and_its_manager_share_a_record(trading: dict[str, Any]) -> None:
    async with await create_fill_handler(trading) as handler:
        async with SecureExchangeManager(handler=handler) as manager:
            with pytest.raises(InvalidFieldError, match="handler: has an exchange manager"):
                SecureExchangeManager(handler=handler)
            assert (await buy(manager)).success
        assert handler.get_fill_statistics()["total_fills_processed"] == 1

        # A handler that is closed closes its manager first.
        manager = SecureExchangeManager(handler=handler)
        asked = await rest(manager, "r")
    with pytest.raises(ShuttingDownError):
        await asked
    with pytest.raises(ShuttingDownError):
        SecureExchangeManager(handler=handler)


async def test_a_config_beside_a_handler_is_refused(handler: FillHandler) -> None:
    with pytest.raises(InvalidFieldError, match="config: a handler has its own"):
        SecureExchangeManager({}, handler)


async def test_without_connections_nothing_is_traded(config: dict[str, Any]) -> None:
    async with SecureExchangeManager(config) as manager:
        with pytest.raises(InvalidFieldError, match=r"exchange: no connection .* configured: none"):
            await buy(manager)


# ------------------------------------------------------------------ tasks and loops


async def test_a_caller_that_goes_leaves_its_trade_running(
    manager: SecureExchangeManager, exchange: SimulatedExchange
) -> None:
    asked = await rest(manager, "r")
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    fill_at(exchange)

    assert (await buy(manager, order_type="limit", price="30000", request_id="r")).success
    assert len(orders_at(exchange)) == 1


async def test_a_caller_that_goes_as_the_trade_becomes_durable_leaves_it_running(
    manager: SecureExchangeManager, exchange: SimulatedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = WriterLedger.start_trade
    durable, go_on = threading.Event(), threading.Event()

    async def slow(self: WriterLedger, *arguments: Any) -> Any:
        begun = await real(self, *arguments)
        durable.set()
        await asyncio.to_thread(go_on.wait, WAIT_SECONDS)
        return begun

    monkeypatch.setattr(WriterLedger, "start_trade", slow)
    asked = asyncio.create_task(buy(manager, request_id="r"))
    assert await asyncio.to_thread(durable.wait, WAIT_SECONDS)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    go_on.set()

    async with asyncio.timeout(WAIT_SECONDS):
        while not (await manager.get_trade(request_id="r")).finished:
            await asyncio.sleep(0.01)
    assert len(orders_at(exchange)) == 1


async def test_any_loop_will_do_and_a_trade_outlives_it(
    manager: SecureExchangeManager, exchange: SimulatedExchange
) -> None:
    def in_a_loop_of_its_own() -> None:
        async def ask() -> None:
            await rest(manager, "r")

        asyncio.run(ask())  # which cancels the task that waits

    await asyncio.to_thread(in_a_loop_of_its_own)
    fill_at(exchange)

    assert (await buy(manager, order_type="limit", price="30000", request_id="r")).success


async def test_a_record_that_is_replaced(manager: SecureExchangeManager) -> None:
    empty = await asyncio.to_thread(manager.handler.export_state)
    asked = await rest(manager, "r")

    await asyncio.to_thread(manager.handler.import_state, empty, mode="replace")

    with pytest.raises(TradeNotFoundError):
        await asked
    assert await manager.active_trades() == []
    assert (await buy(manager, request_id="r")).success


async def test_what_others_trade_on_the_account_is_collected(
    trading: dict[str, Any], exchange: SimulatedExchange
) -> None:
    trading["connections"][0] |= {"collect": True, "symbols": ["BTCUSDT"]}
    async with SecureExchangeManager(trading) as manager, aiohttp.ClientSession() as session:
        placed = await Http(exchange, session).place(type="MARKET")

        # By the stream or by the history, whichever the order falls to.
        async with asyncio.timeout(WAIT_SECONDS):
            while not manager.handler.get_fill_statistics()["total_fills_processed"]:
                await asyncio.sleep(0.01)
        assert manager.handler.get_order_state(placed["orderId"]).fill_count > 0


# ------------------------------------------------------------------ credentials


def without_folder(trading: dict[str, Any]) -> dict[str, Any]:
    del trading["connections"][0]["credentials_dir"]
    return trading


@pytest.mark.parametrize("name", ["binance", "Binance/main"])
@pytest.mark.parametrize("kind", [dict, Credentials])
async def test_credentials_handed_in(
    trading: dict[str, Any], exchange: SimulatedExchange, name: str, kind: type
) -> None:
    key, secret = exchange.credentials.reveal()
    own = kind(api_key=key, secret=secret) if kind is dict else kind(Secret(key), Secret(secret))

    async with SecureExchangeManager(without_folder(trading), credentials={name: own}) as manager:
        assert (await buy(manager)).success
        assert secret not in repr(vars(manager))


async def test_credentials_and_connections_in_variables(
    trading: dict[str, Any], exchange: SimulatedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, secret = exchange.credentials.reveal()
    monkeypatch.setenv("FILLHANDLER_VENUE_BINANCE_MAIN_API_KEY", key)
    monkeypatch.setenv("FILLHANDLER_VENUE_BINANCE_MAIN_SECRET", secret)
    monkeypatch.setenv("FILLHANDLER_CONNECTIONS", json.dumps(without_folder(trading).pop("connections")))

    async with SecureExchangeManager(trading) as manager:
        assert (await buy(manager)).success


async def test_missing_credentials_are_told_at_once_and_again(
    trading: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    wanted = r"connections\[0\].credentials: .*FILLHANDLER_VENUE_BINANCE_MAIN_API_KEY"
    manager = SecureExchangeManager(without_folder(trading))
    for _ in range(2):
        with pytest.raises(InvalidFieldError, match=wanted):
            await buy(manager)
    assert "the exchange manager cannot trade: connections[0].credentials" in caplog.text
    await manager.close()

    with pytest.raises(InvalidFieldError, match=wanted):
        async with SecureExchangeManager(trading):
            pytest.fail("it is not opened")
    async with await create_fill_handler(trading):
        """The folder was given back."""


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ([], "credentials"),
        ({"okx": {"api_key": "canary"}}, "credentials"),
        ({"binance": "canary"}, "credentials['binance']"),
        ({"binance": {"canary": "x"}}, "credentials['binance']"),
        ({"binance": {"api_key": 5}}, "credentials['binance'].api_key"),
    ],
)
async def test_wrong_credentials_are_named_and_not_shown(
    trading: dict[str, Any], given: Any, field: str
) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        SecureExchangeManager(trading, credentials=given)

    assert [violation.field for violation in caught.value.violations] == [field]
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("text", ["{", "{}", '[{"venue": "nowhere"}]'])
async def test_a_wrong_variable_is_named(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("FILLHANDLER_CONNECTIONS", text)
    with pytest.raises(InvalidFieldError, match="FILLHANDLER_CONNECTIONS"):
        SecureExchangeManager(config)


async def test_secrets_appear_nowhere(
    trading: dict[str, Any],
    exchange: SimulatedExchange,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    caplog.set_level(logging.DEBUG)
    exchange.plan.order("temporary_error", 1, "place")
    async with SecureExchangeManager(trading) as manager:
        result = await buy(manager)
        exported = json.dumps(await asyncio.to_thread(manager.handler.export_state))

    for secret in exchange.credentials.reveal():
        assert secret not in caplog.text + repr(result) + exported
        for file in (tmp_path / "data").rglob("*"):
            assert file.is_dir() or secret.encode() not in file.read_bytes()
