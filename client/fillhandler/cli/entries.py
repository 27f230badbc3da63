"""A file of fills and payloads, read entry by entry.

Payloads are passed on as the bytes that stand in the file, so their numbers stay what they are.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from fillhandler import convert
from fillhandler.cli.splitting import NumbersAsText, Piece, cut
from fillhandler.v1 import fill_service_pb2, fills_pb2

_WRAPPER_KEYS: Final = frozenset({"venue", "account", "format", "payload"})
_FILL_KEYS: Final = frozenset({"venue", "symbol", "quantity"})

_DECODER: Final = NumbersAsText()
_SPACE: Final = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True)
class BadEntry:
    """An entry that cannot be sent: the same three things that the server says of one it refuses."""

    reason: str
    field: str
    text: str


Content: TypeAlias = fill_service_pb2.VenuePayload | fills_pb2.Fill | BadEntry


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, where it starts in the file (from 1), and how far the file was read by then."""

    line: int
    end_bytes: int
    content: Content


def read_entries(
    file: io.BufferedIOBase, venue: str = "", account: str = "", format: str = ""
) -> Iterator[Entry]:
    """Every entry of a file, bad ones included. `venue`, `account`, `format` are for entries that do not say.

    What an entry is, its keys tell. `payload`, with at most `venue`, `account` and `format` beside it: a
    venue's payload, wrapped. Else `venue`, `symbol` and `quantity`, whatever else: a protobuf-JSON `Fill`,
    because no venue names itself in what it sends. Else it is a venue's payload.
    """
    for piece in cut(file):
        yield Entry(piece.line, piece.end_bytes, _content(piece, venue, account, format))


def _content(piece: Piece, venue: str, account: str, format: str) -> Content:
    if piece.problem:
        return BadEntry(piece.reason, "", piece.problem)
    try:
        text = piece.text.decode()
        value = _DECODER.decode(text)
    except RecursionError:
        return BadEntry("INVALID_FIELD", "", "nested too deep")
    except ValueError as error:
        return BadEntry("INVALID_FIELD", "", f"not JSON: {error}")
    if isinstance(value, dict):
        keys = value.keys()
        if "payload" in keys and keys <= _WRAPPER_KEYS:
            return _wrapped(text, value, venue, account, format)
        if keys >= _FILL_KEYS:
            return _fill(value, account)
    elif not isinstance(value, list):
        return BadEntry("INVALID_FIELD", "", "an entry is an object")
    return fill_service_pb2.VenuePayload(venue=venue, account=account, payload=piece.text, format=format)


def _wrapped(text: str, value: dict[str, Any], venue: str, account: str, format: str) -> Content:
    for key in ("venue", "account", "format"):
        if not isinstance(value.get(key, ""), str):
            return BadEntry("INVALID_FIELD", key, "text is needed")
    payload = value["payload"]
    if not isinstance(payload, dict | list | str):
        return BadEntry("INVALID_FIELD", "payload", "an object, an array, or the JSON text is needed")
    try:
        return fill_service_pb2.VenuePayload(
            venue=value.get("venue") or venue,
            account=value.get("account") or account,
            payload=payload.encode() if isinstance(payload, str) else _member(text, "payload").encode(),
            format=value.get("format", format),  # "" says that it is the venue's own
        )
    except ValueError:  # half of a surrogate pair, written as an escape
        return BadEntry("INVALID_FIELD", "", "holds text that is no Unicode")


def _member(text: str, name: str) -> str:
    """A member's value as it stands in an object's text, which is known to be JSON."""
    found = ""
    position = _past_space(text, 0) + 1
    while True:
        key, position = _DECODER.raw_decode(text, _past_space(text, position))
        start = _past_space(text, _past_space(text, position) + 1)
        _, end = _DECODER.raw_decode(text, start)
        if key == name:
            found = text[start:end]  # the last one counts where a key comes twice, as for every reader
        position = _past_space(text, end)
        if text[position] == "}":
            return found
        position += 1


def _past_space(text: str, position: int) -> int:
    space = _SPACE.match(text, position)
    assert space is not None
    return space.end()


def _fill(value: dict[str, Any], account: str) -> Content:
    try:
        fill = convert.fill(value)
    except convert.FieldError as error:
        return BadEntry("INVALID_FIELD", error.field, error.text)
    if not fill.account:
        fill.account = account
    return fill


# The grammar of the contract. The server checks it too; here it is for --strict, because RecordFills, unlike
# ProcessPayloads, has no way to ask without recording.
_DECIMAL: Final = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,18})?", re.ASCII)


def check_fill(fill: fills_pb2.Fill) -> BadEntry | None:
    """What the server would refuse about a fill, as far as that can be told from the fill alone."""
    for name in ("venue", "symbol", "quantity"):
        if not getattr(fill, name):
            return BadEntry("INVALID_FIELD", name, "is required")
    if fill.side not in {fills_pb2.SIDE_BUY, fills_pb2.SIDE_SELL}:
        return BadEntry("INVALID_FIELD", "side", "is required")
    decimals = {"quantity": fill.quantity}
    if fill.HasField("price"):
        decimals["price"] = fill.price
    if fill.contract.HasField("multiplier"):
        decimals["contract.multiplier"] = fill.contract.multiplier
    decimals |= {f"fees[{index}].amount": fee.amount for index, fee in enumerate(fill.fees)}
    for name, text in decimals.items():
        if not _DECIMAL.fullmatch(text):
            return BadEntry("INVALID_FIELD", name, "is no decimal of at most 20 digits and 18 decimal places")
    if fill.quantity.startswith("-") or not fill.quantity.strip("0."):
        return BadEntry("INVALID_FIELD", "quantity", "must be above 0")
    for index, fee in enumerate(fill.fees):
        if not fee.currency:
            return BadEntry("INVALID_FIELD", f"fees[{index}].currency", "is required")
    return None
