"""What each failure means for the request."""

from __future__ import annotations

import json

import pytest

from fillhandler_server.execution.error_mapping import _CLASSES, Operation, Progress, venue_error
from fillhandler_server.execution.errors import ErrorClass
from fillhandler_server.execution.replies import Reply

ccxt = pytest.importorskip("ccxt", reason="ccxt is the extra `exchanges`")
PLACE, QUERY = Operation.PLACE, Operation.QUERY


def _all() -> list[type[Exception]]:
    from ccxt.base import errors

    found = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Exception)]
    assert len(found) > 30
    return found


@pytest.mark.parametrize("kind", _all())
def test_every_class_of_ccxts_has_an_answer(kind: type[Exception]) -> None:
    assert kind.__name__ in _CLASSES
    silent = venue_error(kind("https://api/x?signature=abc"), PLACE)
    assert "signature" not in silent.text
    assert silent.maybe_applied is not _CLASSES[kind.__name__].refused
    assert not venue_error(kind("x"), QUERY).maybe_applied
    assert not venue_error(kind("x"), PLACE, progress=Progress.NOT_SENT).maybe_applied
    if kind.__name__ != "DuplicateOrderId":
        assert venue_error(kind("x"), PLACE, reply=Reply(502, {}, "")).maybe_applied


def test_nothing_that_is_not_known_is_taken_for_a_refusal() -> None:
    for error in (
        KeyError("orderId"),
        ccxt.ExchangeError("new"),
        type("NewError", (ccxt.BaseError,), {})("x"),
    ):
        assert venue_error(error, PLACE, reply=Reply(200, {}, '{"code": -9}')).maybe_applied


@pytest.mark.parametrize(
    ("cause", "error_class", "maybe"),
    [
        (ConnectionRefusedError(), ErrorClass.NETWORK_ERROR, False),
        (ConnectionResetError(), ErrorClass.NETWORK_ERROR, True),
        (TimeoutError(), ErrorClass.TIMEOUT, True),
    ],
)
def test_the_cause_says_whether_anything_was_sent(
    cause: Exception, error_class: ErrorClass, maybe: bool
) -> None:
    error = ccxt.ExchangeNotAvailable("binance POST https://…")
    error.__cause__ = cause

    found = venue_error(error, PLACE)

    assert (found.error_class, found.maybe_applied, found.temporary) == (error_class, maybe, True)


@pytest.mark.parametrize(
    ("status", "code", "words", "error_class", "maybe", "temporary"),
    [
        (503, -1007, "Timeout waiting for response.", ErrorClass.UNKNOWN_OUTCOME, True, True),
        (400, -1006, "An unexpected response was received.", ErrorClass.UNKNOWN_OUTCOME, True, True),
        (503, 0, "Unknown error, please check your request or ...", ErrorClass.UNKNOWN_OUTCOME, True, True),
        (503, 0, "Service Unavailable.", ErrorClass.EXCHANGE_ERROR, False, True),
        (503, -1008, "Request throttled by system-level protection.", ErrorClass.RATE_LIMIT, False, True),
        (503, 0, "", ErrorClass.EXCHANGE_ERROR, True, True),
        (418, -1003, "banned", ErrorClass.RATE_LIMIT, False, True),
    ],
)  # fmt: skip
def test_binances_words(
    status: int, code: int, words: str, error_class: ErrorClass, maybe: bool, temporary: bool
) -> None:
    reply = Reply(status, {}, json.dumps({"code": code, "msg": words}))

    found = venue_error(ccxt.ExchangeNotAvailable("x"), PLACE, venue="binance", reply=reply)

    assert (found.error_class, found.maybe_applied, found.temporary) == (error_class, maybe, temporary)


@pytest.mark.parametrize(
    ("venue", "kind", "body"),
    [
        ("binance", "InvalidOrder", {"code": -2010, "msg": "Duplicate order sent."}),
        ("binance", "ExchangeError", {"code": -4116, "msg": "ClientOrderId is duplicated."}),
        ("okx", "InvalidOrder", {"data": [{"sCode": "51016", "sMsg": "Client order ID already exists"}]}),
        ("bybit", "InvalidOrder", {"retCode": 110072, "retMsg": "OrderLinkedID is duplicate"}),
        ("phemex", "DuplicateOrderId", {"code": 11085, "msg": "TE_CL_ORD_ID_DUPLICATE"}),
    ],
)
def test_a_client_order_id_that_is_taken(venue: str, kind: str, body: object) -> None:
    found = venue_error(getattr(ccxt, kind)("x"), PLACE, venue=venue, reply=Reply(400, {}, json.dumps(body)))

    assert found.duplicate
    assert not found.maybe_applied


def test_when_to_come_again() -> None:
    def after(headers: dict[str, str], words: str = "") -> float | None:
        reply = Reply(429, headers, json.dumps({"msg": words}))
        return venue_error(ccxt.DDoSProtection("x"), PLACE, reply=reply, now=1_700_000_000.0).retry_after

    assert after({"retry-after": "7"}) == 7
    assert after({"Retry-After": "Tue, 14 Nov 2023 22:13:50 GMT"}) == 30
    assert after({}, "IP banned until 1700000060000.") == 60
    assert after({"gw-ratelimit-reset": "2500"}) == 2.5
    assert after({"Retry-After": "soon"}) is None
    assert after({}) is None


def test_texts_hold_nothing_that_is_secret() -> None:
    words = (
        "no: https://a/b?x=1 signature=0a1b apiKey=KEY1234 /v3/order?symbol=A&timestamp=1 "
        + "f" * 64
        + " s3cret!"
    )
    reply = Reply(400, {}, json.dumps({"code": -1, "msg": words + "x y" * 200}))

    text = venue_error(ccxt.BadRequest("x"), PLACE, reply=reply, secrets=["s3cret!"]).text

    assert len(text) <= 300
    for part in ("https", "0a1b", "KEY1234", "symbol", "ffff", "s3cret"):
        assert part not in text
    page = Reply(502, {}, "<html><body>nginx at 10.0.0.1</body></html>")
    assert "nginx" not in venue_error(ccxt.ExchangeNotAvailable("x"), PLACE, reply=page).text
