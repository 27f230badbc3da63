"""Orders: quantities as a fold over the fills that stand, a lifecycle as a fold over reports.

Both folds commute, so the order of arrival does not matter: status, leaves and averages are functions of
the sums (`Order.refresh` and below). The sums are exact; only what is shown is rounded. The fold over
reports is in `lifecycle`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from fillhandler_server.domain.fills import ContractKind, Fill, FillKey, Side
from fillhandler_server.domain.lifecycle import Lifecycle, earliest
from fillhandler_server.domain.numbers import EXACT, ONE, ZERO, divide_inverse, divide_shown
from fillhandler_server.domain.reports import FINAL_STATUSES, OrderStatus
from fillhandler_server.domain.reversals import Reversals

_add: Final = EXACT.add
_subtract: Final = EXACT.subtract
_fma: Final = EXACT.fma

type_key = str | FillKey
"""A fill's key within an order: the bare trade id in the common case (no leg, the order's own side)."""


class Order(Lifecycle):
    """One order's state. Times are nanoseconds since the epoch; None and "" mean "not known"."""

    __slots__ = (
        "account",
        "attempts",
        "base_currency",
        "cleared",
        "client_order_id",
        "contract_kind",
        "counted",
        "cumulative",
        "currencies_guessed",
        "fees",
        "fill_count",
        "fills",
        "fills_without_fee",
        "first_fill_time",
        "header",
        "inferred_count",
        "inferred_quantity",
        "inferred_sequence",
        "inverse_notional",
        "inverse_quantity",
        "last_fill_time",
        "market",
        "multiplier",
        "notional",
        "number",
        "order_id",
        "order_ids",
        "previous_order_id",
        "quote_currency",
        "reversals",
        "reversed_quantity",
        "sequence",
        "side",
        "status",
        "symbol",
        "unpriced_quantity",
        "update_time",
        "venue",
    )

    def __init__(self, number: int, venue: str, account: str) -> None:
        super().__init__()
        self.number = number
        self.venue = venue
        self.account = account
        self.market = ""
        self.symbol = ""
        self.order_id = ""
        self.order_ids: list[str] = []
        self.previous_order_id = ""
        self.client_order_id = ""
        self.side = 0
        self.base_currency = ""
        self.quote_currency = ""
        self.currencies_guessed = False
        """They were read from the symbol; whoever states them knows better."""
        self.contract_kind = 0
        self.multiplier: Decimal | None = None

        # Quantities: sums over the fills that stand.
        self.cumulative = ZERO
        self.notional = ZERO
        """Σ p·q over priced fills that are not inverse; the multiplier comes in when shown."""
        self.inverse_quantity = ZERO
        self.inverse_notional = ZERO
        """Σ q/p over priced inverse fills, each term to 40 places."""
        self.unpriced_quantity = ZERO
        self.fees: dict[str, list[Any]] = {}
        """Currency → [sum, how many fills state it], so that a bust leaves no false zero behind."""
        self.fill_count = 0
        self.fills_without_fee = 0
        self.reversed_quantity = ZERO
        """What busts and corrections took away: a FILLED report never covers it."""
        self.first_fill_time: int | None = None
        self.last_fill_time: int | None = None
        self.fills: dict[type_key, int] = {}
        """Every fill ever recorded under it, correcting ones too → sequence of its event."""
        self.reversals: Reversals | None = None
        self.inferred_sequence = 0
        """Sequence of the inferred fill that stands, of which there is one at most; 0 where none does."""
        self.inferred_quantity = ZERO
        """The part of `cumulative` that it is."""
        self.inferred_count = 0
        """Inferred fills there ever were: each has its own id."""

        self.attempts = 0
        """Requests to place it that were answered or failed; 0 for an order that others placed."""
        self.status = int(OrderStatus.UNKNOWN)
        self.sequence = 0
        self.update_time = 0
        self.cleared = 0
        """Sequence of the event that hid it from the read models; any later event shows it again."""

        # Caches, owned by the codec and the projections.
        self.header: bytes | None = None
        self.counted: Any = None

    # ------------------------------------------------------------------ identity

    def key_of(self, fill: Fill) -> type_key:
        """The key of a fill in `fills`."""
        if not fill.leg and fill.side == self.side:
            return fill.trade_id
        return FillKey(fill.trade_id, fill.leg, int(fill.side))

    def short_key(self, key: FillKey) -> type_key:
        """A full key as `fills` spells it."""
        return key.trade_id if not key.leg and key.side == self.side else key

    def full_key(self, key: type_key) -> FillKey:
        """A key of `fills`, spelt out."""
        return FillKey(key, "", self.side) if isinstance(key, str) else key

    def learn(self, *, market: str, symbol: str, order_id: str, client_order_id: str, side: int) -> bool:
        """Fills in what was not known of its identity. Returns whether anything changed."""
        changed = False
        if market and not self.market:
            self.market, changed = market, True
        if symbol and not self.symbol:
            self.symbol, changed = symbol, True
        if order_id and order_id not in self.order_ids:
            self.order_ids.append(order_id)
            if not self.order_id:
                self.order_id = order_id
            changed = True
        if client_order_id and not self.client_order_id:
            self.client_order_id, changed = client_order_id, True
        if side and not self.side:
            self.side, changed = int(side), True
        if changed:
            self.header = None
        return changed

    def replace_id(self, old: str, new: str) -> bool:
        """Notes that the venue amended the order by replacing an order id. Returns whether that is news."""
        replaced = self.replaced_by or {}
        if old in replaced or _last_of(replaced, new) == old:
            return False
        self.replaced_by = replaced = {**replaced, old: new}
        for order_id in (old, new):
            if order_id not in self.order_ids:
                self.order_ids.append(order_id)
        # Oldest first, whichever of them was heard of first.
        chains: list[str] = []
        for first in self.order_ids:
            if first not in replaced.values():
                chains.append(first)
                while chains[-1] in replaced:
                    chains.append(replaced[chains[-1]])
        self.order_ids = chains
        self.order_id = chains[-1]
        self.previous_order_id = next((old for old, new in replaced.items() if new == self.order_id), "")
        self.header = None
        self._weigh_deaths()
        return True

    def learn_contract(
        self, kind: int, multiplier: Decimal | None, base: str, quote: str, *, guessed: bool = False
    ) -> None:
        """Fills in what was not known of its contract and currencies. A guess gives way to what is stated."""
        if base and self.currencies_guessed and not guessed:
            self.base_currency, self.quote_currency, self.currencies_guessed = base, quote, False
        elif base and guessed and not self.base_currency:
            self.currencies_guessed = True
        if kind and not self.contract_kind:
            self.contract_kind = int(kind)
        if multiplier is not None and self.multiplier is None:
            self.multiplier = multiplier
        if base and not self.base_currency:
            self.base_currency = base
        if quote and not self.quote_currency:
            self.quote_currency = quote

    # ------------------------------------------------------------------ quantities

    def add_fill(self, fill: Fill) -> None:
        """Adds a fill to the sums."""
        quantity = fill.quantity
        price = fill.price
        self.cumulative = _add(self.cumulative, quantity)
        if price is None:
            self.unpriced_quantity = _add(self.unpriced_quantity, quantity)
        elif (fill.contract_kind or self.contract_kind) == 3:
            self._add_inverse(quantity, price, 1)
        else:
            self.notional = _fma(quantity, price, self.notional)
        if fill.fees:
            fees = self.fees
            for currency, amount in fill.fees:
                entry = fees.get(currency)
                if entry is None:
                    fees[currency] = [amount, 1]
                else:
                    entry[0] = _add(entry[0], amount)
                    entry[1] += 1
        else:
            self.fills_without_fee += 1
        self.fill_count += 1
        time = fill.trade_time
        if time is not None:
            if self.first_fill_time is None or time < self.first_fill_time:
                self.first_fill_time = time
            if self.last_fill_time is None or time > self.last_fill_time:
                self.last_fill_time = time

    def remove_fill(self, fill: Fill) -> bool:
        """Takes a fill out of the sums again.

        Returns:
            True where first or last fill time may have been its own: the caller then calls `retime`.
        """
        quantity = fill.quantity
        self.cumulative = _subtract(self.cumulative, quantity)
        if fill.price is None:
            self.unpriced_quantity = _subtract(self.unpriced_quantity, quantity)
        elif (fill.contract_kind or self.contract_kind) == ContractKind.INVERSE:
            self._add_inverse(quantity, fill.price, -1)
        else:
            self.notional = _subtract(self.notional, EXACT.multiply(quantity, fill.price))
        for currency, amount in fill.fees:
            entry = self.fees[currency]
            entry[0] = _subtract(entry[0], amount)
            entry[1] -= 1
            if not entry[1]:
                del self.fees[currency]
        if not fill.fees:
            self.fills_without_fee -= 1
        self.fill_count -= 1
        return fill.trade_time is not None and fill.trade_time in (self.first_fill_time, self.last_fill_time)

    def retime(self, times: list[int]) -> None:
        """Sets first and last fill time from the trade times of the fills that stand."""
        self.first_fill_time = min(times, default=None)
        self.last_fill_time = max(times, default=None)

    def refold(self, standing: list[Fill]) -> None:
        """Makes the sums anew from the fills that stand."""
        self.cumulative = self.notional = self.inverse_quantity = self.inverse_notional = ZERO
        self.unpriced_quantity = ZERO
        self.fees = {}
        self.fill_count = self.fills_without_fee = 0
        self.first_fill_time = self.last_fill_time = None
        for fill in standing:
            self.add_fill(fill)

    def _add_inverse(self, quantity: Decimal, price: Decimal, sign: int) -> None:
        if not price:
            # q/p does not exist at a price of zero: the average says what it covers without it.
            self.unpriced_quantity = _fma(quantity, Decimal(sign), self.unpriced_quantity)
            return
        self.inverse_quantity = _fma(quantity, Decimal(sign), self.inverse_quantity)
        self.inverse_notional = _fma(divide_inverse(quantity, price), Decimal(sign), self.inverse_notional)

    def absorb(self, other: Order) -> None:
        """Takes the sums and the lifecycle of an order that turned out to be this one.

        `fills`, `reports` and `reversals` are the caller's to move, because they name each fill once.
        """
        self.learn(
            market=other.market,
            symbol=other.symbol,
            order_id=other.order_id,
            client_order_id=other.client_order_id,
            side=other.side,
        )
        for order_id in other.order_ids:
            self.learn(market="", symbol="", order_id=order_id, client_order_id="", side=0)
        for old, new in (other.replaced_by or {}).items():
            self.replace_id(old, new)
        self.learn_contract(
            other.contract_kind,
            other.multiplier,
            other.base_currency,
            other.quote_currency,
            guessed=other.currencies_guessed,
        )
        self.header = None
        self._absorb_sums(other)
        self.absorb_reports(other)
        self.attempts += other.attempts

    def _absorb_sums(self, other: Order) -> None:
        self.cumulative = _add(self.cumulative, other.cumulative)
        self.notional = _add(self.notional, other.notional)
        self.inverse_quantity = _add(self.inverse_quantity, other.inverse_quantity)
        self.inverse_notional = _add(self.inverse_notional, other.inverse_notional)
        self.unpriced_quantity = _add(self.unpriced_quantity, other.unpriced_quantity)
        for currency, (amount, count) in other.fees.items():
            entry = self.fees.setdefault(currency, [ZERO, 0])
            entry[0] = _add(entry[0], amount)
            entry[1] += count
        self.fill_count += other.fill_count
        self.fills_without_fee += other.fills_without_fee
        self.reversed_quantity = _add(self.reversed_quantity, other.reversed_quantity)
        self.first_fill_time = earliest(self.first_fill_time, other.first_fill_time)
        if other.last_fill_time is not None:
            ours = self.last_fill_time
            self.last_fill_time = other.last_fill_time if ours is None else max(ours, other.last_fill_time)

    # ------------------------------------------------------------------ what follows from both

    def refresh(self) -> None:
        """Computes the status anew."""
        self.status = int(self._status())

    def _status(self) -> OrderStatus:
        ordered = self.order_quantity
        filled = self.cumulative
        if ordered is not None and filled >= ordered and filled:
            return OrderStatus.FILLED
        if self.filled_report_time is not None and not self.reversed_quantity:
            return OrderStatus.FILLED
        if self.dead_status:
            if self.dead_status == OrderStatus.REJECTED and filled:
                return OrderStatus.PARTIALLY_FILLED
            return OrderStatus(self.dead_status)
        if self.pending_time > self.report_time and not (
            self.pending_status == OrderStatus.PENDING_NEW and filled
        ):
            return OrderStatus(self.pending_status)
        if filled or (self.partly_reported and not self.reversed_quantity):
            return OrderStatus.PARTIALLY_FILLED
        if self.live_reported or self.filled_report_time is not None or self.fills:
            return OrderStatus.NEW
        if self.unknown_reported:
            return OrderStatus.UNKNOWN
        if self.registered:
            return OrderStatus.PENDING_NEW
        # Opened by a bust or a correction that waits for its fill: the venue knows the order.
        return OrderStatus.NEW

    @property
    def is_final(self) -> bool:
        """Whether nothing more is to be expected of it."""
        return self.status in FINAL_STATUSES or bool(self.dead_status)

    @property
    def leaves(self) -> Decimal | None:
        """What may still fill; None where the ordered quantity is not known."""
        if self.is_final:
            return ZERO
        if self.order_quantity is None:
            return None
        return max(ZERO, _subtract(self.order_quantity, self.cumulative))

    @property
    def retry_count(self) -> int:
        """Attempts to place it beyond the first."""
        return max(0, self.attempts - 1)

    @property
    def overfill(self) -> Decimal:
        """How far the fills exceed what was ordered."""
        if self.order_quantity is None:
            return ZERO
        return max(ZERO, _subtract(self.cumulative, self.order_quantity))

    @property
    def gap(self) -> Decimal:
        """How much the venue says was filled beyond its fills; what busts took away is no gap."""
        stated = self.reported_cumulative
        if stated is None or not self.side or not self.symbol:
            return ZERO
        known = _add(_subtract(self.cumulative, self.inferred_quantity), self.reversed_quantity)
        return max(ZERO, _subtract(stated, known))

    @property
    def average(self) -> Decimal | None:
        """Average price over the fills that have one, to 28 significant digits."""
        if self.inverse_notional:
            return divide_shown(self.inverse_quantity, self.inverse_notional)
        quantity = self.cumulative
        if self.unpriced_quantity or self.inverse_quantity:
            quantity = _subtract(_subtract(quantity, self.unpriced_quantity), self.inverse_quantity)
        return divide_shown(self.notional, quantity) if quantity else None

    @property
    def cumulative_notional(self) -> Decimal:
        """Σ(p·q·multiplier); for inverse contracts Σ(q·multiplier/p)."""
        total = self.inverse_notional if self.contract_kind == ContractKind.INVERSE else self.notional
        return EXACT.multiply(total, self.multiplier if self.multiplier is not None else ONE)

    @property
    def notional_currency(self) -> str:
        """The currency of `cumulative_notional`."""
        return self.base_currency if self.contract_kind == ContractKind.INVERSE else self.quote_currency

    @property
    def net_quantity(self) -> Decimal | None:
        """Spot: cumulative quantity less the fees charged in base (buys); None where base is not known."""
        if not self.base_currency or self.contract_kind not in (0, ContractKind.SPOT):
            return None
        entry = self.fees.get(self.base_currency)
        if entry is None or self.side != Side.BUY:
            return self.cumulative
        return _subtract(self.cumulative, Decimal(entry[0]))

    @property
    def complete_time(self) -> int | None:
        """When it became final, by the venue's clock; None while it is not, or where no time is known."""
        if self.status == OrderStatus.FILLED:
            ordered = self.order_quantity
            if self.inferred_sequence and self.filled_report_time is not None:
                return self.filled_report_time  # the fills that are missing may be the last
            if ordered is not None and self.cumulative >= ordered and self.last_fill_time is not None:
                return self.last_fill_time
            return self.filled_report_time if self.filled_report_time is not None else self.last_fill_time
        return self.dead_time if self.dead_status else None


def _last_of(replaced: dict[str, str], order_id: str) -> str:
    while order_id in replaced:
        order_id = replaced[order_id]
    return order_id


def stands(order: Order, key: FillKey) -> bool:
    """Whether the fill of this key counts: neither busted nor replaced."""
    reversals = order.reversals
    if reversals is None:
        return order.short_key(key) in order.fills
    if key in reversals.superseded:
        return False
    if order.short_key(key) not in order.fills or key in reversals.next:
        return False
    return reversals.root(key) not in reversals.busted
