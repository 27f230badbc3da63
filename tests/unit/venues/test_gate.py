"""Gate: documented shapes beyond the reference cases, and each trap.

Shapes are from gate.com/docs/developers (apiv4, ws, futures/ws, delivery/ws, options/ws) and ccxt 4.5.90.
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
NEW, PARTLY, FILLED, CANCELED = (
    OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED, OrderStatus.CANCELED,
)  # fmt: skip


def parse(payload: object, venue: str = "gate") -> ParsedPayload:
    return venues.parse_payload(venue, "", json.dumps(payload).encode())


def one_fill(payload: object) -> Fill:
    parsed = parse(payload)
    assert not parsed.reports
    (fill,) = parsed.fills
    return fill


def one_report(payload: object) -> OrderReport:
    parsed = parse(payload)
    assert not parsed.fills
    (report,) = parsed.reports
    return report


def refused(payload: object) -> list[str]:
    with pytest.raises(InvalidFieldError) as caught:
        parse(payload)
    return [violation.field for violation in caught.value.violations]


def skipped(payload: object) -> list[str]:
    parsed = parse(payload)
    assert (parsed.fills, parsed.reports) == ([], [])
    return [skip.kind for skip in parsed.skipped]


def push(channel: str, *rows: object, event: str = "update") -> dict[str, object]:
    return {
        "time": 1774613210, "time_ms": 1774613210392, "channel": channel, "event": event,
        "result": list(rows),
    }  # fmt: skip


def answer(channel: str, result: object, **more: object) -> dict[str, object]:
    header = {
        "response_time": "1681195484360", "status": "200", "channel": channel, "event": "api",
        "client_id": "::1-0x140001a2600", "x_in_time": 1681985856667508, "x_out_time": 1681985856667598,
    }  # fmt: skip
    return {"request_id": "request-id-1", "header": header, "data": {"result": result}, **more}


def failed(channel: str, label: str, message: str, status: str = "400") -> dict[str, object]:
    found = answer(channel, None)
    found["header"]["status"] = status  # type: ignore[index]
    found["data"] = {"errs": {"label": label, "message": message}}
    return found


def without(row: dict[str, object], *keys: str) -> dict[str, object]:
    return {key: value for key, value in row.items() if key not in keys}


SPOT_TRADE = {
    "id": 5736713, "user_id": 1000001, "order_id": "30784428", "currency_pair": "BTC_USDT",
    "create_time": 1605176741, "create_time_ms": "1605176741123.456", "side": "sell",
    "amount": "1.00000000", "role": "taker", "price": "10000.00000000", "fee": "0.00200000000000",
    "fee_currency": "USDT", "point_fee": "0", "gt_fee": "0", "text": "t-mine", "id_market": 77,
}  # fmt: skip

FUTURES_TRADE = {
    "id": "3335259", "create_time": 1628736848, "create_time_ms": 1628736848321, "contract": "BTC_USDT",
    "order_id": "4872460", "size": 3, "price": "40000.4", "role": "maker", "text": "t-mine",
    "fee": 0.0009290592, "point_fee": 0,
}  # fmt: skip

OPTION_TRADE = {
    "id": "1", "underlying": "BTC_USDT", "order": "557940", "contract": "BTC_USDT-20211216-44800-C",
    "create_time": 1639144214, "create_time_ms": 1639144214583, "price": "4999", "role": "taker",
    "size": -1, "fee": "0.001", "text": "t-xer01sax4yu",
}  # fmt: skip

SPOT_ORDER = {
    "id": "1852454420", "text": "t-abc123", "amend_text": "-", "create_time": "1710488334",
    "update_time": "1710488334", "create_time_ms": 1710488334073, "update_time_ms": 1710488334074,
    "status": "closed", "currency_pair": "BTC_USDT", "type": "limit", "account": "unified", "side": "buy",
    "amount": "0.001", "price": "65000", "time_in_force": "gtc", "iceberg": "0", "left": "0",
    "filled_amount": "0.001", "fill_price": "63.4693", "filled_total": "63.4693",
    "avg_deal_price": "63469.3", "fee": "0.00000022", "fee_currency": "BTC", "point_fee": "0", "gt_fee": "0",
    "gt_discount": False, "rebated_fee": "0", "rebated_fee_currency": "USDT", "finish_as": "filled",
}  # fmt: skip

FUTURES_ORDER = {
    "contract": "BTC_USDT", "create_time": 1628736847, "create_time_ms": 1628736847325,
    "fill_price": 40000.4, "finish_as": "filled", "finish_time": 1628736848,
    "finish_time_ms": 1628736848321, "iceberg": "0", "id": 4872460, "is_close": False, "is_liq": False,
    "is_reduce_only": False, "left": "0", "mkfr": -0.00025, "price": 40001.5, "refr": 0, "refu": 0,
    "size": "-5", "status": "finished", "text": "t-mine", "tif": "gtc", "tkfr": 0.0005,
    "user": "110xxxxx", "update_id": 1, "update_time": 1541505434123, "stop_loss_price": "",
}  # fmt: skip

OPTION_ORDER = {
    "contract": "BTC_USDT-20211130-65000-C", "create_time": 1637897000, "fill_price": 0,
    "finish_as": "cancelled", "iceberg": 0, "id": 106, "is_close": False, "is_liq": False,
    "is_reduce_only": False, "left": -10, "mkfr": 0.0004, "price": 15000, "refr": 0, "refu": 0, "size": -10,
    "status": "finished", "text": "web", "tif": "gtc", "tkfr": 0.0004, "underlying": "BTC_USDT",
    "user": "9xxx", "time": 1639051907, "time_ms": 1639051907000,
}  # fmt: skip


# ------------------------------------------------------------------ spot fills


@pytest.mark.parametrize(
    "payload",
    [SPOT_TRADE, [SPOT_TRADE], push("spot.usertrades", SPOT_TRADE),
     push("spot.usertrades", SPOT_TRADE) | {"result": SPOT_TRADE},
     push("spot.usertrades", SPOT_TRADE | {"unheard": {"of": 1}})],
)  # fmt: skip
def test_spot_fill(payload: object) -> None:
    fill = one_fill(payload)
    assert (fill.symbol, fill.market, fill.contract_kind) == ("BTC_USDT", "spot", ContractKind.SPOT)
    assert (fill.order_id, fill.trade_id, fill.client_order_id) == ("30784428", "5736713", "t-mine")
    assert (fill.side, fill.quantity, fill.price) == (Side.SELL, D(1), D(10000))
    assert (fill.fees, fill.liquidity) == ((("USDT", D("0.002")),), Liquidity.TAKER)
    assert (fill.base_currency, fill.quote_currency, fill.multiplier) == ("BTC", "USDT", None)
    assert (fill.trade_time, fill.leg, fill.metadata) == (1605176741123_456000, "", {})
    assert not fill.trade_id_derived


@pytest.mark.parametrize(
    ("change", "want"),
    [
        ({"fee": "0.1"}, (("USDT", D("0.1")),)),
        ({"fee": "-0.1"}, (("USDT", D("-0.1")),)),  # a maker's rebate
        ({"fee": "0"}, (("USDT", D(0)),)),
        ({"fee": 1e-05}, (("USDT", D("0.00001")),)),
        ({"fee": "0", "gt_fee": "0.0071"}, (("GT", D("0.0071")),)),
        ({"fee": "0", "point_fee": "1.1"}, (("POINT", D("1.1")),)),
        ({"fee": "0.1", "gt_fee": "2.2"}, (("GT", D("2.2")), ("USDT", D("0.1")))),
        ({"fee": "1", "gt_fee": "2", "fee_currency": "GT"}, (("GT", D(3)),)),
        ({"fee": "", "gt_fee": ""}, ()),
        # Without its currency the fee is in what was received (the documented sample leaves it out).
        ({"fee_currency": ""}, (("USDT", D("0.002")),)),
        ({"fee_currency": "", "side": "buy"}, (("BTC", D("0.002")),)),
    ],
)
def test_spot_fees(change: dict[str, object], want: object) -> None:
    assert one_fill(SPOT_TRADE | change).fees == want


def test_the_channel_without_fees() -> None:
    row = without(SPOT_TRADE, "fee", "fee_currency", "point_fee", "gt_fee")
    lite, full = one_fill(push("spot.usertrades_v2", row)), one_fill(push("spot.usertrades", SPOT_TRADE))
    assert (lite.fees, lite.key, lite.quantity) == ((), full.key, full.quantity)
    assert one_fill(row).fees == ()


@pytest.mark.parametrize("text", ["apiv4", "web", "-", "", "3", "T-mine", "xt-mine", "t_mine", "test", 3])
def test_a_text_without_the_prefix_names_a_source(text: object) -> None:
    assert one_fill(SPOT_TRADE | {"text": text}).client_order_id == ""
    assert one_report(SPOT_ORDER | {"text": text}).client_order_id == ""
    assert one_report(FUTURES_ORDER | {"text": text}).client_order_id == ""


def test_further_keys_do_no_harm() -> None:
    for more in ({"status": "closed"}, {"left": "0"}, {"amend_text": "-", "sequence_id": "588018"}):
        assert one_fill(SPOT_TRADE | more).quantity == D(1)
        assert one_fill(FUTURES_TRADE | more).quantity == D(3)


def test_currencies_of_pairs() -> None:
    for pair, want in (("ETH_BTC", ("ETH", "BTC")), ("ODD", ("", "")), ("A_B_C", ("", ""))):
        fill = one_fill(SPOT_TRADE | {"currency_pair": pair})
        assert (fill.symbol, fill.base_currency, fill.quote_currency) == (pair, *want)
    assert refused(SPOT_TRADE | {"currency_pair": "ODD", "fee_currency": None}) == ["fee_currency"]


# ------------------------------------------------------------ fills in contracts


@pytest.mark.parametrize(
    "payload", [FUTURES_TRADE, [FUTURES_TRADE], push("futures.usertrades", FUTURES_TRADE)]
)
def test_futures_fill(payload: object) -> None:
    fill = one_fill(payload)
    assert (fill.symbol, fill.market, fill.contract_kind) == ("BTC_USDT", "linear", ContractKind.LINEAR)
    assert (fill.order_id, fill.trade_id, fill.client_order_id) == ("4872460", "3335259", "t-mine")
    assert (fill.side, fill.quantity, fill.price) == (Side.BUY, D(3), D("40000.4"))
    assert (fill.fees, fill.liquidity) == ((("USDT", D("0.0009290592")),), Liquidity.MAKER)
    assert (fill.base_currency, fill.quote_currency, fill.multiplier) == ("BTC", "USDT", D("0.0001"))
    assert fill.trade_time == 1628736848321_000000


def test_the_sign_of_the_size_is_the_side() -> None:
    for size in (-5, "-5", -5.0):
        fill = one_fill(FUTURES_TRADE | {"size": size})
        assert (fill.side, fill.quantity) == (Side.SELL, D(5))
    assert one_fill(FUTURES_TRADE | {"size": "0.3"}).quantity == D("0.3")  # X-Gate-Size-Decimal
    assert refused(FUTURES_TRADE | {"size": 0}) == ["size"]


def test_rest_futures_fills() -> None:
    old = {
        "size": -5, "order_id": "130264979823", "id": 26884791, "role": "taker",
        "create_time": 1645465199.5472, "contract": "DOGE_USDT", "price": "0.136888",
    }  # fmt: skip
    fill = one_fill([old])
    assert (fill.fees, fill.trade_time, fill.multiplier) == ((), 1645465199_547200000, D(10))
    ranged = {
        "trade_id": "121234231", "create_time": 1514764800.123, "contract": "ETH_USDT",
        "order_id": "21893289839", "size": 100, "price": "100.123", "text": "t-123456", "fee": "-0.01",
        "point_fee": "0", "role": "maker", "close_size": 0,
    }  # fmt: skip
    fill = one_fill([ranged])
    assert (fill.trade_id, fill.fees, fill.client_order_id) == (
        "121234231", (("USDT", D("-0.01")),), "t-123456",
    )  # fmt: skip
    assert (fill.side, fill.multiplier) == (Side.BUY, D("0.01"))
    assert one_fill(ranged | {"fee": "0", "point_fee": "2"}).fees == (("POINT", D(2)),)


@pytest.mark.parametrize(
    ("symbol", "market", "kind", "base", "quote", "settle", "multiplier"),
    [
        ("BTC_USD", "inverse", ContractKind.INVERSE, "BTC", "USD", "BTC", D(1)),
        ("ETH_USD", "inverse", ContractKind.UNSPECIFIED, "ETH", "USD", "BTC", None),
        ("BTC_USDT_20241227", "linear", ContractKind.LINEAR, "BTC", "USDT", "USDT", None),
        ("BTC_USD_20241227", "inverse", ContractKind.INVERSE, "BTC", "USD", "BTC", None),
        ("1INCH_USDT", "linear", ContractKind.LINEAR, "1INCH", "USDT", "USDT", None),
        ("BTC_USDT-20230602-26500-C", "option", ContractKind.UNSPECIFIED, "BTC", "USDT", "USDT", None),
        ("DOGE_USDT-20230602-0.075-P", "option", ContractKind.UNSPECIFIED, "DOGE", "USDT", "USDT", None),
    ],
)
def test_contracts(
    symbol: str, market: str, kind: int, base: str, quote: str, settle: str, multiplier: object
) -> None:
    fill = one_fill(FUTURES_TRADE | {"contract": symbol})
    assert (fill.symbol, fill.market, fill.contract_kind) == (symbol, market, kind)
    assert (fill.base_currency, fill.quote_currency, fill.multiplier) == (base, quote, multiplier)
    assert [currency for currency, _ in fill.fees] == [settle]
    report = one_report(FUTURES_ORDER | {"contract": symbol})
    assert (report.symbol, report.market, report.contract_kind) == (symbol, market, kind)
    assert (report.base_currency, report.quote_currency, report.multiplier) == (base, quote, multiplier)


def test_an_odd_contract_does_not_tell_its_fees_currency() -> None:
    assert refused(FUTURES_TRADE | {"contract": "ODD"}) == ["contract"]
    assert one_fill(FUTURES_TRADE | {"contract": "ODD", "fee": 0}).fees == ()
    assert one_fill(FUTURES_TRADE | {"contract": "ODD", "fee": 0}).market == ""


def test_the_spelling_alone_names_no_market() -> None:
    assert venues.SHIPPED.find("gate", "BTC_USDT") is None
    assert venues.SHIPPED.find("gate", "BTC_USDT", "spot").multiplier is None  # type: ignore[union-attr]


@pytest.mark.parametrize("payload", [OPTION_TRADE, push("options.usertrades", OPTION_TRADE)])
def test_option_fill(payload: object) -> None:
    fill = one_fill(payload)
    assert (fill.order_id, fill.trade_id, fill.client_order_id) == ("557940", "1", "t-xer01sax4yu")
    assert (fill.side, fill.quantity, fill.price, fill.market) == (Side.SELL, D(1), D(4999), "option")
    assert (fill.fees, fill.trade_time) == ((("USDT", D("0.001")),), 1639144214583_000000)


def test_rest_option_fill() -> None:
    row = {
        "underlying_price": "26817.84", "size": -1, "contract": "BTC_USDT-20230602-26500-C", "id": 16,
        "role": "taker", "create_time": 1685594770, "order_id": 2611026125, "price": "333",
    }  # fmt: skip
    fill = one_fill([row])
    assert (fill.order_id, fill.side, fill.price, fill.fees) == ("2611026125", Side.SELL, D(333), ())
    assert fill.trade_time == 1685594770_000000000


@pytest.mark.parametrize(
    ("change", "mark"),
    [
        ({"text": "liquidation"}, "liquidation"),
        ({"text": "liq-1234"}, "liquidation"),
        ({"text": "hedge-liq-1234"}, "liquidation"),
        ({"text": "pm_liquidate"}, "liquidation"),
        ({"text": "comb_margin_liquidate"}, "liquidation"),
        ({"text": "scm_liquidate"}, "liquidation"),
        ({"text": "auto_deleveraging"}, "adl"),
        ({"text": "clear"}, "settlement"),
        ({"text": "t-liquidation"}, None),
        ({"text": "web"}, None),
        ({"is_liq": True}, "liquidation"),
    ],
)
def test_forced_executions_are_marked(change: dict[str, object], mark: str | None) -> None:
    want = {} if mark is None else {"execution": mark}
    assert one_fill(FUTURES_TRADE | change).metadata == want
    assert one_report(FUTURES_ORDER | change).metadata == want


def test_times_of_every_precision() -> None:
    for change, want in (
        ({"create_time_ms": "1645464610777.399200"}, 1645464610777_399200),
        ({"create_time_ms": "1634673380.182"}, 1634673380182_000000),
        ({"create_time_ms": 1645464610777}, 1645464610777_000000),
        ({"create_time_ms": 1767352444402496}, 1767352444402496_000),
        ({"create_time_ms": 1767352444402496789}, 1767352444402496789),
        ({"create_time_ms": 0, "create_time": "1645464610.5"}, 1645464610_500000000),
        ({"create_time_ms": None, "create_time": 1645464610}, 1645464610_000000000),
    ):
        assert one_fill(SPOT_TRADE | change).trade_time == want
    assert refused(SPOT_TRADE | {"create_time_ms": None, "create_time": 0}) == ["create_time"]
    assert refused(SPOT_TRADE | {"create_time_ms": "-1"}) == ["create_time_ms"]
    assert refused(SPOT_TRADE | {"create_time_ms": 10**19}) == ["create_time_ms"]
    assert refused(without(SPOT_TRADE, "create_time") | {"create_time_ms": "soon"}) == ["create_time_ms"]


# ----------------------------------------------------------------- spot orders


def test_spot_order() -> None:
    for payload in (
        SPOT_ORDER,
        [SPOT_ORDER],
        answer("spot.order_place", SPOT_ORDER),
        answer("spot.order_status", SPOT_ORDER),
        push("spot.orders", SPOT_ORDER),
        [{"currency_pair": "BTC_USDT", "total": 1, "orders": [SPOT_ORDER]}],
        SPOT_ORDER | {"succeeded": True, "label": "", "message": ""},
    ):
        report = one_report(payload)
        assert (report.symbol, report.market, report.contract_kind) == ("BTC_USDT", "spot", ContractKind.SPOT)
        assert (report.order_id, report.client_order_id) == ("1852454420", "t-abc123")
        assert (report.status, report.side, report.type) == (FILLED, Side.BUY, "limit")
        assert (report.order_quantity, report.cumulative_quantity) == (D("0.001"), D("0.001"))
        assert (report.average_price, report.limit_price) == (D("63469.3"), D(65000))
        assert (report.create_time, report.time) == (1710488334073_000000, 1710488334074_000000)
        assert (report.base_currency, report.quote_currency, report.reason) == ("BTC", "USDT", "")


OPENED = SPOT_ORDER | {
    "left": "0.001", "filled_amount": "0", "filled_total": "0", "fill_price": "0", "avg_deal_price": "0",
    "finish_as": "open", "status": "open",
}  # fmt: skip
PARTLY_LEFT = OPENED | {
    "left": "0.0006",
    "filled_amount": "0.0004",
    "filled_total": "26",
    "avg_deal_price": "65000",
}


@pytest.mark.parametrize(
    ("row", "finish", "status", "event", "want", "reason"),
    [
        (OPENED, "open", "open", None, NEW, ""),
        (PARTLY_LEFT, "open", "open", None, PARTLY, ""),
        (SPOT_ORDER, "filled", "closed", None, FILLED, ""),
        # finish_as decides, not status.
        (PARTLY_LEFT, "cancelled", "closed", None, CANCELED, ""),
        (PARTLY_LEFT, "stp", "closed", None, CANCELED, "stp"),
        (PARTLY_LEFT, "filled", "cancelled", None, FILLED, ""),
        (PARTLY_LEFT, "open", "cancelled", None, PARTLY, ""),
        (PARTLY_LEFT, "ioc", "closed", None, CANCELED, "ioc"),
        (SPOT_ORDER, "ioc", "closed", None, FILLED, "ioc"),
        (OPENED, "poc", "cancelled", None, CANCELED, "poc"),
        (OPENED, "fok", "cancelled", None, CANCELED, "fok"),
        (OPENED, "small", None, "finish", CANCELED, "small"),
        (OPENED, "depth_not_enough", None, "finish", CANCELED, "depth_not_enough"),
        (OPENED, "trader_not_enough", None, "finish", CANCELED, "trader_not_enough"),
        (OPENED, "liquidate_cancelled", None, "finish", CANCELED, "liquidate_cancelled"),
        (OPENED, "price_protect_cancelled", None, "finish", CANCELED, "price_protect_cancelled"),
        (OPENED, "open", None, "finish", NEW, ""),
        # Without it: status, then event.
        (OPENED, None, "open", None, NEW, ""),
        (PARTLY_LEFT, "-", "open", "finish", PARTLY, ""),
        (PARTLY_LEFT, "unknown", "cancelled", None, CANCELED, ""),
        (SPOT_ORDER, "", "closed", None, FILLED, ""),
        (OPENED, None, None, "put", NEW, ""),
        (PARTLY_LEFT, None, None, "update", PARTLY, ""),
        (PARTLY_LEFT, None, None, "finish", CANCELED, ""),
        (SPOT_ORDER, None, None, "finish", FILLED, ""),
    ],
)
def test_spot_statuses(
    row: dict[str, object], finish: object, status: object, event: object, want: OrderStatus, reason: str
) -> None:
    changed = row | {"finish_as": finish, "status": status, "event": event}
    for payload in (changed, push("spot.orders", changed), push("spot.orders_v2", changed)):
        report = one_report(payload)
        assert (report.status, report.order_quantity) == (want, D("0.001"))
        if reason:
            assert report.reason == reason
        if row is PARTLY_LEFT:
            assert (report.cumulative_quantity, report.average_price) == (D("0.0004"), D(65000))
        elif row is OPENED:
            assert (report.cumulative_quantity, report.average_price) == (0, None)


def test_unknown_words_are_refused() -> None:
    assert refused(SPOT_ORDER | {"finish_as": "vanished"}) == ["finish_as"]
    assert refused(SPOT_ORDER | {"finish_as": None, "status": "vanished"}) == ["status"]
    assert refused(SPOT_ORDER | {"finish_as": None, "status": None, "event": "vanished"}) == ["event"]
    assert refused(without(SPOT_ORDER, "finish_as", "status")) == ["status"]
    assert refused(SPOT_ORDER | {"side": "bid"}) == ["side"]
    assert refused(SPOT_TRADE | {"role": "both"}) == ["role"]


@pytest.mark.parametrize("kind", ["market", "market_borrow", "market_repay"])
def test_a_market_buy_is_ordered_in_quote(kind: str) -> None:
    row = SPOT_ORDER | {
        "type": kind, "amount": "100", "left": "0.0312", "price": "0", "time_in_force": "ioc",
        "filled_amount": "0.0015", "filled_total": "99.9688", "avg_deal_price": "66645.8",
    }  # fmt: skip
    report = one_report(row)
    assert (report.order_quantity, report.cumulative_quantity) == (None, D("0.0015"))
    assert (report.average_price, report.limit_price) == (D("66645.8"), None)
    assert (report.type, report.status) == ("market", FILLED)
    report = one_report(row | {"filled_amount": None})
    assert (report.cumulative_quantity, report.average_price) == (None, D("66645.8"))
    report = one_report(
        row | {"filled_amount": None, "filled_total": "0", "avg_deal_price": "0", "finish_as": "ioc"}
    )
    assert (report.cumulative_quantity, report.average_price, report.status) == (0, None, CANCELED)
    opened = row | {"filled_amount": None, "finish_as": "open", "avg_deal_price": None}
    assert one_report(opened).status == PARTLY
    selling = one_report(row | {"side": "sell", "amount": "0.002", "left": "0.0005"})
    assert (selling.order_quantity, selling.cumulative_quantity) == (D("0.002"), D("0.0015"))
    assert (
        one_report(row | {"side": "sell", "amount": "0.002", "left": "0", "price": "1"}).limit_price is None
    )


def test_spot_fill_price_is_a_total() -> None:
    row = {
        "id": "8834234273", "text": "3", "create_time": "1635406193", "update_time": "1635406193",
        "create_time_ms": 1635406193361, "update_time_ms": 1635406193361, "status": "closed",
        "currency_pair": "BTC_USDT", "type": "limit", "account": "spot", "side": "sell",
        "amount": "0.0002", "price": "58904.01", "time_in_force": "poc", "iceberg": "0", "left": "0.0000",
        "fill_price": "11.790516", "fee": "0.02", "fee_currency": "USDT", "point_fee": "0", "gt_fee": "0",
    }  # fmt: skip
    for changed in (row, row | {"filled_total": "11.790516"}):
        report = one_report([changed])
        assert (report.cumulative_quantity, report.average_price) == (D("0.0002"), D("58952.58"))
        assert (report.type, report.order_id, report.side) == ("post_only", "8834234273", Side.SELL)
    assert one_report(without(row, "left")).cumulative_quantity == D("0.0002")  # all of it is filled
    assert refused(row | {"left": "1"}) == ["left"]


def test_what_is_left_decides_where_the_filled_amount_does_not_fit() -> None:
    # So in the documented sample of spot.orders_v2.
    row = OPENED | {"event": "put", "filled_amount": "812.8"}
    report = one_report(push("spot.orders_v2", row))
    assert (report.status, report.cumulative_quantity) == (NEW, 0)


def test_time_of_the_message_where_the_row_has_none() -> None:
    row = without(SPOT_ORDER, "update_time", "update_time_ms")
    assert one_report(push("spot.orders", row)).time == 1774613210392_000000
    assert one_report(answer("spot.order_place", row)).time == 1681195484360_000000
    assert one_report(row).time is None


# ------------------------------------------------------------ orders in contracts


@pytest.mark.parametrize(
    "payload",
    [
        FUTURES_ORDER,
        [FUTURES_ORDER],
        push("futures.orders", FUTURES_ORDER),
        answer("futures.order_place", FUTURES_ORDER),
        answer("futures.order_batch_place", [FUTURES_ORDER | {"succeeded": True}]),
        answer("futures.order_list", [FUTURES_ORDER]),
    ],
)
def test_futures_order(payload: object) -> None:
    report = one_report(payload)
    assert (report.symbol, report.market, report.contract_kind) == ("BTC_USDT", "linear", ContractKind.LINEAR)
    assert (report.order_id, report.client_order_id, report.multiplier) == ("4872460", "t-mine", D("0.0001"))
    assert (report.status, report.side, report.type) == (FILLED, Side.SELL, "limit")
    assert (report.order_quantity, report.cumulative_quantity) == (D(5), D(5))
    assert (report.average_price, report.limit_price) == (D("40000.4"), D("40001.5"))
    assert (report.create_time, report.time) == (1628736847325_000000, 1628736848321_000000)


@pytest.mark.parametrize(
    ("left", "finish", "status", "want", "filled"),
    [
        ("-5", "_new", "open", NEW, 0),
        ("-3", "_update", "open", PARTLY, 2),
        (5, None, "open", NEW, 0),
        (3, None, "open", PARTLY, 2),
        (0, "filled", "finished", FILLED, 5),
        (3, "cancelled", "finished", CANCELED, 2),
        (3, "ioc", "finished", CANCELED, 2),
        (0, "ioc", "finished", FILLED, 5),
        (5, "liquidated", "finished", CANCELED, 0),
        (0, "liquidated", "finished", FILLED, 5),
        (0, "auto_deleveraged", "finished", FILLED, 5),
        (4, "auto_deleveraged", "finished", CANCELED, 1),
        (5, "reduce_only", "finished", CANCELED, 0),
        (5, "reduce_out", "finished", CANCELED, 0),
        (5, "position_closed", "finished", CANCELED, 0),
        (5, "stp", "finished", CANCELED, 0),
        (0, None, "finished", FILLED, 5),
        (1, None, "finished", CANCELED, 4),
    ],
)
def test_futures_statuses(left: object, finish: object, status: str, want: OrderStatus, filled: int) -> None:
    row = FUTURES_ORDER | {"left": left, "finish_as": finish, "status": status}
    for payload in (row, push("futures.orders", row)):
        report = one_report(payload)
        assert (report.status, report.cumulative_quantity, report.order_quantity) == (want, filled, 5)
        assert report.average_price == (D("40000.4") if filled else None)


def test_an_answer_without_what_is_left() -> None:
    row = {
        "id": 74046511, "user": 6790020, "create_time": 1681195121.754, "finish_time": 1681195121.754,
        "finish_as": "filled", "status": "finished", "contract": "BTC_USDT", "size": "10",
        "price": "31503.3", "tif": "gtc", "fill_price": "31500", "text": "t-my-custom-id",
        "tkfr": "0.0003", "mkfr": "0", "stp_id": 2, "stp_act": "cn", "amend_text": "-",
    }  # fmt: skip
    report = one_report(answer("futures.order_place", row, ack=False))
    assert (report.status, report.cumulative_quantity, report.average_price) == (FILLED, D(10), D(31500))
    assert report.time == 1681195121_754000000
    assert refused(without(row, "finish_as")) == ["finish_as"]
    cut = one_report(row | {"finish_as": "ioc"})
    assert (cut.status, cut.cumulative_quantity) == (CANCELED, None)
    opened = one_report(row | {"finish_as": None, "status": "open", "fill_price": "0"})
    assert (opened.status, opened.cumulative_quantity) == (NEW, None)


def test_types_of_futures_orders() -> None:
    for change, kind, price in (
        ({"price": "0", "tif": "ioc"}, "market", None),
        ({"price": 0, "tif": "fok"}, "market", None),
        ({"tif": "poc"}, "post_only", D("40001.5")),
        ({"tif": "ioc"}, "limit", D("40001.5")),
    ):
        report = one_report(FUTURES_ORDER | change)
        assert (report.type, report.limit_price) == (kind, price)


def test_a_close_of_a_whole_position_states_no_size() -> None:
    row = FUTURES_ORDER | {"size": 0, "left": 0, "is_close": True}
    for auto, side, marks in (
        ("close_long", Side.SELL, {"position_side": "LONG"}),
        ("close_short", Side.BUY, {"position_side": "SHORT"}),
        ("", Side.UNSPECIFIED, {}),
    ):
        report = one_report(row | {"auto_size": auto})
        assert (report.side, report.metadata, report.status) == (side, marks, FILLED)
        assert (report.order_quantity, report.cumulative_quantity) == (None, None)


def test_rest_futures_order() -> None:
    row = {
        "status": "finished", "size": -1, "left": 0, "id": 82750739203, "is_liq": False,
        "is_close": False, "contract": "BTC_USD", "text": "web", "fill_price": "60721.3",
        "finish_as": "filled", "iceberg": 0, "tif": "ioc", "is_reduce_only": True,
        "create_time": 1635403475.412, "finish_time": 1635403475.4127, "price": "0",
    }  # fmt: skip
    report = one_report([row])
    assert (report.market, report.multiplier, report.type) == ("inverse", D(1), "market")
    assert report.time == 1635403475_412700000
    opened = row | {"status": "open", "left": -1, "finish_as": None, "finish_time": None, "fill_price": "0"}
    assert one_report(opened).time is None
    assert one_report(push("futures.orders", opened)).time == 1774613210392_000000


@pytest.mark.parametrize("payload", [OPTION_ORDER, push("options.orders", OPTION_ORDER)])
def test_option_order(payload: object) -> None:
    report = one_report(payload)
    assert (report.market, report.side, report.status) == ("option", Side.SELL, CANCELED)
    assert (report.order_quantity, report.cumulative_quantity, report.average_price) == (D(10), 0, None)
    assert (report.limit_price, report.client_order_id, report.time) == (D(15000), "", 1639051907000_000000)
    partly = one_report(OPTION_ORDER | {"left": -4, "fill_price": "15001"})
    assert (partly.cumulative_quantity, partly.average_price) == (D(6), D(15001))


# --------------------------------------------------------------------- answers


def test_batch_of_placements() -> None:
    batch = [
        OPENED | {"succeeded": True, "label": "", "message": ""},
        {"text": "t-two", "succeeded": False, "label": "BALANCE_NOT_ENOUGH", "message": "Not enough balance"},
        {
            "text": "t-three",
            "succeeded": False,
            "label": "INVALID",
            "detail": "why",
            "contract": "BTC_USDT",
            "size": -2,
        },
        {"text": "web", "succeeded": False, "label": "BALANCE_NOT_ENOUGH", "message": "x", "id": "0"},
        {"id": "12332324", "text": "t-four", "succeeded": True, "label": "", "message": ""},
    ]
    parsed = parse(batch)
    assert [(r.client_order_id, r.status) for r in parsed.reports] == [
        ("t-abc123", NEW),
        ("t-two", OrderStatus.REJECTED),
        ("t-three", OrderStatus.REJECTED),
        ("t-four", NEW),
    ]
    assert parsed.reports[1].reason == "BALANCE_NOT_ENOUGH: Not enough balance"
    assert (parsed.reports[2].reason, parsed.reports[2].symbol) == ("INVALID: why", "BTC_USDT")
    assert (parsed.reports[2].side, parsed.reports[2].market) == (Side.SELL, "linear")
    assert [skip.kind for skip in parsed.skipped] == ["failed_placement"]
    row = {"text": "t-x", "id": "9", "succeeded": False, "label": "L", "message": "m"}
    rejected = one_report(answer("futures.order_batch_place", [row]))
    assert (rejected.status, rejected.order_id) == (OrderStatus.REJECTED, "9")
    spot = {
        "text": "t-x",
        "currency_pair": "GT_USDT",
        "side": "buy",
        "succeeded": False,
        "label": "L",
        "message": "m",
    }
    rejected = one_report(spot)
    assert (rejected.market, rejected.symbol, rejected.side) == ("spot", "GT_USDT", Side.BUY)


CANCEL_RESULTS = [
    {
        "currency_pair": "GT_USDT",
        "id": "1700664343",
        "text": "t-mine",
        "succeeded": True,
        "label": "",
        "message": "",
        "account": "",
    },
    {
        "currency_pair": "GT_USDT",
        "id": "123",
        "succeeded": False,
        "label": "ORDER_NOT_FOUND",
        "message": "Order not found",
    },
]
FUTURES_CANCEL_RESULTS = [
    {"id": "1694883366", "user_id": 111, "succeeded": True},
    {"id": "123", "user_id": 111, "message": "ORDER_NOT_FOUND"},
]


@pytest.mark.parametrize(
    ("payload", "order_id", "symbol", "market"),
    [
        (CANCEL_RESULTS, "1700664343", "GT_USDT", "spot"),
        (answer("spot.order_cancel_ids", CANCEL_RESULTS), "1700664343", "GT_USDT", "spot"),
        (FUTURES_CANCEL_RESULTS, "1694883366", "", ""),
        (answer("futures.order_cancel_ids", FUTURES_CANCEL_RESULTS), "1694883366", "", ""),
    ],
)
def test_lists_of_canceled_ids(payload: object, order_id: str, symbol: str, market: str) -> None:
    parsed = parse(payload)
    (report,) = parsed.reports
    assert (report.status, report.order_id) == (CANCELED, order_id)
    assert (report.symbol, report.market) == (symbol, market)
    assert (report.order_quantity, report.cumulative_quantity) == (None, None)
    assert [skip.kind for skip in parsed.skipped] == ["failed_cancel"]


def test_failed_entries_alone() -> None:
    for row in (CANCEL_RESULTS[1], FUTURES_CANCEL_RESULTS[1]):
        assert skipped(row) == ["failed_cancel"]
    entry = {
        "user_id": 10406147,
        "id": "id",
        "succeeded": False,
        "message": "INVALID_PROTOCOL",
        "label": "INVALID_PROTOCOL",
    }
    parsed = parse([entry])
    assert [(s.kind, s.reason) for s in parsed.skipped] == [("failed_cancel", "INVALID_PROTOCOL")]
    assert skipped(answer("spot.order_amend", [entry])) == ["failed_amend"]
    unknown = {"text": "t-x", "succeeded": False, "label": "ORDER_NOT_FOUND", "message": "Order not found"}
    assert skipped(unknown) == ["failed_cancel"]


def test_a_client_order_id_in_place_of_an_order_id() -> None:
    report = one_report({"currency_pair": "GT_USDT", "id": "t-mine", "succeeded": True})
    assert (report.order_id, report.client_order_id) == ("", "t-mine")


def test_acknowledgements_with_ids_only() -> None:
    ack = {"id": "12332324", "text": "t-123456", "amend_text": "test2"}
    report = one_report(answer("spot.order_place", ack))
    assert (report.status, report.order_id, report.client_order_id) == (NEW, "12332324", "t-123456")
    assert (report.market, report.time) == ("spot", 1681195484360_000000)
    # The answer's own time is not when the order was canceled or amended.
    for channel in ("spot.order_amend", "spot.order_cancel"):
        assert skipped(answer(channel, ack)) == ["acknowledgement"]
        assert [entry.count for entry in parse(answer(channel, [ack, ack])).skipped] == [2]
    assert one_report(answer("futures.order_place", ack)).market == ""
    assert one_report(ack).status == NEW
    assert refused([{"text": "web", "succeeded": True}]) == ["[0].id"]


def test_an_echo_of_the_request_is_no_acknowledgement() -> None:
    echo = {
        "req_id": "r",
        "req_header": None,
        "req_param": {"text": "t-x", "currency_pair": "GT_USDT", "side": "buy"},
    }
    assert skipped(answer("spot.order_place", echo, ack=True)) == ["acknowledgement"]
    assert skipped(answer("spot.order_place", echo)) == ["acknowledgement"]
    assert skipped(answer("spot.order_place", SPOT_ORDER, ack=True)) == ["acknowledgement"]


@pytest.mark.parametrize(
    ("channel", "kind"),
    [
        ("spot.order_place", "failed_placement"),
        ("futures.order_place", "failed_placement"),
        ("futures.order_batch_place", "failed_placement"),
        ("spot.order_cancel", "failed_cancel"),
        ("spot.order_cancel_ids", "failed_cancel"),
        ("futures.order_cancel_cp", "failed_cancel"),
        ("futures.order_amend", "failed_amend"),
        ("spot.order_status", "request_error"),
        ("spot.login", "request_error"),
    ],
)
def test_errors_over_the_websocket(channel: str, kind: str) -> None:
    parsed = parse(failed(channel, "INVALID_KEY", "Invalid key provided"))
    assert (parsed.fills, parsed.reports) == ([], [])
    assert [(s.kind, s.reason) for s in parsed.skipped] == [(kind, "INVALID_KEY: Invalid key provided")]
    bare = failed(channel, "", "")
    bare["data"] = {}
    if channel != "spot.login":
        assert skipped(bare) == [kind]


def test_canceled_and_amended_orders_over_the_websocket() -> None:
    row = FUTURES_ORDER | {"finish_as": "cancelled", "left": "-5", "fill_price": "0"}
    for payload in (answer("futures.order_cancel", row), answer("futures.order_cancel_cp", [row])):
        report = one_report(payload)
        assert (report.status, report.cumulative_quantity, report.average_price) == (CANCELED, 0, None)
    amended = without(row, "finish_as", "finish_time", "finish_time_ms") | {
        "status": "open",
        "price": "31303.2",
    }
    report = one_report(answer("futures.order_amend", amended))
    assert (report.status, report.limit_price) == (NEW, D("31303.2"))


# --------------------------------------------------------------------- skipped

POSITION = {
    "value": "4.60516", "leverage": "0", "mode": "single", "contract": "BTC_USDT", "entry_price": "46030.3",
    "mark_price": "46051.6", "realised_pnl": "-0.002301515", "close_order": None, "size": 1,
    "pending_orders": 0, "user": 5691076, "margin": "8.99", "liq_price": "0", "update_time": 1705034246,
}  # fmt: skip
LIQUIDATION = {
    "entry_price": 209, "fill_price": 215.1, "left": 0, "leverage": 0.0, "liq_price": 213,
    "margin": 0.007816722941, "mark_price": 213, "order_id": 4093362, "order_price": 215.1, "size": -124,
    "time": 1541486601, "time_ms": 1541486601123, "contract": "BTC_USD", "user": "1040xxxx",
}  # fmt: skip
ADL = {
    "entry_price": 209, "fill_price": 215.1, "position_size": "10", "trade_size": "10", "order_id": 73,
    "time": 1541486601, "time_ms": 1541486601123, "contract": "BTC_USDT", "user": "1040",
}  # fmt: skip
SPOT_PLAN = {
    "market": "ADA_USDT", "user": 6392049, "trigger": {"price": "1.08", "rule": ">=", "expiration": 86400},
    "put": {"type": "limit", "side": "buy", "price": "1.08", "amount": "1.0", "account": "normal"},
    "id": 71639298, "ctime": 1643945985, "status": "open",
}  # fmt: skip
FUTURES_PLAN = {
    "user": 6320300, "trigger": {"strategy_type": 0, "price_type": 0, "price": "1.03", "rule": 2},
    "initial": {"contract": "ADA_USDT", "size": -1, "price": "1.02", "tif": "gtc", "text": ""},
    "id": 126393906, "trade_id": 0, "status": "open", "create_time": 1643953482, "me_order_id": 0,
}  # fmt: skip
BALANCE = {
    "balance": 9.99,
    "change": -2.07,
    "text": "BTC_USD:3914424",
    "time": 1547199246,
    "type": "fee",
    "user": "2",
}
SETTLEMENT = {
    "contract": "BTC_USDT-20211130-65000-C", "realised_pnl": -13.028, "settle_price": 70000,
    "settle_profit": 5, "size": 10, "strike_price": 65000, "underlying": "BTC_USDT", "time": 1639051907,
}  # fmt: skip
CLOSE = {
    "contract": "BTC_USDT",
    "pnl": -0.0006,
    "side": "long",
    "text": "t-web",
    "time": 1547198562,
    "user": "211",
}


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (POSITION, "position"),
        (push("futures.positions", POSITION), "position"),
        (LIQUIDATION, "liquidation"),
        (push("futures.liquidates", LIQUIDATION), "liquidation"),
        (
            [
                {
                    "contract": "BTC_USDT",
                    "left": 0,
                    "size": -165,
                    "fill_price": "1",
                    "order_price": "2",
                    "time": 3,
                }
            ],
            "liquidation",
        ),
        (
            {"user": "1", "init_margin": 1190, "maint_margin": 1042.5, "order_margin": 0, "time": 1},
            "liquidation",
        ),
        (ADL, "adl_notice"),
        (push("futures.auto_deleverages", ADL), "adl_notice"),
        (SETTLEMENT, "settlement"),
        (push("options.user_settlements", SETTLEMENT), "settlement"),
        (CLOSE, "position_close"),
        (push("futures.position_closes", CLOSE), "position_close"),
        (SPOT_PLAN, "plan_order"),
        ([FUTURES_PLAN], "plan_order"),
        (push("futures.autoorders", FUTURES_PLAN), "plan_order"),
        (
            push("spot.priceorders", {"market": "METIS_USDT", "trigger_price": "1", "side": "buy"}),
            "plan_order",
        ),
        ({"id": 12604556}, "plan_order"),
        ({"id": 12604556, "id_string": "12604556"}, "plan_order"),
        (BALANCE, "balance"),
        (BALANCE | {"type": "fund"}, "funding"),
        (push("futures.balances", BALANCE), "balance"),
        (push("futures.balances", BALANCE | {"type": "fund"}), "funding"),
        (
            push("spot.balances", {"currency": "USDT", "change": "0", "total": "2", "available": "1"}),
            "balance",
        ),
        (push("spot.margin_balances", {"currency_pair": "BTC_USDT", "currency": "BTC"}), "balance"),
        ([{"currency": "ETH", "available": "968.8", "locked": "0", "update_id": 98}], "balance"),
        ({"total": "9.7", "available": "5", "order_margin": "1", "currency": "USDT"}, "balance"),
        (push("futures.trades", FUTURES_TRADE), "market_data"),
        (
            {
                "id": "1334253759",
                "create_time": "1626342738",
                "create_time_ms": "1626342738331.497000",
                "currency_pair": "BTC_USDT",
                "side": "sell",
                "amount": "0.0022",
                "price": "32452.16",
            },
            "market_data",
        ),
        (
            [{"size": -5, "id": 25, "create_time": 1682378573, "contract": "ETH_USDT", "price": "209.1"}],
            "market_data",
        ),
        ({"time": 1, "channel": "spot.pong", "event": "", "result": None}, "heartbeat"),
        (push("spot.orders", event="subscribe") | {"result": {"status": "success"}}, "acknowledgement"),
        (
            push("futures.usertrades", event="unsubscribe") | {"result": {"status": "success"}},
            "acknowledgement",
        ),
        (
            push("spot.orders", event="subscribe")
            | {"error": {"code": 2, "message": "invalid"}, "result": None},
            "request_error",
        ),
        (push("spot.usertrades"), "empty"),
        (answer("spot.order_list", []), "empty"),
        (answer("futures.login", {"api_key": "ea8", "uid": "110284739"}), "acknowledgement"),
        ({"label": "BALANCE_NOT_ENOUGH", "message": "Not enough balance"}, "request_error"),
        ({"label": "INVALID_PARAM_VALUE", "detail": "invalid size"}, "request_error"),
        ({"label": "ORDER_NOT_FOUND", "message": "Order not found"}, "failed_cancel"),
        ({"currency_pair": "BTC_USDT", "total": 0, "orders": []}, "empty"),
        ({"triggerTime": "1660039145000"}, "acknowledgement"),
        ([], "empty"),
    ],
)
def test_what_is_skipped(payload: object, kind: str) -> None:
    assert skipped(payload) == [kind]


def test_rows_of_a_skipped_push_are_counted() -> None:
    assert [s.count for s in parse(push("futures.liquidates", LIQUIDATION, LIQUIDATION)).skipped] == [2]


# -------------------------------------------------------------------- refusals


def test_paths_of_what_is_missing() -> None:
    for key in ("currency_pair", "order_id", "side", "amount", "price"):
        row = without(SPOT_TRADE, key)
        assert refused(row) == [key]
        assert refused([SPOT_TRADE, row]) == [f"[1].{key}"]
        assert refused(push("spot.usertrades", row)) == [f"result[0].{key}"]
    for key in ("contract", "order_id", "price"):
        row = without(FUTURES_TRADE, key)
        assert refused(row) == [key]
        assert refused(push("futures.usertrades", row)) == [f"result[0].{key}"]
    assert refused(without(FUTURES_TRADE, "size")) == ["size"]
    for key in ("currency_pair", "id", "side"):
        assert refused(without(SPOT_ORDER, key)) == [key]
        assert refused(answer("spot.order_place", without(SPOT_ORDER, key))) == [f"data.result.{key}"]
    for key in ("contract", "id", "size"):
        assert refused(without(FUTURES_ORDER, key)) == [key]
        assert refused(push("futures.orders", without(FUTURES_ORDER, key))) == [f"result[0].{key}"]
    assert refused(push("options.usertrades", without(OPTION_TRADE, "order"))) == ["result[0].order_id"]
    assert refused(SPOT_TRADE | {"amount": "0"}) == ["amount"]
    assert refused(SPOT_TRADE | {"amount": "-1"}) == ["amount"]
    assert refused(SPOT_TRADE | {"price": "x"}) == ["price"]
    assert refused(push("spot.usertrades", SPOT_TRADE, event="refresh")) == ["event"]
    assert refused(push("spot.usertrades", SPOT_TRADE) | {"result": [1]}) == ["result[0]"]
    assert refused(push("spot.usertrades") | {"result": "x"}) == ["result"]


def test_a_trade_without_an_id_gets_one() -> None:
    assert one_fill(without(SPOT_TRADE, "id")).trade_id_derived


def test_keys_that_fit_nothing() -> None:
    for payload in (
        {"foo": 1},
        push("spot.unheard", {"foo": 1}),
        {"channel": "other.orders", "event": "update"},
    ):
        with pytest.raises(UnsupportedPayloadError, match="gate"):
            parse(payload)


def test_payloads_that_name_gate() -> None:
    for payload in (
        SPOT_TRADE, [SPOT_TRADE], SPOT_ORDER, FUTURES_ORDER, push("futures.usertrades", FUTURES_TRADE),
        FUTURES_TRADE, answer("spot.order_place", SPOT_ORDER), push("options.orders", OPTION_ORDER),
    ):  # fmt: skip
        assert parse(payload, "").venue == "gate"
    for payload in (
        CLOSE,
        {"label": "X"},
        {"channel": "executions", "event": "update"},
        {"currency_pair": "A_B"},
    ):
        with pytest.raises(InvalidFieldError):
            parse(payload, "")
