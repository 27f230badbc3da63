"""Pages of trade history that can be relied on: complete means that nothing was cut off.

Exchanges return the oldest of a time first, or the newest, and cut at a limit. Where a page is full and
cannot be continued by a trade id, its span is halved until what is in it fits: that holds for either order.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.execution.ccxt_venues import CcxtVenue
from fillhandler_server.execution.connection import Message, TradePage
from fillhandler_server.execution.errors import ErrorClass, VenueError

Fetch = Callable[
    [int | None, int | None, dict[str, object]], Awaitable[tuple[list[Any], tuple[Message, ...]]]
]
"""(since in milliseconds, limit, params) → (ccxt's trades, messages)."""

_CURSOR: Final = re.compile(r"(id|time):([0-9]{1,20})")


class TradeHistory:
    """Pages of one connection's trades."""

    def __init__(self, row: CcxtVenue, now: int) -> None:
        """
        Args:
            now: milliseconds, by the exchange's clock.
        """
        self._row = row
        self._now = now
        self._limit = row.trades_limit if row.trades_limited else None

    async def page(self, fetch: Fetch, since: int, cursor: str) -> TradePage:
        """The page that begins at `since` (milliseconds), or that a page before gave the cursor of."""
        match = _CURSOR.fullmatch(cursor) if cursor else None
        if cursor and match is None:
            raise InvalidFieldError.of("cursor", "is none that a page gave")
        if match is not None and match[1] == "id":
            rows, messages = await fetch(None, self._limit, {self._row.trades_by_id: match[2]})
            rows = _sorted(rows)
            if len(rows) < self._row.trades_limit:
                return _page(rows, messages, "")
            return _page(rows, messages, f"id:{_last_id(rows) + 1}")
        return await self._of_span(fetch, int(match[2]) if match is not None else max(since, 0))

    async def _of_span(self, fetch: Fetch, begin: int) -> TradePage:
        row = self._row
        end = self._now
        if row.trades_window is not None:
            end = min(end, begin + row.trades_window - 1)
        while True:
            params: dict[str, object] = {"until": end} if row.trades_until and end < self._now else {}
            rows, messages = await fetch(begin, self._limit, params)
            # ccxt leaves out what is before `begin`: then the exchange began earlier and was not cut there.
            rows = _sorted(rows)
            if len(rows) < row.trades_limit:
                return _page(rows, messages, f"time:{end + 1}" if end < self._now else "")
            if row.trades_by_id:
                # Ids ascend; by them no two trades of one moment can fall between pages.
                return _page(rows, messages, f"id:{_last_id(rows) + 1}")
            if not row.trades_until:
                return self._onward(rows, messages, begin)
            if end <= begin:
                raise _crowded(row.trades_limit)
            end = begin + (end - begin) // 2

    def _onward(self, rows: Sequence[Any], messages: tuple[Message, ...], begin: int) -> TradePage:
        """The next page begins with this one's last moment once more: more of it may have been cut off."""
        last = _time(rows[-1])
        if last <= begin or _time(rows[0]) >= self._now:
            raise _crowded(self._row.trades_limit)
        return _page(rows, messages, f"time:{last}")


def _page(rows: Sequence[Any], messages: tuple[Message, ...], cursor: str) -> TradePage:
    last = _time(rows[-1]) * 1_000_000 if rows else None
    return TradePage(messages, len(rows), last, not cursor, cursor)


def _time(row: Any) -> int:
    return int(row.get("timestamp") or 0)


def _sorted(rows: Sequence[Any]) -> list[Any]:
    return sorted(rows, key=_time)


def _last_id(rows: Sequence[Any]) -> int:
    return max(int(row["id"]) for row in rows)


def _crowded(limit: int) -> VenueError:
    return VenueError(
        ErrorClass.EXCHANGE_ERROR,
        f"the exchange has {limit} trades or more in one moment, and shows no more of it",
        maybe_applied=False,
        temporary=False,
    )
