"""Reading feeds in tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc.aio

from fillhandler.v1 import events_pb2
from fillhandler.v1 import feed_service_pb2 as pb


def watch_from(after: int | None = 0, **fields: Any) -> pb.WatchEventsRequest:
    request = pb.WatchEventsRequest(**fields)
    if after is not None:
        request.after_sequence = after
    return request


async def read_until(
    call: Any, done: Callable[[list[events_pb2.Event], pb.WatchEventsResponse], bool], seconds: float = 20
) -> tuple[list[events_pb2.Event], list[pb.WatchEventsResponse]]:
    """Reads messages until a condition over the events so far and the last message holds."""
    events: list[events_pb2.Event] = []
    messages: list[pb.WatchEventsResponse] = []
    async with asyncio.timeout(seconds):
        while True:
            message = await call.read()
            assert message is not grpc.aio.EOF, "the feed ended"
            messages.append(message)
            events.extend(message.events)
            if done(events, message):
                return events, messages


async def read_through(
    feed: Any, sequence: int, request: pb.WatchEventsRequest | None = None
) -> list[events_pb2.Event]:
    """The events of a feed until it promises that nothing at or below a sequence is still to come."""
    call = feed.WatchEvents(request if request is not None else watch_from(0))
    try:
        events, _ = await read_until(call, lambda _, message: message.through_sequence >= sequence)
    finally:
        call.cancel()
    return events
