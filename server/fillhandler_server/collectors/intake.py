"""What the stream brought, on its way into the record: in order, in batches, bounded."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Final, NamedTuple

from fillhandler_server.collectors.ports import STORE_ERRORS, Record
from fillhandler_server.collectors.settings import CollectorSettings
from fillhandler_server.collectors.state import Standing
from fillhandler_server.collectors.timing import Doubling, Timing
from fillhandler_server.domain.errors import FillHandlerError
from fillhandler_server.execution import payloads
from fillhandler_server.execution.connection import Message, VenueConnection

log = logging.getLogger("fillhandler.collectors")

BATCH_MAX: Final = 200
NOTES_MAX: Final = 100
"""Notes that wait; past it a connection that comes and goes leaves only the last word of it."""
TEXT_MAX: Final = 300
_RETRY_BASE_SECONDS: Final = 0.1
_RETRY_CAP_SECONDS: Final = 5.0


class _Received(NamedTuple):
    message: Message
    arrival: int


class _Note(NamedTuple):
    connected: bool
    text: str


class Intake:
    """Takes messages at once and records them as fast as the record takes them.

    While recording fails they are kept. What does not fit any more is refused: the stream is dropped then,
    and what it would have brought is read from the history.
    """

    def __init__(
        self,
        connection: VenueConnection,
        ledger: Record,
        standing: Standing,
        settings: CollectorSettings,
        timing: Timing,
        *,
        recorded: Callable[[], None],
        unread: Callable[[], None],
    ) -> None:
        """
        Args:
            connection: whose messages these are.
            ledger: where they go.
            standing: where it is said what goes wrong.
            settings: the bounds.
            timing: what to wait by.
            recorded: called after messages were recorded.
            unread: called after messages could not be read.
        """
        self._connection = connection
        self._ledger = ledger
        self._standing = standing
        self._settings = settings
        self._timing = timing
        self._on_recorded = recorded
        self._on_unread = unread
        self._waiting: deque[_Received | _Note] = deque()
        self._messages = 0
        self._bytes = 0
        self._notes = 0
        self._taken = 0
        self._done = 0
        self._settling: deque[tuple[int, asyncio.Future[None]]] = deque()
        """Who waits until so many entries are done; ascending."""
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._singly = 0
        """Messages to record one by one, because together they could not be."""
        self._pace = Doubling(_RETRY_BASE_SECONDS, _RETRY_CAP_SECONDS)
        self.skew: Callable[[], int | None] = lambda: None

    # ------------------------------------------------------------------ in

    def put(self, message: Message) -> bool:
        """Takes a message. False where it does not fit: it is lost, and what follows it should be refused."""
        size = self._bytes + len(message.payload)
        full = self._messages >= self._settings.messages_max or size > self._settings.bytes_max
        if full and self._messages:
            self._has_room.clear()
            return False
        arrival = self._ledger.now()
        self._standing.last_message_time = arrival
        self._bytes = size
        self._messages += 1
        self._append(_Received(message, arrival))
        return True

    def note(self, connected: bool, text: str = "") -> None:
        """Notes, after the messages before it, that the connection came or went."""
        if self._notes >= NOTES_MAX and isinstance(self._waiting[-1], _Note):
            self._waiting[-1] = _Note(connected, text)
            return
        self._notes += 1
        self._append(_Note(connected, text))

    def _append(self, entry: _Received | _Note) -> None:
        self._waiting.append(entry)
        self._taken += 1
        self._wake.set()

    async def room(self) -> None:
        """Waits until at least half of it is free again, if it was full."""
        await self._has_room.wait()

    async def settled(self) -> None:
        """Waits until all that was taken so far is recorded."""
        if self._done >= self._taken:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._settling.append((self._taken, future))
        await future

    # ------------------------------------------------------------------ out

    async def run(self) -> None:
        """Records until `close`, after which it ends with the last message, or at the next failure."""
        while not (self._closing.is_set() and not self._waiting):
            await self._wake.wait()
            self._wake.clear()
            while self._waiting and await self._step():
                self._pace.reset()
                self._standing.right("record")
            if self._waiting:
                if self._closing.is_set():
                    log.warning("%d messages were left to the next start's repair", self._messages)
                    return
                await self._timing.wait(self._closing, self._pace.next())
                self._wake.set()

    def close(self) -> None:
        """Nothing more will come."""
        self._closing.set()
        self._wake.set()

    async def _step(self) -> bool:
        """Records what comes next. False where the record takes nothing now."""
        head = self._waiting[0]
        try:
            if isinstance(head, _Note):
                await self._write_note(head)
            else:
                await self._write_messages()
        except STORE_ERRORS as error:
            if self._standing.wrong("record", f"nothing can be recorded: {error.text}"):
                log.warning("nothing from %s can be recorded: %s", self._connection.venue, error.text)
            return False
        return True

    async def _write_note(self, note: _Note) -> None:
        connection = self._connection
        try:
            await self._ledger.connection_changed(
                connection.venue,
                connection.account,
                connection.market,
                connected=note.connected,
                text=note.text,
            )
        except STORE_ERRORS:
            raise
        except Exception:  # messages behind it must not wait for ever
            log.exception("that %s came or went could not be noted", connection.venue)
        self._remove(1)
        self._notes -= 1

    async def _write_messages(self) -> None:
        batch: list[_Received] = []
        for entry in islice(self._waiting, 1 if self._singly else BATCH_MAX):
            if isinstance(entry, _Note):
                break
            batch.append(entry)
        unread: tuple[str, ...]
        try:
            recorded = await self._ledger.record(
                self._connection.venue, self._connection.account, [entry.message for entry in batch]
            )
            unread = recorded.unread
        except STORE_ERRORS:
            raise
        except Exception as error:  # whatever it is, the messages behind this one must not wait for ever
            log.exception("a message from %s could not be recorded", self._connection.venue)
            if len(batch) > 1:
                self._singly = len(batch)
                return
            unread = (f"an unexpected {type(error).__name__}",)
        self._singly = max(0, self._singly - len(batch))
        self._remove(len(batch))
        self._messages -= len(batch)
        self._bytes -= sum(len(entry.message.payload) for entry in batch)
        settings = self._settings
        if self._messages <= settings.messages_max // 2 and self._bytes <= settings.bytes_max // 2:
            self._has_room.set()
        self._measure_lag(batch[-1])
        self._on_recorded()
        if unread:
            self.count_unread(unread)

    def count_unread(self, texts: tuple[str, ...]) -> None:
        """Counts and logs messages that could not be read, and has the gap repaired."""
        self._standing.unread_messages += len(texts)
        text = f"{len(texts)} of {self._connection.venue}'s messages could not be read: {texts[0][:TEXT_MAX]}"
        log.warning("%s", text)
        self._standing.wrong("unread", text)
        self._on_unread()

    def _remove(self, count: int) -> None:
        for _ in range(count):
            self._waiting.popleft()
        self._done += count
        while self._settling and self._settling[0][0] <= self._done:
            future = self._settling.popleft()[1]
            if not future.done():
                future.set_result(None)

    def _measure_lag(self, entry: _Received) -> None:
        """From the venue's time of a message to its arrival; one message a batch is read for it."""
        skew = self.skew()
        told = _venue_time(self._connection, entry.message)
        if skew is not None and told is not None:
            self._standing.lag = max(0, entry.arrival + skew - told)


def _venue_time(connection: VenueConnection, message: Message) -> int | None:
    """The latest time that a message tells of; None where it tells none."""
    if payloads.needs_thread(connection.venue, message.format):
        return None
    try:
        parsed = payloads.parse_payload(
            connection.venue, connection.account, message.payload, format=message.format
        )
    except FillHandlerError:
        return None
    times = [fill.trade_time for fill in parsed.fills] + [report.time for report in parsed.reports]
    return max((each for each in times if each is not None), default=None)
