"""What an import does in each mode, and that it does it once."""

from __future__ import annotations

import json
import random
import shutil
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.journals import SECOND, START, a_fill, a_report

from fillhandler_server.domain.errors import ImportDamagedError, ShuttingDownError
from fillhandler_server.domain.reports import OrderStatus
from fillhandler_server.projections.working_set import WorkingSet
from fillhandler_server.transfer import importing, merging
from fillhandler_server.transfer.importing import ImportMode
from fillhandler_server.transfer.reading import to_document

REPLACE, MERGE, VALIDATE = ImportMode.REPLACE, ImportMode.MERGE, ImportMode.VALIDATE_ONLY

# ---------------------------------------------------------------------- replace


def test_replace_gives_the_identical_export_again(server: Any, make: Any) -> None:
    data = server.export()
    other = make("b")
    other.fill("gone", "77")
    result = other.take(data, REPLACE).result

    assert other.export() == data
    assert other.store.instance_id == server.store.instance_id
    assert other.orders() == server.orders()
    assert (result.new_fills, result.appended_events, result.applied) == (result.fills, 0, True)
    assert result.sequence == server.writer.head.sequence
    assert other.told[-1] == f"replaced {server.store.instance_id} {server.writer.head.sequence}"


def test_a_replaced_server_goes_on(server: Any, make: Any) -> None:
    other = make("b")
    other.take(server.export(), REPLACE)
    outcomes = [other.fill("t1"), other.fill("new"), other.fill("t3", "2")]
    other.restart()

    assert [outcome.name for outcome in outcomes] == ["DUPLICATE", "RECORDED", "DUPLICATE"]
    assert other.writer.head.sequence == server.writer.head.sequence + 1
    assert other.fill("new").name == "DUPLICATE"


def test_replace_leaves_the_rows_that_the_source_has(server: Any, make: Any) -> None:
    other = make("b")
    other.take(server.export(), REPLACE)

    tables = (
        "journal",
        "orders",
        "fills",
        "fill_changes",
        "conflicts",
        "reports",
        "order_names",
        "fill_sums",
    )
    for table in tables:
        assert rows(other, table) == rows(server, table), table


def rows(server: Any, table: str) -> list[Any]:
    server.writer.submit(lambda session: None, flush=True).result()
    db = server.store.reader()
    found = sorted(db.execute(f"SELECT * FROM {table}").fetchall(), key=repr)
    db.close()
    return found


def test_replace_leaves_key_store_id_and_other_files_alone(server: Any, make: Any) -> None:
    other = make("b")
    folder = other.folder / "data"
    (folder / "token").write_text("secret")
    kept = {name: (folder / name).read_bytes() for name in ("store-id", "token", "lock")}
    keys = sorted((other.folder / "keys").iterdir())
    other.take(server.export(), REPLACE)
    other.restart()

    assert {name: (folder / name).read_bytes() for name in kept} == kept
    assert sorted((other.folder / "keys").iterdir()) == keys
    assert len(list(folder.glob("*.db"))) == 1
    assert not list(folder.glob("*.staging*"))


def test_a_server_can_be_put_back_to_its_own_backup(server: Any) -> None:
    backup = server.export()
    server.fill("later", "9")
    server.take(backup, REPLACE)

    assert server.export() == backup
    assert server.fill("later", "9").name == "RECORDED"


def test_a_failed_switch_leaves_the_old_journal(server: Any, make: Any, monkeypatch: Any) -> None:
    other = make("b", full=True)
    before = other.state()

    def fail(anchor: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(other.store.directory, "write_anchor", fail)
        with pytest.raises(Exception, match="disk is full"):
            other.take(server.export(), REPLACE)

    assert other.state().replace("'import-one.staging', ", "") == before
    assert other.fill("goes on", "5").name == "RECORDED"
    # What was staged is still there, so the last chunk is enough.
    assert other.take(server.export(), REPLACE).result.applied
    assert other.export() == server.export()


@pytest.mark.parametrize("mode", [REPLACE, MERGE])
def test_a_crash_at_any_point_leaves_the_old_or_the_new(
    server: Any, make: Any, monkeypatch: Any, tmp_path: Path, mode: ImportMode
) -> None:
    """The folder, copied at each point on the way, is what a start would find there."""
    other = make("b")
    other.fill("mine", "99")
    old = other.export()
    points: list[str] = []

    def copy_at(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def copying(*args: Any, **others: Any) -> Any:
            for when in ("before", "after"):
                point = f"{len(points)} {when} {name}"
                points.append(point)
                # What is staged is in its file by now; a reader of it may come and go.
                passing = shutil.ignore_patterns("*.staging-*")
                shutil.copytree(other.folder, tmp_path / "crashed" / point, ignore=passing)
                if when == "before":
                    result = real(*args, **others)
            return result

        monkeypatch.setattr(owner, name, copying)

    copy_at(WorkingSet, "flush")
    copy_at(type(other), "committed")
    copy_at(importing, "build")
    copy_at(importing.Imports, "_note")
    copy_at(type(other.store), "switch")
    copy_at(type(other.store), "_open")
    copy_at(type(other.store.directory), "write_anchor")
    copy_at(type(other.store.directory), "remove_database")
    data = server.export()
    other.take(data, mode)
    monkeypatch.undo()
    new = other.export()
    found = []
    for point in points:
        crashed = make(f"crashed/{point}")
        found.append(crashed.export())
        assert found[-1] in (old, new), point
        # Whatever it is, the last chunk is enough to be done, once.
        if (tmp_path / "crashed" / point / "data" / "import-one.staging").exists():
            crashed.imports.receive("one", 0, data, last=True, mode=int(mode))
            assert len(crashed.export().splitlines()) == len(new.splitlines()), point

    assert {old, new} == set(found)
    assert old != new
    assert len(points) > 4


# ---------------------------------------------------------------------- merge


def test_merge_into_an_empty_journal_ends_the_same(server: Any, make: Any) -> None:
    other = make("b")
    result = other.take(server.export(), MERGE).result

    assert other.orders() == server.orders()
    assert other.kinds()[-1] == "state_imported"
    assert other.kinds().count("state_imported") == 1
    assert result.new_fills == result.fills == server.kinds().count("fill_recorded")
    assert (result.duplicate_fills, result.conflicting_fills) == (0, 0)
    assert result.appended_events == result.sequence == other.writer.head.sequence
    assert other.store.instance_id != server.store.instance_id


def test_merge_again_appends_nothing(server: Any, make: Any) -> None:
    other = make("b")
    other.take(server.export(), MERGE)
    head = other.writer.head
    result = other.take(server.export(), MERGE, "two").result

    assert other.writer.head == head
    assert (result.new_fills, result.appended_events, result.sequence) == (0, 0, head.sequence)
    assert result.duplicate_fills == result.fills


def test_a_journal_that_grew_is_merged_from_where_it_was(server: Any, make: Any) -> None:
    other = make("b")
    other.take(server.export(), MERGE)
    server.fill("t4", "2", quantity=Decimal(9))
    server.fill("grown", "9")
    head = other.writer.head.sequence
    result = other.take(server.export(), MERGE, "two").result
    again = other.take(server.export(), MERGE, "three").result

    assert other.kinds()[head:] == ["fill_conflicted", "order_anomaly", "fill_recorded", "state_imported"]
    assert (result.new_fills, result.duplicate_fills) == (1, result.fills - 1)
    assert (again.new_fills, again.appended_events) == (0, 0)


def test_the_same_file_appends_nothing_whatever_came_in_since(make: Any) -> None:
    """What is known by its trade alone might read otherwise now; it was merged, so it is not read again."""
    source, other = make("source"), make("other")
    source.fill("t", "")
    source.do(lambda s: s.engine.bust_fill(a_fill("u", "1", client_order_id="c")))
    other.take(source.export(), MERGE)
    other.fill("t", "5")
    other.fill("t", "6")
    other.fill("v", "", client_order_id="c")
    before = other.state()
    result = other.take(source.export(), MERGE, "two").result

    assert result.appended_events == 0
    assert other.state().split(" ", 1)[1] == before.split(" ", 1)[1]


def test_what_was_merged_is_known_after_a_replacement_too(server: Any, make: Any) -> None:
    middle, last = make("middle"), make("last")
    middle.take(server.export(), MERGE)
    last.take(middle.export(), REPLACE)
    head = last.writer.head

    assert last.take(server.export(), MERGE, "two").result.appended_events == 0
    assert last.writer.head == head


def test_a_merge_of_ones_own_older_or_longer_self(server: Any, make: Any) -> None:
    backup = server.export()
    server.fill("later", "9")
    assert server.take(backup, MERGE).result.appended_events == 0

    older = make("older")
    older.take(backup, REPLACE)
    assert older.take(server.export(), MERGE, "two").result.new_fills == 1
    assert older.orders() == server.orders()


def test_merge_of_ones_own_export_appends_nothing(server: Any) -> None:
    head = server.writer.head
    server.take(server.export(), MERGE)

    assert server.writer.head == head


def test_merge_survives_a_restart_and_is_still_known(server: Any, make: Any) -> None:
    other = make("b")
    other.take(server.export(), MERGE)
    orders = other.orders()
    other.restart()

    assert other.orders() == orders
    assert other.fill("t1").name == "DUPLICATE"
    assert other.take(server.export(), MERGE, "two").result.appended_events == 0


def some_history(server: Any, seed: int, chosen: list[int]) -> None:
    """A part of one larger history of fills, reports, busts and corrections, in an order of its own."""
    draw = random.Random(seed)
    steps = []
    for number in chosen:
        order_id = str(number % 5)
        steps.append(lambda s, n=number, o=order_id: s.engine.record_fill(a_fill(f"x{n}", o)))
        if number % 4 == 0:
            status = OrderStatus.CANCELED if number % 8 else OrderStatus.NEW
            report = a_report(status, order_id, time=START + number * SECOND, side=1)
            steps.append(lambda s, r=report: s.engine.report_order(r))
        if number % 6 == 0:
            steps.append(lambda s, n=number, o=order_id: s.engine.bust_fill(a_fill(f"x{n}", o)))
        if number % 9 == 0:
            new = a_fill(f"y{number}", order_id, quantity=Decimal("0.125"))
            steps.append(lambda s, n=number, o=order_id, f=new: s.engine.correct_fill(a_fill(f"x{n}", o), f))
    draw.shuffle(steps)
    for step in steps:
        server.do(step)


@pytest.mark.parametrize("seed", range(4))
def test_merges_commute(make: Any, seed: int) -> None:
    one, two = make("one"), make("two", start=START + 5000 * SECOND)
    some_history(one, seed, list(range(30)))
    some_history(two, seed + 100, list(range(20, 50)))
    ours, theirs = one.export(), two.export()
    both, other = make("both"), make("other")
    both.take(ours, MERGE)
    both.take(theirs, MERGE, "two")
    other.take(theirs, MERGE)
    other.take(ours, MERGE, "two")
    one.take(theirs, MERGE)

    assert both.orders() == other.orders() == one.orders()
    assert both.take(other.export(), MERGE, "three").result.appended_events == 0


def test_conflicts_are_kept_once_and_the_first_stands(make: Any) -> None:
    one, two = make("one"), make("two")
    one.fill("t", quantity=Decimal(1))
    two.fill("t", quantity=Decimal(2))
    for import_id in ("a", "b"):
        result = one.take(two.export(), MERGE, import_id).result
        assert (result.new_fills, result.duplicate_fills, result.conflicting_fills) == (0, 0, 1)

    assert one.kinds() == ["fill_recorded", "fill_conflicted", "order_anomaly", "state_imported"]


def test_a_bust_that_waits_there_takes_the_fill_of_here(make: Any) -> None:
    one, two = make("one"), make("two")
    one.fill("t")
    two.do(lambda s: s.engine.bust_fill(a_fill("t")))
    one.take(two.export(), MERGE)
    two.take(one.export(), MERGE)

    assert one.orders() == two.orders()
    assert [row[8] for row in one.orders()] == ["0"]


def test_reports_without_a_time_count_once_by_when_they_arrived(make: Any) -> None:
    one, two = make("one"), make("two", start=START)
    two.do(
        lambda s: s.engine.register_order(
            a_report(OrderStatus.PENDING_NEW, side=1, order_quantity=Decimal(1))
        )
    )
    for status in (OrderStatus.NEW, OrderStatus.PENDING_CANCEL, OrderStatus.NEW, OrderStatus.PENDING_CANCEL):
        two.do(lambda s, status=status: s.engine.report_order(a_report(status, side=1)))
    for import_id in ("a", "b", "c"):
        one.take(two.export(), MERGE, import_id)
    two.take(one.export(), MERGE)

    assert one.orders() == two.orders()
    assert one.kinds().count("state_imported") == 1
    assert "state_imported" not in two.kinds()


def test_merge_is_one_transaction(server: Any, make: Any, monkeypatch: Any) -> None:
    other = make("b")
    other.fill("mine", "9")
    before = other.state()
    monkeypatch.setattr(merging, "SPILL_EVENTS", 3)
    real, calls = WorkingSet.prefetch, []

    def fail(self: Any, names: Any) -> None:
        calls.append(1)
        if len(calls) == 20:
            raise OSError("killed here")
        real(self, names)

    with monkeypatch.context() as patch:
        patch.setattr(WorkingSet, "prefetch", fail)
        with pytest.raises(OSError, match="killed here"):
            other.take(server.export(), MERGE)

    assert len(calls) == 20
    assert other.state().replace("'import-one.staging', ", "") == before
    assert other.told[-1] == "committed 1"
    assert other.take(server.export(), MERGE).result.appended_events
    assert other.fill("t1").name == "DUPLICATE"


def test_a_large_merge_spills_and_is_one_commit(make: Any, monkeypatch: Any) -> None:
    one, two = make("one"), make("two")
    fills = [a_fill(f"x{n}", str(n % 50)) for n in range(2000)]
    one.do(lambda s: [s.engine.record_fill(fill).outcome for fill in fills] and None)
    monkeypatch.setattr(merging, "SPILL_EVENTS", 100)
    result = two.take(one.export(), MERGE).result

    assert two.told == [f"committed {result.sequence}"]
    assert two.orders() == one.orders()


# ---------------------------------------------------------------------- validate


def test_validate_only_changes_nothing(server: Any, make: Any) -> None:
    other = make("b", full=True)
    before = other.state()
    result = other.take(server.export(), VALIDATE).result

    assert other.state() == before
    assert (result.applied, result.appended_events) == (False, 0)
    assert result.new_fills == result.fills == server.kinds().count("fill_recorded")
    assert result.sequence == other.writer.head.sequence


# ---------------------------------------------------------------------- the document form


@pytest.mark.parametrize("style", [{}, {"indent": 2}, {"sort_keys": True}, {"ensure_ascii": False}])
@pytest.mark.parametrize("mode", [REPLACE, MERGE])
def test_a_document_is_imported_like_lines(server: Any, make: Any, style: Any, mode: ImportMode) -> None:
    data = server.export()
    document = json.dumps(to_document([data]), **style).encode()
    other = make("b")
    result = other.take(document, mode, size=10_000).result

    assert result.events == server.writer.head.sequence
    assert other.orders() == server.orders()
    if mode == REPLACE:
        assert other.export() == data


def test_a_damaged_document_is_refused(server: Any) -> None:
    before = server.state()
    document = to_document([server.export()])
    text = json.dumps(document)
    altered = [
        text[:-1],
        text + "x",
        text.replace('"0.5"', '"0.6"', 1),
        json.dumps({**document, "more": 1}),
        json.dumps({**document, "batches": document["batches"][1:]}),
        json.dumps({**document, "batches": {}}),
        json.dumps({**document, "batches": [1]}),
        json.dumps({**document, "header": []}),
        '{"header":' + "[" * 100_000,
    ]
    for data in altered:
        with pytest.raises(ImportDamagedError):
            server.take(data.encode(), REPLACE)

    assert server.state() == before


def test_a_whole_file_at_hand_needs_no_staging(server: Any, make: Any) -> None:
    other = make("b")
    result = other.imports.receive_whole("x", lambda: [server.export()], int(MERGE))

    assert result.appended_events == other.writer.head.sequence
    assert other.orders() == server.orders()


# ---------------------------------------------------------------------- once, and together


def test_two_imports_at_once_are_both_whole(make: Any) -> None:
    sources = [make(name) for name in ("one", "two", "three")]
    for number, source in enumerate(sources):
        some_history(source, number, list(range(number * 15, number * 15 + 20)))
    target, one_by_one = make("target"), make("control")
    files = [source.export() for source in sources]
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            target.take(files[number], MERGE, f"import-{number}", 5000)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, data in enumerate(files):
        one_by_one.take(data, MERGE, f"i{number}")

    assert errors == []
    assert target.orders() == one_by_one.orders()
    assert target.kinds().count("state_imported") == 3


def test_the_same_last_chunk_from_two_calls_is_applied_once(server: Any, make: Any) -> None:
    other = make("b")
    data = server.export()
    answers: list[Any] = []

    def run() -> None:
        answers.append(other.imports.receive("x", 0, data, last=True, mode=int(REPLACE)))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == 4
    assert len(set(answers)) == 1
    assert len([word for word in other.told if word.startswith("replaced")]) == 1


@pytest.mark.parametrize("mode", [REPLACE, MERGE])
def test_the_last_chunk_sent_again_does_not_import_again(server: Any, make: Any, mode: ImportMode) -> None:
    """Not even after a restart: fills recorded since would be gone."""
    data = server.export()
    other = make("b")
    half = len(data) // 2
    other.imports.receive("x", 0, data[:half], last=False, mode=int(mode))
    first = other.imports.receive("x", 1, data[half:], last=True, mode=int(mode))
    other.fill("since", "9")
    again = other.imports.receive("x", 1, data[half:], last=True, mode=int(mode))
    other.restart()
    after_restart = other.imports.receive("x", 1, data[half:], last=True, mode=int(mode))

    assert first == again == after_restart
    assert other.fill("since", "9").name == "DUPLICATE"


def test_another_file_under_a_finished_id_is_another_import(server: Any, make: Any) -> None:
    other, source = make("b"), make("c")
    source.fill("else", "9")
    other.take(server.export(), MERGE, "x")
    other.take(source.export(), MERGE, "x")

    assert other.kinds().count("state_imported") == 2


def test_what_is_under_way_ends_with_the_server_and_goes_on_after(server: Any, make: Any) -> None:
    other = make("b")
    data = server.export()
    other.imports.close()
    with pytest.raises(ShuttingDownError):
        other.take(data, REPLACE)
    other.restart()

    assert other.imports.receive("one", 0, data, last=True, mode=int(REPLACE)).result.applied
