"""RecordFill, GetFill, ListFills, BustFill, CorrectFill: outcomes, sequences, the order after, pages."""

from typing import Any

import grpc
import pytest
from support.application import RunningServer
from support.messages import NOON, fill, identity, moment, record, register
from support.refusals import refused

from fillhandler.v1 import fill_service_pb2 as pb
from fillhandler.v1 import fills_pb2, orders_pb2


async def test_record_fill_opens_its_order(server: RunningServer) -> None:
    answer = await server.fills.RecordFill(record("1"))
    assert (answer.outcome, answer.sequence) == (pb.OUTCOME_RECORDED, 1)
    order = answer.order
    assert (order.venue, order.account, order.symbol, order.order_id) == (
        "binance",
        "main",
        "BTCUSDT",
        "order-1",
    )
    assert (order.cumulative_quantity, order.average_price, order.cumulative_notional) == ("0.5", "100", "50")
    assert order.status == orders_pb2.ORDER_STATUS_PARTIALLY_FILLED
    assert not order.registered
    assert not order.HasField("order_quantity")
    assert not order.HasField("leaves_quantity")
    assert [(fee.amount, fee.currency) for fee in order.fees] == [("0.05", "USDT")]
    assert (order.sequence, order.fill_count, order.first_fill_time.seconds) == (1, 1, NOON)


async def test_outcomes_and_their_sequences(server: RunningServer) -> None:
    first = await server.fills.RecordFill(record("1", liquidity=fills_pb2.LIQUIDITY_UNSPECIFIED))
    again = await server.fills.RecordFill(record("1", liquidity=fills_pb2.LIQUIDITY_UNSPECIFIED))
    richer = await server.fills.RecordFill(record("1", liquidity=fills_pb2.LIQUIDITY_MAKER))
    poorer = await server.fills.RecordFill(record("1", liquidity=fills_pb2.LIQUIDITY_UNSPECIFIED))
    other = await server.fills.RecordFill(record("1", quantity="0.6"))
    other_again = await server.fills.RecordFill(record("1", quantity="0.6"))
    assert [each.outcome for each in (first, again, richer, poorer, other, other_again)] == [
        pb.OUTCOME_RECORDED,
        pb.OUTCOME_DUPLICATE,
        pb.OUTCOME_ENRICHED,
        pb.OUTCOME_DUPLICATE,
        pb.OUTCOME_CONFLICT,
        pb.OUTCOME_CONFLICT,
    ]
    # A conflict's sequence is that of its own event, and the same conflict adds none.
    assert [each.sequence for each in (first, again, richer, poorer, other, other_again)] == [
        1,
        1,
        2,
        1,
        3,
        3,
    ]
    assert other_again.order.cumulative_quantity == "0.5"
    assert server.head == 4  # the conflict is an anomaly too


async def test_duplicates_across_a_restart(server: RunningServer) -> None:
    await server.fills.RecordFill(record("1"))
    await server.restart()
    again = await server.fills.RecordFill(record("1"))
    assert (again.outcome, again.sequence, server.head) == (pb.OUTCOME_DUPLICATE, 1, 1)


async def test_numbers_are_canonical_and_exact(server: RunningServer) -> None:
    long = "12345678901234567890.123456789012345678"
    await server.fills.RecordFill(record("1", quantity="00.50", price=long))
    got = (await server.fills.GetFill(pb.GetFillRequest(identity=identity(fill("1"))))).fill
    assert (got.quantity, got.price) == ("0.5", long)
    same = await server.fills.RecordFill(record("1", quantity="0.500", price=long))
    assert same.outcome == pb.OUTCOME_DUPLICATE


@pytest.mark.parametrize("price", ["0", "-37.63", "-0", None])
async def test_prices_that_are_legal(server: RunningServer, price: str | None) -> None:
    answer = await server.fills.RecordFill(record("1", price=price))
    assert answer.outcome == pb.OUTCOME_RECORDED
    got = (await server.fills.GetFill(pb.GetFillRequest(identity=identity(fill("1"))))).fill
    assert (got.price if got.HasField("price") else None) == ("0" if price == "-0" else price)


async def test_no_trade_id_is_derived_and_repeatable(server: RunningServer) -> None:
    first = await server.fills.RecordFill(record(""))
    again = await server.fills.RecordFill(record(""))
    other = await server.fills.RecordFill(record("", quantity="0.7"))
    assert [each.outcome for each in (first, again, other)] == [
        pb.OUTCOME_RECORDED,
        pb.OUTCOME_DUPLICATE,
        pb.OUTCOME_RECORDED,
    ]
    listed = (await server.fills.ListFills(pb.ListFillsRequest())).fills
    assert all(each.trade_id_derived and each.trade_id for each in listed)


async def test_get_fill(server: RunningServer) -> None:
    sent = fill("1", metadata={"raw": "XBT"}, client_order_id="mine")
    await server.fills.RecordFill(pb.RecordFillRequest(fill=sent))
    got = (await server.fills.GetFill(pb.GetFillRequest(identity=identity(sent)))).fill
    assert (got.state, got.sequence, got.account) == (fills_pb2.FILL_STATE_STANDING, 1, "main")
    assert got.HasField("receive_time")
    assert dict(got.metadata) == {"raw": "XBT"}
    assert got.client_order_id == "mine"

    missing = await refused(server.fills.GetFill(pb.GetFillRequest(identity=identity(sent, trade_id="2"))))
    assert (missing.status, missing.reason, missing.domain) == (
        grpc.StatusCode.NOT_FOUND,
        "FILL_NOT_FOUND",
        "fillhandler",
    )
    assert missing.metadata["trade_id"] == "2"


async def test_identity_separates_what_the_domain_says(server: RunningServer) -> None:
    """One trade id on another account, symbol, order, side and leg: each is a fill of its own."""
    variants: list[dict[str, Any]] = [
        {},
        {"account": "second"},
        {"symbol": "ETHUSDT"},
        {"order_id": "order-2"},
        {"side": fills_pb2.SIDE_SELL},
        {"leg": "open"},
        {"venue": "bitget"},
    ]
    for variant in variants:
        answer = await server.fills.RecordFill(record("1", **variant))
        assert answer.outcome == pb.OUTCOME_RECORDED, variant
    for variant in variants:
        got = (await server.fills.GetFill(pb.GetFillRequest(identity=identity(fill("1", **variant))))).fill
        for name, value in variant.items():
            assert getattr(got, name) == value


# ------------------------------------------------------------------ ListFills


async def listed(server: RunningServer, **conditions: Any) -> list[str]:
    """The trade ids of all pages."""
    request = pb.ListFillsRequest(**conditions)
    found: list[str] = []
    while True:
        page = await server.fills.ListFills(request)
        assert len(page.fills) <= (request.page_size or 100)
        found += [each.trade_id for each in page.fills]
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def test_list_fills_filters_and_time_ranges(server: RunningServer) -> None:
    for n in range(6):
        await server.fills.RecordFill(
            record(
                str(n),
                venue=("binance", "bitget")[n % 2],
                account=("", "second")[n // 3],
                symbol=("BTCUSDT", "ETHUSDT")[n // 2 % 2],
                order_id=f"order-{n % 3}-{n % 2}",
                trade_time=moment(NOON + n),
            )
        )
    assert await listed(server) == list("012345")
    assert await listed(server, venue="BINANCE") == list("024")
    assert await listed(server, account="main") == list("012")
    assert await listed(server, account="second", venue="bitget") == list("35")
    assert await listed(server, symbol="ETHUSDT") == list("23")
    assert await listed(server, order_id="order-1-1") == ["1"]
    assert await listed(server, order_id="nobody's") == []
    # From start_time on and before end_time.
    assert await listed(server, start_time=moment(NOON + 1), end_time=moment(NOON + 4)) == list("123")
    assert await listed(server, start_time=moment(NOON + 4.5)) == ["5"]
    assert await listed(server, end_time=moment(NOON)) == []
    assert await listed(server, order_id="order-1-1", end_time=moment(NOON + 1)) == []


@pytest.mark.parametrize("conditions", [{}, {"order_id": "order-1"}, {"symbol": "BTCUSDT"}], ids=str)
async def test_list_fills_pages(server: RunningServer, conditions: dict[str, Any]) -> None:
    for n in range(7):
        await server.fills.RecordFill(record(str(n)))
    assert await listed(server, page_size=1, **conditions) == list("0123456")
    assert await listed(server, page_size=3, **conditions) == list("0123456")
    assert await listed(server, page_size=7, **conditions) == list("0123456")
    first = await server.fills.ListFills(pb.ListFillsRequest(page_size=3, **conditions))
    await server.fills.RecordFill(record("7"))
    rest = await server.fills.ListFills(pb.ListFillsRequest(page_token=first.next_page_token, **conditions))
    assert [each.trade_id for each in rest.fills] == list("34567")


async def test_page_tokens_belong_to_their_query(server: RunningServer) -> None:
    for n in range(3):
        await server.fills.RecordFill(record(str(n)))
    token = (await server.fills.ListFills(pb.ListFillsRequest(page_size=1))).next_page_token
    for request in (
        pb.ListFillsRequest(page_token=token, venue="binance"),
        pb.ListFillsRequest(page_token="nonsense"),
        pb.ListFillsRequest(page_token=token[:-3]),
        pb.ListFillsRequest(page_token="é"),
    ):
        answer = await refused(server.fills.ListFills(request))
        assert (answer.status, answer.reason) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "PAGE_TOKEN_INVALID",
        )


async def test_page_size_bounds(server: RunningServer) -> None:
    answer = await refused(server.fills.ListFills(pb.ListFillsRequest(page_size=-1)))
    assert answer.violations.keys() == {"page_size"}
    assert (await server.fills.ListFills(pb.ListFillsRequest(page_size=2**31 - 1))).next_page_token == ""


async def test_times_out_of_range_are_refused(server: RunningServer) -> None:
    for seconds in (2**62, -(2**62)):
        request = pb.ListFillsRequest(start_time={"seconds": seconds}, end_time={"seconds": 1, "nanos": -1})
        answer = await refused(server.fills.ListFills(request))
        assert answer.violations.keys() == {"start_time", "end_time"}


# ------------------------------------------------------------------ busts and corrections


async def test_bust(server: RunningServer) -> None:
    await server.orders.RegisterOrder(register())
    await server.fills.RecordFill(record("1", quantity="1"))
    bust = pb.BustFillRequest(identity=identity(fill("1")))
    answer = await server.fills.BustFill(bust)
    assert (answer.outcome, answer.applied) == (pb.OUTCOME_RECORDED, True)
    assert (answer.order.cumulative_quantity, answer.order.leaves_quantity) == ("0", "1")
    again = await server.fills.BustFill(bust)
    assert (again.outcome, again.sequence) == (pb.OUTCOME_DUPLICATE, answer.sequence)
    # The tombstone stays.
    replayed = await server.fills.RecordFill(record("1", quantity="1"))
    assert replayed.outcome == pb.OUTCOME_DUPLICATE
    assert replayed.order.cumulative_quantity == "0"
    got = (await server.fills.GetFill(pb.GetFillRequest(identity=identity(fill("1"))))).fill
    assert got.state == fills_pb2.FILL_STATE_BUSTED
    assert await listed(server) == []
    assert await listed(server, include_reversed=True) == ["1"]
    assert await listed(server, include_reversed=True, order_id="order-1") == ["1"]


async def test_bust_before_its_fill_waits(server: RunningServer) -> None:
    early = await server.fills.BustFill(pb.BustFillRequest(identity=identity(fill("1"))))
    assert (early.outcome, early.applied) == (pb.OUTCOME_RECORDED, False)
    await server.restart()
    late = await server.fills.RecordFill(record("1"))
    assert late.outcome == pb.OUTCOME_RECORDED
    assert late.order.cumulative_quantity == "0"


async def test_corrections_the_golden_case(server: RunningServer) -> None:
    """FIX 4.4 appendix J.1.a."""

    async def correct(named: str, new: str, **fields: Any) -> orders_pb2.Order:
        request = pb.CorrectFillRequest(
            identity=identity(fill(named)), fill=fills_pb2.Fill(trade_id=new, **fields)
        )
        answer = await server.fills.CorrectFill(request)
        assert (answer.outcome, answer.applied) == (pb.OUTCOME_RECORDED, True)
        return answer.order

    await server.orders.RegisterOrder(register(order_quantity="10000"))
    await server.fills.RecordFill(record("A", quantity="1000", price="100"))
    order = (await server.fills.RecordFill(record("B", quantity="9000", price="110"))).order
    assert (order.cumulative_quantity, order.average_price) == ("10000", "109")
    assert order.status == orders_pb2.ORDER_STATUS_FILLED
    order = (await server.fills.BustFill(pb.BustFillRequest(identity=identity(fill("A"))))).order
    assert (order.cumulative_quantity, order.average_price, order.leaves_quantity) == ("9000", "110", "1000")
    order = await correct("B", "B2", quantity="9000", price="100")
    assert (order.cumulative_quantity, order.average_price) == ("9000", "100")
    order = (await server.fills.RecordFill(record("C", quantity="1000", price="120"))).order
    assert (order.cumulative_quantity, order.average_price) == ("10000", "102")
    # Any link of the chain names it.
    order = await correct("B", "B3", quantity="9000", price="120")
    assert (order.cumulative_quantity, order.average_price) == ("10000", "120")
    assert sorted(await listed(server)) == ["B3", "C"]
    state = {}
    for trade_id in ("A", "B", "B2", "B3", "C"):
        got = await server.fills.GetFill(pb.GetFillRequest(identity=identity(fill(trade_id))))
        state[trade_id] = fills_pb2.FillState.Name(got.fill.state).removeprefix("FILL_STATE_")
    assert state == {
        "A": "BUSTED",
        "B": "CORRECTED",
        "B2": "CORRECTED",
        "B3": "STANDING",
        "C": "STANDING",
    }


async def test_correction_before_its_fill_waits(server: RunningServer) -> None:
    request = pb.CorrectFillRequest(
        identity=identity(fill("1")), fill=fills_pb2.Fill(trade_id="2", quantity="0.4", price="90")
    )
    early = await server.fills.CorrectFill(request)
    assert (early.outcome, early.applied) == (pb.OUTCOME_RECORDED, False)
    again = await server.fills.CorrectFill(request)
    assert (again.outcome, again.sequence) == (pb.OUTCOME_DUPLICATE, early.sequence)
    late = await server.fills.RecordFill(record("1"))
    assert (late.order.cumulative_quantity, late.order.average_price) == ("0.4", "90")


async def test_correction_conflict_and_bad_fields(server: RunningServer) -> None:
    await server.fills.RecordFill(record("1"))
    request = pb.CorrectFillRequest(
        identity=identity(fill("1")), fill=fills_pb2.Fill(trade_id="2", quantity="0.4", price="90")
    )
    await server.fills.CorrectFill(request)
    request.fill.price = "91"
    assert (await server.fills.CorrectFill(request)).outcome == pb.OUTCOME_CONFLICT

    request.fill.trade_id = ""
    assert (await refused(server.fills.CorrectFill(request))).violations.keys() == {"fill.trade_id"}
    request.fill.trade_id = "3"
    request.fill.symbol = "ETHUSDT"
    assert (await refused(server.fills.CorrectFill(request))).violations.keys() == {"fill.symbol"}
    empty = await refused(server.fills.BustFill(pb.BustFillRequest()))
    assert empty.violations.keys() == {
        "identity.venue",
        "identity.symbol",
        "identity.trade_id",
        "identity.side",
    }
