"""What the methods of every service stand on."""

from __future__ import annotations

from fillhandler.connection import Connection


class Calls:
    """Methods that need the connection and nothing else."""

    _connection: Connection
