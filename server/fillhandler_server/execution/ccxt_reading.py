"""What an exchange answered: as messages for the record, and as what decides what is done next.

For the record the exchange's own bytes, wherever our venue module reads them. Only where it cannot, or finds
nothing of the order in them, ccxt's unified structures stand in, with nothing that ccxt computed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from fillhandler_server.domain.errors import InvalidFieldError, UnsupportedPayloadError
from fillhandler_server.domain.fills import Fill, Side
from fillhandler_server.domain.instruments import Instruments
from fillhandler_server.domain.reports import OrderReport, OrderStatus, ParsedPayload
from fillhandler_server.execution import payloads
from fillhandler_server.execution.ccxt_symbols import Symbols
from fillhandler_server.execution.connection import Message, VenueOrder
from fillhandler_server.execution.replies import Reply
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.reading import exact

Unified = Mapping[str, Any]

_STATUSES: Final = {
    "open": OrderStatus.NEW,
    "closed": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "cancelled": OrderStatus.CANCELED,
    "canceling": OrderStatus.PENDING_CANCEL,
    "expired": OrderStatus.EXPIRED,
    "rejected": OrderStatus.REJECTED,
}
_SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL}

_ORDER_KEYS: Final = (
    "id", "clientOrderId", "side", "type", "status", "postOnly", "timestamp", "lastUpdateTimestamp",
    "lastTradeTimestamp",
)  # fmt: skip
_TRADE_KEYS: Final = ("id", "order", "clientOrderId", "side", "type", "takerOrMaker", "timestamp")
_NUMBERS: Final = ("amount", "price", "filled", "remaining", "average")


class Reader:
    """Reads one connection's answers."""

    def __init__(self, venue: str, account: str, instruments: Instruments) -> None:
        self.venue = venue
        self.account = account
        self.instruments = instruments

    def read(self, text: str) -> ParsedPayload | None:
        """What our venue module finds in a body or message; None where it cannot read it."""
        try:
            return payloads.parse_payload(
                self.venue, self.account, text.encode(), instruments=self.instruments
            )
        except (InvalidFieldError, UnsupportedPayloadError):
            return None

    def messages(
        self,
        replies: Iterable[Reply],
        orders: Sequence[Unified],
        trades: Sequence[Unified],
        symbols: Symbols,
    ) -> tuple[tuple[Message, ...], tuple[OrderReport, ...]]:
        """(messages, every report in them) of a call's replies.

        Args:
            orders: what ccxt made of the replies; those that no readable reply tells of go in its structure.
            trades: likewise.
        """
        found: list[Message] = []
        reports: list[OrderReport] = []
        told_orders: set[str] = set()
        told_trades: set[str] = set()
        for reply in replies:
            parsed = self.read(reply.body) if 200 <= reply.status < 300 else None
            if parsed is None or not (parsed.reports or parsed.fills):
                continue
            found.append(Message(reply.body.encode()))
            reports += parsed.reports
            items: tuple[OrderReport | Fill, ...] = (*parsed.reports, *parsed.fills)
            for item in items:
                told_orders |= {item.order_id, item.client_order_id}
            told_trades |= {fill.trade_id for fill in parsed.fills}
        rest = [
            unified_order(order, symbols)
            for order in orders
            if told_orders.isdisjoint({str(order.get("id")), str(order.get("clientOrderId"))})
        ]
        rest += [unified_trade(one, symbols) for one in trades if str(one.get("id")) not in told_trades]
        # A placement that was merely taken says neither a status nor what is filled: no report.
        rest = [row for row in rest if "order" in row or ("id" in row and {"status", "filled"} & set(row))]
        if rest:
            found.append(Message(json.dumps(rest, separators=(",", ":")).encode(), "ccxt"))
        return tuple(found), tuple(reports)


def unified_order(order: Unified, symbols: Symbols) -> Json:
    """An order in ccxt's structure, with our symbol and without what ccxt computed."""
    return _row(order, _ORDER_KEYS, symbols)


def unified_trade(trade: Unified, symbols: Symbols) -> Json:
    """A trade in ccxt's structure, likewise."""
    row = _row(trade, _TRADE_KEYS, symbols)
    row.setdefault("order", None)
    stated = _stated(trade.get("info"))
    fees = trade.get("fees") or [trade.get("fee")]
    row["fees"] = [
        {"currency": fee.get("currency"), "cost": str(fee["cost"])}
        for fee in fees
        if isinstance(fee, Mapping) and _number(fee.get("cost"), stated) is not None
    ]
    return row


def _row(structure: Unified, keys: Sequence[str], symbols: Symbols) -> Json:
    row: Json = {key: structure[key] for key in keys if structure.get(key) is not None}
    row["symbol"] = symbols.of_unified(structure.get("symbol")) or structure.get("symbol")
    stated = _stated(structure.get("info"))
    for key in _NUMBERS:
        number = _number(structure.get(key), stated)
        if number is not None:
            row[key] = number
    return row


def _number(value: object, stated: set[Decimal]) -> str | None:
    """A number as its text, None if the exchange's own row does not hold it: then ccxt computed it."""
    number = decimal(value)
    return str(value) if number is not None and number.copy_abs() in stated else None


def _stated(info: object) -> set[Decimal]:
    found: set[Decimal] = set()
    waiting = [info]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict | list):
            waiting.extend(one.values() if isinstance(one, dict) else one)
        else:
            number = decimal(one)
            if number is not None:
                found.add(number.copy_abs())
    return found


def decimal(value: object) -> Decimal | None:
    """A number of ccxt's, which come as text; a float is none, it has lost the exact value."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    try:
        return exact(str(value))
    except ValueError:
        return None


def venue_order(
    order: Unified, reports: Sequence[OrderReport], symbols: Symbols, client_order_id: str = ""
) -> VenueOrder:
    """One order, as our module reads it where it does, else as ccxt does.

    Args:
        client_order_id: what it was asked for by, where the answer does not repeat it.
    """
    order_id = str(order.get("id") or "")
    own_id = str(order.get("clientOrderId") or "") or client_order_id
    said = [
        report
        for report in reports
        if (report.order_id == order_id if report.order_id and order_id else own_id == report.client_order_id)
    ]
    best = said[-1] if said else OrderReport("", OrderStatus.UNSPECIFIED)
    ordered = best.order_quantity if best.order_quantity is not None else decimal(order.get("amount"))
    filled = (
        best.cumulative_quantity if best.cumulative_quantity is not None else decimal(order.get("filled"))
    )
    created = order.get("timestamp")
    return VenueOrder(
        order_id or best.order_id,
        # A cancellation of Binance has an id of its own under this name; its module knows which is which.
        best.client_order_id or client_order_id or own_id,
        OrderStatus(best.status) or _status(order, ordered, filled),
        best.symbol or symbols.of_unified(order.get("symbol")),
        best.side or _SIDES.get(str(order.get("side")), Side.UNSPECIFIED),
        ordered,
        filled,
        best.create_time
        if best.create_time is not None
        else (created * 1_000_000 if isinstance(created, int) else None),
    )


def _status(order: Unified, ordered: Decimal | None, filled: Decimal | None) -> OrderStatus:
    status = _STATUSES.get(str(order.get("status")), OrderStatus.UNSPECIFIED)
    if status == OrderStatus.NEW and filled:
        return OrderStatus.PARTIALLY_FILLED
    if status == OrderStatus.FILLED and ordered is not None and filled is not None and filled < ordered:
        return OrderStatus.CANCELED  # ccxt says "closed" of these too
    return status
