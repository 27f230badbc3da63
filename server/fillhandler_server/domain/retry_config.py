"""`retry_config`: its keys, their defaults and bounds. The server's settings, the in-process handler and the
retry policy all read it here, so that a value which one of them takes means the same to the others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from fillhandler_server.domain.errors import InvalidFieldError, Violation

RETRYABLE_ERRORS: Final = ("network_error", "rate_limit", "timeout", "exchange_error")
"""The words of `retryable_errors`, all of which are retried by default."""

_DAY_SECONDS: Final = 86_400


class RetryKey(NamedTuple):
    """A key's default in the original design, and what makes its value of what was given.

    `read` raises a ValueError that says what the value has to be.
    """

    default: Any
    read: Callable[[Any], Any]


def shown(value: object) -> str:
    """A wrong value as an error shows it: short."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _is_finite(value: Any) -> bool:
    if isinstance(value, Decimal):
        return value.is_finite()
    # Not math.isfinite for whole numbers: it overflows on long ones.
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return is_whole or (isinstance(value, float) and math.isfinite(value))


def number(least: float, most: float) -> Callable[[Any], Any]:
    """Reads a finite number between two bounds, and leaves it as it was given."""

    def read(value: Any) -> Any:
        if not _is_finite(value) or not least <= value <= most:
            raise ValueError(f"must be a number from {least:g} to {most:g}, not {shown(value)}")
        return value

    return read


def whole(least: int, most: int) -> Callable[[Any], Any]:
    """Reads a whole number between two bounds."""

    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(f"must be a whole number from {least} to {most}, not {shown(value)}")
        return value

    return read


def _jitter(value: Any) -> Any:
    if value is None:
        return None
    try:
        return number(0, 1)(value)
    except ValueError as error:
        raise ValueError(f"{error}; None, or in a file no such key, is full jitter") from None


def _words(value: Any) -> list[str]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError(f"must be a list of {', '.join(RETRYABLE_ERRORS)}, not {shown(value)}")
    words = list(value)
    for word in words:
        if word not in RETRYABLE_ERRORS:
            raise ValueError(f"{shown(word)} is none of {', '.join(RETRYABLE_ERRORS)}")
    return words


RETRY_KEYS: Final[Mapping[str, RetryKey]] = MappingProxyType(
    {
        "max_retries": RetryKey(3, whole(0, 1_000)),
        "base_delay": RetryKey(1.0, number(0, _DAY_SECONDS)),
        "max_delay": RetryKey(30.0, number(0, _DAY_SECONDS)),
        "exponential_base": RetryKey(2.0, number(1, 100)),
        "jitter_factor": RetryKey(0.1, _jitter),
        "retryable_errors": RetryKey(RETRYABLE_ERRORS, _words),
    }
)


def read_retry_config(given: object, path: str = "retry_config") -> dict[str, Any]:
    """The keys that were given, checked; what was not given is not in it.

    Args:
        given: a mapping of some keys, or None.
        path: where it stands, for errors, such as `connections[0].retry_config`.

    Raises:
        InvalidFieldError: naming every key that is wrong, such as `retry_config.max_retries`.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidFieldError.of(path, f"must be a table of {', '.join(RETRY_KEYS)}, not {shown(given)}")
    values: dict[str, Any] = {}
    violations: list[Violation] = []
    for name, value in given.items():
        key = RETRY_KEYS.get(name) if isinstance(name, str) else None
        try:
            if key is None:
                raise ValueError(f"is not a known key; known are {', '.join(RETRY_KEYS)}")
            values[name] = key.read(value)
        except ValueError as error:
            violations.append(Violation(f"{path}.{name}", str(error)))
    if violations:
        raise InvalidFieldError(*violations)
    return values
