"""The faults that can be ordered: one table, and the dice."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Final


class Operation(StrEnum):
    """What a request asks for, or an event tells; what faults apply to."""

    PLACE = "place"
    CANCEL = "cancel"
    QUERY = "query"
    OPEN_ORDERS = "open_orders"
    ALL_ORDERS = "all_orders"
    TRADES = "trades"
    ACCOUNT = "account"
    LISTEN_KEY = "listen_key"
    MARKET_DATA = "market_data"
    ORDER_EVENT = "order_event"
    """A user data message about an order, without a trade."""
    TRADE_EVENT = "trade_event"
    ACCOUNT_EVENT = "account_event"


EVENTS: Final = (Operation.ORDER_EVENT, Operation.TRADE_EVENT, Operation.ACCOUNT_EVENT)
REQUESTS: Final = tuple(each for each in Operation if each not in EVENTS)
WRITES: Final = (Operation.PLACE, Operation.CANCEL)


@dataclass(frozen=True, slots=True)
class Fault:
    """A row of the table."""

    name: str
    what: str
    operations: tuple[Operation, ...]
    switch: bool = False
    """On (1) or off (0), not by chance."""


FAULTS: Final = (
    Fault("connection_reset_before", "The connection is reset; nothing took effect.", REQUESTS),
    Fault(
        "timeout_before_accept",
        "No answer; the connection is cut after `timeout_seconds`; nothing took effect.",
        REQUESTS,
    ),
    Fault("error_before_accept", "HTTP 500, 502 or 503; nothing took effect.", REQUESTS),
    Fault(
        "temporary_error", "Code -1001, -1008 or -1016 with HTTP 500 or 503; nothing took effect.", REQUESTS
    ),
    Fault("rate_limit", "HTTP 429, code -1003, Retry-After `retry_after_seconds`.", REQUESTS),
    Fault(
        "ban",
        "HTTP 418, code -1003, Retry-After `ban_seconds`; to every later request of the market too, until "
        "they are over.",
        REQUESTS,
    ),
    Fault(
        "delayed_accept",
        "The request waits for `delay_seconds` and then takes effect, unless its recvWindow is over: then it "
        "is refused, -1021. The connection is cut if that takes longer than `timeout_seconds`.",
        WRITES,
    ),
    Fault(
        "timeout_after_accept",
        "It took effect, and no answer comes; the connection is cut after `timeout_seconds`.",
        WRITES,
    ),
    Fault("error_after_accept", "It took effect, and the answer is HTTP 500, 502 or 503.", WRITES),
    Fault("connection_reset_after", "It took effect, and the connection is reset.", WRITES),
    Fault(
        "late_appearance",
        "Queries, lists of orders and of trades do not show the order for `late_seconds`.",
        (Operation.PLACE,),
    ),
    Fault(
        "repeated_client_id",
        "A client order id is accepted again while an open order has it.",
        (Operation.PLACE,),
    ),
    Fault(
        "stale_snapshot",
        "The answer is the state of `stale_seconds` before: an order that ended since looks open.",
        (Operation.QUERY, Operation.OPEN_ORDERS, Operation.ALL_ORDERS),
    ),
    Fault("drop_stream", "A user data message is not sent.", EVENTS),
    Fault("duplicate_stream", "A user data message is sent twice.", EVENTS),
    Fault(
        "reorder_stream",
        "A user data message is sent after the next one, or after `reorder_seconds`.",
        EVENTS,
    ),
    Fault("disconnect", "The WebSockets of a user data stream are cut instead of a message.", EVENTS),
    Fault("latency", "The request waits for a random time between `latency_ms`' two.", REQUESTS),
    Fault(
        "clock_skew", "The exchange's clock is off by `skew_ms`; above 0 it is ahead.", REQUESTS, switch=True
    ),
)
BY_NAME: Final = {fault.name: fault for fault in FAULTS}


@dataclass(slots=True)
class FaultSettings:
    """The sizes of faults."""

    timeout_seconds: float = 60.0
    """How long a request is held at most before its connection is cut."""
    retry_after_seconds: int = 1
    ban_seconds: int = 5
    delay_seconds: float = 2.0
    late_seconds: float = 1.0
    stale_seconds: float = 1.0
    reorder_seconds: float = 0.2
    latency_ms: tuple[int, int] = (5, 50)
    skew_ms: int = 2_000


class FaultError(ValueError):
    """A fault, an operation or a setting that is not known, or a value that cannot be."""


@dataclass(slots=True)
class Ordered:
    """The next so many requests of a kind."""

    fault: Fault
    count: int
    operation: Operation | None
    symbol: str


class FaultPlan:
    """Which fault strikes which request. Every fault has dice of its own, so that one more fault in the plan
    does not change where the others fall.
    """

    def __init__(self, seed: int) -> None:
        self.settings = FaultSettings()
        self.probabilities = dict.fromkeys(BY_NAME, 0.0)
        self.applied: Counter[str] = Counter()
        """How often each fault struck."""
        self._dice = {name: random.Random(f"{seed}:fault:{name}") for name in BY_NAME}  # noqa: S311
        self._ordered: list[Ordered] = []

    def strikes(self, name: str, operation: Operation, symbol: str = "") -> bool:
        """Whether a fault strikes; if so it is counted."""
        fault = BY_NAME[name]
        if operation not in fault.operations:
            return False
        if self._take_ordered(fault, operation, symbol) or self._by_chance(fault):
            self.applied[name] += 1
            return True
        return False

    def is_on(self, name: str) -> bool:
        """Whether a switch is on."""
        return self.probabilities[name] > 0

    def order(self, name: str, count: int, operation: str = "", symbol: str = "") -> None:
        """Orders a fault for the next `count` requests it applies to. Raises FaultError."""
        fault = _known(name)
        if fault.switch:
            raise FaultError(f"{name} is a switch: set its probability to 1 or 0")
        if count < 1:
            raise FaultError("count must be 1 or more")
        wanted = None
        if operation:
            if operation not in [each.value for each in fault.operations]:
                raise FaultError(f"{name} applies to {', '.join(fault.operations)}, not to {operation!r}")
            wanted = Operation(operation)
        self._ordered.append(Ordered(fault, count, wanted, symbol))

    def set_probability(self, name: str, probability: float) -> None:
        """From 0 (never) to 1 (always). Raises FaultError."""
        fault = _known(name)
        if not 0 <= probability <= 1:
            raise FaultError(f"{name}: a probability is between 0 and 1")
        if fault.switch and probability not in (0, 1):
            raise FaultError(f"{name} is a switch: 1 is on, 0 is off")
        self.probabilities[name] = probability

    def set(self, name: str, value: Any) -> None:
        """A setting. Raises FaultError."""
        names = [each.name for each in fields(FaultSettings)]
        if name not in names:
            raise FaultError(f"no setting {name!r}; there are {', '.join(names)}")
        if name == "latency_ms":
            low_high = tuple(value) if isinstance(value, list | tuple) else ()
            if len(low_high) != 2 or not all(type(each) is int for each in low_high):
                raise FaultError("latency_ms is two whole numbers: [5, 50]")
            if not 0 <= low_high[0] <= low_high[1]:
                raise FaultError("latency_ms: the first must not be above the second, nor below 0")
            self.settings.latency_ms = (low_high[0], low_high[1])
            return
        whole = name in ("retry_after_seconds", "ban_seconds", "skew_ms")
        if type(value) is not int and (whole or type(value) is not float):
            raise FaultError(f"{name} must be a {'whole ' if whole else ''}number")
        if value < 0 and name != "skew_ms":
            raise FaultError(f"{name} must not be below 0")
        setattr(self.settings, name, value)

    @property
    def document(self) -> dict[str, Any]:
        """All of it, for the control."""
        settings = {each.name: getattr(self.settings, each.name) for each in fields(FaultSettings)}
        return {
            "probabilities": dict(self.probabilities),
            "settings": settings | {"latency_ms": list(self.settings.latency_ms)},
            "ordered": [
                {
                    "fault": each.fault.name,
                    "count": each.count,
                    "operation": each.operation or "",
                    "symbol": each.symbol,
                }
                for each in self._ordered
            ],
        }

    def choose(self, name: str, count: int) -> int:
        """A number below `count`, by a fault's dice: which of its forms it takes."""
        return self._dice[name].randrange(count)

    def latency_seconds(self) -> float:
        """How long a request waits that `latency` struck."""
        low, high = self.settings.latency_ms
        return self._dice["latency"].randint(low, high) / 1000

    def _by_chance(self, fault: Fault) -> bool:
        probability = self.probabilities[fault.name]
        return probability > 0 and self._dice[fault.name].random() < probability

    def _take_ordered(self, fault: Fault, operation: Operation, symbol: str) -> bool:
        for each in self._ordered:
            if each.fault is fault and each.operation in (None, operation) and each.symbol in ("", symbol):
                each.count -= 1
                if not each.count:
                    self._ordered.remove(each)
                return True
        return False


def _known(name: str) -> Fault:
    if name not in BY_NAME:
        raise FaultError(f"no fault {name!r}; there are {', '.join(BY_NAME)}")
    return BY_NAME[name]
