"""Chunks on their way in: in order, once, kept through a restart, bounded, unreadable without the key."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from fillhandler_server.domain.errors import (
    ImportDamagedError,
    InvalidFieldError,
    PayloadTooLargeError,
    StoreFullError,
    TooManyStreamsError,
)
from fillhandler_server.journal.database import connect
from fillhandler_server.transfer import building, staging
from fillhandler_server.transfer.importing import ImportMode, Imports

MERGE = int(ImportMode.MERGE)


def send(
    server: Any, index: int, chunk: bytes, *, last: bool = False, import_id: str = "x", mode: int = MERGE
) -> Any:
    return server.imports.receive(import_id, index, chunk, last=last, mode=mode)


def staged(server: Any) -> list[Path]:
    return sorted((server.folder / "data").glob("import-*"))


@pytest.mark.parametrize("size", [1, 7, 1000, 4096, 1 << 20])
def test_chunks_of_any_size_make_the_file(server: Any, make: Any, size: int) -> None:
    data = server.export()
    if size < 100:
        data, rest = data[: size * 20], data[size * 20 :]
        pieces = [data[at : at + size] for at in range(0, len(data), size)] + [rest]
    else:
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
    other = make("b")
    received = 0
    for index, piece in enumerate(pieces):
        answer = send(other, index, piece, last=index == len(pieces) - 1)
        received += len(piece)
        assert (answer.next_chunk_index, answer.received_bytes) == (index + 1, received)
        assert (answer.result is None) == (index < len(pieces) - 1)

    assert other.orders() == server.orders()
    assert staged(other) == []


def test_it_goes_on_after_a_restart(server: Any, make: Any) -> None:
    data = server.export()
    pieces = [data[at : at + 5000] for at in range(0, len(data), 5000)]
    other = make("b")
    for index, piece in enumerate(pieces[:-1]):
        send(other, index, piece)
        other.restart()
        # Whoever does not know how far it came sends the first again.
        assert send(other, 0, pieces[0]).next_chunk_index == index + 1

    assert send(other, len(pieces) - 1, pieces[-1], last=True).result.applied
    assert other.orders() == server.orders()


def test_a_chunk_received_before_is_answered_again(server: Any, make: Any) -> None:
    data = server.export()
    other = make("b")
    send(other, 0, data[:1000])
    send(other, 1, data[1000:2000])
    again = send(other, 0, data[:1000])

    assert (again.next_chunk_index, again.received_bytes, again.result) == (2, 2000, None)
    assert send(other, 2, data[2000:], last=True).result.applied


@pytest.mark.parametrize(("index", "expected"), [(1, 0), (5, 0)])
def test_an_import_begins_with_chunk_0(server: Any, index: int, expected: int) -> None:
    with pytest.raises(InvalidFieldError, match=f"must be {expected}") as caught:
        send(server, index, b"x")

    assert caught.value.metadata == {"field": "chunk_index", "next_chunk_index": str(expected)}
    assert staged(server) == []


def test_a_gap_is_refused_and_says_what_is_next(server: Any) -> None:
    send(server, 0, b"x")
    with pytest.raises(InvalidFieldError, match="chunk_index: must be 1") as caught:
        send(server, 2, b"y", last=True)

    assert caught.value.metadata["next_chunk_index"] == "1"
    assert send(server, 1, b"y").next_chunk_index == 2


def test_another_chunk_under_a_received_index_is_refused(server: Any) -> None:
    send(server, 0, b"x")
    with pytest.raises(InvalidFieldError, match="another import_id"):
        send(server, 0, b"y")


def test_the_mode_is_the_same_for_all_chunks(server: Any) -> None:
    send(server, 0, b"x")
    with pytest.raises(InvalidFieldError, match="mode"):
        send(server, 1, b"y", mode=int(ImportMode.REPLACE))


def test_last_belongs_to_the_last_chunk(server: Any) -> None:
    send(server, 0, b"x")
    send(server, 1, b"y")
    with pytest.raises(InvalidFieldError, match="last"):
        send(server, 0, b"x", last=True)
    with pytest.raises(InvalidFieldError, match="last"):
        send(server, 1, b"y", last=True)


@pytest.mark.parametrize("import_id", ["", "a/b", "..", "a.b", "a b", "é", "a\n", "a" * 65, "a\0"])
def test_an_id_outside_its_grammar_is_refused(server: Any, import_id: str) -> None:
    with pytest.raises(InvalidFieldError, match="import_id"):
        send(server, 0, b"x", import_id=import_id)


@pytest.mark.parametrize("mode", [0, 4, -1])
def test_a_mode_must_be_stated(server: Any, mode: int) -> None:
    with pytest.raises(InvalidFieldError, match="mode"):
        send(server, 0, b"x", mode=mode)


def test_damage_removes_what_was_staged(server: Any) -> None:
    data = server.export()
    send(server, 0, data[:1000])
    with pytest.raises(ImportDamagedError):
        send(server, 1, data[1001:], last=True)

    assert staged(server) == []
    assert send(server, 0, data[:1000]).next_chunk_index == 1


def test_what_is_staged_is_encrypted_and_private(server: Any) -> None:
    data = server.export()
    send(server, 0, data)
    (path,) = staged(server)

    assert path.stat().st_mode & 0o777 == 0o600
    assert b"BTC/USDT" not in path.read_bytes()
    assert b"SQLite" not in path.read_bytes()[:16]


def test_a_file_may_have_so_many_bytes(server: Any) -> None:
    imports = Imports(server.store, server.writer, bytes_max=1000)
    imports.receive("x", 0, b"a" * 600, last=False, mode=MERGE)
    with pytest.raises(PayloadTooLargeError, match="1000 bytes"):
        imports.receive("x", 1, b"a" * 600, last=False, mode=MERGE)

    assert imports.receive("x", 1, b"a" * 400, last=False, mode=MERGE).received_bytes == 1000


def test_so_many_imports_are_under_way_at_once(server: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(staging, "STAGINGS_MAX", 3)
    for number in range(3):
        send(server, 0, b"x", import_id=str(number))
    with pytest.raises(TooManyStreamsError):
        send(server, 0, b"x", import_id="more")
    assert send(server, 1, b"y", import_id="0").next_chunk_index == 2

    # One that nobody went on with for a day gives way.
    old = time.time() - 25 * 3600
    os.utime(staged(server)[2], (old, old))
    assert send(server, 0, b"x", import_id="more").next_chunk_index == 1


def test_what_nobody_went_on_with_is_removed_at_a_start(server: Any) -> None:
    send(server, 0, b"x", import_id="old")
    send(server, 0, b"x", import_id="new")
    old = time.time() - 25 * 3600
    os.utime(server.folder / "data" / "import-old.staging", (old, old))
    server.restart()

    assert [path.name for path in staged(server)] == ["import-new.staging"]


def small_disk(monkeypatch: Any, module: Any, pages: int) -> None:
    def limited(path: Path, key: str, **others: Any) -> Any:
        db = connect(path, key, **others)
        db.execute(f"PRAGMA max_page_count = {pages}")
        return db

    monkeypatch.setattr(module, "connect", limited)


def test_no_room_for_a_chunk_is_said_and_it_can_be_sent_again(
    server: Any, make: Any, monkeypatch: Any
) -> None:
    data = server.export()
    other = make("b")
    send(other, 0, data[:1000])
    with monkeypatch.context() as patch:
        small_disk(patch, staging, 4)
        with pytest.raises(StoreFullError):
            send(other, 1, data[1000:], last=True)

    assert send(other, 1, data[1000:], last=True).result.applied


@pytest.mark.parametrize("mode", [ImportMode.REPLACE, ImportMode.VALIDATE_ONLY])
def test_no_room_to_build_is_said_and_changes_nothing(
    make: Any, server: Any, monkeypatch: Any, mode: ImportMode
) -> None:
    source = make("b")
    for number in range(40):
        source.fill(f"a{number}", metadata={"pad": "x" * 4000})
    before = server.state()
    with monkeypatch.context() as patch:
        small_disk(patch, building, 50)
        with pytest.raises(StoreFullError):
            server.take(source.export(), mode)

    assert server.state().replace("'import-one.staging', ", "") == before
    assert server.take(source.export(), mode).result.events == 40
