"""Decides what a command means, and folds what was decided into the orders.

Pure: no I/O, no clock, no protobuf, no async. The shell hands in a `Book` (the orders at hand) and the
time; out come events. `fold` is the only code that changes an order, so the journal, replayed, gives the
same orders.
"""

from __future__ import annotations

from fillhandler_server.engine.deciding import Engine, Result
from fillhandler_server.engine.folding import currencies_of, fold

__all__ = ["Engine", "Result", "currencies_of", "fold"]
