"""The reference of the rows about messages: a bare grpc.aio server that echoes bytes.

`/echo/Unary`, `/echo/Stream`, and `/echo/Publish` (a stream) with `/echo/Subscribe`: what is published
reaches every subscriber, with no store between.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio


class Echo:
    """The handlers."""

    def __init__(self) -> None:
        self._subscribers: list[asyncio.Queue[bytes]] = []

    async def unary(self, request: bytes, _: Any) -> bytes:
        return request

    async def stream(self, requests: AsyncIterator[bytes], _: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request

    async def publish(self, requests: AsyncIterator[bytes], _: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            for subscriber in self._subscribers:
                subscriber.put_nowait(request)
            yield b""

    async def subscribe(self, _: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[bytes]:
        messages: asyncio.Queue[bytes] = asyncio.Queue()
        self._subscribers.append(messages)
        try:
            yield b""
            while True:
                yield await messages.get()
        finally:
            self._subscribers.remove(messages)


async def main() -> None:
    echo = Echo()
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                "echo",
                {
                    "Unary": grpc.unary_unary_rpc_method_handler(echo.unary),
                    "Stream": grpc.stream_stream_rpc_method_handler(echo.stream),
                    "Publish": grpc.stream_stream_rpc_method_handler(echo.publish),
                    "Subscribe": grpc.unary_stream_rpc_method_handler(echo.subscribe),
                },
            ),
        )
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    print(f"listening on 127.0.0.1:{port}", flush=True)
    await stopping.wait()
    await server.stop(0)


if __name__ == "__main__":
    asyncio.run(main())
