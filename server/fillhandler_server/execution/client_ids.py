"""Client order ids that we make: unique, and in each venue's own alphabet and length."""

from __future__ import annotations

import hashlib
import re
from typing import Final

# What the venues document (2026): binance ^[\.A-Z\:/a-z0-9_-]{1,36}$, bybit 36 of A-Za-z0-9_-, bitget 50,
# phemex 40, kucoin 40 of A-Za-z0-9_-, coinbase any text. The others differ.
_OKX: Final = "okx"  # 32 letters and digits
_GATE: Final = "gate"  # "t-" and 28 of 0-9A-Za-z_.-
_KRAKEN: Final = "kraken"  # a UUID, or 18 characters
_HYPERLIQUID: Final = "hyperliquid"  # 128 bits as 0x and hexadecimal digits

_PATTERNS: Final = {
    _OKX: re.compile(r"[A-Za-z0-9]{1,32}"),
    _GATE: re.compile(r"t-[0-9A-Za-z_.-]{1,28}"),
    _KRAKEN: re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[ -~]{1,18}"),
    _HYPERLIQUID: re.compile(r"0x[0-9a-f]{32}"),
}
_PATTERN: Final = re.compile(r"[A-Za-z0-9_-]{1,36}")
_BINANCE: Final = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
_WORDS: Final = {
    _OKX: "1 to 32 letters and digits",
    _GATE: "'t-' and 1 to 28 of 0-9, A-Z, a-z, '_', '.', '-'",
    _KRAKEN: "a UUID in lower case, or up to 18 characters",
    _HYPERLIQUID: "'0x' and 32 hexadecimal digits in lower case",
}
_OTHERS: Final = "1 to 36 letters, digits, '-' and '_'"


def client_order_id(venue: str, trade_id: str, number: int) -> str:
    """The id of a trade's order. The same trade and number always give the same.

    Args:
        venue: where it is placed.
        trade_id: the trade's, hexadecimal.
        number: which of its orders it is, from 1.
    """
    if venue in (_KRAKEN, _HYPERLIQUID):
        digest = hashlib.blake2b(f"{trade_id}/{number}".encode(), digest_size=16).hexdigest()
        return digest if venue == _KRAKEN else f"0x{digest}"
    if venue == _OKX:
        return f"fh{trade_id[:24]}x{number}"
    made = f"fh-{trade_id[:20]}-{number}"
    return f"t-{made}" if venue == _GATE else made


def problem_with(venue: str, text: str) -> str:
    """What is wrong with a client order id for a venue, in words; empty where nothing is."""
    pattern = _PATTERNS.get(venue) or (_BINANCE if venue == "binance" else _PATTERN)
    if pattern.fullmatch(text):
        return ""
    return f"{venue} takes {_WORDS.get(venue, _OTHERS)}; leave it out and one is made"
