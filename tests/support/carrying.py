"""Exports and imports between desks, on the caller's thread as everything that a desk does."""

from concurrent.futures import Future
from typing import Any

from tests.support.desks import SECOND, StoreDesk

from fillhandler_server.transfer.export import Exports
from fillhandler_server.transfer.importing import ImportMode, ImportResult, Imports
from fillhandler_server.writer import Job


class _Inline:
    """A desk's writer, to which work is submitted as if its thread ran."""

    def __init__(self, desk: StoreDesk) -> None:
        self._desk = desk

    def submit(self, work: Any, *, weight: int = 1, flush: bool = False) -> Future[Any]:
        job: Job[Any] = Job(work, Future(), None, weight, flush)
        self._desk.writer._process([job])
        self._desk.now += SECOND
        return job.future

    def __getattr__(self, name: str) -> Any:
        return getattr(self._desk.writer, name)


def exported(desk: StoreDesk) -> bytes:
    """The whole file."""
    return b"".join(Exports(desk.store).chunks())


def imported(desk: StoreDesk, data: bytes, mode: ImportMode) -> ImportResult:
    """Takes a file. It is not staged, so the same one again is another import and no repeated answer."""
    writer: Any = _Inline(desk)
    return Imports(desk.store, writer).receive_whole("chance", lambda: iter([data]), int(mode))
