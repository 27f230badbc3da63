"""Requests as Binance takes them: who may ask, what is refused with which code, which pages come back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from support.exchange_client import LINEAR, SPOT, Http, order

from fillhandler_server.exchange import SimulatedExchange
from fillhandler_server.exchange.binance.signing import Credentials

MARKETS = pytest.mark.parametrize("base", [SPOT, LINEAR])


# ------------------------------------------------------------------ who may ask


@MARKETS
async def test_only_the_right_key_and_signature_pass(http: Http, base: str) -> None:
    path = f"{base}/openOrders"
    query = http.signed()
    key = http.headers

    async def answer(query: str, headers: dict[str, str]) -> tuple[int, int]:
        status, document = await http.raw("GET", f"{path}?{query}", headers=headers)
        return status, document["code"]

    assert await answer(query, {}) == (401, -2014)
    assert await answer(query, {"X-MBX-APIKEY": "another"}) == (401, -2015)
    assert await answer(query[:-1] + ("0" if query[-1] != "0" else "1"), key) == (400, -1022)
    assert await answer(f"symbol=BTCUSDT&{query}", key) == (400, -1022)
    assert await answer(f"timestamp={http.exchange.now()}", key) == (400, -1102)
    assert (await http.raw("GET", f"{path}?{query}", headers=key))[0] == 200


async def test_the_signature_covers_query_and_form(http: Http) -> None:
    form = urlencode({**order(), "timestamp": http.exchange.now()})
    query = "newOrderRespType=ACK"
    signature = http.exchange.credentials.sign(query + form)

    status, document = await http.raw(
        "POST",
        f"{SPOT}/order?{query}",
        headers=http.headers | {"Content-Type": "application/x-www-form-urlencoded"},
        data=f"{form}&signature={signature}",
    )

    assert status == 200
    assert "status" not in document


@pytest.mark.parametrize(
    ("offset", "window", "code"),
    [(-5_100, None, -1021), (-900, 500, -1021), (1_500, None, -1021), (-100, 60_001, -1131)],
)
async def test_a_request_out_of_its_time_is_refused(
    http: Http, offset: int, window: int | None, code: int
) -> None:
    params: dict[str, Any] = {"timestamp": http.exchange.now() + offset}
    if window is not None:
        params["recvWindow"] = window

    assert await http.code("GET", f"{SPOT}/account", **params) == (400, code)


async def test_a_wider_window_lets_an_older_request_in(http: Http) -> None:
    await http.ok("GET", f"{SPOT}/account", timestamp=http.exchange.now() - 30_000, recvWindow=60_000)


def test_credentials_do_not_show_themselves() -> None:
    secret = "canary-secret"

    assert secret not in repr(Credentials("canary-key", secret))
    assert "canary-key" not in f"{Credentials('canary-key', secret)!s}"


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("params", "spot", "linear"),
    [
        ({"symbol": "NOUSDT"}, -1121, -1121),
        ({"symbol": ""}, -1102, -1102),
        ({"side": "BOTH"}, -1117, -1117),
        ({"type": "STOP_LOSS"}, -1116, -1116),
        ({"timeInForce": ""}, -1102, -1102),
        ({"timeInForce": "GTD"}, -1115, -1115),
        ({"quantity": ""}, -1102, -1102),
        ({"quantity": "1e3"}, -1100, -1100),
        ({"quantity": "0.123456789"}, -1111, -1111),
        ({"quantity": "0.1234567"}, -1013, -1111),
        ({"quantity": "0"}, -1013, -1013),
        ({"quantity": "0.00002"}, -1013, -4164),
        ({"price": ""}, -1102, -1102),
        ({"price": "59000.001"}, -1013, -4014),
        ({"quantity": "900"}, None, -2019),
        ({"quantity": "900", "side": "SELL", "price": "70000"}, -2010, None),
        ({"newClientOrderId": "with space"}, -1100, -1100),
        ({"newClientOrderId": "x" * 37}, -1100, -1100),
        ({"type": "MARKET", "price": "1"}, -1106, -1106),
        ({"newOrderRespType": "LONG"}, -1136, -1136),
        ({"positionSide": "LONG"}, -4061, -4061),
    ],
)
async def test_a_bad_order_is_refused_with_its_code(
    exchange: SimulatedExchange, http: Http, params: dict[str, str], spot: int | None, linear: int | None
) -> None:
    exchange.linear.wallet.balance = Decimal(1_000_000)
    exchange.spot.wallet.balances["BTC"].free = Decimal(10)

    for base, code in ((SPOT, spot), (LINEAR, linear)):
        if code is not None:
            assert await http.code("POST", f"{base}/order", **order(**params)) == (400, code)

    assert exchange.books()["orders"] == []


async def test_a_maker_s_order_that_would_take_is_refused(http: Http) -> None:
    crossing = order(price="70000")

    status, document = await http.send(
        "POST", f"{SPOT}/order", **crossing | {"type": "LIMIT_MAKER", "timeInForce": ""}
    )
    assert (status, document["code"]) == (400, -2010)
    assert document["msg"] == "Order would immediately match and take."
    assert await http.code("POST", f"{LINEAR}/order", **crossing | {"timeInForce": "GTX"}) == (400, -5022)
    assert await http.code(
        "POST", f"{LINEAR}/order", **crossing | {"timeInForce": "FOK", "price": "60010", "quantity": "100"}
    ) == (400, -5021)


@MARKETS
async def test_a_client_order_id_is_refused_only_while_its_order_is_open(http: Http, base: str) -> None:
    first = await http.place(base, newClientOrderId="mine")
    status, document = await http.send("POST", f"{base}/order", **order(newClientOrderId="mine"))
    assert (status, document["code"]) == (400, -2010 if base == SPOT else -4116)

    await http.ok("DELETE", f"{base}/order", symbol="BTCUSDT", origClientOrderId="mine")
    second = await http.place(base, newClientOrderId="mine")

    found = await http.ok("GET", f"{base}/order", symbol="BTCUSDT", origClientOrderId="mine")
    assert first["orderId"] < second["orderId"] == found["orderId"]


@MARKETS
async def test_an_order_is_found_by_either_id_or_not_at_all(http: Http, base: str) -> None:
    placed = await http.place(base, newClientOrderId="mine")
    path = f"{base}/order"

    by_id = await http.ok("GET", path, symbol="BTCUSDT", orderId=placed["orderId"])
    assert by_id == await http.ok("GET", path, symbol="BTCUSDT", origClientOrderId="mine")
    assert await http.code("GET", path, symbol="BTCUSDT", orderId=1) == (400, -2013)
    assert await http.code("GET", path, symbol="ETHUSDT", origClientOrderId="mine") == (400, -2013)
    assert await http.code("GET", path, symbol="BTCUSDT") == (400, -1102)
    assert await http.code("DELETE", path, symbol="BTCUSDT", orderId=1) == (400, -2011)


@MARKETS
async def test_an_ended_order_cannot_be_canceled(http: Http, base: str) -> None:
    placed = await http.place(base, type="MARKET", quantity="0.1", newOrderRespType="RESULT")
    assert placed["status"] == "FILLED"

    assert await http.code("DELETE", f"{base}/order", symbol="BTCUSDT", orderId=placed["orderId"]) == (
        400,
        -2011,
    )


async def test_a_cancel_answers_both_ids(http: Http) -> None:
    placed = await http.place(newClientOrderId="mine")

    canceled = await http.ok(
        "DELETE", f"{SPOT}/order", symbol="BTCUSDT", orderId=placed["orderId"], newClientOrderId="its-cancel"
    )

    assert (canceled["origClientOrderId"], canceled["clientOrderId"]) == ("mine", "its-cancel")
    assert canceled["status"] == "CANCELED"
    assert await http.ok("GET", f"{SPOT}/openOrders") == []


# ------------------------------------------------------------------ pages


@pytest.mark.parametrize(("base", "path"), [(SPOT, "myTrades"), (LINEAR, "userTrades")])
async def test_trades_come_in_pages(http: Http, exchange: SimulatedExchange, base: str, path: str) -> None:
    for _ in range(4):
        await http.place(base, type="MARKET", quantity="0.3")
    url = f"{base}/{path}"
    everything = await http.ok("GET", url, symbol="BTCUSDT")
    ids = [each["id"] for each in everything]
    assert len(ids) > 6
    assert ids == sorted(set(ids))

    async def page(**params: Any) -> list[int]:
        return [each["id"] for each in await http.ok("GET", url, symbol="BTCUSDT", **params)]

    assert await page(limit=3) == ids[-3:]
    assert await page(limit=3, fromId=0) == ids[:3]
    assert await page(limit=3, fromId=ids[3]) == ids[3:6]
    assert await page(limit=3, startTime=everything[0]["time"]) == ids[:3]
    assert await page(endTime=everything[0]["time"] - 1) == []
    assert await page(startTime=exchange.now() + 60_000) == []
    assert await page(limit=9_999, fromId=0) == ids
    assert await page(orderId=everything[0]["orderId"]) == [
        each["id"] for each in everything if each["orderId"] == everything[0]["orderId"]
    ]


async def test_pages_that_do_not_go_together_are_refused(http: Http) -> None:
    now = http.exchange.now()

    async def code(base: str, path: str, **params: Any) -> int:
        return (await http.code("GET", f"{base}/{path}", symbol="BTCUSDT", **params))[1]

    assert await code(SPOT, "myTrades", fromId=1, startTime=now) == -1128
    assert await code(SPOT, "myTrades", orderId=1, startTime=now) == -1128
    assert await code(SPOT, "myTrades", startTime=now - 90_000_000, endTime=now) == -1127
    assert await code(LINEAR, "userTrades", startTime=now - 700_000_000, endTime=now) == -1127
    assert await code(SPOT, "allOrders", startTime=now, endTime=now - 1) == -1128
    assert await code(SPOT, "myTrades", limit=0) == -1130


@MARKETS
async def test_all_orders_go_from_an_id_or_end_with_the_last(http: Http, base: str) -> None:
    ids = [(await http.place(base, type="MARKET", quantity="0.1"))["orderId"] for _ in range(4)]

    async def page(**params: Any) -> list[int]:
        rows = await http.ok("GET", f"{base}/allOrders", symbol="BTCUSDT", **params)
        return [each["orderId"] for each in rows]

    assert await page() == ids
    assert await page(limit=2) == ids[-2:]
    assert await page(limit=2, orderId=ids[1]) == ids[1:3]


# ------------------------------------------------------------------ the rest


async def test_ids_of_a_later_run_are_new() -> None:
    time = 1_767_000_000_000
    first = SimulatedExchange(clock=lambda: time)
    later = SimulatedExchange(clock=lambda: time + 60_000)

    assert later.spot._next_order_id - first.spot._next_order_id == 60_000


async def test_market_data_needs_no_key(http: Http) -> None:
    for path in (
        f"{SPOT}/ping",
        f"{SPOT}/time",
        f"{SPOT}/exchangeInfo",
        f"{SPOT}/ticker/bookTicker?symbol=BTCUSDT",
        f"{SPOT}/ticker/price",
        f"{SPOT}/depth?symbol=BTCUSDT&limit=5",
        f"{LINEAR}/exchangeInfo",
        f"{LINEAR}/depth?symbol=BTCUSDT",
        f"{LINEAR}/premiumIndex?symbol=BTCUSDT",
        "/dapi/v1/exchangeInfo",
    ):
        assert (await http.raw("GET", path))[0] == 200
    status, depth = await http.raw("GET", f"{SPOT}/depth?symbol=BTCUSDT&limit=5")
    assert len(depth["bids"]) == len(depth["asks"]) == 5
    assert Decimal(depth["bids"][0][0]) < Decimal(depth["asks"][0][0])
    status, document = await http.raw("GET", f"{SPOT}/depth?symbol=NOUSDT")
    assert (status, document["code"]) == (400, -1121)


async def test_listen_keys_are_kept_alive_and_end(http: Http) -> None:
    for path in (f"{SPOT}/userDataStream", f"{LINEAR}/listenKey"):
        _, made = await http.raw("POST", path, headers=http.headers)
        key = made["listenKey"]
        assert (await http.raw("POST", path, headers=http.headers))[1]["listenKey"] == key
        assert (await http.raw("PUT", f"{path}?listenKey={key}", headers=http.headers))[0] == 200
        status, document = await http.raw("PUT", f"{path}?listenKey=another", headers=http.headers)
        assert (status, document["code"]) == (400, -1125)
        assert (await http.raw("DELETE", f"{path}?listenKey={key}", headers=http.headers))[0] == 200
        assert (await http.raw("POST", path, headers=http.headers))[1]["listenKey"] != key
        assert (await http.raw("POST", path))[0] == 401
