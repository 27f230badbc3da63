"""The venues' writers, one module each."""

from __future__ import annotations

import importlib
import pkgutil

from tests.simulation.writer import Writer


def _found() -> dict[str, Writer]:
    writers: dict[str, Writer] = {}
    for module in pkgutil.iter_modules(__path__):
        found = importlib.import_module(f"{__name__}.{module.name}")
        for value in vars(found).values():
            if isinstance(value, type) and issubclass(value, Writer) and value.__module__ == found.__name__:
                writers[value.name or value.venue] = value()
    return dict(sorted(writers.items()))


WRITERS = _found()
"""By name: the venue's, but for those that are a venue with something changed."""
