"""What goes on while the exchange and the server run: trades, mishaps, the feed, and the last comparison."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import Final

from fillhandler import FillHandlerClient, IllegalTransitionError, TradeNotFoundError
from fillhandler.v1 import fill_service_pb2, trades_pb2
from fillhandler_server.demo import words
from fillhandler_server.demo.comparing import Comparison, compare
from fillhandler_server.demo.displays import Display
from fillhandler_server.demo.exchange import Exchange
from fillhandler_server.demo.model import Note, Seen
from fillhandler_server.demo.story import LANES, VENUE, Act, Lane, Then, acts, priced

_MARKETS: Final = {"spot", "linear"}
_STATISTICS_SECONDS: Final = 0.4
_BETWEEN_SECONDS: Final = 1.2
"""Between two trades of a lane, at speed 1."""
_LATE_SECONDS: Final = 5.0
"""Between two late duplicates, at speed 1."""
_FINISH_SECONDS: Final = 20.0


class ShowError(Exception):
    """The demo cannot go on; the text says why."""


class Show:
    """One demo. Everything that it learns goes into `seen`."""

    def __init__(
        self,
        client: FillHandlerClient,
        exchange: Exchange,
        seen: Seen,
        display: Display,
        seed: int,
        speed: float,
    ) -> None:
        self._client = client
        self._exchange = exchange
        self._seen = seen
        self._display = display
        self._seed = seed
        self._speed = speed
        self._moved = asyncio.Condition()
        self._through = 0

    # ------------------------------------------------------------------ beside the trades

    async def watch(self) -> None:
        """Follows the feed, as a subscriber of its own."""
        async for response in self._client.watch_responses(from_beginning=True):
            for event in response.events:
                note = self._seen.happened(event)
                self._display.happened(event)
                if note is not None:
                    self._display.noted(note)
            async with self._moved:
                self._through = response.through_sequence
                self._moved.notify_all()
        raise ShowError("the server ended the feed")

    async def keep_statistics(self) -> None:
        """Asks for the statistics again and again."""
        while True:
            self._seen.statistics = await self._client.get_fill_statistics()
            await asyncio.sleep(_STATISTICS_SECONDS)

    async def connected(self) -> None:
        """Waits until the streams of both markets are."""
        async with self._moved:
            await self._moved.wait_for(lambda: self._seen.connected >= _MARKETS)

    def _note(self, title: str, text: str) -> None:
        note = Note(title, text)
        self._seen.notes.append(note)
        self._display.noted(note)

    # ------------------------------------------------------------------ trades

    async def play(self) -> None:
        """Trades without end, several at once."""
        work = [self._trade_on(number) for number in range(len(LANES))]
        tasks = [asyncio.create_task(each) for each in (*work, self._repeat())]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _trade_on(self, number: int) -> None:
        await asyncio.sleep(number * _BETWEEN_SECONDS / len(LANES) / self._speed)
        for act, request in acts(self._seed, number):
            await self._perform(act, LANES[number], request)
            await asyncio.sleep(_BETWEEN_SECONDS / self._speed)

    async def _perform(self, act: Act, lane: Lane, request: trades_pb2.ExecuteTradeRequest) -> None:
        for fault in act.faults:
            await self._exchange.order_fault(fault, lane.symbol)
        request = priced(act, request, lane, await self._exchange.quote(act.market, lane.symbol))
        self._note(act.title.upper(), f"{words.trade_words(request)}. {act.text}")
        trade = asyncio.create_task(self._client.execute_trade(request))
        try:
            if act.then is not Then.NOTHING:
                await asyncio.wait({trade}, timeout=act.then_seconds)
            if act.then is Then.DISCONNECT:
                await self._exchange.disconnect()
            elif act.then is Then.CANCEL and not trade.done():
                # It may end by itself at the same moment.
                with suppress(IllegalTransitionError):
                    await self._client.cancel_trade(request_id=request.request_id)
            await trade
        finally:
            # Only the wait for it: nothing that happens here stops a trade.
            trade.cancel()
            await asyncio.gather(trade, return_exceptions=True)

    async def _repeat(self) -> None:
        """Brings a fill of a while ago once more, as a report at the end of a day does."""
        chance = random.Random(self._seed)  # noqa: S311  # a story, no secret
        while True:
            await asyncio.sleep(_LATE_SECONDS / self._speed)
            if not self._seen.fills:
                continue
            fill = chance.choice(self._seen.fills)
            answer = await self._client.record_fill(fill)
            if answer.outcome == fill_service_pb2.OUTCOME_DUPLICATE:
                self._note(
                    "LATE DUPLICATE",
                    f"A report brings {fill.quantity} {fill.symbol} at {fill.price} once more. Its identity"
                    " is known: dropped, nothing counts twice.",
                )

    # ------------------------------------------------------------------ the end

    async def finish(self) -> None:
        """Cancels what is under way, waits until the record is as the exchange's, takes the last figures."""
        try:
            async with asyncio.timeout(_FINISH_SECONDS):
                await self._settle()
        except TimeoutError:
            # The comparison tells what is missing.
            self._seen.comparison = await self._compare()
        self._seen.statistics = await self._client.get_fill_statistics()
        self._seen.verified = await self._client.verify_journal()

    async def _settle(self) -> None:
        asked: set[str] = set()
        while True:
            through = self._through
            active = [trade.trade_id async for trade in self._client.list_trades(active=True)]
            for trade_id in set(active) - asked:
                asked.add(trade_id)
                with suppress(IllegalTransitionError, TradeNotFoundError):
                    await self._client.cancel_trade(trade_id)
            self._seen.comparison = await self._compare()
            if not active and not self._seen.running and not self._seen.comparison.wrong:
                return
            async with self._moved:
                await self._moved.wait_for(lambda: self._through > through)  # noqa: B023

    async def _compare(self) -> Comparison:
        books = await self._exchange.books()
        fills = [fill async for fill in self._client.list_fills(venue=VENUE, page_size=1000)]
        orders = [order async for order in self._client.list_orders(venue=VENUE, page_size=1000)]
        return compare(books, fills, orders)
