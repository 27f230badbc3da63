"""Binance user data streams: spot and margin, USD-M and COIN-M futures, options."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from fillhandler_server.domain.fills import Fill, Liquidity, Side
from fillhandler_server.domain.numbers import ZERO, divide_shown
from fillhandler_server.domain.reports import OrderReport, OrderStatus
from fillhandler_server.venues.binance.symbols import OPTION_QUOTE, Instrument, derivative, spot
from fillhandler_server.venues.binance.words import (
    EXECUTIONS,
    FILLS,
    LIQUIDITIES,
    SIDES,
    SKIPPED_EVENTS,
    STATUSES,
    execution_mark,
)
from fillhandler_server.venues.reading import Reading, Row


def is_event(data: dict[str, object]) -> bool:
    """Whether an object is an event that this module knows."""
    name = data.get("e")
    return isinstance(name, str) and (name in _EVENTS or name in SKIPPED_EVENTS)


def read_event(row: Row, reading: Reading) -> None:
    """Reads an event by its name."""
    name = row.data["e"]
    assert isinstance(name, str)  # is_event
    read = _EVENTS.get(name)
    if read is not None:
        read(row, reading)
    else:
        reading.skip(SKIPPED_EVENTS[name], f"event {name}")


def fee(row: Row, amount_key: str, currency_key: str) -> tuple[tuple[str, Decimal], ...]:
    """The fee, positive = cost as Binance sends it; () where it is not stated.

    Futures leave both out where there is no commission; a zero without a currency states nothing.
    """
    amount = row.optional_number(amount_key)
    if amount is None:
        return ()
    currency = row.optional_id(currency_key)
    if currency:
        return ((currency, amount),)
    if amount:
        row.fail(currency_key, "missing beside a fee")
    return ()


def average(value: Decimal | None, quantity: Decimal | None) -> Decimal | None:
    """value / quantity where both are known and above zero. A value below zero says "not available"."""
    if not value or not quantity or value < ZERO:
        return None
    return divide_shown(value, quantity)


def _execution_report(row: Row, reading: Reading) -> None:
    # `q` and `p` are the order's; `l`, `L`, `n`, `N`, `t`, `m` are this execution's.
    symbol = row.id("s")
    _execution(
        row, reading, spot(symbol), symbol, time=row.time("T", "E"), filled_value=row.optional_number("Z")
    )


def _order_trade_update(row: Row, reading: Reading) -> None:
    orders = row.data.get("o")
    if isinstance(orders, list):
        for order in row.rows("o"):
            _option_order(order, reading)
        return
    inner = row.optional_row("o")
    if inner is None:
        row.fail("o", "missing")
        return
    symbol = inner.id("s")
    time = inner.optional_time("T") or row.time("T", "E")
    _execution(inner, reading, derivative(symbol), symbol, time=time, filled_value=None)


def _execution(
    row: Row,
    reading: Reading,
    instrument: Instrument,
    symbol: str,
    *,
    time: int | None,
    filled_value: Decimal | None,
) -> None:
    data = row.data
    order_id = row.id("i")
    client_order_id = row.optional_id("c")
    execution = row.choice(EXECUTIONS, "x", default="")
    status = row.choice(STATUSES, "X", default=OrderStatus.UNSPECIFIED)
    if execution == "CANCELED" or status == OrderStatus.CANCELED:
        # `c` names the cancel request then. Old captures spell "none" as the word null.
        original = row.optional_id("C")
        if original and original != "null":
            client_order_id = original
    side = row.choice(SIDES, "S", default=Side.UNSPECIFIED)
    metadata = execution_mark(client_order_id, execution)
    position_side = data.get("ps")
    if position_side == "LONG" or position_side == "SHORT":
        metadata["position_side"] = str(position_side)

    if execution in FILLS:
        quantity = row.number("l").copy_abs()
        if quantity:
            reading.fills.append(
                Fill(
                    venue=reading.venue,
                    symbol=symbol,
                    order_id=order_id,
                    trade_id=_trade_id(row),
                    side=side,
                    quantity=quantity,
                    # Nothing trades at 0 there; it stands for a price that was not filled in.
                    price=row.number("L") or None,
                    account=reading.account,
                    market=instrument.market,
                    client_order_id=client_order_id,
                    fees=fee(row, "n", "N"),
                    liquidity=Liquidity.MAKER if row.flag("m") else Liquidity.TAKER,
                    trade_time=time,
                    contract_kind=instrument.kind,
                    multiplier=instrument.multiplier,
                    metadata=dict(metadata),
                    base_currency=instrument.base,
                    quote_currency=instrument.quote,
                )
            )

    kind = row.optional_word("o").lower()
    cumulative = row.number("z").copy_abs()
    stated = row.optional_above_zero("ap") if cumulative else None
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=status,
            symbol=symbol,
            order_id=order_id,
            client_order_id=client_order_id,
            account=reading.account,
            market=instrument.market,
            side=side,
            type=kind,
            order_quantity=row.number("q").copy_abs() or None,
            cumulative_quantity=cumulative,
            average_price=stated if filled_value is None else average(filled_value, cumulative),
            limit_price=None if kind == "market" else row.optional_above_zero("p"),
            time=time,
            create_time=row.optional_time("O"),
            contract_kind=instrument.kind,
            multiplier=instrument.multiplier,
            base_currency=instrument.base,
            quote_currency=instrument.quote,
            reason=_reason(row),
            metadata=metadata,
        )
    )


def _trade_id(row: Row) -> str:
    """The id of the match, unique a symbol; -1 is none. What smart order routing filled has an allocation."""
    trade_id = row.optional_id("t")
    if trade_id and trade_id != "-1":
        return trade_id
    # `a` of futures is a notional, so only an integer is an allocation.
    allocation = row.data.get("a")
    return f"allocation-{allocation}" if allocation.__class__ is int and allocation != -1 else ""


def _reason(row: Row) -> str:
    reason = row.data.get("r")
    if reason != "NONE" and isinstance(reason, str) and reason:
        return row.note("r")
    if "eR" in row.data or "er" in row.data:  # spot, futures: a number of a list in the documentation
        expiry = row.note("eR", "er")
        return f"expiry reason {expiry}" if expiry and expiry != "0" else ""
    return ""


def _trade_lite(row: Row, reading: Reading) -> None:
    """An early copy of a futures trade with the same `t`: no fee and no status."""
    symbol = row.id("s")
    instrument = derivative(symbol)
    client_order_id = row.optional_id("c")
    reading.fills.append(
        Fill(
            venue=reading.venue,
            symbol=symbol,
            order_id=row.id("i"),
            trade_id=_trade_id(row),
            side=row.choice(SIDES, "S", default=Side.UNSPECIFIED),
            quantity=row.size("l"),
            price=row.number("L") or None,
            account=reading.account,
            market=instrument.market,
            client_order_id=client_order_id,
            liquidity=Liquidity.MAKER if row.flag("m") else Liquidity.TAKER,
            trade_time=row.time("T", "E"),
            contract_kind=instrument.kind,
            multiplier=instrument.multiplier,
            metadata=execution_mark(client_order_id),
            base_currency=instrument.base,
            quote_currency=instrument.quote,
        )
    )


def _option_order(row: Row, reading: Reading) -> None:
    """An order of the options stream in its first form: the sign of `q` is the side, its fills in `fi`."""
    symbol = row.id("s")
    order_id = row.id("oid")
    client_order_id = row.optional_id("c")
    ordered = row.number("q")
    side = Side.SELL if ordered < ZERO else Side.BUY
    for trade in row.rows("fi"):
        amount = trade.optional_number("f")
        reading.fills.append(
            Fill(
                venue=reading.venue,
                symbol=symbol,
                order_id=order_id,
                trade_id=trade.optional_id("t"),
                side=side,
                quantity=trade.size("q"),
                price=trade.number("p"),
                account=reading.account,
                market="option",
                client_order_id=client_order_id,
                fees=() if amount is None else ((OPTION_QUOTE, amount),),
                liquidity=trade.optional_choice(LIQUIDITIES, "m", default=Liquidity.UNSPECIFIED),
                trade_time=trade.time("T"),
                quote_currency=OPTION_QUOTE,
            )
        )
    cumulative = row.number("e").copy_abs()
    value = row.optional_number("ec")
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=row.choice(STATUSES, "S", default=OrderStatus.UNSPECIFIED),
            symbol=symbol,
            order_id=order_id,
            client_order_id=client_order_id,
            account=reading.account,
            market="option",
            side=side,
            type=row.optional_word("oty").lower(),
            order_quantity=ordered.copy_abs() or None,
            cumulative_quantity=cumulative,
            average_price=average(None if value is None else value.copy_abs(), cumulative),
            limit_price=row.optional_above_zero("p"),
            time=row.optional_time("t"),
            create_time=row.optional_time("T"),
            quote_currency=OPTION_QUOTE,
        )
    )


def _trigger_reject(row: Row, reading: Reading) -> None:
    """A futures order that a trigger placed and the engine refused."""
    inner = row.optional_row("or")
    if inner is None:
        row.fail("or", "missing")
        return
    symbol = inner.id("s")
    instrument = derivative(symbol)
    reading.reports.append(
        OrderReport(
            venue=reading.venue,
            status=OrderStatus.REJECTED,
            symbol=symbol,
            order_id=inner.id("i"),
            account=reading.account,
            market=instrument.market,
            time=row.optional_time("T", "E"),
            contract_kind=instrument.kind,
            multiplier=instrument.multiplier,
            base_currency=instrument.base,
            quote_currency=instrument.quote,
            reason=inner.note("r"),
        )
    )


_EVENTS: Final[dict[str, Callable[[Row, Reading], None]]] = {
    "executionReport": _execution_report,
    "ORDER_TRADE_UPDATE": _order_trade_update,
    "TRADE_LITE": _trade_lite,
    "CONDITIONAL_ORDER_TRIGGER_REJECT": _trigger_reject,
}
EVENT_NAMES: Final = frozenset(_EVENTS)
