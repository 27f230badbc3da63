"""Events and fills to bytes and back: the one place, shared by the journal, the feed, export and audit.

A batch's bytes are serialized `fillhandler.v1.EventBatch`: each event framed as field 1. That is also field
1 of `WatchEventsResponse`, so the feed forwards the very bytes that were committed and hashed.

`messages` turns values into messages and back, `encode` events into bytes, and `decode` bytes into events.
"""

from __future__ import annotations

from fillhandler_server.codec.decode import (
    FILL_BODIES,
    decode_batch,
    event_from_message,
    fill_of,
    frame_offsets,
)
from fillhandler_server.codec.encode import (
    BatchEncoder,
    event_message,
    varint,
)
from fillhandler_server.codec.messages import (
    NANOSECONDS,
    contract_message,
    fill_from_bytes,
    fill_from_message,
    fill_to_bytes,
    fill_to_message,
    from_timestamp,
    report_from_bytes,
    report_from_message,
    report_to_bytes,
    to_timestamp,
)
from fillhandler_server.codec.trades import (
    request_from_message,
    request_to_message,
    terms_from_bytes,
    terms_to_bytes,
)

__all__ = [
    "FILL_BODIES",
    "NANOSECONDS",
    "BatchEncoder",
    "contract_message",
    "decode_batch",
    "event_from_message",
    "event_message",
    "fill_from_bytes",
    "fill_from_message",
    "fill_of",
    "fill_to_bytes",
    "fill_to_message",
    "frame_offsets",
    "from_timestamp",
    "report_from_bytes",
    "report_from_message",
    "report_to_bytes",
    "request_from_message",
    "request_to_message",
    "terms_from_bytes",
    "terms_to_bytes",
    "to_timestamp",
    "varint",
]
