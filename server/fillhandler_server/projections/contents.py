"""What each fill reads as now: its content and its state, in memory over the journal and the rows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from fillhandler_server.codec import decode_batch, fill_of
from fillhandler_server.domain.fills import Fill, FillState
from fillhandler_server.journal import Batch
from fillhandler_server.journal.database import Database

_DECODED_BATCHES_MAX: Final = 64


class Contents:
    """The contents of recorded fills. Owned by the writer's thread."""

    def __init__(self, db: Database, holding: Callable[[int], Batch]) -> None:
        """
        Args:
            db: the writer's connection.
            holding: the journal's batch that holds a sequence.
        """
        self._db = db
        self._holding = holding
        self._decoded: OrderedDict[int, list[Any]] = OrderedDict()
        self.fresh: dict[int, Fill] = {}
        """Not yet committed, so not in the journal: what `fill` finds here first."""
        self._changed = bool(db.execute("SELECT 1 FROM fill_changes LIMIT 1").fetchone())
        """Whether any fill ever changed: where none did, no look-up is made."""
        self._changes: dict[int, tuple[int, int]] = {}
        """Not yet flushed."""

    def fill(self, sequence: int) -> Fill:
        """The fill recorded at this sequence, enrichments included."""
        at = self.change(sequence)[0]
        fresh = self.fresh.get(at)
        return fresh if fresh is not None else fill_of(self._message(at))

    def change(self, sequence: int) -> tuple[int, int]:
        """Where a fill's content stands now, and its state."""
        if not self._changed:
            return sequence, int(FillState.STANDING)
        change = self._changes.get(sequence)
        if change is None:
            row = self._db.execute(
                "SELECT content_sequence, state FROM fill_changes WHERE sequence = ?", [sequence]
            ).fetchone()
            change = (sequence, int(FillState.STANDING)) if row is None else (row[0], row[1])
        return change

    def _message(self, sequence: int) -> Any:
        for first, messages in reversed(self._decoded.items()):
            if first <= sequence < first + len(messages):
                return messages[sequence - first]
        batch = self._holding(sequence)
        messages = self._decoded[batch.first_sequence] = decode_batch(batch.payload)
        if len(self._decoded) > _DECODED_BATCHES_MAX:
            self._decoded.popitem(last=False)
        return messages[sequence - batch.first_sequence]

    def replace(self, fill_sequence: int, fill: Fill, sequence: int) -> None:
        """The fill recorded at `fill_sequence` reads as `fill` now, by the event at `sequence`."""
        state = self.change(fill_sequence)[1]
        self.fresh[sequence] = fill
        self._changes[fill_sequence] = (sequence, state)
        self._changed = True

    def set_state(self, fill_sequence: int, state: FillState) -> None:
        """The fill recorded at this sequence is in this state from now on."""
        self._changes[fill_sequence] = (self.change(fill_sequence)[0], int(state))
        self._changed = True

    def committed(self) -> None:
        """What was folded so far is in the journal now."""
        self.fresh.clear()

    def flush(self) -> None:
        """Writes what changed, inside the caller's transaction."""
        self._db.conn.executemany(
            "INSERT OR REPLACE INTO fill_changes VALUES (?, ?, ?)",
            [(at, content, state) for at, (content, state) in self._changes.items()],
        )

    def flushed(self) -> None:
        """The flush is committed."""
        self._changes.clear()
