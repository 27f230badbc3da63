"""Trades under way: started, resumed after a restart, waited for, cancelled, stopped."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from fillhandler_server.domain.errors import (
    FillHandlerError,
    InvalidFieldError,
    RequestIdReusedError,
    ShuttingDownError,
    TradeNotFoundError,
    VenueUnavailableError,
)
from fillhandler_server.domain.trades import Trade, TradeTerms
from fillhandler_server.execution.client_ids import client_order_id
from fillhandler_server.execution.following import Following
from fillhandler_server.execution.ledger import Ledger
from fillhandler_server.execution.running import SECOND, StoppedError
from fillhandler_server.execution.terms import check_terms
from fillhandler_server.execution.venue import Venue

log = logging.getLogger("fillhandler.execution")

_AGAIN_SECONDS: Final = 1.0
"""Before a trade whose run failed, by the store or unforeseen, is taken up again."""
_AGAIN_SECONDS_MAX: Final = 60.0
READY_SECONDS: Final = 20.0
"""How long a new trade waits for its connection to be made."""
Key = tuple[str, str, str]
"""venue, account, market"""


class TradeRun(Following):
    """One trade from where it stands to its end."""

    def __init__(self, trade: Trade, venue: Venue, ledger: Ledger) -> None:
        super().__init__(trade, venue, ledger)
        self.told = asyncio.Event()
        """Set while whoever waits for it is to be answered: it has ended, or its alert stands."""

    def moved(self) -> None:
        """The trade has another state."""
        (self.told.set if self.trade.finished or self.trade.undecided else self.told.clear)()

    async def run(self, *, resumed: bool) -> None:
        """Runs it to its end, or until it is stopped.

        Args:
            resumed: whether another run of it, in this process or before, may have ended in the middle.
        """
        wait = _AGAIN_SECONDS
        try:
            while not self.trade.finished:
                try:
                    await self._step(resumed=resumed)
                except StoppedError:
                    raise
                except Exception as error:  # noqa: BLE001  # a run that ends leaves an order alone
                    self._log(error, wait)
                    # What was under way is not known any more, as after a restart.
                    resumed = True
                    await self.pause(wait)
                    wait = min(wait * 2, _AGAIN_SECONDS_MAX)
                else:
                    resumed, wait = False, _AGAIN_SECONDS
        except StoppedError:
            return

    async def _step(self, *, resumed: bool) -> None:
        while not self.venue.ready.is_set():
            await self.until_ready()
        if resumed:
            self.trade = await self.ledger.trade(self.trade.trade_id) or self.trade
            if not self.trade.finished and not self.leg.placed:
                await self.interrupted()
        if not self.trade.finished:
            await (self.follow() if self.leg.placed else self.place())

    def _log(self, error: Exception, wait: float) -> None:
        expected = isinstance(error, FillHandlerError)
        log.log(
            logging.WARNING if expected else logging.ERROR,
            "trade %s is taken up again in %.0f s: %s",
            self.trade.trade_id,
            wait,
            error if expected else type(error).__name__,
            exc_info=None if expected else error,
        )


class TradeManager:
    """All trades of a server. For one event loop."""

    def __init__(self, ledger: Ledger, venues: Mapping[Key, Venue]) -> None:
        """
        Args:
            ledger: the record.
            venues: the connections that may execute, by venue, account and market.
        """
        self._ledger = ledger
        self._venues = dict(venues)
        self._runs: dict[str, tuple[TradeRun, asyncio.Task[None]]] = {}
        self._closing = asyncio.Event()
        self._beginning: set[str] = set()
        """Requests whose intent is being written."""
        self._ending = False
        """While runs are being ended: what they run must not be run beside them."""

    async def resume(self) -> None:
        """Takes up every trade that had not ended."""
        for trade in await self._ledger.active_trades():
            key = (trade.terms.venue, trade.terms.account, trade.terms.market)
            if key not in self._venues:
                log.error(
                    "trade %s is not followed: no connection to %s is configured any more",
                    trade.trade_id,
                    "/".join(key),
                )
            elif trade.trade_id not in self._runs and trade.request_id not in self._beginning:
                self._run(trade, resumed=True)

    def active_on(self, key: Key) -> int:
        """Trades under way on a connection."""
        return sum(run.venue is self._venues.get(key) for run, _ in self._runs.values())

    # ------------------------------------------------------------------ callers

    async def start(self, request_id: str, asked: TradeTerms) -> Trade:
        """Makes a trade durable and starts it; of a request that was made before, returns its trade.

        Args:
            request_id: the caller's, for ever.
            asked: what is asked; account, market, symbol and client order id as the caller gave them.

        Raises:
            InvalidFieldError: naming what is wrong.
            RequestIdReusedError: the id is another trade's.
            VenueUnavailableError: the connection has not been made; nothing was traded.
            ShuttingDownError: the server stops.
        """
        known = await self._ledger.trade(request_id=request_id)
        if known is None:
            if self._closing.is_set():
                raise ShuttingDownError("the server is stopping")
            venue = await self._venue(asked)
            await self._ready(venue)
            terms, trade_id = self._completed(venue, asked), uuid.uuid4().hex
            if not terms.client_order_id:
                terms = replace(terms, client_order_id=client_order_id(terms.venue, trade_id, 1))
            check_terms(terms, venue.connection.rules(terms.symbol))
            # A caller that goes now must not leave an intent that is durable and that nobody runs.
            begun: tuple[Trade, bool] = await asyncio.shield(self._begin(trade_id, request_id, terms))
            known = begun[0]
            if begun[1]:
                return known
        symbol = await self._symbol_of(known, asked)
        if not _repeats(known, replace(asked, symbol=symbol)):
            raise RequestIdReusedError(
                f"request id {request_id!r} is that of trade {known.trade_id}, with other content;"
                " nothing was traded",
                request_id=request_id,
                trade_id=known.trade_id,
            )
        self._take_up(known)
        return known

    async def _begin(self, trade_id: str, request_id: str, terms: TradeTerms) -> tuple[Trade, bool]:
        self._beginning.add(request_id)
        try:
            known, new = await self._ledger.start_trade(trade_id, request_id, terms)
        finally:
            self._beginning.discard(request_id)
        # Where it stops meanwhile, the next start takes it up.
        if new and not self._closing.is_set() and known.trade_id not in self._runs:
            self._run(known, resumed=False)
        return known, new

    def _take_up(self, known: Trade) -> None:
        """Runs a trade that nobody runs: the store said that its intent failed, and it was durable."""
        terms = known.terms
        if not (
            known.finished
            or known.trade_id in self._runs
            or known.request_id in self._beginning
            or self._ending
            or (terms.venue, terms.account, terms.market) not in self._venues
        ):
            self._run(known, resumed=True)

    async def wait(self, trade_id: str) -> Trade:
        """A trade once it has ended, or its alert was raised.

        Raises:
            TradeNotFoundError: there is none.
            ShuttingDownError: the server stops; the trade goes on after its next start.
        """
        run = self._runs.get(trade_id)
        if run is not None:
            waits = [
                asyncio.ensure_future(run[0].told.wait()),
                asyncio.ensure_future(self._closing.wait()),
                run[1],
            ]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waits[0].cancel()
                waits[1].cancel()
        trade = await self.get(trade_id)
        if self._closing.is_set() and not trade.finished:
            raise ShuttingDownError("the server is stopping; the trade goes on after its next start")
        return trade

    async def get(self, trade_id: str = "", request_id: str = "") -> Trade:
        """A trade as it stands.

        Raises:
            TradeNotFoundError: there is none.
        """
        trade = await self._ledger.trade(trade_id, request_id)
        if trade is None:
            raise TradeNotFoundError(
                f"no trade {trade_id or request_id!r} is known", trade_id=trade_id, request_id=request_id
            )
        return trade

    async def cancel(self, trade_id: str) -> Trade:
        """Makes durable that a trade is to be cancelled, and tells its run.

        Raises:
            TradeNotFoundError: there is none.
            IllegalTransitionError: it has ended.
        """
        trade = await self._ledger.request_cancel(trade_id)
        if trade_id in self._runs:
            self._runs[trade_id][0].cancel(trade)
        return trade

    # ------------------------------------------------------------------ the end, and another store

    async def stop(self, grace_seconds: float = 10.0) -> None:
        """Ends every run at its next wait; what is under way is finished and recorded within the grace."""
        self._closing.set()
        self._ending = True
        await self._end_runs(grace_seconds)

    async def replaced(self, grace_seconds: float = 10.0) -> None:
        """The record is another one: what it has under way is taken up instead."""
        self._ending = True
        await self._end_runs(grace_seconds)
        self._ending = self._closing.is_set()
        await self.resume()

    async def _end_runs(self, grace_seconds: float) -> None:
        runs, self._runs = self._runs, {}
        for run, _ in runs.values():
            run.stop()
        tasks = [task for _, task in runs.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace_seconds)
            for task in late:
                # Its outcome is found out at the next start.
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # ------------------------------------------------------------------ inside

    def _run(self, trade: Trade, *, resumed: bool) -> None:
        key = (trade.terms.venue, trade.terms.account, trade.terms.market)
        run = TradeRun(trade, self._venues[key], self._ledger)
        task = asyncio.ensure_future(run.run(resumed=resumed))
        self._runs[trade.trade_id] = (run, task)
        task.add_done_callback(lambda _: self._ended(trade.trade_id, task))

    def _ended(self, trade_id: str, task: asyncio.Task[None]) -> None:
        if trade_id in self._runs and self._runs[trade_id][1] is task:
            del self._runs[trade_id]

    async def _venue(self, asked: TradeTerms) -> Venue:
        found = [
            venue
            for key, venue in self._venues.items()
            if key[:2] == (asked.venue, asked.account) and asked.market in ("", key[2])
        ]
        if len(found) == 1:
            return found[0]
        listed = ", ".join(venue.name for venue in self._venues.values()) or "none"
        if not found:
            others = any(key[:2] == (asked.venue, asked.account) for key in self._venues)
            raise InvalidFieldError.of(
                "market" if others else "venue",
                f"no connection for trading is configured to it; configured: {listed} (docs/connections.md)",
            )
        return await self._with_symbol(found, asked.symbol, listed)

    async def _with_symbol(self, venues: list[Venue], symbol: str, listed: str) -> Venue:
        """The one of several connections in whose market a symbol is."""
        fitting: list[Venue] = []
        unknown: InvalidFieldError | None = None
        for venue in venues:
            await self._ready(venue)
            try:
                venue.connection.rules(symbol)
            except InvalidFieldError as error:
                unknown = unknown or error
            else:
                fitting.append(venue)
        if len(fitting) == 1:
            return fitting[0]
        if unknown is not None and not fitting:
            raise unknown
        raise InvalidFieldError.of("market", f"must be stated: the account has several markets ({listed})")

    async def _symbol_of(self, known: Trade, asked: TradeTerms) -> str:
        """The symbol of a request that is known, as its trade spells it, if that is what it means."""
        terms = known.terms
        venue = self._venues.get((terms.venue, terms.account, terms.market))
        if asked.symbol == terms.symbol or venue is None:
            return _plainly(asked.symbol, terms.symbol)
        try:
            await self._ready(venue)
            return venue.connection.rules(asked.symbol).symbol
        except VenueUnavailableError:
            # A trade that was begun must never be told to be none.
            return _plainly(asked.symbol, terms.symbol)
        except InvalidFieldError:
            return asked.symbol

    @staticmethod
    async def _ready(venue: Venue) -> None:
        try:
            await asyncio.wait_for(venue.ready.wait(), READY_SECONDS)
        except TimeoutError:
            raise VenueUnavailableError(
                f"the connection {venue.name} is not made yet: {venue.text or 'it is being made'}",
                connection=venue.name,
            ) from None

    @staticmethod
    def _completed(venue: Venue, asked: TradeTerms) -> TradeTerms:
        deadline = asked.deadline
        if deadline is None and venue.pace.deadline_seconds is not None:
            deadline = int(venue.pace.deadline_seconds * SECOND)
        rules = venue.connection.rules(asked.symbol)
        return replace(asked, market=rules.market, symbol=rules.symbol, deadline=deadline)


def _repeats(known: Trade, asked: TradeTerms) -> bool:
    """Whether a request is the one that started a trade. What it leaves open was completed then."""
    terms = known.terms
    again = replace(
        asked,
        market=asked.market or terms.market,
        deadline=terms.deadline if asked.deadline is None else asked.deadline,
        client_order_id=asked.client_order_id or client_order_id(terms.venue, known.trade_id, 1),
    )
    return again == terms


def _plainly(symbol: str, known: str) -> str:
    """The known spelling where another one has the same letters: BTC/USDT, BTC/USDT:USDT and BTCUSDT."""

    def letters(text: str) -> str:
        return "".join(filter(str.isalnum, text.partition(":")[0])).upper()

    return known if letters(symbol) == letters(known) else symbol
