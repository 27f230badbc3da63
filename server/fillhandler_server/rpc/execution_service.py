"""ExecutionService: trades, their attempts, and the venues with the connections to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from fillhandler.v1 import execution_service_pb2 as pb
from fillhandler.v1 import trades_pb2
from fillhandler_server import venues
from fillhandler_server.codec import to_timestamp
from fillhandler_server.codec.trades import to_duration
from fillhandler_server.collectors import CollectorState
from fillhandler_server.execution.breaker import BreakerState, BreakerStatus
from fillhandler_server.execution.manager import TradeManager
from fillhandler_server.projections import AttemptQuery, Readers, TradeQuery
from fillhandler_server.rpc import convert, trades
from fillhandler_server.rpc.checking import Checker
from fillhandler_server.writer import Session, Writer


class Configured(Protocol):
    """What is configured of a connection, as far as it is served."""

    venue: str
    account: str
    market: str
    sandbox: bool


class Connected(Protocol):
    """A connection at one moment."""

    @property
    def settings(self) -> Configured:
        """What is configured."""

    collector: CollectorState
    breaker: BreakerStatus
    active_trades: int
    now: int


class ExecutionService:
    """Convert → call → convert."""

    def __init__(
        self,
        writer: Writer,
        readers: Readers,
        manager: TradeManager,
        statuses: Callable[[], Sequence[Any]],
    ) -> None:
        """
        Args:
            writer: the write path.
            readers: beside it.
            manager: executes trades.
            statuses: every connection as it stands (`Connected`).
        """
        self._writer = writer
        self._readers = readers
        self._manager = manager
        self._statuses = statuses

    async def ExecuteTrade(
        self, request: trades_pb2.ExecuteTradeRequest, context: Any
    ) -> pb.ExecuteTradeResponse:
        """Starts a trade and waits for its end; a caller that goes leaves it running."""
        request_id, terms = trades.terms_from_request(request)
        started = await self._manager.start(request_id, terms)
        trade = await self._manager.wait(started.trade_id)
        return await self._writer.run(
            lambda session: trades.result_message(session, session.engine.trade(trade.trade_id))
        )

    async def GetTrade(self, request: pb.GetTradeRequest, context: Any) -> pb.GetTradeResponse:
        """One trade."""
        trades.check_name(request)

        def work(session: Session) -> pb.GetTradeResponse:
            trade = trades.find_trade(session, request.trade_id, request.request_id)
            return pb.GetTradeResponse(trade=trades.trade_message(trade, trades.orders_of(session, trade)))

        return await self._writer.run(work)

    async def ListTrades(self, request: pb.ListTradesRequest, context: Any) -> pb.ListTradesResponse:
        """A page of trades."""
        check = Checker("")
        query = TradeQuery(
            venue=request.venue.lower(),
            account=request.account,
            symbol=request.symbol,
            active=request.active,
            start_time=check.time(request, "start_time"),
            end_time=check.time(request, "end_time"),
        )
        check.done()
        size = convert.page_size(request.page_size)
        await self._writer.run(_nothing, flush=True)
        page = await self._readers.run(lambda reader: reader.list_trades(query, size, request.page_token))
        return pb.ListTradesResponse(
            trades=[trades.trade_message(each.trade, each.orders) for each in page.entries],
            next_page_token=page.next_token,
        )

    async def CancelTrade(self, request: pb.CancelTradeRequest, context: Any) -> pb.CancelTradeResponse:
        """Asks for a trade to be cancelled."""
        trades.check_name(request)
        named = await self._manager.get(request.trade_id, request.request_id)
        await self._manager.cancel(named.trade_id)

        def work(session: Session) -> pb.CancelTradeResponse:
            trade = session.engine.trade(named.trade_id)
            return pb.CancelTradeResponse(
                trade=trades.trade_message(trade, trades.orders_of(session, trade)),
                sequence=trade.sequence,
            )

        return await self._writer.run(work)

    async def ListRetries(self, request: pb.ListRetriesRequest, context: Any) -> pb.ListRetriesResponse:
        """A page of attempts."""
        check = Checker("")
        query = AttemptQuery(
            venue=request.venue.lower(),
            account=request.account,
            symbol=request.symbol,
            trade_id=request.trade_id,
            error_class=request.error_class,
            outcome=check.enum("outcome", request.outcome, max(pb.AttemptOutcome.values())),
            start_time=check.time(request, "start_time"),
            end_time=check.time(request, "end_time"),
        )
        check.done()
        size = convert.page_size(request.page_size)
        await self._writer.run(_nothing, flush=True)
        page = await self._readers.run(lambda reader: reader.list_attempts(query, size, request.page_token))
        return pb.ListRetriesResponse(
            attempts=[trades.attempt_message(entry) for entry in page.entries],
            next_page_token=page.next_token,
        )

    async def ListVenues(self, request: pb.ListVenuesRequest, context: Any) -> pb.ListVenuesResponse:
        """The venues whose payloads are understood; a venue that is not known gives none."""
        wanted = request.venue.lower()
        statuses = self._statuses()
        return pb.ListVenuesResponse(
            venues=[
                pb.Venue(
                    name=venue.name,
                    title=venue.title,
                    payload_kinds=[kind.name for kind in venue.kinds],
                    connections=[_connection(each) for each in statuses if each.settings.venue == venue.name],
                )
                for venue in venues.listed()
                if wanted in ("", venue.name)
            ]
        )


def _connection(status: Connected) -> pb.VenueConnection:
    settings, collector, breaker = status.settings, status.collector, status.breaker
    message = pb.VenueConnection(
        account=settings.account,
        market=settings.market,
        state=int(collector.state),  # type: ignore[arg-type]  # the enums share their values
        sandbox=settings.sandbox,
        lag=None if collector.lag is None else to_duration(collector.lag),
        clock_skew=None if collector.clock_skew is None else to_duration(collector.clock_skew),
        repaired_fills=collector.repaired_fills,
        reconnects=collector.reconnects,
        text=collector.text,
        paused=breaker.state is not BreakerState.CLOSED,
        active_trades=status.active_trades,
    )
    for name in ("connect_time", "last_message_time", "confirmed_time"):
        moment = getattr(collector, name)
        if moment is not None:
            getattr(message, name).CopyFrom(to_timestamp(moment))
    if breaker.remaining_seconds:
        until = status.now + int(breaker.remaining_seconds * 1_000_000_000)
        message.paused_until.CopyFrom(to_timestamp(until))
    return message


def _nothing(session: Session) -> None:
    """For the flush that comes with a job."""
