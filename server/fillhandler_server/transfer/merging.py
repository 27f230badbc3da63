"""Another journal's events, recorded here: as if their fills and reports had come in once more.

What was said goes through the engine again, which knows what is here already. What the other engine made
of it (merged orders, anomalies, figures) is decided anew, for this journal's orders. Only a merge of two
orders is taken over: the fill that showed the two to be one may have been a duplicate, which no event holds.

Up to where a journal was merged before is remembered. That part is only counted: whatever came in since, by
which an old fill might read otherwise now, the same file again appends nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from fillhandler.v1 import events_pb2, fills_pb2
from fillhandler_server.codec import fill_from_message, report_from_message, request_from_message
from fillhandler_server.domain.events import Outcome, StateImported
from fillhandler_server.domain.fills import Fill
from fillhandler_server.domain.numbers import ZERO
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.trades import TradeOutcome
from fillhandler_server.engine import Result
from fillhandler_server.journal.database import Database, DatabaseError, meta
from fillhandler_server.transfer.reading import ExportFile, damaged
from fillhandler_server.writer import Session

SPILL_EVENTS: Final = 1_000
_MERGED: Final = "merged/"


@dataclass(slots=True)
class Merged:
    """What a merge did."""

    new_fills: int = 0
    duplicate_fills: int = 0
    conflicting_fills: int = 0
    appended_events: int = 0
    sequence: int = 0


class Merge:
    """One file into one journal. `run` is for `Writer.exclusive`."""

    def __init__(self, file: ExportFile, import_id: str, linked: set[int], known: int) -> None:
        """
        Args:
            file: the file, checked to its end.
            import_id: as its caller gave it.
            linked: the numbers, in the file, of orders that were merged, and of those they went into.
            known: the file's sequence up to which all of it is here.
        """
        self._file = file
        self._import_id = import_id
        self._linked = linked
        self._known = known
        self._places: dict[int, int] = {}
        """The order number in the file → here, of those in `linked`."""
        self._unfinished: set[str] = set()
        """Trades of the file that were taken over and have not ended in it so far."""

    def run(self, session: Session, spill: Callable[[], None], finish: Callable[[Merged], None]) -> Merged:
        """Records what is new, and says so; nothing new, nothing recorded.

        Args:
            session: the writer's.
            spill: moves what was decided so far out of memory.
            finish: called inside the transaction, if anything was recorded.
        """
        engine, book = session.engine, session.book
        merged, start, since = Merged(), engine.head, 0
        book.renumbered = {}
        for number, _, messages in self._file.again():
            book.prefetch({(m.venue, m.account, m.order_id) for m in messages if m.order_id})
            for message in messages:
                try:
                    if message.sequence > self._known:
                        self._take(session, message, merged)
                    else:
                        self._count(session, message, merged)
                except (DatabaseError, MemoryError):
                    raise
                except Exception:  # noqa: BLE001  # whatever a made-up event breaks, the file is at fault
                    raise damaged(number, f"event {message.sequence} cannot be recorded here") from None
            if (since := since + len(messages)) >= SPILL_EVENTS:
                spill()
                since = 0
        book.renumbered = None
        for trade_id in sorted(self._unfinished):
            text = "unfinished in the journal it was merged from; not followed here"
            engine.finish_trade(trade_id, TradeOutcome.NOT_FOLLOWED, text=text)
        if engine.head > start:
            header = self._file.header
            engine.emit(
                StateImported(
                    source_instance_id=header.instance_id,
                    source_head_sequence=header.head_sequence,
                    source_head_hash=header.head_hash.hex(),
                    events_appended=engine.head - start,
                    import_id=self._import_id,
                )
            )
            merged.appended_events = engine.head - start
            note_merged(session.store.db, header.instance_id, header.head_sequence, header.head_hash.hex())
        merged.sequence = engine.head
        if merged.appended_events:
            finish(merged)
        return merged

    def _take(self, session: Session, message: events_pb2.Event, merged: Merged) -> None:
        kind = message.WhichOneof("event") or ""
        if kind == "order_merged":
            self._join(session, message)
            return
        if kind in ("trade_started", "trade_finished"):
            self._trade(session, message)
            return
        if message.fill_recorded.fill.inferred or message.fill_busted.superseded:
            return  # what is missing here, the engine here infers from the reports
        command = _COMMANDS.get(kind)
        if command is None:
            return
        result = command(session, message, getattr(message, kind))
        if kind == "fill_recorded":
            merged.new_fills += result.outcome == Outcome.RECORDED
            merged.duplicate_fills += result.outcome in (Outcome.DUPLICATE, Outcome.ENRICHED)
            merged.conflicting_fills += result.outcome == Outcome.CONFLICT
        if message.order_number in self._linked:
            self._places[message.order_number] = result.order.number

    def _count(self, session: Session, message: events_pb2.Event, merged: Merged) -> None:
        """Counts what is here already."""
        fill = None
        if message.WhichOneof("event") == "fill_recorded" and not message.fill_recorded.fill.inferred:
            fill = fill_from_message(message.fill_recorded.fill)
            outcome, _ = session.engine.preview_fill(fill)
            merged.conflicting_fills += outcome == Outcome.CONFLICT
            merged.duplicate_fills += outcome != Outcome.CONFLICT
        if message.order_number in self._linked:
            place = _known_order(session, message, fill)
            if place is not None:
                self._places[message.order_number] = place.number

    def _trade(self, session: Session, message: events_pb2.Event) -> None:
        """Takes over that there was a trade, so that its request id is known here, and how it ended.

        It is never executed here: whoever started it may still be at it.
        """
        engine = session.engine
        if message.HasField("trade_started"):
            started = message.trade_started
            order = _known_order(session, message, None)
            terms = request_from_message(started.request)
            if order is not None and engine.import_trade(order, started.trade_id, started.request_id, terms):
                self._unfinished.add(started.trade_id)
        elif message.trade_finished.trade_id in self._unfinished:
            finished = message.trade_finished
            self._unfinished.remove(finished.trade_id)
            engine.finish_trade(
                finished.trade_id, TradeOutcome(finished.outcome), finished.error_class, finished.text
            )

    def _join(self, session: Session, message: events_pb2.Event) -> None:
        numbers = (message.order_number, message.order_merged.merged_order_number)
        here = [self._place(session, number) for number in numbers]
        if None in here or here[0] == here[1]:
            return
        one, other = (session.book.order(number) for number in here if number is not None)
        self._places[numbers[0]] = session.engine.merge_orders(one, other).number

    def _place(self, session: Session, number: int) -> int | None:
        place = self._places.get(number)
        moved = session.book.renumbered or {}
        while place in moved:
            place = moved[place]
        return place


def _known_order(session: Session, message: events_pb2.Event, fill: Fill | None) -> Order | None:
    book = session.book
    named = []
    if message.order_id:
        named = book.by_order_id(message.venue, message.account, message.order_id)
    elif message.client_order_id:
        named = book.by_client_order_id(message.venue, message.account, message.client_order_id)
    elif fill is not None:
        return session.engine.find_order(fill)
    named = [order for order in named if order.symbol in ("", message.symbol)]
    return named[0] if len(named) == 1 else None


# ---------------------------------------------------------------------- up to where a journal is here


def note_merged(db: Database, instance_id: str, head_sequence: int, head_hash: str) -> None:
    """Keeps that a journal was merged up to a head, inside the caller's transaction."""
    db.execute(
        "INSERT OR REPLACE INTO meta VALUES (?, ?)", [_MERGED + instance_id, f"{head_sequence} {head_hash}"]
    )


def merged_head(db: Database, instance_id: str) -> tuple[int, bytes] | None:
    """Up to which head a journal was merged last; None if it never was."""
    text = meta(db, _MERGED + instance_id)
    if text is None:
        return None
    sequence, _, digits = text.partition(" ")
    try:
        return int(sequence), bytes.fromhex(digits)
    except ValueError:
        # A replacement took over what its file said.
        return None


# ---------------------------------------------------------------------- events to commands


def _record(session: Session, message: events_pb2.Event, body: Any) -> Result:
    return session.engine.record_fill(fill_from_message(body.fill))


def _register(session: Session, message: events_pb2.Event, body: Any) -> Result:
    return session.engine.register_order(report_from_message(body.order))


def _report(session: Session, message: events_pb2.Event, body: Any) -> Result:
    report = report_from_message(body.order)
    arrived = message.commit_time.ToNanoseconds() if report.time is None else report.time
    return session.engine.report_order(report, arrived=arrived if body.time_by_arrival else None)


def _bust(session: Session, message: events_pb2.Event, body: Any) -> Result:
    return session.engine.bust_fill(_identity(message, body.identity))


def _correct(session: Session, message: events_pb2.Event, body: Any) -> Result:
    return session.engine.correct_fill(_identity(message, body.identity), fill_from_message(body.fill))


def _identity(message: events_pb2.Event, identity: fills_pb2.FillIdentity) -> Fill:
    return Fill(
        venue=identity.venue,
        account=identity.account,
        market=identity.market,
        symbol=identity.symbol,
        order_id=identity.order_id,
        # An order may be known by this alone.
        client_order_id=message.client_order_id,
        side=identity.side,
        trade_id=identity.trade_id,
        leg=identity.leg,
        quantity=ZERO,
    )


_COMMANDS: Final[dict[str, Callable[[Session, events_pb2.Event, Any], Result]]] = {
    "fill_recorded": _record,
    "fill_enriched": _record,
    "fill_conflicted": _record,
    "fill_busted": _bust,
    "fill_corrected": _correct,
    "order_registered": _register,
    "order_reported": _report,
}
