"""AnalyticsService: figures over the record."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TypeAlias, TypedDict, Unpack, cast

from fillhandler import convert
from fillhandler.calls.base import Calls
from fillhandler.convert import TimeLike
from fillhandler.v1 import analytics_service_pb2

DimensionLike: TypeAlias = analytics_service_pb2.FeeDimension.ValueType | str


class FilterFields(TypedDict, total=False):
    """What counts. An empty condition holds always; times are from `start_time` on and before `end_time`."""

    venue: str
    account: str
    symbol: str
    start_time: TimeLike | None
    end_time: TimeLike | None


class AnalyticsCalls(Calls):
    """What AnalyticsService offers. A missing input gives an absent figure, never 0."""

    async def get_fill_statistics(
        self, *, timeout_seconds: float | None = None, **conditions: Unpack[FilterFields]
    ) -> analytics_service_pb2.GetFillStatisticsResponse:
        """Totals over the fills and orders that fit; see `FilterFields`."""
        request = convert.message(analytics_service_pb2.GetFillStatisticsRequest, None, "", **conditions)
        return await self._connection.call(
            self._connection.analytics.GetFillStatistics, request, timeout_seconds
        )

    async def analyze_performance(
        self,
        *,
        bucket: timedelta | None = None,
        timeout_seconds: float | None = None,
        **conditions: Unpack[FilterFields],
    ) -> analytics_service_pb2.AnalyzePerformanceResponse:
        """The same figures as a series of time buckets, a whole number of hours wide (None: one hour)."""
        request = analytics_service_pb2.AnalyzePerformanceRequest(
            filter=_filter(conditions), bucket=convert.duration(bucket, "bucket")
        )
        return await self._connection.call(
            self._connection.analytics.AnalyzePerformance, request, timeout_seconds
        )

    async def analyze_fees(
        self,
        *,
        group_by: Iterable[DimensionLike] = (),
        timeout_seconds: float | None = None,
        **conditions: Unpack[FilterFields],
    ) -> analytics_service_pb2.AnalyzeFeesResponse:
        """Fees by "venue" (if empty), "account", "symbol", "side", "liquidity", "hour", in the order
        given.
        """
        descriptor = analytics_service_pb2.FeeDimension.DESCRIPTOR
        dimensions = [group_by] if isinstance(group_by, str) else group_by
        request = analytics_service_pb2.AnalyzeFeesRequest(
            filter=_filter(conditions),
            group_by=[
                cast(
                    "analytics_service_pb2.FeeDimension.ValueType",
                    convert.enum_value(descriptor, dimension, "group_by"),
                )
                for dimension in dimensions
            ],
        )
        return await self._connection.call(self._connection.analytics.AnalyzeFees, request, timeout_seconds)


def _filter(conditions: FilterFields) -> analytics_service_pb2.StatisticsFilter:
    return convert.message(analytics_service_pb2.StatisticsFilter, conditions)
