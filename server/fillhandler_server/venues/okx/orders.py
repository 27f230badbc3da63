"""OKX's fills (REST and the `fills` channel) and orders (REST and the `orders` channel)."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from fillhandler_server.domain.fills import Fill, Liquidity, Side
from fillhandler_server.domain.reports import OrderReport, OrderStatus
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.okx.symbols import SPOT, Contract, contract_of, multiplier_of
from fillhandler_server.venues.okx.words import (
    LIQUIDITIES,
    MARKET_TYPES,
    SIDES,
    STATUSES,
    Fees,
    fee,
    marks,
)
from fillhandler_server.venues.reading import Reading, Row

_PUSH_KEYS: Final = frozenset(
    {"execType", "fillFee", "fillFeeCcy", "fillNotionalUsd", "notionalUsd", "amendResult"}
)
"""Keys that an order has in the `orders` channel only, where the fill fields are of the latest update."""
_NO_TRADE: Final = frozenset({"", "0"})


def is_algo(data: Json) -> bool:
    """An order of the algo or bot endpoints, or an answer about one: it has ids and states of its own."""
    if "actualSz" in data or "actualPx" in data:
        return True
    return "algoId" in data and not {"accFillSz", "fillSz", "avgPx"} & data.keys()


def is_order(data: Json) -> bool:
    """A row of the order queries or of the `orders` channel."""
    return "accFillSz" in data or ("state" in data and ("ordId" in data or "clOrdId" in data))


def is_fill(data: Json) -> bool:
    """A row of GET /trade/fills, /trade/fills-history or of the `fills` channel."""
    return "fillSz" in data or "fillPx" in data


def read_fill(row: Row, reading: Reading, inst_type: str = "", inst_id: str = "") -> None:
    """One execution. `ordId` is "" for block trades; an empty `tradeId` is no trade."""
    if row.data.get("tradeId") == "":
        reading.skip("no_trade", "a row with an empty tradeId")
        return
    symbol = _symbol(row, inst_id)
    contract = contract_of(symbol, row, inst_type)
    order_id = row.optional_id("ordId") if row.data.get("ordId") == "" else row.id("ordId")
    client_order_id = row.optional_id("clOrdId")
    metadata = marks(row)
    if "fee" not in row.data:
        # The `fills` channel: it writes "0" for a client order id that is no number, and joins a taker's
        # matches at one price under the id of the last one.
        client_order_id = "" if client_order_id == "0" else client_order_id
        count = row.note("count")
        if count not in ("", "0", "1"):
            metadata["aggregated_trades"] = count
    reading.fills.append(
        Fill(
            venue=reading.venue,
            symbol=symbol,
            order_id=order_id,
            trade_id=row.id("tradeId"),
            side=row.choice(SIDES, "side", default=Side.UNSPECIFIED),
            quantity=row.positive("fillSz"),
            price=row.number("fillPx"),
            account=reading.account,
            market=contract.market,
            client_order_id=client_order_id,
            fees=fee(row, "fee", "feeCcy"),
            liquidity=row.optional_choice(LIQUIDITIES, "execType", default=Liquidity.UNSPECIFIED),
            # `ts` is when the row was made; rows of 2023 and before, and the `fills` channel, have only it.
            trade_time=row.time("fillTime", "ts"),
            contract_kind=contract.kind,
            multiplier=multiplier_of(symbol, contract, row, reading),
            metadata=metadata,
            base_currency=contract.base,
            quote_currency=contract.quote,
        )
    )


def read_order(
    row: Row, reading: Reading, inst_type: str = "", inst_id: str = "", *, pushed: bool = False
) -> None:
    """An order's state, and in the `orders` channel the latest fill where the update is one.

    A queried order has `tradeId`, `fillSz`, `fillPx` too, but of an execution at any time before, and
    without its fee: there the cumulative figures are what is told.
    """
    symbol = _symbol(row, inst_id)
    contract = contract_of(symbol, row, inst_type)
    multiplier = multiplier_of(symbol, contract, row, reading)
    side: int = row.choice(SIDES, "side", default=Side.UNSPECIFIED)
    order_id, client_order_id = row.id("ordId"), row.optional_id("clOrdId")
    cumulative = row.number("accFillSz")
    metadata = marks(row)
    if (pushed or not _PUSH_KEYS.isdisjoint(row.data.keys())) and _has_fill(row):
        reading.fills.append(
            Fill(
                venue=reading.venue,
                symbol=symbol,
                order_id=order_id,
                trade_id=row.id("tradeId"),
                side=side,
                quantity=row.positive("fillSz"),
                price=row.number("fillPx"),
                account=reading.account,
                market=contract.market,
                client_order_id=client_order_id,
                fees=_last_fee(row, cumulative),
                liquidity=row.optional_choice(LIQUIDITIES, "execType", default=Liquidity.UNSPECIFIED),
                trade_time=row.time("fillTime", "uTime"),
                contract_kind=contract.kind,
                multiplier=multiplier,
                metadata=dict(metadata),
                base_currency=contract.base,
                quote_currency=contract.quote,
            )
        )
    kind = row.optional_word("ordType").lower()
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=row.choice(STATUSES, "state", default=OrderStatus.UNSPECIFIED),
            symbol=symbol,
            order_id=order_id,
            client_order_id=client_order_id,
            account=reading.account,
            market=contract.market,
            side=side,
            type=kind,
            order_quantity=_ordered(row, contract, kind, side),
            cumulative_quantity=cumulative,
            average_price=row.optional_above_zero("avgPx") if cumulative else None,
            limit_price=None if kind in MARKET_TYPES else row.optional_above_zero("px"),
            time=row.optional_time("uTime"),
            create_time=row.optional_time("cTime"),
            contract_kind=contract.kind,
            multiplier=multiplier,
            base_currency=contract.base,
            quote_currency=contract.quote,
            reason=_reason(row),
            metadata=metadata,
        )
    )


def _symbol(row: Row, inst_id: str) -> str:
    return row.optional_id("instId") or inst_id or row.id("instId")


def _has_fill(row: Row) -> bool:
    """Whether an update is an execution: it has a trade id.

    "0" is the id of a liquidation's or an ADL's update; its fills come with negative ids over REST, so a fill
    without an id made here would be counted twice. The cumulative quantity of the report covers it.
    """
    trade_id = row.data.get("tradeId")
    if trade_id is None or str(trade_id) in _NO_TRADE:
        return False
    return not row.has("fillSz") or bool(row.optional_number("fillSz"))


def _last_fee(row: Row, cumulative: Decimal) -> Fees:
    """The fee of the latest fill; `fee` is cumulative, and the same only while there is one fill."""
    if "fillFee" in row.data:
        return fee(row, "fillFee", "fillFeeCcy")
    if cumulative == row.optional_number("fillSz") and not row.optional_number("rebate"):
        return fee(row, "fee", "feeCcy")
    return ()


def _ordered(row: Row, contract: Contract, kind: str, side: int) -> Decimal | None:
    """`sz`: contracts, or base currency; a spot or margin market order may be stated in quote currency."""
    unit = row.note("tgtCcy")
    if unit == "quote_ccy":
        return None
    if contract.market == SPOT and kind == "market" and side == Side.BUY and unit != "base_ccy":
        return None  # the default unit of a market buy
    return row.optional_above_zero("sz")


def _reason(row: Row) -> str:
    """Why it was canceled, or why an amendment failed, in OKX's words or code."""
    text, code = row.note("msg"), row.note("code")
    if code not in ("", "0"):
        return f"{code}: {text}" if text else code
    found = row.note("cancelSourceReason")
    source = row.note("cancelSource")
    return found or (f"cancelSource {source}" if source else "")
