"""Orders that ended leave a handler's lists by themselves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from fillhandler_server import FillHandler, create_fill_handler
from fillhandler_server.codec import decode_batch
from fillhandler_server.journal import Batch, Head

WAIT_SECONDS = 30

Make = Callable[..., dict[str, Any]]


class Cleared:
    """Hears of the orders that a handler hides."""

    def __init__(self, handler: FillHandler) -> None:
        self.count = 0
        self._changed = threading.Condition()
        handler._embedded.writer.subscriber = self

    def committed(self, batches: list[Batch]) -> None:
        with self._changed:
            for batch in batches:
                for event in decode_batch(batch.payload):
                    self.count += event.orders_cleared.count
            self._changed.notify_all()

    def replaced(self, instance_id: str, head: Head) -> None:
        raise AssertionError("nothing is replaced here")

    def wait(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.count >= count, WAIT_SECONDS)


async def end(handler: FillHandler, fill: Make, order_id: str) -> None:
    handler.register_order(
        venue="binance", symbol="BTCUSDT", side="buy", order_id=order_id, order_quantity="1"
    )
    await handler.process_fill_event(fill(order_id=order_id))


async def test_the_age_counts_from_when_it_is_set(config: dict[str, Any], fill: Make) -> None:
    async with await create_fill_handler(config | {"max_order_age_hours": 0}) as handler:
        cleared = Cleared(handler)
        await end(handler, fill, "done")
        await handler.process_fill_event(fill(order_id="open"))

        handler.config["max_order_age_hours"] = 24
        assert [order.order_id for order in handler.get_orders()] == ["done", "open"]
        handler.config["max_order_age_hours"] = 1e-9

        cleared.wait(1)
        assert [order.order_id for order in handler.get_orders()] == ["open"]
        assert handler.get_fill_statistics()["total_orders"] == 2
        assert (await handler.handle_partial_fill("done", fill("late", order_id="done"))).fill_count == 2


async def test_the_age_counts_from_the_start(config: dict[str, Any], fill: Make) -> None:
    async with await create_fill_handler(config) as handler:
        await end(handler, fill, "done")
    async with await create_fill_handler(config) as handler:
        assert len(handler.get_orders()) == 1

    async with await create_fill_handler(config | {"max_order_age_hours": 1e-9}) as handler:
        cleared = Cleared(handler)
        # It may have been quicker than we began to listen.
        if handler.get_orders():
            cleared.wait(1)
        assert handler.get_orders() == []
        with_all = handler.get_fill_statistics()

    assert with_all["total_orders"] == 1


async def test_a_closed_handler_takes_a_setting(config: dict[str, Any]) -> None:
    handler = await create_fill_handler(config)
    handler.close()

    handler.config["max_order_age_hours"] = 5

    assert handler.config["max_order_age_hours"] == 5
