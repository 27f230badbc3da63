"""Bybit's vocabulary, and what its symbols say: the market, the currencies, the size of a contract.

Sources: bybit-exchange.github.io/docs/v5/enum (category, orderStatus, execType, createType, symbol).
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from fillhandler_server.domain.fills import ContractKind, Liquidity, Side
from fillhandler_server.domain.numbers import ONE
from fillhandler_server.domain.reports import OrderStatus
from fillhandler_server.venues.currencies import split_symbol
from fillhandler_server.venues.reading import Row

SIDES: Final = {"Buy": Side.BUY, "Sell": Side.SELL, "BUY": Side.BUY, "SELL": Side.SELL}

LIQUIDITIES: Final = {
    "MAKER": Liquidity.MAKER,
    "TAKER": Liquidity.TAKER,
    "AddedLiquidity": Liquidity.MAKER,
    "RemovedLiquidity": Liquidity.TAKER,
    "NoLiquidityInd": Liquidity.UNSPECIFIED,
}
"""`lastLiquidityInd` of v3; v5 has `isMaker`."""

STATUSES: Final = {
    "Created": OrderStatus.NEW,  # accepted, not yet in the matching engine
    "New": OrderStatus.NEW,
    "Active": OrderStatus.NEW,  # v3: a conditional order that was triggered
    "Untriggered": OrderStatus.NEW,
    "Triggered": OrderStatus.NEW,  # for an instant, between Untriggered and New
    "PartiallyFilled": OrderStatus.PARTIALLY_FILLED,
    "Filled": OrderStatus.FILLED,
    "PendingCancel": OrderStatus.PENDING_CANCEL,  # v3
    "Cancelled": OrderStatus.CANCELED,
    "PartiallyFilledCanceled": OrderStatus.CANCELED,  # spot
    "Deactivated": OrderStatus.CANCELED,  # before it was triggered
    "Rejected": OrderStatus.REJECTED,
    # v3 spot
    "ORDER_NEW": OrderStatus.NEW,
    "ORDER_FILLED": OrderStatus.FILLED,
    "ORDER_CANCELED": OrderStatus.CANCELED,
    "ORDER_FAILED": OrderStatus.REJECTED,
    "PENDING_NEW": OrderStatus.PENDING_NEW,
    "NEW": OrderStatus.NEW,
    "PARTIALLY_FILLED": OrderStatus.PARTIALLY_FILLED,
    "FILLED": OrderStatus.FILLED,
    "PENDING_CANCEL": OrderStatus.PENDING_CANCEL,
    "CANCELED": OrderStatus.CANCELED,
    "PARTIALLY_FILLED_CANCELED": OrderStatus.CANCELED,
    "REJECTED": OrderStatus.REJECTED,
}

EXECUTIONS: Final = {
    "Trade": "",
    "AdlTrade": "adl",
    "BustTrade": "liquidation",
    "Delivery": "settlement",  # USDC futures; a position closed because its contract was delisted
    "Settle": "settlement",  # inverse futures
    "BlockTrade": "",
    "MovePosition": "",
    "FutureSpread": "",  # the leg of a spread
    "UNKNOWN": "",  # classic accounts
}
"""The `execType`s that change a position, each with the mark of the forced ones."""

ORDERLESS: Final = frozenset({"Delivery", "Settle", "FutureSpread"})
"""Those that may have no order id: "recorded as a trade but not an order"; the legs of a spread."""

NO_TRADES: Final = {"Funding": "funding", "SessionSettlePnL": "session_settlement"}
"""The `execType`s that do not, by the kind they are skipped as."""

FORCED: Final = {
    "CreateByLiq": "liquidation",
    "CreateByTakeOver_PassThrough": "liquidation",
    "CreateByAdl_PassThrough": "adl",
    "CreateBySettle": "settlement",
}
"""The `createType`s of orders that the venue made itself to close a position."""

SPOT: Final = "spot"
LINEAR: Final = "linear"
INVERSE: Final = "inverse"
OPTION: Final = "option"

MARKETS: Final = {name: name for name in (SPOT, LINEAR, INVERSE, OPTION)}
"""By `category`."""

QUOTES: Final = frozenset(
    "USDT USDC BTC ETH EUR BRL BRZ DAI PLN TRY MNT USDE USD1 USDQ EURQ EURR GBP ARS AED IDR KZT".split()
)
LINEAR_QUOTES: Final = frozenset({"USDT", "USDC"})

_DATE: Final = "[0-9]{1,2}[A-Z]{3}[0-9]{2}"
_OPTION: Final = re.compile(rf"([A-Z0-9]+)-{_DATE}-[0-9.]+-[CP](?:-([A-Z]+))?")
_DATED: Final = re.compile(rf"([A-Z0-9]+)-{_DATE}")
_PERPETUAL: Final = re.compile(r"([A-Z0-9]+)PERP")
_INVERSE: Final = re.compile(r"([A-Z0-9]+)USD(?:[FGHJKMNQUVXZ][0-9]{2})?")


class Symbol(NamedTuple):
    """What there is to know of a symbol. "" and None are "not known"."""

    market: str
    base: str
    quote: str

    @property
    def kind(self) -> int:
        """For the formulas: options are left open."""
        return _KINDS.get(self.market, ContractKind.UNSPECIFIED)

    @property
    def multiplier(self) -> Decimal | None:
        """Inverse quantities are in USD: one contract is one dollar."""
        return ONE if self.market == INVERSE else None

    @property
    def settle(self) -> str:
        """What a derivative's fees and profit are paid in."""
        return self.base if self.market == INVERSE else self.quote


_KINDS: Final = {SPOT: ContractKind.SPOT, LINEAR: ContractKind.LINEAR, INVERSE: ContractKind.INVERSE}


@lru_cache(maxsize=4096)
def describe(symbol: str, market: str = "") -> Symbol:
    """What a symbol's spelling says; `market` as the payload states it.

    BTCUSDT is a spot pair and a perpetual: without a category its market stays open, its currencies do not.
    """
    if market == SPOT:
        return Symbol(SPOT, *split_symbol(symbol, QUOTES))
    if found := _OPTION.fullmatch(symbol):
        return Symbol(market or OPTION, found[1], found[2] or "USDC")
    if found := _DATED.fullmatch(symbol):
        base, quote = split_symbol(found[1], LINEAR_QUOTES)
        return Symbol(market or LINEAR, base or found[1], quote or "USDC")
    if found := _PERPETUAL.fullmatch(symbol):
        return Symbol(market or LINEAR, found[1], "USDC")
    if market in ("", INVERSE) and (found := _INVERSE.fullmatch(symbol)):
        return Symbol(INVERSE, found[1], "USD")
    if market:
        return Symbol(market, *split_symbol(symbol, LINEAR_QUOTES))
    base, quote = split_symbol(symbol, QUOTES)
    # The USDC perpetuals are spelled …PERP, so of the pairs only those in USDT are both.
    return Symbol(SPOT if quote and quote != "USDT" else "", base, quote)


def symbol_of(row: Row) -> tuple[str, Symbol]:
    """The symbol of a row and what it says."""
    spelling = row.id("symbol").upper()
    market = row.optional_choice(MARKETS, "category", default="")
    found = describe(spelling, market)
    if not found.market and row.optional_word("createType"):
        # "Spot, option do not have this key", and a name without a date is no option's.
        found = describe(spelling, LINEAR)
    return spelling, found


def execution_mark(row: Row, forced: str = "") -> dict[str, str]:
    """What marks an execution or an order that the venue forced, and the position's side in hedge mode."""
    mark = forced or FORCED.get(row.optional_word("createType"), "")
    found = {"execution": mark} if mark else {}
    position = {"1": "LONG", "2": "SHORT"}.get(row.optional_word("positionIdx"), "")
    if position:
        found["position_side"] = position
    return found
