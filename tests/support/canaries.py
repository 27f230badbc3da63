"""Canary credentials, and the search for them: any ten letters in a row of one, in any usual spelling."""

from __future__ import annotations

import base64
import html
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus

from fillhandler_server.journal.database import Database

WINDOW = 10


def _text(name: str) -> str:
    return f"Cnr{name}{secrets.token_hex(20)}"


@dataclass(frozen=True)
class Canaries:
    """Texts that must appear nowhere. New ones each time, so that nothing of another run is found."""

    api_key: str = field(default_factory=lambda: _text("Key"))
    secret: str = field(default_factory=lambda: _text("Secret"))
    # As people choose them: with what quoting, escaping and cutting up would change.
    password: str = field(
        default_factory=lambda: f'Cnr,Pa"ss\\{secrets.token_hex(4)} & {secrets.token_hex(4)}=%'
    )

    @property
    def texts(self) -> dict[str, str]:
        """By the names of the files and, in capitals, of the variables."""
        return {"api_key": self.api_key, "secret": self.secret, "password": self.password}

    def needles(self) -> set[bytes]:
        """What to look for."""
        found: set[bytes] = set()
        for text in self.texts.values():
            for spelled in _spellings(text):
                found |= {spelled[at : at + WINDOW].encode() for at in range(len(spelled) - WINDOW + 1)}
        return found

    def found_in(self, places: Mapping[str, bytes]) -> set[str]:
        """The places in which a piece of one stands."""
        needles = self.needles()
        return {name for name, data in places.items() if any(needle in data for needle in needles)}


def _spellings(text: str) -> Iterable[str]:
    yield text
    once = json.dumps(text)[1:-1]
    yield once
    yield json.dumps(once)[1:-1]
    yield quote(text, safe="")
    yield quote_plus(text)
    yield html.escape(text)
    yield base64.b64encode(text.encode()).decode()
    yield text.encode().hex()


def database_bytes(db: Database) -> bytes:
    """Every value of every table, as it reads behind the encryption."""
    found: list[bytes] = []
    for name in db.table_names():
        for row in db.execute(f'SELECT * FROM "{name}"'):
            found += [each if isinstance(each, bytes) else str(each).encode() for each in row]
    return b"\n".join(found)


def process_arguments() -> bytes:
    """The command lines of all processes that there are."""
    found: list[bytes] = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(each.read_bytes())
        except OSError:  # it ended, or is somebody else's
            continue
    return b"\n".join(found)


def folder_bytes(folder: Path) -> bytes:
    """Every file below a folder, as it is on disk, and every name."""
    return b"\n".join(
        str(each).encode() + b"\n" + (each.read_bytes() if each.is_file() else b"")
        for each in sorted(folder.rglob("*"))
    )


def export_bytes(chunk: bytes) -> dict[str, bytes]:
    """An export's lines as they read, and the batches' own bytes."""
    payloads = [json.loads(line).get("payload", "") for line in chunk.splitlines()]
    return {
        "export, readable": chunk,
        "export, binary": b"\n".join(base64.b64decode(each) for each in payloads),
    }
