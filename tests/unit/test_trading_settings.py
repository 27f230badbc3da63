"""Connections, as people configure them: what is understood, and what is refused by its path."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fillhandler_server import venues
from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.trading_settings import (
    ConnectionSettings,
    default_prefix,
    looks_secret,
    read_connections,
    read_fraction,
)

CANARY = "CANARY-7f3a"


def read_one(**table: Any) -> ConnectionSettings:
    (connection,) = read_connections([{"venue": "binance", **table}])
    return connection


def refusal(given: Any) -> dict[str, str]:
    with pytest.raises(InvalidFieldError) as caught:
        read_connections(given)
    assert CANARY not in str(caught.value)
    return {violation.field: violation.text for violation in caught.value.violations}


def test_a_venue_is_enough() -> None:
    assert read_one() == ConnectionSettings(
        venue="binance",
        account="main",
        market="spot",
        sandbox=False,
        url="",
        credentials_dir=None,
        credentials_env="FILLHANDLER_VENUE_BINANCE_MAIN",
        recv_window_seconds=5.0,
        timeout_seconds=10.0,
        rate_limit=True,
        settle_seconds=10.0,
        poll_seconds=5.0,
        undecided_after_seconds=60.0,
        deadline_seconds=None,
        execute=True,
        collect=True,
        symbols=(),
        history_hours=24.0,
        repair_seconds=180.0,
        retry_config={},
        options={},
    )
    assert read_one().name == "binance/main/spot"
    assert read_connections([]) == ()


def test_every_key_counts() -> None:
    table = {
        "venue": "OKX",
        "account": "desk",
        "market": "LINEAR",
        "sandbox": True,
        "url": "https://example.org:8443/",
        "credentials_dir": "~/keys",
        "recv_window_seconds": 2,
        "timeout_seconds": 1.5,
        "rate_limit": False,
        "settle_seconds": 2.5,
        "poll_seconds": 0.5,
        "undecided_after_seconds": 30,
        "breaker_failures": 3,
        "breaker_seconds": 0.5,
        "breaker_seconds_max": 8,
        "deadline_seconds": 90,
        "execute": False,
        "collect": True,
        "symbols": ["BTC-USDT-SWAP", "BTC-USDT-SWAP", "ETH-USDT-SWAP"],
        "history_hours": 0,
        "repair_seconds": 60,
        "retry_config": {"max_retries": 9, "jitter_factor": None},
        "options": {"defaultType": "swap", "nested": {"list": [1, 2.5, True]}},
    }

    (connection,) = read_connections([table])

    assert connection == ConnectionSettings(
        venue="okx",
        account="desk",
        market="linear",
        sandbox=True,
        url="https://example.org:8443",
        credentials_dir=Path("~/keys").expanduser(),
        credentials_env="",
        recv_window_seconds=2.0,
        timeout_seconds=1.5,
        rate_limit=False,
        settle_seconds=2.5,
        poll_seconds=0.5,
        undecided_after_seconds=30.0,
        breaker_failures=3,
        breaker_seconds=0.5,
        breaker_seconds_max=8.0,
        deadline_seconds=90.0,
        execute=False,
        collect=True,
        symbols=("BTC-USDT-SWAP", "ETH-USDT-SWAP"),
        history_hours=0.0,
        repair_seconds=60.0,
        retry_config={"max_retries": 9, "jitter_factor": None},
        options={"defaultType": "swap", "nested": {"list": [1, 2.5, True]}},
    )
    assert set(table) | {"credentials_env"} == set(ConnectionSettings.__dataclass_fields__)
    # What was read may be read again, as the in-process handler's configuration is.
    assert read_connections((connection,)) == (connection,)


def test_the_settle_time_follows_the_window() -> None:
    assert read_one(recv_window_seconds=20).settle_seconds == 25


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("http://127.0.0.1:8099", "http://127.0.0.1:8099"),
        ("http://127.9.9.9/", "http://127.9.9.9"),
        ("http://[::1]:1", "http://[::1]:1"),
        ("https://testnet.example.org", "https://testnet.example.org"),
    ],
)
def test_addresses_that_are_taken(url: str, kept: str) -> None:
    assert read_one(url=url).url == kept


@pytest.mark.parametrize(
    ("key", "value", "way_out"),
    [
        ("venue", None, "is required; known are binance, bitget"),
        ("venue", "", "is required; known are binance"),
        ("venue", "binanse", "'binanse' is not known; known are binance, bitget"),
        ("venue", 5, "must be a text"),
        ("account", 5, "must be a text"),
        ("account", "a\nb", "all printable"),
        ("account", "a" * 257, "at most 256 characters"),
        ("market", "swap", "must be one of spot, linear, inverse"),
        ("sandbox", "yes", "must be true or false"),
        ("rate_limit", 1, "must be true or false"),
        ("url", "ftp://127.0.0.1", "http://127.0.0.1:PORT"),
        ("url", "127.0.0.1:8099", "such as https://HOST"),
        ("url", "https://", "such as https://HOST"),
        ("url", "http://[::1", "such as https://HOST"),
        ("url", "http://127.0.0.1:99999", "such as https://HOST"),
        ("url", "http://example.org", "use https"),
        ("url", "http://localhost:8099", "in numbers"),
        ("url", f"https://user:{CANARY}@example.org", "no password"),
        ("url", f"https://{CANARY}@127.0.0.1", "no password"),
        ("url", f"https://example.org/{CANARY}", "must end with the host"),
        ("url", f"https://example.org?signature={CANARY}", "must end with the host"),
        ("credentials_dir", 5, "must be the path of a folder"),
        ("credentials_dir", "", "must be the path of a folder"),
        ("credentials_env", f"{CANARY} {CANARY}", "such as FILLHANDLER_VENUE_BINANCE_MAIN, not a credential"),
        ("credentials_env", "", "how the names of the variables begin"),
        ("credentials_env", 7, "how the names of the variables begin"),
        ("recv_window_seconds", 0, "above 0, at most 60"),
        ("recv_window_seconds", 61, "above 0, at most 60"),
        ("timeout_seconds", "10", "must be a number of seconds"),
        ("timeout_seconds", True, "must be a number of seconds"),
        ("timeout_seconds", float("nan"), "must be a number of seconds"),
        ("timeout_seconds", 10**400, "must be a number of seconds"),
        ("settle_seconds", 5, "more than recv_window_seconds (5): until then a delayed request may still"),
        ("settle_seconds", 4.9, "would double it"),
        ("poll_seconds", -1, "must be a number of seconds above 0"),
        ("undecided_after_seconds", float("inf"), "must be a number of seconds above 0"),
        ("deadline_seconds", 0, "must be a number of seconds above 0"),
        ("execute", "no", "must be true or false"),
        ("collect", [], "must be true or false"),
        ("symbols", "BTCUSDT", 'such as ["BTCUSDT"]'),
        ("symbols", ["x"] * 1001, "may hold 1000 entries, not 1001"),
        ("history_hours", -1, "must be a number of hours from 0 to 8784"),
        ("repair_seconds", None, ""),
        ("retry_config", 5, "must be a table of max_retries"),
        ("options", [1], "must be a table of texts"),
        ("options", {5: 6}, "must be a table of texts"),
        ("options", {"at": object()}, "must be a table of texts"),
    ],
)
def test_a_wrong_value_is_named_with_the_way_out(key: str, value: Any, way_out: str) -> None:
    table = {"venue": "binance", key: value}
    if not way_out:  # absent
        assert read_connections([table]) == (read_one(),)
        return

    found = refusal([{"venue": "okx", "account": "other"}, table])

    assert list(found) == [f"connections[1].{key}"]
    assert way_out in found[f"connections[1].{key}"]


def test_wrong_parts_of_values_are_named() -> None:
    table = {
        "venue": "binance",
        "symbols": ["BTCUSDT", "", 5],
        "retry_config": {"max_retries": -1, "frequency": 2},
        "frobnicate": CANARY,
    }

    found = refusal([table])

    assert set(found) == {
        "connections[0].symbols[1]",
        "connections[0].symbols[2]",
        "connections[0].retry_config.max_retries",
        "connections[0].retry_config.frequency",
        "connections[0].frobnicate",
    }
    assert "known are venue, account, market" in found["connections[0].frobnicate"]
    assert "known are max_retries, base_delay" in found["connections[0].retry_config.frequency"]


@pytest.mark.parametrize(
    ("table", "path"),
    [
        ({"api_key": CANARY}, "api_key"),
        ({"apiKey": CANARY}, "apiKey"),
        ({"secret": CANARY}, "secret"),
        ({"password": CANARY}, "password"),
        ({"credentials": {"a": CANARY}}, "credentials"),
        ({"options": {"secret": CANARY}}, "options.secret"),
        ({"options": {"deep": [{"api-secret": CANARY}]}}, "options.deep[0].api-secret"),
        ({"options": {"privateKey": CANARY}}, "options.privateKey"),
        ({"retry_config": {"token": CANARY}}, "retry_config.token"),
    ],
)
def test_a_secret_in_the_configuration_is_refused_and_not_told(table: dict[str, Any], path: str) -> None:
    found = refusal([{"venue": "binance", **table}])

    assert list(found) == [f"connections[0].{path}"]
    assert "credentials stand in files (credentials_dir) or in variables (credentials_env)" in str(found)


def test_what_circles_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)

    found = refusal([{"venue": "binance", "options": {"a": circle}}])

    assert any("nested too deep" in text for text in found.values())


@pytest.mark.parametrize("given", [None, "binance", {"venue": "binance"}, 5])
def test_a_list_of_tables_is_wanted(given: Any) -> None:
    assert "[[connections]]" in refusal(given)["connections"]


def test_entries_that_are_no_tables_are_named() -> None:
    assert refusal([5, "binance"]) == {
        "connections[0]": "must be a table of named values",
        "connections[1]": "must be a table of named values",
    }
    assert "may hold 100" in refusal([{"venue": "binance"}] * 101)["connections"]


def test_an_account_of_a_market_occurs_once() -> None:
    spot = {"venue": "binance"}
    assert len(read_connections([spot, {**spot, "market": "linear"}, {**spot, "account": "b"}])) == 3

    found = refusal([spot, {**spot, "market": "linear"}, {"venue": "Binance", "account": "main"}])

    assert found == {
        "connections[2].venue": "the same venue, account and market (binance/main/spot) as connections[0];"
        " name another account or market"
    }


def test_two_accounts_do_not_share_variables() -> None:
    found = refusal([{"venue": "binance", "account": "a-b"}, {"venue": "binance", "account": "a_b"}])

    text = found["connections[1].credentials_env"]
    assert "FILLHANDLER_VENUE_BINANCE_A_B holds the credentials of binance/a-b" in text
    assert "name another beginning of variables, or a folder" in text
    other = {"venue": "binance", "account": "a_b", "credentials_env": "MINE_"}
    assert read_connections([{"venue": "binance", "account": "a-b"}, other])[1].credentials_env == "MINE"


def test_one_place_of_credentials_is_enough() -> None:
    both = {"venue": "binance", "credentials_dir": "keys", "credentials_env": "MINE"}

    assert "say one of the two" in refusal([both])["connections[0].credentials_env"]


def test_a_connection_does_something() -> None:
    idle = {"venue": "binance", "execute": False, "collect": False}

    assert "leave it out" in refusal([idle])["connections[0].collect"]


def test_options_show_nowhere() -> None:
    assert CANARY not in repr(read_one(options={"broker": CANARY}))


@pytest.mark.parametrize("venue", venues.known())
def test_every_venue_has_a_prefix_of_its_own(venue: str) -> None:
    assert default_prefix(venue, "main") == f"FILLHANDLER_VENUE_{venue.upper()}_MAIN"


@pytest.mark.parametrize(
    "name", ["api_key", "APIKEY", "apiSecret", "secret", "pass-phrase", "privateKey", "token"]
)
def test_names_of_secrets(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name", ["recvWindow", "defaultType", "fetchTokens", "keyring", "passive", "spinning"]
)
def test_names_of_no_secrets(name: str) -> None:
    assert not looks_secret(name)


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("0.005", "0.005"),
        (0.005, "0.005"),
        (0.1, "0.1"),
        (1e-7, "0.0000001"),
        (0, "0"),
        (1, "1"),
        ("1E-3", "0.001"),
    ],
)
def test_a_fraction_is_what_it_prints_as(given: Any, value: str) -> None:
    assert read_fraction(given) == Decimal(value)


@pytest.mark.parametrize(
    "given", [None, True, "", "x", -0.1, 1.5, "2", float("nan"), float("inf"), [], "1E999999999"]
)
def test_what_is_no_fraction(given: Any) -> None:
    with pytest.raises(ValueError, match=r"0 to 1"):
        read_fraction(given)
