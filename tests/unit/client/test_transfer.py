"""Exports into files and files into imports: whole, resumable, or not at all."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from fillhandler import (
    FillHandlerClient,
    FillHandlerError,
    ImportDamagedError,
    ProtocolError,
    RetryPolicy,
    ServerUnreachableError,
)
from fillhandler.v1 import state_service_pb2

CONTENT = bytes(range(256)) * 10


def page(start: int, size: int = 1000) -> state_service_pb2.ExportStateResponse:
    end = start + size
    return state_service_pb2.ExportStateResponse(
        chunk=CONTENT[start:end],
        next_page_token=str(end) if end < len(CONTENT) else "",
        progress=state_service_pb2.Progress(events=min(end, len(CONTENT)), total_events=len(CONTENT)),
    )


async def export(request: Any, context: Any) -> Any:
    return page(int(request.page_token or 0))


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def written(path: Path) -> Path:
    path.write_bytes(CONTENT)
    return path


def content(path: Path) -> bytes:
    return path.read_bytes()


def permissions(path: Path) -> int:
    return path.stat().st_mode & 0o777


class TestExport:
    async def test_the_chunks_in_order_are_the_file(self, server: Any, tmp_path: Path) -> None:
        server.on("ExportState", export)
        progress: list[tuple[int, int]] = []
        file = tmp_path / "backup.json"
        file.write_bytes(b"an older one")
        async with FillHandlerClient(server.address) as client:
            last = await client.export_to_file(
                file, progress=lambda *done: progress.append(done), max_chunk_bytes=5000
            )

        assert content(file) == CONTENT
        assert permissions(file) == 0o600
        assert progress == [(1000, 2560), (2000, 2560), (2560, 2560)]
        assert last.events == 2560
        assert [request.max_chunk_bytes for request in server.requests("ExportState")] == [5000] * 3

    async def test_it_resumes_with_a_token(self, server: Any) -> None:
        server.on("ExportState", export)
        async with FillHandlerClient(server.address) as client:
            rest = b"".join([each.chunk async for each in client.export_state(page_token="2000")])
        assert rest == CONTENT[2000:]

    async def test_a_broken_connection_does_not_break_it(
        self, server: Any, policy: RetryPolicy, refusal: Callable[..., Any]
    ) -> None:
        gone = refusal(grpc.StatusCode.UNAVAILABLE)
        server.on("ExportState", page(0), gone, page(1000), gone, gone, page(2000))
        async with FillHandlerClient(server.address, retry=policy) as client:
            assert b"".join([each.chunk async for each in client.export_state()]) == CONTENT

    async def test_a_failure_leaves_the_old_file(
        self, server: Any, refusal: Callable[..., Any], tmp_path: Path
    ) -> None:
        server.on("ExportState", page(0), refusal(grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED"))
        file = tmp_path / "backup.json"
        file.write_bytes(b"an older one")
        async with FillHandlerClient(server.address) as client:
            with pytest.raises(FillHandlerError):
                await client.export_to_file(file)
        assert content(file) == b"an older one"
        assert names(tmp_path) == [file.name]


class Staging:
    """What the real server does with chunks: keeps them by import, and says which it wants next."""

    def __init__(self) -> None:
        self.chunks: dict[str, list[bytes]] = {}

    async def __call__(self, request: Any, context: Any) -> Any:
        staged = self.chunks.setdefault(request.import_id, [])
        if request.chunk_index == len(staged):
            staged.append(request.chunk)
        response = state_service_pb2.ImportStateResponse(next_chunk_index=len(staged))
        if request.last and len(staged) == request.chunk_index + 1:
            response.result.mode = request.mode
            response.result.events = sum(map(len, staged))
        return response

    def on(self, server: Any, *before: Any) -> None:
        async def script(request: Any, context: Any) -> Any:
            return await self(request, context)

        server.on("ImportState", *before, script)


class TestImport:
    async def test_from_bytes_and_from_a_file(self, server: Any, tmp_path: Path) -> None:
        staging = Staging()
        staging.on(server)
        file = written(tmp_path / "backup.json")
        progress: list[tuple[int, int]] = []
        async with FillHandlerClient(server.address) as client:
            for source in (CONTENT, file, str(file)):
                result = await client.import_state(
                    source, "merge", chunk_bytes=1000, progress=lambda *done: progress.append(done)
                )
                assert result.events == len(CONTENT)
                assert result.mode == state_service_pb2.IMPORT_MODE_MERGE

        assert [b"".join(chunks) for chunks in staging.chunks.values()] == [CONTENT] * 3, (
            "each has its own id"
        )
        assert progress[:3] == [(1000, 2560), (2000, 2560), (2560, 2560)]

    @pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 2000])
    async def test_sizes_around_the_chunks(self, server: Any, size: int) -> None:
        staging = Staging()
        staging.on(server)
        async with FillHandlerClient(server.address) as client:
            result = await client.import_state(b"x" * size, "validate_only", chunk_bytes=1000)
        assert result.events == size
        assert server.requests("ImportState")[-1].last
        assert len(server.requests("ImportState")) == max(1, -(-size // 1000))

    async def test_it_goes_on_where_it_stopped(self, server: Any) -> None:
        staging = Staging()
        staging.chunks["mine"] = [CONTENT[:1000], CONTENT[1000:2000]]
        staging.on(server)
        async with FillHandlerClient(server.address) as client:
            result = await client.import_state(CONTENT, "replace", import_id="mine", chunk_bytes=1000)
        assert result.events == len(CONTENT)
        assert [request.chunk_index for request in server.requests("ImportState")] == [0, 2]

    async def test_chunks_that_were_lost_are_sent_again(self, server: Any) -> None:
        staging = Staging()

        async def loses_everything(request: Any, context: Any) -> Any:
            staging.chunks.clear()
            return state_service_pb2.ImportStateResponse(next_chunk_index=0)

        async def script(request: Any, context: Any) -> Any:
            return await staging(request, context)

        server.on("ImportState", script, loses_everything, script)
        async with FillHandlerClient(server.address) as client:
            assert (await client.import_state(CONTENT, "merge", chunk_bytes=1000)).events == len(CONTENT)

    async def test_a_server_that_never_gets_on_is_left(self, server: Any) -> None:
        server.on("ImportState", state_service_pb2.ImportStateResponse(next_chunk_index=0))
        async with FillHandlerClient(server.address) as client:
            with pytest.raises(ProtocolError, match="again and again"):
                await client.import_state(CONTENT, "merge", chunk_bytes=1000)

    async def test_another_file_under_the_same_id_is_noticed(self, server: Any) -> None:
        server.on("ImportState", state_service_pb2.ImportStateResponse(next_chunk_index=9))
        async with FillHandlerClient(server.address) as client:
            with pytest.raises(ProtocolError, match="another file"):
                await client.import_state(CONTENT, "merge", import_id="mine", chunk_bytes=1000)

    async def test_a_damaged_file_is_reported_and_not_tried_again(
        self, server: Any, policy: RetryPolicy, refusal: Callable[..., Any]
    ) -> None:
        Staging().on(server, refusal(grpc.StatusCode.DATA_LOSS, "IMPORT_DAMAGED"))
        async with FillHandlerClient(server.address, retry=policy) as client:
            with pytest.raises(ImportDamagedError):
                await client.import_state(CONTENT, "merge")
        assert len(server.calls) == 1

    async def test_what_is_no_file_or_no_mode(self, server: Any, tmp_path: Path) -> None:
        async with FillHandlerClient(server.address) as client:
            with pytest.raises(FileNotFoundError):
                await client.import_state(tmp_path / "nowhere", "merge")
            with pytest.raises(ValueError, match="replace, merge, validate_only"):
                await client.import_state(CONTENT, "overwrite")


class TestVerify:
    async def test_it_reports_progress_and_gives_the_last_word(self, server: Any) -> None:
        async def walk(request: Any, context: Any) -> AsyncIterator[Any]:
            for events in (10, 20):
                yield state_service_pb2.VerifyJournalResponse(
                    progress=state_service_pb2.Progress(events=events, total_events=20)
                )
            yield state_service_pb2.VerifyJournalResponse(done=True, valid=False, problem="altered")

        server.on("VerifyJournal", walk)
        progress: list[tuple[int, int]] = []
        async with FillHandlerClient(server.address) as client:
            found = await client.verify_journal(progress=lambda *done: progress.append(done))
        assert (found.valid, found.problem) == (False, "altered")
        assert progress == [(10, 20), (20, 20), (0, 0)]

    async def test_a_walk_without_an_end_is_no_result(self, server: Any) -> None:
        async def stops(request: Any, context: Any) -> AsyncIterator[Any]:
            yield state_service_pb2.VerifyJournalResponse()

        async def breaks(request: Any, context: Any) -> AsyncIterator[Any]:
            yield state_service_pb2.VerifyJournalResponse()
            await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")

        server.on("VerifyJournal", stops, breaks)
        async with FillHandlerClient(server.address) as client:
            with pytest.raises(ProtocolError):
                await client.verify_journal()
            with pytest.raises(ServerUnreachableError):
                await client.verify_journal()
