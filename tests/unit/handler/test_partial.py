"""Orders that fill bit by bit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from fillhandler_server import FillHandler
from fillhandler_server.domain.errors import InvalidFieldError, OrderAmbiguousError, OrderNotFoundError

pytestmark = pytest.mark.partial

Make = Callable[..., dict[str, Any]]


def register(handler: FillHandler, **fields: Any) -> Any:
    order = {
        "venue": "binance",
        "symbol": "BTCUSDT",
        "side": "buy",
        "order_id": "o1",
        "order_quantity": "4",
        "type": "LIMIT",
        "limit_price": 101.5,
    }
    return handler.register_order(**(order | fields))


async def test_an_order_fills_bit_by_bit(handler: FillHandler, fill: Make) -> None:
    declared = register(handler)
    first = await handler.handle_partial_fill("o1", fill("t1", quantity="1", price="100"))
    last = await handler.handle_partial_fill("o1", fill("t2", quantity="3", price="104"))

    assert (declared.status, declared.fill_percentage, declared.limit_price) == (
        "PENDING_NEW",
        0,
        Decimal("101.5"),
    )
    assert (first.status, first.fill_percentage, first.leaves_quantity) == ("PARTIALLY_FILLED", 25, 3)
    assert (first.average_price, first.fees) == (100, {"USDT": Decimal("0.1")})
    assert (last.status, last.fill_percentage, last.leaves_quantity) == ("FILLED", 100, 0)
    assert (last.average_price, last.cumulative_notional, last.fill_count) == (103, 412, 2)
    assert last.fees == {"USDT": Decimal("0.2")}
    assert last == handler.get_order_state("o1")


async def test_the_percentage_is_not_guessed(handler: FillHandler, fill: Make) -> None:
    state = await handler.handle_partial_fill("o1", fill())
    assert (state.status, state.fill_percentage, state.leaves_quantity) == ("PARTIALLY_FILLED", None, None)

    register(handler, order_quantity="3")
    state = handler.get_order_state("o1")
    assert state.fill_percentage == Decimal("33.33")


async def test_an_event_knows_its_orders_percentage_after_the_whole_payload(
    handler: FillHandler, payloads: dict[str, Any]
) -> None:
    register(handler, order_id="123456789", order_quantity="0.004")
    payload = payloads["binance"]
    payload["fills"].append(payload["fills"][0] | {"tradeId": "2"})

    event = await handler.process_fill_event(payload)

    assert event is not None
    assert [each.fill_percentage for each in event.payload_fills] == [50, 50]


async def test_a_duplicate_changes_nothing(handler: FillHandler, fill: Make) -> None:
    register(handler)
    once = await handler.handle_partial_fill("o1", fill())
    again = await handler.handle_partial_fill("o1", fill())

    assert again == once
    assert handler.get_fill_statistics()["duplicates_dropped"] == 1


async def test_a_payload_of_another_order_is_refused(handler: FillHandler, payloads: dict[str, Any]) -> None:
    with pytest.raises(InvalidFieldError, match="order_id: the payload is of order '456789123', not of 'o1'"):
        await handler.handle_partial_fill("o1", payloads["bitget"])

    assert handler.get_fill_statistics()["sequence"] == 0


async def test_a_fill_that_names_no_order_becomes_the_orders(handler: FillHandler, fill: Make) -> None:
    register(handler)

    state = await handler.handle_partial_fill("o1", fill(order_id=""))

    assert (state.order_id, state.cumulative_quantity) == ("o1", 1)


async def test_the_order_may_go_by_the_clients_id(handler: FillHandler, fill: Make) -> None:
    register(handler, order_id="", client_order_id="mine")

    state = await handler.handle_partial_fill("mine", fill(client_order_id="mine"))
    later = await handler.handle_partial_fill("mine", fill("t2"))

    assert (state.order_id, state.client_order_id, state.fill_percentage) == ("o1", "mine", 25)
    assert (later.order_number, later.fill_percentage) == (state.order_number, 50)


async def test_ids_may_be_whole_numbers(handler: FillHandler, payloads: dict[str, Any]) -> None:
    state = await handler.handle_partial_fill(456789123, payloads["bitget"])

    assert state == handler.get_order_state(456789123)


async def test_a_payload_of_nothing_shows_the_order_as_it_is(handler: FillHandler) -> None:
    income = {"symbol": "BTCUSDT", "incomeType": "FUNDING_FEE", "income": "-0.1", "asset": "USDT", "time": 1}
    register(handler)

    assert (await handler.handle_partial_fill("o1", income, venue="binance")).status == "PENDING_NEW"
    with pytest.raises(OrderNotFoundError):
        await handler.handle_partial_fill("o2", income, venue="binance")


async def test_an_order_registered_twice(handler: FillHandler) -> None:
    assert register(handler) == register(handler)
    with pytest.raises(InvalidFieldError, match="is registered already, with other values"):
        register(handler, order_quantity="5")

    assert handler.get_order_state("o1").order_quantity == 4


def test_a_registration_is_checked(config: dict[str, Any]) -> None:
    handler = FillHandler(config)
    try:
        with pytest.raises(InvalidFieldError) as caught:
            handler.register_order(venue="", symbol="", side="buy", order_quantity="-1")
        with pytest.raises(InvalidFieldError, match="amount: Order has no such field"):
            handler.register_order(amount=1)
    finally:
        handler.close()

    fields = [violation.field for violation in caught.value.violations]
    assert fields == ["order.venue", "order.symbol", "order.order_quantity", "order.order_id"]


async def test_one_id_at_two_venues_has_to_be_told_apart(handler: FillHandler, fill: Make) -> None:
    await handler.process_fill_event(fill())
    await handler.process_fill_event(fill(venue="bitget"))

    with pytest.raises(OrderAmbiguousError, match="binance/main/BTCUSDT, bitget/main/BTCUSDT"):
        handler.get_order_state("o1")
    with pytest.raises(OrderNotFoundError):
        handler.get_order_state("o1", symbol="ETHUSDT")

    assert handler.get_order_state("o1", venue="bitget").venue == "bitget"


async def test_orders_by_group(handler: FillHandler, fill: Make) -> None:
    register(handler, order_quantity="1")
    await handler.process_fill_event(fill())
    await handler.process_fill_event(fill(order_id="o2"))

    assert [order.order_id for order in handler.get_orders()] == ["o1", "o2"]
    assert [order.order_id for order in handler.get_orders(active=True)] == ["o2"]
    assert [order.order_id for order in handler.get_orders(active=False)] == ["o1"]
    assert handler.get_orders(venue="phemex") == []


async def test_many_tasks_and_threads_at_once(handler: FillHandler, fill: Make) -> None:
    register(handler, order_quantity="100")

    def read() -> Decimal:
        return handler.get_order_state("o1").cumulative_quantity

    with ThreadPoolExecutor(4) as threads:
        reading = [threads.submit(read) for _ in range(20)]
        events = await asyncio.gather(
            *(handler.process_fill_event(fill(str(number % 100))) for number in range(200))
        )
        seen = [future.result() for future in reading]

    outcomes = [event.outcome for event in events if event is not None]
    assert (outcomes.count("RECORDED"), outcomes.count("DUPLICATE")) == (100, 100)
    assert all(0 <= quantity <= 100 for quantity in seen)
    assert handler.get_order_state("o1").status == "FILLED"
