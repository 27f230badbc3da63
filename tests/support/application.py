"""The real Application, on the test's own event loop or, for synchronous tests, on one in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import grpc
import grpc.aio

from fillhandler.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from fillhandler.v1.execution_service_pb2_grpc import ExecutionServiceStub
from fillhandler.v1.feed_service_pb2_grpc import FeedServiceStub
from fillhandler.v1.fill_service_pb2_grpc import FillServiceStub
from fillhandler.v1.instrument_service_pb2_grpc import InstrumentServiceStub
from fillhandler.v1.order_service_pb2_grpc import OrderServiceStub
from fillhandler.v1.state_service_pb2_grpc import StateServiceStub
from fillhandler_server.app import Application
from fillhandler_server.config import Settings

T = TypeVar("T")

_CHANNEL_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
    # Channels of one address in one process would share a connection, and with it the limit of streams.
    ("grpc.use_local_subchannel_pool", 1),
)


def settings_in(folder: Path, **changes: Any) -> Settings:
    """Settings that keep everything in one folder, on a port that the system picks."""
    given: dict[str, Any] = {
        "listen": "127.0.0.1:0",
        "data_dir": folder / "data",
        "key_folder": folder / "keys",
        "keyring": False,
        "shutdown_grace_seconds": 5,
    }
    return Settings(**(given | changes))


class Authorized:
    """A stub whose every call carries a token."""

    def __init__(self, stub: Any, token: str) -> None:
        self._stub = stub
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()

    def __getattr__(self, name: str) -> Any:
        return partial(getattr(self._stub, name), metadata=self._metadata)


class RunningServer:
    """A server with a channel to it. Everything here belongs to the event loop that started it."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.folder = folder
        self.settings = settings_in(folder, **changes)
        self.data_dir = self.settings.data_dir

    async def start(self) -> Self:
        """Starts, or starts again on the same folder and a new port."""
        self.app = Application(self.settings)
        try:
            self.address = await self.app.start()
        except BaseException:
            self.app.close()
            raise
        self.token = (self.data_dir / "token").read_text().strip()
        self.channel = self.open_channel()
        self.fills = self.stub(FillServiceStub)
        self.orders = self.stub(OrderServiceStub)
        self.feed = self.stub(FeedServiceStub)
        self.state = self.stub(StateServiceStub)
        self.analytics = self.stub(AnalyticsServiceStub)
        self.instruments = self.stub(InstrumentServiceStub)
        self.execution = self.stub(ExecutionServiceStub)
        return self

    def open_channel(self) -> grpc.aio.Channel:
        """One more connection; its opener closes it."""
        return grpc.aio.insecure_channel(self.address, options=_CHANNEL_OPTIONS)

    def stub(self, kind: Any, channel: grpc.aio.Channel | None = None, token: str | None = None) -> Any:
        """A stub over a channel, with a token: the server's own unless another is given; "" for none."""
        return Authorized(kind(channel or self.channel), self.token if token is None else token)

    async def stop(self) -> None:
        await self.channel.close()
        await self.app.stop()

    async def restart(self) -> Self:
        await self.stop()
        return await self.start()

    @property
    def head(self) -> int:
        return self.app.writer.head.sequence


class ThreadedServer:
    """The same on an event loop of its own in a thread, for synchronous clients."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="server-loop")
        self._thread.start()
        self._server = RunningServer(folder, **changes)
        try:
            self.run(self._server.start())
        except BaseException:
            self._end()
            raise
        self.address = self._server.address
        self.token = self._server.token
        self.data_dir = self._server.data_dir

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine on the server's loop and waits for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def stop(self) -> None:
        try:
            self.run(self._server.stop())
        finally:
            self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()
