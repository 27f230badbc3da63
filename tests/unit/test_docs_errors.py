"""docs/errors.md and the code name the same errors, with the same statuses."""

import re
from pathlib import Path

import grpc

from fillhandler.errors import _DEFINITELY_NOT_APPLIED, FillHandlerError, error_class
from fillhandler_server.rpc.status import RETRY_AFTER_SECONDS, STATUSES

DOCUMENT = (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")
ROWS = {
    reason: (status, applied, again)
    for reason, status, applied, again in re.findall(
        r"^\| ([A-Z_]+) \| ([A-Z_]+) \| (no|unknown) \| (.+) \|$", DOCUMENT, re.MULTILINE
    )
}
SECTIONS = {
    section.partition("\n")[0]: section
    for section in re.split(r"^### ", DOCUMENT.partition("\n## What gRPC")[0], flags=re.MULTILINE)[1:]
}
SERVED = {error.reason: status.name for error, status in STATUSES.items()} | {"INTERNAL": "INTERNAL"}


def test_the_same_reasons_and_statuses_both_ways() -> None:
    documented = {reason: status for reason, (status, _, _) in ROWS.items()}
    assert documented == SERVED


def test_every_error_has_its_own_reason() -> None:
    assert len({error.reason for error in STATUSES}) == len(STATUSES)


def test_a_section_each_in_the_order_of_the_table() -> None:
    assert list(SECTIONS) == list(ROWS)


def test_applied_or_unknown_follows_from_the_status() -> None:
    for reason, (status, applied, _) in ROWS.items():
        # Its status leaves it open, and the reason itself says more.
        told = reason in ("IMPORT_DAMAGED", "VENUE_UNAVAILABLE")
        assert told == ("the status alone would leave that open" in SECTIONS[reason]), reason
        expected = told or grpc.StatusCode[status] in _DEFINITELY_NOT_APPLIED
        assert (applied == "no") == expected, reason


def test_what_may_be_sent_again_says_when() -> None:
    for error in STATUSES:
        told = "RetryInfo" in SECTIONS[error.reason]
        assert told == (error in RETRY_AFTER_SECONDS), error.reason
        assert ROWS[error.reason][2].startswith("yes") == told, error.reason


def test_the_client_has_a_class_for_each() -> None:
    for reason in ROWS:
        assert error_class(reason) is not FillHandlerError, reason
        assert reason == error_class(reason).REASON
