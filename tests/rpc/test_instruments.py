"""InstrumentService and ListVenues, and what the table does to fills and orders."""

import json
from decimal import Decimal
from typing import Any

import grpc
import pytest
from support.application import RunningServer
from support.messages import record
from support.refusals import refused

from fillhandler.v1 import execution_service_pb2, fill_service_pb2, fills_pb2, order_service_pb2
from fillhandler.v1 import instrument_service_pb2 as pb
from fillhandler.v1 import state_service_pb2 as state_pb
from fillhandler.v1.instrument_service_pb2_grpc import InstrumentServiceStub
from fillhandler_server import venues
from fillhandler_server.domain.errors import StoreRefusedError
from fillhandler_server.instrument_table import FILE
from fillhandler_server.rpc.access import Gate, Role, token_hash

LINEAR = fills_pb2.Contract(kind=fills_pb2.CONTRACT_KIND_LINEAR, multiplier="0.5")
FOO = pb.Instrument(venue="phemex", symbol="FOOUSD", market="linear", contract=LINEAR, base_currency="FOO",
                    quote_currency="USD", settle_currency="USD", price_places=4)  # fmt: skip
PHEMEX = {
    "symbol": "FOOUSD", "side": "Buy", "execID": "e1", "orderID": "o1", "execPriceEp": 71500,
    "execQty": 10, "execStatus": "TakerFill", "execFeeEv": 2447, "currency": "USD",
    "transactTimeNs": 1578026629824704800,
}  # fmt: skip


def payload(row: dict[str, Any] = PHEMEX) -> fill_service_pb2.ProcessPayloadRequest:
    return fill_service_pb2.ProcessPayloadRequest(venue="phemex", payload=json.dumps(row).encode())


async def add(server: RunningServer, *items: pb.Instrument, **fields: Any) -> pb.ImportInstrumentsResponse:
    return await server.instruments.ImportInstruments(
        pb.ImportInstrumentsRequest(instruments=items, **fields)
    )


async def listed(server: RunningServer, **fields: Any) -> list[pb.Instrument]:
    request = pb.ListInstrumentsRequest(**fields)
    found: list[pb.Instrument] = []
    while True:
        page = await server.instruments.ListInstruments(request)
        assert bool(page.value_places) == (not request.page_token)
        found += page.instruments
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def test_pages_are_the_table_in_order(server: RunningServer) -> None:
    found = await listed(server, page_size=7)
    assert [(each.venue, each.symbol, each.market) for each in found] == [item.key for item in venues.SHIPPED]
    phemex = await listed(server, venue="PHEMEX", page_size=3)
    assert [each.symbol for each in phemex] == [
        item.symbol for item in venues.SHIPPED if item.venue == "phemex"
    ]
    page = await server.instruments.ListInstruments(pb.ListInstrumentsRequest(venue="phemex"))
    assert {each.venue for each in page.value_places} == {"phemex"}
    first = await server.instruments.ListInstruments(pb.ListInstrumentsRequest(page_size=2))
    for token in (first.next_page_token, "x", "W10=", "bnVsbA=="):
        answer = await refused(
            server.instruments.ListInstruments(pb.ListInstrumentsRequest(venue="okx", page_token=token))
        )
        assert answer.reason == "PAGE_TOKEN_INVALID"
    answer = await refused(server.instruments.ListInstruments(pb.ListInstrumentsRequest(page_size=-1)))
    assert list(answer.violations) == ["page_size"]


async def test_an_import_between_two_pages_leaves_no_gap(server: RunningServer) -> None:
    first = await server.instruments.ListInstruments(pb.ListInstrumentsRequest(page_size=2))
    await add(server, pb.Instrument(venue="aaa", symbol="A"), pb.Instrument(venue="zzz", symbol="Z"))
    rest = await server.instruments.ListInstruments(
        pb.ListInstrumentsRequest(page_size=1000, page_token=first.next_page_token)
    )
    names = [(each.venue, each.symbol) for each in (*first.instruments, *rest.instruments)]
    assert names == [(item.venue, item.symbol) for item in venues.SHIPPED] + [("zzz", "Z")]


async def test_import_is_all_or_nothing_and_told_whole(server: RunningServer) -> None:
    bad = pb.ImportInstrumentsRequest(
        instruments=[
            FOO,
            pb.Instrument(venue="phemex", contract=fills_pb2.Contract(kind=7, multiplier="0")),  # type: ignore[arg-type]
            pb.Instrument(venue="phemex", symbol="B", price_places=19, lot_step="x", base_currency="x" * 33),
        ],
        value_places=[pb.ValuePlaces(venue="phemex", currency="", places=-1)],
    )
    answer = await refused(server.instruments.ImportInstruments(bad))
    assert (answer.status, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert list(answer.violations) == [
        "instruments[1].symbol",
        "instruments[1].contract.kind",
        "instruments[1].contract.multiplier",
        "instruments[2].base_currency",
        "instruments[2].price_places",
        "instruments[2].lot_step",
        "value_places[0].currency",
        "value_places[0].places",
    ]
    assert await listed(server, venue="phemex", symbol="FOOUSD") == []
    assert not (server.data_dir / FILE).exists()


async def test_what_is_imported_is_listed_and_kept(server: RunningServer) -> None:
    full = pb.Instrument(lot_step="0.010", aliases=["FOO-USD"])
    full.MergeFrom(FOO)
    answer = await add(server, full, value_places=[pb.ValuePlaces(venue="phemex", currency="FOO", places=6)])
    assert (answer.changed, answer.total) == (1, len(venues.SHIPPED) + 1)
    await server.restart()
    (found,) = await listed(server, symbol="FOO-USD")
    full.lot_step = "0.01"
    assert found == full
    page = await server.instruments.ListInstruments(pb.ListInstrumentsRequest(venue="phemex"))
    assert pb.ValuePlaces(venue="phemex", currency="FOO", places=6) in page.value_places
    assert (await add(server, full)).changed == 0


async def test_a_damaged_file_is_named_at_the_start(server: RunningServer) -> None:
    await add(server, FOO)
    await server.stop()
    text = (server.data_dir / FILE).read_text()
    (server.data_dir / FILE).write_text(text.replace('"price_places": 4', '"price_places": 3'))
    with pytest.raises(StoreRefusedError, match=FILE):
        await server.start()
    (server.data_dir / FILE).write_text(text)
    await server.start()
    assert len(await listed(server, symbol="FOOUSD")) == 1


async def test_a_scale_that_is_not_known_can_be_added(server: RunningServer) -> None:
    """Refused, imported, taken; and taken by the stream, after a restart and after a replacement."""
    answer = await refused(server.fills.ProcessPayload(payload()))
    assert list(answer.violations) == ["execPriceEp"]
    assert "fillhandler instruments import" in answer.violations["execPriceEp"]
    await add(server, FOO)
    taken = await server.fills.ProcessPayload(payload())
    assert (taken.fills[0].fill.price, taken.fills[0].fill.contract) == ("7.15", LINEAR)
    (order,) = taken.orders
    assert (order.base_quantity, order.cumulative_notional, order.notional_currency) == ("5", "35.75", "USD")

    chunk = (await server.state.ExportState(state_pb.ExportStateRequest())).chunk
    await server.restart()
    await server.state.ImportState(
        state_pb.ImportStateRequest(import_id="i", chunk=chunk, last=True, mode=state_pb.IMPORT_MODE_REPLACE)
    )

    async def requests():
        message = fill_service_pb2.ProcessPayloadsRequest()
        message.payloads.add(venue="phemex", payload=json.dumps(PHEMEX | {"execID": "e2"}).encode())
        yield message

    (done,) = [each async for each in server.fills.ProcessPayloads(requests())]
    assert done.results[0].fills[0].outcome == fill_service_pb2.OUTCOME_RECORDED
    assert done.results[0].orders[0].base_quantity == "10"


async def test_importing_needs_the_admin_s_role(server: RunningServer) -> None:
    tokens = {role: f"token-{role.name}" for role in Role if role is not Role.OPEN}
    gate = Gate({token_hash(token): role for role, token in tokens.items()})
    server.app.gate.__dict__.update(gate.__dict__)
    for role, token in tokens.items():
        stub = server.stub(InstrumentServiceStub, token=token)
        await stub.ListInstruments(pb.ListInstrumentsRequest(page_size=1))
        if role is Role.ADMIN:
            await stub.ImportInstruments(pb.ImportInstrumentsRequest())
        else:
            answer = await refused(stub.ImportInstruments(pb.ImportInstrumentsRequest()))
            assert answer.reason == "PERMISSION_DENIED"


# ------------------------------------------------------------------ fills as they are


async def test_a_recorded_fill_takes_the_table_s_contract(server: RunningServer) -> None:
    given = {"venue": "mine", "symbol": "FOO-PERP", "market": "linear"}
    item = pb.Instrument(**given, contract=LINEAR, base_currency="FOO", quote_currency="USD")
    before = await server.fills.RecordFill(record("1", **given))
    assert not before.order.HasField("base_quantity")
    await add(server, item)
    after = await server.fills.RecordFill(record("2", **given, order_id="2"))
    assert (after.order.contract, after.order.base_quantity, after.order.notional_currency) == (
        LINEAR, "0.25", "USD",
    )  # fmt: skip
    # The same again says what is known only now, and nothing where all was known.
    again = await server.fills.RecordFill(record("1", **given))
    assert (again.outcome, again.order.base_quantity) == (fill_service_pb2.OUTCOME_ENRICHED, "0.25")
    again = await server.fills.RecordFill(record("2", **given, order_id="2"))
    assert again.outcome == fill_service_pb2.OUTCOME_DUPLICATE
    # What a fill states itself stands.
    own = fills_pb2.Contract(kind=fills_pb2.CONTRACT_KIND_LINEAR, multiplier="10")
    stated = await server.fills.RecordFill(record("3", **given, order_id="3", contract=own))
    assert (stated.order.contract, stated.order.base_quantity) == (own, "5")


async def test_a_stream_takes_it_from_the_import_on(server: RunningServer) -> None:
    # With all names stated, so that the quick way is open to them.
    given = {"venue": "mine", "account": "main", "symbol": "BAR-PERP"}

    async def stream(*trade_ids: str) -> None:
        async def requests():
            for trade_id in trade_ids:
                fills = [record(trade_id, **given, order_id=trade_id).fill]
                yield fill_service_pb2.RecordFillsRequest(fills=fills)

        async for answer in server.fills.RecordFills(requests()):
            assert [each.outcome for each in answer.results] == [fill_service_pb2.OUTCOME_RECORDED]

    async def contract(order_id: str) -> fills_pb2.Contract:
        return (
            await server.orders.GetOrder(order_service_pb2.GetOrderRequest(order_id=order_id))
        ).order.contract

    await stream("a", "b")  # the second goes the quick way
    await add(server, pb.Instrument(venue="mine", symbol="BAR-PERP", contract=LINEAR))
    await stream("c", "d")
    assert [await contract(name) for name in "abcd"] == [fills_pb2.Contract()] * 2 + [LINEAR] * 2


def contract(kind: int, multiplier: str | None = None) -> fills_pb2.Contract:
    return fills_pb2.Contract(kind=kind, multiplier=multiplier)  # type: ignore[arg-type]


SPOT, LIN, INV = 1, 2, 3


@pytest.mark.parametrize(
    ("fields", "base", "notional"),
    [
        ({}, "2", "300"),
        ({"market": "spot", "contract": contract(SPOT)}, "2", "300"),
        ({"market": "linear"}, None, "300"),
        ({"market": "option"}, None, "300"),
        ({"contract": contract(LIN, "0.001")}, "0.002", "0.3"),
        ({"contract": contract(LIN), "venue": "okx", "symbol": "X-USDT-SWAP"}, None, "300"),
        # These count their linear contracts in base.
        ({"contract": contract(LIN), "venue": "bybit"}, "2", "300"),
        ({"contract": contract(INV, "100")}, "1.5", "1.5"),
        ({"contract": contract(INV)}, None, "0.015"),
    ],
)
async def test_base_units_and_notional(
    server: RunningServer, fields: dict[str, Any], base: str | None, notional: str
) -> None:
    await server.fills.RecordFill(record("1", quantity="1", price="100", **fields))
    answer = await server.fills.RecordFill(record("2", quantity="1", price="200", **fields))
    order = answer.order
    assert (order.base_quantity if order.HasField("base_quantity") else None) == base
    assert Decimal(order.cumulative_notional) == Decimal(notional)


async def test_an_inverse_fill_without_a_price_leaves_base_units_open(server: RunningServer) -> None:
    fields: dict[str, Any] = {"contract": contract(INV, "100"), "quantity": "1"}
    await server.fills.RecordFill(record("1", price="100", **fields))
    answer = await server.fills.RecordFill(record("2", price=None, **fields))
    assert not answer.order.HasField("base_quantity")
    answer = await server.fills.RecordFill(record("2", price="200", **fields))
    assert answer.order.base_quantity == "1.5"


# ------------------------------------------------------------------ venues


async def test_the_venues_are_those_that_are_understood(server: RunningServer) -> None:
    answer = await server.execution.ListVenues(execution_service_pb2.ListVenuesRequest())
    assert [each.name for each in answer.venues] == list(venues.known())
    assert all(each.title and each.payload_kinds for each in answer.venues)
    (phemex,) = (
        await server.execution.ListVenues(execution_service_pb2.ListVenuesRequest(venue="Phemex"))
    ).venues
    assert "order or execution" in phemex.payload_kinds
    assert not (
        await server.execution.ListVenues(execution_service_pb2.ListVenuesRequest(venue="mtgox"))
    ).venues
