"""Following an order at the venue to its end, by the record that streams and polls fill, and its deadline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Final

from fillhandler_server.domain.fills import Side
from fillhandler_server.domain.numbers import EXACT, ZERO, canonical
from fillhandler_server.domain.reports import OrderStatus
from fillhandler_server.domain.trades import Operation, Remainder, ReplacementPrice, TradeOutcome
from fillhandler_server.execution.client_ids import client_order_id
from fillhandler_server.execution.connection import Answer
from fillhandler_server.execution.errors import VenueError
from fillhandler_server.execution.ledger import OrderView
from fillhandler_server.execution.placing import Placing
from fillhandler_server.execution.venue import FIRST_POLL_SECONDS

_COMPLETE_SECONDS: Final = 0.1
"""Before the first look at the trade history for fills that an ended order lacks; it doubles."""


class Following(Placing):
    """The part of a trade from the venue having its order to the end of it."""

    async def follow(self) -> None:
        """Waits for the last order's end and draws the conclusion; or acts at the deadline."""
        leg = self.leg
        poll, asked_at = FIRST_POLL_SECONDS, self.venue.monotonic()
        end_watch = self.ledger.watch(leg.order_number, self.wake)
        try:
            while True:
                order = await self.ledger.order_of(self.trade)
                if order.is_final:
                    break
                if self.trade.cancel_requested or (self.late and self._remainder is not Remainder.LEAVE):
                    await self._cancel(order)
                    order = await self.ledger.order_of(self.trade)
                    break
                if self.late:
                    text = "its deadline passed; the order was left at the venue"
                    await self.finish(TradeOutcome.LEFT_WORKING, text=text)
                    return
                due = asked_at + poll
                if self.venue.monotonic() >= due:
                    poll = await self._poll(order, poll)
                    asked_at = self.venue.monotonic()
                    continue
                await self.pause(self.until(due if self.deadline is None else min(due, self.deadline)))
        finally:
            end_watch()
        await self._complete()
        await self._conclude()

    @property
    def _remainder(self) -> Remainder:
        return self.trade.terms.remainder

    async def _poll(self, order: OrderView, wait: float) -> float:
        """Asks for the order; returns the seconds to the next time."""
        try:
            await self._record_order(order)
        except VenueError as error:
            return error.retry_after or wait
        self.answered()
        return min(wait * 2, self.venue.pace.poll_seconds)

    async def _record_order(self, order: OrderView) -> Answer:
        terms, connection = self.trade.terms, self.venue.connection
        answer = await self.ask(
            lambda: connection.find_order(terms.symbol, order.order_id, order.client_order_id)
        )
        await self.ledger.record(terms.venue, terms.account, answer.messages)
        return answer

    # ------------------------------------------------------------------ cancelling

    async def _cancel(self, order: OrderView) -> None:
        """Cancels the order, however long that takes; it may end otherwise meanwhile."""
        poll, failures = FIRST_POLL_SECONDS, 0
        alarm = self.venue.monotonic() + self.venue.pace.undecided_after_seconds
        while not order.is_final:
            if not failures and self.venue.monotonic() >= alarm and not self.trade.undecided:
                text = "the venue takes the cancel, or knows no such open order, and does not show its end"
                self.trade = await self.ledger.set_undecided(self.trade, text)
            wait = await self._cancel_once(order, failures + 1)
            failures = 0 if wait is None else failures + 1
            if wait is None:
                # What the venue does not know as open has ended, and will show as what.
                wait = poll = await self._poll(await self.ledger.order_of(self.trade), poll)
            order = await self._order_once(lambda order: order.is_final, wait)
        if self.trade.undecided:
            self.trade = await self.ledger.set_undecided(self.trade, "")

    async def _order_once(self, done: Callable[[OrderView], object], seconds: float) -> OrderView:
        """The order once something holds of it, waited for at most so long.

        Its other events wake the run as well, our own failures among them, and must not cut the wait short.
        """
        moment = self.venue.monotonic() + seconds
        while True:
            order = await self.ledger.order_of(self.trade)
            left = self.until(moment)
            if done(order) or not left:
                return order
            await self.pause(left)

    async def _cancel_once(self, order: OrderView, attempt: int) -> float | None:
        """Asks for it once; returns the seconds to wait where that failed."""
        connection, symbol, sent = self.venue.connection, self.trade.terms.symbol, [self.ledger.now()]

        async def go() -> Answer:
            sent[0] = self.ledger.now()
            return await connection.cancel(symbol, order.order_id, order.client_order_id)

        try:
            answer = await self.send(go, unwanted=lambda: False)
        except VenueError as error:
            policy = self.venue.policy
            decision = policy.decide(attempt, error, random=self.venue.random, operation=Operation.CANCEL)
            wait = decision.delay
            if not decision.retry:
                # The order works on. So it is never given up, only asked for more rarely.
                wait = max(policy.max_delay, error.retry_after or 0.0)
                text = f"the order cannot be cancelled: {error.text}"
                self.trade = await self.ledger.set_undecided(self.trade, text)
            number = self.leg.attempts_of(Operation.CANCEL) + 1
            await self.note(Operation.CANCEL, number, error, sent[0], wait)
            return wait
        self.trade = await self.ledger.succeeded(self.trade, Operation.CANCEL, sent[0], answer)
        return None

    # ------------------------------------------------------------------ the end of an order

    async def _complete(self) -> None:
        """Waits for the fills that the venue counts; reads the trade history if they do not come."""
        end = self.venue.monotonic() + self.venue.pace.completing_seconds
        wait = _COMPLETE_SECONDS
        order = await self.ledger.order_of(self.trade)
        end_watch = self.ledger.watch(order.number, self.wake)
        try:
            while order.missing:
                self.venue.look()
                left = self.until(end) or 0.0
                order = await self._order_once(lambda order: not order.missing, min(wait, left))
                if not order.missing or self.venue.monotonic() >= end:
                    break
                wait = min(wait * 2, self.venue.pace.poll_seconds)
                try:
                    await self._read_trades()
                except VenueError as error:
                    wait = max(wait, error.retry_after or 0.0)
                order = await self.ledger.order_of(self.trade)
        finally:
            end_watch()

    async def _read_trades(self) -> None:
        terms, connection, cursor = self.trade.terms, self.venue.connection, ""
        since = self.since
        while True:
            page = await self.ask(partial(connection.trades, terms.symbol, since, cursor))
            await self.ledger.record(terms.venue, terms.account, page.messages)
            if page.complete:
                return
            cursor = page.cursor

    async def _conclude(self) -> None:
        """The last order has ended: so does the trade, or the rest is placed again."""
        orders = await self.ledger.orders_of(self.trade)
        order = orders[-1]
        filled = ZERO
        for each in orders:
            filled = EXACT.add(filled, each.filled)
        rest = EXACT.subtract(self.trade.terms.quantity, filled)
        if rest <= 0:
            await self.finish(TradeOutcome.FILLED)
            return
        if order.status == OrderStatus.REJECTED:
            text = self.trade.text or "the venue refused the order"
            await self.finish(TradeOutcome.REJECTED, self.trade.error_class, text)
            return
        problem = self._no_replacement(order, rest)
        if problem is None:
            if not self._confirmed:
                await self._confirm(order)
                await self._conclude()
            else:
                await self._replace(rest)
            return
        outcome = TradeOutcome.PARTIALLY_FILLED if filled else TradeOutcome.NOT_FILLED
        await self.finish(outcome, text=problem or f"the order ended {order.status.name.lower()}")

    def _no_replacement(self, order: OrderView, rest: Decimal) -> str | None:
        """Why the rest is not placed again, "" where nobody wants that; None if it is."""
        terms = self.trade.terms
        if self.trade.cancel_requested:
            return "cancelled"
        if terms.remainder is Remainder.CANCEL and self.late:
            return "its deadline passed, and the rest was cancelled"
        # An order that somebody else cancelled is not placed again; some venues say so of an order whose time
        # in force ended it.
        at_once = self.leg.type in ("market", "ioc") or terms.time_in_force in ("ioc", "fok")
        ended = order.status == OrderStatus.EXPIRED or (at_once and order.status == OrderStatus.CANCELED)
        if terms.remainder is not Remainder.REPLACE or not (self.late or ended):
            return ""
        most = terms.max_replacements
        most = self.venue.policy.max_retries if most is None else most
        if len(self.trade.legs) > most:
            return f"max_replacements: the rest was placed again {most} times"
        rules = self.venue.connection.rules(terms.symbol)
        if rules.quantity_min is not None and rest < rules.quantity_min:
            least = canonical(rules.quantity_min)
            return f"the rest of {canonical(rest)} is less than the venue takes ({least})"
        return None

    _confirmed_leg = 0
    """Which of the orders the venue was asked about after its end."""

    @property
    def _confirmed(self) -> bool:
        return self._confirmed_leg == len(self.trade.legs)

    async def _confirm(self, order: OrderView) -> None:
        """Reads the ended order and its trades once more: the rest of it must not be taken for too much."""
        while not self._confirmed:
            try:
                await self._record_order(order)
                await self._read_trades()
            except VenueError as error:
                await self.pause(error.retry_after or self.venue.policy.base_delay)
            else:
                self.answered()
                self._confirmed_leg = len(self.trade.legs)

    async def _replace(self, rest: Decimal) -> None:
        """Makes durable that the rest is placed again; `replacement_price` says at what price."""
        trade, terms = self.trade, self.trade.terms
        made = replace(
            terms,
            quantity=rest,
            client_order_id=client_order_id(terms.venue, trade.trade_id, len(trade.legs) + 1),
        )
        if terms.replacement_price is ReplacementPrice.MARKET:
            made = replace(made, type="market", limit_price=None)
        elif terms.replacement_price is ReplacementPrice.TOLERANCE and terms.expected_price is not None:
            step = self.venue.connection.rules(terms.symbol).price_step
            limit = tolerated_price(
                terms.expected_price, terms.side, self.venue.pace.slippage_tolerance, step
            )
            made = replace(made, type="limit", limit_price=limit)
        self.trade = await self.ledger.continue_trade(trade, made)


def tolerated_price(expected: Decimal, side: int, tolerance: Decimal, step: Decimal | None) -> Decimal:
    """The expected price worsened by a fraction of it, on the market's price step: never worse than that."""
    share = EXACT.multiply(abs(expected), tolerance)
    buys = side == Side.BUY
    price = EXACT.add(expected, share) if buys else EXACT.subtract(expected, share)
    if step is None or not step:
        return price
    over = EXACT.remainder(price, step)
    below = EXACT.subtract(price, over if over >= 0 else EXACT.add(over, step))
    return below if buys or not over else EXACT.add(below, step)
