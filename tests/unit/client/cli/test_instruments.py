"""fillhandler instruments, instruments import, venues."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from fillhandler.v1 import execution_service_pb2, fills_pb2
from fillhandler.v1 import instrument_service_pb2 as pb

FOO = pb.Instrument(
    venue="phemex",
    symbol="FOOUSD",
    market="linear",
    contract=fills_pb2.Contract(kind=fills_pb2.CONTRACT_KIND_LINEAR, multiplier="0.5"),
    price_places=4,
)
FIELDS = {
    "venue": "phemex",
    "symbol": "FOOUSD",
    "market": "linear",
    "kind": "linear",
    "multiplier": "0.5",
    "price_places": 4,
}
PLACES = {"venue": "phemex", "currency": "FOO", "places": 6}


def test_the_list_can_be_imported_again(server: Any, run: Callable[..., Any], tmp_path: Path) -> None:
    server.on(
        "ListInstruments",
        pb.ListInstrumentsResponse(instruments=[FOO], value_places=[pb.ValuePlaces(**PLACES)]),
    )
    server.on("ImportInstruments", pb.ImportInstrumentsResponse(changed=1, total=7))
    listed = run("instruments", "--venue", "phemex", "--json")
    assert listed.document == {"instruments": [FIELDS], "value_places": [PLACES], "more": False}
    assert {call.requests[0].venue for call in server.calls} == {"phemex"}
    file = tmp_path / "instruments.json"
    file.write_text(listed.stdout)
    done = run("instruments", "import", file, "--json")
    assert done.document == {"changed": 1, "total": 7, "source": "instruments", "leftOut": 0}
    sent = server.calls[-1].requests[0]
    assert (list(sent.instruments), list(sent.value_places)) == ([FOO], [pb.ValuePlaces(**PLACES)])
    # Before the verb, between the two words, and from stdin it is the same.
    for arguments in (("--json", "instruments", "import", "-"), ("instruments", "--json", "import", "-")):
        assert run(*arguments, input=listed.stdout).document == done.document


def test_tables_for_people(server: Any, run: Callable[..., Any]) -> None:
    server.on(
        "ListInstruments",
        pb.ListInstrumentsResponse(instruments=[FOO, FOO], value_places=[pb.ValuePlaces(**PLACES)]),
    )
    shown = run("instruments", "--limit", "1")
    assert "FOOUSD" in shown.stdout
    assert shown.stdout.count("0.5") == 1
    assert "Scaled amounts" in shown.stdout
    assert "--limit 0 shows all" in shown.stderr
    shown = run("instruments", "--symbol", "FOOUSD", "--limit", "0")
    assert "Scaled amounts" not in shown.stdout
    server.on("ImportInstruments", pb.ImportInstrumentsResponse(changed=1, total=7))
    products = {"data": {"products": [{"symbol": "A", "type": "PerpetualV2", "priceScale": 0}]}}
    done = run("instruments", "import", "-", input=json.dumps(products))
    assert "1 instruments are new or say more, of 0 in the file (Phemex's" in done.stdout
    assert "1 products need nothing" in done.stderr


def test_a_wrong_file_is_named_and_not_sent(
    server: Any, run: Callable[..., Any], refusal: Callable[..., Any]
) -> None:
    done = run("instruments", "import", "-", "--json", input='{"instruments": [{"multipler": "1"}]}')
    assert (done.code, done.stdout) == (1, "")
    assert done.problems[0]["field"] == "instruments[0].multipler"
    done = run("instruments", "import", "-", input="nothing")
    assert "the file is not JSON" in done.stderr
    assert not server.calls
    assert run("instruments", "import", "nowhere.json").code == 2
    server.on(
        "ImportInstruments",
        refusal(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", violations={"instruments[0].symbol": "x"}),
    )
    done = run("instruments", "import", "-", "--json", input='{"instruments": [{"venue": "v"}]}')
    assert done.code == 1
    assert done.problems[0]["violations"] == [{"field": "instruments[0].symbol", "text": "x"}]


def test_venues(server: Any, run: Callable[..., Any]) -> None:
    venue = {"name": "okx", "title": "OKX: all", "payload_kinds": ["push", "row"]}
    server.on("ListVenues", execution_service_pb2.ListVenuesResponse(venues=[venue]))
    assert run("venues", "--json").document == {
        "venues": [{"name": "okx", "title": "OKX: all", "payloadKinds": ["push", "row"], "connections": []}]
    }
    shown = run("venues", "--venue", "okx").stdout
    assert "OKX: all" in shown
    assert "push, row" in shown
    assert server.calls[-1].requests[0].venue == "okx"
    server.on("ListVenues", execution_service_pb2.ListVenuesResponse())
    assert "no venue fits" in run("venues").stderr


def test_help_explains_the_group(run: Callable[..., Any]) -> None:
    assert "import" in run("help", "instruments").stdout
    assert "all or none" in run("instruments", "import", "--help").stdout
