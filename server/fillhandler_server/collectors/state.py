"""Where a connection stands, for ListVenues."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ConnectionState(IntEnum):
    """Values as in `fillhandler.v1.ConnectionState`."""

    CONNECTING = 1
    CONNECTED = 2
    DISCONNECTED = 3
    REFUSED = 4


@dataclass(frozen=True, slots=True)
class CollectorState:
    """As `fillhandler.v1.VenueConnection` means it. Times and spans in nanoseconds; None is absent."""

    state: ConnectionState
    connect_time: int | None
    last_message_time: int | None
    lag: int | None
    clock_skew: int | None
    repaired_fills: int
    confirmed_time: int | None
    reconnects: int
    text: str
    unread_messages: int = 0
    """Messages since the start that could not be read; nothing of them is in the record."""


class Standing:
    """The same while it moves: each part of a collector writes what it knows."""

    def __init__(self, repaired_fills: int) -> None:
        self.state = ConnectionState.CONNECTING
        self.connect_time: int | None = None
        self.last_message_time: int | None = None
        self.lag: int | None = None
        self.repaired_fills = repaired_fills
        self.connects = 0
        self.unread_messages = 0
        self.texts: dict[str, str] = {}
        """What went wrong and has not come right since, by the part that it went wrong in, oldest first."""

    @property
    def connected(self) -> bool:
        """Whether orders and fills stream in."""
        return self.state is ConnectionState.CONNECTED

    def wrong(self, part: str, text: str) -> bool:
        """Something is wrong with a part. Returns whether that is news."""
        news = self.texts.pop(part, "") != text
        self.texts[part] = text
        return news

    def right(self, part: str) -> None:
        """It works again."""
        self.texts.pop(part, None)

    def snapshot(self, clock_skew: int | None, confirmed_time: int | None) -> CollectorState:
        """As it stands now."""
        return CollectorState(
            state=self.state,
            connect_time=self.connect_time,
            last_message_time=self.last_message_time,
            lag=self.lag,
            clock_skew=clock_skew,
            repaired_fills=self.repaired_fills,
            confirmed_time=confirmed_time,
            reconnects=max(0, self.connects - 1),
            text=next(reversed(self.texts.values()), ""),
            unread_messages=self.unread_messages,
        )
