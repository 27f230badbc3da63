"""Every row, as `make bench` prints it. docs/benchmarks.md says what ARGS can ask for."""

from __future__ import annotations

import pytest
from tests.bench import live, parsing, record_fills, scale
from tests.bench.harness import Options
from tests.bench.run import Measure, measure

ROWS: dict[str, Measure] = record_fills.ROWS | live.ROWS | parsing.ROWS | scale.ROWS


@pytest.mark.bench
@pytest.mark.parametrize("name", ROWS)
async def test_row(name: str, request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]) -> None:
    given = request.config.getoption
    options = Options(
        rounds=given("--bench-rounds"), fills=given("--bench-fills"), long=given("--bench-long")
    )
    rows = await measure(ROWS[name], options)
    with capfd.disabled():
        print()
        for row in rows:
            print(row.line(), flush=True)
    if given("--gate"):
        missed = [row.line() for row in rows if row.below_gate]
        assert not missed, f"below the first gate: {missed}"
