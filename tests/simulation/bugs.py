"""Bugs that somebody could have made, put in on purpose: the simulation has to find each."""

from tests.simulation import bugs_of_figures, bugs_of_state
from tests.simulation.bug_tools import BUGS, Bug

__all__ = ["BUGS", "Bug", "bugs_of_figures", "bugs_of_state"]
