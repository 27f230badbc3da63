"""Kraken spot's answers to requests: REST, the first WebSocket's status events, the second's methods."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from fillhandler_server.domain.fills import ContractKind, Side
from fillhandler_server.domain.reports import OrderReport, OrderStatus
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.kraken.symbols import SPOT, product
from fillhandler_server.venues.kraken.values import SIDES, order_type, time_of
from fillhandler_server.venues.reading import Reading, Row, exact

_DESCRIBED: Final = re.compile(
    r"(buy|sell) ([0-9.]{1,40}) (\S{1,40}) @ ([a-z ]*?[a-z])(?: ([0-9.]{1,40}))?( ->.*| with .*| [+#-].*)?"
)
"""`descr.order`: "buy 2.12340000 XBTUSD @ limit 45000.1 with 2:1 leverage"."""

_METHODS: Final = {
    "add_order": "place",
    "batch_add": "place",
    "amend_order": "amend",
    "edit_order": "edit",
    "cancel_order": "cancel",
    "batch_cancel": "cancel",
}
_EVENTS: Final = {
    "addOrderStatus": "place",
    "editOrderStatus": "edit",
    "cancelOrderStatus": "cancel",
    "cancelAllStatus": "cancel",
    "cancelAllOrdersAfterStatus": "cancel",
}
_CONTROL: Final = frozenset({"heartbeat", "ping", "pong", "systemStatus", "challenge", "info"})
_ACCEPTED: Final = {
    "place": OrderStatus.NEW,
    "edit": OrderStatus.NEW,  # the old order is gone, the new one has an id of its own
    # Accepted is not done: the executions channel tells what became of it.
    "amend": OrderStatus.PENDING_REPLACE,
    "cancel": OrderStatus.PENDING_CANCEL,
}
FAILED: Final = {
    "place": "failed_placement",
    "edit": "failed_amend",
    "amend": "failed_amend",
    "cancel": "failed_cancel",
}
_ORDER_IDS: Final = ("txid", "order_id", "orderid")
_OLD_IDS: Final = ("originaltxid", "original_order_id")


def is_method_answer(data: Json) -> bool:
    """An answer over the second WebSocket."""
    return "method" in data and (
        "success" in data or "result" in data or "error" in data or "time_in" in data
    )


def read_method_answer(row: Row, reading: Reading) -> None:
    """{"method", "req_id", "result", "success", "error", "time_in", "time_out"}."""
    method = row.note("method")
    action = _METHODS.get(method, "")
    failed = row.optional_flag("success") is False or row.has("error")
    if not action:
        reading.skip("request_error" if failed else "acknowledgement", row.note("error") or method)
        return
    content = row.data.get("result")
    if isinstance(content, dict) and isinstance(content.get("orders"), list):
        entries = Row(content, f"{row.path}result.", reading).rows("orders")
    elif isinstance(content, list):
        entries = row.rows("result")
    elif isinstance(content, dict):
        entries = [Row(content, f"{row.path}result.", reading)]
    else:
        entries = [row]
    for entry in entries:
        text = entry.note("error") or row.note("error")
        ok = not (failed or entry.has("error") or entry.optional_flag("success") is False)
        _entry(
            entry,
            reading,
            action,
            ok,
            text,
            time_of(row, "time_out") if action in ("place", "edit") else None,
        )
    if not entries:
        reading.skip("acknowledgement", method)


def is_status_event(data: Json) -> bool:
    """An answer over the first WebSocket."""
    return "event" in data and "feed" not in data and isinstance(data.get("event"), str)


def read_status_event(row: Row, reading: Reading) -> None:
    """{"event": "addOrderStatus", "status": "ok" or "error", "txid", "descr", "errorMessage"}."""
    event = row.note("event")
    action = _EVENTS.get(event, "")
    failed = row.note("status") == "error" or row.has("errorMessage") or event in ("error", "alert")
    text = row.note("errorMessage", "message")
    if action:
        _entry(row, reading, action, not failed, text, None)
    elif failed or event.endswith("_failed"):
        reading.skip("request_error", text or event)
    else:
        reading.skip("stream_control" if event in _CONTROL else "acknowledgement", f"event {event}")


def is_placed(data: Json) -> bool:
    """The result of AddOrder, AddOrderBatch's entries, EditOrder: a description and ids, no state."""
    if "vol" in data or "vol_exec" in data:
        return False
    return ("descr" in data and ("txid" in data or "status" not in data)) or "originaltxid" in data


def read_placed(row: Row, reading: Reading) -> None:
    """An accepted placement or edit, or an entry of a batch that was refused."""
    action = "edit" if row.has(*_OLD_IDS) else "place"
    text = row.note("error", "error_message", "errorMessage")
    ok = not text and row.note("status").lower() not in ("err", "error")
    _entry(row, reading, action, ok, text, None)


def is_entry(data: Json) -> bool:
    """Ids alone: an entry of a batch, the result of a WebSocket method."""
    return bool({"order_id", "txid", "amend_id", "cl_ord_id"} & data.keys()) or data.keys() == {"error"}


def read_entry(row: Row, reading: Reading) -> None:
    """The same, where what was asked is told by the ids at best."""
    if row.has("amend_id"):
        _entry(row, reading, "amend", True, "", None)
    else:
        text = row.note("error")
        _entry(row, reading, "edit" if row.has(*_OLD_IDS) else "place", not text, text, None)


def _id(row: Row, keys: tuple[str, ...]) -> str:
    """An id, also where it stands in a list of one (AddOrder's `txid`)."""
    key = row.first(*keys)
    value = row.data.get(key)
    if isinstance(value, list):
        if len(value) != 1:
            if value:
                row.fail(key, "expected one id")
            return ""
        return Row({key: value[0]}, row.path, row.reading).id(key)
    return row.optional_id(*keys)


def _entry(row: Row, reading: Reading, action: str, ok: bool, text: str, time: int | None) -> None:
    order_id, client_order_id = _id(row, _ORDER_IDS), row.optional_id("cl_ord_id")
    if not ok:
        if action == "place" and client_order_id:
            _report(row, reading, OrderStatus.REJECTED, order_id, client_order_id, text, time)
        else:
            reading.skip(FAILED[action], text or "not accepted")
    elif order_id or client_order_id:
        _report(row, reading, _ACCEPTED[action], order_id, client_order_id, "", time)
    else:
        reading.skip("acknowledgement", f"an answer to a request ({action}) that names no order")


def _report(
    row: Row,
    reading: Reading,
    status: int,
    order_id: str,
    client_order_id: str,
    reason: str,
    time: int | None,
) -> None:
    previous = _id(row, _OLD_IDS)
    made = OrderReport(
        figures_of_id=True,
        venue=reading.venue,
        status=status,
        order_id=order_id,
        client_order_id=client_order_id,
        account=reading.account,
        market=SPOT,
        contract_kind=ContractKind.SPOT,
        time=time,
        reason=reason,
        previous_order_id="" if previous == order_id else previous,
    )
    reference = row.optional_id("userref", "order_userref")
    if reference not in ("", "0"):
        made.metadata["userref"] = reference
    descr = row.data.get("descr")
    text = descr.get("order") if isinstance(descr, dict) else descr
    if isinstance(text, str):
        _describe(made, text)
    volume = row.optional_above_zero("volume")
    if volume is not None and made.type != "market":
        made.order_quantity = volume
    reading.reports.append(made)


def _describe(made: OrderReport, text: str) -> None:
    """Takes what the description says, where it has the documented form; it is no fault if it has not."""
    match = _DESCRIBED.fullmatch(text[:300])
    told = product(match[3]) if match is not None else None
    if match is None or told is None:
        return
    quantity, price = _positive(match[2]), _positive(match[5])
    made.symbol, made.base_currency, made.quote_currency = told.symbol, told.base, told.quote
    if match[3] != told.symbol:
        made.metadata["raw_symbol"] = match[3]
    made.side = SIDES[match[1]]
    made.type = order_type(match[4]).replace(" ", "-")
    rest = match[6] or ""
    limit = re.match(r" -> limit ([0-9.]{1,40})", rest)
    if limit is not None:
        made.type += "-limit"
        made.limit_price = _positive(limit[1])
    elif made.type == "limit":
        made.limit_price = price
    # A market buy may be in quote currency ("viqc"), which the description does not tell.
    if not (made.type == "market" and made.side == Side.BUY):
        made.order_quantity = quantity


def _positive(text: str | None) -> Decimal | None:
    try:
        value = exact(text or "")
    except ValueError:
        return None
    return value if value > 0 else None
