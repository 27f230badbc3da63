"""A server process for fault tests: `launcher.py MUTANT serve-options…`, started by a line on stdin.

It imports everything first and then waits, so that a next server is warm while the one before still runs. A
mutant is a seeded bug: the oracle must catch it, or the oracle proves nothing.
"""

from __future__ import annotations

import random
import sys
import time
from typing import Any

import typer

from fillhandler_server import commands, writer
from fillhandler_server.rpc import feed_service


def acknowledge_before_commit() -> None:
    """Every caller has its answer a moment before its batch is committed."""

    def process(self: Any, group: list[Any]) -> None:
        if self._broken:
            self._recover()
        self._decide(group)
        writer.answer(group)
        time.sleep(random.uniform(0.01, 0.05))
        self._commit(flush=any(job.flush for job in group))

    writer.Writer._process = process  # type: ignore[method-assign]


def acknowledge_without_sync() -> None:
    """The journal is written after the answer, at the latest half a second later."""
    real = writer.Writer._commit
    last = [time.monotonic()]

    def commit(self: Any, flush: bool) -> None:
        if time.monotonic() - last[0] < 0.5 and not self._queue._closing:
            return
        last[0] = time.monotonic()
        real(self, flush)

    writer.Writer._commit = commit  # type: ignore[method-assign]


def cursor_inclusive() -> None:
    """`>=` for `>`: a resumed feed shows the last event again."""
    real = feed_service.FeedService._start

    async def start(self: Any, request: Any, instance: str) -> int:
        return max(0, await real(self, request, instance) - 1)

    feed_service.FeedService._start = start  # type: ignore[method-assign]


def forget_identities() -> None:
    """Identities are known only since the start: a fill that comes again after a restart counts twice."""
    from fillhandler_server.projections import working_set

    real = working_set.WorkingSet.__init__

    def init(self: Any, *arguments: Any) -> None:
        real(self, *arguments)
        self._db.execute("DELETE FROM fills")

    working_set.WorkingSet.__init__ = init  # type: ignore[method-assign]


MUTANTS = {
    "none": lambda: None,
    "acknowledge-before-commit": acknowledge_before_commit,
    "acknowledge-without-sync": acknowledge_without_sync,
    "cursor-inclusive": cursor_inclusive,
    "forget-identities": forget_identities,
}

if __name__ == "__main__":
    MUTANTS[sys.argv.pop(1)]()
    if not sys.stdin.readline():
        sys.exit(0)  # the test ended before this one was needed
    typer.run(commands.serve)
