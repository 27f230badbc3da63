"""One collector a connection: the stream, and the repairs that make up for what it loses."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from fillhandler_server.collectors.history import History, HistoryError
from fillhandler_server.collectors.intake import Intake
from fillhandler_server.collectors.orders import Orders
from fillhandler_server.collectors.ports import STORE_ERRORS, Caller, Record, call_once
from fillhandler_server.collectors.settings import CollectorSettings
from fillhandler_server.collectors.state import CollectorState, Standing
from fillhandler_server.collectors.streaming import Streaming
from fillhandler_server.collectors.timing import Doubling, Timing, end
from fillhandler_server.collectors.venue_clock import VenueClock
from fillhandler_server.execution.connection import VenueConnection
from fillhandler_server.execution.errors import ErrorClass, VenueError

log = logging.getLogger("fillhandler.collectors")

_NEVER: Final = float("inf")
_FIRST_WAIT_SECONDS: Final = 10.0
"""How long the stream may take to connect before the history is read without it."""
_FAILED_BASE_SECONDS: Final = 2.0
_UNREAD_BASE_SECONDS: Final = 5.0


class Collector:
    """Keeps one account at one venue's market in the record.

    Used on the event loop. `start` returns at once; whatever fails is tried again until `stop`.
    """

    def __init__(
        self,
        connection: VenueConnection,
        ledger: Record,
        settings: CollectorSettings | None = None,
        *,
        call: Caller = call_once,
        prepare: Callable[[], Awaitable[object]] | None = None,
        repaired_fills: int = 0,
        timing: Timing | None = None,
    ) -> None:
        """
        Args:
            connection: opened and closed by whoever made it, and not by the collector.
            ledger: the record.
            settings: the pace.
            call: sends the queries.
            prepare: makes the connection usable; called until it succeeds once. By default its `start`.
            repaired_fills: what the journal counts before this start.
            timing: what to wait by.
        """
        self._connection = connection
        self._ledger = ledger
        self._settings = settings = settings or CollectorSettings()
        self._timing = timing = timing or Timing()
        self._standing = standing = Standing(repaired_fills)
        self._clock = VenueClock(connection, ledger, call, timing)
        self._intake = Intake(
            connection, ledger, standing, settings, timing, recorded=self._look_soon, unread=self._owe_unread
        )
        self._intake.skew = lambda: self._clock.skew
        self._history = History(
            connection, ledger, call, self._clock, self._intake, standing, settings, timing
        )
        self._orders = Orders(connection, ledger, call, self._clock, self._history, settings, timing)
        self._streaming = Streaming(
            connection,
            ledger,
            self._clock,
            self._intake,
            standing,
            settings,
            timing,
            prepare=prepare or connection.start,
            prepared=lambda: self._owe(_FIRST_WAIT_SECONDS),
            connected=self._owe_everything,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._recording: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._repair_at = _NEVER
        """Monotonic time of the next reading of the whole history."""
        self._look_at = _NEVER
        self._usable = False
        self._every_order = True
        """Whether the next repair asks for all open orders."""
        self._repair_pace = Doubling(_FAILED_BASE_SECONDS, settings.repair_seconds)
        self._look_pace = Doubling(_FAILED_BASE_SECONDS, settings.repair_seconds)
        self._unread_pace = Doubling(_UNREAD_BASE_SECONDS, settings.repair_seconds)
        self._unread_owed = False
        """Whether the next repair makes up for messages that could not be read."""

    # ------------------------------------------------------------------ for its owner

    @property
    def connection(self) -> VenueConnection:
        """What it collects from."""
        return self._connection

    @property
    def state(self) -> CollectorState:
        """As it stands now."""
        return self._standing.snapshot(self._clock.skew, self._history.confirmed_time())

    def start(self) -> None:
        """Begins, on the running event loop."""
        assert self._recording is None, "a collector starts once"
        self._recording = asyncio.ensure_future(self._intake.run())
        self._tasks = [
            asyncio.ensure_future(self._streaming.run()),
            asyncio.ensure_future(self._keep_repairing()),
        ]

    async def stop(self) -> None:
        """Ends the stream and any query under way, records what was received, and leaves nothing running."""
        if self._recording is None:
            return
        await end(*self._tasks)
        self._tasks = []
        self._streaming.ended()
        self._intake.close()
        await self._recording

    def look(self) -> None:
        """An order may have become incomplete: looks now."""
        if self._usable:
            self._look_at = min(self._look_at, self._timing.monotonic())
            self._wake.set()

    # ------------------------------------------------------------------ when

    def _owe(self, seconds: float = 0.0) -> None:
        """The history is to be read in so many seconds, if not sooner."""
        self._usable = True
        self._repair_at = min(self._repair_at, self._timing.monotonic() + seconds)
        self._wake.set()

    def _owe_everything(self) -> None:
        self._every_order = True
        self._owe()

    def _owe_unread(self) -> None:
        """After a message that could not be read: at once, and later where that has not helped."""
        if self._usable and not self._unread_owed:
            self._unread_owed = True
            wait = self._unread_pace.next()
            self._owe(wait if self._unread_pace.count > 1 else 0.0)

    def _look_soon(self) -> None:
        """After messages: what is missing yet is usually in the next ones."""
        if self._usable:
            self._look_at = min(self._look_at, self._timing.monotonic() + self._settings.look_seconds)
            self._wake.set()

    async def _keep_repairing(self) -> None:
        monotonic = self._timing.monotonic
        while True:
            await self._timing.wait(self._wake, min(self._repair_at, self._look_at) - monotonic())
            self._wake.clear()
            if monotonic() >= self._repair_at:
                wait = await self._attempt("repair", self._repair, self._repair_pace)
                if wait:
                    self._repair_at = min(self._repair_at, monotonic() + wait)
            if monotonic() >= self._look_at:
                await self._try_to_look()

    async def _attempt(self, part: str, work: Callable[[], Awaitable[None]], pace: Doubling) -> float:
        """Does a piece of work. Returns after how many seconds to try again; 0 where it succeeded."""
        error: Exception
        try:
            await work()
        except (VenueError, HistoryError, *STORE_ERRORS) as caught:
            error, text = caught, caught.text
        except Exception as unexpected:  # a fault of ours must not end the repairs
            log.exception("a repair of %s failed", self._connection.venue)
            error, text = unexpected, f"an unexpected {type(unexpected).__name__}"
        else:
            pace.reset()
            self._standing.right(part)
            return 0.0
        if self._standing.wrong(part, text):
            log.warning("the history of %s was not read completely: %s", self._connection.venue, text)
        wait = pace.next()
        if isinstance(error, VenueError):
            if error.error_class is ErrorClass.AUTHENTICATION:
                wait = self._settings.refused_seconds
            wait = max(wait, error.retry_after or 0.0)
        return wait

    # ------------------------------------------------------------------ what

    async def _repair(self) -> None:
        """Reads the history of every symbol, then asks for open orders.

        In this order, so that an order's end does not come before its fills.
        """
        # What comes to be owed from here on is owed after it.
        self._repair_at = _NEVER
        every, self._every_order = self._every_order, False
        after_unread, self._unread_owed = self._unread_owed, False
        try:
            if self._clock.age >= self._settings.skew_seconds:
                await self._clock.measure()
            problem = await self._read_all()
            await self._orders.refresh(every=every)
        except BaseException:
            self._every_order |= every
            raise
        # What was asked for may be incomplete now.
        self._look_at = min(self._look_at, self._timing.monotonic())
        if problem is not None:
            raise problem
        if not self._unread_owed:
            self._standing.right("unread")
            if not after_unread:
                self._unread_pace.reset()
        self._repair_at = min(self._repair_at, self._timing.monotonic() + self._settings.repair_seconds)

    async def _read_all(self) -> Exception | None:
        """Reads each symbol. One that fails for good does not keep the others; returns how the first did."""
        problem: Exception | None = None
        for symbol in await self._history.symbols():
            try:
                await self._history.read(symbol)
            except VenueError as error:
                if error.temporary or error.error_class is ErrorClass.AUTHENTICATION:
                    raise
                problem = problem or error
            except HistoryError as error:
                problem = problem or error
            if self._timing.monotonic() >= self._look_at:
                await self._try_to_look()
        return problem

    async def _try_to_look(self) -> None:
        wait = await self._attempt("look", self._look, self._look_pace)
        if wait:
            self._look_at = min(self._look_at, self._timing.monotonic() + wait)

    async def _look(self) -> None:
        """Looks for what incomplete orders miss, and says when to look again."""
        self._look_at = _NEVER
        if await self._orders.complete():
            self._look_at = min(self._look_at, self._timing.monotonic() + self._settings.look_seconds)
