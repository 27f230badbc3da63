"""The scales of Phemex's scaled integers (Ep, Ev), which its payloads do not say, as instruments.

Source: phemex-docs and phemex-api-docs ("Price/Ratio/Value Scales", "Spot currency and symbols"), and
`GET /public/products`. What is not in the table is refused, not guessed; configuration and imports add to it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from fillhandler_server.domain.fills import ContractKind
from fillhandler_server.domain.instruments import Instrument

SPOT_PRICE_PLACES: Final = 8
"""All spot symbols share it."""

_USD_SETTLED: Final = (
    "ETHUSD XRPUSD LINKUSD XTZUSD LTCUSD GOLDUSD ADAUSD BCHUSD COMPUSD ALGOUSD YFIUSD DOTUSD UNIUSD BATUSD "
    "CHZUSD MANAUSD ENJUSD SUSHIUSD SNXUSD GRTUSD MKRUSD TRXUSD EOSUSD ONTUSD NEOUSD ZECUSD FILUSD KSMUSD "
    "XMRUSD QTUMUSD XLMUSD ATOMUSD LUNAUSD SOLUSD uBTCUSD"
).split()
_CURRENCIES: Final = (
    "BTC USDT ETH XRP LINK XTZ LTC ADA TRX ONT BCH NEO EOS COMP ALGO YFI DOT UNI AAVE SNX BAT CHZ MANA ENJ "
    "SUSHI GRT MKR DOGE XLM ATOM ZEC FIL KSM XMR QTUM SOL BNB AVAX MATIC USDC PT"
).split()


def _contract(symbol: str, settle: str, kind: ContractKind, multiplier: Decimal | None = None) -> Instrument:
    market = "inverse" if kind == ContractKind.INVERSE else "linear"
    base = symbol.lstrip("cu").removesuffix("USD")
    return Instrument("phemex", symbol, market, kind, multiplier, base, "USD", settle, price_places=4)


INSTRUMENTS: Final = (
    # One contract is one US dollar.
    _contract("BTCUSD", "BTC", ContractKind.INVERSE, Decimal(1)),
    _contract("cETHUSD", "ETH", ContractKind.INVERSE),
    *(_contract(symbol, "USD", ContractKind.LINEAR) for symbol in _USD_SETTLED),
)

VALUE_PLACES: Final = {"USD": 4, **dict.fromkeys(_CURRENCIES, 8)}
