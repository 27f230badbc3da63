"""Errors as one sentence for people: what is wrong, why, and the way out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fillhandler.errors import FillHandlerError, ServerUnreachableError

_CURSOR = "the server's journal is another or an older one: check it, then start anew with --from-beginning"

# The way out, by the reason that the server gives; never guessed from a text.
_WAYS_OUT: Final[Mapping[str, str]] = {
    "UNSUPPORTED_PAYLOAD": "name the venue with --venue, and check that the file holds what it sent",
    "FILL_NOT_FOUND": "list the fills with `fillhandler fills`",
    "ORDER_NOT_FOUND": "list the orders with `fillhandler orders --all`",
    "TRADE_NOT_FOUND": "list the trades with `fillhandler trades`",
    "VENUE_UNAVAILABLE": "nothing was traded; `fillhandler venues` says what is wrong with the connection",
    "ILLEGAL_TRANSITION": "it has ended; `fillhandler trade ID` says how",
    "REQUEST_ID_REUSED": "give a new trade a new id; `fillhandler trade ID` shows the one of this id",
    "ORDER_AMBIGUOUS": "narrow it with --venue, --account or --symbol",
    "CURSOR_AHEAD": _CURSOR,
    "CURSOR_EXPIRED": _CURSOR,
    "INSTANCE_MISMATCH": _CURSOR,
    "IMPORT_DAMAGED": "nothing was changed; take another copy of the file",
    "STORE_FULL": "make room on the server's disk; it goes on by itself",
    "STORE_UNAVAILABLE": "see the server's log, then try again: the same again never counts twice",
    "SHUTTING_DOWN": "try again when it is back: the same again never counts twice",
    "TOO_MANY_STREAMS": "close some feeds, or try again later",
    "PAYLOAD_TOO_LARGE": "split it into smaller ones",
    "UNAUTHENTICATED": "name the token with --token-file or FILLHANDLER_TOKEN_FILE; "
    "the server wrote one to `token` in its data folder",
    "PERMISSION_DENIED": "use a token whose role allows it",
    "INTERNAL": "the server's log has more under the same incident id",
}


def describe(error: FillHandlerError) -> dict[str, Any]:
    """What `Output.problem` shows: `text`, and where known `reason`, `hint`, `violations`, `metadata`."""
    problem: dict[str, Any] = {"text": error.text, "status": error.status.name}
    if error.reason:
        problem["reason"] = error.reason
    if error.violations:
        problem["violations"] = [{"field": v.field, "text": v.text} for v in error.violations]
    if error.metadata:
        problem["metadata"] = dict(error.metadata)
    if isinstance(error, ServerUnreachableError):
        problem["hint"] = (
            "is it running? `fillhandler serve` starts one; --address or FILLHANDLER_ADDRESS names another"
        )
    elif error.reason in _WAYS_OUT:
        problem["hint"] = _WAYS_OUT[error.reason]
    return problem
