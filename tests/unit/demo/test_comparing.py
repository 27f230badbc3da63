"""The demo's last line: whatever the record has otherwise than the exchange is told."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from fillhandler.v1 import fills_pb2, orders_pb2
from fillhandler_server.demo.comparing import compare


def books() -> dict[str, Any]:
    """Two orders; the ids of spot and futures are the same numbers, as they are at the exchange."""
    order = {"symbol": "BTCUSDT", "order_id": "7"}
    trade = {**order, "side": "SELL", "price": "60000.5", "commission_asset": "USDT", "commission": "0.0001"}
    return {
        "orders": [
            {
                **order,
                "market": "spot",
                "client_order_id": "a",
                "status": "FILLED",
                "executed_quantity": "0.3",
            },
            {**order, "market": "linear", "client_order_id": "b", "status": "NEW", "executed_quantity": "0"},
        ],
        "trades": [
            {**trade, "market": "spot", "trade_id": "1", "quantity": "0.1"},
            {**trade, "market": "spot", "trade_id": "2", "quantity": "0.2"},
        ],
    }


def fill(trade_id: str, quantity: str, **other: Any) -> fills_pb2.Fill:
    fields = {
        "market": "spot",
        "symbol": "BTCUSDT",
        "orderId": "7",
        "tradeId": trade_id,
        "side": "SIDE_SELL",
        "quantity": quantity,
        "price": "60000.50",
        "fees": [{"amount": "0.00010", "currency": "USDT"}],
    }
    return ParseDict({**fields, **other}, fills_pb2.Fill())


def order(client_order_id: str, market: str, status: str, **other: Any) -> orders_pb2.Order:
    fields = {"market": market, "orderId": "7", "clientOrderId": client_order_id, "status": status}
    return ParseDict({**fields, **other}, orders_pb2.Order())


FILLS = [fill("1", "0.1"), fill("2", "0.20")]
ORDERS = [
    order("a", "spot", "ORDER_STATUS_FILLED", cumulativeQuantity="0.3"),
    order("b", "linear", "ORDER_STATUS_NEW", cumulativeQuantity="0"),
]


def test_the_same_is_right_whatever_its_spelling() -> None:
    compared = compare(books(), FILLS, ORDERS)
    assert compared.wrong == []
    assert "once: 2 of 2" in compared.text
    assert "2 of 2" in compared.text.rpartition(";")[2]


def test_an_order_that_the_exchange_never_had_is_no_difference() -> None:
    refused = order("c", "spot", "ORDER_STATUS_REJECTED", orderId="")
    assert compare(books(), FILLS, [*ORDERS, refused]).wrong == []


@pytest.mark.parametrize(
    ("fills", "text"),
    [
        (FILLS[:1], "trade 2 is in the record 0 times"),
        ([*FILLS, FILLS[0]], "trade 1 is in the record 2 times"),
        ([*FILLS, fill("3", "1")], "spot BTCUSDT 3 is in the record and not at the exchange"),
        ([FILLS[0], fill("2", "0.2", market="linear")], "trade 2 is in the record 0 times"),
        ([FILLS[0], fill("2", "0.21")], "0.21"),
        ([FILLS[0], fill("2", "0.2", price="60000.6")], "60000.6"),
        ([FILLS[0], fill("2", "0.2", orderId="8")], "is 8,"),
        ([FILLS[0], fill("2", "0.2", side="SIDE_BUY")], "BUY"),
        ([FILLS[0], fill("2", "0.2", fees=[])], "the exchange has 7, SELL, 0.2, 60000.5, 0.0001 USDT"),
    ],
)
def test_a_fill_that_is_not_as_the_exchange_has_it(fills: list[fills_pb2.Fill], text: str) -> None:
    compared = compare(books(), fills, ORDERS)
    assert any(text in each for each in compared.wrong)
    assert "every fill" not in compared.text


@pytest.mark.parametrize(
    ("orders", "text"),
    [
        (ORDERS[:1], "linear order b is not in the record"),
        ([ORDERS[0], order("b", "linear", "ORDER_STATUS_CANCELED")], "CANCELED"),
        ([ORDERS[1], order("a", "spot", "ORDER_STATUS_FILLED", cumulativeQuantity="0.2")], "0.2"),
    ],
)
def test_an_order_that_is_not_as_the_exchange_has_it(orders: list[orders_pb2.Order], text: str) -> None:
    assert any(text in each for each in compare(books(), FILLS, orders).wrong)


def test_an_order_that_was_placed_twice() -> None:
    found = books()
    found["orders"].append({**found["orders"][1], "order_id": "9"})
    assert "linear order b was placed 2 times" in compare(found, FILLS, ORDERS).wrong
