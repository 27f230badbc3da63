"""Orders of trades and the venue's messages about them."""

from decimal import Decimal

from support.desks import MemoryDesk, report
from support.trade_stories import some_terms

from fillhandler_server.domain.reports import OrderReport, OrderStatus
from fillhandler_server.domain.trades import TradeOutcome


def told(status: OrderStatus) -> OrderReport:
    """What the venue says of the second trade's order."""
    return OrderReport(
        "binance",
        status,
        symbol="BTCUSDT",
        order_id="7",
        client_order_id="mine",
        market="spot",
        side=2,
        order_quantity=Decimal(2),
    )


def test_orders_of_two_trades_under_one_client_order_id_are_never_merged() -> None:
    """The first was never at the venue; the second's order is known by its id from the first message on."""
    desk = MemoryDesk()
    first = some_terms(client_order_id="mine")
    second = some_terms(client_order_id="mine", side=2, quantity=Decimal(2))
    desk.run(
        lambda engine: engine.start_trade("t1", "r1", first),
        lambda engine: engine.end_order("t1", OrderStatus.CANCELED, "its deadline passed"),
        lambda engine: engine.finish_trade("t1", TradeOutcome.FAILED),
        lambda engine: engine.start_trade("t2", "r2", second),
        report(told(OrderStatus.NEW)),
    )
    desk.run(report(told(OrderStatus.NEW)), report(told(OrderStatus.FILLED)))
    assert [(order.order_id, order.status) for order in desk.orders()] == [
        ("", OrderStatus.CANCELED),
        ("7", OrderStatus.FILLED),
    ]
    numbers = [desk.book.trades.get(name).leg.order_number for name in ("t1", "t2")]
    assert numbers == [order.number for order in desk.orders()]
