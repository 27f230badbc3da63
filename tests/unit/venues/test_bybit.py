"""Bybit: documented shapes beyond the reference cases, and each trap.

Shapes are from bybit-exchange.github.io/docs (v5; v3 spot) and the samples in ccxt 4.5.90.
"""

import copy
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from fillhandler_server import venues
from fillhandler_server.domain.errors import InvalidFieldError, UnsupportedPayloadError
from fillhandler_server.domain.fills import ContractKind, Fill, Liquidity, Side
from fillhandler_server.domain.numbers import canonical
from fillhandler_server.domain.reports import OrderReport, OrderStatus, ParsedPayload

pytestmark = pytest.mark.parsing

D = Decimal
MS = 10**6

FIXTURE = Path(__file__).parents[2] / "fixtures" / "venues" / "bybit.json"


def parse(payload: object, venue: str = "bybit") -> ParsedPayload:
    return venues.parse_payload(venue, "", json.dumps(payload).encode())


def fill(payload: object) -> Fill:
    parsed = parse(payload)
    assert not parsed.reports
    (found,) = parsed.fills
    return found


def order(payload: object) -> OrderReport:
    parsed = parse(payload)
    assert not parsed.fills
    (found,) = parsed.reports
    return found


def skipped(payload: object) -> list[tuple[str, int]]:
    parsed = parse(payload)
    assert not parsed.fills
    assert not parsed.reports
    return [(entry.kind, entry.count) for entry in parsed.skipped]


def refused(payload: object) -> list[str]:
    with pytest.raises(InvalidFieldError) as caught:
        parse(payload)
    return [violation.field for violation in caught.value.violations]


def answer(result: object, **more: object) -> dict[str, object]:
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": 1672283754510} | more


def push(topic: str, *rows: object) -> dict[str, object]:
    return {"id": "1", "topic": topic, "creationTime": 1672364174455, "data": list(rows)}


def listed(category: str, *rows: object) -> dict[str, object]:
    return answer({"nextPageCursor": "132766%3A2", "category": category, "list": list(rows)})


# The sample of GET /v5/execution/list: no category in the row, no fee coin.
EXECUTION = {
    "symbol": "ETHPERP", "orderType": "Market", "underlyingPrice": "", "orderLinkId": "", "side": "Buy",
    "indexPrice": "", "orderId": "8c065341-7b52-4ca9-ac2c-37e31ac55c94", "stopOrderType": "UNKNOWN",
    "leavesQty": "0", "execTime": "1672282722429", "feeCurrency": "", "isMaker": False,
    "execFee": "0.071409", "feeRate": "0.0006", "execId": "e0cbe81d-0f18-5866-9415-cf319b5dab3b",
    "tradeIv": "", "blockTradeId": "", "markPrice": "1183.54", "execPrice": "1190.15", "markIv": "",
    "orderQty": "0.1", "orderPrice": "1236.9", "execValue": "119.015", "execType": "Trade",
    "execQty": "0.1", "closedSize": "", "extraFees": "", "seq": 4688002127,
}  # fmt: skip

FAST = {
    "category": "linear", "symbol": "ICPUSDT", "execId": "3510f361-0add-5c7b-a2e7-9679810944fc",
    "execPrice": "12.015", "execQty": "3000", "orderId": "443d63fa-b4c3-4297-b7b1-23bca88b04dc",
    "isMaker": False, "orderLinkId": "test-00001", "side": "Sell", "execTime": "1716800399334",
    "seq": 34771365464,
}  # fmt: skip

# The sample of the order stream.
ORDER = {
    "symbol": "ETH-30DEC22-1400-C", "orderId": "5cf98598-39a7-459e-97bf-76ca765ee020", "side": "Sell",
    "orderType": "Market", "cancelType": "UNKNOWN", "price": "72.5", "qty": "1", "orderIv": "",
    "timeInForce": "IOC", "orderStatus": "Filled", "orderLinkId": "", "lastPriceOnCreated": "",
    "reduceOnly": False, "leavesQty": "", "leavesValue": "", "cumExecQty": "1", "cumExecValue": "75",
    "avgPrice": "75", "blockTradeId": "", "positionIdx": 0, "cumExecFee": "0.358635", "closedPnl": "0",
    "createdTime": "1672364262444", "updatedTime": "1672364262457", "rejectReason": "EC_NoError",
    "stopOrderType": "", "tpslMode": "", "triggerPrice": "", "triggerDirection": 0, "triggerBy": "",
    "closeOnTrigger": False, "category": "option", "placeType": "price", "smpType": "None", "smpGroup": 0,
    "smpOrderId": "", "feeCurrency": "", "cumFeeDetail": {"MNT": "0.00242968"},
}  # fmt: skip

IDS = {"orderId": "c6f055d9-7f21-4079-913d-e6523a9cfffa", "orderLinkId": "linear-004"}


# ------------------------------------------------------------------ executions


def test_every_field_of_an_execution() -> None:
    for payload in (listed("linear", EXECUTION), EXECUTION, [EXECUTION], push("execution", EXECUTION)):
        found = fill(payload)
        assert (found.venue, found.symbol, found.market) == ("bybit", "ETHPERP", "linear")
        assert (found.order_id, found.client_order_id) == (EXECUTION["orderId"], "")
        assert found.trade_id == "e0cbe81d-0f18-5866-9415-cf319b5dab3b"
        assert (found.side, found.quantity, found.price) == (Side.BUY, D("0.1"), D("1190.15"))
        assert found.fees == (("USDC", D("0.071409")),)
        assert found.liquidity == Liquidity.TAKER
        assert found.trade_time == 1672282722429 * MS
        assert (found.contract_kind, found.multiplier) == (ContractKind.LINEAR, None)
        assert (found.base_currency, found.quote_currency) == ("ETH", "USDC")
        assert found.metadata == {}
        assert found.leg == ""


def test_the_category_of_a_list_is_its_rows() -> None:
    row = EXECUTION | {"symbol": "ETHUSDT", "feeCurrency": "ETH", "orderLinkId": "mine"}
    for category, kind in (("spot", ContractKind.SPOT), ("linear", ContractKind.LINEAR)):
        found = fill(listed(category, row))
        assert (found.market, found.contract_kind, found.client_order_id) == (category, kind, "mine")
    alone = fill(row)
    assert (alone.market, alone.contract_kind) == ("", ContractKind.UNSPECIFIED)
    assert (alone.base_currency, alone.quote_currency) == ("ETH", "USDT")
    # A row's own category stands.
    assert fill(listed("linear", row | {"category": "spot"})).market == "spot"
    # The result passed without its answer.
    assert fill(listed("spot", row)["result"]).market == "spot"


@pytest.mark.parametrize(
    ("symbol", "market", "kind", "multiplier", "base", "quote", "settle"),
    [
        ("BTCPERP", "linear", ContractKind.LINEAR, None, "BTC", "USDC", "USDC"),
        ("1000PEPEPERP", "linear", ContractKind.LINEAR, None, "1000PEPE", "USDC", "USDC"),
        ("BTC-24MAR23", "linear", ContractKind.LINEAR, None, "BTC", "USDC", "USDC"),
        ("BTCUSDT-21FEB25", "linear", ContractKind.LINEAR, None, "BTC", "USDT", "USDT"),
        ("BTCUSD", "inverse", ContractKind.INVERSE, D(1), "BTC", "USD", "BTC"),
        ("ETHUSDH23", "inverse", ContractKind.INVERSE, D(1), "ETH", "USD", "ETH"),
        ("ETH-28FEB25-2800-C", "option", ContractKind.UNSPECIFIED, None, "ETH", "USDC", "USDC"),
        ("BTC-13FEB25-89000-P-USDT", "option", ContractKind.UNSPECIFIED, None, "BTC", "USDT", "USDT"),
        ("ETHUSDC", "spot", ContractKind.SPOT, None, "ETH", "USDC", "ETH"),
        ("SOLBTC", "spot", ContractKind.SPOT, None, "SOL", "BTC", "SOL"),
        ("ETHEUR", "spot", ContractKind.SPOT, None, "ETH", "EUR", "ETH"),
    ],
)
def test_what_a_symbol_says(
    symbol: str,
    market: str,
    kind: ContractKind,
    multiplier: Decimal | None,
    base: str,
    quote: str,
    settle: str,
) -> None:
    for payload in (EXECUTION | {"symbol": symbol}, listed(market, EXECUTION | {"symbol": symbol})):
        found = fill(payload)
        assert (found.market, found.contract_kind, found.multiplier) == (market, kind, multiplier)
        assert (found.base_currency, found.quote_currency) == (base, quote)
        assert found.fees == ((settle, D("0.071409")),)


def test_a_create_type_is_a_derivative() -> None:
    row = EXECUTION | {"symbol": "XRPUSDT", "createType": "CreateByUser"}
    found = fill(row)
    assert (found.market, found.fees) == ("linear", (("USDT", D("0.071409")),))
    assert fill(row | {"createType": ""}).market == ""


def test_an_unknown_symbol_is_a_fill_without_a_fee_rather_than_no_fill() -> None:
    found = fill(EXECUTION | {"symbol": "WHATEVER"})
    assert (found.market, found.base_currency, found.fees) == ("", "", ())


# ------------------------------------------------------------------------ fees


@pytest.mark.parametrize(
    ("category", "side", "maker", "fee", "want"),
    [
        # The spot fee currency instruction: what was received; a maker's rebate in the other coin.
        ("spot", "Buy", False, "0.1", "BTC"),
        ("spot", "Sell", False, "0.1", "USDT"),
        ("spot", "Buy", True, "0.1", "BTC"),
        ("spot", "Sell", True, "0.1", "USDT"),
        ("spot", "Buy", True, "-0.1", "USDT"),
        ("spot", "Sell", True, "-0.1", "BTC"),
        ("spot", "Buy", True, "0", "BTC"),
        ("linear", "Buy", True, "-0.1", "USDT"),
        ("linear", "Sell", False, "0", "USDT"),
        # Spot or linear: stated where both come to the same.
        (None, "Sell", False, "0.1", "USDT"),
        (None, "Buy", True, "-0.1", "USDT"),
        (None, "Buy", False, "0.1", None),
        (None, "Sell", True, "-0.1", None),
    ],
)
def test_fee_currencies_that_are_not_stated(
    category: str | None, side: str, maker: bool, fee: str, want: str | None
) -> None:
    row = EXECUTION | {"symbol": "BTCUSDT", "side": side, "isMaker": maker, "execFee": fee}
    if category:
        row |= {"category": category}
    assert fill(row).fees == (((want, D(fee)),) if want else ())
    for key in ("feeCurrency", "feeCoin"):
        assert fill(row | {key: "MNT"}).fees == (("MNT", D(fee)),)


def test_no_fee_is_unknown_and_zero_is_a_statement() -> None:
    assert fill(EXECUTION | {"execFee": ""}).fees == ()
    assert fill(EXECUTION | {"execFee": None}).fees == ()
    assert fill(EXECUTION | {"execFee": "0"}).fees == (("USDC", D(0)),)


def test_taxes_stand_beside_the_fee() -> None:
    tax = {
        "feeCoin": "USDT", "feeType": "GST", "subFeeType": "IND_GST", "feeRate": "0.000099",
        "fee": "0.004613796",
    }  # fmt: skip
    found = fill(EXECUTION | {"extraFees": [tax], "feeCurrency": "USDT"})
    assert found.fees == (("USDT", D("0.071409")),)
    assert found.metadata == {"extra_fees": "GST 0.004613796 USDT"}
    assert fill(EXECUTION | {"extraFees": []}).metadata == {}


def test_the_spot_leg_of_a_spread_has_a_fee_of_its_own() -> None:
    row = EXECUTION | {"execType": "FutureSpread", "execFee": "0", "execFeeV2": "0.002", "symbol": "SOLUSDT"}
    assert fill(row | {"category": "spot"}).fees == (("SOL", D("0.002")),)
    assert fill(row | {"category": "linear"}).fees == (("USDT", D(0)),)
    assert fill(row | {"category": "spot", "execType": "Trade"}).fees == (("SOL", D(0)),)
    assert fill(row | {"category": "spot", "execFeeV2": ""}).fees == (("SOL", D(0)),)


# ---------------------------------------------------------- kinds of execution


@pytest.mark.parametrize(
    ("kind", "mark"),
    [
        ("Trade", None),
        ("AdlTrade", "adl"),
        ("BustTrade", "liquidation"),
        ("Delivery", "settlement"),
        ("Settle", "settlement"),
        ("BlockTrade", None),
        ("MovePosition", None),
        ("FutureSpread", None),
        ("UNKNOWN", None),
        ("", None),  # classic spot
    ],
)
def test_executions_that_change_a_position(kind: str, mark: str | None) -> None:
    found = fill(EXECUTION | {"execType": kind})
    assert found.metadata == ({"execution": mark} if mark else {})


@pytest.mark.parametrize(
    ("kind", "name"), [("Funding", "funding"), ("SessionSettlePnL", "session_settlement")]
)
def test_executions_that_are_no_trades(kind: str, name: str) -> None:
    row = EXECUTION | {"execType": kind, "orderId": "", "execQty": "0"}
    assert skipped(listed("linear", row)) == [(name, 1)]
    assert skipped(row) == [(name, 1)]
    assert skipped(push("execution.linear", row, row)) == [(name, 2)]


def test_an_unknown_kind_of_execution_is_refused() -> None:
    assert refused(listed("linear", EXECUTION | {"execType": "Gift"})) == ["result.list[0].execType"]


@pytest.mark.parametrize(
    ("create_type", "mark"),
    [
        ("CreateByLiq", "liquidation"),
        ("CreateByTakeOver_PassThrough", "liquidation"),
        ("CreateByAdl_PassThrough", "adl"),
        ("CreateBySettle", "settlement"),
        ("CreateByUser", None),
        ("CreateByStopLoss", None),
    ],
)
def test_orders_that_the_venue_made(create_type: str, mark: str | None) -> None:
    want = {"execution": mark} if mark else {}
    assert fill(EXECUTION | {"createType": create_type}).metadata == want
    assert (
        order(ORDER | {"createType": create_type, "symbol": "BTCUSDT", "category": "linear"}).metadata == want
    )


def test_a_settlement_needs_no_order() -> None:
    for kind in ("Delivery", "Settle", "FutureSpread"):
        assert fill(EXECUTION | {"execType": kind, "orderId": ""}).order_id == ""
    assert refused(EXECUTION | {"orderId": ""}) == ["orderId"]
    assert refused(EXECUTION | {"orderId": "", "execType": "BustTrade"}) == ["orderId"]


def test_the_fast_channel_has_no_fee_and_repeats_the_execution() -> None:
    for topic in ("execution.fast", "execution.fast.linear"):
        found = fill(push(topic, FAST))
        assert (found.trade_id, found.order_id) == (FAST["execId"], FAST["orderId"])
        assert (found.fees, found.liquidity) == ((), Liquidity.TAKER)
        assert (found.side, found.quantity, found.price) == (Side.SELL, D(3000), D("12.015"))
        assert found.client_order_id == "test-00001"
    full = fill(push("execution", FAST | {"execFee": "19.8", "feeCoin": "USDT", "execType": "Trade"}))
    fast = fill(FAST)
    assert full.key == fast.key
    assert (full.symbol, full.market, full.order_id) == (fast.symbol, fast.market, fast.order_id)
    assert (full.contract_kind, full.multiplier) == (fast.contract_kind, fast.multiplier)
    old = {key: value for key, value in FAST.items() if key not in ("isMaker", "orderLinkId")}
    assert fill(old).liquidity == Liquidity.UNSPECIFIED


@pytest.mark.parametrize(
    ("words", "want"),
    [
        ({"isMaker": True}, Liquidity.MAKER),
        ({"isMaker": False}, Liquidity.TAKER),
        ({"isMaker": "true"}, Liquidity.MAKER),
        ({"lastLiquidityInd": "TAKER"}, Liquidity.TAKER),
        ({"lastLiquidityInd": "AddedLiquidity"}, Liquidity.MAKER),
        ({"lastLiquidityInd": "RemovedLiquidity"}, Liquidity.TAKER),
        ({}, Liquidity.UNSPECIFIED),
    ],
)
def test_liquidity(words: dict[str, object], want: Liquidity) -> None:
    row = {key: value for key, value in EXECUTION.items() if key != "isMaker"}
    assert fill(row | words).liquidity == want


def test_the_older_names_of_usdc_executions() -> None:
    row = {
        "symbol": "ETHPERP", "orderLinkId": "", "side": "Buy", "orderId": "aad0ee44", "execFee": "0.0210",
        "feeRate": "0.000600", "blockTradeId": "", "tradeTime": "1669196417930", "execPrice": "1162.15",
        "lastLiquidityInd": "TAKER", "execValue": "34.8645", "execType": "Trade", "execQty": "0.030",
        "tradeId": "0e94eaf5-b08e-5505-b43f-7f1f30b1ca80",
    }  # fmt: skip
    found = fill({"retCode": 0, "retMsg": "", "result": {"dataList": [row], "cursor": ""}})
    assert found.trade_id == "0e94eaf5-b08e-5505-b43f-7f1f30b1ca80"
    assert (found.trade_time, found.fees) == (1669196417930 * MS, (("USDC", D("0.021")),))
    pushed = {
        "topic": "user.execution.unifiedAccount",
        "ts": 1,
        "data": {"result": [EXECUTION], "version": 1},
    }
    assert fill(pushed).trade_id == EXECUTION["execId"]


def test_several_executions_of_one_push() -> None:
    parsed = parse(push("execution", FAST, FAST | {"execId": "2", "execQty": "5"}))
    assert [found.quantity for found in parsed.fills] == [D(3000), D(5)]


def test_json_numbers_are_read_exactly() -> None:
    text = (
        json.dumps(EXECUTION)
        .replace('"0.071409"', "7.1409e-02")
        .replace('"1190.15"', "1190.150000000000000001")
    )
    (found,) = venues.parse_payload("bybit", "", text.encode()).fills
    assert canonical(found.fees[0][1]) == "0.071409"
    assert canonical(found.price or D(0)) == "1190.150000000000000001"


@pytest.mark.parametrize("key", ["symbol", "orderId", "execId", "side", "execQty", "execPrice", "execTime"])
def test_an_execution_without_a_needed_value(key: str) -> None:
    row = {name: value for name, value in EXECUTION.items() if name != key}
    assert refused(listed("linear", row)) == [f"result.list[0].{key}"]
    assert refused(push("execution", EXECUTION, row)) == [f"data[1].{key}"]
    assert refused(EXECUTION | {key: ""}) == [key]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("side", "None"),
        ("execQty", "0"),
        ("execQty", "-1"),
        ("execPrice", "x"),
        ("execTime", "x"),
        ("isMaker", "x"),
        ("category", "futures"),
        ("lastLiquidityInd", "x"),
    ],
)
def test_an_execution_with_a_wrong_value(key: str, value: object) -> None:
    row = EXECUTION | {key: value}
    if key == "lastLiquidityInd":
        row["isMaker"] = None
    assert refused(row) == [key]


# ---------------------------------------------------------------------- orders


def test_every_field_of_an_order() -> None:
    for payload in (
        push("order", ORDER),
        push("order.option", ORDER),
        listed("option", ORDER),
        ORDER,
        [ORDER],
    ):
        found = order(payload)
        assert (found.symbol, found.market) == ("ETH-30DEC22-1400-C", "option")
        assert (found.order_id, found.client_order_id) == ("5cf98598-39a7-459e-97bf-76ca765ee020", "")
        assert (found.side, found.type, found.status) == (Side.SELL, "market", OrderStatus.FILLED)
        assert (found.order_quantity, found.cumulative_quantity, found.average_price) == (D(1), D(1), D(75))
        assert found.limit_price is None
        assert (found.time, found.create_time) == (1672364262457 * MS, 1672364262444 * MS)
        assert (found.base_currency, found.quote_currency) == ("ETH", "USDC")
        assert (found.reason, found.metadata) == ("", {})


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("Created", OrderStatus.NEW),
        ("New", OrderStatus.NEW),
        ("Untriggered", OrderStatus.NEW),
        ("Triggered", OrderStatus.NEW),
        ("PartiallyFilled", OrderStatus.PARTIALLY_FILLED),
        ("Filled", OrderStatus.FILLED),
        ("PartiallyFilledCanceled", OrderStatus.CANCELED),
        ("Cancelled", OrderStatus.CANCELED),
        ("Deactivated", OrderStatus.CANCELED),
        ("Rejected", OrderStatus.REJECTED),
        ("PendingCancel", OrderStatus.PENDING_CANCEL),
    ],
)
def test_statuses(word: str, status: OrderStatus) -> None:
    assert order(ORDER | {"orderStatus": word}).status == status


def test_orders_of_the_markets() -> None:
    linear = order(listed("linear", ORDER | {"symbol": "ETHUSDT", "category": "linear", "positionIdx": 1}))
    assert (linear.market, linear.contract_kind) == ("linear", ContractKind.LINEAR)
    assert linear.metadata == {"position_side": "LONG"}
    assert order(ORDER | {"positionIdx": 2}).metadata == {"position_side": "SHORT"}
    inverse = order(ORDER | {"symbol": "BTCUSD", "category": "inverse", "qty": "100"})
    assert (inverse.market, inverse.contract_kind, inverse.multiplier) == (
        "inverse",
        ContractKind.INVERSE,
        D(1),
    )
    assert (inverse.order_quantity, inverse.base_currency, inverse.quote_currency) == (D(100), "BTC", "USD")
    spot = order(ORDER | {"symbol": "BTCUSDT", "category": "spot"})
    assert (spot.market, spot.contract_kind) == ("spot", ContractKind.SPOT)


@pytest.mark.parametrize(
    ("category", "side", "kind", "unit", "rest", "want"),
    [
        ("spot", "Buy", "Market", "", "0", None),  # in quote, where nothing else is said
        ("spot", "Buy", "Market", "quoteCoin", "0", None),
        ("spot", "Buy", "Market", "baseCoin", "0", "20"),
        ("spot", "Sell", "Market", "", "0", "20"),
        ("spot", "Sell", "Market", "baseCoin", "0", "20"),
        ("spot", "Sell", "Market", "quoteCoin", "0", None),
        ("spot", "Buy", "Limit", "", "0", "20"),
        ("linear", "Buy", "Market", "", "0", "20"),
        (None, "Buy", "Market", "", "19", "20"),  # 1 is filled: they add up
        (None, "Buy", "Market", "", "0", None),
        (None, "Buy", "Market", "", "", None),
        (None, "Sell", "Market", "", "0", "20"),
        (None, "Buy", "Limit", "", "0", "20"),
    ],
)
def test_the_ordered_quantity(
    category: str | None, side: str, kind: str, unit: str, rest: str, want: str | None
) -> None:
    row = ORDER | {
        "symbol": "BTCUSDT", "category": category, "side": side, "orderType": kind, "marketUnit": unit,
        "qty": "20", "leavesQty": rest,
    }  # fmt: skip
    assert order(row).order_quantity == (None if want is None else D(want))


def test_a_position_closed_whole_has_no_ordered_quantity() -> None:
    assert order(ORDER | {"qty": "0"}).order_quantity is None
    assert order(ORDER | {"qty": ""}).order_quantity is None


@pytest.mark.parametrize(
    ("category", "cumulative", "average", "value", "want"),
    [
        ("linear", "2", "75.5", "151", "75.5"),
        ("linear", "0", "0", "0", None),
        ("linear", "0", "", "", None),
        ("linear", "0", "75", "", None),  # over nothing
        ("linear", "2", "0", "151", "75.5"),  # classic accounts, cancelled after a part was filled
        ("spot", "2", "", "151", "75.5"),
        ("inverse", "100", "", "0.00166", None),
        ("inverse", "100", "60000", "0.00166", "60000"),
        ("linear", "2", "", "", None),
        ("linear", "", "", "", None),
    ],
)
def test_averages(category: str, cumulative: str, average: str, value: str, want: str | None) -> None:
    symbol = "BTCUSD" if category == "inverse" else "BTCUSDT"
    row = ORDER | {
        "symbol": symbol, "category": category, "cumExecQty": cumulative, "avgPrice": average,
        "cumExecValue": value,
    }  # fmt: skip
    found = order(row)
    assert found.average_price == (None if want is None else D(want))
    assert found.cumulative_quantity == (None if cumulative == "" else D(cumulative))


def test_types_and_limit_prices() -> None:
    limit = order(ORDER | {"orderType": "Limit", "timeInForce": "GTC"})
    assert (limit.type, limit.limit_price) == ("limit", D("72.5"))
    post_only = order(ORDER | {"orderType": "Limit", "timeInForce": "PostOnly"})
    assert (post_only.type, post_only.limit_price) == ("post_only", D("72.5"))
    assert order(ORDER | {"orderType": "Limit", "price": "0"}).limit_price is None
    assert order(ORDER | {"orderType": "UNKNOWN"}).type == ""


@pytest.mark.parametrize(
    ("status", "reject", "cancel", "want"),
    [
        ("Rejected", "EC_PostOnlyWillTakeLiquidity", "UNKNOWN", "EC_PostOnlyWillTakeLiquidity"),
        ("Cancelled", "EC_PerCancelRequest", "CancelByUser", "EC_PerCancelRequest"),
        ("Cancelled", "EC_NoError", "CancelByReduceOnly", "CancelByReduceOnly"),
        ("Cancelled", "", "", ""),
        ("New", "EC_NoError", "UNKNOWN", ""),
        # The order was filled before the cancel: FILLED comes twice.
        ("Filled", "EC_OrigClOrdIDDoesNotExist", "CancelByUser", ""),
    ],
)
def test_reasons(status: str, reject: str, cancel: str, want: str) -> None:
    found = order(ORDER | {"orderStatus": status, "rejectReason": reject, "cancelType": cancel})
    assert found.reason == want


@pytest.mark.parametrize("key", ["symbol", "orderId", "side", "orderStatus", "cumExecQty"])
def test_an_order_without_a_needed_value(key: str) -> None:
    row = {name: value for name, value in ORDER.items() if name != key}
    assert refused(push("order", row)) == [f"data[0].{key}"]


def test_an_order_with_a_wrong_value() -> None:
    assert refused(push("order", ORDER | {"orderStatus": "Sleeping"})) == ["data[0].orderStatus"]
    assert refused(listed("linear", ORDER | {"side": "None"})) == ["result.list[0].side"]
    assert refused(ORDER | {"avgPrice": "x"}) == ["avgPrice"]
    assert refused({"result": 5} | answer(5)) == ["result"]
    assert refused(push("order", 1)) == ["data[0]"]


# --------------------------------------------------------------------- answers


def test_a_placement() -> None:
    for payload in (answer(IDS), IDS, [IDS]):
        found = order(payload)
        assert (found.order_id, found.client_order_id) == (IDS["orderId"], "linear-004")
        assert (found.status, found.symbol, found.market, found.time) == (OrderStatus.NEW, "", "", None)


def test_a_placement_that_failed_without_ids() -> None:
    failed = {"retCode": 110007, "retMsg": "ab not enough for new order", "result": {}, "time": 1668838414793}
    assert skipped(failed) == [("request_error", 1)]
    assert parse(failed).skipped[0].reason == "110007: ab not enough for new order"
    assert skipped(failed | {"result": None}) == [("request_error", 1)]
    assert skipped({"retCode": 10001, "retMsg": "params error", "result": {"list": []}}) == [
        ("request_error", 1)
    ]
    with_id = order(failed | {"result": {"orderId": "", "orderLinkId": "mine"}})
    assert (with_id.status, with_id.client_order_id) == (OrderStatus.REJECTED, "mine")
    assert with_id.reason == "110007: ab not enough for new order"


@pytest.mark.parametrize("code", [110001, 110008, 110010, 170142, 170213])
def test_a_cancel_that_failed(code: int) -> None:
    failed = {"retCode": code, "retMsg": "order not exists or too late to cancel"}
    for result in ({}, None, {"orderId": "1"}, {"orderId": "", "orderLinkId": "mine"}):
        assert skipped(failed | {"result": result}) == [("failed_cancel", 1)]


def test_an_amend_that_failed_with_the_order_in_it() -> None:
    failed = {"retCode": 110003, "retMsg": "Order price is out of permissible range", "result": IDS}
    assert skipped(failed) == [("failed_cancel", 1)]


def socket(op: str, data: object, code: int = 0, text: str = "OK", ext: object = None) -> dict[str, object]:
    header = {"X-Bapi-Limit": "10", "Traceid": "38b7", "Timenow": "1711001595209"}
    return {
        "reqId": "test-005", "retCode": code, "retMsg": text, "op": op, "data": data,
        "retExtInfo": {} if ext is None else {"list": ext}, "header": header, "connId": "cnt5-2v",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("op", "failure"),
    [
        ("order.create", "failed_placement"),
        ("order.amend", "failed_amend"),
        ("order.cancel", "failed_cancel"),
    ],
)
def test_answers_over_the_trade_socket(op: str, failure: str) -> None:
    assert skipped(socket(op, {}, 170131, "Insufficient balance.")) == [(failure, 1)]
    entry = {"category": "linear", "symbol": "SOLUSDT", "orderId": "1", "orderLinkId": "b-1"}
    batch = socket(f"{op}-batch", {"list": [entry, entry]}, ext=[{"code": 0, "msg": "OK"}] * 2)
    if op == "order.create":
        found = order(socket(op, IDS))
        ids = (found.order_id, found.client_order_id)
        assert (found.status, ids) == (OrderStatus.NEW, (IDS["orderId"], "linear-004"))
        assert found.time is None
        placed = parse(batch).reports
        assert [found.status for found in placed] == [OrderStatus.NEW] * 2
        assert {(found.symbol, found.market) for found in placed} == {("SOLUSDT", "linear")}
    else:
        assert skipped(socket(op, IDS)) == [("acknowledgement", 1)]
        assert skipped(batch) == [("acknowledgement", 2)]
    refusal = [{"code": 10001, "msg": "position idx not match position mode"}]
    failed = parse(socket(f"{op}-batch", {"list": [entry | {"orderId": ""}]}, ext=refusal))
    if op == "order.create":
        assert [found.status for found in failed.reports] == [OrderStatus.REJECTED]
        assert failed.reports[0].reason == "10001: position idx not match position mode"
        assert failed.reports[0].client_order_id == "b-1"
        with_id = order(socket(op, {"orderId": "", "orderLinkId": "mine"}, 170131, "Insufficient balance."))
        assert (with_id.status, with_id.reason) == (OrderStatus.REJECTED, "170131: Insufficient balance.")
    else:
        assert not failed.reports
        assert [entry.kind for entry in failed.skipped] == [failure]


def test_a_batch_of_placements() -> None:
    entries = [
        {"category": "linear", "symbol": "LTCUSDT", "orderId": "", "orderLinkId": "", "createAt": ""},
        {"category": "linear", "symbol": "LTCUSDT", "orderId": "", "orderLinkId": "b", "createAt": ""},
        {
            "category": "option",
            "symbol": "ETH-30DEC22-500-C",
            "orderId": "3c9f65b6",
            "orderLinkId": "c",
            "createAt": "1698075516029",
        },
    ]
    codes = [
        {"code": 10001, "msg": "The number of contracts exceeds maximum limit allowed"},
        {"code": 170131, "msg": "Insufficient balance."},
        {"code": 0, "msg": "OK"},
    ]
    parsed = parse(answer({"list": entries}, retExtInfo={"list": codes}))
    assert [(entry.kind, entry.reason) for entry in parsed.skipped] == [
        ("failed_placement", "10001: The number of contracts exceeds maximum limit allowed")
    ]
    rejected, placed = parsed.reports
    assert (rejected.status, rejected.client_order_id) == (OrderStatus.REJECTED, "b")
    assert (rejected.symbol, rejected.market, rejected.time) == ("LTCUSDT", "linear", None)
    assert rejected.reason == "170131: Insufficient balance."
    assert (placed.status, placed.order_id, placed.client_order_id) == (OrderStatus.NEW, "3c9f65b6", "c")
    assert (placed.symbol, placed.market) == ("ETH-30DEC22-500-C", "option")
    assert (placed.time, placed.create_time) == (1698075516029 * MS, 1698075516029 * MS)
    # The entries alone.
    assert order(entries[2]).status == OrderStatus.NEW
    assert order(entries[1]).status == OrderStatus.REJECTED
    assert skipped(entries[0]) == [("failed_placement", 1)]
    alone = parse({"list": entries})
    assert [found.status for found in alone.reports] == [OrderStatus.REJECTED, OrderStatus.NEW]


def test_a_batch_of_cancels_or_amends() -> None:
    entries = [
        {"category": "spot", "symbol": "BTCUSDT", "orderId": "1666800494330512128", "orderLinkId": "a"},
        {"category": "spot", "symbol": "ATOMUSDT", "orderId": "", "orderLinkId": "1666800494330512129"},
    ]
    codes = [{"code": 0, "msg": "OK"}, {"code": 170213, "msg": "Order does not exist."}]
    payload = answer({"list": entries}, retExtInfo={"list": codes})
    assert skipped(payload) == [("acknowledgement", 1), ("failed_cancel", 1)]
    assert skipped(entries[0]) == [("acknowledgement", 1)]
    assert skipped(codes) == [("acknowledgement", 1), ("request_error", 1)]


def test_cancel_all() -> None:
    result = {"list": [{"orderId": "1", "orderLinkId": "a"}, {"orderId": "2"}], "success": "1"}
    for payload in (answer(result), result, answer({"list": result["list"]})):
        assert skipped(payload) == [("acknowledgement", 2)]
    assert skipped(answer(result | {"success": "0"})) == [("failed_cancel", 2)]
    assert skipped(answer({"list": [], "success": "1"})) == [("empty", 1)]


# --------------------------------------------------------------------- skipped


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (answer({}), "acknowledgement"),
        (answer(None), "acknowledgement"),
        ({"retCode": 0, "retMsg": "success"}, "acknowledgement"),
        (answer([]), "empty"),
        (listed("linear"), "empty"),
        (push("order"), "empty"),
        ({"success": True, "ret_msg": "", "op": "auth", "conn_id": "cejreaspqf"}, "acknowledgement"),
        ({"success": True, "ret_msg": "pong", "conn_id": "0970e817", "op": "ping"}, "acknowledgement"),
        ({"req_id": "2", "op": "pong", "args": ["1757405570352"], "conn_id": "d266"}, "acknowledgement"),
        ({"success": False, "ret_msg": "error:USVC1111", "request": {"op": "auth"}}, "request_error"),
        (socket("auth", None), "acknowledgement"),
        (socket("pong", ["1711002002529"]), "acknowledgement"),
        (socket("auth", None, 10004, "invalid sign"), "request_error"),
        ({"code": "-10009", "desc": "Invalid period!"}, "request_error"),
        (push("wallet", {"accountType": "UNIFIED", "coin": []}), "balance"),
        (push("position.linear", {"symbol": "BTCUSDT", "size": "1"}), "position"),
        (push("greeks", {"baseCoin": "ETH"}), "greeks"),
        (push("dcp.future", {}), "disconnect_protection"),
        (push("spread.execution", FAST), "spread"),
        (push("publicTrade.BTCUSDT", {"i": "1", "p": "1", "v": "1", "S": "Buy"}), "market_data"),
        ({"topic": "orderbook.50.BTCUSDT", "ts": 1, "data": {"s": "BTCUSDT", "b": []}}, "market_data"),
        (push("allLiquidation.BTCUSDT", {"s": "BTCUSDT"}), "market_data"),
        (push("user.wallet.unifiedAccount", {}), "balance"),
        (listed("linear", {"positionIdx": 0, "symbol": "BTCUSDT", "liqPrice": "1"}), "position"),
        (answer({"list": [{"accountType": "UNIFIED", "totalEquity": "1", "coin": []}]}), "balance"),
        (answer({"list": [{"symbol": "ETHUSDT", "takerFeeRate": "0.0006"}]}), "fee_rate"),
        (listed("linear", {"deliveryTime": "1", "symbol": "BTC-29DEC22", "deliveryRpl": "1"}), "settlement"),
        (listed("linear", {"symbol": "BTCPERP", "side": "Sell", "sessionAvgPrice": "1"}), "settlement"),
        (
            listed(
                "linear",
                {
                    "symbol": "ETHPERP", "orderType": "Market", "avgEntryPrice": "1194", "qty": "3",
                    "orderId": "5a373bfe", "side": "Sell", "closedPnl": "-5", "execType": "Trade",
                },
            ),
            "closed_pnl",
        ),
        (
            answer({"list": [{"id": "1", "type": "TRADE", "tradeId": "2", "orderId": "3", "cashFlow": "1"}]}),
            "bill",
        ),
        (answer({"list": [{"id": "1", "type": "SETTLEMENT", "transactionTime": "1"}]}), "funding"),
        (answer({"list": [{"orderId": "2", "execId": "3", "rejectParty": ""}]}), "move_position"),
        (answer({"list": [{"rfqId": "2", "quoteId": "3"}]}), "rfq"),
        (answer({"list": [{"coin": "BTC", "txID": "3"}]}), "transfer"),
        (answer(IDS | {"preImrE4": 30, "postImrE4": 357}), "pre_check"),
        (answer({"list": [{"symbol": "SOLUSDT_SOL/USDT", "orderId": "1", "orderStatus": "New"}]}), "spread"),
        (answer({"list": [EXECUTION | {"legs": []}]}), "spread"),
        (EXECUTION | {"category": "future_leg", "symbol": "SOLUSDT", "orderId": ""}, "spread"),
        (push("execution", EXECUTION | {"category": "combination"}), "spread"),
        (
            listed("linear", {"execId": "1", "symbol": "ETHUSD", "price": "1", "size": "1", "side": "Sell"}),
            "market_data",
        ),
        (listed("linear", ["1670608800000", "17071"]), "market_data"),
        (listed("linear", {"symbol": "BTCUSDT", "lastPrice": "1"}), "market_data"),
        (listed("linear", {"symbol": "BTCUSDT", "fundingRate": "1"}), "market_data"),
        (answer({"timeSecond": "1688639403", "timeNano": "1688639403423213947"}), "market_data"),
    ],
)  # fmt: skip
def test_what_is_skipped(payload: object, kind: str) -> None:
    assert [name for name, _ in skipped(payload)] == [kind]


def test_unknown_keys_are_unsupported() -> None:
    for payload in ({}, {"a": 1}, answer({"a": 1}), listed("linear", {"a": 1}), push("order", {"a": 1})):
        with pytest.raises(UnsupportedPayloadError):
            parse(payload)


# ------------------------------------------------------------------- v3, spot


def test_old_spot_trades() -> None:
    row = {
        "symbol": "BTCUSDT", "id": "1210346127973428992", "orderId": "1210073515485855744",
        "tradeId": "2270000000001850016", "orderPrice": "19842.02", "orderQty": "0.001007",
        "execFee": "0.000001007", "feeTokenId": "BTC", "creatTime": "1659020488738", "isBuyer": "0",
        "isMaker": "1", "matchOrderId": "1210346015893229312", "makerRebate": "0",
        "executionTime": "1659020502064",
    }  # fmt: skip
    found = fill({"retCode": 0, "retMsg": "OK", "result": {"list": [row]}})
    assert (found.trade_id, found.market) == ("2270000000001850016", "spot")
    assert (found.side, found.liquidity) == (Side.BUY, Liquidity.TAKER)
    assert (found.quantity, found.price) == (D("0.001007"), D("19842.02"))
    assert found.fees == (("BTC", D("0.000001007")),)
    assert found.trade_time == 1659020502064 * MS
    other = fill(row | {"isBuyer": 1, "isMaker": 0})
    assert (other.side, other.liquidity) == (Side.SELL, Liquidity.MAKER)
    assert refused(row | {"isBuyer": "2"}) == ["isBuyer"]


TICKET = {
    "e": "ticketInfo", "E": "1662348310386", "s": "BTCUSDT", "q": "0.001007", "t": "1662348310373",
    "p": "19842.02", "T": "2100000000002220938", "o": "1238261807653647872", "c": "spotx008",
    "O": "1238225004531834368", "a": "533287", "A": "642908", "m": False, "S": "BUY",
}  # fmt: skip

OLD_PUSH = {
    "e": "order", "E": "1662348310441", "s": "BTCUSDT", "c": "spotx008", "S": "BUY", "o": "MARKET_OF_QUOTE",
    "f": "GTC", "q": "20", "p": "0", "X": "CANCELED", "i": "1238261807653647872", "l": "0.001007",
    "z": "0.001007", "L": "19842.02", "n": "0", "N": "BTC", "m": False, "O": "1662348310368",
    "Z": "19.98091414", "A": "0", "C": False, "v": "0", "d": "NO_LIQ", "t": "2100000000002220938",
}  # fmt: skip


def test_old_spot_pushes() -> None:
    found = fill({"type": "snapshot", "topic": "ticketInfo", "ts": "1662348310388", "data": [TICKET]})
    assert (found.symbol, found.order_id, found.trade_id) == (
        "BTCUSDT",
        "1238261807653647872",
        "2100000000002220938",
    )
    assert (found.client_order_id, found.side, found.liquidity) == ("spotx008", Side.BUY, Liquidity.TAKER)
    assert (found.quantity, found.price, found.fees) == (D("0.001007"), D("19842.02"), ())
    assert found.trade_time == 1662348310373 * MS
    state = order({"type": "snapshot", "topic": "order", "ts": "1662348310441", "data": [OLD_PUSH]})
    assert (state.order_id, state.status, state.type) == (
        "1238261807653647872",
        OrderStatus.CANCELED,
        "market",
    )
    assert (state.order_quantity, state.cumulative_quantity) == (None, D("0.001007"))
    assert state.average_price == D("19842.02")
    assert (state.time, state.create_time) == (1662348310441 * MS, 1662348310368 * MS)
    assert order(OLD_PUSH | {"o": "LIMIT", "p": "19000"}).order_quantity == D(20)
    assert order(OLD_PUSH | {"o": "LIMIT", "p": "19000"}).limit_price == D(19000)
    assert skipped(TICKET | {"e": "outboundAccountInfo"}) == [("market_data", 1)]


def test_old_spot_orders() -> None:
    row = {
        "orderId": "1210073515485855744", "orderLinkId": "spot3", "symbol": "BTCUSDT",
        "createTime": "1659020488738", "orderPrice": "20000", "orderQty": "0.01", "orderType": "LIMIT",
        "side": "BUY", "status": "NEW", "timeInForce": "GTC", "accountId": "533287", "execQty": "0",
    }  # fmt: skip
    found = order({"retCode": 0, "retMsg": "OK", "result": row})
    assert (found.status, found.side, found.type) == (OrderStatus.NEW, Side.BUY, "limit")
    assert (found.order_quantity, found.cumulative_quantity, found.limit_price) == (D("0.01"), D(0), D(20000))
    filled = order(row | {"status": "FILLED", "execQty": "0.01", "avgPrice": "19999", "orderType": "MARKET"})
    assert (filled.order_quantity, filled.average_price, filled.limit_price) == (None, D(19999), None)


# ---------------------------------------------------------------------- claims


def test_keys_that_name_bybit() -> None:
    for payload in (
        EXECUTION,
        FAST,
        ORDER,
        answer(IDS),
        push("order", ORDER),
        listed("linear", EXECUTION),
        [FAST],
    ):
        assert parse(payload, venue="").venue == "bybit"
    bare = {key: value for key, value in FAST.items() if key != "orderLinkId"}
    assert parse(bare, venue="").venue == "bybit"


@pytest.mark.parametrize(
    "payload",
    [
        {"orderId": 1},
        {"topic": "order", "data": []},
        {"execId": "1", "category": "spot", "orderId": "1"},
        {"code": "0", "msg": "", "data": []},
        {"op": "subscribe", "success": True},
    ],
)
def test_keys_that_do_not(payload: object) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        parse(payload, venue="")
    assert caught.value.violations[0].field == "venue"


# ------------------------------------------------------------------ robustness

PAYLOADS = [
    *(case["payload"] for case in json.loads(FIXTURE.read_text(encoding="utf-8"))),
    listed("linear", EXECUTION),
    push("order", ORDER),
    answer(IDS),
    socket("order.create-batch", {"list": [IDS]}, ext=[{"code": 0, "msg": ""}]),
    TICKET,
    OLD_PUSH,
]


def places(value: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inner:
        yield (*path, key)
        yield from places(below, (*path, key))


def test_any_value_missing_or_of_another_type_gives_only_the_two_errors() -> None:
    for payload in PAYLOADS:
        for place in places(payload):
            for value in (None, "", [], {}, True, 0, -1, "x", [{}], [1], {"a": 1}, "\ud800", "1" * 60):
                document = copy.deepcopy(payload)
                holder = document
                for step in place[:-1]:
                    holder = holder[step]  # type: ignore[index]
                holder[place[-1]] = value  # type: ignore[index]
                try:
                    parsed = parse(document)
                except (InvalidFieldError, UnsupportedPayloadError) as error:
                    error.text.encode()
                    continue
                for found in parsed.fills:
                    assert found.quantity > 0
                    assert found.symbol.isprintable()
                    assert found.side
                    assert all(currency for currency, _ in found.fees)
                    assert all(text.isprintable() for text in found.metadata.values())
                for report in parsed.reports:
                    assert report.status
                    assert report.order_id or report.client_order_id
                    assert report.reason.isprintable()
