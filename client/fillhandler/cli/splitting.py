"""Cuts a file into entries without understanding them: JSON lines, the elements of one array, or one object.

Memory is bounded by the largest entry, not by the file.
"""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from fillhandler.connection import REQUEST_BYTES_MAX

#: What one entry may be; the server takes no larger message, and some of that is its envelope.
ENTRY_BYTES_MAX: Final = REQUEST_BYTES_MAX - 64 * 1024
_READ_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Piece:
    """One entry's bytes as they stand in the file.

    Attributes:
        line: Where it starts, from 1.
        end_bytes: How far the file was read when it was cut, for a progress bar.
        text: Without the space around it; empty where `problem` is set.
        problem: Why there are no bytes to understand; empty normally.
        reason: The error catalogue's word for the problem.
    """

    line: int
    end_bytes: int
    text: bytes
    problem: str = ""
    reason: str = ""

    @classmethod
    def too_long(cls, line: int, end_bytes: int) -> Piece:
        """An entry that no request can hold."""
        return cls(line, end_bytes, b"", f"longer than {ENTRY_BYTES_MAX} bytes", "PAYLOAD_TOO_LARGE")


class NumbersAsText(json.JSONDecoder):
    """Leaves numbers the text they are: a float loses digits, and a huge one takes minutes to make."""

    def __init__(self) -> None:
        super().__init__(parse_float=str, parse_int=str, parse_constant=self._refuse)

    @staticmethod
    def _refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no number")


_DECODER: Final = NumbersAsText()


class _Prefixed(io.RawIOBase):
    """What was read ahead, and then the rest of the file."""

    def __init__(self, head: bytes, file: io.BufferedIOBase) -> None:
        super().__init__()
        self._head = memoryview(head)
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        piece: bytes | memoryview = self._head[: len(buffer)]
        if len(piece):
            self._head = self._head[len(piece) :]
        else:
            # read1 gives what a pipe has instead of waiting until it has enough.
            piece = self._file.read1(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


def cut(file: io.BufferedIOBase) -> Iterator[Piece]:
    """Find out which of the three the file is, and cut it into entries.

    A file whose first line is whole JSON is JSON lines, except where that line is an array and nothing
    follows it. Else `[` begins an array, and `{` one object over several lines, if that is what it turns out
    to be.
    """
    skipped_bytes = skipped_lines = 0
    first = file.readline(ENTRY_BYTES_MAX)
    if first.startswith(codecs.BOM_UTF8):
        first, skipped_bytes = first[len(codecs.BOM_UTF8) :], len(codecs.BOM_UTF8)
    while first and not first.strip():
        skipped_bytes += len(first)
        skipped_lines += 1
        first = file.readline(ENTRY_BYTES_MAX)

    head = first
    cutter: Callable[[io.BufferedIOBase, int, int], Iterator[Piece]] = _lines
    if first.lstrip().startswith(b"["):
        cutter = _elements
        if _is_json(first):
            following = file.readline(_READ_BYTES)
            while following and not following.strip():
                head += following
                following = file.readline(_READ_BYTES)
            head += following
            cutter = _lines if following else _elements
    elif first.lstrip().startswith(b"{") and not _is_json(first):
        head += file.read(ENTRY_BYTES_MAX + 1 - len(first))
        if len(head) <= ENTRY_BYTES_MAX and _is_json(head):
            yield Piece(skipped_lines + 1, skipped_bytes + len(head), head.strip())
            return
    yield from cutter(io.BufferedReader(_Prefixed(head, file), _READ_BYTES), skipped_lines, skipped_bytes)


def _is_json(text: bytes) -> bool:
    try:
        _DECODER.decode(text.decode())
    except (ValueError, RecursionError):
        return False
    return True


def _lines(file: io.BufferedIOBase, line: int, end_bytes: int) -> Iterator[Piece]:
    """Each line that is not empty."""
    while text := file.readline(ENTRY_BYTES_MAX + 1):
        line += 1
        end_bytes += len(text)
        if len(text) > ENTRY_BYTES_MAX:
            while not text.endswith(b"\n") and (text := file.readline(_READ_BYTES)):
                end_bytes += len(text)
            yield Piece.too_long(line, end_bytes)
        elif text := text.strip():
            yield Piece(line, end_bytes, text)


def _elements(file: io.BufferedIOBase, line: int, end_bytes: int) -> Iterator[Piece]:
    """Each element of the array. Follows brackets and strings only; whether it is JSON is seen later."""
    cutter = _ArrayCutter(line, end_bytes)
    while chunk := file.read1(_READ_BYTES):
        yield from cutter.feed(chunk)
    yield from cutter.end()


_STRUCTURE: Final = re.compile(rb'["\[\]{},]')
_STRING_END: Final = re.compile(rb'"|\\')


class _ArrayCutter:
    """Where the elements of an array begin and end, over chunks that are cut anywhere."""

    def __init__(self, line: int, end_bytes: int) -> None:
        self._line = line + 1
        self._end_bytes = end_bytes
        self._depth = 0
        self._in_string = False
        self._escaped = False  # the chunk before ended between a backslash and what it escapes
        self._element = bytearray()
        self._too_long = False
        self._count = 0

    def feed(self, chunk: bytes) -> Iterator[Piece]:
        """The elements that end in this chunk."""
        self._end_bytes += len(chunk)
        start = 0  # of what belongs to the present element
        position = 1 if self._escaped else 0
        self._escaped = False
        while found := (_STRING_END if self._in_string else _STRUCTURE).search(chunk, position):
            position = found.end()
            match found[0]:
                case b'"':
                    self._in_string = not self._in_string
                case b"\\":
                    position += 1
                    self._escaped = position > len(chunk)
                case b"[" | b"{":
                    self._depth += 1
                    if self._depth == 1:  # the array itself
                        self._line += chunk.count(b"\n", start, position)
                        start = position
                case b"]" | b"}":
                    self._depth -= 1
                    if self._depth == 0:
                        yield from self._finish(chunk[start : found.start()], last=True)
                        start = position
                case _:
                    if self._depth == 1:
                        yield from self._finish(chunk[start : found.start()])
                        start = position
        self._keep(chunk[start:])

    def end(self) -> Iterator[Piece]:
        """What is left at the end of the file: nothing, normally."""
        if self._element.strip() or self._too_long:
            yield from self._finish(b"")
        if self._depth > 0 or self._in_string:
            self._line += self._element.count(b"\n")
            text = "the file ends before its array does"
            yield Piece(self._line, self._end_bytes, b"", text, "INVALID_FIELD")

    def _keep(self, part: bytes) -> None:
        self._element += part
        if len(self._element) > ENTRY_BYTES_MAX:
            self._too_long = True
            self._line += self._element.count(b"\n")
            self._element.clear()

    def _finish(self, part: bytes, *, last: bool = False) -> Iterator[Piece]:
        self._keep(part)
        text = bytes(self._element)
        self._element.clear()
        begins = self._line + text[: len(text) - len(text.lstrip())].count(b"\n")
        self._line += text.count(b"\n")
        stripped = text.strip()
        if self._too_long:
            self._too_long = False
            yield Piece.too_long(begins, self._end_bytes)
        elif stripped or self._count or not last:  # `[]` has no element, `[1,]` has an empty one
            yield Piece(begins, self._end_bytes, stripped)
        self._count += 1
