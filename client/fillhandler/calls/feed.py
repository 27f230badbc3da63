"""FeedService: the live feed."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Iterable
from datetime import timedelta
from typing import TypedDict, Unpack

from fillhandler.calls.base import Calls
from fillhandler.convert import TimeLike
from fillhandler.cursor import CursorStore, FileCursorStore
from fillhandler.v1 import events_pb2, feed_service_pb2
from fillhandler.watch import Feed, KindLike, stored_events, stored_responses, watch_request


class WatchFields(TypedDict, total=False):
    """What a subscription can ask for. One start at most; none means from now.

    resume_token: Goes on after the message that carried it.
    after_sequence: Goes on after this sequence; 0 is the beginning.
    from_time: Starts with the first event committed at or after it.
    from_beginning: Starts with the first event of all.
    instance_id: The journal that after_sequence counts in; another one is an error.
    venues, accounts, symbols, order_ids, kinds: Only events of these; empty means all. Kinds by name
        ("fill_recorded") or number.
    heartbeat_interval: How often a message comes while nothing happens, 1 s to 60 s; 10 s unless given. After
        three of them without a message the stream counts as dead and is resumed.
    """

    resume_token: str | None
    after_sequence: int | None
    from_time: TimeLike | None
    from_beginning: bool
    instance_id: str | None
    venues: Iterable[str]
    accounts: Iterable[str]
    symbols: Iterable[str]
    order_ids: Iterable[str]
    kinds: Iterable[KindLike]
    heartbeat_interval: timedelta | None


class FeedCalls(Calls):
    """What FeedService offers."""

    def watch(
        self,
        *,
        cursor: CursorStore | None = None,
        cursor_file: str | os.PathLike[str] | None = None,
        patience_seconds: float | None = None,
        **request: Unpack[WatchFields],
    ) -> AsyncGenerator[events_pb2.Event]:
        """Events in commit order, for ever; see `WatchFields` for what can be asked for.

        Whatever breaks (the connection, the server's restart), the feed resumes by itself where it had got
        to, and each event comes once. `patience_seconds` bounds how long it tries in silence; None never
        gives up. Only a feed that has not begun yet gives up as the retry policy says.

        With `cursor_file` (or a store of your own as `cursor`) the position is kept: if there is one, the
        feed goes on after it, whatever start is asked for. An event counts as taken when you come back for
        the next one, so after a crash of yours the event it happened at comes again: at least once, and none
        is lost.

        Raises:
            CursorAheadError, InstanceMismatchError, CursorExpiredError: The position does not fit the
                server's journal (any more). Starting elsewhere would lose events unseen, so that is yours to
                decide.
            CursorUnusableError: The cursor file cannot be read.
            FillHandlerError: The feed was refused, or the server was not to be had for too long.
        """
        feed = Feed(self._connection, watch_request(**request), patience_seconds)
        return stored_events(feed, _store(cursor, cursor_file))

    def watch_responses(
        self,
        *,
        cursor: CursorStore | None = None,
        cursor_file: str | os.PathLike[str] | None = None,
        patience_seconds: float | None = None,
        **request: Unpack[WatchFields],
    ) -> AsyncGenerator[feed_service_pb2.WatchEventsResponse]:
        """The same as whole messages: several events or none (a heartbeat), with the resume token after them,
        the sequence they reach through, and whether the feed has caught up (`live`).

        A message counts as taken when you come back for the next one.
        """
        feed = Feed(self._connection, watch_request(**request), patience_seconds)
        return stored_responses(feed, _store(cursor, cursor_file))


def _store(cursor: CursorStore | None, cursor_file: str | os.PathLike[str] | None) -> CursorStore | None:
    if cursor_file is None:
        return cursor
    if cursor is not None:
        raise ValueError("give either cursor or cursor_file")
    return FileCursorStore(cursor_file)
