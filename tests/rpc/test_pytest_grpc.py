"""The stock fixtures of pytest-grpc (`grpc_channel`, `grpc_stub`) against the real asyncio server."""

from typing import Any

import grpc
import pytest
from support.messages import fill, record

from fillhandler.v1 import fill_service_pb2
from fillhandler.v1.fill_service_pb2_grpc import FillServiceStub


@pytest.fixture(scope="module")
def grpc_stub_cls() -> type[FillServiceStub]:
    return FillServiceStub


def test_unary(grpc_stub: Any) -> None:
    assert grpc_stub.RecordFill(record("sync-1")).outcome == fill_service_pb2.OUTCOME_RECORDED
    assert grpc_stub.RecordFill(record("sync-1")).outcome == fill_service_pb2.OUTCOME_DUPLICATE


def test_bidirectional(grpc_stub: Any) -> None:
    requests = [fill_service_pb2.RecordFillsRequest(fills=[fill(f"sync-{n}")]) for n in range(2, 5)]
    outcomes = [answer.results[0].outcome for answer in grpc_stub.RecordFills(iter(requests))]
    assert outcomes == [fill_service_pb2.OUTCOME_RECORDED] * 3


def test_error(grpc_stub: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        grpc_stub.RecordFill(record("sync-9", quantity="NaN"))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
