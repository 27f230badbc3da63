"""Rows about taking fills in. `python -m tests.bench.record_fills [local] [scattered] [one_fill] …`."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Final

from tests.bench import fills
from tests.bench.harness import (
    EchoServer,
    Options,
    Row,
    Server,
    channel,
    in_turn,
    running,
    stream,
    turn_note,
    unary,
)
from tests.bench.sqlite_reference import SqliteReference

RECORD_FILLS: Final = "/fillhandler.v1.FillService/RecordFills"
RECORD_FILL: Final = "/fillhandler.v1.FillService/RecordFill"
WINDOW_FILLS: Final = 16_000
ONE_FILL_WINDOW: Final = 256
UNARY_AT_ONCE: Final = 64
WARM_UP_FILLS: Final = 2_000


async def local(options: Options) -> Row:
    """Batches of 1,000; 8 consecutive fills an order."""
    return await _bulk("record_fills_1000_local", "local", 1000, options, gate=0.4)


async def scattered(options: Options) -> Row:
    """Batches of 1,000; 5,000 open orders interleaved."""
    return await _bulk("record_fills_1000_scattered", "scattered", 1000, options, gate=0.4)


async def hundred(options: Options) -> Row:
    """Batches of 100, local."""
    return await _bulk("record_fills_100_local", "local", 100, options)


async def _bulk(name: str, shape: str, size: int, options: Options, gate: float | None = None) -> Row:
    """Every round fills a new server and a new table with the same rows, after some to warm both up."""
    source = fills.Source()
    made: list[fills.FillRow] = []
    with tempfile.TemporaryDirectory(prefix="fillhandler-bench-") as text:
        folder = Path(text)

        async def theirs(number: int) -> float:
            made[:] = getattr(source, shape)(WARM_UP_FILLS + options.fills)
            reference = SqliteReference(folder / f"reference-{number}.db")
            reference.insert(fills.batches(made[:WARM_UP_FILLS], size))
            seconds = reference.insert(fills.batches(made[WARM_UP_FILLS:], size))
            reference.close()
            return options.fills / seconds

        async def ours(number: int) -> float:
            warm_up = fills.requests(made[:WARM_UP_FILLS], size)
            requests = fills.requests(made[WARM_UP_FILLS:], size)
            window = WINDOW_FILLS // size
            server: Server
            async with (
                running(partial(Server, folder / f"server-{number}")) as server,
                channel(server) as connection,
            ):
                await stream(connection, RECORD_FILLS, server.metadata, warm_up, window)
                used = server.cpu_seconds
                seconds = await stream(connection, RECORD_FILLS, server.metadata, requests, window)
                turn_note(f"server CPU {(server.cpu_seconds - used) / options.fills * 1e6:.1f} us a fill")
            return options.fills / seconds

        measured, base = await in_turn(options.rounds, theirs, ours)
    return Row(name=name, ours=measured, reference=base, unit="fills/s", goal=1.0, better="higher", gate=gate)


async def one_fill(options: Options) -> Row:
    """One fill a message, 256 unanswered at most; against an echo of the same messages."""
    number = options.fills // 5
    source = fills.Source()
    with tempfile.TemporaryDirectory(prefix="fillhandler-bench-") as text:
        async with (
            running(partial(Server, Path(text))) as server,
            running(EchoServer) as echo,
            channel(server) as connection,
            channel(echo) as echo_connection,
        ):
            requests: list[bytes] = []

            async def theirs(_: int) -> float:
                requests[:] = fills.requests(source.local(number), 1)
                return number / await stream(echo_connection, "/echo/Stream", (), requests, ONE_FILL_WINDOW)

            async def ours(_: int) -> float:
                return number / await stream(
                    connection, RECORD_FILLS, server.metadata, requests, ONE_FILL_WINDOW
                )

            measured, base = await in_turn(options.rounds, theirs, ours)
    return Row(
        name="record_fills_one_a_message",
        ours=measured,
        reference=base,
        unit="fills/s",
        goal=0.8,
        better="higher",
        gate=0.5,
    )


async def single(options: Options) -> Row:
    """Unary RecordFill, 64 at once; against an echo of the same messages."""
    number = options.fills // 10
    source = fills.Source()
    with tempfile.TemporaryDirectory(prefix="fillhandler-bench-") as text:
        async with (
            running(partial(Server, Path(text))) as server,
            running(EchoServer) as echo,
            channel(server) as connection,
            channel(echo) as echo_connection,
        ):
            requests: list[bytes] = []

            async def theirs(_: int) -> float:
                requests[:] = fills.single_requests(source.local(number))
                return number / await unary(echo_connection, "/echo/Unary", (), requests, UNARY_AT_ONCE)

            async def ours(_: int) -> float:
                return number / await unary(connection, RECORD_FILL, server.metadata, requests, UNARY_AT_ONCE)

            measured, base = await in_turn(options.rounds, theirs, ours)
    return Row(
        name="record_fill_unary",
        ours=measured,
        reference=base,
        unit="fills/s",
        goal=0.6,
        better="higher",
    )


ROWS: Final = {
    "local": local,
    "scattered": scattered,
    "hundred": hundred,
    "one_fill": one_fill,
    "single": single,
}

if __name__ == "__main__":
    from tests.bench.run import main

    main(ROWS)
