"""Who wants to hear that an order has moved: told after the commit, on the writer's thread."""

from __future__ import annotations

import threading
from collections.abc import Callable

from fillhandler_server.domain.events import Event, OrderMerged, PlainEvent


class Watches:
    """Order number → who wants to hear of it. From any thread.

    An order may be told of that moved in a batch not yet durable, if a commit beside it ends first: whoever
    hears of it reads the order by a job of his own, which comes after.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.watchers: dict[int, list[Callable[[], None]]] = {}
        """For the writer to see at a glance whether there are any."""
        self._moved: set[int] = set()

    def watch(self, order_number: int, moved: Callable[[], None]) -> Callable[[], None]:
        """Calls `moved`, which must not block, after each commit that holds an event of the order.

        Returns:
            What ends that.
        """
        with self._lock:
            self.watchers.setdefault(order_number, []).append(moved)

        def end() -> None:
            with self._lock:
                watchers = self.watchers.get(order_number, [])
                if moved in watchers:
                    watchers.remove(moved)
                if not watchers:
                    self.watchers.pop(order_number, None)

        return end

    def note(self, order_number: int) -> None:
        """An event of the order was decided."""
        if order_number in self.watchers:
            with self._lock:  # a bulk commit is told of beside
                self._moved.add(order_number)

    def note_event(self, event: Event) -> None:
        """An event was decided."""
        if isinstance(event, PlainEvent):
            return
        self.note(event.order.number)
        if isinstance(event, OrderMerged):
            self.note(event.merged.number)

    def tell(self) -> None:
        """What was decided is durable."""
        if not self._moved:
            return
        with self._lock:
            moved, self._moved = self._moved, set()
            watchers = [watcher for number in moved for watcher in self.watchers.get(number, ())]
        for watcher in watchers:
            watcher()
