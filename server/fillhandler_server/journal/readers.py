"""Reads beside the writer: a few threads, each with a read-only connection of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from fillhandler_server.journal.database import Database
from fillhandler_server.journal.store import Store

T = TypeVar("T")
R = TypeVar("R")


class ReaderThreads(Generic[R]):
    """Runs functions over readers, off the event loop and off the writer's thread."""

    def __init__(self, store: Store, make_reader: Callable[[Database], R], threads: int = 3) -> None:
        """
        Args:
            store: the open store.
            make_reader: makes of a read-only connection what the functions get.
            threads: how many there are, each with a connection of its own.
        """
        self._store = store
        self._make_reader = make_reader
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="fillhandler-reader")
        self._local = threading.local()
        self._generation = 0
        self._open: list[Database] = []
        self._lock = threading.Lock()

    async def run(self, work: Callable[[R], T]) -> T:
        """Runs `work` with a reader that sees everything committed (and flushed) before the call."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self.call, work)

    def call(self, work: Callable[[R], T]) -> T:
        """As `run`, on the calling thread."""
        return work(self._make_reader(self._connection()))

    def _connection(self) -> Database:
        local, generation = self._local, self._generation
        if getattr(local, "generation", -1) != generation:
            old: Database | None = getattr(local, "db", None)
            local.db, local.generation = self._store.reader(), generation
            with self._lock:
                self._open.append(local.db)
                if old is not None:
                    self._open.remove(old)
            if old is not None:
                old.close()
        found: Database = local.db
        return found

    def reset(self) -> None:
        """The store is another file now: each thread opens it anew at its next use."""
        self._generation += 1

    def close(self) -> None:
        """Waits for what runs, and closes the connections."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        with self._lock:
            for db in self._open:
                db.close()
            self._open = []
