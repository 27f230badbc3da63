"""What the handler gives out: fills and orders with exact numbers, plain words and times in UTC.

Fields have the names and the meaning of `fillhandler.v1`'s messages. Numbers are Decimals; what is not known
is None, and "" for text. Datetimes hold microseconds; the journal keeps the nanoseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Final

from fillhandler_server.domain.fills import MAIN_ACCOUNT, ContractKind, Fill, FillState, Liquidity, Side
from fillhandler_server.domain.numbers import canonical
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.reports import OrderStatus, Skipped
from fillhandler_server.rpc.convert import base_quantity, fill_percentage

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class ExchangeType(StrEnum):
    """The exchanges whose payloads are understood."""

    BINANCE = "binance"
    BITGET = "bitget"
    BYBIT = "bybit"
    COINBASE = "coinbase"
    GATE = "gate"
    HYPERLIQUID = "hyperliquid"
    KRAKEN = "kraken"
    KUCOIN = "kucoin"
    OKX = "okx"
    PHEMEX = "phemex"


@dataclass(frozen=True, slots=True)
class Contract:
    """What a quantity is counted in: SPOT, LINEAR or INVERSE, and what one contract stands for (None: 1)."""

    kind: str = ""
    multiplier: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FillEvent:
    """One fill: as it stands in the record, or, with `outcome` CONFLICT, as it was refused.

    It can also be made by hand, from the fields of a fill, and handed to `process_fill_event`; what the
    record says of it (from `state` on) is not read then.
    """

    venue: str
    symbol: str
    side: str
    """BUY or SELL."""
    quantity: Decimal
    """In the venue's own unit: base asset, or contracts."""
    price: Decimal | None = None
    order_id: str = ""
    trade_id: str = ""
    account: str = MAIN_ACCOUNT
    market: str = ""
    client_order_id: str = ""
    leg: str = ""
    fees: Mapping[str, Decimal] = field(default_factory=dict)
    """Currency → amount; positive is a cost, negative a rebate. Empty: not known."""
    liquidity: str = ""
    """MAKER, TAKER, or "" where the venue did not say."""
    trade_time: datetime | None = None
    receive_time: datetime | None = None
    contract: Contract | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    base_currency: str = ""
    quote_currency: str = ""

    state: str = ""
    """STANDING; BUSTED or CORRECTED by the venue; "" where it is not in the record."""
    sequence: int = 0
    """Of the event that holds it."""
    outcome: str = ""
    """RECORDED, DUPLICATE (it was there, nothing changed), ENRICHED (it told what was not known), or
    CONFLICT (other content under the same identity: the first stands)."""
    inferred: bool = False
    trade_id_derived: bool = False
    fill_percentage: Decimal | None = None
    """Of its order after the whole payload; None where the ordered quantity is not known."""
    others: tuple[FillEvent, ...] = ()
    """The other fills of the same payload, in its order."""

    @property
    def payload_fills(self) -> tuple[FillEvent, ...]:
        """All fills of the payload: this one, which came first, and the others."""
        return (self, *self.others)


RECORD_FIELDS: Final = frozenset(
    {"state", "sequence", "outcome", "inferred", "trade_id_derived", "fill_percentage", "others"}
)
"""The fields of a FillEvent that say what became of a fill, not what it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderState:
    """One order, folded from its fills and its reports."""

    venue: str
    account: str
    market: str
    symbol: str
    order_id: str
    order_ids: tuple[str, ...]
    """All it has had, oldest first."""
    previous_order_id: str
    client_order_id: str
    side: str
    """BUY, SELL, or "" while it is not known."""
    type: str
    status: str
    """PENDING_NEW, NEW, PARTIALLY_FILLED, FILLED, PENDING_CANCEL, PENDING_REPLACE, CANCELED, EXPIRED,
    REJECTED or UNKNOWN."""
    order_quantity: Decimal | None
    cumulative_quantity: Decimal
    leaves_quantity: Decimal | None
    overfill_quantity: Decimal
    net_quantity: Decimal | None
    fill_percentage: Decimal | None
    """0 to 100 and above, two places, rounded down; None where the ordered quantity is not known."""
    limit_price: Decimal | None
    expected_price: Decimal | None
    average_price: Decimal | None
    """To 28 significant digits."""
    base_quantity: Decimal | None
    """`cumulative_quantity` in units of the base currency; None where a contract's size or a price is not
    known."""
    inferred_quantity: Decimal | None
    """The part of `cumulative_quantity` that was inferred from the venue's cumulative; None for nothing."""
    cumulative_notional: Decimal
    notional_currency: str
    reported_cumulative_quantity: Decimal | None
    reported_average_price: Decimal | None
    fees: Mapping[str, Decimal]
    """Currency → sum."""
    fill_count: int
    retry_count: int
    registered: bool
    create_time: datetime | None
    first_fill_time: datetime | None
    last_fill_time: datetime | None
    complete_time: datetime | None
    update_time: datetime
    sequence: int
    """Of the last event that moved it."""
    contract: Contract | None
    base_currency: str
    quote_currency: str
    order_number: int


@dataclass(frozen=True, slots=True)
class PayloadResult:
    """All that a payload came to."""

    fills: tuple[FillEvent, ...]
    orders: tuple[OrderState, ...]
    """Each order it touched, as it is after the whole payload."""
    skipped: tuple[Skipped, ...]
    """What of it is neither a fill nor an order report: its kind in the venue's words, why, and how often."""


def fill_event(
    fill: Fill,
    order: Order,
    *,
    outcome: str,
    sequence: int,
    state: int = FillState.UNSPECIFIED,
    now: int,
) -> FillEvent:
    """A fill as it is given out, with what its order knows by now. `now`: when it arrives, if it says not."""
    return FillEvent(
        venue=fill.venue,
        account=fill.account,
        market=fill.market or order.market,
        symbol=fill.symbol,
        order_id=fill.order_id or order.order_id,
        client_order_id=fill.client_order_id or order.client_order_id,
        trade_id=fill.trade_id,
        leg=fill.leg,
        side=_word(Side, fill.side),
        quantity=plain(fill.quantity),
        price=_known(fill.price),
        fees={currency: plain(amount) for currency, amount in fill.fees},
        liquidity=_word(Liquidity, fill.liquidity),
        trade_time=utc_time(fill.trade_time),
        receive_time=utc_time(now if fill.receive_time is None else fill.receive_time),
        contract=_contract(fill.contract_kind, fill.multiplier),
        metadata=dict(fill.metadata),
        base_currency=fill.base_currency,
        quote_currency=fill.quote_currency,
        state=_word(FillState, state),
        sequence=sequence,
        outcome=outcome,
        inferred=fill.inferred,
        trade_id_derived=fill.trade_id_derived,
        fill_percentage=_percentage(order),
    )


def order_state(order: Order) -> OrderState:
    """An order as it is now."""
    return OrderState(
        venue=order.venue,
        account=order.account,
        market=order.market,
        symbol=order.symbol,
        order_id=order.order_id,
        order_ids=tuple(order.order_ids),
        previous_order_id=order.previous_order_id,
        client_order_id=order.client_order_id,
        side=_word(Side, order.side),
        type=order.type,
        status=_word(OrderStatus, order.status),
        order_quantity=_known(order.order_quantity),
        cumulative_quantity=plain(order.cumulative),
        leaves_quantity=_known(order.leaves),
        overfill_quantity=plain(order.overfill),
        net_quantity=_known(order.net_quantity),
        fill_percentage=_percentage(order),
        limit_price=_known(order.limit_price),
        expected_price=_known(order.expected_price),
        average_price=_known(order.average),
        base_quantity=_known(base_quantity(order)),
        inferred_quantity=_known(order.inferred_quantity if order.inferred_sequence else None),
        cumulative_notional=plain(order.cumulative_notional),
        notional_currency=order.notional_currency,
        reported_cumulative_quantity=_known(order.reported_cumulative),
        reported_average_price=_known(order.reported_average),
        fees={currency: plain(Decimal(entry[0])) for currency, entry in sorted(order.fees.items())},
        fill_count=order.fill_count,
        retry_count=order.retry_count,
        registered=bool(order.registered),
        create_time=utc_time(order.create_time),
        first_fill_time=utc_time(order.first_fill_time),
        last_fill_time=utc_time(order.last_fill_time),
        complete_time=utc_time(order.complete_time),
        update_time=_moment(order.update_time),
        sequence=order.sequence,
        contract=_contract(order.contract_kind, order.multiplier),
        base_currency=order.base_currency,
        quote_currency=order.quote_currency,
        order_number=order.number,
    )


def plain(value: Decimal) -> Decimal:
    """As the journal has it: without trailing zeros, whatever the arithmetic left."""
    return Decimal(canonical(value))


def _known(value: Decimal | None) -> Decimal | None:
    return None if value is None else plain(value)


def _word(kind: type[IntEnum], value: int) -> str:
    return kind(value).name if value else ""


def _contract(kind: int, multiplier: Decimal | None) -> Contract | None:
    return Contract(_word(ContractKind, kind), _known(multiplier)) if kind or multiplier is not None else None


def _percentage(order: Order) -> Decimal | None:
    text = fill_percentage(order)
    return None if text is None else Decimal(text)


def utc_time(nanoseconds: int | None) -> datetime | None:
    """A time as it is given out, to the microsecond; None stays None."""
    return None if nanoseconds is None else _moment(nanoseconds)


def _moment(nanoseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=nanoseconds // 1_000)
