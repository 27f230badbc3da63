"""What to do about each kind of anomaly: the one table; docs/anomalies.md says the same at length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fillhandler_server.domain.events import AnomalyKind

ADVICE: Final[Mapping[int, str]] = {
    AnomalyKind.OVERFILL: (
        "compare the order with the venue's: if its quantity was raised there, report the order with the new"
        " quantity; else bust what the venue does not list among its trades"
    ),
    AnomalyKind.FILL_AFTER_REJECTION: (
        "look the trade up at the venue: if it is listed, the position is open although the order was"
        " rejected; else bust the fill"
    ),
    AnomalyKind.CUMULATIVE_BELOW_FILLS: (
        "compare the order's trades with the venue's history; bust what the venue does not list"
    ),
    AnomalyKind.SIDE_MISMATCH: (
        "look the trade up at the venue: if its side is the order's, bust the fill and record it with that"
        " side; else find out which order of yours the trade belongs to"
    ),
    AnomalyKind.CONFLICTING_FILL: (
        "compare both contents with the venue's trade: if the first is right, leave it; else correct the"
        " fill, under a new trade id of the correction's own"
    ),
    AnomalyKind.UNKNOWN_ORDER: (
        "find out who placed the order: if it is yours, register it; else change the account's keys and"
        " ask the venue"
    ),
    AnomalyKind.POSITION_FLIP: (
        "check that the position was meant to turn; where it was meant to close only, send such orders as"
        " reduce-only"
    ),
}
"""Kind → a sentence for people, in lower case without a full stop."""
