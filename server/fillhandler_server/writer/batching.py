"""Frames to batches of bounded size, each chained to the one before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fillhandler_server.journal import Batch, Head, chained

BATCH_BYTES_MAX: Final = 1 << 20


def batched(
    head: Head, frames: list[bytes], times: list[int | None], commit_time: int
) -> Iterator[tuple[Batch, tuple[int, int] | None]]:
    """The batches that follow `head`, each with the earliest and latest time of the fills in it.

    Args:
        head: what the first batch is chained to.
        frames: the encoded events.
        times: for each frame the time its fill is listed by, or None.
        commit_time: nanoseconds since the epoch.
    """
    for first, last in _chunks(frames, BATCH_BYTES_MAX):
        batch = chained(head, last - first, commit_time, b"".join(frames[first:last]))
        known = [moment for moment in times[first:last] if moment is not None]
        yield batch, (min(known), max(known)) if known else None
        head = Head(batch.last_sequence, batch.hash, batch.commit_time)


def _chunks(frames: list[bytes], size_max: int) -> list[tuple[int, int]]:
    """Ranges of frames whose bytes stay below a bound."""
    ranges: list[tuple[int, int]] = []
    first = size = 0
    for at, frame in enumerate(frames):
        if size and size + len(frame) > size_max:
            ranges.append((first, at))
            first, size = at, 0
        size += len(frame)
    if first < len(frames):
        ranges.append((first, len(frames)))
    return ranges
