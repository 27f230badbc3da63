"""Binance: documented shapes beyond the reference cases, and each trap.

Shapes are from developers.binance.com and binance-spot-api-docs; `ws_…` are recordings of nautilus_trader.
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
    return venues.parse_payload("binance", "acc", json.dumps(payload).encode())


def refused(payload: object) -> list[str]:
    with pytest.raises(InvalidFieldError) as caught:
        parse(payload)
    return [violation.field for violation in caught.value.violations]


def execution_report(**changes: object) -> dict[str, object]:
    report: dict[str, object] = {
        "e": "executionReport", "E": 1759347763168, "s": "ETHUSDT", "c": "mine", "S": "BUY", "o": "LIMIT",
        "f": "GTC",
        "q": "1.00000000", "p": "2500.00000000", "P": "0.00000000", "F": "0.00000000", "g": -1, "C": "",
        "x": "TRADE",
        "X": "PARTIALLY_FILLED", "r": "NONE", "i": 1234567890, "l": "0.40000000", "z": "0.50000000",
        "L": "2499.00000000", "n": "0.00040000", "N": "ETH", "T": 1759347763167, "t": 77, "I": 4644480641,
        "w": False,
        "m": False, "M": True, "O": 1759347763100, "Z": "1249.00000000", "Y": "999.60000000",
        "Q": "0.00000000",
    }  # fmt: skip
    return report | changes


def order_trade_update(**changes: object) -> dict[str, object]:
    order: dict[str, object] = {
        "s": "BTCUSDT", "c": "mine", "S": "SELL", "o": "LIMIT", "f": "GTC", "q": "0.003", "p": "33468",
        "ap": "33468.4",
        "sp": "0", "x": "TRADE", "X": "PARTIALLY_FILLED", "i": 13351197194, "l": "0.001", "z": "0.001",
        "L": "33468.46",
        "n": "0.0133", "N": "USDT", "T": 1612095165362, "t": 458032604, "b": "0", "a": "9.91", "m": False,
        "R": False,
        "wt": "CONTRACT_PRICE", "ot": "LIMIT", "ps": "BOTH", "cp": False, "rp": "0.00335000", "pP": False,
    }  # fmt: skip
    return {"e": "ORDER_TRADE_UPDATE", "E": 1612095165370, "T": 1612095165361, "o": order | changes}


# ------------------------------------------------------------- executionReport


def test_the_fill_is_the_execution_and_not_the_order() -> None:
    parsed = parse(execution_report())
    (fill,), (report,) = parsed.fills, parsed.reports
    assert (fill.quantity, fill.price, fill.trade_id, fill.order_id) == (
        D("0.4"),
        D(2499),
        "77",
        "1234567890",
    )
    assert fill.fees == (("ETH", D("0.0004")),)
    assert (fill.market, fill.contract_kind, fill.base_currency, fill.quote_currency) == (
        "spot", ContractKind.SPOT, "ETH", "USDT",
    )  # fmt: skip
    assert (fill.account, fill.venue, fill.trade_time) == ("acc", "binance", 1759347763167_000000)
    assert (report.order_quantity, report.cumulative_quantity, report.limit_price) == (
        D(1),
        D("0.5"),
        D(2500),
    )
    assert report.average_price == D(2498)
    assert (report.type, report.time, report.create_time) == (
        "limit",
        1759347763167_000000,
        1759347763100_000000,
    )


@pytest.mark.parametrize("key", ["stream", "event", "data"])
def test_wrappers(key: str) -> None:
    wrapped = {
        "stream": {"stream": "listenkey", "data": execution_report()},
        "event": {"subscriptionId": 3, "event": execution_report()},
        "data": {"data": execution_report()},
    }[key]
    assert parse(wrapped).fills[0].trade_id == "77"


@pytest.mark.parametrize(
    ("x", "status", "want"),
    [
        ("NEW", "NEW", OrderStatus.NEW),
        ("NEW", "PENDING_NEW", OrderStatus.PENDING_NEW),
        ("CANCELED", "PENDING_CANCEL", OrderStatus.PENDING_CANCEL),
        ("REPLACED", "NEW", OrderStatus.NEW),
        ("EXPIRED", "EXPIRED", OrderStatus.EXPIRED),
        ("TRADE_PREVENTION", "EXPIRED_IN_MATCH", OrderStatus.EXPIRED),
        ("REJECTED", "REJECTED", OrderStatus.REJECTED),
    ],
)
def test_statuses_without_an_execution(x: str, status: str, want: OrderStatus) -> None:
    parsed = parse(execution_report(x=x, X=status, l="0.00000000", L="0.00000000", n="0", N=None, t=-1))
    assert parsed.fills == []
    assert parsed.reports[0].status == want
    assert parsed.reports[0].cumulative_quantity == D("0.5")


def test_trade_prevention_is_no_fill_even_where_l_and_L_carry_the_prevented_amount() -> None:
    # ws_spot_execution_report_trade_prevention.json
    parsed = parse(
        execution_report(x="TRADE_PREVENTION", X="EXPIRED_IN_MATCH", l="0.5", L="2500", t=-1, z="0", Z="0")
    )
    assert parsed.fills == []
    assert parsed.reports[0].cumulative_quantity == 0
    assert parsed.reports[0].average_price is None


def test_a_trade_of_nothing_is_no_fill() -> None:
    # ws_spot_execution_report_trade_l_zero_canceled.json: x=TRADE, X=CANCELED, l=0, t=-1
    parsed = parse(execution_report(X="CANCELED", l="0.00000000", z="0.00000000", Z="0.00000000", t=-1))
    assert parsed.fills == []
    assert parsed.reports[0].status == OrderStatus.CANCELED


def test_a_price_of_zero_is_no_price() -> None:
    # ws_spot_execution_report_trade_l_zero.json
    parsed = parse(execution_report(L="0.00000000", Z="0.00000000", n="0", N=None))
    assert parsed.fills[0].price is None
    assert parsed.fills[0].fees == ()
    assert parsed.reports[0].average_price is None


def test_calculated_is_a_fill() -> None:
    # ws_spot_execution_report_calculated.json
    parsed = parse(execution_report(x="CALCULATED", X="FILLED", c="autoclose-123456789"))
    assert parsed.fills[0].quantity == D("0.4")
    assert parsed.fills[0].metadata == {"execution": "liquidation"}


@pytest.mark.parametrize(
    ("original", "want"), [("first", "first"), ("", "mine"), (None, "mine"), ("null", "mine")]
)
def test_the_client_order_id_of_a_cancel(original: str | None, want: str) -> None:
    parsed = parse(execution_report(x="CANCELED", X="CANCELED", l="0", L="0", t=-1, C=original))
    assert parsed.reports[0].client_order_id == want


def test_a_replaced_order_goes_by_its_new_client_order_id() -> None:
    parsed = parse(execution_report(x="REPLACED", X="NEW", l="0", L="0", t=-1, c="new", C="old"))
    assert parsed.reports[0].client_order_id == "new"


def test_microseconds() -> None:
    # The stream with timeUnit=MICROSECOND.
    parsed = parse(execution_report(T=1759347763167123, O=1759347763100456, E=1759347763167999))
    assert parsed.fills[0].trade_time == 1759347763167123_000
    assert parsed.reports[0].create_time == 1759347763100456_000


def test_smart_order_routing_has_an_allocation_in_place_of_a_trade_id() -> None:
    # Conditional fields b (match type), a (allocation id), k (working floor), uS.
    parsed = parse(execution_report(t=-1, a=1234, b="ONE_PARTY_TRADE_REPORT", k="SOR", uS=True))
    assert parsed.fills[0].trade_id == "allocation-1234"
    assert not parsed.fills[0].trade_id_derived


def test_allocations_of_an_order_answer() -> None:
    # POST /api/v3/sor/order
    row = {
        "price": "28000",
        "qty": "0.5",
        "commission": "0",
        "commissionAsset": "BTC",
        "tradeId": -1,
        "allocId": 7,
    }
    order = ORDER | {
        "symbol": "BTCUSDT",
        "workingFloor": "SOR",
        "usedSor": True,
        "fills": [row, row | {"allocId": 8}],
    }
    assert [fill.trade_id for fill in parse(order).fills] == ["allocation-7", "allocation-8"]


def test_reject_and_expiry_reasons() -> None:
    rejected = execution_report(x="REJECTED", X="REJECTED", l="0", L="0", t=-1, r="INSUFFICIENT_BALANCES")
    assert parse(rejected).reports[0].reason == "INSUFFICIENT_BALANCES"
    assert (
        parse(execution_report(x="EXPIRED", X="EXPIRED", l="0", eR=2)).reports[0].reason == "expiry reason 2"
    )


def test_a_rebate_stays_negative() -> None:
    assert parse(execution_report(n="-0.001")).fills[0].fees == (("ETH", D("-0.001")),)


# ---------------------------------------------------------- ORDER_TRADE_UPDATE


def test_usd_margined() -> None:
    parsed = parse(order_trade_update(ps="LONG"))
    (fill,), (report,) = parsed.fills, parsed.reports
    assert (fill.market, fill.contract_kind, fill.base_currency, fill.quote_currency) == (
        "linear", ContractKind.LINEAR, "BTC", "USDT",
    )  # fmt: skip
    assert fill.trade_time == 1612095165362_000000
    assert fill.metadata == {"position_side": "LONG"}
    assert report.average_price == D("33468.4")


def test_coin_margined() -> None:
    # Docs, COIN-M "Event: Order Update": `i` is the account's alias, `ma` the margin asset.
    update = order_trade_update(s="BTCUSD_200925", N="BTC", ma="BTC", l="3", q="10", z="3") | {"i": "SfsR"}
    (fill,) = parse(update).fills
    assert (fill.symbol, fill.quantity, fill.market) == ("BTCUSD_200925", D(3), "inverse")
    assert (fill.contract_kind, fill.multiplier) == (ContractKind.INVERSE, D(100))
    assert (fill.base_currency, fill.quote_currency, fill.order_id) == ("BTC", "USD", "13351197194")


def test_no_commission_is_not_pushed() -> None:
    update = order_trade_update()
    order = update["o"]
    assert isinstance(order, dict)
    del order["n"], order["N"]
    assert parse(update).fills[0].fees == ()


def test_forced_executions_are_fills_and_marked() -> None:
    # ws_futures_order_update_adl.json, …_adl_filled.json, …_liquidation.json, …_settlement.json
    marks = {
        ("adl_autoclose", "CALCULATED"): "adl",
        ("adl_autoclose-123", "TRADE"): "adl",
        ("autoclose-1234", "CALCULATED"): "liquidation",
        ("autoclose-1234", "TRADE"): "liquidation",
        ("settlement_autoclose-1", "CALCULATED"): "settlement",
    }
    for (client, x), mark in marks.items():
        (fill,) = parse(order_trade_update(c=client, x=x)).fills
        assert fill.metadata == {"execution": mark}
    assert parse(order_trade_update(c="my-autoclose-1")).fills[0].metadata == {}


def test_a_liquidation_of_nothing() -> None:
    # ws_futures_order_update_liquidation_zero_qty.json
    zero = {
        "q": "0.000",
        "l": "0.000",
        "z": "0.000",
        "L": "0.00",
        "ap": "0.00",
        "N": None,
        "n": None,
        "sp": None,
    }
    parsed = parse(order_trade_update(c="autoclose-7", x="CALCULATED", X="FILLED", **zero))
    assert parsed.fills == []
    report = parsed.reports[0]
    assert (report.status, report.order_quantity, report.average_price) == (OrderStatus.FILLED, None, None)


@pytest.mark.parametrize("status", ["NEW_INSURANCE", "NEW_ADL"])
def test_futures_statuses(status: str) -> None:
    parsed = parse(order_trade_update(x="NEW", X=status, l="0", z="0", L="0", t=0))
    assert (parsed.fills, parsed.reports[0].status) == ([], OrderStatus.NEW)


def test_trigger_reject() -> None:
    payload = {
        "e": "CONDITIONAL_ORDER_TRIGGER_REJECT", "E": 1685517224945, "T": 1685517224955,
        "or": {"s": "ETHUSDT", "i": 155618472834, "r": "Due to the order could not be filled immediately"},
    }  # fmt: skip
    (report,) = parse(payload).reports
    assert (report.status, report.order_id) == (OrderStatus.REJECTED, "155618472834")
    assert report.reason.startswith("Due to")


def test_trade_lite_and_the_full_event_are_one_fill() -> None:
    lite = {
        "e": "TRADE_LITE", "E": 1, "T": 1612095165362, "s": "BTCUSDT", "q": "0.003", "p": "33468", "m": False,
        "c": "mine", "S": "SELL", "L": "33468.46", "l": "0.001", "t": 458032604, "i": 13351197194,
    }  # fmt: skip
    (early,), (full,) = parse(lite).fills, parse(order_trade_update()).fills
    assert early.key == full.key
    assert (early.symbol, early.market, early.order_id) == (full.symbol, full.market, full.order_id)
    assert early.fees == ()
    assert (early.quantity, early.price, early.liquidity) == (full.quantity, full.price, full.liquidity)


def test_options_stream() -> None:
    # Docs, options "Event: Order update" (the first form): quantities are signed, `f` > 0 is a commission.
    payload = {
        "e": "ORDER_TRADE_UPDATE", "E": 1657613775883,
        "o": [
            {
                "T": 1657613342918, "t": 1657613342919, "s": "BTC-220930-18000-C", "c": "",
                "oid": "4611869636869226548", "p": "1993", "q": "-1", "stp": 0, "r": False, "po": True,
                "S": "PARTIALLY_FILLED", "e": "-0.1", "ec": "199.3", "f": "2", "tif": "GTC", "oty": "LIMIT",
                "fi": [{"t": "20", "p": "1993", "q": "-0.1", "T": 1657613774336, "m": "TAKER",
                "f": "0.0002"}],
            }
        ],
    }  # fmt: skip
    parsed = parse(payload)
    (fill,), (report,) = parsed.fills, parsed.reports
    assert (fill.side, fill.quantity, fill.price, fill.trade_id) == (Side.SELL, D("0.1"), D(1993), "20")
    assert (fill.fees, fill.liquidity, fill.market) == ((("USDT", D("0.0002")),), Liquidity.TAKER, "option")
    assert fill.trade_time == 1657613774336_000000
    assert (report.order_quantity, report.cumulative_quantity, report.average_price) == (
        D(1),
        D("0.1"),
        D(1993),
    )
    assert report.status == OrderStatus.PARTIALLY_FILLED


def test_options_in_the_futures_form() -> None:
    (fill,) = parse(order_trade_update(s="ETH-251226-4000-C", l="0.1", L="120.5")).fills
    assert (fill.market, fill.contract_kind, fill.quote_currency) == ("option", 0, "USDT")


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("outboundAccountPosition", "balance"),
        ("balanceUpdate", "balance"),
        ("ACCOUNT_UPDATE", "account_update"),
        ("ACCOUNT_CONFIG_UPDATE", "account_update"),
        ("MARGIN_CALL", "margin_call"),
        ("listenKeyExpired", "stream_control"),
        ("eventStreamTerminated", "stream_control"),
        ("listStatus", "order_list"),
        ("ALGO_UPDATE", "algo_order"),
        ("STRATEGY_UPDATE", "strategy"),
        ("aggTrade", "market_data"),
    ],
)
def test_other_events_are_skipped(event: str, kind: str) -> None:
    parsed = parse({"e": event, "E": 1})
    assert (parsed.fills, parsed.reports) == ([], [])
    assert [(s.kind, s.count) for s in parsed.skipped] == [(kind, 1)]


def test_an_unknown_event_is_not_guessed() -> None:
    with pytest.raises(UnsupportedPayloadError):
        parse({"e": "somethingNew", "E": 1})


# ------------------------------------------------------------------------ REST

ORDER = {
    "symbol": "LTCBTC", "orderId": 1, "orderListId": -1, "clientOrderId": "myOrder1", "price": "0.1",
    "origQty": "1.0",
    "executedQty": "0.4", "cummulativeQuoteQty": "0.036", "status": "PARTIALLY_FILLED", "timeInForce": "GTC",
    "type": "LIMIT", "side": "BUY", "stopPrice": "0.0", "icebergQty": "0.0", "time": 1499827319559,
    "updateTime": 1499827319560, "isWorking": True, "preventedMatchId": 0, "preventedQuantity": "0",
}  # fmt: skip


def test_queried_spot_order() -> None:
    (report,) = parse(ORDER).reports
    assert (report.status, report.average_price, report.limit_price) == (
        OrderStatus.PARTIALLY_FILLED, D("0.09"), D("0.1"),
    )  # fmt: skip
    assert (report.create_time, report.time) == (1499827319559_000000, 1499827319560_000000)
    assert (report.base_currency, report.quote_currency, report.market) == ("LTC", "BTC", "spot")


def test_a_list_of_orders_and_errors() -> None:
    # DELETE /fapi/v1/batchOrders: each entry by itself.
    parsed = parse([ORDER, {"code": -2011, "msg": "Unknown order sent."}])
    assert len(parsed.reports) == 1
    assert [s.kind for s in parsed.skipped] == ["failed_cancel"]


def test_an_average_that_is_not_available() -> None:
    assert parse(ORDER | {"cummulativeQuoteQty": "-1.00000000"}).reports[0].average_price is None


def test_cancel_answer_keeps_the_original_client_order_id() -> None:
    # DELETE /api/v3/order
    canceled = {
        "symbol": "LTCBTC", "origClientOrderId": "myOrder1", "orderId": 4, "orderListId": -1,
        "clientOrderId": "cancelMyOrder1", "transactTime": 1684804350068, "price": "2.00000000",
        "origQty": "1.00000000", "executedQty": "0.00000000", "origQuoteOrderQty": "0.000000",
        "cummulativeQuoteQty": "0.00000000", "status": "CANCELED", "timeInForce": "GTC", "type": "LIMIT",
        "side": "BUY",
        "selfTradePreventionMode": "NONE",
    }  # fmt: skip
    (report,) = parse(canceled).reports
    assert (report.status, report.client_order_id) == (OrderStatus.CANCELED, "myOrder1")
    assert (report.cumulative_quantity, report.average_price) == (0, None)


def test_acknowledgement() -> None:
    # The answer for newOrderRespType ACK.
    ack = {
        "symbol": "BTCUSDT",
        "orderId": 28,
        "orderListId": -1,
        "clientOrderId": "6gC",
        "transactTime": 1507725176595,
    }
    (report,) = parse(ack).reports
    assert (report.status, report.order_id, report.client_order_id) == (OrderStatus.NEW, "28", "6gC")
    assert (report.cumulative_quantity, report.time) == (None, 1507725176595_000000)


def test_options_acknowledgement_and_order() -> None:
    ack = {
        "orderId": 4611875134427365377, "symbol": "BTC-200730-9000-C", "price": "100", "quantity": "1",
        "side": "BUY",
        "type": "LIMIT", "createDate": 1592465880683, "reduceOnly": False, "postOnly": False, "mmp": False,
    }  # fmt: skip
    (report,) = parse(ack).reports
    assert (report.status, report.order_id, report.order_quantity) == (
        OrderStatus.NEW,
        "4611875134427365377",
        D(1),
    )
    result = ack | {
        "executedQty": "1", "fee": "0.5", "createTime": 1592465880683, "updateTime": 1566818724722,
        "status": "FILLED",
        "avgPrice": "99", "clientOrderId": "", "priceScale": 2, "quantityScale": 2, "optionSide": "CALL",
        "quoteAsset": "USDT", "quantity": "-1",
    }  # fmt: skip
    (report,) = parse(result).reports
    assert (report.status, report.average_price, report.market) == (OrderStatus.FILLED, D(99), "option")
    assert report.order_quantity == D(1)


FUTURES_ORDER = {
    "orderId": 22542179, "symbol": "BTCUSDT", "status": "FILLED", "clientOrderId": "testOrder", "price": "0",
    "avgPrice": "30000.50", "origQty": "10", "executedQty": "10", "cumQty": "10", "cumQuote": "300005",
    "timeInForce": "GTC", "type": "MARKET", "reduceOnly": False, "closePosition": False, "side": "BUY",
    "positionSide": "SHORT", "stopPrice": "9300", "updateTime": 1566818724722, "origType": "MARKET",
}  # fmt: skip


def test_futures_orders() -> None:
    (report,) = parse(FUTURES_ORDER).reports
    assert (report.market, report.average_price, report.limit_price) == ("linear", D("30000.5"), None)
    coin = FUTURES_ORDER | {"symbol": "BTCUSD_PERP", "pair": "BTCUSD", "cumBase": "0.0333"}
    (report,) = parse(coin).reports
    assert (report.market, report.contract_kind, report.multiplier) == (
        "inverse",
        ContractKind.INVERSE,
        D(100),
    )
    closing = FUTURES_ORDER | {"origQty": "0", "executedQty": "0", "avgPrice": "0.00000", "status": "NEW"}
    (report,) = parse(closing).reports
    assert (report.order_quantity, report.average_price) == (None, None)


def test_websocket_api_answers() -> None:
    answer = {"id": "56374a46", "status": 200, "result": ORDER, "rateLimits": []}
    assert parse(answer).reports[0].order_id == "1"
    listed = parse(answer | {"result": [ORDER, ORDER | {"orderId": 2}]})
    assert [report.order_id for report in listed.reports] == ["1", "2"]
    failed = {"id": "x", "status": 400, "error": {"code": -2010, "msg": "Account has insufficient balance"}}
    assert [s.kind for s in parse(failed).skipped] == ["request_error"]
    assert [s.kind for s in parse({"result": None, "id": 1}).skipped] == ["acknowledgement"]


def test_cancel_replace() -> None:
    new = ORDER | {"orderId": 9, "status": "NEW", "executedQty": "0", "transactTime": 1684804350068}
    done = {
        "cancelResult": "SUCCESS", "newOrderResult": "SUCCESS",
        "cancelResponse": ORDER | {"status": "CANCELED", "origClientOrderId": "was",
        "clientOrderId": "request"},
        "newOrderResponse": new,
    }  # fmt: skip
    parsed = parse(done)
    assert [(r.order_id, r.status, r.client_order_id) for r in parsed.reports] == [
        ("1", OrderStatus.CANCELED, "was"),
        ("9", OrderStatus.NEW, "myOrder1"),
    ]
    failed = {
        "code": -2022, "msg": "Order cancel-replace failed.",
        "data": {
            "cancelResult": "FAILURE", "newOrderResult": "NOT_ATTEMPTED",
            "cancelResponse": {"code": -2011, "msg": "Unknown order sent."}, "newOrderResponse": None,
        },
    }  # fmt: skip
    parsed = parse(failed)
    assert (parsed.reports, [s.kind for s in parsed.skipped]) == ([], ["failed_cancel"])
    half = failed["data"] | {  # type: ignore[operator]
        "cancelResult": "SUCCESS", "newOrderResult": "FAILURE",
        "cancelResponse": ORDER | {"status": "CANCELED"},
        "newOrderResponse": {"code": -2010, "msg": "Filter failure"},
    }  # fmt: skip
    parsed = parse({"code": -2021, "msg": "partially failed", "data": half})
    assert [r.status for r in parsed.reports] == [OrderStatus.CANCELED]
    assert [s.kind for s in parsed.skipped] == ["failed_placement"]


def test_amended_order() -> None:
    # PUT /api/v3/order/amend/keepPriority
    payload = {
        "transactTime": 1741926410255, "executionId": 75,
        "amendedOrder": {
            "symbol": "BTCUSDT", "orderId": 33, "orderListId": -1,
            "origClientOrderId": "5xrgbMyg6z36NzBn2pbT8H",
            "clientOrderId": "PFaq6hIHxqFENGfdtn4J6Q", "price": "6.00000000", "qty": "5.00000000",
            "executedQty": "0.00000000", "preventedQty": "0.00000000", "quoteOrderQty": "0.00000000",
            "cumulativeQuoteQty": "0.00000000", "status": "NEW", "timeInForce": "GTC", "type": "LIMIT",
            "side": "SELL",
        },
    }  # fmt: skip
    (report,) = parse(payload).reports
    assert (report.client_order_id, report.order_quantity) == ("PFaq6hIHxqFENGfdtn4J6Q", D(5))
    assert report.time == 1741926410255_000000


def test_order_list() -> None:
    payload = {
        "orderListId": 0, "contingencyType": "OCO", "listStatusType": "EXEC_STARTED",
        "orders": [{"symbol": "LTCBTC", "orderId": 2, "clientOrderId": "a"}],
        "orderReports": [ORDER | {"orderId": 2}, ORDER | {"orderId": 3}],
    }  # fmt: skip
    assert [report.order_id for report in parse(payload).reports] == ["2", "3"]
    assert [s.kind for s in parse(payload | {"orderReports": []}).skipped] == ["order_list"]


def test_spot_trade_and_allocation() -> None:
    trade = {
        "symbol": "BNBBTC", "id": 28457, "orderId": 100234, "price": "4.1", "qty": "12", "quoteQty": "48",
        "time": 1499865549590,
        "commission": "10.1", "commissionAsset": "BNB", "isBuyer": True, "isMaker": True, "isBestMatch": True,
    }  # fmt: skip
    (fill,) = parse(trade).fills
    assert (fill.side, fill.liquidity, fill.base_currency, fill.quote_currency) == (
        Side.BUY, Liquidity.MAKER, "BNB", "BTC",
    )  # fmt: skip
    allocation = {k: v for k, v in trade.items() if k != "id"} | {"allocationId": 5, "allocationType": "SOR"}
    assert parse(allocation).fills[0].trade_id == "allocation-5"


def test_usd_margined_trade() -> None:
    trade = {
        "buyer": False, "commission": "-0.07819010", "commissionAsset": "USDT", "id": 698759, "maker": True,
        "orderId": 25851813, "price": "7819.01", "qty": "0.002", "quoteQty": "15.63802",
        "realizedPnl": "-0.91539999",
        "side": "SELL", "positionSide": "SHORT", "symbol": "BTCUSDT_230630", "time": 1569514978020,
    }  # fmt: skip
    (fill,) = parse([trade]).fills
    assert (fill.side, fill.fees, fill.market) == (Side.SELL, (("USDT", D("-0.0781901")),), "linear")
    assert (fill.base_currency, fill.quote_currency) == ("BTC", "USDT")


def test_other_rest_answers_are_skipped() -> None:
    for payload, kind in (
        (
            {"symbol": "BTCUSDT", "incomeType": "FUNDING_FEE", "income": "-0.3", "asset": "USDT"},
            "funding_fee",
        ),
        ({"code": 200, "msg": "The operation of cancel all open order is done."}, "acknowledgement"),
        ({"code": -1121, "msg": "Invalid symbol."}, "request_error"),
        ({"listenKey": "abc"}, "stream_control"),
        ({"id": 1, "price": "4", "qty": "1", "time": 1, "isBuyerMaker": True}, "market_data"),
        (
            {"strategyId": 3645916, "strategyStatus": "NEW", "origQty": "0.010", "symbol": "BTCUSDT"},
            "algo_order",
        ),
        (
            {"symbol": "BTCUSDT", "preventedMatchId": 1, "takerOrderId": 5, "makerOrderId": 3},
            "trade_prevention",
        ),
    ):
        parsed = parse(payload)
        assert ((parsed.fills, parsed.reports), [s.kind for s in parsed.skipped]) == (([], []), [kind])


def test_flat_form_without_trade_ids_counts_equal_rows() -> None:
    row = {
        "qty": "0.001",
        "price": "50000.00",
        "commission": "0",
        "commissionAsset": "BTC",
        "takerOrMaker": "maker",
    }
    flat = {"orderId": "1", "symbol": "BTCUSDT", "side": "BUY", "fills": [row, row]}
    first, second = parse(flat).fills
    assert first.trade_id_derived
    assert second.trade_id_derived
    assert first.trade_id != second.trade_id
    assert [fill.trade_id for fill in parse(flat).fills] == [first.trade_id, second.trade_id]
    assert parse(flat | {"fills": [row]}).fills[0].trade_id == first.trade_id


@pytest.mark.parametrize(
    ("symbol", "base", "quote"),
    [
        ("FDUSDUSDT", "FDUSD", "USDT"),
        ("BTCFDUSD", "BTC", "FDUSD"),
        ("BTCTUSD", "BTC", "TUSD"),
        ("USDTUSD", "USDT", "USD"),  # Binance.US
        ("BTCUSD", "BTC", "USD"),
        ("WBETHETH", "WBETH", "ETH"),
        ("BTCAEUR", "", ""),  # BTC in AEUR, or BTCA in EUR: not told
        ("FOOBAR", "", ""),
    ],
)
def test_currencies_of_spot_symbols(symbol: str, base: str, quote: str) -> None:
    fill = parse(execution_report(s=symbol)).fills[0]
    assert (fill.base_currency, fill.quote_currency) == (base, quote)


# -------------------------------------------------------------------- refusals


@pytest.mark.parametrize("key", ["s", "S", "i", "x", "X", "l", "L", "z", "q", "m"])
def test_what_an_execution_report_needs(key: str) -> None:
    for missing in (None, ""):
        assert key in refused(execution_report(**{key: missing}))
    assert f"event.{key}" in refused({"event": execution_report(**{key: None})})
    assert f"o.{key}" in refused(order_trade_update(**{key: None}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("l", "NaN"), ("l", "1e999999999"), ("l", True), ("l", {}), ("l", "0x10"), ("l", " 1"), ("l", "١"),
        ("l", "1_0"),
        ("L", [1]), ("L", "Infinity"), ("q", "1" * 30), ("n", "abc"), ("X", "SOMETHING"), ("X", ["NEW"]),
        ("x", "TRADED"),
        ("S", "HOLD"), ("m", "perhaps"), ("T", -1), ("T", "soon"), ("T", 10**30), ("T", {}), ("i", 1.5),
        ("i", {"a": 1}),
        ("i", "a\u0000b"), ("c", "x" * 257), ("c", "line\nbreak"), ("s", "BTC\u0007USDT"), ("t", [3]),
    ],
)  # fmt: skip
def test_hostile_values(key: str, value: object) -> None:
    assert key in refused(execution_report(**{key: value}))


def test_a_fee_needs_its_currency() -> None:
    assert refused(execution_report(N=None)) == ["N"]


def test_every_fault_is_told_at_once() -> None:
    flat = {
        "orderId": "1",
        "symbol": "BTCUSDT",
        "side": "UP",
        "fills": [{"qty": "0", "price": "x"}, {"price": "1"}],
    }
    assert refused(flat) == ["side", "fills[0].qty", "fills[0].price", "fills[1].qty"]
    assert refused([{"symbol": "A", "isBuyer": True, "isMaker": False}])[0] == "[0].orderId"


def test_a_known_kind_without_its_key_value() -> None:
    trade = {
        "symbol": "BNBBTC", "id": 28457, "orderId": 100234, "price": "4", "qty": "12", "time": 1499865549590,
        "commission": "1", "commissionAsset": "BNB", "isBuyer": True, "isMaker": False,
    }  # fmt: skip
    for key in ("symbol", "orderId", "price", "qty", "time", "isBuyer", "isMaker", "commissionAsset"):
        assert refused([{k: v for k, v in trade.items() if k != key}]) == [f"[0].{key}"]
    for key in ("symbol", "orderId", "side", "status"):
        assert refused({k: v for k, v in ORDER.items() if k != key}) == [key]
