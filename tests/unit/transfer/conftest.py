"""Servers without RPCs, each in a folder of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.journals import SECOND, START, JournalServer, live_through_everything


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., JournalServer]]:
    """Makes servers, each with a folder and a clock of its own."""
    servers: list[JournalServer] = []

    def make_server(
        name: str = "a", *, full: bool = False, start: int = START + 1000 * SECOND
    ) -> JournalServer:
        ticks = itertools.count(start, SECOND)
        server = JournalServer(tmp_path / name, lambda: next(ticks))
        servers.append(server)
        if full:
            live_through_everything(server)
        return server

    yield make_server
    for server in servers:
        server.close()


@pytest.fixture
def server(make: Callable[..., JournalServer]) -> JournalServer:
    """A server that has lived through everything."""
    return make(full=True)
