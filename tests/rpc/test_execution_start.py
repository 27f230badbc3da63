"""Connections at the start: an exchange that is down, and configurations that cannot be."""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from support.application import RunningServer
from support.messages import record
from support.refusals import refused
from support.rehearsing import (
    Rehearsal,
    connection_table,
    credentials_of,
    orders_at,
    paused_exchange,
    trade_request,
    write_credentials,
)

from fillhandler.v1 import execution_service_pb2 as pb
from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.exchange import SimulatedExchange
from fillhandler_server.execution import ccxt_exchange, manager

pytest.importorskip("ccxt", reason="ccxt is the extra `exchanges`")

# Four failures before the breaker opens for seconds.
SLOWER = {"base_delay": 0.4, "max_delay": 0.4, "jitter_factor": 0.0}


@pytest.fixture
async def absent() -> AsyncIterator[SimulatedExchange]:
    """An exchange that is not started, on a port that nobody has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = paused_exchange(port=port)
    yield made
    if made.base_url:
        await made.stop()


async def test_an_exchange_that_is_down_keeps_nothing_else_from_working(
    absent: SimulatedExchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manager, "READY_SECONDS", 0.05)
    folder = credentials_of(absent, tmp_path / "credentials")
    url = f"http://127.0.0.1:{absent._port}"
    server = await Rehearsal(tmp_path, url, folder, retry_config=SLOWER).start()
    try:
        request = trade_request("early")
        wrong = await refused(server.execution.ExecuteTrade(request))

        assert (wrong.status, wrong.reason) == (grpc.StatusCode.UNAVAILABLE, "VENUE_UNAVAILABLE")
        assert wrong.metadata == {"connection": "binance/main/spot"}
        assert wrong.retry_seconds == 5
        assert "binance/main/spot" in wrong.text
        unknown = await refused(server.execution.GetTrade(pb.GetTradeRequest(request_id="early")))
        assert unknown.reason == "TRADE_NOT_FOUND"
        connection = await server.connection()
        assert connection.state in (pb.CONNECTION_STATE_CONNECTING, pb.CONNECTION_STATE_DISCONNECTED)
        await server.fills.RecordFill(record())
        assert len((await server.execution.ListTrades(pb.ListTradesRequest())).trades) == 0

        await absent.start()
        await server.connected()
        answer = await server.execute(request)

        assert answer.success
        assert len(orders_at(absent)) == 1
        assert (await server.connection()).text == ""
    finally:
        await server.stop()


async def test_a_trade_goes_on_when_its_exchange_comes_back_after_a_restart(tmp_path: Path) -> None:
    exchange = paused_exchange()
    await exchange.start()
    folder = credentials_of(exchange, tmp_path / "credentials")
    server = await Rehearsal(tmp_path, exchange.base_url, folder).start()
    try:
        request = trade_request("later", type="limit", limit_price="30000")
        await server.connected()
        trade = await server.working(request)
        exchange.plan.order("error_before_accept", 2, "market_data")
        await server.restart()
        assert (await server.trade("later")).trade_id == trade.trade_id
        await server.cancel("later")
        ended = await server.execute(request)
        assert (ended.trade.text, [each["status"] for each in orders_at(exchange)]) == (
            "cancelled",
            ["CANCELED"],
        )
    finally:
        await server.stop()
        await exchange.stop()


# ------------------------------------------------------------------ what cannot be


async def refused_start(server: RunningServer) -> dict[str, str]:
    """What is wrong, by field. Nothing may be left running."""
    with pytest.raises(InvalidFieldError) as caught:
        await server.start()
    return {each.field: each.text for each in caught.value.violations}


async def test_credentials_that_are_missing_are_named_with_their_places(tmp_path: Path) -> None:
    url, half = "http://127.0.0.1:1", write_credentials(tmp_path / "half", api_key="canary-of-a-key")
    tables = [
        connection_table(url, half),
        connection_table(url, tmp_path / "none", "linear"),
        {"venue": "okx", "url": url, "credentials_env": "DESK"},
        {"venue": "bitget", "url": url},
    ]

    said = await refused_start(RunningServer(tmp_path, connections=tables))

    assert set(said) == {
        "connections[0].credentials",
        "connections[1].credentials_dir",
        "connections[2].credentials",
        "connections[3].credentials",
    }
    assert "no secret" in said["connections[0].credentials"]
    assert str(half / "secret") in said["connections[0].credentials"]
    assert str(tmp_path / "none") in said["connections[1].credentials_dir"]
    for name in ("DESK_API_KEY", "DESK_SECRET", "DESK_PASSWORD"):
        assert name in said["connections[2].credentials"]
    assert "FILLHANDLER_VENUE_BITGET_MAIN_API_KEY" in said["connections[3].credentials"]
    assert "canary" not in str(said)


async def test_credentials_that_others_can_read_are_refused(tmp_path: Path) -> None:
    folder = write_credentials(tmp_path / "open", api_key="canary-of-a-key", secret="canary-of-a-secret")
    (folder / "secret").chmod(0o644)

    said = await refused_start(
        RunningServer(tmp_path, connections=[connection_table("http://127.0.0.1:1", folder)])
    )

    assert list(said) == ["connections[0].credentials_dir"]
    assert f"chmod 0600 {folder / 'secret'}" in said["connections[0].credentials_dir"]
    assert "canary" not in str(said)


async def test_without_ccxt_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_credentials(tmp_path / "credentials", api_key="k", secret="s")
    monkeypatch.setitem(sys.modules, "ccxt.pro", None)
    ccxt_exchange.extended.cache_clear()
    try:
        said = await refused_start(
            RunningServer(tmp_path, connections=[connection_table("http://127.0.0.1:1", folder)])
        )
    finally:
        ccxt_exchange.extended.cache_clear()

    assert list(said) == ["connections[0].venue"]
    assert "pip install 'fillhandler[exchanges]'" in said["connections[0].venue"]


async def test_a_server_without_connections_needs_no_ccxt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ccxt", "ccxt.pro"):
        monkeypatch.setitem(sys.modules, name, None)
    server = await RunningServer(tmp_path).start()
    try:
        wrong = await refused(server.execution.ExecuteTrade(trade_request()))
        assert list(wrong.violations) == ["venue"]
        assert "configured: none" in wrong.text
        assert "docs/connections.md" in wrong.text
    finally:
        await server.stop()
