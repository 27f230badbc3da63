"""One file of all venues' payloads goes through the command line in one run."""

import json
from pathlib import Path
from typing import Any

from support.processes import Site
from support.venue_cases import cases_of

from fillhandler_server import venues

CASES = [(venue, case) for venue in venues.known() for case in cases_of(venue)]
# What is expected of the cases one by one; no fill is in two of them.
FILLS = sorted(
    (venue, fill["symbol"], fill["order_id"] or "", fill["trade_id"], f"SIDE_{fill['side']}")
    for venue, case in CASES
    for fill in case["expected"]["fills"]
)
# Phemex has fills that name no order: they make one a symbol.
ORDERS = {
    (venue, said["order_id"] or said["client_order_id"] or said["symbol"])
    for venue, case in CASES
    for said in (*case["expected"]["fills"], case["expected"]["order"])
    if said is not None
}


def test_a_mixed_file(site: Site, tmp_path: Path) -> None:
    assert len({venue for venue, _ in CASES}) >= 10
    mixed = tmp_path / "mixed.jsonl"
    entries = [{"venue": venue, "payload": case["payload"]} for venue, case in CASES]
    mixed.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    site.start()

    def listed(verb: str, *options: str) -> list[Any]:
        document = site.command(verb, *options, "--limit", "0", "--json").document
        return list(document[verb])

    for said in ("recorded", "duplicate"):
        done = site.command("process-fill", str(mixed), "--json")

        assert (done.code, done.stderr) == (0, "")
        counted = done.document
        assert (counted["entries"], counted[said]) == (len(CASES), len(FILLS))
        assert [counted[other] for other in ("refused", "conflict", "enriched")] == [0, 0, 0]
        fills = [fill for fill in listed("fills") if not fill["inferred"]]
        assert (
            sorted(
                (fill["venue"], fill["symbol"], fill["orderId"], fill["tradeId"], fill["side"])
                for fill in fills
            )
            == FILLS
        )
        orders = listed("orders", "--all")
        assert len(orders) == len(ORDERS)
        assert {
            (order["venue"], order["orderId"] or order["clientOrderId"] or order["symbol"])
            for order in orders
        } == ORDERS
