"""OrderService: orders declared, reported on, and read."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from fillhandler.v1 import events_pb2
from fillhandler.v1 import order_service_pb2 as pb
from fillhandler_server.codec import to_timestamp
from fillhandler_server.domain.errors import InvalidFieldError, OrderAmbiguousError, OrderNotFoundError
from fillhandler_server.domain.events import OrdersCleared
from fillhandler_server.domain.orders import Order
from fillhandler_server.projections import AnomalyQuery, ListedAnomaly, OrderQuery, Readers
from fillhandler_server.rpc import convert
from fillhandler_server.rpc.advice import ADVICE
from fillhandler_server.rpc.checking import Checker
from fillhandler_server.writer import Session, Writer

_HOUR: Final = 3600 * 1_000_000_000
_LISTED_MAX: Final = 10


class OrderService:
    """Convert → call → convert."""

    def __init__(
        self,
        writer: Writer,
        readers: Readers,
        max_order_age_hours: float,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._max_order_age = int(max_order_age_hours * _HOUR)
        self._clock = clock

    async def RegisterOrder(self, request: pb.RegisterOrderRequest, context: Any) -> pb.RegisterOrderResponse:
        """Declares an order."""
        report = convert.report_from_request(request.order, registration=True)

        def work(session: Session) -> pb.RegisterOrderResponse:
            result = session.engine.register_order(report)
            return pb.RegisterOrderResponse(
                outcome=int(result.outcome),  # type: ignore[arg-type]
                sequence=result.sequence,
                order=convert.order_message(result.order),
            )

        return await self._writer.run(work)

    async def ReportOrder(self, request: pb.ReportOrderRequest, context: Any) -> pb.ReportOrderResponse:
        """Takes a venue's report."""
        report = convert.report_from_request(request.order, registration=False)

        def work(session: Session) -> pb.ReportOrderResponse:
            result = session.engine.report_order(report)
            return pb.ReportOrderResponse(
                outcome=int(result.outcome),  # type: ignore[arg-type]
                sequence=result.sequence,
                order=convert.order_message(result.order),
            )

        return await self._writer.run(work)

    async def GetOrder(self, request: pb.GetOrderRequest, context: Any) -> pb.GetOrderResponse:
        """One order by an id."""
        if not request.order_id and not request.client_order_id:
            raise InvalidFieldError.of("order_id", "is required, or client_order_id")

        def work(session: Session) -> pb.GetOrderResponse:
            found = session.book.everywhere(
                order_id=request.order_id, client_order_id="" if request.order_id else request.client_order_id
            )
            found = [order for order in found if not order.cleared and _fits(order, request)]
            return pb.GetOrderResponse(order=convert.order_message(_one(found, request)))

        return await self._writer.run(work)

    async def ListOrders(self, request: pb.ListOrdersRequest, context: Any) -> pb.ListOrdersResponse:
        """A page of orders."""
        check = Checker("")
        check.enum("group", request.group, 2)
        query = OrderQuery(
            final={1: False, 2: True}.get(request.group),
            venue=request.venue.lower(),
            account=request.account,
            symbol=request.symbol,
            start_time=check.time(request, "start_time"),
            end_time=check.time(request, "end_time"),
        )
        check.done()
        size = convert.page_size(request.page_size)
        await self._writer.run(lambda session: None, flush=True)
        page = await self._readers.run(lambda reader: reader.list_orders(query, size, request.page_token))
        return pb.ListOrdersResponse(
            orders=[convert.order_message(order) for order in page.entries], next_page_token=page.next_token
        )

    async def ClearOrders(self, request: pb.ClearOrdersRequest, context: Any) -> pb.ClearOrdersResponse:
        """Hides old final orders."""
        age = self._max_order_age
        if request.HasField("older_than"):
            age = request.older_than.ToNanoseconds()
            if age < 0:
                raise InvalidFieldError.of("older_than", "must not be negative")
        event = OrdersCleared(
            count=0,
            # Not below the epoch: the longest duration there is would leave 64 bits.
            before=max(0, self._clock() - age),
            venue=request.venue.lower(),
            account=request.account,
            symbol=request.symbol,
        )
        result = await self._writer.run(self._writer.settled(lambda session: clear_orders(session, event)))
        return pb.ClearOrdersResponse(count=result.count, sequence=result.sequence)

    async def ListAnomalies(self, request: pb.ListAnomaliesRequest, context: Any) -> pb.ListAnomaliesResponse:
        """A page of what needs a look."""
        check = Checker("")
        for at, kind in enumerate(request.kinds):
            check.enum(f"kinds[{at}]", kind, max(events_pb2.AnomalyKind.values()), required=True)
        query = AnomalyQuery(
            venue=request.venue.lower(),
            account=request.account,
            symbol=request.symbol,
            order_id=request.order_id,
            kinds=tuple(sorted({int(kind) for kind in request.kinds})),
            start_time=check.time(request, "start_time"),
            end_time=check.time(request, "end_time"),
        )
        check.done()
        size = convert.page_size(request.page_size)
        await self._writer.run(lambda session: None, flush=True)
        page = await self._readers.run(lambda reader: reader.list_anomalies(query, size, request.page_token))
        return pb.ListAnomaliesResponse(
            anomalies=[_anomaly(entry) for entry in page.entries], next_page_token=page.next_token
        )


def _anomaly(entry: ListedAnomaly) -> pb.Anomaly:
    return pb.Anomaly(
        sequence=entry.sequence,
        commit_time=to_timestamp(entry.commit_time),
        kind=entry.kind,  # type: ignore[arg-type]
        text=entry.text,
        advice=ADVICE[entry.kind],
        order=convert.order_message(entry.order),
    )


def clear_orders(session: Session, event: OrdersCleared) -> OrdersCleared:
    """Hides the orders that fit; no event where there are none."""
    event.count = session.book.clearable(event)
    if event.count:
        session.engine.emit(event)
    return event


def _fits(order: Order, request: pb.GetOrderRequest) -> bool:
    return (
        (not request.venue or order.venue == request.venue.lower())
        and (not request.account or order.account == request.account)
        and (not request.symbol or order.symbol == request.symbol)
        and (not request.client_order_id or order.client_order_id == request.client_order_id)
    )


def _one(found: list[Order], request: pb.GetOrderRequest) -> Order:
    asked = (
        f"order id {request.order_id!r}"
        if request.order_id
        else f"client order id {request.client_order_id!r}"
    )
    if not found:
        raise OrderNotFoundError(
            f"no order with {asked} is known",
            order_id=request.order_id,
            client_order_id=request.client_order_id,
        )
    if len(found) > 1:
        listed = ", ".join(
            f"{order.venue}/{order.account}/{order.symbol or '?'}{'/' + order.market if order.market else ''}"
            for order in found[:_LISTED_MAX]
        )
        raise OrderAmbiguousError(
            f"{len(found)} orders have {asked}; add venue, account or symbol: {listed}",
            matches=len(found),
            orders=listed,
        )
    return found[0]
