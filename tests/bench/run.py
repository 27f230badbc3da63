"""Rows from the command line: `python -m tests.bench.record_fills local one_fill --fills 100000`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import fields

from tests.bench.harness import Options, Row

Measure = Callable[[Options], Awaitable[Row | list[Row]]]


def main(rows: Mapping[str, Measure]) -> None:
    """Measures the named rows, or all."""
    parser = argparse.ArgumentParser(description="Measure rows; one JSON line each.")
    parser.add_argument("rows", nargs="*", choices=[[], *rows], metavar="ROW", help=", ".join(rows))
    parser.add_argument("--rounds", type=int, help="turns of reference and ours (default 5)")
    parser.add_argument("--fills", type=int, help="fills a round (default 100000)")
    parser.add_argument("--long", action="store_true", help="the sizes of the goals; takes an hour")
    parser.add_argument("--gate", action="store_true", help="exit 1 below a first gate")
    given = parser.parse_args()
    chosen = {
        field.name: value for field in fields(Options) if (value := getattr(given, field.name)) is not None
    }
    options = Options(**chosen)
    missed = False
    for name in given.rows or rows:
        for row in asyncio.run(measure(rows[name], options)):
            print(row.line(), flush=True)
            missed |= row.below_gate
    sys.exit(1 if given.gate and missed else 0)


async def measure(row: Measure, options: Options) -> list[Row]:
    """The rows that one measurement gives."""
    measured = await row(options)
    return measured if isinstance(measured, list) else [measured]
