"""Phemex: documented shapes beyond the reference cases, and each trap.

Shapes are from phemex-docs.github.io (contract, spot, margin) and phemex-api-docs.
"""

import json
from decimal import Decimal

import pytest

from fillhandler_server import venues
from fillhandler_server.domain.errors import InvalidFieldError, UnsupportedPayloadError
from fillhandler_server.domain.fills import ContractKind, Liquidity, Side
from fillhandler_server.domain.instruments import Instrument
from fillhandler_server.domain.reports import OrderStatus, ParsedPayload

pytestmark = pytest.mark.parsing

D = Decimal
NOBODY = "00000000-0000-0000-0000-000000000000"


def parse(payload: object, **options: object) -> ParsedPayload:
    return venues.parse_payload("phemex", "", json.dumps(payload).encode(), **options)  # type: ignore[arg-type]


def refused(payload: object) -> list[str]:
    with pytest.raises(InvalidFieldError) as caught:
        parse(payload)
    return [violation.field for violation in caught.value.violations]


def rows(*entries: object) -> dict[str, object]:
    return {"code": 0, "msg": "OK", "data": {"total": len(entries), "rows": list(entries)}}


CONTRACT_TRADE = {
    "transactTimeNs": 1578026629824704800, "symbol": "BTCUSD", "currency": "BTC", "action": "Replace",
    "side": "Sell",
    "tradeType": "Trade", "execQty": 700, "execPriceEp": 71500000, "orderQty": 700, "priceEp": 71500000,
    "execValueEv": 9790209, "feeRateEr": -25000, "execFeeEv": -2447, "ordType": "Limit",
    "execID": "b01671a1-5ddc-5def-b80a-5311522fd4bf", "orderID": "b63bc982-be3a-45e0-8974-43d6375fb626",
    "clOrdID": "uuid-1577463487504", "execStatus": "MakerFill",
}  # fmt: skip

LINEAR = {
    "action": "New", "actionTimeNs": "1674110665380190869", "clOrdID": "", "code": 0, "cumQty": "0.001",
    "cumValueRv": "20.849", "currency": "USDT", "cxlRejReason": 0, "execFeeRv": "0.0125094",
    "execID": "b88d2950-04a2-52d8-8927-346059900242", "execPriceRp": "20849", "execQty": "0.001",
    "execStatus": "TakerFill", "execValueRv": "20.849", "leavesQty": "0", "message": "No error",
    "ordStatus": "Filled", "ordType": "Market", "orderID": "79620ed2-54c6-4645-a35c-7057e687c576",
    "orderQty": "0.001", "posSide": "Long", "priceRp": "21476.3", "side": "Buy", "symbol": "BTCUSDT",
    "timeInForce": "ImmediateOrCancel", "tradeType": "Trade", "transactTimeNs": "1674110665387882268",
}  # fmt: skip

SPOT_TRADE = {
    "qtyType": "ByBase", "transactTimeNs": 1589450974800550100, "clOrdID": "mine",
    "orderID": "b2b7018d-f02f-4c59-b4cf-051b9c2d2e83", "symbol": "sETHUSDT", "side": "Sell",
    "priceEP": 20000000000,
    "baseQtyEv": 200000000, "quoteQtyEv": 0, "action": "New", "execStatus": "TakerFill",
    "ordStatus": "PartiallyFilled",
    "ordType": "Limit", "timeInForce": "GoodTillCancel", "tradeType": "Trade", "execPriceEp": 20100000000,
    "execId": "c6bd8979-07ba-5946-b07e-f8b65135dbb1", "execBaseQtyEv": 100000000,
    "execQuoteQtyEv": 20100000000,
    "execFeeEv": 20100000, "feeRateEr": 100000, "baseCurrency": "ETH", "quoteCurrency": "USDT",
    "feeCurrency": "USDT",
}  # fmt: skip


# ------------------------------------------------------------------- contracts


def test_scaled_contract_trade() -> None:
    funding = CONTRACT_TRADE | {
        "action": "SettleFundingFee", "side": "Buy", "tradeType": "Funding", "execStatus": "Init",
        "orderID": NOBODY,
        "clOrdID": "SettlingFunding",
    }  # fmt: skip
    parsed = parse(rows(CONTRACT_TRADE, funding))
    (fill,) = parsed.fills
    assert (fill.quantity, fill.price, fill.side, fill.liquidity) == (
        D(700),
        D(7150),
        Side.SELL,
        Liquidity.MAKER,
    )
    assert fill.fees == (("BTC", D("-0.00002447")),)
    assert (fill.contract_kind, fill.multiplier, fill.market) == (ContractKind.INVERSE, D(1), "inverse")
    assert (fill.base_currency, fill.quote_currency, fill.trade_time) == ("BTC", "USD", 1578026629824704800)
    assert parsed.reports == []  # it states no order status
    assert [(s.kind, s.count) for s in parsed.skipped] == [("funding", 1)]


def test_contracts_settled_in_dollars() -> None:
    (fill,) = parse(CONTRACT_TRADE | {"symbol": "ETHUSD", "currency": "USD", "execPriceEp": 2267500}).fills
    assert (fill.price, fill.fees) == (D("226.75"), (("USD", D("-0.2447")),))
    assert (fill.contract_kind, fill.multiplier) == (ContractKind.LINEAR, None)
    (fill,) = parse(CONTRACT_TRADE | {"symbol": "uBTCUSD", "currency": "USD"}).fills
    assert (fill.base_currency, fill.fees) == ("BTC", (("USD", D("-0.2447")),))
    (fill,) = parse(CONTRACT_TRADE | {"symbol": "cETHUSD", "currency": "ETH"}).fills
    assert (fill.contract_kind, fill.fees) == (ContractKind.INVERSE, (("ETH", D("-0.00002447")),))


def test_unknown_scales_are_refused_and_can_be_added() -> None:
    row = CONTRACT_TRADE | {"symbol": "FOOUSD", "currency": "FOO"}
    assert refused(row) == ["execPriceEp", "execFeeEv"]
    foo = Instrument("phemex", "FOOUSD", "inverse", ContractKind.INVERSE, settle="FOO", price_places=2)
    instruments = venues.SHIPPED.adding([foo], {("phemex", "FOO"): 6})
    (fill,) = parse(row, instruments=instruments).fills
    assert (fill.price, fill.fees) == (D(715000), (("FOO", D("-0.002447")),))
    assert refused(rows(SPOT_TRADE | {"symbol": "sFOOUSDT", "baseCurrency": "FOO"})) == [
        "data.rows[0].execBaseQtyEv", "data.rows[0].baseQtyEv",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("word", "mark"), [("LiqTrade", "liquidation"), ("AdlTrade", "adl"), (6, "liquidation"), (7, "adl")]
)
def test_forced_executions_are_fills(word: object, mark: str) -> None:
    assert parse(CONTRACT_TRADE | {"tradeType": word}).fills[0].metadata == {"execution": mark}


def test_what_is_no_execution() -> None:
    canceled = LINEAR | {
        "action": "Cancel", "execID": NOBODY, "execQty": "1", "execStatus": "Canceled",
        "ordStatus": "Canceled",
        "cumQty": "0", "cumValueRv": "0", "tradeType": None,
    }  # fmt: skip
    new = LINEAR | {"execStatus": "New", "ordStatus": "New", "execID": NOBODY, "execQty": "0", "cumQty": "0"}
    parsed = parse({"orders_p": [new, canceled], "accounts_p": [{}], "positions_p": [{}, {}]})
    assert parsed.fills == []
    assert [report.status for report in parsed.reports] == [OrderStatus.NEW, OrderStatus.CANCELED]
    assert [(s.kind, s.count) for s in parsed.skipped] == [("balance", 1), ("position", 2)]
    # A real execution id does not make a cancel a fill.
    assert parse(canceled | {"execID": "b88d2950-04a2-52d8-8927-346059900242"}).fills == []
    # All zeros are no execution, whatever the state says.
    assert parse(LINEAR | {"execID": NOBODY}).fills == []


def test_hedged_contract_push() -> None:
    parsed = parse({"orders_p": [LINEAR], "sequence": 1, "timestamp": 1, "type": "incremental"})
    (fill,), (report,) = parsed.fills, parsed.reports
    assert (fill.trade_time, fill.market, fill.metadata) == (
        1674110665387882268,
        "linear",
        {"position_side": "LONG"},
    )
    assert (fill.quantity, fill.price, fill.fees) == (D("0.001"), D(20849), (("USDT", D("0.0125094")),))
    assert (report.average_price, report.type, report.limit_price) == (D(20849), "market", None)
    assert report.client_order_id == ""


def test_fees_in_tokens() -> None:
    assert parse(LINEAR | {"execFeeRv": "0", "ptFeeRv": "0.11"}).fills[0].fees == (("PT", D("0.11")),)
    assert parse(LINEAR | {"execFeeRv": "0", "ptFeeRv": 0}).fills[0].fees == (("USDT", D(0)),)
    assert parse(LINEAR | {"execFeeRv": "1", "ptFeeRv": "2"}).fills[0].fees == (("PT", D(2)), ("USDT", D(1)))
    assert parse(LINEAR | {"execFeeRv": None}).fills[0].fees == ()


def test_closed_orders_are_no_fills_though_their_execution_was() -> None:
    # GET /exchange/order/v2/orderList: codes, and what was filled in execQtyRq.
    row = {
        "createdAt": 1666179379726, "symbol": "ETHUSDT", "orderQtyRq": "0.78", "side": 1, "priceRp": "1271.9",
        "execQtyRq": "0.78", "leavesQtyRq": "0", "execPriceRp": "1271.9", "orderValueRv": "992.082",
        "leavesValueRv": "0", "cumValueRv": "992.082", "stopDirection": 0, "stopPxRp": "0", "trigger": 0,
        "actionBy": 1,
        "execFeeRv": "0.0012719", "ordType": 2, "ordStatus": 7, "clOrdId": "2739dc9",
        "orderId": "2739dc90-41c6-449f-8774-0a62c8d8e320", "execStatus": 6, "bizError": 0, "tradeType": 1,
    }  # fmt: skip
    parsed = parse(rows(row))
    (report,) = parsed.reports
    assert parsed.fills == []
    assert (report.status, report.order_id, report.client_order_id) == (
        OrderStatus.FILLED, "2739dc90-41c6-449f-8774-0a62c8d8e320", "2739dc9",
    )  # fmt: skip
    assert (report.order_quantity, report.cumulative_quantity, report.average_price) == (
        D("0.78"),
        D("0.78"),
        D("1271.9"),
    )
    assert (report.type, report.side, report.create_time) == ("limit", Side.BUY, 1666179379726_000000)
    assert report.time is None  # createdAt is no time of an update


@pytest.mark.parametrize(
    ("word", "want"),
    [
        ("Created", OrderStatus.NEW), ("Init", OrderStatus.NEW), ("Untriggered", OrderStatus.NEW),
        ("Triggered", OrderStatus.NEW), ("New", OrderStatus.NEW), ("PartiallyFilled",
        OrderStatus.PARTIALLY_FILLED),
        ("Filled", OrderStatus.FILLED), ("Canceled", OrderStatus.CANCELED), ("Deactivated",
        OrderStatus.CANCELED),
        ("Rejected", OrderStatus.REJECTED), (0, OrderStatus.NEW), (1, OrderStatus.NEW), (2,
        OrderStatus.CANCELED),
        ("3", OrderStatus.NEW), (4, OrderStatus.REJECTED), ("5", OrderStatus.NEW), (6,
        OrderStatus.PARTIALLY_FILLED),
        (7, OrderStatus.FILLED), (8, OrderStatus.CANCELED),
    ],
)  # fmt: skip
def test_statuses(word: object, want: OrderStatus) -> None:
    assert (
        parse(LINEAR | {"ordStatus": word, "execID": NOBODY, "execStatus": "New"}).reports[0].status == want
    )


PLACED = {
    "bizError": 0, "orderID": "ab90a08c-b728-4b6b-97c4-36fa497335bf",
    "clOrdID": "137e1928-5d25-fecd-dbd1-705ded659a4f",
    "symbol": "BTCUSD", "side": "Sell", "actionTimeNs": 1580547265848034600, "transactTimeNs": 0,
    "orderType": None,
    "priceEp": 98970000, "price": 9897, "orderQty": 1, "displayQty": 1, "timeInForce": None,
    "reduceOnly": False,
    "stopPxEp": 0, "closedPnlEv": 0, "closedPnl": 0, "closedSize": 0, "cumQty": 0, "cumValueEv": 0,
    "cumValue": 0,
    "leavesQty": 1, "leavesValueEv": 10104, "leavesValue": 0.00010104, "stopDirection": "UNSPECIFIED",
    "ordStatus": "Created",
}  # fmt: skip


def test_placement_answers() -> None:
    (report,) = parse({"code": 0, "msg": "", "data": PLACED}).reports
    assert (report.status, report.limit_price, report.order_quantity) == (OrderStatus.NEW, D(9897), D(1))
    assert (report.time, report.cumulative_quantity, report.average_price) == (1580547265848034600, 0, None)
    linear = {
        "bizError": "0", "orderID": "bd720dff", "clOrdID": "mine", "symbol": "LTCUSDT", "side": "Buy",
        "actionTimeNs": "1677667878751724052", "transactTimeNs": "1677667878754017434",
        "orderType": "StopLimit",
        "priceRp": "40", "orderQtyRq": "0.1", "cumQtyRq": "0", "cumValueRv": "0", "leavesQtyRq": "0.1",
        "execStatus": "New", "ordStatus": "New", "execInst": "None",
    }  # fmt: skip
    (report,) = parse({"code": 0, "msg": "", "data": linear}).reports
    assert (report.status, report.type, report.market) == (OrderStatus.NEW, "stop_limit", "linear")
    assert (report.time, report.limit_price) == (1677667878754017434, D(40))
    spot = {
        "orderID": "d1d09454", "clOrdID": "mine", "priceEp": 0, "action": "New", "bizError": 0,
        "symbol": "sBTCUSDT",
        "side": "Buy", "baseQtyEv": 0, "ordType": "Limit", "timeInForce": "GoodTillCancel",
        "ordStatus": "Created",
        "cumFeeEv": 0, "cumBaseQtyEv": 0, "cumQuoteQtyEv": 0, "avgPriceEp": 0, "quoteQtyEv": 0,
        "qtyType": "ByBase",
    }  # fmt: skip
    (report,) = parse({"code": 0, "msg": "", "data": spot}).reports
    assert (report.status, report.market, report.cumulative_quantity) == (OrderStatus.NEW, "spot", 0)


def test_refused_placements() -> None:
    refused_order = PLACED | {"bizError": 11082}
    (report,) = parse(
        {"code": 11082, "msg": "TE_CANNOT_COVER_ESTIMATE_ORDER_LOSS", "data": refused_order}
    ).reports
    assert (report.status, report.reason) == (OrderStatus.REJECTED, "11082")
    rejected = LINEAR | {
        "execID": NOBODY, "execQty": "0", "execStatus": "CreateRejected", "ordStatus": "Rejected",
        "code": 11001,
        "message": "TE_NO_ENOUGH_AVAILABLE_BALANCE", "cumQty": "0",
    }  # fmt: skip
    (report,) = parse({"orders_p": [rejected]}).reports
    assert (report.status, report.reason) == (OrderStatus.REJECTED, "11001: TE_NO_ENOUGH_AVAILABLE_BALANCE")
    parsed = parse({"code": 11001, "msg": "TE_NO_ENOUGH_AVAILABLE_BALANCE", "data": None})
    assert (parsed.reports, [s.kind for s in parsed.skipped]) == ([], ["request_error"])


def test_a_cancel_answer_states_what_the_order_is() -> None:
    (report,) = parse(
        {"code": 0, "msg": "", "data": PLACED | {"ordStatus": "New", "transactTimeNs": 1580532966633276200}}
    ).reports
    assert report.status == OrderStatus.NEW
    two = parse(
        {"code": 0, "msg": "", "data": [PLACED | {"ordStatus": "Canceled"}, PLACED | {"ordStatus": "Filled"}]}
    )
    assert [report.status for report in two.reports] == [OrderStatus.CANCELED, OrderStatus.FILLED]


def test_open_orders() -> None:
    (report,) = parse(rows(PLACED | {"ordStatus": "Untriggered"})).reports
    assert report.status == OrderStatus.NEW
    assert [s.kind for s in parse(rows()).skipped] == ["empty"]


# -------------------------------------------------------------- spot and margin


def test_scaled_spot_trade() -> None:
    parsed = parse(rows(SPOT_TRADE))
    (fill,), (report,) = parsed.fills, parsed.reports
    assert (fill.quantity, fill.price, fill.fees) == (D(1), D(201), (("USDT", D("0.201")),))
    assert (fill.market, fill.base_currency, fill.quote_currency) == ("spot", "ETH", "USDT")
    assert (report.status, report.order_quantity, report.limit_price) == (
        OrderStatus.PARTIALLY_FILLED,
        D(2),
        D(200),
    )
    assert (report.cumulative_quantity, report.average_price) == (None, None)
    assert parse([SPOT_TRADE]).fills[0].key == fill.key
    assert parse(SPOT_TRADE).fills[0].key == fill.key


def test_wallet_order_push() -> None:
    closed = {
        "action": "New", "avgPriceEp": 0, "baseCurrency": "BTC", "baseQtyEv": 10000, "bizError": 0,
        "clOrdID": "123456",
        "createTimeNs": 1587463924959744800, "cumBaseQtyEv": 10000, "cumFeeEv": 0, "cumQuoteQtyEv": 66900000,
        "cxlRejReason": 0, "feeCurrency": "BTC", "leavesBaseQtyEv": 0, "leavesQuoteQtyEv": 0,
        "ordStatus": "Filled",
        "ordType": "Limit", "orderID": "35217ade-3c6b-48c7-a280-8a1edb88013e", "priceEp": 68000000,
        "qtyType": "ByBase", "quoteCurrency": "USDT", "quoteQtyEv": 66900000, "side": "Sell",
        "symbol": "sBTCUSDT",
        "transactTimeNs": 1587463924964876800, "userID": 200076,
    }  # fmt: skip
    fill = {
        "avgPriceEp": 0, "baseCurrency": "BTC", "baseQtyEv": 10000, "clOrdID": "123456",
        "execBaseQtyEv": 10000,
        "execFeeEv": 0, "execID": "8135ebe3-f767-577b-b70d-1a839d5178e0", "execPriceEp": 669000000000,
        "execQuoteQtyEv": 66900000, "feeCurrency": "BTC", "lastLiquidityInd": "AddedLiquidity",
        "ordType": "Limit",
        "orderID": "35217ade-3c6b-48c7-a280-8a1edb88013e", "priceEp": 68000000, "qtyType": "ByBase",
        "quoteCurrency": "USDT", "side": "Sell", "symbol": "sBTCUSDT", "transactTimeNs": 1587463924964876800,
    }  # fmt: skip
    push = {
        "orders": {"closed": [closed], "fills": [fill], "open": [closed | {"ordStatus": "New",
        "orderID": "other"}]},
        "sequence": 349, "timestamp": 1587549121318737700, "type": "snapshot", "wallets": [{"balanceEv": 0}],
    }  # fmt: skip
    parsed = parse(push)
    (found,) = parsed.fills
    assert (found.quantity, found.price, found.liquidity) == (D("0.0001"), D(6690), Liquidity.MAKER)
    assert found.fees == (("BTC", D(0)),)
    assert [report.status for report in parsed.reports] == [OrderStatus.NEW, OrderStatus.FILLED]
    # The average is not filled in, and follows exactly from what is.
    assert (parsed.reports[1].average_price, parsed.reports[1].order_quantity) == (D(6690), D("0.0001"))
    inexact = closed | {"cumBaseQtyEv": 30000, "cumQuoteQtyEv": 10000000}
    assert parse(inexact).reports[0].average_price is None
    assert parse(fill).fills[0].key == found.key
    empty = {"orders": {"closed": [], "fills": [], "open": []}, "wallets": []}
    assert [s.kind for s in parse(empty).skipped] == ["empty"]


def test_margin_push_and_placement() -> None:
    order = {
        "action": "New", "avgPriceRp": "6660.5", "baseCurrency": "BTC", "baseQtyRq": "2", "bizError": 0,
        "clOrdID": "mine",
        "createTimeNs": 1587549529513521745, "cumBaseQtyRq": "1", "cumFeeRv": "0", "cumQuoteQtyRq": "6660.5",
        "feeCurrency": "BTC", "ordStatus": "PartiallyFilled", "ordType": "Limit", "timeInForce": "PostOnly",
        "orderID": "494a6cbb-32b3-4d6a-b9b7-196ea2506fb5", "priceRp": "6665", "qtyType": "ByBase",
        "quoteCurrency": "USDT", "quoteQtyRq": "0", "side": "Sell", "symbol": "sBTCUSDT",
        "transactTimeNs": 1587549529518394235,
    }  # fmt: skip
    (report,) = parse(
        {"orders_mao": {"closed": [], "fills": [], "open": [order]}, "wallets_mao": [{}]}
    ).reports
    assert (report.order_quantity, report.cumulative_quantity, report.average_price) == (
        D(2),
        D(1),
        D("6660.5"),
    )
    assert (report.type, report.limit_price, report.market) == ("post_only", D(6665), "spot")
    (report,) = parse({"code": 0, "msg": "", "data": order | {"ordStatus": "Created"}}).reports
    assert report.status == OrderStatus.NEW


# ------------------------------------------------------------------------ others


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        ({"error": None, "id": 1234, "result": {"status": "success"}}, "acknowledgement"),
        ({"error": None, "id": 0, "result": "pong"}, "acknowledgement"),
        (
            {"error": {"code": 6001, "message": "invalid argument"}, "id": None, "result": None},
            "request_error",
        ),
        ({"index_market24h": {"symbol": ".USDT"}, "timestamp": 1681496204104375396}, "market_data"),
        ({"tick": {"last": 1, "symbol": ".BTC"}}, "market_data"),
        ({"accounts_p": [{}], "positions_p": [], "type": "incremental"}, "balance"),
        ({"code": 0, "data": 0, "msg": "string"}, "acknowledgement"),
        ({"code": 0, "data": "", "msg": ""}, "acknowledgement"),
        ({"code": 0, "data": [], "msg": ""}, "empty"),
        ({"code": 0, "msg": "", "data": {"account": {}, "positions": [{}]}}, "position"),
        (
            [
                {
                    "createTime": 0,
                    "currency": "USD",
                    "execFeeEv": 1,
                    "execQty": 1,
                    "fundingRateEr": 1,
                    "symbol": "A",
                }
            ],
            "funding",
        ),
        (rows([1590019200, 86400, 95165000]), "market_data"),
    ],
)
def test_what_is_skipped(payload: object, kind: str) -> None:
    parsed = parse(payload)
    assert ((parsed.fills, parsed.reports), [s.kind for s in parsed.skipped]) == (([], []), [kind])


def test_what_rows_need() -> None:
    for key in ("symbol", "side", "execPriceRp", "execQty", "orderID", "ordStatus", "execStatus"):
        row = {name: value for name, value in LINEAR.items() if name != key}
        if key == "ordStatus":
            assert len(parse(row).fills) == 1  # an execution without the state of its order
        else:
            assert refused({"orders_p": [LINEAR, row]}) == [f"orders_p[1].{key}"]
    for key in ("symbol", "side", "execPriceEp", "execQty", "transactTimeNs", "execStatus"):
        row = {name: value for name, value in CONTRACT_TRADE.items() if name != key}
        field = "execPriceRp" if key == "execPriceEp" else key
        assert refused(rows(row))[0] in (f"data.rows[0].{field}", f"data.rows[0].{key}")
    for key in ("symbol", "side", "execPriceEp", "execBaseQtyEv", "orderID"):
        row = {name: value for name, value in SPOT_TRADE.items() if name != key}
        assert f"data.rows[0].{key}" in refused(rows(row))
    assert refused({"orders_p": [LINEAR | {"ordStatus": "Odd"}]}) == ["orders_p[0].ordStatus"]
    assert refused(CONTRACT_TRADE | {"execPriceEp": 7.5}) == ["execPriceEp"]
    assert refused(LINEAR | {"execQty": "0"}) == ["execQty"]


def test_keys_that_fit_nothing() -> None:
    with pytest.raises(UnsupportedPayloadError, match="understood are"):
        parse({"foo": 1})


def test_a_listed_order_has_the_time_of_its_update() -> None:
    """Without it a late poll would restate what an amend has changed since."""
    order = {
        "orderId": "1", "clOrdId": "c", "symbol": "BTCUSDT", "side": "Buy", "ordType": "Limit",
        "priceRp": "1", "orderQtyRq": "2", "cumQtyRq": "0", "ordStatus": "New", "createdAt": 1700000000000,
        "updatedAt": 1700000005000,
    }  # fmt: skip
    (report,) = parse(rows(order)).reports
    assert (report.time, report.create_time) == (1700000005 * 10**9, 1700000000 * 10**9)


def test_an_average_of_zero_hides_no_other() -> None:
    order = {
        "orderID": "1", "symbol": "sBTCUSDT", "side": "Buy", "ordType": "Limit", "ordStatus": "Filled",
        "baseQtyEv": 100000000, "cumBaseQtyEv": 100000000, "avgPriceEp": 0,
        "transactTimeNs": 1700000000000000000,
    }  # fmt: skip
    assert parse(rows(order | {"avgTransactPriceEp": 250000000000})).reports[0].average_price == D(2500)
    assert parse(rows(order | {"cumQuoteValueEv": 250000000000})).reports[0].average_price == D(2500)
