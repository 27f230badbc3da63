"""Connections to venues put together: what a server's and a handler's trades and collectors are made of."""

from __future__ import annotations

import asyncio
import logging
import random as chance
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from fillhandler_server.collectors import Collector, CollectorSettings, CollectorState, ConnectionState
from fillhandler_server.config import credentials_source
from fillhandler_server.domain.errors import InvalidFieldError, Violation
from fillhandler_server.execution import ccxt_venues
from fillhandler_server.execution.breaker import Breaker, BreakerPolicy, BreakerStatus
from fillhandler_server.execution.ccxt_connection import connect
from fillhandler_server.execution.ccxt_spec import ConnectionSpec
from fillhandler_server.execution.connection import VenueConnection
from fillhandler_server.execution.manager import TradeManager
from fillhandler_server.execution.retrying import RetryPolicy
from fillhandler_server.execution.secret import Credentials, from_directory, from_environment
from fillhandler_server.execution.venue import Pace, Venue
from fillhandler_server.instrument_table import InstrumentTable
from fillhandler_server.ledger import WriterLedger
from fillhandler_server.trading_settings import ConnectionSettings
from fillhandler_server.writer import Writer

log = logging.getLogger("fillhandler.trading")

_CLOSE_SECONDS: Final = 5.0
"""How long connections may take to close: an exchange that does not answer must not hold up the end."""


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """A configured connection at one moment."""

    settings: ConnectionSettings
    collector: CollectorState
    breaker: BreakerStatus
    active_trades: int
    now: int
    """When, nanoseconds since the epoch."""


class Trading:
    """Every configured connection, with its trades and its collector. For one event loop."""

    def __init__(
        self,
        connections: Iterable[ConnectionSettings],
        retry_config: dict[str, Any],
        slippage_tolerance: Decimal,
        writer: Writer,
        instruments: InstrumentTable,
        clock: Callable[[], int] = time.time_ns,
        *,
        credentials: Mapping[tuple[str, str], Credentials] | None = None,
    ) -> None:
        """Makes connections; nothing is sent. Imports ccxt where there are any, which takes a second.

        Args:
            connections: as configured.
            retry_config: the keys of the setting; a connection's own stand above them.
            slippage_tolerance: a fraction of the expected price.
            writer: the write path, started.
            instruments: what payloads do not say of symbols.
            clock: nanoseconds since the epoch.
            credentials: by venue and account, instead of those that the settings say where to find.

        Raises:
            InvalidFieldError: naming every connection that cannot be made, and why.
        """
        self._writer = writer
        self._clock = clock
        self.ledger = WriterLedger(writer, instruments, slippage_tolerance, clock)
        self._settings: dict[tuple[str, str, str], ConnectionSettings] = {}
        self._venues: dict[tuple[str, str, str], Venue] = {}
        self._collectors: dict[tuple[str, str, str], Collector] = {}
        self._starting: list[asyncio.Task[None]] = []
        faults: list[Violation] = []
        for at, settings in enumerate(connections):
            try:
                given = (credentials or {}).get(settings.key[:2])
                connection = _connection(settings, given, instruments, clock)
            except InvalidFieldError as error:
                faults += [
                    Violation(f"connections[{at}].{each.field}", each.text) for each in error.violations
                ]
                continue
            policy = _policy(settings, retry_config, at)
            pace = Pace(
                poll_seconds=settings.poll_seconds,
                undecided_after_seconds=settings.undecided_after_seconds,
                deadline_seconds=settings.deadline_seconds,
                slippage_tolerance=slippage_tolerance,
            )
            breaking = BreakerPolicy(
                failures_max=settings.breaker_failures,
                cooldown_seconds=settings.breaker_seconds,
                cooldown_seconds_max=max(settings.breaker_seconds, settings.breaker_seconds_max),
            )
            venue = Venue(connection, policy, Breaker(breaking), pace, random=chance.random)
            self._settings[settings.key] = settings
            self._venues[settings.key] = venue
        if faults:
            raise InvalidFieldError(*faults)
        executing = {key: venue for key, venue in self._venues.items() if self._settings[key].execute}
        self.manager = TradeManager(self.ledger, executing)

    def configure(self, retry_config: dict[str, Any], slippage_tolerance: Decimal) -> None:
        """Other settings from here on, for what is under way, too; arguments as above."""
        self.ledger.slippage_tolerance = slippage_tolerance
        for at, (key, settings) in enumerate(self._settings.items()):
            venue = self._venues[key]
            venue.policy = _policy(settings, retry_config, at)
            venue.pace = replace(venue.pace, slippage_tolerance=slippage_tolerance)

    async def start(self) -> None:
        """Begins: connections are made in the background, and trades that had not ended are taken up."""
        for key, settings in self._settings.items():
            log.info(
                "connection %s: %s%s%s",
                settings.name,
                "sandbox" if settings.sandbox else "LIVE, real money",
                ", trades" if settings.execute else "",
                ", collects" if settings.collect else "",
            )
            venue = self._venues[key]
            self._starting.append(asyncio.ensure_future(venue.start()))
            if settings.collect:
                collector = await self._collector(settings, venue)
                self._collectors[key] = collector
                venue.look = collector.look
                collector.start()
        await self.manager.resume()

    async def _collector(self, settings: ConnectionSettings, venue: Venue) -> Collector:
        def repaired_before(session: Any) -> int:
            totals = session.book.trades.connections.get(settings.key)
            return 0 if totals is None else int(totals.repaired_fills)

        return Collector(
            venue.connection,
            self.ledger,
            CollectorSettings(
                symbols=settings.symbols,
                history_hours=settings.history_hours,
                repair_seconds=settings.repair_seconds,
            ),
            call=venue.ask,
            prepare=venue.ready.wait,
            repaired_fills=await self._writer.run(repaired_before),
        )

    async def stop(self, grace_seconds: float = 10.0) -> None:
        """Ends trades at their next wait, collectors, and connections; what was received is recorded."""
        await self.manager.stop(grace_seconds)
        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        await asyncio.gather(*(collector.stop() for collector in self._collectors.values()))
        closing = [asyncio.ensure_future(venue.connection.close()) for venue in self._venues.values()]
        if closing:
            _, late = await asyncio.wait(closing, timeout=_CLOSE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*closing, return_exceptions=True)

    async def replaced(self) -> None:
        """The record is another one: what it has under way is taken up, and its gaps are looked for."""
        await self.manager.replaced()
        for collector in self._collectors.values():
            collector.look()

    def statuses(self) -> list[ConnectionStatus]:
        """Every connection as it stands, by venue, account and market."""
        return [self._status(key) for key in sorted(self._settings)]

    def _status(self, key: tuple[str, str, str]) -> ConnectionStatus:
        venue, collector = self._venues[key], self._collectors.get(key)
        state = collector.state if collector is not None else _without_collector(venue)
        return ConnectionStatus(
            self._settings[key], state, venue.breaker.status(), self.manager.active_on(key), self._clock()
        )


def _without_collector(venue: Venue) -> CollectorState:
    ready = venue.ready.is_set()
    return CollectorState(
        state=ConnectionState.CONNECTED if ready else ConnectionState.CONNECTING,
        connect_time=None,
        last_message_time=None,
        lag=None,
        clock_skew=None,
        repaired_fills=0,
        confirmed_time=None,
        reconnects=0,
        text=venue.text,
    )


def _policy(settings: ConnectionSettings, retry_config: dict[str, Any], at: int) -> RetryPolicy:
    policy = RetryPolicy.from_config(retry_config, settle_seconds=settings.settle_seconds)
    return policy.overridden(settings.retry_config, f"connections[{at}].retry_config")


def _connection(
    settings: ConnectionSettings,
    given: Credentials | None,
    instruments: InstrumentTable,
    clock: Callable[[], int],
) -> VenueConnection:
    spec = ConnectionSpec(
        venue=settings.venue,
        account=settings.account,
        market=settings.market,
        sandbox=settings.sandbox,
        url=settings.url,
        recv_window_seconds=settings.recv_window_seconds,
        timeout_seconds=settings.timeout_seconds,
        rate_limit=settings.rate_limit,
        options=settings.options,
    )
    if given is not None:
        return connect(spec, given, instruments=instruments.current, clock=clock)
    source = credentials_source(settings)
    credentials: Credentials
    if source.directory is not None:
        credentials = from_directory(source.directory)
    else:
        credentials = from_environment(source.variables, source.label)
    try:
        return connect(spec, credentials, instruments=instruments.current, clock=clock)
    except InvalidFieldError as error:
        # Where they were looked for, never what was found.
        places = source.places(credentials.missing(ccxt_venues.find(spec.venue, spec.market).credentials))
        raise InvalidFieldError(
            *(
                Violation(each.field, f"{each.text}; looked for in {places}")
                if each.field == "credentials"
                else each
                for each in error.violations
            )
        ) from None
