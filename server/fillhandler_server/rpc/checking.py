"""The fields of requests, checked as text: every violation of a message is reported at once."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from fillhandler.v1 import fills_pb2
from fillhandler_server.codec import from_timestamp
from fillhandler_server.domain.errors import InvalidFieldError, Violation
from fillhandler_server.domain.numbers import from_text, is_number

ID_LENGTH_MAX: Final = 256
_VENUE: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
# Timestamp's own range, years 1 to 9999, narrowed to what nanoseconds in 64 bits hold.
_SECONDS_MIN: Final = -(1 << 63) // 1_000_000_000 + 1
_SECONDS_MAX: Final = (1 << 63) // 1_000_000_000 - 1
MARKETS: Final = ("", "spot", "linear", "inverse", "option")


class Checker:
    """Collects the violations of one message."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.violations: list[Violation] = []

    def wrong(self, name: str, text: str) -> None:
        """Notes a violation."""
        path = self._path
        field = f"{path}.{name}" if path and name and not name.startswith("[") else path + name
        self.violations.append(Violation(field, text))

    def done(self) -> None:
        """
        Raises:
            InvalidFieldError: something was wrong.
        """
        if self.violations:
            raise InvalidFieldError(*self.violations)

    def identifier(self, name: str, value: str, *, required: bool = False) -> str:
        """An id: kept byte for byte, bounded, without control characters."""
        if not value and required:
            self.wrong(name, "is required")
        elif len(value) > ID_LENGTH_MAX:
            self.wrong(name, f"has {len(value)} characters, at most {ID_LENGTH_MAX} are allowed")
        elif _CONTROL.search(value):
            self.wrong(name, "holds a control character")
        return value

    def venue(self, name: str, value: str) -> str:
        """A venue's name, in lower case."""
        value = value.lower()
        if not value:
            self.wrong(name, "is required")
        elif not _VENUE.fullmatch(value):
            self.wrong(name, "must be a name of a-z, 0-9, '_', '.', '-', at most 64 long")
        return value

    def number(self, name: str, value: str) -> Decimal | None:
        """A decimal in the grammar."""
        if not is_number(value):
            shown = value[:40] + ("…" if len(value) > 40 else "")
            self.wrong(
                name, f"{shown!r} is not a decimal number of at most 20 digits before and 18 behind the point"
            )
            return None
        return from_text(value)

    def optional_number(self, message: Any, name: str) -> Decimal | None:
        """A decimal field that may be absent."""
        return self.number(name, getattr(message, name)) if message.HasField(name) else None

    def time(self, message: Any, name: str) -> int | None:
        """A timestamp field that may be absent, in nanoseconds."""
        if not message.HasField(name):
            return None
        stamp: Timestamp = getattr(message, name)
        if not (_SECONDS_MIN <= stamp.seconds <= _SECONDS_MAX and 0 <= stamp.nanos < 1_000_000_000):
            self.wrong(name, "is out of range (years 1678 to 2261)")
            return None
        return from_timestamp(stamp)

    def enum(self, name: str, value: int, known: int, *, required: bool = False) -> int:
        """An enum's number: 0 to `known`."""
        if not 0 <= value <= known:
            self.wrong(name, f"{value} is not a known value")
        elif required and not value:
            self.wrong(name, "is required")
        return value

    def contract(self, message: Any) -> tuple[int, Decimal | None]:
        """The contract field."""
        if not message.HasField("contract"):
            return 0, None
        contract: fills_pb2.Contract = message.contract
        multiplier = None
        if contract.HasField("multiplier"):
            multiplier = self.number("contract.multiplier", contract.multiplier)
            if multiplier is not None and multiplier <= 0:
                self.wrong("contract.multiplier", "must be above 0")
        return self.enum("contract.kind", contract.kind, 3), multiplier

    def market(self, value: str) -> str:
        """The market, in lower case."""
        value = value.lower()
        if value not in MARKETS:
            self.wrong("market", "must be spot, linear, inverse, option, or empty")
        return value

    def currency(self, name: str, value: str, *, required: bool = False) -> str:
        """A currency's code."""
        if len(value) > 32:
            self.wrong(name, "has more than 32 characters")
            return value
        return self.identifier(name, value, required=required)
