"""ccxt's unified structures, of any venue: what each field becomes, and what is refused.

Shapes are docs.ccxt.com's trade and order structures, as `safe_trade` and `safe_order` of ccxt 4.5.90 give
them with `{"number": str}`.
"""

import json
from decimal import Decimal

import pytest

from fillhandler_server import venues
from fillhandler_server.domain.errors import InvalidFieldError, UnsupportedPayloadError
from fillhandler_server.domain.fills import ContractKind, Fill, Liquidity, Side
from fillhandler_server.domain.instruments import Instrument
from fillhandler_server.domain.reports import OrderReport, OrderStatus, ParsedPayload

pytestmark = pytest.mark.parsing

D = Decimal

TRADE = {
    "info": {"raw": 0.1, "deep": {"price": 1e-5}}, "timestamp": 1502962946216,
    "datetime": "2017-08-17T12:42:48.000Z", "symbol": "ETH/BTC", "id": "12345-67890:09876/54321",
    "order": "12345-67890:09876/54321-o", "type": "limit", "side": "sell", "takerOrMaker": "taker",
    "price": "0.06917684", "amount": "1.5000", "cost": "0.10376526",
    "fee": {"cost": "0.0015", "currency": "ETH", "rate": "0.002"},
    "fees": [{"cost": "0.0015", "currency": "ETH", "rate": "0.002"}],
}  # fmt: skip

ORDER = {
    "info": {"raw": 0.1}, "id": "12345-67890:09876/54321", "clientOrderId": "abcdef-ghijklmnop-qrstuvwxyz",
    "datetime": "2017-08-17T12:42:48.000Z", "timestamp": 1502962946216, "lastTradeTimestamp": 1502962956216,
    "lastUpdateTimestamp": None, "status": "open", "symbol": "ETH/BTC", "type": "limit",
    "timeInForce": "GTC", "side": "sell", "price": "0.06917684", "average": "0.06917700",
    "amount": "1.5", "filled": "1.1", "remaining": "0.4", "cost": "0.0760947", "trades": [],
    "fee": {"currency": "BTC", "cost": "0.0009", "rate": "0.002"}, "fees": [], "postOnly": None,
    "reduceOnly": None, "triggerPrice": None, "stopPrice": None,
}  # fmt: skip


def parse(payload: object, venue: str = "somex") -> ParsedPayload:
    return venues.parse_payload(venue, "desk", json.dumps(payload).encode(), format="ccxt")


def fill(**changes: object) -> Fill:
    (found,) = parse({**TRADE, **changes}).fills
    return found


def report(**changes: object) -> OrderReport:
    (found,) = parse({**ORDER, **changes}).reports
    return found


def refused(payload: object) -> dict[str, str]:
    with pytest.raises(InvalidFieldError) as caught:
        parse(payload)
    return {violation.field: violation.text for violation in caught.value.violations}


def test_a_trade() -> None:
    parsed = parse(TRADE, "SomeX")
    (found,) = parsed.fills
    assert (parsed.venue, parsed.parser, parsed.reports, parsed.skipped) == ("somex", "ccxt", [], [])
    assert (found.venue, found.account, found.symbol, found.market) == ("somex", "desk", "ETH/BTC", "spot")
    assert (found.order_id, found.trade_id) == ("12345-67890:09876/54321-o", "12345-67890:09876/54321")
    assert (found.side, found.quantity, found.price) == (Side.SELL, D("1.5000"), D("0.06917684"))
    assert found.fees == (("ETH", D("0.0015")),)
    assert found.liquidity == Liquidity.TAKER
    assert found.trade_time == 1502962946216 * 10**6
    assert (found.contract_kind, found.multiplier) == (ContractKind.SPOT, None)
    assert (found.base_currency, found.quote_currency) == ("ETH", "BTC")
    assert found.metadata == {}


def test_an_order() -> None:
    found = report()
    assert (found.order_id, found.client_order_id) == (ORDER["id"], ORDER["clientOrderId"])
    assert (found.status, found.side, found.type) == (OrderStatus.PARTIALLY_FILLED, Side.SELL, "limit")
    assert (found.order_quantity, found.cumulative_quantity) == (D("1.5"), D("1.1"))
    assert (found.average_price, found.limit_price) == (D("0.069177"), D("0.06917684"))
    assert (found.create_time, found.time) == (1502962946216 * 10**6, 1502962956216 * 10**6)
    assert (found.market, found.contract_kind) == ("spot", ContractKind.SPOT)
    assert (found.base_currency, found.quote_currency) == ("ETH", "BTC")
    assert found.metadata == {}


def test_a_list_of_both_and_an_empty_one() -> None:
    parsed = parse([TRADE, ORDER, {**TRADE, "id": "2"}])
    assert ([each.trade_id for each in parsed.fills], len(parsed.reports)) == ([TRADE["id"], "2"], 1)
    (skipped,) = parse([]).skipped
    assert skipped.kind == "empty"


@pytest.mark.parametrize(
    ("symbol", "market", "kind", "base", "quote"),
    [
        ("BTC/USDT", "spot", ContractKind.SPOT, "BTC", "USDT"),
        ("BTC/USDT:USDT", "linear", ContractKind.LINEAR, "BTC", "USDT"),
        ("BTC/USD:BTC", "inverse", ContractKind.INVERSE, "BTC", "USD"),
        ("BTC/USDT:USDT-241227", "linear", ContractKind.LINEAR, "BTC", "USDT"),
        ("BTC/USD:BTC-241227", "inverse", ContractKind.INVERSE, "BTC", "USD"),
        ("BTC/USD:BTC-241227-60000-C", "option", ContractKind.UNSPECIFIED, "BTC", "USD"),
        ("ETH/USD:BTC", "", ContractKind.UNSPECIFIED, "ETH", "USD"),  # quanto
        ("1000SHIB/USDT:USDT", "linear", ContractKind.LINEAR, "1000SHIB", "USDT"),
        ("XBTUSD", "", ContractKind.UNSPECIFIED, "", ""),  # a venue's own, which ccxt could not resolve
        ("BTC/USDT/X", "", ContractKind.UNSPECIFIED, "", ""),
    ],
)
def test_what_a_symbol_says(symbol: str, market: str, kind: int, base: str, quote: str) -> None:
    for found in (fill(symbol=symbol), report(symbol=symbol)):
        assert (found.symbol, found.market, found.contract_kind) == (symbol, market, kind)
        assert (found.base_currency, found.quote_currency) == (base, quote)
        assert found.multiplier is None


def test_contracts_stay_contracts_and_take_their_size_from_the_table() -> None:
    symbol = "BTC/USDT:USDT"
    row = json.dumps({**TRADE, "symbol": symbol, "amount": 3}).encode()
    table = venues.SHIPPED.adding([Instrument("somex", symbol, "linear", multiplier=D("0.001"))])
    (found,) = venues.parse_payload("somex", "", row, format="ccxt", instruments=table).fills
    assert (found.quantity, found.multiplier) == (D(3), D("0.001"))


@pytest.mark.parametrize(
    ("changes", "fees"),
    [
        ({"fee": None, "fees": []}, ()),
        ({"fee": None, "fees": None}, ()),
        ({"fee": {"cost": None, "currency": "BNB"}, "fees": [{"cost": None, "currency": "BNB"}]}, ()),
        ({"fees": []}, (("ETH", D("0.0015")),)),
        ({"fee": {"cost": "-0.5", "currency": "USDT"}, "fees": []}, (("USDT", D("-0.5")),)),
        ({"fee": {"cost": 1, "currency": "USDT"}, "fees": []}, (("USDT", D(1)),)),
        ({"fee": {"cost": "0", "currency": None}, "fees": []}, ()),
        (
            {"fees": [{"cost": "1", "currency": "USDT"}, {"cost": "2", "currency": "BNB"},
                      {"cost": "0.5", "currency": "USDT"}]},
            (("BNB", D(2)), ("USDT", D("1.5"))),
        ),
    ],
)  # fmt: skip
def test_fees(changes: dict[str, object], fees: tuple[tuple[str, Decimal], ...]) -> None:
    assert fill(**changes).fees == fees


@pytest.mark.parametrize("value", [0.1, 1.0, 1e-05])
@pytest.mark.parametrize(
    ("row", "field"),
    [
        *((TRADE, key) for key in ("amount", "price")),
        *((ORDER, key) for key in ("amount", "filled", "remaining", "average", "price")),
    ],
)
def test_floats_are_refused_by_name(row: dict[str, object], field: str, value: float) -> None:
    faults = refused({**row, field: value})
    assert '{"number": str}' in faults[field]
    assert "[1]." + field in refused([TRADE, {**row, field: value}])


def test_floats_in_fees_are_refused_and_floats_that_nobody_reads_are_not() -> None:
    assert list(refused({**TRADE, "fees": [{"cost": 0.1, "currency": "X"}]})) == ["fees[0].cost"]
    assert list(refused({**TRADE, "fees": [], "fee": {"cost": 0.1, "currency": "X"}})) == ["fee.cost"]
    assert fill(cost=0.1).quantity == D("1.5")
    assert report(cost=0.1, stopPrice=1.5, fee={"cost": 0.1}).cumulative_quantity == D("1.1")


def test_null_is_absent() -> None:
    found = fill(takerOrMaker=None, timestamp=None, clientOrderId=None, type=None)
    assert (found.liquidity, found.trade_time) == (Liquidity.UNSPECIFIED, None)
    without_id = fill(id=None)
    assert without_id.trade_id_derived
    bare = report(**dict.fromkeys(ORDER, None) | {"id": 7, "status": "canceled"})
    assert (bare.order_id, bare.status, bare.symbol, bare.side) == ("7", OrderStatus.CANCELED, "", 0)
    assert (bare.order_quantity, bare.cumulative_quantity, bare.average_price) == (None, None, None)


@pytest.mark.parametrize(
    ("changes", "status", "cumulative"),
    [
        ({"filled": "0", "remaining": "1.5"}, OrderStatus.NEW, "0"),
        ({"filled": None, "remaining": None}, OrderStatus.NEW, None),
        ({}, OrderStatus.PARTIALLY_FILLED, "1.1"),
        ({"status": "closed", "filled": "1.5", "remaining": "0"}, OrderStatus.FILLED, "1.5"),
        ({"status": "closed", "amount": None, "remaining": None}, OrderStatus.FILLED, "1.1"),
        ({"status": "closed", "filled": None, "remaining": None}, OrderStatus.FILLED, None),
        ({"status": "closed"}, OrderStatus.CANCELED, "1.1"),
        ({"status": "closed", "filled": "0", "remaining": "1.5"}, OrderStatus.CANCELED, "0"),
        ({"status": "canceled"}, OrderStatus.CANCELED, "1.1"),
        ({"status": "cancelled"}, OrderStatus.CANCELED, "1.1"),
        ({"status": "canceling"}, OrderStatus.PENDING_CANCEL, "1.1"),
        ({"status": "expired"}, OrderStatus.EXPIRED, "1.1"),
        ({"status": "rejected"}, OrderStatus.REJECTED, "1.1"),
        ({"status": None}, OrderStatus.PARTIALLY_FILLED, "1.1"),
        ({"status": None, "filled": "1.5", "remaining": None}, OrderStatus.FILLED, "1.5"),
        ({"status": None, "filled": "0", "remaining": None}, OrderStatus.NEW, "0"),
        ({"filled": None}, OrderStatus.PARTIALLY_FILLED, "1.1"),  # amount - remaining
    ],
)
def test_status(changes: dict[str, object], status: OrderStatus, cumulative: str | None) -> None:
    found = report(**changes)
    assert found.status == status
    assert found.cumulative_quantity == (None if cumulative is None else D(cumulative))
    closed_early = changes.get("status") == "closed" and status == OrderStatus.CANCELED
    assert found.reason == (f"closed with {cumulative} of 1.5 filled" if closed_early else "")


def test_what_an_order_leaves_open() -> None:
    assert report(amount=None).order_quantity == D("1.5")  # filled + remaining
    assert report(type="market", price="0.069177").limit_price is None  # ccxt repeats the average there
    assert report(postOnly=True).type == "post_only"
    assert report(filled="0", remaining="1.5", average="0").average_price is None
    assert report(lastUpdateTimestamp=1502962966216).time == 1502962966216 * 10**6
    # A cancellation happens after the last trade, nobody says when.
    assert report(status="canceled").time is None


def test_an_order_that_says_nothing_is_skipped() -> None:
    """What `create_order` and `cancel_order` give where the venue only answers with an id."""
    (skipped,) = parse({**dict.fromkeys(ORDER, None), "id": "7"}).skipped
    assert skipped.kind == "order_without_status"


def test_trades_within_an_order_are_fills_if_they_have_an_id() -> None:
    inner = {**TRADE, "order": None}
    parsed = parse({**ORDER, "trades": [inner, {**inner, "id": None}]})
    (found,) = parsed.fills
    assert (found.order_id, found.trade_id) == (ORDER["id"], TRADE["id"])
    assert [skip.kind for skip in parsed.skipped] == ["trade_without_id"]
    assert list(refused({**ORDER, "trades": [{**inner, "amount": 0.5}]})) == ["trades[0].amount"]


@pytest.mark.parametrize(
    ("payload", "fields"),
    [
        ({**TRADE, "order": None}, ["order"]),  # a public trade
        ({**TRADE, "symbol": None, "side": "BUY", "amount": "0"}, ["symbol", "side", "amount"]),
        ({**TRADE, "price": None, "amount": "1,5"}, ["amount", "price"]),
        ({**TRADE, "takerOrMaker": "both", "timestamp": "now"}, ["takerOrMaker", "timestamp"]),
        ({**TRADE, "fees": [{"cost": "1"}]}, ["fees[0].currency"]),
        ({**ORDER, "id": None, "clientOrderId": None}, ["id"]),
        ({**ORDER, "status": "FILLED"}, ["status"]),
        ({**ORDER, "filled": None, "remaining": "2"}, ["remaining"]),
        ({**ORDER, "filled": "-1"}, ["filled"]),
        ([TRADE, 5], ["[1]"]),
        ("text", ["payload"]),
    ],
)
def test_what_is_refused(payload: object, fields: list[str]) -> None:
    assert set(refused(payload)) == set(fields)


def test_other_structures_are_not_understood() -> None:
    with pytest.raises(UnsupportedPayloadError, match="ccxt_order, ccxt_trade"):
        parse({"symbol": "BTC/USDT", "bid": "1", "ask": "2"})


@pytest.mark.parametrize("venue", ["", "a b", "é", "x" * 65, "-x"])
def test_the_venue_is_needed_and_may_be_any_name(venue: str) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        parse(TRADE, venue)
    assert caught.value.violations[0].field == "venue"


def test_any_name_and_known_venues_too() -> None:
    for venue in ("binance", "my-own.dex_2", "x" * 64):
        assert parse(TRADE, venue).fills[0].venue == venue


def test_an_unknown_format_names_those_that_are_known() -> None:
    with pytest.raises(InvalidFieldError, match='"ccxt"') as caught:
        venues.parse_payload("binance", "", b"{}", format="fix")
    assert caught.value.violations[0].field == "format"
    assert venues.parse_payload("binance", "", b"[]").parser == "venue"
