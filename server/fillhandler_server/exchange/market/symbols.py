"""What can be traded: currencies, the first price, and the rules an order has to keep."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from fillhandler_server.domain.numbers import EXACT, from_text


class MarketName(StrEnum):
    """The two markets, by the names that fills have."""

    SPOT = "spot"
    LINEAR = "linear"


@dataclass(frozen=True, slots=True)
class Symbol:
    """One instrument; quantities are in the base currency, prices and notionals in the quote currency."""

    name: str
    base: str
    quote: str
    price: Decimal
    """Where the walk starts."""
    tick: Decimal
    step: Decimal
    quantity_max: Decimal
    notional_min: Decimal

    @property
    def quantity_min(self) -> Decimal:
        return self.step


SYMBOLS: Final = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
_PRICES: Final = {"BTCUSDT": "60000", "ETHUSDT": "3000", "SOLUSDT": "150"}
_NOTIONAL_MIN: Final = {
    "USDT": Decimal(5),
    "USDC": Decimal(5),
    "FDUSD": Decimal(5),
    "EUR": Decimal(5),
    "BTC": Decimal("0.0001"),
    "ETH": Decimal("0.001"),
}
QUOTES: Final = tuple(_NOTIONAL_MIN)
_STEP_EXPONENT_MIN: Final = -5


def symbol(text: str) -> Symbol:
    """A symbol by its name; `NAME=PRICE` where the name is none of ours, or for another first price.

    Raises:
        ValueError: a name that ends in no known quote currency, or a price that is missing or no number.
    """
    name, _, given = text.strip().upper().partition("=")
    quote = next((each for each in QUOTES if name.endswith(each) and len(name) > len(each)), "")
    if not quote or not name.isascii() or not name.isalnum():
        raise ValueError(f"{text!r} is no symbol; write it as BTCUSDT, ending in one of {', '.join(QUOTES)}")
    given = given or _PRICES.get(name, "")
    if not given:
        raise ValueError(f"{name} needs a first price: {name}=1.25")
    try:
        price = from_text(given)
    except ValueError:
        raise ValueError(f"the price of {name} is no decimal number: {given!r}") from None
    if price <= 0:
        raise ValueError(f"the price of {name} must be above 0")
    # Five digits of price or cents, and a step that is worth a tenth to one of the quote currency.
    tick = EXACT.scaleb(Decimal(1), max(min(-2, price.adjusted() - 4), -8))
    step = EXACT.scaleb(Decimal(1), max(min(-1 - price.adjusted(), 0), _STEP_EXPONENT_MIN))
    return Symbol(
        name=name,
        base=name.removesuffix(quote),
        quote=quote,
        price=EXACT.multiply(price // tick, tick),
        tick=tick,
        step=step,
        quantity_max=EXACT.multiply(step, Decimal(10**8)),
        notional_min=_NOTIONAL_MIN[quote],
    )
