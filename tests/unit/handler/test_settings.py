"""The configuration: the original design's keys, checked."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from fillhandler_server import FillHandler, create_fill_handler
from fillhandler_server.config import default_data_dir
from fillhandler_server.domain.errors import InvalidFieldError

LOGGER = logging.getLogger("fillhandler")


async def test_the_defaults_are_the_original_designs(handler: FillHandler, config: dict[str, Any]) -> None:
    assert handler.config == {
        "retry_config": {
            "max_retries": 3,
            "base_delay": 1.0,
            "max_delay": 30.0,
            "exponential_base": 2.0,
            "jitter_factor": 0.1,
            "retryable_errors": ["network_error", "rate_limit", "timeout", "exchange_error"],
        },
        "slippage_tolerance": 0.005,
        "max_order_age_hours": 24,
        "fill_history_limit": 1000,
        "debug_mode": False,
        "instruments": (),
        "value_places": (),
        "connections": (),
        **config,
    }
    assert isinstance(handler.config, dict)


async def test_the_default_folder_is_not_the_servers(caplog: pytest.LogCaptureFixture) -> None:
    async with await create_fill_handler() as handler:
        folder = handler.config["data_dir"]
    async with await create_fill_handler({"data_dir": None}) as again:
        assert again.config["data_dir"] == folder

    assert folder == default_data_dir().parent / "fillhandler-in-process"
    assert (folder / "anchor").exists()
    assert "back it up" in caplog.text


async def test_some_keys_given_leave_the_rest(config: dict[str, Any]) -> None:
    given = config | {"retry_config": {"max_retries": 7}, "slippage_tolerance": 0}
    async with await create_fill_handler(given) as handler:
        assert handler.config["retry_config"]["max_retries"] == 7
        assert handler.config["retry_config"]["max_delay"] == 30.0
        assert handler.config["slippage_tolerance"] == 0
    async with await create_fill_handler(handler.config) as again:
        assert again.config == handler.config


async def test_paths_may_be_text_in_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    async with await create_fill_handler({"data_dir": "~/d", "key_file": "~/k"}) as handler:
        assert handler.config["data_dir"] == tmp_path / "d"

    assert (tmp_path / "k").exists()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"max_retries": 3}, "max_retries"),
        ({"retry_config": {"retries": 3}}, "retry_config.retries"),
        ({"retry_config": 3}, "retry_config"),
        ({"retry_config": {"max_retries": -1}}, "retry_config.max_retries"),
        ({"retry_config": {"max_retries": 2.5}}, "retry_config.max_retries"),
        ({"retry_config": {"max_retries": True}}, "retry_config.max_retries"),
        ({"retry_config": {"base_delay": "1"}}, "retry_config.base_delay"),
        ({"retry_config": {"max_delay": float("nan")}}, "retry_config.max_delay"),
        ({"retry_config": {"exponential_base": 0.5}}, "retry_config.exponential_base"),
        ({"retry_config": {"jitter_factor": 1.1}}, "retry_config.jitter_factor"),
        ({"retry_config": {"retryable_errors": "timeout"}}, "retry_config.retryable_errors"),
        ({"retry_config": {"retryable_errors": ["bad_luck"]}}, "retry_config.retryable_errors"),
        ({"slippage_tolerance": 5}, "slippage_tolerance"),
        ({"max_order_age_hours": -1}, "max_order_age_hours"),
        ({"fill_history_limit": None}, "fill_history_limit"),
        ({"debug_mode": 1}, "debug_mode"),
        ({"data_dir": 5}, "data_dir"),
        ({"key_file": ""}, "key_file"),
        ([], "config"),
    ],
)
async def test_a_wrong_key_or_value_is_named(given: Any, field: str) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        await create_fill_handler(given)

    assert [violation.field for violation in caught.value.violations] == [field]


async def test_all_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(InvalidFieldError, match=r"retry_config.max_retries: .*; foo: is not a known key"):
        await create_fill_handler({"retry_config": {"max_retries": -1}, "foo": 1})


async def test_what_is_set_later_is_checked_too(handler: FillHandler) -> None:
    config = handler.config
    for change in (
        lambda: config.update(foo=1),
        lambda: config.__setitem__("debug_mode", "yes"),
        lambda: config["retry_config"].__setitem__("max_retries", -1),
        lambda: config.update({"slippage_tolerance": 0.1, "fill_history_limit": -1}),
        lambda: config.setdefault("foo", 1),
        lambda: config.__setitem__("data_dir", "elsewhere"),
    ):
        with pytest.raises(InvalidFieldError):
            change()
    for removal in (config.clear, config.popitem, lambda: config.pop("debug_mode")):
        with pytest.raises(TypeError, match="cannot be removed"):
            removal()

    config |= {"slippage_tolerance": 0.1}
    config["retry_config"]["max_retries"] = 5
    assert config.setdefault("slippage_tolerance", 1) == 0.1
    assert (handler.config["slippage_tolerance"], handler.config["fill_history_limit"]) == (0.1, 1000)
    assert handler.config["retry_config"]["max_retries"] == 5


async def test_debug_mode_acts_at_once(config: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    before = LOGGER.level
    async with await create_fill_handler(config) as handler:
        assert LOGGER.level == before
        handler.config["debug_mode"] = True
        assert LOGGER.level == logging.DEBUG
        fill = {
            "venue": "binance",
            "symbol": "X",
            "side": "buy",
            "quantity": 1,
            "order_id": "o",
            "trade_id": "t",
        }
        await handler.process_fill_event(fill)
        assert "fill t of order o at binance: recorded, sequence 1" in caplog.messages
        handler.config["debug_mode"] = False
        assert LOGGER.level == before
        handler.config["debug_mode"] = True

    assert LOGGER.level == before


async def test_debug_mode_from_the_start(config: dict[str, Any]) -> None:
    async with await create_fill_handler(config | {"debug_mode": True}):
        assert LOGGER.level == logging.DEBUG
