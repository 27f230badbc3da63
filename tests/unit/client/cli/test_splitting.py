"""A file is cut into its entries, byte for byte, whatever its form and wherever a read ends."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillhandler.cli import splitting
from fillhandler.cli.splitting import cut


def pieces(content: bytes) -> list[tuple[int, bytes]]:
    """(line, text) of each entry; problems by their reason."""
    return [(piece.line, piece.text or piece.reason.encode()) for piece in cut(io.BytesIO(content))]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b" \n\n ", []),
        (b'{"a": 1.10}', [(1, b'{"a": 1.10}')]),
        (b'{"a": 1}\n{"b": 2}', [(1, b'{"a": 1}'), (2, b'{"b": 2}')]),
        (b'\n\n{"a": 1}\r\n\r\n  {"b": 2}  \n', [(3, b'{"a": 1}'), (5, b'{"b": 2}')]),
        (b'\xef\xbb\xbf{"a": 1}\n', [(1, b'{"a": 1}')]),
        # One object over several lines.
        (b'\n{\n  "a": [\n{"b": 1}\n]}\n', [(2, b'{\n  "a": [\n{"b": 1}\n]}')]),
        # A bad first line does not make one object of the rest.
        (b'{"a": \n{"b": 2}\n', [(1, b'{"a":'), (2, b'{"b": 2}')]),
        (b'nonsense\n{"b": 2}\n', [(1, b"nonsense"), (2, b'{"b": 2}')]),
        # An array of entries, in one line or several.
        (b"[]", []),
        (b" [ ] \n", []),
        (b'[{"a": 1}, {"b": [1, {"c": "]}"}]}]', [(1, b'{"a": 1}'), (1, b'{"b": [1, {"c": "]}"}]}')]),
        (b'[\n{"a": 1},\n\n  {"b":\n 2}\n]\n', [(2, b'{"a": 1}'), (4, b'{"b":\n 2}')]),
        (b'[{"a": 1}]\n\n', [(1, b'{"a": 1}')]),
        (b'[{"a": "\\\\\\"],["}, {}]', [(1, b'{"a": "\\\\\\"],["}'), (1, b"{}")]),
        # Lines that are arrays themselves.
        (b"[1, 2]\n[3]\n", [(1, b"[1, 2]"), (2, b"[3]")]),
        (b"[1, 2]\n\nnonsense\n", [(1, b"[1, 2]"), (3, b"nonsense")]),
        # Broken arrays: what is whole still counts, and the end is reported.
        (b"[1, 2", [(1, b"1"), (1, b"2"), (1, b"INVALID_FIELD")]),
        (b"[\n1,\n", [(2, b"1"), (3, b"INVALID_FIELD")]),
        (b'["a', [(1, b'"a'), (1, b"INVALID_FIELD")]),
        (b"[1,\n]", [(1, b"1"), (2, b"")]),
        (b"[,1]", [(1, b""), (1, b"1")]),
        (b"[1\n] x", [(1, b"1"), (2, b"x")]),
    ],
)
def test_forms(content: bytes, expected: list[tuple[int, bytes]]) -> None:
    assert pieces(content) == expected


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    entries=st.lists(st.dictionaries(st.text(), values, max_size=3), max_size=6),
    indent=st.none() | st.integers(0, 2),
    ascii_only=st.booleans(),
    read_bytes=st.integers(1, 40),
)
def test_an_array_gives_its_elements_wherever_reads_end(
    entries: list[object], indent: int | None, ascii_only: bool, read_bytes: int
) -> None:
    content = json.dumps(entries, indent=indent, ensure_ascii=ascii_only).encode(errors="replace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splitting, "_READ_BYTES", read_bytes)
        found = list(cut(io.BytesIO(content)))

    assert [json.loads(piece.text) for piece in found] == json.loads(content)
    for piece in found:
        line = content.splitlines(keepends=True)[piece.line - 1]
        assert piece.text.splitlines()[0] in line if b"\n" not in content or indent is not None else True
        assert piece.end_bytes <= len(content)


@given(entries=st.lists(st.dictionaries(st.text(), values, max_size=3), min_size=2, max_size=6))
def test_lines_are_what_stands_in_them(entries: list[object]) -> None:
    lines = [json.dumps(entry).encode() for entry in entries]
    assert pieces(b"\n".join(lines)) == list(enumerate(lines, start=1))


@given(content=st.binary(max_size=200) | st.text(alphabet='[]{},:"\\\n 1a').map(str.encode))
def test_nothing_crashes_it(content: bytes) -> None:
    for piece in cut(io.BytesIO(content)):
        assert 1 <= piece.line <= content.count(b"\n") + 1


def test_what_no_request_can_hold_is_left_out_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "ENTRY_BYTES_MAX", 20)
    monkeypatch.setattr(splitting, "_READ_BYTES", 8)
    long = b'{"a": "' + b"x" * 100 + b'"}'

    assert pieces(b'{"a": 1}\n' + long + b'\n{"b": 2}\n' + long) == [
        (1, b'{"a": 1}'),
        (2, b"PAYLOAD_TOO_LARGE"),
        (3, b'{"b": 2}'),
        (4, b"PAYLOAD_TOO_LARGE"),
    ]
    assert pieces(b'[{"a": 1},\n' + long + b',\n{"b": 2}]') == [
        (1, b'{"a": 1}'),
        (2, b"PAYLOAD_TOO_LARGE"),
        (3, b'{"b": 2}'),
    ]


def test_a_line_is_given_before_the_next_one_has_come() -> None:
    class Pipe(io.RawIOBase):
        """Gives a line at a time, and fails where it is asked for more than was needed."""

        def __init__(self) -> None:
            self.lines = [b'{"a": 1}\n', b'{"b": 2}\n']

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            line = self.lines.pop(0)
            buffer[: len(line)] = line
            return len(line)

    found = cut(io.BufferedReader(Pipe()))
    assert next(found).text == b'{"a": 1}'
    assert next(found).text == b'{"b": 2}'
