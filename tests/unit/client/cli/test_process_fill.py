"""process-fill: everything good in a file is recorded, everything bad is named by its line."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from fillhandler.v1 import fill_service_pb2

GOOD = '{"orderId": "1", "price": 50000.10}'
FILL = '{"venue": "v", "symbol": "s", "side": "SIDE_BUY", "quantity": "1"}'
NOTHING = {
    "entries": 0,
    "recorded": 0,
    "duplicate": 0,
    "enriched": 0,
    "conflict": 0,
    "refused": 0,
    "skipped": {},
    "sequence": 0,
}

OUTCOMES = {
    b"duplicate": fill_service_pb2.OUTCOME_DUPLICATE,
    b"enriched": fill_service_pb2.OUTCOME_ENRICHED,
    b"conflict": fill_service_pb2.OUTCOME_CONFLICT,
}


def understand(payload: Any, *, validate_only: bool) -> fill_service_pb2.PayloadResult:
    """A server's answer to a payload, by the words in it."""
    if b"bad" in payload.payload:
        return fill_service_pb2.PayloadResult(
            error=fill_service_pb2.EntryError(
                reason="INVALID_FIELD", field="data.execQty", text="must be above 0"
            )
        )
    if b"funding" in payload.payload:
        return fill_service_pb2.PayloadResult(
            skipped=[fill_service_pb2.SkippedEntry(kind="funding", reason="no fill", count=2)]
        )
    outcome = next((value for word, value in OUTCOMES.items() if word in payload.payload), 1)
    sequence = 0 if validate_only else 5
    return fill_service_pb2.PayloadResult(
        fills=[fill_service_pb2.FillResult(outcome=outcome, sequence=sequence)]  # type: ignore[arg-type]
    )


async def payloads(requests: Any, context: Any) -> AsyncIterator[Any]:
    async for request in requests:
        yield fill_service_pb2.ProcessPayloadsResponse(
            results=[understand(each, validate_only=request.validate_only) for each in request.payloads]
        )


async def fills(requests: Any, context: Any) -> AsyncIterator[Any]:
    async for request in requests:
        results = []
        for each in request.fills:
            if each.trade_id == "refused":
                error = fill_service_pb2.EntryError(
                    reason="INVALID_FIELD", field="price", text="is no decimal"
                )
                results.append(
                    fill_service_pb2.FillResult(outcome=fill_service_pb2.OUTCOME_REFUSED, error=error)
                )
            else:
                results.append(
                    fill_service_pb2.FillResult(outcome=fill_service_pb2.OUTCOME_RECORDED, sequence=9)
                )
        yield fill_service_pb2.RecordFillsResponse(results=results)


@pytest.fixture(autouse=True)
def scripts(server: Any) -> None:
    server.on("ProcessPayloads", payloads)
    server.on("RecordFills", fills)


def sent(server: Any) -> list[Any]:
    return [payload for request in server.requests("ProcessPayloads") for payload in request.payloads]


@pytest.mark.parametrize("text", [GOOD, f"[{GOOD}]", GOOD + "\n", json.dumps(json.loads(GOOD), indent=1)])
def test_an_object_an_array_or_a_line(run: Any, server: Any, tmp_path: Path, text: str) -> None:
    file = tmp_path / "sample.json"
    file.write_text(text)

    result = run("process-fill", file, "--venue", "binance", "--account", "a", "--json")

    assert result.code == 0
    assert result.document == {**NOTHING, "entries": 1, "recorded": 1, "sequence": 5}
    assert result.stderr == ""
    (payload,) = sent(server)
    assert (payload.venue, payload.account) == ("binance", "a")
    assert payload.payload.decode() in text


def test_the_format_goes_with_every_payload_that_does_not_say(run: Any, server: Any) -> None:
    wrapped = {"venue": "binance", "account": "b", "format": "", "payload": {"x": 1}}

    result = run(
        "process-fill",
        "-",
        "--venue",
        "mexc",
        "--format",
        "ccxt",
        "--json",
        input=f"{GOOD}\n{json.dumps(wrapped)}",
    )

    assert result.document == {**NOTHING, "entries": 2, "recorded": 2, "sequence": 5}
    assert [(each.venue, each.account, each.format) for each in sent(server)] == [
        ("mexc", "", "ccxt"),
        ("binance", "b", ""),
    ]


def test_every_outcome_is_counted(run: Any) -> None:
    lines = [GOOD, '{"x": "duplicate"}', '{"x": "enriched"}', '{"x": "conflict"}', '{"x": "funding"}', FILL]

    result = run("process-fill", "-", "--json", input="\n".join(lines))

    assert result.code == 0
    assert result.document == {
        "entries": 6,
        "recorded": 2,
        "duplicate": 1,
        "enriched": 1,
        "conflict": 1,
        "refused": 0,
        "skipped": {"funding": 2},
        "sequence": 9,
    }


BAD_LINES = [
    GOOD,
    "nonsense",
    "",
    '{"x": "bad"}',
    FILL,
    FILL.replace('"1"', '"1", "qty": 2'),
    FILL.replace('"1"', '"1", "tradeId": "refused"'),
    GOOD,
]
BAD = {
    2: ("INVALID_FIELD", "", "not JSON"),
    4: ("INVALID_FIELD", "data.execQty", "must be above 0"),
    6: ("INVALID_FIELD", "qty", "no such field"),
    7: ("INVALID_FIELD", "price", "is no decimal"),
}


def test_bad_entries_are_named_by_their_line_and_the_rest_goes_on(run: Any) -> None:
    result = run("process-fill", "-", "--json", input="\n".join(BAD_LINES))

    assert result.code == 1
    assert result.document == {**NOTHING, "entries": 7, "recorded": 3, "refused": 4, "sequence": 9}
    assert {problem["line"] for problem in result.problems} == set(BAD)
    for problem in result.problems:
        reason, field, words = BAD[problem["line"]]
        assert (problem["reason"], problem["field"]) == (reason, field)
        assert words in problem["text"]


def test_the_same_for_people(run: Any) -> None:
    result = run("process-fill", "-", input="\n".join(BAD_LINES))

    assert result.code == 1
    assert "line 4: INVALID_FIELD: data.execQty: must be above 0\n" in result.stderr
    assert "line 2: INVALID_FIELD: not JSON" in result.stderr
    assert [line.split() for line in result.stdout.splitlines() if line.strip()] == [
        ["entries", "7"],
        ["recorded", "3"],
        ["refused", "4"],
        ["sequence", "9"],
    ]


@pytest.mark.parametrize("source", ["file", "stdin"])
def test_strict_records_nothing_if_anything_is_bad(
    run: Any, server: Any, tmp_path: Path, source: str
) -> None:
    file = tmp_path / "fills.jsonl"
    file.write_text("\n".join([*BAD_LINES[:-1], FILL.replace('"1"', '"1e5"')]))

    if source == "file":
        result = run("process-fill", file, "--strict", "--json")
    else:
        result = run("process-fill", "-", "--strict", "--json", input=file.read_text())

    assert result.code == 1
    # Line 7 is refused by this server alone, for a reason that only it knows.
    assert result.document == {**NOTHING, "entries": 7, "refused": 4}
    assert {problem.get("line") for problem in result.problems} == {2, 4, 6, 8, None}
    assert "nothing was recorded" in result.problems[-1]["text"]
    assert server.called("RecordFills") == []
    assert all(request.validate_only for request in server.requests("ProcessPayloads"))


@pytest.mark.parametrize("source", ["file", "stdin"])
def test_strict_records_what_is_all_good(run: Any, server: Any, tmp_path: Path, source: str) -> None:
    file = tmp_path / "fills.jsonl"
    file.write_text(f"{GOOD}\n{FILL}\n")

    if source == "file":
        result = run("process-fill", file, "--strict", "--json")
    else:
        result = run("process-fill", "-", "--strict", "--json", input=file.read_text())

    assert result.code == 0
    assert result.document == {**NOTHING, "entries": 2, "recorded": 2, "sequence": 9}
    assert [request.validate_only for request in server.requests("ProcessPayloads")] == [True, False]
    assert len(server.requests("RecordFills")) == 1


def test_a_restart_in_the_middle_is_survived(run: Any, server: Any, tmp_path: Path) -> None:
    count = 3_000
    file = tmp_path / "fills.jsonl"
    file.write_text("".join(f'{{"orderId": "{number}"}}\n' for number in range(count)))

    async def stops_after_the_first(requests: Any, context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            yield fill_service_pb2.ProcessPayloadsResponse(
                results=[understand(each, validate_only=False) for each in request.payloads]
            )
            server.note("answered")
            await asyncio.Event().wait()

    server.on("ProcessPayloads", stops_after_the_first, payloads)

    def restart() -> None:
        server.wait_for(lambda: server.noted == ["answered"])
        server.stop()
        server.start()

    operator = threading.Thread(target=restart)
    operator.start()
    result = run("process-fill", file, "--venue", "v", "--json")
    operator.join(20)

    assert result.code == 0, result.stderr
    assert result.document == {**NOTHING, "entries": count, "recorded": count, "sequence": 5}
    assert {json.loads(each.payload)["orderId"] for each in sent(server)} == {str(n) for n in range(count)}


def test_a_server_that_refuses_the_stream(run: Any, server: Any, refusal: Callable[..., Any]) -> None:
    server.on("ProcessPayloads", refusal(grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED"))
    result = run("process-fill", "-", "--json", input=GOOD)
    assert (result.code, result.stdout) == (1, "")
    assert result.problems[0]["reason"] == "PERMISSION_DENIED"


def test_a_server_that_is_not_there(run: Any, server: Any) -> None:
    server.stop()
    result = run("process-fill", "-", "--json", input=GOOD)
    assert (result.code, result.stdout) == (3, "")
    server.start()


@pytest.mark.parametrize("text", ["", "\n", "[]"])
def test_nothing_is_no_failure(run: Any, server: Any, text: str) -> None:
    result = run("process-fill", "-", "--json", input=text)
    assert result.code == 0
    assert result.document == NOTHING
    assert server.calls == []


def test_a_file_that_is_not_there_is_wrong_use(run: Any, tmp_path: Path) -> None:
    assert run("process-fill", tmp_path / "nowhere").code == 2
