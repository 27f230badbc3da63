"""Instruments and venues through the client, and the lists of products that are read."""

import json
from typing import Any

import pytest

from fillhandler import FillHandlerClient, SyncFillHandlerClient
from fillhandler.convert import FieldError
from fillhandler.instruments import fields_of, instrument, read_listing
from fillhandler.v1 import execution_service_pb2, fills_pb2
from fillhandler.v1 import instrument_service_pb2 as pb

FOO = {
    "venue": "phemex",
    "symbol": "FOOUSD",
    "market": "linear",
    "kind": "linear",
    "multiplier": "0.5",
    "base": "FOO",
    "quote": "USD",
    "settle": "USD",
    "price_places": 4,
    "lot_step": "1",
    "aliases": ["FOO-USD"],
}


async def test_lists_go_over_all_pages(server: Any) -> None:
    pages = [
        pb.ListInstrumentsResponse(instruments=[pb.Instrument(symbol="a")], next_page_token="t"),
        pb.ListInstrumentsResponse(instruments=[pb.Instrument(symbol="b")]),
    ]
    server.on("ListInstruments", *pages)
    async with FillHandlerClient(server.address) as client:
        found = [each.symbol async for each in client.list_instruments(venue="v", symbol="s", page_size=1)]
    assert found == ["a", "b"]
    requests = [call.requests[0] for call in server.calls]
    assert [(each.venue, each.symbol, each.page_size, each.page_token) for each in requests] == [
        ("v", "s", 1, ""),
        ("v", "s", 1, "t"),
    ]


async def test_import_takes_mappings_and_messages(server: Any) -> None:
    server.on("ImportInstruments", pb.ImportInstrumentsResponse(changed=2, total=9))
    async with FillHandlerClient(server.address) as client:
        answer = await client.import_instruments(
            [FOO, pb.Instrument(venue="v", symbol="w")], [{"venue": "v", "currency": "c", "places": 0}]
        )
        assert (answer.changed, answer.total) == (2, 9)
        (call,) = server.calls
        first, second = call.requests[0].instruments
        assert first.contract == fills_pb2.Contract(kind=fills_pb2.CONTRACT_KIND_LINEAR, multiplier="0.5")
        assert (first.base_currency, first.settle_currency, first.price_places) == ("FOO", "USD", 4)
        assert fields_of(first) == FOO
        assert second.symbol == "w"
        assert call.requests[0].value_places[0] == pb.ValuePlaces(venue="v", currency="c", places=0)
        for wrong, path in (
            ({"multipler": "1"}, "instruments[1].multipler"),
            ({"multiplier": 0.5}, "instruments[1].contract.multiplier"),
            ({"kind": "quanto"}, "instruments[1].contract.kind"),
            ({"aliases": "x"}, "instruments[1].aliases"),
        ):
            with pytest.raises(FieldError) as caught:
                await client.import_instruments([FOO, FOO | wrong])
            assert caught.value.field == path
        with pytest.raises(FieldError, match=r"value_places\[0\].places: is required"):
            await client.import_instruments(value_places=[{"venue": "v", "currency": "c"}])


def test_the_blocking_client_has_the_same(server: Any) -> None:
    server.on("ListVenues", execution_service_pb2.ListVenuesResponse(venues=[{"name": "okx"}]))
    server.on(
        "ListInstruments",
        pb.ListInstrumentsResponse(
            instruments=[pb.Instrument(symbol="a")], value_places=[pb.ValuePlaces(venue="v", places=3)]
        ),
    )
    server.on("ImportInstruments", pb.ImportInstrumentsResponse(total=1))
    with SyncFillHandlerClient(server.address) as client:
        assert [venue.name for venue in client.list_venues(venue="okx")] == ["okx"]
        assert [each.symbol for each in client.list_instruments()] == ["a"]
        assert [each.places for each in client.list_value_places(venue="v")] == [3]
        assert client.import_instruments([FOO]).total == 1


# ------------------------------------------------------------------ files


def read(document: object) -> tuple[list[dict[str, Any]], list[tuple[str, str, int]], int]:
    listing = read_listing(json.dumps(document))
    places = [(each.venue, each.currency, each.places) for each in listing.value_places]
    return [fields_of(each) for each in listing.instruments], places, listing.left_out


def test_our_own_file() -> None:
    places = [{"venue": "v", "currency": "c", "places": 0}]
    assert read({"instruments": [FOO], "value_places": places, "more": False}) == (
        [FOO],
        [("v", "c", 0)],
        0,
    )
    # A JSON number is read exactly.
    listing = read_listing(
        '{"instruments": [{"venue": "v", "symbol": "s", "multiplier": 0.10000000000000000001}]}'
    )
    assert listing.instruments[0].contract.multiplier == "0.10000000000000000001"
    assert instrument(listing.instruments[0]) is listing.instruments[0]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{", ""),
        ("[]", ""),
        ("{}", ""),
        ('{"data": {"products": []}}', ""),
        ('{"instruments": [], "valuePlaces": []}', "valuePlaces"),
        ('{"instruments": [], "value_places": {"a": 1}}', "value_places"),
        ('{"instruments": {"a": 1}}', "instruments"),
        ('{"instruments": [7]}', "instruments[0]"),
        ('{"instruments": [{"venue": true}]}', "instruments[0].venue"),
        ('{"value_places": [{"venue": "v", "currency": "c"}]}', "value_places[0].places"),
    ],
)
def test_a_wrong_file_is_told(text: str, field: str) -> None:
    with pytest.raises(FieldError) as caught:
        read_listing(text)
    assert caught.value.field == field


def test_phemex_products() -> None:
    products = [
        {"symbol": "BTCUSD", "type": "Perpetual", "contractUnderlyingAssets": "USD", "settleCurrency": "BTC",
         "quoteCurrency": "USD", "contractSize": 1.0, "priceScale": 4},
        {"symbol": "XRPUSD", "type": "Perpetual", "contractUnderlyingAssets": "XRP", "settleCurrency": "USD",
         "quoteCurrency": "USD", "contractSize": "5 XRP", "priceScale": 4},
        {"symbol": "ODDUSD", "type": "Perpetual", "contractUnderlyingAssets": "ODD", "settleCurrency": "BTC",
         "quoteCurrency": "USD", "contractSize": 0.1, "priceScale": 6},
        {"symbol": "sBTCUSDT", "type": "Spot", "baseCurrency": "BTC",
         "quoteCurrency": "USDT", "priceScale": 8},
        {"symbol": "BTCUSDT", "type": "PerpetualV2", "priceScale": 0},
    ]  # fmt: skip
    currencies = [
        {"currency": "BTC", "valueScale": 8},
        {"currency": "USD", "valueScale": 4},
        {"currency": "X"},
    ]
    instruments, places, left_out = read(
        {"code": 0, "msg": "", "data": {"currencies": currencies, "products": products}}
    )
    common = {"venue": "phemex", "quote": "USD", "price_places": 4}
    assert instruments == [
        common | {"symbol": "BTCUSD", "market": "inverse", "kind": "inverse", "multiplier": "1",
                  "base": "BTC", "settle": "BTC"},
        common | {"symbol": "XRPUSD", "market": "linear", "kind": "linear", "multiplier": "5", "base": "XRP",
                  "settle": "USD"},
        # A quanto contract: its scale, and nothing that is neither linear nor inverse.
        {"venue": "phemex", "symbol": "ODDUSD", "quote": "USD", "settle": "BTC", "price_places": 6},
        {"venue": "phemex", "symbol": "sBTCUSDT", "market": "spot", "kind": "spot", "base": "BTC",
         "quote": "USDT", "price_places": 8},
    ]  # fmt: skip
    assert (places, left_out) == ([("phemex", "BTC", 8), ("phemex", "USD", 4)], 1)


def test_okx_instruments() -> None:
    rows = [
        {"instType": "SWAP", "instId": "BTC-USD-SWAP", "uly": "BTC-USD", "settleCcy": "BTC", "ctVal": "100",
         "ctMult": "1", "ctValCcy": "USD", "ctType": "inverse", "lotSz": "0.1"},
        {"instType": "FUTURES", "instId": "FOO-USDT-260327", "uly": "FOO-USDT", "settleCcy": "USDT",
         "ctVal": "0.1", "ctMult": "10", "ctValCcy": "FOO", "ctType": "linear", "lotSz": "1"},
        {"instType": "SWAP", "instId": "BAR-USDT-SWAP", "uly": "BAR-USDT", "settleCcy": "USDT", "ctVal": "1",
         "ctMult": "1", "ctValCcy": "USDT", "ctType": "linear", "lotSz": "1"},
        {"instType": "SPOT", "instId": "BTC-USDT", "baseCcy": "BTC", "quoteCcy": "USDT",
         "lotSz": "0.00000001", "ctVal": "", "ctType": ""},
        {"instType": "OPTION", "instId": "BTC-USD-260327-50000-C", "ctType": "", "ctVal": "1"},
    ]  # fmt: skip
    instruments, _, left_out = read({"code": "0", "data": rows})
    assert [
        (each["symbol"], each["market"], each.get("multiplier"), each["base"], each["lot_step"])
        for each in instruments
    ] == [
        ("BTC-USD-SWAP", "inverse", "100", "BTC", "0.1"),
        ("FOO-USDT-260327", "linear", "1", "FOO", "1"),
        ("BAR-USDT-SWAP", "linear", None, "BAR", "1"),
        ("BTC-USDT", "spot", None, "BTC", "0.00000001"),
    ]
    assert left_out == 1


def test_binance_coin_margined() -> None:
    row = {"symbol": "NEWUSD_PERP", "pair": "NEWUSD", "contractSize": 10, "baseAsset": "NEW",
           "quoteAsset": "USD", "marginAsset": "NEW"}  # fmt: skip
    instruments, _, _ = read({"timezone": "UTC", "symbols": [row]})
    assert instruments == [
        {"venue": "binance", "symbol": "NEWUSD_PERP", "market": "inverse", "kind": "inverse",
         "multiplier": "10", "base": "NEW", "quote": "USD", "settle": "NEW"}
    ]  # fmt: skip
    with pytest.raises(FieldError, match="none that is known"):
        read({"timezone": "UTC", "symbols": [{"symbol": "BTCUSDT", "baseAsset": "BTC"}]})
