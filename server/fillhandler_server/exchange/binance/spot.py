"""The spot market's answers and events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from fillhandler_server.domain.numbers import ZERO
from fillhandler_server.exchange.binance.texts import eight
from fillhandler_server.exchange.market.book import Book
from fillhandler_server.exchange.market.markets import SpotMarket
from fillhandler_server.exchange.market.matching import Change, Execution
from fillhandler_server.exchange.market.orders import Order, OrderType, State, TimeInForce, Trade
from fillhandler_server.exchange.market.symbols import Symbol

Json = dict[str, Any]
_ZERO: Final = eight(ZERO)


def order(order: Order, state: State) -> Json:
    """A queried order, in one of its states."""
    return {
        **_body(order, state),
        "orderListId": -1,
        "stopPrice": _ZERO,
        "icebergQty": _ZERO,
        "time": order.time,
        "updateTime": state.time,
        "isWorking": True,
        "workingTime": order.time,
        "origQuoteOrderQty": eight(order.quote_quantity),
        "selfTradePreventionMode": "NONE",
    }


def placed(order: Order, response_type: str) -> Json:
    """The answer of a placement."""
    state = order.state
    answer: Json = {
        "symbol": order.symbol.name,
        "orderId": order.id,
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
        "transactTime": state.time,
    }
    if response_type == "ACK":
        return answer
    answer |= _body(order, state) | {
        "origQuoteOrderQty": eight(order.quote_quantity),
        "workingTime": order.time,
        "selfTradePreventionMode": "NONE",
    }
    if response_type == "FULL":
        answer["fills"] = [
            {
                "price": eight(trade.price),
                "qty": eight(trade.quantity),
                "commission": eight(trade.commission),
                "commissionAsset": trade.commission_asset,
                "tradeId": trade.id,
            }
            for trade in order.trades
        ]
    return answer


def canceled(order: Order) -> Json:
    """The answer of a cancel: `clientOrderId` names the cancel, `origClientOrderId` the order."""
    return {
        **_body(order, order.state),
        "origClientOrderId": order.client_order_id,
        "clientOrderId": order.cancel_client_id,
        "orderListId": -1,
        "transactTime": order.state.time,
        "origQuoteOrderQty": eight(order.quote_quantity),
        "selfTradePreventionMode": "NONE",
    }


def _body(order: Order, state: State) -> Json:
    return {
        "symbol": order.symbol.name,
        "orderId": order.id,
        "clientOrderId": order.client_order_id,
        "price": eight(order.price),
        "origQty": eight(order.quantity),
        "executedQty": eight(state.executed),
        "cummulativeQuoteQty": eight(state.quote_executed),
        "status": state.status.value,
        "timeInForce": order.time_in_force.value,
        "type": order.type.value,
        "side": order.side.value,
    }


def trade(trade: Trade) -> Json:
    """A row of myTrades."""
    return {
        "symbol": trade.symbol.name,
        "id": trade.id,
        "orderId": trade.order_id,
        "orderListId": -1,
        "price": eight(trade.price),
        "qty": eight(trade.quantity),
        "quoteQty": eight(trade.quote_quantity),
        "commission": eight(trade.commission),
        "commissionAsset": trade.commission_asset,
        "time": trade.time,
        "isBuyer": trade.side.value == "BUY",
        "isMaker": trade.maker,
        "isBestMatch": True,
    }


def execution_report(change: Change, now: int) -> Json:
    """The event of a change; on a cancel `c` names the cancel and `C` the order."""
    order, state, trade = change.order, change.order.state, change.trade
    canceled = change.execution is Execution.CANCELED
    return {
        "e": "executionReport",
        "E": now,
        "s": order.symbol.name,
        "c": order.cancel_client_id if canceled else order.client_order_id,
        "S": order.side.value,
        "o": order.type.value,
        "f": order.time_in_force.value,
        "q": eight(order.quantity),
        "p": eight(order.price),
        "P": _ZERO,
        "F": _ZERO,
        "g": -1,
        "C": order.client_order_id if canceled else "",
        "x": change.execution.value,
        "X": state.status.value,
        "r": "NONE",
        "i": order.id,
        "l": eight(trade.quantity if trade else ZERO),
        "z": eight(state.executed),
        "L": eight(trade.price if trade else ZERO),
        "n": eight(trade.commission) if trade else "0",
        "N": trade.commission_asset if trade else None,
        "T": change.time,
        "t": trade.id if trade else -1,
        "I": order.id * 2,
        "w": order.is_open and order.time_in_force is not TimeInForce.IOC,
        "m": trade.maker if trade else False,
        "M": False,
        "O": order.time,
        "Z": eight(state.quote_executed),
        "Y": eight(trade.quote_quantity if trade else ZERO),
        "Q": eight(order.quote_quantity),
        "W": order.time,
        "V": "NONE",
    }


def account_position(market: SpotMarket, symbol: Symbol, now: int) -> Json:
    """The event of balances that an order moved."""
    return {
        "e": "outboundAccountPosition",
        "E": now,
        "u": market.wallet.update_time,
        "B": [
            {"a": asset, "f": eight(balance.free), "l": eight(balance.locked)}
            for asset in (symbol.base, symbol.quote)
            for balance in (market.wallet.of(asset),)
        ],
    }


def account(market: SpotMarket) -> Json:
    """The account with its balances."""
    maker, taker = market.fees.maker, market.fees.taker
    return {
        "makerCommission": int(maker * 10_000),
        "takerCommission": int(taker * 10_000),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {"maker": eight(maker), "taker": eight(taker), "buyer": _ZERO, "seller": _ZERO},
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": market.wallet.update_time,
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": eight(balance.free), "locked": eight(balance.locked)}
            for asset, balance in market.wallet.balances.items()
        ],
        "permissions": ["SPOT"],
        "uid": 1,
    }


def exchange_info(symbols: Iterable[Symbol], now: int) -> Json:
    """Every symbol with its rules."""
    return {
        "timezone": "UTC",
        "serverTime": now,
        "rateLimits": [],
        "exchangeFilters": [],
        "symbols": [_symbol(each) for each in symbols],
    }


def _symbol(symbol: Symbol) -> Json:
    step, lowest = eight(symbol.step), eight(symbol.quantity_min)
    return {
        "symbol": symbol.name,
        "status": "TRADING",
        "baseAsset": symbol.base,
        "baseAssetPrecision": 8,
        "quoteAsset": symbol.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": [each.value for each in OrderType],
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": eight(symbol.tick),
                "maxPrice": "1000000.00000000",
                "tickSize": eight(symbol.tick),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": lowest,
                "maxQty": eight(symbol.quantity_max),
                "stepSize": step,
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": eight(symbol.notional_min),
                "applyMinToMarket": True,
                "maxNotional": "9000000.00000000",
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": ["NONE"],
    }


def book_ticker(book: Book) -> Json:
    """The best price of each side."""
    bid, ask = book.bids[0], book.asks[0]
    return {
        "symbol": book.symbol.name,
        "bidPrice": eight(bid.price),
        "bidQty": eight(bid.quantity),
        "askPrice": eight(ask.price),
        "askQty": eight(ask.quantity),
    }


def price(book: Book) -> Json:
    """The middle, which stands for the last price."""
    return {"symbol": book.symbol.name, "price": eight(book.mid)}


def depth(book: Book, limit: int) -> Json:
    """The levels, best first."""
    return {
        "lastUpdateId": book.update_id,
        "bids": [[eight(level.price), eight(level.quantity)] for level in book.bids[:limit]],
        "asks": [[eight(level.price), eight(level.quantity)] for level in book.asks[:limit]],
    }


def coins(symbols: Iterable[Symbol]) -> list[Json]:
    """The currencies, as the wallet lists them: none can be moved in or out."""
    names = sorted({asset for each in symbols for asset in (each.base, each.quote)})
    return [
        {
            "coin": name,
            "name": name,
            "depositAllEnable": False,
            "withdrawAllEnable": False,
            "isLegalMoney": False,
            "trading": True,
            "free": "0",
            "locked": "0",
            "networkList": [],
        }
        for name in names
    ]
