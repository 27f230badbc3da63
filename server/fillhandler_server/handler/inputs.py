"""What is handed in: a venue's payload, a fill's fields, or a FillEvent. Nothing is rounded or guessed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, TypeAlias

from fillhandler import convert
from fillhandler.v1 import fills_pb2
from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.domain.instruments import Instruments
from fillhandler_server.domain.reports import OrderReport, ParsedPayload
from fillhandler_server.execution import payloads
from fillhandler_server.handler.states import RECORD_FIELDS, Contract, FillEvent
from fillhandler_server.rpc.convert import completed, fill_from_request, report_from_request

Payload: TypeAlias = str | bytes | Mapping[str, Any] | list[Any] | FillEvent
"""A venue's JSON, as it came (best) or as Python values; or one fill."""

_FILL_KEYS: Final = RECORD_FIELDS | {
    name for key in fills_pb2.Fill.DESCRIPTOR.fields for name in (key.name, key.json_name)
}
_TELLING: Final = frozenset({"symbol", "quantity"})


def as_fill_fields(payload: Payload) -> dict[str, Any] | None:
    """The fields of a payload that is one fill; None where it is a venue's.

    A dict is a fill if it has a symbol and a quantity and either names its venue, which no venue does in what
    it sends, or has no other keys than a fill's.
    """
    if isinstance(payload, FillEvent):
        names = (each.name for each in dataclasses.fields(payload))
        return {name: getattr(payload, name) for name in names}
    if isinstance(payload, Mapping):
        keys = payload.keys()
        if keys >= _TELLING and ("venue" in keys or keys <= _FILL_KEYS):
            return dict(payload)
    return None


needs_thread: Final = payloads.needs_thread


def as_json(payload: Payload, format: str = "") -> bytes:
    """A venue's payload as JSON: floats by their repr, Decimals exactly.

    Raises:
        InvalidFieldError: it holds what is not JSON.
    """
    if not isinstance(payload, str | bytes | bytearray | Mapping | list | tuple):
        raise InvalidFieldError.of(
            "payload", f"must be a dict, text, bytes or a FillEvent, not a {type(payload).__name__}"
        )
    if isinstance(payload, bytearray):
        return bytes(payload)
    try:
        return convert.payload_bytes(payload, decimals_as_text=format == "ccxt")
    except RecursionError:
        raise InvalidFieldError.of("payload", "nested too deep") from None
    except (TypeError, ValueError) as error:
        raise InvalidFieldError.of("payload", f"cannot be written as JSON: {error}") from None


def read_fill(fields: Mapping[str, Any], venue: str, account: str, instruments: Instruments) -> ParsedPayload:
    """One fill from its fields; `venue` and `account` are for what they leave open.

    Raises:
        InvalidFieldError: naming what is wrong.
    """
    stated = {name: value for name, value in fields.items() if name not in RECORD_FIELDS and value != ""}
    contract = stated.get("contract")
    if isinstance(contract, Contract):
        contract = dataclasses.asdict(contract)
    if isinstance(contract, Mapping):
        stated["contract"] = {name: value for name, value in contract.items() if value != ""}
    try:
        message = convert.fill(_exact({"venue": venue, "account": account} | stated))
    except convert.FieldError as error:
        raise InvalidFieldError.of(error.field, error.text) from None
    fill = completed(fill_from_request(message, ""), instruments)
    return ParsedPayload(fill.venue, fills=[fill])


def read_payload(
    payload: bytes, venue: str, account: str, instruments: Instruments, format: str = ""
) -> ParsedPayload:
    """A venue's payload.

    Raises:
        InvalidFieldError, UnsupportedPayloadError: as `payloads.parse_payload`.
    """
    return payloads.parse_payload(venue, account, payload, format=format, instruments=instruments)


def read_registration(fields: Mapping[str, Any]) -> OrderReport:
    """A declared order from its fields.

    Raises:
        InvalidFieldError: naming what is wrong.
    """
    try:
        message = convert.order(_exact(fields))
    except convert.FieldError as error:
        raise InvalidFieldError.of(error.field, error.text) from None
    return report_from_request(message, registration=True)


def _exact(value: Any) -> Any:
    """The value with its floats as the Decimals that they print as."""
    if isinstance(value, float):
        return Decimal(float.__repr__(value))
    if isinstance(value, Mapping):
        return {key: _exact(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(entry) for entry in value]
    return value
