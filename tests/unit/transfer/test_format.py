"""The text of the file, and that it is protobuf's own JSON."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp

from fillhandler.v1 import events_pb2
from fillhandler_server.codec import decode_batch
from fillhandler_server.journal import batch_hash, genesis_hash
from fillhandler_server.transfer.readable import event_text

KINDS = [field.name for field in events_pb2.Event.DESCRIPTOR.oneofs_by_name["event"].fields]


def by_protobuf(message: Any) -> str:
    return json.dumps(
        MessageToDict(message, preserving_proto_field_name=True), sort_keys=True, separators=(",", ":")
    )


def fill_in(message: Any, depth: int = 0) -> None:
    """Sets every field of a message to something that is not its default."""
    for field in message.DESCRIPTOR.fields:
        if field.containing_oneof is not None and len(field.containing_oneof.fields) > 1:
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            getattr(message, field.name).update({"b": 'ü"\\\n\u2028', "a": "", "": "\x7f😀"})
        elif field.message_type is not None and depth < 4:
            inner = getattr(message, field.name)
            one = inner.add() if field.is_repeated else inner
            if isinstance(one, Timestamp | Duration):
                one.seconds, one.nanos = 1_760_000_000, 120_000_000
            else:
                fill_in(one, depth + 1)
                one.SetInParent()
        elif field.message_type is None:
            value = {
                FieldDescriptor.CPPTYPE_STRING: "</tag> & 'ü'",
                FieldDescriptor.CPPTYPE_BOOL: True,
                FieldDescriptor.CPPTYPE_UINT64: 1 << 60,
                FieldDescriptor.CPPTYPE_ENUM: 1,
            }.get(field.cpp_type, 7)
            if field.is_repeated:
                getattr(message, field.name).extend([value, value])
            else:
                setattr(message, field.name, value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("full", [False, True])
def test_readable_events_are_protobufs_json(kind: str, full: bool) -> None:
    event = events_pb2.Event(sequence=3)
    getattr(event, kind).SetInParent()
    if full:
        fill_in(event)
        fill_in(getattr(event, kind))

    assert event_text(event) == by_protobuf(event)


@pytest.mark.parametrize("nanos", [0, 1, 1_000, 120_000_000, 999_999_999])
@pytest.mark.parametrize("seconds", [0, -1, 1_760_000_000, 253_402_300_799])
def test_times_and_unknown_enum_values_too(seconds: int, nanos: int) -> None:
    event = events_pb2.Event(commit_time=Timestamp(seconds=seconds, nanos=nanos), status=99)  # type: ignore[arg-type]

    assert event_text(event) == by_protobuf(event)


def lines(data: bytes) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in data.splitlines())


def test_the_file_is_as_documented(server: Any) -> None:
    data = server.export()
    header, *batches, trailer = lines(data)

    assert header == {
        "format": "fillhandler-export",
        "head_hash": server.writer.head.hash.hex(),
        "head_sequence": server.writer.head.sequence,
        "instance_id": server.store.instance_id,
        "kind": "header",
        "version": 1,
    }
    assert data.endswith(b"\n")
    assert data.isascii()
    previous, sequence = genesis_hash(server.store.instance_id), 0
    for batch in batches:
        payload = base64.b64decode(batch["payload"])
        events = [json.loads(by_protobuf(event)) for event in decode_batch(payload)]
        assert batch["kind"] == "batch"
        assert batch["events"] == events
        assert (batch["first_sequence"], batch["count"]) == (sequence + 1, len(events))
        assert batch["previous_hash"] == previous.hex()
        previous = batch_hash(
            previous, sequence + 1, len(events), int(batch["commit_time_ns"]), payload, 0, batch["epoch"]
        )
        assert batch["hash"] == previous.hex()
        sequence += len(events)
    assert previous == server.writer.head.hash
    digest = bytes(32)
    for line in data.splitlines(keepends=True)[:-1]:
        digest = hashlib.sha256(digest + line).digest()
    assert trailer == {
        "batches": len(batches),
        "digest": digest.hex(),
        "events": server.writer.head.sequence,
        "fills": server.kinds().count("fill_recorded"),
        "kind": "trailer",
        "orders": len(server.orders()),
    }


def test_decimals_are_texts(server: Any) -> None:
    recorded = [
        event["fill_recorded"]["fill"]
        for line in lines(server.export())
        if line["kind"] == "batch"
        for event in line["events"]
        if "fill_recorded" in event
    ]

    assert {type(fill[name]) for fill in recorded for name in ("quantity", "price")} == {str}


def test_the_history_has_every_kind_that_is_decided(server: Any) -> None:
    assert set(server.kinds()) == set(KINDS) - {"state_imported"}


def test_the_documented_check_works(server: Any, tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "export-format.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    data = server.export()
    whole, cut, altered = (tmp_path / name for name in ("whole", "cut", "altered"))
    whole.write_bytes(data)
    cut.write_bytes(data[: data.rindex(b"\n", 0, -1) + 1])
    altered.write_bytes(data.replace(b'"0.5"', b'"0.6"', 1))
    runs = [
        subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=False)
        for path in (whole, cut, altered)
    ]

    assert runs[0].stdout == f"whole: {server.writer.head.sequence} events of {server.store.instance_id}\n"
    assert [run.returncode for run in runs] == [0, 1, 1]
    assert "no trailer" in runs[1].stderr
    assert "digest differs" in runs[2].stderr
