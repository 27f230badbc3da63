"""Hyperliquid's answers to placements, cancels and amends. Errors come with HTTP status 200.

A status names an order only where it was placed: one that failed, and one that was canceled or amended, is
known by its place in the request alone, which the answer does not repeat.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from fillhandler_server.domain.reports import OrderReport, OrderStatus
from fillhandler_server.venues.json_text import Json, clean
from fillhandler_server.venues.reading import Reading, Row

PLACEMENT: Final = "failed_placement"
_ACCEPTED: Final = frozenset({"success", "waitingForFill", "waitingForTrigger"})


def _report(
    row: Row,
    reading: Reading,
    status: OrderStatus,
    *,
    cumulative: Decimal | None = None,
    average: Decimal | None = None,
    reason: str = "",
) -> None:
    client_order_id = row.optional_id("cloid")
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=status,
            order_id=row.optional_id("oid") if client_order_id else row.id("oid"),
            client_order_id=client_order_id,
            account=reading.account,
            cumulative_quantity=cumulative,
            average_price=average,
            reason=reason,
        )
    )


def read_status(row: Row, reading: Reading, failed: str = PLACEMENT) -> None:
    """One status: {"resting": {ids}}, {"filled": {ids, totalSz, avgPx}} or {"error": why}."""
    resting, filled = row.optional_row("resting"), row.optional_row("filled")
    if resting is not None:
        _report(resting, reading, OrderStatus.NEW)
    elif filled is not None:
        # No ordered quantity: an Ioc order is "filled" with less than it asked for.
        size, price = filled.positive("totalSz"), filled.optional_above_zero("avgPx")
        _report(filled, reading, OrderStatus.FILLED, cumulative=size, average=price)
    elif failed == PLACEMENT and row.has("oid", "cloid"):
        _report(row, reading, OrderStatus.REJECTED, reason=row.note("error"))
    elif not reading.faults:
        reading.skip(failed, row.note("error") or "not accepted")


_FAILED: Final = {"cancel": "failed_cancel", "cancelByCloid": "failed_cancel", "modify": "failed_amend"}


def is_answer(data: Json) -> bool:
    """The exchange endpoint's answer."""
    return data.get("status") in ("ok", "err") and "response" in data


def read_answer(row: Row, reading: Reading) -> None:
    """{"status": "ok", "response": {"type", "data": {"statuses"}}} or {"status": "err", "response": why}."""
    response = row.data.get("response")
    if row.data.get("status") == "err":
        reading.skip("request_error", clean(response) if isinstance(response, str) and response else "error")
        return
    if not isinstance(response, dict):
        row.fail("response", "expected an object")
        return
    read_response(Row(response, f"{row.path}response.", reading), reading)


def is_response(data: Json) -> bool:
    """What such an answer holds."""
    inner = data.get("data")
    return isinstance(inner, dict) and ("statuses" in inner or "status" in inner)


def read_response(row: Row, reading: Reading) -> None:
    """{"type": what was asked, "data": {"statuses": one an order}}; a TWAP order has one "status"."""
    kind = row.note("type")
    data = row.data.get("data")
    if not isinstance(data, dict):
        reading.skip("acknowledgement", f"an accepted action {kind or 'default'}, which names no order")
        return
    inner = Row(data, f"{row.path}data.", reading)
    if kind.startswith("twap"):
        status = data.get("status")
        if isinstance(status, dict) and "error" in status:
            why = inner.optional_row("status")
            reading.skip("failed_twap", why.note("error") if why is not None else "not accepted")
        else:
            reading.skip("twap", "a TWAP order, whose slices are orders of their own")
        return
    failed = _FAILED.get(kind, PLACEMENT)
    statuses = data.get("statuses")
    if not isinstance(statuses, list):
        inner.fail("statuses", "expected a list")
        return
    if not statuses:
        reading.skip("empty", "an answer without statuses")
    for index, entry in enumerate(statuses):
        if isinstance(entry, dict):
            read_status(Row(entry, f"{inner.path}statuses[{index}].", reading), reading, failed)
        elif isinstance(entry, str) and entry in _ACCEPTED:
            reading.skip("acknowledgement", f"{entry}, which names no order")
        else:
            reading.fault(f"{inner.path}statuses[{index}]", "a status that is not known")
