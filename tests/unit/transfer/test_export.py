"""Chunks of any size are the same file, from any place on."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from fillhandler_server.domain.errors import PageTokenInvalidError
from fillhandler_server.transfer.export import CHUNK_BYTES, CHUNK_BYTES_MAX, CHUNK_BYTES_MIN
from fillhandler_server.transfer.importing import ImportMode


def test_an_empty_journal_is_a_file_too(make: Any) -> None:
    server = make()
    chunk = server.exports.chunk()

    assert chunk.next_page_token == ""
    assert [json.loads(line)["kind"] for line in chunk.data.splitlines()] == ["header", "trailer"]


@pytest.mark.parametrize("size", [1, 4096, 4097, 5000, 10_007, 0, CHUNK_BYTES_MAX, 1 << 30])
def test_chunks_of_any_size_are_the_same_file(server: Any, size: int) -> None:
    whole = server.export(CHUNK_BYTES_MAX)
    parts, token = [], ""
    while True:
        chunk = server.exports.chunk(token, size)
        parts.append(chunk.data)
        token = chunk.next_page_token
        if not token:
            break

    assert b"".join(parts) == whole
    bound = min(max(size or CHUNK_BYTES, CHUNK_BYTES_MIN), CHUNK_BYTES_MAX)
    assert {len(part) for part in parts[:-1]} <= {bound}
    assert 0 < len(parts[-1]) <= bound


def test_sizes_may_change_on_the_way(server: Any) -> None:
    whole = server.export()
    first = server.exports.chunk("", 4096)
    rest = server.exports.chunk(first.next_page_token, 1 << 20)

    assert first.data + rest.data == whole


def test_a_file_that_ends_with_a_chunk_has_no_empty_one_after_it(server: Any) -> None:
    data = server.export()
    chunk = server.exports.chunk("", len(data))
    rest = server.exports.chunk(server.exports.chunk("", 5000).next_page_token, len(data) - 5000)

    assert (chunk.data, chunk.next_page_token) == (data, "")
    assert (rest.data, rest.next_page_token) == (data[5000:], "")


def test_the_head_is_pinned_by_the_first_chunk(server: Any) -> None:
    whole = server.export()
    first = server.exports.chunk("", 4096)
    server.fill("later", "9")
    rest = server.exports.chunk(first.next_page_token, 1 << 20)

    assert first.data + rest.data == whole
    assert rest.total_events == rest.events == server.writer.head.sequence - 1


def test_it_goes_on_after_a_restart(server: Any) -> None:
    whole = server.export()
    parts, token = [], ""
    while True:
        chunk = server.exports.chunk(token, 10_000)
        parts.append(chunk.data)
        token = chunk.next_page_token
        if not token:
            break
        server.restart()

    assert b"".join(parts) == whole


def test_progress_grows_to_the_end(server: Any) -> None:
    token, seen = "", []
    while True:
        chunk = server.exports.chunk(token, 4096)
        seen.append((chunk.events, chunk.batches))
        token = chunk.next_page_token
        if not token:
            break

    assert seen == sorted(seen)
    assert seen[-1] == (server.writer.head.sequence, len(server.export().splitlines()) - 2)


def changed(token: str, at: int, value: Any) -> str:
    body = json.loads(base64.urlsafe_b64decode(token))
    body[at] = value
    return base64.urlsafe_b64encode(json.dumps(body).encode()).decode()


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, "0" * 32),
        (0, 7),
        (1, 10**9),
        (1, "1"),
        (1, True),
        (1, -1),
        (2, "00" * 32),
        (2, "00"),
        (3, 10**9),
        (3, -1),
        (4, 3),
        (4, 10**9),
        (5, "00" * 32),
        (6, []),
        (6, [0, 0, 0, 0, "00"]),
    ],
)
def test_a_token_that_is_not_ours_is_refused(server: Any, at: int, value: Any) -> None:
    token = server.exports.chunk("", 8192).next_page_token

    with pytest.raises(PageTokenInvalidError):
        server.exports.chunk(changed(token, at, value))


@pytest.mark.parametrize(
    "token", ["x", "é", "e30=", "W10=", base64.urlsafe_b64encode(b"[" * 900).decode(), "A" * 5000]
)
def test_nonsense_is_refused_as_a_token(server: Any, token: str) -> None:
    with pytest.raises(PageTokenInvalidError) as caught:
        server.exports.chunk(token)

    assert caught.value.metadata["field"] == "page_token"


def test_a_token_of_another_journal_is_refused(server: Any, make: Any) -> None:
    other = make("b", full=True)

    with pytest.raises(PageTokenInvalidError, match="another journal's"):
        other.exports.chunk(server.exports.chunk("", 4096).next_page_token)


def test_a_token_from_before_a_replacement_is_refused(server: Any) -> None:
    """The instance may be the same: an older backup of it was put back."""
    backup = server.export()
    server.fill("later", "9")
    token = server.exports.chunk("", 4096).next_page_token
    server.take(backup, ImportMode.REPLACE)
    server.fill("other", "9")

    with pytest.raises(PageTokenInvalidError, match="replaced"):
        server.exports.chunk(token)


def test_a_damaged_journal_is_not_exported(server: Any) -> None:
    server.store.db.execute("UPDATE journal SET commit_time = commit_time + 1 WHERE first_sequence = 3")

    with pytest.raises(RuntimeError, match="verify"):
        server.export()
