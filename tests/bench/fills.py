"""The fills that are measured with, the same for reference and server.

A fill is a row of the reference's 14 text columns; the server gets the same values as protobuf messages.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import count, islice
from typing import Final

from fillhandler.v1 import fill_service_pb2, fills_pb2

COLUMNS: Final = (
    "venue",
    "account",
    "market",
    "symbol",
    "order_id",
    "client_order_id",
    "trade_id",
    "side",
    "quantity",
    "price",
    "fee",
    "fee_currency",
    "liquidity",
    "trade_time",
)

FillRow = tuple[str, str, str, str, str, str, str, str, str, str, str, str, str, str]

SYMBOLS: Final = (
    ("BTCUSDT", 67_000),
    ("ETHUSDT", 3_500),
    ("SOLUSDT", 150),
    ("BNBUSDT", 590),
    ("XRPUSDT", 1),
    ("ADAUSDT", 1),
    ("DOGEUSDT", 1),
    ("LTCUSDT", 80),
)
LOCAL_RUN: Final = 8
OPEN_ORDERS: Final = 5_000

_SIDES: Final = {"BUY": 1, "SELL": 2}
_LIQUIDITY: Final = {"MAKER": 1, "TAKER": 2}
_START_NS: Final = 1_767_000_000_000_000_000


class Source:
    """Makes fills that never repeat. Random 12-digit trade ids, prices that move, fees of a tenth percent."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._orders = count(10_000_000_000)
        self._time = count(_START_NS, 1_137_000)

    def _order(self) -> tuple[str, str, str, int, str]:
        symbol, price = self._random.choice(SYMBOLS)
        number = next(self._orders)
        return str(number), f"bench-{number}", symbol, price, self._random.choice(("BUY", "SELL"))

    def _fill(self, order: tuple[str, str, str, int, str]) -> FillRow:
        draw = self._random
        order_id, client_order_id, symbol, price, side = order
        # Integers first: a decimal's text without a float's tail.
        ticks = price * 100 + draw.randrange(100)
        lots = draw.randrange(1, 100_000)
        fee = ticks * lots // 1000 + 1
        return (
            "binance",
            "main",
            "spot",
            symbol,
            order_id,
            client_order_id,
            str(draw.randrange(100_000_000_000, 1_000_000_000_000)),
            side,
            _decimal(lots, 5),
            _decimal(ticks, 2),
            _decimal(fee, 7),
            "USDT",
            draw.choice(("MAKER", "TAKER")),
            str(next(self._time)),
        )

    def local(self, number: int) -> list[FillRow]:
        """Orders one after the other, 8 consecutive fills each."""
        return list(islice(self._local(), number))

    def _local(self) -> Iterator[FillRow]:
        while True:
            order = self._order()
            for _ in range(LOCAL_RUN):
                yield self._fill(order)

    def scattered(self, number: int, orders: int = OPEN_ORDERS) -> list[FillRow]:
        """Many open orders, each fill of any of them."""
        held = [self._order() for _ in range(orders)]
        return [self._fill(self._random.choice(held)) for _ in range(number)]

    def one_order(self, number: int) -> list[FillRow]:
        """All of one order."""
        order = self._order()
        return [self._fill(order) for _ in range(number)]


def _decimal(units: int, places: int) -> str:
    text = f"{units // 10**places}.{units % 10**places:0{places}}"
    return text.rstrip("0").rstrip(".")


def message(row: FillRow) -> fills_pb2.Fill:
    """The fill that a row stands for."""
    time_ns = int(row[13])
    fill = fills_pb2.Fill(
        venue=row[0],
        account=row[1],
        market=row[2],
        symbol=row[3],
        order_id=row[4],
        client_order_id=row[5],
        trade_id=row[6],
        side=_SIDES[row[7]],  # type: ignore[arg-type]
        quantity=row[8],
        price=row[9],
        fees=[fills_pb2.Fee(amount=row[10], currency=row[11])],
        liquidity=_LIQUIDITY[row[12]],  # type: ignore[arg-type]
    )
    fill.trade_time.seconds, fill.trade_time.nanos = divmod(time_ns, 1_000_000_000)
    return fill


def batches(rows: Sequence[FillRow], size: int) -> list[Sequence[FillRow]]:
    """The rows in pieces."""
    return [rows[at : at + size] for at in range(0, len(rows), size)]


def requests(rows: Sequence[FillRow], size: int) -> list[bytes]:
    """RecordFills requests of `size` fills each, serialised."""
    return [
        fill_service_pb2.RecordFillsRequest(fills=[message(row) for row in batch]).SerializeToString()
        for batch in batches(rows, size)
    ]


def single_requests(rows: Sequence[FillRow]) -> list[bytes]:
    """RecordFill requests, serialised."""
    return [fill_service_pb2.RecordFillRequest(fill=message(row)).SerializeToString() for row in rows]
