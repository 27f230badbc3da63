"""The reference cases of the venues (`tests/fixtures/venues`), and what it is to pass one."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from fillhandler_server import venues
from fillhandler_server.domain.fills import Fill, Liquidity, Side
from fillhandler_server.domain.instruments import Instruments
from fillhandler_server.domain.reports import OrderReport, OrderStatus

FIXTURES = Path(__file__).parents[1] / "fixtures" / "venues"


def cases_of(venue: str) -> list[dict[str, Any]]:
    """A venue's cases, in the order of its file."""
    cases: list[dict[str, Any]] = json.loads((FIXTURES / f"{venue}.json").read_text(encoding="utf-8"))
    return cases


def described_fill(fill: Fill) -> dict[str, object]:
    """A fill in the form of the cases."""
    assert len(fill.fees) <= 1
    currency, fee = fill.fees[0] if fill.fees else (None, None)
    return {
        "symbol": fill.symbol,
        "order_id": fill.order_id or None,
        "client_order_id": fill.client_order_id or None,
        "trade_id": fill.trade_id,
        "side": Side(fill.side).name,
        "quantity": fill.quantity,
        "price": fill.price,
        "fee": fee,
        "fee_currency": currency,
        "liquidity": Liquidity(fill.liquidity).name if fill.liquidity else None,
        "timestamp_ms": None if fill.trade_time is None else fill.trade_time // 10**6,
    }


def described_order(report: OrderReport) -> dict[str, object]:
    """An order report in the form of the cases."""
    return {
        "order_id": report.order_id or None,
        "client_order_id": report.client_order_id or None,
        "status": OrderStatus(report.status).name,
        "order_quantity": report.order_quantity,
        "cumulative_quantity": report.cumulative_quantity,
        "average_price": report.average_price,
    }


DECIMALS = ("quantity", "price", "fee", "order_quantity", "cumulative_quantity", "average_price")


def exact(expected: dict[str, object]) -> dict[str, object]:
    return {
        key: Decimal(str(value)) if key in DECIMALS and value is not None else value
        for key, value in expected.items()
    }


def check_case(venue: str, case: dict[str, Any], instruments: Instruments = venues.SHIPPED) -> None:
    """The payload comes to the fills and the order that the case expects."""
    payload = json.dumps(case["payload"]).encode()
    parsed = venues.parse_payload(venue, "", payload, instruments=instruments)
    assert [described_fill(fill) for fill in parsed.fills] == [
        exact(fill) for fill in case["expected"]["fills"]
    ]
    last = described_order(parsed.reports[-1]) if parsed.reports else None
    assert last == (None if case["expected"]["order"] is None else exact(case["expected"]["order"]))
    assert not any(fill.trade_id_derived for fill in parsed.fills)
    assert {fill.account for fill in parsed.fills} <= {"main"}
