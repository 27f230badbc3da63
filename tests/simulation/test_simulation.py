"""The proof by simulation, short: some of the seeds of every venue that has a writer."""

import os
from pathlib import Path

import pytest
from tests.simulation.run import failures, in_store, replay_line
from tests.simulation.venues import WRITERS

SEEDS = 200
"""In all; `python -m tests.simulation` runs as many as there is time for."""


@pytest.mark.parametrize("venue", WRITERS)
def test_the_record_is_the_truth(venue: str) -> None:
    failed = failures(venue, range(-(-SEEDS // len(WRITERS))))
    print("\n".join(failed))
    assert failed == []


@pytest.mark.persistence
@pytest.mark.parametrize("venue", WRITERS)
def test_so_it_is_in_the_real_store(venue: str, tmp_path: Path) -> None:
    for seed in range(1000, 1003):
        assert in_store(venue, seed, tmp_path / str(seed)) == [], replay_line(venue, seed) + " --store"


@pytest.mark.long
@pytest.mark.parametrize("venue", WRITERS)
def test_the_record_is_the_truth_long(venue: str) -> None:
    failed = failures(venue, range(2000, 2000 + int(os.environ.get("SIMULATION_SEEDS", "300"))))
    print("\n".join(failed))
    assert failed == []
