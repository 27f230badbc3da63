"""StateService: backup, restore, check, status; and the standard health check."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, TypeAlias, cast

import grpc.aio
from google.protobuf import wrappers_pb2

from fillhandler import convert
from fillhandler.calls.base import Calls
from fillhandler.errors import ProtocolError
from fillhandler.transfer import CHUNK_BYTES, ImportSource, ReportProgress, Upload, save_export
from fillhandler.v1 import state_service_pb2

#: Verifying and applying an import of ten million events takes minutes, and is one call.
APPLY_TIMEOUT_SECONDS: Final = 900.0

_SERVING: Final = 1  # grpc.health.v1.HealthCheckResponse.ServingStatus.SERVING

ImportModeLike: TypeAlias = state_service_pb2.ImportMode.ValueType | str


class StateCalls(Calls):
    """What StateService offers, and the health check."""

    async def export_state(
        self, *, page_token: str = "", max_chunk_bytes: int = 0, timeout_seconds: float | None = None
    ) -> AsyncGenerator[state_service_pb2.ExportStateResponse]:
        """One consistent snapshot of everything, as chunks: their `chunk` bytes, in order, are the export
        file.

        `page_token` (the `next_page_token` of a chunk that was kept) resumes an export. Each chunk says how
        far the export is. `max_chunk_bytes` 0 leaves the size to the server; `timeout_seconds` is for each
        chunk.

        Raises:
            PageTokenInvalidError: The token is not this journal's.
        """
        request = state_service_pb2.ExportStateRequest(page_token=page_token, max_chunk_bytes=max_chunk_bytes)
        while True:
            page = await self._connection.call(self._connection.state.ExportState, request, timeout_seconds)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def export_to_file(
        self,
        path: str | os.PathLike[str],
        *,
        progress: ReportProgress | None = None,
        max_chunk_bytes: int = 0,
        timeout_seconds: float | None = None,
    ) -> state_service_pb2.Progress:
        """Export everything into a file, which appears whole and synced, or not at all. An old one is
        replaced.

        `progress` is called after each chunk with (events done, events in all). Returns the last progress.
        """
        chunks = self.export_state(max_chunk_bytes=max_chunk_bytes, timeout_seconds=timeout_seconds)
        async with aclosing(chunks):
            return await save_export(chunks, path, progress)

    async def import_state(
        self,
        source: ImportSource,
        mode: ImportModeLike,
        *,
        import_id: str | None = None,
        chunk_bytes: int = CHUNK_BYTES,
        progress: ReportProgress | None = None,
        timeout_seconds: float | None = None,
        apply_timeout_seconds: float = APPLY_TIMEOUT_SECONDS,
    ) -> state_service_pb2.ImportResult:
        """Import an export file, all or nothing.

        `source` is the file's path, or its bytes. `mode` is "merge" (record what is new), "replace" (become
        the
        exported server: what was there is gone) or "validate_only". An interrupted import goes on where it
        stopped when it is called again with the same `import_id`, file and `chunk_bytes`; without an id each
        call is an import of its own. `progress` is called after each chunk with (bytes done, bytes in all).
        `timeout_seconds` is for each chunk, `apply_timeout_seconds` for the last, which verifies and applies.

        Raises:
            ImportDamagedError: The file is truncated, altered or foreign; nothing has changed.
            OSError: The file cannot be read.
        """
        number = convert.enum_value(state_service_pb2.ImportMode.DESCRIPTOR, mode, "mode")
        with Upload(
            source, cast("state_service_pb2.ImportMode.ValueType", number), import_id, chunk_bytes
        ) as upload:
            while True:
                request = await upload.next_request()
                response = await self._connection.call(
                    self._connection.state.ImportState,
                    request,
                    apply_timeout_seconds if request.last else timeout_seconds,
                )
                upload.received(request, response)
                if progress is not None:
                    progress(upload.done_bytes, upload.total_bytes)
                if response.HasField("result"):
                    return response.result

    async def verify_journal(
        self, *, progress: ReportProgress | None = None
    ) -> state_service_pb2.VerifyJournalResponse:
        """Let the server walk its hash chain to the head. `valid` in the answer says whether every link
        holds.

        `progress` is called on the way with (events done, events in all). It takes as long as it takes: there
        is no timeout, and a broken connection ends it.
        """
        last: state_service_pb2.VerifyJournalResponse | None = None
        call = self._connection.state.VerifyJournal(
            state_service_pb2.VerifyJournalRequest(), metadata=self._connection.metadata()
        )
        try:
            async for last in call:
                if progress is not None:
                    progress(last.progress.events, last.progress.total_events)
        except grpc.aio.AioRpcError as error:
            raise self._connection.error(error) from None
        finally:
            call.cancel()
        if last is None or not last.done:
            raise ProtocolError("the server ended the walk without a result")
        return last

    async def get_server_status(
        self, *, timeout_seconds: float | None = None
    ) -> state_service_pb2.GetServerStatusResponse:
        """How the server is: version, instance, head sequence, store, counts, subscribers."""
        request = state_service_pb2.GetServerStatusRequest()
        return await self._connection.call(self._connection.state.GetServerStatus, request, timeout_seconds)

    async def check_health(self, service: str = "", *, timeout_seconds: float | None = None) -> bool:
        """Whether the server (or one service, such as "fillhandler.v1.FillService") is serving. Needs no
        token.
        """
        request = wrappers_pb2.StringValue(value=service)
        return (
            await self._connection.call(self._connection.health, request, timeout_seconds)
        ).value == _SERVING
