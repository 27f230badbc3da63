"""The live stream of an account: made, kept, and made again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

import tenacity

from fillhandler_server.collectors.intake import Intake
from fillhandler_server.collectors.ports import Record
from fillhandler_server.collectors.settings import CollectorSettings
from fillhandler_server.collectors.state import ConnectionState, Standing
from fillhandler_server.collectors.timing import ReconnectWait, StreamBrokenError, Timing, end
from fillhandler_server.collectors.venue_clock import VenueClock
from fillhandler_server.execution.connection import Message, VenueConnection
from fillhandler_server.execution.errors import ErrorClass, VenueError

log = logging.getLogger("fillhandler.collectors")

_NO_STREAM: Final = "this venue's orders and fills are not streamed: its history is read instead"


class Streaming:
    """Connects and connects again, for ever, with waits between."""

    def __init__(
        self,
        connection: VenueConnection,
        ledger: Record,
        clock: VenueClock,
        intake: Intake,
        standing: Standing,
        settings: CollectorSettings,
        timing: Timing,
        *,
        prepare: Callable[[], Awaitable[object]],
        prepared: Callable[[], None],
        connected: Callable[[], None],
    ) -> None:
        """
        Args:
            connection: what streams.
            ledger: for the time.
            clock: measured before each attempt.
            intake: takes the messages.
            standing: where it is said how the stream is.
            settings: the waits.
            timing: what to wait by.
            prepare: makes the connection usable; called until it succeeds once.
            prepared: called when it has.
            connected: called each time the venue has confirmed the subscription.
        """
        self._connection = connection
        self._ledger = ledger
        self._clock = clock
        self._intake = intake
        self._standing = standing
        self._settings = settings
        self._timing = timing
        self._prepare = prepare
        self._on_prepared = prepared
        self._on_connected = connected
        self._is_prepared = False
        self._connected_at: float | None = None
        self._noted: bool | None = None
        """What the journal was told last; None before the first time."""
        self._name = f"{connection.venue} {connection.account} {connection.market}"

    async def run(self) -> None:
        """Until it is cancelled; where the venue has no stream, until the connection is usable."""
        settings = self._settings
        wait = ReconnectWait(
            settings.reconnect_base_seconds,
            settings.reconnect_cap_seconds,
            settings.refused_seconds,
            self._timing.draw,
        )
        await tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(StreamBrokenError), wait=wait, sleep=self._timing.sleep
        )(self._once)

    def ended(self) -> None:
        """Notes that it was stopped."""
        self._standing.state = ConnectionState.DISCONNECTED
        if self._noted:
            self._tell(False, "the collector was stopped")

    # ------------------------------------------------------------------ one attempt

    async def _once(self) -> None:
        await self._intake.room()
        self._standing.state = ConnectionState.CONNECTING
        self._connected_at = None
        try:
            if not self._is_prepared:
                await self._prepare()
                self._is_prepared = True
                self._on_prepared()
            await self._clock.measure()
            if not self._connection.streams:
                self._standing.state = ConnectionState.DISCONNECTED
                self._standing.wrong("stream", _NO_STREAM)
                self._on_connected()
                return
            await self._listen()
            error = _network_error("the stream ended")
        except VenueError as caught:
            error = caught
        except Exception as unexpected:  # a fault of ours must not end the collecting
            log.exception("the stream of %s failed", self._name)
            error = _network_error(f"an unexpected {type(unexpected).__name__}")
        raise self._broken(error)

    async def _listen(self) -> None:
        """Listens until the stream ends, or what it brings finds no room."""
        full = asyncio.Event()

        def received(message: Message) -> None:
            if not full.is_set() and not self._intake.put(message):
                full.set()

        stream = asyncio.ensure_future(self._connection.stream(self._connected, received))
        filled = asyncio.ensure_future(full.wait())
        try:
            await asyncio.wait({stream, filled}, return_when=asyncio.FIRST_COMPLETED)
            if full.is_set():
                raise _network_error("the stream was dropped: too many messages wait for the record")
            stream.result()
        finally:
            # From here on nothing more of it is taken.
            full.set()
            await end(stream, filled)

    def _connected(self) -> None:
        again = self._standing.connected
        self._standing.state = ConnectionState.CONNECTED
        self._standing.connect_time = self._ledger.now()
        self._standing.right("stream")
        self._standing.connects += 1
        if not again:
            self._connected_at = self._timing.monotonic()
            log.info("the stream of %s is connected", self._name)
            self._tell(True, "")
        self._on_connected()

    def _broken(self, error: VenueError) -> StreamBrokenError:
        """Says how it is now, and what to wait by."""
        refused = error.error_class is ErrorClass.AUTHENTICATION
        self._standing.state = ConnectionState.REFUSED if refused else ConnectionState.DISCONNECTED
        if self._standing.wrong("stream", error.text):
            log.warning("no stream of %s: %s", self._name, error.text)
        if self._noted is not False:
            self._tell(False, error.text)
        lasted = 0.0 if self._connected_at is None else self._timing.monotonic() - self._connected_at
        return StreamBrokenError(error, was_good=lasted >= self._settings.stable_seconds)

    def _tell(self, connected: bool, text: str) -> None:
        self._noted = connected
        self._intake.note(connected, text)


def _network_error(text: str) -> VenueError:
    return VenueError(ErrorClass.NETWORK_ERROR, text, maybe_applied=False, temporary=True)
