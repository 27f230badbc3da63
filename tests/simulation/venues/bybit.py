"""Bybit v5: topics `execution`, `execution.fast` and `order`; REST orders and executions; answers of REST, of
batches and of the trade WebSocket."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from tests.simulation import writer as w
from tests.simulation.truth import Event, Execution, Kind, Listing
from tests.simulation.writer import Capabilities, Envelope, Json, Message, Row, Writer, ms, text

SIDES = {1: "Buy", 2: "Sell"}
STATUSES = {
    "NEW": "New",
    "PARTIALLY_FILLED": "PartiallyFilled",
    "FILLED": "Filled",
    "CANCELED": "Cancelled",
    "REJECTED": "Rejected",
}
# What is left of an IOC order is cancelled.
_WITHOUT = frozenset({Kind.EXPIRED})
_CATEGORIES = ("spot", "linear", "inverse")


def _push(topic: str) -> Envelope:
    def build(rows: list[Json]) -> Json:
        times = [int(row["updatedTime"] if "updatedTime" in row else row["execTime"]) for row in rows]
        named = {"id": "592324803b2785-26fa-4214-9963-bdd4727f07be"} if topic != "execution.fast" else {}
        return named | {"topic": topic, "creationTime": max(times) + 6, "data": rows}

    return Envelope(topic, build)


def _page(name: str, category: str) -> Envelope:
    def build(rows: list[Json]) -> Json:
        result = {"nextPageCursor": "132766%3A2%2C132766%3A2", "category": category, "list": rows}
        return _said(result)

    return Envelope(f"{name} {category}", build)


def _said(result: Json, **more: Any) -> Json:
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": 1760000000000} | more


_ORDER, _EXECUTION, _FAST = _push("order"), _push("execution"), _push("execution.fast")
_ORDERS = {category: _page("orders", category) for category in _CATEGORIES}
_EXECUTIONS = {category: _page("executions", category) for category in _CATEGORIES}


class Bybit(Writer):
    """Spot, linear, inverse. An amend keeps the order id; inverse quantities are dollars."""

    venue = "bybit"
    capabilities = Capabilities(average_places=8, trade_ids="venue")
    listings = (
        Listing(
            "BTCUSDT", "spot", "BTC", "USDT", Decimal(67213), Decimal("0.01"), Decimal("0.000001"),
            ("BTC", "USDT"), without=_WITHOUT,
        ),
        Listing(
            "ETHBTC", "spot", "ETH", "BTC", Decimal("0.05213"), Decimal("0.000001"), Decimal("0.0001"),
            ("ETH", "BTC"), without=_WITHOUT,
        ),
        Listing(
            "BTCUSDT", "linear", "BTC", "USDT", Decimal(67190), Decimal("0.1"), Decimal("0.001"),
            ("USDT",), without=_WITHOUT,
        ),
        Listing(
            "ETHPERP", "linear", "ETH", "USDC", Decimal("3519.25"), Decimal("0.01"), Decimal("0.01"),
            ("USDC",), without=_WITHOUT,
        ),
        Listing(
            "BTCUSD", "inverse", "BTC", "USD", Decimal(67188), Decimal("0.1"), Decimal(1),
            ("BTC",), Decimal(1), without=_WITHOUT, lots=50_000,
        ),
    )  # fmt: skip

    def order_id(self, number: int) -> str:
        return f"{number:08x}-39a7-459e-97bf-{number:012x}"

    def trade_id(self, number: int) -> str:
        return f"{number:08x}-cbed-5275-9290-{number:012x}"

    def client_order_id(self, number: int) -> str:
        return f"my-{number}"

    def stream(self, event: Event) -> list[Message]:
        order, e = event.order, event.execution
        if _refused(event):
            return []
        pushed = _order(event) | {"category": order.listing.market, "feeCurrency": ""}
        messages = [w.stream(order, Row(pushed, event, quantity=not _in_quote(event)), _ORDER)]
        if e is None:
            return messages
        fast = Row(_fast(e), executions=(e,), fees=False)
        full = Row(_execution(e, "feeCoin") | {"category": order.listing.market}, executions=(e,))
        return [w.stream(order, fast, _FAST), w.stream(order, full, _EXECUTION), *messages]

    def answer(self, event: Event) -> list[Message]:
        order = event.order
        ids = {"orderId": event.state.order_id, "orderLinkId": order.client_order_id}
        by_socket = order.number % 3 == 1
        if event.kind is Kind.REJECTED and _refused(event):
            return [w.answer(order, Row(_batch(event), event, quantity=False))]
        if event.kind in (Kind.ACCEPTED, Kind.REJECTED):
            # What is rejected by the matching engine was accepted before.
            states = event if event.kind is Kind.ACCEPTED else None
            if by_socket:
                data = _socket("order.create", ids)
            elif order.number % 3 == 2:
                data = _batch(event)
            else:
                data = _said(ids)
            return [w.answer(order, Row(data, states, quantity=False))]
        if event.kind is Kind.AMENDED:
            return [w.answer(order, Row(_socket("order.amend", ids) if by_socket else _said(ids)))]
        if event.kind is Kind.CANCELED:
            return [w.answer(order, Row(_socket("order.cancel", ids) if by_socket else _said(ids)))]
        return []

    def query(self, event: Event) -> list[Message]:
        if _refused(event):
            return []
        row = Row(_order(event), event, quantity=not _in_quote(event))
        return [w.rest(event.order, row, _ORDERS[event.order.listing.market])]

    def history(self, executions: Sequence[Execution]) -> list[Message]:
        found = []
        for category in _CATEGORIES:
            of_it = [e for e in executions if e.order.listing.market == category]
            newest_first = of_it[::-1]
            found += w.pages(
                newest_first, lambda e: _execution(e, "feeCurrency"), _EXECUTIONS[category], by=lambda e: ""
            )
        return found


def _refused(event: Event) -> bool:
    """A placement that never became an order: only the entry of its batch tells."""
    return event.kind is Kind.REJECTED and event.order.number % 3 == 2


def _in_quote(event: Event) -> bool:
    """A spot market buy without `marketUnit` is in the quote currency; some of ours have it."""
    order = event.order
    is_market_buy = order.type == "market" and order.listing.market == "spot" and order.side == 1
    return is_market_buy and order.number % 3 != 0


def _unit(event: Event) -> str:
    order = event.order
    if order.type != "market" or order.listing.market != "spot":
        return ""
    if order.side == 1:
        return ("baseCoin", "quoteCoin", "")[order.number % 3]
    return ("", "baseCoin")[order.number % 2]


def _batch(event: Event) -> Json:
    """The answer to create-batch."""
    order, failed = event.order, _refused(event)
    entry = {
        "category": order.listing.market,
        "symbol": order.listing.symbol,
        "orderId": "" if failed else event.state.order_id,
        "orderLinkId": order.client_order_id,
        "createAt": "" if failed else str(ms(event.time)),
    }
    code = {"code": 170131, "msg": "Balance insufficient."} if failed else {"code": 0, "msg": "OK"}
    return _said({"list": [entry]}, retExtInfo={"list": [code]})


def _socket(op: str, data: Json) -> Json:
    """An answer of the trade WebSocket."""
    return {
        "reqId": "test-005",
        "retCode": 0,
        "retMsg": "OK",
        "op": op,
        "data": data,
        "retExtInfo": {},
        "header": {"X-Bapi-Limit": "10", "Traceid": "38b7977b430f9bd228f4b19724794dfd", "Timenow": "1711001"},
        "connId": "cnt5leec0hvan15eukcg-2v",
    }


def _value(executions: Sequence[Execution]) -> str:
    """In the quote currency, of inverse contracts in coin (rounded)."""
    if executions and executions[0].order.listing.is_inverse:
        return text(sum((e.quantity / e.price for e in executions), Decimal(0)), 8)
    return text(sum((e.quantity * e.price for e in executions), Decimal(0)))


def _price(event: Event) -> str:
    """Derivatives' market orders have a protective price, which is no limit."""
    order = event.order
    if event.state.limit is not None:
        return text(event.state.limit)
    if order.listing.market == "spot":
        return "0"
    return text(order.listing.price + (50 if order.side == 1 else -50) * order.listing.tick)


def _order(event: Event) -> Json:
    """As REST and the order topic have it."""
    order, state = event.order, event.state
    spot = order.listing.market == "spot"
    status = STATUSES[state.status]
    if spot and status == "Cancelled" and state.cumulative:
        status = "PartiallyFilledCanceled"
    quantity = state.quantity * order.listing.price if _in_quote(event) else state.quantity
    leaves = max(quantity - state.cumulative * order.listing.price, Decimal(0))
    fees = {coin: text(amount) for coin, amount in state.fees.items()}
    rejected = state.status == "REJECTED"
    found = {
        "symbol": order.listing.symbol,
        "orderId": state.order_id,
        "orderLinkId": order.client_order_id,
        "blockTradeId": "",
        "side": SIDES[order.side],
        "positionIdx": 0,
        "orderStatus": status,
        "cancelType": "CancelByUser" if state.status == "CANCELED" else "UNKNOWN",
        "rejectReason": "EC_PostOnlyWillTakeLiquidity" if rejected else "EC_NoError",
        "timeInForce": "PostOnly" if rejected else "GTC" if order.type == "limit" else "IOC",
        "price": _price(event),
        "qty": text(quantity),
        "cumExecQty": text(state.cumulative),
        "leavesQty": text(leaves if _in_quote(event) and state.leaves else state.leaves),
        "leavesValue": "0",
        "cumExecValue": _value(state.executions),
        "avgPrice": w.average_text(state.average, 8, ""),
        "cumExecFee": text(sum(state.fees.values(), Decimal(0))),
        "cumFeeDetail": fees,
        "orderType": "Market" if order.type == "market" else "Limit",
        "stopOrderType": "",
        "orderIv": "",
        "marketUnit": _unit(event),
        "triggerPrice": "",
        "takeProfit": "",
        "stopLoss": "",
        "reduceOnly": False,
        "closeOnTrigger": False,
        "lastPriceOnCreated": text(order.listing.price),
        "smpType": "None",
        "smpGroup": 0,
        "smpOrderId": "",
        "createdTime": str(ms(order.created)),
        "updatedTime": str(ms(event.time)),
    }
    return found if spot else found | {"createType": "CreateByUser"}


def _fee_coin(e: Execution) -> str:
    """Older pushes leave it empty; then it is the one of the "spot fee currency instruction"."""
    listing = e.order.listing
    if listing.market == "spot":
        is_rebate = e.is_maker and e.fee < 0
        documented = listing.base if (e.side == 1) != is_rebate else listing.quote
    else:
        documented = listing.base if listing.is_inverse else listing.quote
    return "" if e.fee_currency == documented and e.number % 2 else e.fee_currency


def _execution(e: Execution, coin: str) -> Json:
    order = e.order
    after = next(event.state for event in order.events if event.execution is e)
    found = {
        "symbol": order.listing.symbol,
        "orderType": "Market" if order.type == "market" else "Limit",
        "underlyingPrice": "",
        "orderLinkId": order.client_order_id,
        "side": SIDES[e.side],
        "indexPrice": "",
        "orderId": e.order_id,
        "stopOrderType": "UNKNOWN",
        "leavesQty": text(after.leaves),
        "execTime": str(ms(e.time)),
        coin: _fee_coin(e),
        "isMaker": e.is_maker,
        "execFee": text(e.fee),
        "feeRate": "0.0006",
        "execId": e.trade_id,
        "tradeIv": "",
        "blockTradeId": "",
        "markPrice": text(order.listing.price),
        "execPrice": text(e.price),
        "markIv": "",
        "orderQty": text(after.quantity),
        "orderPrice": text(after.limit),
        "execValue": _value((e,)),
        "execType": "Trade",
        "execQty": text(e.quantity),
        "closedSize": "0",
        "extraFees": [],
        "seq": 4688002127 + e.number,
    }
    return found if order.listing.market == "spot" else found | {"createType": "CreateByUser"}


def _fast(e: Execution) -> Json:
    """`execution.fast`: no fee, and makers without their orderLinkId."""
    return {
        "category": e.order.listing.market,
        "symbol": e.order.listing.symbol,
        "execId": e.trade_id,
        "execPrice": text(e.price),
        "execQty": text(e.quantity),
        "orderId": e.order_id,
        "isMaker": e.is_maker,
        "orderLinkId": "" if e.is_maker else e.order.client_order_id,
        "side": SIDES[e.side],
        "execTime": str(ms(e.time)),
        "seq": 4688002127 + e.number,
    }
