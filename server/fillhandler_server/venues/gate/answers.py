"""Gate's answers to placements, cancels and amends, over REST and over the WebSocket.

A failed placement is a rejection; a failed cancel or amend leaves the order as it was. Over the WebSocket the
channel says what was asked; in a batch over REST the entry does: a placement that failed got no order id.
"""

from __future__ import annotations

from typing import Final

from fillhandler_server.domain.fills import Side
from fillhandler_server.domain.reports import OrderReport, OrderStatus
from fillhandler_server.venues.gate.rows import is_order, read_order
from fillhandler_server.venues.gate.words import SIDES, client_order_id, contract, moment, spot
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.kinds import Kind, dispatch
from fillhandler_server.venues.reading import Reading, Row

PLACE: Final = "place"
CANCEL: Final = "cancel"
AMEND: Final = "amend"

ACTIONS: Final = {
    "order_place": PLACE,
    "order_batch_place": PLACE,
    "order_cancel": CANCEL,
    "order_cancel_ids": CANCEL,
    "order_cancel_cp": CANCEL,
    "order_amend": AMEND,
    "order_batch_amend": AMEND,
}
"""What is asked on a channel, whose name follows `spot.`, `futures.` or `options.`."""

CANCEL_LABELS: Final = frozenset(
    "ORDER_NOT_FOUND ORDER_CLOSED ORDER_CANCELLED ORDER_FINISHED ORDER_OWNER CANCEL_FAIL NO_CHANGE".split()
)
"""Errors that only a cancel or an amend can get: the order is not there, or not open (any more)."""

_FAILED: Final = {PLACE: "failed_placement", CANCEL: "failed_cancel", AMEND: "failed_amend"}

_ACCEPTED: Final = {
    PLACE: OrderStatus.NEW,
    # Accepted is not done (action_mode ACK): the orders channel tells what became of it.
    CANCEL: OrderStatus.PENDING_CANCEL,
    AMEND: OrderStatus.PENDING_REPLACE,
}


def _order_id_key(row: Row) -> str:
    """The key of the order's id; "" where there is none: 0 is none either."""
    return next((key for key in ("id", "order_id") if row.note(key) not in ("", "0")), "")


def is_failure(data: Json) -> bool:
    """An entry of an answer that was refused. Some leave `succeeded` out where it would be false."""
    succeeded = data.get("succeeded")
    if succeeded is not None:
        return succeeded is False
    return bool(data.get("label") or data.get("message")) and ("id" in data or "order_id" in data)


def is_result(data: Json) -> bool:
    """An entry of an answer that went well and does not say the order's state."""
    return data.get("succeeded") is True and not is_order(data)


def is_acknowledgement(data: Json) -> bool:
    """The ids alone (action_mode ACK)."""
    return ("id" in data or "order_id" in data) and "text" in data and not is_order(data)


def reason_of(row: Row) -> str:
    """The error in the venue's words."""
    label, text = row.note("label"), row.note("message", "detail")
    return f"{label}: {text}" if label and text and label != text else label or text or "not accepted"


def read_failure(row: Row, reading: Reading, action: str = "") -> None:
    """A placement that failed, or a cancel or an amend that did."""
    known = _order_id_key(row)
    if not action:
        is_missing = not CANCEL_LABELS.isdisjoint((row.note("label"), row.note("message")))
        action = CANCEL if known or is_missing else PLACE
    if action == PLACE and (known or client_order_id(row)):
        _report(row, reading, OrderStatus.REJECTED, reason=reason_of(row))
    else:
        reading.skip(_FAILED[action], reason_of(row))


def read_result(
    row: Row, reading: Reading, action: str = "", market: str = "", time: int | None = None
) -> None:
    """A success without a state: a cancel that was done, or the ids of what was placed."""
    if not action and row.has("currency_pair", "account", "user_id"):
        action = CANCEL  # the lists of canceled ids; a placed order's entry has its text instead
    status = OrderStatus.CANCELED if action == CANCEL else _ACCEPTED.get(action, OrderStatus.NEW)
    _report(row, reading, status, market=market, time=time)


def read_acknowledgement(
    row: Row, reading: Reading, action: str = "", market: str = "", time: int | None = None
) -> None:
    """The ids of an order that was placed, or that is going to be canceled or amended."""
    _report(row, reading, _ACCEPTED.get(action, OrderStatus.NEW), market=market, time=time)


def _report(
    row: Row,
    reading: Reading,
    status: OrderStatus,
    *,
    reason: str = "",
    market: str = "",
    time: int | None = None,
) -> None:
    pair = row.optional_id("currency_pair")
    symbol = pair or row.optional_id("contract")
    product = spot(pair) if pair else contract(symbol)
    side: int = row.optional_choice(SIDES, "side", default=Side.UNSPECIFIED)
    if not pair:
        size = row.optional_number("size")
        if size:
            side = Side.SELL if size.is_signed() else Side.BUY
    key = _order_id_key(row)
    order_id = row.optional_id(key) if key else ""
    client_id = client_order_id(row)
    if not client_id and order_id.startswith("t-"):
        order_id, client_id = "", order_id  # Gate takes a client's id wherever it takes an order's
    if not order_id and not client_id:
        row.fail("id", "missing")
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=status,
            symbol=symbol,
            order_id=order_id,
            client_order_id=client_id,
            account=reading.account,
            market=product.market or market,
            side=side,
            time=moment(row, "update_time_ms", "update_time", "create_time_ms", "create_time") or time,
            contract_kind=product.kind,
            base_currency=product.base,
            quote_currency=product.quote,
            reason=reason,
        )
    )


# --------------------------------------------------------- over the WebSocket


def is_socket_answer(data: Json) -> bool:
    """An answer over the WebSocket."""
    header = data.get("header")
    return isinstance(header, dict) and "channel" in header


def read_socket_answer(row: Row, reading: Reading, kinds: tuple[Kind, ...]) -> None:
    """{"request_id", "ack", "header": {"channel", "status", …}, "data": {"result" or "errs"}}.

    Args:
        row: the answer.
        reading: where it is read into.
        kinds: by which the rows of other answers than those to orders are read.
    """
    header = row.optional_row("header")
    data = row.optional_row("data") if isinstance(row.data.get("data"), dict) else None
    assert header is not None  # is_socket_answer
    channel = header.note("channel")
    prefix, _, name = channel.partition(".")
    action = ACTIONS.get(name, "")
    errors = data.optional_row("errs") if data is not None else None
    if errors is not None and errors.data:
        reading.skip(_FAILED.get(action, "request_error"), reason_of(errors))
        return
    result = data.data.get("result") if data is not None else None
    is_echo = row.data.get("ack") is True or (isinstance(result, dict) and "req_param" in result)
    if is_echo or name == "login":
        reading.skip("acknowledgement", f"channel {channel}")
        return
    if header.note("status") not in ("", "200"):
        reading.skip(_FAILED.get(action, "request_error"), f"status {header.note('status')}")
        return
    if data is None or not result:
        reading.skip("empty", "an answer without rows")
        return
    one = data.optional_row("result") if isinstance(result, dict) else None
    time = moment(header, "response_time")
    # When a request was answered says nothing about when what it asks for happens to the order.
    taken = None if action in (AMEND, CANCEL) else time
    market = "spot" if prefix == "spot" else ""
    for entry in data.rows("result") if one is None else [one]:
        if is_failure(entry.data):
            read_failure(entry, reading, action)
        elif is_order(entry.data):
            read_order(entry, reading, time)
        elif is_result(entry.data):
            read_result(entry, reading, action, market, taken)
        elif action and is_acknowledgement(entry.data):
            read_acknowledgement(entry, reading, action, market, taken)
        else:
            dispatch(kinds, entry, reading)
