"""Every fault, as a client of plain HTTP and WebSockets sees it; and the dice."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support.exchange_client import LINEAR, SPOT, Http, order

from fillhandler_server.exchange import (
    FAULTS,
    FaultError,
    FaultPlan,
    FaultSettings,
    Operation,
    SimulatedExchange,
)

DOC = Path(__file__).parents[2] / "docs" / "simulated-exchange.md"
MARKETS = pytest.mark.parametrize("base", [SPOT, LINEAR])
BROKEN = {500, 502, 503}


def booked(exchange: SimulatedExchange) -> list[str]:
    """The client order ids of what was accepted."""
    return [each["client_order_id"] for each in exchange.books()["orders"]]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.002)


async def lost(request: Awaitable[Any]) -> None:
    """A request whose connection breaks before an answer."""
    with pytest.raises(aiohttp.ClientConnectionError):
        await request


async def text_of(http: Http, base: str, **params: Any) -> tuple[int, str, Any]:
    """Status, body and headers of a placement."""
    path = f"{http.exchange.base_url}{base}/order?{http.signed(**order(**params))}"
    async with http.session.post(path, headers=http.headers) as answer:
        return answer.status, await answer.text(), answer.headers


# ------------------------------------------------------------------ requests


@MARKETS
async def test_a_connection_is_reset_before_or_after(
    exchange: SimulatedExchange, http: Http, base: str
) -> None:
    for fault, accepted in (("connection_reset_before", []), ("connection_reset_after", ["mine"])):
        exchange.plan.order(fault, 1)
        await lost(http.place(base, newClientOrderId="mine"))
        assert booked(exchange) == accepted
    assert exchange.plan.applied == {"connection_reset_before": 1, "connection_reset_after": 1}


@MARKETS
async def test_no_answer_comes_before_or_after(exchange: SimulatedExchange, http: Http, base: str) -> None:
    for fault, accepted in (("timeout_before_accept", []), ("timeout_after_accept", ["mine"])):
        exchange.plan.order(fault, 1)
        await lost(http.place(base, newClientOrderId="mine"))
        assert booked(exchange) == accepted


async def test_a_cancel_that_was_not_answered_took_effect(exchange: SimulatedExchange, http: Http) -> None:
    await http.place(newClientOrderId="mine")
    exchange.plan.order("timeout_after_accept", 1, "cancel")

    # aiohttp repeats a DELETE by itself when a connection breaks.
    assert await http.code("DELETE", f"{SPOT}/order", symbol="BTCUSDT", origClientOrderId="mine") == (
        400,
        -2011,
    )

    assert exchange.books()["orders"][0]["status"] == "CANCELED"


@MARKETS
async def test_errors_before_and_after_look_alike(exchange: SimulatedExchange, http: Http, base: str) -> None:
    seen: dict[str, set[tuple[int, str]]] = {}
    for fault in ("error_before_accept", "error_after_accept"):
        exchange.plan.set_probability(fault, 1)
        answers = [await text_of(http, base, newClientOrderId=f"{fault}-{number}") for number in range(40)]
        exchange.plan.set_probability(fault, 0)
        seen[fault] = {(status, text) for status, text, _ in answers}
    assert {status for status, _ in seen["error_after_accept"]} == BROKEN
    assert seen["error_before_accept"] == seen["error_after_accept"]
    assert booked(exchange) == [f"error_after_accept-{number}" for number in range(40)]


async def test_a_temporary_error_takes_no_effect(exchange: SimulatedExchange, http: Http) -> None:
    exchange.plan.set_probability("temporary_error", 1)

    codes = {await http.code("POST", f"{SPOT}/order", **order()) for _ in range(30)}

    assert codes == {(500, -1001), (503, -1008), (503, -1016)}
    assert booked(exchange) == []


async def test_faults_after_a_request_leave_refusals_as_they_are(
    exchange: SimulatedExchange, http: Http
) -> None:
    exchange.plan.order("error_after_accept", 1)

    assert await http.code("POST", f"{SPOT}/order", **order(price="1.001")) == (400, -1013)
    assert exchange.plan.applied == {}
    assert exchange.books()["refusals"]["spot"] == {"-1013": 1}


async def test_a_rate_limit_names_the_wait_and_counts_the_impatient(
    exchange: SimulatedExchange, http: Http
) -> None:
    exchange.plan.set("retry_after_seconds", 7)
    exchange.plan.order("rate_limit", 1)

    status, text, headers = await text_of(http, SPOT)
    assert (status, headers["Retry-After"]) == (429, "7")
    assert '"code": -1003' in text
    await http.place()

    assert exchange.books()["too_early"] == {"spot": 1, "linear": 0}
    assert len(booked(exchange)) == 1


async def test_a_ban_holds_for_everything_in_its_market(exchange: SimulatedExchange, http: Http) -> None:
    exchange.plan.set("ban_seconds", 7)
    exchange.plan.order("ban", 1, "query")

    assert await http.code("GET", f"{SPOT}/order", symbol="BTCUSDT", orderId=1) == (418, -1003)
    status, _, headers = await text_of(http, SPOT)
    assert (status, headers["Retry-After"]) == (418, "7")
    assert (await http.raw("GET", f"{SPOT}/time"))[0] == 418
    await http.place(LINEAR)


async def test_a_delayed_request_takes_effect_after_its_client_gave_up(
    exchange: SimulatedExchange, http: Http
) -> None:
    exchange.plan.set("timeout_seconds", 0.01)
    exchange.plan.set("delay_seconds", 0.1)
    exchange.plan.order("delayed_accept", 1)

    await lost(http.place(newClientOrderId="mine"))
    assert await http.code("GET", f"{SPOT}/order", symbol="BTCUSDT", origClientOrderId="mine") == (400, -2013)

    await until(lambda: booked(exchange) == ["mine"])


async def test_a_delayed_request_is_refused_once_its_window_is_over(
    exchange: SimulatedExchange, http: Http
) -> None:
    exchange.plan.set("timeout_seconds", 5)
    exchange.plan.set("delay_seconds", 0.1)
    exchange.plan.set_probability("delayed_accept", 1)

    assert await http.code("POST", f"{SPOT}/order", **order(recvWindow=50)) == (400, -1021)
    await http.place(newClientOrderId="in-time", recvWindow=5_000)

    assert booked(exchange) == ["in-time"]


@MARKETS
async def test_an_order_appears_late(exchange: SimulatedExchange, http: Http, base: str) -> None:
    exchange.plan.set("late_seconds", 0.15)
    exchange.plan.order("late_appearance", 1)
    placed = await http.place(base, type="MARKET", newClientOrderId="mine", newOrderRespType="RESULT")
    assert placed["status"] == "FILLED"
    trades = f"{base}/{'myTrades' if base == SPOT else 'userTrades'}"

    async def seen() -> tuple[bool, int, int]:
        status, _ = await http.send("GET", f"{base}/order", symbol="BTCUSDT", origClientOrderId="mine")
        listed = await http.ok("GET", f"{base}/allOrders", symbol="BTCUSDT")
        return status == 200, len(listed), len(await http.ok("GET", trades, symbol="BTCUSDT"))

    assert await seen() == (False, 0, 0)
    visible = exchange.markets[next(m for m in exchange.markets if (m == "spot") == (base == SPOT))]
    (kept,) = visible.orders.values()
    await until(lambda: exchange.now() >= kept.visible_from)
    found, orders, fills = await seen()
    assert (found, orders) == (True, 1)
    assert fills == len(kept.trades)


@MARKETS
async def test_a_stale_answer_is_an_older_state(exchange: SimulatedExchange, http: Http, base: str) -> None:
    await http.place(base, newClientOrderId="mine")
    exchange.jump("BTCUSDT", exchange.spot.symbols["BTCUSDT"].price - 2_000)
    exchange.plan.set("stale_seconds", 60)

    async def statuses() -> list[str]:
        one = await http.ok("GET", f"{base}/order", symbol="BTCUSDT", origClientOrderId="mine")
        every = await http.ok("GET", f"{base}/allOrders", symbol="BTCUSDT")
        opened = await http.ok("GET", f"{base}/openOrders", symbol="BTCUSDT")
        return [each["status"] for each in (one, *every, *opened)]

    exchange.plan.set_probability("stale_snapshot", 1)
    assert await statuses() == ["NEW"] * 3
    exchange.plan.set_probability("stale_snapshot", 0)
    assert await statuses() == ["FILLED"] * 2


@MARKETS
async def test_an_open_client_order_id_is_accepted_again(
    exchange: SimulatedExchange, http: Http, base: str
) -> None:
    await http.place(base, newClientOrderId="mine")
    exchange.plan.order("repeated_client_id", 1)

    await http.place(base, newClientOrderId="mine")

    assert booked(exchange) == ["mine", "mine"]
    assert (await http.send("POST", f"{base}/order", **order(newClientOrderId="mine")))[0] == 400


async def test_the_clock_is_off_and_timestamps_with_it(exchange: SimulatedExchange, http: Http) -> None:
    before = exchange.now()
    exchange.plan.set("skew_ms", 30_000)
    exchange.plan.set_probability("clock_skew", 1)

    _, document = await http.raw("GET", f"{SPOT}/time")
    assert 30_000 <= document["serverTime"] - before < 35_000
    assert await http.code("GET", f"{SPOT}/account", timestamp=before) == (400, -1021)
    await http.ok("GET", f"{SPOT}/account")


async def test_latency_makes_a_request_wait(exchange: SimulatedExchange, http: Http) -> None:
    exchange.plan.set("latency_ms", [60, 80])
    exchange.plan.order("latency", 1)
    loop = asyncio.get_running_loop()
    begin = loop.time()

    await http.place()

    assert loop.time() - begin >= 0.06


async def test_a_stop_ends_what_is_held(http: Http, exchange: SimulatedExchange) -> None:
    exchange.plan.set("timeout_seconds", 600)
    exchange.plan.set("delay_seconds", 600)
    exchange.plan.order("timeout_after_accept", 1)
    exchange.plan.order("delayed_accept", 1)
    waiting = [asyncio.create_task(lost(http.place(newClientOrderId=name))) for name in ("a", "b")]
    await until(lambda: exchange.plan.applied.total() == 2)

    async with asyncio.timeout(5):
        await exchange.stop()
        await asyncio.gather(*waiting)

    assert len(booked(exchange)) == 1


# ------------------------------------------------------------------ streams


@pytest.fixture
async def listener(http: Http) -> Callable[..., Awaitable[list[str]]]:
    """Connects, lets something happen, and says which events came for it."""

    async def listen(action: Callable[[], Awaitable[Any]]) -> list[str]:
        _, made = await http.raw("POST", f"{SPOT}/userDataStream", headers=http.headers)
        address = http.exchange.base_url.replace("http", "ws", 1)
        came = []
        async with http.session.ws_connect(f"{address}/ws/{made['listenKey']}") as socket:
            await action()
            await http.place(newClientOrderId="last", symbol="SOLUSDT", price="100")
            async with asyncio.timeout(5):
                async for message in socket:
                    event = message.json()
                    if event.get("c") == "last":
                        break
                    if event["e"] == "executionReport":
                        came.append(event["x"])
                else:
                    came.append("cut")
        return came

    return listen


def buying(http: Http) -> Callable[[], Awaitable[Any]]:
    """A market order that takes exactly one level."""
    size = str(http.exchange.spot.books["BTCUSDT"].asks[0].quantity)
    return lambda: http.place(type="MARKET", quantity=size)


@pytest.mark.parametrize(
    ("fault", "operation", "events"),
    [
        ("drop_stream", "trade_event", ["NEW"]),
        ("drop_stream", "order_event", ["TRADE"]),
        ("drop_stream", "account_event", ["NEW", "TRADE"]),
        ("duplicate_stream", "trade_event", ["NEW", "TRADE", "TRADE"]),
        ("reorder_stream", "order_event", ["NEW", "TRADE"]),
        ("disconnect", "trade_event", ["NEW", "cut"]),
    ],
)
async def test_a_message_is_lost_doubled_or_cut(
    exchange: SimulatedExchange,
    http: Http,
    listener: Callable[..., Awaitable[list[str]]],
    fault: str,
    operation: str,
    events: list[str],
) -> None:
    exchange.plan.order(fault, 1, operation)

    assert await listener(buying(http)) == events
    assert exchange.plan.applied == {fault: 1}


async def test_messages_change_places(
    exchange: SimulatedExchange, http: Http, listener: Callable[..., Awaitable[list[str]]]
) -> None:
    # The account's message stands between the two; both are held back until the trade's was sent.
    exchange.plan.order("reorder_stream", 1, "order_event")
    exchange.plan.order("reorder_stream", 1, "account_event")

    assert await listener(buying(http)) == ["TRADE", "NEW"]


async def test_a_message_that_is_held_back_comes_in_the_end(exchange: SimulatedExchange, http: Http) -> None:
    exchange.plan.set("reorder_seconds", 0.01)
    exchange.plan.set_probability("reorder_stream", 1)

    await http.place()

    await until(lambda: exchange.streams[next(iter(exchange.streams))].sent == 2)


async def test_every_stream_can_be_cut(exchange: SimulatedExchange, http: Http) -> None:
    sockets = []
    for path in (f"{SPOT}/userDataStream", f"{LINEAR}/listenKey"):
        _, made = await http.raw("POST", path, headers=http.headers)
        address = exchange.base_url.replace("http", "ws", 1)
        sockets.append(await http.session.ws_connect(f"{address}/private/ws?listenKey={made['listenKey']}"))

    assert await http.control("POST", "disconnect") == {"disconnected": 2}

    async with asyncio.timeout(5):
        for socket in sockets:
            assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    await until(lambda: not any(each.subscribers for each in exchange.streams.values()))


# ------------------------------------------------------------------ the dice and the table


def struck(plan: FaultPlan, name: str, count: int = 200) -> list[int]:
    return [number for number in range(count) if plan.strikes(name, Operation.PLACE)]


def test_the_same_seed_strikes_the_same_requests() -> None:
    plans = [FaultPlan(seed) for seed in (1, 1, 2)]
    for plan in plans:
        plan.set_probability("error_after_accept", 0.2)
    # One more fault does not move the others.
    plans[1].set_probability("ban", 0.5)

    first, second, third = (
        [
            plan.strikes("error_after_accept", Operation.PLACE)
            for _ in range(200)
            if plan.strikes("ban", Operation.PLACE) in (True, False)
        ]
        for plan in plans
    )

    assert first == second != third
    assert 20 < sum(first) < 60


def test_the_next_so_many_of_a_kind_are_struck() -> None:
    plan = FaultPlan(1)
    plan.order("error_after_accept", 2, "place", "BTCUSDT")

    hits = [
        plan.strikes("error_after_accept", operation, symbol)
        for operation, symbol in (
            (Operation.CANCEL, "BTCUSDT"),
            (Operation.PLACE, "ETHUSDT"),
            (Operation.PLACE, "BTCUSDT"),
            (Operation.PLACE, "BTCUSDT"),
            (Operation.PLACE, "BTCUSDT"),
        )
    ]

    assert hits == [False, False, True, True, False]
    assert plan.document["ordered"] == []


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda plan: plan.set_probability("nope", 1), "no fault 'nope'"),
        (lambda plan: plan.set_probability("ban", 1.5), "between 0 and 1"),
        (lambda plan: plan.set_probability("clock_skew", 0.5), "switch"),
        (lambda plan: plan.order("clock_skew", 1), "switch"),
        (lambda plan: plan.order("ban", 0), "1 or more"),
        (lambda plan: plan.order("error_after_accept", 1, "trades"), "applies to place, cancel"),
        (lambda plan: plan.set("nope", 1), "no setting 'nope'"),
        (lambda plan: plan.set("latency_ms", [9, 1]), "must not be above"),
        (lambda plan: plan.set("latency_ms", 9), "two whole numbers"),
        (lambda plan: plan.set("ban_seconds", 1.5), "whole number"),
        (lambda plan: plan.set("delay_seconds", -1), "below 0"),
        (lambda plan: plan.set("delay_seconds", True), "number"),
    ],
)
def test_what_cannot_be_is_refused(call: Callable[[FaultPlan], None], text: str) -> None:
    with pytest.raises(FaultError, match=text):
        call(FaultPlan(1))


def cells(section: str) -> list[list[str]]:
    """The rows of a section's first table."""
    body = DOC.read_text(encoding="utf-8").partition(f"\n{section}\n")[2]
    table = re.search(r"(?:^\|.*\n)+", body, re.MULTILINE)
    assert table
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table[0].splitlines()[2:]]


def test_the_documentation_lists_every_fault() -> None:
    every = {tuple(Operation)[:9]: "every request", tuple(Operation)[9:]: "every message"}

    assert cells("## Faults") == [
        [
            f"`{fault.name}`",
            fault.what,
            every.get(fault.operations) or ", ".join(f"`{each}`" for each in fault.operations),
        ]
        for fault in FAULTS
    ]


def test_the_documentation_lists_every_setting_with_its_default() -> None:
    text = DOC.read_text(encoding="utf-8")
    documented = re.findall(r"^\| `(\w+)` \| ([^|]+) \| how|^\| `(\w+)` \| ([^|]+) \|", text, re.MULTILINE)
    found = {a or c: (b or d).strip() for a, b, c, d in documented}

    defaults = FaultSettings()
    for name in FaultSettings.__slots__:
        value = getattr(defaults, name)
        assert found[name] == str(list(value) if isinstance(value, tuple) else value)
