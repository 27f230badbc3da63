"""What execution and collectors write into the record and read out of it: the adapter over the writer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import Final

from fillhandler_server.domain.errors import InvalidFieldError, UnsupportedPayloadError
from fillhandler_server.domain.events import ConnectionChanged, Outcome
from fillhandler_server.domain.numbers import EXACT, ZERO, canonical
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.reports import OrderReport, OrderStatus, ParsedPayload
from fillhandler_server.domain.trades import Failure, Operation, Trade, TradeOutcome, TradeTerms
from fillhandler_server.execution import payloads
from fillhandler_server.execution.connection import Answer, Message, VenueOrder
from fillhandler_server.execution.ledger import OrderView, Recorded
from fillhandler_server.instrument_table import InstrumentTable
from fillhandler_server.writer import Session, Writer

log = logging.getLogger("fillhandler.ledger")

SLIPPAGE: Final = "slippage_tolerance"
"""The rule of the alert that a trade's price was worse than the expected one by more than the tolerance."""
_INLINE_BYTES: Final = 32 * 1024


class WriterLedger:
    """Implements `execution.ledger.Ledger` and `collectors.ports.Record`. For one event loop."""

    def __init__(
        self,
        writer: Writer,
        instruments: InstrumentTable,
        slippage_tolerance: Decimal,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """
        Args:
            writer: the write path, started.
            instruments: what payloads do not say of symbols.
            slippage_tolerance: a fraction of the expected price; a worse one raises an alert.
            clock: nanoseconds since the epoch.
        """
        self._writer = writer
        self._instruments = instruments
        self.slippage_tolerance = slippage_tolerance
        self._clock = clock

    def now(self) -> int:
        """This machine's time, nanoseconds since the epoch."""
        return self._clock()

    # ------------------------------------------------------------------ what venues send

    async def record(self, venue: str, account: str, messages: Sequence[Message]) -> Recorded:
        """Records what a venue sent: fills, reports, duplicates dropped."""
        parsed, unread = await self._read(venue, account, messages)
        if not parsed:
            return Recorded(unread=unread)
        return await self._writer.run(partial(_record, parsed=parsed, unread=unread))

    async def _read(
        self, venue: str, account: str, messages: Sequence[Message]
    ) -> tuple[list[ParsedPayload], tuple[str, ...]]:
        if sum(len(message.payload) for message in messages) > _INLINE_BYTES or any(
            payloads.needs_thread(venue, message.format) for message in messages
        ):
            return await asyncio.to_thread(self._parse, venue, account, messages)
        return self._parse(venue, account, messages)

    def _parse(
        self, venue: str, account: str, messages: Sequence[Message]
    ) -> tuple[list[ParsedPayload], tuple[str, ...]]:
        parsed, unread = [], []
        for message in messages:
            try:
                parsed.append(
                    payloads.parse_payload(
                        venue,
                        account,
                        message.payload,
                        format=message.format,
                        instruments=self._instruments.current,
                    )
                )
            except (InvalidFieldError, UnsupportedPayloadError) as error:
                unread.append(error.text)
        return parsed, tuple(unread)

    # ------------------------------------------------------------------ trades

    async def start_trade(self, trade_id: str, request_id: str, terms: TradeTerms) -> tuple[Trade, bool]:
        """Makes a trade's intent durable. Returns the trade of this request, and whether it is new."""
        return await self._writer.run(lambda s: s.engine.start_trade(trade_id, request_id, terms))

    async def trade(self, trade_id: str = "", request_id: str = "") -> Trade | None:
        """A trade as it stands, by either id."""

        def work(session: Session) -> Trade | None:
            trades = session.book.trades
            return trades.get(trade_id) if trade_id else trades.of_request(request_id)

        return await self._writer.run(work)

    async def active_trades(self) -> list[Trade]:
        """Every trade that has not ended, oldest first."""
        return await self._writer.run(lambda session: session.book.trades.active())

    async def owner_of(self, trade: Trade, order_id: str) -> int | None:
        """Number of the order in the trade's symbol that has this venue id; None where none is known to."""
        terms = trade.terms

        def work(session: Session) -> int | None:
            for order in session.book.by_order_id(terms.venue, terms.account, order_id):
                if order.symbol == terms.symbol and order.market in ("", terms.market):
                    return order.number
            return None

        return await self._writer.run(work) if order_id else None

    async def order_of(self, trade: Trade) -> OrderView:
        """The trade's last order."""
        return (await self.orders_of(trade))[-1]

    async def orders_of(self, trade: Trade) -> list[OrderView]:
        """All orders of a trade, oldest first."""
        trade_id = trade.trade_id

        def work(session: Session) -> list[OrderView]:
            # By the trade as it stands: an order may have been merged meanwhile.
            legs = session.engine.trade(trade_id).legs
            return [view(session.book.order(leg.order_number)) for leg in legs]

        return await self._writer.run(work)

    async def succeeded(self, trade: Trade, operation: Operation, send_time: int, answer: Answer) -> Trade:
        """Notes that a request for the trade's last order succeeded, and records what the venue answered."""
        parsed = await self._answered(trade, answer)

        def work(session: Session) -> Trade:
            session.engine.note_success(trade.trade_id, operation, send_time)
            return _take(session, trade, parsed, answer.order if operation is Operation.PLACE else None)

        return await self._writer.run(work)

    async def found(self, trade: Trade, answer: Answer) -> Trade:
        """Notes that the venue has the trade's last order though no request to place it was answered."""
        parsed = await self._answered(trade, answer)

        def work(session: Session) -> Trade:
            session.engine.note_success(trade.trade_id, Operation.QUERY, session.engine.now)
            session.engine.set_undecided(trade.trade_id, "")
            return _take(session, trade, parsed, answer.order)

        return await self._writer.run(work)

    async def _answered(self, trade: Trade, answer: Answer) -> list[ParsedPayload]:
        parsed, unread = await self._read(trade.terms.venue, trade.terms.account, answer.messages)
        for text in unread:
            log.warning("an answer of %s could not be read: %s", trade.terms.venue, text)
        return parsed

    async def failed(self, trade: Trade, failure: Failure) -> Trade:
        """Notes that one failed; where the outcome of placing is unknown, the order's status is UNKNOWN."""
        return await self._writer.run(lambda s: s.engine.note_failure(trade.trade_id, failure))

    async def end_order(self, trade: Trade, status: OrderStatus, reason: str) -> None:
        """Notes that the trade's last order ended without the venue having it: REJECTED or CANCELED."""
        await self._writer.run(lambda s: s.engine.end_order(trade.trade_id, status, reason))

    async def continue_trade(self, trade: Trade, terms: TradeTerms) -> Trade:
        """Makes durable that the trade places another order; `terms` are that order's own."""
        return await self._writer.run(lambda s: s.engine.continue_trade(trade.trade_id, terms))

    async def request_cancel(self, trade_id: str) -> Trade:
        """Makes durable that a trade is to be cancelled.

        Raises:
            TradeNotFoundError: there is none.
            IllegalTransitionError: it has ended.
        """
        return await self._writer.run(lambda s: s.engine.request_cancel(trade_id))

    async def set_undecided(self, trade: Trade, text: str) -> Trade:
        """Raises the alert that a trade cannot be decided; `text` empty clears it."""
        return await self._writer.run(lambda s: s.engine.set_undecided(trade.trade_id, text))

    async def finish_trade(
        self, trade: Trade, outcome: TradeOutcome, error_class: str = "", text: str = ""
    ) -> Trade:
        """Ends a trade; and raises an alert where its price was out of tolerance."""

        def work(session: Session) -> Trade:
            engine = session.engine
            again = engine.trade(trade.trade_id).finished
            finished = engine.finish_trade(trade.trade_id, outcome, error_class, text)
            slipped = "" if again else self._slippage(session, finished)
            if slipped:
                engine.raise_alert(trade.trade_id, SLIPPAGE, slipped)
            return engine.trade(trade.trade_id)

        return await self._writer.run(work)

    def _slippage(self, session: Session, trade: Trade) -> str:
        expected = trade.terms.expected_price
        orders = [session.book.order(leg.order_number) for leg in trade.legs]
        if expected is None or not expected:
            return ""
        worst = ZERO
        for order in orders:
            average = order.average
            if average is not None:
                worse = EXACT.subtract(average, expected)
                worst = max(worst, worse if trade.terms.side == 1 else -worse)
        if worst <= EXACT.multiply(abs(expected), self.slippage_tolerance):
            return ""
        return (
            f"filled {canonical(worst)} worse than the expected price {canonical(expected)};"
            f" the tolerance is {canonical(self.slippage_tolerance)} of it"
        )

    def watch(self, order_number: int, moved: Callable[[], None]) -> Callable[[], None]:
        """Calls `moved`, on the event loop, each time an order has moved and that is durable."""
        loop = asyncio.get_running_loop()

        def tell() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(moved)

        return self._writer.watches.watch(order_number, tell)

    # ------------------------------------------------------------------ connections

    async def connection_changed(
        self,
        venue: str,
        account: str,
        market: str,
        *,
        connected: bool,
        text: str = "",
        repaired_fills: int = 0,
        symbol: str = "",
        confirmed_time: int | None = None,
    ) -> None:
        """Notes that a connection came, went, or repaired a gap."""
        event = ConnectionChanged(
            venue, account, market, connected, text, repaired_fills, symbol, confirmed_time
        )
        await self._writer.run(lambda session: session.engine.emit(event))

    async def confirmed_times(self, venue: str, account: str, market: str) -> dict[str, int]:
        """Up to when the history was read completely, by symbol; "" for all symbols at once."""

        def work(session: Session) -> dict[str, int]:
            totals = session.book.trades.connections.get((venue, account, market))
            return {} if totals is None else dict(totals.confirmed)

        return await self._writer.run(work)

    async def known_symbols(self, venue: str, account: str, market: str, since: int) -> set[str]:
        """Symbols of orders that are open, or moved at or after a time."""

        def work(session: Session) -> set[str]:
            last = session.store.journal.sequence_before(since)
            return session.book.symbols_of(venue, account, market, last)

        return await self._writer.run(work)

    async def incomplete_orders(self, venue: str, account: str) -> list[OrderView]:
        """Orders of which the venue counts more than its fills have told."""
        return await self._writer.run(lambda s: [view(each) for each in s.book.incomplete(venue, account)])

    async def open_orders(self, venue: str, account: str, market: str) -> list[OrderView]:
        """Orders of a market that have the venue's id and have not ended, as far as the record knows."""
        return await self._writer.run(
            lambda s: [view(each) for each in s.book.open_orders(venue, account, market)]
        )


def view(order: Order) -> OrderView:
    """An order as it stands."""
    missing = order.gap
    if order.status == OrderStatus.FILLED and order.order_quantity is not None:
        # It may say so without a figure.
        own = EXACT.subtract(order.cumulative, order.inferred_quantity)
        missing = max(missing, EXACT.subtract(order.order_quantity, own))
    return OrderView(
        number=order.number,
        order_id=order.order_id,
        order_ids=tuple(order.order_ids),
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        status=OrderStatus(order.status),
        is_final=order.is_final,
        quantity=order.order_quantity,
        cumulative=order.cumulative,
        reported_cumulative=order.reported_cumulative,
        missing=missing,
        last_fill_time=order.last_fill_time,
    )


def _record(session: Session, parsed: list[ParsedPayload], unread: tuple[str, ...] = ()) -> Recorded:
    engine, book = session.engine, session.book
    new = known = 0
    orders: dict[int, Order] = {}
    for payload in parsed:
        for fill in payload.fills:
            result = engine.record_fill(fill)
            if result.outcome is Outcome.RECORDED:
                new += 1
            else:
                known += 1
                book.statistics.duplicates += result.outcome is Outcome.DUPLICATE
            orders[result.order.number] = result.order
        for report in payload.reports:
            order = engine.report_order(report).order
            orders[order.number] = order
    views = tuple(view(order) for number, order in sorted(orders.items()) if book.knows(number))
    return Recorded(new, known, views, unread)


def _take(session: Session, trade: Trade, parsed: list[ParsedPayload], told: VenueOrder | None) -> Trade:
    """Records an answer; and the order's id where the messages did not tell it."""
    engine = session.engine
    _record(session, parsed)
    order = session.book.order(engine.trade(trade.trade_id).leg.order_number)
    if told is not None and told.order_id and told.order_id not in order.order_ids:
        for other in session.book.by_order_id(order.venue, order.account, told.order_id):
            fits = other.symbol == order.symbol and other.market in ("", order.market)
            if fits and other.number > order.number and session.book.trades.of_order(other.number) is None:
                # A message told of it that fitted two orders of one client id.
                order = engine.merge_orders(order, other)
                break
    if told is not None and told.order_id and told.order_id not in order.order_ids:
        engine.report_order(
            OrderReport(
                order.venue,
                told.status or OrderStatus.NEW,
                symbol=order.symbol,
                order_id=told.order_id,
                client_order_id=order.client_order_id,
                account=order.account,
                market=order.market,
                side=order.side,
                cumulative_quantity=told.filled,
                time=told.create_time if told.status == OrderStatus.NEW else None,
            )
        )
    return engine.trade(trade.trade_id)
