"""The handler's configuration: a dict that knows its keys, and says which of them is wrong."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

from fillhandler_server.domain.errors import InvalidFieldError, Violation
from fillhandler_server.domain.instrument_fields import read_instruments
from fillhandler_server.domain.retry_config import RETRY_KEYS, number, shown, whole
from fillhandler_server.trading_settings import read_connections


class Key(NamedTuple):
    """A key's default, and what makes its value of what was given.

    `read` raises a ValueError that says what the value has to be.
    """

    default: Any
    read: Callable[[Any], Any]
    fixed: bool = False
    """It says what is opened, so it cannot change later."""


class Section(dict[str, Any]):
    """A dict with exactly the keys of its table. A wrong key or value is refused, and nothing has changed."""

    def __init__(
        self,
        keys: Mapping[str, Key],
        given: object,
        path: str = "",
        changed: Callable[[str, Any], None] | None = None,
    ) -> None:
        """
        Args:
            keys: the table.
            given: what takes the place of defaults: a mapping, or None.
            path: stands before the keys in errors.
            changed: told of every key that is set later.

        Raises:
            InvalidFieldError: naming every key that is wrong.
        """
        super().__init__()
        self._keys = keys
        self._path = path
        self._changed = changed
        if given is not None and not isinstance(given, Mapping):
            raise InvalidFieldError.of(path.rstrip(".") or "config", f"must be a dict, not {shown(given)}")
        super().update(self._read({name: key.default for name, key in keys.items()} | dict(given or {})))

    def _read(self, given: Mapping[Any, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        violations: list[Violation] = []
        for name, value in given.items():
            key = self._keys.get(name)
            try:
                if key is None:
                    raise ValueError(f"is not a known key; known are {', '.join(self._keys)}")
                values[name] = key.read(value)
            except InvalidFieldError as error:
                violations += error.violations
            except ValueError as error:
                violations.append(Violation(f"{self._path}{name}", str(error)))
        if violations:
            raise InvalidFieldError(*violations)
        return values

    def update(self, *args: Any, **given: Any) -> None:
        """As `dict.update`: all of it, or none.

        Raises:
            InvalidFieldError: naming every key that is wrong.
        """
        wanted: dict[str, Any] = dict(*args, **given)
        fixed = [name for name in wanted if name in self._keys and self._keys[name].fixed]
        if fixed:
            raise InvalidFieldError.of(f"{self._path}{fixed[0]}", "counts only when the handler is created")
        values = self._read(wanted)
        super().update(values)
        if self._changed is not None:
            for name, value in values.items():
                self._changed(name, value)

    def __setitem__(self, name: str, value: Any) -> None:
        self.update({name: value})

    def __ior__(self, other: Any) -> Section:  # type: ignore[override,misc]  # dict's takes pairs, too
        self.update(other)
        return self

    def setdefault(self, name: str, default: Any = None) -> Any:
        """The value of a key; every key there is has one."""
        if name not in self:
            self._read({name: default})
        return self[name]

    def _refuse(self, *_: Any) -> NoReturn:
        raise TypeError("a key of the configuration cannot be removed; set it to another value")

    __delitem__ = pop = popitem = clear = _refuse


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be True or False, not {shown(value)}")
    return value


def _path(value: Any) -> Path | None:
    if value is None:
        return None
    if not isinstance(value, str | os.PathLike) or not (text := os.fspath(value)) or isinstance(text, bytes):
        raise ValueError(f"must be a path, not {shown(value)}")
    return Path(text).expanduser()


def _tables(name: str) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        read_instruments(**{"instruments": (), name: value})
        return value

    return read


def _connections(value: Any) -> Any:
    read_connections(value)
    return value


_RETRY_KEYS: Final = {name: Key(*key) for name, key in RETRY_KEYS.items()}

KEYS: Final = {
    "retry_config": Key(None, lambda given: Section(_RETRY_KEYS, given, "retry_config.")),
    "slippage_tolerance": Key(0.005, number(0, 1)),
    "max_order_age_hours": Key(24, number(0, 1_000_000)),
    "fill_history_limit": Key(1_000, whole(0, 10_000_000)),
    "debug_mode": Key(False, _flag),
    "key_file": Key(None, _path, fixed=True),
    "instruments": Key((), _tables("instruments"), fixed=True),
    "value_places": Key((), _tables("value_places"), fixed=True),
    "connections": Key((), _connections, fixed=True),
}


def read_config(given: object, data_dir: Path, changed: Callable[[str, Any], None]) -> Section:
    """The configuration, defaults filled in.

    Args:
        given: a mapping of some keys, or None.
        data_dir: the default of the key with this name.
        changed: told of every key that is set later.

    Raises:
        InvalidFieldError: naming every key that is wrong.
    """
    keys = KEYS | {"data_dir": Key(data_dir, lambda value: _path(value) or data_dir, fixed=True)}
    return Section(keys, given, changed=changed)
