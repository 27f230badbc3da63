"""ProcessPayload and ProcessPayloads: the venues' own JSON."""

import json
from typing import Any

import grpc
import pytest
from support.application import RunningServer
from support.messages import register
from support.payloads import BINANCE, BITGET, FLAT, PHEMEX
from support.refusals import refused

from fillhandler.v1 import fill_service_pb2 as pb
from fillhandler.v1 import order_service_pb2, orders_pb2

# A full answer to a new order: two fills and the order's own report.
FULL = {
    "symbol": "BTCUSDT",
    "orderId": 5403233939,
    "clientOrderId": "mine-1",
    "transactTime": 1717151923742,
    "price": "0.00000000",
    "origQty": "0.00050000",
    "executedQty": "0.00050000",
    "cummulativeQuoteQty": "29.47100000",
    "status": "FILLED",
    "type": "MARKET",
    "side": "BUY",
    "fills": [
        {
            "price": "58941.00000000",
            "qty": "0.00030000",
            "commission": "0.00004230",
            "commissionAsset": "BNB",
            "tradeId": 737466631,
        },
        {
            "price": "58943.50000000",
            "qty": "0.00020000",
            "commission": "0.00002820",
            "commissionAsset": "BNB",
            "tradeId": 737466632,
        },
    ],
}
# Neither a fill nor an order report.
BALANCE = {"e": "outboundAccountPosition", "E": 1564034571105, "u": 1564034571073, "B": []}


def request(payload: object, venue: str = "", **fields: Any) -> pb.ProcessPayloadRequest:
    text = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return pb.ProcessPayloadRequest(venue=venue, payload=text, **fields)


@pytest.mark.parametrize("venue", FLAT)
async def test_flat_forms_name_their_venue_themselves(server: RunningServer, venue: str) -> None:
    answer = await server.fills.ProcessPayload(request(FLAT[venue]))
    assert answer.venue == venue
    (result,) = answer.fills
    assert (result.outcome, result.sequence, result.fill.venue) == (pb.OUTCOME_RECORDED, 1, venue)
    (order,) = answer.orders
    assert order.cumulative_quantity == result.fill.quantity
    assert answer.sequence == server.head
    # Told or named, it is the same fill.
    again = await server.fills.ProcessPayload(request(FLAT[venue], venue.upper()))
    assert (again.fills[0].outcome, again.fills[0].sequence, again.sequence) == (pb.OUTCOME_DUPLICATE, 1, 0)


async def test_a_full_answer_is_fills_and_a_report(server: RunningServer) -> None:
    await server.orders.RegisterOrder(
        register(None, client_order_id="mine-1", order_quantity="0.0005", limit_price=None)
    )
    answer = await server.fills.ProcessPayload(request(FULL, "binance", account="desk"))
    assert [each.outcome for each in answer.fills] == [pb.OUTCOME_RECORDED] * 2
    (order,) = answer.orders
    assert (order.account, order.client_order_id) == ("desk", "mine-1")
    assert order.status == orders_pb2.ORDER_STATUS_FILLED
    assert (order.cumulative_quantity, order.average_price) == ("0.0005", "58942")
    main = await server.fills.ProcessPayload(request(FULL, "binance"))
    (order,) = main.orders
    assert order.registered
    assert order.status == orders_pb2.ORDER_STATUS_FILLED


async def test_a_broken_payload_is_refused_whole(server: RunningServer) -> None:
    broken = json.loads(json.dumps(FULL))
    broken["fills"][1]["qty"] = "lots"
    broken["fills"][1]["price"] = None
    answer = await refused(server.fills.ProcessPayload(request(broken, "binance")))
    assert (answer.status, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert "fills[1].qty" in answer.violations
    assert server.head == 0
    orders = await server.orders.ListOrders(order_service_pb2.ListOrdersRequest())
    assert not orders.orders


@pytest.mark.parametrize(
    ("payload", "venue", "reason", "field"),
    [
        (BINANCE, "mtgox", "INVALID_FIELD", "venue"),
        ({"a": 1}, "", "INVALID_FIELD", "venue"),
        ([], "", "INVALID_FIELD", "venue"),
        ({"a": 1}, "binance", "UNSUPPORTED_PAYLOAD", ""),
        (b"", "binance", "INVALID_FIELD", "payload"),
        (b"{", "binance", "INVALID_FIELD", "payload"),
        (b"\xff\xfe", "binance", "INVALID_FIELD", "payload"),
        (b"12", "binance", "INVALID_FIELD", "payload"),
        (b'"text"', "binance", "INVALID_FIELD", "payload"),
        (b"null", "", "INVALID_FIELD", "venue"),
        (b'{"orderId": NaN}', "binance", "INVALID_FIELD", "payload"),
        (b'{"a": 1, "a": 2}', "binance", "INVALID_FIELD", "payload"),
        (b"[" * 100_000, "binance", "INVALID_FIELD", "payload"),
        (b'{"data":' * 100_000 + b"1" + b"}" * 100_000, "bitget", "INVALID_FIELD", "payload"),
        (b'{"orderId": ' + b"9" * 5000 + b"}", "binance", "INVALID_FIELD", "payload"),
    ],
    ids=lambda value: repr(value)[:30],
)
async def test_refused_payloads(
    server: RunningServer, payload: object, venue: str, reason: str, field: str
) -> None:
    answer = await refused(server.fills.ProcessPayload(request(payload, venue)))
    assert (answer.status, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert list(answer.violations) == [field]
    assert server.head == 0


async def test_skipped_kinds_are_told(server: RunningServer) -> None:
    answer = await server.fills.ProcessPayload(request(BALANCE, "binance"))
    (skipped,) = answer.skipped
    assert skipped.kind
    assert skipped.reason
    assert (skipped.count, answer.sequence) == (1, 0)
    assert not answer.fills
    assert not answer.orders
    assert server.head == 0


async def test_validate_only_changes_nothing(server: RunningServer) -> None:
    preview = await server.fills.ProcessPayload(request(FULL, "binance", validate_only=True))
    assert [(each.outcome, each.sequence) for each in preview.fills] == [(pb.OUTCOME_RECORDED, 0)] * 2
    assert preview.sequence == server.head == 0
    done = await server.fills.ProcessPayload(request(FULL, "binance"))
    head = server.head
    preview = await server.fills.ProcessPayload(request(FULL, "binance", validate_only=True))
    assert [(each.outcome, each.sequence) for each in preview.fills] == [
        (pb.OUTCOME_DUPLICATE, each.sequence) for each in done.fills
    ]
    assert (preview.sequence, server.head) == (0, head)
    bad = await refused(server.fills.ProcessPayload(request({"a": 1}, "binance", validate_only=True)))
    assert bad.reason == "UNSUPPORTED_PAYLOAD"


async def test_a_large_payload_goes_the_other_way_with_the_same_end(server: RunningServer) -> None:
    """Above 32 KiB it is parsed off the event loop."""
    many = json.loads(json.dumps(FULL))
    many["fills"] = [{**FULL["fills"][0], "tradeId": n} for n in range(1000)]
    many["executedQty"] = "0.3"
    many["origQty"] = "0.3"
    answer = await server.fills.ProcessPayload(request(many, "binance"))
    assert [each.outcome for each in answer.fills] == [pb.OUTCOME_RECORDED] * 1000
    assert answer.orders[0].cumulative_quantity == "0.3"
    many["fills"][999]["qty"] = "NaN"
    many["fills"][0]["tradeId"] = 5000
    bad = await refused(server.fills.ProcessPayload(request(many, "binance")))
    assert "fills[999].qty" in bad.violations
    assert server.head == answer.sequence


async def test_json_numbers_are_read_exactly(server: RunningServer) -> None:
    text = json.dumps(BINANCE).replace('"0.001"', "1e-05").replace('"50000.00"', "50000.10")
    answer = await server.fills.ProcessPayload(request(text.encode()))
    assert (answer.fills[0].fill.quantity, answer.fills[0].fill.price) == ("0.00001", "50000.1")


# ------------------------------------------------------------------ streamed


async def stream(
    server: RunningServer, *batches: list[tuple[str, object]], validate_only: bool = False
) -> list[pb.ProcessPayloadsResponse]:
    async def requests():
        for batch in batches:
            message = pb.ProcessPayloadsRequest(validate_only=validate_only)
            for venue, payload in batch:
                text = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
                message.payloads.add(venue=venue, payload=text)
            yield message

    return [answer async for answer in server.fills.ProcessPayloads(requests())]


async def test_a_bad_payload_never_ends_the_stream(server: RunningServer) -> None:
    answers = await stream(
        server,
        [("", BINANCE), ("binance", b"{"), ("mtgox", BINANCE), ("binance", {"a": 1}), ("", BITGET)],
        [("", PHEMEX), ("", BINANCE), ("binance", BALANCE)],
        [],
    )
    assert [len(answer.results) for answer in answers] == [5, 3, 0]
    results = [result for answer in answers for result in answer.results]
    assert [(each.error.reason, each.error.field) for each in results] == [
        ("", ""),
        ("INVALID_FIELD", "payload"),
        ("INVALID_FIELD", "venue"),
        ("UNSUPPORTED_PAYLOAD", ""),
        ("", ""),
        ("", ""),
        ("", ""),
        ("", ""),
    ]
    assert [[fill.outcome for fill in each.fills] for each in results if not each.HasField("error")] == [
        [pb.OUTCOME_RECORDED],
        [pb.OUTCOME_RECORDED],
        [pb.OUTCOME_RECORDED],
        [pb.OUTCOME_DUPLICATE],
        [],
    ]
    assert results[-1].skipped[0].count == 1
    assert [each.venue for each in results if each.fills] == ["binance", "bitget", "phemex", "binance"]


async def test_stream_validate_only(server: RunningServer) -> None:
    (answer,) = await stream(server, [("", BINANCE), ("binance", b"{")], validate_only=True)
    assert answer.results[0].fills[0].outcome == pb.OUTCOME_RECORDED
    assert answer.results[1].error.reason == "INVALID_FIELD"
    assert server.head == 0


async def test_undecodable_bytes_end_the_stream_after_the_answers_before(server: RunningServer) -> None:
    raw = server.channel.stream_stream("/fillhandler.v1.FillService/ProcessPayloads")
    call = raw(metadata=(("authorization", f"Bearer {server.token}"),))
    message = pb.ProcessPayloadsRequest()
    message.payloads.add(payload=json.dumps(BINANCE).encode())
    await call.write(message.SerializeToString())
    await call.write(b"\xff\xff\xff")
    first = pb.ProcessPayloadsResponse.FromString(await call.read())
    assert first.results[0].fills[0].outcome == pb.OUTCOME_RECORDED
    answer = await refused(call.read())
    assert (answer.status, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
