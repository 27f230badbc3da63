"""OKX: documented shapes beyond the reference cases, and each trap.

Shapes are from okx.com/docs-v5 (2026-07) and the samples in ccxt 4.5.90.
"""

import json
from decimal import Decimal

import pytest

from fillhandler_server import venues
from fillhandler_server.domain.errors import InvalidFieldError, UnsupportedPayloadError
from fillhandler_server.domain.fills import ContractKind, Liquidity, Side
from fillhandler_server.domain.instruments import Instrument
from fillhandler_server.domain.reports import OrderReport, OrderStatus, ParsedPayload

pytestmark = pytest.mark.parsing

D = Decimal
Row = dict[str, object]


def parse(payload: object, venue: str = "okx") -> ParsedPayload:
    return venues.parse_payload(venue, "", json.dumps(payload).encode())


def refused(payload: object) -> list[str]:
    with pytest.raises(InvalidFieldError) as caught:
        parse(payload)
    return [violation.field for violation in caught.value.violations]


def answer(*rows: object, code: str = "0", msg: str = "") -> Row:
    return {"code": code, "msg": msg, "data": list(rows), "inTime": "1695190491421339"}


def push(channel: str, *rows: object, **arg: str) -> Row:
    return {"arg": {"channel": channel, "uid": "614488474791936"} | arg, "data": list(rows)}


def operation(op: str, *rows: object, code: str = "0", msg: str = "") -> Row:
    times = {"inTime": "1695190491421339", "outTime": "1695190491423240"}
    return {"id": "1512", "op": op, "data": list(rows), "code": code, "msg": msg} | times


def kinds(payload: object) -> list[str]:
    parsed = parse(payload)
    assert (parsed.fills, parsed.reports) == ([], [])
    return [skipped.kind for skipped in parsed.skipped]


def without(row: Row, *keys: str) -> Row:
    return {key: value for key, value in row.items() if key not in keys}


REST_FILL: Row = {
    "side": "buy", "fillSz": "0.00192834", "fillPx": "51858", "fillPxVol": "", "fillFwdPx": "",
    "fee": "-0.00000192834", "fillPnl": "0", "ordId": "680800019749904384", "feeRate": "-0.001",
    "instType": "SPOT", "fillPxUsd": "", "instId": "BTC-USDT", "clOrdId": "mine", "posSide": "net",
    "billId": "680800019754098688", "subType": "1", "fillMarkVol": "", "tag": "",
    "fillTime": "1708587373361", "execType": "T", "fillIdxPx": "", "tradeId": "744876980",
    "fillMarkPx": "", "feeCcy": "BTC", "ts": "1708587373362", "tradeQuoteCcy": "USDT",
}  # fmt: skip

PUSHED: Row = {
    "accFillSz": "0.001", "algoClOrdId": "", "algoId": "", "amendResult": "", "amendSource": "",
    "avgPx": "31527.1", "cancelSource": "", "category": "normal", "ccy": "", "clOrdId": "", "code": "0",
    "cTime": "1654084334977", "execType": "M", "fee": "-0.09", "feeCcy": "USDT",
    "fillFee": "-0.02522168", "fillFeeCcy": "USDT", "fillNotionalUsd": "31.50818374",
    "fillPx": "31527.1", "fillSz": "0.001", "fillPnl": "0.01", "fillTime": "1654084353263",
    "instId": "BTC-USDT", "instType": "SPOT", "lever": "0", "msg": "", "notionalUsd": "31.50818374",
    "ordId": "452197707845865472", "ordType": "limit", "pnl": "0", "posSide": "", "px": "31527.1",
    "rebate": "0", "rebateCcy": "BTC", "reduceOnly": "false", "reqId": "", "side": "sell",
    "source": "", "state": "filled", "stpId": "", "stpMode": "", "sz": "0.001", "tag": "",
    "tdMode": "cash", "tgtCcy": "", "attachAlgoOrds": [], "tradeId": "242589207",
    "tradeQuoteCcy": "USDT", "lastPx": "38892.2", "uTime": "1654084353264",
    "linkedAlgoOrd": {"algoId": ""},
}  # fmt: skip

QUERIED: Row = without(
    PUSHED, "amendResult", "amendSource", "execType", "fillFee", "fillFeeCcy", "fillNotionalUsd",
    "notionalUsd", "code", "msg", "reqId", "lastPx", "fillPnl",
) | {"cancelSourceReason": ""}  # fmt: skip

NOTHING: Row = {"tradeId": "", "fillSz": "0", "fillPx": "", "fillTime": "", "fillFee": "0", "execType": ""}


# ----------------------------------------------------------------- instruments


@pytest.mark.parametrize(
    ("inst_type", "symbol", "market", "kind", "multiplier", "base", "quote"),
    [
        ("SPOT", "BTC-USDT", "spot", ContractKind.SPOT, None, "BTC", "USDT"),
        ("MARGIN", "BTC-USDT", "spot", ContractKind.SPOT, None, "BTC", "USDT"),
        ("SWAP", "BTC-USDT-SWAP", "linear", ContractKind.LINEAR, "0.01", "BTC", "USDT"),
        ("SWAP", "ETH-USDT-SWAP", "linear", ContractKind.LINEAR, "0.1", "ETH", "USDT"),
        ("SWAP", "XRP-USDT-SWAP", "linear", ContractKind.LINEAR, "100", "XRP", "USDT"),
        ("SWAP", "NEW-USDT-SWAP", "linear", ContractKind.LINEAR, None, "NEW", "USDT"),
        ("SWAP", "BTC-USDC-SWAP", "linear", ContractKind.LINEAR, None, "BTC", "USDC"),
        ("SWAP", "BTC-USD_UM-SWAP", "linear", ContractKind.LINEAR, None, "BTC", "USD"),
        ("SWAP", "BTC-USD-SWAP", "inverse", ContractKind.INVERSE, "100", "BTC", "USD"),
        ("SWAP", "ETH-USD-SWAP", "inverse", ContractKind.INVERSE, "10", "ETH", "USD"),
        ("FUTURES", "BTC-USD-200329", "inverse", ContractKind.INVERSE, "100", "BTC", "USD"),
        ("FUTURES", "ETH-USDT-250328", "linear", ContractKind.LINEAR, "0.1", "ETH", "USDT"),
        ("FUTURES", "XRP-USDT-250328", "linear", ContractKind.LINEAR, None, "XRP", "USDT"),
        ("FUTURES", "BTC-USD_UM-250808", "linear", ContractKind.LINEAR, None, "BTC", "USD"),
        ("OPTION", "BTC-USD-250328-92000-C", "option", ContractKind.LINEAR, "0.01", "", "BTC"),
        ("OPTION", "ETH-USD-250328-2000-P", "option", ContractKind.LINEAR, "0.1", "", "ETH"),
    ],
)
def test_what_a_symbol_tells(
    inst_type: str, symbol: str, market: str, kind: int, multiplier: str | None, base: str, quote: str
) -> None:
    row = without(REST_FILL, "tradeQuoteCcy") | {"instType": inst_type, "instId": symbol}
    order = without(PUSHED, "tradeQuoteCcy") | {"instType": inst_type, "instId": symbol}
    wanted = (symbol, market, kind, D(multiplier) if multiplier else None, base, quote)
    for payload in (answer(row), row, without(row, "instType"), order, without(order, "instType")):
        parsed = parse(payload)
        for item in (*parsed.fills, *parsed.reports):
            found = (item.symbol, item.market, item.contract_kind, item.multiplier)
            assert (*found, item.base_currency, item.quote_currency) == wanted


def test_what_a_symbol_does_not_tell() -> None:
    event = REST_FILL | {"instType": "EVENTS", "instId": "BTC-ABOVE-DAILY-260319-1600-70000"}
    (fill,) = parse(event).fills
    assert (fill.market, fill.contract_kind, fill.base_currency) == ("", 0, "")
    # The type that is stated wins over the spelling, and nothing is guessed beside it.
    assert parse(REST_FILL | {"instType": "EVENTS"}).fills[0].market == ""
    assert parse(REST_FILL | {"instType": "SPREAD"}).fills[0].market == ""
    assert parse(REST_FILL | {"instId": "ODD"}).fills[0].market == "spot"
    assert parse(REST_FILL | {"instId": "ODD", "instType": "MARGIN"}).fills[0].market == "spot"
    assert parse(REST_FILL | {"instId": "ODD", "instType": "OPTION"}).fills[0].market == "option"
    assert parse(REST_FILL | {"instId": "ODD", "instType": "SWAP"}).fills[0].market == ""
    assert parse(without(REST_FILL, "instType") | {"instId": "ODD"}).fills[0].market == ""
    assert parse(without(REST_FILL, "instType") | {"instId": "A-B-C-D-E"}).fills[0].market == ""
    # One order book, several currencies: the one that was traded in.
    usd = REST_FILL | {"instId": "BTC-USD", "tradeQuoteCcy": "USDC"}
    assert parse(usd).fills[0].quote_currency == "USDC"


def test_contract_sizes_that_are_stated_or_configured() -> None:
    sub_order = QUERIED | {"instType": "SWAP", "instId": "BTC-USDT-SWAP", "ctVal": "0.5"}
    assert parse(sub_order).reports[0].multiplier == D("0.5")
    table = venues.SHIPPED.adding(
        [
            Instrument("okx", "BTC-USD-200329", "inverse", multiplier=D(7)),
            Instrument("okx", "BTC-USDT-SWAP", "linear", multiplier=D(8)),
        ]
    )
    for symbol, size in (("BTC-USD-200329", 7), ("BTC-USDT-200329", 8), ("BTC-USDT-SWAP", 8)):
        row = json.dumps(without(REST_FILL, "instType") | {"instId": symbol}).encode()
        assert venues.parse_payload("okx", "", row, instruments=table).fills[0].multiplier == size


# ----------------------------------------------------------------------- fills


def test_rest_fill() -> None:
    for payload in (answer(REST_FILL), [REST_FILL], REST_FILL, answer(REST_FILL, REST_FILL)):
        fill = parse(payload).fills[0]
        assert (fill.symbol, fill.order_id, fill.client_order_id) == (
            "BTC-USDT",
            "680800019749904384",
            "mine",
        )
        assert (fill.trade_id, fill.side, fill.liquidity) == ("744876980", Side.BUY, Liquidity.TAKER)
        assert (fill.quantity, fill.price) == (D("0.00192834"), D(51858))
        assert fill.fees == (("BTC", D("0.00000192834")),)
        # `ts` is when the row was made.
        assert fill.trade_time == 1708587373361_000000
        assert (fill.leg, fill.metadata, fill.trade_id_derived) == ("", {}, False)
        assert parse(payload).reports == []


def test_numbers_of_json_are_exact() -> None:
    row = REST_FILL | {"fillSz": 1e-05, "fillPx": 51858.25, "fee": -1e-08, "tradeId": 744876980}
    (fill,) = parse(row | {"fillTime": 1708587373361, "ordId": 680800019749904384}).fills
    assert (fill.quantity, fill.price) == (D("0.00001"), D("51858.25"))
    assert fill.fees == (("BTC", D("0.00000001")),)
    assert (fill.trade_id, fill.order_id) == ("744876980", "680800019749904384")


@pytest.mark.parametrize(
    ("changes", "fees"),
    [
        ({"fee": "-0.5"}, (("BTC", D("0.5")),)),
        ({"fee": "0.5"}, (("BTC", D("-0.5")),)),  # a rebate
        ({"fee": "0"}, (("BTC", D(0)),)),
        ({"fee": ""}, ()),
        ({"fee": "0", "feeCcy": ""}, ()),
    ],
)
def test_fees_of_rest(changes: Row, fees: object) -> None:
    assert parse(REST_FILL | changes).fills[0].fees == fees


@pytest.mark.parametrize(
    ("sub_type", "mark"),
    [
        ("100", "liquidation"), ("103", "liquidation"), ("104", "liquidation"), ("107", "liquidation"),
        ("125", "adl"), ("128", "adl"), ("112", "settlement"), ("113", "settlement"),
        ("3", None), ("204", None), ("270", None),
    ],
)  # fmt: skip
def test_forced_fills_are_marked(sub_type: str, mark: str | None) -> None:
    # Negative trade ids and no liquidity: so documented for liquidations and ADL.
    row = REST_FILL | {"subType": sub_type, "tradeId": "-77", "execType": "", "posSide": "long"}
    (fill,) = parse(answer(row)).fills
    assert (fill.trade_id, fill.liquidity) == ("-77", Liquidity.UNSPECIFIED)
    assert fill.metadata == {"position_side": "LONG"} | ({"execution": mark} if mark else {})


@pytest.mark.parametrize(
    ("side", "position", "want"),
    [("buy", "long", Side.BUY), ("sell", "long", Side.SELL), ("buy", "short", Side.BUY)],
)
def test_sides_are_real_in_long_short_mode(side: str, position: str, want: Side) -> None:
    (fill,) = parse(REST_FILL | {"side": side, "posSide": position}).fills
    assert (fill.side, fill.metadata) == (want, {"position_side": position.upper()})


def test_block_trades_have_no_order_id_and_rows_without_trade_id_are_none() -> None:
    (fill,) = parse(answer(REST_FILL | {"ordId": "", "clOrdId": "", "subType": "204"})).fills
    assert (fill.order_id, fill.client_order_id) == ("", "")
    assert kinds(answer(REST_FILL | {"tradeId": ""})) == ["no_trade"]


def test_fills_channel() -> None:
    row = {
        "instId": "BTC-USD-SWAP", "fillSz": "100", "fillPx": "70000", "side": "sell",
        "ts": "1705449605015", "ordId": "680800019749904384", "clOrdId": "0", "tradeId": "12345",
        "execType": "M", "count": "1",
    }  # fmt: skip
    for payload in (push("fills", row, instId="BTC-USD-SWAP"), row):
        (fill,) = parse(payload).fills
        # "0" stands there for a client order id that is no number.
        assert (fill.client_order_id, fill.fees, fill.metadata) == ("", (), {})
        assert (fill.market, fill.multiplier, fill.side) == ("inverse", D(100), Side.SELL)
        assert fill.trade_time == 1705449605015_000000
    (fill,) = parse(push("fills", row | {"count": "3", "clOrdId": "77"})).fills
    assert (fill.client_order_id, fill.metadata) == ("77", {"aggregated_trades": "3"})
    assert parse(REST_FILL | {"clOrdId": "0"}).fills[0].client_order_id == "0"


# -------------------------------------------------------------- orders channel


def test_pushed_order_with_a_fill() -> None:
    for payload in (push("orders", PUSHED, instType="SPOT", instId="BTC-USDT"), PUSHED):
        parsed = parse(payload)
        (fill,), (report,) = parsed.fills, parsed.reports
        # `fee` is cumulative, `fillFee` this fill's.
        assert fill.fees == (("USDT", D("0.02522168")),)
        assert (fill.trade_id, fill.quantity, fill.price) == ("242589207", D("0.001"), D("31527.1"))
        assert (fill.side, fill.liquidity, fill.market) == (Side.SELL, Liquidity.MAKER, "spot")
        assert fill.trade_time == 1654084353263_000000
        assert (report.status, report.side, report.type) == (OrderStatus.FILLED, Side.SELL, "limit")
        assert (report.order_quantity, report.cumulative_quantity) == (D("0.001"), D("0.001"))
        assert (report.average_price, report.limit_price) == (D("31527.1"), D("31527.1"))
        assert (report.time, report.create_time) == (1654084353264_000000, 1654084334977_000000)
        assert (report.order_id, report.client_order_id) == ("452197707845865472", "")
        assert (report.reason, report.metadata) == ("", {})


def test_a_partial_fill_is_not_the_cumulative_one() -> None:
    row = PUSHED | {
        "sz": "5", "accFillSz": "3", "fillSz": "1", "avgPx": "31000", "fillPx": "30900",
        "state": "partially_filled", "fillFee": "0.7", "fillFeeCcy": "BTC", "fee": "-9",
    }  # fmt: skip
    parsed = parse(push("orders", row, instType="ANY"))
    (fill,), (report,) = parsed.fills, parsed.reports
    assert (fill.quantity, fill.price, fill.fees) == (D(1), D(30900), (("BTC", D("-0.7")),))
    assert (report.cumulative_quantity, report.average_price, report.order_quantity) == (3, 31000, 5)
    assert report.status == OrderStatus.PARTIALLY_FILLED


@pytest.mark.parametrize(
    "changes",
    [
        {},
        # Market orders are filled by one more update, without a trade.
        {"state": "filled", "accFillSz": "0.001"},
        # The update of a liquidation: its fills come over REST under negative ids.
        {"tradeId": "0", "fillSz": "1", "fillPx": "9", "accFillSz": "1", "category": "full_liquidation"},
        {"tradeId": "5", "fillSz": "0"},
    ],
)
def test_an_update_without_a_trade_is_no_fill(changes: Row) -> None:
    parsed = parse(push("orders", PUSHED | NOTHING | {"state": "live", "accFillSz": "0"} | changes))
    assert (parsed.fills, len(parsed.reports)) == ([], 1)


def test_fee_where_only_the_cumulative_one_is_there() -> None:
    row = without(PUSHED, "fillFee", "fillFeeCcy") | {"category": "adl", "posSide": "short"}
    parsed = parse(push("orders", row))
    # One fill so far: what is cumulative is the fill's.
    assert parsed.fills[0].fees == (("USDT", D("0.09")),)
    assert parsed.fills[0].metadata == {"execution": "adl", "position_side": "SHORT"}
    assert parsed.reports[0].metadata == parsed.fills[0].metadata
    assert parse(push("orders", row | {"accFillSz": "0.002"})).fills[0].fees == ()
    assert parse(push("orders", row | {"rebate": "0.1"})).fills[0].fees == ()


@pytest.mark.parametrize(
    ("category", "mark"),
    [
        ("full_liquidation", "liquidation"),
        ("partial_liquidation", "liquidation"),
        ("adl", "adl"),
        ("delivery", "settlement"),
        ("twap", None),
        ("ddh", None),
        ("normal", None),
    ],
)
def test_forced_orders_are_marked(category: str, mark: str | None) -> None:
    parsed = parse(PUSHED | {"category": category, "tradeId": "-9"})
    assert [fill.trade_id for fill in parsed.fills] == ["-9"]
    for item in (*parsed.fills, *parsed.reports):
        assert item.metadata.get("execution") == mark


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("live", OrderStatus.NEW),
        ("partially_filled", OrderStatus.PARTIALLY_FILLED),
        ("filled", OrderStatus.FILLED),
        ("canceled", OrderStatus.CANCELED),
        ("mmp_canceled", OrderStatus.CANCELED),
    ],
)
def test_states(state: str, status: OrderStatus) -> None:
    for row in (PUSHED, QUERIED):
        assert parse(row | {"state": state}).reports[0].status == status


@pytest.mark.parametrize(
    ("inst_type", "order_type", "side", "unit", "quantity"),
    [
        ("SPOT", "market", "buy", "quote_ccy", None),
        ("SPOT", "market", "buy", "", None),  # the default
        ("SPOT", "market", "buy", "base_ccy", D(100)),
        ("SPOT", "market", "sell", "", D(100)),
        ("SPOT", "market", "sell", "quote_ccy", None),
        ("SPOT", "limit", "buy", "", D(100)),
        ("SPOT", "ioc", "buy", "", D(100)),
        ("MARGIN", "market", "buy", "", None),
        ("MARGIN", "market", "sell", "", D(100)),
        ("SWAP", "market", "buy", "", D(100)),
        ("FUTURES", "optimal_limit_ioc", "buy", "", D(100)),
    ],
)
def test_unit_of_the_ordered_quantity(
    inst_type: str, order_type: str, side: str, unit: str, quantity: Decimal | None
) -> None:
    symbol = {"SWAP": "BTC-USDT-SWAP", "FUTURES": "BTC-USDT-250328"}.get(inst_type, "BTC-USDT")
    row = {"instType": inst_type, "instId": symbol, "ordType": order_type, "side": side}
    changes = row | {"tgtCcy": unit, "sz": "100", "px": "7"}
    for known in (PUSHED | changes, QUERIED | changes, without(QUERIED | changes, "instType")):
        (report,) = parse(known).reports
        assert (report.order_quantity, report.type) == (quantity, order_type)
        assert report.limit_price == (None if "market" in order_type or "optimal" in order_type else D(7))


def test_prices_of_nothing() -> None:
    for average in ("", "0"):
        row = QUERIED | {"accFillSz": "0", "avgPx": average, "px": "", "state": "live"}
        (report,) = parse(row).reports
        assert (report.cumulative_quantity, report.average_price, report.limit_price) == (0, None, None)
    assert parse(QUERIED | {"accFillSz": "0", "avgPx": "5"}).reports[0].average_price is None
    assert parse(QUERIED | {"px": "-1"}).reports[0].limit_price is None  # a bot's market order


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cancelSource": "14"}, "cancelSource 14"),
        ({"cancelSource": "39", "cancelSourceReason": "MMP was triggered."}, "MMP was triggered."),
        (
            {"code": "51008", "msg": "Insufficient balance", "amendResult": "-1"},
            "51008: Insufficient balance",
        ),
        ({"code": "0", "msg": ""}, ""),
    ],
)
def test_reasons(changes: Row, reason: str) -> None:
    assert parse(push("orders", PUSHED | NOTHING | changes)).reports[0].reason == reason


def test_several_updates_of_one_order() -> None:
    live = PUSHED | NOTHING | {"state": "live", "accFillSz": "0", "avgPx": "0"}
    parsed = parse(push("orders", live, PUSHED))
    assert [report.status for report in parsed.reports] == [OrderStatus.NEW, OrderStatus.FILLED]
    assert len(parsed.fills) == 1


def test_a_row_of_the_channel_is_an_update_whatever_else_it_has() -> None:
    row = {key: PUSHED[key] for key in ("instId", "ordId", "side", "state", "accFillSz", "avgPx", "sz")}
    row |= {"tradeId": "5", "fillSz": "1", "fillPx": "2", "uTime": "1654084353264"}
    (fill,) = parse(push("orders", row)).fills
    assert (fill.trade_id, fill.fees, fill.trade_time) == ("5", (), 1654084353264_000000)
    assert parse(row).fills == []


def test_symbol_of_the_subscription() -> None:
    parsed = parse(push("orders", without(PUSHED, "instId", "instType"), instType="SPOT", instId="A-B"))
    assert {item.symbol for item in (*parsed.fills, *parsed.reports)} == {"A-B"}
    assert parsed.fills[0].market == "spot"


# ---------------------------------------------------------------- REST: orders


def test_queried_orders_are_states_not_fills() -> None:
    """`tradeId`, `fillSz` and `fillPx` are there the latest execution's, whenever it was, without its fee."""
    for payload in (answer(QUERIED), [QUERIED], QUERIED):
        parsed = parse(payload)
        (report,) = parsed.reports
        assert parsed.fills == []
        assert (report.symbol, report.status) == ("BTC-USDT", OrderStatus.FILLED)
        assert (report.cumulative_quantity, report.average_price) == (D("0.001"), D("31527.1"))


def test_orders_of_bots_are_orders_and_bots_are_not() -> None:
    sub_order = {
        "accFillSz": "0.00017227", "algoId": "448965992920907776", "algoOrdType": "grid",
        "avgPx": "31527", "cTime": "1653347949771", "clOrdId": "", "ctVal": "", "fee": "-0.01",
        "feeCcy": "USDT", "groupId": "3", "instId": "BTC-USDT", "instType": "SPOT", "lever": "0",
        "ordId": "449109084439187456", "ordType": "limit", "pnl": "", "posSide": "", "px": "30404.3",
        "rebate": "0", "rebateCcy": "USDT", "side": "buy", "state": "cancelling", "sz": "0.00059213",
        "tdMode": "cash", "uTime": "1653347949831",
    }  # fmt: skip
    for payload in (answer(sub_order), push("grid-sub-orders", sub_order)):
        (report,) = parse(payload).reports
        assert (report.status, report.cumulative_quantity) == (OrderStatus.PENDING_CANCEL, D("0.00017227"))
    grid = {"algoId": "1", "algoOrdType": "grid", "gridNum": "10", "state": "running", "instId": "BTC-USDT"}
    assert kinds(answer(grid)) == ["algo_order"]
    assert kinds(push("grid-orders-spot", grid)) == ["algo_order"]
    # Its trade is of any time before, as in a query.
    traded = sub_order | {"tradeId": "5", "fillSz": "1", "fillPx": "2"}
    assert parse(push("grid-sub-orders", traded)).fills == []


ALGO: Row = {
    "activePx": "", "actualPx": "", "actualSide": "", "actualSz": "0", "algoId": "431375349042380800",
    "cTime": "1649119897778", "instId": "BTC-USDT-SWAP", "instType": "SWAP", "ordId": "", "ordPx": "50000",
    "ordType": "trigger", "posSide": "long", "side": "buy", "state": "order_failed", "sz": "1",
    "tdMode": "isolated", "triggerPx": "50000", "triggerTime": "1737400700000",
}  # fmt: skip


def test_algo_orders_are_skipped() -> None:
    for channel in ("orders-algo", "algo-advance", "orders"):
        assert kinds(push(channel, ALGO)) == ["algo_order"]
    for payload in (ALGO, answer(ALGO), [ALGO]):
        assert kinds(payload) == ["algo_order"]
    accepted = {"algoId": "1", "algoClOrdId": "", "clOrdId": "", "sCode": "0", "sMsg": "", "tag": ""}
    assert kinds(answer(accepted)) == ["algo_order"]
    assert kinds(operation("order", accepted)) == ["algo_order"]
    assert kinds(answer(accepted | {"sCode": "51279", "sMsg": "no"}, code="1")) == ["algo_order"]


# --------------------------------------------------------------------- answers

PLACED: Row = {
    "clOrdId": "oktswap6", "ordId": "12345689", "tag": "", "ts": "1695190491421", "sCode": "0",
    "sMsg": "", "subCode": "",
}  # fmt: skip
CANCELED: Row = without(PLACED, "tag", "subCode")
AMENDED: Row = without(PLACED, "tag") | {"reqId": "b12344"}


def told(report: OrderReport) -> tuple[object, ...]:
    return report.order_id, report.client_order_id, OrderStatus(report.status), report.time, report.reason


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        (answer(PLACED), OrderStatus.NEW),
        (PLACED, OrderStatus.NEW),
        (without(PLACED, "tag") | {"sMsg": "Order placed"}, OrderStatus.NEW),
        (operation("order", PLACED), OrderStatus.NEW),
        (operation("batch-orders", without(PLACED, "tag")), OrderStatus.NEW),
        (answer(CANCELED), OrderStatus.PENDING_CANCEL),
        (CANCELED, OrderStatus.PENDING_CANCEL),
        (operation("cancel-order", CANCELED), OrderStatus.PENDING_CANCEL),
        (operation("batch-cancel-orders", PLACED), OrderStatus.PENDING_CANCEL),
    ],
)
def test_acknowledgements(payload: object, status: OrderStatus) -> None:
    parsed = parse(payload)
    assert [told(report) for report in parsed.reports] == [
        ("12345689", "oktswap6", status, 1695190491421_000000, "")
    ]
    assert parsed.fills == []
    assert parsed.reports[0].cumulative_quantity is None


@pytest.mark.parametrize(
    "payload",
    [
        answer(AMENDED),
        AMENDED,
        operation("amend-order", AMENDED),
        operation("batch-amend-orders", CANCELED),
    ],
)
def test_accepted_amends_say_no_time(payload: object) -> None:
    """`ts` is the order's creation there, so nothing dates the amend."""
    assert kinds(payload) == ["acknowledgement"]
    assert [entry.count for entry in parse(payload).skipped] == [1]


NO_MONEY: Row = {"sCode": "51008", "sMsg": "Insufficient balance", "ordId": ""}


@pytest.mark.parametrize(
    "payload",
    [
        answer(PLACED | NO_MONEY, code="1", msg="All operations failed"),
        PLACED | NO_MONEY,
        CANCELED | NO_MONEY,  # no order id: a cancel would name its order
        operation("order", PLACED | NO_MONEY, code="1"),
        operation("batch-orders", CANCELED | NO_MONEY, code="1"),
        PLACED | NO_MONEY | {"sCode": 51008},
    ],
)
def test_rejections(payload: object) -> None:
    (report,) = parse(payload).reports
    time = 1695190491421_000000
    reason = "51008: Insufficient balance"
    assert told(report) == ("", "oktswap6", OrderStatus.REJECTED, time, reason)


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (answer(CANCELED | {"sCode": "51400", "sMsg": "x"}, code="1"), "failed_cancel"),
        (CANCELED | {"sCode": "51400", "sMsg": "x", "ordId": ""}, "failed_cancel"),
        (CANCELED | {"sCode": "50011", "sMsg": "x"}, "failed_cancel"),
        (operation("cancel-order", CANCELED | {"sCode": "51402"}, code="1"), "failed_cancel"),
        (operation("batch-cancel-orders", PLACED | {"sCode": "51008"}, code="1"), "failed_cancel"),
        (answer(AMENDED | {"sCode": "51008", "sMsg": "x"}, code="1"), "failed_amend"),
        (AMENDED | {"sCode": "51603", "sMsg": "x"}, "failed_amend"),
        (CANCELED | {"sCode": "51503", "sMsg": "x"}, "failed_amend"),
        (operation("amend-order", AMENDED | {"sCode": "51008"}, code="1"), "failed_amend"),
        (operation("batch-amend-orders", CANCELED | {"sCode": "51008"}, code="1"), "failed_amend"),
        (operation("order", PLACED | {"sCode": "51000", "ordId": "", "clOrdId": ""}), "failed_placement"),
        (operation("order", code="60013", msg="Invalid args"), "failed_placement"),
        (operation("cancel-order", code="60013", msg="Invalid args"), "failed_cancel"),
        (operation("amend-order", code="60013", msg="Invalid args"), "failed_amend"),
        (operation("mass-cancel", {"result": True}), "acknowledgement"),
        (answer({"result": True}), "acknowledgement"),
        (operation("mass-cancel", {"result": False}), "failed_cancel"),
        (operation("unheard-of", code="60012", msg="?"), "request_error"),
        (operation("order"), "empty"),
        (operation("sprd-order", PLACED), "spread_order"),
    ],
)
def test_failures_that_leave_the_order_as_it_was(payload: object, kind: str) -> None:
    assert kinds(payload) == [kind]


def test_a_batch_is_read_entry_by_entry() -> None:
    second = PLACED | NO_MONEY | {"clOrdId": "two"}
    for payload in (
        answer(PLACED, second, code="2", msg="Bulk operation partially succeeded."),
        operation("batch-orders", PLACED, second, code="2"),
        [PLACED, second],
    ):
        parsed = parse(payload)
        assert [(report.client_order_id, report.status) for report in parsed.reports] == [
            ("oktswap6", OrderStatus.NEW),
            ("two", OrderStatus.REJECTED),
        ]


# --------------------------------------------------------------------- skipped


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        ({"event": "subscribe", "arg": {"channel": "orders", "instType": "ANY"}}, "acknowledgement"),
        ({"event": "unsubscribe", "arg": {"channel": "fills"}, "connId": "a4d3ae55"}, "acknowledgement"),
        ({"event": "login", "code": "0", "msg": "", "connId": "a4d3ae55"}, "acknowledgement"),
        ({"event": "error", "code": "60012", "msg": "Invalid request"}, "request_error"),
        ({"event": "login", "code": "60009", "msg": "Login failed."}, "request_error"),
        ({"event": "notice", "code": "64008", "msg": "Please reconnect."}, "notice"),
        ({"event": "channel-conn-count", "channel": "orders", "connCount": "2"}, "acknowledgement"),
        ({"event": "channel-conn-count-error", "channel": "orders"}, "request_error"),
        ({"code": "50011", "msg": "Too Many Requests", "data": []}, "request_error"),
        ({"code": "50111", "msg": "Invalid OK-ACCESS-KEY"}, "request_error"),
        (answer(), "empty"),
        ({"code": "0", "msg": "", "data": None}, "empty"),
        (push("orders"), "empty"),
        (push("account", {"totalEq": "1", "details": []}), "balance"),
        (push("balance_and_position", {"eventType": "snapshot", "balData": []}), "balance"),
        (push("balance_and_position", {"eventType": "funding_fee", "balData": []}), "funding"),
        (push("positions", {"posId": "1"}), "position"),
        (push("liquidation-warning", {"posId": "1"}), "position"),
        (push("adl-warning", {"state": "warning"}), "adl_notice"),
        (push("tickers", {"last": "1"}), "market_data"),
        (push("candle1D", ["1", "2"]), "market_data"),
        (push("books5", {"asks": [], "bids": []}), "market_data"),
        (push("liquidation-orders", {"instId": "BTC-USDT-SWAP", "details": []}), "market_data"),
        (push("sprd-orders", {"sprdId": "A_B", "ordId": "1", "state": "live"}), "spread_order"),
        (push("sprd-trades", {"sprdId": "A_B", "ordId": "1", "fillSz": "1"}), "spread_trade"),
        (push("sprd-tickers", {"sprdId": "A_B"}), "market_data"),
        (push("struc-block-trades", {"rfqId": "1"}), "block_trade"),
        (push("deposit-info", {"depId": "1"}), "transfer"),
        (answer({"sprdId": "A_B", "tradeId": "1", "ordId": "2", "fillSz": "5"}), "spread_order"),
        (answer({"rfqId": "22534", "legs": []}), "block_trade"),
        (answer({"billId": "1", "type": "8", "subType": "173", "balChg": "-1", "ordId": ""}), "funding"),
        (answer({"billId": "1", "type": "2", "balChg": "-1", "ordId": "1", "tradeId": "2"}), "bill"),
        (answer({"posId": "1", "tradeId": "2", "avgPx": "3"}), "position"),
        (answer({"subPosId": "1", "algoId": "", "instId": "BTC-USDT"}), "position"),
        (answer({"totalEq": "1", "details": []}), "balance"),
        (answer({"ccy": "BTC", "availBal": "1", "bal": "1"}), "balance"),
        (answer({"transId": "1", "ccy": "BTC"}), "transfer"),
        (answer({"fillBaseSz": "1", "fillPx": "2", "tradeId": "3", "state": "fullyFilled"}), "conversion"),
        (answer({"instId": "BTC-USDT-SWAP", "fundingRate": "0.1"}), "market_data"),
        (answer({"instId": "A", "px": "1", "sz": "2", "tradeId": "3", "side": "buy"}), "market_data"),
        (answer({"asks": [], "bids": [], "ts": "1"}), "market_data"),
        (answer({"instId": "BTC-USDT", "tickSz": "0.1", "state": "live"}), "market_data"),
        (answer(["1597026383085", "3.721"], ["1597026383086", "3.722"]), "market_data"),
        (answer({"triggerTime": "1587971460", "tag": "", "ts": "1587971400"}), "acknowledgement"),
        (answer({"lever": "30", "mgnMode": "isolated", "instId": "A-B", "posSide": ""}), "acknowledgement"),
        (answer({"clOrdId": "", "instId": "A-B", "posSide": "long", "tag": ""}), "acknowledgement"),
    ],
)
def test_what_is_skipped(payload: object, kind: str) -> None:
    assert kinds(payload) == [kind]


def test_skipped_rows_are_counted() -> None:
    assert parse(push("positions", {"posId": "1"}, {"posId": "2"})).skipped[0].count == 2


# -------------------------------------------------------------------- refusals


def test_paths_of_what_is_missing() -> None:
    for key in ("instId", "ordId", "tradeId", "side", "fillSz", "fillPx"):
        assert refused(answer(REST_FILL, without(REST_FILL, key))) == [f"data[1].{key}"]
        assert refused(without(REST_FILL, key)) == [key]
    assert refused(without(REST_FILL, "fillTime", "ts")) == ["fillTime"]
    for key in ("instId", "ordId", "side", "accFillSz", "state", "fillPx", "fillSz"):
        assert refused(push("orders", without(PUSHED, key))) == [f"data[0].{key}"]
    for key in ("instId", "ordId", "side", "accFillSz", "state"):
        assert refused(answer(without(QUERIED, key))) == [f"data[0].{key}"]
    assert refused(operation("order", without(PLACED, "sCode"))) == ["data[0].sCode"]
    assert refused(answer(without(PLACED, "sCode"))) == ["data[0].sCode"]
    assert refused(answer(PLACED | {"ordId": "", "clOrdId": ""})) == ["data[0].ordId"]


@pytest.mark.parametrize(
    ("row", "changes", "field"),
    [
        (REST_FILL, {"side": "long"}, "side"),
        (REST_FILL, {"execType": "X"}, "execType"),
        (REST_FILL, {"fillSz": "0"}, "fillSz"),
        (REST_FILL, {"fillSz": "-1"}, "fillSz"),
        (REST_FILL, {"fillPx": "NaN"}, "fillPx"),
        (REST_FILL, {"fee": "x"}, "fee"),
        (REST_FILL, {"feeCcy": ""}, "feeCcy"),
        (REST_FILL, {"fillTime": "soon"}, "fillTime"),
        (PUSHED, {"state": "future_state"}, "state"),
        (PUSHED, {"fillFeeCcy": ""}, "fillFeeCcy"),
        (PUSHED, {"fillSz": "x"}, "fillSz"),
        (PUSHED, {"accFillSz": ""}, "accFillSz"),
        (QUERIED, {"sz": "many"}, "sz"),
    ],
)
def test_values_that_are_wrong(row: Row, changes: Row, field: str) -> None:
    assert refused(row | changes) == [field]


def test_data_that_is_no_list() -> None:
    assert refused({"code": "0", "msg": "", "data": "text"}) == ["data"]
    assert refused(push("orders") | {"data": "text"}) == ["data"]
    assert refused(operation("order") | {"data": "text"}) == ["data"]
    assert len(parse({"code": "0", "msg": "", "data": REST_FILL}).fills) == 1


def test_keys_that_fit_nothing() -> None:
    for payload in ({"foo": 1}, answer({"foo": 1}), push("unheard-of", {"foo": 1}), push("orders-x", {})):
        with pytest.raises(UnsupportedPayloadError, match="okx"):
            parse(payload)
    assert len(parse(push("unheard-of", PUSHED)).fills) == 1


# ---------------------------------------------------------------- which venue


def test_payloads_that_name_the_venue() -> None:
    for payload in (answer(REST_FILL), REST_FILL, push("orders", PUSHED), QUERIED, answer(PLACED), PLACED):
        assert parse(payload, venue="").venue == "okx"
    for payload in ({"code": "0", "data": []}, {"event": "subscribe"}, {"ordId": "1", "instId": "A-B"}):
        with pytest.raises(InvalidFieldError) as caught:
            parse(payload, venue="")
        assert caught.value.violations[0].field == "venue"
