"""Bitget: documented shapes beyond the reference cases, and each trap.

Shapes are from bitget.com/api-doc (spot, contract, margin, uta) and the samples in ccxt 4.5.90.
"""

import json
from decimal import Decimal

import pytest

from fillhandler_server import venues
from fillhandler_server.domain.errors import InvalidFieldError, UnsupportedPayloadError
from fillhandler_server.domain.fills import ContractKind, Liquidity, Side
from fillhandler_server.domain.reports import OrderStatus, ParsedPayload

pytestmark = pytest.mark.parsing

D = Decimal


def parse(payload: object) -> ParsedPayload:
    return venues.parse_payload("bitget", "", json.dumps(payload).encode())


def refused(payload: object) -> list[str]:
    with pytest.raises(InvalidFieldError) as caught:
        parse(payload)
    return [violation.field for violation in caught.value.violations]


def answer(data: object) -> dict[str, object]:
    return {"code": "00000", "msg": "success", "requestTime": 1695808949356, "data": data}


def push(inst_type: str, channel: str, *rows: object, inst_id: str = "default") -> dict[str, object]:
    arg = {"instType": inst_type, "channel": channel, "instId": inst_id}
    return {"action": "snapshot", "arg": arg, "data": list(rows), "ts": 1695797773370}


def unified(topic: str, *rows: object) -> dict[str, object]:
    return {
        "action": "snapshot",
        "arg": {"instType": "UTA", "topic": topic},
        "data": list(rows),
        "ts": 1736378720653,
    }


MIX_FILL = {
    "tradeId": "123", "symbol": "ethusdt", "orderId": "121212", "price": "1900", "baseVolume": "1",
    "feeDetail": [{"deduction": "no", "feeCoin": "USDT", "totalDeductionFee": "0", "totalFee": "-1.14"}],
    "side": "buy", "quoteVolume": "1900", "profit": "102", "enterPointSource": "api", "tradeSide": "open",
    "posMode": "hedge_mode", "tradeScope": "taker", "cTime": "1627293509612",
}  # fmt: skip

SPOT_FILL = {
    "userId": "7264631750", "symbol": "BTCUSDT", "orderId": "1098394344925597696",
    "tradeId": "1098394344974925824",
    "orderType": "market", "side": "sell", "priceAvg": "28467.68", "size": "0.0002", "amount": "5.693536",
    "feeDetail": {"deduction": "no", "feeCoin": "USDT", "totalDeductionFee": "", "totalFee": "-0.005693536"},
    "tradeScope": "taker", "cTime": "1697603539699", "uTime": "1697603539754",
}  # fmt: skip

UNIFIED_FILL = {
    "symbol": "BTCUSDT", "orderType": "market", "updatedTime": "1736378720625", "side": "sell",
    "tradeSide": "close",
    "orderId": "1288888888888888888", "execPnl": "0", "feeDetail": [{"feeCoin": "USDT", "fee": "0.569958"}],
    "execTime": "1736378720623", "tradeScope": "maker", "execId": "1288888888888888889", "execPrice": "94993",
    "execLinkId": "1288888888888888888", "holdSide": "long", "execValue": "949.93",
    "category": "USDT-FUTURES",
    "execQty": "0.01", "clientOid": "mine",
}  # fmt: skip


# ----------------------------------------------------------------- sides of v2


@pytest.mark.parametrize(
    ("mode", "side", "action", "position", "want"),
    [
        ("hedge_mode", "buy", "open", None, Side.BUY),
        ("hedge_mode", "buy", "close", None, Side.SELL),  # closes a long
        ("hedge_mode", "sell", "open", None, Side.SELL),
        ("hedge_mode", "sell", "close", None, Side.BUY),  # closes a short
        ("hedge_mode", "buy", "close", "long", Side.SELL),
        ("hedge_mode", "sell", "close", "short", Side.BUY),
        ("hedge_mode", "buy", "burst_close_long", None, Side.SELL),
        ("hedge_mode", "sell", "reduce_close_short", None, Side.BUY),
        ("hedge_mode", "buy", "dte_sys_adl_close_long", None, Side.SELL),
        ("one_way_mode", "buy", "buy_single", "net", Side.BUY),
        ("one_way_mode", "sell", "sell_single", "net", Side.SELL),
        ("one_way_mode", "sell", "close", "net", Side.SELL),
        ("one_way_mode", "buy", "open", None, Side.BUY),  # so in the sample of the fill channel
    ],
)
def test_sides_of_futures(mode: str, side: str, action: str, position: str | None, want: Side) -> None:
    row = MIX_FILL | {"posMode": mode, "side": side, "tradeSide": action}
    if position:
        row |= {"posSide": position}
    assert parse(answer({"fillList": [row]})).fills[0].side == want
    assert parse(push("USDT-FUTURES", "fill", row)).fills[0].side == want
    assert parse(row).fills[0].side == want


def test_forced_closings_are_marked() -> None:
    marks = {
        "burst_close_long": "liquidation",
        "reduce_close_short": "liquidation",
        "dte_sys_adl_close_long": "adl",
        "dte_sys_adl_buy_in_single_side_mode": "adl",
        "delivery_close_long": "settlement",
    }
    for action, mark in marks.items():
        assert parse(MIX_FILL | {"tradeSide": action}).fills[0].metadata["execution"] == mark
    assert parse(MIX_FILL).fills[0].metadata == {}


# ------------------------------------------------------------------------ fees


def fee(detail: object, row: dict[str, object], wrap: object = None) -> tuple[tuple[str, Decimal], ...]:
    changed = row | {"feeDetail": detail}
    return parse(wrap(changed) if callable(wrap) else changed).fills[0].fees


def test_fee_signs() -> None:
    no = {"deduction": "no", "feeCoin": "USDT", "totalDeductionFee": "0"}
    yes = {"deduction": "yes", "feeCoin": "BGB", "totalDeductionFee": "0"}
    spot_channel = lambda row: push("SPOT", "fill", row)  # noqa: E731
    futures_channel = lambda row: push("USDT-FUTURES", "fill", row)  # noqa: E731
    # v2 REST: negative = cost.
    assert fee(no | {"totalFee": "-0.5"}, SPOT_FILL) == (("USDT", D("0.5")),)
    assert fee(no | {"totalFee": "0.5"}, SPOT_FILL) == (("USDT", D("-0.5")),)
    assert fee([no | {"totalFee": "-0.5"}], MIX_FILL) == (("USDT", D("0.5")),)
    assert fee([no | {"totalFee": "-0.5"}], MIX_FILL, futures_channel) == (("USDT", D("0.5")),)
    # The spot channel: positive = cost.
    assert fee([no | {"totalFee": "0.5"}], SPOT_FILL, spot_channel) == (("USDT", D("0.5")),)
    assert fee([no | {"totalFee": "-0.5"}], SPOT_FILL, spot_channel) == (("USDT", D("-0.5")),)
    # Deducted in BGB: the sign says nothing.
    for row, wrap in (
        (SPOT_FILL, None),
        (MIX_FILL, None),
        (SPOT_FILL, spot_channel),
        (MIX_FILL, futures_channel),
    ):
        for amount in ("0.02", "-0.02"):
            assert fee([yes | {"totalFee": amount}], row, wrap) == (("BGB", D("0.02")),)
    assert fee([yes | {"totalFee": "0", "totalDeductionFee": "-0.03"}], MIX_FILL) == (("BGB", D("0.03")),)


def test_fee_shapes() -> None:
    entry = {"deduction": "no", "feeCoin": "USDT", "totalFee": "-0.5"}
    assert fee(json.dumps(entry), SPOT_FILL) == (("USDT", D("0.5")),)
    assert fee([], MIX_FILL) == ()
    assert fee(None, MIX_FILL) == ()
    assert fee("", MIX_FILL) == ()
    assert fee([entry | {"totalFee": "0.00000000"}], MIX_FILL) == (("USDT", D(0)),)
    assert fee([entry | {"totalFee": ""}], MIX_FILL) == ()
    two = [entry, entry, entry | {"feeCoin": "BGB", "totalFee": "-1"}]
    assert fee(two, MIX_FILL) == (("BGB", D(1)), ("USDT", D(1)))
    assert fee(json.dumps(entry | {"totalFee": -1e-05}), SPOT_FILL) == (("USDT", D("0.00001")),)
    assert refused(MIX_FILL | {"feeDetail": [{"totalFee": "-1"}]}) == ["feeDetail[0].feeCoin"]
    assert refused(MIX_FILL | {"feeDetail": [{"totalFee": "x", "feeCoin": "BGB"}]}) == [
        "feeDetail[0].totalFee"
    ]
    assert refused(SPOT_FILL | {"feeDetail": {"totalFee": "x"}}) == ["feeDetail.totalFee"]
    assert refused(SPOT_FILL | {"feeDetail": "{broken"}) == ["feeDetail"]
    assert refused(SPOT_FILL | {"feeDetail": 5}) == ["feeDetail"]


# ----------------------------------------------------------------------- fills


def test_futures_fill() -> None:
    (fill,) = parse(answer({"fillList": [MIX_FILL], "endId": "123"})).fills
    assert (fill.symbol, fill.market, fill.contract_kind) == ("ETHUSDT", "linear", ContractKind.LINEAR)
    assert (fill.base_currency, fill.quote_currency, fill.liquidity) == ("ETH", "USDT", Liquidity.TAKER)
    (coin,) = parse(push("COIN-FUTURES", "fill", MIX_FILL | {"symbol": "BTCUSD"})).fills
    # Bitget counts coin-margined contracts in the base currency: the inverse formulas do not hold.
    assert (coin.market, coin.contract_kind, coin.quote_currency) == (
        "inverse",
        ContractKind.UNSPECIFIED,
        "USD",
    )


def test_spot_channel_with_the_documented_spelling_of_maker() -> None:
    row = SPOT_FILL | {"tradeScope": "marker"}
    assert parse(push("SPOT", "fill", row)).fills[0].liquidity == Liquidity.MAKER


def test_margin_fills_need_a_symbol() -> None:
    row = {key: value for key, value in SPOT_FILL.items() if key != "symbol"}
    assert refused(answer({"fills": [row], "minId": "1", "maxId": "2"})) == ["data.fills[0].symbol"]
    assert len(parse(answer({"fills": [SPOT_FILL], "minId": "1", "maxId": "2"})).fills) == 1


@pytest.mark.parametrize("category", ["USDT-FUTURES", "usdt-futures"])
def test_unified_account_fill(category: str) -> None:
    (fill,) = parse(unified("fill", UNIFIED_FILL | {"category": category})).fills
    # The sides are real there, hedge mode or not.
    assert (fill.side, fill.fees, fill.trade_id) == (
        Side.SELL,
        (("USDT", D("0.569958")),),
        "1288888888888888889",
    )
    assert (fill.market, fill.client_order_id, fill.liquidity) == ("linear", "mine", Liquidity.MAKER)
    assert (fill.trade_time, fill.metadata) == (1736378720623_000000, {"position_side": "LONG"})
    assert fill.price == D(94993)


def test_unified_account_rest_fill() -> None:
    row = {key: value for key, value in UNIFIED_FILL.items() if key != "execTime"} | {
        "createdTime": "1751020520451"
    }
    (fill,) = parse(answer({"list": [row | {"category": "SPOT"}], "cursor": "1"})).fills
    assert (fill.trade_time, fill.market) == (1751020520451_000000, "spot")
    rebate = row | {"feeDetail": [{"feeCoin": "USDT", "fee": "-0.1"}]}
    assert parse(rebate).fills[0].fees == (("USDT", D("-0.1")),)


def test_fast_fill_has_no_fee_and_one_object() -> None:
    row = {
        key: value for key, value in UNIFIED_FILL.items() if key not in ("feeDetail", "execValue", "execPnl")
    }
    (fast,) = parse(unified("fast-fill", row) | {"data": row}).fills
    (full,) = parse(unified("fill", UNIFIED_FILL)).fills
    assert fast.key == full.key
    assert (fast.fees, fast.quantity, fast.price) == ((), full.quantity, full.price)


# ---------------------------------------------------------------------- orders

SPOT_ORDER_PUSH = {
    "instId": "BTCUSDT", "orderId": "1", "clientOid": "mine", "size": "8.0000", "newSize": "500.0000",
    "notional": "8.000000", "orderType": "market", "force": "gtc", "side": "buy", "fillPrice": "26256.0",
    "tradeId": "3",
    "baseVolume": "0.0003", "fillTime": "1695797773286", "fillFee": "-0.00000018", "fillFeeCoin": "BTC",
    "tradeScope": "T", "accBaseVolume": "0.0005", "priceAvg": "26250.0", "status": "partially_filled",
    "cTime": "1695797773257", "uTime": "1695797773326", "stpMode": "cancel_taker",
    "feeDetail": [{"feeCoin": "BTC", "fee": "-0.00000030"}], "enterPointSource": "WEB",
}  # fmt: skip


def test_spot_order_push() -> None:
    parsed = parse(push("SPOT", "orders", SPOT_ORDER_PUSH, inst_id="BTCUSDT"))
    (fill,), (report,) = parsed.fills, parsed.reports
    assert (fill.quantity, fill.price, fill.fees) == (D("0.0003"), D(26256), (("BTC", D("0.00000018")),))
    assert (fill.trade_time, fill.liquidity, fill.market) == (1695797773286_000000, Liquidity.TAKER, "spot")
    # newSize is in quote currency for a market buy.
    assert (report.order_quantity, report.cumulative_quantity, report.average_price) == (
        None,
        D("0.0005"),
        D(26250),
    )
    assert (report.time, report.create_time) == (1695797773326_000000, 1695797773257_000000)
    limit = SPOT_ORDER_PUSH | {"orderType": "limit", "price": "26300", "newSize": "0.0010"}
    (report,) = parse(push("SPOT", "orders", limit)).reports
    assert (report.order_quantity, report.limit_price) == (D("0.001"), D(26300))
    selling = SPOT_ORDER_PUSH | {"side": "sell", "newSize": "0.0010"}
    assert parse(selling).reports[0].order_quantity == D("0.001")


def test_futures_order_push_in_hedge_mode() -> None:
    row = {
        "accBaseVolume": "0.02", "cTime": "1695718781129", "clientOId": "mine", "fillFee": "-0.162003",
        "feeDetail": [{"feeCoin": "USDT", "fee": "-0.3"}], "fillFeeCoin": "USDT",
        "fillNotionalUsd": "270.005",
        "fillPrice": "27000.5", "baseVolume": "0.01", "fillTime": "1695718781146", "force": "gtc",
        "instId": "BTCUSDT", "marginCoin": "USDT", "marginMode": "crossed", "notionalUsd": "270",
        "orderId": "1",
        "orderType": "market", "pnl": "0", "posMode": "hedge_mode", "posSide": "long", "price": "0",
        "priceAvg": "27000.25", "reduceOnly": "yes", "side": "buy", "size": "0.02", "status": "filled",
        "tradeScope": "T", "tradeId": "1111111111", "tradeSide": "close", "uTime": "1695718781146",
    }  # fmt: skip
    parsed = parse(push("USDT-FUTURES", "orders", row))
    (fill,), (report,) = parsed.fills, parsed.reports
    assert (fill.side, report.side) == (Side.SELL, Side.SELL)
    assert (fill.fees, fill.client_order_id) == ((("USDT", D("0.162003")),), "mine")
    assert (report.status, report.order_quantity, report.limit_price) == (OrderStatus.FILLED, D("0.02"), None)
    assert refused(push("USDT-FUTURES", "orders", row | {"baseVolume": None})) == ["data[0].baseVolume"]
    assert refused(push("USDT-FUTURES", "orders", row | {"fillPrice": None})) == ["data[0].fillPrice"]
    assert refused(push("USDT-FUTURES", "orders", row | {"accBaseVolume": ""})) == ["data[0].accBaseVolume"]
    assert refused(push("USDT-FUTURES", "orders", row | {"status": "odd"})) == ["data[0].status"]


def test_margin_push_is_cumulative_and_has_its_symbol_in_arg() -> None:
    row = {
        "force": "gtc", "orderType": "limit", "price": "93.170000000", "quoteSize": "10.304602000",
        "side": "buy",
        "feeDetail": [{"feeCoin": "AAVE", "deduction": "no", "totalDeductionFee": "0",
        "totalFee": "-0.00010740"}],
        "enterPointSource": "web", "status": "partially_filled", "baseSize": "0.110600000",
        "cTime": "1717875017306",
        "clientOid": "mine", "fillPrice": "93.170000000", "baseVolume": "0.107400000",
        "fillTotalAmount": "10.006458000", "loanType": "auto-loan", "orderId": "1183419084588060673",
    }  # fmt: skip
    for channel in ("orders-crossed", "orders-isolated"):
        parsed = parse(push("MARGIN", channel, row, inst_id="AAVEUSDT"))
        (report,) = parsed.reports
        assert parsed.fills == []
        assert (report.symbol, report.market) == ("AAVEUSDT", "spot")
        assert (report.order_quantity, report.cumulative_quantity) == (D("0.1106"), D("0.1074"))
        assert report.average_price == D("93.17")
    market_buy = row | {"orderType": "market", "baseSize": "0.000000000"}
    assert parse(push("MARGIN", "orders-crossed", market_buy, inst_id="A")).reports[0].order_quantity is None
    assert refused(push("MARGIN", "orders-crossed", row)) == ["data[0].symbol"]


def test_queried_spot_orders() -> None:
    row = {
        "userId": "1", "symbol": "BTCUSDT", "orderId": "121211212122", "clientOid": "mine", "price": "0",
        "size": "10.0000000000000000", "orderType": "market", "side": "buy", "status": "filled",
        "priceAvg": "13000.0000000000000000", "baseVolume": "0.0007000000000000", "quoteVolume": "9.1",
        "enterPointSource": "API", "orderSource": "market", "cancelReason": "", "cTime": "1695865232127",
        "uTime": "1695865233051",
        "feeDetail": '{"BGB":{"deduction":true,"feeCoinCode":"BGB","totalDeductionFee":0,"totalFee":-0.1}}',
    }  # fmt: skip
    parsed = parse(answer([row]))
    (report,) = parsed.reports
    assert parsed.fills == []
    assert (report.status, report.order_quantity, report.cumulative_quantity) == (
        OrderStatus.FILLED,
        None,
        D("0.0007"),
    )
    assert (report.average_price, report.limit_price, report.market) == (D(13000), None, "spot")
    selling = row | {"side": "sell", "size": "0.0010", "status": "cancelled", "cancelReason": "stp_cancel"}
    (report,) = parse(selling).reports
    assert (report.order_quantity, report.status, report.reason) == (
        D("0.001"),
        OrderStatus.CANCELED,
        "stp_cancel",
    )


def test_open_spot_orders_have_their_price_in_priceAvg() -> None:
    row = {
        "userId": "1", "symbol": "btcusdt", "orderId": "2222222", "clientOid": "mine",
        "priceAvg": "34829.12", "size": "1",
        "orderType": "limit", "side": "buy", "status": "live", "basePrice": "0", "baseVolume": "0",
        "quoteVolume": "0",
        "enterPointSource": "WEB", "cTime": "1622697148000", "tpslType": "normal", "triggerPrice": None,
    }  # fmt: skip
    (report,) = parse(answer([row])).reports
    assert (report.symbol, report.limit_price, report.average_price) == ("BTCUSDT", D("34829.12"), None)
    partly = row | {"basePrice": "34800", "baseVolume": "0.5", "status": "partially_filled"}
    (report,) = parse(partly).reports
    assert (report.average_price, report.limit_price) == (D(34800), D("34829.12"))


@pytest.mark.parametrize("key", ["state", "status"])
def test_queried_futures_orders(key: str) -> None:
    row = {
        "symbol": "ethusdt", "size": "2", "orderId": "123456", "clientOid": "77777", "baseVolume": "1",
        "priceAvg": "1900",
        "fee": "", "price": "1905", key: "partially_filled", "side": "buy", "force": "post_only",
        "totalProfits": "2112",
        "posSide": "short", "marginCoin": "usdt", "quoteVolume": "1900", "orderType": "limit",
        "leverage": "20",
        "marginMode": "cross", "reduceOnly": "yes", "enterPointSource": "api", "tradeSide": "close",
        "posMode": "hedge_mode", "orderSource": "normal", "cTime": "1627300098776", "uTime": "1627300098777",
    }  # fmt: skip
    for payload in (answer(row), answer({"entrustedList": [row], "endId": "1"}), row):
        (report,) = parse(payload).reports
        assert (report.symbol, report.side, report.market) == ("ETHUSDT", Side.BUY, "linear")
        assert (report.order_quantity, report.cumulative_quantity, report.average_price) == (
            D(2),
            D(1),
            D(1900),
        )
        assert (report.type, report.status) == ("post_only", OrderStatus.PARTIALLY_FILLED)


def test_queried_margin_order() -> None:
    row = {
        "orderId": "121211212122", "symbol": "BTCUSDT", "orderType": "limit", "enterPointSource": "API",
        "clientOid": "mine", "loanType": "normal", "price": "32111", "side": "buy", "status": "filled",
        "force": "gtc",
        "baseSize": "0.01", "quoteSize": "1000", "priceAvg": "32110", "size": "0.01", "amount": "1000",
        "cTime": "1695629859821", "uTime": "1695629890839",
    }  # fmt: skip
    (report,) = parse(answer({"orderList": [row], "maxId": "1", "minId": "1"})).reports
    assert (report.order_quantity, report.cumulative_quantity, report.average_price) == (
        D("0.01"),
        D("0.01"),
        D(32110),
    )


def test_unified_account_orders() -> None:
    row = {
        "orderId": "1320244799629316096", "clientOid": "mine", "category": "USDT-FUTURES",
        "symbol": "BTCUSDT",
        "orderType": "limit", "side": "buy", "price": "50000", "qty": "0.001", "amount": "0",
        "cumExecQty": "0",
        "cumExecValue": "0", "avgPrice": "0", "timeInForce": "gtc", "orderStatus": "live", "posSide": "long",
        "holdMode": "hedge_mode", "reduceOnly": "NO", "feeDetail": [{"feeCoin": "", "fee": ""}],
        "createdTime": "1750496809871", "updatedTime": "1750496809886", "cancelReason": "",
        "execType": "normal",
    }  # fmt: skip
    for payload in (answer(row), answer({"list": [row], "cursor": "x"}), unified("order", row), row):
        (report,) = parse(payload).reports
        assert (report.status, report.order_quantity, report.limit_price) == (
            OrderStatus.NEW,
            D("0.001"),
            D(50000),
        )
        assert (report.cumulative_quantity, report.average_price) == (0, None)
        assert (report.create_time, report.time) == (1750496809871_000000, 1750496809886_000000)
    spot_buy = row | {"category": "SPOT", "orderType": "market", "qty": "100", "price": ""}
    assert parse(spot_buy).reports[0].order_quantity is None


def test_plan_orders_are_skipped() -> None:
    row = {
        "planType": "normal_plan", "symbol": "BTCUSDT", "size": "0.001", "orderId": "1",
        "planStatus": "live", "side": "buy",
        "orderType": "limit", "cTime": "1", "uTime": "1",
    }  # fmt: skip
    assert [s.kind for s in parse(answer({"entrustedList": [row]})).skipped] == ["plan_order"]
    assert [s.kind for s in parse(push("USDT-FUTURES", "orders-algo", row)).skipped] == ["plan_order"]


# --------------------------------------------------------------------- answers


def test_placement_is_acknowledged() -> None:
    (report,) = parse(answer({"orderId": "1098758604547850241", "clientOid": "mine"})).reports
    assert (report.status, report.order_id, report.client_order_id) == (
        OrderStatus.NEW,
        "1098758604547850241",
        "mine",
    )
    (report,) = parse(answer({"clientOid": "mine", "orderId": None})).reports
    assert (report.order_id, report.client_order_id) == ("", "mine")


def test_failed_placements_are_rejections_and_failed_cancels_are_not() -> None:
    batch = answer(
        {
            "successList": [{"orderId": "1111397214281175046", "clientOid": "one"}],
            "failureList": [
                {
                    "orderId": "",
                    "clientOid": "two",
                    "errorMsg": "less than the minimum amount 5 USDT",
                    "errorCode": "45110",
                },
                {"orderId": None, "clientOid": "three", "errorMsg": "clientOrderId duplicate"},
            ],
        }
    )
    parsed = parse(batch)
    assert [(r.client_order_id, r.status) for r in parsed.reports] == [
        ("one", OrderStatus.NEW), ("two", OrderStatus.REJECTED), ("three", OrderStatus.REJECTED),
    ]  # fmt: skip
    assert parsed.reports[1].reason == "45110: less than the minimum amount 5 USDT"
    canceled = answer(
        {
            "successList": [],
            "failureList": [
                {
                    "orderId": "121211212122",
                    "clientOid": "x",
                    "errorMsg": "The order does not exist",
                    "errorCode": "43001",
                },
                {"orderId": "", "clientOid": "y", "errorMsg": "Order does not exist", "errorCode": "40768"},
                {"orderId": "121211212122", "clientOid": "xxx001", "errorMsg": "not said why"},
            ],
        }
    )
    parsed = parse(canceled)
    assert parsed.reports == []
    assert [s.kind for s in parsed.skipped] == ["failed_cancel"] * 3
    assert (
        parse({"errorCode": "43012", "errorMsg": "balance", "clientOid": "z"}).reports[0].status
        == OrderStatus.REJECTED
    )


def test_a_code_of_placements_decides_even_where_an_order_id_stands() -> None:
    entry = {
        "orderId": "121211212122",
        "clientOid": "x",
        "errorMsg": "Insufficient balance",
        "errorCode": "43012",
    }
    (report,) = parse(answer({"successList": [], "failureList": [entry]})).reports
    assert (report.status, report.order_id) == (OrderStatus.REJECTED, "121211212122")


def test_unified_account_batch() -> None:
    entries = [
        {"orderId": "1", "clientOid": "one", "code": "00000", "msg": "success"},
        {"orderId": "", "clientOid": "two", "code": "25202", "msg": "Insufficient balance"},
        {"orderId": "3", "clientOid": "three", "code": "25204", "msg": "Order does not exist"},
    ]
    for payload in (answer(entries), answer({"list": entries})):
        parsed = parse(payload)
        assert [(r.client_order_id, r.status) for r in parsed.reports] == [
            ("one", OrderStatus.NEW), ("two", OrderStatus.REJECTED),
        ]  # fmt: skip
        assert [s.kind for s in parsed.skipped] == ["failed_cancel"]


def test_cancel_replace() -> None:
    entry = {"orderId": "9", "clientOid": None, "success": "success", "msg": None}
    assert parse(answer([entry])).reports[0].status == OrderStatus.NEW
    parsed = parse(answer(entry | {"success": "failure", "msg": "why"}))
    assert (parsed.reports, [s.kind for s in parsed.skipped]) == ([], ["failed_replace"])


def test_failed_request_names_no_order() -> None:
    parsed = parse({"code": "43012", "msg": "Insufficient balance", "requestTime": 1, "data": None})
    assert (parsed.reports, [(s.kind, s.reason) for s in parsed.skipped]) == (
        [], [("request_error", "43012: Insufficient balance")],
    )  # fmt: skip


def socket(event: str, channel: str, code: int, **params: object) -> dict[str, object]:
    entry = {"id": "e", "instType": "SPOT", "channel": channel, "instId": "BTCUSDT", "params": params}
    return {"event": event, "arg": [entry], "code": code, "msg": "text", "ts": 1695797773370}


def test_answers_over_the_websocket() -> None:
    (report,) = parse(socket("trade", "place-order", 0, orderId="1", clientOid="mine")).reports
    assert (report.status, report.order_id, report.symbol) == (OrderStatus.NEW, "1", "BTCUSDT")
    assert (report.market, report.time) == ("spot", 1695797773370_000000)
    (report,) = parse(socket("error", "place-order", 43012, clientOid="mine", side="buy", size="1")).reports
    assert (report.status, report.client_order_id, report.reason) == (
        OrderStatus.REJECTED,
        "mine",
        "43012: text",
    )
    (report,) = parse(socket("trade", "cancel-order", 0, orderId="1", clientOid="mine")).reports
    assert report.status == OrderStatus.PENDING_CANCEL
    parsed = parse(socket("error", "cancel-order", 43001, orderId="1"))
    assert (parsed.reports, [s.kind for s in parsed.skipped]) == ([], ["failed_cancel"])
    parsed = parse(socket("error", "place-order", 43012, size="1"))
    assert (parsed.reports, [s.kind for s in parsed.skipped]) == ([], ["failed_placement"])


def test_unified_account_answers_over_the_websocket() -> None:
    done = {
        "event": "trade", "id": "1", "category": "spot", "topic": "place-order", "code": "0",
        "msg": "Success", "ts": "1750034397076",
        "args": [{"symbol": "BTCUSDT", "orderId": "133", "clientOid": "mine", "cTime": "1750034397008"}],
    }  # fmt: skip
    (report,) = parse(done).reports
    assert (report.status, report.order_id, report.market) == (OrderStatus.NEW, "133", "spot")
    assert report.time == 1750034397008_000000
    failed = done | {
        "event": "error",
        "code": "25202",
        "args": [{"symbol": "BTCUSDT", "clientOid": "mine", "side": "buy"}],
    }
    assert parse(failed).reports[0].status == OrderStatus.REJECTED
    amended = done | {"topic": "modify-order", "event": "error", "code": "25204"}
    assert [s.kind for s in parse(amended).skipped] == ["failed_amend"]


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (
            {"event": "subscribe", "arg": {"instType": "SPOT", "channel": "orders", "instId": "BTCUSDT"}},
            "acknowledgement",
        ),
        ({"event": "login", "code": 0, "msg": ""}, "acknowledgement"),
        ({"event": "error", "code": 30005, "msg": "Invalid sign"}, "request_error"),
        (push("USDT-FUTURES", "account", {"marginCoin": "USDT"}), "balance"),
        (push("USDT-FUTURES", "positions", {"posId": "1"}), "position"),
        (unified("position", {"symbol": "BTCUSDT"}), "position"),
        (push("SPOT", "candle1m", {}), "market_data"),
        (push("SPOT", "fill"), "empty"),
        (answer([]), "empty"),
        (answer(None), "empty"),
        (answer({"fillList": [], "endId": None}), "empty"),
        (answer({"fillList": None, "endId": None}), "empty"),
        (answer({"successList": [], "failureList": []}), "empty"),
        (
            answer([{"tradeId": "1", "price": "1", "size": "1", "side": "Buy", "ts": "1", "symbol": "A"}]),
            "market_data",
        ),
        (
            answer({"list": [{"execId": "1", "price": "1", "size": "1", "side": "buy", "ts": "1"}]}),
            "market_data",
        ),
    ],
)
def test_what_is_skipped(payload: object, kind: str) -> None:
    parsed = parse(payload)
    assert ((parsed.fills, parsed.reports), [s.kind for s in parsed.skipped]) == (([], []), [kind])


# -------------------------------------------------------------------- refusals


def test_paths_of_what_is_missing() -> None:
    for key in ("symbol", "orderId", "price", "baseVolume", "side", "cTime"):
        row = {name: value for name, value in MIX_FILL.items() if name != key}
        assert refused(answer({"fillList": [MIX_FILL, row]})) == [f"data.fillList[1].{key}"]
    for key in ("symbol", "orderId", "priceAvg", "size", "side"):
        row = {name: value for name, value in SPOT_FILL.items() if name != key}
        assert refused(answer([row])) == [f"data[0].{key}"]
    for key in ("symbol", "orderId", "execQty", "execPrice", "side"):
        row = {name: value for name, value in UNIFIED_FILL.items() if name != key}
        assert refused(unified("fill", row)) == [f"data[0].{key}"]
    flat = {
        "orderId": "4", "tradeId": "3", "symbol": "BTCUSDT", "side": "SELL", "baseVolume": "0.002",
        "fillPrice": "51000",
        "fillFee": "0.102", "fillFeeCoin": "USDT", "tradeScope": "maker",
    }  # fmt: skip
    for key in ("symbol", "orderId", "baseVolume", "fillPrice", "side", "fillFeeCoin"):
        assert refused({name: value for name, value in flat.items() if name != key}) == [key]


def test_a_flat_rebate() -> None:
    flat = {
        "orderId": "4", "tradeId": "3", "symbol": "BTCUSDT", "side": "BUY", "baseVolume": "1",
        "fillPrice": "1",
        "fillFee": "-0.102", "fillFeeCoin": "USDT", "tradeScope": "maker",
    }  # fmt: skip
    assert parse(flat).fills[0].fees == (("USDT", D("-0.102")),)


def test_keys_that_fit_nothing() -> None:
    with pytest.raises(UnsupportedPayloadError, match="bitget"):
        parse({"foo": 1})
    with pytest.raises(UnsupportedPayloadError):
        parse(push("SPOT", "unheard-of", {"foo": 1}))
