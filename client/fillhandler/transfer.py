"""Whole exports into files, and files into imports, in chunks."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterable, Callable
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self, TypeAlias

from fillhandler.errors import ProtocolError
from fillhandler.files import replacing, sync
from fillhandler.v1 import state_service_pb2

CHUNK_BYTES: Final = 1024 * 1024

#: An export file's path, or its content.
ImportSource: TypeAlias = str | os.PathLike[str] | bytes
#: Called with what is done and what there is in all.
ReportProgress: TypeAlias = Callable[[int, int], None]

# A server that lost its staged chunks asks for them again; one that always does would never end.
_RESTARTS_MAX: Final = 3


async def save_export(
    chunks: AsyncIterable[state_service_pb2.ExportStateResponse],
    path: str | os.PathLike[str],
    progress: ReportProgress | None,
) -> state_service_pb2.Progress:
    """Write an export into a file that appears whole and synced, or not at all. Gives the last progress."""
    last = state_service_pb2.Progress()
    with replacing(Path(path)) as file:
        async for page in chunks:
            await asyncio.to_thread(file.write, page.chunk)
            last = page.progress
            if progress is not None:
                progress(last.events, last.total_events)
        # Here and not only at the end of the block, because a large file's sync would hold up the event loop.
        await asyncio.to_thread(sync, file)
    return last


class Upload:
    """One import's requests. The server says which chunk it wants next, so it resumes after anything."""

    def __init__(
        self,
        source: ImportSource,
        mode: state_service_pb2.ImportMode.ValueType,
        import_id: str | None,
        chunk_bytes: int,
    ) -> None:
        self._source = source
        self._mode = mode
        self._import_id = import_id or uuid.uuid4().hex
        self._chunk_bytes = chunk_bytes
        self._index = 0
        self._restarts = 0
        self._file: IO[bytes] | None = None
        self.total_bytes = 0

    def __enter__(self) -> Self:
        if isinstance(self._source, bytes):
            self._file = BytesIO(self._source)
        else:
            self._file = Path(self._source).open("rb")
        self.total_bytes = self._file.seek(0, os.SEEK_END)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    @property
    def _last_index(self) -> int:
        return max(0, (self.total_bytes - 1) // self._chunk_bytes)

    @property
    def done_bytes(self) -> int:
        """How much the server has."""
        return min(self._index * self._chunk_bytes, self.total_bytes)

    async def next_request(self) -> state_service_pb2.ImportStateRequest:
        """The chunk that the server wants next; an empty file is one empty chunk."""
        assert self._file is not None
        index = min(self._index, self._last_index)
        self._file.seek(index * self._chunk_bytes)
        return state_service_pb2.ImportStateRequest(
            import_id=self._import_id,
            chunk_index=index,
            chunk=await asyncio.to_thread(self._file.read, self._chunk_bytes),
            last=index == self._last_index,
            mode=self._mode,
        )

    def received(
        self,
        request: state_service_pb2.ImportStateRequest,
        response: state_service_pb2.ImportStateResponse,
    ) -> None:
        """Take in the answer.

        Raises:
            ProtocolError: The server asks for a chunk that there is not, or never gets on.
        """
        self._index = response.next_chunk_index
        if response.HasField("result"):
            self._index = self._last_index + 1
        elif self._index > self._last_index + 1:
            raise ProtocolError("the import was begun with another file or another chunk size")
        elif request.last or self._index <= request.chunk_index:
            self._restarts += 1
            if self._restarts > _RESTARTS_MAX:
                raise ProtocolError(f"the server asks for chunk {self._index} again and again")
