"""Bitget's fills: the lists and channels of spot, margin, futures (v2) and the unified account (v3)."""

from __future__ import annotations

from fillhandler_server.domain.fills import ContractKind, Fill, Liquidity, Side
from fillhandler_server.venues.bitget.fees import Sign, fee_detail, last_fee
from fillhandler_server.venues.bitget.words import (
    LIQUIDITIES,
    SIDES,
    SPOT,
    category_market,
    contract_kind,
    currencies,
    execution_mark,
    futures_market,
    mix_side,
    symbol_of,
)
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.reading import Reading, Row

_OF_FILLS = frozenset({"tradeId", "tradeScope", "feeDetail"})
_OF_ORDERS = frozenset({"status", "state", "orderStatus"})
_OF_FLAT = frozenset({"fillPrice", "fillFee", "fillFeeCoin"})
_OF_MIX = frozenset({"baseVolume", "quoteVolume", "profit", "posMode", "tradeSide"})
_OF_SPOT = frozenset({"priceAvg", "size", "amount"})
_OF_UNIFIED = frozenset({"execId", "execQty", "execPrice", "execValue"})

# The matchers look for any of several keys, so that a row that lacks one is refused by that key's name.


def _is_fill(data: Json) -> bool:
    names = data.keys()
    return not _OF_FILLS.isdisjoint(names) and _OF_ORDERS.isdisjoint(names)


def is_spot_fill(data: Json) -> bool:
    """A row of the spot or margin fills, or of the spot fill channel: what was filled is in `size`."""
    return _is_fill(data) and not _OF_SPOT.isdisjoint(data.keys())


def is_mix_fill(data: Json) -> bool:
    """A row of the futures' fills or their fill channel: what was filled is in `baseVolume`."""
    return _is_fill(data) and not _OF_MIX.isdisjoint(data.keys())


def is_unified_fill(data: Json) -> bool:
    """A row of the unified account's fills."""
    return not _OF_UNIFIED.isdisjoint(data.keys())


def is_flat_fill(data: Json) -> bool:
    """The flat form of the original design."""
    names = data.keys()
    return not _OF_FLAT.isdisjoint(names) and _OF_ORDERS.isdisjoint(names)


def read_spot_fill(row: Row, reading: Reading, sign: Sign | None = None) -> None:
    """A spot or margin fill. `priceAvg` and `size` are this fill's, whatever their names say."""
    symbol = symbol_of(row)
    base, quote = currencies(symbol, SPOT)
    reading.fills.append(
        Fill(
            venue=reading.venue,
            symbol=symbol,
            order_id=row.id("orderId"),
            trade_id=row.optional_id("tradeId"),
            side=row.choice(SIDES, "side", default=Side.UNSPECIFIED),
            quantity=row.positive("size"),
            price=row.number("priceAvg"),
            account=reading.account,
            market=SPOT,
            client_order_id=row.optional_id("clientOid", "clientOId"),
            fees=fee_detail(row, sign),
            liquidity=row.optional_choice(LIQUIDITIES, "tradeScope", default=Liquidity.UNSPECIFIED),
            trade_time=row.time("cTime", "uTime"),
            contract_kind=ContractKind.SPOT,
            base_currency=base,
            quote_currency=quote,
        )
    )


def read_mix_fill(row: Row, reading: Reading, market: str = "") -> None:
    """A futures fill, v2."""
    symbol = symbol_of(row)
    market = market or futures_market(symbol)
    base, quote = currencies(symbol, market)
    reading.fills.append(
        Fill(
            venue=reading.venue,
            symbol=symbol,
            order_id=row.id("orderId"),
            trade_id=row.optional_id("tradeId"),
            side=mix_side(row),
            quantity=row.positive("baseVolume"),
            price=row.number("price"),
            account=reading.account,
            market=market,
            client_order_id=row.optional_id("clientOid", "clientOId"),
            fees=fee_detail(row, Sign.NEGATIVE_IS_COST),
            liquidity=row.optional_choice(LIQUIDITIES, "tradeScope", default=Liquidity.UNSPECIFIED),
            trade_time=row.time("cTime", "uTime"),
            contract_kind=contract_kind(market),
            metadata=execution_mark(row),
            base_currency=base,
            quote_currency=quote,
        )
    )


def read_unified_fill(row: Row, reading: Reading) -> None:
    """A fill of the unified account; its sides are real. `fast-fill` repeats an `execId` without a fee."""
    symbol = symbol_of(row)
    market = category_market(row)
    base, quote = currencies(symbol, market)
    reading.fills.append(
        Fill(
            venue=reading.venue,
            symbol=symbol,
            order_id=row.id("orderId"),
            trade_id=row.optional_id("execId"),
            side=row.choice(SIDES, "side", default=Side.UNSPECIFIED),
            quantity=row.positive("execQty"),
            price=row.number("execPrice"),
            account=reading.account,
            market=market,
            client_order_id=row.optional_id("clientOid", "clientOId"),
            fees=fee_detail(row, Sign.POSITIVE_IS_COST),
            liquidity=row.optional_choice(LIQUIDITIES, "tradeScope", default=Liquidity.UNSPECIFIED),
            trade_time=row.time("execTime", "createdTime", "updatedTime"),
            contract_kind=contract_kind(market),
            metadata=execution_mark(row),
            base_currency=base,
            quote_currency=quote,
        )
    )


def read_flat_fill(row: Row, reading: Reading) -> None:
    """The flat form: `fillFee` is positive for a cost, and there is no time and no market."""
    symbol = symbol_of(row)
    base, quote = currencies(symbol, "")
    reading.fills.append(
        Fill(
            venue=reading.venue,
            symbol=symbol,
            order_id=row.id("orderId"),
            trade_id=row.optional_id("tradeId"),
            side=row.choice(SIDES, "side", default=Side.UNSPECIFIED),
            quantity=row.positive("baseVolume"),
            price=row.number("fillPrice"),
            account=reading.account,
            client_order_id=row.optional_id("clientOid", "clientOId"),
            fees=last_fee(row, Sign.POSITIVE_IS_COST),
            liquidity=row.optional_choice(LIQUIDITIES, "tradeScope", default=Liquidity.UNSPECIFIED),
            trade_time=row.optional_time("fillTime", "cTime"),
            base_currency=base,
            quote_currency=quote,
        )
    )
