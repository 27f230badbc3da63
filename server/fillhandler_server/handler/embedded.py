"""The composition root of the in-process use: the store and its writer, without a server around them."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

from fillhandler_server import venues
from fillhandler_server.config import default_data_dir, default_key_folder
from fillhandler_server.domain.errors import (
    ImportDamagedError,
    InvalidFieldError,
    ShuttingDownError,
    StoreRefusedError,
)
from fillhandler_server.domain.orders import Order
from fillhandler_server.encryption import KeySource
from fillhandler_server.execution.secret import Credentials
from fillhandler_server.instrument_table import InstrumentTable
from fillhandler_server.journal import Batch, Head
from fillhandler_server.journal.store import Store
from fillhandler_server.projections import OrderQuery
from fillhandler_server.projections.reading import list_orders
from fillhandler_server.projections.working_set import WorkingSet
from fillhandler_server.trading import Trading
from fillhandler_server.trading_settings import ConnectionSettings
from fillhandler_server.transfer.export import Exports
from fillhandler_server.transfer.importing import ImportMode, Imports
from fillhandler_server.transfer.reading import document_lines, to_document
from fillhandler_server.writer import Session, Timing, Writer

T = TypeVar("T")

_PAGE_ORDERS: Final = 1_000


def default_folder() -> Path:
    """Where the data is kept by default: beside the server's folder, which only one process can hold."""
    server = default_data_dir()
    return server.with_name(f"{server.name}-in-process")


def _seconds(hours: float) -> float:
    # A Decimal is a number of hours, too.
    return float(hours) * 3600


class Embedded:
    """An open store with its writer. Its methods may be called from any thread."""

    def __init__(
        self,
        data_dir: Path,
        key_file: Path | None,
        instruments: object = (),
        value_places: object = (),
        clock: Callable[[], int] = time.time_ns,
        *,
        max_order_age_hours: float = 0,
    ) -> None:
        """
        Args:
            data_dir, key_file: where the data is, and its key.
            instruments, value_places: what payloads do not say, as the server's settings have it.
            clock: gives nanoseconds since the epoch.
            max_order_age_hours: see `clear_after`.

        Raises:
            StoreRefusedError: the store cannot be used; nothing was changed.
            InvalidFieldError: an instrument is wrong.
        """
        keys = KeySource(key_folder=default_key_folder(), key_file=key_file)
        try:
            self.store = Store(data_dir, keys)
        except StoreRefusedError as error:
            error.add_note("In a program of your own, --data-dir and --key-file are config keys.")
            raise
        try:
            self.instruments = InstrumentTable(data_dir, venues.SHIPPED, instruments, value_places)
            self._timing = Timing(clear_after_seconds=_seconds(max_order_age_hours))
            self._clock = clock
            self.writer = Writer(self.store, WorkingSet.over, clock, timing=self._timing)
            self._imports = Imports(self.store, self.writer)
            self.writer.start()
        except BaseException:
            self.store.abandon()
            raise
        self._exports = Exports(self.store)
        self._closed = False
        self._lending = threading.Lock()
        self._end_trading: Callable[[], None] | None = None

    def check_open(self) -> None:
        """
        Raises:
            ShuttingDownError: it was closed.
        """
        if self._closed:
            raise ShuttingDownError("the fill handler is closed")

    def do(self, work: Callable[[Session], T]) -> T:
        """Runs `work` on the writer's thread; returns when what it decided is durable."""
        self.check_open()
        return self.writer.submit(work).result()

    def do_settled(self, work: Callable[[Session], T]) -> T:
        """As `do`, for work that needs the rows of the projections true."""
        return self.do(self.writer.settled(work))

    def clear_after(self, hours: float) -> None:
        """How long orders that have ended stay in the lists, 0 for ever; see `Timing.clear_after`."""
        if not self._closed:
            self.do(lambda session: self._timing.clear_after(_seconds(hours)))

    def orders(self, query: OrderQuery) -> Iterator[Order]:
        """Orders by number, oldest first, as they are now."""
        self.do_settled(lambda session: None)
        db, token = self.store.reader(), ""
        try:
            while True:
                page = list_orders(db, query, _PAGE_ORDERS, token)
                yield from page.entries
                token = page.next_token
                if not token:
                    return
        finally:
            db.close()

    def export_document(self) -> dict[str, Any]:
        """The whole journal as one object that `json.dump` takes."""
        self.check_open()
        return to_document(self._exports.chunks())

    def import_document(self, document: object, mode: str) -> dict[str, Any]:
        """Imports such an object, all or nothing; says what it came to.

        Raises:
            InvalidFieldError: there is no such mode.
            ImportDamagedError: it is not what an export gave; nothing has changed.
        """
        self.check_open()
        number = ImportMode.__members__.get(str(mode).upper().replace("-", "_"))
        if number is None:
            known = ", ".join(name.lower() for name in ImportMode.__members__)
            raise InvalidFieldError.of("mode", f"must be one of {known}, not {str(mode)[:40]!r}")

        def chunks() -> Iterator[bytes]:
            try:
                yield from document_lines(document)
            except ValueError as error:
                raise ImportDamagedError(f"{error}; nothing was changed") from None

        result = self._imports.receive_whole(uuid.uuid4().hex, chunks, number)
        return asdict(result) | {"mode": number.name.lower()}

    # ------------------------------------------------------------------ trades

    def begin_trading(self, end: Callable[[], None]) -> None:
        """Takes the record for the one who runs its trades: two would place their orders twice.

        Args:
            end: ends that, by `end_trading`; called before the store is closed.

        Raises:
            InvalidFieldError: somebody has it ("handler").
            ShuttingDownError: it was closed.
        """
        with self._lending:
            self.check_open()
            if self._end_trading is not None:
                raise InvalidFieldError.of(
                    "handler", "has an exchange manager, and may have one at a time: share it, or close it"
                )
            self._end_trading = end

    def trading(
        self,
        connections: Iterable[ConnectionSettings],
        retry_config: dict[str, Any],
        slippage_tolerance: Decimal,
        credentials: Mapping[tuple[str, str], Credentials],
        replaced: Callable[[], None],
    ) -> Trading:
        """Connections with trades and collectors over this record; arguments as `Trading`'s.

        Args:
            connections, retry_config, slippage_tolerance, credentials: see there.
            replaced: called on the writer's thread when an import has replaced the record.

        Raises:
            InvalidFieldError: naming every connection that cannot be made, and why.
        """
        trading = Trading(
            connections,
            retry_config,
            slippage_tolerance,
            self.writer,
            self.instruments,
            self._clock,
            credentials=credentials,
        )
        self.writer.subscriber = _Replacements(replaced)
        return trading

    def end_trading(self) -> None:
        """Nobody runs trades any more."""
        with self._lending:
            self.writer.subscriber = None
            self._end_trading = None

    def close(self) -> None:
        """Ends trades, finishes what is under way, and closes the store. Again: nothing."""
        end = self._end_trading
        if end is not None:
            end()
        with self._lending:
            if self._closed:
                return
            self._closed = True
        self._imports.close()
        self.writer.close()
        self.store.close()


class _Replacements:
    """Hears of the writer's commits, and tells when the journal is another one."""

    def __init__(self, told: Callable[[], None]) -> None:
        self._told = told

    def committed(self, batches: list[Batch]) -> None:
        """Trades hear of their orders themselves."""

    def replaced(self, instance_id: str, head: Head) -> None:
        """The journal is another one from here on."""
        self._told()
