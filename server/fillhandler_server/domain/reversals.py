"""Busts and corrections: which fill took the place of which, and what waits for a fill still to come."""

from __future__ import annotations

from fillhandler_server.domain.fills import Fill, FillKey


class Reversals:
    """Busts and corrections of one order. Made only for orders that have any.

    A chain A←B←C is kept as links; its root is the first fill, its head is what stands unless the root is
    in `busted`.
    """

    __slots__ = (
        "busted",
        "corrections",
        "next",
        "previous",
        "superseded",
        "waiting_busts",
        "waiting_corrections",
    )

    def __init__(self) -> None:
        self.next: dict[FillKey, FillKey] = {}
        self.previous: dict[FillKey, FillKey] = {}
        self.busted: dict[FillKey, int] = {}
        """Root → sequence of the bust."""
        self.corrections: dict[FillKey, int] = {}
        """Key of a correcting fill → sequence of its correction."""
        self.superseded: set[FillKey] = set()
        """Inferred fills that gave way to what came to be known."""
        self.waiting_busts: dict[FillKey, int] = {}
        """Named fill → sequence of the bust that waits for it."""
        self.waiting_corrections: dict[FillKey, list[tuple[Fill, int]]] = {}
        """Named fill → corrections that wait for it, with their sequences."""

    def root(self, key: FillKey) -> FillKey:
        """The first link of the chain that `key` is in."""
        while (before := self.previous.get(key)) is not None:
            key = before
        return key

    def head(self, key: FillKey) -> FillKey:
        """The last link of the chain that `key` is in."""
        while (after := self.next.get(key)) is not None:
            key = after
        return key
