"""Processes for the faults of trading: `trading_launcher.py ROLE …`.

`serve MUTANT` starts servers, each with the options and the named points of a line of JSON on stdin. At each
point the server kills itself by such a chance. A mutant is a seeded bug: the checker must catch it, or the
checker proves nothing. `exchange OPTIONS…` and `verify DATA_DIR` are the product's own commands.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from fillhandler_server import commands
from fillhandler_server.collectors import CollectorSettings
from fillhandler_server.collectors import history as histories
from fillhandler_server.collectors import orders as collected
from fillhandler_server.execution import ccxt_connection, following, manager, placing, retrying, running
from fillhandler_server.ledger import WriterLedger

# ------------------------------------------------------------------ named points


def _around(owner: Any, name: str, *, before: Callable[[], None], after: Callable[[], None]) -> None:
    real = getattr(owner, name)

    async def method(self: Any, *arguments: Any, **more: Any) -> Any:
        before()
        done = await real(self, *arguments, **more)
        after()
        return done

    setattr(owner, name, method)


def die_at(points: dict[str, float]) -> None:
    """Makes the process kill itself, by chance, at each of the points."""

    def at(name: str) -> Callable[[], None]:
        chance = points.pop(name, 0.0)

        def die() -> None:
            if chance and random.random() < chance:
                sys.stderr.write(f"killed at {name}\n")
                sys.stderr.flush()
                os.kill(os.getpid(), signal.SIGKILL)

        return die

    connection = ccxt_connection.CcxtConnection
    _around(connection, "place", before=at("before-place"), after=at("after-place"))
    _around(connection, "cancel", before=at("before-cancel"), after=at("after-cancel"))
    _around(WriterLedger, "failed", before=at("before-failure"), after=at("after-failure"))
    _around(WriterLedger, "found", before=at("before-found"), after=at("after-found"))
    _around(WriterLedger, "continue_trade", before=at("before-next"), after=at("after-next"))
    _around(WriterLedger, "finish_trade", before=at("before-finish"), after=at("after-finish"))
    assert not points, f"no such point: {points}"


# ------------------------------------------------------------------ seeded bugs


def resend_without_asking() -> None:
    """After an order of unknown outcome it is waited for as long as ever, but nobody asks the venue."""

    async def look(self: Any, **_: Any) -> None:
        return

    placing.Placing._look = look  # type: ignore[method-assign,assignment]


def no_settle() -> None:
    """The venue is asked, but once and at once: an order that appears late is not seen."""
    real = retrying.RetryPolicy.from_config

    def from_config(given: object, path: str = "retry_config", **_: float) -> Any:
        return real(given, path, settle_seconds=0.0)

    retrying.RetryPolicy.from_config = from_config  # type: ignore[method-assign,assignment]


def ignore_maybe_applied() -> None:
    """A failed request counts as one that took no effect."""
    real = running.Running.note

    async def note(self: Any, operation: Any, attempt: int, error: Any, *more: Any) -> None:
        error.maybe_applied = False
        await real(self, operation, attempt, error, *more)

    running.Running.note = note  # type: ignore[method-assign]


def resume_without_asking() -> None:
    """After a restart an order that may have been under way is sent again."""

    async def interrupted(self: Any) -> None:
        return

    placing.Placing.interrupted = interrupted  # type: ignore[method-assign]


def replace_the_whole() -> None:
    """What is placed again is the whole quantity, not the rest."""
    real = following.Following._replace

    async def replace(self: Any, rest: Any) -> None:
        await real(self, self.trade.terms.quantity)

    following.Following._replace = replace  # type: ignore[method-assign]


def watermark_after_failure() -> None:
    """The history counts as read up to now, also where a page of it failed."""
    real = histories.History._read_pages

    async def read_pages(self: Any, symbol: str, since: int) -> Any:
        began = self._clock.now()
        try:
            return await real(self, symbol, since)
        except histories.VenueError:
            self._confirm(symbol, began, None)
            raise

    histories.History._read_pages = read_pages  # type: ignore[method-assign]


def never_repair() -> None:
    """What the stream loses is lost."""

    async def read(self: Any, *_: Any) -> int:
        return 0

    async def complete(self: Any) -> bool:
        return False

    async def nothing(self: Any) -> None:
        return

    histories.History.read = read  # type: ignore[method-assign]
    collected.Orders.complete = complete  # type: ignore[method-assign]
    following.Following._read_trades = nothing  # type: ignore[method-assign]


def cancel_is_the_end() -> None:
    """The first answer to a cancel, whatever it is, counts as the order's end."""
    real = following.Following._cancel_once

    async def cancel_once(self: Any, order: Any, attempt: int) -> Any:
        wait = await real(self, order, attempt)
        await self.ledger.end_order(self.trade, following.OrderStatus.CANCELED, "asked for")
        return wait

    following.Following._cancel_once = cancel_once  # type: ignore[method-assign]


def forget_at_restart() -> None:
    """Trades under way are not taken up after a restart, not even where they are asked for again."""

    async def resume(self: Any) -> None:
        return

    def take_up(self: Any, trade: Any) -> None:
        return

    manager.TradeManager.resume = resume  # type: ignore[method-assign]
    manager.TradeManager._take_up = take_up  # type: ignore[method-assign]


MUTANTS: dict[str, Callable[[], None]] = {
    "none": lambda: None,
    "resend-without-asking": resend_without_asking,
    "no-settle": no_settle,
    "ignore-maybe-applied": ignore_maybe_applied,
    "resume-without-asking": resume_without_asking,
    "replace-the-whole": replace_the_whole,
    "watermark-after-failure": watermark_after_failure,
    "never-repair": never_repair,
    "cancel-is-the-end": cancel_is_the_end,
    "forget-at-restart": forget_at_restart,
}

# ------------------------------------------------------------------ the processes


def nursery(mutant: str) -> None:
    """Starts a server for each line on stdin, one at a time, until stdin ends; says on stdout how each ended.

    A server is a fork: to import ccxt takes seconds, and is done once. What is forked has no threads yet.
    """
    import ccxt.pro  # noqa: F401

    for name, seconds in {"overlap_seconds": 1.0, "margin_seconds": 0.3, "look_seconds": 0.3}.items():
        # Spans of a collector that are no settings, made short like those that are.
        assert name in CollectorSettings.__init__.__kwdefaults__
        CollectorSettings.__init__.__kwdefaults__[name] = seconds
    MUTANTS[mutant]()
    lines, server = os.fdopen(os.dup(0), "rb", buffering=0), 0
    while True:
        if select.select([lines], [], [], 0.01)[0]:
            line = lines.readline()
            if not line:
                break
            order = json.loads(line)
            server = os.fork()
            if not server:
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                die_at(order["points"])
                sys.argv[1:] = order["options"]
                typer.run(commands.serve)
            _say(f"started {server}")
        if server:
            ended, status = os.waitpid(server, os.WNOHANG)
            if ended:
                server = 0
                _say(f"ended {os.waitstatus_to_exitcode(status)}")
    if server:
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    role = sys.argv.pop(1)
    if role == "serve":
        nursery(sys.argv.pop(1))
    elif role == "exchange":
        from fillhandler_server.exchange.command import exchange

        typer.run(exchange)
    else:
        sys.exit(commands.verify(data_dir=Path(sys.argv[1]), key_file=None, json_output=True))
