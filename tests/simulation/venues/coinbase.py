"""Coinbase Advanced Trade: the user channel, which is cumulative, and fills and orders over REST."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from tests.simulation import writer as w
from tests.simulation.truth import Event, Execution, Kind, Listing
from tests.simulation.writer import Capabilities, Envelope, Json, Message, Row, Writer, iso, text

SIDES = {1: "BUY", 2: "SELL"}
STATUSES = {
    "NEW": "OPEN",
    "PARTIALLY_FILLED": "OPEN",
    "FILLED": "FILLED",
    "CANCELED": "CANCELLED",
    "EXPIRED": "EXPIRED",
    "REJECTED": "FAILED",
}
_FORMS = {"limit": "limit_limit_gtc", "market": "market_market_ioc", "ioc": "sor_limit_ioc"}
_FILLS = Envelope("fills", lambda rows: {"fills": rows, "cursor": ""})
_ORDERS = Envelope("orders", lambda rows: {"orders": rows, "sequence": "0", "has_next": False, "cursor": ""})
_RESULTS = Envelope("results", lambda rows: {"results": rows})


class Coinbase(Writer):
    """Spot, a perpetual and a dated future. Ids are UUIDs; an edit keeps the order id; fees are in quote."""

    venue = "coinbase"
    capabilities = Capabilities(resolution=w.US, busts=True, average_places=16, trade_ids="venue")
    listings = (
        Listing(
            "BTC-USD", "spot", "BTC", "USD", Decimal(67213), Decimal("0.01"), Decimal("0.00000001"),
            ("USD",), lots=90_000_000,
        ),
        Listing(
            "ETH-BTC", "spot", "ETH", "BTC", Decimal("0.05213"), Decimal("0.00001"), Decimal("0.0001"),
            ("BTC",),
        ),
        Listing(
            "BTC-PERP-INTX", "linear", "BTC", "USDC", Decimal(67190), Decimal("0.1"), Decimal("0.0001"),
            ("USDC",), Decimal(1),
        ),
        Listing(
            "BIT-28NOV25-CDE", "linear", "BTC", "USD", Decimal(67300), Decimal(5), Decimal(1),
            ("USD",), Decimal("0.01"), lots=40,
        ),
    )  # fmt: skip

    def order_id(self, number: int) -> str:
        return f"{number:08x}-3e39-47bb-863d-{number:012x}"

    def trade_id(self, number: int) -> str:
        return f"{number:08x}-bbd3-44ec-bf02-{number:012x}"

    def client_order_id(self, number: int) -> str:
        return f"11111-000000-{number:09d}"

    def stream(self, event: Event) -> list[Message]:
        states_quantity = not _in_quote(event) and _leaves(event)[1]
        message = {
            "channel": "user",
            "client_id": "",
            # When it was sent, a little after the event.
            "timestamp": iso(event.time + 2 * w.MS),
            "sequence_num": event.order.number,
            "events": [{"type": "update", "orders": [_pushed(event)]}],
        }
        # Rows share the message's time, so they are not joined.
        return [w.stream(event.order, Row(message, event, quantity=states_quantity))]

    def answer(self, event: Event) -> list[Message]:
        order = event.order
        if event.kind is Kind.ACCEPTED:
            done = {
                "order_id": event.state.order_id,
                "product_id": order.listing.symbol,
                "side": SIDES[order.side],
                "client_order_id": order.client_order_id,
            }
            data = {"success": True, "success_response": done, "order_configuration": _configuration(event)}
            return [w.answer(order, Row(data, event, quantity=not _in_quote(event)))]
        if event.kind is Kind.AMENDED:
            edited = {"success": True, "success_response": {"order_id": event.state.order_id}, "errors": []}
            return [w.answer(order, Row(edited))]
        if event.kind is Kind.CANCELED:
            result = {"success": True, "failure_reason": "UNKNOWN_CANCEL_FAILURE_REASON"}
            return [w.answer(order, Row(result | {"order_id": event.state.order_id}), _RESULTS)]
        return []

    def query(self, event: Event) -> list[Message]:
        row = Row(_order(event), event, quantity=not _in_quote(event))
        return [w.rest(event.order, row, _ORDERS)]

    def history(self, executions: Sequence[Execution]) -> list[Message]:
        return w.pages(executions, _fill, _FILLS, by=lambda e: "")


def _in_quote(event: Event) -> bool:
    """A market buy is stated in the quote currency."""
    return event.order.type == "market" and event.order.side == 1 and event.order.listing.market == "spot"


def _leaves(event: Event) -> tuple[str, bool]:
    """What the channel states as left, and whether the ordered quantity follows from it."""
    order, state = event.order, event.state
    if _in_quote(event):
        return text(state.leaves * order.listing.price), state.status == "FILLED"
    if state.status in ("CANCELED", "EXPIRED", "REJECTED"):
        if order.number % 2:
            return "0", False
        return text(state.quantity - state.cumulative), True
    return text(state.leaves), True


def _pushed(event: Event) -> Json:
    order, state = event.order, event.state
    value = sum((e.quantity * e.price for e in state.executions), Decimal(0))
    return {
        "order_id": state.order_id,
        "client_order_id": order.client_order_id,
        "cumulative_quantity": text(state.cumulative),
        "leaves_quantity": _leaves(event)[0],
        "avg_price": w.average_text(state.average, 16),
        "total_fees": text(sum((e.fee for e in state.executions), Decimal(0))),
        "number_of_fills": str(len(state.executions)),
        "filled_value": text(value),
        "status": STATUSES[state.status],
        "product_id": order.listing.symbol,
        "creation_time": iso(order.created),
        "order_side": SIDES[order.side],
        "order_type": "Market" if order.type == "market" else "Limit",
        "limit_price": "" if state.limit is None else text(state.limit),
        "cancel_reason": "User requested cancel" if event.kind is Kind.CANCELED else "",
        "reject_reason": "INSUFFICIENT_FUND" if event.kind is Kind.REJECTED else "",
        "product_type": "SPOT" if order.listing.market == "spot" else "FUTURE",
        "time_in_force": "IMMEDIATE_OR_CANCEL" if order.type == "ioc" else "GOOD_UNTIL_CANCELLED",
    }


def _configuration(event: Event) -> Json:
    order, state = event.order, event.state
    if order.type == "market":
        if _in_quote(event):
            return {_FORMS["market"]: {"quote_size": text(state.quantity * order.listing.price)}}
        return {_FORMS["market"]: {"base_size": text(state.quantity)}}
    asked: Json = {"base_size": text(state.quantity), "limit_price": text(state.limit)}
    if order.type == "limit":
        asked["post_only"] = False
    return {_FORMS[order.type]: asked}


def _order(event: Event) -> Json:
    order, state = event.order, event.state
    last = state.executions[-1] if state.executions else None
    return {
        "order_id": state.order_id,
        "product_id": order.listing.symbol,
        "user_id": "1111111-1111-1111-1111-111111111111",
        "order_configuration": _configuration(event),
        "side": SIDES[order.side],
        "client_order_id": order.client_order_id,
        "status": STATUSES[state.status],
        "created_time": iso(order.created),
        "completion_percentage": "0",
        "filled_size": text(state.cumulative),
        "average_filled_price": w.average_text(state.average, 16),
        "number_of_fills": str(len(state.executions)),
        "pending_cancel": False,
        "size_in_quote": _in_quote(event),
        "total_fees": text(sum((e.fee for e in state.executions), Decimal(0))),
        "order_type": "MARKET" if order.type == "market" else "LIMIT",
        "reject_reason": "REJECT_REASON_UNSPECIFIED",
        "product_type": "SPOT" if order.listing.market == "spot" else "FUTURE",
        "cancel_message": "",
        "last_fill_time": iso(last.time) if last else None,
        "last_update_time": iso(event.time),
    }


def _fill(e: Execution) -> Json:
    in_quote = e.order.type == "market" and e.side == 1 and e.order.listing.market == "spot"
    return {
        "entry_id": f"b88b82cc89e3{e.number}{e.side}",
        "trade_id": e.trade_id,
        "order_id": e.order_id,
        "trade_time": iso(e.time),
        "trade_type": "FILL",
        "price": text(e.price),
        "size": text(e.quantity * e.price if in_quote else e.quantity),
        "commission": text(e.fee),
        "product_id": e.order.listing.symbol,
        "sequence_timestamp": iso(e.time + w.MS, 6),
        "liquidity_indicator": "MAKER" if e.is_maker else "TAKER",
        "size_in_quote": in_quote,
        "user_id": "1111111-1111-1111-1111-111111111111",
        "side": SIDES[e.side],
    }
