"""Opens a stopped server's store as a start does, and times it beside a SELECT of its open orders.

`python -m tests.bench.restart_probe DATA_DIR KEY_FILE` prints `listening on START_SECONDS/SELECT_SECONDS`.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from time import perf_counter

from fillhandler_server.app import Application
from fillhandler_server.config import Settings
from fillhandler_server.journal.database import connect
from fillhandler_server.projections.rows import COLUMNS


async def main(data_dir: Path, key_file: Path) -> None:
    settings = Settings(listen="127.0.0.1:0", data_dir=data_dir, key_file=key_file, keyring=False)
    started = perf_counter()
    application = Application(settings)
    await application.start()
    opening = perf_counter() - started
    await application.stop()

    db = connect(application.store.path, application.store.key.digits, read_only=True)
    started = perf_counter()
    rows = db.execute(f"SELECT {COLUMNS} FROM orders WHERE final = 0 AND cleared = 0").fetchall()
    selecting = perf_counter() - started
    assert rows
    db.close()

    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    print(f"listening on {opening}/{selecting}", flush=True)
    await stopping.wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
