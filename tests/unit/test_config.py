"""The settings that trading needs, from files, variables and defaults; and that no error tells a secret."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fillhandler_server import config
from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.domain.retry_config import RETRYABLE_ERRORS
from fillhandler_server.execution.secret import from_environment

CANARY = "CANARY-7f3a"

TOML = """
slippage_tolerance = 0.001
max_order_age_hours = 72
fill_history_limit = 500
debug_mode = true

[retry_config]
max_retries = 5
base_delay = 0.25

[[connections]]
venue = "binance"
url = "http://127.0.0.1:8099"
credentials_dir = "keys/simulated"

[[connections]]
venue = "binance"
market = "linear"
sandbox = true
symbols = ["BTCUSDT"]
retry_config = { max_retries = 1 }
"""

YAML = """
slippage_tolerance: 0.001
max_order_age_hours: 72
fill_history_limit: 500
debug_mode: true
retry_config:
  max_retries: 5
  base_delay: 0.25
connections:
  - venue: binance
    url: http://127.0.0.1:8099
    credentials_dir: keys/simulated
  - venue: binance
    market: linear
    sandbox: true
    symbols: [BTCUSDT]
    retry_config: {max_retries: 1}
"""


def written(folder: Path, text: str, suffix: str = "toml") -> Path:
    file = folder / f"fillhandler.{suffix}"
    file.write_text(text, encoding="utf-8")
    return file


def refusal(*args: Any) -> dict[str, str]:
    with pytest.raises(InvalidFieldError) as caught:
        config.load(*args)
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(caught.value.violations)
    return {violation.field: violation.text for violation in caught.value.violations}


def test_the_defaults() -> None:
    settings = config.load()

    assert settings.retry_config == {
        "max_retries": 3,
        "base_delay": 1.0,
        "max_delay": 30.0,
        "exponential_base": 2.0,
        "jitter_factor": None,
        "retryable_errors": list(RETRYABLE_ERRORS),
    }
    assert settings.slippage_tolerance == Decimal("0.005")
    assert (settings.max_order_age_hours, settings.fill_history_limit) == (24.0, 1000)
    assert (settings.debug_mode, settings.connections) == (False, ())


@pytest.mark.parametrize(("suffix", "text"), [("toml", TOML), ("yaml", YAML), ("yml", YAML)])
def test_a_file_of_either_kind(tmp_path: Path, suffix: str, text: str) -> None:
    settings = config.load(written(tmp_path, text, suffix))

    assert settings.slippage_tolerance == Decimal("0.001")
    assert (settings.max_order_age_hours, settings.fill_history_limit) == (72.0, 500)
    assert settings.debug_mode is True
    assert settings.retry_config["max_retries"] == 5
    assert settings.retry_config["base_delay"] == 0.25
    assert settings.retry_config["max_delay"] == 30.0
    spot, linear = settings.connections
    assert (spot.name, spot.url) == ("binance/main/spot", "http://127.0.0.1:8099")
    assert (spot.credentials_dir, spot.credentials_env) == (Path("keys/simulated"), "")
    assert (linear.name, linear.sandbox, linear.symbols) == ("binance/main/linear", True, ("BTCUSDT",))
    assert linear.retry_config == {"max_retries": 1}


def test_variables_win_key_by_key_and_list_by_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, TOML)
    monkeypatch.setenv("FILLHANDLER_RETRY_CONFIG", '{"base_delay": 2, "retryable_errors": ["timeout"]}')
    monkeypatch.setenv("FILLHANDLER_CONNECTIONS", '[{"venue": "okx", "account": "desk"}]')
    monkeypatch.setenv("FILLHANDLER_SLIPPAGE_TOLERANCE", "0.01")

    settings = config.load(file)

    assert (settings.retry_config["max_retries"], settings.retry_config["base_delay"]) == (5, 2)
    assert settings.retry_config["retryable_errors"] == ["timeout"]
    assert [connection.name for connection in settings.connections] == ["okx/desk/spot"]
    assert settings.slippage_tolerance == Decimal("0.01")


@pytest.mark.parametrize("name", ["RETRY_CONFIG", "CONNECTIONS"])
def test_a_variable_that_is_no_json_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"FILLHANDLER_{name}", f"[{{{CANARY}")

    found = refusal()

    assert name.lower() in found["config"]
    assert "must be JSON" in found["config"]


def test_everything_that_is_wrong_is_named_at_once(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        f"""
        max_order_age_hours = -1
        slippage_tolerance = "much"
        fill_history_limit = -1
        frobnicate = "{CANARY}"
        [retry_config]
        max_retries = -1
        jitter_factor = 2
        [[connections]]
        venue = "nowhere"
        [[connections]]
        venue = "okx"
        settle_seconds = 1
        """,
    )

    found = refusal(file)

    assert set(found) == {
        "max_order_age_hours",
        "slippage_tolerance",
        "fill_history_limit",
        "frobnicate",
        "retry_config.max_retries",
        "retry_config.jitter_factor",
        "connections[0].venue",
        "connections[1].settle_seconds",
    }
    assert "known are binance" in found["connections[0].venue"]
    assert found["frobnicate"] == "is not a known setting"


@pytest.mark.parametrize(
    ("suffix", "text", "field"),
    [
        ("toml", f'api_key = "{CANARY}"', "api_key"),
        ("yaml", f"binance_secret: {CANARY}", "binance_secret"),
        ("toml", f'[[connections]]\nvenue = "okx"\npassword = "{CANARY}"', "connections[0].password"),
        ("yaml", f"connections: [{{venue: okx, secret: {CANARY}}}]", "connections[0].secret"),
        # Parsers quote what they stumble over.
        ("toml", f"secret = {CANARY}", "config"),
        ("toml", f'secret = "{CANARY}', "config"),
        ("yaml", f"secret: *{CANARY}", "config"),
        ("yaml", f"secret: !{CANARY} x", "config"),
        ("yaml", f"secret: %{CANARY}", "config"),
        ("yaml", f'secret: "{CANARY}', "config"),
        ("yaml", f"{CANARY}\0", "config"),
        ("yaml", f"- {CANARY}", "config"),
    ],
)
def test_no_error_tells_a_secret(tmp_path: Path, suffix: str, text: str, field: str) -> None:
    found = refusal(written(tmp_path, text, suffix))

    assert list(found) == [field]
    if "secret" in field or "key" in field or "password" in field:
        assert "credentials_dir" in found[field]
        assert "credentials_env" in found[field]
    if field == "config":
        assert str(tmp_path) in found[field]


@pytest.mark.parametrize("suffix", ["toml", "yaml"])
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"fillhandler.{suffix}"
    file.write_bytes(b"a = \xff\xfe")

    assert "cannot be read" in refusal(file)["config"]


def test_where_a_connection_s_credentials_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILLHANDLER_VENUE_BINANCE_MAIN_API_KEY", CANARY)
    monkeypatch.setenv("FILLHANDLER_VENUE_BINANCE_MAIN_SECRET", f"{CANARY}-2")
    monkeypatch.setenv("FILLHANDLER_VENUE_BINANCE_MAINLY_SECRET", "another's")
    monkeypatch.setenv("DESK_API_KEY", "mine")
    monkeypatch.setenv("FILLHANDLER_VENUE_OKX_SUB_DESK_2_API_KEY", "second")
    connections = [
        {"venue": "binance"},
        {"venue": "okx", "credentials_env": "DESK"},
        {"venue": "kraken", "credentials_dir": "keys"},
        {"venue": "okx", "account": "sub-desk 2"},
    ]
    monkeypatch.setenv("FILLHANDLER_CONNECTIONS", json.dumps(connections))

    settings = config.load()
    main, desk, folder, second = map(config.credentials_source, settings.connections)

    assert (main.connection, main.directory, main.prefix) == (
        "binance/main/spot",
        None,
        "FILLHANDLER_VENUE_BINANCE_MAIN",
    )
    assert main.variables == {
        "FILLHANDLER_VENUE_BINANCE_MAIN_API_KEY": CANARY,
        "FILLHANDLER_VENUE_BINANCE_MAIN_SECRET": f"{CANARY}-2",
    }
    assert (desk.prefix, desk.variables) == ("DESK", {"FILLHANDLER_VENUE_OKX_MAIN_API_KEY": "mine"})
    assert (folder.directory, folder.prefix, folder.variables) == (Path("keys"), "", {})
    assert CANARY not in repr(main) + repr(settings)
    # As they are read: by the names that are found here whatever the variables are called.
    assert from_environment(main.variables, main.label).secret.reveal() == f"{CANARY}-2"
    assert from_environment(desk.variables, desk.label).api_key.reveal() == "mine"
    assert from_environment(second.variables, second.label).api_key.reveal() == "second"
    assert not from_environment(desk.variables, desk.label).secret
    # An error about one that is missing names the place.
    assert desk.places(["api_key", "secret"]) == "the variables DESK_API_KEY, DESK_SECRET"
    assert folder.places(["secret"]) == f"the files {Path('keys/secret')}"
