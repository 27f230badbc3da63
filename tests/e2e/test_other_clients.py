"""Clients that know the server by reflection alone: buf curl and grpcurl."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.processes import Site, environment

BUF = shutil.which("buf", path=f"{Path(sys.executable).parent}:{environment().get('PATH', '')}")
GRPCURL = shutil.which("grpcurl")
FILL = {
    "fill": {
        "venue": "binance",
        "symbol": "BTCUSDT",
        "orderId": "1",
        "tradeId": "1",
        "side": "SIDE_BUY",
        "quantity": "0.5",
        "price": "100",
    }
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("served")) as site:
        yield site.start()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments, capture_output=True, text=True, timeout=60, env=environment(), check=False
    )


def header(site: Site) -> str:
    return f"authorization: Bearer {(site.data_dir / 'token').read_text().strip()}"


@pytest.mark.skipif(BUF is None, reason="buf is not installed")
class TestBuf:
    def curl(self, site: Site, method: str, data: object, *more: str) -> subprocess.CompletedProcess[str]:
        assert BUF is not None
        return run(
            BUF,
            "curl",
            "--protocol",
            "grpc",
            "--http2-prior-knowledge",
            *more,
            "-d",
            json.dumps(data),
            f"http://{site.address}/fillhandler.v1.{method}",
        )

    def with_token(self, site: Site) -> tuple[str, ...]:
        return ("-H", header(site), "--reflect-header", header(site))

    def test_list(self, served: Site) -> None:
        assert BUF is not None
        listed = run(
            BUF,
            "curl",
            "--protocol",
            "grpc",
            "--http2-prior-knowledge",
            "--list-methods",
            *self.with_token(served),
            f"http://{served.address}",
        )
        assert listed.returncode == 0, listed.stderr
        methods = listed.stdout.split()
        assert "fillhandler.v1.FillService/RecordFill" in methods
        assert "fillhandler.v1.StateService/GetServerStatus" in methods

    def test_call_and_stream(self, served: Site) -> None:
        done = self.curl(served, "FillService/RecordFill", FILL, *self.with_token(served))
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        assert answer["order"]["cumulativeQuantity"] == "0.5"
        # A bidirectional stream: a request a line.
        batches = json.dumps({"fills": [FILL["fill"]]})
        assert BUF is not None
        streamed = subprocess.run(
            [
                BUF,
                "curl",
                "--protocol",
                "grpc",
                "--http2-prior-knowledge",
                *self.with_token(served),
                "-d",
                "@-",
                f"http://{served.address}/fillhandler.v1.FillService/RecordFills",
            ],
            input=batches,
            capture_output=True,
            text=True,
            timeout=60,
            env=environment(),
            check=False,
        )
        assert streamed.returncode == 0, streamed.stderr
        assert json.loads(streamed.stdout)["results"][0]["outcome"] == "OUTCOME_DUPLICATE"
        walk = self.curl(served, "StateService/VerifyJournal", {}, *self.with_token(served))
        assert walk.returncode == 0, walk.stderr
        assert '"valid": true' in walk.stdout or '"valid":true' in walk.stdout

    def test_refused_without_a_token(self, served: Site) -> None:
        # Not even what there is is told.
        assert self.curl(served, "FillService/RecordFill", FILL).returncode != 0
        refused = self.curl(served, "FillService/RecordFill", FILL, "--reflect-header", header(served))
        assert refused.returncode != 0
        assert "unauthenticated" in refused.stderr.lower()

    def test_errors_come_with_their_details(self, served: Site) -> None:
        bad = {"fill": {**FILL["fill"], "quantity": "NaN"}}
        refused = self.curl(served, "FillService/RecordFill", bad, *self.with_token(served))
        assert refused.returncode != 0
        assert "fill.quantity" in refused.stderr
        assert "google.rpc.ErrorInfo" in refused.stderr
        assert "google.rpc.BadRequest" in refused.stderr


@pytest.mark.skipif(GRPCURL is None, reason="grpcurl is not installed")
class TestGrpcurl:
    def test_list_call_and_refusal(self, served: Site) -> None:
        assert GRPCURL is not None
        listed = run(GRPCURL, "-plaintext", "-H", header(served), served.address, "list")
        assert "fillhandler.v1.FillService" in listed.stdout
        method = "fillhandler.v1.StateService/GetServerStatus"
        status = run(GRPCURL, "-plaintext", "-H", header(served), served.address, method)
        assert json.loads(status.stdout)["instanceId"]
        assert "Unauthenticated" in run(GRPCURL, "-plaintext", served.address, "list").stderr
