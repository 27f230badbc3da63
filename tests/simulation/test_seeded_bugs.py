"""What would have gone wrong is found: each bug that is put in shows within a few seeds."""

import pytest
from tests.simulation.bugs import BUGS, Bug
from tests.simulation.run import simulate
from tests.simulation.venues import WRITERS

WITHIN = 60
"""Seeds, over the venues that can show it."""


@pytest.mark.parametrize("bug", BUGS, ids=[bug.name for bug in BUGS])
def test_a_bug_is_found(bug: Bug) -> None:
    able = [name for name, writer in WRITERS.items() if bug.needs(writer.capabilities)]
    if not able:
        pytest.skip("depends on a venue that no writer is there for yet")
    for seed in range(WITHIN):
        venue = able[seed % len(able)]
        with bug.put_in():
            found = set(simulate(venue, seed).problems)
        if found and found - set(simulate(venue, seed).problems):
            print(f"{bug.name}: {venue} seed {seed}: {found.pop()}")
            return
    pytest.fail(f"{bug.name} stayed hidden for {WITHIN} seeds of {', '.join(able)}")


def test_there_are_enough() -> None:
    assert len(BUGS) >= 15
