"""G10 and G15: what is wrong with a store is named, and its files' bytes are left as they were."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from support.application import RunningServer, settings_in
from support.messages import record

from fillhandler_server.app import Application
from fillhandler_server.domain.errors import StoreRefusedError
from fillhandler_server.journal.database import connect


@pytest_asyncio.fixture(params=["closed", "killed"])
async def stopped(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Path]:
    """A folder with a store of two sittings; `old` beside it is what it was after the first.

    Killed: as it stands while the server still runs, the write-ahead log full and the anchor behind.
    """
    server = await RunningServer(tmp_path / "made").start()
    for n in range(3):
        await server.fills.RecordFill(record(str(n)))
    await server.stop()
    shutil.copytree(server.data_dir, tmp_path / "old")
    await server.start()
    for n in range(3, 6):
        await server.fills.RecordFill(record(str(n)))
    if request.param == "killed":
        while server.app.writer._anchor_due or server.app.writer.book.pending:
            await asyncio.sleep(0.01)
        shutil.copytree(server.folder, tmp_path / "killed")
    await server.stop()
    yield tmp_path / ("killed" if request.param == "killed" else "made")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file but SQLite's shared memory, and an empty log, which are no content."""
    return {
        str(path.relative_to(folder)): content
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith("-shm")
        if (content := path.read_bytes()) or not path.name.endswith("-wal")
    }


def refused(folder: Path, **changes: object) -> str:
    """Why a start is refused; nothing changes by it, twice."""
    before = contents(folder)
    texts = set()
    for _ in range(2):
        with pytest.raises(StoreRefusedError) as caught:
            Application(settings_in(folder, **changes)).close()
        texts.add(caught.value.text)
        assert contents(folder) == before
    (text,) = texts
    assert str(folder) in text
    return text


def key_of(folder: Path) -> Path:
    (path,) = (folder / "keys").iterdir()
    return path


def database(folder: Path) -> Path:
    return folder / "data" / "fillhandler.db"


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "data" / name).unlink()


def write(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / "data" / name).write_bytes(content)


def put_old_database_back(folder: Path) -> None:
    for path in (folder / "data").glob("fillhandler.db*"):
        path.unlink()
    for path in (folder.parent / "old").glob("fillhandler.db*"):
        shutil.copy(path, folder / "data")


def flip_a_bit(folder: Path) -> None:
    """In a page in the middle: SQLCipher's own check of each page finds it."""
    content = bytearray(database(folder).read_bytes())
    content[len(content) // 2] ^= 1
    database(folder).write_bytes(content)


def halve(folder: Path) -> None:
    os.truncate(database(folder), database(folder).stat().st_size // 2)


def edit(statement: str) -> Callable[[Path], None]:
    """With the right key, as an insider could."""

    def change(folder: Path) -> None:
        db = connect(database(folder), key_of(folder).read_text().strip())
        db.execute(statement)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()

    return change


def forge_anchor(folder: Path) -> None:
    path = folder / "data" / "anchor"
    body = json.loads(path.read_text())
    body["sequence"] = 1
    path.write_text(json.dumps(body))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "anchor missing": (remove("anchor"), "anchor"),
    "anchor empty": (write("anchor", b""), "anchor"),
    "anchor forged": (forge_anchor, "anchor"),
    "database deleted": (remove("fillhandler.db"), "missing"),
    "database empty": (write("fillhandler.db", b""), "fillhandler.db|empty|read"),
    "database zeroed": (write("fillhandler.db", bytes(65536)), "cannot be read"),
    "foreign file": (write("fillhandler.db", b"SQLite format 3\0" + bytes(8176)), "cannot be read"),
    "store id missing": (remove("store-id"), "store-id"),
    "key missing": (lambda folder: key_of(folder).unlink(), "key"),
    "old copy put back": (put_old_database_back, "tail was cut|old copy"),
    "half of it": (halve, "cannot be read|before its anchor|damaged"),
    "newer schema": (edit("PRAGMA user_version = 99"), "newer"),
    "tail cut": (edit("DELETE FROM journal WHERE first_sequence > 4"), "before its anchor"),
    "everything cut": (edit("DELETE FROM journal"), "before its anchor"),
    "head edited": (
        edit("UPDATE journal SET commit_time = commit_time + 1 WHERE first_sequence = 6"),
        "not what was committed",
    ),
    "renumbered": (
        edit("UPDATE journal SET first_sequence = 7 WHERE first_sequence = 6"),
        "no batch that holds",
    ),
    "other instance": (edit("UPDATE meta SET value = 'x' WHERE name = 'instance_id'"), "another instance"),
}


@pytest.mark.parametrize("name", DAMAGE)
async def test_damage_is_named_and_left_as_it_is(stopped: Path, name: str) -> None:
    import re

    damage, said = DAMAGE[name]
    damage(stopped)
    assert re.search(said, refused(stopped)), name


async def test_a_wrong_key(stopped: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.key"
    other.write_text("0" * 64)
    other.chmod(0o600)
    text = refused(stopped, key_file=other)
    assert "key" in text
    assert "0" * 64 not in text
    other.chmod(0o644)
    with pytest.raises(StoreRefusedError, match="chmod 600"):
        Application(settings_in(stopped, key_file=other))
    other.chmod(0o600)
    other.write_text("too short")
    with pytest.raises(StoreRefusedError, match="64 hexadecimal"):
        Application(settings_in(stopped, key_file=other))
    with pytest.raises(StoreRefusedError, match="--key-file"):
        Application(settings_in(stopped, key_file=tmp_path / "nowhere"))


async def test_an_existing_store_never_gets_a_new_key(stopped: Path) -> None:
    key = key_of(stopped)
    kept = key.read_bytes()
    key.unlink()
    refused(stopped)
    assert not list((stopped / "keys").iterdir())
    key.write_bytes(kept)
    key.chmod(0o600)
    Application(settings_in(stopped)).close()


async def test_a_store_in_use_is_refused(stopped: Path) -> None:
    holder = Application(settings_in(stopped))
    try:
        with pytest.raises(StoreRefusedError, match="another server uses"):
            Application(settings_in(stopped))
    finally:
        holder.close()


async def test_whole_again_it_opens(stopped: Path) -> None:
    """The damage above is what was refused, not the fixture."""
    application = Application(settings_in(stopped))
    try:
        assert application.writer.head.sequence == 6
    finally:
        application.close()


async def test_a_damaged_page_is_never_served(stopped: Path) -> None:
    """Refused at the start, or, where no start reads that page, by the walk over the chain."""
    flip_a_bit(stopped)
    try:
        server = await RunningServer(stopped).start()
    except StoreRefusedError:
        return
    try:
        from support.watching import read_through

        try:
            events = await read_through(server.feed, 6)
        except Exception:  # noqa: BLE001  # any refusal will do
            return
        assert [event.fill_recorded.fill.trade_id for event in events] == list("012345")
    finally:
        await server.stop()


async def test_a_start_that_was_cut_short_is_done_anew(tmp_path: Path) -> None:
    """Nothing was acknowledged yet: the anchor says that the store is being made."""
    server = RunningServer(tmp_path)
    Application(server.settings).close()
    anchor = server.data_dir / "anchor"
    from fillhandler_server.journal.datadir import Anchor

    anchor.write_text(Anchor("fillhandler.db", "", 0, "").to_text())
    (server.data_dir / "fillhandler.db").write_bytes(b"half")
    await server.start()
    assert (await server.fills.RecordFill(record("1"))).sequence == 1
    await server.stop()
