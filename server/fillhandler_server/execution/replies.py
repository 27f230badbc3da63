"""What stands in an exchange's reply: its code, its words fit to be shown, and when to come again."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import quote, quote_plus

from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.venues.json_text import load

_TEXT_MAX: Final = 300
_RETRY_AFTER_SECONDS_MAX: Final = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as it came over HTTP."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


# ------------------------------------------------------------------ the words

_CODE_KEYS: Final = ("code", "retCode", "bizError", "label", "err_code", "error_code")
_WORD_KEYS: Final = (
    "msg",
    "message",
    "retMsg",
    "sMsg",
    "detail",
    "error_details",
    "error",
    "err_msg",
    "response",
)


def said_in(reply: Reply | None) -> tuple[str, str]:
    """(code, words) of a reply's body, "" where it is none that can be read."""
    if reply is None or not reply.body:
        return "", ""
    try:
        document = load(reply.body.encode())
    except (InvalidFieldError, RecursionError):
        return "", ""
    return _of_row(document, 0)


def _of_row(document: object, depth: int) -> tuple[str, str]:
    if depth > 3:
        return "", ""
    if isinstance(document, list):
        return _of_row(document[0], depth + 1) if document else ("", "")
    if isinstance(document, str):
        return "", document
    if not isinstance(document, dict):
        return "", ""
    # OKX says in each row what is wrong with it, and "all operations failed" around.
    rows = document.get("data")
    if (
        isinstance(rows, list)
        and rows
        and isinstance(rows[0], dict)
        and rows[0].get("sCode") not in (None, "0")
    ):
        return str(rows[0]["sCode"]), str(rows[0].get("sMsg", ""))
    code = next((str(document[key]) for key in _CODE_KEYS if _is_word(document.get(key))), "")
    words = next(
        (str(document[key]) for key in _WORD_KEYS if document.get(key) and _is_word(document[key])), ""
    )
    if not words:
        for key in ("error", "errors", "error_response", "response", "data", "sendStatus"):
            inner = document.get(key)
            if isinstance(inner, dict | list) and inner:
                inner_code, words = _of_row(inner, depth + 1)
                code = code or inner_code
                if words:
                    break
    if not code and re.fullmatch(r"[A-Za-z_:]{4,60}", words):
        code = words  # Kraken's futures and others say the code in words
    return ("" if code in ("0", "200") else code[:40]), words


def _is_word(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


_HTML: Final = re.compile(r"<!doctype|<html|<head|<body|</?[a-z][a-z0-9]*[ >/]", re.IGNORECASE)
_SCRUBS: Final = (
    (re.compile(r"\b(?:https?|wss?)://\S+", re.IGNORECASE), "[address]"),
    (re.compile(r"/\S*\?\S+"), "[address]"),
    (
        re.compile(
            r"\b[\w-]*(?:signature|sign|api[-_]?key|access[-_]?key|secret|passphrase|password|token|listenkey"
            r"|authorization|nonce|timestamp)[\"']?\s*[=:]\s*[\"']?[^\s\"',;&}]+",
            re.IGNORECASE,
        ),
        "[hidden]",
    ),
    (re.compile(r"\b\w+=[^\s&]*(?:&\w+=[^\s&]*)+"), "[hidden]"),
    (re.compile(r"[A-Za-z0-9+/_-]{40,}={0,2}"), "[hidden]"),
)
_SHORT_SECRET: Final = 4
"""A secret of fewer letters is not removed: it would take pieces out of ordinary words."""


def _spellings(secret: str) -> set[str]:
    """A secret as an exchange may send it back: as it is, and escaped in JSON, addresses or markup."""
    in_json = json.dumps(secret)[1:-1]
    return {
        secret,
        in_json,
        json.dumps(in_json)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        quote(secret, safe=""),
        quote_plus(secret),
        html.escape(secret),
    }


def scrubbed(text: str, secrets: Iterable[str] = ()) -> str:
    """A text without addresses, queries, signatures, markup and the secrets given, in one line, cut off."""
    spelled = {each for secret in secrets if len(secret) >= _SHORT_SECRET for each in _spellings(secret)}
    for each in sorted(spelled, key=len, reverse=True):
        text = text.replace(each, "***")
    if _HTML.search(text):
        return ""
    for pattern, instead in _SCRUBS:
        text = pattern.sub(instead, text)
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= _TEXT_MAX else line[: _TEXT_MAX - 1] + "…"


# ------------------------------------------------------------ when to come again

_BANNED_UNTIL: Final = re.compile(r"banned until ([0-9]{13})")
_RESET_MILLISECONDS: Final = ("gw-ratelimit-reset",)
"""Headers with the milliseconds until the limit is lifted (KuCoin)."""
_RESET_AT_MILLISECONDS: Final = ("x-bapi-limit-reset-timestamp",)


def retry_after(reply: Reply | None, said: str, now: float) -> float | None:
    """Seconds, by the reply's header or words. Only of replies that refuse: others carry such headers too."""
    if reply is None or reply.status < 400:
        return None
    headers = {name.lower(): value.strip() for name, value in reply.headers.items()}
    found: float | None = None
    given = headers.get("retry-after", "")
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", given):
        found = float(given)
    elif given and now:
        try:
            found = parsedate_to_datetime(given).timestamp() - now
        except ValueError:
            found = None
    banned = _BANNED_UNTIL.search(said)
    if banned is not None and now:
        found = max(found or 0.0, int(banned[1]) / 1000 - now)
    if found is None and reply.status in (418, 429):
        for name in _RESET_MILLISECONDS:
            if re.fullmatch(r"[0-9]{1,9}", headers.get(name, "")):
                found = int(headers[name]) / 1000
        for name in _RESET_AT_MILLISECONDS:
            if now and re.fullmatch(r"[0-9]{13}", headers.get(name, "")):
                found = int(headers[name]) / 1000 - now
    return None if found is None else min(max(found, 0.0), _RETRY_AFTER_SECONDS_MAX)
