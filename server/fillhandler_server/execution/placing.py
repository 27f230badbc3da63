"""Placing an order so that it is never placed twice (reliability.md, G7).

The intent is durable before anything is sent. A request whose outcome is not known is never simply repeated:
the venue is asked by our client order id, by its list of orders and by the account's trades, and only where
all of them show no order after the settle time is it sent again. The client order id alone would not protect:
venues take the same one again once the first order is filled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from functools import partial
from typing import Final

from fillhandler_server.domain.reports import OrderStatus
from fillhandler_server.domain.trades import Failure, Operation, TradeOutcome
from fillhandler_server.execution.connection import Answer, OrderTicket, VenueOrder
from fillhandler_server.execution.errors import ErrorClass, VenueError
from fillhandler_server.execution.running import SECOND, NotSentError, Running

LOOK_BACK: Final = 60 * SECOND
"""How far before an order's intent the venue's lists are read: clocks differ."""
_ASK_SECONDS: Final = 0.25
"""Between the first two questions after an order of unknown fate; it doubles."""
_ASK_SECONDS_MAX: Final = 30.0
_REFUSALS: Final = frozenset(
    {
        ErrorClass.INVALID_ORDER,
        ErrorClass.INSUFFICIENT_FUNDS,
        ErrorClass.AUTHENTICATION,
        ErrorClass.EXCHANGE_ERROR,
    }
)
"""Classes by which a venue refuses an order, as opposed to not taking the request."""


class Placing(Running):
    """The part of a trade until the venue has its order."""

    _doubtful = False
    """After a restart in a wait: the venue is asked once more before anything is sent."""

    async def place(self) -> None:
        """One step towards the venue having the last order; or the trade's end."""
        failure = self.leg.failure
        if failure is not None and failure.maybe_applied:
            await self._resolve(failure)
            return
        if failure is not None and failure.retry_time is None:
            # It was given up, and the process ended before the trade did.
            # Several attempts were made of it only if it was temporary.
            await self._give_up(failure, temporary=failure.attempt > 1)
            return
        if failure is not None:
            await self._wait_for(self.due(failure))
        if self._doubtful and await self._found_after_all():
            return
        await self._send()

    async def _found_after_all(self) -> bool:
        """Whether the venue has an order that was not sent, if the clock can be believed."""
        # It has had the wait to settle.
        found = await self._alarmed(self._find(self.venue.monotonic()))
        self._doubtful = False
        if found is not None:
            self.trade = await self.ledger.found(self.trade, found)
        return found is not None

    async def interrupted(self) -> None:
        """After a restart: a request may have been under way when the process ended.

        Not while a wait was: nothing is sent before its end.
        """
        failure = self.leg.failure
        if failure is not None and (failure.retry_time is None or failure.retry_time > self.ledger.now()):
            self._doubtful = True
            return
        error = VenueError(
            ErrorClass.UNKNOWN_OUTCOME,
            "the server ended while the order may have been under way",
            maybe_applied=True,
            temporary=True,
        )
        await self._failed(error, self.ledger.now())

    def _unwanted(self) -> bool:
        return self.trade.cancel_requested or self.late

    async def _wait_for(self, moment: float) -> None:
        while not self._unwanted() and (left := self.until(moment)):
            limit = self.until(self.deadline)
            await self.pause(left if limit is None else min(left, limit))

    async def _send(self) -> None:
        terms, leg = self.trade.terms, self.leg
        if self._unwanted():
            await self._drop()
            return
        ticket = OrderTicket(
            symbol=terms.symbol,
            side=terms.side,
            type=leg.type,
            quantity=leg.quantity,
            client_order_id=leg.client_order_id,
            limit_price=leg.limit_price,
            # A replacement of another type has that type's own.
            time_in_force=terms.time_in_force if leg.type == terms.type else "",
        )
        sent = [self.ledger.now()]
        again = leg.attempts_of(Operation.PLACE) > 0

        async def go() -> Answer | None:
            # It may have been held back for long.
            if again and (await self.ledger.order_of(self.trade)).order_id:
                return None
            sent[0] = self.ledger.now()
            return await self.venue.connection.place(ticket)

        try:
            answer = await self.send(go, unwanted=self._unwanted, until=self.deadline)
        except NotSentError:
            await self._drop()
        except VenueError as error:
            await self._failed(error, sent[0])
        else:
            if answer is None:
                found = await self._told() or Answer()
                self.trade = await self.ledger.found(self.trade, found)
            else:
                self.trade = await self.ledger.succeeded(self.trade, Operation.PLACE, sent[0], answer)

    async def _failed(self, error: VenueError, send_time: int) -> None:
        attempt = self.leg.attempts_of(Operation.PLACE) + 1
        if error.duplicate and attempt > 1:
            # The venue has an open order with this id, which an earlier attempt may have placed.
            error.maybe_applied = True
        decision = self.venue.policy.decide(attempt, error, random=self.venue.random)
        await self.note(
            Operation.PLACE, attempt, error, send_time, decision.delay if decision.retry else None
        )
        failure = self.leg.failure
        if failure is not None and failure.retry_time is None and not failure.maybe_applied:
            await self._give_up(failure, temporary=error.temporary)

    async def _give_up(self, failure: Failure, *, temporary: bool) -> None:
        """Ends the trade: its last order is not at the venue, and will not be sent again.

        Args:
            failure: the last one.
            temporary: whether the venue spoke of itself, and not of the order.
        """
        await self.ledger.end_order(self.trade, OrderStatus.REJECTED, failure.text)
        # What may have taken effect and did not, nobody has refused.
        refused = failure.error_class in _REFUSALS and not failure.maybe_applied and not temporary
        outcome = TradeOutcome.REJECTED if refused else TradeOutcome.FAILED
        await self.finish(outcome, failure.error_class, failure.text)

    async def _drop(self) -> None:
        """Ends the trade: its last order is not at the venue, and is not wanted any more."""
        asked = self.trade.cancel_requested
        text = "cancelled before it was placed" if asked else "its deadline passed before it could be placed"
        await self.ledger.end_order(self.trade, OrderStatus.CANCELED, text)
        failure = self.leg.failure
        error_class = "" if asked or failure is None else failure.error_class
        outcome = TradeOutcome.NOT_FILLED if asked else TradeOutcome.FAILED
        await self.finish(outcome, error_class, text)

    # ------------------------------------------------------------------ unknown outcomes

    async def _resolve(self, failure: Failure) -> None:
        """Asks the venue until it shows the order, or shows that there is none."""
        settled = self.settled(failure)
        if failure.delay is not None:
            settled = max(settled, self.due(failure))
        found = await self._alarmed(self._find(settled))
        self._doubtful = False
        if found is not None:
            self.trade = await self.ledger.found(self.trade, found)
        elif failure.retry_time is None:
            await self._give_up(failure, temporary=True)
        else:
            await self._send()

    async def _alarmed(self, asking: Awaitable[Answer | None]) -> Answer | None:
        """What is found, with an alert that stands for as long as it takes too long, and no longer."""
        alarm = asyncio.ensure_future(self._alarm())
        try:
            found = await asking
        finally:
            alarm.cancel()
            await asyncio.gather(alarm, return_exceptions=True)
        # Whatever the alarm wrote, it wrote before this.
        self.trade = await self.ledger.set_undecided(self.trade, "")
        return found

    async def _alarm(self) -> None:
        """Says that the trade is undecided when it has been so for long, held back requests or not."""
        await self.venue.sleep(self.venue.pace.undecided_after_seconds)
        text = "an order may be at the venue, which has not told so far"
        self.trade = await self.ledger.set_undecided(self.trade, text)

    async def _find(self, settled: float) -> Answer | None:
        """The order at the venue; None once it has shown, asked at or after a moment, that there is none."""
        wait = _ASK_SECONDS
        while True:
            # What is asked before this moment says nothing of an order that may still appear.
            thorough = self.venue.monotonic() >= settled
            try:
                found = await self._look(thorough=thorough)
            except VenueError as error:
                pause = error.retry_after or self.venue.policy.base_delay
            else:
                self.answered()
                if found is not None or thorough:
                    return found
                pause = min(wait, self.until(settled) or 0.0)
                wait = min(wait * 2, _ASK_SECONDS_MAX)
            # Nothing that happens meanwhile changes what has to be asked.
            await self.pause(pause)

    async def _look(self, *, thorough: bool) -> Answer | None:
        """The order at the venue, if it has it.

        Args:
            thorough: also by the lists of orders and trades, which name what a question by id may miss.
        """
        connection, symbol = self.venue.connection, self.trade.terms.symbol
        client_order_id = self.leg.client_order_id
        if (told := await self._told()) is not None:
            return await self._by_id(told.order.order_id if told.order else "") or told
        answer = await self.ask(lambda: connection.find_order(symbol, client_order_id=client_order_id))
        if await self._is_ours(answer.order):
            return answer
        if not thorough:
            return None
        since = self.since
        listed = await self.ask(lambda: connection.recent_orders(symbol, since))
        for order in listed.orders:
            if await self._is_ours(order):
                return await self._by_id(order.order_id) or replace(listed, order=order)
        return await self._by_trades(symbol, since)

    async def _told(self) -> Answer | None:
        """The order, where the stream told of it: it is there, whatever the venue's questions show yet."""
        order_id = (await self.ledger.order_of(self.trade)).order_id
        told = VenueOrder(order_id, self.leg.client_order_id, OrderStatus.UNSPECIFIED)
        return Answer(order=told) if order_id else None

    async def _by_id(self, order_id: str) -> Answer | None:
        connection, symbol = self.venue.connection, self.trade.terms.symbol
        answer = await self.ask(lambda: connection.find_order(symbol, order_id=order_id))
        return answer if await self._is_ours(answer.order) else None

    async def _by_trades(self, symbol: str, since: int) -> Answer | None:
        """By the account's trades: each that is of an order without a known client id is asked for."""
        connection, terms, cursor = self.venue.connection, self.trade.terms, ""
        while True:
            page = await self.ask(partial(connection.trades, symbol, since, cursor))
            recorded = await self.ledger.record(terms.venue, terms.account, page.messages)
            for order in recorded.orders:
                if order.order_id and not order.client_order_id and order.side == terms.side:
                    found = await self._by_id(order.order_id)
                    if found is not None:
                        return found
            if page.complete:
                return None
            cursor = page.cursor

    @property
    def since(self) -> int:
        """From when on, by the venue's clock, the last order can be there."""
        return self.leg.start_time + (self.venue.connection.skew or 0) - LOOK_BACK

    async def _is_ours(self, order: VenueOrder | None) -> bool:
        """Whether an order of our client id is this one, and not another one under a reused id."""
        leg = self.leg
        if order is None or order.client_order_id != leg.client_order_id:
            return False
        if order.side and order.side != self.trade.terms.side:
            return False
        if order.quantity is not None and order.quantity != leg.quantity:
            return False
        if order.create_time is not None and order.create_time < self.since:
            return False
        # The record knew it before this one was asked for. One that it came to know later, by a fill or a
        # report, may be this one: nothing has told yet that they are the same.
        known = await self.ledger.owner_of(self.trade, order.order_id)
        return known is None or known >= leg.order_number
