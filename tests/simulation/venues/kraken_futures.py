"""Kraken Futures: REST, its answers with order events, the feeds `fills` and `open_orders`, the history."""

from __future__ import annotations

from collections.abc import Sequence

from tests.simulation import writer as w
from tests.simulation.truth import Event, Execution, Kind, State, TruthOrder
from tests.simulation.writer import Envelope, Json, Message, Row, iso, ms, number, text

SIDES = {1: "buy", 2: "sell"}


def _success(name: str) -> Envelope:
    return Envelope(
        f"futures {name}",
        lambda rows: {"result": "success", name: rows, "serverTime": "2025-10-09T09:00:00.000Z"},
    )


_FILLS, _STATUSES, _OPEN_ORDERS = _success("fills"), _success("orders"), _success("openOrders")
_FEED = Envelope("feed", lambda rows: {"feed": "fills", "username": "DemoUser", "fills": rows})
_HISTORY = Envelope(
    "history",
    lambda rows: {
        "accountUid": "f7d5571c",
        "len": len(rows),
        "elements": rows,
        "serverTime": "2025-10-09T09:00:00.000Z",
    },
)


def feeds(event: Event) -> list[Message]:
    """The feeds `fills` and `open_orders`. A rejected placement has only its answer; market orders are never
    in the book."""
    order, state, e = event.order, event.state, event.execution
    messages: list[Message] = []
    if event.kind is Kind.REJECTED or order.type == "market":
        pass
    elif event.kind is Kind.CANCELED or state.status == "FILLED":
        # A removal names the order by its ids alone.
        reason = "cancelled_by_user" if event.kind is Kind.CANCELED else "full_fill"
        gone = {"feed": "open_orders", "order_id": state.order_id, "cli_ord_id": order.client_order_id}
        messages = [w.stream(order, Row(gone | {"is_cancel": True, "reason": reason}))]
    else:
        words = {Kind.ACCEPTED: "new_placed_order_by_user", Kind.AMENDED: "edited_by_user"}
        in_book: Json = {
            "instrument": order.listing.symbol,
            "time": ms(order.created),
            "last_update_time": ms(event.time),
            "qty": number(state.leaves),  # what remains
            "filled": number(state.cumulative),
            "limit_price": number(text(state.limit)),
            "stop_price": 0.0,
            "type": "limit",
            "order_id": state.order_id,
            "cli_ord_id": order.client_order_id,
            "direction": order.side - 1,
            "reduce_only": False,
        }
        reason = words.get(event.kind, "partial_fill")
        change = {"feed": "open_orders", "order": in_book, "is_cancel": False, "reason": reason}
        messages = [w.stream(order, Row(change, event))]
    if e is None:
        return messages
    fill: Json = {
        "instrument": order.listing.symbol,
        "time": ms(e.time),
        "price": number(e.price),
        "seq": 100,
        "buy": e.side == 1,
        "qty": number(e.quantity),
        "remaining_order_qty": number(state.leaves),
        "order_id": e.order_id,
        "cli_ord_id": order.client_order_id,
        "fill_id": e.trade_id,
        "fill_type": "maker" if e.is_maker else "taker",
        "fee_paid": number(e.fee),
        "fee_currency": e.fee_currency,
        "taker_order_type": "ioc",
        "order_type": "limit",
    }
    return [w.stream(order, Row(fill, executions=(e,)), _FEED), *messages]


def _symbol(event: Event) -> str:
    """Older answers have it in small letters."""
    symbol = event.order.listing.symbol
    return symbol.lower() if event.order.number % 4 == 0 else symbol


def _before(event: Event) -> Event:
    events = event.order.events
    return events[max(events.index(event) - 1, 0)]


def _rest_order(event: Event) -> Json:
    """An order in the answers and in /orders/status: its size is `quantity`."""
    order, state = event.order, event.state
    found: Json = {
        "type": {"limit": "lmt", "market": "mkt"}.get(order.type, order.type),
        "orderId": state.order_id,
        "cliOrdId": order.client_order_id,
        "symbol": _symbol(event),
        "side": SIDES[order.side],
        "quantity": number(state.quantity),
        "filled": number(state.cumulative),
        "limitPrice": None if state.limit is None else number(state.limit),
        "reduceOnly": False,
        "timestamp": iso(order.created, 3),
        "lastUpdateTimestamp": iso(event.time, 3),
    }
    return found


def answer(event: Event) -> list[Message]:
    order, named = event.order, {"order_id": event.state.order_id}
    told = _rest_order(event)
    if event.kind in (Kind.ACCEPTED, Kind.REJECTED) and order.type == "market":
        return []  # its answer has the executions, which do not have a time of their own
    if event.kind is Kind.ACCEPTED:
        step = {"type": "PLACE", "order": told, "reducedQuantity": None}
        content = named | {"status": "placed", "cliOrdId": order.client_order_id, "orderEvents": [step]}
        name = "sendStatus"
    elif event.kind is Kind.REJECTED:
        step = {"type": "REJECT", "uid": named["order_id"], "reason": "POST_WOULD_EXECUTE", "order": told}
        name, content = "sendStatus", named | {"status": "postWouldExecute", "orderEvents": [step]}
    elif event.kind is Kind.AMENDED:
        step = {"type": "EDIT", "old": _rest_order(_before(event)), "new": told, "reducedQuantity": None}
        name, content = (
            "editStatus",
            {"status": "edited", "orderId": named["order_id"], "orderEvents": [step]},
        )
    elif event.kind is Kind.CANCELED:
        was = told | {"lastUpdateTimestamp": iso(_before(event).time, 3)}
        step = {"type": "CANCEL", "uid": named["order_id"], "order": was}
        name, content = "cancelStatus", named | {"status": "cancelled", "orderEvents": [step]}
    else:
        return []
    content["receivedTime"] = iso(event.time, 3)
    data = {"result": "success", name: content, "serverTime": iso(event.time, 3)}
    return [w.answer(order, Row(data, event))]


def query(event: Event) -> list[Message]:
    order, state = event.order, event.state
    if state.status in ("NEW", "PARTIALLY_FILLED") and order.number % 2:
        return [w.rest(order, Row(_open_order(event), event), _OPEN_ORDERS)]
    if state.status in ("CANCELED", "REJECTED") and order.number % 2:
        name = "OrderCancelled" if state.status == "CANCELED" else "OrderRejected"
        reason = "cancelled_by_user" if state.status == "CANCELED" else "post_order_failed"
        inner = {"order": _history_order(order, state, state.time), "reason": reason}
        element = {"uid": f"h-{state.order_id}", "timestamp": ms(event.time), "event": {name: inner}}
        return [w.rest(order, Row(element, event), _HISTORY)]
    words = {"FILLED": "FULLY_EXECUTED", "CANCELED": "CANCELLED", "REJECTED": "REJECTED"}
    status = words.get(state.status, "ENTERED_BOOK")
    told = _rest_order(event) | {"type": "ORDER"}
    row = {"order": told, "status": status, "updateReason": None, "error": None}
    return [w.rest(order, Row(row, event), _STATUSES)]


def _open_order(event: Event) -> Json:
    order, state = event.order, event.state
    return {
        "order_id": state.order_id,
        "cliOrdId": order.client_order_id,
        "symbol": _symbol(event),
        "side": SIDES[order.side],
        "orderType": "lmt",
        "limitPrice": number(text(state.limit)),
        "unfilledSize": number(state.leaves),
        "filledSize": number(state.cumulative),
        "receivedTime": iso(order.created, 3),
        "lastUpdateTime": iso(event.time, 3),
        "status": "partiallyFilled" if state.cumulative else "untouched",
        "reduceOnly": False,
    }


def _history_order(order: TruthOrder, state: State, time: int) -> Json:
    """Its `quantity` is what remained."""
    return {
        "uid": state.order_id,
        "accountUid": "f7d5571c-6d10-4cf1-944a-048d25682ed0",
        "tradeable": order.listing.symbol,
        "direction": "Buy" if order.side == 1 else "Sell",
        "quantity": text(state.quantity - state.cumulative),
        "filled": text(state.cumulative),
        "timestamp": ms(order.created),
        "limitPrice": text(state.limit),
        "orderType": "Market" if order.type == "market" else "Limit",
        "clientId": order.client_order_id,
        "reduceOnly": False,
        "lastUpdateTimestamp": ms(time),
    }


def _history_execution(e: Execution) -> Json:
    """The only place in REST that has the fee, in what the contract settles in."""
    after = next(event.state for event in e.order.events if event.execution is e)
    execution: Json = {
        "uid": e.trade_id,
        "order": _history_order(e.order, after, e.time),
        "timestamp": ms(e.time),
        "quantity": text(e.quantity),
        "price": text(e.price),
        "markPrice": text(e.order.listing.price),
        "limitFilled": False,
        "executionType": "maker" if e.is_maker else "taker",
        "usdValue": "1",
        "orderData": {"positionSize": "1", "fee": text(e.fee)},
    }
    inner = {"execution": {"execution": execution, "takerReducedQuantity": ""}}
    return {"uid": f"x-{e.trade_id}-{e.side}", "timestamp": ms(e.time), "event": inner}


def _fill(e: Execution) -> Json:
    """GET /fills: no fee."""
    return {
        "fill_id": e.trade_id,
        "symbol": e.order.listing.symbol,
        "side": SIDES[e.side],
        "order_id": e.order_id,
        "cliOrdId": e.order.client_order_id,
        "size": number(e.quantity),
        "price": number(e.price),
        "fillTime": iso(e.time, 3),
        "fillType": "maker" if e.is_maker else "taker",
    }


def history(executions: Sequence[Execution]) -> list[Message]:
    """The history has the fees, GET /fills has none."""
    found = w.pages(executions, _history_execution, _HISTORY, by=lambda e: "")
    for message in w.pages(executions, _fill, _FILLS, by=lambda e: ""):
        rows = [Row(row.data, executions=row.executions, fees=False) for row in message.rows]
        found.append(message.with_rows(rows))
    return found
