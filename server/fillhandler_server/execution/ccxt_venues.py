"""What differs between the exchanges that ccxt connects to, as one table by our venue name and market.

From ccxt 4.5.90's own sources; which of it was ever tried against a real exchange says docs/connections.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from fillhandler_server.domain.errors import InvalidFieldError

SPOT: Final = "spot"
LINEAR: Final = "linear"
INVERSE: Final = "inverse"
MARKETS: Final = (SPOT, LINEAR, INVERSE)

_DAY: Final = 24 * 3600 * 1000

Params = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class CcxtVenue:
    """How one market of one exchange is spoken to through ccxt."""

    class_id: str
    """ccxt's class."""
    credentials: tuple[str, ...] = ("api_key", "secret")
    """Fields of `Credentials` that it demands."""
    options: Params = field(default_factory=dict)
    market_params: Params = field(default_factory=dict)
    """For the question for the markets."""
    has_sandbox: bool = True
    client_order_id: str = r"[A-Za-z0-9_-]{1,32}"
    """What the exchange takes for one, as a pattern."""
    client_order_id_words: str = "1 to 32 letters, digits, '-' and '_'"
    client_order_id_prefix: str = ""
    """What the exchange's own spelling begins with, put there if missing (Gate)."""
    client_order_id_key: str = "clientOrderId"
    """The parameter of a placement; most classes have ccxt's own."""
    place_params: Params = field(default_factory=dict)
    restrictions: Mapping[str, Params] = field(
        default_factory=lambda: {
            "post_only": {"postOnly": True},
            "ioc": {"timeInForce": "IOC"},
            "fok": {"timeInForce": "FOK"},
        }
    )
    """What makes a limit order one of these; what is not here the exchange does not have."""
    market_buys: bool = True
    """Whether a market purchase can state what is bought, not what is spent."""
    finds_by_client_id: bool = True
    """Whether `fetch_order` takes a client order id; else it is looked for in lists."""
    finds_by_id: bool = True
    search_keys: tuple[str, str] = ("", "")
    """Parameters of the lists that narrow them to one order: by client order id, by order id."""
    cancels_by_client_id: bool = True
    bare_lists: bool = False
    """Whether an answer that lists something is a JSON list, without an envelope: anything else is none."""
    recent: tuple[str, ...] = ("fetch_orders",)
    """The calls that together tell of all orders, open and ended."""
    orders_limit: int = 100
    history_needs_symbol: bool = False
    trades_limit: int = 100
    """Rows that the exchange returns at most; ccxt is told this limit."""
    trades_limited: bool = True
    """Whether ccxt passes the limit on."""
    trades_window: int | None = None
    """Milliseconds that a question for trades may span."""
    trades_until: bool = True
    """Whether a question for trades may say an end."""
    trades_by_id: str = ""
    """The parameter of "from this trade on"."""
    watches: tuple[str, ...] = ("watch_orders",)
    watch_params: Params = field(default_factory=dict)
    confirmed: Callable[[Any], bool] | None = None
    """Whether a message confirms a subscription; None where being connected is all there is."""
    ended: Callable[[Any], bool] | None = None
    """Whether a message says that nothing more will come, though the connection stands."""


def _field(value: object, *path: str) -> object:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _event_subscribe(message: Any) -> bool:
    return _field(message, "event") == "subscribe"


def _ended_by_binance(message: Any) -> bool:
    event = _field(message, "event") if isinstance(_field(message, "event"), dict) else message
    return _field(event, "e") in ("listenKeyExpired", "eventStreamTerminated", "serverShutdown")


_BINANCE: Final = CcxtVenue(
    "binance",
    options={
        "fetchMarkets": {"types": ["spot"]},
        "fetchMargins": False,
        "warnOnFetchOpenOrdersWithoutSymbol": False,
        # ccxt refuses the futures' test network otherwise, because of a demo that came beside it.
        "disableFuturesSandboxWarning": True,
    },
    client_order_id=r"[.A-Z:/a-z0-9_-]{1,36}",
    client_order_id_words="1 to 36 letters, digits, '.', ':', '/', '_' and '-'",
    # FULL: the answer has the fills, with their trade ids and fees.
    place_params={"newOrderRespType": "FULL"},
    bare_lists=True,
    orders_limit=1000,
    history_needs_symbol=True,
    trades_limit=1000,
    trades_window=_DAY,
    trades_by_id="fromId",
    confirmed=lambda message: _field(message, "result", "subscriptionId") is not None,
    ended=_ended_by_binance,
)

_BITGET: Final = CcxtVenue(
    "bitget",
    credentials=("api_key", "secret", "password"),
    # Of the unified account ccxt would ask by a request that fails for the others.
    options={"uta": False, "fetchMarkets": {"types": ["spot"]}},
    client_order_id=r"[A-Za-z0-9_#:.-]{1,64}",
    client_order_id_words="1 to 64 letters, digits, '_', '-', '#', ':' and '.'",
    market_buys=False,
    recent=("fetch_open_orders", "fetch_canceled_and_closed_orders"),
    history_needs_symbol=True,
    trades_window=90 * _DAY,
    watches=("watch_orders", "watch_my_trades"),
    confirmed=_event_subscribe,
)

_PHEMEX: Final = CcxtVenue(
    "phemex",
    # ccxt passes these on as they are, and `postOnly` to no effect.
    restrictions={
        "post_only": {"timeInForce": "PostOnly"},
        "ioc": {"timeInForce": "ImmediateOrCancel"},
        "fok": {"timeInForce": "FillOrKill"},
    },
    client_order_id=r"[A-Za-z0-9_-]{1,40}",
    client_order_id_words="1 to 40 letters, digits, '-' and '_'",
    recent=("fetch_open_orders", "fetch_closed_orders"),
    history_needs_symbol=True,
    orders_limit=200,
    trades_limit=200,
    trades_until=False,
    confirmed=lambda message: _field(message, "result", "status") == "success",
)

_BYBIT: Final = CcxtVenue(
    "bybit",
    options={
        # A unified account, which all accounts are by now; ccxt would ask before each call otherwise.
        "enableUnifiedMargin": False,
        "enableUnifiedAccount": True,
        "unifiedMarginStatus": 6,
        "fetchMarkets": {"types": ["spot"]},
        "loadAllOptions": False,
    },
    client_order_id=r"[A-Za-z0-9_-]{1,36}",
    client_order_id_words="1 to 36 letters, digits, '-' and '_'",
    finds_by_client_id=False,
    finds_by_id=False,
    search_keys=("orderLinkId", "orderId"),
    recent=("fetch_open_orders", "fetch_canceled_and_closed_orders"),
    orders_limit=50,
    trades_window=7 * _DAY,
    watches=("watch_orders", "watch_my_trades"),
    confirmed=lambda message: _field(message, "op") == "subscribe" and _field(message, "success") is True,
)

_OKX: Final = CcxtVenue(
    "okx",
    credentials=("api_key", "secret", "password"),
    options={"createOrder": "privatePostTradeOrder", "fetchMarkets": {"types": ["spot"]}},
    client_order_id=r"[A-Za-z0-9]{1,32}",
    client_order_id_words="1 to 32 letters and digits",
    # Market orders by what is bought; limit orders are so anyway.
    place_params={"tgtCcy": "base_ccy"},
    recent=("fetch_open_orders", "fetch_closed_orders", "fetch_canceled_orders"),
    trades_limited=False,
    watch_params={"type": "spot"},
    confirmed=_event_subscribe,
)

_NO_FOK: Final[Mapping[str, Params]] = {"post_only": {"postOnly": True}, "ioc": {"timeInForce": "IOC"}}

_KRAKEN: Final = CcxtVenue(
    "kraken",
    restrictions=_NO_FOK,
    has_sandbox=False,
    client_order_id=r"[A-Za-z0-9-]{1,18}|[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    client_order_id_words="up to 18 letters, digits and '-', or a UUID",
    finds_by_client_id=False,
    search_keys=("cl_ord_id", ""),
    recent=("fetch_open_orders", "fetch_closed_orders"),
    orders_limit=50,
    trades_limit=50,
    trades_limited=False,
    confirmed=lambda message: _field(message, "method") == "subscribe" and _field(message, "success") is True,
)

_KRAKEN_FUTURES: Final = CcxtVenue(
    "krakenfutures",
    restrictions=_NO_FOK,
    client_order_id=r"[A-Za-z0-9_-]{1,100}",
    client_order_id_words="1 to 100 letters, digits, '-' and '_'",
    finds_by_client_id=False,
    finds_by_id=False,
    cancels_by_client_id=False,
    recent=("fetch_open_orders", "fetch_closed_orders", "fetch_canceled_orders"),
    trades_limited=False,
    trades_until=False,
    watches=("watch_orders", "watch_my_trades"),
    confirmed=lambda message: _field(message, "event") == "subscribed",
)

_COINBASE: Final = CcxtVenue(
    "coinbase",
    client_order_id_key="client_order_id",  # it makes one of its own otherwise
    has_sandbox=False,
    client_order_id=r"[A-Za-z0-9_-]{1,64}",
    client_order_id_words="1 to 64 letters, digits, '-' and '_'",
    market_buys=False,
    finds_by_client_id=False,
    cancels_by_client_id=False,
    trades_limit=250,
    confirmed=lambda message: _field(message, "channel") == "subscriptions",
)

_KUCOIN: Final = CcxtVenue(
    "kucoin",
    credentials=("api_key", "secret", "password"),
    has_sandbox=False,
    options={
        "hf": True,  # every account's system by now; ccxt would ask otherwise
        "uta": False,
        "fetchMarkets": {"types": ["spot"], "fetchTickersFees": False},
    },
    market_params={"marginables": False},
    client_order_id=r"[A-Za-z0-9_-]{1,40}",
    client_order_id_words="1 to 40 letters, digits, '-' and '_'",
    recent=("fetch_open_orders", "fetch_closed_orders"),
    history_needs_symbol=True,
    trades_window=7 * _DAY,
    confirmed=lambda message: _field(message, "type") == "ack",
)

_GATE: Final = CcxtVenue(
    "gate",
    options={"unifiedAccount": False, "fetchMarkets": {"types": ["spot"]}},
    client_order_id=r"t-[A-Za-z0-9_.-]{1,28}",
    client_order_id_words="1 to 28 letters, digits, '_', '-' and '.', after the prefix t-",
    bare_lists=True,
    client_order_id_prefix="t-",
    market_buys=False,
    recent=("fetch_open_orders", "fetch_closed_orders"),
    history_needs_symbol=True,
    trades_limit=100,
    trades_window=30 * _DAY,
    watches=("watch_orders", "watch_my_trades"),
    confirmed=lambda message: (
        _field(message, "event") == "subscribe" and _field(message, "result", "status") == "success"
    ),
)

_HYPERLIQUID: Final = CcxtVenue(
    "hyperliquid",
    restrictions=_NO_FOK,
    credentials=("wallet_address", "private_key"),
    options={
        # ccxt would otherwise have the account grant its makers a part of every order, unasked.
        "builderFee": False,
        "approvedBuilderFee": False,
        "refSet": True,
        "enableUnifiedMargin": False,
        "fetchMarkets": {"types": ["spot"]},
    },
    client_order_id=r"0x[0-9a-f]{32}",
    client_order_id_words="0x and 32 hexadecimal digits",
    bare_lists=True,
    recent=("fetch_orders",),
    trades_limit=2000,
    trades_limited=False,
    watches=("watch_orders", "watch_my_trades"),
    confirmed=lambda message: _field(message, "channel") == "subscriptionResponse",
)


def _derivative(venue: CcxtVenue, market: str, types: list[str], **changes: Any) -> CcxtVenue:
    options = dict(venue.options)
    if "fetchMarkets" in options:
        listed = options["fetchMarkets"]
        options["fetchMarkets"] = {**(listed if isinstance(listed, dict) else {}), "types": types}
    changes = {"market_buys": True, "place_params": {}, **changes}
    return replace(venue, options=options | {"defaultSubType": market, "defaultType": "swap"}, **changes)


_TABLE: Final[Mapping[tuple[str, str], CcxtVenue]] = {
    ("binance", SPOT): _BINANCE,
    ("binance", LINEAR): _derivative(
        _BINANCE,
        LINEAR,
        ["linear"],
        class_id="binanceusdm",
        place_params={"newOrderRespType": "RESULT"},
        trades_window=7 * _DAY,
        confirmed=None,  # the listen key is in the address: connected is subscribed
    ),
    ("bitget", SPOT): _BITGET,
    ("bitget", LINEAR): _derivative(_BITGET, LINEAR, ["swap"], trades_window=7 * _DAY),
    ("bitget", INVERSE): _derivative(_BITGET, INVERSE, ["swap"], trades_window=7 * _DAY),
    ("phemex", SPOT): _PHEMEX,
    ("phemex", LINEAR): _derivative(
        _PHEMEX, LINEAR, ["swap"], recent=("fetch_orders",), watch_params={"settle": "USDT"}
    ),
    ("phemex", INVERSE): _derivative(_PHEMEX, INVERSE, ["swap"], recent=("fetch_orders",)),
    ("bybit", SPOT): _BYBIT,
    ("bybit", LINEAR): _derivative(_BYBIT, LINEAR, ["linear"]),
    ("bybit", INVERSE): _derivative(_BYBIT, INVERSE, ["inverse"]),
    ("okx", SPOT): _OKX,
    ("okx", LINEAR): _derivative(_OKX, LINEAR, ["swap"], watch_params={"type": "swap"}),
    ("okx", INVERSE): _derivative(_OKX, INVERSE, ["swap"], watch_params={"type": "swap"}),
    ("kraken", SPOT): _KRAKEN,
    ("kraken", LINEAR): _derivative(_KRAKEN_FUTURES, LINEAR, []),
    ("kraken", INVERSE): _derivative(_KRAKEN_FUTURES, INVERSE, []),
    ("coinbase", SPOT): _COINBASE,
    ("kucoin", SPOT): _KUCOIN,
    ("kucoin", LINEAR): _derivative(
        _KUCOIN, LINEAR, ["swap"], class_id="kucoinfutures", trades_limit=1000, history_needs_symbol=False
    ),
    ("gate", SPOT): _GATE,
    ("gate", LINEAR): _derivative(_GATE, LINEAR, ["swap"], credentials=("api_key", "secret", "uid")),
    ("hyperliquid", SPOT): _HYPERLIQUID,
    ("hyperliquid", LINEAR): _derivative(_HYPERLIQUID, LINEAR, ["swap"]),
}


def known() -> tuple[tuple[str, str], ...]:
    """Every (venue, market) that can be connected to."""
    return tuple(_TABLE)


def find(venue: str, market: str) -> CcxtVenue:
    """The row of a venue and market.

    Raises:
        InvalidFieldError: there is none ("venue" or "market").
    """
    row = _TABLE.get((venue, market))
    if row is not None:
        return row
    markets = [other for name, other in _TABLE if name == venue]
    if not markets:
        names = ", ".join(dict.fromkeys(name for name, _ in _TABLE))
        raise InvalidFieldError.of("venue", f"{venue!r} cannot be connected to; connected to are {names}")
    raise InvalidFieldError.of(
        "market", f"{market!r} of {venue} is not connected to; {', '.join(markets)} are"
    )


def checked_client_order_id(row: CcxtVenue, client_order_id: str) -> str:
    """A client order id in the exchange's own spelling.

    Raises:
        InvalidFieldError: the exchange would refuse it ("client_order_id").
    """
    spelled = client_order_id
    if row.client_order_id_prefix and not spelled.startswith(row.client_order_id_prefix):
        spelled = row.client_order_id_prefix + spelled
    if not re.fullmatch(row.client_order_id, spelled):
        raise InvalidFieldError.of(
            "client_order_id",
            f"{client_order_id[:80]!r} is none for {row.class_id}: {row.client_order_id_words}",
        )
    return spelled
