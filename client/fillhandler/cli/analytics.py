"""performance, fee-analysis: figures over the record."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from fillhandler.calls.analytics import FilterFields
from fillhandler.cli.output import document
from fillhandler.cli.selection import AccountOption, FromOption, SymbolOption, ToOption, VenueOption
from fillhandler.cli.session import Session, command
from fillhandler.cli.values import (
    parse_span,
    shown_amounts,
    shown_liquidity,
    shown_ratio,
    shown_side,
    shown_span,
    shown_status,
    shown_time,
)
from fillhandler.v1 import analytics_service_pb2


def add_to(app: typer.Typer) -> None:
    """Add these commands."""

    @command(
        app, "performance", epilog="fillhandler performance --venue binance --from 2026-01-01 --bucket 24h"
    )
    async def performance(
        session: Session,
        venue: VenueOption = "",
        account: AccountOption = "",
        symbol: SymbolOption = "",
        start_time: FromOption = None,
        end_time: ToOption = None,
        bucket: Annotated[
            timedelta | None,
            typer.Option(
                "--bucket",
                parser=parse_span,
                metavar="SPAN",
                show_default=False,
                help="Width of a row: whole hours, such as 1h, 24h or 7d; 1h unless given.",
            ),
        ] = None,
    ) -> None:
        """Show totals and a series: fills, volume, fees, completion, fill times."""
        conditions = FilterFields(
            venue=venue, account=account, symbol=symbol, start_time=start_time, end_time=end_time
        )
        async with session.client() as client:
            answer = await client.analyze_performance(bucket=bucket, **conditions)
        if session.output.json:
            session.output.result(document(answer))
            return
        session.output.record(_totals(answer.totals), title="totals")
        session.output.text("")
        session.output.table(
            (
                "from",
                "#fills",
                "notional",
                "fees",
                "#maker",
                "#filled",
                "#final",
                "#completion",
                "#median time",
            ),
            (
                (
                    shown_time(each, "start_time"),
                    each.total_fills,
                    shown_amounts(each.notional),
                    shown_amounts(each.fees),
                    shown_ratio(each, "maker_ratio"),
                    each.orders_filled,
                    each.orders_final,
                    shown_ratio(each, "completion_rate"),
                    _median(each.time_to_complete),
                )
                for each in answer.buckets
            ),
            title="by time",
        )

    @command(app, "fee-analysis", epilog="fillhandler fee-analysis --by venue,symbol,liquidity")
    async def fee_analysis(
        session: Session,
        by: Annotated[
            str,
            typer.Option(
                "--by",
                metavar="LIST",
                help="venue, account, symbol, side, liquidity, hour; with commas between.",
            ),
        ] = "venue",
        venue: VenueOption = "",
        account: AccountOption = "",
        symbol: SymbolOption = "",
        start_time: FromOption = None,
        end_time: ToOption = None,
    ) -> None:
        """Show fees by group, one exact sum a currency."""
        conditions = FilterFields(
            venue=venue, account=account, symbol=symbol, start_time=start_time, end_time=end_time
        )
        dimensions = [word.strip() for word in by.split(",") if word.strip()]
        async with session.client() as client:
            try:
                answer = await client.analyze_fees(group_by=dimensions, **conditions)
            except ValueError as error:
                raise typer.BadParameter(str(error).replace("group_by", "--by")) from None
        if session.output.json:
            session.output.result(document(answer))
            return
        shown = [dimension.lower() for dimension in dimensions] or ["venue"]
        session.output.table(
            (*shown, "fees", "notional", "#bps", "#fills", "#without fee"),
            [*(_fee_row(group, shown) for group in answer.groups), _fee_row(answer.total, shown, total=True)],
        )


def _totals(totals: analytics_service_pb2.GetFillStatisticsResponse) -> dict[str, object]:
    by_status = ", ".join(f"{each.count} {shown_status(each.status)}" for each in totals.orders_by_status)
    return {
        "fills": totals.total_fills,
        "orders": f"{totals.total_orders}, {totals.active_orders} active",
        "by status": by_status,
        "completion rate": shown_ratio(totals, "completion_rate"),
        "fill ratio": shown_ratio(totals, "fill_ratio"),
        "maker ratio": shown_ratio(totals, "maker_ratio"),
        "retry rate": shown_ratio(totals, "retry_rate"),
        "retries": f"{totals.total_retries}, of {totals.total_calls} orders placed from here",
        "notional": shown_amounts(totals.notional),
        "fees": shown_amounts(totals.fees),
        "fills without fee": totals.fills_without_fee,
        "time to first fill": _percentiles(totals.time_to_first_fill),
        "time to complete": _percentiles(totals.time_to_complete),
        "reversed fills": totals.reversed_fills,
        "duplicates dropped": totals.duplicates_dropped,
        "conflicts": totals.conflicts,
    }


def _percentiles(times: analytics_service_pb2.TimePercentiles) -> str:
    if not times.count:
        return "–"
    return (
        f"p50 {shown_span(times.p50)}, p95 {shown_span(times.p95)}, p99 {shown_span(times.p99)} "
        f"of {times.count} orders"
    )


def _median(times: analytics_service_pb2.TimePercentiles) -> str:
    return shown_span(times.p50) if times.count else "–"


def _fee_row(
    group: analytics_service_pb2.FeeGroup, dimensions: list[str], *, total: bool = False
) -> tuple[object, ...]:
    cells = {
        "venue": group.venue,
        "account": group.account,
        "symbol": group.symbol,
        "side": shown_side(group.side),
        "liquidity": shown_liquidity(group.liquidity) or "unknown",
        "hour": shown_time(group, "hour"),
    }
    names = (
        ["total", *[""] * (len(dimensions) - 1)] if total else [cells.get(each, "") for each in dimensions]
    )
    return (
        *names,
        shown_amounts(group.fees),
        shown_amounts(group.notional),
        f"{group.fee_bps:.4f}" if group.HasField("fee_bps") else "–",
        group.fill_count,
        group.fills_without_fee,
    )
