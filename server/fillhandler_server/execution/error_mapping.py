"""One mapping of everything that can go wrong with a request to a `VenueError`.

By three things: the exception's class in ccxt's hierarchy (looked up by name along its bases, so that this
module needs no ccxt), the reply that came with it, and how far the request had got. A text is made of the
exchange's own words in the reply's message field, never of an exception's: ccxt writes URLs with queries and
signatures into those.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final, NamedTuple

from fillhandler_server.execution.errors import ErrorClass, VenueError
from fillhandler_server.execution.replies import Reply, retry_after, said_in, scrubbed


class Operation(StrEnum):
    """What was asked for: only the first two can have an effect."""

    PLACE = "place"
    CANCEL = "cancel"
    QUERY = "query"
    STREAM = "stream"


class Progress(StrEnum):
    """How far the request had got when it failed."""

    NOT_SENT = "not_sent"
    UNDER_WAY = "under_way"
    """Something may have been sent, and no reply came."""
    ANSWERED = "answered"


class _Answer(NamedTuple):
    error_class: ErrorClass
    temporary: bool
    refused: bool
    """Whether the class itself says that the exchange has not done it."""


_E: Final = ErrorClass
_CLASSES: Final[dict[str, _Answer]] = {
    "BaseError": _Answer(_E.EXCHANGE_ERROR, False, False),
    "ExchangeError": _Answer(_E.EXCHANGE_ERROR, False, False),
    "AuthenticationError": _Answer(_E.AUTHENTICATION, False, True),
    "PermissionDenied": _Answer(_E.AUTHENTICATION, False, True),
    "AccountNotEnabled": _Answer(_E.AUTHENTICATION, False, True),
    "AccountSuspended": _Answer(_E.AUTHENTICATION, False, True),
    "ArgumentsRequired": _Answer(_E.INVALID_ORDER, False, True),
    "BadRequest": _Answer(_E.INVALID_ORDER, False, True),
    "BadSymbol": _Answer(_E.INVALID_ORDER, False, True),
    "OperationRejected": _Answer(_E.EXCHANGE_ERROR, False, True),
    "NoChange": _Answer(_E.EXCHANGE_ERROR, False, True),
    "MarginModeAlreadySet": _Answer(_E.EXCHANGE_ERROR, False, True),
    "MarketClosed": _Answer(_E.EXCHANGE_ERROR, True, True),
    "ManualInteractionNeeded": _Answer(_E.AUTHENTICATION, False, True),
    "RestrictedLocation": _Answer(_E.AUTHENTICATION, False, True),
    "InsufficientFunds": _Answer(_E.INSUFFICIENT_FUNDS, False, True),
    "InvalidAddress": _Answer(_E.EXCHANGE_ERROR, False, True),
    "AddressPending": _Answer(_E.EXCHANGE_ERROR, True, True),
    "InvalidOrder": _Answer(_E.INVALID_ORDER, False, True),
    "OrderNotFound": _Answer(_E.INVALID_ORDER, False, True),
    "OrderNotCached": _Answer(_E.INVALID_ORDER, False, True),
    "OrderImmediatelyFillable": _Answer(_E.INVALID_ORDER, False, True),
    "OrderNotFillable": _Answer(_E.INVALID_ORDER, False, True),
    "DuplicateOrderId": _Answer(_E.INVALID_ORDER, False, True),
    "ContractUnavailable": _Answer(_E.INVALID_ORDER, False, True),
    "NotSupported": _Answer(_E.EXCHANGE_ERROR, False, True),
    "InvalidProxySettings": _Answer(_E.EXCHANGE_ERROR, False, True),
    "ExchangeClosedByUser": _Answer(_E.NETWORK_ERROR, True, False),
    "OperationFailed": _Answer(_E.EXCHANGE_ERROR, True, False),
    "NetworkError": _Answer(_E.NETWORK_ERROR, True, False),
    "DDoSProtection": _Answer(_E.RATE_LIMIT, True, True),
    "RateLimitExceeded": _Answer(_E.RATE_LIMIT, True, True),
    "ExchangeNotAvailable": _Answer(_E.NETWORK_ERROR, True, False),
    "OnMaintenance": _Answer(_E.EXCHANGE_ERROR, True, True),
    # The exchange's clock and ours differ: it looked at nothing else.
    "InvalidNonce": _Answer(_E.EXCHANGE_ERROR, True, True),
    "ChecksumError": _Answer(_E.EXCHANGE_ERROR, True, False),
    "RequestTimeout": _Answer(_E.TIMEOUT, True, False),
    "BadResponse": _Answer(_E.EXCHANGE_ERROR, True, False),
    "NullResponse": _Answer(_E.EXCHANGE_ERROR, True, False),
    "CancelPending": _Answer(_E.EXCHANGE_ERROR, True, False),
    "UnsubscribeError": _Answer(_E.EXCHANGE_ERROR, True, True),
}
"""Every class of ccxt.base.errors. A class that is not here counts as its nearest base that is."""

_BINANCE: Final = frozenset({"binance"})

_CODES: Final[dict[tuple[str, str], _Answer]] = {
    ("binance", "-1006"): _Answer(_E.UNKNOWN_OUTCOME, True, False),  # "Execution status unknown."
    ("binance", "-1007"): _Answer(_E.UNKNOWN_OUTCOME, True, False),  # "… execution status unknown."
    ("binance", "-1008"): _Answer(
        _E.RATE_LIMIT, True, True
    ),  # "Request throttled by system-level protection"
    ("binance", "-1003"): _Answer(_E.RATE_LIMIT, True, True),
    ("binance", "-1015"): _Answer(_E.RATE_LIMIT, True, True),
    # ccxt takes it for a ban once the key has worked; the key may have been revoked as well.
    ("binance", "-2015"): _Answer(_E.AUTHENTICATION, False, True),
}
"""Codes that say more than the class ccxt gives them, over any status."""

_UNKNOWN_WORDS: Final = re.compile(
    r"execution status (is )?unknown|unknown error, please check your request", re.IGNORECASE
)
_REFUSED_WORDS: Final = re.compile(
    r"^service unavailable\.?$|unable to process your request\. please try again", re.IGNORECASE
)
"""Of Binance's answers with status 503 those that are "a failure": not done, may be sent again
(developers.binance.com, general info, HTTP return codes)."""

_DUPLICATES: Final = frozenset(
    {
        ("binance", "-4116"),
        ("bitget", "40786"),
        ("bitget", "43118"),
        ("bybit", "110072"),
        ("bybit", "170141"),
        ("okx", "51016"),
        ("phemex", "10001"),
        ("phemex", "11033"),
        ("phemex", "11085"),
        ("kraken", "clientOrderIdAlreadyExist"),
    }
)
"""Codes of a client order id that is taken, also where ccxt has a wider class for them."""
_DUPLICATE_WORDS: Final = re.compile(
    r"duplicate order|(client ?_?o(rder)?_?(id)?|cl_?ord_?id|order ?link(ed)? ?id|cloid)\b.{0,40}"
    r"(duplicat|already exist|already used|repeat)|duplicat\w* (client ?order|clord|client ?oid|cloid)",
    re.IGNORECASE,
)


def venue_error(
    error: BaseException,
    operation: Operation,
    *,
    venue: str = "",
    progress: Progress | None = None,
    reply: Reply | None = None,
    secrets: Iterable[str] = (),
    now: float = 0.0,
) -> VenueError:
    """What an exception of ccxt, aiohttp or asyncio means for the request.

    Args:
        error: the exception; its causes are looked at too.
        operation: what was asked for.
        venue: our name of it, for codes of its own.
        progress: how far the request got; None is told from the exception and the reply.
        reply: the last reply within the call, if any.
        secrets: texts to be removed wherever they stand.
        now: seconds since the epoch, for a Retry-After that is a date.
    """
    if isinstance(error, VenueError):
        return error
    names = _names(error)
    chain = _chain(error)
    if any(_never_connected(one) for one in chain):
        progress = Progress.NOT_SENT
    elif progress is None:
        progress = Progress.ANSWERED if reply is not None else Progress.UNDER_WAY
    if progress is not Progress.ANSWERED:
        reply = None
    code, said = said_in(reply)
    answer = _answer(names, chain, reply, venue, code, said)
    duplicate = (
        "DuplicateOrderId" in names
        or (venue, code) in _DUPLICATES
        or bool(said and _DUPLICATE_WORDS.search(said))
    )
    if duplicate and not (reply is not None and reply.status >= 500):
        answer = _Answer(_E.INVALID_ORDER, False, True)
    effective = operation in (Operation.PLACE, Operation.CANCEL)
    maybe = effective and progress is not Progress.NOT_SENT and not answer.refused
    # Only a place that may have happened is of unknown outcome: a query is just asked again.
    if answer.error_class is _E.UNKNOWN_OUTCOME and not effective:
        answer = _Answer(_E.TIMEOUT, True, False)
    return VenueError(
        answer.error_class,
        _text(error, answer.error_class, progress, reply, said, secrets),
        maybe_applied=maybe,
        temporary=answer.temporary,
        retry_after=retry_after(reply, said, now),
        code=code,
        duplicate=duplicate,
    )


def _names(error: BaseException) -> list[str]:
    """The exception's classes of ccxt, nearest first."""
    return [kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _CLASSES]


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    waiting: list[BaseException | object | None] = [error]
    while waiting and len(found) < 10:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and one not in found:
            found.append(one)
            # ccxt's WebSocket client wraps by argument: NetworkError(e).
            waiting += [one.__cause__, *(arg for arg in one.args if isinstance(arg, BaseException))]
    return found


_BEFORE_SENDING: Final = frozenset(
    {
        "ClientConnectorError",  # refused, unreachable, name not found, TLS: a connection never stood
        "ConnectionTimeoutError",
        "InvalidURL",
    }
)


def _never_connected(error: BaseException) -> bool:
    if isinstance(error, ConnectionRefusedError) or type(error).__name__ == "gaierror":
        return True
    return any(kind.__name__ in _BEFORE_SENDING for kind in type(error).__mro__)


def _answer(
    names: list[str], chain: list[BaseException], reply: Reply | None, venue: str, code: str, said: str
) -> _Answer:
    named = _CLASSES[names[0]] if names else None
    if named is None:
        if any(isinstance(one, asyncio.TimeoutError) for one in chain):
            return _Answer(_E.TIMEOUT, True, False)
        if any(isinstance(one, OSError) or _is_of_aiohttp(one) for one in chain):
            return _Answer(_E.NETWORK_ERROR, True, False)
        # A parser that stumbled over an answer, or a fault here: nobody knows what happened to the order.
        named = _Answer(_E.EXCHANGE_ERROR, False, False)
    if reply is None:
        if any(isinstance(one, asyncio.TimeoutError) for one in chain) and not named.refused:
            return _Answer(_E.TIMEOUT, True, False)
        # ccxt takes any other fault of aiohttp (a payload cut short) for a final one of the exchange.
        if any(_is_of_aiohttp(one) for one in chain):
            return _Answer(_E.NETWORK_ERROR, True, False)
        return named
    status = reply.status
    if (venue, code) in _CODES:
        return _CODES[venue, code]
    if _UNKNOWN_WORDS.search(said):
        return _Answer(_E.UNKNOWN_OUTCOME, True, False)
    if status in (418, 429):
        return _Answer(_E.RATE_LIMIT, True, True)
    if status >= 500 or status == 408:
        return _of_failed_server(named, status, venue, said)
    if 300 <= status < 400:
        return _Answer(_E.EXCHANGE_ERROR, False, True)
    if status >= 400 and names[:1] in (["ExchangeNotAvailable"], ["RequestTimeout"], []):
        # ccxt's own reading of a bare status, which tells 400 from 503 by nothing. Whoever answers 4xx has
        # refused; 403 without a code is a firewall's, before the exchange saw it.
        if status in (401, 407):
            return _Answer(_E.AUTHENTICATION, False, True)
        if status == 403:
            return _Answer(
                _E.RATE_LIMIT if venue == "binance" else _E.AUTHENTICATION, venue == "binance", True
            )
        return _Answer(_E.EXCHANGE_ERROR, False, True)
    if names and names[0] == "ExchangeNotAvailable":  # said by a code, with a status that is none of these
        return _Answer(_E.EXCHANGE_ERROR, True, False)
    return named


def _of_failed_server(named: _Answer, status: int, venue: str, said: str) -> _Answer:
    """5xx and 408: done or not, whatever the words, but for those that the exchange documents as refusals."""
    if venue in _BINANCE and status == 503 and _REFUSED_WORDS.search(said):
        return _Answer(_E.EXCHANGE_ERROR, True, True)
    if status in (408, 504, 522, 524):
        return _Answer(_E.TIMEOUT, True, False)
    if named.error_class in (_E.RATE_LIMIT, _E.EXCHANGE_ERROR):
        return _Answer(named.error_class, True, False)
    return _Answer(_E.EXCHANGE_ERROR, True, False)


def _is_of_aiohttp(error: BaseException) -> bool:
    return any(kind.__name__ == "ClientError" for kind in type(error).__mro__)


_PLAIN: Final = {
    _E.NETWORK_ERROR: "the connection to the exchange failed",
    _E.TIMEOUT: "the exchange did not answer in time",
    _E.RATE_LIMIT: "the exchange takes no more requests for a while",
    _E.EXCHANGE_ERROR: "the exchange failed, or its answer could not be read",
    _E.INSUFFICIENT_FUNDS: "insufficient funds",
    _E.INVALID_ORDER: "the exchange refuses the order",
    _E.AUTHENTICATION: "the exchange refuses the credentials",
    _E.UNKNOWN_OUTCOME: "the exchange does not know what became of the request",
}


def _text(
    error: BaseException,
    error_class: ErrorClass,
    progress: Progress,
    reply: Reply | None,
    said: str,
    secrets: Iterable[str],
) -> str:
    # Of an answer that ccxt stumbled over the words are "success" or the like.
    words = scrubbed(said, secrets) if _names(error) or (reply is not None and reply.status >= 400) else ""
    if words:
        return words
    plain = _PLAIN[error_class]
    if reply is not None:
        return f"{plain} (HTTP status {reply.status})"
    if progress is Progress.NOT_SENT:
        # Of ccxt's own checks before anything is sent the words are of use: which argument is missing.
        words = "" if _chain(error)[1:] or not _names(error) else scrubbed(str(error), secrets)
        return words or f"{plain}: nothing was sent"
    return plain
