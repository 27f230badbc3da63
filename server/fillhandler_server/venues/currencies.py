"""Base and quote of symbols that are written without a separator ("FDUSDUSDT")."""

from __future__ import annotations

from typing import Final

NOT_A_BASE: Final = frozenset({"USD"})
"""What is left of "USDTUSD" when its last four letters are taken for TUSD."""


def split_symbol(
    symbol: str, quotes: frozenset[str], last_resort: frozenset[str] = frozenset()
) -> tuple[str, str]:
    """(base, quote), or ("", "") where no known quote ends the symbol, or several do.

    Args:
        symbol: the venue's own spelling, in capitals.
        quotes: the currencies that the venue quotes in.
        last_resort: quotes that end other quotes (USD of FDUSD), looked at when none of `quotes` fits.
    """
    for known in (quotes, last_resort):
        fitting = [
            quote
            for quote in known
            if symbol.endswith(quote) and len(symbol) > len(quote) and symbol[: -len(quote)] not in NOT_A_BASE
        ]
        if len(fitting) == 1:
            quote = fitting[0]
            return symbol[: -len(quote)], quote
        if fitting:
            return "", ""
    return "", ""
