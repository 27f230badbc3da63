"""Who may import whom: the table of the architecture, checked against every module's source.

Two tables, one a package. A row's key is a module's name inside its package; the longest key that matches a
module rules it. A name in a row allows that module and everything inside it, and `….__init__` a package's own
module alone. Every module of the server needs a row, so a new one has to find its place here first. All
imports count: those inside functions and under TYPE_CHECKING too.
"""

import ast
import sys
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Row:
    modules: tuple[str, ...] = ()
    """Modules of the same package, beside the row's own."""
    libraries: tuple[str, ...] = ()
    """Everything else outside the standard library; for the server, the client is a library too."""
    pure: bool = False
    """No I/O, no clock, no chance, no coroutines: time and ids come in as arguments."""


ALL = "*"

# sqlite3 is the standard library's, and yet a storage library: it is allowed only where it is named.
STORAGE = ("sqlcipher3", "sqlite3", "sqlite_utils")
CRYPTOGRAPHY = ("cryptography", "pyrage")
EXCHANGE = ("ccxt", "aiohttp")
GRPC = ("google", "grpc", "grpc_health", "grpc_reflection", "grpc_status")
CONTRACT = ("fillhandler.v1", "google.protobuf")
LOG = ("structlog",)

# A package's own module holds the port: who may import only that cannot reach the store behind it.
PORTS = ("journal.__init__", "projections.__init__")
CORE = ("domain", "engine", "codec", *PORTS)

SERVER = {
    "domain": Row(pure=True),
    "engine": Row(("domain",), pure=True),
    "venues": Row(("domain",), pure=True),
    "analytics": Row(("domain",), pure=True),
    "codec": Row(("domain",), CONTRACT),
    "journal.__init__": Row(("domain",)),
    "journal": Row(("domain", "codec"), STORAGE + LOG),
    # They open the encrypted database, so they are where a key meets a store.
    "journal.datadir": Row(("domain", "durable", "encryption", "journal"), LOG),
    "journal.store": Row(("domain", "encryption", "journal"), LOG),
    "projections.__init__": Row(("domain", "journal.__init__")),
    # Their rows lie in the journal's database, and contents are read from the journal itself.
    "projections": Row(("domain", "codec", "journal"), STORAGE + LOG),
    # A merge goes through the engine, on the writer's thread; a replacement is folded as a start does it.
    "transfer": Row(
        ("domain", "engine", "codec", "encryption", "durable", "journal", "projections", "writer"),
        STORAGE + CRYPTOGRAPHY + CONTRACT + LOG,
    ),
    # Offline it opens a data directory by itself.
    "audit": Row(("domain", "codec", "encryption", "journal", "projections"), STORAGE + CONTRACT + LOG),
    # Small files; the standard library only.
    "durable": Row(()),
    # The holder of the table, and its file; the venues' own part comes in as an argument.
    "instrument_table": Row(("domain", "durable")),
    "encryption": Row(("domain", "durable"), (*CRYPTOGRAPHY, "keyring", *LOG)),
    "writer": Row(CORE, LOG),
    "feed": Row(CORE, LOG),
    "alerts": Row(CORE, LOG),
    "execution": Row(("domain", "engine", "venues"), (*EXCHANGE, "tenacity", *LOG)),
    # Through the ports of execution; ccxt is behind them.
    "collectors": Row(("domain", "engine", "venues", "execution"), ("tenacity", *LOG)),
    "rpc": Row(
        (
            *CORE,
            "venues",
            "analytics",
            "transfer",
            "audit",
            "encryption",
            "instrument_table",
            "writer",
            "feed",
            "alerts",
            "execution",
            "collectors",
        ),
        GRPC + CONTRACT + LOG,
    ),
    "dashboard": Row((), ("fillhandler", "starlette", "uvicorn", "websockets", *LOG)),
    # What it reads is handed in; the venues say their names.
    "trading_settings": Row(("domain", "venues")),
    "config": Row(("domain", "trading_settings"), ("platformdirs", "pydantic", "pydantic_settings", "yaml")),
    # Between execution and collectors, which know only its port, and the writer.
    "ledger": Row(("domain", "execution", "instrument_table", "writer")),
    # A composition root of its own, for the server and for a handler: connections, trades, collectors.
    "trading": Row(
        (
            "collectors",
            "config",
            "domain",
            "execution",
            "instrument_table",
            "ledger",
            "trading_settings",
            "writer",
        ),
        LOG,
    ),
    "app": Row((ALL,), (ALL,)),
    # One more client, beside a server process of its own.
    "demo": Row((), ("fillhandler", "google.protobuf", "rich")),
    # A program of its own that nothing else imports; its markets and Binance's words for them are pure.
    "exchange": Row(("domain",), ("aiohttp",)),
    "exchange.market": Row(("domain",), pure=True),
    "exchange.binance": Row(("domain", "exchange.market"), pure=True),
    "exchange.credentials": Row(("durable", "exchange")),
    "exchange.command": Row(("exchange",), ("platformdirs", "typer")),
    "logs": Row((), LOG),
    "commands": Row(
        ("app", "audit", "config", "demo", "domain", "encryption", "logs"),
        ("fillhandler", "rich", "typer", *LOG),
    ),
    "__main__": Row(("app", "commands", "config", "domain"), ("typer", *LOG)),
    # The names of the original design, for use inside a user's own process.
    "handler": Row(
        (
            "analytics",
            "domain",
            "engine",
            "execution",
            "projections.__init__",
            # Fields are checked by the same code that checks a request's.
            "rpc.convert",
            "rpc.trades",
            "trading_settings",
            "venues",
            "writer",
        ),
        ("fillhandler.convert", "fillhandler.v1"),
    ),
    # The second composition root: the store and its writer, without a server around them.
    "handler.embedded": Row(
        (
            "config",
            "domain",
            "encryption",
            "execution",
            "instrument_table",
            "journal",
            "projections",
            "trading",
            "trading_settings",
            "transfer",
            "venues",
            "writer",
        ),
    ),
    # Its trades, over what `handler.embedded` puts together.
    "handler.exchange_manager": Row(
        ("config", "domain", "execution", "handler", "trading", "trading_settings", "writer")
    ),
    "__init__": Row(("domain", "handler")),
}

CLIENT = {
    "v1": Row((), GRPC),
    # Only here, so that a program which uses the client loads no terminal libraries.
    "cli": Row((ALL,), (*GRPC, "platformdirs", "rich", "tenacity", "typer")),
    ALL: Row((ALL,), (*GRPC, "platformdirs", "tenacity")),
}

PACKAGES = {"fillhandler_server": SERVER, "fillhandler": CLIENT}
FOLDERS = {"fillhandler_server": ROOT / "server", "fillhandler": ROOT / "client"}

IMPURE_MODULES = (
    "asyncio", "concurrent", "http", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets",
    "selectors", "shutil", "signal", "socket", "ssl", "subprocess", "tempfile", "threading", "time", "urllib",
    "uuid.uuid1", "uuid.uuid4",
)  # fmt: skip
IMPURE_CALLS = {
    "date.today", "datetime.now", "datetime.today", "datetime.utcnow", "uuid.uuid1", "uuid.uuid4",
    "input", "open", "print",
}  # fmt: skip


def complaints(module: str, source: str, modules: Container[str]) -> list[str]:
    """What the module does against the tables; `modules` are those that exist."""
    package, _, inside = module.partition(".")
    row_name = _row_name(inside, PACKAGES[package])
    if row_name is None:
        return [f"{module}: has no row in the table; give it the one whose imports it may have"]
    row = PACKAGES[package][row_name]
    tree = ast.parse(source)
    found = [
        f"{module}:{line} imports {name}, which the row {row_name!r} does not allow"
        for line, name in _imports(tree, module)
        if not _is_allowed(name, package, row_name, row, modules)
    ]
    if row.pure:
        found += [
            f"{module}:{line} uses {name}, and the row {row_name!r} is pure"
            for line, name in _effects(tree, module)
        ]
    return found


def _row_name(inside: str, table: dict[str, Row]) -> str | None:
    rows = [name for name in table if _within(inside, (name,))]
    return max(rows, key=lambda name: 0 if name == ALL else len(name), default=None)


def _within(name: str, allowed: tuple[str, ...]) -> bool:
    return any(one == ALL or name == one or name.startswith(f"{one}.") for one in allowed)


def _is_allowed(name: str, package: str, row_name: str, row: Row, modules: Container[str]) -> bool:
    top = name.partition(".")[0]
    if top == package:
        inside = _reached(name, modules).partition(".")[2]
        return _within(inside, (row_name, *row.modules))
    if top in sys.stdlib_module_names and top not in STORAGE:
        return True
    return _within(name, row.libraries)


def _reached(name: str, modules: Container[str]) -> str:
    """The module of ours that holds the imported name: what is no module is a name in the one before it."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        module = ".".join(parts[:length])
        for found in (module, f"{module}.__init__"):
            if found in modules:
                return found
    return name


def _imports(tree: ast.Module, module: str) -> Iterator[tuple[int, str]]:
    """Every import as line and full name, down to the name taken: `from a import b` is `a.b`."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield node.lineno, alias.name
            case ast.ImportFrom(module=origin, names=names, level=level):
                base = [*module.split(".")[:-level], *filter(None, [origin])] if level else [origin or ""]
                for alias in names:
                    yield node.lineno, ".".join([*base, alias.name])
            case ast.Call(func=func, args=[ast.Constant(value=str(name)), *_]):
                if _dotted(func).split(".")[-1] in {"__import__", "import_module"}:
                    yield node.lineno, name


def _effects(tree: ast.Module, module: str) -> Iterator[tuple[int, str]]:
    for line, name in _imports(tree, module):
        if _within(name, IMPURE_MODULES):
            yield line, name
    for node in ast.walk(tree):
        match node:
            case ast.AsyncFunctionDef(name=name):
                yield node.lineno, f"async def {name}"
            case ast.Call(func=func):
                # The last two names, so that `datetime.datetime.now` is `datetime.now`.
                name = ".".join(_dotted(func).split(".")[-2:])
                if name in IMPURE_CALLS:
                    yield node.lineno, f"{name}()"


def _dotted(node: ast.expr) -> str:
    """`a.b.c` of an attribute chain; empty for anything computed."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            return f"{_dotted(value)}.{name}"
    return ""


def _files() -> dict[str, Path]:
    """Every module of both packages, a package's own as `….__init__`."""
    return {
        ".".join(path.relative_to(folder).with_suffix("").parts): path
        for package, folder in FOLDERS.items()
        for path in sorted((folder / package).rglob("*.py"))
    }


def test_every_module_keeps_to_the_table() -> None:
    files = _files()
    found = []
    for module, path in files.items():
        found += complaints(module, path.read_text(encoding="utf-8"), files)

    assert not found, "\n".join(found)


# The examples below are about a tree of their own, whatever ours looks like.
EXAMPLE = {
    "fillhandler.__init__",
    "fillhandler.client",
    "fillhandler_server.__init__",
    "fillhandler_server.app",
    "fillhandler_server.domain.__init__",
    "fillhandler_server.domain.fills",
    "fillhandler_server.engine",
    "fillhandler_server.journal.__init__",
    "fillhandler_server.journal.sqlite",
}


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("fillhandler_server.domain.fills", "import pydantic"),
        ("fillhandler_server.domain.fills", "from fillhandler_server.engine import decide"),
        ("fillhandler_server.domain.fills", "from ..engine import decide"),
        ("fillhandler_server.domain.fills", "import sqlite3"),
        ("fillhandler_server.domain.fills", "import asyncio"),
        ("fillhandler_server.domain.fills", "def age():\n    from time import monotonic"),
        ("fillhandler_server.engine", "from datetime import datetime\nt = datetime.now()"),
        ("fillhandler_server.engine", "import datetime\nt = datetime.datetime.now(datetime.UTC)"),
        ("fillhandler_server.engine", "import uuid\ni = uuid.uuid4()"),
        ("fillhandler_server.engine", "from uuid import uuid4"),
        ("fillhandler_server.engine", "async def decide(): ..."),
        ("fillhandler_server.engine", "from fillhandler.v1 import fills_pb2"),
        ("fillhandler_server.venues.binance", "rules = open('rules.json')"),
        ("fillhandler_server.venues.binance", "import ccxt"),
        ("fillhandler_server.venues.binance", "import importlib\nimportlib.import_module('ccxt')"),
        ("fillhandler_server.journal.__init__", "import sqlcipher3"),
        ("fillhandler_server.journal.__init__", "from .sqlite import SqliteJournal"),
        ("fillhandler_server.journal.sqlite", "from fillhandler_server.encryption import Key"),
        ("fillhandler_server.writer", "from fillhandler_server.journal import sqlite"),
        ("fillhandler_server.writer", "import fillhandler_server.journal.sqlite"),
        ("fillhandler_server.writer", "from fillhandler_server import FillHandler"),
        ("fillhandler_server.feed", "from cryptography.fernet import Fernet"),
        ("fillhandler_server.rpc.fills", "import sqlite_utils"),
        (
            "fillhandler_server.rpc.fills",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import sqlite3",
        ),
        ("fillhandler_server.rpc.fills", "from fillhandler_server.journal.sqlite import SqliteJournal"),
        ("fillhandler_server.rpc.fills", "from fillhandler_server import app"),
        ("fillhandler_server.dashboard.page", "from fillhandler_server.feed import Feed"),
        ("fillhandler_server.somewhere_new", ""),
        ("fillhandler.client", "import fillhandler_server"),
        ("fillhandler.client", "def start():\n    from fillhandler_server.app import build"),
        ("fillhandler.client", "import typer"),
        ("fillhandler.cli", "from fillhandler_server import commands"),
    ],
)
def test_a_module_that_breaks_a_rule_is_named(module: str, source: str) -> None:
    found = complaints(module, source, EXAMPLE)

    assert len(found) == 1
    assert found[0].startswith(module)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("fillhandler_server.domain.orders", "import decimal\nfrom . import fills\nfrom .fills import Fill"),
        ("fillhandler_server.domain.__init__", "from .fills import Fill"),
        ("fillhandler_server.engine", "from datetime import datetime\nt = datetime.fromtimestamp(0)"),
        ("fillhandler_server.engine", "def decide(clock):\n    return clock.now()"),
        (
            "fillhandler_server.codec",
            "from google.protobuf.message import Message\nfrom fillhandler.v1 import fills_pb2",
        ),
        (
            "fillhandler_server.journal.sqlite",
            "import sqlcipher3\nfrom . import Head\nfrom fillhandler_server.journal import Journal",
        ),
        (
            "fillhandler_server.writer",
            "import asyncio\nimport fillhandler_server.journal\nfrom fillhandler_server.journal import Head",
        ),
        ("fillhandler_server.execution.live", "def connect():\n    import ccxt.pro"),
        (
            "fillhandler_server.app",
            "import sqlcipher3\nfrom fillhandler_server.journal.sqlite import SqliteJournal",
        ),
        (
            "fillhandler.client",
            "import grpc.aio\nfrom .errors import NotReachable\nfrom fillhandler.v1 import fills_pb2",
        ),
        ("fillhandler.cli.orders", "import typer\nfrom fillhandler.client import FillHandlerClient"),
    ],
)
def test_what_the_table_allows_passes(module: str, source: str) -> None:
    assert complaints(module, source, EXAMPLE) == []
