"""Many open feeds in one process: `python -m tests.bench.subscribers ADDRESS NUMBER SYMBOL`.

Messages are read and thrown away. The connections hold 50 feeds each: the server allows 100.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

import grpc.aio

from fillhandler.v1 import feed_service_pb2

_A_CONNECTION = 50


async def main(address: str, number: int, symbol: str) -> None:
    metadata = (("authorization", os.environ["BENCH_AUTHORIZATION"]),)
    request = feed_service_pb2.WatchEventsRequest(symbols=[symbol])
    request.heartbeat_interval.seconds = 60
    raw = request.SerializeToString()
    options = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))
    channels = [
        grpc.aio.insecure_channel(address, options=options) for _ in range(-(-number // _A_CONNECTION))
    ]
    calls = [
        channels[at // _A_CONNECTION].unary_stream("/fillhandler.v1.FeedService/WatchEvents")(
            raw, metadata=metadata
        )
        for at in range(number)
    ]
    for call in calls:
        await call.read()

    async def drain(call: Any) -> None:
        while await call.read() is not grpc.aio.EOF:
            pass

    tasks = [asyncio.create_task(drain(call)) for call in calls]
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    print(f"listening on {address}", flush=True)
    await stopping.wait()
    for task in tasks:
        task.cancel()
    for connection in channels:
        await connection.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
