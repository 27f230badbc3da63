"""What people write becomes the contract's messages, exactly, or is refused with the field's name."""

import json
import time
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from fillhandler import convert
from fillhandler.v1 import fills_pb2, orders_pb2


def test_a_fill_from_named_fields() -> None:
    fill = convert.fill(
        venue="binance",
        symbol="BTCUSDT",
        order_id=123,
        trade_id="t1",
        side="buy",
        quantity=Decimal("0.00100"),
        price="50000.10",
        fees={"BTC": Decimal("1E-7"), "BNB": "0"},
        liquidity="LIQUIDITY_TAKER",
        trade_time=datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=1))),
        contract={"kind": "inverse", "multiplier": 100},
        metadata={"raw": "x"},
    )

    assert fill == fills_pb2.Fill(
        venue="binance",
        symbol="BTCUSDT",
        order_id="123",
        trade_id="t1",
        side=fills_pb2.SIDE_BUY,
        quantity="0.00100",
        price="50000.10",
        fees=[fills_pb2.Fee(amount="0.0000001", currency="BTC"), fills_pb2.Fee(amount="0", currency="BNB")],
        liquidity=fills_pb2.LIQUIDITY_TAKER,
        trade_time=convert.timestamp(datetime(2026, 1, 31, 11, tzinfo=UTC)),
        contract=fills_pb2.Contract(kind=fills_pb2.CONTRACT_KIND_INVERSE, multiplier="100"),
        metadata={"raw": "x"},
    )


def test_a_message_is_taken_as_it_is_and_a_mapping_may_be_protobuf_json() -> None:
    fill = fills_pb2.Fill(venue="binance")
    assert convert.fill(fill) is fill

    assert convert.fill(
        {
            "orderId": "1",
            "tradeTime": "2026-01-31T12:00:00.000000001Z",
            "fees": [{"amount": "1", "currency": "X"}],
        }
    ) == fills_pb2.Fill(
        order_id="1",
        trade_time=convert.timestamp("2026-01-31T12:00:00.000000001Z"),
        fees=[fills_pb2.Fee(amount="1", currency="X")],
    )


def test_what_is_none_is_left_out() -> None:
    assert not convert.fill(venue="x", price=None).HasField("price")


def test_an_identity_from_the_fill_it_belongs_to() -> None:
    fill = fills_pb2.Fill(
        venue="v", account="a", symbol="s", order_id="o", trade_id="t", side=2, quantity="1"
    )

    assert convert.identity(fill) == fills_pb2.FillIdentity(
        venue="v", account="a", symbol="s", order_id="o", trade_id="t", side=2
    )
    assert convert.identity(venue="v", leg="open").leg == "open"


def test_an_order() -> None:
    order = convert.order(
        venue="v", side="SELL", status="partially-filled", order_quantity=3, client_order_id=9
    )

    assert order == orders_pb2.Order(
        venue="v",
        side=fills_pb2.SIDE_SELL,
        status=orders_pb2.ORDER_STATUS_PARTIALLY_FILLED,
        order_quantity="3",
        client_order_id="9",
    )


@pytest.mark.parametrize(
    ("fields", "field", "kind", "words"),
    [
        ({"price": 0.1}, "price", TypeError, "float"),
        ({"fees": {"USDT": 0.1}}, "fees", TypeError, "float"),
        ({"fees": [{"amount": 0.1, "currency": "X"}]}, "fees[0].amount", TypeError, "float"),
        ({"contract": {"multiplier": 0.5}}, "contract.multiplier", TypeError, "float"),
        ({"quantity": True}, "quantity", TypeError, "text"),
        ({"quantity": Decimal("NaN")}, "quantity", ValueError, "not a number"),
        ({"quantity": Decimal("1E+999999999")}, "quantity", ValueError, "too large"),
        ({"quantity": Decimal("1E-999999999")}, "quantity", ValueError, "too small"),
        ({"qty": "1"}, "qty", TypeError, "no such field"),
        ({"side": "up"}, "side", ValueError, "buy, sell"),
        ({"side": 1.0}, "side", TypeError, "name"),
        ({"trade_time": datetime(2026, 1, 1)}, "trade_time", TypeError, "time zone"),  # noqa: DTZ001
        ({"trade_time": "yesterday"}, "trade_time", ValueError, "yesterday"),
        ({"trade_time": 1700000000}, "trade_time", TypeError, "time zone"),
        ({"contract": "spot"}, "contract", TypeError, "Contract"),
        ({"metadata": {"k": 0.5}}, "metadata.k", TypeError, "float"),
        ({"inferred": "yes"}, "inferred", TypeError, "true or false"),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(
    fields: dict[str, Any], field: str, kind: type[Exception], words: str
) -> None:
    started = time.perf_counter()
    with pytest.raises(kind, match=words) as caught:
        convert.fill(fields)
    assert isinstance(caught.value, convert.FieldError)
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: ")
    assert time.perf_counter() - started < 1, "a hostile number must cost nothing"


def test_a_message_of_another_type_or_with_fields_is_refused() -> None:
    with pytest.raises(TypeError, match="Order"):
        convert.fill(orders_pb2.Order())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="and fields"):
        convert.fill(fills_pb2.Fill(), venue="x")


class TestPayloads:
    @pytest.mark.parametrize("payload", [b'{"p": 1.10}', '{"p": 1.10}'])
    def test_text_goes_as_it_came(self, payload: bytes | str) -> None:
        assert convert.payload_bytes(payload) == b'{"p": 1.10}'

    def test_a_dict_keeps_its_decimals(self) -> None:
        written = convert.payload_bytes(
            {"p": Decimal("1.10"), "q": [Decimal("1E-7"), 1, "x\n", None, True], "n": {"é": "é"}}
        )

        read = json.loads(written, parse_float=Decimal)
        assert read == {"p": Decimal("1.10"), "q": [Decimal("1E-7"), 1, "x\n", None, True], "n": {"é": "é"}}
        assert b"1.10" in written
        assert b"0.0000001" in written

    def test_a_float_is_written_by_its_repr(self) -> None:
        assert convert.payload_bytes({"p": 0.1}) == b'{"p": 0.1}'

    @pytest.mark.parametrize("value", [float("nan"), Decimal("Infinity"), [Decimal(1), float("inf")]])
    def test_what_json_has_no_number_for_is_refused(self, value: Any) -> None:
        with pytest.raises(ValueError, match=r"not a number|not JSON compliant"):
            convert.payload_bytes({"p": value})

    def test_what_json_does_not_have_is_refused(self) -> None:
        with pytest.raises(TypeError):
            convert.payload_bytes({"p": object(), "q": Decimal(1)})
