"""Replies as the venues' documents have them, as far as ccxt and our modules read them. One spot order each
(Hyperliquid: perpetual): a purchase of 0.02 at 30000.5, limited."""

# ruff: noqa: E501  # rows as the documents print them

from __future__ import annotations

import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

MILLISECONDS = 1700000000000


@dataclass(frozen=True)
class VenueReplies:
    """What one venue answers."""

    symbol: str
    """Canonical."""
    unified: str
    static: dict[str, Any]
    """By path: markets and what else is asked for at the start."""
    time_path: str
    time: Any
    """Of the clock, as a function of milliseconds."""
    place: str
    """Path."""
    placed: Any
    sent: dict[str, Any]
    """What must stand in the request."""
    refused: tuple[int, Any]
    """For want of funds."""
    find: str
    found: Any
    absent: tuple[int, Any]
    history: str
    trades: Any
    order_id: str
    trade_ids: tuple[str, ...]
    market: str = "spot"
    client_order_id: str = "abc1"
    spelled_id: str = ""
    """The client order id as the exchange has it, where it is another."""
    quantity: Decimal = Decimal("0.02")
    price: Decimal = Decimal("30000.5")
    by_type: str = ""
    """Where one path serves all: the key in the body that tells what is asked for."""
    credentials: dict[str, str] = field(default_factory=dict)

    @property
    def own_id(self) -> str:
        return self.spelled_id or self.client_order_id


def now() -> int:
    return time.time_ns() // 1_000_000


def _ok(data: Any, **more: Any) -> dict[str, Any]:
    return {"code": "00000", "msg": "success", "requestTime": MILLISECONDS, "data": data} | more


def _bybit(result: Any) -> dict[str, Any]:
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": MILLISECONDS}


BINANCE_ORDER = {
    "symbol": "BTCUSDT", "orderId": 28, "orderListId": -1, "clientOrderId": "abc1",
    "price": "30000.50000000", "origQty": "0.02000000", "executedQty": "0.00000000",
    "cummulativeQuoteQty": "0.00000000", "status": "NEW", "timeInForce": "GTC", "type": "LIMIT", "side": "BUY",
    "workingTime": MILLISECONDS, "selfTradePreventionMode": "NONE",
}  # fmt: skip

BITGET_ORDER = {
    "userId": "1", "symbol": "BTCUSDT", "orderId": "1001", "clientOid": "abc1", "price": "30000.5",
    "size": "0.02", "orderType": "limit", "side": "buy", "status": "live", "priceAvg": "0", "baseVolume": "0",
    "quoteVolume": "0", "enterPointSource": "API", "feeDetail": "", "orderSource": "normal",
    "cTime": str(MILLISECONDS), "uTime": str(MILLISECONDS),
}  # fmt: skip

PHEMEX_ORDER = {
    "orderID": "99232c3e", "symbol": "sBTCUSDT", "clOrdID": "abc1", "ordType": "Limit", "side": "Buy",
    "priceEp": 3000050000000, "orderQtyEv": 2000000, "baseQtyEv": 2000000, "quoteQtyEv": 0, "cumBaseQtyEv": 0,
    "cumBaseValueEv": 0, "cumQuoteQtyEv": 0, "cumQuoteValueEv": 0, "leavesBaseQtyEv": 2000000,
    "leavesQuoteQtyEv": 0, "avgPriceEp": 0, "cumFeeEv": 0, "qtyType": "ByBase", "timeInForce": "GoodTillCancel",
    "ordStatus": "New", "createTimeNs": MILLISECONDS * 10**6, "transactTimeNs": MILLISECONDS * 10**6,
    "actionTimeNs": MILLISECONDS * 10**6, "bizError": 0, "feeCurrency": "BTC", "stopDirection": "UNSPECIFIED",
    "trigger": "UNSPECIFIED", "stopPxEp": 0, "execStatus": "New",
}  # fmt: skip

BYBIT_ORDER = {
    "orderId": "b-1", "orderLinkId": "abc1", "blockTradeId": "", "symbol": "BTCUSDT", "price": "30000.5",
    "qty": "0.02", "side": "Buy", "orderStatus": "New", "avgPrice": "", "leavesQty": "0.02",
    "leavesValue": "600.01", "cumExecQty": "0", "cumExecValue": "0", "cumExecFee": "0", "timeInForce": "GTC",
    "orderType": "Limit", "createdTime": str(MILLISECONDS), "updatedTime": str(MILLISECONDS),
    "rejectReason": "EC_NoError", "marketUnit": "",
}  # fmt: skip

OKX_ORDER = {
    "instType": "SPOT", "instId": "BTC-USDT", "ordId": "312269865356374016", "clOrdId": "abc1", "px": "30000.5",
    "sz": "0.02", "ordType": "limit", "side": "buy", "accFillSz": "0", "fillPx": "", "tradeId": "",
    "fillSz": "0", "fillTime": "", "state": "live", "avgPx": "", "lever": "", "feeCcy": "BTC", "fee": "0",
    "rebateCcy": "USDT", "rebate": "0", "tgtCcy": "", "tdMode": "cash", "uTime": str(MILLISECONDS),
    "cTime": str(MILLISECONDS), "category": "normal", "ccy": "",
}  # fmt: skip

KRAKEN_ORDER = {
    "refid": None, "userref": 0, "cl_ord_id": "abc1", "status": "open", "opentm": MILLISECONDS / 1000,
    "starttm": 0, "expiretm": 0,
    "descr": {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "price": "30000.5", "price2": "0",
              "leverage": "none", "order": "buy 0.02 XBTUSD @ limit 30000.5", "close": ""},
    "vol": "0.02000000", "vol_exec": "0.00000000", "cost": "0.00000", "fee": "0.00000", "price": "0.00000",
    "stopprice": "0.00000", "limitprice": "0.00000", "misc": "", "oflags": "fciq", "trades": [],
}  # fmt: skip

COINBASE_ORDER = {
    "order_id": "c-1", "product_id": "BTC-USD", "user_id": "u", "side": "BUY", "client_order_id": "abc1",
    "order_configuration": {
        "limit_limit_gtc": {"base_size": "0.02", "limit_price": "30000.5", "post_only": False}
    },
    "status": "OPEN", "time_in_force": "GOOD_UNTIL_CANCELLED", "created_time": "2023-11-14T22:13:20Z",
    "completion_percentage": "0", "filled_size": "0", "average_filled_price": "0", "fee": "",
    "number_of_fills": "0", "filled_value": "0", "pending_cancel": False, "size_in_quote": False,
    "total_fees": "0", "size_inclusive_of_fees": False, "total_value_after_fees": "0", "order_type": "LIMIT",
    "reject_reason": "REJECT_REASON_UNSPECIFIED", "settled": False, "product_type": "SPOT",
    "reject_message": "", "cancel_message": "",
}  # fmt: skip

KUCOIN_ORDER = {
    "id": "k-1", "clientOid": "abc1", "symbol": "BTC-USDT", "opType": "DEAL", "type": "limit", "side": "buy",
    "price": "30000.5", "size": "0.02", "funds": "0", "dealSize": "0", "dealFunds": "0", "remainSize": "0.02",
    "remainFunds": "0", "cancelledSize": "0", "cancelledFunds": "0", "fee": "0", "feeCurrency": "USDT",
    "stp": None, "timeInForce": "GTC", "postOnly": False, "hidden": False, "iceberg": False, "visibleSize": "0",
    "cancelAfter": 0, "channel": "API", "remark": None, "tags": None, "cancelExist": False,
    "tradeType": "TRADE", "inOrderBook": True, "active": True, "tax": "0", "createdAt": MILLISECONDS,
    "lastUpdatedAt": MILLISECONDS,
}  # fmt: skip

GATE_ORDER = {
    "id": "52109248977", "text": "t-abc1", "amend_text": "-", "create_time": "1700000000",
    "update_time": "1700000000", "create_time_ms": MILLISECONDS, "update_time_ms": MILLISECONDS,
    "status": "open", "currency_pair": "BTC_USDT", "type": "limit", "account": "spot", "side": "buy",
    "amount": "0.02", "price": "30000.5", "time_in_force": "gtc", "iceberg": "0", "left": "0.02",
    "filled_amount": "0", "fill_price": "0", "filled_total": "0", "fee": "0", "fee_currency": "BTC",
    "point_fee": "0", "gt_fee": "0", "gt_discount": False, "rebated_fee": "0", "rebated_fee_currency": "USDT",
    "finish_as": "open",
}  # fmt: skip

CLOID = "0x1234567890abcdef1234567890abcdef"
HYPERLIQUID_ORDER = {
    "coin": "BTC", "side": "B", "limitPx": "30000.0", "sz": "0.02", "oid": 77738308, "timestamp": MILLISECONDS,
    "triggerCondition": "N/A", "isTrigger": False, "triggerPx": "0.0", "children": [], "isPositionTpsl": False,
    "reduceOnly": False, "orderType": "Limit", "origSz": "0.02", "tif": "Gtc", "cloid": CLOID,
}  # fmt: skip

VENUES: dict[str, VenueReplies] = {
    "binance": VenueReplies(
        "BTCUSDT", "BTC/USDT",
        {"/api/v3/exchangeInfo": {"timezone": "UTC", "serverTime": MILLISECONDS, "symbols": [{
            "symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "baseAssetPrecision": 8,
            "quoteAsset": "USDT", "quotePrecision": 8, "quoteAssetPrecision": 8, "orderTypes": ["LIMIT"],
            "isSpotTradingAllowed": True, "isMarginTradingAllowed": False, "permissions": ["SPOT"],
            "filters": [{"filterType": "PRICE_FILTER", "minPrice": "0.01", "tickSize": "0.01000000"},
                        {"filterType": "LOT_SIZE", "minQty": "0.00001", "stepSize": "0.00001000"},
                        {"filterType": "NOTIONAL", "minNotional": "5"}]}]}},
        "/api/v3/time", lambda ms: {"serverTime": ms},
        "/api/v3/order", BINANCE_ORDER | {"transactTime": MILLISECONDS, "fills": []},
        {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "0.02", "price": "30000.5",
         "timeInForce": "GTC", "newClientOrderId": "abc1", "newOrderRespType": "FULL"},
        (400, {"code": -2010, "msg": "Account has insufficient balance for requested action."}),
        "/api/v3/order", BINANCE_ORDER | {"time": MILLISECONDS, "updateTime": MILLISECONDS, "isWorking": True},
        (400, {"code": -2013, "msg": "Order does not exist."}),
        "/api/v3/myTrades",
        [{"symbol": "BTCUSDT", "id": 7, "orderId": 28, "price": "30000.5", "qty": "0.01", "quoteQty": "300.005",
          "commission": "0.00001", "commissionAsset": "BTC", "time": MILLISECONDS, "isBuyer": True,
          "isMaker": True, "isBestMatch": True}],
        "28", ("7",),
    ),
    "bitget": VenueReplies(
        "BTCUSDT", "BTC/USDT",
        {"/api/v2/margin/currencies": _ok([]), "/api/v2/spot/public/symbols": _ok([{
            "symbol": "BTCUSDT", "baseCoin": "BTC", "quoteCoin": "USDT", "minTradeAmount": "0.0001",
            "maxTradeAmount": "1000", "takerFeeRate": "0.002", "makerFeeRate": "0.002", "pricePrecision": "2",
            "quantityPrecision": "6", "quotePrecision": "6", "status": "online", "minTradeUSDT": "5"}])},
        "/api/v2/public/time", lambda ms: _ok({"serverTime": str(ms)}),
        "/api/v2/spot/trade/place-order", _ok({"orderId": "1001", "clientOid": "abc1"}),
        {"symbol": "BTCUSDT", "side": "buy", "orderType": "limit", "size": "0.02", "price": "30000.5",
         "clientOid": "abc1"},
        (400, {"code": "43012", "msg": "Insufficient balance", "requestTime": 1, "data": None}),
        "/api/v2/spot/trade/orderInfo", _ok([BITGET_ORDER]), (200, _ok([])),
        "/api/v2/spot/trade/fills",
        _ok([{"userId": "1", "symbol": "BTCUSDT", "orderId": "1001", "tradeId": "2001", "orderType": "limit",
              "side": "buy", "priceAvg": "30000.5", "size": "0.01", "amount": "300.005",
              "feeDetail": {"deduction": "no", "feeCoin": "BTC", "totalDeductionFee": "",
                            "totalFee": "-0.00001"},
              "tradeScope": "maker", "cTime": str(MILLISECONDS), "uTime": str(MILLISECONDS)}]),
        "1001", ("2001",),
    ),
    "phemex": VenueReplies(
        "sBTCUSDT", "BTC/USDT",
        {"/public/products": {"code": 0, "msg": "", "data": {"ratioScale": 8, "currencies": [
            {"currency": "BTC", "valueScale": 8}, {"currency": "USDT", "valueScale": 8}], "perpProductsV2": [],
            "products": [{
                "symbol": "sBTCUSDT", "code": 1001, "type": "Spot", "displaySymbol": "BTC / USDT",
                "quoteCurrency": "USDT", "priceScale": 8, "ratioScale": 8, "pricePrecision": 2,
                "baseCurrency": "BTC", "baseTickSize": "0.000001 BTC", "baseTickSizeEv": 100,
                "quoteTickSize": "0.01 USDT", "quoteTickSizeEv": 1000000, "baseQtyPrecision": 6,
                "quoteQtyPrecision": 2, "minOrderValue": "10 USDT", "minOrderValueEv": 1000000000,
                "maxBaseOrderSize": "1000 BTC", "maxBaseOrderSizeEv": 100000000000,
                "maxOrderValue": "5,000,000 USDT", "maxOrderValueEv": 500000000000000,
                "defaultTakerFee": "0.001", "defaultMakerFee": "0.001", "status": "Listed"}]}},
         "/exchange/public/products": {"code": 0, "msg": "OK", "data": [
             {"symbol": "sBTCUSDT", "quoteCurrency": "USDT", "baseCurrency": "BTC"}]},
         "/v1/exchange/public/products": {"code": 0, "msg": "OK", "data": [
             {"symbol": "sBTCUSDT", "quoteCurrency": "USDT", "baseCurrency": "BTC"}]},
         "/exchange/public/cfg/v2/products": {"code": 0, "msg": "OK", "data": {"products": []}}},
        "", None,
        "/spot/orders", {"code": 0, "msg": "", "data": PHEMEX_ORDER},
        {"symbol": "sBTCUSDT", "side": "Buy", "ordType": "Limit", "baseQtyEv": 2000000,
         "priceEp": 3000050000000, "qtyType": "ByBase", "clOrdID": "abc1"},
        (200, {"code": 11001, "msg": "TE_NO_ENOUGH_AVAILABLE_BALANCE", "data": None}),
        "/api-data/spots/orders/by-order-id", {"code": 0, "msg": "OK", "data": {"total": 1, "rows": [PHEMEX_ORDER]}},
        (200, {"code": 10002, "msg": "OM_ORDER_NOT_FOUND", "data": None}),
        "/exchange/spot/order/trades",
        {"code": 0, "msg": "OK", "data": {"total": 1, "rows": [{
            "qtyType": "ByQuote", "transactTimeNs": MILLISECONDS * 10**6, "clOrdID": "abc1",
            "orderID": "99232c3e", "symbol": "sBTCUSDT", "side": "Buy", "priceEP": 3000050000000,
            "baseQtyEv": 1000000, "quoteQtyEv": 30000500000, "action": "New", "execStatus": "MakerFill",
            "ordStatus": "PartiallyFilled", "ordType": "Limit", "execInst": "None",
            "timeInForce": "GoodTillCancel", "stopDirection": "UNSPECIFIED", "tradeType": "Trade",
            "stopPxEp": 0, "execId": "c6bd8979", "execPriceEp": 3000050000000, "execBaseQtyEv": 1000000,
            "execQuoteQtyEv": 30000500000, "leavesBaseQtyEv": 1000000, "leavesQuoteQtyEv": 0,
            "execFeeEv": 1000, "feeRateEr": 100000, "baseCurrency": "BTC", "quoteCurrency": "USDT",
            "feeCurrency": "BTC"}]}},
        "99232c3e", ("c6bd8979",),
    ),
    "bybit": VenueReplies(
        "BTCUSDT", "BTC/USDT",
        {"/v5/market/instruments-info": _bybit({"category": "spot", "list": [{
            "symbol": "BTCUSDT", "baseCoin": "BTC", "quoteCoin": "USDT", "innovation": "0", "status": "Trading",
            "marginTrading": "both", "lotSizeFilter": {
                "basePrecision": "0.000001", "quotePrecision": "0.00000001", "minOrderQty": "0.00004",
                "maxOrderQty": "63", "minOrderAmt": "1", "maxOrderAmt": "100000"},
            "priceFilter": {"tickSize": "0.01"}}]}),
         "/v5/order/history": _bybit({"category": "spot", "list": []})},
        "/v5/market/time", lambda ms: _bybit({"timeSecond": str(ms // 1000), "timeNano": str(ms * 10**6)}) | {
            "time": ms},
        "/v5/order/create", _bybit({"orderId": "b-1", "orderLinkId": "abc1"}),
        {"category": "spot", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.02",
         "price": "30000.5", "orderLinkId": "abc1"},
        (200, {"retCode": 170131, "retMsg": "Insufficient balance.", "result": {}, "retExtInfo": {}, "time": 1}),
        "/v5/order/realtime", _bybit({"category": "spot", "nextPageCursor": "", "list": [BYBIT_ORDER]}),
        (200, _bybit({"category": "spot", "nextPageCursor": "", "list": []})),
        "/v5/execution/list",
        _bybit({"category": "spot", "nextPageCursor": "", "list": [{
            "symbol": "BTCUSDT", "orderId": "b-1", "orderLinkId": "abc1", "side": "Buy", "orderPrice": "30000.5",
            "orderQty": "0.02", "leavesQty": "0.01", "orderType": "Limit", "execFee": "0.00001",
            "feeCurrency": "BTC", "execId": "e-1", "execPrice": "30000.5", "execQty": "0.01", "execType": "Trade",
            "execValue": "300.005", "execTime": str(MILLISECONDS), "isMaker": True, "feeRate": "0.001"}]}),
        "b-1", ("e-1",),
    ),
    "okx": VenueReplies(
        "BTC-USDT", "BTC/USDT",
        {"/api/v5/public/instruments": {"code": "0", "msg": "", "data": [{
            "instType": "SPOT", "instId": "BTC-USDT", "baseCcy": "BTC", "quoteCcy": "USDT", "settleCcy": "",
            "ctVal": "", "ctMult": "", "ctType": "", "lotSz": "0.00000001", "minSz": "0.00001", "tickSz": "0.1",
            "state": "live", "uly": "", "lever": "10", "listTime": "1548133413000", "expTime": ""}]}},
        "/api/v5/public/time", lambda ms: {"code": "0", "msg": "", "data": [{"ts": str(ms)}]},
        "/api/v5/trade/order",
        {"code": "0", "msg": "", "data": [{"clOrdId": "abc1", "ordId": "312269865356374016", "tag": "",
                                           "ts": "1695190491421", "sCode": "0", "sMsg": ""}]},
        {"instId": "BTC-USDT", "side": "buy", "ordType": "limit", "sz": "0.02", "px": "30000.5",
         "clOrdId": "abc1", "tdMode": "cash"},
        (200, {"code": "1", "msg": "All operations failed", "data": [{
            "clOrdId": "abc1", "ordId": "", "tag": "", "sCode": "51008",
            "sMsg": "Order failed. Insufficient USDT balance in account"}]}),
        "/api/v5/trade/order", {"code": "0", "msg": "", "data": [OKX_ORDER]},
        (200, {"code": "51603", "msg": "Order does not exist", "data": []}),
        "/api/v5/trade/fills-history",
        {"code": "0", "msg": "", "data": [{
            "instType": "SPOT", "instId": "BTC-USDT", "tradeId": "123", "ordId": "312269865356374016",
            "clOrdId": "abc1", "billId": "1111", "tag": "", "fillPx": "30000.5", "fillSz": "0.01", "side": "buy",
            "posSide": "net", "execType": "M", "feeCcy": "BTC", "fee": "-0.00001", "ts": str(MILLISECONDS),
            "fillTime": str(MILLISECONDS)}]},
        "312269865356374016", ("123",),
    ),
    "kraken": VenueReplies(
        "BTC/USD", "BTC/USD",
        {"/0/public/Assets": {"error": [], "result": {
            "XXBT": {"aclass": "currency", "altname": "XBT", "decimals": 10, "display_decimals": 5},
            "ZUSD": {"aclass": "currency", "altname": "USD", "decimals": 4, "display_decimals": 2}}},
         "/0/public/AssetPairs": {"error": [], "result": {"XXBTZUSD": {
            "altname": "XBTUSD", "wsname": "XBT/USD", "aclass_base": "currency", "base": "XXBT",
            "aclass_quote": "currency", "quote": "ZUSD", "lot": "unit", "cost_decimals": 5, "pair_decimals": 1,
            "lot_decimals": 8, "lot_multiplier": 1, "leverage_buy": [], "leverage_sell": [],
            "fees": [[0, 0.26]], "fees_maker": [[0, 0.16]], "fee_volume_currency": "ZUSD", "ordermin": "0.0001",
            "costmin": "0.5", "tick_size": "0.1", "status": "online"}}},
         "/0/private/ClosedOrders": {"error": [], "result": {"closed": {}, "count": 0}}},
        "/0/public/Time", lambda ms: {"error": [], "result": {"unixtime": ms // 1000, "rfc1123": ""}},
        "/0/private/AddOrder",
        {"error": [], "result": {"descr": {"order": "buy 0.02000000 XBTUSD @ limit 30000.5"},
                                 "txid": ["OUF4EM-FRGI2-MQMWZD"]}},
        {"pair": "XXBTZUSD", "type": "buy", "ordertype": "limit", "volume": "0.02", "price": "30000.5",
         "cl_ord_id": "abc1"},
        (200, {"error": ["EOrder:Insufficient funds"]}),
        "/0/private/OpenOrders", {"error": [], "result": {"open": {"OUF4EM-FRGI2-MQMWZD": KRAKEN_ORDER}}},
        (200, {"error": [], "result": {"open": {}}}),
        "/0/private/TradesHistory",
        {"error": [], "result": {"count": 1, "trades": {"THVRQM-33VKH-UCI7BS": {
            "ordertxid": "OUF4EM-FRGI2-MQMWZD", "postxid": "TKH2SE-M7IF5-CFI7LT", "pair": "XXBTZUSD",
            "aclass": "forex", "time": 1700000000.1234, "type": "buy", "ordertype": "limit",
            "price": "30000.50000", "cost": "300.00500", "fee": "0.48001", "vol": "0.01000000",
            "margin": "0.00000", "leverage": "0", "misc": "", "trade_id": 74, "maker": True}}}},
        "OUF4EM-FRGI2-MQMWZD", ("THVRQM-33VKH-UCI7BS",),
    ),
    "coinbase": VenueReplies(
        "BTC-USD", "BTC/USD",
        {path: {"products": [{
            "product_id": "BTC-USD", "price": "30000", "base_increment": "0.00000001", "quote_increment": "0.01",
            "quote_min_size": "1", "quote_max_size": "50000000", "base_min_size": "0.00000001",
            "base_max_size": "3400", "base_name": "Bitcoin", "quote_name": "US Dollar", "status": "online",
            "is_disabled": False, "new": False, "trading_disabled": False, "cancel_only": False,
            "limit_only": False, "post_only": False, "auction_mode": False, "product_type": "SPOT",
            "quote_currency_id": "USD", "base_currency_id": "BTC", "base_display_symbol": "BTC",
            "quote_display_symbol": "USD", "price_increment": "0.01", "alias": "", "alias_to": []}],
            "num_products": 1}
         for path in ("/api/v3/brokerage/products", "/api/v3/brokerage/market/products")}
        | {"/api/v3/brokerage/transaction_summary": {"fee_tier": {"taker_fee_rate": "0", "maker_fee_rate": "0"}},
           "/v2/currencies": {"data": []}, "/v2/currencies/crypto": {"data": []},
           "/v2/exchange-rates": {"data": {"rates": {}}}},
        "/v2/time", lambda ms: {"data": {"iso": "", "epoch": ms // 1000}},
        "/api/v3/brokerage/orders",
        {"success": True, "order_id": "c-1",
         "success_response": {"order_id": "c-1", "product_id": "BTC-USD", "side": "BUY",
                              "client_order_id": "abc1"},
         "order_configuration": COINBASE_ORDER["order_configuration"]},
        {"product_id": "BTC-USD", "side": "BUY", "client_order_id": "abc1", "order_configuration": {
            "limit_limit_gtc": {"base_size": "0.02", "limit_price": "30000.5", "post_only": False}}},
        (200, {"success": False, "failure_reason": "UNKNOWN_FAILURE_REASON", "order_id": "", "error_response": {
            "error": "INSUFFICIENT_FUND", "message": "Insufficient balance in source account",
            "error_details": "", "preview_failure_reason": "PREVIEW_INSUFFICIENT_FUND"}}),
        "/api/v3/brokerage/orders/historical/batch",
        {"orders": [COINBASE_ORDER], "has_next": False, "cursor": "", "sequence": "0"},
        (200, {"orders": [], "has_next": False, "cursor": "", "sequence": "0"}),
        "/api/v3/brokerage/orders/historical/fills",
        {"fills": [{"entry_id": "1", "trade_id": "t-1", "order_id": "c-1", "trade_time": "2023-11-14T22:13:20Z",
                    "trade_type": "FILL", "price": "30000.5", "size": "0.01", "commission": "0.3",
                    "product_id": "BTC-USD", "sequence_timestamp": "2023-11-14T22:13:20.1Z",
                    "liquidity_indicator": "MAKER", "size_in_quote": False, "user_id": "u", "side": "BUY"}],
         "cursor": ""},
        "c-1", ("t-1",),
    ),
    "kucoin": VenueReplies(
        "BTC-USDT", "BTC/USDT",
        {"/api/v2/symbols": {"code": "200000", "data": [{
            "symbol": "BTC-USDT", "name": "BTC-USDT", "baseCurrency": "BTC", "quoteCurrency": "USDT",
            "feeCurrency": "USDT", "market": "USDS", "baseMinSize": "0.00001", "quoteMinSize": "0.1",
            "baseMaxSize": "10000", "quoteMaxSize": "99999999", "baseIncrement": "0.00000001",
            "quoteIncrement": "0.000001", "priceIncrement": "0.1", "priceLimitRate": "0.1", "minFunds": "0.1",
            "isMarginEnabled": True, "enableTrading": True}]}},
        "/api/v1/timestamp", lambda ms: {"code": "200000", "msg": "success", "data": ms},
        "/api/v1/hf/orders", {"code": "200000", "data": {"orderId": "k-1", "clientOid": "abc1"}},
        {"symbol": "BTC-USDT", "side": "buy", "type": "limit", "size": "0.02", "price": "30000.5",
         "clientOid": "abc1"},
        (200, {"code": "200004", "msg": "Balance insufficient!"}),
        "/api/v1/hf/orders/client-order/abc1", {"code": "200000", "data": KUCOIN_ORDER},
        (200, {"code": "400100", "msg": "order not exist."}),
        "/api/v1/hf/fills",
        {"code": "200000", "data": {"lastId": 1, "items": [{
            "id": 1, "symbol": "BTC-USDT", "tradeId": 11, "orderId": "k-1", "counterOrderId": "x",
            "side": "buy", "liquidity": "maker", "forceTaker": False, "price": "30000.5", "size": "0.01",
            "funds": "300.005", "fee": "0.3", "feeRate": "0.001", "feeCurrency": "USDT", "stop": "",
            "tradeType": "TRADE", "taxRate": "0", "tax": "0", "type": "limit", "createdAt": MILLISECONDS}]}},
        "k-1", ("11",),
    ),
    "gate": VenueReplies(
        "BTC_USDT", "BTC/USDT",
        {"/api/v4/margin/currency_pairs": [],
         "/api/v4/spot/currency_pairs": [{
            "id": "BTC_USDT", "base": "BTC", "quote": "USDT", "fee": "0.2", "min_base_amount": "0.0001",
            "min_quote_amount": "1", "amount_precision": 6, "precision": 1, "trade_status": "tradable",
            "sell_start": 0, "buy_start": 0}]},
        "/api/v4/spot/time", lambda ms: {"server_time": ms},
        "/api/v4/spot/orders", GATE_ORDER,
        {"currency_pair": "BTC_USDT", "side": "buy", "type": "limit", "amount": "0.02", "price": "30000.5",
         "text": "t-abc1"},
        (400, {"label": "BALANCE_NOT_ENOUGH", "message": "Not enough balance"}),
        "/api/v4/spot/orders/t-abc1", GATE_ORDER,
        (404, {"label": "ORDER_NOT_FOUND", "message": "Order with ID t-abc1 not found"}),
        "/api/v4/spot/my_trades",
        [{"id": "5736713", "create_time": "1700000000", "create_time_ms": f"{MILLISECONDS}.123",
          "currency_pair": "BTC_USDT", "side": "buy", "role": "maker", "amount": "0.01", "price": "30000.5",
          "order_id": "52109248977", "fee": "0.00001", "fee_currency": "BTC", "point_fee": "0", "gt_fee": "0",
          "amend_text": "-", "sequence_id": "1", "text": "t-abc1"}],
        "52109248977", ("5736713",), spelled_id="t-abc1",
    ),
    "hyperliquid": VenueReplies(
        "BTC", "BTC/USDC:USDC",
        {"metaAndAssetCtxs": [
            {"universe": [{"name": "BTC", "szDecimals": 5, "maxLeverage": 50, "marginTableId": 56}]},
            [{"funding": "0.0000125", "openInterest": "1", "prevDayPx": "30000.0", "dayNtlVlm": "1",
              "premium": "0", "oraclePx": "30000.0", "markPx": "30000.0", "midPx": "30000.0",
              "impactPxs": ["30000.0", "30001.0"]}]],
         "meta": {"universe": [{"name": "BTC", "szDecimals": 5, "maxLeverage": 50}]}},
        "exchangeStatus", lambda ms: {"time": ms, "specialStatuses": None},
        "order", {"status": "ok", "response": {"type": "order", "data": {
            "statuses": [{"resting": {"oid": 77738308, "cloid": CLOID}}]}}},
        {"type": "order", "grouping": "na", "orders": [
            {"a": 0, "b": True, "p": "30000", "s": "0.02", "r": False, "t": {"limit": {"tif": "Gtc"}},
             "c": CLOID}]},
        (200, {"status": "ok", "response": {"type": "order", "data": {
            "statuses": [{"error": "Insufficient margin to place order. asset=0"}]}}}),
        "orderStatus", {"status": "order", "order": {"order": HYPERLIQUID_ORDER, "status": "open",
                                                     "statusTimestamp": MILLISECONDS}},
        (200, {"status": "unknownOid"}),
        "userFillsByTime",
        [{"coin": "BTC", "px": "30000.0", "sz": "0.01", "side": "B", "time": MILLISECONDS,
          "startPosition": "0.0", "dir": "Open Long", "closedPnl": "0.0", "hash": "0xa1", "oid": 77738308,
          "crossed": False, "fee": "0.03", "tid": 118906512037719, "feeToken": "USDC", "cloid": CLOID}],
        "77738308", ("118906512037719",), market="linear", client_order_id=CLOID, price=Decimal(30000),
        by_type="type",
    ),
}  # fmt: skip
"""By our name of the venue."""
