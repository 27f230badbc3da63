"""Every venue through ccxt, against constructed replies over a local server: what was sent, what came of it.

None of it says that the real exchange answers so; docs/connections.md lists which were tried.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from support.venue_replies import VENUES, VenueReplies, now
from support.venue_server import Asked, VenueServer, venue_server

from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.domain.fills import Side
from fillhandler_server.domain.reports import OrderStatus
from fillhandler_server.execution.ccxt_connection import CcxtConnection
from fillhandler_server.execution.ccxt_spec import ConnectionSpec
from fillhandler_server.execution.connection import OrderTicket
from fillhandler_server.execution.errors import ErrorClass, VenueError
from fillhandler_server.execution.payloads import parse_payload
from fillhandler_server.execution.secret import NAMES, Credentials, Secret

pytest.importorskip("ccxt", reason="ccxt is the extra `exchanges`")

CANARY = "Q2FuYXJ5U2VjcmV0MTIzNDU2Nzg5"
HEX = "0x" + "1" * 64


@dataclass
class Venue:
    """A connection to constructed replies."""

    server: VenueServer
    replies: VenueReplies
    connection: CcxtConnection

    def say(self, path: str, body: Any, status: int = 200, **headers: str) -> None:
        if self.replies.by_type and not path.startswith("/"):
            self.server.answers_of_type[path] = (status, headers, body)
        elif path:
            self.server.answer(path, body, status, **headers)

    def hang(self, path: str) -> None:
        # Only here an answer is not waited for: a busy machine is no reason to fail.
        self.connection._exchange.timeout = 500
        if self.replies.by_type:
            self.server.answers_of_type[path] = None
        else:
            self.server.hang(path)

    def asked(self, path: str) -> Asked:
        if not self.replies.by_type:
            return self.server.last(path)
        return [one for one in self.server.asked if kind_of(one) == path][-1]

    @property
    def ticket(self) -> OrderTicket:
        said = self.replies
        return OrderTicket(said.symbol, Side.BUY, "limit", said.quantity, said.client_order_id, said.price)


def kind_of(asked: Asked) -> str:
    """Hyperliquid's requests go to two paths and say in the body what they are."""
    said = asked.said
    return str(said.get("action", said).get("type", ""))


def credentials(venue: str) -> Credentials:
    held = {name: Secret(CANARY) for name in NAMES}
    held["private_key"], held["wallet_address"] = Secret(HEX), Secret("0x" + "2" * 40)
    return Credentials(**held)


@pytest.fixture(params=list(VENUES))
async def venue(request: pytest.FixtureRequest) -> AsyncIterator[Venue]:
    replies = VENUES[request.param]
    async with venue_server() as server:
        spec = ConnectionSpec(
            request.param, market=replies.market, url=server.url, timeout_seconds=20, rate_limit=False
        )
        connection = CcxtConnection(spec, credentials(request.param))
        found = Venue(server, replies, connection)
        for path, body in replies.static.items():
            found.say(path, body)
        if replies.by_type:
            server.answer_by_type(kind_of)
            server.answers_of_type[replies.time_path] = (200, {}, replies.time(now() + 5000))
        elif replies.time_path:
            server.answer_by(replies.time_path, lambda asked: replies.time(now() + 5000))
        try:
            await connection.start()
            yield found
        finally:
            await connection.close()


def recent(body: Any) -> Any:
    """A reply with its times a minute ago."""
    seconds = now() // 1000 - 60
    spelled = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    text = json.dumps(body).replace("1700000000", str(seconds)).replace("2023-11-14T22:13:20", spelled)
    return json.loads(text)


async def refusal(venue: Venue) -> VenueError:
    with pytest.raises(VenueError) as caught:
        await venue.connection.place(venue.ticket)
    error = caught.value
    shown = f"{error.text} {error!r}"
    assert CANARY not in shown
    assert "127.0.0.1" not in shown
    assert "<" not in error.text
    # Tracebacks show these: ccxt's own text has the signed address.
    assert error.__context__ is None
    assert error.__cause__ is None
    return error


async def test_an_order_is_sent_exactly_and_once(venue: Venue) -> None:
    said = venue.replies
    venue.say(said.place if said.by_type else f"POST {said.place}", said.placed)
    before = len(venue.server.asked)

    answer = await venue.connection.place(venue.ticket)

    assert len(venue.server.asked) == before + 1
    sent = venue.asked(said.place).said
    sent = sent.get("action", sent)
    assert {key: _plain(sent.get(key)) for key in said.sent} == {k: _plain(v) for k, v in said.sent.items()}
    assert answer.order is not None
    assert answer.order.order_id == said.order_id
    assert answer.order.client_order_id == said.own_id


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, int | str) and not isinstance(value, bool) else value


RESTRICTED = {
    "binance": ("LIMIT_MAKER", "IOC"),
    "bitget": ("post_only", "ioc"),
    "phemex": ("PostOnly", "ImmediateOrCancel"),
    "bybit": ("PostOnly", "IOC"),
    "okx": ("post_only", "ioc"),
    "kraken": ("oflags=post", "IOC"),
    "coinbase": ('"post_only": *true', "sor_limit_ioc"),
    "kucoin": ('"postOnly": *true', "IOC"),
    "gate": ("poc", "ioc"),
    "hyperliquid": ("Alo", "Ioc"),
}


@pytest.mark.parametrize(("kind", "at"), [("post_only", 0), ("ioc", 1)])
async def test_restrictions_are_said_in_the_venues_words(venue: Venue, kind: str, at: int) -> None:
    said = venue.replies
    venue.say(said.place if said.by_type else f"POST {said.place}", said.placed)

    await venue.connection.place(replace(venue.ticket, type=kind))

    assert re.search(RESTRICTED[venue.connection.venue][at], venue.asked(said.place).body, re.IGNORECASE)


async def test_what_a_placement_answers_is_read_by_the_venues_module(venue: Venue) -> None:
    said = venue.replies
    venue.say(said.place if said.by_type else f"POST {said.place}", said.placed)

    answer = await venue.connection.place(venue.ticket)

    for message in answer.messages:
        parsed = parse_payload(venue.connection.venue, "", message.payload, format=message.format)
        assert {report.symbol for report in parsed.reports} <= {said.symbol, ""}


async def test_a_refusal_for_want_of_funds(venue: Venue) -> None:
    said = venue.replies
    status, body = said.refused
    venue.say(said.place if said.by_type else f"POST {said.place}", body, status)

    error = await refusal(venue)

    assert error.error_class is ErrorClass.INSUFFICIENT_FUNDS
    assert not error.maybe_applied
    assert not error.temporary


async def test_a_limit_of_requests(venue: Venue) -> None:
    said = venue.replies
    venue.say(said.place if said.by_type else f"POST {said.place}", {}, 429, Retry_After="7")

    error = await refusal(venue)

    assert error.error_class is ErrorClass.RATE_LIMIT
    assert (error.retry_after, error.maybe_applied, error.temporary) == (7, False, True)


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_a_failing_server_may_have_taken_the_order(venue: Venue, status: int) -> None:
    said = venue.replies
    path = said.place if said.by_type else f"POST {said.place}"
    venue.say(path, "<html><body>Bad gateway at /secret?key=1</body></html>", status)

    error = await refusal(venue)

    assert error.error_class in (ErrorClass.EXCHANGE_ERROR, ErrorClass.TIMEOUT)
    assert error.maybe_applied
    assert error.temporary


async def test_an_answer_that_is_none_may_have_been_an_acceptance(venue: Venue) -> None:
    said = venue.replies
    venue.say(said.place if said.by_type else f"POST {said.place}", "upstream connected")

    assert (await refusal(venue)).maybe_applied


async def test_no_answer_in_time(venue: Venue) -> None:
    said = venue.replies
    venue.hang(said.place if said.by_type else f"POST {said.place}")

    error = await refusal(venue)

    assert error.error_class is ErrorClass.TIMEOUT
    assert error.maybe_applied


async def test_an_order_is_found_by_our_id(venue: Venue) -> None:
    said = venue.replies
    venue.say(said.find if said.by_type else f"{_method(said)} {said.find}", recent(said.found))

    found = await venue.connection.find_order(said.symbol, client_order_id=said.client_order_id)

    assert found.order is not None
    assert (found.order.order_id, found.order.client_order_id) == (said.order_id, said.own_id)
    assert found.order.status == OrderStatus.NEW
    assert (found.order.quantity, found.order.filled) == (said.quantity, Decimal(0))
    assert found.order.symbol == said.symbol
    request = venue.asked(said.find)
    if "historical" not in said.find:  # Coinbase lists
        assert said.own_id in request.path + request.body + json.dumps(request.query)


def _method(said: VenueReplies) -> str:
    return "POST" if said.find.startswith("/0/") else "GET"


async def test_an_order_that_is_not_there(venue: Venue) -> None:
    said = venue.replies
    status, body = said.absent
    venue.say(said.find if said.by_type else f"{_method(said)} {said.find}", body, status)

    found = await venue.connection.find_order(said.symbol, client_order_id=said.client_order_id)

    assert found.order is None


async def test_a_query_that_fails_is_not_an_order_that_is_not_there(venue: Venue) -> None:
    said = venue.replies
    for status, body in ((502, "<html>"), (200, "hello"), (429, {})):
        venue.say(said.find if said.by_type else f"{_method(said)} {said.find}", body, status)
        with pytest.raises(VenueError) as caught:
            await venue.connection.find_order(said.symbol, client_order_id=said.client_order_id)
        assert not caught.value.maybe_applied


async def test_a_page_of_trades(venue: Venue) -> None:
    said = venue.replies
    since = (now() - 3600_000) * 1_000_000
    venue.say(said.history, recent(said.trades))

    page = await venue.connection.trades(said.symbol, since)

    assert (page.count, page.complete, page.cursor) == (1, True, "")
    assert page.last_time is not None
    assert page.last_time >= since
    fills = [
        fill
        for message in page.messages
        for fill in parse_payload(venue.connection.venue, "", message.payload, format=message.format).fills
    ]
    assert [(fill.symbol, fill.order_id, fill.trade_id) for fill in fills] == [
        (said.symbol, said.order_id, said.trade_ids[0])
    ]
    assert {message.format for message in page.messages} == {""}


async def test_the_clocks_difference_is_measured_and_used(venue: Venue) -> None:
    skew = venue.connection.skew
    assert skew is not None
    expected = 5 if venue.replies.time_path else 0  # else by the Date header
    assert abs(skew / 1e9 - expected) < 1.6
    if venue.connection.venue == "binance":
        venue.say(f"POST {venue.replies.place}", venue.replies.placed)
        await venue.connection.place(venue.ticket)
        ahead = int(venue.asked(venue.replies.place).said["timestamp"]) - now()
        assert 3000 < ahead <= 5500


async def test_a_symbol_in_any_spelling(venue: Venue) -> None:
    said = venue.replies
    for spelling in (said.symbol, said.unified):
        rules = venue.connection.rules(spelling)
        assert (rules.symbol, rules.market) == (said.symbol, said.market)
        assert rules.quantity_step is None or said.quantity % rules.quantity_step == 0

    with pytest.raises(InvalidFieldError, match=f"close are {said.symbol}"):
        venue.connection.rules(said.unified.partition(":")[0].replace("/", " ").lower())


async def test_what_would_be_rounded_is_refused(venue: Venue) -> None:
    before = len(venue.server.asked)
    finer = Decimal("0.0200000000001")

    with pytest.raises(InvalidFieldError, match=r"quantity: 0\.0200000000001 is") as caught:
        await venue.connection.place(
            replace(venue.ticket, quantity=finer, limit_price=Decimal("30000.0000001"))
        )

    assert {each.field for each in caught.value.violations} >= {"quantity"}
    assert len(venue.server.asked) == before


async def test_a_client_order_id_that_the_venue_does_not_take(venue: Venue) -> None:
    before = len(venue.server.asked)

    with pytest.raises(InvalidFieldError, match="client_order_id"):
        await venue.connection.place(replace(venue.ticket, client_order_id="no spaces, " * 20))

    assert len(venue.server.asked) == before


async def test_calls_at_the_same_time_do_not_mix(venue: Venue) -> None:
    said = venue.replies
    venue.say(said.place if said.by_type else f"POST {said.place}", said.placed)
    stated = recent(said.found)
    venue.say(said.find if said.by_type else f"{_method(said)} {said.find}", stated)

    placed, found = await asyncio.gather(
        venue.connection.place(venue.ticket),
        venue.connection.find_order(said.symbol, client_order_id=said.client_order_id),
    )

    assert placed.order is not None
    assert found.order is not None
    bodies = [message.payload for message in found.messages]
    assert bodies == [json.dumps(stated).encode()]
