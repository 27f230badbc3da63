"""Rows about the live feed, and about a live fill beside a bulk load."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import grpc.aio
from tests.bench import fills
from tests.bench.harness import (
    EchoServer,
    Options,
    Process,
    Row,
    Server,
    channel,
    in_turn,
    percentile,
    running,
    stream,
)
from tests.bench.record_fills import RECORD_FILL, RECORD_FILLS

from fillhandler.v1 import feed_service_pb2, fill_service_pb2

WATCH_EVENTS: Final = "/fillhandler.v1.FeedService/WatchEvents"
QUIET_SYMBOL: Final = "QUIETUSDT"
_BATCH: Final = 1_000
_WINDOW: Final = 16


async def latency(options: Options) -> list[Row]:
    """Send → durable → subscriber at 500 fills a second, against the same path without a store."""
    a_second, seconds = 500, 2.0
    number = int(a_second * seconds)
    source = fills.Source()
    tails: list[list[float]] = [[], []]
    with tempfile.TemporaryDirectory(prefix="fillhandler-bench-") as text:
        server: Server
        echo: EchoServer
        async with (
            running(partial(Server, Path(text))) as server,
            running(EchoServer) as echo,
            channel(server) as sending,
            channel(server) as watching,
            channel(echo) as echo_sending,
            channel(echo) as echo_watching,
        ):
            await stream(
                sending, RECORD_FILLS, server.metadata, fills.requests(source.local(2_000), 1), _WINDOW
            )
            requests: list[bytes] = []

            async def theirs(_: int) -> float:
                requests[:] = fills.requests(source.local(number), 1)
                subscription = echo_watching.unary_stream("/echo/Subscribe")(b"")
                taken = await _delays(
                    echo_sending, "/echo/Publish", (), requests, subscription, a_second, _one_event
                )
                tails[0].append(percentile(taken, 0.99))
                return statistics.median(taken) * 1000

            async def ours(_: int) -> float:
                subscription = watching.unary_stream(WATCH_EVENTS)(
                    feed_service_pb2.WatchEventsRequest().SerializeToString(), metadata=server.metadata
                )
                taken = await _delays(
                    sending, RECORD_FILLS, server.metadata, requests, subscription, a_second, _events
                )
                tails[1].append(percentile(taken, 0.99))
                return statistics.median(taken) * 1000

            measured, base = await in_turn(options.rounds, theirs, ours)
    return [
        Row(
            name="send_to_subscriber_p50",
            ours=measured,
            reference=base,
            unit="ms",
            goal=1.4,
            better="lower",
        ),
        Row(
            name="send_to_subscriber_p99",
            ours=statistics.median(tails[1]) * 1000,
            reference=statistics.median(tails[0]) * 1000,
            unit="ms",
            goal=3,
            better="lower",
        ),
    ]


def _one_event(_: bytes) -> int:
    return 1


def _events(message: bytes) -> int:
    return len(feed_service_pb2.WatchEventsResponse.FromString(message).events)


async def _delays(
    sending: grpc.aio.Channel,
    method: str,
    metadata: Any,
    requests: Sequence[bytes],
    subscription: Any,
    a_second: int,
    count: Any,
) -> list[float]:
    """Sends over one stream at a steady rate; returns each request's time until the subscriber had its event.

    One stream keeps the order, so the n-th event is the n-th request's. The rate does not wait for answers.
    """
    await subscription.read()
    call = sending.stream_stream(method)(metadata=metadata)
    await call.wait_for_connection()
    sent: list[float] = []
    received: list[float] = []

    async def receive() -> None:
        while len(received) < len(requests):
            message = await subscription.read()
            now = perf_counter()
            received.extend([now] * count(message))

    async def drain() -> None:
        for _ in requests:
            await call.read()

    tasks = [asyncio.create_task(receive()), asyncio.create_task(drain())]
    started = perf_counter()
    for number, request in enumerate(requests):
        due = started + number / a_second
        if (wait := due - perf_counter()) > 0:
            await asyncio.sleep(wait)
        sent.append(perf_counter())
        await call.write(request)
    async with asyncio.timeout(60):
        await asyncio.gather(*tasks)
    await call.done_writing()
    await call.read()
    subscription.cancel()
    return [late - early for early, late in zip(sent, received, strict=True)]


async def beside_bulk(options: Options) -> Row:
    """A unary RecordFill now and then beside a saturating RecordFills stream, against an idle server; p50."""
    number, pause_seconds = 100, 0.01
    bulk_fills = 100_000
    source = fills.Source()
    with tempfile.TemporaryDirectory(prefix="fillhandler-bench-") as text:
        server: Server
        async with (
            running(partial(Server, Path(text))) as server,
            channel(server) as connection,
            channel(server) as bulk_connection,
        ):
            call = connection.unary_unary(RECORD_FILL)

            async def one(request: bytes) -> float:
                started = perf_counter()
                await call(request, metadata=server.metadata)
                return perf_counter() - started

            async def theirs(_: int) -> float:
                taken = []
                for request in fills.single_requests(source.local(number)):
                    taken.append(await one(request))
                    await asyncio.sleep(pause_seconds)
                return statistics.median(taken) * 1000

            async def ours(_: int) -> float:
                requests = fills.single_requests(source.local(number))
                bulk = asyncio.create_task(
                    stream(
                        bulk_connection,
                        RECORD_FILLS,
                        server.metadata,
                        fills.requests(source.local(bulk_fills), _BATCH),
                        _WINDOW,
                    )
                )
                await asyncio.sleep(0.2)
                taken = []
                for request in requests:
                    delay = await one(request)
                    if bulk.done():
                        break
                    taken.append(delay)
                    await asyncio.sleep(pause_seconds)
                await bulk
                return statistics.median(taken) * 1000

            await theirs(0)
            measured, base = await in_turn(options.rounds, theirs, ours)
    return Row(
        name="live_fill_beside_bulk_p50",
        ours=measured,
        reference=base,
        unit="ms",
        goal=4,
        better="lower",
    )


class Subscribers(Process):
    """A process of its own with many open feeds of one quiet symbol."""

    def __init__(self, server: Server, number: int) -> None:
        super().__init__(
            "tests.bench.subscribers",
            server.address,
            str(number),
            QUIET_SYMBOL,
            environment={"BENCH_AUTHORIZATION": server.metadata[0][1]},
        )


async def subscribers(options: Options) -> Row:
    """Bulk ingest with 1,000 feeds open that each get 10 events a second, against the same with one feed."""
    many = 1_000
    source = fills.Source()
    made: list[fills.FillRow] = []
    with tempfile.TemporaryDirectory(prefix="fillhandler-bench-") as text:
        one: Server
        other: Server
        async with (
            running(partial(Server, Path(text) / "one")) as one,
            running(partial(Server, Path(text) / "many")) as other,
            running(partial(Subscribers, one, 1)),
            running(partial(Subscribers, other, many)),
            channel(one) as to_one,
            channel(other) as to_many,
        ):

            async def rate(server: Server, connection: grpc.aio.Channel) -> float:
                ticking = asyncio.create_task(_tick(server, connection, source))
                try:
                    requests = fills.requests(made, _BATCH)
                    seconds = await stream(connection, RECORD_FILLS, server.metadata, requests, _WINDOW)
                finally:
                    ticking.cancel()
                return options.fills / seconds

            async def theirs(_: int) -> float:
                made[:] = source.local(options.fills)
                return await rate(one, to_one)

            async def ours(_: int) -> float:
                return await rate(other, to_many)

            measured, base = await in_turn(options.rounds, theirs, ours)
    return Row(
        name="ingest_with_1000_subscribers",
        ours=measured,
        reference=base,
        unit="fills/s",
        goal=0.8,
        better="higher",
    )


async def _tick(server: Server, connection: grpc.aio.Channel, source: fills.Source) -> None:
    """Ten fills a second of the symbol that is watched."""
    call = connection.unary_unary(RECORD_FILL)
    while True:
        (row,) = source.local(1)
        request = fill_service_pb2.RecordFillRequest(fill=fills.message(row))
        request.fill.symbol = QUIET_SYMBOL
        await call(request.SerializeToString(), metadata=server.metadata)
        await asyncio.sleep(0.1)


ROWS: Final = {"latency": latency, "beside_bulk": beside_bulk, "subscribers": subscribers}

if __name__ == "__main__":
    from tests.bench.run import main

    main(ROWS)
