"""The exchange's clock, as far as it was measured."""

from __future__ import annotations

import logging
from typing import Final

from fillhandler_server.collectors.ports import Caller, Record
from fillhandler_server.collectors.settings import SECOND
from fillhandler_server.collectors.timing import Timing
from fillhandler_server.execution.connection import VenueConnection
from fillhandler_server.execution.errors import VenueError

log = logging.getLogger("fillhandler.collectors")

_ATTEMPTS: Final = 3
_JUMP: Final = SECOND // 2
"""This machine's clock and its monotonic one may differ by so much over a measurement."""


class VenueClock:
    """Tells the exchange's time from a measured skew and monotonic time.

    A jump of this machine's own clock must not move it: the confirmed time of a history follows it, and
    trades behind a confirmed time are not asked for again.
    """

    def __init__(self, connection: VenueConnection, ledger: Record, call: Caller, timing: Timing) -> None:
        self._connection = connection
        self._ledger = ledger
        self._call = call
        self._timing = timing
        self._anchor = (0, 0.0)
        """The exchange's time, and the monotonic one of the same moment."""
        self.skew: int | None = None
        """Nanoseconds that the exchange's clock is ahead of this machine's; None before it was measured."""

    def now(self) -> int | None:
        """The exchange's time in nanoseconds; None before it was measured."""
        if self.skew is None:
            return None
        at, monotonic = self._anchor
        return at + int((self._timing.monotonic() - monotonic) * SECOND)

    @property
    def age(self) -> float:
        """Seconds since it was measured."""
        return float("inf") if self.skew is None else self._timing.monotonic() - self._anchor[1]

    async def measure(self) -> None:
        """Measures it. A failure is passed over where there is an older measurement, or can never be one.

        Raises:
            VenueError: it failed this time, and there is none yet.
        """
        for _ in range(_ATTEMPTS):
            monotonic, wall = self._timing.monotonic(), self._ledger.now()
            try:
                skew = await self._call(self._connection.measure_skew)
            except VenueError as error:
                if self.skew is None and error.temporary:
                    raise
                log.info("the clock of %s was not measured: %s", self._connection.venue, error.text)
                return
            later, now = self._timing.monotonic(), self._ledger.now()
            if abs(now - wall - int((later - monotonic) * SECOND)) <= _JUMP:
                self.skew = skew
                self._anchor = (now + skew, later)
                return
            # What was measured is of before the jump or after it, and nobody knows which.
            log.warning("this machine's clock jumped while that of %s was measured", self._connection.venue)
