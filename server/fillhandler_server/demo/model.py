"""What the demo has seen so far: the one thing that all its displays show."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from fillhandler.v1 import (
    analytics_service_pb2,
    events_pb2,
    fill_service_pb2,
    orders_pb2,
    state_service_pb2,
)
from fillhandler_server.demo.generator import Delivery

_ORDERS_MAX: Final = 40
_LINES_MAX: Final = 60


@dataclass(frozen=True, slots=True)
class Remark:
    """Something unusual that happened, for the newcomer."""

    delivery: Delivery
    outcomes: Sequence[fill_service_pb2.Outcome.ValueType]


@dataclass(slots=True)
class Seen:
    """Grows while the demo runs; bounded, because a demo may run for days."""

    address: str = ""
    orders: dict[str, orders_pb2.Order] = field(default_factory=dict)
    """By order id, the one that moved last at the end."""
    events: deque[events_pb2.Event] = field(default_factory=lambda: deque(maxlen=_LINES_MAX))
    remarks: deque[Remark] = field(default_factory=lambda: deque(maxlen=_LINES_MAX))
    statistics: analytics_service_pb2.GetFillStatisticsResponse | None = None
    payloads: int = 0
    event_count: int = 0
    compared: int = 0
    """Finished orders that were compared with their exchange's books."""
    wrong: list[str] = field(default_factory=list)
    """Where they differed."""
    verified: state_service_pb2.VerifyJournalResponse | None = None

    def answered(self, delivery: Delivery, response: fill_service_pb2.ProcessPayloadResponse) -> None:
        """The server answered a payload."""
        self.payloads += 1
        for order in response.orders:
            self.orders.pop(order.order_id, None)
            self.orders[order.order_id] = order
        while len(self.orders) > _ORDERS_MAX:
            del self.orders[next(iter(self.orders))]
        if delivery.oddity is not None:
            self.remarks.append(Remark(delivery, [fill.outcome for fill in response.fills]))

    def happened(self, event: events_pb2.Event) -> None:
        """The feed gave an event."""
        self.events.append(event)
        self.event_count += 1
