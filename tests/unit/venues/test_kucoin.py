"""KuCoin: documented shapes beyond the reference cases, and each trap.

Shapes are from kucoin.com/docs-new and its SDK's examples, and the samples in ccxt 4.5.90.
"""

import json
from decimal import Decimal

import pytest

from fillhandler_server import venues
from fillhandler_server.domain.errors import InvalidFieldError, UnsupportedPayloadError
from fillhandler_server.domain.fills import ContractKind, Fill, Liquidity, Side
from fillhandler_server.domain.reports import OrderReport, OrderStatus, ParsedPayload

pytestmark = pytest.mark.parsing

D = Decimal
S = OrderStatus


def parse(payload: object) -> ParsedPayload:
    return venues.parse_payload("kucoin", "", json.dumps(payload).encode())


def fill(payload: object) -> Fill:
    (found,) = parse(payload).fills
    return found


def report(payload: object) -> OrderReport:
    (found,) = parse(payload).reports
    return found


def skipped(payload: object) -> list[tuple[str, int]]:
    parsed = parse(payload)
    assert not parsed.fills
    assert not parsed.reports
    return [(item.kind, item.count) for item in parsed.skipped]


def refused(payload: object) -> list[str]:
    with pytest.raises(InvalidFieldError) as caught:
        parse(payload)
    return [violation.field for violation in caught.value.violations]


def without(row: dict, *names: str) -> dict:
    return {key: value for key, value in row.items() if key not in names}


def answer(data: object) -> dict:
    return {"code": "200000", "data": data}


def page(*rows: object) -> dict:
    return answer({"currentPage": 1, "pageSize": 50, "totalNum": 1, "totalPage": 1, "items": list(rows)})


def push(topic: str, data: object, subject: str = "orderChange") -> dict:
    return {
        "topic": topic, "type": "message", "subject": subject, "userId": "6335", "channelType": "private",
        "data": data,
    }  # fmt: skip


def unified(topic: str, data: object) -> dict:
    return {"T": topic, "P": "1774977429844510434", "d": data}


SPOT_FILL = {
    "id": 19814995255305, "orderId": "6717422bd51c29000775ea03", "counterOrderId": "67174228135f9e000709da8c",
    "tradeId": 11029373945659392, "symbol": "BTC-USDT", "side": "buy", "liquidity": "taker", "type": "limit",
    "forceTaker": False, "price": "67717.6", "size": "0.00001", "funds": "0.677176", "fee": "0.000677176",
    "feeRate": "0.001", "feeCurrency": "USDT", "stop": "", "tradeType": "TRADE", "taxRate": "0", "tax": "0",
    "createdAt": 1729577515473,
}  # fmt: skip
FUTURES_FILL = {
    "symbol": "XBTUSDTM", "tradeId": "1784277229880", "orderId": "236317213710184449", "side": "sell",
    "liquidity": "maker", "forceTaker": False, "price": "67430.9", "size": 3, "value": "202.2927",
    "openFeePay": "-0.01", "closeFeePay": "0", "stop": "", "feeRate": "-0.00005", "fixFee": "0",
    "feeCurrency": "USDT", "marginMode": "ISOLATED", "settleCurrency": "USDT", "fee": "-0.010114635",
    "orderType": "limit", "displayType": "limit", "tradeType": "trade", "subTradeType": None,
    "tradeTime": 1729155616320000000, "createdAt": 1729155616493,
}  # fmt: skip
MATCH = {
    "symbol": "KCS-USDT", "orderType": "limit", "side": "sell", "orderId": "5efab07953bdea00089965fa",
    "liquidity": "taker", "type": "match", "feeType": "takerFee", "orderTime": 1670329987026, "size": "0.3",
    "filledSize": "0.2", "price": "0.938", "matchPrice": "0.96738", "matchSize": "0.1",
    "tradeId": "5efab07a4ee4c7000a82d6d9", "clientOid": "mine", "remainSize": "0.1", "status": "match",
    "ts": 1670329987311000001,
}  # fmt: skip
CHANGE = without(MATCH, "liquidity", "feeType", "matchPrice", "matchSize", "tradeId") | {"type": "open"}
HF_ORDER = {
    "id": "6717422bd51c29000775ea03", "clientOid": "mine", "symbol": "BTC-USDT", "opType": "DEAL",
    "type": "limit", "side": "buy", "price": "70000", "size": "0.00002", "funds": "1.4",
    "dealSize": "0.00001", "dealFunds": "0.677176", "remainSize": "0.00001", "remainFunds": "0.7",
    "cancelledSize": "0", "cancelledFunds": "0", "fee": "0.000677176", "feeCurrency": "USDT", "stp": None,
    "timeInForce": "GTC", "postOnly": False, "hidden": False, "iceberg": False, "visibleSize": "0",
    "cancelAfter": 0, "channel": "API", "remark": None, "tags": None, "cancelExist": False,
    "tradeType": "TRADE", "inOrderBook": True, "active": True, "tax": "0", "createdAt": 1729577515444,
    "lastUpdatedAt": 1729577515481,
}  # fmt: skip
OLD_ORDER = without(HF_ORDER, "active", "inOrderBook", "lastUpdatedAt", "remainSize", "remainFunds") | {
    "isActive": False, "stop": "", "stopTriggered": False, "stopPrice": "0",
}  # fmt: skip
FUTURES_ORDER = {
    "id": "236317213710184449", "symbol": "XBTUSDTM", "type": "market", "side": "buy", "price": "0",
    "size": 2, "value": "134.8", "dealValue": "134.8618", "dealSize": 2, "stp": "", "stop": "",
    "stopPriceType": "", "stopTriggered": False, "stopPrice": None, "timeInForce": "GTC", "postOnly": False,
    "hidden": False, "iceberg": False, "leverage": "3", "forceHold": False, "closeOrder": False,
    "visibleSize": 0, "clientOid": "mine", "remark": None, "tags": "", "isActive": False,
    "cancelExist": False, "createdAt": 1729155616310, "updatedAt": 1729155616324, "endAt": 1729155616324,
    "orderTime": 1729155616310180400, "settleCurrency": "USDT", "marginMode": "ISOLATED",
    "avgDealPrice": "67430.9", "filledSize": 2, "filledValue": "134.8618", "status": "done",
    "reduceOnly": False,
}  # fmt: skip
STOP_ORDER = {
    "id": "vs8hoo8kqjnklv4m0038lrfq", "symbol": "KCS-USDT", "userId": "60fe", "status": "NEW",
    "type": "limit", "side": "buy", "price": "0.01000000000000000000", "size": "0.01", "funds": None,
    "stp": None, "timeInForce": "GTC", "cancelAfter": -1, "postOnly": False, "clientOid": "mine",
    "orderTime": 1628755183702150100, "tradeSource": "USER", "tradeType": "TRADE", "feeCurrency": "USDT",
    "createdAt": 1628755183704, "stop": "loss", "stopTriggerTime": None, "stopPrice": "10.0",
}  # fmt: skip
STOP_EVENT = {
    "createdAt": 1730194206837, "marginMode": "ISOLATED", "orderId": "240673378116083712",
    "orderPrice": "0.1", "orderType": "stop", "side": "buy", "size": 1, "stop": "down", "stopPrice": "1000",
    "stopPriceType": "TP", "symbol": "XBTUSDTM", "ts": 1730194206843133000, "type": "open",
}  # fmt: skip
UTA_ORDER = {
    "orderId": "402665260420558848", "symbol": "XBTUSDTM", "orderType": "LIMIT", "side": "BUY", "size": "2",
    "price": "93000", "timeInForce": "GTC", "orderTime": 1768816081243361310, "stp": "", "cancelAfter": None,
    "postOnly": False, "reduceOnly": False, "filledSize": "1", "avgPrice": "93026.2", "fee": "0.05581572",
    "feeCurrency": "USDT", "tax": "0", "updatedTime": 1768816081248000000, "triggerOrderId": "",
    "cancelReason": "", "cancelSize": "0", "clientOid": "mine", "sizeUnit": "UNIT", "tradeType": "FUTURES",
    "tradeId": "1907914684480", "status": 4,
}  # fmt: skip
UTA_FILL = {
    "orderId": "426373228194254848", "symbol": "DOGEUSDTM", "orderType": "MARKET", "side": "BUY",
    "tradeId": "1711108516570", "size": "1", "price": "0.09641", "value": "9.641",
    "executionTime": 1774468501294000000, "fee": "0.0057846", "feeCurrency": "USDT", "tax": "",
    "liquidityRole": "TAKER", "fillType": "NORMAL",
}  # fmt: skip
UTA_ORDER_PUSH = {
    "tT": "FUTURES", "oi": "427737326394129559", "ci": "mine", "os": 6, "eT": "CANCEL", "s": "DOGEUSDTM",
    "S": "SELL", "oT": "LIMIT", "lR": "", "oS": "USER", "p": "0.1", "ti": "", "q": "3", "qU": "UNIT",
    "fS": "1", "lS": "0", "ls": "0", "aP": "0.11", "f": "0", "fC": "USDT", "t": "0", "cR": "USER", "cS": "2",
    "rS": "0", "tD": "", "tP": "", "toi": "", "stp": "", "rO": True, "tIF": "GTC", "pO": True,
    "O": "1774793727626043888", "U": 1774794309608959200,
}  # fmt: skip
UTA_FILL_PUSH = {
    "E": 1770107561258000000, "S": "BUY", "f": "0.00078823600000000000", "p": "78823.6", "q": "0.00001",
    "s": "BTC-USDT", "fC": "USDT", "lR": "TAKER", "oT": "MARKET", "oi": "6981b2a91c6fcb0007422784",
    "ti": "21002796345212928",
}  # fmt: skip
SYNC = {
    "orderId": "67111a7cb7cbdf000703e1f6", "clientOid": "mine", "orderTime": 1729174140586,
    "originSize": "0.00002", "dealSize": "0", "remainSize": "0.00002", "canceledSize": "0", "status": "open",
    "matchTime": 1729174140588,
}  # fmt: skip


# ----------------------------------------------------------------------- fills


def test_spot_fill() -> None:
    for payload in (SPOT_FILL, [SPOT_FILL], answer([SPOT_FILL]), page(SPOT_FILL)):
        found = fill(payload)
        assert (found.symbol, found.market, found.contract_kind) == ("BTC-USDT", "spot", ContractKind.SPOT)
        assert (found.order_id, found.trade_id) == ("6717422bd51c29000775ea03", "11029373945659392")
        assert (found.side, found.quantity, found.price) == (Side.BUY, D("0.00001"), D("67717.6"))
        assert found.fees == (("USDT", D("0.000677176")),)
        assert (found.liquidity, found.trade_time) == (Liquidity.TAKER, 1729577515473 * 10**6)
        assert (found.base_currency, found.quote_currency) == ("BTC", "USDT")
        assert (found.metadata, found.trade_id_derived, found.client_order_id) == ({}, False, "")


def test_margin_fill() -> None:
    found = fill(page(SPOT_FILL | {"tradeType": "MARGIN_ISOLATED_TRADE", "liquidity": "maker", "tax": "0.1"}))
    assert (found.market, found.liquidity, found.metadata) == ("spot", Liquidity.MAKER, {"tax": "0.1"})


def test_pushed_spot_fill() -> None:
    row = {
        "fee": 0.00262148, "feeCurrency": "USDT", "feeRate": 0.001, "orderId": "62417436b29df8000183df2f",
        "orderType": "market", "price": 131.074, "side": "sell", "size": 0.02, "symbol": "LTC-USDT",
        "time": "1648456758734571745", "tradeId": "624174362e113d2f467b3043",
    }  # fmt: skip
    for payload in (row, push("/spot/tradeFills", row)):
        found = fill(payload)
        assert (found.quantity, found.price, found.fees) == (
            D("0.02"), D("131.074"), (("USDT", D("0.00262148")),),
        )  # fmt: skip
        assert (found.trade_time, found.liquidity) == (1648456758734571745, Liquidity.UNSPECIFIED)


def test_futures_fill() -> None:
    for payload in (FUTURES_FILL, page(FUTURES_FILL), answer([FUTURES_FILL])):
        found = fill(payload)
        assert (found.market, found.contract_kind, found.multiplier) == (
            "linear", ContractKind.LINEAR, D("0.001"),
        )  # fmt: skip
        assert (found.side, found.quantity, found.liquidity) == (Side.SELL, D(3), Liquidity.MAKER)
        assert found.fees == (("USDT", D("-0.010114635")),)  # a rebate
        assert found.trade_time == 1729155616320000000  # not createdAt
        assert (found.base_currency, found.quote_currency) == ("XBT", "USDT")
    assert fill(without(FUTURES_FILL, "tradeTime")).trade_time == 1729155616493 * 10**6


@pytest.mark.parametrize(
    ("symbol", "market", "base", "quote", "lot"),
    [
        ("XBTUSDM", "inverse", "XBT", "USD", "1"),
        ("ETHUSDTM", "linear", "ETH", "USDT", "0.01"),
        ("XBTUSDCM", "linear", "XBT", "USDC", None),
        ("DOGEUSDTM", "linear", "DOGE", "USDT", "100"),
        ("XBTMH26", "inverse", "XBT", "USD", None),
        ("1000BONKUSDTM", "linear", "1000BONK", "USDT", None),
        ("MUSDTM", "linear", "M", "USDT", None),
    ],
)
def test_contracts(symbol: str, market: str, base: str, quote: str, lot: str | None) -> None:
    found = fill(FUTURES_FILL | {"symbol": symbol})
    assert (found.symbol, found.market, found.base_currency, found.quote_currency) == (
        symbol, market, base, quote,
    )  # fmt: skip
    assert found.multiplier == (None if lot is None else D(lot))
    assert found.contract_kind == (ContractKind.INVERSE if market == "inverse" else ContractKind.LINEAR)


def test_a_contract_of_another_spelling_is_told_by_what_it_settles_in() -> None:
    assert fill(FUTURES_FILL | {"symbol": "ODD"}).market == "linear"
    assert fill(FUTURES_FILL | {"symbol": "ODD", "settleCurrency": "XBT"}).market == "inverse"
    assert fill(without(FUTURES_FILL, "settleCurrency") | {"symbol": "ODD"}).market == ""


@pytest.mark.parametrize(
    ("word", "mark"),
    [
        ("trade", None), ("liquid", "liquidation"), ("liquidation", "liquidation"), ("adl", "adl"),
        ("ADL", "adl"), ("settlement", "settlement"),
    ],
)  # fmt: skip
def test_forced_executions_are_marked(word: str, mark: str | None) -> None:
    assert fill(FUTURES_FILL | {"tradeType": word}).metadata.get("execution") == mark


def test_funding_on_the_list_of_fills_is_no_fill() -> None:
    assert skipped(page(FUTURES_FILL | {"tradeType": "funding"})) == [("funding", 1)]


def test_hedge_mode() -> None:
    assert fill(FUTURES_FILL | {"positionSide": "LONG"}).metadata == {"position_side": "LONG"}
    assert fill(FUTURES_FILL | {"positionSide": "LONG"}).side == Side.SELL  # the side is the real one
    assert fill(FUTURES_FILL | {"positionSide": "BOTH"}).metadata == {}


def test_fee_currencies() -> None:
    assert fill(FUTURES_FILL | {"feeCurrency": "XBT"}).fees[0][0] == "XBT"
    assert fill(without(FUTURES_FILL, "feeCurrency")).fees[0][0] == "USDT"
    assert fill(without(SPOT_FILL, "fee")).fees == ()
    assert fill(SPOT_FILL | {"fee": "0"}).fees == (("USDT", D(0)),)
    assert fill(SPOT_FILL | {"fee": "0", "feeCurrency": ""}).fees == ()
    assert refused(SPOT_FILL | {"feeCurrency": ""}) == ["feeCurrency"]


def test_a_deal_of_the_first_api() -> None:
    found = fill(
        page(
            {
                "symbol": "SNOV-ETH", "dealPrice": "0.0000246", "dealValue": "0.018942", "amount": "770",
                "fee": "0.00001137", "side": "sell", "createdAt": 1540080199,
                "id": "5c4d389e4c8c60413f78e2e5",
            }
        )
    )  # fmt: skip
    assert (found.trade_id, found.order_id, found.fees) == ("5c4d389e4c8c60413f78e2e5", "", ())
    assert (found.quantity, found.price, found.trade_time) == (D(770), D("0.0000246"), 1540080199 * 10**9)


@pytest.mark.parametrize("row", [SPOT_FILL, FUTURES_FILL, UTA_FILL], ids=["spot", "futures", "unified"])
def test_fills_that_lack_a_value(row: dict) -> None:
    for key in ("symbol", "orderId", "tradeId", "side", "price", "size"):
        assert refused(without(row, key)) == [key]
        assert refused(page(without(row, key))) == [f"data.items[0].{key}"]
    assert refused(row | {"side": "long", "size": "0"}) == ["side", "size"]


# ---------------------------------------------------------------------- pushes


def test_match() -> None:
    topics = ("/spotMarket/tradeOrders", "/spotMarket/tradeOrdersV2", "/contractMarket/tradeOrders:XBTUSDTM")
    for payload in (MATCH, *(push(topic, MATCH) for topic in topics)):
        found, order = fill(payload), report(payload)
        assert (found.trade_id, found.order_id, found.client_order_id) == (
            "5efab07a4ee4c7000a82d6d9", "5efab07953bdea00089965fa", "mine",
        )  # fmt: skip
        assert (found.quantity, found.price, found.side) == (D("0.1"), D("0.96738"), Side.SELL)
        assert (found.fees, found.trade_time, found.market) == ((), 1670329987311000001, "spot")
        assert (order.status, order.order_quantity, order.cumulative_quantity) == (
            S.PARTIALLY_FILLED, D("0.3"), D("0.2"),
        )  # fmt: skip
        assert (order.average_price, order.limit_price, order.type) == (None, D("0.938"), "limit")
        assert (order.time, order.create_time) == (1670329987311000001, 1670329987026 * 10**6)


def test_the_average_of_a_single_match() -> None:
    order = report(MATCH | {"filledSize": "0.1"})
    assert (order.average_price, order.status) == (D("0.96738"), S.PARTIALLY_FILLED)
    order = report(MATCH | {"filledSize": "0.3", "remainSize": "0"})
    assert (order.average_price, order.status) == (None, S.FILLED)


@pytest.mark.parametrize(
    ("status", "fee_type", "liquidity", "want"),
    [
        ("open", "makerFee", "maker", Liquidity.MAKER),
        ("match", "takerFee", "taker", Liquidity.TAKER),
        ("open", "makerFee", "taker", Liquidity.MAKER),  # the other order was hidden
        ("open", "takerFee", "maker", Liquidity.TAKER),  # a hidden order pays as taker
        ("open", None, "taker", Liquidity.MAKER),
        ("match", None, None, Liquidity.TAKER),
    ],
)
def test_liquidity_of_a_match(status: str, fee_type: str | None, liquidity: str | None, want: int) -> None:
    row = MATCH | {"status": status, "feeType": fee_type, "liquidity": liquidity}
    assert fill(row).liquidity == want


@pytest.mark.parametrize(
    ("kind", "status", "filled", "want"),
    [
        ("received", "new", "0", S.NEW),
        ("open", "open", "0", S.NEW),
        ("open", "open", "0.1", S.PARTIALLY_FILLED),
        ("filled", "done", "0.3", S.FILLED),
        ("canceled", "done", "0", S.CANCELED),
        ("canceled", "done", "0.1", S.CANCELED),
        ("update", "open", "0", S.NEW),  # a part was canceled
        ("update", "open", "0.1", S.PARTIALLY_FILLED),
        ("update", "match", "0.1", S.PARTIALLY_FILLED),  # STP
        ("update", "done", "0.1", S.CANCELED),  # the rest was canceled
        ("update", "done", "0", S.CANCELED),
    ],
)
def test_changes(kind: str, status: str, filled: str, want: OrderStatus) -> None:
    row = CHANGE | {"type": kind, "status": status, "filledSize": filled}
    for payload in (row, push("/spotMarket/tradeOrdersV2", row), push("/contractMarket/tradeOrders", row)):
        parsed = parse(payload)
        assert parsed.fills == []
        assert [(order.status, order.cumulative_quantity) for order in parsed.reports] == [(want, D(filled))]


def test_received() -> None:
    order = report(
        push(
            "/spotMarket/tradeOrdersV2",
            {
                "clientOid": "mine", "orderId": "6720da3fa30a360007f5f832", "orderTime": 1730206271588,
                "orderType": "market", "originSize": "0.00001", "side": "buy", "status": "new",
                "symbol": "BTC-USDT", "ts": 1730206271616000000, "type": "received",
            },
        )
    )  # fmt: skip
    assert (order.status, order.order_quantity, order.cumulative_quantity) == (S.NEW, D("0.00001"), None)
    assert (order.type, order.limit_price) == ("market", None)


def test_an_order_by_funds_has_no_quantity() -> None:
    row = MATCH | {"orderType": "market", "side": "buy", "size": "", "originSize": "0", "originFunds": "5"}
    order = report(row | {"price": "0"})
    assert (order.order_quantity, order.limit_price, order.status) == (None, None, S.PARTIALLY_FILLED)
    assert report(row | {"type": "filled", "status": "done"}).status == S.FILLED


def test_an_update_changes_the_quantity() -> None:
    row = CHANGE | {"type": "update", "status": "open", "oldSize": "0.5", "originSize": "0.5", "size": "0.3"}
    assert report(row).order_quantity == D("0.3")


def test_futures_changes() -> None:
    row = MATCH | {
        "symbol": "ETHUSDTM", "tradeType": "liquid", "orderTime": "1772043995356345762", "size": "1",
        "filledSize": "1", "matchSize": "1", "remainSize": "0", "orderType": "market", "price": "0",
        "positionSide": "SHORT", "matchPrice": "2068.55",
    }  # fmt: skip
    found, order = fill(row), report(row)
    marks = {"execution": "liquidation", "position_side": "SHORT"}
    assert (found.metadata, order.metadata) == (marks, marks)
    assert (found.market, found.multiplier, order.multiplier) == ("linear", D("0.01"), D("0.01"))
    assert (order.status, order.average_price, order.create_time) == (
        S.FILLED, D("2068.55"), 1772043995356345762,
    )  # fmt: skip


def test_changes_that_lack_a_value() -> None:
    for key in ("symbol", "orderId", "side", "type", "status"):
        assert refused(without(CHANGE, key)) == [key]
    for key in ("matchPrice", "matchSize", "tradeId", "ts"):
        assert refused(push("/spotMarket/tradeOrders", without(MATCH, key))) == [f"data.{key}"]
    assert refused(CHANGE | {"type": "odd", "status": "strange"}) == ["type", "status"]
    assert refused(MATCH | {"feeType": "noFee"}) == ["feeType"]


@pytest.mark.parametrize(
    ("more", "status", "reason"),
    [
        ({}, S.NEW, ""),
        ({"type": "triggered", "triggerSuccess": True}, S.NEW, ""),
        ({"type": "triggered", "triggerSuccess": False, "error": "Balance insufficient!"}, S.REJECTED,
         "Balance insufficient!"),
        ({"type": "open", "error": "Balance insufficient!"}, S.REJECTED, "Balance insufficient!"),
        ({"type": "cancel"}, S.CANCELED, ""),
    ],
)  # fmt: skip
def test_stop_events(more: dict, status: OrderStatus, reason: str) -> None:
    row = STOP_EVENT | more
    for payload in (
        row,
        push("/contractMarket/advancedOrders", row),
        push("/spotMarket/advancedOrders", row),
    ):
        order = report(payload)
        assert (order.status, order.reason, order.order_id) == (status, reason, "240673378116083712")
        assert (order.order_quantity, order.limit_price, order.cumulative_quantity) == (D(1), D("0.1"), None)
        assert (order.time, order.create_time) == (1730194206843133000, 1730194206837 * 10**6)
    assert refused(STOP_EVENT | {"type": "odd"}) == ["type"]


# --------------------------------------------------------------------- queries


@pytest.mark.parametrize(
    ("more", "want"),
    [
        ({}, S.PARTIALLY_FILLED),
        ({"dealSize": "0", "dealFunds": "0"}, S.NEW),
        ({"cancelExist": True}, S.PARTIALLY_FILLED),  # a part was canceled, the order lives
        ({"active": False, "dealSize": "0.00002"}, S.FILLED),
        ({"active": False, "cancelExist": True}, S.CANCELED),
        ({"active": False}, S.CANCELED),  # it ended before it was filled
        ({"active": False, "type": "market", "size": "0"}, S.FILLED),  # by funds
        ({"active": False, "type": "market", "size": "0", "cancelExist": True}, S.CANCELED),
        ({"active": False, "type": "market", "size": "0", "dealSize": "0", "dealFunds": "0"}, S.CANCELED),
    ],
)
def test_spot_orders(more: dict, want: OrderStatus) -> None:
    row = HF_ORDER | more
    for payload in (row, answer(row), answer([row]), page(row)):
        assert report(payload).status == want
    old = OLD_ORDER | without(more, "active") | {"isActive": row["active"]}
    assert report(page(old)).status == want


def test_the_figures_of_spot_orders() -> None:
    order = report(HF_ORDER)
    assert (order.order_id, order.client_order_id, order.symbol) == (
        "6717422bd51c29000775ea03", "mine", "BTC-USDT",
    )  # fmt: skip
    assert (order.order_quantity, order.cumulative_quantity, order.average_price) == (
        D("0.00002"), D("0.00001"), D("67717.6"),
    )  # fmt: skip
    assert (order.limit_price, order.type, order.side) == (D(70000), "limit", Side.BUY)
    assert (order.time, order.create_time) == (1729577515481 * 10**6, 1729577515444 * 10**6)
    assert report(HF_ORDER | {"dealSize": "0", "dealFunds": "0"}).average_price is None
    assert report(HF_ORDER | {"postOnly": True}).type == "post_only"
    assert report(HF_ORDER | {"type": "market", "size": "0"}).order_quantity is None
    assert report(HF_ORDER | {"type": "market"}).limit_price is None
    assert (report(OLD_ORDER).time, report(OLD_ORDER).create_time) == (None, 1729577515444 * 10**6)


def test_futures_orders() -> None:
    for payload in (FUTURES_ORDER, answer(FUTURES_ORDER), page(FUTURES_ORDER), answer([FUTURES_ORDER])):
        order = report(payload)
        assert (order.status, order.cumulative_quantity, order.average_price) == (
            S.FILLED,
            D(2),
            D("67430.9"),
        )
        assert (order.market, order.multiplier, order.limit_price) == ("linear", D("0.001"), None)
        assert (order.time, order.create_time) == (1729155616324 * 10**6, 1729155616310 * 10**6)
    active = {"isActive": True, "status": "open", "type": "limit", "price": "50000"}
    assert report(FUTURES_ORDER | active | {"filledSize": 1}).status == S.PARTIALLY_FILLED
    new = report(FUTURES_ORDER | active | {"filledSize": 0, "dealSize": 0, "avgDealPrice": "0"})
    assert (new.status, new.average_price, new.limit_price) == (S.NEW, None, D(50000))
    assert report(FUTURES_ORDER | {"cancelExist": True, "filledSize": 1}).status == S.CANCELED
    assert report(without(FUTURES_ORDER, "isActive")).status == S.FILLED
    assert report(without(FUTURES_ORDER, "isActive") | {"status": "open"}).status == S.PARTIALLY_FILLED


def test_the_average_of_older_futures_orders() -> None:
    old = without(FUTURES_ORDER, "avgDealPrice")
    assert report(old).average_price == D("67430.9")
    assert report(old | {"symbol": "ODDUSDTM"}).average_price is None  # the lot is not known
    assert report(old | {"symbol": "XBTUSDM"}).average_price is None  # a value in coin is rounded
    assert report(FUTURES_ORDER | {"symbol": "XBTUSDM"}).average_price == D("67430.9")  # as stated


def test_spot_stop_orders() -> None:
    for payload in (STOP_ORDER, answer(STOP_ORDER), page(STOP_ORDER), answer([STOP_ORDER])):
        order = report(payload)
        assert (order.status, order.order_id, order.client_order_id) == (
            S.NEW, "vs8hoo8kqjnklv4m0038lrfq", "mine",
        )  # fmt: skip
        assert (order.order_quantity, order.limit_price) == (D("0.01"), D("0.01"))
        assert (order.create_time, order.cumulative_quantity) == (1628755183702150100, None)
    assert report(STOP_ORDER | {"status": "TRIGGERED"}).status == S.NEW
    assert refused(STOP_ORDER | {"status": "ODD"}) == ["status"]


def test_oco_orders() -> None:
    row = {
        "orderId": "674c3b6e688dea0007c7bab2", "symbol": "BTC-USDT", "clientOid": "mine",
        "orderTime": 1733049198863, "status": "NEW",
    }  # fmt: skip
    assert skipped(page(row)) == [("order_list", 1)]
    leg = {"id": "vs1", "symbol": "BTC-USDT", "side": "buy", "price": "94000", "stopPrice": "94000"}
    parsed = parse(answer(row | {"orders": [leg | {"size": "0.1", "status": "NEW"}] * 2}))
    assert [(order.order_id, order.status) for order in parsed.reports] == [("vs1", S.NEW)] * 2


def test_orders_that_lack_a_value() -> None:
    for row in (HF_ORDER, FUTURES_ORDER, STOP_ORDER):
        for key in ("id", "symbol", "side"):
            assert refused(without(row, key)) == [key]
    assert refused(without(HF_ORDER, "dealSize")) == ["dealSize"]
    assert refused(without(HF_ORDER, "active")) == ["isActive"]
    assert refused(without(FUTURES_ORDER, "dealSize", "filledSize")) == ["filledSize"]


# ------------------------------------------------------------- unified account


def test_unified_fills() -> None:
    for payload in (UTA_FILL, answer({"tradeType": "FUTURES", "lastId": 3, "items": [UTA_FILL]})):
        found = fill(payload)
        assert (found.market, found.multiplier, found.side) == ("linear", D(100), Side.BUY)
        assert (found.order_id, found.trade_id) == ("426373228194254848", "1711108516570")
        assert (found.quantity, found.price, found.liquidity) == (D(1), D("0.09641"), Liquidity.TAKER)
        assert (found.fees, found.trade_time) == ((("USDT", D("0.0057846")),), 1774468501294000000)
    assert fill(UTA_FILL | {"fillType": "LIQUIDATION"}).metadata == {"execution": "liquidation"}
    assert refused(without(UTA_FILL, "executionTime")) == ["executionTime"]


def test_unified_fill_pushes() -> None:
    for payload in (UTA_FILL_PUSH, unified("execution.SPOT", UTA_FILL_PUSH)):
        found = fill(payload)
        assert (found.symbol, found.market, found.side) == ("BTC-USDT", "spot", Side.BUY)
        assert (found.order_id, found.trade_id) == ("6981b2a91c6fcb0007422784", "21002796345212928")
        assert (found.quantity, found.price, found.liquidity) == (
            D("0.00001"), D("78823.6"), Liquidity.TAKER,
        )  # fmt: skip
        assert (found.fees, found.trade_time) == ((("USDT", D("0.000788236")),), 1770107561258000000)
    lite = without(UTA_FILL_PUSH, "f", "fC") | {"ti": 20801647764195330}
    found = fill(unified("execution.lite.UNIFIED", lite))
    assert (found.fees, found.trade_id) == ((), "20801647764195330")
    for key in ("s", "S", "p", "q", "ti", "oi", "E"):
        assert refused(unified("execution.UNIFIED", without(lite, key))) == [f"d.{key}"]


@pytest.mark.parametrize(
    ("code", "filled", "want"),
    [
        (0, "0", S.NEW), (1, "0", S.NEW), (2, "0", S.NEW), (2, "1", S.PARTIALLY_FILLED), (3, "2", S.FILLED),
        (4, "1", S.PARTIALLY_FILLED), (5, "0", S.CANCELED), (6, "1", S.CANCELED),
    ],
)  # fmt: skip
def test_unified_statuses(code: int, filled: str, want: OrderStatus) -> None:
    assert report(UTA_ORDER | {"status": code, "filledSize": filled}).status == want
    assert report(UTA_ORDER_PUSH | {"os": code, "fS": filled}).status == want


def test_unified_orders() -> None:
    for payload in (UTA_ORDER, answer(UTA_ORDER), page(UTA_ORDER)):
        parsed = parse(payload)
        assert parsed.fills == []  # `tradeId` is the last fill's
        order = report(payload)
        assert (order.order_id, order.client_order_id, order.type) == ("402665260420558848", "mine", "limit")
        assert (order.order_quantity, order.cumulative_quantity, order.average_price) == (
            D(2), D(1), D("93026.2"),
        )  # fmt: skip
        assert (order.time, order.create_time) == (1768816081248000000, 1768816081243361310)
    assert report(UTA_ORDER | {"orderType": "MARKET", "price": ""}).limit_price is None
    assert report(UTA_ORDER | {"status": 5, "cancelReason": "STP"}).reason == "STP"
    assert report(UTA_ORDER | {"status": 5, "cancelReason": 0}).reason == ""
    for key in ("orderId", "symbol", "side", "status", "filledSize"):
        assert refused(without(UTA_ORDER, key)) == [key]


def test_units_of_unified_orders() -> None:
    spot = UTA_ORDER | {"symbol": "BTC-USDT"}
    order = report(spot | {"sizeUnit": "BASECCY", "size": "0.2", "filledSize": "0.1"})
    assert (order.order_quantity, order.cumulative_quantity) == (D("0.2"), D("0.1"))
    order = report(spot | {"sizeUnit": "QUOTECCY", "size": "100", "filledSize": "50"})
    assert (order.order_quantity, order.cumulative_quantity) == (None, None)
    order = report(UTA_ORDER | {"sizeUnit": "BASECCY", "size": "0.002", "filledSize": "0.001"})
    assert (order.order_quantity, order.cumulative_quantity) == (D(2), D(1))  # in lots
    order = report(UTA_ORDER | {"symbol": "ODDUSDTM", "sizeUnit": "BASECCY"})
    assert (order.order_quantity, order.cumulative_quantity) == (None, None)


def test_unified_order_pushes() -> None:
    for payload in (UTA_ORDER_PUSH, unified("orderAll.UNIFIED", UTA_ORDER_PUSH)):
        order = report(payload)
        assert (order.status, order.reason, order.type) == (S.CANCELED, "USER", "post_only")
        assert (order.order_quantity, order.cumulative_quantity, order.average_price) == (
            D(3),
            D(1),
            D("0.11"),
        )
        assert (order.side, order.limit_price, order.client_order_id) == (Side.SELL, D("0.1"), "mine")
        assert (order.time, order.create_time) == (1774794309608959200, 1774793727626043888)
    filled = UTA_ORDER_PUSH | {"eT": "FILL", "os": 3, "ti": "21002796345212928", "lS": "3", "fS": "3"}
    assert parse(unified("order.UNIFIED", filled)).fills == []  # its price is not said; `execution` has it


# --------------------------------------------------------------------- answers


def test_acknowledgements() -> None:
    for data, client in (
        ({"orderId": "234125150956625920", "clientOid": "mine"}, "mine"),
        ({"orderId": "234125150956625920"}, ""),
        ({"orderId": "234125150956625920", "borrowSize": "10.2", "loanApplyId": None}, ""),
    ):
        for payload in (data, answer(data), answer(data) | {"success": True, "msg": "success"}):
            order = report(payload)
            assert (order.status, order.order_id, order.client_order_id) == (
                S.NEW, "234125150956625920", client,
            )  # fmt: skip
    placed = {"orderId": "1", "tradeType": "SPOT", "ts": 1774455603216000000, "clientOid": "mine"}
    assert (report(answer(placed)).status, report(answer(placed)).time) == (S.NEW, 1774455603216000000)
    assert refused(answer({"orderId": None, "clientOid": ""})) == ["data.orderId"]


@pytest.mark.parametrize(
    ("more", "want", "filled"),
    [
        ({}, S.NEW, "0"),
        ({"dealSize": "0.00001"}, S.PARTIALLY_FILLED, "0.00001"),
        ({"status": "done", "dealSize": "0.00002"}, S.FILLED, "0.00002"),
        ({"status": "done", "canceledSize": "0.00002"}, S.CANCELED, "0"),
        ({"status": "done", "originSize": "0", "dealSize": "0.1"}, S.FILLED, "0.1"),
    ],
)
def test_synchronous_answers(more: dict, want: OrderStatus, filled: str) -> None:
    row = SYNC | more
    for payload in (row, answer(row), answer([row | {"success": True}])):
        order = report(payload)
        assert (order.status, order.cumulative_quantity, order.client_order_id) == (want, D(filled), "mine")
        assert (order.time, order.create_time) == (1729174140588 * 10**6, 1729174140586 * 10**6)
    assert report(SYNC).order_quantity == D("0.00002")
    assert report(without(SYNC, "orderId")).order_id == ""
    assert refused(SYNC | {"status": "odd"}) == ["status"]
    assert refused(without(SYNC, "dealSize")) == ["dealSize"]


def test_batch_of_spot() -> None:
    parsed = parse(
        answer(
            [
                {"orderId": "1", "clientOid": "one", "success": True},
                {"success": False, "failMsg": "The order funds should more then 0.1 USDT."},
                {"clientOid": "three", "success": False, "failMsg": "Balance insufficient!"},
            ]
        )
    )
    assert [(order.status, order.order_id, order.reason) for order in parsed.reports] == [
        (S.NEW, "1", ""), (S.REJECTED, "", "Balance insufficient!"),
    ]  # fmt: skip
    assert [item.kind for item in parsed.skipped] == ["failed_placement"]


def test_old_batch_of_spot() -> None:
    row = {
        "symbol": "BTC-USDT", "type": "limit", "side": "buy", "price": "50000", "size": "0.0001", "stop": "",
        "stopPrice": None, "postOnly": False, "id": "674a97dfef434f0007efc431", "status": "success",
        "failMsg": None, "clientOid": "mine",
    }  # fmt: skip
    failed = row | {"status": "fail", "failMsg": "Balance insufficient!"}
    for payload in (answer({"data": [row, failed]}), {"data": [row, failed]}, [row, failed]):
        good, bad = parse(payload).reports
        assert (good.status, good.order_id, good.order_quantity) == (
            S.NEW, "674a97dfef434f0007efc431", D("0.0001"),
        )  # fmt: skip
        assert (good.side, good.limit_price, good.market) == (Side.BUY, D(50000), "spot")
        assert (bad.status, bad.reason, bad.client_order_id) == (S.REJECTED, "Balance insufficient!", "mine")


def test_batch_of_futures() -> None:
    row = {"orderId": "235", "clientOid": "mine", "symbol": "XBTUSDTM", "code": "200000", "msg": "success"}
    order = report(answer([row]))
    assert (order.status, order.order_id, order.symbol, order.market) == (S.NEW, "235", "XBTUSDTM", "linear")
    order = report(answer([without(row, "orderId") | {"code": "300003", "msg": "Balance insufficient"}]))
    assert (order.status, order.reason) == (S.REJECTED, "300003: Balance insufficient")
    cancel = {"orderId": "235", "clientOid": None, "code": "200", "msg": "success"}
    for payload in (cancel, answer([cancel])):
        assert skipped(payload) == [("acknowledgement", 1)]
    failed = cancel | {"code": "100004", "msg": "The order cannot be canceled."}
    assert skipped(answer([failed])) == [("failed_cancel", 1)]
    assert skipped(answer([cancel | {"code": "999999", "msg": "?"}])) == [("failed_cancel", 1)]


def test_cancels() -> None:
    assert skipped(answer({"cancelledOrderIds": ["1", "2"]})) == [("acknowledgement", 2)]
    data = {"cancelledOrderId": "1", "clientOid": "mine", "cancelledOcoOrderIds": None}
    assert skipped(answer(data)) == [("acknowledgement", 1)]
    assert skipped(answer({"clientOid": "mine"})) == [("acknowledgement", 1)]
    assert skipped(answer({"cancelledOrderIds": []})) == [("empty", 1)]
    assert skipped(answer({"cancelledOrderIds": [], "cancelFailedOrders": ["3"]})) == [("failed_cancel", 1)]
    assert refused(answer({"cancelledOrderIds": [{}]})) == ["data.cancelledOrderIds[0]"]
    batch = answer({"tradeType": "SPOT", "items": [{"orderId": "1"}, {"clientOid": "mine"}]})
    assert skipped(batch) == [("acknowledgement", 2)]
    assert skipped(answer({"orderId": "1", "cancelSize": "0.00001"})) == [("acknowledgement", 1)]


def test_amend() -> None:
    order = report(answer({"newOrderId": "67112258f9406e0007408827", "clientOid": "mine"}))
    assert (order.status, order.order_id, order.client_order_id) == (
        S.NEW, "67112258f9406e0007408827", "mine",
    )  # fmt: skip
    assert skipped(answer({"newOrderId": None, "clientOid": "mine"})) == [("failed_amend", 1)]


def operation(op: str, data: object, code: str = "200000") -> dict:
    return {
        "id": "request-001",
        "op": op,
        "code": code,
        "msg": "text",
        "data": data,
        "inTime": 1,
        "outTime": 2,
    }


@pytest.mark.parametrize(
    ("op", "kind"),
    [
        ("spot.order", "failed_placement"),
        ("futures.multi_order", "failed_placement"),
        ("margin.cancel", "failed_cancel"),
        ("futures.multi_cancel", "failed_cancel"),
        ("uta.amend", "failed_amend"),
    ],
)
def test_operations(op: str, kind: str) -> None:
    is_placement = kind == "failed_placement"
    ids = {"orderId": "189227113527341368", "clientOid": "mine"}
    for data in (ids, [ids], {"items": [ids]}):
        if is_placement:
            order = report(operation(op, data))
            assert (order.status, order.order_id) == (S.NEW, "189227113527341368")
        else:
            assert skipped(operation(op, data)) == [("acknowledgement", 1)]
    assert skipped(operation(op, None, "400100")) == [(kind, 1)]
    failed = parse(operation(op, [ids | {"code": "300003", "msg": "no"}]))
    assert [order.status for order in failed.reports] == ([S.REJECTED] if is_placement else [])


def test_operations_that_say_more() -> None:
    assert report(operation("spot.sync_order", SYNC)).order_quantity == D("0.00002")
    assert report(operation("spot.modify", {"newOrderId": "2", "clientOid": "mine"})).order_id == "2"
    assert skipped(operation("futures.cancel", {"cancelledOrderIds": ["1"]})) == [("acknowledgement", 1)]


# --------------------------------------------------------------------- skipped


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (push("/account/balance", {"currency": "USDT", "available": "1", "orderId": "1"}), "balance"),
        (push("/contractAccount/wallet", {"currency": "USDT"}, "walletBalance.change"), "balance"),
        (push("/contract/position:XBTUSDTM", {"symbol": "XBTUSDTM"}, "position.change"), "position"),
        (push("/contract/positionAll", {"fundingFee": -296, "qty": 100}, "position.settlement"), "funding"),
        (push("/margin/position", {"debtRatio": 0}, "debt.ratio"), "position"),
        (push("/margin/loan:BTC", {"orderId": "1", "side": "lend"}, "order.done"), "lending"),
        (push("/contract/crossLeverage", {"ETHUSDTM": {"leverage": "8"}}, "user.config"), "setting"),
        (push("/contractMarket/execution:XBTUSDTM", {"tradeId": "1", "size": 1}, "match"), "market_data"),
        (push("/market/match:BTC-USDT", {"tradeId": "1"}, "trade.l3match"), "market_data"),
        (unified("balance.UNIFIED", {"c": "USDT", "a": "1"}), "balance"),
        (unified("positionAll.UNIFIED", {"s": "DOGEUSDTM", "q": "3"}), "position"),
        (unified("lw.UNIFIED", {"eT": "LIQUIDATION"}), "liquidation_warning"),
        (unified("trade.SPOT", {"s": "BTC-USDT", "ti": "1"}), "market_data"),
        ({"id": "1", "type": "welcome"}, "acknowledgement"),
        ({"id": "1", "type": "ack"}, "acknowledgement"),
        ({"id": "1", "type": "pong"}, "acknowledgement"),
        ({"id": "1", "result": True}, "acknowledgement"),
        ({"sessionId": "1", "data": "welcome", "pingInterval": 18000}, "acknowledgement"),
        ({"id": "1", "type": "error", "code": 415, "data": "type is not supported"}, "request_error"),
        ({"id": "1", "result": False, "reason": "missing `symbol`"}, "request_error"),
        ({"code": "400100", "msg": "account.available.amount"}, "request_error"),
        ({"code": "300003", "msg": "Balance insufficient", "data": {"orderId": "1"}}, "request_error"),
        ({"code": "100004", "msg": "Order is in not cancelable state"}, "failed_cancel"),
        ({"code": "400100", "msg": "order_not_exist_or_not_allow_to_be_cancelled"}, "failed_cancel"),
        (answer("success"), "acknowledgement"),
        (answer(None), "empty"),
        (answer([]), "empty"),
        (page(), "empty"),
        (answer({"succeedSymbols": ["BTC-USDT"], "failedSymbols": []}), "acknowledgement"),
        (answer({"currentTime": 1729656588, "triggerTime": 1729656593}), "acknowledgement"),
        (answer({"dataList": [{"id": 1, "symbol": "XBTUSDTM", "fundingRate": 0.1}]}), "funding"),
        (answer([{"symbol": "XBTUSDTM", "currentQty": 1, "avgEntryPrice": 1.5}]), "position"),
        (answer([{"id": "1", "currency": "BTC", "balance": "1", "available": "1"}]), "balance"),
        (page({"id": "1", "bizType": "TRADE_EXCHANGE", "amount": "1", "fee": "0"}), "bill"),
        (answer([{"sequence": "1", "side": "sell", "size": "1", "price": "2", "time": 1}]), "market_data"),
    ],
)  # fmt: skip
def test_what_is_skipped(payload: object, kind: str) -> None:
    assert skipped(payload) == [(kind, 1)]


def test_what_fits_no_kind() -> None:
    for payload in ({"hello": 1}, answer({"hello": 1}), push("/odd/topic", {"hello": 1}), {}):
        with pytest.raises(UnsupportedPayloadError):
            parse(payload)


def test_words_of_any_type_are_no_failure() -> None:
    for value in ([], {}, [1], None, True, 5):
        for payload in ({"type": value, "id": "1"}, {"T": value, "d": {}}, {"topic": value, "data": {}}):
            try:
                assert not parse(payload).fills
            except (InvalidFieldError, UnsupportedPayloadError):
                continue


@pytest.mark.parametrize(
    "payload",
    [
        page(SPOT_FILL), SPOT_FILL, FUTURES_FILL, HF_ORDER, FUTURES_ORDER, MATCH,
        push("/spotMarket/tradeOrders", CHANGE), push("/contractMarket/tradeOrders:XBTUSDTM", MATCH),
        unified("execution.SPOT", UTA_FILL_PUSH), answer({"orderId": "1"}),
    ],
)  # fmt: skip
def test_claims(payload: object) -> None:
    assert venues.parse_payload("", "", json.dumps(payload).encode()).venue == "kucoin"


def test_what_is_not_claimed() -> None:
    for payload in ({"orderId": "1", "clientOid": "2"}, STOP_ORDER, UTA_FILL, {"topic": "order", "data": []}):
        with pytest.raises(InvalidFieldError):
            venues.parse_payload("", "", json.dumps(payload).encode())
