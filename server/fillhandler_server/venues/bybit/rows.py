"""Bybit's executions and orders: v5, the same rows of v3, and the spot rows of v3."""

from __future__ import annotations

from decimal import Decimal

from fillhandler_server.domain.fills import ContractKind, Fill, Liquidity, Side
from fillhandler_server.domain.numbers import EXACT, ZERO, divide_shown
from fillhandler_server.domain.reports import OrderReport, OrderStatus
from fillhandler_server.venues.bybit.words import (
    EXECUTIONS,
    INVERSE,
    LIQUIDITIES,
    NO_TRADES,
    ORDERLESS,
    SIDES,
    SPOT,
    STATUSES,
    Symbol,
    describe,
    execution_mark,
    symbol_of,
)
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.reading import Reading, Row

Fees = tuple[tuple[str, Decimal], ...]

# ------------------------------------------------------------------ executions


def is_execution(data: Json) -> bool:
    """A row of the execution list or of the execution channels."""
    return not {"execQty", "execPrice", "execTime", "execType"}.isdisjoint(data.keys())


def read_execution(row: Row, reading: Reading) -> None:
    """An execution: a fill, or a row that is no trade. Where it has no fee (`execution.fast`), none is made
    up: the same execution comes again with it."""
    kind = row.optional_word("execType")
    if kind in NO_TRADES:
        reading.skip(NO_TRADES[kind], f"an execution of type {kind}")
        return
    forced = row.optional_choice(EXECUTIONS, "execType", default="")
    spelling, symbol = symbol_of(row)
    side: int = row.choice(SIDES, "side", default=Side.UNSPECIFIED)
    liquidity = _liquidity(row)
    reading.fills.append(
        Fill(
            venue=reading.venue,
            symbol=spelling,
            order_id=row.optional_id("orderId") if kind in ORDERLESS else row.id("orderId"),
            trade_id=row.id("execId", "tradeId"),
            side=side,
            quantity=row.positive("execQty"),
            price=row.number("execPrice"),
            account=reading.account,
            market=symbol.market,
            client_order_id=row.optional_id("orderLinkId"),
            fees=_fees(row, symbol, side, liquidity, kind),
            liquidity=liquidity,
            trade_time=row.time("execTime", "tradeTime"),
            contract_kind=symbol.kind,
            multiplier=symbol.multiplier,
            metadata=execution_mark(row, forced) | _extra_fees(row),
            base_currency=symbol.base,
            quote_currency=symbol.quote,
        )
    )


def _liquidity(row: Row) -> int:
    maker = row.optional_flag("isMaker")
    if maker is None:
        return row.optional_choice(LIQUIDITIES, "lastLiquidityInd", default=Liquidity.UNSPECIFIED)
    return Liquidity.MAKER if maker else Liquidity.TAKER


def _fees(row: Row, symbol: Symbol, side: int, liquidity: int, kind: str) -> Fees:
    """The fee; positive is a cost. Unknown where its coin is neither stated nor documented."""
    is_spread_leg = kind == "FutureSpread" and symbol.market == SPOT and row.has("execFeeV2")
    amount = row.optional_number("execFeeV2" if is_spread_leg else "execFee")
    if amount is None:
        return ()
    currency = row.optional_id("feeCurrency", "feeCoin") or _fee_currency(symbol, side, liquidity, amount)
    return ((currency, amount),) if currency else ()


def _fee_currency(symbol: Symbol, side: int, liquidity: int, amount: Decimal) -> str:
    """The coin where the row leaves it out, by the "spot fee currency instruction": what was received, and a
    maker's rebate in the other one. Derivatives pay in what they settle in."""
    if symbol.market not in ("", SPOT):
        return symbol.settle
    is_rebate = liquidity == Liquidity.MAKER and amount < ZERO
    spot = symbol.base if (side == Side.BUY) != is_rebate else symbol.quote
    # Spot or linear, nobody knows: stated only where both come to the same.
    return spot if symbol.market or spot == symbol.quote else ""


def _extra_fees(row: Row) -> dict[str, str]:
    """Taxes of some countries' customers, which come on top of `execFee` and are no trading fee."""
    if not isinstance(row.data.get("extraFees"), list):
        return {}
    found = [
        f"{entry.note('feeType')} {entry.note('fee')} {entry.note('feeCoin')}"
        for entry in row.rows("extraFees")
        if entry.has("fee")
    ]
    return {"extra_fees": ", ".join(found)[:256]} if found else {}


# ---------------------------------------------------------------------- orders


def is_order(data: Json) -> bool:
    """A row of the order queries or of the order channel."""
    return "orderStatus" in data or "cumExecQty" in data


def read_order(row: Row, reading: Reading) -> None:
    """An order: cumulative figures, no fill."""
    spelling, symbol = symbol_of(row)
    side: int = row.choice(SIDES, "side", default=Side.UNSPECIFIED)
    cumulative = row.optional_number("cumExecQty")
    if cumulative is None and "cumExecQty" not in row.data:
        row.fail("cumExecQty", "missing")
    kind = _type(row)
    status: int = row.choice(STATUSES, "orderStatus", default=OrderStatus.UNSPECIFIED)
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=status,
            symbol=spelling,
            order_id=row.id("orderId"),
            client_order_id=row.optional_id("orderLinkId"),
            account=reading.account,
            market=symbol.market,
            side=side,
            type=kind,
            order_quantity=_ordered(row, symbol, side, kind, cumulative),
            cumulative_quantity=cumulative,
            average_price=_average(row, symbol, cumulative),
            limit_price=None if kind == "market" else row.optional_above_zero("price"),
            time=row.optional_time("updatedTime"),
            create_time=row.optional_time("createdTime"),
            contract_kind=symbol.kind,
            multiplier=symbol.multiplier,
            base_currency=symbol.base,
            quote_currency=symbol.quote,
            reason=_reason(row, status),
            metadata=execution_mark(row),
        )
    )


def _type(row: Row) -> str:
    kind = row.optional_word("orderType").lower()
    if row.optional_word("timeInForce").lower() == "postonly":
        return "post_only"
    return "" if kind == "unknown" else kind


def _ordered(row: Row, symbol: Symbol, side: int, kind: str, cumulative: Decimal | None) -> Decimal | None:
    """The ordered quantity. A spot market order may be in quote currency: `marketUnit` says so, and a buy is
    unless it says otherwise."""
    quantity = row.optional_above_zero("qty")
    if symbol.market not in ("", SPOT) or kind != "market":
        return quantity
    unit = row.optional_word("marketUnit")
    if unit in ("baseCoin", "quoteCoin"):
        return quantity if unit == "baseCoin" else None
    if side != Side.BUY:
        return quantity
    if symbol.market or quantity is None or cumulative is None:
        return None
    # Spot or linear, nobody knows: what adds up to it is counted in the same unit.
    rest = row.optional_number("leavesQty")
    return quantity if rest is not None and EXACT.add(cumulative, rest) == quantity else None


def _average(row: Row, symbol: Symbol, cumulative: Decimal | None) -> Decimal | None:
    if not cumulative:
        return None
    stated = row.optional_above_zero("avgPrice")
    if stated is not None or symbol.market == INVERSE:
        return stated  # an inverse contract's value is rounded, in coin
    # Classic accounts have no average for orders that were cancelled after a part of them was filled.
    value = row.optional_above_zero("cumExecValue")
    return None if value is None else divide_shown(value, cumulative)


def _reason(row: Row, status: int) -> str:
    if status == OrderStatus.FILLED:
        return ""  # of a cancel that came too late: FILLED is sent again, with its reject reason
    reason = row.note("rejectReason")
    if reason not in ("", "EC_NoError"):
        return reason
    cancel = row.note("cancelType")
    return "" if cancel == "UNKNOWN" else cancel


# ------------------------------------------------------------------- v3, spot


def is_old_trade(data: Json) -> bool:
    """A row of v3's /spot/v3/private/my-trades: its flags are numbers."""
    return "isBuyer" in data and ("orderPrice" in data or "creatTime" in data)


_OLD_SIDES = {"0": Side.BUY, "1": Side.SELL}
_OLD_LIQUIDITIES = {"0": Liquidity.MAKER, "1": Liquidity.TAKER}


def read_old_trade(row: Row, reading: Reading) -> None:
    """`isBuyer` 0 is the buyer and `isMaker` 0 the maker."""
    spelling = row.id("symbol").upper()
    symbol = describe(spelling, SPOT)
    amount, coin = row.optional_number("execFee"), row.optional_id("feeTokenId")
    reading.fills.append(
        Fill(
            venue=reading.venue,
            symbol=spelling,
            order_id=row.id("orderId"),
            trade_id=row.id("tradeId", "id"),
            side=row.choice(_OLD_SIDES, "isBuyer", default=Side.UNSPECIFIED),
            quantity=row.positive("orderQty"),
            price=row.number("orderPrice"),
            account=reading.account,
            market=SPOT,
            fees=((coin, amount),) if coin and amount is not None else (),
            liquidity=row.optional_choice(_OLD_LIQUIDITIES, "isMaker", default=Liquidity.UNSPECIFIED),
            trade_time=row.time("executionTime", "creatTime"),
            contract_kind=ContractKind.SPOT,
            base_currency=symbol.base,
            quote_currency=symbol.quote,
        )
    )


def is_old_push(data: Json) -> bool:
    """A row of v3's spot channels: names of one letter."""
    return "e" in data and "s" in data


def read_old_push(row: Row, reading: Reading) -> None:
    """`ticketInfo` is a fill without a fee, `order` and `executionReport` the order's state."""
    kind = row.note("e")
    if kind not in ("ticketInfo", "order", "executionReport"):
        reading.skip("market_data" if kind else "other", "a row of another channel")
        return
    spelling = row.id("s").upper()
    symbol = describe(spelling, SPOT)
    side: int = row.choice(SIDES, "S", default=Side.UNSPECIFIED)
    if kind == "ticketInfo":
        maker = row.optional_flag("m")
        reading.fills.append(
            Fill(
                venue=reading.venue,
                symbol=spelling,
                order_id=row.id("o"),
                trade_id=row.id("T"),
                side=side,
                quantity=row.positive("q"),
                price=row.number("p"),
                account=reading.account,
                market=SPOT,
                client_order_id=row.optional_id("c"),
                liquidity=Liquidity.UNSPECIFIED
                if maker is None
                else (Liquidity.MAKER if maker else Liquidity.TAKER),
                trade_time=row.time("t", "E"),
                contract_kind=ContractKind.SPOT,
                base_currency=symbol.base,
                quote_currency=symbol.quote,
            )
        )
        return
    order_type = row.optional_word("o")
    cumulative = row.number("z")
    value = row.optional_above_zero("Z")
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=row.choice(STATUSES, "X", default=OrderStatus.UNSPECIFIED),
            symbol=spelling,
            order_id=row.id("i"),
            client_order_id=row.optional_id("c"),
            account=reading.account,
            market=SPOT,
            side=side,
            type="market" if order_type.startswith("MARKET") else order_type.lower(),
            order_quantity=None if order_type == "MARKET_OF_QUOTE" else row.optional_above_zero("q"),
            cumulative_quantity=cumulative,
            average_price=divide_shown(value, cumulative) if value and cumulative > ZERO else None,
            limit_price=row.optional_above_zero("p"),
            time=row.optional_time("E"),
            create_time=row.optional_time("O"),
            contract_kind=ContractKind.SPOT,
            base_currency=symbol.base,
            quote_currency=symbol.quote,
        )
    )


def is_old_order(data: Json) -> bool:
    """A row of v3's spot orders, which its placements and cancels answer with too."""
    return "status" in data and "orderId" in data and ("orderQty" in data or "orderPrice" in data)


def read_old_order(row: Row, reading: Reading) -> None:
    """A market buy is in quote currency."""
    spelling = row.id("symbol").upper()
    symbol = describe(spelling, SPOT)
    side: int = row.choice(SIDES, "side", default=Side.UNSPECIFIED)
    kind = row.optional_word("orderType").lower()
    cumulative = row.optional_number("execQty")
    in_quote = kind.startswith("market") and side == Side.BUY
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=row.choice(STATUSES, "status", default=OrderStatus.UNSPECIFIED),
            symbol=spelling,
            order_id=row.id("orderId"),
            client_order_id=row.optional_id("orderLinkId"),
            account=reading.account,
            market=SPOT,
            side=side,
            type=kind,
            order_quantity=None if in_quote else row.optional_above_zero("orderQty"),
            cumulative_quantity=cumulative,
            average_price=row.optional_above_zero("avgPrice") if cumulative else None,
            limit_price=None if kind.startswith("market") else row.optional_above_zero("orderPrice"),
            time=row.optional_time("updateTime"),
            create_time=row.optional_time("createTime"),
            contract_kind=ContractKind.SPOT,
            base_currency=symbol.base,
            quote_currency=symbol.quote,
        )
    )
