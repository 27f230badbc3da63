"""SecureExchangeManager: trades inside a user's own process, over the same durable record as the handler."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from functools import partial
from types import TracebackType
from typing import Any, Final, Self, TypeAlias, TypeVar

from fillhandler_server.config import connections_from_environment
from fillhandler_server.domain.errors import (
    FillHandlerError,
    InvalidFieldError,
    ShuttingDownError,
    VenueUnavailableError,
)
from fillhandler_server.execution.secret import Credentials
from fillhandler_server.handler.background import Background
from fillhandler_server.handler.fill_handler import FillHandler, embedded_of
from fillhandler_server.handler.inputs import read_credentials, read_trade, trade_violations
from fillhandler_server.handler.results import TradeResult, not_begun, read_result, result_of
from fillhandler_server.trading import Trading
from fillhandler_server.trading_settings import read_connections, read_fraction
from fillhandler_server.writer import Session

T = TypeVar("T")
Number: TypeAlias = str | int | float | Decimal
"""A float is read by its repr: 0.1 is one tenth."""

log = logging.getLogger("fillhandler")

_CLOSED: Final = (
    "the exchange manager is closed; a trade that had not ended goes on when one is opened on the same record"
)


class SecureExchangeManager:
    """Places orders at exchanges and follows them to their end. One at a time on a record.

    A trade is on disk before it is sent, and is never placed twice; one that was under way when the process
    ended is taken up by the next manager on the same record. Trades, streams and connections run on a thread
    of the manager's own, so its coroutines may be called on any event loop, and a trade outlives the loop and
    the task that asked for it.
    """

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        handler: FillHandler | None = None,
        *,
        credentials: Mapping[str, Credentials | Mapping[str, str]] | None = None,
    ) -> None:
        """Opens the record, for some milliseconds; the connections are made beside it, and what had not ended
        is taken up. `async with`, and the first trade, wait for that and raise what went wrong.

        Args:
            config: as `create_fill_handler`'s. Without `connections` those of the variable
                FILLHANDLER_CONNECTIONS count.
            handler: an open handler whose record and configuration are shared, instead of a config. It stays
                open when the manager is closed; closing it closes the manager.
            credentials: by "binance" or "binance/second" (venue and account), as `Credentials` or as a dict
                such as {"api_key": …, "secret": …}; instead of those that the connections say where to find.

        Raises:
            InvalidFieldError: naming everything that is wrong; or the handler has another manager.
            StoreRefusedError: the record cannot be opened; nothing was changed.
        """
        if config is not None and handler is not None:
            raise InvalidFieldError.of("config", "a handler has its own; hand in one of the two")
        self._credentials = read_credentials(credentials)
        self._owns_handler = handler is None
        self.handler: FillHandler = FillHandler(config) if handler is None else handler
        """The handler of the same record: its orders, fills, statistics, export."""
        self._lock = threading.Lock()
        self._closing = False
        self._stopped = threading.Event()
        self._calls: set[asyncio.Task[Any]] = set()
        self._embedded = embedded_of(self.handler)
        # Whoever closes the handler meanwhile waits for the end of this.
        with self._lock:
            self._embedded.begin_trading(self._stop)
            try:
                self._begin()
            except BaseException:
                self._closing = True
                self._stopped.set()
                self._embedded.end_trading()
                if self._owns_handler:
                    self.handler.close()
                raise

    def _begin(self) -> None:
        given = read_connections(self.handler.config["connections"])
        self._connections = given or connections_from_environment()
        known = {connection.key[:2] for connection in self._connections}
        for account in self._credentials.keys() - known:
            raise InvalidFieldError.of(
                "credentials", f"no connection is configured to {'/'.join(account)}, which it holds those of"
            )
        self._background = Background("fillhandler-trades")
        self._opened = self._background.submit(self._open())

    # ------------------------------------------------------------------ trades

    async def execute_trade(
        self,
        exchange: str,
        symbol: str,
        side: str,
        amount: Number,
        order_type: str = "market",
        price: Number | None = None,
        *,
        limit_price: Number | None = None,
        expected_price: Number | None = None,
        account: str = "",
        market: str = "",
        time_in_force: str = "",
        deadline_seconds: float | Decimal | None = None,
        remainder: str = "leave",
        replacement_price: str = "same",
        max_replacements: int | None = None,
        client_order_id: str = "",
        request_id: str = "",
    ) -> TradeResult:
        """Executes a trade and returns when it has ended, or has been undecided for so long that an alert was
        raised (then `finished` is False, and it goes on).

        Cancelling the call, as a timeout around it does, leaves a trade that was begun running: `get_trade`
        and `cancel_trade` find it by its request id, and the same request again waits for the same trade.

        Args:
            exchange: an ExchangeType, or the venue's name.
            symbol: as the venue ("BTCUSDT"), this program or ccxt ("BTC/USDT") spells it.
            side: "buy" or "sell".
            amount: how much, in the venue's own unit: base asset, or contracts. Nothing is rounded.
            order_type: "market", "limit", "post_only", or "ioc" (a limit order that takes what is there).
            price, limit_price: the same; for all types but market.
            expected_price: the price expected on arrival, for slippage.
            account: the account at the venue; empty is "main".
            market: "spot", "linear" or "inverse"; may be empty where the account has one connection.
            time_in_force: "gtc", "ioc", "fok", or empty for the type's own.
            deadline_seconds: how long the order may work; None is the connection's, or until it ends.
            remainder: what becomes of the rest at the deadline: "leave", "cancel", "replace" (placed again).
            replacement_price, max_replacements: with "replace": "same", "market" or "tolerance"; how often at
                most, None is `retry_config.max_retries`.
            client_order_id: in the venue's alphabet; made where it is empty.
            request_id: yours, kept for ever: the same again is the same trade. Made where it is empty, which
                makes each call a trade of its own.

        Returns:
            What came of it, whatever the exchange or the way to it did: `success` is whether all was filled,
            and `error` what went wrong.

        Raises:
            InvalidFieldError: naming what is wrong with the arguments, or that no connection fits them.
                Nothing was traded.
            RequestIdReusedError: the request id is another trade's. Nothing was traded.
            ShuttingDownError: the manager was closed meanwhile; a trade that was begun goes on at the next
                start.
            StoreFullError, StoreUnavailableError: the record takes no writes.
        """
        request_id, terms = read_trade(
            {
                "exchange": str(exchange),
                "symbol": symbol,
                "side": side,
                "amount": amount,
                "order_type": order_type,
                "price": price,
                "limit_price": limit_price,
                "expected_price": expected_price,
                "account": account,
                "market": market,
                "time_in_force": time_in_force,
                "deadline_seconds": deadline_seconds,
                "remainder": remainder,
                "replacement_price": replacement_price,
                "max_replacements": max_replacements,
                "client_order_id": client_order_id,
                "request_id": request_id,
            }
        )

        async def work(trading: Trading) -> TradeResult:
            trading.configure(*self._policy())
            trade = await trading.manager.start(request_id, terms)
            await trading.manager.wait(trade.trade_id)
            return await self._read(partial(read_result, trade_id=trade.trade_id))

        try:
            return await self._call(work)
        except VenueUnavailableError as error:
            return not_begun(request_id, error.text)
        except InvalidFieldError as error:
            raise trade_violations(error) from None
        except FillHandlerError as error:
            # Where the id was made here, nothing else tells under which one to look for the trade.
            error.metadata.setdefault("request_id", request_id)
            raise

    async def cancel_trade(self, trade_id: str = "", *, request_id: str = "") -> TradeResult:
        """Asks for a trade to be cancelled; returns it as it stands once that is durable.

        It ends when the exchange has confirmed; what was filled stays.

        Raises:
            InvalidFieldError: none or both of the ids are given.
            TradeNotFoundError: there is none.
            IllegalTransitionError: it has ended.
        """
        _check_named(trade_id, request_id)

        async def work(trading: Trading) -> TradeResult:
            named = await trading.manager.get(trade_id, request_id)
            await trading.manager.cancel(named.trade_id)
            return await self._read(partial(read_result, trade_id=named.trade_id))

        return await self._call(work)

    async def get_trade(self, trade_id: str = "", *, request_id: str = "") -> TradeResult:
        """A trade as it stands, by the record's id of it or by yours.

        Raises:
            InvalidFieldError: none or both of the ids are given.
            TradeNotFoundError: there is none.
        """
        _check_named(trade_id, request_id)
        return await self._read(partial(read_result, trade_id=trade_id, request_id=request_id))

    async def active_trades(self) -> list[TradeResult]:
        """Every trade that has not ended, oldest first: after a start, those that were taken up."""
        return await self._read(
            lambda session: [result_of(session, trade) for trade in session.book.trades.active()]
        )

    # ------------------------------------------------------------------ the end

    async def close(self) -> None:
        """Ends every trade at its next wait, finishes and records what is under way, closes the connections.

        It takes at most some fifteen seconds, where an exchange does not answer. Trades that have not ended
        go on when the next manager is opened on the record. Calls that wait raise ShuttingDownError. Again:
        nothing.
        """
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._stop()
        if self._owns_handler:
            self.handler.close()

    async def __aenter__(self) -> Self:
        try:
            await asyncio.shield(asyncio.wrap_future(self._opened))
        except BaseException:
            await asyncio.shield(self.close())
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # ------------------------------------------------------------------ inside

    def _policy(self) -> tuple[dict[str, Any], Decimal]:
        config = self.handler.config
        return dict(config["retry_config"]), read_fraction(config["slippage_tolerance"])

    async def _open(self) -> Trading:
        try:
            trading = self._embedded.trading(
                self._connections, *self._policy(), self._credentials, self._replaced
            )
            await trading.start()
        except Exception as error:
            # Nobody may look before the first trade.
            log.error("the exchange manager cannot trade: %s", error)
            raise
        return trading

    async def _read(self, work: Callable[[Session], T]) -> T:
        self._embedded.check_open()
        return await self._embedded.writer.run(work)

    async def _call(self, work: Callable[[Trading], Awaitable[T]]) -> T:
        """Runs something on the manager's own loop."""
        with self._lock:
            if self._closing:
                raise ShuttingDownError(_CLOSED)
            future = self._background.submit(self._within(work))
        return await asyncio.wrap_future(future)

    async def _within(self, work: Callable[[Trading], Awaitable[T]]) -> T:
        task = asyncio.current_task()
        assert task is not None
        self._calls.add(task)
        try:
            return await work(await asyncio.shield(asyncio.wrap_future(self._opened)))
        except (asyncio.CancelledError, ShuttingDownError):
            if self._closing:
                raise ShuttingDownError(_CLOSED) from None
            raise
        finally:
            self._calls.discard(task)

    def _replaced(self) -> None:
        """On the writer's thread: the record is another one."""
        with self._lock:
            if not self._closing:
                self._background.submit(self._take_up())

    async def _take_up(self) -> None:
        await (await asyncio.wrap_future(self._opened)).replaced()

    def _stop(self) -> None:
        """Ends trades and the thread. Blocks; a second caller waits for the first."""
        with self._lock:
            first, self._closing = not self._closing, True
        if not first:
            self._stopped.wait()
            return
        try:
            self._background.submit(self._end()).result()
        finally:
            self._background.stop()
            self._embedded.end_trading()
            self._stopped.set()

    async def _end(self) -> None:
        opened = asyncio.wrap_future(self._opened)
        await asyncio.wait({opened})
        if opened.exception() is None:
            await opened.result().stop()
        calls = list(self._calls)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


def _check_named(trade_id: str, request_id: str) -> None:
    if bool(trade_id) == bool(request_id):
        raise InvalidFieldError.of("trade_id", "name the trade by trade_id or by request_id, one of them")
