"""What clients sent and what was acknowledged, in their own synced files; and the checks over them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from fillhandler.v1 import events_pb2, orders_pb2


class Ledger:
    """One writer's file: a line an id before it is sent, a line an acknowledgement that came. Synced."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def sending(self, ids: Iterable[str]) -> None:
        self._write(f"sent {name}\n" for name in ids)

    def acknowledged(self, results: Iterable[tuple[str, int]]) -> None:
        self._write(f"acknowledged {name} {sequence}\n" for name, sequence in results)

    def _write(self, lines: Iterable[str]) -> None:
        os.write(self._file, "".join(lines).encode())
        os.fdatasync(self._file)

    def close(self) -> None:
        os.close(self._file)


@dataclass(slots=True)
class Promised:
    """What the ledgers say."""

    sent: set[str] = field(default_factory=set)
    acknowledged: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, paths: Iterable[Path]) -> Promised:
        promised = cls()
        for path in paths:
            for line in path.read_text().splitlines():
                word, name, *sequence = line.split()
                if word == "sent":
                    promised.sent.add(name)
                else:
                    before = promised.acknowledged.setdefault(name, int(sequence[0]))
                    # The same fill again has the first one's sequence, for ever.
                    assert before == int(sequence[0]), (
                        f"{name} was acknowledged at {before} and {sequence[0]}"
                    )
        return promised


def problems(
    promised: Promised, events: list[events_pb2.Event], orders: list[orders_pb2.Order], total_fills: int
) -> list[str]:
    """Everything that breaks a promise; empty if nothing does."""
    found: list[str] = []
    sequences = [event.sequence for event in events]
    if sequences != list(range(1, len(events) + 1)):
        found.append("the feed is not 1..N")
    stored: dict[str, int] = {}
    times = Counter(event.fill_recorded.fill.trade_id for event in events if event.HasField("fill_recorded"))
    found += [f"{name} is stored {count} times" for name, count in times.items() if count > 1]
    cumulative: dict[str, Decimal] = {}
    for event in events:
        if event.HasField("fill_recorded"):
            fill = event.fill_recorded.fill
            stored[fill.trade_id] = event.sequence
            cumulative[fill.order_id] = cumulative.get(fill.order_id, Decimal(0)) + Decimal(fill.quantity)
            if Decimal(event.cumulative_quantity) != cumulative[fill.order_id]:
                found.append(f"event {event.sequence} is not the fold of the events before it")
    found += [
        f"{name} was acknowledged at {sequence} and is at {stored.get(name, 'no place: lost')}"
        for name, sequence in promised.acknowledged.items()
        if stored.get(name) != sequence
    ]
    found += [f"{name} is stored and was never sent" for name in stored.keys() - promised.sent]
    served = {order.order_id: Decimal(order.cumulative_quantity) for order in orders}
    if served != cumulative:
        wrong = {
            name for name in served.keys() | cumulative.keys() if served.get(name) != cumulative.get(name)
        }
        found.append(f"orders are not the fold of the fills: {sorted(wrong)[:5]}")
    counts = Counter(event.order_id for event in events if event.HasField("fill_recorded"))
    found += [
        f"{order.order_id} counts {order.fill_count} fills of {counts[order.order_id]}"
        for order in orders
        if order.fill_count != counts[order.order_id]
    ]
    if total_fills != sum(counts.values()):
        found.append(f"the statistics count {total_fills} fills of {sum(counts.values())}")
    return found


def summary(found: list[str], *details: Any) -> str:
    """For a failed test: enough to see, and to repeat it."""
    return "\n".join([f"{len(found)} broken promises, {details}:", *found[:10]])
