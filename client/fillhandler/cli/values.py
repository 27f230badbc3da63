"""Options' text into values, and values into the text of tables."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import typer
from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from fillhandler.v1 import events_pb2, fills_pb2, orders_pb2

_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_UNIT_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_time(text: str) -> datetime:
    """ISO 8601; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time such as 2026-01-31 or 2026-01-31T12:00:00Z") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def parse_span(text: str) -> timedelta:
    """A number with s, m, h or d, such as 90s, 24h or 7d; 0 needs none."""
    found = _SPAN.fullmatch(text) or ("0" if text == "0" else None)
    if found is None:
        raise typer.BadParameter(f"{text!r} is no span such as 90s, 15m, 24h or 7d")
    if isinstance(found, str):
        return timedelta()
    try:
        return timedelta(seconds=float(found[1]) * _UNIT_SECONDS[found[2]])
    except OverflowError:
        raise typer.BadParameter(f"{text!r} is too long") from None


def parse_seconds(text: str) -> timedelta:
    """As `parse_span`, and a number alone is seconds."""
    return parse_span(f"{text}s" if text[-1:].isdecimal() else text)


def shown_time(message: Message, field: str) -> str:
    """A time field in UTC, or nothing where it is absent."""
    if not message.HasField(field):
        return ""
    moment: Timestamp = getattr(message, field)
    return moment.ToJsonString()


def shown_span(span: Duration) -> str:
    """A span as people read it: 1.234s, 2m 03s, 5h 00m."""
    seconds = span.ToTimedelta().total_seconds()
    if seconds < 60:
        return f"{seconds:.3f}s"
    if seconds < 3600:
        return f"{int(seconds // 60)}m {int(seconds % 60):02d}s"
    return f"{int(seconds // 3600)}h {int(seconds % 3600 // 60):02d}m"


def shown_ratio(message: Message, field: str) -> str:
    """A ratio as a percentage, or a dash where it is absent, which is not 0."""
    return f"{100 * getattr(message, field):.2f} %" if message.HasField(field) else "–"


def optional(message: Message, field: str) -> Any:
    """An optional field's value, or nothing."""
    return getattr(message, field) if message.HasField(field) else None


def shown_amounts(amounts: Any) -> str:
    """Sums, one a currency."""
    return ", ".join(f"{each.amount} {each.currency}".rstrip() for each in amounts)


def shown_side(side: fills_pb2.Side.ValueType) -> str:
    """BUY, SELL, or nothing."""
    return fills_pb2.Side.Name(side).removeprefix("SIDE_") if side else ""


def shown_liquidity(liquidity: fills_pb2.Liquidity.ValueType) -> str:
    """MAKER, TAKER, or nothing."""
    return fills_pb2.Liquidity.Name(liquidity).removeprefix("LIQUIDITY_") if liquidity else ""


def shown_status(status: orders_pb2.OrderStatus.ValueType) -> str:
    """The status' word, such as PARTIALLY_FILLED, or nothing."""
    return orders_pb2.OrderStatus.Name(status).removeprefix("ORDER_STATUS_") if status else ""


def shown_word(descriptor: EnumDescriptor, number: int) -> str:
    """An enum's word without its prefix, such as WORKING; nothing where it is not stated.

    Its number where a newer server has one that is not known here.
    """
    value = descriptor.values_by_number.get(number)
    if value is None:
        return str(number)
    return value.name.removeprefix(descriptor.values[0].name.removesuffix("UNSPECIFIED")) if number else ""


def shown_anomaly(kind: events_pb2.AnomalyKind.ValueType) -> str:
    """The kind's word, such as OVERFILL; its number where a newer server has one that is not known here."""
    if kind not in events_pb2.AnomalyKind.values():
        return str(kind)
    return events_pb2.AnomalyKind.Name(kind).removeprefix("ANOMALY_KIND_")
