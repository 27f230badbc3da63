"""Where the server is, what proves who we are, and the one channel to it."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import grpc
import grpc.aio
import platformdirs
from google.protobuf import wrappers_pb2

from fillhandler.errors import (
    DeadlineExceededError,
    FillHandlerError,
    ServerUnreachableError,
    SettingsError,
    UnauthenticatedError,
    from_rpc_error,
)
from fillhandler.retry import Perseverance, RetryPolicy
from fillhandler.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from fillhandler.v1.execution_service_pb2_grpc import ExecutionServiceStub
from fillhandler.v1.feed_service_pb2_grpc import FeedServiceStub
from fillhandler.v1.fill_service_pb2_grpc import FillServiceStub
from fillhandler.v1.instrument_service_pb2_grpc import InstrumentServiceStub
from fillhandler.v1.order_service_pb2_grpc import OrderServiceStub
from fillhandler.v1.state_service_pb2_grpc import StateServiceStub

if TYPE_CHECKING:
    from fillhandler.v1.analytics_service_pb2_grpc import AnalyticsServiceAsyncStub
    from fillhandler.v1.execution_service_pb2_grpc import ExecutionServiceAsyncStub
    from fillhandler.v1.feed_service_pb2_grpc import FeedServiceAsyncStub
    from fillhandler.v1.fill_service_pb2_grpc import FillServiceAsyncStub
    from fillhandler.v1.instrument_service_pb2_grpc import InstrumentServiceAsyncStub
    from fillhandler.v1.order_service_pb2_grpc import OrderServiceAsyncStub
    from fillhandler.v1.state_service_pb2_grpc import StateServiceAsyncStub

DEFAULT_ADDRESS: Final = "127.0.0.1:50051"
DEFAULT_TIMEOUT_SECONDS: Final = 10.0

#: The server refuses larger requests; ours are refused before they are sent.
REQUEST_BYTES_MAX: Final = 4 * 1024 * 1024
#: Answers may be larger than requests: a batch of payloads is answered with every order it touched.
_RESPONSE_BYTES_MAX: Final = 64 * 1024 * 1024

_CHANNEL_OPTIONS: Final[Sequence[tuple[str, str | int]]] = (
    ("grpc.max_send_message_length", REQUEST_BYTES_MAX),
    ("grpc.max_receive_message_length", _RESPONSE_BYTES_MAX),
    # A feed may be silent for a minute; without pings a connection that was cut on the way looks the same.
    # Not more often than the server allows (30 s), and only while a call is open.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # retry.py is the only layer that retries.
    ("grpc.enable_retries", 0),
    # The channel's own reconnects must not be slower than the attempts that wait for them.
    ("grpc.initial_reconnect_backoff_ms", 100),
    # Also how long gRPC lets one attempt to connect take: short, and a slow network is never reached.
    ("grpc.min_reconnect_backoff_ms", 20_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)

_SCHEME: Final = re.compile(r"^(ipv4:|ipv6:|dns:(///)?)")

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


def is_local(address: str) -> bool:
    """Whether what is sent to this gRPC target cannot leave this machine."""
    if address.startswith(("unix:", "unix-abstract:")):
        return True
    host = _SCHEME.sub("", address).rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name, or a list of addresses
        return host == "localhost"


def find_token(
    token: str | None,
    token_file: str | os.PathLike[str] | None,
    address: str,
    environment: Mapping[str, str],
) -> str:
    """The token to send, from the first place that names one; empty if none does.

    In order: the argument, the file argument, FILLHANDLER_TOKEN, FILLHANDLER_TOKEN_FILE, and, for a server on
    this machine, the copy that a local server of the same user wrote into its data folder.

    Raises:
        SettingsError: A named token file cannot be read, or a token is no token.
    """
    if token is None and token_file is None:
        token = environment.get("FILLHANDLER_TOKEN") or None
        if token is None:
            token_file = environment.get("FILLHANDLER_TOKEN_FILE") or None
    if token is None and token_file is not None:
        try:
            token = Path(token_file).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            # Not the error's own text for a decode error: it would quote the file's bytes.
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise SettingsError(f"the token file {os.fspath(token_file)} cannot be read: {why}") from None
    elif token is None and is_local(address):
        folder = environment.get("FILLHANDLER_DATA_DIR") or platformdirs.user_data_dir("fillhandler")
        try:
            token = (Path(folder) / "token").read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            return ""  # no local server of this user: the call will say that it needs a token
    token = (token or "").strip()
    if not all("!" <= character <= "~" for character in token):
        # gRPC would refuse the header with the header in the error's text.
        raise SettingsError("the token contains characters that no token has")
    return token


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """What a client needs to know to reach a server. The token is never shown.

    Attributes:
        address: `HOST:PORT`, or a gRPC target such as `unix:///run/fillhandler.sock`. None:
            FILLHANDLER_ADDRESS, else 127.0.0.1:50051.
        token: The bearer token itself.
        token_file: A file that holds it. See `find_token` for what applies without both.
        timeout_seconds: How long a unary call may take, its retries included, unless the call says otherwise.
        retry: When calls are tried again.
        credentials: For TLS, such as `grpc.ssl_channel_credentials()`. None: in clear, to this machine only.
    """

    address: str | None = None
    token: str | None = field(default=None, repr=False)
    token_file: str | os.PathLike[str] | None = None
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    credentials: grpc.ChannelCredentials | None = field(default=None, repr=False)


class Connection:
    """One lazily opened channel with its stubs. Calls on it end with an answer or a `FillHandlerError`.

    Belongs to the event loop of its first call.
    """

    def __init__(self, settings: ConnectionSettings, environment: Mapping[str, str] = os.environ) -> None:
        self.address = settings.address or environment.get("FILLHANDLER_ADDRESS") or DEFAULT_ADDRESS
        if not self.address.startswith("unix") and not self.address.rpartition(":")[2].isdecimal():
            raise SettingsError(f"the address {self.address!r} is not HOST:PORT")
        self.timeout_seconds = settings.timeout_seconds
        self.retry = settings.retry
        self._settings = settings
        self._environment = environment
        self._metadata: tuple[tuple[str, str], ...] | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"Connection({self.address!r})"

    @cached_property
    def channel(self) -> grpc.aio.Channel:
        """The channel. Opened on first use, because grpc.aio ties it to the loop that runs then."""
        if self._closed:
            raise RuntimeError("the client is closed")
        # gRPC would send even a loopback call to the machine's HTTP proxy.
        options = (*_CHANNEL_OPTIONS, ("grpc.enable_http_proxy", 0 if is_local(self.address) else 1))
        if self._settings.credentials is not None:
            return grpc.aio.secure_channel(self.address, self._settings.credentials, options=options)
        return grpc.aio.insecure_channel(self.address, options=options)

    @cached_property
    def fills(self) -> FillServiceAsyncStub:
        """FillService."""
        return FillServiceStub(self.channel)

    @cached_property
    def orders(self) -> OrderServiceAsyncStub:
        """OrderService."""
        return OrderServiceStub(self.channel)

    @cached_property
    def feed(self) -> FeedServiceAsyncStub:
        """FeedService."""
        return FeedServiceStub(self.channel)

    @cached_property
    def state(self) -> StateServiceAsyncStub:
        """StateService."""
        return StateServiceStub(self.channel)

    @cached_property
    def analytics(self) -> AnalyticsServiceAsyncStub:
        """AnalyticsService."""
        return AnalyticsServiceStub(self.channel)

    @cached_property
    def instruments(self) -> InstrumentServiceAsyncStub:
        """InstrumentService."""
        return InstrumentServiceStub(self.channel)

    @cached_property
    def execution(self) -> ExecutionServiceAsyncStub:
        """ExecutionService."""
        return ExecutionServiceStub(self.channel)

    @cached_property
    def health(self) -> grpc.aio.UnaryUnaryMultiCallable[wrappers_pb2.StringValue, wrappers_pb2.Int32Value]:
        """grpc.health.v1.Health/Check.

        Its messages have one field each, number 1, a string and an enum: on the wire they are these wrappers.
        That spares the client a dependency.
        """
        return self.channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=wrappers_pb2.StringValue.SerializeToString,
            response_deserializer=wrappers_pb2.Int32Value.FromString,
        )

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with every call. Reads the token on first use, and again after it was refused.

        Raises:
            SettingsError: The token cannot be read, or would travel in clear to another machine.
        """
        if self._metadata is None:
            settings = self._settings
            token = find_token(settings.token, settings.token_file, self.address, self._environment)
            if token and settings.credentials is None and not is_local(self.address):
                raise SettingsError(
                    f"a token is not sent in clear to {self.address}: "
                    "give TLS credentials, or use an address of this machine"
                )
            self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        return self._metadata

    def error(self, error: grpc.aio.AioRpcError) -> FillHandlerError:
        """The typed exception for what gRPC raised."""
        typed = from_rpc_error(error)
        if isinstance(typed, UnauthenticatedError):
            self._metadata = None  # a token file may have been replaced
        unreachable = isinstance(typed, ServerUnreachableError)
        if isinstance(typed, DeadlineExceededError):
            unreachable = self.channel.get_state() is not grpc.ChannelConnectivity.READY
        if unreachable:
            return ServerUnreachableError(
                f"no answer from {self.address}: {typed.text}",
                status=typed.status,
                metadata={"address": self.address},
            )
        return typed

    async def call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[_Request, _Response],
        request: _Request,
        timeout_seconds: float | None = None,
    ) -> _Response:
        """One unary call, tried again as the policy says, within one timeout for all tries.

        Only for calls that may be repeated: reads, and writes that are identified by what they say.
        """
        timeout_seconds = self.timeout_seconds if timeout_seconds is None else timeout_seconds
        deadline = time.monotonic() + timeout_seconds
        async for attempt in self.retry.attempts(timeout_seconds):
            with attempt:
                remaining = max(deadline - time.monotonic(), 0.001)
                try:
                    return await method(request, timeout=remaining, metadata=self.metadata())
                except grpc.aio.AioRpcError as error:
                    raise self.error(error) from None
        raise AssertionError("the last attempt neither answered nor raised")

    async def long_call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[_Request, _Response],
        request: _Request,
        timeout_seconds: float | None = None,
    ) -> _Response:
        """One unary call whose answer may take hours, tried again for as long as `timeout_seconds` allow.

        None sets no end. Only for calls that the server knows again by an id inside the request.
        """
        perseverance = Perseverance(self.retry, timeout_seconds, time.monotonic)
        while True:
            began = time.monotonic()
            connected = asyncio.ensure_future(self.channel.channel_ready())
            try:
                return await method(
                    request, timeout=perseverance.remaining_seconds(), metadata=self.metadata()
                )
            except grpc.aio.AioRpcError as error:
                failure = self.error(error)
            finally:
                reached = connected.done() and connected.exception() is None
                connected.cancel()
            await perseverance.wait(failure, reached=reached, lasted_seconds=time.monotonic() - began)

    async def close(self) -> None:
        """End every call that is open, and the channel. A second time does nothing."""
        self._closed = True
        channel: grpc.aio.Channel | None = self.__dict__.get("channel")
        if channel is not None:
            await channel.close()
