"""Every figure over a time range, and every total, against a brute-force look at each fill and order."""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fillhandler_server.codec import decode_batch, from_timestamp
from fillhandler_server.domain.fills import Fill
from fillhandler_server.domain.numbers import EXACT, ZERO, divide_inverse
from fillhandler_server.domain.orders import Order, stands
from fillhandler_server.domain.reports import OrderReport, OrderStatus
from fillhandler_server.domain.sums import HOUR, FillSum, OrderSum, Scope, Sums
from fillhandler_server.encryption import KeySource
from fillhandler_server.journal.database import PROJECTION_TABLES
from fillhandler_server.journal.store import Store
from fillhandler_server.projections.ranges import StoppedError, sums_of
from fillhandler_server.projections.working_set import WorkingSet
from fillhandler_server.writer import Session, Writer

T0 = 1_700_000_000 // 3600 * HOUR


class Record:
    """A store with its writer, and a clock that a test moves."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.now = T0
        self._open()

    def _open(self) -> None:
        self.store = Store(self._folder / "data", KeySource(self._folder / "keys", use_keyring=False))
        self.writer = Writer(self.store, WorkingSet.over, clock=lambda: self.now)
        self.writer.start()

    def run(self, work: Callable[[Session], Any], *, flush: bool = False) -> Any:
        return self.writer.submit(work, flush=flush).result()

    def close(self) -> None:
        self.writer.close()
        self.store.close()

    def restart(self) -> None:
        self.close()
        self._open()

    def rebuild(self) -> None:
        """Drops all that can be made from the journal, and makes it anew."""
        self.writer.close()
        with self.store.db.atomic():
            for table in PROJECTION_TABLES:
                self.store.db.execute(f"DELETE FROM {table}")
            self.store.db.execute("UPDATE meta SET value = '0' WHERE name = 'projected_sequence'")
        self.store.close()
        self._open()

    def sums(self, scope: Scope) -> Sums:
        self.run(lambda session: None, flush=True)
        db = self.store.reader()
        try:
            with sums_of(db, scope) as sums:
                return Sums(
                    list(sums.fills), list(sums.orders), list(sums.completed), sums.currencies, sums.sequence
                )
        finally:
            db.close()

    def totals(self, scope: Scope) -> Sums:
        def work(session: Session) -> Sums:
            session.book.count_dirty()
            sums = session.book.statistics.sums(scope, session.engine.head)
            # The sums themselves live on: what a test keeps has to be a copy.
            return Sums(
                [(g, h, FillSum.from_json(s.to_json())) for g, h, s in sums.fills],
                [(g, OrderSum.from_json(s.to_json())) for g, s in sums.orders],
                currencies=dict(sums.currencies),
                sequence=sums.sequence,
            )

        return self.run(work)


@contextmanager
def record() -> Iterator[Record]:
    with tempfile.TemporaryDirectory() as folder:
        made = Record(Path(folder))
        try:
            yield made
        finally:
            made.close()


# ---------------------------------------------------------------------- brute force


def all_orders(session: Session) -> list[Order]:
    numbers = session.store.db.execute("SELECT number FROM orders").fetchall()
    return [session.book.order(row[0]) for row in numbers]


def brute_fills(record: Record, scope: Scope) -> dict[Any, dict[str, Any]]:
    """What fills come to, from every order's own list of fills and each fill's own event."""

    def work(session: Session) -> dict[Any, dict[str, Any]]:
        found: dict[Any, dict[str, Any]] = {}
        for order in all_orders(session):
            for key, sequence in order.fills.items():
                message = decode_one(session.store, sequence)
                first = getattr(message, message.WhichOneof("event")).fill
                time = from_timestamp(message.commit_time)
                for name in ("receive_time", "trade_time"):
                    if first.HasField(name):
                        time = from_timestamp(getattr(first, name))
                if scope.start_time is not None and time < scope.start_time:
                    continue
                if scope.end_time is not None and time >= scope.end_time:
                    continue
                fill = session.book.fill(sequence)
                if not scope.takes((fill.venue, fill.account, fill.symbol)):
                    continue
                kind = fill.contract_kind or order.contract_kind
                multiplier = fill.multiplier if fill.multiplier is not None else order.multiplier
                group = (fill.venue, fill.account, fill.symbol, kind, fill.side, fill.liquidity)
                if not stands(order, order.full_key(key)):
                    found.setdefault("reversed", Counter())["count"] += 1
                    continue
                sums = found.setdefault((group, time // HOUR), Counter())
                sums["count"] += 1
                amount = None
                if kind == 3 and fill.price:
                    amount = EXACT.multiply(divide_inverse(fill.quantity, fill.price), multiplier or 1)
                elif kind != 3 and fill.price is not None:
                    amount = EXACT.multiply(EXACT.multiply(fill.quantity, fill.price), multiplier or 1)
                if amount is None:
                    sums["without_price"] += 1
                    sums["fee_without_price"] += bool(fill.fees)
                else:
                    sums["notional"] = EXACT.add(sums["notional"] or ZERO, amount)
                    if not fill.fees:
                        sums["notional_without_fee"] = EXACT.add(sums["notional_without_fee"] or ZERO, amount)
                sums["without_fee"] += not fill.fees
                for currency, fee in fill.fees:
                    sums[currency] = EXACT.add(sums[currency] or ZERO, fee)
                    sums[f"{currency} fills"] += 1
        return found

    return record.run(work, flush=True)


def decode_one(store: Store, sequence: int) -> Any:
    batch = store.journal.holding(sequence)
    return decode_batch(batch.payload)[sequence - batch.first_sequence]


def by_hour(sums: Sums) -> dict[Any, dict[str, Any]]:
    """The same shape from what is tested."""
    merged: dict[tuple[Any, int], FillSum] = {}
    for group, hour, part in sums.fills:
        merged.setdefault((group, hour), FillSum()).merge(part)
    found: dict[Any, dict[str, Any]] = {key: plain(part) for key, part in merged.items() if part.count}
    if reversed_count(sums):
        found["reversed"] = {"count": reversed_count(sums)}
    return found


def plain(part: FillSum) -> dict[str, Any]:
    found: dict[str, Any] = Counter()
    for name in (
        "count", "without_price", "fee_without_price", "notional", "notional_without_fee", "without_fee",
    ):  # fmt: skip
        found[name] = getattr(part, name)
    for currency, (fee, number) in part.fees.items():
        found[currency] = fee
        found[f"{currency} fills"] = number
    return found


def nonzero(found: dict[Any, dict[str, Any]]) -> dict[Any, dict[str, Any]]:
    return {key: {name: value for name, value in sums.items() if value} for key, sums in found.items()}


def over_hours(found: dict[Any, dict[str, Any]]) -> dict[Any, dict[str, Any]]:
    totals: dict[Any, dict[str, Any]] = {}
    for (group, _), sums in ((key, sums) for key, sums in found.items() if key != "reversed"):
        total = totals.setdefault(group, Counter())
        for name, value in sums.items():
            total[name] = EXACT.add(Decimal(total[name]), Decimal(value))
    return totals


def reversed_count(sums: Sums) -> int:
    return sum(part.reversed for _, _, part in sums.fills)


def brute_orders(record: Record, scope: Scope) -> dict[Any, dict[str, Any]]:
    def work(session: Session) -> dict[Any, dict[str, Any]]:
        found: dict[Any, dict[str, Any]] = {}
        for order in all_orders(session):
            begun = from_timestamp(decode_one(session.store, order.number).commit_time)
            if scope.start_time is not None and begun < scope.start_time:
                continue
            if scope.end_time is not None and begun >= scope.end_time:
                continue
            group = (order.venue, order.account, order.symbol)
            if not scope.takes(group):
                continue
            sums = found.setdefault(group, Counter())
            sums[int(order.status)] += 1
            sums["active"] += not order.is_final
            if order.order_quantity is not None:
                sums["ordered"] += order.order_quantity
                sums["filled"] += min(order.order_quantity, order.cumulative)
            if order.status == OrderStatus.FILLED and order.create_time is not None:
                sums["first spans"] += order.first_fill_time is not None
                sums["complete spans"] += order.complete_time is not None
        return found

    return record.run(work, flush=True)


def plain_orders(sums: Sums) -> dict[Any, dict[str, Any]]:
    found: dict[Any, dict[str, Any]] = {}
    for group, part in sums.orders:
        if part.total:
            found[group] = {
                **part.statuses,
                "active": part.active,
                "ordered": part.ordered,
                "filled": part.filled,
                "first spans": part.first_fill.count,
                "complete spans": part.complete.count,
            }
    return found


def brute_completed(record: Record) -> Counter[tuple[Any, int, int]]:
    def work(session: Session) -> Counter[tuple[Any, int, int]]:
        found: Counter[tuple[Any, int, int]] = Counter()
        for order in all_orders(session):
            if order.status in (4, 7, 8, 9):
                time = order.update_time if order.complete_time is None else order.complete_time
                found[(order.venue, order.account, order.symbol), time // HOUR, int(order.status)] += 1
        return found

    return record.run(work, flush=True)


def plain_completed(sums: Sums) -> Counter[tuple[Any, int, int]]:
    found: Counter[tuple[Any, int, int]] = Counter()
    for group, hour, part in sums.completed:
        for status, number in part.statuses.items():
            found[group, hour, status] += number
    return found


# ---------------------------------------------------------------------- what may happen


TIMES = st.one_of(
    st.none(),
    st.integers(-2, 4).map(lambda hour: T0 + hour * HOUR),
    st.integers(-2 * HOUR, 4 * HOUR).map(lambda time: T0 + time),
    st.integers(0, 5 * HOUR),  # long ago
)
AMOUNTS = st.sampled_from([Decimal(text) for text in ("0.1", "1", "2.5", "3", "12345.678901234567890123")])
PRICES = st.sampled_from([None, *(Decimal(text) for text in ("-37.63", "0", "0.3", "100", "7"))])
FEES = st.sampled_from(
    [
        (),
        (("USD", Decimal("0.1")),),
        (("USD", Decimal(0)),),
        (("BNB", Decimal("-0.00001")), ("USD", Decimal("1.5"))),
    ]
)
CONTRACTS = st.sampled_from(
    [(0, None), (0, None), (1, None), (3, None), (3, Decimal(100)), (2, Decimal("0.01"))]
)


@st.composite
def fills(draw: st.DrawFn) -> Fill:
    kind, multiplier = draw(CONTRACTS)
    return Fill(
        venue=draw(st.sampled_from(["a", "b"])),
        symbol=draw(st.sampled_from(["X/USD", "Y"])),
        order_id=draw(st.sampled_from(["o1", "o2", ""])),
        client_order_id=draw(st.sampled_from(["", "", "c1"])),
        trade_id=draw(st.sampled_from(["t1", "t2", "t3", "t4"])),
        side=draw(st.sampled_from([1, 1, 2])),
        quantity=draw(AMOUNTS),
        price=draw(PRICES),
        fees=draw(FEES),
        liquidity=draw(st.sampled_from([0, 1, 2])),
        trade_time=draw(TIMES),
        contract_kind=kind,
        multiplier=multiplier,
    )


@st.composite
def reports(draw: st.DrawFn) -> OrderReport:
    return OrderReport(
        venue=draw(st.sampled_from(["a", "b"])),
        status=draw(st.sampled_from(list(OrderStatus)[1:])),
        symbol=draw(st.sampled_from(["X/USD", "Y", ""])),
        order_id=draw(st.sampled_from(["o1", "o2", ""])),
        client_order_id=draw(st.sampled_from(["c1", "c2"])),
        order_quantity=draw(st.one_of(st.none(), AMOUNTS)),
        time=draw(TIMES),
        create_time=draw(TIMES),
        contract_kind=draw(CONTRACTS)[0],
    )


def renamed(fill: Fill, trade_id: str) -> Fill:
    fill.trade_id = trade_id
    return fill


COMMANDS = st.one_of(
    st.tuples(st.just("fill"), fills()),
    st.tuples(st.just("fill"), fills()),
    st.tuples(st.just("fill"), fills()),
    st.tuples(st.just("late"), st.integers(0, 20), FEES, st.sampled_from([0, 1, 2]), CONTRACTS, PRICES),
    st.tuples(st.just("bust"), st.integers(0, 20)),
    st.tuples(st.just("correct"), st.integers(0, 20), fills(), st.sampled_from(["t2", "n1", "n2"])),
    st.tuples(st.just("register"), reports()),
    st.tuples(st.just("report"), reports()),
    st.tuples(st.just("wait"), st.sampled_from([1, HOUR // 3, HOUR])),
    st.tuples(st.just("flush")),
    st.tuples(st.just("restart")),
)


def apply(record: Record, commands: list[tuple[Any, ...]]) -> None:
    """Sends the commands; those between two waits share a batch where the writer gathers them."""
    sent: list[Fill] = []

    def one(session: Session, command: tuple[Any, ...]) -> None:
        engine = session.engine
        match command:
            case ("fill", fill):
                engine.record_fill(fill)
                sent.append(fill)
            case ("late", at, fees, liquidity, (kind, multiplier), price) if sent:
                old = sent[at % len(sent)]
                engine.record_fill(
                    Fill(
                        old.venue, old.symbol, old.order_id, old.trade_id, old.side, old.quantity,
                        price=old.price if old.price is not None else price,
                        fees=old.fees or fees, liquidity=old.liquidity or liquidity,
                        contract_kind=old.contract_kind or kind,
                        multiplier=multiplier if not old.contract_kind else old.multiplier,
                    )
                )  # fmt: skip
            case ("bust", at) if sent:
                engine.bust_fill(sent[at % len(sent)])
            case ("correct", at, fill, trade_id) if sent:
                old = sent[at % len(sent)]
                if old.trade_id == trade_id:
                    return
                fill = Fill(
                    old.venue, old.symbol, old.order_id, trade_id, old.side, fill.quantity, price=fill.price,
                    fees=fill.fees, liquidity=fill.liquidity, trade_time=fill.trade_time,
                )  # fmt: skip
                engine.correct_fill(old, fill)
                sent.append(fill)
            case ("register", report):
                report.status, report.time = OrderStatus.PENDING_NEW, None
                engine.register_order(report)
            case ("report", report):
                engine.report_order(report)

    for alone, group in itertools.groupby(commands, lambda c: c[0] in ("wait", "flush", "restart")):
        if not alone:
            batch = list(group)
            record.run(lambda session, batch=batch: [one(session, command) for command in batch])
            continue
        for command in group:
            if command[0] == "wait":
                record.now += command[1]
            elif command[0] == "flush":
                record.run(lambda session: None, flush=True)
            else:
                record.restart()


SCOPES = st.builds(
    Scope,
    venue=st.sampled_from(["", "", "a"]),
    account=st.sampled_from(["", "main"]),
    symbol=st.sampled_from(["", "", "X/USD"]),
    start_time=TIMES,
    end_time=TIMES,
).filter(lambda s: s.start_time is None or s.end_time is None or s.start_time < s.end_time)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(commands=st.lists(COMMANDS, min_size=1, max_size=30), scopes=st.lists(SCOPES, min_size=4, max_size=4))
def test_sums_are_what_every_fill_and_order_come_to(
    commands: list[tuple[Any, ...]], scopes: list[Scope]
) -> None:
    with record() as made:
        apply(made, commands)
        for scope in [Scope(), *scopes]:
            sums = made.sums(scope)
            assert nonzero(by_hour(sums)) == nonzero(brute_fills(made, scope))
            assert nonzero(plain_orders(sums)) == nonzero(brute_orders(made, scope))
        assert plain_completed(made.sums(Scope())) == brute_completed(made)

        scope = Scope(venue=scopes[0].venue, symbol=scopes[0].symbol)
        before = made.totals(scope)
        expected = over_hours(brute_fills(made, scope))
        assert nonzero({g: plain(s) for g, _, s in before.fills if s.count}) == nonzero(expected)
        assert nonzero(plain_orders(before)) == nonzero(brute_orders(made, scope))
        assert reversed_count(before) == reversed_count(made.sums(scope))

        for again in (made.restart, made.rebuild):
            again()
            after = made.totals(scope)
            assert as_text(after) == as_text(before)


def as_text(sums: Sums) -> dict[str, Any]:
    return {
        "fills": {group: part.to_json() for group, _, part in sums.fills if not part.empty},
        "orders": {group: part.to_json() for group, part in sums.orders if part.total or part.conflicts},
        "currencies": sums.currencies,
    }


# ---------------------------------------------------------------------- how it is read


def some_fill(number: int, **fields: Any) -> Fill:
    given: dict[str, Any] = {"trade_time": T0 + number * HOUR, "price": Decimal(1)} | fields
    return Fill("a", f"S{number % 3}/USD", "o", f"t{number}", 1, Decimal(1), **given)


def test_stored_sums_are_found_by_key_steps_and_cut_hours_by_zone_maps() -> None:
    with record() as made:
        for number in range(60):
            made.run(lambda session, number=number: session.engine.record_fill(some_fill(number)))
        made.run(lambda session: None, flush=True)
        db = made.store.reader()
        statements: list[str] = []
        db.conn.set_trace_callback(statements.append)
        scope = Scope(start_time=T0 + 10 * HOUR + 1, end_time=T0 + 20 * HOUR + 1)
        with sums_of(db, scope) as sums:
            fills, orders = list(sums.fills), list(sums.orders)
        db.conn.set_trace_callback(None)

        assert sum(part.count for _, _, part in fills) == 10
        assert sum(part.total for _, part in orders) == 0
        read = [s for s in statements if s.startswith("SELECT") and "meta" not in s and "currencies" not in s]
        for statement in read:
            plan = " ".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}"))
            # The few conflicts are gone through, and a LIMIT 1 is a step; everything else has its key.
            plan = plan.replace("SCAN json_each", "").replace("SCAN conflicts", "")
            assert "SCAN" not in plan or statement.endswith("LIMIT 1"), (statement, plan)
        # Each cut hour holds one fill, in one batch, of which alone the orders are looked up.
        assert sum("json_extract" in statement and "IN (SELECT value" in statement for statement in read) == 1
        db.close()


def test_what_is_not_flushed_yet_does_not_count_half() -> None:
    with record() as made:
        made.run(lambda session: session.engine.record_fill(some_fill(0)), flush=True)
        db = made.store.reader()
        made.run(lambda session: session.engine.record_fill(some_fill(0, trade_time=T0 + 1)))
        made.run(lambda session: session.engine.record_fill(some_fill(3, trade_time=T0 + 1)))
        with sums_of(db, Scope(start_time=T0, end_time=T0 + 5)) as sums:
            counted = sum(part.count for _, _, part in sums.fills)
            assert (counted, sums.sequence) in ((1, 1), (2, 2))
        db.close()


def test_one_moment_for_all_sums() -> None:
    with record() as made:
        made.run(lambda session: session.engine.record_fill(some_fill(0)), flush=True)
        db = made.store.reader()
        with sums_of(db, Scope(end_time=T0 + 99 * HOUR)) as sums:
            made.run(lambda session: session.engine.record_fill(some_fill(3)), flush=True)
            assert sum(part.count for _, _, part in sums.fills) == 1
            assert sum(part.total for _, part in sums.orders) == 1
            assert sums.sequence == 1
        with sums_of(db, Scope(end_time=T0 + 99 * HOUR)) as sums:
            assert sum(part.count for _, _, part in sums.fills) == 2
        db.close()


def test_reading_ends_when_nobody_waits() -> None:
    with record() as made:
        made.run(lambda session: session.engine.record_fill(some_fill(0)), flush=True)
        db = made.store.reader()
        with pytest.raises(StoppedError), sums_of(db, Scope(), lambda: True) as sums:
            list(sums.fills)
        assert not db.conn.in_transaction
        with sums_of(db, Scope()) as sums:
            assert len(list(sums.fills)) == 1
        db.close()
