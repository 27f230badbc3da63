"""The record against the exchanges' own books."""

from __future__ import annotations

from decimal import Decimal

from fillhandler.v1 import orders_pb2
from fillhandler_server.demo.books import Book, plain


def differences(order: orders_pb2.Order, book: Book) -> list[str]:
    """Where an order of the server is not what its exchange has in its books; empty if nowhere."""
    status = orders_pb2.OrderStatus.Name(order.status).removeprefix("ORDER_STATUS_")
    fees = {fee.currency: Decimal(fee.amount) for fee in order.fees}
    compared = (
        ("status", status, book.status.value),
        ("order_quantity", Decimal(order.order_quantity or 0), book.quantity),
        ("cumulative_quantity", Decimal(order.cumulative_quantity or 0), book.cumulative),
        ("fill_count", order.fill_count, len(book.trades)),
        ("fees", fees, book.fees),
    )
    return [
        f"{name} is {_text(recorded)}, the exchange has {_text(true)}"
        for name, recorded, true in compared
        if recorded != true
    ]


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{plain(amount)} {currency}" for currency, amount in value.items()) or "nothing"
    return plain(value) if isinstance(value, Decimal) else str(value)
