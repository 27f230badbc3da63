"""A venue's trade history, read completely or not at all: gaps end here."""

from __future__ import annotations

import logging
from collections.abc import Collection
from functools import partial

from fillhandler_server.collectors.intake import TEXT_MAX, Intake
from fillhandler_server.collectors.ports import Caller, Record
from fillhandler_server.collectors.settings import HOUR, SECOND, CollectorSettings
from fillhandler_server.collectors.state import Standing
from fillhandler_server.collectors.timing import Timing
from fillhandler_server.collectors.venue_clock import VenueClock
from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.execution.connection import Message, TradePage, VenueConnection
from fillhandler_server.execution.errors import VenueError

log = logging.getLogger("fillhandler.collectors")


class HistoryError(Exception):
    """The history was answered, and yet not read completely. The text may be shown."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class History:
    """Reads trades into the record and knows up to when nothing is missing.

    The confirmed time of a symbol moves only after a reading that was complete: every page answered, every
    trade understood and recorded. It moves to the moment the first page was asked for, less a margin, and
    each reading begins an overlap before it, because venues show some trades late.
    """

    def __init__(
        self,
        connection: VenueConnection,
        ledger: Record,
        call: Caller,
        clock: VenueClock,
        intake: Intake,
        standing: Standing,
        settings: CollectorSettings,
        timing: Timing,
    ) -> None:
        self._connection = connection
        self._ledger = ledger
        self._call = call
        self._clock = clock
        self._intake = intake
        self._standing = standing
        self._settings = settings
        self._timing = timing
        self._confirmed: dict[str, int] | None = None
        self._noted: dict[str, int] = {}
        """The confirmed times that the journal holds."""
        self._unnoted: dict[str, int] = {}
        """Repaired fills that it does not hold yet."""
        self._read_last: Collection[str] = ()

    # ------------------------------------------------------------------ what is confirmed

    async def load(self) -> None:
        """Reads what was confirmed before the start."""
        if self._confirmed is None:
            connection = self._connection
            noted = await self._ledger.confirmed_times(
                connection.venue, connection.account, connection.market
            )
            self._noted, self._confirmed = dict(noted), dict(noted)

    @property
    def confirmed(self) -> dict[str, int]:
        """Up to when the history is in the record, by symbol; "" for all of them at once."""
        return {} if self._confirmed is None else self._confirmed

    def confirmed_time(self) -> int | None:
        """That of the symbol which is furthest behind, of those that are read; None where one never was."""
        times = [self.confirmed.get(symbol) for symbol in self._read_last or self.confirmed]
        return None if None in times else min((each for each in times if each is not None), default=None)

    async def symbols(self) -> list[str]:
        """What has to be asked for, canonical: "" where one question covers all symbols. What the venue does
        not have, or not any more, is left out."""
        await self.load()
        if not self._connection.history_needs_symbol:
            self._read_last = [""]
        else:
            connection, settings = self._connection, self._settings
            found = set(settings.symbols)
            since = self._now() - int(settings.history_hours * HOUR)
            if self.confirmed:
                # What was traded while nobody collected: since then, however long ago that is.
                since = min(since, max(self.confirmed.values()) - int(settings.overlap_seconds * SECOND))
            found |= await self._ledger.known_symbols(
                connection.venue, connection.account, connection.market, since
            )
            self._read_last = sorted(set(filter(None, map(self._canonical, found))))
        return list(self._read_last)

    def _canonical(self, symbol: str) -> str:
        try:
            return self._connection.rules(symbol).symbol
        except InvalidFieldError as error:
            if self._standing.wrong(f"symbol {symbol}", error.text):
                log.warning("%s is not collected: %s", symbol, error.text)
            return ""

    def key(self, symbol: str) -> str:
        """The symbol that the history has to be asked for, where it is about an order in this one."""
        return symbol if self._connection.history_needs_symbol else ""

    def _now(self) -> int:
        told = self._clock.now()
        return self._ledger.now() if told is None else told

    # ------------------------------------------------------------------ reading

    async def read(self, symbol: str, since: int | None = None) -> int:
        """Reads the trades of a symbol, from the confirmed time or from an earlier one. Returns how many were
        not known.

        Raises:
            VenueError: a query failed; what the pages before it held is recorded, nothing is confirmed.
            HistoryError: pages were not complete, or held what could not be read.
        """
        await self.load()
        began = self._clock.now()
        usual = self._since(symbol, began)
        try:
            latest, new = await self._read_pages(symbol, usual if since is None else min(since, usual))
        except (VenueError, HistoryError):
            # Not in a `finally`: a record that refuses the note would take the place of a cancellation.
            await self.note(symbol)
            raise
        self._confirm(symbol, began, latest)
        await self.note(symbol)
        return new

    def _since(self, symbol: str, began: int | None) -> int:
        settings = self._settings
        reached = self.confirmed.get(symbol)
        if reached is None or (began is not None and reached > began):
            # What is said to be confirmed up to a time that has not come yet: a clock was wrong.
            return self._now() - int(settings.history_hours * HOUR)
        return reached - int(settings.overlap_seconds * SECOND)

    async def _read_pages(self, symbol: str, since: int) -> tuple[int | None, int]:
        """The latest trade's time, and how many trades were not known."""
        latest: int | None = None
        cursor, new = "", 0
        unread: list[str] = []
        while True:
            page = await self._call(partial(self._connection.trades, symbol, since, cursor))
            if page.last_time is not None:
                latest = max(page.last_time, latest or page.last_time)
            if page.messages:
                await self._let_the_stream_tell(page)
                found, texts = await self.record(page.messages, symbol)
                new += found
                unread += texts
            if page.complete:
                break
            if not page.cursor or page.cursor == cursor:
                raise HistoryError(f"the history of {symbol or 'all symbols'} has no next page and goes on")
            cursor = page.cursor
        if unread:
            # Not confirmed: what is not in the record is asked for again, until it can be read.
            raise HistoryError(f"{len(unread)} trades could not be read: {unread[0][:TEXT_MAX]}")
        return latest, new

    async def record(self, messages: tuple[Message, ...], symbol: str) -> tuple[int, tuple[str, ...]]:
        """Records what a query answered. Returns how many fills were not known, and what was not read."""
        # What the stream has brought already is not repaired.
        await self._intake.settled()
        connection = self._connection
        recorded = await self._ledger.record(connection.venue, connection.account, messages)
        if recorded.new_fills:
            self._unnoted[symbol] = self._unnoted.get(symbol, 0) + recorded.new_fills
            self._standing.repaired_fills += recorded.new_fills
        self._standing.unread_messages += len(recorded.unread)
        return recorded.new_fills, recorded.unread

    async def _let_the_stream_tell(self, page: TradePage) -> None:
        """A trade of this moment is on its way in the stream: that the history was faster repairs nothing."""
        now = self._clock.now()
        if not self._standing.connected or now is None or page.last_time is None:
            return
        grace = self._settings.stream_grace_seconds
        young = grace - (now - page.last_time) / SECOND
        if young > 0:
            await self._timing.sleep(min(young, grace))

    def _confirm(self, symbol: str, began: int | None, latest: int | None) -> None:
        # Where the venue does not tell its time, its trades do.
        seen = latest if began is None else began
        if seen is None:
            return
        reached = seen - int(self._settings.margin_seconds * SECOND)
        before = self.confirmed.get(symbol)
        if before is None or reached > before or (began is not None and before > began):
            self.confirmed[symbol] = reached

    async def note(self, symbol: str) -> None:
        """Journals a repair; without one the confirmed time alone, by the hour, so that little is written."""
        repaired, reached = self._unnoted.get(symbol, 0), self.confirmed.get(symbol)
        noted = self._noted.get(symbol)
        moved = reached is not None and (noted is None or abs(reached - noted) > HOUR)
        if not repaired and not moved:
            return
        connection = self._connection
        fills = "1 fill" if repaired == 1 else f"{repaired} fills"
        await self._ledger.connection_changed(
            connection.venue,
            connection.account,
            connection.market,
            connected=self._standing.connected,
            text=f"{fills} that the stream had not brought came from the history" if repaired else "",
            repaired_fills=repaired,
            symbol=symbol,
            confirmed_time=reached,
        )
        if reached is not None:
            self._noted[symbol] = reached
        self._unnoted.pop(symbol, None)
