"""Whatever happened to a file, it is refused with the line and the reason, and nothing has changed."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from fillhandler.v1 import events_pb2
from fillhandler_server.domain.errors import ImportDamagedError
from fillhandler_server.journal import Batch, batch_hash, genesis_hash
from fillhandler_server.transfer.format import Header, Tally, batch_line
from fillhandler_server.transfer.importing import ImportMode
from fillhandler_server.transfer.reading import ExportFile

MODES = list(ImportMode)


def refused(server: Any, data: bytes, mode: ImportMode = ImportMode.REPLACE) -> str:
    with pytest.raises(ImportDamagedError) as caught:
        server.take(data, mode)
    assert caught.value.metadata["line"].isdecimal()
    assert "nothing was changed" in caught.value.text
    return caught.value.text


def fails_to_read(data: bytes) -> bool:
    """As an import reads it, without the database."""
    file = ExportFile(lambda: [data])
    try:
        file.open()
        for _ in file.batches():
            pass
    except ImportDamagedError:
        return True
    return False


@pytest.mark.parametrize("mode", MODES)
def test_a_truncated_file_is_refused_wherever_it_was_cut(server: Any, mode: ImportMode) -> None:
    data = server.export()
    before = server.state()
    for part in range(0, 50, 1 if mode == ImportMode.REPLACE else 10):
        refused(server, data[: len(data) * part // 50], mode)
    assert "without its trailer" in refused(server, data[: data.rindex(b"\n", 0, -1) + 1], mode)
    assert "cut off" in refused(server, data[:-1], mode)

    assert server.state() == before


def test_a_file_cut_after_any_line_is_refused(server: Any) -> None:
    lines = server.export().splitlines(keepends=True)

    assert all(fails_to_read(b"".join(lines[:count])) for count in range(len(lines)))


@pytest.mark.parametrize("mode", MODES)
def test_a_flipped_bit_is_refused(server: Any, mode: ImportMode) -> None:
    data = server.export()
    before = server.state()
    draw = random.Random(5)
    for _ in range(30):
        at = draw.randrange(len(data))
        damaged = bytearray(data)
        damaged[at] ^= 1 << draw.randrange(8)
        refused(server, bytes(damaged), mode)

    assert server.state() == before


def test_a_flip_of_any_byte_of_any_line_is_found(server: Any) -> None:
    data = server.export()
    assert not fails_to_read(data)
    for at in range(0, len(data), 17):
        damaged = bytearray(data)
        damaged[at] ^= 1
        assert fails_to_read(bytes(damaged)), at
    for at in range(len(data) - 300, len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 4
        assert fails_to_read(bytes(damaged)), at


def test_lines_removed_repeated_or_exchanged_are_refused(server: Any) -> None:
    lines = server.export().splitlines(keepends=True)
    for at in range(len(lines)):
        assert fails_to_read(b"".join(lines[:at] + lines[at + 1 :])), at
        assert fails_to_read(b"".join(lines[: at + 1] + lines[at:])), at
    for at in range(len(lines) - 1):
        assert fails_to_read(b"".join([*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]])), at


def test_what_is_no_export_is_said_to_be_none(server: Any) -> None:
    data = server.export()
    before = server.state()
    assert "is empty" in refused(server, b"")
    assert "not a Fill Handler export" in refused(server, b'{"a": 1}\n')
    assert "not JSON" in refused(server, b"id,price\n1,2\n")
    assert "not JSON" in refused(server, b"\xef\xbb\xbf" + data)
    assert "not JSON" in refused(server, b"[" * 100_000 + b"\n")
    assert "not a JSON object" in refused(server, b"[]\n")
    assert "compressed" in refused(server, gzip.compress(data))
    assert "altered" in refused(server, data.replace(b"\n", b"\r\n"))
    assert "follows the trailer" in refused(server, data + b"\n")
    assert "follows the trailer" in refused(server, data + data)

    assert server.state() == before


@pytest.mark.parametrize("mode", MODES)
def test_a_newer_format_is_refused_and_says_so(server: Any, mode: ImportMode) -> None:
    newer = server.export().replace(b'"version":1}', b'"version":2}', 1)

    assert "format version 2" in refused(server, newer, mode)
    assert "newer one" in refused(server, newer, mode)


@pytest.mark.parametrize("version", [b"0", b"-1", b'"1"', b"true", b"1.0", b"null"])
def test_a_format_that_never_was_is_refused(server: Any, version: bytes) -> None:
    assert "format version" in refused(
        server, server.export().replace(b'"version":1}', b'"version":' + version + b"}", 1)
    )


def test_a_line_without_end_is_refused_and_not_gathered(server: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("fillhandler_server.transfer.reading.LINE_BYTES_MAX", 10_000)

    assert "longer" in refused(server, b'{"format":"' + b"x" * 20_000)


def test_a_document_is_bounded(server: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("fillhandler_server.transfer.reading.DOCUMENT_BYTES_MAX", 10_000)

    assert "use the form in lines" in refused(server, b'{"header":"' + b"x" * 20_000)


# ---------------------------------------------------------------------- made up from scratch, hashes and all


def forged(change: Callable[[events_pb2.Event], None], **others: Any) -> bytes:
    """A file with right hashes, digest and counts, whose one event is not what it should be."""
    event = events_pb2.Event(
        sequence=1,
        commit_time=Timestamp(seconds=1),
        venue="binance",
        symbol="BTC/USDT",
        order_id="1",
        order_number=1,
    )
    fill = event.fill_recorded.fill
    fill.venue, fill.account, fill.symbol, fill.order_id, fill.trade_id = (
        "binance",
        "main",
        "BTC/USDT",
        "1",
        "t",
    )
    fill.side, fill.quantity = 1, "1"  # type: ignore[assignment]
    change(event)
    payload = events_pb2.EventBatch(events=[event]).SerializeToString()
    fields = {
        "first_sequence": 1,
        "count": 1,
        "commit_time": 1_000_000_000,
        "partition": 0,
        "epoch": 1,
        **others,
    }
    previous = genesis_hash("forged")
    digest = batch_hash(
        previous,
        fields["first_sequence"],
        fields["count"],
        fields["commit_time"],
        payload,
        fields["partition"],
        fields["epoch"],
    )
    batch = Batch(**fields, payload=payload, previous_hash=previous, hash=digest)
    header = Header("forged", batch.last_sequence, digest)
    line = batch_line(batch, [event])
    tally = Tally().with_header(header.line()).with_batch(line, [event])
    return header.line() + line + tally.line()


def test_the_forgery_is_good_where_nothing_is_wrong(server: Any) -> None:
    assert server.take(forged(lambda event: None), ImportMode.MERGE).result.new_fills == 1


def _set(path: str, value: Any) -> Callable[[events_pb2.Event], None]:
    def change(event: events_pb2.Event) -> None:
        *parts, name = path.split(".")
        target: Any = event
        for part in parts:
            target = getattr(target, part)
        setattr(target, name, value)

    return change


def _fee(event: events_pb2.Event) -> None:
    event.fill_recorded.fill.fees.add(amount="NaN", currency="X")


def _enriched(event: events_pb2.Event) -> None:
    fill = event.fill_recorded.fill
    event.fill_enriched.fill.CopyFrom(fill)
    event.fill_enriched.fill_sequence = 99


def _merged(event: events_pb2.Event) -> None:
    event.order_merged.merged_order_number = 77


def _nothing(event: events_pb2.Event) -> None:
    event.ClearField("fill_recorded")


CHANGES: dict[str, tuple[Callable[[events_pb2.Event], None], dict[str, Any]]] = {
    "a number that takes minutes to expand": (_set("fill_recorded.fill.quantity", "1E+999999999"), {}),
    "no number": (_set("fill_recorded.fill.price", "abc"), {}),
    "NaN": (_fee, {}),
    "a very long number": (_set("fill_recorded.fill.quantity", "9" * 5000), {}),
    "no venue": (_set("fill_recorded.fill.venue", ""), {}),
    "no side": (_set("fill_recorded.fill.side", 0), {}),
    "another sequence": (_set("sequence", 2), {}),
    "another partition": (_set("partition", 1), {}),
    "another commit time": (_set("commit_time", Timestamp(seconds=2)), {}),
    "an order of the future": (_set("order_number", 5), {}),
    "no kind": (_nothing, {}),
    "the batch in another partition": (lambda event: None, {"partition": 3}),
    "a first batch that is not first": (lambda event: None, {"first_sequence": 2}),
    "a count that is not the payload's": (lambda event: None, {"count": 2}),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("mode", MODES)
def test_a_forged_file_is_refused(server: Any, name: str, mode: ImportMode) -> None:
    before = server.state()
    change, others = CHANGES[name]

    def changed(event: events_pb2.Event) -> None:
        if name == "another commit time":
            event.commit_time.seconds = 2
        else:
            change(event)

    refused(server, forged(changed, **others), mode)

    assert server.state() == before


@pytest.mark.parametrize("change", [_enriched, _merged])
@pytest.mark.parametrize("mode", [ImportMode.REPLACE, ImportMode.VALIDATE_ONLY])
def test_events_that_do_not_follow_are_refused(server: Any, change: Any, mode: ImportMode) -> None:
    before = server.state()

    assert "does not follow" in refused(server, forged(change), mode)
    assert server.state() == before


def test_readable_events_that_lie_are_refused_even_with_a_right_digest(server: Any) -> None:
    header, *lines, _ = server.export().splitlines(keepends=True)
    lines[1] = lines[1].replace(b'"0.5"', b'"0.6"')
    digest = bytes(32)
    for line in (header, *lines):
        digest = hashlib.sha256(digest + line).digest()
    trailer = json.loads(server.export().splitlines()[-1])
    trailer["digest"] = digest.hex()
    end = json.dumps(trailer, sort_keys=True, separators=(",", ":")).encode() + b"\n"

    assert "line 3" in refused(server, b"".join([header, *lines, end]))


def test_a_field_that_this_program_does_not_know_is_kept(server: Any) -> None:
    """A newer program's: nothing readable shows it, and the bytes are adopted as they are."""
    unknown = b"\xf8\x3f\x01"  # field 1023, varint
    data = forged(lambda event: event.MergeFromString(unknown))
    payload = json.loads(data.splitlines()[1])["payload"]

    assert unknown in base64.b64decode(payload)
    assert server.take(data, ImportMode.REPLACE).result.applied
    assert server.export() == data
