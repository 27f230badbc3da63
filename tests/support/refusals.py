"""Errors of calls, with the details that the contract promises."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status


@dataclass(slots=True)
class Refused:
    """What a call ended with."""

    status: grpc.StatusCode
    text: str
    reason: str = ""
    domain: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    violations: dict[str, str] = field(default_factory=dict)
    retry_seconds: float | None = None


def read(error: Any) -> Refused:
    """The error, taken apart. `from_call` also checks that the rich status says what the plain one says."""
    refused = Refused(error.code(), error.details() or "")
    status: status_pb2.Status | None = rpc_status.from_call(error)
    for detail in [] if status is None else status.details:
        info = error_details_pb2.ErrorInfo()
        bad = error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            refused.reason, refused.domain, refused.metadata = info.reason, info.domain, dict(info.metadata)
        elif detail.Unpack(bad):
            refused.violations = {each.field: each.description for each in bad.field_violations}
        elif detail.Unpack(retry):
            refused.retry_seconds = retry.retry_delay.ToMilliseconds() / 1000
    return refused


async def refused(call: Awaitable[Any]) -> Refused:
    """Awaits a call, or reads a stream's next message, that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return read(caught.value)
