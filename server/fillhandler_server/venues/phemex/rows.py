"""Phemex's rows: an order, an execution, or both in one.

Ep and Ev are scaled integers, Rp, Rq and Rv are plain; contracts, spot and margin name the same things
differently. `_Terms` is what they have in common.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from fillhandler_server.domain.fills import ContractKind, Fill, Liquidity, Side
from fillhandler_server.domain.numbers import EXACT, ZERO, divide_shown
from fillhandler_server.domain.reports import OrderReport, OrderStatus
from fillhandler_server.venues.currencies import split_symbol
from fillhandler_server.venues.json_text import Json
from fillhandler_server.venues.phemex.scales import SPOT_PRICE_PLACES
from fillhandler_server.venues.phemex.words import (
    ACKNOWLEDGED,
    FILLS,
    FLAT_LIQUIDITIES,
    FORCED,
    FUNDING,
    LIQUIDITY_INDICATORS,
    POSITION_SIDES,
    REJECTED_EXECUTIONS,
    SIDES,
    STATUSES,
    order_type,
)
from fillhandler_server.venues.reading import Reading, Row

SPOT_KEYS: Final = frozenset(
    {"execBaseQtyEv", "execBaseQtyRq", "baseQtyEv", "baseQtyRq", "quoteQtyEv", "quoteQtyRq", "qtyType"}
)
SCALED_KEYS: Final = frozenset(
    {
        "execPriceEp",
        "execFeeEv",
        "execValueEv",
        "execBaseQtyEv",
        "priceEp",
        "priceEP",
        "cumValueEv",
        "cumBaseQtyEv",
    }
)
LINEAR_QUOTES: Final = frozenset({"USDT", "USDC", "USD"})
SPOT_QUOTES: Final = frozenset({"USDT", "USDC", "BTC", "ETH"})


HOW_TO_ADD: Final = (
    "add it with `fillhandler instruments import`, or under `instruments` in the configuration"
)


def _is_nothing(identifier: str) -> bool:
    return not identifier.strip("0-")


@dataclass(slots=True)
class _Terms:
    """A row's symbol, and how its numbers are to be read."""

    symbol: str
    market: str
    kind: int
    multiplier: Decimal | None
    base: str
    quote: str
    settle: str
    """The currency of the fee where the row names none."""
    is_spot: bool
    is_scaled: bool
    price_places: int | None

    def price(self, row: Row, *stems: str) -> Decimal | None:
        """A price, under its plain name or its scaled one."""
        plain = row.optional_number(*(stem + "Rp" for stem in stems))
        names = [stem + suffix for stem in stems for suffix in ("Ep", "EP")]
        if plain is not None or not row.has(*names):
            return plain
        if self.price_places is None:
            row.fail(row.first(*names), f"the price scale of {self.symbol} is not known; {HOW_TO_ADD}")
            return None
        return row.optional_scaled(self.price_places, *names)

    def value(self, row: Row, stem: str, currency: str) -> Decimal | None:
        """An amount of a currency."""
        plain = row.optional_number(stem + "Rv", stem + "Rq")
        key = stem + "Ev"
        number = row.optional_number(key)
        if plain is not None or number is None:
            return plain
        if not number:
            return ZERO  # at any scale
        places = row.reading.value_places(currency)
        if places is None:
            row.fail(key, f"the value scale of {currency or 'its currency'} is not known; {HOW_TO_ADD}")
            return None
        return row.optional_scaled(places, key)


def _terms(row: Row, reading: Reading) -> _Terms:
    symbol = row.id("symbol")
    names = row.data.keys()
    is_scaled = not SCALED_KEYS.isdisjoint(names)
    base, quote = row.optional_id("baseCurrency"), row.optional_id("quoteCurrency")
    if not SPOT_KEYS.isdisjoint(names) or (symbol[:1] == "s" and symbol[1:].isupper()):
        if not base or not quote:
            split = split_symbol(symbol.removeprefix("s"), SPOT_QUOTES)
            base, quote = base or split[0], quote or split[1]
        known = reading.instrument(symbol, "spot")
        places = SPOT_PRICE_PLACES if known is None or known.price_places is None else known.price_places
        return _Terms(symbol, "spot", ContractKind.SPOT, None, base, quote, "", True, is_scaled, places)
    contract = reading.instrument(symbol) if is_scaled else None
    if contract is not None:
        return _Terms(
            symbol,
            contract.market,
            contract.kind,
            contract.multiplier,
            contract.base,
            contract.quote,
            row.optional_id("currency") or contract.settle,
            False,
            True,
            contract.price_places,
        )
    base, quote = split_symbol(symbol, LINEAR_QUOTES)
    settle = row.optional_id("currency") or quote
    market, kind = ("", ContractKind.UNSPECIFIED) if is_scaled else ("linear", ContractKind.LINEAR)
    return _Terms(symbol, market, kind, None, base, quote, settle, False, is_scaled, None)


# ------------------------------------------------------------------------ kinds

_OF_ROWS: Final = frozenset(
    {
        "execID",
        "execId",
        "orderID",
        "orderId",
        "ordStatus",
        "execStatus",
        "execPriceRp",
        "execPriceEp",
        "execQty",
    }
)


_EXECUTED_KEYS: Final = ("execQty", "execQtyRq", "execBaseQtyEv", "execBaseQtyRq")


def is_row(data: Json) -> bool:
    """An order, an execution, or both."""
    return not _OF_ROWS.isdisjoint(data.keys())


def read_row(
    row: Row,
    reading: Reading,
    client_order_ids: dict[str, str] | None = None,
    *,
    is_execution: bool = False,
) -> None:
    """Reads an order's state, an execution, or both.

    Args:
        row: the row.
        reading: what it goes into.
        client_order_ids: by order id, for executions that have none of their own.
        is_execution: it stands among the executions of a push.
    """
    if row.optional_word("tradeType") in FUNDING or row.has("fundingRateEr", "fundingRateRr"):
        reading.skip("funding", "settlement of a funding fee")
        return
    status = row.optional_word("execStatus")
    is_flat = status.lower() in FLAT_LIQUIDITIES
    has_state = row.has("ordStatus")
    is_fill = is_execution or _is_execution(row, status, has_state, is_flat)
    if not is_fill and not has_state:
        reading.skip(_skipped_kind(row, status), "neither an execution nor the state of an order")
        return
    terms = _terms(row, reading)
    order_id = row.optional_id("orderID", "orderId")
    if _is_nothing(order_id):
        order_id = ""
    client_order_id = row.optional_id("clOrdID", "clOrdId")
    if not client_order_id and client_order_ids:
        client_order_id = client_order_ids.get(order_id, "")
    side = row.choice(SIDES, "side", default=Side.UNSPECIFIED)
    metadata: dict[str, str] = {}
    forced = FORCED.get(row.optional_word("tradeType"))
    if forced:
        metadata["execution"] = forced
    position = POSITION_SIDES.get(row.optional_word("posSide"))
    if position:
        metadata["position_side"] = position
    if not order_id and (has_state or not row.has("execId")):
        # Only the v2 list of trades has no order ids.
        row.fail(row.first("orderID", "orderId"), "missing")
    if is_fill:
        _read_fill(row, reading, terms, order_id, client_order_id, side, metadata, status, is_flat)
    if has_state:
        _read_state(row, reading, terms, order_id, client_order_id, side, metadata, status)


def _skipped_kind(row: Row, status: str) -> str:
    if "Reject" in status or status == "19":
        return "failed_request"
    return (status or row.note("action") or "row").lower()


def _is_execution(row: Row, status: str, has_state: bool, is_flat: bool) -> bool:
    execution = row.optional_id("execID", "execId")
    if execution:
        if _is_nothing(execution):
            return False
    elif has_state:
        # A list of orders tells the latest execution's state, and no execution.
        return False
    if status:
        return status in FILLS or is_flat
    if row.has("lastLiquidityInd"):  # the spot push has no execStatus
        return True
    if any(row.optional_above_zero(key) for key in _EXECUTED_KEYS):
        row.fail("execStatus", "missing")
    return False


def _read_fill(
    row: Row,
    reading: Reading,
    terms: _Terms,
    order_id: str,
    client_order_id: str,
    side: int,
    metadata: dict[str, str],
    status: str,
    is_flat: bool,
) -> None:
    price = terms.price(row, "execPrice")
    if price is None and not reading.faults:
        row.fail("execPriceEp" if terms.is_scaled else "execPriceRp", "missing")
    quantity = _executed(row, terms)
    liquidity: int = FILLS.get(status) or FLAT_LIQUIDITIES.get(status.lower(), Liquidity.UNSPECIFIED)
    if not liquidity:
        liquidity = row.optional_choice(
            LIQUIDITY_INDICATORS, "lastLiquidityInd", default=Liquidity.UNSPECIFIED
        )
    time = row.optional_time("transactTimeNs", "actionTimeNs", unit=1) or row.optional_time("createdAt")
    if time is None and not is_flat:
        row.fail("transactTimeNs", "missing")
    reading.fills.append(
        Fill(
            venue=reading.venue,
            symbol=terms.symbol,
            order_id=order_id,
            trade_id=row.optional_id("execID", "execId"),
            side=side,
            quantity=quantity,
            price=price,
            account=reading.account,
            market="" if is_flat else terms.market,
            client_order_id=client_order_id,
            fees=_fees(row, terms),
            liquidity=liquidity,
            trade_time=time,
            contract_kind=ContractKind.UNSPECIFIED if is_flat else terms.kind,
            multiplier=terms.multiplier,
            metadata=dict(metadata),
            base_currency=terms.base,
            quote_currency=terms.quote,
        )
    )


def _executed(row: Row, terms: _Terms) -> Decimal:
    if terms.is_spot and not row.has("execQty", "execQtyRq"):
        quantity = terms.value(row, "execBaseQty", terms.base)
        key = "execBaseQtyEv" if terms.is_scaled else "execBaseQtyRq"
        if quantity is None:
            if not row.has("execBaseQtyEv", "execBaseQtyRq"):
                row.fail(key, "missing")
            return Decimal(1)
    else:
        key = row.first("execQty", "execQtyRq")
        quantity = row.number("execQty", "execQtyRq").copy_abs()
    if quantity <= ZERO:
        row.fail(key, "not above zero")
        return Decimal(1)
    return quantity


def _fees(row: Row, terms: _Terms) -> tuple[tuple[str, Decimal], ...]:
    """Positive = cost as Phemex sends it. A fee may be paid in PT, and the other field is zero then."""
    currency = row.optional_id("feeCurrency") or terms.settle
    amount = terms.value(row, "execFee", currency)
    tokens = terms.value(row, "ptFee", "PT")
    if tokens:
        paid = {"PT": tokens}
        if amount and currency:
            paid[currency] = EXACT.add(paid.get(currency, ZERO), amount)
        return tuple(sorted(paid.items()))
    if amount is None:
        return ()
    if not currency:
        if amount:
            row.fail("feeCurrency", "missing beside a fee")
        return ()
    return ((currency, amount),)


# ----------------------------------------------------------------- order states


def _read_state(
    row: Row,
    reading: Reading,
    terms: _Terms,
    order_id: str,
    client_order_id: str,
    side: int,
    metadata: dict[str, str],
    exec_status: str,
) -> None:
    status: int = row.choice(STATUSES, "ordStatus", default=OrderStatus.UNSPECIFIED)
    refusal = row.note("bizError", "code")
    if refusal == "0":
        refusal = ""
    if exec_status in REJECTED_EXECUTIONS or (refusal and row.optional_word("ordStatus") in ACKNOWLEDGED):
        status = OrderStatus.REJECTED
    kind = order_type(row.optional_word("ordType", "orderType"))
    if row.optional_word("timeInForce") == "PostOnly":
        kind = "post_only"
    if terms.is_spot:
        ordered, cumulative, average = _spot_figures(row, terms)
    else:
        ordered, cumulative, average = _contract_figures(row, terms)
    limit = terms.price(row, "price") if kind != "market" else None
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=status,
            symbol=terms.symbol,
            order_id=order_id,
            client_order_id=client_order_id,
            account=reading.account,
            market=terms.market,
            side=side,
            type=kind,
            order_quantity=ordered or None,
            cumulative_quantity=cumulative,
            average_price=average if cumulative else None,
            limit_price=limit or None,
            time=row.optional_time("transactTimeNs", "actionTimeNs", unit=1)
            or row.optional_time("updatedAt"),
            create_time=row.optional_time("createTimeNs", unit=1) or row.optional_time("createdAt"),
            contract_kind=terms.kind,
            multiplier=terms.multiplier,
            base_currency=terms.base,
            quote_currency=terms.quote,
            reason=_reason(row, refusal) if status in (OrderStatus.REJECTED, OrderStatus.CANCELED) else "",
            metadata=metadata,
        )
    )


def _contract_figures(row: Row, terms: _Terms) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    ordered = row.optional_number("orderQty", "orderQtyRq")
    # The v2 list of closed orders has what was filled in `execQtyRq`.
    listed = ("execQtyRq",) if row.has("cumValueRv") else ()
    cumulative = row.optional_number("cumQty", "cumQtyRq", *listed)
    if terms.is_scaled:
        return ordered, cumulative, None  # the value is rounded to its scale, so it gives no exact average
    value = row.optional_number("cumValueRv")
    average = divide_shown(value, cumulative) if value and cumulative else None
    return ordered, cumulative, average


def _spot_figures(row: Row, terms: _Terms) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    ordered = None
    if row.optional_word("qtyType") != "ByQuote":
        ordered = terms.value(row, "baseQty", terms.base)
    cumulative = terms.value(row, "cumBaseQty", terms.base)
    if cumulative is None:
        cumulative = terms.value(row, "cumBaseValue", terms.base)
    # A zero stands for "not stated" under either name.
    average = terms.price(row, "avgPrice") or terms.price(row, "avgTransactPrice") or None
    if average is None and cumulative:
        value = terms.value(row, "cumQuoteQty", terms.quote) or terms.value(row, "cumQuoteValue", terms.quote)
        average = _quotient_on_scale(value, cumulative, terms.price_places or SPOT_PRICE_PLACES)
    return ordered, cumulative, average


def _quotient_on_scale(value: Decimal | None, quantity: Decimal, places: int) -> Decimal | None:
    """value / quantity where it ends within the places of a price.

    The value is rounded to its own scale, so a quotient that does not end says nothing exact.
    """
    if not value:
        return None
    quotient = divide_shown(value, quantity)
    exponent = quotient.as_tuple().exponent
    ends = isinstance(exponent, int) and exponent >= -places and EXACT.multiply(quotient, quantity) == value
    return quotient if ends else None


def _reason(row: Row, refusal: str) -> str:
    message = row.note("message", "text")
    if message in ("No error", "string"):
        message = ""
    return ": ".join(part for part in (refusal, message) if part)
