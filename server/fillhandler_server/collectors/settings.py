"""How a collector paces itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SECOND: Final = 1_000_000_000
"""In nanoseconds."""
HOUR: Final = 3600 * SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorSettings:
    """Settings of one collector.

    Attributes:
        symbols: Always read, in any spelling that the venue's connection knows; beside those that the record
            has orders in. Without effect where the history needs no symbol.
        history_hours: How far the first reading of a symbol looks back.
        repair_seconds: Between two readings of the whole history since the last one.
        look_seconds: Between two looks for incomplete orders, while an order is open or incomplete.
        overlap_seconds: How far before the confirmed time each reading begins: what a venue shows later than
            that after the trade is found only if it leaves an order incomplete.
        margin_seconds: How far the confirmed time stays behind the moment of the query.
        stream_grace_seconds: How long the stream may take to bring a trade before the history's word for it
            counts as a repair.
        skew_seconds: The age at which the measured clock skew is measured again, with the next reading.
        orders_a_repair: Open orders that one periodic repair asks for; after a connect it asks for all.
        reconnect_base_seconds: Upper end of the first wait before a reconnect; it doubles with every attempt,
            and each wait is drawn evenly from zero to it.
        reconnect_cap_seconds: Upper end of any such wait that the venue did not ask for.
        stable_seconds: A stream that lasted so long was good: the waits begin anew.
        refused_seconds: After the venue refused the credentials, the next attempt comes after a half to the
            whole of this.
        messages_max: Received messages that wait for the record; past it the stream is dropped.
        bytes_max: The same in bytes.
    """

    symbols: tuple[str, ...] = ()
    history_hours: float = 24.0
    repair_seconds: float = 180.0
    look_seconds: float = 2.0
    overlap_seconds: float = 60.0
    margin_seconds: float = 5.0
    stream_grace_seconds: float = 1.0
    skew_seconds: float = 120.0
    orders_a_repair: int = 50
    reconnect_base_seconds: float = 1.0
    reconnect_cap_seconds: float = 60.0
    stable_seconds: float = 60.0
    refused_seconds: float = 900.0
    messages_max: int = 10_000
    bytes_max: int = 32 << 20
