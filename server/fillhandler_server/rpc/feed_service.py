"""FeedService: the journal as a resumable stream, its messages framed by hand from the committed bytes."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from fillhandler.v1 import events_pb2
from fillhandler.v1 import feed_service_pb2 as pb
from fillhandler_server.codec import varint
from fillhandler_server.domain.errors import (
    CursorAheadError,
    InstanceMismatchError,
    InvalidFieldError,
    TooManyStreamsError,
)
from fillhandler_server.feed import MESSAGE_BYTES, Feed, Filter
from fillhandler_server.projections import Readers
from fillhandler_server.rpc.checking import Checker

RAW: Final = ("WatchEvents",)
HEARTBEAT_SECONDS: Final = 10.0
HEARTBEAT_RANGE: Final = (1.0, 60.0)


class FeedService:
    """One cursor a subscriber."""

    def __init__(self, feed: Feed, readers: Readers, streams_max: int) -> None:
        self._feed = feed
        self._readers = readers
        self._streams_max = streams_max
        self._next_stream = 0

    async def WatchEvents(self, request: pb.WatchEventsRequest, context: Any) -> AsyncIterator[bytes]:
        """Streams events from the start point on."""
        feed = self._feed
        if len(feed.cursors) >= self._streams_max:
            raise TooManyStreamsError(
                f"{self._streams_max} feeds are open already; close one, or raise max_feeds",
                limit=self._streams_max,
            )
        chosen = _filter(request)
        heartbeat = _heartbeat(request)
        instance, generation = feed.instance_id, feed.generation
        cursor = await self._start(request, instance)
        self._next_stream += 1
        stream = self._next_stream
        feed.cursors[stream] = cursor
        try:
            # The first message comes at once, whatever there is.
            live = cursor >= feed.head
            yield _message(b"", cursor, instance, live=live)
            sent = time.monotonic()
            while True:
                feed.check(instance, generation)
                frames: list[bytes] = []
                size = 0
                for held in await feed.read(cursor):
                    part = held.frames(cursor, chosen)
                    cursor = held.batch.last_sequence
                    if part:
                        frames.append(part)
                        size += len(part)
                        if size >= MESSAGE_BYTES:
                            break
                feed.check(instance, generation)
                feed.cursors[stream] = cursor
                caught_up = cursor >= feed.head
                # Having caught up is told at once, also to a filter that nothing passed.
                if frames or caught_up > live or time.monotonic() - sent >= heartbeat:
                    live = caught_up
                    yield _message(b"".join(frames), cursor, instance, live=live)
                    sent = time.monotonic()
                # Asked anew after the send: what happened meanwhile has had its wake-up.
                feed.check(instance, generation)
                if cursor >= feed.head:
                    await feed.wait(max(0.0, sent + heartbeat - time.monotonic()))
        finally:
            del feed.cursors[stream]

    async def _start(self, request: pb.WatchEventsRequest, instance: str) -> int:
        start = request.WhichOneof("start")
        if request.HasField("instance_id"):
            _same_instance(request.instance_id, instance)
        if start is None:
            return self._feed.head
        if start == "from_beginning":
            return 0
        if start == "from_time":
            check = Checker("")
            moment = check.time(request, "from_time")
            check.done()
            return await self._readers.run(lambda reader: reader.sequence_before(moment or 0))
        if start == "resume_token":
            token_instance, cursor = read_resume_token(request.resume_token)
            _same_instance(token_instance, instance)
        else:
            cursor = request.after_sequence
        if cursor > self._feed.head:
            raise CursorAheadError(
                f"sequence {cursor} is beyond the head of this journal at {self._feed.head}",
                after_sequence=cursor,
                head_sequence=self._feed.head,
            )
        return cursor


def _same_instance(given: str, instance: str) -> None:
    if given != instance:
        raise InstanceMismatchError(
            f"the cursor is of instance {given[:64]}, this journal is {instance}; start anew",
            instance_id=instance,
            requested_instance_id=given[:64],
        )


def _filter(request: pb.WatchEventsRequest) -> Filter:
    kinds = set()
    for at, kind in enumerate(request.kinds):
        name = events_pb2.EventKind.Name(kind) if kind in events_pb2.EventKind.values() else ""
        if not kind or not name:
            raise InvalidFieldError.of(f"kinds[{at}]", f"{kind} is not an event kind")
        kinds.add(name.removeprefix("EVENT_KIND_").lower())
    return Filter(
        venues=frozenset(venue.lower() for venue in request.venues),
        accounts=frozenset(request.accounts),
        symbols=frozenset(request.symbols),
        order_ids=frozenset(request.order_ids),
        kinds=frozenset(kinds),
    )


def _heartbeat(request: pb.WatchEventsRequest) -> float:
    if not request.HasField("heartbeat_interval"):
        return HEARTBEAT_SECONDS
    wanted = request.heartbeat_interval.ToNanoseconds() / 1e9
    return min(max(wanted, HEARTBEAT_RANGE[0]), HEARTBEAT_RANGE[1])


def _message(frames: bytes, cursor: int, instance: str, *, live: bool) -> bytes:
    token = resume_token(instance, cursor).encode()
    name = instance.encode()
    return b"".join(
        (
            frames,
            b"\x10" + varint(cursor) if cursor else b"",
            b"\x1a",
            varint(len(token)),
            token,
            b"\x20\x01" if live else b"",
            b"\x2a",
            varint(len(name)),
            name,
        )
    )


def resume_token(instance: str, cursor: int) -> str:
    """The opaque token of a position: instance and the position of every partition, of which there is one."""
    return base64.urlsafe_b64encode(f"1:{instance}:0={cursor}".encode()).decode()


def read_resume_token(token: str) -> tuple[str, int]:
    """Instance and position of a token.

    Raises:
        InvalidFieldError: it is not one of ours.
    """
    try:
        version, instance, position = (
            base64.b64decode(token, altchars=b"-_", validate=True).decode("ascii").split(":")
        )
        partition, _, cursor = position.partition("=")
        if version == "1" and partition == "0" and cursor.isdecimal() and len(cursor) <= 19:
            return instance, int(cursor)
    except (binascii.Error, ValueError):
        pass
    raise InvalidFieldError.of("resume_token", "is not a token of a feed; send one as it was received")
