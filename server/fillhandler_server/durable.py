"""Small files that are there whole or not at all, and survive a power cut."""

from __future__ import annotations

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Makes renames and new files in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_file(path: Path, text: str, *, new: bool = False) -> None:
    """Writes a file of mode 0600, by way of one beside it, and syncs file and folder.

    Raises:
        FileExistsError: `new` was asked for and it is there.
        OSError: it cannot be written.
    """
    beside = path if new else path.with_name(f"{path.name}.new")
    flags = os.O_WRONLY | os.O_CREAT | (os.O_EXCL if new else os.O_TRUNC)
    with os.fdopen(os.open(beside, flags, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if not new:
        beside.replace(path)
    sync_folder(path.parent)
