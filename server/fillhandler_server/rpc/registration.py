"""Services from their descriptors, so that a method can take or give raw bytes where that pays."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass


def service_handler(
    service: ServiceDescriptor,
    servicer: Any,
    *,
    raw_requests: Collection[str] = (),
    raw_responses: Collection[str] = (),
) -> grpc.GenericRpcHandler:
    """A handler for every method of a service; the servicer has a method for each, named alike.

    Args:
        raw_requests: names of methods that get the request's bytes, to be parsed off the event loop.
        raw_responses: names of methods that give the response's bytes, made without a message.
    """
    handlers = {}
    for method in service.methods:
        make = _MAKERS[method.client_streaming, method.server_streaming]
        request = GetMessageClass(method.input_type)
        response = GetMessageClass(method.output_type)
        handlers[method.name] = make(
            getattr(servicer, method.name),
            request_deserializer=None if method.name in raw_requests else request.FromString,
            response_serializer=None if method.name in raw_responses else response.SerializeToString,
        )
    return grpc.method_handlers_generic_handler(service.full_name, handlers)


_MAKERS = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}
