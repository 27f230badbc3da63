"""Bitget: v2 spot and futures (one-way and hedge mode), the unified account (v3).

A v2 modify makes another order with a client id of its own, so only the unified account amends here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal

from tests.simulation import writer as w
from tests.simulation.truth import Event, Execution, Kind, Listing, State, TruthOrder
from tests.simulation.writer import Capabilities, Envelope, Json, Message, Row, Writer, ms, text

PLACES = 8
SIDES = {1: "buy", 2: "sell"}
STATUSES = {"NEW": "live", "PARTIALLY_FILLED": "partially_filled", "FILLED": "filled"}
# An IOC order's rest is canceled.
_ALL = frozenset({Kind.EXPIRED})
_V2 = _ALL | {Kind.AMENDED}


class CoinMargined(Listing):
    """Its quantity is in the base currency, so its figures are those of a linear contract."""

    @property
    def is_inverse(self) -> bool:
        return False


def _pushes(inst_type: str, channel: str, inst_id: str = "default") -> Envelope:
    arg = {"instType": inst_type, "channel": channel, "instId": inst_id}

    def build(rows: list[Json]) -> Json:
        return {"action": "snapshot", "arg": arg, "data": rows, "ts": 1760000000012}

    return Envelope(f"{inst_type} {channel} {inst_id}", build)


def _topic(topic: str) -> Envelope:
    arg = {"instType": "UTA", "topic": topic}
    return Envelope(f"UTA {topic}", lambda rows: {"data": rows, "arg": arg, "action": "snapshot", "ts": 1})


def _answered(name: str) -> Envelope:
    """`name`: the list inside `data`; "" where `data` is the list."""
    return Envelope(f"answer {name}", lambda rows: _ok({name: rows, "endId": "1"} if name else rows))


def _ok(data: object) -> Json:
    return {"code": "00000", "msg": "success", "requestTime": 1760000000345, "data": data}


class Bitget(Writer):
    """Listings by their `name`: v2 by instType, "uta" by category behind it."""

    venue = "bitget"
    capabilities = Capabilities(average_places=PLACES, enriches=True)
    listings = (
        Listing(
            "BTCUSDT", "spot", "BTC", "USDT", Decimal(67213), Decimal("0.01"), Decimal("0.000001"),
            ("BTC", "USDT", "BGB"), name="SPOT", without=_V2, lots=900_000,
        ),
        Listing(
            "BTCUSDT", "linear", "BTC", "USDT", Decimal(67190), Decimal("0.1"), Decimal("0.0001"),
            ("USDT", "BGB"), name="USDT-FUTURES", without=_V2,
        ),
        Listing(
            "ETHPERP", "linear", "ETH", "USDC", Decimal(3519), Decimal("0.01"), Decimal("0.01"),
            ("USDC",), name="USDC-FUTURES", without=_V2,
        ),
        CoinMargined(
            "BTCUSD", "inverse", "BTC", "USD", Decimal(67120), Decimal("0.1"), Decimal("0.001"),
            ("BTC",), name="COIN-FUTURES", without=_V2,
        ),
        Listing(
            "XRPUSDT", "linear", "XRP", "USDT", Decimal("2.4113"), Decimal("0.0001"), Decimal(1),
            ("USDT",), name="uta usdt-futures", without=_ALL, lots=80_000,
        ),
        Listing(
            "ETHUSDT", "spot", "ETH", "USDT", Decimal("3521.4"), Decimal("0.01"), Decimal("0.0001"),
            ("ETH", "USDT"), name="uta spot", without=_ALL,
        ),
    )  # fmt: skip

    def order_id(self, number: int) -> str:
        return str(1_360_000_000_000_000_000 + number)

    def trade_id(self, number: int) -> str:
        return str(1_360_000_500_000_000_000 + number)

    # ------------------------------------------------------------------ WebSocket

    def stream(self, event: Event) -> list[Message]:
        order, e = event.order, event.execution
        if event.kind is Kind.REJECTED:
            return []
        told = () if e is None else (e,)
        states = not _in_quote(order)
        if _is_unified(order):
            update = Row(_unified_order(event), event, quantity=states)
            messages = [w.stream(order, update, _topic("order"))]
            if e is not None:
                fast = Row(_fast_fill(e), executions=told, fees=False)
                messages.insert(0, w.stream(order, fast, _topic("fast-fill")))
                messages.append(w.stream(order, Row(_unified_fill(e), executions=told), _topic("fill")))
            return messages
        kind = order.listing.name
        inst_id = order.listing.symbol if kind == "SPOT" else "default"
        pushed = Row(_pushed(event), event, told, quantity=states)
        messages = [w.stream(order, pushed, _pushes(kind, "orders", inst_id))]
        if e is not None:
            row = _fill(e, socket=True)
            messages.append(w.stream(order, Row(row, executions=told), _pushes(kind, "fill")))
        return messages

    # ------------------------------------------------------------------ answers

    def answer(self, event: Event) -> list[Message]:
        order = event.order
        ids = {"orderId": event.state.order_id, "clientOid": order.client_order_id}
        if event.kind is Kind.REJECTED:
            failure = ids | {"orderId": "", "errorCode": "43012", "errorMsg": "Insufficient balance"}
            data = {"successList": [], "failureList": [failure]}
            return [w.answer(order, Row(_ok(data), event, quantity=False))]
        if event.kind is Kind.ACCEPTED:
            if order.number % 2:
                return [w.answer(order, Row(_ok(ids), event, quantity=False))]
            return [w.answer(order, Row(_socket(event, ids, "place-order"), event, quantity=False))]
        channel = {Kind.CANCELED: "cancel-order", Kind.AMENDED: "modify-order"}.get(event.kind)
        if channel is None or order.number % 2:
            return [] if channel is None else [w.answer(order, Row(_ok(ids)))]
        return [w.answer(order, Row(_socket(event, ids, channel)))]

    # ------------------------------------------------------------------ REST

    def query(self, event: Event) -> list[Message]:
        order = event.order
        if event.kind is Kind.REJECTED:
            return []
        is_open = event.state.status in ("NEW", "PARTIALLY_FILLED")
        states = not _in_quote(order)
        if _is_unified(order):
            name, found = "list", _unified_order(event)
        elif order.listing.market == "spot":
            name, found = "", _spot_order(event)
        else:
            name, found = "entrustedList", _mix_order(event)
        if is_open or not name:
            return [w.rest(order, Row(found, event, quantity=states), _answered(name))]
        return [w.rest(order, Row(_ok(found), event, quantity=states))]

    def history(self, executions: Sequence[Execution]) -> list[Message]:
        found = []
        for envelope, row in (("list", _unified_fill), ("", _fill), ("fillList", _fill)):
            some = [e for e in executions if _list_of(e.order) == envelope]
            found += w.pages(some, row, _answered(envelope), by=lambda e: e.order.listing.name)
        return found


def _is_unified(order: TruthOrder) -> bool:
    return order.listing.name.startswith("uta")


def _list_of(order: TruthOrder) -> str:
    if _is_unified(order):
        return "list"
    return "" if order.listing.market == "spot" else "fillList"


def _in_quote(order: TruthOrder) -> bool:
    """A spot market buy is stated in the quote currency."""
    return order.type == "market" and order.side == 1 and order.listing.market == "spot"


def _asked(event: Event) -> str:
    order, quantity = event.order, event.state.quantity
    return text(quantity * order.listing.price if _in_quote(order) else quantity)


def _status(event: Event) -> str:
    word = STATUSES.get(event.state.status)
    return word or (
        "cancelled" if event.order.listing.market == "spot" or _is_unified(event.order) else "canceled"
    )


def _type(order: TruthOrder) -> Json:
    return {
        "orderType": "market" if order.type == "market" else "limit",
        "force": "ioc" if order.type == "ioc" else "gtc",
    }


def _average(state: State, none: str = "0") -> str:
    return w.average_text(state.average, PLACES, none)


def _mode(order: TruthOrder) -> Json:
    """In hedge mode `side` names the position: buy + close is a sale."""
    if order.number % 3 == 0:
        side = SIDES[order.side]
        return {"side": side, "tradeSide": f"{side}_single", "posMode": "one_way_mode", "posSide": "net"}
    closes = order.number % 3 == 1
    is_long = (order.side == 1) is not closes
    return {
        "side": "buy" if is_long else "sell",
        "tradeSide": "close" if closes else "open",
        "posMode": "hedge_mode",
        "posSide": "long" if is_long else "short",
    }


def _socket(event: Event, ids: Json, channel: str) -> Json:
    """The answer over the WebSocket, from before the matching engine does it."""
    order, time = event.order, str(ms(event.time) - (1 if channel != "place-order" else 0))
    if _is_unified(order):
        category = order.listing.name.split()[1]
        more = {"symbol": order.listing.symbol, "cTime": time} if channel == "place-order" else {}
        answer: Json = {"category": category, "topic": channel, "args": [ids | more], "code": "0"}
    else:
        arg = {"id": f"r{order.number}", "instType": order.listing.name, "channel": channel}
        answer = {"arg": [arg | {"instId": order.listing.symbol, "params": ids}], "code": 0}
    return {"event": "trade", "id": f"r{order.number}", "msg": "success", "ts": time} | answer


# ---------------------------------------------------------------------- v2


def _pushed(event: Event) -> Json:
    order, state, e = event.order, event.state, event.execution
    row: Json = _type(order) | {
        "instId": order.listing.symbol,
        "orderId": state.order_id,
        "clientOid": order.client_order_id,
        "price": text(state.limit) if state.limit is not None else "",
        "accBaseVolume": text(state.cumulative),
        "priceAvg": _average(state, "0.00000"),
        "status": _status(event),
        "cTime": str(ms(order.created)),
        "uTime": str(ms(event.time)),
        "feeDetail": [{"feeCoin": coin, "fee": text(-fee)} for coin, fee in state.fees.items()],
        "enterPointSource": "API",
        "stpMode": "none",
    }
    if order.listing.market == "spot":
        value = text(state.quantity * order.listing.price)
        row |= {"side": SIDES[order.side], "newSize": _asked(event), "size": value, "notional": value}
    else:
        row |= _mode(order) | {
            "size": text(state.quantity),
            "leverage": "20",
            "marginCoin": "USDT",
            "marginMode": "crossed",
            "notionalUsd": "540",
            "reduceOnly": "no",
            "totalProfits": "0",
            "cancelReason": "normal_cancel" if event.kind is Kind.CANCELED else "",
        }
    if e is not None:
        row |= {
            "tradeId": e.trade_id,
            "fillPrice": text(e.price),
            "baseVolume": text(e.quantity),
            "fillTime": str(ms(e.time)),
            "fillFee": text(-e.fee),
            "fillFeeCoin": e.fee_currency,
            "tradeScope": "M" if e.is_maker else "T",
        }
    return row


def _fill(e: Execution, *, socket: bool = False) -> Json:
    order = e.order
    spot = order.listing.market == "spot"
    row: Json = {
        "orderId": e.order_id,
        "tradeId": e.trade_id,
        "symbol": order.listing.symbol,
        "orderType": "market" if order.type == "market" else "limit",
        "tradeScope": ("marker" if spot and socket else "maker") if e.is_maker else "taker",
        "cTime": str(ms(e.time)),
        "uTime": str(ms(e.time) + (0 if socket else 7)),
    }
    fee: object = _fee_detail(e, costs_are_positive=spot and socket)
    if socket or not spot:
        fee = [fee]
    elif e.number % 5 == 0:
        fee = json.dumps(fee)
    row["feeDetail"] = fee
    value = text(e.quantity * e.price)
    if spot:
        return row | {
            "userId": "7264631750",
            "side": SIDES[e.side],
            "priceAvg": text(e.price),
            "size": text(e.quantity),
            "amount": value,
        }
    mode = _mode(order)
    del mode["posSide"]
    more = {"clientOid": order.client_order_id} if socket else {"enterPointSource": "api"}
    fill = {"price": text(e.price), "baseVolume": text(e.quantity), "quoteVolume": value, "profit": "0"}
    return row | mode | more | fill


def _fee_detail(e: Execution, *, costs_are_positive: bool) -> Json:
    """A rebate is never paid by deduction; the sign of what was deducted in BGB varies."""
    if e.fee_currency == "BGB" and e.fee >= 0:
        shown = text(e.fee if e.number % 2 else -e.fee)
        total = "0" if e.number % 3 == 0 else shown
        return {"deduction": "yes", "feeCoin": "BGB", "totalDeductionFee": shown, "totalFee": total}
    fee = text(e.fee if costs_are_positive else -e.fee)
    return {"deduction": "no", "feeCoin": e.fee_currency, "totalDeductionFee": "0", "totalFee": fee}


def _queried(event: Event) -> Json:
    order, state = event.order, event.state
    return _type(order) | {
        "symbol": order.listing.symbol,
        "orderId": state.order_id,
        "clientOid": order.client_order_id,
        "size": _asked(event),
        "price": text(state.limit),
        "priceAvg": _average(state),
        "baseVolume": text(state.cumulative),
        "quoteVolume": text(sum((e.quantity * e.price for e in state.executions), Decimal(0))),
        "enterPointSource": "API",
        "orderSource": "normal",
        "cTime": str(ms(order.created)),
        "uTime": str(ms(event.time)),
    }


def _spot_order(event: Event) -> Json:
    """orderInfo; the list of open orders has the order's price in `priceAvg`."""
    row = _queried(event) | {"side": SIDES[event.order.side], "status": _status(event), "userId": "7264"}
    if event.state.leaves and event.order.number % 2:
        paid = row["priceAvg"]
        row |= {"basePrice": paid, "priceAvg": row.pop("price"), "triggerPrice": None, "tpslType": "normal"}
        return row
    return row | {"feeDetail": "", "cancelReason": ""}


def _mix_order(event: Event) -> Json:
    status = "state" if event.state.status not in ("NEW", "PARTIALLY_FILLED") else "status"
    more = {
        status: _status(event),
        "fee": "0",
        "totalProfits": "0",
        "marginCoin": "USDT",
        "marginMode": "crossed",
        "leverage": "20",
        "reduceOnly": "NO",
        "presetStopSurplusPrice": "",
    }
    return _queried(event) | _mode(event.order) | more


# ---------------------------------------------------------------------- unified account


def _unified(order: TruthOrder, order_id: str) -> Json:
    category = order.listing.name.split()[1]
    mode = (
        {} if category == "spot" else {"holdMode": "one_way_mode", "tradeSide": f"{SIDES[order.side]}_single"}
    )
    return mode | {
        "category": category,
        "symbol": order.listing.symbol,
        "orderId": order_id,
        "clientOid": order.client_order_id,
        "orderType": "market" if order.type == "market" else "limit",
        "side": SIDES[order.side],
    }


def _unified_order(event: Event) -> Json:
    order, state = event.order, event.state
    return _unified(order, state.order_id) | {
        "price": text(state.limit) if state.limit is not None else "",
        "qty": _asked(event),
        "amount": "",
        "timeInForce": "ioc" if order.type == "ioc" else "gtc",
        "marginMode": "crossed",
        "reduceOnly": "no",
        "cumExecQty": text(state.cumulative),
        "cumExecValue": text(sum((e.quantity * e.price for e in state.executions), Decimal(0))),
        "avgPrice": _average(state),
        "orderStatus": _status(event),
        "cancelReason": "",
        "feeDetail": [{"feeCoin": coin, "fee": text(fee)} for coin, fee in state.fees.items()],
        "createdTime": str(ms(order.created)),
        "updatedTime": str(ms(event.time)),
        "stpMode": "none",
    }


def _fast_fill(e: Execution) -> Json:
    return _unified(e.order, e.order_id) | {
        "execId": e.trade_id,
        "execQty": text(e.quantity),
        "execPrice": text(e.price),
        "tradeScope": "maker" if e.is_maker else "taker",
        "execTime": str(ms(e.time)),
        "updatedTime": str(ms(e.time) + 1),
    }


def _unified_fill(e: Execution) -> Json:
    return _fast_fill(e) | {
        "execValue": text(e.quantity * e.price),
        "execPnl": "0",
        "feeDetail": [{"feeCoin": e.fee_currency, "fee": text(e.fee)}],
        "createdTime": str(ms(e.time)),
    }
