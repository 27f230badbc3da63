"""What an entry is, its keys tell; and every byte of a payload stays what it was."""

import io
import json
import time
from typing import Any

import pytest

from fillhandler.cli.entries import BadEntry, Content, check_fill, read_entries
from fillhandler.v1 import fill_service_pb2, fills_pb2


def content(text: str | bytes, venue: str = "binance", account: str = "second") -> Content:
    text = text.encode() if isinstance(text, str) else text
    (entry,) = read_entries(io.BytesIO(text), venue, account)
    return entry.content


def payload(text: str, venue: str = "binance", account: str = "second") -> fill_service_pb2.VenuePayload:
    return fill_service_pb2.VenuePayload(venue=venue, account=account, payload=text.encode())


@pytest.mark.parametrize(
    "text",
    [
        '{"orderId": 1, "price": 50000.000, "qty": 1e-05}',
        '{ "e" : "executionReport" , "q" : 0.10 }',
        '{"venue": "named", "payload": 1, "more": 2}',
        '{"venue": "x", "symbol": "y"}',
        '{"symbol": "y", "quantity": "1"}',
    ],
)
def test_a_venues_payload_is_passed_on_as_it_came(text: str) -> None:
    assert content(text) == payload(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '{"venue":"okx","account":"a","payload": {"p" : 1.10, "payload": 2} }',
            ('{"p" : 1.10, "payload": 2}', "okx", "a"),
        ),
        ('{"payload":[{"p":1.0}],"venue":"okx"}', ('[{"p":1.0}]', "okx", "second")),
        ('{"payload":{"p":1.0}}', ('{"p":1.0}', "binance", "second")),
        ('{"venue":"okx","payload":"{\\"p\\": 1.0}"}', ('{"p": 1.0}', "okx", "second")),
        ('{ "venue" : "okx" , "payload" : { "s" : "}\\"" } }', ('{ "s" : "}\\"" }', "okx", "second")),
        ('{"payload":{"p":1},"payload":{"p":2}}', ('{"p":2}', "binance", "second")),
        ('{"pay\\u006coad":{"p":1.0}}', ('{"p":1.0}', "binance", "second")),
        ('{"venue":"","payload":{}}', ("{}", "binance", "second")),
    ],
)
def test_a_wrapped_payload_is_what_stands_inside(text: str, expected: tuple[str, str, str]) -> None:
    assert content(text) == payload(*expected)


@pytest.mark.parametrize(
    ("text", "default", "expected"),
    [
        ('{"id": "1", "amount": "2"}', "ccxt", "ccxt"),
        ('{"venue":"x","format":"ccxt","payload":{"id": "1"}}', "", "ccxt"),
        ('{"venue":"x","payload":{"id": "1"}}', "ccxt", "ccxt"),
        ('{"venue":"x","format":"","payload":{"id": "1"}}', "ccxt", ""),
    ],
)
def test_the_format_is_the_entrys_own_or_the_options(text: str, default: str, expected: str) -> None:
    (entry,) = read_entries(io.BytesIO(text.encode()), "x", "a", default)
    assert isinstance(entry.content, fill_service_pb2.VenuePayload)
    assert entry.content.format == expected
    assert entry.content.payload.decode() in text


def test_a_format_that_is_no_text() -> None:
    assert content('{"format":true,"payload":{}}') == BadEntry("INVALID_FIELD", "format", "text is needed")


def test_a_fill_in_protobuf_json() -> None:
    fill = fills_pb2.Fill(
        venue="okx",
        account="second",
        symbol="BTC-USDT",
        side=fills_pb2.SIDE_SELL,
        quantity="0.10",
        price="-3",
        trade_id="9007199254740993",
        fees=[fills_pb2.Fee(amount="0.1", currency="USDT")],
    )
    assert (
        content(
            '{"venue": "okx", "symbol": "BTC-USDT", "side": 2, "quantity": 0.10, "price": "-3",'
            ' "tradeId": 9007199254740993, "fees": [{"amount": 0.1, "currency": "USDT"}]}'
        )
        == fill
    )
    assert content('{"venue": "v", "symbol": "s", "quantity": "1", "account": "own"}') == fills_pb2.Fill(
        venue="v", symbol="s", quantity="1", account="own"
    )


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("nonsense", "", "not JSON"),
        ('{"a": NaN}', "", "NaN"),
        ('{"a": 1', "", "not JSON"),
        (b'{"a": "\xff"}', "", "not JSON"),
        ("17", "", "an object"),
        ('"text"', "", "an object"),
        ('{"venue": true, "payload": {}}', "venue", "text"),
        ('{"payload": null}', "payload", "object"),
        ('{"venue": "v", "symbol": "s", "quantity": "1", "qty": 2}', "qty", "no such field"),
        ('{"venue": "v", "symbol": "s", "quantity": "1", "side": "UP"}', "side", "UP"),
        (
            '{"venue": "v", "symbol": "s", "quantity": "1", "fees": [{"amount": true}]}',
            "fees[0].amount",
            "text",
        ),
        ('{"venue": "v", "symbol": "s", "quantity": ["1"]}', "quantity", "text"),
        ('{"venue": "v", "symbol": "s", "quantity": "1", "fees": 3}', "fees", "list"),
        ('{"venue": "v", "symbol": "s", "quantity": "1", "metadata": 3}', "metadata", "mapping"),
        ('{"venue": "v", "symbol": "s", "quantity": "1", "sequence": 99999999999999999999}', "", ""),
        ('{"venue": "\\ud800", "symbol": "s", "quantity": "1"}', "", "surrogates"),
        ('{"venue": "\\ud800", "payload": {}}', "", "Unicode"),
        ('{"payload": "\\ud800"}', "", "Unicode"),
    ],
)
def test_what_cannot_be_sent(text: str | bytes, field: str, words: str) -> None:
    bad = content(text)
    assert isinstance(bad, BadEntry)
    assert bad.reason == "INVALID_FIELD"
    assert bad.field == field
    assert words in bad.text


@pytest.mark.parametrize(
    "text",
    [
        '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"a": ' * 50_000,
        '{"a": ' + "9" * 1_000_000 + "}",
        '{"a": 1e999999999}',
        '{"venue": "v", "symbol": "s", "quantity": 1e999999999}',
    ],
)
def test_hostile_entries_cost_nothing(text: str) -> None:
    started = time.perf_counter()
    content(text)
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({}, None),
        ({"price": "0"}, None),
        ({"price": "-1.5"}, None),
        ({"venue": ""}, "venue"),
        ({"symbol": ""}, "symbol"),
        ({"side": "SIDE_UNSPECIFIED"}, "side"),
        ({"quantity": "0.00"}, "quantity"),
        ({"quantity": "-1"}, "quantity"),
        ({"quantity": "1e5"}, "quantity"),
        ({"quantity": "1_0"}, "quantity"),
        ({"quantity": "\u0661"}, "quantity"),
        ({"quantity": "1" * 21}, "quantity"),
        ({"quantity": "0." + "1" * 19}, "quantity"),
        ({"price": " 1"}, "price"),
        ({"price": "NaN"}, "price"),
        ({"contract": {"multiplier": "x"}}, "contract.multiplier"),
        ({"fees": [{"amount": "1", "currency": "X"}, {"amount": ".1", "currency": "X"}]}, "fees[1].amount"),
        ({"fees": [{"amount": "1"}]}, "fees[0].currency"),
    ],
)
def test_what_strict_finds_about_a_fill(change: dict[str, Any], field: str | None) -> None:
    fill = {"venue": "v", "symbol": "s", "side": "SIDE_BUY", "quantity": "1", **change}
    message = content(json.dumps(fill))
    assert isinstance(message, fills_pb2.Fill)
    bad = check_fill(message)
    assert (bad and bad.field) == field
