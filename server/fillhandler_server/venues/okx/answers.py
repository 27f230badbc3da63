"""OKX's answers to placements, cancels and amends, over REST and over the WebSocket.

What was asked is in `op` over the WebSocket. Over REST only the keys of an entry tell: `tag` is in the
answers to placements, `reqId` in those to amends, neither in those to cancels; the codes 514xx and 515xx
belong to cancels and amends alone.
"""

from __future__ import annotations

from typing import Final

from fillhandler_server.domain.reports import OrderReport, OrderStatus
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.reading import Reading, Row

PLACE: Final = "place"
CANCEL: Final = "cancel"
AMEND: Final = "amend"

_ACTIONS: Final = {
    "order": PLACE,
    "batch-orders": PLACE,
    "cancel-order": CANCEL,
    "batch-cancel-orders": CANCEL,
    "mass-cancel": CANCEL,
    "amend-order": AMEND,
    "batch-amend-orders": AMEND,
}
_ACCEPTED: Final = {
    PLACE: OrderStatus.NEW,
    # Accepted is not done, says the documentation: the orders channel tells what became of it.
    CANCEL: OrderStatus.PENDING_CANCEL,
    AMEND: OrderStatus.PENDING_REPLACE,
}
_FAILED: Final = {PLACE: "failed_placement", CANCEL: "failed_cancel", AMEND: "failed_amend"}

_CANCEL_CODES: Final = frozenset("51400 51401 51402 51403 51404 51405 51406 51410 51603".split())
_AMEND_CODES: Final = frozenset("51500 51501 51502 51503 51506 51508 51509 51510 51511".split())

SUCCESS_CODES: Final = frozenset({"0", ""})
_STATE_KEYS: Final = frozenset({"state", "side", "fillSz", "fillPx", "accFillSz", "algoId", "posSide"})


def is_acknowledgement(data: Json) -> bool:
    """An entry of an answer: ids and whether it went well, no state of the order."""
    return "sCode" in data or ("ordId" in data and _STATE_KEYS.isdisjoint(data.keys()))


def is_operation(data: Json) -> bool:
    """An answer over the WebSocket."""
    return "op" in data and ("data" in data or "code" in data)


def read_operation(row: Row, reading: Reading) -> None:
    """{"id", "op", "data": […], "code", "msg", "inTime", "outTime"}."""
    operation, code, text = row.note("op"), row.note("code"), row.note("msg")
    action = _ACTIONS.get(operation)
    entries = row.rows("data")
    if not entries:
        if code in SUCCESS_CODES:
            reading.skip("empty", f"an answer to {operation} without rows")
        else:
            reading.skip(_FAILED[action] if action else "request_error", f"{code}: {text}")
    for entry in entries:
        if operation.startswith("sprd-"):
            reading.skip("spread_order", "an answer about a spread: its legs are orders of their own")
        elif "algoId" in entry.data:
            reading.skip("algo_order", "an answer about an algo order")
        elif "result" in entry.data:
            read_mass_cancel(entry, reading)
        else:
            _read(entry, reading, action)


def read_acknowledgement(row: Row, reading: Reading) -> None:
    """An entry of a REST answer."""
    _read(row, reading, None)


def read_mass_cancel(row: Row, reading: Reading) -> None:
    """{"result": true}: a mass cancel names no order."""
    if row.flag("result"):
        reading.skip("acknowledgement", "a mass cancel was accepted")
    else:
        reading.skip("failed_cancel", "a mass cancel was not accepted")


def _action(row: Row, code: str) -> str:
    """What was asked, where only the entry tells."""
    data = row.data
    if code in _AMEND_CODES or "reqId" in data:
        return AMEND
    if code in _CANCEL_CODES:
        return CANCEL
    if "tag" in data or "placed" in row.note("sMsg").lower():
        return PLACE
    # A cancel names its order; a failed placement has no order id.
    return CANCEL if code in SUCCESS_CODES or row.has("ordId") else PLACE


def _read(row: Row, reading: Reading, action: str | None) -> None:
    code, text = row.id("sCode"), row.note("sMsg")
    action = action or _action(row, code)
    order_id, client_order_id = row.optional_id("ordId"), row.optional_id("clOrdId")
    reason = ""
    if code in SUCCESS_CODES:
        status = _ACCEPTED[action]
        if not order_id and not client_order_id:
            row.fail("ordId", "missing, and so is clOrdId")
    else:
        status = OrderStatus.REJECTED
        reason = f"{code}: {text}" if text else code
        if action != PLACE or not (order_id or client_order_id):
            # The order of a failed cancel or amend lives on; a placement without ids names no order.
            reading.skip(_FAILED[action], reason)
            return
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=status,
            symbol=row.optional_id("instId"),
            order_id=order_id,
            client_order_id=client_order_id,
            account=reading.account,
            # Of an amend over the WebSocket `ts` is when the order was made: it must not date the request.
            time=None if action == AMEND else row.optional_time("ts"),
            reason=reason,
        )
    )
