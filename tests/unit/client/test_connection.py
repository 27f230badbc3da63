"""Where the server is found, and what proves who we are."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from fillhandler import FillHandlerClient, RetryPolicy, SettingsError, UnauthenticatedError
from fillhandler.connection import Connection, ConnectionSettings, find_token, is_local
from fillhandler.v1 import state_service_pb2

LOCAL = "127.0.0.1:50051"
STATUS = state_service_pb2.GetServerStatusResponse(version="1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("from-the-folder\n")
    (tmp_path / "other").write_text("from-a-file\n")
    return tmp_path


class TestAddress:
    def test_the_argument_the_environment_the_default(self) -> None:
        environment = {"FILLHANDLER_ADDRESS": "10.0.0.1:1"}
        assert Connection(ConnectionSettings(address="h:2"), environment).address == "h:2"
        assert Connection(ConnectionSettings(), environment).address == "10.0.0.1:1"
        assert Connection(ConnectionSettings(), {}).address == LOCAL

    @pytest.mark.parametrize("address", ["localhost", "localhost:", "localhost:http", ""])
    def test_without_a_port_it_is_none(self, address: str) -> None:
        if address:
            with pytest.raises(SettingsError):
                Connection(ConnectionSettings(address=address), {})

    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1:1",
            "127.9.9.9:1",
            "localhost:1",
            "[::1]:1",
            "ipv4:127.0.0.1:1",
            "ipv6:[::1]:1",
            "dns:///localhost:1",
            "unix:///run/x.sock",
        ],
    )
    def test_this_machine(self, address: str) -> None:
        assert is_local(address)

    @pytest.mark.parametrize(
        "address",
        [
            "10.0.0.1:1",
            "0.0.0.0:1",
            "[::]:1",
            "localhost.example.com:1",
            "ipv4:127.0.0.1:1,10.0.0.1:1",
            "127.1:1",
        ],
    )
    def test_elsewhere(self, address: str) -> None:
        assert not is_local(address)


class TestToken:
    def test_the_first_place_that_names_one_counts(self, folder: Path) -> None:
        everything = {
            "FILLHANDLER_TOKEN": "from-the-environment",
            "FILLHANDLER_TOKEN_FILE": str(folder / "other"),
            "FILLHANDLER_DATA_DIR": str(folder),
        }
        assert find_token("given", folder / "other", LOCAL, everything) == "given"
        assert find_token(None, folder / "other", LOCAL, everything) == "from-a-file"
        assert find_token(None, None, LOCAL, everything) == "from-the-environment"
        del everything["FILLHANDLER_TOKEN"]
        assert find_token(None, None, LOCAL, everything) == "from-a-file"
        del everything["FILLHANDLER_TOKEN_FILE"]
        assert find_token(None, None, LOCAL, everything) == "from-the-folder"

    def test_the_users_data_folder_is_the_last_place(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            "platformdirs.user_data_dir", lambda name: str(folder) if name == "fillhandler" else ""
        )
        assert find_token(None, None, LOCAL, {}) == "from-the-folder"

    def test_a_local_servers_token_is_not_for_another_machine(self, folder: Path) -> None:
        assert find_token(None, None, "10.0.0.1:1", {"FILLHANDLER_DATA_DIR": str(folder)}) == ""

    def test_nothing_to_be_found_is_no_token(self, tmp_path: Path) -> None:
        assert find_token(None, None, LOCAL, {"FILLHANDLER_DATA_DIR": str(tmp_path)}) == ""

    def test_a_file_that_was_named_must_be_readable(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="nowhere"):
            find_token(None, tmp_path / "nowhere", LOCAL, {})

    def test_what_is_no_token_is_not_quoted(self, tmp_path: Path) -> None:
        (tmp_path / "binary").write_bytes(b"secret\xff")
        (tmp_path / "spaced").write_bytes(b"secret secret")
        for name in ("binary", "spaced"):
            with pytest.raises(SettingsError) as caught:
                find_token(None, tmp_path / name, LOCAL, {})
            assert "secret" not in str(caught.value)
            assert caught.value.__cause__ is None

    async def test_it_goes_with_every_call_and_nowhere_else(
        self, server: Any, refusal: Callable[..., Any]
    ) -> None:
        server.on("GetServerStatus", STATUS, refusal(grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"))
        settings = ConnectionSettings(address=server.address, token="canary")
        async with FillHandlerClient(server.address, token="canary") as client:
            await client.get_server_status()
            with pytest.raises(UnauthenticatedError) as caught:
                await client.get_server_status()
            shown = repr([client, client._connection, settings, caught.value, vars(caught.value)])

        assert [call.metadata["authorization"] for call in server.calls] == ["Bearer canary"] * 2
        assert "canary" not in shown

    async def test_without_one_nothing_is_sent(self, server: Any, tmp_path: Path, monkeypatch: Any) -> None:
        monkeypatch.setenv("FILLHANDLER_DATA_DIR", str(tmp_path))
        server.on("GetServerStatus", STATUS)
        async with FillHandlerClient(server.address) as client:
            await client.get_server_status()
        assert "authorization" not in server.calls[0].metadata

    async def test_a_file_is_read_again_after_it_was_refused(
        self, server: Any, refusal: Callable[..., Any], folder: Path
    ) -> None:
        server.on("GetServerStatus", refusal(grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"), STATUS)
        async with FillHandlerClient(server.address, token_file=folder / "token") as client:
            with pytest.raises(UnauthenticatedError):
                await client.get_server_status()
            (folder / "token").write_text("rotated")
            await client.get_server_status()
        assert [call.metadata["authorization"] for call in server.calls] == [
            "Bearer from-the-folder",
            "Bearer rotated",
        ]

    async def test_it_never_leaves_the_machine_in_clear(self) -> None:
        async with FillHandlerClient(
            "192.0.2.1:1", token="canary", retry=RetryPolicy(attempts_max=1)
        ) as client:
            with pytest.raises(SettingsError, match="in clear") as caught:
                await client.get_server_status()
        assert "canary" not in str(caught.value)


async def test_a_closed_client_says_so_and_may_be_closed_again(server: Any) -> None:
    client = FillHandlerClient(server.address)
    await client.close()
    await client.close()
    with pytest.raises(RuntimeError, match="closed"):
        await client.get_server_status()


async def test_the_machines_proxy_is_not_used_for_the_machine_itself(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    server.on("GetServerStatus", STATUS)
    async with FillHandlerClient(server.address, retry=RetryPolicy(attempts_max=1)) as client:
        assert (await client.get_server_status()).version == "1"


def test_the_stubs_alone_do_not_load_the_client() -> None:
    # The server imports them at each start.
    code = (
        "import sys, fillhandler.v1.fills_pb2; "
        "sys.exit(any(name in sys.modules for name in ('grpc', 'tenacity', 'fillhandler.client')))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


def test_the_client_never_imports_the_server() -> None:
    code = (
        "import sys, fillhandler.cli, fillhandler.sync_client; "
        "sys.exit(any(name.startswith('fillhandler_server') for name in sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
