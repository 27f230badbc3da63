"""Bitget's answers to placements, cancels and amends, over REST and over the WebSocket.

A failed placement is a rejection; a failed cancel or amend leaves the order as it was. Both look alike: what
was asked is known from the channel over the WebSocket, and over REST from the error's code and from whether
the entry has an order id, which a placement that failed never got.
"""

from __future__ import annotations

from typing import Final

from fillhandler_server.domain.reports import OrderReport, OrderStatus
from fillhandler_server.venues.bitget.words import INST_TYPES, category_market
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.reading import Reading, Row

SUCCESS_CODES: Final = frozenset({"00000", "0", ""})

CANCEL_CODES: Final = frozenset(
    # Bitget's error list: nothing to cancel, or the order to cancel or amend is not there (any more).
    "22001 25204 25205 40029 40109 40768 43001 43002 43003 43004 43005 43020 43025 43026 43027 43033 45034 "
    "45057 31009 40923 40924 41113".split()
)
"""Errors that only a cancel or an amend can get."""
PLACEMENT_CODES: Final = frozenset(
    "25202 25203 25206 25207 40714 40754 40757 40758 40759 40762 40774 40786 40889 40891 43006 43007 43008 "
    "43009 43010 43011 43012 43013 43116 45006 45110 45111 45112 45113 45115 45116 45117 45118 45119".split()
)
"""Errors that only a placement can get: balance, size, price, a client order id that is taken."""


def is_failure(data: Json) -> bool:
    """An entry of `failureList`."""
    return ("errorCode" in data or "errorMsg" in data) and ("orderId" in data or "clientOid" in data)


def is_acknowledgement(data: Json) -> bool:
    """Ids, and at most whether it went well: no state of the order."""
    return ("orderId" in data or "clientOid" in data) and not (
        "status" in data or "state" in data or "orderStatus" in data or "tradeId" in data or "side" in data
    )


def read_failure(row: Row, reading: Reading) -> None:
    """A placement that failed, or a cancel that did."""
    _failure(row, reading, row.note("errorCode", "code"), row.note("errorMsg", "msg"), None)


def read_acknowledgement(row: Row, reading: Reading) -> None:
    """An entry of an answer: accepted, or refused with a code of its own (v3, cancel-replace)."""
    code, text = row.note("code"), row.note("msg")
    if "success" in row.data:
        if row.note("success").lower() == "success":
            report(row, reading, OrderStatus.NEW)
        else:
            # The old order lives on unless its cancel arrives.
            reading.skip("failed_replace", text or "cancel-replace failed")
    elif code in SUCCESS_CODES:
        report(row, reading, OrderStatus.NEW)
    else:
        _failure(row, reading, code, text, None)


def _failure(row: Row, reading: Reading, code: str, text: str, action: str | None) -> None:
    reason = f"{code}: {text}" if code else text
    if action is None:
        has_order = row.has("orderId") and row.data.get("orderId") not in ("0", 0)
        placement = code in PLACEMENT_CODES or (code not in CANCEL_CODES and not has_order)
    else:
        placement = action == "place"
    if not placement:
        reading.skip(
            "failed_cancel" if action in (None, "cancel") else "failed_amend", reason or "not accepted"
        )
    elif row.has("clientOid", "clientOId", "orderId"):
        report(row, reading, OrderStatus.REJECTED, reason)
    else:
        reading.skip("failed_placement", reason or "not accepted")


def report(row: Row, reading: Reading, status: OrderStatus, reason: str = "", market: str = "") -> None:
    """A report with the ids that the answer has."""
    order_id = row.optional_id("orderId")
    client_order_id = row.optional_id("clientOid", "clientOId")
    if not order_id and not client_order_id:
        row.fail("orderId", "missing, and so is clientOid")
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=status,
            symbol=row.optional_id("symbol", "instId").upper(),
            order_id=order_id,
            client_order_id=client_order_id,
            account=reading.account,
            market=market or category_market(row),
            time=row.optional_time("cTime"),
            reason=reason,
        )
    )


# --------------------------------------------------------- over the WebSocket

_ACTIONS: Final = {
    "place-order": "place",
    "batch-place": "place",
    "cancel-order": "cancel",
    "batch-cancel": "cancel",
    "cancel-symbol-order": "cancel",
    "modify-order": "amend",
    "batch-modify": "amend",
}

_ACCEPTED: Final = {
    "place": OrderStatus.NEW,
    # Accepted is not done: the orders channel tells what became of it.
    "cancel": OrderStatus.PENDING_CANCEL,
    "amend": OrderStatus.PENDING_REPLACE,
}


def is_socket_answer(data: Json) -> bool:
    """An answer over the WebSocket."""
    return "event" in data


def read_socket_answer(row: Row, reading: Reading) -> None:
    """{"event": "trade" or "error", "arg" or "args": …, "code", "msg"}, and what else has an event."""
    event = row.note("event")
    entries = [
        entry for key in ("arg", "args") if isinstance(row.data.get(key), list) for entry in row.rows(key)
    ]
    topic = row.note("topic")
    code, text = row.note("code"), row.note("msg")
    understood = False
    for entry in entries:
        action = _ACTIONS.get(entry.note("channel") or topic)
        if action is None:
            continue
        understood = True
        _socket_entry(entry, row, reading, action, event, code, text)
    if understood:
        return
    if event == "error" or code not in SUCCESS_CODES:
        reading.skip("request_error", f"{code}: {text}" if code else text or "error")
    else:
        reading.skip("acknowledgement", f"event {event}")


def _socket_entry(
    entry: Row, row: Row, reading: Reading, action: str, event: str, code: str, text: str
) -> None:
    inner = entry.optional_row("params") if isinstance(entry.data.get("params"), dict) else None
    named = dict(inner.data if inner is not None else entry.data)
    if "instId" in entry.data:
        named.setdefault("symbol", entry.data["instId"])
    named.setdefault("cTime", row.data.get("ts"))
    target = Row(named, inner.path if inner is not None else entry.path, reading)
    market = INST_TYPES.get(entry.note("instType").upper(), "") or category_market(row)
    own_code = target.note("code") or code
    if event == "error" or own_code not in SUCCESS_CODES:
        _failure(target, reading, own_code, target.note("msg") or text, action)
    else:
        report(target, reading, _ACCEPTED[action], market=market)
