"""What strangers and broken clients send: refused with a reason, or kept byte for byte; never INTERNAL."""

import asyncio
import json
import logging
import random
import time
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from support.application import RunningServer
from support.messages import fill, identity, record, register
from support.refusals import Refused, read, refused

from fillhandler.v1 import (
    analytics_service_pb2,
    feed_service_pb2,
    fill_service_pb2,
    fills_pb2,
    order_service_pb2,
    state_service_pb2,
)
from fillhandler_server.projections import paging
from fillhandler_server.rpc import fill_service

METHODS = [
    method
    for module in (
        analytics_service_pb2,
        feed_service_pb2,
        fill_service_pb2,
        order_service_pb2,
        state_service_pb2,
    )
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]

NUMBERS = [
    "NaN",
    "sNaN",
    "-Infinity",
    "1e400",
    "1E+999999999",
    "1e-999999999",
    "9" * 40,
    "0." + "9" * 40,
    "9" * 100_000,
    "١٢٣",
    "１２",
    "1_000",
    " 1",
    "1\n",
    "1\0",
    "0x10",
    "1,5",
    "+1",
    "--1",
    "-",
    ".",
    "𝟙",
]


async def answered(call: Any) -> Refused | None:
    """The refusal of a call, which may as well be taken; never a fault of ours."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        answer = read(error)
        if answer.status in {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN} or not answer.reason:
            pytest.fail(str(answer))
        return answer
    return None


@pytest.mark.parametrize("number", NUMBERS, ids=lambda text: ascii(text)[:20])
async def test_hostile_numbers(server: RunningServer, number: str) -> None:
    """By a check of the text, not by arithmetic: at once, and with the field's name."""
    began = time.monotonic()
    answer = await refused(
        server.fills.RecordFill(
            record("1", quantity=number, price=number, fees=[fills_pb2.Fee(amount=number, currency="X")])
        )
    )
    assert (answer.status, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert answer.violations.keys() == {"fill.quantity", "fill.price", "fill.fees[0].amount"}
    answer = await refused(
        server.orders.RegisterOrder(
            register(order_quantity=number, limit_price=number, expected_price=number)
        )
    )
    assert answer.violations.keys() == {
        "order.order_quantity",
        "order.limit_price",
        "order.expected_price",
    }
    assert time.monotonic() - began < 1
    assert server.head == 0


@pytest.mark.parametrize(
    "number", ["1e19", "1e400", "1E+999999999", "-0.0", "0", "9" * 40, "1e-19", "true", "{}"]
)
async def test_hostile_numbers_in_payloads(server: RunningServer, number: str) -> None:
    payload = (
        '{"orderId": 1, "symbol": "BTCUSDT", "side": "BUY", "fills": [{"tradeId": 2, "qty": '
        f'{number}, "price": 1, "commission": 0, "commissionAsset": "BTC"}}]}}'
    )
    began = time.monotonic()
    answer = await refused(
        server.fills.ProcessPayload(
            fill_service_pb2.ProcessPayloadRequest(venue="binance", payload=payload.encode())
        )
    )
    assert answer.violations.keys() == {"fills[0].qty"}
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    "text",
    [
        "'; DROP TABLE fills; --",
        "../../etc/passwd",
        "%s%n{}",
        "$(reboot)",
        "x" * 256,
        "日本語のID",
        "e\u0301 \u202e right to left",
        "\U0001f600",
        "\u2028\u00a0\ufeff",
        "{'a': 1}",
        '"quoted"',
        "0",
        " ",
    ],
)
async def test_ids_are_kept_byte_for_byte(server: RunningServer, text: str) -> None:
    fields: dict[str, Any] = {"order_id": text, "client_order_id": text, "leg": text, "account": text}
    sent = fill(text, symbol=text, **fields)
    await server.fills.RecordFill(fill_service_pb2.RecordFillRequest(fill=sent))
    for running in (server, await server.restart()):
        got = (await running.fills.GetFill(fill_service_pb2.GetFillRequest(identity=identity(sent)))).fill
        for name in (*fields, "trade_id", "symbol"):
            assert getattr(got, name) == text
        found = await running.orders.GetOrder(order_service_pb2.GetOrderRequest(order_id=text))
        assert found.order.client_order_id == text
        listed = await running.fills.ListFills(fill_service_pb2.ListFillsRequest(account=text, symbol=text))
        assert len(listed.fills) == 1


@pytest.mark.parametrize("text", ["a\0b", "\x1b[2J", "x" * 257, "x" * 10_000, "a\nb", "\x7f"], ids=ascii)
async def test_ids_that_are_refused(server: RunningServer, text: str) -> None:
    names = ("order_id", "client_order_id", "account", "symbol", "leg", "venue", "base_currency")
    answer = await refused(server.fills.RecordFill(record(text, **dict.fromkeys(names, text))))
    assert answer.violations.keys() == {f"fill.{name}" for name in (*names, "trade_id")}
    assert server.head == 0
    # Asking for them is no crime.
    for request in (
        order_service_pb2.GetOrderRequest(order_id=text),
        order_service_pb2.GetOrderRequest(client_order_id=text * 10),
    ):
        missing = await refused(server.orders.GetOrder(request))
        assert missing.reason == "ORDER_NOT_FOUND"


async def test_a_lone_surrogate_is_no_protobuf_text(server: RunningServer) -> None:
    raw = server.channel.unary_unary("/fillhandler.v1.FillService/RecordFill")
    message = b"\x0a\x05\x0a\x03\xed\xa0\x80"
    answer = await refused(raw(message, metadata=(("authorization", f"Bearer {server.token}"),)))
    assert (answer.status, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")


async def test_all_violations_at_once_and_bounded(server: RunningServer) -> None:
    answer = await refused(server.fills.RecordFill(fill_service_pb2.RecordFillRequest()))
    assert answer.violations.keys() == {"fill.venue", "fill.symbol", "fill.side", "fill.quantity"}
    wide = "𝟘" * 500
    many = fill(
        wide,
        venue=wide,
        symbol=wide,
        quantity=wide,
        price=wide,
        side=99,
        liquidity=-3,
        market=wide,
        fees=[fills_pb2.Fee(amount=wide, currency=wide) for _ in range(300)],
        metadata={str(n): wide for n in range(70)},
    )
    answer = await refused(server.fills.RecordFill(fill_service_pb2.RecordFillRequest(fill=many)))
    # Trailing metadata beyond 8 KiB would be refused by the client's own gRPC, and the reason lost.
    assert (answer.status, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert "fill.venue" in answer.violations


@pytest.mark.parametrize("letter", ["x", "é", "𝟘", "%", "\x01"])
async def test_long_texts_never_cost_an_error_its_details(server: RunningServer, letter: str) -> None:
    """Whatever is quoted: eight KiB of trailing metadata are all that a client takes."""
    for attempt in range(5):
        answer = await refused(
            server.orders.GetOrder(order_service_pb2.GetOrderRequest(order_id=letter * 3000 + str(attempt)))
        )
        assert answer.reason == "ORDER_NOT_FOUND"
    if letter == "\x01":
        return
    for n in range(12):
        place = f"{n}{letter * 250}"
        await server.orders.RegisterOrder(register("1", account=place, symbol=place))
    answer = await refused(server.orders.GetOrder(order_service_pb2.GetOrderRequest(order_id="1")))
    assert (answer.reason, answer.metadata["matches"]) == ("ORDER_AMBIGUOUS", "12")


@pytest.mark.parametrize(
    "token", ["9" * 20, "-1", "9" * 19, "１", "1_0", " 1", "", "x"], ids=lambda text: f"position {text!r}"
)
async def test_page_tokens_of_ones_own_making(server: RunningServer, token: str) -> None:
    """Their digest is no secret, so what stands beside it is checked as well."""
    import base64

    await server.fills.RecordFill(record("1"))
    for method, request in (
        (server.fills.ListFills, fill_service_pb2.ListFillsRequest(page_size=1)),
        (server.orders.ListOrders, order_service_pb2.ListOrdersRequest(page_size=1)),
    ):
        from fillhandler_server.projections import FillQuery, OrderQuery

        query = FillQuery() if "Fills" in str(request.DESCRIPTOR.name) else OrderQuery()
        text = f"1:{token}:{paging._digest(query)}"
        request.page_token = base64.urlsafe_b64encode(text.encode()).decode()
        answer = await answered(method(request))
        assert answer is None or answer.reason == "PAGE_TOKEN_INVALID"


async def test_undecodable_bytes_for_every_method(server: RunningServer) -> None:
    metadata = (("authorization", f"Bearer {server.token}"),)
    for method in METHODS:
        path = f"/{method.containing_service.full_name}/{method.name}"
        # One request fits every shape of call.
        call = server.channel.unary_stream(path)(b"\xff\xff\xff\xff", metadata=metadata, timeout=10)
        answer = await refused(call.read())
        assert (answer.status, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"), path


def _random_message(draw: random.Random, descriptor: Any, depth: int = 0) -> Message:
    message = message_factory.GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if draw.random() < 0.4 or depth > 4:
            continue
        count = draw.randint(1, 3) if field.is_repeated else 1
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            continue
        for _ in range(count):
            if field.message_type is not None:
                inner = _random_message(draw, field.message_type, depth + 1)
                if field.is_repeated:
                    getattr(message, field.name).append(inner)
                else:
                    getattr(message, field.name).CopyFrom(inner)
                continue
            value = _random_value(draw, field)
            if field.is_repeated:
                getattr(message, field.name).append(value)
            else:
                setattr(message, field.name, value)
    return message


_TEXTS = [
    "",
    "binance",
    "bitget",
    "BTCUSDT",
    "main",
    "1",
    "0.5",
    "-1",
    "1e5",
    "NaN",
    "x" * 300,
    "\0",
    "é",
    "spot",
    "1:0:x",
]


def _random_value(draw: random.Random, field: FieldDescriptor) -> Any:
    kinds = FieldDescriptor
    if field.cpp_type == kinds.CPPTYPE_STRING:
        if field.type == kinds.TYPE_BYTES:
            return draw.choice([b"", b"{}", b"[1]", b'{"orderId":1}', draw.randbytes(20)])
        return draw.choice(_TEXTS)
    if field.cpp_type == kinds.CPPTYPE_BOOL:
        return draw.random() < 0.5
    if field.cpp_type == kinds.CPPTYPE_ENUM:
        return draw.choice([0, 1, 2, 3, 99, -1])
    if field.cpp_type in {kinds.CPPTYPE_INT32, kinds.CPPTYPE_INT64}:
        size = 31 if field.cpp_type == kinds.CPPTYPE_INT32 else 63
        return draw.choice([0, 1, -1, 5, 2**size - 1, -(2**size), 1_700_000_000])
    if field.cpp_type in {kinds.CPPTYPE_UINT32, kinds.CPPTYPE_UINT64}:
        return draw.choice([0, 1, 7, 2**32 - 1])
    return draw.random()


async def test_structured_fuzz(server: RunningServer, draw: random.Random) -> None:
    """Every request type, filled at random: no INTERNAL, nothing over a second, and the server lives."""
    metadata = (("authorization", f"Bearer {server.token}"),)
    channel = server.open_channel()
    for method in METHODS * 12:
        path = f"/{method.containing_service.full_name}/{method.name}"
        request = _random_message(draw, method.input_type)
        response = message_factory.GetMessageClass(method.output_type)
        call = channel.unary_stream(path, response_deserializer=response.FromString)(
            request.SerializeToString(), metadata=metadata, timeout=10
        )
        began = time.monotonic()
        print(path, request)
        try:
            await answered(call.read())
        finally:
            call.cancel()
        assert time.monotonic() - began < 1
    await channel.close()
    assert (await server.fills.RecordFill(record("after", order_id="after"))).sequence == server.head


async def test_random_bytes(server: RunningServer, draw: random.Random) -> None:
    metadata = (("authorization", f"Bearer {server.token}"),)
    for method in METHODS:
        path = f"/{method.containing_service.full_name}/{method.name}"
        for _ in range(5):
            junk = draw.randbytes(draw.randint(1, 60))
            call = server.channel.unary_stream(path)(junk, metadata=metadata, timeout=10)
            print(path, junk)
            try:
                await answered(call.read())
            finally:
                call.cancel()


# ------------------------------------------------------------------ large


async def test_messages_above_the_limit(server: RunningServer) -> None:
    large = fill_service_pb2.ProcessPayloadRequest(venue="binance", payload=b" " * ((4 << 20) + 1))
    answer = await refused(server.fills.ProcessPayload(large))
    assert answer.status is grpc.StatusCode.RESOURCE_EXHAUSTED
    large.payload = b" " * ((4 << 20) - 100)
    answer = await refused(server.fills.ProcessPayload(large))
    assert answer.status is grpc.StatusCode.INVALID_ARGUMENT


async def test_metadata_above_the_limit(server: RunningServer) -> None:
    stub = fill_service_pb2.DESCRIPTOR.services_by_name["FillService"]
    call = server.channel.unary_unary(f"/{stub.full_name}/ListFills")
    metadata = (("authorization", f"Bearer {server.token}"), ("x-filler", "x" * 10_000))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(b"", metadata=metadata)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    "payload",
    [
        b"[" * 1_000_000 + b"]" * 1_000_000,
        b'{"a":' * 500_000 + b"0" + b"}" * 500_000,
        b'{"data":[' * 20_000 + b"]}" * 20_000,
        json.dumps({"data": [[]] * 500_000}).encode(),
        json.dumps({f"k{n}": n for n in range(200_000)}).encode(),
        b'{"fills": [' + b'{"tradeId": 1},' * 100_000 + b"{}]}",
    ],
    ids=["lists", "objects", "wrappers", "wide", "keys", "rows"],
)
@pytest.mark.parametrize("venue", ["binance", "bitget", "phemex", ""])
async def test_json_bombs(server: RunningServer, payload: bytes, venue: str) -> None:
    answer = await refused(
        server.fills.ProcessPayload(fill_service_pb2.ProcessPayloadRequest(venue=venue, payload=payload))
    )
    assert answer.reason in {"INVALID_FIELD", "UNSUPPORTED_PAYLOAD"}
    assert server.head == 0


async def test_metadata_of_fills_is_bounded(server: RunningServer) -> None:
    many = await refused(server.fills.RecordFill(record("1", metadata={str(n): "" for n in range(65)})))
    large = await refused(server.fills.RecordFill(record("1", metadata={"a": "x" * 9000})))
    for answer in (many, large):
        assert answer.violations.keys() == {"fill.metadata"}
    answer = await server.fills.RecordFill(record("1", metadata={"a\0": "\x1b[2J"}))
    assert answer.sequence == 1


# ------------------------------------------------------------------ our own faults (G14)


async def test_exception_text_never_reaches_a_client(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Wherever it is raised: the client gets an incident id, and the log has the text under it."""
    secret = "canary in an exception's text: /home/user/.ssh"

    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError(secret)

    async def refused_by(name: str, place: Any, call: Any) -> None:
        with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
            caplog.clear()
            patch.setattr(place, name, fail)
            answer = await refused(call())
        assert (answer.status, answer.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
        assert secret not in str(answer)
        assert answer.metadata["incident"] in answer.text
        assert answer.metadata["incident"] in caplog.text
        assert secret in caplog.text

    await server.fills.RecordFill(record("1"))
    await refused_by("fill_from_request", fill_service.convert, lambda: server.fills.RecordFill(record("2")))
    await refused_by(
        "page_size", fill_service.convert, lambda: server.fills.ListFills(fill_service_pb2.ListFillsRequest())
    )
    await refused_by(
        "record_fill", type(server.app.writer.engine), lambda: server.fills.RecordFill(record("3"))
    )
    await refused_by(
        "_filter",
        __import__("fillhandler_server.rpc.feed_service", fromlist=["x"]),
        lambda: server.feed.WatchEvents(feed_service_pb2.WatchEventsRequest()).read(),
    )
    call = server.fills.RecordFills()
    await call.write(fill_service_pb2.RecordFillsRequest(fills=[fill("4")]))
    await call.read()

    with monkeypatch.context() as patch:
        patch.setattr(fill_service.batches, "parse", fail)
        await call.write(fill_service_pb2.RecordFillsRequest(fills=[fill("5")]))
        answer = await refused(call.read())
    assert answer.reason == "INTERNAL"
    assert secret not in str(answer)
    # A fault in one command takes nothing else down.
    assert (await server.fills.RecordFill(record("5"))).sequence == 3


async def test_a_fault_takes_no_other_call_of_its_group_down(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = type(server.app.writer.engine).record_fill

    def sometimes(self: Any, one: Any) -> Any:
        result = real(self, one)
        if one.trade_id == "bad":
            raise RuntimeError("after it had decided something")
        return result

    monkeypatch.setattr(type(server.app.writer.engine), "record_fill", sometimes)
    calls = [server.fills.RecordFill(record(name)) for name in ("1", "bad", "2", "3")]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(answer, grpc.aio.AioRpcError) for answer in answers] == [False, True, False, False]
    assert sorted(answer.sequence for answer in answers if not isinstance(answer, BaseException)) == [1, 2, 3]
    order = (await server.orders.GetOrder(order_service_pb2.GetOrderRequest(order_id="order-1"))).order
    assert (order.cumulative_quantity, order.fill_count) == ("1.5", 3)
    missing = fill_service_pb2.GetFillRequest(identity=identity(fill("bad")))
    assert (await refused(server.fills.GetFill(missing))).reason == "FILL_NOT_FOUND"
