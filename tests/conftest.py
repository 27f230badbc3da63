"""What every test may rely on."""

import os
from collections.abc import Iterator

import hypothesis
import pytest

# A shared or slow machine must not fail a property by the clock; CI tries the same examples every time.
hypothesis.settings.register_profile("fillhandler", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("fillhandler")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Here, because pytest reads options only from the first conftest on its way."""
    group = parser.getgroup("bench", "what `make bench` measures (docs/benchmarks.md)")
    group.addoption("--bench-rounds", type=int, default=5, help="turns of reference and ours")
    group.addoption("--bench-fills", type=int, default=100_000, help="fills a round")
    group.addoption("--bench-long", action="store_true", help="the sizes of the goals: an hour")
    group.addoption("--gate", action="store_true", help="fail a row that is below its first gate")


@pytest.fixture(scope="session", autouse=True)
def _nothing_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide the developer's own settings, tokens, keys and data from every test and what it starts."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("FILLHANDLER_"):
                patch.delenv(name)
        for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
            patch.setenv(name, str(home / name.lower()))
        patch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
        yield
