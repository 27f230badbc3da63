"""From what people write (text, Decimals, datetimes) to the messages of the contract.

Nothing is rounded or guessed. A float is refused wherever text goes, because a price that went through one is
no longer the number that the venue sent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeAlias, TypedDict, TypeVar, Unpack, overload

from google.protobuf import message_factory
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from fillhandler.v1 import fills_pb2, orders_pb2

DecimalLike: TypeAlias = str | Decimal | int
#: A datetime with a time zone, or RFC 3339 text.
TimeLike: TypeAlias = datetime | Timestamp | str
#: Names in any case, with or without the prefix (`"buy"`, `"SIDE_BUY"`), or the enum's number.
SideLike: TypeAlias = fills_pb2.Side.ValueType | str
LiquidityLike: TypeAlias = fills_pb2.Liquidity.ValueType | str
StatusLike: TypeAlias = orders_pb2.OrderStatus.ValueType | str
#: `{"USDT": "0.1"}`, or messages.
FeesLike: TypeAlias = Mapping[str, DecimalLike] | Iterable[fills_pb2.Fee]


class ContractFields(TypedDict, total=False):
    """The fields of `Contract`, by name."""

    kind: fills_pb2.ContractKind.ValueType | str
    multiplier: DecimalLike


class IdentityFields(TypedDict, total=False):
    """The fields of `FillIdentity`, by name."""

    venue: str
    account: str
    market: str
    symbol: str
    order_id: str | int
    side: SideLike
    trade_id: str | int
    leg: str


class FillFields(IdentityFields, total=False):
    """The fields of `Fill` that a caller can state, by name."""

    client_order_id: str | int
    quantity: DecimalLike
    price: DecimalLike | None
    fees: FeesLike
    liquidity: LiquidityLike
    trade_time: TimeLike | None
    receive_time: TimeLike | None
    contract: fills_pb2.Contract | ContractFields | None
    metadata: Mapping[str, str]
    base_currency: str
    quote_currency: str


class OrderFields(TypedDict, total=False):
    """The fields of `Order` that a caller can state, by name."""

    venue: str
    account: str
    market: str
    symbol: str
    order_id: str | int
    previous_order_id: str | int
    client_order_id: str | int
    side: SideLike
    type: str
    status: StatusLike
    order_quantity: DecimalLike | None
    cumulative_quantity: DecimalLike | None
    average_price: DecimalLike | None
    limit_price: DecimalLike | None
    expected_price: DecimalLike | None
    create_time: TimeLike | None
    update_time: TimeLike | None
    contract: fills_pb2.Contract | ContractFields | None
    base_currency: str
    quote_currency: str
    reason: str


FillLike: TypeAlias = fills_pb2.Fill | FillFields | Mapping[str, Any]
IdentityLike: TypeAlias = fills_pb2.FillIdentity | fills_pb2.Fill | IdentityFields | Mapping[str, Any]
OrderLike: TypeAlias = orders_pb2.Order | OrderFields | Mapping[str, Any]
#: A venue's JSON: as it came (best), or as Python values, whose Decimals are kept exactly.
PayloadLike: TypeAlias = bytes | str | Mapping[str, Any] | list[Any]


class FieldError(Exception):
    """A value that a field cannot take: its path (`fees[0].amount`) and what is wrong with it."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(f"{field}: {text}" if field else text)
        self.field = field
        self.text = text


class FieldTypeError(FieldError, TypeError):
    """A value of a wrong type, or a field that there is not."""


class FieldValueError(FieldError, ValueError):
    """A value of the right type that cannot be."""


_MessageT = TypeVar("_MessageT", bound=Message)
_Convert: TypeAlias = Callable[[str, Any], Any]

# Written out, 1E+999999999 would take a gigabyte. Anything beyond these bounds the server refuses anyway.
_DECIMAL_EXPONENT_MAX: Final = 100


def decimal_text(value: Decimal) -> str:
    """The number written out, without an exponent.

    Raises:
        ValueError: Not a finite number, or one of absurd size.
    """
    if not value.is_finite():
        raise ValueError(f"{value} is not a number")
    exponent = value.as_tuple().exponent
    if abs(value.adjusted()) > _DECIMAL_EXPONENT_MAX or abs(int(exponent)) > _DECIMAL_EXPONENT_MAX:
        raise ValueError("the number is too large or too small")
    return format(value, "f")


@overload
def timestamp(value: TimeLike, name: str = ...) -> Timestamp: ...
@overload
def timestamp(value: TimeLike | None, name: str = ...) -> Timestamp | None: ...
def timestamp(value: TimeLike | None, name: str = "time") -> Timestamp | None:
    """A time as the contract's message; None stays None.

    Raises:
        FieldTypeError: Not a time, or one without a zone: it would mean another moment on every machine.
        FieldValueError: Text that is no RFC 3339 time.
    """
    if value is None or isinstance(value, Timestamp):
        return value
    converted = Timestamp()
    if isinstance(value, str):
        try:
            converted.FromJsonString(value)
        except ValueError:
            raise FieldValueError(name, f"{value!r} is no time such as 2026-01-31T12:00:00Z") from None
        return converted
    given: object = value  # not every caller has a type checker
    if not isinstance(given, datetime) or given.utcoffset() is None:
        raise FieldTypeError(name, f"a datetime with a time zone is needed, not {given!r}")
    converted.FromDatetime(given)
    return converted


def duration(value: timedelta | Duration | None, name: str = "duration") -> Duration | None:
    """A span as the contract's message; None stays None."""
    if value is None or isinstance(value, Duration):
        return value
    given: object = value
    if not isinstance(given, timedelta):
        raise FieldTypeError(name, f"a timedelta is needed, not {given!r}")
    converted = Duration()
    converted.FromTimedelta(given)
    return converted


def enum_value(descriptor: EnumDescriptor, value: Any, name: str) -> int:
    """The number of an enum's value, from its number or its name in any case, with or without the prefix."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        prefix = descriptor.values[0].name.removesuffix("UNSPECIFIED")
        word = value.strip().upper().replace("-", "_")
        if word.isascii() and word.isdigit():  # protobuf-JSON allows the number, too
            return int(word)
        found = descriptor.values_by_name.get(word) or descriptor.values_by_name.get(prefix + word)
        if found is not None:
            return found.number
        known = ", ".join(v.name.removeprefix(prefix).lower() for v in descriptor.values[1:])
        raise FieldValueError(name, f"{value!r} is none of {known}")
    raise FieldTypeError(name, f"a name is needed, not {value!r}")


def _text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        try:
            return decimal_text(value)
        except ValueError as error:
            raise FieldValueError(name, str(error)) from None
    if isinstance(value, float):
        raise FieldTypeError(
            name, f"{value!r} is a float, which has already lost the exact number; give a str or a Decimal"
        )
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise FieldTypeError(name, f"text is needed, not {value!r}")


def _fees(name: str, value: Any) -> list[Message]:
    if isinstance(value, Mapping):
        return [
            fills_pb2.Fee(currency=currency, amount=_text(name, amount)) for currency, amount in value.items()
        ]
    return [message(fills_pb2.Fee, fee, f"{name}[{index}]") for index, fee in enumerate(_list(name, value))]


def _list(name: str, value: Any) -> Iterable[Any]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise FieldTypeError(name, f"a list is needed, not {value!r}")
    return value


def _string_map(name: str, value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise FieldTypeError(name, f"a mapping is needed, not {value!r}")
    return {_text(name, key): _text(f"{name}.{key}", entry) for key, entry in value.items()}


def _scalar(name: str, value: Any) -> Any:
    # A whole number from JSON comes as text here, because JSON's own would be cut by other readers.
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    if not isinstance(value, int):
        raise FieldTypeError(name, f"a whole number, or true or false, is needed, not {value!r}")
    return value


def _converter(field: Any) -> _Convert:
    kind = field.message_type
    if kind is not None:
        if kind.GetOptions().map_entry:
            return _string_map
        if kind is fills_pb2.Fee.DESCRIPTOR and field.is_repeated:
            return _fees
        if kind is Timestamp.DESCRIPTOR:
            return lambda name, value: timestamp(value, name)
        if kind is Duration.DESCRIPTOR:
            return lambda name, value: duration(value, name)
        nested = message_factory.GetMessageClass(kind)
        return lambda name, value: message(nested, value, name)
    if field.enum_type is not None:
        enum = field.enum_type
        return lambda name, value: enum_value(enum, value, name)
    if field.type == FieldDescriptor.TYPE_STRING:
        if field.is_repeated:
            return lambda name, value: [_text(name, entry) for entry in _list(name, value)]
        return _text
    return _scalar


_CONVERTERS: Final[dict[str, Mapping[str, tuple[str, _Convert]]]] = {}


def _converters(descriptor: Any) -> Mapping[str, tuple[str, _Convert]]:
    """The name and the conversion of each field, by its name and by its JSON name.

    Worked out once a message type, of which there are few.
    """
    converters = _CONVERTERS.get(descriptor.full_name)
    if converters is None:
        converters = {
            key: (field.name, _converter(field))
            for field in descriptor.fields
            for key in (field.name, field.json_name)
        }
        _CONVERTERS[descriptor.full_name] = converters
    return converters


def message(
    message_type: type[_MessageT], value: Message | Mapping[str, Any] | None, name: str = "", /, **fields: Any
) -> _MessageT:
    """The message that a value and named fields describe; a message is given back as it is.

    Fields that are None are left out. Names may be those of the contract or their protobuf-JSON form. `name`
    stands before the field's name in errors.

    Raises:
        FieldTypeError: An unknown field, a value of a wrong type, or a float where a decimal goes.
        FieldValueError: A number, a time or a name that cannot be.
    """
    if isinstance(value, message_type) and not fields:
        return value
    if value is not None and not isinstance(value, Mapping):
        also = " and fields" if fields else ""
        raise FieldTypeError(
            name, f"a {message_type.__name__} or its fields are needed, not a {type(value).__name__}{also}"
        )
    prefix = f"{name}." if name else ""
    converters = _converters(message_type.DESCRIPTOR)
    arguments: dict[str, Any] = {}
    for key, entry in {**(value or {}), **fields}.items():
        known = converters.get(key)
        if known is None:
            raise FieldTypeError(prefix + key, f"{message_type.__name__} has no such field")
        if entry is not None:
            field, convert = known
            arguments[field] = convert(prefix + key, entry)
    try:
        return message_type(**arguments)
    except ValueError as error:  # half of a surrogate pair, or a number that no field holds
        raise FieldValueError(name, str(error)) from None


def fill(value: FillLike | None = None, /, **fields: Unpack[FillFields]) -> fills_pb2.Fill:
    """A `Fill` from a mapping or named fields. See `message` for what is refused."""
    return message(fills_pb2.Fill, value, "", **fields)


def order(value: OrderLike | None = None, /, **fields: Unpack[OrderFields]) -> orders_pb2.Order:
    """An `Order` from a mapping or named fields. See `message` for what is refused."""
    return message(orders_pb2.Order, value, "", **fields)


def identity(
    value: IdentityLike | None = None, /, **fields: Unpack[IdentityFields]
) -> fills_pb2.FillIdentity:
    """A `FillIdentity` from a mapping, named fields, or a fill whose identity it is."""
    if isinstance(value, fills_pb2.Fill):
        value = {key.name: getattr(value, key.name) for key in fills_pb2.FillIdentity.DESCRIPTOR.fields}
    return message(fills_pb2.FillIdentity, value, "", **fields)


def payload_bytes(payload: PayloadLike, *, decimals_as_text: bool = False) -> bytes:
    """A venue's JSON as bytes. Text and bytes go as they came; Decimals are written exactly.

    `decimals_as_text` is for ccxt's structures, in which a JSON number with a point is refused as a float.

    Raises:
        TypeError: A value that JSON does not have.
        ValueError: NaN or an infinity.
    """
    if isinstance(payload, bytes):
        return payload
    if isinstance(payload, str):
        return payload.encode()
    try:
        text = json.dumps(payload, ensure_ascii=False, allow_nan=False)
    except TypeError:
        text = _json(payload, '"' if decimals_as_text else "")
    return text.encode()


def _json(value: Any, quote: str) -> str:
    """`json.dumps`, but Decimals become numbers: its hooks can only make strings or floats of them."""
    if isinstance(value, Decimal):
        return f"{quote}{decimal_text(value)}{quote}"
    if isinstance(value, Mapping):
        members = (f"{json.dumps(str(key))}:{_json(entry, quote)}" for key, entry in value.items())
        return "{" + ",".join(members) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_json(entry, quote) for entry in value) + "]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
