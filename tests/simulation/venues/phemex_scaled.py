"""Phemex's scaled contracts: the hedged ones' rows in integers (Ep, Ev) under the older names."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from tests.simulation import writer as w
from tests.simulation.truth import Event, Execution, Listing, TruthOrder
from tests.simulation.venues.phemex import (
    ROWS,
    STATUSES,
    WITHOUT,
    Phemex,
    account_order,
    answered,
    contract_trade,
    word,
)
from tests.simulation.writer import LIST, Capabilities, Envelope, Json, Message, Row, Writer


def _scaled_push(rows: list[Json]) -> Json:
    return {"accounts": [], "orders": rows, "positions": [], "sequence": 11450, "type": "incremental"}


SCALED_ACCOUNT = Envelope("orders", _scaled_push)


class PhemexScaled(Writer):
    """Coin-margined contracts in scaled integers. No average: their values are rounded to the scale."""

    name = "phemex_scaled"
    venue = "phemex"
    capabilities = Capabilities(resolution=1, states_average=False, trade_ids="venue")
    listings = (
        Listing(
            "BTCUSD", "inverse", "BTC", "USD", Decimal(67120), Decimal("0.5"), Decimal(1),
            ("BTC",), Decimal(1), without=WITHOUT, lots=9_000,
        ),
        Listing(
            "cETHUSD", "inverse", "ETH", "USD", Decimal("3519.5"), Decimal("0.05"), Decimal(1),
            ("ETH",), without=WITHOUT, lots=900,
        ),
    )  # fmt: skip
    order_id, trade_id, client_order_id = Phemex.order_id, Phemex.trade_id, Phemex.client_order_id

    def stream(self, event: Event) -> list[Message]:
        told = () if event.execution is None else (event.execution,)
        row = Row(_in_integers(event.order, account_order(event)), event, told)
        return [w.stream(event.order, row, SCALED_ACCOUNT)]

    def query(self, event: Event) -> list[Message]:
        stated = answered(event, STATUSES[event.state.status], word(event))
        return [w.rest(event.order, Row(_in_integers(event.order, stated), event), ROWS)]

    def history(self, executions: Sequence[Execution]) -> list[Message]:
        return w.pages(executions, lambda e: _in_integers(e.order, contract_trade(e)), LIST)


def _in_integers(order: TruthOrder, row: Json) -> Json:
    """A hedged contract's row as the scaled ones have it: prices of 4 places, values of the coin's 8."""
    found: Json = {}
    for name, value in row.items():
        stem, suffix = name[:-2], name[-2:]
        if suffix in ("Rp", "Rv"):
            places = 4 if suffix == "Rp" else 8
            found[f"{stem}E{suffix[1]}"] = int(Decimal(value).scaleb(places))
        elif suffix == "Rq" or name.endswith("Qty"):
            found[name.removesuffix("Rq")] = int(value)
        elif name != "posSide":
            found[name] = value
    found.pop("ptFeeEv", None)
    return found | {"currency": order.listing.base}
