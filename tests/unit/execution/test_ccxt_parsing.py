"""Raw rows of venues without a module, through ccxt's own parsers.

Rows are the samples of the venues' documentation as ccxt 4.5.90 quotes them: Crypto.com
(private/get-trades, private/get-order-detail: a negative fee is a deduction), HTX (v1/order/matchresults:
fees are positive, what was paid in points instead stands in filled-points; v1/order/orders), MEXC (spot
myTrades; futures: side 1 open long, 2 close short, 3 open short, 4 close long).
"""

import builtins
import json
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from fillhandler_server.domain.errors import InvalidFieldError, UnsupportedPayloadError
from fillhandler_server.domain.fills import ContractKind, Liquidity, Side
from fillhandler_server.domain.instruments import Instrument
from fillhandler_server.domain.reports import OrderStatus, ParsedPayload
from fillhandler_server.execution import payloads
from fillhandler_server.venues import SHIPPED

pytestmark = pytest.mark.parsing

D = Decimal


def parse(venue: str, payload: object) -> ParsedPayload:
    pytest.importorskip("ccxt", reason="ccxt is the extra `exchanges`")
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return payloads.parse_payload(venue, "desk", text.encode())


CRYPTOCOM = {
    "account_id": "ds075abc-1234-4321-bd6g-ff9007252r63", "event_date": "2023-06-16",
    "journal_type": "TRADING", "side": "BUY", "instrument_name": "BTC_USD", "fees": "-0.0000000525",
    "trade_id": "6142909898247428343", "trade_match_id": "4611686018455978480",
    "create_time": 1686941992887, "traded_price": "26347.16", "traded_quantity": "0.00021",
    "fee_instrument_name": "BTC", "client_oid": "d1c70a60-1234-4c92-b2a0-72b931cb31e0",
    "taker_side": "TAKER", "order_id": "6142909895036331486", "create_time_ns": "1686941992887207066",
}  # fmt: skip
CRYPTOCOM_ORDER = {
    "account_id": "ce075bef-1234-4321-bd6g-ff9007252e63", "order_id": "6530219477767564494",
    "client_oid": "CCXT_7ce730f0388441df9bc218", "order_type": "LIMIT", "time_in_force": "GOOD_TILL_CANCEL",
    "side": "BUY", "exec_inst": [], "quantity": "0.00020", "limit_price": "20000.00", "order_value": "4",
    "avg_price": "0", "trigger_price": "0", "ref_price": "0", "cumulative_quantity": "0",
    "cumulative_value": "0", "cumulative_fee": "0", "status": "ACTIVE", "order_date": "2023-06-15",
    "instrument_name": "BTC_USD", "fee_instrument_name": "BTC", "create_time": 1686806053992,
    "create_time_ns": "1686806053992921880", "update_time": 1686806053993,
}  # fmt: skip
HTX = {
    "symbol": "swftcbtc", "fee-currency": "swftc", "filled-fees": "0", "source": "spot-api",
    "id": 83789509854000, "type": "buy-limit", "order-id": 83711103204909,
    "filled-points": "0.005826843283532154", "fee-deduct-currency": "ht", "filled-amount": "45941.53",
    "price": "0.0000001401", "created-at": 1597933260729, "match-id": 100087455560, "role": "maker",
    "trade-id": 100050305348,
}  # fmt: skip
HTX_ORDER = {
    "id": 13997833014, "symbol": "ethbtc", "account-id": 3398321, "client-order-id": "23456",
    "amount": "0.045000000000000000", "price": "0.034014000000000000", "created-at": 1545836976871,
    "type": "sell-limit", "field-amount": "0.045000000000000000",
    "field-cash-amount": "0.001530630000000000", "field-fees": "0.000003061260000000",
    "finished-at": 1545837948214, "source": "spot-api", "state": "filled", "canceled-at": 0,
}  # fmt: skip
MEXC = {
    "symbol": "BTCUSDT", "id": "133948532984922113", "orderId": "133948532531949568", "orderListId": "-1",
    "price": "41995.51", "qty": "0.0002", "quoteQty": "8.399102", "commission": "0.016798204",
    "commissionAsset": "USDT", "time": "1647718055000", "isBuyer": True, "isMaker": False,
    "isBestMatch": True,
}  # fmt: skip
MEXC_FUTURES = {
    "id": "299444585", "symbol": "STEPN_USDT", "side": "2", "vol": "1", "price": "2.45455",
    "feeCurrency": "USDT", "fee": "0.00147273", "timestamp": "1648924557000", "profit": "0",
    "category": "1", "orderId": "265307163526610432", "positionMode": "1", "taker": True,
}  # fmt: skip


def test_crypto_com() -> None:
    parsed = parse("CryptoCom", CRYPTOCOM)
    (found,) = parsed.fills
    assert (parsed.venue, parsed.parser, found.venue, found.account) == (
        "cryptocom", "ccxt_parser", "cryptocom", "desk",
    )  # fmt: skip
    assert (found.order_id, found.trade_id) == ("6142909895036331486", "6142909898247428343")
    assert (found.side, found.quantity, found.price) == (Side.BUY, D("0.00021"), D("26347.16"))
    assert found.fees == (("BTC", D("0.0000000525")),)  # a deduction
    assert (found.liquidity, found.trade_time) == (Liquidity.TAKER, 1686941992887 * 10**6)
    # The venue's own spelling, because without its markets nobody knows what BTC_USD is.
    assert (found.symbol, found.market, found.contract_kind) == ("BTC_USD", "", ContractKind.UNSPECIFIED)


def test_crypto_com_in_its_envelope() -> None:
    envelope = {"id": 1, "method": "private/get-trades", "code": 0, "result": {"data": [CRYPTOCOM] * 2}}
    assert len(parse("cryptocom", envelope).fills) == 2


def test_a_crypto_com_order() -> None:
    (found,) = parse("cryptocom", CRYPTOCOM_ORDER).reports
    assert (found.status, found.side, found.type) == (OrderStatus.NEW, Side.BUY, "limit")
    assert (found.order_quantity, found.cumulative_quantity) == (D("0.0002"), D(0))
    assert (found.limit_price, found.average_price) == (D(20000), None)
    assert (found.client_order_id, found.create_time) == (
        "CCXT_7ce730f0388441df9bc218", 1686806053992 * 10**6,
    )  # fmt: skip


def test_htx() -> None:
    (found,) = parse("htx", {"status": "ok", "data": [HTX]}).fills
    assert (found.order_id, found.trade_id) == ("83711103204909", "100050305348")
    assert (found.side, found.quantity, found.price) == (Side.BUY, D("45941.53"), D("0.0000001401"))
    assert found.fees == (("HT", D("0.005826843283532154")),)  # every digit
    assert (found.symbol, found.liquidity) == ("swftcbtc", Liquidity.MAKER)


def test_an_htx_order() -> None:
    (found,) = parse("htx", [HTX_ORDER]).reports
    assert (found.order_id, found.client_order_id, found.symbol) == ("13997833014", "23456", "ethbtc")
    assert (found.status, found.side, found.type) == (OrderStatus.FILLED, Side.SELL, "limit")
    assert (found.order_quantity, found.cumulative_quantity) == (D("0.045"), D("0.045"))
    # Which ccxt divides out: 0.00153063 / 0.045 happens to be the limit price, which stands in the row.
    assert found.average_price == D("0.034014")
    other = {**HTX_ORDER, "field-cash-amount": "0.0015306311"}
    assert parse("htx", other).reports[0].average_price is None  # a quotient, cut off


def test_mexc() -> None:
    (found,) = parse("mexc", MEXC).fills
    assert (found.symbol, found.side, found.liquidity) == ("BTCUSDT", Side.BUY, Liquidity.TAKER)
    assert (found.quantity, found.price) == (D("0.0002"), D("41995.51"))
    assert found.fees == (("USDT", D("0.016798204")),)
    assert found.trade_time == 1647718055000 * 10**6


def test_json_numbers_keep_every_digit() -> None:
    text = json.dumps(MEXC).replace('"41995.51"', "41995.510000000000000001").replace('"0.0002"', "2e-4")
    (found,) = parse("mexc", text).fills
    assert (found.price, found.quantity) == (D("41995.510000000000000001"), D("0.0002"))


@pytest.mark.parametrize(
    ("venue", "row", "field", "said"),
    [
        # Close short, which ccxt takes for a sale.
        ("mexc", MEXC_FUTURES, "side", "from a code"),
        ("cryptocom", {**CRYPTOCOM, "traded_price": None}, "price", "missing"),
        ("cryptocom", {**CRYPTOCOM, "order_id": None}, "order", "missing"),
        ("cryptocom", {**CRYPTOCOM, "side": "HOLD"}, "side", "hold"),
        ("cryptocom", {**CRYPTOCOM_ORDER, "status": "PENDING"}, "status", "PENDING"),
    ],
)
def test_what_ccxt_cannot_read_is_a_fault_of_its_structure(
    venue: str, row: dict[str, Any], field: str, said: str
) -> None:
    with pytest.raises(InvalidFieldError, match="ccxt's parser of") as caught:
        parse(venue, [row])
    faults = {violation.field: violation.text for violation in caught.value.violations}
    assert said in faults[f"[0].{field}"]
    assert "RecordFills" in faults[f"[0].{field}"]


def test_what_ccxt_computes_or_guesses_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    ccxt = pytest.importorskip("ccxt", reason="ccxt is the extra `exchanges`")
    parse_trade = ccxt.cryptocom.parse_trade

    def computing(**changes: object) -> Callable[..., Any]:
        return lambda self, row, market=None: {**parse_trade(self, row, market), **changes}

    def read(**changes: object) -> ParsedPayload:
        monkeypatch.setattr(ccxt.cryptocom, "parse_trade", computing(**changes))
        return parse("cryptocom", CRYPTOCOM)

    for name in ("price", "amount"):
        for value in ("26347.159999999999999999", 0.1):
            with pytest.raises(InvalidFieldError, match="was computed"):
                read(**{name: value})
    (found,) = read(fee=None, fees=[{"cost": "0.7", "currency": "BTC"}]).fills
    assert found.fees == ()
    (found,) = read(fees=[{"cost": "-0.0000000525", "currency": "BTC"}]).fills
    assert found.fees == ()  # a rebate for a taker
    assert read(id="1686941992887-buy-0.00021").fills[0].trade_id_derived
    monkeypatch.setattr(ccxt.cryptocom, "parse_trade", parse_trade)
    (found,) = parse("cryptocom", {k: v for k, v in CRYPTOCOM.items() if k != "taker_side"}).fills
    assert found.liquidity == Liquidity.UNSPECIFIED


@pytest.mark.parametrize(
    "payload",
    [
        {"symbol": "BTCUSDT", "price": "1"},  # neither
        {**MEXC, "status": "FILLED"},  # both
        [[402088407, "tETHUST", 1574963975602, 34938060782, "-0.2", "153.57"]],  # by position
        {"code": 30002, "msg": "no"},
        {"data": [MEXC], "orders": [MEXC]},  # two lists
        [MEXC, {"a": 1}],
    ],
)
def test_no_telling_what_it_is(payload: object) -> None:
    with pytest.raises(UnsupportedPayloadError, match="send one row, a bare list") as caught:
        parse("mexc", payload)
    assert caught.value.metadata["venue"] == "mexc"


def test_a_parser_that_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some look for the symbol in the exchange's list of markets, which is not there."""
    ccxt = pytest.importorskip("ccxt", reason="ccxt is the extra `exchanges`")
    monkeypatch.setattr(ccxt.cryptocom, "parse_trade", lambda self, row, market=None: self.market("BTC/USD"))
    with pytest.raises(UnsupportedPayloadError, match=r"ccxt's parser gave up \(.*markets not loaded"):
        parse("cryptocom", CRYPTOCOM)


@pytest.mark.parametrize("payload", ["{", "5", '{"a": NaN}', '{"data":' * 5000 + "1" + "}" * 5000])
def test_no_rows_at_all(payload: str) -> None:
    with pytest.raises((InvalidFieldError, UnsupportedPayloadError)) as caught:
        parse("mexc", payload)
    if isinstance(caught.value, InvalidFieldError):
        assert caught.value.violations[0].field == "payload"


def test_an_empty_list() -> None:
    assert [skip.kind for skip in parse("mexc", {"code": 0, "data": []}).skipped] == ["empty"]


def test_the_instrument_table_knows_more() -> None:
    pytest.importorskip("ccxt", reason="ccxt is the extra `exchanges`")
    table = SHIPPED.adding(
        [Instrument("cryptocom", "BTC/USD", "spot", ContractKind.SPOT, base="BTC", aliases=("BTC_USD",))]
    )
    raw = json.dumps(CRYPTOCOM).encode()
    (found,) = payloads.parse_payload("cryptocom", "", raw, instruments=table).fills
    assert (found.symbol, found.market, found.contract_kind) == ("BTC/USD", "spot", ContractKind.SPOT)


# ------------------------------------------------------------------ which way


def refused(venue: str) -> str:
    with pytest.raises(InvalidFieldError) as caught:
        payloads.parse_payload(venue, "", b"{}")
    (violation,) = caught.value.violations
    assert violation.field == "venue"
    return violation.text


def test_a_venue_that_ccxt_does_not_know_either() -> None:
    pytest.importorskip("ccxt", reason="ccxt is the extra `exchanges`")
    text = refused("mtgox\x00\ud800")
    assert 'format "ccxt"' in text
    assert "binance, bitget" in text
    assert "pip install" not in text


def test_without_ccxt_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "ccxt":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    text = refused("mexc")
    assert "pip install 'fillhandler[exchanges]'" in text
    assert 'format "ccxt"' in text


def test_venues_with_a_module_and_formats_never_need_ccxt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ccxt", None)  # any import of it fails
    assert payloads.parse_payload("BINANCE", "", b"[]").parser == "venue"
    assert payloads.parse_payload("mexc", "", b"[]", format="ccxt").parser == "ccxt"
    assert not payloads.needs_thread("Binance", "")
    assert not payloads.needs_thread("", "")
    assert not payloads.needs_thread("mexc", "ccxt")
    assert payloads.needs_thread("mexc", "")
