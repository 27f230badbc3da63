"""Files of many fills: once, again, and again across a kill in the middle."""

import json
from pathlib import Path

import pytest
from support.processes import Site


def fills_file(path: Path, name: str, count: int) -> Path:
    """JSON lines of normalised fills over three hundred orders."""
    with path.open("w") as file:
        for n in range(count):
            fill = {
                "venue": ("binance", "bitget", "phemex")[n % 3],
                "symbol": ("BTCUSDT", "ETHUSDT")[n % 2],
                "orderId": f"{name}-{n % 100}",
                "tradeId": f"{name}-{n}",
                "side": "SIDE_BUY",
                "quantity": "0.01",
                "price": str(100 + n % 7),
                "fees": [{"amount": "0.001", "currency": "USDT"}],
                "liquidity": "LIQUIDITY_MAKER",
                "tradeTime": "2026-01-31T12:00:00Z",
            }
            file.write(json.dumps(fill) + "\n")
    return path


def statistics(site: Site) -> dict[str, object]:
    shown = site.command("performance", "--json")
    assert shown.code == 0, shown.stderr
    document = shown.document
    for changing in ("sequence", "duplicatesDropped"):
        document.get("totals", document).pop(changing, None)
    return document


@pytest.mark.parametrize("count", [5_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_every_fill_once_whatever_happens(site: Site, tmp_path: Path, count: int) -> None:
    site.start()
    with site.running("watch", "--from-beginning", "--json") as watch:
        first = fills_file(tmp_path / "first.jsonl", "a", count)
        second = fills_file(tmp_path / "second.jsonl", "b", count)
        third = fills_file(tmp_path / "third.jsonl", "c", count)
        for file in (first, second):
            done = site.command("process-fill", str(file), "--json")
            assert (done.code, done.document["recorded"]) == (0, count), done.stderr
        before = statistics(site)
        again = site.command("process-fill", str(first), "--json")
        assert (again.code, again.document["duplicate"], again.document["recorded"]) == (0, count, 0)
        assert statistics(site) == before

        seen: list[int] = []

        def see(through: int) -> None:
            while len(seen) < through:
                line = watch.lines.next(60)
                assert line is not None, watch.log.read_text()
                seen.append(int(json.loads(line)["sequence"]))

        # The third file through a pipe, so that the kill is certain to be in its middle.
        lines = third.read_bytes().splitlines(keepends=True)
        with site.running("process-fill", "-", "--json") as processing:
            assert processing.popen.stdin is not None
            processing.popen.stdin.writelines(lines[: count // 2])
            processing.popen.stdin.flush()
            see(2 * count + count // 4)
            site.kill()
            site.start()
            processing.popen.stdin.writelines(lines[count // 2 :])
            processing.popen.stdin.close()
            # It goes on by itself: what was not acknowledged is sent again.
            assert processing.wait(60) == 0, processing.log.read_text()
            summary = json.loads(processing.lines.next() or "")
            assert summary["recorded"] + summary["duplicate"] == count
        repeated = site.command("process-fill", str(third), "--json")
        assert (repeated.code, repeated.document["duplicate"]) == (0, count)

        status = site.command("status", "--json").document
        assert (status["totalFills"], status["headSequence"]) == (str(3 * count), str(3 * count))
        # In each file a hundred ids at three venues.
        assert status["totalOrders"] == "900"
        # The open watch went on by itself, and a new one sees the same.
        see(3 * count)
        assert seen == list(range(1, 3 * count + 1))
    anew = site.command("watch", "--from-beginning", "--count", str(3 * count), "--json")
    events = anew.documents
    assert [int(event["sequence"]) for event in events] == seen
    names = [event["fillRecorded"]["fill"]["tradeId"] for event in events]
    assert sorted(names) == sorted(f"{name}-{n}" for name in "abc" for n in range(count))
    assert site.command("verify", "--json").document["valid"] is True
    assert site.stop() == 0
