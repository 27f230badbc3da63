"""RecordFills: bad fills refused by themselves, answers in order, durable before they are sent, bounded."""

import asyncio
import sqlite3
from collections.abc import Iterable

import grpc
import pytest
from support.application import RunningServer
from support.messages import fill, moment, record
from support.refusals import read, refused

from fillhandler.v1 import fill_service_pb2 as pb
from fillhandler.v1 import fills_pb2
from fillhandler_server.journal.store import Store
from fillhandler_server.rpc import pipeline


async def send(
    server: RunningServer, batches: Iterable[list[fills_pb2.Fill]]
) -> list[pb.RecordFillsResponse]:
    async def requests():
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
    assert server.head == 3


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
    store = Store(server.data_dir, server.app.store.key and _keys(server))
    try:
        assert store.journal.head().sequence == 5
    finally:
        store.close()
    await server.start()
    assert (await server.fills.RecordFill(record("4"))).outcome == pb.OUTCOME_DUPLICATE


def _keys(server: RunningServer):
    from fillhandler_server.encryption import KeySource

    return KeySource(server.settings.key_folder, use_keyring=False)


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
        from fillhandler.v1.fill_service_pb2_grpc import FillServiceStub

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
    from fillhandler_server.journal.database import OperationalError

    failures = [OperationalError("disk I/O error")]

    def append(self, batch, times):
        if failures:
            raise failures.pop()
        return real(self, batch, times)

    monkeypatch.setattr(type(journal), "append", append)
    answer = await refused(server.fills.RecordFill(record("1")))
    assert (answer.status, answer.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
    assert answer.retry_seconds and answer.retry_seconds > 0
    assert "disk I/O" not in answer.text
    again = await server.fills.RecordFill(record("1"))
    assert (again.outcome, again.sequence) == (pb.OUTCOME_RECORDED, 1)

    failures.append(OperationalError("database or disk is full"))
    full = await refused(server.fills.RecordFill(record("2")))
    assert (full.status, full.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "STORE_FULL")
    assert full.retry_seconds and full.retry_seconds > 0
    # Reads go on, and writing resumes by itself.
    assert len((await server.fills.ListFills(pb.ListFillsRequest())).fills) == 1
    assert (await server.fills.RecordFill(record("2"))).sequence == 2
    assert isinstance(sqlite3.sqlite_version, str)


async def test_a_failing_store_ends_the_stream(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fillhandler_server.journal.database import OperationalError

    def append(self, batch, times):
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
    acknowledged = 1
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        while True:
            answer = await call.read()
            assert {each.outcome for each in answer.results} == {pb.OUTCOME_RECORDED}
            acknowledged += 1
    assert read(caught.value).reason == "SHUTTING_DOWN"
    await server.channel.close()
    await server.start()
    assert server.head >= sum(10 + n for n in range(acknowledged))


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
