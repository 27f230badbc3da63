"""The names of the original design, where they are imported from, and the guide that shows them."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import fillhandler_server
from fillhandler_server import ExchangeError, InsufficientFundsError, NetworkError, RateLimitError
from fillhandler_server.domain.errors import FillHandlerError

GUIDE = Path(__file__).parents[3] / "docs" / "in-process.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_importing_the_package_loads_none_of_it() -> None:
    script = (
        "import sys, fillhandler_server\n"
        "print([m for m in sys.modules if m.startswith(('fillhandler_server.', 'google', 'pydantic'))])"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)

    assert done.stdout == "[]\n"


def test_every_name_is_there() -> None:
    for name in fillhandler_server.__all__:
        assert getattr(fillhandler_server, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'SecureFillHandler'"):
        _ = fillhandler_server.SecureFillHandler  # type: ignore[attr-defined]


def test_coroutines_and_plain_functions() -> None:
    handler = fillhandler_server.FillHandler
    for coroutine in (
        fillhandler_server.create_fill_handler,
        fillhandler_server.process_exchange_fill,
        handler.process_fill_event,
        handler.handle_partial_fill,
        fillhandler_server.SecureExchangeManager.execute_trade,
        fillhandler_server.SecureExchangeManager.close,
    ):
        assert inspect.iscoroutinefunction(coroutine)
    for plain in (
        handler.get_fill_statistics,
        handler.export_state,
        handler.import_state,
        handler.clear_completed_orders,
        handler.close,
    ):
        assert not inspect.iscoroutinefunction(plain)


def test_the_errors_of_an_exchange() -> None:
    assert issubclass(RateLimitError, ExchangeError)
    assert issubclass(InsufficientFundsError, ExchangeError)
    assert not issubclass(NetworkError, ExchangeError)
    assert issubclass(NetworkError, FillHandlerError)
    assert issubclass(ExchangeError, FillHandlerError)


async def test_every_block_of_the_guide_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    assert len(BLOCKS) > 5
    for block in BLOCKS:
        if "SecureExchangeManager" in block and find_spec("ccxt") is None:
            continue  # the extra `exchanges`
        code = compile(block, str(GUIDE), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        result = eval(code, names)
        if inspect.isawaitable(result):
            await result


def test_the_shim_of_the_guide_keeps_an_old_import_working(tmp_path: Path) -> None:
    shim = next(block for block in BLOCKS if block.startswith("# core/fill_handler.py\n"))
    assert len(shim.splitlines()) == 3  # its name, and two lines
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "fill_handler.py").write_text(shim)
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from core.fill_handler import FillHandler, create_fill_handler, process_exchange_fill\n"
        "import core.fill_handler, fillhandler_server\n"
        "print(FillHandler is fillhandler_server.FillHandler, len(core.fill_handler.__all__))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)

    assert done.stdout == f"True {len(fillhandler_server.__all__)}\n"
