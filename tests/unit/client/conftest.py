"""A small but real gRPC server that answers as a test tells it to."""

from __future__ import annotations

import asyncio
import inspect
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import message_factory
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from fillhandler import RetryPolicy
from fillhandler.v1 import (
    analytics_service_pb2,
    execution_service_pb2,
    feed_service_pb2,
    fill_service_pb2,
    instrument_service_pb2,
    order_service_pb2,
    state_service_pb2,
)

SERVICES = [
    module.DESCRIPTOR.services_by_name[name]
    for module in (
        analytics_service_pb2,
        execution_service_pb2,
        feed_service_pb2,
        fill_service_pb2,
        instrument_service_pb2,
        order_service_pb2,
        state_service_pb2,
    )
    for name in module.DESCRIPTOR.services_by_name
]


@dataclass
class RefusalError(Exception):
    """An error with the details that the real server gives; without a reason, one as gRPC itself gives."""

    status: grpc.StatusCode
    reason: str = ""
    text: str = "refused"
    metadata: dict[str, str] = field(default_factory=dict)
    violations: dict[str, str] = field(default_factory=dict)
    retry_after: timedelta | None = None

    async def abort(self, context: grpc.aio.ServicerContext) -> None:
        if not self.reason:
            await context.abort(self.status, self.text)
        status = status_pb2.Status(code=self.status.value[0], message=self.text)
        details: list[Any] = [
            error_details_pb2.ErrorInfo(domain="fillhandler", reason=self.reason, metadata=self.metadata)
        ]
        if self.violations:
            details.append(
                error_details_pb2.BadRequest(
                    field_violations=[
                        error_details_pb2.BadRequest.FieldViolation(field=name, description=text)
                        for name, text in self.violations.items()
                    ]
                )
            )
        if self.retry_after is not None:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromTimedelta(self.retry_after)
            details.append(retry)
        for detail in details:
            packed = AnyMessage()
            packed.Pack(detail)
            status.details.append(packed)
        await context.abort_with_status(rpc_status.to_status(status))


@dataclass
class Call:
    """One call that came in. `requests` grows while a stream is open."""

    method: str
    metadata: dict[str, str]
    requests: list[Any] = field(default_factory=list)


class Gate:
    """Closed at first. Scripts wait on the server's loop, the test opens it from its own thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._event = asyncio.Event()

    async def wait(self) -> None:
        await self._event.wait()

    def open(self) -> None:
        self._loop.call_soon_threadsafe(self._event.set)


class ScriptedServer:
    """Runs on a thread of its own, so that blocking code can be tested against it, too.

    `on(method, *answers)`: the answers to its calls, in order; the last one stays. An answer is a message, a
    RefusalError, or a function: of (request, context), coroutine, for unary calls; for streams an
    asynchronous generator function of (request or requests, context).
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.noted: list[Any] = []
        self._answers: dict[str, list[Any]] = {}
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port = 0
        self.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def on(self, method: str, *answers: Any) -> None:
        assert any(method in service.methods_by_name for service in SERVICES) or method == "Check"
        self._answers[method] = list(answers)

    def called(self, method: str) -> list[Call]:
        """The calls of a method, in order."""
        return [call for call in self.calls if call.method == method]

    def requests(self, method: str) -> list[Any]:
        """Every request of a method, over all its calls."""
        return [request for call in self.called(method) for request in call.requests]

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Block until something that came in makes the condition true."""
        with self._changed:
            assert self._changed.wait_for(condition, timeout=20), "nothing came that makes it true"

    def note(self, what: Any) -> None:
        """For scripts: keep something in `noted`, for a test that waits for it."""
        with self._changed:
            self.noted.append(what)
            self._changed.notify_all()

    def gate(self) -> Gate:
        """Something that a script can wait for, until the test opens it."""
        return Gate(self._loop)

    async def until(self, condition: Callable[[], bool]) -> None:
        await asyncio.to_thread(self.wait_for, condition)

    def start(self) -> None:
        self._run(self._start())

    def stop(self) -> None:
        """End every connection at once."""
        self._run(self._server.stop(0))

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, coroutine: Any) -> Any:
        future: Future[Any] = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        return future.result(timeout=20)

    async def _start(self) -> None:
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        for service in SERVICES:
            handlers = {method.name: self._handler(method) for method in service.methods}
            self._server.add_generic_rpc_handlers(
                [grpc.method_handlers_generic_handler(service.full_name, handlers)]
            )
        health = grpc.unary_unary_rpc_method_handler(self._unary("Check"))
        self._server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": health})]
        )
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    def _handler(self, method: Any) -> grpc.RpcMethodHandler[Any, Any]:
        request_type = message_factory.GetMessageClass(method.input_type)
        response_type = message_factory.GetMessageClass(method.output_type)
        if method.server_streaming:
            make = (
                grpc.stream_stream_rpc_method_handler
                if method.client_streaming
                else grpc.unary_stream_rpc_method_handler
            )
            behaviour: Any = self._stream(method.name)
        else:
            make, behaviour = grpc.unary_unary_rpc_method_handler, self._unary(method.name)
        return make(behaviour, request_type.FromString, response_type.SerializeToString)

    def _record(self, method: str, context: grpc.aio.ServicerContext) -> Call:
        metadata = {
            key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)
        }
        call = Call(method, metadata)
        with self._changed:
            self.calls.append(call)
            self._changed.notify_all()
        return call

    def _answer(self, method: str) -> Any:
        answers = self._answers.get(method, [RefusalError(grpc.StatusCode.UNIMPLEMENTED)])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def _came(self, call: Call, request: Any) -> None:
        with self._changed:
            call.requests.append(request)
            self._changed.notify_all()

    def _unary(self, method: str) -> Any:
        async def behaviour(request: Any, context: grpc.aio.ServicerContext) -> Any:
            self._came(self._record(method, context), request)
            answer = self._answer(method)
            try:
                if isinstance(answer, RefusalError):
                    raise answer
                return await answer(request, context) if inspect.iscoroutinefunction(answer) else answer
            except RefusalError as refusal:
                await refusal.abort(context)

        return behaviour

    def _stream(self, method: str) -> Any:
        async def behaviour(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
            call = self._record(method, context)
            answer = self._answer(method)

            async def recorded() -> AsyncIterator[Any]:
                async for each in request:
                    self._came(call, each)
                    yield each

            try:
                if isinstance(answer, RefusalError):
                    raise answer
                if hasattr(request, "__aiter__"):
                    source: Any = recorded()
                else:
                    self._came(call, request)
                    source = request
                async for response in answer(source, context):
                    yield response
            except RefusalError as refusal:
                await refusal.abort(context)

        return behaviour


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    running = ScriptedServer()
    yield running
    running.close()


@pytest.fixture
def refusal() -> type[RefusalError]:
    return RefusalError


@pytest.fixture
def until_ended() -> Callable[[], Any]:
    """For a stream's script: wait until the client or the server ends it."""

    async def wait() -> None:
        await asyncio.Event().wait()

    return wait


@pytest.fixture
def unused_address() -> Iterator[str]:
    """An address where connections are taken by the system and never answered."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def policy() -> RetryPolicy:
    """Retries at once: waits are noted in `policy.sleep.waits` and not waited."""
    return RetryPolicy(sleep=NotedWaits(), draw=lambda _low, high: high)


class NotedWaits:
    """What was asked to be waited, in seconds. Gives the loop a turn each time, as a real wait does."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)
