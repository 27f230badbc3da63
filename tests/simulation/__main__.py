"""`python -m tests.simulation`: one seed again, or many in two processes."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from tests.simulation.run import failures, in_store, simulate
from tests.simulation.venues import WRITERS

_CHUNK = 50


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--venue", choices=[*WRITERS, "all"], default="all")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--seeds", type=int, default=10_000, help="how many in all, over the venues")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--store", action="store_true", help="against the real store; with --seed")
    parser.add_argument("-v", "--verbose", action="store_true", help="tell every step; with --seed")
    given = parser.parse_args()
    names = list(WRITERS) if given.venue == "all" else [given.venue]
    if given.seed is not None:
        return max(_one(name, given) for name in names)
    return _many(names, given)


def _one(venue: str, given: argparse.Namespace) -> int:
    if given.store:
        with tempfile.TemporaryDirectory() as folder:
            found = in_store(venue, given.seed, Path(folder))
    else:
        found = simulate(venue, given.seed, tell=print if given.verbose else None).problems
    for text in found:
        print(f"PROBLEM {text}")
    print(f"{venue} seed {given.seed}: {'FAILED' if found else 'ok'}")
    return bool(found)


def _many(names: list[str], given: argparse.Namespace) -> int:
    started, failed, done = time.monotonic(), 0, 0
    each = -(-given.seeds // len(names))
    last = given.first + each
    with ProcessPoolExecutor(given.processes) as pool:
        work = [
            pool.submit(failures, name, range(at, min(at + _CHUNK, last)))
            for at in range(given.first, last, _CHUNK)
            for name in names
        ]
        for future in as_completed(work):
            done += 1
            for line in future.result():
                failed += 1
                print(line, flush=True)
            if sys.stderr.isatty():
                print(f"\r{100 * done // len(work)} %", end="", file=sys.stderr, flush=True)
    seconds = time.monotonic() - started
    print(f"{each * len(names)} seeds of {', '.join(names)} in {seconds:.0f} s: {failed} failed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
