"""The asyncio client."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Self

import grpc

from fillhandler.calls.analytics import AnalyticsCalls
from fillhandler.calls.execution import ExecutionCalls
from fillhandler.calls.feed import FeedCalls
from fillhandler.calls.fills import FillCalls
from fillhandler.calls.instruments import InstrumentCalls
from fillhandler.calls.orders import OrderCalls
from fillhandler.calls.state import StateCalls
from fillhandler.connection import DEFAULT_TIMEOUT_SECONDS, Connection, ConnectionSettings
from fillhandler.retry import RetryPolicy


class FillHandlerClient(
    FillCalls, OrderCalls, FeedCalls, ExecutionCalls, InstrumentCalls, AnalyticsCalls, StateCalls
):
    """Talks to one server. Opens its connection with the first call; belongs to the event loop of that call.

    ```python
    async with FillHandlerClient() as fills:
        result = await fills.process_payload("binance", payload)
        async for event in fills.watch(cursor_file="cursor.json"):
            ...
    ```

    Every call ends with an answer or a `FillHandlerError`. Transient failures are tried again within the
    call's timeout, which is safe, because everything recorded has an identity and never counts twice.
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
        """What is not given comes from the environment, and for a server on this machine from its own files.

        Args:
            address: `HOST:PORT`, or a gRPC target. None: FILLHANDLER_ADDRESS, else 127.0.0.1:50051.
            token: The bearer token. None: `token_file`, FILLHANDLER_TOKEN, FILLHANDLER_TOKEN_FILE, else the
                file `token` in FILLHANDLER_DATA_DIR or the user's data folder, for a server on this machine.
            token_file: A file that holds the token.
            timeout_seconds: How long a unary call may take, its retries included.
            retry: When calls are tried again; None: the defaults of `RetryPolicy`.
            credentials: For TLS, such as `grpc.ssl_channel_credentials()`.

        Raises:
            SettingsError: The address is none.
        """
        self._connection = Connection(
            ConnectionSettings(
                address=address,
                token=token,
                token_file=token_file,
                timeout_seconds=timeout_seconds,
                retry=retry or RetryPolicy(),
                credentials=credentials,
            )
        )

    def __repr__(self) -> str:
        return f"FillHandlerClient({self.address!r})"

    @property
    def address(self) -> str:
        """Where the server is, as it was given or found."""
        return self._connection.address

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End every call that is open, and the connection. A second time does nothing."""
        await self._connection.close()
