"""Trades through real processes: the simulated exchange, the server, the commands."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.processes import CLI, Process, Site, environment

pytest.importorskip("ccxt", reason="ccxt is the extra `exchanges`")
pytest.importorskip("aiohttp", reason="aiohttp is in the extra `exchanges`")

BUF = shutil.which("buf", path=f"{Path(sys.executable).parent}:{environment().get('PATH', '')}")
CONNECTION = """
[[connections]]
venue = "binance"
market = "{market}"
sandbox = true
url = "{url}"
credentials_dir = "{folder}"
rate_limit = false
recv_window_seconds = 0.5
settle_seconds = 0.6
"""


class Exchange:
    """`fillhandler exchange`, and its books."""

    def __init__(self, folder: Path) -> None:
        self.credentials = folder / "credentials"
        self.process = Process(
            (*CLI, "exchange", "--listen", "127.0.0.1:0", "--credentials-dir", str(self.credentials)),
            folder / "exchange.log",
        )
        line = self.process.lines.next()
        assert line is not None, self.process.log.read_text()
        self.url = line.removeprefix("listening on ").strip()
        self.control("POST", "pause")

    def control(self, method: str, path: str, **document: Any) -> Any:
        request = urllib.request.Request(
            f"{self.url}/sim/{path}",
            json.dumps(document).encode() if method != "GET" else None,
            method=method,
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def statuses(self, symbol: str) -> list[str]:
        """How its orders in a symbol stand, oldest first."""
        return [each["status"] for each in self.control("GET", "books")["orders"] if each["symbol"] == symbol]


# One of each for all tests here: ccxt takes seconds to import. Each test has a symbol of its own.
@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trading")


@pytest.fixture(scope="module")
def exchange(folder: Path) -> Iterator[Exchange]:
    made = Exchange(folder)
    yield made
    made.process.end()


@pytest.fixture(scope="module")
def trading(exchange: Exchange, folder: Path) -> Iterator[Site]:
    """A server with spot and linear, started."""
    file = folder / "fillhandler.toml"
    file.write_text(
        "".join(
            CONNECTION.format(market=market, url=exchange.url, folder=exchange.credentials)
            for market in ("spot", "linear")
        )
    )
    with Site(folder / "site") as made:
        yield made.start("--config", str(file))


def execute(*more: str, symbol: str = "BTCUSDT", quantity: str = "0.05") -> tuple[str, ...]:
    return ("execute", symbol, "buy", quantity, "--venue", "binance", "--market", "spot", *more)


def test_a_rehearsal(trading: Site, exchange: Exchange) -> None:
    done = trading.command(*execute("--request-id", "desk-1"))
    assert done.code == 0, done.stderr
    assert "sandbox" in done.stdout
    assert "FILLED" in done.stdout
    again = trading.command(*execute("--request-id", "desk-1", "--json"))
    assert (again.code, again.document["success"], again.document["attempts"]) == (0, True, 1), again.stderr
    reused = trading.command(*execute("--request-id", "desk-1", "--json", quantity="0.06"))
    assert reused.code == 1
    assert json.loads(reused.stderr)["error"]["reason"] == "REQUEST_ID_REUSED"
    assert exchange.statuses("BTCUSDT") == ["FILLED"]

    exchange.control("POST", "faults/next", fault="error_before_accept", operation="place")
    retried = trading.command(*execute("--request-id", "desk-2", "--json", symbol="BTC/USDT"))
    assert (retried.code, retried.document["attempts"]) == (0, 2), retried.stderr
    trade = trading.command("trade", "desk-2", "--json").document
    assert (trade["trade"]["request"]["symbol"], trade["trade"]["retries"]) == ("BTCUSDT", 1)
    outcomes = [
        each["outcome"] for each in trade["attempts"] if each["operation"] == "REQUEST_OPERATION_PLACE"
    ]
    assert outcomes == ["ATTEMPT_OUTCOME_RETRIED", "ATTEMPT_OUTCOME_SUCCEEDED"]
    failed = trading.command("retries", "--failed", "--trade", "desk-2")
    assert failed.code == 0
    assert "RETRIED" in failed.stdout
    assert "SUCCEEDED" not in failed.stdout

    venues = trading.command("venues", "--venue", "binance", "--json").document["venues"]
    assert [each["state"] for each in venues[0]["connections"]] == ["CONNECTION_STATE_CONNECTED"] * 2
    trades = trading.command("trades", "--symbol", "BTCUSDT", "--json").document["trades"]
    assert [each["request"]["requestId"] for each in trades] == ["desk-1", "desk-2"]
    stats = trading.command("performance", "--symbol", "BTCUSDT", "--json").document["totals"]
    assert (stats["totalCalls"], stats["totalRetries"], stats["retryRate"]) == ("2", "1", 0.5)


def test_ctrl_c_leaves_the_trade_and_so_does_a_restart(
    trading: Site, exchange: Exchange, folder: Path
) -> None:
    resting = ("--type", "limit", "--limit-price", "1500", "--request-id", "desk-3")
    with trading.running(*execute(*resting, symbol="ETHUSDT")) as command:
        line = command.lines.next()
        while line is not None and "WORKING" not in line:
            line = command.lines.next()
        assert line is not None, command.log.read_text()
        command.popen.send_signal(signal.SIGINT)
        assert command.wait() == 1
        said = command.log.read_text()
        assert "the trade goes on" in said
        assert "fillhandler cancel-trade desk-3" in said
    assert exchange.statuses("ETHUSDT") == ["NEW"]

    trading.kill()
    trading.start("--config", str(folder / "fillhandler.toml"))
    active = trading.command("trades", "--active", "--json").document["trades"]
    assert [each["request"]["requestId"] for each in active] == ["desk-3"]
    cancelled = trading.command("cancel-trade", "desk-3", "--wait", "--json")
    assert cancelled.code == 0, cancelled.stderr
    assert cancelled.document["trade"]["outcome"] == "TRADE_OUTCOME_NOT_FILLED"
    assert exchange.statuses("ETHUSDT") == ["CANCELED"]
    late = trading.command("cancel-trade", "desk-3", "--json")
    assert (late.code, json.loads(late.stderr)["error"]["reason"]) == (1, "ILLEGAL_TRANSITION")
    unknown = trading.command("trade", "nobody", "--json")
    assert (unknown.code, json.loads(unknown.stderr)["error"]["reason"]) == (1, "TRADE_NOT_FOUND")


@pytest.mark.skipif(BUF is None, reason="buf is not installed")
def test_a_client_that_knows_the_server_by_reflection(trading: Site, exchange: Exchange) -> None:
    assert BUF is not None
    token = f"authorization: Bearer {(trading.data_dir / 'token').read_text().strip()}"
    asked = {
        "requestId": "curl-1",
        "venue": "binance",
        "market": "linear",
        "symbol": "SOL/USDT:USDT",
        "side": "SIDE_SELL",
        "quantity": "2",
        "type": "market",
    }
    done = subprocess.run(
        [BUF, "curl", "--protocol", "grpc", "--http2-prior-knowledge", "-H", token, "--reflect-header", token,
         "-d", json.dumps(asked),
         f"http://{trading.address}/fillhandler.v1.ExecutionService/ExecuteTrade"],
        capture_output=True, text=True, timeout=60, env=environment(), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["success"], answer["totalFilled"], answer["trade"]["request"]["market"]) == (
        True,
        "2",
        "linear",
    )
    assert exchange.statuses("SOLUSDT") == ["FILLED"]


def test_what_is_missing_is_said_at_the_start(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "fillhandler.toml"
    text = CONNECTION.format(market="spot", url="http://127.0.0.1:1", folder=tmp_path / "credentials")
    file.write_text(text)
    said = site.refused("--config", str(file))
    assert "connections[0].credentials" in said
    assert str(tmp_path / "credentials") in said

    for name in ("api_key", "secret"):
        (tmp_path / "credentials").mkdir(exist_ok=True)
        (tmp_path / "credentials" / name).write_text("x")
        (tmp_path / "credentials" / name).chmod(0o600)
    # As where the extra is not installed.
    hiding = tmp_path / "hiding" / "ccxt"
    hiding.mkdir(parents=True)
    (hiding / "__init__.py").write_text("raise ImportError('hidden')\n")
    found = environment()["PYTHONPATH"]
    said = site.refused("--config", str(file), PYTHONPATH=f"{hiding.parent}:{found}")
    assert "connections[0]" in said
    assert "pip install 'fillhandler[exchanges]'" in said
    assert "Traceback" not in said
