"""Orders that the record holds for open or incomplete: which of them are asked about, and when."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Final

from fillhandler_server.collectors.history import History, HistoryError
from fillhandler_server.collectors.intake import TEXT_MAX
from fillhandler_server.collectors.ports import Caller, Record
from fillhandler_server.collectors.settings import HOUR, SECOND, CollectorSettings
from fillhandler_server.collectors.timing import Doubling, Timing
from fillhandler_server.collectors.venue_clock import VenueClock
from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.execution.connection import VenueConnection
from fillhandler_server.execution.errors import ErrorClass, VenueError
from fillhandler_server.execution.ledger import OrderView

log = logging.getLogger("fillhandler.collectors")

_WIDENINGS_MAX: Final = 16
_SEARCH_CAP_SECONDS: Final = 3600.0
"""Between two searches for what an order misses: the usual readings go on meanwhile."""


@dataclass(slots=True)
class _Search:
    """An order whose missing quantity is looked for."""

    missing: Decimal
    pace: Doubling
    due: float = 0.0


class Orders:
    """Asks for open orders, and reads the history again where the venue counts more than its fills told."""

    def __init__(
        self,
        connection: VenueConnection,
        ledger: Record,
        call: Caller,
        clock: VenueClock,
        history: History,
        settings: CollectorSettings,
        timing: Timing,
    ) -> None:
        self._connection = connection
        self._ledger = ledger
        self._call = call
        self._clock = clock
        self._history = history
        self._settings = settings
        self._timing = timing
        self._asked: dict[int, float] = {}
        """Open orders by number, and when they were asked for last."""
        self._searches: dict[int, _Search] = {}

    # ------------------------------------------------------------------ open orders

    async def refresh(self, *, every: bool) -> None:
        """Asks the venue for open orders, which may have ended unheard: all of them, or those that were not
        asked for longest.

        Raises:
            VenueError: a query failed for good; orders already asked for stay asked for.
            HistoryError: an answer could not be read.
        """
        began = self._timing.monotonic()
        found = await self._open()
        self._asked = {order.number: self._asked.get(order.number, float("-inf")) for order in found}
        found.sort(key=lambda order: self._asked[order.number])
        unread = ""
        for order in found if every else found[: self._settings.orders_a_repair]:
            text = await self._ask(order)
            unread = unread or text
            self._asked[order.number] = began
            await self._history.note(self._history.key(order.symbol))
        if unread:
            raise HistoryError(f"an order's state could not be read: {unread[:TEXT_MAX]}")

    async def _open(self) -> list[OrderView]:
        connection = self._connection
        found = await self._ledger.open_orders(connection.venue, connection.account, connection.market)
        return [order for order in found if self._is_ours(order)]

    async def _incomplete(self) -> list[OrderView]:
        found = await self._ledger.incomplete_orders(self._connection.venue, self._connection.account)
        return [order for order in found if self._is_ours(order)]

    def _is_ours(self, order: OrderView) -> bool:
        """Whether the venue can be asked about it: another market's, or delisted, it does not know."""
        try:
            return bool(order.symbol) and self._connection.rules(order.symbol).symbol == order.symbol
        except InvalidFieldError:
            return False

    async def _ask(self, order: OrderView) -> str:
        """Records what the venue says of an order. Returns why it could not be read; empty if it could."""
        query = partial(self._connection.find_order, order.symbol, order.order_id)
        try:
            answer = await self._call(query)
        except VenueError as error:
            if error.temporary or error.error_class is ErrorClass.AUTHENTICATION:
                raise
            log.warning("order %s in %s was not told: %s", order.order_id, order.symbol, error.text)
            return ""
        if answer.order is None:
            # Its end is not known by that: venues forget, and some show an order late.
            log.info("%s knows no order %s in %s", self._connection.venue, order.order_id, order.symbol)
        if not answer.messages:
            return ""
        _, unread = await self._history.record(answer.messages, self._history.key(order.symbol))
        return unread[0] if unread else ""

    # ------------------------------------------------------------------ incomplete ones

    async def complete(self) -> bool:
        """Reads the history for incomplete orders that are due. Returns whether any order is open or
        incomplete, so that it is worth while to look again soon.

        Each order is looked for with longer waits between, and further back each time, until its history
        is read as far as a first reading goes.

        Raises:
            VenueError, HistoryError: as `History.read`.
        """
        found = await self._incomplete()
        self._searches = {order.number: self._search(order) for order in found}
        now = self._timing.monotonic()
        reads: dict[str, int | None] = {}
        for order in found:
            search = self._searches[order.number]
            if search.due > now:
                continue
            since = self._since(order, search.pace.count)
            search.due = now + search.pace.next()
            symbol = self._history.key(order.symbol)
            earlier = reads.get(symbol)
            reads[symbol] = since if earlier is None or since is None else min(earlier, since)
        for symbol, since in reads.items():
            await self._history.read(symbol, since)
        if reads:
            found = await self._incomplete()
        return bool(found) or bool(await self._open())

    def _search(self, order: OrderView) -> _Search:
        search = self._searches.get(order.number)
        if search is not None and search.missing == order.missing:
            return search
        settings = self._settings
        return _Search(order.missing, Doubling(settings.look_seconds, _SEARCH_CAP_SECONDS))

    def _since(self, order: OrderView, tries: int) -> int | None:
        """Where the reading begins that is to bring an order's missing fills; None for as always."""
        now, reached = self._clock.now(), self._history.confirmed.get(self._history.key(order.symbol))
        if now is None or reached is None:
            return None
        settings = self._settings
        near = min(reached, now if order.last_fill_time is None else order.last_fill_time)
        overlap = int(settings.overlap_seconds * SECOND)
        back = overlap << 2 * min(tries, _WIDENINGS_MAX)
        # But no further than a first reading: an order may miss for ever what the venue no longer tells.
        return max(near - back, min(near - overlap, now - int(settings.history_hours * HOUR)))
