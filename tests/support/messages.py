"""Requests, short."""

from __future__ import annotations

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from fillhandler.v1 import fill_service_pb2 as fill_pb
from fillhandler.v1 import fills_pb2, order_service_pb2, orders_pb2

NOON = 1_700_000_000
"""A time in seconds that many messages count from."""


def moment(seconds: float = NOON) -> Timestamp:
    return Timestamp(seconds=int(seconds), nanos=round(seconds % 1 * 1e9))


def fill(trade_id: str = "1", **fields: Any) -> fills_pb2.Fill:
    """A complete fill; None leaves a field out."""
    given: dict[str, Any] = {
        "venue": "binance",
        "symbol": "BTCUSDT",
        "order_id": "order-1",
        "trade_id": trade_id,
        "side": fills_pb2.SIDE_BUY,
        "quantity": "0.5",
        "price": "100",
        "fees": [fills_pb2.Fee(amount="0.05", currency="USDT")],
        "liquidity": fills_pb2.LIQUIDITY_TAKER,
        "trade_time": moment(),
    }
    given |= fields
    return fills_pb2.Fill(**{name: value for name, value in given.items() if value is not None})


def record(trade_id: str = "1", **fields: Any) -> fill_pb.RecordFillRequest:
    return fill_pb.RecordFillRequest(fill=fill(trade_id, **fields))


def identity(of: fills_pb2.Fill, **changes: Any) -> fills_pb2.FillIdentity:
    names = ("venue", "account", "market", "symbol", "order_id", "side", "trade_id", "leg")
    return fills_pb2.FillIdentity(**({name: getattr(of, name) for name in names} | changes))


def order(order_id: str = "order-1", **fields: Any) -> orders_pb2.Order:
    given: dict[str, Any] = {"venue": "binance", "symbol": "BTCUSDT", "order_id": order_id}
    given |= fields
    return orders_pb2.Order(**{name: value for name, value in given.items() if value is not None})


def register(order_id: str = "order-1", **fields: Any) -> order_service_pb2.RegisterOrderRequest:
    given = {"side": fills_pb2.SIDE_BUY, "order_quantity": "1", "type": "limit", "limit_price": "100"}
    return order_service_pb2.RegisterOrderRequest(order=order(order_id, **(given | fields)))


def report(order_id: str = "order-1", *, status: int, **fields: Any) -> order_service_pb2.ReportOrderRequest:
    return order_service_pb2.ReportOrderRequest(order=order(order_id, status=status, **fields))
