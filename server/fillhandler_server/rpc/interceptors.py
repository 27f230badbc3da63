"""One interceptor around all four shapes of call: access, undecodable requests, errors to statuses."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Final

import grpc

from fillhandler_server.domain.errors import FillHandlerError, InvalidFieldError
from fillhandler_server.rpc.access import Gate
from fillhandler_server.rpc.status import STATUSES, abort, internal_status, to_status

log = logging.getLogger("fillhandler.rpc")


class _Undecodable:
    """Stands for request bytes that are not the message they should be."""


_UNDECODABLE: Final = _Undecodable()


def tolerant(deserializer: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
    """A deserializer that does not raise: gRPC would answer UNKNOWN with the exception's text."""
    if deserializer is None:
        return None

    def deserialize(data: bytes) -> Any:
        try:
            return deserializer(data)
        except Exception:  # noqa: BLE001  # protobuf's own, and whatever hostile bytes bring up
            return _UNDECODABLE

    return deserialize


def _checked(request: Any) -> Any:
    if request is _UNDECODABLE:
        raise InvalidFieldError.of("", "the request cannot be decoded as its message")
    return request


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Admits, decodes, and turns exceptions into statuses."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Called by gRPC for every call, health, reflection and unknown methods included."""
        method = handler_call_details.method
        try:
            self._gate.admit(method, handler_call_details.invocation_metadata or ())
        except FillHandlerError as error:
            return _refusal(error)
        handler = await continuation(handler_call_details)
        return handler if handler is None else _wrapped(handler, method)


def _refusal(error: FillHandlerError) -> grpc.RpcMethodHandler[Any, Any]:
    async def refuse(_: Any, context: Any) -> None:
        code, _text, status = to_status(error)
        await abort(context, code, status)

    return grpc.stream_stream_rpc_method_handler(refuse)


def _wrapped(handler: Any, method: str) -> grpc.RpcMethodHandler[Any, Any]:
    deserializer = tolerant(handler.request_deserializer)
    serializer = handler.response_serializer
    if handler.unary_unary is not None:

        async def unary_unary(request: Any, context: Any) -> Any:
            try:
                answer = handler.unary_unary(_checked(request), context)
                return await answer if asyncio.iscoroutine(answer) else answer
            except Exception as error:  # noqa: BLE001
                await _end(context, method, error)

        return grpc.unary_unary_rpc_method_handler(unary_unary, deserializer, serializer)
    if handler.unary_stream is not None:

        async def unary_stream(request: Any, context: Any) -> None:
            # Ours are generators; health's Watch writes by the context itself.
            try:
                answer = handler.unary_stream(_checked(request), context)
                await (_written(answer, context) if hasattr(answer, "__aiter__") else answer)
            except Exception as error:  # noqa: BLE001
                await _end(context, method, error)

        return grpc.unary_stream_rpc_method_handler(unary_stream, deserializer, serializer)
    if handler.stream_unary is not None:

        async def stream_unary(requests: Any, context: Any) -> Any:
            try:
                return await handler.stream_unary(_each_checked(requests), context)
            except Exception as error:  # noqa: BLE001
                await _end(context, method, error)

        return grpc.stream_unary_rpc_method_handler(stream_unary, deserializer, serializer)

    async def stream_stream(requests: Any, context: Any) -> None:
        # Ours read and write by the context themselves; health and reflection are generators.
        try:
            # Raw requests are checked by their servicer: no second generator around each message.
            checked = requests if deserializer is None else _each_checked(requests)
            answer = handler.stream_stream(checked, context)
            await (_written(answer, context) if hasattr(answer, "__aiter__") else answer)
        except Exception as error:  # noqa: BLE001
            await _end(context, method, error)

    return grpc.stream_stream_rpc_method_handler(stream_stream, deserializer, serializer)


async def _each_checked(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        yield _checked(request)


async def _written(answer: AsyncGenerator[Any], context: Any) -> None:
    # Closed here, not when the garbage collector comes by: a feed's end counts.
    async with aclosing(answer):
        async for response in answer:
            await context.write(response)


async def _end(context: Any, method: str, error: Exception) -> None:
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if isinstance(error, grpc.aio.InternalError):
        # What a write raises when its client has gone: nobody is left to be told.
        log.debug("%s: the client has gone", method)
        return
    if type(error) in STATUSES:
        assert isinstance(error, FillHandlerError)  # narrows the type for mypy
        code, _text, status = to_status(error)
        await abort(context, code, status)
    incident, status = internal_status()
    log.error("incident %s in %s", incident, method, exc_info=error)
    await abort(context, grpc.StatusCode.INTERNAL, status)
