"""What may be handed in, and the FillEvent it becomes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from fillhandler.v1 import fills_pb2, orders_pb2
from fillhandler_server import (
    ExchangeType,
    FillEvent,
    FillHandler,
    OrderState,
    create_fill_handler,
    process_exchange_fill,
    venues,
)
from fillhandler_server.domain.errors import InvalidFieldError, UnsupportedPayloadError
from fillhandler_server.handler import Contract

pytestmark = pytest.mark.parsing

Make = Callable[..., dict[str, Any]]

EXPECTED = {
    "binance": ("123456789", "987654321", "BUY", "0.001", "50000", {"BTC": Decimal("0.000001")}, "TAKER"),
    "bitget": ("456789123", "321654987", "SELL", "0.002", "51000", {"USDT": Decimal("0.102")}, "MAKER"),
    "phemex": ("789123456", "147258369", "BUY", "0.003", "52000", {"USDT": Decimal("0.156")}, "TAKER"),
}


@pytest.mark.parametrize("venue", EXPECTED)
@pytest.mark.parametrize("form", [lambda p: p, json.dumps, lambda p: json.dumps(p).encode()])
async def test_the_original_payloads_tell_their_venue(
    handler: FillHandler, payloads: dict[str, Any], venue: str, form: Callable[[Any], Any]
) -> None:
    event = await process_exchange_fill(handler, form(payloads[venue]))

    assert event is not None
    assert event.venue == venue
    assert event.account == "main"
    assert event.symbol == "BTCUSDT"
    assert (
        event.order_id,
        event.trade_id,
        event.side,
        str(event.quantity),
        str(event.price),
        event.fees,
        event.liquidity,
    ) == EXPECTED[venue]
    assert (event.outcome, event.state, event.sequence) == ("RECORDED", "STANDING", 1)
    assert event.receive_time is not None
    assert event.receive_time.tzinfo is UTC


async def test_of_several_fills_the_first_is_returned_with_the_others(
    handler: FillHandler, payloads: dict[str, Any]
) -> None:
    payload = payloads["binance"]
    payload["fills"].append(payload["fills"][0] | {"tradeId": "2", "qty": "0.002"})

    event = await handler.process_fill_event(payload)

    assert event is not None
    assert event.trade_id == "987654321"
    assert [other.trade_id for other in event.others] == ["2"]
    assert [str(each.quantity) for each in event.payload_fills] == ["0.001", "0.002"]
    assert len(dataclasses.asdict(event)["others"]) == 1
    assert handler.get_fill_statistics()["total_fills_processed"] == 2


async def test_a_payload_without_a_fill_gives_none_and_its_report_counts(handler: FillHandler) -> None:
    report = {
        "symbol": "BTCUSDT",
        "orderId": 28,
        "clientOrderId": "c1",
        "transactTime": 1507725176595,
        "price": "1.00000000",
        "origQty": "10.00000000",
        "executedQty": "0.00000000",
        "cummulativeQuoteQty": "0.00000000",
        "status": "NEW",
        "type": "LIMIT",
        "side": "BUY",
    }

    assert await handler.process_fill_event(report, venue=ExchangeType.BINANCE) is None

    order = handler.get_order_state(28)
    assert (order.status, order.client_order_id) == ("NEW", "c1")
    assert order.order_quantity == 10


async def test_process_payload_returns_everything(handler: FillHandler, payloads: dict[str, Any]) -> None:
    result = await handler.process_payload(payloads["binance"])
    income = {"symbol": "BTCUSDT", "incomeType": "FUNDING_FEE", "income": "-0.1", "asset": "USDT", "time": 1}
    skipped = await handler.process_payload(income, venue="binance")

    assert [fill.trade_id for fill in result.fills] == ["987654321"]
    assert [order.order_id for order in result.orders] == ["123456789"]
    assert skipped.fills == skipped.orders == ()
    assert [(entry.kind, entry.count) for entry in skipped.skipped] == [("funding_fee", 1)]


async def test_account_and_venue_can_be_named(handler: FillHandler, payloads: dict[str, Any]) -> None:
    event = await process_exchange_fill(handler, payloads["bitget"], venue="Bitget", account="second")

    assert event is not None
    assert (event.venue, event.account) == ("bitget", "second")


async def test_floats_are_read_by_their_repr(
    handler: FillHandler, payloads: dict[str, Any], fill: Make
) -> None:
    payload = payloads["bitget"] | {"baseVolume": 0.1, "fillPrice": 1e-07, "fillFee": 0.30000000000000004}
    event = await handler.process_fill_event(payload)
    own = await handler.process_fill_event(fill(quantity=0.1, price=1e-07, fees={"USDT": 2.5e-05}))

    assert event is not None
    assert own is not None
    assert (event.quantity, event.price) == (Decimal("0.1"), Decimal("0.0000001"))
    assert event.fees == {"USDT": Decimal("0.30000000000000004")}
    assert (own.quantity, own.price, own.fees) == (
        Decimal("0.1"),
        Decimal("0.0000001"),
        {"USDT": Decimal("0.000025")},
    )


async def test_decimals_in_a_payload_are_kept_exactly(handler: FillHandler, payloads: dict[str, Any]) -> None:
    price = Decimal("51000.000000000000000001")
    event = await handler.process_fill_event(payloads["bitget"] | {"fillPrice": price})

    assert event is not None
    assert event.price == price


async def test_a_fill_by_its_fields(handler: FillHandler, fill: Make) -> None:
    event = await handler.process_fill_event(
        fill(
            venue="Kraken",
            side="SIDE_SELL",
            liquidity="maker",
            market="linear",
            client_order_id="c",
            leg="open",
            quantity=Decimal(2),
            trade_time="2026-01-31T12:00:00.123456Z",
            contract={"kind": "linear", "multiplier": "10"},
            metadata={"raw": "x"},
        )
    )

    assert event is not None
    assert (event.venue, event.side, event.liquidity, event.market) == ("kraken", "SELL", "MAKER", "linear")
    assert event.trade_time == datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
    assert event.contract == Contract("LINEAR", Decimal(10))
    assert (event.client_order_id, event.leg, event.metadata) == ("c", "open", {"raw": "x"})


async def test_the_fields_of_a_fill_may_leave_the_venue_to_the_call(handler: FillHandler, fill: Make) -> None:
    fields = fill()
    del fields["venue"]

    event = await handler.process_fill_event(fields, venue=ExchangeType.PHEMEX, account="a")

    assert event is not None
    assert (event.venue, event.account) == ("phemex", "a")


async def test_a_fill_event_is_taken_as_it_is(
    handler: FillHandler, other_handler: FillHandler, fill: Make
) -> None:
    made = FillEvent(
        venue="binance",
        symbol="BTCUSDT",
        side="buy",
        quantity=Decimal(1),
        price=Decimal(100),
        order_id="o1",
        trade_id="t1",
        contract=Contract(multiplier=Decimal(2)),
        trade_time=datetime(2026, 1, 31, tzinfo=UTC),
    )

    event = await handler.process_fill_event(made)
    assert event is not None
    again = await handler.process_fill_event(event)
    elsewhere = await other_handler.process_fill_event(event)
    as_dict = await other_handler.process_fill_event(dataclasses.asdict(event))

    assert again == dataclasses.replace(event, outcome="DUPLICATE")
    assert elsewhere == dataclasses.replace(event, receive_time=elsewhere and elsewhere.receive_time)
    assert as_dict is not None
    assert as_dict.outcome == "DUPLICATE"


async def test_a_conflict_keeps_the_first_and_says_so(
    handler: FillHandler, fill: Make, caplog: pytest.LogCaptureFixture
) -> None:
    await handler.process_fill_event(fill())

    event = await handler.process_fill_event(fill(price="101"))

    assert event is not None
    assert (event.outcome, event.state, event.price) == ("CONFLICT", "", 101)
    assert handler.get_order_state("o1").average_price == 100
    assert handler.get_fill_statistics()["conflicts"] == 1
    assert "conflict" in caplog.text


async def test_an_enriching_copy_returns_the_whole_fill(handler: FillHandler, fill: Make) -> None:
    await handler.process_fill_event(fill(fees={}, metadata={"first": "yes"}))

    event = await handler.process_fill_event(fill(liquidity="taker"))

    assert event is not None
    assert event.outcome == "ENRICHED"
    assert event.fees == {"USDT": Decimal("0.1")}
    assert (event.liquidity, event.metadata) == ("TAKER", {"first": "yes"})


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({"foo": 1}, "venue"),
        ({"symbol": "X", "quantity": "1"}, "venue"),
        ({"venue": "binance", "symbol": "X", "quantity": "1", "side": "buy", "qty": "1"}, "qty"),
        ({"venue": "binance", "symbol": "X", "quantity": "0", "side": "buy"}, "quantity"),
        ({"venue": "binance", "symbol": "X", "quantity": float("nan"), "side": "buy"}, "quantity"),
        ({"venue": "binance", "symbol": "X", "quantity": "1", "side": "hold"}, "side"),
        (
            {"venue": "binance", "symbol": "X", "quantity": "1", "side": "buy", "trade_time": 1.5},
            "trade_time",
        ),
        ({"qty": float("inf")}, "payload"),
        ({"when": datetime(2026, 1, 1, tzinfo=UTC)}, "payload"),
        ("{", "payload"),
        (b"\xff", "payload"),
        (None, "payload"),
        (17, "payload"),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_is_recorded(
    handler: FillHandler, payload: Any, field: str
) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        await handler.process_fill_event(payload)

    assert field in [violation.field for violation in caught.value.violations]
    assert handler.get_fill_statistics()["sequence"] == 0


async def test_an_order_nested_too_deep_is_refused(handler: FillHandler) -> None:
    payload: dict[str, Any] = {}
    for _ in range(100_000):
        payload = {"data": payload}

    with pytest.raises(InvalidFieldError, match="payload: nested too deep"):
        await handler.process_fill_event(payload)


async def test_keys_of_no_kind_are_unsupported(handler: FillHandler) -> None:
    with pytest.raises(UnsupportedPayloadError):
        await handler.process_fill_event({"foo": 1}, venue="binance")


async def test_one_bad_fill_of_a_payload_records_none_of_it(
    handler: FillHandler, payloads: dict[str, Any]
) -> None:
    payload = payloads["binance"]
    payload["fills"].append(payload["fills"][0] | {"tradeId": "2", "qty": "-1"})

    with pytest.raises(InvalidFieldError, match=r"fills\[1\]\.qty"):
        await handler.process_fill_event(payload)

    assert handler.get_fill_statistics()["total_fills_processed"] == 0


async def test_a_large_payload_is_read_beside_the_loop(
    handler: FillHandler, payloads: dict[str, Any]
) -> None:
    payload = payloads["binance"]
    first = payload["fills"][0]
    payload["fills"] = [first | {"tradeId": str(number)} for number in range(1_000)]

    event = await handler.process_fill_event(payload)

    assert event is not None
    assert len(event.payload_fills) == 1_000


def test_the_exchanges_are_those_whose_payloads_are_understood() -> None:
    assert sorted(ExchangeType) == list(venues.known())


def test_events_and_states_have_the_contracts_fields() -> None:
    fill = {field.name for field in fills_pb2.Fill.DESCRIPTOR.fields}
    order = {field.name for field in orders_pb2.Order.DESCRIPTOR.fields}

    event = {field.name for field in dataclasses.fields(FillEvent)}
    state = {field.name for field in dataclasses.fields(OrderState)}

    assert event == fill | {"outcome", "fill_percentage", "others"}
    assert state == order - {"reason"}  # which only reports have


async def test_ccxts_structures_of_any_venue(handler: FillHandler) -> None:
    trade = {
        "id": "t1", "order": "o1", "symbol": "BTC/USD:BTC", "side": "sell", "takerOrMaker": "taker",
        "amount": Decimal(2), "price": "50000.10", "timestamp": 1700000000000,
    }  # fmt: skip
    result = await handler.process_payload([trade], venue="somex", format="ccxt")
    (event,) = result.fills
    assert (event.venue, event.market, str(event.quantity), str(event.price)) == (
        "somex", "inverse", "2", "50000.1",
    )  # fmt: skip
    with pytest.raises(InvalidFieldError, match=r"amount: .*float"):
        await handler.process_payload(trade | {"amount": 0.5}, venue="somex", format="ccxt")
    with pytest.raises(InvalidFieldError, match=r"venue: .*is not known"):
        await handler.process_payload(trade, venue="somex")


async def test_instruments_are_configured_as_in_the_server(config: dict[str, Any]) -> None:
    row = {
        "symbol": "FOOUSD",
        "side": "Buy",
        "execID": "e1",
        "orderID": "o1",
        "execPriceEp": 71500,
        "execQty": 10,
        "execStatus": "TakerFill",
        "transactTimeNs": 1578026629824704800,
    }
    foo = {"venue": "phemex", "symbol": "FOOUSD", "kind": "linear", "multiplier": "0.5", "price_places": 4}
    async with await create_fill_handler(config) as handler:
        with pytest.raises(InvalidFieldError, match="price scale of FOOUSD"):
            await handler.process_fill_event(row, venue="phemex")
    with pytest.raises(InvalidFieldError, match=r"instruments\[0\].price_places"):
        await create_fill_handler(config | {"instruments": [foo | {"price_places": 40}]})
    async with await create_fill_handler(config | {"instruments": [foo]}) as handler:
        event = await handler.process_fill_event(row, venue="phemex")
        assert event is not None
        assert event.price == Decimal("7.15")
        assert handler.get_order_state("o1").base_quantity == Decimal(5)
        fields = {"venue": "phemex", "symbol": "FOOUSD", "order_id": "o2", "side": "buy", "quantity": "4"}
        await handler.process_fill_event(fields | {"trade_id": "t"})
        assert handler.get_order_state("o2").base_quantity == Decimal(2)
