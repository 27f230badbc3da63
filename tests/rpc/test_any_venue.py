"""ProcessPayload and ProcessPayloads for venues without a module: ccxt's structures, and ccxt's parsers."""

import asyncio
import builtins
import json
import threading
from typing import Any

import grpc
import pytest
from support.application import RunningServer
from support.payloads import BINANCE
from support.refusals import refused

from fillhandler.v1 import fill_service_pb2 as pb
from fillhandler.v1 import fills_pb2, orders_pb2
from fillhandler_server.execution import ccxt_parsing

TRADE = {
    "info": {"p": 0.1}, "id": "t1", "order": "o1", "symbol": "BTC/USDT:USDT", "side": "buy",
    "takerOrMaker": "maker", "amount": 3, "price": "50000.10", "timestamp": 1700000000000,
    "fee": {"cost": "-0.001", "currency": "USDT"}, "fees": [],
}  # fmt: skip
ORDER = {
    "id": "o1", "clientOrderId": "c1", "symbol": "BTC/USDT:USDT", "side": "buy", "type": "limit",
    "status": "closed", "amount": 5, "filled": 3, "remaining": 2, "price": "50001", "average": "50000.1",
    "timestamp": 1700000000000,
}  # fmt: skip
# Crypto.com, private/get-trades.
RAW = {
    "side": "BUY", "instrument_name": "BTC_USD", "fees": "-0.0000000525", "trade_id": "6142909898247428343",
    "create_time": 1686941992887, "traded_price": "26347.16", "traded_quantity": "0.00021",
    "fee_instrument_name": "BTC", "taker_side": "TAKER", "order_id": "6142909895036331486",
}  # fmt: skip


def request(payload: object, venue: str, **fields: Any) -> pb.ProcessPayloadRequest:
    return pb.ProcessPayloadRequest(venue=venue, payload=json.dumps(payload).encode(), **fields)


async def test_ccxts_structures_of_any_venue(server: RunningServer) -> None:
    answer = await server.fills.ProcessPayload(request([TRADE, ORDER], "SomeX", format="ccxt"))
    assert (answer.venue, answer.parser) == ("somex", "ccxt")
    (result,) = answer.fills
    fill = result.fill
    assert result.outcome == pb.OUTCOME_RECORDED
    assert (fill.venue, fill.symbol, fill.market) == ("somex", "BTC/USDT:USDT", "linear")
    assert (fill.quantity, fill.price, fill.contract.kind) == ("3", "50000.1", fills_pb2.CONTRACT_KIND_LINEAR)
    assert [(fee.amount, fee.currency) for fee in fill.fees] == [("-0.001", "USDT")]
    assert not fill.metadata
    (order,) = answer.orders
    assert (order.status, order.client_order_id) == (orders_pb2.ORDER_STATUS_CANCELED, "c1")
    assert (order.order_quantity, order.cumulative_quantity) == ("5", "3")
    again = await server.fills.ProcessPayload(request([TRADE, ORDER], "somex", format="ccxt"))
    assert (again.fills[0].outcome, again.sequence) == (pb.OUTCOME_DUPLICATE, 0)


@pytest.mark.parametrize(
    ("payload", "venue", "format", "field", "said"),
    [
        ({**TRADE, "amount": 0.1}, "somex", "ccxt", "amount", '{"number": str}'),
        (TRADE, "", "ccxt", "venue", "required"),
        (TRADE, "somex", "CCXT", "format", '"ccxt"'),
        (TRADE, "somex", "", "venue", 'format "ccxt"'),
    ],
)
async def test_refusals_name_the_field_and_the_way_out(
    server: RunningServer, payload: object, venue: str, format: str, field: str, said: str
) -> None:
    answer = await refused(server.fills.ProcessPayload(request(payload, venue, format=format)))
    assert (answer.status, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert said in answer.violations[field]
    assert server.head == 0


async def test_the_parser_is_told(server: RunningServer) -> None:
    own = await server.fills.ProcessPayload(request(BINANCE, ""))
    assert own.parser == "venue"
    preview = await server.fills.ProcessPayload(request(TRADE, "x", format="ccxt", validate_only=True))
    assert preview.parser == "ccxt"


async def test_a_venue_without_a_module_goes_through_ccxts_parser(server: RunningServer) -> None:
    pytest.importorskip("ccxt", reason="ccxt is the extra `exchanges`")
    answer = await server.fills.ProcessPayload(request({"code": 0, "result": {"data": [RAW]}}, "cryptocom"))
    assert (answer.venue, answer.parser) == ("cryptocom", "ccxt_parser")
    (fill,) = (result.fill for result in answer.fills)
    assert (fill.quantity, fill.price, fill.symbol) == ("0.00021", "26347.16", "BTC_USD")
    assert fill.fees[0].amount == "0.0000000525"
    bad = await refused(server.fills.ProcessPayload(request({"a": 1}, "cryptocom")))
    assert bad.reason == "UNSUPPORTED_PAYLOAD"


async def test_ccxt_works_neither_on_the_event_loop_nor_on_the_writer(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its import takes seconds: fills of others go on meanwhile, over the loop and through the writer."""
    entered, go_on = asyncio.Event(), threading.Event()
    loop, real = asyncio.get_running_loop(), ccxt_parsing.parse_payload

    def slow(*args: Any, **named: Any) -> Any:
        loop.call_soon_threadsafe(entered.set)
        assert go_on.wait(60)
        return real(*args, **named)

    monkeypatch.setattr(ccxt_parsing, "parse_payload", slow)

    async def requests() -> Any:
        yield pb.ProcessPayloadsRequest(payloads=[pb.VenuePayload(venue="mtgox", payload=b"{}")])

    calls = (
        lambda: refused(server.fills.ProcessPayload(request({}, "mtgox"))),
        lambda: _first_error(server.fills.ProcessPayloads(requests())),
    )
    for call in calls:
        under_way = asyncio.ensure_future(call())
        try:
            await asyncio.wait_for(entered.wait(), 30)
            other = await asyncio.wait_for(server.fills.ProcessPayload(request(BINANCE, "")), 30)
        finally:
            go_on.set()
        assert other.fills
        assert (await under_way).reason == "INVALID_FIELD"
        entered.clear()
        go_on.clear()


async def _first_error(call: Any) -> Any:
    answers = [answer async for answer in call]
    return answers[0].results[0].error


async def test_without_ccxt_the_error_says_how_to_get_it(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "ccxt":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    answer = await refused(server.fills.ProcessPayload(request(RAW, "cryptocom")))
    assert "pip install 'fillhandler[exchanges]'" in answer.violations["venue"]


async def test_every_way_in_one_stream(server: RunningServer) -> None:
    pytest.importorskip("ccxt", reason="ccxt is the extra `exchanges`")

    async def requests() -> Any:
        message = pb.ProcessPayloadsRequest()
        for venue, format, payload in (
            ("", "", BINANCE),
            ("somex", "ccxt", TRADE),
            ("cryptocom", "", RAW),
            ("cryptocom", "", {"a": 1}),
            ("mtgox", "", RAW),
            ("somex", "ccxt", {**TRADE, "price": 0.5}),
            ("cryptocom", "", RAW),
        ):
            message.payloads.add(venue=venue, format=format, payload=json.dumps(payload).encode())
        yield message

    (answer,) = [each async for each in server.fills.ProcessPayloads(requests())]
    assert [each.parser for each in answer.results] == [
        "venue",
        "ccxt",
        "ccxt_parser",
        "",
        "",
        "",
        "ccxt_parser",
    ]
    assert [(each.error.reason, each.error.field) for each in answer.results] == [
        ("", ""),
        ("", ""),
        ("", ""),
        ("UNSUPPORTED_PAYLOAD", ""),
        ("INVALID_FIELD", "venue"),
        ("INVALID_FIELD", "price"),
        ("", ""),
    ]
    assert [fill.outcome for each in answer.results for fill in each.fills] == [
        pb.OUTCOME_RECORDED,
        pb.OUTCOME_RECORDED,
        pb.OUTCOME_RECORDED,
        pb.OUTCOME_DUPLICATE,
    ]
