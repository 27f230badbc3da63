"""What the venue modules read payloads with: rows that know their path, and values that are exact.

Nothing here guesses and nothing stops at the first fault: a `Row` notes every value that is missing or wrong
under its JSON path and answers with a stand-in, and `Reading.result` raises all of them at once, so a payload
is taken whole or refused whole.

The common case of each method comes first and is short, because a report has some twenty values and all of
them together may take no longer than a few times what the JSON parser takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Final, TypeVar

from fillhandler_server.domain.errors import InvalidFieldError, Violation
from fillhandler_server.domain.fills import Fill, derived_trade_id
from fillhandler_server.domain.instruments import Instrument, Instruments
from fillhandler_server.domain.numbers import EXACT, NUMBER, ONE, ZERO, from_json_number
from fillhandler_server.domain.reports import OrderReport, OrderStatus, ParsedPayload, Skipped
from fillhandler_server.venues.json_text import Json, clean, shown

ID_LENGTH_MAX: Final = 256
ID_MAX: Final = 10 ** (ID_LENGTH_MAX - 1)
NUMBER_LENGTH_MAX: Final = 100
"""Longest text that is looked at as a number; the grammar itself holds far less."""
FAULTS_MAX: Final = 100
"""Faults of one payload that are told; more say nothing new."""
NANOSECONDS_MAX: Final = 2**63 - 1

MILLION: Final = 1_000_000
_SECONDS_BELOW: Final = 10**11
_MILLISECONDS_BELOW: Final = 10**14
_MICROSECONDS_BELOW: Final = 10**17

_PROMISED: Final = frozenset({OrderStatus.PENDING_CANCEL, OrderStatus.PENDING_REPLACE})

Value = TypeVar("Value")
_PLAIN_LENGTH_MAX: Final = 40
"""1 + 20 + 1 + 18: longer text is never in the grammar, and must not fill the cache."""

# ---------------------------------------------------------------- exact values


def exact(text: str) -> Decimal:
    """The exact value of a number's text.

    Raises:
        ValueError: not a number, or longer or finer than `numbers.NUMBER` holds.
    """
    if NUMBER.fullmatch(text) is None:
        return from_json_number(text[: NUMBER_LENGTH_MAX + 1])
    return Decimal(text) or ZERO  # no minus zero


@lru_cache(maxsize=4096)
def _plain(text: str) -> Decimal | None:
    """The value of a text that is in the grammar of `NUMBER`, else None.

    Cached, because the numbers of a report repeat: zeros, the cumulative quantity, the price level.
    """
    return (Decimal(text) or ZERO) if NUMBER.fullmatch(text) is not None else None


def scaled(value: Decimal, places: int) -> Decimal:
    """value / 10^places, exactly."""
    return EXACT.scaleb(value, -places) if value else ZERO


def nanoseconds(number: int) -> int:
    """A time since the epoch as nanoseconds; its size says whether it is in s, ms, us or ns.

    Venues document milliseconds; Binance sends microseconds where the stream was asked for them. The ranges
    do not meet: 10^11 ms is 1973, 10^14 us is 1973, 10^17 ns is 1973.
    """
    if number < _SECONDS_BELOW:
        return number * 1_000_000_000
    if number < _MILLISECONDS_BELOW:
        return number * MILLION
    if number < _MICROSECONDS_BELOW:
        return number * 1_000
    return number


# ------------------------------------------------------------------------ rows


class Row:
    """One JSON object of a payload and the path to it.

    A key that is missing, null or "" is absent. The methods named `optional_…` answer absence with None or
    ""; the others note it as a fault. Where several keys are given, the first that is present is read.
    """

    __slots__ = ("data", "path", "reading")

    def __init__(self, data: Json, path: str, reading: Reading) -> None:
        self.data = data
        self.path = path
        """Prefix of the keys: "" or "data.rows[2]."."""
        self.reading = reading

    def fail(self, key: str, text: str) -> None:
        """Notes that the value under `key` is wrong."""
        self.reading.fault(self.path + key, text)

    def has(self, *keys: str) -> bool:
        """Whether any of the keys is present."""
        get = self.data.get
        return any(get(key) not in (None, "") for key in keys)

    def _is_faulty(self, keys: tuple[str, ...]) -> bool:
        """Whether the latest fault is under one of the keys, so that it is not noted as missing too."""
        faults = self.reading.faults
        return bool(faults) and any(faults[-1].field == self.path + key for key in keys)

    def first(self, *keys: str) -> str:
        """The first key that is present, else the first key."""
        get = self.data.get
        for key in keys:
            if get(key) not in (None, ""):
                return key
        return keys[0]

    # Identifiers, names and words

    def optional_id(self, *keys: str) -> str:
        """An id as text, byte for byte as sent; an integer as its digits."""
        get = self.data.get
        value = get(keys[0])
        if value.__class__ is str:
            if 0 < len(value) <= ID_LENGTH_MAX and value.isprintable():
                return value
        elif value.__class__ is int and -ID_MAX < value < ID_MAX:
            return str(value)
        for key in keys:
            value = get(key)
            if value is None or value == "":
                continue
            if value.__class__ is str:
                # Printable text has neither control characters nor lone surrogates.
                if value.isprintable() and len(value) <= ID_LENGTH_MAX:
                    return value
                self.fail(key, f"control characters, or more than {ID_LENGTH_MAX} characters: {shown(value)}")
                return ""
            if value.__class__ is int and len(text := str(value)) <= ID_LENGTH_MAX:
                return text
            self.fail(key, f"expected a string or an integer, got {shown(value)}")
            return ""
        return ""

    def id(self, *keys: str) -> str:
        """An id that has to be there."""
        found = self.optional_id(*keys)
        if not found and not self._is_faulty(keys):
            self.fail(keys[0], "missing")
        return found

    def optional_word(self, *keys: str) -> str:
        """A word of the venue's vocabulary (a code may be an integer), as text."""
        return self.optional_id(*keys)

    def note(self, *keys: str) -> str:
        """Free text for people: never a fault."""
        get = self.data.get
        for key in keys:
            value = get(key)
            if value.__class__ is int or (isinstance(value, str) and value):
                return clean(str(value))
        return ""

    def choice(self, table: Mapping[str, Value], *keys: str, default: Value) -> Value:
        """The table's entry for the word under the key; a missing or unknown word is a fault."""
        value = self.data.get(keys[0])
        if value.__class__ is str:
            entry = table.get(value)
            if entry is not None:
                return entry
        key = self.first(*keys)
        value = self.data.get(key)
        if value.__class__ is str or value.__class__ is int:
            entry = table.get(str(value))
            if entry is not None:
                return entry
        if value is None or value == "":
            self.fail(key, "missing")
        else:
            self.fail(key, f"{shown(value)} is none of {', '.join(sorted(table))}")
        return default

    def optional_choice(self, table: Mapping[str, Value], *keys: str, default: Value) -> Value:
        """The same, where absence is the default."""
        return self.choice(table, *keys, default=default) if self.has(*keys) else default

    def optional_flag(self, *keys: str) -> bool | None:
        """True or false, as JSON or as text."""
        key = self.first(*keys)
        value = self.data.get(key)
        if value is True or value is False:
            return bool(value)
        if value is None or value == "":
            return None
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        self.fail(key, f"expected true or false, got {shown(value)}")
        return None

    def flag(self, key: str) -> bool:
        """True or false, which has to be there."""
        value = self.data.get(key)
        if value is True or value is False:
            return value
        if not self.has(key):
            self.fail(key, "missing")
        return bool(self.optional_flag(key))

    # Numbers

    def optional_number(self, *keys: str) -> Decimal | None:
        """An exact number, from a string or a JSON number."""
        get = self.data.get
        value = get(keys[0])
        if (
            value.__class__ is str
            and len(value) <= _PLAIN_LENGTH_MAX
            and (plain := _plain(value)) is not None
        ):
            return plain
        for key in keys:
            value = get(key)
            if value is None or value == "":
                continue
            try:
                if isinstance(value, str):
                    return exact(value)
                if value.__class__ is int:
                    return exact(str(value))
            except ValueError as error:
                self.fail(key, ascii(str(error))[1:-1])
                return None
            self.fail(key, f"expected a number, got {shown(value)}")
            return None
        return None

    def number(self, *keys: str) -> Decimal:
        """An exact number that has to be there."""
        value = self.data.get(keys[0])
        if (
            value.__class__ is str
            and len(value) <= _PLAIN_LENGTH_MAX
            and (plain := _plain(value)) is not None
        ):
            return plain
        found = self.optional_number(*keys)
        if found is None:
            if not self._is_faulty(keys):
                self.fail(keys[0], "missing")
            return ONE
        return found

    def positive(self, *keys: str) -> Decimal:
        """A number above zero that has to be there: a fill's quantity."""
        value = self.number(*keys)
        if value <= ZERO:
            self.fail(self.first(*keys), "not above zero")
            return ONE
        return value

    def size(self, *keys: str) -> Decimal:
        """A quantity whose sign only repeats the side: taken off; zero is a fault."""
        value = self.number(*keys).copy_abs()
        if not value:
            self.fail(self.first(*keys), "zero")
            return ONE
        return value

    def optional_above_zero(self, *keys: str) -> Decimal | None:
        """A number where the venue writes 0 for "none"."""
        value = self.optional_number(*keys)
        return value if value and not value.is_signed() else None

    def optional_scaled(self, places: int, *keys: str) -> Decimal | None:
        """A scaled integer (Phemex's Ep and Ev), divided by 10^places."""
        value = self.optional_number(*keys)
        if value is not None and value != value.to_integral_value():
            self.fail(self.first(*keys), "a scaled value is a whole number")
            return None
        return None if value is None else scaled(value, places)

    # Times

    def optional_time(self, *keys: str, unit: int = 0) -> int | None:
        """A time as nanoseconds since the epoch; 0 is absent. `unit` 1: it is in ns, whatever its size."""
        get = self.data.get
        value = get(keys[0])
        if value.__class__ is int and _SECONDS_BELOW <= value < _MILLISECONDS_BELOW and not unit:
            return value * MILLION
        for key in keys:
            value = get(key)
            if value is None or value == "" or value == 0 or value == "0":
                continue
            if value.__class__ is not int:
                value = self._whole(key, value)
                if value is None:
                    return None
            if 0 < value <= NANOSECONDS_MAX:
                time = value if unit else nanoseconds(value)
                if time <= NANOSECONDS_MAX:
                    return time
            self.fail(key, f"not a time since the epoch: {shown(value)}")
            return None
        return None

    def time(self, *keys: str, unit: int = 0) -> int | None:
        """A time that has to be there."""
        number = self.data.get(keys[0])
        if number.__class__ is int and _SECONDS_BELOW <= number < _MILLISECONDS_BELOW and not unit:
            return number * MILLION
        value = self.optional_time(*keys, unit=unit)
        if value is None and not self._is_faulty(keys):
            self.fail(keys[0], "missing")
        return value

    def _whole(self, key: str, value: object) -> int | None:
        try:
            if isinstance(value, str):
                number = exact(value)
                if number == number.to_integral_value():
                    return int(number)
        except ValueError:
            pass
        self.fail(key, f"expected a whole number, got {shown(value)}")
        return None

    # Objects in it

    def optional_row(self, key: str) -> Row | None:
        """The object under the key."""
        value = self.data.get(key)
        if isinstance(value, dict):
            return Row(value, f"{self.path}{key}.", self.reading)
        if value is not None:
            self.fail(key, f"expected an object, got {shown(value)}")
        return None

    def rows(self, key: str) -> list[Row]:
        """The objects of the list under the key; null is an empty one."""
        value = self.data.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.fail(key, f"expected a list, got {shown(value)}")
            return []
        return self.reading.rows(value, self.path + key)


# --------------------------------------------------------------------- reading


def _is_promise(report: OrderReport) -> bool:
    figures = (report.time, report.order_quantity, report.cumulative_quantity)
    return report.status in _PROMISED and figures == (None, None, None)


class Reading:
    """One payload being read: what was understood so far, and every fault."""

    __slots__ = ("account", "faults", "fills", "instruments", "reports", "skips", "venue")

    def __init__(self, venue: str, account: str, instruments: Instruments) -> None:
        self.venue = venue
        self.account = account
        self.instruments = instruments
        self.fills: list[Fill] = []
        self.reports: list[OrderReport] = []
        self.skips: dict[tuple[str, str], int] = {}
        self.faults: list[Violation] = []

    def fault(self, field: str, text: str) -> None:
        """Notes that a value is missing or wrong."""
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(Violation(field, text))

    def skip(self, kind: str, reason: str, count: int = 1) -> None:
        """Notes a part that is neither a fill nor an order report."""
        if count:
            self.skips[kind, reason] = self.skips.get((kind, reason), 0) + count

    def rows(self, values: list[object], path: str) -> list[Row]:
        """The objects of a list; anything else in it is a fault."""
        found: list[Row] = []
        for index, value in enumerate(values):
            if isinstance(value, dict):
                found.append(Row(value, f"{path}[{index}].", self))
            else:
                self.fault(f"{path}[{index}]", f"expected an object, got {shown(value)}")
        return found

    def result(self) -> ParsedPayload:
        """All that was understood.

        Raises:
            InvalidFieldError: with every fault of the payload.
        """
        if self.faults:
            raise InvalidFieldError(*dict.fromkeys(self.faults))
        self._drop_promises()
        self._complete()
        self._derive_trade_ids()
        skipped = [Skipped(kind, reason, count) for (kind, reason), count in self.skips.items()]
        return ParsedPayload(self.venue, self.fills, self.reports, skipped)

    def instrument(self, symbol: str, market: str = "") -> Instrument | None:
        """What is known of one of the venue's symbols."""
        return self.instruments.find(self.venue, symbol, market)

    def canonical(self, spelling: str) -> str:
        """The venue's one canonical spelling of a symbol."""
        return self.instruments.canonical(self.venue, spelling)

    def value_places(self, currency: str) -> int | None:
        """The decimal places of the venue's scaled integer amounts of a currency."""
        return self.instruments.value_places.get((self.venue, currency))

    def _drop_promises(self) -> None:
        """An accepted cancel or amend that says no time states nothing of the order yet.

        Counted by its arrival it would outlast the venue's own word on what it asked for, which may have come
        first, or long before where a file is read.
        """
        kept = [report for report in self.reports if not _is_promise(report)]
        self.skip("acknowledgement", "an accepted cancel or amend", len(self.reports) - len(kept))
        self.reports = kept

    def _complete(self) -> None:
        """Fills in what the payload left open and the instrument table knows; what was read stands."""
        find, venue = self.instruments.find, self.venue
        items: tuple[Fill | OrderReport, ...] = (*self.fills, *self.reports)
        for item in items:
            known = find(venue, item.symbol, item.market)
            if known is None:
                continue
            item.market = item.market or known.market
            item.contract_kind = item.contract_kind or known.kind
            if item.multiplier is None:
                item.multiplier = known.multiplier
            if not item.base_currency and not item.quote_currency:
                item.base_currency, item.quote_currency = known.base, known.quote

    def _derive_trade_ids(self) -> None:
        seen: dict[str, int] = {}
        for fill in self.fills:
            if fill.trade_id:
                continue
            content = derived_trade_id(fill)
            seen[content] = occurrence = seen.get(content, 0) + 1
            fill.trade_id = content if occurrence == 1 else derived_trade_id(fill, occurrence)
            fill.trade_id_derived = True
