"""KuCoin: order pushes of spot (V2) and futures, fills and orders over REST, answers to requests."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from tests.simulation import writer as w
from tests.simulation.truth import Event, Execution, Kind, Listing
from tests.simulation.writer import Capabilities, Envelope, Json, Message, Row, Writer, ms, text

SIDES = {1: "buy", 2: "sell"}
# An IOC order ends as canceled. A spot order that is refused is named by no answer. A change of a spot order
# is a cancel and a new order, and no message says which took which one's place; futures have none.
_SPOT_WITHOUT = frozenset({Kind.EXPIRED, Kind.REJECTED, Kind.AMENDED})
_FUTURES_WITHOUT = frozenset({Kind.EXPIRED, Kind.AMENDED})


def _ok(data: object) -> Json:
    return {"code": "200000", "data": data}


def _page(rows: list[Json]) -> Json:
    return _ok({"currentPage": 1, "pageSize": 50, "totalNum": len(rows), "totalPage": 1, "items": rows})


_SPOT_PAGE = Envelope("hf/fills", lambda rows: _ok({"items": rows, "lastId": 19814995255305}))
_FUTURES_PAGE = Envelope("fills", _page)
_BATCH = Envelope("orders/multi", _ok)


class Kucoin(Writer):
    """High-frequency spot and classic futures. Sizes of futures are lots; pushes have no fees."""

    venue = "kucoin"
    # Pushes state no averages, and one of them may be all that is known of an order's end.
    capabilities = Capabilities(amend="", average_places=10, states_average=False)
    listings = (
        Listing(
            "BTC-USDT", "spot", "BTC", "USDT", Decimal(67213), Decimal("0.1"), Decimal("0.00000001"),
            ("USDT", "KCS"), without=_SPOT_WITHOUT, lots=5_000_000,
        ),
        Listing(
            "ETH-BTC", "spot", "ETH", "BTC", Decimal("0.05213"), Decimal("0.00001"), Decimal("0.0000001"),
            ("BTC", "KCS"), without=_SPOT_WITHOUT,
        ),
        Listing(
            "XBTUSDTM", "linear", "XBT", "USDT", Decimal(67190), Decimal("0.1"), Decimal(1),
            ("USDT",), Decimal("0.001"), without=_FUTURES_WITHOUT, lots=60,
        ),
        Listing(
            "XBTUSDCM", "linear", "XBT", "USDC", Decimal(67201), Decimal("0.1"), Decimal(1),
            ("USDC",), without=_FUTURES_WITHOUT, lots=60,
        ),
        Listing(
            "ETHUSDM", "inverse", "ETH", "USD", Decimal(3519), Decimal("0.05"), Decimal(1),
            ("ETH",), Decimal(1), without=_FUTURES_WITHOUT, lots=900,
        ),
    )  # fmt: skip

    def order_id(self, number: int) -> str:
        # Object ids of spot (once of futures too), and the decimal ones of futures today.
        return str(236_317_213_000_000_000 + number) if number % 2 else f"6717422bd51c2900{number:08x}"

    def trade_id(self, number: int) -> str:
        return str(11_029_373_000_000_000 + number)

    def client_order_id(self, number: int) -> str:
        return f"5c52e11203aa677f33e4{number:09d}"

    # ------------------------------------------------------------------ pushes

    def stream(self, event: Event) -> list[Message]:
        quantity = not _by_funds(event)
        rows: list[Row] = []
        if event.kind is Kind.ACCEPTED:
            if _is_spot(event):
                rows.append(Row(_push(_received(event), event), event, quantity=quantity))
            if event.order.type == "limit":
                rows.append(Row(_push(_change(event, "open", "open"), event), event))
        elif event.kind is Kind.TRADED and event.execution is not None:
            ends = event.state.status == "FILLED"
            # Of an order by funds a match does not say that it was the last one.
            states = None if ends and not quantity else event
            told = (event.execution,)
            match = _push(_match(event, event.execution), event)
            rows.append(Row(match, states, told, fees=False, quantity=quantity))
            if ends:
                rows.append(Row(_push(_change(event, "filled", "done"), event), event, quantity=quantity))
        elif event.kind is Kind.CANCELED:
            rows.append(Row(_push(_change(event, "canceled", "done"), event), event, quantity=quantity))
        return [w.stream(event.order, row) for row in rows]

    # ------------------------------------------------------------------ REST

    def answer(self, event: Event) -> list[Message]:
        order, ids = event.order, {"orderId": event.state.order_id}
        named = ids | {"clientOid": order.client_order_id}
        if event.kind is Kind.ACCEPTED:
            if order.number % 3 == 0 and not _is_spot(event):
                row = Row(_entry(event, "200000", "success"), event, quantity=False)
                return [w.answer(order, row, _BATCH)]
            if order.number % 3 == 0:
                return [
                    w.answer(
                        order, Row(_ok(named | _synchronous(event)), event, quantity=not _by_funds(event))
                    )
                ]
            return [w.answer(order, Row(_ok(named), event, quantity=False))]
        if event.kind is Kind.REJECTED:
            failed = _entry(event, "300003", "Balance insufficient")
            return [w.answer(order, Row(failed, event, quantity=False), _BATCH)]
        if event.kind is Kind.CANCELED:
            return [w.answer(order, Row(_ok(_canceled(event, ids))))]
        return []

    def query(self, event: Event) -> list[Message]:
        if event.kind is Kind.REJECTED:
            return []
        data = _spot_order(event) if _is_spot(event) else _futures_order(event)
        row = Row(data, event, quantity=not _by_funds(event))
        if event.order.number % 2:
            return [w.rest(event.order, Row(_ok(data), event, quantity=row.quantity))]
        return [w.rest(event.order, row, _SPOT_PAGE if _is_spot(event) else _FUTURES_PAGE)]

    def history(self, executions: Sequence[Execution]) -> list[Message]:
        spot = [e for e in executions if e.order.listing.market == "spot"]
        futures = [e for e in executions if e.order.listing.market != "spot"]
        return [
            *w.pages(spot, _spot_fill, _SPOT_PAGE),
            *w.pages(futures, _futures_fill, _FUTURES_PAGE, by=lambda e: ""),
        ]


def _is_spot(event: Event) -> bool:
    return event.order.listing.market == "spot"


def _by_funds(event: Event) -> bool:
    """A spot market buy is stated in quote."""
    return _is_spot(event) and event.order.type == "market" and event.order.side == 1


def _funds(event: Event) -> Decimal:
    return event.state.quantity * event.order.listing.price


def _value(event: Event) -> Decimal:
    return sum((e.quantity * e.price for e in event.state.executions), Decimal(0))


def _kind(event: Event) -> str:
    return "market" if event.order.type == "market" else "limit"


# ---------------------------------------------------------------------- pushes


def _push(data: Json, event: Event) -> Json:
    if _is_spot(event):
        topic, subject = "/spotMarket/tradeOrdersV2", "orderChange"
    else:
        topic, subject = f"/contractMarket/tradeOrders:{event.order.listing.symbol}", "symbolOrderChange"
    return {
        "topic": topic,
        "type": "message",
        "subject": subject,
        "userId": "633559791e1cbc0001f319bc",
        "channelType": "private",
        "data": data,
    }


def _received(event: Event) -> Json:
    """The first of spot: it has been taken, and nothing else is known."""
    order = event.order
    asked = (
        {"originFunds": text(_funds(event))}
        if _by_funds(event)
        else {"originSize": text(event.state.quantity)}
    )
    if order.type != "market":
        asked["price"] = text(event.state.limit)
    return asked | {
        "clientOid": order.client_order_id,
        "orderId": event.state.order_id,
        "orderTime": ms(order.created),
        "orderType": _kind(event),
        "side": SIDES[order.side],
        "status": "new",
        "symbol": order.listing.symbol,
        "ts": event.time,
        "type": "received",
    }


def _change(event: Event, change: str, status: str) -> Json:
    order, state = event.order, event.state
    gone = state.quantity - state.cumulative if change == "canceled" else Decimal(0)
    data: dict[str, Any] = {
        "clientOid": order.client_order_id,
        "filledSize": text(state.cumulative),
        "orderId": state.order_id,
        "orderTime": ms(order.created) if _is_spot(event) else order.created,
        "orderType": _kind(event),
        "side": SIDES[order.side],
        "status": status,
        "symbol": order.listing.symbol,
        "ts": event.time,
        "type": change,
    }
    if order.type != "market":
        data["price"] = text(state.limit)
    if _by_funds(event):
        left = max(_funds(event) - _value(event), Decimal(0))
        return data | {"originFunds": text(_funds(event)), "remainFunds": text(left), "canceledFunds": "0"}
    sizes = {"size": text(state.quantity), "canceledSize": text(gone)}
    sizes["remainSize"] = text(state.quantity - state.cumulative - gone)
    if _is_spot(event):
        sizes["originSize"] = text(state.quantity)
    else:
        data |= {"marginMode": "ISOLATED", "tradeType": "trade"}
    return data | sizes


def _match(event: Event, e: Execution) -> Json:
    """`status` is "open" for who waited in the book, "match" for who came."""
    # A maker is shown as taker where the counterparty was a hidden order: `feeType` is what is charged.
    shown = "maker" if e.is_maker and e.number % 4 else "taker"
    return _change(event, "match", "open" if e.is_maker else "match") | {
        "feeType": "makerFee" if e.is_maker else "takerFee",
        "liquidity": shown,
        "matchPrice": text(e.price),
        "matchSize": text(e.quantity),
        "tradeId": e.trade_id,
    }


# ---------------------------------------------------------------------- answers


def _entry(event: Event, code: str, message: str) -> Json:
    """An entry of the answer to a batch of futures orders."""
    ids = {} if event.kind is Kind.REJECTED else {"orderId": event.state.order_id}
    return ids | {
        "clientOid": event.order.client_order_id,
        "symbol": event.order.listing.symbol,
        "code": code,
        "msg": message,
    }


def _synchronous(event: Event) -> Json:
    """What the placement that waits for the matching adds to the ids."""
    state = event.state
    sizes = {"originSize": text(state.quantity), "dealSize": "0", "remainSize": text(state.quantity)}
    if _by_funds(event):
        funds = text(_funds(event))
        sizes = {"originFunds": funds, "dealFunds": "0", "remainFunds": funds, "dealSize": "0"}
    return sizes | {
        "orderTime": ms(event.time),
        "canceledSize": "0",
        "status": "open",
        "matchTime": ms(event.time),
    }


def _canceled(event: Event, ids: Json) -> Json:
    """Futures list the ids; spot answers as to a placement, or, waiting for the matching, with the sizes."""
    state = event.state
    if not _is_spot(event):
        return {"cancelledOrderIds": [state.order_id]}
    if event.order.number % 3 == 0:
        return ids | {
            "originSize": text(state.quantity),
            "dealSize": text(state.cumulative),
            "remainSize": "0",
            "canceledSize": text(state.quantity - state.cumulative),
            "status": "done",
        }
    return {"clientOid": event.order.client_order_id} if event.order.number % 3 == 1 else ids


# ---------------------------------------------------------------------- queries


def _order(event: Event) -> Json:
    order, state = event.order, event.state
    return {
        "id": state.order_id,
        "clientOid": order.client_order_id,
        "symbol": order.listing.symbol,
        "type": _kind(event),
        "side": SIDES[order.side],
        "price": "0" if state.limit is None else text(state.limit),
        "timeInForce": "IOC" if order.type == "ioc" else "GTC",
        "postOnly": False,
        "stp": None,
        "cancelExist": state.status == "CANCELED",
        "createdAt": ms(order.created),
    }


def _works(event: Event) -> bool:
    return event.state.status in ("NEW", "PARTIALLY_FILLED")


def _spot_order(event: Event) -> Json:
    state, by_funds = event.state, _by_funds(event)
    left, works = state.quantity - state.cumulative, _works(event)
    return _order(event) | {
        "opType": "DEAL",
        "size": "0" if by_funds else text(state.quantity),
        "funds": text(_funds(event)) if by_funds else "0",
        "dealSize": text(state.cumulative),
        "dealFunds": text(_value(event)),
        "remainSize": text(left) if works and not by_funds else "0",
        "remainFunds": "0",
        "cancelledSize": "0" if works or by_funds else text(left),
        "cancelledFunds": "0",
        "fee": text(sum((e.fee for e in state.executions), Decimal(0))),
        "feeCurrency": event.order.listing.quote,
        "channel": "API",
        "tradeType": "TRADE",
        "inOrderBook": works,
        "active": works,
        "tax": "0",
        "lastUpdatedAt": ms(event.time),
    }


def _futures_order(event: Event) -> Json:
    order, state, listing = event.order, event.state, event.order.listing
    works = _works(event)
    lot = Decimal("0.001") if listing.multiplier is None else listing.multiplier
    if listing.is_inverse:
        coins = sum((e.quantity / e.price for e in state.executions), Decimal(0)) * lot
        value = text(coins, 8)
    else:
        value = text(_value(event) * lot)
    return _order(event) | {
        "size": int(state.quantity),
        "value": value,
        "dealValue": value,
        "dealSize": int(state.cumulative),
        "stp": "",
        "stop": "",
        "stopPrice": None,
        "isActive": works,
        "updatedAt": ms(event.time),
        "endAt": None if works else ms(event.time),
        "orderTime": order.created,
        "settleCurrency": _settle(listing),
        "marginMode": "ISOLATED",
        "avgDealPrice": w.average_text(state.average, 10),
        "filledSize": int(state.cumulative),
        "filledValue": value,
        "status": "open" if works else "done",
    }


def _settle(listing: Listing) -> str:
    return listing.base if listing.is_inverse else listing.quote


# ---------------------------------------------------------------------- fills


def _spot_fill(e: Execution) -> Json:
    return {
        "id": 19_814_995_000_000 + 2 * e.number + e.side,
        "orderId": e.order_id,
        "counterOrderId": "67174228135f9e000709da8c",
        "tradeId": int(e.trade_id),
        "symbol": e.order.listing.symbol,
        "side": SIDES[e.side],
        "liquidity": "maker" if e.is_maker else "taker",
        "type": "market" if e.order.type == "market" else "limit",
        "forceTaker": e.number % 5 == 0,
        "price": text(e.price),
        "size": text(e.quantity),
        "funds": text(e.quantity * e.price),
        "fee": text(e.fee),
        "feeRate": "0.001",
        "feeCurrency": e.fee_currency,
        "stop": "",
        "tradeType": "TRADE",
        "tax": "0",
        "createdAt": ms(e.time),
    }


def _futures_fill(e: Execution) -> Json:
    """`createdAt` is when the row was made, later than the trade."""
    return {
        "symbol": e.order.listing.symbol,
        "tradeId": e.trade_id,
        "orderId": e.order_id,
        "side": SIDES[e.side],
        "liquidity": "maker" if e.is_maker else "taker",
        "price": text(e.price),
        "size": int(e.quantity),
        "value": "67.4309",
        "openFeePay": text(e.fee),
        "closeFeePay": "0",
        "stop": "",
        "feeRate": "0.00060",
        "feeCurrency": e.fee_currency,
        "marginMode": "ISOLATED",
        "fee": text(e.fee),
        "settleCurrency": _settle(e.order.listing),
        "orderType": "market" if e.order.type == "market" else "limit",
        "tradeType": "trade",
        "subTradeType": None,
        "tradeTime": e.time,
        "createdAt": ms(e.time) + 173,
    }
