"""Rows about size: what a store that holds much costs, against one that holds little."""

from __future__ import annotations

import statistics
import tempfile
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Final

import grpc.aio
from tests.bench import fills
from tests.bench.harness import Options, Process, Row, Server, channel, in_turn, running, stream
from tests.bench.record_fills import RECORD_FILLS

from fillhandler.v1 import analytics_service_pb2, fill_service_pb2

GET_STATISTICS: Final = "/fillhandler.v1.AnalyticsService/GetFillStatistics"
PROCESS_PAYLOADS: Final = "/fillhandler.v1.FillService/ProcessPayloads"
SMALL: Final = 100_000
_CHUNK: Final = 100_000
_BATCH: Final = 1_000
_WINDOW: Final = 16


async def load(connection: grpc.aio.Channel, server: Server, source: fills.Source, number: int) -> None:
    """Records fills, 5,000 orders in each 100,000."""
    for start in range(0, number, _CHUNK):
        rows = source.scattered(min(_CHUNK, number - start))
        await stream(connection, RECORD_FILLS, server.metadata, fills.requests(rows, _BATCH), _WINDOW)


async def size(options: Options) -> list[Row]:
    """The rate, and the statistics, of a large store against one of 100,000 fills."""
    large = 5_000_000 if options.long else 300_000
    round_fills = 10_000
    source = fills.Source()
    calls = 200
    with tempfile.TemporaryDirectory(prefix="fillhandler-bench-") as text:
        one: Server
        other: Server
        async with (
            running(partial(Server, Path(text) / "small")) as one,
            running(partial(Server, Path(text) / "large")) as other,
            channel(one) as to_small,
            channel(other) as to_large,
        ):
            await load(to_small, one, source, SMALL)
            await load(to_large, other, source, large)

            async def rate(server: Server, connection: grpc.aio.Channel, _: int) -> float:
                requests = fills.requests(source.scattered(round_fills), _BATCH)
                return round_fills / await stream(
                    connection, RECORD_FILLS, server.metadata, requests, _WINDOW
                )

            async def milliseconds(server: Server, connection: grpc.aio.Channel, _: int) -> float:
                request = analytics_service_pb2.GetFillStatisticsRequest().SerializeToString()
                call = connection.unary_unary(GET_STATISTICS)
                taken = []
                for _ in range(calls):
                    started = perf_counter()
                    await call(request, metadata=server.metadata)
                    taken.append(perf_counter() - started)
                return statistics.median(taken) * 1000

            rates = await in_turn(
                options.rounds, partial(rate, one, to_small), partial(rate, other, to_large)
            )
            times = await in_turn(
                options.rounds, partial(milliseconds, one, to_small), partial(milliseconds, other, to_large)
            )
    note = f"{large} fills against {SMALL}"
    return [
        Row(
            name="record_fills_rate_at_size",
            ours=rates[0],
            reference=rates[1],
            unit="fills/s",
            goal=0.9,
            better="higher",
            note=note,
        ),
        Row(
            name="get_fill_statistics_at_size",
            ours=times[0],
            reference=times[1],
            unit="ms",
            goal=1.2,
            better="lower",
            note=note,
        ),
    ]


async def one_order(options: Options) -> Row:
    """The last 1,000 of an order's 40,000 fills against its first 1,000, one new order a round."""
    total, part = 40_000, 1_000
    source = fills.Source()
    requests: list[bytes] = []
    with tempfile.TemporaryDirectory(prefix="fillhandler-bench-") as text:
        server: Server
        async with running(partial(Server, Path(text))) as server, channel(server) as connection:

            async def microseconds(chosen: list[bytes]) -> float:
                seconds = await stream(connection, RECORD_FILLS, server.metadata, chosen, _WINDOW)
                return seconds / part * 1e6

            async def first(_: int) -> float:
                requests[:] = fills.requests(source.one_order(total), 100)
                return await microseconds(requests[:10])

            async def last(_: int) -> float:
                await stream(connection, RECORD_FILLS, server.metadata, requests[10:-10], _WINDOW)
                return await microseconds(requests[-10:])

            await stream(
                connection,
                RECORD_FILLS,
                server.metadata,
                fills.requests(source.one_order(2_000), 100),
                _WINDOW,
            )
            ours, reference = await in_turn(options.rounds, first, last)
    return Row(
        name="one_order_40000_fills",
        ours=ours,
        reference=reference,
        unit="us/fill",
        goal=1.2,
        better="lower",
    )


async def restart(options: Options) -> Row:
    """Opening and serving a store again, against one SELECT of the rows of its open orders.

    Both are timed in the probe, a process of its own, with every module loaded: what the interpreter and the
    imports take is the same for an empty store.
    """
    number, orders = (1_000_000, 10_000) if options.long else (200_000, 10_000)
    source = fills.Source()
    opened, selected = [], []
    with tempfile.TemporaryDirectory(prefix="fillhandler-bench-") as text:
        folder = Path(text)
        server: Server
        async with running(partial(Server, folder)) as server, channel(server) as connection:
            rows = source.scattered(number, orders)
            await stream(connection, RECORD_FILLS, server.metadata, fills.requests(rows, _BATCH), _WINDOW)
        for _ in range(options.rounds):
            probe = await _probe(folder)
            opened.append(probe[0])
            selected.append(probe[1])
    return Row(
        name="restart",
        ours=statistics.median(opened) * 1000,
        reference=statistics.median(selected) * 1000,
        unit="ms",
        goal=3,
        better="lower",
        note=f"{number} fills, {orders} open orders",
    )


async def _probe(folder: Path) -> tuple[float, float]:
    async with running(
        partial(Process, "tests.bench.restart_probe", str(folder / "data"), str(folder / "key"))
    ) as process:
        opened, selected = process.address.split("/")
    return float(opened), float(selected)


async def memory(options: Options) -> list[Row]:
    """What the server's memory grows by for an order, once its caches are full."""
    number = 50_000
    source = fills.Source()
    measured = []
    with tempfile.TemporaryDirectory(prefix="fillhandler-bench-") as text:
        server: Server
        async with running(partial(Server, Path(text))) as server, channel(server) as connection:
            await load(connection, server, source, 200_000)
            before = server.resident_bytes
            rows = [row for _ in range(number) for row in source.one_order(1)]
            requests = fills.requests(rows, _BATCH)
            await stream(connection, RECORD_FILLS, server.metadata, requests, _WINDOW)
            measured.append(
                Row(
                    name="memory_an_open_order",
                    ours=(server.resident_bytes - before) / number,
                    reference=None,
                    unit="bytes",
                    goal=1_500,
                    better="lower",
                    note=f"{number} orders of one fill",
                )
            )
            if options.long:
                closed = 1_000_000
                await _close_orders(connection, server, 200_000, 0)
                before = server.resident_bytes
                await _close_orders(connection, server, closed, 200_000)
                measured.append(
                    Row(
                        name="memory_a_million_closed_orders",
                        ours=(server.resident_bytes - before) / 1e6,
                        reference=None,
                        unit="MB",
                        goal=10,
                        better="lower",
                    )
                )
    return measured


async def _close_orders(connection: grpc.aio.Channel, server: Server, number: int, start: int) -> None:
    """Orders that are filled by their one fill, as Binance reports them."""
    for at in range(start, start + number, _CHUNK):
        requests = []
        for first in range(at, min(at + _CHUNK, start + number), 100):
            request = fill_service_pb2.ProcessPayloadsRequest()
            for order in range(first, first + 100):
                payload = execution_report(50_000_000_000 + order)
                request.payloads.add(venue="binance", payload=payload)
            requests.append(request.SerializeToString())
        await stream(connection, PROCESS_PAYLOADS, server.metadata, requests, 8)


def execution_report(order_id: int) -> bytes:
    """Binance's executionReport of an order that one trade fills."""
    return (
        b'{"e":"executionReport","E":1767000000123,"s":"BTCUSDT","c":"bench-%d","S":"BUY","o":"LIMIT","f":"GTC",'
        b'"q":"0.01000000","p":"67000.00000000","P":"0.00000000","F":"0.00000000","g":-1,"C":"","x":"TRADE",'
        b'"X":"FILLED","r":"NONE","i":%d,"l":"0.01000000","z":"0.01000000","L":"67000.00000000",'
        b'"n":"0.00001000","N":"BTC","T":1767000000122,"t":%d,"I":8641984,"w":false,"m":true,"M":false,'
        b'"O":1767000000000,"Z":"670.00000000","Y":"670.00000000","Q":"0.00000000","W":1767000000000,'
        b'"V":"NONE"}' % (order_id, order_id, order_id)
    )


ROWS: Final = {"size": size, "one_order": one_order, "restart": restart, "memory": memory}

if __name__ == "__main__":
    from tests.bench.run import main

    main(ROWS)
