"""KuCoin's fills: the REST lists of spot, margin and futures, and `/spot/tradeFills`."""

from __future__ import annotations

from fillhandler_server.domain.fills import Fill, Liquidity, Side
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.kucoin.words import (
    LIQUIDITIES,
    SIDES,
    fees_of,
    market_of,
    marks,
)
from fillhandler_server.venues.reading import Reading, Row

_OF_FILLS = frozenset({"tradeId", "counterOrderId", "forceTaker", "feeRate", "openFeePay"})
_OF_PUBLIC = frozenset({"takerOrderId", "makerOrderId", "sequence"})


def is_fill(data: Json) -> bool:
    """A row of the spot, margin or futures fills."""
    names = data.keys()
    return not _OF_FILLS.isdisjoint(names) and _OF_PUBLIC.isdisjoint(names)


def is_historical_fill(data: Json) -> bool:
    """A row of the deals before 18 February 2019."""
    return "dealPrice" in data


def read_fill(row: Row, reading: Reading) -> None:
    """A spot, margin or futures fill; futures sizes are lots. `id` of the newer lists is the row's, not the
    trade's. Futures state the time in ns (`tradeTime`); their `createdAt` is when the row was made."""
    kind = row.note("tradeType").lower()
    if "funding" in kind:
        reading.skip("funding", f"tradeType {kind}")
        return
    traded = market_of(row)
    metadata = marks(row, "tradeType")
    tax = row.optional_above_zero("tax")
    if tax is not None:
        metadata["tax"] = row.note("tax")
    reading.fills.append(
        Fill(
            venue=reading.venue,
            symbol=traded.symbol,
            order_id=row.id("orderId"),
            trade_id=row.id("tradeId"),
            side=row.choice(SIDES, "side", default=Side.UNSPECIFIED),
            quantity=row.positive("size"),
            price=row.number("price"),
            account=reading.account,
            market=traded.market,
            client_order_id=row.optional_id("clientOid"),
            fees=fees_of(row, "fee", "feeCurrency", "settleCurrency"),
            liquidity=row.optional_choice(LIQUIDITIES, "liquidity", default=Liquidity.UNSPECIFIED),
            trade_time=row.time("tradeTime", "createdAt", "time", "ts"),
            contract_kind=traded.kind,
            metadata=metadata,
            base_currency=traded.base,
            quote_currency=traded.quote,
        )
    )


def read_historical_fill(row: Row, reading: Reading) -> None:
    """A deal of the first API: no order id, the time in seconds, and a fee whose currency is not said."""
    traded = market_of(row)
    reading.fills.append(
        Fill(
            venue=reading.venue,
            symbol=traded.symbol,
            order_id=row.optional_id("orderId"),
            trade_id=row.optional_id("id"),
            side=row.choice(SIDES, "side", default=Side.UNSPECIFIED),
            quantity=row.positive("amount"),
            price=row.number("dealPrice"),
            account=reading.account,
            market=traded.market,
            trade_time=row.time("createdAt"),
            contract_kind=traded.kind,
            base_currency=traded.base,
            quote_currency=traded.quote,
        )
    )
