"""A file to import, line by line: every promise of its format is checked, in constant memory.

Nothing in the file is trusted. A line passes if it is the very line that this program would write for the
batch in it; the batch if its hash is right and follows the one before; its events if they can be folded
without harm. What the orders make of them is seen when they are folded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from google.protobuf.message import DecodeError

from fillhandler.v1 import events_pb2, fills_pb2, orders_pb2
from fillhandler_server.codec import decode_batch, from_timestamp
from fillhandler_server.domain.errors import ImportDamagedError
from fillhandler_server.journal import PARTITION, Batch, Head, genesis_hash, link_problem
from fillhandler_server.transfer.format import (
    LINE_BYTES_MAX,
    Header,
    LineError,
    Tally,
    batch_line,
    dump,
    head_of,
    parse_batch,
    parse_header,
    parse_line,
)

DOCUMENT_BYTES_MAX: Final = 256 << 20
"""A document is one JSON value, so it is read whole; larger states travel as lines."""

_DOCUMENT: Final = re.compile(rb'\s*\{\s*"(?:header|batches|trailer)"\s*:')
_DOCUMENT_PEEK: Final = 1_000
_PLAIN_NUMBER: Final = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?")
"""Whatever a venue's figures were: bounded, so that arithmetic with them is."""

Numbered = tuple[int, Batch, list[events_pb2.Event]]
"""A batch with the number of its line and its events."""
Chunks = Callable[[], Iterable[bytes]]
"""Gives the file's bytes from the start, each time it is called."""


def damaged(line: int, why: str) -> ImportDamagedError:
    """The error that every problem of a file ends in."""
    return ImportDamagedError(f"line {line} of the file: {why}; nothing was changed", line=line)


class ExportFile:
    """An export file that is to be imported."""

    header: Header
    """Known from `open` on."""
    tally: Tally
    """Known once `batches` has come to its end."""

    def __init__(self, chunks: Chunks, go_on: Callable[[], None] = lambda: None) -> None:
        """
        Args:
            chunks: the file's bytes.
            go_on: called now and then; ends the reading by raising.
        """
        self._chunks = chunks
        self._go_on = go_on

    def open(self) -> Header:
        """Checks the first line.

        Raises:
            ImportDamagedError: the file is foreign, newer, or damaged there.
        """
        self._rest = _lines(self._chunks)
        line = next(self._rest, b"")
        try:
            if not line:
                raise LineError("the file is empty")
            self.header = parse_header(line)
        except LineError as error:
            raise damaged(1, str(error)) from None
        return self.header

    def batches(self) -> Iterator[Numbered]:
        """Checks the rest, and gives each batch's line number, batch and events on the way.

        What it gives is not to be acted on for good before the end is reached.

        Raises:
            ImportDamagedError: the file is truncated or altered.
        """
        header, lines = self.header, self._rest
        tally = Tally().with_header(header.line())
        head = Head(0, genesis_hash(header.instance_id))
        number = 1
        for number, line in enumerate(lines, 2):
            self._go_on()
            try:
                value = _whole(line)
                if value.get("kind") == "trailer":
                    _check_trailer(line, tally, head, header)
                    break
                batch = parse_batch(value)
                del value
                messages = _check_batch(line, batch, head)
            except LineError as error:
                raise damaged(number, str(error)) from None
            tally = tally.with_batch(line, messages)
            head = head_of(batch)
            yield number, batch, messages
        else:
            raise damaged(number, f"the file ends here, at sequence {head.sequence}, without its trailer")
        if next(lines, None) is not None:
            raise damaged(number + 1, "something follows the trailer")
        self.tally = tally

    def again(self) -> Iterator[Numbered]:
        """The batches of a file that was checked before."""
        lines = _lines(self._chunks)
        next(lines)
        for number, line in enumerate(lines, 2):
            self._go_on()
            value = parse_line(line)
            if value["kind"] == "trailer":
                return
            batch = parse_batch(value)
            yield number, batch, decode_batch(batch.payload)


def _whole(line: bytes) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        raise LineError("the file was cut off here")
    return parse_line(line)


def _check_trailer(line: bytes, tally: Tally, head: Head, header: Header) -> None:
    if line != tally.line():
        raise LineError("the trailer states other counts or another digest than the lines before it have")
    if (head.sequence, head.hash) != (header.head_sequence, header.head_hash):
        raise LineError(f"the batches end at another head than the header's, {header.head_sequence}")


def _check_batch(line: bytes, batch: Batch, head: Head) -> list[events_pb2.Event]:
    if batch.partition != PARTITION:
        raise LineError(f"it is of partition {batch.partition}; this store has {PARTITION} alone")
    if problem := link_problem(batch, head):
        raise LineError(problem)
    if batch.commit_time < head.commit_time:
        raise LineError("it was committed before the batch before it")
    try:
        messages = decode_batch(batch.payload)
    except DecodeError:
        raise LineError("its payload does not decode as events") from None
    if len(messages) != batch.count:
        raise LineError(f"its payload holds {len(messages)} events, not {batch.count}")
    for sequence, message in enumerate(messages, batch.first_sequence):
        if problem := _event_problem(message, sequence, batch.commit_time):
            raise LineError(f"event {sequence}: {problem}")
    if batch_line(batch, messages) != line:
        raise LineError("it does not read as its payload does: it was altered, or a newer program wrote it")
    return messages


def _event_problem(message: events_pb2.Event, sequence: int, commit_time: int) -> str:
    if message.sequence != sequence or message.partition != PARTITION:
        return f"it states sequence {message.sequence} of partition {message.partition}"
    if from_timestamp(message.commit_time) != commit_time:
        return "it states another commit time than its batch"
    if message.order_number > sequence:
        return "its order opens only later"
    kind = message.WhichOneof("event")
    if kind is None:
        return "it is of a kind that this program does not know; import it with a newer one"
    body = getattr(message, kind)
    for name in _FILLS.get(kind, ()):
        if body.HasField(name) and (problem := _fill_problem(getattr(body, name))):
            return problem
    if kind in ("order_registered", "order_reported"):
        return _order_problem(body.order)
    return ""


def _fill_problem(fill: fills_pb2.Fill) -> str:
    if not fill.venue or not fill.symbol or not fill.trade_id or fill.side not in (1, 2):
        return "its fill lacks venue, symbol, trade id or side"
    figures = [fill.quantity, *(fee.amount for fee in fill.fees)]
    if fill.HasField("price"):
        figures.append(fill.price)
    if fill.contract.HasField("multiplier"):
        figures.append(fill.contract.multiplier)
    return _figures_problem(figures)


def _order_problem(order: orders_pb2.Order) -> str:
    if not order.venue:
        return "its order lacks a venue"
    figures = [getattr(order, name) for name in _ORDER_FIGURES if order.HasField(name)]
    if order.contract.HasField("multiplier"):
        figures.append(order.contract.multiplier)
    return _figures_problem(figures)


_FILLS: Final = {
    "fill_recorded": ("fill",),
    "fill_enriched": ("fill",),
    "fill_conflicted": ("fill",),
    "fill_busted": ("fill",),
    "fill_corrected": ("fill", "replaced"),
}
_ORDER_FIGURES: Final = (
    "order_quantity",
    "cumulative_quantity",
    "limit_price",
    "expected_price",
    "average_price",
)


def _figures_problem(figures: list[str]) -> str:
    for figure in figures:
        if _PLAIN_NUMBER.fullmatch(figure) is None:
            return f"{figure[:50]!r} is not a decimal number"
    return ""


# ---------------------------------------------------------------------- lines


def _lines(chunks: Chunks) -> Iterator[bytes]:
    """The file's lines, each with its newline; the last as it is."""
    first = b""
    for chunk in chunks():
        first += chunk[:_DOCUMENT_PEEK]
        if len(first) >= _DOCUMENT_PEEK:
            break
    return _document_lines(chunks) if _DOCUMENT.match(first) else _split(chunks())


def _split(chunks: Iterable[bytes]) -> Iterator[bytes]:
    parts: list[bytes] = []
    size, number = 0, 1
    for chunk in chunks:
        start = 0
        while (end := chunk.find(b"\n", start) + 1) > 0:
            parts.append(chunk[start:end])
            yield b"".join(parts)
            parts.clear()
            start, size, number = end, 0, number + 1
        parts.append(chunk[start:])
        size += len(chunk) - start
        if size > LINE_BYTES_MAX:
            raise damaged(number, f"it is longer than {LINE_BYTES_MAX} bytes")
    if size:
        yield b"".join(parts)


def _document_lines(chunks: Chunks) -> Iterator[bytes]:
    """The lines of the form that `export_state()` gives: one object with header, batches and trailer."""
    data = bytearray()
    for chunk in chunks():
        data += chunk
        if len(data) > DOCUMENT_BYTES_MAX:
            raise damaged(1, f"a JSON document may have {DOCUMENT_BYTES_MAX} bytes; use the form in lines")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise damaged(1, "it is not one JSON document: truncated, or altered") from None
    del data
    try:
        yield from document_lines(document)
    except ValueError as error:
        raise damaged(1, str(error)) from None


def document_lines(document: object) -> Iterator[bytes]:
    """
    Raises:
        ValueError: it is not such a document.
    """
    if not isinstance(document, dict) or set(document) != {"header", "batches", "trailer"}:
        raise ValueError("the document has not header, batches and trailer alone")
    batches = document["batches"]
    if not isinstance(batches, list):
        raise ValueError("the document's batches are no list")
    for value in (document["header"], *batches, document["trailer"]):
        if not isinstance(value, dict):
            raise ValueError("the document holds something else than objects")
        try:
            yield dump(value)
        except (TypeError, RecursionError):
            raise ValueError("the document holds what is not JSON") from None


def to_document(chunks: Iterable[bytes]) -> dict[str, Any]:
    """A whole export as one object, for `json.dump`."""
    lines = [json.loads(line) for line in _split(chunks)]
    return {"header": lines[0], "batches": lines[1:-1], "trailer": lines[-1]}
