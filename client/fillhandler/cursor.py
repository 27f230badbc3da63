"""Where a subscriber to the feed stands, and how it is kept over a restart."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from fillhandler.errors import CursorUnusableError
from fillhandler.files import replacing


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A position in a feed; what follows it is still to come.

    Attributes:
        resume_token: The server's own opaque token, for the position after a whole message.
        instance_id: With `after_sequence`: the journal it counts in.
        after_sequence: Without a token: the sequence of the last event taken, for a position inside a
            message.
    """

    resume_token: str = ""
    instance_id: str = ""
    after_sequence: int = 0


class CursorStore(Protocol):
    """Keeps one cursor. Both methods may block; they are called from a thread, one at a time."""

    def load(self) -> Cursor | None:
        """The cursor that was saved last; None before the first."""

    def save(self, cursor: Cursor) -> None:
        """Keep this one instead. Returns when it is durable."""


class FileCursorStore:
    """Keeps a cursor in a small JSON file. It is replaced as a whole, so no crash leaves half of one."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    def __repr__(self) -> str:
        return f"FileCursorStore({os.fspath(self._path)!r})"

    def load(self) -> Cursor | None:
        """The cursor in the file; None where there is no file.

        Raises:
            CursorUnusableError: There is one, and it cannot be read.
        """
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise CursorUnusableError(f"the cursor file {self._path} cannot be read: {error}") from error
        try:
            cursor = Cursor(**json.loads(text))
        except (TypeError, ValueError):
            cursor = Cursor()
        if not (cursor.resume_token or cursor.instance_id):
            raise CursorUnusableError(f"{self._path} is not a cursor file; remove it to start anew")
        return cursor

    def save(self, cursor: Cursor) -> None:
        """Replace the file. Raises OSError where it cannot be written."""
        with replacing(self._path) as file:
            file.write(json.dumps(asdict(cursor)).encode() + b"\n")
