"""Events as JSON text: what protobuf's own JSON says, keys sorted, in a third of its time.

A tenth of a million events took json_format and json.dumps four seconds, and an import makes all its lines
anew to compare them. A test holds this to json_format's text for every kind of event.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp

from fillhandler.v1 import events_pb2

_Text = Callable[[Any], str]

_quoted: Final[_Text] = json.encoder.encode_basestring_ascii
_WIDE: Final = frozenset(
    {
        FieldDescriptor.CPPTYPE_INT64,
        FieldDescriptor.CPPTYPE_UINT64,
    }
)
_NARROW: Final = frozenset({FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_UINT32})


@lru_cache(maxsize=4096)
def _moment(seconds: int, nanos: int) -> str:
    return _quoted(Timestamp(seconds=seconds, nanos=nanos).ToJsonString())


def _timestamp(stamp: Timestamp) -> str:
    return _moment(stamp.seconds, stamp.nanos)


def _by_protobuf(message: Any) -> str:
    return json.dumps(MessageToDict(message, preserving_proto_field_name=True), sort_keys=True)


def _wide(number: int) -> str:
    # As protobuf's JSON has it: other languages' numbers are not exact beyond 53 bits.
    return f'"{number}"'


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _map(entries: Any) -> str:
    pairs = [f"{_quoted(key)}:{_quoted(entries[key])}" for key in sorted(entries)]
    return "{" + ",".join(pairs) + "}"


def _message(descriptor: Descriptor) -> _Text:
    fields: dict[int, tuple[str, _Text]] = {}

    def text(message: Any) -> str:
        parts = []
        for field, value in message.ListFields():
            known = fields.get(field.number)
            if known is None:
                known = fields[field.number] = (f"{_quoted(field.name)}:", _field(field))
            parts.append(known[0] + known[1](value))
        # The quote that ends a name sorts before whatever a longer name goes on with.
        parts.sort()
        return "{" + ",".join(parts) + "}"

    return text


def _field(field: FieldDescriptor) -> _Text:
    inner = field.message_type
    if inner is not None and inner.GetOptions().map_entry:
        value = inner.fields_by_name["value"]
        if value.type != FieldDescriptor.TYPE_STRING:
            raise TypeError(f"{field.full_name}: a map to something else than text")
        return _map
    one = _one(field)
    if not field.is_repeated:
        return one

    def every(values: Any) -> str:
        return "[" + ",".join([one(value) for value in values]) + "]"

    return every


def _one(field: FieldDescriptor) -> _Text:
    if field.message_type is not None:
        name = field.message_type.full_name
        if name == Timestamp.DESCRIPTOR.full_name:
            return _timestamp
        return _by_protobuf if name.startswith("google.protobuf.") else _message(field.message_type)
    if field.enum_type is not None:
        names = {number: _quoted(value.name) for number, value in field.enum_type.values_by_number.items()}
        return lambda number: names.get(number) or str(number)
    if field.type == FieldDescriptor.TYPE_STRING:
        return _quoted
    if field.type == FieldDescriptor.TYPE_BOOL:
        return _boolean
    if field.cpp_type in _WIDE:
        return _wide
    if field.cpp_type in _NARROW:
        return str
    raise TypeError(f"{field.full_name}: no text for this type of field yet")


event_text: Final[_Text] = _message(events_pb2.Event.DESCRIPTOR)
"""The JSON text of an event, keys sorted, without spaces."""
