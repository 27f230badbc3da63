"""Stores that an earlier version made are opened, and their read models are what this one would have made."""

from typing import Any

import pytest
from tests.support.desks import StoreDesk, a_fill, a_report, record, register, report

from fillhandler_server.domain.events import AnomalyKind
from fillhandler_server.domain.reports import OrderStatus
from fillhandler_server.journal.database import SCHEMA_VERSION, connect

pytestmark = pytest.mark.persistence

NEW, PENDING_NEW, PARTLY = OrderStatus.NEW, OrderStatus.PENDING_NEW, OrderStatus.PARTIALLY_FILLED


def tell_of_two_orders_that_are_one(store: StoreDesk) -> None:
    """Anomalies before and after the merge; the younger order's become the older one's."""
    store.run(register(a_report(PENDING_NEW, order_id="", client_order_id="c", order_quantity=2)))
    store.run(record(a_fill("t1", 2, trade_time=4)), report(a_report(PARTLY, 5, cumulative_quantity=1)))
    store.run(report(a_report(NEW, 6, symbol="", client_order_id="c", side=0)))
    store.run(record(a_fill("t2", 1)), record(a_fill("t1", 1, order_id="another")))


def as_version_1(store: StoreDesk) -> None:
    """What the first version would have left."""
    db = store.store.db
    with db.atomic():
        for table in ("anomalies", "gaps"):
            db.execute(f"DROP TABLE {table}")
        db.execute("DELETE FROM _sqlite_migrations WHERE name IN ('0004_anomalies', '0005_gaps')")
        db.execute("PRAGMA user_version = 1")


def anomalies(store: StoreDesk) -> list[tuple[Any, ...]]:
    """Without a flush."""
    return list(store.store.db.execute("SELECT * FROM anomalies ORDER BY sequence"))


@pytest.mark.parametrize("flushed", ["all", "before the last", "none"])
def test_a_store_of_version_1_gets_the_anomalies_of_its_journal(store: StoreDesk, flushed: str) -> None:
    tell_of_two_orders_that_are_one(store)
    if flushed != "none":
        store.flush()
    if flushed == "before the last":
        store.run(record(a_fill("t3", 1)))
    events = store.events()
    as_version_1(store)

    store.restart(flush=False)

    store.flush()
    rows = anomalies(store)
    assert rows == [
        (
            event.sequence,
            1,
            event.order_anomaly.kind,
            event.commit_time.ToNanoseconds(),
            event.order_anomaly.text,
        )
        for event in events
        if event.HasField("order_anomaly")
    ]
    assert {AnomalyKind(row[2]).name for row in rows} >= {"CUMULATIVE_BELOW_FILLS", "OVERFILL"}
    assert any(event.HasField("order_merged") for event in events)
    assert store.store.db.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION == 3
    store.rebuild()
    assert anomalies(store) == rows
    # What comes next is added, and a second start changes nothing.
    store.run(record(a_fill("t9", 1)))
    store.restart()
    store.restart()
    assert len(anomalies(store)) == len(rows) + 1


def test_a_migration_that_is_cut_short_shuts_earlier_versions_out(
    store: StoreDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_of_two_orders_that_are_one(store)
    rows = store.rows()["anomalies"]
    as_version_1(store)

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("fillhandler_server.journal.database.decode_batch", cut)
        with pytest.raises(KeyboardInterrupt):
            store.restart(flush=False)
    db = connect(store.store.path, store.store.key.digits)
    assert db.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION
    assert not db["anomalies"].exists()
    db.close()

    store._open()

    assert anomalies(store) == rows
