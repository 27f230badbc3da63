"""A scale that no payload says: refused, imported, taken; in a restart and from the configuration."""

import json
from pathlib import Path

from support.processes import Site

ROW = {
    "symbol": "FOOUSD",
    "side": "Buy",
    "execID": "e1",
    "orderID": "o1",
    "execPriceEp": 71500,
    "execQty": 10,
    "execStatus": "TakerFill",
    "execFeeEv": 2447,
    "currency": "FOO",
    "transactTimeNs": 1578026629824704800,
}
PRODUCT = {
    "symbol": "FOOUSD",
    "type": "Perpetual",
    "contractUnderlyingAssets": "USD",
    "settleCurrency": "FOO",
    "quoteCurrency": "USD",
    "contractSize": 1.0,
    "priceScale": 4,
}
PRODUCTS = {
    "code": 0,
    "data": {"currencies": [{"currency": "FOO", "valueScale": 8}], "products": [PRODUCT]},
}
CONFIGURATION = """
[[instruments]]
venue = "phemex"
symbol = "FOOUSD"
market = "inverse"
kind = "inverse"
price_places = 4
settle = "FOO"
{more}
[[value_places]]
venue = "phemex"
currency = "FOO"
places = 8
"""


def row(number: int) -> str:
    return json.dumps(ROW | {"execID": f"e{number}"})


def test_an_unknown_scale(site: Site) -> None:
    site.start()
    refused = site.command("process-fill", "-", "--venue", "phemex", stdin=row(1))
    assert refused.code == 1
    assert "FOOUSD" in refused.stderr
    assert "fillhandler instruments import" in refused.stderr

    done = site.command("instruments", "import", "-", "--json", stdin=json.dumps(PRODUCTS))
    assert (done.code, done.document["changed"]) == (0, 1), done.stderr
    taken = site.command("process-fill", "-", "--venue", "phemex", "--json", stdin=row(1))
    assert (taken.code, taken.document["recorded"]) == (0, 1), taken.stderr

    assert site.stop() == 0
    site.start()
    taken = site.command("process-fill", "-", "--venue", "phemex", "--json", stdin=row(2))
    assert (taken.code, taken.document["recorded"]) == (0, 1), taken.stderr
    order = site.command("order", "o1", "--json").document["order"]
    # 20 contracts of one dollar, at 7.15 each.
    assert (order["cumulativeQuantity"], order["averagePrice"], order["fees"]) == (
        "20",
        "7.15",
        [{"amount": "0.00004894", "currency": "FOO"}],
    )
    assert order["baseQuantity"] == order["cumulativeNotional"]
    assert order["baseQuantity"].startswith("2.797202797")
    listed = site.command("instruments", "--venue", "phemex", "--symbol", "FOOUSD", "--json").document
    assert listed["instruments"][0]["multiplier"] == "1"
    venues = site.command("venues", "--json").document["venues"]
    assert "phemex" in [venue["name"] for venue in venues]

    assert site.stop() == 0
    file = site.data_dir / "instruments.json"
    file.write_text(file.read_text().replace("FOOUSD", "BARUSD"))
    assert str(file) in site.refused()


def test_the_configuration(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(CONFIGURATION.format(more='multiplier = 0.5\nprice_place = 2\naliases = ["x", 1]'))
    said = site.refused("--config", str(file))
    for path in ("instruments[0].multiplier", "instruments[0].price_place", "instruments[0].aliases[1]"):
        assert path in said, said
    file.write_text(CONFIGURATION.format(more='multiplier = "1"\naliases = ["BTCUSD"]'))
    assert "instruments[0].aliases[0]" in site.refused("--config", str(file))
    assert "FILLHANDLER_INSTRUMENTS" not in said
    assert "instruments" in site.refused(FILLHANDLER_INSTRUMENTS="[{")

    file.write_text(CONFIGURATION.format(more='multiplier = "1"'))
    site.start("--config", str(file))
    taken = site.command("process-fill", "-", "--venue", "phemex", "--json", stdin=row(1))
    assert (taken.code, taken.document["recorded"]) == (0, 1), taken.stderr
