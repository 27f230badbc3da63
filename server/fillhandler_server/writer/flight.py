"""A commit that runs beside the deciding of the next group.

The encryption and the sync of a bulk commit need no interpreter, and decide nothing: on a second core they
cost no time. One is under way at most, and the next transaction begins when it has ended.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from fillhandler_server.writer.jobs import Job


class Flight:
    """Starts commits on a thread of its own. Used from the writer's thread."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fillhandler-commit")
        self._under_way: Future[None] | None = None
        self._group: list[Job[Any]] = []

    def start(self, group: list[Job[Any]], commit: Callable[[], None]) -> None:
        """Commits beside the caller, whose group waits for it; nothing may be under way."""
        assert self._under_way is None
        self._group = group
        self._under_way = self._thread.submit(commit)

    def land(self) -> tuple[list[Job[Any]], BaseException | None]:
        """Waits for what is under way. Returns its group and how it failed, if it did."""
        under_way, group = self._under_way, self._group
        self._under_way, self._group = None, []
        return group, None if under_way is None else under_way.exception()

    def close(self) -> None:
        """Ends the thread."""
        self._thread.shutdown()
