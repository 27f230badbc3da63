"""The reference cases: real-shaped payloads and what follows from them by the venues' documentation."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from fillhandler_server import venues
from fillhandler_server.domain.fills import Fill, Liquidity, Side
from fillhandler_server.domain.reports import OrderReport, OrderStatus

FIXTURES = Path(__file__).parents[2] / "fixtures" / "venues"
CASES = [
    pytest.param(venue, case, id=f"{venue}-{case['name']}")
    for venue in venues.known()
    for case in json.loads((FIXTURES / f"{venue}.json").read_text(encoding="utf-8"))
]

pytestmark = pytest.mark.parsing


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


@pytest.mark.parametrize(("venue", "case"), CASES)
def test_case(venue: str, case: dict) -> None:
    parsed = venues.parse_payload(venue, "", json.dumps(case["payload"]).encode())
    assert [described_fill(fill) for fill in parsed.fills] == [
        exact(fill) for fill in case["expected"]["fills"]
    ]
    last = described_order(parsed.reports[-1]) if parsed.reports else None
    assert last == (None if case["expected"]["order"] is None else exact(case["expected"]["order"]))
    assert not any(fill.trade_id_derived for fill in parsed.fills)
    assert {fill.account for fill in parsed.fills} <= {"main"}


@pytest.mark.parametrize(("venue", "case"), CASES)
def test_each_row_of_a_list_alone(venue: str, case: dict) -> None:
    payload = case["payload"]
    if not isinstance(payload, list):
        data = payload.get("data") if isinstance(payload.get("data"), list | dict) else None
        if isinstance(data, dict):
            data = data.get("rows", data.get("fillList"))
        payload = data if isinstance(data, list) else payload.get("orders_p") or []
    fills = []
    for row in payload if isinstance(payload, list) else []:
        fills += venues.parse_payload(venue, "", json.dumps(row).encode()).fills
    if payload:
        assert [described_fill(fill) for fill in fills] == [exact(f) for f in case["expected"]["fills"]]


@pytest.mark.parametrize("venue", ["binance", "bitget", "phemex"])
def test_flat_forms_say_what_their_symbol_is_made_of(venue: str) -> None:
    """So that notional has a currency and a base fee its effect, though the market is not told."""
    flat = json.loads((FIXTURES / f"{venue}.json").read_text(encoding="utf-8"))[0]
    (fill,) = venues.parse_payload("", "", json.dumps(flat["payload"]).encode()).fills
    assert (fill.base_currency, fill.quote_currency) == ("BTC", "USDT")
