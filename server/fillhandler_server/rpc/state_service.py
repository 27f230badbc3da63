"""StateService: backup, restore, check, and how the server is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, Final, TypeVar

from google.protobuf.duration_pb2 import Duration

from fillhandler.v1 import state_service_pb2 as pb
from fillhandler_server import audit, venues
from fillhandler_server.analytics.figures import fill_figures, order_figures
from fillhandler_server.codec import to_timestamp
from fillhandler_server.domain.sums import Scope
from fillhandler_server.feed import Feed
from fillhandler_server.journal import EventStore
from fillhandler_server.transfer.export import Exports
from fillhandler_server.transfer.importing import Imports
from fillhandler_server.writer import Session, Writer

T = TypeVar("T")

_STORE: Final = "sqlite"
_THREADS: Final = 4


class StateService:
    """Convert → call → convert. Its work is long, so it has threads of its own."""

    def __init__(
        self,
        *,
        writer: Writer,
        store: EventStore,
        feed: Feed,
        exports: Exports,
        imports: Imports,
        walk: Callable[[], Generator[audit.Walk, None, None]],
        version: str,
    ) -> None:
        """
        Args:
            walk: starts a walk over the journal's hash chain.
        """
        self._writer = writer
        self._store = store
        self._feed = feed
        self._version = version
        self._started = time.monotonic()
        self._exports = exports
        self._imports = imports
        self._walk = walk
        # Apart, because an import that is applied keeps its thread, and those behind it theirs.
        self._readers = ThreadPoolExecutor(_THREADS, thread_name_prefix="fillhandler-export")
        self._importers = ThreadPoolExecutor(_THREADS, thread_name_prefix="fillhandler-import")

    def close(self) -> None:
        """Ends what is under way. Called before the writer and the store are closed."""
        self._imports.close()
        for pool in (self._readers, self._importers):
            pool.shutdown(wait=True, cancel_futures=True)

    async def ExportState(self, request: pb.ExportStateRequest, context: Any) -> pb.ExportStateResponse:
        """The next chunk of an export."""
        chunk = await self._read(lambda: self._exports.chunk(request.page_token, request.max_chunk_bytes))
        return pb.ExportStateResponse(
            chunk=chunk.data,
            next_page_token=chunk.next_page_token,
            progress=pb.Progress(batches=chunk.batches, events=chunk.events, total_events=chunk.total_events),
        )

    async def ImportState(self, request: pb.ImportStateRequest, context: Any) -> pb.ImportStateResponse:
        """Takes a chunk; the last one is answered once all of it is applied."""
        # A caller that goes away does not end it: it finds the result when it sends the chunk again.
        received = await asyncio.get_running_loop().run_in_executor(
            self._importers,
            lambda: self._imports.receive(
                request.import_id,
                request.chunk_index,
                request.chunk,
                last=request.last,
                mode=int(request.mode),
            ),
        )
        response = pb.ImportStateResponse(
            next_chunk_index=received.next_chunk_index, received_bytes=received.received_bytes
        )
        if received.result is not None:
            response.result.CopyFrom(pb.ImportResult(**asdict(received.result)))
        return response

    async def VerifyJournal(
        self, request: pb.VerifyJournalRequest, context: Any
    ) -> AsyncIterator[pb.VerifyJournalResponse]:
        """Walks the chain, a piece at a time."""
        walk = self._walk()
        try:
            while (state := await self._read(lambda: next(walk, None))) is not None:
                yield _walk_message(state)
        finally:
            await asyncio.shield(self._read(walk.close))

    async def GetServerStatus(
        self, request: pb.GetServerStatusRequest, context: Any
    ) -> pb.GetServerStatusResponse:
        """How the server is."""
        writer, feed = self._writer, self._feed
        queued = writer.queued

        def work(session: Session) -> pb.GetServerStatusResponse:
            book = session.book
            book.count_dirty()
            sums = book.statistics.sums(Scope(), session.engine.head)
            fills, orders = fill_figures(sums.fills, sums.currencies), order_figures(sums.orders)
            return pb.GetServerStatusResponse(
                total_fills=fills.count + fills.reversed,
                total_orders=orders.total,
                active_orders=orders.active,
            )

        # A store that fails has its status all the same.
        response = await writer.run(work) if writer.writable else pb.GetServerStatusResponse()
        head = writer.head
        response.version = self._version
        response.instance_id = self._store.instance_id
        response.head_sequence = head.sequence
        response.head_hash = head.hash.hex()
        response.uptime.CopyFrom(_duration(time.monotonic() - self._started))
        response.store = _STORE
        response.writable = writer.writable
        response.store_bytes = self._store.size
        response.subscribers = len(feed.cursors)
        response.max_subscriber_lag = feed.lag
        response.queued_requests = queued
        response.schema_version = self._store.schema_version
        response.venues.extend(venues.known())
        if head.sequence:
            response.last_commit_time.CopyFrom(to_timestamp(head.commit_time))
        return response

    async def _read(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)


def _walk_message(state: audit.Walk) -> pb.VerifyJournalResponse:
    message = pb.VerifyJournalResponse(
        progress=pb.Progress(batches=state.batches, events=state.events, total_events=state.total_events),
        done=state.done,
        valid=state.valid,
        problem=state.problem,
        problem_sequence=state.problem_sequence,
    )
    if state.done:
        message.head_sequence = state.head.sequence
        message.head_hash = state.head.hash.hex()
    return message


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(int(seconds * 1e9))
    return duration
