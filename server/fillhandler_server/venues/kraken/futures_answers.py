"""Kraken Futures' answers to placements, edits, cancels and batches, with the order events in them."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from fillhandler_server.domain.fills import ContractKind, Fill, Liquidity, Side
from fillhandler_server.domain.numbers import EXACT, ZERO, divide_shown
from fillhandler_server.domain.reports import OrderReport, OrderStatus
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.kraken import futures
from fillhandler_server.venues.kraken.values import SIDES, find, marks, time_of
from fillhandler_server.venues.reading import Reading, Row

ANSWERS: Final = ("sendStatus", "editStatus", "cancelStatus", "batchStatus")

_DONE: Final = {
    "placed": OrderStatus.NEW,
    "edited": OrderStatus.NEW,
    "attempted": OrderStatus.PENDING_NEW,
    "untouched": OrderStatus.NEW,
    "partiallyFilled": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED,
    "cancelled": OrderStatus.CANCELED,
}
"""What went well: the order's state with it. Any other word says why it did not."""

_CANCEL_WORDS: Final = frozenset({"notFound", "noOrdersToCancel"})
_EDIT_WORDS: Final = frozenset(
    "orderForEditNotFound orderForEditNotAStop cannotEditTriggerPriceOfTrailingStop "
    "cannotEditLimitPriceOfTrailingStop editHasNoEffect".split()
)

_EVENT_TYPES: Final = {word: word for word in ("PLACE", "CANCEL", "EDIT", "REJECT", "EXECUTION", "FILL")}


def is_answer(data: Json) -> bool:
    """An answer to a placement, an edit, a cancel or a batch."""
    return any(isinstance(data.get(name), dict | list) for name in ANSWERS)


def read_answer(row: Row, reading: Reading) -> None:
    """{"result": "success", "sendStatus": {...}} and the like."""
    for name in ANSWERS:
        content = row.data.get(name)
        if isinstance(content, list):
            if not content:
                reading.skip("empty", "a batch without entries")
            for entry in row.rows(name):
                read_outcome(entry, reading)
        elif isinstance(content, dict):
            entry = Row(content, f"{row.path}{name}.", reading)
            action = {"sendStatus": "send", "editStatus": "edit", "cancelStatus": "cancel"}.get(name, "")
            read_outcome(entry, reading, action)


def is_outcome(data: Json) -> bool:
    """The content of an answer, or an entry of a batch's."""
    return "orderEvents" in data or ("status" in data and ("order_tag" in data or "cancelledOrders" in data))


def read_outcome(row: Row, reading: Reading, action: str = "") -> None:
    """What became of one request: a word, ids, and the events in the order of their happening."""
    word = row.optional_word("status")
    events = row.rows("orderEvents")
    if not word:
        # A bare list of order events.
        for event in events:
            read_event(event, reading)
        if not events and not reading.faults:
            reading.skip("empty", "an answer without events")
        return
    kinds = [event.note("type") for event in events]
    if word not in _DONE:
        _refused(row, reading, action or _guessed(row, word, kinds), word, events)
        return
    if word == "filled" and action == "cancel":
        reading.skip("failed_cancel", "the order was filled before")
    before = len(reading.reports)
    _read_events(row, events, reading)
    if len(reading.reports) == before:
        _report_ids(row, reading, _DONE[word], action)
    elif _DONE[word] == OrderStatus.FILLED and len(reading.reports) == before + 1:
        reading.reports[-1].status = OrderStatus.FILLED


def _guessed(row: Row, word: str, kinds: list[str]) -> str:
    """What was asked, for an entry of a batch that does not say it: only a placement has an `order_tag`."""
    if word in _CANCEL_WORDS:
        return "cancel"
    if word in _EDIT_WORDS:
        return "edit"
    placed = row.has("order_tag") or "REJECT" in kinds or not row.has("order_id", "orderId")
    return "send" if placed else "edit"


def _refused(row: Row, reading: Reading, action: str, word: str, events: list[Row]) -> None:
    # Executions may stand beside a refusal: REJECTED_AFTER_EXECUTION.
    for event in events:
        if event.note("type") == "EXECUTION":
            _Executions(reading).add(event, time_of(row, "receivedTime"), report=False)
    if action == "cancel":
        reading.skip("failed_cancel", word)
    elif action == "edit":
        reading.skip("failed_amend", word)
    else:
        for event in events:
            if event.note("type") == "REJECT" and _order_of(event) is not None:
                read_event(event, reading, word)
                return
        if row.has("order_id", "orderId", "cliOrdId", "cli_ord_id"):
            _report_ids(row, reading, OrderStatus.REJECTED, action, word)
        else:
            reading.skip("failed_placement", word)


def _report_ids(row: Row, reading: Reading, status: int, action: str, reason: str = "") -> None:
    """The reports of an answer that has no events: the ids are all there is."""
    cancelled = row.rows("cancelledOrders") if "cancelledOrders" in row.data else []
    targets = cancelled or [row]
    for target in targets:
        order_id = target.optional_id("order_id", "orderId")
        client_order_id = target.optional_id("cliOrdId", "cli_ord_id")
        if not order_id and not client_order_id:
            if cancelled or action != "cancel":
                target.fail("order_id", "missing")
            else:
                reading.skip("acknowledgement", "a cancel that names no order")
            continue
        reading.reports.append(
            OrderReport(
                venue=reading.venue,
                status=status,
                order_id=order_id,
                client_order_id=client_order_id,
                account=reading.account,
                time=time_of(row, "receivedTime", "dateTimeReceived"),
                reason=reason,
            )
        )


# ---------------------------------------------------------------------- events


def is_event(data: Json) -> bool:
    """An order event of an answer."""
    return "type" in data and any(
        isinstance(data.get(key), dict)
        for key in ("order", "orderTrigger", "new", "orderPriorExecution", "orderPriorEdit")
    )


def _order_of(event: Row) -> Row | None:
    for key in ("new", "order", "orderTrigger"):
        if isinstance(event.data.get(key), dict):
            return event.optional_row(key)
    return None


def read_event(event: Row, reading: Reading, word: str = "") -> None:
    """One event: PLACE, CANCEL, EDIT, REJECT give a report, EXECUTION a fill."""
    kind = event.choice(_EVENT_TYPES, "type", default="")
    if kind == "EXECUTION":
        _Executions(reading).add(event, None)
        return
    order = _order_of(event)
    if order is None:
        event.fail("order", "missing")
        return
    filled = order.optional_number("filled")
    quantity = futures.stated_quantity(order)
    status: int = {"CANCEL": OrderStatus.CANCELED, "REJECT": OrderStatus.REJECTED}.get(kind, OrderStatus.NEW)
    if filled and status == OrderStatus.NEW and quantity is not None and filled >= quantity:
        status = OrderStatus.FILLED
    old = event.optional_row("old") if isinstance(event.data.get("old"), dict) else None
    futures.report(
        order,
        reading,
        status,
        quantity=quantity,
        filled=filled,
        reason=event.note("reason") or word,
        previous=old.optional_id("orderId", "uid") if old is not None else "",
    )


def _read_events(row: Row, events: list[Row], reading: Reading) -> None:
    """The events of one answer: executions that follow each other add up to one report."""
    executions = _Executions(reading)
    received = time_of(row, "receivedTime", "dateTimeReceived")
    for event in events:
        if event.note("type") == "EXECUTION":
            executions.add(event, received, report=False)
        else:
            executions.report(received)  # before a CANCEL of the rest
            executions = _Executions(reading)
            read_event(event, reading)
    executions.report(received)


class _Executions:
    """The executions of one answer, which say the order's state before each of them and none after."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.order: Row | None = None
        self.fills: list[Fill] = []

    def add(self, event: Row, received: int | None, *, report: bool = True) -> None:
        """Reads an execution; the order took what was in the book when it arrived or was edited."""
        order = event.optional_row("orderPriorExecution")
        if order is None:
            event.fail("orderPriorExecution", "missing")
            return
        reading = self.reading
        told = find(order, "symbol")
        fill = Fill(
            venue=reading.venue,
            symbol=told.symbol,
            order_id=order.id("orderId", "uid"),
            trade_id=event.id("executionId"),
            side=order.choice(SIDES, "side", default=Side.UNSPECIFIED),
            quantity=event.positive("amount"),
            price=event.number("price"),
            account=reading.account,
            market=told.market,
            client_order_id=order.optional_id("cliOrdId", "clientId"),
            liquidity=Liquidity.TAKER,
            # An order that executes in the answer does so when it is received or edited.
            trade_time=time_of(order, "lastUpdateTimestamp", "timestamp") or received,
            contract_kind=told.kind,
            multiplier=told.multiplier,
            metadata=marks(order, told, "symbol"),
            base_currency=told.base,
            quote_currency=told.quote,
        )
        reading.fills.append(fill)
        self.fills.append(fill)
        self.order = self.order or order
        if report:
            self.report(received)

    def report(self, received: int | None) -> None:
        """The order after all of them."""
        if self.order is None:
            return
        before = self.order.optional_number("filled") or ZERO
        quantity = futures.stated_quantity(self.order)
        filled = before
        for fill in self.fills:
            filled = EXACT.add(filled, fill.quantity)
        done = quantity is not None and filled >= quantity
        futures.report(
            self.order,
            self.reading,
            OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED,
            quantity=quantity,
            filled=filled,
            average=None if before else self._average(),
            time=received,
        )

    def _average(self) -> Decimal | None:
        """Of fills that are all of the order's; inverse contracts only where the price is one."""
        prices = {fill.price for fill in self.fills}
        if len(prices) == 1:
            return self.fills[0].price
        if self.fills[0].contract_kind != ContractKind.LINEAR:
            return None
        value, quantity = ZERO, ZERO
        for fill in self.fills:
            value = EXACT.add(value, EXACT.multiply(fill.price or ZERO, fill.quantity))
            quantity = EXACT.add(quantity, fill.quantity)
        return divide_shown(value, quantity)
