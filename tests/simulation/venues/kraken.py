"""Kraken: spot over REST and the second WebSocket; the futures are in `kraken_futures`.

Ids of both have the shape of spot's, and an amend is `amend_order`, which keeps the id (as editing a future
does); `EditOrder`, which gives a new one, is not written.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from tests.simulation import writer as w
from tests.simulation.truth import Event, Execution, Kind, Listing, State
from tests.simulation.venues import kraken_futures
from tests.simulation.writer import (
    Capabilities,
    Envelope,
    Json,
    Message,
    Row,
    Transport,
    Writer,
    iso,
    number,
    text,
)

SIDES = {1: "buy", 2: "sell"}
_LETTERS = "23456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_STATES = {"NEW": "new", "PARTIALLY_FILLED": "partially_filled", "FILLED": "filled", "CANCELED": "canceled"}
_REST_STATES = {"NEW": "open", "PARTIALLY_FILLED": "open", "FILLED": "closed", "CANCELED": "canceled"}
_REASON = {Kind.CANCELED: "User requested", Kind.EXPIRED: "Order expired"}

_CHANNEL = Envelope(
    "executions", lambda rows: {"channel": "executions", "type": "update", "data": rows, "sequence": 10}
)


def _keyed(rows: list[Json]) -> Json:
    return {key: value for row in rows for key, value in row.items()}


def _trades(rows: list[Json]) -> Json:
    return {"error": [], "result": {"count": len(rows), "trades": _keyed(rows)}}


# Spot's trade ids belong to one side; here both sides of a match have the same, so they are asked for apart.
_TRADES = {side: Envelope(f"trades {side}", _trades) for side in SIDES}
_QUERY = Envelope("orders", lambda rows: {"error": [], "result": _keyed(rows)})
_OPEN = Envelope("open", lambda rows: {"error": [], "result": {"open": _keyed(rows)}})
_CLOSED = Envelope("closed", lambda rows: {"error": [], "result": {"closed": _keyed(rows), "count": 1}})


class Kraken(Writer):
    """Spot, linear and inverse. Futures state no average, so missing fills have none to be checked by."""

    venue = "kraken"
    capabilities = Capabilities(average_places=5, states_average=False, trade_ids="venue")
    listings = (
        Listing(
            "BTC/USD", "spot", "BTC", "USD", Decimal(67213), Decimal("0.1"), Decimal("0.00000001"),
            ("USD",), name="XXBTZUSD XBTUSD", without=frozenset({Kind.REJECTED}), lots=5_000_000,
        ),
        Listing(
            "ETH/BTC", "spot", "ETH", "BTC", Decimal("0.05213"), Decimal("0.00001"), Decimal("0.0001"),
            ("BTC",), name="XETHXXBT ETHXBT", without=frozenset({Kind.REJECTED}),
        ),
        Listing(
            "SOL/EUR", "spot", "SOL", "EUR", Decimal("142.25"), Decimal("0.01"), Decimal("0.01"),
            ("EUR",), name="SOLEUR SOLEUR", without=frozenset({Kind.REJECTED}),
        ),
        Listing(
            "PF_XBTUSD", "linear", "BTC", "USD", Decimal(67190), Decimal(1), Decimal("0.0001"),
            ("USD",), Decimal(1), without=frozenset({Kind.EXPIRED}),
        ),
        Listing(
            "PI_ETHUSD", "inverse", "ETH", "USD", Decimal(3519), Decimal("0.05"), Decimal(1),
            ("ETH",), Decimal(1), without=frozenset({Kind.EXPIRED}), lots=9_000,
        ),
    )  # fmt: skip

    def order_id(self, number: int) -> str:
        return _id("O", number)

    def trade_id(self, number: int) -> str:
        return _id("T", number)

    def stream(self, event: Event) -> list[Message]:
        if event.order.listing.market == "spot":
            rows = _rows(event)
            return [Message(event.order.account, Transport.STREAM, rows, _CHANNEL)]
        return kraken_futures.feeds(event)

    def answer(self, event: Event) -> list[Message]:
        return (_spot_answer if event.order.listing.market == "spot" else kraken_futures.answer)(event)

    def query(self, event: Event) -> list[Message]:
        return (_spot_query if event.order.listing.market == "spot" else kraken_futures.query)(event)

    def history(self, executions: Sequence[Execution]) -> list[Message]:
        found: list[Message] = []
        for side, envelope in _TRADES.items():
            of_it = [e for e in executions if e.order.listing.market == "spot" and e.side == side]
            found += w.pages(of_it, _trade, envelope, by=lambda e: "")
        futures = [e for e in executions if e.order.listing.market != "spot"]
        found += kraken_futures.history(futures)
        return found


def _id(letter: str, number: int) -> str:
    digits = ""
    while number:
        number, at = divmod(number, len(_LETTERS))
        digits = _LETTERS[at] + digits
    return f"{letter}6NTZC-K6FRH-{digits.rjust(6, _LETTERS[0])}"


def _in_quote(event: Event) -> bool:
    """A market buy with `viqc`, which some of ours have."""
    order = event.order
    is_market_buy = order.type == "market" and order.side == 1 and order.listing.market == "spot"
    return is_market_buy and bool(order.number % 2)


def _cost(executions: Sequence[Execution]) -> Decimal:
    return sum((e.quantity * e.price for e in executions), Decimal(0))


# ---------------------------------------------------------------------- spot, second WebSocket


def _rows(event: Event) -> tuple[Row, ...]:
    """An event's rows of the executions channel: only the first ones and the last name all there is."""
    order, state, e = event.order, event.state, event.execution
    ids: Json = {"order_id": state.order_id, "cl_ord_id": order.client_order_id, "order_userref": 0}
    at = {"timestamp": iso(event.time, 6)}
    if event.kind is Kind.ACCEPTED:
        pending = ids | _asked(event) | at | {"exec_type": "pending_new", "order_status": "pending_new"}
        new = ids | at | {"exec_type": "new", "order_status": "new"}
        return Row(pending), Row(new if order.number % 3 else new | _asked(event), None)
    if e is None:
        word = "amended" if event.kind is Kind.AMENDED else event.kind.value
        status = _STATES.get(state.status, "expired")
        row = ids | at | {"exec_type": word, "order_status": status} | _totals(state)
        if event.kind is Kind.AMENDED:
            return (Row(row | _asked(event) | {"amended": True, "reason": "User requested"}, event),)
        reason = _REASON[event.kind]
        return (Row(row | {"cancel_reason": reason, "reason": reason}, event, quantity=False),)
    traded = ids | at | {
        "exec_id": e.trade_id,
        "exec_type": "trade",
        "trade_id": 8_253_473 + e.number % 1000,
        "symbol": order.listing.symbol,
        "side": SIDES[e.side],
        "last_qty": number(e.quantity),
        "last_price": number(e.price),
        "liquidity_ind": "m" if e.is_maker else "t",
        "cost": number(e.quantity * e.price),
        "order_status": _STATES[state.status],
        "order_type": "market" if order.type == "market" else "limit",
        "fee_usd_equiv": number("0.03088618"),
        "fees": [{"asset": e.fee_currency, "qty": number(e.fee)}],
    }  # fmt: skip
    if state.status != "FILLED":
        return (Row(traded, executions=(e,)),)
    filled = ids | at | _asked(event) | {"exec_type": "filled", "order_status": "filled"} | _totals(state)
    return Row(traded, executions=(e,)), Row(filled, event, quantity=not _in_quote(event))


def _asked(event: Event) -> Json:
    order, state = event.order, event.state
    found: Json = {
        "symbol": order.listing.symbol,
        "side": SIDES[order.side],
        "order_type": "market" if order.type == "market" else "limit",
        "time_in_force": "IOC" if order.type == "ioc" else "GTC",
    }
    if _in_quote(event):
        return found | {"cash_order_qty": number(state.quantity * order.listing.price)}
    found["order_qty"] = number(state.quantity)
    if state.limit is not None:
        found |= {"limit_price": number(state.limit), "limit_price_type": "static", "stop_price": 0.0}
    return found


def _totals(state: State) -> Json:
    return {
        "cum_qty": number(state.cumulative),
        "cum_cost": number(_cost(state.executions)),
        "avg_price": number(w.average_text(state.average, 5)),
        "fee_usd_equiv": 0.0,
    }


# ---------------------------------------------------------------------- spot, REST and answers


def _spot_answer(event: Event) -> list[Message]:
    order, by_socket = event.order, event.order.number % 2 == 0
    order_id = event.state.order_id
    if event.kind is Kind.ACCEPTED:
        if by_socket:
            result = {"order_id": order_id, "order_userref": 0, "cl_ord_id": order.client_order_id}
            return [w.answer(order, Row(_method("add_order", result, event), event, quantity=False))]
        price = "market" if event.state.limit is None else f"limit {text(event.state.limit)}"
        quantity = event.state.quantity * (order.listing.price if _in_quote(event) else 1)
        told = f"{SIDES[order.side]} {text(quantity, 8)} {order.listing.name.split()[1]} @ {price}"
        data = {"error": [], "result": {"descr": {"order": told}, "txid": [order_id]}}
        # It does not name the client order id.
        return [w.answer(order, Row(data))]
    if event.kind is Kind.AMENDED:
        named = {"amend_id": "TTW6PD-RC36L-ZZSWNU", "order_id": order_id}
        data = _method("amend_order", named, event) if by_socket else _rest({"amend_id": named["amend_id"]})
        return [w.answer(order, Row(data))]
    if event.kind is Kind.CANCELED:
        data = _method("cancel_order", {"order_id": order_id}, event) if by_socket else _rest({"count": 1})
        return [w.answer(order, Row(data))]
    return []


def _rest(result: Json) -> Json:
    return {"error": [], "result": result}


def _method(method: str, result: Json, event: Event) -> Json:
    times = {"time_in": iso(event.time - w.MS, 6), "time_out": iso(event.time + 40 * w.US, 6)}
    return {"method": method, "req_id": 123, "result": result, "success": True} | times


def _seconds(time: int) -> str:
    return number(f"{time // w.SECOND}.{time % w.SECOND // w.MS:03d}")


def _spot_query(event: Event) -> list[Message]:
    order = event.order
    row = Row({event.state.order_id: _spot_order(event)}, event, quantity=not _in_quote(event))
    if event.state.status in ("NEW", "PARTIALLY_FILLED"):
        # It has no time of the order's last change, so it says how things were when it was asked.
        return [w.answer(order, row, _OPEN if order.number % 2 else _QUERY)]
    return [w.rest(order, row, _CLOSED if order.number % 2 else _QUERY)]


def _spot_order(event: Event) -> Json:
    order, state = event.order, event.state
    kind = "market" if order.type == "market" else "limit"
    pair, price = order.listing.name.split()[1], text(state.limit)
    quantity = state.quantity * (order.listing.price if _in_quote(event) else 1)
    found: dict[str, Any] = {
        "refid": None,
        "userref": None,
        "cl_ord_id": order.client_order_id,
        "status": _REST_STATES.get(state.status, "expired"),
        "opentm": _seconds(order.created),
        "starttm": 0,
        "expiretm": 0,
        "descr": {
            "pair": pair,
            "type": SIDES[order.side],
            "ordertype": kind,
            "price": price,
            "price2": "0",
            "leverage": "none",
            "order": f"{SIDES[order.side]} {text(quantity, 8)} {pair} @ {kind} {price}",
            "close": "",
        },
        "vol": text(quantity, 8),
        "vol_exec": text(state.cumulative, 8),
        "cost": text(_cost(state.executions)),
        "fee": text(sum((e.fee for e in state.executions), Decimal(0))),
        "price": w.average_text(state.average, 5, "0.00000"),
        "stopprice": "0.00000",
        "limitprice": "0.00000",
        "misc": "",
        "oflags": "viqc" if _in_quote(event) else "fciq",
        "trades": [e.trade_id for e in state.executions],
    }
    if found["status"] != "open":
        found |= {"reason": _REASON.get(event.kind), "closetm": _seconds(event.time)}
    return found


def _trade(e: Execution) -> Json:
    """TradesHistory: the fee is in the quote currency and names none; `trade_id` is the public one."""
    trade = {
        "ordertxid": e.order_id,
        "postxid": "TKH2SE-M7IF5-CFI7LT",
        "pair": e.order.listing.name.split()[0],
        "time": _seconds(e.time),
        "type": SIDES[e.side],
        "ordertype": "market" if e.order.type == "market" else "limit",
        "price": text(e.price, 5),
        "cost": text(e.quantity * e.price),
        "fee": text(e.fee),
        "vol": text(e.quantity, 8),
        "margin": "0.00000",
        "leverage": "0",
        "misc": "",
        "trade_id": 68_230_622 + e.number % 1000,
        "maker": e.is_maker,
    }
    return {e.trade_id: trade}
