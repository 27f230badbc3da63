"""A real server for every test, on the test's own loop; and for pytest-grpc's fixtures, in a thread."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from support.application import RunningServer, ThreadedServer


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[RunningServer]:
    """A server with an empty store."""
    running = await RunningServer(tmp_path).start()
    yield running
    await running.stop()


@pytest.fixture
def draw() -> random.Random:
    """Random numbers that a failed test can be repeated with: its seed is in the captured output."""
    seed = int(os.environ.get("TEST_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"seed {seed} (TEST_SEED repeats it)")  # shown when the test fails
    return random.Random(seed)


# ------------------------------------------------------------------ pytest-grpc, with the real server
# Its own grpc_server is the synchronous one, and its grpc_addr leaves a bound socket behind.


@pytest.fixture(scope="module")
def grpc_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreadedServer]:
    running = ThreadedServer(tmp_path_factory.mktemp("served"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def grpc_addr(grpc_server: ThreadedServer) -> str:
    return grpc_server.address


@pytest.fixture(scope="module")
def grpc_create_channel(grpc_addr: str, grpc_server: ThreadedServer) -> Callable[..., grpc.Channel]:
    def create(credentials: object = None, options: object = None) -> grpc.Channel:
        assert credentials is None, "the server has no TLS"
        channel = grpc.insecure_channel(grpc_addr, options)
        return grpc.intercept_channel(channel, _WithToken(grpc_server.token))

    return create


class _WithToken(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Puts the token on every call of a synchronous channel."""

    def __init__(self, token: str) -> None:
        self._header = ("authorization", f"Bearer {token}")

    def _call(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(details._replace(metadata=[*(details.metadata or ()), self._header]), request)

    intercept_unary_unary = _call
    intercept_unary_stream = _call
    intercept_stream_unary = _call
    intercept_stream_stream = _call
