"""The export file's lines (docs/export-format.md): made here, and taken apart here.

Each line has exactly one spelling, so whether a line is right is whether it equals the one made anew from
what it says. That holds for the readable events too: they are checked, not trusted.
"""

from __future__ import annotations

import binascii
import hashlib
import json
import time
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any, Final

from fillhandler.v1 import events_pb2
from fillhandler_server.journal import Batch, Head
from fillhandler_server.transfer.readable import event_text

FORMAT: Final = "fillhandler-export"
VERSION: Final = 1
LINE_BYTES_MAX: Final = 64 << 20
"""A batch is 1 MiB and one event; as JSON with all its text escaped, six times that, and base64."""

BREATHE_EVENTS: Final = 16

_SEQUENCE_MAX: Final = (1 << 63) - 1
_HASH_DIGITS: Final = 64
_EVENTS_BEGIN: Final = b',"events":['
_EVENTS_END: Final = b'],"first_sequence":'


@dataclass(frozen=True, slots=True)
class Header:
    """Whose journal it is, and up to where."""

    instance_id: str
    head_sequence: int
    head_hash: bytes

    def line(self) -> bytes:
        """The first line."""
        return dump(
            {
                "format": FORMAT,
                "head_hash": self.head_hash.hex(),
                "head_sequence": self.head_sequence,
                "instance_id": self.instance_id,
                "kind": "header",
                "version": VERSION,
            }
        )


@dataclass(frozen=True, slots=True)
class Tally:
    """What the lines so far come to; the trailer states it. The digest needs no more state than itself."""

    batches: int = 0
    events: int = 0
    fills: int = 0
    orders: int = 0
    digest: bytes = bytes(32)

    def with_header(self, line: bytes) -> Tally:
        """After the first line."""
        return Tally(digest=_chain(self.digest, line))

    def with_batch(self, line: bytes, messages: list[events_pb2.Event]) -> Tally:
        """After a batch's line, which holds these events."""
        fills = orders = 0
        for message in messages:
            kind = message.WhichOneof("event")
            fills += kind == "fill_recorded"
            orders += message.order_number == message.sequence
            orders -= kind == "order_merged"
        return Tally(
            self.batches + 1,
            self.events + len(messages),
            self.fills + fills,
            self.orders + orders,
            _chain(self.digest, line),
        )

    def line(self) -> bytes:
        """The last line."""
        return dump(
            {
                "batches": self.batches,
                "digest": self.digest.hex(),
                "events": self.events,
                "fills": self.fills,
                "kind": "trailer",
                "orders": self.orders,
            }
        )


def batch_line(batch: Batch, messages: list[events_pb2.Event]) -> bytes:
    """The line of a batch, whose payload holds these events."""
    readable = []
    for at, message in enumerate(messages):
        readable.append(event_text(message))
        if not at % BREATHE_EVENTS:
            breathe()
    return b"".join(
        (
            f'{{"commit_time_ns":"{batch.commit_time}","count":{batch.count},"epoch":{batch.epoch},'
            '"events":['.encode(),
            ",".join(readable).encode(),
            f'],"first_sequence":{batch.first_sequence},"hash":"{batch.hash.hex()}","kind":"batch",'
            f'"partition":{batch.partition},"payload":"'.encode(),
            b64encode(batch.payload),
            f'","previous_hash":"{batch.previous_hash.hex()}"}}\n'.encode(),
        )
    )


def dump(value: dict[str, Any]) -> bytes:
    """The one spelling of a line."""
    return _json(value).encode() + b"\n"


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _chain(digest: bytes, line: bytes) -> bytes:
    return hashlib.sha256(digest + line).digest()


def breathe() -> None:
    """Lets another thread have its turn, at the price of a few events' work.

    Work here is long and all Python: a writer beside it would get its turn every 5 ms, once a row
    (performance.md, trap 2).
    """
    time.sleep(0)


# ---------------------------------------------------------------------- taking lines apart


class LineError(ValueError):
    """A line is not what it should be; the text says why."""


def parse_line(line: bytes) -> dict[str, Any]:
    """The object on a line, without its readable events: those are made anew and compared.

    Raises:
        LineError: it is not one.
    """
    before, found, rest = line.partition(_EVENTS_BEGIN)
    if found:
        line = before + b',"first_sequence":' + rest.rpartition(_EVENTS_END)[2]
    try:
        value = json.loads(line.decode())
    except (ValueError, RecursionError):
        raise LineError("it is not JSON; the file is damaged or is not an export") from None
    if not isinstance(value, dict):
        raise LineError("it is not a JSON object; the file is damaged or is not an export")
    return value


def parse_header(line: bytes) -> Header:
    """
    Raises:
        LineError: the file is foreign, newer, or its header damaged.
    """
    if line.startswith((b"\x1f\x8b", b"PK\x03\x04", b"(\xb5/\xfd", b"BZh", b"\xfd7zXZ")):
        raise LineError("the file is compressed; unpack it first")
    value = parse_line(line)
    if value.get("format") != FORMAT:
        raise LineError("the file is not a Fill Handler export")
    version = value.get("version")
    if type(version) is int and version > VERSION:
        raise LineError(
            f"the file has format version {version}, and this program reads up to {VERSION};"
            " import it with a newer one"
        )
    if type(version) is not int or version != VERSION:
        raise LineError(f"it states format version {str(version)[:20]!r}, which there never was")
    instance_id = value.get("instance_id")
    if not isinstance(instance_id, str) or not 1 <= len(instance_id) <= 64:
        raise LineError("it states no instance id")
    header = Header(
        instance_id, _integer(value, "head_sequence", 0, _SEQUENCE_MAX), _hash(value, "head_hash")
    )
    if header.line() != line:
        raise LineError("the header was altered")
    return header


def parse_batch(value: dict[str, Any]) -> Batch:
    """The batch of a line's object; its hashes are not checked.

    Raises:
        LineError: a field is missing or cannot be.
    """
    commit_time = value.get("commit_time_ns")
    if not isinstance(commit_time, str) or len(commit_time) > 20 or not _is_integer(commit_time):
        raise LineError("commit_time_ns is not a time in nanoseconds")
    payload = value.get("payload")
    try:
        data = b64decode(payload, validate=True) if isinstance(payload, str) else None
    except (binascii.Error, ValueError):
        data = None
    if data is None:
        raise LineError("payload is not base64")
    return Batch(
        first_sequence=_integer(value, "first_sequence", 1, _SEQUENCE_MAX),
        count=_integer(value, "count", 1, (1 << 32) - 1),
        commit_time=int(commit_time),
        previous_hash=_hash(value, "previous_hash"),
        hash=_hash(value, "hash"),
        payload=data,
        partition=_integer(value, "partition", 0, (1 << 32) - 1),
        epoch=_integer(value, "epoch", 0, _SEQUENCE_MAX),
    )


def head_of(batch: Batch) -> Head:
    """The head that a journal has after a batch."""
    return Head(batch.last_sequence, batch.hash, batch.commit_time)


def _is_integer(text: str) -> bool:
    return text.isascii() and text.removeprefix("-").isdigit() and abs(int(text)) <= _SEQUENCE_MAX


def _integer(value: dict[str, Any], name: str, least: int, most: int) -> int:
    number = value.get(name)
    if type(number) is not int or not least <= number <= most:
        raise LineError(f"{name} is not a whole number from {least} to {most}")
    return number


def _hash(value: dict[str, Any], name: str) -> bytes:
    text = value.get(name)
    try:
        data = bytes.fromhex(text) if isinstance(text, str) and len(text) == _HASH_DIGITS else None
    except ValueError:
        data = None
    if data is None:
        raise LineError(f"{name} is not a hash of {_HASH_DIGITS} hexadecimal digits")
    return data
