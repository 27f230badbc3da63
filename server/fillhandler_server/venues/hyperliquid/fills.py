"""Hyperliquid's fills: one row, the same in every query and channel."""

from __future__ import annotations

from decimal import Decimal

from fillhandler_server.domain.fills import Fill, Liquidity, Side
from fillhandler_server.venues.hyperliquid.words import SIDES, Coin, coin_facts
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.reading import Reading, Row


def is_fill(data: Json) -> bool:
    """A fill: a public trade has no order id."""
    return "coin" in data and (
        "closedPnl" in data
        or "startPosition" in data
        or "crossed" in data
        or "dir" in data
        or ("tid" in data and "oid" in data)
    )


def _mark(row: Row, user: str) -> dict[str, str]:
    """What the venue forced. `liquidation` is in the counterparties' fills as well: it is this account's
    where it names it, or where `dir` says so."""
    word = row.note("dir").lower()
    if word.startswith("liquidated") or "liquidation" in word:
        return {"execution": "liquidation"}
    if word.startswith("auto-deleverag"):
        return {"execution": "adl"}
    if word.startswith("settlement"):
        return {"execution": "settlement"}
    liquidation = row.data.get("liquidation")
    if isinstance(liquidation, dict) and user:
        named = liquidation.get("liquidatedUser")
        if isinstance(named, str) and named.lower() == user.lower():
            return {"execution": "liquidation"}
    return {}


def _fee(row: Row, coin: Coin) -> tuple[tuple[str, Decimal], ...]:
    """Positive = cost, the builder's part within. Older rows have no `feeToken`: perpetuals pay in USDC."""
    amount = row.optional_number("fee")
    if amount is None:
        return ()
    token = row.optional_id("feeToken") or (coin.quote if coin.market == "linear" else "")
    if token:
        return ((token, amount),)
    if amount:
        row.fail("feeToken", "missing")
    return ()


def read_fill(row: Row, reading: Reading, user: str = "", twap_id: str = "") -> None:
    """A fill of the queries and of the channels, which is the same row."""
    symbol = row.id("coin")
    coin = coin_facts(symbol)
    crossed = row.optional_flag("crossed")
    fees = _fee(row, coin)
    quote = coin.quote
    if coin.market == "linear" and not quote and fees:
        quote = fees[0][0]  # perpetuals pay their fees in the dex's collateral
    metadata = _mark(row, user)
    twap_id = twap_id or row.note("twapId")
    if twap_id:
        metadata["twap_id"] = twap_id
    reading.fills.append(
        Fill(
            venue=reading.venue,
            symbol=symbol,
            order_id=row.id("oid"),
            trade_id=row.id("tid"),
            side=row.choice(SIDES, "side", default=Side.UNSPECIFIED),
            quantity=row.positive("sz"),
            price=row.number("px"),
            account=reading.account,
            market=coin.market,
            client_order_id=row.optional_id("cloid"),
            fees=fees,
            liquidity=(
                Liquidity.UNSPECIFIED if crossed is None else Liquidity.TAKER if crossed else Liquidity.MAKER
            ),
            trade_time=row.time("time"),
            contract_kind=coin.kind,
            multiplier=coin.multiplier,
            metadata=metadata,
            base_currency=coin.base,
            quote_currency=quote,
        )
    )


def read_twap_fill(row: Row, reading: Reading, user: str = "") -> None:
    """{"fill", "twapId"}: a slice of a TWAP order. It comes as a fill of the account as well."""
    inner = row.optional_row("fill")
    if inner is not None:
        read_fill(inner, reading, user, row.note("twapId"))
