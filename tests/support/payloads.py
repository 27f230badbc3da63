"""The original design's three payloads: one fill each, in the flat form it drew for each venue."""

BINANCE = {
    "orderId": "123456789",
    "symbol": "BTCUSDT",
    "side": "BUY",
    "fills": [
        {
            "tradeId": "987654321",
            "qty": "0.001",
            "price": "50000.00",
            "commission": "0.000001",
            "commissionAsset": "BTC",
            "takerOrMaker": "taker",
        }
    ],
}
BITGET = {
    "orderId": "456789123",
    "tradeId": "321654987",
    "symbol": "BTCUSDT",
    "side": "SELL",
    "baseVolume": "0.002",
    "fillPrice": "51000.00",
    "fillFee": "0.102",
    "fillFeeCoin": "USDT",
    "tradeScope": "maker",
}
PHEMEX = {
    "orderID": "789123456",
    "execID": "147258369",
    "symbol": "BTCUSDT",
    "side": "BUY",
    "execQty": "0.003",
    "execPriceRp": "52000.00",
    "execFeeRv": "0.156",
    "feeCurrency": "USDT",
    "execStatus": "taker",
}
FLAT = {"binance": BINANCE, "bitget": BITGET, "phemex": PHEMEX}
"""By venue."""
