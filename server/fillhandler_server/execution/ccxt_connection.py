"""A connection to an exchange through ccxt: `VenueConnection` over its asynchronous classes.

One call here is one request, but for `start` and the calls that read lists: ccxt's own retries are off and
its preparatory questions are answered by configuration (`ccxt_venues`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple

from fillhandler_server import venues
from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.domain.instruments import Instruments
from fillhandler_server.execution import ccxt_venues
from fillhandler_server.execution.ccxt_exchange import TRAFFIC, Traffic, make, parsed
from fillhandler_server.execution.ccxt_history import TradeHistory
from fillhandler_server.execution.ccxt_orders import order_arguments
from fillhandler_server.execution.ccxt_reading import Reader, Unified, venue_order
from fillhandler_server.execution.ccxt_spec import ConnectionSpec, check, config
from fillhandler_server.execution.ccxt_stream import AccountStream, unsupported
from fillhandler_server.execution.ccxt_symbols import Symbols
from fillhandler_server.execution.connection import (
    Answer,
    MarketRules,
    Message,
    OrderTicket,
    TradePage,
    VenueConnection,
    VenueOrder,
)
from fillhandler_server.execution.error_mapping import Operation, Progress, venue_error
from fillhandler_server.execution.errors import ErrorClass, VenueError
from fillhandler_server.execution.replies import Reply
from fillhandler_server.execution.secret import Credentials

_SEARCH_SECONDS: Final = 7 * 24 * 3600
"""How far back an order is looked for in lists, where the exchange cannot be asked for one by its id."""
_PAGES_MAX: Final = 50
_SECOND: Final = 1_000_000_000
_MILLISECOND: Final = 1_000_000


def connect(
    spec: ConnectionSpec,
    credentials: Credentials,
    *,
    instruments: Instruments = venues.SHIPPED,
    clock: Callable[[], int] = time.time_ns,
) -> VenueConnection:
    """A connection that is not started yet: nothing is sent. Imports ccxt, which takes seconds once.

    Raises:
        InvalidFieldError: ccxt is not installed, the venue or market is not connected to, the url is none,
            the exchange has no test network, or credentials are missing.
    """
    return CcxtConnection(spec, credentials, instruments=instruments, clock=clock)


class _Called(NamedTuple):
    result: Any
    traffic: Traffic
    absent: bool


class CcxtConnection:
    """One account of one exchange and market, through ccxt."""

    def __init__(
        self,
        spec: ConnectionSpec,
        credentials: Credentials,
        *,
        instruments: Instruments = venues.SHIPPED,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.venue = spec.venue
        self.account = spec.account
        self.market = spec.market
        self.sandbox = spec.sandbox
        self._spec = spec
        self._row = row = ccxt_venues.find(spec.venue, spec.market)
        self._clock = clock
        self._instruments = instruments
        self._secrets = credentials.texts()
        check(spec, row, credentials)
        self._exchange = make(
            row.class_id, config(spec, row, credentials), sandbox=spec.sandbox, url=spec.url, clock=clock
        )
        self._symbols = Symbols(spec.venue, spec.market, {}, instruments)
        self._reader = Reader(spec.venue, spec.account, instruments)
        self.history_needs_symbol = row.history_needs_symbol
        self.streams = all(self._exchange.has.get(_camel(name)) for name in row.watches)
        self.skew: int | None = None
        """Nanoseconds that the exchange's clock is ahead of ours, as last measured; None before."""

    async def start(self) -> None:
        """Reads the exchange's markets and clock; `VenueConnection.start`."""
        markets = (
            await self._call(
                Operation.QUERY, lambda: self._exchange.load_markets(True, dict(self._row.market_params))
            )
        ).result
        symbols = Symbols(self.venue, self.market, markets, self._instruments)
        if not len(symbols):
            raise VenueError(
                ErrorClass.EXCHANGE_ERROR,
                f"the exchange told of no {self.market} market",
                maybe_applied=False,
                temporary=True,
            )
        self._symbols = symbols
        # After it, over a connection that stands: setting one up takes longer one way than the other.
        await self.measure_skew()

    async def close(self) -> None:
        """Ends it and everything under way; again is harmless."""
        self._exchange.cancel_timers()
        await self._exchange.close()

    def rules(self, symbol: str) -> MarketRules:
        """`VenueConnection.rules`; before `start` no symbol is known."""
        return self._symbols.rules(symbol)

    # ---------------------------------------------------------------- orders

    async def place(self, ticket: OrderTicket) -> Answer:
        """`VenueConnection.place`.

        Raises:
            InvalidFieldError: the order is none that the exchange could take; nothing was sent.
            VenueError: see there.
        """
        rules = self.rules(ticket.symbol)
        arguments = order_arguments(self._exchange, self._row, self._unified(ticket.symbol), rules, ticket)
        called = await self._call(Operation.PLACE, lambda: self._exchange.create_order(*arguments))
        answer = self._answer(called, arguments.params[self._row.client_order_id_key])
        if answer.order is None or not answer.order.order_id:
            raise _unreadable(maybe_applied=True)
        return answer

    async def cancel(self, symbol: str, order_id: str, client_order_id: str) -> Answer:
        """`VenueConnection.cancel`."""
        if not order_id and not self._row.cancels_by_client_id:
            found = await self.find_order(symbol, "", client_order_id)
            if found.order is None:
                return found
            order_id = found.order.order_id
        unified = self._unified(symbol)
        params = {} if order_id else {"clientOrderId": self._own_id(client_order_id)}
        called = await self._call(
            Operation.CANCEL, lambda: self._exchange.cancel_order(order_id or None, unified, params)
        )
        if called.absent:
            return Answer()
        answer = self._answer(called, client_order_id)
        if answer.order is not None and not answer.order.order_id:
            # Some just say "done".
            order = VenueOrder(order_id, client_order_id, answer.order.status, rules_symbol(self, symbol))
            return Answer(answer.messages, order)
        return answer

    async def find_order(self, symbol: str, order_id: str = "", client_order_id: str = "") -> Answer:
        """`VenueConnection.find_order`. Where the exchange cannot be asked for one order, its lists of the
        last seven days are searched, and a list that is cut off raises instead of saying "none"."""
        if not order_id and not client_order_id:
            raise InvalidFieldError.of("order_id", "give it or client_order_id")
        unified = self._unified(symbol)
        row = self._row
        own_id = "" if order_id else self._own_id(client_order_id)
        if not (row.finds_by_id if order_id else row.finds_by_client_id):
            return await self._search(unified, order_id, own_id)
        params = {} if order_id else {"clientOrderId": own_id}
        called = await self._call(
            Operation.QUERY, lambda: self._exchange.fetch_order(order_id or own_id, unified, params)
        )
        if called.absent:
            return Answer()
        answer = self._answer(called, own_id)
        if answer.order is None or not answer.order.order_id:
            body = called.traffic.last.body if called.traffic.last is not None else ""
            if (order_id or own_id) in body:
                raise _unreadable()
            return Answer()
        return answer

    async def _search(self, unified: str, order_id: str, own_id: str) -> Answer:
        key = self._row.search_keys[1 if order_id else 0]
        params = {key: order_id or own_id} if key else {}
        since = self._exchange_time() // _MILLISECOND - _SEARCH_SECONDS * 1000
        for name in self._row.recent:
            called, rows = await self._list(name, unified, None if "open" in name else since, params)
            fitting = [
                one
                for one in rows
                if (str(one.get("id")) == order_id if order_id else one.get("clientOrderId") == own_id)
            ]
            if fitting:
                return self._answer(_Called(fitting[-1], called.traffic, False), own_id)
            if len(rows) >= self._row.orders_limit:
                raise VenueError(
                    ErrorClass.EXCHANGE_ERROR,
                    f"the exchange lists more than {self._row.orders_limit} orders, and not this one: it "
                    "cannot be said that there is none",
                    maybe_applied=False,
                    temporary=True,
                )
        return Answer()

    async def recent_orders(self, symbol: str, since: int) -> Answer:
        """`VenueConnection.recent_orders`."""
        unified = self._unified(symbol)
        messages: list[Message] = []
        orders: dict[str, VenueOrder] = {}
        for name in self._row.recent:
            begin: int | None = None if "open" in name else since // _MILLISECOND
            for _ in range(_PAGES_MAX):
                called, rows = await self._list(name, unified, begin, {})
                told, reports = self._reader.messages(called.traffic.replies, rows, (), self._symbols)
                messages += told
                before = len(orders)
                for one in rows:
                    order = venue_order(one, reports, self._symbols)
                    orders[order.order_id] = order
                if len(rows) < self._row.orders_limit:
                    break
                times = [one["timestamp"] for one in rows if one.get("timestamp") is not None]
                if begin is None or not times or len(orders) == before or max(times) <= begin:
                    raise _too_many(self._row.orders_limit)
                begin = max(times)
            else:
                raise _too_many(self._row.orders_limit * _PAGES_MAX)
        return Answer(tuple(messages), None, tuple(orders.values()))

    async def _list(
        self, name: str, unified: str, since: int | None, params: Mapping[str, object]
    ) -> tuple[_Called, list[Unified]]:
        called = await self._call(
            Operation.QUERY,
            lambda: getattr(self._exchange, name)(unified, since, self._row.orders_limit, dict(params)),
            lists=True,
        )
        return called, list(called.result or ())

    def _answer(self, called: _Called, client_order_id: str) -> Answer:
        orders = [called.result] if isinstance(called.result, dict) else []
        messages, reports = self._reader.messages(
            called.traffic.replies, orders, (orders[0].get("trades") or ()) if orders else (), self._symbols
        )
        order = venue_order(orders[0], reports, self._symbols, client_order_id) if orders else None
        return Answer(messages, order)

    # --------------------------------------------------------- history, clock

    async def trades(self, symbol: str, since: int, cursor: str = "") -> TradePage:
        """`VenueConnection.trades`."""
        if not symbol and self.history_needs_symbol:
            raise InvalidFieldError.of("symbol", f"{self.venue} tells of trades symbol by symbol: name one")
        unified = self._unified(symbol) if symbol else None
        history = TradeHistory(self._row, self._exchange_time() // _MILLISECOND)

        async def fetch(begin: int | None, limit: int | None, params: dict[str, object]) -> Any:
            called = await self._call(
                Operation.QUERY,
                lambda: self._exchange.fetch_my_trades(unified, begin, limit, params),
                lists=True,
            )
            rows = list(called.result or ())
            return rows, self._reader.messages(called.traffic.replies, (), rows, self._symbols)[0]

        return await history.page(fetch, since // _MILLISECOND, cursor)

    async def measure_skew(self) -> int:
        """`VenueConnection.measure_skew`; requests are signed by the exchange's clock from then on. By its
        `Date` header, to half a second, where the exchange has no call for it."""
        if self._exchange.has.get("fetchTime"):
            called = await self._call(Operation.QUERY, self._exchange.fetch_time)
            there: int | None = None if called.result is None else int(called.result) * _MILLISECOND
        else:
            called = await self._call(Operation.QUERY, self._exchange.fetch_markets)
            there = _date(called.traffic)
        if there is None:
            raise _unreadable()
        traffic = called.traffic
        self.skew = there - (traffic.began_at + traffic.ended_at) // 2
        self._exchange.skew_milliseconds = round(self.skew / _MILLISECOND)
        return self.skew

    def _exchange_time(self) -> int:
        return self._clock() + (self.skew or 0)

    async def stream(self, connected: Callable[[], None], received: Callable[[Message], None]) -> None:
        """`VenueConnection.stream`. One at a time."""
        if not self.streams:
            raise unsupported(self.venue)
        stream = AccountStream(self._exchange, self._row, self._reader, self._symbols, connected, received)
        await self._call(Operation.STREAM, lambda: stream.run(self._spec.timeout_seconds * 2))

    # ------------------------------------------------------------------ calls

    async def _call(
        self, operation: Operation, call: Callable[[], Awaitable[Any]], *, lists: bool = False
    ) -> _Called:
        """Does one call of ccxt's and maps what it raises.

        Args:
            lists: whether the answer is a list; an answer that is none is a failure, never an empty list.
        """
        traffic = Traffic()
        token = TRAFFIC.set(traffic)
        try:
            result = await call()
            if not all(_is_answer(reply, bare=lists and self._row.bare_lists) for reply in traffic.replies):
                # ccxt makes an order without anything, or no orders at all, of a text that is no JSON.
                raise _unreadable(maybe_applied=operation in (Operation.PLACE, Operation.CANCEL))
            return _Called(result, traffic, False)
        except (asyncio.CancelledError, InvalidFieldError, VenueError):
            raise
        except Exception as error:  # noqa: BLE001  # ccxt's parsers raise whatever a strange answer brings up
            if _is_absent(error, traffic):
                return _Called(None, traffic, True)
            last = traffic.last
            if operation is Operation.STREAM and last is not None and last.status < 400:
                last = None  # of a request that prepared the stream, and went well
            failure = venue_error(
                error,
                operation,
                venue=self.venue,
                progress=None if operation is Operation.STREAM else traffic.progress,
                reply=last,
                secrets=self._secrets,
                now=self._clock() / _SECOND,
            )
        finally:
            TRAFFIC.reset(token)
        # Outside of the handler: ccxt's exception, whose text has the signed address, is no part of it.
        raise failure

    def _unified(self, symbol: str) -> str:
        return self._symbols.unified(symbol)

    def _own_id(self, client_order_id: str) -> str:
        return ccxt_venues.checked_client_order_id(self._row, client_order_id)


def rules_symbol(connection: CcxtConnection, symbol: str) -> str:
    """The canonical symbol of any spelling."""
    return connection.rules(symbol).symbol


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


def _is_absent(error: Exception, traffic: Traffic) -> bool:
    """Whether the exchange said that there is no such order."""
    names = {kind.__name__ for kind in type(error).__mro__}
    reply = traffic.last
    return (
        "OrderNotFound" in names
        and traffic.progress is Progress.ANSWERED
        and reply is not None
        and reply.status < 500
        # ccxt says so of texts that are no JSON, too.
        and isinstance(parsed(reply.body), dict | list)
    )


def _date(traffic: Traffic) -> int | None:
    """The Date header of the last reply, in nanoseconds: the middle of its second."""
    reply = traffic.last
    text = (
        next((value for name, value in reply.headers.items() if name.lower() == "date"), "") if reply else ""
    )
    try:
        return int(parsedate_to_datetime(text).timestamp()) * _SECOND + _SECOND // 2
    except ValueError:
        return None


def _is_answer(reply: Reply, *, bare: bool) -> bool:
    if not 200 <= reply.status < 300:
        return True
    return isinstance(parsed(reply.body), list if bare else dict | list)


def _unreadable(*, maybe_applied: bool = False) -> VenueError:
    return VenueError(
        ErrorClass.EXCHANGE_ERROR,
        "the exchange's answer could not be read",
        maybe_applied=maybe_applied,
        temporary=True,
    )


def _too_many(count: int) -> VenueError:
    return VenueError(
        ErrorClass.EXCHANGE_ERROR,
        f"the exchange has more than {count} orders of the time asked for: ask from a later time",
        maybe_applied=False,
        temporary=False,
    )
