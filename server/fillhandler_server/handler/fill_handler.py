"""FillHandler: the names of the original design over the engine and the journal that the server has, too."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from fillhandler_server.domain.reports import ParsedPayload
from fillhandler_server.handler import inputs, recording
from fillhandler_server.handler.embedded import Embedded, default_folder
from fillhandler_server.handler.inputs import Payload
from fillhandler_server.handler.settings import read_config
from fillhandler_server.handler.states import FillEvent, OrderState, PayloadResult, order_state
from fillhandler_server.projections import OrderQuery
from fillhandler_server.writer import Session

T = TypeVar("T")

log = logging.getLogger("fillhandler")

_HOUR: Final = 3600 * 1_000_000_000
_INLINE_BYTES: Final = 32 * 1024


class FillHandler:
    """An engine of one's own, with its journal in a folder that no other process may use meanwhile.

    Coroutines belong to the event loop they are called on, and any loop will do. Plain functions block until
    what they did is durable. All of them may be called from several threads at once. Every error is a
    `fillhandler_server.domain.errors.FillHandlerError`.
    """

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        """Opens the store, or makes it. Blocks; `create_fill_handler` does the same beside the event loop.

        Args:
            config: keys as in docs/in-process.md; what is left out has its default.

        Raises:
            InvalidFieldError: naming every key of `config` that is wrong.
            StoreRefusedError: the store cannot be used; nothing was changed.
        """
        self._level_before: int | None = None
        self.config = read_config(config, default_folder(), self._config_changed)
        """The configuration, a dict. What is set counts from then on; `debug_mode` acts at once."""
        data_dir: Path = self.config["data_dir"]
        self._embedded = Embedded(
            data_dir,
            self.config["key_file"],
            self.config["instruments"],
            self.config["value_places"],
            max_order_age_hours=self.config["max_order_age_hours"],
        )
        self._history: deque[FillEvent] = deque()
        self._history_lock = threading.Lock()
        if self.config["debug_mode"]:
            self._debug(on=True)
        key = self._embedded.store.key
        if key.made:
            log.warning(
                "a new database key was made at %s: back it up, without it the data cannot be read",
                key.origin,
            )
        log.debug("opened %s at sequence %s", data_dir, self._embedded.writer.head.sequence)

    # ------------------------------------------------------------------ fills in

    async def process_fill_event(
        self, payload: Payload, *, venue: str = "", account: str = ""
    ) -> FillEvent | None:
        """Records what a payload holds, fills and order reports; returns once it is durable.

        Args:
            payload: a venue's JSON as dict, list, text or bytes; or a FillEvent, or a dict of its fields.
            venue: whose payload it is; may be empty where its keys name exactly one known venue.
            account: the account at the venue; empty is "main".

        Returns:
            The payload's fill; of several the first, with the rest in its `others`. None where it holds none.

        Raises:
            InvalidFieldError: naming every value that is wrong; nothing was recorded.
            UnsupportedPayloadError: its keys fit nothing that the venue sends.
        """
        fills = (await self.process_payload(payload, venue=venue, account=account)).fills
        return replace(fills[0], others=fills[1:]) if fills else None

    async def process_payload(
        self, payload: Payload, *, venue: str = "", account: str = "", format: str = ""
    ) -> PayloadResult:
        """As `process_fill_event`; returns all that the payload came to: fills, orders, what was skipped.

        With `format` "ccxt" the payload is one or a list of ccxt's unified trades and orders, of any venue.
        """
        parsed = await self._parse(payload, venue, account, format)
        return self._noted(await self._run(partial(recording.record, parsed=parsed)))

    async def handle_partial_fill(
        self, order_id: str | int, payload: Payload, *, venue: str = "", account: str = ""
    ) -> OrderState:
        """Records a payload that is of one order, and returns the order as it is then.

        Args:
            order_id: the venue's id of the order, or the client's. A fill that names no order becomes its.
            payload, venue, account: as for `process_fill_event`.

        Raises:
            InvalidFieldError: also where a part of the payload is another order's; nothing was recorded.
            UnsupportedPayloadError: as `process_fill_event`.
            OrderNotFoundError: the payload holds nothing of an order, and this one is not known.
        """
        parsed = await self._parse(payload, venue, account)
        work = partial(recording.record_for_order, parsed=parsed, order_id=str(order_id))
        done = await self._run(work)
        self._noted(done.result)
        return done.order

    def register_order(self, **fields: Any) -> OrderState:
        """Declares an order before its fills come, so that its fill percentage is known.

        Args:
            fields: `venue`, `symbol`, `side`, `order_quantity`, and `order_id` or `client_order_id`; also
                `account`, `market`, `type`, `limit_price`, `expected_price`, `create_time` and whatever else
                an order has. Numbers as Decimal, text, int, or float, which is read by its repr.

        Raises:
            InvalidFieldError: naming what is wrong; or the order was declared before with other values.
        """
        return self._embedded.do(partial(recording.register, report=inputs.read_registration(fields)))

    # ------------------------------------------------------------------ reading

    @property
    def fill_history(self) -> list[FillEvent]:
        """The last fills this handler recorded since it was created, oldest first; at most
        `fill_history_limit`. The journal keeps them all."""
        with self._history_lock:
            return list(self._history)

    def get_order_state(
        self, order_id: str | int, *, venue: str = "", account: str = "", symbol: str = ""
    ) -> OrderState:
        """An order by the venue's id or the client's.

        Raises:
            OrderNotFoundError: there is none.
            OrderAmbiguousError: there are several; venue, account and symbol tell them apart.
        """
        return self._embedded.do(
            partial(
                recording.find_order,
                order_id=str(order_id),
                venue=str(venue).lower(),
                account=account,
                symbol=symbol,
            )
        )

    def get_orders(self, *, active: bool | None = None, venue: str = "") -> list[OrderState]:
        """Orders that were not cleared, oldest first: those that may still fill, those that ended, or all."""
        query = OrderQuery(final=None if active is None else not active, venue=str(venue).lower())
        return [order_state(order) for order in self._embedded.orders(query)]

    def get_fill_statistics(self) -> dict[str, Any]:
        """Totals over everything recorded. Its keys and their units: docs/in-process.md."""
        return self._embedded.do(recording.statistics)

    # ------------------------------------------------------------------ the whole state

    def export_state(self) -> dict[str, Any]:
        """The whole journal as of now, as a dict that `json.dump` takes and `fillhandler import` accepts."""
        return self._embedded.export_document()

    def import_state(self, state: Mapping[str, Any], mode: str = "merge") -> dict[str, Any]:
        """Takes in what `export_state` gave, here or elsewhere: all of it, or nothing.

        Args:
            state: the dict.
            mode: "merge" records what is new here, and loses nothing; "replace" makes this journal the
                exported one, and what it held is gone; "validate_only" checks and changes nothing.

        Returns:
            What it came to: `new_fills`, `duplicate_fills`, `conflicting_fills`, `sequence` and more.

        Raises:
            ImportDamagedError: it is truncated, altered or no export; nothing has changed.
        """
        result = self._embedded.import_document(state, mode)
        if result["mode"] == "replace":
            self._keep([], limit=0)
        log.info(
            "imported (%s): %s new fills, %s known",
            result["mode"],
            result["new_fills"],
            result["duplicate_fills"],
        )
        return result

    def clear_completed_orders(self) -> int:
        """Hides orders that ended more than `max_order_age_hours` ago, and frees their memory.

        That is by the venue's clock: history that was recorded only now would stay as long by itself, and is
        hidden here at once. With 0, all that ended. Fills, duplicates and statistics are untouched, and a
        late fill brings its order back.

        Returns:
            How many it hid.
        """
        before = time.time_ns() - int(self.config["max_order_age_hours"] * _HOUR)
        count = self._embedded.do_settled(partial(recording.clear, before=before))
        log.debug("cleared %s orders", count)
        return count

    # ------------------------------------------------------------------ the end

    def close(self) -> None:
        """Finishes what is under way and gives the folder back. Everything after raises ShuttingDownError.

        An exchange manager on it is closed first, as by its own `close`.
        """
        self._embedded.close()
        self._debug(on=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)

    # ------------------------------------------------------------------ inside

    async def _parse(self, payload: Payload, venue: str, account: str, format: str = "") -> ParsedPayload:
        venue = str(venue)
        fields = inputs.as_fill_fields(payload)
        if fields is not None:
            return inputs.read_fill(fields, venue, account, self._embedded.instruments.current)
        raw = inputs.as_json(payload, format)
        read = partial(inputs.read_payload, raw, venue, account, self._embedded.instruments.current, format)
        # A large payload must not hold up the event loop; a small one is not worth a thread's hand-over.
        slow = len(raw) > _INLINE_BYTES or inputs.needs_thread(venue, format)
        return await asyncio.to_thread(read) if slow else read()

    async def _run(self, work: Callable[[Session], T]) -> T:
        self._embedded.check_open()
        return await self._embedded.writer.run(work)

    def _noted(self, result: PayloadResult) -> PayloadResult:
        for event in result.fills:
            level = logging.WARNING if event.outcome == "CONFLICT" else logging.DEBUG
            log.log(
                level,
                "fill %s of order %s at %s: %s, sequence %s",
                event.trade_id,
                event.order_id,
                event.venue,
                event.outcome.lower(),
                event.sequence,
            )
        new = [event for event in result.fills if event.outcome == "RECORDED"]
        self._keep(new, limit=self.config["fill_history_limit"])
        return result

    def _keep(self, events: list[FillEvent], *, limit: int) -> None:
        with self._history_lock:
            self._history += events
            while len(self._history) > limit:
                self._history.popleft()

    def _config_changed(self, name: str, value: Any) -> None:
        if name == "debug_mode":
            self._debug(on=value)
        elif name == "fill_history_limit":
            self._keep([], limit=value)
        elif name == "max_order_age_hours":
            self._embedded.clear_after(value)

    def _debug(self, *, on: bool) -> None:
        if on and self._level_before is None:
            self._level_before = log.level
            log.setLevel(logging.DEBUG)
        elif not on and self._level_before is not None:
            log.setLevel(self._level_before)
            self._level_before = None


def embedded_of(handler: FillHandler) -> Embedded:
    """The store and the writer of a handler, for the exchange manager that shares them."""
    return handler._embedded


async def create_fill_handler(config: Mapping[str, Any] | None = None) -> FillHandler:
    """Opens a handler without holding up the event loop. `FillHandler` says how to configure it."""
    opening = asyncio.get_running_loop().run_in_executor(None, FillHandler, config)
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_unwanted)
        raise


def _close_unwanted(opening: asyncio.Future[FillHandler]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


async def process_exchange_fill(
    handler: FillHandler, payload: Payload, *, venue: str = "", account: str = ""
) -> FillEvent | None:
    """As `handler.process_fill_event(payload)`."""
    return await handler.process_fill_event(payload, venue=venue, account=account)
