"""The holder of the table: layers, the file of imports, what a damaged one does."""

import errno
import json
import stat
from decimal import Decimal
from pathlib import Path

import pytest

from fillhandler_server import instrument_table
from fillhandler_server.domain.errors import (
    FillHandlerError,
    InvalidFieldError,
    StoreFullError,
    StoreRefusedError,
    StoreUnavailableError,
)
from fillhandler_server.domain.instruments import Instrument, Instruments
from fillhandler_server.instrument_table import FILE, InstrumentTable

SHIPPED = Instruments(
    [Instrument("v", "A", "linear", price_places=1, base="A", quote="USD")], {("v", "USD"): 2}
)
CONFIGURED = [{"venue": "v", "symbol": "A", "market": "linear", "price_places": 2, "multiplier": "5"}]


def places(table: InstrumentTable) -> int | None:
    found = table.current.find("v", "A")
    return None if found is None else found.price_places


def test_imports_win_over_the_configuration_and_that_over_what_is_shipped(tmp_path: Path) -> None:
    assert places(InstrumentTable(tmp_path, SHIPPED)) == 1
    table = InstrumentTable(tmp_path, SHIPPED, CONFIGURED, [{"venue": "v", "currency": "USD", "places": 3}])
    assert (places(table), table.current.value_places) == (2, {("v", "USD"): 3})
    before = table.current
    changed, after = table.add([Instrument("v", "A", price_places=7), Instrument("v", "B")], {("v", "X"): 6})
    # "A" without a market is one more entry, and holds for the market that there is.
    assert (changed, len(after), places(table)) == (3, 3, 7)
    assert after is table.current is not before
    assert before.find("v", "B") is None
    again = InstrumentTable(tmp_path, SHIPPED, CONFIGURED)
    found = again.current.find("v", "A")
    assert found is not None
    assert (found.price_places, found.multiplier, found.quote) == (7, Decimal(5), "USD")
    assert again.current.value_places == {("v", "USD"): 2, ("v", "X"): 6}
    assert list(again.current) == list(after)


def test_the_same_again_changes_nothing(tmp_path: Path) -> None:
    table = InstrumentTable(tmp_path, SHIPPED)
    item = Instrument("v", "B", lot_step=Decimal("0.1"))
    assert table.add([item], {})[0] == 1
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    written = (tmp_path / FILE).stat().st_mtime_ns
    assert table.add([item], {})[0] == 0
    assert (tmp_path / FILE).stat().st_mtime_ns == written


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"price_places": 7', '"price_places": 6'),
        lambda text: text.replace('"format": 1', '"format": 2'),
        lambda text: "[]",
        lambda text: json.dumps({"check": "x"}),
        lambda text: "[" * 100_000,
        lambda text: "\udcff",
    ],
)
def test_a_damaged_file_is_refused_and_named(tmp_path: Path, damage: object) -> None:
    InstrumentTable(tmp_path, SHIPPED).add([Instrument("v", "A", "linear", price_places=7)], {})
    path = tmp_path / FILE
    damaged = damage(path.read_text())  # type: ignore[operator]
    path.write_bytes(damaged.encode(errors="surrogateescape"))
    with pytest.raises(StoreRefusedError, match="damaged") as caught:
        InstrumentTable(tmp_path, SHIPPED)
    assert str(path) in caught.value.text
    assert path.read_bytes() == damaged.encode(errors="surrogateescape")


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, StoreFullError), (errno.EIO, StoreUnavailableError)]
)
def test_what_cannot_be_kept_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[FillHandlerError]
) -> None:
    table = InstrumentTable(tmp_path, SHIPPED)

    def fail(*_: object) -> None:
        raise OSError(number, "the disk")

    monkeypatch.setattr(instrument_table, "write_file", fail)
    with pytest.raises(kind):
        table.add([Instrument("v", "B")], {})
    assert (len(table.current), (tmp_path / FILE).exists()) == (1, False)


def test_what_is_refused_is_refused_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidFieldError, match=r"instruments\[0\].aliases\[0\]"):
        InstrumentTable(tmp_path, SHIPPED, [{"venue": "v", "symbol": "B", "aliases": ["A"]}])
    table = InstrumentTable(tmp_path, SHIPPED)
    with pytest.raises(InvalidFieldError, match="stands for A already"):
        table.add([Instrument("v", "C"), Instrument("v", "B", aliases=("A",))], {})
    monkeypatch.setattr(instrument_table, "INSTRUMENTS_MAX", 2)
    with pytest.raises(InvalidFieldError, match="may hold 2"):
        table.add([Instrument("v", "C"), Instrument("v", "D")], {})
    assert len(table.current) == 1
