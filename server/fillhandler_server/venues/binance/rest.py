"""Binance's answers: orders (acknowledged, queried, canceled, replaced), trade lists, errors."""

from __future__ import annotations

from typing import Final

from fillhandler_server.domain.fills import ContractKind, Fill, Liquidity, Side
from fillhandler_server.domain.reports import OrderReport, OrderStatus
from fillhandler_server.venues.binance.stream import average, fee
from fillhandler_server.venues.binance.symbols import OPTION, Instrument, derivative, spot
from fillhandler_server.venues.binance.words import LIQUIDITIES, SIDES, STATUSES, execution_mark
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.reading import Reading, Row

FUTURES_KEYS: Final = frozenset(
    {"cumQuote", "cumBase", "cumQty", "positionSide", "closePosition", "origType", "pair", "priceProtect"}
)
"""Keys that only the orders of the futures markets have."""
SPOT_KEYS: Final = frozenset(
    {"cummulativeQuoteQty", "orderListId", "isWorking", "isIsolated", "workingTime", "fills"}
)
OPTION_KEYS: Final = frozenset({"optionSide", "createDate", "quantityScale", "mmp"})


def _instrument(row: Row, symbol: str) -> Instrument:
    """By the keys of the answer, and by spellings that only one market has."""
    names = row.data.keys()
    if OPTION.fullmatch(symbol) or not OPTION_KEYS.isdisjoint(names):
        return derivative(symbol)._replace(market="option", kind=ContractKind.UNSPECIFIED, base="")
    if not FUTURES_KEYS.isdisjoint(names) or "_" in symbol:
        return derivative(symbol)
    if not SPOT_KEYS.isdisjoint(names):
        return spot(symbol)
    return _of_any_market(symbol)


def _of_any_market(symbol: str) -> Instrument:
    """Where the market is not told: what the symbol is made of is the same on all of them."""
    made_of = spot(symbol)
    return Instrument("", ContractKind.UNSPECIFIED, None, made_of.base, made_of.quote)


# ---------------------------------------------------------------------- orders


def is_order(data: Json) -> bool:
    """An order with its status."""
    return ("orderId" in data and "status" in data) or "executedQty" in data or "origQty" in data


def is_acknowledgement(data: Json) -> bool:
    """An accepted placement without more (newOrderRespType=ACK)."""
    return "orderId" in data and "symbol" in data and ("transactTime" in data or "createDate" in data)


def is_flat(data: Json) -> bool:
    """The flat form of the original design: fills without a status of the order."""
    return "fills" in data and ("orderId" in data or "symbol" in data)


def read_order(row: Row, reading: Reading) -> None:
    """An order's state, and its fills where the answer holds them (newOrderRespType=FULL)."""
    symbol = row.id("symbol")
    instrument = _instrument(row, symbol)
    order_id = row.id("orderId")
    # On a cancel `clientOrderId` names the request, and the order where nothing else does.
    client_order_id = row.optional_id("origClientOrderId", "clientOrderId")
    status = row.choice(STATUSES, "status", default=OrderStatus.UNSPECIFIED)
    side = row.choice(SIDES, "side", default=Side.UNSPECIFIED)
    time = row.optional_time("transactTime", "updateTime", "time")
    cumulative = row.optional_number("executedQty", "cumQty")
    filled = cumulative.copy_abs() if cumulative is not None else None
    if row.has("avgPrice"):
        shown_average = row.optional_above_zero("avgPrice") if filled else None
    else:
        # The futures' cumQuote is rounded; the spot market's sum of price times quantity is not.
        shown_average = average(row.optional_number("cummulativeQuoteQty", "cumulativeQuoteQty"), filled)
    ordered = row.optional_number("origQty", "quantity", "qty")
    kind = row.optional_word("type").lower()
    metadata = execution_mark(client_order_id)
    _read_fills(row, reading, symbol, instrument, order_id, client_order_id, side, time)
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=status,
            symbol=symbol,
            order_id=order_id,
            client_order_id=client_order_id,
            account=reading.account,
            market=instrument.market,
            side=side,
            type=kind,
            order_quantity=None if ordered is None else ordered.copy_abs() or None,
            cumulative_quantity=filled,
            average_price=shown_average,
            limit_price=None if kind == "market" else row.optional_above_zero("price"),
            time=time,
            create_time=row.optional_time("time", "createTime"),
            contract_kind=instrument.kind,
            multiplier=instrument.multiplier,
            base_currency=instrument.base,
            quote_currency=row.optional_id("quoteAsset") or instrument.quote,
            metadata=metadata,
        )
    )


def read_acknowledgement(row: Row, reading: Reading) -> None:
    """A placement that was accepted: the order is new, and no more is said."""
    symbol = row.id("symbol")
    instrument = _instrument(row, symbol)
    quantity = row.optional_number("origQty", "quantity")
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=OrderStatus.NEW,
            symbol=symbol,
            order_id=row.id("orderId"),
            client_order_id=row.optional_id("clientOrderId"),
            account=reading.account,
            market=instrument.market,
            side=row.optional_choice(SIDES, "side", default=Side.UNSPECIFIED),
            type=row.optional_word("type").lower(),
            order_quantity=None if quantity is None else quantity.copy_abs() or None,
            limit_price=row.optional_above_zero("price"),
            time=row.optional_time("transactTime", "createDate"),
            contract_kind=instrument.kind,
            multiplier=instrument.multiplier,
            base_currency=instrument.base,
            quote_currency=instrument.quote,
        )
    )


def read_flat(row: Row, reading: Reading) -> None:
    """The flat form: fills under an order, no status, no time."""
    symbol = row.id("symbol")
    order_id = row.id("orderId")
    side = row.choice(SIDES, "side", default=Side.UNSPECIFIED)
    time = row.optional_time("transactTime", "time")
    client_order_id = row.optional_id("clientOrderId")
    _read_fills(row, reading, symbol, _of_any_market(symbol), order_id, client_order_id, side, time)
    if not row.data.get("fills"):
        reading.skip("empty", "an order without fills and without a status")


def _read_fills(
    row: Row,
    reading: Reading,
    symbol: str,
    instrument: Instrument,
    order_id: str,
    client_order_id: str,
    side: int,
    time: int | None,
) -> None:
    for trade in row.rows("fills"):
        trade_id = trade.optional_id("tradeId")
        if trade_id == "-1":  # filled by smart order routing
            allocation = trade.optional_id("allocId")
            trade_id = f"allocation-{allocation}" if allocation else ""
        reading.fills.append(
            Fill(
                venue=reading.venue,
                symbol=symbol,
                order_id=order_id,
                trade_id=trade_id,
                side=side,
                quantity=trade.positive("qty"),
                price=trade.number("price"),
                account=reading.account,
                market=instrument.market,
                client_order_id=client_order_id,
                fees=fee(trade, "commission", "commissionAsset"),
                liquidity=trade.optional_choice(LIQUIDITIES, "takerOrMaker", default=Liquidity.UNSPECIFIED),
                trade_time=trade.optional_time("time") or time,
                contract_kind=instrument.kind,
                multiplier=instrument.multiplier,
                base_currency=instrument.base,
                quote_currency=instrument.quote,
            )
        )


# ---------------------------------------------------------------------- trades


_OF_OPTION_TRADES: Final = frozenset({"tradeId", "realizedProfit", "volatility", "liquidity"})


def is_spot_trade(data: Json) -> bool:
    """A row of myTrades or myAllocations, spot or margin."""
    return "isBuyer" in data or "isMaker" in data


def is_futures_trade(data: Json) -> bool:
    """A row of the futures' userTrades."""
    return "buyer" in data or "maker" in data


def is_option_trade(data: Json) -> bool:
    """A row of the options' userTrades."""
    names = data.keys()
    return ("optionSide" in names or "liquidity" in names) and not _OF_OPTION_TRADES.isdisjoint(names)


def read_spot_trade(row: Row, reading: Reading) -> None:
    """One trade; its id is unique within the symbol only."""
    symbol = row.id("symbol")
    instrument = spot(symbol)
    allocation = row.optional_id("allocationId")
    reading.fills.append(
        Fill(
            venue=reading.venue,
            symbol=symbol,
            order_id=row.id("orderId"),
            trade_id=f"allocation-{allocation}" if allocation else row.optional_id("id"),
            side=Side.BUY if row.flag("isBuyer") else Side.SELL,
            quantity=row.positive("qty"),
            price=row.number("price"),
            account=reading.account,
            market=instrument.market,
            fees=fee(row, "commission", "commissionAsset"),
            liquidity=Liquidity.MAKER if row.flag("isMaker") else Liquidity.TAKER,
            trade_time=row.time("time"),
            contract_kind=instrument.kind,
            base_currency=instrument.base,
            quote_currency=instrument.quote,
        )
    )


def read_futures_trade(row: Row, reading: Reading) -> None:
    """One trade; `qty` is contracts on COIN-M and base currency on USD-M."""
    symbol = row.id("symbol")
    instrument = derivative(symbol)
    if row.has("side"):
        side = row.choice(SIDES, "side", default=Side.UNSPECIFIED)
    else:
        side = Side.BUY if row.flag("buyer") else Side.SELL
    position_side = row.data.get("positionSide")
    reading.fills.append(
        Fill(
            venue=reading.venue,
            symbol=symbol,
            order_id=row.id("orderId"),
            trade_id=row.optional_id("id"),
            side=side,
            quantity=row.size("qty"),
            price=row.number("price"),
            account=reading.account,
            market=instrument.market,
            fees=fee(row, "commission", "commissionAsset"),
            liquidity=Liquidity.MAKER if row.flag("maker") else Liquidity.TAKER,
            trade_time=row.time("time"),
            contract_kind=instrument.kind,
            multiplier=instrument.multiplier,
            metadata={"position_side": str(position_side)} if position_side in ("LONG", "SHORT") else {},
            base_currency=instrument.base,
            quote_currency=instrument.quote,
        )
    )


def read_option_trade(row: Row, reading: Reading) -> None:
    """One trade: `quantity` is negative for a sell, `id` is no trade id, the fee is in the quote asset."""
    symbol = row.id("symbol")
    quote = row.optional_id("quoteAsset") or derivative(symbol).quote
    amount = row.optional_number("fee")
    if amount is not None and not quote:
        row.fail("quoteAsset", "missing beside a fee")
    reading.fills.append(
        Fill(
            venue=reading.venue,
            symbol=symbol,
            order_id=row.id("orderId"),
            trade_id=row.optional_id("tradeId"),
            side=row.choice(SIDES, "side", default=Side.UNSPECIFIED),
            quantity=row.size("quantity", "qty"),
            price=row.number("price"),
            account=reading.account,
            market="option",
            fees=() if amount is None else ((quote, amount),),
            liquidity=row.optional_choice(LIQUIDITIES, "liquidity", default=Liquidity.UNSPECIFIED),
            trade_time=row.time("time"),
            quote_currency=quote,
        )
    )


# ---------------------------------------------------------------------- errors


def is_error(data: Json) -> bool:
    """Binance's one form of an error, `{"code": -2010, "msg": "…"}`, and of "done", with code 200."""
    return "code" in data and "msg" in data


def read_error(row: Row, reading: Reading) -> None:
    """An error names no order, so it cannot become a report."""
    code = row.note("code")
    text = f"{code}: {row.note('msg')}"
    if code == "200":
        reading.skip("acknowledgement", text)
    elif code == "-2011":  # CANCEL_REJECTED
        reading.skip("failed_cancel", text)
    else:
        reading.skip("request_error", text)
