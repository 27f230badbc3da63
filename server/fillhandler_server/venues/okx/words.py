"""OKX's vocabulary: sides, states, marks, and the kinds of what is neither a fill nor an order."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from fillhandler_server.domain.fills import Liquidity, Side
from fillhandler_server.domain.reports import OrderStatus
from fillhandler_server.venues.reading import Row

Fees = tuple[tuple[str, Decimal], ...]

SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL}
LIQUIDITIES: Final = {"T": Liquidity.TAKER, "M": Liquidity.MAKER}

STATUSES: Final = {
    "live": OrderStatus.NEW,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "mmp_canceled": OrderStatus.CANCELED,  # market maker protection, options
    "cancelling": OrderStatus.PENDING_CANCEL,  # orders of the trading bots
    "cancelled": OrderStatus.CANCELED,  # the same
}

MARKET_TYPES: Final = frozenset({"market", "optimal_limit_ioc"})
"""Order types without a price."""

_CATEGORIES: Final = {
    "adl": "adl",
    "full_liquidation": "liquidation",
    "partial_liquidation": "liquidation",
    "delivery": "settlement",
}
"""What `category` of an order says of who placed it. The others (twap, ddh, auto_conversion) are no mark."""

_SUB_TYPES: Final = (
    dict.fromkeys("100 101 102 103 104 105 106 107 110 111".split(), "liquidation")
    | dict.fromkeys("125 126 127 128".split(), "adl")
    | dict.fromkeys("112 113 414 415".split(), "settlement")
)
"""The same by `subType` of a fill: partial liquidation, liquidation, ADL, delivery, expiry of an event."""

READ_CHANNELS: Final = frozenset({"orders", "grid-sub-orders", "fills"})

_CHANNELS: Final = (
    dict.fromkeys(
        "orders-algo algo-advance grid-orders-spot grid-orders-contract grid-orders-moon "
        "algo-recurring-buy".split(),
        "algo_order",
    )
    | dict.fromkeys("account balance_and_position account-greeks".split(), "balance")
    | dict.fromkeys("positions grid-positions liquidation-warning".split(), "position")
    | dict.fromkeys("deposit-info withdrawal-info".split(), "transfer")
    | dict.fromkeys("rfqs quotes struc-block-trades".split(), "block_trade")
    | dict.fromkeys("copytrading-notification copytrading-lead-notification".split(), "notice")
    | dict.fromkeys(
        "instruments tickers trades trades-all bbo-tbt open-interest funding-rate price-limit opt-summary "
        "option-trades estimated-price liquidation-orders index-tickers call-auction-details "
        "public-struc-block-trades public-block-trades block-tickers status economic-calendar".split(),
        "market_data",
    )
    | {"sprd-orders": "spread_order", "sprd-trades": "spread_trade", "adl-warning": "adl_notice"}
)
_MARKET_DATA_PREFIXES: Final = ("candle", "books", "mark-price", "index-candle", "sprd-")


def skipped_channel(channel: str) -> str:
    """The kind under which a channel's rows are skipped; "" for a channel that is not known."""
    found = _CHANNELS.get(channel, "")
    return found or ("market_data" if channel.startswith(_MARKET_DATA_PREFIXES) else "")


def marks(row: Row) -> dict[str, str]:
    """What marks an execution that OKX forced, the position's side in long/short mode, an event's outcome."""
    found: dict[str, str] = {}
    mark = _CATEGORIES.get(row.note("category")) or _SUB_TYPES.get(row.note("subType"))
    if mark:
        found["execution"] = mark
    position = row.note("posSide").lower()
    if position in ("long", "short"):
        found["position_side"] = position.upper()
    outcome = row.note("outcome")
    if outcome:
        found["outcome"] = outcome
    return found


def fee(row: Row, amount_key: str, currency_key: str) -> Fees:
    """A fee field: OKX writes a cost as a negative number, a rebate as a positive one."""
    amount = row.optional_number(amount_key)
    if amount is None:
        return ()
    currency = row.optional_id(currency_key)
    if not currency:
        if amount:
            row.fail(currency_key, "missing beside a fee")
        return ()
    return ((currency, amount.copy_negate() if amount else amount),)
