"""AnalyticsService: figures over the record."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from google.protobuf.duration_pb2 import Duration

from fillhandler.v1 import analytics_service_pb2 as pb
from fillhandler.v1 import fills_pb2
from fillhandler_server.analytics.fees import Dimension, FeeGroup, fees_by_group
from fillhandler_server.analytics.figures import (
    Amount,
    FillFigures,
    OrderFigures,
    Percentiles,
    fill_figures,
    order_figures,
)
from fillhandler_server.analytics.performance import Bucket, performance
from fillhandler_server.codec import NANOSECONDS, to_timestamp
from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.domain.numbers import canonical
from fillhandler_server.domain.sums import HOUR, Scope, Sums
from fillhandler_server.projections import Reader, Readers
from fillhandler_server.rpc.checking import Checker
from fillhandler_server.writer import Session, Writer

BUCKET_HOURS_MAX: Final = 10 * 366 * 24

M = TypeVar("M")


class AnalyticsService:
    """Convert → call → convert.

    Running totals are read on the writer's thread, which owns them; hours and time ranges beside it.
    """

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def GetFillStatistics(
        self, request: pb.GetFillStatisticsRequest, context: Any
    ) -> pb.GetFillStatisticsResponse:
        """Totals over the fills and orders that fit."""
        scope = _scope(request, "")

        def make(sums: Sums, duplicates: int) -> pb.GetFillStatisticsResponse:
            figures = fill_figures(sums.fills, sums.currencies)
            return _statistics_message(figures, order_figures(sums.orders), sums.sequence, duplicates)

        return await (self._over_range(scope, make) if scope.is_timed else self._over_totals(scope, make))

    async def AnalyzePerformance(
        self, request: pb.AnalyzePerformanceRequest, context: Any
    ) -> pb.AnalyzePerformanceResponse:
        """The same figures as a series of time buckets."""
        scope = _scope(request.filter, "filter")
        hours = _bucket_hours(request)

        def make(sums: Sums, duplicates: int) -> pb.AnalyzePerformanceResponse:
            series = performance(sums, hours)
            return pb.AnalyzePerformanceResponse(
                buckets=[_bucket_message(bucket, hours) for bucket in series.buckets],
                totals=_statistics_message(series.fills, series.orders, sums.sequence, duplicates),
            )

        return await self._over_range(scope, make)

    async def AnalyzeFees(self, request: pb.AnalyzeFeesRequest, context: Any) -> pb.AnalyzeFeesResponse:
        """Fees by group."""
        scope = _scope(request.filter, "filter")
        dimensions = _dimensions(request)

        def make(sums: Sums, duplicates: int) -> pb.AnalyzeFeesResponse:
            groups, total = fees_by_group(sums, dimensions)
            return pb.AnalyzeFeesResponse(
                groups=[_group_message(group) for group in groups], total=_group_message(total)
            )

        hourly = scope.is_timed or Dimension.HOUR in dimensions
        return await (self._over_range(scope, make) if hourly else self._over_totals(scope, make))

    async def _over_totals(self, scope: Scope, make: Callable[[Sums, int], M]) -> M:
        """Makes an answer from the running totals; they cost the same at any size of the record."""

        def work(session: Session) -> M:
            book = session.book
            book.count_dirty()
            return make(book.statistics.sums(scope, session.engine.head), book.statistics.duplicates)

        return await self._writer.run(work)

    async def _over_range(self, scope: Scope, make: Callable[[Sums, int], M]) -> M:
        """Makes an answer from rows and journal, which are flushed before; off the event loop."""
        duplicates = await self._writer.run(lambda session: session.book.statistics.duplicates, flush=True)
        gone = threading.Event()

        def work(reader: Reader) -> M:
            with reader.sums_of(scope, gone.is_set) as sums:
                return make(sums, duplicates)

        try:
            return await self._readers.run(work)
        finally:
            gone.set()  # a caller that hung up must not keep a thread reading


# ---------------------------------------------------------------------- in


def _scope(message: pb.GetFillStatisticsRequest | pb.StatisticsFilter, path: str) -> Scope:
    check = Checker(path)
    scope = Scope(
        venue=check.venue("venue", message.venue) if message.venue else "",
        account=check.identifier("account", message.account),
        symbol=check.identifier("symbol", message.symbol),
        start_time=check.time(message, "start_time"),
        end_time=check.time(message, "end_time"),
    )
    if scope.start_time is not None and scope.end_time is not None and scope.start_time >= scope.end_time:
        check.wrong("end_time", "must be after start_time; it is exclusive")
    check.done()
    return scope


def _bucket_hours(request: pb.AnalyzePerformanceRequest) -> int:
    if not request.HasField("bucket"):
        return 1
    width = request.bucket.seconds * NANOSECONDS + request.bucket.nanos
    if width <= 0 or width % HOUR:
        raise InvalidFieldError.of("bucket", "must be a whole number of hours above 0, for example 3600 s")
    if width > BUCKET_HOURS_MAX * HOUR:
        raise InvalidFieldError.of("bucket", f"must be at most {BUCKET_HOURS_MAX} hours")
    return width // HOUR


def _dimensions(request: pb.AnalyzeFeesRequest) -> list[Dimension]:
    check = Checker("")
    dimensions: list[Dimension] = []
    for at, value in enumerate(request.group_by):
        name = f"group_by[{at}]"
        if not 1 <= value <= len(Dimension):
            check.wrong(name, f"{value} is not a dimension; name one of {', '.join(Dimension.__members__)}")
        elif Dimension(value) in dimensions:
            check.wrong(name, f"{Dimension(value).name} occurs twice")
        else:
            dimensions.append(Dimension(value))
    check.done()
    return dimensions or [Dimension.VENUE]


# ---------------------------------------------------------------------- out


def _statistics_message(
    fills: FillFigures, orders: OrderFigures, sequence: int, duplicates: int
) -> pb.GetFillStatisticsResponse:
    return pb.GetFillStatisticsResponse(
        total_fills=fills.count,
        total_orders=orders.total,
        orders_by_status=[
            pb.StatusCount(status=status, count=count)  # type: ignore[arg-type]  # the enums share their values
            for status, count in orders.statuses
        ],
        active_orders=orders.active,
        completion_rate=orders.completion_rate,
        retry_rate=orders.retry_rate,
        total_retries=orders.retries,
        total_calls=orders.calls,
        retried_ratio=orders.retried_ratio,
        fees=_fees(fills.fees),
        notional=_notional(fills.notional),
        maker_ratio=fills.maker_ratio,
        fill_ratio=orders.fill_ratio,
        fills_without_fee=fills.without_fee,
        fills_without_liquidity=fills.without_liquidity,
        time_to_first_fill=_percentiles(orders.first_fill),
        time_to_complete=_percentiles(orders.complete),
        reversed_fills=fills.reversed,
        duplicates_dropped=duplicates,
        conflicts=orders.conflicts,
        sequence=sequence,
        inferred_fills=fills.inferred,
    )


def _bucket_message(bucket: Bucket, hours: int) -> pb.PerformanceBucket:
    fills, orders = bucket.fills, bucket.orders
    return pb.PerformanceBucket(
        start_time=to_timestamp(bucket.hour * HOUR),
        end_time=to_timestamp((bucket.hour + hours) * HOUR),
        total_fills=fills.count,
        notional=_notional(fills.notional),
        fees=_fees(fills.fees),
        maker_ratio=fills.maker_ratio,
        orders_filled=orders.filled,
        orders_final=orders.final,
        completion_rate=orders.completion_rate,
        time_to_complete=_percentiles(orders.complete),
        total_retries=orders.retries,
        retry_rate=orders.retry_rate,
    )


def _group_message(group: FeeGroup) -> pb.FeeGroup:
    figures = group.figures
    return pb.FeeGroup(
        venue=group.venue or "",
        account=group.account or "",
        symbol=group.symbol or "",
        side=group.side or 0,  # type: ignore[arg-type]  # the enums share their values
        liquidity=group.liquidity or 0,  # type: ignore[arg-type]
        hour=None if group.hour is None else to_timestamp(group.hour * HOUR),
        fees=_fees(figures.fees),
        notional=_notional(figures.notional),
        fee_bps=figures.fee_bps,
        fill_count=figures.count,
        fills_without_fee=figures.without_fee,
        inferred_fills=figures.inferred,
        inferred_ratio=figures.inferred_ratio,
    )


def _fees(amounts: Iterable[Amount]) -> list[fills_pb2.Fee]:
    return [fills_pb2.Fee(amount=canonical(amount), currency=currency) for currency, amount in amounts]


def _notional(amounts: Iterable[Amount]) -> list[fills_pb2.Notional]:
    return [fills_pb2.Notional(amount=canonical(amount), currency=currency) for currency, amount in amounts]


def _percentiles(spans: Percentiles | None) -> pb.TimePercentiles | None:
    if spans is None:
        return None
    return pb.TimePercentiles(
        count=spans.count, p50=_duration(spans.p50), p95=_duration(spans.p95), p99=_duration(spans.p99)
    )


def _duration(nanoseconds: int) -> Duration:
    seconds, nanos = divmod(nanoseconds, NANOSECONDS)
    return Duration(seconds=seconds, nanos=nanos)
