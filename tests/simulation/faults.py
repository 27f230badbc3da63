"""What goes wrong on the way: messages are lost, repeated, delayed, reordered, split and joined, by seed.

Losing is by what a message tells (`Row`): each fill, final state, ordered quantity and link of ids survives
somewhere, on one transport or the other, unless the seed says that it is gone for good.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from tests.simulation.truth import Day, Execution, Kind, TruthOrder
from tests.simulation.world import Sent
from tests.simulation.writer import MS, SECOND, Message, Row, Transport

# (of the stream, of REST)
_LOSSES = ((0.0, 0.0), (0.3, 0.0), (1.0, 0.0), (0.0, 1.0), (0.5, 0.5), (0.9, 0.6), (0.1, 0.2))
_DELAYS = ("none", "short", "long", "wild", "shuffled")


@dataclass(eq=False)
class Arrivals:
    """What arrives and when, and what never does."""

    deliveries: list[Sent]
    """In the order of their arrival."""
    gone: set[Execution] = field(default_factory=set)
    """Fills that no message tells."""
    without_fee: set[Execution] = field(default_factory=set)
    """Fills that are told, always without their fee."""
    quantity_known: set[TruthOrder] = field(default_factory=set)
    """Orders of which some message states the last ordered quantity."""
    plan: str = ""
    """What the seed decided, for people."""


def go_wrong(day: Day, sent: list[Sent]) -> Arrivals:
    """The same for the same day."""
    return _Faults(day, sent).arrivals()


class _Faults:
    def __init__(self, day: Day, sent: list[Sent]) -> None:
        self._day = day
        self._sent = sent
        self._draw = draw = random.Random(f"faults {day.venue} {day.seed}")
        self._losses = draw.choice(_LOSSES)
        self._repeats = draw.choice([0.0, 0.1, 0.5])
        self._delay = draw.choice(_DELAYS)
        self._cuts = draw.choice([0.0, 0.3, 0.9])
        self._gone_share = draw.choice([0.0, 0.0, 0.0, 0.15, 0.5])
        self._feeless_share = draw.choice([0.0, 0.0, 0.0, 0.3])

    def arrivals(self) -> Arrivals:
        gone, without_fee = self._pick_gone()
        found = Arrivals([], gone, without_fee)
        found.plan = (
            f"losses {self._losses}, repeats {self._repeats}, delay {self._delay}, cuts {self._cuts}, "
            f"gone {len(gone)}, without fee {len(without_fee)}"
        )
        sent = self._without(gone, without_fee)
        sent = self._cut(sent)
        kept = self._lose(sent)
        facts = {fact for item in kept for fact in self._facts(item.message)}
        found.quantity_known = {order for order in self._day.orders if ("quantity", order) in facts}
        # What the venue tells in no message at all is gone by its own doing.
        for order in self._day.orders:
            for execution in order.executions:
                if execution.leg or execution in gone or ("fill", execution) in facts:
                    continue
                (without_fee if ("bare", execution) in facts else gone).add(execution)
        found.deliveries = self._deliver(kept)
        return found

    # ------------------------------------------------------------------ lost for good

    def _pick_gone(self) -> tuple[set[Execution], set[Execution]]:
        busted = {execution for order in self._day.orders for execution in order.busted}
        everything = [
            execution
            for order in self._day.orders
            for execution in order.executions
            # What was taken back, or is told by command, is not a venue's message to lose.
            if execution not in busted and not execution.leg
        ]
        gone = {execution for execution in everything if self._draw.random() < self._gone_share}
        feeless = {execution for execution in everything if self._draw.random() < self._feeless_share}
        bare = {e for item in self._sent for row in item.message.rows if not row.fees for e in row.executions}
        return gone, (feeless & bare) - gone

    def _without(self, gone: set[Execution], without_fee: set[Execution]) -> list[Sent]:
        found = []
        for time, message in self._sent:
            rows = [row for row in message.rows if not _tells(row, gone, without_fee)]
            if len(rows) == len(message.rows):
                found.append(Sent(time, message))
            elif rows:
                found.append(Sent(time, message.with_rows(rows)))
        return found

    # ------------------------------------------------------------------ cut and joined

    def _cut(self, sent: list[Sent]) -> list[Sent]:
        """Splits and joins lists that the venue may send in other portions."""
        draw, found = self._draw, []
        waiting: dict[Hashable, Sent] = {}
        for item in sorted(sent, key=lambda item: item.time):
            message = item.message
            if message.envelope is None or draw.random() >= self._cuts:
                found.append(item)
            elif len(message.rows) > 1:
                at = draw.randint(1, len(message.rows) - 1)
                parts = (message.rows[:at], message.rows[at:])
                found += [Sent(item.time, message.with_rows(rows)) for rows in parts]
            else:
                key = (message.account, message.transport, message.envelope.name, message.answers)
                before = waiting.pop(key, None)
                if before is not None and item.time - before.time < SECOND and not message.answers:
                    joined = message.with_rows((*before.message.rows, *message.rows))
                    found.append(Sent(item.time, joined))
                else:
                    waiting[key] = item
                    if before is not None:
                        found.append(before)
        return [*found, *waiting.values()]

    # ------------------------------------------------------------------ lost here, told there

    def _lose(self, sent: list[Sent]) -> list[Sent]:
        draw = self._draw
        chance = dict(zip((Transport.STREAM, Transport.REST), self._losses, strict=True))
        lost = {i for i, item in enumerate(sent) if draw.random() < chance.get(item.message.transport, 0.0)}
        carriers: dict[Hashable, list[int]] = defaultdict(list)
        for i, item in enumerate(sent):
            for fact in self._facts(item.message):
                carriers[fact].append(i)
        for able in carriers.values():
            if lost.issuperset(able):
                lost.discard(draw.choice(able))
        return [item for i, item in enumerate(sent) if i not in lost]

    def _facts(self, message: Message) -> Iterable[Hashable]:
        for row in message.rows:
            for execution in row.executions:
                yield "bare", execution
                if row.fees:
                    yield "fill", execution
            if row.states is None:
                continue
            order, told = row.states.order, row.states
            if told is order.last_told:
                yield "state", order
            if row.links and told.kind is Kind.AMENDED:
                yield "link", told
            if row.quantity and told.time >= _last_quantity(order):
                yield "quantity", order

    # ------------------------------------------------------------------ late, twice, in any order

    def _deliver(self, sent: list[Sent]) -> list[Sent]:
        draw, found = self._draw, []
        for item in sent:
            copies = 1
            if not item.message.answers and draw.random() < self._repeats:
                copies += draw.choice([1, 1, 2])
            found += [Sent(self._arrival(item), item.message) for _ in range(copies)]
        return sorted(found, key=lambda item: item.time)

    def _arrival(self, item: Sent) -> int:
        draw, message = self._draw, item.message
        if message.answers:
            return item.time + draw.randint(0, 100) * MS
        if message.command is not None and message.command.method == "register_order":
            # Whoever registers does it before placing; a late copy is a retry.
            return item.time
        if self._delay == "shuffled":
            return self._day.end + draw.randint(0, 60 * SECOND)
        most = {"none": 0, "short": 400 * MS, "long": 10 * SECOND, "wild": 90 * SECOND}[self._delay]
        return item.time + (draw.randint(0, most) if draw.random() < 0.5 else 0)


def _tells(row: Row, gone: set[Execution], without_fee: set[Execution]) -> bool:
    return any(e in gone or (row.fees and e in without_fee) for e in row.executions)


def _last_quantity(order: TruthOrder) -> int:
    """When the ordered quantity became what it is."""
    changes = [event for event in order.events if event.kind is Kind.AMENDED] or order.events[:1]
    final = order.final.quantity
    at = order.events[0].time
    before = order.events[0].state.quantity
    for event in changes:
        if event.state.quantity != before:
            at, before = event.time, event.state.quantity
    assert before == final
    return at
