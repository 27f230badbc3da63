"""Keeps the record up to date by itself: live account streams, gaps repaired from the venues' histories."""

from __future__ import annotations

from fillhandler_server.collectors.collector import Collector
from fillhandler_server.collectors.ports import Caller, Record
from fillhandler_server.collectors.settings import CollectorSettings
from fillhandler_server.collectors.state import CollectorState, ConnectionState
from fillhandler_server.collectors.timing import Timing

__all__ = [
    "Caller",
    "Collector",
    "CollectorSettings",
    "CollectorState",
    "ConnectionState",
    "Record",
    "Timing",
]
