"""docs/adding-a-venue.md: its module beside the others, and its cases. What the guide shows works."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.venue_cases import check_case

from fillhandler_server import venues
from fillhandler_server.domain.errors import InvalidFieldError, UnsupportedPayloadError
from fillhandler_server.domain.fills import ContractKind
from fillhandler_server.domain.instruments import Instruments

pytestmark = pytest.mark.parsing

GUIDE = (Path(__file__).parents[3] / "docs" / "adding-a-venue.md").read_text(encoding="utf-8")
NAME = "harbor"
MODULE = f"{venues.__name__}.{NAME}"


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    return str(found)


SHIPPED = set(venues.known())
CASES = json.loads(block("json"))


@pytest.fixture
def instruments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Instruments]:
    """The guide's file among the venues, and found as at a start."""
    (tmp_path / f"{NAME}.py").write_text(block("python"), encoding="utf-8")
    monkeypatch.setattr(venues, "__path__", [*venues.__path__, str(tmp_path)])
    monkeypatch.setattr(venues, "_VENUES", venues._found())
    yield Instruments(item for venue in venues.listed() for item in venue.instruments)
    sys.modules.pop(MODULE, None)
    venues.__dict__.pop(NAME, None)


def test_the_file_alone_makes_a_venue(instruments: Instruments) -> None:
    assert set(venues.known()) - SHIPPED == {NAME}
    assert sum(venue.title.startswith("Harbor") for venue in venues.listed()) == 1


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_its_cases(instruments: Instruments, case: dict[str, Any]) -> None:
    check_case(NAME, case, instruments)


def test_what_the_guide_says_of_it(instruments: Instruments) -> None:
    row = CASES[0]["payload"]["data"][0]

    def parsed(document: object, venue: str = NAME) -> Any:
        return venues.parse_payload(venue, "", json.dumps(document).encode(), instruments=instruments)

    assert parsed([row], venue="").venue == NAME, "its keys name it"
    (fill,) = parsed(row | {"pair": "BTC-PERP"}).fills
    assert (fill.contract_kind, str(fill.multiplier)) == (ContractKind.LINEAR, "0.001")
    with pytest.raises(InvalidFieldError) as caught:
        parsed({"topic": "executions", "data": [row, row | {"size": "0", "px": None, "dir": "X"}]})
    assert [fault.field for fault in caught.value.violations] == ["data[1].dir", "data[1].size", "data[1].px"]
    with pytest.raises(UnsupportedPayloadError, match="push, fill, order, error"):
        parsed({"hello": 1})
    assert [skipped.kind for skipped in parsed(CASES[2]["payload"]).skipped] == ["wallet"]
    assert [skipped.kind for skipped in parsed({"errorCode": 7}).skipped] == ["request_error"]


def test_nothing_of_it_stays() -> None:
    assert NAME not in venues.known()
    assert MODULE not in sys.modules
