"""The control below /sim."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from support.exchange_client import LINEAR, SPOT, Http

from fillhandler_server.exchange import ListenError, SimulatedExchange


async def test_the_books_are_complete_and_exact(http: Http) -> None:
    await http.place(newClientOrderId="a", type="MARKET", quantity="0.30000")
    await http.place(LINEAR, newClientOrderId="b")

    books = await http.control("GET", "books")

    first, second = books["orders"]
    assert (first["market"], first["client_order_id"], first["status"]) == ("spot", "a", "FILLED")
    assert (second["market"], second["status"], second["price"]) == ("linear", "NEW", "59000")
    assert first["executed_quantity"] == first["quantity"] == "0.3"
    assert sum(Decimal(each["quantity"]) for each in books["trades"]) == Decimal("0.3")
    assert {each["client_order_id"] for each in books["trades"]} == {"a"}
    assert books["requests"] == {"spot": {"place": 1}, "linear": {"place": 1}}
    assert books["faults"] == {}


async def test_faults_are_set_asked_and_ordered(http: Http) -> None:
    await http.control(
        "PUT",
        "faults",
        probabilities={"drop_stream": 0.5},
        settings={"latency_ms": [1, 2], "delay_seconds": 3},
    )
    await http.control("POST", "faults/next", fault="ban", count=2, operation="place", symbol="BTCUSDT")

    found = await http.control("GET", "faults")

    assert found["probabilities"]["drop_stream"] == 0.5
    assert found["probabilities"]["ban"] == 0
    assert (found["settings"]["latency_ms"], found["settings"]["delay_seconds"]) == ([1, 2], 3)
    assert found["ordered"] == [{"fault": "ban", "count": 2, "operation": "place", "symbol": "BTCUSDT"}]


async def test_a_price_moves_in_one_market_or_in_both(http: Http) -> None:
    for base in (SPOT, LINEAR):
        await http.place(base)

    async def statuses() -> list[str]:
        return [each["status"] for each in (await http.control("GET", "books"))["orders"]]

    await http.control("POST", "price", symbol="BTCUSDT", price="58000", market="linear", pieces=1)
    assert await statuses() == ["NEW", "PARTIALLY_FILLED"]
    await http.control("POST", "price", symbol="BTCUSDT", price="58000.5")
    assert await statuses() == ["FILLED", "FILLED"]
    prices = (await http.control("GET", "books"))["prices"]
    assert prices["spot"]["BTCUSDT"] == prices["linear"]["BTCUSDT"] == "58000.5"


async def test_the_walk_stands_still_goes_on_and_is_stepped(http: Http, exchange: SimulatedExchange) -> None:
    book = exchange.spot.books["BTCUSDT"]
    now = exchange.now()
    assert not book.advance(now)
    assert not book.advance(now + 10_000)

    mid = book.mid
    await http.control("POST", "step", steps=50)
    assert book.mid != mid
    await http.control("POST", "resume")
    assert book.advance(now + 20_000)
    await http.control("POST", "pause")
    assert not book.advance(now + 30_000)


@pytest.mark.parametrize(
    ("method", "path", "document", "text"),
    [
        ("PUT", "faults", {"nope": {}}, "no field 'nope'"),
        ("PUT", "faults", {"probabilities": {"nope": 1}}, "no fault 'nope'"),
        ("PUT", "faults", {"probabilities": {"ban": "1"}}, "ban: a probability is a number"),
        ("PUT", "faults", {"settings": {"delay_seconds": "1"}}, "delay_seconds must be a number"),
        ("POST", "faults/next", {"fault": "ban", "count": "2"}, "count must be a whole number"),
        ("POST", "faults/next", {"fault": "ban", "operation": 1}, "operation must be a text"),
        ("POST", "price", {"symbol": "NOUSDT", "price": "1"}, "no symbol 'NOUSDT'"),
        ("POST", "price", {"symbol": "BTCUSDT", "price": 1.5}, "price must be a text"),
        ("POST", "price", {"symbol": "BTCUSDT", "price": "NaN"}, "not a decimal number"),
        ("POST", "price", {"symbol": "BTCUSDT", "price": "0"}, "above 0"),
        ("POST", "price", {"symbol": "BTCUSDT", "price": "1", "market": "x"}, "market must be one of"),
        ("POST", "price", {"symbol": "BTCUSDT", "price": "1", "pieces": 0}, "pieces must be 1"),
        ("POST", "step", {"steps": 0}, "steps must be between"),
        ("POST", "pause", {"x": 1}, "no field 'x'"),
    ],
)
async def test_a_wrong_request_is_told_its_field(
    http: Http, method: str, path: str, document: dict[str, Any], text: str
) -> None:
    status, answer = await http.raw(method, f"/sim/{path}", json=document)

    assert status == 400
    assert text in answer["error"]


async def test_what_is_no_json_object_is_refused(http: Http) -> None:
    for body in ("[]", "{", "1"):
        assert (await http.raw("POST", "/sim/pause", data=body))[0] == 400


async def test_web_pages_of_others_are_kept_out(http: Http) -> None:
    assert (await http.raw("GET", "/sim/books", headers={"Origin": "http://example.com"}))[0] == 403


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.com", "::"])
def test_only_loopback_addresses_are_served(host: str) -> None:
    with pytest.raises(ListenError, match="loopback"):
        SimulatedExchange(host=host)
