"""What an OKX instrument id tells: the market, the currencies, the size of a contract."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from fillhandler_server.domain.fills import ContractKind
from fillhandler_server.domain.instruments import Instrument
from fillhandler_server.venues.reading import Reading, Row

SPOT: Final = "spot"
LINEAR: Final = "linear"
INVERSE: Final = "inverse"
OPTION: Final = "option"

INST_TYPES: Final = {
    "SPOT": frozenset({SPOT}),
    "MARGIN": frozenset({SPOT}),
    "SWAP": frozenset({LINEAR, INVERSE}),
    "FUTURES": frozenset({LINEAR, INVERSE}),
    "OPTION": frozenset({OPTION}),
    "EVENTS": frozenset[str](),
}
"""The markets that an instrument type can be. Event contracts are none of ours: their market stays empty."""

_LINEAR_SIZES: Final = {
    "BTC": "0.01", "ETH": "0.1", "SOL": "1", "XRP": "100", "DOGE": "1000", "LTC": "1", "BCH": "0.1",
    "ADA": "100", "LINK": "1", "DOT": "1", "AVAX": "1", "ETC": "10", "TRX": "1000", "PEPE": "10000000",
}  # fmt: skip
"""`ctVal` of the USDT-margined perpetuals, in the base currency (GET /public/instruments)."""

_INVERSE_SIZES: Final = {"BTC": "100"} | dict.fromkeys(
    "ETH LTC XRP EOS BCH ETC TRX LINK DOT ADA DOGE SOL AVAX FIL UNI".split(), "10"
)
"""`ctVal` of the coin-margined perpetuals, in USD: 100 for BTC, 10 for the others."""

INSTRUMENTS: Final = (
    *(
        Instrument(
            "okx", f"{base}-USDT-SWAP", LINEAR, ContractKind.LINEAR, Decimal(size), base, "USDT", "USDT"
        )
        for base, size in _LINEAR_SIZES.items()
    ),
    *(
        Instrument("okx", f"{base}-USD-SWAP", INVERSE, ContractKind.INVERSE, Decimal(size), base, "USD", base)
        for base, size in _INVERSE_SIZES.items()
    ),
)

_DATED_AS_SWAP: Final = frozenset({"BTC-USDT", "ETH-USDT", "BTC-USD", "ETH-USD"})
"""Families whose expiring futures have the contract size of their perpetual."""
_OPTION_SIZES: Final = {"BTC-USD": Decimal("0.01"), "ETH-USD": Decimal("0.1")}
"""`ctVal` x `ctMult` of the options, in the base currency."""


class Contract(NamedTuple):
    """What a symbol tells. "" and None are "not known"."""

    market: str = ""
    kind: int = ContractKind.UNSPECIFIED
    base: str = ""
    quote: str = ""
    perpetual: str = ""
    """The perpetual of an expiring future, where both are of one size."""
    multiplier: Decimal | None = None


UNKNOWN: Final = Contract()


@lru_cache(maxsize=4096)
def spelled(symbol: str) -> Contract:
    """What the spelling tells: BTC-USDT, BTC-USDT-SWAP, BTC-USD-250328, BTC-USD-250328-50000-C.

    "BTC-USD" is margined in coin; "BTC-USD_UM" is margined in USD, and linear.
    """
    parts = symbol.split("-")
    if len(parts) < 2 or not all(parts):
        return UNKNOWN
    base, pair = parts[0], f"{parts[0]}-{parts[1]}"
    quote = parts[1].split("_")[0]
    if len(parts) == 2:
        return Contract(SPOT, ContractKind.SPOT, base, quote)
    if len(parts) == 3 and (parts[2] == "SWAP" or _is_date(parts[2])):
        perpetual = f"{pair}-SWAP" if pair in _DATED_AS_SWAP and parts[2] != "SWAP" else ""
        if parts[1] == "USD":
            return Contract(INVERSE, ContractKind.INVERSE, base, quote, perpetual)
        return Contract(LINEAR, ContractKind.LINEAR, base, quote, perpetual)
    if len(parts) == 5 and _is_date(parts[2]) and parts[4] in ("C", "P"):
        # The premium of a coin-margined option is in coin. No base: a fee in it is not taken off a position.
        premium = base if parts[1] == "USD" else quote
        return Contract(OPTION, ContractKind.LINEAR, "", premium, "", _OPTION_SIZES.get(pair))
    return UNKNOWN


def _is_date(text: str) -> bool:
    return len(text) == 6 and text.isascii() and text.isdigit()


def contract_of(symbol: str, row: Row, inst_type: str = "") -> Contract:
    """The contract of a row, by its `instType`, else that of its push, else by the spelling alone."""
    found = spelled(symbol)
    stated = row.note("instType").upper() or inst_type.upper()
    if not stated or stated == "ANY" or found.market in INST_TYPES.get(stated, ()):
        quote = row.note("tradeQuoteCcy") if found.market == SPOT else ""
        return found._replace(quote=quote) if quote else found
    if stated in ("SPOT", "MARGIN"):
        return Contract(SPOT, ContractKind.SPOT)
    return Contract(OPTION) if stated == "OPTION" else UNKNOWN


def multiplier_of(symbol: str, contract: Contract, row: Row, reading: Reading) -> Decimal | None:
    """The size of a contract: as stated, else of the option's family or of the future's perpetual.

    None leaves it to the instrument table, which knows the perpetuals and what the configuration adds.
    """
    stated = row.optional_above_zero("ctVal")
    if stated is not None or not (contract.perpetual or contract.multiplier):
        return stated
    configured = reading.instrument(symbol, contract.market)
    if configured is not None and configured.multiplier is not None:
        return None
    if contract.perpetual:
        known = reading.instrument(contract.perpetual, contract.market)
        return None if known is None else known.multiplier
    return contract.multiplier
