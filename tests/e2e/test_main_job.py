"""The main job: serve, process fills, look, restart, watch on, back up, restore, verify."""

import json
import signal
import stat
from pathlib import Path

import pytest
from support.payloads import BINANCE, BITGET, PHEMEX
from support.processes import Site

from fillhandler_server import config
from fillhandler_server.domain.errors import InvalidFieldError

NORMALISED = {
    "venue": "kraken",
    "symbol": "BTC/USD",
    "orderId": "K-1",
    "tradeId": "T-1",
    "side": "SIDE_SELL",
    "quantity": "0.004",
    "price": "53000.1",
}
MIXED = [BINANCE, {"venue": "bitget", "account": "desk", "payload": BITGET}, {"payload": PHEMEX}, NORMALISED]


def lines_of(entries: list[object]) -> str:
    return "".join(json.dumps(entry) + "\n" for entry in entries)


def test_the_main_job(site: Site, tmp_path: Path) -> None:
    site.start()
    assert stat.S_IMODE((site.data_dir / "token").stat().st_mode) == 0o600

    sample = tmp_path / "sample.jsonl"
    sample.write_text(lines_of(MIXED))
    done = site.command("process-fill", str(sample), "--json")
    assert done.code == 0, done.stderr
    assert done.document["recorded"] == done.document["entries"] == 4
    again = site.command("process-fill", "-", "--json", stdin=json.dumps(MIXED))
    assert (again.code, again.document["duplicate"], again.document["recorded"]) == (0, 4, 0)

    status = site.command("status", "--json").document
    assert (status["totalFills"], status["totalOrders"], status["headSequence"]) == ("4", "4", "4")
    orders = site.command("orders", "--all", "--json").document["orders"]
    assert {(order["venue"], order["account"]) for order in orders} == {
        ("binance", "main"),
        ("bitget", "desk"),
        ("phemex", "main"),
        ("kraken", "main"),
    }
    order = site.command("order", "123456789", "--json").document
    assert (order["order"]["cumulativeQuantity"], len(order["events"])) == ("0.001", 1)
    fills = site.command("fills", "--json", "--venue", "kraken").document["fills"]
    assert [fill["price"] for fill in fills] == ["53000.1"]
    shown = site.command("watch", "--from-beginning", "--count", "4", "--json").documents
    assert [event["sequence"] for event in shown] == ["1", "2", "3", "4"]
    for_people = site.command("order", "K-1")
    assert for_people.code == 0, for_people.stderr
    assert "53000.1" in for_people.stdout

    # A cursor outlives a restart.
    cursor = tmp_path / "cursor.json"
    taken = site.command("watch", "--from-beginning", "--count", "2", "--cursor-file", str(cursor), "--json")
    assert [event["sequence"] for event in taken.documents] == ["1", "2"]
    assert site.stop() == 0
    site.start()
    taken = site.command("watch", "--count", "2", "--cursor-file", str(cursor), "--json")
    assert [event["sequence"] for event in taken.documents] == ["3", "4"]
    assert site.command("orders", "--all", "--json").document["orders"] == orders

    # Backup, and back.
    backup = tmp_path / "state_backup.json"
    exported = site.command("export", str(backup), "--json")
    assert exported.code == 0, exported.stderr
    checked = site.command("import", str(backup), "--mode", "validate-only", "--json").document
    assert (checked["applied"], checked["fills"]) == (False, "4")
    merged = site.command("import", str(backup), "--json").document
    assert (merged["newFills"], merged["duplicateFills"], merged["sequence"]) == ("0", "4", "4")
    with Site(tmp_path / "other").start() as other:
        replaced = other.command("import", str(backup), "--mode", "replace", "--yes", "--json")
        assert replaced.code == 0, replaced.stderr
        here, there = (each.command("status", "--json").document for each in (site, other))
        for name in ("instanceId", "headSequence", "headHash", "totalFills", "totalOrders"):
            assert there[name] == here[name]
        assert other.command("orders", "--all", "--json").document["orders"] == orders
        damaged = tmp_path / "damaged.json"
        damaged.write_bytes(backup.read_bytes().replace(b"0.001", b"0.009", 1)[:-40])
        refused = other.command("import", str(damaged), "--json")
        assert refused.code == 1
        assert json.loads(refused.stderr)["error"]["reason"] == "IMPORT_DAMAGED"
        assert other.command("export", str(tmp_path / "second.json")).code == 0
    assert (tmp_path / "second.json").read_bytes() == backup.read_bytes()

    # Online and offline.
    online = site.command("verify", "--json").document
    assert (online["valid"], online["headSequence"]) == (True, "4")
    key_file = next((site.folder / "keys").iterdir())
    assert site.stop() == 0
    offline = site.command("verify", "--data-dir", str(site.data_dir), "--key-file", str(key_file), "--json")
    assert offline.code == 0, offline.stderr
    assert offline.document["valid"] is True
    token = (site.data_dir / "token").read_text().strip()
    assert token not in site.log.read_text()
    assert key_file.read_text().strip() not in site.log.read_text()


def test_bad_entries_and_exit_codes(site: Site, tmp_path: Path) -> None:
    unreachable = site.command(
        "status", "--address", "127.0.0.1:1", "--timeout", "1", FILLHANDLER_TOKEN_FILE=""
    )
    assert (unreachable.code, unreachable.stdout) == (3, "")
    site.start()
    mixed = (
        lines_of([BINANCE]) + "{broken\n" + lines_of([{"a": 1}, {**NORMALISED, "quantity": "NaN"}, BITGET])
    )
    strict = site.command("process-fill", "-", "--strict", "--json", stdin=mixed)
    assert strict.code == 1
    assert site.command("status", "--json").document["headSequence"] == "0"
    done = site.command("process-fill", "-", "--json", stdin=mixed)
    assert (done.code, done.document["recorded"], done.document["refused"]) == (1, 2, 3)
    problems = [json.loads(line)["error"] for line in done.stderr.splitlines()]
    assert sorted(problem["line"] for problem in problems) == [2, 3, 4]

    missing = site.command("order", "nothing", "--json")
    assert (missing.code, missing.stdout) == (1, "")
    assert json.loads(missing.stderr)["error"]["reason"] == "ORDER_NOT_FOUND"
    for wrong in (["orders", "--final", "--active"], ["nonsense"], ["process-fill", str(tmp_path / "none")]):
        assert site.command(*wrong).code == 2, wrong
    stranger = site.command("status", FILLHANDLER_TOKEN_FILE="", FILLHANDLER_TOKEN="wrong")
    assert stranger.code == 1
    assert "UNAUTHENTICATED" in stranger.stderr
    ahead = site.command("watch", "--after", "99", "--json")
    assert json.loads(ahead.stderr)["error"]["reason"] == "CURSOR_AHEAD"
    assert ahead.code == 1


def test_sigterm_and_ctrl_c_end_it_clean(site: Site) -> None:
    """G16: open feeds do not hold it, and resume by themselves."""
    site.start()
    site.command("process-fill", "-", stdin=json.dumps(BINANCE))
    with site.running("watch", "--from-beginning", "--json") as watch:
        assert json.loads(watch.lines.next() or "")["sequence"] == "1"
        assert site.stop() == 0
        site.start()
        site.command("process-fill", "-", stdin=json.dumps(BITGET))
        assert json.loads(watch.lines.next() or "")["sequence"] == "2"
        watch.popen.send_signal(signal.SIGINT)
        assert watch.wait() == 0
    assert site.server is not None
    site.server.popen.send_signal(signal.SIGINT)
    assert site.server.wait() == 0
    site.server.end()
    site.server = None


def test_only_one_server_a_store_and_a_port(site: Site, tmp_path: Path) -> None:
    site.start()
    assert str(site.data_dir) in site.refused("--listen", "127.0.0.1:0")
    with Site(tmp_path / "other") as other:
        said = other.refused("--listen", site.address)
        assert site.address in said
        assert "--listen" in said
    # And the first one did not notice.
    assert site.command("status").code == 0


@pytest.mark.parametrize(
    "listen", ["[::]:0", "localhost:0", "192.0.2.1:0", "nonsense", "127.0.0.1:99999", ":1"]
)
def test_addresses_that_are_not_served(listen: str) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        config.load(listen=listen)
    assert caught.value.violations[0].field == "listen"


def test_an_open_address_is_refused_before_anything_is_made(site: Site) -> None:
    assert "listen" in site.refused("--listen", "0.0.0.0:0")
    assert not site.data_dir.exists()


def test_folders_that_cannot_be_used(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = site.refused("--data-dir", str(tmp_path / "file" / "below"))
    assert "--data-dir" in said
    said = site.refused("--key-file", str(tmp_path / "file" / "below"))
    assert "--key-file" in said


def test_settings_that_are_none(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "fillhandler.toml"
    file.write_text("unheard = 1\n")
    assert "unheard" in site.refused("--config", str(file), "--listen", "127.0.0.1:0")


@pytest.mark.parametrize("suffix", ["toml", "yaml"])
def test_later_sources_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    file = tmp_path / f"fillhandler.{suffix}"
    equals = "=" if suffix == "toml" else ":"
    file.write_text(f'listen{equals} "127.0.0.1:1"\nmax_feeds{equals} 1\nmax_order_age_hours{equals} 7\n')
    monkeypatch.setenv("FILLHANDLER_MAX_FEEDS", "2")
    monkeypatch.setenv("FILLHANDLER_LISTEN", "127.0.0.1:2")
    settings = config.load(file, listen="127.0.0.1:3", data_dir=None)
    assert (settings.listen, settings.max_feeds, settings.max_order_age_hours) == ("127.0.0.1:3", 2, 7)
