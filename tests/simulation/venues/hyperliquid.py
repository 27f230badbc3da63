"""Hyperliquid: `orderUpdates`, `userFills`, `userEvents`; info and exchange answers. It states no average.

A modify makes another order (a new `oid` that opens, the old one canceled, both with the `cloid`) and no
message says that one took the other's place, so orders are not amended here.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import cache

from tests.simulation import writer as w
from tests.simulation.truth import Event, Execution, Kind, Listing, TruthOrder
from tests.simulation.writer import LIST, Capabilities, Envelope, Json, Message, Row, Writer, ms, text

SIDES = {1: "B", 2: "A"}
STATUSES = {"NEW": "open", "PARTIALLY_FILLED": "open", "FILLED": "filled"}
# IOC orders have no ending of their own here.
_WITHOUT = frozenset({Kind.EXPIRED})

_UPDATES = Envelope("orderUpdates", lambda rows: {"channel": "orderUpdates", "data": rows})
_EVENTS = Envelope("userEvents", lambda rows: {"channel": "user", "data": {"fills": rows}})
_CANCELS = Envelope("nonUserCancel", lambda rows: {"channel": "user", "data": {"nonUserCancel": rows}})


@cache
def _fills_of(account: str) -> Envelope:
    user = "0x" + account.encode().hex().rjust(40, "0")

    def build(rows: list[Json]) -> Json:
        return {"channel": "userFills", "data": {"user": user, "fills": rows}}

    return Envelope("userFills", build)


class Hyperliquid(Writer):
    """Perpetuals, one of a builder's dex, spot by name and by number. A `tid` is unique in a coin only."""

    venue = "hyperliquid"
    capabilities = Capabilities(amend="", states_average=False, fee_places=6)
    listings = (
        Listing(
            "BTC", "linear", "BTC", "USDC", Decimal(67213), Decimal(1), Decimal("0.00001"),
            ("USDC",), Decimal(1), without=_WITHOUT, lots=9_000_000,
        ),
        Listing(
            "kPEPE", "linear", "kPEPE", "USDC", Decimal("0.011213"), Decimal("0.000001"), Decimal(1),
            ("USDC",), Decimal(1), without=_WITHOUT, lots=90_000,
        ),
        Listing(
            "xyz:TSLA", "linear", "TSLA", "USDC", Decimal("431.27"), Decimal("0.01"), Decimal("0.001"),
            ("USDC",), Decimal(1), without=_WITHOUT,
        ),
        Listing(
            "PURR/USDC", "spot", "PURR", "USDC", Decimal("0.18112"), Decimal("0.00001"), Decimal(1),
            ("PURR", "USDC"), without=_WITHOUT, lots=70_000,
        ),
        Listing(
            "@107", "spot", "HYPE", "USDC", Decimal("39.117"), Decimal("0.001"), Decimal("0.01"),
            ("HYPE", "USDC"), without=_WITHOUT, lots=70_000,
        ),
    )  # fmt: skip

    def order_id(self, number: int) -> str:
        return str(187_000_000_000 + number)

    def trade_id(self, number: int) -> str:
        return str(567_547_000_000_000 + 11 * number)

    def client_order_id(self, number: int) -> str:
        return f"0x{number:032x}"

    # ------------------------------------------------------------------ WebSocket

    def stream(self, event: Event) -> list[Message]:
        order, e = event.order, event.execution
        told: list[Message] = []
        if e is not None:
            fill = Row(_fill(e), executions=(e,))
            told.append(w.stream(order, fill, _fills_of(order.account)))
            if order.number % 3 == 0:
                told.append(w.stream(order, fill, _EVENTS))
        # A partial fill changes no status: it is told by the fill, and by an update in some cases only.
        if e is None or event.state.status == "FILLED" or order.number % 2:
            told.append(w.stream(order, Row(_update(event), event), _UPDATES))
        if event.kind is Kind.CANCELED and _is_forced(order):
            row = {"coin": order.listing.symbol, "oid": int(event.state.order_id)}
            told.append(w.stream(order, Row(row), _CANCELS))
        return told

    # ------------------------------------------------------------------ exchange and info

    def answer(self, event: Event) -> list[Message]:
        order = event.order
        if event.kind is Kind.ACCEPTED and order.type == "limit":
            resting = {"oid": int(event.state.order_id), "cloid": order.client_order_id}
            row = Row(_answer(order, "order", {"resting": resting}), event, quantity=False)
        elif event.kind is Kind.REJECTED:
            row = Row(_answer(order, "order", {"error": "Insufficient margin to place order. asset=0"}))
        elif event.kind is Kind.CANCELED and not _is_forced(order):
            row = Row(_answer(order, "cancel", "success"))
        else:
            # What trades at once is answered with `filled`, whose figures are later than this.
            return []
        return [w.answer(order, row)]

    def query(self, event: Event) -> list[Message]:
        order = event.order
        if order.number % 3 == 0:
            return [w.rest(order, Row(_historical(event), event), LIST)]
        if event.state.leaves and event is not order.last_told and order.number % 3 == 1:
            return [w.rest(order, Row(_resting(event), event), LIST)]
        return [w.rest(order, Row({"status": "order", "order": _historical(event)}, event))]

    def history(self, executions: Sequence[Execution]) -> list[Message]:
        return w.pages(executions, _fill, LIST, by=lambda e: "")


def _number(value: Decimal | None) -> str:
    shown = text(value)
    return shown if "." in shown else f"{shown}.0"


def _is_forced(order: TruthOrder) -> bool:
    """What the venue cancels by itself."""
    return order.number % 4 == 0


def _status(event: Event) -> str:
    order, status = event.order, event.state.status
    if status == "REJECTED":
        return "perpMarginRejected" if order.listing.market == "linear" else "insufficientSpotBalanceRejected"
    if status == "CANCELED":
        return (
            ("marginCanceled", "selfTradeCanceled")[order.number % 8 // 4]
            if _is_forced(order)
            else "canceled"
        )
    return STATUSES[status]


def _order(event: Event) -> Json:
    order, state = event.order, event.state
    # A market order's is the worst price it would take.
    slippage = Decimal("1.08") if order.side == 1 else Decimal("0.92")
    worst = (order.listing.price * slippage).quantize(order.listing.tick)
    return {
        "coin": order.listing.symbol,
        "side": SIDES[order.side],
        "limitPx": _number(worst if state.limit is None else state.limit),
        "sz": _number(state.quantity - state.cumulative),
        "oid": int(state.order_id),
        "timestamp": ms(order.created),
        "origSz": _number(state.quantity),
        "cloid": order.client_order_id,
    }


def _update(event: Event) -> Json:
    return {"order": _order(event), "status": _status(event), "statusTimestamp": ms(event.time)}


def _resting(event: Event) -> Json:
    """frontendOpenOrders."""
    tif = {"limit": "Gtc", "market": "FrontendMarket", "ioc": "Ioc"}[event.order.type]
    return _order(event) | {
        "isPositionTpsl": False,
        "isTrigger": False,
        "orderType": "Market" if event.order.type == "market" else "Limit",
        "reduceOnly": False,
        "tif": tif,
        "triggerCondition": "N/A",
        "triggerPx": "0.0",
        "children": [],
    }


def _historical(event: Event) -> Json:
    """historicalOrders and orderStatus: the time is that of the status, open since it was placed."""
    time = event.order.created if event.state.status in ("NEW", "PARTIALLY_FILLED") else event.time
    return {"order": _resting(event), "status": _status(event), "statusTimestamp": ms(time)}


def _answer(order: TruthOrder, kind: str, status: Json | str) -> Json:
    body: Json = {"status": "ok", "response": {"type": kind, "data": {"statuses": [status]}}}
    if order.number % 2:
        return body
    response = {"type": "action", "payload": body}
    return {"channel": "post", "data": {"id": order.number % 1000, "response": response}}


def _fill(e: Execution) -> Json:
    order = e.order
    if order.listing.market == "spot":
        direction = "Buy" if e.side == 1 else "Sell"
    else:
        direction = "Open Long" if e.side == 1 else "Open Short"
    return {
        "coin": order.listing.symbol,
        "px": _number(e.price),
        "sz": _number(e.quantity),
        "side": SIDES[e.side],
        "time": ms(e.time),
        "startPosition": "0.0",
        "dir": direction,
        "closedPnl": "0.0",
        "hash": f"0x{e.number:064x}",
        "oid": int(e.order_id),
        "crossed": not e.is_maker,
        "fee": _number(e.fee),
        "tid": int(e.trade_id),
        "cloid": order.client_order_id,
        "feeToken": e.fee_currency,
        "twapId": None,
    }
