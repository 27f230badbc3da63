"""The composition root: the only place that builds the parts and puts them together."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from functools import partial
from importlib import metadata
from typing import Any, Final

import grpc
from google.protobuf.internal import api_implementation
from grpc_health.v1 import health_pb2
from grpc_health.v1._async import HealthServicer
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from grpc_reflection.v1alpha import reflection

from fillhandler.v1 import (
    analytics_service_pb2,
    execution_service_pb2,
    feed_service_pb2,
    fill_service_pb2,
    instrument_service_pb2,
    order_service_pb2,
    state_service_pb2,
)
from fillhandler_server import audit, venues
from fillhandler_server.config import Settings, split_address
from fillhandler_server.domain.errors import StoreRefusedError
from fillhandler_server.encryption import KeySource
from fillhandler_server.feed import Feed
from fillhandler_server.instrument_table import InstrumentTable
from fillhandler_server.journal import Head
from fillhandler_server.journal.database import DatabaseError
from fillhandler_server.journal.readers import ReaderThreads
from fillhandler_server.journal.store import Store
from fillhandler_server.projections.reading import StoreReader
from fillhandler_server.projections.working_set import WorkingSet
from fillhandler_server.rpc import feed_service, fill_service
from fillhandler_server.rpc.access import Gate, Role, new_token, token_hash
from fillhandler_server.rpc.analytics_service import AnalyticsService
from fillhandler_server.rpc.execution_service import ExecutionService
from fillhandler_server.rpc.feed_service import FeedService
from fillhandler_server.rpc.fill_service import FillService
from fillhandler_server.rpc.instrument_service import InstrumentService
from fillhandler_server.rpc.interceptors import CallInterceptor
from fillhandler_server.rpc.order_service import OrderService
from fillhandler_server.rpc.registration import service_handler
from fillhandler_server.rpc.state_service import StateService
from fillhandler_server.trading import Trading
from fillhandler_server.transfer.export import Exports
from fillhandler_server.transfer.importing import Imports
from fillhandler_server.writer import Timing, Writer

log = logging.getLogger("fillhandler")

MESSAGE_BYTES_MAX: Final = 4 << 20
_TOKEN_FILE: Final = "token"  # noqa: S105  # a file's name
_ACCESS_FILE: Final = "access"
_SERVER_OPTIONS: Final = (
    # Two servers must not share a port unseen.
    ("grpc.so_reuseport", 0),
    # It refuses streams of a client that sends many calls at once, which is what a bot does. Limits of our
    # own hold: streams a connection, waiting requests, feeds.
    ("grpc.http.overload_protection", 0),
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    # An answer to the largest request (a payload of many small fills) is larger than it.
    ("grpc.max_send_message_length", 64 << 20),
    ("grpc.max_metadata_size", 8 << 10),
    ("grpc.absolute_max_metadata_size", 8 << 10),
    ("grpc.max_concurrent_streams", 100),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


def version() -> str:
    """The installed distribution's version."""
    try:
        return metadata.version("fillhandler")
    except metadata.PackageNotFoundError:
        return "0.0.0"


def key_source(settings: Settings) -> KeySource:
    """Where the settings say that keys are."""
    return KeySource(
        key_folder=settings.key_folder,
        key_file=settings.key_file,
        credentials_folder=settings.credentials_folder,
        use_keyring=settings.keyring,
    )


class _Subscribers:
    """Those who hear of the writer's commits: the feed of each, trades of another record."""

    def __init__(self, feed: Feed, replaced: Callable[[], None]) -> None:
        self.committed = feed.committed
        self._feed = feed
        self._replaced = replaced

    def replaced(self, instance_id: str, head: Head) -> None:
        """The journal is another one from here on."""
        self._feed.replaced(instance_id, head)
        self._replaced()


class Application:
    """A server: built, started, stopped."""

    def __init__(self, settings: Settings, clock: Callable[[], int] = time.time_ns) -> None:
        """Opens the store; nothing is served yet.

        Raises:
            StoreRefusedError: the store cannot be used.
            InvalidFieldError: a configured instrument is wrong.
        """
        if api_implementation.Type() != "upb":
            raise StoreRefusedError(
                "protobuf runs without its fast implementation (upb); install a wheel for this platform"
            )
        self.settings = settings
        self._clock = clock
        self.store = Store(settings.data_dir, key_source(settings))
        try:
            if self.store.key.made:
                log.warning(
                    "a new database key was made at %s: back it up, without it the data cannot be read",
                    self.store.key.origin,
                )
            self.gate = Gate(self._tokens())
            self.instruments = InstrumentTable(
                settings.data_dir, venues.SHIPPED, settings.instruments, settings.value_places
            )
            timing = Timing(
                settings.inference_grace_seconds,
                settings.unknown_order_hours * 3600,
                clear_after_seconds=settings.max_order_age_hours * 3600,
            )
            self.writer = Writer(self.store, WorkingSet.over, clock, timing=timing)
        except DatabaseError as error:
            # A page that the checks before did not read.
            self.store.abandon()
            raise StoreRefusedError(
                f"the store in {settings.data_dir} is not opened: its database is damaged ({error});"
                " restore a backup (fillhandler import into a new --data-dir)",
                path=settings.data_dir,
            ) from None
        except BaseException:
            self.store.abandon()
            raise
        self.readers = ReaderThreads(self.store, StoreReader)
        self.state_service: StateService | None = None
        self.address = ""

    def _tokens(self) -> dict[str, Role]:
        """The hashes of the tokens; the first start makes the admin's."""
        directory = self.store.directory
        text = directory.read_file(_ACCESS_FILE)
        if text is None:
            token = new_token()
            # The copy first: a start that is cut short here makes both anew.
            directory.write_file(_TOKEN_FILE, token + "\n")
            text = json.dumps({"tokens": [{"hash": token_hash(token), "role": Role.ADMIN.name}]}) + "\n"
            directory.write_file(_ACCESS_FILE, text)
        try:
            return {entry["hash"]: Role[entry["role"]] for entry in json.loads(text)["tokens"]}
        except (ValueError, KeyError, TypeError):
            raise StoreRefusedError(
                f"the file {directory.path / _ACCESS_FILE} is damaged; delete it to have a new token made"
            ) from None

    async def start(self) -> str:
        """Starts to serve; returns HOST:PORT.

        Raises:
            StoreRefusedError: the address cannot be bound.
            InvalidFieldError: a connection to a venue cannot be made as it is configured.
        """
        self._loop = loop = asyncio.get_running_loop()
        self.feed = Feed(loop, self.readers, self.store.instance_id, self.writer.head)
        self.writer.subscriber = _Subscribers(self.feed, self._replaced)
        self.writer.start()
        settings = self.settings
        self.trading = Trading(
            settings.connections,
            dict(settings.retry_config),
            settings.slippage_tolerance,
            self.writer,
            self.instruments,
            self._clock,
        )
        self.stopping = asyncio.Event()
        self.server = grpc.aio.server(
            interceptors=[CallInterceptor(self.gate)],
            options=_SERVER_OPTIONS,
        )
        self._add_services()
        host, _ = split_address(self.settings.listen)
        try:
            port = self.server.add_insecure_port(self.settings.listen)
        except RuntimeError:
            port = 0
        if not port:
            raise StoreRefusedError(
                f"the address {self.settings.listen} cannot be bound; is another server on it?"
                " name another by --listen"
            )
        await self.server.start()
        await self.trading.start()
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        await self._serving(health_pb2.HealthCheckResponse.SERVING)
        return self.address

    def _add_services(self) -> None:
        self.state_service = StateService(
            writer=self.writer,
            store=self.store,
            feed=self.feed,
            exports=Exports(self.store),
            imports=Imports(self.store, self.writer),
            walk=partial(audit.verify_store, self.store),
            version=version(),
        )
        parts: list[tuple[Any, Any, tuple[str, ...], tuple[str, ...]]] = [
            (
                fill_service_pb2,
                FillService(self.writer, self.readers, self.instruments, self.stopping),
                fill_service.RAW,
                fill_service.RAW,
            ),
            (
                order_service_pb2,
                OrderService(self.writer, self.readers, self.settings.max_order_age_hours, self._clock),
                (),
                (),
            ),
            (
                feed_service_pb2,
                FeedService(self.feed, self.readers, self.settings.max_feeds),
                (),
                feed_service.RAW,
            ),
            (state_service_pb2, self.state_service, (), ()),
            (analytics_service_pb2, AnalyticsService(self.writer, self.readers), (), ()),
            (instrument_service_pb2, InstrumentService(self.instruments), (), ()),
            (
                execution_service_pb2,
                ExecutionService(self.writer, self.readers, self.trading.manager, self.trading.statuses),
                (),
                (),
            ),
        ]
        names = []
        for module, servicer, raw_requests, raw_responses in parts:
            for service in module.DESCRIPTOR.services_by_name.values():
                handler = service_handler(
                    service, servicer, raw_requests=raw_requests, raw_responses=raw_responses
                )
                self.server.add_generic_rpc_handlers((handler,))
                names.append(service.full_name)
        self.service_names = tuple(names)
        self.health = HealthServicer()
        add_HealthServicer_to_server(self.health, self.server)
        if self.settings.reflection:
            reflection.enable_server_reflection(
                (*names, "grpc.health.v1.Health", reflection.SERVICE_NAME), self.server
            )

    async def _serving(self, status: int) -> None:
        for name in ("", *self.service_names):
            await self.health.set(name, status)

    def _replaced(self) -> None:
        """On the writer's thread: the record is another one."""
        asyncio.run_coroutine_threadsafe(self.trading.replaced(), self._loop)

    async def stop(self) -> None:
        """NOT_SERVING, ends the feeds, finishes what is under way, leaves rows and anchor at the head."""
        await self._serving(health_pb2.HealthCheckResponse.NOT_SERVING)
        self.feed.close()
        self.stopping.set()
        await self.trading.stop(self.settings.shutdown_grace_seconds)
        await self.server.stop(self.settings.shutdown_grace_seconds)
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Closes the store; for an application that was not started, too."""
        if self.state_service is not None:
            self.state_service.close()
        self.writer.close()
        self.readers.close()
        self.store.close()
