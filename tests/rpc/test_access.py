"""Every served method passes one deny-by-default table; the token is nowhere but in its file."""

import json
import logging
import re
import stat
import subprocess
import sys

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from support.application import RunningServer
from support.messages import record
from support.refusals import read, refused

from fillhandler.v1 import (
    analytics_service_pb2,
    execution_service_pb2,
    feed_service_pb2,
    fill_service_pb2,
    instrument_service_pb2,
    order_service_pb2,
    state_service_pb2,
)
from fillhandler.v1.fill_service_pb2_grpc import FillServiceStub
from fillhandler_server.domain.errors import PermissionDeniedError, UnauthenticatedError
from fillhandler_server.rpc.access import ACCESS, Gate, Role, new_token, token_hash
from fillhandler_server.rpc.status import STATUSES

CONTRACT = (
    analytics_service_pb2,
    execution_service_pb2,
    feed_service_pb2,
    fill_service_pb2,
    instrument_service_pb2,
    order_service_pb2,
    state_service_pb2,
)
SERVED = sorted(
    f"/{service.full_name}/{method.name}"
    for module in (*CONTRACT, health_pb2, reflection_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
)
OPEN = "/grpc.health.v1.Health/Check"


def test_every_served_method_is_in_the_table() -> None:
    missing = set(SERVED) - ACCESS.keys()
    assert not missing, f"add them to ACCESS, with the role they need: {missing}"
    # buf curl asks for reflection v1 first; it is not served, and named so that it is refused alike.
    assert ACCESS.keys() - set(SERVED) == {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"}


def test_only_the_probe_is_open() -> None:
    assert [method for method, role in ACCESS.items() if role is Role.OPEN] == [OPEN]


def test_what_changes_the_record_needs_more_than_reading() -> None:
    readers = {method.rpartition("/")[2] for method, role in ACCESS.items() if role is Role.READ}
    assert not [
        name for name in readers if re.match("Record|Process|Bust|Correct|Register|Report|Clear|Import", name)
    ]


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.OPEN])
def test_every_role_with_every_method(role: Role) -> None:
    token = new_token()
    gate = Gate({token_hash(token): role})
    header = ("authorization", f"Bearer {token}")
    for method, needed in ACCESS.items():
        if role >= needed:
            gate.admit(method, [header])
        else:
            with pytest.raises(PermissionDeniedError):
                gate.admit(method, [header])
    if role is not Role.ADMIN:
        with pytest.raises(PermissionDeniedError):
            gate.admit("/fillhandler.v1.FillService/Unheard", [header])
    with pytest.raises(UnauthenticatedError):
        gate.admit("/fillhandler.v1.FillService/Unheard", [])


async def _call(
    server: RunningServer, method: str, metadata: list[tuple[str, str]]
) -> grpc.aio.AioRpcError | None:
    """The error that a call ends with before its first answer; None where it is let in."""
    # Bytes that are no message: who is let in changes nothing. One request fits every shape of call; a second
    # write, after a refusal, would put grpc.aio's own INTERNAL over the server's answer.
    call = server.channel.unary_stream(method)(b"\xff\xff\xff", metadata=metadata, timeout=10)
    try:
        await call.read()
        return (
            None if await call.code() is grpc.StatusCode.OK else pytest.fail("an error without an exception")
        )
    except grpc.aio.AioRpcError as error:
        return error
    finally:
        call.cancel()


@pytest.mark.parametrize("method", SERVED)
async def test_every_method_with_every_kind_of_token(server: RunningServer, method: str) -> None:
    right = ("authorization", f"Bearer {server.token}")
    refused_headers: dict[str, list[tuple[str, str]]] = {
        "none": [],
        "empty": [("authorization", "")],
        "no scheme": [("authorization", server.token)],
        "other scheme": [("authorization", f"Basic {server.token}")],
        "empty token": [("authorization", "Bearer ")],
        "wrong": [("authorization", f"Bearer {new_token()}")],
        "its hash": [("authorization", f"Bearer {token_hash(server.token)}")],
        "half": [("authorization", f"Bearer {server.token[:20]}")],
        "two": [right, right],
        "right and wrong": [right, ("authorization", "Bearer x")],
    }
    for name, metadata in refused_headers.items():
        error = await _call(server, method, metadata)
        if method == OPEN:
            assert error is None or error.code() is not grpc.StatusCode.UNAUTHENTICATED, name
            continue
        assert error is not None, name
        answer = read(error)
        assert (answer.status, answer.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"), name
        assert server.token not in f"{error}{answer}", name
    for metadata in ([right], [("authorization", f"bearer  {server.token} ")]):
        error = await _call(server, method, metadata)
        assert error is None or error.code() not in {
            grpc.StatusCode.UNAUTHENTICATED,
            grpc.StatusCode.PERMISSION_DENIED,
            grpc.StatusCode.UNKNOWN,
            grpc.StatusCode.INTERNAL,
        }, error
    assert server.head == 0


async def test_unknown_methods(server: RunningServer) -> None:
    """Strangers do not learn what is there; a caller with a token is told that it is not."""
    right = [("authorization", f"Bearer {server.token}")]
    for method in (
        "/fillhandler.v1.FillService/Nothing",
        "/x.Y/Z",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    ):
        error = await _call(server, method, [])
        assert error is not None
        assert error.code() is grpc.StatusCode.UNAUTHENTICATED
        error = await _call(server, method, right)
        assert error is not None
        assert error.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_reflection_can_be_switched_off(tmp_path) -> None:
    server = await RunningServer(tmp_path, reflection=False).start()
    try:
        method = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
        error = await _call(server, method, [("authorization", f"Bearer {server.token}")])
        assert error is not None
        assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    finally:
        await server.stop()


async def test_a_lesser_token_is_told_what_it_may_not(server: RunningServer) -> None:
    reader = new_token()
    server.app.gate._tokens[token_hash(reader)] = Role.READ
    fills = server.stub(FillServiceStub, token=reader)
    assert not (await fills.ListFills(fill_service_pb2.ListFillsRequest())).fills
    answer = await refused(fills.RecordFill(record("1")))
    assert (answer.status, answer.reason) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")
    assert answer.metadata["method"] == "/fillhandler.v1.FillService/RecordFill"
    assert server.head == 0


async def test_tokens_survive_a_restart(server: RunningServer) -> None:
    token = server.token
    await server.restart()
    assert server.token == token


# ------------------------------------------------------------------ where secrets are


async def test_files_are_the_owners_alone(server: RunningServer) -> None:
    await server.fills.RecordFill(record("1"))
    files = [path for path in server.folder.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"token", "access", "anchor", "store-id", "fillhandler.db"}
    keys = list((server.folder / "keys").iterdir())
    for path in [server.data_dir / "token", server.data_dir / "access", *keys]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(server.data_dir.stat().st_mode) == 0o700
    assert not [path for path in files if path.suffix == ".key" and path.parent == server.data_dir]


async def test_the_canary_is_found_nowhere(server: RunningServer, caplog: pytest.LogCaptureFixture) -> None:
    """The token and the key, in full and in halves, in logs, errors, files and answers."""
    caplog.set_level(logging.DEBUG)
    await server.fills.RecordFill(record("1", metadata={"note": "plain-canary-5271"}))
    texts = [repr(server.app), repr(server.settings), repr(server.app.store.key), str(server.app.store.key)]
    for metadata in ([], [("authorization", f"Bearer {server.token}x")], [("authorization", server.token)]):
        error = await _call(server, "/fillhandler.v1.FillService/RecordFill", metadata)
        texts.append(f"{error}{error and error.trailing_metadata()}")
    texts.append(str(await server.state.GetServerStatus(state_service_pb2.GetServerStatusRequest())))
    await server.stop()
    texts += [caplog.text]
    key = server.app.store.key.digits
    secrets = [server.token, server.token[:22], server.token[22:], key, key[:32], key[32:]]
    contents = {
        path: path.read_bytes()
        for path in server.data_dir.rglob("*")
        if path.is_file() and path.name != "token"
    }
    for secret in secrets:
        assert not [text for text in texts if secret in text]
        assert not [path for path, content in contents.items() if secret.encode() in content]
        assert not [path for path, content in contents.items() if secret.lower().encode() in content.lower()]
    # What is recorded is encrypted on disk.
    for word in (b"plain-canary-5271", b"BTCUSDT", b"SQLite format"):
        assert not [path for path, content in contents.items() if word in content]
    assert json.loads(contents[server.data_dir / "access"])["tokens"][0]["hash"] == token_hash(server.token)
    await server.start()


def test_serve_takes_no_secret_as_an_argument() -> None:
    """What `ps` shows to everybody."""
    shown = subprocess.run(
        [sys.executable, "-m", "fillhandler_server", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "", "PYTHONPATH": ":".join(sys.path), "COLUMNS": "200", "NO_COLOR": "1"},
    ).stdout
    options = set(re.findall(r"--([a-z-]+)", shown))
    assert "key-file" in options
    assert not options & {"key", "token", "password", "secret", "admin-token"}


def test_authentication_has_its_own_words() -> None:
    assert STATUSES[UnauthenticatedError] is grpc.StatusCode.UNAUTHENTICATED
    assert STATUSES[PermissionDeniedError] is grpc.StatusCode.PERMISSION_DENIED
