"""Coinbase: documented shapes beyond the reference cases, and each trap.

Shapes are from docs.cdp.coinbase.com (Advanced Trade REST and WebSocket, Exchange REST and feed) and the
samples in ccxt 4.5.90.
"""

import json
from decimal import Decimal

import pytest

from fillhandler_server import venues
from fillhandler_server.domain.errors import InvalidFieldError, UnsupportedPayloadError
from fillhandler_server.domain.fills import ContractKind, Liquidity, Side
from fillhandler_server.domain.reports import OrderReport, OrderStatus, ParsedPayload

pytestmark = pytest.mark.parsing

D = Decimal
MS = 10**6


def parse(payload: object) -> ParsedPayload:
    return venues.parse_payload("coinbase", "", json.dumps(payload).encode())


def refused(payload: object) -> list[str]:
    with pytest.raises(InvalidFieldError) as caught:
        parse(payload)
    return [violation.field for violation in caught.value.violations]


def skipped(payload: object) -> list[tuple[str, int]]:
    parsed = parse(payload)
    assert (parsed.fills, parsed.reports) == ([], [])
    return [(skip.kind, skip.count) for skip in parsed.skipped]


def report(payload: object) -> OrderReport:
    parsed = parse(payload)
    (found,) = parsed.reports
    assert (parsed.fills, parsed.skipped) == ([], [])
    return found


FILL = {
    "entry_id": "22222-2222222-22222222", "trade_id": "1111-11111-111111", "order_id": "0000-000000-000000",
    "trade_time": "2021-05-31T09:59:59.000Z", "trade_type": "FILL", "price": "10000.00", "size": "0.001",
    "commission": "1.25", "product_id": "BTC-USD", "sequence_timestamp": "2021-05-31T09:58:59.000Z",
    "liquidity_indicator": "UNKNOWN_LIQUIDITY_INDICATOR", "size_in_quote": False,
    "user_id": "3333-333333-3333333", "side": "BUY", "retail_portfolio_id": "1",
    "fillSource": "FILL_SOURCE_CLOB", "commission_detail_total": {"total_commission": "1.25"},
}  # fmt: skip

ORDER = {
    "order_id": "9bc1eb3b", "product_id": "LTC-BTC", "user_id": "1111111",
    "order_configuration": {
        "limit_limit_gtc": {"base_size": "0.2", "limit_price": "0.006", "post_only": False}
    },
    "side": "SELL", "client_order_id": "e5fe8482", "status": "OPEN", "time_in_force": "GOOD_UNTIL_CANCELLED",
    "created_time": "2023-01-16T23:37:23.947030Z", "completion_percentage": "0", "filled_size": "0",
    "average_filled_price": "0", "fee": "", "number_of_fills": "0", "filled_value": "0",
    "pending_cancel": False, "size_in_quote": False, "total_fees": "0", "size_inclusive_of_fees": False,
    "total_value_after_fees": "0", "trigger_status": "INVALID_ORDER_TYPE", "order_type": "LIMIT",
    "reject_reason": "REJECT_REASON_UNSPECIFIED", "settled": False, "product_type": "SPOT",
    "reject_message": "", "cancel_message": "", "is_liquidation": False, "last_fill_time": None,
    "edit_history": [],
}  # fmt: skip
CREATED = 1673912243947030 * 1000

PUSHED = {
    "avg_price": "50000", "cancel_reason": "", "client_order_id": "XXX", "completion_percentage": "100.00",
    "contract_expiry_type": "UNKNOWN_CONTRACT_EXPIRY_TYPE", "cumulative_quantity": "0.01",
    "filled_value": "500", "leaves_quantity": "0", "limit_price": "50000", "number_of_fills": "1",
    "order_id": "YYY", "order_side": "BUY", "order_type": "Limit", "outstanding_hold_amount": "0",
    "post_only": "false", "product_id": "BTC-USD", "product_type": "SPOT", "reject_reason": "",
    "retail_portfolio_id": "ZZZ", "risk_managed_by": "UNKNOWN_RISK_MANAGEMENT_TYPE", "status": "FILLED",
    "stop_price": "", "time_in_force": "GOOD_UNTIL_CANCELLED", "total_fees": "2",
    "total_value_after_fees": "502", "trigger_status": "INVALID_ORDER_TYPE",
    "creation_time": "2024-06-21T18:29:13.909347Z", "end_time": "0001-01-01T00:00:00Z",
    "start_time": "0001-01-01T00:00:00Z",
}  # fmt: skip


def push(*orders: object, positions: object = None, kind: str = "update") -> dict[str, object]:
    event: dict[str, object] = {"type": kind, "orders": list(orders)}
    if positions is not None:
        event["positions"] = positions
    return {
        "channel": "user", "client_id": "", "timestamp": "2024-06-21T18:30:00.609931463Z", "sequence_num": 0,
        "events": [event],
    }  # fmt: skip


SENT = 1718994600609931463


# ----------------------------------------------------------------------- fills


def test_a_fill() -> None:
    for payload in (FILL, [FILL], {"fills": [FILL], "cursor": "789100"}):
        parsed = parse(payload)
        (fill,) = parsed.fills
        assert (parsed.reports, parsed.skipped) == ([], [])
        assert (fill.venue, fill.account, fill.symbol, fill.market) == ("coinbase", "main", "BTC-USD", "spot")
        assert (fill.order_id, fill.client_order_id) == ("0000-000000-000000", "")
        assert (fill.trade_id, fill.trade_id_derived, fill.leg) == ("1111-11111-111111", False, "")
        assert (fill.side, fill.quantity, fill.price) == (Side.BUY, D("0.001"), 10000)
        assert fill.fees == (("USD", D("1.25")),)
        assert (fill.liquidity, fill.trade_time) == (Liquidity.UNSPECIFIED, 1622455199000 * MS)
        assert (fill.contract_kind, fill.multiplier) == (ContractKind.SPOT, None)
        assert (fill.base_currency, fill.quote_currency, fill.metadata) == ("BTC", "USD", {})


@pytest.mark.parametrize(
    ("product_id", "market", "base", "quote", "multiplier"),
    [
        ("ETH-BTC", "spot", "ETH", "BTC", None),
        ("BTC-USDC", "spot", "BTC", "USDC", None),
        ("BTC-PERP-INTX", "linear", "BTC", "USDC", 1),
        ("1000SHIB-PERP-INTX", "linear", "1000SHIB", "USDC", 1),
        ("BIT-28JUL23-CDE", "linear", "BTC", "USD", D("0.01")),
        ("BIP-20DEC30-CDE", "linear", "BTC", "USD", D("0.01")),
        ("ET-26APR24-CDE", "linear", "ETH", "USD", D("0.1")),
        ("ETP-20DEC30-CDE", "linear", "ETH", "USD", D("0.1")),
        ("NOL-19SEP25-CDE", "linear", "", "USD", None),
    ],
)
def test_products(product_id: str, market: str, base: str, quote: str, multiplier: Decimal | None) -> None:
    (fill,) = parse(FILL | {"product_id": product_id}).fills
    assert (fill.symbol, fill.market, fill.base_currency, fill.quote_currency) == (
        product_id, market, base, quote,
    )  # fmt: skip
    assert (fill.multiplier, fill.fees) == (multiplier, ((quote, D("1.25")),))
    assert fill.contract_kind == (ContractKind.SPOT if market == "spot" else ContractKind.LINEAR)


def test_a_product_that_cannot_be_told() -> None:
    assert refused(FILL | {"product_id": "BTCUSD"}) == ["product_id"]
    (fill,) = parse(FILL | {"product_id": "BTCUSD", "commission": "0"}).fills
    assert (fill.market, fill.fees) == ("", ())
    (fill,) = parse(FILL | {"product_id": "XYZ", "product_type": "FUTURE", "commission": None}).fills
    assert (fill.market, fill.fees) == ("linear", ())


def test_sides_liquidity_and_fees() -> None:
    changes = {"side": "SELL", "liquidity_indicator": "MAKER", "commission": "-0.05"}
    (fill,) = parse(FILL | changes | {"product_id": "ETH-PERP-INTX"}).fills
    assert (fill.side, fill.liquidity, fill.fees) == (Side.SELL, Liquidity.MAKER, (("USDC", D("-0.05")),))
    assert parse(FILL | {"liquidity_indicator": "TAKER"}).fills[0].liquidity == Liquidity.TAKER
    assert parse(FILL | {"commission": "0"}).fills[0].fees == (("USD", D(0)),)
    assert parse(FILL | {"commission": ""}).fills[0].fees == ()


@pytest.mark.parametrize(
    ("size", "price", "want"),
    [
        ("100", "20000", "0.005"),
        ("10", "3", "3.333333333333333333"),
        ("20", "3", "6.666666666666666667"),
        ("1", "2000000000000000000", "0"),  # half of the last place goes to the even one
        ("3", "2000000000000000000", "0.000000000000000002"),
        ("0.0046830664333996", "21220.64", "0.000000220684504963"),
    ],
)
def test_sizes_in_quote(size: str, price: str, want: str) -> None:
    row = FILL | {"size": size, "price": price, "size_in_quote": True}
    if want == "0":
        assert refused(row) == ["size"]
        return
    (fill,) = parse(row).fills
    assert (fill.quantity, fill.price) == (D(want), D(price))
    assert parse(row | {"size_in_quote": False}).fills[0].quantity == D(size)


def test_adjustments_are_no_fills() -> None:
    for word in ("REVERSAL", "CORRECTION", "SYNTHETIC"):
        assert skipped({"fills": [FILL | {"trade_type": word}]}) == [(word.lower(), 1)]
    bare = {key: value for key, value in FILL.items() if key != "trade_type"}
    assert len(parse(bare).fills) == 1
    assert refused(FILL | {"trade_type": "GIFT"}) == ["trade_type"]


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("2021-05-31T09:59:59Z", 1622455199 * 10**9),
        ("2021-05-31T09:59:59.000000001Z", 1622455199 * 10**9 + 1),
        ("2021-05-31T09:59:59.5", 1622455199 * 10**9 + 5 * 10**8),
        ("2021-05-31T11:59:59+02:00", 1622455199 * 10**9),
        ("2021-05-31T02:29:59-0730", 1622455199 * 10**9),
        ("2021-05-31 09:59:59.25+00", 1622455199 * 10**9 + 25 * 10**7),
        (1622455199000, 1622455199 * 10**9),
        ("1622455199000", 1622455199 * 10**9),
    ],
)
def test_times(text: object, want: int) -> None:
    assert parse(FILL | {"trade_time": text}).fills[0].trade_time == want


@pytest.mark.parametrize(
    "text",
    ["yesterday", "2021-13-31T09:59:59Z", "2021-05-31T24:59:59Z", "2021-05-31T09:60:59Z",
     "1960-01-01T00:00:00Z", "2021-05-31T09:59:59.0000000001Z", "9999-01-01T00:00:00Z", True, [], {},
     None, ""],
)  # fmt: skip
def test_times_that_are_none(text: object) -> None:
    assert refused(FILL | {"trade_time": text}) == ["trade_time"]


@pytest.mark.parametrize("key", ["price", "size", "side", "trade_time", "order_id", "trade_id", "product_id"])
def test_a_fill_that_lacks_a_value(key: str) -> None:
    row = {name: value for name, value in FILL.items() if name != key}
    assert refused({"fills": [FILL, row]})[0] == f"fills[1].{key}"
    assert refused(row)[0] == key
    assert refused([row])[0] == f"[0].{key}"


def test_faults_of_a_fill() -> None:
    assert refused(FILL | {"side": "UNKNOWN_ORDER_SIDE"}) == ["side"]
    assert refused(FILL | {"size": "0", "price": "1e400"}) == ["size", "price"]
    assert refused(FILL | {"liquidity_indicator": "BOTH"}) == ["liquidity_indicator"]
    assert refused(FILL | {"size_in_quote": True, "price": "0"}) == ["price"]


# ---------------------------------------------------------------------- orders


@pytest.mark.parametrize(
    ("word", "filled", "status"),
    [
        ("OPEN", "0", OrderStatus.NEW),
        ("OPEN", "0.1", OrderStatus.PARTIALLY_FILLED),
        ("PENDING", "0", OrderStatus.PENDING_NEW),
        ("QUEUED", "0", OrderStatus.PENDING_NEW),
        ("FILLED", "0.2", OrderStatus.FILLED),
        ("CANCELLED", "0.1", OrderStatus.CANCELED),
        ("EXPIRED", "0", OrderStatus.EXPIRED),
        ("FAILED", "0", OrderStatus.REJECTED),
        ("CANCEL_QUEUED", "0", OrderStatus.PENDING_CANCEL),
        ("EDIT_QUEUED", "0.1", OrderStatus.PENDING_REPLACE),
        ("UNKNOWN_ORDER_STATUS", "0", OrderStatus.UNKNOWN),
    ],
)
def test_statuses(word: str, filled: str, status: OrderStatus) -> None:
    row = ORDER | {"status": word, "filled_size": filled, "average_filled_price": "0.0061"}
    for payload in (row, [row], {"order": row}, {"orders": [row], "sequence": "0", "has_next": False}):
        found = report(payload)
        assert (found.status, found.cumulative_quantity) == (status, D(filled))
        assert found.average_price == (D("0.0061") if D(filled) else None)
        assert (found.order_id, found.client_order_id, found.symbol) == ("9bc1eb3b", "e5fe8482", "LTC-BTC")
        assert (found.market, found.base_currency, found.quote_currency) == ("spot", "LTC", "BTC")
        assert (found.order_quantity, found.limit_price, found.type) == (D("0.2"), D("0.006"), "limit")
        assert (found.side, found.create_time, found.reason) == (Side.SELL, CREATED, "")
    found = report(push(PUSHED | {"status": word, "cumulative_quantity": filled, "leaves_quantity": "0.1"}))
    assert (found.status, found.order_quantity) == (status, D(filled) + D("0.1"))


def test_times_of_an_order() -> None:
    last, fill = "2023-01-17T00:00:00Z", "2023-01-16T23:59:59Z"
    filled = ORDER | {"filled_size": "0.1", "last_fill_time": fill}
    fill_time = 1673913599 * 10**9
    assert report(ORDER).time == CREATED
    assert report(ORDER | {"last_update_time": last}).time == 1673913600 * 10**9
    assert report(filled).time == fill_time
    assert report(filled | {"status": "FILLED"}).time == fill_time
    assert report(filled | {"status": "CANCELLED"}).time is None  # canceled later than it was filled
    assert report(ORDER | {"pending_cancel": True}).time is None
    never = "0001-01-01T00:00:00Z"
    assert report(filled | {"last_update_time": never}).time == fill_time
    assert report(filled | {"last_fill_time": never}).time is None


def test_an_order_whose_cancel_is_on_its_way() -> None:
    assert report(ORDER | {"pending_cancel": True}).status == OrderStatus.PENDING_CANCEL
    assert report(ORDER | {"pending_cancel": True, "status": "FILLED"}).status == OrderStatus.FILLED


@pytest.mark.parametrize(
    ("configuration", "word", "quantity", "price", "kind"),
    [
        ({"market_market_ioc": {"quote_size": "100"}}, "MARKET", None, None, "market"),
        ({"market_market_ioc": {"base_size": "2", "rfq_disabled": True}}, "MARKET", "2", None, "market"),
        ({"market_market_fok": {"base_size": "2"}}, None, "2", None, "market"),
        ({"sor_limit_ioc": {"base_size": "2", "limit_price": "9"}}, "LIMIT", "2", "9", "limit"),
        ({"limit_limit_gtc": {"base_size": "2", "limit_price": "9", "post_only": True}}, "LIMIT", "2", "9",
         "post_only"),
        ({"limit_limit_gtd": {"quote_size": "18", "limit_price": "9"}}, "LIMIT", None, "9", "limit"),
        ({"limit_limit_fok": {"base_size": "2", "limit_price": "9"}}, "UNKNOWN_ORDER_TYPE", "2", "9",
         "limit"),
        ({"twap_limit_gtd": {"base_size": "2", "limit_price": "9"}}, None, "2", "9", "twap"),
        ({"stop_limit_stop_limit_gtc": {"base_size": "2", "limit_price": "9", "stop_price": "8"}},
         "STOP_LIMIT", "2", "9", "stop_limit"),
        ({"trigger_bracket_gtd": {"base_size": "2", "limit_price": "9"}}, None, "2", "9", "bracket"),
        ({"scaled_limit_gtc": {"base_size": "2", "min_price": "8"}}, "SCALED", "2", None, "scaled"),
        ({}, "LIMIT", None, None, "limit"),
        (None, None, None, None, ""),
    ],
)  # fmt: skip
def test_what_was_asked_for(
    configuration: object, word: str | None, quantity: str | None, price: str | None, kind: str
) -> None:
    found = report(ORDER | {"order_configuration": configuration, "order_type": word})
    assert found.order_quantity == (None if quantity is None else D(quantity))
    assert found.limit_price == (None if price is None else D(price))
    assert found.type == kind


def test_reasons_and_marks() -> None:
    changes = {"status": "FAILED", "reject_reason": "INSUFFICIENT_FUND", "reject_message": "Insufficient"}
    assert report(ORDER | changes).reason == "INSUFFICIENT_FUND: Insufficient"
    assert report(ORDER | {"cancel_message": "User requested cancel"}).reason == "User requested cancel"
    future = report(ORDER | {"product_id": "BTC-PERP-INTX", "is_liquidation": True, "product_type": "FUTURE"})
    assert (future.metadata, future.market, future.contract_kind, future.multiplier) == (
        {"execution": "liquidation"}, "linear", ContractKind.LINEAR, 1,
    )  # fmt: skip
    assert report(ORDER | {"order_type": "LIQUIDATION"}).metadata == {"execution": "liquidation"}
    assert report(ORDER).metadata == {}


def test_faults_of_an_order() -> None:
    for key in ("status", "product_id", "order_id", "filled_size"):
        row = {name: value for name, value in ORDER.items() if name != key}
        assert refused({"orders": [row]}) == [f"orders[0].{key}"]
    assert refused({"order": ORDER | {"status": "DONE"}}) == ["order.status"]
    bad = {"limit_limit_gtc": {"base_size": "x"}}
    assert refused(ORDER | {"order_configuration": bad}) == ["order_configuration.limit_limit_gtc.base_size"]
    # Nothing was filled of an order that never started.
    assert report(ORDER | {"status": "FAILED", "filled_size": ""}).cumulative_quantity is None


# ------------------------------------------------------------ the user channel


def test_the_user_channel() -> None:
    found = report(push(PUSHED))
    assert (found.status, found.order_id, found.client_order_id) == (OrderStatus.FILLED, "YYY", "XXX")
    assert (found.order_quantity, found.cumulative_quantity, found.average_price) == (
        D("0.01"),
        D("0.01"),
        50000,
    )
    assert (found.side, found.type, found.limit_price) == (Side.BUY, "limit", 50000)
    assert (found.time, found.create_time) == (SENT, 1718994553909347000)
    assert (found.symbol, found.market, found.reason) == ("BTC-USD", "spot", "")
    alone = report(PUSHED)
    assert (alone.time, alone.create_time) == (None, 1718994553909347000)
    event = report({"type": "snapshot", "orders": [PUSHED]})
    assert (event.order_id, event.time) == ("YYY", None)


@pytest.mark.parametrize(
    ("changes", "quantity"),
    [
        ({"leaves_quantity": "0.02"}, "0.03"),
        # What is left of a market buy is in the quote currency.
        ({"order_type": "Market", "leaves_quantity": "12.5", "status": "OPEN"}, None),
        ({"order_type": "Market", "leaves_quantity": "0.02", "status": "OPEN", "order_side": "SELL"}, "0.03"),
        ({"order_type": "Market"}, "0.01"),
        # What is left of an order that ended early may be 0.
        ({"status": "CANCELLED"}, None),
        ({"status": "CANCELLED", "leaves_quantity": "0.02"}, "0.03"),
        ({"status": "EXPIRED"}, None),
        ({"status": "FAILED", "cumulative_quantity": "0", "avg_price": "0"}, None),
        ({"leaves_quantity": None}, None),
    ],
)
def test_ordered_in_the_user_channel(changes: dict[str, object], quantity: str | None) -> None:
    assert report(push(PUSHED | changes)).order_quantity == (None if quantity is None else D(quantity))


def test_more_of_the_user_channel() -> None:
    new = report(push(PUSHED | {"status": "OPEN", "cumulative_quantity": "0", "avg_price": "9"}))
    assert (new.status, new.average_price, new.cumulative_quantity) == (OrderStatus.NEW, None, 0)
    assert report(push(PUSHED | {"post_only": "true"})).type == "post_only"
    stop = report(push(PUSHED | {"order_type": "Stop Limit", "cancel_reason": "User requested cancel"}))
    assert (stop.type, stop.reason) == ("stop_limit", "User requested cancel")
    assert report(push(PUSHED | {"order_type": "Market", "limit_price": "0"})).limit_price is None
    assert report(push(PUSHED | {"product_id": "BIT-28JUL23-CDE", "product_type": "FUTURE"})).multiplier == D(
        "0.01"
    )
    several = parse(push(PUSHED, PUSHED | {"order_id": "Z", "status": "CANCELLED"}))
    assert [r.order_id for r in several.reports] == ["YYY", "Z"]
    for key in ("status", "order_side", "order_id", "product_id", "cumulative_quantity"):
        assert refused(push(PUSHED | {key: None})) == [f"events[0].orders[0].{key}"]
    assert refused(push(PUSHED) | {"timestamp": "now"}) == ["timestamp"]
    assert refused(push(PUSHED) | {"channel": "secrets"}) == ["channel"]


def test_positions() -> None:
    perpetual = {"product_id": "BTC-PERP-INTX", "net_size": "1", "position_side": "POSITION_SIDE_LONG"}
    dated = {"product_id": "BIT-28JUL23-CDE", "side": "Long", "number_of_contracts": "2"}
    held = {"perpetual_futures_positions": [perpetual], "expiring_futures_positions": [dated]}
    assert skipped(push(positions=held)) == [("position", 2)]
    assert skipped(push(positions={"perpetual_futures_positions": []}, kind="snapshot")) == [("empty", 1)]
    assert len(parse(push(PUSHED, positions=held)).reports) == 1
    for payload in (perpetual, dated, {"positions": [dated]}, {"position": perpetual}):
        assert skipped(payload) == [("position", 1)]


# --------------------------------------------------------------------- answers

PLACED = {
    "order_id": "52cfe5e2", "product_id": "LTC-BTC", "side": "SELL", "client_order_id": "4d760580",
}  # fmt: skip
WHY = {
    "error": "INSUFFICIENT_FUND", "message": "Insufficient balance in source account", "error_details": "",
    "preview_failure_reason": "UNKNOWN_PREVIEW_FAILURE_REASON",
    "new_order_failure_reason": "INSUFFICIENT_FUND",
}  # fmt: skip


def test_placements() -> None:
    configuration = {"limit_limit_gtc": {"base_size": "100", "limit_price": "40000", "post_only": True}}
    old = {"success": True, "failure_reason": "UNKNOWN_FAILURE_REASON", "order_id": "52cfe5e2"}
    for payload, asked in (
        (old | {"success_response": PLACED, "order_configuration": None}, False),
        ({"success": True, "success_response": PLACED, "error_response": None,
          "order_configuration": configuration}, True),
        (PLACED, False),
    ):  # fmt: skip
        found = report(payload)
        assert (found.status, found.order_id, found.client_order_id) == (
            OrderStatus.NEW,
            "52cfe5e2",
            "4d760580",
        )
        assert (found.symbol, found.market, found.side) == ("LTC-BTC", "spot", Side.SELL)
        assert (found.time, found.cumulative_quantity) == (None, None)
        assert (found.order_quantity, found.limit_price, found.type) == (
            (D(100), D(40000), "post_only") if asked else (None, None, "")
        )
    assert refused({"success": True, "success_response": {"product_id": "LTC-BTC"}}) == [
        "success_response.order_id"
    ]
    assert refused({"success": True, "order_configuration": {}}) == ["success_response"]


def test_rejections() -> None:
    failed = {"success": False, "error_response": WHY, "order_configuration": {}}
    assert skipped(failed) == [("failed_placement", 1)]
    (skip,) = parse(failed).skipped
    assert skip.reason == "INSUFFICIENT_FUND: Insufficient balance in source account"
    old = failed | {"failure_reason": "UNKNOWN_FAILURE_REASON", "order_id": ""}
    assert skipped(old) == [("failed_placement", 1)]
    for payload in (
        failed | {"client_order_id": "mine"},
        failed | {"error_response": WHY | {"client_order_id": "mine"}},
    ):
        found = report(payload)
        assert (found.status, found.client_order_id) == (OrderStatus.REJECTED, "mine")
        assert found.reason == "INSUFFICIENT_FUND: Insufficient balance in source account"


def test_edits_and_cancels() -> None:
    assert skipped({"success": True, "errors": []}) == [("acknowledgement", 1)]
    why = {
        "edit_failure_reason": "ORDER_NOT_FOUND",
        "preview_failure_reason": "UNKNOWN_PREVIEW_FAILURE_REASON",
    }
    assert skipped({"success": False, "errors": [why]}) == [("failed_amend", 1)]
    assert parse({"success": False, "errors": why}).skipped[0].reason == "ORDER_NOT_FOUND"
    assert skipped({"success": True, "success_response": {"order_id": "A"}}) == [("acknowledgement", 1)]
    failed = {
        "success": False,
        "error_response": {"edit_order_failure_reason": "NOT_ALLOWED", "order_id": "A"},
    }
    assert skipped(failed) == [("failed_amend", 1)]
    empty = {"success_response": None, "error_response": None}
    assert skipped({"success": True, "errors": []} | empty) == [("acknowledgement", 1)]
    parsed = parse({"success": False, "errors": [why]} | empty)
    assert [(s.kind, s.reason) for s in parsed.skipped] == [("failed_amend", "ORDER_NOT_FOUND")]
    parsed = parse({"success": False, "errors": [], "error_response": {"error_details": "too late"}})
    assert [(s.kind, s.reason) for s in parsed.skipped] == [("failed_amend", "too late")]
    accepted = {"success": True, "success_response": {"order_id": "A"}, "errors": []}
    assert skipped(accepted) == [("acknowledgement", 1)]
    done = {"success": True, "failure_reason": "UNKNOWN_CANCEL_FAILURE_REASON", "order_id": "A"}
    lost = {"success": False, "failure_reason": "UNKNOWN_CANCEL_ORDER", "order_id": "B"}
    parsed = parse({"results": [done, lost | {"failure_reason": "DUPLICATE_CANCEL_REQUEST"}]})
    assert (parsed.fills, parsed.reports) == ([], [])
    assert sorted((s.kind, s.reason, s.count) for s in parsed.skipped) == [
        ("acknowledgement", "an accepted cancel or amend", 1),
        ("failed_cancel", "DUPLICATE_CANCEL_REQUEST", 1),
    ]
    assert skipped(done) == [("acknowledgement", 1)]
    assert skipped([lost]) == [("failed_cancel", 1)]
    assert refused({"results": [{"success": None, "order_id": "A"}]}) == ["results[0].success"]


# ---------------------------------------------------------- Exchange, over REST

OLD_FILL = {
    "trade_id": 74, "product_id": "BTC-USD", "price": "10.00", "size": "0.01",
    "order_id": "d50ec984-77a8-460a-b958-66f114b0de9b", "created_at": "2014-11-07T22:19:28.578544Z",
    "liquidity": "T", "fee": "0.00025", "settled": True, "side": "buy", "profile_id": "1", "user_id": "2",
    "usd_volume": "0.1",
}  # fmt: skip

OLD_ORDER = {
    "id": "68e6a28f", "price": "0.1", "size": "0.01", "product_id": "BTC-USD", "side": "buy", "stp": "dc",
    "type": "limit", "time_in_force": "GTC", "post_only": False, "created_at": "2016-12-08T20:09:05.508883Z",
    "done_at": "2016-12-08T20:09:05.527Z", "done_reason": "filled", "fill_fees": "0.02",
    "filled_size": "0.01", "executed_value": "10", "status": "done", "settled": True, "client_oid": "mine",
}  # fmt: skip


def test_fills_of_the_exchange() -> None:
    for payload in (OLD_FILL, [OLD_FILL]):
        (fill,) = parse(payload).fills
        assert (fill.trade_id, fill.order_id) == ("74", "d50ec984-77a8-460a-b958-66f114b0de9b")
        assert (fill.side, fill.quantity, fill.price) == (Side.BUY, D("0.01"), 10)  # the user's own side
        assert (fill.fees, fill.liquidity) == ((("USD", D("0.00025")),), Liquidity.TAKER)
        assert (fill.trade_time, fill.market) == (1415398768578544 * 1000, "spot")
    assert parse(OLD_FILL | {"liquidity": "M"}).fills[0].liquidity == Liquidity.MAKER
    assert parse(OLD_FILL | {"liquidity": "O"}).fills[0].liquidity == Liquidity.UNSPECIFIED
    for key in ("price", "size", "side", "created_at", "order_id", "trade_id", "product_id"):
        assert refused({name: value for name, value in OLD_FILL.items() if name != key})[0] == key


@pytest.mark.parametrize(
    ("changes", "status", "time"),
    [
        ({}, OrderStatus.FILLED, 1481227745527 * MS),
        ({"done_reason": "canceled"}, OrderStatus.CANCELED, 1481227745527 * MS),
        ({"status": "settled"}, OrderStatus.FILLED, 1481227745527 * MS),
        ({"status": "open", "done_at": None}, OrderStatus.PARTIALLY_FILLED, None),
        ({"status": "open", "done_at": None, "filled_size": "0", "executed_value": "0"}, OrderStatus.NEW,
         1481227745508883000),
        ({"status": "active", "done_at": None, "filled_size": "0"}, OrderStatus.NEW, 1481227745508883000),
        ({"status": "pending", "done_at": None, "filled_size": "0"}, OrderStatus.PENDING_NEW,
         1481227745508883000),
        ({"status": "rejected", "done_at": None, "filled_size": "0"}, OrderStatus.REJECTED, None),
    ],
)  # fmt: skip
def test_orders_of_the_exchange(changes: dict[str, object], status: OrderStatus, time: int | None) -> None:
    found = report([OLD_ORDER | changes])
    assert (found.status, found.time, found.create_time) == (status, time, 1481227745508883000)
    assert (found.order_id, found.client_order_id, found.side) == ("68e6a28f", "mine", Side.BUY)
    assert (found.order_quantity, found.limit_price, found.type) == (D("0.01"), D("0.1"), "limit")
    filled = D(str((OLD_ORDER | changes)["filled_size"]))
    assert (found.cumulative_quantity, found.average_price) == (filled, D(1000) if filled else None)


def test_more_orders_of_the_exchange() -> None:
    market = OLD_ORDER | {"type": "market", "funds": "9.75", "specified_funds": "10", "price": None}
    found = report(market)
    assert (found.type, found.order_quantity, found.limit_price) == ("market", None, None)
    assert report(OLD_ORDER | {"post_only": True}).type == "post_only"
    third = report(OLD_ORDER | {"filled_size": "3", "executed_value": "10"})
    assert third.average_price == D("3.333333333333333333333333333")
    rejected = OLD_ORDER | {"status": "rejected", "filled_size": "0", "reject_reason": "post only"}
    assert report(rejected).reason == "post only"
    assert refused(OLD_ORDER | {"done_reason": None}) == ["done_reason"]
    assert refused(OLD_ORDER | {"status": "lost"}) == ["status"]


# --------------------------------------------------------- Exchange, the feed

MATCH = {
    "type": "match", "trade_id": 10, "sequence": 50, "maker_order_id": "ac928c66",
    "taker_order_id": "132fb6ae",
    "time": "2014-11-07T08:19:27.028459Z", "product_id": "BTC-USD", "size": "5.23512", "price": "400.23",
    "side": "sell",
}  # fmt: skip
TAKER = {
    "taker_user_id": "u",
    "user_id": "u",
    "taker_profile_id": "p",
    "profile_id": "p",
    "taker_fee_rate": "0.005",
}
MAKER = {
    "maker_user_id": "u",
    "user_id": "u",
    "maker_profile_id": "p",
    "profile_id": "p",
    "maker_fee_rate": "0.001",
}


def test_matches() -> None:
    (fill,) = parse(MATCH | TAKER).fills
    assert (fill.order_id, fill.side, fill.liquidity) == ("132fb6ae", Side.BUY, Liquidity.TAKER)
    assert (fill.trade_id, fill.quantity, fill.price) == ("10", D("5.23512"), D("400.23"))
    assert (fill.fees, fill.metadata) == ((), {"fee_rate": "0.005"})
    assert fill.trade_time == 1415348367028459000
    (fill,) = parse(MATCH | MAKER).fills
    assert (fill.order_id, fill.side, fill.liquidity) == ("ac928c66", Side.SELL, Liquidity.MAKER)
    assert len(parse(MATCH | TAKER | MAKER).fills) == 2  # both sides are the user's
    assert skipped(MATCH) == [("market_data", 1)]
    assert skipped(MATCH | {"type": "last_match"}) == [("market_data", 1)]
    for key in ("size", "price", "side", "time", "trade_id", "taker_order_id", "product_id"):
        assert refused({name: value for name, value in (MATCH | TAKER).items() if name != key}) == [key]


def test_messages_about_an_order() -> None:
    base = {
        "side": "sell", "product_id": "BTC-USDC", "time": "2021-03-05T16:42:21.878177Z", "sequence": 1,
        "profile_id": "774ee0ce", "user_id": "54fc1415", "order_id": "11838707",
    }  # fmt: skip
    received = base | {"type": "received", "order_type": "limit", "size": "0.0001", "price": "50000",
                       "client_oid": "a317abb9"}  # fmt: skip
    found = report(received)
    assert (found.status, found.order_id, found.client_order_id) == (OrderStatus.NEW, "11838707", "a317abb9")
    assert (found.order_quantity, found.limit_price, found.type) == (D("0.0001"), 50000, "limit")
    assert (found.symbol, found.side, found.time) == ("BTC-USDC", Side.SELL, 1614962541878177000)
    market = {key: value for key, value in received.items() if key not in ("size", "price")}
    assert report(market | {"order_type": "market", "funds": "3000.234"}).order_quantity is None
    opened = report(base | {"type": "open", "price": "50000", "remaining_size": "0.0001"})
    assert (opened.status, opened.order_quantity, opened.cumulative_quantity) == (OrderStatus.NEW, None, None)
    done = base | {"type": "done", "price": "50000", "remaining_size": "0"}
    assert report(done | {"reason": "filled"}).status == OrderStatus.FILLED
    canceled = report(done | {"reason": "canceled", "cancel_reason": "102:Self Trade Prevention"})
    assert (canceled.status, canceled.reason) == (OrderStatus.CANCELED, "102:Self Trade Prevention")
    change = report(base | {"type": "change", "old_price": "1", "new_price": "2", "new_size": "0.1"})
    assert (change.status, change.limit_price, change.order_quantity) == (OrderStatus.NEW, 2, None)
    stop = {key: value for key, value in base.items() if key != "time"}
    active = report(stop | {"type": "activate", "timestamp": "1483736448.299", "size": "2", "private": True})
    assert (active.status, active.time, active.order_quantity) == (OrderStatus.NEW, 1483736448299 * MS, 2)
    assert refused(done) == ["reason"]
    assert refused(opened_without_time(base)) == ["time"]
    public = {key: value for key, value in done.items() if key not in ("profile_id", "user_id")}
    assert skipped(public | {"reason": "filled"}) == [("market_data", 1)]


def opened_without_time(base: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in base.items() if key != "time"} | {"type": "open"}


# --------------------------------------------------------------------- skipped


@pytest.mark.parametrize(
    ("payload", "want"),
    [
        ({"channel": "subscriptions", "events": [{"subscriptions": {}}]}, "acknowledgement"),
        ({"channel": "heartbeats", "sequence_num": 1, "events": []}, "stream_control"),
        ({"channel": "futures_balance_summary", "events": [{}]}, "balance"),
        ({"channel": "market_trades", "events": [{}]}, "market_data"),
        ({"channel": "user", "sequence_num": 1, "events": []}, "empty"),
        ({"type": "error", "message": "authentication failure"}, "request_error"),
        ({"type": "subscriptions", "channels": []}, "acknowledgement"),
        ({"type": "heartbeat", "sequence": 90}, "stream_control"),
        ({"fills": [], "cursor": ""}, "empty"),
        ({"orders": [], "has_next": False}, "empty"),
        ({"results": []}, "empty"),
        ({"order_total": "10", "commission_total": "0.1", "errs": [], "preview_id": "1"}, "preview"),
        ({"errors": [], "slippage": "0", "order_total": "1", "best_bid": "1"}, "preview"),
        ({"error": "unauthorized", "code": 16, "message": "x", "details": []}, "request_error"),
        ({"errors": [{"id": "authentication_error", "message": "expired"}]}, "request_error"),
        ({"message": "Insufficient funds"}, "request_error"),
        ({"accounts": [], "has_next": False}, "balance"),
        ({"uuid": "1", "available_balance": {"value": "1"}}, "balance"),
        ({"balance_summary": {}}, "balance"),
        ({"total_volume": 1, "fee_tier": {}}, "fee_tier"),
        ({"sweeps": []}, "transfer"),
        ({"trade": {"id": "1"}}, "conversion"),
        ({"trades": [], "best_bid": "1"}, "market_data"),
        ({"trade_id": "10092327", "product_id": "BTC-USDT", "price": "1", "size": "1", "side": "BUY"},
         "market_data"),
        ({"products": []}, "market_data"),
        ({"pagination": {}, "data": []}, "transaction"),
    ],
)  # fmt: skip
def test_what_is_no_fill_and_no_report(payload: object, want: str) -> None:
    assert skipped(payload) == [(want, 1)]


def test_keys_that_fit_no_kind() -> None:
    for payload in ({"a": 1}, [{"product_id": "BTC-USD"}], {"orders": [{"x": 1}]}, {"order": {}}):
        with pytest.raises(UnsupportedPayloadError):
            parse(payload)


def test_payloads_that_name_the_venue() -> None:
    for payload in (
        FILL, [FILL], {"fills": [FILL]}, ORDER, {"order": ORDER}, {"orders": [ORDER]}, PUSHED, push(PUSHED),
        {"success": True, "success_response": PLACED}, {"success": False, "error_response": WHY},
        MATCH | TAKER, MATCH | MAKER,
    ):  # fmt: skip
        assert venues.parse_payload("", "", json.dumps(payload).encode()).venue == "coinbase"
    for payload in (PLACED, MATCH, {"channel": "user"}, {"success": True}, {"fills": []}, {"orders": [{}]}):
        with pytest.raises(InvalidFieldError):
            venues.parse_payload("", "", json.dumps(payload).encode())


def test_the_ids_that_a_cancel_of_exchange_answers_are_skipped() -> None:
    parsed = venues.parse_payload("coinbase", "", b'["one", "two"]')
    assert [(entry.kind, entry.count) for entry in parsed.skipped] == [("acknowledgement", 2)]
    assert not parsed.fills
    assert not parsed.reports
