"""The feed resumes by itself, gives each event once, and keeps its position over a restart of its
consumer.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from fillhandler import (
    Cursor,
    CursorAheadError,
    CursorExpiredError,
    CursorUnusableError,
    FileCursorStore,
    FillHandlerClient,
    FillHandlerError,
    InstanceMismatchError,
    RetryPolicy,
    ServerUnreachableError,
    TooManyStreamsError,
)
from fillhandler.v1 import events_pb2, feed_service_pb2

HEAD = 20


def message(
    *sequences: int, through: int | None = None, live: bool = False
) -> feed_service_pb2.WatchEventsResponse:
    through = sequences[-1] if through is None else through
    return feed_service_pb2.WatchEventsResponse(
        events=[events_pb2.Event(sequence=sequence) for sequence in sequences],
        through_sequence=through,
        resume_token=f"after {through}",
        instance_id="one",
        live=live,
    )


def start_of(request: Any) -> int:
    if request.resume_token:
        return int(request.resume_token.removeprefix("after "))
    return int(request.after_sequence)


def journal(*, per_message: int = 3, breaks_after: int | None = None) -> Any:
    """Serves 1..HEAD from where the request says, then heartbeats once and stays open, or breaks before."""

    async def script(request: Any, context: Any) -> AsyncIterator[Any]:
        position, sent = start_of(request), 0
        while position < HEAD:
            if sent == breaks_after:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
            last = min(position + per_message, HEAD)
            yield message(*range(position + 1, last + 1))
            position, sent = last, sent + 1
        yield message(through=HEAD, live=True)
        await asyncio.Event().wait()

    return script


async def take(events: Any, count: int) -> list[int]:
    return [(await anext(events)).sequence for _ in range(count)]


async def test_it_resumes_where_it_had_got_to(server: Any, policy: RetryPolicy) -> None:
    server.on("WatchEvents", *[journal(breaks_after=2)] * 3, journal())
    async with (
        FillHandlerClient(server.address, retry=policy) as client,
        aclosing(client.watch(from_beginning=True)) as events,
    ):
        assert await take(events, HEAD) == list(range(1, HEAD + 1))

    requests = server.requests("WatchEvents")
    assert requests[0].WhichOneof("start") == "from_beginning"
    assert [request.resume_token for request in requests[1:]] == ["after 6", "after 12", "after 18"]
    assert policy.sleep.waits == [0.1, 0.1, 0.1], "each first message resets the waits"  # type: ignore[attr-defined]


async def test_a_restart_of_the_server_neither_loses_nor_repeats(server: Any) -> None:
    server.on("WatchEvents", journal(breaks_after=None))

    async def come_back(_seconds: float) -> None:
        if server.noted == ["stopped"]:
            server.note("started")
            await asyncio.to_thread(server.start)

    async def holds(request: Any, context: Any) -> AsyncIterator[Any]:
        yield message(1, 2)
        await asyncio.Event().wait()

    server.on("WatchEvents", holds, journal())
    async with (
        FillHandlerClient(server.address, retry=RetryPolicy(sleep=come_back)) as client,
        aclosing(client.watch(after_sequence=0)) as events,
    ):
        seen = await take(events, 2)
        await asyncio.to_thread(server.stop)
        server.note("stopped")
        seen += await take(events, HEAD - 2)
    assert seen == list(range(1, HEAD + 1))


async def test_heartbeats_move_the_position(server: Any, policy: RetryPolicy) -> None:
    async def quiet(request: Any, context: Any) -> AsyncIterator[Any]:
        yield message(through=7, live=True)
        await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")

    server.on("WatchEvents", quiet, journal())
    async with (
        FillHandlerClient(server.address, retry=policy) as client,
        aclosing(client.watch(venues=["quiet"])) as events,
    ):
        assert (await anext(events)).sequence == 8
    assert server.requests("WatchEvents")[1].venues == ["quiet"]


async def test_silence_counts_as_a_broken_connection(server: Any) -> None:
    async def falls_silent(request: Any, context: Any) -> AsyncIterator[Any]:
        yield message(1)
        await asyncio.Event().wait()

    server.on("WatchEvents", falls_silent, journal())
    alert = RetryPolicy(heartbeats_missed_max=0.005, base_delay_seconds=0)
    async with (
        FillHandlerClient(server.address, retry=alert) as client,
        aclosing(client.watch(after_sequence=0)) as events,
    ):
        assert await take(events, 5) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (grpc.StatusCode.FAILED_PRECONDITION, "CURSOR_AHEAD", CursorAheadError),
        (grpc.StatusCode.FAILED_PRECONDITION, "INSTANCE_MISMATCH", InstanceMismatchError),
        (grpc.StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED", CursorExpiredError),
    ],
)
async def test_a_cursor_that_does_not_fit_is_the_callers_to_decide(
    server: Any,
    policy: RetryPolicy,
    refusal: Callable[..., Any],
    status: grpc.StatusCode,
    reason: str,
    kind: type[FillHandlerError],
) -> None:
    server.on("WatchEvents", journal(breaks_after=1), refusal(status, reason))
    async with (
        FillHandlerClient(server.address, retry=policy) as client,
        aclosing(client.watch(after_sequence=0)) as events,
    ):
        assert await take(events, 3) == [1, 2, 3]
        with pytest.raises(kind):
            await anext(events)


async def test_what_the_server_says_may_be_tried_again_is(
    server: Any, policy: RetryPolicy, refusal: Callable[..., Any]
) -> None:
    busy = grpc.StatusCode.RESOURCE_EXHAUSTED
    server.on("WatchEvents", refusal(busy, "TOO_MANY_STREAMS", retry_after=timedelta(seconds=3)), journal())
    async with (
        FillHandlerClient(server.address, retry=policy) as client,
        aclosing(client.watch(after_sequence=0)) as events,
    ):
        assert await take(events, 1) == [1]
    assert policy.sleep.waits == [3.1]  # type: ignore[attr-defined]

    server.on("WatchEvents", refusal(busy, "TOO_MANY_STREAMS"))
    async with FillHandlerClient(server.address, retry=policy) as client:
        with pytest.raises(TooManyStreamsError):
            await anext(client.watch())


async def test_a_feed_that_never_began_gives_up(server: Any, policy: RetryPolicy) -> None:
    server.stop()
    async with FillHandlerClient(server.address, retry=policy) as client:
        with pytest.raises(ServerUnreachableError):
            await anext(client.watch())
    server.start()


class TestStoredCursor:
    async def test_a_position_is_stored_when_the_next_event_is_asked_for(
        self, server: Any, tmp_path: Path
    ) -> None:
        file = tmp_path / "cursor.json"
        server.on("WatchEvents", journal(per_message=2))
        async with FillHandlerClient(server.address) as client:
            async with aclosing(client.watch(after_sequence=0, cursor_file=file)) as events:
                assert await take(events, 2) == [1, 2]
                assert not file.exists(), "nobody came back after event 2"
                assert await take(events, 1) == [3]
                assert FileCursorStore(file).load() == Cursor(resume_token="after 2")
                assert await take(events, 1) == [4]
            assert FileCursorStore(file).load() == Cursor(instance_id="one", after_sequence=3), (
                "left inside one"
            )

            async with aclosing(client.watch(from_beginning=True, cursor_file=file)) as events:
                assert await take(events, 2) == [4, 5]

        resumed = server.requests("WatchEvents")[1]
        assert (resumed.after_sequence, resumed.instance_id) == (3, "one")
        assert resumed.WhichOneof("start") == "after_sequence"

    async def test_over_crashes_nothing_is_lost(self, server: Any, tmp_path: Path) -> None:
        file = tmp_path / "cursor.json"
        server.on("WatchEvents", journal(per_message=3))
        handled: list[int] = []

        class CrashError(Exception):
            pass

        async def consume(count: int) -> None:
            async with FillHandlerClient(server.address) as client:
                stream = client.watch(after_sequence=0, cursor_file=file)
                async with aclosing(stream) as events:
                    async for event in events:
                        handled.append(event.sequence)
                        if len(handled) >= count:
                            raise CrashError

        crashes = (1, 2, 5, 9, 10, 16)
        for count in crashes:
            with pytest.raises(CrashError):
                await consume(count)

        assert sorted(set(handled)) == list(range(1, handled[-1] + 1))
        repeats = len(handled) - len(set(handled))
        assert repeats == len(crashes) - 1, "the event at which each run crashed, and nothing else"

    async def test_whole_messages(self, server: Any, tmp_path: Path) -> None:
        file = tmp_path / "cursor.json"
        server.on("WatchEvents", journal(per_message=10))
        async with FillHandlerClient(server.address) as client:
            async with aclosing(client.watch_responses(after_sequence=0, cursor_file=file)) as responses:
                assert (await anext(responses)).through_sequence == 10
                await anext(responses)
            async with aclosing(client.watch_responses(cursor_file=file)) as responses:
                assert (await anext(responses)).events[0].sequence == 11

    async def test_a_store_of_ones_own(self, server: Any) -> None:
        class Store:
            def load(self) -> Cursor | None:
                return Cursor(resume_token="after 18")

            def save(self, cursor: Cursor) -> None:
                server.note(cursor)

        store = Store()
        server.on("WatchEvents", journal())
        async with (
            FillHandlerClient(server.address) as client,
            aclosing(client.watch(cursor=store)) as events,
        ):
            assert await take(events, 2) == [19, 20]
            waiting = asyncio.ensure_future(anext(events))
            await server.until(lambda: len(server.noted) == 2)
            waiting.cancel()
            await asyncio.wait({waiting})
        assert server.noted == [Cursor(resume_token="after 20")] * 2, "after the events, and at the heartbeat"

    @pytest.mark.parametrize(
        "content", ["", "{", "[]", "{}", '{"resume_token": ""}', '{"offset": 3}', "\xff"]
    )
    async def test_a_file_that_is_none_is_an_error(self, server: Any, tmp_path: Path, content: str) -> None:
        file = tmp_path / "cursor.json"
        file.write_bytes(content.encode("latin-1"))
        async with FillHandlerClient(server.address) as client:
            with pytest.raises(CursorUnusableError, match=r"cursor\.json"):
                await anext(client.watch(cursor_file=file))
        assert server.calls == []

    def test_a_file_is_replaced_as_a_whole(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        store = FileCursorStore(tmp_path / "cursor.json")
        store.save(Cursor(resume_token="one"))

        def full(_descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="space"):
            store.save(Cursor(resume_token="two"))

        assert store.load() == Cursor(resume_token="one")
        assert [path.name for path in tmp_path.iterdir()] == ["cursor.json"], "no temporary file stays"
        assert json.loads((tmp_path / "cursor.json").read_text())["resume_token"] == "one"
