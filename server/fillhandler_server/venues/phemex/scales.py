"""The scales of Phemex's scaled integers (Ep, Ev), which its payloads do not say.

Source: phemex-docs and phemex-api-docs ("Price/Ratio/Value Scales", "Spot currency and symbols"), and
`GET /public/products`. What is not in the table is refused, not guessed; a configuration can add to it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from fillhandler_server.domain.fills import ContractKind


@dataclass(frozen=True, slots=True)
class ContractScale:
    """A contract of the scaled (v1) interface."""

    price_places: int
    settle_currency: str
    kind: int
    multiplier: Decimal | None = None
    """US dollars, or base currency, a contract; None where it is not documented here."""


@dataclass(frozen=True, slots=True)
class Scales:
    """What is known of scaled symbols and currencies."""

    contracts: dict[str, ContractScale]
    """By symbol."""
    currencies: dict[str, int]
    """Decimal places of a value, by currency."""
    spot_price_places: int = 8
    """All spot symbols share it."""

    def adding(
        self,
        contracts: dict[str, ContractScale] | None = None,
        currencies: dict[str, int] | None = None,
    ) -> Scales:
        """These scales and more; what is given wins."""
        return replace(
            self,
            contracts=self.contracts | (contracts or {}),
            currencies=self.currencies | (currencies or {}),
        )


_USD_SETTLED: Final = (
    "ETHUSD XRPUSD LINKUSD XTZUSD LTCUSD GOLDUSD ADAUSD BCHUSD COMPUSD ALGOUSD YFIUSD DOTUSD UNIUSD BATUSD "
    "CHZUSD MANAUSD ENJUSD SUSHIUSD SNXUSD GRTUSD MKRUSD TRXUSD EOSUSD ONTUSD NEOUSD ZECUSD FILUSD KSMUSD "
    "XMRUSD QTUMUSD XLMUSD ATOMUSD LUNAUSD SOLUSD uBTCUSD"
).split()
_CURRENCIES: Final = (
    "BTC USDT ETH XRP LINK XTZ LTC ADA TRX ONT BCH NEO EOS COMP ALGO YFI DOT UNI AAVE SNX BAT CHZ MANA ENJ "
    "SUSHI GRT MKR DOGE XLM ATOM ZEC FIL KSM XMR QTUM SOL BNB AVAX MATIC USDC PT"
).split()

DOCUMENTED_SCALES: Final = Scales(
    contracts={
        # One contract is one US dollar.
        "BTCUSD": ContractScale(4, "BTC", ContractKind.INVERSE, Decimal(1)),
        "cETHUSD": ContractScale(4, "ETH", ContractKind.INVERSE),
        **{symbol: ContractScale(4, "USD", ContractKind.LINEAR) for symbol in _USD_SETTLED},
    },
    currencies={"USD": 4, **dict.fromkeys(_CURRENCIES, 8)},
)
