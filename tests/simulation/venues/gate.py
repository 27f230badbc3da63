"""Gate: the orders and trades channels of spot and futures, REST orders and trades, answers of both APIs."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from tests.simulation import writer as w
from tests.simulation.truth import Event, Execution, Kind, Listing
from tests.simulation.writer import (
    LIST,
    SECOND,
    Capabilities,
    Envelope,
    Json,
    Message,
    Row,
    Writer,
    ms,
    number,
    text,
)

SIDES = {1: "buy", 2: "sell"}
PLACES = 10
# An IOC order ends as canceled. A futures order that is refused is named by no answer.
_SPOT_WITHOUT = frozenset({Kind.EXPIRED})
_FUTURES_WITHOUT = frozenset({Kind.EXPIRED, Kind.REJECTED})


def _channel(name: str) -> Envelope:
    def build(rows: list[Json]) -> Json:
        # When it was sent; the rows have times of their own.
        sent = 1_760_000_000 + 86_400
        return {"time": sent, "time_ms": sent * 1000, "channel": name, "event": "update", "result": rows}

    return Envelope(name, build)


_SPOT_ORDERS = _channel("spot.orders")
_SPOT_TRADES = _channel("spot.usertrades")
_SPOT_TRADES_V2 = _channel("spot.usertrades_v2")
# A connection is of one settle currency, which none of its messages says.
_FUTURES_ORDERS = {market: _channel("futures.orders") for market in ("linear", "inverse")}
_FUTURES_TRADES = {market: _channel("futures.usertrades") for market in ("linear", "inverse")}


class Gate(Writer):
    """Pairs and contracts are spelled alike. An amend keeps the id; spot and futures count ids alone."""

    venue = "gate"
    capabilities = Capabilities(average_places=PLACES, order_ids="market")
    listings = (
        Listing(
            "BTC_USDT", "spot", "BTC", "USDT", Decimal(67213), Decimal("0.1"), Decimal("0.000001"),
            ("BTC", "USDT", "GT"), without=_SPOT_WITHOUT, lots=500_000,
        ),
        Listing(
            "ETH_BTC", "spot", "ETH", "BTC", Decimal("0.05213"), Decimal("0.00001"), Decimal("0.0001"),
            ("ETH", "BTC", "GT", "POINT"), without=_SPOT_WITHOUT,
        ),
        Listing(
            "BTC_USDT", "linear", "BTC", "USDT", Decimal(67190), Decimal("0.1"), Decimal(1),
            ("USDT",), Decimal("0.0001"), without=_FUTURES_WITHOUT, lots=90,
        ),
        Listing(
            "BTC_USDT_20251226", "linear", "BTC", "USDT", Decimal(67900), Decimal("0.1"), Decimal(1),
            ("USDT",), without=_FUTURES_WITHOUT, lots=40,
        ),
        Listing(
            "BTC_USD", "inverse", "BTC", "USD", Decimal(67210), Decimal("0.1"), Decimal(1),
            ("BTC",), Decimal(1), without=_FUTURES_WITHOUT, lots=900,
        ),
    )  # fmt: skip

    def order_id(self, number: int) -> str:
        return str(58_828_000_000 + number)

    def client_order_id(self, number: int) -> str:
        return f"t-my-{number}"

    # ------------------------------------------------------------------ channels

    def stream(self, event: Event) -> list[Message]:
        if event.kind is Kind.REJECTED:
            return []
        order, e = event.order, event.execution
        if not _is_spot(event):
            market = order.listing.market
            update = w.stream(order, Row(_pushed_contract(event), event), _FUTURES_ORDERS[market])
            if e is None:
                return [update]
            return [w.stream(order, Row(_contract_push(e), None, (e,)), _FUTURES_TRADES[market]), update]
        update = w.stream(order, Row(_pushed_spot(event), event, quantity=not _in_quote(event)), _SPOT_ORDERS)
        if e is None:
            return [update]
        trades = [w.stream(order, Row(_spot_push(e), None, (e,)), _SPOT_TRADES)]
        if order.number % 2:
            bare = Row(_spot_push_v2(e), None, (e,), fees=False)
            trades.insert(0, w.stream(order, bare, _SPOT_TRADES_V2))
        return [*trades, update]

    # ------------------------------------------------------------------ answers

    def answer(self, event: Event) -> list[Message]:
        order = event.order
        if event.kind is Kind.REJECTED:
            failed = {
                "text": order.client_order_id,
                "succeeded": False,
                "label": "BALANCE_NOT_ENOUGH",
                "message": "Not enough balance",
            }
            return [w.answer(order, Row(failed, event, quantity=False), LIST)]
        if event.kind not in (Kind.ACCEPTED, Kind.AMENDED, Kind.CANCELED):
            return []
        if order.number % 3 == 0:
            return self._socket(event)
        if _is_spot(event):
            if event.kind is Kind.CANCELED and order.number % 3 == 1:
                return [w.answer(order, Row(_canceled(event)), LIST)]
            if event.kind is Kind.ACCEPTED and order.number % 3 == 1:
                done = {"succeeded": True, "label": "", "message": "", "order_id": event.state.order_id}
                return [w.answer(order, _stating(event, done), LIST)]
        elif order.number % 3 == 1:
            return [w.answer(order, _stating(event, {"succeeded": True}), LIST)]
        return [w.answer(order, _stating(event))]

    def _socket(self, event: Event) -> list[Message]:
        """The WebSocket API: first that the request came, then what became of it."""
        order = event.order
        word = {Kind.ACCEPTED: "place", Kind.AMENDED: "amend", Kind.CANCELED: "cancel"}[event.kind]
        channel = f"{'spot' if _is_spot(event) else 'futures'}.order_{word}"
        asked = {"text": order.client_order_id, "price": text(event.state.limit)}
        arrived = {"req_id": f"r{order.number}", "req_header": None, "req_param": asked}
        row = _stating(event)
        said = _socket_answer(event, channel, row.data)
        found = [w.answer(order, Row(said, row.states, quantity=row.quantity))]
        if event.kind is Kind.ACCEPTED:
            found.insert(0, w.answer(order, Row({"ack": True} | _socket_answer(event, channel, arrived))))
        return found

    # ------------------------------------------------------------------ questions

    def query(self, event: Event) -> list[Message]:
        if event.kind is Kind.REJECTED:
            return []
        if event.order.number % 2:
            return [w.rest(event.order, _stating(event))]
        return [w.rest(event.order, _stating(event), LIST)]

    def history(self, executions: Sequence[Execution]) -> list[Message]:
        return w.pages(executions, _fill, LIST, by=_endpoint)


def _endpoint(e: Execution) -> str:
    """Who is asked: spot, and the futures of each settle currency, perpetual or delivery."""
    listing = e.order.listing
    return f"{listing.market} {listing.symbol.count('_')}"


def _is_spot(event: Event) -> bool:
    return event.order.listing.market == "spot"


def _in_quote(event: Event) -> bool:
    """A market buy's amount is in quote."""
    return _is_spot(event) and event.order.type == "market" and event.order.side == 1


def _tif(event: Event) -> str:
    return "gtc" if event.order.type == "limit" else "ioc"


def _seconds(time: int) -> str:
    return str(time // SECOND)


def _fraction(time: int) -> str:
    """Seconds as a JSON number with milliseconds."""
    return number(Decimal(ms(time)) / 1000)


def _finish(event: Event, amended: str, opened: str = "open") -> str:
    words = {"FILLED": "filled", "CANCELED": "cancelled"}
    return words.get(event.state.status, amended if event.kind is Kind.AMENDED else opened)


def _stating(event: Event, more: Json | None = None) -> Row:
    data = _spot_order(event) if _is_spot(event) else _contract_order(event)
    return Row(data | (more or {}), event, quantity=not _in_quote(event))


def _socket_answer(event: Event, channel: str, result: Json) -> Json:
    return {
        "request_id": f"r{event.order.number}",
        "header": {
            "response_time": str(ms(event.time) + 4),
            "status": "200",
            "channel": channel,
            "event": "api",
        },
        "data": {"result": result},
    }


def _canceled(event: Event) -> Json:
    """An entry of the answer to cancels by a list of ids."""
    return {
        "currency_pair": event.order.listing.symbol,
        "id": event.state.order_id,
        "text": event.order.client_order_id,
        "succeeded": True,
        "label": None,
        "message": None,
        "account": "spot",
    }


# ---------------------------------------------------------------------- spot orders


def _spot_common(event: Event) -> dict[str, Any]:
    order, state = event.order, event.state
    value = sum((e.quantity * e.price for e in state.executions), Decimal(0))
    amount, left = state.quantity, state.quantity - state.cumulative
    if _in_quote(event):
        amount = state.quantity * order.listing.price * 2
        left = amount - value
    paid = {"fee": Decimal(0), "gt_fee": Decimal(0), "point_fee": Decimal(0)}
    for e in state.executions:
        paid[_FEE_KEYS.get(e.fee_currency, "fee")] += e.fee
    return {
        "id": state.order_id,
        "text": order.client_order_id,
        "amend_text": "-",
        "create_time": _seconds(order.created),
        "update_time": _seconds(event.time),
        "currency_pair": order.listing.symbol,
        "type": "market" if order.type == "market" else "limit",
        "account": "spot",
        "side": SIDES[order.side],
        "amount": text(amount),
        "price": text(state.limit),
        "time_in_force": _tif(event),
        "left": text(left),
        "filled_amount": text(state.cumulative),
        "filled_total": text(value),
        "avg_deal_price": w.average_text(state.average, PLACES),
        **{key: text(fee) for key, fee in paid.items()},
        "fee_currency": order.listing.base if order.side == 1 else order.listing.quote,
        "finish_as": _finish(event, "open"),
    }


def _pushed_spot(event: Event) -> Json:
    words = {"FILLED": "finish", "CANCELED": "finish"}
    word = words.get(event.state.status, "put" if event.kind is Kind.ACCEPTED else "update")
    return _spot_common(event) | {
        "create_time_ms": str(ms(event.order.created)),
        "update_time_ms": str(ms(event.time)),
        "user": 10406147,
        "event": word,
    }


def _spot_order(event: Event) -> Json:
    common = _spot_common(event)
    words = {"FILLED": "closed", "CANCELED": "cancelled"}
    return common | {
        "create_time_ms": ms(event.order.created),
        "update_time_ms": ms(event.time),
        "status": words.get(event.state.status, "open"),
        # A total in quote here, whatever its name says.
        "fill_price": common["filled_total"],
    }


# ---------------------------------------------------------------------- futures orders


def _signed(side: int, quantity: Decimal) -> int:
    return int(quantity if side == 1 else -quantity)


def _contract_common(event: Event) -> dict[str, Any]:
    order, state = event.order, event.state
    left = state.quantity - state.cumulative
    ended = state.status in ("FILLED", "CANCELED")
    return {
        "id": int(state.order_id),
        "contract": order.listing.symbol,
        "size": _signed(order.side, state.quantity),
        # Of a sale signed, at times.
        "left": int(left) if order.number % 4 == 0 else _signed(order.side, left),
        "tif": _tif(event),
        "is_reduce_only": False,
        "is_close": False,
        "is_liq": False,
        "text": order.client_order_id,
        "amend_text": "-",
        "status": "finished" if ended else "open",
    }


def _pushed_contract(event: Event) -> Json:
    state = event.state
    data = _contract_common(event) | {
        "price": number(text(state.limit)),
        "fill_price": number(w.average_text(state.average, PLACES)),
        "finish_as": _finish(event, "_update", "_new"),
        "create_time": event.order.created // SECOND,
        "create_time_ms": ms(event.order.created),
        "tkfr": number("0.0005"),
        "user": "6329238",
        "update_id": len(event.order.events),
        "update_time": ms(event.time),
    }
    if state.status in ("FILLED", "CANCELED"):
        data |= {"finish_time": event.time // SECOND, "finish_time_ms": ms(event.time)}
    return data


def _contract_order(event: Event) -> Json:
    state = event.state
    data = _contract_common(event) | {
        "price": text(state.limit),
        "fill_price": w.average_text(state.average, PLACES),
        "create_time": _fraction(event.order.created),
        "update_time": _fraction(event.time),
        "tkfr": "0.0005",
    }
    if state.status in ("FILLED", "CANCELED"):
        data |= {"finish_as": _finish(event, ""), "finish_time": _fraction(event.time)}
    return data


# ---------------------------------------------------------------------- fills

_FEE_KEYS = {"GT": "gt_fee", "POINT": "point_fee"}


def _fees(e: Execution) -> dict[str, str]:
    """What is paid in GT or points stands beside a `fee` of 0."""
    return {"fee": "0", "gt_fee": "0", "point_fee": "0"} | {_FEE_KEYS.get(e.fee_currency, "fee"): text(e.fee)}


def _fill(e: Execution) -> Json:
    return _spot_fill(e) if e.order.listing.market == "spot" else _contract_fill(e)


def _received(e: Execution) -> str:
    return e.order.listing.base if e.side == 1 else e.order.listing.quote


def _spot_fill(e: Execution) -> Json:
    return {
        "id": e.trade_id,
        "create_time": _seconds(e.time),
        "create_time_ms": f"{ms(e.time)}.000000",
        "currency_pair": e.order.listing.symbol,
        "side": SIDES[e.side],
        "role": "maker" if e.is_maker else "taker",
        "amount": text(e.quantity),
        "price": text(e.price),
        "order_id": e.order_id,
        **_fees(e),
        # Of a fee of nothing, all that can tell what it was to be paid in.
        "fee_currency": _received(e) if e.fee and e.fee_currency in _FEE_KEYS else e.fee_currency,
        "amend_text": "-",
        "sequence_id": str(588_018 + e.number % 1000),
        "text": e.order.client_order_id,
    }


def _spot_push(e: Execution) -> Json:
    row = _spot_fill(e) | {"id": int(e.trade_id), "user_id": 1000001, "create_time": e.time // SECOND}
    row["create_time_ms"] = f"{ms(e.time)}.000"
    if row["fee_currency"] == _received(e) and e.number % 2:
        del row["fee_currency"]  # as in the documented sample: it is what was received
    return row


def _spot_push_v2(e: Execution) -> Json:
    """The faster channel, without fees."""
    row = _spot_push(e) | {"id_market": e.number % 1000}
    return {key: value for key, value in row.items() if "fee" not in key}


def _contract_push(e: Execution) -> Json:
    fees = _fees(e)
    return {
        "id": e.trade_id,
        "create_time": e.time // SECOND,
        "create_time_ms": ms(e.time),
        "contract": e.order.listing.symbol,
        "order_id": e.order_id,
        "size": _signed(e.side, e.quantity),
        "price": text(e.price),
        "role": "maker" if e.is_maker else "taker",
        "text": e.order.client_order_id,
        "fee": number(fees["fee"]),
        "point_fee": number(fees["point_fee"]),
    }


def _contract_fill(e: Execution) -> Json:
    """`my_trades`; `my_trades_timerange` names the id `trade_id`."""
    fees = _fees(e)
    ids: Json = {"trade_id": e.trade_id} if e.order.listing.is_inverse else {"id": int(e.trade_id)}
    return ids | {
        "create_time": _fraction(e.time),
        "contract": e.order.listing.symbol,
        "order_id": e.order_id,
        "size": _signed(e.side, e.quantity),
        "price": text(e.price),
        "role": "maker" if e.is_maker else "taker",
        "text": e.order.client_order_id,
        "fee": fees["fee"],
        "point_fee": fees["point_fee"],
        "close_size": 0,
    }
