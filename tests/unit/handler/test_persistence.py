"""What outlives the handler: its journal, and what was exported from it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.application import RunningServer

from fillhandler.v1 import state_service_pb2
from fillhandler_server import FillHandler, create_fill_handler
from fillhandler_server.domain.errors import (
    ImportDamagedError,
    InvalidFieldError,
    OrderNotFoundError,
    ShuttingDownError,
    StoreRefusedError,
)
from fillhandler_server.handler import fill_handler

pytestmark = pytest.mark.persistence

Make = Callable[..., dict[str, Any]]


async def fill_up(handler: FillHandler, fill: Make) -> None:
    """Something of everything: a full order, a partial one, a conflict, a late fee, one only declared."""
    handler.register_order(
        venue="binance", symbol="BTCUSDT", side="buy", order_id="o1", order_quantity="2", expected_price="99"
    )
    await handler.process_fill_event(fill("t1"))
    await handler.process_fill_event(fill("t2", price="101", liquidity="maker"))
    await handler.process_fill_event(fill("t2", price="102"))
    await handler.process_fill_event(fill("t3", order_id="o2", side="sell", fees={}))
    await handler.process_fill_event(fill("t3", order_id="o2", side="sell", fees={"BNB": "0.001"}))
    handler.register_order(venue="bitget", symbol="ETHUSDT", side="sell", order_id="o3", order_quantity="1")


def state_of(handler: FillHandler) -> Any:
    """All that a handler says of its record, but for where and when."""
    statistics = handler.get_fill_statistics()
    del statistics["sequence"], statistics["duplicates_dropped"]
    orders = [
        {
            name: value
            for name in order.__slots__
            if name not in ("sequence", "update_time", "order_number") and (value := getattr(order, name))
        }
        for order in handler.get_orders()
    ]
    return statistics, orders


async def test_a_restart_goes_on_where_it_was(config: dict[str, Any], fill: Make) -> None:
    async with await create_fill_handler(config) as handler:
        await fill_up(handler, fill)
        before, exported = state_of(handler), handler.export_state()

    async with await create_fill_handler(config) as handler:
        assert state_of(handler) == before
        assert handler.export_state() == exported
        event = await handler.process_fill_event(fill("t1"))
        assert event is not None
        assert (event.outcome, event.sequence) == ("DUPLICATE", 2)
        assert state_of(handler) == before


def test_what_returned_is_durable_without_a_close(config: dict[str, Any], fill: Make) -> None:
    paths = {name: str(path) for name, path in config.items()}
    script = (
        "import asyncio, os\n"
        "from fillhandler_server import create_fill_handler\n"
        "async def main():\n"
        f"    handler = await create_fill_handler({paths!r})\n"
        f"    await handler.process_fill_event({fill()!r})\n"
        "    os._exit(7)\n"
        "asyncio.run(main())\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, capture_output=True).returncode == 7

    handler = FillHandler(config)
    assert handler.get_order_state("o1").cumulative_quantity == 1
    handler.close()


async def test_an_export_restores_the_same_state_elsewhere(
    handler: FillHandler, other_handler: FillHandler, fill: Make
) -> None:
    await fill_up(handler, fill)
    exported = json.loads(json.dumps(handler.export_state()))

    result = other_handler.import_state(exported)

    assert (result["mode"], result["new_fills"], result["conflicting_fills"]) == ("merge", 3, 0)
    assert state_of(other_handler) == state_of(handler)
    again = await other_handler.process_fill_event(fill("t1"))
    assert again is not None
    assert again.outcome == "DUPLICATE"


async def test_an_import_loses_nothing_that_is_newer(handler: FillHandler, fill: Make) -> None:
    await fill_up(handler, fill)
    backup = handler.export_state()
    await handler.process_fill_event(fill("t9", order_id="o9"))
    before = state_of(handler)

    result = handler.import_state(backup)

    assert (result["new_fills"], result["duplicate_fills"], result["appended_events"]) == (0, 3, 0)
    assert state_of(handler) == before


async def test_replace_makes_it_the_exported_one(
    handler: FillHandler, other_handler: FillHandler, fill: Make
) -> None:
    await fill_up(handler, fill)
    await other_handler.process_fill_event(fill("t9", order_id="o9"))

    result = other_handler.import_state(handler.export_state(), mode="replace")

    assert result["applied"]
    assert other_handler.export_state() == handler.export_state()
    assert other_handler.fill_history == []
    with pytest.raises(OrderNotFoundError):
        other_handler.get_order_state("o9")
    assert await other_handler.process_fill_event(fill("t4"))


async def test_validate_only_changes_nothing(
    handler: FillHandler, other_handler: FillHandler, fill: Make
) -> None:
    await fill_up(handler, fill)

    result = other_handler.import_state(handler.export_state(), mode="validate-only")

    assert (result["applied"], result["fills"]) == (False, 3)
    assert other_handler.get_fill_statistics()["sequence"] == 0


async def test_a_damaged_export_changes_nothing(
    handler: FillHandler, other_handler: FillHandler, fill: Make
) -> None:
    await fill_up(handler, fill)
    exported = handler.export_state()
    altered = json.loads(json.dumps(exported).replace('"100"', '"900"'))
    cut = exported | {"batches": exported["batches"][:-1]}

    for damaged in (
        altered,
        cut,
        {},
        {"header": {}, "batches": [], "trailer": {}},
        None,
        exported | {"x": 1},
    ):
        for mode in ("merge", "replace"):
            with pytest.raises(ImportDamagedError):
                other_handler.import_state(damaged, mode=mode)  # type: ignore[arg-type]

    assert other_handler.get_fill_statistics()["sequence"] == 0
    with pytest.raises(InvalidFieldError, match="mode: must be one of replace, merge, validate_only"):
        other_handler.import_state(exported, mode="append")


async def test_a_server_takes_the_export(handler: FillHandler, fill: Make, tmp_path: Path) -> None:
    await fill_up(handler, fill)
    server = await RunningServer(tmp_path / "server").start()
    try:
        answer = await server.state.ImportState(
            state_service_pb2.ImportStateRequest(
                import_id="i",
                chunk=json.dumps(handler.export_state(), indent=1).encode(),
                last=True,
                mode=state_service_pb2.IMPORT_MODE_MERGE,
            )
        )
    finally:
        await server.stop()

    assert answer.result.new_fills == 3


async def test_clearing_hides_old_orders_and_a_late_fill_brings_one_back(
    config: dict[str, Any], fill: Make
) -> None:
    now = datetime.now(UTC)
    async with await create_fill_handler(config | {"max_order_age_hours": 2}) as handler:
        for number, hours in enumerate((1, 3, 5)):
            handler.register_order(
                venue="binance", symbol="BTCUSDT", side="buy", order_id=str(number), order_quantity="1"
            )
            await handler.process_fill_event(
                fill(order_id=str(number), trade_time=now - timedelta(hours=hours))
            )
        await handler.process_fill_event(fill(order_id="open", trade_time=now - timedelta(hours=9)))
        before = handler.get_fill_statistics()

        assert handler.clear_completed_orders() == 2
        assert handler.clear_completed_orders() == 0

        assert [order.order_id for order in handler.get_orders()] == ["0", "open"]
        with pytest.raises(OrderNotFoundError):
            handler.get_order_state("1")
        after = handler.get_fill_statistics()
        assert (before.pop("sequence"), after.pop("sequence")) == (7, 8)
        assert after == before
        late = await handler.handle_partial_fill("1", fill("late", order_id="1"))
        assert (late.cumulative_quantity, late.overfill_quantity) == (2, 1)

        handler.config["max_order_age_hours"] = 0
        assert handler.clear_completed_orders() == 2


async def test_the_history_in_memory_is_bounded_and_the_record_is_not(
    config: dict[str, Any], fill: Make
) -> None:
    async with await create_fill_handler(config | {"fill_history_limit": 2}) as handler:
        for trade_id in ("t1", "t2", "t2", "t3"):
            await handler.process_fill_event(fill(trade_id))
        assert [event.trade_id for event in handler.fill_history] == ["t2", "t3"]
        handler.config["fill_history_limit"] = 1
        assert [event.trade_id for event in handler.fill_history] == ["t3"]
        handler.config["fill_history_limit"] = 0
        await handler.process_fill_event(fill("t4"))
        assert handler.fill_history == []
        assert handler.get_fill_statistics()["total_fills_processed"] == 4


async def test_the_statistics(handler: FillHandler, fill: Make) -> None:
    empty = handler.get_fill_statistics()
    await fill_up(handler, fill)
    stats = handler.get_fill_statistics()

    assert (empty["total_fills_processed"], empty["total_orders"], empty["total_fees"]) == (0, 0, {})
    assert empty["completion_rate"] == 0.0
    assert isinstance(empty["completion_rate"], float)
    assert (empty["fill_ratio"], empty["maker_ratio"], empty["time_to_complete"]) == (None, None, None)
    assert (stats["total_fills_processed"], stats["total_orders"], stats["active_orders"]) == (3, 3, 2)
    assert stats["orders_by_status"] == {"PENDING_NEW": 1, "PARTIALLY_FILLED": 1, "FILLED": 1}
    assert stats["completion_rate"] == 1.0
    assert stats["total_fees"] == {"USDT": Decimal("0.2"), "BNB": Decimal("0.001")}
    assert stats["total_retries"] == 0
    assert stats["conflicts"] == 1
    json.dumps(stats, default=str)


async def test_a_folder_is_one_handlers(handler: FillHandler, config: dict[str, Any]) -> None:
    with pytest.raises(StoreRefusedError, match="another server uses the data directory") as caught:
        await create_fill_handler(config)

    assert caught.value.__notes__ == ["In a program of your own, --data-dir and --key-file are config keys."]


async def test_a_closed_handler_says_so(config: dict[str, Any], fill: Make) -> None:
    handler = await create_fill_handler(config)
    handler.close()
    handler.close()

    for call in (
        handler.get_fill_statistics,
        handler.get_orders,
        handler.export_state,
        handler.clear_completed_orders,
        lambda: handler.import_state({}),
    ):
        with pytest.raises(ShuttingDownError, match="the fill handler is closed"):
            call()
    with pytest.raises(ShuttingDownError, match="the fill handler is closed"):
        await handler.process_fill_event(fill())


async def test_an_opening_that_nobody_waits_for_is_closed_again(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Noted(FillHandler):
        def close(self) -> None:
            super().close()
            loop.call_soon_threadsafe(closed.set)

    monkeypatch.setattr(fill_handler, "FillHandler", Noted)
    opening = asyncio.create_task(create_fill_handler(config))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await closed.wait()

    (await create_fill_handler(config)).close()
