"""The journal's port: an append-only, gapless, hash-chained sequence of event batches.

It speaks of partition and epoch from the start, so that a store with several writers can stand behind the
same port; the embedded one has partition 0 and epoch 1.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

PARTITION: Final = 0
EPOCH: Final = 1
_HEADER: Final = struct.Struct(">IQIQq")


@dataclass(frozen=True, slots=True)
class Batch:
    """One commit: `count` events from `first_sequence` on, as the serialized `EventBatch` in `payload`."""

    first_sequence: int
    count: int
    commit_time: int
    previous_hash: bytes
    hash: bytes
    payload: bytes
    partition: int = PARTITION
    epoch: int = EPOCH

    @property
    def last_sequence(self) -> int:
        """Sequence of its last event."""
        return self.first_sequence + self.count - 1


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a journal: its last sequence, the hash of its last batch, and when that was committed."""

    sequence: int
    hash: bytes
    commit_time: int = 0


def genesis_hash(instance_id: str) -> bytes:
    """The hash before the first batch; ties the chain to its instance."""
    return hashlib.sha256(b"fillhandler.v1 " + instance_id.encode()).digest()


def batch_hash(
    previous_hash: bytes,
    first_sequence: int,
    count: int,
    commit_time: int,
    payload: bytes,
    partition: int = PARTITION,
    epoch: int = EPOCH,
) -> bytes:
    """SHA-256 over the previous hash, the batch's head (big-endian) and its payload."""
    digest = hashlib.sha256(previous_hash)
    digest.update(_HEADER.pack(partition, first_sequence, count, epoch, commit_time))
    digest.update(payload)
    return digest.digest()


def chained(head: Head, count: int, commit_time: int, payload: bytes) -> Batch:
    """The batch that follows `head`."""
    first = head.sequence + 1
    return Batch(
        first_sequence=first,
        count=count,
        commit_time=commit_time,
        previous_hash=head.hash,
        hash=batch_hash(head.hash, first, count, commit_time, payload),
        payload=payload,
    )


def link_problem(batch: Batch, head: Head) -> str:
    """Why `batch` cannot follow `head`; empty if it can."""
    if batch.first_sequence != head.sequence + 1:
        return f"sequence {head.sequence} is followed by {batch.first_sequence}"
    if batch.previous_hash != head.hash:
        return f"the batch at {batch.first_sequence} does not follow the one before it"
    found = batch_hash(
        batch.previous_hash,
        batch.first_sequence,
        batch.count,
        batch.commit_time,
        batch.payload,
        batch.partition,
        batch.epoch,
    )
    if found != batch.hash:
        return f"the batch at {batch.first_sequence} is not what was committed"
    return ""


class JournalReader(Protocol):
    """What feeds, exports and the audit need of a journal."""

    def head(self) -> Head:
        """The end of the journal."""

    def read(self, after_sequence: int, limit: int) -> list[Batch]:
        """At most `limit` batches that hold events after a sequence, in order."""

    def scan(self, after_sequence: int = 0) -> Iterator[Batch]:
        """Every batch that holds events after a sequence, in order."""


class Journal(JournalReader, Protocol):
    """What the writer needs of a journal."""

    instance_id: str

    def append(self, batch: Batch, trade_times: tuple[int, int] | None) -> None:
        """Adds a batch, inside the caller's transaction; `trade_times` are the earliest and latest in it."""

    def holding(self, sequence: int) -> Batch:
        """The batch that holds a sequence.

        Raises:
            LookupError: no batch does.
        """

    def sequence_before(self, time: int) -> int:
        """The last sequence committed before a time; 0 if none."""


class EventStore(Protocol):
    """A journal with the place its projections are kept in, so that one transaction holds both."""

    errors: tuple[type[Exception], ...]
    """What it raises when it fails."""
    db: Any
    """What the projections are written to; theirs to know."""

    @property
    def journal(self) -> Journal:
        """The journal."""

    @property
    def instance_id(self) -> str:
        """The journal's instance."""

    @property
    def projected_sequence(self) -> int:
        """The sequence up to which the rows of the projections reach."""

    @property
    def schema_version(self) -> int:
        """The version of its schema."""

    @property
    def size(self) -> int:
        """Its size in bytes."""

    def atomic(self) -> AbstractContextManager[Any]:
        """A transaction: committed and synced at its end, rolled back by an exception."""

    def rollback(self) -> None:
        """Gives up the transaction that is open, if one is."""

    def anchor(self, head: Head) -> None:
        """Moves the anchor to a committed head."""

    def reopen(self) -> None:
        """Opens it anew after an error, whose outcome is read from it."""

    def switch(self, path: Any, instance_id: str, head: Head) -> None:
        """Makes a finished store that was built beside it this one."""
