"""What is wrong with a trade is named, all of it at once, and nothing is recorded or sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from support.refusals import refused
from support.rehearsing import Rehearsal, credentials_of, paused_exchange, trade_request

from fillhandler.v1 import execution_service_pb2 as pb
from fillhandler.v1 import trades_pb2
from fillhandler_server.exchange import SimulatedExchange

pytest.importorskip("ccxt", reason="ccxt is the extra `exchanges`")
pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMIT: dict[str, Any] = {"type": "limit", "limit_price": "30000"}
REPLACE: dict[str, Any] = {**LIMIT, "remainder": trades_pb2.REMAINDER_REPLACE, "deadline": 5}


class World:
    """A server and its exchange that no test here changes."""

    exchange: SimulatedExchange
    server: Rehearsal


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("world")
    made = World()
    made.exchange = paused_exchange()
    url = await made.exchange.start()
    credentials = credentials_of(made.exchange, folder / "credentials")
    made.server = await Rehearsal(folder, url, credentials, ("spot", "linear"), collect=False).start()
    yield await _ready(made)
    await made.server.stop()
    await made.exchange.stop()


async def _ready(made: World) -> World:
    await made.server.connected()
    return made


WRONG = [
    ({"request_id": ""}, "request_id"),
    ({"request_id": "x" * 65}, "request_id"),
    ({"request_id": "a b"}, "request_id"),
    ({"request_id": "a/b"}, "request_id"),
    ({"request_id": "ä"}, "request_id"),
    ({"request_id": "a\n"}, "request_id"),
    ({"venue": ""}, "venue"),
    ({"venue": "ftx"}, "venue"),
    ({"venue": "kraken"}, "venue"),
    ({"account": "other"}, "venue"),
    ({"account": "x" * 257}, "account"),
    ({"market": "margin"}, "market"),
    ({"market": "inverse"}, "market"),
    ({"market": ""}, "market"),
    ({"symbol": ""}, "symbol"),
    ({"symbol": "BTCUSDZ"}, "symbol"),
    ({"symbol": "x" * 257}, "symbol"),
    ({"side": 0}, "side"),
    ({"side": 3}, "side"),
    ({"quantity": ""}, "quantity"),
    ({"quantity": "0"}, "quantity"),
    ({"quantity": "-1"}, "quantity"),
    ({"quantity": "NaN"}, "quantity"),
    ({"quantity": "1e3000"}, "quantity"),
    ({"quantity": "a lot"}, "quantity"),
    ({"quantity": "0.000001"}, "quantity"),
    ({"quantity": "0.0500001"}, "quantity"),
    ({"quantity": "0.00001", **LIMIT}, "quantity"),
    ({"type": ""}, "type"),
    ({"type": "stop"}, "type"),
    ({"type": "post-only"}, "type"),
    ({"limit_price": "60000"}, "limit_price"),
    ({"type": "limit"}, "limit_price"),
    ({"type": "ioc"}, "limit_price"),
    ({"type": "post_only"}, "limit_price"),
    ({**LIMIT, "limit_price": "30000.001"}, "limit_price"),
    ({**LIMIT, "limit_price": "cheap"}, "limit_price"),
    ({**LIMIT, "limit_price": ""}, "limit_price"),
    ({**LIMIT, "limit_price": "0"}, "limit_price"),
    ({**LIMIT, "limit_price": "-30000"}, "limit_price"),
    ({"expected_price": "NaN"}, "expected_price"),
    ({"time_in_force": "day"}, "time_in_force"),
    ({"time_in_force": "gtc"}, "time_in_force"),
    ({"type": "ioc", "limit_price": "30000", "time_in_force": "gtc"}, "time_in_force"),
    ({"type": "post_only", "limit_price": "30000", "time_in_force": "fok"}, "time_in_force"),
    ({"deadline": Duration()}, "deadline"),
    ({"deadline": Duration(seconds=-1)}, "deadline"),
    ({"deadline": Duration(seconds=400 * 86_400)}, "deadline"),
    ({**LIMIT, "remainder": trades_pb2.REMAINDER_CANCEL}, "deadline"),
    ({"client_order_id": "a b"}, "client_order_id"),
    ({"client_order_id": "x" * 37}, "client_order_id"),
    ({"remainder": 9}, "remainder"),
    ({**REPLACE, "replacement_price": 9}, "replacement_price"),
    ({**REPLACE, "replacement_price": trades_pb2.REPLACEMENT_PRICE_TOLERANCE}, "expected_price"),
    ({**REPLACE, "max_replacements": 1_001}, "max_replacements"),
]


@pytest.mark.parametrize(("fields", "named"), WRONG, ids=[f"{n}-{str(f)[:40]}" for f, n in WRONG])
async def test_each_field(world: World, fields: dict[str, Any], named: str) -> None:
    request = trade_request(**{"client_order_id": "known", **fields})
    if "request_id" in fields:
        request.request_id = fields["request_id"]
    head = world.server.head

    wrong = await refused(world.server.execution.ExecuteTrade(request, timeout=10))

    assert (wrong.status, wrong.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert list(wrong.violations) == [named], wrong.violations
    assert wrong.violations[named]
    assert (world.server.head, world.exchange.books()["orders"]) == (head, [])


async def test_several_at_once(world: World) -> None:
    """First what needs no connection, all of it; then what the market demands, all of it."""
    request = trade_request(venue="f t x", side=0, quantity="-1", type="", expected_price="x")
    request.request_id = ""
    plain = await refused(world.server.execution.ExecuteTrade(request))
    of_market = await refused(
        world.server.execution.ExecuteTrade(
            trade_request(
                type="post_only",
                quantity="0.000001",
                limit_price="30000.001",
                time_in_force="fok",
                client_order_id="a b",
            )
        )
    )

    assert set(plain.violations) == {"request_id", "venue", "side", "quantity", "type", "expected_price"}
    assert set(of_market.violations) == {"quantity", "limit_price", "time_in_force", "client_order_id"}
    # The way out stands beside what is wrong.
    assert "30000 or 30000.01" in of_market.violations["limit_price"]
    assert world.server.head == 0
    assert not (await world.server.execution.ListTrades(pb.ListTradesRequest())).trades


async def test_a_wrong_request_does_not_use_up_its_id(world: World) -> None:
    """Here the request would be right but for its market's rules: the last check before anything is made."""
    wrong = await refused(world.server.execution.ExecuteTrade(trade_request("kept", quantity="0.0000001")))
    assert list(wrong.violations) == ["quantity"]

    unknown = await refused(world.server.execution.GetTrade(pb.GetTradeRequest(request_id="kept")))

    assert unknown.reason == "TRADE_NOT_FOUND"


@pytest.mark.parametrize(
    ("method", "request_", "named"),
    [
        ("ListTrades", pb.ListTradesRequest(start_time=Timestamp(seconds=1 << 60)), "start_time"),
        ("ListTrades", pb.ListTradesRequest(end_time=Timestamp(nanos=-1)), "end_time"),
        ("ListRetries", pb.ListRetriesRequest(end_time=Timestamp(seconds=1 << 60)), "end_time"),
        ("ListRetries", pb.ListRetriesRequest(outcome=7), "outcome"),  # type: ignore[arg-type]
    ],
)
async def test_conditions_of_lists(world: World, method: str, request_: Any, named: str) -> None:
    wrong = await refused(getattr(world.server.execution, method)(request_))

    assert (wrong.reason, list(wrong.violations)) == ("INVALID_FIELD", [named])
