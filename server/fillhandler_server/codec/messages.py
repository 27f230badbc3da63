"""Values to protobuf messages and back: times, fills, contracts, order reports."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from fillhandler.v1 import fills_pb2, orders_pb2
from fillhandler_server.domain.fills import Fill
from fillhandler_server.domain.numbers import canonical
from fillhandler_server.domain.reports import OrderReport

NANOSECONDS: Final = 1_000_000_000


# ---------------------------------------------------------------------- times and decimals


def to_timestamp(nanoseconds: int) -> Timestamp:
    """A protobuf timestamp from nanoseconds since the epoch."""
    seconds, nanos = divmod(nanoseconds, NANOSECONDS)
    return Timestamp(seconds=seconds, nanos=nanos)


def from_timestamp(stamp: Timestamp) -> int:
    """Nanoseconds since the epoch from a protobuf timestamp."""
    return stamp.seconds * NANOSECONDS + stamp.nanos


def optional_text(value: Decimal | None) -> str | None:
    """The text of a figure, where there is one."""
    return None if value is None else canonical(value)


# ---------------------------------------------------------------------- fills


def fill_to_message(fill: Fill) -> fills_pb2.Fill:
    """The message of a fill. `state` and `sequence` are the caller's to set."""
    message = fills_pb2.Fill(
        venue=fill.venue,
        account=fill.account,
        market=fill.market,
        symbol=fill.symbol,
        order_id=fill.order_id,
        client_order_id=fill.client_order_id,
        trade_id=fill.trade_id,
        leg=fill.leg,
        side=fill.side,  # type: ignore[arg-type]  # the enums share their values
        quantity=canonical(fill.quantity),
        price=optional_text(fill.price),
        fees=[fills_pb2.Fee(amount=canonical(amount), currency=currency) for currency, amount in fill.fees],
        liquidity=fill.liquidity,  # type: ignore[arg-type]
        inferred=fill.inferred,
        metadata=fill.metadata,
        base_currency=fill.base_currency,
        quote_currency=fill.quote_currency,
        trade_id_derived=fill.trade_id_derived,
    )
    if fill.trade_time is not None:
        message.trade_time.CopyFrom(to_timestamp(fill.trade_time))
    if fill.receive_time is not None:
        message.receive_time.CopyFrom(to_timestamp(fill.receive_time))
    if fill.contract_kind or fill.multiplier is not None:
        message.contract.CopyFrom(contract_message(fill.contract_kind, fill.multiplier))
    return message


def contract_message(kind: int, multiplier: Decimal | None) -> fills_pb2.Contract:
    """The message of a contract."""
    return fills_pb2.Contract(kind=kind, multiplier=optional_text(multiplier))  # type: ignore[arg-type]


def fill_from_message(message: fills_pb2.Fill) -> Fill:
    """A fill from a message that this program wrote; nothing is checked."""
    contract = message.contract if message.HasField("contract") else None
    return Fill(
        venue=message.venue,
        symbol=message.symbol,
        order_id=message.order_id,
        trade_id=message.trade_id,
        side=message.side,
        quantity=Decimal(message.quantity),
        price=Decimal(message.price) if message.HasField("price") else None,
        account=message.account,
        market=message.market,
        client_order_id=message.client_order_id,
        leg=message.leg,
        fees=tuple((fee.currency, Decimal(fee.amount)) for fee in message.fees),
        liquidity=message.liquidity,
        trade_time=from_timestamp(message.trade_time) if message.HasField("trade_time") else None,
        receive_time=from_timestamp(message.receive_time) if message.HasField("receive_time") else None,
        contract_kind=contract.kind if contract is not None else 0,
        multiplier=(
            Decimal(contract.multiplier) if contract is not None and contract.HasField("multiplier") else None
        ),
        inferred=message.inferred,
        metadata=dict(message.metadata),
        base_currency=message.base_currency,
        quote_currency=message.quote_currency,
        trade_id_derived=message.trade_id_derived,
    )


# ---------------------------------------------------------------------- reports and registrations


def report_to_message(report: OrderReport) -> orders_pb2.Order:
    """The message of what was said about an order: stated figures only."""
    message = orders_pb2.Order(
        venue=report.venue,
        account=report.account,
        market=report.market,
        symbol=report.symbol,
        order_id=report.order_id,
        previous_order_id=report.previous_order_id,
        client_order_id=report.client_order_id,
        side=report.side,  # type: ignore[arg-type]
        type=report.type,
        status=report.status,  # type: ignore[arg-type]
        order_quantity=optional_text(report.order_quantity),
        cumulative_quantity=optional_text(report.cumulative_quantity),
        limit_price=optional_text(report.limit_price),
        expected_price=optional_text(report.expected_price),
        average_price=optional_text(report.average_price),
        base_currency=report.base_currency,
        quote_currency=report.quote_currency,
        reason=report.reason,
    )
    if report.create_time is not None:
        message.create_time.CopyFrom(to_timestamp(report.create_time))
    if report.time is not None:
        message.update_time.CopyFrom(to_timestamp(report.time))
    if report.contract_kind or report.multiplier is not None:
        message.contract.CopyFrom(contract_message(report.contract_kind, report.multiplier))
    return message


def report_from_message(message: orders_pb2.Order) -> OrderReport:
    """What was said about an order, from a message that this program wrote; nothing is checked."""

    def number(name: str) -> Decimal | None:
        return Decimal(getattr(message, name)) if message.HasField(name) else None  # type: ignore[arg-type]

    has_contract = message.HasField("contract")
    return OrderReport(
        venue=message.venue,
        status=message.status,
        symbol=message.symbol,
        order_id=message.order_id,
        client_order_id=message.client_order_id,
        account=message.account,
        market=message.market,
        side=message.side,
        type=message.type,
        order_quantity=number("order_quantity"),
        cumulative_quantity=number("cumulative_quantity"),
        average_price=number("average_price"),
        limit_price=number("limit_price"),
        expected_price=number("expected_price"),
        time=from_timestamp(message.update_time) if message.HasField("update_time") else None,
        create_time=from_timestamp(message.create_time) if message.HasField("create_time") else None,
        previous_order_id=message.previous_order_id,
        contract_kind=message.contract.kind if has_contract else 0,
        multiplier=(
            Decimal(message.contract.multiplier)
            if has_contract and message.contract.HasField("multiplier")
            else None
        ),
        base_currency=message.base_currency,
        quote_currency=message.quote_currency,
        reason=message.reason,
    )


# ---------------------------------------------------------------------- bytes for the read models


def fill_to_bytes(fill: Fill) -> bytes:
    """A fill's canonical bytes."""
    return fill_to_message(fill).SerializeToString(deterministic=True)


def fill_from_bytes(data: bytes) -> Fill:
    """A fill from bytes that this program wrote."""
    return fill_from_message(fills_pb2.Fill.FromString(data))


def report_to_bytes(report: OrderReport) -> bytes:
    """A report's or registration's bytes."""
    return report_to_message(report).SerializeToString(deterministic=True)


def report_from_bytes(data: bytes) -> OrderReport:
    """A report or registration from bytes that this program wrote."""
    return report_from_message(orders_pb2.Order.FromString(data))
