"""Binance: spot `executionReport`, futures `ORDER_TRADE_UPDATE` and `TRADE_LITE`, REST orders and trades."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from tests.simulation import writer as w
from tests.simulation.truth import Event, Execution, Kind, Listing, State
from tests.simulation.writer import LIST, Capabilities, Json, Message, Row, Writer, ms, text

SIDES = {1: "BUY", 2: "SELL"}
_STREAM_LIST = w.Envelope("stream", lambda rows: {"stream": "key", "data": rows})


class Binance(Writer):
    """Spot, USD-M, COIN-M. Order and trade ids are unique within a symbol only."""

    venue = "binance"
    capabilities = Capabilities(busts=True, flips=True, average_places=5, order_ids="symbol", enriches=True)
    listings = (
        Listing(
            "BTCUSDT", "spot", "BTC", "USDT", Decimal(67213), Decimal("0.01"), Decimal("0.00001"),
            ("BTC", "USDT", "BNB"),
        ),
        Listing(
            "ETHBTC", "spot", "ETH", "BTC", Decimal("0.05213"), Decimal("0.00001"), Decimal("0.001"),
            ("ETH", "BTC", "BNB"),
        ),
        Listing(
            "BTCUSDT", "linear", "BTC", "USDT", Decimal(67190), Decimal("0.1"), Decimal("0.001"),
            ("USDT", "BNB"), without=frozenset({Kind.REJECTED}),
        ),
        Listing(
            "ETHUSD_PERP", "inverse", "ETH", "USD", Decimal(3519), Decimal("0.01"), Decimal(1),
            ("ETH",), Decimal(10), without=frozenset({Kind.REJECTED}), lots=60,
        ),
    )  # fmt: skip

    # ------------------------------------------------------------------ the user data stream

    def stream(self, event: Event) -> list[Message]:
        order, execution = event.order, event.execution
        told = (execution,) if execution is not None else ()
        if order.listing.market == "spot":
            report = execution_report(event)
            if order.number % 2:
                report = {"subscriptionId": 0, "event": report}
            return [w.stream(order, Row(report, event, told))]
        update = w.stream(order, Row(_order_trade_update(event), event, told), _STREAM_LIST)
        if execution is None:
            return [update]
        lite = Row(_trade_lite(event, execution), executions=told, fees=False)
        return [w.stream(order, lite), update]

    # ------------------------------------------------------------------ REST

    def answer(self, event: Event) -> list[Message]:
        order = event.order
        if event.kind is Kind.ACCEPTED and order.listing.market == "spot":
            ack = {
                "symbol": order.listing.symbol,
                "orderId": int(event.state.order_id),
                "orderListId": -1,
                "clientOrderId": order.client_order_id,
                "transactTime": ms(event.time),
            }
            return [w.answer(order, Row(ack, event, quantity=False))]
        if event.kind in (Kind.ACCEPTED, Kind.CANCELED):
            return [w.answer(order, Row(_order(event), event))]
        return []

    def query(self, event: Event) -> list[Message]:
        return [w.rest(event.order, Row(_order(event), event), LIST)]

    def history(self, executions: Sequence[Execution]) -> list[Message]:
        return w.pages(
            executions, _trade, LIST, by=lambda e: f"{e.order.listing.market} {e.order.listing.symbol}"
        )


def _type(event: Event) -> str:
    return "MARKET" if event.order.type == "market" else "LIMIT"


def _execution_word(event: Event, amended: str) -> str:
    words = {Kind.ACCEPTED: "NEW", Kind.TRADED: "TRADE", Kind.AMENDED: amended}
    return words.get(event.kind, event.kind.name)


def _quote_value(state: State) -> str:
    return text(sum((e.quantity * e.price for e in state.executions), Decimal(0)), 8)


def execution_report(event: Event) -> Json:
    order, state, e = event.order, event.state, event.execution
    cancels = event.kind is Kind.CANCELED
    return {
        "e": "executionReport",
        "E": ms(event.time) + 1,
        "s": order.listing.symbol,
        "c": f"cancel-{order.number}" if cancels else order.client_order_id,
        "S": SIDES[order.side],
        "o": _type(event),
        "f": "IOC" if order.type == "ioc" else "GTC",
        "q": text(state.quantity, 8),
        "p": text(state.limit, 8),
        "P": "0.00000000",
        "F": "0.00000000",
        "g": -1,
        "C": order.client_order_id if cancels else "",
        "x": _execution_word(event, "REPLACED"),
        "X": state.status,
        "r": "INSUFFICIENT_BALANCES" if event.kind is Kind.REJECTED else "NONE",
        "i": int(state.order_id),
        "l": text(e.quantity if e else None, 8),
        "z": text(state.cumulative, 8),
        "L": text(e.price if e else None, 8),
        "n": text(e.fee, 8) if e else "0",
        "N": e.fee_currency if e else None,
        "T": ms(event.time),
        "t": int(e.trade_id) if e else -1,
        "I": 7 * ms(event.time),
        "w": state.status in ("NEW", "PARTIALLY_FILLED"),
        "m": e.is_maker if e else False,
        "M": e is not None,
        "O": ms(order.created),
        "Z": _quote_value(state),
        "Y": text(e.quantity * e.price if e else None, 8),
        "Q": "0.00000000",
        "V": "NONE",
    }


def _order_trade_update(event: Event) -> Json:
    order, state, e = event.order, event.state, event.execution
    inner = {
        "s": order.listing.symbol,
        "c": order.client_order_id,
        "S": SIDES[order.side],
        "o": _type(event),
        "f": "IOC" if order.type == "ioc" else "GTC",
        "q": text(state.quantity),
        "p": text(state.limit),
        "ap": w.average_text(state.average, 5),
        "sp": "0",
        "x": _execution_word(event, "AMENDMENT"),
        "X": state.status,
        "i": int(state.order_id),
        "l": text(e.quantity if e else None),
        "z": text(state.cumulative),
        "L": text(e.price if e else None),
        "T": ms(event.time),
        "t": int(e.trade_id) if e else 0,
        "b": "0",
        "a": "0",
        "m": e.is_maker if e else False,
        "R": False,
        "wt": "CONTRACT_PRICE",
        "ot": _type(event),
        "ps": "BOTH",
        "cp": False,
        "rp": "0",
        "pP": False,
        "si": 0,
        "ss": 0,
    }
    if e is not None:
        inner |= {"n": text(e.fee), "N": e.fee_currency}
    return {"e": "ORDER_TRADE_UPDATE", "E": ms(event.time) + 2, "T": ms(event.time), "o": inner}


def _trade_lite(event: Event, e: Execution) -> Json:
    order = event.order
    return {
        "e": "TRADE_LITE",
        "E": ms(event.time) + 1,
        "T": ms(event.time),
        "s": order.listing.symbol,
        "q": text(event.state.quantity),
        "p": text(event.state.limit),
        "m": e.is_maker,
        "c": order.client_order_id,
        "S": SIDES[order.side],
        "L": text(e.price),
        "l": text(e.quantity),
        "t": int(e.trade_id),
        "i": int(e.order_id),
    }


def _order(event: Event) -> Json:
    order, state = event.order, event.state
    common = {
        "symbol": order.listing.symbol,
        "orderId": int(state.order_id),
        "clientOrderId": order.client_order_id,
        "price": text(state.limit),
        "origQty": text(state.quantity),
        "executedQty": text(state.cumulative),
        "status": state.status,
        "timeInForce": "IOC" if order.type == "ioc" else "GTC",
        "type": _type(event),
        "side": SIDES[order.side],
        "time": ms(order.created),
        "updateTime": ms(event.time),
    }
    if order.listing.market == "spot":
        more: Json = {"orderListId": -1, "cummulativeQuoteQty": _quote_value(state), "isWorking": True}
    else:
        value = "cumBase" if order.listing.is_inverse else "cumQuote"
        average = w.average_text(state.average, 5, "0.00000")
        more = {"avgPrice": average, value: "1", "positionSide": "BOTH", "origType": _type(event)}
    return common | more


def _trade(e: Execution) -> Json:
    order = e.order
    common = {
        "symbol": order.listing.symbol,
        "id": int(e.trade_id),
        "orderId": int(e.order_id),
        "price": text(e.price, 8),
        "qty": text(e.quantity, 8),
        "commission": text(e.fee, 8),
        "commissionAsset": e.fee_currency,
        "time": ms(e.time),
    }
    if order.listing.market == "spot":
        return common | {
            "orderListId": -1,
            "quoteQty": text(e.quantity * e.price, 8),
            "isBuyer": e.side == 1,
            "isMaker": e.is_maker,
            "isBestMatch": True,
        }
    return common | {
        "side": SIDES[e.side],
        "realizedPnl": "0",
        "marginAsset": order.listing.quote,
        "positionSide": "BOTH",
        "buyer": e.side == 1,
        "maker": e.is_maker,
    }
