"""Whatever was done to a data directory is found, and looking alters no byte."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.journals import JournalServer

from fillhandler_server import audit
from fillhandler_server.audit import Walk
from fillhandler_server.domain.errors import StoreRefusedError
from fillhandler_server.encryption import KeySource
from fillhandler_server.journal.database import Database, connect


@pytest.fixture
def server(make: Any) -> JournalServer:
    """A stopped server, 20 batches long."""
    made: JournalServer = make()
    for number in range(20):
        made.fill(f"a{number}", str(number // 3))
    made.close()
    made.close = lambda: None  # type: ignore[method-assign]
    return made


def verify(server: JournalServer) -> Walk:
    """Verifies offline; fails if a byte of the folder has changed."""
    before = files(server)
    walks = list(audit.verify_data_dir(server.folder / "data", server.keys))
    assert files(server) == before
    assert [walk.done for walk in walks] == [False] * (len(walks) - 1) + [True]
    return walks[-1]


def files(server: JournalServer) -> dict[str, str]:
    folder = server.folder / "data"
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def change(server: JournalServer, *statements: str) -> None:
    db: Database = connect(server.folder / "data" / "fillhandler.db", server.store.key.digits)
    for statement in statements:
        db.execute(statement)
    db.close()


def test_a_whole_journal_is_valid(server: JournalServer) -> None:
    walk = verify(server)

    assert walk.valid
    assert (walk.batches, walk.events, walk.total_events) == (20, 20, 20)
    assert walk.head.hash == server.writer.head.hash
    assert not walk.server_running


CHANGES: dict[str, tuple[list[str], int]] = {
    "an event is edited": (
        ["UPDATE journal SET payload = zeroblob(length(payload)) WHERE first_sequence = 8"],
        8,
    ),
    "a byte is added": (
        ["UPDATE journal SET payload = CAST(payload || x'00' AS BLOB) WHERE first_sequence = 8"],
        8,
    ),
    "a batch is deleted": (["DELETE FROM journal WHERE first_sequence = 5"], 5),
    "the first batch is deleted": (["DELETE FROM journal WHERE first_sequence = 1"], 1),
    "the tail is cut": (["DELETE FROM journal WHERE first_sequence > 17"], 20),
    "everything is deleted": (["DELETE FROM journal"], 20),
    "two batches change places": (
        [
            "UPDATE journal SET first_sequence = 1000 WHERE first_sequence = 4",
            "UPDATE journal SET first_sequence = 4 WHERE first_sequence = 5",
            "UPDATE journal SET first_sequence = 5 WHERE first_sequence = 1000",
        ],
        4,
    ),
    "payloads change places": (
        [
            "UPDATE journal SET payload = (SELECT payload FROM journal WHERE first_sequence = 9)"
            " WHERE first_sequence = 8"
        ],
        8,
    ),
    "a time is edited": (["UPDATE journal SET commit_time = commit_time + 1 WHERE first_sequence = 20"], 20),
    "a count is edited": (["UPDATE journal SET count = 2 WHERE first_sequence = 6"], 6),
    "the last count is edited": (["UPDATE journal SET count = 0 WHERE first_sequence = 20"], 20),
    "a hash is edited": (["UPDATE journal SET hash = previous_hash WHERE first_sequence = 3"], 3),
    "the epoch is edited": (["UPDATE journal SET epoch = 2 WHERE first_sequence = 3"], 3),
    "the instance is another": (["UPDATE meta SET value = 'other' WHERE name = 'instance_id'"], 20),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_found(server: JournalServer, name: str) -> None:
    statements, sequence = CHANGES[name]
    change(server, *statements)
    walk = verify(server)

    assert not walk.valid
    assert walk.problem
    assert walk.problem_sequence == sequence


def test_a_chain_made_anew_is_found_by_the_anchor(make: Any, server: JournalServer) -> None:
    """Whoever has the key can write a journal that fits together; it is not the anchored one."""
    other = make("b")
    for number in range(25):
        other.fill(f"b{number}")
    other.close()
    other.close = lambda: None
    rows = connect(other.folder / "data" / "fillhandler.db", other.store.key.digits)
    mine = connect(server.folder / "data" / "fillhandler.db", server.store.key.digits)
    mine.execute("DELETE FROM journal")
    for row in rows.execute("SELECT * FROM journal").fetchall():
        mine.execute("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    instance = rows.execute("SELECT value FROM meta WHERE name = 'instance_id'").fetchone()
    mine.execute("UPDATE meta SET value = ? WHERE name = 'instance_id'", instance)
    rows.close()
    mine.close()

    assert "instance" in verify(server).problem


def _swap(server: JournalServer, folder: Path) -> None:
    shutil.copy(folder / "data" / "anchor", server.folder / "data" / "anchor")


def test_another_stores_anchor_is_found(make: Any, server: JournalServer) -> None:
    other = make("b")
    other.fill("x")
    other.close()
    other.close = lambda: None
    _swap(server, other.folder)

    assert "instance" in verify(server).problem


def test_an_old_copy_put_back_is_found(server: JournalServer, tmp_path: Path) -> None:
    shutil.copytree(server.folder, tmp_path / "old")
    server.open()
    server.fill("later")
    JournalServer.close(server)
    shutil.copy(tmp_path / "old" / "data" / "fillhandler.db", server.folder / "data" / "fillhandler.db")

    assert "old copy" in verify(server).problem


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda folder: (folder / "anchor").unlink(), "anchor file is missing"),
        (lambda folder: (folder / "anchor").write_text("{}"), "anchor file is damaged"),
        (lambda folder: (folder / "fillhandler.db").unlink(), "database that the anchor names is missing"),
        (lambda folder: (folder / "store-id").unlink(), "store-id"),
        (lambda folder: (folder / "fillhandler.db").write_bytes(b""), "cannot be read"),
        (lambda folder: (folder / "fillhandler.db").write_bytes(b"\0" * 8192), "cannot be read"),
    ],
)
def test_missing_and_broken_files_are_reported(
    server: JournalServer, damage: Callable[[Path], Any], problem: str
) -> None:
    damage(server.folder / "data")
    walk = verify(server)

    assert not walk.valid
    assert problem in walk.problem


def test_flipped_bits_in_the_file_are_found(server: JournalServer) -> None:
    path = server.folder / "data" / "fillhandler.db"
    whole = path.read_bytes()
    db = connect(path, server.store.key.digits, read_only=True)
    root = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'journal'").fetchone()[0]
    db.close()
    found = []
    for at in ((root - 1) * 4096 + 100, 200):
        damaged = bytearray(whole)
        damaged[at] ^= 8
        path.write_bytes(damaged)
        found.append(verify(server).valid)

    assert found == [False, False]


def test_a_wrong_key_is_reported(server: JournalServer, tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text("ab" * 32)
    key_file.chmod(0o600)
    keys = KeySource(tmp_path, key_file=key_file, use_keyring=False)
    (walk,) = audit.verify_data_dir(server.folder / "data", keys)

    assert "another's" in walk.problem


def test_no_key_and_no_folder_are_refused(server: JournalServer, tmp_path: Path) -> None:
    with pytest.raises(StoreRefusedError, match="key"):
        list(audit.verify_data_dir(server.folder / "data", KeySource(tmp_path / "none", use_keyring=False)))
    with pytest.raises(StoreRefusedError, match="not a data directory"):
        list(audit.verify_data_dir(tmp_path / "none", server.keys))


def test_a_crash_leaves_a_log_that_is_read(make: Any, tmp_path: Path) -> None:
    running = make("r")
    for number in range(20):
        running.fill(f"a{number}")
    shutil.copytree(running.folder, tmp_path / "crashed")
    (tmp_path / "crashed" / "data" / "fillhandler.db-shm").unlink()
    copy = JournalServer.__new__(JournalServer)
    copy.folder, copy.keys = tmp_path / "crashed", running.keys
    walk = verify(copy)

    assert walk.valid
    assert walk.events == 20


def test_it_works_while_a_server_runs(make: Any) -> None:
    running = make("r")
    for number in range(20):
        running.fill(f"a{number}")
    (*_, walk) = audit.verify_data_dir(running.folder / "data", running.keys)

    assert walk.valid
    assert walk.server_running
    assert walk.events == 20
    assert running.fill("goes on").name == "RECORDED"


def test_no_server_starts_while_it_looks(server: JournalServer) -> None:
    walks = audit.verify_data_dir(server.folder / "data", server.keys)
    next(walks)
    with pytest.raises(StoreRefusedError, match="another server"):
        server.open()
    walks.close()
    server.open()
    JournalServer.close(server)


def test_a_replaced_store_is_verified(make: Any) -> None:
    from fillhandler_server.transfer.importing import ImportMode

    source, target = make("source", full=True), make("target")
    target.take(source.export(), ImportMode.REPLACE)
    (*_, online) = audit.verify_store(target.store)
    target.close()
    target.close = lambda: None
    offline = verify(target)

    assert online.valid
    assert offline.valid
    assert offline.head.hash == source.writer.head.hash


def test_online_it_walks_beside_the_writer(make: Any) -> None:
    running = make("r")
    for number in range(200):
        running.fill(f"a{number}")
    walks = audit.verify_store(running.store)
    first = next(walks)
    running.fill("later")
    (*_, last) = walks

    assert (first.done, first.events, first.total_events) == (False, audit.PROGRESS_BATCHES, 200)
    assert last.valid
    assert last.events == 200


def test_online_it_finds_an_edit(make: Any) -> None:
    running = make("r")
    for number in range(10):
        running.fill(f"a{number}")
    running.store.db.execute(
        "UPDATE journal SET payload = CAST(payload || x'00' AS BLOB) WHERE first_sequence = 4"
    )
    (*_, last) = audit.verify_store(running.store)

    assert (last.valid, last.problem_sequence) == (False, 4)
