"""What the exchange's own books say, against what the record says: everything that a promise forbids."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

from load import Connection, read_everything
from trading_site import SETTLE_SECONDS

from fillhandler.v1 import (
    execution_service_pb2,
    fill_service_pb2,
    fills_pb2,
    orders_pb2,
    state_service_pb2,
    trades_pb2,
)
from fillhandler.v1.execution_service_pb2_grpc import ExecutionServiceStub
from fillhandler.v1.fill_service_pb2_grpc import FillServiceStub

Content = tuple[str, str, str, str, Decimal]
"""Client order id, market, symbol, side, quantity: what tells an intended order from every other one."""

_SIDES: Final = {"BUY": fills_pb2.SIDE_BUY, "SELL": fills_pb2.SIDE_SELL}
_LEFT: Final = "TRADE_OUTCOME_LEFT_WORKING"
_SECOND: Final = 1_000_000_000


@dataclass
class Record:
    """Everything that a server tells."""

    events: list[Any]
    orders: list[orders_pb2.Order]
    total_fills: int
    walk: state_service_pb2.VerifyJournalResponse
    fills: list[fills_pb2.Fill]
    trades: list[trades_pb2.Trade]
    attempts: list[execution_service_pb2.Attempt]

    @classmethod
    async def read(cls, address: str, token: str) -> Record:
        connection = Connection(address, token)
        execution: Any = ExecutionServiceStub(connection.channel)
        recorded: Any = FillServiceStub(connection.channel)
        try:
            fills = await _pages(connection, recorded.ListFills, fill_service_pb2.ListFillsRequest(), "fills")
            trades = await _pages(
                connection, execution.ListTrades, execution_service_pb2.ListTradesRequest(), "trades"
            )
            attempts = await _pages(
                connection, execution.ListRetries, execution_service_pb2.ListRetriesRequest(), "attempts"
            )
        finally:
            await connection.close()
        return cls(*await read_everything(address, token), fills, trades, attempts)


async def _pages(connection: Connection, method: Any, request: Any, entries: str) -> list[Any]:
    found: list[Any] = []
    request.page_size = 1000
    while True:
        page = await method(request, metadata=connection.metadata, timeout=60)
        found += getattr(page, entries)
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


def problems(
    books: dict[str, Any],
    record: Record,
    diary: Iterable[dict[str, Any]],
    outside: frozenset[str] = frozenset(),
) -> list[str]:
    """Every promise that is broken.

    Args:
        books: the exchange's.
        record: the server's.
        diary: what was asked and answered.
        outside: ids of the exchange's orders that were placed without the server.
    """
    return [
        *_placed(books, record, outside),
        *_fills(books, record),
        *_orders(books, record),
        *_trades(books, record),
        *_answers(record, diary),
        *_attempts(record),
        *_requests(books, record, len(outside)),
        *_feed(record),
    ]


# ------------------------------------------------------------------ at most one order for each intended one


def _placed(books: dict[str, Any], record: Record, outside: frozenset[str]) -> Iterator[str]:
    intended = Counter(_of_leg(leg) for trade in record.trades for leg in trade.orders)
    placed = Counter(_of_row(row) for row in books["orders"] if row["order_id"] not in outside)
    for content, times in placed.items():
        if times > intended[content]:
            yield f"placed {times} times, intended {intended[content]} times: {content}"
    for trade in record.trades:
        filled = sum((Decimal(row["executed_quantity"]) for row in _rows_of(books, trade)), Decimal())
        if filled > Decimal(trade.request.quantity):
            yield f"{trade.request.request_id} filled {filled}, more than {trade.request.quantity}"


def _of_leg(leg: orders_pb2.Order) -> Content:
    side = fills_pb2.Side.Name(leg.side)
    return (leg.client_order_id, leg.market, leg.symbol, side, Decimal(leg.order_quantity))


def _of_row(row: dict[str, Any]) -> Content:
    side = f"SIDE_{row['side']}"
    return (row["client_order_id"], row["market"], row["symbol"], side, Decimal(row["quantity"]))


def _rows_of(books: dict[str, Any], trade: trades_pb2.Trade) -> list[dict[str, Any]]:
    legs = {_of_leg(leg) for leg in trade.orders}
    index = books.setdefault("by_content", {})
    if not index:
        for row in books["orders"]:
            index.setdefault(_of_row(row), []).append(row)
    return [row for leg in legs for row in index.get(leg, [])]


# ------------------------------------------------------------------ every fill once


def _fills(books: dict[str, Any], record: Record) -> Iterator[str]:
    venue = {}
    for row in books["trades"]:
        venue[row["market"], row["symbol"], row["trade_id"]] = (
            row["order_id"],
            _SIDES[row["side"]],
            Decimal(row["quantity"]),
            Decimal(row["price"]),
            [(row["commission_asset"], Decimal(row["commission"]))],
        )
    times: Counter[tuple[str, str, str]] = Counter()
    for fill in record.fills:
        key = (fill.market, fill.symbol, fill.trade_id)
        times[key] += 1
        if fill.inferred:
            yield f"an inferred fill is left: {fill.order_id} {fill.symbol} {fill.quantity}"
            continue
        if key not in venue:
            yield f"the venue has no fill {key} of {fill.quantity}"
            continue
        told = (
            fill.order_id,
            fill.side,
            Decimal(fill.quantity),
            Decimal(fill.price),
            [(fee.currency, Decimal(fee.amount)) for fee in fill.fees],
        )
        if told != venue[key]:
            yield f"fill {key} is {told}, at the venue {venue[key]}"
    yield from (f"fill {key} is recorded {count} times" for key, count in times.items() if count > 1)
    yield from (f"fill {key} of order {venue[key][0]} is not recorded" for key in venue if key not in times)
    if record.total_fills != len(record.fills):
        yield f"the statistics count {record.total_fills} fills of {len(record.fills)}"


# ------------------------------------------------------------------ orders and trades as the books have them


def _orders(books: dict[str, Any], record: Record) -> Iterator[str]:
    served: dict[tuple[str, str, str], list[orders_pb2.Order]] = defaultdict(list)
    for order in record.orders:
        if order.order_id:
            served[order.market, order.symbol, order.order_id].append(order)
        elif order.status not in (orders_pb2.ORDER_STATUS_REJECTED, orders_pb2.ORDER_STATUS_CANCELED):
            yield f"{order.client_order_id} has no id and is {orders_pb2.OrderStatus.Name(order.status)}"
    for row in books["orders"]:
        found = served.pop((row["market"], row["symbol"], row["order_id"]), [])
        name = f"{row['market']} {row['order_id']} ({row['client_order_id']})"
        if len(found) != 1:
            yield f"order {name} is in the record {len(found)} times"
            continue
        order = found[0]
        status = orders_pb2.OrderStatus.Name(order.status).removeprefix("ORDER_STATUS_")
        told = (status, Decimal(order.cumulative_quantity or 0), Decimal(order.order_quantity or 0))
        true = (row["status"], Decimal(row["executed_quantity"]), Decimal(row["quantity"]))
        if told != true:
            yield f"order {name} is {told}, at the venue {true}"
        if order.client_order_id != row["client_order_id"]:
            yield f"order {name} has the client id {order.client_order_id!r}"
    yield from (f"the venue has no order {key}" for key in served)


def _trades(books: dict[str, Any], record: Record) -> Iterator[str]:
    for trade in record.trades:
        name = trade.request.request_id
        if trade.status != trades_pb2.TRADE_STATUS_FINISHED or trade.undecided:
            yield f"{name} is {trades_pb2.TradeStatus.Name(trade.status)}, undecided {trade.undecided}"
            continue
        rows = _rows_of(books, trade)
        filled = sum((Decimal(row["executed_quantity"]) for row in rows), Decimal())
        if Decimal(trade.total_filled or 0) != filled:
            yield f"{name} filled {trade.total_filled}, at the venue {filled}"
        outcome = trades_pb2.TradeOutcome.Name(trade.outcome)
        fitting = _fitting(trade, rows, filled)
        if outcome not in fitting:
            yield f"{name} is {outcome} with {filled} of {trade.request.quantity}: {trade.text}"
        if trade.success != (outcome == "TRADE_OUTCOME_FILLED"):
            yield f"{name}: success {trade.success} of {outcome}"
        open_rows = [row for row in rows if row["status"] in ("NEW", "PARTIALLY_FILLED")]
        if open_rows and outcome != _LEFT:
            yield f"{name} is {outcome} and its order still works"


def _fitting(trade: trades_pb2.Trade, rows: list[dict[str, Any]], filled: Decimal) -> set[str]:
    request = trade.request
    can_be_left = request.HasField("deadline") and request.remainder in (0, trades_pb2.REMAINDER_LEAVE)
    left = {_LEFT} if can_be_left and rows else set()
    if filled == Decimal(request.quantity):
        return {"TRADE_OUTCOME_FILLED"} | left
    if filled:
        return {"TRADE_OUTCOME_PARTIALLY_FILLED"} | left
    if len(rows) == len(trade.orders):
        # An order that was taken and refused afterwards is none of this exchange's.
        return {"TRADE_OUTCOME_NOT_FILLED"} | left
    return {"TRADE_OUTCOME_FAILED", "TRADE_OUTCOME_REJECTED", "TRADE_OUTCOME_NOT_FILLED"}


def _answers(record: Record, diary: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Acknowledged ⊆ stored ⊆ sent, and nothing else was told than what is stored."""
    stored = {trade.request.request_id: trade for trade in record.trades}
    if len(stored) != len(record.trades):
        yield "a request id has two trades"
    sent = set()
    for line in diary:
        name = line["request_id"]
        trade = stored.get(name)
        if line["word"] == "sent":
            sent.add(name)
        elif line["word"] == "refused":
            sent.discard(name)
            if trade is not None:
                yield f"{name} was refused and is stored"
        elif trade is None:
            yield f"{name} was {line['word']} and is not stored"
        elif line["word"] == "cancelled" and not trade.cancel_requested:
            yield f"{name} was cancelled, which is not stored"
        elif line["word"] == "answered":
            told = trades_pb2.Trade.FromString(bytes.fromhex(line["content"]))
            if (told.trade_id, told.outcome) != (trade.trade_id, trade.outcome):
                yield f"{name} was answered {told.outcome} of {told.trade_id}, stored {trade.outcome}"
            elif (
                told.total_filled != trade.total_filled
                and told.outcome != trades_pb2.TRADE_OUTCOME_LEFT_WORKING
            ):
                yield f"{name} was answered {told.total_filled} filled, stored {trade.total_filled}"
            if len(told.orders) != len(trade.orders):
                yield f"{name} has {len(trade.orders)} orders, and had {len(told.orders)}"
    yield from (f"{name} is stored and was never sent" for name in stored.keys() - sent)
    yield from (f"{name} was sent until it was answered and is not stored" for name in sent - stored.keys())


# ------------------------------------------------------------------ retries, feed


def _attempts(record: Record) -> Iterator[str]:
    """Attempts are counted without gaps; none comes before its wait is over, nor before an unknown one
    has settled.
    """
    kinds: dict[tuple[str, str, Any], list[execution_service_pb2.Attempt]] = defaultdict(list)
    for attempt in record.attempts:
        kinds[attempt.trade_id, attempt.client_order_id, attempt.operation].append(attempt)
    place = trades_pb2.REQUEST_OPERATION_PLACE
    for (_, own_id, operation), attempts in kinds.items():
        numbers = [each.attempt for each in attempts]
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"{own_id}: attempts of {operation} are {numbers}"
        for before, after in pairwise(attempts):
            if operation != place:
                continue
            due = before.commit_time.ToNanoseconds() + before.delay.ToNanoseconds()
            if after.send_time.ToNanoseconds() < due - _SECOND // 100:
                yield f"{own_id}: attempt {after.attempt} was sent before the wait was over"
            apart = after.send_time.ToNanoseconds() - before.send_time.ToNanoseconds()
            if before.maybe_applied and apart < SETTLE_SECONDS * _SECOND - _SECOND // 100:
                yield f"{own_id}: attempt {after.attempt} came {apart / _SECOND:.3f} s after an unknown one"
    placing: Counter[str] = Counter()
    for (trade_id, _, operation), attempts in kinds.items():
        if operation == place:
            placing[trade_id] += len(attempts)
    for trade in record.trades:
        if trade.attempts != placing[trade.trade_id]:
            yield f"{trade.request.request_id} counts {trade.attempts} attempts of {placing[trade.trade_id]}"
        retries = sum(order.retry_count for order in trade.orders)
        if trade.retries != retries:
            yield f"{trade.request.request_id} counts {trade.retries} retries, its orders {retries}"


def _requests(books: dict[str, Any], record: Record, outside: int) -> Iterator[str]:
    """Each request to place an order that came to the exchange is an attempt; a kill may add one more."""
    came = sum(requests.get("place", 0) for requests in books["requests"].values()) - outside
    noted = sum(each.operation == trades_pb2.REQUEST_OPERATION_PLACE for each in record.attempts)
    if came > noted:
        yield f"{came} requests to place an order came, and {noted} attempts are recorded"


def _feed(record: Record) -> Iterator[str]:
    sequences = [event.sequence for event in record.events]
    if sequences != list(range(1, len(sequences) + 1)):
        yield "the feed is not 1..N"
    if not record.walk.valid or record.walk.head_sequence != len(sequences):
        yield f"the chain: {record.walk}"
    told = [
        (event.fill_recorded.fill.market, event.fill_recorded.fill.symbol, event.fill_recorded.fill.trade_id)
        for event in record.events
        if event.HasField("fill_recorded") and not event.fill_recorded.fill.inferred
    ]
    yield from (f"the feed tells fill {key} {n} times" for key, n in Counter(told).items() if n > 1)
    started = Counter(e.trade_started.trade_id for e in record.events if e.HasField("trade_started"))
    ended = Counter(e.trade_finished.trade_id for e in record.events if e.HasField("trade_finished"))
    for trade in record.trades:
        counts = (started[trade.trade_id], ended[trade.trade_id])
        if counts != (1, 1):
            yield f"the feed tells {trade.request.request_id} started and finished {counts} times"
