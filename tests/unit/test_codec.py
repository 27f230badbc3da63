"""Events to bytes and back: what the hot path joins by hand is what the generic message says."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.desks import (
    START,
    MemoryDesk,
    a_fill,
    a_report,
    bust,
    correct,
    kinds,
    record,
    register,
    report,
)
from tests.support.memory_book import MemoryBook
from tests.support.streams import any_fills, long_prices, quantities, texts, wild_stories
from tests.support.trade_stories import every_kind

from fillhandler.v1 import events_pb2, fills_pb2
from fillhandler_server import codec
from fillhandler_server.domain import events as ev
from fillhandler_server.domain.fills import Fill
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.reports import OrderReport, OrderStatus
from fillhandler_server.engine import Engine, fold

nanoseconds = st.integers(0, 2**62)


def encode(event: ev.Event, now: int) -> bytes:
    encoder = codec.BatchEncoder()
    encoder(event, now)
    return b"".join(encoder.take())


@given(any_fills(), nanoseconds, st.none() | quantities, st.booleans(), st.integers(1, 2**60))
def test_hand_joined_bytes_are_the_generic_messages(
    fill: Fill, now: int, ordered: Any, encoded: bool, sequence: int
) -> None:
    order = Order(sequence, fill.venue, fill.account)
    order.sequence = sequence  # known, so that the book is not asked
    order.order_quantity = ordered
    if encoded:
        fill.encoded = codec.fill_to_bytes(fill)
    event = ev.FillRecorded(order, fill, sequence)
    fold(MemoryBook(), event, now)
    (message,) = codec.decode_batch(encode(event, now))

    expected = codec.event_message(event)
    expected.sequence = sequence
    expected.commit_time.CopyFrom(codec.to_timestamp(now))
    if fill.receive_time is None:
        expected.fill_recorded.fill.receive_time.CopyFrom(codec.to_timestamp(now))
    assert message == expected
    # Once more with the order's name at hand, as for every fill but its first.
    assert codec.decode_batch(encode(event, now)) == [expected]


@given(any_fills())
def test_fills_go_round(fill: Fill) -> None:
    again = codec.fill_from_bytes(codec.fill_to_bytes(fill))
    for name in Fill.__dataclass_fields__:
        assert getattr(again, name) == getattr(fill, name), name
    assert codec.fill_to_bytes(again) == codec.fill_to_bytes(fill)


numbers = st.none() | long_prices


@given(
    st.builds(
        OrderReport,
        venue=texts,
        status=st.integers(1, 10),
        symbol=texts,
        order_id=texts,
        client_order_id=texts,
        account=texts,
        market=texts,
        side=st.integers(0, 2),
        type=texts,
        order_quantity=numbers,
        cumulative_quantity=numbers,
        average_price=numbers,
        limit_price=numbers,
        expected_price=numbers,
        time=st.none() | nanoseconds,
        create_time=st.none() | nanoseconds,
        previous_order_id=texts,
        contract_kind=st.integers(0, 3),
        multiplier=numbers,
        base_currency=texts,
        quote_currency=texts,
        reason=texts,
        metadata=st.just({}),
    )
)
def test_reports_go_round(said: OrderReport) -> None:
    again = codec.report_from_bytes(codec.report_to_bytes(said))
    for name in OrderReport.__dataclass_fields__:
        assert getattr(again, name) == getattr(said, name), name


def refolded(messages: list[events_pb2.Event]) -> list[events_pb2.Event]:
    """The journal read, folded and written once more."""
    book, encoder = MemoryBook(), codec.BatchEncoder()
    for message in messages:
        event = codec.event_from_message(message, book)
        now = codec.from_timestamp(message.commit_time)
        if isinstance(event, ev.PlainEvent):
            encoder(event, now)
            continue
        fold(book, event, now)
        encoder(event, now)
    return codec.decode_batch(b"".join(encoder.take()))


def test_every_kind_of_event_goes_round() -> None:
    desk = MemoryDesk()
    desk.run(
        register(
            a_report(
                OrderStatus.PENDING_NEW, order_id="", client_order_id="c", order_quantity=3, limit_price=0
            )
        ),
        record(
            a_fill("A", 2, "-1.5", market="spot", fees={"USDT": "-0.1"}, metadata={"k": "v"}, trade_time=5)
        ),
        report(a_report(OrderStatus.NEW, client_order_id="c", multiplier="0.1", reason="because")),
        record(a_fill("A", 2, "-1.5", liquidity=1)),
        record(a_fill("A", 7, None)),
        bust(a_fill("A")),
        bust(a_fill("W")),
        correct(a_fill("V"), a_fill("X", 5)),
        record(a_fill("V", 9)),
        report(a_report(OrderStatus.REJECTED, 7, order_id="8", previous_order_id="7")),
        record(a_fill("late", 1, order_id="8")),
    )
    cleared = ev.OrdersCleared(3, START + 5, "binance", "main", "BTCUSDT")
    desk.engine.emit(cleared)
    desk.engine.emit(ev.StateImported("instance", 42, "ab" * 32, 7, "import"))
    every_kind(desk.engine)
    desk.run()
    said = set(kinds(desk.events()))
    branches = {field.name for field in events_pb2.Event.DESCRIPTOR.oneofs_by_name["event"].fields}
    assert said == branches
    assert refolded(desk.events()) == desk.events()


@settings(max_examples=40)
@given(wild_stories())
def test_a_journal_read_folded_and_written_again_is_the_same(story: list[Any]) -> None:
    desk = MemoryDesk()
    for command in story:
        desk.run(command)
    messages = desk.events()
    again = refolded(messages)
    for one, other in zip(messages, again, strict=True):
        assert one == other


def test_frames_are_found_in_a_batchs_bytes() -> None:
    book, encoder = MemoryBook(), codec.BatchEncoder()
    engine = Engine(book, 0, encoder)
    engine.begin(START)
    for size in (0, 1, 100, 127, 128, 20_000):
        engine.record_fill(a_fill(f"t{size}", metadata={"x": "y" * size}))
    frames = encoder.take()
    payload = b"".join(frames)
    assert [payload[a:b] for a, b in codec.frame_offsets(payload)] == frames
    assert [message.sequence for message in codec.decode_batch(payload)] == [1, 2, 3, 4, 5, 6]
    assert encoder.take() == []


@given(st.integers(0, 2**64 - 1))
def test_varints_are_protobufs(value: int) -> None:
    assert (
        b"\xb8\x01" + codec.varint(value) == fills_pb2.Fill(sequence=value).SerializeToString() or value == 0
    )


def test_listed_times_are_those_of_fills() -> None:
    encoder = codec.BatchEncoder()
    engine = Engine(MemoryBook(), 0, encoder)
    engine.begin(START)
    engine.record_fill(a_fill("t1", trade_time=5))
    engine.record_fill(a_fill("t2", receive_time=7))
    engine.record_fill(a_fill("t3"))
    engine.report_order(a_report(OrderStatus.NEW, 1))
    engine.correct_fill(a_fill("t1"), a_fill("t4", trade_time=9))
    engine.correct_fill(a_fill("none"), a_fill("t5", trade_time=9))
    assert encoder.take_trade_times() == [5, 7, START, None, 9, None]
