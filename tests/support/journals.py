"""A store with its writer, exports and imports, without RPCs: what has every kind of event in it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.support.trade_stories import every_kind

from fillhandler_server.codec import decode_batch
from fillhandler_server.domain.events import OrdersCleared
from fillhandler_server.domain.fills import Fill
from fillhandler_server.domain.reports import OrderReport, OrderStatus
from fillhandler_server.encryption import KeySource
from fillhandler_server.journal import Batch, Head
from fillhandler_server.journal.store import Store
from fillhandler_server.projections.working_set import WorkingSet
from fillhandler_server.transfer.export import Exports
from fillhandler_server.transfer.importing import ImportMode, Imports, Received
from fillhandler_server.writer import Session, Writer

START = 1_760_000_000_000_000_000
SECOND = 1_000_000_000


class JournalServer:
    """A store with its writer, exports and imports."""

    def __init__(self, folder: Path, clock: Callable[[], int]) -> None:
        self.folder = folder
        self.keys = KeySource(folder / "keys", use_keyring=False)
        self._clock = clock
        self.told: list[str] = []
        self.open()

    def open(self) -> None:
        self.store = Store(self.folder / "data", self.keys)
        self.writer = Writer(self.store, WorkingSet.over, self._clock, self)
        self.writer.start()
        self.exports = Exports(self.store)
        self.imports = Imports(self.store, self.writer)

    def close(self) -> None:
        self.imports.close()
        self.writer.close()
        self.store.close()

    def restart(self) -> None:
        self.close()
        self.open()

    # The writer's subscriber.
    def committed(self, batches: list[Batch]) -> None:
        self.told.append(f"committed {batches[-1].last_sequence}")

    def replaced(self, instance_id: str, head: Head) -> None:
        self.told.append(f"replaced {instance_id} {head.sequence}")

    def do(self, work: Callable[[Session], Any]) -> Any:
        return self.writer.submit(work).result()

    def fill(self, trade_id: str, order_id: str = "1", **others: Any) -> Any:
        return self.do(
            lambda session: session.engine.record_fill(a_fill(trade_id, order_id, **others))
        ).outcome

    def export(self, size: int = 0) -> bytes:
        parts, token = [], ""
        while True:
            chunk = self.exports.chunk(token, size)
            parts.append(chunk.data)
            token = chunk.next_page_token
            if not token:
                return b"".join(parts)

    def take(self, data: bytes, mode: ImportMode, import_id: str = "one", size: int = 1 << 20) -> Received:
        """Imports in chunks of a size."""
        pieces = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
        received = None
        for index, piece in enumerate(pieces):
            received = self.imports.receive(
                import_id, index, piece, last=index == len(pieces) - 1, mode=int(mode)
            )
        assert received is not None
        return received

    def state(self) -> str:
        """A digest of every row, and the files that are there."""
        self.writer.submit(lambda session: None, flush=True).result()
        digest = hashlib.sha256()
        db = self.store.reader()
        tables = [
            row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")
        ]
        for table in tables:
            for row in sorted(db.execute(f"SELECT * FROM {table}"), key=repr):
                digest.update(repr(row).encode())
        db.close()
        files = sorted(
            p.name for p in (self.folder / "data").iterdir() if not p.name.endswith(("-shm", "-wal"))
        )
        return f"{digest.hexdigest()} {self.writer.head} {files}"

    def orders(self) -> list[tuple[Any, ...]]:
        """What each order came to, without what depends on when it was recorded."""
        self.writer.submit(lambda session: None, flush=True).result()
        db = self.store.reader()
        rows = db.execute(
            "SELECT venue, account, market, symbol, order_id, client_order_id, status, order_quantity,"
            " cumulative_quantity, notional FROM orders"
        ).fetchall()
        db.close()
        return sorted(rows, key=repr)

    def kinds(self) -> list[str]:
        db = self.store.reader()
        payloads = [row[0] for row in db.execute("SELECT payload FROM journal ORDER BY first_sequence")]
        db.close()
        return [str(m.WhichOneof("event")) for payload in payloads for m in decode_batch(bytes(payload))]


def a_fill(trade_id: str, order_id: str = "1", **others: Any) -> Fill:
    fill = Fill(
        venue="binance",
        symbol="BTC/USDT",
        order_id=order_id,
        trade_id=trade_id,
        side=1,
        quantity=Decimal("0.5"),
        price=Decimal("65000.1"),
        fees=(("BNB", Decimal("0.0001")),),
        liquidity=1,
        trade_time=START + int(hashlib.sha256(trade_id.encode()).hexdigest()[:6], 16),
    )
    return replace(fill, **others)


def a_report(status: OrderStatus, order_id: str = "1", **others: Any) -> OrderReport:
    return replace(OrderReport("binance", status, "BTC/USDT", order_id), **others)


def live_through_everything(server: JournalServer) -> None:
    """Every kind of event that the engine decides."""
    do, fill = server.do, server.fill
    do(
        lambda s: s.engine.register_order(
            a_report(OrderStatus.PENDING_NEW, "1", order_quantity=Decimal(2), side=1)
        )
    )
    fill("t1")
    fill("t2", fees=())
    fill("t2")  # enriched by its fee
    fill("t1", quantity=Decimal("0.7"))  # conflicts
    fill("t1")  # duplicate
    do(lambda s: s.engine.report_order(a_report(OrderStatus.NEW, "1", time=START, side=1)))
    do(lambda s: s.engine.report_order(a_report(OrderStatus.PENDING_CANCEL, "1", side=1)))
    do(lambda s: s.engine.report_order(a_report(OrderStatus.NEW, "1", side=1)))
    do(lambda s: s.engine.report_order(a_report(OrderStatus.PENDING_CANCEL, "1", side=1)))
    # Busts: of a known fill, and of one that comes later.
    fill("t3", "2")
    do(lambda s: s.engine.bust_fill(a_fill("t3", "2")))
    do(lambda s: s.engine.bust_fill(a_fill("t4", "2")))
    fill("t4", "2")
    # Corrections: a chain, and one that waits.
    fill("t5", "3")
    do(lambda s: s.engine.correct_fill(a_fill("t5", "3"), a_fill("t6", "3", quantity=Decimal("0.25"))))
    do(lambda s: s.engine.correct_fill(a_fill("t6", "3"), a_fill("t7", "3", quantity=Decimal("0.125"))))
    do(lambda s: s.engine.correct_fill(a_fill("t8", "3"), a_fill("t9", "3", quantity=Decimal("0.75"))))
    fill("t8", "3")
    # Two orders that turn out to be one, by a report and by a duplicate that no event holds.
    fill("t10", "", client_order_id="c4")
    fill("t11", "4")
    do(
        lambda s: s.engine.report_order(
            a_report(OrderStatus.NEW, "4", client_order_id="c4", time=START, side=1)
        )
    )
    fill("t12", "5")
    fill("t13", "")
    fill("t13", "5")
    # Overfill; then final orders are cleared, and one comes back.
    do(
        lambda s: s.engine.register_order(
            a_report(OrderStatus.PENDING_NEW, "6", order_quantity=Decimal("0.25"), side=1)
        )
    )
    fill("t14", "6")
    do(lambda s: s.engine.emit(OrdersCleared(count=1, before=START + 10**18)))
    do(lambda s: every_kind(s.engine))
    fill("t15", "6", metadata={"raw": 'ü"\\\n'})
    fill("t16", "7", side=2, market="spot", contract_kind=3, multiplier=Decimal(100), receive_time=START)
