"""A simulated exchange with all its faults, and servers one after the other that trade on it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
from support.processes import Process, environment

from fillhandler_server.exchange import Credentials

LAUNCHER: Final = Path(__file__).with_name("trading_launcher.py")
MARKETS: Final = {"spot": "/api/v3", "linear": "/fapi/v1"}
SYMBOLS: Final = ("BTCUSDT", "ETHUSDT", "SOLUSDT")

# An order may take effect for so long after it was sent, and stay unseen for a while then: only after both is
# it settled. All of it is short here.
RECV_WINDOW_SECONDS: Final = 1.0
UNSEEN_SECONDS: Final = 0.6
SETTLE_SECONDS: Final = 2.3

FAULTS: Final = {
    "connection_reset_before": 0.02,
    "timeout_before_accept": 0.015,
    "error_before_accept": 0.02,
    "temporary_error": 0.02,
    "rate_limit": 0.01,
    "ban": 0.0005,
    "delayed_accept": 0.06,
    "timeout_after_accept": 0.06,
    "error_after_accept": 0.06,
    "connection_reset_after": 0.06,
    "late_appearance": 0.15,
    "repeated_client_id": 0.3,
    "stale_snapshot": 0.1,
    "drop_stream": 0.05,
    "duplicate_stream": 0.05,
    "reorder_stream": 0.05,
    "disconnect": 0.005,
    "latency": 0.3,
    "clock_skew": 1,
}
SIZES: Final = {
    "timeout_seconds": 1.5,
    "retry_after_seconds": 1,
    "ban_seconds": 1,
    "delay_seconds": 0.7,
    "late_seconds": UNSEEN_SECONDS,
    "stale_seconds": UNSEEN_SECONDS,
    "reorder_seconds": 0.1,
    "latency_ms": [1, 60],
    "skew_ms": 1500,
}
POINTS: Final = {
    "before-place": 0.002,
    "after-place": 0.006,
    "before-cancel": 0.004,
    "after-cancel": 0.008,
    "before-failure": 0.003,
    "after-failure": 0.003,
    "before-found": 0.01,
    "after-found": 0.01,
    "before-next": 0.02,
    "after-next": 0.02,
    "before-finish": 0.001,
    "after-finish": 0.001,
}
CONFIG: Final = """
inference_grace_seconds = 1.0
shutdown_grace_seconds = 5.0

[retry_config]
max_retries = 4
base_delay = 0.05
max_delay = 0.5
"""
CONNECTION: Final = """
[[connections]]
venue = "binance"
market = "{market}"
sandbox = true
url = "{url}"
credentials_dir = "{credentials}"
rate_limit = false
recv_window_seconds = {window}
settle_seconds = {settle}
timeout_seconds = 1.0
poll_seconds = 0.5
undecided_after_seconds = 20.0
repair_seconds = {repair}
"""


class Exchange:
    """The exchange's process; and what the account does there without Fill Handler."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.credentials_dir = folder / "credentials"
        self._log = folder / "exchange.log"
        self._seed = seed
        self.url = ""

    async def __aenter__(self) -> Exchange:
        self._process = Process(
            (
                *(sys.executable, str(LAUNCHER), "exchange", "--verbose", "--seed", str(self._seed)),
                *("--credentials-dir", str(self.credentials_dir)),
            ),
            self._log,
        )
        line = await asyncio.to_thread(self._process.lines.next)
        assert line is not None, self._log.read_text()
        self.url = line.removeprefix("listening on ").strip()
        words = [(self.credentials_dir / name).read_text().strip() for name in ("api_key", "secret")]
        self._credentials = Credentials(*words)
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await asyncio.to_thread(self._process.end)

    async def control(self, method: str, path: str, **document: Any) -> Any:
        async with self._session.request(method, f"{self.url}/sim/{path}", json=document) as answer:
            told = await answer.json()
            assert answer.status == 200, told
            return told

    async def books(self) -> dict[str, Any]:
        books: dict[str, Any] = await self.control("GET", "books")
        return books

    async def set_faults(self, chances: dict[str, float], sizes: dict[str, Any]) -> None:
        await self.control("PUT", "faults", probabilities=chances, settings=sizes)

    async def end_faults(self) -> None:
        """From here on it works, and its prices stand still."""
        await self.control("PUT", "faults", probabilities=dict.fromkeys(FAULTS, 0))
        await self.control("POST", "pause")

    async def price(self, market: str, symbol: str) -> str | None:
        """The last price; None where a fault came between."""
        address = f"{self.url}{MARKETS[market]}/ticker/price?symbol={symbol}"
        try:
            async with self._session.get(address, timeout=aiohttp.ClientTimeout(1)) as answer:
                return (await answer.json())["price"] if answer.status == 200 else None
        except (aiohttp.ClientError, TimeoutError):
            return None

    async def place(self, market: str, **order: Any) -> dict[str, Any]:
        """An order of the account's own, outside of Fill Handler."""
        async with self._session.get(f"{self.url}{MARKETS[market]}/time") as answer:
            now = (await answer.json())["serverTime"]
        query = urlencode({"timestamp": now, **order})
        async with self._session.post(
            f"{self.url}{MARKETS[market]}/order?{query}&signature={self._credentials.sign(query)}",
            headers={"X-MBX-APIKEY": self._credentials.api_key},
        ) as answer:
            told: dict[str, Any] = await answer.json()
            assert answer.status == 200, told
            return told


class Servers:
    """Servers one after the other on one store and one port. They may end by themselves at any time."""

    def __init__(
        self,
        folder: Path,
        exchange: Exchange,
        *,
        mutant: str = "none",
        points: dict[str, float] | None = None,
        repair_seconds: float = 1.0,
    ) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.log = folder / "server.log"
        self.points = points or {}
        self.address = "127.0.0.1:0"
        self.kills = self.stops = 0
        self._mutant = mutant
        self._config = folder / "fillhandler.toml"
        self._config.write_text(
            CONFIG
            + "".join(
                CONNECTION.format(
                    market=market,
                    url=exchange.url,
                    credentials=exchange.credentials_dir,
                    window=RECV_WINDOW_SECONDS,
                    settle=SETTLE_SECONDS,
                    repair=repair_seconds,
                )
                for market in MARKETS
            )
        )
        self._server = 0
        self._ended = asyncio.Event()
        self._starting = asyncio.Lock()

    async def __aenter__(self) -> Servers:
        with self.log.open("ab") as log:
            self._nursery = await asyncio.create_subprocess_exec(
                *(sys.executable, str(LAUNCHER), "serve", self._mutant),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=self.environment,
            )
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        # At the end of its input it kills what runs.
        assert self._nursery.stdin is not None
        self._nursery.stdin.close()
        self._reading.cancel()
        await asyncio.gather(self._reading, self._nursery.wait(), return_exceptions=True)

    @property
    def environment(self) -> dict[str, str]:
        return environment(FILLHANDLER_KEY_FOLDER=str(self.folder / "keys"))

    @property
    def token(self) -> str:
        return (self.data_dir / "token").read_text().strip()

    async def start(self) -> None:
        assert self._nursery.stdin is not None
        while True:
            options = [
                "--listen",
                self.address,
                "--data-dir",
                str(self.data_dir),
                "--config",
                str(self._config),
            ]
            order = json.dumps({"points": self.points, "options": options})
            self._nursery.stdin.write(f"{order}\n".encode())
            self._server = int(await self._line("started "))
            line = await self._line("")
            if line.startswith("listening on "):
                break
            assert line == f"ended {-signal.SIGKILL}", f"{line}: {self.log.read_text()[-3000:]}"
            self.kills += 1  # at a named point, while it took up its trades
        self.address = line.removeprefix("listening on ")
        self._ended.clear()
        self._reading = asyncio.create_task(self._wait())

    async def _line(self, prefix: str) -> str:
        assert self._nursery.stdout is not None
        line = (await self._nursery.stdout.readline()).decode().strip()
        assert line.startswith(prefix), f"{line!r}: {self.log.read_text()[-3000:]}"
        return line.removeprefix(prefix)

    async def _wait(self) -> int:
        code = int(await self._line("ended "))
        self._ended.set()
        return code

    async def end(self, number: int) -> None:
        """Ends the server by a signal, unless it died by itself."""
        if not self._ended.is_set():
            # A child that is not waited for keeps its id.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._server, number)
        code = await self._reading
        if code == 0:
            self.stops += 1
        else:
            assert code == -signal.SIGKILL, f"exit code {code}: {self.log.read_text()[-3000:]}"
            self.kills += 1

    async def harass(self, draw: random.Random, mean_seconds: float) -> None:
        """Until cancelled: kills it, stops it, or sees it die; and starts the next."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), draw.expovariate(1 / mean_seconds))
            await asyncio.shield(self._another(signal.SIGTERM if draw.random() < 0.25 else signal.SIGKILL))

    async def _another(self, number: int) -> None:
        async with self._starting:
            await self.end(number)
            await self.start()

    async def leave_alone(self, harassing: asyncio.Task[None]) -> None:
        """From here on nothing ends it: not even a point, if there are none any more."""
        harassing.cancel()
        await asyncio.gather(harassing, return_exceptions=True)
        # After the one that is just being started, if one is; the one that runs may still die by a point.
        await self._another(signal.SIGTERM)
