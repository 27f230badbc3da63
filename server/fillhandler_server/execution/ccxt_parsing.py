"""Raw payloads of venues that have no module of their own: through ccxt's parser, offline.

ccxt's parsers are lenient where the venue modules are strict: what they cannot read they leave out, what is
not there some of them compute or guess, and without the exchange's markets they cannot resolve symbols. So a
row goes to them only if its own keys tell a trade from an order, symbols stay in the venue's spelling, and of
what comes back only that counts which stands in the row.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from fillhandler_server import venues
from fillhandler_server.domain.errors import InvalidFieldError, UnsupportedPayloadError, Violation
from fillhandler_server.domain.fills import MAIN_ACCOUNT, ContractKind, Fill
from fillhandler_server.domain.instruments import Instruments
from fillhandler_server.domain.reports import OrderReport, ParsedPayload
from fillhandler_server.venues import ccxt_unified
from fillhandler_server.venues.json_text import Json, clean, load, shown
from fillhandler_server.venues.reading import Reading, Row, exact

_EXCHANGES_MAX: Final = 16
"""Exchanges kept at hand: one is about a megabyte."""
_DEPTH_MAX: Final = 4
_LOCK: Final = threading.Lock()
"""One payload at a time: nothing says that ccxt's objects may be used by two threads."""

_INSTALL: Final = (
    "pip install 'fillhandler[exchanges]', with which ccxt reads its payloads, or send ccxt's unified "
    'structures with format "ccxt"'
)
_OTHERWISE: Final = (
    'send one row, a bare list of rows, or ccxt\'s unified structures with format "ccxt", which carry what '
    "ccxt knows of the exchange's markets, or the fills themselves (RecordFills)"
)


def applies(venue: str, format: str) -> bool:
    """Whether a payload would go through ccxt: it is a venue's own JSON, of a venue without a module.

    If so, `parse_payload` takes seconds the first time, so it belongs on a thread of its own.
    """
    return not format and bool(venue) and venue.lower() not in venues.known()


def parse_payload(
    venue: str, account: str, payload: bytes, *, instruments: Instruments = venues.SHIPPED
) -> ParsedPayload:
    """What ccxt's parser of a venue reads in the venue's own JSON. Blocks; no network.

    Raises:
        InvalidFieldError: ccxt is not installed or does not know the venue ("venue"), the bytes are no JSON
            ("payload"), or what ccxt made of a row lacks something (its name in ccxt's structure).
        UnsupportedPayloadError: no telling whether it is trades or orders, or ccxt's parser gave up.
    """
    exchange = _exchange(venue)
    reading = Reading(venue.lower(), account or MAIN_ACCOUNT, instruments)
    try:
        rows = list(_rows(load(payload), "", reading, 0))
        with _LOCK:
            for path, row in rows:
                _read(exchange, path, row, reading)
    except RecursionError:
        raise InvalidFieldError.of("payload", "nested too deep") from None
    items: tuple[Fill | OrderReport, ...] = (*reading.fills, *reading.reports)
    for item in items:
        # The venue's own spelling says nothing that could be relied on, whatever it looks like.
        item.market, item.contract_kind = "", ContractKind.UNSPECIFIED
    try:
        parsed = reading.result()
    except InvalidFieldError as error:
        text = f" (in what ccxt's parser of {reading.venue} made of it; {_OTHERWISE})"
        raise InvalidFieldError(
            *(Violation(each.field, each.text + text) for each in error.violations)
        ) from None
    parsed.parser = "ccxt_parser"
    return parsed


# ------------------------------------------------------------------- the exchange


def _exchange(venue: str) -> Any:
    try:
        import ccxt
    except ImportError:
        raise venues.unknown_venue(venue, _INSTALL) from None
    name = venue.lower()
    if name not in ccxt.exchanges:
        raise venues.unknown_venue(
            venue, 'which ccxt does not know either, send its unified structures with format "ccxt"'
        )
    return _made(name)


@lru_cache(maxsize=_EXCHANGES_MAX)
def _made(name: str) -> Any:
    """An exchange that is never asked for anything over the network and makes no floats."""
    import ccxt

    # Off: ids that ccxt makes up of a trade's content where it finds none.
    exchange = getattr(ccxt, name)({"number": str, "options": {"useCcxtTradeId": False}})
    resolve = exchange.safe_market

    def safe_market(market_id: Any = None, *rest: Any, **named: Any) -> Any:
        """Without the list of markets BTC_USDT may be spot or a contract: it stays as it is."""
        market = resolve(market_id, *rest, **named)
        return market if market_id is None else {**market, "symbol": market_id}

    exchange.safe_market = safe_market
    return exchange


# ------------------------------------------------------------ what a row is

_ROW: Final = frozenset({"side", "symbol", "price", "orderid", "tradeid", "instrumentname", "instrument"})
"""Keys of a row and of no envelope. All keys are compared in small letters, without "_" and "-"."""
_ENVELOPES: Final = frozenset(
    {
        "data",
        "result",
        "results",
        "list",
        "rows",
        "items",
        "trades",
        "orders",
        "fills",
        "tradelist",
        "orderlist",
    }
)
_OF_LIQUIDITY: Final = frozenset({"ismaker", "istaker", "maker", "taker", "takerside", "role", "liquidity"})
_OF_TRADES: Final = _OF_LIQUIDITY | {
    *("tradeid", "tid", "execid", "executionid", "matchid", "tradematchid"),
    *("executedprice", "tradeprice", "tradedprice", "tradevolume"),
}
_OF_ORDERS: Final = frozenset(
    {
        *("status", "state", "orderstatus", "orderstate", "timeinforce", "origqty", "leavesqty", "remaining"),
        *(
            "executedqty",
            "executedamount",
            "cumqty",
            "cumulativequantity",
            "dealsize",
            "dealvol",
            "fieldamount",
        ),
        *("filled", "filledqty", "filledsize", "filledquantity", "avgprice", "averageprice", "dealavgprice"),
    }
)


def _names(row: Json) -> set[str]:
    return {name.lower().replace("_", "").replace("-", "") for name in row}


def _rows(document: object, path: str, reading: Reading, depth: int) -> Iterator[tuple[str, Json]]:
    """The rows of an object, of a list, or of the one envelope around either."""
    if isinstance(document, list):
        if not document:
            reading.skip("empty", "a list without entries")
        for index, entry in enumerate(document):
            if not isinstance(entry, dict):
                raise _unsupported(reading, path, "rows by position have no keys that tell what they are")
            yield f"{path}[{index}].", entry
    elif isinstance(document, dict):
        names = _names(document)
        inner = [name for name in document if name.lower().replace("_", "") in _ENVELOPES]
        inner = [name for name in inner if isinstance(document[name], dict | list)]
        if len(inner) == 1 and names.isdisjoint(_ROW) and depth < _DEPTH_MAX:
            yield from _rows(document[inner[0]], f"{path}{inner[0]}", reading, depth + 1)
        else:
            yield (f"{path}." if path else ""), document
    else:
        raise InvalidFieldError.of("payload", f"expected a JSON object or list, got {shown(document)}")


def _unsupported(reading: Reading, path: str, why: str) -> UnsupportedPayloadError:
    where = f" at {path.rstrip('.')}" if path else ""
    return UnsupportedPayloadError(
        f"{why}{where}; {reading.venue} has no module here: {_OTHERWISE}",
        venue=reading.venue,
        path=path.rstrip("."),
    )


# --------------------------------------------------------------------- reading


def _read(exchange: Any, path: str, raw: Json, reading: Reading) -> None:
    names = _names(raw)
    trade, order = not names.isdisjoint(_OF_TRADES), not names.isdisjoint(_OF_ORDERS)
    if trade == order:
        told = "both a trade and an order" if trade else "neither a trade nor an order"
        seen = ", ".join(shown(name) for name in list(raw)[:20]) or "none"
        raise _unsupported(reading, path, f"the keys ({seen}) fit {told}")
    stated, texts = _stated(raw)
    parse = exchange.parse_trade if trade else exchange.parse_order
    try:
        found = dict(parse(_plain(raw)))
    except Exception as error:  # noqa: BLE001  # KeyErrors, its own, and whatever a foreign row brings up
        said = clean(f"{type(error).__name__}: {error}")
        raise _unsupported(reading, path, f"ccxt's parser gave up ({said})") from None
    row = Row(_structure(found, stated, texts, trade=trade), path, reading)
    if names.isdisjoint(_OF_LIQUIDITY):
        row.data.pop("takerOrMaker", None)  # some take a missing flag for a "no"
    side = found.get("side")
    if side and not _side_stands(side, raw, texts):
        row.fail(
            "side", f"{shown(side)} was concluded from a code, and ccxt's tables of codes are not complete"
        )
    if not trade:
        ccxt_unified.read_order(row, reading)
        return
    for key in ("amount", "price"):
        if found.get(key) is not None and row.data[key] is None:
            row.fail(key, f"{shown(found[key])} was computed: it does not stand in the row")
            row.data[key] = "1"  # one fault is enough
    ccxt_unified.read_trade(row, reading)


def _plain(value: Any) -> Any:
    """The row with its fractions as text of Python's own class: ccxt takes no other for text."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return str(value) if isinstance(value, str) else value


_OF_BOTH: Final = ("symbol", "side", "type", "postOnly", "timestamp")
_OF_TRADE: Final = ("order", "takerOrMaker", "clientOrderId")
_OF_ORDER: Final = ("id", "clientOrderId", "status", "lastUpdateTimestamp", "lastTradeTimestamp")
_NUMBERS: Final = ("amount", "price", "filled", "remaining", "average")


def _structure(found: dict[str, Any], stated: set[Decimal], texts: set[str], *, trade: bool) -> Json:
    """Of ccxt's structure what can be relied on. A number or trade id that the row does not hold is computed:
    averages as quotients cut off, ids as hashes, fees by rate."""
    kept: Json = {key: found.get(key) for key in (*_OF_BOTH, *(_OF_TRADE if trade else _OF_ORDER))}
    for key in _NUMBERS:
        value = found.get(key)
        kept[key] = value if _stands(value, stated) else None
    if trade:
        kept["id"] = found.get("id") if str(found.get("id")) in texts else None
        fees = found.get("fees") or [found.get("fee")]
        kept["fees"] = [
            {"currency": fee.get("currency"), "cost": fee["cost"]}
            for fee in fees
            if isinstance(fee, dict)
            and _stands(fee.get("cost"), stated)
            # A taker's rebate is nearly always a sign that the parser did not expect: not known is better.
            and not (str(fee["cost"]).startswith("-") and found.get("takerOrMaker") == "taker")
        ]
    return kept


_SIDE_WORDS: Final = {"buy": ("b", "bid"), "sell": ("s", "ask")}


def _side_stands(side: object, raw: Json, texts: set[str]) -> bool:
    """Whether the row says the side in a word ("BUY", "buy-limit", "b") or by a flag (isBuyer).

    By numbers it may be wrong: MEXC's futures have 1 to 4 (open long, close short, open short, close long),
    of which ccxt 4.5.90 makes 2 a sale, which is a purchase.
    """
    short = _SIDE_WORDS.get(str(side), ())
    words = {text.lower() for text in texts}
    if any(word.startswith(str(side)) or word in short for word in words):
        return True
    return any("buyer" in name.lower() and isinstance(value, bool) for name, value in raw.items())


def _stands(value: object, stated: set[Decimal]) -> bool:
    """Whether a number, signs apart, stands in the row."""
    number = _number(value)
    return number is not None and number.copy_abs() in stated


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    try:
        return exact(str(value))
    except ValueError:
        return None


def _stated(value: object) -> tuple[set[Decimal], set[str]]:
    """Every number of a row, without its sign, and every text."""
    numbers: set[Decimal] = set()
    texts: set[str] = set()
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict | list):
            waiting.extend(one.values() if isinstance(one, dict) else one)
        elif isinstance(one, str | int):
            texts.add(str(one))
            number = _number(one)
            if number is not None:
                numbers.add(number.copy_abs())
    return numbers, texts
