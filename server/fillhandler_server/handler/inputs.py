"""What is handed in: a venue's payload, a fill's fields, or a FillEvent. Nothing is rounded or guessed."""

from __future__ import annotations

import dataclasses
import math
import uuid
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final, TypeAlias

from fillhandler import convert
from fillhandler.v1 import fills_pb2, trades_pb2
from fillhandler_server.domain.errors import InvalidFieldError, Violation
from fillhandler_server.domain.fills import MAIN_ACCOUNT
from fillhandler_server.domain.instruments import Instruments
from fillhandler_server.domain.reports import OrderReport, ParsedPayload
from fillhandler_server.domain.trades import TradeTerms
from fillhandler_server.execution import payloads
from fillhandler_server.execution.secret import NAMES, Credentials, Secret
from fillhandler_server.handler.states import RECORD_FIELDS, Contract, FillEvent
from fillhandler_server.rpc.convert import completed, fill_from_request, report_from_request
from fillhandler_server.rpc.trades import terms_from_request

Payload: TypeAlias = str | bytes | Mapping[str, Any] | list[Any] | FillEvent
"""A venue's JSON, as it came (best) or as Python values; or one fill."""

_FILL_KEYS: Final = RECORD_FIELDS | {
    name for key in fills_pb2.Fill.DESCRIPTOR.fields for name in (key.name, key.json_name)
}
_TELLING: Final = frozenset({"symbol", "quantity"})
_SHOWN_MAX: Final = 100


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


_TRADE_NAMES: Final = {
    "venue": "exchange",
    "quantity": "amount",
    "type": "order_type",
    "deadline": "deadline_seconds",
}
"""Fields of `ExecuteTradeRequest` by their names in the original design, where those differ."""


def read_trade(fields: Mapping[str, Any]) -> tuple[str, TradeTerms]:
    """The request id, made where there is none, and what is asked, from the arguments of `execute_trade`.

    Raises:
        InvalidFieldError: naming what is wrong, as the arguments are called.
    """
    given = dict(fields)
    for ours, theirs in _TRADE_NAMES.items():
        given[ours] = given.pop(theirs)
    price = given.pop("price")
    if price is not None and given["limit_price"] is not None:
        raise InvalidFieldError.of("price", "is given beside limit_price, which is the same; say one of them")
    given["limit_price"] = price if given["limit_price"] is None else given["limit_price"]
    given["request_id"] = given["request_id"] or str(uuid.uuid4())
    for name in ("type", "time_in_force"):
        if isinstance(given[name], str):
            given[name] = given[name].strip().lower().replace("-", "_")
    try:
        given["deadline"] = _duration(given["deadline"])
        request = convert.message(trades_pb2.ExecuteTradeRequest, _exact(given))
        return terms_from_request(request)
    except convert.FieldError as error:
        raise trade_violations(InvalidFieldError.of(error.field, error.text)) from None
    except InvalidFieldError as error:
        raise trade_violations(error) from None


def trade_violations(error: InvalidFieldError) -> InvalidFieldError:
    """The same error, its fields as the arguments of `execute_trade` are called."""
    return InvalidFieldError(
        *(Violation(_TRADE_NAMES.get(each.field, each.field), each.text) for each in error.violations)
    )


def _duration(seconds: object) -> timedelta | None:
    if seconds is None:
        return None
    is_number = isinstance(seconds, int | float | Decimal) and not isinstance(seconds, bool)
    try:
        if is_number and math.isfinite(seconds):  # type: ignore[arg-type]  # it is a number
            return timedelta(seconds=float(seconds))  # type: ignore[arg-type]
    except OverflowError:
        pass
    raise InvalidFieldError.of("deadline", "must be a number of seconds above 0, at most 366 days of them")


def read_credentials(given: Mapping[str, Any] | None) -> dict[tuple[str, str], Credentials]:
    """Credentials by venue and account: handed in by "binance" or "binance/second", as `Credentials` or as a
    mapping of its fields.

    Raises:
        InvalidFieldError: naming what is wrong; never a value.
    """
    if given is not None and not isinstance(given, Mapping):
        raise InvalidFieldError.of("credentials", 'must be a dict, such as {"binance": {"api_key": …}}')
    read: dict[tuple[str, str], Credentials] = {}
    faults: list[Violation] = []
    for name, entry in (given or {}).items():
        venue, _, account = str(name).partition("/")
        if isinstance(entry, Credentials):
            read[venue.lower(), account or MAIN_ACCOUNT] = entry
            continue
        path = f"credentials[{str(name)[:_SHOWN_MAX]!r}]"
        if not isinstance(entry, Mapping):
            faults.append(Violation(path, f"must be Credentials, or a dict of {', '.join(NAMES)}"))
            continue
        texts: dict[str, Secret] = {}
        for field, value in entry.items():
            if field not in NAMES:
                # What is no field's name may be the secret itself.
                faults.append(Violation(path, f"holds an unknown key; known are {', '.join(NAMES)}"))
            elif not isinstance(value, str | Secret):
                faults.append(Violation(f"{path}.{field}", "must be text"))
            else:
                texts[field] = value if isinstance(value, Secret) else Secret(value)
        read[venue.lower(), account or MAIN_ACCOUNT] = Credentials(**texts)
    if faults:
        raise InvalidFieldError(*faults)
    return read


def _exact(value: Any) -> Any:
    """The value with its floats as the Decimals that they print as."""
    if isinstance(value, float):
        return Decimal(float.__repr__(value))
    if isinstance(value, Mapping):
        return {key: _exact(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(entry) for entry in value]
    return value
