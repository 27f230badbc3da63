"""The USD-M futures' answers and events."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final

from fillhandler_server.domain.numbers import SHOWN, ZERO
from fillhandler_server.exchange.binance.texts import average, plain
from fillhandler_server.exchange.market.book import Book
from fillhandler_server.exchange.market.markets import LinearMarket
from fillhandler_server.exchange.market.matching import Change, Execution
from fillhandler_server.exchange.market.orders import Order, OrderType, State, TimeInForce, Trade
from fillhandler_server.exchange.market.symbols import Symbol
from fillhandler_server.exchange.market.wallets import LEVERAGE, MARGIN, Position

Json = dict[str, Any]
_PERPETUAL_DELIVERY: Final = 4_133_404_800_000
_ONBOARD: Final = 1_567_965_300_000
_EIGHT: Final = Decimal("1E-8")


def order(order: Order, state: State) -> Json:
    """A queried order, in one of its states."""
    return {**_body(order, state), "time": order.time, "updateTime": state.time}


def placed(order: Order, response_type: str) -> Json:
    """The answer of a placement: ACK is the order as it was when it was accepted."""
    state = order.states[0] if response_type == "ACK" else order.state
    return {**_body(order, state), "cumQty": plain(state.executed), "updateTime": state.time}


def canceled(order: Order) -> Json:
    """The answer of a cancel."""
    state = order.state
    return {**_body(order, state), "cumQty": plain(state.executed), "updateTime": state.time}


def _body(order: Order, state: State) -> Json:
    return {
        "symbol": order.symbol.name,
        "orderId": order.id,
        "clientOrderId": order.client_order_id,
        "status": state.status.value,
        "price": plain(order.price),
        "avgPrice": average(state.quote_executed, state.executed),
        "origQty": plain(order.quantity),
        "executedQty": plain(state.executed),
        "cumQuote": plain(state.quote_executed),
        "timeInForce": order.time_in_force.value,
        "type": order.type.value,
        "origType": order.type.value,
        "reduceOnly": order.reduce_only,
        "closePosition": False,
        "side": order.side.value,
        "positionSide": "BOTH",
        "stopPrice": "0",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "priceMatch": "NONE",
        "selfTradePreventionMode": "NONE",
        "goodTillDate": 0,
    }


def trade(trade: Trade) -> Json:
    """A row of userTrades."""
    buying = trade.side.value == "BUY"
    return {
        "symbol": trade.symbol.name,
        "id": trade.id,
        "orderId": trade.order_id,
        "side": trade.side.value,
        "price": plain(trade.price),
        "qty": plain(trade.quantity),
        "realizedPnl": plain(trade.realized),
        "quoteQty": plain(trade.quote_quantity),
        "commission": plain(trade.commission),
        "commissionAsset": trade.commission_asset,
        "time": trade.time,
        "positionSide": "BOTH",
        "buyer": buying,
        "maker": trade.maker,
    }


def order_trade_update(change: Change, now: int) -> Json:
    """The event of a change; without a commission there are no `n` and `N`."""
    order, state, trade = change.order, change.order.state, change.trade
    inner: Json = {
        "s": order.symbol.name,
        "c": order.client_order_id,
        "S": order.side.value,
        "o": order.type.value,
        "f": order.time_in_force.value,
        "q": plain(order.quantity),
        "p": plain(order.price),
        "ap": average(state.quote_executed, state.executed),
        "sp": "0",
        "x": change.execution.value,
        "X": state.status.value,
        "i": order.id,
        "l": plain(trade.quantity if trade else ZERO),
        "z": plain(state.executed),
        "L": plain(trade.price if trade else ZERO),
        "T": change.time,
        "t": trade.id if trade else 0,
        "b": "0",
        "a": "0",
        "m": trade.maker if trade else False,
        "R": order.reduce_only,
        "wt": "CONTRACT_PRICE",
        "ot": order.type.value,
        "ps": "BOTH",
        "cp": False,
        "rp": plain(trade.realized if trade else ZERO),
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": "NONE",
        "pm": "NONE",
        "gtd": 0,
    }
    if change.execution is Execution.EXPIRED:
        inner["er"] = "8"
    if trade is not None:
        inner |= {"n": plain(trade.commission), "N": trade.commission_asset}
    return {"e": "ORDER_TRADE_UPDATE", "E": now, "T": change.time, "o": inner}


def account_update(market: LinearMarket, symbol: Symbol, now: int) -> Json:
    """The event of a balance and a position that a trade moved."""
    position = market.wallet.position(symbol)
    balance = plain(market.wallet.balance)
    return {
        "e": "ACCOUNT_UPDATE",
        "E": now,
        "T": market.wallet.update_time,
        "a": {
            "m": "ORDER",
            "B": [{"a": symbol.quote, "wb": balance, "cw": balance, "bc": "0"}],
            "P": [
                {
                    "s": symbol.name,
                    "pa": plain(position.quantity),
                    "ep": _shown(position.entry_price),
                    "bep": _shown(position.entry_price),
                    "cr": plain(position.realized),
                    "up": _shown(position.unrealized(market.books[symbol.name].mid)),
                    "mt": "cross",
                    "iw": "0",
                    "ps": "BOTH",
                }
            ],
        },
    }


def account(market: LinearMarket) -> Json:
    """The account: one asset, and every position."""
    marks = market.marks()
    wallet = market.wallet
    positions = wallet.position_margin(marks)
    orders = market.order_margin()
    unrealized = wallet.unrealized(marks)
    sums = {
        "initialMargin": _shown(positions + orders),
        "maintMargin": _shown(positions * Decimal("0.1")),
        "walletBalance": plain(wallet.balance),
        "unrealizedProfit": _shown(unrealized),
        "marginBalance": _shown(wallet.balance + unrealized),
        "positionInitialMargin": _shown(positions),
        "openOrderInitialMargin": _shown(orders),
        "crossWalletBalance": plain(wallet.balance),
        "crossUnPnl": _shown(unrealized),
        "availableBalance": _shown(market.available()),
        "maxWithdrawAmount": _shown(max(market.available(), ZERO)),
    }
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": False,
        "canWithdraw": False,
        "updateTime": 0,
        "multiAssetsMargin": False,
        **{
            f"total{name[0].upper()}{name[1:]}": value
            for name, value in sums.items()
            if name not in ("availableBalance", "maxWithdrawAmount")
        },
        "availableBalance": sums["availableBalance"],
        "maxWithdrawAmount": sums["maxWithdrawAmount"],
        "assets": [{"asset": "USDT", **sums, "updateTime": wallet.update_time}],
        "positions": [_account_position(each, marks[name]) for name, each in wallet.positions.items()],
    }


def balances(market: LinearMarket) -> list[Json]:
    """The balances by asset."""
    sums = account(market)["assets"][0]
    names = (
        "asset",
        "crossWalletBalance",
        "crossUnPnl",
        "availableBalance",
        "maxWithdrawAmount",
        "updateTime",
    )
    return [
        {"accountAlias": "simulated", "balance": sums["walletBalance"], "marginAvailable": True}
        | {name: sums[name] for name in names}
    ]


def _account_position(position: Position, mark: Decimal) -> Json:
    notional = position.quantity * mark
    return {
        "symbol": position.symbol.name,
        "initialMargin": _shown(abs(notional) * MARGIN),
        "maintMargin": _shown(abs(notional) * MARGIN * Decimal("0.1")),
        "unrealizedProfit": _shown(position.unrealized(mark)),
        "positionInitialMargin": _shown(abs(notional) * MARGIN),
        "openOrderInitialMargin": "0",
        "leverage": str(LEVERAGE),
        "isolated": False,
        "entryPrice": _shown(position.entry_price),
        "breakEvenPrice": _shown(position.entry_price),
        "maxNotional": "100000000",
        "positionSide": "BOTH",
        "positionAmt": plain(position.quantity),
        "notional": _shown(notional),
        "isolatedWallet": "0",
        "isolatedMargin": "0",
        "updateTime": position.update_time,
    }


def position_risk(market: LinearMarket, symbol: str) -> list[Json]:
    """The positions that are not flat, of one symbol or of all."""
    marks = market.marks()
    return [
        {
            **_account_position(position, marks[name]),
            "markPrice": plain(marks[name]),
            "unRealizedProfit": _shown(position.unrealized(marks[name])),
            "liquidationPrice": "0",
            "marginType": "cross",
            "isAutoAddMargin": "false",
            "maxNotionalValue": "100000000",
            "marginAsset": position.symbol.quote,
            "adl": 0,
        }
        for name, position in market.wallet.positions.items()
        if position.quantity and symbol in ("", name)
    ]


def leverage_brackets(market: LinearMarket, symbol: str) -> list[Json]:
    """One bracket a symbol: the leverage is fixed."""
    bracket = {
        "bracket": 1,
        "initialLeverage": LEVERAGE,
        "notionalCap": 100_000_000,
        "notionalFloor": 0,
        "maintMarginRatio": 0.005,
        "cum": 0,
    }
    return [{"symbol": name, "brackets": [bracket]} for name in market.symbols if symbol in ("", name)]


def exchange_info(symbols: Iterable[Symbol], now: int) -> Json:
    """Every symbol with its rules."""
    listed = [_symbol(each) for each in symbols]
    return {
        "timezone": "UTC",
        "serverTime": now,
        "futuresType": "U_MARGINED",
        "rateLimits": [],
        "exchangeFilters": [],
        "assets": [
            {"asset": each, "marginAvailable": True} for each in {row["marginAsset"] for row in listed}
        ],
        "symbols": listed,
    }


def _symbol(symbol: Symbol) -> Json:
    lot = {
        "minQty": plain(symbol.quantity_min),
        "maxQty": plain(symbol.quantity_max),
        "stepSize": plain(symbol.step),
    }
    return {
        "symbol": symbol.name,
        "pair": symbol.name,
        "contractType": "PERPETUAL",
        "deliveryDate": _PERPETUAL_DELIVERY,
        "onboardDate": _ONBOARD,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": symbol.base,
        "quoteAsset": symbol.quote,
        "marginAsset": symbol.quote,
        "pricePrecision": _places(symbol.tick),
        "quantityPrecision": _places(symbol.step),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": plain(symbol.tick),
                "maxPrice": "1000000",
                "tickSize": plain(symbol.tick),
            },
            {"filterType": "LOT_SIZE", **lot},
            {"filterType": "MARKET_LOT_SIZE", **lot},
            {"filterType": "MIN_NOTIONAL", "notional": plain(symbol.notional_min)},
        ],
        "orderTypes": [OrderType.LIMIT.value, OrderType.MARKET.value],
        "timeInForce": [each.value for each in TimeInForce],
    }


def book_ticker(book: Book, now: int) -> Json:
    """The best price of each side."""
    bid, ask = book.bids[0], book.asks[0]
    return {
        "symbol": book.symbol.name,
        "bidPrice": plain(bid.price),
        "bidQty": plain(bid.quantity),
        "askPrice": plain(ask.price),
        "askQty": plain(ask.quantity),
        "time": now,
    }


def price(book: Book, now: int) -> Json:
    """The middle, which stands for the last price."""
    return {"symbol": book.symbol.name, "price": plain(book.mid), "time": now}


def premium_index(book: Book, now: int) -> Json:
    """The middle, which stands for mark and index price too; there is no funding."""
    mid = plain(book.mid)
    return {
        "symbol": book.symbol.name,
        "markPrice": mid,
        "indexPrice": mid,
        "estimatedSettlePrice": mid,
        "lastFundingRate": "0",
        "interestRate": "0",
        "nextFundingTime": 0,
        "time": now,
    }


def depth(book: Book, limit: int, now: int) -> Json:
    """The levels, best first."""
    return {
        "lastUpdateId": book.update_id,
        "E": now,
        "T": now,
        "bids": [[plain(level.price), plain(level.quantity)] for level in book.bids[:limit]],
        "asks": [[plain(level.price), plain(level.quantity)] for level in book.asks[:limit]],
    }


def _shown(value: Decimal) -> str:
    return plain(value.quantize(_EIGHT, ROUND_HALF_EVEN, SHOWN))


def _places(unit: Decimal) -> int:
    return max(0, -unit.adjusted())
