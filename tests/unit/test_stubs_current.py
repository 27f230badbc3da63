"""The committed package `fillhandler.v1` is what `protos/` and the pinned generators give, byte for byte."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
GENERATOR = ROOT / "scripts" / "generate_protos.py"


def generate(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(GENERATOR), *arguments], capture_output=True, text=True, check=False
    )


def test_the_committed_stubs_are_current() -> None:
    result = generate("--check")

    assert result.returncode == 0, result.stdout + result.stderr


def test_a_changed_a_missing_and_a_leftover_file_are_named(tmp_path: Path) -> None:
    package = tmp_path / "v1"
    generate("--package", str(package))
    with (package / "fills_pb2.py").open("ab") as changed:
        changed.write(b"\n")
    (package / "orders_pb2.pyi").unlink()
    (package / "renamed_pb2.py").touch()

    result = generate("--check", "--package", str(package))

    assert result.returncode == 1
    assert [line.split()[0] for line in result.stdout.splitlines()] == [
        "fills_pb2.py",
        "orders_pb2.pyi",
        "renamed_pb2.py",
    ]
