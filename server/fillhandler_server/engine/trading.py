"""The commands of trades: what of them becomes an event, and what is refused."""

from __future__ import annotations

from fillhandler_server.domain import events as ev
from fillhandler_server.domain.errors import (
    IllegalTransitionError,
    InvalidFieldError,
    TradeNotFoundError,
)
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.reports import OrderReport, OrderStatus
from fillhandler_server.domain.trades import UNDECIDED, Failure, Operation, Trade, TradeOutcome, TradeTerms
from fillhandler_server.engine.noting import Noting


class Trading(Noting):
    """The part of the engine that keeps trades. Commands take one by its id, as it stands in the book."""

    def start_trade(self, trade_id: str, request_id: str, terms: TradeTerms) -> tuple[Trade, bool]:
        """Notes what is to be traded, before anything is sent. Returns the trade, and whether it is new.

        Args:
            trade_id: a new id, for the case that the request is new.
            request_id: the caller's id.
            terms: complete; the client order id is the caller's, or made for this trade id.

        Raises:
            InvalidFieldError: its client order id is that of a trade that has not ended. Until the venue has
                told the ids of both, nobody could say whose order it speaks of.
        """
        known = self.book.trades.of_request(request_id)
        if known is not None:
            return known, False
        for order in self.book.by_client_order_id(terms.venue, terms.account, terms.client_order_id):
            other = self.book.trades.of_order(order.number)
            if other is not None and not other.finished:
                raise InvalidFieldError.of(
                    "client_order_id",
                    f"is that of trade {other.trade_id}, which has not ended; leave it out and one is made",
                )
        order = self._register(terms)
        self._emit(ev.TradeStarted(order, trade_id, request_id, terms))
        return self.trade(trade_id), True

    def trade(self, trade_id: str) -> Trade:
        """
        Raises:
            TradeNotFoundError: there is none.
        """
        trade = self.book.trades.get(trade_id)
        if trade is None:
            raise TradeNotFoundError(f"no trade {trade_id!r} is known", trade_id=trade_id)
        return trade

    def continue_trade(self, trade_id: str, terms: TradeTerms) -> Trade:
        """Notes that a trade places what is left of it as another order, before it is sent.

        `terms` are that order's own: its quantity, type, price and client order id.
        """
        trade = self.trade(trade_id)
        order = self._register(terms)
        self._emit(ev.TradeContinued(order, trade_id, len(trade.legs) + 1))
        return self.trade(trade_id)

    def note_success(self, trade_id: str, operation: Operation, send_time: int) -> Trade:
        """Notes that a venue took a request for the trade's last order."""
        trade = self.trade(trade_id)
        attempt = trade.leg.attempts_of(operation) + 1
        self._emit(ev.RequestSucceeded(self._order(trade), trade_id, attempt, operation, send_time))
        return self.trade(trade_id)

    def note_failure(self, trade_id: str, failure: Failure) -> Trade:
        """Notes that a request failed. Where an order may have been placed by it, its status is UNKNOWN."""
        order = self._order(self.trade(trade_id))
        self._emit(ev.RequestFailed(order, trade_id, failure))
        if failure.operation == Operation.PLACE and failure.maybe_applied:
            self._report(order, OrderStatus.UNKNOWN, failure.text)
        return self.trade(trade_id)

    def end_order(self, trade_id: str, status: OrderStatus, reason: str) -> None:
        """Notes that the trade's last order ended without the venue having it."""
        self._report(self._order(self.trade(trade_id)), status, reason)

    def request_cancel(self, trade_id: str) -> Trade:
        """Notes that a trade is to be cancelled; again: nothing.

        Raises:
            TradeNotFoundError: there is none.
            IllegalTransitionError: it has ended.
        """
        trade = self.trade(trade_id)
        if trade.finished:
            raise IllegalTransitionError(
                f"trade {trade_id} has ended: {trade.outcome.name.lower().replace('_', ' ')}",
                trade_id=trade_id,
                outcome=trade.outcome.name,
            )
        if not trade.cancel_requested:
            self._emit(ev.TradeCancelRequested(self._order(trade), trade_id))
        return self.trade(trade_id)

    def set_undecided(self, trade_id: str, text: str) -> Trade:
        """Raises the alert that a trade cannot be decided; without a text clears it."""
        trade = self.trade(trade_id)
        order = self._order(trade)
        if text and not trade.undecided:
            self._emit(ev.AlertRaised(order, trade_id, UNDECIDED, text))
        elif not text and trade.undecided:
            self._emit(ev.AlertCleared(order, trade_id, UNDECIDED))
        return self.trade(trade_id)

    def raise_alert(self, trade_id: str, rule: str, text: str) -> None:
        """Says of a trade that somebody should look at it."""
        self._emit(ev.AlertRaised(self._order(self.trade(trade_id)), trade_id, rule, text))

    def finish_trade(
        self, trade_id: str, outcome: TradeOutcome, error_class: str = "", text: str = ""
    ) -> Trade:
        """Notes that a trade ended; again: nothing."""
        trade = self.trade(trade_id)
        if trade.finished:
            return trade
        order = self._order(trade)
        if trade.undecided:
            self._emit(ev.AlertCleared(order, trade_id, UNDECIDED))
        self._emit(ev.TradeFinished(order, trade_id, outcome, error_class, text))
        return self.trade(trade_id)

    def import_trade(self, order: Order, trade_id: str, request_id: str, terms: TradeTerms) -> bool:
        """Takes in a trade of another journal, whose first order is here. Returns whether it is news.

        It is never executed here: whoever started it may still be at it. Its caller ends it.
        """
        trades = self.book.trades
        known = trades.get(trade_id) is not None or trades.of_request(request_id) is not None
        registration = order.registration
        if known or registration is None or registration.order_quantity is None:
            return False
        self._emit(ev.TradeStarted(order, trade_id, request_id, terms))
        return True

    def _order(self, trade: Trade) -> Order:
        return self.book.order(trade.leg.order_number)

    def _register(self, terms: TradeTerms) -> Order:
        order = Order(self.head + 1, terms.venue, terms.account)
        report = OrderReport(
            terms.venue,
            OrderStatus.PENDING_NEW,
            symbol=terms.symbol,
            client_order_id=terms.client_order_id,
            account=terms.account,
            market=terms.market,
            side=terms.side,
            type=terms.type,
            order_quantity=terms.quantity,
            limit_price=terms.limit_price,
            expected_price=terms.expected_price,
            # No creation time: fill times are by the venue's clock only.
        )
        # Always a new order: venues let a client order id be used again.
        self._emit(ev.OrderRegistered(order, report))
        return order

    def _report(self, order: Order, status: OrderStatus, reason: str) -> None:
        report = OrderReport(
            order.venue,
            status,
            symbol=order.symbol,
            client_order_id=order.client_order_id,
            account=order.account,
            market=order.market,
            reason=reason,
        )
        self._emit(ev.OrderReported(order, report, self.now, time_by_arrival=True))
