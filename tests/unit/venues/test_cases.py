"""The reference cases: real-shaped payloads and what follows from them by the venues' documentation."""

import json

import pytest
from support.venue_cases import cases_of, check_case, described_fill, exact

from fillhandler_server import venues

CASES = [
    pytest.param(venue, case, id=f"{venue}-{case['name']}")
    for venue in venues.known()
    for case in cases_of(venue)
]

pytestmark = pytest.mark.parsing


@pytest.mark.parametrize(("venue", "case"), CASES)
def test_case(venue: str, case: dict) -> None:
    check_case(venue, case)


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
    flat = cases_of(venue)[0]
    (fill,) = venues.parse_payload("", "", json.dumps(flat["payload"]).encode()).fills
    assert (fill.base_currency, fill.quote_currency) == ("BTC", "USDT")
