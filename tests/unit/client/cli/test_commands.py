"""Every command: what it asks, what it prints, how it ends."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import typer
from google.protobuf.json_format import ParseDict
from typer.testing import CliRunner

from fillhandler import convert
from fillhandler.cli import app
from fillhandler.v1 import (
    analytics_service_pb2,
    events_pb2,
    feed_service_pb2,
    fill_service_pb2,
    fills_pb2,
    order_service_pb2,
    orders_pb2,
    state_service_pb2,
)

COMMANDS = [
    "status",
    "orders",
    "order",
    "clear-orders",
    "fills",
    "anomalies",
    "process-fill",
    "watch",
    "execute",
    "trades",
    "trade",
    "cancel-trade",
    "retries",
    "venues",
    "export",
    "import",
    "verify",
    "performance",
    "fee-analysis",
    "help",
]

NOON = "2026-01-31T12:00:00.123456789Z"
ORDER = orders_pb2.Order(
    venue="binance",
    account="main",
    symbol="BTCUSDT",
    order_id="7",
    order_ids=["6", "7"],
    side=fills_pb2.SIDE_BUY,
    status=orders_pb2.ORDER_STATUS_PARTIALLY_FILLED,
    order_quantity="3",
    cumulative_quantity="1.000000000000000001",
    fill_percentage="33.33",
    average_price="50000.123456789012345678",
    fees=[fills_pb2.Fee(amount="0.1", currency="BNB"), fills_pb2.Fee(amount="-2", currency="USDT")],
    fill_count=2,
    order_number=5,
    update_time=convert.timestamp(NOON),
    sequence=9,
)
FILL = fills_pb2.Fill(
    venue="binance",
    symbol="BTCUSDT",
    order_id="7",
    trade_id="t\x1b[31m1",
    side=fills_pb2.SIDE_SELL,
    quantity="0.000000000000000001",
    price="-3",
    state=fills_pb2.FILL_STATE_BUSTED,
    sequence=3,
)
STATUS = state_service_pb2.GetServerStatusResponse(
    version="0.1.0", instance_id="one", head_sequence=9, store="sqlite", writable=True, venues=["binance"]
)


def event(sequence: int, number: int = 5, **fields: Any) -> events_pb2.Event:
    return events_pb2.Event(
        sequence=sequence,
        venue="binance",
        account="main",
        symbol="BTCUSDT",
        order_number=number,
        fill_recorded=events_pb2.FillRecorded(fill=FILL),
        **fields,
    )


def feed(*messages: list[events_pb2.Event], through: int = 20) -> Any:
    async def script(request: Any, context: Any) -> AsyncIterator[Any]:
        for events in messages:
            yield feed_service_pb2.WatchEventsResponse(
                events=events,
                through_sequence=events[-1].sequence,
                resume_token=f"after {events[-1].sequence}",
                instance_id="one",
            )
        yield feed_service_pb2.WatchEventsResponse(through_sequence=through, resume_token="end", live=True)
        server_waits = asyncio.Event()
        await server_waits.wait()

    return script


class TestEveryCommand:
    @pytest.mark.parametrize("command", COMMANDS)
    def test_has_help_and_json(self, command: str) -> None:
        result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
        assert result.exit_code == 0
        assert "--json" in result.stdout
        assert len(result.stdout) > 200

    def test_is_listed_with_those_of_the_server(self) -> None:
        result = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"})
        assert result.exit_code == 0
        for command in [*COMMANDS, "serve", "demo"]:
            assert f" {command} " in result.stdout

    @pytest.mark.parametrize("command", [*COMMANDS, "serve", "demo"])
    def test_options_explain_themselves(self, command: str) -> None:
        group = typer.main.get_command(app)
        context = group.make_context("fillhandler", ["status"], resilient_parsing=True)
        for parameter in group.get_command(context, command).params:  # type: ignore[attr-defined]
            assert getattr(parameter, "help", "") or parameter.name == "help", parameter.name

    @pytest.mark.parametrize(
        "arguments",
        [
            ["status"],
            ["orders"],
            ["order", "7"],
            ["clear-orders"],
            ["fills"],
            ["anomalies"],
            ["watch"],
            ["trades"],
            ["trade", "7"],
            ["cancel-trade", "7"],
            ["retries"],
            ["venues"],
            ["export", "-"],
            ["verify"],
            ["performance"],
            ["fee-analysis"],
        ],
    )
    def test_ends_with_three_where_no_server_is(self, run: Any, server: Any, arguments: list[str]) -> None:
        server.stop()
        result = run(*arguments, "--json", "--timeout", "0.5")
        assert (result.code, result.stdout) == (3, "")
        assert "serve" in result.problems[0]["hint"]
        server.start()

    @pytest.mark.parametrize(
        "arguments",
        [
            ["nonsense"],
            ["status", "--nonsense"],
            ["order"],
            ["orders", "--final", "--all"],
            ["orders", "--limit", "-1"],
            ["orders", "--from", "yesterday"],
            ["clear-orders", "--older-than", "3 weeks"],
            ["watch", "--after", "1", "--from-beginning"],
            ["watch", "--kind", "nonsense"],
            ["anomalies", "--kind", "nonsense"],
            ["trade"],
            ["cancel-trade", "--wait"],
            ["retries", "--to", "tomorrow"],
            ["import", "nowhere"],
            ["import", os.devnull, "--mode", "overwrite"],
            ["verify", "--key-file", "x"],
            ["fee-analysis", "--by", "colour"],
            ["status", "--address", "nonsense"],
            ["status", "--token-file", "nowhere"],
            ["status", "--timeout", "0"],
            ["help", "nonsense"],
        ],
    )
    def test_ends_with_two_on_wrong_use(self, run: Any, server: Any, arguments: list[str]) -> None:
        result = run(*arguments)
        assert (result.code, result.stdout) == (2, "")
        assert result.stderr
        assert server.calls == []


class TestCommonOptions:
    def test_stand_before_or_after_the_verb(self, server: Any, tmp_path: Path) -> None:
        server.on("GetServerStatus", STATUS)
        (tmp_path / "token").write_text("given")
        options = ["--address", server.address, "--token-file", str(tmp_path / "token"), "--json"]
        for arguments in ([*options, "status"], ["status", *options], [*options[:2], "status", *options[2:]]):
            result = CliRunner().invoke(app, arguments)
            assert result.exit_code == 0, result.stderr
            assert json.loads(result.stdout)["address"] == server.address
        assert [call.metadata["authorization"] for call in server.calls] == ["Bearer given"] * 3

    def test_those_after_it_count(self, run: Any, server: Any) -> None:
        server.on("GetServerStatus", STATUS)
        assert run("--address", "127.0.0.1:1", "status", "--address", server.address).code == 0

    def test_nothing_stays_from_one_run_to_the_next(self, run: Any, server: Any) -> None:
        server.on("GetServerStatus", STATUS)
        assert run("--json", "status").document
        assert not run("status").stdout.startswith("{")

    def test_the_timeout_is_the_calls(self, run: Any, server: Any) -> None:
        async def note(request: Any, context: Any) -> Any:
            server.note(context.time_remaining())
            return STATUS

        server.on("GetServerStatus", note)
        run("status", "--timeout", "3")
        assert 2 < server.noted[0] < 4


def test_it_mounts_into_another_application(server: Any) -> None:
    host = typer.Typer()
    host.add_typer(app, name="fill")
    host.command("other")(lambda: None)
    server.on("GetServerStatus", STATUS)

    result = CliRunner().invoke(host, ["fill", "--address", server.address, "status", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["headSequence"] == "9"
    listed = CliRunner().invoke(host, ["fill", "--help"], env={"COLUMNS": "200"})
    assert " serve " in listed.stdout
    helped = CliRunner().invoke(host, ["fill", "help", "status"])
    assert "fill status" in helped.stdout


class TestErrors:
    def test_are_one_sentence_with_the_reason_and_the_way_out(
        self, run: Any, server: Any, refusal: Callable[..., Any]
    ) -> None:
        server.on(
            "GetServerStatus", refusal(grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", text="no token")
        )
        result = run("status")
        assert (result.code, result.stdout) == (1, "")
        assert result.stderr.startswith("UNAUTHENTICATED: no token (")
        assert "--token-file" in result.stderr
        assert result.stderr.count("\n") == 1

    def test_are_a_line_of_json_with_json(self, run: Any, server: Any, refusal: Callable[..., Any]) -> None:
        server.on(
            "ListFills",
            refusal(
                grpc.StatusCode.INVALID_ARGUMENT,
                "INVALID_FIELD",
                text="page_size",
                metadata={"field": "page_size"},
                violations={"page_size": "too large"},
            ),
        )
        result = run("fills", "--json")
        assert (result.code, result.stdout) == (1, "")
        assert result.problems == [
            {
                "text": "page_size",
                "status": "INVALID_ARGUMENT",
                "reason": "INVALID_FIELD",
                "violations": [{"field": "page_size", "text": "too large"}],
                "metadata": {"field": "page_size"},
            }
        ]

    def test_cannot_steer_the_terminal(self, run: Any, server: Any, refusal: Callable[..., Any]) -> None:
        server.on("GetServerStatus", refusal(grpc.StatusCode.NOT_FOUND, "X", text="a\x1b]0;owned\x07b"))
        assert "\x1b" not in run("status").stderr


def test_status(run: Any, server: Any) -> None:
    server.on("GetServerStatus", STATUS)
    document = run("status", "--json").document
    assert document.pop("address") == server.address
    assert ParseDict(document, state_service_pb2.GetServerStatusResponse()) == STATUS
    assert document["totalFills"] == "0", "zeros are written out"
    assert "sqlite" in run("status").stdout


class TestAnomalies:
    ANOMALY = order_service_pb2.Anomaly(
        sequence=12,
        commit_time=convert.timestamp(NOON),
        kind=events_pb2.ANOMALY_KIND_OVERFILL,
        text="0.5 more than ordered\x1b[2J",
        advice="count again",
        order=ORDER,
    )

    def test_all_conditions_are_asked(self, run: Any, server: Any) -> None:
        server.on("ListAnomalies", order_service_pb2.ListAnomaliesResponse(anomalies=[self.ANOMALY]))
        where = ("--venue", "v", "--account", "a", "--symbol", "s", "--order", "o")
        when = ("--from", "2026-01-31", "--to", "2026-02-01")
        document = run(
            "anomalies", *where, *when, "--kind", "overfill", "--kind", "SIDE-MISMATCH", "--json"
        ).document
        assert document["more"] is False
        assert [ParseDict(each, order_service_pb2.Anomaly()) for each in document["anomalies"]] == [
            self.ANOMALY
        ]
        assert server.requests("ListAnomalies") == [
            order_service_pb2.ListAnomaliesRequest(
                venue="v",
                account="a",
                symbol="s",
                order_id="o",
                kinds=[1, 4],
                start_time=convert.timestamp("2026-01-31T00:00:00Z"),
                end_time=convert.timestamp("2026-02-01T00:00:00Z"),
                page_size=101,
            )
        ]

    def test_the_advice_stands_once_below_the_table(self, run: Any, server: Any) -> None:
        newer = order_service_pb2.Anomaly(sequence=13, kind=99, advice="ask", order=ORDER)  # type: ignore[arg-type]
        server.on(
            "ListAnomalies",
            order_service_pb2.ListAnomaliesResponse(anomalies=[self.ANOMALY, self.ANOMALY, newer]),
        )
        shown = run("anomalies").stdout
        assert shown.count("0.5 more than ordered\\x1b[2J") == 2
        assert [line.split()[:1] for line in shown.splitlines()] == [
            ["sequence"], ["12"], ["12"], ["13"], [], ["OVERFILL"], ["99"]
        ]  # fmt: skip
        assert shown.count("count again") == 1
        for text in ("binance", "BTCUSDT", "PARTIALLY_FILLED", NOON):
            assert text in shown

    def test_a_limit_says_that_there_is_more_and_none_that_there_is_none(self, run: Any, server: Any) -> None:
        many = order_service_pb2.ListAnomaliesResponse(anomalies=[self.ANOMALY] * 3, next_page_token="x")
        server.on("ListAnomalies", many, many, order_service_pb2.ListAnomaliesResponse())
        document = run("anomalies", "--limit", 2, "--json").document
        assert (len(document["anomalies"]), document["more"]) == (2, True)
        assert "--limit 0" in run("anomalies", "--limit", 2).stderr
        assert "no anomalies fit" in run("anomalies").stderr


class TestOrders:
    def test_the_active_ones_unless_asked_otherwise(self, run: Any, server: Any) -> None:
        server.on("ListOrders", order_service_pb2.ListOrdersResponse(orders=[ORDER]))
        document = run("orders", "--json").document
        assert [ParseDict(each, orders_pb2.Order()) for each in document["orders"]] == [ORDER]
        run("orders", "--final", "--venue", "v", "--account", "a", "--symbol", "s", "--from", "2026-01-31")
        run("orders", "--all")
        active, final, everything = server.requests("ListOrders")
        assert active.group == orders_pb2.ORDER_GROUP_ACTIVE
        assert (final.group, final.venue, final.account, final.symbol) == (
            orders_pb2.ORDER_GROUP_FINAL,
            "v",
            "a",
            "s",
        )
        assert final.start_time.ToJsonString() == "2026-01-31T00:00:00Z"
        assert everything.group == orders_pb2.ORDER_GROUP_UNSPECIFIED

    def test_decimals_are_printed_whole(self, run: Any, server: Any) -> None:
        server.on("ListOrders", order_service_pb2.ListOrdersResponse(orders=[ORDER]))
        table = run("orders").stdout
        for text in ("1.000000000000000001", "50000.123456789012345678", "33.33", "0.1 BNB, -2 USDT", NOON):
            assert text in table

    def test_a_limit_says_that_there_is_more(self, run: Any, server: Any) -> None:
        server.on("ListOrders", order_service_pb2.ListOrdersResponse(orders=[ORDER] * 3, next_page_token="x"))
        document = run("orders", "--limit", 2, "--json").document
        assert (len(document["orders"]), document["more"]) == (2, True)
        assert server.requests("ListOrders")[0].page_size == 3
        assert "--limit 0" in run("orders", "--limit", 2).stderr

    def test_one_order_with_its_history(self, run: Any, server: Any) -> None:
        server.on("GetOrder", order_service_pb2.GetOrderResponse(order=ORDER))
        server.on("GetServerStatus", STATUS)
        # The venue's id came late, and another order with a like id is not this one.
        known = [event(7, order_id="7"), event(8, order_id="7", number=4), event(30, order_id="7")]
        other = events_pb2.Event(sequence=6, venue="binance", account="other", order_id="7", order_number=3)
        early = [event(5), event(6, number=1)]
        server.on("WatchEvents", feed([other, *known]), feed(early))

        document = run("order", "7", "--json").document

        assert ParseDict(document["order"], orders_pb2.Order()) == ORDER
        assert [each["sequence"] for each in document["events"]] == ["5", "7", "8"]
        by_id, by_symbol = server.requests("WatchEvents")
        assert (by_id.after_sequence, list(by_id.order_ids)) == (4, ["6", "7"])
        assert (by_symbol.after_sequence, list(by_symbol.symbols)) == (4, ["BTCUSDT"])
        shown = run("order", "7").stdout
        assert "33.33" in shown
        assert "fill_recorded" in shown

    def test_a_client_order_id_will_do(self, run: Any, server: Any, refusal: Callable[..., Any]) -> None:
        server.on(
            "GetOrder",
            refusal(grpc.StatusCode.NOT_FOUND, "ORDER_NOT_FOUND"),
            order_service_pb2.GetOrderResponse(
                order=orders_pb2.Order(client_order_id="mine", order_number=5)
            ),
        )
        server.on("GetServerStatus", STATUS)
        server.on("WatchEvents", feed([event(5)]))
        assert run("order", "mine", "--venue", "v", "--json").document["order"]["clientOrderId"] == "mine"
        assert [
            (each.order_id, each.client_order_id, each.venue) for each in server.requests("GetOrder")
        ] == [
            ("mine", "", "v"),
            ("", "mine", "v"),
        ]

    def test_one_that_is_not_there(self, run: Any, server: Any, refusal: Callable[..., Any]) -> None:
        server.on("GetOrder", refusal(grpc.StatusCode.NOT_FOUND, "ORDER_NOT_FOUND"))
        result = run("order", "7")
        assert result.code == 1
        assert "fillhandler orders" in result.stderr

    @pytest.mark.parametrize(
        ("text", "span"),
        [
            ("0", timedelta()),
            ("90s", timedelta(seconds=90)),
            ("1.5h", timedelta(minutes=90)),
            ("7d", timedelta(7)),
        ],
    )
    def test_clearing(self, run: Any, server: Any, text: str, span: timedelta) -> None:
        server.on("ClearOrders", order_service_pb2.ClearOrdersResponse(count=3, sequence=10))
        assert run("clear-orders", "--older-than", text, "--venue", "v", "--json").document == {
            "count": "3",
            "sequence": "10",
        }
        assert server.requests("ClearOrders") == [
            order_service_pb2.ClearOrdersRequest(older_than=convert.duration(span), venue="v")
        ]


def test_fills(run: Any, server: Any) -> None:
    server.on("ListFills", fill_service_pb2.ListFillsResponse(fills=[FILL]))
    document = run(
        "fills", "--order", "7", "--include-reversed", "--to", NOON, "--limit", 0, "--json"
    ).document
    assert [ParseDict(each, fills_pb2.Fill()) for each in document["fills"]] == [FILL]
    asked = server.requests("ListFills")[0]
    assert (asked.order_id, asked.include_reversed, asked.page_size) == ("7", True, 1000)
    table = run("fills").stdout
    assert "0.000000000000000001" in table
    assert "BUSTED" in table
    assert "\x1b" not in table
    assert "t\\x1b[31m1" in table


class TestWatch:
    def test_lines_of_events(self, run: Any, server: Any) -> None:
        server.on("WatchEvents", feed([event(1), event(2)], [event(3)]))
        result = run("watch", "--from-beginning", "--count", 3, "--json")
        assert result.code == 0
        events = [ParseDict(line, events_pb2.Event()) for line in result.lines]
        assert events == [event(1), event(2), event(3)]

    def test_for_people(self, run: Any, server: Any) -> None:
        server.on("WatchEvents", feed([event(1, status=orders_pb2.ORDER_STATUS_FILLED)]))
        result = run("watch", "--count", 1)
        assert "FILLED" in result.stdout
        assert "SELL 0.000000000000000001 @ -3" in result.stdout
        assert "\x1b" not in result.stdout
        assert "sequence" in result.stderr

    def test_filters_and_starts(self, run: Any, server: Any) -> None:
        server.on("WatchEvents", feed([event(1)]))
        lists = ["--venue", "a", "--venue", "b", "--account", "c", "--symbol", "s", "--order", "7"]
        run("watch", "--count", 1, *lists, "--kind", "fill_recorded", "--after", 0)
        run("watch", "--count", 1, "--resume-token", "t")
        run("watch", "--count", 1, "--from", NOON)
        filtered, token, moment = server.requests("WatchEvents")
        assert filtered == feed_service_pb2.WatchEventsRequest(
            after_sequence=0,
            venues=["a", "b"],
            accounts=["c"],
            symbols=["s"],
            order_ids=["7"],
            kinds=[events_pb2.EVENT_KIND_FILL_RECORDED],
        )
        assert token.resume_token == "t"
        assert moment.WhichOneof("start") == "from_time"

    def test_a_cursor_file_goes_on_after_exactly_what_was_shown(
        self, run: Any, server: Any, tmp_path: Path
    ) -> None:
        file = tmp_path / "cursor.json"

        async def journal(request: Any, context: Any) -> AsyncIterator[Any]:
            token = request.resume_token.removeprefix("after ")
            first = int(token or request.after_sequence) + 1
            while True:
                yield feed_service_pb2.WatchEventsResponse(
                    events=[event(first), event(first + 1), event(first + 2)],
                    through_sequence=first + 2,
                    resume_token=f"after {first + 2}",
                    instance_id="one",
                )
                first += 3

        server.on("WatchEvents", journal)
        seen = []
        for count in (1, 1, 2, 3, 4):
            result = run("watch", "--from-beginning", "--cursor-file", file, "--count", count, "--json")
            seen += [int(line["sequence"]) for line in result.lines]
        assert seen == list(range(1, 12))

    def test_a_cursor_that_does_not_fit_says_the_way_out(
        self, run: Any, server: Any, refusal: Callable[..., Any]
    ) -> None:
        server.on("WatchEvents", refusal(grpc.StatusCode.FAILED_PRECONDITION, "CURSOR_AHEAD"))
        result = run("watch", "--after", 99)
        assert result.code == 1
        assert "--from-beginning" in result.stderr

    @pytest.mark.parametrize("command", ["watch"])
    def test_ctrl_c_is_its_end(self, server: Any, command: str) -> None:
        server.on("WatchEvents", feed([event(1)]))
        process = start(server, command, "--json")
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["sequence"] == "1"
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
        assert (process.returncode, stderr) == (0, b"")

    def test_a_reader_that_has_enough_is_no_failure(self, server: Any) -> None:
        many = [[event(number) for number in range(start, start + 500)] for start in range(1, 20_000, 500)]
        server.on("WatchEvents", feed(*many))
        process = start(server, "watch", "--json")
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        process.stderr.close()
        assert process.wait(20) == 0


def start(server: Any, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "FILLHANDLER_ADDRESS": server.address,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "fillhandler.cli", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


class TestTransfer:
    EXPORT = (
        state_service_pb2.ExportStateResponse(chunk=b"one ", next_page_token="2"),
        state_service_pb2.ExportStateResponse(
            chunk=b"two", progress=state_service_pb2.Progress(batches=2, events=9, total_events=9)
        ),
    )

    def test_export_to_a_file(self, run: Any, server: Any, tmp_path: Path) -> None:
        server.on("ExportState", *self.EXPORT)
        file = tmp_path / "backup.json"
        document = run("export", file, "--json").document
        assert file.read_bytes() == b"one two"
        assert document == {
            "file": str(file),
            "bytes": 7,
            "batches": "2",
            "events": "9",
            "totalEvents": "9",
        }

    def test_export_to_stdout(self, run: Any, server: Any) -> None:
        server.on("ExportState", *self.EXPORT)
        assert run("export", "-").stdout == "one two"

    def test_export_to_where_nothing_can_be_written(self, run: Any, server: Any, tmp_path: Path) -> None:
        server.on("ExportState", *self.EXPORT)
        result = run("export", tmp_path / "nowhere" / "backup.json")
        assert result.code == 1
        assert "nowhere" in result.stderr

    def imported(self, server: Any) -> None:
        async def script(request: Any, context: Any) -> Any:
            result = state_service_pb2.ImportResult(mode=request.mode, events=9, applied=True)
            return state_service_pb2.ImportStateResponse(next_chunk_index=1, result=result)

        server.on("ImportState", script)

    def test_import(self, run: Any, server: Any, tmp_path: Path) -> None:
        self.imported(server)
        file = tmp_path / "backup.json"
        file.write_bytes(b"content")
        assert run("import", file, "--json").document["mode"] == "IMPORT_MODE_MERGE"
        assert run("import", file, "--mode", "validate-only", "--import-id", "mine").code == 0
        assert (
            run("import", file, "--mode", "replace", "--yes", "--json").document["mode"]
            == "IMPORT_MODE_REPLACE"
        )
        modes = [request.mode for request in server.requests("ImportState")]
        assert modes == [
            state_service_pb2.IMPORT_MODE_MERGE,
            state_service_pb2.IMPORT_MODE_VALIDATE_ONLY,
            state_service_pb2.IMPORT_MODE_REPLACE,
        ]
        assert server.requests("ImportState")[1].import_id == "mine"

    def test_replacing_is_never_done_unasked(self, run: Any, server: Any, tmp_path: Path) -> None:
        self.imported(server)
        file = tmp_path / "backup.json"
        file.write_bytes(b"content")
        result = run("import", file, "--mode", "replace")
        assert result.code == 1
        assert "--yes" in result.stderr
        assert server.calls == []


class TestVerify:
    def walk(self, server: Any, **found: Any) -> None:
        async def script(request: Any, context: Any) -> AsyncIterator[Any]:
            yield state_service_pb2.VerifyJournalResponse()
            yield state_service_pb2.VerifyJournalResponse(done=True, **found)

        server.on("VerifyJournal", script)

    def test_good(self, run: Any, server: Any) -> None:
        self.walk(server, valid=True, head_sequence=9, head_hash="ab")
        result = run("verify", "--json")
        assert (result.code, result.document["valid"], result.document["headSequence"]) == (0, True, "9")
        assert "valid" in run("verify").stdout

    def test_bad(self, run: Any, server: Any) -> None:
        self.walk(server, valid=False, problem="a link does not hold", problem_sequence=4)
        result = run("verify", "--json")
        assert (result.code, result.document["valid"]) == (1, False)
        result = run("verify")
        assert result.code == 1
        assert "sequence 4" in result.stderr

    def test_a_folder_is_the_servers_code_to_check(
        self, run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        calls: list[dict[str, Any]] = []

        def verify(**arguments: Any) -> int:
            calls.append(arguments)
            return 1

        provide(monkeypatch, verify=verify)
        assert run("verify", "--data-dir", tmp_path, "--key-file", tmp_path / "key", "--json").code == 1
        assert calls == [{"data_dir": tmp_path, "key_file": tmp_path / "key", "json_output": True}]


class FakeEntryPoint:
    def __init__(self, function: Any) -> None:
        self._function = function

    def load(self) -> Any:
        if isinstance(self._function, Exception):
            raise self._function
        return self._function


def provide(monkeypatch: pytest.MonkeyPatch, **functions: Any) -> None:
    """Stand in for what the server's distribution registers."""

    def found(*, group: str, name: str) -> list[FakeEntryPoint]:
        assert group == "fillhandler.commands"
        return [FakeEntryPoint(functions[name])] if name in functions else []

    monkeypatch.setattr("fillhandler.cli.server_commands.entry_points", found)


class TestServerCommands:
    @pytest.mark.parametrize("missing", [None, ModuleNotFoundError("No module named 'sqlcipher3'")])
    @pytest.mark.parametrize(
        "arguments", [["serve"], ["demo", "--seconds", "3"], ["verify", "--data-dir", "."]]
    )
    def test_without_the_server_they_say_what_to_install(
        self, run: Any, monkeypatch: pytest.MonkeyPatch, arguments: list[str], missing: Exception | None
    ) -> None:
        provide(monkeypatch, **({arguments[0]: missing} if missing else {}))
        result = run(*arguments)
        assert (result.code, result.stdout) == (1, "")
        assert "pip install 'fillhandler[server]'" in result.stderr
        assert missing is None or "sqlcipher3" in result.stderr
        assert run(*arguments, "--json").problems

    def test_they_bring_their_own_options(self, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        def serve(listen: str = typer.Option("x", help="Where to listen."), json: bool = False) -> None:
            """Run it."""
            typer.echo(f"{listen} {json}")
            raise typer.Exit(7)

        provide(monkeypatch, serve=serve)
        result = run("serve", "--listen", "here", "--json")
        assert (result.code, result.stdout) == (7, "here True\n")
        for helped in (run("serve", "--help"), run("help", "serve")):
            assert helped.code == 0
            assert "Where to listen." in helped.stdout
            assert "fillhandler serve" in helped.stdout or "root serve" in helped.stdout
        assert run("serve", "--nonsense").code == 2

    def test_help_loads_none_of_them(self, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        provide(monkeypatch, serve=AssertionError("loaded"), demo=AssertionError("loaded"))
        assert run("--help").code == 0
        assert run("help").code == 0


class TestAnalytics:
    FILTER = ("--venue", "v", "--account", "a", "--symbol", "s", "--from", "2026-01-01", "--to", "2026-02-01")

    def check_filter(self, found: analytics_service_pb2.StatisticsFilter) -> None:
        assert (found.venue, found.account, found.symbol) == ("v", "a", "s")
        assert found.start_time.ToJsonString() == "2026-01-01T00:00:00Z"
        assert found.end_time.ToJsonString() == "2026-02-01T00:00:00Z"

    def test_performance(self, run: Any, server: Any) -> None:
        answer = analytics_service_pb2.AnalyzePerformanceResponse(
            totals=analytics_service_pb2.GetFillStatisticsResponse(
                total_fills=3,
                completion_rate=0.5,
                notional=[fills_pb2.Notional(amount="0.000000000000000001", currency="USDT")],
            ),
            buckets=[
                analytics_service_pb2.PerformanceBucket(start_time=convert.timestamp(NOON), total_fills=3)
            ],
        )
        server.on("AnalyzePerformance", answer)
        document = run("performance", *self.FILTER, "--bucket", "24h", "--json").document
        assert ParseDict(document, analytics_service_pb2.AnalyzePerformanceResponse()) == answer
        assert "makerRatio" not in document["totals"], "what is absent stays absent"
        asked = server.requests("AnalyzePerformance")[0]
        self.check_filter(asked.filter)
        assert asked.bucket.ToTimedelta() == timedelta(hours=24)
        shown = run("performance").stdout
        assert "50.00 %" in shown
        assert "0.000000000000000001 USDT" in shown

    def test_fees(self, run: Any, server: Any) -> None:
        group = analytics_service_pb2.FeeGroup(
            venue="binance",
            symbol="BTCUSDT",
            fees=[fills_pb2.Fee(amount="1.10", currency="BNB")],
            fill_count=2,
        )
        answer = analytics_service_pb2.AnalyzeFeesResponse(groups=[group], total=group)
        server.on("AnalyzeFees", answer)
        document = run("fee-analysis", "--by", "venue, symbol", *self.FILTER, "--json").document
        assert ParseDict(document, analytics_service_pb2.AnalyzeFeesResponse()) == answer
        asked = server.requests("AnalyzeFees")[0]
        self.check_filter(asked.filter)
        assert list(asked.group_by) == [
            analytics_service_pb2.FEE_DIMENSION_VENUE,
            analytics_service_pb2.FEE_DIMENSION_SYMBOL,
        ]
        shown = run("fee-analysis").stdout
        assert "1.10 BNB" in shown
        assert "total" in shown


class TestHelp:
    def test_all_and_one(self, run: Any) -> None:
        assert "process-fill" in run("help").stdout
        assert "--strict" in run("help", "process-fill").stdout

    def test_as_json(self, run: Any) -> None:
        assert "--strict" in run("help", "process-fill", "--json").document["help"]

    def test_version(self, run: Any) -> None:
        result = run("--version")
        assert result.code == 0
        assert result.stdout.strip()
