"""`fillhandler exchange` as people run it: a process, its files, its one line, its end."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.processes import Process, environment

from fillhandler_server.exchange import credentials
from fillhandler_server.exchange.credentials import CredentialsError

COMMAND = (
    sys.executable,
    "-c",
    "import typer; from fillhandler_server.exchange.command import exchange; typer.run(exchange)",
)


def refused(*options: str) -> str:
    """What a command that does not start says; its exit code is 1 and stdout empty."""
    done = subprocess.run(
        [*COMMAND, *options], capture_output=True, text=True, timeout=30, env=environment(), check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    return done.stderr


def get(address: str, path: str) -> Any:
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


@pytest.mark.e2e
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_end(tmp_path: Path, ending: signal.Signals) -> None:
    folder, log, config = tmp_path / "keys", tmp_path / "log", tmp_path / "faults.toml"
    config.write_text("[faults]\nban = 0.25\n[settings]\nban_seconds = 9\n")
    options = (
        *("--credentials-dir", str(folder), "--symbols", "BTCUSDT,ADAUSDT=0.45", "--seed", "4"),
        *("--fault", "drop_stream=0.5", "--latency-ms", "1-2", "--config", str(config), "--verbose"),
    )

    with Process([*COMMAND, *options], log) as process:
        line = process.lines.next()
        assert line is not None, log.read_text()
        assert line.startswith("listening on http://127.0.0.1:")
        address = line.removeprefix("listening on http://").strip()
        faults = get(address, "/sim/faults")
        prices = get(address, "/sim/books")["prices"]["spot"]
        process.popen.send_signal(ending)
        assert process.wait() == 0
        assert process.lines.next() is None

    probabilities = faults["probabilities"]
    assert (probabilities["drop_stream"], probabilities["latency"], probabilities["ban"]) == (0.5, 1, 0.25)
    assert (faults["settings"]["latency_ms"], faults["settings"]["ban_seconds"]) == ([1, 2], 9)
    assert set(prices) == {"BTCUSDT", "ADAUSDT"}
    texts = {path.name: path.read_text().strip() for path in folder.iterdir()}
    assert set(texts) == {"api_key", "secret"}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())
    said = log.read_text()
    assert str(folder) in said
    assert not any(text in said for text in texts.values())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--listen", "0.0.0.0:0"), "loopback"),
        (("--listen", "127.0.0.1"), "HOST:PORT"),
        (("--symbols", "NOPE"), "NOPE"),
        (("--symbols", "ADAUSDT"), "ADAUSDT=1.25"),
        (("--fault", "nope=0.1"), "no fault 'nope'"),
        (("--fault", "ban=2"), "between 0 and 1"),
        (("--fault", "clock_skew=0.5"), "switch"),
        (("--latency-ms", "x"), "--latency-ms takes"),
        (("--config", "not-there.toml"), "not-there.toml"),
    ],
)
def test_a_wrong_option_is_named(
    tmp_path: Path,
    options: tuple[str, ...],
    text: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import typer
    from typer.main import get_command

    from fillhandler_server.exchange.command import exchange

    monkeypatch.setattr("os.umask", lambda _: 0)  # this process is the tests'
    holder = typer.Typer(add_completion=False)
    holder.command()(exchange)

    with pytest.raises(SystemExit) as ended:
        get_command(holder).main([*options, "--credentials-dir", str(tmp_path)])

    assert ended.value.code == 1
    assert text in capsys.readouterr().err


@pytest.mark.e2e
def test_a_port_that_is_taken_is_an_error(tmp_path: Path) -> None:
    folder = ("--credentials-dir", str(tmp_path))
    with Process([*COMMAND, *folder], tmp_path / "log") as process:
        line = process.lines.next()
        assert line is not None
        said = refused(*folder, "--listen", line.removeprefix("listening on http://").strip())

    assert "--listen" in said


def test_credentials_are_made_once_and_kept(tmp_path: Path) -> None:
    first, made = credentials.load(tmp_path / "new" / "folder")
    again, made_again = credentials.load(tmp_path / "new" / "folder")

    assert (made, made_again) == (True, False)
    assert first.reveal() == again.reveal()
    assert len(set(first.reveal())) == 2


def test_credentials_that_others_can_read_are_refused(tmp_path: Path) -> None:
    credentials.load(tmp_path)
    (tmp_path / "secret").chmod(0o640)

    with pytest.raises(CredentialsError, match="chmod 600"):
        credentials.load(tmp_path)


def test_half_of_the_credentials_is_not_replaced(tmp_path: Path) -> None:
    credentials.load(tmp_path)
    (tmp_path / "secret").unlink()

    with pytest.raises(CredentialsError, match="secret is missing"):
        credentials.load(tmp_path)


@pytest.mark.parametrize("text", ["", "two words", "ключ"])
def test_a_key_file_holds_one_word(tmp_path: Path, text: str) -> None:
    credentials.load(tmp_path)
    (tmp_path / "api_key").write_text(text)

    with pytest.raises(CredentialsError, match="one word"):
        credentials.load(tmp_path)
