"""Subscribers of the real feed over a desk, read one message at a time on a loop of their own."""

import asyncio
from typing import Any

from google.protobuf.empty_pb2 import Empty
from tests.support.desks import MemoryDesk, StoreDesk

from fillhandler.v1 import feed_service_pb2 as pb
from fillhandler_server.codec import event_from_message
from fillhandler_server.engine import fold
from fillhandler_server.feed import Feed
from fillhandler_server.journal.readers import ReaderThreads
from fillhandler_server.projections.reading import StoreReader
from fillhandler_server.rpc.feed_service import FeedService


class Feeds:
    """The feed as a server has it. The loop runs only while a message is awaited."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._readers: ReaderThreads[Any] | None = None

    def open(self, desk: StoreDesk) -> None:
        """Tells of what the desk's writer commits from now on."""
        self._readers = ReaderThreads(desk.store, StoreReader, threads=1)
        self.feed = Feed(self.loop, self._readers, desk.store.instance_id, desk.writer.head)
        self.service = FeedService(self.feed, self._readers, streams_max=1000)
        desk.writer.subscriber = self.feed

    def close(self) -> None:
        """Lets go of the store. `open` begins anew, with nothing in memory."""
        if self._readers is not None:
            self._readers.close()

    def after(self, sequence: int) -> list[Any]:
        """What a subscriber that resumes behind a sequence sees up to the head."""
        stream: Any = self.service.WatchEvents(pb.WatchEventsRequest(after_sequence=sequence), None)
        events: list[Any] = []
        message = self.message(stream)
        while not message.live:
            message = self.message(stream)
            assert message.events, "a heartbeat, where there was something to tell"
            events += message.events
        self.loop.run_until_complete(stream.aclose())
        return events

    def message(self, stream: Any) -> pb.WatchEventsResponse:
        """The next one of a stream."""
        return pb.WatchEventsResponse.FromString(self.loop.run_until_complete(anext(stream)))

    def end(self) -> None:
        """Closes everything."""
        self.close()
        self.loop.close()


class Follower:
    """A subscriber that folds what it sees. It reads only while there is something to read."""

    def __init__(self, feeds: Feeds) -> None:
        self._feeds = feeds
        self._stream: Any = None
        self._token = ""
        self.cursor = 0
        self.folded = MemoryDesk()

    @property
    def is_open(self) -> bool:
        return self._stream is not None

    def open(self, *, by_token: bool = True) -> None:
        """Subscribes behind what it has seen: by the last token, or by the sequence of the last event."""
        if self._token and by_token:
            request = pb.WatchEventsRequest(resume_token=self._token)
        elif self.cursor:
            request = pb.WatchEventsRequest(after_sequence=self.cursor)
        else:
            request = pb.WatchEventsRequest(from_beginning=Empty())
        self._stream = self._feeds.service.WatchEvents(request, None)
        first = self._next()
        assert not first.events
        assert first.live == (self.cursor == self._feeds.feed.head)

    def drop(self, *, lost: int = 0) -> None:
        """Ends the stream. `lost`: so many of the last events were not dealt with yet."""
        if self._stream is not None:
            self._feeds.loop.run_until_complete(self._stream.aclose())
            self._stream = None
        if lost and self.cursor:
            self.cursor = max(0, self.cursor - lost)
            self._token = ""
            del self.folded.messages[self.cursor :]
            self.folded.restart()

    def read(self) -> None:
        """Reads on to the head."""
        head = self._feeds.feed.head
        while self.cursor < head:
            message = self._next()
            assert message.events, "a heartbeat, where there was something to tell"
            for event in message.events:
                self._take(event)
            self._token = message.resume_token
            assert message.through_sequence == self.cursor
            assert message.live == (self.cursor == head)

    def _next(self) -> pb.WatchEventsResponse:
        return self._feeds.message(self._stream)

    def _take(self, event: Any) -> None:
        assert event.sequence == self.cursor + 1, "a gap, or an event again"
        self.cursor = event.sequence
        desk = self.folded
        desk.messages.append(event)
        fold(desk.book, event_from_message(event, desk.book), event.commit_time.ToNanoseconds())
