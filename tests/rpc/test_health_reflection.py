"""Health and reflection, as probes and grpcurl use them."""

import asyncio

import grpc
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub
from support.application import RunningServer
from support.refusals import refused

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICES = ("Fill", "Order", "Feed", "State", "Analytics", "Instrument", "Execution")


async def test_health_of_each_service_without_a_token(server: RunningServer) -> None:
    health = server.stub(HealthStub, token="")
    for name in ("", *(f"fillhandler.v1.{name}Service" for name in SERVICES)):
        assert (await health.Check(health_pb2.HealthCheckRequest(service=name))).status == SERVING
    answer = await refused(health.Check(health_pb2.HealthCheckRequest(service="nothing")))
    assert answer.status is grpc.StatusCode.NOT_FOUND


async def test_health_is_told_to_watchers_when_the_server_stops(server: RunningServer) -> None:
    call = server.stub(HealthStub).Watch(health_pb2.HealthCheckRequest(service="fillhandler.v1.FillService"))
    assert (await call.read()).status == SERVING
    stopping = asyncio.ensure_future(server.app.stop())
    async with asyncio.timeout(10):
        assert (await call.read()).status == NOT_SERVING
    call.cancel()
    async with asyncio.timeout(10):
        await stopping
    await server.channel.close()
    await server.start()


async def test_reflection(server: RunningServer) -> None:
    call = server.stub(ServerReflectionStub).ServerReflectionInfo()
    await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    listed = {service.name for service in (await call.read()).list_services_response.service}
    assert listed == {
        *(f"fillhandler.v1.{name}Service" for name in SERVICES),
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    await call.write(
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="fillhandler.v1.FillService")
    )
    files = (await call.read()).file_descriptor_response.file_descriptor_proto
    names = {descriptor_pb2.FileDescriptorProto.FromString(each).name for each in files}
    assert "fillhandler/v1/fill_service.proto" in names
    call.cancel()
