"""docs/configuration.md: its tables name every key with its default, and its examples are understood."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from fillhandler_server import config, venues
from fillhandler_server.domain.retry_config import RETRYABLE_ERRORS
from fillhandler_server.trading_settings import ConnectionSettings, read_connections

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```(toml|yaml)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def table(heading: str) -> dict[str, tuple[str, str]]:
    """Key → default and meaning, of the table below a heading."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0].partition("\n### ")[0]
    rows = [row.split(" | ") for row in re.findall(r"^\| (`.+) \|$", section, re.MULTILINE)]
    return {name.strip("`"): (default, meaning) for name, default, meaning in rows}


def shown(value: object) -> str:
    if value in (None, "", (), {}):
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value:}`".replace(".0`", "`")


def test_every_key_of_a_connection_is_documented_with_its_default() -> None:
    documented = table("Connections")
    (defaults,) = read_connections([{"venue": "binance"}])

    assert list(documented) == [each.name for each in fields(ConnectionSettings)]
    told = {name: default for name, (default, _) in documented.items()}
    assert (told.pop("venue"), told.pop("settle_seconds")) == ("required", "`recv_window_seconds` + 5")
    assert told.pop("credentials_env") == "`FILLHANDLER_VENUE_<VENUE>_<ACCOUNT>`"
    assert told == {name: shown(getattr(defaults, name)) for name in told}
    assert set(re.findall(r"`(\w+)`", documented["venue"][1])) == set(venues.known())


def test_every_key_of_the_retries_is_documented_with_its_default() -> None:
    defaults = config.Settings().retry_config

    told = {name: default for name, (default, _) in table("Retries").items()}

    assert told.pop("retryable_errors") == "all four"
    assert all(f"`{word}`" in table("Retries")["retryable_errors"][1] for word in RETRYABLE_ERRORS)
    assert told | {"retryable_errors": ""} == {
        name: "" if name == "retryable_errors" else "none" if value is None else f"`{value}`"
        for name, value in defaults.items()
    }


@pytest.mark.parametrize(("kind", "text"), EXAMPLES)
def test_every_example_is_understood(tmp_path: Path, kind: str, text: str) -> None:
    file = tmp_path / f"example.{kind}"
    file.write_text(text, encoding="utf-8")

    settings = config.load(file)

    assert len(settings.connections) == text.count("venue")


def test_the_way_to_a_real_account_is_configuration_alone() -> None:
    tables = [text for kind, text in EXAMPLES if kind == "toml" and "connections" in text]

    assert ["url" in tables[0], "sandbox" in tables[1], "sandbox" in tables[2]] == [True, True, False]
