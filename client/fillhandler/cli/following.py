"""A trade while it is under way: its start, and what it is after each of its events."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from fillhandler.cli.values import shown_time
from fillhandler.client import FillHandlerClient
from fillhandler.errors import ProtocolError, TradeNotFoundError
from fillhandler.v1 import events_pb2, state_service_pb2, trades_pb2


async def find_trade(client: FillHandlerClient, name: str) -> trades_pb2.Trade:
    """The trade with this id of the service's, or else with this request id.

    Raises:
        TradeNotFoundError: There is neither.
    """
    try:
        return await client.get_trade(name)
    except TradeNotFoundError:
        return await client.get_trade(request_id=name)


async def started_trade(
    client: FillHandlerClient,
    request: trades_pb2.ExecuteTradeRequest,
    before: state_service_pb2.GetServerStatusResponse,
) -> trades_pb2.Trade:
    """The trade of a request as soon as its intent is durable. `before`: the server before it was sent."""
    try:
        return await client.get_trade(request_id=request.request_id)
    except TradeNotFoundError:
        pass
    # By venue alone: how the service spells the symbol, and which account and market it took, it says here.
    stream = client.watch(
        after_sequence=before.head_sequence,
        instance_id=before.instance_id,
        venues=[request.venue],
        kinds=["trade_started"],
    )
    async with aclosing(stream) as events:
        async for event in events:
            if event.trade_started.request_id == request.request_id:
                return await client.get_trade(event.trade_started.trade_id)
    raise ProtocolError("the server ended the feed")


async def trade_changes(
    client: FillHandlerClient, trade: trades_pb2.Trade, instance_id: str | None = None
) -> AsyncGenerator[tuple[str, trades_pb2.Trade]]:
    """A trade as it stands and after each of its events until it has ended, with the time of each.

    Events that come together are one step.
    """
    yield shown_time(trade, "start_time"), trade
    if trade.status == trades_pb2.TRADE_STATUS_FINISHED:
        return
    # What happened since its own last event may come again; nothing that happens after it is missed.
    stream = client.watch_responses(
        after_sequence=trade.sequence,
        instance_id=instance_id,
        venues=[trade.request.venue],
        accounts=[trade.request.account],
        symbols=[trade.request.symbol],
    )
    async with aclosing(stream) as responses:
        async for response in responses:
            if not response.events:
                continue
            trade = await client.get_trade(trade.trade_id)
            last: events_pb2.Event = response.events[-1]
            yield shown_time(last, "commit_time"), trade
            if trade.status == trades_pb2.TRADE_STATUS_FINISHED:
                return
