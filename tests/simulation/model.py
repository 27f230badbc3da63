"""Makes a venue's day by seed: several accounts, all kinds of orders, ids that collide wherever they may."""

from __future__ import annotations

import random
from collections import defaultdict
from decimal import Decimal
from itertools import count

from tests.simulation.truth import BUY, SELL, Day, Event, Execution, Kind, Listing, State, TruthOrder, total
from tests.simulation.writer import SECOND, Writer

DAY_START = 1_760_000_000 * SECOND
ACCOUNTS = ("main", "hedge", "desk-3")

_STORIES = {
    "fill": 4,
    "cancel": 3,
    "work": 2,
    "expire": 1,
    "reject": 1,
    "amend": 3,
    "self": 2,
    "bust": 2,
    "flip": 1,
}


def make_day(writer: Writer, seed: int) -> Day:
    """The same for the same writer and seed."""
    return _Maker(writer, seed).day()


class _Maker:
    def __init__(self, writer: Writer, seed: int) -> None:
        self._writer = writer
        self._has = writer.capabilities
        self._draw = random.Random(f"{writer.venue} {seed}")
        self._seed = seed
        self._accounts = ACCOUNTS[: self._draw.randint(1, 3)]
        # One first number for all scopes: ids are equal wherever the venue lets them be.
        self._first = self._draw.randrange(10_000_000, 90_000_000)
        self._trades: dict[str, count[int]] = defaultdict(lambda: count(self._first, 3))
        self._ids: dict[str, count[int]] = defaultdict(lambda: count(self._first + 500, 7))
        self._numbers = count(self._first + 900)
        self._orders: list[TruthOrder] = []
        self._clock: dict[int, int] = {}

    def day(self) -> Day:
        draw = self._draw
        stories = [name for name in _STORIES if self._may(name)]
        weights = [_STORIES[name] for name in stories]
        # Few symbols, so that their orders meet.
        self._listings = draw.sample(
            self._writer.listings, min(len(self._writer.listings), draw.randint(1, 3))
        )
        wanted = draw.randint(5, 9)
        while len(self._orders) < wanted:
            story = draw.choices(stories, weights)[0]
            getattr(self, f"_{story}")()
        end = max(order.events[-1].time for order in self._orders) + 5 * SECOND
        return Day(self._writer.venue, self._seed, DAY_START, end, self._accounts, self._orders)

    def _may(self, story: str) -> bool:
        has = self._has
        if story == "amend":
            return bool(has.amend)
        if story == "flip":
            return has.flips and any(listing.market == "linear" for listing in self._writer.listings)
        return has.busts if story == "bust" else True

    # ------------------------------------------------------------------ stories

    def _fill(self) -> None:
        order = self._open(type=self._draw.choice(["limit", "limit", "market", "ioc"]))
        for part in self._parts(order, self._draw.randint(1, 4)):
            self._trade(order, part)

    def _cancel(self) -> None:
        order = self._open()
        self._some(order)
        self._end(order, Kind.CANCELED)

    def _work(self) -> None:
        self._some(self._open())

    def _expire(self) -> None:
        order = self._open(type="ioc", without=Kind.EXPIRED)
        self._some(order)
        if Kind.EXPIRED not in order.listing.without:
            self._end(order, Kind.EXPIRED)

    def _reject(self) -> None:
        listing = self._draw.choice(self._listings)
        if Kind.REJECTED not in listing.without:
            order = self._new(listing, "limit", self._draw.choice([BUY, SELL]))
            self._add(order, Kind.REJECTED, status="REJECTED")

    def _amend(self) -> None:
        order = self._open(without=Kind.AMENDED)
        if Kind.AMENDED in order.listing.without:
            return
        for _ in range(self._draw.choice([1, 1, 2])):
            self._some(order)
            self._change(order)
        self._some(order)
        ending = self._draw.choice(["fill", "cancel", "work"])
        if ending == "fill":
            for part in self._parts(order, self._draw.randint(1, 2)):
                self._trade(order, part)
        elif ending == "cancel":
            self._end(order, Kind.CANCELED)

    def _self(self) -> None:
        """One match between two own orders, of one account or of two."""
        maker = self._open()
        listing = maker.listing
        other = BUY if maker.side == SELL else SELL
        account = maker.account if self._draw.random() < 0.7 else None
        taker = self._open(listing=listing, side=other, account=account)
        if self._draw.random() < 0.5:
            self._some(maker)
        lots = int(min(maker.final.leaves, taker.final.leaves) / listing.lot)
        quantity = self._draw.randint(1, lots) * listing.lot
        number, time = self._match(maker), max(self._next(maker), self._next(taker))
        price = self._price(listing)
        for order, is_maker in ((maker, True), (taker, False)):
            self._trade(order, quantity, number=number, time=time, price=price, is_maker=is_maker)
        for order in (maker, taker):
            if order.final.leaves and self._draw.random() < 0.5:
                self._end(order, Kind.CANCELED)

    def _bust(self) -> None:
        order = self._open()
        self._some(order, least=1)
        if self._draw.random() < 0.5 and order.final.leaves:
            self._trade(order, order.final.leaves)
        if order.final.leaves and self._draw.random() < 0.3:
            self._end(order, Kind.CANCELED)
        for execution in self._draw.sample(
            order.executions, self._draw.choice([1, 1, min(2, len(order.executions))])
        ):
            before = order.final
            left = tuple(e for e in before.executions if e is not execution)
            status = before.status
            if status in ("FILLED", "PARTIALLY_FILLED"):
                status = "PARTIALLY_FILLED" if left else "NEW"
            state = State(self._next(order), status, before.quantity, before.limit, before.order_ids, left)
            order.events.append(Event(Kind.BUSTED, order, state.time, state, execution))

    def _flip(self) -> None:
        """One match closes a position and opens the other way: two fills under one trade id."""
        listing = self._draw.choice([one for one in self._writer.listings if one.market == "linear"])
        order = self._open(listing=listing)
        if order.final.quantity < 2 * listing.lot:
            return
        if self._draw.random() < 0.5:
            self._trade(order, self._parts(order, 3)[0], leg="open")
        lots = int(order.final.leaves / listing.lot)
        if lots < 2:
            return
        # Equal parts are the ones that only the leg tells apart.
        part = self._draw.choice([lots // 2, self._draw.randint(1, lots - 1)])
        number, price, is_maker = self._match(order), self._price(listing), self._draw.random() < 0.5
        for leg, share in (
            ("close", part),
            ("open", min(part, lots - part) if part == lots // 2 else lots - part),
        ):
            quantity = share * listing.lot
            self._trade(order, quantity, number=number, price=price, is_maker=is_maker, leg=leg)
        if order.final.leaves:
            self._end(order, Kind.CANCELED)

    # ------------------------------------------------------------------ steps

    def _new(self, listing: Listing, kind: str, side: int, account: str | None = None) -> TruthOrder:
        number = next(self._numbers)
        account = account or self._draw.choice(self._accounts)
        registered = self._draw.random() < 0.6
        name = self._writer.client_order_id(number)
        order = TruthOrder(self._writer.venue, account, listing, number, name, side, kind, registered)
        self._orders.append(order)
        self._clock[number] = DAY_START + self._draw.randrange(60) * SECOND
        return order

    def _open(
        self,
        *,
        type: str = "limit",  # noqa: A002
        listing: Listing | None = None,
        side: int = 0,
        account: str | None = None,
        without: Kind | None = None,
    ) -> TruthOrder:
        fitting = [one for one in self._listings if without not in one.without] or self._listings
        listing = listing or self._draw.choice(fitting)
        order = self._new(listing, type, side or self._draw.choice([BUY, SELL]), account)
        self._add(order, Kind.ACCEPTED, status="NEW")
        return order

    def _add(self, order: TruthOrder, kind: Kind, *, status: str) -> None:
        """The first event of an order."""
        listing = order.listing
        limit = None if order.type == "market" else self._price(listing)
        quantity = self._draw.randint(1, listing.lots) * listing.lot
        order_id = self._order_id(order)
        state = State(self._next(order), status, quantity, limit, (order_id,), ())
        order.events.append(Event(kind, order, state.time, state))

    def _order_id(self, order: TruthOrder) -> str:
        market, symbol = order.listing.market, order.listing.symbol
        scope = {"symbol": f"{market} {symbol}", "market": market, "venue": ""}[self._has.order_ids]
        return self._writer.order_id(next(self._ids[scope]))

    def _some(self, order: TruthOrder, least: int = 0) -> None:
        """A few partial fills that leave something open."""
        for _ in range(self._draw.randint(least, 3)):
            lots = int(order.final.leaves / order.listing.lot)
            if lots < 2:
                if least and not order.executions:
                    self._trade(order, order.final.leaves)
                return
            self._trade(order, self._draw.randint(1, max(1, lots // 2)) * order.listing.lot)

    def _parts(self, order: TruthOrder, parts: int) -> list[Decimal]:
        """What is open in so many parts, or fewer; equal ones are frequent. Only whole lots trade."""
        lot = order.listing.lot
        lots = int(order.final.leaves / lot)
        parts = min(parts, lots)
        if self._draw.random() < 0.3:
            sizes = [lots // parts] * parts
            sizes[-1] += lots - sum(sizes)
        else:
            cuts = sorted(self._draw.sample(range(1, lots), parts - 1))
            sizes = [b - a for a, b in zip([0, *cuts], [*cuts, lots], strict=True)]
        return [size * lot for size in sizes]

    def _trade(
        self,
        order: TruthOrder,
        quantity: Decimal,
        *,
        number: int | None = None,
        time: int | None = None,
        price: Decimal | None = None,
        is_maker: bool | None = None,
        leg: str = "",
    ) -> None:
        before, listing, draw = order.final, order.listing, self._draw
        number = self._match(order) if number is None else number
        if is_maker is None:
            is_maker = order.type == "limit" and draw.random() < 0.6
        fee = Decimal(draw.randrange(1, 10**6)).scaleb(-self._has.fee_places)
        if is_maker and self._has.rebates and draw.random() < 0.4:
            fee = -fee
        if draw.random() < 0.05:
            fee = Decimal(0)
        execution = Execution(
            order,
            before.order_id,
            number,
            self._writer.trade_id(number),
            order.side,
            quantity,
            self._price(listing) if price is None else price,
            fee,
            draw.choice(listing.fee_currencies),
            is_maker,
            self._next(order) if time is None else time,
            leg,
        )
        executions = (*before.executions, execution)
        filled = total(e.quantity for e in executions) >= before.quantity
        state = State(
            execution.time,
            "FILLED" if filled else "PARTIALLY_FILLED",
            before.quantity,
            before.limit,
            before.order_ids,
            executions,
        )
        self._clock[order.number] = execution.time
        order.events.append(Event(Kind.TRADED, order, execution.time, state, execution))

    def _change(self, order: TruthOrder) -> None:
        before, listing, draw = order.final, order.listing, self._draw
        # Nobody amends what has not been acknowledged yet.
        self._clock[order.number] += 400_000_000
        quantity, limit = before.quantity, before.limit
        open_lots = int(before.leaves / listing.lot)
        if self._has.amends_quantity and draw.random() < 0.7:
            more = draw.randint(1 - open_lots, listing.lots)
            quantity = before.quantity + more * listing.lot
        else:
            limit = self._price(listing)
        ids = before.order_ids
        if self._has.amend == "new":
            ids = (*ids, self._order_id(order))
        state = State(self._next(order), before.status, quantity, limit, ids, before.executions)
        replaced = before.order_id if ids != before.order_ids else ""
        order.events.append(Event(Kind.AMENDED, order, state.time, state, replaced=replaced))
        self._clock[order.number] += 400_000_000

    def _end(self, order: TruthOrder, kind: Kind) -> None:
        before = order.final
        state = State(
            self._next(order), kind.name, before.quantity, before.limit, before.order_ids, before.executions
        )
        order.events.append(Event(kind, order, state.time, state))

    # ------------------------------------------------------------------ numbers

    def _match(self, order: TruthOrder) -> int:
        listing = order.listing
        scope = f"{listing.market} {listing.symbol}" if self._has.trade_ids == "symbol" else ""
        return next(self._trades[scope])

    def _price(self, listing: Listing) -> Decimal:
        ticks = int(listing.price / listing.tick)
        spread = max(3, ticks // 200)
        return (ticks + self._draw.randint(-spread, spread)) * listing.tick

    def _next(self, order: TruthOrder) -> int:
        """The order's next moment, after all before; mostly soon, sometimes within a millisecond or so."""
        unit = self._has.resolution
        gap = self._draw.choice([unit, 2_000_000, 90_000_000, 800_000_000, 4 * SECOND])
        after = self._clock[order.number] + max(unit, self._draw.randint(1, gap))
        self._clock[order.number] = time = -(-after // unit) * unit
        return time
