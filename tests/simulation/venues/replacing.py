"""FIX-style replacing in Binance's words: an amend gives a new order id, and cancels the old one.

No venue here tells which id took which one's place in its pushes, so its owner does, by ReportOrder.
"""

from __future__ import annotations

from tests.simulation import writer as w
from tests.simulation.truth import Event, Kind
from tests.simulation.venues.binance import Binance, execution_report
from tests.simulation.writer import Capabilities, Command, Message, Row, Transport, ms

from fillhandler_server.domain.reports import OrderReport, OrderStatus


class Replacing(Binance):
    """Figures span all ids of an order, as in FIX; the new order keeps the client order id."""

    name = "replacing"
    capabilities = Capabilities(amend="new", busts=True, average_places=5, order_ids="symbol", enriches=True)
    listings = Binance.listings[:2]

    def stream(self, event: Event) -> list[Message]:
        told = super().stream(event)
        if event.kind is not Kind.AMENDED:
            return told
        order = event.order
        canceled = execution_report(event) | {
            "i": int(event.replaced),
            "x": "CANCELED",
            "X": "CANCELED",
            "c": "replace",
            "C": order.client_order_id,
            "q": w.text(order.events[order.events.index(event) - 1].state.quantity, 8),
            "T": ms(event.time) - 1,
        }
        return [w.stream(order, Row(canceled)), *told]

    def answer(self, event: Event) -> list[Message]:
        if event.kind is not Kind.AMENDED:
            return super().answer(event)
        order, state = event.order, event.state

        def arguments() -> tuple[OrderReport]:
            said = OrderReport(
                self.venue,
                OrderStatus[state.status],
                symbol=order.listing.symbol,
                order_id=state.order_id,
                account=order.account,
                market=order.listing.market,
                time=event.time,
                previous_order_id=event.replaced,
            )
            return (said,)

        return [
            Message(order.account, Transport.COMMAND, command=Command("report_order", arguments), about=order)
        ]
