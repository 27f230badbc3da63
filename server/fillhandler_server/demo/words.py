"""What a newcomer reads: deliveries, events and oddities in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from fillhandler.v1 import events_pb2, fill_service_pb2, fills_pb2, orders_pb2
from fillhandler_server.demo.books import plain
from fillhandler_server.demo.generator import Delivery, Oddity

EXPLANATIONS: Final = {
    Oddity.DUPLICATE: (
        "{venue} sent the same payload again, as after a reconnect. Its trade is known by its identity:"
        " dropped, nothing counts twice."
    ),
    Oddity.SECOND_CHANNEL: (
        "{venue} told this trade on its orders channel already; the fill channel repeats it in another shape."
        " Same identity: counted once."
    ),
    Oddity.OVERTAKES: (
        "{venue}'s messages came in the wrong order: the later fill is here first. Sums do not mind, and a"
        " status never goes back."
    ),
    Oddity.OVERTAKEN: "The fill that was overtaken. The order stands as if nothing had happened.",
    Oddity.LATE: (
        "A fill of an order that {venue} has already canceled. It is real exposure, so it is booked; the"
        " order stays CANCELED."
    ),
    Oddity.FILLED_FIRST: (
        "{venue} says FILLED and the last fill is not here yet. The order is FILLED; the fills' own sum is"
        " kept apart until it comes."
    ),
    Oddity.MISSING_FILL: "The missing fill. Now the fills sum to what {venue} had reported.",
    Oddity.LACKING: "{venue} does not tell everything yet: {lacking} will come later. Unknown is not zero.",
    Oddity.COMPLETING: ("The same trades with what was missing. They are enriched, not counted again."),
    Oddity.CONFLICT: (
        "{venue}'s trade list states another fee for a trade than its push did. The first stands; the other"
        " is kept as an event, for somebody to look at."
    ),
    Oddity.REJECTED: "{venue} refused the order. Nothing filled, nothing is owed.",
}

VENUES: Final = {"binance": "Binance", "bitget": "Bitget", "phemex": "Phemex"}


def explanation(delivery: Delivery) -> str:
    """Why a delivery is odd and what that means; empty where nothing is."""
    if delivery.oddity is None:
        return ""
    lacking = "the fee" if delivery.name == "TRADE_LITE" else "who was maker and who taker"
    return EXPLANATIONS[delivery.oddity].format(venue=VENUES[delivery.venue], lacking=lacking)


def outcome_words(outcomes: Iterable[fill_service_pb2.Outcome.ValueType]) -> str:
    """What became of the fills in a payload, such as "1 fill recorded"."""
    counts: dict[str, int] = {}
    for outcome in outcomes:
        name = fill_service_pb2.Outcome.Name(outcome).removeprefix("OUTCOME_").lower()
        counts[name] = counts.get(name, 0) + 1
    if not counts:
        return "order report"
    return ", ".join(f"{number} fill{'s' * (number > 1)} {name}" for name, number in counts.items())


def status_word(status: orders_pb2.OrderStatus.ValueType) -> str:
    """Such as FILLED."""
    return orders_pb2.OrderStatus.Name(status).removeprefix("ORDER_STATUS_")


def side_word(side: fills_pb2.Side.ValueType) -> str:
    """BUY or SELL."""
    return fills_pb2.Side.Name(side).removeprefix("SIDE_")


def amounts(sums: Iterable[fills_pb2.Fee | fills_pb2.Notional]) -> str:
    """Sums, one a currency."""
    return ", ".join(f"{each.amount} {each.currency}" for each in sums)


def short(identifier: str) -> str:
    """An id in a column: enough to tell two apart."""
    return identifier if len(identifier) <= 12 else f"…{identifier[-10:]}"


def price(text: str) -> str:
    """An average price in a column: at most eight digits. The record itself is exact."""
    return plain(Decimal(f"{Decimal(text):.8g}")) if text else ""


def event_words(event: events_pb2.Event) -> str:
    """What an event says, such as "BUY 0.2 @ 3521.15, fee 0.04 USDT, maker"."""
    match event.WhichOneof("event"):
        case "fill_recorded":
            return _fill(event.fill_recorded.fill)
        case "fill_enriched":
            return f"{_listed(event.fill_enriched.fields)} now known"
        case "fill_conflicted":
            conflicted = event.fill_conflicted
            differing = _listed(conflicted.fields)
            return f"{differing} differ from event {conflicted.fill_sequence}, which stands"
        case "order_reported":
            reported = event.order_reported.order
            reason = f": {reported.reason}" if reported.reason else ""
            return f"the venue says {status_word(reported.status)}{reason}"
        case "order_anomaly":
            return event.order_anomaly.text
        case kind:
            return str(kind).replace("_", " ")


def _listed(fields: Sequence[str]) -> str:
    return " and ".join(fields)


def _fill(fill: fills_pb2.Fill) -> str:
    parts = [f"{side_word(fill.side)} {fill.quantity} @ {fill.price}"]
    parts += [
        f"rebate {fee.amount.removeprefix('-')} {fee.currency}"
        if fee.amount.startswith("-")
        else f"fee {fee.amount} {fee.currency}"
        for fee in fill.fees
    ]
    if fill.liquidity:
        parts.append(fills_pb2.Liquidity.Name(fill.liquidity).removeprefix("LIQUIDITY_").lower())
    return ", ".join(parts)


def position(event: events_pb2.Event) -> str:
    """How the order stands after an event, such as "0.2 filled, 0.3 left, PARTIALLY_FILLED"."""
    if not event.status:
        return ""
    parts = [status_word(event.status)]
    if event.HasField("cumulative_quantity"):
        left = f", {event.leaves_quantity} left" if event.HasField("leaves_quantity") else ""
        parts.append(f"{event.cumulative_quantity} filled{left}")
    return " · ".join(parts)
