"""docs/anomalies.md, the table of advice and the contract name the same kinds of anomaly."""

import re
from pathlib import Path

import pytest

from fillhandler.v1.events_pb2 import AnomalyKind
from fillhandler_server.domain import events
from fillhandler_server.rpc.advice import ADVICE

DOCUMENT = (Path(__file__).parents[2] / "docs" / "anomalies.md").read_text(encoding="utf-8")
SECTIONS = {
    section.partition("\n")[0]: section
    for section in re.split(r"^### ", DOCUMENT.partition("\n## Kinds\n")[2], flags=re.MULTILINE)[1:]
}
KINDS = {
    name.removeprefix("ANOMALY_KIND_"): number
    for name, number in AnomalyKind.items()
    if number != AnomalyKind.ANOMALY_KIND_UNSPECIFIED
}


def test_the_domain_and_the_contract_have_the_same_kinds() -> None:
    assert {kind.name: kind.value for kind in events.AnomalyKind} == KINDS


def test_there_is_advice_for_each_kind_and_no_other() -> None:
    assert set(ADVICE) == set(KINDS.values())


def test_a_section_each_in_the_order_of_the_contract() -> None:
    assert list(SECTIONS) == list(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_a_section_gives_the_advice_that_is_served(name: str) -> None:
    advice = ADVICE[KINDS[name]]
    assert f"**To do:** {advice}.\n" in SECTIONS[name]
    assert advice == advice.strip()
    assert not advice.endswith(".")
