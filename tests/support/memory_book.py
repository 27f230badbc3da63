"""The engine's book in plain dictionaries: what a store behind `domain.events.Book` has to do."""

from collections import defaultdict
from decimal import Decimal

from fillhandler_server.domain.fills import Fill, FillKey, FillState
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.trades import Trade

Scope = tuple[str, str, str]


class MemoryTrades:
    """Implements `domain.trades.TradeBook`."""

    def __init__(self) -> None:
        self._trades: dict[str, Trade] = {}

    def get(self, trade_id: str) -> Trade | None:
        return self._trades.get(trade_id)

    def of_request(self, request_id: str) -> Trade | None:
        return next((trade for trade in self._trades.values() if trade.request_id == request_id), None)

    def of_order(self, order_number: int) -> Trade | None:
        numbers = ((trade, leg.order_number) for trade in self._trades.values() for leg in trade.legs)
        return next((trade for trade, number in numbers if number == order_number), None)

    def put(self, trade: Trade) -> None:
        self._trades[trade.trade_id] = trade

    def active(self) -> list[Trade]:
        return [trade for trade in self._trades.values() if not trade.finished]


class MemoryBook:
    """Implements `domain.events.Book`."""

    def __init__(self) -> None:
        self.resolved: dict[tuple[str, str, str, str, str], Order] = {}
        self.trades = MemoryTrades()
        self.orders: dict[int, Order] = {}
        self.states: dict[int, FillState] = {}
        """Fills that do not stand, by the sequence they were recorded at."""
        self._names: dict[tuple[str, str, str, str], set[int]] = defaultdict(set)
        self._trades: dict[tuple[Scope, FillKey], set[int]] = defaultdict(set)
        self._scopes: set[Scope] = set()
        self._fills: dict[int, Fill] = {}
        self._conflicts: dict[tuple[int, FillKey, str], int] = {}
        self._into: dict[int, int] = {}

    # ------------------------------------------------------------------ what the engine asks

    def order(self, number: int) -> Order:
        return self.orders[number]

    def by_order_id(self, venue: str, account: str, order_id: str) -> list[Order]:
        return self._current(self._names["order", venue, account, order_id])

    def by_client_order_id(self, venue: str, account: str, client_order_id: str) -> list[Order]:
        return self._current(self._names["client", venue, account, client_order_id])

    def by_trade(self, venue: str, account: str, symbol: str, key: FillKey) -> list[Order]:
        return self._current(self._trades[(venue, account, symbol), key])

    def trade_scope(self, venue: str, account: str, symbol: str) -> bool:
        return (venue, account, symbol) in self._scopes

    def open_trade_scope(self, venue: str, account: str, symbol: str) -> None:
        # Every trade is kept here; the scope only says whether the engine asks.
        self._scopes.add((venue, account, symbol))

    def fill(self, sequence: int) -> Fill:
        return self._fills[sequence]

    def conflict(self, order: Order, key: FillKey, digest: str) -> int:
        return self._conflicts.get((order.number, key, digest), 0)

    # ------------------------------------------------------------------ what the fold tells

    def add_order(self, order: Order) -> None:
        self.orders[order.number] = order

    def reindex(self, order: Order) -> None:
        names = [("order", order_id) for order_id in order.order_ids]
        if order.client_order_id:
            names.append(("client", order.client_order_id))
        for kind, name in names:
            numbers = self._names[kind, order.venue, order.account, name]
            numbers.add(order.number)
            if len(numbers) > 1:
                self.resolved.clear()

    def remove_order(self, order: Order, into: Order) -> None:
        self._into[order.number] = into.number
        del self.orders[order.number]
        self.reindex(into)
        self.resolved.clear()
        for number, key, digest in list(self._conflicts):
            if number == order.number:
                moved = self._conflicts.pop((number, key, digest))
                self._conflicts.setdefault((into.number, key, digest), moved)

    def add_fill(self, order: Order, fill: Fill, sequence: int) -> None:
        self._fills[sequence] = fill
        self.add_trade(order, fill.key)

    def add_trade(self, order: Order, key: FillKey) -> None:
        self._trades[(order.venue, order.account, order.symbol), key].add(order.number)

    def replace_fill(self, order: Order, fill: Fill, fill_sequence: int, sequence: int) -> None:
        self._fills[fill_sequence] = fill

    def set_state(self, fill_sequence: int, state: FillState) -> None:
        self.states[fill_sequence] = state

    def recount(self, order: Order, fills: list[Fill], kind: int, multiplier: Decimal | None) -> None:
        """Statistics are the store's."""

    def uncount(self, order: Order, fill: Fill, sequence: int) -> None:
        self.states[sequence] = FillState.CORRECTED

    def add_conflict(self, order: Order, key: FillKey, digest: str, sequence: int) -> None:
        self._conflicts[order.number, key, digest] = sequence

    def committed(self, sequence: int, fill: Fill) -> None:
        """The fill recorded at this sequence is durable, as `fill`."""
        if sequence in self._fills:
            self._fills[sequence] = fill

    def _current(self, numbers: set[int]) -> list[Order]:
        found = set()
        for number in numbers:
            while number in self._into:
                number = self._into[number]
            found.add(number)
        return [self.orders[number] for number in sorted(found)]
