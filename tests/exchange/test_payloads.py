"""Everything the exchange serves is read by the product's own Binance module, and agrees with the books."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import pytest
from support.exchange_client import LINEAR, SPOT, Http

from fillhandler_server.domain.fills import ContractKind, Liquidity, Side
from fillhandler_server.domain.reports import OrderStatus, ParsedPayload
from fillhandler_server.exchange import SimulatedExchange
from fillhandler_server.venues import parse_payload

MARKETS = pytest.mark.parametrize(
    ("base", "market", "trades"), [(SPOT, "spot", "myTrades"), (LINEAR, "linear", "userTrades")]
)


def parsed(document: Any) -> ParsedPayload:
    return parse_payload("binance", "", json.dumps(document).encode())


def rows(payloads: Iterable[ParsedPayload], market: str) -> list[tuple[Any, ...]]:
    """What the fills say, whichever payloads told it."""
    found = {
        (
            fill.market,
            fill.symbol,
            fill.order_id,
            fill.trade_id,
            Side(fill.side).name,
            fill.quantity,
            fill.price,
            *fill.fees,
        )
        for payload in payloads
        for fill in payload.fills
    }
    assert all(row[0] in (market, "") for row in found)
    return sorted((market, *row[1:]) for row in found)


def booked(exchange: SimulatedExchange, market: str) -> list[tuple[Any, ...]]:
    kept = {"spot": exchange.spot, "linear": exchange.linear}[market]
    return sorted(
        (
            market,
            each.symbol.name,
            str(each.order_id),
            str(each.id),
            each.side.value,
            each.quantity,
            each.price,
            (each.commission_asset, each.commission),
        )
        for trades in kept.trades.values()
        for each in trades
    )


class Listener:
    """A WebSocket on a listen key that keeps what came."""

    def __init__(self, http: Http, base: str) -> None:
        self.http = http
        self.base = base
        self.events: list[dict[str, Any]] = []

    async def __aenter__(self) -> Listener:
        path = f"{self.base}/{'userDataStream' if self.base == SPOT else 'listenKey'}"
        _, made = await self.http.raw("POST", path, headers=self.http.headers)
        address = self.http.exchange.base_url.replace("http", "ws", 1)
        self.socket = await self.http.session.ws_connect(f"{address}/ws/{made['listenKey']}")
        return self

    async def until(self, count: int) -> None:
        """Reads until there are so many events about orders."""
        async with asyncio.timeout(5):
            while sum("ORDER" in e["e"] or e["e"] == "executionReport" for e in self.events) < count:
                self.events.append(await self.socket.receive_json())

    async def __aexit__(self, *_: object) -> None:
        await self.socket.close()


@MARKETS
async def test_every_way_tells_the_same_fills(
    exchange: SimulatedExchange, http: Http, base: str, market: str, trades: str
) -> None:
    async with Listener(http, base) as listener:
        bought = await http.place(base, type="MARKET", newOrderRespType="RESULT")
        resting = await http.place(base, newClientOrderId="rests")
        sold = await http.place(base, type="MARKET", side="SELL", quantity="0.2")
        await http.control("POST", "price", symbol="BTCUSDT", price="58000", market=market)
        ended = await http.place(base, newClientOrderId="ends", price="57000")
        canceled = await http.ok("DELETE", f"{base}/order", symbol="BTCUSDT", origClientOrderId="ends")
        kept = {"spot": exchange.spot, "linear": exchange.linear}[market]
        count = sum(len(each.states) for each in kept.orders.values())
        await listener.until(count)
    history = await http.ok("GET", f"{base}/{trades}", symbol="BTCUSDT")
    orders = await http.ok("GET", f"{base}/allOrders", symbol="BTCUSDT")

    by_stream = [parsed(event) for event in listener.events]
    by_history = [parsed(history)]
    assert rows(by_stream, market) == rows(by_history, market) == booked(exchange, market)
    assert all(not p.skipped for p in by_history)
    for answer in (bought, resting, sold, ended, canceled, *orders):
        assert parsed(answer).reports
    last = {report.order_id: report for p in by_stream for report in p.reports}
    for row in orders:
        (report,) = parsed(row).reports
        told = last[report.order_id]
        assert (told.status, told.cumulative_quantity, told.order_quantity, told.client_order_id) == (
            report.status,
            report.cumulative_quantity,
            report.order_quantity,
            report.client_order_id,
        )
        assert report.market == told.market == market
    assert {OrderStatus(each.status) for each in last.values()} == {OrderStatus.FILLED, OrderStatus.CANCELED}
    assert {Liquidity(fill.liquidity) for p in by_stream for fill in p.fills} == {
        Liquidity.MAKER,
        Liquidity.TAKER,
    }
    kinds = {ContractKind(fill.contract_kind) for p in by_stream for fill in p.fills}
    assert kinds == {ContractKind.SPOT if market == "spot" else ContractKind.LINEAR}


async def test_a_full_answer_carries_the_fills(exchange: SimulatedExchange, http: Http) -> None:
    placed = await http.place(type="MARKET", newOrderRespType="FULL")

    assert rows([parsed(placed)], "spot") == booked(exchange, "spot")
    (report,) = parsed(placed).reports
    assert report.status == OrderStatus.FILLED


async def test_acknowledgements_are_new_orders(http: Http) -> None:
    for base in (SPOT, LINEAR):
        placed = await http.place(base, newOrderRespType="ACK")
        (report,) = parsed(placed).reports
        assert report.status == OrderStatus.NEW


async def test_what_is_no_order_is_skipped_and_never_unsupported(http: Http) -> None:
    await http.place(LINEAR, type="MARKET")
    answers = [
        await http.ok("GET", f"{SPOT}/account"),
        await http.ok("GET", "/fapi/v3/account"),
        await http.ok("GET", "/fapi/v3/balance"),
        await http.ok("GET", "/fapi/v3/positionRisk"),
        (await http.send("GET", f"{SPOT}/order", symbol="BTCUSDT", orderId=1))[1],
        (await http.send("DELETE", f"{SPOT}/order", symbol="BTCUSDT", orderId=1))[1],
        (await http.raw("POST", f"{SPOT}/userDataStream", headers=http.headers))[1],
        await http.ok("GET", f"{SPOT}/openOrders"),
    ]

    for answer in answers:
        read = parsed(answer)
        assert read.skipped
        assert not read.fills
        assert not read.reports
