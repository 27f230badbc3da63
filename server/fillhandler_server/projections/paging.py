"""Page tokens: where the next page starts, bound to the query it belongs to."""

from __future__ import annotations

import base64
import binascii
import hashlib

from fillhandler_server.domain.errors import PageTokenInvalidError


def write_token(position: int, query: object) -> str:
    """The token of the page behind a position."""
    return base64.urlsafe_b64encode(f"1:{position}:{_digest(query)}".encode()).decode()


def read_token(token: str, query: object) -> int:
    """The position in a token; 0 for none.

    Raises:
        PageTokenInvalidError: it is not a token of this query.
    """
    if not token:
        return 0
    try:
        version, position, digest = base64.b64decode(token, altchars=b"-_", validate=True).decode().split(":")
        # The digest is no secret: a made-up position must not be more than SQLite's integers hold.
        if version == "1" and digest == _digest(query) and position.isdecimal() and len(position) <= 18:
            return int(position)
    except (binascii.Error, ValueError):
        pass
    raise PageTokenInvalidError(
        "the page token is not of this request; send it with the same conditions, or none for the first page"
    )


def _digest(query: object) -> str:
    return hashlib.blake2b(repr(query).encode(), digest_size=8).hexdigest()
