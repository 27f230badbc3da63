"""Credentials appear nowhere: whatever an exchange sends back, and whoever looks.

Two exchanges: the simulated one, with faults, and one that answers with the headers, the address and the body
of each request. The same search finds a leak that is made on purpose.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.application import _CHANNEL_OPTIONS, Authorized, RunningServer
from support.canaries import (
    Canaries,
    database_bytes,
    export_bytes,
    folder_bytes,
    process_arguments,
)
from support.processes import Site
from support.rehearsing import connection_table, paused_exchange, trade_request, write_credentials
from support.venue_replies import VENUES, now
from support.venue_server import Asked, VenueServer, messages, venue_server
from support.watching import read_through

from fillhandler.v1 import execution_service_pb2 as pb
from fillhandler.v1 import state_service_pb2
from fillhandler.v1.execution_service_pb2_grpc import ExecutionServiceStub
from fillhandler.v1.feed_service_pb2_grpc import FeedServiceStub
from fillhandler.v1.order_service_pb2_grpc import OrderServiceStub
from fillhandler.v1.state_service_pb2_grpc import StateServiceStub
from fillhandler_server import config
from fillhandler_server.app import key_source
from fillhandler_server.exchange import SimulatedExchange
from fillhandler_server.exchange.binance.signing import Credentials as ExchangeCredentials
from fillhandler_server.exchange.market.symbols import MarketName
from fillhandler_server.execution import error_mapping, secret
from fillhandler_server.execution.ccxt_connection import connect
from fillhandler_server.execution.ccxt_spec import ConnectionSpec
from fillhandler_server.journal.store import Store

pytest.importorskip("ccxt", reason="ccxt is the extra `exchanges`")

ROLES = ("log", "answers", "events", "export, readable", "export, binary", "database")
"""Where an error's text goes."""


# ------------------------------------------------------------------ the exchanges


def _echo(asked: Asked) -> str:
    """All that a request brought, as a text."""
    return json.dumps(
        {"path": asked.path, "query": asked.query, "headers": asked.headers, "body": asked.body}
    )


def _echoing(status: int, spelled: str = "msg") -> Any:
    def reply(asked: Asked) -> tuple[int, dict[str, str], str]:
        document = {"code": "50113", spelled: f"Invalid Sign {_echo(asked)}", "data": []}
        return (
            status,
            {"Content-Type": "application/json", "X-Seen": asked.headers.get("OK-ACCESS-KEY", "")},
            (json.dumps(document)),
        )

    return reply


@asynccontextmanager
async def echoing_exchange() -> AsyncIterator[VenueServer]:
    """OKX, but for its public part, with everything that it is sent in its answers."""
    okx = VENUES["okx"]
    async with venue_server() as server:
        for path, body in okx.static.items():
            server.answer(path, body)
        server.answer_by(okx.time_path, lambda _: okx.time(now()))
        for path, status in (
            (f"GET {okx.place}", 400),
            ("/api/v5/trade/orders-pending", 403),
            ("/api/v5/trade/orders-history", 403),
            (okx.history, 403),
        ):
            server._routes[path] = _echoing(status)

        async def speak(socket: Any) -> None:
            async for message in messages(socket):
                if message["op"] == "login":
                    await socket.send_json({"event": "login", "code": "0", "msg": f"welcome {message}"})
                    continue
                await socket.send_json({"event": "subscribe", "arg": message["args"][0], "connId": "1"})
                said = {"event": "error", "code": "60012", "msg": f"Illegal {_echo(server.asked[-1])}"}
                await socket.send_json(said)

        server.socket("/ws/v5/private", speak)
        yield server


def place_answers(server: VenueServer, status: int) -> None:
    server._routes[f"POST {VENUES['okx'].place}"] = _echoing(status)


class World:
    """Both exchanges, and what a server needs for them."""

    def __init__(
        self, folder: Path, canaries: Canaries, exchange: SimulatedExchange, echoing: VenueServer
    ) -> None:
        self.canaries = canaries
        self.exchange, self.echoing = exchange, echoing
        texts = self.canaries.texts
        binance = write_credentials(folder / "binance", api_key=texts["api_key"], secret=texts["secret"])
        okx = write_credentials(folder / "okx", **texts)
        own = {
            "undecided_after_seconds": 0.2,
            "retry_config": {"max_retries": 1, "base_delay": 0.02, "max_delay": 0.1},
        }
        self.tables = [
            connection_table(exchange.base_url, binance) | own,
            connection_table(echoing.url, okx)
            | own
            | {"venue": "okx", "sandbox": False, "symbols": ["BTC-USDT"]},
        ]
        self.variables = {f"DESK_{name.upper()}": text for name, text in texts.items()}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    canaries = Canaries()
    exchange = paused_exchange(credentials=ExchangeCredentials(canaries.api_key, canaries.secret))
    await exchange.start()
    async with echoing_exchange() as echoing:
        yield World(tmp_path, canaries, exchange, echoing)
    await exchange.stop()


# ------------------------------------------------------------------ the run


class Stubs:
    """A server, as its callers see it."""

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        self.execution = Authorized(ExecutionServiceStub(channel), token)
        self.feed = Authorized(FeedServiceStub(channel), token)
        self.orders = Authorized(OrderServiceStub(channel), token)
        self.state = Authorized(StateServiceStub(channel), token)


async def faults(world: World, stubs: Stubs) -> dict[str, bytes]:
    """Trades with every kind of mishap; everything that callers were told, by where it was told."""
    answers: list[str] = []

    async def execute(**fields: Any) -> None:
        try:
            answer = await stubs.execution.ExecuteTrade(trade_request(**fields), timeout=30)
            answers.append(str(answer))
        except grpc.aio.AioRpcError as error:
            answers.append(f"{error!r} {error.trailing_metadata()}")

    okx = {"venue": "okx", "symbol": "BTC-USDT", "type": "limit", "limit_price": "30000", "quantity": "0.02"}
    place_answers(world.echoing, 401)
    await execute(request_id="refused", **okx)
    place_answers(world.echoing, 500)
    await execute(request_id="unknown", **okx)
    place_answers(world.echoing, 400)
    for number, fault in enumerate(("connection_reset_before", "error_after_accept", "timeout_after_accept")):
        world.exchange.plan.order(fault, 1, "place")
        await execute(request_id=f"fault-{number}")
    world.exchange.disconnect()
    # A wrong field, and a key that the exchange does not take.
    await execute(request_id="wrong", quantity="-1")
    world.exchange.gates[MarketName.SPOT]._credentials = ExchangeCredentials("another", "one")
    await execute(request_id="stranger")

    async with asyncio.timeout(10):
        while not await _told(stubs):
            await asyncio.sleep(0.01)
    for method, request in (
        ("ListTrades", pb.ListTradesRequest()),
        ("ListRetries", pb.ListRetriesRequest()),
        ("ListVenues", pb.ListVenuesRequest()),
    ):
        answers.append(str(await getattr(stubs.execution, method)(request)))
    status = await stubs.state.GetServerStatus(state_service_pb2.GetServerStatusRequest())
    events = await read_through(stubs.feed, status.head_sequence)
    page = await stubs.state.ExportState(state_service_pb2.ExportStateRequest())
    assert not page.next_page_token
    whole = "\n".join(answers)
    # The run was what it is meant to be.
    assert "TRADE_OUTCOME_REJECTED" in whole
    assert "undecided: true" in whole
    assert "authentication" in whole
    assert "Invalid Sign" in whole
    return {
        "answers": whole.encode(),
        "events": b"\n".join(each.SerializeToString() for each in events),
        **export_bytes(page.chunk),
    }


async def _told(stubs: Stubs) -> bool:
    """Whether the collector has read what the history answers."""
    found = await stubs.execution.ListVenues(pb.ListVenuesRequest(venue="okx"))
    return any(each.text for venue in found.venues for each in venue.connections)


async def test_credentials_appear_nowhere(world: World, tmp_path: Path) -> None:
    file = tmp_path / "fillhandler.json.toml"
    tables = [dict(each) for each in world.tables]
    # The one from files, the other from variables.
    del tables[1]["credentials_dir"]
    tables[1]["credentials_env"] = "DESK"
    file.write_text(_toml(tables))
    with Site(tmp_path / "site") as site:
        await asyncio.to_thread(site.start, "--config", str(file), **world.variables)
        token = (site.data_dir / "token").read_text().strip()
        async with grpc.aio.insecure_channel(site.address, options=_CHANNEL_OPTIONS) as channel:
            places = await faults(world, Stubs(channel, token))
            listed = site.command("venues")
            places["cli"] = f"{listed.stdout}{listed.stderr}".encode()
        places["process arguments"] = process_arguments()
        stdout = _rest(site)
        assert site.stop() == 0
        places["log"] = site.log.read_bytes()
        places["stdout"] = stdout.encode()
        places["files"] = folder_bytes(site.folder)
        places["database"] = _database(config.load(data_dir=site.data_dir, key_folder=site.folder / "keys"))

    # Each is what it is meant to be.
    assert b"connection okx/main/spot: LIVE" in places["log"]
    assert str(site.folder).encode() in places["process arguments"]
    assert b"Invalid Sign" in places["database"]
    assert world.canaries.found_in(places) == set()


async def test_a_leak_would_be_found(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The same run with the one guard taken away through which an exchange's words pass."""
    monkeypatch.setattr(error_mapping, "scrubbed", lambda text, secrets: text)
    caplog.set_level("DEBUG")
    server = await RunningServer(tmp_path, connections=world.tables).start()
    try:
        places = await faults(world, Stubs(server.channel, server.token))
    finally:
        await server.stop()
    places["log"] = caplog.text.encode()
    places["database"] = _database(server.settings)
    # Ended with its input.
    argument = [sys.executable, "-c", "import sys; sys.stdin.read()", world.canaries.password]
    leaking = await asyncio.create_subprocess_exec(*argument, stdin=asyncio.subprocess.PIPE)
    places["process arguments"] = process_arguments()
    await leaking.communicate(b"")

    assert world.canaries.found_in(places) == {*ROLES, "process arguments"}


@pytest.mark.parametrize("name", ["api_key", "secret", "password"])
def test_the_search_finds_pieces_in_any_spelling(name: str) -> None:
    canaries = Canaries()
    text = canaries.texts[name]
    for spelled in (text, text[5:17], json.dumps({"a": json.dumps(text)}), text.encode().hex()):
        assert canaries.found_in({"here": f"x{spelled}x".encode(), "there": b"y" * 100}) == {"here"}, spelled


def test_what_holds_them_does_not_show_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    canaries = Canaries()
    folder = write_credentials(tmp_path / "credentials", **canaries.texts)
    for name, text in canaries.texts.items():
        monkeypatch.setenv(f"DESK_{name.upper()}", text)
    table = connection_table("http://127.0.0.1:1", folder) | {"venue": "okx", "sandbox": False}
    variables = {key: each for key, each in table.items() if key != "credentials_dir"}
    settings = config.Settings(
        connections=[table, {**variables, "account": "desk", "credentials_env": "DESK"}]
    )
    sources = [config.credentials_source(each) for each in settings.connections]
    read = [
        secret.from_directory(folder),
        secret.from_environment(sources[1].variables, sources[1].label),
    ]
    assert [each.password.reveal() for each in read] == [canaries.password] * 2
    spec = ConnectionSpec("okx", url="http://127.0.0.1:1")
    connection = connect(spec, read[0])
    held: list[object] = [settings, *settings.connections, *sources, *read, spec, connection]
    shown = [f"{each!r} {each!s} {each}" for each in held]

    assert canaries.found_in({"shown": "\n".join(shown).encode()}) == set()


# ------------------------------------------------------------------ helpers


def _database(settings: config.Settings) -> bytes:
    store = Store(settings.data_dir, key_source(settings))
    try:
        return database_bytes(store.db)
    finally:
        store.close()


def _rest(site: Site) -> str:
    """What the server printed after its address: nothing."""
    assert site.server is not None
    found: list[str] = []
    while not site.server.lines._lines.empty():
        found.append(site.server.lines.next() or "")
    return "".join(found)


def _toml(tables: list[dict[str, Any]]) -> str:
    lines = ["debug_mode = true"]
    for table in tables:
        lines += ["[[connections]]"]
        nested = {name: each for name, each in table.items() if isinstance(each, dict)}
        lines += [f"{name} = {json.dumps(each)}" for name, each in table.items() if name not in nested]
        for name, inner in nested.items():
            lines += [
                f"[connections.{name}]",
                *(f"{key} = {json.dumps(each)}" for key, each in inner.items()),
            ]
    return "\n".join(lines) + "\n"
