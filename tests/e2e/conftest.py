"""Every test here runs real processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.processes import Site


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A folder for a server, which is not started yet."""
    with Site(tmp_path / "site") as made:
        yield made
