"""The live feed: a ring of recent batches before the journal, and a wake-up when something commits.

A subscriber is a cursor, not a queue: it asks for what follows its cursor, from the ring while it keeps
up, from the journal when it has fallen behind. A wake-up is a hint; the journal is the truth.
"""

from __future__ import annotations

import asyncio
import bisect
import threading
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from fillhandler_server.codec import decode_batch, frame_offsets
from fillhandler_server.domain.errors import InstanceMismatchError, ShuttingDownError
from fillhandler_server.journal import Batch, Head
from fillhandler_server.projections import Readers

RING_BYTES: Final = 32 << 20
READ_BATCHES: Final = 16
MESSAGE_BYTES: Final = 512 << 10
FILTERS_REMEMBERED: Final = 16
# Waking a feed costs the event loop about this much; a thousand of them must not take it from the writer.
WAKE_SECONDS_A_FEED: Final = 50e-6


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events a subscriber wants. Empty means all."""

    venues: Collection[str] = ()
    accounts: Collection[str] = ()
    symbols: Collection[str] = ()
    order_ids: Collection[str] = ()
    kinds: Collection[str] = ()
    """Names of `Event`'s branches."""

    @property
    def all(self) -> bool:
        """Whether everything passes."""
        return not (self.venues or self.accounts or self.symbols or self.order_ids or self.kinds)

    def passes(self, event: Any) -> bool:
        """Whether an event passes."""
        return all(not wanted or _part(event, name) in wanted for name, wanted in self.parts())

    def parts(self) -> tuple[tuple[str, Collection[str]], ...]:
        """What is wanted of each part of an event."""
        return (
            ("venue", self.venues),
            ("account", self.accounts),
            ("symbol", self.symbols),
            ("order_id", self.order_ids),
            ("kind", self.kinds),
        )


def _part(event: Any, name: str) -> str:
    part: str = event.WhichOneof("event") if name == "kind" else getattr(event, name)
    return part


class FeedBatch:
    """A committed batch as the feed holds it; what subscribers need of it is worked out once for all."""

    __slots__ = ("_events", "_filtered", "_offsets", "_present", "batch")

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self._offsets: list[tuple[int, int]] | None = None
        self._events: list[Any] | None = None
        self._present: dict[str, set[str]] = {}
        self._filtered: dict[Filter, bytes] = {}

    def frames(self, after: int, chosen: Filter) -> bytes:
        """The framed bytes of its events after a sequence that pass, as they were committed."""
        batch = self.batch
        whole = after < batch.first_sequence
        if chosen.all and whole:
            return batch.payload
        skip = max(0, after + 1 - batch.first_sequence)
        if chosen.all:
            return batch.payload[self._frame_offsets()[skip][0] :]
        if not self._may_pass(chosen):
            return b""
        if not whole:
            return self._passing(chosen, skip)
        # Thousands of subscribers have a few filters between them.
        found = self._filtered.get(chosen)
        if found is None:
            found = self._passing(chosen, 0)
            if len(self._filtered) < FILTERS_REMEMBERED:
                self._filtered[chosen] = found
        return found

    def _passing(self, chosen: Filter, skip: int) -> bytes:
        payload, offsets, events = self.batch.payload, self._frame_offsets(), self._decoded()
        return b"".join(
            payload[start:end]
            for (start, end), event in zip(offsets[skip:], events[skip:], strict=True)
            if chosen.passes(event)
        )

    def _may_pass(self, chosen: Filter) -> bool:
        for name, wanted in chosen.parts():
            if wanted:
                present = self._present.get(name)
                if present is None:
                    present = self._present[name] = {_part(event, name) for event in self._decoded()}
                if present.isdisjoint(wanted):
                    return False
        return True

    def _frame_offsets(self) -> list[tuple[int, int]]:
        if self._offsets is None:
            self._offsets = list(frame_offsets(self.batch.payload))
        return self._offsets

    def _decoded(self) -> list[Any]:
        if self._events is None:
            self._events = decode_batch(self.batch.payload)
        return self._events


class Feed:
    """What subscribers read. `committed` and `replaced` are the writer's thread's, the rest is the loop's.

    Many feeds are woken less often, and find more events at a time.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, readers: Readers, instance_id: str, head: Head
    ) -> None:
        self._loop = loop
        self._readers = readers
        self._lock = threading.Lock()
        self._ring: deque[FeedBatch] = deque()
        self._ring_bytes = 0
        self._woken = asyncio.Event()
        self._wake_posted = False
        self._woken_at = 0.0
        self._closed = False
        self.instance_id = instance_id
        self.generation = 0
        """Journals there have been: an import may bring back an older copy of the very same instance."""
        self.head = head.sequence
        self.cursors: dict[int, int] = {}
        """Open feeds: a number each → the sequence it has reached."""

    # ------------------------------------------------------------------ the writer's side

    def committed(self, batches: list[Batch]) -> None:
        """These batches are durable."""
        with self._lock:
            for batch in batches:
                self._ring.append(FeedBatch(batch))
                self._ring_bytes += len(batch.payload)
            while self._ring_bytes > RING_BYTES and len(self._ring) > 1:
                self._ring_bytes -= len(self._ring.popleft().batch.payload)
            self.head = batches[-1].last_sequence
            post, self._wake_posted = not self._wake_posted, True
        if post:
            self._post()

    def replaced(self, instance_id: str, head: Head) -> None:
        """The journal is another one from here on; open feeds end."""
        self._readers.reset()
        with self._lock:
            self._ring.clear()
            self._ring_bytes = 0
            self.instance_id = instance_id
            self.generation += 1
            self.head = head.sequence
        self._post()

    def _post(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._wake_soon)
        except RuntimeError:
            # The loop is closed: nobody listens any more.
            return

    # ------------------------------------------------------------------ the subscribers' side

    def _wake_soon(self) -> None:
        """Wakes the feeds, so seldom that it takes a part of the loop's time at most."""
        due = self._woken_at + WAKE_SECONDS_A_FEED * len(self.cursors)
        if due <= self._loop.time():
            self._wake()
        else:
            self._loop.call_at(due, self._wake)

    def _wake(self) -> None:
        with self._lock:
            self._wake_posted = False
        self._woken_at = self._loop.time()
        woken, self._woken = self._woken, asyncio.Event()
        woken.set()

    def close(self) -> None:
        """Ends all feeds."""
        self._closed = True
        self._wake()

    def check(self, instance_id: str, generation: int) -> None:
        """
        Raises:
            ShuttingDownError: the server stops.
            InstanceMismatchError: the journal is not the one a feed was opened on.
        """
        if self._closed:
            raise ShuttingDownError("the server is stopping; resume with the last token")
        if generation != self.generation:
            raise InstanceMismatchError(
                f"the journal was replaced by an import; it is instance {self.instance_id} now",
                instance_id=self.instance_id,
                requested_instance_id=instance_id,
            )

    async def read(self, after: int) -> list[FeedBatch]:
        """Some batches that hold events after a sequence, in order; none where it has caught up."""
        with self._lock:
            if after >= self.head:
                return []
            if self._ring and self._ring[0].batch.first_sequence <= after + 1:
                return self._recent(after)
        batches = await self._readers.run(lambda reader: reader.batches(after, READ_BATCHES))
        return [FeedBatch(batch) for batch in batches]

    def _recent(self, after: int) -> list[FeedBatch]:
        last = self._ring[-1].batch
        if after + 1 >= last.first_sequence:
            return [self._ring[-1]]
        at = bisect.bisect_right(self._ring, after + 1, key=lambda held: held.batch.first_sequence) - 1
        return [self._ring[n] for n in range(at, min(at + READ_BATCHES, len(self._ring)))]

    async def wait(self, seconds: float) -> bool:
        """Waits for a commit, an end, or the time to pass; False if the time passed."""
        woken = self._woken
        try:
            async with asyncio.timeout(seconds):
                await woken.wait()
        except TimeoutError:
            return False
        return True

    @property
    def lag(self) -> int:
        """Events that the slowest open feed is behind."""
        return max((self.head - at for at in self.cursors.values()), default=0)
