"""Bybit's answers to placements, amends and cancels, over REST and over the trade WebSocket.

An answer has the ids and no state. Over the WebSocket `op` says what was asked. Over REST the entries of a
batch say it by their keys: only placements have `createAt`, and only cancel-all has neither category nor
symbol; amends and cancels look alike, and so do the single answers of all three.
"""

from __future__ import annotations

from typing import Final

from fillhandler_server.domain.reports import OrderReport, OrderStatus
from fillhandler_server.venues.bybit.words import MARKETS, describe
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.reading import Reading, Row

SUCCESS: Final = frozenset({"0", ""})

PLACE: Final = "place"
AMEND: Final = "amend"
CANCEL: Final = "cancel"
CHANGE: Final = "change"
"""An amend or a cancel: the answer does not say which."""

ACTIONS: Final = {
    "order.create": PLACE,
    "order.create-batch": PLACE,
    "order.amend": AMEND,
    "order.amend-batch": AMEND,
    "order.cancel": CANCEL,
    "order.cancel-batch": CANCEL,
    "order.cancel-all": CANCEL,
}

_ACCEPTED: Final = {
    PLACE: OrderStatus.NEW,
    # "The acknowledgement indicates that the request was successfully accepted": the order channel tells
    # what became of it.
    AMEND: OrderStatus.PENDING_REPLACE,
    CANCEL: OrderStatus.PENDING_CANCEL,
}

CANCEL_CODES: Final = frozenset(
    # Error list: the order to amend or cancel is not there, is finished, or cannot be cancelled.
    "30034 110001 110008 110010 110064 110079 140001 140008 140010 140064 170139 170142 170143 170145 170147 "
    "170190 170191 170213".split()
)

_STATES: Final = frozenset(
    "orderStatus status cumExecQty execId execQty execType tradeId side amount coin".split()
)


def is_acknowledgement(data: Json) -> bool:
    """Ids without a state."""
    return ("orderId" in data or "orderLinkId" in data) and _STATES.isdisjoint(data.keys())


def entry_action(data: Json) -> str:
    """What an entry of a REST batch answers to."""
    if "createAt" in data:
        return PLACE
    return CHANGE if "symbol" in data or "category" in data else CANCEL


def read_acknowledgement(row: Row, reading: Reading) -> None:
    """An entry passed alone, or the answer to a single request: with nothing but ids it is a placement's."""
    action = entry_action(row.data)
    if action == PLACE and not row.has("orderId"):
        # An entry of a batch that failed; why stands in another list.
        failure(row, reading, PLACE, "not accepted")
        return
    accept(row, reading, CHANGE if action == CHANGE else PLACE)


def accept(row: Row, reading: Reading, action: str) -> None:
    """A request that was accepted."""
    if action == CHANGE:
        reading.skip("acknowledgement", "an amend or a cancel was accepted: the answer does not say which")
        return
    if action == PLACE:
        row.id("orderId")
    report(row, reading, _ACCEPTED[action])


def failure(row: Row, reading: Reading, action: str, reason: str, code: str = "") -> None:
    """A request that failed: a placement is a rejection, and after the others the order lives on."""
    if not action:
        # A placement that failed never got an order id.
        placement = code not in CANCEL_CODES and not row.has("orderId")
        action = PLACE if placement else CHANGE
    if action != PLACE:
        reading.skip("failed_amend" if action == AMEND else "failed_cancel", reason)
    elif row.has("orderId", "orderLinkId"):
        report(row, reading, OrderStatus.REJECTED, reason)
    else:
        reading.skip("failed_placement", reason)


def report(row: Row, reading: Reading, status: OrderStatus, reason: str = "") -> None:
    """A report with what the answer has."""
    order_id, client_order_id = row.optional_id("orderId"), row.optional_id("orderLinkId")
    if not order_id and not client_order_id:
        row.fail("orderId", "missing, and so is orderLinkId")
    spelling = row.optional_id("symbol").upper()
    market = row.optional_choice(MARKETS, "category", default="")
    symbol = describe(spelling, market)
    created = row.optional_time("createAt")
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=status,
            symbol=spelling,
            order_id=order_id,
            client_order_id=client_order_id,
            account=reading.account,
            market=symbol.market,
            time=created,
            create_time=created,
            contract_kind=symbol.kind,
            multiplier=symbol.multiplier,
            base_currency=symbol.base,
            quote_currency=symbol.quote,
            reason=reason,
        )
    )


def said(code: str, text: str) -> str:
    """An error for people."""
    return (f"{code}: {text}" if code else text) or "not accepted"


def read_batch(result: Row, reading: Reading, action: str, codes: list[Row], whole: str, text: str) -> None:
    """The entries of a batch; `codes` says of each how it went.

    Args:
        result: the object with the list.
        reading: what was understood so far.
        action: what was asked, "" where the entries have to tell.
        codes: the entries of `retExtInfo.list`, in the same order.
        whole: the code of the answer as a whole.
        text: its text.
    """
    if whole in SUCCESS and result.note("success") == "0":
        whole, text = "success 0", "not all were cancelled"
    for index, entry in enumerate(result.rows("list")):
        own = codes[index] if index < len(codes) else None
        code, why = (own.note("code"), own.note("msg")) if own is not None else (whole, text)
        asked = action or entry_action(entry.data)
        if own is None and asked == PLACE and not entry.has("orderId"):
            # Only failed placements have none; why is not told here.
            failure(entry, reading, asked, said(code, why))
        elif code in SUCCESS:
            accept(entry, reading, asked)
        else:
            failure(entry, reading, asked, said(code, why), code)
