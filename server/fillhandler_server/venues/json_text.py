"""JSON text to values that lose nothing, and foreign values to texts that hurt nobody."""

from __future__ import annotations

import json
from typing import Final, NoReturn

from fillhandler_server.domain.errors import InvalidFieldError

Json = dict[str, object]

TEXT_LENGTH_MAX: Final = 256
"""Free text (a reject reason) is cut here."""


class JsonNumber(str):
    """A number of the JSON text with a point or an exponent, kept as its text."""

    __slots__ = ()


def load(payload: bytes) -> object:
    """The document in a payload's bytes. Integers come as `int`, other numbers as `JsonNumber`.

    Raises:
        InvalidFieldError: on field "payload", where it is not UTF-8, not JSON, says a name twice with
            different values, or is nested too deep.
    """
    try:
        text = payload.decode("utf-8")
        try:
            document, end = _DECODER.raw_decode(text)
            if end == len(text):
                return document
        except json.JSONDecodeError:
            pass
        return _DECODER.decode(text)  # space around it, or a fault and its place
    except UnicodeDecodeError as error:
        raise InvalidFieldError.of("payload", f"not UTF-8: byte {error.start}") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidFieldError.of("payload", f"not JSON: {error.msg} at {where}") from None
    except RecursionError:
        raise InvalidFieldError.of("payload", "nested too deep") from None
    except ValueError:
        # Python refuses to convert integers of more than 4,300 digits.
        raise InvalidFieldError.of("payload", "a number is too long to be read exactly") from None


def _object(pairs: list[tuple[str, object]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        # Two values under one name are read differently by different readers; the same one twice is harmless
        # and stands in some venues' own samples.
        for name, value in pairs:
            if found[name] != value:
                raise InvalidFieldError.of(
                    "payload", f"the name {shown(name)} stands twice with different values"
                )
    return found


def _constant(text: str) -> NoReturn:
    raise InvalidFieldError.of("payload", f"{text} is not a JSON number")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=JsonNumber, parse_constant=_constant, strict=True
)


def shown(value: object) -> str:
    """A foreign value for an error text: short, and in ASCII whatever was sent."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    # A slice first: `ascii` of a megabyte is a megabyte.
    text = ascii(value[:40]) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def clean(text: str) -> str:
    """Free text of a venue, fit to be stored: bounded, and without control characters and lone surrogates."""
    text = text[:TEXT_LENGTH_MAX]
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
