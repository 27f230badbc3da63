"""OKX: the `orders` channel, fills and orders over REST, answers to placements, amends and cancels."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from tests.simulation import writer as w
from tests.simulation.truth import Event, Execution, Kind, Listing
from tests.simulation.writer import Capabilities, Envelope, Json, Message, Row, Writer, ms, text

SIDES = {1: "buy", 2: "sell"}
TYPES = {"spot": "SPOT", "linear": "SWAP", "inverse": "SWAP"}
STATES = {
    "NEW": "live",
    "PARTIALLY_FILLED": "partially_filled",
    "FILLED": "filled",
    "CANCELED": "canceled",
}
# IOC orders end as canceled; a rejection is an answer only.
_WITHOUT = frozenset({Kind.EXPIRED})


def _answer(rows: list[Json]) -> Json:
    return {"code": "0", "msg": "", "data": rows, "inTime": "1695190491421339", "outTime": "1695190491423240"}


_REST = Envelope("answer", _answer)


def _push(kind: str) -> Envelope:
    arg = {"channel": "orders", "instType": kind, "uid": "77982378738415879"}
    return Envelope(f"orders {kind}", lambda rows: {"arg": arg, "data": rows})


_PUSHES = {kind: _push(kind) for kind in ("SPOT", "SWAP")}


class Okx(Writer):
    """Spot and perpetuals. Trade ids are unique within an instrument; an amend keeps the order id."""

    venue = "okx"
    capabilities = Capabilities(average_places=10)
    listings = (
        Listing(
            "BTC-USDT", "spot", "BTC", "USDT", Decimal(67213), Decimal("0.1"), Decimal("0.00000001"),
            ("BTC", "USDT"), without=_WITHOUT, lots=5_000_000,
        ),
        Listing(
            "ETH-BTC", "spot", "ETH", "BTC", Decimal("0.05213"), Decimal("0.00001"), Decimal("0.000001"),
            ("ETH", "BTC", "OKB"), without=_WITHOUT,
        ),
        Listing(
            "BTC-USDT-SWAP", "linear", "BTC", "USDT", Decimal(67190), Decimal("0.1"), Decimal("0.01"),
            ("USDT",), Decimal("0.01"), without=_WITHOUT,
        ),
        Listing(
            "ETH-USD-SWAP", "inverse", "ETH", "USD", Decimal(3519), Decimal("0.01"), Decimal(1),
            ("ETH",), Decimal(10), without=_WITHOUT, lots=90,
        ),
    )  # fmt: skip

    def order_id(self, number: int) -> str:
        return str(2_657_625_147_000_000_000 + number)

    def client_order_id(self, number: int) -> str:
        return f"lnk{number}"

    def stream(self, event: Event) -> list[Message]:
        if event.kind is Kind.REJECTED:
            return []
        told = (event.execution,) if event.execution is not None else ()
        row = Row(_pushed(event), event, told, quantity=not _in_quote(event))
        return [w.stream(event.order, row, _PUSHES[TYPES[event.order.listing.market]])]

    def answer(self, event: Event) -> list[Message]:
        order = event.order
        entry: Json = {
            "clOrdId": order.client_order_id,
            "ordId": event.state.order_id,
            "sCode": "0",
            "sMsg": "",
            "ts": str(ms(event.time)),
        }
        if event.kind is Kind.ACCEPTED:
            row = Row(entry | {"tag": "", "sMsg": "Order placed"}, event, quantity=False)
        elif event.kind is Kind.REJECTED:
            failed = {"ordId": "", "tag": "", "sCode": "51008", "sMsg": "Insufficient balance"}
            row = Row(entry | failed, event, quantity=False)
        elif event.kind is Kind.AMENDED:
            # `ts` is there the time of the order, not of the amendment.
            row = Row(entry | {"reqId": "", "ts": str(ms(order.created))})
        elif event.kind is Kind.CANCELED:
            row = Row(entry)
        else:
            return []
        return [w.answer(order, row, _REST)]

    def query(self, event: Event) -> list[Message]:
        if event.kind is Kind.REJECTED:
            return []
        return [w.rest(event.order, Row(_order(event), event, quantity=not _in_quote(event)), _REST)]

    def history(self, executions: Sequence[Execution]) -> list[Message]:
        return w.pages(executions, _fill, _REST, by=lambda e: TYPES[e.order.listing.market])


def _in_quote(event: Event) -> bool:
    order = event.order
    return order.type == "market" and order.listing.market == "spot" and order.side == 1


def _kind(event: Event) -> str:
    return {"limit": "limit", "market": "market", "ioc": "ioc"}[event.order.type]


def _common(event: Event) -> dict[str, Any]:
    order, state = event.order, event.state
    quantity = text(state.quantity)
    if _in_quote(event):
        quantity = text(state.quantity * order.listing.price)
    cumulative = sum((e.fee for e in state.executions), Decimal(0))
    last = state.executions[-1] if state.executions else None
    return {
        "algoId": "",
        "cancelSource": "1" if event.kind is Kind.CANCELED else "",
        "category": "normal",
        "ccy": "",
        "clOrdId": order.client_order_id,
        "cTime": str(ms(order.created)),
        "feeCcy": last.fee_currency if last else "",
        "instId": order.listing.symbol,
        "instType": TYPES[order.listing.market],
        "lever": "3",
        "ordId": state.order_id,
        "ordType": _kind(event),
        "posSide": "net",
        "px": "" if state.limit is None else text(state.limit),
        "rebate": "0",
        "rebateCcy": "USDT",
        "side": SIDES[order.side],
        "sz": quantity,
        "tag": "",
        "tdMode": "cash" if order.listing.market == "spot" else "cross",
        "tgtCcy": "quote_ccy" if _in_quote(event) else "",
        "uTime": str(ms(event.time)),
        "accFillSz": text(state.cumulative),
        "avgPx": w.average_text(state.average, 10, ""),
        "state": STATES[state.status],
        "fee": text(-cumulative),
    }


def _pushed(event: Event) -> Json:
    e = event.execution
    amended = event.kind is Kind.AMENDED
    return _common(event) | {
        "reqId": "",
        "msg": "",
        "code": "0",
        "amendResult": "0" if amended else "",
        "amendSource": "1" if amended else "",
        "lastPx": text(event.order.listing.price),
        "notionalUsd": "3.94",
        "fillPx": text(e.price) if e else "",
        "tradeId": e.trade_id if e else "",
        "fillSz": text(e.quantity) if e else "0",
        "fillTime": str(ms(e.time)) if e else "",
        "fillNotionalUsd": "1.3147" if e else "",
        "fillPnl": "0",
        "fillFee": text(-e.fee) if e else "0",
        "fillFeeCcy": e.fee_currency if e else "",
        "execType": ("M" if e.is_maker else "T") if e else "",
    }


def _order(event: Event) -> Json:
    """GET /trade/order: it names the latest execution, without its fee."""
    last = event.state.executions[-1] if event.state.executions else None
    return _common(event) | {
        "fillPx": text(last.price) if last else "",
        "fillSz": text(last.quantity) if last else "0",
        "fillTime": str(ms(last.time)) if last else "",
        "tradeId": last.trade_id if last else "",
        "pnl": "0",
        "source": "",
    }


def _fill(e: Execution) -> Json:
    return {
        "side": SIDES[e.side],
        "fillSz": text(e.quantity),
        "fillPx": text(e.price),
        "fee": text(-e.fee),
        "ordId": e.order_id,
        "instType": TYPES[e.order.listing.market],
        "instId": e.order.listing.symbol,
        "clOrdId": e.order.client_order_id,
        "posSide": "net",
        "billId": f"3173213{e.trade_id}{e.side}",
        "subType": "1",
        "tag": "0",
        "execType": "M" if e.is_maker else "T",
        "tradeId": e.trade_id,
        "feeCcy": e.fee_currency,
        "ts": str(ms(e.time) + 3),
        "fillTime": str(ms(e.time)),
        "feeRate": "-0.001",
        "fillPnl": "0",
    }
