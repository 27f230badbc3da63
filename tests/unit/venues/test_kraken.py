"""Kraken: documented shapes beyond the reference cases, and each trap.

Shapes are from docs.kraken.com (spot REST, WebSocket v1 and v2, futures) and the samples in ccxt 4.5.90.
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
from fillhandler_server.domain.instruments import Instrument
from fillhandler_server.domain.reports import OrderReport, OrderStatus, ParsedPayload
from fillhandler_server.venues import kraken
from fillhandler_server.venues.kraken.symbols import product

pytestmark = pytest.mark.parsing

D = Decimal
FIXTURES = Path(__file__).parents[2] / "fixtures" / "venues"


def parse(payload: object) -> ParsedPayload:
    return venues.parse_payload("kraken", "", json.dumps(payload).encode())


def fill_of(payload: object) -> Fill:
    (fill,) = parse(payload).fills
    return fill


def order_of(payload: object) -> OrderReport:
    (report,) = parse(payload).reports
    return report


def skipped(payload: object) -> list[str]:
    parsed = parse(payload)
    assert not parsed.fills
    assert not parsed.reports
    return [entry.kind for entry in parsed.skipped]


def refused(payload: object) -> list[str]:
    with pytest.raises(InvalidFieldError) as caught:
        parse(payload)
    return [violation.field for violation in caught.value.violations]


def rest(result: object) -> dict[str, object]:
    return {"error": [], "result": result}


def executions(*rows: object, kind: str = "update") -> dict[str, object]:
    return {"channel": "executions", "type": kind, "data": list(rows), "sequence": 7}


def ns(seconds: str) -> int:
    return int(D(seconds) * 10**9)


TRADE = {
    "ordertxid": "OQCLML-BW3P3-BUCMWZ",
    "postxid": "TKH2SE-M7IF5-CFI7LT",
    "pair": "XXBTZUSD",
    "time": 1616667796.8802,
    "type": "buy",
    "ordertype": "limit",
    "price": "30010.00000",
    "cost": "600.20000",
    "fee": "0.96032",
    "vol": "0.02000000",
    "margin": "0.00000",
    "leverage": "0",
    "misc": "",
    "trade_id": 40274859,
    "maker": True,
}

ORDER = {
    "refid": None,
    "userref": 0,
    "cl_ord_id": "mine-1",
    "status": "open",
    "opentm": 1616666559.8974,
    "starttm": 0,
    "expiretm": 0,
    "descr": {
        "pair": "XBTUSD",
        "type": "buy",
        "ordertype": "limit",
        "price": "30010.0",
        "price2": "0",
        "leverage": "none",
        "order": "buy 1.25000000 XBTUSD @ limit 30010.0",
        "close": "",
    },
    "vol": "1.25000000",
    "vol_exec": "0.37500000",
    "cost": "11253.7",
    "fee": "0.00000",
    "price": "30009.9",
    "stopprice": "0.00000",
    "limitprice": "0.00000",
    "misc": "",
    "oflags": "fciq",
}

EXECUTION = {
    "order_id": "O6NTZC-K6FRH-ATWBCK",
    "exec_id": "T5DIUI-5N4KO-Z5BPXK",
    "exec_type": "trade",
    "trade_id": 8253473,
    "symbol": "BTC/USD",
    "side": "buy",
    "last_qty": 1e-05,
    "last_price": 26500.1,
    "liquidity_ind": "m",
    "cost": 0.265001,
    "order_userref": 0,
    "cl_ord_id": "mine-2",
    "order_status": "partially_filled",
    "order_type": "limit",
    "fee_usd_equiv": 0.00042,
    "fees": [{"asset": "USD", "qty": 0.00042}],
    "timestamp": "2023-09-22T10:33:05.709950Z",
}

OPENED = {
    "order_id": "OK4GJX-KSTLS-7DZZO5",
    "order_userref": 3,
    "symbol": "BTC/USD",
    "order_qty": 0.005,
    "cum_cost": 0.0,
    "time_in_force": "GTC",
    "exec_type": "pending_new",
    "side": "sell",
    "order_type": "limit",
    "limit_price_type": "static",
    "limit_price": 26500.0,
    "stop_price": 0.0,
    "order_status": "pending_new",
    "fee_usd_equiv": 0.0,
    "fee_ccy_pref": "fciq",
    "timestamp": "2023-09-22T10:33:05.709950Z",
}

FILL = {
    "fill_id": "cad76f07-814e-4dc6-8478-7867407b6bff",
    "symbol": "pi_xbtusd",
    "side": "buy",
    "order_id": "9e30258b-5a98-4002-968a-5b0e149bcfbf",
    "fillTime": "2020-07-22T13:37:27.077Z",
    "size": 5000,
    "price": 27937.5,
    "fillType": "maker",
    "cliOrdId": "mine-3",
}

FEED_FILL = {
    "instrument": "FI_XBTUSD_200925",
    "time": 1600256910739,
    "price": 10937.5,
    "seq": 36,
    "buy": True,
    "qty": 5000.0,
    "order_id": "9e30258b",
    "cli_ord_id": "mine-4",
    "fill_id": "cad76f07",
    "fill_type": "maker",
    "fee_paid": -0.00009142857,
    "fee_currency": "BTC",
    "taker_order_type": "ioc",
    "order_type": "limit",
}

FEED_ORDER = {
    "instrument": "PI_XBTUSD",
    "time": 1567597581495,
    "last_update_time": 1567597581499,
    "qty": 102.0,
    "filled": 0.0,
    "limit_price": 10601.0,
    "stop_price": 0.0,
    "type": "limit",
    "order_id": "fa9806c9",
    "direction": 0,
    "reduce_only": False,
}

JSON_ORDER = {
    "orderId": "179f9af8",
    "cliOrdId": "mine-5",
    "type": "lmt",
    "symbol": "PI_XBTUSD",
    "side": "buy",
    "quantity": 10000,
    "filled": 0,
    "limitPrice": 9400,
    "reduceOnly": False,
    "timestamp": "2019-09-05T16:33:50.734Z",
    "lastUpdateTimestamp": "2019-09-05T16:33:51.734Z",
}

PLACE = {"order": JSON_ORDER, "reducedQuantity": None, "type": "PLACE"}
CANCEL = {"uid": "179f9af8", "order": JSON_ORDER, "type": "CANCEL"}
REJECT = {"uid": "179f9af8", "order": JSON_ORDER, "reason": "IOC_WOULD_NOT_EXECUTE", "type": "REJECT"}
EXECUTED = {
    "executionId": "e1ec9f63",
    "price": 7244.5,
    "amount": 10000,
    "orderPriorEdit": None,
    "orderPriorExecution": JSON_ORDER,
    "takerReducedQuantity": None,
    "type": "EXECUTION",
}

OPEN_ORDER = {
    "order_id": "59302619",
    "cliOrdId": "mine-6",
    "symbol": "PI_XBTUSD",
    "side": "sell",
    "orderType": "lmt",
    "limitPrice": 10640,
    "unfilledSize": 304,
    "receivedTime": "2019-09-05T17:01:17.410Z",
    "status": "partiallyFilled",
    "filledSize": 200,
    "reduceOnly": True,
    "lastUpdateTime": "2019-09-05T17:02:17.410Z",
}

HISTORY_ORDER = {
    "uid": "85805e01",
    "accountUid": "406142dd",
    "tradeable": "PF_LTCUSD",
    "direction": "Buy",
    "quantity": "0.3",
    "filled": "0.1",
    "timestamp": "1707258274849",
    "limitPrice": "69.2200000000",
    "orderType": "IoC",
    "clientId": "mine-7",
    "reduceOnly": False,
    "lastUpdateTimestamp": "1707258274849",
}

HISTORY_EXECUTION = {
    "uid": "45c4bb6f",
    "order": HISTORY_ORDER,
    "timestamp": 1685130589916,
    "quantity": "1",
    "price": "10.56000000",
    "markPrice": "10.55708715830",
    "limitFilled": False,
    "executionType": "taker",
    "usdValue": "10.56",
    "orderData": {"positionSize": "3", "fee": "0.00528000000"},
}


def answer(name: str, status: str, *events: object, **more: object) -> dict[str, object]:
    content = {
        "status": status,
        "receivedTime": "2019-09-05T16:33:52.734Z",
        "orderEvents": list(events),
    } | more
    return {"result": "success", name: content, "serverTime": "2019-09-05T16:33:53.734Z"}


def history(kind: str, **content: object) -> dict[str, object]:
    return {"uid": "2f00cd63", "timestamp": "1707258274900", "event": {kind: content}}


# --------------------------------------------------------------------- symbols


@pytest.mark.parametrize(
    ("spellings", "symbol"),
    [
        ("XXBTZUSD XBTUSD XBT/USD BTC/USD BTCUSD", "BTC/USD"),
        ("XETHXXBT ETHXBT ETH/XBT ETH/BTC", "ETH/BTC"),
        ("XXDGXXBT XDGXBT XDG/XBT DOGE/BTC", "DOGE/BTC"),
        ("XDGUSD XDG/USD DOGE/USD DOGEUSD", "DOGE/USD"),
        ("XXLMZEUR XLMEUR XLM/EUR", "XLM/EUR"),
        ("XLTCZJPY LTCJPY", "LTC/JPY"),
        ("XZECZUSD ZECUSD", "ZEC/USD"),
        ("USDTZUSD USDTUSD USDT/USD", "USDT/USD"),
        ("XBTUSDT XBT/USDT BTC/USDT", "BTC/USDT"),
        ("USDCUSDT", "USDC/USDT"),
        ("USDCUSD", "USDC/USD"),
        ("PYUSDUSD", "PYUSD/USD"),
        ("XBTPYUSD", "BTC/PYUSD"),
        ("RLUSDUSD", "RLUSD/USD"),
        ("XRPRLUSD", "XRP/RLUSD"),
        ("TUSDUSD", "TUSD/USD"),
        ("XTZUSD", "XTZ/USD"),  # Tezos, not XT in ZUSD
        ("XTZXBT", "XTZ/BTC"),
        ("WBTCXBT", "WBTC/BTC"),
        ("KSMDOT", "KSM/DOT"),
        ("ZEURZUSD EURUSD EUR/USD", "EUR/USD"),
        ("ZUSDZCAD USDCAD", "USD/CAD"),
        ("USDCHF", "USD/CHF"),
        ("1INCHEUR", "1INCH/EUR"),
        ("AAPLxUSD AAPLx/USD", "AAPLx/USD"),
    ],
)
def test_one_symbol_over_rest_and_websocket(spellings: str, symbol: str) -> None:
    for spelling in spellings.split():
        found = fill_of(rest({"trades": {"TID": TRADE | {"pair": spelling}}}))
        assert (found.symbol, f"{found.base_currency}/{found.quote_currency}") == (symbol, symbol)
        assert (found.market, found.contract_kind) == ("spot", ContractKind.SPOT)
        assert found.metadata == ({} if spelling == symbol else {"raw_symbol": spelling})


@pytest.mark.parametrize(
    ("spelling", "market", "kind", "multiplier", "base", "quote", "settle"),
    [
        ("PI_XBTUSD", "inverse", ContractKind.INVERSE, D(1), "BTC", "USD", "BTC"),
        ("pi_ethusd", "inverse", ContractKind.INVERSE, D(1), "ETH", "USD", "ETH"),
        ("fi_xbtusd_180615", "inverse", ContractKind.INVERSE, D(1), "BTC", "USD", "BTC"),
        ("PF_XBTUSD", "linear", ContractKind.LINEAR, D(1), "BTC", "USD", "USD"),
        ("PF_USDTUSD", "linear", ContractKind.LINEAR, D(1), "USDT", "USD", "USD"),
        ("FF_ETHUSD_240329", "linear", ContractKind.LINEAR, D(1), "ETH", "USD", "USD"),
        ("PV_XRPXBT", "linear", ContractKind.LINEAR, None, "XRP", "BTC", "BTC"),
    ],
)
def test_futures_symbols(
    spelling: str, market: str, kind: int, multiplier: D | None, base: str, quote: str, settle: str
) -> None:
    found = fill_of(FILL | {"symbol": spelling, "fee_paid": 1})
    assert (found.symbol, found.market, found.contract_kind) == (spelling.upper(), market, kind)
    assert (found.multiplier, found.base_currency, found.quote_currency) == (multiplier, base, quote)
    assert found.fees == ((settle, D(1)),)


def test_a_pair_that_cannot_be_told_is_refused() -> None:
    assert refused(rest({"trades": {"TID": TRADE | {"pair": "FOOBAR"}}})) == ["result.trades.TID.pair"]
    table = venues.SHIPPED.adding([Instrument("kraken", "FOO/BAR", aliases=("FOOBAR",))])
    parsed = venues.parse_payload(
        "kraken", "", json.dumps(TRADE | {"pair": "FOOBAR"}).encode(), instruments=table
    )
    assert (parsed.fills[0].symbol, parsed.fills[0].fees) == ("FOO/BAR", (("BAR", D("0.96032")),))


def test_the_table_agrees_with_the_rule() -> None:
    for item in kraken.INSTRUMENTS:
        for spelling in (item.symbol, *item.aliases):
            told = product(spelling)
            assert told is not None
            assert (told.symbol, told.market, told.base, told.quote) == (
                item.symbol,
                item.market,
                item.base,
                item.quote,
            )
        assert all(venues.SHIPPED.canonical("kraken", alias) == item.symbol for alias in item.aliases)


# ------------------------------------------------------------ REST: trades


def test_trades() -> None:
    for payload in (
        rest({"trades": {"TCCCTY-WE2O6-P3NB37": TRADE}, "count": 1}),
        rest({"TCCCTY-WE2O6-P3NB37": TRADE}),
        {"TCCCTY-WE2O6-P3NB37": TRADE},
        [TRADE | {"txid": "TCCCTY-WE2O6-P3NB37"}],
    ):
        found = fill_of(payload)
        assert (found.trade_id, found.order_id) == ("TCCCTY-WE2O6-P3NB37", "OQCLML-BW3P3-BUCMWZ")
        assert (found.symbol, found.side, found.quantity, found.price) == (
            "BTC/USD",
            Side.BUY,
            D("0.02"),
            D("30010"),
        )
        assert (found.fees, found.liquidity) == ((("USD", D("0.96032")),), Liquidity.MAKER)
        assert found.trade_time == ns("1616667796.8802")
        assert found.client_order_id == ""


def test_a_trade_alone_never_takes_the_public_id() -> None:
    found = fill_of(TRADE)
    assert found.trade_id_derived
    assert found.trade_id != str(TRADE["trade_id"])
    first, second = parse([TRADE, TRADE]).fills
    assert first.trade_id != second.trade_id


def test_trade_details() -> None:
    assert fill_of(TRADE | {"maker": False, "type": "sell"}).liquidity == Liquidity.TAKER
    assert fill_of({key: value for key, value in TRADE.items() if key != "maker"}).liquidity == 0
    assert fill_of(TRADE | {"fee": "0.00000"}).fees == (("USD", D(0)),)
    assert fill_of(TRADE | {"fee": "-0.5"}).fees == (("USD", D("-0.5")),)
    assert fill_of({key: value for key, value in TRADE.items() if key != "fee"}).fees == ()
    assert fill_of(TRADE | {"ordertype": "liquidation market"}).metadata["execution"] == "liquidation"
    assert fill_of(TRADE | {"time": "1560516023.070651"}).trade_time == ns("1560516023.070651")
    assert fill_of(TRADE | {"time": 1560516023}).trade_time == ns("1560516023")
    assert fill_of(TRADE | {"cl_ord_id": "c", "userref": 7}).client_order_id == "c"


@pytest.mark.parametrize("key", ["ordertxid", "pair", "time", "type", "price", "vol"])
def test_what_a_trade_needs(key: str) -> None:
    row = TRADE | {key: None}
    assert refused(rest({"trades": {"TID": row}})) == [f"result.trades.TID.{key}"]
    assert refused(row) == [key]


@pytest.mark.parametrize(
    ("key", "value"), [("vol", "0"), ("vol", "-1"), ("type", "up"), ("time", "soon"), ("fee", [])]
)
def test_wrong_values_of_a_trade(key: str, value: object) -> None:
    assert refused(TRADE | {key: value}) == [key]


# ------------------------------------------------------------ REST: orders


def test_open_order() -> None:
    for payload in (rest({"open": {"OQCLML": ORDER}}), rest({"OQCLML": ORDER}), {"OQCLML": ORDER}):
        found = order_of(payload)
        assert (found.order_id, found.client_order_id, found.symbol) == ("OQCLML", "mine-1", "BTC/USD")
        assert (found.market, found.side, found.type) == ("spot", Side.BUY, "limit")
        assert (found.status, found.order_quantity) == (OrderStatus.PARTIALLY_FILLED, D("1.25"))
        assert (found.cumulative_quantity, found.average_price) == (D("0.375"), D("30009.9"))
        assert found.limit_price == D("30010")
        assert (found.time, found.create_time) == (None, ns("1616666559.8974"))
        assert found.metadata == {"raw_symbol": "XBTUSD"}
    assert order_of(ORDER).client_order_id == "mine-1"  # alone: only the client's id is in the row
    assert refused(ORDER | {"cl_ord_id": None}) == ["txid"]


@pytest.mark.parametrize(
    ("status", "executed", "want"),
    [
        ("pending", "0", OrderStatus.PENDING_NEW),
        ("open", "0.00000000", OrderStatus.NEW),
        ("open", "0.1", OrderStatus.PARTIALLY_FILLED),
        ("closed", "1.25", OrderStatus.FILLED),
        ("closed", "0.00000000", OrderStatus.CANCELED),
        ("canceled", "0", OrderStatus.CANCELED),
        ("canceled", "0.5", OrderStatus.CANCELED),
        ("expired", "0", OrderStatus.EXPIRED),
    ],
)
def test_order_statuses(status: str, executed: str, want: OrderStatus) -> None:
    row = ORDER | {
        "status": status,
        "vol_exec": executed,
        "closetm": 1616666560.5,
        "reason": "User requested",
    }
    found = order_of(rest({"closed": {"OID": row}}))
    assert (found.status, found.time) == (want, ns("1616666560.5"))
    assert found.reason == "User requested"
    assert found.average_price == (D("30009.9") if D(executed) else None)


def test_order_details() -> None:
    def with_descr(**changes: object) -> dict[str, object]:
        return {"OID": ORDER | {"descr": ORDER["descr"] | changes}}  # type: ignore[operator]

    assert order_of({"OID": ORDER | {"oflags": "fciq,viqc"}}).order_quantity is None
    assert order_of({"OID": ORDER | {"oflags": "fciq,post"}}).type == "post_only"
    market = order_of(with_descr(ordertype="market", price="0"))
    assert (market.type, market.limit_price) == ("market", None)
    stop = order_of(with_descr(ordertype="stop-loss-limit", price="2677.00", price2="2577.00"))
    assert (stop.type, stop.limit_price) == ("stop-loss-limit", D("2577"))
    assert order_of(with_descr(ordertype="stop-loss", price="2677.00")).limit_price is None
    assert order_of(with_descr(ordertype="trailing-stop", price="+50.0000%")).limit_price is None
    assert (
        order_of(with_descr(ordertype="trailing-stop-limit", price="+5%", price2="-1.5")).limit_price is None
    )
    assert order_of(with_descr(ordertype="limit", price="#2%")).limit_price is None
    assert order_of({"OID": ORDER | {"userref": 36493663}}).metadata["userref"] == "36493663"
    assert refused({"OID": ORDER | {"status": "lost"}}) == ["OID.status"]
    assert refused(with_descr(type=None)) == ["OID.descr.type"]
    assert refused(rest({"open": {"OID": 7}})) == ["result.open.OID"]


# ------------------------------------------------------------ REST: answers


@pytest.mark.parametrize(
    ("text", "side", "kind", "symbol", "quantity", "price"),
    [
        (
            "buy 2.12340000 XBTUSD @ limit 45000.1 with 2:1 leverage",
            Side.BUY,
            "limit",
            "BTC/USD",
            "2.1234",
            "45000.1",
        ),
        ("buy 0.0177 XBT/USD @ limit 4000", Side.BUY, "limit", "BTC/USD", "0.0177", "4000"),
        ("buy 10.00000000 LTCUSD @ market", Side.BUY, "market", "LTC/USD", None, None),  # may be in dollars
        ("sell 10.00000000 LTCUSD @ market", Side.SELL, "market", "LTC/USD", "10", None),
        (
            "sell 0.28 ETHUSDT @ stop loss 0.0123 -> limit 0.0122",
            Side.SELL,
            "stop-loss-limit",
            "ETH/USDT",
            "0.28",
            "0.0122",
        ),
        ("sell 10.0 XRPEUR @ trailing stop +50.0000%", Side.SELL, "trailing-stop", "XRP/EUR", "10", None),
        ("buy 1 XBTUSD @ take profit 75.0", Side.BUY, "take-profit", "BTC/USD", "1", None),
        ("order edited price = 9000.00000000", 0, "", "", None, None),
    ],
)
def test_placed(
    text: str, side: int, kind: str, symbol: str, quantity: str | None, price: str | None
) -> None:
    for payload in (
        rest({"descr": {"order": text}, "txid": ["OUF4EM-FRGI2-MQMWZD"]}),
        {"descr": {"order": text}, "txid": ["OUF4EM-FRGI2-MQMWZD"]},
        {"event": "addOrderStatus", "status": "ok", "txid": "OUF4EM-FRGI2-MQMWZD", "descr": text},
    ):
        found = order_of(payload)
        assert (found.status, found.order_id) == (OrderStatus.NEW, "OUF4EM-FRGI2-MQMWZD")
        assert (found.side, found.type, found.symbol, found.market) == (side, kind, symbol, "spot")
        assert found.order_quantity == (None if quantity is None else D(quantity))
        assert found.limit_price == (None if price is None else D(price))
        assert found.cumulative_quantity is None


def test_edit_has_a_new_id_and_amend_keeps_it() -> None:
    edited = {
        "status": "ok",
        "txid": "OFVXHJ-KPQ3B-VS7ELA",
        "originaltxid": "OHYO67-6LP66-HMQ437",
        "volume": "0.0003",
        "price": "19500.0",
        "orders_cancelled": 1,
        "descr": {"order": "buy 0.00030000 XXBTZGBP @ limit 19500.0"},
    }
    found = order_of(rest(edited))
    assert (found.order_id, found.previous_order_id) == ("OFVXHJ-KPQ3B-VS7ELA", "OHYO67-6LP66-HMQ437")
    assert (found.status, found.symbol, found.order_quantity) == (OrderStatus.NEW, "BTC/GBP", D("0.0003"))
    assert skipped(rest(edited | {"status": "err", "error_message": "no"})) == ["failed_amend"]
    assert skipped(rest({"amend_id": "TJSMEH-AA67V-YUSQ6O"})) == ["acknowledgement"]
    assert skipped({"amend_id": "TJSMEH", "order_id": "OGL7HR"}) == ["acknowledgement"]


def test_batch() -> None:
    parsed = parse(
        rest(
            {
                "orders": [
                    {"txid": "O1", "descr": {"order": "buy 1.02010000 XBTUSD @ limit 29000.0"}},
                    {
                        "error": "EOrder:Insufficient funds",
                        "descr": {"order": "buy 0.14 XBTUSD @ limit 40000.0"},
                    },
                    {"error": "EOrder:Invalid price"},
                    {"error": "EOrder:Invalid price", "cl_ord_id": "mine"},
                    {"descr": {"order": "buy 1 XBTUSD @ limit 1"}},  # validated only
                ]
            }
        )
    )
    assert [(report.status, report.order_id, report.client_order_id) for report in parsed.reports] == [
        (OrderStatus.NEW, "O1", ""),
        (OrderStatus.REJECTED, "", "mine"),
    ]
    assert parsed.reports[1].reason == "EOrder:Invalid price"
    assert {(entry.kind, entry.count) for entry in parsed.skipped} == {
        ("failed_placement", 1),
        ("acknowledgement", 1),
    }


@pytest.mark.parametrize(
    ("payload", "kinds"),
    [
        ({"error": ["EOrder:Insufficient funds"]}, ["request_error"]),
        ({"error": ["EOrder:Unknown order"], "result": {}}, ["failed_cancel"]),
        (rest({"count": 1, "pending": False}), ["acknowledgement"]),
        (rest({"ZUSD": "171288.6158", "XXBT": "1011.19"}), ["balance"]),
        (rest({"ZUSD": {"balance": 25435.21, "hold_trade": 8249.76}}), ["balance"]),
        (rest({"eb": "1101.3425", "tb": "392.2264"}), ["balance"]),
        (rest({"ledger": {"L4": {"aclass": "currency", "asset": "ZGBP"}}, "count": 1}), ["ledger"]),
        (rest({"L4": {"aclass": "currency", "asset": "ZGBP", "refid": "TJ"}}), ["ledger"]),
        (
            rest(
                {
                    "TF5": {
                        "ordertxid": "O",
                        "posstatus": "open",
                        "pair": "XXBTZUSD",
                        "type": "buy",
                        "vol": "8",
                        "vol_closed": "0.2",
                        "cost": "1",
                        "fee": "1",
                        "time": 1605280097.8,
                    }
                }
            ),
            ["position"],
        ),
        (rest({"token": "1Dwc4", "expires": 900}), ["stream_control"]),
        (rest({"currentTime": "2023-03-24T17:41:56Z", "triggerTime": "0"}), ["acknowledgement"]),
        (rest({"count": 1, "amends": [{"amend_id": "x", "amend_type": "original"}]}), ["order_amendment"]),
        (rest({"trades": {}, "count": 0}), ["empty"]),
        (rest({"open": {}}), ["empty"]),
        (rest({}), ["empty"]),
        (rest(True), ["acknowledgement"]),
    ],
)
def test_spot_answers_that_are_skipped(payload: object, kinds: list[str]) -> None:
    assert skipped(payload) == kinds


# ------------------------------------------------------------ WebSocket, first version


def test_changes_of_open_orders() -> None:
    assert order_of({"OID": {"status": "open", "userref": 0}}).status == OrderStatus.NEW
    canceled = order_of(
        {
            "OID": {
                "lastupdated": "1642106190.223285",
                "status": "canceled",
                "vol_exec": "0.00000000",
                "cost": "0.00000",
                "fee": "0.00000",
                "avg_price": "0.00000",
                "cancel_reason": "User requested",
            }
        }
    )
    assert (canceled.status, canceled.order_id, canceled.reason) == (
        OrderStatus.CANCELED,
        "OID",
        "User requested",
    )
    assert (canceled.time, canceled.average_price) == (ns("1642106190.223285"), None)
    filled = order_of(
        {"OID": {"cost": "30.0", "vol_exec": "70.9002", "fee": "0.048", "avg_price": "0.42313"}}
    )
    assert (filled.status, filled.cumulative_quantity) == (OrderStatus.PARTIALLY_FILLED, D("70.9002"))
    assert filled.average_price == D("0.42313")
    assert skipped({"OID": {"lastupdated": "1.5", "userref": 1}}) == ["order_update"]


def test_channel_lists() -> None:
    def read(document: list[object]) -> ParsedPayload:
        return venues.parse_payload("kraken", "", json.dumps(document).encode())

    trades = read([[{"TID1": TRADE | {"pair": "XBT/EUR"}}, {"TID2": TRADE}], "ownTrades", {"sequence": 2948}])
    assert [(fill.trade_id, fill.symbol) for fill in trades.fills] == [
        ("TID1", "BTC/EUR"),
        ("TID2", "BTC/USD"),
    ]
    orders = read([[{"OID": ORDER}], "openOrders", {"sequence": 1}])
    assert orders.reports[0].order_id == "OID"
    empty = read([[], "ownTrades", {"sequence": 1}])
    assert [entry.kind for entry in empty.skipped] == ["empty"]
    public = read([0, [["5541.2", "0.1", "1534614057.3", "s", "l", ""]], "trade", "XBT/USD"])
    assert [entry.kind for entry in public.skipped] == ["market_data"]
    for other in ([TRADE], [TRADE, TRADE]):
        assert len(read(list(other)).fills) == len(other)
    for wrong in ([[1, 2]], [1]):
        with pytest.raises(InvalidFieldError):
            read(list(wrong))


@pytest.mark.parametrize(
    ("payload", "kinds"),
    [
        (
            {"event": "addOrderStatus", "status": "error", "errorMessage": "EOrder:Order minimum not met"},
            ["failed_placement"],
        ),
        (
            {"event": "editOrderStatus", "status": "error", "errorMessage": "EOrder:Unknown order"},
            ["failed_amend"],
        ),
        (
            {"event": "cancelOrderStatus", "status": "error", "errorMessage": "EOrder:Unknown order"},
            ["failed_cancel"],
        ),
        ({"event": "cancelOrderStatus", "status": "ok", "reqid": 1}, ["acknowledgement"]),
        ({"event": "cancelAllStatus", "status": "ok", "count": 2}, ["acknowledgement"]),
        (
            {"event": "subscriptionStatus", "status": "subscribed", "channelName": "ownTrades"},
            ["acknowledgement"],
        ),
        ({"event": "subscriptionStatus", "status": "error", "errorMessage": "x"}, ["request_error"]),
        ({"event": "systemStatus", "status": "online"}, ["stream_control"]),
        ({"event": "heartbeat"}, ["stream_control"]),
        ({"event": "challenge", "message": "226aee50"}, ["stream_control"]),
        ({"event": "alert", "message": "Failed to subscribe"}, ["request_error"]),
        ({"event": "subscribed", "feed": "fills"}, ["acknowledgement"]),
        ({"event": "subscribed_failed", "feed": "fills"}, ["request_error"]),
        ({"event": "error", "message": "Invalid feed"}, ["request_error"]),
    ],
)
def test_events_that_are_skipped(payload: object, kinds: list[str]) -> None:
    assert skipped(payload) == kinds


def test_edit_over_the_first_websocket() -> None:
    found = order_of({"event": "editOrderStatus", "status": "ok", "txid": "O2", "originaltxid": "O1"})
    assert (found.order_id, found.previous_order_id, found.status) == ("O2", "O1", OrderStatus.NEW)


# ------------------------------------------------------------ WebSocket, second version


def test_execution() -> None:
    for payload in (executions(EXECUTION), EXECUTION, [EXECUTION]):
        found = fill_of(payload)
        assert (found.trade_id, found.order_id) == ("T5DIUI-5N4KO-Z5BPXK", "O6NTZC-K6FRH-ATWBCK")
        assert (found.client_order_id, found.symbol, found.market) == ("mine-2", "BTC/USD", "spot")
        assert (found.quantity, found.price) == (D("0.00001"), D("26500.1"))
        assert (found.fees, found.liquidity) == ((("USD", D("0.00042")),), Liquidity.MAKER)
        assert found.trade_time == ns("1695378785.709950")
        assert found.metadata == {}
        state = order_of(payload)
        assert (state.status, state.cumulative_quantity) == (OrderStatus.PARTIALLY_FILLED, None)


def test_execution_details() -> None:
    fees = [{"asset": "BTC", "qty": 1e-08}, {"asset": "USD", "qty": -0.5}, {"asset": "XBT", "qty": 1e-08}]
    assert fill_of(EXECUTION | {"fees": fees}).fees == (("BTC", D("0.00000002")), ("USD", D("-0.5")))
    assert fill_of(EXECUTION | {"fees": None}).fees == ()  # fee_usd_equiv is no fee
    assert fill_of(EXECUTION | {"liquidity_ind": "t", "side": "sell"}).liquidity == Liquidity.TAKER
    assert fill_of(EXECUTION | {"liquidated": True}).metadata == {"execution": "liquidation"}
    assert fill_of(EXECUTION | {"exec_id": None}).trade_id_derived
    assert fill_of(EXECUTION | {"symbol": "PF_XBTUSD"}).market == "linear"
    alone = parse({key: value for key, value in EXECUTION.items() if key != "order_status"})
    assert len(alone.fills) == 1
    assert not alone.reports


@pytest.mark.parametrize("key", ["order_id", "symbol", "side", "last_qty", "last_price", "timestamp"])
def test_what_an_execution_needs(key: str) -> None:
    assert refused(executions(EXECUTION | {key: None})) == [f"data[0].{key}"]


def test_wrong_words_of_an_execution() -> None:
    assert refused(EXECUTION | {"exec_type": "exploded"}) == ["exec_type"]
    assert refused(OPENED | {"order_status": "lost"}) == ["order_status"]
    assert refused(EXECUTION | {"liquidity_ind": "x"}) == ["liquidity_ind"]
    assert refused(EXECUTION | {"timestamp": "2023-13-22T10:33:05Z"}) == ["timestamp"]
    assert refused(EXECUTION | {"fees": [{"qty": 1}]}) == ["fees[0].asset"]


def test_a_snapshot_of_orders() -> None:
    rows = (
        OPENED,
        OPENED | {"exec_type": "new", "order_status": "new", "post_only": True},
        OPENED
        | {"exec_type": "new", "order_status": "partially_filled", "cum_qty": 0.001, "avg_price": 26500.5},
        OPENED | {"exec_type": "new", "order_status": "new", "cum_qty": 0.001},
    )
    pending, new, partial, implied = parse(executions(*rows, kind="snapshot")).reports
    assert (pending.status, pending.type, pending.side) == (OrderStatus.PENDING_NEW, "limit", Side.SELL)
    assert (pending.order_quantity, pending.limit_price, pending.client_order_id) == (
        D("0.005"),
        D(26500),
        "",
    )
    assert pending.metadata == {"userref": "3"}
    assert (new.status, new.type, new.average_price) == (OrderStatus.NEW, "post_only", None)
    assert (partial.status, partial.cumulative_quantity) == (OrderStatus.PARTIALLY_FILLED, D("0.001"))
    assert partial.average_price == D("26500.5")
    assert implied.status == OrderStatus.PARTIALLY_FILLED


def test_short_events() -> None:
    canceled = order_of(
        executions(
            {
                "timestamp": "2025-10-11T15:11:47.695226Z",
                "order_status": "canceled",
                "exec_type": "canceled",
                "order_userref": 0,
                "order_id": "OGAB7Y",
                "cum_qty": 0,
                "cum_cost": 0,
                "avg_price": 0,
                "cancel_reason": "User requested",
                "reason": "User requested",
            }
        )
    )
    assert (canceled.status, canceled.symbol, canceled.order_id) == (OrderStatus.CANCELED, "", "OGAB7Y")
    assert (canceled.cumulative_quantity, canceled.average_price) == (D(0), None)
    assert (canceled.reason, canceled.metadata) == ("User requested", {})
    assert order_of({"exec_type": "expired", "order_id": "O"}).status == OrderStatus.EXPIRED
    filled = {"exec_type": "filled", "order_id": "O", "cum_qty": 2, "avg_price": 3, "order_qty": 2}
    assert not parse(filled).fills
    assert (order_of(filled).status, order_of(filled).average_price) == (OrderStatus.FILLED, D(3))
    amended = {
        "exec_type": "amended",
        "order_id": "O",
        "order_status": "new",
        "order_qty": 1.5,
        "amended": True,
    }
    assert (order_of(amended).status, order_of(amended).order_quantity) == (OrderStatus.NEW, D("1.5"))
    assert skipped({"exec_type": "restated", "order_id": "O", "order_qty": 1}) == ["order_update"]
    assert refused({"exec_type": "canceled", "order_status": "canceled"}) == ["order_id"]
    cash = OPENED | {"order_qty": None, "cash_order_qty": 100, "order_type": "market", "limit_price": 1}
    assert (order_of(cash).order_quantity, order_of(cash).limit_price) == (None, None)


def method(name: str, result: object = None, **more: object) -> dict[str, object]:
    return {
        "method": name,
        "req_id": 1,
        "result": result,
        "success": True,
        "time_in": "2023-09-21T14:15:07.197274Z",
        "time_out": "2023-09-21T14:15:07.205301Z",
    } | more


def test_methods() -> None:
    placed = order_of(method("add_order", {"order_id": "AA5JGQ", "cl_ord_id": "c1", "order_userref": 9}))
    assert (placed.status, placed.order_id, placed.client_order_id) == (OrderStatus.NEW, "AA5JGQ", "c1")
    assert (placed.time, placed.metadata) == (ns("1695305707.205301"), {"userref": "9"})
    amended = method("amend_order", {"amend_id": "TYDLSQ", "order_id": "OGL7HR"})
    canceled = method("cancel_order", {"order_id": "OKAGJC"})
    for accepted in (amended, canceled, method("cancel_order", {"cl_ord_id": "c1"})):
        assert skipped(accepted) == ["acknowledgement"]
        assert parse(accepted).skipped[0].count == 1
    edited = order_of(method("edit_order", {"order_id": "O2", "original_order_id": "O1"}))
    assert (edited.status, edited.order_id, edited.previous_order_id) == (OrderStatus.NEW, "O2", "O1")
    batch = [
        {"order_id": "O1", "cl_ord_id": "A"},
        {"cl_ord_id": "B", "success": False, "error": "EOrder:Invalid price"},
    ]
    for result in (batch, {"orders": batch}):
        first, second = parse(method("batch_add", result)).reports
        assert (first.status, first.order_id) == (OrderStatus.NEW, "O1")
        assert (second.status, second.client_order_id, second.reason) == (
            OrderStatus.REJECTED,
            "B",
            "EOrder:Invalid price",
        )


@pytest.mark.parametrize(
    ("payload", "kinds"),
    [
        (method("add_order", error="EOrder:Insufficient funds", success=False), ["failed_placement"]),
        (method("amend_order", error="EOrder:Unknown order", success=False), ["failed_amend"]),
        (method("edit_order", error="EOrder:Unknown order", success=False), ["failed_amend"]),
        (
            method("cancel_order", {"order_id": "O"}, error="EOrder:Unknown order", success=False),
            ["failed_cancel"],
        ),
        (method("cancel_all", {"count": 1}), ["acknowledgement"]),
        (method("batch_cancel", orders_cancelled=2), ["acknowledgement"]),
        (method("subscribe", {"channel": "executions"}), ["acknowledgement"]),
        (method("subscribe", error="Currency pair not supported", success=False), ["request_error"]),
        ({"method": "pong", "req_id": 1, "time_in": "x"}, ["acknowledgement"]),
        ({"channel": "heartbeat"}, ["stream_control"]),
        ({"channel": "status", "type": "update", "data": [{"system": "online"}]}, ["stream_control"]),
        (
            {"channel": "balances", "type": "snapshot", "data": [{"asset": "BTC", "balance": 1.2}]},
            ["balance"],
        ),
        ({"channel": "ticker", "type": "update", "data": [{}]}, ["market_data"]),
        ({"channel": "level3", "type": "update", "data": [{}]}, ["market_data"]),
        (executions(), ["empty"]),
    ],
)
def test_messages_that_are_skipped(payload: object, kinds: list[str]) -> None:
    assert skipped(payload) == kinds


# ------------------------------------------------------------ futures: fills


def test_futures_fills() -> None:
    for payload in (
        {"result": "success", "fills": [FILL], "serverTime": "2020-07-22T13:44:24.311Z"},
        FILL,
        [FILL],
    ):
        found = fill_of(payload)
        assert (found.symbol, found.market, found.multiplier) == ("PI_XBTUSD", "inverse", D(1))
        assert (found.trade_id, found.client_order_id) == ("cad76f07-814e-4dc6-8478-7867407b6bff", "mine-3")
        assert (found.side, found.quantity, found.price) == (Side.BUY, D(5000), D("27937.5"))
        assert (found.fees, found.liquidity) == ((), Liquidity.MAKER)
        assert found.trade_time == ns("1595425047.077")
        assert found.metadata == {"raw_symbol": "pi_xbtusd"}


def test_fills_of_the_feed() -> None:
    sold = FEED_FILL | {"buy": False, "fee_paid": 0.5, "fee_currency": "XBT", "fill_type": "taker"}
    for feed in ("fills", "fills_snapshot"):
        first, second = parse({"feed": feed, "account": "x", "fills": [FEED_FILL, sold]}).fills
        assert (first.side, second.side) == (Side.BUY, Side.SELL)
        assert first.fees == (("BTC", D("-0.00009142857")),)  # a rebate
        assert second.fees == (("BTC", D("0.5")),)
        assert (first.liquidity, second.liquidity) == (Liquidity.MAKER, Liquidity.TAKER)
        assert (first.trade_time, first.client_order_id) == (ns("1600256910.739"), "mine-4")
        assert (first.quantity, first.order_id, first.trade_id) == (D(5000), "9e30258b", "cad76f07")
    assert fill_of(FEED_FILL).symbol == "FI_XBTUSD_200925"
    assert refused(FEED_FILL | {"buy": "perhaps"}) == ["buy"]
    assert refused({"feed": "fills", "fills": [FEED_FILL | {"fill_id": None}]}) == ["fills[0].fill_id"]
    assert refused(FEED_FILL | {"instrument": "XX_FOO"}) == ["instrument"]


@pytest.mark.parametrize(
    ("word", "liquidity", "mark"),
    [
        ("maker", Liquidity.MAKER, None),
        ("taker", Liquidity.TAKER, None),
        ("takerAfterEdit", Liquidity.TAKER, None),
        ("liquidation", Liquidity.UNSPECIFIED, "liquidation"),
        ("partialLiquidation", Liquidity.UNSPECIFIED, "liquidation"),
        ("assignor", Liquidity.UNSPECIFIED, "liquidation"),
        ("assignee", Liquidity.UNSPECIFIED, None),
        ("unwindBankrupt", Liquidity.UNSPECIFIED, "liquidation"),
        ("unwindCounterparty", Liquidity.UNSPECIFIED, "adl"),
        ("somethingNew", Liquidity.UNSPECIFIED, None),
    ],
)
def test_fill_types(word: str, liquidity: int, mark: str | None) -> None:
    for row in (FILL | {"fillType": word}, FEED_FILL | {"fill_type": word}):
        found = fill_of(row)
        assert (found.liquidity, found.metadata.get("execution")) == (liquidity, mark)
        assert found.metadata.get("fill_type") == (None if liquidity else word)


@pytest.mark.parametrize("key", ["fill_id", "symbol", "side", "order_id", "fillTime", "size", "price"])
def test_what_a_futures_fill_needs(key: str) -> None:
    assert refused({"result": "success", "fills": [FILL | {key: None}]}) == [f"fills[0].{key}"]


def test_executions_of_the_history() -> None:
    for payload in (
        {"elements": [history("execution", execution=HISTORY_EXECUTION, takerReducedQuantity="")], "len": 1},
        history("Execution", execution=HISTORY_EXECUTION, takerReducedQuantity=""),
        HISTORY_EXECUTION,
    ):
        found = fill_of(payload)
        assert (found.trade_id, found.order_id) == ("45c4bb6f", "85805e01")  # not the event's uid
        assert (found.symbol, found.side, found.quantity, found.price) == (
            "PF_LTCUSD",
            Side.BUY,
            D(1),
            D("10.56"),
        )
        assert (found.fees, found.liquidity) == ((("USD", D("0.00528")),), Liquidity.TAKER)
        assert (found.client_order_id, found.trade_time) == ("mine-7", ns("1685130589.916"))
    forced = HISTORY_EXECUTION | {"order": HISTORY_ORDER | {"orderType": "Liquidation"}}
    assert fill_of(forced).metadata["execution"] == "liquidation"
    public = {"uid": "1", "makerOrder": {}, "takerOrder": {}, "usdValue": "1"}
    assert skipped(history("Execution", execution=public)) == ["market_data"]
    assert refused(history("execution", execution=HISTORY_EXECUTION | {"quantity": None})) == [
        "event.execution.execution.quantity"
    ]


# ------------------------------------------------------------ futures: orders


def test_open_orders_of_the_futures() -> None:
    untouched = OPEN_ORDER | {"status": "untouched", "filledSize": 0, "orderType": "stop"}
    partial, new = parse({"result": "success", "openOrders": [OPEN_ORDER, untouched]}).reports
    assert (partial.status, partial.order_quantity) == (OrderStatus.PARTIALLY_FILLED, D(504))
    assert (partial.cumulative_quantity, partial.average_price) == (D(200), None)
    assert (partial.side, partial.type, partial.limit_price) == (Side.SELL, "limit", D(10640))
    assert (partial.time, partial.create_time) == (ns("1567702937.41"), ns("1567702877.41"))
    assert (partial.client_order_id, partial.market) == ("mine-6", "inverse")
    assert (new.status, new.order_quantity, new.type) == (OrderStatus.NEW, D(304), "stop")
    assert order_of(OPEN_ORDER).order_id == "59302619"
    assert refused(OPEN_ORDER | {"status": "odd"}) == ["status"]


def test_statuses_of_futures_orders() -> None:
    def state(status: str, **changes: object) -> OrderReport:
        order = JSON_ORDER | {"type": "ORDER"} | changes
        row = {"order": order, "status": status, "updateReason": "PARTIAL_FILL", "error": None}
        assert order_of(row).status == order_of({"result": "success", "orders": [row]}).status
        return order_of(row)

    assert state("ENTERED_BOOK").status == OrderStatus.NEW
    assert state("ENTERED_BOOK", filled=4).status == OrderStatus.PARTIALLY_FILLED
    assert state("TRIGGER_PLACED").status == OrderStatus.NEW
    assert state("REJECTED").status == OrderStatus.REJECTED
    done = state("FULLY_EXECUTED", filled=10000)
    assert (done.status, done.order_quantity, done.cumulative_quantity) == (
        OrderStatus.FILLED,
        D(10000),
        D(10000),
    )
    canceled = state("CANCELLED", filled=4)
    assert (canceled.status, canceled.reason, canceled.type) == (OrderStatus.CANCELED, "PARTIAL_FILL", "")
    assert (canceled.order_quantity, canceled.cumulative_quantity) == (D(10000), D(4))


def test_the_feed_counts_what_remains() -> None:
    def change(reason: str, *, gone: bool, **changes: object) -> OrderReport:
        order = FEED_ORDER | changes
        return order_of({"feed": "open_orders", "order": order, "is_cancel": gone, "reason": reason})

    new = change("new_placed_order_by_user", gone=False)
    assert (new.status, new.order_quantity, new.side, new.reason) == (OrderStatus.NEW, D(102), Side.BUY, "")
    assert (new.time, new.create_time) == (ns("1567597581.499"), ns("1567597581.495"))
    partial = change("partial_fill", gone=False, qty=2.0, filled=100.0)
    assert (partial.status, partial.order_quantity) == (OrderStatus.PARTIALLY_FILLED, D(102))
    full = change("full_fill", gone=True, qty=0.0, filled=102.0)
    assert (full.status, full.order_quantity) == (OrderStatus.FILLED, D(102))
    assert change("full_fill", gone=True, qty=102.0, filled=102.0).order_quantity == D(102)
    rest_gone = change("partial_fill", gone=True, qty=2.0, filled=100.0)
    assert (rest_gone.status, rest_gone.cumulative_quantity) == (OrderStatus.CANCELED, D(100))
    assert change("edited_by_user", gone=False, direction=1).side == Side.SELL


@pytest.mark.parametrize(
    ("reason", "want"),
    [
        ("cancelled_by_user", OrderStatus.CANCELED),
        ("cancelled_by_admin", OrderStatus.CANCELED),
        ("dead_man_switch", OrderStatus.CANCELED),
        ("not_enough_margin", OrderStatus.CANCELED),
        ("liquidation", OrderStatus.CANCELED),
        ("a_new_word", OrderStatus.CANCELED),
        ("full_fill", OrderStatus.FILLED),
        ("contract_expired", OrderStatus.EXPIRED),
        ("post_order_failed_because_it_would_filled", OrderStatus.REJECTED),
        ("post_order_failed_because_it_would_be_filled", OrderStatus.REJECTED),
        ("ioc_order_failed_because_it_would_not_be_executed", OrderStatus.REJECTED),
        ("would_execute_self", OrderStatus.REJECTED),
        ("would_not_reduce_position", OrderStatus.REJECTED),
    ],
)
def test_removals_from_the_book(reason: str, want: OrderStatus) -> None:
    ids = {"order_id": "ea8a7144", "cli_ord_id": "mine", "is_cancel": True, "reason": reason}
    for feed in ("open_orders", "open_orders_verbose"):
        found = order_of({"feed": feed} | ids)
        assert (found.status, found.order_id, found.client_order_id) == (want, "ea8a7144", "mine")
        assert found.reason == reason
        whole = order_of({"feed": feed, "order": FEED_ORDER, "is_cancel": True, "reason": reason})
        assert (whole.status, whole.symbol) == (want, "PI_XBTUSD")
    assert order_of(ids).status == want


def test_other_feeds() -> None:
    for feed in ("open_orders_snapshot", "open_orders_verbose_snapshot"):
        assert order_of({"feed": feed, "account": "x", "orders": [FEED_ORDER]}).order_id == "fa9806c9"
    assert order_of(FEED_ORDER).status == OrderStatus.NEW
    gone = {"feed": "open_orders", "order_id": "e", "is_cancel": True}
    assert skipped(gone | {"reason": "stop_order_triggered"}) == ["trigger"]
    assert skipped(gone | {"reason": "order_for_edit_not_found"}) == ["failed_amend"]
    assert refused({"feed": "open_orders", "is_cancel": True, "reason": "cancelled_by_user"}) == ["order_id"]
    for feed, kind in (
        ("balances", "balance"),
        ("open_positions", "position"),
        ("account_log", "account_log"),
        ("heartbeat", "stream_control"),
        ("trade", "market_data"),
    ):
        assert skipped({"feed": feed, "timestamp": 1}) == [kind]


def test_orders_of_the_history() -> None:
    placed = order_of(
        history("OrderPlaced", order=HISTORY_ORDER | {"quantity": "0"}, reason="new_user_order")
    )
    assert (placed.status, placed.order_quantity) == (OrderStatus.FILLED, D("0.1"))
    assert (placed.side, placed.symbol, placed.client_order_id) == (Side.BUY, "PF_LTCUSD", "mine-7")
    canceled = order_of(history("OrderCancelled", order=HISTORY_ORDER, reason="cancelled_by_user"))
    assert (canceled.status, canceled.order_quantity) == (OrderStatus.CANCELED, D("0.4"))
    assert (canceled.reason, canceled.time) == ("cancelled_by_user", ns("1707258274.9"))
    fresh = HISTORY_ORDER | {"filled": "0"}
    rejected = order_of(history("OrderRejected", order=fresh, orderError="INSUFFICIENT_MARGIN", reason="x"))
    assert (rejected.status, rejected.reason) == (OrderStatus.REJECTED, "INSUFFICIENT_MARGIN")
    updated = order_of(history("OrderUpdated", oldOrder=fresh, newOrder=HISTORY_ORDER, reason="partial_fill"))
    assert (updated.status, updated.previous_order_id) == (OrderStatus.PARTIALLY_FILLED, "")
    assert skipped(history("OrderEditRejected", oldOrder=fresh, attemptedOrder=fresh, orderError="x")) == [
        "failed_amend"
    ]
    assert skipped(history("OrderNotFound", accountUid="4", orderId="x")) == ["order_event"]
    assert refused(history("OrderPlaced", reason="x")) == ["event.OrderPlaced.order"]


# ------------------------------------------------------------ futures: answers


def test_sent() -> None:
    placed = order_of(answer("sendStatus", "placed", PLACE, order_id="179f9af8"))
    assert (placed.status, placed.symbol, placed.order_quantity) == (OrderStatus.NEW, "PI_XBTUSD", D(10000))
    assert (placed.cumulative_quantity, placed.client_order_id) == (D(0), "mine-5")
    assert (placed.type, placed.limit_price, placed.create_time) == ("limit", D(9400), ns("1567701230.734"))
    bare = order_of(answer("sendStatus", "placed", order_id="179f9af8", cliOrdId="c"))
    assert (bare.status, bare.order_id, bare.client_order_id) == (OrderStatus.NEW, "179f9af8", "c")
    assert order_of(PLACE).status == OrderStatus.NEW
    trigger = {
        "uid": "1abfd3c6",
        "clientId": None,
        "type": "lmt",
        "symbol": "pi_xbtusd",
        "side": "buy",
        "quantity": 10,
        "limitPrice": 15000,
        "triggerPrice": 9500,
        "reduceOnly": False,
        "timestamp": "2019-12-05T10:20:50.701Z",
        "lastUpdateTimestamp": "2019-12-05T10:20:50.701Z",
    }
    waiting = order_of(answer("sendStatus", "placed", {"type": "PLACE", "orderTrigger": trigger}))
    assert (waiting.status, waiting.order_id, waiting.cumulative_quantity) == (
        OrderStatus.NEW,
        "1abfd3c6",
        None,
    )


def test_executions_in_an_answer() -> None:
    found = fill_of(answer("sendStatus", "placed", EXECUTED, order_id="179f9af8"))
    assert (found.trade_id, found.order_id, found.client_order_id) == ("e1ec9f63", "179f9af8", "mine-5")
    assert (found.quantity, found.price, found.liquidity) == (D(10000), D("7244.5"), Liquidity.TAKER)
    assert (found.fees, found.trade_time) == ((), ns("1567701231.734"))
    state = order_of(answer("sendStatus", "placed", EXECUTED))
    assert (state.status, state.cumulative_quantity) == (OrderStatus.FILLED, D(10000))
    assert state.average_price == D("7244.5")
    assert len(parse(EXECUTED).fills) == len(parse(EXECUTED).reports) == 1


def test_several_executions_in_an_answer() -> None:
    first = EXECUTED | {"amount": 4000, "price": 7000}
    later = {
        "executionId": "2",
        "amount": 6000,
        "price": 8000,
        "orderPriorExecution": JSON_ORDER | {"filled": 4000},
    }
    both = parse(answer("sendStatus", "placed", first, EXECUTED | later))
    assert [fill.trade_id for fill in both.fills] == ["e1ec9f63", "2"]
    (state,) = both.reports
    assert (state.status, state.cumulative_quantity) == (OrderStatus.FILLED, D(10000))
    assert state.average_price is None  # of an inverse contract: no plain mean
    linear = JSON_ORDER | {"symbol": "PF_XBTUSD", "quantity": 4}
    rows = [
        EXECUTED
        | {"executionId": str(price), "amount": amount, "price": price, "orderPriorExecution": linear}
        for amount, price in ((1, 7000), (3, 7004))
    ]
    assert order_of(answer("sendStatus", "placed", *rows)).average_price == D(7003)
    cut = parse(answer("sendStatus", "placed", first, CANCEL | {"order": JSON_ORDER | {"filled": 4000}}))
    assert [report.status for report in cut.reports] == [OrderStatus.PARTIALLY_FILLED, OrderStatus.CANCELED]
    assert cut.reports[-1].cumulative_quantity == D(4000)


def test_refusals() -> None:
    rejected = order_of(answer("sendStatus", "iocWouldNotExecute", REJECT, order_id="179f9af8"))
    assert (rejected.status, rejected.order_id) == (OrderStatus.REJECTED, "179f9af8")
    assert (rejected.reason, rejected.order_quantity) == ("IOC_WOULD_NOT_EXECUTE", D(10000))
    named = order_of(answer("sendStatus", "insufficientAvailableFunds", cliOrdId="c1"))
    assert (named.status, named.client_order_id) == (OrderStatus.REJECTED, "c1")
    assert named.reason == "insufficientAvailableFunds"
    assert skipped(answer("sendStatus", "wouldNotReducePosition")) == ["failed_placement"]
    assert skipped(answer("editStatus", "orderForEditNotFound", orderId="1")) == ["failed_amend"]
    assert skipped(answer("editStatus", "postWouldExecute", REJECT, orderId="1")) == ["failed_amend"]
    assert skipped(answer("cancelStatus", "notFound", order_id="1")) == ["failed_cancel"]
    assert skipped(answer("cancelStatus", "noOrdersToCancel", cancelledOrders=[])) == ["failed_cancel"]


def test_edited_and_cancelled() -> None:
    event = {"type": "EDIT", "old": JSON_ORDER, "new": JSON_ORDER | {"quantity": 1501, "limitPrice": 7200}}
    edited = order_of(answer("editStatus", "edited", event, orderId="179f9af8"))
    assert (edited.status, edited.order_quantity, edited.limit_price) == (OrderStatus.NEW, D(1501), D(7200))
    assert edited.previous_order_id == ""
    moved = event | {"new": JSON_ORDER | {"orderId": "other"}}
    assert order_of(answer("editStatus", "edited", moved)).previous_order_id == "179f9af8"
    canceled = order_of(answer("cancelStatus", "cancelled", CANCEL, order_id="179f9af8"))
    assert (canceled.status, canceled.client_order_id) == (OrderStatus.CANCELED, "mine-5")
    bare = order_of(answer("cancelStatus", "cancelled", order_id="1"))
    assert (bare.status, bare.time) == (OrderStatus.CANCELED, ns("1567701232.734"))
    both = parse(answer("cancelStatus", "filled", order_id="1"))
    assert both.reports[0].status == OrderStatus.FILLED
    assert [entry.kind for entry in both.skipped] == ["failed_cancel"]
    every = parse(answer("cancelStatus", "cancelled", cancelledOrders=[{"order_id": "1"}, {"order_id": "2"}]))
    assert [(report.order_id, report.status) for report in every.reports] == [
        ("1", OrderStatus.CANCELED),
        ("2", OrderStatus.CANCELED),
    ]


def test_batch_of_the_futures() -> None:
    entries = [
        {"status": "placed", "order_tag": "1", "order_id": "022774bc", "orderEvents": [PLACE]},
        {"status": "cancelled", "order_id": "566942c8", "orderEvents": []},
        {"status": "insufficientAvailableFunds", "order_tag": "2", "cliOrdId": "c9"},
        {
            "status": "edited",
            "order_id": "7",
            "orderEvents": [{"type": "EDIT", "old": JSON_ORDER, "new": JSON_ORDER}],
        },
        {"status": "requiredArgumentMissing", "orderEvents": []},
        {"status": "notFound", "order_id": "5", "orderEvents": []},
        {"status": "invalidPrice", "order_id": "6", "orderEvents": []},
    ]
    parsed = parse({"result": "success", "serverTime": "2019-09-05T16:41:40.996Z", "batchStatus": entries})
    assert [(report.status, report.order_id or report.client_order_id) for report in parsed.reports] == [
        (OrderStatus.NEW, "179f9af8"),
        (OrderStatus.CANCELED, "566942c8"),
        (OrderStatus.REJECTED, "c9"),
        (OrderStatus.NEW, "179f9af8"),
    ]
    assert [entry.kind for entry in parsed.skipped] == ["failed_placement", "failed_cancel", "failed_amend"]
    assert order_of(entries[1]).status == OrderStatus.CANCELED
    assert skipped({"result": "success", "batchStatus": []}) == ["empty"]


@pytest.mark.parametrize(
    ("payload", "kinds"),
    [
        (
            {"result": "error", "error": "apiLimitExceeded", "serverTime": "2016-02-25T09:45:53.818Z"},
            ["request_error"],
        ),
        ({"result": "success", "fills": [], "serverTime": "2016-02-25T09:45:53.818Z"}, ["empty"]),
        ({"result": "success", "openOrders": []}, ["empty"]),
        ({"result": "success", "accounts": {}}, ["account"]),
        ({"result": "success", "openPositions": [{"side": "short", "symbol": "pi_xbtusd"}]}, ["account"]),
        ({"side": "short", "symbol": "pi_xbtusd", "price": 9392.7, "size": 10000}, ["position"]),
        ({"accountUid": "x", "logs": [{"info": "funding rate change"}]}, ["account_log"]),
        (
            {"tradeable": "PF_DOGEUSD", "oldPosition": "250", "executionUid": "7", "updateReason": "trade"},
            ["position"],
        ),
    ],
)
def test_futures_answers_that_are_skipped(payload: object, kinds: list[str]) -> None:
    assert skipped(payload) == kinds


# ------------------------------------------------------------ all of them

EVERY: list[object] = [
    rest({"trades": {"TID": TRADE}}),
    {"OID": ORDER},
    executions(EXECUTION, OPENED),
    FILL,
    {"feed": "fills", "fills": [FEED_FILL]},
    {"feed": "open_orders", "order": FEED_ORDER, "is_cancel": False, "reason": "partial_fill"},
    answer("sendStatus", "placed", EXECUTED, CANCEL),
    answer("editStatus", "postWouldExecute", REJECT),
    OPEN_ORDER,
    {
        "elements": [
            history("execution", execution=HISTORY_EXECUTION),
            history("OrderPlaced", order=HISTORY_ORDER),
        ]
    },
    rest({"descr": {"order": "buy 1 XBTUSD @ limit 2"}, "txid": ["O"]}),
    method("add_order", {"order_id": "O"}),
    {"orders": [{"order": JSON_ORDER, "status": "CANCELLED"}]},
]


def test_unknown_keys_and_shapes() -> None:
    for payload in ({}, {"foo": 1}, {"channel": "weird", "data": []}, {"feed": "weird"}, {"orderId": 1}):
        with pytest.raises(UnsupportedPayloadError):
            parse(payload)
    assert fill_of(TRADE | {"new_key": {"a": [1]}}).order_id == "OQCLML-BW3P3-BUCMWZ"


def test_claims() -> None:
    for payload in (
        TRADE,
        EXECUTION,
        FILL,
        {"feed": "fills", "fills": [FEED_FILL]},
        rest({"trades": {"T": TRADE}}),
        rest({"T": TRADE}),
        rest({"open": {"O": ORDER}}),
        answer("sendStatus", "placed", PLACE),
        executions(EXECUTION),
        {"fills": [FILL]},
        method("add_order", {"order_id": "O"}),
    ):
        assert venues.parse_payload("", "", json.dumps(payload).encode()).venue == "kraken"
    for path in FIXTURES.glob("*.json"):
        for case in json.loads(path.read_text(encoding="utf-8")):
            rows = case["payload"] if isinstance(case["payload"], list) else [case["payload"]]
            assert path.stem.startswith("kraken") or not any(kraken.claims(row) for row in rows), path.stem


def places(value: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, inner in entries:
        yield (*path, key)
        yield from places(inner, (*path, key))


@pytest.mark.parametrize("number", range(len(EVERY)))
def test_any_value_of_another_type_is_read_or_refused(number: int) -> None:
    for place in places(EVERY[number]):
        for value in (None, "", [], {}, True, 0, -1, 1.5, "x", "1e5", [{}], {"a": {}}, "\ud800", "1" * 60):
            document = copy.deepcopy(EVERY[number])
            holder: object = document
            for step in place[:-1]:
                holder = holder[step]  # type: ignore[index]
            holder[place[-1]] = value  # type: ignore[index]
            try:
                parsed = parse(document)
            except (InvalidFieldError, UnsupportedPayloadError) as error:
                error.text.encode()
                continue
            for fill in parsed.fills:
                assert fill.quantity > 0
                assert fill.symbol
                assert fill.side
                assert all(currency for currency, _ in fill.fees)
            for report in parsed.reports:
                assert report.status
                assert report.order_id or report.client_order_id
