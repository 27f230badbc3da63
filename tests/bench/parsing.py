"""The row about reading a venue's payload."""

from __future__ import annotations

import json
from time import perf_counter
from typing import Final

from tests.bench.harness import Options, Row, in_turn
from tests.bench.scale import execution_report

from fillhandler_server.venues import parse_payload


async def parse(options: Options) -> Row:
    """A Binance execution report to its fill and its order report, against json.loads of the same bytes."""
    number = 5_000
    payloads: list[bytes] = []

    async def theirs(turn: int) -> float:
        payloads[:] = [execution_report(20_000_000_000 + turn * number + at) for at in range(number)]
        started = perf_counter()
        for payload in payloads:
            json.loads(payload)
        return (perf_counter() - started) / number * 1e6

    async def ours(_: int) -> float:
        started = perf_counter()
        for payload in payloads:
            parse_payload("binance", "main", payload)
        return (perf_counter() - started) / number * 1e6

    measured, base = await in_turn(options.rounds, theirs, ours)
    return Row(
        name="parse_binance_execution_report",
        ours=measured,
        reference=base,
        unit="us",
        goal=4,
        better="lower",
    )


ROWS: Final = {"parse": parse}

if __name__ == "__main__":
    from tests.bench.run import main

    main(ROWS)
