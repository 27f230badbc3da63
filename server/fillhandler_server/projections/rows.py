"""Orders as rows and back. Rows stop here."""

from __future__ import annotations

import json
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final

from fillhandler_server.codec import (
    fill_from_bytes,
    fill_to_bytes,
    report_from_bytes,
    report_to_bytes,
)
from fillhandler_server.domain.fills import FillKey
from fillhandler_server.domain.numbers import canonical
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.reversals import Reversals
from fillhandler_server.domain.sums import Counted

# Plain attributes, by how they travel in JSON.
_PLAIN: Final = (
    "order_ids",
    "previous_order_id",
    "replaced_by",
    "side",
    "type",
    "type_time",
    "base_currency",
    "quote_currency",
    "contract_kind",
    "currencies_guessed",
    "quantity_time",
    "limit_time",
    "create_time",
    "registered",
    "fill_count",
    "fills_without_fee",
    "first_fill_time",
    "last_fill_time",
    "filled_report_time",
    "dead_status",
    "dead_time",
    "pending_status",
    "pending_time",
    "report_time",
    "live_reported",
    "partly_reported",
    "unknown_reported",
    "attempts",
    "inferred_sequence",
    "inferred_count",
)
_DECIMAL: Final = (
    "multiplier",
    "limit_price",
    "expected_price",
    "inverse_quantity",
    "inverse_notional",
    "unpriced_quantity",
    "reversed_quantity",
    "inferred_quantity",
    "reported_cumulative",
    "reported_average",
)
_BLANK: Final = Order(0, "", "")
"""What a new order's attributes are: a row keeps only those that are otherwise."""

# One call for all of them: rows of orders are written by the thousand.
_plain_of: Final = attrgetter(*_PLAIN)
_decimals_of: Final = attrgetter(*_DECIMAL)
_PLAIN_BLANK: Final = _plain_of(_BLANK)
_DECIMAL_BLANK: Final = _decimals_of(_BLANK)
_to_json: Final = json.JSONEncoder(separators=(",", ":")).encode

COLUMNS: Final = (
    "number, venue, account, market, symbol, order_id, client_order_id, status, final, cleared, update_time,"
    " complete_time, sequence, order_quantity, cumulative_quantity, notional, state"
)


def order_to_row(order: Order) -> tuple[Any, ...]:
    """The row of an order, in the order of `COLUMNS`; never cleared, as something has just moved it."""
    state: dict[str, Any] = {
        name: value
        for name, value, blank in zip(_PLAIN, _plain_of(order), _PLAIN_BLANK, strict=True)
        if value != blank
    }
    for name, value, blank in zip(_DECIMAL, _decimals_of(order), _DECIMAL_BLANK, strict=True):
        if value is not blank and value != blank:
            state[name] = canonical(value)
    if order.fees:
        state["fees"] = {currency: [canonical(entry[0]), entry[1]] for currency, entry in order.fees.items()}
    if order.deaths:
        state["deaths"] = [[*death, time] for death, time in order.deaths.items()]
    if order.registration is not None:
        state["registration"] = report_to_bytes(order.registration).hex()
    if order.reversals is not None:
        state["reversals"] = _reversals_to_json(order.reversals)
    if order.counted is not None:
        state["counted"] = order.counted.to_json()
    return (
        order.number,
        order.venue,
        order.account,
        order.market,
        order.symbol,
        order.order_id,
        order.client_order_id,
        order.status,
        int(order.is_final),
        0,
        order.update_time,
        order.complete_time,
        order.sequence,
        None if order.order_quantity is None else canonical(order.order_quantity),
        canonical(order.cumulative),
        canonical(order.notional),
        _to_json(state),
    )


def order_from_row(row: tuple[Any, ...]) -> Order:
    """The order of a row; its fills and reports are other tables'."""
    order = Order(row[0], row[1], row[2])
    order.market, order.symbol, order.order_id, order.client_order_id = row[3:7]
    order.status, order.cleared, order.update_time, order.sequence = row[7], row[9], row[10], row[12]
    order.order_quantity = None if row[13] is None else Decimal(row[13])
    order.cumulative, order.notional = Decimal(row[14]), Decimal(row[15])
    state = json.loads(row[16])
    for name in _PLAIN:
        if name in state:
            setattr(order, name, state[name])
    for name in _DECIMAL:
        if name in state:
            setattr(order, name, Decimal(state[name]))
    for currency, (amount, count) in state.get("fees", {}).items():
        order.fees[currency] = [Decimal(amount), count]
    if "deaths" in state:
        order.deaths = {(order_id, status): time for order_id, status, time in state["deaths"]}
    if "registration" in state:
        order.registration = report_from_bytes(bytes.fromhex(state["registration"]))
    if "reversals" in state:
        order.reversals = _reversals_from_json(state["reversals"])
    if "counted" in state:
        order.counted = Counted.from_json(state["counted"])
    return order


def _reversals_to_json(reversals: Reversals) -> dict[str, Any]:
    return {
        "links": [[list(key), list(after)] for key, after in reversals.next.items()],
        "busted": [[list(key), at] for key, at in reversals.busted.items()],
        "corrections": [[list(key), at] for key, at in reversals.corrections.items()],
        "superseded": [list(key) for key in sorted(reversals.superseded)],
        "waiting_busts": [[list(key), at] for key, at in reversals.waiting_busts.items()],
        "waiting_corrections": [
            [list(key), [[fill_to_bytes(fill).hex(), at] for fill, at in waiting]]
            for key, waiting in reversals.waiting_corrections.items()
        ],
    }


def _reversals_from_json(state: dict[str, Any]) -> Reversals:
    reversals = Reversals()
    for key, after in state["links"]:
        reversals.next[FillKey(*key)] = FillKey(*after)
        reversals.previous[FillKey(*after)] = FillKey(*key)
    reversals.busted = {FillKey(*key): at for key, at in state["busted"]}
    reversals.corrections = {FillKey(*key): at for key, at in state["corrections"]}
    # Rows of schema 1 know of no inferred fills.
    reversals.superseded = {FillKey(*key) for key in state.get("superseded", ())}
    reversals.waiting_busts = {FillKey(*key): at for key, at in state["waiting_busts"]}
    reversals.waiting_corrections = {
        FillKey(*key): [(fill_from_bytes(bytes.fromhex(text)), at) for text, at in waiting]
        for key, waiting in state["waiting_corrections"]
    }
    return reversals
