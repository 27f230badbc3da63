"""KuCoin's answers to placements, cancels and amends, over REST and over the WebSocket.

A REST answer does not say what was asked. A placement always answers with an `orderId`; a cancel answers
with `cancelledOrderIds`, with a `clientOid` alone, or (high-frequency, unified account) in a placement's very
words, and is read as one: NEW changes nothing of an order that is known to live or to be dead. Cancels are
requests only: their result comes with a query or a push.
"""

from __future__ import annotations

from typing import Final

from fillhandler_server.domain.fills import ContractKind, Side
from fillhandler_server.domain.reports import OrderReport, OrderStatus
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.kucoin.words import SIDES, Market, limit_price, market_of, order_type
from fillhandler_server.venues.reading import Reading, Row

SUCCESS_CODES: Final = frozenset({"200000", "200", ""})
NO_ORDER_CODES: Final = frozenset({"100001", "100004", "126043"})
"""The order does not exist or cannot be canceled: errors that a placement cannot get."""

_NONE: Final = Market("", "", ContractKind.UNSPECIFIED, "", "")


def is_cancel(data: Json) -> bool:
    """A cancel's answer: the ids whose cancel was accepted."""
    return "cancelledOrderIds" in data or "cancelledOrderId" in data


def is_amend(data: Json) -> bool:
    """The answer to a change of a high-frequency order, which gets a new id."""
    return "newOrderId" in data


def is_partial_cancel(data: Json) -> bool:
    """The answer to a cancel of a part."""
    return "cancelSize" in data and "orderId" in data


def is_batch_entry(data: Json) -> bool:
    """An entry of a batch's answer, with its own outcome."""
    return "failMsg" in data or ("success" in data and "code" not in data) or _has_code(data)


def _has_code(data: Json) -> bool:
    return "code" in data and ("orderId" in data or "clientOid" in data)


def is_acknowledgement(data: Json) -> bool:
    """Ids, and no state of the order."""
    return "orderId" in data or "clientOid" in data


def report(row: Row, reading: Reading, status: OrderStatus, reason: str = "") -> None:
    """A report with what the answer says of the order: its ids, and at most what was asked."""
    order_id, client_order_id = row.optional_id("orderId", "id"), row.optional_id("clientOid")
    if not order_id and not client_order_id:
        row.fail("orderId", "missing, and so is clientOid")
    traded = market_of(row) if row.has("symbol") else _NONE
    kind = order_type(row, "type")
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=status,
            symbol=traded.symbol,
            order_id=order_id,
            client_order_id=client_order_id,
            account=reading.account,
            market=traded.market,
            side=row.optional_choice(SIDES, "side", default=Side.UNSPECIFIED),
            type=kind,
            order_quantity=row.optional_above_zero("size"),
            limit_price=limit_price(row, kind, "price"),
            time=row.optional_time("ts", "orderTime"),
            contract_kind=traded.kind,
            base_currency=traded.base,
            quote_currency=traded.quote,
            reason=reason,
        )
    )


def read_acknowledgement(row: Row, reading: Reading) -> None:
    """An accepted placement; a `clientOid` alone is an accepted cancel."""
    placed = row.has("orderId") or "orderId" in row.data
    report(row, reading, OrderStatus.NEW if placed else OrderStatus.PENDING_CANCEL)


def read_cancel(row: Row, reading: Reading) -> None:
    """The ids whose cancel was accepted."""
    found = False
    for key in ("cancelledOrderIds", "cancelledOrderId", "cancelledOcoOrderIds"):
        value = row.data.get(key)
        if value is None or value == "":
            continue
        ids = value if isinstance(value, list) else [value]
        client_order_id = row.optional_id("clientOid") if key == "cancelledOrderId" else ""
        for index, order_id in enumerate(ids):
            entry = Row({"id": order_id}, row.path, reading)
            name = entry.optional_id("id") if isinstance(order_id, str | int) else ""
            if not name:
                row.fail(f"{key}[{index}]" if isinstance(value, list) else key, "not an order id")
                continue
            found = True
            reading.reports.append(
                OrderReport(
                    venue=reading.venue,
                    status=OrderStatus.PENDING_CANCEL,
                    order_id=name,
                    client_order_id=client_order_id,
                    account=reading.account,
                )
            )
    failed = row.data.get("cancelFailedOrders")
    if isinstance(failed, list) and failed:
        found = True
        reading.skip("failed_cancel", "cancelFailedOrders", len(failed))
    if not found and not reading.faults:
        reading.skip("empty", "a cancel that met no orders")


def read_amend(row: Row, reading: Reading) -> None:
    """The amended order under its new id. The old id is not in the answer."""
    order_id = row.optional_id("newOrderId")
    if not order_id:
        reading.skip("failed_amend", row.note("msg", "failMsg") or "no new order was placed")
        return
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=OrderStatus.NEW,
            order_id=order_id,
            client_order_id=row.optional_id("clientOid"),
            account=reading.account,
            previous_order_id=row.optional_id("orderId"),
        )
    )


def read_partial_cancel(row: Row, reading: Reading) -> None:
    """A part's cancel was accepted: the order lives on, smaller."""
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=OrderStatus.PENDING_REPLACE,
            order_id=row.id("orderId"),
            client_order_id=row.optional_id("clientOid"),
            account=reading.account,
        )
    )


def read_batch_entry(row: Row, reading: Reading) -> None:
    """Spot says `success` or `status` "success" or "fail"; futures and the unified account a `code`."""
    code, text = row.note("code"), row.note("failMsg", "msg")
    if "success" in row.data:
        accepted = row.flag("success")
    elif "status" in row.data:
        accepted = row.choice({"success": True, "fail": False}, "status", default=True)
    elif "failMsg" in row.data and "code" not in row.data:
        accepted = not text
    else:
        accepted = code in SUCCESS_CODES
    if not accepted:
        _failure(row, reading, code, text, "")
    elif code == "200" or (code == "200000" and not (row.has("symbol") or row.has("clientOid"))):
        # The batch cancels: futures with the code 200, the unified account with one id.
        report(row, reading, OrderStatus.PENDING_CANCEL)
    elif code == "200000" and not row.has("orderId"):
        report(row, reading, OrderStatus.PENDING_CANCEL)
    else:
        report(row, reading, OrderStatus.NEW)


def _failure(row: Row, reading: Reading, code: str, text: str, action: str) -> None:
    reason = f"{code}: {text}" if code else text or "not accepted"
    if not action:
        of_cancel = code in NO_ORDER_CODES or "cancel" in text.lower()
        # A futures cancel that failed has an order id and no symbol.
        action = "cancel" if of_cancel or (code and not row.has("symbol") and row.has("orderId")) else "place"
    if action != "place":
        reading.skip("failed_amend" if action == "amend" else "failed_cancel", reason)
    elif row.has("orderId", "id", "clientOid"):
        report(row, reading, OrderStatus.REJECTED, reason)
    else:
        reading.skip("failed_placement", reason)


def skip_error(row: Row, reading: Reading) -> None:
    """An error that names no order."""
    code, text = row.note("code"), row.note("msg")
    if code in NO_ORDER_CODES or "cancel" in text.lower():
        reading.skip("failed_cancel", f"{code}: {text}")
    else:
        reading.skip("request_error", f"{code}: {text}")


# --------------------------------------------------------- over the WebSocket


def action_of(operation: str) -> str:
    """What `op` asked for: `spot.order`, `futures.multi_cancel`, `spot.modify`, `uta.order.place`, …"""
    if "cancel" in operation:
        return "cancel"
    if any(word in operation for word in ("modify", "amend", "alter")):
        return "amend"
    return "place" if "order" in operation or "place" in operation else ""


def skip_operation(row: Row, reading: Reading, action: str) -> None:
    """An operation that failed as a whole: the answer names the request, no order."""
    kinds = {"cancel": "failed_cancel", "amend": "failed_amend", "place": "failed_placement"}
    reading.skip(kinds.get(action, "request_error"), f"{row.note('code')}: {row.note('msg')}")


def read_operation_entry(row: Row, reading: Reading, action: str) -> bool:
    """An entry of an operation's answer that has ids only; False where it says more."""
    data = row.data
    if "dealSize" in data or is_cancel(data) or is_amend(data) or is_partial_cancel(data):
        return False
    code = row.note("code")
    failed = data.get("success") is False or data.get("status") == "fail" or code not in SUCCESS_CODES
    if failed:
        _failure(row, reading, code, row.note("failMsg", "msg"), action)
        return True
    if not is_acknowledgement(data) or not action:
        return False
    status = {"cancel": OrderStatus.PENDING_CANCEL, "amend": OrderStatus.PENDING_REPLACE}
    report(row, reading, status.get(action, OrderStatus.NEW))
    return True
