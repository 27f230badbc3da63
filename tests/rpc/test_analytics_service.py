"""GetFillStatistics, AnalyzePerformance, AnalyzeFees: docs/analytics.md over a real server."""

import asyncio
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from support.application import RunningServer
from support.messages import fill, identity, moment, record, register, report
from support.refusals import refused

from fillhandler.v1 import analytics_service_pb2 as pb
from fillhandler.v1 import fill_service_pb2 as fill_pb
from fillhandler.v1 import fills_pb2, orders_pb2

HOUR = 3600
T0 = 1_700_000_000 // HOUR * HOUR
MAKER, TAKER = fills_pb2.LIQUIDITY_MAKER, fills_pb2.LIQUIDITY_TAKER
UNKNOWN = fills_pb2.LIQUIDITY_UNSPECIFIED
FILLED, CANCELED = orders_pb2.ORDER_STATUS_FILLED, orders_pb2.ORDER_STATUS_CANCELED


def fees(*amounts: tuple[str, str]) -> list[fills_pb2.Fee]:
    return [fills_pb2.Fee(amount=amount, currency=currency) for amount, currency in amounts]


def sums(entries: Any) -> list[tuple[str, str]]:
    return [(entry.amount, entry.currency) for entry in entries]


def at(seconds: float) -> Timestamp:
    return moment(T0 + seconds)


async def add(server: RunningServer, trade_id: str, **fields: Any) -> fills_pb2.Fill:
    given: dict[str, Any] = {"symbol": "BTC/USDT", "trade_time": at(0)} | fields
    await server.fills.RecordFill(record(trade_id, **given))
    return fill(trade_id, **given)


async def statistics(server: RunningServer, **conditions: Any) -> pb.GetFillStatisticsResponse:
    return await server.analytics.GetFillStatistics(pb.GetFillStatisticsRequest(**conditions))


async def performance(
    server: RunningServer, bucket: Duration | None = None, **conditions: Any
) -> pb.AnalyzePerformanceResponse:
    return await server.analytics.AnalyzePerformance(
        pb.AnalyzePerformanceRequest(filter=pb.StatisticsFilter(**conditions), bucket=bucket)
    )


async def fee_groups(server: RunningServer, *group_by: Any, **conditions: Any) -> pb.AnalyzeFeesResponse:
    return await server.analytics.AnalyzeFees(
        pb.AnalyzeFeesRequest(filter=pb.StatisticsFilter(**conditions), group_by=group_by)
    )


# ------------------------------------------------------------------ totals


async def test_nothing_recorded_gives_absent_figures(server: RunningServer) -> None:
    figures = await statistics(server)
    assert figures == pb.GetFillStatisticsResponse()
    for name in ("completion_rate", "retry_rate", "maker_ratio", "fill_ratio"):
        assert not figures.HasField(name)
    assert await performance(server) == pb.AnalyzePerformanceResponse(totals=figures)
    assert await fee_groups(server) == pb.AnalyzeFeesResponse(total=pb.FeeGroup())


async def test_totals_of_fills(server: RunningServer) -> None:
    await add(server, "1", quantity="0.1", price="100.1", fees=fees(("0.1", "USDT")), liquidity=MAKER)
    await add(server, "2", quantity="0.3", price="100", fees=fees(("-0.05", "BNB"), ("0.2", "USDT")))
    await add(server, "3", quantity="1", price="10", fees=fees(("0", "USDT")), liquidity=UNKNOWN)
    await add(server, "4", quantity="1", price=None, fees=None, liquidity=UNKNOWN)

    figures = await statistics(server)

    assert figures.total_fills == 4
    assert sums(figures.fees) == [("-0.05", "BNB"), ("0.3", "USDT")]
    assert sums(figures.notional) == [("50.01", "USDT")]
    assert figures.maker_ratio == pytest.approx(10.01 / 40.01, abs=1e-15)
    assert (figures.fills_without_fee, figures.fills_without_liquidity) == (1, 2)
    assert (figures.total_orders, figures.active_orders) == (1, 1)
    assert [(each.status, each.count) for each in figures.orders_by_status] == [
        (orders_pb2.ORDER_STATUS_PARTIALLY_FILLED, 1)
    ]
    assert not figures.HasField("completion_rate")
    assert not figures.HasField("fill_ratio")
    assert not figures.HasField("retry_rate")
    assert figures.total_retries == 0
    assert figures.sequence == server.head == 4


async def test_sums_are_exact_where_doubles_are_not(server: RunningServer) -> None:
    for number in range(10):
        await add(server, f"{number}", quantity="0.1", price="0.1", fees=fees(("0.1", "USDT")))
    await add(server, "large", quantity="98765432109876543210.123456789012345678", price="1", fees=None)

    figures = await statistics(server)

    assert sums(figures.fees) == [("1", "USDT")]
    assert sums(figures.notional) == [("98765432109876543210.223456789012345678", "USDT")]


async def test_notional_is_kept_by_currency(server: RunningServer) -> None:
    inverse = fills_pb2.Contract(kind=fills_pb2.CONTRACT_KIND_INVERSE, multiplier="100")
    await add(server, "1", quantity="1", price="10")
    await add(server, "2", symbol="ETH/BTC", order_id="2", quantity="2", price="0.05", liquidity=MAKER)
    await add(
        server, "3", symbol="BTC/USD", order_id="3", quantity="3", price="20000", contract=inverse, fees=None
    )
    # What a symbol without a separator is quoted in is not known, and two unknowns are not one.
    await add(server, "4", symbol="AAABBB", order_id="4", quantity="1", price="7", fees=None)
    await add(server, "5", symbol="CCCDDD", order_id="5", quantity="1", price="8", fees=None)

    figures = await statistics(server)

    assert sums(figures.notional) == [("7", ""), ("8", ""), ("0.115", "BTC"), ("10", "USDT")]
    # Notional in several currencies has no share: by count.
    assert figures.maker_ratio == pytest.approx(1 / 5)


async def test_a_late_registration_tells_the_currency(server: RunningServer) -> None:
    await add(server, "1", symbol="AAABBB", quantity="1", price="7")
    assert sums((await statistics(server)).notional) == [("7", "")]
    await server.orders.RegisterOrder(
        register(symbol="AAABBB", order_quantity="2", base_currency="AAA", quote_currency="BBB")
    )
    assert sums((await statistics(server)).notional) == [("7", "BBB")]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([("1", "10", MAKER), ("1", "30", TAKER)], 0.25),
        ([("1", "10", MAKER)], 1.0),
        ([("1", "10", TAKER)], 0.0),
        ([("1", "10", UNKNOWN)], None),
        ([("1", None, MAKER), ("1", None, TAKER)], 0.5),  # no notional at all: by count
        ([("1", "-10", MAKER), ("1", "30", TAKER), ("1", "30", TAKER)], 1 / 3),  # a share of 50 says nothing
    ],
)
async def test_maker_ratio(server: RunningServer, parts: list[Any], expected: float | None) -> None:
    for number, (quantity, price, liquidity) in enumerate(parts):
        await add(server, str(number), quantity=quantity, price=price, liquidity=liquidity)
    figures = await statistics(server)
    assert figures.HasField("maker_ratio") == (expected is not None)
    assert figures.maker_ratio == pytest.approx(expected or 0.0)


async def test_orders_and_their_ratios(server: RunningServer) -> None:
    for number, (quantity, filled) in enumerate([("1", "1"), ("3", "1"), ("2", "5")]):
        name = f"order-{number}"
        await server.orders.RegisterOrder(register(name, symbol="BTC/USDT", order_quantity=quantity))
        await add(server, str(number), order_id=name, quantity=filled)
    await server.orders.ReportOrder(report("order-1", status=CANCELED, symbol="BTC/USDT"))
    await server.orders.RegisterOrder(register("other", symbol="ETH/USDT", order_quantity="4"))

    figures = await statistics(server)

    assert [(each.status, each.count) for each in figures.orders_by_status] == [
        (orders_pb2.ORDER_STATUS_PENDING_NEW, 1),
        (FILLED, 2),
        (CANCELED, 1),
    ]
    assert (figures.total_orders, figures.active_orders) == (4, 1)
    assert figures.completion_rate == pytest.approx(2 / 3)
    # (1 + 1 + 2) / (1 + 3 + 2), the overfill capped; and 0 / 4 of the other symbol.
    assert figures.fill_ratio == pytest.approx((4 / 6 + 0) / 2)
    only = await statistics(server, symbol="BTC/USDT")
    assert only.fill_ratio == pytest.approx(4 / 6)
    other = await statistics(server, symbol="ETH/USDT")
    assert other.HasField("fill_ratio")
    assert other.fill_ratio == 0.0
    assert not other.HasField("completion_rate")


async def test_a_rejected_order_with_fills_is_over(server: RunningServer) -> None:
    await add(server, "1")
    await server.orders.ReportOrder(
        report(status=orders_pb2.ORDER_STATUS_REJECTED, symbol="BTC/USDT", update_time=at(1))
    )
    figures = await statistics(server)
    assert [each.status for each in figures.orders_by_status] == [orders_pb2.ORDER_STATUS_PARTIALLY_FILLED]
    assert figures.active_orders == 0


async def test_spans_are_of_filled_orders_by_the_venues_clock(server: RunningServer) -> None:
    for number in range(1, 101):
        name = f"order-{number}"
        await server.orders.RegisterOrder(
            register(name, symbol="BTC/USDT", order_quantity="2", create_time=at(0))
        )
        await add(server, f"{number}-1", order_id=name, quantity="1", trade_time=at(number / 1000))
        await add(server, f"{number}-2", order_id=name, quantity="1", trade_time=at(number))
    # Not filled, and filled with no creation time: neither counts.
    await server.orders.RegisterOrder(register("open", symbol="BTC/USDT", create_time=at(0)))
    await add(server, "open", order_id="open", quantity="0.1", trade_time=at(9999))
    await server.orders.RegisterOrder(register("unknown", symbol="BTC/USDT"))
    await add(server, "unknown", order_id="unknown", quantity="1", trade_time=at(9999))

    figures = await statistics(server)

    first, complete = figures.time_to_first_fill, figures.time_to_complete
    assert (first.count, complete.count) == (100, 100)
    for spans, unit in ((first, 0.001), (complete, 1.0)):
        for share in (50, 95, 99):
            found = getattr(spans, f"p{share}").ToNanoseconds() / 1e9
            assert found == pytest.approx(share * unit, rel=0.008)


# ------------------------------------------------------------------ what moves them


async def test_copies_change_nothing_and_are_counted(server: RunningServer) -> None:
    await add(server, "1")
    before = await statistics(server)
    for _ in range(3):
        await add(server, "1")
    after = await statistics(server)
    assert after.duplicates_dropped == before.duplicates_dropped + 3
    after.duplicates_dropped = before.duplicates_dropped
    assert after == before


async def test_conflicts_are_counted_where_they_belong(server: RunningServer) -> None:
    await add(server, "1")
    await add(server, "1", quantity="7")
    await add(server, "1", quantity="7")
    await add(server, "2", symbol="ETH/USDT", order_id="2")
    assert (await statistics(server)).conflicts == 1
    assert (await statistics(server, symbol="BTC/USDT")).conflicts == 1
    assert (await statistics(server, symbol="ETH/USDT")).conflicts == 0
    assert (await statistics(server, start_time=moment(0))).conflicts == 1
    assert (await statistics(server, end_time=moment(1))).conflicts == 0
    assert sums((await statistics(server, symbol="BTC/USDT")).notional) == [("50", "USDT")]
    await server.restart()
    assert (await statistics(server, symbol="BTC/USDT")).conflicts == 1


async def test_busts_and_corrections_move_sums(server: RunningServer) -> None:
    first = await add(server, "1", quantity="1", price="100", liquidity=MAKER)
    second = await add(server, "2", quantity="2", price="100", trade_time=at(HOUR))
    await server.fills.BustFill(fill_pb.BustFillRequest(identity=identity(first)))
    corrected = fill("3", symbol="BTC/USDT", quantity="3", price="10", trade_time=at(2 * HOUR), fees=None)
    await server.fills.CorrectFill(fill_pb.CorrectFillRequest(identity=identity(second), fill=corrected))

    figures = await statistics(server)

    assert (figures.total_fills, figures.reversed_fills) == (1, 2)
    assert sums(figures.notional) == [("30", "USDT")]
    assert sums(figures.fees) == []
    assert (figures.fills_without_fee, figures.maker_ratio) == (1, 0.0)
    series = await performance(server)
    assert [bucket.start_time for bucket in series.buckets] == [at(2 * HOUR)]
    series.totals.sequence = figures.sequence
    assert series.totals == figures
    cut = await statistics(server, start_time=at(60), end_time=at(2 * HOUR + 60))
    assert (cut.total_fills, cut.reversed_fills, sums(cut.notional)) == (1, 1, [("30", "USDT")])


async def test_late_fees_and_maker_flags_move_sums(server: RunningServer) -> None:
    await add(server, "1", quantity="1", price="100", fees=None, liquidity=UNKNOWN)
    await add(server, "1", quantity="1", price="100", fees=fees(("0.1", "USDT")), liquidity=MAKER)
    figures = await statistics(server)
    assert (figures.total_fills, figures.fills_without_fee, figures.fills_without_liquidity) == (1, 0, 0)
    assert (sums(figures.fees), sums(figures.notional)) == ([("0.1", "USDT")], [("100", "USDT")])
    assert figures.maker_ratio == 1.0
    cut = await statistics(server, start_time=at(-1), end_time=at(1))
    assert (sums(cut.fees), cut.maker_ratio) == ([("0.1", "USDT")], 1.0)


async def test_orders_that_turn_out_to_be_one_count_once(server: RunningServer) -> None:
    await add(server, "1", order_id="", client_order_id="mine", quantity="1", price="100")
    await add(server, "1", order_id="theirs", quantity="1", price="100")
    await add(server, "2", order_id="theirs", quantity="1", price="100")
    await server.orders.ReportOrder(
        report("theirs", client_order_id="mine", symbol="BTC/USDT", status=orders_pb2.ORDER_STATUS_NEW)
    )
    for _ in range(2):
        figures = await statistics(server)
        assert (figures.total_orders, figures.total_fills) == (1, 2)
        assert sums(figures.notional) == [("200", "USDT")]
        cut = await statistics(server, start_time=at(-1), end_time=at(1))
        assert (cut.total_fills, sums(cut.notional)) == (2, [("200", "USDT")])
        await server.restart()


async def test_figures_are_the_same_after_a_restart(server: RunningServer) -> None:
    await server.orders.RegisterOrder(register(symbol="BTC/USDT", order_quantity="1", create_time=at(-5)))
    busted = await add(server, "1", quantity="1")
    await add(server, "2", quantity="1", liquidity=MAKER)
    await add(server, "2", quantity="2", liquidity=MAKER)
    await server.fills.BustFill(fill_pb.BustFillRequest(identity=identity(busted)))
    before = (await statistics(server), await performance(server), await fee_groups(server))
    assert before[0].HasField("time_to_complete")
    await server.restart()
    assert (await statistics(server), await performance(server), await fee_groups(server)) == before


# ------------------------------------------------------------------ what counts


async def test_filters_narrow_all_figures(server: RunningServer) -> None:
    await add(server, "1", quantity="1", price="10")
    await add(server, "2", account="second", quantity="1", price="20")
    await add(server, "3", venue="kraken", quantity="1", price="40")
    await add(server, "4", symbol="ETH/USDT", quantity="1", price="80")

    async def total(**conditions: Any) -> tuple[int, int, str]:
        plain = await statistics(server, **conditions)
        timed = await statistics(server, start_time=at(-1), end_time=at(HOUR), **conditions)
        assert (plain.total_fills, plain.notional) == (timed.total_fills, timed.notional)
        fees_total = (await fee_groups(server, **conditions)).total
        assert (fees_total.fill_count, list(fees_total.notional)) == (plain.total_fills, list(plain.notional))
        amount = plain.notional[0].amount if plain.notional else ""
        return plain.total_fills, plain.total_orders, amount

    assert await total() == (4, 4, "150")
    assert await total(venue="binance") == (3, 3, "110")
    assert await total(venue="BINANCE", account="main") == (2, 2, "90")
    assert await total(symbol="ETH/USDT") == (1, 1, "80")
    assert await total(venue="kraken", symbol="ETH/USDT") == (0, 0, "")


async def test_a_time_range_is_exact_to_the_nanosecond(server: RunningServer) -> None:
    times = [0, 1, HOUR - 1, HOUR, HOUR + 1, 2 * HOUR - 1, 2 * HOUR, 3 * HOUR + 5]
    for number, seconds in enumerate(times):
        await add(server, str(number), quantity=str(1 << number), price="1", trade_time=at(seconds))
    one = Timestamp(seconds=T0 + 1, nanos=1)
    for start, end in [
        (at(0), at(1)), (at(0), one), (one, at(3 * HOUR)), (at(1), at(HOUR)), (at(5), at(2 * HOUR)),
        (at(HOUR), at(2 * HOUR)), (at(HOUR - 1), at(HOUR + 1)), (at(100), at(200)),
        (None, at(HOUR + 1)), (at(HOUR + 1), None), (at(-9 * HOUR), at(9 * HOUR)),
    ]:  # fmt: skip
        low = -1e18 if start is None else start.ToNanoseconds()
        high = 1e18 * 5 if end is None else end.ToNanoseconds()
        inside = [n for n, seconds in enumerate(times) if low <= (T0 + seconds) * 10**9 < high]
        figures = await statistics(server, start_time=start, end_time=end)
        assert figures.total_fills == len(inside)
        assert sums(figures.notional) == ([(str(sum(1 << n for n in inside)), "USDT")] if inside else [])
        series = await performance(server, start_time=start, end_time=end)
        assert sum(bucket.total_fills for bucket in series.buckets) == len(inside)


async def test_orders_of_a_time_range_began_in_it(server: RunningServer) -> None:
    await add(server, "old", order_id="old", trade_time=at(-HOUR))
    border = Timestamp(nanos=0)
    await asyncio.sleep(0.01)  # the clock may be coarse; the two events must not share a time
    border.GetCurrentTime()
    await asyncio.sleep(0.01)
    await server.orders.RegisterOrder(register("new", symbol="BTC/USDT", order_quantity="1"))
    await add(server, "new", order_id="new", trade_time=at(HOUR), quantity="1")
    # A later event of the old order does not make it begin anew.
    await add(server, "again", order_id="old", trade_time=at(HOUR))

    before = await statistics(server, end_time=border)
    after = await statistics(server, start_time=border)

    assert (before.total_orders, before.active_orders) == (1, 1)
    assert (after.total_orders, after.active_orders, after.completion_rate) == (1, 0, 1.0)
    assert after.fill_ratio == 1.0


# ------------------------------------------------------------------ the cost of totals


async def test_totals_read_no_rows(server: RunningServer) -> None:
    for number in range(50):
        await add(server, str(number), order_id=f"order-{number}", trade_time=at(number * HOUR))
    statements: list[str] = []
    writer = server.app.writer

    async def traced(request: pb.GetFillStatisticsRequest) -> pb.GetFillStatisticsResponse:
        statements.clear()
        server.app.store.db.conn.set_trace_callback(statements.append)
        answer = await server.analytics.GetFillStatistics(request)
        server.app.store.db.conn.set_trace_callback(None)
        return answer

    await writer.run(lambda session: None, flush=True)
    for request in (pb.GetFillStatisticsRequest(), pb.GetFillStatisticsRequest(venue="binance", symbol="x")):
        await traced(request)
        assert statements == []
    # Even with orders that moved since the last flush nothing is read but one row by its key, once an hour.
    await server.orders.ReportOrder(report("order-1", status=CANCELED, symbol="BTC/USDT", update_time=at(1)))
    await traced(pb.GetFillStatisticsRequest())
    db = server.app.store.db
    for statement in statements:
        if statement.startswith(("SELECT", "select")):
            plan = db.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
            assert all("SCAN" not in row[3] for row in plan), (statement, plan)


# ------------------------------------------------------------------ series


async def test_a_series_by_hour(server: RunningServer) -> None:
    await server.orders.RegisterOrder(register("a", symbol="BTC/USDT", order_quantity="2", create_time=at(0)))
    await add(server, "1", order_id="a", quantity="1", price="10", trade_time=at(10), liquidity=MAKER)
    await add(server, "2", order_id="a", quantity="1", price="30", trade_time=at(3 * HOUR + 10))
    await add(server, "3", order_id="b", quantity="1", price="30", trade_time=at(3 * HOUR + 20), fees=None)
    await server.orders.ReportOrder(
        report("b", status=CANCELED, symbol="BTC/USDT", update_time=at(5 * HOUR), create_time=at(0))
    )

    series = await performance(server)

    first, second, third = series.buckets
    assert (first.start_time, first.end_time) == (at(0), at(HOUR))
    assert (first.total_fills, sums(first.notional), sums(first.fees)) == (
        1,
        [("10", "USDT")],
        [("0.05", "USDT")],
    )
    assert first.maker_ratio == 1.0
    assert (first.orders_final, first.HasField("completion_rate")) == (0, False)
    assert not first.HasField("time_to_complete")
    assert second.start_time == at(3 * HOUR)
    assert (second.total_fills, second.orders_filled, second.orders_final) == (2, 1, 1)
    assert (second.completion_rate, second.maker_ratio) == (1.0, 0.0)
    assert second.time_to_complete.count == 1
    assert second.time_to_complete.p50.ToNanoseconds() == pytest.approx((3 * HOUR + 10) * 1e9, rel=0.008)
    # The hour in which an order was canceled, though nothing was filled in it.
    assert third.start_time == at(5 * HOUR)
    assert (third.total_fills, third.orders_filled, third.orders_final, third.completion_rate) == (
        0,
        0,
        1,
        0.0,
    )
    assert not third.HasField("maker_ratio")
    assert series.totals == await statistics(server)


async def test_wider_buckets_are_aligned_to_the_epoch(server: RunningServer) -> None:
    day = 24 * HOUR
    base = T0 // day * day
    for number, seconds in enumerate([0, day - 1, day, 5 * day]):
        await add(server, str(number), trade_time=moment(base + seconds))
    series = await performance(server, Duration(seconds=day))
    assert [(b.start_time.seconds - base, b.total_fills) for b in series.buckets] == [
        (0, 2),
        (day, 1),
        (5 * day, 1),
    ]
    assert all(b.end_time.seconds - b.start_time.seconds == day for b in series.buckets)


async def test_times_before_the_epoch_have_their_hours(server: RunningServer) -> None:
    await add(server, "1", trade_time=moment(-1))
    await add(server, "2", trade_time=moment(0))
    for _ in range(2):
        series = await performance(server)
        assert [(b.start_time.seconds, b.total_fills) for b in series.buckets] == [(-3600, 1), (0, 1)]
        assert (await statistics(server)).total_fills == 2
        await server.restart()


@pytest.mark.parametrize(
    "bucket",
    [Duration(), Duration(seconds=-3600), Duration(seconds=1800), Duration(seconds=3600, nanos=1),
     Duration(seconds=100_000 * 3600)],
)  # fmt: skip
async def test_a_bucket_that_is_no_number_of_hours_is_refused(
    server: RunningServer, bucket: Duration
) -> None:
    answer = await refused(performance(server, bucket))
    assert (answer.status, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert set(answer.violations) == {"bucket"}
    assert "hours" in answer.text


# ------------------------------------------------------------------ fees


async def test_fees_by_venue_unless_asked_otherwise(server: RunningServer) -> None:
    await add(server, "1", quantity="1", price="100", fees=fees(("0.1", "USDT")))
    await add(server, "2", quantity="1", price="100", fees=fees(("0.05", "USDT")), venue="kraken")
    await add(server, "3", quantity="1", price="100", fees=fees(("0.25", "USDT")), venue="kraken")

    answer = await fee_groups(server)

    assert [(g.venue, g.fill_count, sums(g.fees), g.fee_bps) for g in answer.groups] == [
        ("binance", 1, [("0.1", "USDT")], 10.0),
        ("kraken", 2, [("0.3", "USDT")], 15.0),
    ]
    assert not answer.groups[0].symbol
    assert not answer.groups[0].HasField("hour")
    assert (answer.total.venue, answer.total.fill_count, sums(answer.total.fees)) == (
        "",
        3,
        [("0.4", "USDT")],
    )
    assert answer.total.fee_bps == pytest.approx(40 / 3)


async def test_groups_are_ordered_by_their_dimensions(server: RunningServer) -> None:
    for number, (symbol, side, liquidity, seconds) in enumerate(
        [("B/X", 1, MAKER, 0), ("A/X", 2, TAKER, HOUR), ("A/X", 1, UNKNOWN, 2 * HOUR), ("B/X", 1, MAKER, 60)]
    ):
        await add(
            server, str(number), symbol=symbol, side=side, liquidity=liquidity, trade_time=at(seconds),
            order_id=f"{symbol}{side}",
        )  # fmt: skip
    side, symbol = pb.FEE_DIMENSION_SIDE, pb.FEE_DIMENSION_SYMBOL

    by_side = await fee_groups(server, side, symbol)
    by_symbol = await fee_groups(server, symbol, side)
    by_liquidity = await fee_groups(server, pb.FEE_DIMENSION_LIQUIDITY, pb.FEE_DIMENSION_ACCOUNT)
    by_hour = await fee_groups(server, pb.FEE_DIMENSION_HOUR)

    assert [(g.side, g.symbol, g.fill_count) for g in by_side.groups] == [
        (1, "A/X", 1),
        (1, "B/X", 2),
        (2, "A/X", 1),
    ]
    assert [(g.symbol, g.side) for g in by_symbol.groups] == [("A/X", 1), ("A/X", 2), ("B/X", 1)]
    assert [(g.liquidity, g.account, g.fill_count) for g in by_liquidity.groups] == [
        (UNKNOWN, "main", 1),
        (MAKER, "main", 2),
        (TAKER, "main", 1),
    ]
    assert [(g.hour, g.fill_count) for g in by_hour.groups] == [
        (at(0), 2),
        (at(HOUR), 1),
        (at(2 * HOUR), 1),
    ]
    assert {answer.total.fill_count for answer in (by_side, by_symbol, by_liquidity, by_hour)} == {4}


@pytest.mark.parametrize(
    ("parts", "bps"),
    [
        # (fees, price); USDT is the quote currency.
        ([([("1", "USDT")], "1000")], 10.0),
        ([([("0", "USDT")], "1000")], 0.0),  # no fee is a statement
        ([([("-1", "USDT")], "1000")], -10.0),
        ([(None, "1000")], None),  # not known is none
        ([([("1", "USDT")], "1000"), (None, "9000")], 10.0),  # nor does it dilute the others
        ([([("1", "BNB")], "1000")], None),
        ([([("1", "USDT"), ("1", "BNB")], "1000")], None),
        ([([("1", "USDT")], None)], None),
        ([([("1", "USDT")], None), ([("1", "USDT")], "1000")], None),
        ([([("1", "USDT")], "-1000")], None),
    ],
)
async def test_fee_bps(server: RunningServer, parts: list[Any], bps: float | None) -> None:
    for number, (paid, price) in enumerate(parts):
        await add(server, str(number), quantity="1", price=price, fees=None if paid is None else fees(*paid))
    answer = await fee_groups(server)
    for group in (*answer.groups, answer.total):
        assert group.HasField("fee_bps") == (bps is not None)
        assert group.fee_bps == pytest.approx(bps or 0.0)
        assert group.fills_without_fee == sum(paid is None for paid, _ in parts)


async def test_fee_bps_of_two_currencies_is_absent_in_the_total_alone(server: RunningServer) -> None:
    await add(server, "1", quantity="1", price="100", fees=fees(("0.1", "USDT")))
    await add(server, "2", symbol="ETH/BTC", order_id="2", price="1", fees=fees(("0.001", "BTC")))
    answer = await fee_groups(server, pb.FEE_DIMENSION_SYMBOL)
    assert [group.HasField("fee_bps") for group in answer.groups] == [True, True]
    assert not answer.total.HasField("fee_bps")
    assert sums(answer.total.fees) == [("0.001", "BTC"), ("0.1", "USDT")]


async def test_what_was_busted_leaves_no_group(server: RunningServer) -> None:
    busted = await add(server, "1")
    await server.fills.BustFill(fill_pb.BustFillRequest(identity=identity(busted)))
    answer = await fee_groups(server, pb.FEE_DIMENSION_HOUR)
    assert answer == pb.AnalyzeFeesResponse(total=pb.FeeGroup())


@pytest.mark.parametrize(
    ("group_by", "field"),
    [
        ([pb.FEE_DIMENSION_UNSPECIFIED], "group_by[0]"),
        ([pb.FEE_DIMENSION_SIDE, 99], "group_by[1]"),
        ([pb.FEE_DIMENSION_SIDE, -1], "group_by[1]"),
        ([pb.FEE_DIMENSION_SIDE, pb.FEE_DIMENSION_HOUR, pb.FEE_DIMENSION_SIDE], "group_by[2]"),
    ],
)
async def test_bad_dimensions_are_refused(server: RunningServer, group_by: list[Any], field: str) -> None:
    answer = await refused(fee_groups(server, *group_by))
    assert (answer.status, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert set(answer.violations) == {field}


# ------------------------------------------------------------------ conditions that cannot be


@pytest.mark.parametrize(
    ("conditions", "field"),
    [
        ({"start_time": at(1), "end_time": at(1)}, "end_time"),
        ({"start_time": at(2), "end_time": at(1)}, "end_time"),
        ({"start_time": Timestamp(seconds=253402300800)}, "start_time"),
        ({"end_time": Timestamp(seconds=1, nanos=-1)}, "end_time"),
        ({"venue": "no venue"}, "venue"),
        ({"symbol": "x" * 300}, "symbol"),
        ({"account": "a\x00"}, "account"),
    ],
)
async def test_bad_conditions_are_refused(server: RunningServer, conditions: Any, field: str) -> None:
    answer = await refused(statistics(server, **conditions))
    assert (answer.status, set(answer.violations)) == (grpc.StatusCode.INVALID_ARGUMENT, {field})
    for call in (performance(server, **conditions), fee_groups(server, **conditions)):
        answer = await refused(call)
        assert (answer.status, set(answer.violations)) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            {f"filter.{field}"},
        )


async def test_figures_reach_the_last_acknowledged_fill(server: RunningServer) -> None:
    """Rows of projections lag behind the journal; no reader may see them behind."""
    for number in range(20):
        await add(server, str(number), quantity="1", trade_time=at(number * 600))
        cut = await statistics(server, start_time=at(-1), end_time=at(9 * HOUR + 1))
        assert (cut.total_fills, cut.sequence) == (number + 1, number + 1)
        series = await performance(server)
        assert series.totals.total_fills == number + 1


async def test_a_caller_that_hangs_up_leaves_the_reader_usable(server: RunningServer) -> None:
    await add(server, "1")
    for _ in range(20):
        call = server.analytics.AnalyzePerformance(pb.AnalyzePerformanceRequest())
        await asyncio.sleep(0)
        call.cancel()
    assert (await performance(server)).totals.total_fills == 1
