"""The blocking client: the asyncio client, run on a thread of its own.

There is no second implementation to keep in step: the table in the class takes each method over, with its
parameters, types and documentation.
"""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine, Generator, Iterable
from types import TracebackType
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeVar, cast

import grpc

from fillhandler.client import FillHandlerClient
from fillhandler.connection import DEFAULT_TIMEOUT_SECONDS
from fillhandler.retry import RetryPolicy
from fillhandler.threads import from_thread

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Item = TypeVar("_Item")

_END: Final = object()


def _answered(
    method: Callable[Concatenate[FillHandlerClient, _P], Coroutine[Any, Any, _T]],
) -> Callable[Concatenate[SyncFillHandlerClient, _P], _T]:
    """The same call, blocking until its answer."""

    @functools.wraps(method)
    def call(self: SyncFillHandlerClient, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return self._wait(method(self._client, *args, **kwargs))

    return call


def _iterated(
    method: Callable[Concatenate[FillHandlerClient, _P], AsyncGenerator[_T]],
) -> Callable[Concatenate[SyncFillHandlerClient, _P], Generator[_T]]:
    """The same stream as a generator, each step blocking."""

    @functools.wraps(method)
    def call(self: SyncFillHandlerClient, /, *args: _P.args, **kwargs: _P.kwargs) -> Generator[_T]:
        return self._iterate(method(self._client, *args, **kwargs))

    return call


def _pumped(
    method: Callable[
        Concatenate[FillHandlerClient, Iterable[_Item] | AsyncIterable[_Item], _P], AsyncGenerator[_T]
    ],
) -> Callable[Concatenate[SyncFillHandlerClient, Iterable[_Item], _P], Generator[_T]]:
    """The same stream as a generator. What is sent is read on another thread, because it may block."""

    @functools.wraps(method)
    def call(
        self: SyncFillHandlerClient, items: Iterable[_Item], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> Generator[_T]:
        return self._iterate(method(self._client, from_thread(items), *args, **kwargs))

    return call


class SyncFillHandlerClient:
    """`FillHandlerClient` for code without asyncio: the same methods, blocking; streams are generators.

    ```python
    with SyncFillHandlerClient() as fills:
        result = fills.process_payload("binance", payload)
        for event in fills.watch(cursor_file="cursor.json"):
            ...
    ```

    May be used from several threads. Progress callbacks run on the client's own thread and must not call it.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        token: str | None = None,
        token_file: str | os.PathLike[str] | None = None,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        retry: RetryPolicy | None = None,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        """As `FillHandlerClient`, and starts the thread."""
        self._client = FillHandlerClient(
            address,
            token=token,
            token_file=token_file,
            timeout_seconds=timeout_seconds,
            retry=retry,
            credentials=credentials,
        )
        self._started = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run()), name="fillhandler-client", daemon=True
        )
        self._thread.start()
        self._started.wait()

    record_fill = _answered(FillHandlerClient.record_fill)
    record_fills = _pumped(FillHandlerClient.record_fills)
    process_payload = _answered(FillHandlerClient.process_payload)
    process_payloads = _pumped(FillHandlerClient.process_payloads)
    get_fill = _answered(FillHandlerClient.get_fill)
    list_fills = _iterated(FillHandlerClient.list_fills)
    bust_fill = _answered(FillHandlerClient.bust_fill)
    correct_fill = _answered(FillHandlerClient.correct_fill)
    register_order = _answered(FillHandlerClient.register_order)
    report_order = _answered(FillHandlerClient.report_order)
    get_order = _answered(FillHandlerClient.get_order)
    list_orders = _iterated(FillHandlerClient.list_orders)
    list_anomalies = _iterated(FillHandlerClient.list_anomalies)
    clear_orders = _answered(FillHandlerClient.clear_orders)
    watch = _iterated(FillHandlerClient.watch)
    watch_responses = _iterated(FillHandlerClient.watch_responses)
    get_fill_statistics = _answered(FillHandlerClient.get_fill_statistics)
    analyze_performance = _answered(FillHandlerClient.analyze_performance)
    analyze_fees = _answered(FillHandlerClient.analyze_fees)
    execute_trade = _answered(FillHandlerClient.execute_trade)
    get_trade = _answered(FillHandlerClient.get_trade)
    list_trades = _iterated(FillHandlerClient.list_trades)
    cancel_trade = _answered(FillHandlerClient.cancel_trade)
    list_retries = _iterated(FillHandlerClient.list_retries)
    list_venues = _answered(FillHandlerClient.list_venues)
    list_instruments = _iterated(FillHandlerClient.list_instruments)
    list_value_places = _answered(FillHandlerClient.list_value_places)
    import_instruments = _answered(FillHandlerClient.import_instruments)
    export_state = _iterated(FillHandlerClient.export_state)
    export_to_file = _answered(FillHandlerClient.export_to_file)
    import_state = _answered(FillHandlerClient.import_state)
    verify_journal = _answered(FillHandlerClient.verify_journal)
    get_server_status = _answered(FillHandlerClient.get_server_status)
    check_health = _answered(FillHandlerClient.check_health)

    def __repr__(self) -> str:
        return f"SyncFillHandlerClient({self.address!r})"

    @property
    def address(self) -> str:
        """Where the server is, as it was given or found."""
        return self._client.address

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every call that is open, the connection and the thread. A second time does nothing."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    async def _run(self) -> None:
        """The thread's life. What is still open at its end, asyncio.run cancels."""
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._started.set()
        async with self._client:
            await self._stop.wait()

    def _wait(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """The coroutine's result. An interrupt (Ctrl-C) cancels it."""
        if not self._thread.is_alive() or threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError(
                "the client is closed" if not self._thread.is_alive() else "called from a callback"
            )
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()

    def _iterate(self, stream: AsyncGenerator[_T]) -> Generator[_T]:
        # After an interrupt the step that was cancelled may still be unwinding when the generator is closed.
        one_at_a_time = asyncio.Lock()

        async def step() -> object:
            async with one_at_a_time:
                return await anext(stream, _END)

        async def close() -> None:
            async with one_at_a_time:
                await stream.aclose()

        try:
            while (item := self._wait(step())) is not _END:
                yield cast("_T", item)
        finally:
            if self._thread.is_alive():
                self._wait(close())
