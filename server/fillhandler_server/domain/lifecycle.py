"""An order's lifecycle: a fold over what its owner and its venue say of it.

Each field is a commutative summary of the reports, so the order of arrival does not matter.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from fillhandler_server.domain.numbers import ZERO
from fillhandler_server.domain.reports import PENDING_STATUSES, OrderReport, OrderStatus

# Ties among final reports of the same venue time, in this order (domain.md, "Reports").
_DEAD_RANK: Final = {OrderStatus.CANCELED: 0, OrderStatus.EXPIRED: 1, OrderStatus.REJECTED: 2}
# Two pending reports of the same time: a cancel outlives the amend it overtakes.
_PENDING_RANK: Final = {
    OrderStatus.PENDING_NEW: 0,
    OrderStatus.PENDING_REPLACE: 1,
    OrderStatus.PENDING_CANCEL: 2,
}


class Lifecycle:
    """What the reports and the registration of one order come to, apart from its fills."""

    __slots__ = (
        "create_time",
        "dead_status",
        "dead_time",
        "deaths",
        "expected_price",
        "filled_report_time",
        "limit_price",
        "limit_time",
        "live_reported",
        "order_quantity",
        "partly_reported",
        "pending_status",
        "pending_time",
        "quantity_time",
        "registered",
        "registration",
        "replaced_by",
        "report_time",
        "reported_average",
        "reported_cumulative",
        "reports",
        "type",
        "type_time",
        "unknown_reported",
    )

    def __init__(self) -> None:
        # What was ordered: the word of the latest report that states it, else the registration's.
        self.type = ""
        self.type_time = -1
        self.order_quantity: Decimal | None = None
        self.quantity_time = -1
        self.limit_price: Decimal | None = None
        self.limit_time = -1
        self.expected_price: Decimal | None = None
        self.create_time: int | None = None
        self.registered = 0
        """Sequence of its registration; 0 if it was opened from a fill or a report."""
        self.registration: OrderReport | None = None

        # How far it is, by the venue's word.
        self.replaced_by: dict[str, str] | None = None
        """Order id → the one that took its place, for orders that were amended so."""
        self.filled_report_time: int | None = None
        self.deaths: dict[tuple[str, int], int] | None = None
        """(order id, CANCELED, EXPIRED or REJECTED) → earliest time it was reported."""
        self.dead_status = 0
        self.dead_time = 0
        """What of `deaths` counts."""
        self.pending_status = 0
        self.pending_time = -1
        self.report_time = -1
        """Latest time of a report that is neither pending nor of the order's end, which needs no time."""
        self.live_reported = False
        self.partly_reported = False
        self.unknown_reported = False
        self.reported_cumulative: Decimal | None = None
        self.reported_average: Decimal | None = None
        self.reports: dict[str, int] = {}
        """Digest of each report taken → sequence of its event."""

    def add_report(self, report: OrderReport, time: int) -> None:
        """Takes a report into the lifecycle. `time` is the venue's, or that of arrival."""
        status = report.status
        if status == OrderStatus.REJECTED and report.previous_order_id:
            # The venue refused an amend: the order lives on as it was.
            self.report_time = max(self.report_time, time)
            self.live_reported = True
            return
        if status in PENDING_STATUSES:
            rank = _PENDING_RANK[OrderStatus(status)]
            known = _PENDING_RANK[OrderStatus(self.pending_status)] if self.pending_status else -1
            if (time, rank) > (self.pending_time, known):
                self.pending_status, self.pending_time = int(status), time
        elif status not in _DEAD_RANK:
            self.report_time = max(self.report_time, time)
        if status == OrderStatus.FILLED:
            if self.filled_report_time is None or time < self.filled_report_time:
                self.filled_report_time = time
        elif status in _DEAD_RANK:
            self._add_death(report.order_id, int(status), time)
            self._weigh_deaths()
        elif status == OrderStatus.NEW:
            self.live_reported = True
        elif status == OrderStatus.PARTIALLY_FILLED:
            self.live_reported = self.partly_reported = True
        elif status == OrderStatus.UNKNOWN:
            self.unknown_reported = True
        self._take_figures(report)
        self.take_terms(report, time)

    def _add_death(self, order_id: str, status: int, time: int) -> None:
        deaths = self.deaths = self.deaths or {}
        known = deaths.get((order_id, status))
        deaths[order_id, status] = time if known is None else min(known, time)

    def _weigh_deaths(self) -> None:
        best: tuple[int, int, int] | None = None
        for (order_id, status), time in (self.deaths or {}).items():
            if status == OrderStatus.CANCELED and order_id in (self.replaced_by or ()):
                continue  # that id was only superseded
            rank = (time, _DEAD_RANK[OrderStatus(status)], status)
            best = rank if best is None else min(best, rank)
        self.dead_time, _, self.dead_status = best if best is not None else (0, 0, 0)

    def _take_figures(self, report: OrderReport) -> None:
        cumulative, average = report.cumulative_quantity, report.average_price
        if cumulative is None:
            return
        known = self.reported_cumulative
        if known is None or cumulative > known:
            self.reported_cumulative, self.reported_average = cumulative, average
        elif cumulative == known and average is not None:
            # Two averages for one cumulative: any rule will do that does not depend on arrival.
            ours = self.reported_average
            self.reported_average = average if ours is None else max(ours, average)

    def take_terms(self, report: OrderReport, time: int) -> None:
        """Takes what a report or a registration (`time` −1) says the order is."""
        quantity, price = report.order_quantity, report.limit_price
        # The latest word stands; of two words of one time the larger, which does not depend on arrival.
        if quantity is not None and (time, quantity) > (self.quantity_time, self.order_quantity or ZERO):
            self.order_quantity, self.quantity_time = quantity, time
        if price is not None and (
            self.limit_price is None or (time, price) > (self.limit_time, self.limit_price)
        ):
            self.limit_price, self.limit_time = price, time
        if report.type and (time, report.type) > (self.type_time, self.type):
            self.type, self.type_time = report.type, time
        if report.expected_price is not None and self.expected_price is None:
            self.expected_price = report.expected_price
        if report.create_time is not None and (
            self.create_time is None or report.create_time < self.create_time
        ):
            self.create_time = report.create_time

    def absorb_reports(self, other: Lifecycle) -> None:
        """Takes what another lifecycle came to, as if its reports had been this one's; not `reports`."""
        # Nothing below asks a report for its venue.
        self.filled_report_time = earliest(self.filled_report_time, other.filled_report_time)
        for (order_id, status), time in (other.deaths or {}).items():
            self._add_death(order_id, status, time)
        self._weigh_deaths()
        if other.pending_status:
            self.add_report(OrderReport("", other.pending_status), other.pending_time)
        self.report_time = max(self.report_time, other.report_time)
        self.live_reported |= other.live_reported
        self.partly_reported |= other.partly_reported
        self.unknown_reported |= other.unknown_reported
        figures = OrderReport(
            "",
            OrderStatus.UNSPECIFIED,
            cumulative_quantity=other.reported_cumulative,
            average_price=other.reported_average,
            expected_price=other.expected_price,
            create_time=other.create_time,
        )
        self._take_figures(figures)
        self.take_terms(figures, -1)
        self.take_terms(OrderReport("", OrderStatus.UNSPECIFIED, type=other.type), other.type_time)
        quantity = OrderReport("", OrderStatus.UNSPECIFIED, order_quantity=other.order_quantity)
        self.take_terms(quantity, other.quantity_time)
        limit = OrderReport("", OrderStatus.UNSPECIFIED, limit_price=other.limit_price)
        self.take_terms(limit, other.limit_time)
        if not self.registered:
            self.registered, self.registration = other.registered, other.registration


def earliest(ours: int | None, theirs: int | None) -> int | None:
    """The smaller of two times, None being "not known"."""
    if ours is None or theirs is None:
        return theirs if ours is None else ours
    return min(ours, theirs)
