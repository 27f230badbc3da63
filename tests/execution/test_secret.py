"""Credentials: where they come from, and that they show nowhere."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.execution.secret import Credentials, Secret, from_directory, from_environment


def test_a_secret_shows_itself_only_when_asked() -> None:
    secret = Secret("canary")

    assert [repr(secret), str(secret), f"{secret:>9}", f"{Credentials(secret=secret)}".count("canary")] == [
        "***", "***", "***", 0,
    ]  # fmt: skip
    assert secret.reveal() == "canary"
    assert secret == Secret("canary")
    assert secret != Secret("canarz")
    for spread in (pickle.dumps, copy.copy, copy.deepcopy, hash):
        with pytest.raises(TypeError):
            spread(secret)


def test_the_environment() -> None:
    found = from_environment(
        {"FILLHANDLER_VENUE_MY_BOT_API_KEY": " k\n", "FILLHANDLER_VENUE_MY_BOT_SECRET": "s", "OTHER": "x"},
        "my-bot",
    )

    assert found == Credentials(api_key=Secret("k"), secret=Secret("s"))
    assert found.missing(("api_key", "password")) == ("password",)


def test_a_directory(tmp_path: Path) -> None:
    for name in ("api_key", "secret"):
        (tmp_path / name).write_text(name + "-text\n")
        (tmp_path / name).chmod(0o600)

    assert from_directory(tmp_path) == Credentials(Secret("api_key-text"), Secret("secret-text"))

    (tmp_path / "secret").chmod(0o640)
    with pytest.raises(InvalidFieldError, match=r"secret has mode 0640.*chmod 0600") as caught:
        from_directory(tmp_path)
    assert "secret-text" not in str(caught.value)
    with pytest.raises(InvalidFieldError, match="is no directory"):
        from_directory(tmp_path / "none")
