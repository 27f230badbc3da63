"""RecordFills: bad fills refused by themselves, answers in order, durable before they are sent, bounded."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
import pytest
from support.application import RunningServer
from support.messages import fill, moment, record
from support.refusals import read, refused

from fillhandler.v1 import fill_service_pb2 as pb
from fillhandler.v1 import fills_pb2
from fillhandler.v1.fill_service_pb2_grpc import FillServiceStub
from fillhandler_server.app import key_source
from fillhandler_server.journal.database import OperationalError
from fillhandler_server.journal.store import Store
from fillhandler_server.rpc import pipeline
from fillhandler_server.writer import queueing


async def send(
    server: RunningServer, batches: Iterable[list[fills_pb2.Fill]]
) -> list[pb.RecordFillsResponse]:
    async def requests() -> AsyncIterator[pb.RecordFillsRequest]:
        for batch in batches:
            yield pb.RecordFillsRequest(fills=batch)

    return [answer async for answer in server.fills.RecordFills(requests())]


async def test_bad_fills_are_refused_by_themselves(server: RunningServer) -> None:
    batch = [
        fill("1"),
        fill("2", quantity="NaN"),
        fill("3", venue=""),
        fill("4", fees=[fills_pb2.Fee(amount="1e5", currency="USDT")]),
        fill("5"),
        fills_pb2.Fill(),
        fill("1"),
        fill("1", price="101"),
    ]
    (answer,) = await send(server, [batch])
    assert [result.outcome for result in answer.results] == [
        pb.OUTCOME_RECORDED,
        pb.OUTCOME_REFUSED,
        pb.OUTCOME_REFUSED,
        pb.OUTCOME_REFUSED,
        pb.OUTCOME_RECORDED,
        pb.OUTCOME_REFUSED,
        pb.OUTCOME_DUPLICATE,
        pb.OUTCOME_CONFLICT,
    ]
    assert [result.sequence for result in answer.results] == [1, 0, 0, 0, 2, 0, 1, 3]
    assert [(each.error.reason, each.error.field) for each in answer.results if each.HasField("error")] == [
        ("INVALID_FIELD", "fills[1].quantity"),
        ("INVALID_FIELD", "fills[2].venue"),
        ("INVALID_FIELD", "fills[3].fees[0].amount"),
        ("INVALID_FIELD", "fills[5].venue"),
    ]
    assert all(each.error.text for each in answer.results if each.HasField("error"))
    assert not any(result.HasField("fill") for result in answer.results)
    assert server.head == 4  # the conflict is an anomaly too


BAD = {
    "quantity": ["", "0", "-1", "0.0", "1e3", "+1", ".5", "5.", " 1", "1_0", "NaN", "inf", "0x1", "１"],
    "price": ["", "1e400", "Infinity", "--1", "1" * 21, "0." + "1" * 19, "1E+999999999"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name in BAD for text in BAD[name]])
@pytest.mark.parametrize("warm", [False, True], ids=["first", "later"])
async def test_numbers_out_of_the_grammar(server: RunningServer, name: str, text: str, warm: bool) -> None:
    """Alike for a symbol that the server sees first and for one whose names it has checked before."""
    if warm:
        await send(server, [[fill("0")]])
    (answer,) = await send(server, [[fill("1", **{name: text}), fill("2")]])
    assert [result.outcome for result in answer.results] == [pb.OUTCOME_REFUSED, pb.OUTCOME_RECORDED]
    assert answer.results[0].error.field == f"fills[0].{name}"


@pytest.mark.parametrize("warm", [False, True], ids=["first", "later"])
async def test_same_as_one_by_one(server: RunningServer, warm: bool) -> None:
    """The batched path and the single one understand a fill alike."""
    variants = [
        fill("1"),
        fill("2", price=None),
        fill("3", fees=[], liquidity=0),
        fill("4", account="main"),
        fill("5", trade_time=None),
        fill("6", price="-0", quantity="01.10"),
        fill("7", market="SPOT", client_order_id="mine"),
        fill("8", order_id=""),
        fill("9", leg="close", metadata={"a": "b"}),
        fill("", quantity="0.123"),
        fill("10", fees=[fills_pb2.Fee(amount="-1", currency="A"), fills_pb2.Fee(amount="0", currency="B")]),
        fill("11", contract=fills_pb2.Contract(kind=fills_pb2.CONTRACT_KIND_LINEAR, multiplier="0.01")),
        fill("12", venue="BINANCE", base_currency="BTC", trade_time=moment(-5)),
        fill("13", inferred=True, sequence=99, state=fills_pb2.FILL_STATE_BUSTED, trade_id_derived=True),
        fill("14", order_id="ordre n° 1 — é", trade_time=moment(1.5)),
    ]
    if warm:
        await send(server, [[fill("0")]])
    (answer,) = await send(server, [variants])
    assert [result.outcome for result in answer.results] == [pb.OUTCOME_RECORDED] * len(variants)
    for each in variants:
        alone = await server.fills.RecordFill(pb.RecordFillRequest(fill=each))
        assert alone.outcome == pb.OUTCOME_DUPLICATE, each
    listed = (await server.fills.ListFills(pb.ListFillsRequest())).fills
    assert not any(each.inferred for each in listed)
    assert {each.state for each in listed} == {fills_pb2.FILL_STATE_STANDING}


async def test_answers_come_in_order(server: RunningServer) -> None:
    batches = [[fill(f"{at}-{n}") for n in range(1 + at * 7 % 40)] for at in range(60)]
    answers = await send(server, batches)
    assert [len(answer.results) for answer in answers] == [len(batch) for batch in batches]
    sequences = [result.sequence for answer in answers for result in answer.results]
    assert sequences == list(range(1, len(sequences) + 1))


async def test_an_empty_batch_is_answered(server: RunningServer) -> None:
    answers = await send(server, [[], [fill("1")], []])
    assert [len(answer.results) for answer in answers] == [0, 1, 0]
    assert await send(server, []) == []


async def test_an_acknowledged_fill_is_in_the_file(server: RunningServer) -> None:
    """Read by another connection at the moment of the acknowledgement, while the stream is still open."""
    call = server.fills.RecordFills()
    for n in range(5):
        await call.write(pb.RecordFillsRequest(fills=[fill(str(n))]))
        sequence = (await call.read()).results[0].sequence
        reader = server.app.store.reader()
        assert reader.execute("SELECT max(first_sequence + count - 1) FROM journal").fetchone()[0] >= sequence
        reader.close()
    await call.done_writing()
    await server.stop()
    store = Store(server.data_dir, key_source(server.settings))
    try:
        assert store.journal.head().sequence == 5
    finally:
        store.close()
    await server.start()
    assert (await server.fills.RecordFill(record("4"))).outcome == pb.OUTCOME_DUPLICATE


async def test_undecodable_bytes_end_the_stream_after_the_answers_before(server: RunningServer) -> None:
    raw = server.channel.stream_stream("/fillhandler.v1.FillService/RecordFills")
    call = raw(metadata=(("authorization", f"Bearer {server.token}"),))
    await call.write(pb.RecordFillsRequest(fills=[fill("1")]).SerializeToString())
    await call.write(b"\xff\xff\xff")
    first = pb.RecordFillsResponse.FromString(await call.read())
    assert first.results[0].outcome == pb.OUTCOME_RECORDED
    answer = await refused(call.read())
    assert (answer.status, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert server.head == 1


async def test_a_client_that_never_reads_is_held_by_flow_control(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stops being read once its window is full, and other clients go on."""
    monkeypatch.setattr(pipeline, "WINDOW_REQUESTS", 4)
    call = server.fills.RecordFills()
    batch = pb.RecordFillsRequest(fills=[fill(f"filler-{n}", order_id="o" * 200) for n in range(400)])

    async def flood() -> None:
        for n in range(2000):
            batch.fills[0].trade_id = f"flood-{n}"
            await call.write(batch)

    flooding = asyncio.ensure_future(flood())
    other = server.open_channel()
    try:
        fills = server.stub(FillServiceStub, other)
        for n in range(20):
            await asyncio.wait_for(fills.RecordFill(record(f"quick-{n}")), 5)
        assert not flooding.done()
    finally:
        flooding.cancel()
        call.cancel()
        await other.close()


async def test_a_cancelled_stream_leaves_the_server_well(server: RunningServer) -> None:
    for n in range(10):
        call = server.fills.RecordFills()
        await call.write(pb.RecordFillsRequest(fills=[fill(f"{n}-{m}") for m in range(50)]))
        call.cancel()
    (answer,) = await send(server, [[fill("after")]])
    assert answer.results[0].outcome == pb.OUTCOME_RECORDED


async def test_a_failing_store_never_acknowledges(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STORE_UNAVAILABLE with RetryInfo: the outcome is unknown, and sending it again settles it."""
    journal = server.app.store.journal
    real = type(journal).append
    failures = [OperationalError("disk I/O error")]

    def append(self: Any, batch: Any, times: Any) -> None:
        if failures:
            raise failures.pop()
        return real(self, batch, times)

    monkeypatch.setattr(type(journal), "append", append)
    answer = await refused(server.fills.RecordFill(record("1")))
    assert (answer.status, answer.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
    assert (answer.retry_seconds or 0) > 0
    assert "disk I/O" not in answer.text
    again = await server.fills.RecordFill(record("1"))
    assert (again.outcome, again.sequence) == (pb.OUTCOME_RECORDED, 1)

    failures.append(OperationalError("database or disk is full"))
    full = await refused(server.fills.RecordFill(record("2")))
    assert (full.status, full.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "STORE_FULL")
    assert (full.retry_seconds or 0) > 0
    # Reads go on, and writing resumes by itself.
    assert len((await server.fills.ListFills(pb.ListFillsRequest())).fills) == 1
    assert (await server.fills.RecordFill(record("2"))).sequence == 2


async def test_a_failing_store_ends_the_stream(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def append(self: Any, batch: Any, times: Any) -> None:
        raise OperationalError("disk I/O error")

    call = server.fills.RecordFills()
    await call.write(pb.RecordFillsRequest(fills=[fill("1")]))
    assert (await call.read()).results[0].sequence == 1
    with monkeypatch.context() as patch:
        patch.setattr(type(server.app.store.journal), "append", append)
        await call.write(pb.RecordFillsRequest(fills=[fill("2")]))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
    assert read(caught.value).reason == "STORE_UNAVAILABLE"
    (answer,) = await send(server, [[fill("1"), fill("2")]])
    assert [each.outcome for each in answer.results] == [pb.OUTCOME_DUPLICATE, pb.OUTCOME_RECORDED]


async def test_a_stop_answers_what_was_read_and_ends_idle_streams(server: RunningServer) -> None:
    """Without waiting for the grace period, and with a reason that says to come back."""
    call = server.fills.RecordFills()
    for n in range(20):
        await call.write(pb.RecordFillsRequest(fills=[fill(f"{n}-{m}") for m in range(10 + n)]))
    first = await call.read()
    assert first.results[0].sequence == 1
    async with asyncio.timeout(3):
        await server.app.stop()
    acknowledged = [first]
    with pytest.raises(grpc.aio.AioRpcError) as caught:  # noqa: PT012  # the last of many reads
        while True:
            acknowledged.append(await call.read())
    assert read(caught.value).reason == "SHUTTING_DOWN"
    results = [result for answer in acknowledged for result in answer.results]
    assert {result.outcome for result in results} == {pb.OUTCOME_RECORDED}
    await server.channel.close()
    await server.start()
    assert server.head >= len(results)


async def test_a_stop_leaves_no_unary_call_in_doubt(server: RunningServer) -> None:
    """G16: what was under way is answered, and what was not answered was not taken."""
    calls = [asyncio.ensure_future(server.fills.RecordFill(record(str(n)))) for n in range(300)]
    await calls[0]
    await server.app.stop()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    taken = {str(n) for n, answer in enumerate(answers) if not isinstance(answer, BaseException)}
    for answer in answers:
        if isinstance(answer, grpc.aio.AioRpcError):
            # Cancelled: by gRPC itself, those that it had not handed over yet.
            assert answer.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    await server.channel.close()
    await server.start()
    listed = (await server.fills.ListFills(pb.ListFillsRequest(page_size=1000))).fills
    assert {each.trade_id for each in listed} == taken


async def test_an_overloaded_writer_says_so(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(queueing, "QUEUE_SMALL_MAX", 0)
        answer = await refused(server.fills.RecordFill(record("1")))
    assert (answer.status, answer.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
    assert answer.retry_seconds
    assert (await server.fills.RecordFill(record("1"))).sequence == 1


async def test_a_stream_keeps_its_order_whatever_its_batches_weigh(server: RunningServer) -> None:
    """Small requests overtake bulk ones, but not those of their own stream: the first content stands."""
    many = [fill(f"many-{n}") for n in range(300)]
    answers = await send(server, [[*many, fill("x", quantity="1")], [fill("x", quantity="2")]] * 3)
    assert [answer.results[-1].outcome for answer in answers] == [
        pb.OUTCOME_RECORDED,
        pb.OUTCOME_CONFLICT,
        pb.OUTCOME_DUPLICATE,
        pb.OUTCOME_CONFLICT,
        pb.OUTCOME_DUPLICATE,
        pb.OUTCOME_CONFLICT,
    ]
