"""OrderService: declared orders, venues' reports, order states."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from datetime import timedelta
from typing import TypeAlias, Unpack, cast

from fillhandler import convert
from fillhandler.calls.base import Calls
from fillhandler.convert import OrderFields, OrderLike, TimeLike
from fillhandler.v1 import events_pb2, order_service_pb2, orders_pb2

#: A kind of anomaly by name ("overfill"), in any case, or by number.
AnomalyKindLike: TypeAlias = events_pb2.AnomalyKind.ValueType | str


class OrderCalls(Calls):
    """What OrderService offers."""

    async def register_order(
        self,
        order: OrderLike | None = None,
        /,
        *,
        timeout_seconds: float | None = None,
        **fields: Unpack[OrderFields],
    ) -> order_service_pb2.RegisterOrderResponse:
        """Declare an order, given as an `Order`, a mapping, or by its fields.

        Needed are venue, symbol, side, order_quantity, and order_id or client_order_id. Declared again with
        other values it is a conflict, which changes nothing.
        """
        request = order_service_pb2.RegisterOrderRequest(order=convert.order(order, **fields))
        return await self._connection.call(self._connection.orders.RegisterOrder, request, timeout_seconds)

    async def report_order(
        self,
        order: OrderLike | None = None,
        /,
        *,
        timeout_seconds: float | None = None,
        **fields: Unpack[OrderFields],
    ) -> order_service_pb2.ReportOrderResponse:
        """Take a venue's report on an order: venue, status, and order_id or client_order_id are needed.

        `update_time` is the venue's time of the report; without one it counts by arrival.
        """
        request = order_service_pb2.ReportOrderRequest(order=convert.order(order, **fields))
        return await self._connection.call(self._connection.orders.ReportOrder, request, timeout_seconds)

    async def get_order(
        self,
        order_id: str = "",
        *,
        client_order_id: str = "",
        venue: str = "",
        account: str = "",
        symbol: str = "",
        timeout_seconds: float | None = None,
    ) -> orders_pb2.Order:
        """The order with this order id or client order id; both must fit where both are given.

        Raises:
            OrderNotFoundError: None fits.
            OrderAmbiguousError: Several do: narrow by venue, account or symbol.
        """
        request = order_service_pb2.GetOrderRequest(
            venue=venue, account=account, symbol=symbol, order_id=order_id, client_order_id=client_order_id
        )
        return (await self._connection.call(self._connection.orders.GetOrder, request, timeout_seconds)).order

    async def list_orders(
        self,
        *,
        group: orders_pb2.OrderGroup.ValueType | str = orders_pb2.ORDER_GROUP_UNSPECIFIED,
        venue: str = "",
        account: str = "",
        symbol: str = "",
        start_time: TimeLike | None = None,
        end_time: TimeLike | None = None,
        page_size: int = 0,
        timeout_seconds: float | None = None,
    ) -> AsyncGenerator[orders_pb2.Order]:
        """Orders, oldest first; the pages are fetched as they are needed.

        `group` is "active", "final", or all. An empty condition holds always. Times are those of an order's
        last event, from `start_time` on and before `end_time`. `page_size` 0 leaves it to the server;
        `timeout_seconds` is for each page.
        """
        number = convert.enum_value(orders_pb2.OrderGroup.DESCRIPTOR, group, "group")
        request = order_service_pb2.ListOrdersRequest(
            group=cast("orders_pb2.OrderGroup.ValueType", number),
            venue=venue,
            account=account,
            symbol=symbol,
            start_time=convert.timestamp(start_time, "start_time"),
            end_time=convert.timestamp(end_time, "end_time"),
            page_size=page_size,
        )
        while True:
            page = await self._connection.call(self._connection.orders.ListOrders, request, timeout_seconds)
            for order in page.orders:
                yield order
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def list_anomalies(
        self,
        *,
        venue: str = "",
        account: str = "",
        symbol: str = "",
        order_id: str = "",
        kinds: Iterable[AnomalyKindLike] = (),
        start_time: TimeLike | None = None,
        end_time: TimeLike | None = None,
        page_size: int = 0,
        timeout_seconds: float | None = None,
    ) -> AsyncGenerator[order_service_pb2.Anomaly]:
        """What about orders needs a look, oldest first; the pages are fetched as they are needed.

        Each has its kind, a sentence with the figures, advice what to do, and its order as it stands now.
        An empty condition holds always; `kinds` are names ("overfill") or numbers. Times are those of the
        commit, from `start_time` on and before `end_time`. `page_size` 0 leaves it to the server;
        `timeout_seconds` is for each page.
        """
        # A name by itself would be taken for its letters.
        wanted = [kinds] if isinstance(kinds, str) else kinds
        descriptor = events_pb2.AnomalyKind.DESCRIPTOR
        numbers = [convert.enum_value(descriptor, kind, f"kinds[{at}]") for at, kind in enumerate(wanted)]
        request = order_service_pb2.ListAnomaliesRequest(
            venue=venue,
            account=account,
            symbol=symbol,
            order_id=order_id,
            kinds=cast("list[events_pb2.AnomalyKind.ValueType]", numbers),
            start_time=convert.timestamp(start_time, "start_time"),
            end_time=convert.timestamp(end_time, "end_time"),
            page_size=page_size,
        )
        while True:
            page = await self._connection.call(
                self._connection.orders.ListAnomalies, request, timeout_seconds
            )
            for anomaly in page.anomalies:
                yield anomaly
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def clear_orders(
        self,
        *,
        older_than: timedelta | None = None,
        venue: str = "",
        account: str = "",
        symbol: str = "",
        timeout_seconds: float | None = None,
    ) -> order_service_pb2.ClearOrdersResponse:
        """Hide orders that have been final for at least `older_than` (None: the server's setting).

        Fills, identities and statistics stay as they are, and a late fill brings an order back.
        """
        request = order_service_pb2.ClearOrdersRequest(
            older_than=convert.duration(older_than, "older_than"), venue=venue, account=account, symbol=symbol
        )
        return await self._connection.call(self._connection.orders.ClearOrders, request, timeout_seconds)
