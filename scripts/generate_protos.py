"""Write the Python package `fillhandler.v1` from `protos/`, or check that the committed one is current.

`make protos` writes. `--check` changes nothing and exits 1 with the names of the files that differ. What
comes out depends only on `protos/` and on the generators, which pyproject.toml pins.
"""

import argparse
import importlib.resources
import sys
import sysconfig
import tempfile
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
PACKAGE = Path("fillhandler", "v1")
# Python's own package marker: protoc does not write one, and without it wheels and mypy miss the package.
INIT = '"""Messages and stubs of the `fillhandler.v1` contract, generated from protos/ by `make protos`."""\n'


def generate() -> dict[str, bytes]:
    """Return the files of the package, content by name. Raises RuntimeError when protoc refuses."""
    sources = sorted(path.relative_to(PROTOS).as_posix() for path in (PROTOS / PACKAGE).glob("*.proto"))
    if not sources:
        raise RuntimeError(f"no .proto file in {PROTOS / PACKAGE}")
    with tempfile.TemporaryDirectory() as folder:
        arguments = [
            "protoc",
            f"--proto_path={PROTOS}",
            *(f"--proto_path={path}" for path in _include_folders()),
            *(f"--plugin={name}={_plugin(name)}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")),
            *(f"--{kind}_out={folder}" for kind in ("python", "grpc_python")),
            *(f"--{kind}_out=quiet:{folder}" for kind in ("mypy", "mypy_grpc")),
            *sources,
        ]
        if protoc.main(arguments) != 0:
            raise RuntimeError("protoc failed; its own message is above")
        files = {path.name: path.read_bytes() for path in (Path(folder) / PACKAGE).iterdir()}
    for source in sources:
        # The gRPC generators write a pair of empty modules for a proto that defines no service.
        stubs = Path(source).stem + "_pb2_grpc.py"
        if b"Stub" not in files[stubs]:
            del files[stubs], files[stubs + "i"]
    files["__init__.py"] = INIT.encode()
    return files


def _include_folders() -> list[Path]:
    """Where the well-known types and google/rpc come from: installed packages, no copies of ours."""
    well_known = importlib.resources.files("grpc_tools") / "_proto"
    common = importlib.resources.files("google.rpc") / ".." / ".."
    return [Path(str(well_known)), Path(str(common)).resolve()]


def _plugin(name: str) -> Path:
    """The plugin that is installed beside this interpreter, whatever PATH says."""
    return Path(sysconfig.get_path("scripts")) / name


def committed(folder: Path) -> dict[str, bytes]:
    """Return what stands in the package folder now, interpreter caches aside."""
    if not folder.is_dir():
        return {}
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Make the folder hold exactly these files, so that a renamed proto leaves nothing behind."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in committed(folder).keys() - files.keys():
        (folder / name).unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    parser.add_argument(
        "--package",
        type=Path,
        default=ROOT / "client" / PACKAGE,
        help="the package's folder (default: %(default)s)",
    )
    arguments = parser.parse_args()

    fresh = generate()
    old = committed(arguments.package)
    stale = sorted(name for name in fresh.keys() | old.keys() if fresh.get(name) != old.get(name))
    if arguments.check:
        for name in stale:
            print(f"{name} is not what protos/ generate; run `make protos`")
        return 1 if stale else 0
    write(arguments.package, fresh)
    print(f"{len(fresh)} files, {len(stale)} changed, in {arguments.package}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
