"""Stores for the cases; each in a folder of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.support.desks import StoreDesk


@contextmanager
def a_store() -> Iterator[StoreDesk]:
    with TemporaryDirectory() as folder:
        desk = StoreDesk(Path(folder))
        try:
            yield desk
        finally:
            desk.close()


@pytest.fixture
def store() -> Iterator[StoreDesk]:
    with a_store() as desk:
        yield desk
