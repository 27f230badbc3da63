"""What every venue's module refuses, and how: never anything but the two errors of a payload."""

import contextlib
import copy
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.venue_cases import cases_of, described_fill, described_order

from fillhandler_server import venues
from fillhandler_server.domain.errors import InvalidFieldError, UnsupportedPayloadError
from fillhandler_server.domain.fills import Liquidity, Side
from fillhandler_server.domain.numbers import canonical, is_number

pytestmark = pytest.mark.parsing

PAYLOADS = [(venue, case["payload"]) for venue in venues.known() for case in cases_of(venue)]


def field_of(venue: str, payload: bytes) -> str:
    with pytest.raises(InvalidFieldError) as caught:
        venues.parse_payload(venue, "", payload)
    return caught.value.violations[0].field


def test_known() -> None:
    assert venues.known() == tuple(sorted(venues.known()))
    assert {"binance", "bitget", "phemex"} <= set(venues.known())


def test_the_venue() -> None:
    assert venues.parse_payload("BINANCE", "", b"[]").venue == "binance"
    with pytest.raises(InvalidFieldError, match="binance, bitget") as caught:
        venues.parse_payload("mtgox\x00\ud800", "", b"{}")
    assert caught.value.violations[0].field == "venue"
    caught.value.text.encode()
    for payload in (
        b"{}",
        b"[]",
        b"1",
        b'{"orderId": 1}',
        b'{"e": ["executionReport"]}',
        b'{"data": {"e": {}}}',
    ):
        assert field_of("", payload) == "venue"


@pytest.mark.parametrize("name", ["binance", "bitget", "phemex"])
def test_the_flat_forms_name_their_venue(name: str) -> None:
    flat = next(payload for venue, payload in PAYLOADS if venue == name)
    for document in (flat, [flat]):
        parsed = venues.parse_payload("", "desk", json.dumps(document).encode())
        assert (parsed.venue, parsed.fills[0].venue, parsed.fills[0].account) == (name, name, "desk")


def test_other_payloads_never_name_a_wrong_venue() -> None:
    told = 0
    for venue, payload in PAYLOADS:
        with contextlib.suppress(InvalidFieldError):
            assert venues.parse_payload("", "", json.dumps(payload).encode()).venue == venue
            told += 1
    assert told >= 25


def test_no_two_venues_claim_a_payload() -> None:
    for venue, payload in PAYLOADS:
        first = payload[0] if isinstance(payload, list) else payload
        claiming = {each.name for each in venues.listed() if each.claims(first)}
        assert claiming <= {venue}, payload


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b'{"e": "executionReport"',
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"{'a': 1}",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1, "a": 2}',
        b'{"a": "\x01"}',
        b'"text"',
        b"null",
        b"17",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a": ' + b"9" * 10_000 + b"}",
    ],
    ids=lambda payload: repr(payload[:20]),
)
def test_bytes_that_are_no_payload(payload: bytes) -> None:
    for venue in venues.known():
        assert field_of(venue, payload) == "payload"


def test_wrappers_in_wrappers() -> None:
    for head, tail in ((b'{"stream": "x", "data": ', b"}"), (b'{"code": "00000", "data": ', b"}")):
        for depth in (50, 900):
            payload = head * depth + b'{"e": "balanceUpdate"}' + tail * depth
            for venue in venues.known():
                with contextlib.suppress(InvalidFieldError, UnsupportedPayloadError):
                    assert not venues.parse_payload(venue, "", payload).fills


def test_the_same_name_twice_with_one_value_is_harmless() -> None:
    assert venues.parse_payload("binance", "", b'{"e": "balanceUpdate", "E": 1, "E": 1}').skipped


def test_where_the_text_breaks() -> None:
    with pytest.raises(InvalidFieldError, match="line 2, column 7"):
        venues.parse_payload("binance", "", b'{"a": 1,\n "b": }')


def test_an_empty_list_holds_nothing() -> None:
    for venue in venues.known():
        parsed = venues.parse_payload(venue, "", b" [] ")
        assert ((parsed.fills, parsed.reports), [s.kind for s in parsed.skipped]) == (([], []), ["empty"])


def test_entries_that_are_no_objects() -> None:
    for venue in venues.known():
        assert field_of(venue, b"[1]") == "[0]"
        assert field_of(venue, b"[[1, 2]]") == "[0]"


def test_exact_numbers_of_json() -> None:
    payload = (
        b'{"orderId": 9007199254740993, "symbol": "BTCUSDT", "side": "BUY", '
        b'"fills": [{"tradeId": 18014398509481985, '
        b'"qty": 1e-05, "price": 0.1000000000000000055, "commission": 2.5E+3, "commissionAsset": "USDT"}]}'
    )
    assert field_of("binance", payload) == "fills[0].price"  # 19 places
    (fill,) = venues.parse_payload("binance", "", payload.replace(b"055,", b"05,")).fills
    assert (fill.order_id, fill.trade_id) == ("9007199254740993", "18014398509481985")
    assert canonical(fill.quantity) == "0.00001"
    assert canonical(fill.price or fill.quantity) == "0.100000000000000005"
    assert canonical(fill.fees[0][1]) == "2500"


def test_long_numbers_are_kept_whole() -> None:
    # 38 digits: more than the default decimal context holds.
    long = "12345678901234567890.123456789012345678"
    row = {
        "tradeId": "1", "symbol": "ETHUSDT", "orderId": "2", "price": long, "baseVolume": long, "side": "buy",
        "feeDetail": [{"deduction": "no", "feeCoin": "USDT", "totalFee": "-" + long}],
        "posMode": "one_way_mode",
        "tradeSide": "buy_single", "cTime": "1627293509612",
    }  # fmt: skip
    (fill,) = venues.parse_payload("bitget", "", json.dumps(row).encode()).fills
    assert [canonical(value) for value in (fill.quantity, fill.price or 0, fill.fees[0][1])] == [long] * 3  # type: ignore[arg-type]


def test_an_accepted_cancel_or_amend_without_a_time_is_no_report() -> None:
    """By its arrival it would keep an order pending whose own updates came first."""
    okx_cancel = {"ordId": "1", "clOrdId": "mine", "sCode": "0", "sMsg": ""}
    bybit_amend = {"reqId": "5", "retCode": 0, "retMsg": "OK", "op": "order.amend"}
    for venue, payload, count in (
        ("okx", {"id": "1", "op": "batch-cancel-orders", "code": "0", "data": [okx_cancel] * 2}, 2),
        ("bybit", bybit_amend | {"data": {"orderId": "1", "orderLinkId": "mine"}}, 1),
    ):
        parsed = venues.parse_payload(venue, "", json.dumps(payload).encode())
        assert (parsed.fills, parsed.reports) == ([], [])
        assert [(entry.kind, entry.reason, entry.count) for entry in parsed.skipped] == [
            ("acknowledgement", "an accepted cancel or amend", count)
        ]


@pytest.mark.parametrize(
    ("venue", "payload"),
    [
        (
            "okx",
            {
                "op": "cancel-order",
                "code": "0",
                "data": [{"ordId": "1", "sCode": "0", "ts": "1695190491421"}],
            },
        ),
        ("okx", {"op": "order", "code": "0", "data": [{"ordId": "1", "sCode": "0"}]}),
        (
            "coinbase",
            {
                "orders": [
                    {
                        "order_id": "1",
                        "product_id": "BTC-USD",
                        "side": "BUY",
                        "filled_size": "0.1",
                        "status": "CANCEL_QUEUED",
                    }
                ]
            },
        ),
    ],
    ids=["a cancel with a time", "a placement", "an order with figures"],
)
def test_what_says_more_than_that_a_request_was_accepted_stays_a_report(venue: str, payload: object) -> None:
    parsed = venues.parse_payload(venue, "", json.dumps(payload).encode())
    assert ([report.order_id for report in parsed.reports], parsed.skipped) == (["1"], [])


# ------------------------------------------------------------------------- fuzz

_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**25), 10**25),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(
        ["", "0", "-1", "1e5", "buy", "BUY", "Filled", "NEW", "00000", "\ud800", "\x00", "9" * 50]
    ),
)
_NAMES = sorted(
    {name for _, payload in PAYLOADS for name in json.dumps(payload).split('"') if name.isalnum()}
)
_DOCUMENTS = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=8),
    max_leaves=20,
)


def check(venue: str, document: object) -> None:
    """Parses it; whatever was taken is fit to be recorded."""
    try:
        parsed = venues.parse_payload(venue, "", json.dumps(document).encode())
    except (InvalidFieldError, UnsupportedPayloadError) as error:
        error.text.encode()
        return
    for fill in parsed.fills:
        assert fill.quantity > 0
        assert is_number(canonical(fill.quantity))
        assert fill.price is None or is_number(canonical(fill.price))
        assert all(currency and is_number(canonical(amount)) for currency, amount in fill.fees)
        assert fill.symbol
        assert fill.trade_id
        assert fill.side in (Side.BUY, Side.SELL)
        assert fill.liquidity in tuple(Liquidity)
        assert fill.trade_time is None or 0 < fill.trade_time < 2**63
        for text in (
            fill.symbol,
            fill.order_id,
            fill.client_order_id,
            fill.trade_id,
            *fill.metadata.values(),
        ):
            assert text.isprintable()
    for report in parsed.reports:
        assert report.status
        assert report.order_id or report.client_order_id
        assert report.reason.isprintable()
    for skipped in parsed.skipped:
        assert skipped.kind
        assert (skipped.kind + skipped.reason).isprintable()


@given(venue=st.sampled_from([*venues.known(), ""]), document=_DOCUMENTS)
def test_fuzz_of_documents(venue: str, document: object) -> None:
    check(venue, document)


def places(value: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """Every place in a document below its top."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*path, key)
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield (*path, index)
            yield from places(inner, (*path, index))


_PLACES = [(venue, payload, place) for venue, payload in PAYLOADS for place in places(payload)]


def changed(payload: object, place: tuple[object, ...], value: object, *, drop: bool) -> object:
    document = copy.deepcopy(payload)
    holder = document
    for step in place[:-1]:
        holder = holder[step]  # type: ignore[index]
    if drop:
        del holder[place[-1]]  # type: ignore[attr-defined]
    else:
        holder[place[-1]] = value  # type: ignore[index]
    return document


def test_every_value_dropped_and_every_value_of_another_type() -> None:
    for venue, payload, place in _PLACES:
        check(venue, changed(payload, place, None, drop=True))
        for value in (None, "", [], {}, True, 0, -1, "x", [{}], {"a": 1}, "\ud800", "1" * 60):
            check(venue, changed(payload, place, value, drop=False))


def test_keys_that_nobody_knows_change_nothing() -> None:
    """Venues add fields without notice."""
    for venue, payload in PAYLOADS:
        plain = understood(venue, payload)
        for place in [(), *places(payload)]:
            document = copy.deepcopy(payload)
            holder = document
            for step in place:
                holder = holder[step]
            if not isinstance(holder, dict):
                continue
            for value in ("x", {"a": [1]}, [{}], None, -1, "\ud800"):
                holder["zNew"] = value
                found = understood(venue, document)
                # An object whose keys are ids: what is under each has to be an entry.
                if not isinstance(found, InvalidFieldError):
                    assert found == plain, (venue, place, value)
                elif any(".zNew" not in f".{fault.field}" for fault in found.violations):
                    raise found


def understood(venue: str, document: object) -> object:
    """The fills and reports in it, or what is wrong with it."""
    try:
        parsed = venues.parse_payload(venue, "", json.dumps(document).encode())
    except InvalidFieldError as error:
        return error
    return [described_fill(fill) for fill in parsed.fills], [
        described_order(report) for report in parsed.reports
    ]


@given(target=st.sampled_from(_PLACES), value=_DOCUMENTS)
def test_fuzz_of_real_payloads(target: tuple[str, object, tuple[object, ...]], value: object) -> None:
    venue, payload, place = target
    check(venue, changed(payload, place, value, drop=False))
